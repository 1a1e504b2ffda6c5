#include "api/census.h"

#include "base/hash.h"
#include "live/columns.h"
#include "profile/profile.h"

#include <stdlib.h>

/* -------- the columns of a block -------- */

typedef struct census_columns {
    mu_reading identities, namespace;
    mu_reading fragments, fragment_dataset, fragment_identity;
    mu_reading events, event_dataset, event_identity, event_batch;
    uint32_t n_attributes; /* readings of the profile's own fields, for rows of bulk loads */
    mu_reading *attributes;
    mu_arena *arena; /* of the block */
} census_columns;

static uint32_t child_of(const mu_part *part, uint32_t column, mu_str name)
{
    return column == MU_NO_COLUMN ? MU_NO_COLUMN : mu_part_child(part, column, name);
}

static mu_code open_list(const mu_part *part, uint32_t block, mu_arena *arena, mu_str name,
                         mu_reading *list, uint32_t *item, mu_err *err)
{
    uint32_t column = mu_part_child(part, 0, name);
    *item = mu_column_item(part, column);
    return mu_reading_open(part, column, block, arena, list, err);
}

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            census_columns *out, mu_err *err)
{
    uint32_t identity, fragment, event;
    MU_TRY(open_list(part, block, arena, MU_STR("$identities"), &out->identities, &identity, err));
    MU_TRY(open_list(part, block, arena, MU_STR("$fragments"), &out->fragments, &fragment, err));
    MU_TRY(open_list(part, block, arena, MU_STR("xEvent"), &out->events, &event, err));
    const struct {
        uint32_t parent;
        mu_str name;
        mu_reading *reading;
    } columns[] = {
        {identity, MU_STR("namespace"), &out->namespace},
        {fragment, MU_STR("dataset"), &out->fragment_dataset},
        {fragment, MU_STR("identity"), &out->fragment_identity},
        {event, MU_STR("$dataset"), &out->event_dataset},
        {event, MU_STR("$identity"), &out->event_identity},
        {event, MU_STR("$batch"), &out->event_batch},
    };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        MU_TRY(mu_reading_open(part, child_of(part, columns[i].parent, columns[i].name), block,
                               arena, columns[i].reading, err));
    return MU_OK;
}

/* The profile's own fields: all but the store's and the events. */
static mu_code open_attributes(mu_arena *arena, const mu_part *part, uint32_t block,
                               census_columns *out, mu_err *err)
{
    const mu_column *root = mu_part_column(part, 0);
    out->attributes = MU_NEW_ARRAY(arena, mu_reading, root->n_children);
    out->n_attributes = 0;
    for (uint32_t i = 0; i < root->n_children; i++) {
        mu_str name = mu_part_column(part, root->children[i])->name;
        if (mu_str_starts_with(name, MU_STR("$")) || mu_str_equal(name, MU_STR("xEvent")))
            continue;
        MU_TRY(mu_reading_open(part, root->children[i], block, arena,
                               &out->attributes[out->n_attributes], err));
        out->n_attributes++;
    }
    return MU_OK;
}

static mu_str text_at(const mu_reading *reading, uint32_t at)
{
    return mu_reading_is_null(reading, at) ? MU_STR("") : mu_reading_string(reading, at);
}

static uint32_t place_at(const mu_reading *reading, uint32_t at)
{
    return mu_reading_is_null(reading, at) ? 0 : (uint32_t)mu_reading_integer(reading, at);
}

/* -------- counting -------- */

/* Names met, numbered, with what is counted of each; and sets of numbers met together. */
typedef struct tally {
    mu_arena *arena;
    mu_strmap numbers;
    mu_census_entry *entries;
    uint64_t *stamps; /* of the row that had the name last */
    uint32_t n, capacity;
    mu_str last; /* looked up last: neighbours mostly share it */
    uint32_t last_number;
    uint32_t *row; /* numbers of the row in hand, distinct */
    uint32_t n_row;
    mu_strmap sets; /* bytes of sorted numbers -> how many rows */
    mu_str *keys;
    uint32_t n_sets, sets_capacity;
} tally;

static void tally_init(tally *t, mu_arena *arena)
{
    *t = (tally){.arena = arena};
    mu_strmap_init(&t->numbers);
    mu_strmap_init(&t->sets);
}

static void tally_free(tally *t)
{
    mu_strmap_free(&t->numbers);
    mu_strmap_free(&t->sets);
}

