#include "model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t LARGEST_TABLE = (size_t)1 << 21; /* numbers: 8 MiB, what a cache may hold beside the rest */

int32_t sw_version(void) { return SW_VERSION; }

static sw_status wrong_shape(sw_building *in, const char *name, const sw_tensor *tensor, size_t rows, size_t columns) {
    return sw_fail(in->error, SW_BAD_MODEL,
                   "the weights do not fit the settings: %s must be (%zu, %zu), but it has %zu axes and begins with "
                   "(%zu, %zu)",
                   name, rows, columns, tensor->axes, tensor->shape[0], tensor->shape[1]);
}

sw_status sw_weights(sw_building *in, size_t rows, size_t columns, const float **numbers, const char *format, ...) {
    char name[200];
    va_list values;
    va_start(values, format);
    vsnprintf(name, sizeof name, format, values);
    va_end(values);
    const sw_tensor *tensor = sw_tensors_find(in->tensors, name);
    if (!tensor) return sw_fail(in->error, SW_BAD_MODEL, "the weights do not fit the settings: %s is missing", name);
    size_t axes = (rows > 0) + (columns > 0);
    int fits = tensor->axes == axes && (!rows || tensor->shape[0] == rows) && (!columns || tensor->shape[1] == columns);
    if (!fits) return wrong_shape(in, name, tensor, rows, columns);
    size_t count = sw_times(rows ? rows : 1, columns ? columns : 1);
    float *copy = SW_TAKE(&in->passing, float, count);
    if (!copy) return sw_no_memory(in->error);
    memcpy(copy, tensor->bytes, count * sizeof(float));
    *numbers = copy;
    return SW_OK;
}

sw_status sw_keep(sw_building *in, const float *numbers, size_t count, const float **kept) {
    float *copy = SW_TAKE(&in->model->arena, float, count);
    if (!copy) return sw_no_memory(in->error);
    memcpy(copy, numbers, count * sizeof(float));
    *kept = copy;
    return SW_OK;
}

static sw_status pack_fp32(sw_building *in, const float *weights, size_t stride, sw_linear *map) {
    size_t panels = (map->outputs + SW_PANEL - 1) / SW_PANEL;
    float *packed = SW_TAKE(&in->model->arena, float, sw_times(panels * SW_PANEL, map->inputs));
    if (!packed) return sw_no_memory(in->error);
    for (size_t output = 0; output < map->outputs; output++) {
        float *panel = packed + output / SW_PANEL * SW_PANEL * map->inputs + output % SW_PANEL;
        for (size_t input = 0; input < map->inputs; input++) panel[input * SW_PANEL] = weights[output * stride + input];
    }
    map->weights = packed;
    return SW_OK;
}

/* What a level of a row of weights stands for: NaN where a weight is not finite, 0 where all are nearly that. */
static float scale_of(const float *row, size_t inputs) {
    float largest = 0;
    for (size_t input = 0; input < inputs; input++) {
        if (!isfinite(row[input])) return NAN;
        largest = fmaxf(largest, fabsf(row[input]));
    }
    return largest / 127;
}

static sw_status pack_int8(sw_building *in, const float *weights, size_t stride, sw_linear *map) {
    size_t panels = (map->outputs + SW_PANEL - 1) / SW_PANEL, inputs = (map->inputs + 3) / 4 * 4;
    int8_t *packed = SW_TAKE(&in->model->arena, int8_t, sw_times(panels * SW_PANEL, inputs));
    float *scales = SW_TAKE(&in->model->arena, float, panels * SW_PANEL);
    if (!packed || !scales) return sw_no_memory(in->error);
    for (size_t output = 0; output < map->outputs; output++) {
        const float *row = weights + output * stride;
        float scale = scales[output] = scale_of(row, map->inputs);
        int8_t *panel = packed + output / SW_PANEL * SW_PANEL * inputs + output % SW_PANEL * 4;
        for (size_t input = 0; scale > 0 && input < map->inputs; input++)
            panel[input / 4 * SW_PANEL * 4 + input % 4] = (int8_t)rintf(fmaxf(-127, fminf(127, row[input] / scale)));
    }
    map->levels = packed;
    map->scales = scales;
    return SW_OK;
}

static sw_status pack_as(sw_building *in, sw_precision precision, const float *weights, size_t stride, size_t first,
                         size_t outputs, size_t inputs, const float *bias, sw_linear *map) {
    *map = (sw_linear){.outputs = outputs, .inputs = inputs, .precision = precision};
    float *filled = SW_TAKE(&in->model->arena, float, (outputs + SW_PANEL - 1) / SW_PANEL * SW_PANEL);
    if (!filled) return sw_no_memory(in->error);
    if (bias) memcpy(filled, bias, outputs * sizeof(float));
    map->bias = filled;
    return (precision == SW_INT8 ? pack_int8 : pack_fp32)(in, weights + first, stride, map);
}

