/* fuzz_http_query.c -- any bytes as a query and as a path: decoded within their own length, valid
 * UTF-8, and every pair is found again under its name. */
#include "base/utf8.h"
#include "http/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static mu_http_outcome never(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)response, (void)context;
    return MU_HTTP_DONE;
}

static void check_query(mu_arena *arena, mu_str text)
{
    mu_http_pairs pairs;
    mu_err err = {0};
    size_t total = 0;
    if (mu_http_pairs_parse(arena, text, 100, &pairs, &err) != MU_OK) {
        MU_ASSERT(err.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < pairs.n; i++) {
        mu_str value = {0};
        int64_t number = 0;
        bool truth = false;
        const mu_http_pair *pair = &pairs.items[i];
        total += pair->name.len + pair->value.len + 1;
        MU_ASSERT(mu_utf8_valid(pair->name) && mu_utf8_valid(pair->value));
        MU_ASSERT(pair->value.len > 0 && !mu_str_equal(pair->value, MU_STR("None")));
        MU_ASSERT(mu_http_pairs_find(&pairs, pair->name, &value) && value.len > 0);
        if (mu_http_pairs_integer(&pairs, pair->name, -1, &number, &err) == MU_OK)
            MU_ASSERT(number >= 0);
        (void)!mu_http_pairs_boolean(&pairs, pair->name, true, &truth, &err);
    }
    MU_ASSERT(total <= text.len);
}

static void check_path(mu_arena *arena, mu_str text)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = "/a/{x}/b/{y}", .handler = never},
        {.method = MU_HTTP_GET, .pattern = "/a/{x}/{y}", .handler = never},
        {.method = MU_HTTP_POST, .pattern = "/a/b/{rest...}", .handler = never},
        {.method = MU_HTTP_GET, .pattern = "/{all...}", .handler = never},
    };
    mu_http_router *router = mu_http_router_new();
    MU_ASSERT(router != NULL && mu_http_router_add(router, routes, 4, NULL) == MU_OK);
    mu_http_match match;
    if (mu_http_router_match(router, arena, MU_HTTP_GET, text, &match) == MU_HTTP_MATCHED) {
        for (size_t i = 0; i < match.entry->n_parameters; i++)
            MU_ASSERT(match.values[i].len > 0 && match.values[i].len < text.len &&
                      mu_utf8_valid(match.values[i]));
    }
    mu_http_router_free(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_arena arena;
    mu_str text = {(const char *)bytes, size};
    mu_arena_init(&arena, SIZE_MAX);
    check_query(&arena, text);
    check_path(&arena, text);
    mu_arena_free(&arena);
    return 0;
}
