/* eval.h -- audiences over profile rows at an instant: one job, one evaluator, and its oracle.
 *
 * mu_job evaluates many audiences together, block by block, over a snapshot's columns (design.md
 * 4). mu_reference_* walks the bound tree row by row over decoded values: slow, obvious, never
 * optimised; it is the oracle in tests and what a node without a kernel falls back to.
 *
 * Evaluation is total: it reads everything a rule mentions, whatever `and`, `or` and `if` could
 * skip, so that guards trip alike in every evaluator (docs/decisions/0001). Laziness is visible
 * nowhere else.
 */
#ifndef MU_EVAL_EVAL_H
#define MU_EVAL_EVAL_H

#include "base/regex.h"
#include "pql/pql.h"
#include "store/store.h"

/* -------- guards -------- */

typedef enum mu_guard {
    MU_GUARD_CHAIN_STEPS, /* pql.md D66 */
    MU_GUARD_REGEX_STEPS, /* W06 */
    MU_GUARD_COUNT_
} mu_guard;

const char *mu_guard_name(mu_guard guard); /* "chain-steps", "regex-steps" */

#define MU_CHAIN_STEPS_MAX 1000000u

/* -------- the reference evaluator -------- */

typedef struct mu_reference_scope mu_reference_scope;

/* What one evaluation may see. Plain data, read only. */
typedef struct mu_reference_context {
    int64_t now_ms;
    uint32_t n_parameters;
    const mu_value *parameters; /* [0]: the profile row, an OBJECT whose member xEvent is a list of
                                   events in time order (missing: no events) */
    /* Membership in another audience. NULL: read segmentMembership of the row (pql.md 13). */
    bool (*in_segment)(void *context, mu_str id);
    /* The record of a lookup class with this key, or null. NULL: every look-up is null. */
    mu_value (*resolve)(void *context, mu_arena *arena, mu_str class_name, mu_str key);
    void *context;
    /* What @{id} stands for: an OBJECT whose members are named by schema id, without the version.
     * Null: every such reference is null. */
    mu_value context_data;
    /* Called for every node evaluated, innermost first; NULL in ordinary runs. `scope` tells which
     * items the node was evaluated for; NULL: the profile. */
    void (*trace)(void *context, const mu_pql *node, const mu_reference_scope *scope,
                  mu_value value);
    void *trace_context;
} mu_reference_context;

typedef struct mu_reference_result {
    mu_value value;
    uint32_t
        trips; /* bit (1 << guard) for every guard that tripped: then the profile is no member */
} mu_reference_result;

/* Evaluates a bound or merely parsed tree. Everything new is in `arena`. */
mu_reference_result mu_reference_eval(mu_arena *arena, const mu_reference_context *context,
                                      const mu_pql *query);

/* As a condition (pql.md 6.4): true, a list or map with an item; false when a guard tripped. */
bool mu_reference_is_member(mu_arena *arena, const mu_reference_context *context,
                            const mu_pql *query, uint32_t *trips);

/* A node of a query evaluated where `scopes` says: scopes[0] is the innermost implicit item, the
 * last the one around which only the profile remains (the profile itself is not among them). For
 * nodes that the vectorized evaluator has no kernel for. `variables` (innermost last) bind
 * comprehension variables. */
typedef struct mu_reference_variable {
    mu_str name;
    mu_value value;
} mu_reference_variable;
mu_reference_result mu_reference_eval_in(mu_arena *arena, const mu_reference_context *context,
                                         const mu_pql *node, uint32_t n_scopes,
                                         const mu_value *scopes, uint32_t n_variables,
                                         const mu_reference_variable *variables);

/* The condition value of pql.md 6.4 and D24. */
bool mu_value_is_true(mu_value value);

/* Is the profile `row` a member of audience `id` by its own segmentMembership (pql.md 13)? Status
 * realized or existing, validUntil not past; under `ups`, else under any namespace. */
bool mu_reference_stored_membership(mu_value row, mu_str id, int64_t now_ms);

/* One of the six comparison operators (MU_FN_EQUAL ..) on two values, with the coercions of pql.md
 * 6.3 and lists of 6.4. `text_may_be_time`: no schema said that `first` is text, so text that reads
 * as a date compares with dates as one. */
bool mu_value_relation_holds(mu_pql_function relation, mu_value first, mu_value second,
                             bool text_may_be_time);

/* A scalar as text (pql.md 6.3). False for null, lists, maps and objects. *out may point into
 * `room`. */
