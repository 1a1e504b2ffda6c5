#include "tests/support/api_fixture.h"

#include "base/number.h"
#include "tests/support/http_client.h"
#include "tests/support/part_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static _Atomic int64_t clock_ms; /* the clock of the process's one fixture */

static int64_t now_ms(void)
{
    return atomic_load(&clock_ms);
}

void api_fixture_set_now(int64_t ms)
{
    atomic_store(&clock_ms, ms);
}

void api_fixture_advance(int64_t by_ms)
{
    atomic_fetch_add(&clock_ms, by_ms);
}

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static void open_all(api_fixture *f)
{
    mu_err err;
    f->metrics = mu_metrics_new();
    const mu_live_options live = {.folder = f->folder,
                                  .n_threads = 1,
                                  .now_ms = now_ms,
                                  .logger = NULL,
                                  .metrics = f->metrics};
    assert_done(mu_live_open(&live, &f->live, &err), err);
    assert_done(mu_documents_open(f->folder, &f->documents, &err), err);
    f->options.live = f->live;
    f->options.documents = f->documents;
    f->options.now_ms = now_ms;
    f->options.metrics = f->metrics;
    assert_done(mu_api_new(&f->options, &f->api, &err), err);
    f->router = mu_http_router_new();
    assert_done(mu_api_routes_add(f->api, f->router, &err), err);
    const mu_http_options http = {.listen = MU_STR("127.0.0.1:0"),
                                  .loop_threads = 1,
                                  .worker_threads = 2,
                                  .limits = mu_http_limits_default(),
                                  .router = f->router,
                                  .write_error = mu_api_write_problem,
                                  .error_context = f->api,
                                  .metrics = f->metrics};
    assert_done(mu_http_server_start(&http, &f->server, &err), err);
    f->port = mu_http_server_port(f->server);
}

static void close_all(api_fixture *f)
{
    mu_http_server_stop(f->server, 5000);
    mu_api_free(f->api);
    mu_http_router_free(f->router);
    mu_documents_close(f->documents);
    mu_live_close(f->live);
    mu_metrics_free(f->metrics);
}

void api_fixture_start_with(api_fixture *f, const mu_api_options *options)
{
    static const mu_audience_settings none;
    *f = (api_fixture){.options = *options, .folder = mu_make_temporary_folder()};
    if (memcmp(&f->options.settings, &none, sizeof none) == 0)
        f->options.settings = mu_audience_settings_default();
    mu_arena_init(&f->arena, SIZE_MAX);
    api_fixture_set_now(API_FIXTURE_NOW_MS);
    open_all(f);
}

void api_fixture_start(api_fixture *f)
{
    const mu_api_options options = {.auth_mode = MU_AUTH_OPEN,
                                    .organization = MU_STR(API_FIXTURE_ORGANIZATION),
                                    .tenant = MU_STR("luma")};
    api_fixture_start_with(f, &options);
}

void api_fixture_restart_after(api_fixture *f, void (*between)(api_fixture *f))
{
    close_all(f);
    if (between != NULL)
        between(f);
    open_all(f);
}

void api_fixture_restart(api_fixture *f)
{
    api_fixture_restart_after(f, NULL);
}

void api_fixture_stop(api_fixture *f)
{
    close_all(f);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
}

/* -------- requests -------- */

static api_answer take_answer(api_fixture *f, const http_reply *reply)
{
    api_answer answer = {.status = reply->status,
                         .head = mu_arena_copy(&f->arena, mu_str_from(reply->head)),
                         .body = mu_arena_copy(&f->arena, (mu_str){reply->body, reply->body_len})};
    mu_json_reader *reader = mu_json_reader_new();
    if (mu_json_read(reader, &f->arena, answer.body, &answer.json, NULL) != MU_OK)
        answer.json = (mu_json){.kind = MU_JSON_NULL};
    mu_json_reader_free(reader);
    return answer;
}

api_answer api_send_headers(api_fixture *f, const char *method, const char *path,
                            const char *headers, mu_str body)
{
    http_client client;
    http_reply reply;
    mu_buf text;
    mu_buf_init(&text, SIZE_MAX);
    mu_buf_add_format(&text,
                      "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%sContent-Length: %zu\r\n\r\n",
                      method, path, f->port, headers, body.len);
    mu_buf_add_str(&text, body);
    http_connect(&client, f->port);
    assert_true(http_send(&client, mu_buf_str(&text)));
    assert_true(http_read(&client, strcmp(method, "HEAD") == 0, &reply));
    api_answer answer = take_answer(f, &reply);
    http_reply_free(&reply);
    http_disconnect(&client);
    mu_buf_free(&text);
    return answer;
}

api_answer api_send_in(api_fixture *f, const char *sandbox, const char *method, const char *path,
                       const char *body)
{
    char headers[512];
    snprintf(headers, sizeof headers,
             "Authorization: Bearer token\r\nx-api-key: key\r\nx-gw-ims-org-id: %s\r\n"
             "x-sandbox-name: %s\r\nContent-Type: application/json\r\n",
             API_FIXTURE_ORGANIZATION, sandbox);
    return api_send_headers(f, method, path, headers,
                            body == NULL ? MU_STR("") : mu_str_from(body));
}

api_answer api_send(api_fixture *f, const char *method, const char *path, const char *body)
{
    return api_send_in(f, "prod", method, path, body);
}

api_answer api_expect(api_fixture *f, unsigned status, const char *method, const char *path,
                      const char *body)
{
    api_answer answer = api_send(f, method, path, body);
    if (answer.status != status)
        fail_msg("%s %s: status %u, not %u: " MU_STR_FMT, method, path, answer.status, status,
                 MU_STR_ARG(answer.body));
    return answer;
}

/* -------- answers -------- */

static const mu_json *step(const mu_json *json, mu_str name)
{
    int64_t i;
    if (json->kind == MU_JSON_ARRAY)
        return mu_parse_integer(name, &i) && i >= 0 && i < json->n ? &json->items[i] : NULL;
    return mu_json_member(json, name);
}

const mu_json *api_at(const api_answer *answer, const char *path)
{
    const mu_json *json = &answer->json;
    mu_str rest = mu_str_from(path);
    while (json != NULL && rest.len > 0) {
        size_t dot = mu_str_find(rest, MU_STR("."));
        size_t len = dot == SIZE_MAX ? rest.len : dot;
        json = step(json, (mu_str){rest.ptr, len});
        len = dot == SIZE_MAX ? len : len + 1;
        rest = (mu_str){rest.ptr + len, rest.len - len};
    }
    return json;
}

const char *api_text(api_fixture *f, const api_answer *answer, const char *path)
{
    const mu_json *json = api_at(answer, path);
    if (json == NULL)
        return "";
    if (json->kind == MU_JSON_STRING)
        return mu_arena_copy(&f->arena, json->string).ptr;
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    mu_str text = mu_arena_copy(&f->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text.ptr;
}

bool api_header(const api_answer *answer, const char *name, char *out, size_t size)
{
    http_reply reply = {.head = (char *)(uintptr_t)answer->head.ptr};
    return http_reply_header(&reply, name, out, size);
}
