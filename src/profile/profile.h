/* profile.h -- how what is known of one identity becomes one profile. */
#ifndef MU_PROFILE_PROFILE_H
#define MU_PROFILE_PROFILE_H

#include "base/arena.h"
#include "xdm/value.h"

/* Fields of an event that say which one it is. No data and no rule can name those that begin with
 * '$': they are the store's own (docs/decisions/0055, 0120). */
#define MU_FIELD_ID        MU_STR("_id")
#define MU_FIELD_TIMESTAMP MU_STR("timestamp")
#define MU_FIELD_DATASET   MU_STR("$dataset")
#define MU_FIELD_KEY       MU_STR("$key")

/* The dataset of what came without one. */
#define MU_DATASET_DEFAULT MU_STR("default")

/* `newer` laid over `older`, both of `type` and dense where it is an OBJECT (profile.md c.4, P32):
 * objects and maps key by key, anything else (arrays included) whole; null never hides a value. The
 * result shares what it can with both. */
mu_value mu_profile_merge(mu_arena *arena, const mu_type *type, mu_value older, mu_value newer);

#endif
