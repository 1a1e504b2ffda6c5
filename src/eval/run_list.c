/* run_list.c -- nodes between the items of lists and their owners. */
#include "eval/run_int.h"

#include <stdlib.h>

/* Runs the statement that follows with `i` (a uint64_t) for every set bit of the map, ascending. */
#define FOR_EACH_BIT(bits, n, i)                                                                   \
    for (size_t word_ = 0; word_ < mu_bits_words(n); word_++)                                      \
        for (uint64_t rest_ = (bits)[word_], i = 0;                                                \
             rest_ != 0 && (i = word_ * 64 + (uint64_t)__builtin_ctzll(rest_), true);              \
             rest_ &= rest_ - 1)

static mu_code run_broadcast(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const node_value *from = &w->values[node->inputs[0]];
    node_value *out = &w->values[id];
    level_pair *pair;
    MU_TRY(worker_pair(w, node->item_level, node->level, &pair));
    uint32_t n_owners = w->levels[node->item_level].n;
    if (node->kind == VECTOR_BITS) {
        out->bits = worker_bits(w, n);
        FOR_EACH_BIT(from->bits, n_owners, owner)
        {
            for (uint32_t i = pair->offsets[owner]; i < pair->offsets[owner + 1]; i++)
                mu_bit_set(out->bits, i);
        }
        return MU_OK;
    }
    out->data = worker_numbers(w, n);
    out->valid = worker_bits(w, n);
    for (uint32_t owner = 0; owner < n_owners; owner++) {
        bool is_valid = mu_bit_get(from->valid, owner);
        for (uint32_t i = pair->offsets[owner]; i < pair->offsets[owner + 1]; i++) {
            out->integers[i] = from->integers[owner];
            if (is_valid)
                mu_bit_set(out->valid, i);
        }
    }
    return MU_OK;
}

/* Few bits: look at each; many: all owners' stretches at once. */
static mu_code run_any(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    level_pair *pair;
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    uint64_t *out = worker_bits(w, n_owners);
    w->values[id].bits = out;
    uint32_t n_items = w->levels[node->item_level].n;
    size_t n_set = w->job->kernels->count_bits(bits, mu_bits_words(n_items));
    if (n_set == 0)
        return MU_OK;
    if (n_set * 8 > n_owners) {
        worker_pair_ends(w, pair);
        w->job->kernels->any_of_owner(bits, pair->ends, n_items, pair->filled, n_owners, out);
        return MU_OK;
    }
    const uint32_t *owner_of;
    MU_TRY(worker_owner_of(w, node->level, node->item_level, &owner_of));
    FOR_EACH_BIT(bits, n_items, i)
    mu_bit_set(out, owner_of[i]);
    return MU_OK;
}

/* PLAN_FIRST's level is the items', its item_level the owners'. */
static mu_code run_first(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    const uint32_t *owner_of;
    MU_TRY(worker_owner_of(w, node->item_level, node->level, &owner_of));
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    uint32_t last_owner = UINT32_MAX;
    FOR_EACH_BIT(bits, n, i)
    {
        if (owner_of[i] != last_owner) {
            last_owner = owner_of[i];
            mu_bit_set(out, i);
        }
    }
    return MU_OK;
}

/* -------- the numbers of a reduction: a node's, or a column read where it is needed -------- */

typedef struct numbers {
    const node_value *node; /* NULL: the column */
    const mu_vector *vector;
} numbers;

static mu_code numbers_of(worker *w, const plan_node *node, numbers *out)
{
    *out = (numbers){0};
    if (node->n_inputs == 1)
        return worker_vector(w, node->column, &out->vector);
    out->node = &w->values[node->inputs[1]];
    return MU_OK;
}

static inline bool number_is_valid(const numbers *in, uint32_t i)
{
    return in->node != NULL ? mu_bit_get(in->node->valid, i) : vector_is_valid(in->vector, i);
}

static inline int64_t integer_at(const numbers *in, uint32_t i)
{
    if (in->node != NULL)
        return in->node->integers[i];
    return (int64_t)((uint64_t)in->vector->base +
                     load_packed(in->vector->data, in->vector->width, i));
}

static inline double double_at(const numbers *in, uint32_t i)
{
    if (in->node != NULL)
        return in->node->doubles[i];
    if (in->vector->encoding == MU_ENCODING_DOUBLE)
        return ((const double *)in->vector->data)[i];
    return vector_decimal(in->vector, load_packed(in->vector->data, in->vector->width, i));
}

/* -------- the n best items of each owner -------- */

typedef struct ranked {
    uint32_t item;
    bool is_null;
    double number;
    int64_t integer;
} ranked;

typedef struct ranking {
    bool as_double, largest;
} ranking;

