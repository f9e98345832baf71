/* The inner loops with AVX2 and FMA: eight numbers at once, sixteen registers. */
#include "kernels_vectors.h"

#if SW_X86
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

enum { LANES = 8 };
typedef float vec __attribute__((vector_size(32)));
typedef int32_t ints __attribute__((vector_size(32)));
typedef uint32_t words __attribute__((vector_size(32)));

INLINE vec multiply_add(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vec larger(vec a, vec b) { return _mm256_max_ps(a, b); }
INLINE vec smaller(vec a, vec b) { return _mm256_min_ps(a, b); }

/* Within the halves of registers first, then the quarters in order. */
INLINE vec in_order(vec quarters) { return (vec)_mm256_permute4x64_pd((__m256d)quarters, 0xD8); }
INLINE vec evens(vec a, vec b) { return in_order(_mm256_shuffle_ps(a, b, 0x88)); }
INLINE vec odds(vec a, vec b) { return in_order(_mm256_shuffle_ps(a, b, 0xDD)); }

#include "kernels_body.h"

enum { TILE_ROWS = 6, DEPTH = 256 };
#define TILES TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(2, 1) TILE(2, 3) TILE(3, 1) TILE(3, 2) \
              TILE(4, 1) TILE(5, 1) TILE(6, 1)
static size_t panels_of(size_t rows) { return rows > 3 ? 1 : 5 - rows; }

/* Inputs of 16 bits: a vector has the weights of four outputs to four inputs, and two sums for each output. */
typedef int16_t level;
typedef __m256i quad;
enum { MOST_LEVELS = 32767, SHIFT = 0, SUMS = 4, LEVEL_ROWS = 2 };
#define LEVEL_TILES TILE(1, 1) TILE(1, 2) TILE(2, 1)
static size_t level_panels_of(size_t rows) { return rows > 1 ? 1 : 2; }

INLINE quad quad_of(const level *levels) {
    int64_t four;
    memcpy(&four, levels, sizeof four);
    return _mm256_set1_epi64x(four);
}

INLINE ints add_quad(ints sum, const int8_t *weights, quad four) {
    __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)weights));
    return sum + (ints)_mm256_madd_epi16(wide, four);
}

INLINE void finish(const ints *sums, ints *whole) {
    for (int v = 0; v < 2; v++) {
        __m256i pairs = _mm256_hadd_epi32((__m256i)sums[2 * v], (__m256i)sums[2 * v + 1]);
        whole[v] = (ints)_mm256_permute4x64_epi64(pairs, 0xD8);
    }
}

INLINE ints whole_of(vec numbers) { return (ints)_mm256_cvtps_epi32(numbers); }

#include "kernels_products.h"

const sw_kernels sw_kernels_avx2 = SW_KERNELS("avx2");

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
typedef int nothing_here; /* another processor */
#endif
