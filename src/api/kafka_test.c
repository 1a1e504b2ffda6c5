/* kafka_test.c -- messages from Kafka, with librdkafka's mock cluster, and a process that is killed
 * while it reads: the test runs itself again as that process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/ingestion.h"
#include "base/time.h"
#include "tests/support/luma_server.h"
#include "tests/support/part_rows.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* librdkafka makes its threads with thrd_create, which the thread sanitizer does not know: they
 * crash under it, so it cannot run these tests. */
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif

#define TOPIC        "luma-events"
#define PARTITIONS   3
#define FIRST_ROUND  3000u
#define SECOND_ROUND 600u
#define PEOPLE       10u
#define WAIT_MS      ((int64_t)60000)

extern char **environ;

/* -------- a server without HTTP -------- */

typedef struct node {
    api_fixture fixture; /* what luma_server_fill wants of it */
    mu_kafka_topic topic;
} node;

static int64_t now_ms(void)
{
    return LUMA_SERVER_NOW_MS;
}

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

/* `brokers` NULL: Kafka is off. */
static void node_open(node *n, const char *folder, const char *brokers)
{
    mu_err err;
    api_fixture *f = &n->fixture;
    *n = (node){.topic = {MU_STR(TOPIC), MU_STR(LUMA_SERVER_INLET)}};
    mu_arena_init(&f->arena, SIZE_MAX);
    f->metrics = mu_metrics_new();
    const mu_live_options live = {
        .folder = folder, .n_threads = 1, .now_ms = now_ms, .metrics = f->metrics};
    assert_done(mu_live_open(&live, &f->live, &err), err);
    assert_done(mu_documents_open(folder, &f->documents, &err), err);
    f->options = (mu_api_options){.live = f->live,
                                  .documents = f->documents,
                                  .auth_mode = MU_AUTH_OPEN,
                                  .organization = MU_STR(LUMA_SERVER_ORGANIZATION),
                                  .tenant = MU_STR("luma"),
                                  .now_ms = now_ms,
                                  .metrics = f->metrics};
    if (brokers != NULL) {
        f->options.kafka_brokers = mu_str_from(brokers);
        f->options.n_kafka_topics = 1;
        f->options.kafka_topics = &n->topic;
    }
    assert_done(mu_api_new(&f->options, &f->api, &err), err);
}

static void node_close(node *n)
{
    mu_api_free(n->fixture.api);
    mu_documents_close(n->fixture.documents);
    mu_live_close(n->fixture.live);
    mu_metrics_free(n->fixture.metrics);
    mu_arena_free(&n->fixture.arena);
}

static uint64_t positions(node *n)
{
    uint64_t sum = 0;
    mu_sandbox *sandbox = mu_live_find_sandbox(n->fixture.live, MU_STR("prod"));
    for (int i = 0; i < PARTITIONS; i++) {
        char source[64];
        snprintf(source, sizeof source, "kafka:" TOPIC "/%d", i);
        sum += mu_sandbox_position(sandbox, mu_str_from(source));
    }
    return sum;
}

static uint64_t accepted(node *n)
{
    mu_label label = {"outcome", MU_STR("accepted")};
    mu_counter *counter =
        mu_metrics_counter(n->fixture.metrics, "muster_kafka_messages_total",
                           "Messages from Kafka by what became of them.", &label, 1);
    return atomic_load(&counter->value);
}

static uint64_t stored_events(node *n)
{
    uint64_t sum = 0;
    mu_sandbox *sandbox = mu_live_find_sandbox(n->fixture.live, MU_STR("prod"));
    for (unsigned person = 0; person < PEOPLE; person++) {
        mu_lookup lookup;
        mu_err err;
        char value[32];
        snprintf(value, sizeof value, "K-%u", person);
        mu_identity identity = {MU_STR("lumaCrmId"), mu_str_from(value)};
        mu_code code = mu_sandbox_lookup(sandbox, identity, &n->fixture.arena, &lookup, &err);
        if (code == MU_E_NOT_FOUND)
            continue;
        assert_done(code, err);
        sum += lookup.content.events.n;
        mu_snapshot_release(lookup.snapshot);
    }
    return sum;
}

/* -------- the cluster -------- */

typedef struct cluster {
    rd_kafka_t *producer;
    const char *brokers;
    uint64_t n_sent;
} cluster;

