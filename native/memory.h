/* Memory that is taken piece by piece and given back all at once, and how a failure is told. */
#ifndef SW_MEMORY_H
#define SW_MEMORY_H

#include "seqweave.h"

typedef struct sw_arena {
    void *newest;
} sw_arena;

/* Room for `count` things of `size` bytes, all zero, aligned to 64 bytes; NULL when there is none or the product is too
 * large. Asking for nothing gives a valid pointer. */
void *sw_take(sw_arena *arena, size_t count, size_t size);
#define SW_TAKE(arena, type, count) ((type *)sw_take((arena), (count), sizeof(type)))

/* Give everything back. */
void sw_release(sw_arena *arena);

/* a * b, or SIZE_MAX when that is too large, for which there is never room. */
size_t sw_times(size_t a, size_t b);

/* Write a sentence into `error` (which may be NULL) and give `status` back. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
sw_status sw_fail(sw_error *error, sw_status status, const char *format, ...);

/* The failure of sw_take. */
sw_status sw_no_memory(sw_error *error);

#define SW_TRY(call)                    \
    do {                                \
        sw_status sw_tried = (call);    \
        if (sw_tried) return sw_tried;  \
    } while (0)

#endif
