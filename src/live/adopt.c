/* Rows that a bulk load wrote say nothing of the graph: what their identityMaps and those of their
 * events hold is linked when the sandbox is opened, as if they had arrived one by one in the order
 * of the rows. Whatever that changes is written anew by the first fold, with the system fields. */
#include "live/columns.h"
#include "live/live_int.h"

#include <stdlib.h>

/* An identityMap in one block: key and value of its entries, items of the values, their ids. */
typedef struct map_columns {
    mu_reading map, key, list, id;
} map_columns;

typedef struct adoption_columns {
    mu_reading identities;
    map_columns profile, event;
    mu_reading events, timestamp, dataset;
} adoption_columns;

typedef struct bulk_adoption {
    mu_sandbox *sandbox;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    mu_arena unpacked; /* columns of one block */
    uint64_t n_rows;
} bulk_adoption;

static mu_code open_map(const mu_part *part, uint32_t object, uint32_t block, mu_arena *arena,
                        map_columns *out, mu_err *err)
{
    uint32_t map = mu_column_child(part, object, MU_STR("identityMap"));
    uint32_t key = map == MU_NO_COLUMN ? map : mu_part_column(part, map)->children[0];
    uint32_t list = map == MU_NO_COLUMN ? map : mu_part_column(part, map)->children[1];
    uint32_t id = mu_column_child(part, mu_column_item(part, list), MU_STR("id"));
    MU_TRY(mu_reading_open(part, map, block, arena, &out->map, err));
    MU_TRY(mu_reading_open(part, key, block, arena, &out->key, err));
    MU_TRY(mu_reading_open(part, list, block, arena, &out->list, err));
    return mu_reading_open(part, id, block, arena, &out->id, err);
}

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            adoption_columns *out, mu_err *err)
{
    uint32_t events = mu_part_child(part, 0, MU_STR("xEvent"));
    uint32_t event = mu_column_item(part, events);
    MU_TRY(mu_reading_open(part, mu_part_child(part, 0, MU_STR("$identities")), block, arena,
                           &out->identities, err));
    MU_TRY(open_map(part, 0, block, arena, &out->profile, err));
    MU_TRY(open_map(part, event, block, arena, &out->event, err));
    MU_TRY(mu_reading_open(part, events, block, arena, &out->events, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, event, MU_STR("timestamp")), block, arena,
                           &out->timestamp, err));
    return mu_reading_open(part, mu_column_child(part, event, MU_STR("$dataset")), block, arena,
                           &out->dataset, err);
}

/* The registered namespace, when its identities enter the graph (profile.md b.3). */
static const mu_graph_namespace *linkable(const bulk_adoption *adoption, mu_str code)
{
    for (uint32_t i = 0; i < adoption->n_namespaces; i++) {
        const mu_graph_namespace *one = &adoption->namespaces[i];
        if (mu_str_equal_ascii_nocase(one->code, code))
            return one->type == MU_IDENTITY_NON_PEOPLE || one->type == MU_IDENTITY_PARTNER ? NULL
                                                                                           : one;
    }
    return NULL;
}

static void add_identity(mu_identity *identities, uint32_t *n, mu_identity one)
{
    if (*n == MU_IDENTITIES_MAX || mu_identity_problem(one) != NULL)
        return;
    for (uint32_t i = 0; i < *n; i++)
        if (mu_str_equal(identities[i].namespace_code, one.namespace_code) &&
            mu_str_equal(identities[i].value, one.value))
            return;
    identities[(*n)++] = one;
}

static void read_map(const bulk_adoption *adoption, const map_columns *columns, uint32_t at,
                     mu_identity *identities, uint32_t *n)
{
    uint32_t begin, end, first, last;
    mu_reading_items(&columns->map, at, &begin, &end);
    for (uint32_t entry = begin; entry < end; entry++) {
        const mu_graph_namespace *namespace =
            linkable(adoption, mu_reading_string(&columns->key, entry));
        mu_reading_items(&columns->list, entry, &first, &last);
        for (uint32_t item = first; namespace != NULL && item < last; item++)
            if (!mu_reading_is_null(&columns->id, item))
                add_identity(identities, n,
                             (mu_identity){namespace->code, mu_reading_string(&columns->id, item)});
    }
}

