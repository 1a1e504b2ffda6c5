/* record.h -- one accepted change to what is known of an identity: the log's payload.
 *
 * A record holds what validation and identity resolution decided, so that replaying it needs
 * neither schemas nor settings of that time.
 */
#ifndef MU_PROFILE_RECORD_H
#define MU_PROFILE_RECORD_H

#include "base/buf.h"
#include "store/store.h"

typedef enum mu_record_kind {
    MU_RECORD_CREATE = 1, /* replaces the fragment (dataset, primary identity): profile.md c.1 */
    MU_RECORD_MERGE,      /* laid over the fragment; null leaves delete: d.5, P51, P53 */
    MU_RECORD_DELETE,     /* drops the fragment: P51; without a dataset all that the identity has,
                             events too: e.4 under `none` */
    MU_RECORD_EVENT,      /* adds an event, or replaces the one of the same key: P25 */
    MU_RECORD_LOOKUP, /* a record of a lookup class: `class_name`, identities[0].value the key */
    MU_RECORD_ERASE,  /* the cluster of identities[0] with all it has: e.4; with a time_ms unless it
                         was seen since */
    MU_RECORD_DROP,   /* events (and, without a batch, fragments) of `dataset`, of `batch` when
                         it is not empty, of events before time_ms when that is not 0: e.5 */
    MU_RECORD_SETTINGS, /* the sandbox's identity settings and retention: `document` */
    MU_RECORD_PROGRESS, /* nothing but source and position */
    MU_RECORD_REFILL    /* the schema has new fields: values that earlier records had for them
                           are found again */
} mu_record_kind;

typedef struct mu_record {
    mu_record_kind kind;
    mu_str sandbox;      /* as the store names it */
    int64_t received_ms; /* receive time; strictly increasing order is the sequence number's */
    int64_t time_ms;     /* EVENT: its timestamp */
    mu_str dataset;
    mu_str batch;      /* batch or xaction id; may be empty */
    mu_str class_name; /* LOOKUP */
    mu_str key;        /* EVENT: what makes it the same event under its dataset and identity: _id */
    uint32_t n_identities;
    const mu_identity *identities; /* [0] the primary */
    uint32_t n_linked;             /* the first so many enter the graph together; 0 or 1: none */
    mu_str document;               /* the entity as compact JSON */
    /* Where it came from, so that nothing is lost or doubled when the source is read again: a batch
     * file or a Kafka partition, and how far it was read with this record. Empty: a request. */
    mu_str source;
    uint64_t position;
} mu_record;

/* Appends the record's bytes. */
void mu_record_write(mu_buf *buf, const mu_record *record);

/* Texts point into `bytes`; the identities are in `arena`. MU_E_CORRUPT when it is no record. */
MU_CHECKED mu_code mu_record_read(mu_arena *arena, mu_str bytes, mu_record *out, mu_err *err);

#endif
