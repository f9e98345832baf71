#include "kernels.h"

const sw_kernels *sw_kernels_here(void) { return &sw_kernels_scalar; }

const char *sw_instructions(void) { return sw_kernels_here()->name; }
