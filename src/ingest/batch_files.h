/* batch_files.h -- the files of a batch while they are sent (profile.md d.4), and those that an
 * export wrote.
 *
 *   DIR/batches/SANDBOX/BATCH/files/NAME   whole files, synced
 *   DIR/batches/SANDBOX/BATCH/parts/NAME/  a large file: "data", and an empty file A-B-TOTAL for
 *                                          each piece that is there and synced
 *   DIR/batches/SANDBOX/BATCH/incoming/N   a small file on its way
 *   DIR/exports/SANDBOX/BATCH/files/NAME   a file of an exported batch
 *   DIR/exports/SANDBOX/BATCH/incoming/N   what one is made of
 *
 * Any thread; two uploads to one name: the later one to finish wins.
 */
#ifndef MU_INGEST_BATCH_FILES_H
#define MU_INGEST_BATCH_FILES_H

#include "base/arena.h"

typedef struct mu_batch_folder {
    mu_str path; /* DIR/batches/SANDBOX/BATCH, NUL-terminated */
} mu_batch_folder;

/* In `arena`. */
mu_batch_folder mu_batch_folder_of(mu_arena *arena, const char *data_folder, mu_str sandbox,
                                   mu_str batch);
/* The same of an exported batch. */
mu_batch_folder mu_batch_export_folder_of(mu_arena *arena, const char *data_folder, mu_str sandbox,
                                          mu_str batch);

typedef struct mu_batch_file {
    mu_str name, path;
    uint64_t size_bytes;
} mu_batch_file;

/* Whole files in the order of their names, in `arena`. */
uint32_t mu_batch_files_list(const mu_batch_folder *folder, mu_arena *arena,
                             const mu_batch_file **out);

/* Removes everything of the batch. */
void mu_batch_files_remove(const mu_batch_folder *folder);

/* -------- uploads -------- */

typedef struct mu_batch_upload mu_batch_upload;

/* A whole file. MU_E_INPUT: the name is empty or too long. */
MU_CHECKED mu_code mu_batch_upload_begin(const mu_batch_folder *folder, mu_str name,
                                         mu_batch_upload **out, mu_err *err);

/* Bytes first to last of a file of total_bytes. MU_E_NOT_FOUND: no large upload of that name was
 * begun; MU_E_INPUT: the range makes no sense. */
typedef struct mu_batch_range {
    uint64_t first, last, total_bytes;
} mu_batch_range;
MU_CHECKED mu_code mu_batch_upload_begin_piece(const mu_batch_folder *folder, mu_str name,
                                               const mu_batch_range *range, mu_batch_upload **out,
                                               mu_err *err);

MU_CHECKED mu_code mu_batch_upload_write(mu_batch_upload *upload, mu_str piece, mu_err *err);

/* Syncs, and puts the file or piece in its place. Frees the upload either way. *is_new (NULL
 * allowed): there was no such file. MU_E_INPUT: a piece has not as many bytes as its range. */
MU_CHECKED mu_code mu_batch_upload_finish(mu_batch_upload *upload, uint64_t *size_bytes,
                                          bool *is_new, mu_err *err);
void mu_batch_upload_abandon(mu_batch_upload *upload);

/* -------- large files -------- */

MU_CHECKED mu_code mu_batch_large_begin(const mu_batch_folder *folder, mu_str name, mu_err *err);

/* MU_E_INPUT: pieces overlap, are missing or disagree on the total; MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_batch_large_complete(const mu_batch_folder *folder, mu_str name, mu_err *err);

/* How far a file is there without a gap: the size of a whole one. False when nothing is there. */
bool mu_batch_file_extent(const mu_batch_folder *folder, mu_str name, uint64_t *size_bytes);

#endif
