/* router.c -- patterns in a tree of segments; literal before parameter before rest. */
#include "base/utf8.h"
#include "http/http_int.h"

#include <stdlib.h>

typedef struct node node;
struct node {
    mu_str literal;
    node *literals; /* children, linked by `sibling` */
    node *sibling;
    node *parameter;
    node *rest; /* takes all that is left */
    mu_http_route_entry *routes;
};

struct mu_http_router {
    mu_arena arena;
    node root;
    mu_http_route_entry *first, *last; /* in the order of adding, linked by `next` */
    size_t n_routes;
};

/* The routes of one node have a list of their own. */
typedef struct node_route {
    mu_http_route_entry entry;
    mu_http_route_entry *next_of_node;
} node_route;

static const char *const method_names[] = {"GET",   "HEAD",   "POST",    "PUT",
                                           "PATCH", "DELETE", "OPTIONS", "?"};

mu_str mu_http_method_name(mu_http_method method)
{
    return mu_str_from(method_names[method]);
}

mu_http_method mu_http_method_parse(const char *name)
{
    unsigned method = MU_HTTP_GET;
    while (method < MU_HTTP_METHOD_UNKNOWN && strcmp(name, method_names[method]) != 0)
        method++;
    return (mu_http_method)method;
}

mu_str mu_http_allow_text(mu_arena *arena, unsigned methods)
{
    if (methods & 1u << MU_HTTP_GET)
        methods |= 1u << MU_HTTP_HEAD;
    methods |= 1u << MU_HTTP_OPTIONS;
    mu_str text = MU_STR("");
    for (unsigned i = 0; i < MU_HTTP_METHOD_UNKNOWN; i++) {
        if (methods & 1u << i)
            text = mu_arena_format(arena, MU_STR_FMT "%s%s", MU_STR_ARG(text),
                                   text.len > 0 ? ", " : "", method_names[i]);
    }
    return text;
}

mu_http_router *mu_http_router_new(void)
{
    mu_http_router *router = calloc(1, sizeof(*router));
    if (router != NULL)
        mu_arena_init(&router->arena, SIZE_MAX);
    return router;
}

void mu_http_router_free(mu_http_router *router)
{
    if (router == NULL)
        return;
    mu_arena_free(&router->arena);
    free(router);
}

size_t mu_http_router_n_routes(const mu_http_router *router)
{
    return router->n_routes;
}

const mu_http_route_entry *mu_http_router_first(const mu_http_router *router)
{
    return router->first;
}

/* -------- adding -------- */

/* Cuts the next segment off *path, which begins with '/'. */
static mu_str next_segment(mu_str *path)
{
    mu_str rest = {path->ptr + 1, path->len - 1};
    const char *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
    mu_str segment = rest;
    if (slash != NULL)
        segment.len = (size_t)(slash - rest.ptr);
    *path = (mu_str){rest.ptr + segment.len, rest.len - segment.len};
    return segment;
}

static node *literal_child(mu_http_router *router, node *parent, mu_str literal)
{
    for (node *at = parent->literals; at != NULL; at = at->sibling) {
        if (mu_str_equal(at->literal, literal))
            return at;
    }
    node *made = MU_NEW(&router->arena, node);
    made->literal = literal;
    made->sibling = parent->literals;
    parent->literals = made;
    return made;
}

static node *only_child(mu_http_router *router, node **child)
{
    if (*child == NULL)
        *child = MU_NEW(&router->arena, node);
    return *child;
}

/* Follows one segment of a pattern, noting a parameter's name. NULL when it is malformed. */
static node *follow(mu_http_router *router, node *at, mu_str segment, bool is_last, mu_str *names,
                    size_t *n_names)
{
    bool has_brace = memchr(segment.ptr, '{', segment.len) != NULL ||
                     memchr(segment.ptr, '}', segment.len) != NULL;
    if (segment.len == 0)
        return NULL;
    if (!has_brace)
        return literal_child(router, at, segment);
    mu_str name = {segment.ptr + 1, segment.len - 1};
    if (segment.ptr[0] != '{' || !mu_str_ends_with(name, MU_STR("}")))
        return NULL;
    name.len--;
    bool is_rest = mu_str_ends_with(name, MU_STR("..."));
    if (is_rest)
        name.len -= 3;
    if (name.len == 0 || memchr(name.ptr, '{', name.len) != NULL ||
        memchr(name.ptr, '}', name.len) != NULL || (is_rest && !is_last))
        return NULL;
    names[(*n_names)++] = name;
    return only_child(router, is_rest ? &at->rest : &at->parameter);
}

static node_route *route_of_node(mu_http_route_entry *entry)
{
    return (node_route *)entry; /* the entry is its first member */
}

