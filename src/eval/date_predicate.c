/* date_predicate.c -- parts of dates against a constant, without a walk over the tree: a table over
 * days asks for tens of thousands. */
#include "base/time.h"
#include "eval/plan_int.h"
#include "eval/reference_int.h"

static bool gives_part(mu_pql_function function)
{
    switch (function) {
    case MU_FN_GET_MONTH:
    case MU_FN_EXTRACT_MONTH:
    case MU_FN_GET_YEAR:
    case MU_FN_GET_DAY_OF_MONTH:
    case MU_FN_DAY_OF_MONTH:
    case MU_FN_DAY_OF_WEEK:
    case MU_FN_DAY_OF_YEAR:
    case MU_FN_WEEK_OF_YEAR:
    case MU_FN_EXTRACT_HOURS:
    case MU_FN_EXTRACT_MINUTES:
    case MU_FN_EXTRACT_SECONDS:
        return true;
    default:
        return false;
    }
}

static bool compares(mu_pql_function function)
{
    return function == MU_FN_EQUAL || function == MU_FN_NOT_EQUAL || function == MU_FN_LESS ||
           function == MU_FN_LESS_EQUAL || function == MU_FN_GREATER ||
           function == MU_FN_GREATER_EQUAL;
}

static bool is_part_of_input(const mu_pql *call)
{
    return call->kind == MU_PQL_CALL && gives_part(call->function) && call->n_args == 1 &&
           call->args[0]->kind == MU_PQL_VARIABLE &&
           mu_str_equal(call->args[0]->name, MU_STR(TABLE_INPUT));
}

const date_predicate *date_predicate_new(plan *p, const mu_pql *expression)
{
    if (expression->kind != MU_PQL_CALL || !compares(expression->function) ||
        expression->n_args != 2 || !is_part_of_input(expression->args[0]) ||
        expression->args[1]->kind != MU_PQL_LITERAL ||
        expression->args[1]->literal.kind != MU_TYPE_INTEGER)
        return NULL;
    date_predicate *test = MU_NEW(p->arena, date_predicate);
    *test = (date_predicate){.part = expression->args[0]->function,
                             .comparison = expression->function,
                             .constant = expression->args[1]->literal.integer};
    return test;
}

uint8_t date_predicate_run(const date_predicate *test, mu_value date)
{
    int64_t ms = date.kind == MU_TYPE_DATE ? date.integer * MU_DAY_MS : date.integer;
    int64_t part = mu_reference_date_part(test->part, ms).integer;
    switch (test->comparison) {
    case MU_FN_EQUAL:
        return part == test->constant;
    case MU_FN_NOT_EQUAL:
        return part != test->constant;
    case MU_FN_LESS:
        return part < test->constant;
    case MU_FN_LESS_EQUAL:
        return part <= test->constant;
    case MU_FN_GREATER:
        return part > test->constant;
    default:
        return part >= test->constant;
    }
}
