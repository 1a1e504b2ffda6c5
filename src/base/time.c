#include "base/time.h"

#include <stdio.h>
#include <time.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t mu_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

mu_civil mu_civil_from_ms(int64_t ms)
{
    int64_t days = floor_div(ms, MU_DAY_MS);
    int64_t rest = ms - days * MU_DAY_MS;
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    return (mu_civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1),
        .hour = (int)(rest / 3600000),
        .minute = (int)(rest / 60000 % 60),
        .second = (int)(rest / 1000 % 60),
        .millisecond = (int)(rest % 1000),
    };
}

int64_t mu_ms_from_civil(const mu_civil *c)
{
    return mu_days_from_civil(c->year, c->month, c->day) * MU_DAY_MS +
           (((int64_t)c->hour * 60 + c->minute) * 60 + c->second) * 1000 + c->millisecond;
}

bool mu_is_leap_year(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int mu_days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && mu_is_leap_year(year) ? 29 : days[month - 1];
}

int64_t mu_day_of_ms(int64_t ms)
{
    return floor_div(ms, MU_DAY_MS);
}

int mu_weekday_of_day(int64_t day)
{
    int64_t from_monday = (day + 3) % 7; /* 1970-01-01 was a Thursday */
    return (int)(from_monday < 0 ? from_monday + 7 : from_monday) + 1;
}

static int64_t saturate(int64_t ms)
{
    return ms < MU_TIME_MIN_MS ? MU_TIME_MIN_MS : ms > MU_TIME_MAX_MS ? MU_TIME_MAX_MS : ms;
}

int64_t mu_add_months_ms(int64_t ms, int64_t months)
{
    if (months < -200000 || months > 200000)
        return months < 0 ? MU_TIME_MIN_MS : MU_TIME_MAX_MS;
    mu_civil c = mu_civil_from_ms(saturate(ms));
    int64_t month_index = c.year * 12 + (c.month - 1) + months;
    c.year = floor_div(month_index, 12);
    c.month = (int)(month_index - c.year * 12) + 1;
    int last = mu_days_in_month(c.year, c.month);
    if (c.day > last)
        c.day = last;
    return saturate(mu_ms_from_civil(&c));
}

/* Fixed lengths by unit; 0 for units that count in months. */
static const int64_t unit_ms[] = {1, 1000, 60000, 3600000, MU_DAY_MS, 7 * MU_DAY_MS, 0, 0, 0, 0, 0};
static const int64_t unit_months[] = {0, 0, 0, 0, 0, 0, 1, 12, 120, 1200, 12000};

int64_t mu_add_units_ms(int64_t ms, int64_t count, mu_unit unit)
{
    int64_t amount;
    if (unit_months[unit] != 0) {
        if (__builtin_mul_overflow(count, unit_months[unit], &amount))
            return count < 0 ? MU_TIME_MIN_MS : MU_TIME_MAX_MS;
        return mu_add_months_ms(ms, amount);
    }
    if (__builtin_mul_overflow(count, unit_ms[unit], &amount) ||
        __builtin_add_overflow(ms, amount, &amount))
        return count < 0 ? MU_TIME_MIN_MS : MU_TIME_MAX_MS;
    return saturate(amount);
}

void mu_unit_interval_ms(int64_t ms, mu_unit unit, int64_t *start, int64_t *end)
{
    if (unit_months[unit] == 0) {
        /* 1970-01-05 was a Monday. */
        int64_t origin = unit == MU_UNIT_WEEK ? 4 * MU_DAY_MS : 0;
        *start = floor_div(ms - origin, unit_ms[unit]) * unit_ms[unit] + origin;
        *end = *start + unit_ms[unit];
        return;
    }
    mu_civil c = mu_civil_from_ms(ms);
    int64_t index = c.year * 12 + (c.month - 1);
    int64_t first = floor_div(index, unit_months[unit]) * unit_months[unit];
    int64_t next = first + unit_months[unit];
    *start =
        mu_days_from_civil(floor_div(first, 12), (int)(first - floor_div(first, 12) * 12) + 1, 1) *
        MU_DAY_MS;
    *end = mu_days_from_civil(floor_div(next, 12), (int)(next - floor_div(next, 12) * 12) + 1, 1) *
           MU_DAY_MS;
}

