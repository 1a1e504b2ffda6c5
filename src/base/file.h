/* file.h -- files read, mapped and written so that a crash leaves the old or the new one. */
#ifndef MU_BASE_FILE_H
#define MU_BASE_FILE_H

#include "base/arena.h"

/* Reads a whole file into the arena; more than `max_bytes` is MU_E_LIMIT. */
MU_CHECKED mu_code mu_file_read(mu_arena *arena, const char *path, size_t max_bytes, mu_str *out,
                                mu_err *err);

/* A file mapped read-only. `bytes` is NULL for an empty file. */
typedef struct mu_mapping {
    const uint8_t *bytes;
    size_t size_bytes;
} mu_mapping;

MU_CHECKED mu_code mu_file_map(const char *path, mu_mapping *out, mu_err *err);
void mu_file_unmap(mu_mapping *mapping);

/* Makes a directory and its missing parents. */
MU_CHECKED mu_code mu_make_directories(const char *path, mu_err *err);

/* Syncs a directory, so that names made or removed in it last. */
MU_CHECKED mu_code mu_sync_directory(const char *path, mu_err *err);

#endif
