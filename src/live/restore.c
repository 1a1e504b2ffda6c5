/* The graph from the rows: identities and links are columns (content.h). A row that a bulk load
 * wrote has neither; it is a cluster of its row's identity. */
#include "live/columns.h"
#include "live/live_int.h"

#include <stdlib.h>

/* The system fields of one block. */
typedef struct graph_columns {
    mu_reading identities, namespaces, values, seen;
    mu_reading links, a, b, first, last, datasets, dataset, batches, batch;
} graph_columns;

static mu_code open_texts(const mu_part *part, uint32_t link, uint32_t block, mu_arena *arena,
                          mu_str name, mu_reading *list, mu_reading *item, mu_err *err)
{
    uint32_t column = mu_column_child(part, link, name);
    MU_TRY(mu_reading_open(part, column, block, arena, list, err));
    return mu_reading_open(part, mu_column_item(part, column), block, arena, item, err);
}

static mu_code open_links(const mu_part *part, uint32_t block, mu_arena *arena, graph_columns *out,
                          mu_err *err)
{
    uint32_t links = mu_part_child(part, 0, MU_STR("$links"));
    uint32_t link = mu_column_item(part, links);
    MU_TRY(mu_reading_open(part, links, block, arena, &out->links, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, link, MU_STR("a")), block, arena, &out->a,
                           err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, link, MU_STR("b")), block, arena, &out->b,
                           err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, link, MU_STR("first")), block, arena,
                           &out->first, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, link, MU_STR("last")), block, arena,
                           &out->last, err));
    MU_TRY(open_texts(part, link, block, arena, MU_STR("datasets"), &out->datasets, &out->dataset,
                      err));
    return open_texts(part, link, block, arena, MU_STR("batches"), &out->batches, &out->batch, err);
}

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            graph_columns *out, mu_err *err)
{
    uint32_t identities = mu_part_child(part, 0, MU_STR("$identities"));
    uint32_t one = mu_column_item(part, identities);
    MU_TRY(mu_reading_open(part, identities, block, arena, &out->identities, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, one, MU_STR("namespace")), block, arena,
                           &out->namespaces, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, one, MU_STR("value")), block, arena,
                           &out->values, err));
    MU_TRY(mu_reading_open(part, mu_column_child(part, one, MU_STR("seen")), block, arena,
                           &out->seen, err));
    return open_links(part, block, arena, out, err);
}

static int64_t integer_or_zero(const mu_reading *reading, uint32_t at)
{
    return mu_reading_is_null(reading, at) ? 0 : mu_reading_integer(reading, at);
}

static uint32_t read_texts(mu_arena *arena, const mu_reading *list, const mu_reading *item,
                           uint32_t at, const mu_str **out)
{
    uint32_t begin, end;
    mu_reading_items(list, at, &begin, &end);
    mu_str *texts = MU_NEW_ARRAY(arena, mu_str, end - begin);
    for (uint32_t i = begin; i < end; i++)
        texts[i - begin] =
            mu_reading_is_null(item, i) ? (mu_str){"", 0} : mu_reading_string(item, i);
    *out = texts;
    return end - begin;
}

static void read_links(mu_arena *arena, const graph_columns *columns, uint32_t row,
                       mu_graph_cluster *out)
{
    uint32_t begin, end;
    mu_reading_items(&columns->links, row, &begin, &end);
    mu_graph_edge *edges = MU_NEW_ARRAY(arena, mu_graph_edge, end - begin);
    for (uint32_t i = begin; i < end; i++) {
        mu_graph_edge *edge = &edges[i - begin];
        edge->a = (uint32_t)integer_or_zero(&columns->a, i);
        edge->b = (uint32_t)integer_or_zero(&columns->b, i);
        edge->first_ms = integer_or_zero(&columns->first, i);
        edge->last_ms = integer_or_zero(&columns->last, i);
        edge->n_datasets =
            read_texts(arena, &columns->datasets, &columns->dataset, i, &edge->datasets);
        edge->n_batches = read_texts(arena, &columns->batches, &columns->batch, i, &edge->batches);
    }
    out->edges = edges;
    out->n_edges = end - begin;
}

