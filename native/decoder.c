/* Recurrent decoders: where the context comes from, and where it enters. */
#include <stdio.h>
#include <string.h>

#include "cells.h"

static sw_status build_bridge(sw_building *in) {
    sw_model *model = in->model;
    size_t parts = sw_parts_of(model->is.cell) * model->is.decoder_layers, hidden = model->is.decoder_hidden_size;
    if (model->is.bridge == SW_BRIDGE_COPY && hidden != model->encoded)
        return sw_fail(in->error, SW_BAD_MODEL,
                       "the settings contradict each other: bridge=copy "
                       "needs states as wide as the encoder's outputs, %zu, but they have %zu", model->encoded, hidden);
    if (model->is.bridge != SW_BRIDGE_DENSE) return SW_OK;
    model->bridge = SW_TAKE(&model->arena, sw_linear, parts);
    if (!model->bridge) return sw_no_memory(in->error);
    for (size_t part = 0; part < parts; part++) {
        char name[60];
        snprintf(name, sizeof name, "bridge.maps.%zu", part);
        SW_TRY(sw_pack_named(in, hidden, model->encoded, 1, name, &model->bridge[part]));
    }
    return SW_OK;
}

static size_t readout_size(const sw_settings *is) {
    if (is->tie_embeddings) return is->embedding_size;
    return is->readout_size ? is->readout_size : is->decoder_hidden_size;
}

static sw_status build_maxout(sw_building *in, sw_readout *readout) {
    sw_model *model = in->model;
    size_t hidden = model->is.decoder_hidden_size, item = model->target.width, context = model->encoded;
    size_t columns = hidden + item + context, rows = 2 * readout->size;
    const float *weights, *bias;
    readout->kind = SW_MAXOUT;
    SW_TRY(sw_weights(in, rows, columns, &weights, "decoder.readout.linear.weight"));
    SW_TRY(sw_weights(in, rows, 0, &bias, "decoder.readout.linear.bias"));
    SW_TRY(sw_pack(in, weights, columns, 0, rows, hidden, bias, &readout->map));
    SW_TRY(sw_reader_build(in, &model->target, weights, columns, hidden, rows, NULL, &readout->item));
    return sw_pack(in, weights, columns, hidden + item, rows, context, NULL, &readout->context);
}

static sw_status build_readout(sw_building *in) {
    sw_model *model = in->model;
    sw_readout *readout = &model->readout;
    size_t hidden = model->is.decoder_hidden_size;
    int attends = model->is.attention != SW_NO_ATTENTION;
    readout->size = readout_size(&model->is);
    if (attends ? model->is.attention_position == SW_BEFORE : model->is.context_every_step)
        return build_maxout(in, readout);
    if (attends) {
        readout->kind = SW_TANH;
        return sw_pack_named(in, readout->size, model->encoded + hidden, 0, "decoder.readout.linear", &readout->map);
    }
    readout->kind = SW_PLAIN;
    if (readout->size == hidden) return SW_OK;
    return sw_pack_named(in, readout->size, hidden, 1, "decoder.readout.linear", &readout->map);
}

sw_status sw_decoder_build(sw_building *in) {
    sw_model *model = in->model;
    const sw_settings *is = &model->is;
    if (is->decoder == SW_TRANSFORMER) return sw_transformer_decoder_build(in, &model->decoder);
    size_t layers = is->decoder_layers, hidden = is->decoder_hidden_size;
    int attends = is->attention != SW_NO_ATTENTION;
    SW_TRY(build_bridge(in));
    SW_TRY(build_readout(in));
    if (attends && is->attention_position == SW_BETWEEN) {
        SW_TRY(sw_stack_build(in, "decoder.bottom.layers", "decoder.bottom.norms", 1, hidden, &model->target, 0, hidden,
                              &model->bottom));
        return sw_stack_build(in, "decoder.above.layers", "decoder.above.norms", layers - 1, hidden, NULL,
                              hidden + model->encoded, hidden, &model->above);
    }
    size_t dense = 0;
    if (attends ? is->attention_position == SW_BEFORE : is->context_every_step) dense = model->encoded;
    else if (attends && is->input_feeding) dense = model->readout.size;
    return sw_stack_build(in, "decoder.stack.layers", "decoder.stack.norms", layers, hidden, &model->target, dense,
                          hidden, &model->bottom);
}

/* The encoder's layer whose final state starts a layer of the decoder: counted from the top. */
static size_t matching(const sw_session *session, size_t layer) {
    size_t parts = sw_parts_of(session->model->is.cell), read = session->finals / parts;
    size_t written = session->model->is.decoder_layers;
    return layer + read > written ? layer + read - written : 0;
}

sw_status sw_decoder_start(sw_session *session, sw_error *error) {
    const sw_model *model = session->model;
    const sw_kernels *kernels = model->kernels;
    if (model->decoder) return sw_transformer_start(session, error);
    size_t parts = sw_parts_of(model->is.cell), hidden = model->is.decoder_hidden_size, sources = session->sources;
    for (size_t part = 0; part < parts * model->is.decoder_layers; part++) {
        if (sw_session_part(session, hidden) < 0) return sw_no_memory(error);
        const float *final = session->final[parts * matching(session, part / parts) + part % parts];
        float *now = session->parts[part].now;
        if (model->is.bridge == SW_BRIDGE_COPY) memcpy(now, final, sources * hidden * sizeof(float));
        if (model->is.bridge != SW_BRIDGE_DENSE) continue;
        kernels->linear(&model->bridge[part], final, model->encoded, now, hidden, sources, 0);
        kernels->tanh(now, sources * hidden);
    }
    session->feed = -1;
    if (model->is.attention == SW_NO_ATTENTION) return SW_OK;
    if (model->is.attention_position == SW_AFTER && model->is.input_feeding) {
        session->feed = sw_session_part(session, model->readout.size);
        if (session->feed < 0) return sw_no_memory(error);
    }
    return sw_attention_start(session, error);
}

