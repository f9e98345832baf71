/* A reader of JSON texts: settings, and the header of weights. It reads, and makes nothing of what it does not know. */
#ifndef SW_JSON_H
#define SW_JSON_H

#include "memory.h"

typedef enum sw_json_kind { SW_JSON_OBJECT, SW_JSON_LIST, SW_JSON_TEXT, SW_JSON_OTHER } sw_json_kind;

typedef struct sw_json_value {
    sw_json_kind kind;
    size_t begin, end; /* its characters; of a text without the quotes, escapes as they stand */
    size_t next;       /* the value after it and all that it holds */
} sw_json_value;

typedef struct sw_json { /* values in the order of the text; value 0 is the whole */
    const char *text;
    sw_json_value *values;
    size_t count;
} sw_json;

sw_status sw_json_read(sw_arena *arena, const char *text, size_t size, const char *what, sw_json *json,
                       sw_error *error);

/* The value of a name in an object, or 0 when there is none. An object holds name, value, name, value, ... */
size_t sw_json_find(const sw_json *json, size_t object, const char *name);

/* Whether the characters of a value are these. */
int sw_json_is(const sw_json *json, size_t value, const char *characters);

/* A whole number from 0 to 2^53, or -1 when the value is none. */
int64_t sw_json_whole(const sw_json *json, size_t value);

#endif
