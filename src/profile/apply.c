/* apply.c -- records change what is known of a cluster (profile.md c.1, d.5, e.5). */
#include "profile/content_int.h"

#include "base/hash.h"

/* A fragment while records change it. */
typedef struct draft {
    mu_fragment fragment;
    mu_json tree; /* kind NULL: the document says it, unparsed */
    bool is_changed;
    bool is_gone;
} draft;

typedef struct applying {
    mu_arena *arena;
    const mu_schema *schema;
    mu_content_fields fields;
    mu_parsing parsing;
    mu_content content; /* a copy, given back when all went well */
    draft *drafts;      /* NULL until a record touches a fragment */
    uint32_t n_drafts, drafts_capacity;
    bool fragments_changed;
    bool has_set; /* `set` has taken over the events */
    mu_event_join set;
    uint32_t n_events_left;          /* records that may still add an event */
    mu_str last_dataset, last_batch; /* as last copied */
    mu_err *err;
} applying;

/* Texts of records do not outlive the call; neighbours mostly share them. */
static mu_str keep_text(applying *a, mu_str text, mu_str *last)
{
    if (!mu_str_equal(text, *last))
        *last = mu_arena_copy(a->arena, text);
    return *last;
}

static mu_code find_place(applying *a, const mu_record *record, uint32_t *out)
{
    const mu_graph_cluster *cluster = &a->content.cluster;
    for (uint32_t i = 0; record->n_identities > 0 && i < cluster->n_identities; i++) {
        const mu_identity *identity = &cluster->identities[i].identity;
        if (!mu_str_equal(identity->value, record->identities[0].value) ||
            !mu_str_equal(identity->namespace_code, record->identities[0].namespace_code))
            continue;
        *out = i;
        return MU_OK;
    }
    return mu_fail(a->err, MU_E_INPUT, "a record's identity is none of pid %u", a->content.pid);
}

/* -------- fragments -------- */

static void begin_drafts(applying *a)
{
    if (a->drafts != NULL)
        return;
    uint32_t n = a->content.n_fragments;
    a->drafts_capacity = n < 4 ? 8 : n * 2;
    a->drafts = MU_NEW_ARRAY(a->arena, draft, a->drafts_capacity);
    for (uint32_t i = 0; i < n; i++) {
        a->drafts[i].fragment = a->content.fragments[i];
        mu_fragment_materialise(a->arena, a->schema, &a->content, &a->drafts[i].fragment);
    }
    a->n_drafts = n;
}

/* The fragment of a dataset and identity, made (gone as yet) when it is not there. */
static draft *find_draft(applying *a, mu_str dataset, uint32_t place)
{
    begin_drafts(a);
    for (uint32_t i = 0; i < a->n_drafts; i++)
        if (a->drafts[i].fragment.identity == place &&
            mu_str_equal(a->drafts[i].fragment.dataset, dataset))
            return &a->drafts[i];
    if (a->n_drafts == a->drafts_capacity) {
        draft *more = MU_NEW_ARRAY(a->arena, draft, (size_t)a->drafts_capacity * 2);
        memcpy(more, a->drafts, a->n_drafts * sizeof *more);
        a->drafts = more;
        a->drafts_capacity *= 2;
    }
    draft *made = &a->drafts[a->n_drafts++];
    *made = (draft){.is_gone = true};
    made->fragment.dataset = keep_text(a, dataset, &a->last_dataset);
    made->fragment.identity = place;
    return made;
}

static void add_batch(applying *a, mu_fragment *fragment, mu_str batch)
{
    if (batch.len == 0 || (fragment->n_batches > 0 && mu_str_equal(fragment->batches[0], batch)))
        return;
    mu_str *batches = MU_NEW_ARRAY(a->arena, mu_str, MU_FRAGMENT_BATCHES_MAX);
    uint32_t n = 0;
    batches[n++] = keep_text(a, batch, &a->last_batch);
    for (uint32_t i = 0; i < fragment->n_batches && n < MU_FRAGMENT_BATCHES_MAX; i++)
        if (!mu_str_equal(fragment->batches[i], batch))
            batches[n++] = fragment->batches[i];
    fragment->batches = batches;
    fragment->n_batches = n;
}

