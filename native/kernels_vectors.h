/* What every file of a vector instruction set begins with. */
#ifndef SW_KERNELS_VECTORS_H
#define SW_KERNELS_VECTORS_H

#include <math.h>
#include <string.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* A loop that is written out at compile time, whatever the optimisation: its numbers of turns are constants. */
#if defined(__clang__)
#define EACH _Pragma("unroll") for
#else
#define EACH _Pragma("GCC unroll 32") for
#endif

#endif
