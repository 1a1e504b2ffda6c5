/* kafka.h -- messages from Kafka: the same as on an inlet, one or {"messages":[...]} a record.
 *
 * A topic belongs to an inlet. One thread reads all partitions. How far a partition was read lies
 * in the log with the records themselves (source "kafka:TOPIC/PARTITION", position: offset + 1),
 * and reading starts from there: nothing is lost or applied twice, whatever is killed. The brokers'
 * group offsets are not used.
 */
#ifndef MU_INGEST_KAFKA_H
#define MU_INGEST_KAFKA_H

#include "ingest/failed.h"
#include "ingest/message.h"

typedef struct mu_kafka mu_kafka;

typedef struct mu_kafka_topic {
    mu_str topic, inlet;
} mu_kafka_topic;

/* The rules of an inlet and where its records go; held until it is released. */
typedef struct mu_kafka_inlet {
    mu_inlet_rules rules;
    mu_sandbox *live;
    mu_str sandbox, sandbox_id; /* as the store names it; its uuid */
    void *held;
} mu_kafka_inlet;

typedef struct mu_kafka_setting { /* of librdkafka: "security.protocol" = "ssl" */
    mu_str name, value;
} mu_kafka_setting;

typedef struct mu_kafka_options {
    mu_str brokers; /* "host:port,host:port" */
    uint32_t n_topics;
    const mu_kafka_topic *topics;
    uint32_t n_settings;
    const mu_kafka_setting *settings;
    mu_live *live;
    mu_failed *failed;
    int64_t (*now_ms)(void);
    const mu_logger *logger; /* NULL: none */
    mu_metrics *metrics;
    /* MU_E_NOT_FOUND: no such inlet (yet). */
    mu_code (*acquire)(void *context, mu_str inlet, int64_t now_ms, mu_kafka_inlet *out,
                       mu_err *err);
    void (*release)(void *context, mu_kafka_inlet *inlet);
    void *context;
} mu_kafka_options;

/* Starts reading. Brokers need not be there yet. MU_E_INPUT: a setting that librdkafka refuses. */
MU_CHECKED mu_code mu_kafka_open(const mu_kafka_options *options, mu_kafka **out, mu_err *err);
/* Stops; what was appended stays. */
void mu_kafka_close(mu_kafka *kafka);

#endif