static void drop_draft(applying *a, draft *d)
{
    a->fragments_changed = a->fragments_changed || !d->is_gone;
    d->is_gone = true;
    d->fragment.n_batches = 0;
    d->fragment.document = MU_STR("");
    d->tree = (mu_json){.kind = MU_JSON_NULL};
}

static mu_code current_tree(applying *a, draft *d, mu_json *out)
{
    if (d->is_gone)
        *out = (mu_json){.kind = MU_JSON_OBJECT};
    else if (d->tree.kind == MU_JSON_NULL)
        return mu_parsing_read(&a->parsing, d->fragment.document, out, a->err);
    else
        *out = d->tree;
    return MU_OK;
}

/* CREATE or MERGE. */
static mu_code write_fragment(applying *a, const mu_applied_record *applied, uint32_t place)
{
    const mu_record *record = &applied->record;
    draft *d = find_draft(a, record->dataset, place);
    if (record->time_ms != 0 && !d->is_gone && record->time_ms <= d->fragment.modified_ms)
        return MU_OK;
    mu_json document, before;
    MU_TRY(mu_parsing_read(&a->parsing, record->document, &document, a->err));
    if (record->kind == MU_RECORD_MERGE) {
        MU_TRY(current_tree(a, d, &before));
        document = mu_json_patch(a->arena, &before, &document);
    } else if (d->is_gone) {
        d->fragment.n_batches = 0;
    }
    d->tree = document;
    d->is_changed = true;
    d->is_gone = false;
    d->fragment.modified_ms = record->time_ms != 0 ? record->time_ms : record->received_ms;
    d->fragment.sequence = applied->sequence;
    add_batch(a, &d->fragment, record->batch);
    a->fragments_changed = true;
    return MU_OK;
}

static void finish_fragments(applying *a)
{
    if (!a->fragments_changed)
        return;
    mu_fragment *fragments = MU_NEW_ARRAY(a->arena, mu_fragment, a->n_drafts);
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_drafts; i++) {
        draft *d = &a->drafts[i];
        if (d->is_gone)
            continue;
        if (d->is_changed)
            d->fragment.document = mu_content_json_text(a->arena, &d->tree);
        fragments[n++] = d->fragment;
    }
    a->content.fragments = fragments;
    a->content.n_fragments = n;
    a->content.attributes = MU_VALUE_NULL;
}

/* -------- events -------- */

static void begin_set(applying *a)
{
    if (a->has_set)
        return;
    mu_value events = a->content.events;
    mu_event_join_init(&a->set, a->arena, &a->fields, events.n + a->n_events_left);
    for (uint32_t i = 0; i < events.n; i++)
        mu_event_join_add(&a->set, events.items[i], 0);
    mu_event_join_is_sorted(&a->set);
    a->has_set = true;
}

/* The system fields of a new event; its items are ours. */
static void set_event_fields(applying *a, const mu_record *record, uint32_t place, mu_value *items,
                             const mu_json *extra)
{
    const mu_content_fields *f = &a->fields;
    mu_value id = items[f->id];
    bool id_is_key = id.kind == MU_TYPE_STRING && mu_str_equal(id.string, record->key);
    items[f->timestamp] = mu_value_timestamp(record->time_ms);
    items[f->dataset] = mu_value_string(keep_text(a, record->dataset, &a->last_dataset));
    items[f->key] = id_is_key
                        ? MU_VALUE_NULL
                        : mu_value_integer((int64_t)mu_hash64(record->key.ptr, record->key.len, 0));
    items[f->identity] = mu_value_integer(place);
    items[f->batch] = record->batch.len == 0
                          ? MU_VALUE_NULL
                          : mu_value_string(keep_text(a, record->batch, &a->last_batch));
    items[f->received] = mu_value_timestamp(record->received_ms);
    items[f->extra] = extra->kind == MU_JSON_NULL
                          ? MU_VALUE_NULL
                          : mu_value_string(mu_content_json_text(a->arena, extra));
}

static mu_code add_event(applying *a, const mu_applied_record *applied, uint32_t place)
{
    mu_json json, extra;
    mu_value event;
    MU_TRY(mu_parsing_read(&a->parsing, applied->record.document, &json, a->err));
    MU_TRY(mu_json_fit(a->arena, a->schema->event, &json, &event, &extra, a->err));
    set_event_fields(a, &applied->record, place, (mu_value *)(uintptr_t)event.items, &extra);
    begin_set(a);
    mu_event_join_add(&a->set, event, applied->sequence);
    return MU_OK;
}

