/* body_test.c -- request bodies: counted, chunked, announced, compressed, too large, not JSON. */
#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#define BODY_MAX 100000

static http_fixture fixture;

static int start(void **state)
{
    (void)state;
    mu_http_options options = http_fixture_options(&fixture);
    options.limits.body_max_bytes = BODY_MAX;
    options.limits.discard_max_bytes = 2 * BODY_MAX;
    options.limits.json_depth_max = 64;
    options.limits.json_memory_max_bytes = 1 << 20;
    http_fixture_start(&fixture, &options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_fixture_stop(&fixture, 1000);
    return 0;
}

/* A request with these headers and this body. Reads the reply unless it is NULL. */
static void post(http_client *client, const char *line, const char *headers, mu_str body,
                 http_reply *reply)
{
    mu_buf request;
    mu_buf_init(&request, (size_t)1 << 30);
    mu_buf_add_format(&request, "%s HTTP/1.1\r\nHost: t\r\n%sContent-Length: %zu\r\n\r\n", line,
                      headers, body.len);
    mu_buf_add_str(&request, body);
    assert_true(http_send(client, mu_buf_str(&request)));
    mu_buf_free(&request);
    if (reply != NULL)
        assert_true(http_read(client, false, reply));
}

static unsigned post_status(const char *line, const char *headers, mu_str body)
{
    http_client client;
    http_reply reply;
    http_connect(&client, fixture.port);
    post(&client, line, headers, body, &reply);
    unsigned status = reply.status;
    http_reply_free(&reply);
    http_disconnect(&client);
    return status;
}

static void expect_hello(http_client *client)
{
    http_reply reply;
    assert_true(http_send_text(client, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(client, false, &reply));
    assert_string_equal(reply.body, "hello");
    http_reply_free(&reply);
}

static mu_str filled(mu_buf *buf, size_t n)
{
    mu_buf_init(buf, (size_t)1 << 30);
    for (size_t i = 0; i < n; i++)
        mu_buf_add_char(buf, (char)('a' + i % 26));
    return mu_buf_str(buf);
}

static void bodies_arrive_whole(void **state)
{
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    static const size_t sizes[] = {0, 1, 100, 5000, 70000, BODY_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        mu_buf body;
        http_reply reply;
        mu_str text = filled(&body, sizes[i]);
        post(&client, "POST /body", "", text, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_len, text.len);
        assert_memory_equal(reply.body, text.ptr, text.len);
        http_reply_free(&reply);
        mu_buf_free(&body);
    }
    http_disconnect(&client);
}

static void chunked_bodies_arrive_whole(void **state)
{
    http_client client;
    http_reply reply;
    (void)state;
    http_connect(&client, fixture.port);
    for (int i = 0; i < 3; i++) {
        assert_true(http_send_text(&client, "POST /body HTTP/1.1\r\nHost: t\r\n"
                                            "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"));
        assert_true(http_send_text(&client, "lo\r\nA;ext=1\r\n, chunked!\r\n0\r\n"
                                            "Trailer: x\r\n\r\n"));
        assert_true(http_read(&client, false, &reply));
        assert_string_equal(reply.body, "hello, chunked!");
        http_reply_free(&reply);
    }
    http_disconnect(&client);
}

static void expect_continue_is_answered_first(void **state)
{
    http_client client;
    http_reply reply;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
                                        "Expect: 100-continue\r\n\r\n"));
    assert_true(http_read(&client, false, &reply));
    assert_int_equal(reply.status, 100);
    http_reply_free(&reply);
    assert_true(http_send_text(&client, "hello"));
    assert_true(http_read(&client, false, &reply));
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "hello");
    http_reply_free(&reply);
    http_disconnect(&client);
}

static void expect_continue_is_refused_without_the_body(void **state)
{
    static const struct {
        const char *line;
        unsigned length, status;
    } cases[] = {
        {"POST /body", BODY_MAX + 1, 413}, {"POST /nowhere", 5, 404}, {"PUT /body", 5, 405}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        http_client client;
        http_reply reply;
        http_connect(&client, fixture.port);
        assert_true(http_send_text(&client,
                                   "%s HTTP/1.1\r\nHost: t\r\nContent-Length: %u\r\n"
                                   "Expect: 100-continue\r\n\r\n",
                                   cases[i].line, cases[i].length));
        assert_true(http_read(&client, false, &reply));
        assert_int_equal(reply.status, cases[i].status);
        http_reply_free(&reply);
        assert_true(http_is_closed(&client, 5000));
        http_disconnect(&client);
    }
}

