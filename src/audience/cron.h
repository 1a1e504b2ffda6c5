/* cron.h -- Quartz cron expressions in UTC (api.md 16.3, 16.4). */
#ifndef MU_AUDIENCE_CRON_H
#define MU_AUDIENCE_CRON_H

#include "base/str.h"

typedef struct mu_cron {
    uint64_t seconds, minutes;
    uint32_t hours, months; /* bit of each value; months: 1 to 12 */
    uint32_t days;          /* of the month: bits 1 to 31; 0 when `?` or one of the forms below */
    uint8_t weekdays;       /* bits 1 (Sunday) to 7 */
    bool days_are_all, weekdays_are_all;
    bool is_last_day, is_last_weekday; /* L, LW */
    uint8_t days_before_last;          /* L-3, L-3W */
    uint8_t nearest_weekday;           /* 15W: 15 */
    uint8_t last_of_weekday;           /* 6L: 6 */
    uint8_t nth_weekday, nth;          /* 6#3: 6, 3 */
    uint64_t years[3];                 /* bits from 1970 to 2099 */
} mu_cron;

/* MU_E_INPUT says which field is wrong, and how. Expressions that never fire after now_ms are
 * wrong. */
MU_CHECKED mu_code mu_cron_parse(mu_str text, int64_t now_ms, mu_cron *out, mu_err *err);

/* At most once a day: one value each of seconds, minutes and hours (A58). */
bool mu_cron_is_daily_at_most(const mu_cron *cron);

/* The days of a month, bits 1 to 31, on which it fires; none outside 1970 to 2099. */
uint32_t mu_cron_days(const mu_cron *cron, int64_t year, int month);

/* The first instant after after_ms; false when there is none. */
bool mu_cron_next(const mu_cron *cron, int64_t after_ms, int64_t *out_ms);

/* "daily", "weekly", "monthly", "custom" (A59). */
const char *mu_cron_frequency(const mu_cron *cron);

#endif
