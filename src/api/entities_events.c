/* entities_events.c -- a page of one profile's events.
 *
 * A page's token names the event that the next page begins with: "t", its timestamp, ".", and how
 * many events of that timestamp come before it. Events that arrive meanwhile do not move it, unless
 * they have that very timestamp.
 */
#include "api/entities_int.h"

#include "base/number.h"
#include "base/time.h"
#include "profile/profile.h"

typedef struct spot {
    int64_t timestamp_ms;
    int64_t ordinal; /* among the events of one timestamp */
} spot;

/* The events that come at a spot or after it. */
typedef struct paging {
    mu_entity_ask *ask;
    const mu_entity_target *target;
    const mu_schema *schema;
    mu_value events;
    uint32_t id, timestamp, received; /* fields; MU_NO_SUCH when the schema lacks one */
    bool has_start;
    spot start;
} paging;

#define MU_NO_SUCH UINT32_MAX

/* -------- tokens -------- */

static mu_str token_of(mu_arena *arena, spot at)
{
    return mu_arena_format(arena, "t%lld.%lld", (long long)at.timestamp_ms, (long long)at.ordinal);
}

static bool read_token(mu_str text, spot *out)
{
    size_t dot = mu_str_find(text, MU_STR("."));
    return dot != SIZE_MAX && text.ptr[0] == 't' &&
           mu_parse_integer((mu_str){text.ptr + 1, dot - 1}, &out->timestamp_ms) &&
           mu_parse_integer((mu_str){text.ptr + dot + 1, text.len - dot - 1}, &out->ordinal) &&
           out->ordinal >= 0;
}

static mu_value field_of(mu_value event, uint32_t field)
{
    return field < event.n ? event.items[field] : MU_VALUE_NULL;
}

static mu_str text_of(mu_value event, uint32_t field)
{
    mu_value value = field_of(event, field);
    return value.kind == MU_TYPE_STRING ? value.string : MU_STR("");
}

static int64_t time_of(mu_value event, uint32_t field)
{
    mu_value value = field_of(event, field);
    return mu_value_is_null(value) ? 0 : value.integer;
}

/* The i-th event in the order asked for. */
static mu_value event_at(const paging *p, uint32_t i)
{
    return p->events.items[p->ask->is_descending ? p->events.n - 1 - i : i];
}

/* Moves on to the i-th event; `at` is the spot of the one before. */
static spot next_spot(const paging *p, uint32_t i, spot at)
{
    int64_t timestamp_ms = time_of(event_at(p, i), p->timestamp);
    bool same = i > 0 && timestamp_ms == at.timestamp_ms;
    return (spot){timestamp_ms, same ? at.ordinal + 1 : 0};
}

static bool is_before(const paging *p, spot a, spot b)
{
    if (a.timestamp_ms != b.timestamp_ms)
        return p->ask->is_descending ? a.timestamp_ms > b.timestamp_ms
                                     : a.timestamp_ms < b.timestamp_ms;
    return a.ordinal < b.ordinal;
}

static mu_code find_start(paging *p, mu_err *err)
{
    mu_str start = p->target->start;
    spot at = {0, 0};
    if (start.len == 0)
        return MU_OK;
    p->has_start = true;
    if (read_token(start, &p->start))
        return MU_OK;
    for (uint32_t i = 0; i < p->events.n; i++) {
        at = next_spot(p, i, at);
        if (!mu_str_equal(text_of(event_at(p, i), p->id), start))
            continue;
        p->start = at;
        return MU_OK;
    }
    return mu_fail(err, MU_E_INPUT, "The parameter start names no page and no event: " MU_STR_FMT,
                   MU_STR_ARG(start));
}

/* -------- filters -------- */

static bool holds(int order, mu_entity_operator operator)
{
    switch (operator) {
    case MU_ENTITY_EQUAL:
        return order == 0;
    case MU_ENTITY_NOT_EQUAL:
        return order != 0;
    case MU_ENTITY_LESS:
        return order < 0;
    case MU_ENTITY_LESS_OR_EQUAL:
        return order <= 0;
    case MU_ENTITY_GREATER:
        return order > 0;
    case MU_ENTITY_GREATER_OR_EQUAL:
        return order >= 0;
    }
    return false;
}

static int order_of(double a, double b)
{
    return (a > b) - (a < b);
}

/* Whether a scalar compares so with the literal; one of another kind does not. */
static bool scalar_holds(mu_value value, const mu_entity_filter *filter)
{
    double number;
    int64_t instant;
    mu_str literal = filter->literal;
    switch (value.kind) {
    case MU_TYPE_STRING:
        return holds(mu_str_compare(value.string, literal), filter->operator);
    case MU_TYPE_BOOLEAN:
        return holds(
            !mu_str_equal_ascii_nocase(literal, value.boolean ? MU_STR("true") : MU_STR("false")),
            filter->operator);
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        return mu_parse_double(literal, &number) &&
               holds(order_of(value.kind == MU_TYPE_DOUBLE ? value.number : (double)value.integer,
                              number),
                     filter->operator);
    case MU_TYPE_DATE:
        return mu_parse_date(literal, &instant) &&
               holds((value.integer > instant) - (value.integer < instant), filter->operator);
    case MU_TYPE_TIMESTAMP:
        return (mu_parse_time(literal, &instant) || mu_parse_integer(literal, &instant)) &&
               holds((value.integer > instant) - (value.integer < instant), filter->operator);
    default:
        return false;
    }
}

