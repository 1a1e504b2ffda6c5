/* external_runs.c -- ingestions of external audiences (api.md 9.6). */
#include "api/external_int.h"

#include "base/number.h"
#include "base/time.h"

#include <stdlib.h>

#define LIMIT_MAX     40
#define LIMIT_DEFAULT 20

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

static int64_t integer_of(const mu_json *json, const char *name)
{
    const mu_json *value = mu_json_get(json, mu_str_from(name));
    return value != NULL && value->kind == MU_JSON_INTEGER ? value->integer : 0;
}

static bool is_extension(const mu_shelf_item *item)
{
    return mu_json_truth(mu_json_get(&item->json, MU_STR("$isExtension")), false);
}

static bool is_of(const mu_shelf_item *item, mu_str audience_id)
{
    return mu_str_equal(text_of(&item->json, "audienceId"), audience_id);
}

/* -------- starting -------- */

static bool is_under_way(const mu_shelf_item *item)
{
    return mu_str_equal(text_of(&item->json, "status"), MU_STR("PROCESSING"));
}

mu_code mu_external_is_busy(mu_workspace *workspace, mu_str audience_id, bool *out, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_RUN_KIND, &shelf, err));
    *out = false;
    for (uint32_t i = 0; i < shelf->n; i++)
        *out = *out || (is_of(shelf->items[i], audience_id) && is_under_way(shelf->items[i]));
    mu_shelf_release(shelf);
    return MU_OK;
}

typedef struct run_counts {
    int64_t of_audience, today;
} run_counts;

static mu_code count_runs(const mu_api_call *call, mu_workspace *workspace, mu_str audience_id,
                          run_counts *out, mu_err *err)
{
    const mu_shelf *shelf;
    int64_t today = mu_day_of_ms(mu_api_now_ms(call->api));
    *out = (run_counts){0};
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_RUN_KIND, &shelf, err));
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        out->of_audience += is_of(item, audience_id) && !is_extension(item);
        out->today += mu_day_of_ms(item->document.created_ms) == today;
    }
    mu_shelf_release(shelf);
    return MU_OK;
}

/* MU_E_LIMIT: well-formed, but not possible now. */
static mu_code check_start(const mu_api_call *call, mu_workspace *workspace,
                           const mu_external_target *target, mu_err *err)
{
    const mu_audience_settings *settings = &call->api->options.settings;
    bool busy;
    run_counts counts;
    if (!target->has_source)
        return mu_fail(err, MU_E_LIMIT, "The audience has no source");
    if (mu_json_at(&target->request, MU_STR("sourceSpec.params.encryption")) != NULL)
        return mu_fail(err, MU_E_LIMIT, "This server cannot read encrypted files");
    MU_TRY(mu_external_is_busy(workspace, target->id, &busy, err));
    if (busy)
        return mu_fail(err, MU_E_LIMIT, "A run of this audience is in progress");
    MU_TRY(count_runs(call, workspace, target->id, &counts, err));
    if (settings->external_runs_max > 0 && counts.of_audience >= settings->external_runs_max)
        return mu_fail(err, MU_E_LIMIT, "The audience had %lld runs, which is the most",
                       (long long)counts.of_audience);
    if (settings->external_runs_per_day_max > 0 &&
        counts.today >= settings->external_runs_per_day_max)
        return mu_fail(err, MU_E_LIMIT, "The sandbox had %lld runs today, which is the most",
                       (long long)counts.today);
    return MU_OK;
}

static mu_json stage_json(mu_arena *arena, mu_str name)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("stage"), mu_json_of_string(name)},
                             {MU_STR("status"), mu_json_of_string(MU_STR("PROCESSING"))},
                             {MU_STR("flowRunId"), mu_json_of_string(mu_api_uuid(arena))});
}

