#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void nothing_added_to_an_empty_buffer_has_a_place(void **state)
{
    (void)state;
    mu_buf buf;
    mu_buf_init(&buf, 10);
    mu_buf_add(&buf, "", 0);
    assert_non_null(mu_buf_reserve(&buf, 0));
    assert_false(buf.failed);
    assert_int_equal(buf.len, 0);
    mu_buf_free(&buf);
}

static void the_ceiling_is_kept(void **state)
{
    (void)state;
    mu_buf buf;
    mu_buf_init(&buf, 3);
    MU_BUF_ADD(&buf, "abc");
    assert_false(buf.failed);
    mu_buf_add_char(&buf, 'd');
    assert_true(buf.failed);
    assert_int_equal(buf.len, 3);
    mu_buf_clear(&buf);
    MU_BUF_ADD(&buf, "d");
    assert_false(buf.failed);
    mu_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_added_to_an_empty_buffer_has_a_place),
        cmocka_unit_test(the_ceiling_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
