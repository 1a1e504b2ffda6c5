/* time.h -- instants, days and calendar arithmetic in UTC.
 *
 * An instant is milliseconds since 1970-01-01T00:00:00Z, a day is days since 1970-01-01; both may
 * be negative. The proleptic Gregorian calendar; the algorithms are Howard Hinnant's
 * ("chrono-Compatible Low-Level Date Algorithms").
 */
#ifndef MU_BASE_TIME_H
#define MU_BASE_TIME_H

#include "base/str.h"

#define MU_DAY_MS ((int64_t)86400000)

/* Instants outside years 0001..9999 are not representable in text and are refused on input. */
#define MU_TIME_MIN_MS ((int64_t)-62135596800000)
#define MU_TIME_MAX_MS ((int64_t)253402300799999)

typedef struct mu_civil {
    int64_t year;
    int month, day; /* 1-12, 1-31 */
    int hour, minute, second, millisecond;
} mu_civil;

int64_t mu_days_from_civil(int64_t year, int month, int day);
mu_civil mu_civil_from_ms(int64_t ms);
int64_t mu_ms_from_civil(const mu_civil *civil);
int mu_days_in_month(int64_t year, int month);
bool mu_is_leap_year(int64_t year);

/* The day that contains an instant (rounding towards the past). */
int64_t mu_day_of_ms(int64_t ms);

/* 1 = Monday ... 7 = Sunday. */
int mu_weekday_of_day(int64_t day);

/* Moves by whole months, the day clamped to the month's end; the time of day stays. */
int64_t mu_add_months_ms(int64_t ms, int64_t months);

typedef enum mu_unit {
    MU_UNIT_MILLISECOND,
    MU_UNIT_SECOND,
    MU_UNIT_MINUTE,
    MU_UNIT_HOUR,
    MU_UNIT_DAY,
    MU_UNIT_WEEK,
    MU_UNIT_MONTH,
    MU_UNIT_YEAR,
    MU_UNIT_DECADE,
    MU_UNIT_CENTURY,
    MU_UNIT_MILLENNIUM
} mu_unit;

/* `ms` plus `count` units (pql.md 10.2); saturates at the ends of the representable range. */
int64_t mu_add_units_ms(int64_t ms, int64_t count, mu_unit unit);

/* The calendar unit (weeks start on Monday) that contains `ms`, as [start, end). */
void mu_unit_interval_ms(int64_t ms, mu_unit unit, int64_t *start, int64_t *end);

/* Date-times as profile.md P5 has them: RFC 3339, offset with or without a colon or hours only, no
 * offset
 * (= UTC), 'T', 't' or a blank, a fraction cut to milliseconds. The whole of `text`.
 * mu_parse_rfc3339 demands the RFC's own form ("2026-01-02T03:04:05Z"). */
bool mu_parse_time(mu_str text, int64_t *out_ms);
bool mu_parse_rfc3339(mu_str text, int64_t *out_ms);

/* "2026-01-02"; refuses days that do not exist. */
bool mu_parse_date(mu_str text, int64_t *out_day);

#define MU_TIME_TEXT_MAX 32

/* "2026-01-02T03:04:05.006Z", the fraction only when not zero; returns the length. */
size_t mu_format_time(int64_t ms, char out[MU_TIME_TEXT_MAX]);
size_t mu_format_date(int64_t day, char out[MU_TIME_TEXT_MAX]);

/* The system's clock, and a clock that never goes back for measuring. */
int64_t mu_now_ms(void);
int64_t mu_monotonic_ns(void);

#endif
