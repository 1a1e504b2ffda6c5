/* text_predicate.c -- the most frequent tests of a text against a constant, for columns whose texts
 * are all different and therefore have no dictionary. */
#include "eval/plan_int.h"

#include <stdlib.h>

static bool is_input(const mu_pql *node)
{
    return node->kind == MU_PQL_VARIABLE && mu_str_equal(node->name, MU_STR(TABLE_INPUT));
}

static bool is_known(mu_pql_function function)
{
    switch (function) {
    case MU_FN_EQUAL:
    case MU_FN_EQUALS:
    case MU_FN_NOT_EQUAL:
    case MU_FN_NOT_EQUAL_TO:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
    case MU_FN_STARTS_WITH:
    case MU_FN_ENDS_WITH:
    case MU_FN_CONTAINS:
    case MU_FN_DOES_NOT_START_WITH:
    case MU_FN_DOES_NOT_END_WITH:
    case MU_FN_DOES_NOT_CONTAIN:
    case MU_FN_MATCHES:
    case MU_FN_LIKE:
        return true;
    default:
        return false;
    }
}

static bool is_text(const mu_pql *node)
{
    return node->kind == MU_PQL_LITERAL && node->literal.kind == MU_TYPE_STRING;
}

static bool is_texts(const mu_pql *node)
{
    for (uint32_t i = 0; node->kind == MU_PQL_ARRAY && i < node->n_args; i++)
        if (!is_text(node->args[i]))
            return false;
    return node->kind == MU_PQL_ARRAY;
}

static int compare_texts(const void *a, const void *b)
{
    return mu_str_compare(*(const mu_str *)a, *(const mu_str *)b);
}

static void take_constants(plan *p, const mu_pql *array, text_predicate *test)
{
    mu_str *constants = MU_NEW_ARRAY(p->arena, mu_str, array->n_args + 1);
    for (uint32_t i = 0; i < array->n_args; i++)
        constants[i] = mu_arena_copy(p->arena, array->args[i]->literal.string);
    qsort(constants, array->n_args, sizeof *constants, compare_texts);
    for (uint32_t i = 0; i < array->n_args; i++)
        if (i == 0 || !mu_str_equal(constants[i], constants[i - 1]))
            constants[test->n_constants++] = constants[i];
    test->constants = constants;
}

const text_predicate *text_predicate_new(plan *p, const mu_pql *expression)
{
    mu_regex *regex = NULL;
    if (expression->kind != MU_PQL_CALL || expression->n_args != 2 ||
        !is_input(expression->args[0]))
        return NULL;
    bool is_in = expression->function == MU_FN_IN || expression->function == MU_FN_NOT_IN;
    const mu_pql *other = expression->args[1];
    if (is_in ? !is_texts(other) : !is_known(expression->function) || !is_text(other))
        return NULL;
    if (expression->function == MU_FN_MATCHES &&
        mu_regex_new(other->literal.string, &regex, NULL) != MU_OK)
        return NULL;
    text_predicate *test = MU_NEW(p->arena, text_predicate);
    *test = (text_predicate){
        .function = expression->function, .regex = regex, .next = p->text_predicates};
    if (is_in)
        take_constants(p, other, test);
    else
        test->constant = mu_arena_copy(p->arena, other->literal.string);
    if (regex != NULL)
        test->automaton = mu_automaton_new(p->arena, test->constant);
    p->text_predicates = test;
    return test;
}

/* Among the constants, by halving. */
static bool is_among(const text_predicate *test, mu_str text)
{
    uint32_t low = 0, high = test->n_constants;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = mu_str_compare(test->constants[middle], text);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static uint8_t matches(const text_predicate *test, mu_str text)
{
    mu_automaton_result known =
        test->automaton == NULL ? MU_AUTOMATON_UNKNOWN : mu_automaton_search(test->automaton, text);
    if (known != MU_AUTOMATON_UNKNOWN)
        return known == MU_AUTOMATON_YES ? TABLE_TRUE : 0;
    switch (mu_regex_search(test->regex, text)) {
    case MU_REGEX_YES:
        return TABLE_TRUE;
    case MU_REGEX_LIMIT:
        return TABLE_TRIPS;
    default:
        return 0;
    }
}

uint8_t text_predicate_run(const text_predicate *test, mu_str text)
{
    switch (test->function) {
    case MU_FN_EQUAL:
    case MU_FN_EQUALS:
        return mu_str_equal(text, test->constant);
    case MU_FN_NOT_EQUAL:
    case MU_FN_NOT_EQUAL_TO:
        return !mu_str_equal(text, test->constant);
    case MU_FN_LESS:
        return mu_str_compare(text, test->constant) < 0;
    case MU_FN_LESS_EQUAL:
        return mu_str_compare(text, test->constant) <= 0;
    case MU_FN_GREATER:
        return mu_str_compare(text, test->constant) > 0;
    case MU_FN_GREATER_EQUAL:
        return mu_str_compare(text, test->constant) >= 0;
    case MU_FN_IN:
        return is_among(test, text);
    case MU_FN_NOT_IN:
        return !is_among(test, text);
    case MU_FN_STARTS_WITH:
        return mu_str_starts_with(text, test->constant);
    case MU_FN_DOES_NOT_START_WITH:
        return !mu_str_starts_with(text, test->constant);
    case MU_FN_ENDS_WITH:
        return mu_str_ends_with(text, test->constant);
    case MU_FN_DOES_NOT_END_WITH:
        return !mu_str_ends_with(text, test->constant);
    case MU_FN_CONTAINS:
        return mu_str_find(text, test->constant) != SIZE_MAX;
    case MU_FN_DOES_NOT_CONTAIN:
        return mu_str_find(text, test->constant) == SIZE_MAX;
    case MU_FN_LIKE:
        return mu_text_like(text, test->constant);
    default:
        return matches(test, text);
    }
}
