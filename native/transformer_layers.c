#include "transformer_layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYER_NAME = 60, NAME = 160 };

static sw_status build_heads(sw_building *in, const char *layer, const char *part, size_t size, size_t source,
                             sw_heads *heads) {
    char name[NAME];
    snprintf(name, sizeof name, "%s.%s.project", layer, part);
    SW_TRY(sw_pack_named(in, (source ? 2 : 3) * size, source ? source : size, 0, name, &heads->project));
    snprintf(name, sizeof name, "%s.%s.output", layer, part);
    SW_TRY(sw_pack_named(in, size, size, 0, name, &heads->output));
    if (!source) return SW_OK;
    snprintf(name, sizeof name, "%s.%s.query", layer, part);
    return sw_pack_named(in, size, size, 0, name, &heads->query);
}

static sw_status build_norm(sw_building *in, const char *layer, const char *part, size_t size, sw_norm *norm) {
    char name[NAME];
    snprintf(name, sizeof name, "%s.%s.norm", layer, part);
    return sw_norm_named(in, size, name, norm);
}

static sw_status build_feed_forward(sw_building *in, const char *name, size_t size, sw_transformer_layer *layer) {
    size_t wide = in->model->is.feed_forward_size ? in->model->is.feed_forward_size : 4 * size;
    const float *bias;
    char part[NAME];
    snprintf(part, sizeof part, "%s.feed_forward.inner", name);
    SW_TRY(sw_pack_named(in, wide, size, 1, part, &layer->inner));
    snprintf(part, sizeof part, "%s.feed_forward.output", name);
    SW_TRY(sw_pack_named(in, size, wide, 0, part, &layer->outer));
    SW_TRY(sw_weights(in, size, 0, &bias, "%s.bias", part));
    return sw_keep(in, bias, size, &layer->outer_bias);
}

static sw_status build_layer(sw_building *in, const char *name, size_t size, int decodes, sw_transformer_layer *layer) {
    SW_TRY(build_heads(in, name, decodes ? "own" : "attention", size, 0, &layer->own));
    SW_TRY(build_norm(in, name, decodes ? "around_own" : "around_attention", size, &layer->around_own));
    SW_TRY(build_feed_forward(in, name, size, layer));
    SW_TRY(build_norm(in, name, "around_feed_forward", size, &layer->around_feed_forward));
    if (!decodes) return SW_OK;
    SW_TRY(build_heads(in, name, "cross", size, in->model->encoded, &layer->cross));
    return build_norm(in, name, "around_cross", size, &layer->around_cross);
}

static sw_status build_side(sw_building *in, const char *side, size_t layers, int decodes, sw_transformer **made) {
    const sw_settings *is = &in->model->is;
    char name[LAYER_NAME];
    sw_transformer *of = SW_TAKE(&in->model->arena, sw_transformer, 1);
    if (!of) return sw_no_memory(in->error);
    of->count = layers;
    of->size = is->embedding_size;
    of->heads = is->heads;
    of->head_size = of->size / of->heads;
    of->pre = is->pre_norm;
    of->scale = 1 / sqrtf((float)of->head_size);
    of->layers = SW_TAKE(&in->model->arena, sw_transformer_layer, layers);
    if (!of->layers) return sw_no_memory(in->error);
    for (size_t layer = 0; layer < layers; layer++) {
        snprintf(name, sizeof name, "%s.layers.%zu", side, layer);
        SW_TRY(build_layer(in, name, of->size, decodes, &of->layers[layer]));
        sw_release(&in->passing);
    }
    snprintf(name, sizeof name, "%s.norm", side);
    if (of->pre) SW_TRY(sw_norm_named(in, of->size, name, &of->norm));
    SW_TRY(sw_places_build(in, side, &of->places));
    *made = of;
    return SW_OK;
}

sw_status sw_transformer_encoder_build(sw_building *in, sw_transformer **made) {
    return build_side(in, "encoder", in->model->is.encoder_layers, 0, made);
}

sw_status sw_transformer_decoder_build(sw_building *in, sw_transformer **made) {
    return build_side(in, "decoder", in->model->is.decoder_layers, 1, made);
}

sw_status sw_room_take(sw_arena *arena, const sw_transformer *of, size_t rows, sw_room *room, sw_error *error) {
    size_t together = rows < SW_TOGETHER ? rows : SW_TOGETHER;
    room->given = SW_TAKE(arena, float, sw_times(rows, of->size));
    room->seen = SW_TAKE(arena, float, sw_times(rows, of->size));
    room->projected = SW_TAKE(arena, float, sw_times(rows, 3 * of->size));
    room->inner = SW_TAKE(arena, float, sw_times(together, of->layers[0].inner.outputs));
    room->position = SW_TAKE(arena, float, of->places.width);
    return room->given && room->seen && room->projected && room->inner && room->position ? SW_OK : sw_no_memory(error);
}

static void normalize(const sw_kernels *kernels, const sw_norm *norm, float *values, size_t size, size_t rows) {
    for (size_t row = 0; row < rows; row++) kernels->normalize(values + row * size, size, norm->gain, norm->shift);
}

const float *sw_before(const sw_kernels *kernels, const sw_transformer *of, const sw_norm *norm, const float *values,
                       sw_room *room, size_t rows) {
    if (!of->pre) return values;
    memcpy(room->given, values, rows * of->size * sizeof(float));
    normalize(kernels, norm, room->given, of->size, rows);
    return room->given;
}

void sw_after(const sw_kernels *kernels, const sw_transformer *of, const sw_norm *norm, float *values, size_t rows) {
    if (!of->pre) normalize(kernels, norm, values, of->size, rows);
}

void sw_finish(const sw_kernels *kernels, const sw_transformer *of, float *values, size_t rows) {
    if (of->pre) normalize(kernels, &of->norm, values, of->size, rows);
}

/* max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017, eq. 2), added to what came in. */
static void feed(const sw_kernels *kernels, const sw_transformer *of, const sw_transformer_layer *layer, float *values,
                 sw_room *room, size_t rows) {
    size_t size = of->size, wide = layer->inner.outputs;
    const float *given = sw_before(kernels, of, &layer->around_feed_forward, values, room, rows);
    kernels->linear(&layer->inner, given, size, room->inner, wide, rows, 0);
    for (size_t at = 0; at < rows * wide; at++)
        room->inner[at] = room->inner[at] < 0 ? 0 : room->inner[at]; /* NaN stays NaN */
    for (size_t row = 0; row < rows; row++)
        for (size_t at = 0; at < size; at++) values[row * size + at] += layer->outer_bias[at];
    kernels->linear(&layer->outer, room->inner, wide, values, size, rows, 1);
    sw_after(kernels, of, &layer->around_feed_forward, values, rows);
}

void sw_feed_forward(const sw_kernels *kernels, const sw_transformer *of, const sw_transformer_layer *layer,
                     float *values, sw_room *room, size_t rows) {
    for (size_t row = 0; row < rows; row += SW_TOGETHER)
        feed(kernels, of, layer, values + row * of->size, room, rows - row < SW_TOGETHER ? rows - row : SW_TOGETHER);
}

void sw_look(const sw_kernels *kernels, const float *query, const float *keys, const float *values, size_t count,
             size_t width, float *weights, float *out) {
    kernels->dots(query, keys, width, count, width, weights);
    kernels->softmax(weights, count);
    kernels->mix(weights, values, width, count, width, out);
}