#define MU_VALUE_TEXT_MAX 40
bool mu_value_text(mu_value value, char room[MU_VALUE_TEXT_MAX], mu_str *out);

/* `text like pattern` (pql.md 7, D31). */
bool mu_text_like(mu_str text, mu_str pattern);

/* Chains (docs/decisions/0030). One step is one event tested as a candidate for one element of the
 * search; events that fail the element's conditions without an alias are no candidates and cost
 * nothing. Counted anew in every evaluation of a chain. Upper bounds for k elements and n events:
 * k*n steps when no condition mentions an alias and there is neither GAP nor EXCLUDE (then the
 * earliest match decides), k*n*(n+1) when no condition mentions an alias. */

/* -------- time specifications, shared because they are settled before any row is read -------- */

/* The instants that satisfy a specification: lo <= t <= hi (or, when `has_second`, lo2 <= t <= hi2:
 * `= n u from X`), or outside of that when `inverted` (non-null t only). An empty set has lo > hi.
 */
typedef struct mu_time_range {
    int64_t lo_ms, hi_ms;
    int64_t lo2_ms, hi2_ms;
    bool has_second, inverted;
} mu_time_range;

static inline bool mu_time_range_contains(mu_time_range range, int64_t t_ms)
{
    bool inside = (t_ms >= range.lo_ms && t_ms <= range.hi_ms) ||
                  (range.has_second && t_ms >= range.lo2_ms && t_ms <= range.hi2_ms);
    return inside != range.inverted;
}

/* A time of pql.md 10.2, evaluated: interval [start, end) and the instant that offsets count from.
 */
typedef struct mu_time_bounds {
    int64_t start_ms, end_ms; /* an instant: end = start + 1 */
    bool is_instant;
} mu_time_bounds;

/* The set of `when` for known bounds of its times (`end` for BETWEEN only); ignores_year is not
 * looked at. pql.md 10.3. */
mu_time_range mu_time_range_of(const mu_pql_when *when, mu_time_bounds start, mu_time_bounds end);

/* Bounds of a time that depends on nothing but now (words, intervals, points over such, date(…) of
 * constants); false when it depends on data. */
bool mu_time_bounds_constant(const mu_pql *time, int64_t now_ms, mu_time_bounds *out);

/* `ignoring year` (D57, docs/decisions/0031): does `t_ms`, moved to any of the years that the set
 * touches, lie in it? */
bool mu_time_matches_ignoring_year(const mu_pql_when *when, int64_t t_ms, mu_time_bounds start,
                                   mu_time_bounds end);

/* -------- the vectorized evaluator -------- */

typedef struct mu_job mu_job;

typedef struct mu_job_audience {
    mu_str id;            /* what inSegment names; may be empty */
    const mu_pql *query;  /* bound, must_be_condition */
    const mu_pql *unless; /* NULL, or bound likewise: who fulfils it is no member (profile.md P83).
                             Audiences share it by being given the same tree */
} mu_job_audience;

/* Membership that was decided before: what inSegment reads for an id that is none of the job's
 * audiences. Any thread may read it. */
typedef struct mu_job_members {
    mu_str id;
    /* Sets bit i of `members` (zeroed, n bits) for every pids[i] that is a member. */
    void (*fill)(const void *set, uint32_t n, const uint32_t *pids, uint64_t *members);
    const void *set;
    /* Also a member: whose own segmentMembership says so under this namespace by one of these ids
     * (external audiences, pql.md 13); n_row_ids 0: no such thing. */
    mu_str row_namespace;
    uint32_t n_row_ids;
    mu_str row_ids[2];
} mu_job_members;

typedef struct mu_job_options {
    int64_t now_ms;
    unsigned n_threads;
    bool reference_only; /* evaluate every audience with the reference evaluator: tests, --reference
                          */
    const bool *cancel;  /* NULL, or checked between blocks */
    uint32_t n_members;  /* memberships decided before; borrowed as long as the job */
    const mu_job_members *members;
    void (*progress)(void *context, uint64_t done_rows, uint64_t all_rows); /* NULL allowed */
    void *progress_context;
} mu_job_options;

typedef struct mu_job_counters {
    uint64_t n_profiles, n_events;         /* live rows and their events */
    uint64_t n_blocks, n_fallback_rows;    /* rows that the reference evaluator had to do */
    uint64_t guard_trips[MU_GUARD_COUNT_]; /* (profile, audience) pairs */
} mu_job_counters;

