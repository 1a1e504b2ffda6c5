/* membership_file.c -- files of memberships, written and read (membership_int.h draws them). */
#include "audience/membership_int.h"

#include "base/crc32c.h"
#include "base/number.h"
#include "ingest/file_name.h"
#include "json/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read as they are");

#define MAGIC       "MUMEMBER"
#define VERSION     1u
#define ID_SIZE_MAX 1024u

typedef struct file_header {
    char magic[8];
    uint32_t version, n_records;
    uint64_t number, n_bytes;
    uint32_t unused, checksum;
} file_header;
_Static_assert(sizeof(file_header) == 40, "the bytes of the file");

typedef enum record_kind { RECORD_CHANGE = 1, RECORD_WHOLE = 2, RECORD_REMOVED = 3 } record_kind;

typedef struct record_header {
    uint32_t kind, id_size, n_sets, unused;
    int64_t at_ms, expires_ms, evaluated_ms;
    uint64_t n_bytes;
    uint32_t content_checksum, checksum;
} record_header;
_Static_assert(sizeof(record_header) == 56, "the bytes of the file");

typedef enum set_role { SET_ENTERED = 1, SET_LEFT, SET_DROPPED, SET_REALIZED, SET_EXITED } set_role;

typedef struct set_header {
    uint32_t role, unused;
    int64_t at_ms;
    uint64_t n_bytes;
} set_header;
_Static_assert(sizeof(set_header) == 24, "the bytes of the file");

/* -------- names -------- */

mu_str mu_member_folder(mu_arena *arena, const char *folder, mu_str place)
{
    mu_str name = mu_file_name(arena, place);
    return mu_arena_format(arena, "%s/membership/" MU_STR_FMT, folder, MU_STR_ARG(name));
}

mu_str mu_member_path(mu_arena *arena, mu_str folder, uint64_t number)
{
    return mu_arena_format(arena, MU_STR_FMT "/%020llu", MU_STR_ARG(folder),
                           (unsigned long long)number);
}

uint64_t mu_member_number(mu_str name)
{
    int64_t number;
    bool is_name = name.len == 20 && name.ptr[0] != '-' && name.ptr[0] != '+' &&
                   mu_parse_integer(name, &number);
    return is_name ? (uint64_t)number : 0;
}

mu_str mu_member_manifest_text(mu_arena *arena, uint64_t n_bytes)
{
    return mu_arena_format(arena, "{\"bytes\":%llu}", (unsigned long long)n_bytes);
}

mu_code mu_member_manifest_read(mu_str id, const mu_json *json, uint64_t *number, uint64_t *n_bytes,
                                mu_err *err)
{
    const mu_json *size = mu_json_get(json, MU_STR("bytes"));
    *number = mu_member_number(id);
    if (*number == 0 || size == NULL || size->kind != MU_JSON_INTEGER)
        return mu_fail(err, MU_E_CORRUPT, "the manifest of memberships names no file: " MU_STR_FMT,
                       MU_STR_ARG(id));
    *n_bytes = (uint64_t)size->integer;
    return MU_OK;
}

/* -------- writing -------- */

static mu_code write_all(mu_member_writer *writer, const void *bytes, size_t size, mu_err *err)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(writer->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mu_fail_errno(err, "cannot write memberships");
        at += n;
        size -= (size_t)n;
        writer->n_bytes += (uint64_t)n;
    }
    return MU_OK;
}

