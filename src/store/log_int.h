/* log_int.h -- inside the log: the bytes of a segment, an open log. docs/storage.md 5 is normative.
 *
 *   segment   header 64 | block | block | ... | block | seal | zeros
 *   block     header 32 | record | record | ... | zeros to a multiple of 32
 *   record    u32 length | payload
 *
 * A block is what one commit wrote and synced. The next one is written only after that sync, so
 * whatever has a successor was durable. A seal is a block without records; it is written, unsynced,
 * as soon as a block is durable, and the next block overwrites it. It never straddles a sector.
 */
#ifndef MU_STORE_LOG_INT_H
#define MU_STORE_LOG_INT_H

#include "store/log.h"

#include <pthread.h>

#define MU_LOG_VERSION     1u
#define MU_LOG_ALIGNMENT   32u /* of blocks and seals */
#define MU_LOG_BACKLOG_MAX ((size_t)1 << 30)
#define MU_LOG_PATH_MAX    4096

typedef struct mu_log_segment_header {
    char magic[8]; /* "MULOG\r\n", NUL */
    uint32_t version;
    uint32_t zero;
    uint64_t first_sequence; /* as in the file's name */
    uint64_t salt;           /* random, not 0: begins every block of this segment */
    uint8_t reserved[28];
    uint32_t checksum; /* CRC32C of what is before it */
} mu_log_segment_header;
_Static_assert(sizeof(mu_log_segment_header) == 64, "the first block begins at byte 64");

typedef struct mu_log_block_header {
    uint64_t salt;
    uint64_t first_sequence; /* of a seal: of the record that would come next */
    uint32_t body_bytes;     /* a multiple of MU_LOG_ALIGNMENT */
    uint32_t n_records;
    uint32_t body_checksum; /* CRC32C */
    uint32_t checksum;      /* CRC32C of what is before it */
} mu_log_block_header;
_Static_assert(sizeof(mu_log_block_header) == MU_LOG_ALIGNMENT, "a seal is one unit of alignment");

/* n_records of a block without body. */
#define MU_LOG_SEAL      0u
#define MU_LOG_CONTINUES UINT32_MAX /* a seal too: another segment follows this one */

/* -------- log_block.c: bytes -------- */

void mu_log_make_segment_header(uint64_t first_sequence, uint64_t salt, mu_log_segment_header *out);

/* Fills in the header of a block whose body is in place: `block` has room for the header, the
 * `body_bytes` of its records and the zeros up to the alignment, which are added. Returns the size
 * of the whole. */
size_t mu_log_finish_block(uint8_t *block, size_t body_bytes, uint64_t first_sequence,
                           uint32_t n_records, uint64_t salt);

/* Room in memory for a block whose records take `body_bytes`. */
static inline size_t mu_log_block_room(size_t body_bytes)
{
    return sizeof(mu_log_block_header) + body_bytes + MU_LOG_ALIGNMENT;
}

/* One segment, read from front to back. */
typedef struct mu_log_reader {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    size_t at;         /* where the next block begins, or the end of all blocks */
    uint64_t sequence; /* of the next record */
    uint64_t salt;
    bool is_sealed, continues; /* known at the end */
    char reason[160];          /* of the damage, or of what is torn */
} mu_log_reader;

typedef struct mu_log_block {
    uint64_t first_sequence;
    uint32_t n_records;
    const uint8_t *at, *end; /* of the records not read yet */
} mu_log_block;

typedef enum mu_log_step {
    MU_LOG_STEP_BLOCK,  /* one more */
    MU_LOG_STEP_END,    /* nothing but zeros from reader->at on, a seal apart */
    MU_LOG_STEP_TORN,   /* bytes that a crash may leave at the end of the last segment */
    MU_LOG_STEP_DAMAGED /* bytes that no crash leaves */
} mu_log_step;

/* False when the header is damaged or names another first sequence; then `reason` says how. */
bool mu_log_reader_init(mu_log_reader *reader, const uint8_t *bytes, size_t size,
                        uint64_t first_sequence);
