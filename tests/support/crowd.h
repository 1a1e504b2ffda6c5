/* crowd.h -- a few people about whom numbered groups of changes keep coming, and the obvious model
 * of what is known of them after any group. What group g does follows from the seed and g alone, so
 * that whoever knows how many groups were accepted knows the whole state.
 *
 *   person     four identities, a fragment of each in each of two datasets, events
 *   cluster    the identities of a person that records linked, one with another
 *   sandbox    two; a group is of one of them, and they have people of the same names
 */
#ifndef MU_TESTS_SUPPORT_CROWD_H
#define MU_TESTS_SUPPORT_CROWD_H

#include "store/store.h"

#define MU_CROWD_SANDBOXES  2u
#define MU_CROWD_PEOPLE     40u
#define MU_CROWD_IDENTITIES 4u
#define MU_CROWD_DATASETS   2u
#define MU_CROWD_FIELDS     4u
#define MU_CROWD_GROUP_MAX  8u
#define MU_CROWD_TYPES      5u

/* Texts of the parts of a crowd: static. */
mu_str mu_crowd_sandbox(uint32_t sandbox);
mu_str mu_crowd_dataset(uint32_t dataset);
mu_str mu_crowd_event_dataset(void);
mu_str mu_crowd_event_type(uint32_t type);
/* A field's path, "person.name.firstName" and the like. */
mu_str mu_crowd_field(uint32_t field);
/* Texts made from numbers, in `arena`. */
mu_identity mu_crowd_identity(mu_arena *arena, uint32_t person, uint32_t identity);
mu_str mu_crowd_value(mu_arena *arena, uint32_t value);
mu_str mu_crowd_batch(mu_arena *arena, uint32_t batch);
mu_str mu_crowd_event_id(mu_arena *arena, uint64_t event);
int64_t mu_crowd_event_time(uint64_t event);

typedef enum mu_crowd_kind {
    MU_CROWD_MERGE,   /* values laid over the fragment */
    MU_CROWD_REPLACE, /* the fragment has these values and no others */
    MU_CROWD_DELETE,  /* the fragment goes */
    MU_CROWD_EVENT,   /* a new one, or the same one again */
    MU_CROWD_ERASE,   /* the cluster goes with all it has */
    MU_CROWD_DROP,    /* the events of a batch go */
    MU_CROWD_KINDS
} mu_crowd_kind;

typedef struct mu_crowd_change {
    mu_crowd_kind kind;
    uint32_t person, identity; /* the primary identity */
    uint32_t linked;           /* bits: other identities of the person in the same record */
    uint32_t dataset;
    uint32_t values[MU_CROWD_FIELDS]; /* 0: the record has none */
    uint64_t event;
    uint32_t event_type;
    uint32_t batch;
} mu_crowd_change;

typedef struct mu_crowd_group {
    uint32_t sandbox;
    uint32_t n;
    mu_crowd_change changes[MU_CROWD_GROUP_MAX];
} mu_crowd_group;

/* The entity that a MERGE, REPLACE or EVENT sends, as compact JSON in `arena`; with its identityMap
 * or without. */
mu_str mu_crowd_entity(mu_arena *arena, const mu_crowd_change *change, bool has_identity_map);

/* `kinds` are bits of the kinds that may occur; it holds MERGE and EVENT. */
void mu_crowd_make(uint64_t seed, uint32_t kinds, uint64_t number, mu_crowd_group *out);

/* -------- the model -------- */

typedef struct mu_crowd mu_crowd;

mu_crowd *mu_crowd_new(void);
void mu_crowd_free(mu_crowd *crowd);
void mu_crowd_apply(mu_crowd *crowd, const mu_crowd_group *group);

typedef struct mu_crowd_event {
    uint64_t event;
    uint32_t identity, type, batch;
} mu_crowd_event;

typedef struct mu_crowd_profile {
    uint32_t identities;              /* bits; never 0 when the identity is known */
    bool exists;                      /* has a fragment or an event */
    uint32_t values[MU_CROWD_FIELDS]; /* merged, the fragment written last first; 0: none */
    uint32_t n_events;
    const mu_crowd_event *events; /* by number, in `arena` */
} mu_crowd_profile;

/* The profile of an identity. */
mu_crowd_profile mu_crowd_read(const mu_crowd *crowd, mu_arena *arena, uint32_t sandbox,
                               uint32_t person, uint32_t identity);

#endif
