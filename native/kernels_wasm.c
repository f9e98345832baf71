/* The inner loops for WebAssembly with SIMD of 128 bits: four numbers at once. */
#include "kernels_vectors.h"

#if SW_WASM
#pragma clang attribute push(__attribute__((target("simd128"))), apply_to = function)
#include <wasm_simd128.h>

enum { LANES = 4 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

INLINE vec multiply_add(vec a, vec b, vec c) { return a * b + c; }
INLINE vec larger(vec a, vec b) { return (vec)wasm_f32x4_pmax((v128_t)b, (v128_t)a); }
INLINE vec smaller(vec a, vec b) { return (vec)wasm_f32x4_pmin((v128_t)b, (v128_t)a); }
INLINE vec evens(vec a, vec b) { return (vec)wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 0, 2, 4, 6); }
INLINE vec odds(vec a, vec b) { return (vec)wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 1, 3, 5, 7); }

#include "kernels_body.h"

enum { TILE_ROWS = 3, DEPTH = 256 };
#define TILES TILE(1, 1) TILE(1, 2) TILE(2, 1) TILE(3, 1)
static size_t panels_of(size_t rows) { return rows > 1 ? 1 : 2; }

/* Inputs of 16 bits: a vector has the weights of two outputs to four inputs, and two sums for each output. */
typedef int16_t level;
typedef v128_t quad;
enum { MOST_LEVELS = 32767, SHIFT = 0, SUMS = 8, LEVEL_ROWS = 1 };
#define LEVEL_TILES TILE(1, 1)
static size_t level_panels_of(size_t rows) { return rows > 0; }

INLINE quad quad_of(const level *levels) { return wasm_v128_load64_splat(levels); }

INLINE ints add_quad(ints sum, const int8_t *weights, quad four) {
    return sum + (ints)wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(weights), four);
}

INLINE void finish(const ints *sums, ints *whole) {
    for (int v = 0; v < 4; v++) {
        v128_t a = (v128_t)sums[2 * v], b = (v128_t)sums[2 * v + 1];
        whole[v] = (ints)wasm_i32x4_shuffle(a, b, 0, 2, 4, 6) + (ints)wasm_i32x4_shuffle(a, b, 1, 3, 5, 7);
    }
}

INLINE ints whole_of(vec numbers) { return (ints)wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest((v128_t)numbers)); }

#include "kernels_products.h"

const sw_kernels sw_kernels_wasm = SW_KERNELS("wasm");

#pragma clang attribute pop
#else
typedef int nothing_here; /* another processor */
#endif
