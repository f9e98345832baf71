/* The parts of a Transformer's layers, in its encoder and its decoder (Vaswani et al. 2017, sections 3.1 to 3.3).
 *
 * Widths: M of vectors, of which each of N heads has D (N * D = M).
 */
#ifndef SW_TRANSFORMER_LAYERS_H
#define SW_TRANSFORMER_LAYERS_H

#include "positions.h"
#include "session.h"

typedef struct sw_heads { /* the maps of an attention with many heads */
    sw_linear query;      /* of an attention to the source; else `project` has the queries as well */
    sw_linear project;    /* to [queries; ] keys; values */
    sw_linear output;
} sw_heads;

typedef struct sw_transformer_layer {
    sw_heads own, cross; /* cross: of a decoder, to the source */
    sw_linear inner, outer;
    const float *outer_bias; /* (M) */
    sw_norm around_own, around_cross, around_feed_forward;
} sw_transformer_layer;

struct sw_transformer {
    size_t count, size, heads, head_size; /* layers; M, N, D */
    int pre;                              /* normalisation before each part and once at the end, else behind each */
    float scale;                          /* of queries: 1 / sqrt(D) */
    sw_places places;
    sw_transformer_layer *layers;
    sw_norm norm; /* at the end */
};

/* Rows that go through a feed-forward part together: its wide numbers then stay near the processor. */
enum { SW_TOGETHER = 128 };

typedef struct sw_room { /* to work in: M numbers for each row where nothing else is said */
    float *given, *seen;
    float *projected; /* queries, keys, values (3 M) */
    float *inner;     /* for SW_TOGETHER rows */
    float *position;  /* of one position */
} sw_room;

sw_status sw_room_take(sw_arena *arena, const sw_transformer *of, size_t rows, sw_room *room, sw_error *error);

/* What a part is given: the values, or normalised copies in room->given. */
const float *sw_before(const sw_kernels *kernels, const sw_transformer *of, const sw_norm *norm, const float *values,
                       sw_room *room, size_t rows);

/* What a part made has been added to the values: normalise the sums where that comes behind. */
void sw_after(const sw_kernels *kernels, const sw_transformer *of, const sw_norm *norm, float *values, size_t rows);

/* The feed-forward part with all that stands around it, in place. */
void sw_feed_forward(const sw_kernels *kernels, const sw_transformer *of, const sw_transformer_layer *layer,
                     float *values, sw_room *room, size_t rows);

/* The normalisation at the end, where there is one. */
void sw_finish(const sw_kernels *kernels, const sw_transformer *of, float *values, size_t rows);

/* One head: the scores of a query, which is scaled, become weights, and these the mean of the values. */
void sw_look(const sw_kernels *kernels, const float *query, const float *keys, const float *values, size_t count,
             size_t width, float *weights, float *out);

#endif
