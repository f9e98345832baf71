/* Given outputs: the log-probability that a model gives to each item, step by step. */
#include <math.h>
#include <string.h>

#include "search.h"

typedef struct scoring {
    sw_members members;
    sw_arena arena;
    const sw_sources *sources;
    const sw_targets *targets;
    size_t rows, longest, *parents, *source_of, *first; /* first: where the items of each source's target begin */
    int32_t *ids;
    sw_results *results;
} scoring;

static sw_status open(scoring *at, int attends, sw_error *error) {
    size_t count = at->sources->count, items = 0;
    at->parents = SW_TAKE(&at->arena, size_t, count);
    at->source_of = SW_TAKE(&at->arena, size_t, count);
    at->first = SW_TAKE(&at->arena, size_t, count);
    at->ids = SW_TAKE(&at->arena, int32_t, count);
    if (!at->parents || !at->source_of || !at->first || !at->ids) return sw_no_memory(error);
    for (size_t source = 0; source < count; source++) items += at->targets->lengths[source];
    SW_TRY(sw_results_open(count, count, items + count, at->members.longest, attends, &at->results, error));
    size_t *begins = at->results->begins, *steps = at->results->first;
    items = 0;
    for (size_t source = 0; source < count; source++) {
        at->first[source] = items;
        at->ids[source] = SW_BEGIN;
        at->source_of[source] = source;
        items += at->targets->lengths[source];
        begins[source + 1] = source + 1;
        steps[source + 1] = items + source + 1;
        at->results->finished[source] = 1;
    }
    at->rows = count;
    return SW_OK;
}

static sw_status check_targets(const scoring *at, sw_error *error) {
    size_t items = 0, columns = at->members.columns;
    for (size_t source = 0; source < at->sources->count; source++) items += at->targets->lengths[source];
    for (size_t item = 0; item < items; item++)
        if (at->targets->ids[item] < 0 || (size_t)at->targets->ids[item] >= columns)
            return sw_fail(error, SW_BAD_ARGUMENT, "ids of a target must lie between 0 and %zu, but one is %d",
                           columns - 1, (int)at->targets->ids[item]);
    return SW_OK;
}

/* What a model that runs freely reads next: the most probable item, which is neither padding nor the begin. */
static int32_t own_choice(const scoring *at, size_t row) {
    float *log_probs = at->members.log_probs + row * at->members.columns;
    log_probs[SW_PAD] = log_probs[SW_BEGIN] = -INFINITY;
    return (int32_t)sw_largest(log_probs, at->members.columns);
}

/* One step: each row's next item, or its end, which is its last. */
static sw_status advance(scoring *at, size_t step, int free_running, sw_error *error) {
    size_t left = 0, width = at->members.longest;
    SW_TRY(sw_members_step(&at->members, at->ids, at->rows, error));
    for (size_t row = 0; row < at->rows; row++) {
        size_t source = at->source_of[row], length = at->targets->lengths[source];
        size_t to = at->first[source] + source + step;
        int32_t item = step < length ? at->targets->ids[at->first[source] + step] : SW_END;
        float log_prob = at->members.log_probs[row * at->members.columns + (size_t)item];
        if (isnan(log_prob)) return sw_not_finite(error);
        at->results->ids[to] = item;
        at->results->token_log_probs[to] = log_prob;
        if (at->results->attention)
            memcpy(at->results->attention + to * width, at->members.attention + row * width, width * sizeof(float));
        if (step == length) continue;
        at->ids[left] = free_running ? own_choice(at, row) : item;
        at->source_of[left] = source;
        at->parents[left++] = row;
    }
    if (left && left < at->rows) sw_members_select(&at->members, at->parents, left);
    at->rows = left;
    return SW_OK;
}

/* The coverage penalty of an output, whose attention is there. */
static double covered(const scoring *at, size_t source, double beta, double *sums) {
    const sw_results *results = at->results;
    size_t length = at->sources->lengths[source], width = results->width;
    memset(sums, 0, length * sizeof *sums);
    for (size_t place = results->first[source]; place < results->first[source + 1]; place++)
        for (size_t position = 0; position < length; position++)
            sums[position] += (double)results->attention[place * width + position];
    return sw_coverage(sums, length, beta);
}

static sw_status add_up(scoring *at, const sw_options *options, sw_error *error) {
    sw_results *results = at->results;
    double *sums = SW_TAKE(&at->arena, double, results->width);
    if (!sums) return sw_no_memory(error);
    for (size_t source = 0; source < results->outputs; source++) {
        size_t begin = results->first[source], end = results->first[source + 1];
        double sum = 0;
        for (size_t place = begin; place < end; place++) sum += (double)results->token_log_probs[place];
        double score = sw_length_normalised(sum, end - begin, options->length_penalty);
        if (options->coverage_penalty > 0) score += covered(at, source, options->coverage_penalty, sums);
        results->log_probs[source] = sum;
        results->scores[source] = score;
    }
    if (!options->return_attention) results->attention = NULL; /* its memory goes with the rest */
    return SW_OK;
}

static sw_status run(scoring *at, const sw_model *const *models, size_t count, const sw_options *options,
                     sw_error *error) {
    size_t longest = 0;
    int covers = options->coverage_penalty > 0, looks = options->return_attention || covers;
    for (size_t source = 0; source < at->sources->count; source++)
        if (at->targets->lengths[source] > longest) longest = at->targets->lengths[source];
    if (longest >= INT32_MAX)
        return sw_fail(error, SW_BAD_ARGUMENT, "a target must have fewer than 2^31 items, but one has %zu", longest);
    SW_TRY(sw_members_open(&at->members, &at->arena, models, count, at->sources, at->sources->count, longest + 1, looks,
                           error));
    if (covers && !at->members.attention) return sw_no_attention(error);
    SW_TRY(check_targets(at, error));
    SW_TRY(open(at, at->members.attention != NULL, error));
    for (size_t number = 0; at->rows; number++) SW_TRY(advance(at, number, options->free_running, error));
    return add_up(at, options, error);
}

sw_status sw_score_targets(const sw_model *const *models, size_t count, const sw_sources *sources,
                           const sw_targets *targets, const sw_options *options, sw_results **results,
                           sw_error *error) {
    scoring at = {.sources = sources, .targets = targets};
    *results = NULL;
    SW_TRY(sw_penalties_check(options, error));
    if (!sources->count) return sw_results_open(0, 0, 0, 0, 0, results, error);
    sw_status status = run(&at, models, count, options, error);
    sw_members_close(&at.members);
    sw_release(&at.arena);
    if (status) sw_results_close(at.results);
    else *results = at.results;
    return status;
}
