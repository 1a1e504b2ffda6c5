/* run_int.h -- run state of a job: a part bound to the plan, and one worker's state for one block.
 *
 * A bound part is made once per part and then read by all workers. A worker belongs to one thread.
 * Vectors of nodes come from the worker's pool and go back to it after their last use, so that a
 * block's working set stays as small as the plan allows.
 */
#ifndef MU_EVAL_RUN_INT_H
#define MU_EVAL_RUN_INT_H

#include "base/bits.h"
#include "base/thread.h"
#include "eval/kernel.h"
#include "eval/plan_int.h"
#include "eval/sequence_bits.h"

typedef struct job_audience {
    mu_str id;
    const mu_pql *query;
    const mu_pql *unless; /* or NULL */
    uint32_t root;        /* node: fulfils the query, and not `unless` */
    uint32_t member;      /* MEMBER node that others read, or NO_NODE */
} job_audience;

struct mu_job {
    mu_arena arena;
    const mu_snapshot *snapshot;
    const mu_entity *profile; /* NULL when there is no profile at all */
    const kernel_set *kernels;
    mu_job_options options;
    plan plan;
    uint32_t n_audiences;
    job_audience *audiences;
    uint32_t *order; /* audiences, referenced ones first */
    mu_strmap audience_of_id;
    mu_strmap known_of_id; /* places in options.members */
    const mu_pql *
        *row_conditions; /* per member of options.members: who is one by the row, or NULL */
    mu_reference_context table_context; /* look-ups and now, no row */
    uint32_t n_row_forms;
    struct row_form *row_forms; /* per entity (job_rows.c) */
    uint32_t n_steps;
    struct step *steps;
    uint32_t *uses; /* per node: by nodes and audiences */
    uint32_t n_tables;
    uint32_t *tables; /* TABLE nodes that are used, ascending */
};

/* What a block does, in this order: compute a node, or deliver an audience. */
typedef struct step {
    bool delivers;
    uint32_t index; /* node or audience */
} step;

/* -------- a part -------- */

#define RANGES_MAX 4u

typedef struct code_range {
    uint32_t first, last;
} code_range;

/* A TABLE node over a dictionary, or over integers that lie close together: the answer per code, or
 * per number from `base` on. */
typedef struct bound_table {
    bool is_decided;   /* false: value by value, in each block */
    bool trips;        /* a guard, for some code */
    int64_t base;      /* 0 for codes */
    uint32_t n;        /* codes or numbers */
    uint32_t n_ranges; /* runs of true codes, when at most RANGES_MAX, else UINT32_MAX */
    code_range ranges[RANGES_MAX];
    uint8_t *results; /* per code, TABLE_TRUE | TABLE_TRIPS; may be NULL when ranges tell all */
} bound_table;

/* Bytes of 0 behind the results of a table over numbers, so that every number of 16 bits, counted
 * from any number of the table, has one. */
#define NUMBERS_PAST_TABLE 65536u

typedef struct bound_part {
    const mu_part *part;
    const uint64_t *dead;
    uint32_t index;
    uint32_t *columns;   /* part column of each plan column, or MU_NO_COLUMN */
    bound_table *tables; /* in the order of mu_job.tables; NULL while the part is not bound */
    mu_arena arena;      /* of the tables */
} bound_part;

/* -------- all parts (part_bind.c) -------- */

/* A plan bound to the parts of a job, some of them at a time. One thread; the parts bound may be
 * read by any. */
typedef struct bindings {
    const mu_job *job;
    mu_arena arena;
    bound_part *parts;
    bound_table *numbers; /* tables that all parts share, in the order of mu_job.tables */
} bindings;

/* The columns of all parts are found. Whatever the result, bindings_fini has to follow. */
MU_CHECKED mu_code bindings_init(bindings *b, const mu_job *job, mu_err *err);
void bindings_fini(bindings *b);

/* Binds parts from `first` on, before *past: at least one, and as many as take about `bytes_max`.
 */
MU_CHECKED mu_code bindings_add(bindings *b, uint32_t first, size_t bytes_max, uint32_t *past,
                                mu_err *err);
void bindings_drop(bindings *b, uint32_t part);

/* One value through a table's expression: TABLE_TRUE | TABLE_TRIPS. The arena is reset. */
uint8_t table_evaluate(const mu_job *job, const plan_table *table, mu_value value, mu_arena *arena);

/* -------- a block -------- */

