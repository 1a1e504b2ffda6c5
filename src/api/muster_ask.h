/* muster_ask.h -- what the endpoints under /data/core/ups/muster that evaluate rules share: rules
 * as requests name them, instants, profiles as answers show them.
 */
#ifndef MU_API_MUSTER_ASK_H
#define MU_API_MUSTER_ASK_H

#include "api/api_int.h"

#define MU_ASK_RULES_MAX 100u
#define MU_ASK_ROWS_MAX  1000

/* One rule of a request: an audience by id, or an expression. */
typedef struct mu_asked_rule {
    const mu_audience *audience; /* NULL: an expression */
    mu_str id;                   /* of the audience, or made up: "rule-1" */
    mu_subject subject;          /* unused for audiences that are not evaluated */
    bool is_stored;              /* an external or inactive audience: its members are as they are */
} mu_asked_rule;

typedef struct mu_ask {
    mu_http_request *request;
    mu_http_response *response;
    mu_workspace *workspace;
    const mu_audience_book *book; /* released by mu_ask_end */
    mu_json body;
    int64_t now_ms, as_of_ms; /* INT64_MAX: everything is seen */
    int64_t limit;            /* profiles shown of each kind */
    uint32_t n_rules;
    mu_asked_rule rules[MU_ASK_RULES_MAX];
} mu_ask;

/* Reads the body's members now, asOf, limit; refuses the request and returns false where one is
 * wrong. mu_ask_end is due either way. */
MU_CHECKED bool mu_ask_begin(mu_http_request *request, mu_http_response *response, mu_ask *ask);
void mu_ask_end(mu_ask *ask);

/* Adds a rule: text (an id), {"segmentId"} or {"expression",...}. `pointer` is its place in the
 * body, for messages. */
MU_CHECKED bool mu_ask_rule(mu_ask *ask, const mu_json *json, const char *pointer);

/* Refuses a rule with a member of the wrong JSON type. */
MU_CHECKED bool mu_ask_check_members(mu_ask *ask, const mu_json *rule, const char *pointer);

/* Evaluates all rules with what they refer to. `replaced` (may be NULL) stands for the audience of
 * the same id. Refuses the request where that fails. */
typedef struct mu_answer {
    mu_evaluation *evaluation;                   /* freed by mu_answer_free */
    const mu_membership_state *stored;           /* likewise */
    const mu_pid_set *members[MU_ASK_RULES_MAX]; /* by rule; never NULL */
    uint64_t sizes[MU_ASK_RULES_MAX];
    mu_pid_set *nobody;
} mu_answer;
MU_CHECKED bool mu_ask_evaluate(mu_ask *ask, const mu_subject *replaced, mu_answer *out);
void mu_answer_free(mu_answer *answer);

/* The first `limit` profiles of a set: [{"entityId","identity":{"namespace":{"code"},"id"}}]. */
MU_CHECKED bool mu_ask_profiles(mu_ask *ask, const mu_pid_set *pids, mu_json *out);

/* "now" and "asOf", as an answer begins. */
void mu_ask_instants(const mu_ask *ask, mu_json *answer);

#endif
