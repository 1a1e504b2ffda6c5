/* member_set.h -- one bit per row of an entity, by part and block: who is a member, who is left
 * out. */
#ifndef MU_APP_MEMBER_SET_H
#define MU_APP_MEMBER_SET_H

#include "base/bits.h"
#include "store/store.h"

typedef struct mu_member_set {
    uint32_t n_parts;
    uint64_t ***words; /* [part][block]: a bitmap of the block's rows */
} mu_member_set;

/* Empty; in the arena. `entity` may be NULL: it has no rows. Different blocks may be changed by
 * different threads. */
void mu_member_set_init(mu_member_set *set, mu_arena *arena, const mu_entity *entity);

/* Adds a block's members. */
void mu_member_set_add(mu_member_set *set, uint32_t part, uint32_t block, const uint64_t *members,
                       uint32_t n_rows);

#endif