static void cluster_start(cluster *c)
{
    char why[256];
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    assert_int_equal(
        rd_kafka_conf_set(configuration, "test.mock.num.brokers", "1", why, sizeof why),
        RD_KAFKA_CONF_OK);
    c->producer = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, why, sizeof why);
    assert_non_null(c->producer);
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(c->producer);
    assert_non_null(mock);
    assert_int_equal(rd_kafka_mock_topic_create(mock, TOPIC, PARTITIONS, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    c->brokers = rd_kafka_mock_cluster_bootstraps(mock);
    c->n_sent = 0;
}

static void send_text(cluster *c, int partition, const char *text)
{
    rd_kafka_resp_err_t code =
        rd_kafka_producev(c->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)text, strlen(text)), RD_KAFKA_V_END);
    assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    c->n_sent++;
}

#define SCHEMA                                                                                     \
    "\"schemaRef\":{\"id\":\"https://ns.adobe.com/luma/schemas/"                                   \
    "7160f8688035138fcbc9a6c8041949ebea0c0d21a1b1d063\"}"

static void send_events(cluster *c, unsigned first, unsigned n)
{
    char text[1024];
    for (unsigned i = first; i < first + n; i++) {
        snprintf(text, sizeof text,
                 "{\"header\":{" SCHEMA ",\"datasetId\":\"7160f8688035138fcbc9a6c8\"},"
                 "\"body\":{\"xdmMeta\":{" SCHEMA "},\"xdmEntity\":{\"_id\":\"k-%u\","
                 "\"timestamp\":\"2026-03-10T11:00:00Z\",\"_luma\":{\"crmId\":\"K-%u\"}}}}",
                 i, i % PEOPLE);
        send_text(c, (int)(i % PARTITIONS), text);
        rd_kafka_poll(c->producer, 0);
    }
    assert_int_equal(rd_kafka_flush(c->producer, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* -------- the process that is killed -------- */

_Noreturn static void run_child(const char *folder, const char *brokers)
{
    node n;
    node_open(&n, folder, brokers);
    for (;;) {
        if (accepted(&n) > 0) {
            ssize_t written = write(STDOUT_FILENO, "x", 1);
            (void)written;
            pause();
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void run_and_kill(const char *self, const char *folder, const char *brokers)
{
    int ends[2];
    pid_t child;
    char byte;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    char *arguments[] = {(char *)(uintptr_t)self, (char *)(uintptr_t)folder,
                         (char *)(uintptr_t)brokers, NULL};
    assert_int_equal(posix_spawn(&child, self, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    nanosleep(&(struct timespec){.tv_nsec = (long)(mu_monotonic_ns() % 20) * 1000000}, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static const char *self_path;

static void nothing_is_lost_or_applied_twice(void **state)
{
    node n;
    cluster c;
    char *folder = mu_make_temporary_folder();
    (void)state;
    node_open(&n, folder, NULL);
    luma_server_fill(&n.fixture);
    node_close(&n);
    cluster_start(&c);
    send_events(&c, 0, FIRST_ROUND);
    run_and_kill(self_path, folder, c.brokers);
    node_open(&n, folder, NULL);
    uint64_t before = positions(&n);
    assert_int_equal(stored_events(&n), before);
    assert_true(before <= FIRST_ROUND);
    node_close(&n);
    send_events(&c, FIRST_ROUND, SECOND_ROUND);
    /* What cannot be taken counts as read all the same. */
    send_text(&c, 0, "no JSON");
    send_text(&c, 1, "{\"header\":{},\"body\":{}}");
    send_events(&c, 0, 0);
    node_open(&n, folder, c.brokers);
    int64_t until_ms = mu_monotonic_ns() / 1000000 + WAIT_MS;
    while (positions(&n) < c.n_sent && mu_monotonic_ns() / 1000000 < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_equal(positions(&n), c.n_sent);
    assert_int_equal(stored_events(&n), FIRST_ROUND + SECOND_ROUND);
    assert_int_equal(accepted(&n), FIRST_ROUND + SECOND_ROUND - before);
    node_close(&n);
    rd_kafka_destroy(c.producer);
    mu_remove_folder(folder);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    mu_kafka *kafka;
    mu_err err;
    (void)state;
    mu_metrics *metrics = mu_metrics_new();
    const mu_kafka_topic topic = {MU_STR(TOPIC), MU_STR("inlet")};
    const mu_kafka_setting setting = {MU_STR("no.such.setting"), MU_STR("1")};
    const mu_kafka_options options = {.brokers = MU_STR("127.0.0.1:1"),
                                      .n_topics = 1,
                                      .topics = &topic,
                                      .n_settings = 1,
                                      .settings = &setting,
                                      .metrics = metrics};
    assert_int_equal(mu_kafka_open(&options, &kafka, &err), MU_E_INPUT);
    mu_metrics_free(metrics);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        run_child(argv[1], argv[2]);
#ifdef HAS_THREAD_SANITIZER
    puts("SKIPPED: librdkafka does not run under the thread sanitizer");
    return 0;
#endif
    self_path = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(nothing_is_lost_or_applied_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
