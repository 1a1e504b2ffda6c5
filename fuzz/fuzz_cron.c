/* fuzz_cron.c -- any bytes as a cron expression: an error with a text, or one that fires. */
#include "audience/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const int64_t now_ms = 1767225600000;
    mu_cron cron;
    mu_err err = {0};
    if (mu_cron_parse((mu_str){(const char *)bytes, size}, now_ms, &cron, &err) != MU_OK) {
        MU_ASSERT(err.code == MU_E_INPUT && err.text[0] != '\0');
        return 0;
    }
    int64_t at_ms = now_ms, next_ms;
    for (int i = 0; i < 8 && mu_cron_next(&cron, at_ms, &next_ms); i++) {
        MU_ASSERT(next_ms > at_ms && next_ms % 1000 == 0);
        at_ms = next_ms;
    }
    MU_ASSERT(at_ms > now_ms);
    MU_ASSERT(mu_cron_frequency(&cron) != NULL);
    return 0;
}