static mu_code read_cluster(mu_arena *arena, const mu_part *part, const graph_columns *columns,
                            mu_block block, uint32_t row, mu_graph_cluster *out, mu_err *err)
{
    uint32_t begin, end;
    mu_reading_items(&columns->identities, row, &begin, &end);
    uint32_t n = end == begin ? 1 : end - begin;
    mu_graph_identity *identities = MU_NEW_ARRAY(arena, mu_graph_identity, n);
    if (begin == end)
        MU_TRY(mu_part_identity(part, block.row + row, &identities[0].identity, err));
    for (uint32_t i = begin; i < end; i++) {
        if (mu_reading_is_null(&columns->namespaces, i) || mu_reading_is_null(&columns->values, i))
            return mu_fail(err, MU_E_CORRUPT, "row %u of a part has an identity without a value",
                           block.row + row);
        identities[i - begin] = (mu_graph_identity){
            .identity = {mu_reading_string(&columns->namespaces, i),
                         mu_reading_string(&columns->values, i)},
            .seen_ms = integer_or_zero(&columns->seen, i),
        };
    }
    *out = (mu_graph_cluster){.identities = identities, .n_identities = n};
    read_links(arena, columns, row, out);
    return MU_OK;
}

static mu_code restore_row(mu_sandbox *sandbox, mu_arena *arena, mu_graph_cluster *cluster,
                           mu_err *err)
{
    mu_node *nodes = MU_NEW_ARRAY(arena, mu_node, cluster->n_identities);
    MU_TRY(mu_graph_restore(sandbox->graph, cluster, nodes, err));
    mu_sandbox_make_room(sandbox);
    for (uint32_t i = 0; i < cluster->n_identities; i++)
        sandbox->homes[nodes[i]] = cluster->pid;
    return MU_OK;
}

static mu_code restore_block(mu_sandbox *sandbox, mu_arena *unpacked, mu_arena *arena,
                             const mu_part *part, const uint64_t *dead, uint32_t block_number,
                             mu_err *err)
{
    graph_columns columns;
    const uint32_t *pids;
    mu_block block = mu_part_block(part, block_number);
    mu_arena_reset(unpacked);
    MU_TRY(open_columns(part, block_number, unpacked, &columns, err));
    MU_TRY(mu_part_pids(part, block_number, &pids, err));
    for (uint32_t row = 0; row < block.n_rows; row++) {
        mu_graph_cluster cluster;
        if (dead != NULL && mu_bit_get(dead, block.row + row))
            continue;
        mu_arena_reset(arena);
        MU_TRY(read_cluster(arena, part, &columns, block, row, &cluster, err));
        cluster.pid = pids[row];
        MU_TRY(restore_row(sandbox, arena, &cluster, err));
    }
    return MU_OK;
}

void mu_sandbox_make_room(mu_sandbox *sandbox)
{
    size_t capacity = sandbox->n_homes;
    sandbox->homes = mu_live_room(sandbox->homes, mu_graph_node_count(sandbox->graph), &capacity,
                                  sizeof *sandbox->homes);
    sandbox->n_homes = (uint32_t)capacity;
}

static mu_code largest_pid(const mu_entity *entity, uint32_t *largest, mu_err *err)
{
    for (uint32_t p = 0; entity != NULL && p < entity->n_parts; p++)
        for (uint32_t b = 0; b < mu_part_block_count(entity->parts[p]); b++) {
            const uint32_t *pids;
            MU_TRY(mu_part_pids(entity->parts[p], b, &pids, err));
            for (uint32_t row = 0; row < mu_part_block(entity->parts[p], b).n_rows; row++)
                *largest = pids[row] > *largest ? pids[row] : *largest;
        }
    return MU_OK;
}

mu_code mu_sandbox_free_pid(const mu_snapshot *snapshot, uint32_t *out, mu_err *err)
{
    uint32_t largest = 0;
    MU_TRY(largest_pid(mu_snapshot_entity(snapshot, MU_STR("profile")), &largest, err));
    MU_TRY(largest_pid(mu_snapshot_entity(snapshot, MU_ENTITY_GRAPH), &largest, err));
    *out = largest + 1;
    return MU_OK;
}

static mu_code restore_entity(mu_sandbox *sandbox, const mu_entity *entity, mu_err *err)
{
    mu_code code = MU_OK;
    mu_arena unpacked, arena;
    mu_arena_init(&unpacked, SIZE_MAX);
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t p = 0; entity != NULL && code == MU_OK && p < entity->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = restore_block(sandbox, &unpacked, &arena, entity->parts[p], entity->dead[p], b,
                                 err);
    mu_arena_free(&arena);
    mu_arena_free(&unpacked);
    return code;
}

mu_code mu_sandbox_restore(mu_sandbox *sandbox, mu_err *err)
{
    const mu_snapshot *snapshot = sandbox->snapshot;
    MU_TRY(restore_entity(sandbox, mu_snapshot_entity(snapshot, MU_STR("profile")), err));
    MU_TRY(restore_entity(sandbox, mu_snapshot_entity(snapshot, MU_ENTITY_GRAPH), err));
    mu_graph_take_changes(sandbox->graph);
    return MU_OK;
}
