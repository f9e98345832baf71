#include "past.h"

#include <string.h>

enum { FIRST_STEPS = 16 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static sw_past_block *block_of(sw_past *past, size_t step) {
    size_t index = past->block_count - 1;
    while (past->blocks[index].first > step) index--;
    return &past->blocks[index];
}

sw_status sw_past_grow(sw_past *past, sw_arena *arena, size_t step, sw_error *error) {
    if (step < past->steps) return SW_OK;
    if (past->block_count == SW_MOST_BLOCKS) return sw_no_memory(error);
    size_t before = past->block_count ? past->blocks[past->block_count - 1].steps : FIRST_STEPS / 2;
    sw_past_block made = {.first = past->steps, .steps = smaller(2 * before, past->most_steps - past->steps)};
    size_t steps = past->steps + made.steps, places = sw_times(made.steps, past->slots);
    made.pairs = SW_TAKE(arena, float, sw_times(sw_times(2 * past->layers * past->heads, past->width), places));
    made.slots = SW_TAKE(arena, int32_t, places);
    made.after = SW_TAKE(arena, int32_t, places);
    past->runs = SW_TAKE(arena, sw_past_run, steps);
    past->weights = SW_TAKE(arena, float, steps);
    past->some = SW_TAKE(arena, float, past->width);
    if (!made.pairs || !made.slots || !made.after || !past->runs || !past->weights || !past->some)
        return sw_no_memory(error);
    past->blocks[past->block_count++] = made;
    past->steps = steps;
    return SW_OK;
}

/* Keys (kind 0) or values (kind 1) of a head, from a step and slot of a block on. */
static float *pairs_at(const sw_past *past, const sw_past_block *block, size_t layer, size_t kind, size_t head,
                       size_t step, size_t slot) {
    size_t numbers = (layer * 2 + kind) * past->heads + head;
    return block->pairs + ((numbers * block->steps + step) * past->slots + slot) * past->width;
}

void sw_past_keep(sw_past *past, size_t layer, size_t step, const float *pairs, size_t stride, size_t rows) {
    sw_past_block *block = block_of(past, step);
    size_t at = step - block->first;
    for (size_t row = 0; row < rows; row++) {
        const float *from = pairs + row * stride;
        for (size_t kind = 0; kind < 2; kind++)
            for (size_t head = 0; head < past->heads; head++, from += past->width)
                memcpy(pairs_at(past, block, layer, kind, head, at, row), from, past->width * sizeof(float));
        block->slots[row * block->steps + at] = (int32_t)row;
    }
}

static size_t find_runs(sw_past *past, size_t row, size_t steps) {
    size_t count = 0;
    for (size_t index = 0; index < past->block_count && past->blocks[index].first < steps; index++) {
        const sw_past_block *block = &past->blocks[index];
        const int32_t *slots = block->slots + row * block->steps;
        size_t here = smaller(block->steps, steps - block->first);
        for (size_t first = 0, end; first < here; first = end) {
            for (end = first + 1; end < here && slots[end] == slots[first];) end++;
            past->runs[count++] = (sw_past_run){block, first, end - first, (size_t)slots[first]};
        }
    }
    return count;
}

void sw_past_look(sw_past *past, const sw_kernels *kernels, size_t layer, size_t step, size_t row, const float *query,
                  float *out) {
    size_t width = past->width, stride = past->slots * width, count = find_runs(past, row, step + 1);
    for (size_t head = 0; head < past->heads; head++, query += width, out += width) {
        float *weights = past->weights;
        for (const sw_past_run *run = past->runs; run < past->runs + count; run++) {
            const float *keys = pairs_at(past, run->block, layer, 0, head, run->first, run->slot);
            kernels->dots(query, keys, stride, run->count, width, weights);
            weights += run->count;
        }
        kernels->softmax(past->weights, step + 1);
        weights = past->weights;
        for (const sw_past_run *run = past->runs; run < past->runs + count; run++) {
            const float *values = pairs_at(past, run->block, layer, 1, head, run->first, run->slot);
            kernels->mix(weights, values, stride, run->count, width, run == past->runs ? out : past->some);
            for (size_t place = 0; place < width && run > past->runs; place++) out[place] += past->some[place];
            weights += run->count;
        }
    }
}

void sw_past_select(sw_past *past, size_t steps, const size_t *parents, size_t rows) {
    for (size_t index = 0; index < past->block_count && past->blocks[index].first < steps; index++) {
        sw_past_block *block = &past->blocks[index];
        size_t here = smaller(block->steps, steps - block->first);
        for (size_t row = 0; row < rows; row++)
            memcpy(block->after + row * block->steps, block->slots + parents[row] * block->steps,
                   here * sizeof(int32_t));
        int32_t *now = block->slots;
        block->slots = block->after;
        block->after = now;
    }
}
