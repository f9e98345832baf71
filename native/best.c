/* The largest of many numbers: most are passed by, a chunk at a time, because they are below what is there already. */
#include <math.h>

#include "search.h"

enum { CHUNK = 32 };

static int any_above(const float *values, float bound) {
    int found = 0;
    for (size_t lane = 0; lane < CHUNK; lane++) found |= values[lane] > bound;
    return found;
}

size_t sw_largest(const float *values, size_t count) {
    size_t best = 0, at = 0;
    float largest = -INFINITY;
    while (at < count) {
        if (at % CHUNK == 0 && at + CHUNK <= count && !any_above(values + at, largest)) {
            at += CHUNK;
            continue;
        }
        if (values[at] > largest) {
            largest = values[at];
            best = at;
        }
        at++;
    }
    return best;
}

static int is_worse(const sw_candidate *one, const sw_candidate *other) {
    if (one->sum != other->sum) return one->sum < other->sum;
    return one->row != other->row ? one->row > other->row : one->item > other->item;
}

static void sink(sw_candidate *all, size_t count, size_t at) {
    sw_candidate moved = all[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_worse(&all[child + 1], &all[child])) child++;
        if (!is_worse(&all[child], &moved)) break;
        all[at] = all[child];
        at = child;
    }
    all[at] = moved;
}

static void rise(sw_candidate *all, size_t at) {
    sw_candidate moved = all[at];
    while (at && is_worse(&moved, &all[(at - 1) / 2])) {
        all[at] = all[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    all[at] = moved;
}

/* A log-probability that is not above this makes no sum that is large enough. It is rounded down; sums are compared. */
static float bound_of(const sw_best *best, double total) {
    if (best->count < best->most) return -INFINITY;
    return nextafterf((float)(best->all[0].sum - total), -INFINITY);
}

/* Rows come in order, and so do items: of equal sums the first one stays. */
static void take(sw_best *best, sw_candidate made) {
    if (best->count < best->most) {
        best->all[best->count] = made;
        rise(best->all, best->count++);
    } else if (made.sum > best->all[0].sum) {
        best->all[0] = made;
        sink(best->all, best->count, 0);
    }
}

void sw_best_add(sw_best *best, double total, size_t row, const float *log_probs, size_t columns) {
    float bound = bound_of(best, total);
    size_t at = 0;
    while (at < columns) {
        if (at % CHUNK == 0 && at + CHUNK <= columns && !any_above(log_probs + at, bound)) {
            at += CHUNK;
            continue;
        }
        if (log_probs[at] > bound) {
            take(best, (sw_candidate){total + (double)log_probs[at], log_probs[at], (int32_t)at, row});
            bound = bound_of(best, total);
        }
        at++;
    }
}

void sw_best_sort(sw_best *best) {
    for (size_t left = best->count; left > 1; left--) {
        sw_candidate worst = best->all[0];
        best->all[0] = best->all[left - 1];
        best->all[left - 1] = worst;
        sink(best->all, left - 1, 0);
    }
}
