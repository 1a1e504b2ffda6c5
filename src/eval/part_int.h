/* part_int.h -- what binding a plan to parts is made of: parts, and who decides their tables. */
#ifndef MU_EVAL_PART_INT_H
#define MU_EVAL_PART_INT_H

#include "eval/run_int.h"

/* -------- dictionary_search.c -------- */

/* Codes from `first` on, before `past`. */
typedef struct code_span {
    uint32_t first, past;
} code_span;

/* The codes that fulfil a test: exactly those in (when inverted: outside of) the spans, or, when
 * not exact, some of those in them. Spans ascend and do not touch. */
typedef struct code_search {
    bool is_exact, is_inverted;
    uint32_t n_spans;
    const code_span *spans; /* in the arena */
} code_search;

code_search dictionary_search(const text_predicate *test, const mu_dictionary *dictionary,
                              mu_arena *arena);

/* -------- bind_table.c -------- */

/* A table of a part, or of all parts, some of whose values are still to be decided one by one. */
typedef struct open_table {
    const plan_table *table;
    bound_table *bound;
    mu_dictionary dictionary; /* n 0: numbers */
    code_span span;           /* which of them */
} open_table;

typedef struct open_tables {
    uint32_t n, capacity;
    open_table *items;
} open_tables;

/* A TABLE node over a dictionary: settled when its codes can be searched for, else noted in `open`.
 */
void bind_dictionary_table(const plan_table *table, mu_dictionary dictionary, mu_arena *arena,
                           bound_table *out, open_tables *open);
/* The same over the numbers base .. base + n - 1. */
void bind_number_table(const plan_table *table, int64_t base, uint32_t n, mu_arena *arena,
                       bound_table *out, open_tables *open);

/* Decides what is open, on all threads. `arena` holds what that takes. */
MU_CHECKED mu_code settle_tables(const mu_job *job, open_tables *open, mu_arena *arena,
                                 mu_err *err);

#endif
