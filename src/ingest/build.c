#include "ingest/ingest_int.h"

#include "base/thread.h"
#include "base/time.h"
#include "profile/profile.h"

#include <stdlib.h>

/* -------- what all parts share -------- */

typedef struct entity_build {
    mu_str name;
    const mu_type *row_type;
    const mu_entity *old;  /* NULL when it has no rows */
    bool *part_is_current; /* per old part: its row type is row_type */
} entity_build;

typedef struct late_reject {
    uint64_t line;
    uint32_t file;
    uint32_t reason;
} late_reject;

typedef struct build {
    mu_load_run *run;
    mu_change *change;
    const mu_schema *schema;
    const uint32_t *const *slots;
    entity_build *entities;
    uint32_t n_profile_fields;
    uint32_t id_slot, timestamp_slot, dataset_slot, key_slot; /* of the event type */
    struct part_build *builders;                              /* per thread */
    pthread_mutex_t lock; /* guards the change, and what follows */
    uint64_t n_duplicates;
    mu_arena arena;
    mu_strmap reason_numbers;
    mu_str *reasons;
    uint32_t n_reasons;
    size_t reasons_capacity;
    late_reject *rejects;
    size_t n_rejects, rejects_capacity;
} build;

/* -------- what one part under construction needs; reused -------- */

typedef struct entry {
    uint64_t hash;
    uint64_t order; /* file and line: the later one wins */
    const mu_record *record;
} entry;

/* The records of one identity. */
typedef struct group {
    size_t first, n; /* entries */
    uint32_t pid, mixed;
    uint16_t entity;
    bool exists;
    mu_row_place place;
} group;

typedef struct event_entry {
    int64_t timestamp_ms;
    uint64_t key_hash, order;
    mu_value event;
} event_entry;

typedef struct part_build {
    build *shared;
    mu_arena arena; /* of one row */
    mu_run *runs;   /* the records */
    size_t n_runs, runs_capacity;
    entry *entries;
    size_t n_entries, entries_capacity;
    group *groups;
    size_t n_groups, groups_capacity;
    event_entry *events;
    size_t n_events, events_capacity;
    uint64_t n_duplicates;
    mu_part_writer *writer;
} part_build;

static mu_str namespace_of(const build *b, const mu_record *record)
{
    return b->run->workers[record->worker].namespaces.names[record->namespace];
}

static mu_str dataset_of(const build *b, const mu_record *record)
{
    return b->run->workers[record->worker].datasets.names[record->dataset];
}

static mu_identity identity_of(const build *b, const mu_record *record)
{
    return (mu_identity){namespace_of(b, record), mu_record_identity(record)};
}

/* -------- grouping -------- */

