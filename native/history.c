/* What rows took at each step, as links back to the begin; and the outputs that are read out of it at the end. */
#include <string.h>

#include "search.h"

enum { FIRST_ROOM = 64 };

/* Twice the room where there is too little: outputs mostly end long before their limits. */
static sw_status grow(sw_arena *arena, void **numbers, size_t used, size_t more, size_t size, size_t *room,
                      sw_error *error) {
    if (more <= *room - used) return SW_OK;
    size_t wanted = *room;
    while (wanted - used < more) wanted = wanted ? sw_times(wanted, 2) : FIRST_ROOM;
    if (wanted > UINT32_MAX) return sw_no_memory(error);
    void *larger = sw_take(arena, wanted, size);
    if (!larger) return sw_no_memory(error);
    if (used) memcpy(larger, *numbers, used * size);
    *numbers = larger;
    *room = wanted;
    return SW_OK;
}

sw_status sw_history_open(sw_history *history, sw_arena *arena, size_t width, sw_error *error) {
    uint32_t begin;
    *history = (sw_history){.arena = arena, .width = width};
    return sw_history_add(history, (sw_link){.item = SW_BEGIN}, &begin, error);
}

sw_status sw_history_add(sw_history *history, sw_link made, uint32_t *link, sw_error *error) {
    void *all = history->link;
    SW_TRY(grow(history->arena, &all, history->links, 1, sizeof *history->link, &history->room, error));
    history->link = all;
    *link = (uint32_t)history->links;
    history->link[history->links++] = made;
    return SW_OK;
}

sw_status sw_history_see(sw_history *history, const float *attention, size_t rows, uint32_t *first, sw_error *error) {
    *first = (uint32_t)history->seen;
    if (!history->width) return SW_OK;
    void *all = history->attention;
    size_t size = sw_times(history->width, sizeof(float));
    SW_TRY(grow(history->arena, &all, history->seen, rows, size, &history->seen_room, error));
    history->attention = all;
    memcpy(history->attention + history->seen * history->width, attention, rows * size);
    history->seen += rows;
    return SW_OK;
}

void sw_history_items(const sw_history *history, uint32_t last, size_t count, int32_t *items) {
    for (size_t place = count; place-- > 0; last = history->link[last].before) items[place] = history->link[last].item;
}

sw_status sw_results_open(size_t sources, size_t outputs, size_t steps, size_t width, int attends, sw_results **results,
                          sw_error *error) {
    sw_arena arena = {NULL};
    sw_results *made = SW_TAKE(&arena, sw_results, 1);
    size_t *begins = SW_TAKE(&arena, size_t, sources + 1), *first = SW_TAKE(&arena, size_t, outputs + 1);
    int32_t *ids = SW_TAKE(&arena, int32_t, steps);
    float *token_log_probs = SW_TAKE(&arena, float, steps);
    double *scores = SW_TAKE(&arena, double, outputs), *log_probs = SW_TAKE(&arena, double, outputs);
    uint8_t *finished = SW_TAKE(&arena, uint8_t, outputs);
    float *attention = SW_TAKE(&arena, float, attends ? sw_times(steps, width) : 0);
    if (!made || !begins || !first || !ids || !token_log_probs || !scores || !log_probs || !finished || !attention) {
        sw_release(&arena);
        return sw_no_memory(error);
    }
    *made = (sw_results){sources, outputs, width, begins, first, ids, token_log_probs, scores, log_probs, finished,
                         attends ? attention : NULL, arena.newest};
    *results = made;
    return SW_OK;
}

void sw_results_close(sw_results *results) {
    if (!results) return;
    sw_arena arena = {results->memory};
    sw_release(&arena);
}

/* Write out one output; `steps` before it. */
static void write_output(const sw_search_state *state, const sw_ended *ended, size_t output, size_t steps,
                         sw_results *results) {
    const sw_history *history = &state->history;
    size_t length = ended->items + (size_t)ended->finished, width = history->width;
    int32_t *ids = results->ids + steps;
    float *log_probs = results->token_log_probs + steps, *attention = results->attention;
    uint32_t last = ended->last;
    for (size_t place = length; place-- > 0;) {
        int is_end = place == ended->items;
        const sw_link *link = &history->link[last];
        ids[place] = is_end ? SW_END : link->item;
        log_probs[place] = is_end ? ended->log_prob : link->log_prob;
        size_t seen = is_end ? ended->seen : link->seen;
        if (attention)
            memcpy(attention + (steps + place) * width, history->attention + seen * width, width * sizeof(float));
        if (!is_end) last = link->before;
    }
    double sum = 0;
    for (size_t place = 0; place < length; place++) sum += (double)log_probs[place];
    results->log_probs[output] = sum;
    results->scores[output] = ended->covered + sw_length_normalised(sum, length, state->options->length_penalty);
    results->finished[output] = (uint8_t)ended->finished;
    results->first[output + 1] = steps + length;
}

static size_t shown(const sw_search_state *state, size_t source) {
    size_t count = state->ended_count[source], most = state->options->n_best;
    return count < most ? count : most;
}

sw_status sw_history_results(const sw_search_state *state, const sw_sources *all, sw_results **results,
                             sw_error *error) {
    size_t outputs = 0, steps = 0, source = 0, width = state->members.longest;
    for (size_t one = 0; one < state->sources->count; one++) {
        outputs += shown(state, one);
        for (size_t place = 0; place < shown(state, one); place++) {
            const sw_ended *ended = &state->ended[one * state->places + place];
            steps += ended->items + (size_t)ended->finished;
        }
    }
    SW_TRY(sw_results_open(all->count, outputs, steps, width, state->history.width > 0, results, error));
    sw_results *made = *results;
    outputs = 0;
    for (size_t one = 0; one < all->count; one++) {
        for (size_t place = 0; all->lengths[one] && place < shown(state, source); place++, outputs++)
            write_output(state, &state->ended[source * state->places + place], outputs, made->first[outputs], made);
        source += all->lengths[one] > 0;
        made->begins[one + 1] = outputs;
    }
    return SW_OK;
}
