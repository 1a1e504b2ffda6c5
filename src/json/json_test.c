#include "json/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_json_reader *reader;
    mu_arena arena;
    mu_buf buf;
    mu_err err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->reader = mu_json_reader_new();
    assert_non_null(f->reader);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_buf_init(&f->buf, (size_t)1 << 24);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    mu_buf_free(&f->buf);
    free(f);
    return 0;
}

static mu_code read_text(fixture *f, mu_str text, mu_json *out)
{
    mu_arena_reset(&f->arena);
    memset(&f->err, 0, sizeof f->err);
    /* An exact copy on the heap, so that a sanitizer sees a read past the end. */
    char *exact = malloc(text.len == 0 ? 1 : text.len);
    assert_non_null(exact);
    memcpy(exact, text.ptr, text.len);
    mu_code code = mu_json_read(f->reader, &f->arena, (mu_str){exact, text.len}, out, &f->err);
    free(exact);
    return code;
}

static void assert_round_trip(fixture *f, mu_str text, mu_str expected)
{
    mu_json json;
    if (read_text(f, text, &json) != MU_OK)
        fail_msg("%.*s: %s", MU_STR_ARG(text), f->err.text);
    mu_json_writer writer;
    mu_buf_clear(&f->buf);
    mu_json_writer_init(&writer, &f->buf);
    mu_json_value(&writer, &json);
    mu_str got = mu_buf_str(&f->buf);
    if (!mu_str_equal(got, expected))
        fail_msg("read %.*s, wrote %.*s", MU_STR_ARG(text), MU_STR_ARG(got));
}

