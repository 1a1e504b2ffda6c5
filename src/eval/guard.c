#include "eval/eval.h"

const char *mu_guard_name(mu_guard guard)
{
    switch (guard) {
    case MU_GUARD_CHAIN_STEPS:
        return "chain-steps";
    case MU_GUARD_REGEX_STEPS:
        return "regex-steps";
    case MU_GUARD_COUNT_:
        break;
    }
    return "unknown";
}
