/* The settings model.* of a model's config.json: which network it is. */
#ifndef SW_SETTINGS_H
#define SW_SETTINGS_H

#include "json.h"

typedef enum sw_layers { SW_RECURRENT, SW_TRANSFORMER } sw_layers;
typedef enum sw_cell { SW_RNN, SW_GRU, SW_LSTM, SW_IRNN } sw_cell;
typedef enum sw_bridge { SW_BRIDGE_ZERO, SW_BRIDGE_COPY, SW_BRIDGE_DENSE } sw_bridge;
typedef enum sw_score {
    SW_NO_ATTENTION, SW_ADDITIVE, SW_DOT, SW_SCALED_DOT, SW_GENERAL, SW_CONCAT, SW_COSINE, SW_LOCATION,
    SW_LOCATION_AWARE
} sw_score;
typedef enum sw_place { SW_BEFORE, SW_AFTER, SW_BETWEEN } sw_place;
typedef enum sw_window { SW_GLOBAL, SW_LOCAL_M, SW_LOCAL_P } sw_window;
typedef enum sw_positions { SW_SINUSOIDAL, SW_LEARNED, SW_ROTARY } sw_positions;

typedef struct sw_settings { /* sizes in numbers, named as in config.json; 0 where they are null there */
    sw_layers encoder, decoder;
    sw_cell cell;
    sw_bridge bridge;
    sw_score attention;
    sw_place attention_position;
    sw_window attention_window;
    sw_positions positions;
    size_t embedding_size, encoder_hidden_size, decoder_hidden_size, encoder_layers, decoder_layers;
    size_t feature_size, attention_size, location_positions, location_filters, location_width, window_size;
    size_t readout_size, heads, feed_forward_size, max_positions;
    int one_hot, bidirectional, residual, layer_norm, reverse_source, attention_normalized, coverage, input_feeding;
    int copy, gate_reads_readout, context_every_step, tie_embeddings, entmax, pre_norm;
} sw_settings;

/* Read and check them; the text may also be the object model.* alone. */
sw_status sw_settings_read(const char *text, size_t size, sw_settings *settings, sw_error *error);

#endif