static void a_body_over_the_limit_is_413_and_the_connection_lives(void **state)
{
    http_client client;
    http_reply reply;
    mu_buf body;
    (void)state;
    mu_str text = filled(&body, BODY_MAX + 1);
    http_connect(&client, fixture.port);
    post(&client, "POST /body", "", text, &reply);
    assert_int_equal(reply.status, 413);
    assert_non_null(strstr(reply.body, "UPAPI-119918-413"));
    assert_non_null(strstr(reply.body, "larger than 100000 bytes"));
    http_reply_free(&reply);
    expect_hello(&client);
    post(&client, "POST /small", "", (mu_str){text.ptr, 101}, &reply); /* the route's own limit */
    assert_int_equal(reply.status, 413);
    http_reply_free(&reply);
    post(&client, "POST /small", "", (mu_str){text.ptr, 100}, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    http_disconnect(&client);
    mu_buf_free(&body);
}

static void a_chunked_body_over_the_limit_is_413(void **state)
{
    http_client client;
    http_reply reply;
    mu_buf body;
    (void)state;
    mu_str text = filled(&body, BODY_MAX + 1);
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client,
                               "POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n%x\r\n",
                               BODY_MAX + 1));
    assert_true(http_send(&client, text));
    assert_true(http_send_text(&client, "\r\n0\r\n\r\n"));
    assert_true(http_read(&client, false, &reply));
    assert_int_equal(reply.status, 413);
    http_reply_free(&reply);
    expect_hello(&client);
    http_disconnect(&client);
    mu_buf_free(&body);
}

static void a_body_without_end_is_cut_off(void **state)
{
    http_client client;
    mu_buf body;
    (void)state;
    mu_str text = filled(&body, 4096);
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
                                        "chunked\r\n\r\n"));
    bool is_open = true;
    for (int i = 0; i < 10000 && is_open; i++)
        is_open = http_send_text(&client, "1000\r\n") && http_send(&client, text) &&
                  http_send_text(&client, "\r\n");
    assert_false(is_open);
    http_disconnect(&client);
    mu_buf_free(&body);
}

/* -------- compressed -------- */

enum coding { GZIP = 15 + 16, ZLIB = 15, BARE = -15 };

static mu_str compressed(mu_buf *out, mu_str text, enum coding coding)
{
    z_stream stream = {0};
    mu_buf_init(out, (size_t)1 << 30);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, coding, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&stream, text.len) + 100;
    stream.next_in = (Bytef *)(uintptr_t)text.ptr;
    stream.avail_in = (uInt)text.len;
    stream.next_out = (Bytef *)mu_buf_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->len = bound - stream.avail_out;
    deflateEnd(&stream);
    return mu_buf_str(out);
}

static void compressed_bodies_arrive_decompressed(void **state)
{
    static const struct {
        enum coding coding;
        const char *header;
    } cases[] = {{GZIP, "Content-Encoding: gzip\r\n"},
                 {GZIP, "content-encoding: X-GZIP\r\n"},
                 {ZLIB, "Content-Encoding: deflate\r\n"},
                 {BARE, "Content-Encoding: deflate\r\n"}};
    static const size_t sizes[] = {0, 1, 1000, 33000, BODY_MAX};
    (void)state;
    for (size_t i = 0; i < 4 * 5; i++) {
        http_client client;
        http_reply reply;
        mu_buf plain, packed;
        mu_str text = filled(&plain, sizes[i % 5]);
        mu_str sent = compressed(&packed, text, cases[i / 5].coding);
        http_connect(&client, fixture.port);
        post(&client, "POST /body", cases[i / 5].header, sent, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_len, text.len);
        assert_memory_equal(reply.body, text.ptr, text.len);
        http_reply_free(&reply);
        http_disconnect(&client);
        mu_buf_free(&plain);
        mu_buf_free(&packed);
    }
}

static void gzip_members_follow_each_other(void **state)
{
    http_client client;
    http_reply reply;
    mu_buf first, second;
    (void)state;
    (void)compressed(&first, MU_STR("one,"), GZIP);
    mu_buf_add_str(&first, compressed(&second, MU_STR("two"), GZIP));
    http_connect(&client, fixture.port);
    post(&client, "POST /body", "Content-Encoding: gzip\r\n", mu_buf_str(&first), &reply);
    assert_string_equal(reply.body, "one,two");
    http_reply_free(&reply);
    http_disconnect(&client);
    mu_buf_free(&first);
    mu_buf_free(&second);
}

