/* worker.c -- one worker's state for one block: memory that comes back after the last use, vectors
 * and levels found when first asked for, decoded rows, rows left to the reference evaluator. */
#include "eval/job_int.h"

#include <stdlib.h>

/* -------- memory -------- */

static unsigned size_class(size_t size)
{
    unsigned class_index = 6;
    while (((size_t)1 << class_index) < size)
        class_index++;
    return class_index;
}

static void *pool_take(worker *w, size_t size)
{
    unsigned class_index = size_class(size);
    MU_ASSERT(class_index < POOL_CLASSES);
    void *memory = w->pool[class_index];
    if (memory == NULL)
        return mu_arena_alloc(&w->pool_arena, (size_t)1 << class_index);
    memcpy(&w->pool[class_index], memory, sizeof(void *));
    return memory;
}

static void pool_give(worker *w, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    unsigned class_index = size_class(size);
    memcpy(memory, &w->pool[class_index], sizeof(void *));
    w->pool[class_index] = memory;
}

/* 64 bytes more than needed, because kernels read past the end. */
static size_t bits_size(uint32_t n)
{
    return mu_bits_words(n) * 8 + 64;
}

static size_t numbers_size(uint32_t n)
{
    return (size_t)n * 8 + 64;
}

uint64_t *worker_bits(worker *w, uint32_t n)
{
    uint64_t *bits = pool_take(w, bits_size(n));
    memset(bits, 0, bits_size(n));
    return bits;
}

uint64_t *worker_raw_bits(worker *w, uint32_t n)
{
    uint64_t *bits = pool_take(w, bits_size(n));
    memset(bits + mu_bits_words(n), 0, 64);
    if (n > 0)
        bits[mu_bits_words(n) - 1] = 0;
    return bits;
}

void *worker_numbers(worker *w, uint32_t n)
{
    void *numbers = pool_take(w, numbers_size(n));
    memset((char *)numbers + (size_t)n * 8, 0, 64);
    return numbers;
}

void worker_give_bits(worker *w, uint64_t *bits, uint32_t n)
{
    pool_give(w, bits, bits_size(n));
}

void worker_give_numbers(worker *w, void *numbers, uint32_t n)
{
    pool_give(w, numbers, numbers_size(n));
}

uint32_t worker_count(worker *w, uint32_t id)
{
    node_value *value = &w->values[id];
    if (!value->is_counted) {
        uint32_t n = w->levels[w->job->plan.nodes[id].level].n;
        value->n_set = (uint32_t)w->job->kernels->count_bits(value->bits, mu_bits_words(n));
        value->is_counted = true;
    }
    return value->n_set;
}

void worker_give_value(worker *w, uint32_t id)
{
    const plan_node *node = &w->job->plan.nodes[id];
    uint32_t n = w->levels[node->level].n;
    node_value *value = &w->values[id];
    pool_give(w, value->data, node->kind == VECTOR_BITS ? bits_size(n) : numbers_size(n));
    pool_give(w, value->valid, bits_size(n));
    *value = (node_value){0};
}

void worker_init(worker *w, mu_job *job)
{
    plan *p = &job->plan;
    *w = (worker){.job = job};
    mu_arena_init(&w->scratch, SIZE_MAX);
    mu_arena_init(&w->row_arena, SIZE_MAX);
    mu_arena_init(&w->pool_arena, SIZE_MAX);
    w->values = MU_NEW_ARRAY(&w->pool_arena, node_value, p->n_nodes);
    w->uses = MU_NEW_ARRAY(&w->pool_arena, uint32_t, p->n_nodes);
    w->vectors = MU_NEW_ARRAY(&w->pool_arena, mu_vector, p->n_columns);
    w->plain = MU_NEW_ARRAY(&w->pool_arena, struct plain_memory, p->n_columns);
    w->vector_is_loaded = MU_NEW_ARRAY(&w->pool_arena, bool, p->n_columns);
    w->levels = MU_NEW_ARRAY(&w->pool_arena, level_state, p->n_levels);
    w->bails = MU_NEW_ARRAY(&w->pool_arena, uint64_t *, p->n_nodes);
    w->bailed = MU_NEW_ARRAY(&w->pool_arena, uint32_t, p->n_nodes);
    w->counts = MU_NEW_ARRAY(&w->pool_arena, uint64_t, job->n_audiences);
}

void worker_fini(worker *w)
{
    for (uint32_t column = 0; column < w->job->plan.n_columns; column++)
        free(w->plain[column].bytes);
    mu_arena_free(&w->scratch);
    mu_arena_free(&w->row_arena);
    mu_arena_free(&w->pool_arena);
}