sw_status sw_pack(sw_building *in, const float *weights, size_t stride, size_t first, size_t outputs, size_t inputs,
                  const float *bias, sw_linear *map) {
    return pack_as(in, in->model->precision, weights, stride, first, outputs, inputs, bias, map);
}

sw_status sw_pack_named(sw_building *in, size_t outputs, size_t inputs, int has_bias, const char *name,
                        sw_linear *map) {
    const float *weights, *bias = NULL;
    SW_TRY(sw_weights(in, outputs, inputs, &weights, "%s.weight", name));
    if (has_bias) SW_TRY(sw_weights(in, outputs, 0, &bias, "%s.bias", name));
    return sw_pack(in, weights, inputs, 0, outputs, inputs, bias, map);
}

sw_status sw_norm_named(sw_building *in, size_t size, const char *name, sw_norm *norm) {
    const float *gain, *shift;
    SW_TRY(sw_weights(in, size, 0, &gain, "%s.weight", name));
    SW_TRY(sw_weights(in, size, 0, &shift, "%s.bias", name));
    SW_TRY(sw_keep(in, gain, size, &norm->gain));
    return sw_keep(in, shift, size, &norm->shift);
}

/* The sums of one-hot items are columns of the weights; those of other vectors are products. */
static sw_status fill_sums(sw_building *in, const float *weights, size_t stride, const float *bias, sw_reader *reader) {
    const sw_vectors *of = reader->of;
    float *sums = SW_TAKE(&in->model->arena, float, sw_times(of->entries, reader->width));
    if (!sums) return sw_no_memory(in->error);
    sw_linear exact;
    SW_TRY(pack_as(in, SW_FP32, weights, stride, 0, reader->width, of->width, bias, &exact));
    size_t dense = of->table ? 0 : of->first_tag;
    const float *vectors = of->table ? of->table : of->tags;
    for (size_t item = 0; item < dense; item++)
        for (size_t sum = 0; sum < reader->width; sum++)
            sums[item * reader->width + sum] = weights[sum * stride + item] + (bias ? bias[sum] : 0.0f);
    in->model->kernels->linear(&exact, vectors, of->width, sums + dense * reader->width, reader->width,
                               of->entries - dense, 0);
    reader->sums = sums;
    return SW_OK;
}

sw_status sw_reader_build(sw_building *in, const sw_vectors *vectors, const float *weights, size_t stride, size_t first,
                          size_t width, const float *bias, sw_reader *reader) {
    *reader = (sw_reader){.of = vectors, .width = width};
    if (!vectors->table || sw_times(vectors->entries, width) <= LARGEST_TABLE)
        return fill_sums(in, weights + first, stride, bias, reader);
    return sw_pack(in, weights, stride, first, width, vectors->width, bias, &reader->map);
}

static sw_status build(sw_building *in) {
    static sw_status (*const parts[])(sw_building *) = {sw_vectors_build, sw_encoder_build, sw_attention_build,
                                                        sw_decoder_build, sw_output_build};
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
        SW_TRY(parts[part](in));
        sw_release(&in->passing);
    }
    return SW_OK;
}

static const sw_kernels *kernels_of(const sw_how *how) {
    return how && how->instructions ? sw_kernels_named(how->instructions) : sw_kernels_here();
}

sw_status sw_open(const char *settings, size_t settings_size, const void *weights, size_t weights_size,
                  const sw_how *how, sw_model **model, sw_error *error) {
    *model = NULL;
    const sw_kernels *kernels = kernels_of(how);
    if (!kernels)
        return sw_fail(error, SW_BAD_ARGUMENT, "instructions must be a set that this machine has, such as %s, but they "
                       "are %s", sw_instructions(), how->instructions);
    sw_arena passing = {NULL};
    sw_tensors tensors = {0};
    sw_model *made = calloc(1, sizeof *made);
    if (!made) return sw_no_memory(error);
    made->precision = how ? how->precision : SW_FP32;
    made->kernels = kernels;
    sw_building in = {made, &tensors, {NULL}, error};
    sw_status status = sw_settings_read(settings, settings_size, &made->is, error);
    if (!status) status = sw_tensors_read(&passing, weights, weights_size, &tensors, error);
    if (!status) status = build(&in);
    sw_release(&in.passing);
    sw_release(&passing);
    if (status) sw_close(made);
    else *model = made;
    return status;
}

void sw_close(sw_model *model) {
    if (!model) return;
    sw_release(&model->arena);
    free(model);
}

void sw_sizes_of(const sw_model *model, sw_sizes *sizes) {
    sizes->source_entries = model->source.entries;
    sizes->source_tags = model->source.entries - model->source.first_tag;
    sizes->target_entries = model->output.entries;
    sizes->copies = model->is.copy;
    sizes->attends = model->is.decoder == SW_TRANSFORMER || model->is.attention != SW_NO_ATTENTION;
}
