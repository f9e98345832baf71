/* The weights of a model by name, as a safetensors file has them: a header in JSON, then the numbers. */
#ifndef SW_TENSORS_H
#define SW_TENSORS_H

#include "json.h"

enum { SW_MOST_AXES = 4 };

typedef struct sw_tensor {
    size_t name; /* where its name stands among the header's values */
    size_t axes, shape[SW_MOST_AXES];
    size_t size;                /* in bytes */
    const unsigned char *bytes; /* of fp32 numbers; aligned to nothing */
} sw_tensor;

typedef struct sw_tensors {
    sw_json header;
    sw_tensor *all;
    size_t count;
} sw_tensors;

/* Read the header, and check that every tensor lies within the bytes and is as long as its shape says. */
sw_status sw_tensors_read(sw_arena *arena, const void *bytes, size_t size, sw_tensors *tensors, sw_error *error);

/* NULL when there is none of this name. */
const sw_tensor *sw_tensors_find(const sw_tensors *tensors, const char *name);

#endif
