/* pairs.c -- parameters as real clients send them: api.md 1 (A4, A5), profile.md 0.3 (P2). */
#include "base/number.h"
#include "base/utf8.h"
#include "http/http_int.h"

static mu_str until(mu_str text, char c)
{
    const char *end = text.len == 0 ? NULL : memchr(text.ptr, c, text.len);
    return end == NULL ? text : (mu_str){text.ptr, (size_t)(end - text.ptr)};
}

static mu_str after(mu_str text, size_t n)
{
    return (mu_str){text.ptr + n, text.len - n};
}

/* Takes `name=` off the front of a value: the OpenAPI examples are "sort=sort=name:asc" (A4). */
static mu_str without_own_name(mu_str name, mu_str value)
{
    if (name.len > 0 && value.len > name.len && value.ptr[name.len] == '=' &&
        mu_str_starts_with(value, name))
        return after(value, name.len + 1);
    return value;
}

/* One `name=value`; false when it counts as absent. */
static bool parse_pair(mu_arena *arena, mu_str text, mu_http_pair *out)
{
    mu_str name = until(text, '=');
    if (name.len == text.len)
        return false;
    out->name = mu_http_percent_decode(arena, name, true);
    out->value = mu_http_percent_decode(arena, after(text, name.len + 1), true);
    out->value = without_own_name(out->name, out->value);
    return out->value.len > 0 && !mu_str_equal(out->value, MU_STR("None"));
}

static size_t count_pieces(mu_str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '&';
    return n;
}

mu_code mu_http_pairs_parse(mu_arena *arena, mu_str text, size_t pairs_max, mu_http_pairs *out,
                            mu_err *err)
{
    if (text.len == 0) {
        *out = (mu_http_pairs){0};
        return MU_OK;
    }
    size_t n_pieces = count_pieces(text);
    if (n_pieces > pairs_max)
        return mu_fail(err, MU_E_LIMIT, "more than %zu parameters", pairs_max);
    mu_http_pair *items = MU_NEW_ARRAY(arena, mu_http_pair, n_pieces);
    size_t n = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        mu_str piece = until(text, '&');
        text = after(text, piece.len < text.len ? piece.len + 1 : piece.len);
        mu_http_pair pair;
        if (!parse_pair(arena, piece, &pair))
            continue;
        if (!mu_utf8_valid(pair.name) || !mu_utf8_valid(pair.value))
            return mu_fail(err, MU_E_INPUT, "a parameter is not valid UTF-8");
        items[n++] = pair;
    }
    *out = (mu_http_pairs){items, n};
    return MU_OK;
}

bool mu_http_pairs_next(const mu_http_pairs *pairs, mu_str name, size_t *at, mu_str *out)
{
    for (size_t i = *at; i < pairs->n; i++) {
        if (mu_str_equal_ascii_nocase(pairs->items[i].name, name)) {
            *out = pairs->items[i].value;
            *at = i + 1;
            return true;
        }
    }
    *at = pairs->n;
    return false;
}

bool mu_http_pairs_find(const mu_http_pairs *pairs, mu_str name, mu_str *out)
{
    size_t at = 0;
    return mu_http_pairs_next(pairs, name, &at, out);
}

mu_code mu_http_pairs_boolean(const mu_http_pairs *pairs, mu_str name, bool otherwise, bool *out,
                              mu_err *err)
{
    mu_str value;
    if (!mu_http_pairs_find(pairs, name, &value))
        *out = otherwise;
    else if (mu_str_equal_ascii_nocase(value, MU_STR("true")))
        *out = true;
    else if (mu_str_equal_ascii_nocase(value, MU_STR("false")))
        *out = false;
    else
        return mu_fail(err, MU_E_INPUT, "the parameter " MU_STR_FMT " must be true or false",
                       MU_STR_ARG(name));
    return MU_OK;
}

mu_code mu_http_pairs_integer(const mu_http_pairs *pairs, mu_str name, int64_t otherwise,
                              int64_t *out, mu_err *err)
{
    mu_str value;
    if (!mu_http_pairs_find(pairs, name, &value)) {
        *out = otherwise;
        return MU_OK;
    }
    /* A '+' that was sent bare has become a blank by form decoding. */
    if (value.ptr[0] == '+' || value.ptr[0] == ' ')
        value = after(value, 1);
    int64_t number;
    if (value.len == 0 || value.ptr[0] < '0' || value.ptr[0] > '9' ||
        !mu_parse_integer(value, &number))
        return mu_fail(err, MU_E_INPUT,
                       "the parameter " MU_STR_FMT " must be a whole number that is not negative",
                       MU_STR_ARG(name));
    *out = number;
    return MU_OK;
}
