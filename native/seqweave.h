/* The engine of seqweave: predictions of a trained model, without Python and without any library.
 *
 * A model is opened from its settings (the text of config.json) and its weights (the bytes of model.safetensors). It
 * never changes, so any number of threads may use one at once; every call has memory of its own. Nothing here is
 * global. Items are ids of the model's vocabularies: 0 padding, 1 unknown, 2 begin, 3 end. docs/engine.md has more.
 */
#ifndef SEQWEAVE_H
#define SEQWEAVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define SW_API __declspec(dllexport)
#else
#define SW_API __attribute__((visibility("default")))
#endif

#define SW_VERSION 1 /* of this interface: it grows whenever a call or a struct here changes */

typedef enum sw_status {
    SW_OK = 0,
    SW_NO_MEMORY = 1,
    SW_BAD_MODEL = 2,    /* settings or weights are damaged, or do not belong together */
    SW_BAD_ARGUMENT = 3, /* what the caller asks for is impossible */
    SW_TOO_LONG = 4,     /* beyond the positions that a model has learned */
    SW_NOT_FINITE = 5    /* the model gave NaN or infinity, or no item was possible */
} sw_status;

typedef struct sw_error { /* one sentence, for people */
    char text[400];
} sw_error;

typedef struct sw_model sw_model;

typedef enum sw_precision { SW_FP32 = 0, SW_INT8 = 1 } sw_precision;

typedef struct sw_sizes { /* what a model reads and writes */
    size_t source_entries; /* ids of a source are below this; source tags are the last ones */
    size_t source_tags;
    size_t target_entries;
    int32_t copies;  /* 1: outputs may be copied from the source */
    int32_t attends; /* 1: there are weights of attention */
} sw_sizes;

typedef struct sw_sources { /* some sources, one after the other */
    size_t count;
    const size_t *lengths;  /* items of each */
    const int32_t *ids;     /* of all */
    const int32_t *copies;  /* of a model that copies: what positions stand for in an output, 0: nothing; else NULL */
} sw_sources;

typedef struct sw_targets { /* as many outputs as sources, one after the other, without begin and end */
    const size_t *lengths;
    const int32_t *ids;
} sw_targets;

/* The version of the interface that the library was built with: compare it with SW_VERSION. */
SW_API int32_t sw_version(void);

/* The instruction set that products use on this machine, such as "avx2". */
SW_API const char *sw_instructions(void);

typedef struct sw_how {
    sw_precision precision;
    const char *instructions; /* an instruction set by name; NULL: the best that this machine has */
} sw_how;

/* Open a model. `settings` is the text of config.json, `weights` the bytes of model.safetensors; neither is needed
 * afterwards. `how` NULL: fp32, and the best instruction set. On failure *model is NULL and `error` says why. */
SW_API sw_status sw_open(const char *settings, size_t settings_size, const void *weights, size_t weights_size,
                         const sw_how *how, sw_model **model, sw_error *error);
SW_API void sw_close(sw_model *model);
SW_API void sw_sizes_of(const sw_model *model, sw_sizes *sizes);

/* Run over given outputs, teacher forced. A source has target length + 1 steps, the last one for the end.
 *
 * logits: room for (steps of all) x columns, columns = target entries, and for a model that copies the length of the
 * longest source more. attention: NULL, or room for (steps of all) x longest source. */
SW_API sw_status sw_force(const sw_model *model, const sw_sources *sources, const sw_targets *targets, float *logits,
                          float *attention, sw_error *error);

typedef enum sw_stop { SW_ENOUGH = 0, SW_PROVEN = 1 } sw_stop;

/* How outputs are found: as the settings search.* of the same names. Zeros are right but for `beam_size` and `n_best`,
 * and of a draw `temperature` and `top_p`. */
typedef struct sw_options {
    size_t beam_size; /* 1 to 1,000; 1 is greedy search */
    size_t n_best;    /* outputs of a source, at most beam_size; of draws any number from 1 */
    double length_penalty, coverage_penalty;
    int32_t stop; /* an sw_stop */

    size_t min_length;      /* fewest items */
    size_t max_length;      /* most items, those of the prefix aside; 0: as many as the limits allow */
    size_t no_repeat_ngram; /* no run of so many items twice; 0: any */
    const int32_t *forbidden;
    size_t forbidden_count;
    const int32_t *prefix; /* what every output begins with; it wins over the other constraints */
    size_t prefix_length;

    int32_t sample; /* 1: draw outputs; beam_size means nothing then */
    double temperature, top_p;
    size_t top_k;
    const double *chances; /* numbers in [0, 1): source by source, draw by draw, one for each position to its limit */

    int32_t return_attention; /* 1: also give weights of attention */
    int32_t free_running;     /* of given outputs, 1: the model reads what it finds most probable in their place */
} sw_options;

/* Outputs, source by source, the best first. Output o is steps first[o] to first[o + 1]: an item each, and of one that
 * is finished also the end. */
typedef struct sw_results {
    size_t sources, outputs, width; /* width: items of the longest source */
    size_t *begins;                 /* (sources + 1): outputs of source b are begins[b] to begins[b + 1] */
    size_t *first;                  /* (outputs + 1) */
    int32_t *ids;                   /* (steps) */
    float *token_log_probs;         /* (steps) */
    double *scores;                 /* (outputs): what they are ranked by; higher is better */
    double *log_probs;              /* (outputs): sums of token_log_probs */
    uint8_t *finished;              /* (outputs): 0 where it was cut at its limit */
    float *attention;               /* (steps, width), or NULL: not asked for, or the model has none */
    void *memory;                   /* all of this, for sw_results_close */
} sw_results;

/* Find or draw outputs. Several models act as one, with the mean of their probabilities; they must have the same ids.
 * limits: most positions of each source's outputs, the end counted. A source without items has no outputs.
 * On failure *results is NULL and `error` says why. */
SW_API sw_status sw_search(const sw_model *const *models, size_t count, const sw_sources *sources, const size_t *limits,
                           const sw_options *options, sw_results **results, sw_error *error);

/* Score given outputs, one of each source, with the penalties of `options`. */
SW_API sw_status sw_score_targets(const sw_model *const *models, size_t count, const sw_sources *sources,
                          const sw_targets *targets, const sw_options *options, sw_results **results, sw_error *error);

SW_API void sw_results_close(sw_results *results);

#ifdef __cplusplus
}
#endif
#endif
