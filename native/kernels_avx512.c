#include "kernels.h"
#if SW_X86
const sw_kernels sw_kernels_avx512 = {"avx512",0,0,0,0,0,0,0,0,0,0,0,0,0};
#endif
