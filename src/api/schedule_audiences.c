/* schedule_audiences.c -- the audiences of a schedule, the schedules of an audience, and a run on
 * request (api.md 16.5). */
#include "api/schedules_int.h"

#include "base/hash.h"

#define MAP_MAX 100u

/* -------- lists of ids -------- */

/* Texts to a JSON array. */
typedef struct id_list {
    uint32_t n;
    mu_json *items;
} id_list;

static id_list new_list(mu_arena *arena, uint32_t n_max)
{
    return (id_list){.items = MU_NEW_ARRAY(arena, mu_json, n_max)};
}

static void add_id(id_list *list, mu_str id)
{
    list->items[list->n++] = mu_json_of_string(id);
}

static mu_json list_json(const id_list *list)
{
    return (mu_json){.kind = MU_JSON_ARRAY, .n = list->n, .items = list->items};
}

/* Streaming and edge audiences run with the system schedule only (api.md 16.2). */
static bool is_batch(const mu_audience *audience)
{
    return audience != NULL && !audience->is_external && !audience->streaming && !audience->edge;
}

static mu_json count_json(mu_arena *arena, uint32_t before, uint32_t after)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("previous"), mu_json_of_integer(before)},
                             {MU_STR("current"), mu_json_of_integer(after)},
                             {MU_STR("diff"), mu_json_of_integer((int64_t)after - before)});
}

static bool has_own_list(mu_api_schedule_ask *a, const mu_schedule *schedule)
{
    if (schedule->is_export)
        mu_api_schedule_complain(
            a, "/id: a schedule of type export has no audiences to add or remove");
    else if (schedule->covers_all)
        mu_api_schedule_complain(a, "/id: the schedule evaluates all audiences");
    return a->n_messages == 0;
}

static void remember(mu_strmap *map, const mu_json *list)
{
    mu_strmap_init(map);
    for (uint32_t i = 0; list != NULL && i < list->n; i++)
        if (list->items[i].kind == MU_JSON_STRING)
            (void)mu_strmap_put(map, list->items[i].string, NULL);
}

static mu_code add_audiences(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                             const mu_shelf_item *item, mu_err *err)
{
    mu_schedule schedule;
    mu_strmap present;
    mu_schedule_read(item, &schedule);
    if (!has_own_list(a, &schedule))
        return MU_E_INPUT;
    uint32_t n_asked = change->body->n, n_before = schedule.segments->n;
    id_list all = new_list(a->arena, n_before + n_asked), added = new_list(a->arena, n_asked),
            existing = new_list(a->arena, n_asked), invalid = new_list(a->arena, n_asked);
    remember(&present, schedule.segments);
    for (uint32_t i = 0; i < n_before; i++)
        add_id(&all, schedule.segments->items[i].string);
    for (uint32_t i = 0; i < n_asked; i++) {
        mu_str id = change->body->items[i].string;
        if (mu_strmap_get(&present, id) != NULL) {
            add_id(&existing, id);
        } else if (!is_batch(mu_audience_find(a->book, id))) {
            add_id(&invalid, id);
        } else {
            add_id(&added, id);
            add_id(&all, id);
        }
    }
    mu_strmap_free(&present);
    *change->answer = MU_JSON_OBJECT_OF(
        a->arena, {MU_STR("added"), list_json(&added)}, {MU_STR("existing"), list_json(&existing)},
        {MU_STR("invalid"), list_json(&invalid)},
        {MU_STR("segmentCount"), count_json(a->arena, n_before, all.n)});
    mu_json json = item->json;
    mu_api_schedule_set_segments(a->arena, &json, list_json(&all));
    return added.n == 0 ? MU_OK : mu_api_schedule_replace(a, item, &json, false, err);
}

