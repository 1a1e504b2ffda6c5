/* file_name.h -- names from outside as names of files, and back. */
#ifndef MU_INGEST_FILE_NAME_H
#define MU_INGEST_FILE_NAME_H

#include "base/arena.h"

/* Letters, digits, '-', '_' and, but in front, '.' stay; other bytes become %XX. So no name leads
 * out of its folder. In `arena`, NUL-terminated. */
mu_str mu_file_name(mu_arena *arena, mu_str name);

/* What mu_file_name made it of. */
mu_str mu_file_name_origin(mu_arena *arena, mu_str file_name);

/* The names in a folder, without "." and "..", in byte order, in `arena`, NUL-terminated. 0 when
 * there is no such folder. */
uint32_t mu_folder_names(mu_arena *arena, const char *path, const mu_str **out);

/* "FOLDER/NAME", NUL-terminated. */
mu_str mu_path_joined(mu_arena *arena, mu_str folder, mu_str name);

#endif
