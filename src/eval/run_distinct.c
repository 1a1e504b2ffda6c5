/* run_distinct.c -- how many different values the chosen items of each owner have, and how many
 * items the most or least frequent of them.
 *
 * A value becomes a key: its code or number, or a text's hash. Up to 64 keys an owner's values are
 * bits of one word; more, but not many more than there are items, are stamped with the last owner
 * that had them; all others go through a small hash table whose slots are stamped so.
 */
#include "eval/run_list_int.h"

typedef enum counted { DISTINCT_VALUES, LARGEST_GROUP, SMALLEST_GROUP } counted;

typedef struct counting {
    counted what;
    const uint32_t *offsets; /* of the owners */
    uint32_t n_owners;
    const positions *chosen;
    int64_t *out; /* no items: 0 */
} counting;

static void count_by_word(const counting *c, const uint64_t *keys)
{
    for (uint32_t o = 0, p = 0; o < c->n_owners; o++) {
        uint64_t seen = 0;
        for (; c->chosen->at[p] < c->offsets[o + 1]; p++)
            seen |= (uint64_t)1 << keys[p];
        c->out[o] = __builtin_popcountll(seen);
    }
}

/* The items of one key, while `owner` is the owner that is counted. */
typedef struct key_group {
    uint32_t owner, size;
} key_group;

/* One more item; the owner's groups so far and the largest of them follow. */
static void add_to_group(key_group *group, uint32_t owner, int64_t *n_groups, int64_t *largest)
{
    bool is_new = group->owner != owner;
    group->size = is_new ? 1 : group->size + 1;
    group->owner = owner;
    *n_groups += is_new;
    *largest = group->size > *largest ? group->size : *largest;
}

static int64_t smallest_of(const key_group *groups, const uint64_t *keys, uint32_t from,
                           uint32_t to)
{
    int64_t smallest = INT64_MAX;
    for (uint32_t p = from; p < to; p++)
        smallest = groups[keys[p]].size < smallest ? groups[keys[p]].size : smallest;
    return from < to ? smallest : 0;
}

/* Keys below `n_keys`. */
static void count_by_stamp(worker *w, const counting *c, const uint64_t *keys, uint32_t n_keys)
{
    key_group *groups = worker_numbers(w, n_keys);
    memset(groups, 0xff, (size_t)n_keys * sizeof *groups);
    for (uint32_t o = 0, p = 0; o < c->n_owners; o++) {
        int64_t n = 0, largest = 0;
        uint32_t from = p;
        for (; c->chosen->at[p] < c->offsets[o + 1]; p++)
            add_to_group(&groups[keys[p]], o, &n, &largest);
        c->out[o] = c->what == DISTINCT_VALUES ? n
                    : c->what == LARGEST_GROUP ? largest
                                               : smallest_of(groups, keys, from, p);
    }
    worker_give_numbers(w, groups, n_keys);
}

/* -------- any key -------- */

typedef struct slot {
    uint64_t key;
    uint32_t item;
} slot;

static uint32_t longest_owner(const counting *c)
{
    uint32_t longest = 0;
    for (uint32_t o = 0, p = 0; o < c->n_owners; o++) {
        uint32_t from = p;
        while (c->chosen->at[p] < c->offsets[o + 1])
            p++;
        longest = p - from > longest ? p - from : longest;
    }
    return longest;
}

static mu_str text_at(const mu_vector *texts, uint32_t i)
{
    return (mu_str){texts->bytes + texts->offsets[i], texts->offsets[i + 1] - texts->offsets[i]};
}

/* Replaces keys by places in a table of `capacity` slots, in which each owner has its own.
 * `texts`: equal keys are equal only when these are; NULL: always. */
static void number_keys(worker *w, const counting *c, uint64_t *keys, const mu_vector *texts,
                        uint32_t capacity)
{
    slot *slots = worker_numbers(w, capacity * 2);
    uint32_t *owner_of = worker_numbers(w, capacity / 2);
    memset(owner_of, 0xff, (size_t)capacity * 4);
    for (uint32_t o = 0, p = 0; o < c->n_owners; o++) {
        for (; c->chosen->at[p] < c->offsets[o + 1]; p++) {
            uint32_t item = c->chosen->at[p];
            uint32_t s = (uint32_t)((keys[p] * 0x9e3779b97f4a7c15u) >> 32) & (capacity - 1);
            while (owner_of[s] == o &&
                   (slots[s].key != keys[p] ||
                    (texts != NULL &&
                     !mu_str_equal(text_at(texts, slots[s].item), text_at(texts, item)))))
                s = (s + 1) & (capacity - 1);
            slots[s] = (slot){keys[p], item};
            owner_of[s] = o;
            keys[p] = s;
        }
    }
    worker_give_numbers(w, owner_of, capacity / 2);
    worker_give_numbers(w, slots, capacity * 2);
}

