/* fuzz_part.c -- any bytes as a part file: refused with a sentence, or read to the end without
 * leaving the file. Checksums are not looked at, so that what lies behind them is reached. */
#include "store/part_int.h"
#include "store/row_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A few bytes can stand for millions of elements (all equal, or all null); reading those takes long
 * and shows nothing new. */
#define ELEMENTS_READ_MAX 100000u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_small(const mu_part *part)
{
    uint64_t n = 0;
    for (uint32_t b = 0; b < mu_part_block_count(part); b++)
        for (uint32_t l = 0; l < mu_part_level_count(part); l++) {
            uint32_t elements = 0;
            if (mu_part_level_size(part, l, b, &elements, NULL) == MU_OK)
                n += elements;
        }
    return n * mu_part_column_count(part) <= ELEMENTS_READ_MAX * 16u && n <= ELEMENTS_READ_MAX;
}

static void find(const mu_part *part, mu_identity identity)
{
    const uint64_t *dead = NULL;
    mu_entity entity = {.n_parts = 1, .parts = &part, .dead = &dead};
    mu_row_place place;
    mu_err err;
    bool found = false;
    mu_code code = mu_entity_find(&entity, identity, &found, &place, &err);
    MU_ASSERT(code != MU_OK || !found || place.row < mu_part_rows(part));
}

/* Reads every byte of the value. */
static void write_as_json(mu_value value)
{
    mu_buf text;
    mu_json_writer writer;
    mu_buf_init(&text, (size_t)1 << 26);
    mu_json_writer_init(&writer, &text);
    mu_value_write(&writer, value);
    MU_ASSERT(text.failed || text.len > 0);
    mu_buf_free(&text);
}

static void read_all(const mu_part *part)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t row = 0; row < mu_part_rows(part); row++) {
        mu_err err = {0};
        mu_value value;
        mu_identity identity;
        if (mu_part_row(part, row, &arena, &value, &err) != MU_OK)
            MU_ASSERT(err.text[0] != '\0');
        else
            write_as_json(value);
        if (mu_part_identity(part, row, &identity, &err) == MU_OK)
            find(part, identity);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
}

static void find_pids(const mu_part *part)
{
    mu_err err;
    for (uint32_t b = 0; b < mu_part_block_count(part); b++) {
        const uint32_t *pids;
        if (mu_part_pids(part, b, &pids, &err) != MU_OK)
            continue;
        for (uint32_t i = 0; i < mu_part_block(part, b).n_rows; i++) {
            uint32_t row = 0;
            bool found = false;
            mu_code code = mu_part_find_pid(part, pids[i], &found, &row, &err);
            MU_ASSERT(code != MU_OK || !found || row < mu_part_rows(part));
        }
    }
}

static mu_code copy_rows(const mu_part *part, mu_row_copier *copier, mu_part_writer *writer,
                         mu_err *err)
{
    for (uint32_t row = 0; row < mu_part_rows(part);) {
        mu_block block = mu_part_block(part, mu_part_block_of_row(part, row));
        uint32_t n = block.row + block.n_rows - row;
        MU_TRY(mu_row_copier_room(copier, writer, row, n, &n, err));
        MU_TRY(mu_row_copier_copy(copier, writer, row, n, err));
        row += n;
    }
    return MU_OK;
}

/* As a merge does. */
static void copy_part(const mu_part *part)
{
    mu_err err = {0};
    mu_row_copier *copier;
    mu_part_writer *writer;
    mu_mapping bytes;
    if (mu_part_writer_create_in_memory("copy", 1, MU_STR("profile"), mu_part_row_type(part), NULL,
                                        &writer, &err) != MU_OK)
        return;
    MU_ASSERT(mu_row_copier_new(part, &copier, &err) == MU_OK);
    if (copy_rows(part, copier, writer, &err) != MU_OK) {
        MU_ASSERT(err.text[0] != '\0');
        mu_part_writer_discard(writer);
    } else if (mu_part_writer_seal_in_memory(writer, &bytes, &err) == MU_OK) {
        free((void *)(uintptr_t)bytes.bytes);
    }
    mu_row_copier_free(copier);
}

static void read_file(const char *path)
{
    mu_part *part;
    mu_err err = {0};
    mu_part_open_options options = {.ignores_checksums = true};
    if (mu_part_open_with(path, &options, &part, &err) != MU_OK) {
        MU_ASSERT(err.text[0] != '\0');
        return;
    }
    if (is_small(part)) {
        if (mu_part_verify(part, &err) != MU_OK)
            MU_ASSERT(err.text[0] != '\0');
        read_all(part);
        find_pids(part);
        copy_part(part);
    }
    mu_part_close(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[64];
    int fd = memfd_create("part", MFD_CLOEXEC);
    MU_ASSERT(fd >= 0);
    MU_ASSERT(size == 0 || pwrite(fd, bytes, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_file(path);
    close(fd);
    return 0;
}
