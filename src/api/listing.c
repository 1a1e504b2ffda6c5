/* listing.c -- lists of shelved documents and bulk look-ups (api.md 4, 8.8).
 *
 *   query ──> page, order, filters ──> rows of the shelf ──> those on the page are shown
 *
 * In the order of creation, which is the shelf's own, and without filters nothing is looked at but
 * the rows of the page.
 */
#include "api/listing.h"

#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define ORDERS_MAX    16u
#define FILTERS_MAX   64u
#define BULK_MAX      100u

/* -------- what a request asks for -------- */

typedef struct list_order {
    mu_str path;
    bool is_descending;
} list_order;

typedef struct list_filter {
    mu_str path, value;
    mu_str element_path; /* of ARRAY~KEY==VALUE; len 0: none */
    bool is_negated;
} list_filter;

typedef struct list_query {
    const mu_listing *listing;
    mu_arena *arena;
    int64_t limit, start, page; /* as sent */
    uint64_t first_row;
    uint32_t n_orders, n_filters;
    list_order orders[ORDERS_MAX];
    list_filter filters[FILTERS_MAX];
} list_query;

static mu_str part(mu_str text, size_t from, size_t to)
{
    return (mu_str){text.ptr + from, to - from};
}

/* -------- pages -------- */

static mu_code read_page(const mu_http_pairs *pairs, list_query *query, mu_err *err)
{
    uint64_t skipped = 0;
    MU_TRY(mu_http_pairs_integer(pairs, MU_STR("start"), 0, &query->start, err));
    MU_TRY(mu_http_pairs_integer(pairs, MU_STR("limit"), LIMIT_DEFAULT, &query->limit, err));
    if (query->listing->shape == MU_LIST_DEFINITIONS)
        MU_TRY(mu_http_pairs_integer(pairs, MU_STR("page"), 0, &query->page, err));
    if (query->start < 0 || query->page < 0)
        return mu_fail(err, MU_E_INPUT, "the parameter %s must not be negative",
                       query->start < 0 ? "start" : "page");
    if (query->limit < 1)
        return mu_fail(err, MU_E_INPUT, "the parameter limit must be at least 1");
    query->limit = query->limit > LIMIT_MAX ? LIMIT_MAX : query->limit;
    bool counts_rows = query->listing->shape == MU_LIST_DEFINITIONS;
    uint64_t pages = (uint64_t)(counts_rows ? query->page : query->start);
    if (__builtin_mul_overflow(pages, (uint64_t)query->limit, &skipped) ||
        __builtin_add_overflow(skipped, counts_rows ? (uint64_t)query->start : 0,
                               &query->first_row))
        query->first_row = UINT64_MAX; /* past any end */
    return MU_OK;
}

/* -------- order -------- */

static mu_code read_order(mu_str text, list_order *out, mu_err *err)
{
    size_t colon = mu_str_find(text, MU_STR(":"));
    mu_str direction =
        colon == SIZE_MAX ? MU_STR("asc") : mu_str_trim(part(text, colon + 1, text.len));
    *out = (list_order){.path = mu_str_trim(colon == SIZE_MAX ? text : part(text, 0, colon))};
    if (mu_str_equal_ascii_nocase(direction, MU_STR("desc")))
        out->is_descending = true;
    else if (!mu_str_equal_ascii_nocase(direction, MU_STR("asc")))
        return mu_fail(err, MU_E_INPUT, "a sort direction is asc or desc, not \"" MU_STR_FMT "\"",
                       MU_STR_ARG(direction));
    return out->path.len > 0 ? MU_OK
                             : mu_fail(err, MU_E_INPUT, "the parameter sort names no attribute");
}

static mu_code read_orders(const mu_http_pairs *pairs, list_query *query, mu_err *err)
{
    mu_str text;
    if (!mu_http_pairs_find(pairs, MU_STR("sort"), &text))
        text = mu_str_from(query->listing->order_default);
    for (;;) {
        size_t comma = mu_str_find(text, MU_STR(","));
        if (query->n_orders == ORDERS_MAX)
            return mu_fail(err, MU_E_INPUT, "the parameter sort names more than %u attributes",
                           ORDERS_MAX);
        MU_TRY(read_order(comma == SIZE_MAX ? text : part(text, 0, comma),
                          &query->orders[query->n_orders++], err));
        if (comma == SIZE_MAX)
            return MU_OK;
        text = part(text, comma + 1, text.len);
    }
}