static void *grown(mu_arena *arena, const void *from, uint32_t n, uint32_t capacity, size_t size)
{
    void *to = mu_arena_array(arena, capacity, size);
    if (n > 0)
        memcpy(to, from, n * size);
    return to;
}

static uint32_t tally_number(tally *t, mu_str name)
{
    if (t->n > 0 && name.ptr == t->last.ptr && name.len == t->last.len)
        return t->last_number;
    const uint64_t *known = mu_strmap_get(&t->numbers, name);
    if (known == NULL) {
        if (t->n == t->capacity) {
            t->capacity = t->capacity == 0 ? 16 : t->capacity * 2;
            t->entries = grown(t->arena, t->entries, t->n, t->capacity, sizeof *t->entries);
            t->stamps = grown(t->arena, t->stamps, t->n, t->capacity, sizeof *t->stamps);
            t->row = grown(t->arena, t->row, t->n_row, t->capacity, sizeof *t->row);
        }
        t->entries[t->n].name = mu_arena_copy(t->arena, name);
        uint64_t *place = mu_strmap_put(&t->numbers, t->entries[t->n].name, NULL);
        *place = t->n++;
        known = place;
    }
    t->last = name;
    t->last_number = (uint32_t)*known;
    return t->last_number;
}

/* The row (numbered from 1) has the name. */
static void tally_see(tally *t, uint32_t number, uint64_t row)
{
    if (t->stamps[number] == row)
        return;
    t->stamps[number] = row;
    t->entries[number].n_profiles++;
    t->row[t->n_row++] = number;
}

static int compare_numbers(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return (a > b) - (a < b);
}

static void tally_end_row(tally *t)
{
    if (t->n_row > 1)
        qsort(t->row, t->n_row, sizeof *t->row, compare_numbers);
    mu_str key = {(const char *)t->row, t->n_row * sizeof *t->row};
    if (t->n_row > 0 && mu_strmap_get(&t->sets, key) == NULL) {
        if (t->n_sets == t->sets_capacity) {
            t->sets_capacity = t->sets_capacity == 0 ? 16 : t->sets_capacity * 2;
            t->keys = grown(t->arena, t->keys, t->n_sets, t->sets_capacity, sizeof *t->keys);
        }
        t->keys[t->n_sets] = mu_arena_copy(t->arena, key);
        mu_strmap_put(&t->sets, t->keys[t->n_sets], NULL);
        t->n_sets++;
    }
    if (t->n_row > 0)
        ++*mu_strmap_get(&t->sets, key);
    t->n_row = 0;
}

static int compare_names(const void *pa, const void *pb)
{
    return mu_str_compare(*(const mu_str *)pa, *(const mu_str *)pb);
}

/* "a,b,c" of the names of a set. */
static mu_str set_name(const tally *t, mu_str key)
{
    size_t n = key.len / sizeof(uint32_t);
    mu_str *names = MU_NEW_ARRAY(t->arena, mu_str, n);
    mu_str joined = MU_STR("");
    for (size_t i = 0; i < n; i++) {
        uint32_t number;
        memcpy(&number, key.ptr + i * sizeof number, sizeof number);
        names[i] = t->entries[number].name;
    }
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++)
        joined = mu_arena_format(t->arena, MU_STR_FMT "%s" MU_STR_FMT, MU_STR_ARG(joined),
                                 i == 0 ? "" : ",", MU_STR_ARG(names[i]));
    return joined;
}

static const mu_census_entry *overlaps_of(const tally *t)
{
    mu_census_entry *out = MU_NEW_ARRAY(t->arena, mu_census_entry, t->n_sets);
    for (uint32_t i = 0; i < t->n_sets; i++)
        out[i] = (mu_census_entry){.name = set_name(t, t->keys[i]),
                                   .n_profiles = *mu_strmap_get(&t->sets, t->keys[i])};
    return out;
}

/* -------- one row -------- */

/* A dataset and an identity of the row in hand. */
typedef struct pair {
    uint32_t dataset, identity;
} pair;

typedef struct taking {
    mu_arena *arena;
    const mu_merge_policy *policy;
    tally datasets, namespaces;
    pair *pairs;
    uint32_t n_pairs, pairs_capacity;
    uint64_t row; /* counted from 1 */
    mu_census census;
} taking;

