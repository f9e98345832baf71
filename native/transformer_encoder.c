/* The Transformer's encoder: all positions of all sources go through a product together, and those of one source look
 * at each other. */
#include <string.h>

#include "transformer_layers.h"

typedef struct reading {
    const sw_transformer *of;
    sw_session *session;
    size_t *places; /* (positions) */
    sw_room room;
    float *keys, *values, *weights; /* of one source and head: (longest, D), (longest, D), (longest) */
} reading;

/* Positions count in the order of reading: from 0 as they stand, but where a source may have tags, from 1 for items alone
 * and 0 for every tag, so that an item's position does not depend on them (Wu, Cotterell & Hulden 2021). */
static void place_items(const sw_session *session, size_t *places) {
    const sw_vectors *items = &session->model->source;
    int tagged = items->entries > items->first_tag, turned = session->model->is.reverse_source;
    for (size_t source = 0; source < session->sources; source++) {
        size_t begin = session->offsets[source], end = session->offsets[source + 1], count = 0;
        for (size_t step = 0; step < end - begin; step++) {
            size_t at = turned ? end - 1 - step : begin + step;
            if (!tagged) places[at] = step;
            else places[at] = (size_t)session->ids[at] < items->first_tag ? ++count : 0;
        }
    }
}

static sw_status prepare(reading *in, sw_arena *arena, sw_error *error) {
    const sw_session *session = in->session;
    const sw_vectors *items = &session->model->source;
    size_t longest = session->longest, width = in->of->head_size;
    size_t needed = longest + (items->entries > items->first_tag ? 1 : 0);
    SW_TRY(sw_places_check(&in->of->places, "source", needed, error));
    in->places = SW_TAKE(arena, size_t, session->positions);
    in->keys = SW_TAKE(arena, float, sw_times(longest, width));
    in->values = SW_TAKE(arena, float, sw_times(longest, width));
    in->weights = SW_TAKE(arena, float, longest);
    if (!in->places || !in->keys || !in->values || !in->weights) return sw_no_memory(error);
    return sw_room_take(arena, in->of, session->positions, &in->room, error);
}

/* One head of one source: keys and values side by side, then each position's query. */
static void look_at_each_other(reading *in, const float *projected, float *seen, size_t length) {
    const sw_transformer *of = in->of;
    const sw_kernels *kernels = in->session->model->kernels;
    size_t size = of->size, width = of->head_size;
    for (size_t at = 0; at < length; at++) {
        memcpy(in->keys + at * width, projected + at * 3 * size + size, width * sizeof(float));
        memcpy(in->values + at * width, projected + at * 3 * size + 2 * size, width * sizeof(float));
    }
    for (size_t at = 0; at < length; at++)
        sw_look(kernels, projected + at * 3 * size, in->keys, in->values, length, width, in->weights, seen + at * size);
}

static void attend(reading *in, const sw_transformer_layer *layer) {
    const sw_transformer *of = in->of;
    sw_session *session = in->session;
    const sw_kernels *kernels = session->model->kernels;
    size_t size = of->size, positions = session->positions;
    float *projected = in->room.projected;
    const float *given = sw_before(kernels, of, &layer->around_own, session->values, &in->room, positions);
    kernels->linear(&layer->own.project, given, size, projected, 3 * size, positions, 0);
    for (size_t at = 0; at < positions; at++) {
        float *query = projected + at * 3 * size;
        if (of->places.kind == SW_ROTARY) /* queries and the keys behind them */
            sw_places_turn(&of->places, in->places[at], query, 2 * of->heads, in->room.position);
        for (size_t place = 0; place < size; place++) query[place] *= of->scale;
    }
    for (size_t source = 0; source < session->sources; source++) {
        size_t begin = session->offsets[source], length = session->offsets[source + 1] - begin;
        for (size_t first = 0; first < size; first += of->head_size)
            look_at_each_other(in, projected + begin * 3 * size + first, in->room.seen + begin * size + first, length);
    }
    kernels->linear(&layer->own.output, in->room.seen, size, session->values, size, positions, 1);
    sw_after(kernels, of, &layer->around_own, session->values, positions);
}

/* What a recurrent decoder starts from: the mean over a source's positions, zeros where there are none. */
static void fill_final(sw_session *session, size_t size) {
    for (size_t source = 0; source < session->sources; source++) {
        size_t begin = session->offsets[source], end = session->offsets[source + 1];
        float *mean = session->final[0] + source * size;
        for (size_t at = begin; at < end; at++)
            for (size_t place = 0; place < size; place++) mean[place] += session->values[at * size + place];
        for (size_t place = 0; place < size && begin < end; place++) mean[place] /= (float)(end - begin);
    }
    for (size_t part = 1; part < session->finals; part++)
        memcpy(session->final[part], session->final[0], session->sources * size * sizeof(float));
}

static sw_status read_all(reading *in, sw_arena *arena, sw_error *error) {
    sw_session *session = in->session;
    const sw_transformer *of = in->of;
    const sw_kernels *kernels = session->model->kernels;
    SW_TRY(prepare(in, arena, error));
    place_items(session, in->places);
    sw_embed(&session->model->source, session->ids, session->positions, session->values, of->size);
    for (size_t at = 0; at < session->positions; at++)
        sw_places_add(&of->places, in->places[at], session->values + at * of->size, of->size, in->room.position);
    for (size_t layer = 0; layer < of->count; layer++) {
        attend(in, &of->layers[layer]);
        sw_feed_forward(kernels, of, &of->layers[layer], session->values, &in->room, session->positions);
    }
    sw_finish(kernels, of, session->values, session->positions);
    if (!session->model->decoder) fill_final(session, of->size);
    return SW_OK;
}

sw_status sw_transformer_encode(sw_session *session, sw_error *error) {
    sw_arena passing = {NULL};
    reading in = {.of = session->model->encoder, .session = session};
    sw_status status = read_all(&in, &passing, error);
    sw_release(&passing);
    return status;
}
