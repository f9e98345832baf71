/* The inner loops with AVX-512 (F, BW, VL, DQ) and VNNI: sixteen numbers at once, thirty-two registers. */
#include "kernels_vectors.h"

#if SW_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")
#endif

enum { LANES = 16 };
typedef float vec __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));

INLINE vec multiply_add(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec larger(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec smaller(vec a, vec b) { return _mm512_min_ps(a, b); }

INLINE vec evens(vec a, vec b) {
    ints places = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    return _mm512_permutex2var_ps(a, (__m512i)places, b);
}

INLINE vec odds(vec a, vec b) {
    ints places = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};
    return _mm512_permutex2var_ps(a, (__m512i)places, b);
}

#include "kernels_body.h"

enum { TILE_ROWS = 6, DEPTH = 128 };
#define TILES TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(1, 5) TILE(1, 6) TILE(1, 7) TILE(1, 8) \
              TILE(2, 1) TILE(2, 4) TILE(3, 1) TILE(3, 4) TILE(4, 1) TILE(4, 4) TILE(5, 1) TILE(5, 4) \
              TILE(6, 1) TILE(6, 4)
static size_t panels_of(size_t rows) { return rows > 1 ? 4 : 8; }

/* Inputs of 8 bits with 128 added, for the instruction takes one side without a sign: four products for each output. */
typedef uint8_t level;
typedef __m512i quad;
enum { MOST_LEVELS = 127, SHIFT = 128, SUMS = 1, LEVEL_ROWS = 4 };
#define LEVEL_TILES TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(2, 1) TILE(2, 4) TILE(3, 1) TILE(3, 4) \
                    TILE(4, 1) TILE(4, 4)
static size_t level_panels_of(size_t rows) { return rows ? 4 : 1; }

INLINE quad quad_of(const level *levels) {
    int32_t four;
    memcpy(&four, levels, sizeof four);
    return _mm512_set1_epi32(four);
}

INLINE ints add_quad(ints sum, const int8_t *weights, quad four) {
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, four, _mm512_loadu_si512(weights));
}

INLINE void finish(const ints *sums, ints *whole) { whole[0] = sums[0]; }

INLINE ints whole_of(vec numbers) { return (ints)_mm512_cvtps_epi32(numbers); }

#include "kernels_products.h"

const sw_kernels sw_kernels_avx512 = SW_KERNELS("avx512");

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
typedef int nothing_here; /* another processor */
#endif
