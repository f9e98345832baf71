/* The recurrent encoder: sources in one or two directions, layer by layer. */
#include <stdlib.h>
#include <string.h>

#include "cells.h"

sw_status sw_encoder_build(sw_building *in) {
    sw_model *model = in->model;
    const sw_settings *is = &model->is;
    if (is->encoder == SW_TRANSFORMER) {
        model->encoded = is->embedding_size;
        return sw_transformer_encoder_build(in, &model->encoder);
    }
    model->encoded = (is->bidirectional ? 2 : 1) * is->encoder_hidden_size;
    SW_TRY(sw_stack_build(in, "encoder.forwards", "encoder.norms", is->encoder_layers, is->encoder_hidden_size,
                          &model->source, 0, model->encoded, &model->forwards));
    if (!is->bidirectional) return SW_OK;
    return sw_stack_build(in, "encoder.backwards", NULL, is->encoder_layers, is->encoder_hidden_size, &model->source, 0,
                          model->encoded, &model->backwards);
}

typedef struct run { /* one layer in one direction */
    sw_session *session;
    const sw_stack *stack;
    const sw_layer *layer;
    const size_t *order;  /* sources, the longest first: those that still go on are the first ones */
    float *given;         /* (positions, gates) */
    float *recurrent, *hidden, *state; /* (sources, gates), (sources, H) in that order */
    int turned;           /* from the last item to the first */
    float *out;           /* (positions, E), at this direction's columns */
} run;

static size_t length_of(const sw_session *session, size_t source) {
    return session->offsets[source + 1] - session->offsets[source];
}

static void run_layer(run *of) {
    const sw_session *session = of->session;
    const sw_kernels *kernels = session->model->kernels;
    size_t size = of->stack->hidden, gates = of->stack->gates, active = session->sources;
    memset(of->hidden, 0, session->sources * size * sizeof(float));
    memset(of->state, 0, session->sources * size * sizeof(float));
    for (size_t step = 0; step < session->longest; step++) {
        while (active && length_of(session, of->order[active - 1]) <= step) active--;
        kernels->linear(&of->layer->recurrent, of->hidden, size, of->recurrent, gates, active, 0);
        for (size_t place = 0; place < active; place++) {
            size_t source = of->order[place], length = length_of(session, source);
            size_t position = session->offsets[source] + (of->turned ? length - 1 - step : step);
            float *hidden = of->hidden + place * size;
            sw_cell_step(kernels, of->stack->cell, of->given + position * gates, of->recurrent + place * gates, hidden,
                         of->state + place * size, size);
            memcpy(of->out + position * session->model->encoded, hidden, size * sizeof(float));
        }
    }
}

/* The states at each source's own end, into one direction's columns of the final states. */
static void keep_ends(const run *of, size_t layer, size_t column) {
    const sw_session *session = of->session;
    size_t size = of->stack->hidden, width = session->model->encoded;
    for (size_t part = 0; part < of->stack->parts; part++) {
        const float *from = part ? of->state : of->hidden;
        float *to = session->final[layer * of->stack->parts + part];
        for (size_t place = 0; place < session->sources; place++)
            memcpy(to + of->order[place] * width + column, from + place * size, size * sizeof(float));
    }
}

typedef struct sized {
    size_t length, source;
} sized;

static int longer_first(const void *one, const void *other) {
    const sized *a = one, *b = other;
    if (a->length != b->length) return a->length < b->length ? 1 : -1;
    return a->source < b->source ? -1 : a->source > b->source;
}

static size_t *longest_first(sw_session *session, sw_arena *arena) {
    size_t *order = SW_TAKE(arena, size_t, session->sources);
    sized *all = SW_TAKE(arena, sized, session->sources);
    if (!order || !all) return NULL;
    for (size_t source = 0; source < session->sources; source++)
        all[source] = (sized){length_of(session, source), source};
    qsort(all, session->sources, sizeof *all, longer_first);
    for (size_t place = 0; place < session->sources; place++) order[place] = all[place].source;
    return order;
}

static sw_status run_layers(sw_session *session, sw_arena *arena, sw_error *error) {
    const sw_model *model = session->model;
    const sw_kernels *kernels = model->kernels;
    size_t width = model->encoded, positions = session->positions, size = model->forwards.hidden;
    size_t gates = model->forwards.gates, item = model->source.width;
    run of = {.session = session, .order = longest_first(session, arena)};
    of.given = SW_TAKE(arena, float, sw_times(positions, gates));
    of.recurrent = SW_TAKE(arena, float, sw_times(session->sources, gates));
    of.hidden = SW_TAKE(arena, float, sw_times(session->sources, size));
    of.state = SW_TAKE(arena, float, sw_times(session->sources, size));
    float *before = SW_TAKE(arena, float, sw_times(positions, width));
    int needs_vectors = !model->forwards.layers[0].item.sums || (model->is.residual && item == width);
    float *vectors = SW_TAKE(arena, float, needs_vectors ? sw_times(positions, item) : 0);
    if (!of.order || !of.given || !of.recurrent || !of.hidden || !of.state || !before || !vectors)
        return sw_no_memory(error);
    for (size_t layer = 0; layer < model->forwards.count; layer++) {
        if (layer) memcpy(before, session->values, positions * width * sizeof(float));
        for (size_t direction = 0; direction < (model->is.bidirectional ? 2u : 1u); direction++) {
            of.stack = direction ? &model->backwards : &model->forwards;
            of.layer = &of.stack->layers[layer];
            of.turned = (direction == 1) != model->is.reverse_source;
            of.out = session->values + direction * size;
            if (layer) kernels->linear(&of.layer->dense, before, width, of.given, gates, positions, 0);
            else sw_read(kernels, &of.layer->item, session->ids, positions, vectors, of.given, gates, 0);
            run_layer(&of);
            keep_ends(&of, layer, direction * size);
        }
        const float *inputs = before;
        int connected = model->is.residual && (layer || item == width);
        if (connected && !layer) {
            sw_embed(&model->source, session->ids, positions, vectors, item);
            inputs = vectors;
        }
        const sw_norm *norm = model->forwards.norms ? &model->forwards.norms[layer] : NULL;
        for (size_t position = 0; position < positions; position++)
            sw_join(model, norm, connected ? inputs + position * width : NULL, session->values + position * width,
                    width);
    }
    return SW_OK;
}

sw_status sw_encode(sw_session *session, sw_error *error) {
    const sw_model *model = session->model;
    size_t parts = sw_parts_of(model->is.cell), layers = model->encoder ? 1 : model->forwards.count;
    session->finals = parts * layers;
    session->values = SW_TAKE(&session->arena, float, sw_times(session->positions, model->encoded));
    session->final = SW_TAKE(&session->arena, float *, session->finals);
    if (!session->values || !session->final) return sw_no_memory(error);
    for (size_t part = 0; part < session->finals; part++) {
        session->final[part] = SW_TAKE(&session->arena, float, sw_times(session->sources, model->encoded));
        if (!session->final[part]) return sw_no_memory(error);
    }
    if (model->encoder) return sw_transformer_encode(session, error);
    sw_arena passing = {NULL};
    sw_status status = run_layers(session, &passing, error);
    sw_release(&passing);
    return status;
}
