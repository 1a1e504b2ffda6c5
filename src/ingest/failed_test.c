#include "base/file.h"
#include "base/time.h"
#include "ingest/batch_document.h"
#include "ingest/failed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SANDBOX MU_STR("ORG/prod")

static int64_t clock_ms = 1773144000000;

static int64_t now_ms(void)
{
    return clock_ms;
}

typedef struct fixture {
    char folder[64];
    mu_arena arena;
    mu_documents *documents;
    mu_metrics *metrics;
    mu_json_reader *reader;
    mu_failed_options options;
    mu_failed *failed;
} fixture;

static void open_store(fixture *f)
{
    mu_err err;
    if (mu_failed_open(&f->options, &f->failed, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    assert_non_null(f);
    strcpy(f->folder, "/tmp/muster_failed_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    mu_arena_init(&f->arena, SIZE_MAX);
    assert_int_equal(mu_documents_open(f->folder, &f->documents, &err), MU_OK);
    f->metrics = mu_metrics_new();
    f->reader = mu_json_reader_new();
    f->options = (mu_failed_options){
        .folder = f->folder, .documents = f->documents, .now_ms = now_ms, .metrics = f->metrics};
    clock_ms = mu_now_ms();
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];
    mu_failed_close(f->failed);
    mu_documents_close(f->documents);
    mu_metrics_free(f->metrics);
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void add(fixture *f, const char *dataset, const char *record)
{
    mu_json json;
    mu_err err;
    mu_buf line;
    assert_int_equal(mu_json_read(f->reader, &f->arena, mu_str_from(record), &json, &err), MU_OK);
    mu_acceptance acceptance = {.outcome = MU_ACCEPT_INVALID, .n_violations = 1};
    acceptance.violations[0] = (mu_xdm_violation){.pointer = MU_STR("#/person/gender"),
                                                  .keyword = MU_STR("enum"),
                                                  .message = MU_STR("f is not a valid enum value")};
    mu_buf_init(&line, 4096);
    mu_failed_line(&line, &json, &acceptance);
    mu_failed_message message = {.sandbox = SANDBOX,
                                 .organization = MU_STR("ORG"),
                                 .sandbox_id = MU_STR("id"),
                                 .dataset = mu_str_from(dataset),
                                 .line = mu_buf_str(&line)};
    message.code = mu_failed_code(&acceptance, &message.description);
    mu_failed_add(f->failed, &message);
    mu_buf_free(&line);
}

static uint32_t batches(fixture *f, const mu_document **out)
{
    uint32_t n;
    mu_err err;
    assert_int_equal(
        mu_document_list(f->documents, &f->arena, SANDBOX, MU_BATCH_KIND, &n, out, &err), MU_OK);
    return n;
}

static mu_str read_only_file(fixture *f, mu_str batch)
{
    const mu_failed_file *files;
    mu_err err;
    int fd;
    uint64_t length;
    if (mu_failed_list(f->failed, &f->arena, SANDBOX, batch, &files) == 0)
        return MU_STR("");
    assert_int_equal(
        mu_failed_open_file(f->failed, SANDBOX, batch, files[0].name, &fd, &length, &err), MU_OK);
    assert_int_equal(length, files[0].length);
    char *text = mu_arena_alloc(&f->arena, length + 1);
    assert_int_equal(read(fd, text, length), (ssize_t)length);
    close(fd);
    return (mu_str){text, length};
}

static void messages_gather_in_one_failed_batch_per_dataset(void **state)
{
    fixture *f = *state;
    const mu_document *documents;
    mu_json json;
    mu_batch batch;
    mu_err err;
    add(f, "d1", "{\"a\":1}");
    add(f, "d1", "{\"a\":\"two\"}");
    add(f, "d2", "{\"a\":3}");
    mu_failed_flush(f->failed);
    assert_int_equal(batches(f, &documents), 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(mu_json_read(f->reader, &f->arena, documents[i].json, &json, &err), MU_OK);
        assert_int_equal(mu_batch_read(&json, &batch, &err), MU_OK);
        assert_true(batch.is_streaming);
        assert_int_equal(batch.status, MU_BATCH_FAILED);
        bool is_first = mu_str_equal(batch.dataset, MU_STR("d1"));
        assert_int_equal(batch.n_failed_records, is_first ? 2 : 1);
        assert_int_equal(batch.errors[0].n_records, is_first ? 2 : 1);
        mu_str text = read_only_file(f, batch.id);
        if (is_first)
            assert_string_equal(text.ptr,
                                "{\"a\":1,\"_errors\":[{\"code\":\"INGEST-1552-400\",\"message\":"
                                "\"f is not a valid enum value\",\"column\":\"person/gender\"}]}\n"
                                "{\"a\":\"two\",\"_errors\":[{\"code\":\"INGEST-1552-400\","
                                "\"message\":\"f is not a valid enum value\",\"column\":"
                                "\"person/gender\"}]}\n");
    }
}

static void an_hour_later_a_new_batch_begins(void **state)
{
    fixture *f = *state;
    const mu_document *documents;
    add(f, "d1", "{\"a\":1}");
    mu_failed_flush(f->failed);
    clock_ms += 3600000;
    add(f, "d1", "{\"a\":2}");
    mu_failed_flush(f->failed);
    assert_int_equal(batches(f, &documents), 2);
}

static void files_and_their_batch_go_after_a_week(void **state)
{
    fixture *f = *state;
    const mu_document *documents;
    const mu_failed_file *files;
    add(f, "d1", "{\"a\":1}");
    mu_failed_flush(f->failed);
    clock_ms += (int64_t)6 * 86400000;
    mu_failed_tidy(f->failed);
    assert_int_equal(batches(f, &documents), 1);
    assert_int_equal(mu_failed_list(f->failed, &f->arena, SANDBOX, documents[0].id, &files), 1);
    clock_ms += (int64_t)86400000 + 60000;
    mu_failed_tidy(f->failed);
    assert_int_equal(mu_failed_list(f->failed, &f->arena, SANDBOX, documents[0].id, &files), 0);
    assert_int_equal(batches(f, &documents), 0);
}

static void the_oldest_go_first_when_there_is_too_much(void **state)
{
    fixture *f = *state;
    mu_err err;
    const mu_failed_file *files;
    mu_failed_close(f->failed);
    f->options.bytes_max = 100;
    open_store(f);
    char lines[80];
    memset(lines, 'x', sizeof lines);
    mu_str text = {lines, sizeof lines};
    assert_int_equal(mu_failed_append(f->failed, SANDBOX, MU_STR("A"), MU_STR("p"), text, &err),
                     MU_OK);
    assert_int_equal(mu_failed_append(f->failed, SANDBOX, MU_STR("B"), MU_STR("p"), text, &err),
                     MU_OK);
    mu_failed_tidy(f->failed);
    assert_int_equal(mu_failed_list(f->failed, &f->arena, SANDBOX, MU_STR("A"), &files), 0);
    assert_int_equal(mu_failed_list(f->failed, &f->arena, SANDBOX, MU_STR("B"), &files), 1);
}

static void lines_of_an_erased_person_go_and_others_stay(void **state)
{
    fixture *f = *state;
    const mu_document *documents;
    mu_err err;
    add(f, "d1", "{\"id\":\"CRM-1\"}");
    add(f, "d1", "{\"id\":\"CRM-12\"}");
    add(f, "d1", "{\"id\":\"quote\\\"d\"}");
    mu_failed_flush(f->failed);
    const mu_identity gone[] = {{MU_STR("crm"), MU_STR("CRM-1")},
                                {MU_STR("crm"), MU_STR("quote\"d")}};
    assert_int_equal(mu_failed_erase(f->failed, SANDBOX, 2, gone, &err), MU_OK);
    assert_int_equal(batches(f, &documents), 1);
    mu_str text = read_only_file(f, documents[0].id);
    assert_true(mu_str_starts_with(text, MU_STR("{\"id\":\"CRM-12\"")));
    assert_int_equal(mu_str_find(text, MU_STR("CRM-1\"")), SIZE_MAX);
    assert_int_equal(mu_str_find(text, MU_STR("quote")), SIZE_MAX);
}

static void a_full_queue_drops_and_counts(void **state)
{
    fixture *f = *state;
    const mu_document *documents;
    mu_failed_close(f->failed);
    f->options.queue_bytes_max = 10;
    open_store(f);
    add(f, "d1", "{\"a\":1}");
    mu_failed_flush(f->failed);
    assert_int_equal(batches(f, &documents), 0);
    mu_buf text;
    mu_buf_init(&text, 1 << 16);
    mu_metrics_write(f->metrics, &text);
    assert_true(mu_str_find(mu_buf_str(&text),
                            MU_STR("muster_failed_messages_dropped_total 1\n")) != SIZE_MAX);
    mu_buf_free(&text);
}

static void names_cannot_leave_the_folder(void **state)
{
    fixture *f = *state;
    mu_err err;
    int fd;
    uint64_t length;
    static const char *const names[] = {"../../catalog.db", "..", "", "/etc/passwd", "a/../b"};
    assert_int_equal(
        mu_failed_append(f->failed, SANDBOX, MU_STR("A"), MU_STR("p"), MU_STR("x\n"), &err), MU_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(mu_failed_open_file(f->failed, SANDBOX, MU_STR("A"), mu_str_from(names[i]),
                                             &fd, &length, &err),
                         MU_E_NOT_FOUND);
    assert_int_equal(
        mu_failed_open_file(f->failed, SANDBOX, MU_STR("../A"), MU_STR("p"), &fd, &length, &err),
        MU_E_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_gather_in_one_failed_batch_per_dataset),
        TEST(an_hour_later_a_new_batch_begins),
        TEST(files_and_their_batch_go_after_a_week),
        TEST(the_oldest_go_first_when_there_is_too_much),
        TEST(lines_of_an_erased_person_go_and_others_stay),
        TEST(a_full_queue_drops_and_counts),
        TEST(names_cannot_leave_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
