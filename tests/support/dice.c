#include "tests/support/dice.h"

#include "base/number.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void mu_dice_init(mu_dice *dice, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        dice->state[i] = z ^ (z >> 31);
    }
}

uint64_t mu_dice_next(mu_dice *dice)
{
    uint64_t *s = dice->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t mu_dice_below(mu_dice *dice, uint32_t n)
{
    MU_ASSERT(n > 0);
    return (uint32_t)(((mu_dice_next(dice) >> 32) * n) >> 32);
}

int64_t mu_dice_between(mu_dice *dice, int64_t low, int64_t high)
{
    MU_ASSERT(low <= high);
    uint64_t span = (uint64_t)high - (uint64_t)low;
    uint64_t offset = mu_dice_next(dice);
    if (span != UINT64_MAX)
        offset %= span + 1;
    return (int64_t)((uint64_t)low + offset);
}

bool mu_dice_percent(mu_dice *dice, unsigned percent)
{
    return mu_dice_below(dice, 100) < percent;
}

uint32_t mu_dice_geometric(mu_dice *dice, uint32_t mean, uint32_t max)
{
    uint32_t n = 0;
    while (n < max && mu_dice_below(dice, mean + 1) != 0)
        n++;
    return n;
}

uint64_t mu_dice_seed(const char *test, uint64_t otherwise)
{
    const char *text = getenv("MUSTER_SEED");
    uint64_t seed = otherwise;
    int64_t number = 0;
    if (text != NULL && strcmp(text, "clock") == 0) {
        seed = (uint64_t)mu_monotonic_ns() ^ (uint64_t)mu_now_ms();
        seed &= (uint64_t)INT64_MAX;
    } else if (text != NULL && mu_parse_integer(mu_str_from(text), &number)) {
        seed = (uint64_t)number;
    } else if (text != NULL) {
        fprintf(stderr, "MUSTER_SEED must be a number or \"clock\", not \"%s\"\n", text);
        exit(2);
    }
    fprintf(stderr, "%s: MUSTER_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

uint32_t mu_dice_cases(uint32_t cases)
{
    const char *quick = getenv("MUSTER_QUICK");
    bool is_quick = quick != NULL && strcmp(quick, "") != 0 && strcmp(quick, "0") != 0;
    return is_quick ? cases / 20 + 1 : cases;
}
