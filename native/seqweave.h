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
    const int32_t *copies;  /* of a model that copies: what each position stands for in an output, 0 for nothing; else NULL */
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

#ifdef __cplusplus
}
#endif
#endif
