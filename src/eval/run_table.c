/* run_table.c -- predicates of one value: looked up by dictionary code or by small number, or
 * decided value by value. */
#include "eval/run_int.h"

/* -------- tables -------- */

static void coded_table(worker *w, const mu_vector *vector, const bound_table *table, uint32_t n,
                        uint64_t *out)
{
    const kernel_set *k = w->job->kernels;
    if (table->n_ranges == 0)
        return;
    uint64_t base = (uint64_t)vector->base;
    if (table->n_ranges == UINT32_MAX || table->trips) {
        switch (vector->width) {
        case 1:
            k->table_8(vector->data, n, table->results, out);
            break;
        case 2:
            k->table_16(vector->data, n, table->results, out);
            break;
        case 4:
            k->table_32(vector->data, n, table->results, out);
            break;
        default:
            if (table->results[base] != 0)
                mu_bits_fill(out, n);
        }
        return;
    }
    uint64_t *more = table->n_ranges > 1 ? worker_bits(w, n) : NULL;
    for (uint32_t r = 0; r < table->n_ranges; r++) {
        uint64_t lo = table->ranges[r].first, hi = table->ranges[r].last;
        uint64_t *into = r == 0 ? out : more;
        if (hi < base)
            mu_bits_zero(into, n);
        else
            vector_packed_range(k, vector, n, lo <= base ? 0 : lo - base, hi - base, into);
        if (r > 0)
            k->or_words(out, more, mu_bits_words(n), out);
    }
    worker_give_bits(w, more, n);
}

/* Value by value, remembering recent numbers: dates and small integers repeat. */
#define MEMO_SLOTS 4096u

typedef struct memo {
    int64_t key[MEMO_SLOTS];
    uint8_t result[MEMO_SLOTS]; /* 0x80: the slot is used */
} memo;

static uint8_t evaluate_value(worker *w, const plan_table *table, mu_value value, memo *memory)
{
    if (value.kind == MU_TYPE_STRING || memory == NULL)
        return table_evaluate(w->job, table, value, &w->row_arena);
    int64_t key = value.kind == MU_TYPE_BOOLEAN ? value.boolean : value.integer;
    uint32_t slot = (uint32_t)(((uint64_t)key * 0x9e3779b97f4a7c15u) >> 52) % MEMO_SLOTS;
    if (memory->result[slot] == 0 || memory->key[slot] != key) {
        memory->result[slot] =
            (uint8_t)(0x80 | table_evaluate(w->job, table, value, &w->row_arena));
        memory->key[slot] = key;
    }
    return memory->result[slot] & 0x7f;
}

/* Narrow numbers from within the table, of which none trips; false: not such. */
static bool narrow_number_table(worker *w, const mu_vector *vector, const bound_table *table,
                                uint32_t n, uint64_t *out)
{
    uint64_t base = (uint64_t)vector->base - (uint64_t)table->base;
    if (base >= table->n || table->trips || vector->width > 2 || vector->width == 0)
        return false;
    if (vector->width == 1)
        w->job->kernels->table_8(vector->data, n, table->results + base, out);
    else
        w->job->kernels->table_16(vector->data, n, table->results + base, out);
    vector_keep_valid(w, vector, n, out);
    return true;
}

/* Numbers that lie close together. A part may say what it likes, so every number is checked. */
static mu_code number_table(worker *w, uint32_t id, const plan_node *node, const mu_vector *vector,
                            uint32_t n, uint64_t *out)
{
    const bound_table *table = &w->bound->tables[node->table_index];
    uint64_t base = (uint64_t)vector->base - (uint64_t)table->base;
    if (narrow_number_table(w, vector, table, n, out))
        return MU_OK;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = base + load_packed(vector->data, vector->width, i);
        uint8_t result = at < table->n ? table->results[at] : 0;
        if (result == 0 || !vector_is_valid(vector, i))
            continue;
        if (result & TABLE_TRUE)
            mu_bit_set(out, i);
        if (result & TABLE_TRIPS)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}

/* -------- a constant within texts: the bytes of the block are searched as one -------- */

/* Sets the bits of texts that hold the needle. A place counts when the needle ends within the text
 * that it begins in. */
static void find_in_texts(worker *w, const mu_vector *vector, uint32_t n, mu_str needle,
                          uint64_t *out)
{
    const uint32_t *offsets = vector->offsets;
    uint32_t n_bytes = offsets[n], text = 0;
    if (n_bytes < needle.len)
        return;
    uint64_t *places = worker_raw_bits(w, n_bytes);
    w->job->kernels->find_ends(vector->bytes, n_bytes, needle.ptr, needle.len, places);
    for (size_t word = 0; word < mu_bits_words(n_bytes); word++) {
        for (uint64_t rest = places[word]; rest != 0; rest &= rest - 1) {
            uint32_t at = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(rest);
            while (text + 16 < n && offsets[text + 16] <= at)
                text += 16;
            while (offsets[text + 1] <= at)
                text++;
            if (at + needle.len <= offsets[text + 1] &&
                (needle.len <= 2 || memcmp(vector->bytes + at, needle.ptr, needle.len) == 0))
                mu_bit_set(out, text);
        }
    }
    worker_give_bits(w, places, n_bytes);
}

/* Where a constant must stand in a text. */
typedef enum text_place { AT_BEGIN, AT_END, AS_WHOLE } text_place;

/* The first bytes of a needle, at most eight, as a number under a mask. */
typedef struct needle_head {
    uint64_t mask, bytes;
} needle_head;

