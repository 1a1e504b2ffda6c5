/* segment_jobs_test.c -- `muster serve` is killed at any moment while segment jobs wait, compute,
 * commit and are cancelled: after each restart every job that was acknowledged comes to an end,
 * what an audience's metrics and members say is what a job that succeeded says, and the data folder
 * verifies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/dice.h"
#include "tests/support/http_client.h"
#include "tests/support/muster_process.h"
#include "tests/support/part_rows.h"
#include "json/edit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define N_PEOPLE    20000
#define N_AUDIENCES 40
#define N_ROUNDS    25
#define JOBS        "/data/core/ups/segment/jobs"
#define AUDIENCES   "/data/core/ups/audiences"

typedef struct world {
    mu_arena arena;
    char *folder;
    muster_process server;
    mu_dice dice;
    const char *ids[N_AUDIENCES];
    uint32_t n_jobs;
    const char *jobs[N_ROUNDS * 4];
    bool cancelled[N_ROUNDS * 4];
} world;

static void sleep_us(uint32_t us)
{
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

typedef struct answer {
    unsigned status;
    mu_json json;
} answer;

static answer ask(world *w, unsigned expected, const char *method, const char *path, mu_str body)
{
    http_reply reply;
    answer out = {0};
    mu_err err;
    mu_str request = mu_arena_format(
        &w->arena,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nx-api-key: key\r\n"
        "x-gw-ims-org-id: LUMA@AdobeOrg\r\nx-sandbox-name: prod\r\nContent-Type: "
        "application/json\r\n"
        "Content-Length: %zu\r\nConnection: close\r\n\r\n" MU_STR_FMT,
        method, path, body.len, MU_STR_ARG(body));
    http_exchange(w->server.port, request, &reply);
    out.status = reply.status;
    if (reply.status != expected)
        fail_msg("%s %s: %u %s", method, path, reply.status, reply.body);
    if (reply.body_len > 0 &&
        mu_json_parse(&w->arena, (mu_str){reply.body, reply.body_len}, &out.json, &err) != MU_OK)
        fail_msg("%s", err.text);
    http_reply_free(&reply);
    return out;
}

static const char *text_at(world *w, const mu_json *json, const char *path)
{
    const mu_json *found = mu_json_at(json, mu_str_from(path));
    mu_str text = MU_STR("");
    if (found != NULL && found->kind == MU_JSON_STRING)
        return mu_arena_copy(&w->arena, found->string).ptr;
    if (found != NULL)
        assert_int_equal(mu_json_text(&w->arena, found, &text, NULL), MU_OK);
    return text.ptr;
}

static void start_server(world *w)
{
    muster_serve(&w->server, w->folder, (const char *[]){"--now", "2026-03-10T12:00:00Z", NULL});
}

/* People with a number from 0 on: audience k is of those whose number ends so. */
static void load_people(world *w)
{
    mu_str path = mu_arena_format(&w->arena, "%s.ndjson", w->folder);
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (int i = 0; i < N_PEOPLE; i++)
        mu_buf_add_format(
            &buf,
            "{\"_id\":\"p%d\",\"identityMap\":{\"ECID\":[{\"id\":\"%038d\",\"primary\":true}]},"
            "\"homeAddress\":{\"city\":\"C%d\"}}\n",
            i, i, i % N_AUDIENCES);
    int fd = open(path.ptr, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, buf.ptr, buf.len), buf.len);
    close(fd);
    mu_buf_free(&buf);
    muster_run(&w->server, (const char *[]){"load", "--data", w->folder, path.ptr, NULL});
    unlink(path.ptr);
}

static void create_audiences(world *w)
{
    for (int k = 0; k < N_AUDIENCES; k++) {
        mu_str body = mu_arena_format(
            &w->arena,
            "{\"name\":\"City "
            "%d\",\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":"
            "\"homeAddress.city = \\\"C%d\\\"\"}}",
            k, k);
        answer made = ask(w, 201, "POST", AUDIENCES, body);
        w->ids[k] = text_at(w, &made.json, "id");
    }
}

static const char *path_of(world *w, const char *base, const char *id)
{
    return mu_arena_format(&w->arena, "%s/%s", base, id).ptr;
}

