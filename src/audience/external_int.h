/* external_int.h -- what the files of external audiences share: files found, rows read, profiles
 * found or made.
 */
#ifndef MU_AUDIENCE_EXTERNAL_INT_H
#define MU_AUDIENCE_EXTERNAL_INT_H

#include "audience/external.h"
#include "identity/identity.h"
#include "json/edit.h"

/* -------- external_files.c: what a run reads -------- */

/* Names of regular files of one open folder, in byte order. */
typedef struct mu_external_files {
    int folder; /* a descriptor; -1: none */
    uint32_t n;
    const mu_str *names; /* NUL-terminated */
    uint32_t n_others;   /* files that the window leaves out */
} mu_external_files;

/* The file, or the files of the folder, at `path` (as mu_external_path made it) below `root` whose
 * modification time is in [from_s, to_s). No symbolic link is followed. Where there is no name as
 * written, the only one that differs in blanks is taken (api.md 9.3). MU_E_NOT_FOUND: no such file
 * or folder. MU_E_INPUT: it is another kind of thing, or several names fit. Names in `arena`. */
MU_CHECKED mu_code mu_external_files_open(const char *root, mu_str path, bool is_folder,
                                          int64_t from_s, int64_t to_s, mu_arena *arena,
                                          mu_external_files *out, mu_err *err);
void mu_external_files_close(mu_external_files *files);

/* A descriptor for reading. */
MU_CHECKED mu_code mu_external_file_open(const mu_external_files *files, uint32_t file, int *out,
                                         mu_err *err);

/* -------- external_rows.c: rows of a file -------- */

typedef enum mu_external_type {
    MU_EXTERNAL_STRING,
    MU_EXTERNAL_NUMBER,
    MU_EXTERNAL_INTEGER,
    MU_EXTERNAL_LONG,
    MU_EXTERNAL_DATE,
    MU_EXTERNAL_DATETIME,
    MU_EXTERNAL_BOOLEAN,
    MU_EXTERNAL_TYPE_COUNT_
} mu_external_type;

/* "string", "number", ..; MU_EXTERNAL_TYPE_COUNT_ for another text. */
mu_external_type mu_external_type_of(mu_str text);

typedef struct mu_external_field {
    mu_str name;
    mu_external_type type;
    mu_str namespace_code; /* in its registered spelling; empty: the field is no identity */
    bool is_graphed;       /* of a namespace that links people */
} mu_external_field;

#define MU_EXTERNAL_PROBLEMS_MAX 20u

typedef struct mu_external_problem {
    mu_str file;
    uint64_t line;   /* 1-based */
    mu_str sentence; /* without what the row holds */
} mu_external_problem;

/* What was read; texts in `arena`. */
typedef struct mu_external_report {
    mu_arena *arena;
    uint64_t n_files, n_rows, n_bad_rows, n_bad_identities;
    uint32_t n_problems; /* the first ones */
    mu_external_problem problems[MU_EXTERNAL_PROBLEMS_MAX];
} mu_external_report;

typedef struct mu_external_reading {
    uint32_t n_fields;
    const mu_external_field *fields;
    mu_external_report *report;
    /* One row's identities, distinct, those that link people first; borrowed until it returns. An
     * error ends the reading. */
    mu_code (*row)(void *context, uint32_t n, const mu_identity *identities, uint32_t n_graphed,
                   mu_err *err);
    /* Bytes into `out`, 0 at the end. */
    mu_code (*read)(void *context, char *out, size_t capacity, size_t *n, mu_err *err);
    void *context;
} mu_external_reading;

/* Reads one file in a bounded window. Rows that are wrong are counted and reported. MU_E_INPUT: the
 * header lacks a field. */
MU_CHECKED mu_code mu_external_rows_read(const mu_external_reading *reading, mu_str file,
                                         mu_err *err);

/* -------- external_members.c: rows to profiles -------- */

typedef struct mu_external_members mu_external_members;

typedef struct mu_external_members_options {
    mu_workspace *workspace;
    mu_str dataset;
    bool makes_profiles;     /* of identities that nobody knows */
    const bool *is_stopping; /* read with __ATOMIC_RELAXED */
} mu_external_members_options;

MU_CHECKED mu_code mu_external_members_new(const mu_external_members_options *options,
                                           mu_external_members **out, mu_err *err);
void mu_external_members_free(mu_external_members *members);

/* Texts are copied. MU_E_CANCELLED when it is to stop. */
MU_CHECKED mu_code mu_external_members_add(mu_external_members *members, uint32_t n,
                                           const mu_identity *identities, uint32_t n_graphed,
                                           mu_err *err);

typedef struct mu_external_counts {
    uint64_t n_matched, n_made, n_unknown; /* rows */
} mu_external_counts;

/* Everything added, as profiles of now. *out is borrowed until mu_external_members_free. */
MU_CHECKED mu_code mu_external_members_finish(mu_external_members *members, const mu_pid_set **out,
                                              mu_external_counts *counts, mu_err *err);

/* -------- external_run.c: one ingestion -------- */

/* Carries out the run of this document and stores how it ended; MU_E_CANCELLED when the runner is
 * to stop, then it is taken up again. */
MU_CHECKED mu_code mu_external_run(mu_externals *externals, mu_workspace *workspace,
                                   const mu_shelf_item *run, const bool *is_stopping, mu_err *err);

#endif