static void read_out_joined(sw_session *session) {
    const sw_model *model = session->model;
    const sw_readout *readout = &model->readout;
    size_t width = model->encoded, hidden = model->is.decoder_hidden_size, rows = session->rows;
    for (size_t row = 0; row < rows; row++)
        memcpy(session->joined + row * (width + hidden) + width, session->output + row * hidden,
               hidden * sizeof(float));
    model->kernels->linear(&readout->map, session->joined, width + hidden, session->readout, readout->size, rows, 0);
    model->kernels->tanh(session->readout, rows * readout->size);
}

static void read_out_maxout(sw_session *session, const int32_t *ids) {
    const sw_model *model = session->model;
    const sw_kernels *kernels = model->kernels;
    const sw_readout *readout = &model->readout;
    size_t wide = 2 * readout->size, rows = session->rows, hidden = model->is.decoder_hidden_size;
    kernels->linear(&readout->map, session->output, hidden, session->wide, wide, rows, 0);
    sw_read(kernels, &readout->item, ids, rows, session->item, session->wide, wide, 1);
    kernels->linear(&readout->context, session->joined, model->encoded + hidden, session->wide, wide, rows, 1);
    for (size_t row = 0; row < rows; row++)
        kernels->larger_of_pairs(session->wide + row * wide, session->readout + row * readout->size, readout->size);
}

static void read_out_plain(sw_session *session) {
    const sw_model *model = session->model;
    const sw_readout *readout = &model->readout;
    size_t hidden = model->is.decoder_hidden_size, rows = session->rows;
    if (readout->map.outputs)
        model->kernels->linear(&readout->map, session->output, hidden, session->readout, readout->size, rows, 0);
    else
        memcpy(session->readout, session->output, rows * hidden * sizeof(float));
}

/* No attention: the context, where it enters at all, is the last layer's final state. */
static void step_without_attention(sw_session *session, const int32_t *ids) {
    const sw_model *model = session->model;
    size_t width = model->encoded, stride = width + model->is.decoder_hidden_size;
    size_t parts = sw_parts_of(model->is.cell);
    if (!model->is.context_every_step) {
        sw_stack_step(session, &model->bottom, session->parts, ids, NULL, 0, session->output);
        read_out_plain(session);
        return;
    }
    const float *context = session->final[session->finals - parts];
    for (size_t row = 0; row < session->rows; row++)
        memcpy(session->joined + row * stride, context + session->source_of[row] * width, width * sizeof(float));
    sw_stack_step(session, &model->bottom, session->parts, ids, session->joined, stride, session->output);
    read_out_maxout(session, ids);
}

static void step_before(sw_session *session, const int32_t *ids) {
    const sw_model *model = session->model;
    size_t stride = model->encoded + model->is.decoder_hidden_size;
    size_t last = model->bottom.parts * (model->bottom.count - 1);
    sw_attend(session, session->parts[last].now, model->bottom.hidden, session->joined, stride);
    sw_stack_step(session, &model->bottom, session->parts, ids, session->joined, stride, session->output);
    read_out_maxout(session, ids);
}

static void step_after(sw_session *session, const int32_t *ids) {
    const sw_model *model = session->model;
    size_t size = model->readout.size, stride = model->encoded + model->is.decoder_hidden_size;
    float *feed = session->feed < 0 ? NULL : session->parts[session->feed].now;
    sw_stack_step(session, &model->bottom, session->parts, ids, feed, size, session->output);
    sw_attend(session, session->output, model->bottom.hidden, session->joined, stride);
    read_out_joined(session);
    if (feed) memcpy(feed, session->readout, session->rows * size * sizeof(float));
}

static void step_between(sw_session *session, const int32_t *ids) {
    const sw_model *model = session->model;
    size_t width = model->encoded, hidden = model->is.decoder_hidden_size, stride = width + hidden;
    sw_stack_step(session, &model->bottom, session->parts, ids, NULL, 0, session->output);
    sw_attend(session, session->output, hidden, session->joined, stride);
    for (size_t row = 0; row < session->rows; row++) { /* the layers above read [query; context] */
        memcpy(session->dense + row * stride, session->output + row * hidden, hidden * sizeof(float));
        memcpy(session->dense + row * stride + hidden, session->joined + row * stride, width * sizeof(float));
    }
    sw_stack_step(session, &model->above, session->parts + model->bottom.parts, NULL, session->dense, stride,
                  session->output);
    read_out_joined(session);
}

sw_status sw_decoder_step(sw_session *session, const int32_t *ids, sw_error *error) {
    const sw_model *model = session->model;
    if (model->decoder)
        return sw_transformer_step(session, ids, session->asked_weights ? session->weights : NULL, error);
    if (model->is.attention == SW_NO_ATTENTION) step_without_attention(session, ids);
    else if (model->is.attention_position == SW_BEFORE) step_before(session, ids);
    else if (model->is.attention_position == SW_AFTER) step_after(session, ids);
    else step_between(session, ids);
    return SW_OK;
}
