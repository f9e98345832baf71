/* A model in memory: the parts of the network with packed weights. Nothing in it changes once it is open. */
#ifndef SW_MODEL_H
#define SW_MODEL_H

#include "kernels.h"
#include "settings.h"
#include "tensors.h"
#include "transformer.h"

typedef struct sw_norm { /* layer normalisation; no gain: there is none */
    const float *gain, *shift;
} sw_norm;

typedef struct sw_vectors { /* items to vectors: learned ones, or one-hot */
    size_t entries, width;
    size_t first_tag;   /* entries from here on are source tags */
    const float *table; /* (entries, width); NULL: one-hot, and only tags have a table */
    const float *tags;  /* (entries - first_tag, width) */
} sw_vectors;

typedef struct sw_reader { /* W v + b for the vector v of an item: looked up where the table of all is small */
    const sw_vectors *of; /* NULL: there is no such reader */
    size_t width;
    const float *sums; /* (entries, width), or NULL: then the map is multiplied with the vector */
    sw_linear map;
} sw_reader;

typedef struct sw_layer { /* one direction of a recurrent layer: it reads an item, or a dense input, or both */
    sw_reader item;
    sw_linear dense; /* no outputs: there is no dense input */
    sw_linear recurrent;
} sw_layer;

typedef struct sw_stack {
    size_t count, hidden, gates, parts; /* parts of a layer's state: an LSTM has 2 */
    sw_cell cell;
    int residual;
    sw_layer *layers;
    sw_norm *norms; /* NULL: none */
} sw_stack;

typedef struct sw_attention {
    sw_score score;
    sw_window window;
    size_t width, key_width, reach; /* of values (E), of keys (A); positions to each side of the centre */
    int keys_are_values, coverage;
    sw_linear key;          /* to keys */
    sw_linear query;        /* of the query, where it has a map */
    const float *direction; /* (A): v */
    float strength;         /* of cosines */
    size_t filters, filter_width;
    const float *convolution; /* (filters, filter_width) */
    const float *features;    /* (filters, A) */
    const float *covered;     /* (A): what a covered position adds */
    sw_linear centre;         /* of a predicted window */
    const float *centre_direction;
} sw_attention;

typedef enum sw_readout_kind { SW_PLAIN, SW_TANH, SW_MAXOUT } sw_readout_kind;

typedef struct sw_readout {
    sw_readout_kind kind;
    size_t size;
    sw_linear map;     /* of the state, or [context; state]; a plain one without outputs gives the state as it is */
    sw_reader item;    /* maxout */
    sw_linear context; /* maxout */
} sw_readout;

typedef struct sw_output {
    size_t size, entries;
    sw_linear map;
    sw_reader gate_item; /* of a model that copies: what p_gen adds up */
    sw_linear gate;      /* of [context; state] */
} sw_output;

struct sw_model {
    sw_arena arena;
    sw_settings is;
    sw_precision precision;
    const sw_kernels *kernels;
    sw_vectors source, target;
    size_t encoded; /* width of what the encoder gives (E) */
    sw_stack forwards, backwards;
    sw_linear *bridge; /* one for each part of the decoder's state, or NULL */
    sw_stack bottom, above; /* the decoder's layers; those above attention are apart where it sits between */
    sw_attention attention;
    sw_readout readout;
    sw_output output;
    sw_transformer *encoder, *decoder; /* NULL: recurrent */
};

/* What building a model needs; `passing` is released after each part. */
typedef struct sw_building {
    sw_model *model;
    const sw_tensors *tensors;
    sw_arena passing;
    sw_error *error;
} sw_building;

/* The numbers of a tensor, in memory that passes; the shape must be this one (0, 0: a single number; rows, 0: a
 * vector). The name is printed as by printf. */
#if defined(__GNUC__)
__attribute__((format(printf, 5, 6)))
#endif
sw_status sw_weights(sw_building *in, size_t rows, size_t columns, const float **numbers, const char *name, ...);

/* Numbers that stay. */
sw_status sw_keep(sw_building *in, const float *numbers, size_t count, const float **kept);

/* Pack columns [first, first + inputs) of weights whose rows are `stride` numbers apart; bias NULL: zeros. */
sw_status sw_pack(sw_building *in, const float *weights, size_t stride, size_t first, size_t outputs, size_t inputs,
                  const float *bias, sw_linear *map);

/* Read `name`.weight (outputs, inputs) and, with `has_bias`, `name`.bias, and pack them. */
sw_status sw_pack_named(sw_building *in, size_t outputs, size_t inputs, int has_bias, const char *name, sw_linear *map);

sw_status sw_norm_named(sw_building *in, size_t size, const char *name, sw_norm *norm);

/* A reader of columns [first, first + vectors->width) of weights. */
sw_status sw_reader_build(sw_building *in, const sw_vectors *vectors, const float *weights, size_t stride, size_t first,
                          size_t width, const float *bias, sw_reader *reader);

/* The parts, each in its file. */
sw_status sw_vectors_build(sw_building *in);
sw_status sw_encoder_build(sw_building *in);
sw_status sw_attention_build(sw_building *in);
sw_status sw_decoder_build(sw_building *in);
sw_status sw_output_build(sw_building *in);

/* Layers `name`.0, ... of which the first reads items (NULL: none) beside `dense` numbers. */
sw_status sw_stack_build(sw_building *in, const char *name, const char *norms, size_t count, size_t hidden,
                         const sw_vectors *items, size_t dense, size_t between, sw_stack *stack);

#endif