static uint64_t load_8(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

static needle_head head_of(mu_str needle)
{
    char room[8] = {0}, mask[8] = {0};
    size_t n = needle.len < sizeof room ? needle.len : sizeof room;
    memcpy(room, needle.ptr, n);
    memset(mask, 0xff, n);
    return (needle_head){load_8(mask), load_8(room)};
}

/* Eight bytes of each text are compared at once; they may be read past the last text's end. */
static void compare_texts(const mu_vector *vector, uint32_t n, mu_str needle, text_place place,
                          uint64_t *out)
{
    const uint32_t *offsets = vector->offsets;
    needle_head head = head_of(needle);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = offsets[i], length = offsets[i + 1] - from;
        bool fits = place == AS_WHOLE ? length == needle.len : length >= needle.len;
        if (place == AT_END && fits)
            from += length - (uint32_t)needle.len;
        fits &= (load_8(vector->bytes + from) & head.mask) == head.bytes;
        if (fits && needle.len > 8)
            fits = memcmp(vector->bytes + from, needle.ptr, needle.len) == 0;
        out[i / 64] |= (uint64_t)fits << (i % 64);
    }
}

/* A constant in, at the ends of or as texts, and the opposites; false for other tests. */
static bool search_texts(worker *w, const text_predicate *test, const mu_vector *vector, uint32_t n,
                         uint64_t *out)
{
    bool is_negative = false;
    switch (test->function) {
    case MU_FN_NOT_EQUAL:
    case MU_FN_NOT_EQUAL_TO:
        is_negative = true; /* fall through */
    case MU_FN_EQUAL:
    case MU_FN_EQUALS:
        compare_texts(vector, n, test->constant, AS_WHOLE, out);
        break;
    case MU_FN_DOES_NOT_START_WITH:
        is_negative = true; /* fall through */
    case MU_FN_STARTS_WITH:
        compare_texts(vector, n, test->constant, AT_BEGIN, out);
        break;
    case MU_FN_DOES_NOT_END_WITH:
        is_negative = true; /* fall through */
    case MU_FN_ENDS_WITH:
        compare_texts(vector, n, test->constant, AT_END, out);
        break;
    case MU_FN_DOES_NOT_CONTAIN:
        is_negative = true; /* fall through */
    case MU_FN_CONTAINS:
        if (test->constant.len == 0)
            return false;
        find_in_texts(w, vector, n, test->constant, out);
        break;
    default:
        return false;
    }
    if (is_negative)
        w->job->kernels->not_bits(out, n, out);
    vector_keep_valid(w, vector, n, out);
    return true;
}

/* Plain texts against a constant, without the reference evaluator. */
static mu_code quick_texts(worker *w, uint32_t id, const plan_node *node, const mu_vector *vector,
                           uint32_t n, uint64_t *out)
{
    if (search_texts(w, node->table->quick, vector, n, out))
        return MU_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (!vector_is_valid(vector, i))
            continue;
        mu_str text = {vector->bytes + vector->offsets[i],
                       vector->offsets[i + 1] - vector->offsets[i]};
        uint8_t result = text_predicate_run(node->table->quick, text);
        if (result & TABLE_TRUE)
            mu_bit_set(out, i);
        if (result & TABLE_TRIPS)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}

static mu_code valued_table(worker *w, uint32_t id, const plan_node *node, const mu_vector *vector,
                            uint32_t n, uint64_t *out)
{
    mu_dictionary dictionary = {0};
    if (vector->encoding == MU_ENCODING_CODES)
        dictionary = mu_part_dictionary(w->bound->part, w->bound->columns[node->column]);
    memo *memory = vector->encoding == MU_ENCODING_BYTES ? NULL : MU_NEW(&w->scratch, memo);
    for (uint32_t i = 0; i < n; i++) {
        if (!vector_is_valid(vector, i))
            continue;
        mu_value value = vector_value(vector, &dictionary, node->table->input, i);
        uint8_t result = evaluate_value(w, node->table, value, memory);
        if (result & TABLE_TRUE)
            mu_bit_set(out, i);
        if (result & TABLE_TRIPS)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}

/* Elements whose code trips a guard leave their row to the reference evaluator. */
static mu_code bail_tripping_codes(worker *w, uint32_t id, const plan_node *node,
                                   const mu_vector *vector, const bound_table *table, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t code = (uint64_t)vector->base + load_packed(vector->data, vector->width, i);
        if (vector_is_valid(vector, i) && (table->results[code] & TABLE_TRIPS) != 0)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}

mu_code run_table(worker *w, uint32_t id, const plan_node *node, const mu_vector *vector,
                  uint32_t n, uint64_t *out)
{
    const plan_table *table = node->table;
    const bound_table *bound = &w->bound->tables[node->table_index];
    if (vector->encoding != MU_ENCODING_NONE) {
        if (vector->encoding == MU_ENCODING_CODES && bound->is_decided) {
            coded_table(w, vector, bound, n, out);
            vector_keep_valid(w, vector, n, out);
            if (bound->trips)
                MU_TRY(bail_tripping_codes(w, id, node, vector, bound, n));
        } else if (vector->encoding == MU_ENCODING_INTEGER && bound->is_decided) {
            MU_TRY(number_table(w, id, node, vector, n, out));
        } else {
            MU_TRY(vector->encoding == MU_ENCODING_BYTES && table->quick != NULL
                       ? quick_texts(w, id, node, vector, n, out)
                       : valued_table(w, id, node, vector, n, out));
        }
    }
    if (vector->n_null == 0 || (!table->of_null && !table->null_trips))
        return MU_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (vector_is_valid(vector, i))
            continue;
        if (table->of_null)
            mu_bit_set(out, i);
        if (table->null_trips)
            MU_TRY(worker_bail_element(w, id, node->level, i));
    }
    return MU_OK;
}
