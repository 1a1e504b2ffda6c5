/* slots.h -- rows of a snapshot's profiles by number, and sets of rows as sets of pids.
 *
 * Every block of every part begins at a word: slot = 64 * word + bit. So a block's members go to
 * their place as they are, and are looked at again audience by audience.
 */
#ifndef MU_AUDIENCE_SLOTS_H
#define MU_AUDIENCE_SLOTS_H

#include "audience/pid_set.h"
#include "store/store.h"

typedef struct mu_slots {
    mu_arena *arena;
    uint32_t n_parts;
    const size_t *const *words; /* of part, block: its first word */
    size_t n_words;
    uint32_t *pids;     /* n_words * 64, of the cluster; 0 where there is no live row */
    uint64_t *live;     /* n_words: slots of live rows */
    uint64_t n_rows;    /* live ones */
    bool is_divided;    /* several rows may have one cluster's pid */
    size_t n_pid_words; /* pids are below 64 times this */
    uint64_t *all;      /* n_pid_words: the pids of live rows */
    uint32_t *row_pids; /* is_divided: the rows' own, made up ones too; else NULL */
    size_t n_row_pid_words;
} mu_slots;

/* In `arena`. */
MU_CHECKED mu_code mu_slots_make(mu_arena *arena, const mu_snapshot *snapshot, mu_slots *out,
                                 mu_err *err);

/* The pids (bits of `pids`, n_pid_words) of `n` rows in `rows` (n_words). */
void mu_slots_to_pids(const mu_slots *slots, const uint64_t *rows, uint64_t n, uint64_t *pids);

/* The same with the rows' own pids (n_row_pid_words); is_divided only. */
void mu_slots_to_row_pids(const mu_slots *slots, const uint64_t *rows, uint64_t *pids);

/* Bits as a set, which is the caller's. */
mu_pid_set *mu_pid_set_of_bits(const uint64_t *bits, size_t n_words);

#endif
