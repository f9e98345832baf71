/* Attention: scores of a query and keys, a window, softmax, and the mean of the values with these weights. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

static const float SHORTEST = 1e-12f; /* of a vector that has a direction */

static sw_status build_additive(sw_building *in, const char *name, sw_attention *attention, int has_bias) {
    char part[120];
    size_t width = attention->key_width, query = in->model->is.decoder_hidden_size;
    const float *direction, *gain;
    snprintf(part, sizeof part, "%s.key", name);
    SW_TRY(sw_pack_named(in, width, attention->width, has_bias, part, &attention->key));
    snprintf(part, sizeof part, "%s.query", name);
    SW_TRY(sw_pack_named(in, width, query, 0, part, &attention->query));
    SW_TRY(sw_weights(in, 1, width, &direction, "%s.direction.weight", name));
    if (!in->model->is.attention_normalized) return sw_keep(in, direction, width, &attention->direction);
    SW_TRY(sw_weights(in, 0, 0, &gain, "%s.gain", name));
    double square = 0;
    for (size_t place = 0; place < width; place++) square += (double)direction[place] * direction[place];
    float *normalized = SW_TAKE(&in->passing, float, width);
    if (!normalized) return sw_no_memory(in->error);
    for (size_t place = 0; place < width; place++) normalized[place] = *gain * direction[place] / (float)sqrt(square);
    return sw_keep(in, normalized, width, &attention->direction);
}

static sw_status build_location_aware(sw_building *in, sw_attention *attention) {
    const sw_settings *is = &in->model->is;
    size_t count = is->location_filters, span = is->location_width, width = attention->key_width;
    const float *filters, *features;
    char name[] = "decoder.scorer.convolution.weight";
    const sw_tensor *tensor = sw_tensors_find(in->tensors, name);
    if (!tensor || tensor->axes != 3 || tensor->shape[0] != count || tensor->shape[1] != 1 || tensor->shape[2] != span)
        return sw_fail(in->error, SW_BAD_MODEL, "the weights do not fit the settings: %s must be (%zu, 1, %zu)", name,
                       count, span);
    float *copy = SW_TAKE(&in->model->arena, float, sw_times(count, span));
    float *turned = SW_TAKE(&in->model->arena, float, sw_times(count, width));
    if (!copy || !turned) return sw_no_memory(in->error);
    memcpy(copy, tensor->bytes, count * span * sizeof(float));
    filters = copy;
    SW_TRY(sw_weights(in, width, count, &features, "decoder.scorer.features.weight"));
    for (size_t filter = 0; filter < count; filter++)
        for (size_t place = 0; place < width; place++)
            turned[filter * width + place] = features[place * count + filter];
    attention->filters = count;
    attention->filter_width = span;
    attention->convolution = filters;
    attention->features = turned;
    return SW_OK;
}

static sw_status build_scorer(sw_building *in, sw_attention *attention) {
    const sw_settings *is = &in->model->is;
    size_t query = is->decoder_hidden_size, size = is->attention_size ? is->attention_size : query;
    int wrapped = is->coverage || is->attention == SW_LOCATION_AWARE;
    const char *name = wrapped ? "decoder.scorer.additive" : "decoder.scorer";
    const float *numbers;
    switch (attention->score) {
        case SW_NO_ATTENTION: return SW_OK;
        case SW_DOT:
        case SW_SCALED_DOT:
            if (query != attention->width)
                return sw_fail(in->error, SW_BAD_MODEL,
                               "the settings contradict each other: attention=dot "
                               "needs states as wide as the encoder's outputs, %zu, but they have %zu",
                               attention->width, query);
            attention->key_width = query;
            attention->keys_are_values = 1;
            return SW_OK;
        case SW_GENERAL:
            attention->key_width = query;
            return sw_pack_named(in, query, attention->width, 0, "decoder.scorer.project", &attention->key);
        case SW_COSINE:
            attention->key_width = attention->width;
            SW_TRY(sw_weights(in, 0, 0, &numbers, "decoder.scorer.strength"));
            attention->strength = *numbers > 20 ? *numbers : log1pf(expf(*numbers)); /* as torch's softplus */
            return sw_pack_named(in, attention->width, query, 0, "decoder.scorer.project", &attention->query);
        case SW_LOCATION:
            return sw_pack_named(in, is->location_positions, query, 0, "decoder.scorer.project", &attention->query);
        case SW_ADDITIVE:
        case SW_CONCAT:
        case SW_LOCATION_AWARE:
            attention->key_width = size;
            SW_TRY(build_additive(in, name, attention, attention->score != SW_CONCAT));
            if (attention->score == SW_LOCATION_AWARE) SW_TRY(build_location_aware(in, attention));
            if (!is->coverage) return SW_OK;
            attention->coverage = 1;
            SW_TRY(sw_weights(in, size, 1, &numbers, "decoder.scorer.coverage.weight"));
            return sw_keep(in, numbers, size, &attention->covered);
    }
    return SW_OK;
}

