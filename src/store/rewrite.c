/* Rows of several parts into new ones, in the order of mu_mix32(pid). */
#include "store/change_int.h"
#include "store/row_copy.h"

#include <stdlib.h>

#define RUN_MAX 64u

/* A part that is read from its first row to its last. */
typedef struct source {
    const mu_part *part;
    const mu_dead_rows *dead;
    uint32_t row, block;
    const uint32_t *pids; /* of `block` */
    uint32_t mixed;       /* of the pid at `row` */
    mu_row_copier *copier;
} source;

typedef struct rewrite {
    mu_change *change;
    mu_str entity;
    const mu_type *row_type;
    uint32_t n; /* sources with rows left: a heap, the least `mixed` first */
    source *sources;
    uint32_t n_opened; /* all of them, also those without rows left */
    mu_row_copier **copiers;
    mu_part_writer *writer; /* NULL between parts */
    uint32_t n_written;     /* rows of the writer */
} rewrite;

/* -------- the heap -------- */

/* Moves on to the next live row at or after `row`; false when there is none. */
static mu_code seek(source *s, bool *has_row, mu_err *err)
{
    uint32_t n = s->part->footer.n_rows;
    while (s->row < n && mu_dead_rows_has(s->dead, s->row))
        s->row++;
    *has_row = s->row < n;
    if (!*has_row)
        return MU_OK;
    const mu_block *blocks = s->part->blocks;
    uint32_t block = s->block;
    while (s->row - blocks[block].row >= blocks[block].n_rows)
        block++;
    if (s->pids == NULL || block != s->block)
        MU_TRY(mu_part_pids(s->part, block, &s->pids, err));
    s->block = block;
    s->mixed = mu_mix32(s->pids[s->row - blocks[block].row]);
    return MU_OK;
}

static void sift_down(rewrite *r, uint32_t at)
{
    source moving = r->sources[at];
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= r->n)
            break;
        if (child + 1 < r->n && r->sources[child + 1].mixed < r->sources[child].mixed)
            child++;
        if (moving.mixed <= r->sources[child].mixed)
            break;
        r->sources[at] = r->sources[child];
        at = child;
    }
    r->sources[at] = moving;
}

static mu_code open_sources(rewrite *r, uint32_t n, const uint32_t *parts, mu_err *err)
{
    r->sources = calloc((size_t)n + 1, sizeof *r->sources);
    r->copiers = calloc((size_t)n + 1, sizeof *r->copiers);
    if (r->sources == NULL || r->copiers == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for rewriting parts");
    for (uint32_t i = 0; i < n; i++) {
        bool has_row;
        source *s = &r->sources[r->n];
        *s = (source){.part = r->change->base->state.parts[parts[i]].handle->part,
                      .dead = mu_change_source_dead(r->change, parts[i])};
        MU_TRY(mu_row_copier_new(s->part, &s->copier, err));
        r->copiers[r->n_opened++] = s->copier;
        MU_TRY(seek(s, &has_row, err));
        r->n += has_row;
    }
    for (uint32_t i = r->n / 2; i-- > 0;)
        sift_down(r, i);
    return MU_OK;
}

static void close_sources(rewrite *r)
{
    for (uint32_t i = 0; i < r->n_opened; i++)
        mu_row_copier_free(r->copiers[i]);
    free(r->copiers);
    free(r->sources);
}

/* Moves the first source on, past `n` rows. */
static mu_code advance(rewrite *r, uint32_t n, mu_err *err)
{
    bool has_row;
    r->sources[0].row += n;
    MU_TRY(seek(&r->sources[0], &has_row, err));
    if (!has_row)
        r->sources[0] = r->sources[--r->n];
    sift_down(r, 0);
    return MU_OK;
}

/* -------- rows -------- */

/* The least hash that a source other than the first has next. */
static uint64_t next_mixed(const rewrite *r)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 1; i < 3 && i < r->n; i++)
        least = r->sources[i].mixed < least ? r->sources[i].mixed : least;
    return least;
}

/* Rows of the first source, alive, in one block, and before those of all others. */
static uint32_t count_run(const rewrite *r, uint32_t most)
{
    const source *s = &r->sources[0];
    mu_block block = s->part->blocks[s->block];
    uint64_t end = next_mixed(r);
    uint32_t n = 1, at = s->row - block.row;
    while (n < most && at + n < block.n_rows && !mu_dead_rows_has(s->dead, s->row + n) &&
           mu_mix32(s->pids[at + n]) < end)
        n++;
    return n;
}

static mu_code copy_run(rewrite *r, uint32_t *out, mu_err *err)
{
    source *s = &r->sources[0];
    uint32_t n = count_run(r, RUN_MAX);
    MU_TRY(mu_row_copier_room(s->copier, r->writer, s->row, n, &n, err));
    MU_TRY(mu_row_copier_copy(s->copier, r->writer, s->row, n, err));
    *out = n;
    return MU_OK;
}

static mu_code finish_part(rewrite *r, mu_err *err)
{
    mu_part_writer *writer = r->writer;
    r->writer = NULL;
    r->n_written = 0;
    return writer == NULL ? MU_OK : mu_part_writer_finish(writer, err);
}

static mu_code copy_rows(rewrite *r, mu_err *err)
{
    while (r->n > 0) {
        uint32_t n;
        if (r->writer == NULL)
            MU_TRY(mu_part_writer_new(r->change, r->entity, r->row_type, &r->writer, err));
        MU_TRY(copy_run(r, &n, err));
        MU_TRY(advance(r, n, err));
        r->n_written += n;
        const mu_store *store = r->change->store;
        if (r->n_written >= store->part_rows_max ||
            mu_part_writer_bytes(r->writer) >= store->part_bytes_max)
            MU_TRY(finish_part(r, err));
    }
    return finish_part(r, err);
}

mu_code mu_change_copy_parts(mu_change *change, uint32_t n, const uint32_t *parts, mu_err *err)
{
    mu_str entity = change->base->state.parts[parts[0]].handle->part->entity;
    rewrite r = {.change = change,
                 .entity = entity,
                 .row_type = mu_schema_entity_type(mu_snapshot_schema(change->base), entity)};
    if (r.row_type == NULL)
        return mu_fail(err, MU_E_CORRUPT, "the schema has no entity \"" MU_STR_FMT "\"",
                       MU_STR_ARG(entity));
    mu_code code = open_sources(&r, n, parts, err);
    if (code == MU_OK)
        code = copy_rows(&r, err);
    mu_part_writer_abandon(r.writer);
    close_sources(&r);
    for (uint32_t i = 0; i < n; i++)
        change->is_source[parts[i]] = true;
    return code;
}
