/* The Transformer's encoder and decoder (Vaswani et al. 2017), in the place of recurrent ones. */
#ifndef SW_TRANSFORMER_H
#define SW_TRANSFORMER_H

#include "memory.h"

typedef struct sw_transformer sw_transformer; /* one side: its layers and positions */
typedef struct sw_cache sw_cache;             /* keys and values of a call: of the source, and of the target so far */
struct sw_building;
struct sw_model;
struct sw_session;

sw_status sw_transformer_encoder_build(struct sw_building *in, sw_transformer **made);
sw_status sw_transformer_decoder_build(struct sw_building *in, sw_transformer **made);

/* Read all sources of a session: fills `values`, and `final` where the decoder is recurrent. */
sw_status sw_transformer_encode(struct sw_session *session, sw_error *error);

/* Keys and values of the source for each layer of the decoder, and room for those of the target. */
sw_status sw_transformer_start(struct sw_session *session, sw_error *error);

/* Whether outputs may have so many positions, begin and end included. */
sw_status sw_transformer_check_steps(const struct sw_model *model, size_t steps, sw_error *error);

/* One position of all rows of a session: fills its `readout`, and unless `weights` (rows, longest) is NULL the attention of
 * the last layer to the source, the mean over its heads. */
sw_status sw_transformer_step(struct sw_session *session, const int32_t *ids, float *weights, sw_error *error);

/* Row r goes on where row parents[r] was. */
void sw_transformer_select(struct sw_session *session, const size_t *parents, size_t rows);

#endif
