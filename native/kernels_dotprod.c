/* The inner loops for 64-bit Arm processors with products of four bytes at once (FEAT_DotProd: most since 2018). */
#include "kernels_vectors.h"

#if SW_ARM64
#if defined(__clang__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif
#include "kernels_neon.h"

/* Inputs of 8 bits: a vector has the weights of four outputs to four inputs. */
typedef int8_t level;
typedef int8x16_t quad;
enum { MOST_LEVELS = 127, SHIFT = 0, SUMS = 4, LEVEL_ROWS = 4 };
#define LEVEL_TILES TILE(1, 1) TILE(1, 2) TILE(2, 1) TILE(3, 1) TILE(4, 1)
static size_t level_panels_of(size_t rows) { return rows > 1 ? 1 : 2; }

INLINE quad quad_of(const level *levels) {
    int32_t four;
    memcpy(&four, levels, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

INLINE ints add_quad(ints sum, const int8_t *weights, quad four) {
    return (ints)vdotq_s32((int32x4_t)sum, vld1q_s8(weights), four);
}

INLINE void finish(const ints *sums, ints *whole) {
    for (int v = 0; v < 4; v++) whole[v] = sums[v];
}

#include "kernels_products.h"

const sw_kernels sw_kernels_dotprod = SW_KERNELS("dotprod");

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
typedef int nothing_here; /* another processor */
#endif
