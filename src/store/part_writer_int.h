/* part_writer_int.h -- the part writer as row_copy.c sees it. */
#ifndef MU_STORE_PART_WRITER_INT_H
#define MU_STORE_PART_WRITER_INT_H

#include "store/column_builder.h"
#include "store/part_file.h"
#include "store/part_writer.h"

struct mu_part_writer {
    mu_change *change;
    uint64_t part_id;
    mu_str entity;
    mu_part_file file;
    mu_arena arena; /* names */
    bool has_failed;

    uint32_t n_columns, n_vectors, builders_capacity;
    mu_column_builder *builders; /* columns, then the hidden vectors */
    uint32_t n_levels, levels_capacity;
    uint32_t *level_sizes; /* elements in the current block */
    uint32_t event_column; /* xEvent, or MU_NO_COLUMN */
    int time_field;        /* of an event's `timestamp`, or -1 */

    uint64_t block_cost;
    uint64_t n_events; /* in finished blocks */
    uint32_t n_rows, n_blocks, blocks_capacity;
    mu_block *blocks;
    mu_vector_entry *entries; /* n_vectors per finished block */
    size_t entries_capacity;
    uint32_t last_mix, max_pid;
    uint64_t *hashes; /* identity hash of every row */
    uint32_t hashes_capacity;
    mu_dictionary_entry *dictionaries;
    mu_buf area;
};

/* The pid and identity of row `at` of those that are being added together. */
MU_CHECKED mu_code mu_part_writer_add_identity(mu_part_writer *w, uint32_t at, uint32_t pid,
                                               mu_identity identity, mu_err *err);

/* Counts `n` rows whose values are all added, and ends the block when it is full. */
MU_CHECKED mu_code mu_part_writer_end_rows(mu_part_writer *w, uint32_t n, mu_err *err);

#endif
