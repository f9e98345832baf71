#include "positions.h"

#include <math.h>
#include <string.h>

enum { TABLED = 256 }; /* positions whose sines are computed once for a model: those of most sentences */

/* Sines and cosines of position / 10000^(2 i / width) (Vaswani et al. 2017, section 3.5; Su et al. 2021, eq. 15). A
 * rotation has the cosine first. */
static void compute(const sw_places *places, size_t place, float *out) {
    size_t sines = places->kind == SW_ROTARY, cosines = 1 - sines;
    for (size_t first = 0; first < places->width; first += 2) {
        float angle = (float)place / places->divisors[first / 2];
        if (first + sines < places->width) out[first + sines] = sinf(angle);
        if (first + cosines < places->width) out[first + cosines] = cosf(angle);
    }
}

static sw_status build_learned(sw_building *in, const char *side, sw_places *places) {
    const float *numbers;
    places->width = in->model->is.embedding_size;
    places->known = in->model->is.max_positions;
    SW_TRY(sw_weights(in, places->known, places->width, &numbers, "%s.positions.weight", side));
    return sw_keep(in, numbers, places->known * places->width, &places->table);
}

sw_status sw_places_build(sw_building *in, const char *side, sw_places *places) {
    const sw_settings *is = &in->model->is;
    places->kind = is->positions;
    if (places->kind == SW_LEARNED) return build_learned(in, side, places);
    size_t width = places->kind == SW_ROTARY ? is->embedding_size / is->heads : is->embedding_size;
    float *divisors = SW_TAKE(&in->model->arena, float, (width + 1) / 2);
    float *table = SW_TAKE(&in->model->arena, float, sw_times(TABLED, width));
    if (!divisors || !table) return sw_no_memory(in->error);
    for (size_t first = 0; first < width; first += 2) divisors[first / 2] = powf(10000.0f, (float)first / (float)width);
    places->width = width;
    places->divisors = divisors;
    for (size_t place = 0; place < TABLED; place++) compute(places, place, table + place * width);
    places->known = TABLED;
    places->table = table;
    return SW_OK;
}

sw_status sw_places_check(const sw_places *places, const char *side, size_t needed, sw_error *error) {
    if (places->kind != SW_LEARNED || needed <= places->known) return SW_OK;
    return sw_fail(error, SW_TOO_LONG,
                   "a %s must have no more than %zu positions, which is what this model has learned "
                   "(model.max_positions), but it has %zu: shorten it, or train a model with a larger "
                   "model.max_positions or with model.positions=sinusoidal",
                   side, places->known, needed);
}

const float *sw_places_at(const sw_places *places, size_t place, float *room) {
    if (place < places->known) return places->table + place * places->width;
    compute(places, place, room);
    return room;
}

void sw_places_add(const sw_places *places, size_t place, float *vector, size_t width, float *room) {
    float scale = sqrtf((float)width);
    for (size_t at = 0; at < width; at++) vector[at] *= scale;
    if (places->kind == SW_ROTARY) return;
    const float *position = sw_places_at(places, place, room);
    for (size_t at = 0; at < width; at++) vector[at] += position[at];
}

void sw_places_turn(const sw_places *places, size_t place, float *values, size_t heads, float *room) {
    size_t width = places->width;
    const float *turn = sw_places_at(places, place, room);
    for (size_t head = 0; head < heads; head++, values += width)
        for (size_t at = 0; at < width; at += 2) {
            float first = values[at], second = values[at + 1];
            values[at] = first * turn[at] - second * turn[at + 1];
            values[at + 1] = second * turn[at] + first * turn[at + 1];
        }
}
