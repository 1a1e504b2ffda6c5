/* settings_test.c -- settings by name, all or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/settings.h"

static void names_change_their_setting(void **state)
{
    (void)state;
    mu_audience_settings s = mu_audience_settings_default();
    assert_int_equal(s.waiting_jobs_max, 10);
    assert_int_equal(s.aep_guardrails, 0);
    assert_int_equal(mu_audience_settings_parse(MU_STR(""), &s, NULL), MU_OK);
    assert_int_equal(
        mu_audience_settings_parse(
            MU_STR("guardrails.aep=true, segment_jobs.max_waiting = 3,external_audiences=0"), &s,
            NULL),
        MU_OK);
    assert_int_equal(s.waiting_jobs_max, 3);
    assert_int_equal(s.aep_guardrails, 1);
    assert_int_equal(s.external_audiences, 0);
}

static void one_mistake_leaves_all_as_they_were(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"segment_jobs.max_waiting=4,nothing=1", "there is no setting \"nothing\""},
        {"guardrails.aep", "takes true or false"},
        {"guardrails.aep=2", "takes true or false"},
        {"segment_jobs.max_waiting=0", "takes a number from 1"},
        {"segment_jobs.max_waiting=many", "takes a number from 1"},
        {",", "there is no setting \"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_audience_settings s = mu_audience_settings_default();
        mu_err err;
        assert_int_equal(mu_audience_settings_parse(mu_str_from(cases[i].text), &s, &err),
                         MU_E_INPUT);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(s.waiting_jobs_max, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_change_their_setting),
        cmocka_unit_test(one_mistake_leaves_all_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