mu_json mu_external_new_run(const mu_api_call *call, mu_arena *arena,
                            const mu_external_target *target, const mu_external_window *window,
                            mu_str *id)
{
    *id = mu_api_uuid(arena);
    mu_json *stages = MU_NEW_ARRAY(arena, mu_json, 1);
    stages[0] = stage_json(arena, MU_STR("DATASET_INGEST"));
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("audienceName"), mu_json_of_string(target->name)},
        {MU_STR("name"), mu_json_of_string(target->name)},
        {MU_STR("audienceId"), mu_json_of_string(target->id)},
        {MU_STR("runId"), mu_json_of_string(*id)},
        {MU_STR("status"), mu_json_of_string(MU_STR("PROCESSING"))},
        {MU_STR("differentialIngestion"), mu_json_of_boolean(window->is_differential)},
        {MU_STR("dataFilterStartTime"), mu_json_of_integer(window->from_s)},
        {MU_STR("dataFilterEndTime"), mu_json_of_integer(window->to_s)},
        {MU_STR("createdAt"), mu_json_of_integer(mu_api_now_ms(call->api) / 1000)},
        {MU_STR("createdBy"), mu_json_of_string(call->author.user)},
        {MU_STR("details"), (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = stages}},
        {MU_STR("$flowRunId"), mu_json_of_string(mu_api_uuid(arena))});
}

/* Needs the lock of the externals. */
static mu_code start_run(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena,
                         mu_str audience_id, const mu_external_window *window, mu_json *run,
                         mu_err *err)
{
    mu_external_target target;
    mu_document_edit edit = {
        .action = MU_DOCUMENT_ADD, .kind = MU_EXTERNAL_RUN_KIND, .author = &call->author};
    MU_TRY(mu_external_find(workspace, arena, audience_id, &target, err));
    MU_TRY(check_start(call, workspace, &target, err));
    *run = mu_external_new_run(call, arena, &target, window, &edit.id);
    MU_TRY(mu_json_text(arena, run, &edit.json, err));
    return mu_shelves_edit(workspace->shelves, mu_api_now_ms(call->api), 1, &edit, err);
}

