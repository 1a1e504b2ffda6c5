/* run_scalar.c -- nodes whose result has the level of their inputs: column tests, numbers, Boolean.
 */
#include "eval/run_int.h"

#include <float.h>
#include <math.h>

/* -------- ranges -------- */

static void integer_range(worker *w, const mu_vector *vector, uint32_t n, int64_t lo, int64_t hi,
                          uint64_t *out)
{
    if (vector->encoding != MU_ENCODING_INTEGER || !vector->has_range || lo > vector->max ||
        hi < vector->min)
        return; /* already zero */
    if (lo <= vector->min && hi >= vector->max) {
        vector_valid_bits(vector, n, out);
        return;
    }
    if (vector->width == 8) { /* whole numbers: the difference to lo, in any base */
        w->job->kernels->range_64(vector->data, n, (uint64_t)lo - (uint64_t)vector->base,
                                  (uint64_t)hi - (uint64_t)lo, out);
    } else {
        uint64_t from = lo <= vector->base ? 0 : (uint64_t)lo - (uint64_t)vector->base;
        vector_packed_range(w->job->kernels, vector, n, from, (uint64_t)hi - (uint64_t)vector->base,
                            out);
    }
    vector_keep_valid(w, vector, n, out);
}

/* The first packed number in [0, largest] whose double is >= bound (> when `strictly`), or largest
 * + 1. The double never falls as the number grows. */
static uint64_t first_packed(const mu_vector *vector, uint64_t largest, double bound, bool strictly)
{
    uint64_t lo = 0, hi = largest;
    double last = vector_decimal(vector, largest);
    if (strictly ? !(last > bound) : !(last >= bound))
        return largest + 1;
    while (lo < hi) {
        uint64_t middle = lo + (hi - lo) / 2;
        double value = vector_decimal(vector, middle);
        if (strictly ? value > bound : value >= bound)
            hi = middle;
        else
            lo = middle + 1;
    }
    return lo;
}

static void double_range(worker *w, const mu_vector *vector, uint32_t n, double lo, double hi,
                         uint64_t *out)
{
    switch (vector->encoding) {
    case MU_ENCODING_DOUBLE:
        w->job->kernels->range_double(vector->data, n, lo, hi, out);
        break;
    case MU_ENCODING_INTEGER: { /* written before the schema widened the column */
        int64_t from, to;
        if (plan_integer_bounds(lo, hi, &from, &to))
            integer_range(w, vector, n, from, to, out);
        return;
    }
    case MU_ENCODING_DECIMAL: { /* at most 4 bytes wide */
        uint64_t largest = ((uint64_t)1 << (vector->width * 8)) - 1;
        uint64_t from = first_packed(vector, largest, lo, false);
        uint64_t past = first_packed(vector, largest, hi, true);
        if (from < past)
            vector_packed_range(w->job->kernels, vector, n, from, past - 1, out);
        break;
    }
    default:
        return;
    }
    vector_keep_valid(w, vector, n, out);
}

/* -------- texts of two columns -------- */

