/* content_int.h -- what the files that make up content.h share. */
#ifndef MU_PROFILE_CONTENT_INT_H
#define MU_PROFILE_CONTENT_INT_H

#include "profile/content.h"
#include "profile/profile.h"

#define MU_NO_FIELD UINT32_MAX

/* Places of the fields that content is about in one schema's types; MU_NO_FIELD when the schema
 * lacks one, or has it with another type. */
typedef struct mu_content_fields {
    uint32_t identities, links, fragments, superseded; /* of the profile */
    uint32_t identity_map, membership;
    uint32_t x_event;                               /* of the row */
    uint32_t id, timestamp, dataset, key, identity; /* of the event */
    uint32_t batch, received, extra;
} mu_content_fields;

mu_content_fields mu_content_fields_of(const mu_schema *schema);

/* The fields of the items of "$identities", "$links", "$fragments", in their order. */
enum { MU_IDENTITY_NAMESPACE, MU_IDENTITY_VALUE, MU_IDENTITY_SEEN, MU_IDENTITY_N };
enum {
    MU_LINK_A,
    MU_LINK_B,
    MU_LINK_FIRST,
    MU_LINK_LAST,
    MU_LINK_DATASETS,
    MU_LINK_BATCHES,
    MU_LINK_N
};
enum {
    MU_FRAGMENT_DATASET,
    MU_FRAGMENT_IDENTITY,
    MU_FRAGMENT_MODIFIED,
    MU_FRAGMENT_SEQUENCE,
    MU_FRAGMENT_BATCHES,
    MU_FRAGMENT_DOCUMENT,
    MU_FRAGMENT_N
};

#define MU_FRAGMENT_BATCHES_MAX 10u

/* Null when the schema lacks the field. */
static inline mu_value mu_field_at(mu_value object, uint32_t field)
{
    return field < object.n ? object.items[field] : MU_VALUE_NULL;
}

static inline mu_str mu_text_at(mu_value object, uint32_t field)
{
    mu_value value = mu_field_at(object, field);
    return value.kind == MU_TYPE_STRING ? value.string : MU_STR("");
}

/* INTEGER, DATE or TIMESTAMP; 0 when null. */
static inline int64_t mu_number_at(mu_value object, uint32_t field)
{
    mu_value value = mu_field_at(object, field);
    return value.kind == MU_TYPE_NULL ? 0 : value.integer;
}

/* -------- parsing.c: JSON documents -------- */

/* A reader for one call: the content's, or one made at first use and freed at the end. */
typedef struct mu_parsing {
    mu_arena *arena;
    mu_json_reader *borrowed, *own;
} mu_parsing;

static inline mu_parsing mu_parsing_begin(mu_arena *arena, mu_json_reader *reader)
{
    return (mu_parsing){.arena = arena, .borrowed = reader};
}
void mu_parsing_end(mu_parsing *parsing);

/* MU_E_CORRUPT unless `text` is a JSON object. */
MU_CHECKED mu_code mu_parsing_read(mu_parsing *parsing, mu_str text, mu_json *out, mu_err *err);

/* In the arena. */
mu_str mu_content_json_text(mu_arena *arena, const mu_json *json);
mu_str mu_content_value_text(mu_arena *arena, mu_value value);

/* RFC 7396: `patch` laid over `target`, members that are null removed (P53). */
mu_json mu_json_patch(mu_arena *arena, const mu_json *target, const mu_json *patch);

/* An object as a value of `type`, and what does not fit as *extra, of kind NULL when all does. A
 * list with an item that does not fit is in both: shortened to what fits, and whole. */
MU_CHECKED mu_code mu_json_fit(mu_arena *arena, const mu_type *type, const mu_json *json,
                               mu_value *out, mu_json *extra, mu_err *err);

/* `extra` put back into what mu_json_fit took it from. */
mu_json mu_json_unfit(mu_arena *arena, const mu_json *json, const mu_json *extra);

/* -------- fragments.c -------- */

/* The only fragment's document written out, where the attributes are it. */
void mu_fragment_materialise(mu_arena *arena, const mu_schema *schema, const mu_content *content,
                             mu_fragment *fragment);

/* The documents of n fragments, best first, as one profile: dense in schema->profile, system
 * fields and identityMap null. *is_whole: there is one and the profile holds all of it. */
MU_CHECKED mu_code mu_fragments_merge(mu_parsing *parsing, const mu_schema *schema,
                                      const mu_content *content, uint32_t n, const uint32_t *order,
                                      mu_value *out, bool *is_whole, mu_err *err);

/* Newest first: P26. */
int mu_fragment_compare_newest(const mu_fragment *a, const mu_fragment *b);

/* c.4.6; both of the type of the standard segmentMembership. */
mu_value mu_membership_merge(mu_arena *arena, const mu_type *type, mu_value worse, mu_value better);

/* c.4.5 for some of the cluster's identities; null when the schema has no place for it. */
mu_value mu_identity_map(mu_arena *arena, const mu_schema *schema, const mu_content_fields *fields,
                         const mu_graph_cluster *cluster, uint32_t n, const uint32_t *places);

/* -------- events.c -------- */

/* What makes two events the same one: P25. With `across` the identity does not count: P34. */
uint64_t mu_event_hash(const mu_content_fields *fields, mu_value event, bool across);
bool mu_event_same(const mu_content_fields *fields, mu_value a, mu_value b, bool across);

/* A profile's events while they change. */
typedef struct mu_event_entry {
    mu_value event;
    int64_t timestamp_ms;
    uint64_t order; /* of arrival, among equal timestamps */
    uint64_t hash;
    bool is_gone;
} mu_event_entry;

typedef struct mu_event_join {
    const mu_content_fields *fields;
    mu_arena *arena;
    mu_event_entry *entries;
    uint32_t n, capacity;
    uint32_t n_sorted; /* the first so many are in order */
    uint32_t *slots;   /* hash -> entry + 1 */
    uint32_t mask;
} mu_event_join;

/* Room for `capacity` events. */
void mu_event_join_init(mu_event_join *set, mu_arena *arena, const mu_content_fields *fields,
                        uint32_t capacity);
/* Adds an event; one of the same key that is there goes away. */
void mu_event_join_add(mu_event_join *set, mu_value event, uint64_t order);
/* Declares that what was added so far is in order. */
void mu_event_join_is_sorted(mu_event_join *set);
/* What is left, in the order of time, then arrival. */
mu_value mu_event_join_list(const mu_event_join *set);

/* Of events of one (dataset, _id) under several identities only the newest write: P34. *hidden
 * gets the others. Returns `events` itself when there are none. */
mu_value mu_events_collapse(mu_arena *arena, const mu_content_fields *fields, mu_value events,
                            mu_value *hidden);

/* A new event value of `event` with a field changed. */
mu_value mu_event_with(mu_arena *arena, mu_value event, uint32_t field, mu_value value);

#endif
