#include "ingest/ingest_int.h"
#include "store/log.h"

#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>

#define MEMORY_DEFAULT ((size_t)1 << 30)
#define MEMORY_MIN     ((size_t)64 << 20)
#define CHUNK_MIN      ((size_t)256 << 10)
#define CHUNK_MAX      ((size_t)4 << 20)
#define WORKERS_MAX    64u
#define SLICES_MAX     1024u

/* Input bytes whose records stay in a processor's cache while they are sorted and built. */
#define SLICE_BYTES ((uint64_t)512 << 10)

/* Records up to this size are not worth several parts. */
#define SMALL_RECORDS_BYTES ((uint64_t)16 << 20)

/* What an input of unknown size is taken for. */
#define PIPE_BYTES ((uint64_t)4 << 30)

/* -------- reporting -------- */

void mu_load_run_report(mu_load_run *run, uint32_t file, uint64_t line, mu_str reason)
{
    const mu_load_options *options = run->options;
    if (run->stopped.code != MU_OK)
        return;
    run->summary.n_rejected++;
    mu_str name = run->input.files[file].name;
    if (options->rejected != NULL)
        options->rejected(options->rejected_context, name, line, reason);
    if (options->fail_fast)
        mu_fail(&run->stopped, MU_E_INPUT, MU_STR_FMT ":%llu: " MU_STR_FMT, MU_STR_ARG(name),
                (unsigned long long)line, MU_STR_ARG(reason));
}

static void free_outcome(mu_outcome *outcome)
{
    if (outcome == NULL)
        return;
    mu_arena_free(&outcome->arena);
    free(outcome->rejects);
    free(outcome);
}

static void report_outcome(mu_load_run *run, const mu_outcome *outcome)
{
    const mu_load_options *options = run->options;
    run->summary.n_read += outcome->n_read;
    for (size_t i = 0; i < outcome->n_rejects; i++)
        mu_load_run_report(run, outcome->file, outcome->rejects[i].line,
                           outcome->rejects[i].reason);
    if (options->progress != NULL)
        options->progress(options->progress_context, outcome->done_bytes, run->input.all_bytes,
                          run->summary.n_read);
}

/* Reports the outcome when all before it were, else keeps it for later. Takes it over. */
static bool hand_in(mu_load_run *run, mu_outcome *outcome)
{
    pthread_mutex_lock(&run->lock);
    mu_outcome **place = &run->waiting;
    while (*place != NULL && (*place)->sequence < outcome->sequence)
        place = &(*place)->next;
    outcome->next = *place;
    *place = outcome;
    while (run->waiting != NULL && run->waiting->sequence == run->next_sequence) {
        mu_outcome *first = run->waiting;
        run->waiting = first->next;
        run->next_sequence++;
        report_outcome(run, first);
        free_outcome(first);
    }
    bool goes_on = run->stopped.code == MU_OK;
    pthread_mutex_unlock(&run->lock);
    return goes_on;
}

/* -------- parsing -------- */

