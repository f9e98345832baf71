#include "cells.h"

#include <stdio.h>
#include <string.h>

size_t sw_gates_of(sw_cell cell) { return cell == SW_LSTM ? 4 : cell == SW_GRU ? 3 : 1; }

size_t sw_parts_of(sw_cell cell) { return cell == SW_LSTM ? 2 : 1; }

void sw_cell_step(const sw_kernels *kernels, sw_cell cell, const float *given, const float *recurrent, float *hidden,
                  float *state, size_t size) {
    switch (cell) {
        case SW_RNN: kernels->rnn(given, recurrent, hidden, size); break;
        case SW_IRNN: kernels->irnn(given, recurrent, hidden, size); break;
        case SW_GRU: kernels->gru(given, recurrent, hidden, size); break;
        case SW_LSTM: kernels->lstm(given, recurrent, hidden, state, size); break;
    }
}

sw_status sw_layer_build(sw_building *in, const char *name, sw_cell cell, size_t hidden, const sw_vectors *items,
                         size_t dense, sw_layer *layer) {
    size_t sums = sw_gates_of(cell) * hidden, width = items ? items->width : 0;
    const float *given, *recurrent, *given_bias, *recurrent_bias;
    SW_TRY(sw_weights(in, sums, width + dense, &given, "%s.weight_ih", name));
    SW_TRY(sw_weights(in, sums, hidden, &recurrent, "%s.weight_hh", name));
    SW_TRY(sw_weights(in, sums, 0, &given_bias, "%s.bias_ih", name));
    SW_TRY(sw_weights(in, sums, 0, &recurrent_bias, "%s.bias_hh", name));
    if (items) SW_TRY(sw_reader_build(in, items, given, width + dense, 0, sums, given_bias, &layer->item));
    if (dense)
        SW_TRY(sw_pack(in, given, width + dense, width, sums, dense, items ? NULL : given_bias, &layer->dense));
    return sw_pack(in, recurrent, hidden, 0, sums, hidden, recurrent_bias, &layer->recurrent);
}

sw_status sw_stack_build(sw_building *in, const char *name, const char *norms, size_t count, size_t hidden,
                         const sw_vectors *items, size_t dense, size_t between, sw_stack *stack) {
    const sw_settings *is = &in->model->is;
    *stack = (sw_stack){.count = count, .hidden = hidden, .cell = is->cell, .residual = is->residual};
    stack->gates = sw_gates_of(is->cell) * hidden;
    stack->parts = sw_parts_of(is->cell);
    stack->layers = SW_TAKE(&in->model->arena, sw_layer, count);
    if (is->layer_norm && norms) stack->norms = SW_TAKE(&in->model->arena, sw_norm, count);
    if (!stack->layers || (is->layer_norm && norms && !stack->norms)) return sw_no_memory(in->error);
    for (size_t layer = 0; layer < count; layer++) {
        char full[120];
        snprintf(full, sizeof full, "%s.%zu", name, layer);
        SW_TRY(sw_layer_build(in, full, is->cell, hidden, layer ? NULL : items, layer ? between : dense,
                              &stack->layers[layer]));
        if (!stack->norms) continue;
        snprintf(full, sizeof full, "%s.%zu", norms, layer);
        SW_TRY(sw_norm_named(in, between, full, &stack->norms[layer]));
    }
    return SW_OK;
}

void sw_join(const sw_model *model, const sw_norm *norm, const float *inputs, float *output, size_t size) {
    if (norm) model->kernels->normalize(output, size, norm->gain, norm->shift);
    if (inputs)
        for (size_t unit = 0; unit < size; unit++) output[unit] += inputs[unit];
}

/* What the first layer reads, as one vector: a residual connection adds it where it is as wide as the output. */
static const float *whole_inputs(sw_session *session, const sw_stack *stack, const int32_t *ids, const float *dense,
                                 size_t dense_stride) {
    const sw_layer *layer = &stack->layers[0];
    size_t item = layer->item.of ? layer->item.of->width : 0, more = layer->dense.inputs, width = item + more;
    if (!stack->residual || width != stack->hidden) return NULL;
    if (item) sw_embed(layer->item.of, ids, session->rows, session->item, width);
    for (size_t row = 0; row < session->rows && more; row++)
        memcpy(session->item + row * width + item, dense + row * dense_stride, more * sizeof(float));
    return session->item;
}

void sw_stack_step(sw_session *session, const sw_stack *stack, sw_part *parts, const int32_t *ids, const float *dense,
                   size_t dense_stride, float *out) {
    const sw_kernels *kernels = session->model->kernels;
    size_t size = stack->hidden, rows = session->rows;
    for (size_t index = 0; index < stack->count; index++) {
        const sw_layer *layer = &stack->layers[index];
        float *hidden = parts[index * stack->parts].now;
        float *state = stack->parts > 1 ? parts[index * stack->parts + 1].now : NULL;
        int reads_items = layer->item.of != NULL;
        if (reads_items)
            sw_read(kernels, &layer->item, ids, rows, session->item, session->given, stack->gates, 0);
        if (layer->dense.outputs)
            kernels->linear(&layer->dense, index ? out : dense, index ? size : dense_stride, session->given,
                            stack->gates, rows, reads_items);
        kernels->linear(&layer->recurrent, hidden, size, session->recurrent, stack->gates, rows, 0);
        const float *inputs = NULL;
        if (stack->residual) inputs = index ? out : whole_inputs(session, stack, ids, dense, dense_stride);
        for (size_t row = 0; row < rows; row++) {
            float *own = hidden + row * size, *to = out + row * size;
            sw_cell_step(kernels, stack->cell, session->given + row * stack->gates,
                         session->recurrent + row * stack->gates, own, state ? state + row * size : NULL, size);
            const float *before = inputs ? inputs + row * size : NULL;
            float *made = session->lower + row * size;
            memcpy(made, own, size * sizeof(float));
            sw_join(session->model, stack->norms ? &stack->norms[index] : NULL, before, made, size);
            memcpy(to, made, size * sizeof(float));
        }
    }
}
