#include "store/part_int.h"

#include <stdlib.h>

static mu_code bad_vector(const mu_part *part, uint32_t vector, uint32_t block, const char *what,
                          mu_err *err)
{
    char path[256];
    mu_part_column_path(part, vector, path, sizeof path);
    return mu_fail(err, MU_E_CORRUPT, "%s: column %s, block %u: %s", part->path, path, block, what);
}

/* -------- the file as a whole -------- */

/* Header, areas, sections and footer fill the file: nothing lies between them unchecked. */
static mu_code verify_extents(const mu_part *part, mu_err *err)
{
    const mu_part_footer *f = &part->footer;
    uint64_t size = sizeof(mu_part_header) + sizeof(mu_part_footer);
    size += f->columns.size + f->blocks.size + f->dictionaries.size + f->vectors.size +
            f->hashes.size + f->rows.size;
    for (uint32_t v = 0; v < part->n_vectors; v++)
        size += part->dictionaries[v].size;
    for (uint64_t i = 0; i < (uint64_t)f->n_blocks * part->n_vectors; i++)
        size += part->vectors[i].size;
    if (size == f->file_size)
        return MU_OK;
    return mu_fail(err, MU_E_CORRUPT, "%s: its areas do not add up to the file", part->path);
}

static mu_code verify_dictionary(const mu_part *part, uint32_t vector, mu_err *err)
{
    mu_dictionary dictionary;
    MU_TRY(mu_part_check_dictionary(part, vector, &dictionary, err));
    for (uint32_t i = 1; i < dictionary.n; i++) {
        if (mu_str_compare(mu_dictionary_get(&dictionary, i - 1),
                           mu_dictionary_get(&dictionary, i)) < 0)
            continue;
        char path[256];
        mu_part_column_path(part, vector, path, sizeof path);
        return mu_fail(err, MU_E_CORRUPT, "%s: dictionary of column %s: its strings do not ascend",
                       part->path, path);
    }
    return MU_OK;
}

/* -------- vectors -------- */

static bool integer_range_is_true(const mu_vector *v)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < v->n; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        int64_t value = mu_vector_integer(v, i);
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    return v->has_range && v->min == min && v->max == max;
}

