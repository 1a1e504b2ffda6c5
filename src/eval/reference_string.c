/* reference_string.c -- tests on strings: equals, contains and their kin, like, regular expressions
 * (pql.md 7, 8.1). */
#include "base/utf8.h"
#include "eval/reference_int.h"

/* -------- like -------- */

/* One element of a pattern, read at *at. */
typedef struct pattern_element {
    bool is_run, is_any; /* % and _ */
    uint32_t code_point;
} pattern_element;

/* D31: a backslash before %, _ or a backslash takes it literally; before anything else it is
 * itself. */
static pattern_element next_element(mu_str pattern, size_t *at)
{
    uint32_t c = mu_utf8_next(pattern, at);
    if (c == '%')
        return (pattern_element){.is_run = true};
    if (c == '_')
        return (pattern_element){.is_any = true};
    if (c == '\\' && *at < pattern.len) {
        char next = pattern.ptr[*at];
        if (next == '%' || next == '_' || next == '\\')
            c = mu_utf8_next(pattern, at);
    }
    return (pattern_element){.code_point = c};
}

/* The shortest reading of a run first; on a mismatch the last run takes one more character. */
bool mu_text_like(mu_str text, mu_str pattern)
{
    size_t in_text = 0, in_pattern = 0;
    size_t run_text = SIZE_MAX, run_pattern = 0;
    while (in_text < text.len || in_pattern < pattern.len) {
        if (in_pattern < pattern.len) {
            size_t after_element = in_pattern, after_text = in_text;
            pattern_element element = next_element(pattern, &after_element);
            if (element.is_run) {
                run_text = in_text;
                run_pattern = after_element;
                in_pattern = after_element;
                continue;
            }
            if (in_text < text.len) {
                uint32_t c = mu_utf8_next(text, &after_text);
                if (element.is_any || c == element.code_point) {
                    in_text = after_text;
                    in_pattern = after_element;
                    continue;
                }
            }
        }
        if (run_text >= text.len) /* no run yet, or it has taken everything */
            return false;
        mu_utf8_next(text, &run_text);
        in_text = run_text;
        in_pattern = run_pattern;
    }
    return true;
}

/* -------- case -------- */

/* Does `text` continue with `prefix` at *at? Moves *at past it. */
static bool continues_with(mu_str text, size_t *at, mu_str prefix, bool has_case)
{
    size_t in_text = *at, in_prefix = 0;
    while (in_prefix < prefix.len) {
        if (in_text >= text.len)
            return false;
        uint32_t a = mu_utf8_next(text, &in_text), b = mu_utf8_next(prefix, &in_prefix);
        if (!has_case) {
            a = mu_utf8_fold_code_point(a);
            b = mu_utf8_fold_code_point(b);
        }
        if (a != b)
            return false;
    }
    *at = in_text;
    return true;
}

static bool equal_text(mu_str a, mu_str b, bool has_case)
{
    size_t at = 0;
    return continues_with(a, &at, b, has_case) && at == a.len;
}

static bool starts_with(mu_str text, mu_str part, bool has_case)
{
    size_t at = 0;
    return continues_with(text, &at, part, has_case);
}

static bool contains(mu_str text, mu_str part, bool has_case)
{
    for (size_t from = 0;;) {
        size_t at = from;
        if (continues_with(text, &at, part, has_case))
            return true;
        if (from >= text.len)
            return false;
        mu_utf8_next(text, &from);
    }
}

static bool ends_with(mu_str text, mu_str part, bool has_case)
{
    for (size_t from = 0;;) {
        size_t at = from;
        if (continues_with(text, &at, part, has_case) && at == text.len)
            return true;
        if (from >= text.len)
            return false;
        mu_utf8_next(text, &from);
    }
}

/* -------- regular expressions -------- */

static mu_regex *find_regex(mu_evaluator *evaluator, mu_str pattern)
{
    for (mu_regex_entry *entry = evaluator->regexes; entry != NULL; entry = entry->next)
        if (mu_str_equal(entry->pattern, pattern))
            return entry->regex;
    mu_regex_entry *entry = MU_NEW(evaluator->arena, mu_regex_entry);
    *entry = (mu_regex_entry){.next = evaluator->regexes, .pattern = pattern};
    if (mu_regex_new(pattern, &entry->regex, NULL) != MU_OK)
        entry->regex = NULL;
    evaluator->regexes = entry;
    return entry->regex;
}

/* D33: found anywhere. A pattern that does not compile matches nothing. */
static bool matches(mu_evaluator *evaluator, mu_str text, mu_str pattern)
{
    mu_regex *regex = find_regex(evaluator, pattern);
    if (regex == NULL)
        return false;
    mu_regex_result result = mu_regex_search(regex, text);
    if (result == MU_REGEX_LIMIT)
        evaluator->trips |= 1u << MU_GUARD_REGEX_STEPS;
    return result == MU_REGEX_YES;
}

