/* Every instruction set that a machine has against scalar, without Python: for machines that are only emulated.
 *
 * Build it with native/kernels*.c for any target; it prints a line for each set and each inner loop that is wrong, and
 * ends with 1 when one is. int8 with inputs of 8 bits is compared with fp32, so loosely. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { MOST_ROWS = 20, MOST_WIDTH = 2100, MOST_OUTPUTS = 150, ROOM = MOST_ROWS * MOST_WIDTH };
static const char *const NAMES[] = {"avx512", "avx2", "dotprod", "neon", "wasm"};

static float weights[(MOST_OUTPUTS + SW_PANEL) * (MOST_WIDTH + 4)], scales[MOST_OUTPUTS + SW_PANEL];
static float bias[MOST_OUTPUTS + SW_PANEL], in[ROOM], more[ROOM], one[ROOM], other[ROOM], state[ROOM], state2[ROOM];
static int8_t levels[(MOST_OUTPUTS + SW_PANEL) * (MOST_WIDTH + 4)];
static uint32_t seed = 1;

static float any(void) { /* from -1 to 1 */
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1;
}

static void fill(float *numbers, size_t count, float scale) {
    for (size_t at = 0; at < count; at++) numbers[at] = scale * any();
}

/* The largest difference, relative to numbers above 1; infinite where one is NaN and the other not. */
static double apart(const float *a, const float *b, size_t count) {
    double largest = 0;
    for (size_t at = 0; at < count; at++) {
        if (isnan(a[at]) != isnan(b[at])) return INFINITY;
        if (isnan(a[at]) || a[at] == b[at]) continue;
        double scale = fabs((double)a[at]) > 1 ? fabs((double)a[at]) : 1;
        largest = fmax(largest, fabs((double)a[at] - (double)b[at]) / scale);
    }
    return largest;
}

static int tell(const char *set, const char *loop, size_t width, double found, double bound) {
    if (found <= bound) return 0;
    printf("%s %s, width %zu: %g apart\n", set, loop, width, found);
    return 1;
}

/* Products of some rows; the scales of int8 make its weights as large as those of fp32, of which it knows nothing. */
static int products(const sw_kernels *a, const sw_kernels *b, sw_precision precision, size_t outputs, size_t inputs) {
    size_t fours = (inputs + 3) / 4 * 4, panels = (outputs + SW_PANEL - 1) / SW_PANEL, rows = 1 + seed % MOST_ROWS;
    fill(weights, panels * SW_PANEL * inputs, 1);
    fill(bias, panels * SW_PANEL, 1);
    for (size_t at = 0; at < panels * SW_PANEL * fours; at++) levels[at] = (int8_t)(127 * any());
    for (size_t at = 0; at < panels * SW_PANEL; at++) scales[at] = 1 / 127.0f;
    sw_linear map = {outputs, inputs, precision, weights, levels, scales, bias};
    int narrow = !strcmp(b->name, "avx512") || !strcmp(b->name, "dotprod"), wrong = 0;
    double bound = 2e-6 * sqrt((double)inputs + 1) * (precision == SW_INT8 && narrow ? 10000 : 2);
    memcpy(other, one, sizeof one); /* also what nobody may touch */
    for (int add = 0; add < 2; add++) {
        a->linear(&map, in, inputs, one, outputs + 1, rows, add);
        b->linear(&map, in, inputs, other, outputs + 1, rows, add);
        wrong |= tell(b->name, precision ? "int8" : "fp32", inputs, apart(one, other, rows * (outputs + 1)), bound);
    }
    return wrong;
}

static int all_products(const sw_kernels *a, const sw_kernels *b) {
    int wrong = 0;
    fill(in, ROOM, 1);
    fill(one, ROOM, 1);
    memcpy(other, one, sizeof one);
    for (size_t width = 1; width <= 70; width++)
        for (int precision = 0; precision < 2; precision++) {
            wrong |= products(a, b, precision ? SW_INT8 : SW_FP32, 1 + seed % MOST_OUTPUTS, width);
            wrong |= products(a, b, precision ? SW_INT8 : SW_FP32, width, 1 + seed % 300);
        }
    return wrong | products(a, b, SW_FP32, 40, MOST_WIDTH) | products(a, b, SW_INT8, 40, MOST_WIDTH);
}