/* -------- vectors and levels -------- */

/* What the part has packed is unpacked for this block; the memory serves the next ones too. */
static mu_code plain_vector(worker *w, uint32_t column, mu_vector *out)
{
    mu_vector stored;
    struct plain_memory *memory = &w->plain[column];
    MU_TRY(mu_part_vector(w->bound->part, w->bound->columns[column], w->block, &stored, w->err));
    size_t size = (mu_vector_plain_bytes(&stored) + 63) & ~(size_t)63;
    if (size > memory->capacity) {
        free(memory->bytes);
        memory->bytes = aligned_alloc(64, size);
        memory->capacity = memory->bytes == NULL ? 0 : size;
        if (memory->bytes == NULL)
            return mu_fail(w->err, MU_E_NOMEM, "out of memory for unpacking a column");
    }
    mu_vector_unpack(&stored, memory->bytes, out);
    return MU_OK;
}

mu_code worker_vector(worker *w, uint32_t column, const mu_vector **out)
{
    mu_vector *vector = &w->vectors[column];
    if (!w->vector_is_loaded[column]) {
        uint32_t n;
        MU_TRY(worker_level(w, w->job->plan.columns[column].level, &n));
        if (w->bound->columns[column] == MU_NO_COLUMN)
            *vector = (mu_vector){.encoding = MU_ENCODING_NONE, .n = n, .n_null = n};
        else
            MU_TRY(plain_vector(w, column, vector));
        if (vector->n != n)
            return mu_fail(w->err, MU_E_CORRUPT, "a column has %u elements where its level has %u",
                           vector->n, n);
        w->vector_is_loaded[column] = true;
    }
    *out = vector;
    return MU_OK;
}

/* The number of elements of a level and where each parent's lie. */
mu_code worker_level(worker *w, uint32_t level, uint32_t *n)
{
    level_state *state = &w->levels[level];
    if (!state->is_loaded) {
        const plan_level *planned = &w->job->plan.levels[level];
        const mu_vector *list;
        uint32_t n_parents;
        MU_TRY(worker_level(w, planned->parent, &n_parents));
        MU_TRY(worker_vector(w, planned->column, &list));
        if (list->encoding == MU_ENCODING_OFFSETS) {
            state->offsets = list->offsets;
            state->n = list->offsets[n_parents];
        } else {
            state->offsets = MU_NEW_ARRAY(&w->scratch, uint32_t, (size_t)n_parents + 17);
            state->n = 0;
        }
        state->is_loaded = true;
    }
    *n = state->n;
    return MU_OK;
}

mu_code worker_pair(worker *w, uint32_t owner, uint32_t item, level_pair **out)
{
    for (level_pair *known = w->pairs; known != NULL; known = known->next) {
        if (known->owner == owner && known->item == item) {
            *out = known;
            return MU_OK;
        }
    }
    uint32_t n_items, n_owners;
    MU_TRY(worker_level(w, item, &n_items));
    MU_TRY(worker_level(w, owner, &n_owners));
    MU_ASSERT(owner != item);
    const uint32_t *offsets = w->levels[item].offsets;
    uint32_t parent = w->job->plan.levels[item].parent;
    if (parent != owner) { /* through the levels between */
        level_pair *upper;
        MU_TRY(worker_pair(w, owner, parent, &upper));
        uint32_t *joined = MU_NEW_ARRAY(&w->scratch, uint32_t, (size_t)n_owners + 17);
        for (uint32_t o = 0; o <= n_owners; o++)
            joined[o] = offsets[upper->offsets[o]];
        offsets = joined;
    }
    level_pair *pair = MU_NEW(&w->scratch, level_pair);
    *pair = (level_pair){.next = w->pairs, .owner = owner, .item = item, .offsets = offsets};
    w->pairs = pair;
    *out = pair;
    return MU_OK;
}

mu_code worker_owner_of(worker *w, uint32_t owner, uint32_t item, const uint32_t **out)
{
    level_pair *pair;
    MU_TRY(worker_pair(w, owner, item, &pair));
    if (pair->owner_of == NULL) {
        uint32_t *owner_of = MU_NEW_ARRAY(&w->scratch, uint32_t, (size_t)w->levels[item].n + 16);
        for (uint32_t o = 0; o < w->levels[owner].n; o++)
            for (uint32_t i = pair->offsets[o]; i < pair->offsets[o + 1]; i++)
                owner_of[i] = o;
        pair->owner_of = owner_of;
    }
    *out = pair->owner_of;
    return MU_OK;
}

