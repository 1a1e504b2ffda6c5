/* message.h -- a streaming message: header and body, checked before its entity is (profile.md d.1,
 * d.5).
 *
 * Shared by the HTTP inlets and Kafka.
 */
#ifndef MU_INGEST_MESSAGE_H
#define MU_INGEST_MESSAGE_H

#include "ingest/accept.h"

/* The dataset of this id in the inlet's sandbox; NULL when there is none. */
typedef const mu_dataset *mu_find_dataset(void *context, mu_str id);

/* What messages to an inlet are measured by. Immutable while it is used. */
typedef struct mu_inlet_rules {
    mu_str inlet;        /* the inlet's id, as the texts name it */
    mu_str organization; /* the one it belongs to */
    const mu_registry *registry;
    mu_find_dataset *find_dataset;
    mu_find_dataset
        *find_flow_dataset; /* the dataset that a flow of this id leads to; NULL: none */
    void *find_context;
    mu_accept_context accept;
} mu_inlet_rules;

typedef struct mu_message {
    const mu_dataset *dataset;
    mu_accept_operation operation;
    bool makes_links; /* false: operations without identity "create" (d.5) */
    const mu_json *entity;
} mu_message;

/* Reads one message. False: it is refused at the front door, and *refusal (in `arena`) is the
 * sentence that the sender gets. Otherwise *out shares everything with `json`. */
MU_CHECKED bool mu_message_read(mu_arena *arena, const mu_inlet_rules *rules, const mu_json *json,
                                mu_message *out, mu_str *refusal);

/* mu_accept on the message's entity. */
void mu_message_accept(mu_arena *arena, const mu_inlet_rules *rules, const mu_message *message,
                       mu_acceptance *out);

/* "inletId: [..] imsOrgId: [..] " and what it says about the message; the organisation is the
 * message's own when it has one. */
mu_str mu_message_text(mu_arena *arena, const mu_inlet_rules *rules, const mu_json *json,
                       const char *text);

#endif
