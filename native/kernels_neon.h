/* What both files for 64-bit Arm begin with: four numbers at once, thirty-two registers. */
#include <arm_neon.h>

enum { LANES = 4 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

INLINE vec multiply_add(vec a, vec b, vec c) { return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }

INLINE vec larger(vec a, vec b) {
    return (vec)vbslq_f32(vcgtq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a, (float32x4_t)b);
}

INLINE vec smaller(vec a, vec b) {
    return (vec)vbslq_f32(vcltq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a, (float32x4_t)b);
}

INLINE vec evens(vec a, vec b) { return (vec)vuzp1q_f32((float32x4_t)a, (float32x4_t)b); }
INLINE vec odds(vec a, vec b) { return (vec)vuzp2q_f32((float32x4_t)a, (float32x4_t)b); }

#include "kernels_body.h"

enum { TILE_ROWS = 6, DEPTH = 256 };
#define TILES TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(2, 1) TILE(2, 3) TILE(3, 1) TILE(3, 2) \
              TILE(4, 1) TILE(5, 1) TILE(6, 1)
static size_t panels_of(size_t rows) { return rows > 3 ? 1 : 5 - rows; }

INLINE ints whole_of(vec numbers) { return (ints)vcvtnq_s32_f32((float32x4_t)numbers); }
