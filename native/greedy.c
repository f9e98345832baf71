/* One item for each row at each step, the most probable one or a draw. A source has one row, or one for each draw. */
#include <math.h>

#include "search.h"

typedef struct greedy {
    sw_search_state *state;
    size_t *output_of;    /* (rows): which output a row writes, source by source */
    size_t *first_chance; /* (outputs) */
    sw_drawable *room;
} greedy;

/* Rows are one for each source; there shall be one for each output. */
static sw_status open(greedy *at, sw_error *error) {
    sw_search_state *state = at->state;
    const sw_options *options = state->options;
    size_t draws = state->places, rows = state->sources->count * draws, chances = 0;
    at->output_of = SW_TAKE(&state->arena, size_t, rows);
    at->first_chance = SW_TAKE(&state->arena, size_t, rows);
    at->room = SW_TAKE(&state->arena, sw_drawable, options->sample ? state->members.columns : 0);
    if (!at->output_of || !at->first_chance || !at->room) return sw_no_memory(error);
    for (size_t row = 0; row < rows; row++) {
        at->output_of[row] = row;
        at->first_chance[row] = chances;
        chances += state->limits[row / draws];
        state->parents[row] = row / draws;
        state->ids[row] = SW_BEGIN;
    }
    state->rows = rows;
    if (draws > 1) sw_members_select(&state->members, state->parents, rows);
    return SW_OK;
}

static size_t choose(const greedy *at, size_t row, const float *log_probs) {
    const sw_options *options = at->state->options;
    size_t columns = at->state->members.columns;
    if (!options->sample) return sw_largest(log_probs, columns);
    double chance = options->chances[at->first_chance[at->output_of[row]] + at->state->step];
    return sw_draw(log_probs, columns, chance, options, at->room);
}

/* A row takes an item; tells whether it goes on. */
static sw_status take(greedy *at, size_t row, int32_t item, float log_prob, uint32_t seen, int *goes_on,
                      sw_error *error) {
    sw_search_state *state = at->state;
    size_t output = at->output_of[row], source = output / state->places;
    sw_ended ended = {.last = state->links[row], .items = (uint32_t)state->step, .seen = seen, .log_prob = log_prob};
    ended.finished = item == SW_END;
    if (!ended.finished) {
        SW_TRY(sw_history_add(&state->history, (sw_link){ended.last, item, log_prob, seen}, &ended.last, error));
        ended.items++;
    }
    *goes_on = !ended.finished && state->step + 1 < state->limits[source];
    if (*goes_on) {
        state->links[row] = ended.last;
        return SW_OK;
    }
    ended.covered = sw_covered(state, row);
    state->ended[output] = ended;
    state->ended_count[source]++;
    return SW_OK;
}

sw_status sw_greedy(sw_search_state *state, sw_error *error) {
    greedy at = {.state = state};
    SW_TRY(open(&at, error));
    for (; state->rows; state->step++) {
        uint32_t seen;
        size_t left = 0;
        SW_TRY(sw_search_step(state, &seen, error));
        for (size_t row = 0; row < state->rows; row++) {
            const float *log_probs = state->members.log_probs + row * state->members.columns;
            size_t item = choose(&at, row, log_probs);
            int goes_on;
            if (!isfinite(log_probs[item])) return sw_not_finite(error);
            SW_TRY(take(&at, row, (int32_t)item, log_probs[item], seen + (uint32_t)row, &goes_on, error));
            if (!goes_on) continue;
            state->ids[left] = (int32_t)item; /* left <= row: what is written over has been read */
            state->links[left] = state->links[row];
            at.output_of[left] = at.output_of[row];
            state->parents[left++] = row;
        }
        sw_search_select(state, left);
    }
    return SW_OK;
}
