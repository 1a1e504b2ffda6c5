/* cron_test.c -- Quartz expressions: a table of what they mean, and random ones against a model
 * that asks of every day and every second whether it is wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/cron.h"
#include "base/time.h"
#include "tests/support/dice.h"
#include "tests/support/golden.h"

#include <stdio.h>
#include <stdlib.h>

/* -------- the table -------- */

#define FIRES_SHOWN 4

typedef struct table_state {
    int64_t now_ms;
} table_state;

static void show_expression(mu_str text, int64_t now_ms, mu_buf *out)
{
    mu_cron cron;
    mu_err err = {0};
    if (mu_cron_parse(text, now_ms, &cron, &err) != MU_OK) {
        mu_buf_add_format(out, "error: %s\n", err.text);
        return;
    }
    mu_buf_add_format(out, "%s%s\n", mu_cron_frequency(&cron),
                      mu_cron_is_daily_at_most(&cron) ? "" : ", more than once a day");
    for (int i = 0; i < FIRES_SHOWN && mu_cron_next(&cron, now_ms, &now_ms); i++) {
        static const char *const names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
        char time[MU_TIME_TEXT_MAX];
        size_t len = mu_format_time(now_ms, time);
        mu_buf_add_format(out, "%s %.*s\n", names[mu_weekday_of_day(mu_day_of_ms(now_ms)) - 1],
                          (int)len, time);
    }
}

static void run_case(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    table_state *state = context;
    if (!is_instruction) {
        show_expression(text, state->now_ms, out);
        return;
    }
    assert_true(mu_str_starts_with(text, MU_STR("now ")));
    assert_true(mu_parse_rfc3339((mu_str){text.ptr + 4, text.len - 4}, &state->now_ms));
}

static void expressions_mean_what_the_table_says(void **state)
{
    table_state own = {0};
    (void)state;
    assert_true(mu_golden_run("cron.txt", run_case, &own) > 80);
}

static void a_fire_is_after_the_instant_given(void **state)
{
    mu_cron cron;
    mu_err err;
    int64_t now_ms = 1767225600000, next_ms; /* 2026-01-01T00:00:00Z */
    (void)state;
    assert_int_equal(mu_cron_parse(MU_STR("0 0 0 * * ?"), now_ms, &cron, &err), MU_OK);
    assert_true(mu_cron_next(&cron, now_ms - 1, &next_ms));
    assert_int_equal(next_ms, now_ms);
    assert_true(mu_cron_next(&cron, now_ms, &next_ms));
    assert_int_equal(next_ms, now_ms + MU_DAY_MS);
    assert_true(mu_cron_next(&cron, now_ms + 1, &next_ms));
    assert_int_equal(next_ms, now_ms + MU_DAY_MS);
    assert_true(mu_cron_next(&cron, INT64_MIN, &next_ms));
    assert_int_equal(next_ms, 0);
    assert_false(mu_cron_next(&cron, INT64_MAX, &next_ms));
}

/* -------- the model -------- */

#define VALUES_MAX 2100

/* What a random expression wants, said by value. */
typedef struct model {
    char text[512];
    bool seconds[VALUES_MAX], minutes[VALUES_MAX], hours[VALUES_MAX], months[VALUES_MAX],
        days[VALUES_MAX], weekdays[VALUES_MAX], years[VALUES_MAX];
    int special; /* 0: by `days` or `weekdays` */
    bool by_weekday;
    int a, b;
} model;

enum { NO_SPECIAL, LAST, LAST_WORKDAY, NEAREST, LAST_WEEKDAY, NTH_WEEKDAY };

static void add_text(model *m, const char *text)
{
    size_t len = strlen(m->text);
    assert_true(len + strlen(text) < sizeof m->text);
    memcpy(m->text + len, text, strlen(text) + 1);
}

static void add_value(model *m, mu_dice *dice, const char *names, int low, int value)
{
    char text[32];
    if (names != NULL && mu_dice_percent(dice, 40))
        snprintf(text, sizeof text, "%.3s", names + (value - low) * 3);
    else
        snprintf(text, sizeof text, mu_dice_percent(dice, 10) ? "%02d" : "%d", value);
    add_text(m, text);
}