typedef struct node_value {
    union {
        uint64_t *bits;
        int64_t *integers;
        double *doubles;
        void *data;
    };
    uint64_t *valid; /* numeric kinds */
    uint32_t n_set;  /* bits set, once is_counted (worker_count) */
    bool is_counted;
} node_value;

typedef struct level_state {
    bool is_loaded;
    uint32_t n;
    const uint32_t *offsets; /* from the parent level, n of parent + 1; NULL for level 0 */
} level_state;

/* Two levels on one line: where each owner's items lie. */
typedef struct level_pair {
    struct level_pair *next;
    uint32_t owner, item;
    const uint32_t *offsets;
    const uint32_t *owner_of; /* NULL until asked for, as the following */
    const uint64_t *ends;     /* bit of each owner's last item */
    const uint64_t *first;    /* of its first one */
    const uint64_t *filled;   /* bit of each owner that has items */
} level_pair;

#define ORDER_LONG 64u

/* The order of a list's items by one time column or node, all owners together. */
typedef struct list_order {
    struct list_order *next;
    uint32_t owner, item, column, node; /* what it is of: levels, column or else node */
    const int64_t *times_ms;            /* of the node; NULL: of the vector */
    const mu_vector *times;
    sequence_order sequence;
    const uint64_t
        *hard;       /* owners with items out of order or without a time; NULL: there are none */
    uint32_t n_long; /* owners with more than ORDER_LONG items, the longest first */
    const uint32_t *long_owners;
} list_order;

#define POOL_CLASSES 40u

typedef struct worker {
    mu_job *job;
    const bound_part *bound;
    uint32_t block;
    uint32_t n_rows;
    mu_block place;
    const uint64_t *live; /* rows of the block that are not dead; NULL: all are live */
    mu_arena scratch;     /* one block */
    mu_arena row_arena;   /* one row or value */
    mu_arena pool_arena;
    void *pool[POOL_CLASSES];
    node_value *values;
    uint32_t *uses;
    mu_vector *vectors; /* per plan column, plain */
    struct plain_memory {
        void *bytes;
        size_t capacity;
    } * plain; /* per plan column: of what is packed in the part */
    bool *vector_is_loaded;
    level_state *levels;
    level_pair *pairs;  /* of this block, newest first */
    list_order *orders; /* likewise */
    uint64_t **bails;   /* per node: rows that it, or one below, could not do; NULL: there are none.
                           The reference evaluator decides them for every audience above */
    uint32_t n_bails, *bailed; /* the nodes that have such rows */
    const mu_value **rows;     /* decoded rows of the block, NULL until asked for */
    mu_job_counters counters;
    uint64_t *counts;
    mu_err *err;
} worker;

void worker_init(worker *w, mu_job *job);
void worker_fini(worker *w);
void worker_begin_block(worker *w, const bound_part *bound, uint32_t block);
MU_CHECKED mu_code worker_run_block(worker *w, const bound_part *bound, uint32_t block,
                                    mu_job_sink *sink, void *sink_context, unsigned worker_index,
                                    mu_err *err);

/* Words for `n` bits, zeroed or (for kernels that write every word) not; numbers for `n` elements,
 * not zeroed. Given back with worker_give_* unless they became a node's value. */
uint64_t *worker_bits(worker *w, uint32_t n);
uint64_t *worker_raw_bits(worker *w, uint32_t n);
void *worker_numbers(worker *w, uint32_t n);
void worker_give_value(worker *w, uint32_t node);
/* How many bits of a node's value are set: counted once. */
uint32_t worker_count(worker *w, uint32_t node);
void worker_give_bits(worker *w, uint64_t *bits, uint32_t n); /* NULL allowed */
void worker_give_numbers(worker *w, void *numbers, uint32_t n);

MU_CHECKED mu_code worker_vector(worker *w, uint32_t column, const mu_vector **out);
MU_CHECKED mu_code worker_level(worker *w, uint32_t level, uint32_t *n);
MU_CHECKED mu_code worker_pair(worker *w, uint32_t owner, uint32_t item, level_pair **out);
MU_CHECKED mu_code worker_owner_of(worker *w, uint32_t owner, uint32_t item, const uint32_t **out);

/* Fills `ends`, `first` and `filled` of a pair. */
void worker_pair_ends(worker *w, level_pair *pair);

/* The order of the items that a chain is about (list_order.c). */
MU_CHECKED mu_code worker_order(worker *w, const plan_node *chain, const list_order **out);

