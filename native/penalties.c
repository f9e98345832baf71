/* The penalties of Wu et al. (2016), eq. 14, for length and coverage; see seqweave.search.penalties. */
#include <math.h>

#include "search.h"

static const double LEAST = 1e-4; /* what a source position counts as having got of attention, at least */

sw_status sw_penalties_check(const sw_options *options, sw_error *error) {
    const char *names[] = {"length_penalty", "coverage_penalty"};
    const double values[] = {options->length_penalty, options->coverage_penalty};
    for (int which = 0; which < 2; which++)
        if (!(values[which] >= 0 && values[which] < INFINITY))
            return sw_fail(error, SW_BAD_ARGUMENT, "%s must be 0 or more, but it is %g: choose 0 for none",
                           names[which], values[which]);
    return SW_OK;
}

sw_status sw_no_attention(sw_error *error) {
    return sw_fail(error, SW_BAD_ARGUMENT, "search.coverage_penalty needs a model with attention, but this one has "
                   "none: set search.coverage_penalty=0");
}

double sw_length_normalised(double log_prob, size_t length, double alpha) {
    return log_prob / pow((5 + (double)length) / 6, alpha);
}

double sw_coverage(const double *sums, size_t length, double beta) {
    double logs = 0;
    for (size_t position = 0; position < length; position++) {
        double sum = sums[position];
        logs += log(sum < LEAST ? LEAST : sum > 1 ? 1 : sum);
    }
    return beta * logs;
}

void sw_cover(sw_search_state *state) {
    size_t count = state->rows * state->members.longest;
    for (size_t place = 0; state->covered && place < count; place++)
        state->covered[place] += (double)state->members.attention[place];
}

double sw_covered(const sw_search_state *state, size_t row) {
    if (!state->covered) return 0;
    size_t source = state->members.sessions->source_of[row];
    const double *sums = state->covered + row * state->members.longest;
    return sw_coverage(sums, state->sources->lengths[source], state->options->coverage_penalty);
}