/* The order of creation is the shelf's own, finer than any time: it has no ties
 * (docs/decisions/0180). */
static bool is_creation(mu_str path)
{
    return mu_str_equal(path, MU_STR("creationTime")) ||
           mu_str_equal(path, MU_STR("createEpoch")) || mu_str_equal(path, MU_STR("internalId"));
}

/* -------- filters -------- */

static mu_code add_filter(list_query *query, const list_filter *filter, mu_err *err)
{
    if (query->n_filters == FILTERS_MAX)
        return mu_fail(err, MU_E_INPUT, "there are more than %u filters", FILTERS_MAX);
    query->filters[query->n_filters++] = *filter;
    return MU_OK;
}

/* PATH==VALUE, PATH!=VALUE, ARRAY~KEY==VALUE, ARRAY~KEY!=VALUE. */
static mu_code read_property(list_query *query, mu_str text, mu_err *err)
{
    size_t equal = mu_str_find(text, MU_STR("==")), other = mu_str_find(text, MU_STR("!="));
    size_t at = equal < other ? equal : other;
    mu_str path = at == SIZE_MAX ? text : mu_str_trim(part(text, 0, at));
    size_t tilde = mu_str_find(path, MU_STR("~"));
    if (at == SIZE_MAX || path.len == 0 || tilde == 0 || tilde == path.len - 1)
        return mu_fail(err, MU_E_INPUT,
                       "the property \"" MU_STR_FMT "\" is not of the form path==value",
                       MU_STR_ARG(text));
    list_filter filter = {.path = tilde == SIZE_MAX ? path : part(path, 0, tilde),
                          .value = part(text, at + 2, text.len),
                          .is_negated = other < equal};
    if (tilde != SIZE_MAX)
        filter.element_path = part(path, tilde + 1, path.len);
    if (query->listing->shape != MU_LIST_JOBS &&
        mu_str_equal(filter.path, MU_STR("withMetrics"))) /* they always come with them: A37 */
        return MU_OK;
    return add_filter(query, &filter, err);
}

static mu_code read_filters(const mu_http_pairs *pairs, list_query *query, mu_err *err)
{
    for (size_t i = 0; i < pairs->n; i++) {
        const mu_http_pair *pair = &pairs->items[i];
        if (mu_str_equal_ascii_nocase(pair->name, MU_STR("property"))) {
            MU_TRY(read_property(query, pair->value, err));
            continue;
        }
        size_t dot = mu_str_find(pair->name, MU_STR("."));
        const list_filter filter = {.path = pair->name, .value = pair->value};
        if (dot != SIZE_MAX && dot > 0 && dot + 1 < pair->name.len)
            MU_TRY(add_filter(query, &filter, err));
    }
    return MU_OK;
}

static mu_code read_query(mu_http_request *request, const mu_listing *listing, list_query *out,
                          mu_err *err)
{
    const mu_http_pairs *pairs = mu_http_request_query(request);
    *out = (list_query){.listing = listing, .arena = mu_http_request_arena(request)};
    MU_TRY(read_page(pairs, out, err));
    MU_TRY(read_orders(pairs, out, err));
    return read_filters(pairs, out, err);
}

/* -------- values of rows -------- */

/* What is stored, else what the handler works out; names that begin with "$" are nobody's. */
static const mu_json *value_at(const list_query *query, const mu_shelf_item *item, mu_str path)
{
    const mu_listing *listing = query->listing;
    const mu_json *whole = mu_json_get(&item->json, path);
    size_t dot = mu_str_find(path, MU_STR("."));
    mu_str first = dot == SIZE_MAX ? path : part(path, 0, dot);
    if (path.ptr[0] == '$')
        return NULL;
    if (whole != NULL)
        return whole;
    if (mu_json_get(&item->json, first) != NULL || listing->computed == NULL)
        return mu_json_at(&item->json, path);
    mu_json *made = MU_NEW(query->arena, mu_json);
    *made = listing->computed(listing->context, query->arena, item, first);
    if (made->kind == MU_JSON_NULL)
        return NULL;
    return dot == SIZE_MAX ? made : mu_json_at(made, part(path, dot + 1, path.len));
}

