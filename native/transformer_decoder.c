/* The Transformer's decoder: one position of all rows at a time. Each layer looks at the target so far and at the source,
 * and the last one is read out. */
#include <string.h>

#include "past.h"
#include "transformer_layers.h"

struct sw_cache {
    sw_past past;
    float **keys, **values; /* of the source, for each layer: source by source (heads, length, D) */
    float *weights;         /* of one row and head (longest) */
    sw_room room;
};

/* Columns of all positions to one block for each head of each source. */
static void part_heads(const sw_session *session, const float *from, size_t stride, float *to) {
    size_t size = session->model->decoder->size, width = session->model->decoder->head_size;
    for (size_t source = 0; source < session->sources; source++)
        for (size_t first = 0; first < size; first += width)
            for (size_t at = session->offsets[source]; at < session->offsets[source + 1]; at++, to += width)
                memcpy(to, from + at * stride + first, width * sizeof(float));
}

/* Keys and values of the source, which are the same in every step. */
static sw_status project_source(sw_session *session, float *projected, sw_error *error) {
    const sw_model *model = session->model;
    const sw_transformer *of = model->decoder;
    sw_cache *cache = session->cache;
    size_t size = of->size, positions = session->positions;
    for (size_t layer = 0; layer < of->count; layer++) {
        const sw_linear *map = &of->layers[layer].cross.project;
        cache->keys[layer] = SW_TAKE(&session->arena, float, sw_times(positions, size));
        cache->values[layer] = SW_TAKE(&session->arena, float, sw_times(positions, size));
        if (!cache->keys[layer] || !cache->values[layer]) return sw_no_memory(error);
        model->kernels->linear(map, session->values, model->encoded, projected, 2 * size, positions, 0);
        part_heads(session, projected, 2 * size, cache->keys[layer]);
        part_heads(session, projected + size, 2 * size, cache->values[layer]);
    }
    return SW_OK;
}

sw_status sw_transformer_start(sw_session *session, sw_error *error) {
    const sw_transformer *of = session->model->decoder;
    sw_arena passing = {NULL};
    sw_cache *cache = session->cache = SW_TAKE(&session->arena, sw_cache, 1);
    if (!cache) return sw_no_memory(error);
    cache->keys = SW_TAKE(&session->arena, float *, of->count);
    cache->values = SW_TAKE(&session->arena, float *, of->count);
    cache->weights = SW_TAKE(&session->arena, float, session->longest);
    if (!cache->keys || !cache->values || !cache->weights) return sw_no_memory(error);
    cache->past = (sw_past){.layers = of->count, .heads = of->heads, .width = of->head_size,
                            .slots = session->most_rows, .most_steps = session->most_steps};
    SW_TRY(sw_room_take(&session->arena, of, session->most_rows, &cache->room, error));
    float *projected = SW_TAKE(&passing, float, sw_times(session->positions, 2 * of->size));
    sw_status status = projected ? project_source(session, projected, error) : sw_no_memory(error);
    sw_release(&passing);
    return status;
}

static void attend_to_own(sw_session *session, size_t index, float *values) {
    const sw_transformer *of = session->model->decoder;
    const sw_transformer_layer *layer = &of->layers[index];
    const sw_kernels *kernels = session->model->kernels;
    sw_cache *cache = session->cache;
    size_t size = of->size, rows = session->rows;
    float *projected = cache->room.projected, *seen = cache->room.seen;
    const float *given = sw_before(kernels, of, &layer->around_own, values, &cache->room, rows);
    kernels->linear(&layer->own.project, given, size, projected, 3 * size, rows, 0);
    for (size_t row = 0; row < rows; row++) {
        float *query = projected + row * 3 * size;
        if (of->places.kind == SW_ROTARY) /* queries and the keys behind them */
            sw_places_turn(&of->places, session->step, query, 2 * of->heads, cache->room.position);
        for (size_t place = 0; place < size; place++) query[place] *= of->scale;
    }
    sw_past_keep(&cache->past, index, session->step, projected + size, 3 * size, rows);
    for (size_t row = 0; row < rows; row++)
        sw_past_look(&cache->past, kernels, index, session->step, row, projected + row * 3 * size, seen + row * size);
    kernels->linear(&layer->own.output, seen, size, values, size, rows, 1);
    sw_after(kernels, of, &layer->around_own, values, rows);
}

