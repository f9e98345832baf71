#include "json.h"

#include <string.h>

enum { DEEPEST = 32 };

typedef struct reader {
    const char *text;
    size_t size, at;
    sw_json_value *values;
    size_t count, room;
} reader;

static void skip_blanks(reader *in) {
    while (in->at < in->size && memchr(" \t\r\n", in->text[in->at], 4)) in->at++;
}

static int take_character(reader *in, char wanted) {
    skip_blanks(in);
    if (in->at >= in->size || in->text[in->at] != wanted) return 0;
    in->at++;
    return 1;
}

/* The characters of a text behind its first quote; 0 when it does not end. */
static int read_text(reader *in, sw_json_value *value) {
    value->kind = SW_JSON_TEXT;
    value->begin = in->at;
    for (; in->at < in->size; in->at++) {
        if (in->text[in->at] == '\\') {
            in->at++;
        } else if (in->text[in->at] == '"') {
            value->end = in->at++;
            return 1;
        }
    }
    return 0;
}

/* A number, true, false or null: whatever characters such a word may have. */
static int read_word(reader *in, sw_json_value *value) {
    static const char letters[] = "+-.0123456789abcdefghijklmnopqrstuvwxyzE";
    value->kind = SW_JSON_OTHER;
    value->begin = in->at;
    while (in->at < in->size && memchr(letters, in->text[in->at], sizeof letters - 1)) in->at++;
    value->end = in->at;
    return value->end > value->begin;
}

static int read_value(reader *in, int depth) {
    skip_blanks(in);
    if (in->at >= in->size || in->count >= in->room || depth > DEEPEST) return 0;
    sw_json_value *value = &in->values[in->count++];
    char first = in->text[in->at];
    if (first == '"') {
        in->at++;
        if (!read_text(in, value)) return 0;
    } else if (first == '{' || first == '[') {
        int object = first == '{';
        value->kind = object ? SW_JSON_OBJECT : SW_JSON_LIST;
        value->begin = in->at++;
        if (!take_character(in, object ? '}' : ']')) {
            do {
                if (object) {
                    skip_blanks(in);
                    if (in->at >= in->size || in->text[in->at] != '"' || !read_value(in, depth + 1)) return 0;
                    if (!take_character(in, ':')) return 0;
                }
                if (!read_value(in, depth + 1)) return 0;
            } while (take_character(in, ','));
            if (!take_character(in, object ? '}' : ']')) return 0;
        }
        value->end = in->at;
    } else if (!read_word(in, value)) {
        return 0;
    }
    value->next = in->count;
    return 1;
}

/* No text has more values than characters that begin or part them, outside of quotes or inside. */
static size_t most_values(const char *text, size_t size) {
    size_t most = 1;
    for (size_t at = 0; at < size; at++) most += memchr(",:[{", text[at], 4) != NULL;
    return most;
}

sw_status sw_json_read(sw_arena *arena, const char *text, size_t size, const char *what, sw_json *json,
                       sw_error *error) {
    size_t room = most_values(text, size);
    reader in = {text, size, 0, SW_TAKE(arena, sw_json_value, room), 0, room};
    if (!in.values) return sw_no_memory(error);
    int whole = read_value(&in, 0);
    skip_blanks(&in);
    if (!whole || in.at != size || in.values[0].kind != SW_JSON_OBJECT)
        return sw_fail(error, SW_BAD_MODEL, "%s must be a JSON object, but it is none from character %zu on", what,
                       in.at);
    *json = (sw_json){text, in.values, in.count};
    return SW_OK;
}

size_t sw_json_find(const sw_json *json, size_t object, const char *name) {
    if (json->values[object].kind != SW_JSON_OBJECT) return 0;
    size_t value = object + 1;
    while (value < json->values[object].next) {
        size_t held = json->values[value].next;
        if (sw_json_is(json, value, name)) return held;
        value = json->values[held].next;
    }
    return 0;
}

int sw_json_is(const sw_json *json, size_t value, const char *characters) {
    size_t size = json->values[value].end - json->values[value].begin;
    return size == strlen(characters) && !memcmp(json->text + json->values[value].begin, characters, size);
}

int64_t sw_json_whole(const sw_json *json, size_t value) {
    const sw_json_value *of = &json->values[value];
    if (of->kind != SW_JSON_OTHER || of->end - of->begin > 16) return -1;
    int64_t number = 0;
    for (size_t at = of->begin; at < of->end; at++) {
        if (json->text[at] < '0' || json->text[at] > '9') return -1;
        number = 10 * number + (json->text[at] - '0');
    }
    return number <= (int64_t)1 << 53 ? number : -1;
}
