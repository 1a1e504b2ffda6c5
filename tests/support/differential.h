/* differential.h -- two evaluators over the same rules and rows, and the smallest case on which
 * they disagree.
 *
 * A case is (rules, data, now). mu_case_compare opens a real store with the data, evaluates the
 * rules twice and reports the first (rule, profile) whose answers differ, or a difference in guard
 * trips. mu_case_minimise drops rules, rows, events, values and parts of the rule as long as some
 * difference stays.
 */
#ifndef MU_TESTS_SUPPORT_DIFFERENTIAL_H
#define MU_TESTS_SUPPORT_DIFFERENTIAL_H

#include "eval/eval.h"
#include "tests/support/random_data.h"

/* Rules may name the ids of rules before them with inSegment, and "known0" and "known1", whose
 * members are decided by pid (mu_case_known_has). `unless`: a rule that excludes; len 0: none. */
typedef struct mu_case_rule {
    mu_str id, text, unless;
} mu_case_rule;

#define MU_CASE_KNOWN 2u
bool mu_case_known_has(uint32_t known, uint32_t pid);
/* The place of "known0" or "known1"; MU_CASE_KNOWN for another id. */
uint32_t mu_case_find_known(mu_str id);
extern const mu_job_members mu_case_known[MU_CASE_KNOWN];

typedef struct mu_case {
    mu_random_data data;
    int64_t now_ms;
    uint32_t n_rules;
    mu_case_rule *rules;
} mu_case;

/* -------- a case over an open store -------- */

typedef struct mu_case_row {
    mu_row_place place;
    uint32_t pid;
    mu_value value; /* as the schema has it now */
} mu_case_row;

/* The rules bound to a snapshot's schema, and its live rows. Everything is in `arena`. */
typedef struct mu_bound_case {
    mu_arena *arena;
    const mu_snapshot *snapshot;
    int64_t now_ms;
    uint32_t n_rules;
    const mu_job_audience *audiences;
    const mu_entity *profiles; /* NULL when there are no rows */
    uint32_t n_rows;
    const mu_case_row *rows;
    uint32_t *const *row_index; /* [part][row]: index into rows, UINT32_MAX for a dead row */
} mu_bound_case;

/* One rule's bound tree, or NULL when it does not parse or bind. `rules` are those before it. */
const mu_pql *mu_case_bind_rule(mu_arena *arena, const mu_schema *schema, uint32_t n_rules,
                                const mu_case_rule *rules, mu_str text);

MU_CHECKED mu_code mu_case_bind(const mu_case *test_case, const mu_snapshot *snapshot,
                                mu_arena *arena, mu_bound_case *out, mu_err *err);

/* A reference context for a row of the case: relationships resolve in its snapshot. inSegment is
 * the caller's. The parameters are in the case's arena. */
mu_reference_context mu_case_context(const mu_bound_case *bound, uint32_t row);

/* -------- evaluators -------- */

typedef struct mu_case_answers {
    bool *is_member; /* [rule * n_rows + row], all false when the evaluator is called */
    uint64_t trips[MU_GUARD_COUNT_];
} mu_case_answers;

typedef mu_code mu_case_run(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                            mu_err *err);

typedef struct mu_case_evaluator {
    const char *name;
    mu_case_run *run;
    void *context;
} mu_case_evaluator;

/* Row by row with mu_reference_is_member. */
mu_case_run mu_case_run_reference;

/* The same after the rule went through canonical text, through its JSON tree, or without binding
 * (then a relationship hop has no class and reads null). */
mu_case_run mu_case_run_reference_text;
mu_case_run mu_case_run_reference_json;
mu_case_run mu_case_run_reference_unbound;

/* One mu_job for all rules. `context` points to the number of threads, an unsigned. Checks the
 * job's counts and counters on the way. */
mu_case_run mu_case_run_job;

/* The same with mu_job_run_by_hash; with one thread checks the order of the blocks too. */
mu_case_run mu_case_run_job_by_hash;

/* -------- comparing -------- */

typedef struct mu_disagreement {
    bool is_error; /* an evaluator failed: `text` says how */
    bool is_trips; /* guard trips differ */
    uint32_t rule, row;
    bool expected, got;
    char text[600];
} mu_disagreement;

/* True when the evaluators agree on `bound`. */
bool mu_bound_case_agrees(const mu_bound_case *bound, const mu_case_evaluator *oracle,
                          const mu_case_evaluator *tested, mu_disagreement *out);

/* The same, store and all. */
bool mu_case_agrees(const mu_case *test_case, const mu_case_evaluator *oracle,
                    const mu_case_evaluator *tested, mu_disagreement *out);

/* Makes a disagreeing case smaller, in `arena`, with at most `tries_max` comparisons. */
void mu_case_minimise(mu_arena *arena, mu_case *test_case, const mu_case_evaluator *oracle,
                      const mu_case_evaluator *tested, uint32_t tries_max);

/* The case for a person: now, rules, schema, rows, answers. */
void mu_case_write(mu_buf *buf, const mu_case *test_case, const mu_disagreement *disagreement,
                   const mu_case_evaluator *oracle, const mu_case_evaluator *tested);

#endif
