/* Random searches and scores, for sanitizers: ./stress TIMES FOLDER ... Prints how many were refused and done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seqweave.h"

enum { SOURCES = 5, LONGEST = 9, LIMIT = 14, DRAWS = 4, MODELS = 8 };

static uint64_t state = 1;

static size_t below(size_t bound) { /* splitmix64 */
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((mixed ^ (mixed >> 31)) % bound);
}

static int32_t item_below(size_t bound) { /* seldom one that there is not */
    if (!below(300)) return (int32_t)below(3 * bound) - (int32_t)bound;
    return (int32_t)(below(40) ? 4 + below(bound - 4) : below(bound));
}

static char *read_file(const char *folder, const char *name, size_t *size) {
    char path[4096], *bytes = malloc(1 << 20);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    *size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file) fclose(file);
    return bytes;
}

static sw_model *open_folder(const char *folder) {
    size_t settings_size, weights_size;
    char *settings = read_file(folder, "config.json", &settings_size);
    char *weights = read_file(folder, "model.safetensors", &weights_size);
    sw_model *model;
    sw_error error;
    if (sw_open(settings, settings_size, weights, weights_size, SW_FP32, &model, &error)) {
        fprintf(stderr, "%s: %s\n", folder, error.text);
        exit(1);
    }
    free(settings);
    free(weights);
    return model;
}

typedef struct asked { /* everything of one call */
    size_t lengths[SOURCES], limits[SOURCES], target_lengths[SOURCES];
    int32_t ids[SOURCES * LONGEST], copies[SOURCES * LONGEST], targets[SOURCES * LIMIT], forbidden[3], prefix[3];
    double chances[SOURCES * DRAWS * LIMIT];
} asked;

static void ask(asked *of, const sw_sizes *sizes, sw_sources *sources, sw_options *options) {
    size_t count = below(SOURCES + 1);
    for (size_t source = 0; source < SOURCES; source++) {
        of->lengths[source] = below(6) ? below(LONGEST + 1) : 1;
        of->limits[source] = below(60) ? 1 + below(LIMIT) : below(3) ? 0 : SIZE_MAX;
        of->target_lengths[source] = below(LIMIT + 1);
    }
    for (size_t at = 0; at < SOURCES * LONGEST; at++) {
        of->ids[at] = item_below(sizes->source_entries);
        of->copies[at] = item_below(sizes->target_entries);
    }
    for (size_t at = 0; at < SOURCES * LIMIT; at++) of->targets[at] = item_below(sizes->target_entries);
    for (size_t at = 0; at < 3; at++) of->forbidden[at] = item_below(sizes->target_entries);
    for (size_t at = 0; at < 3; at++) of->prefix[at] = item_below(sizes->target_entries);
    for (size_t at = 0; at < SOURCES * DRAWS * LIMIT; at++) of->chances[at] = (double)below(1 << 20) / (1 << 20);
    *sources = (sw_sources){count, of->lengths, of->ids, sizes->copies ? of->copies : NULL};
    options->sample = below(3) == 0;
    options->beam_size = below(100) ? 1 + below(12) : below(2) ? 1000 : 1001;
    options->n_best = 1 + below(options->sample ? DRAWS : options->beam_size);
    options->length_penalty = (double)below(4) / 2;
    options->coverage_penalty = sizes->attends && !below(3) ? 0.5 : 0;
    options->stop = (int32_t)below(2);
    options->min_length = below(2) ? 0 : below(5);
    options->max_length = below(3) ? 0 : below(4);
    options->no_repeat_ngram = below(2) ? 0 : below(5);
    options->forbidden_count = below(2) ? 0 : below(4);
    options->prefix_length = below(2) ? 0 : below(4);
    options->temperature = (double)below(5) / 2;
    options->top_k = below(2) ? 0 : below(30);
    options->top_p = (double)(1 + below(10)) / 10;
    options->return_attention = (int32_t)below(2);
    options->forbidden = of->forbidden;
    options->prefix = of->prefix;
    options->chances = of->chances;
}

static size_t steps_of(const sw_results *results) { /* reads all there is */
    double sum = 0;
    size_t steps = results->first[results->outputs];
    for (size_t step = 0; step < steps; step++) sum += results->token_log_probs[step] + results->ids[step];
    for (size_t at = 0; results->attention && at < steps * results->width; at++) sum += results->attention[at];
    for (size_t at = 0; at < results->outputs; at++) sum += results->scores[at] + results->finished[at];
    return steps + (sum != sum);
}

int main(int count, char **words) {
    size_t times = count > 2 ? strtoul(words[1], NULL, 10) : 0, folders = count > 2 ? (size_t)count - 2 : 0;
    size_t refused = 0, done = 0, steps = 0;
    sw_model *models[MODELS] = {NULL};
    if (folders > MODELS) folders = MODELS;
    for (size_t folder = 0; folder < folders; folder++) models[folder] = open_folder(words[2 + folder]);
    for (size_t time = 0; time < times; time++) {
        asked *of = calloc(1, sizeof *of);
        sw_sources sources;
        sw_options options = {0};
        sw_results *results = NULL;
        sw_error error;
        sw_sizes sizes;
        size_t first = below(folders);
        const sw_model *some[2] = {models[first], models[below(folders)]};
        sw_sizes_of(some[0], &sizes);
        ask(of, &sizes, &sources, &options);
        sw_targets targets = {of->target_lengths, of->targets};
        size_t together = below(4) ? 1 : 2;
        sw_status status = below(4)
                               ? sw_search(some, together, &sources, of->limits, &options, &results, &error)
                               : sw_score_targets(some, together, &sources, &targets, &options, &results, &error);
        if (status) refused++;
        else done++, steps += steps_of(results);
        sw_results_close(results);
        free(of);
    }
    for (size_t folder = 0; folder < folders; folder++) sw_close(models[folder]);
    printf("%zu refused, %zu done with %zu steps\n", refused, done, steps);
    return 0;
}
