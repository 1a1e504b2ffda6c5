#include "app/sample_int.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void mu_random_init(mu_random *random, uint64_t seed, uint64_t person, uint64_t stream)
{
    uint64_t state = seed;
    state = splitmix(&state) ^ person;
    state = splitmix(&state) ^ stream;
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&state);
}

uint32_t mu_random_geometric(mu_random *random, double mean)
{
    double steps = log(mu_random_unit(random)) / log(1 - 1 / mean);
    return 1 + (uint32_t)(steps < 1e6 ? steps : 1e6);
}

uint32_t mu_random_weighted(mu_random *random, const uint16_t *weights, uint32_t total)
{
    uint32_t at = mu_random_below(random, total), index = 0;
    while (at >= weights[index])
        at -= weights[index++];
    return index;
}