static mu_http_outcome post_run(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_external_window window;
    mu_json body, run;
    mu_err err;
    if (!mu_external_begin(request, response, &workspace) ||
        !mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (mu_external_read_window(&body, mu_api_now_ms(api) / 1000, &window, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_externals_lock(api->externals);
    mu_code code = start_run(mu_api_call_of(request), workspace, arena,
                             mu_http_request_parameter(request, MU_STR("id")), &window, &run, &err);
    mu_externals_unlock(api->externals);
    if (code == MU_E_LIMIT)
        return mu_api_problem(request, response, 422, MU_STR(""), mu_str_from(err.text));
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_externals_wake(api->externals);
    mu_json json = mu_external_shown(arena, &run);
    mu_json_unset(arena, &json, MU_STR("status"));
    mu_json_unset(arena, &json, MU_STR("details"));
    return mu_api_answer(response, 200, &json);
}

/* -------- reading one -------- */

static mu_http_outcome get_run(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_external_target target;
    const mu_shelf *shelf;
    mu_err err;
    (void)context;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_external_find(workspace, arena, mu_http_request_parameter(request, MU_STR("id")),
                         &target, &err) != MU_OK ||
        mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_RUN_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_shelf_item *item =
        mu_shelf_find(shelf, mu_http_request_parameter(request, MU_STR("run")));
    mu_http_outcome outcome;
    if (item != NULL && is_of(item, target.id)) {
        mu_json json = mu_external_shown(arena, &item->json);
        outcome = mu_api_answer(response, 200, &json);
    } else {
        outcome = mu_external_no_such(request, response, "run");
    }
    mu_shelf_release(shelf);
    return outcome;
}

/* -------- the list (A41) -------- */

typedef enum run_comparison {
    EQUAL,
    NOT_EQUAL,
    CONTAINS,
    CONTAINS_NOT,
    AT_LEAST,
    AT_MOST
} run_comparison;

typedef struct run_filter {
    const char *member;
    run_comparison comparison;
    mu_str value;
    int64_t number;
} run_filter;

typedef struct run_query {
    int64_t limit;
    const char *order; /* a member */
    bool is_descending;
    uint32_t n_filters;
    const run_filter *filters;
} run_query;

static mu_code read_comparison(mu_str text, run_filter *filter, mu_err *err)
{
    static const struct {
        const char *sign;
        run_comparison comparison;
    } signs[] = {{">=", AT_LEAST},  {"<=", AT_MOST},         {"!=contains", CONTAINS_NOT},
                 {"!=", NOT_EQUAL}, {"=contains", CONTAINS}, {"==", EQUAL},
                 {"=", EQUAL}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        mu_str sign = mu_str_from(signs[i].sign);
        if (!mu_str_starts_with(text, sign))
            continue;
        filter->comparison = signs[i].comparison;
        filter->value = (mu_str){text.ptr + sign.len, text.len - sign.len};
        return MU_OK;
    }
    return mu_fail(err, MU_E_INPUT,
                   "a filter has one of the operators =, !=, =contains, !=contains, >= and <=");
}

/* "contains(text)" and "contains text" are the same. */
static mu_str bare_value(mu_str value)
{
    value = mu_str_trim(value);
    if (value.len >= 2 && value.ptr[0] == '(' && value.ptr[value.len - 1] == ')')
        value = (mu_str){value.ptr + 1, value.len - 2};
    return value;
}

static mu_code read_filter(mu_str text, run_filter *out, mu_err *err)
{
    static const char *const members[] = {"createdAt", "name", "status"};
    run_filter filter = {0};
    size_t len = 0;
    while (len < text.len && strchr("=!<>", text.ptr[len]) == NULL)
        len++;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (mu_str_equal((mu_str){text.ptr, len}, mu_str_from(members[i])))
            filter.member = members[i];
    if (filter.member == NULL)
        return mu_fail(err, MU_E_INPUT, "runs are filtered by createdAt, name or status");
    MU_TRY(read_comparison((mu_str){text.ptr + len, text.len - len}, &filter, err));
    bool is_time = strcmp(filter.member, "createdAt") == 0;
    bool is_order = filter.comparison == AT_LEAST || filter.comparison == AT_MOST;
    if (is_time != is_order)
        return mu_fail(err, MU_E_INPUT, "%s",
                       is_time ? "createdAt is compared with >= or <="
                               : "name and status have no order");
    if (is_time && !mu_parse_integer(filter.value, &filter.number))
        return mu_fail(err, MU_E_INPUT, "createdAt is a time in seconds");
    if (filter.comparison == CONTAINS || filter.comparison == CONTAINS_NOT)
        filter.value = bare_value(filter.value);
    *out = filter;
    return MU_OK;
}

static mu_code read_order(const mu_http_pairs *pairs, run_query *out, mu_err *err)
{
    mu_str text;
    out->order = "createdAt";
    out->is_descending = true;
    if (!mu_http_pairs_find(pairs, MU_STR("sortBy"), &text))
        return MU_OK;
    out->is_descending = text.len > 0 && text.ptr[0] == '-';
    if (out->is_descending || (text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == ' ')))
        text = (mu_str){text.ptr + 1, text.len - 1};
    if (mu_str_equal(text, MU_STR("name")))
        out->order = "name";
    else if (!mu_str_equal(text, MU_STR("createdAt")))
        return mu_fail(err, MU_E_INPUT, "sortBy is name or createdAt, with '-' for descending");
    return MU_OK;
}

static mu_code read_query(mu_http_request *request, run_query *out, mu_err *err)
{
    const mu_http_pairs *pairs = mu_http_request_query(request);
    run_filter *filters = MU_NEW_ARRAY(mu_http_request_arena(request), run_filter, pairs->n);
    mu_str text;
    *out = (run_query){.filters = filters};
    MU_TRY(mu_http_pairs_integer(pairs, MU_STR("limit"), LIMIT_DEFAULT, &out->limit, err));
    if (out->limit < 1 || out->limit > LIMIT_MAX)
        return mu_fail(err, MU_E_INPUT, "limit must be 1 to %d", LIMIT_MAX);
    MU_TRY(read_order(pairs, out, err));
    for (size_t at = 0; mu_http_pairs_next(pairs, MU_STR("property"), &at, &text);)
        MU_TRY(read_filter(text, &filters[out->n_filters++], err));
    return MU_OK;
}

static bool passes(const run_filter *filter, const mu_json *run)
{
    mu_str text = text_of(run, filter->member);
    switch (filter->comparison) {
    case AT_LEAST:
        return integer_of(run, filter->member) >= filter->number;
    case AT_MOST:
        return integer_of(run, filter->member) <= filter->number;
    case EQUAL:
        return mu_str_equal(text, filter->value);
    case NOT_EQUAL:
        return !mu_str_equal(text, filter->value);
    case CONTAINS:
        return mu_str_find(text, filter->value) != SIZE_MAX;
    case CONTAINS_NOT:
        break;
    }
    return mu_str_find(text, filter->value) == SIZE_MAX;
}

static bool is_wanted(const run_query *query, const mu_json *run)
{
    for (uint32_t i = 0; i < query->n_filters; i++)
        if (!passes(&query->filters[i], run))
            return false;
    return true;
}

/* Ties, and runs of one second, in the order of creation. */
static int compare_runs(const void *a, const void *b, void *context)
{
    const run_query *query = context;
    const mu_shelf_item *x = *(const mu_shelf_item *const *)a;
    const mu_shelf_item *y = *(const mu_shelf_item *const *)b;
    int order = 0;
    if (strcmp(query->order, "name") == 0)
        order = mu_str_compare(text_of(&x->json, "name"), text_of(&y->json, "name"));
    if (order == 0)
        order = x->document.number < y->document.number ? -1 : 1;
    return query->is_descending ? -order : order;
}

static mu_json runs_json(mu_arena *arena, const run_query *query, uint32_t n,
                         const mu_shelf_item **runs)
{
    uint32_t n_shown = n < query->limit ? n : (uint32_t)query->limit;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n_shown);
    for (uint32_t i = 0; i < n_shown; i++) {
        items[i] = mu_external_shown(arena, &runs[i]->json);
        mu_json_unset(arena, &items[i], MU_STR("details"));
    }
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("runs"), (mu_json){.kind = MU_JSON_ARRAY, .n = n_shown, .items = items}},
        {MU_STR("_page"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("limit"), mu_json_of_integer(query->limit)},
                           {MU_STR("count"), mu_json_of_integer(n_shown)},
                           {MU_STR("totalCount"), mu_json_of_integer(n)})});
}

