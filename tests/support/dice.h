/* dice.h -- a seeded generator for tests: the same seed gives the same cases on every machine.
 *
 * One generator belongs to one thread at a time.
 */
#ifndef MU_TESTS_SUPPORT_DICE_H
#define MU_TESTS_SUPPORT_DICE_H

#include "base/str.h"

/* xoshiro256** (Blackman and Vigna, 2018), filled from the seed by splitmix64. */
typedef struct mu_dice {
    uint64_t state[4];
} mu_dice;

void mu_dice_init(mu_dice *dice, uint64_t seed);
uint64_t mu_dice_next(mu_dice *dice);

/* In [0, n); n must not be 0. */
uint32_t mu_dice_below(mu_dice *dice, uint32_t n);

/* In [low, high]. */
int64_t mu_dice_between(mu_dice *dice, int64_t low, int64_t high);

/* True `percent` times in a hundred. */
bool mu_dice_percent(mu_dice *dice, unsigned percent);

/* How many failures before the first success when each try succeeds one time in `mean` + 1; at most
 * `max`. */
uint32_t mu_dice_geometric(mu_dice *dice, uint32_t mean, uint32_t max);

/* The seed of a test program: MUSTER_SEED from the environment as a number, "clock" for a new one
 * each time, else `otherwise`. Prints it with the test's name, so that a failure can be run again.
 */
uint64_t mu_dice_seed(const char *test, uint64_t otherwise);

/* How many cases to run: `cases`, or a twentieth when MUSTER_QUICK is set in the environment. */
uint32_t mu_dice_cases(uint32_t cases);

#endif
