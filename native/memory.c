#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

typedef struct block { /* stands before each piece */
    void *older;
} block;

size_t sw_times(size_t a, size_t b) { return b && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

void *sw_take(sw_arena *arena, size_t count, size_t size) {
    size_t bytes = sw_times(count, size), more = sizeof(block) + ALIGNMENT;
    if (bytes > SIZE_MAX / 2 - more) return NULL;
    block *made = calloc(1, bytes + more);
    if (!made) return NULL;
    made->older = arena->newest;
    arena->newest = made;
    uintptr_t first = (uintptr_t)(made + 1);
    return (void *)((first + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

void sw_release(sw_arena *arena) {
    while (arena->newest) {
        block *gone = arena->newest;
        arena->newest = gone->older;
        free(gone);
    }
}

sw_status sw_fail(sw_error *error, sw_status status, const char *format, ...) {
    if (error) {
        va_list values;
        va_start(values, format);
        vsnprintf(error->text, sizeof error->text, format, values);
        va_end(values);
    }
    return status;
}

sw_status sw_no_memory(sw_error *error) {
    return sw_fail(error, SW_NO_MEMORY, "there is not enough memory: close something, or use smaller batches");
}