/* The rows' bitmap of what `node` could not do, made when missing. */
uint64_t *worker_bail(worker *w, uint32_t node);
/* Marks the row above element `element` of `level`. */
MU_CHECKED mu_code worker_bail_element(worker *w, uint32_t node, uint32_t level, uint32_t element);

MU_CHECKED mu_code worker_row(worker *w, uint32_t row, const mu_value **out);

/* run_scalar.c, run_list.c, run_chain.c, run_related.c, run_reference.c: fill w->values[id]. */
MU_CHECKED mu_code run_scalar(worker *w, uint32_t id, const plan_node *node, uint32_t n);
MU_CHECKED mu_code run_list(worker *w, uint32_t id, const plan_node *node, uint32_t n);
MU_CHECKED mu_code run_chain(worker *w, uint32_t id, const plan_node *node, uint32_t n);
/* Owner by owner: those of `owners`, whose bits in `out` become what they are. (run_chain_owner.c)
 */
MU_CHECKED mu_code run_chain_owners(worker *w, uint32_t id, const plan_node *node,
                                    const list_order *order, const uint64_t *owners, uint32_t n,
                                    uint64_t *out);
/* Could the search of an owner with these items exceed the step guard? (run_chain_owner.c) */
bool chain_may_trip(worker *w, const plan_chain *chain, uint32_t from, uint32_t to);
MU_CHECKED mu_code run_related(worker *w, uint32_t id, const plan_node *node, uint32_t n);
MU_CHECKED mu_code run_reference(worker *w, uint32_t id, const plan_node *node, uint32_t n);

/* A TABLE node over a vector that is not all null; `out` is zeroed. (run_table.c) */
MU_CHECKED mu_code run_table(worker *w, uint32_t id, const plan_node *node, const mu_vector *vector,
                             uint32_t n, uint64_t *out);

/* One element as a value of the schema's kind. */
mu_value vector_value(const mu_vector *vector, const mu_dictionary *dictionary, mu_type_kind kind,
                      uint32_t i);

/* Clears the bits of null elements. */
void vector_keep_valid(worker *w, const mu_vector *vector, uint32_t n, uint64_t *bits);

/* Packed numbers between lo and hi, both as offsets from the vector's base. */
void vector_packed_range(const kernel_set *k, const mu_vector *vector, uint32_t n, uint64_t lo,
                         uint64_t hi, uint64_t *out);

/* The bits of a node's validity over a vector, into `out` (words for n). */
void vector_valid_bits(const mu_vector *vector, uint32_t n, uint64_t *out);

/* run_known.c: the members of a known set. */
MU_CHECKED mu_code run_known(worker *w, uint32_t id, const plan_node *node, uint32_t n);

/* A whole audience for one row of the current block by the reference evaluator. */
MU_CHECKED mu_code reference_on_audience(worker *w, const job_audience *audience, uint32_t row,
                                         bool *member, uint32_t *trips);

/* One row of the current block through the reference evaluator; trips as in mu_reference_result. */
MU_CHECKED mu_code reference_on_row(worker *w, const mu_pql *query, uint32_t row, bool *member,
                                    uint32_t *trips);

/* Is a bit set among the first `n`? */
static inline bool bits_any(const uint64_t *bits, uint32_t n)
{
    for (size_t w = 0; w < mu_bits_words(n); w++)
        if (bits[w] != 0)
            return true;
    return false;
}

/* The double that a packed number of a DECIMAL (or widened INTEGER) vector stands for. */
static inline double vector_decimal(const mu_vector *vector, uint64_t packed)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    int64_t number = (int64_t)((uint64_t)vector->base + packed);
    return (double)number / powers[vector->scale];
}

static inline bool vector_is_valid(const mu_vector *vector, uint32_t i)
{
    return vector->n_null == 0 ||
           (vector->n_null != vector->n && ((vector->valid[i / 64] >> (i % 64)) & 1) != 0);
}

static inline uint64_t load_packed(const void *data, uint8_t width, uint32_t i)
{
    switch (width) {
    case 1:
        return ((const uint8_t *)data)[i];
    case 2:
        return ((const uint16_t *)data)[i];
    case 4:
        return ((const uint32_t *)data)[i];
    case 8:
        return ((const uint64_t *)data)[i];
    default:
        return 0;
    }
}

/* The time of an item that has one. */
static inline int64_t order_time(const list_order *order, uint32_t i)
{
    if (order->times_ms != NULL)
        return order->times_ms[i];
    return (int64_t)((uint64_t)order->times->base +
                     load_packed(order->times->data, order->times->width, i));
}

#endif