/* Whether some value at the path compares so. Every step of the path, and every list, is one level
 * of the event's type, which bounds the recursion. */
static bool any_holds(mu_value value, mu_str path, const mu_entity_filter *filter)
{
    if (value.kind == MU_TYPE_LIST) {
        for (uint32_t i = 0; i < value.n; i++)
            if (any_holds(value.items[i], path, filter))
                return true;
        return false;
    }
    if (path.len == 0)
        return scalar_holds(value, filter);
    const char *dot = memchr(path.ptr, '.', path.len);
    mu_str step = {path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
    size_t taken = dot == NULL ? step.len : step.len + 1;
    return any_holds(mu_value_member(value, step), (mu_str){path.ptr + taken, path.len - taken},
                     filter);
}

/* "!=" is what "=" is not: an absent value is unequal to everything. */
static bool passes(const mu_entity_ask *ask, mu_value event)
{
    for (uint32_t i = 0; i < ask->n_filters; i++) {
        mu_entity_filter filter = ask->filters[i];
        bool is_unequal = filter.operator== MU_ENTITY_NOT_EQUAL;
        if (is_unequal)
            filter.operator= MU_ENTITY_EQUAL;
        if (any_holds(event, filter.path, &filter) == is_unequal)
            return false;
    }
    return true;
}

static bool is_asked_for(const paging *p, mu_value event, spot at)
{
    return at.timestamp_ms >= p->ask->start_ms && at.timestamp_ms < p->ask->end_ms &&
           !(p->has_start && is_before(p, at, p->start)) && passes(p->ask, event);
}

/* -------- the page -------- */

static mu_code child_of(const paging *p, mu_value event, mu_json *out, mu_err *err)
{
    mu_arena *arena = p->ask->arena;
    mu_json entity;
    MU_TRY(mu_content_event_json(arena, p->schema, NULL, event, &entity, err));
    *out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("relatedEntityId"), mu_json_of_string(p->target->xid)},
        {MU_STR("entityId"), mu_json_of_string(text_of(event, p->id))},
        {MU_STR("timestamp"), mu_json_of_integer(time_of(event, p->timestamp))},
        {MU_STR("entity"), mu_entity_select(p->ask, &entity)},
        {MU_STR("lastModifiedAt"), mu_entity_json_time(arena, time_of(event, p->received))});
    return MU_OK;
}

static mu_code fill_page(const paging *p, mu_entity_list *children, mu_str *next_id, mu_str *next,
                         mu_err *err)
{
    spot at = {0, 0};
    for (uint32_t i = 0; i < p->events.n; i++) {
        mu_value event = event_at(p, i);
        mu_json child;
        at = next_spot(p, i, at);
        if (!is_asked_for(p, event, at))
            continue;
        if (children->n == p->ask->limit) {
            *next_id = text_of(event, p->id);
            *next = token_of(p->ask->arena, at);
            return MU_OK;
        }
        MU_TRY(child_of(p, event, &child, err));
        mu_entity_list_add(children, MU_STR(""), child);
    }
    return MU_OK;
}

static uint32_t field_number(const mu_schema *schema, mu_str name)
{
    int field = mu_type_field(schema->event, name);
    return field < 0 ? MU_NO_SUCH : (uint32_t)field;
}

static mu_json page_json(const mu_entity_ask *ask, const mu_entity_list *children, mu_str next_id)
{
    mu_str first = children->n == 0
                       ? MU_STR("")
                       : mu_json_member_string(&children->items[0], MU_STR("entityId"), MU_STR(""));
    return MU_JSON_OBJECT_OF(
        ask->arena,
        {MU_STR("_page"),
         MU_JSON_OBJECT_OF(
             ask->arena,
             {MU_STR("orderby"),
              mu_json_of_string(ask->is_descending ? MU_STR("-timestamp") : MU_STR("timestamp"))},
             {MU_STR("start"), mu_json_of_string(first)},
             {MU_STR("count"), mu_json_of_integer(children->n)},
             {MU_STR("next"), mu_json_of_string(next_id)})},
        {MU_STR("children"), mu_entity_list_array(children)});
}

mu_code mu_entity_events(mu_entity_ask *ask, const mu_entity_target *target, mu_entity_answer *out,
                         mu_err *err)
{
    mu_lookup lookup;
    mu_profile_view view;
    bool found;
    mu_entity_list children = {.arena = ask->arena};
    mu_str next_id = MU_STR(""), next = MU_STR("");
    MU_TRY(mu_entity_view(ask, target, &found, &lookup, &view, err));
    if (found && view.n_identities > MU_CLUSTER_IDENTITIES_MAX) {
        *out = (mu_entity_answer){.status = 422};
        return MU_OK;
    }
    if (found) {
        paging p = {.ask = ask,
                    .target = target,
                    .schema = lookup.schema,
                    .events = view.events,
                    .id = field_number(lookup.schema, MU_FIELD_ID),
                    .timestamp = field_number(lookup.schema, MU_FIELD_TIMESTAMP),
                    .received = field_number(lookup.schema, MU_STR("$received"))};
        MU_TRY(find_start(&p, err));
        MU_TRY(fill_page(&p, &children, &next_id, &next, err));
    }
    *out =
        (mu_entity_answer){.status = 200, .json = page_json(ask, &children, next_id), .next = next};
    return MU_OK;
}