/* One to three parts; `wanted` says of each value whether it is meant. */
static void random_field(model *m, mu_dice *dice, const char *names, int low, int high,
                         bool *wanted)
{
    char text[32];
    int n_parts = mu_dice_percent(dice, 70) ? 1 : (int)mu_dice_between(dice, 2, 3);
    for (int part = 0; part < n_parts; part++) {
        int first = (int)mu_dice_between(dice, low, high), last = first, step = 1;
        bool is_single = false;
        add_text(m, part > 0 ? "," : "");
        if (mu_dice_percent(dice, 25)) {
            first = low;
            last = high;
            add_text(m, "*");
        } else {
            add_value(m, dice, names, low, first);
            is_single = mu_dice_percent(dice, 60);
            if (!is_single) {
                last = high >= 1970 ? (int)mu_dice_between(dice, first, high)
                                    : (int)mu_dice_between(dice, low, high);
                add_text(m, "-");
                add_value(m, dice, names, low, last);
            }
        }
        if (mu_dice_percent(dice, 25)) {
            step = (int)mu_dice_between(dice, 1, high >= 1970 ? 9 : high - low);
            snprintf(text, sizeof text, "/%d", step);
            add_text(m, text);
            if (is_single)
                last = high;
        }
        /* Step by step, around the end. */
        for (int value = first, left = 0;; value = value == high ? low : value + 1) {
            if (left == 0) {
                wanted[value] = true;
                left = step;
            }
            left--;
            if (value == last)
                break;
        }
    }
}

static const char weekday_names[] = "SUNMONTUEWEDTHUFRISAT";

static void random_days(model *m, mu_dice *dice)
{
    char text[32] = "";
    m->by_weekday = false;
    m->special = (int)mu_dice_below(dice, 8);
    if (m->special == LAST || m->special == LAST_WORKDAY) {
        m->a = mu_dice_percent(dice, 50) ? 0 : (int)mu_dice_between(dice, 1, 30);
        snprintf(text, sizeof text, m->a == 0 ? "L%s" : "L%s%d", m->a == 0 ? "" : "-", m->a);
        add_text(m, text);
        add_text(m, m->special == LAST_WORKDAY ? "W" : "");
    } else if (m->special == NEAREST) {
        m->a = (int)mu_dice_between(dice, 1, 31);
        snprintf(text, sizeof text, "%dW", m->a);
        add_text(m, text);
    } else {
        m->special = NO_SPECIAL;
        random_field(m, dice, NULL, 1, 31, m->days);
    }
}

static void random_weekdays(model *m, mu_dice *dice)
{
    char text[32];
    m->by_weekday = true;
    m->special = mu_dice_percent(dice, 25)   ? LAST_WEEKDAY
                 : mu_dice_percent(dice, 25) ? NTH_WEEKDAY
                                             : NO_SPECIAL;
    if (m->special == NO_SPECIAL) {
        random_field(m, dice, weekday_names, 1, 7, m->weekdays);
        return;
    }
    m->a = (int)mu_dice_between(dice, 1, 7);
    m->b = (int)mu_dice_between(dice, 1, 5);
    add_value(m, dice, weekday_names, 1, m->a);
    snprintf(text, sizeof text, m->special == LAST_WEEKDAY ? "L" : "#%d", m->b);
    add_text(m, text);
}

static void random_expression(model *m, mu_dice *dice)
{
    *m = (model){0};
    bool by_weekday = mu_dice_percent(dice, 50);
    random_field(m, dice, NULL, 0, 59, m->seconds);
    add_text(m, mu_dice_percent(dice, 20) ? "   " : " ");
    random_field(m, dice, NULL, 0, 59, m->minutes);
    add_text(m, " ");
    random_field(m, dice, NULL, 0, 23, m->hours);
    add_text(m, " ");
    if (by_weekday)
        add_text(m, "?");
    else
        random_days(m, dice);
    add_text(m, " ");
    random_field(m, dice, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1, 12, m->months);
    add_text(m, " ");
    if (by_weekday)
        random_weekdays(m, dice);
    else
        add_text(m, "?");
    if (mu_dice_percent(dice, 70)) {
        for (int year = 1970; year <= 2099; year++)
            m->years[year] = true;
        return;
    }
    add_text(m, " ");
    random_field(m, dice, NULL, 1970, 2099, m->years);
}