static mu_code new_outcome(mu_worker *worker, mu_err *err)
{
    mu_outcome *outcome = calloc(1, sizeof *outcome);
    if (outcome == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_arena_init(&outcome->arena, SIZE_MAX);
    outcome->sequence = worker->chunk.sequence;
    outcome->file = worker->chunk.file;
    outcome->done_bytes = worker->chunk.done_bytes;
    worker->outcome = outcome;
    return MU_OK;
}

static mu_code parse_chunk(mu_worker *worker, mu_err *err)
{
    if (worker->chunk.skipped_line) {
        mu_err problem;
        mu_fail(&problem, MU_E_INPUT, "line longer than %zu MiB", MU_LINE_MAX >> 20);
        worker->outcome->n_read++;
        mu_worker_reject(worker, worker->chunk.first_line, &problem);
        return MU_OK;
    }
    return worker->run->input.files[worker->chunk.file].is_csv ? mu_worker_rows(worker, err)
                                                               : mu_worker_lines(worker, err);
}

static mu_code parse_all(mu_worker *worker, mu_err *err)
{
    mu_load_run *run = worker->run;
    for (bool more = true, goes_on = true; goes_on;) {
        MU_TRY(mu_input_next(&run->input, &worker->chunk, &more, err));
        if (!more)
            return MU_OK;
        MU_TRY(new_outcome(worker, err));
        mu_code code = parse_chunk(worker, err);
        mu_outcome *outcome = worker->outcome;
        worker->outcome = NULL;
        if (code != MU_OK) {
            free_outcome(outcome);
            return code;
        }
        goes_on = hand_in(run, outcome);
    }
    mu_input_stop(&run->input);
    return MU_OK;
}

static mu_code parse_body(void *context, unsigned thread, size_t item, mu_err *err)
{
    (void)thread;
    mu_load_run *run = context;
    mu_code code = parse_all(&run->workers[item], err);
    if (code != MU_OK)
        mu_input_stop(&run->input);
    return code;
}

/* -------- settling -------- */

static mu_code joined_shape(mu_load_run *run, mu_shape *joined, uint32_t **maps, mu_err *err)
{
    for (uint32_t c = 0; c < run->n_classes; c++)
        mu_shape_root(joined, run->classes[c].type);
    for (unsigned w = 0; w < run->n_workers; w++) {
        maps[w] = MU_NEW_ARRAY(&run->arena, uint32_t, run->workers[w].shape.n_nodes);
        mu_shape_join(joined, &run->workers[w].shape, maps[w]);
    }
    if (joined->n_new > MU_PATHS_MAX)
        return mu_fail(err, MU_E_LIMIT,
                       "the data has more than %u fields that the schema does not know; a field "
                       "with changing names should be declared a map",
                       MU_PATHS_MAX);
    return MU_OK;
}

/* The schema with the settled types; run->schema itself when nothing is new. */
static const mu_schema *settled_schema(mu_load_run *run, mu_shape *joined)
{
    const mu_schema *schema = run->schema;
    const mu_type **types = MU_NEW_ARRAY(&run->arena, const mu_type *, run->n_classes);
    bool changed = false;
    for (uint32_t c = 0; c < run->n_classes; c++) {
        types[c] = mu_shape_settle(joined, 1 + c, &run->arena);
        changed |= types[c] != run->classes[c].type;
    }
    if (!changed)
        return schema;
    mu_lookup_class *lookups = MU_NEW_ARRAY(&run->arena, mu_lookup_class, schema->n_lookup_classes);
    for (uint32_t i = 0; i < schema->n_lookup_classes; i++) {
        lookups[i] = schema->lookup_classes[i];
        lookups[i].type = types[MU_CLASS_LOOKUP + i];
    }
    return mu_schema_with_types(&run->arena, schema, types[MU_CLASS_PROFILE], types[MU_CLASS_EVENT],
                                schema->n_lookup_classes, lookups);
}

/* Maps of nodes become maps of slots, in place. */
static void to_slots(const mu_load_run *run, const mu_shape *joined, uint32_t *const *maps)
{
    for (unsigned w = 0; w < run->n_workers; w++) {
        for (uint32_t node = 0; node < run->workers[w].shape.n_nodes; node++) {
            const mu_shape_node *entry = &joined->nodes[maps[w][node]];
            maps[w][node] = entry->settled == NULL ? MU_NO_SLOT : entry->slot;
        }
    }
}

static bool same_schema(const mu_schema *a, const mu_schema *b)
{
    mu_buf text[2];
    const mu_schema *schemas[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        mu_json_writer writer;
        mu_schema unnumbered = *schemas[i];
        unnumbered.version = 0;
        mu_buf_init(&text[i], SIZE_MAX);
        mu_json_writer_init(&writer, &text[i]);
        mu_schema_write(&writer, &unnumbered);
    }
    bool same = mu_str_equal(mu_buf_str(&text[0]), mu_buf_str(&text[1]));
    mu_buf_free(&text[0]);
    mu_buf_free(&text[1]);
    return same;
}

/* The schema that the load leaves: the old one when nothing changed, else the next version. */
static const mu_schema *final_schema(mu_load_run *run, const mu_schema *settled)
{
    const mu_schema *old = mu_snapshot_schema(run->snapshot);
    if (same_schema(old, settled))
        return old;
    mu_schema *next = MU_NEW(&run->arena, mu_schema);
    *next = *settled;
    next->version = old->version + 1;
    return next;
}

static mu_code settle_and_build(mu_load_run *run, mu_change *change, bool *changed, mu_err *err)
{
    mu_shape joined;
    uint32_t **maps = MU_NEW_ARRAY(&run->arena, uint32_t *, run->n_workers);
    mu_shape_init(&joined, &run->arena);
    mu_code code = joined_shape(run, &joined, maps, err);
    if (code == MU_OK) {
        const mu_schema *schema = final_schema(run, settled_schema(run, &joined));
        to_slots(run, &joined, maps);
        *changed = schema != mu_snapshot_schema(run->snapshot) ||
                   run->summary.n_read > run->summary.n_rejected;
        if (schema != mu_snapshot_schema(run->snapshot))
            mu_change_set_schema(change, schema);
        code = mu_build(run, change, schema, (const uint32_t *const *)maps, err);
    }
    mu_shape_free(&joined);
    return code;
}

/* -------- the run -------- */

static void ignore_problem(void *context, mu_str sentence)
{
    (void)context;
    (void)sentence;
}

/* Rows that a server wrote belong together with its log and its identity graph, of which a load
 * knows nothing (docs/decisions/0091). */
static mu_code refuse_served(mu_load_run *run, mu_err *err)
{
    mu_log_report log = {0};
    const char *folder = mu_store_folder(run->store);
    if (mu_snapshot_mark(run->snapshot).next_sequence == 0)
        MU_TRY(mu_log_verify(folder, ignore_problem, NULL, &log, err));
    if (mu_snapshot_mark(run->snapshot).next_sequence == 0 && log.n_records == 0)
        return MU_OK;
    return mu_fail(err, MU_E_CONFLICT, "%s has been served: start muster serve and load with --url",
                   folder);
}

/* So many slices that the records of one stay in a processor's cache, as far as the size of the
 * input is known. */
static uint32_t choose_slices(const mu_load_run *run, const mu_load_tuning *tuning)
{
    uint64_t bytes = run->input.all_bytes;
    for (uint32_t f = 0; f < run->input.n_files; f++)
        if (run->input.files[f].size_bytes == 0 && run->input.files[f].is_pipe)
            bytes += PIPE_BYTES;
    uint64_t n = bytes / SLICE_BYTES + 1;
    return tuning->n_slices > 0 ? tuning->n_slices : n < SLICES_MAX ? (uint32_t)n : SLICES_MAX;
}

/* How many parts. Those that the workers build at the same time have all their records in memory,
 * with what is made of them: what was spilled comes back into half of the memory. */
static uint32_t choose_parts(const mu_load_run *run, const mu_load_tuning *tuning, uint64_t bytes,
                             size_t memory_max)
{
    uint64_t n = bytes <= SMALL_RECORDS_BYTES ? 1 : run->n_workers;
    uint64_t spilled = mu_spread_spilled(run->spread);
    uint64_t rounds = (spilled + spilled / 2) / (memory_max / 2) + 1;
    if (spilled > 0)
        n = run->n_workers * rounds;
    if (tuning->n_parts > 0)
        n = tuning->n_parts;
    return n > run->n_slices ? run->n_slices : (uint32_t)n;
}

/* Consecutive slices make parts of about the same size. */
static void cut_parts(mu_load_run *run, const mu_load_tuning *tuning, size_t memory_max)
{
    uint64_t all = 0, before = 0;
    for (uint32_t s = 0; s < run->n_slices; s++)
        all += mu_spread_slice_bytes(run->spread, s);
    run->n_parts = choose_parts(run, tuning, all, memory_max);
    run->part_slices = MU_NEW_ARRAY(&run->arena, uint32_t, (size_t)run->n_parts + 1);
    uint32_t part = 1;
    for (uint32_t s = 0; s < run->n_slices; s++) {
        while (part < run->n_parts && before >= all / run->n_parts * part)
            run->part_slices[part++] = s;
        before += mu_spread_slice_bytes(run->spread, s);
    }
    while (part <= run->n_parts)
        run->part_slices[part++] = run->n_slices;
}

static size_t memory_of(const mu_load_options *options)
{
    size_t memory = options->memory_max_bytes == 0 ? MEMORY_DEFAULT : options->memory_max_bytes;
    return memory < MEMORY_MIN ? MEMORY_MIN : memory;
}

static mu_code open_run(mu_load_run *run, const mu_load_tuning *tuning, uint32_t n_files,
                        const char *const *files, mu_err *err)
{
    const mu_load_options *options = run->options;
    unsigned n_workers = options->n_threads == 0 ? mu_cpu_count() : options->n_threads;
    run->n_workers = n_workers > WORKERS_MAX ? WORKERS_MAX : n_workers;
    size_t memory = memory_of(options);
    size_t chunk = memory / (16 * (size_t)run->n_workers);
    chunk = chunk < CHUNK_MIN ? CHUNK_MIN : chunk > CHUNK_MAX ? CHUNK_MAX : chunk;
    if (tuning->chunk_bytes > 0)
        chunk = tuning->chunk_bytes;
    MU_TRY(mu_load_run_prepare(run, mu_snapshot_schema(run->snapshot), err));
    MU_TRY(mu_input_open(&run->input, n_files, files, options->format, chunk, err));
    run->n_slices = choose_slices(run, tuning);
    size_t spread = tuning->spread_bytes > 0 ? tuning->spread_bytes : memory / 2;
    MU_TRY(mu_spread_new(mu_store_folder(run->store), run->n_slices, run->n_workers, spread,
                         &run->spread, err));
    run->workers = MU_NEW_ARRAY(&run->arena, mu_worker, run->n_workers);
    for (unsigned w = 0; w < run->n_workers; w++)
        MU_TRY(mu_worker_init(&run->workers[w], run, w, err));
    return MU_OK;
}

static void close_run(mu_load_run *run)
{
    for (unsigned w = 0; run->workers != NULL && w < run->n_workers; w++) {
        free_outcome(run->workers[w].outcome);
        mu_worker_free(&run->workers[w]);
    }
    while (run->waiting != NULL) {
        mu_outcome *next = run->waiting->next;
        free_outcome(run->waiting);
        run->waiting = next;
    }
    mu_spread_free(run->spread);
    if (run->input.files != NULL)
        mu_input_close(&run->input);
    if (run->snapshot != NULL)
        mu_snapshot_release(run->snapshot);
    mu_arena_free(&run->arena);
    pthread_mutex_destroy(&run->lock);
}

static mu_code check_stopped(const mu_load_run *run, mu_err *err)
{
    if (run->stopped.code == MU_OK)
        return MU_OK;
    return mu_fail(err, run->stopped.code, "%s", run->stopped.text);
}

static mu_code run_load(mu_load_run *run, const mu_load_tuning *tuning, uint32_t n_files,
                        const char *const *files, mu_change *change, bool *changed, mu_err *err)
{
    MU_TRY(mu_snapshot_acquire(run->store, &run->snapshot, err));
    MU_TRY(refuse_served(run, err));
    MU_TRY(open_run(run, tuning, n_files, files, err));
    MU_TRY(mu_parallel_for(run->n_workers, run->n_workers, parse_body, run, err));
    MU_TRY(check_stopped(run, err));
    MU_TRY(mu_spread_finish(run->spread, err));
    cut_parts(run, tuning, memory_of(run->options));
    MU_TRY(settle_and_build(run, change, changed, err));
    return check_stopped(run, err);
}

mu_code mu_load_tuned(mu_store *store, const mu_load_options *options, const mu_load_tuning *tuning,
                      uint32_t n_files, const char *const *files, mu_load_summary *out, mu_err *err)
{
    int64_t start_ns = mu_monotonic_ns();
    mu_load_run run = {.store = store, .options = options};
    mu_change *change;
    bool changed = false;
    MU_TRY(mu_change_begin(store, &change, err));
    mu_arena_init(&run.arena, SIZE_MAX);
    pthread_mutex_init(&run.lock, NULL);
    mu_code code = run_load(&run, tuning, n_files, files, change, &changed, err);
    if (code == MU_OK && changed)
        code = mu_change_commit(change, err);
    else
        mu_change_abort(change);
    if (code == MU_OK) {
        *out = run.summary;
        out->n_loaded = out->n_read - out->n_rejected;
        out->seconds = (double)(mu_monotonic_ns() - start_ns) / 1e9;
    }
    close_run(&run);
    return code;
}

mu_code mu_load(mu_store *store, const mu_load_options *options, uint32_t n_files,
                const char *const *files, mu_load_summary *out, mu_err *err)
{
    mu_load_tuning tuning = {0};
    return mu_load_tuned(store, options, &tuning, n_files, files, out, err);
}
