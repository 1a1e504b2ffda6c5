/* vector.c -- one column of one block as it is stored: validity, packed numbers, single values. */
#include "eval/run_int.h"

void vector_valid_bits(const mu_vector *vector, uint32_t n, uint64_t *out)
{
    if (vector->n_null == n)
        mu_bits_zero(out, n);
    else if (vector->valid == NULL)
        mu_bits_fill(out, n);
    else
        memcpy(out, vector->valid, mu_bits_words(n) * 8);
}

void vector_keep_valid(worker *w, const mu_vector *vector, uint32_t n, uint64_t *bits)
{
    if (vector->n_null == n && n > 0)
        mu_bits_zero(bits, n);
    else if (vector->valid != NULL)
        w->job->kernels->and_words(bits, vector->valid, mu_bits_words(n), bits);
}

/* Packed numbers between lo and hi, both as offsets from the vector's base. */
void vector_packed_range(const kernel_set *k, const mu_vector *vector, uint32_t n, uint64_t lo,
                         uint64_t hi, uint64_t *out)
{
    uint64_t largest = vector->width == 8 ? UINT64_MAX : ((uint64_t)1 << (vector->width * 8)) - 1;
    if (vector->width == 0)
        largest = 0;
    if (hi > largest)
        hi = largest;
    if (lo > hi) {
        mu_bits_zero(out, n);
        return;
    }
    switch (vector->width) {
    case 0:
        mu_bits_fill(out, n);
        break;
    case 1:
        k->range_8(vector->data, n, (uint8_t)lo, (uint8_t)(hi - lo), out);
        break;
    case 2:
        k->range_16(vector->data, n, (uint16_t)lo, (uint16_t)(hi - lo), out);
        break;
    case 4:
        k->range_32(vector->data, n, (uint32_t)lo, (uint32_t)(hi - lo), out);
        break;
    default:
        k->range_64(vector->data, n, lo, hi - lo, out);
    }
}

mu_value vector_value(const mu_vector *vector, const mu_dictionary *dictionary, mu_type_kind kind,
                      uint32_t i)
{
    switch (vector->encoding) {
    case MU_ENCODING_BITS:
        return mu_value_boolean(mu_bit_get(vector->data, i));
    case MU_ENCODING_INTEGER: {
        int64_t number =
            (int64_t)((uint64_t)vector->base + load_packed(vector->data, vector->width, i));
        if (kind == MU_TYPE_DOUBLE)
            return mu_value_double((double)number);
        return (mu_value){.kind = kind, .integer = number};
    }
    case MU_ENCODING_DOUBLE:
        return mu_value_double(((const double *)vector->data)[i]);
    case MU_ENCODING_DECIMAL:
        return mu_value_double(vector_decimal(vector, load_packed(vector->data, vector->width, i)));
    case MU_ENCODING_CODES:
        return mu_value_string(mu_dictionary_get(
            dictionary,
            (uint32_t)((uint64_t)vector->base + load_packed(vector->data, vector->width, i))));
    case MU_ENCODING_BYTES:
        return mu_value_string((mu_str){vector->bytes + vector->offsets[i],
                                        vector->offsets[i + 1] - vector->offsets[i]});
    default:
        return MU_VALUE_NULL;
    }
}
