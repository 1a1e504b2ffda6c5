/* text_predicate.c -- the most frequent tests of a text against a constant, for columns whose texts
 * are all different and therefore have no dictionary. */
#include "eval/plan_int.h"

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

const text_predicate *text_predicate_new(plan *p, const mu_pql *expression)
{
    mu_regex *regex = NULL;
    if (expression->kind != MU_PQL_CALL || !is_known(expression->function) ||
        expression->n_args != 2 || !is_input(expression->args[0]) ||
        expression->args[1]->kind != MU_PQL_LITERAL ||
        expression->args[1]->literal.kind != MU_TYPE_STRING)
        return NULL;
    mu_str constant = expression->args[1]->literal.string;
    if (expression->function == MU_FN_MATCHES && mu_regex_new(constant, &regex, NULL) != MU_OK)
        return NULL;
    text_predicate *test = MU_NEW(p->arena, text_predicate);
    *test = (text_predicate){.function = expression->function,
                             .constant = mu_arena_copy(p->arena, constant),
                             .regex = regex,
                             .next = p->text_predicates};
    p->text_predicates = test;
    return test;
}

static uint8_t matches(const text_predicate *test, mu_str text)
{
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
