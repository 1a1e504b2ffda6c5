/* bind_table.c -- predicates of one value decided before the blocks: by search in the dictionary,
 * or value by value on all threads. */
#include "eval/part_int.h"

uint8_t table_evaluate(const mu_job *job, const plan_table *table, mu_value value, mu_arena *arena)
{
    if (mu_value_is_null(value))
        return (uint8_t)((table->of_null ? TABLE_TRUE : 0) | (table->null_trips ? TABLE_TRIPS : 0));
    if (table->quick_date != NULL)
        return date_predicate_run(table->quick_date, value);
    mu_arena_rewind(arena);
    mu_reference_variable variable = {MU_STR(TABLE_INPUT), value};
    mu_value row = MU_VALUE_NULL;
    mu_reference_result result =
        mu_reference_eval_in(arena, &job->table_context, table->expression, 1, &row, 1, &variable);
    return (uint8_t)((mu_value_is_true(result.value) ? TABLE_TRUE : 0) |
                     (result.trips != 0 ? TABLE_TRIPS : 0));
}

/* -------- runs of codes -------- */

static uint32_t inverted_spans(const code_search *found, uint32_t n_codes, code_span *out)
{
    uint32_t n = 0, from = 0;
    for (uint32_t i = 0; i < found->n_spans; i++) {
        if (found->spans[i].first > from)
            out[n++] = (code_span){from, found->spans[i].first};
        from = found->spans[i].past;
    }
    if (from < n_codes)
        out[n++] = (code_span){from, n_codes};
    return n;
}

/* Kernels read a little past the last code. */
static uint8_t *new_results(mu_arena *arena, uint32_t n)
{
    return mu_arena_alloc(arena, (size_t)n + 64);
}

/* Few runs are ranges and need no answer per code. */
static void take_search(const code_search *found, uint32_t n_codes, mu_arena *arena,
                        bound_table *out)
{
    code_span *spans = MU_NEW_ARRAY(arena, code_span, (size_t)found->n_spans + 1);
    uint32_t n = 0;
    if (found->is_inverted)
        n = inverted_spans(found, n_codes, spans);
    else
        for (uint32_t i = 0; i < found->n_spans; i++)
            if (found->spans[i].first < found->spans[i].past)
                spans[n++] = found->spans[i];
    out->n_ranges = n > RANGES_MAX ? UINT32_MAX : n;
    if (n > RANGES_MAX)
        out->results = new_results(arena, n_codes);
    for (uint32_t i = 0; i < n; i++) {
        if (n > RANGES_MAX)
            memset(out->results + spans[i].first, TABLE_TRUE, spans[i].past - spans[i].first);
        else
            out->ranges[i] = (code_range){spans[i].first, spans[i].past - 1};
    }
}

static void find_ranges(bound_table *table)
{
    table->n_ranges = 0;
    for (uint32_t code = 0; code < table->n; code++) {
        table->trips |= (table->results[code] & TABLE_TRIPS) != 0;
        if ((table->results[code] & TABLE_TRUE) == 0 || table->n_ranges == UINT32_MAX)
            continue;
        if (code > 0 && (table->results[code - 1] & TABLE_TRUE) != 0) {
            table->ranges[table->n_ranges - 1].last = code;
        } else if (table->n_ranges == RANGES_MAX) {
            table->n_ranges = UINT32_MAX;
        } else {
            table->ranges[table->n_ranges++] = (code_range){code, code};
        }
    }
}

/* -------- value by value -------- */

static void add_open(open_tables *open, mu_arena *arena, open_table table)
{
    if (open->n == open->capacity) {
        uint32_t capacity = open->capacity == 0 ? 16 : open->capacity * 2;
        open_table *items = MU_NEW_ARRAY(arena, open_table, capacity);
        if (open->n > 0)
            memcpy(items, open->items, open->n * sizeof *items);
        open->items = items;
        open->capacity = capacity;
    }
    open->items[open->n++] = table;
}

