/* Recurrent layers: their weights, and a step of one. */
#ifndef SW_CELLS_H
#define SW_CELLS_H

#include "session.h"

/* Gates of a cell, and parts of its state. */
size_t sw_gates_of(sw_cell cell);
size_t sw_parts_of(sw_cell cell);

/* One step of one row: the state (hidden, and the cell state of an LSTM) is changed in place. */
void sw_cell_step(const sw_kernels *kernels, sw_cell cell, const float *given, const float *recurrent, float *hidden,
                  float *state, size_t size);

sw_status sw_layer_build(sw_building *in, const char *name, sw_cell cell, size_t hidden, const sw_vectors *items,
                         size_t dense, sw_layer *layer);

/* A layer's output after normalisation and residual connection, in place; `inputs` NULL: no connection. */
void sw_join(const sw_model *model, const sw_norm *norm, const float *inputs, float *output, size_t size);

#endif
