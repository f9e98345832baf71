/* The calls of search: what they are asked for, the state of one call, and its steps. */
#include <math.h>
#include <string.h>

#include "search.h"

enum { LARGEST_BEAM = 1000 };

sw_status sw_not_finite(sw_error *error) {
    return sw_fail(error, SW_NOT_FINITE,
                   "the model's output must be finite numbers, but a decoder step gave NaN, infinity, or no possible "
                   "item: the weights are damaged or training diverged; load another checkpoint, or train again with a "
                   "lower training.learning_rate");
}

static sw_status check_sampling(const sw_options *options, const sw_sources *sources, const size_t *limits,
                                sw_error *error) {
    size_t chances = 0;
    if (!(options->temperature >= 0 && options->temperature < INFINITY))
        return sw_fail(error, SW_BAD_ARGUMENT, "temperature must be 0 or more, but it is %g: choose another value",
                       options->temperature);
    if (!(options->top_p > 0 && options->top_p <= 1))
        return sw_fail(error, SW_BAD_ARGUMENT, "top_p must be above 0 and at most 1, but it is %g: choose another "
                       "value", options->top_p);
    if (!options->chances)
        return sw_fail(error, SW_BAD_ARGUMENT, "a draw needs chances, but there are none: give them");
    for (size_t source = 0; source < sources->count; source++) chances += limits[source] * options->n_best;
    for (size_t index = 0; index < chances; index++)
        if (!(options->chances[index] >= 0 && options->chances[index] < 1))
            return sw_fail(error, SW_BAD_ARGUMENT, "chances must be 0 or more and below 1, but number %zu is %g",
                           index + 1, options->chances[index]);
    return SW_OK;
}

static sw_status check_limits(const sw_sources *sources, const size_t *limits, sw_error *error) {
    for (size_t source = 0; source < sources->count; source++)
        if (limits[source] < 1 || limits[source] > INT32_MAX)
            return sw_fail(error, SW_BAD_ARGUMENT, "a maximum length must be 1 or more, and below 2^31, but it is %zu: "
                           "change search.max_length", limits[source]);
    return SW_OK;
}

static sw_status check_options(const sw_options *options, sw_error *error) {
    size_t most = options->sample ? SIZE_MAX : options->beam_size;
    if (options->beam_size < 1 && !options->sample)
        return sw_fail(error, SW_BAD_ARGUMENT, "beam_size must be 1 or more, but it is 0: choose 1 for greedy search");
    if (options->beam_size > LARGEST_BEAM || options->n_best > LARGEST_BEAM)
        return sw_fail(error, SW_BAD_ARGUMENT, "%s must be at most %d, but it is %zu: choose a smaller one",
                       options->beam_size > LARGEST_BEAM ? "beam_size" : "n_best", LARGEST_BEAM,
                       options->beam_size > LARGEST_BEAM ? options->beam_size : options->n_best);
    if (options->n_best < 1 || options->n_best > most)
        return sw_fail(error, SW_BAD_ARGUMENT, "n_best must lie between 1 and beam_size (%zu), but it is %zu: raise "
                       "beam_size, or ask for fewer", options->beam_size, options->n_best);
    if (options->stop != SW_ENOUGH && options->stop != SW_PROVEN)
        return sw_fail(error, SW_BAD_ARGUMENT, "stop must be 0 (enough) or 1 (proven), but it is %d: choose one of "
                       "them", (int)options->stop);
    return sw_penalties_check(options, error);
}

sw_status sw_search_step(sw_search_state *state, uint32_t *seen, sw_error *error) {
    sw_members *members = &state->members;
    SW_TRY(sw_members_step(members, state->ids, state->rows, error));
    for (size_t row = 0; row < state->rows; row++) {
        float *log_probs = members->log_probs + row * members->columns;
        if (isnan(log_probs[SW_END])) return sw_not_finite(error); /* one that is not finite makes all of them NaN */
        sw_filter(state, row, log_probs);
    }
    sw_cover(state);
    return sw_history_see(&state->history, members->attention, state->rows, seen, error);
}

