#include "tests/support/population.h"

#include "base/hash.h"
#include "tests/support/part_rows.h"

#include <stdio.h>
#include <stdlib.h>

#define PROFILE MU_STR("profile")

static void must(mu_code code, const mu_err *err)
{
    if (code == MU_OK)
        return;
    fprintf(stderr, "population: %s: %s\n", mu_code_name(code), err->text);
    exit(1);
}

/* -------- types and rows -------- */

static const mu_type *row_type(mu_arena *arena)
{
    const uint32_t n = POPULATION_VALUES + 2;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, n);
    static const mu_str event_names[] = {{"timestamp", 9}, {"kind", 4}}, id_names[] = {{"id", 2}};
    const mu_type **event_types = MU_NEW_ARRAY(arena, const mu_type *, 2);
    const mu_type **id_types = MU_NEW_ARRAY(arena, const mu_type *, 1);
    event_types[0] = mu_type_of(MU_TYPE_TIMESTAMP);
    event_types[1] = mu_type_of(MU_TYPE_INTEGER);
    id_types[0] = mu_type_of(MU_TYPE_STRING);
    for (uint32_t i = 0; i < POPULATION_VALUES; i++) {
        names[i] = mu_arena_format(arena, "v%u", i);
        types[i] = mu_type_of(MU_TYPE_INTEGER);
    }
    names[n - 2] = MU_STR("identityMap");
    types[n - 2] =
        mu_type_map(arena, mu_type_list(arena, mu_type_object(arena, 1, id_names, id_types)));
    names[n - 1] = MU_STR("xEvent");
    types[n - 1] = mu_type_list(arena, mu_type_object(arena, 2, event_names, event_types));
    return mu_type_object(arena, n, names, types);
}

static mu_value list_of(mu_arena *arena, uint32_t n, const mu_value *items)
{
    mu_value *copy = MU_NEW_ARRAY(arena, mu_value, (size_t)n + 1);
    memcpy(copy, items, n * sizeof *items);
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = copy};
}

static mu_value object_of(mu_arena *arena, const mu_type *type, const mu_value *fields)
{
    mu_value *copy = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    memcpy(copy, fields, type->n_fields * sizeof *fields);
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = copy, .keys = type->field_names};
}

static mu_value map_value(mu_arena *arena, const mu_type *type, uint32_t pid)
{
    static const mu_str keys[] = {{"CRM", 3}, {"Email", 5}};
    mu_value id = mu_value_string(mu_arena_format(arena, "%u", pid));
    mu_value object = object_of(arena, type->item->item, &id);
    mu_value lists[] = {list_of(arena, 1, &object), list_of(arena, 1, &object)};
    mu_value items = list_of(arena, 2, lists);
    return (mu_value){.kind = MU_TYPE_MAP, .n = 2, .items = items.items, .keys = keys};
}

static mu_value row_of(mu_arena *arena, const mu_type *type, uint32_t pid,
                       const population_profile *profile)
{
    mu_value fields[POPULATION_VALUES + 2], events[3];
    const mu_type *event = type->field_types[POPULATION_VALUES + 1]->item;
    for (uint32_t i = 0; i < POPULATION_VALUES; i++)
        fields[i] = mu_value_integer(profile->values[i]);
    for (uint32_t i = 0; i < profile->n_events; i++) {
        mu_value members[] = {mu_value_timestamp(1000 * (int64_t)i),
                              mu_value_integer(profile->kinds[i])};
        events[i] = object_of(arena, event, members);
    }
    fields[POPULATION_VALUES] = profile->has_map
                                    ? map_value(arena, type->field_types[POPULATION_VALUES], pid)
                                    : MU_VALUE_NULL;
    fields[POPULATION_VALUES + 1] = list_of(arena, profile->n_events, events);
    return object_of(arena, type, fields);
}

static population_profile random_profile(mu_dice *dice, uint32_t pid)
{
    population_profile out = {.is_alive = true, .has_map = pid % 3 == 0};
    for (uint32_t i = 0; i < POPULATION_VALUES; i++)
        out.values[i] = (uint16_t)mu_dice_below(dice, 10000);
    out.n_events = (uint8_t)mu_dice_below(dice, 4);
    for (uint32_t i = 0; i < out.n_events; i++)
        out.kinds[i] = (uint8_t)mu_dice_below(dice, 10);
    return out;
}

/* -------- changes -------- */

static int compare_pids(const void *a, const void *b)
{
    uint32_t left = mu_mix32(*(const uint32_t *)a), right = mu_mix32(*(const uint32_t *)b);
    return (left > right) - (left < right);
}

typedef struct making {
    population *p;
    mu_dice *dice;
    const mu_schema *schema;
    uint32_t n, capacity;
    uint32_t *pids; /* of the change's part */
} making;