static mu_http_outcome list_runs(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_external_target target;
    run_query query;
    const mu_shelf *shelf;
    mu_err err;
    (void)context;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    if (read_query(request, &query, &err) != MU_OK ||
        mu_external_find(workspace, arena, mu_http_request_parameter(request, MU_STR("id")),
                         &target, &err) != MU_OK ||
        mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_RUN_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_shelf_item **runs = MU_NEW_ARRAY(arena, const mu_shelf_item *, shelf->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < shelf->n; i++)
        if (is_of(shelf->items[i], target.id) && is_wanted(&query, &shelf->items[i]->json))
            runs[n++] = shelf->items[i];
    if (n > 1)
        qsort_r(runs, n, sizeof *runs, compare_runs, &query);
    mu_json json = runs_json(arena, &query, n, runs);
    mu_http_outcome outcome = mu_api_answer(response, 200, &json);
    mu_shelf_release(shelf);
    return outcome;
}

/* -------- routes -------- */

#define ALL(verb, rest, function)                                                                  \
    {.method = verb,                                                                               \
     .pattern = "/data/core/ais/external-audience/{id}/runs" rest,                                 \
     .handler = function},                                                                         \
        {.method = verb,                                                                           \
         .pattern = "/data/core/ais/external-audiences/{id}/runs" rest,                            \
         .handler = function},                                                                     \
        {.method = verb,                                                                           \
         .pattern = "/data/core/ais/external-audience/{id}/run" rest,                              \
         .handler = function},                                                                     \
    {                                                                                              \
        .method = verb, .pattern = "/data/core/ais/external-audiences/{id}/run" rest,              \
        .handler = function                                                                        \
    }

mu_code mu_api_add_external_runs(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        ALL(MU_HTTP_POST, "", post_run),
        ALL(MU_HTTP_GET, "", list_runs),
        ALL(MU_HTTP_GET, "/{run}", get_run),
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
