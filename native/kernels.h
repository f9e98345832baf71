/* The inner loops, of which every instruction set has its own: sw_kernels. And the packed matrices they read.
 *
 * Packed weights are one layout for all instruction sets, for one row of inputs and for many: outputs in panels of
 * SW_PANEL, in each panel input by input, so that one vector register holds an input's weights to neighbouring outputs.
 *
 *     fp32: panel[input][SW_PANEL]
 *     int8: panel[input / 4][SW_PANEL][4], weight = level * scale of its output, levels from -127 to 127
 *
 * Missing outputs and inputs are zeros.
 */
#ifndef SW_KERNELS_H
#define SW_KERNELS_H

#include "seqweave.h"

enum {
    SW_PANEL = 16,
    SW_CHUNK = 2048 /* int8: inputs that share a scale; a multiple of 4 */
};

typedef struct sw_linear { /* W x + b */
    size_t outputs, inputs;
    sw_precision precision;
    const float *weights;  /* fp32, or NULL */
    const int8_t *levels;  /* int8, or NULL */
    const float *scales;   /* int8: one for each output, panels filled up */
    const float *bias;     /* one for each output, panels filled up; never NULL */
} sw_linear;

typedef struct sw_kernels {
    const char *name;

    /* out = W in + b, or out += W in (no bias) with `add`, for each of `rows`. `in_stride` and `out_stride` are numbers
     * from row to row. */
    void (*linear)(const sw_linear *map, const float *in, size_t in_stride, float *out, size_t out_stride, size_t rows,
                   int add);

    /* out[i] = query . keys[i], for keys `stride` numbers apart. */
    void (*dots)(const float *query, const float *keys, size_t stride, size_t count, size_t width, float *out);

    /* out[i] = direction . tanh(query + keys[i]). */
    void (*tanh_dots)(const float *query, const float *keys, size_t stride, size_t count, size_t width,
                      const float *direction, float *out);

    /* out = sum of weights[i] * values[i]. */
    void (*mix)(const float *weights, const float *values, size_t stride, size_t count, size_t width, float *out);

    /* In place. */
    void (*tanh)(float *values, size_t count);
    void (*softmax)(float *values, size_t count);     /* to probabilities; all zeros when every value is -infinity */
    void (*log_softmax)(float *values, size_t count); /* to log-probabilities */

    /* A step of a cell for one row: sums of what it is given, biases included, and of its own state; both `gates` times
     * `size` long, in torch's order. The state is changed in place. */
    void (*rnn)(const float *given, const float *recurrent, float *hidden, size_t size);
    void (*irnn)(const float *given, const float *recurrent, float *hidden, size_t size);
    void (*gru)(const float *given, const float *recurrent, float *hidden, size_t size);
    void (*lstm)(const float *given, const float *recurrent, float *hidden, float *cell, size_t size);

    /* (values - mean) / sqrt(variance + 1e-5) * gain + shift, in place. */
    void (*normalize)(float *values, size_t count, const float *gain, const float *shift);

    /* out[i] = the larger of values[2 i] and values[2 i + 1]. */
    void (*larger_of_pairs)(const float *values, float *out, size_t count);
} sw_kernels;

/* The table of a file that has every loop under its own name. */
#define SW_KERNELS(name)                                                                                       \
    {                                                                                                          \
        name, linear, dots, tanh_dots, mix, tanh_all, softmax, log_softmax, rnn, irnn, gru, lstm, normalize, \
            larger_of_pairs                                                                                    \
    }

extern const sw_kernels sw_kernels_scalar;

/* Vector instruction sets, each in its file; the compiler must know vector types (GCC's, which Clang has too). */
#if defined(__GNUC__) && defined(__x86_64__)
#define SW_X86 1
extern const sw_kernels sw_kernels_avx2, sw_kernels_avx512;
#else
#define SW_X86 0
#endif
#if defined(__GNUC__) && defined(__aarch64__) && !defined(__AARCH64EB__)
#define SW_ARM64 1
extern const sw_kernels sw_kernels_neon, sw_kernels_dotprod;
#else
#define SW_ARM64 0
#endif
#if defined(__clang__) && defined(__wasm__)
#define SW_WASM 1
extern const sw_kernels sw_kernels_wasm;
#else
#define SW_WASM 0
#endif

/* The best that this machine has, and those of a name; NULL: this machine cannot run them, or nobody knows them. */
const sw_kernels *sw_kernels_here(void);
const sw_kernels *sw_kernels_named(const char *name);

/* int8: what one level of inputs stands for, whose largest is this: they have at most `most` levels to each side, and
 * only so many that sums of products have room in 32 bits. `inverse`: levels of 1. Inputs next to nothing are zeros. */
float sw_level_step(float largest, float most, size_t inputs, float *inverse);

#endif
