/* One call: some sources, encoded, and the state of the rows that are written. A session belongs to one thread.
 *
 * Rows are outputs in the making, all of the same length; several may belong to one source. All positions of the sources
 * lie one after the other, without padding: those of source b are offsets[b] to offsets[b + 1].
 */
#ifndef SW_SESSION_H
#define SW_SESSION_H

#include "model.h"

enum { SW_PAD = 0, SW_UNKNOWN = 1, SW_BEGIN = 2, SW_END = 3 };

typedef struct sw_part { /* of the rows' state: `width` numbers for each row */
    size_t width;
    float *now, *next;
} sw_part;

enum { SW_MOST_PARTS = 2 * 64 + 8 };

typedef struct sw_session {
    const sw_model *model;
    sw_arena arena;
    size_t sources, positions, longest, most_rows, most_steps;
    size_t *offsets;    /* (sources + 1) */
    const int32_t *ids; /* (positions) */

    /* What was read. */
    float *values;  /* (positions, E) */
    float *keys;    /* (positions, A) */
    float **final;  /* of each part of each layer of the encoder: (sources, E) */
    size_t finals;
    int32_t *columns; /* (positions): where the attention of a position goes in an output, or -1 (models that copy) */
    int32_t *first;   /* (positions): the first position with the same item, within its source */

    /* What is written. */
    size_t rows, step;
    size_t *source_of; /* (rows) */
    size_t *next_source_of;
    sw_part parts[SW_MOST_PARTS]; /* the layers' states, layer by layer; then what the indices below name */
    size_t part_count;
    int feed, earlier, covered; /* parts: the readout before, the weights before, and their sums; -1: none */
    sw_cache *cache;            /* of a Transformer that writes */
    int asked_weights;          /* of this step: the Transformer fills `weights` only then */

    /* Room to work, for most_rows rows. */
    float *dense, *item;       /* what a layer reads; the vector of an item */
    float *given, *recurrent;  /* sums of a layer */
    float *lower, *output;     /* outputs of layers */
    float *asked;              /* the mapped query */
    float *sums;               /* of additive scores: (longest, A) */
    float *joined;             /* [context; state] (E + H) */
    float *weights;            /* of attention (longest) */
    float *wide;               /* a readout before it is one */
    float *readout;            /* (size) */
    int32_t *fed;
} sw_session;

/* Read sources; room for `most_rows` rows of `most_steps` steps. Begins with one row for each source. */
sw_status sw_session_open(sw_session *session, const sw_model *model, const sw_sources *sources, size_t most_rows,
                          size_t most_steps, sw_error *error);
void sw_session_close(sw_session *session);

/* Columns of the logits: the target's entries, and one for each source position where the model copies. */
size_t sw_session_columns(const sw_session *session);

/* One step of all rows: their last items in, logits (rows, columns) out, and with `weights` attention (rows, longest).
 * Logits of a model that copies or of an entmax output are log-probabilities. */
sw_status sw_session_step(sw_session *session, const int32_t *ids, float *logits, float *weights, sw_error *error);

/* Row r goes on where row parents[r] was; any rows, any number up to most_rows. */
void sw_session_select(sw_session *session, const size_t *parents, size_t rows);

/* Vectors of items, and their sums: `room` is for one vector a row. */
void sw_embed(const sw_vectors *vectors, const int32_t *ids, size_t rows, float *out, size_t stride);
void sw_read(const sw_kernels *kernels, const sw_reader *reader, const int32_t *ids, size_t rows, float *room,
             float *out, size_t stride, int add);

/* The stages, each in its file. */
sw_status sw_encode(sw_session *session, sw_error *error);
sw_status sw_attention_start(sw_session *session, sw_error *error);
sw_status sw_decoder_start(sw_session *session, sw_error *error);
sw_status sw_decoder_step(sw_session *session, const int32_t *ids, sw_error *error);
sw_status sw_output_start(sw_session *session, const sw_sources *sources, sw_error *error);
void sw_output_step(sw_session *session, const int32_t *ids, float *logits);

/* Look the sources up with a query for each row: context (rows, E) into `context`, weights into session->weights. */
void sw_attend(sw_session *session, const float *query, size_t query_stride, float *context, size_t context_stride);

/* One step of a stack: item sums from `ids` (where its first layer reads items) and a dense input (rows, dense width).
 * `inputs` is what the first layer read, whole, where a residual connection needs it, else NULL. */
void sw_stack_step(sw_session *session, const sw_stack *stack, sw_part *parts, const int32_t *ids, const float *dense,
                   size_t dense_stride, float *out);

/* A new part of the rows' state, all zeros; -1 when there is no room. */
int sw_session_part(sw_session *session, size_t width);

#endif