static void a_bomb_is_413(void **state)
{
    mu_buf plain, packed;
    (void)state;
    mu_buf_init(&plain, (size_t)1 << 30);
    mu_buf_add_zeros(&plain, 50 << 20);
    mu_str bomb = compressed(&packed, mu_buf_str(&plain), GZIP);
    assert_true(bomb.len < BODY_MAX);
    assert_int_equal(post_status("POST /body", "Content-Encoding: gzip\r\n", bomb), 413);
    assert_int_equal(post_status("PUT /sink", "Content-Encoding: gzip\r\n", bomb), 413);
    mu_buf_free(&plain);
    mu_buf_free(&packed);
}

static void damaged_compression_is_400(void **state)
{
    mu_buf plain, packed;
    (void)state;
    mu_str text = compressed(&packed, filled(&plain, 5000), GZIP);
    const char *gzip = "Content-Encoding: gzip\r\n", *deflate = "Content-Encoding: deflate\r\n";
    assert_int_equal(post_status("POST /body", gzip, (mu_str){text.ptr, text.len - 1}), 400);
    assert_int_equal(post_status("POST /body", gzip, (mu_str){text.ptr, 3}), 400);
    assert_int_equal(post_status("POST /body", gzip, MU_STR("plain text")), 400);
    assert_int_equal(post_status("POST /body", deflate, MU_STR("\xff\xff\xff")), 400);
    mu_buf_add_str(&packed, MU_STR("trailing"));
    assert_int_equal(post_status("POST /body", gzip, mu_buf_str(&packed)), 400);
    assert_int_equal(post_status("POST /body", "Content-Encoding: br\r\n", MU_STR("x")), 415);
    assert_int_equal(post_status("POST /body", "Content-Encoding: gzip, gzip\r\n", MU_STR("x")),
                     415);
    assert_int_equal(post_status("POST /body", "Content-Encoding: identity\r\n", MU_STR("x")), 200);
    assert_int_equal(post_status("POST /body", gzip, MU_STR("")), 200);
    mu_buf_free(&plain);
    mu_buf_free(&packed);
}

/* -------- sinks and JSON -------- */

static void a_sink_takes_the_body_and_may_refuse(void **state)
{
    http_client client;
    http_reply reply;
    mu_buf body;
    (void)state;
    mu_str text = filled(&body, 90000);
    http_connect(&client, fixture.port);
    post(&client, "PUT /sink", "", text, &reply);
    assert_string_equal(reply.body, "90000");
    http_reply_free(&reply);
    post(&client, "PUT /sink", "", MU_STR("this is bad"), &reply);
    assert_int_equal(reply.status, 413);
    assert_non_null(strstr(reply.body, "the sink is full"));
    http_reply_free(&reply);
    expect_hello(&client);
    http_disconnect(&client);
    mu_buf_free(&body);
}

static void expect_json(mu_str body, unsigned status, const char *holds)
{
    http_client client;
    http_reply reply;
    http_connect(&client, fixture.port);
    post(&client, "POST /json", "", body, &reply);
    if (reply.status != status || strstr(reply.body, holds) == NULL)
        fail_msg(MU_STR_FMT ": %u %s", (int)(body.len < 200 ? body.len : 200), body.ptr,
                 reply.status, reply.body);
    http_reply_free(&reply);
    http_disconnect(&client);
}

static void json_bodies_are_read_or_refused(void **state)
{
    (void)state;
    expect_json(MU_STR(" {\"a\":[1,2.5,null,\"\\u00e9\"],\"a\":2} "), 200, "{\"a\":2}");
    expect_json(MU_STR("[\"[[[[{{{{\\\"[[\"]"), 200, "[[[[{{{{");
    expect_json(MU_STR(""), 400, "The body is empty");
    expect_json(MU_STR("{\"a\":}"), 400, "UPAPI-119910-400");
    expect_json(MU_STR("{} x"), 400, "UPAPI-119910-400");
    expect_json(MU_STR("[\"\xff\"]"), 400, "UPAPI-119910-400");
    expect_json(MU_STR("[\"a\0b\"]"), 400, "UPAPI-119910-400");
}

