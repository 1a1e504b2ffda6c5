/* profile.h -- how what is known of one identity becomes one profile. */
#ifndef MU_PROFILE_PROFILE_H
#define MU_PROFILE_PROFILE_H

#include "base/arena.h"
#include "xdm/value.h"

/* `newer` laid over `older`, both of `type` and dense where it is an OBJECT (profile.md c.4, P32):
 * objects and maps key by key, anything else (arrays included) whole; null never hides a value. The
 * result shares what it can with both. */
mu_value mu_profile_merge(mu_arena *arena, const mu_type *type, mu_value older, mu_value newer);

#endif
