/* crc32c_test.c -- checksums against the published examples, and the instruction against plain C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"

#include <string.h>

/* RFC 3720, appendix B.4; and the usual check value of "123456789". */
static void published_examples_are_met(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(mu_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(mu_crc32c_plain(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(mu_crc32c(0, bytes, 0), 0);
}

static void instruction_and_plain_code_agree_at_every_length_and_split(void **state)
{
    (void)state;
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t start = 0; start < 9; start++)
        for (size_t size = 0; start + size <= sizeof bytes; size++) {
            uint32_t whole = mu_crc32c_plain(0, bytes + start, size);
            assert_int_equal(mu_crc32c(0, bytes + start, size), whole);
            uint32_t first = mu_crc32c(0, bytes + start, size / 3);
            assert_int_equal(mu_crc32c(first, bytes + start + size / 3, size - size / 3), whole);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_are_met),
        cmocka_unit_test(instruction_and_plain_code_agree_at_every_length_and_split)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
