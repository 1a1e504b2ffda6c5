/* membership_int.h -- what the files of membership share: audiences' members as counted, immutable
 * records, what one commit does to a record, and records in files.
 *
 *   file    header, records
 *   header  magic, version, n records, file number, n bytes in all, checksum
 *   record  kind, id length, n sets, three instants, n bytes and checksum of what follows, checksum
 *           of these; then the id, and each set as role, instant, n bytes, bitmap (CRoaring's
 *           portable form)
 *
 * A record of kind CHANGE has the sets ENTERED, LEFT, DROPPED of one commit; WHOLE has the runs
 * REALIZED and EXITED of an audience; REMOVED has nothing. All numbers are little-endian. No byte
 * is believed before its checksum was compared.
 */
#ifndef MU_AUDIENCE_MEMBERSHIP_INT_H
#define MU_AUDIENCE_MEMBERSHIP_INT_H

#include "audience/membership.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdatomic.h>

#define MU_MEMBERSHIP_FILE_KIND MU_STR("membershipFile")

/* -------- sets and records, shared by states -------- */

typedef struct mu_member_set {
    mu_pid_set *pids;
    _Atomic uint32_t n_holders;
} mu_member_set;

/* One audience in one state. */
typedef struct mu_member_record {
    mu_membership public; /* first: a mu_membership is a mu_member_record */
    _Atomic uint32_t n_holders;
    char *id;
    mu_member_set *members;
    mu_member_set **realized, **exited; /* of public.realized, public.exited */
    mu_membership_run *runs;            /* what these point into */
} mu_member_record;

/* What one commit does to one audience; sets are NULL when empty. First who is dropped goes, then
 * who left, then who entered comes. */
typedef struct mu_member_delta {
    mu_str audience_id;
    bool is_removed;
    int64_t at_ms, expires_ms, evaluated_ms;
    mu_pid_set *entered, *left, *dropped;
} mu_member_delta;

void mu_member_delta_free(mu_member_delta *delta);

mu_member_record *mu_member_record_hold(mu_member_record *record);
void mu_member_record_release(mu_member_record *record);

/* One run on its way into a record; the set is the builder's until it is taken. */
typedef struct mu_member_run {
    int64_t at_ms;
    mu_pid_set *pids;
} mu_member_run;

/* The record after `delta`; `before` NULL: there was none. Its sets are taken. */
mu_member_record *mu_member_record_change(const mu_member_record *before, mu_member_delta *delta);

/* A record from its runs, whose sets are taken. */
mu_member_record *mu_member_record_new(mu_str id, int64_t expires_ms, int64_t evaluated_ms,
                                       uint32_t n_realized, const mu_member_run *realized,
                                       uint32_t n_exited, const mu_member_run *exited);

/* Whether it knows anything of any of these. */
bool mu_member_record_knows(const mu_member_record *record, const mu_pid_set *pids);

/* The record after merges of pids (`from`: all that they name first); NULL when it knows of none.
 * Who left before since_ms is forgotten. */
mu_member_record *mu_member_record_merge(const mu_member_record *before, uint32_t n,
                                         const mu_pid_merge *merges, const mu_pid_set *from,
                                         int64_t since_ms);

/* The delta of a change asked for; texts and expiry are those of `change`. */
void mu_member_delta_make(const mu_member_record *before, const mu_membership_change *change,
                          const mu_pid_set *alive, int64_t now_ms, mu_member_delta *out);

/* -------- files -------- */

typedef struct mu_member_writer {
    int fd;
    uint64_t number, n_bytes;
    uint32_t n_records;
    mu_buf buf;
    mu_arena arena;
    mu_str folder, path, unnamed; /* `unnamed` becomes `path` when all is synced */
} mu_member_writer;

/* A new file of this number in `folder`. */
MU_CHECKED mu_code mu_member_writer_begin(mu_member_writer *writer, mu_str folder, uint64_t number,
                                          mu_err *err);
MU_CHECKED mu_code mu_member_writer_change(mu_member_writer *writer, const mu_member_delta *delta,
                                           mu_err *err);
/* Runs of those who left before `since_ms` are left out. */
MU_CHECKED mu_code mu_member_writer_whole(mu_member_writer *writer, const mu_member_record *record,
                                          int64_t since_ms, mu_err *err);
/* Syncs the file and its folder, and names it. */
MU_CHECKED mu_code mu_member_writer_finish(mu_member_writer *writer, mu_err *err);
/* Lets go of memory; without finish nothing remains of the file. */
void mu_member_writer_end(mu_member_writer *writer);

/* What is in a file, in order; whoever gets `delta` or `whole` (the other one is NULL) takes its
 * sets. */
typedef void mu_member_visit(void *context, mu_member_delta *delta, mu_member_record *whole);

/* MU_E_CORRUPT names the file. n_bytes: what the manifest says. */
MU_CHECKED mu_code mu_member_file_read(const char *path, uint64_t number, uint64_t n_bytes,
                                       mu_member_visit *visit, void *context, mu_err *err);

/* "FOLDER/membership/PLACE" */
mu_str mu_member_folder(mu_arena *arena, const char *folder, mu_str place);
mu_str mu_member_path(mu_arena *arena, mu_str folder, uint64_t number);
/* The number of a file of memberships; 0: it is none. */
uint64_t mu_member_number(mu_str name);

/* The document of a file in the manifest. */
mu_str mu_member_manifest_text(mu_arena *arena, uint64_t n_bytes);
MU_CHECKED mu_code mu_member_manifest_read(mu_str id, const mu_json *json, uint64_t *number,
                                           uint64_t *n_bytes, mu_err *err);

#endif
