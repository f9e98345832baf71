/* What an output may be: minimum and maximum length, no repeated n-gram, forbidden items, a prefix. In the order, and
 * with the exceptions, of seqweave.search.filters: inside the prefix only its next item is possible, after it the
 * others hold, and where nothing is left that is possible, an output may end. */
#include <math.h>

#include "search.h"

/* The log-probability that an item counts as having which must be taken although the model gives it probability 0: with
 * minus infinity no output after it could be told from another. */
static const float IMPOSSIBLE = -1e4f;
static const size_t LONGEST = 10000;

static sw_status check_items(const char *name, const int32_t *ids, size_t count, size_t entries, sw_error *error) {
    if (count && !ids) return sw_fail(error, SW_BAD_ARGUMENT, "%s must be given, but it is NULL: leave it out", name);
    for (size_t index = 0; index < count; index++) {
        int32_t id = ids[index];
        if (id < 0 || (size_t)id >= entries || id == SW_PAD || id == SW_BEGIN || id == SW_END)
            return sw_fail(error, SW_BAD_ARGUMENT, "%s must be items of the output, 1 or from 4 to %zu, but one is %d: "
                           "leave it out", name, entries - 1, (int)id);
    }
    return SW_OK;
}

sw_status sw_filters_check(const sw_options *options, size_t entries, sw_error *error) {
    const char *names[] = {"min_length", "no_repeat_ngram"};
    const size_t values[] = {options->min_length, options->no_repeat_ngram};
    for (int which = 0; which < 2; which++)
        if (values[which] > LONGEST)
            return sw_fail(error, SW_BAD_ARGUMENT, "%s must be a whole number from 0 to %zu, but it is %zu: choose 0 "
                           "for none", names[which], LONGEST, values[which]);
    SW_TRY(check_items("forbidden", options->forbidden, options->forbidden_count, entries, error));
    return check_items("prefix", options->prefix, options->prefix_length, entries, error);
}

int sw_filters_look(const sw_options *options) { return options->no_repeat_ngram > 0; }

static float at_least(float value) { return value < IMPOSSIBLE ? IMPOSSIBLE : value; } /* NaN stays NaN */

static void leave_only(float *log_probs, size_t columns, int32_t item) {
    float kept = at_least(log_probs[item]);
    for (size_t column = 0; column < columns; column++) log_probs[column] = -INFINITY;
    log_probs[item] = kept;
}

/* No item that would make the last n-gram of an output one that it had before. */
static void forbid_repeats(const int32_t *items, size_t count, size_t size, float *log_probs) {
    if (size > count) return;
    const int32_t *tail = items + count - (size - 1);
    for (size_t start = 0; start + size <= count; start++) {
        size_t same = 0;
        while (same + 1 < size && items[start + same] == tail[same]) same++;
        if (same + 1 == size) log_probs[items[start + same]] = -INFINITY;
    }
}

static int nothing_left(const float *log_probs, size_t columns) {
    for (size_t column = 0; column < columns; column++)
        if (!(log_probs[column] == -INFINITY)) return 0;
    return 1;
}

void sw_filter(const sw_search_state *state, size_t row, float *log_probs) {
    const sw_options *options = state->options;
    size_t items = state->step, start = options->prefix_length, columns = state->members.columns;
    float end = log_probs[SW_END];
    log_probs[SW_PAD] = log_probs[SW_BEGIN] = -INFINITY;
    int lengths = options->min_length || options->max_length;
    if (!lengths && !options->no_repeat_ngram && !options->forbidden_count && !start) return;
    if (items < options->min_length) log_probs[SW_END] = -INFINITY;
    if (options->no_repeat_ngram && items >= start) {
        sw_history_items(&state->history, state->links[row], items, state->written);
        forbid_repeats(state->written, items, options->no_repeat_ngram, log_probs);
    }
    for (size_t index = 0; items >= start && index < options->forbidden_count; index++)
        log_probs[options->forbidden[index]] = -INFINITY;
    if (options->max_length && items >= options->max_length && items >= start) leave_only(log_probs, columns, SW_END);
    if (items < start) leave_only(log_probs, columns, options->prefix[items]);
    if (nothing_left(log_probs, columns)) log_probs[SW_END] = at_least(end);
}
