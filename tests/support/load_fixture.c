#include "tests/support/load_fixture.h"

#include "base/bits.h"
#include "base/file.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SANDBOX MU_STR("prod")

static void note_reject(void *context, mu_str file, uint64_t line, mu_str reason)
{
    mu_load_fixture *f = context;
    const char *slash = memrchr(file.ptr, '/', file.len);
    if (slash != NULL)
        file = (mu_str){slash + 1, file.len - (size_t)(slash + 1 - file.ptr)};
    mu_buf_add_format(&f->rejects, MU_STR_FMT ":%llu: " MU_STR_FMT "\n", MU_STR_ARG(file),
                      (unsigned long long)line, MU_STR_ARG(reason));
}

static void check(mu_code code, const mu_err *err)
{
    if (code != MU_OK)
        fail_msg("%s: %s", mu_code_name(code), err->text);
}

void mu_load_fixture_init(mu_load_fixture *f)
{
    *f = (mu_load_fixture){.folder = "/tmp/muster-load-XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_buf_init(&f->rejects, SIZE_MAX);
    f->reader = mu_json_reader_new();
    f->options = (mu_load_options){
        .n_threads = 2, .rejected = note_reject, .rejected_context = f, .class_name = MU_STR("")};
    mu_load_fixture_reopen(f);
}

void mu_load_fixture_reopen(mu_load_fixture *f)
{
    char data[80];
    if (f->store != NULL)
        mu_store_close(f->store);
    f->store = NULL;
    snprintf(data, sizeof data, "%s/data", f->folder);
    check(mu_store_open(data, SANDBOX, MU_STORE_WRITE, &f->store, &f->err), &f->err);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void mu_load_fixture_fini(mu_load_fixture *f)
{
    if (f->store != NULL)
        mu_store_close(f->store);
    mu_json_reader_free(f->reader);
    mu_buf_free(&f->rejects);
    mu_arena_free(&f->arena);
    nftw(f->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *mu_load_fixture_file(mu_load_fixture *f, const char *name, mu_str text)
{
    const char *path = mu_arena_format(&f->arena, "%s/%s", f->folder, name).ptr;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
    return path;
}

mu_code mu_load_fixture_load(mu_load_fixture *f, uint32_t n_files, const char *const *files)
{
    mu_buf_clear(&f->rejects);
    return mu_load_tuned(f->store, &f->options, &f->tuning, n_files, files, &f->summary, &f->err);
}

mu_code mu_load_fixture_text(mu_load_fixture *f, const char *name, const char *text)
{
    const char *path = mu_load_fixture_file(f, name, mu_str_from(text));
    return mu_load_fixture_load(f, 1, &path);
}

const mu_json *mu_load_fixture_schema(mu_load_fixture *f, const char *name)
{
    char path[1024];
    mu_str text;
    mu_json *json = MU_NEW(&f->arena, mu_json);
    snprintf(path, sizeof path, "%s/tests/data/%s", MUSTER_SOURCE_DIR, name);
    check(mu_file_read(&f->arena, path, 1 << 24, &text, &f->err), &f->err);
    check(mu_json_read(f->reader, &f->arena, text, json, &f->err), &f->err);
    return json;
}

typedef struct line_list {
    char **lines;
    size_t n, capacity;
} line_list;

static void add_row(mu_load_fixture *f, line_list *list, mu_str entity, const mu_part *part,
                    uint32_t row)
{
    mu_identity identity;
    mu_value value;
    mu_buf text;
    mu_json_writer writer;
    mu_buf_init(&text, SIZE_MAX);
    check(mu_part_identity(part, row, &identity, &f->err), &f->err);
    check(mu_part_row(part, row, &f->arena, &value, &f->err), &f->err);
    mu_buf_add_format(&text, MU_STR_FMT " " MU_STR_FMT ":" MU_STR_FMT " ", MU_STR_ARG(entity),
                      MU_STR_ARG(identity.namespace_code), MU_STR_ARG(identity.value));
    mu_json_writer_init(&writer, &text);
    mu_value_write(&writer, value);
    mu_buf_add_char(&text, 0);
    list->lines = mu_room(list->lines, list->n, &list->capacity, sizeof *list->lines);
    list->lines[list->n++] = text.ptr; /* freed below */
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *mu_load_fixture_rows(mu_load_fixture *f)
{
    mu_snapshot *snapshot;
    line_list list = {0};
    check(mu_snapshot_acquire(f->store, &snapshot, &f->err), &f->err);
    for (uint32_t e = 0; e < mu_snapshot_entity_count(snapshot); e++) {
        const mu_entity *entity = mu_snapshot_entity_at(snapshot, e);
        for (uint32_t p = 0; p < entity->n_parts; p++)
            for (uint32_t row = 0; row < mu_part_rows(entity->parts[p]); row++)
                if (entity->dead[p] == NULL || !mu_bit_get(entity->dead[p], row))
                    add_row(f, &list, entity->name, entity->parts[p], row);
    }
    mu_snapshot_release(snapshot);
    if (list.n > 0)
        qsort(list.lines, list.n, sizeof *list.lines, compare_lines);
    mu_buf all;
    mu_buf_init(&all, SIZE_MAX);
    for (size_t i = 0; i < list.n; i++) {
        mu_buf_add_str(&all, mu_str_from(list.lines[i]));
        mu_buf_add_char(&all, '\n');
        free(list.lines[i]);
    }
    free(list.lines);
    const char *text = mu_arena_copy(&f->arena, mu_buf_str(&all)).ptr;
    mu_buf_free(&all);
    return text;
}

const char *mu_load_fixture_types(mu_load_fixture *f)
{
    mu_snapshot *snapshot;
    mu_buf text;
    mu_json_writer writer;
    check(mu_snapshot_acquire(f->store, &snapshot, &f->err), &f->err);
    mu_schema schema = *mu_snapshot_schema(snapshot);
    schema.version = 0;
    mu_buf_init(&text, SIZE_MAX);
    mu_json_writer_init(&writer, &text);
    mu_schema_write(&writer, &schema);
    const char *out = mu_arena_copy(&f->arena, mu_buf_str(&text)).ptr;
    mu_buf_free(&text);
    mu_snapshot_release(snapshot);
    return out;
}

static void print_problem(void *context, mu_str sentence)
{
    (void)context;
    fprintf(stderr, MU_STR_FMT "\n", MU_STR_ARG(sentence));
}

void mu_load_fixture_verify(mu_load_fixture *f)
{
    char data[80];
    mu_verify_report report;
    mu_verify_callbacks callbacks = {.problem = print_problem};
    snprintf(data, sizeof data, "%s/data", f->folder);
    check(mu_store_verify(data, 1, &callbacks, &report, &f->err), &f->err);
    assert_int_equal(report.n_problems, 0);
}