sw_status sw_attention_build(sw_building *in) {
    sw_model *model = in->model;
    sw_attention *attention = &model->attention;
    size_t query = model->is.decoder_hidden_size;
    if (model->is.decoder == SW_TRANSFORMER || model->is.attention == SW_NO_ATTENTION) return SW_OK;
    *attention = (sw_attention){.score = model->is.attention, .window = model->is.attention_window,
                                .width = model->encoded, .reach = model->is.window_size};
    SW_TRY(build_scorer(in, attention));
    if (attention->window != SW_LOCAL_P) return SW_OK;
    const float *direction;
    SW_TRY(sw_pack_named(in, query, query, 0, "decoder.window.project", &attention->centre));
    SW_TRY(sw_weights(in, 1, query, &direction, "decoder.window.direction.weight"));
    return sw_keep(in, direction, query, &attention->centre_direction);
}

/* Divide by the length. */
static void to_direction(const sw_kernels *kernels, float *vector, size_t width) {
    float square;
    kernels->dots(vector, vector, width, 1, width, &square);
    float length = fmaxf(sqrtf(square), SHORTEST);
    for (size_t place = 0; place < width; place++) vector[place] /= length;
}

sw_status sw_attention_start(sw_session *session, sw_error *error) {
    const sw_model *model = session->model;
    const sw_attention *attention = &model->attention;
    size_t width = attention->key_width, positions = session->positions;
    session->keys = session->values;
    session->earlier = session->covered = -1;
    if (attention->score == SW_LOCATION_AWARE) session->earlier = sw_session_part(session, session->longest);
    if (attention->coverage) session->covered = sw_session_part(session, session->longest);
    if ((attention->score == SW_LOCATION_AWARE && session->earlier < 0) ||
        (attention->coverage && session->covered < 0))
        return sw_no_memory(error);
    if (attention->keys_are_values || attention->score == SW_LOCATION) return SW_OK;
    session->keys = SW_TAKE(&session->arena, float, sw_times(positions, width));
    if (!session->keys) return sw_no_memory(error);
    if (attention->score == SW_COSINE) {
        memcpy(session->keys, session->values, positions * width * sizeof(float));
        for (size_t position = 0; position < positions; position++)
            to_direction(model->kernels, session->keys + position * width, width);
    } else {
        model->kernels->linear(&attention->key, session->values, attention->width, session->keys, width, positions, 0);
    }
    return SW_OK;
}

/* What the weights before and covered positions add to the keys of a row: keys + F f + w c, into session->sums. */
static void add_memory(sw_session *session, size_t row, const float *keys, size_t length) {
    const sw_attention *attention = &session->model->attention;
    size_t width = attention->key_width, span = attention->filter_width;
    memcpy(session->sums, keys, length * width * sizeof(float));
    const float *covered = session->covered < 0 ? NULL : session->parts[session->covered].now + row * session->longest;
    const float *earlier = session->earlier < 0 ? NULL : session->parts[session->earlier].now + row * session->longest;
    for (size_t position = 0; position < length; position++) {
        float *sums = session->sums + position * width;
        for (size_t place = 0; covered && place < width; place++)
            sums[place] += attention->covered[place] * covered[position];
        for (size_t filter = 0; earlier && filter < attention->filters; filter++) {
            float seen = 0;
            for (size_t tap = 0; tap < span; tap++) {
                size_t at = position + tap; /* span / 2 further right */
                if (at >= span / 2 && at - span / 2 < length)
                    seen += attention->convolution[filter * span + tap] * earlier[at - span / 2];
            }
            for (size_t place = 0; place < width; place++)
                sums[place] += attention->features[filter * width + place] * seen;
        }
    }
}