static int compare_entries(const void *pa, const void *pb)
{
    const entry *a = pa, *b = pb;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_subjects(const build *b, const mu_record *x, const mu_record *y)
{
    if (x->entity != y->entity)
        return x->entity < y->entity ? -1 : 1;
    int order = mu_str_compare(mu_record_identity(x), mu_record_identity(y));
    bool same_number = x->worker == y->worker && x->namespace == y->namespace;
    if (order != 0 || same_number)
        return order;
    return mu_str_compare(namespace_of(b, x), namespace_of(b, y));
}

static int compare_colliding(const void *pa, const void *pb, void *context)
{
    const entry *a = pa, *b = pb;
    int order = compare_subjects(context, a->record, b->record);
    return order != 0 ? order : compare_entries(pa, pb);
}

static void add_entries(part_build *p, const mu_run *run)
{
    for (size_t at = 0; at < run->len;) {
        const mu_record *record = (const void *)(run->bytes + at);
        p->entries = mu_room(p->entries, p->n_entries, &p->entries_capacity, sizeof *p->entries);
        p->entries[p->n_entries++] = (entry){
            .hash = record->identity_hash,
            .order = record->order,
            .record = record,
        };
        at += record->size_bytes;
    }
}

/* The records of the part's slices, in the order of hash, file and line. Slices are small and
 * ascend with the hash, so that what is built one after the other lies close together in memory. */
static mu_code collect_entries(part_build *p, uint32_t first_slice, uint32_t end_slice, mu_err *err)
{
    p->n_entries = 0;
    for (uint32_t slice = first_slice; slice < end_slice; slice++) {
        size_t n_before = p->n_entries, first_run = p->n_runs;
        MU_TRY(mu_spread_take(p->shared->run->spread, slice, &p->runs, &p->n_runs,
                              &p->runs_capacity, err));
        for (size_t r = first_run; r < p->n_runs; r++)
            add_entries(p, &p->runs[r]);
        if (p->n_entries > n_before)
            qsort(&p->entries[n_before], p->n_entries - n_before, sizeof *p->entries,
                  compare_entries);
    }
    return MU_OK;
}

/* Entries [first, end) have one hash; almost always they have one identity too. */
static void add_groups(part_build *p, size_t first, size_t end)
{
    const build *b = p->shared;
    for (size_t i = first + 1; i < end; i++) {
        if (compare_subjects(b, p->entries[first].record, p->entries[i].record) == 0)
            continue;
        qsort_r(&p->entries[first], end - first, sizeof *p->entries, compare_colliding, p->shared);
        break;
    }
    for (size_t i = first; i < end; i++) {
        const mu_record *record = p->entries[i].record;
        if (i > first && compare_subjects(b, p->entries[i - 1].record, record) == 0) {
            p->groups[p->n_groups - 1].n++;
            continue;
        }
        p->groups = mu_room(p->groups, p->n_groups, &p->groups_capacity, sizeof *p->groups);
        p->groups[p->n_groups++] = (group){.first = i, .n = 1, .entity = record->entity};
    }
}

static void collect_groups(part_build *p)
{
    p->n_groups = 0;
    for (size_t first = 0, end; first < p->n_entries; first = end) {
        for (end = first + 1; end < p->n_entries; end++)
            if (p->entries[end].hash != p->entries[first].hash)
                break;
        add_groups(p, first, end);
    }
}

/* -------- pids -------- */

static mu_code pid_of_row(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    uint32_t low = 0, high = mu_part_block_count(part);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_part_block(part, middle).row <= row)
            low = middle;
        else
            high = middle;
    }
    const uint32_t *pids;
    MU_TRY(mu_part_pids(part, low, &pids, err));
    *out = pids[row - mu_part_block(part, low).row];
    return MU_OK;
}

static mu_code find_group(part_build *p, group *g, mu_err *err)
{
    const entity_build *entity = &p->shared->entities[g->entity];
    if (entity->old == NULL)
        return MU_OK;
    mu_identity identity = identity_of(p->shared, p->entries[g->first].record);
    MU_TRY(mu_entity_find(entity->old, identity, &g->exists, &g->place, err));
    if (!g->exists)
        return MU_OK;
    return pid_of_row(entity->old->parts[g->place.part], g->place.row, &g->pid, err);
}

static mu_code new_pids(part_build *p, uint16_t entity, uint32_t n, uint32_t *first, mu_err *err)
{
    build *b = p->shared;
    pthread_mutex_lock(&b->lock);
    mu_code code = mu_change_new_pids(b->change, b->entities[entity].name, n, first, err);
    pthread_mutex_unlock(&b->lock);
    return code;
}

static int compare_mixed(const void *pa, const void *pb)
{
    uint32_t a = mu_mix32(*(const uint32_t *)pa), b = mu_mix32(*(const uint32_t *)pb);
    return (a > b) - (a < b);
}

/* Gives the entity's new groups pids in such an order that rows come in the order of their hashes:
 * records are then read from memory one after the other. */
