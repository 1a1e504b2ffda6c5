/* read_int.h -- shared by the files that read trees: read_json.c, read_time.c, read_spot.c. */
#ifndef MU_PQL_READ_INT_H
#define MU_PQL_READ_INT_H

#include "pql/syntax_int.h"

typedef struct mu_tree_reader {
    mu_syntax syntax;
    unsigned depth, n_warnings;
} mu_tree_reader;

/* A place in the JSON text; `json` is NULL when the member is absent. */
typedef struct mu_spot {
    const mu_json *json;
    mu_str pointer;
} mu_spot;

/* -------- read_spot.c: members, and the small things they hold -------- */

mu_place mu_spot_place(mu_spot at);

/* PQL-J01; the second: "`expected` expected". */
_Noreturn void mu_spot_fail(mu_tree_reader *r, mu_spot at, mu_str message);
_Noreturn void mu_spot_fail_expected(mu_tree_reader *r, mu_spot at, const char *expected);

/* A member, perhaps absent; one that must be there; one that must be an array; an array's item. */
mu_spot mu_spot_member(mu_tree_reader *r, mu_spot at, const char *name);
mu_spot mu_spot_need(mu_tree_reader *r, mu_spot at, const char *name);
mu_spot mu_spot_need_list(mu_tree_reader *r, mu_spot at, const char *name);
mu_spot mu_spot_item(mu_tree_reader *r, mu_spot list, uint32_t index);

/* W07 for the members of an object that are neither `nodeType` nor listed (up to a NULL). */
#define MU_SPOT_MEMBERS_MAX 8
void mu_spot_warn_unknown(mu_tree_reader *r, mu_spot at, const char *const *members);

/* The node's type, empty when it has none. */
mu_str mu_spot_node_type(mu_spot at);
bool mu_spot_is_node(mu_spot at, const char *type);

/* Text that must not be empty, copied. */
mu_str mu_spot_name(mu_tree_reader *r, mu_spot at);

/* The value of a literal node of this type, or the bare value that stands for it; as text (not
 * copied), as a count of at least 0. */
mu_spot mu_spot_literal(mu_tree_reader *r, mu_spot at, const char *type);
mu_str mu_spot_word(mu_tree_reader *r, mu_spot at, const char *type);
int64_t mu_spot_count(mu_tree_reader *r, mu_spot at);

extern const char *const mu_literal_members[MU_SPOT_MEMBERS_MAX];

/* -------- read_json.c -------- */

const mu_pql *mu_read_expression(mu_tree_reader *r, mu_spot at);
const mu_pql *mu_read_lambda(mu_tree_reader *r, mu_spot at);

/* -------- read_time.c -------- */

const mu_pql *mu_read_occurs(mu_tree_reader *r, mu_spot at);
const mu_pql *mu_read_chain(mu_tree_reader *r, mu_spot at);

#endif