static bool scalar_is(const mu_json *json, mu_str value)
{
    char text[MU_NUMBER_MAX];
    switch (json->kind) {
    case MU_JSON_STRING:
        return mu_str_equal(json->string, value);
    case MU_JSON_BOOLEAN:
        return mu_str_equal_ascii_nocase(json->boolean ? MU_STR("true") : MU_STR("false"), value);
    case MU_JSON_INTEGER:
        return mu_str_equal(
            (mu_str){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)json->integer)},
            value);
    case MU_JSON_DOUBLE:
        return mu_str_equal((mu_str){text, mu_format_double(json->number, text)}, value);
    case MU_JSON_NULL:
    case MU_JSON_ARRAY:
    case MU_JSON_OBJECT:
        break;
    }
    return false;
}

static bool value_is(const mu_json *json, const list_filter *filter)
{
    if (json == NULL)
        return false;
    if (json->kind != MU_JSON_ARRAY)
        return filter->element_path.len == 0 && scalar_is(json, filter->value);
    for (uint32_t i = 0; i < json->n; i++) {
        const mu_json *item = &json->items[i];
        if (filter->element_path.len > 0)
            item = mu_json_at(item, filter->element_path);
        if (item != NULL && scalar_is(item, filter->value))
            return true;
    }
    return false;
}

static bool is_wanted(const list_query *query, const mu_shelf_item *item)
{
    const mu_listing *listing = query->listing;
    if (listing->is_listed != NULL && !listing->is_listed(listing->context, item))
        return false;
    for (uint32_t i = 0; i < query->n_filters; i++) {
        const list_filter *filter = &query->filters[i];
        if (value_is(value_at(query, item, filter->path), filter) == filter->is_negated)
            return false;
    }
    return true;
}

/* -------- sorting -------- */

typedef struct sort_row {
    uint32_t row;             /* of the shelf */
    const mu_json *const *by; /* one per order; NULL: missing */
} sort_row;