static mu_code number_groups(part_build *p, uint16_t entity, mu_err *err)
{
    uint32_t n = 0, first = 0, next = 0;
    for (size_t i = 0; i < p->n_groups; i++)
        n += p->groups[i].entity == entity && !p->groups[i].exists;
    if (n > 0)
        MU_TRY(new_pids(p, entity, n, &first, err));
    uint32_t *pids = reallocarray(NULL, (size_t)n + 1, sizeof *pids);
    if (pids == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for %u new pids", n);
    for (uint32_t i = 0; i < n; i++)
        pids[i] = first + i;
    qsort(pids, n, sizeof *pids, compare_mixed);
    for (size_t i = 0; i < p->n_groups; i++) {
        group *g = &p->groups[i];
        if (g->entity != entity)
            continue;
        if (!g->exists)
            g->pid = pids[next++];
        g->mixed = mu_mix32(g->pid);
    }
    free(pids);
    return MU_OK;
}

static int compare_groups(const void *pa, const void *pb)
{
    const group *a = pa, *b = pb;
    if (a->entity != b->entity)
        return a->entity < b->entity ? -1 : 1;
    return (a->mixed > b->mixed) - (a->mixed < b->mixed);
}

static mu_code order_groups(part_build *p, mu_err *err)
{
    for (size_t i = 0; i < p->n_groups; i++)
        MU_TRY(find_group(p, &p->groups[i], err));
    uint32_t n_entities = 1 + p->shared->schema->n_lookup_classes;
    for (uint32_t e = 0; e < n_entities; e++)
        MU_TRY(number_groups(p, (uint16_t)e, err));
    if (p->n_groups > 0)
        qsort(p->groups, p->n_groups, sizeof *p->groups, compare_groups);
    return MU_OK;
}

/* -------- late rejects -------- */

static uint32_t reason_number(build *b, const mu_err *problem)
{
    mu_str text = mu_str_from(problem->text);
    const uint64_t *known = mu_strmap_get(&b->reason_numbers, text);
    if (known != NULL)
        return (uint32_t)*known;
    b->reasons = mu_room(b->reasons, b->n_reasons, &b->reasons_capacity, sizeof *b->reasons);
    mu_str copy = mu_arena_copy(&b->arena, text);
    *mu_strmap_put(&b->reason_numbers, copy, NULL) = b->n_reasons;
    b->reasons[b->n_reasons] = copy;
    return b->n_reasons++;
}

/* Kept until all parts are built, so that they are reported in order. */
static void reject_late(build *b, const mu_record *record, const mu_err *problem)
{
    pthread_mutex_lock(&b->lock);
    b->rejects = mu_room(b->rejects, b->n_rejects, &b->rejects_capacity, sizeof *b->rejects);
    b->rejects[b->n_rejects++] = (late_reject){.line = mu_record_line(record),
                                               .file = mu_record_file(record),
                                               .reason = reason_number(b, problem)};
    pthread_mutex_unlock(&b->lock);
}

static int compare_rejects(const void *pa, const void *pb)
{
    const late_reject *a = pa, *b = pb;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static void report_rejects(build *b)
{
    if (b->n_rejects > 0)
        qsort(b->rejects, b->n_rejects, sizeof *b->rejects, compare_rejects);
    for (size_t i = 0; i < b->n_rejects; i++)
        mu_load_run_report(b->run, b->rejects[i].file, b->rejects[i].line,
                           b->reasons[b->rejects[i].reason]);
}

/* -------- old rows -------- */

static mu_code read_old_row(part_build *p, const group *g, mu_value *out, mu_err *err)
{
    const entity_build *entity = &p->shared->entities[g->entity];
    const mu_part *part = entity->old->parts[g->place.part];
    MU_TRY(mu_part_row(part, g->place.row, &p->arena, out, err));
    if (!entity->part_is_current[g->place.part])
        *out = mu_value_extend(&p->arena, mu_part_row_type(part), entity->row_type, *out);
    return MU_OK;
}

/* -------- events -------- */

static mu_str text_at(const mu_value *event, uint32_t slot)
{
    mu_value value = event->items[slot];
    return value.kind == MU_TYPE_STRING ? value.string : MU_STR("");
}

static int64_t integer_at(const mu_value *event, uint32_t slot)
{
    mu_value value = event->items[slot];
    return value.kind == MU_TYPE_NULL ? 0 : value.integer;
}

static void add_event(part_build *p, mu_value event, uint64_t order)
{
    const build *b = p->shared;
    mu_str dataset = text_at(&event, b->dataset_slot), id = text_at(&event, b->id_slot);
    uint64_t seed = mu_hash64(dataset.ptr, dataset.len, (uint64_t)integer_at(&event, b->key_slot));
    p->events = mu_room(p->events, p->n_events, &p->events_capacity, sizeof *p->events);
    p->events[p->n_events++] = (event_entry){
        .timestamp_ms = integer_at(&event, b->timestamp_slot),
        .key_hash = mu_hash64(id.ptr, id.len, seed),
        .order = order,
        .event = event,
    };
}

/* Dataset, then _id, then the key of events without one. */
static int compare_keys(const build *b, const mu_value *x, const mu_value *y)
{
    int order = mu_str_compare(text_at(x, b->dataset_slot), text_at(y, b->dataset_slot));
    if (order == 0)
        order = mu_str_compare(text_at(x, b->id_slot), text_at(y, b->id_slot));
    if (order != 0)
        return order;
    int64_t kx = integer_at(x, b->key_slot), ky = integer_at(y, b->key_slot);
    return (kx > ky) - (kx < ky);
}

static int compare_by_key(const void *pa, const void *pb, void *context)
{
    const event_entry *x = pa, *y = pb;
    if (x->key_hash != y->key_hash)
        return x->key_hash < y->key_hash ? -1 : 1;
    int order = compare_keys(context, &x->event, &y->event);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* Time, then _id, then whatever makes the order one. */
static int compare_by_time(const void *pa, const void *pb, void *context)
{
    const build *b = context;
    const event_entry *x = pa, *y = pb;
    if (x->timestamp_ms != y->timestamp_ms)
        return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
    int order = mu_str_compare(text_at(&x->event, b->id_slot), text_at(&y->event, b->id_slot));
    return order != 0 ? order : compare_keys(b, &x->event, &y->event);
}

/* Of the events of one key (P25) the newest stays; then they come in the order of time. */
static void settle_events(part_build *p)
{
    size_t n = 0;
    if (p->n_events == 0)
        return;
    qsort_r(p->events, p->n_events, sizeof *p->events, compare_by_key, p->shared);
    for (size_t i = 0; i < p->n_events; i++) {
        const event_entry *next = i + 1 < p->n_events ? &p->events[i + 1] : NULL;
        if (next != NULL && next->key_hash == p->events[i].key_hash &&
            compare_keys(p->shared, &next->event, &p->events[i].event) == 0)
            continue;
        p->events[n++] = p->events[i];
    }
    p->n_duplicates += p->n_events - n;
    p->n_events = n;
    qsort_r(p->events, n, sizeof *p->events, compare_by_time, p->shared);
}

static mu_value event_list(part_build *p)
{
    mu_value *items = MU_NEW_ARRAY(&p->arena, mu_value, p->n_events);
    for (size_t i = 0; i < p->n_events; i++)
        items[i] = p->events[i].event;
    return (mu_value){.kind = MU_TYPE_LIST, .n = (uint32_t)p->n_events, .items = items};
}

/* -------- rows -------- */

static mu_value empty_object(mu_arena *arena, const mu_type *type)
{
    return (mu_value){.kind = MU_TYPE_OBJECT,
                      .n = type->n_fields,
                      .items = MU_NEW_ARRAY(arena, mu_value, type->n_fields),
                      .keys = type->field_names};
}

static mu_code decode_record(part_build *p, const mu_record *record, mu_value *out, mu_err *err)
{
    const build *b = p->shared;
    const mu_worker *worker = &b->run->workers[record->worker];
    const uint8_t *at = mu_record_body(record);
    mu_decoder decoder = {
        .shape = &worker->shape, .slots = b->slots[record->worker], .arena = &p->arena};
    uint32_t number = record->is_event      ? MU_CLASS_EVENT
                      : record->entity == 0 ? MU_CLASS_PROFILE
                                            : MU_CLASS_LOOKUP + record->entity - 1;
    const mu_type *type = number == MU_CLASS_EVENT     ? b->schema->event
                          : number == MU_CLASS_PROFILE ? b->schema->profile
                                                       : b->entities[record->entity].row_type;
    *out = MU_VALUE_NULL;
    return mu_decode(&decoder, worker->roots[number], type, &at, out, err);
}

static void set_event_fields(const build *b, const mu_record *record, mu_value *event)
{
    mu_value *items = (mu_value *)(uintptr_t)event->items; /* just decoded, ours */
    items[b->dataset_slot] = mu_value_string(dataset_of(b, record));
    if (record->has_content_hash)
        items[b->key_slot] = mu_value_integer((int64_t)mu_record_content_hash(record));
}

typedef struct row_state {
    mu_value attributes; /* profile fields, or the lookup record */
    size_t n_accepted;
} row_state;

static mu_code add_record(part_build *p, const entry *from, row_state *row, mu_err *err)
{
    const build *b = p->shared;
    const mu_record *record = from->record;
    mu_value value;
    mu_err problem;
    mu_code code = decode_record(p, record, &value, &problem);
    if (mu_is_reject(code)) {
        reject_late(p->shared, record, &problem);
        return MU_OK;
    }
    if (code != MU_OK)
        return mu_fail(err, code, "%s", problem.text);
    row->n_accepted++;
    if (record->is_event) {
        set_event_fields(b, record, &value);
        add_event(p, value, from->order);
        return MU_OK;
    }
    row->attributes = record->entity > 0
                          ? value
                          : mu_profile_merge(&p->arena, b->schema->profile, row->attributes, value);
    return MU_OK;
}

/* The profile's old row: attributes to merge onto, and events older than any new one. */
static mu_code begin_from_old(part_build *p, const group *g, row_state *row, mu_err *err)
{
    mu_value old;
    MU_TRY(read_old_row(p, g, &old, err));
    if (g->entity > 0)
        return MU_OK; /* lookup records are replaced whole */
    uint32_t n = p->shared->n_profile_fields;
    row->attributes = old;
    row->attributes.n = n;
    mu_value list = old.items[n];
    for (uint32_t i = 0; i < list.n; i++)
        add_event(p, list.items[i], 0);
    return MU_OK;
}

static mu_value finish_row(part_build *p, const group *g, const row_state *row)
{
    const build *b = p->shared;
    if (g->entity > 0)
        return row->attributes;
    settle_events(p);
    mu_value out = empty_object(&p->arena, b->schema->row);
    mu_value *items = (mu_value *)(uintptr_t)out.items;
    if (row->attributes.kind == MU_TYPE_OBJECT)
        memcpy(items, row->attributes.items, b->n_profile_fields * sizeof *items);
    items[b->n_profile_fields] = event_list(p);
    return out;
}

static mu_code open_writer(part_build *p, uint16_t entity, mu_err *err)
{
    build *b = p->shared;
    if (p->writer != NULL)
        return MU_OK;
    pthread_mutex_lock(&b->lock);
    mu_code code = mu_part_writer_new(b->change, b->entities[entity].name,
                                      b->entities[entity].row_type, &p->writer, err);
    pthread_mutex_unlock(&b->lock);
    return code;
}

static mu_code close_writer(part_build *p, mu_err *err)
{
    mu_part_writer *writer = p->writer;
    p->writer = NULL;
    return writer == NULL ? MU_OK : mu_part_writer_finish(writer, err);
}

static mu_code kill_old_row(part_build *p, const group *g, mu_err *err)
{
    build *b = p->shared;
    pthread_mutex_lock(&b->lock);
    mu_code code = mu_change_kill_row(b->change, b->entities[g->entity].name, g->place, err);
    pthread_mutex_unlock(&b->lock);
    return code;
}

static mu_code build_row(part_build *p, const group *g, mu_err *err)
{
    row_state row = {0};
    mu_arena_reset(&p->arena);
    p->n_events = 0;
    if (g->exists)
        MU_TRY(begin_from_old(p, g, &row, err));
    for (size_t i = 0; i < g->n; i++)
        MU_TRY(add_record(p, &p->entries[g->first + i], &row, err));
    if (row.n_accepted == 0)
        return MU_OK;
    if (g->exists)
        MU_TRY(kill_old_row(p, g, err));
    MU_TRY(open_writer(p, g->entity, err));
    mu_identity identity = identity_of(p->shared, p->entries[g->first].record);
    return mu_part_writer_add(p->writer, g->pid, identity, finish_row(p, g, &row), err);
}

/* -------- parts -------- */

static mu_code build_slices(part_build *p, uint32_t first_slice, uint32_t end_slice, mu_err *err)
{
    MU_TRY(collect_entries(p, first_slice, end_slice, err));
    collect_groups(p);
    MU_TRY(order_groups(p, err));
    for (size_t i = 0; i < p->n_groups; i++) {
        if (i > 0 && p->groups[i].entity != p->groups[i - 1].entity)
            MU_TRY(close_writer(p, err));
        MU_TRY(build_row(p, &p->groups[i], err));
    }
    return close_writer(p, err);
}

/* One part per entity that the slices hold records of. */
static mu_code build_part(void *context, unsigned thread, size_t item, mu_err *err)
{
    build *b = context;
    part_build *p = &b->builders[thread];
    const uint32_t *slices = &b->run->part_slices[item];
    mu_code code = build_slices(p, slices[0], slices[1], err);
    if (p->writer != NULL) {
        mu_part_writer_abandon(p->writer);
        p->writer = NULL;
    }
    for (size_t r = 0; r < p->n_runs; r++)
        free(p->runs[r].bytes);
    p->n_runs = 0;
    return code;
}

/* -------- beginning and end -------- */

static void prepare_entity(build *b, uint32_t number, mu_str name, const mu_type *row_type)
{
    entity_build *entity = &b->entities[number];
    *entity = (entity_build){.name = name, .row_type = row_type};
    entity->old = mu_snapshot_entity(b->run->snapshot, name);
    if (entity->old == NULL)
        return;
    entity->part_is_current = MU_NEW_ARRAY(&b->arena, bool, entity->old->n_parts);
    for (uint32_t i = 0; i < entity->old->n_parts; i++)
        entity->part_is_current[i] =
            mu_type_equal(mu_part_row_type(entity->old->parts[i]), row_type);
}

static uint32_t event_slot(const mu_schema *schema, mu_str name)
{
    int field = mu_type_field(schema->event, name);
    MU_ASSERT(field >= 0);
    return (uint32_t)field;
}

static void prepare(build *b)
{
    const mu_schema *schema = b->schema;
    b->n_profile_fields = schema->profile->n_fields;
    MU_ASSERT(schema->row->n_fields == b->n_profile_fields + 1);
    b->id_slot = event_slot(schema, MU_FIELD_ID);
    b->timestamp_slot = event_slot(schema, MU_FIELD_TIMESTAMP);
    b->dataset_slot = event_slot(schema, MU_FIELD_DATASET);
    b->key_slot = event_slot(schema, MU_FIELD_KEY);
    b->entities = MU_NEW_ARRAY(&b->arena, entity_build, 1 + schema->n_lookup_classes);
    prepare_entity(b, 0, MU_STR("profile"), schema->row);
    for (uint32_t i = 0; i < schema->n_lookup_classes; i++)
        prepare_entity(b, 1 + i, schema->lookup_classes[i].name, schema->lookup_classes[i].type);
    b->builders = MU_NEW_ARRAY(&b->arena, part_build, b->run->n_workers);
    for (unsigned w = 0; w < b->run->n_workers; w++) {
        b->builders[w].shared = b;
        mu_arena_init(&b->builders[w].arena, SIZE_MAX);
    }
}

static void release(build *b)
{
    for (unsigned w = 0; w < b->run->n_workers; w++) {
        part_build *p = &b->builders[w];
        mu_arena_free(&p->arena);
        free(p->runs);
        free(p->entries);
        free(p->groups);
        free(p->events);
    }
    mu_strmap_free(&b->reason_numbers);
    free(b->reasons);
    free(b->rejects);
    mu_arena_free(&b->arena);
    pthread_mutex_destroy(&b->lock);
}

mu_code mu_build(mu_load_run *run, mu_change *change, const mu_schema *schema,
                 const uint32_t *const *slots, mu_err *err)
{
    build b = {.run = run, .change = change, .schema = schema, .slots = slots};
    pthread_mutex_init(&b.lock, NULL);
    mu_arena_init(&b.arena, SIZE_MAX);
    mu_strmap_init(&b.reason_numbers);
    prepare(&b);
    mu_code code = mu_parallel_for(run->n_workers, run->n_parts, build_part, &b, err);
    if (code == MU_OK)
        report_rejects(&b);
    for (unsigned w = 0; w < run->n_workers; w++)
        run->summary.n_duplicates += b.builders[w].n_duplicates;
    release(&b);
    return code;
}