/* Some jobs, one of which is perhaps cancelled, and then the end. */
static void disturb(world *w)
{
    uint32_t n = 1 + mu_dice_below(&w->dice, 3);
    for (uint32_t i = 0; i < n; i++) {
        bool all = mu_dice_percent(&w->dice, 70);
        mu_str body = all ? MU_STR("[\"*\"]")
                          : mu_arena_format(&w->arena, "[\"%s\"]",
                                            w->ids[mu_dice_below(&w->dice, N_AUDIENCES)]);
        answer made = ask(w, 200, "POST", JOBS, body);
        w->jobs[w->n_jobs++] = text_at(w, &made.json, "id");
        sleep_us(mu_dice_below(&w->dice, 3000));
    }
    if (mu_dice_percent(&w->dice, 40)) {
        uint32_t which = w->n_jobs - 1 - mu_dice_below(&w->dice, n);
        w->cancelled[which] = true;
        (void)ask(w, 204, "DELETE", path_of(w, JOBS, w->jobs[which]), MU_STR(""));
    }
    sleep_us(mu_dice_below(&w->dice, 40000));
    muster_end(&w->server, SIGKILL);
}

/* -------- what must be so -------- */

static void check_metrics(world *w)
{
    for (int k = 0; k < N_AUDIENCES; k++) {
        answer shown = ask(w, 200, "GET", path_of(w, AUDIENCES, w->ids[k]), MU_STR(""));
        const char *job = text_at(w, &shown.json, "metrics.jobId");
        if (job[0] == '\0')
            continue;
        assert_string_equal(text_at(w, &shown.json, "metrics.data.totalProfiles"), "500");
        answer by = ask(w, 200, "GET", path_of(w, JOBS, job), MU_STR(""));
        assert_string_equal(text_at(w, &by.json, "status"), "SUCCEEDED");
        answer entity =
            ask(w, 200, "GET",
                mu_arena_format(&w->arena,
                                "/data/core/ups/access/entities?schema.name=_xdm.context.profile&"
                                "entityIdNS=ECID&entityId=%038d&fields=segmentMembership",
                                k)
                    .ptr,
                MU_STR(""));
        const mu_json *member = mu_json_at(
            mu_json_member(&entity.json.items[0], MU_STR("entity")),
            mu_str_from(mu_arena_format(&w->arena, "segmentMembership.ups.%s", w->ids[k]).ptr));
        assert_non_null(member);
    }
}

static void check_jobs(world *w)
{
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        const char *status = "";
        for (int tries = 0; tries < 20000; tries++) {
            answer job = ask(w, 200, "GET", path_of(w, JOBS, w->jobs[i]), MU_STR(""));
            status = text_at(w, &job.json, "status");
            if (strcmp(status, "SUCCEEDED") == 0 || strcmp(status, "CANCELLED") == 0 ||
                strcmp(status, "FAILED") == 0)
                break;
            sleep_us(5000);
        }
        if (!w->cancelled[i] || strcmp(status, "CANCELLED") != 0)
            assert_string_equal(status, "SUCCEEDED");
    }
}

static void killed_servers_lose_no_job(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    uint32_t n_rounds = getenv("MUSTER_QUICK") == NULL ? N_ROUNDS : 5;
    mu_arena_init(&w->arena, SIZE_MAX);
    w->folder = mu_make_temporary_folder();
    mu_dice_init(&w->dice, mu_dice_seed("crash/segment_jobs_test", 20260310));
    mu_str said = mu_arena_format(&w->arena, "%s.said", w->folder);
    muster_process_init(&w->server, said.ptr);
    load_people(w);
    start_server(w);
    create_audiences(w);
    for (uint32_t round = 0; round < n_rounds; round++) {
        disturb(w);
        start_server(w);
        check_metrics(w);
        if (mu_dice_percent(&w->dice, 50))
            check_jobs(w);
    }
    check_jobs(w);
    check_metrics(w);
    muster_end(&w->server, SIGTERM);
    muster_run(&w->server, (const char *[]){"verify", "--data", w->folder, NULL});
    muster_process_fini(&w->server);
    unlink(said.ptr);
    mu_remove_folder(w->folder);
    mu_arena_free(&w->arena);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_servers_lose_no_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
