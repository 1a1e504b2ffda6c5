/* filter.c -- `property` filters of lists. */
#include "api/api_int.h"

#include "base/regex.h"

#include <stdio.h>

enum filter_operator { FILTER_EQUAL, FILTER_NOT_EQUAL, FILTER_REGEX };

typedef struct property_filter {
    enum filter_operator operator;
    mu_str path, value;
    mu_regex *regex; /* of FILTER_REGEX */
} property_filter;

static mu_code parse_filter(mu_str text, property_filter *out, mu_err *err)
{
    static const struct {
        const char *sign;
        enum filter_operator operator;
    } signs[] = {
        {"==", FILTER_EQUAL}, {"!=", FILTER_NOT_EQUAL}, {"~", FILTER_REGEX}, {"=", FILTER_EQUAL}};
    size_t best = SIZE_MAX, which = 0;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t at = mu_str_find(text, mu_str_from(signs[i].sign));
        if (at < best) {
            best = at;
            which = i;
        }
    }
    if (best == SIZE_MAX || best == 0)
        return mu_fail(err, MU_E_INPUT,
                       "the filter \"" MU_STR_FMT "\" is not of the form path==value",
                       MU_STR_ARG(text));
    size_t after = best + strlen(signs[which].sign);
    *out = (property_filter){.operator= signs[which].operator,
                             .path = {text.ptr, best},
                             .value = {text.ptr + after, text.len - after}};
    return out->operator== FILTER_REGEX ? mu_regex_new(out->value, &out->regex, err) : MU_OK;
}

/* "enabled: true" is compared as "enabled:true" (profile.md d.0). */
static bool equal_without_blanks(mu_str a, mu_str b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && a.ptr[i] == ' ')
            i++;
        while (k < b.len && b.ptr[k] == ' ')
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (a.ptr[i++] != b.ptr[k++])
            return false;
    }
}

static bool scalar_matches(const property_filter *filter, const mu_json *json)
{
    char text[40];
    mu_str value = MU_STR("");
    switch (json->kind) {
    case MU_JSON_STRING:
        value = json->string;
        break;
    case MU_JSON_BOOLEAN:
        value = json->boolean ? MU_STR("true") : MU_STR("false");
        break;
    case MU_JSON_INTEGER:
        value =
            (mu_str){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)json->integer)};
        break;
    case MU_JSON_DOUBLE:
        value = (mu_str){text, (size_t)snprintf(text, sizeof text, "%.17g", json->number)};
        break;
    case MU_JSON_NULL:
    case MU_JSON_ARRAY:
    case MU_JSON_OBJECT:
        return false;
    }
    return filter->operator== FILTER_REGEX ? mu_regex_search(filter->regex, value) == MU_REGEX_YES
                                           : equal_without_blanks(value, filter->value);
}

static bool value_matches(const property_filter *filter, const mu_json *json)
{
    if (json == NULL)
        return false;
    if (json->kind != MU_JSON_ARRAY)
        return scalar_matches(filter, json);
    for (uint32_t i = 0; i < json->n; i++)
        if (scalar_matches(filter, &json->items[i]))
            return true;
    return false;
}

/* The member with that very name, else by dots. */
static const mu_json *value_at(const mu_json *json, mu_str path)
{
    const mu_json *direct = mu_json_get(json, path);
    return direct != NULL ? direct : mu_json_at(json, path);
}

mu_code mu_api_property_matches(const mu_json *json, mu_str property, bool *out, mu_err *err)
{
    property_filter filter;
    MU_TRY(parse_filter(property, &filter, err));
    bool matches = value_matches(&filter, value_at(json, filter.path));
    *out = filter.operator== FILTER_NOT_EQUAL ? !matches : matches;
    mu_regex_free(filter.regex);
    return MU_OK;
}