static mu_code add_route(mu_http_router *router, const mu_http_route *route, mu_err *err)
{
    mu_str pattern = mu_str_from(route->pattern), path = pattern;
    mu_str names[MU_HTTP_SEGMENTS_MAX];
    size_t n_names = 0, n_segments = 0;
    node *at = &router->root;
    if (path.len == 0 || path.ptr[0] != '/')
        return mu_fail(err, MU_E_INPUT, "the route %s does not begin with /", route->pattern);
    while (path.len > 0 && pattern.len > 1) {
        mu_str segment = next_segment(&path);
        at = ++n_segments > MU_HTTP_SEGMENTS_MAX
                 ? NULL
                 : follow(router, at, segment, path.len == 0, names, &n_names);
        if (at == NULL)
            return mu_fail(err, MU_E_INPUT, "the route %s has a malformed segment", route->pattern);
    }
    for (mu_http_route_entry *entry = at->routes; entry != NULL;
         entry = route_of_node(entry)->next_of_node) {
        if (entry->route.method == route->method)
            return mu_fail(err, MU_E_CONFLICT, "the route %s %s is there already",
                           method_names[route->method], route->pattern);
    }
    node_route *made = MU_NEW(&router->arena, node_route);
    mu_str *kept = MU_NEW_ARRAY(&router->arena, mu_str, n_names + 1);
    memcpy(kept, names, n_names * sizeof(*names));
    made->entry = (mu_http_route_entry){.route = *route,
                                        .pattern = pattern,
                                        .parameters = kept,
                                        .n_parameters = n_names,
                                        .index = router->n_routes++};
    made->next_of_node = at->routes;
    at->routes = &made->entry;
    if (router->last == NULL)
        router->first = &made->entry;
    else
        router->last->next = &made->entry;
    router->last = &made->entry;
    return MU_OK;
}

mu_code mu_http_router_add(mu_http_router *router, const mu_http_route *routes, size_t n_routes,
                           mu_err *err)
{
    for (size_t i = 0; i < n_routes; i++)
        MU_TRY(add_route(router, &routes[i], err));
    return MU_OK;
}

/* -------- matching -------- */

typedef struct search {
    mu_arena *arena;
    mu_http_method method;
    mu_str segments[MU_HTTP_SEGMENTS_MAX]; /* decoded */
    mu_str raw[MU_HTTP_SEGMENTS_MAX];
    size_t n_segments;
    mu_str path_end; /* what follows the last segment, empty */
    mu_str values[MU_HTTP_SEGMENTS_MAX];
    size_t n_values;
    mu_http_match *out;
} search;

/* Splits and decodes; false for a path that no route can have. */
static bool split(search *of, mu_str path)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    of->path_end = (mu_str){path.ptr + path.len, 0};
    while (path.len > 0 && !(of->n_segments == 0 && path.len == 1)) {
        mu_str segment = next_segment(&path);
        if (segment.len == 0 || of->n_segments == MU_HTTP_SEGMENTS_MAX)
            return false;
        of->raw[of->n_segments] = segment;
        of->segments[of->n_segments++] = mu_http_percent_decode(of->arena, segment, false);
    }
    return true;
}

/* Notes the routes of a node; true when one of them has the method. */
static bool settle(search *of, const node *at)
{
    const mu_http_route_entry *found = NULL;
    for (mu_http_route_entry *entry = at->routes; entry != NULL;
         entry = route_of_node(entry)->next_of_node) {
        of->out->methods |= 1u << entry->route.method;
        of->out->is_edge |= (entry->route.flags & MU_HTTP_EDGE) != 0;
        bool is_get_for_head = of->method == MU_HTTP_HEAD && entry->route.method == MU_HTTP_GET;
        if (entry->route.method == of->method || (is_get_for_head && found == NULL))
            found = entry;
    }
    if (found == NULL)
        return false;
    of->out->entry = found;
    memcpy(of->out->values, of->values, of->n_values * sizeof(mu_str));
    return true;
}

/* The tree is as deep as the longest pattern, and patterns are ours: the recursion is bounded by
 * MU_HTTP_SEGMENTS_MAX. */
static bool find(search *of, const node *at, size_t segment)
{
    if (segment == of->n_segments)
        return settle(of, at);
    for (const node *child = at->literals; child != NULL; child = child->sibling) {
        if (mu_str_equal(child->literal, of->segments[segment]) && find(of, child, segment + 1))
            return true;
    }
    if (at->parameter != NULL) {
        of->values[of->n_values++] = of->segments[segment];
        if (find(of, at->parameter, segment + 1))
            return true;
        of->n_values--;
    }
    if (at->rest != NULL) {
        const char *from = of->raw[segment].ptr;
        mu_str raw = {from, (size_t)(of->path_end.ptr - from)};
        of->values[of->n_values++] = mu_http_percent_decode(of->arena, raw, false);
        if (settle(of, at->rest))
            return true;
        of->n_values--;
    }
    return false;
}

mu_http_match_result mu_http_router_match(const mu_http_router *router, mu_arena *arena,
                                          mu_http_method method, mu_str path, mu_http_match *out)
{
    search of = {.arena = arena, .method = method, .out = out};
    out->entry = NULL;
    out->methods = 0;
    out->is_edge = false;
    if (!split(&of, path))
        return MU_HTTP_MATCH_NO_PATH;
    bool is_found = find(&of, &router->root, 0);
    if (out->methods == 0)
        return MU_HTTP_MATCH_NO_PATH;
    for (size_t i = 0; i < of.n_segments; i++) {
        if (!mu_utf8_valid(of.segments[i]))
            return MU_HTTP_MATCH_BAD_PATH;
    }
    return is_found ? MU_HTTP_MATCHED : MU_HTTP_MATCH_NO_METHOD;
}