static void count_by_hash(worker *w, const counting *c, uint64_t *keys, const mu_vector *texts)
{
    uint32_t longest = longest_owner(c), capacity = 16;
    while (capacity < longest * 2)
        capacity *= 2;
    number_keys(w, c, keys, texts, capacity);
    count_by_stamp(w, c, keys, capacity);
}

/* -------- keys -------- */

static uint64_t *hash_texts(worker *w, const mu_vector *vector, const positions *chosen)
{
    uint64_t *keys = worker_numbers(w, chosen->n);
    for (uint32_t p = 0; p < chosen->n; p++) {
        mu_str text = text_at(vector, chosen->at[p]);
        keys[p] = mu_hash64(text.ptr, text.len, 0);
    }
    return keys;
}

/* Doubles as bits, -0.0 as 0.0. Integers that were stored before the schema widened their column
 * are equal as doubles are. */
static uint64_t *double_keys(worker *w, const mu_vector *vector, const positions *chosen)
{
    double *doubles = numbers_gather_doubles(w, &(numbers){.vector = vector}, chosen);
    for (uint32_t p = 0; p < chosen->n; p++)
        doubles[p] += 0.0;
    return (uint64_t *)(void *)doubles;
}

/* Packed numbers, without their base, which all elements share. */
static uint64_t *packed_keys(worker *w, const mu_vector *vector, const positions *chosen)
{
    mu_vector packed = *vector;
    packed.base = 0;
    return (uint64_t *)(void *)numbers_gather_integers(w, &(numbers){.vector = &packed}, chosen);
}

static uint64_t *bit_keys(worker *w, const mu_vector *vector, const positions *chosen)
{
    uint64_t *keys = worker_numbers(w, chosen->n);
    for (uint32_t p = 0; p < chosen->n; p++)
        keys[p] = mu_bit_get(vector->data, chosen->at[p]);
    return keys;
}

/* How many different keys there can be; UINT64_MAX: no small number. */
static uint64_t key_limit(worker *w, const plan_node *node, const mu_vector *vector, bool is_double)
{
    switch (vector->encoding) {
    case MU_ENCODING_BITS:
        return 2;
    case MU_ENCODING_CODES:
        return mu_part_dictionary(w->bound->part, w->bound->columns[node->column]).n;
    case MU_ENCODING_INTEGER:
        if (is_double)
            return UINT64_MAX;
        return vector->width <= 2 ? (uint64_t)1 << (8 * vector->width) : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

static uint64_t *keys_of(worker *w, const mu_vector *vector, const positions *chosen,
                         bool is_double)
{
    switch (vector->encoding) {
    case MU_ENCODING_BITS:
        return bit_keys(w, vector, chosen);
    case MU_ENCODING_BYTES:
        return hash_texts(w, vector, chosen);
    default:
        return is_double ? double_keys(w, vector, chosen) : packed_keys(w, vector, chosen);
    }
}

#define KEYS_ALWAYS_STAMPED 4096u

static counted what_of(const plan_node *node)
{
    if (node->operation == PLAN_DISTINCT_COUNT)
        return DISTINCT_VALUES;
    return node->flag ? LARGEST_GROUP : SMALLEST_GROUP;
}

mu_code run_groups(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    const mu_vector *vector;
    level_pair *pair;
    MU_TRY(worker_vector(w, node->column, &vector));
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    uint32_t n_items = w->levels[node->item_level].n;
    node_value *out = &w->values[id];
    out->integers = worker_numbers(w, n_owners);
    out->valid = worker_raw_bits(w, n_owners);
    uint64_t *bits = worker_raw_bits(w, n_items);
    numbers_choose(w, &(numbers){.vector = vector}, w->values[node->inputs[0]].bits, n_items, bits);
    positions chosen = positions_take(w, bits, n_items);
    bool is_double = w->job->plan.columns[node->column].type->kind == MU_TYPE_DOUBLE;
    uint64_t *keys = keys_of(w, vector, &chosen, is_double);
    uint64_t n_keys = key_limit(w, node, vector, is_double);
    counting c = {what_of(node), pair->offsets, n_owners, &chosen, out->integers};
    if (n_keys <= 64 && c.what == DISTINCT_VALUES)
        count_by_word(&c, keys);
    else if (n_keys <= KEYS_ALWAYS_STAMPED || n_keys <= chosen.n)
        count_by_stamp(w, &c, keys, (uint32_t)n_keys);
    else
        count_by_hash(w, &c, keys, vector->encoding == MU_ENCODING_BYTES ? vector : NULL);
    mu_bits_fill(out->valid, n_owners);
    if (c.what != DISTINCT_VALUES)
        w->job->kernels->range_64((const uint64_t *)out->integers, n_owners, 1, INT64_MAX - 1,
                                  out->valid);
    worker_give_numbers(w, keys, chosen.n);
    positions_give(w, &chosen);
    worker_give_bits(w, bits, n_items);
    return MU_OK;
}
