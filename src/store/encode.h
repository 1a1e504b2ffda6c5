/* encode.h -- one column of one block: from collected values to the bytes of its area. */
#ifndef MU_STORE_ENCODE_H
#define MU_STORE_ENCODE_H

#include "store/part_int.h"

/* What was collected: the values of the elements that are not null, in order, and which elements
 * those are. Borrowed. */
typedef struct mu_collected {
    uint32_t n, n_values;
    const uint64_t *valid;  /* bitmap of n elements; not looked at when n_values is 0 or n */
    const uint64_t *values; /* n_values: integers; bits of doubles; 0 or 1; codes; ends of strings
                               in `bytes`; lengths of lists; nothing for objects */
    const char *bytes;
    bool is_borrowed; /* strings that readers take without a copy: they are no packed UUIDs */
} mu_collected;

/* Appends the area's bytes to `area` (which is empty) and fills *entry but for where it lies and
 * its checksums. Memory that runs out shows as mu_buf's `failed`. */
void mu_encode_integers(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_doubles(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_booleans(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_codes(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_strings(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_lengths(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
void mu_encode_presence(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);
/* pids: 32 bits each whatever their range, so that they can be read in place. */
void mu_encode_pids(const mu_collected *collected, mu_buf *area, mu_vector_entry *entry);

#endif
