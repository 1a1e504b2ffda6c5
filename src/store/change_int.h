/* change_int.h -- a change under way: what fills it, and what commits it. */
#ifndef MU_STORE_CHANGE_INT_H
#define MU_STORE_CHANGE_INT_H

#include "store/store_int.h"

typedef enum mu_change_kind {
    MU_CHANGE_DISK,    /* mu_change_begin */
    MU_CHANGE_MEMORY,  /* mu_change_begin_in_memory */
    MU_CHANGE_FOLD,    /* parts in memory to parts on disk, with all that is shown dead */
    MU_CHANGE_REWRITE, /* parts on disk to other parts on disk: nothing changes but their shape */
    MU_CHANGE_JOIN     /* the same in memory */
} mu_change_kind;

/* Rows of one part. */
typedef struct mu_row_list {
    mu_dead_row *rows;
    size_t n, capacity;
} mu_row_list;

MU_CHECKED mu_code mu_row_list_add(mu_row_list *list, mu_dead_row row, mu_err *err);
void mu_row_list_free(mu_row_list *list);

/* Adds the rows that are in `more` and not in `less`; `more` NULL stands for all rows here. */
MU_CHECKED mu_code mu_row_list_add_difference(mu_row_list *list, const mu_part *part,
                                              const mu_dead_rows *more, const mu_dead_rows *less,
                                              mu_err *err);

struct mu_change {
    mu_store *store;
    mu_change_kind kind;
    const mu_pace *pace; /* of its files; NULL: as fast as it goes */
    mu_snapshot *base;
    pthread_mutex_t lock; /* guards all below */
    mu_arena arena;
    uint32_t n_open_writers;
    uint32_t n_new, new_capacity;
    mu_part_handle **new_parts;
    mu_row_list *killed; /* per part of the base's state */
    /* FOLD, REWRITE, JOIN: per part of the base's state, whether the new parts have its rows: those
     * that mu_change_source_dead does not hold. */
    bool *is_source;
    uint32_t n_counters, counters_capacity;
    mu_catalog_counter *counters; /* those of the base first */
    mu_held_mark *mark;           /* DISK, MEMORY: NULL when none was set */
    bool has_schema;
    mu_buf schema;
    mu_code failure; /* of a call that had no way to say so */
    mu_err failure_err;
};

static inline bool mu_change_is_in_memory(const mu_change *change)
{
    return change->kind == MU_CHANGE_MEMORY || change->kind == MU_CHANGE_JOIN;
}

/* Begins a change of any kind; at a time one of DISK and MEMORY, one FOLD, and one of REWRITE and
 * JOIN. */
MU_CHECKED mu_code mu_change_begin_kind(mu_store *store, mu_change_kind kind, mu_change **out,
                                        mu_err *err);

/* Frees the change; its new files stay. */
void mu_change_free(mu_change *change);

/* The rows of a source that were left out when it was copied. */
static inline mu_dead_rows *mu_change_source_dead(const mu_change *change, uint32_t p)
{
    const mu_state_part *part = &change->base->state.parts[p];
    return change->kind == MU_CHANGE_REWRITE ? part->durable : part->shown;
}

/* Makes sure that no later pid of the entity is below `next_pid`. Under change->lock. */
MU_CHECKED mu_code mu_change_raise_counter(mu_change *change, mu_str entity, uint32_t next_pid,
                                           mu_err *err);

/* FOLD, REWRITE, JOIN: copies the rows of parts of the base's state, all of one entity, that are
 * live as the kind sees it, into new parts of bounded size; they become sources. `parts` are
 * indexes. */
MU_CHECKED mu_code mu_change_copy_parts(mu_change *change, uint32_t n, const uint32_t *parts,
                                        mu_err *err);

void mu_part_remove_file(const char *folder, uint64_t id);

#endif