static mu_code remove_audiences(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                                const mu_shelf_item *item, mu_err *err)
{
    mu_schedule schedule;
    mu_strmap present, leaving;
    mu_schedule_read(item, &schedule);
    if (!has_own_list(a, &schedule))
        return MU_E_INPUT;
    uint32_t n_asked = change->body->n, n_before = schedule.segments->n;
    id_list left = new_list(a->arena, n_before), removed = new_list(a->arena, n_asked),
            invalid = new_list(a->arena, n_asked);
    remember(&present, schedule.segments);
    remember(&leaving, change->body);
    for (uint32_t i = 0; i < n_asked; i++) {
        mu_str id = change->body->items[i].string;
        add_id(mu_strmap_get(&present, id) != NULL ? &removed : &invalid, id);
    }
    for (uint32_t i = 0; i < n_before; i++)
        if (mu_strmap_get(&leaving, schedule.segments->items[i].string) == NULL)
            add_id(&left, schedule.segments->items[i].string);
    mu_strmap_free(&present);
    mu_strmap_free(&leaving);
    *change->answer =
        MU_JSON_OBJECT_OF(a->arena, {MU_STR("removed"), list_json(&removed)},
                          {MU_STR("existing"), (mu_json){.kind = MU_JSON_ARRAY}},
                          {MU_STR("invalid"), list_json(&invalid)},
                          {MU_STR("segmentCount"), count_json(a->arena, n_before, left.n)});
    mu_json json = item->json;
    mu_api_schedule_set_segments(a->arena, &json, list_json(&left));
    return removed.n == 0 ? MU_OK : mu_api_schedule_replace(a, item, &json, false, err);
}

/* The member "id" and the member "segments" of a body, without duplicates. */
static mu_str read_id(mu_api_schedule_ask *a, const mu_json *body)
{
    const mu_json *id = mu_json_get(body, MU_STR("id"));
    if (id != NULL && id->kind == MU_JSON_STRING && id->string.len > 0)
        return id->string;
    mu_api_schedule_complain(a, "/id: must be the id of a schedule");
    return MU_STR("");
}

static mu_json read_ids(mu_api_schedule_ask *a, const mu_json *body)
{
    const mu_json *segments = mu_json_get(body, MU_STR("segments"));
    bool is_good = segments != NULL && segments->kind == MU_JSON_ARRAY && segments->n > 0;
    for (uint32_t i = 0; is_good && i < segments->n; i++)
        is_good = segments->items[i].kind == MU_JSON_STRING && segments->items[i].string.len > 0;
    if (is_good)
        return mu_api_schedule_distinct(a->arena, segments);
    mu_api_schedule_complain(a, "/segments: must be an array of ids, and not empty");
    return (mu_json){.kind = MU_JSON_ARRAY};
}

static mu_http_outcome change_audiences(mu_http_request *request, mu_http_response *response,
                                        bool adds)
{
    mu_api_schedule_ask a;
    mu_json body, ids, answer;
    mu_err err = {0};
    if (!mu_api_body_object(request, response, &body) ||
        !mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_api_schedule_change change = {.id = read_id(&a, &body),
                                     .body = &ids,
                                     .apply = adds ? add_audiences : remove_audiences,
                                     .answer = &answer};
    ids = read_ids(&a, &body);
    mu_http_outcome outcome;
    if (a.n_messages > 0)
        outcome = mu_api_schedule_refuse(&a);
    else if (mu_api_schedule_make(&a, &change, &err) != MU_OK)
        outcome = mu_api_schedule_failure(&a, &err);
    else
        outcome = mu_api_answer(response, 200, &answer);
    mu_api_schedule_end(&a);
    return outcome;
}

mu_http_outcome mu_api_schedule_post_add(mu_http_request *request, mu_http_response *response,
                                         void *context)
{
    (void)context;
    return change_audiences(request, response, true);
}

mu_http_outcome mu_api_schedule_post_remove(mu_http_request *request, mu_http_response *response,
                                            void *context)
{
    (void)context;
    return change_audiences(request, response, false);
}

/* -------- which schedules an audience is on -------- */

static bool is_on(const mu_api_schedule_ask *a, const mu_schedule *schedule, mu_str id)
{
    if (schedule->is_export || schedule->segments == NULL)
        return false;
    if (schedule->covers_all)
        return is_batch(mu_audience_find(a->book, id));
    for (uint32_t i = 0; i < schedule->segments->n; i++)
        if (schedule->segments->items[i].kind == MU_JSON_STRING &&
            mu_str_equal(schedule->segments->items[i].string, id))
            return true;
    return false;
}

static mu_json described(mu_arena *arena, const mu_schedule *schedule)
{
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("name"), mu_json_of_string(schedule->name)},
        {MU_STR("schedule"), mu_json_of_string(schedule->cron)},
        {MU_STR("frequency"), mu_json_of_string(mu_api_schedule_frequency(schedule->cron))});
}