void worker_pair_ends(worker *w, level_pair *pair)
{
    if (pair->ends != NULL)
        return;
    uint32_t n_owners = w->levels[pair->owner].n, n_items = w->levels[pair->item].n;
    uint64_t *ends = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(n_items) + 8);
    uint64_t *first = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(n_items) + 8);
    uint64_t *filled = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(n_owners) + 8);
    w->job->kernels->changes_32(pair->offsets, n_owners, filled);
    uint64_t ends_word = 0; /* put together in a register: neighbouring owners end in one word */
    uint32_t at = 0;
    for (size_t word = 0; word < mu_bits_words(n_owners); word++) {
        for (uint64_t rest = filled[word]; rest != 0; rest &= rest - 1) {
            uint32_t last = pair->offsets[word * 64 + (size_t)__builtin_ctzll(rest) + 1] - 1;
            if (last / 64 != at) {
                ends[at] = ends_word;
                at = last / 64;
                ends_word = 0;
            }
            ends_word |= (uint64_t)1 << (last % 64);
        }
    }
    ends[at] |= ends_word;
    /* Owners' items follow each other: where one ends, the next begins. */
    uint64_t before = n_items > 0;
    for (size_t word = 0; word < mu_bits_words(n_items); word++) {
        first[word] = ends[word] << 1 | before;
        before = ends[word] >> 63;
    }
    if (n_items % 64 != 0)
        first[n_items / 64] &= ((uint64_t)1 << (n_items % 64)) - 1;
    pair->ends = ends;
    pair->first = first;
    pair->filled = filled;
}

/* -------- rows that a kernel leaves to the reference evaluator -------- */

uint64_t *worker_bail(worker *w, uint32_t node)
{
    if (w->bails[node] == NULL) {
        w->bails[node] = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(w->n_rows) + 1);
        w->bailed[w->n_bails++] = node;
    }
    return w->bails[node];
}

mu_code worker_bail_element(worker *w, uint32_t node, uint32_t level, uint32_t element)
{
    if (level != 0) {
        const uint32_t *owner_of;
        MU_TRY(worker_owner_of(w, 0, level, &owner_of));
        element = owner_of[element];
    }
    mu_bit_set(worker_bail(w, node), element);
    return MU_OK;
}

mu_code worker_row(worker *w, uint32_t row, const mu_value **out)
{
    if (w->rows == NULL)
        w->rows = MU_NEW_ARRAY(&w->scratch, const mu_value *, w->n_rows);
    if (w->rows[row] == NULL) {
        mu_value *value = MU_NEW(&w->scratch, mu_value);
        mu_row_place place = {w->bound->index, w->place.row + row};
        MU_TRY(job_read_row(w->job, w->job->profile, place, &w->scratch, value, w->err));
        w->rows[row] = value;
    }
    *out = w->rows[row];
    return MU_OK;
}

/* The rows of the block that are not dead, or NULL when all are live. */
static const uint64_t *find_live(worker *w)
{
    const uint64_t *dead = w->bound->dead;
    bool is_any_dead = false;
    if (dead == NULL)
        return NULL;
    uint64_t *live = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(w->n_rows) + 8);
    for (uint32_t row = 0; row < w->n_rows; row++) {
        if (mu_bit_get(dead, w->place.row + row))
            is_any_dead = true;
        else
            mu_bit_set(live, row);
    }
    return is_any_dead ? live : NULL;
}

void worker_begin_block(worker *w, const bound_part *bound, uint32_t block)
{
    const plan *p = &w->job->plan;
    w->bound = bound;
    w->block = block;
    w->place = mu_part_block(bound->part, block);
    w->n_rows = w->place.n_rows;
    mu_arena_rewind(&w->scratch);
    w->live = find_live(w);
    memset(w->vector_is_loaded, 0, p->n_columns * sizeof *w->vector_is_loaded);
    memset(w->levels, 0, p->n_levels * sizeof *w->levels);
    w->levels[0] = (level_state){.is_loaded = true, .n = w->n_rows};
    w->pairs = NULL;
    w->orders = NULL;
    while (w->n_bails > 0)
        w->bails[w->bailed[--w->n_bails]] = NULL;
    w->rows = NULL;
    memcpy(w->uses, w->job->uses, p->n_nodes * sizeof *w->uses);
    w->counters.n_blocks++;
}
