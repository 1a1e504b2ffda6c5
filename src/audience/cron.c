/* cron.c -- Quartz cron expressions read, and their instants found: a month's days as a set of
 * bits, then the times of one day. */
#include "audience/cron.h"

#include "base/time.h"

#define YEAR_FIRST 1970
#define YEAR_LAST  2099
#define DAY_S      86400

/* -------- fields -------- */

typedef struct field {
    const char *name;
    int low, high, step_max;
    bool wraps;         /* a range may go past the end */
    const char *values; /* names of the values from `low` on, three letters each; NULL: none */
} field;

static const field second_field = {"seconds", 0, 59, 59, true, NULL};
static const field minute_field = {"minutes", 0, 59, 59, true, NULL};
static const field hour_field = {"hours", 0, 23, 23, true, NULL};
static const field day_field = {"day of month", 1, 31, 31, true, NULL};
static const field month_field = {"month", 1, 12, 12, true, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"};
static const field weekday_field = {"day of week", 1, 7, 7, true, "SUNMONTUEWEDTHUFRISAT"};
static const field year_field = {"year", YEAR_FIRST, YEAR_LAST, 130, false, NULL};

/* Values less `base`; room for those of every field. */
typedef struct value_set {
    uint64_t words[3];
} value_set;

static void set_add(value_set *set, int bit)
{
    set->words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static int set_base(const field *f)
{
    return f->low >= YEAR_FIRST ? YEAR_FIRST : 0;
}

/* One field's text, read from the left. */
typedef struct reader {
    const field *field;
    mu_str text;
    size_t at;
    mu_err *err;
} reader;

static char peek(const reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static bool take(reader *r, char c)
{
    if (r->at >= r->text.len || peek(r) != c)
        return false;
    r->at++;
    return true;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static mu_code not_understood(const reader *r)
{
    size_t len = r->text.len < 100 ? r->text.len : 100;
    while (len < r->text.len && len > 0 && ((unsigned char)r->text.ptr[len] & 0xc0) == 0x80)
        len--; /* whole characters */
    return mu_fail(r->err, MU_E_INPUT, "%s: \"%.*s\" is not understood", r->field->name, (int)len,
                   r->text.ptr);
}

/* number = digit { digit } */
static mu_code read_number(reader *r, const char *what, int low, int high, int *out)
{
    int64_t value = 0;
    if (!is_digit(peek(r)))
        return not_understood(r);
    for (; is_digit(peek(r)); r->at++)
        value = value < 1000000 ? value * 10 + (peek(r) - '0') : value;
    if (value < low || value > high)
        return mu_fail(r->err, MU_E_INPUT, "%s: %s %lld is not from %d to %d", r->field->name, what,
                       (long long)value, low, high);
    *out = (int)value;
    return MU_OK;
}

/* value = number | name */
static mu_code read_value(reader *r, int *out)
{
    const field *f = r->field;
    if (is_digit(peek(r)) || f->values == NULL || r->text.len - r->at < 3)
        return read_number(r, "the value", f->low, f->high, out);
    for (int value = f->low; value <= f->high; value++) {
        const char *name = f->values + (value - f->low) * 3;
        const char *at = r->text.ptr + r->at;
        if (upper(at[0]) != name[0] || upper(at[1]) != name[1] || upper(at[2]) != name[2])
            continue;
        r->at += 3;
        *out = value;
        return MU_OK;
    }
    return not_understood(r);
}

/* From `first` on in steps to `last`, past the field's end where last < first. */
static void add_range(const field *f, int first, int last, int step, value_set *out)
{
    int n_values = f->high - f->low + 1;
    int n = (last >= first ? last - first : last + n_values - first) + 1;
    for (int i = 0; i < n; i += step)
        set_add(out, (first - f->low + i) % n_values + f->low - set_base(f));
}

/* part = ( "*" | value [ "-" value ] ) [ "/" number ] | "/" number */
static mu_code read_part(reader *r, value_set *out)
{
    const field *f = r->field;
    int first = f->low, last = f->high, step = 1;
    bool is_single = false;
    if (!take(r, '*') && peek(r) != '/') {
        MU_TRY(read_value(r, &first));
        is_single = !take(r, '-');
        if (!is_single)
            MU_TRY(read_value(r, &last));
    }
    if (take(r, '/')) {
        MU_TRY(read_number(r, "the step", 1, f->step_max, &step));
        is_single = false;
    }
    if (last < first && !f->wraps)
        return mu_fail(r->err, MU_E_INPUT, "%s: the range ends before it begins", f->name);
    add_range(f, first, is_single ? first : last, step, out);
    return MU_OK;
}

/* field = part { "," part } */
static mu_code read_field(const field *f, mu_str text, value_set *out, mu_err *err)
{
    reader r = {.field = f, .text = text, .err = err};
    *out = (value_set){{0}};
    do
        MU_TRY(read_part(&r, out));
    while (take(&r, ','));
    return r.at == text.len ? MU_OK : not_understood(&r);
}

/* -------- days -------- */

static bool has_letter(mu_str text, char letter)
{
    for (size_t i = 0; i < text.len; i++)
        if (upper(text.ptr[i]) == letter)
            return true;
    return false;
}

static bool take_letter(reader *r, char letter)
{
    if (upper(peek(r)) != letter)
        return false;
    r->at++;
    return true;
}

/* "L" [ "-" number ] [ "W" ] | number "W" */
static mu_code read_special_day(mu_str text, mu_cron *out, mu_err *err)
{
    reader r = {.field = &day_field, .text = text, .err = err};
    int value = 0;
    if (take_letter(&r, 'L')) {
        if (take(&r, '-'))
            MU_TRY(read_number(&r, "the distance", 0, 30, &value));
        out->days_before_last = (uint8_t)value;
        out->is_last_weekday = take_letter(&r, 'W');
        out->is_last_day = !out->is_last_weekday;
    } else {
        MU_TRY(read_value(&r, &value));
        if (!take_letter(&r, 'W'))
            return not_understood(&r);
        out->nearest_weekday = (uint8_t)value;
    }
    return r.at == text.len ? MU_OK : not_understood(&r);
}

static mu_code read_days(mu_str text, mu_cron *out, mu_err *err)
{
    const uint32_t all = ~(uint32_t)1;
    value_set set;
    if (has_letter(text, 'L') || has_letter(text, 'W'))
        return read_special_day(text, out, err);
    MU_TRY(read_field(&day_field, text, &set, err));
    out->days = (uint32_t)set.words[0];
    out->days_are_all = out->days == all;
    return MU_OK;
}

/* value "L" | value "#" number */
static mu_code read_special_weekday(mu_str text, mu_cron *out, mu_err *err)
{
    reader r = {.field = &weekday_field, .text = text, .err = err};
    int value, nth;
    MU_TRY(read_value(&r, &value));
    if (take_letter(&r, 'L')) {
        out->last_of_weekday = (uint8_t)value;
    } else if (take(&r, '#')) {
        MU_TRY(read_number(&r, "the number", 1, 5, &nth));
        out->nth_weekday = (uint8_t)value;
        out->nth = (uint8_t)nth;
    } else {
        return not_understood(&r);
    }
    return r.at == text.len ? MU_OK : not_understood(&r);
}

static mu_code read_weekdays(mu_str text, mu_cron *out, mu_err *err)
{
    value_set set;
    if (mu_str_equal_ascii_nocase(text, MU_STR("L"))) {
        out->weekdays = 1u << 7;
        return MU_OK;
    }
    if (has_letter(text, 'L') || has_letter(text, '#'))
        return read_special_weekday(text, out, err);
    MU_TRY(read_field(&weekday_field, text, &set, err));
    out->weekdays = (uint8_t)set.words[0];
    out->weekdays_are_all = out->weekdays == 0xfe;
    return MU_OK;
}

/* Exactly one of the two fields is "?". */
static mu_code read_both_days(mu_str days, mu_str weekdays, mu_cron *out, mu_err *err)
{
    const mu_str open = MU_STR("?");
    if (mu_str_equal(days, open) && mu_str_equal(weekdays, open))
        return mu_fail(err, MU_E_INPUT, "one of day of month and day of week must not be \"?\"");
    if (!mu_str_equal(days, open) && !mu_str_equal(weekdays, open))
        return mu_fail(err, MU_E_INPUT, "one of day of month and day of week must be \"?\"");
    return mu_str_equal(weekdays, open) ? read_days(days, out, err)
                                        : read_weekdays(weekdays, out, err);
}

/* -------- expressions -------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The number of words, all counted, the first `max` kept. */
static size_t split(mu_str text, size_t max, mu_str *words)
{
    size_t n = 0, at = 0;
    while (at < text.len) {
        size_t start = at;
        while (at < text.len && !is_blank(text.ptr[at]))
            at++;
        if (at > start && n++ < max)
            words[n - 1] = (mu_str){text.ptr + start, at - start};
        at += at < text.len;
    }
    return n;
}

static mu_code read_all(const mu_str *words, size_t n, mu_cron *out, mu_err *err)
{
    value_set set;
    MU_TRY(read_field(&second_field, words[0], &set, err));
    out->seconds = set.words[0];
    MU_TRY(read_field(&minute_field, words[1], &set, err));
    out->minutes = set.words[0];
    MU_TRY(read_field(&hour_field, words[2], &set, err));
    out->hours = (uint32_t)set.words[0];
    MU_TRY(read_field(&month_field, words[4], &set, err));
    out->months = (uint32_t)set.words[0];
    MU_TRY(read_field(&year_field, n == 7 ? words[6] : MU_STR("*"), &set, err));
    memcpy(out->years, set.words, sizeof out->years);
    return read_both_days(words[3], words[5], out, err);
}

mu_code mu_cron_parse(mu_str text, int64_t now_ms, mu_cron *out, mu_err *err)
{
    mu_str words[7];
    mu_cron cron = {0};
    int64_t next_ms;
    size_t n = split(text, 7, words);
    if (n != 6 && n != 7)
        return mu_fail(err, MU_E_INPUT, "a cron expression has 6 or 7 fields, not %zu", n);
    MU_TRY(read_all(words, n, &cron, err));
    if (!mu_cron_next(&cron, now_ms, &next_ms))
        return mu_fail(err, MU_E_INPUT, "the expression never fires from now on");
    *out = cron;
    return MU_OK;
}

static bool is_single(uint64_t bits)
{
    return bits != 0 && (bits & (bits - 1)) == 0;
}

bool mu_cron_is_daily_at_most(const mu_cron *cron)
{
    return is_single(cron->seconds) && is_single(cron->minutes) && is_single(cron->hours);
}

const char *mu_cron_frequency(const mu_cron *cron)
{
    if (cron->months != 0x1ffe)
        return "custom";
    if (cron->days_are_all || cron->weekdays_are_all)
        return "daily";
    if (is_single(cron->weekdays))
        return "weekly";
    bool is_one_day = is_single(cron->days) || cron->is_last_day || cron->is_last_weekday ||
                      cron->nearest_weekday != 0 || cron->last_of_weekday != 0 || cron->nth != 0;
    return is_one_day ? "monthly" : "custom";
}

/* -------- instants -------- */

/* A month as days with their days of the week, 1 (Sunday) to 7. */
typedef struct month_days {
    int n, first_weekday;
} month_days;

static int weekday_of(const month_days *month, int day)
{
    return (month->first_weekday - 1 + day - 1) % 7 + 1;
}

/* Monday to Friday, within the month. */
static uint32_t nearest_weekday(const month_days *month, int day)
{
    if (day < 1 || day > month->n)
        return 0;
    if (weekday_of(month, day) == 7)
        day += day > 1 ? -1 : 2;
    else if (weekday_of(month, day) == 1)
        day += day < month->n ? 1 : -2;
    return (uint32_t)1 << day;
}

static bool is_weekday_wanted(const mu_cron *cron, const month_days *month, int day)
{
    int weekday = weekday_of(month, day);
    if (cron->last_of_weekday != 0)
        return weekday == cron->last_of_weekday && day + 7 > month->n;
    if (cron->nth != 0)
        return weekday == cron->nth_weekday && (day - 1) / 7 + 1 == cron->nth;
    return (cron->weekdays >> weekday & 1) != 0;
}

uint32_t mu_cron_days(const mu_cron *cron, int64_t year, int month)
{
    if (year < YEAR_FIRST || year > YEAR_LAST ||
        (cron->years[(year - YEAR_FIRST) / 64] >> ((year - YEAR_FIRST) % 64) & 1) == 0 ||
        (cron->months >> month & 1) == 0)
        return 0;
    const month_days days = {.n = mu_days_in_month(year, month),
                             .first_weekday =
                                 mu_weekday_of_day(mu_days_from_civil(year, month, 1)) % 7 + 1};
    int last = days.n - cron->days_before_last;
    uint32_t wanted = 0;
    if (cron->is_last_day)
        return last >= 1 ? (uint32_t)1 << last : 0;
    if (cron->is_last_weekday)
        return nearest_weekday(&days, last);
    if (cron->nearest_weekday != 0)
        return nearest_weekday(&days, cron->nearest_weekday);
    for (int day = 1; day <= days.n; day++)
        if ((cron->days >> day & 1) != 0 || is_weekday_wanted(cron, &days, day))
            wanted |= (uint32_t)1 << day;
    return wanted;
}

/* The least value in `bits` from `from` to `high`; -1 when there is none. */
static int first_from(uint64_t bits, int from, int high)
{
    for (; from <= high; from++)
        if ((bits >> from & 1) != 0)
            return from;
    return -1;
}

/* The first time of day, in seconds, that is not before `from`; -1 when there is none. */
static int time_from(const mu_cron *cron, int from)
{
    int hour = from / 3600, minute = from / 60 % 60, second = from % 60;
    for (; (hour = first_from(cron->hours, hour, 23)) >= 0; hour++, minute = second = 0) {
        if (hour != from / 3600)
            minute = second = 0;
        for (; (minute = first_from(cron->minutes, minute, 59)) >= 0; minute++, second = 0) {
            if (hour * 60 + minute != from / 60)
                second = 0;
            int found = first_from(cron->seconds, second, 59);
            if (found >= 0)
                return hour * 3600 + minute * 60 + found;
        }
    }
    return -1;
}

/* The first fire of a month at or after `from_s`, in seconds; -1 when there is none. */
static int64_t fire_in_month(const mu_cron *cron, int64_t year, int month, int64_t from_s)
{
    uint32_t days = mu_cron_days(cron, year, month);
    int64_t day = mu_days_from_civil(year, month, 1) - 1;
    for (; days != 0; days >>= 1, day++) {
        if ((days & 1) == 0 || day < from_s / DAY_S)
            continue;
        int time = time_from(cron, day == from_s / DAY_S ? (int)(from_s % DAY_S) : 0);
        if (time >= 0)
            return day * DAY_S + time;
    }
    return -1;
}

bool mu_cron_next(const mu_cron *cron, int64_t after_ms, int64_t *out_ms)
{
    int64_t from_s = after_ms < 0 ? 0 : after_ms / 1000 + 1;
    if (from_s > MU_TIME_MAX_MS / 1000)
        return false;
    mu_civil civil = mu_civil_from_ms(from_s * 1000);
    int month = civil.month;
    for (int64_t year = civil.year; year <= YEAR_LAST; year++, month = 1) {
        for (; month <= 12; month++) {
            int64_t fire_s = fire_in_month(cron, year, month, from_s);
            if (fire_s < 0)
                continue;
            *out_ms = fire_s * 1000;
            return true;
        }
    }
    return false;
}
