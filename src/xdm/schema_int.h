/* schema_int.h -- types under construction, shared by the files that make schemas. */
#ifndef MU_XDM_SCHEMA_INT_H
#define MU_XDM_SCHEMA_INT_H

#include "xdm/schema.h"

/* Deepest nesting of a type; recursion over types needs no limit of its own. */
#define MU_TYPE_DEPTH_MAX 64

/* A type that still grows. ANY: not settled yet. */
typedef struct mu_draft mu_draft;
struct mu_draft {
    mu_type_kind kind;
    mu_str target_class;
    bool is_inferred; /* as of mu_type */
    mu_draft *item;
    uint32_t n_fields, capacity;
    mu_str *names;
    mu_draft **fields;
};

/* A draft that starts as `type`. */
mu_draft *mu_draft_of(mu_arena *arena, const mu_type *type);

/* Adds what a field path says ("productListItems[].SKU", "identityMap{}[].id": [] a step into a
 * list, {} into a map, names with other characters than letters, digits, '_', '-', ':' and '@' in
 * backticks) with a scalar type at its end. MU_E_INPUT when the path is malformed, MU_E_CONFLICT
 * when the draft has another type there; an inferred integer may be declared a double. Names are
 * copied. */
MU_CHECKED mu_code mu_draft_add(mu_arena *arena, mu_draft *draft, mu_str path, mu_type_kind kind,
                                mu_err *err);

/* Adds all fields of a type. MU_E_CONFLICT names the path where the draft has another type; an
 * inferred integer may be declared a double. Objects without fields are left out. Names are copied.
 */
MU_CHECKED mu_code mu_draft_merge(mu_arena *arena, mu_draft *draft, const mu_type *type,
                                  mu_err *err);

const mu_type *mu_draft_type(mu_arena *arena, const mu_draft *draft);

/* The draft at a dotted path (lists and maps as mu_type_at has it), or NULL. */
mu_draft *mu_draft_at(mu_draft *draft, mu_str path);

/* "string", "date-time" ...: the scalar a schema names; false when there is none. */
bool mu_scalar_kind(mu_str name, mu_type_kind *out);

/* Fills `row` from `profile` and `event`. */
void mu_schema_set_row(mu_arena *arena, mu_schema *schema);

#endif