static int weekday_of(int64_t day)
{
    return mu_weekday_of_day(day) % 7 + 1;
}

/* The workday nearest to a day, looked for one day further at a time, within its month. */
static int64_t nearest_workday(int64_t day)
{
    int month = mu_civil_from_ms(day * MU_DAY_MS).month;
    for (int64_t distance = 0;; distance++)
        for (int sign = -1; sign <= 1; sign += 2) {
            int64_t other = day + sign * distance;
            if (mu_civil_from_ms(other * MU_DAY_MS).month == month && weekday_of(other) != 1 &&
                weekday_of(other) != 7)
                return other;
        }
}

static bool is_day_wanted(const model *m, int64_t day)
{
    mu_civil c = mu_civil_from_ms(day * MU_DAY_MS);
    int n = mu_days_in_month(c.year, c.month);
    int64_t first = day - c.day + 1, last = first + n - 1;
    if (!m->years[c.year] || !m->months[c.month])
        return false;
    switch (m->special) {
    case LAST:
        return m->a < n && day == last - m->a;
    case LAST_WORKDAY:
        return m->a < n && day == nearest_workday(last - m->a);
    case NEAREST:
        return m->a <= n && day == nearest_workday(first + m->a - 1);
    case LAST_WEEKDAY:
        return weekday_of(day) == m->a && day > last - 7;
    case NTH_WEEKDAY:
        return weekday_of(day) == m->a && day >= first + (m->b - 1) * 7 && day < first + m->b * 7;
    default:
        return m->by_weekday ? m->weekdays[weekday_of(day)] : m->days[c.day];
    }
}

/* Every day, and every second of the days that are wanted. */
static bool model_next(const model *m, int64_t after_ms, int64_t *out_ms)
{
    int64_t second = after_ms / 1000 + 1, day = second / 86400;
    for (int64_t end = mu_days_from_civil(2100, 1, 1); day < end; day++, second = day * 86400) {
        if (!is_day_wanted(m, day))
            continue;
        for (; second < (day + 1) * 86400; second++) {
            if (m->hours[second / 3600 % 24] && m->minutes[second / 60 % 60] &&
                m->seconds[second % 60]) {
                *out_ms = second * 1000;
                return true;
            }
        }
    }
    return false;
}

static void check_expression(const model *m, mu_dice *dice)
{
    mu_cron cron;
    mu_err err = {0};
    int64_t at_ms = mu_dice_between(dice, 0, (int64_t)4102444800000), expected_ms,
            found_ms; /* 2100 */
    bool fires = model_next(m, at_ms, &expected_ms);
    mu_code code = mu_cron_parse(mu_str_from(m->text), at_ms, &cron, &err);
    if ((code == MU_OK) != fires)
        fail_msg("%s from %lld: %s", m->text, (long long)at_ms, err.text);
    for (int i = 0; fires && i < 3; i++) {
        if (!mu_cron_next(&cron, at_ms, &found_ms) || found_ms != expected_ms)
            fail_msg("%s after %lld: %lld, not %lld", m->text, (long long)at_ms,
                     (long long)found_ms, (long long)expected_ms);
        at_ms = found_ms;
        fires = model_next(m, at_ms, &expected_ms);
        if (!fires)
            assert_false(mu_cron_next(&cron, at_ms, &found_ms));
    }
}

static void random_expressions_fire_when_the_model_does(void **state)
{
    static model m;
    mu_dice dice;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("cron", 20260310));
    uint32_t n = mu_dice_cases(4000);
    for (uint32_t i = 0; i < n; i++) {
        random_expression(&m, &dice);
        check_expression(&m, &dice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_mean_what_the_table_says),
        cmocka_unit_test(a_fire_is_after_the_instant_given),
        cmocka_unit_test(random_expressions_fire_when_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