static void add_pair(taking *t, uint32_t dataset, uint32_t identity)
{
    for (uint32_t i = t->n_pairs; i-- > 0;)
        if (t->pairs[i].dataset == dataset && t->pairs[i].identity == identity)
            return;
    if (t->n_pairs == t->pairs_capacity) {
        t->pairs_capacity = t->pairs_capacity == 0 ? 16 : t->pairs_capacity * 2;
        t->pairs = grown(t->arena, t->pairs, t->n_pairs, t->pairs_capacity, sizeof *t->pairs);
    }
    t->pairs[t->n_pairs++] = (pair){dataset, identity};
}

static bool counts(const taking *t, uint32_t dataset)
{
    if (t->policy->attribute_merge == MU_MERGE_TIMESTAMP_ORDERED)
        return true;
    for (uint32_t i = 0; i < t->policy->n_order; i++)
        if (mu_str_equal(t->policy->order[i], t->datasets.entries[dataset].name))
            return true;
    return false;
}

/* How many profiles the row's pairs make under the policy. */
static uint64_t profiles_of(const taking *t)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < t->n_pairs; i++) {
        bool is_first = counts(t, t->pairs[i].dataset);
        for (uint32_t k = 0; k < i && is_first; k++)
            is_first = !(counts(t, t->pairs[k].dataset) &&
                         (t->policy->uses_graph || t->pairs[k].identity == t->pairs[i].identity));
        n += is_first;
    }
    return n;
}

/* Pairs are those of the policy's; what stands for one is counted once. */
static void end_row(taking *t, const uint32_t *namespaces, uint32_t n_identities)
{
    for (uint32_t i = 0; i < t->n_pairs; i++) {
        const pair *p = &t->pairs[i];
        t->datasets.entries[p->dataset].n_fragments++;
        if (p->identity < n_identities)
            t->namespaces.entries[namespaces[p->identity]].n_fragments++;
        tally_see(&t->datasets, p->dataset, t->row);
    }
    for (uint32_t i = 0; i < n_identities; i++)
        tally_see(&t->namespaces, namespaces[i], t->row);
    t->census.n_fragments += t->n_pairs;
    t->census.n_profiles += profiles_of(t);
    tally_end_row(&t->datasets);
    tally_end_row(&t->namespaces);
    t->n_pairs = 0;
}

static bool has_attributes(const census_columns *columns, uint32_t at)
{
    for (uint32_t i = 0; i < columns->n_attributes; i++)
        if (!mu_reading_is_null(&columns->attributes[i], at))
            return true;
    return false;
}

#define IDENTITIES_MAX 256u

/* The namespaces of the row's identities, by their places. */
static mu_code read_identities(taking *t, const mu_part *part, uint32_t block,
                               census_columns *columns, uint32_t row, uint32_t at,
                               uint32_t namespaces[IDENTITIES_MAX], uint32_t *n, mu_err *err)
{
    uint32_t begin, end;
    mu_reading_items(&columns->identities, at, &begin, &end);
    *n = end - begin > IDENTITIES_MAX ? IDENTITIES_MAX : end - begin;
    for (uint32_t i = 0; i < *n; i++)
        namespaces[i] = tally_number(&t->namespaces, text_at(&columns->namespace, begin + i));
    if (*n > 0)
        return MU_OK;
    mu_identity identity; /* a row of a bulk load */
    MU_TRY(mu_part_identity(part, row, &identity, err));
    namespaces[0] = tally_number(&t->namespaces, identity.namespace_code);
    *n = 1;
    if (columns->attributes == NULL)
        MU_TRY(open_attributes(columns->arena, part, block, columns, err));
    if (has_attributes(columns, at)) {
        add_pair(t, tally_number(&t->datasets, MU_DATASET_DEFAULT), 0);
        t->census.n_records++;
    }
    return MU_OK;
}

static mu_code take_row(taking *t, const mu_part *part, uint32_t block, census_columns *columns,
                        uint32_t row, uint32_t at, mu_err *err)
{
    uint32_t namespaces[IDENTITIES_MAX], n_identities, begin, end;
    t->row++;
    MU_TRY(read_identities(t, part, block, columns, row, at, namespaces, &n_identities, err));
    mu_reading_items(&columns->fragments, at, &begin, &end);
    t->census.n_records += end - begin;
    for (uint32_t i = begin; i < end; i++)
        add_pair(t, tally_number(&t->datasets, text_at(&columns->fragment_dataset, i)),
                 place_at(&columns->fragment_identity, i));
    mu_reading_items(&columns->events, at, &begin, &end);
    t->census.n_events += end - begin;
    for (uint32_t i = begin; i < end; i++)
        add_pair(t, tally_number(&t->datasets, text_at(&columns->event_dataset, i)),
                 place_at(&columns->event_identity, i));
    end_row(t, namespaces, n_identities);
    return MU_OK;
}