/* The rows of one source, head by head; `sums` (rows, longest) adds up the weights of all heads, or is NULL. */
static void look_at_source(sw_session *session, size_t layer, size_t first, size_t end, const float *asked,
                           float *sums) {
    const sw_transformer *of = session->model->decoder;
    sw_cache *cache = session->cache;
    size_t size = of->size, width = of->head_size, source = session->source_of[first];
    size_t begin = session->offsets[source], length = session->offsets[source + 1] - begin;
    const float *keys = cache->keys[layer] + begin * size, *values = cache->values[layer] + begin * size;
    for (size_t column = 0; column < size; column += width, keys += length * width, values += length * width)
        for (size_t row = first; row < end; row++) {
            sw_look(session->model->kernels, asked + row * size + column, keys, values, length, width, cache->weights,
                    cache->room.seen + row * size + column);
            for (size_t at = 0; sums && at < length; at++)
                sums[row * session->longest + at] += cache->weights[at] / (float)of->heads;
        }
}

static void attend_to_source(sw_session *session, size_t index, float *values, float *sums) {
    const sw_transformer *of = session->model->decoder;
    const sw_transformer_layer *layer = &of->layers[index];
    const sw_kernels *kernels = session->model->kernels;
    sw_room *room = &session->cache->room;
    size_t size = of->size, rows = session->rows;
    const float *given = sw_before(kernels, of, &layer->around_cross, values, room, rows);
    kernels->linear(&layer->cross.query, given, size, room->projected, size, rows, 0);
    for (size_t at = 0; at < rows * size; at++) room->projected[at] *= of->scale;
    for (size_t first = 0, end; first < rows; first = end) {
        for (end = first + 1; end < rows && session->source_of[end] == session->source_of[first];) end++;
        look_at_source(session, index, first, end, room->projected, sums);
    }
    kernels->linear(&layer->cross.output, room->seen, size, values, size, rows, 1);
    sw_after(kernels, of, &layer->around_cross, values, rows);
}

sw_status sw_transformer_check_steps(const sw_model *model, size_t steps, sw_error *error) {
    return model->decoder ? sw_places_check(&model->decoder->places, "target", steps, error) : SW_OK;
}

sw_status sw_transformer_step(sw_session *session, const int32_t *ids, float *weights, sw_error *error) {
    const sw_model *model = session->model;
    const sw_transformer *of = model->decoder;
    sw_cache *cache = session->cache;
    size_t rows = session->rows;
    float *values = session->readout;
    SW_TRY(sw_transformer_check_steps(model, session->step + 1, error));
    SW_TRY(sw_past_grow(&cache->past, &session->arena, session->step, error));
    sw_embed(&model->target, ids, rows, values, of->size);
    for (size_t row = 0; row < rows; row++)
        sw_places_add(&of->places, session->step, values + row * of->size, of->size, cache->room.position);
    if (weights) memset(weights, 0, rows * session->longest * sizeof(float));
    for (size_t layer = 0; layer < of->count; layer++) {
        attend_to_own(session, layer, values);
        attend_to_source(session, layer, values, layer + 1 == of->count ? weights : NULL);
        sw_feed_forward(model->kernels, of, &of->layers[layer], values, &cache->room, rows);
    }
    sw_finish(model->kernels, of, values, rows);
    return SW_OK;
}

void sw_transformer_select(sw_session *session, const size_t *parents, size_t rows) {
    sw_past_select(&session->cache->past, session->step, parents, rows);
}
