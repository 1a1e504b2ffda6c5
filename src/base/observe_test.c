/* observe_test.c -- what log lines and metrics look like, byte by byte. */
#include "base/log.h"
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* What one call writes, without the time in front; in `out`, NUL-terminated. */
static void logged(mu_log_level level, mu_log_field field, char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    mu_logger logger = {.level = MU_LOG_INFO, .fd = ends[1]};
    mu_log(&logger, level, "test_event", field);
    close(ends[1]);
    ssize_t n = read(ends[0], out, size - 1);
    assert_true(n >= 0);
    out[n] = '\0';
    close(ends[0]);
    char *blank = strchr(out, ' ');
    if (blank != NULL)
        memmove(out, blank + 1, strlen(blank + 1) + 1);
}

static void a_line_has_level_event_and_fields(void **state)
{
    (void)state;
    char line[MU_LOG_LINE_MAX + 1];
    logged(MU_LOG_ERROR, mu_log_integer("count", -7), line, sizeof(line));
    assert_string_equal(line, "level=error event=test_event count=-7\n");
    logged(MU_LOG_INFO, mu_log_text("name", MU_STR("plain-1")), line, sizeof(line));
    assert_string_equal(line, "level=info event=test_event name=plain-1\n");
}

static void odd_values_are_quoted(void **state)
{
    (void)state;
    char line[MU_LOG_LINE_MAX + 1];
    logged(MU_LOG_INFO, mu_log_text("v", MU_STR("a b=\"\\\n\xff")), line, sizeof(line));
    assert_string_equal(line, "level=info event=test_event v=\"a b=\\\"\\\\\\x0a\\xff\"\n");
    logged(MU_LOG_INFO, mu_log_text("v", MU_STR("")), line, sizeof(line));
    assert_string_equal(line, "level=info event=test_event v=\"\"\n");
}

static void a_lower_level_writes_nothing(void **state)
{
    (void)state;
    char line[MU_LOG_LINE_MAX + 1];
    logged(MU_LOG_DEBUG, mu_log_integer("count", 1), line, sizeof(line));
    assert_string_equal(line, "");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char line[2 * MU_LOG_LINE_MAX];
    char value[2 * MU_LOG_LINE_MAX];
    memset(value, 'x', sizeof(value));
    logged(MU_LOG_INFO, mu_log_text("v", (mu_str){value, sizeof(value)}), line, sizeof(line));
    assert_true(mu_str_ends_with(mu_str_from(line), MU_STR("xxx...\n")));
}

static void levels_have_names(void **state)
{
    (void)state;
    mu_log_level level = MU_LOG_DEBUG;
    assert_true(mu_log_level_parse(MU_STR("warning"), &level));
    assert_int_equal(level, MU_LOG_WARNING);
    assert_false(mu_log_level_parse(MU_STR("warn"), &level));
}

static void metrics_print_as_prometheus_text(void **state)
{
    (void)state;
    mu_metrics *metrics = mu_metrics_new();
    mu_label label = {"route", MU_STR("/a/{id}\"\n")};
    mu_counter *counter = mu_metrics_counter(metrics, "t_total", "Things.", &label, 1);
    mu_counter_add(counter, 3);
    assert_ptr_equal(counter, mu_metrics_counter(metrics, "t_total", "Things.", &label, 1));
    mu_counter_add(mu_metrics_counter(metrics, "t_total", "Things.", NULL, 0), 1);
    mu_gauge_add(mu_metrics_gauge(metrics, "g", "Level.", NULL, 0), -2);
    mu_buf out;
    mu_buf_init(&out, 1 << 20);
    mu_metrics_write(metrics, &out);
    mu_buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, "# HELP t_total Things.\n# TYPE t_total counter\n"
                                 "t_total{route=\"/a/{id}\\\"\\n\"} 3\nt_total 1\n"
                                 "# HELP g Level.\n# TYPE g gauge\ng -2\n");
    mu_buf_free(&out);
    mu_metrics_free(metrics);
}

static void histogram_buckets_are_cumulative(void **state)
{
    (void)state;
    mu_metrics *metrics = mu_metrics_new();
    mu_histogram *histogram = mu_metrics_histogram(metrics, "d_seconds", "Time.", NULL, 0);
    mu_histogram_observe(histogram, 500000);      /* the bound itself is inside */
    mu_histogram_observe(histogram, 500001);      /* the next bucket */
    mu_histogram_observe(histogram, 11000000000); /* beyond the last bound */
    mu_buf out;
    mu_buf_init(&out, 1 << 20);
    mu_metrics_write(metrics, &out);
    mu_str text = mu_buf_str(&out);
    assert_true(mu_str_find(text, MU_STR("d_seconds_bucket{le=\"0.0005\"} 1\n")) != SIZE_MAX);
    assert_true(mu_str_find(text, MU_STR("d_seconds_bucket{le=\"0.001\"} 2\n")) != SIZE_MAX);
    assert_true(mu_str_find(text, MU_STR("d_seconds_bucket{le=\"10\"} 2\n")) != SIZE_MAX);
    assert_true(mu_str_find(text, MU_STR("d_seconds_bucket{le=\"+Inf\"} 3\n")) != SIZE_MAX);
    assert_true(mu_str_find(text, MU_STR("d_seconds_sum 11.001000001\n")) != SIZE_MAX);
    assert_true(mu_str_find(text, MU_STR("d_seconds_count 3\n")) != SIZE_MAX);
    mu_buf_free(&out);
    mu_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_event_and_fields),
        cmocka_unit_test(odd_values_are_quoted),
        cmocka_unit_test(a_lower_level_writes_nothing),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(metrics_print_as_prometheus_text),
        cmocka_unit_test(histogram_buckets_are_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