static int compare_folded(mu_str a, mu_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shared; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = (unsigned char)(x >= 'A' && x <= 'Z' ? x + 32 : x);
        y = (unsigned char)(y >= 'A' && y <= 'Z' ? y + 32 : y);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int rank_of(const mu_json *json)
{
    return json->kind == MU_JSON_STRING ? 2 : json->kind == MU_JSON_BOOLEAN ? 0 : 1;
}

static double number_of(const mu_json *json)
{
    return json->kind == MU_JSON_INTEGER ? (double)json->integer : json->number;
}

static int compare_values(const mu_json *a, const mu_json *b)
{
    if (rank_of(a) != rank_of(b))
        return rank_of(a) - rank_of(b);
    if (a->kind == MU_JSON_STRING)
        return compare_folded(a->string, b->string);
    if (a->kind == MU_JSON_BOOLEAN)
        return a->boolean - b->boolean;
    if (a->kind == MU_JSON_INTEGER && b->kind == MU_JSON_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
}

static int compare_rows(const void *left, const void *right, void *context)
{
    const sort_row *a = left, *b = right;
    const list_query *query = context;
    const mu_shelf *shelf = query->listing->shelf;
    for (uint32_t i = 0; i < query->n_orders; i++) {
        const list_order *order = &query->orders[i];
        int way = order->is_descending ? -1 : 1;
        if (is_creation(order->path))
            return a->row < b->row ? -way : way;
        if (a->by[i] == NULL || b->by[i] == NULL) {
            if (a->by[i] != b->by[i])
                return a->by[i] == NULL ? 1 : -1;
            continue;
        }
        int result = compare_values(a->by[i], b->by[i]);
        if (result != 0)
            return way * result;
    }
    return mu_str_compare(shelf->items[a->row]->document.id, shelf->items[b->row]->document.id);
}

static const mu_json *sort_value(const list_query *query, uint32_t row, const list_order *order)
{
    if (is_creation(order->path))
        return NULL;
    const mu_json *value = value_at(query, query->listing->shelf->items[row], order->path);
    return value != NULL && value->kind != MU_JSON_ARRAY && value->kind != MU_JSON_OBJECT ? value
                                                                                          : NULL;
}

static void sort_rows(list_query *query, uint32_t n, uint32_t *rows)
{
    sort_row *sorted = MU_NEW_ARRAY(query->arena, sort_row, n);
    for (uint32_t i = 0; i < n; i++) {
        const mu_json **by = MU_NEW_ARRAY(query->arena, const mu_json *, query->n_orders);
        for (uint32_t k = 0; k < query->n_orders; k++)
            by[k] = sort_value(query, rows[i], &query->orders[k]);
        sorted[i] = (sort_row){rows[i], by};
    }
    qsort_r(sorted, n, sizeof *sorted, compare_rows, query);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = sorted[i].row;
}

/* -------- the rows of the page -------- */

typedef struct list_page {
    uint32_t n_all, n;
    const uint32_t *rows; /* of the shelf */
} list_page;

static uint32_t rows_on_page(const list_query *query, uint32_t n_all)
{
    uint64_t left = query->first_row < n_all ? n_all - query->first_row : 0;
    return (uint32_t)(left < (uint64_t)query->limit ? left : (uint64_t)query->limit);
}

/* `from`: all rows in the order of the shelf; NULL: each is its own number. */
static void cut_page(const list_query *query, const uint32_t *from, bool is_backwards,
                     list_page *page)
{
    page->n = rows_on_page(query, page->n_all);
    uint32_t *rows = MU_NEW_ARRAY(query->arena, uint32_t, page->n);
    for (uint32_t i = 0; i < page->n; i++) {
        uint32_t at = (uint32_t)query->first_row + i;
        at = is_backwards ? page->n_all - 1 - at : at;
        rows[i] = from == NULL ? at : from[at];
    }
    page->rows = rows;
}

static list_page page_of(list_query *query)
{
    const mu_listing *listing = query->listing;
    const mu_shelf *shelf = listing->shelf;
    bool by_creation = is_creation(query->orders[0].path);
    bool is_backwards = by_creation && query->orders[0].is_descending;
    list_page page = {.n_all = shelf->n};
    if (by_creation && query->n_filters == 0 && listing->is_listed == NULL) {
        cut_page(query, NULL, is_backwards, &page);
        return page;
    }
    uint32_t *rows = MU_NEW_ARRAY(query->arena, uint32_t, shelf->n);
    page.n_all = 0;
    for (uint32_t i = 0; i < shelf->n; i++)
        if (is_wanted(query, shelf->items[i]))
            rows[page.n_all++] = i;
    if (!by_creation)
        sort_rows(query, page.n_all, rows);
    cut_page(query, rows, is_backwards, &page);
    return page;
}

/* -------- links -------- */

static void add_integer(mu_arena *arena, mu_buf *buf, const char *name, uint64_t value)
{
    mu_api_add_parameter(buf, mu_str_from(name),
                         mu_arena_format(arena, "%llu", (unsigned long long)value));
}

static bool is_of_page(mu_str name)
{
    static const char *const names[] = {"start", "limit", "page", "totalCount"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mu_str_equal_ascii_nocase(name, mu_str_from(names[i])))
            return true;
    return false;
}

/* "/segment/jobs?start=1&limit=100" and the request's other parameters. */
static mu_str next_link(mu_http_request *request, const list_query *query, uint32_t n_all)
{
    const mu_http_pairs *pairs = mu_http_request_query(request);
    const mu_listing *listing = query->listing;
    uint64_t limit = (uint64_t)query->limit;
    mu_buf buf;
    mu_buf_init(&buf, (size_t)1 << 20);
    if (listing->shape == MU_LIST_DEFINITIONS) {
        add_integer(query->arena, &buf, "page", query->first_row / limit + 1);
        add_integer(query->arena, &buf, "limit", limit);
        if (query->first_row % limit != 0)
            add_integer(query->arena, &buf, "start", query->first_row % limit);
    } else {
        add_integer(query->arena, &buf, "start", (uint64_t)query->start + 1);
        add_integer(query->arena, &buf, "limit", limit);
    }
    if (listing->shape == MU_LIST_AUDIENCES)
        add_integer(query->arena, &buf, "totalCount", n_all);
    for (size_t i = 0; i < pairs->n; i++)
        if (!is_of_page(pairs->items[i].name))
            mu_api_add_parameter(&buf, pairs->items[i].name, pairs->items[i].value);
    mu_str out = mu_arena_format(query->arena, "%s%s?" MU_STR_FMT,
                                 listing->shape == MU_LIST_AUDIENCES ? "@" : "", listing->path,
                                 MU_STR_ARG(mu_buf_str(&buf)));
    mu_buf_free(&buf);
    return out;
}

static mu_json page_json(const list_query *query, const list_page *page, bool has_more)
{
    mu_arena *arena = query->arena;
    int64_t n_pages = ((int64_t)page->n_all + query->limit - 1) / query->limit;
    bool is_definitions = query->listing->shape == MU_LIST_DEFINITIONS;
    uint64_t row = query->first_row < INT64_MAX ? query->first_row : INT64_MAX;
    int64_t start = is_definitions ? (int64_t)row : query->start, next = query->start;
    mu_json out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("totalCount"), mu_json_of_integer(page->n_all)},
        {MU_STR("totalPages"), mu_json_of_integer(n_pages)},
        {MU_STR("sortField"), mu_json_of_string(query->orders[0].path)},
        {MU_STR("sort"),
         mu_json_of_string(query->orders[0].is_descending ? MU_STR("desc") : MU_STR("asc"))},
        {MU_STR("pageSize"), mu_json_of_integer(page->n)},
        {MU_STR("limit"), mu_json_of_integer(query->limit)},
        {MU_STR("start"), mu_json_of_integer(start)});
    if (!has_more || is_definitions)
        return out;
    next++;
    mu_json_set(arena, &out, MU_STR("next"),
                query->listing->shape == MU_LIST_AUDIENCES
                    ? mu_json_of_integer(next)
                    : mu_json_of_string(mu_arena_format(arena, "%lld", (long long)next)));
    return out;
}

