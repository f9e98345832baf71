/* For tests: steps of rows that are exchanged between them, as a search does. */
#include "session.h"

typedef struct steps {
    size_t count;
    const size_t *rows, *parents; /* rows of each step; for each row its parent, one step after the other */
    const int32_t *ids;           /* what each row is fed */
} steps;

static size_t most_rows(const steps *of) {
    size_t most = 0;
    for (size_t step = 0; step < of->count; step++) most = of->rows[step] > most ? of->rows[step] : most;
    return most;
}

static sw_status run(sw_session *session, const steps *of, float *logits, float *weights, sw_error *error) {
    const size_t *parents = of->parents;
    const int32_t *ids = of->ids;
    for (size_t step = 0; step < of->count; step++) {
        size_t rows = of->rows[step];
        sw_session_select(session, parents, rows);
        SW_TRY(sw_session_step(session, ids, logits, weights, error));
        parents += rows;
        ids += rows;
        logits += rows * sw_session_columns(session);
        weights += rows * session->longest;
    }
    return SW_OK;
}

/* Logits and attention of all rows, step after step; `most_steps` are announced. */
SW_API sw_status sw_run_steps(const sw_model *model, const sw_sources *sources, size_t most_steps, size_t count,
                              const size_t *rows, const size_t *parents, const int32_t *ids, float *logits,
                              float *weights, sw_error *error);

sw_status sw_run_steps(const sw_model *model, const sw_sources *sources, size_t most_steps, size_t count,
                       const size_t *rows, const size_t *parents, const int32_t *ids, float *logits, float *weights,
                       sw_error *error) {
    sw_session session;
    steps of = {count, rows, parents, ids};
    sw_status status = sw_session_open(&session, model, sources, most_rows(&of), most_steps, error);
    if (!status) status = run(&session, &of, logits, weights, error);
    sw_session_close(&session);
    return status;
}
