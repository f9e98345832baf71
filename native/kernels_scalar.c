/* The inner loops in plain C: what every other instruction set is tested against. */
#include "kernels.h"

#include <math.h>

enum { MOST_LEVELS = 32767 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void add_panel_fp32(const sw_linear *map, size_t panel, const float *in, float *sums) {
    const float *weights = map->weights + panel * map->inputs * SW_PANEL;
    for (size_t input = 0; input < map->inputs; input++)
        for (size_t lane = 0; lane < SW_PANEL; lane++) sums[lane] += in[input] * weights[input * SW_PANEL + lane];
}

/* Whole levels of inputs. Gives what a level stands for: NaN when an input is not finite. */
static float to_levels(const float *in, size_t inputs, int16_t *levels) {
    float largest = 0, inverse;
    for (size_t input = 0; input < inputs; input++) {
        if (!isfinite(in[input])) largest = INFINITY;
        else if (fabsf(in[input]) > largest) largest = fabsf(in[input]);
    }
    float step = sw_level_step(largest, MOST_LEVELS, inputs, &inverse);
    for (size_t input = 0; input < inputs; input++)
        levels[input] = (int16_t)(largest < INFINITY ? rintf(in[input] * inverse) : 0);
    return largest < INFINITY ? step : NAN;
}

static void add_panel_int8(const sw_linear *map, size_t panel, const float *in, float *sums) {
    size_t fours = (map->inputs + 3) / 4;
    for (size_t first = 0; first < map->inputs; first += SW_CHUNK) {
        int16_t levels[SW_CHUNK];
        int32_t whole[SW_PANEL] = {0};
        size_t inputs = smaller(SW_CHUNK, map->inputs - first);
        const int8_t *weights = map->levels + (panel * fours * 4 + first) * SW_PANEL;
        float step = to_levels(in + first, inputs, levels);
        for (size_t input = 0; input < inputs; input++) {
            const int8_t *four = weights + input / 4 * SW_PANEL * 4 + input % 4;
            for (size_t lane = 0; lane < SW_PANEL; lane++) whole[lane] += levels[input] * four[4 * lane];
        }
        for (size_t lane = 0; lane < SW_PANEL; lane++)
            sums[lane] += (float)whole[lane] * (step * map->scales[panel * SW_PANEL + lane]);
    }
}

static void linear(const sw_linear *map, const float *in, size_t in_stride, float *out, size_t out_stride, size_t rows,
                   int add) {
    for (size_t row = 0; row < rows; row++)
        for (size_t first = 0; first < map->outputs; first += SW_PANEL) {
            size_t here = smaller(SW_PANEL, map->outputs - first);
            float *to = out + row * out_stride + first, sums[SW_PANEL];
            for (size_t lane = 0; lane < SW_PANEL; lane++) sums[lane] = add ? 0.0f : map->bias[first + lane];
            if (map->precision == SW_INT8)
                add_panel_int8(map, first / SW_PANEL, in + row * in_stride, sums);
            else
                add_panel_fp32(map, first / SW_PANEL, in + row * in_stride, sums);
            for (size_t lane = 0; lane < here; lane++) to[lane] = add ? to[lane] + sums[lane] : sums[lane];
        }
}

static void dots(const float *query, const float *keys, size_t stride, size_t count, size_t width, float *out) {
    for (size_t key = 0; key < count; key++) {
        float sum = 0;
        for (size_t place = 0; place < width; place++) sum += query[place] * keys[key * stride + place];
        out[key] = sum;
    }
}

static void tanh_dots(const float *query, const float *keys, size_t stride, size_t count, size_t width,
                      const float *direction, float *out) {
    for (size_t key = 0; key < count; key++) {
        float sum = 0;
        for (size_t place = 0; place < width; place++)
            sum += direction[place] * tanhf(query[place] + keys[key * stride + place]);
        out[key] = sum;
    }
}

static void mix(const float *weights, const float *values, size_t stride, size_t count, size_t width, float *out) {
    for (size_t place = 0; place < width; place++) out[place] = 0;
    for (size_t value = 0; value < count; value++)
        for (size_t place = 0; place < width; place++) out[place] += weights[value] * values[value * stride + place];
}

static void tanh_all(float *values, size_t count) {
    for (size_t place = 0; place < count; place++) values[place] = tanhf(values[place]);
}

static float largest_of(const float *values, size_t count) {
    float largest = -INFINITY;
    for (size_t place = 0; place < count; place++) largest = values[place] > largest ? values[place] : largest;
    return largest;
}

static void softmax(float *values, size_t count) {
    float largest = largest_of(values, count);
    double sum = 0; /* so that long rows lose no digits */
    if (largest == -INFINITY) largest = 0;
    for (size_t place = 0; place < count; place++) sum += values[place] = expf(values[place] - largest);
    float share = (float)(sum > 0 ? 1 / sum : sum == 0 ? 0 : sum); /* NaN stays NaN */
    for (size_t place = 0; place < count; place++) values[place] *= share;
}

static void log_softmax(float *values, size_t count) {
    float largest = largest_of(values, count);
    double sum = 0;
    for (size_t place = 0; place < count; place++) sum += expf(values[place] - largest);
    float all = largest + (float)log(sum);
    for (size_t place = 0; place < count; place++) values[place] -= all;
}

static float sigmoid(float value) { return 1 / (1 + expf(-value)); }

static void rnn(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit++) hidden[unit] = tanhf(given[unit] + recurrent[unit]);
}

static void irnn(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit++) {
        float sum = given[unit] + recurrent[unit];
        hidden[unit] = sum < 0 ? 0 : sum; /* NaN stays NaN */
    }
}

static void gru(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit++) {
        float reset = sigmoid(given[unit] + recurrent[unit]);
        float update = sigmoid(given[size + unit] + recurrent[size + unit]);
        float made = tanhf(given[2 * size + unit] + reset * recurrent[2 * size + unit]);
        hidden[unit] = (1 - update) * made + update * hidden[unit];
    }
}

static void lstm(const float *given, const float *recurrent, float *hidden, float *cell, size_t size) {
    for (size_t unit = 0; unit < size; unit++) {
        float enter = sigmoid(given[unit] + recurrent[unit]);
        float keep = sigmoid(given[size + unit] + recurrent[size + unit]);
        float made = tanhf(given[2 * size + unit] + recurrent[2 * size + unit]);
        float leave = sigmoid(given[3 * size + unit] + recurrent[3 * size + unit]);
        cell[unit] = keep * cell[unit] + enter * made;
        hidden[unit] = leave * tanhf(cell[unit]);
    }
}

static void normalize(float *values, size_t count, const float *gain, const float *shift) {
    float mean = 0, variance = 0;
    for (size_t place = 0; place < count; place++) mean += values[place];
    mean /= (float)count;
    for (size_t place = 0; place < count; place++) variance += (values[place] - mean) * (values[place] - mean);
    float scale = 1 / sqrtf(variance / (float)count + 1e-5f);
    for (size_t place = 0; place < count; place++)
        values[place] = (values[place] - mean) * scale * gain[place] + shift[place];
}

static void larger_of_pairs(const float *values, float *out, size_t count) {
    for (size_t place = 0; place < count; place++) {
        float first = values[2 * place], second = values[2 * place + 1];
        out[place] = second > first || second != second ? second : first; /* NaN stays NaN */
    }
}

const sw_kernels sw_kernels_scalar = SW_KERNELS("scalar");
