#include "ingest/kafka.h"

#include "base/time.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP_MESSAGES_MAX 500u
#define GROUP_WAIT_MS      20
#define PARTITIONS_MAX     10000u
#define LOOK_AGAIN_MS      ((int64_t)10000) /* for new partitions and inlets */
#define TEXT_MAX           256

typedef struct kafka_partition {
    uint32_t topic; /* place in the options */
    int32_t number;
    char source[TEXT_MAX];
} kafka_partition;

struct mu_kafka {
    mu_kafka_options options;
    mu_arena arena; /* the options' texts */
    rd_kafka_t *client;
    mu_counter *accepted, *failed, *refused;
    uint32_t n_partitions;
    kafka_partition *partitions; /* consumer thread only */
    uint64_t sequence;           /* of the last append; consumer thread only */
    _Atomic bool is_closing;
    pthread_t thread;
    bool has_thread;
};

/* -------- partitions -------- */

static const kafka_partition *find_partition(const mu_kafka *kafka, uint32_t topic, int32_t number)
{
    for (uint32_t i = 0; i < kafka->n_partitions; i++)
        if (kafka->partitions[i].topic == topic && kafka->partitions[i].number == number)
            return &kafka->partitions[i];
    return NULL;
}

static int64_t start_offset(const kafka_partition *partition, mu_sandbox *live)
{
    uint64_t position = mu_sandbox_position(live, mu_str_from(partition->source));
    return position > 0 ? (int64_t)position : RD_KAFKA_OFFSET_BEGINNING;
}

static bool add_partition(mu_kafka *kafka, uint32_t topic, int32_t number)
{
    if (find_partition(kafka, topic, number) != NULL || kafka->n_partitions == PARTITIONS_MAX)
        return false;
    mu_str name = kafka->options.topics[topic].topic;
    kafka_partition *added = &kafka->partitions[kafka->n_partitions++];
    *added = (kafka_partition){.topic = topic, .number = number};
    snprintf(added->source, sizeof added->source, "kafka:%.*s/%d", (int)name.len, name.ptr,
             (int)number);
    return true;
}

/* The partitions that the brokers know of a topic and that are not read yet. */
static bool find_new_partitions(mu_kafka *kafka, uint32_t topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle =
        rd_kafka_topic_new(kafka->client, kafka->options.topics[topic].topic.ptr, NULL);
    bool has_new = false;
    if (handle == NULL)
        return false;
    if (rd_kafka_metadata(kafka->client, 0, handle, &metadata, 1000) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < metadata->topic_cnt; i++)
            for (int k = 0; k < metadata->topics[i].partition_cnt; k++)
                has_new |= add_partition(kafka, topic, metadata->topics[i].partitions[k].id);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
    return has_new;
}

/* Reads every known partition from where the log has it. What was fetched and not taken yet is
 * fetched again. */