/* -------- all rows -------- */

typedef mu_code census_row(void *context, const mu_part *part, uint32_t block,
                           census_columns *columns, uint32_t row, uint32_t at, mu_err *err);

static mu_code walk_part(const mu_part *part, const uint64_t *dead, census_row *each, void *context,
                         mu_arena *arena, mu_err *err)
{
    for (uint32_t b = 0; b < mu_part_block_count(part); b++) {
        mu_block block = mu_part_block(part, b);
        census_columns columns = {.arena = arena};
        mu_arena_reset(arena);
        MU_TRY(open_columns(part, b, arena, &columns, err));
        for (uint32_t at = 0; at < block.n_rows; at++)
            if (dead == NULL || !mu_bit_get(dead, block.row + at))
                MU_TRY(each(context, part, b, &columns, block.row + at, at, err));
    }
    return MU_OK;
}

static mu_code walk(const mu_snapshot *snapshot, census_row *each, void *context, mu_err *err)
{
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_arena arena;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t p = 0; entity != NULL && code == MU_OK && p < entity->n_parts; p++)
        code = walk_part(entity->parts[p], entity->dead[p], each, context, &arena, err);
    mu_arena_free(&arena);
    return code;
}

static mu_code take_each(void *context, const mu_part *part, uint32_t block,
                         census_columns *columns, uint32_t row, uint32_t at, mu_err *err)
{
    return take_row(context, part, block, columns, row, at, err);
}

mu_code mu_census_take(mu_arena *arena, const mu_snapshot *snapshot, const mu_merge_policy *policy,
                       mu_census *out, mu_err *err)
{
    taking t = {.arena = arena, .policy = policy};
    tally_init(&t.datasets, arena);
    tally_init(&t.namespaces, arena);
    mu_code code = walk(snapshot, take_each, &t, err);
    if (code == MU_OK) {
        t.census.n_datasets = t.datasets.n;
        t.census.datasets = t.datasets.entries;
        t.census.n_namespaces = t.namespaces.n;
        t.census.namespaces = t.namespaces.entries;
        t.census.n_dataset_overlaps = t.datasets.n_sets;
        t.census.dataset_overlaps = overlaps_of(&t.datasets);
        t.census.n_namespace_overlaps = t.namespaces.n_sets;
        t.census.namespace_overlaps = overlaps_of(&t.namespaces);
        *out = t.census;
    }
    tally_free(&t.datasets);
    tally_free(&t.namespaces);
    return code;
}

/* -------- what a DROP drops -------- */

typedef struct dropping {
    mu_arena arena;
    mu_str dataset, batch;
    uint64_t n_events, n_records;
} dropping;

static mu_code count_each(void *context, const mu_part *part, uint32_t block,
                          census_columns *columns, uint32_t row, uint32_t at, mu_err *err)
{
    dropping *d = context;
    uint32_t begin, end;
    (void)row;
    mu_reading_items(&columns->events, at, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        d->n_events +=
            (d->dataset.len == 0 ||
             mu_str_equal(text_at(&columns->event_dataset, i), d->dataset)) &&
            (d->batch.len == 0 || mu_str_equal(text_at(&columns->event_batch, i), d->batch));
    if (d->batch.len > 0)
        return MU_OK;
    mu_reading_items(&columns->fragments, at, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        d->n_records += mu_str_equal(text_at(&columns->fragment_dataset, i), d->dataset);
    if (!mu_reading_is_null(&columns->fragments, at) ||
        !mu_str_equal(d->dataset, MU_DATASET_DEFAULT))
        return MU_OK;
    if (columns->attributes == NULL)
        MU_TRY(open_attributes(&d->arena, part, block, columns, err));
    d->n_records += has_attributes(columns, at);
    return MU_OK;
}

mu_code mu_census_count(const mu_snapshot *snapshot, mu_str dataset, mu_str batch,
                        uint64_t *n_events, uint64_t *n_records, mu_err *err)
{
    dropping d = {.dataset = dataset, .batch = batch};
    mu_arena_init(&d.arena, SIZE_MAX);
    mu_code code = walk(snapshot, count_each, &d, err);
    mu_arena_free(&d.arena);
    if (code == MU_OK) {
        *n_events = d.n_events;
        *n_records = d.n_records;
    }
    return code;
}