static bool holds(mu_pql_function function, int order)
{
    switch (function) {
    case MU_FN_EQUAL:
        return order == 0;
    case MU_FN_NOT_EQUAL:
        return order != 0;
    case MU_FN_LESS:
        return order < 0;
    case MU_FN_LESS_EQUAL:
        return order <= 0;
    case MU_FN_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static mu_code run_text_compare(worker *w, const plan_node *node, uint32_t n, uint64_t *out)
{
    const mu_vector *a, *b;
    MU_TRY(worker_vector(w, node->column, &a));
    MU_TRY(worker_vector(w, node->column2, &b));
    if (a->encoding == MU_ENCODING_NONE || b->encoding == MU_ENCODING_NONE)
        return MU_OK;
    mu_dictionary words_a = mu_part_dictionary(w->bound->part, w->bound->columns[node->column]);
    mu_dictionary words_b = mu_part_dictionary(w->bound->part, w->bound->columns[node->column2]);
    for (uint32_t i = 0; i < n; i++) {
        if (!vector_is_valid(a, i) || !vector_is_valid(b, i))
            continue;
        mu_str text_a = vector_value(a, &words_a, MU_TYPE_STRING, i).string;
        mu_str text_b = vector_value(b, &words_b, MU_TYPE_STRING, i).string;
        if (holds(node->function, mu_str_compare(text_a, text_b)))
            mu_bit_set(out, i);
    }
    return MU_OK;
}

/* -------- tests of one column -------- */

static mu_code run_column_test(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const mu_vector *vector;
    MU_TRY(worker_vector(w, node->column, &vector));
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    if (n == 0)
        return MU_OK;
    switch (node->operation) {
    case PLAN_VALID:
        vector_valid_bits(vector, n, out);
        return MU_OK;
    case PLAN_TRUE_BITS:
        if (vector->encoding == MU_ENCODING_BITS) {
            memcpy(out, vector->data, mu_bits_words(n) * 8);
            vector_keep_valid(w, vector, n, out);
        }
        return MU_OK;
    case PLAN_RANGE:
        integer_range(w, vector, n, node->lo, node->hi, out);
        return MU_OK;
    case PLAN_DOUBLE_RANGE:
        double_range(w, vector, n, node->dlo, node->dhi, out);
        return MU_OK;
    case PLAN_TEXT_COMPARE:
        return run_text_compare(w, node, n, out);
    default:
        return run_table(w, id, node, vector, n, out);
    }
}

/* -------- numbers -------- */

static node_value *new_numbers(worker *w, uint32_t id, uint32_t n)
{
    node_value *value = &w->values[id];
    value->data = worker_numbers(w, n);
    value->valid = worker_bits(w, n);
    return value;
}

static mu_code run_load(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const mu_vector *vector;
    MU_TRY(worker_vector(w, node->column, &vector));
    node_value *out = new_numbers(w, id, n);
    vector_valid_bits(vector, n, out->valid);
    bool as_double = node->kind == VECTOR_DOUBLE;
    switch (vector->encoding) {
    case MU_ENCODING_INTEGER:
        for (uint32_t i = 0; i < n; i++) {
            int64_t number =
                (int64_t)((uint64_t)vector->base + load_packed(vector->data, vector->width, i));
            if (as_double)
                out->doubles[i] = (double)number;
            else
                out->integers[i] = number;
        }
        break;
    case MU_ENCODING_DOUBLE:
        memcpy(out->doubles, vector->data, (size_t)n * 8);
        break;
    case MU_ENCODING_DECIMAL:
        for (uint32_t i = 0; i < n; i++)
            out->doubles[i] = vector_decimal(vector, load_packed(vector->data, vector->width, i));
        break;
    default:
        memset(out->data, 0, (size_t)n * 8);
    }
    return MU_OK;
}

static void run_constant(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    if (node->kind == VECTOR_BITS) {
        w->values[id].bits = worker_bits(w, n);
        if (node->flag)
            mu_bits_fill(w->values[id].bits, n);
        return;
    }
    node_value *out = new_numbers(w, id, n);
    if (node->flag)
        mu_bits_fill(out->valid, n);
    for (uint32_t i = 0; i < n; i++) {
        if (node->kind == VECTOR_DOUBLE)
            out->doubles[i] = node->dlo;
        else
            out->integers[i] = node->lo;
    }
}

/* pql.md 6.5 on integers; false: null. An overflow is for the reference evaluator. */
static bool integer_arithmetic(mu_pql_function function, int64_t a, int64_t b, int64_t *out,
                               bool *overflows)
{
    switch (function) {
    case MU_FN_ADD:
        *overflows = __builtin_add_overflow(a, b, out);
        return true;
    case MU_FN_SUBTRACT:
        *overflows = __builtin_sub_overflow(a, b, out);
        return true;
    case MU_FN_MULTIPLY:
        *overflows = __builtin_mul_overflow(a, b, out);
        return true;
    default: /* REMAINDER */
        *overflows = false;
        if (b == 0)
            return false;
        *out = b == -1 ? 0 : a % b;
        return true;
    }
}

static bool double_remainder(double a, double b, double *out)
{
    if (b == 0)
        return false;
    *out = fmod(a, b);
    return isfinite(*out);
}

/* Results that are not finite are null, and so is a division by zero, whose result never is. */
static void double_results(worker *w, const plan_node *node, uint32_t n, const double *a,
                           const double *b, node_value *out)
{
    uint64_t *finite = worker_raw_bits(w, n);
    double *result = out->doubles;
    for (uint32_t i = 0; node->function == MU_FN_ADD && i < n; i++)
        result[i] = a[i] + b[i];
    for (uint32_t i = 0; node->function == MU_FN_SUBTRACT && i < n; i++)
        result[i] = a[i] - b[i];
    for (uint32_t i = 0; node->function == MU_FN_MULTIPLY && i < n; i++)
        result[i] = a[i] * b[i];
    for (uint32_t i = 0; node->function == MU_FN_DIVIDE && i < n; i++)
        result[i] = a[i] / b[i];
    w->job->kernels->range_double(result, n, -DBL_MAX, DBL_MAX, finite);
    w->job->kernels->and_words(out->valid, finite, mu_bits_words(n), out->valid);
    worker_give_bits(w, finite, n);
}

static mu_code run_arithmetic(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const node_value *a = &w->values[node->inputs[0]], *b = &w->values[node->inputs[1]];
    node_value *out = new_numbers(w, id, n);
    w->job->kernels->and_words(a->valid, b->valid, mu_bits_words(n), out->valid);
    if (node->kind == VECTOR_DOUBLE && node->function != MU_FN_REMAINDER) {
        double_results(w, node, n, a->doubles, b->doubles, out);
        return MU_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool overflows = false, ok = true;
        out->integers[i] = 0;
        if (!mu_bit_get(out->valid, i))
            continue;
        if (node->kind == VECTOR_DOUBLE)
            ok = double_remainder(a->doubles[i], b->doubles[i], &out->doubles[i]);
        else
            ok = integer_arithmetic(node->function, a->integers[i], b->integers[i],
                                    &out->integers[i], &overflows);
        if (!ok)
            mu_bit_clear(out->valid, i);
        if (overflows)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}

static mu_code run_negate(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const node_value *a = &w->values[node->inputs[0]];
    node_value *out = new_numbers(w, id, n);
    memcpy(out->valid, a->valid, mu_bits_words(n) * 8);
    for (uint32_t i = 0; i < n; i++) {
        if (node->kind == VECTOR_DOUBLE) {
            out->doubles[i] = -a->doubles[i];
        } else if (__builtin_sub_overflow(0, a->integers[i], &out->integers[i]) &&
                   mu_bit_get(a->valid, i)) {
            MU_TRY(worker_bail_element(w, id, node->level, i));
        }
    }
    return MU_OK;
}

static void run_convert(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const node_value *a = &w->values[node->inputs[0]];
    node_value *out = new_numbers(w, id, n);
    memcpy(out->valid, a->valid, mu_bits_words(n) * 8);
    for (uint32_t i = 0; i < n; i++) {
        if (node->operation == PLAN_TO_DOUBLE)
            out->doubles[i] = (double)a->integers[i];
        else if (!mu_bit_get(a->valid, i))
            out->integers[i] = 0;
        else
            out->integers[i] =
                node->flag ? a->integers[i] * MU_DAY_MS : mu_day_of_ms(a->integers[i]);
    }
}

static void run_select(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const uint64_t *chosen = w->values[node->inputs[0]].bits;
    const node_value *a = &w->values[node->inputs[1]], *b = &w->values[node->inputs[2]];
    node_value *out = new_numbers(w, id, n);
    for (uint32_t i = 0; i < n; i++)
        out->integers[i] = mu_bit_get(chosen, i) ? a->integers[i] : b->integers[i];
    for (size_t word = 0; word < mu_bits_words(n); word++)
        out->valid[word] = (chosen[word] & a->valid[word]) | (~chosen[word] & b->valid[word]);
}

static void run_compare(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const kernel_set *k = w->job->kernels;
    const node_value *a = &w->values[node->inputs[0]], *b = &w->values[node->inputs[1]];
    uint64_t *out = worker_raw_bits(w, n);
    w->values[id].bits = out;
    int op = (int)node->function - (int)MU_FN_EQUAL;
    if (w->job->plan.nodes[node->inputs[0]].kind == VECTOR_DOUBLE)
        k->compare_double(op, a->doubles, b->doubles, n, out);
    else
        k->compare_integer(op, a->integers, b->integers, n, out);
    k->and_words(out, a->valid, mu_bits_words(n), out);
    k->and_words(out, b->valid, mu_bits_words(n), out);
}

static void run_in_range(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const kernel_set *k = w->job->kernels;
    const node_value *a = &w->values[node->inputs[0]];
    uint64_t *out = worker_raw_bits(w, n);
    w->values[id].bits = out;
    if (w->job->plan.nodes[node->inputs[0]].kind == VECTOR_DOUBLE)
        k->range_double(a->doubles, n, node->dlo, node->dhi, out);
    else
        k->range_64((const uint64_t *)a->integers, n, (uint64_t)node->lo,
                    (uint64_t)node->hi - (uint64_t)node->lo, out);
    k->and_words(out, a->valid, mu_bits_words(n), out);
}

/* -------- Boolean -------- */

static void run_and_or(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const kernel_set *k = w->job->kernels;
    size_t words = mu_bits_words(n);
    uint64_t *out = worker_raw_bits(w, n);
    w->values[id].bits = out;
    void (*combine)(const uint64_t *, const uint64_t *, size_t, uint64_t *) =
        node->operation == PLAN_AND ? k->and_words : k->or_words;
    combine(w->values[node->inputs[0]].bits, w->values[node->inputs[1]].bits, words, out);
    for (uint32_t i = 2; i < node->n_inputs; i++)
        combine(out, w->values[node->inputs[i]].bits, words, out);
}

mu_code run_scalar(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    switch (node->operation) {
    case PLAN_CONSTANT:
        run_constant(w, id, node, n);
        return MU_OK;
    case PLAN_AND:
    case PLAN_OR:
        run_and_or(w, id, node, n);
        return MU_OK;
    case PLAN_NOT:
        w->values[id].bits = worker_raw_bits(w, n);
        w->job->kernels->not_bits(w->values[node->inputs[0]].bits, n, w->values[id].bits);
        return MU_OK;
    case PLAN_COMPARE:
        run_compare(w, id, node, n);
        return MU_OK;
    case PLAN_IN_RANGE:
        run_in_range(w, id, node, n);
        return MU_OK;
    case PLAN_IS_VALID:
        w->values[id].bits = worker_raw_bits(w, n);
        memcpy(w->values[id].bits, w->values[node->inputs[0]].valid, mu_bits_words(n) * 8);
        return MU_OK;
    case PLAN_LOAD:
        return run_load(w, id, node, n);
    case PLAN_TO_DOUBLE:
    case PLAN_SCALE:
        run_convert(w, id, node, n);
        return MU_OK;
    case PLAN_ARITHMETIC:
        return run_arithmetic(w, id, node, n);
    case PLAN_NEGATE:
        return run_negate(w, id, node, n);
    case PLAN_SELECT:
        run_select(w, id, node, n);
        return MU_OK;
    default:
        return run_column_test(w, id, node, n);
    }
}
