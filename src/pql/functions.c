#include "pql/pql.h"

static const mu_pql_function_info functions[] = {
#define F(id, name, least, most, lambdas, tier) {MU_STR(name), least, most, lambdas, tier},
#include "pql/functions.def"
#undef F
    {{"", 0}, 0, UINT32_MAX, 0, 1},
};
_Static_assert(sizeof functions / sizeof functions[0] == MU_FN_COUNT_, "a row per function");

const mu_pql_function_info *mu_pql_function_of(mu_pql_function function)
{
    MU_ASSERT((size_t)function < MU_FN_COUNT_);
    return &functions[function];
}

mu_pql_function mu_pql_function_find(mu_str name)
{
    for (size_t i = 0; i < MU_FN_UNKNOWN; i++)
        if (mu_str_equal(functions[i].name, name))
            return (mu_pql_function)i;
    return MU_FN_UNKNOWN;
}
