/* How a Transformer knows positions: numbers that are added to vectors, or by which queries and keys are turned. */
#ifndef SW_POSITIONS_H
#define SW_POSITIONS_H

#include "model.h"

typedef struct sw_places {
    sw_positions kind;
    size_t width;          /* numbers of a position: as many as a vector has, or a head where heads are turned */
    size_t known;          /* positions in the table: all that were learned, or the first ones */
    const float *table;    /* (known, width) */
    const float *divisors; /* of a position: its angles; NULL where positions are learned */
} sw_places;

/* `side` is "encoder" or "decoder". */
sw_status sw_places_build(sw_building *in, const char *side, sw_places *places);

/* Whether positions below `needed` are known; `side` is "source" or "target". */
sw_status sw_places_check(const sw_places *places, const char *side, size_t needed, sw_error *error);

/* The numbers of a position, either in the table or computed into `room`. */
const float *sw_places_at(const sw_places *places, size_t place, float *room);

/* Multiply a vector by the square root of its width, and add its position where positions are added. */
void sw_places_add(const sw_places *places, size_t place, float *vector, size_t width, float *room);

/* Turn each pair of neighbouring numbers of all heads by its position's angle (Su et al. 2021, eq. 34). */
void sw_places_turn(const sw_places *places, size_t place, float *values, size_t heads, float *room);

#endif