static void finish_events(applying *a)
{
    if (a->has_set)
        a->content.events = mu_event_join_list(&a->set);
}

/* -------- drops -------- */

static bool drops_event(const applying *a, const mu_record *record, mu_value event)
{
    return (record->dataset.len == 0 ||
            mu_str_equal(mu_text_at(event, a->fields.dataset), record->dataset)) &&
           (record->batch.len == 0 ||
            mu_str_equal(mu_text_at(event, a->fields.batch), record->batch)) &&
           (record->time_ms == 0 || mu_number_at(event, a->fields.timestamp) < record->time_ms);
}

static bool drops_any(const applying *a, const mu_record *record)
{
    for (uint32_t i = 0; i < a->content.events.n; i++)
        if (drops_event(a, record, a->content.events.items[i]))
            return true;
    return false;
}

/* Says nothing about what it drops: drops nothing. */
static bool is_boundless(const mu_record *record)
{
    return record->dataset.len == 0 && record->batch.len == 0 && record->time_ms == 0;
}

static void drop(applying *a, const mu_record *record)
{
    if (is_boundless(record))
        return;
    if (a->has_set || drops_any(a, record)) {
        begin_set(a);
        for (uint32_t i = 0; i < a->set.n; i++)
            if (drops_event(a, record, a->set.entries[i].event))
                a->set.entries[i].is_gone = true;
    }
    if (record->batch.len > 0 || record->time_ms != 0)
        return;
    begin_drafts(a);
    for (uint32_t i = 0; i < a->n_drafts; i++)
        if (mu_str_equal(a->drafts[i].fragment.dataset, record->dataset))
            drop_draft(a, &a->drafts[i]);
}

/* All that one identity has. */
static void drop_identity(applying *a, uint32_t place)
{
    begin_set(a);
    for (uint32_t i = 0; i < a->set.n; i++)
        if (mu_number_at(a->set.entries[i].event, a->fields.identity) == place)
            a->set.entries[i].is_gone = true;
    begin_drafts(a);
    for (uint32_t i = 0; i < a->n_drafts; i++)
        if (a->drafts[i].fragment.identity == place)
            drop_draft(a, &a->drafts[i]);
}

/* -------- all records -------- */

static mu_code apply_one(applying *a, const mu_applied_record *applied)
{
    uint32_t place = 0;
    switch (applied->record.kind) {
    case MU_RECORD_CREATE:
    case MU_RECORD_MERGE:
        MU_TRY(find_place(a, &applied->record, &place));
        return write_fragment(a, applied, place);
    case MU_RECORD_DELETE:
        MU_TRY(find_place(a, &applied->record, &place));
        if (applied->record.dataset.len == 0)
            drop_identity(a, place);
        else
            drop_draft(a, find_draft(a, applied->record.dataset, place));
        return MU_OK;
    case MU_RECORD_EVENT:
        MU_TRY(find_place(a, &applied->record, &place));
        return add_event(a, applied, place);
    case MU_RECORD_DROP:
        drop(a, &applied->record);
        return MU_OK;
    default:
        return MU_OK;
    }
}

static mu_code apply_all(applying *a, uint32_t n_records, const mu_applied_record *records)
{
    for (uint32_t i = 0; i < n_records; i++)
        a->n_events_left += records[i].record.kind == MU_RECORD_EVENT;
    for (uint32_t i = 0; i < n_records; i++) {
        MU_ASSERT(i == 0 || records[i - 1].sequence < records[i].sequence);
        MU_TRY(apply_one(a, &records[i]));
    }
    finish_fragments(a);
    finish_events(a);
    return MU_OK;
}

mu_code mu_content_apply(mu_arena *arena, const mu_schema *schema, mu_content *content,
                         uint32_t n_records, const mu_applied_record *records, mu_err *err)
{
    applying a = {.arena = arena,
                  .schema = schema,
                  .fields = mu_content_fields_of(schema),
                  .parsing = mu_parsing_begin(arena, content->reader),
                  .content = *content,
                  .err = err};
    MU_ASSERT(a.fields.extra != MU_NO_FIELD);
    mu_code code = apply_all(&a, n_records, records);
    mu_parsing_end(&a.parsing);
    if (code == MU_OK)
        *content = a.content;
    return code;
}
