/* part_file.h -- a file written once from front to back, in areas of whole 64-byte lines; or the
 * same in memory. */
#ifndef MU_STORE_PART_FILE_H
#define MU_STORE_PART_FILE_H

#include "base/buf.h"
#include "base/file.h"
#include "store/store.h"

typedef struct mu_part_file {
    int fd; /* -1 in memory */
    char *path;
    mu_buf pending;      /* not yet handed to the system; in memory: all of it */
    uint64_t size;       /* written and pending */
    uint64_t n_started;  /* bytes whose write-back to disk was started, or which were synced */
    const mu_pace *pace; /* NULL: as fast as it goes */
} mu_part_file;

/* Makes a file that must not exist. */
MU_CHECKED mu_code mu_part_file_create(mu_part_file *file, const char *path, mu_err *err);

/* Begins in memory; `name` is for messages. */
MU_CHECKED mu_code mu_part_file_create_in_memory(mu_part_file *file, const char *name, mu_err *err);

/* Appends; *offset is where the bytes begin. */
MU_CHECKED mu_code mu_part_file_add(mu_part_file *file, const void *bytes, size_t size,
                                    uint64_t *offset, mu_err *err);

/* Writes what is pending, syncs and closes: from then on the file stays. */
MU_CHECKED mu_code mu_part_file_finish(mu_part_file *file, mu_err *err);

/* What was written in memory, aligned as a mapped file is: the caller's to free(). */
MU_CHECKED mu_code mu_part_file_take(mu_part_file *file, mu_mapping *out, mu_err *err);

/* Closes and removes the file, when it is still open; frees the memory either way. */
void mu_part_file_free(mu_part_file *file);

#endif
