/* expression.c -- rules of audiences: parsed, audiences named by ids, bound, checked for cycles
 * (pql.md 13, 17, 18). */
#include "audience/audience.h"

#include "base/hash.h"

typedef struct reading {
    mu_arena *arena;
    const mu_expression_request *request;
    const mu_audience *own; /* NULL when the audience is not in the book */
    mu_expression *out;
} reading;

/* -------- references -------- */

/* Whether one leads to `own`; each audience is looked at once. */
static bool leads_to(mu_arena *arena, const mu_audience_book *book, const mu_audience *from,
                     const mu_audience *own)
{
    uint32_t n = 0;
    const mu_audience **queue = MU_NEW_ARRAY(arena, const mu_audience *, (size_t)book->n + 1);
    mu_strmap seen;
    mu_strmap_init(&seen);
    queue[n++] = from;
    *mu_strmap_put(&seen, from->id, NULL) = 1;
    bool found = from == own;
    for (uint32_t at = 0; !found && at < n; at++) {
        for (uint32_t k = 0; k < queue[at]->n_dependencies; k++) {
            const mu_audience *next = queue[at]->dependencies[k];
            bool is_new;
            found = found || next == own;
            (void)mu_strmap_put(&seen, next->id, &is_new);
            if (is_new)
                queue[n++] = next;
        }
    }
    mu_strmap_free(&seen);
    return found;
}

static void resolve_reference(reading *r, const mu_pql *literal)
{
    const mu_audience_book *book = r->request->book;
    mu_str text = literal->literal.string;
    const mu_audience *found = mu_audience_find_reference(book, text);
    if (found == NULL)
        return; /* PQL-R03 when bound */
    if (!mu_str_equal(found->id, text)) {
        /* The tree was parsed just now, nobody else has it. */
        ((mu_pql *)(uintptr_t)literal)->literal =
            mu_value_string(mu_arena_copy(r->arena, found->id));
        r->out->has_names = true;
    }
    if (r->own != NULL && leads_to(r->arena, book, found, r->own))
        mu_pql_report(&r->out->diagnostics, "PQL-V07", literal->line, literal->column,
                      literal->pointer,
                      mu_arena_format(r->arena,
                                      "the audience \"" MU_STR_FMT
                                      "\" leads back to the one that this is the rule of",
                                      MU_STR_ARG(text)));
}

/* As deep as a parsed tree is: MU_PQL_DEPTH_MAX. */
static void visit_node(void *context, const mu_pql *node)
{
    if (node->kind == MU_PQL_CALL && node->function == MU_FN_IN_SEGMENT && node->n_args == 1 &&
        node->args[0]->kind == MU_PQL_LITERAL && node->args[0]->literal.kind == MU_TYPE_STRING)
        resolve_reference(context, node->args[0]);
    mu_pql_children(node, visit_node, context);
}

/* -------- what binding and eligibility ask -------- */

static mu_str find_segment(void *context, mu_str text)
{
    const mu_audience *found = mu_audience_find_reference(context, text);
    return found == NULL ? MU_STR("") : found->id;
}

static bool segment_has_events(void *context, mu_str id)
{
    const mu_audience *found = mu_audience_find(context, id);
    return found != NULL && found->has_events;
}

static bool segment_is_aam(void *context, mu_str id)
{
    const mu_audience *found = mu_audience_find(context, id);
    return found != NULL && (mu_str_equal(found->namespace_code, MU_STR("AAM")) ||
                             mu_str_equal(found->namespace_code, MU_STR("AAMSegments")) ||
                             mu_str_equal(found->namespace_code, MU_STR("AAMTraits")));
}

/* -------- reading -------- */

static mu_code first_error(reading *r, mu_err *err)
{
    const mu_pql_diagnostics *found = &r->out->diagnostics;
    uint32_t i = 0;
    while (i + 1 < found->n && found->items[i].is_warning)
        i++;
    mu_str line = mu_pql_diagnostic_line(r->arena, &found->items[i]);
    mu_code code = mu_fail(err, MU_E_SYNTAX, MU_STR_FMT, MU_STR_ARG(line));
    if (err != NULL) {
        err->line = found->items[i].line;
        err->column = found->items[i].column;
    }
    return code;
}

static bool parse(reading *r)
{
    const mu_expression_request *request = r->request;
    mu_expression *out = r->out;
    return (request->is_tree
                ? mu_pql_parse_json(r->arena, request->value, &out->named, &out->diagnostics)
                : mu_pql_parse_text(r->arena, request->value, &out->named, &out->diagnostics)) ==
           MU_OK;
}

static void judge(reading *r)
{
    const mu_expression_request *request = r->request;
    mu_eligibility_options options = {
        .merge_policy_active_on_edge = request->policy_is_active_on_edge,
    };
    if (request->book != NULL) {
        options.segment_has_events = segment_has_events;
        options.segment_is_aam = segment_is_aam;
        options.context = (void *)(uintptr_t)request->book;
    }
    mu_pql_eligibility(r->arena, r->out->query, &options, &r->out->eligibility);
}

mu_code mu_expression_read(mu_arena *arena, const mu_expression_request *request,
                           mu_expression *out, mu_err *err)
{
    *out = (mu_expression){0};
    reading r = {.arena = arena, .request = request, .out = out};
    mu_pql_diagnostics_init(&out->diagnostics, arena);
    if (!parse(&r))
        return first_error(&r, err);
    if (request->book != NULL) {
        r.own = mu_audience_find(request->book, request->own_id);
        visit_node(&r, out->named);
    }
    const mu_pql_bind_options options = {
        .schema = request->schema,
        .must_be_condition = true,
        .find_segment = request->book == NULL ? NULL : find_segment,
        .context = (void *)(uintptr_t)request->book,
    };
    mu_code code = mu_pql_bind(arena, out->named, &options, &out->query, &out->diagnostics);
    if (code != MU_OK || out->diagnostics.n_errors > 0)
        return first_error(&r, err);
    judge(&r);
    return MU_OK;
}