/* Scores of a row; `query` as the scorer wants it. */
static void score(sw_session *session, size_t row, const float *query, const float *keys, size_t length,
                  float *scores) {
    const sw_attention *attention = &session->model->attention;
    const sw_kernels *kernels = session->model->kernels;
    size_t width = attention->key_width;
    switch (attention->score) {
        case SW_LOCATION:
            for (size_t position = 0; position < length; position++)
                scores[position] = position < attention->query.outputs ? query[position] : -INFINITY;
            break;
        case SW_ADDITIVE:
        case SW_CONCAT:
        case SW_LOCATION_AWARE:
            if (session->covered >= 0 || session->earlier >= 0) {
                add_memory(session, row, keys, length);
                keys = session->sums;
            }
            kernels->tanh_dots(query, keys, width, length, width, attention->direction, scores);
            break;
        default: kernels->dots(query, keys, width, length, width, scores);
    }
}

/* Close what lies outside of the window. Gives the predicted centre, where there is one. */
static float close_window(const sw_session *session, const float *query, float *hidden, float *scores, size_t length) {
    const sw_attention *attention = &session->model->attention;
    const sw_kernels *kernels = session->model->kernels;
    float centre = 0, middle;
    if (attention->window == SW_LOCAL_M) {
        middle = (float)(session->step + 1 < length ? session->step + 1 : length);
    } else {
        size_t width = attention->centre.outputs;
        float share;
        kernels->linear(&attention->centre, query, 0, hidden, 0, 1, 0);
        kernels->tanh(hidden, width);
        kernels->dots(hidden, attention->centre_direction, width, 1, width, &share);
        centre = (float)length / (1 + expf(-share));
        middle = rintf(centre);
    }
    for (size_t position = 0; position < length; position++)
        if (fabsf((float)(position + 1) - middle) > (float)attention->reach) scores[position] = -INFINITY;
    return centre;
}

/* The queries of all rows as the scorer wants them. */
static const float *map_queries(sw_session *session, const float *query, size_t *stride) {
    const sw_attention *attention = &session->model->attention;
    const sw_kernels *kernels = session->model->kernels;
    size_t width = attention->query.outputs, rows = session->rows;
    if (attention->score == SW_SCALED_DOT) {
        width = attention->key_width;
        for (size_t row = 0; row < rows; row++)
            for (size_t place = 0; place < width; place++)
                session->asked[row * width + place] = query[row * *stride + place] / sqrtf((float)width);
    } else if (!width) {
        return query;
    } else {
        kernels->linear(&attention->query, query, *stride, session->asked, width, rows, 0);
    }
    if (attention->score == SW_COSINE)
        for (size_t row = 0; row < rows; row++) {
            to_direction(kernels, session->asked + row * width, width);
            for (size_t place = 0; place < width; place++) session->asked[row * width + place] *= attention->strength;
        }
    *stride = width;
    return session->asked;
}

static void remember(sw_session *session, size_t row, const float *weights, size_t length) {
    size_t longest = session->longest;
    if (session->earlier >= 0)
        memcpy(session->parts[session->earlier].now + row * longest, weights, length * sizeof(float));
    if (session->covered >= 0)
        for (size_t position = 0; position < length; position++)
            session->parts[session->covered].now[row * longest + position] += weights[position];
}

void sw_attend(sw_session *session, const float *query, size_t query_stride, float *context, size_t context_stride) {
    const sw_attention *attention = &session->model->attention;
    const sw_kernels *kernels = session->model->kernels;
    size_t stride = query_stride, longest = session->longest;
    const float *asked = map_queries(session, query, &stride);
    memset(session->weights, 0, session->rows * longest * sizeof(float));
    for (size_t row = 0; row < session->rows; row++) {
        size_t source = session->source_of[row], begin = session->offsets[source];
        size_t length = session->offsets[source + 1] - begin;
        float *weights = session->weights + row * longest, centre = 0;
        score(session, row, asked + row * stride, session->keys + begin * attention->key_width, length, weights);
        if (attention->window != SW_GLOBAL)
            centre = close_window(session, query + row * query_stride, session->wide, weights, length);
        kernels->softmax(weights, length);
        for (size_t position = 0; attention->window == SW_LOCAL_P && position < length; position++) {
            float distance = ((float)(position + 1) - centre) / (float)attention->reach;
            weights[position] *= expf(-2 * distance * distance);
        }
        kernels->mix(weights, session->values + begin * attention->width, attention->width, length, attention->width,
                     context + row * context_stride);
        remember(session, row, weights, length);
    }
}