static mu_code assign(mu_kafka *kafka, mu_err *err)
{
    if (kafka->sequence > 0) /* positions are known once they are applied */
        MU_TRY(mu_live_wait(kafka->options.live, kafka->sequence, err));
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)kafka->n_partitions);
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < kafka->n_partitions; i++) {
        const kafka_partition *partition = &kafka->partitions[i];
        const mu_kafka_topic *topic = &kafka->options.topics[partition->topic];
        mu_kafka_inlet inlet;
        code = kafka->options.acquire(kafka->options.context, topic->inlet, kafka->options.now_ms(),
                                      &inlet, err);
        if (code != MU_OK)
            break;
        rd_kafka_topic_partition_list_add(list, topic->topic.ptr, partition->number)->offset =
            start_offset(partition, inlet.live);
        kafka->options.release(kafka->options.context, &inlet);
    }
    rd_kafka_resp_err_t result =
        code == MU_OK ? rd_kafka_assign(kafka->client, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    if (result != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mu_fail(err, MU_E_IO, "%s", rd_kafka_err2str(result));
    return code;
}

/* -------- one group of messages of one topic -------- */

typedef struct kafka_group {
    mu_kafka *kafka;
    mu_arena arena;
    mu_json_reader *reader;
    mu_kafka_inlet inlet;
    uint32_t n_records, capacity;
    mu_record *records;
    uint32_t n_failed, failed_capacity;
    mu_failed_message *failed;
    uint64_t n_refused;
} kafka_group;

static mu_record *add_record(kafka_group *group)
{
    if (group->n_records == group->capacity) {
        uint32_t capacity = group->capacity == 0 ? 512 : 2 * group->capacity;
        mu_record *grown = MU_NEW_ARRAY(&group->arena, mu_record, capacity);
        if (group->n_records > 0)
            memcpy(grown, group->records, group->n_records * sizeof *grown);
        group->records = grown;
        group->capacity = capacity;
    }
    return &group->records[group->n_records++];
}

static void add_failed(kafka_group *group, const mu_json *json, const mu_message *message,
                       const mu_acceptance *acceptance)
{
    if (group->n_failed == group->failed_capacity) {
        uint32_t capacity = group->failed_capacity == 0 ? 16 : 2 * group->failed_capacity;
        mu_failed_message *grown = MU_NEW_ARRAY(&group->arena, mu_failed_message, capacity);
        if (group->n_failed > 0)
            memcpy(grown, group->failed, group->n_failed * sizeof *grown);
        group->failed = grown;
        group->failed_capacity = capacity;
    }
    mu_buf line;
    mu_buf_init(&line, (size_t)4 << 20);
    mu_failed_line(&line, json, acceptance);
    mu_failed_message *failed = &group->failed[group->n_failed++];
    *failed = (mu_failed_message){.sandbox = group->inlet.sandbox,
                                  .organization = group->inlet.rules.organization,
                                  .sandbox_id = group->inlet.sandbox_id,
                                  .dataset = message->dataset->id,
                                  .line = mu_arena_copy(&group->arena, mu_buf_str(&line))};
    failed->code = mu_failed_code(acceptance, &failed->description);
    mu_buf_free(&line);
}

static void take_message(kafka_group *group, const mu_json *json, mu_str batch)
{
    mu_message message;
    mu_str refusal;
    mu_acceptance acceptance;
    if (!mu_message_read(&group->arena, &group->inlet.rules, json, &message, &refusal)) {
        group->n_refused++;
        return;
    }
    mu_message_accept(&group->arena, &group->inlet.rules, &message, &acceptance);
    if (acceptance.outcome == MU_ACCEPTED) {
        acceptance.record.batch = batch;
        *add_record(group) = acceptance.record;
    } else if (acceptance.outcome != MU_ACCEPTED_NOT_KEPT) {
        add_failed(group, json, &message, &acceptance);
    }
}

/* The record, and how far the partition was read with it. A record of Kafka that gave none of ours
 * is noted as progress, so that it is not read again for ever. */
static void take_kafka_message(kafka_group *group, const kafka_partition *partition,
                               const rd_kafka_message_t *kafka_message)
{
    mu_json json;
    uint32_t n_before = group->n_records;
    mu_str text = {kafka_message->payload, kafka_message->len};
    mu_str batch = mu_arena_format(&group->arena, "%s:%lld", partition->source,
                                   (long long)kafka_message->offset);
    if (text.ptr == NULL ||
        mu_json_read(group->reader, &group->arena, text, &json, NULL) != MU_OK) {
        group->n_refused++;
    } else {
        const mu_json *messages = mu_json_member(&json, MU_STR("messages"));
        if (messages == NULL || messages->kind != MU_JSON_ARRAY)
            take_message(group, &json, batch);
        for (uint32_t i = 0; messages != NULL && messages->kind == MU_JSON_ARRAY && i < messages->n;
             i++)
            take_message(group, &messages->items[i], batch);
    }
    if (group->n_records == n_before)
        *add_record(group) = (mu_record){.kind = MU_RECORD_PROGRESS,
                                         .received_ms = group->inlet.rules.accept.now_ms};
    for (uint32_t i = n_before; i < group->n_records; i++) {
        group->records[i].source = mu_str_from(partition->source);
        group->records[i].position = (uint64_t)kafka_message->offset + 1;
    }
}

static mu_code append(kafka_group *group, mu_err *err)
{
    uint64_t sequence;
    for (;;) {
        mu_code code =
            mu_sandbox_append(group->inlet.live, group->n_records, group->records, &sequence, err);
        if (code != MU_E_LIMIT)
            return code;
        if (group->kafka->is_closing)
            return mu_fail(err, MU_E_CANCELLED, "the server ends");
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static mu_code apply_group(kafka_group *group, mu_err *err)
{
    mu_kafka *kafka = group->kafka;
    if (group->n_records == 0)
        return MU_OK;
    MU_TRY(append(group, err));
    uint64_t n_accepted = 0;
    for (uint32_t i = 0; i < group->n_records; i++)
        n_accepted += group->records[i].kind != MU_RECORD_PROGRESS;
    mu_counter_add(kafka->accepted, n_accepted);
    mu_counter_add(kafka->failed, group->n_failed);
    mu_counter_add(kafka->refused, group->n_refused);
    for (uint32_t i = 0; i < group->n_failed; i++)
        mu_failed_add(kafka->options.failed, &group->failed[i]);
    if (group->n_refused > 0)
        mu_log(kafka->options.logger, MU_LOG_WARNING, "kafka_messages_refused",
               mu_log_integer("n", (int64_t)group->n_refused));
    return MU_OK;
}

static uint32_t topic_of(const mu_kafka *kafka, const rd_kafka_message_t *message)
{
    mu_str name = mu_str_from(rd_kafka_topic_name(message->rkt));
    for (uint32_t i = 0; i < kafka->options.n_topics; i++)
        if (mu_str_equal(kafka->options.topics[i].topic, name))
            return i;
    return UINT32_MAX;
}

/* The messages of one topic among those of a poll: their records, appended together. */
static mu_code take_topic(mu_kafka *kafka, mu_json_reader *reader, uint32_t topic,
                          rd_kafka_message_t **messages, size_t n, mu_err *err)
{
    kafka_group group = {.kafka = kafka, .reader = reader};
    MU_TRY(kafka->options.acquire(kafka->options.context, kafka->options.topics[topic].inlet,
                                  kafka->options.now_ms(), &group.inlet, err));
    mu_arena_init(&group.arena, SIZE_MAX);
    for (size_t i = 0; i < n; i++) {
        const kafka_partition *partition = NULL;
        if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic_of(kafka, messages[i]) == topic)
            partition = find_partition(kafka, topic, messages[i]->partition);
        if (partition != NULL)
            take_kafka_message(&group, partition, messages[i]);
    }
    mu_code code = apply_group(&group, err);
    mu_arena_free(&group.arena);
    kafka->options.release(kafka->options.context, &group.inlet);
    return code;
}

static void log_problem(mu_kafka *kafka, const char *event, const char *why)
{
    mu_log(kafka->options.logger, MU_LOG_WARNING, event, mu_log_text("why", mu_str_from(why)));
}

/* -------- the thread -------- */

static size_t poll_group(mu_kafka *kafka, rd_kafka_message_t **messages)
{
    size_t n = 0;
    int64_t until_ms = mu_monotonic_ns() / 1000000 + GROUP_WAIT_MS;
    while (n < GROUP_MESSAGES_MAX) {
        int64_t left_ms = until_ms - mu_monotonic_ns() / 1000000;
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(kafka->client, left_ms > 0 ? (int)left_ms : 0);
        if (message == NULL)
            break;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            messages[n++] = message;
            continue;
        }
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            log_problem(kafka, "kafka_problem", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    return n;
}

/* Finds what is new and assigns; true when everything is being read. */
static bool look_around(mu_kafka *kafka, bool is_assigned)
{
    mu_err err;
    bool has_new = false;
    for (uint32_t i = 0; i < kafka->options.n_topics; i++)
        has_new |= find_new_partitions(kafka, i);
    if (kafka->n_partitions == 0 || (is_assigned && !has_new))
        return is_assigned;
    if (assign(kafka, &err) == MU_OK)
        return true;
    log_problem(kafka, "kafka_not_assigned", err.text);
    return false;
}

static bool take_group(mu_kafka *kafka, mu_json_reader *reader, rd_kafka_message_t **messages,
                       size_t n)
{
    mu_err err;
    mu_code code = MU_OK;
    for (uint32_t topic = 0; code == MU_OK && topic < kafka->options.n_topics; topic++)
        code = take_topic(kafka, reader, topic, messages, n, &err);
    for (size_t i = 0; i < n; i++)
        rd_kafka_message_destroy(messages[i]);
    if (code != MU_OK && code != MU_E_CANCELLED)
        log_problem(kafka, "kafka_postponed", err.text);
    return code == MU_OK;
}

static void *run(void *context)
{
    mu_kafka *kafka = context;
    static const struct timespec pause = {.tv_nsec = 200000000};
    mu_json_reader *reader = mu_json_reader_new();
    rd_kafka_message_t *messages[GROUP_MESSAGES_MAX];
    bool is_assigned = false;
    int64_t next_look_ms = 0;
    while (!kafka->is_closing) {
        int64_t now_ms = mu_monotonic_ns() / 1000000;
        if (now_ms >= next_look_ms) {
            is_assigned = look_around(kafka, is_assigned);
            next_look_ms = now_ms + (is_assigned ? LOOK_AGAIN_MS : 200);
        }
        size_t n = poll_group(kafka, messages);
        if (n > 0 && !take_group(kafka, reader, messages, n)) {
            /* What was not appended is read again from where the log has it. */
            is_assigned = false;
            next_look_ms = now_ms + 1000;
            rd_kafka_assign(kafka->client, NULL);
            nanosleep(&pause, NULL);
        }
    }
    mu_json_reader_free(reader);
    return NULL;
}

/* -------- opening and closing -------- */

static void copy_options(mu_kafka *kafka, const mu_kafka_options *options)
{
    mu_arena *arena = &kafka->arena;
    mu_kafka_topic *topics = MU_NEW_ARRAY(arena, mu_kafka_topic, options->n_topics);
    for (uint32_t i = 0; i < options->n_topics; i++)
        topics[i] = (mu_kafka_topic){mu_arena_copy(arena, options->topics[i].topic),
                                     mu_arena_copy(arena, options->topics[i].inlet)};
    kafka->options = *options;
    kafka->options.topics = topics;
    kafka->options.brokers = mu_arena_copy(arena, options->brokers);
    kafka->partitions = MU_NEW_ARRAY(arena, kafka_partition, PARTITIONS_MAX);
}

/* On any thread of the library. */
static void log_library(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    const mu_kafka *kafka = rd_kafka_opaque(client);
    (void)facility;
    mu_log(kafka->options.logger, level <= 3 ? MU_LOG_WARNING : MU_LOG_INFO, "kafka_library",
           mu_log_text("text", mu_str_from(text)));
}

static mu_code set(rd_kafka_conf_t *configuration, const char *name, const char *value, mu_err *err)
{
    char why[TEXT_MAX];
    if (rd_kafka_conf_set(configuration, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return MU_OK;
    return mu_fail(err, MU_E_INPUT, "Kafka setting %s: %s", name, why);
}

static mu_code configure(mu_kafka *kafka, const mu_kafka_options *options,
                         rd_kafka_conf_t *configuration, mu_err *err)
{
    MU_TRY(set(configuration, "bootstrap.servers", kafka->options.brokers.ptr, err));
    MU_TRY(set(configuration, "group.id", "muster", err));
    for (uint32_t i = 0; i < options->n_settings; i++)
        MU_TRY(set(configuration, mu_arena_copy(&kafka->arena, options->settings[i].name).ptr,
                   mu_arena_copy(&kafka->arena, options->settings[i].value).ptr, err));
    MU_TRY(set(configuration, "enable.auto.commit", "false", err));
    MU_TRY(set(configuration, "enable.auto.offset.store", "false", err));
    MU_TRY(set(configuration, "auto.offset.reset", "earliest", err));
    return MU_OK;
}

static mu_code connect_client(mu_kafka *kafka, const mu_kafka_options *options, mu_err *err)
{
    char why[TEXT_MAX];
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(configuration, kafka);
    rd_kafka_conf_set_log_cb(configuration, log_library);
    mu_code code = configure(kafka, options, configuration, err);
    if (code != MU_OK) {
        rd_kafka_conf_destroy(configuration);
        return code;
    }
    kafka->client = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, why, sizeof why);
    if (kafka->client == NULL) {
        rd_kafka_conf_destroy(configuration);
        return mu_fail(err, MU_E_INPUT, "Kafka: %s", why);
    }
    rd_kafka_poll_set_consumer(kafka->client);
    return MU_OK;
}

static mu_counter *message_counter(mu_metrics *metrics, const char *outcome)
{
    mu_label label = {"outcome", mu_str_from(outcome)};
    return mu_metrics_counter(metrics, "muster_kafka_messages_total",
                              "Messages from Kafka by what became of them.", &label, 1);
}

static mu_code start(mu_kafka *kafka, const mu_kafka_options *options, mu_err *err)
{
    for (uint32_t i = 0; i < options->n_topics; i++)
        if (options->topics[i].topic.len == 0 || options->topics[i].topic.len > 200)
            return mu_fail(err, MU_E_INPUT, "a Kafka topic has a name of 1 to 200 characters");
    MU_TRY(connect_client(kafka, options, err));
    kafka->has_thread = pthread_create(&kafka->thread, NULL, run, kafka) == 0;
    return kafka->has_thread ? MU_OK : mu_fail(err, MU_E_IO, "cannot start a thread");
}

mu_code mu_kafka_open(const mu_kafka_options *options, mu_kafka **out, mu_err *err)
{
    mu_kafka *kafka = calloc(1, sizeof *kafka);
    if (kafka == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_arena_init(&kafka->arena, SIZE_MAX);
    copy_options(kafka, options);
    kafka->accepted = message_counter(options->metrics, "accepted");
    kafka->failed = message_counter(options->metrics, "failed");
    kafka->refused = message_counter(options->metrics, "refused");
    mu_code code = start(kafka, options, err);
    if (code != MU_OK) {
        mu_kafka_close(kafka);
        return code;
    }
    *out = kafka;
    return MU_OK;
}

void mu_kafka_close(mu_kafka *kafka)
{
    if (kafka == NULL)
        return;
    kafka->is_closing = true;
    if (kafka->has_thread)
        pthread_join(kafka->thread, NULL);
    if (kafka->client != NULL) {
        rd_kafka_consumer_close(kafka->client);
        rd_kafka_destroy(kafka->client);
    }
    mu_arena_free(&kafka->arena);
    free(kafka);
}
