/* router_test.c -- which route a path finds, without a server. */
#include "http/http_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static mu_http_outcome never(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)response, (void)context;
    return MU_HTTP_DONE;
}

#define ROUTE(m, p)                                                                                \
    {                                                                                              \
        .method = MU_HTTP_##m, .pattern = (p), .handler = never                                    \
    }

static const mu_http_route routes[] = {
    ROUTE(GET, "/"),
    ROUTE(GET, "/audiences"),
    ROUTE(POST, "/audiences"),
    ROUTE(GET, "/audiences/{id}"),
    ROUTE(PATCH, "/audiences/{id}"),
    ROUTE(POST, "/audiences/bulk-get"),
    ROUTE(GET, "/batches/{batch}/datasets/{dataset}/files/{path...}"),
    ROUTE(HEAD, "/batches/{batch}/datasets/{dataset}/files/{path...}"),
    ROUTE(GET, "/batches/{batch}/failed"),
    ROUTE(GET, "/batches/{other}/{what}/x"),
    ROUTE(GET, "/ee/v1/interact"),
    ROUTE(GET, "/ee/{hint}/v1/interact"),
};

/* "PATTERN a|b" of the route found, "404", "405 Allow" or "400". */
static const char *find(mu_http_router *router, mu_arena *arena, mu_http_method method,
                        const char *path)
{
    mu_http_match match;
    switch (mu_http_router_match(router, arena, method, mu_str_from(path), &match)) {
    case MU_HTTP_MATCH_NO_PATH:
        return "404";
    case MU_HTTP_MATCH_BAD_PATH:
        return "400";
    case MU_HTTP_MATCH_NO_METHOD:
        return mu_arena_format(arena, "405 " MU_STR_FMT,
                               MU_STR_ARG(mu_http_allow_text(arena, match.methods)))
            .ptr;
    default:
        break;
    }
    mu_str text =
        mu_arena_format(arena, "%s " MU_STR_FMT, mu_http_method_name(match.entry->route.method).ptr,
                        MU_STR_ARG(match.entry->pattern));
    for (size_t i = 0; i < match.entry->n_parameters; i++)
        text = mu_arena_format(arena, MU_STR_FMT "%c" MU_STR_FMT, MU_STR_ARG(text),
                               i == 0 ? ' ' : '|', MU_STR_ARG(match.values[i]));
    return text.ptr;
}

static const struct {
    mu_http_method method;
    const char *path, *expected;
} cases[] = {
    {MU_HTTP_GET, "/", "GET /"},
    {MU_HTTP_GET, "", "404"},
    {MU_HTTP_GET, "audiences", "404"},
    {MU_HTTP_GET, "/audiences", "GET /audiences"},
    {MU_HTTP_GET, "/audiences/", "GET /audiences"},
    {MU_HTTP_GET, "/audiences//", "404"},
    {MU_HTTP_GET, "//audiences", "404"},
    {MU_HTTP_HEAD, "/audiences", "GET /audiences"},
    {MU_HTTP_DELETE, "/audiences", "405 GET, HEAD, POST, OPTIONS"},
    {MU_HTTP_GET, "/audiences/a%2Fb", "GET /audiences/{id} a/b"},
    {MU_HTTP_GET, "/audiences/a%252Fb", "GET /audiences/{id} a%2Fb"},
    {MU_HTTP_GET, "/audiences/a+b", "GET /audiences/{id} a+b"},
    {MU_HTTP_GET, "/audiences/..", "GET /audiences/{id} .."},
    {MU_HTTP_GET, "/audiences/%FF", "400"},
    {MU_HTTP_GET, "/audiences/\xff", "400"},
    {MU_HTTP_POST, "/audiences/bulk-get", "POST /audiences/bulk-get"},
    {MU_HTTP_GET, "/audiences/bulk-get", "GET /audiences/{id} bulk-get"},
    {MU_HTTP_DELETE, "/audiences/bulk-get", "405 GET, HEAD, POST, PATCH, OPTIONS"},
    {MU_HTTP_GET, "/batches/b/datasets/d/files/x/y%2Fz",
     "GET /batches/{batch}/datasets/{dataset}/files/{path...} b|d|x/y/z"},
    {MU_HTTP_HEAD, "/batches/b/datasets/d/files/x",
     "HEAD /batches/{batch}/datasets/{dataset}/files/{path...} b|d|x"},
    {MU_HTTP_GET, "/batches/b/datasets/d/files", "404"},
    {MU_HTTP_GET, "/batches/b/datasets/d/files/", "404"},
    {MU_HTTP_GET, "/batches/b/failed", "GET /batches/{batch}/failed b"},
    {MU_HTTP_GET, "/batches/b/failed/x", "GET /batches/{other}/{what}/x b|failed"},
    {MU_HTTP_GET, "/batches/b/datasets/x", "GET /batches/{other}/{what}/x b|datasets"},
    {MU_HTTP_GET, "/ee/v1/interact", "GET /ee/v1/interact"},
    {MU_HTTP_GET, "/ee/or2/v1/interact", "GET /ee/{hint}/v1/interact or2"},
    {MU_HTTP_GET, "/ee/v1/v1/interact", "GET /ee/{hint}/v1/interact v1"},
    {MU_HTTP_METHOD_UNKNOWN, "/ee/v1/interact", "405 GET, HEAD, OPTIONS"},
};

