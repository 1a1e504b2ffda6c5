/* fuzz_load_line.c -- NDJSON lines through parsing, settling and decoding; what was accepted must
 * decode or be rejected for its type, and settle the same from the joined shape. */
#include "ingest/ingest_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(mu_code code)
{
    if (code != MU_OK)
        abort();
}

static void decode_records(mu_load_run *run, const mu_run *runs, size_t n_runs,
                           const mu_shape *shape, const uint32_t *slots, mu_arena *arena)
{
    const mu_worker *worker = &run->workers[0];
    mu_decoder decoder = {.shape = &worker->shape, .slots = slots, .arena = arena};
    for (size_t r = 0; r < n_runs; r++) {
        for (size_t at = 0; at < runs[r].len;) {
            const mu_record *record = (const void *)(runs[r].bytes + at);
            const uint8_t *body = mu_record_body(record);
            uint32_t root = worker->roots[record->is_event ? MU_CLASS_EVENT : MU_CLASS_PROFILE];
            mu_value value = MU_VALUE_NULL;
            mu_err err;
            mu_code code =
                mu_decode(&decoder, root, shape->nodes[root].settled, &body, &value, &err);
            if (code != MU_OK && code != MU_E_TYPE)
                abort();
            if (code == MU_OK && body > (const uint8_t *)record + record->size_bytes)
                abort();
            at += record->size_bytes;
        }
        free(runs[r].bytes);
    }
}

static void settle_and_decode(mu_load_run *run)
{
    mu_worker *worker = &run->workers[0];
    mu_shape joined;
    mu_run *runs = NULL;
    size_t n_runs = 0, capacity = 0;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_shape_init(&joined, &arena);
    for (uint32_t c = 0; c < run->n_classes; c++)
        mu_shape_root(&joined, run->classes[c].type);
    uint32_t *map = MU_NEW_ARRAY(&arena, uint32_t, worker->shape.n_nodes);
    mu_shape_join(&joined, &worker->shape, map);
    for (uint32_t c = 0; c < run->n_classes; c++)
        mu_shape_settle(&joined, 1 + c, &arena);
    for (uint32_t n = 0; n < worker->shape.n_nodes; n++) {
        const mu_shape_node *node = &joined.nodes[map[n]];
        map[n] = node->settled == NULL ? MU_NO_SLOT : node->slot;
    }
    must(mu_spread_finish(run->spread, NULL));
    must(mu_spread_take(run->spread, 0, &runs, &n_runs, &capacity, NULL));
    decode_records(run, runs, n_runs, &joined, map, &arena);
    free(runs);
    mu_shape_free(&joined);
    mu_arena_free(&arena);
}

static void load_bytes(mu_load_run *run, const uint8_t *bytes, size_t size)
{
    mu_worker worker;
    mu_outcome outcome = {0};
    must(mu_load_run_prepare(run, mu_schema_builtin(&run->arena), NULL));
    must(mu_spread_new("/tmp", 1, 1, 1 << 20, &run->spread, NULL));
    must(mu_worker_init(&worker, run, 0, NULL));
    run->workers = &worker;
    mu_arena_init(&outcome.arena, SIZE_MAX);
    worker.outcome = &outcome;
    worker.chunk.bytes = malloc(size + 1);
    memcpy(worker.chunk.bytes, bytes, size);
    worker.chunk.len = size;
    mu_err err;
    if (mu_worker_lines(&worker, &err) == MU_OK)
        settle_and_decode(run);
    free(outcome.rejects);
    mu_arena_free(&outcome.arena);
    mu_worker_free(&worker);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_load_options options = {.n_threads = 1};
    mu_load_run run = {.options = &options};
    if (size == 0)
        return 0;
    mu_arena_init(&run.arena, SIZE_MAX);
    load_bytes(&run, bytes, size);
    mu_spread_free(run.spread);
    mu_arena_free(&run.arena);
    return 0;
}
