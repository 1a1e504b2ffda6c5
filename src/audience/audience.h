/* audience.h -- the audiences of a sandbox as one consistent book: what each is, who refers to whom
 * (api.md 7, 8.1; pql.md 13).
 *
 * An audience is a document of kind "audience" (MU_AUDIENCE_KIND): the members of api.md 8.1 that
 * are stored, without imsOrgId, sandbox, dependents, metrics and _etag, which are made when it is
 * shown. Segment definitions are the audiences that are not external (A26). A book is derived from
 * one state of that shelf, immutable, and made once for all readers.
 */
#ifndef MU_AUDIENCE_AUDIENCE_H
#define MU_AUDIENCE_AUDIENCE_H

#include "audience/workspace.h"
#include "pql/pql.h"

#define MU_AUDIENCE_KIND         MU_STR("audience")
#define MU_AUDIENCE_VERSION_KIND MU_STR("audienceVersion") /* id: AUDIENCE/NUMBER */
#define MU_AUDIENCE_METRICS_KIND MU_STR("audienceMetrics") /* id: the audience's */

typedef enum mu_lifecycle {
    MU_LIFECYCLE_DRAFT,
    MU_LIFECYCLE_PUBLISHED,
    MU_LIFECYCLE_INACTIVE /* no evaluation; memberships stay as they are */
} mu_lifecycle;

typedef struct mu_audience mu_audience;
struct mu_audience {
    const mu_shelf_item *item; /* number, times, version and the whole document */
    mu_str id, audience_id, name, description, namespace_code, origin_name;
    mu_str schema_name;     /* "_xdm.context.profile" when it has none */
    mu_str merge_policy_id; /* as stored; empty: follows the default of its schema */
    mu_lifecycle lifecycle;
    bool is_external, is_system, excludes_opt_out;
    bool batch, streaming, edge; /* evaluationInfo */
    mu_str expression;           /* PQL text or tree as text; empty when external */
    bool expression_is_tree;
    uint32_t n_dependencies, n_dependents; /* direct ones; those that are in the book */
    const mu_audience *const *dependencies, *const *dependents;
    bool has_events; /* its rule, or that of one it refers to, reads events (D88) */
};

typedef struct mu_audience_book {
    uint32_t n;
    const mu_audience *const *audiences; /* in the order of creation */
    uint64_t generation;                 /* differs between any two states */
    uint32_t n_external, n_system;
    const mu_shelf *shelf; /* what it was derived from; held as long as the book */
} mu_audience_book;

MU_CHECKED mu_code mu_audience_books_new(mu_shelves *shelves, mu_audience_books **out, mu_err *err);
void mu_audience_books_free(mu_audience_books *books);

/* The present book; release it. */
MU_CHECKED mu_code mu_audience_book_acquire(mu_audience_books *books, const mu_audience_book **out,
                                            mu_err *err);
void mu_audience_book_release(const mu_audience_book *book);

/* For changes that depend on what audiences there are (names, references, versions): whoever
 * changes one holds this lock from reading the book until the change is made. Taken before any lock
 * of memberships and shelves, which are not held then. */
void mu_audience_books_lock(mu_audience_books *books);
void mu_audience_books_unlock(mu_audience_books *books);

/* NULL when there is none. */
const mu_audience *mu_audience_find(const mu_audience_book *book, mu_str id);
/* An external one by its namespace and the client's id; of any namespace when that is empty. */
const mu_audience *mu_audience_find_external(const mu_audience_book *book, mu_str namespace_code,
                                             mu_str audience_id);
/* What inSegment("...") names: an id, an external audience's audienceId, or a name that exactly one
 * audience has (D70). */
const mu_audience *mu_audience_find_reference(const mu_audience_book *book, mu_str text);

/* -------- rules -------- */

typedef struct mu_expression {
    const mu_pql *query; /* bound against the schema; audiences by id */
    const mu_pql *named; /* only parsed, with names of audiences replaced by ids: what is stored */
    bool has_names;      /* `named` differs from what was given */
    mu_eligibility eligibility;
    mu_pql_diagnostics diagnostics; /* errors, warnings */
} mu_expression;

typedef struct mu_expression_request {
    const mu_audience_book *book; /* NULL: any audience may be named */
    const mu_schema *schema;      /* NULL: what can be checked without one */
    mu_str value;                 /* text or tree */
    bool is_tree;
    mu_str own_id; /* the audience that it will be the rule of: a reference that leads back to it is
                      PQL-V07; empty: none */
    bool policy_is_active_on_edge;
} mu_expression_request;

/* Everything in `arena`. MU_E_SYNTAX: err->text is the first error, "line L:C CODE message", and
 * out->diagnostics has them all. */
MU_CHECKED mu_code mu_expression_read(mu_arena *arena, const mu_expression_request *request,
                                      mu_expression *out, mu_err *err);

#endif
