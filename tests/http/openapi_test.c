/* openapi_test.c -- the document of /openapi.json and the router say the same, and the document
 * holds together: references lead somewhere, operations have ids of their own, examples and links
 * name what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/openapi.h"
#include "http/http_int.h"
#include "tests/support/api_fixture.h"
#include "json/edit.h"

#include <stdio.h>

static api_fixture fixture;
static mu_json document;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- paths, whatever their parameters are called -------- */

/* "/a/{id}/{path...}" as "/a/{}/{}". */
static mu_str without_names(mu_str path)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    bool is_inside = false;
    for (size_t i = 0; i < path.len; i++) {
        is_inside = is_inside && path.ptr[i] != '}';
        if (!is_inside)
            mu_buf_add_char(&buf, path.ptr[i]);
        is_inside = is_inside || path.ptr[i] == '{';
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy;
}

static mu_str lower(mu_str text)
{
    char *copy = MU_NEW_ARRAY(&fixture.arena, char, text.len);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (char)(text.ptr[i] | (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? 0x20 : 0));
    return (mu_str){copy, text.len};
}

static bool is_method(mu_str name)
{
    static const char *const methods[] = {"get", "head", "post", "put", "patch", "delete"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (mu_str_equal(name, mu_str_from(methods[i])))
            return true;
    return false;
}

static const mu_json *resolve(mu_str reference)
{
    const mu_json *at = &document;
    if (!mu_str_starts_with(reference, MU_STR("#/")))
        return NULL;
    mu_str rest = {reference.ptr + 2, reference.len - 2};
    while (at != NULL && rest.len > 0) {
        size_t slash = mu_str_find(rest, MU_STR("/"));
        size_t len = slash == SIZE_MAX ? rest.len : slash;
        at = mu_json_member(at, (mu_str){rest.ptr, len});
        len = slash == SIZE_MAX ? len : len + 1;
        rest = (mu_str){rest.ptr + len, rest.len - len};
    }
    return at;
}

/* The path item, which may be one of the components: then several paths share it. */
static const mu_json *item_of(const mu_json *item)
{
    mu_str reference = mu_json_member_string(item, MU_STR("$ref"), MU_STR(""));
    item = reference.len > 0 ? resolve(reference) : item;
    assert_non_null(item);
    return item;
}

/* Calls `each` for every operation; returns how many there are. */
typedef void each_operation(mu_str path, mu_str method, const mu_json *operation, void *context);
static unsigned for_operations(each_operation *each, void *context)
{
    unsigned n = 0;
    const mu_json *paths = mu_json_member(&document, MU_STR("paths"));
    assert_non_null(paths);
    for (uint32_t p = 0; p < paths->n; p++) {
        const mu_json *item = item_of(&paths->items[p]);
        for (uint32_t m = 0; m < item->n; m++)
            if (is_method(item->names[m])) {
                each(paths->names[p], item->names[m], &item->items[m], context);
                n++;
            }
    }
    return n;
}

/* -------- the document and the router -------- */

typedef struct wanted {
    mu_str method, path;
    bool is_found;
} wanted;

static void find_operation(mu_str path, mu_str method, const mu_json *operation, void *context)
{
    wanted *w = context;
    (void)operation;
    w->is_found |= mu_str_equal(method, w->method) && mu_str_equal(without_names(path), w->path);
}

static void every_route_is_described(void **state)
{
    (void)state;
    unsigned n_missing = 0;
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next) {
        wanted w = {.method = lower(mu_http_method_name(route->route.method)),
                    .path = without_names(route->pattern)};
        for_operations(find_operation, &w);
        if (w.is_found)
            continue;
        print_error("src/api/openapi does not describe " MU_STR_FMT " " MU_STR_FMT "\n",
                    MU_STR_ARG(mu_http_method_name(route->route.method)),
                    MU_STR_ARG(route->pattern));
        n_missing++;
    }
    assert_int_equal(n_missing, 0);
}

/* What the HTTP server adds by itself. */
static bool is_built_in(mu_str path)
{
    return mu_str_equal(path, MU_STR("/health")) || mu_str_equal(path, MU_STR("/ready")) ||
           mu_str_equal(path, MU_STR("/metrics"));
}

static void look_for_route(mu_str path, mu_str method, const mu_json *operation, void *context)
{
    unsigned *n_missing = context;
    (void)operation;
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next)
        if (mu_str_equal(method, lower(mu_http_method_name(route->route.method))) &&
            mu_str_equal(without_names(path), without_names(route->pattern)))
            return;
    if (is_built_in(path))
        return;
    print_error("there is no route for " MU_STR_FMT " " MU_STR_FMT "\n", MU_STR_ARG(method),
                MU_STR_ARG(path));
    ++*n_missing;
}

static void every_description_has_its_route(void **state)
{
    unsigned n_missing = 0;
    (void)state;
    for_operations(look_for_route, &n_missing);
    assert_int_equal(n_missing, 0);
}

/* -------- what the document says of itself -------- */

/* The document is as deep as its files are; 64 is far more than that. */
static unsigned count_dangling(const mu_json *json, unsigned depth)
{
    unsigned n = 0;
    assert_true(depth < 64);
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY)
        return 0;
    mu_str reference = mu_json_member_string(json, MU_STR("$ref"), MU_STR(""));
    if (mu_str_starts_with(reference, MU_STR("#")) && resolve(reference) == NULL) {
        print_error("there is no " MU_STR_FMT "\n", MU_STR_ARG(reference));
        n++;
    }
    for (uint32_t i = 0; i < json->n; i++)
        n += count_dangling(&json->items[i], depth + 1);
    return n;
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    assert_int_equal(count_dangling(&document, 0), 0);
}