mu_code mu_member_writer_begin(mu_member_writer *writer, mu_str folder, uint64_t number,
                               mu_err *err)
{
    const file_header none = {.version = 0};
    *writer = (mu_member_writer){.fd = -1, .number = number};
    mu_arena_init(&writer->arena, SIZE_MAX);
    mu_buf_init(&writer->buf, SIZE_MAX);
    writer->folder = mu_arena_copy(&writer->arena, folder);
    writer->path = mu_member_path(&writer->arena, folder, number);
    writer->unnamed = mu_arena_format(&writer->arena, "%s.incomplete", writer->path.ptr);
    MU_TRY(mu_make_directories(writer->folder.ptr, err));
    writer->fd = open(writer->unnamed.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (writer->fd < 0)
        return mu_fail_errno(err, "cannot write %s", writer->unnamed.ptr);
    return write_all(writer, &none, sizeof none, err);
}

static void add_set(mu_member_writer *writer, record_header *header, set_role role, int64_t at_ms,
                    const mu_pid_set *pids)
{
    if (pids == NULL)
        return;
    size_t size = roaring_bitmap_portable_size_in_bytes(pids);
    const set_header set = {.role = role, .at_ms = at_ms, .n_bytes = size};
    mu_buf_add(&writer->buf, &set, sizeof set);
    char *room = mu_buf_reserve(&writer->buf, size);
    if (room == NULL)
        return; /* buf.failed */
    roaring_bitmap_portable_serialize(pids, room);
    writer->buf.len += size;
    header->n_sets++;
}

static mu_code write_record(mu_member_writer *writer, record_header *header, mu_err *err)
{
    if (writer->buf.failed)
        return mu_fail(err, MU_E_NOMEM, "no memory to write memberships");
    header->n_bytes = writer->buf.len;
    header->content_checksum = mu_crc32c(0, writer->buf.ptr, writer->buf.len);
    header->checksum = mu_crc32c(0, header, offsetof(record_header, checksum));
    writer->n_records++;
    MU_TRY(write_all(writer, header, sizeof *header, err));
    return write_all(writer, writer->buf.ptr, writer->buf.len, err);
}

mu_code mu_member_writer_change(mu_member_writer *writer, const mu_member_delta *delta, mu_err *err)
{
    record_header header = {.kind = delta->is_removed ? RECORD_REMOVED : RECORD_CHANGE,
                            .id_size = (uint32_t)delta->audience_id.len,
                            .at_ms = delta->at_ms,
                            .expires_ms = delta->expires_ms,
                            .evaluated_ms = delta->evaluated_ms};
    if (delta->audience_id.len == 0 || delta->audience_id.len > ID_SIZE_MAX)
        return mu_fail(err, MU_E_INPUT, "an audience's id is empty or too long");
    mu_buf_clear(&writer->buf);
    mu_buf_add_str(&writer->buf, delta->audience_id);
    add_set(writer, &header, SET_DROPPED, delta->at_ms, delta->dropped);
    add_set(writer, &header, SET_LEFT, delta->at_ms, delta->left);
    add_set(writer, &header, SET_ENTERED, delta->at_ms, delta->entered);
    return write_record(writer, &header, err);
}

mu_code mu_member_writer_whole(mu_member_writer *writer, const mu_member_record *record,
                               int64_t since_ms, mu_err *err)
{
    const mu_membership *m = &record->public;
    record_header header = {.kind = RECORD_WHOLE,
                            .id_size = (uint32_t)m->audience_id.len,
                            .expires_ms = m->expires_ms,
                            .evaluated_ms = m->evaluated_ms};
    mu_buf_clear(&writer->buf);
    mu_buf_add_str(&writer->buf, m->audience_id);
    for (uint32_t i = 0; i < m->n_realized; i++)
        add_set(writer, &header, SET_REALIZED, m->realized[i].at_ms, m->realized[i].pids);
    for (uint32_t i = 0; i < m->n_exited; i++)
        if (m->exited[i].at_ms >= since_ms)
            add_set(writer, &header, SET_EXITED, m->exited[i].at_ms, m->exited[i].pids);
    return write_record(writer, &header, err);
}

mu_code mu_member_writer_finish(mu_member_writer *writer, mu_err *err)
{
    file_header header = {.version = VERSION,
                          .n_records = writer->n_records,
                          .number = writer->number,
                          .n_bytes = writer->n_bytes};
    memcpy(header.magic, MAGIC, sizeof header.magic);
    header.checksum = mu_crc32c(0, &header, offsetof(file_header, checksum));
    if (pwrite(writer->fd, &header, sizeof header, 0) != sizeof header || fsync(writer->fd) != 0)
        return mu_fail_errno(err, "cannot sync %s", writer->unnamed.ptr);
    if (rename(writer->unnamed.ptr, writer->path.ptr) != 0)
        return mu_fail_errno(err, "cannot rename %s", writer->unnamed.ptr);
    close(writer->fd);
    writer->fd = -1;
    return mu_sync_directory(writer->folder.ptr, err);
}

void mu_member_writer_end(mu_member_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->unnamed.ptr);
    }
    mu_buf_free(&writer->buf);
    mu_arena_free(&writer->arena);
}