static void deep_json_is_refused_before_it_is_parsed(void **state)
{
    mu_buf text;
    (void)state;
    mu_buf_init(&text, 1 << 20);
    for (int i = 0; i < 64; i++)
        mu_buf_add_char(&text, '[');
    for (int i = 0; i < 64; i++)
        mu_buf_add_char(&text, ']');
    expect_json(mu_buf_str(&text), 200, "[[[");
    mu_buf_clear(&text);
    for (int i = 0; i < 65; i++)
        mu_buf_add_char(&text, '[');
    for (int i = 0; i < 65; i++)
        mu_buf_add_char(&text, ']');
    expect_json(mu_buf_str(&text), 400, "nested deeper than 64 levels");
    mu_buf_clear(&text);
    for (int i = 0; i < 90000; i++)
        mu_buf_add_char(&text, i % 2 == 0 ? '[' : '{');
    expect_json(mu_buf_str(&text), 400, "nested deeper than 64 levels");
    mu_buf_free(&text);
}

static void json_that_needs_too_much_memory_is_413(void **state)
{
    mu_buf text;
    (void)state;
    mu_buf_init(&text, 1 << 20);
    MU_BUF_ADD(&text, "[0");
    for (int i = 0; i < 49000; i++)
        MU_BUF_ADD(&text, ",0");
    MU_BUF_ADD(&text, "]");
    expect_json(mu_buf_str(&text), 413, "bytes of memory");
    expect_json(MU_STR("[1]"), 200, "[1]"); /* the reader is fit for the next one */
    mu_buf_free(&text);
}

static void the_memory_of_all_bodies_is_bounded(void **state)
{
    http_fixture small;
    http_client first, second;
    http_reply reply;
    mu_buf body;
    (void)state;
    mu_http_options options = http_fixture_options(&small);
    options.limits.buffered_max_bytes = 100000;
    http_fixture_start(&small, &options);
    mu_str text = filled(&body, 60000);
    http_connect(&first, small.port);
    assert_true(http_send_text(&first, "POST /small HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&first, false, &reply));
    http_reply_free(&reply);
    /* The first keeps 60,000 bytes while its last one is missing. */
    assert_true(http_send_text(&first, "POST /json HTTP/1.1\r\nHost: t\r\nContent-Length: "
                                       "60001\r\n\r\n"));
    assert_true(http_send(&first, text));
    for (int i = 0; i < 5000; i++) {
        http_exchange(small.port, MU_STR("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n"), &reply);
        bool is_there = strstr(reply.body, "muster_http_buffered_bytes 60000\n") != NULL;
        http_reply_free(&reply);
        if (is_there)
            break;
    }
    http_connect(&second, small.port);
    post(&second, "POST /json", "", text, &reply);
    assert_int_equal(reply.status, 503);
    char seconds[16];
    assert_true(http_reply_header(&reply, "Retry-After", seconds, sizeof(seconds)));
    assert_string_equal(seconds, "1");
    http_reply_free(&reply);
    http_disconnect(&first);
    for (int i = 0; i < 5000 && reply.status != 200; i++) {
        post(&second, "POST /body", "", (mu_str){text.ptr, 30000}, &reply);
        unsigned status = reply.status;
        http_reply_free(&reply);
        reply.status = status;
    }
    assert_int_equal(reply.status, 200);
    http_disconnect(&second);
    mu_buf_free(&body);
    http_fixture_stop(&small, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_arrive_whole),
        cmocka_unit_test(chunked_bodies_arrive_whole),
        cmocka_unit_test(expect_continue_is_answered_first),
        cmocka_unit_test(expect_continue_is_refused_without_the_body),
        cmocka_unit_test(a_body_over_the_limit_is_413_and_the_connection_lives),
        cmocka_unit_test(a_chunked_body_over_the_limit_is_413),
        cmocka_unit_test(a_body_without_end_is_cut_off),
        cmocka_unit_test(compressed_bodies_arrive_decompressed),
        cmocka_unit_test(gzip_members_follow_each_other),
        cmocka_unit_test(a_bomb_is_413),
        cmocka_unit_test(damaged_compression_is_400),
        cmocka_unit_test(a_sink_takes_the_body_and_may_refuse),
        cmocka_unit_test(json_bodies_are_read_or_refused),
        cmocka_unit_test(deep_json_is_refused_before_it_is_parsed),
        cmocka_unit_test(json_that_needs_too_much_memory_is_413),
        cmocka_unit_test(the_memory_of_all_bodies_is_bounded),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
