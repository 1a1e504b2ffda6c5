/* run_numbers.c -- the chosen items of a level and their numbers, gathered side by side. */
#include "eval/run_list_int.h"

/* Kernels write whole vectors of positions, so up to 16 past the last. */
static uint32_t positions_memory(uint32_t n_items)
{
    return n_items / 2 + 16;
}

positions positions_take(worker *w, const uint64_t *bits, uint32_t n_items)
{
    positions chosen = {.n_items = n_items, .at = worker_numbers(w, positions_memory(n_items))};
    chosen.n = (uint32_t)w->job->kernels->positions(bits, n_items, chosen.at);
    chosen.at[chosen.n] = UINT32_MAX;
    return chosen;
}

void positions_give(worker *w, positions *chosen)
{
    worker_give_numbers(w, chosen->at, positions_memory(chosen->n_items));
    chosen->at = NULL;
}

mu_code numbers_of(worker *w, const plan_node *node, numbers *out)
{
    *out = (numbers){0};
    if (node->n_inputs == 1)
        return worker_vector(w, node->column, &out->vector);
    out->node = &w->values[node->inputs[1]];
    return MU_OK;
}

void numbers_choose(worker *w, const numbers *in, const uint64_t *bits, uint32_t n_items,
                    uint64_t *out)
{
    const uint64_t *valid = in->node != NULL ? in->node->valid : in->vector->valid;
    if (in->node == NULL && in->vector->n_null == n_items)
        mu_bits_zero(out, n_items);
    else if (valid == NULL)
        memcpy(out, bits, mu_bits_words(n_items) * 8);
    else
        w->job->kernels->and_words(bits, valid, mu_bits_words(n_items), out);
}

/* out[p] = expression, which reads the packed number at the p-th position. */
#define GATHER_PACKED(type, expression)                                                            \
    for (uint32_t p = 0; p < chosen->n; p++) {                                                     \
        uint64_t packed = ((const type *)vector->data)[chosen->at[p]];                             \
        out[p] = (expression);                                                                     \
    }

#define GATHER(expression)                                                                         \
    switch (vector->width) {                                                                       \
    case 1:                                                                                        \
        GATHER_PACKED(uint8_t, expression)                                                         \
        break;                                                                                     \
    case 2:                                                                                        \
        GATHER_PACKED(uint16_t, expression)                                                        \
        break;                                                                                     \
    case 4:                                                                                        \
        GATHER_PACKED(uint32_t, expression)                                                        \
        break;                                                                                     \
    case 8:                                                                                        \
        GATHER_PACKED(uint64_t, expression)                                                        \
        break;                                                                                     \
    default:                                                                                       \
        for (uint32_t p = 0; p < chosen->n; p++) {                                                 \
            uint64_t packed = 0;                                                                   \
            out[p] = (expression);                                                                 \
        }                                                                                          \
    }

int64_t *numbers_gather_integers(worker *w, const numbers *in, const positions *chosen)
{
    const mu_vector *vector = in->vector;
    int64_t *out = worker_numbers(w, chosen->n);
    if (in->node != NULL) {
        for (uint32_t p = 0; p < chosen->n; p++)
            out[p] = in->node->integers[chosen->at[p]];
        return out;
    }
    GATHER((int64_t)((uint64_t)vector->base + packed))
    return out;
}

double *numbers_gather_doubles(worker *w, const numbers *in, const positions *chosen)
{
    const mu_vector *vector = in->vector;
    double *out = worker_numbers(w, chosen->n);
    if (in->node != NULL) {
        for (uint32_t p = 0; p < chosen->n; p++)
            out[p] = in->node->doubles[chosen->at[p]];
        return out;
    }
    if (vector->encoding == MU_ENCODING_DOUBLE) {
        for (uint32_t p = 0; p < chosen->n; p++)
            out[p] = ((const double *)vector->data)[chosen->at[p]];
        return out;
    }
    GATHER(vector_decimal(vector, packed))
    return out;
}
