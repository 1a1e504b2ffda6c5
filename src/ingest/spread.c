#include "ingest/ingest_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK_MIN ((size_t)4 << 10)
#define BLOCK_MAX ((size_t)64 << 10)

/* The fastest of zstd's levels: records shrink to about a third, and the disk has a third to do. */
#define SPILL_LEVEL 1

/* A run of whole records, in memory or compressed in the spill file. */
typedef struct block {
    char *bytes; /* NULL when spilled */
    size_t len;
    uint64_t offset;
    size_t stored_bytes; /* in the spill file */
} block;

typedef struct slice {
    block *blocks;
    size_t n, capacity;
} slice;

/* What one thread compresses with; made at its first spill. */
typedef struct press {
    ZSTD_CCtx *context;
    char *bytes;
    size_t capacity;
} press;

struct mu_spread {
    const char *folder; /* borrowed */
    uint32_t n_slices;
    unsigned n_writers;
    size_t block_bytes, memory_max_bytes;
    press *presses;       /* per writer */
    block *open;          /* [writer * n_slices + slice]: being filled */
    pthread_mutex_t lock; /* guards what follows */
    slice *slices;
    size_t memory_bytes;
    int fd;                 /* -1 until something is spilled */
    uint64_t stored_bytes;  /* of the spill file */
    uint64_t spilled_bytes; /* of the records in it */
};

static size_t choose_block(size_t memory_max_bytes, size_t n_open)
{
    size_t fair = memory_max_bytes / (n_open * 4);
    size_t size = fair < BLOCK_MIN ? BLOCK_MIN : fair > BLOCK_MAX ? BLOCK_MAX : fair;
    return size & ~(size_t)7;
}

