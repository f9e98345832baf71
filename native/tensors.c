#include "tensors.h"

#include <string.h>

static sw_status damaged(sw_error *error, const char *why) {
    return sw_fail(error, SW_BAD_MODEL, "the weights are damaged: %s", why);
}

static sw_status read_shape(const sw_json *header, size_t list, sw_tensor *tensor, size_t *bytes, sw_error *error) {
    if (!list || header->values[list].kind != SW_JSON_LIST) return damaged(error, "a tensor has no shape");
    *bytes = sizeof(float);
    for (size_t value = list + 1; value < header->values[list].next; value = header->values[value].next) {
        int64_t size = sw_json_whole(header, value);
        if (size < 0 || tensor->axes == SW_MOST_AXES) return damaged(error, "the shape of a tensor is none");
        tensor->shape[tensor->axes++] = (size_t)size;
        *bytes = sw_times(*bytes, (size_t)size);
    }
    return SW_OK;
}

static sw_status read_tensor(const sw_json *header, size_t name, const unsigned char *data, size_t size,
                             sw_tensor *tensor, sw_error *error) {
    size_t facts = header->values[name].next, wanted = 0;
    size_t type = sw_json_find(header, facts, "dtype"), offsets = sw_json_find(header, facts, "data_offsets");
    if (!type || !sw_json_is(header, type, "F32")) return damaged(error, "a tensor is not of fp32 numbers");
    tensor->name = name;
    SW_TRY(read_shape(header, sw_json_find(header, facts, "shape"), tensor, &wanted, error));
    if (!offsets || header->values[offsets].kind != SW_JSON_LIST || header->values[offsets].next != offsets + 3)
        return damaged(error, "a tensor does not say where it lies");
    int64_t begin = sw_json_whole(header, offsets + 1), end = sw_json_whole(header, offsets + 2);
    if (begin < 0 || end < begin || (uint64_t)end > size) return damaged(error, "a tensor lies outside of the file");
    if ((uint64_t)(end - begin) != wanted) return damaged(error, "a tensor is not as long as its shape");
    tensor->bytes = data + begin;
    tensor->size = wanted;
    return SW_OK;
}

sw_status sw_tensors_read(sw_arena *arena, const void *bytes, size_t size, sw_tensors *tensors, sw_error *error) {
    const unsigned char *first = bytes;
    uint64_t header_size = 0;
    if (size < 8) return damaged(error, "they are shorter than their header");
    for (int byte = 7; byte >= 0; byte--) header_size = header_size << 8 | first[byte];
    if (header_size > size - 8) return damaged(error, "they are shorter than their header");
    SW_TRY(sw_json_read(arena, (const char *)first + 8, (size_t)header_size, "the header of the weights",
                        &tensors->header, error));
    const sw_json *header = &tensors->header;
    tensors->all = SW_TAKE(arena, sw_tensor, header->count);
    if (!tensors->all) return sw_no_memory(error);
    const unsigned char *data = first + 8 + header_size;
    size_t room = size - 8 - (size_t)header_size, filled = 0;
    for (size_t name = 1; name < header->values[0].next; name = header->values[header->values[name].next].next) {
        if (sw_json_is(header, name, "__metadata__")) continue;
        sw_tensor *tensor = &tensors->all[tensors->count++];
        SW_TRY(read_tensor(header, name, data, room, tensor, error));
        filled += tensor->size;
    }
    return filled == room ? SW_OK : damaged(error, "its tensors do not fill the file");
}

const sw_tensor *sw_tensors_find(const sw_tensors *tensors, const char *name) {
    for (size_t index = 0; index < tensors->count; index++)
        if (sw_json_is(&tensors->header, tensors->all[index].name, name)) return &tensors->all[index];
    return NULL;
}
