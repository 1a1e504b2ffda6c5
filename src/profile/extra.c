/* extra.c -- what the schema had no field for: shown with the event, found again later. */
#include "profile/content_int.h"

/* `event` without the store's own fields. */
static mu_value plain_event(mu_arena *arena, const mu_content_fields *fields, mu_value event)
{
    const uint32_t own[] = {fields->dataset, fields->key,      fields->identity,
                            fields->batch,   fields->received, fields->extra};
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, event.n);
    memcpy(items, event.items, event.n * sizeof *items);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] < event.n)
            items[own[i]] = MU_VALUE_NULL;
    event.items = items;
    return event;
}

static mu_code event_json(mu_parsing *parsing, const mu_content_fields *fields, mu_value event,
                          mu_json *out, mu_err *err)
{
    mu_json json, extra = {.kind = MU_JSON_NULL};
    mu_str text = mu_content_value_text(parsing->arena, plain_event(parsing->arena, fields, event));
    mu_str extra_text = mu_text_at(event, fields->extra);
    MU_TRY(mu_parsing_read(parsing, text, &json, err));
    if (extra_text.len > 0)
        MU_TRY(mu_parsing_read(parsing, extra_text, &extra, err));
    *out = mu_json_unfit(parsing->arena, &json, &extra);
    return MU_OK;
}

mu_code mu_content_event_json(mu_arena *arena, const mu_schema *schema, mu_json_reader *reader,
                              mu_value event, mu_json *out, mu_err *err)
{
    mu_content_fields fields = mu_content_fields_of(schema);
    mu_parsing parsing = mu_parsing_begin(arena, reader);
    mu_code code = event_json(&parsing, &fields, event, out, err);
    mu_parsing_end(&parsing);
    return code;
}

/* The event with what the schema has fields for by now; *out is `event` when that is nothing. */
static mu_code refresh_event(mu_parsing *parsing, const mu_schema *schema,
                             const mu_content_fields *fields, mu_value event, mu_value *out,
                             bool *changed, mu_err *err)
{
    mu_arena *arena = parsing->arena;
    mu_json json, extra;
    mu_value fresh;
    *out = event;
    if (mu_text_at(event, fields->extra).len == 0)
        return MU_OK;
    MU_TRY(event_json(parsing, fields, event, &json, err));
    MU_TRY(mu_json_fit(arena, schema->event, &json, &fresh, &extra, err));
    mu_value *items = (mu_value *)(uintptr_t)fresh.items; /* just made */
    const uint32_t own[] = {fields->timestamp, fields->dataset, fields->key,
                            fields->identity,  fields->batch,   fields->received};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        items[own[i]] = event.items[own[i]];
    items[fields->extra] = extra.kind == MU_JSON_NULL
                               ? MU_VALUE_NULL
                               : mu_value_string(mu_content_json_text(arena, &extra));
    if (mu_value_identical(event, fresh))
        return MU_OK;
    *out = fresh;
    *changed = true;
    return MU_OK;
}

static mu_code refresh_events(mu_parsing *parsing, const mu_schema *schema, mu_value *events,
                              bool *changed, mu_err *err)
{
    mu_content_fields fields = mu_content_fields_of(schema);
    mu_value *items = MU_NEW_ARRAY(parsing->arena, mu_value, events->n);
    bool any = false;
    for (uint32_t i = 0; i < events->n; i++)
        MU_TRY(refresh_event(parsing, schema, &fields, events->items[i], &items[i], &any, err));
    if (any)
        events->items = items;
    *changed = any;
    return MU_OK;
}

mu_code mu_content_refresh(mu_arena *arena, const mu_schema *schema, mu_content *content,
                           bool *changed, mu_err *err)
{
    mu_parsing parsing = mu_parsing_begin(arena, content->reader);
    mu_value events = content->events;
    bool events_changed = false, has_documents = false;
    mu_code code = refresh_events(&parsing, schema, &events, &events_changed, err);
    mu_parsing_end(&parsing);
    MU_TRY(code);
    for (uint32_t i = 0; i < content->n_fragments; i++)
        has_documents = has_documents || content->fragments[i].document.len > 0;
    content->events = events;
    if (has_documents)
        content->attributes = MU_VALUE_NULL;
    *changed = events_changed || has_documents;
    return MU_OK;
}