static mu_json links_json(mu_http_request *request, const list_query *query, const list_page *page,
                          bool has_more)
{
    mu_arena *arena = query->arena;
    mu_json href =
        mu_json_of_string(has_more ? next_link(request, query, page->n_all) : MU_STR(""));
    bool is_definitions = query->listing->shape == MU_LIST_DEFINITIONS;
    mu_json empty = mu_json_object(arena, 0, NULL);
    if (is_definitions)
        return has_more ? MU_JSON_OBJECT_OF(arena, {MU_STR("next"), href}) : empty;
    return MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("next"), has_more ? MU_JSON_OBJECT_OF(arena, {MU_STR("href"), href}) : empty});
}

/* -------- the answer -------- */

/* Large documents may make a page that no answer holds: the client can ask for a smaller one. */
static mu_http_outcome answer_or_refuse(mu_http_request *request, mu_http_response *response,
                                        unsigned status, const mu_json *json, const char *text)
{
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_value(writer, json);
    if (writer->buf->failed) {
        mu_http_response_clear(response);
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(text));
        return MU_HTTP_DONE;
    }
    mu_http_response_status(response, status);
    return MU_HTTP_DONE;
}

mu_http_outcome mu_api_list(mu_http_request *request, mu_http_response *response,
                            const mu_listing *listing)
{
    mu_arena *arena = mu_http_request_arena(request);
    list_query *query = MU_NEW(arena, list_query);
    mu_err err;
    if (read_query(request, listing, query, &err) != MU_OK) {
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(err.text));
        return MU_HTTP_DONE;
    }
    list_page page = page_of(query);
    mu_json *rows = MU_NEW_ARRAY(arena, mu_json, page.n);
    for (uint32_t i = 0; i < page.n; i++)
        rows[i] = listing->show(listing->context, arena, listing->shelf->items[page.rows[i]]);
    bool has_more = page.n > 0 && query->first_row + page.n < page.n_all;
    bool is_definitions = listing->shape == MU_LIST_DEFINITIONS;
    mu_json json = MU_JSON_OBJECT_OF(
        arena,
        {is_definitions ? MU_STR("segments") : MU_STR("children"),
         (mu_json){.kind = MU_JSON_ARRAY, .n = page.n, .items = rows}},
        {is_definitions ? MU_STR("page") : MU_STR("_page"), page_json(query, &page, has_more)},
        {is_definitions ? MU_STR("link") : MU_STR("_links"),
         links_json(request, query, &page, has_more)});
    return answer_or_refuse(request, response, 200, &json,
                            "The page is too large for one answer: ask for a smaller limit");
}

