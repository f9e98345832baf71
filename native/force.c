/* Given outputs, teacher forced: the logits of every step. */
#include <string.h>

#include "session.h"


typedef struct work {
    sw_session session;
    size_t *parents, *first; /* rows that go on; where the steps of each source begin */
    int32_t *ids;
    float *logits, *weights;
} work;

static void find_first_steps(const sw_targets *targets, size_t count, size_t *first) {
    size_t steps = 0;
    for (size_t source = 0; source < count; source++) {
        first[source] = steps;
        steps += targets->lengths[source] + 1;
    }
}

/* Sources whose output is over leave the rows. */
static size_t going_on(const work *at, const sw_targets *targets, size_t step) {
    size_t rows = 0;
    for (size_t row = 0; row < at->session.rows; row++)
        if (targets->lengths[at->session.source_of[row]] >= step) at->parents[rows++] = row;
    return rows;
}

static sw_status run(work *at, const sw_sources *sources, const sw_targets *targets, size_t longest, float *logits,
                     float *attention, sw_error *error) {
    sw_session *session = &at->session;
    at->parents = SW_TAKE(&session->arena, size_t, sources->count);
    at->first = SW_TAKE(&session->arena, size_t, sources->count);
    at->ids = SW_TAKE(&session->arena, int32_t, sources->count);
    at->logits = SW_TAKE(&session->arena, float, sw_times(sources->count, sw_session_columns(session)));
    at->weights = SW_TAKE(&session->arena, float, sw_times(sources->count, session->longest));
    if (!at->parents || !at->first || !at->ids || !at->logits || !at->weights) return sw_no_memory(error);
    find_first_steps(targets, sources->count, at->first);
    size_t columns = sw_session_columns(session), width = session->longest;
    for (size_t step = 0; step <= longest; step++) {
        size_t rows = going_on(at, targets, step);
        if (rows < session->rows) sw_session_select(session, at->parents, rows);
        for (size_t row = 0; row < rows; row++) {
            size_t source = session->source_of[row];
            at->ids[row] = step ? targets->ids[at->first[source] - source + step - 1] : SW_BEGIN;
        }
        SW_TRY(sw_session_step(session, at->ids, at->logits, attention ? at->weights : NULL, error));
        for (size_t row = 0; row < rows; row++) {
            size_t to = at->first[session->source_of[row]] + step;
            memcpy(logits + to * columns, at->logits + row * columns, columns * sizeof(float));
            if (attention) memcpy(attention + to * width, at->weights + row * width, width * sizeof(float));
        }
    }
    return SW_OK;
}

sw_status sw_force(const sw_model *model, const sw_sources *sources, const sw_targets *targets, float *logits,
                   float *attention, sw_error *error) {
    work at;
    size_t longest = 0;
    for (size_t source = 0; source < sources->count; source++)
        if (targets->lengths[source] > longest) longest = targets->lengths[source];
    if (!sources->count) return SW_OK;
    SW_TRY(sw_transformer_check_steps(model, longest + 1, error));
    sw_status status = sw_session_open(&at.session, model, sources, sources->count, longest + 1, error);
    if (!status) status = run(&at, sources, targets, longest, logits, attention, error);
    sw_session_close(&at.session);
    return status;
}
