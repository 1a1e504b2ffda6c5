/* registry_text.h -- what violations say: where, and in whose words (P40). Internal to xdm. */
#ifndef MU_XDM_REGISTRY_TEXT_H
#define MU_XDM_REGISTRY_TEXT_H

#include "xdm/registry_int.h"

typedef enum mu_xdm_step_kind {
    MU_XDM_STEP_FIELD, /* a declared field */
    MU_XDM_STEP_VALUE, /* a value under a name that is free: of a map */
    MU_XDM_STEP_ITEM
} mu_xdm_step_kind;

/* One step from the entity down; the root has nothing above. */
typedef struct mu_xdm_step {
    const struct mu_xdm_step *above;
    mu_xdm_step_kind kind;
    uint32_t index;  /* ITEM */
    mu_str name;     /* the others; the plain form */
    bool is_implied; /* not in the entity: the object that a prefix stands for */
} mu_xdm_step;

/* "#/properties/person/properties/name", in `arena`, and "#/person/name": JSON pointers as URI
 * fragments, so bytes that may not stand in one are written as %XX. */
mu_str mu_xdm_schema_location(mu_arena *arena, const mu_xdm_step *at);
mu_str mu_xdm_pointer(mu_arena *arena, const mu_xdm_step *at);

const char *mu_xdm_expected_name(mu_type_kind kind);
const char *mu_xdm_found_name(const mu_json *json);
const char *mu_xdm_format_name(mu_xdm_format format);

/* Texts longer than 1000 bytes are cut, with "..." at the end. */
mu_str mu_xdm_shortened(mu_arena *arena, mu_str text);
mu_str mu_xdm_scalar_text(mu_arena *arena, const mu_json *json);
mu_str mu_xdm_number_text(mu_arena *arena, double value); /* "5" for 5.0 */

/* The value of a number; a number without a fraction. False for anything else. */
bool mu_xdm_number(const mu_json *json, double *out);
bool mu_xdm_whole(const mu_json *json, int64_t *out);

bool mu_xdm_has_format(mu_xdm_format format, mu_str text);

#endif
