/* Keys and values of the target positions that a Transformer has written so far.
 *
 * What row r gave at a step lies in slot r of that step and never moves. When rows are exchanged, as a beam search does
 * at every step, only a small table does: for each row, the slot of its ancestor at every step. Room is taken in blocks of
 * steps, each twice as long as the one before, so a limit of many steps takes no memory before they are made.
 */
#ifndef SW_PAST_H
#define SW_PAST_H

#include "kernels.h"
#include "memory.h"

enum { SW_MOST_BLOCKS = 40 };

typedef struct sw_past_block {
    size_t first, steps;    /* of all steps */
    float *pairs;           /* (layers, 2, heads, steps, slots, D): keys, then values */
    int32_t *slots, *after; /* (slots, steps): of each row's ancestors; room for the exchanged ones */
} sw_past_block;

typedef struct sw_past_run { /* steps of one block in which a row's ancestors lie in the same slot */
    const sw_past_block *block;
    size_t first, count, slot; /* first: in the block */
} sw_past_run;

typedef struct sw_past {
    size_t layers, heads, width, slots, most_steps; /* width: of a head (D) */
    size_t steps, block_count;                      /* steps that there is room for */
    sw_past_block blocks[SW_MOST_BLOCKS];
    sw_past_run *runs; /* of one row; as many as steps at most */
    float *weights;    /* of one row and head (steps) */
    float *some;       /* (D): the mean of the values in some of the runs */
} sw_past;

/* Room for step `step`, the next one, and some more. */
sw_status sw_past_grow(sw_past *past, sw_arena *arena, size_t step, sw_error *error);

/* Keep what the first `rows` rows gave in the newest step: keys and values side by side, rows `stride` numbers apart. */
void sw_past_keep(sw_past *past, size_t layer, size_t step, const float *pairs, size_t stride, size_t rows);

/* A row looks at all positions up to `step`; the query of all heads is scaled. */
void sw_past_look(sw_past *past, const sw_kernels *kernels, size_t layer, size_t step, size_t row, const float *query,
                  float *out);

/* Row r goes on where row parents[r] was; `steps` have been made. */
void sw_past_select(sw_past *past, size_t steps, const size_t *parents, size_t rows);

#endif
