#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool mu_parse_integer(mu_str text, int64_t *out)
{
    size_t i = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        i++;
    if (i == text.len)
        return false;
    int64_t value = 0; /* kept negative: the negative range is the larger one */
    for (; i < text.len; i++) {
        if (!is_digit(text.ptr[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text.ptr[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}

/* Checks the JSON number grammar, which strtod alone would exceed (hex, inf, blanks). */
static bool is_json_number(mu_str text)
{
    size_t i = 0;
    if (i < text.len && text.ptr[i] == '-')
        i++;
    size_t digits = i;
    while (i < text.len && is_digit(text.ptr[i]))
        i++;
    if (i == digits)
        return false;
    if (i < text.len && text.ptr[i] == '.') {
        digits = ++i;
        while (i < text.len && is_digit(text.ptr[i]))
            i++;
        if (i == digits)
            return false;
    }
    if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
        i++;
        if (i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+'))
            i++;
        digits = i;
        while (i < text.len && is_digit(text.ptr[i]))
            i++;
        if (i == digits)
            return false;
    }
    return i == text.len;
}

static double parse_c_locale(const char *zero_terminated)
{
    static locale_t c_locale; /* made once; the same value whichever thread wins */
    locale_t locale = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
    if (locale == (locale_t)0) {
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        __atomic_store_n(&c_locale, locale, __ATOMIC_RELEASE);
    }
    return strtod_l(zero_terminated, NULL, locale);
}

/* Exact when the digits fit 53 bits and the power of ten is exact (Clinger's fast path). */
static bool parse_fast(mu_str text, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (text.len > 17)
        return false;
    uint64_t digits = 0;
    size_t fraction = 0;
    bool seen_point = false, negative = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-') {
            negative = true;
        } else if (c == '.') {
            seen_point = true;
        } else if (is_digit(c)) {
            digits = digits * 10 + (uint64_t)(c - '0');
            fraction += seen_point;
        } else {
            return false;
        }
    }
    if (digits > (1ull << 53))
        return false;
    double value = (double)digits / powers[fraction];
    *out = negative ? -value : value;
    return true;
}

bool mu_parse_double(mu_str text, double *out)
{
    if (!is_json_number(text))
        return false;
    if (parse_fast(text, out))
        return true;
    char small[64];
    char *copy = text.len < sizeof small ? small : malloc(text.len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = parse_c_locale(copy);
    if (copy != small)
        free(copy);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

/* Decimals of few digits, which data is full of: when digits / 10^scale is exactly rounded to the
 * value and no smaller scale does that, they are the shortest text. 0 when it is no such number. */
static size_t format_short_decimal(double value, char out[MU_NUMBER_MAX])
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double size = fabs(value);
    for (unsigned scale = 0; scale < sizeof powers / sizeof powers[0]; scale++) {
        double digits = nearbyint(size * powers[scale]);
        if (digits > 1e15)
            return 0;
        if (digits / powers[scale] != size)
            continue;
        char text[MU_NUMBER_MAX];
        size_t n = 0, at = 0;
        uint64_t rest = (uint64_t)digits;
        for (unsigned i = 0; i < scale || rest != 0 || n <= scale; i++, rest /= 10)
            text[n++] = (char)('0' + rest % 10);
        if (signbit(value))
            out[at++] = '-';
        while (n > scale)
            out[at++] = text[--n];
        out[at++] = '.';
        while (n > 0)
            out[at++] = text[--n];
        if (scale == 0)
            out[at++] = '0';
        return at;
    }
    return 0;
}

size_t mu_format_double(double value, char out[MU_NUMBER_MAX])
{
    size_t length = format_short_decimal(value, out);
    if (length > 0)
        return length;
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, value);
        if (parse_c_locale(digits) == value)
            break;
    }
    char *mark = strchr(digits, 'e');
    int exponent = atoi(mark + 1);
    size_t at = 0;
    const char *from = digits;
    if (*from == '-')
        out[at++] = *from++;
    char mantissa[24] = {0};
    int n = 0;
    for (; from < mark; from++)
        if (is_digit(*from))
            mantissa[n++] = *from;
    if (exponent < -6 || exponent > 16) {
        out[at++] = mantissa[0];
        out[at++] = '.';
        if (n == 1)
            out[at++] = '0';
        for (int i = 1; i < n; i++)
            out[at++] = mantissa[i];
        return at + (size_t)snprintf(out + at, MU_NUMBER_MAX - at, "e%d", exponent);
    }
    if (exponent < 0) {
        out[at++] = '0';
        out[at++] = '.';
        for (int i = -1; i > exponent; i--)
            out[at++] = '0';
        for (int i = 0; i < n; i++)
            out[at++] = mantissa[i];
        return at;
    }
    for (int i = 0; i <= exponent || i < n || i == exponent + 1; i++) {
        if (i == exponent + 1)
            out[at++] = '.';
        out[at++] = i < n ? mantissa[i] : '0';
    }
    return at;
}
