#include "audience/slots.h"

#include "base/bits.h"
#include "base/buf.h"

#include <stdlib.h>

/* -------- making -------- */

static void place_blocks(mu_slots *slots, const mu_entity *entity)
{
    size_t **words = MU_NEW_ARRAY(slots->arena, size_t *, entity->n_parts);
    for (uint32_t p = 0; p < entity->n_parts; p++) {
        uint32_t n_blocks = mu_part_block_count(entity->parts[p]);
        words[p] = MU_NEW_ARRAY(slots->arena, size_t, n_blocks);
        for (uint32_t b = 0; b < n_blocks; b++) {
            words[p][b] = slots->n_words;
            slots->n_words += mu_bits_words(mu_part_block(entity->parts[p], b).n_rows);
        }
    }
    slots->words = (const size_t *const *)words;
}

static mu_code read_block(mu_slots *slots, const mu_snapshot *snapshot, const mu_entity *entity,
                          uint32_t p, uint32_t b, uint32_t *max_pid, uint32_t *max_row_pid,
                          mu_err *err)
{
    const uint32_t *pids;
    mu_block block = mu_part_block(entity->parts[p], b);
    const uint64_t *dead = entity->dead[p];
    size_t first = slots->words[p][b] * 64;
    MU_TRY(mu_part_pids(entity->parts[p], b, &pids, err));
    for (uint32_t r = 0; r < block.n_rows; r++) {
        if (dead != NULL && mu_bit_get(dead, (size_t)block.row + r))
            continue;
        uint32_t pid = mu_snapshot_owner_pid(snapshot, pids[r]);
        slots->pids[first + r] = pid;
        if (slots->row_pids != NULL)
            slots->row_pids[first + r] = pids[r];
        *max_row_pid = pids[r] > *max_row_pid ? pids[r] : *max_row_pid;
        mu_bit_set(slots->live, first + r);
        slots->n_rows++;
        *max_pid = pid > *max_pid ? pid : *max_pid;
    }
    return MU_OK;
}

mu_code mu_slots_make(mu_arena *arena, const mu_snapshot *snapshot, mu_slots *out, mu_err *err)
{
    mu_slots slots = {.arena = arena, .is_divided = mu_snapshot_is_divided(snapshot)};
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    uint32_t max_pid = 0, max_row_pid = 0;
    if (entity != NULL) {
        slots.n_parts = entity->n_parts;
        place_blocks(&slots, entity);
    }
    slots.pids = MU_NEW_ARRAY(arena, uint32_t, slots.n_words * 64);
    if (slots.is_divided)
        slots.row_pids = MU_NEW_ARRAY(arena, uint32_t, slots.n_words * 64);
    slots.live = MU_NEW_ARRAY(arena, uint64_t, slots.n_words);
    for (uint32_t p = 0; p < slots.n_parts; p++)
        for (uint32_t b = 0; b < mu_part_block_count(entity->parts[p]); b++)
            MU_TRY(read_block(&slots, snapshot, entity, p, b, &max_pid, &max_row_pid, err));
    slots.n_pid_words = (size_t)max_pid / 64 + 1;
    slots.n_row_pid_words = (size_t)max_row_pid / 64 + 1;
    slots.all = MU_NEW_ARRAY(arena, uint64_t, slots.n_pid_words);
    for (size_t i = 0; i < slots.n_words * 64; i++)
        if (mu_bit_get(slots.live, i))
            mu_bit_set(slots.all, slots.pids[i]);
    *out = slots;
    return MU_OK;
}

/* -------- pids of rows -------- */

void mu_slots_to_pids(const mu_slots *slots, const uint64_t *rows, uint64_t n, uint64_t *pids)
{
    /* Most are members: take away the others, which are fewer. */
    bool inverts = !slots->is_divided && n > slots->n_rows / 2;
    if (inverts)
        memcpy(pids, slots->all, slots->n_pid_words * 8);
    else
        memset(pids, 0, slots->n_pid_words * 8);
    for (size_t w = 0; w < slots->n_words; w++) {
        uint64_t bits = inverts ? slots->live[w] & ~rows[w] : rows[w];
        for (; bits != 0; bits &= bits - 1) {
            uint32_t pid = slots->pids[w * 64 + (size_t)__builtin_ctzll(bits)];
            uint64_t bit = (uint64_t)1 << (pid % 64);
            pids[pid / 64] = inverts ? pids[pid / 64] & ~bit : pids[pid / 64] | bit;
        }
    }
}