void sw_search_select(sw_search_state *state, size_t rows) {
    size_t longest = state->members.longest, moved = rows != state->rows;
    for (size_t row = 0; row < rows; row++) moved |= state->parents[row] != row;
    state->rows = rows;
    if (!moved || !rows) return;
    sw_members_select(&state->members, state->parents, rows);
    if (!state->covered) return;
    double *covered = state->covered, *next = state->covering;
    for (size_t row = 0; row < rows; row++)
        memcpy(next + row * longest, covered + state->parents[row] * longest, longest * sizeof(double));
    state->covered = next;
    state->covering = covered;
}

/* The sources and limits of those that have items. */
static sw_status leave_empty_out(sw_search_state *state, const sw_sources *all, const size_t *all_limits,
                                 sw_sources *sources, sw_error *error) {
    size_t *lengths = SW_TAKE(&state->arena, size_t, all->count), *limits = SW_TAKE(&state->arena, size_t, all->count);
    if (!lengths || !limits) return sw_no_memory(error);
    *sources = (sw_sources){0, lengths, all->ids, all->copies};
    for (size_t source = 0; source < all->count; source++) {
        if (!all->lengths[source]) continue;
        lengths[sources->count] = all->lengths[source];
        limits[sources->count++] = all_limits[source];
    }
    state->sources = sources;
    state->limits = limits;
    return SW_OK;
}

static sw_status open(sw_search_state *state, const sw_model *const *models, size_t count, sw_error *error) {
    const sw_options *options = state->options;
    size_t sources = state->sources->count, longest_limit = 0;
    state->places = options->sample ? options->n_best : options->beam_size;
    size_t rows = sw_times(sources, state->places);
    for (size_t source = 0; source < sources; source++)
        if (state->limits[source] > longest_limit) longest_limit = state->limits[source];
    int covers = options->coverage_penalty > 0, looks = options->return_attention || covers;
    SW_TRY(sw_members_open(&state->members, &state->arena, models, count, state->sources, rows, longest_limit, looks,
                           error));
    SW_TRY(sw_filters_check(options, models[0]->output.entries, error));
    if (covers && !state->members.attention) return sw_no_attention(error);
    size_t longest = state->members.longest;
    int shows = options->return_attention && state->members.attention;
    SW_TRY(sw_history_open(&state->history, &state->arena, shows ? longest : 0, error));
    state->ids = SW_TAKE(&state->arena, int32_t, rows);
    state->links = SW_TAKE(&state->arena, uint32_t, rows);
    state->parents = SW_TAKE(&state->arena, size_t, rows);
    state->ended = SW_TAKE(&state->arena, sw_ended, rows);
    state->ended_count = SW_TAKE(&state->arena, size_t, sources);
    state->written = SW_TAKE(&state->arena, int32_t, sw_filters_look(options) ? longest_limit : 0);
    if (covers) state->covered = SW_TAKE(&state->arena, double, sw_times(rows, longest));
    if (covers) state->covering = SW_TAKE(&state->arena, double, sw_times(rows, longest));
    return state->ids && state->links && state->parents && state->ended && state->ended_count && state->written &&
                   (!covers || (state->covered && state->covering))
               ? SW_OK
               : sw_no_memory(error);
}

sw_status sw_search(const sw_model *const *models, size_t count, const sw_sources *sources, const size_t *limits,
                    const sw_options *options, sw_results **results, sw_error *error) {
    sw_search_state state = {.options = options};
    sw_sources real;
    *results = NULL;
    SW_TRY(check_options(options, error));
    SW_TRY(check_limits(sources, limits, error));
    if (options->sample) SW_TRY(check_sampling(options, sources, limits, error));
    sw_status status = leave_empty_out(&state, sources, limits, &real, error);
    if (!status && real.count) status = open(&state, models, count, error);
    int one_each = options->sample || options->beam_size == 1;
    if (!status && real.count) status = (one_each ? sw_greedy : sw_beam)(&state, error);
    if (!status) status = sw_history_results(&state, sources, results, error);
    sw_members_close(&state.members);
    sw_release(&state.arena);
    return status;
}
