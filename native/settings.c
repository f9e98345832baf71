#include "settings.h"

#include <string.h>

enum { MOST_WORDS = 9 };
static const int64_t WIDEST = 1 << 20;

typedef struct fields { /* the object being read, and the first failure */
    sw_json json;
    size_t object;
    sw_status status;
    sw_error *error;
} fields;

static size_t find(fields *in, const char *name) {
    size_t value = in->status ? 0 : sw_json_find(&in->json, in->object, name);
    if (!value && !in->status) in->status = sw_fail(in->error, SW_BAD_MODEL, "the settings have no model.%s", name);
    return value;
}

static int word(fields *in, const char *name, const char *const words[MOST_WORDS]) {
    size_t value = find(in, name);
    if (!value) return 0;
    for (int index = 0; index < MOST_WORDS && words[index]; index++)
        if (sw_json_is(&in->json, value, words[index])) return index;
    in->status = sw_fail(in->error, SW_BAD_MODEL, "model.%s has a value that the engine does not know", name);
    return 0;
}

static int flag(fields *in, const char *name) {
    static const char *const words[MOST_WORDS] = {"false", "true"};
    return word(in, name, words);
}

static size_t number(fields *in, const char *name, int may_be_null) {
    size_t value = find(in, name);
    if (!value || (may_be_null && sw_json_is(&in->json, value, "null"))) return 0;
    int64_t found = sw_json_whole(&in->json, value);
    if (found < 1 || found > WIDEST) {
        in->status = sw_fail(in->error, SW_BAD_MODEL, "model.%s must be a whole number from 1 to %lld", name,
                             (long long)WIDEST);
        return 0;
    }
    return (size_t)found;
}

#define WORDS(...) ((const char *const[MOST_WORDS]){__VA_ARGS__})

static void read_kinds(fields *in, sw_settings *to) {
    to->encoder = (sw_layers)word(in, "encoder", WORDS("recurrent", "transformer"));
    to->decoder = (sw_layers)word(in, "decoder", WORDS("recurrent", "transformer"));
    to->cell = (sw_cell)word(in, "cell", WORDS("rnn", "gru", "lstm", "irnn"));
    to->bridge = (sw_bridge)word(in, "bridge", WORDS("zero", "copy", "dense"));
    to->attention = (sw_score)word(in, "attention", WORDS("none", "additive", "dot", "scaled_dot", "general", "concat",
                                                          "cosine", "location", "location_aware"));
    to->attention_position = (sw_place)word(in, "attention_position", WORDS("before", "after", "between"));
    to->attention_window = (sw_window)word(in, "attention_window", WORDS("global", "local_m", "local_p"));
    to->positions = (sw_positions)word(in, "positions", WORDS("sinusoidal", "learned", "rotary"));
    to->one_hot = word(in, "input", WORDS("embedding", "one_hot"));
    to->gate_reads_readout = word(in, "copy_gate", WORDS("state", "readout"));
    to->context_every_step = word(in, "context", WORDS("first", "every_step"));
    to->entmax = word(in, "output", WORDS("softmax", "entmax15"));
    to->pre_norm = word(in, "norm", WORDS("post", "pre"));
}

static void read_sizes(fields *in, sw_settings *to) {
    to->embedding_size = number(in, "embedding_size", 0);
    to->encoder_hidden_size = number(in, "encoder_hidden_size", 0);
    to->decoder_hidden_size = number(in, "decoder_hidden_size", 0);
    to->encoder_layers = number(in, "encoder_layers", 0);
    to->decoder_layers = number(in, "decoder_layers", 0);
    to->feature_size = number(in, "feature_size", 1);
    to->attention_size = number(in, "attention_size", 1);
    to->location_positions = number(in, "location_positions", 0);
    to->location_filters = number(in, "location_filters", 0);
    to->location_width = number(in, "location_width", 0);
    to->window_size = number(in, "window_size", 0);
    to->readout_size = number(in, "readout_size", 1);
    to->heads = number(in, "heads", 0);
    to->feed_forward_size = number(in, "feed_forward_size", 1);
    to->max_positions = number(in, "max_positions", 0);
}

static void read_flags(fields *in, sw_settings *to) {
    to->bidirectional = flag(in, "bidirectional");
    to->residual = flag(in, "residual");
    to->layer_norm = flag(in, "layer_norm");
    to->reverse_source = flag(in, "reverse_source");
    to->attention_normalized = flag(in, "attention_normalized");
    to->coverage = flag(in, "coverage");
    to->input_feeding = flag(in, "input_feeding");
    to->copy = flag(in, "copy");
    to->tie_embeddings = flag(in, "tie_embeddings");
}

/* What would make the network something else than its parts: Python refuses the same before it trains. */
static sw_status check(const sw_settings *is, sw_error *error) {
    int recurrent = is->decoder == SW_RECURRENT, attends = is->attention != SW_NO_ATTENTION;
    const char *wrong = NULL;
    if (is->copy && (!recurrent || !attends)) wrong = "model.copy needs a recurrent decoder with attention";
    if (recurrent && attends && is->attention_position == SW_BETWEEN && is->decoder_layers < 2)
        wrong = "model.attention_position=between needs two layers";
    if (is->copy && is->entmax) wrong = "model.copy does not go with model.output=entmax15";
    if ((is->encoder == SW_TRANSFORMER || !recurrent) && is->one_hot)
        wrong = "a Transformer needs model.input=embedding";
    if ((is->encoder == SW_TRANSFORMER || !recurrent) && is->embedding_size % is->heads)
        wrong = "model.heads must divide model.embedding_size";
    if (is->positions == SW_ROTARY && (is->encoder == SW_TRANSFORMER || !recurrent) &&
        is->embedding_size / is->heads % 2)
        wrong = "model.positions=rotary needs heads of an even width";
    if (is->tie_embeddings && is->one_hot) wrong = "model.tie_embeddings needs model.input=embedding";
    if (is->location_width % 2 == 0 && is->attention == SW_LOCATION_AWARE) wrong = "model.location_width must be odd";
    return wrong ? sw_fail(error, SW_BAD_MODEL, "the settings contradict each other: %s", wrong) : SW_OK;
}

sw_status sw_settings_read(const char *text, size_t size, sw_settings *settings, sw_error *error) {
    sw_arena arena = {NULL};
    fields in = {.error = error};
    memset(settings, 0, sizeof *settings);
    in.status = sw_json_read(&arena, text, size, "the settings", &in.json, error);
    if (!in.status) {
        in.object = sw_json_find(&in.json, 0, "model"); /* 0, the whole, when there is none */
        size_t frames = sw_json_find(&in.json, in.object, "frame_size");
        if (frames && !sw_json_is(&in.json, frames, "0"))
            in.status = sw_fail(error, SW_BAD_MODEL, "the engine reads items, but model.frame_size says frames");
        read_kinds(&in, settings);
        read_sizes(&in, settings);
        read_flags(&in, settings);
    }
    sw_release(&arena);
    return in.status ? in.status : check(settings, error);
}