void bind_dictionary_table(const plan_table *table, mu_dictionary dictionary, mu_arena *arena,
                           bound_table *out, open_tables *open)
{
    code_search found = {.n_spans = 1, .spans = &(code_span){0, dictionary.n}};
    *out = (bound_table){.is_decided = true, .n = dictionary.n};
    if (table->quick != NULL)
        found = dictionary_search(table->quick, &dictionary, arena);
    if (found.is_exact) {
        take_search(&found, dictionary.n, arena, out);
        return;
    }
    out->results = new_results(arena, dictionary.n);
    add_open(open, arena,
             (open_table){
                 .table = table, .bound = out, .dictionary = dictionary, .span = found.spans[0]});
}

void bind_number_table(const plan_table *table, int64_t base, uint32_t n, mu_arena *arena,
                       bound_table *out, open_tables *open)
{
    *out = (bound_table){.is_decided = true,
                         .base = base,
                         .n = n,
                         .results = new_results(arena, n + NUMBERS_PAST_TABLE)};
    add_open(open, arena, (open_table){.table = table, .bound = out, .span = {0, n}});
}

/* Values that are decided at a time. */
#define CHUNK 2048u

typedef struct settling {
    const mu_job *job;
    const open_tables *open;
    size_t *first_chunk; /* of each table, and of one past the last */
    mu_arena *arenas;    /* per worker */
} settling;

static mu_value table_value(const open_table *open, uint32_t i)
{
    if (open->dictionary.n > 0)
        return mu_value_string(mu_dictionary_get(&open->dictionary, i));
    return (mu_value){.kind = open->table->input, .integer = open->bound->base + i};
}

static mu_code settle_chunk(void *context, unsigned worker_index, size_t chunk, mu_err *err)
{
    const settling *s = context;
    uint32_t low = 0, high = s->open->n;
    (void)err;
    while (high - low > 1) { /* the last table that does not begin behind the chunk */
        uint32_t middle = low + (high - low) / 2;
        if (s->first_chunk[middle] <= chunk)
            low = middle;
        else
            high = middle;
    }
    const open_table *open = &s->open->items[low];
    uint32_t first = open->span.first + (uint32_t)(chunk - s->first_chunk[low]) * CHUNK;
    uint32_t past = open->span.past - first > CHUNK ? first + CHUNK : open->span.past;
    const text_predicate *quick = open->dictionary.n > 0 ? open->table->quick : NULL;
    for (uint32_t i = first; i < past; i++) {
        mu_value value = table_value(open, i);
        open->bound->results[i] =
            quick != NULL ? text_predicate_run(quick, value.string)
                          : table_evaluate(s->job, open->table, value, &s->arenas[worker_index]);
    }
    return MU_OK;
}

mu_code settle_tables(const mu_job *job, open_tables *open, mu_arena *arena, mu_err *err)
{
    unsigned n_threads = job->options.n_threads;
    if (open->n == 0)
        return MU_OK;
    settling s = {.job = job,
                  .open = open,
                  .first_chunk = MU_NEW_ARRAY(arena, size_t, (size_t)open->n + 1),
                  .arenas = MU_NEW_ARRAY(arena, mu_arena, n_threads)};
    for (uint32_t i = 0; i < open->n; i++) {
        const code_span *span = &open->items[i].span;
        s.first_chunk[i + 1] = s.first_chunk[i] + (span->past - span->first + CHUNK - 1) / CHUNK;
    }
    for (unsigned t = 0; t < n_threads; t++)
        mu_arena_init(&s.arenas[t], SIZE_MAX);
    mu_code code = mu_parallel_for(n_threads, s.first_chunk[open->n], settle_chunk, &s, err);
    for (unsigned t = 0; t < n_threads; t++)
        mu_arena_free(&s.arenas[t]);
    for (uint32_t i = 0; i < open->n; i++)
        find_ranges(open->items[i].bound);
    open->n = 0;
    return code;
}