/* Reads exactly `n` digits at *at. */
static bool read_digits(mu_str text, size_t *at, int n, int *out)
{
    if (text.len - *at < (size_t)n)
        return false;
    int value = 0;
    for (int i = 0; i < n; i++) {
        char c = text.ptr[*at + (size_t)i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += (size_t)n;
    *out = value;
    return true;
}

static bool read_char(mu_str text, size_t *at, char c)
{
    if (*at >= text.len || text.ptr[*at] != c)
        return false;
    (*at)++;
    return true;
}

static bool read_date(mu_str text, size_t *at, mu_civil *c)
{
    int year;
    if (!read_digits(text, at, 4, &year) || !read_char(text, at, '-') ||
        !read_digits(text, at, 2, &c->month) || !read_char(text, at, '-') ||
        !read_digits(text, at, 2, &c->day))
        return false;
    c->year = year;
    return year >= 1 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= mu_days_in_month(c->year, c->month);
}

static bool read_clock(mu_str text, size_t *at, mu_civil *c)
{
    if (!read_digits(text, at, 2, &c->hour) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, &c->minute) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, &c->second))
        return false;
    if (*at < text.len && text.ptr[*at] == '.') {
        (*at)++;
        size_t first = *at;
        int scale = 100;
        while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9') {
            c->millisecond += (text.ptr[*at] - '0') * scale;
            scale /= 10;
            (*at)++;
        }
        if (*at == first)
            return false;
    }
    if (c->second == 60) /* a leap second counts as the one before */
        c->second = 59;
    return c->hour <= 23 && c->minute <= 59 && c->second <= 59;
}

static bool read_offset(mu_str text, size_t *at, bool strict, int *out_minutes)
{
    *out_minutes = 0;
    if (*at == text.len)
        return !strict;
    if (read_char(text, at, 'Z') || read_char(text, at, 'z'))
        return *at == text.len;
    int sign = read_char(text, at, '+') ? 1 : read_char(text, at, '-') ? -1 : 0;
    int hours, minutes = 0;
    if (sign == 0 || !read_digits(text, at, 2, &hours))
        return false;
    if (*at < text.len || strict) {
        bool colon = read_char(text, at, ':');
        if ((strict && !colon) || !read_digits(text, at, 2, &minutes))
            return false;
    }
    *out_minutes = sign * (hours * 60 + minutes);
    return *at == text.len && hours <= 23 && minutes <= 59;
}

static bool parse_time(mu_str text, bool strict, int64_t *out_ms)
{
    mu_civil c = {0};
    size_t at = 0;
    int offset_minutes;
    if (!read_date(text, &at, &c))
        return false;
    if (!read_char(text, &at, 'T') && !read_char(text, &at, 't') &&
        (strict || !read_char(text, &at, ' ')))
        return false;
    if (!read_clock(text, &at, &c) || !read_offset(text, &at, strict, &offset_minutes))
        return false;
    int64_t ms = mu_ms_from_civil(&c) - (int64_t)offset_minutes * 60000;
    if (ms < MU_TIME_MIN_MS || ms > MU_TIME_MAX_MS)
        return false;
    *out_ms = ms;
    return true;
}

bool mu_parse_time(mu_str text, int64_t *out_ms)
{
    return parse_time(text, false, out_ms);
}

bool mu_parse_rfc3339(mu_str text, int64_t *out_ms)
{
    return parse_time(text, true, out_ms);
}

bool mu_parse_date(mu_str text, int64_t *out_day)
{
    mu_civil c = {0};
    size_t at = 0;
    if (!read_date(text, &at, &c) || at != text.len)
        return false;
    *out_day = mu_days_from_civil(c.year, c.month, c.day);
    return true;
}

size_t mu_format_time(int64_t ms, char out[MU_TIME_TEXT_MAX])
{
    mu_civil c = mu_civil_from_ms(saturate(ms));
    int n = snprintf(out, MU_TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month,
                     c.day, c.hour, c.minute, c.second);
    if (c.millisecond != 0)
        n += snprintf(out + n, MU_TIME_TEXT_MAX - (size_t)n, ".%03d", c.millisecond);
    n += snprintf(out + n, MU_TIME_TEXT_MAX - (size_t)n, "Z");
    return (size_t)n;
}

size_t mu_format_date(int64_t day, char out[MU_TIME_TEXT_MAX])
{
    mu_civil c = mu_civil_from_ms(saturate(day < -1000000 || day > 4000000 ? 0 : day * MU_DAY_MS));
    return (size_t)snprintf(out, MU_TIME_TEXT_MAX, "%04d-%02d-%02d", (int)c.year, c.month, c.day);
}

int64_t mu_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t mu_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
