#include "transformer.h"
#include "session.h"
static sw_status none(sw_error *error) { return sw_fail(error, SW_BAD_MODEL, "no Transformer yet"); }
sw_status sw_transformer_encoder_build(struct sw_building *in, sw_transformer **made) { (void)made; return none(in->error); }
sw_status sw_transformer_decoder_build(struct sw_building *in, sw_transformer **made) { (void)made; return none(in->error); }
sw_status sw_transformer_encode(struct sw_session *s, sw_error *error) { (void)s; return none(error); }
sw_status sw_transformer_start(struct sw_session *s, sw_error *error) { (void)s; return none(error); }
sw_status sw_transformer_step(struct sw_session *s, const int32_t *i, float *w, sw_error *error) { (void)s; (void)i; (void)w; return none(error); }
void sw_transformer_select(struct sw_session *s, const size_t *p, size_t r) { (void)s; (void)p; (void)r; }