static void paths_find_the_most_literal_route(void **state)
{
    (void)state;
    mu_arena arena;
    mu_err err;
    mu_http_router *router = mu_http_router_new();
    mu_arena_init(&arena, SIZE_MAX);
    assert_int_equal(mu_http_router_add(router, routes, sizeof(routes) / sizeof(routes[0]), &err),
                     MU_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = find(router, &arena, cases[i].method, cases[i].path);
        if (strcmp(found, cases[i].expected) != 0)
            fail_msg("%s: %s, not %s", cases[i].path, found, cases[i].expected);
    }
    mu_arena_free(&arena);
    mu_http_router_free(router);
}

static void malformed_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {"",        "a",      "//",        "/a//b",  "/a/",
                                           "/{}",     "/{...}", "/{a...}/b", "/x{id}", "/{id}x",
                                           "/{a}{b}", "/}",     "/{",        "/{{a}}"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        mu_err err = {0};
        mu_http_router *router = mu_http_router_new();
        const mu_http_route route = ROUTE(GET, patterns[i]);
        if (mu_http_router_add(router, &route, 1, &err) != MU_E_INPUT)
            fail_msg("%s is taken", patterns[i]);
        assert_true(err.text[0] != '\0');
        mu_http_router_free(router);
    }
}

static void a_route_is_there_once(void **state)
{
    (void)state;
    mu_err err;
    mu_http_router *router = mu_http_router_new();
    const mu_http_route same[] = {ROUTE(GET, "/a/{x}"), ROUTE(PUT, "/a/{x}"), ROUTE(GET, "/a/{y}")};
    assert_int_equal(mu_http_router_add(router, same, 2, &err), MU_OK);
    assert_int_equal(mu_http_router_add(router, same + 2, 1, &err), MU_E_CONFLICT);
    assert_string_equal(err.text, "the route GET /a/{y} is there already");
    mu_http_router_free(router);
}

static void a_path_of_too_many_segments_is_no_path(void **state)
{
    (void)state;
    char path[4096];
    mu_arena arena;
    mu_http_match match;
    mu_http_router *router = mu_http_router_new();
    const mu_http_route route = ROUTE(GET, "/{all...}");
    mu_arena_init(&arena, SIZE_MAX);
    assert_int_equal(mu_http_router_add(router, &route, 1, NULL), MU_OK);
    for (size_t n = 1; n < 200; n++) {
        memcpy(path + 2 * n - 2, "/a", 3);
        mu_http_match_result result =
            mu_http_router_match(router, &arena, MU_HTTP_GET, mu_str_from(path), &match);
        assert_int_equal(result,
                         n <= MU_HTTP_SEGMENTS_MAX ? MU_HTTP_MATCHED : MU_HTTP_MATCH_NO_PATH);
    }
    mu_arena_free(&arena);
    mu_http_router_free(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_the_most_literal_route),
        cmocka_unit_test(malformed_patterns_are_refused),
        cmocka_unit_test(a_route_is_there_once),
        cmocka_unit_test(a_path_of_too_many_segments_is_no_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
