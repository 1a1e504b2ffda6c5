/* subjects.c -- which audiences an evaluation is of: those asked for, and before them all that they
 * refer to.
 */
#include "audience/evaluation.h"

#include "base/hash.h"

typedef struct choosing {
    mu_arena *arena;
    const mu_audience_book *book;
    mu_strmap seen; /* by id */
    uint32_t n, depth;
    mu_subject *subjects;
    const mu_audience **stack; /* an explicit one: chains of audiences may be long */
    uint32_t *next;            /* of each on the stack: the dependency to look at */
} choosing;

static bool is_evaluated(const mu_audience *audience)
{
    return !audience->is_external && audience->lifecycle != MU_LIFECYCLE_INACTIVE;
}

static bool is_of_profiles(const mu_audience *audience)
{
    return mu_str_equal(audience->schema_name, MU_STR("_xdm.context.profile"));
}

static void push(choosing *c, const mu_audience *audience)
{
    bool is_new;
    (void)mu_strmap_put(&c->seen, audience->id, &is_new);
    if (!is_new)
        return;
    c->stack[c->depth] = audience;
    c->next[c->depth++] = 0;
}

/* Depth first: an audience is placed after all that it refers to. */
static void place(choosing *c, const mu_audience *audience)
{
    push(c, audience);
    while (c->depth > 0) {
        const mu_audience *at = c->stack[c->depth - 1];
        uint32_t *next = &c->next[c->depth - 1];
        if (*next < at->n_dependencies) {
            const mu_audience *dependency = at->dependencies[(*next)++];
            if (is_evaluated(dependency))
                push(c, dependency);
            continue;
        }
        c->depth--;
        c->subjects[c->n++] = (mu_subject){.id = at->id,
                                           .expression = at->expression,
                                           .is_tree = at->expression_is_tree,
                                           .merge_policy_id = at->merge_policy_id,
                                           .excludes_opt_out = at->excludes_opt_out};
    }
}

const char *mu_subject_refusal(const mu_audience *audience)
{
    if (audience == NULL)
        return "there is no such audience";
    if (audience->is_external)
        return "an external audience is not evaluated";
    if (audience->lifecycle == MU_LIFECYCLE_INACTIVE)
        return "it is inactive";
    return is_of_profiles(audience) ? NULL : "it is not an audience of profiles";
}

/* One error that names every id that cannot be evaluated, as far as there is room. */
static mu_code check_ids(const choosing *c, uint32_t n, const mu_str *ids, mu_err *err)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const char *reason = mu_subject_refusal(mu_audience_find(c->book, ids[i]));
        if (reason != NULL)
            mu_buf_add_format(&buf, "%s" MU_STR_FMT ": %s", buf.len == 0 ? "" : "; ",
                              MU_STR_ARG(ids[i]), reason);
    }
    mu_code code =
        buf.len == 0 ? MU_OK : mu_fail(err, MU_E_INPUT, MU_STR_FMT, MU_STR_ARG(mu_buf_str(&buf)));
    mu_buf_free(&buf);
    return code;
}

mu_code mu_subjects_of(mu_arena *arena, const mu_audience_book *book, uint32_t n, const mu_str *ids,
                       uint32_t *n_out, mu_subject **out, mu_err *err)
{
    choosing c = {.arena = arena, .book = book};
    MU_TRY(check_ids(&c, n, ids, err));
    mu_strmap_init(&c.seen);
    c.subjects = MU_NEW_ARRAY(arena, mu_subject, (size_t)book->n + 1);
    c.stack = MU_NEW_ARRAY(arena, const mu_audience *, (size_t)book->n + 1);
    c.next = MU_NEW_ARRAY(arena, uint32_t, (size_t)book->n + 1);
    for (uint32_t i = 0; i < n; i++)
        place(&c, mu_audience_find(book, ids[i]));
    for (uint32_t i = 0; n == 0 && i < book->n; i++)
        if (is_evaluated(book->audiences[i]) && is_of_profiles(book->audiences[i]))
            place(&c, book->audiences[i]);
    mu_strmap_free(&c.seen);
    *n_out = c.n;
    *out = c.subjects;
    return MU_OK;
}
