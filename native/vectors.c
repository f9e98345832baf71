/* From items to vectors, and to what layers add up for them. */
#include <string.h>

#include "session.h"

/* Tags have a table of their own, and a map to the width of items where theirs is another one. */
static sw_status tag_table(sw_building *in, size_t tags, size_t width, const float **table) {
    const sw_settings *is = &in->model->is;
    size_t own = is->feature_size ? is->feature_size : is->embedding_size;
    SW_TRY(sw_weights(in, tags, own, table, "source_input.weight"));
    if (own == width) return SW_OK;
    const float *map;
    float *mapped = SW_TAKE(&in->passing, float, sw_times(tags, width));
    if (!mapped) return sw_no_memory(in->error);
    SW_TRY(sw_weights(in, width, own, &map, "source_input.project.weight"));
    for (size_t tag = 0; tag < tags; tag++)
        for (size_t place = 0; place < width; place++)
            in->model->kernels->dots(*table + tag * own, map + place * own, own, 1, own, mapped + tag * width + place);
    *table = mapped;
    return SW_OK;
}

/* How many rows a table has, which only the weights say. */
static size_t rows_of(sw_building *in, const char *name) {
    const sw_tensor *tensor = sw_tensors_find(in->tensors, name);
    return tensor && tensor->axes > 0 ? tensor->shape[0] : 0;
}

/* One-hot vectors are as wide as what reads them has columns. */
static size_t one_hot_width(sw_building *in, const char *reader, size_t others) {
    const sw_tensor *tensor = sw_tensors_find(in->tensors, reader);
    return tensor && tensor->axes == 2 && tensor->shape[1] > others ? tensor->shape[1] - others : 0;
}

static sw_status source_vectors(sw_building *in) {
    sw_model *model = in->model;
    sw_vectors *source = &model->source;
    int one_hot = model->is.one_hot;
    int tagged = rows_of(in, "source_input.text.weight") || (one_hot && rows_of(in, "source_input.weight"));
    const char *name = tagged ? "source_input.text.weight" : "source_input.weight";
    size_t tags = tagged ? rows_of(in, "source_input.weight") : 0;
    source->first_tag = one_hot ? one_hot_width(in, "encoder.forwards.0.weight_ih", 0) : rows_of(in, name);
    source->width = one_hot ? source->first_tag : model->is.embedding_size;
    source->entries = source->first_tag + tags;
    if (!source->first_tag) return sw_fail(in->error, SW_BAD_MODEL, "the weights have no items of the source");
    const float *items = NULL, *tag_rows = NULL;
    if (!one_hot) SW_TRY(sw_weights(in, source->first_tag, source->width, &items, "%s", name));
    if (tags) SW_TRY(tag_table(in, tags, source->width, &tag_rows));
    if (one_hot) return tags ? sw_keep(in, tag_rows, tags * source->width, &source->tags) : SW_OK;
    float *table = SW_TAKE(&model->arena, float, sw_times(source->entries, source->width));
    if (!table) return sw_no_memory(in->error);
    memcpy(table, items, source->first_tag * source->width * sizeof(float));
    if (tags) memcpy(table + source->first_tag * source->width, tag_rows, tags * source->width * sizeof(float));
    source->table = table;
    return SW_OK;
}

sw_status sw_vectors_build(sw_building *in) {
    sw_model *model = in->model;
    sw_vectors *target = &model->target;
    SW_TRY(source_vectors(in));
    target->entries = target->first_tag = rows_of(in, "output.bias");
    target->width = model->is.one_hot ? target->entries : model->is.embedding_size;
    if (target->entries < 4) return sw_fail(in->error, SW_BAD_MODEL, "the weights have no items of the target");
    if (model->is.one_hot) return SW_OK;
    const float *table;
    SW_TRY(sw_weights(in, target->entries, target->width, &table, "target_input.weight"));
    return sw_keep(in, table, target->entries * target->width, &target->table);
}

void sw_embed(const sw_vectors *vectors, const int32_t *ids, size_t rows, float *out, size_t stride) {
    for (size_t row = 0; row < rows; row++) {
        size_t id = (size_t)ids[row], width = vectors->width;
        float *to = out + row * stride;
        if (vectors->table) {
            memcpy(to, vectors->table + id * width, width * sizeof(float));
        } else if (id >= vectors->first_tag) {
            memcpy(to, vectors->tags + (id - vectors->first_tag) * width, width * sizeof(float));
        } else {
            memset(to, 0, width * sizeof(float));
            to[id] = 1;
        }
    }
}

void sw_read(const sw_kernels *kernels, const sw_reader *reader, const int32_t *ids, size_t rows, float *room,
             float *out, size_t stride, int add) {
    if (!reader->sums) {
        sw_embed(reader->of, ids, rows, room, reader->of->width);
        kernels->linear(&reader->map, room, reader->of->width, out, stride, rows, add);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        const float *sums = reader->sums + (size_t)ids[row] * reader->width;
        float *to = out + row * stride;
        if (!add) memcpy(to, sums, reader->width * sizeof(float));
        else for (size_t place = 0; place < reader->width; place++) to[place] += sums[place];
    }
}
