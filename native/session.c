#include "session.h"

#include <string.h>

#include "cells.h"


static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static sw_status check_sources(const sw_model *model, const sw_sources *sources, sw_session *session, sw_error *error) {
    session->offsets = SW_TAKE(&session->arena, size_t, sources->count + 1);
    if (!session->offsets) return sw_no_memory(error);
    for (size_t source = 0; source < sources->count; source++) {
        size_t length = sources->lengths[source];
        if (length > INT32_MAX || session->positions > INT32_MAX - length)
            return sw_fail(error, SW_BAD_ARGUMENT, "sources must have fewer than 2^31 items together: give fewer");
        session->positions += length;
        session->longest = larger(session->longest, length);
        session->offsets[source + 1] = session->positions;
    }
    for (size_t at = 0; at < session->positions; at++)
        if (sources->ids[at] < 0 || (size_t)sources->ids[at] >= model->source.entries)
            return sw_fail(error, SW_BAD_ARGUMENT, "ids of a source must lie between 0 and %zu, but one is %d",
                           model->source.entries - 1, (int)sources->ids[at]);
    session->ids = sources->ids;
    return SW_OK;
}

static int take_room(sw_session *session) {
    const sw_model *model = session->model;
    sw_arena *arena = &session->arena;
    size_t rows = session->most_rows, hidden = model->decoder ? 0 : model->is.decoder_hidden_size;
    size_t joined = model->encoded + hidden;
    size_t item = larger(model->target.width, larger(hidden, model->source.width));
    size_t gates = sw_gates_of(model->is.cell) * hidden;
    size_t wide = larger(2 * larger(model->output.size, hidden), larger(joined + hidden, model->output.entries));
    size_t asked = larger(larger(model->attention.query.outputs, model->attention.key_width), 1);
    session->source_of = SW_TAKE(arena, size_t, rows);
    session->next_source_of = SW_TAKE(arena, size_t, rows);
    session->fed = SW_TAKE(arena, int32_t, rows);
    session->item = SW_TAKE(arena, float, sw_times(rows, larger(item, joined)));
    session->dense = SW_TAKE(arena, float, sw_times(rows, joined));
    session->given = SW_TAKE(arena, float, sw_times(rows, gates));
    session->recurrent = SW_TAKE(arena, float, sw_times(rows, gates));
    session->lower = SW_TAKE(arena, float, sw_times(rows, hidden));
    session->output = SW_TAKE(arena, float, sw_times(rows, hidden));
    session->asked = SW_TAKE(arena, float, sw_times(rows, asked));
    session->sums = SW_TAKE(arena, float, sw_times(session->longest, larger(model->attention.key_width, 1)));
    session->joined = SW_TAKE(arena, float, sw_times(rows, joined));
    session->weights = SW_TAKE(arena, float, sw_times(rows, session->longest));
    session->wide = SW_TAKE(arena, float, sw_times(rows, wide));
    session->readout = SW_TAKE(arena, float, sw_times(rows, model->output.size));
    return session->source_of && session->next_source_of && session->fed && session->item && session->dense &&
           session->given && session->recurrent && session->lower && session->output && session->asked && session->sums &&
           session->joined && session->weights && session->wide && session->readout;
}

sw_status sw_session_open(sw_session *session, const sw_model *model, const sw_sources *sources, size_t most_rows,
                          size_t most_steps, sw_error *error) {
    memset(session, 0, sizeof *session);
    session->model = model;
    session->most_rows = larger(most_rows, sources->count);
    session->most_steps = most_steps;
    session->sources = session->rows = sources->count;
    session->feed = session->earlier = session->covered = -1;
    SW_TRY(check_sources(model, sources, session, error));
    if (!take_room(session)) return sw_no_memory(error);
    for (size_t row = 0; row < session->rows; row++) session->source_of[row] = row;
    SW_TRY(sw_encode(session, error));
    SW_TRY(sw_output_start(session, sources, error));
    return sw_decoder_start(session, error);
}

void sw_session_close(sw_session *session) { sw_release(&session->arena); }

int sw_session_part(sw_session *session, size_t width) {
    if (session->part_count == SW_MOST_PARTS) return -1;
    sw_part *part = &session->parts[session->part_count];
    part->width = width;
    part->now = SW_TAKE(&session->arena, float, sw_times(session->most_rows, width));
    part->next = SW_TAKE(&session->arena, float, sw_times(session->most_rows, width));
    return part->now && part->next ? (int)session->part_count++ : -1;
}

sw_status sw_session_step(sw_session *session, const int32_t *ids, float *logits, float *weights, sw_error *error) {
    const sw_model *model = session->model;
    size_t longest = session->longest;
    if (session->step == session->most_steps)
        return sw_fail(error, SW_BAD_ARGUMENT, "there is room for %zu steps: ask for more", session->most_steps);
    for (size_t row = 0; row < session->rows; row++) {
        int32_t id = ids[row]; /* what was copied has no vector, and is read as unknown */
        if (id < 0 || (size_t)id >= sw_session_columns(session))
            return sw_fail(error, SW_BAD_ARGUMENT, "ids of a target must lie between 0 and %zu, but one is %d",
                           sw_session_columns(session) - 1, (int)id);
        session->fed[row] = (size_t)id < model->output.entries ? id : SW_UNKNOWN;
    }
    session->asked_weights = weights != NULL;
    SW_TRY(sw_decoder_step(session, session->fed, error));
    sw_output_step(session, session->fed, logits);
    if (weights) memcpy(weights, session->weights, session->rows * longest * sizeof(float));
    session->step++;
    return SW_OK;
}

void sw_session_select(sw_session *session, const size_t *parents, size_t rows) {
    for (size_t index = 0; index < session->part_count; index++) {
        sw_part *part = &session->parts[index];
        for (size_t row = 0; row < rows; row++)
            memcpy(part->next + row * part->width, part->now + parents[row] * part->width, part->width * sizeof(float));
        float *now = part->now;
        part->now = part->next;
        part->next = now;
    }
    for (size_t row = 0; row < rows; row++) session->next_source_of[row] = session->source_of[parents[row]];
    size_t *now = session->source_of;
    session->source_of = session->next_source_of;
    session->next_source_of = now;
    if (session->cache) sw_transformer_select(session, parents, rows);
    session->rows = rows;
}
