/* kernel_choose.c -- one build runs anywhere: the kernels are chosen when a job starts. */
#include "eval/kernel.h"

#include <stdlib.h>

static bool is_available(const kernel_set *set)
{
    if (set == &kernels_plain)
        return true;
#if defined(__x86_64__)
    if (set == &kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
               __builtin_cpu_supports("popcnt");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

const kernel_set *kernels_choose(void)
{
    static const kernel_set *const sets[] = {&kernels_avx512, &kernels_avx2, &kernels_plain};
    const char *wanted = getenv("MUSTER_KERNELS");
    for (size_t i = 0; wanted != NULL && i < 3; i++)
        if (strcmp(sets[i]->name, wanted) == 0 && is_available(sets[i]))
            return sets[i];
    for (size_t i = 0; i < 3; i++)
        if (is_available(sets[i]))
            return sets[i];
    return &kernels_plain;
}
