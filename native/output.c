/* From the readout to logits: a linear map, and after it entmax-1.5, or the mixture of generating and copying. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static const float LEAST = 1.17549435e-38f; /* the smallest normal number */

static sw_status build_gate(sw_building *in, sw_output *output) {
    const sw_model *model = in->model;
    size_t context = model->encoded, item = model->target.width;
    size_t state = model->is.gate_reads_readout ? output->size : model->is.decoder_hidden_size;
    size_t columns = context + state + item;
    const float *weights, *bias;
    SW_TRY(sw_weights(in, 1, columns, &weights, "output.gate.weight"));
    SW_TRY(sw_weights(in, 1, 0, &bias, "output.gate.bias"));
    SW_TRY(sw_pack(in, weights, columns, 0, 1, context + state, bias, &output->gate));
    return sw_reader_build(in, &model->target, weights, columns, context + state, 1, NULL, &output->gate_item);
}

sw_status sw_output_build(sw_building *in) {
    sw_model *model = in->model;
    sw_output *output = &model->output;
    const float *weights = model->target.table, *bias;
    output->entries = model->target.entries;
    output->size = model->decoder ? model->is.embedding_size : model->readout.size;
    SW_TRY(sw_weights(in, output->entries, 0, &bias, "output.bias"));
    if (!model->is.tie_embeddings) SW_TRY(sw_weights(in, output->entries, output->size, &weights, "output.weight"));
    SW_TRY(sw_pack(in, weights, output->size, 0, output->entries, output->size, bias, &output->map));
    return model->is.copy ? build_gate(in, output) : SW_OK;
}

size_t sw_session_columns(const sw_session *session) {
    return session->model->output.entries + (session->model->is.copy ? session->longest : 0);
}

/* Where the attention of a position goes: to the first position with the same item, and from there to its column. */
sw_status sw_output_start(sw_session *session, const sw_sources *sources, sw_error *error) {
    if (!session->model->is.copy) return SW_OK;
    if (!sources->copies)
        return sw_fail(error, SW_BAD_ARGUMENT, "the model copies, so it needs what each source position stands for");
    session->columns = SW_TAKE(&session->arena, int32_t, session->positions);
    session->first = SW_TAKE(&session->arena, int32_t, session->positions);
    if (!session->columns || !session->first) return sw_no_memory(error);
    int32_t columns = (int32_t)sw_session_columns(session);
    for (size_t source = 0; source < session->sources; source++)
        for (size_t begin = session->offsets[source], at = begin; at < session->offsets[source + 1]; at++) {
            int32_t item = sources->copies[at];
            if (item < 0 || item >= columns)
                return sw_fail(error, SW_BAD_ARGUMENT, "what a source position stands for must lie between 0 and %d, but "
                               "one is %d", (int)columns - 1, (int)item);
            size_t first = begin;
            while (sources->copies[first] != item) first++;
            session->first[at] = (int32_t)(first - begin);
            session->columns[at] = first == at && item != SW_PAD ? item : -1;
        }
    return SW_OK;
}

static float log_sigmoid(float value) { return value < 0 ? value - log1pf(expf(value)) : -log1pf(expf(-value)); }

/* Add what is copied to what is generated, both as logarithms: `mixed` in seqweave.model.output.pointer_generator. */
static void mix_copies(sw_session *session, size_t row, float odds, float *logits) {
    size_t entries = session->model->output.entries, columns = sw_session_columns(session);
    size_t source = session->source_of[row], begin = session->offsets[source];
    size_t length = session->offsets[source + 1] - begin;
    const float *weights = session->weights + row * session->longest;
    const int32_t *to = session->columns + begin, *first = session->first + begin;
    float *mass = session->sums, sum = 0, generating = log_sigmoid(odds), copying = log_sigmoid(-odds);
    session->model->kernels->log_softmax(logits, entries);
    for (size_t column = 0; column < entries; column++) logits[column] += generating;
    for (size_t column = entries; column < columns; column++) logits[column] = -INFINITY;
    memset(mass, 0, length * sizeof(float));
    for (size_t at = 0; at < length; at++)
        if (to[first[at]] >= 0) sum += weights[at];
    sum = fmaxf(sum, sqrtf(LEAST));
    for (size_t at = 0; at < length; at++)
        if (to[first[at]] >= 0) mass[first[at]] += weights[at] / sum;
    for (size_t at = 0; at < length; at++) {
        if (to[at] < 0 || mass[at] < LEAST) continue;
        float *alone = &logits[to[at]], copied = copying + logf(mass[at]);
        float larger = fmaxf(*alone, copied), smaller = fminf(*alone, copied);
        *alone = larger + log1pf(expf(smaller - larger));
    }
}

static int falling(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* Logarithms of entmax-1.5 (Peters et al. 2019): the threshold from the sorted candidates, which lie within 1 of the
 * largest half logit. Padding and the begin are impossible. A row that is not finite gives NaN. */
static void log_entmax(float *logits, size_t entries, float *room) {
    float largest = -INFINITY;
    int finite = 1;
    for (size_t entry = 0; entry < entries; entry++) finite &= isfinite(logits[entry]) != 0;
    logits[SW_PAD] = logits[SW_BEGIN] = -INFINITY;
    for (size_t entry = 0; entry < entries; entry++) largest = fmaxf(largest, logits[entry]);
    size_t count = 0;
    for (size_t entry = 0; finite && entry < entries; entry++) {
        logits[entry] = (logits[entry] - largest) / 2;
        if (logits[entry] > -1) room[count++] = logits[entry];
    }
    qsort(room, count, sizeof *room, falling);
    double sum = 0, squares = 0, threshold = -1;
    for (size_t size = 1; size <= count; size++) {
        sum += room[size - 1];
        squares += (double)room[size - 1] * room[size - 1];
        double mean = sum / (double)size, spread = squares - sum * mean, root = (1 - spread) / (double)size;
        double candidate = mean - sqrt(root > 0 ? root : 0);
        if (candidate > room[size - 1]) break;
        threshold = candidate;
    }
    for (size_t entry = 0; entry < entries; entry++) {
        double above = (double)logits[entry] - threshold;
        logits[entry] = !finite ? NAN : above > 0 ? (float)(2 * log(above)) : -INFINITY;
    }
}

void sw_output_step(sw_session *session, const int32_t *ids, float *logits) {
    const sw_model *model = session->model;
    const sw_output *output = &model->output;
    size_t rows = session->rows, columns = sw_session_columns(session);
    model->kernels->linear(&output->map, session->readout, output->size, logits, columns, rows, 0);
    if (model->is.entmax)
        for (size_t row = 0; row < rows; row++) log_entmax(logits + row * columns, output->entries, session->wide);
    if (!model->is.copy) return;
    size_t context = model->encoded, hidden = model->is.decoder_hidden_size, stride = context + hidden;
    size_t state = model->is.gate_reads_readout ? output->size : hidden;
    const float *reads = model->is.gate_reads_readout ? session->readout : session->output;
    float *joined = session->wide, odds;
    for (size_t row = 0; row < rows; row++) {
        memcpy(joined, session->joined + row * stride, context * sizeof(float));
        memcpy(joined + context, reads + row * state, state * sizeof(float));
        model->kernels->linear(&output->gate, joined, 0, &odds, 0, 1, 0);
        sw_read(model->kernels, &output->gate_item, ids + row, 1, session->item, &odds, 0, 1);
        mix_copies(session, row, odds, logits + row * columns);
    }
}