static void valid_texts_read_back_the_same(void **state)
{
    static const char *const rows[][2] = {
        {"null", "null"},
        {" true ", "true"},
        {"\t\r\nfalse\n", "false"},
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "-0.0"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9.223372036854776e18"},
        {"18446744073709551615", "1.8446744073709552e19"},
        {"[123456789012345678901234567890]", "[1.2345678901234568e29]"},
        {"[1e2,1.5,-2.5E-1,1e-400]", "[100.0,1.5,-0.25,0.0]"},
        {"\"\"", "\"\""},
        {"\"a\\u0000b\"", "\"a\\u0000b\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u00e9\\ud83d\\ude00 \xc3\xa9\"", "\"\xc3\xa9\xf0\x9f\x98\x80 \xc3\xa9\""},
        {"\"\\u001f\"", "\"\\u001f\""},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[ [ ] , { } ]", "[[],{}]"},
        {"{\"a\":1,\"b\":[true,null,\"x\"]}", "{\"a\":1,\"b\":[true,null,\"x\"]}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"{\"a\":1,\"\\u0061\":[2]}", "{\"a\":[2]}"},
        {"{\"\\n\":{\"\":1}}", "{\"\\n\":{\"\":1}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_round_trip(*state, mu_str_from(rows[i][0]), mu_str_from(rows[i][1]));
    }
}

static void malformed_texts_are_refused_with_a_sentence(void **state)
{
    static const mu_str rows[] = {
        MU_STR(""),
        MU_STR("   "),
        MU_STR("1 2"),
        MU_STR("[1] 2"),
        MU_STR("{} {}"),
        MU_STR("\"a\" \"b\""),
        MU_STR("null x"),
        MU_STR("nul"),
        MU_STR("nulll"),
        MU_STR("truefalse"),
        MU_STR("[tru]"),
        MU_STR("[nul]"),
        MU_STR("01"),
        MU_STR("[01]"),
        MU_STR("[-]"),
        MU_STR("-"),
        MU_STR("+1"),
        MU_STR("[1.]"),
        MU_STR("[.5]"),
        MU_STR("[1e]"),
        MU_STR("1e400"),
        MU_STR("[-1e400]"),
        MU_STR("[1x]"),
        MU_STR("[0x1]"),
        MU_STR("[1,]"),
        MU_STR("[,1]"),
        MU_STR("[1 2]"),
        MU_STR("[1"),
        MU_STR("[[1]"),
        MU_STR("[1]]"),
        MU_STR("{\"a\"}"),
        MU_STR("{\"a\":}"),
        MU_STR("{\"a\":1,}"),
        MU_STR("{a:1}"),
        MU_STR("{\"a\" 1}"),
        MU_STR("{\"a\":1"),
        MU_STR("{1:1}"),
        MU_STR("\"a"),
        MU_STR("[\"a]"),
        MU_STR("\"\\x\""),
        MU_STR("\"\\u12\""),
        MU_STR("\"\\ud800\""),
        MU_STR("\"a\nb\""),
        MU_STR("\"\xff\""),
        MU_STR("\"\xc0\x80\""),
        MU_STR("[\"\\q\"]"),
        MU_STR("{\"\\q\":1}"),
        MU_STR("NaN"),
        MU_STR("[Infinity]"),
        MU_STR("// a"),
        MU_STR("{\"a\":1 \"b\":2}"),
        MU_STR("[00000000000000000000000000000001]"),
        MU_STR("\0"),
        MU_STR("[\0]"),
        MU_STR("1\0"),
        MU_STR("[1}"),
        MU_STR("{\"a\":[1}]"),
        MU_STR("]"),
        MU_STR(":"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture *f = *state;
        mu_json json = {.kind = MU_JSON_STRING};
        if (read_text(f, rows[i], &json) != MU_E_SYNTAX || f->err.text[0] == '\0')
            fail_msg("accepted or wrong code: %.*s (%s)", MU_STR_ARG(rows[i]), f->err.text);
        assert_int_equal(json.kind, MU_JSON_STRING); /* the output is untouched */
    }
}

static void errors_name_line_and_column(void **state)
{
    fixture *f = *state;
    mu_json json;
    assert_int_equal(read_text(f, MU_STR("{\n  \"\xc3\xa9\": 1e999}"), &json), MU_E_SYNTAX);
    assert_int_equal(f->err.line, 2);
    assert_int_equal(f->err.column, 8);
}

/* `levels` brackets around nothing. */
static mu_code read_nested(fixture *f, size_t levels, char open, char close)
{
    char *text = malloc(levels * 2);
    assert_non_null(text);
    memset(text, open, levels);
    memset(text + levels, close, levels);
    mu_json json;
    mu_code code = read_text(f, (mu_str){text, levels * 2}, &json);
    free(text);
    return code;
}

static void depth_is_limited(void **state)
{
    assert_int_equal(read_nested(*state, MU_JSON_DEPTH_MAX, '[', ']'), MU_OK);
    assert_int_equal(read_nested(*state, MU_JSON_DEPTH_MAX + 1, '[', ']'), MU_E_LIMIT);
    assert_int_equal(read_nested(*state, 100000, '[', ']'), MU_E_LIMIT);
}

static void last_value_wins_in_a_large_object(void **state)
{
    fixture *f = *state;
    mu_buf text;
    mu_buf_init(&text, (size_t)1 << 20);
    MU_BUF_ADD(&text, "{");
    for (int i = 0; i < 1000; i++)
        mu_buf_add_format(&text, "%s\"name%d\":%d", i == 0 ? "" : ",", i % 300, i);
    MU_BUF_ADD(&text, "}");
    mu_json json;
    assert_int_equal(read_text(f, mu_buf_str(&text), &json), MU_OK);
    mu_buf_free(&text);
    assert_int_equal(json.n, 300);
    for (uint32_t i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "name%u", i);
        assert_true(mu_str_equal(json.names[i], mu_str_from(name)));
        assert_int_equal(json.items[i].integer, i < 100 ? 900 + i : 600 + i);
    }
}

static void members_are_found_by_name(void **state)
{
    fixture *f = *state;
    mu_json json;
    assert_int_equal(read_text(f, MU_STR("{\"a\":\"x\",\"b\":1}"), &json), MU_OK);
    assert_int_equal(mu_json_member(&json, MU_STR("b"))->integer, 1);
    assert_null(mu_json_member(&json, MU_STR("c")));
    assert_null(mu_json_member(&json.items[0], MU_STR("a")));
    assert_null(mu_json_member(NULL, MU_STR("a")));
    assert_true(mu_str_equal(mu_json_member_string(&json, MU_STR("a"), MU_STR("?")), MU_STR("x")));
    assert_true(mu_str_equal(mu_json_member_string(&json, MU_STR("b"), MU_STR("?")), MU_STR("?")));
}

static void writer_puts_commas_by_itself(void **state)
{
    fixture *f = *state;
    mu_json_writer writer;
    mu_json_writer_init(&writer, &f->buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("a"));
    mu_json_begin_array(&writer);
    mu_json_integer(&writer, INT64_MIN);
    mu_json_double(&writer, 5);
    mu_json_double(&writer, (double)NAN);
    mu_json_begin_object(&writer);
    mu_json_end_object(&writer);
    mu_json_boolean(&writer, false);
    mu_json_end_array(&writer);
    mu_json_name(&writer, MU_STR("b"));
    mu_json_null(&writer);
    mu_json_end_object(&writer);
    assert_true(
        mu_str_equal(mu_buf_str(&f->buf),
                     MU_STR("{\"a\":[-9223372036854775808,5.0,null,{},false],\"b\":null}")));
}

/* One byte of every kind at every place of texts up to three words long. */
static void writer_escapes_at_any_place(void **state)
{
    fixture *f = *state;
    for (size_t n = 1; n <= 24; n++) {
        for (unsigned byte = 0; byte < 128; byte++) {
            char text[25];
            mu_json json;
            mu_json_writer writer;
            memset(text, 'x', sizeof text);
            text[(n * 7 + byte) % n] = (char)byte;
            text[n - 1] = n % 3 == 0 ? (char)byte : text[n - 1];
            mu_buf_clear(&f->buf);
            mu_json_writer_init(&writer, &f->buf);
            mu_json_string(&writer, (mu_str){text, n});
            for (size_t i = 0; i < f->buf.len; i++)
                assert_true((unsigned char)f->buf.ptr[i] >= 0x20);
            assert_int_equal(read_text(f, mu_buf_str(&f->buf), &json), MU_OK);
            assert_true(mu_str_equal(json.string, (mu_str){text, n}));
        }
    }
}

/* Random trees are written, read and written again: the texts must be equal. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void write_random(mu_json_writer *writer, uint64_t *seed, int depth)
{
    char bytes[12];
    size_t len = next_random(seed) % sizeof bytes;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(next_random(seed) % 128);
    uint64_t pick = next_random(seed) % (depth > 4 ? 5 : 7);
    uint64_t n = next_random(seed) % 5;
    switch (pick) {
    case 0:
        mu_json_null(writer);
        break;
    case 1:
        mu_json_boolean(writer, n > 2);
        break;
    case 2:
        mu_json_integer(writer, (int64_t)(next_random(seed) >> n * 12));
        break;
    case 3:
        mu_json_double(writer, (double)(int64_t)next_random(seed) / (double)(n + 1));
        break;
    case 4:
        mu_json_string(writer, (mu_str){bytes, len});
        break;
    case 5:
        mu_json_begin_array(writer);
        for (uint64_t i = 0; i < n; i++)
            write_random(writer, seed, depth + 1);
        mu_json_end_array(writer);
        break;
    default:
        mu_json_begin_object(writer);
        for (uint64_t i = 0; i < n; i++) {
            bytes[0] = (char)('a' + i);
            mu_json_name(writer, (mu_str){bytes, len == 0 ? 1 : len});
            write_random(writer, seed, depth + 1);
        }
        mu_json_end_object(writer);
        break;
    }
}

static void random_trees_round_trip(void **state)
{
    uint64_t seed = 20240510;
    print_message("seed %llu\n", (unsigned long long)seed);
    mu_buf text;
    mu_buf_init(&text, (size_t)1 << 20);
    for (int i = 0; i < 2000; i++) {
        mu_json_writer writer;
        mu_buf_clear(&text);
        mu_json_writer_init(&writer, &text);
        write_random(&writer, &seed, 0);
        assert_round_trip(*state, mu_buf_str(&text), mu_buf_str(&text));
    }
    mu_buf_free(&text);
}

static void arena_ceiling_leaves_the_reader_usable(void **state)
{
    fixture *f = *state;
    mu_arena small;
    jmp_buf full;
    mu_arena_init(&small, 4096);
    small.on_limit = &full;
    char text[3000];
    memset(text, ' ', sizeof text);
    memcpy(text, "[[[[1,2,3],4],5],", 17);
    for (size_t i = 17; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text + sizeof text - 4, "1]  ", 4);
    volatile bool reached = false;
    if (setjmp(full) == 0) {
        mu_json json;
        assert_int_equal(
            mu_json_read(f->reader, &small, (mu_str){text, sizeof text}, &json, &f->err), MU_OK);
    } else {
        reached = true;
    }
    assert_true(reached);
    mu_arena_free(&small);
    assert_round_trip(f, MU_STR("[1,[2]]"), MU_STR("[1,[2]]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(valid_texts_read_back_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_texts_are_refused_with_a_sentence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(errors_name_line_and_column, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(last_value_wins_in_a_large_object, setup, teardown),
        cmocka_unit_test_setup_teardown(members_are_found_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(writer_puts_commas_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(writer_escapes_at_any_place, setup, teardown),
        cmocka_unit_test_setup_teardown(random_trees_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(arena_ceiling_leaves_the_reader_usable, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
