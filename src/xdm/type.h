/* type.h -- the types of the language and of stored data, as trees.
 *
 * Types are immutable once built, live in the arena of their schema and may be shared by threads.
 */
#ifndef MU_XDM_TYPE_H
#define MU_XDM_TYPE_H

#include "base/arena.h"

typedef enum mu_type_kind {
    MU_TYPE_NULL, /* only the null literal and absent values have it */
    MU_TYPE_BOOLEAN,
    MU_TYPE_INTEGER, /* 64 bits */
    MU_TYPE_DOUBLE,
    MU_TYPE_STRING,
    MU_TYPE_DATE,      /* days since 1970-01-01 */
    MU_TYPE_TIMESTAMP, /* milliseconds since 1970-01-01T00:00:00Z */
    MU_TYPE_LIST,
    MU_TYPE_MAP, /* string keys */
    MU_TYPE_OBJECT,
    MU_TYPE_FUNCTION,
    MU_TYPE_ANY /* not known before run time (no schema, or branches that differ) */
} mu_type_kind;

typedef struct mu_type mu_type;

struct mu_type {
    mu_type_kind kind;
    const mu_type *item; /* LIST: items, MAP: values (MU_TYPE_ANY when unknown) */
    /* OBJECT: fields in schema order; names are distinct */
    uint32_t n_fields;
    const mu_str *field_names;
    const mu_type *const *field_types;
    /* STRING that is the source of a relationship: the lookup class its value names a record of */
    mu_str target_class; /* len 0 when none */
    /* INTEGER that a load chose because of what it saw: nobody declared it, so a later load that
     * sees doubles makes it a DOUBLE (docs/decisions/0056). No part of what makes types equal. */
    bool is_inferred;
    /* Names hashed to fields, of mu_type_object only: a type filled in by hand has none and is
     * searched field by field. Slot: field + 1, 0 when free. */
    const uint32_t *field_index;
    uint32_t field_index_mask;
};

/* Shared scalar types; mu_type_of(MU_TYPE_LIST) and the like are lists, maps of ANY, empty objects.
 */
const mu_type *mu_type_of(mu_type_kind kind);
const mu_type *mu_type_inferred_integer(void);

/* Types in `arena`. Names, items and field types are borrowed and must live as long. Field names
 * must be distinct. */
const mu_type *mu_type_list(mu_arena *arena, const mu_type *item);
const mu_type *mu_type_map(mu_arena *arena, const mu_type *item);
const mu_type *mu_type_object(mu_arena *arena, uint32_t n_fields, const mu_str *names,
                              const mu_type *const *types);
const mu_type *mu_type_key_of(mu_arena *arena, mu_str target_class); /* STRING */

/* The index of a field of an OBJECT type, or -1. */
int mu_type_field(const mu_type *object, mu_str name);

/* What a dotted path leads to from `type`; list and map steps need no mark and a name under a map
 * is a key. NULL when there is no such field. */
const mu_type *mu_type_at(const mu_type *type, mu_str path);

/* "string", "integer", "list of object" ... as error messages have it. */
mu_str mu_type_name(mu_arena *arena, const mu_type *type);
const char *mu_type_kind_name(mu_type_kind kind);

/* Whatever was inferred. */
bool mu_type_equal(const mu_type *a, const mu_type *b);

#endif