static void write_part(making *m, mu_change *change)
{
    mu_part_writer *writer;
    mu_arena arena;
    mu_err err;
    qsort(m->pids, m->n, sizeof *m->pids, compare_pids);
    must(mu_part_writer_new(change, PROFILE, m->schema->row, &writer, &err), &err);
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t pid = m->pids[i];
        mu_identity identity = {pid % 2 == 0 ? MU_STR("CRM") : MU_STR("Email"),
                                mu_arena_format(&arena, "%u", pid)};
        mu_value row = row_of(&arena, m->schema->row, pid, &m->p->by_pid[pid]);
        must(mu_part_writer_add(writer, pid, identity, row, &err), &err);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    must(mu_part_writer_finish(writer, &err), &err);
}

/* Kills the row of a random profile that is alive and was not yet taken; false when luck fails. */
static bool kill_one(making *m, mu_change *change, const mu_entity *entity, uint32_t *pid)
{
    mu_row_place place;
    bool found;
    mu_err err;
    *pid = 1 + mu_dice_below(m->dice, m->p->n_pids);
    for (uint32_t i = 0; i < m->n; i++)
        if (m->pids[i] == *pid)
            return false;
    if (!m->p->by_pid[*pid].is_alive)
        return false;
    must(mu_entity_find_pid(entity, *pid, &found, &place, &err), &err);
    if (!found)
        return false;
    must(mu_change_kill_row(change, PROFILE, place, &err), &err);
    return true;
}

static void add_pid(making *m, uint32_t pid)
{
    m->pids[m->n++] = pid;
    m->p->by_pid[pid] = random_profile(m->dice, pid);
}

static void change_some(making *m, mu_change *change, const population_shape *shape)
{
    const mu_entity *entity = mu_snapshot_entity(mu_change_base(change), PROFILE);
    uint32_t pid;
    for (uint32_t i = 0; entity != NULL && i < shape->n_removed; i++)
        if (kill_one(m, change, entity, &pid))
            m->p->by_pid[pid].is_alive = false;
    for (uint32_t i = 0; entity != NULL && i < shape->n_replaced; i++)
        if (kill_one(m, change, entity, &pid))
            add_pid(m, pid);
}

static void make_change(making *m, const population_shape *shape, bool in_memory, uint32_t n_new)
{
    mu_change *change;
    uint32_t first = m->p->n_pids + 1;
    mu_err err;
    must(in_memory ? mu_change_begin_in_memory(m->p->store, &change, &err)
                   : mu_change_begin(m->p->store, &change, &err),
         &err);
    if (!in_memory)
        mu_change_set_schema(change, m->schema);
    m->n = 0;
    change_some(m, change, shape);
    if (!in_memory && n_new > 0)
        must(mu_change_new_pids(change, PROFILE, n_new, &first, &err), &err);
    for (uint32_t i = 0; i < n_new; i++)
        add_pid(m, first + i);
    m->p->n_pids = first + n_new - 1;
    write_part(m, change);
    must(mu_change_commit(change, &err), &err);
}

void population_make(mu_dice *dice, const population_shape *shape, population *out)
{
    uint32_t n_changes = shape->n_disk + shape->n_memory;
    uint32_t n_max = shape->n_profiles + n_changes * shape->n_new + 2;
    mu_err err;
    *out = (population){.folder = mu_make_temporary_folder()};
    mu_arena_init(&out->arena, SIZE_MAX);
    must(mu_store_open(out->folder, MU_STR("prod"), MU_STORE_WRITE, &out->store, &err), &err);
    out->by_pid = calloc(n_max, sizeof *out->by_pid);
    making m = {.p = out,
                .dice = dice,
                .schema = mu_schema_of_rows(&out->arena, row_type(&out->arena)),
                .pids = calloc(n_max, sizeof(uint32_t))};
    must(out->by_pid == NULL || m.pids == NULL ? MU_E_NOMEM : MU_OK, &(mu_err){.text = "memory"});
    make_change(&m, &(population_shape){0}, false, shape->n_profiles);
    for (uint32_t i = 0; i < n_changes; i++)
        make_change(&m, shape, i >= shape->n_disk, shape->n_new);
    free(m.pids);
    must(mu_snapshot_acquire(out->store, &out->snapshot, &err), &err);
    out->profiles = mu_snapshot_entity(out->snapshot, PROFILE);
}

void population_free(population *p)
{
    mu_snapshot_release(p->snapshot);
    mu_store_close(p->store);
    mu_remove_folder(p->folder);
    free(p->by_pid);
    mu_arena_free(&p->arena);
}

const mu_pql *population_rule(population *p, const char *text)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *parsed, *bound;
    mu_err err = {0};
    mu_pql_diagnostics_init(&diagnostics, &p->arena);
    must(mu_pql_parse_text(&p->arena, mu_str_from(text), &parsed, &diagnostics),
         &(mu_err){.text = "a rule does not parse"});
    const mu_pql_bind_options options = {.schema = mu_snapshot_schema(p->snapshot),
                                         .must_be_condition = true};
    must(mu_pql_bind(&p->arena, parsed, &options, &bound, &diagnostics), &err);
    if (diagnostics.n_errors > 0) {
        fprintf(stderr, "population: %s does not bind\n", text);
        exit(1);
    }
    return bound;
}

uint32_t population_count(const population *p)
{
    uint32_t n = 0;
    for (uint32_t pid = 1; pid <= p->n_pids; pid++)
        n += p->by_pid[pid].is_alive;
    return n;
}
