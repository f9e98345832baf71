/* A draw from the distribution of a step: softmax(log_probs / temperature), of it the `top_k` most probable items, of
 * these the fewest whose probability reaches `top_p` (the nucleus; Holtzman et al. 2020, eq. 2). A chance in [0, 1)
 * becomes an item by the cumulated probabilities, the most probable item first; see seqweave.search.sampling. */
#include <math.h>

#include "search.h"

static const double NEGLIGIBLE = -40; /* exp of it is 4e-18: nothing beside the most probable item's 1 */

typedef struct drawing { /* a heap, and behind it what was taken from it: the most probable item at the very end */
    sw_drawable *all;
    size_t count, taken;
    double temperature;
    float largest;
} drawing;

static int is_before(sw_drawable one, sw_drawable other) {
    return one.log_prob != other.log_prob ? one.log_prob > other.log_prob : one.item < other.item;
}

static void sink(sw_drawable *all, size_t count, size_t at) {
    sw_drawable moved = all[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_before(all[child + 1], all[child])) child++;
        if (!is_before(all[child], moved)) break;
        all[at] = all[child];
        at = child;
    }
    all[at] = moved;
}

static double share_of(const drawing *of, sw_drawable one) {
    return exp(((double)one.log_prob - (double)of->largest) / of->temperature);
}

/* The item of a rank, from 0; ranks are asked for one after the other. */
static sw_drawable ranked(drawing *of, size_t rank) {
    while (of->taken <= rank) {
        size_t last = of->count - 1 - of->taken++;
        sw_drawable top = of->all[0];
        of->all[0] = of->all[last];
        of->all[last] = top;
        sink(of->all, last, 0);
    }
    return of->all[of->count - 1 - rank];
}

static void collect(drawing *of, const float *log_probs, size_t columns) {
    double least = (double)of->largest + NEGLIGIBLE * of->temperature;
    for (size_t column = 0; column < columns; column++)
        if (log_probs[column] > -INFINITY && (double)log_probs[column] >= least)
            of->all[of->count++] = (sw_drawable){log_probs[column], (int32_t)column};
    for (size_t at = of->count / 2; at-- > 0;) sink(of->all, of->count, at);
}

size_t sw_draw(const float *log_probs, size_t columns, double chance, const sw_options *options, sw_drawable *room) {
    size_t best = sw_largest(log_probs, columns), kept = 0;
    if (options->temperature == 0 || options->top_k == 1 || !isfinite(log_probs[best])) return best;
    drawing of = {.all = room, .temperature = options->temperature, .largest = log_probs[best]};
    collect(&of, log_probs, columns);
    size_t head = options->top_k && options->top_k < of.count ? options->top_k : of.count;
    double whole = 0, mass = 0, cumulated = 0;
    if (head < of.count)
        for (size_t rank = 0; rank < head; rank++) whole += share_of(&of, ranked(&of, rank));
    else
        for (size_t at = 0; at < of.count; at++) whole += share_of(&of, of.all[at]);
    if (options->top_p == 1) { /* all of it, and only what the chance needs is put in order */
        kept = head;
        mass = whole;
    }
    while (kept < head && (!kept || mass < options->top_p * whole)) mass += share_of(&of, ranked(&of, kept++));
    for (size_t rank = 0; rank + 1 < kept; rank++) {
        cumulated += share_of(&of, ranked(&of, rank));
        if (cumulated > chance * mass) return (size_t)ranked(&of, rank).item;
    }
    return (size_t)ranked(&of, kept - 1).item;
}