/* Negative when `a` comes before `b`: nulls last, equal keys in list order. */
static int rank_order(const ranking *by, const ranked *a, const ranked *b)
{
    if (a->is_null != b->is_null)
        return a->is_null ? 1 : -1;
    if (!a->is_null) {
        bool less = by->as_double ? a->number < b->number : a->integer < b->integer;
        bool more = by->as_double ? a->number > b->number : a->integer > b->integer;
        if (less || more)
            return less == by->largest ? 1 : -1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

static int compare_ranked(const void *a, const void *b, void *by)
{
    return rank_order(by, a, b);
}

static void choose_best(ranked *items, uint32_t n, int64_t wanted, const ranking *by, uint64_t *out)
{
    if (wanted == 1) {
        const ranked *best = &items[0];
        for (uint32_t i = 1; i < n; i++)
            if (rank_order(by, &items[i], best) < 0)
                best = &items[i];
        mu_bit_set(out, best->item);
        return;
    }
    ranking order = *by;
    if ((int64_t)n > wanted)
        qsort_r(items, n, sizeof *items, compare_ranked, &order);
    for (uint32_t i = 0; i < n && (int64_t)i < wanted; i++)
        mu_bit_set(out, items[i].item);
}

static mu_code run_best(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    const uint32_t *owner_of;
    numbers key;
    MU_TRY(numbers_of(w, node, &key));
    MU_TRY(worker_owner_of(w, node->item_level, node->level, &owner_of));
    ranking by = {node->hi != 0, node->flag};
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    if (node->lo <= 0)
        return MU_OK;
    ranked *items = MU_NEW_ARRAY(&w->scratch, ranked, (size_t)n + 1);
    uint32_t n_items = 0, owner = UINT32_MAX;
    FOR_EACH_BIT(bits, n, i)
    {
        if (owner_of[i] != owner && n_items > 0) {
            choose_best(items, n_items, node->lo, &by, out);
            n_items = 0;
        }
        owner = owner_of[i];
        ranked *item = &items[n_items++];
        *item = (ranked){.item = (uint32_t)i, .is_null = !number_is_valid(&key, (uint32_t)i)};
        if (by.as_double)
            item->number = item->is_null ? 0 : double_at(&key, (uint32_t)i);
        else
            item->integer = item->is_null ? 0 : integer_at(&key, (uint32_t)i);
    }
    if (n_items > 0)
        choose_best(items, n_items, node->lo, &by, out);
    return MU_OK;
}

/* -------- numbers of the items -------- */

static mu_code run_count(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    level_pair *pair;
    node_value *out = &w->values[id];
    out->integers = worker_numbers(w, n_owners);
    out->valid = worker_bits(w, n_owners);
    mu_bits_fill(out->valid, n_owners);
    if (node->level == node->item_level) {
        for (uint32_t i = 0; i < n_owners; i++)
            out->integers[i] = mu_bit_get(w->values[node->inputs[0]].bits, i);
        return MU_OK;
    }
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    w->job->kernels->count_of_owner(w->values[node->inputs[0]].bits, pair->offsets, n_owners,
                                    out->integers);
    return MU_OK;
}

typedef struct reduction {
    numbers in;
    uint64_t *bits; /* chosen items whose number is not null */
    const uint32_t *owner_of;
    uint32_t n_items;
} reduction;

static mu_code begin_reduction(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners,
                               reduction *r)
{
    const uint64_t *chosen = w->values[node->inputs[0]].bits;
    r->n_items = w->levels[node->item_level].n;
    MU_TRY(numbers_of(w, node, &r->in));
    MU_TRY(worker_owner_of(w, node->level, node->item_level, &r->owner_of));
    size_t words = mu_bits_words(r->n_items);
    r->bits = worker_raw_bits(w, r->n_items);
    if (r->in.node != NULL) {
        w->job->kernels->and_words(chosen, r->in.node->valid, words, r->bits);
    } else {
        vector_valid_bits(r->in.vector, r->n_items, r->bits);
        w->job->kernels->and_words(chosen, r->bits, words, r->bits);
    }
    node_value *out = &w->values[id];
    out->data = worker_numbers(w, n_owners);
    memset(out->data, 0, (size_t)n_owners * 8);
    out->valid = worker_bits(w, n_owners);
    return MU_OK;
}

/* Doubles in list order; no items: 0 (pql.md 8.3). */
static mu_code run_sum(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    reduction r;
    MU_TRY(begin_reduction(w, id, node, n_owners, &r));
    node_value *out = &w->values[id];
    mu_bits_fill(out->valid, n_owners);
    if (node->kind == VECTOR_DOUBLE) {
        FOR_EACH_BIT(r.bits, r.n_items, i)
        out->doubles[r.owner_of[i]] += double_at(&r.in, (uint32_t)i);
        for (uint32_t o = 0; o < n_owners; o++)
            if (!__builtin_isfinite(out->doubles[o]))
                MU_TRY(worker_bail_element(w, id, node->level, o));
    } else {
        FOR_EACH_BIT(r.bits, r.n_items, i)
        {
            uint32_t o = r.owner_of[i];
            if (__builtin_add_overflow(out->integers[o], integer_at(&r.in, (uint32_t)i),
                                       &out->integers[o]))
                MU_TRY(worker_bail_element(w, id, node->level, o));
        }
    }
    worker_give_bits(w, r.bits, r.n_items);
    return MU_OK;
}

/* LEAST, GREATEST and PICK (whose owners have at most one item). No items: null. */
static mu_code run_extreme(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    reduction r;
    MU_TRY(begin_reduction(w, id, node, n_owners, &r));
    node_value *out = &w->values[id];
    bool least = node->operation == PLAN_LEAST;
    FOR_EACH_BIT(r.bits, r.n_items, i)
    {
        uint32_t o = r.owner_of[i];
        bool is_first = !mu_bit_get(out->valid, o);
        mu_bit_set(out->valid, o);
        if (node->kind == VECTOR_DOUBLE) {
            double number = double_at(&r.in, (uint32_t)i);
            if (is_first || (least ? number < out->doubles[o] : number > out->doubles[o]))
                out->doubles[o] = number;
        } else {
            int64_t number = integer_at(&r.in, (uint32_t)i);
            if (is_first || (least ? number < out->integers[o] : number > out->integers[o]))
                out->integers[o] = number;
        }
    }
    worker_give_bits(w, r.bits, r.n_items);
    return MU_OK;
}

/* -------- distinct values -------- */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_texts(const void *a, const void *b)
{
    return mu_str_compare(*(const mu_str *)a, *(const mu_str *)b);
}

static int64_t count_distinct_keys(uint64_t *keys, uint32_t n)
{
    if (n > 1)
        qsort(keys, n, sizeof *keys, compare_keys);
    int64_t count = n > 0;
    for (uint32_t i = 1; i < n; i++)
        count += keys[i] != keys[i - 1];
    return count;
}

static int64_t count_distinct_texts(mu_str *texts, uint32_t n)
{
    if (n > 1)
        qsort(texts, n, sizeof *texts, compare_texts);
    int64_t count = n > 0;
    for (uint32_t i = 1; i < n; i++)
        count += !mu_str_equal(texts[i], texts[i - 1]);
    return count;
}

/* A number that is equal for equal values of a column that is not stored as plain bytes. Integers
 * stored before the schema widened the column are equal as doubles are. */
static uint64_t vector_key(const mu_vector *vector, mu_type_kind kind, uint32_t i)
{
    if (vector->encoding == MU_ENCODING_BITS)
        return mu_bit_get(vector->data, i);
    if (kind == MU_TYPE_DOUBLE) {
        double number = vector_value(vector, NULL, kind, i).number + 0.0; /* -0.0 equals 0.0 */
        uint64_t key;
        memcpy(&key, &number, sizeof key);
        return key;
    }
    return load_packed(vector->data, vector->width, i);
}

static mu_code run_distinct_count(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    const mu_vector *vector;
    const uint32_t *owner_of;
    MU_TRY(worker_vector(w, node->column, &vector));
    MU_TRY(worker_owner_of(w, node->level, node->item_level, &owner_of));
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    uint32_t n_items = w->levels[node->item_level].n;
    node_value *out = &w->values[id];
    out->integers = worker_numbers(w, n_owners);
    memset(out->integers, 0, (size_t)n_owners * 8);
    out->valid = worker_bits(w, n_owners);
    mu_bits_fill(out->valid, n_owners);
    bool as_text = vector->encoding == MU_ENCODING_BYTES;
    mu_type_kind kind = w->job->plan.columns[node->column].type->kind;
    uint64_t *keys = MU_NEW_ARRAY(&w->scratch, uint64_t, (size_t)n_items + 1);
    mu_str *texts = as_text ? MU_NEW_ARRAY(&w->scratch, mu_str, (size_t)n_items + 1) : NULL;
    uint32_t n = 0, owner = UINT32_MAX;
    FOR_EACH_BIT(bits, n_items, i)
    {
        if (owner_of[i] != owner) {
            if (n > 0)
                out->integers[owner] =
                    as_text ? count_distinct_texts(texts, n) : count_distinct_keys(keys, n);
            n = 0;
            owner = owner_of[i];
        }
        if (as_text)
            texts[n++] = (mu_str){vector->bytes + vector->offsets[i],
                                  vector->offsets[i + 1] - vector->offsets[i]};
        else
            keys[n++] = vector_key(vector, kind, (uint32_t)i);
    }
    if (n > 0)
        out->integers[owner] =
            as_text ? count_distinct_texts(texts, n) : count_distinct_keys(keys, n);
    return MU_OK;
}

mu_code run_list(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    switch (node->operation) {
    case PLAN_BROADCAST:
        return run_broadcast(w, id, node, n);
    case PLAN_ANY:
        return run_any(w, id, node, n);
    case PLAN_FIRST:
        return run_first(w, id, node, n);
    case PLAN_BEST:
        return run_best(w, id, node, n);
    case PLAN_COUNT:
        return run_count(w, id, node, n);
    case PLAN_SUM:
        return run_sum(w, id, node, n);
    case PLAN_DISTINCT_COUNT:
        return run_distinct_count(w, id, node, n);
    default:
        return run_extreme(w, id, node, n);
    }
}
