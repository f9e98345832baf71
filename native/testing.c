/* Only for tests: the inner loops by name. Built with -DSW_TESTING. */
#include "kernels.h"

#if defined(SW_TESTING)
SW_API const sw_kernels *sw_testing_kernels(const char *name);
const sw_kernels *sw_testing_kernels(const char *name) { return sw_kernels_named(name); }
#else
typedef int nothing_here;
#endif