/* -------- bulk-get -------- */

static bool refuse_bulk(mu_http_request *request, mu_http_response *response, uint32_t n)
{
    mu_api_problem_format(request, response, 400, MU_STR("UPAPI-113015-400"),
                          "The number of ids must be from 1 to %u, not %u", BULK_MAX, n);
    return false;
}

static bool is_among(uint32_t n, const mu_str *ids, mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(ids[i], id))
            return true;
    return false;
}

bool mu_api_bulk_ids(mu_http_request *request, mu_http_response *response, uint32_t *n,
                     const mu_str **out)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body;
    if (!mu_api_body(request, response, &body))
        return false;
    const mu_json *list = body.kind == MU_JSON_ARRAY ? &body : mu_json_get(&body, MU_STR("ids"));
    if (body.kind != MU_JSON_ARRAY && body.kind != MU_JSON_OBJECT) {
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                       MU_STR("The body must be an object with ids, or a list of them"));
        return false;
    }
    if (list == NULL || list->kind != MU_JSON_ARRAY)
        return refuse_bulk(request, response, 0);
    mu_str *ids = MU_NEW_ARRAY(arena, mu_str, BULK_MAX + 1);
    uint32_t n_ids = 0;
    for (uint32_t i = 0; i < list->n && n_ids <= BULK_MAX; i++) {
        const mu_json *item = list->items[i].kind == MU_JSON_OBJECT
                                  ? mu_json_get(&list->items[i], MU_STR("id"))
                                  : &list->items[i];
        if (item == NULL || item->kind != MU_JSON_STRING || item->string.len == 0) {
            mu_api_problem_format(request, response, 400, MU_STR("UPAPI-119911-400"),
                                  "/ids/%u: must be an id or an object with an id", i);
            return false;
        }
        if (!is_among(n_ids, ids, item->string))
            ids[n_ids++] = item->string;
    }
    if (n_ids == 0 || n_ids > BULK_MAX)
        return refuse_bulk(request, response, n_ids);
    *n = n_ids;
    *out = ids;
    return true;
}

static mu_json miss(mu_http_request *request)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_json *entry = MU_NEW(arena, mu_json);
    *entry = MU_JSON_OBJECT_OF(arena, {MU_STR("code"), mu_json_of_integer(404)},
                               {MU_STR("message"), mu_json_of_string(MU_STR("Not found."))});
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("requestId"), mu_json_of_string(mu_http_request_id(request))},
        {MU_STR("errors"),
         MU_JSON_OBJECT_OF(
             arena, {MU_STR("404"), (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = entry}})});
}

static mu_http_outcome none_found(mu_http_request *request, mu_http_response *response, uint32_t n,
                                  const mu_str *ids)
{
    mu_buf text;
    mu_buf_init(&text, (size_t)16 << 20);
    MU_BUF_ADD(&text, "None was found of ");
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            mu_buf_add_char(&text, ',');
        mu_buf_add_str(&text, ids[i]);
    }
    mu_str message = mu_arena_copy(mu_http_request_arena(request), mu_buf_str(&text));
    mu_buf_free(&text);
    return mu_api_problem(request, response, 404, MU_STR("UPAPI-113000-404"), message);
}

mu_http_outcome mu_api_bulk_answer(mu_http_request *request, mu_http_response *response, uint32_t n,
                                   const mu_str *ids, bool all_missing_is_404,
                                   bool (*show)(void *context, mu_arena *arena, mu_str id,
                                                mu_json *out),
                                   void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool found = show(context, arena, ids[i], &items[i]);
        if (!found)
            items[i] = miss(request);
        n_found += found;
    }
    if (n_found == 0 && all_missing_is_404)
        return none_found(request, response, n, ids);
    const mu_json results = {.kind = MU_JSON_OBJECT, .n = n, .names = ids, .items = items};
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("results"), results});
    return answer_or_refuse(request, response, 207, &json,
                            "The objects are too large for one answer: ask for fewer");
}