/* -------- reading -------- */

typedef struct file_reader {
    const char *path;
    const uint8_t *bytes;
    uint64_t n_bytes, at;
    mu_member_visit *visit;
    void *context;
} file_reader;

static mu_code damaged(const file_reader *reader, const char *what, mu_err *err)
{
    return mu_fail(err, MU_E_CORRUPT, "the file of memberships %s is damaged: %s", reader->path,
                   what);
}

static bool take(file_reader *reader, void *out, uint64_t size, uint64_t end)
{
    if (reader->at > end || end - reader->at < size)
        return false;
    memcpy(out, reader->bytes + reader->at, size);
    reader->at += size;
    return true;
}

static mu_code read_header(file_reader *reader, uint64_t number, uint64_t n_bytes,
                           file_header *header, mu_err *err)
{
    if (!take(reader, header, sizeof *header, reader->n_bytes))
        return damaged(reader, "it is too short", err);
    if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
        return damaged(reader, "it does not begin as such a file does", err);
    if (header->checksum != mu_crc32c(0, header, offsetof(file_header, checksum)))
        return damaged(reader, "its header fails its checksum", err);
    if (header->version != VERSION)
        return mu_fail(err, MU_E_INPUT, "%s has format %u; this program reads %u", reader->path,
                       header->version, VERSION);
    if (header->number != number)
        return damaged(reader, "it is another file", err);
    if (header->n_bytes != n_bytes || reader->n_bytes != n_bytes)
        return damaged(reader, "it has not the length it should have", err);
    return MU_OK;
}

static mu_code read_set(file_reader *reader, uint64_t end, set_header *header, mu_pid_set **out,
                        mu_err *err)
{
    if (!take(reader, header, sizeof *header, end) || header->n_bytes > end - reader->at)
        return damaged(reader, "a record is too short", err);
    const char *bytes = (const char *)reader->bytes + reader->at;
    size_t size = (size_t)header->n_bytes;
    if (roaring_bitmap_portable_deserialize_size(bytes, size) != size ||
        (*out = roaring_bitmap_portable_deserialize_safe(bytes, size)) == NULL)
        return damaged(reader, "a bitmap cannot be read", err);
    reader->at += size;
    return MU_OK;
}

static mu_pid_set **place_of(mu_member_delta *delta, uint32_t role)
{
    return role == SET_ENTERED   ? &delta->entered
           : role == SET_LEFT    ? &delta->left
           : role == SET_DROPPED ? &delta->dropped
                                 : NULL;
}

static mu_code read_change(file_reader *reader, const record_header *header, uint64_t end,
                           mu_member_delta *delta, mu_err *err)
{
    set_header set;
    for (uint32_t i = 0; i < header->n_sets; i++) {
        mu_pid_set *pids;
        MU_TRY(read_set(reader, end, &set, &pids, err));
        mu_pid_set **place = place_of(delta, set.role);
        if (place == NULL || *place != NULL) {
            roaring_bitmap_free(pids);
            return damaged(reader, "a record has sets that it should not have", err);
        }
        *place = pids;
    }
    return reader->at == end ? MU_OK : damaged(reader, "a record is too long", err);
}

static mu_code read_runs(file_reader *reader, const record_header *header, uint64_t end,
                         uint32_t n[2], mu_member_run *runs[2], mu_err *err)
{
    set_header set;
    for (uint32_t i = 0; i < header->n_sets; i++) {
        mu_pid_set *pids;
        MU_TRY(read_set(reader, end, &set, &pids, err));
        if (set.role != SET_REALIZED && set.role != SET_EXITED) {
            roaring_bitmap_free(pids);
            return damaged(reader, "a record has sets that it should not have", err);
        }
        uint32_t which = set.role == SET_EXITED;
        runs[which][n[which]++] = (mu_member_run){set.at_ms, pids};
    }
    return reader->at == end ? MU_OK : damaged(reader, "a record is too long", err);
}

