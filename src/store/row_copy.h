/* row_copy.h -- rows from a part into a writer, column by column, without decoding them. */
#ifndef MU_STORE_ROW_COPY_H
#define MU_STORE_ROW_COPY_H

#include "store/part_writer.h"

/* Reads one part; one thread. */
typedef struct mu_row_copier mu_row_copier;
MU_CHECKED mu_code mu_row_copier_new(const mu_part *part, mu_row_copier **out, mu_err *err);
void mu_row_copier_free(mu_row_copier *copier);

/* How many of the next `n` rows, all of one block of the part, the writer takes in one go: at least
 * one. The writer's row type must extend the part's. */
MU_CHECKED mu_code mu_row_copier_room(mu_row_copier *copier, mu_part_writer *writer, uint32_t row,
                                      uint32_t n, uint32_t *out, mu_err *err);

/* Copies so many rows. */
MU_CHECKED mu_code mu_row_copier_copy(mu_row_copier *copier, mu_part_writer *writer, uint32_t row,
                                      uint32_t n, mu_err *err);

#endif