mu_code mu_spread_new(const char *folder, uint32_t n_slices, unsigned n_writers,
                      size_t memory_max_bytes, mu_spread **out, mu_err *err)
{
    size_t n_open = (size_t)n_slices * n_writers;
    mu_spread *spread = calloc(1, sizeof *spread);
    if (spread == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    *spread = (mu_spread){.folder = folder,
                          .n_slices = n_slices,
                          .n_writers = n_writers,
                          .block_bytes = choose_block(memory_max_bytes, n_open),
                          .memory_max_bytes = memory_max_bytes,
                          .fd = -1};
    pthread_mutex_init(&spread->lock, NULL);
    spread->presses = calloc(n_writers, sizeof *spread->presses);
    spread->open = calloc(n_open, sizeof *spread->open);
    spread->slices = calloc(n_slices, sizeof *spread->slices);
    if (spread->presses == NULL || spread->open == NULL || spread->slices == NULL) {
        mu_spread_free(spread);
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    }
    *out = spread;
    return MU_OK;
}

void mu_spread_free(mu_spread *spread)
{
    if (spread == NULL)
        return;
    for (size_t i = 0; spread->open != NULL && i < (size_t)spread->n_slices * spread->n_writers;
         i++)
        free(spread->open[i].bytes);
    for (uint32_t s = 0; spread->slices != NULL && s < spread->n_slices; s++) {
        for (size_t b = 0; b < spread->slices[s].n; b++)
            free(spread->slices[s].blocks[b].bytes);
        free(spread->slices[s].blocks);
    }
    for (unsigned w = 0; spread->presses != NULL && w < spread->n_writers; w++) {
        ZSTD_freeCCtx(spread->presses[w].context);
        free(spread->presses[w].bytes);
    }
    free(spread->presses);
    if (spread->fd >= 0)
        close(spread->fd);
    pthread_mutex_destroy(&spread->lock);
    free(spread->slices);
    free(spread->open);
    free(spread);
}

/* -------- the spill file -------- */

/* A file that has no name, or loses it at once, in the data folder. */
static int open_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/load-XXXXXX", folder);
    if (len < 0 || (size_t)len >= sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static mu_code write_at(int fd, const char *bytes, size_t len, uint64_t offset, mu_err *err)
{
    while (len > 0) {
        ssize_t done = pwrite(fd, bytes, len, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return mu_fail_errno(err, "cannot write a temporary file of the load");
        bytes += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return MU_OK;
}

static mu_code read_at(int fd, char *bytes, size_t len, uint64_t offset, mu_err *err)
{
    while (len > 0) {
        ssize_t done = pread(fd, bytes, len, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return mu_fail_errno(err, "cannot read a temporary file of the load");
        if (done == 0)
            return mu_fail(err, MU_E_CORRUPT, "a temporary file of the load is cut short");
        bytes += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return MU_OK;
}

/* -------- handing blocks over -------- */

/* Under the lock. */
static void add_block(slice *to, const block *entry)
{
    to->blocks = mu_room(to->blocks, to->n, &to->capacity, sizeof *to->blocks);
    to->blocks[to->n++] = *entry;
}

/* Keeps the block in memory while there is room: its bytes are the slice's then. */
static bool keep(mu_spread *spread, uint32_t s, block *filled)
{
    pthread_mutex_lock(&spread->lock);
    bool has_room = spread->memory_bytes + filled->len <= spread->memory_max_bytes;
    if (has_room) {
        spread->memory_bytes += filled->len;
        add_block(&spread->slices[s], filled);
        filled->bytes = NULL;
    }
    pthread_mutex_unlock(&spread->lock);
    return has_room;
}

static mu_code compress(press *with, const block *filled, size_t *size, mu_err *err)
{
    size_t bound = ZSTD_compressBound(filled->len);
    if (with->context == NULL)
        with->context = ZSTD_createCCtx();
    if (bound > with->capacity) {
        free(with->bytes);
        with->bytes = malloc(bound);
        with->capacity = with->bytes == NULL ? 0 : bound;
    }
    if (with->context == NULL || with->bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the temporary file of the load");
    *size = ZSTD_compressCCtx(with->context, with->bytes, with->capacity, filled->bytes,
                              filled->len, SPILL_LEVEL);
    MU_ASSERT(!ZSTD_isError(*size)); /* the bound is enough */
    return MU_OK;
}

/* Under the lock: a place in the file. */
static mu_code place_block(mu_spread *spread, uint32_t s, block *entry, mu_err *err)
{
    if (spread->fd < 0)
        spread->fd = open_unnamed(spread->folder);
    if (spread->fd < 0)
        return mu_fail_errno(err, "cannot make a temporary file in %s", spread->folder);
    entry->offset = spread->stored_bytes;
    spread->stored_bytes += entry->stored_bytes;
    spread->spilled_bytes += entry->len;
    add_block(&spread->slices[s], entry);
    return MU_OK;
}

static mu_code spill(mu_spread *spread, unsigned writer, uint32_t s, const block *filled,
                     mu_err *err)
{
    press *with = &spread->presses[writer];
    block entry = {.len = filled->len};
    MU_TRY(compress(with, filled, &entry.stored_bytes, err));
    pthread_mutex_lock(&spread->lock);
    mu_code code = place_block(spread, s, &entry, err);
    pthread_mutex_unlock(&spread->lock);
    MU_TRY(code);
    return write_at(spread->fd, with->bytes, entry.stored_bytes, entry.offset, err);
}

/* Empties an open block; it keeps its memory when it was spilled. */
static mu_code hand_over(mu_spread *spread, unsigned writer, uint32_t s, block *filled, mu_err *err)
{
    if (filled->len == 0)
        return MU_OK;
    mu_code code = keep(spread, s, filled) ? MU_OK : spill(spread, writer, s, filled, err);
    filled->len = 0;
    return code;
}

/* What a record is made of. */
typedef struct pieces {
    const mu_record *head;
    uint64_t content_hash;
    mu_str identity, body;
} pieces;

static void copy_record(char *to, const pieces *from)
{
    const char *end = to + from->head->size_bytes;
    memcpy(to, from->head, sizeof *from->head);
    to += sizeof *from->head;
    if (from->head->has_content_hash) {
        memcpy(to, &from->content_hash, sizeof from->content_hash);
        to += sizeof from->content_hash;
    }
    memcpy(to, from->identity.ptr, from->identity.len);
    to += from->identity.len;
    memcpy(to, from->body.ptr, from->body.len);
    to += from->body.len;
    memset(to, 0, (size_t)(end - to));
}

static mu_code add_large(mu_spread *spread, unsigned writer, uint32_t s, const pieces *from,
                         mu_err *err)
{
    block own = {.bytes = malloc(from->head->size_bytes), .len = from->head->size_bytes};
    if (own.bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    copy_record(own.bytes, from);
    mu_code code = hand_over(spread, writer, s, &own, err);
    free(own.bytes);
    return code;
}

mu_code mu_spread_add(mu_spread *spread, unsigned writer, mu_record *head, uint64_t content_hash,
                      mu_str identity, mu_str body, mu_err *err)
{
    pieces from = {head, content_hash, identity, body};
    size_t size = sizeof *head + (head->has_content_hash ? sizeof content_hash : 0);
    size = (size + identity.len + body.len + 7) & ~(size_t)7;
    uint32_t s = (uint32_t)(((head->identity_hash >> 32) * spread->n_slices) >> 32);
    block *open_block = &spread->open[(size_t)writer * spread->n_slices + s];
    MU_ASSERT(writer < spread->n_writers && size <= UINT32_MAX);
    head->size_bytes = (uint32_t)size;
    head->identity_bytes = (uint32_t)identity.len;
    if (size > spread->block_bytes / 2)
        return add_large(spread, writer, s, &from, err);
    if (open_block->len + size > spread->block_bytes)
        MU_TRY(hand_over(spread, writer, s, open_block, err));
    if (open_block->bytes == NULL)
        open_block->bytes = malloc(spread->block_bytes);
    if (open_block->bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    copy_record(open_block->bytes + open_block->len, &from);
    open_block->len += size;
    return MU_OK;
}

mu_code mu_spread_finish(mu_spread *spread, mu_err *err)
{
    for (size_t i = 0; i < (size_t)spread->n_slices * spread->n_writers; i++) {
        block *last = &spread->open[i];
        if (last->bytes != NULL && last->len > 0) {
            char *tight = realloc(last->bytes, last->len);
            if (tight != NULL)
                last->bytes = tight;
        }
        MU_TRY(hand_over(spread, (unsigned)(i / spread->n_slices), (uint32_t)(i % spread->n_slices),
                         last, err));
        free(last->bytes);
        last->bytes = NULL;
    }
    return MU_OK;
}

uint64_t mu_spread_spilled(const mu_spread *spread)
{
    return spread->spilled_bytes;
}

uint64_t mu_spread_slice_bytes(const mu_spread *spread, uint32_t slice_number)
{
    const slice *s = &spread->slices[slice_number];
    uint64_t bytes = 0;
    for (size_t b = 0; b < s->n; b++)
        bytes += s->blocks[b].len;
    return bytes;
}

/* -------- taking them back -------- */

/* What a slice's blocks are read and decompressed with. */
typedef struct unpress {
    ZSTD_DCtx *context;
    char *bytes;
    size_t capacity;
} unpress;

static mu_code read_stored(mu_spread *spread, unpress *with, const block *from, mu_err *err)
{
    if (with->context == NULL)
        with->context = ZSTD_createDCtx();
    if (from->stored_bytes > with->capacity) {
        free(with->bytes);
        with->bytes = malloc(from->stored_bytes);
        with->capacity = with->bytes == NULL ? 0 : from->stored_bytes;
    }
    if (with->context == NULL || with->bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    return read_at(spread->fd, with->bytes, from->stored_bytes, from->offset, err);
}

static mu_code take_block(mu_spread *spread, unpress *with, block *from, mu_run *out, mu_err *err)
{
    *out = (mu_run){.bytes = from->bytes, .len = from->len};
    from->bytes = NULL;
    if (out->bytes != NULL)
        return MU_OK;
    out->bytes = malloc(from->len);
    if (out->bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    MU_TRY(read_stored(spread, with, from, err));
    size_t len =
        ZSTD_decompressDCtx(with->context, out->bytes, out->len, with->bytes, from->stored_bytes);
    if (len != out->len)
        return mu_fail(err, MU_E_CORRUPT,
                       "a temporary file of the load does not hold what was "
                       "written to it");
    return MU_OK;
}

mu_code mu_spread_take(mu_spread *spread, uint32_t s, mu_run **runs, size_t *n_runs,
                       size_t *capacity, mu_err *err)
{
    slice *from = &spread->slices[s];
    unpress with = {0};
    mu_code code = MU_OK;
    for (size_t b = 0; code == MU_OK && b < from->n; b++) {
        *runs = mu_room(*runs, *n_runs, capacity, sizeof **runs);
        code = take_block(spread, &with, &from->blocks[b], &(*runs)[(*n_runs)++], err);
    }
    ZSTD_freeDCtx(with.context);
    free(with.bytes);
    return code;
}
