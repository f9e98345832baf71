/* Search: outputs of a model, item by item. What its files share.
 *
 *     search.c     the calls: what they are asked for, and the failures
 *     greedy.c     one item for each row: the most probable one, or a draw of sampling.c
 *     beam.c       the most probable outputs of a source, side by side
 *     score.c      given outputs
 *     members.c    several models as one
 *     filters.c    what an output may be
 *     penalties.c  of length and coverage
 *     best.c       the largest of many numbers, without sorting
 *     history.c    what rows took at each step, and the outputs read out of it
 *
 * The same rules as in seqweave.search, whose files have nearly the same names. A row that is done leaves at once, and
 * what is impossible has the log-probability minus infinity.
 */
#ifndef SW_SEARCH_H
#define SW_SEARCH_H

#include "session.h"

typedef struct sw_members { /* models as one: the mean of their probabilities */
    size_t count, columns, longest;
    sw_session *sessions;
    float *log_probs; /* (rows, columns), normalised */
    float *attention; /* (rows, longest): the mean of those that have any; NULL: unwanted, or there is none */
    float *own, *own_attention; /* of one member, where there are several */
} sw_members;

typedef struct sw_link { /* an item that a row took */
    uint32_t before;     /* the link before it; link 0 is the begin */
    int32_t item;
    float log_prob;
    uint32_t seen; /* its row of attention */
} sw_link;

typedef struct sw_history {
    sw_arena *arena;
    size_t links, room;
    sw_link *link;
    size_t seen, seen_room, width; /* width 0: attention is not kept */
    float *attention;              /* (seen, width) */
} sw_history;

typedef struct sw_ended { /* an output that goes on no more */
    double score, covered; /* covered: the coverage penalty, part of the score */
    uint32_t last;         /* the link of its last item */
    uint32_t items;        /* without the end */
    uint32_t seen;         /* of the end */
    float log_prob;        /* of the end */
    int finished;          /* with the end, or cut at its limit */
} sw_ended;

typedef struct sw_candidate { /* a row and an item that it may take */
    double sum;
    float log_prob;
    int32_t item;
    size_t row;
} sw_candidate;

typedef struct sw_best { /* the largest sums so far, at most `most`, as a heap with the smallest on top */
    sw_candidate *all;
    size_t count, most;
} sw_best;

typedef struct sw_drawable {
    float log_prob;
    int32_t item;
} sw_drawable;

typedef struct sw_search_state { /* one call */
    const sw_options *options;
    const sw_sources *sources; /* those that have items */
    const size_t *limits;
    sw_arena arena;
    sw_members members;
    sw_history history;
    size_t places;       /* for outputs of a source */
    sw_ended *ended;     /* (sources, places) */
    size_t *ended_count; /* (sources) */

    size_t rows, step;
    int32_t *ids;               /* (rows): what they took last */
    uint32_t *links;            /* (rows): where it stands */
    size_t *parents;            /* (rows): rows that are continued */
    double *covered, *covering; /* (rows, longest): sums of attention, now and next; NULL: no coverage penalty */
    int32_t *written;           /* the items of one row, for filters; NULL: they do not look */
} sw_search_state;

/* Models as one. Everything is of `arena` but the sessions, which sw_members_close closes. */
sw_status sw_members_open(sw_members *members, sw_arena *arena, const sw_model *const *models, size_t count,
                          const sw_sources *sources, size_t most_rows, size_t most_steps, int looks, sw_error *error);
void sw_members_close(sw_members *members);
sw_status sw_members_step(sw_members *members, const int32_t *ids, size_t rows, sw_error *error);
void sw_members_select(sw_members *members, const size_t *parents, size_t rows);

/* Begin with link 0; keep attention where `width` is not 0. */
sw_status sw_history_open(sw_history *history, sw_arena *arena, size_t width, sw_error *error);
sw_status sw_history_add(sw_history *history, sw_link made, uint32_t *link, sw_error *error);
/* Keep the attention of all rows of a step; `first` is the place of the first one. */
sw_status sw_history_see(sw_history *history, const float *attention, size_t rows, uint32_t *first, sw_error *error);
/* The items of a row, `count` of them, in order. */
void sw_history_items(const sw_history *history, uint32_t last, size_t count, int32_t *items);

/* The best `n_best` outputs of each source of the caller, of whom those without items have none. */
sw_status sw_history_results(const sw_search_state *state, const sw_sources *all, sw_results **results,
                             sw_error *error);

/* Room for results. */
sw_status sw_results_open(size_t sources, size_t outputs, size_t steps, size_t width, int attends, sw_results **results,
                          sw_error *error);

/* Make impossible what a row may not take: padding, the begin, and what filters say. */
void sw_filter(const sw_search_state *state, size_t row, float *log_probs);
int sw_filters_look(const sw_options *options);
sw_status sw_filters_check(const sw_options *options, size_t entries, sw_error *error);

/* Divide a log-probability by the length penalty; the length counts the end. */
double sw_length_normalised(double log_prob, size_t length, double alpha);
/* The coverage penalty of sums of attention. */
double sw_coverage(const double *sums, size_t length, double beta);
/* Follow the attention of a step. */
void sw_cover(sw_search_state *state);
/* The penalty of a row if it stopped here; 0 without one. */
double sw_covered(const sw_search_state *state, size_t row);

void sw_best_add(sw_best *best, double total, size_t row, const float *log_probs, size_t columns);
void sw_best_sort(sw_best *best); /* the largest first; of equal sums the earlier row, then the lower item */
size_t sw_largest(const float *values, size_t count); /* the first one of the largest; 0 when all are -infinity */

/* An item drawn by a number in [0, 1); `room` for as many as there are columns. */
size_t sw_draw(const float *log_probs, size_t columns, double chance, const sw_options *options, sw_drawable *room);

/* One step of all rows: log-probabilities, filtered; attention is kept and added up. `seen`: where that of row 0 is. */
sw_status sw_search_step(sw_search_state *state, uint32_t *seen, sw_error *error);
/* Row r goes on where row parents[r] was. */
void sw_search_select(sw_search_state *state, size_t rows);

sw_status sw_greedy(sw_search_state *state, sw_error *error);
sw_status sw_beam(sw_search_state *state, sw_error *error);

sw_status sw_penalties_check(const sw_options *options, sw_error *error);
sw_status sw_no_attention(sw_error *error);
sw_status sw_not_finite(sw_error *error);

#endif
