/* Several models as one: the arithmetic mean of their probabilities at every step; see seqweave.model.ensemble. */
#include <math.h>

#include "search.h"

static int attends(const sw_model *model) {
    return model->is.decoder == SW_TRANSFORMER || model->is.attention != SW_NO_ATTENTION;
}

static sw_status check_models(const sw_model *const *models, size_t count, sw_error *error) {
    if (!count) return sw_fail(error, SW_BAD_ARGUMENT, "there must be a model, but there is none: give one or more");
    for (size_t index = 0; index < count; index++) {
        const sw_model *model = models[index], *first = models[0];
        if (!model) return sw_fail(error, SW_BAD_ARGUMENT, "a model must be open, but number %zu is NULL", index + 1);
        if (model->output.entries <= SW_END)
            return sw_fail(error, SW_BAD_MODEL, "a target vocabulary must have the 4 special items, but it has %zu "
                           "entries", model->output.entries);
        if (model->output.entries != first->output.entries || model->source.entries != first->source.entries)
            return sw_fail(error, SW_BAD_ARGUMENT, "models must have the same vocabularies to act as one, but number "
                           "%zu has %zu and %zu entries where the first has %zu and %zu", index + 1,
                           model->source.entries, model->output.entries, first->source.entries, first->output.entries);
        if (model->is.copy != first->is.copy)
            return sw_fail(error, SW_BAD_ARGUMENT, "models that act as one must all copy or none, but they differ: "
                           "leave one kind out");
    }
    return SW_OK;
}

static int any_attends(const sw_model *const *models, size_t count) {
    for (size_t index = 0; index < count; index++)
        if (attends(models[index])) return 1;
    return 0;
}

sw_status sw_members_open(sw_members *members, sw_arena *arena, const sw_model *const *models, size_t count,
                          const sw_sources *sources, size_t most_rows, size_t most_steps, int looks, sw_error *error) {
    SW_TRY(check_models(models, count, error));
    members->sessions = SW_TAKE(arena, sw_session, count);
    if (!members->sessions) return sw_no_memory(error);
    members->count = count;
    for (size_t index = 0; index < count; index++)
        SW_TRY(sw_session_open(&members->sessions[index], models[index], sources, most_rows, most_steps, error));
    size_t columns = members->columns = sw_session_columns(members->sessions);
    size_t longest = members->longest = members->sessions->longest;
    members->log_probs = SW_TAKE(arena, float, sw_times(most_rows, columns));
    members->own = SW_TAKE(arena, float, count > 1 ? sw_times(most_rows, columns) : 0);
    if (!members->log_probs || !members->own) return sw_no_memory(error);
    if (!looks || !any_attends(models, count)) return SW_OK;
    members->attention = SW_TAKE(arena, float, sw_times(most_rows, longest));
    members->own_attention = SW_TAKE(arena, float, count > 1 ? sw_times(most_rows, longest) : 0);
    return members->attention && members->own_attention ? SW_OK : sw_no_memory(error);
}

void sw_members_close(sw_members *members) {
    for (size_t index = 0; index < members->count; index++) sw_session_close(&members->sessions[index]);
}

/* Logarithm of the sum of two numbers given as logarithms. */
static float log_sum(float one, float other) {
    float larger = one > other ? one : other, smaller = one > other ? other : one;
    if (larger == -INFINITY) return one + other; /* NaN stays NaN */
    return larger + log1pf(expf(smaller - larger));
}

static sw_status add_member(sw_members *members, size_t index, const int32_t *ids, size_t rows, size_t *looked,
                            sw_error *error) {
    sw_session *session = &members->sessions[index];
    const sw_kernels *kernels = session->model->kernels;
    int looks = members->attention && attends(session->model);
    float *own = index ? members->own : members->log_probs;
    float *weights = !looks ? NULL : *looked ? members->own_attention : members->attention;
    SW_TRY(sw_session_step(session, ids, own, weights, error));
    for (size_t row = 0; row < rows; row++) kernels->log_softmax(own + row * members->columns, members->columns);
    for (size_t place = 0; index && place < rows * members->columns; place++)
        members->log_probs[place] = log_sum(members->log_probs[place], own[place]);
    for (size_t place = 0; looks && *looked && place < rows * members->longest; place++)
        members->attention[place] += weights[place];
    *looked += (size_t)looks;
    return SW_OK;
}

sw_status sw_members_step(sw_members *members, const int32_t *ids, size_t rows, sw_error *error) {
    size_t looked = 0, columns = members->columns;
    for (size_t index = 0; index < members->count; index++)
        SW_TRY(add_member(members, index, ids, rows, &looked, error));
    for (size_t row = 0; members->count > 1 && row < rows; row++) /* the number of members is part of the sum */
        members->sessions->model->kernels->log_softmax(members->log_probs + row * columns, columns);
    for (size_t place = 0; looked > 1 && place < rows * members->longest; place++)
        members->attention[place] /= (float)looked;
    return SW_OK;
}

void sw_members_select(sw_members *members, const size_t *parents, size_t rows) {
    for (size_t index = 0; index < members->count; index++) sw_session_select(&members->sessions[index], parents, rows);
}