static mu_code visit_whole(file_reader *reader, const record_header *header, mu_str id,
                           uint64_t end, mu_err *err)
{
    mu_arena arena;
    uint32_t n[2] = {0, 0};
    mu_arena_init(&arena, SIZE_MAX);
    mu_member_run *runs[2] = {MU_NEW_ARRAY(&arena, mu_member_run, header->n_sets),
                              MU_NEW_ARRAY(&arena, mu_member_run, header->n_sets)};
    mu_code code = read_runs(reader, header, end, n, runs, err);
    if (code == MU_OK)
        reader->visit(reader->context, NULL,
                      mu_member_record_new(id, header->expires_ms, header->evaluated_ms, n[0],
                                           runs[0], n[1], runs[1]));
    for (uint32_t which = 0; code != MU_OK && which < 2; which++)
        for (uint32_t i = 0; i < n[which]; i++)
            roaring_bitmap_free(runs[which][i].pids);
    mu_arena_free(&arena);
    return code;
}

static mu_code visit_change(file_reader *reader, const record_header *header, mu_str id,
                            uint64_t end, mu_err *err)
{
    mu_member_delta delta = {.audience_id = id,
                             .is_removed = header->kind == RECORD_REMOVED,
                             .at_ms = header->at_ms,
                             .expires_ms = header->expires_ms,
                             .evaluated_ms = header->evaluated_ms};
    mu_code code = read_change(reader, header, end, &delta, err);
    if (code == MU_OK)
        reader->visit(reader->context, &delta, NULL);
    mu_member_delta_free(&delta);
    return code;
}

static mu_code read_record(file_reader *reader, mu_err *err)
{
    record_header header;
    if (!take(reader, &header, sizeof header, reader->n_bytes))
        return damaged(reader, "a record is missing", err);
    if (header.checksum != mu_crc32c(0, &header, offsetof(record_header, checksum)))
        return damaged(reader, "a record's header fails its checksum", err);
    if (header.n_bytes > reader->n_bytes - reader->at || header.id_size > header.n_bytes ||
        header.n_sets > header.n_bytes / sizeof(set_header) || header.id_size > ID_SIZE_MAX)
        return damaged(reader, "a record makes no sense", err);
    const uint8_t *content = reader->bytes + reader->at;
    if (header.content_checksum != mu_crc32c(0, content, (size_t)header.n_bytes))
        return damaged(reader, "a record fails its checksum", err);
    uint64_t end = reader->at + header.n_bytes;
    mu_str id = {(const char *)content, header.id_size};
    reader->at += header.id_size;
    if (header.kind == RECORD_WHOLE)
        return visit_whole(reader, &header, id, end, err);
    if (header.kind == RECORD_CHANGE || header.kind == RECORD_REMOVED)
        return visit_change(reader, &header, id, end, err);
    return damaged(reader, "a record is of an unknown kind", err);
}

mu_code mu_member_file_read(const char *path, uint64_t number, uint64_t n_bytes,
                            mu_member_visit *visit, void *context, mu_err *err)
{
    mu_mapping mapping;
    file_header header;
    mu_code code = mu_file_map(path, &mapping, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_CORRUPT, "the file of memberships %s is missing", path);
    MU_TRY(code);
    file_reader reader = {path, mapping.bytes, mapping.size_bytes, 0, visit, context};
    code = read_header(&reader, number, n_bytes, &header, err);
    for (uint32_t i = 0; code == MU_OK && i < header.n_records; i++)
        code = read_record(&reader, err);
    if (code == MU_OK && reader.at != reader.n_bytes)
        code = damaged(&reader, "there is something behind its last record", err);
    mu_file_unmap(&mapping);
    return code;
}
