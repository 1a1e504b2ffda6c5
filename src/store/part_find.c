#include "store/part_int.h"

/* -------- identities -------- */

static mu_code hidden_string(const mu_part *part, unsigned hidden, uint32_t row, mu_str *out,
                             mu_err *err)
{
    uint32_t block = mu_part_block_of_row(part, row), vector = part->footer.n_columns + hidden;
    mu_vector strings;
    mu_dictionary dictionary;
    MU_TRY(mu_part_any_vector(part, vector, block, &strings, err));
    MU_TRY(mu_part_check_dictionary(part, vector, &dictionary, err));
    *out = mu_part_string(&strings, &dictionary, row - part->blocks[block].row, NULL);
    return MU_OK;
}

mu_code mu_part_identity(const mu_part *part, uint32_t row, mu_identity *out, mu_err *err)
{
    MU_ASSERT(row < part->footer.n_rows);
    mu_identity identity;
    MU_TRY(hidden_string(part, MU_HIDDEN_NAMESPACE, row, &identity.namespace_code, err));
    MU_TRY(hidden_string(part, MU_HIDDEN_VALUE, row, &identity.value, err));
    *out = identity;
    return MU_OK;
}

mu_code mu_part_check_index(const mu_part *part, mu_err *err)
{
    mu_part *changed = (mu_part *)(uintptr_t)part; /* only the atomic note of the check */
    if (atomic_load_explicit(&changed->index_seen, memory_order_acquire) != 0)
        return MU_OK;
    const mu_part_section *hashes = &part->footer.hashes, *rows = &part->footer.rows;
    MU_TRY(mu_part_check_area(part, "the identity index", hashes->offset, hashes->size,
                              hashes->checksum, err));
    MU_TRY(mu_part_check_area(part, "the identity index", rows->offset, rows->size, rows->checksum,
                              err));
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < part->footer.n_rows; i++)
        wrong |= part->hash_rows[i] >= part->footer.n_rows;
    if (wrong != 0)
        return mu_fail(err, MU_E_CORRUPT, "%s: the identity index names rows that are not there",
                       part->path);
    atomic_store_explicit(&changed->index_seen, 1, memory_order_release);
    return MU_OK;
}

static uint32_t lower_bound(const uint64_t *hashes, uint32_t n, uint64_t hash)
{
    uint32_t low = 0, count = n;
    while (count > 0) {
        uint32_t half = count / 2;
        if (hashes[low + half] < hash) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

mu_code mu_part_find_hash(const mu_part *part, uint64_t hash, uint32_t *cursor, bool *found,
                          uint32_t *row, mu_err *err)
{
    MU_TRY(mu_part_check_index(part, err));
    uint32_t at =
        *cursor == UINT32_MAX ? lower_bound(part->hashes, part->footer.n_rows, hash) : *cursor + 1;
    *found = at < part->footer.n_rows && part->hashes[at] == hash;
    if (*found)
        *row = part->hash_rows[at];
    *cursor = at;
    return MU_OK;
}

/* -------- pids -------- */

static bool find_in_block(const uint32_t *pids, uint32_t n, uint32_t mixed, uint32_t *out)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_mix32(pids[middle]) < mixed)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return low < n && mu_mix32(pids[low]) == mixed;
}

/* Rows lie in the order of hashes, which are spread evenly: the first guess is off by about the
 * root of the number of rows, so by a block at most, nearly always. A file made to do harm only
 * makes it a binary search. */
mu_code mu_part_find_pid(const mu_part *part, uint32_t pid, bool *found, uint32_t *row, mu_err *err)
{
    uint32_t mixed = mu_mix32(pid), low = 0, high = part->footer.n_blocks;
    uint32_t guess = (uint32_t)(((uint64_t)mixed * part->footer.n_rows) >> 32);
    uint32_t b = high == 0 ? 0 : mu_part_block_of_row(part, guess);
    *found = false;
    for (unsigned step = 0; low < high; step++) {
        const uint32_t *pids;
        mu_block block = part->blocks[b];
        MU_TRY(mu_part_pids(part, b, &pids, err));
        bool is_before = mixed < mu_mix32(pids[0]);
        if (!is_before && mixed <= mu_mix32(pids[block.n_rows - 1])) {
            uint32_t at;
            *found = find_in_block(pids, block.n_rows, mixed, &at);
            if (*found)
                *row = block.row + at;
            return MU_OK;
        }
        if (is_before)
            high = b;
        else
            low = b + 1;
        b = step > 1 ? low + (high - low) / 2 : is_before ? high - 1 : low;
    }
    return MU_OK;
}