static double double_of(int64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Not-a-numbers leave a vector without a range. */
static bool double_range_is_true(const mu_vector *v)
{
    double min = 0, max = 0;
    bool is_first = true, is_ordered = true;
    for (uint32_t i = 0; i < v->n; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        double value = mu_vector_double(v, i);
        is_ordered &= value == value;
        min = is_first || value < min ? value : min;
        max = is_first || value > max ? value : max;
        is_first = false;
    }
    if (!is_ordered)
        return !v->has_range;
    return v->has_range && double_of(v->min) == min && double_of(v->max) == max;
}

static const char *verify_values(const mu_vector *v)
{
    switch (v->encoding) {
    case MU_ENCODING_INTEGER:
    case MU_ENCODING_CODES:
        return integer_range_is_true(v) ? NULL : "its least and greatest value are wrong";
    case MU_ENCODING_DOUBLE:
    case MU_ENCODING_DECIMAL:
        return double_range_is_true(v) ? NULL : "its least and greatest value are wrong";
    case MU_ENCODING_BYTES:
    case MU_ENCODING_OFFSETS:
        for (uint32_t i = 0; i < v->n; i++)
            if (mu_vector_is_null(v, i) && v->offsets[i] != v->offsets[i + 1])
                return "a null has a length";
        return v->has_range ? "it has a range" : NULL;
    default:
        return v->has_range ? "it has a range" : NULL;
    }
}

static mu_code verify_block(const mu_part *part, uint32_t block, mu_err *err)
{
    for (uint32_t v = 0; v < part->n_vectors; v++) {
        mu_vector stored, vector;
        MU_TRY(mu_part_any_vector(part, v, block, &stored, err));
        size_t size = mu_vector_plain_bytes(&stored);
        void *memory = size == 0 ? NULL : aligned_alloc(MU_PART_ALIGN, mu_part_align(size));
        if (size > 0 && memory == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for checking %s", part->path);
        mu_vector_unpack(&stored, memory, &vector);
        bool is_pids = v == part->footer.n_columns + MU_HIDDEN_PID;
        const char *problem = is_pids ? NULL : verify_values(&vector);
        free(memory);
        if (problem != NULL)
            return bad_vector(part, v, block, problem, err);
    }
    return MU_OK;
}

/* -------- rows -------- */

static mu_code verify_pids(const mu_part *part, mu_err *err)
{
    uint32_t last = 0;
    for (uint32_t b = 0; b < part->footer.n_blocks; b++) {
        const uint32_t *pids;
        MU_TRY(mu_part_pids(part, b, &pids, err));
        for (uint32_t i = 0; i < part->blocks[b].n_rows; i++) {
            uint32_t mix = mu_mix32(pids[i]);
            if ((b > 0 || i > 0) && mix <= last)
                return mu_fail(err, MU_E_CORRUPT, "%s: row %u is out of order", part->path,
                               part->blocks[b].row + i);
            last = mix;
        }
    }
    return MU_OK;
}

static mu_code verify_event_order(const mu_part *part, uint32_t block, const mu_vector *lists,
                                  mu_err *err)
{
    uint32_t event = part->columns[part->levels[part->event_level].column].children[0];
    uint32_t time = mu_part_child(part, event, MU_STR("timestamp"));
    if (time == MU_NO_COLUMN || part->columns[time].kind != MU_TYPE_TIMESTAMP)
        return MU_OK;
    mu_vector times;
    MU_TRY(mu_part_any_vector(part, time, block, &times, err));
    for (uint32_t row = 0; row < lists->n; row++) {
        int64_t last = INT64_MIN;
        for (uint32_t e = mu_vector_begin(lists, row); e < mu_vector_end(lists, row); e++) {
            if (mu_vector_is_null(&times, e))
                continue;
            int64_t value = mu_vector_integer(&times, e);
            if (value < last)
                return bad_vector(part, time, block, "events are out of order", err);
            last = value;
        }
    }
    return MU_OK;
}

static mu_code verify_events(const mu_part *part, mu_err *err)
{
    uint64_t n_events = 0;
    for (uint32_t b = 0; part->event_level != 0 && b < part->footer.n_blocks; b++) {
        mu_vector lists;
        MU_TRY(mu_part_any_vector(part, part->levels[part->event_level].column, b, &lists, err));
        MU_TRY(verify_event_order(part, b, &lists, err));
        n_events += mu_vector_items(&lists);
    }
    if (n_events != part->footer.n_events)
        return mu_fail(err, MU_E_CORRUPT, "%s: the number of events is wrong", part->path);
    return MU_OK;
}

static mu_code verify_index_entry(const mu_part *part, uint32_t at, uint64_t *seen, mu_err *err)
{
    uint32_t row = part->hash_rows[at];
    mu_identity identity;
    MU_TRY(mu_part_identity(part, row, &identity, err));
    bool is_ordered = at == 0 || part->hashes[at - 1] < part->hashes[at] ||
                      (part->hashes[at - 1] == part->hashes[at] && part->hash_rows[at - 1] < row);
    if (!is_ordered || mu_bit_get(seen, row) || part->hashes[at] != mu_identity_hash(identity))
        return mu_fail(err, MU_E_CORRUPT, "%s: the identity index is wrong for row %u", part->path,
                       row);
    mu_bit_set(seen, row);
    return MU_OK;
}

static mu_code verify_index(const mu_part *part, mu_err *err)
{
    MU_TRY(mu_part_check_index(part, err));
    uint64_t *seen = calloc(mu_bits_words(part->footer.n_rows) + 1, sizeof *seen);
    if (seen == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for checking %s", part->path);
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < part->footer.n_rows; i++)
        code = verify_index_entry(part, i, seen, err);
    free(seen);
    return code;
}

mu_code mu_part_verify(const mu_part *part, mu_err *err)
{
    MU_TRY(verify_extents(part, err));
    for (uint32_t v = 0; v < part->n_vectors; v++)
        MU_TRY(verify_dictionary(part, v, err));
    for (uint32_t b = 0; b < part->footer.n_blocks; b++)
        MU_TRY(verify_block(part, b, err));
    MU_TRY(verify_pids(part, err));
    MU_TRY(verify_events(part, err));
    return verify_index(part, err);
}
