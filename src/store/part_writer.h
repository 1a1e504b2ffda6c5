/* part_writer.h -- the part writer without a store around it. */
#ifndef MU_STORE_PART_WRITER_H
#define MU_STORE_PART_WRITER_H

#include "store/part_int.h"

/* Begins a part in a new file. `change` is only kept for mu_part_writer_change; NULL outside. */
MU_CHECKED mu_code mu_part_writer_create(const char *path, uint64_t part_id, mu_str entity,
                                         const mu_type *row_type, mu_change *change,
                                         mu_part_writer **out, mu_err *err);
/* The same in memory; `name` is for messages. */
MU_CHECKED mu_code mu_part_writer_create_in_memory(const char *name, uint64_t part_id,
                                                   mu_str entity, const mu_type *row_type,
                                                   mu_change *change, mu_part_writer **out,
                                                   mu_err *err);

/* How fast the file may be written; `pace` must outlive the writer. */
void mu_part_writer_set_pace(mu_part_writer *writer, const mu_pace *pace);

/* Bytes handed to the file so far; the blocks that are not finished are not in it. */
uint64_t mu_part_writer_bytes(const mu_part_writer *writer);
uint32_t mu_part_writer_max_pid(const mu_part_writer *writer);
mu_change *mu_part_writer_change(const mu_part_writer *writer);
uint64_t mu_part_writer_id(const mu_part_writer *writer);

/* Writes the rest, syncs the file and frees the writer; on failure the file is removed. */
MU_CHECKED mu_code mu_part_writer_seal(mu_part_writer *writer, mu_err *err);

/* Writes the rest and frees the writer; the bytes are the caller's. */
MU_CHECKED mu_code mu_part_writer_seal_in_memory(mu_part_writer *writer, mu_mapping *out,
                                                 mu_err *err);

/* Frees the writer and removes its file. */
void mu_part_writer_discard(mu_part_writer *writer);

#endif
