/* The inner loops for every 64-bit Arm processor. */
#include "kernels_vectors.h"

#if SW_ARM64
#include "kernels_neon.h"

/* Inputs of 16 bits: a vector has the weights of two outputs to four inputs, and two sums for each output. */
typedef int16_t level;
typedef int16x8_t quad;
enum { MOST_LEVELS = 32767, SHIFT = 0, SUMS = 8, LEVEL_ROWS = 2 };
#define LEVEL_TILES TILE(1, 1) TILE(1, 2) TILE(2, 1)
static size_t level_panels_of(size_t rows) { return rows > 1 ? 1 : 2; }

INLINE quad quad_of(const level *levels) {
    int16x4_t four = vld1_s16(levels);
    return vcombine_s16(four, four);
}

INLINE ints add_quad(ints sum, const int8_t *weights, quad four) {
    int16x8_t wide = vmovl_s8(vld1_s8(weights));
    int32x4_t low = vmull_s16(vget_low_s16(wide), vget_low_s16(four)), high = vmull_high_s16(wide, four);
    return sum + (ints)vpaddq_s32(low, high);
}

INLINE void finish(const ints *sums, ints *whole) {
    for (int v = 0; v < 4; v++) whole[v] = (ints)vpaddq_s32((int32x4_t)sums[2 * v], (int32x4_t)sums[2 * v + 1]);
}

#include "kernels_products.h"

const sw_kernels sw_kernels_neon = SW_KERNELS("neon");
#else
typedef int nothing_here; /* another processor */
#endif
