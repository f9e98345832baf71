/* Beam search, all sources at once: the best 2K continuations of each source's K rows. Of these, an end among the first
 * K finishes its output, and the first K others live on, so that the beam stays as wide as it can be. The same rules as
 * in seqweave.search.beam, where the reasons stand. */
#include <math.h>

#include "search.h"

typedef struct living { /* a source that is not done; its rows are `rows` next ones */
    size_t source, rows, ended; /* ended: finished outputs seen, also those that were not good enough to keep */
} living;

typedef struct beam {
    sw_search_state *state;
    size_t size; /* K */
    int proven;
    size_t active;
    living *living; /* (sources) */
    sw_best best;
    double *totals, *next_totals; /* (rows): log-probabilities so far */
    uint32_t *next_links;
    size_t rows; /* of the next step */
} beam;

static sw_status open(beam *at, sw_error *error) {
    sw_search_state *state = at->state;
    size_t sources = state->sources->count, rows = sw_times(sources, at->size);
    at->living = SW_TAKE(&state->arena, living, sources);
    at->totals = SW_TAKE(&state->arena, double, rows);
    at->next_totals = SW_TAKE(&state->arena, double, rows);
    at->next_links = SW_TAKE(&state->arena, uint32_t, rows);
    at->best.most = 2 * at->size;
    at->best.all = SW_TAKE(&state->arena, sw_candidate, at->best.most);
    if (!at->living || !at->totals || !at->next_totals || !at->next_links || !at->best.all) return sw_no_memory(error);
    for (size_t source = 0; source < sources; source++) {
        at->living[source] = (living){.source = source, .rows = 1};
        state->ids[source] = SW_BEGIN;
    }
    state->rows = at->active = sources;
    return SW_OK;
}

/* Keep an output where its score belongs, behind equal ones; the worst one goes where there are too many. */
static void keep(sw_search_state *state, size_t source, sw_ended made) {
    sw_ended *all = state->ended + source * state->places;
    size_t count = state->ended_count[source], place = count;
    while (place && (made.finished || !all[place - 1].finished) && all[place - 1].score < made.score) place--;
    if (place == state->places) return;
    if (count == state->places) count--;
    for (size_t at = count; at > place; at--) all[at] = all[at - 1];
    all[place] = made;
    state->ended_count[source] = count + 1;
}

static sw_ended ended_with(const beam *at, const sw_candidate *by, size_t length, double covered) {
    const sw_options *options = at->state->options;
    sw_ended made = {.covered = covered, .log_prob = by->log_prob};
    made.score = sw_length_normalised(by->sum, length, options->length_penalty) + covered;
    return made;
}

/* Finish outputs, and let others live on as the next rows. */
static sw_status follow(beam *at, living *one, uint32_t seen, sw_error *error) {
    sw_search_state *state = at->state;
    size_t lives = 0, step = state->step;
    for (size_t place = 0; place < at->best.count && lives < at->size; place++) {
        const sw_candidate *by = &at->best.all[place];
        uint32_t before = state->links[by->row], looked = seen + (uint32_t)by->row;
        if (by->item != SW_END) {
            size_t row = at->rows + lives++;
            state->ids[row] = by->item;
            state->parents[row] = by->row;
            at->next_totals[row] = by->sum;
            sw_link made = {before, by->item, by->log_prob, looked};
            SW_TRY(sw_history_add(&state->history, made, &at->next_links[row], error));
        } else if (place < at->size) {
            sw_ended made = ended_with(at, by, step + 1, sw_covered(state, by->row));
            made.last = before;
            made.items = (uint32_t)step;
            made.seen = looked;
            made.finished = 1;
            keep(state, one->source, made);
            one->ended++;
        }
    }
    one->rows = lives;
    return SW_OK;
}

/* At the limit those that live take the places that are left. */
static void cut(beam *at, const living *one) {
    sw_search_state *state = at->state;
    for (size_t row = at->rows; row < at->rows + one->rows; row++) {
        sw_candidate by = {.sum = at->next_totals[row]};
        sw_ended made = ended_with(at, &by, state->step + 1, sw_covered(state, state->parents[row]));
        made.last = at->next_links[row];
        made.items = (uint32_t)state->step + 1;
        keep(state, one->source, made);
    }
}

static int is_done(const beam *at, const living *one) {
    const sw_search_state *state = at->state;
    const sw_options *options = state->options;
    size_t length = state->step + 1, limit = state->limits[one->source];
    if (length >= limit || !one->rows) return 1;
    if (!at->proven && one->ended < at->size) return 0;
    if (at->size == 1) return 1;
    if (state->ended_count[one->source] < options->n_best) return 0;
    double now = sw_length_normalised(at->next_totals[at->rows], at->proven ? limit : length, options->length_penalty);
    return state->ended[one->source * state->places + options->n_best - 1].score >= now;
}

/* One source, whose rows begin at `row`. */
static sw_status advance(beam *at, living *one, size_t row, uint32_t seen, sw_error *error) {
    sw_search_state *state = at->state;
    size_t columns = state->members.columns;
    at->best.count = 0;
    for (size_t place = 0; place < one->rows; place++, row++)
        sw_best_add(&at->best, at->totals[row], row, state->members.log_probs + row * columns, columns);
    if (!at->best.count) return sw_not_finite(error);
    sw_best_sort(&at->best);
    SW_TRY(follow(at, one, seen, error));
    if (state->step + 1 == state->limits[one->source]) cut(at, one);
    return SW_OK;
}

static void turn(beam *at) {
    double *totals = at->totals;
    uint32_t *links = at->state->links;
    at->totals = at->next_totals;
    at->next_totals = totals;
    at->state->links = at->next_links;
    at->next_links = links;
    sw_search_select(at->state, at->rows);
}

sw_status sw_beam(sw_search_state *state, sw_error *error) {
    beam at = {.state = state, .size = state->options->beam_size};
    at.proven = state->options->stop == SW_PROVEN && at.size > 1;
    SW_TRY(open(&at, error));
    for (; at.active; state->step++) {
        uint32_t seen;
        size_t row = 0, active = 0;
        SW_TRY(sw_search_step(state, &seen, error));
        at.rows = 0;
        for (size_t index = 0; index < at.active; index++) {
            living one = at.living[index];
            size_t first = row;
            row += one.rows;
            SW_TRY(advance(&at, &one, first, seen, error));
            if (is_done(&at, &one)) continue;
            at.rows += one.rows;
            at.living[active++] = one;
        }
        at.active = active;
        turn(&at);
    }
    return SW_OK;
}