static void count_same_id(mu_str path, mu_str method, const mu_json *operation, void *context)
{
    wanted *w = context;
    (void)path, (void)method;
    if (mu_str_equal(mu_json_member_string(operation, MU_STR("operationId"), MU_STR("")), w->path))
        w->is_found = true;
}

typedef struct id_table {
    mu_str ids[600];
    const mu_json *operations[600];
    size_t n;
} id_table;

static void collect_id(mu_str path, mu_str method, const mu_json *operation, void *context)
{
    id_table *table = context;
    mu_str id = mu_json_member_string(operation, MU_STR("operationId"), MU_STR(""));
    if (id.len == 0 || mu_json_member(operation, MU_STR("summary")) == NULL ||
        mu_json_member(operation, MU_STR("responses")) == NULL)
        fail_msg(MU_STR_FMT " " MU_STR_FMT " lacks operationId, summary or responses",
                 MU_STR_ARG(method), MU_STR_ARG(path));
    for (size_t i = 0; i < table->n; i++)
        if (mu_str_equal(table->ids[i], id) && table->operations[i] != operation)
            fail_msg("two operations are called " MU_STR_FMT, MU_STR_ARG(id));
    assert_true(table->n < sizeof table->ids / sizeof table->ids[0]);
    table->operations[table->n] = operation;
    table->ids[table->n++] = id;
}

static void operations_have_ids_of_their_own(void **state)
{
    static id_table table;
    (void)state;
    table.n = 0;
    assert_true(for_operations(collect_id, &table) > 100);
}

static bool declares(const mu_json *owner, mu_str name)
{
    const mu_json *parameters = mu_json_member(owner, MU_STR("parameters"));
    for (uint32_t i = 0; parameters != NULL && i < parameters->n; i++) {
        const mu_json *p = &parameters->items[i];
        mu_str reference = mu_json_member_string(p, MU_STR("$ref"), MU_STR(""));
        p = reference.len > 0 ? resolve(reference) : p;
        if (mu_str_equal(mu_json_member_string(p, MU_STR("in"), MU_STR("")), MU_STR("path")) &&
            mu_str_equal(mu_json_member_string(p, MU_STR("name"), MU_STR("")), name))
            return true;
    }
    return false;
}

static void check_path_parameters(mu_str path, mu_str method, const mu_json *operation,
                                  void *context)
{
    const mu_json *item = item_of(mu_json_member(mu_json_member(&document, MU_STR("paths")), path));
    (void)context;
    for (size_t at = 0; at < path.len; at++) {
        if (path.ptr[at] != '{')
            continue;
        mu_str rest = {path.ptr + at + 1, path.len - at - 1};
        mu_str name = {rest.ptr, mu_str_find(rest, MU_STR("}"))};
        if (!declares(operation, name) && !declares(item, name))
            fail_msg(MU_STR_FMT " " MU_STR_FMT " does not declare " MU_STR_FMT, MU_STR_ARG(method),
                     MU_STR_ARG(path), MU_STR_ARG(name));
    }
}

static void parameters_of_paths_are_declared(void **state)
{
    (void)state;
    for_operations(check_path_parameters, NULL);
}

static void check_links(mu_str path, mu_str method, const mu_json *operation, void *context)
{
    const mu_json *responses = mu_json_member(operation, MU_STR("responses"));
    (void)context;
    for (uint32_t r = 0; r < responses->n; r++) {
        const mu_json *links = mu_json_member(&responses->items[r], MU_STR("links"));
        for (uint32_t i = 0; links != NULL && i < links->n; i++) {
            wanted w = {.path = mu_json_member_string(&links->items[i], MU_STR("operationId"),
                                                      MU_STR("nothing"))};
            for_operations(count_same_id, &w);
            if (!w.is_found)
                fail_msg(MU_STR_FMT " " MU_STR_FMT " links to " MU_STR_FMT, MU_STR_ARG(method),
                         MU_STR_ARG(path), MU_STR_ARG(w.path));
        }
    }
}

static void links_lead_to_operations(void **state)
{
    (void)state;
    for_operations(check_links, NULL);
}

/* -------- as it is served -------- */

static void the_document_needs_no_headers(void **state)
{
    char type[64];
    (void)state;
    api_answer answer = api_send_headers(&fixture, "GET", "/openapi.json", "", MU_STR(""));
    assert_int_equal(answer.status, 200);
    assert_true(api_header(&answer, "Content-Type", type, sizeof type));
    assert_string_equal(type, "application/json");
    api_assert_text(&fixture, &answer, "openapi", "3.1.0");
    api_assert_text(&fixture, &answer, "info.title", "Muster");
    assert_true(mu_json_equal(&answer.json, &document));
}

static int read_document(void **state)
{
    mu_err err;
    start(state);
    if (mu_openapi_document(&fixture.arena, &document, &err) != MU_OK)
        fail_msg("%s", err.text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_has_its_route),
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(operations_have_ids_of_their_own),
        cmocka_unit_test(parameters_of_paths_are_declared),
        cmocka_unit_test(links_lead_to_operations),
        cmocka_unit_test(the_document_needs_no_headers),
    };
    return cmocka_run_group_tests(tests, read_document, stop);
}