mu_value mu_reference_regex_group(mu_evaluator *evaluator, uint32_t n_args, const mu_value *args)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str text, pattern, group;
    int number = -1; /* D34 */
    if (!mu_value_render(evaluator->arena, args[0], &text) ||
        !mu_value_text(args[1], room, &pattern) || args[1].kind != MU_TYPE_STRING)
        return MU_VALUE_NULL;
    if (n_args > 2) {
        if (args[2].kind != MU_TYPE_INTEGER || args[2].integer < 0 || args[2].integer > 65535)
            return MU_VALUE_NULL;
        number = (int)args[2].integer;
    }
    mu_regex *regex = find_regex(evaluator, pattern);
    if (regex == NULL)
        return MU_VALUE_NULL;
    mu_regex_result result = mu_regex_group(regex, text, number, &group);
    if (result == MU_REGEX_LIMIT)
        evaluator->trips |= 1u << MU_GUARD_REGEX_STEPS;
    if (result != MU_REGEX_YES || group.ptr == NULL)
        return MU_VALUE_NULL;
    return mu_value_string(group);
}

/* -------- the tests -------- */

typedef struct string_test {
    mu_pql_function function;
    bool has_case;
    uint32_t n_values; /* equals: any of them (D32) */
    const mu_value *values;
} string_test;

static bool is_negative(mu_pql_function function)
{
    return function == MU_FN_NOT_EQUAL_TO || function == MU_FN_DOES_NOT_START_WITH ||
           function == MU_FN_DOES_NOT_END_WITH || function == MU_FN_DOES_NOT_CONTAIN;
}

static bool positive_test(mu_evaluator *evaluator, const string_test *test, mu_str text,
                          mu_str value)
{
    switch (test->function) {
    case MU_FN_LIKE:
        return mu_text_like(text, value);
    case MU_FN_MATCHES:
        return matches(evaluator, text, value);
    case MU_FN_EQUALS:
    case MU_FN_NOT_EQUAL_TO:
        return equal_text(text, value, test->has_case);
    case MU_FN_STARTS_WITH:
    case MU_FN_DOES_NOT_START_WITH:
        return starts_with(text, value, test->has_case);
    case MU_FN_ENDS_WITH:
    case MU_FN_DOES_NOT_END_WITH:
        return ends_with(text, value, test->has_case);
    case MU_FN_CONTAINS:
    case MU_FN_DOES_NOT_CONTAIN:
        return contains(text, value, test->has_case);
    default:
        return false;
    }
}

/* One text against one value; a list of values is any of them (D26). D22: null fails every test,
 * the negative ones too. */
static bool test_value(mu_evaluator *evaluator, const string_test *test, mu_str text,
                       mu_value value)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str other;
    bool holds = false;
    if (value.kind == MU_TYPE_LIST) {
        for (uint32_t i = 0; i < value.n; i++) /* all, so that guards trip alike */
            holds |= test_value(evaluator, test, text, value.items[i]);
        return holds;
    }
    if (!mu_value_text(value, room, &other))
        return false;
    return positive_test(evaluator, test, text, other) != is_negative(test->function);
}

/* A receiver that is a list: any of its items (D26). */
static bool test_receiver(mu_evaluator *evaluator, const string_test *test, mu_value receiver)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str text;
    bool holds = false;
    if (receiver.kind == MU_TYPE_LIST) {
        for (uint32_t i = 0; i < receiver.n; i++)
            holds |= test_receiver(evaluator, test, receiver.items[i]);
        return holds;
    }
    if (!mu_value_text(receiver, room, &text))
        return false;
    for (uint32_t i = 0; i < test->n_values; i++)
        holds |= test_value(evaluator, test, text, test->values[i]);
    return holds;
}

static bool takes_case_flag(mu_pql_function function)
{
    return function != MU_FN_LIKE && function != MU_FN_MATCHES;
}

static mu_value string_compare(mu_evaluator *evaluator, uint32_t n_args, const mu_value *args)
{
    if (args[0].kind != MU_TYPE_STRING)
        return mu_value_boolean(false);
    mu_pql_function function = mu_pql_function_find(args[0].string);
    if (function < MU_FN_EQUALS || function > MU_FN_DOES_NOT_CONTAIN)
        return mu_value_boolean(false);
    return mu_reference_string_test(evaluator, function, n_args - 1, args + 1);
}

/* The last argument is the case flag when it is a Boolean and a value stands before it. */
mu_value mu_reference_string_test(mu_evaluator *evaluator, mu_pql_function function,
                                  uint32_t n_args, const mu_value *args)
{
    if (function == MU_FN_STRING_COMPARE)
        return string_compare(evaluator, n_args, args);
    string_test test = {
        .function = function, .has_case = true, .n_values = n_args - 1, .values = args + 1};
    if (takes_case_flag(function) && n_args >= 3) {
        if (args[n_args - 1].kind == MU_TYPE_BOOLEAN) {
            test.has_case = args[n_args - 1].boolean;
            test.n_values--;
        } else if (function != MU_FN_EQUALS) {
            test.n_values--; /* a flag that is null: the default */
        }
    }
    return mu_value_boolean(test_receiver(evaluator, &test, args[0]));
}