mu_log_step mu_log_reader_next(mu_log_reader *reader, mu_log_block *out);

/* The next of the block's records; false after the last. */
bool mu_log_block_next(mu_log_block *block, mu_str *payload);

/* -------- log_folder.c: files -------- */

/* DIR/log, and the path of a segment in it. */
MU_CHECKED mu_code mu_log_folder_path(const char *folder, char out[MU_LOG_PATH_MAX], mu_err *err);
void mu_log_segment_path(const char *log_folder, uint64_t first_sequence, const char *extension,
                         char out[MU_LOG_PATH_MAX]);

/* First sequences of the segments in DIR/log, ascending, in memory of the caller (free). No folder
 * is no segments. With `removes_unfinished`, files of segments whose making a crash cut short go.
 */
MU_CHECKED mu_code mu_log_list(const char *log_folder, bool removes_unfinished, size_t *n,
                               uint64_t **out, mu_err *err);

/* A whole file in memory of the caller (free). MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_log_read_file(const char *path, uint8_t **out, size_t *size, mu_err *err);

/* All of `bytes`, or an error. */
MU_CHECKED mu_code mu_log_write_all(const mu_log_system *system, int fd, const void *bytes,
                                    size_t size, uint64_t offset, const char *path, mu_err *err);
MU_CHECKED mu_code mu_log_sync(const mu_log_system *system, int fd, const char *path, mu_err *err);

/* Makes a segment that is on disk with its name and header before this returns; the rest of
 * `segment_bytes` is allocated and reads as zeros. */
MU_CHECKED mu_code mu_log_make_segment(const mu_log_system *system, const char *log_folder,
                                       uint64_t first_sequence, uint64_t segment_bytes, int *out_fd,
                                       uint64_t *out_salt, mu_err *err);

/* -------- log.c, log_replay.c: an open log -------- */

typedef struct mu_log_buffer {
    uint8_t *bytes; /* room for a header, then records */
    size_t used;    /* bytes of records */
    uint64_t first_sequence;
    uint32_t n_records;
} mu_log_buffer;

typedef struct mu_log_segment {
    uint64_t first_sequence, n_bytes;
} mu_log_segment;

struct mu_log {
    mu_log_options options; /* defaults filled in; immutable after open, as is the next line */
    char folder[MU_LOG_PATH_MAX];
    mu_log_system system;
    mu_counter *commits, *bytes_written;
    mu_histogram *sync_time;
    pthread_t thread;

    /* The segment being written: the commit thread only. */
    int fd; /* -1: none yet */
    uint64_t salt, end, written_sequence /* of the next record to write */;
    char path[MU_LOG_PATH_MAX];
    bool needs_seal;

    pthread_mutex_t trim_lock; /* taken before `lock` */
    pthread_mutex_t lock;      /* guards all below */
    pthread_cond_t wake;       /* the commit thread has something to do */
    pthread_cond_t done;       /* durable_sequence, n_rotated or failure changed */
    mu_log_buffer buffers[2];
    unsigned filling; /* the buffer that appends go to; the other one is the commit thread's */
    size_t backlog_bytes;
    uint64_t next_sequence, durable_sequence /* and applied */;
    uint64_t n_rotations, n_rotated; /* asked for, done */
    bool is_waiting, is_stopping;
    unsigned n_waiters;
    mu_err failure; /* its code is MU_OK while records are accepted */
    mu_log_segment *segments;
    size_t n_segments, capacity;
};

/* Reads the segments, gives their records to `apply`, cuts a torn tail, and opens the last segment
 * for writing. Before the commit thread runs. */
MU_CHECKED mu_code mu_log_replay(mu_log *log, mu_err *err);

/* Adds a segment to the list. Takes the lock. */
MU_CHECKED mu_code mu_log_add_segment(mu_log *log, uint64_t first_sequence, uint64_t n_bytes,
                                      mu_err *err);

#endif
