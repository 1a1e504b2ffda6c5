/* reference_format.c -- formatDate (pql.md 9): the pattern letters of Java's DateTimeFormatter that
 * make sense in UTC, with English names. */
#include "eval/reference_int.h"

#include <stdio.h>

#define PATTERN_MAX 256
#define RUN_MAX     9

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const weekday_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                            "Friday", "Saturday", "Sunday"};

/* Adds a number with at least `width` digits. */
static void add_number(mu_buf *buf, int64_t number, int width)
{
    mu_buf_add_format(buf, "%0*lld", width, (long long)number);
}

/* Up to three letters: the name's first three; more: the whole. */
static void add_name(mu_buf *buf, const char *name, int run)
{
    size_t len = strlen(name);
    mu_buf_add(buf, name, run < 4 && len > 3 ? 3 : len);
}

static void add_month(mu_buf *buf, int month, int run)
{
    if (run <= 2)
        add_number(buf, month, run);
    else
        add_name(buf, month_names[month - 1], run);
}

static void add_year(mu_buf *buf, int64_t year, int run)
{
    if (run == 2)
        add_number(buf, year % 100, 2);
    else
        add_number(buf, year, run);
}

/* Fractions of a second, cut to the run's length; beyond milliseconds zeros. */
static void add_fraction(mu_buf *buf, int millisecond, int run)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%03d000000", millisecond);
    mu_buf_add(buf, digits, (size_t)run);
}

/* UTC in the spellings of each letter: Z +0000, X Z, x +00, z UTC. */
static void add_zone(mu_buf *buf, char letter, int run)
{
    if (letter == 'X')
        MU_BUF_ADD(buf, "Z");
    else if (letter == 'z')
        MU_BUF_ADD(buf, "UTC");
    else if (letter == 'x')
        mu_buf_add_str(buf, run == 1   ? MU_STR("+00")
                            : run == 2 ? MU_STR("+0000")
                                       : MU_STR("+00:00"));
    else
        mu_buf_add_str(buf, run < 4 ? MU_STR("+0000") : MU_STR("GMT"));
}

/* A run of one letter; false for a letter that formatDate does not know. */
static bool add_run(mu_buf *buf, const mu_civil *civil, int64_t day, char letter, int run)
{
    int weekday = mu_weekday_of_day(day);
    int hour12 = civil->hour % 12 == 0 ? 12 : civil->hour % 12;
    switch (letter) {
    case 'y':
    case 'u':
        add_year(buf, civil->year, run);
        return true;
    case 'M':
    case 'L':
        add_month(buf, civil->month, run);
        return true;
    case 'd':
        add_number(buf, civil->day, run);
        return true;
    case 'D':
        add_number(buf, day - mu_days_from_civil(civil->year, 1, 1) + 1, run);
        return true;
    case 'E':
        add_name(buf, weekday_names[weekday - 1], run);
        return true;
    case 'e':
        add_number(buf, weekday, run);
        return true;
    case 'H':
        add_number(buf, civil->hour, run);
        return true;
    case 'h':
        add_number(buf, hour12, run);
        return true;
    case 'm':
        add_number(buf, civil->minute, run);
        return true;
    case 's':
        add_number(buf, civil->second, run);
        return true;
    case 'S':
        add_fraction(buf, civil->millisecond, run);
        return true;
    case 'a':
        mu_buf_add_str(buf, civil->hour < 12 ? MU_STR("AM") : MU_STR("PM"));
        return true;
    case 'Z':
    case 'X':
    case 'x':
    case 'z':
        add_zone(buf, letter, run);
        return true;
    default:
        return false;
    }
}

/* Text between apostrophes, two of which are one; false when the closing one is missing. */
static bool add_quoted(mu_buf *buf, mu_str pattern, size_t *at)
{
    size_t first = ++*at;
    for (; *at < pattern.len; ++*at) {
        if (pattern.ptr[*at] != '\'') {
            mu_buf_add_char(buf, pattern.ptr[*at]);
            continue;
        }
        if (*at + 1 < pattern.len && pattern.ptr[*at + 1] == '\'') {
            mu_buf_add_char(buf, '\'');
            ++*at;
            continue;
        }
        if (*at == first)
            mu_buf_add_char(buf, '\'');
        ++*at;
        return true;
    }
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool format(mu_buf *buf, const mu_civil *civil, int64_t day, mu_str pattern)
{
    for (size_t at = 0; at < pattern.len;) {
        char c = pattern.ptr[at];
        if (c == '\'') {
            if (!add_quoted(buf, pattern, &at))
                return false;
            continue;
        }
        if (!is_letter(c)) {
            mu_buf_add_char(buf, c);
            at++;
            continue;
        }
        int run = 0;
        for (; at < pattern.len && pattern.ptr[at] == c; at++)
            run++;
        if (run > RUN_MAX || !add_run(buf, civil, day, c, run))
            return false;
    }
    return true;
}

/* Names exist in English only: another locale is null rather than wrong, as is a pattern with an
 * unknown letter. */
mu_value mu_reference_format_date(mu_arena *arena, int64_t ms, mu_str pattern, mu_str locale)
{
    bool is_english = locale.len >= 2 &&
                      mu_str_equal_ascii_nocase((mu_str){locale.ptr, 2}, MU_STR("en")) &&
                      (locale.len == 2 || !is_letter(locale.ptr[2]));
    if (!is_english || pattern.len > PATTERN_MAX)
        return MU_VALUE_NULL;
    mu_buf buf;
    mu_civil civil = mu_civil_from_ms(ms);
    mu_value out = MU_VALUE_NULL;
    mu_buf_init(&buf, PATTERN_MAX * 16);
    if (format(&buf, &civil, mu_day_of_ms(ms), pattern) && !buf.failed)
        out = mu_value_string(mu_arena_copy(arena, mu_buf_str(&buf)));
    mu_buf_free(&buf);
    return out;
}