void mu_slots_to_row_pids(const mu_slots *slots, const uint64_t *rows, uint64_t *pids)
{
    memset(pids, 0, slots->n_row_pid_words * 8);
    for (size_t w = 0; w < slots->n_words; w++)
        for (uint64_t bits = rows[w]; bits != 0; bits &= bits - 1)
            mu_bit_set(pids, slots->row_pids[w * 64 + (size_t)__builtin_ctzll(bits)]);
}

/* -------- sets -------- */

#define CHUNK_WORDS 1024u /* of one container: 2^16 pids */
#define ARRAY_MAX   4096u /* a container with more is a bitmap */
#define COOKIE      12346u

static void add_container(mu_buf *buf, const uint64_t *bits, size_t n_words, uint32_t n)
{
    static const uint64_t zeros[CHUNK_WORDS];
    if (n > ARRAY_MAX) {
        mu_buf_add(buf, bits, n_words * 8);
        mu_buf_add(buf, zeros, (CHUNK_WORDS - n_words) * 8);
        return;
    }
    uint16_t low[ARRAY_MAX];
    uint32_t at = 0;
    for (size_t w = 0; w < n_words; w++)
        for (uint64_t rest = bits[w]; rest != 0; rest &= rest - 1)
            low[at++] = (uint16_t)(w * 64 + (size_t)__builtin_ctzll(rest));
    mu_buf_add(buf, low, at * sizeof *low);
}

/* The portable form without runs: cookie, number of containers, their keys and sizes less one,
 * their places, and the containers (the format's specification, version 1). */
mu_pid_set *mu_pid_set_of_bits(const uint64_t *bits, size_t n_words)
{
    size_t n_chunks = (n_words + CHUNK_WORDS - 1) / CHUNK_WORDS;
    uint32_t *sizes = calloc(n_chunks + 1, sizeof *sizes), n_filled = 0, n_all = 0;
    mu_buf buf;
    MU_ASSERT(sizes != NULL);
    mu_buf_init(&buf, SIZE_MAX);
    for (size_t c = 0; c < n_chunks; c++) {
        size_t first = c * CHUNK_WORDS;
        size_t n = n_words - first < CHUNK_WORDS ? n_words - first : CHUNK_WORDS;
        sizes[c] = (uint32_t)mu_bits_count(bits + first, n * 64);
        n_filled += sizes[c] > 0;
        n_all += sizes[c];
    }
    mu_buf_add(&buf, &(uint32_t){COOKIE}, 4);
    mu_buf_add(&buf, &n_filled, 4);
    for (size_t c = 0; c < n_chunks; c++)
        if (sizes[c] > 0)
            mu_buf_add(&buf, (uint16_t[]){(uint16_t)c, (uint16_t)(sizes[c] - 1)}, 4);
    uint32_t place = 8 + n_filled * 8;
    for (size_t c = 0; c < n_chunks; c++) {
        if (sizes[c] == 0)
            continue;
        mu_buf_add(&buf, &place, 4);
        place += sizes[c] > ARRAY_MAX ? CHUNK_WORDS * 8 : sizes[c] * 2;
    }
    for (size_t c = 0; c < n_chunks; c++) {
        size_t first = c * CHUNK_WORDS;
        size_t n = n_words - first < CHUNK_WORDS ? n_words - first : CHUNK_WORDS;
        if (sizes[c] > 0)
            add_container(&buf, bits + first, n, sizes[c]);
    }
    MU_ASSERT(!buf.failed);
    mu_pid_set *set = roaring_bitmap_portable_deserialize_safe(buf.ptr, buf.len);
    MU_ASSERT(set != NULL && roaring_bitmap_get_cardinality(set) == n_all);
    if (n_all / 8 * 9 > n_words * 64) /* nearly everybody: runs are shorter */
        roaring_bitmap_run_optimize(set);
    mu_buf_free(&buf);
    free(sizes);
    return set;
}
