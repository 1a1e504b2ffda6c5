/* segment_membership_test.c -- what this service knows laid over what was sent (profile.md c.4.6).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/segment_membership.h"
#include "base/time.h"

static mu_arena arena;

static const char *laid_over(const char *ingested, uint32_t n, const mu_segment_item *items)
{
    mu_json json;
    mu_err err;
    mu_str text;
    const mu_json *sent = NULL;
    if (ingested != NULL) {
        assert_int_equal(mu_json_parse(&arena, mu_str_from(ingested), &json, &err), MU_OK);
        sent = &json;
    }
    mu_json out = mu_segment_membership_json(&arena, n, items, sent);
    assert_int_equal(mu_json_text(&arena, &out, &text, &err), MU_OK);
    return text.ptr;
}

static mu_segment_item item(const char *code, const char *id, mu_segment_status status,
                            int64_t since_ms, int64_t until_ms)
{
    return (mu_segment_item){.namespace_code = mu_str_from(code),
                             .id = mu_str_from(id),
                             .status = status,
                             .since_ms = since_ms,
                             .valid_until_ms = until_ms};
}

#define T1 "\"1970-01-01T00:00:01.000Z\""
#define T2 "\"1970-01-01T00:00:02.000Z\""

static void items_stand_under_their_namespace(void **state)
{
    (void)state;
    const mu_segment_item items[] = {item("ups", "a", MU_SEGMENT_REALIZED, 1000, 0),
                                     item("AAM", "x", MU_SEGMENT_REALIZED, 1000, 2000),
                                     item("ups", "b", MU_SEGMENT_EXITED, 2000, 0)};
    assert_string_equal(
        laid_over(NULL, 3, items),
        "{\"ups\":{\"a\":{\"lastQualificationTime\":" T1 ",\"status\":\"realized\"},\"b\":{"
        "\"lastQualificationTime\":" T2 ",\"status\":\"exited\"}},\"AAM\":{\"x\":{"
        "\"lastQualificationTime\":" T1 ",\"status\":\"realized\",\"validUntil\":" T2 "}}}");
    assert_string_equal(laid_over(NULL, 0, NULL), "{}");
    assert_string_equal(laid_over("{\"AO\":{\"z\":{\"status\":\"realized\"}}}", 0, NULL),
                        "{\"AO\":{\"z\":{\"status\":\"realized\"}}}");
}

static void the_newer_item_wins(void **state)
{
    (void)state;
    const mu_segment_item own = item("AAM", "x", MU_SEGMENT_REALIZED, 1000, 0);
    const char *newer = "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T2 ",\"status\":\"exited\"},"
                        "\"y\":{\"status\":\"realized\"}}}";
    assert_string_equal(laid_over(newer, 1, &own), newer);
    const mu_segment_item newest = item("AAM", "x", MU_SEGMENT_EXISTING, 2000, 0);
    const char *older =
        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T1 ",\"status\":\"exited\"}}}";
    assert_string_equal(laid_over(older, 1, &newest),
                        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T2
                        ",\"status\":\"existing\"}}}");
    /* What was sent without a time is older than anything. */
    const char *timeless = "{\"AAM\":{\"x\":{\"status\":\"exited\"}}}";
    assert_string_equal(laid_over(timeless, 1, &own),
                        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T1
                        ",\"status\":\"realized\"}}}");
}

static void on_a_tie_an_exit_loses(void **state)
{
    (void)state;
    const mu_segment_item left = item("AAM", "x", MU_SEGMENT_EXITED, 1000, 0);
    const mu_segment_item entered = item("AAM", "x", MU_SEGMENT_REALIZED, 1000, 0);
    const char *sent_in =
        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T1 ",\"status\":\"realized\",\"n\":1}}}";
    const char *sent_out =
        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T1 ",\"status\":\"exited\",\"n\":1}}}";
    const char *own_in =
        "{\"AAM\":{\"x\":{\"lastQualificationTime\":" T1 ",\"status\":\"realized\"}}}";
    assert_string_equal(laid_over(sent_in, 1, &left), sent_in);
    assert_string_equal(laid_over(sent_out, 1, &entered), own_in);
}

static int set_up(void **state)
{
    (void)state;
    mu_arena_init(&arena, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mu_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_stand_under_their_namespace),
        cmocka_unit_test(the_newer_item_wins),
        cmocka_unit_test(on_a_tie_an_exit_loses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
