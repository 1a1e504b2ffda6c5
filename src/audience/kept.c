/* kept.c -- the matching rows of the smallest hash: a preview's rows, whatever order blocks come
 * in.
 */
#include "audience/estimate_int.h"

#include "base/bits.h"
#include "base/hash.h"

#include <stdlib.h>

void mu_kept_init(mu_kept *kept, uint32_t n_max)
{
    *kept = (mu_kept){.n_max = n_max, .cutoff = UINT32_MAX};
    pthread_mutex_init(&kept->lock, NULL);
}

void mu_kept_fini(mu_kept *kept)
{
    pthread_mutex_destroy(&kept->lock);
    free(kept->rows);
}

/* A hash belongs to one pid. */
static int compare_rows(const void *a, const void *b)
{
    uint32_t left = ((const mu_kept_row *)a)->hash, right = ((const mu_kept_row *)b)->hash;
    return (left > right) - (left < right);
}

void mu_kept_finish(mu_kept *kept)
{
    if (kept->n > 0)
        qsort(kept->rows, kept->n, sizeof *kept->rows, compare_rows);
    if (kept->n < kept->n_max)
        return;
    kept->n = kept->n_max;
    kept->cutoff = kept->rows[kept->n - 1].hash;
}

/* Twice as many as are to be kept find room before they are sorted out. */
static mu_code make_room(mu_kept *kept, mu_err *err)
{
    if (kept->n < kept->capacity)
        return MU_OK;
    if (kept->n >= (size_t)kept->n_max * 2) {
        mu_kept_finish(kept);
        return MU_OK;
    }
    size_t capacity = kept->capacity == 0 ? 256 : kept->capacity * 2;
    if (capacity > (size_t)kept->n_max * 2)
        capacity = (size_t)kept->n_max * 2;
    mu_kept_row *rows = reallocarray(kept->rows, capacity, sizeof *rows);
    if (rows == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the rows of a preview");
    kept->rows = rows;
    kept->capacity = capacity;
    return MU_OK;
}

static mu_code add_rows(mu_kept *kept, const uint32_t *pids, mu_block place, uint32_t part,
                        const uint64_t *members, mu_err *err)
{
    for (uint32_t word = 0; word < mu_bits_words(place.n_rows); word++) {
        for (uint64_t bits = members[word]; bits != 0; bits &= bits - 1) {
            uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(bits);
            uint32_t hash = mu_mix32(pids[at]);
            if (hash > kept->cutoff)
                return MU_OK; /* rows of a block ascend */
            MU_TRY(make_room(kept, err));
            kept->rows[kept->n++] =
                (mu_kept_row){hash, pids[at], (mu_row_place){part, place.row + at}};
        }
    }
    return MU_OK;
}

mu_code mu_kept_add(mu_kept *kept, const mu_part *part, uint32_t part_index, uint32_t block,
                    const uint64_t *members, mu_err *err)
{
    const uint32_t *pids;
    MU_TRY(mu_part_pids(part, block, &pids, err));
    pthread_mutex_lock(&kept->lock);
    mu_code code = add_rows(kept, pids, mu_part_block(part, block), part_index, members, err);
    pthread_mutex_unlock(&kept->lock);
    return code;
}