static void link_identities(bulk_adoption *adoption, const mu_identity *identities, uint32_t n,
                            int64_t time_ms, mu_str dataset)
{
    mu_node node;
    const mu_graph_observation observation = {
        .n = n, .identities = identities, .n_linked = n, .time_ms = time_ms, .dataset = dataset};
    if (n > 1)
        mu_graph_observe(adoption->sandbox->graph, &observation, &node);
}

static void adopt_row(bulk_adoption *adoption, const adoption_columns *columns, uint32_t row,
                      mu_identity identity)
{
    mu_identity identities[MU_IDENTITIES_MAX] = {identity};
    uint32_t n = 1, begin, end;
    if (linkable(adoption, identity.namespace_code) == NULL)
        return;
    adoption->n_rows++;
    read_map(adoption, &columns->profile, row, identities, &n);
    link_identities(adoption, identities, n, 0, MU_STR("default"));
    mu_reading_items(&columns->events, row, &begin, &end);
    for (uint32_t event = begin; event < end; event++) {
        n = 1;
        read_map(adoption, &columns->event, event, identities, &n);
        bool has_dataset = !mu_reading_is_null(&columns->dataset, event);
        bool has_time = !mu_reading_is_null(&columns->timestamp, event);
        link_identities(
            adoption, identities, n, has_time ? mu_reading_integer(&columns->timestamp, event) : 0,
            has_dataset ? mu_reading_string(&columns->dataset, event) : MU_STR("default"));
    }
}

static mu_code adopt_block(bulk_adoption *adoption, const mu_part *part, const uint64_t *dead,
                           uint32_t block_number, mu_err *err)
{
    adoption_columns columns;
    mu_block block = mu_part_block(part, block_number);
    mu_arena_reset(&adoption->unpacked);
    MU_TRY(open_columns(part, block_number, &adoption->unpacked, &columns, err));
    for (uint32_t row = 0; row < block.n_rows; row++) {
        mu_identity identity;
        if ((dead != NULL && mu_bit_get(dead, block.row + row)) ||
            !mu_reading_is_null(&columns.identities, row))
            continue;
        MU_TRY(mu_part_identity(part, block.row + row, &identity, err));
        adopt_row(adoption, &columns, row, identity);
    }
    return MU_OK;
}

mu_code mu_sandbox_adopt(mu_sandbox *sandbox, mu_err *err)
{
    const mu_entity *entity = mu_snapshot_entity(sandbox->snapshot, MU_STR("profile"));
    bulk_adoption adoption = {.sandbox = sandbox,
                              .n_namespaces = sandbox->n_namespaces,
                              .namespaces = sandbox->namespaces};
    const uint32_t *pids;
    mu_code code = MU_OK;
    mu_arena_init(&adoption.unpacked, SIZE_MAX);
    for (uint32_t p = 0; entity != NULL && code == MU_OK && p < entity->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = adopt_block(&adoption, entity->parts[p], entity->dead[p], b, err);
    mu_arena_free(&adoption.unpacked);
    MU_TRY(code);
    uint32_t n = mu_graph_changes(sandbox->graph, &pids);
    for (uint32_t i = 0; i < n; i++)
        mu_sandbox_mark_dirty(sandbox, pids[i]);
    mu_graph_take_changes(sandbox->graph);
    if (n > 0)
        mu_log(sandbox->live->options.logger, MU_LOG_INFO, "bulk_rows_linked",
               mu_log_text("sandbox", mu_sandbox_name(sandbox)),
               mu_log_integer("rows", (int64_t)adoption.n_rows),
               mu_log_integer("profiles_changed", n));
    return MU_OK;
}
