/* A prediction in C: ids of a source in, ids of the best output out.
 *
 *     cd native; cc -std=c11 -O2 *.c -o example -lm; ./example MODEL_FOLDER 17 4 9 12
 */
#include <stdio.h>
#include <stdlib.h>

#include "seqweave.h"

static char *read_file(const char *folder, const char *name, size_t *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    long end = ftell(file);
    char *bytes = end < 0 ? NULL : malloc((size_t)end + 1);
    rewind(file);
    *size = bytes ? fread(bytes, 1, (size_t)end, file) : 0;
    fclose(file);
    return bytes;
}

int main(int count, char **words) {
    size_t settings_size = 0, weights_size = 0, length = count > 2 ? (size_t)count - 2 : 0, limit = 3 * length + 10;
    char *settings = length ? read_file(words[1], "config.json", &settings_size) : NULL;
    char *weights = length ? read_file(words[1], "model.safetensors", &weights_size) : NULL;
    int32_t *ids = calloc(length + 1, sizeof *ids);
    sw_model *model = NULL;
    sw_results *results = NULL;
    sw_error error = {"give the folder of a model, and the ids of a source"};
    sw_status status = settings && weights && ids ? SW_OK : SW_BAD_ARGUMENT;
    for (size_t item = 0; ids && item < length; item++) ids[item] = (int32_t)strtol(words[2 + item], NULL, 10);
    if (!status) status = sw_open(settings, settings_size, weights, weights_size, SW_FP32, &model, &error);
    sw_sources sources = {.count = 1, .lengths = &length, .ids = ids};
    sw_options options = {.beam_size = 5, .n_best = 1, .length_penalty = 1};
    const sw_model *models[] = {model};
    if (!status) status = sw_search(models, 1, &sources, &limit, &options, &results, &error);
    for (size_t step = 0; !status && step < results->first[1]; step++) printf("%d ", (int)results->ids[step]);
    if (status) fprintf(stderr, "%s\n", error.text);
    else printf("score %.4f\n", results->scores[0]);
    sw_results_close(results);
    sw_close(model);
    free(ids);
    free(weights);
    free(settings);
    return (int)status;
}