static int cells(const sw_kernels *a, const sw_kernels *b, size_t size) {
    int wrong = 0;
    void (*const plain[][2])(const float *, const float *, float *, size_t) = {
        {a->rnn, b->rnn}, {a->irnn, b->irnn}, {a->gru, b->gru}};
    for (int cell = 0; cell < 3; cell++) {
        plain[cell][0](in, more, one, size);
        plain[cell][1](in, more, other, size);
        wrong |= tell(b->name, "a cell", size, apart(one, other, size + 1), 1e-6);
    }
    a->lstm(in, more, one, state, size);
    b->lstm(in, more, other, state2, size);
    return wrong | tell(b->name, "lstm", size, fmax(apart(one, other, size + 1), apart(state, state2, size + 1)), 2e-6);
}

static int in_place(const sw_kernels *a, const sw_kernels *b, size_t width) {
    int wrong = 0;
    void (*const loops[][2])(float *, size_t) = {
        {a->tanh, b->tanh}, {a->softmax, b->softmax}, {a->log_softmax, b->log_softmax}};
    for (int loop = 0; loop < 3; loop++)
        for (int odd = 0; odd < 3; odd++) {
            memcpy(one, in, sizeof in);
            if (odd) one[seed % width] = odd == 1 ? -INFINITY : NAN;
            memcpy(other, one, sizeof one);
            loops[loop][0](one, width);
            loops[loop][1](other, width);
            wrong |= tell(b->name, "a loop in place", width, apart(one, other, width + 1), 2e-6);
        }
    memcpy(one, in, sizeof in);
    memcpy(other, in, sizeof in);
    a->normalize(one, width, more, bias);
    b->normalize(other, width, more, bias);
    return wrong | tell(b->name, "normalize", width, apart(one, other, width + 1), 1e-5);
}

static int others(const sw_kernels *a, const sw_kernels *b, size_t width) {
    size_t count = seed % 12;
    int wrong = 0;
    a->dots(in, more, width, count, width, one), b->dots(in, more, width, count, width, other);
    wrong |= tell(b->name, "dots", width, apart(one, other, count + 1), 1e-4);
    a->tanh_dots(in, more, width, count, width, bias, one), b->tanh_dots(in, more, width, count, width, bias, other);
    wrong |= tell(b->name, "tanh_dots", width, apart(one, other, count + 1), 1e-5);
    a->mix(in, more, width + 1, count, width, one), b->mix(in, more, width + 1, count, width, other);
    wrong |= tell(b->name, "mix", width, apart(one, other, width + 1), 1e-4);
    more[seed % width] = NAN;
    memcpy(other, one, sizeof one);
    a->larger_of_pairs(more, one, width), b->larger_of_pairs(more, other, width);
    return wrong | tell(b->name, "larger_of_pairs", width, apart(one, other, width + 1), 0);
}

static int compare(const sw_kernels *a, const sw_kernels *b) {
    int wrong = all_products(a, b);
    for (size_t width = 1; width <= MOST_OUTPUTS; width++) {
        fill(in, ROOM, 5);
        fill(more, ROOM, 5);
        fill(bias, MOST_OUTPUTS, 1);
        fill(one, ROOM, 1), memcpy(other, one, sizeof one);
        fill(state, ROOM, 2), memcpy(state2, state, sizeof state);
        wrong |= cells(a, b, width) | in_place(a, b, width) | others(a, b, width);
    }
    return wrong;
}

int main(void) {
    int wrong = 0;
    printf("the best here: %s\n", sw_kernels_here()->name);
    for (size_t index = 0; index < sizeof NAMES / sizeof *NAMES; index++) {
        const sw_kernels *set = sw_kernels_named(NAMES[index]);
        if (!set) continue;
        int here = compare(&sw_kernels_scalar, set);
        printf("%s: %s\n", set->name, here ? "WRONG" : "as scalar");
        wrong |= here;
    }
    return wrong;
}
