/* rule_int.h -- rules from a command line, a line or a file: compiled, and what is wrong with them
 * told to people. */
#ifndef MU_APP_RULE_INT_H
#define MU_APP_RULE_INT_H

#include "app/app_int.h"
#include "eval/eval.h"
#include "pql/pql.h"

/* Parses text or tree and binds it. `schema` may be NULL. False: there are errors in
 * `diagnostics`. */
bool mu_rule_compile(mu_arena *arena, mu_str source, const mu_schema *schema, bool is_condition,
                     const mu_pql **out, mu_pql_diagnostics *diagnostics);

/* Errors to `file`, warnings always to standard error; with the place in the text. */
void mu_rule_print_diagnostics(const mu_pql_diagnostics *diagnostics, mu_str source, FILE *file);

/* The first error as one line; there must be one. */
mu_str mu_rule_first_error(mu_arena *arena, const mu_pql_diagnostics *diagnostics);

/* `muster pql plan`: `expression` NULL or "-" takes the lines of standard input as one job. */
mu_exit mu_pql_plan(mu_invocation *invocation, const char *expression);

/* -------- audiences, many at a time -------- */

typedef struct mu_audience_rule {
    mu_str line;     /* as it was read */
    uint64_t number; /* of the line */
    mu_str id;
    const mu_pql *query; /* bound; NULL when there is an error */
    mu_str error;        /* one line; len 0 when there is none */
    uint32_t n_segments; /* ids that it names with inSegment */
    const mu_str *segments;
    uint32_t index; /* among the audiences of the job; meaningless with an error */
} mu_audience_rule;

typedef struct mu_audience_rules {
    uint32_t n, n_valid, capacity;
    mu_audience_rule *items;
    unsigned n_arenas;
    mu_arena *arenas; /* what the threads made of the lines */
} mu_audience_rules;

/* Reads lines {"id": ..., "expression": text or tree} and binds them, on `n_threads` threads. What
 * is wrong with a line is its `error`: so is naming an audience of the file that has one, itself,
 * or a second audience of the same id. What is in *out lives as long as `arena` and until
 * mu_audience_rules_free. */
void mu_audience_rules_read(mu_arena *arena, FILE *file, const mu_schema *schema,
                            unsigned n_threads, mu_audience_rules *out);
void mu_audience_rules_free(mu_audience_rules *rules);

/* The valid ones, in order, as a job wants them. */
mu_job_audience *mu_audience_rules_job(mu_arena *arena, mu_audience_rules *rules);

/* -------- explanations -------- */

/* The JSON object that mu_explain wrote, drawn as a tree. */
void mu_explanation_draw(mu_buf *buf, const mu_json *explanation);

#endif