static mu_json map_of(const mu_api_schedule_ask *a, const mu_json *ids, const mu_shelf *shelf)
{
    mu_json_pair *pairs = MU_NEW_ARRAY(a->arena, mu_json_pair, ids->n);
    mu_json schedules = {.kind = MU_JSON_OBJECT};
    for (uint32_t i = 0; i < ids->n; i++) {
        id_list list = new_list(a->arena, shelf->n);
        for (uint32_t k = 0; k < shelf->n; k++) {
            mu_schedule schedule;
            mu_schedule_read(shelf->items[k], &schedule);
            if (!is_on(a, &schedule, ids->items[i].string))
                continue;
            add_id(&list, schedule.id);
            mu_json_set(a->arena, &schedules, schedule.id, described(a->arena, &schedule));
        }
        pairs[i] = (mu_json_pair){ids->items[i].string, list_json(&list)};
    }
    return MU_JSON_OBJECT_OF(a->arena,
                             {MU_STR("audienceMap"), mu_json_object(a->arena, ids->n, pairs)},
                             {MU_STR("schedules"), schedules});
}

static mu_http_outcome map_checked(mu_api_schedule_ask *a, const mu_json *body)
{
    const mu_shelf *shelf;
    mu_err err;
    mu_json ids = read_ids(a, body);
    if (ids.n > MAP_MAX)
        mu_api_schedule_complain(a, "/segments: at most %u ids", MAP_MAX);
    if (a->n_messages > 0)
        return mu_api_schedule_refuse(a);
    if (mu_shelf_acquire(a->workspace->shelves, MU_SCHEDULE_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(a->request, a->response, &err);
    mu_json json = map_of(a, &ids, shelf);
    mu_http_outcome outcome = mu_api_answer(a->response, 200, &json);
    mu_shelf_release(shelf);
    return outcome;
}

mu_http_outcome mu_api_schedule_post_map(mu_http_request *request, mu_http_response *response,
                                         void *context)
{
    mu_api_schedule_ask a;
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body) ||
        !mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = map_checked(&a, &body);
    mu_api_schedule_end(&a);
    return outcome;
}

/* -------- a run on request -------- */

static mu_http_outcome trigger_checked(mu_api_schedule_ask *a, const mu_json *body)
{
    mu_err err = {0};
    mu_str id = read_id(a, body);
    if (a->n_messages > 0)
        return mu_api_schedule_refuse(a);
    switch (mu_schedules_trigger(a->call->api->schedules, a->workspace, id, &err)) {
    case MU_OK:
        return mu_api_schedule_empty(a, 200);
    case MU_E_LIMIT:
        return mu_api_problem(a->request, a->response, 429, MU_STR("UPAPI-119919-429"),
                              mu_str_from(err.text));
    case MU_E_NOT_FOUND:
        return mu_api_schedule_not_found(a);
    default:
        return mu_api_fail(a->request, a->response, &err);
    }
}

mu_http_outcome mu_api_schedule_post_trigger(mu_http_request *request, mu_http_response *response,
                                             void *context)
{
    mu_api_schedule_ask a;
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body) ||
        !mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = trigger_checked(&a, &body);
    mu_api_schedule_end(&a);
    return outcome;
}