/* Plans all audiences as one job over the snapshot. Audiences refer to one another by id; a cycle
 * is MU_E_INPUT. The snapshot must outlive the job. */
MU_CHECKED mu_code mu_job_new(const mu_snapshot *snapshot, const mu_job_options *options,
                              uint32_t n_audiences, const mu_job_audience *audiences, mu_job **out,
                              mu_err *err);
void mu_job_free(mu_job *job);

/* The query of an audience, in the order given to mu_job_new. */
const mu_pql *mu_job_audience_query(const mu_job *job, uint32_t audience);

/* What excludes from it, or NULL. */
const mu_pql *mu_job_audience_unless(const mu_job *job, uint32_t audience);

/* The plan: shared nodes, levels, kernels, fall-backs. One line per node, for people and golden
 * tests. */
void mu_job_write_plan(const mu_job *job, mu_buf *buf);

/* Members of one audience in one block: a bitmap of the block's rows. Called from worker threads,
 * blocks in any order, a block's audiences one after another. */
typedef mu_code mu_job_sink(void *context, unsigned worker, uint32_t audience, uint32_t part,
                            uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err);

/* Evaluates everything. counts[a] (n_audiences long) becomes the size of audience a; `sink` may be
 * NULL. MU_E_CANCELLED when *cancel became true. */
MU_CHECKED mu_code mu_job_run(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                              mu_job_counters *counters, mu_err *err);

/* The same in the order of hash(pid) over all parts together, a single audience's, so that what was
 * done at any time is nearly a random sample (estimates): blocks by the hash of their first row.
 * `sink` hears of each of them once, from worker threads, about in that order. */
MU_CHECKED mu_code mu_job_run_by_hash(mu_job *job, mu_job_sink *sink, void *sink_context,
                                      uint64_t *counts, mu_job_counters *counters, mu_err *err);

/* A reference context for one row of the snapshot: relationships resolve in it, inSegment among
 * `audiences` of the job. `audience_of_row` may be NULL. The parameters array is in `arena`. */
MU_CHECKED mu_code mu_job_reference_context(const mu_job *job, mu_row_place place, mu_arena *arena,
                                            mu_reference_context *out, mu_err *err);

/* -------- explanation -------- */

/* What one node of a rule gave. */
typedef struct mu_explanation_node {
    const mu_pql *node;
    uint64_t n_evaluated, n_true; /* how often, and how often as a condition true (pql.md 6.4) */
    bool in_item_scope;           /* evaluated for items, not for the profile: `value` is null */
    mu_value value;
} mu_explanation_node;

/* Witnesses, exactly (docs/explain.md). A positive event condition is a node that is reached from
 * the root through `and` and `or` only (and a lambda at the root), is none of these itself, is
 * true, and would not be true if the profile had no events. With the witness events removed from
 * the profile, no positive event condition is true any more. */
typedef struct mu_explanation {
    mu_value value;
    uint32_t trips;
    bool is_member;
    bool is_excluded; /* it fulfils what excludes (mu_job_audience.unless), so is_member is false */
    uint32_t n_nodes; /* by node id; node is NULL for ids that were never evaluated */
    const mu_explanation_node *nodes;
    uint32_t n_conditions; /* the positive event conditions */
    const mu_pql *const *conditions;
    uint32_t n_witnesses; /* ascending indexes into xEvent */
    const uint32_t *witnesses;
    mu_value events; /* the profile's xEvent */
} mu_explanation;

/* Evaluates with the reference evaluator and keeps every node's value. `context->trace` is not
 * called. Everything in *out is in `arena` or belongs to `query` and `context`. */
void mu_explain_run(mu_arena *arena, const mu_reference_context *context, const mu_pql *query,
                    mu_explanation *out);

/* Lays what excludes (NULL: nothing does) over an explanation of the same row. */
void mu_explain_exclude(mu_arena *arena, const mu_reference_context *context, const mu_pql *unless,
                        mu_explanation *explanation);

/* {"member":..,"now":..,"guards":[..],"rule":{..},"witnesses":[..]}; docs/explain.md. */
void mu_explain_write(mu_json_writer *writer, const mu_reference_context *context,
                      const mu_pql *query, mu_str identity, const mu_explanation *explanation);

/* Why the profile of a row is in or out: runs and writes the explanation of one row. */
MU_CHECKED mu_code mu_explain(const mu_job *job, uint32_t audience, mu_row_place place,
                              mu_json_writer *writer, mu_err *err);

#endif
