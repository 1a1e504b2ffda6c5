/* log_test.c -- what was acknowledged is there again, whole groups and in order; a torn end is cut,
 * damage is named, and a disk that fails ends acceptance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "store/log_int.h"
#include "tests/support/dice.h"
#include "tests/support/part_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* -------- records -------- */

/* Every record tells which group it was appended with; its filling follows from that. */
typedef struct record_head {
    uint64_t group;
    uint32_t index, n;
} record_head;

#define RECORD_MAX 600

static size_t make_record(uint64_t group, uint32_t index, uint32_t n, char out[RECORD_MAX])
{
    record_head head = {group, index, n};
    uint32_t filling = mu_mix32((uint32_t)group * 31 + index) % (RECORD_MAX - sizeof head);
    if (group % 5 == 0)
        filling %= 8;
    memcpy(out, &head, sizeof head);
    for (uint32_t i = 0; i < filling; i++)
        out[sizeof head + i] = (char)mu_mix32((uint32_t)group + index * 7 + i);
    return sizeof head + filling;
}

/* What was applied since opening: asserts that it is whole groups, as they were appended. */
typedef struct seen {
    uint64_t first, last; /* sequence numbers; 0: none */
    uint64_t n_groups, last_group;
    uint32_t index; /* within the group that is being read; 0: between groups */
    bool is_wrong;
    /* told by the commit thread */
    uint64_t synced;
    unsigned n_failures;
    mu_code failure;
    mu_code apply_fails; /* from here on */
} seen;

static mu_code see(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    seen *s = context;
    char expected[RECORD_MAX];
    record_head head;
    if (s->apply_fails != MU_OK)
        return mu_fail(err, s->apply_fails, "it cannot be applied");
    if (payload.len < sizeof head) {
        s->is_wrong = true;
        return MU_OK;
    }
    memcpy(&head, payload.ptr, sizeof head);
    size_t size = make_record(head.group, head.index, head.n, expected);
    s->is_wrong |= !mu_str_equal(payload, (mu_str){expected, size});
    s->is_wrong |= s->last != 0 && sequence != s->last + 1;
    s->is_wrong |= head.index != s->index || (s->index > 0 && head.group != s->last_group);
    if (s->first == 0)
        s->first = sequence;
    s->last = sequence;
    s->last_group = head.group;
    s->index = head.index + 1 == head.n ? 0 : head.index + 1;
    s->n_groups += s->index == 0;
    return MU_OK;
}

static void hear(void *context, uint64_t sequence, mu_code code)
{
    seen *s = context;
    s->synced = sequence;
    s->n_failures += code != MU_OK;
    if (code != MU_OK)
        s->failure = code;
}

static void must(mu_code code, const mu_err *err)
{
    if (code != MU_OK)
        fail_msg("%s", err->text);
}

static mu_code open_with(const char *folder, mu_log_options options, seen *s, mu_log **out,
                         mu_err *err)
{
    *s = (seen){0};
    options.folder = folder;
    if (options.backlog_bytes_max == 0)
        options.backlog_bytes_max = 1 << 20;
    options.apply = see;
    options.synced = hear;
    options.context = s;
    return mu_log_open(&options, out, err);
}

static mu_log *open_log(const char *folder, seen *s)
{
    mu_err err;
    mu_log *log = NULL;
    must(open_with(folder, (mu_log_options){.segment_bytes = 1 << 16}, s, &log, &err), &err);
    assert_false(s->is_wrong);
    assert_int_equal(s->index, 0);
    return log;
}

static mu_code append_group(mu_log *log, uint64_t group, uint32_t n, uint64_t *last, mu_err *err)
{
    char(*bytes)[RECORD_MAX] = malloc((size_t)n * RECORD_MAX);
    mu_str *payloads = calloc(n, sizeof *payloads);
    for (uint32_t i = 0; i < n; i++)
        payloads[i] = (mu_str){bytes[i], make_record(group, i, n, bytes[i])};
    mu_code code = mu_log_append(log, n, payloads, last, err);
    free(payloads);
    free(bytes);
    return code;
}

/* One block. */
static uint64_t commit_group(mu_log *log, uint64_t group, uint32_t n)
{
    mu_err err;
    uint64_t last = 0;
    must(append_group(log, group, n, &last, &err), &err);
    must(mu_log_wait(log, last, &err), &err);
    return last;
}

/* -------- files -------- */

static void segment_path(const char *folder, uint64_t first, char out[MU_LOG_PATH_MAX])
{
    char log_folder[MU_LOG_PATH_MAX];
    mu_err err;
    must(mu_log_folder_path(folder, log_folder, &err), &err);
    mu_log_segment_path(log_folder, first, ".log", out);
}

static uint8_t *read_segment(const char *folder, uint64_t first, size_t *size)
{
    char path[MU_LOG_PATH_MAX];
    mu_err err;
    uint8_t *bytes = NULL;
    segment_path(folder, first, path);
    must(mu_log_read_file(path, &bytes, size, &err), &err);
    return bytes;
}

static void write_segment(const char *folder, uint64_t first, const uint8_t *bytes, size_t size)
{
    char path[MU_LOG_PATH_MAX];
    segment_path(folder, first, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static bool has_segment(const char *folder, uint64_t first)
{
    char path[MU_LOG_PATH_MAX];
    segment_path(folder, first, path);
    return access(path, F_OK) == 0;
}

typedef struct problems {
    unsigned n;
    char first[600];
} problems;

static void note_problem(void *context, mu_str sentence)
{
    problems *p = context;
    if (p->n++ == 0)
        snprintf(p->first, sizeof p->first, MU_STR_FMT, MU_STR_ARG(sentence));
}

static mu_log_report verify(const char *folder, problems *found)
{
    mu_log_report report = {0};
    mu_err err;
    *found = (problems){0};
    must(mu_log_verify(folder, note_problem, found, &report, &err), &err);
    return report;
}

static mu_log_report verify_clean(const char *folder)
{
    problems found;
    mu_log_report report = verify(folder, &found);
    if (found.n > 0)
        fail_msg("%s", found.first);
    return report;
}

/* Offsets of the blocks in a segment's bytes, the end last. */
static size_t block_offsets(const uint8_t *bytes, size_t size, uint64_t first, size_t *out,
                            size_t n_max)
{
    mu_log_reader reader;
    mu_log_block block;
    size_t n = 0;
    assert_true(mu_log_reader_init(&reader, bytes, size, first));
    do {
        assert_true(n < n_max);
        out[n++] = reader.at;
    } while (mu_log_reader_next(&reader, &block) == MU_LOG_STEP_BLOCK);
    return n;
}

/* -------- appending and replay -------- */

static void what_was_appended_is_replayed(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    uint64_t last = 0;
    for (uint64_t round = 0; round < 4; round++) {
        mu_log *log = open_log(folder, &s);
        assert_int_equal(s.last, last);
        assert_int_equal(mu_log_next_sequence(log), last + 1);
        for (uint64_t group = 0; group < 30; group++)
            last = commit_group(log, round * 100 + group, 1 + (uint32_t)group % 7);
        assert_int_equal(s.last, last);
        assert_true(mu_log_bytes(log) > 0);
        mu_log_close(log);
        assert_int_equal(s.synced, last);
        assert_false(s.is_wrong);
        mu_log_report report = verify_clean(folder);
        assert_int_equal(report.n_records, last);
        assert_int_equal(report.first_sequence, 1);
        assert_int_equal(report.last_sequence, last);
        assert_false(report.has_torn_tail);
    }
    mu_remove_folder(folder);
}

static void closing_makes_everything_durable(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    uint64_t last = 0;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    for (uint64_t group = 0; group < 200; group++)
        must(append_group(log, group, 3, &last, &err), &err);
    mu_log_close(log);
    assert_int_equal(s.synced, 600);
    log = open_log(folder, &s);
    assert_int_equal(s.last, 600);
    mu_log_close(log);
    mu_remove_folder(folder);
}

static void empty_records_and_empty_groups_are_kept(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    mu_err err;
    mu_log_options options = {.folder = folder};
    seen s = {.apply_fails = MU_OK};
    options.apply = see;
    options.context = &s;
    mu_log *log;
    uint64_t last = 0;
    must(mu_log_open(&options, &log, &err), &err);
    must(mu_log_append(log, 0, NULL, &last, &err), &err);
    assert_int_equal(last, 0);
    mu_str empty[3] = {{NULL, 0}, {"", 0}, {NULL, 0}};
    must(mu_log_append(log, 3, empty, &last, &err), &err);
    assert_int_equal(last, 3);
    must(mu_log_wait(log, 3, &err), &err);
    mu_log_close(log);
    assert_int_equal(verify_clean(folder).n_records, 3);
    mu_remove_folder(folder);
}

static void records_before_the_first_sequence_are_skipped(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    for (uint64_t group = 0; group < 10; group++)
        commit_group(log, group, 1);
    mu_log_close(log);
    must(open_with(folder, (mu_log_options){.first_sequence = 7}, &s, &log, &err), &err);
    assert_int_equal(s.first, 7);
    assert_int_equal(s.last, 10);
    mu_log_close(log);
    must(open_with(folder, (mu_log_options){.first_sequence = 11}, &s, &log, &err), &err);
    assert_int_equal(s.first, 0);
    assert_int_equal(mu_log_next_sequence(log), 11);
    mu_log_close(log);
    assert_int_equal(open_with(folder, (mu_log_options){.first_sequence = 12}, &s, &log, &err),
                     MU_E_CORRUPT);
    assert_non_null(strstr(err.text, "records up to 11 are in parts"));
    mu_remove_folder(folder);
}

/* -------- threads -------- */

#define N_THREADS         4u
#define GROUPS_PER_THREAD 400u

typedef struct appender {
    mu_log *log;
    uint32_t number;
    uint64_t lasts[GROUPS_PER_THREAD];
} appender;

static void *append_many(void *context)
{
    appender *a = context;
    mu_err err;
    for (uint32_t i = 0; i < GROUPS_PER_THREAD; i++) {
        uint64_t group = (uint64_t)a->number * GROUPS_PER_THREAD + i;
        if (append_group(a->log, group, 1 + mu_mix32((uint32_t)group) % 9, &a->lasts[i], &err) !=
            MU_OK)
            a->lasts[i] = 0;
        else if (i % 16 == 0 && mu_log_wait(a->log, a->lasts[i], &err) != MU_OK)
            a->lasts[i] = 0;
    }
    return NULL;
}

static void threads_append_whole_groups(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    static appender appenders[N_THREADS];
    pthread_t threads[N_THREADS];
    seen s;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        appenders[i] = (appender){.log = log, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, append_many, &appenders[i]), 0);
    }
    for (uint32_t i = 0; i < 8; i++) /* rotation and trimming beside them */
        must(mu_log_rotate(log, &err), &err);
    for (uint32_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t last = mu_log_next_sequence(log) - 1;
    must(mu_log_wait(log, last, &err), &err);
    for (uint32_t i = 0; i < N_THREADS; i++)
        for (uint32_t g = 0; g < GROUPS_PER_THREAD; g++)
            assert_true(appenders[i].lasts[g] > (g == 0 ? 0 : appenders[i].lasts[g - 1]));
    mu_log_close(log);
    assert_false(s.is_wrong);
    assert_int_equal(s.n_groups, N_THREADS * GROUPS_PER_THREAD);
    assert_int_equal(s.last, last);
    log = open_log(folder, &s);
    assert_int_equal(s.n_groups, N_THREADS * GROUPS_PER_THREAD);
    assert_int_equal(s.last, last);
    mu_log_close(log);
    mu_remove_folder(folder);
}

/* -------- torn ends -------- */

/* A log of one segment: groups of 2 in blocks of their own. */
static mu_log *make_blocks(const char *folder, seen *s, uint64_t n)
{
    mu_log *log = open_log(folder, s);
    for (uint64_t group = 1; group <= n; group++)
        commit_group(log, group * 5 + 1, 2);
    return log;
}

/* Opens what a crash left and expects `n_expected` groups; goes on and expects that it is kept. */
static void expect_groups(const char *folder, uint64_t n_expected, const char *what, size_t at)
{
    seen s;
    mu_err err;
    mu_log *log;
    mu_log_options options = {.segment_bytes = 1 << 14};
    if (open_with(folder, options, &s, &log, &err) != MU_OK)
        fail_msg("%s at byte %zu: %s", what, at, err.text);
    if (s.is_wrong || s.index != 0 || s.n_groups != n_expected)
        fail_msg("%s at byte %zu: %llu groups of %llu", what, at, (unsigned long long)s.n_groups,
                 (unsigned long long)n_expected);
    commit_group(log, 77, 3);
    mu_log_close(log);
    assert_int_equal(verify_clean(folder).n_records, n_expected * 2 + 3);
}

static void a_write_torn_at_any_byte_is_cut(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("store/log torn", 3));
    char *folder = mu_make_temporary_folder();
    seen s;
    size_t size, offsets[16];
    mu_log_close(make_blocks(folder, &s, 4));
    uint8_t *bytes = read_segment(folder, 1, &size);
    size_t n_offsets = block_offsets(bytes, size, 1, offsets, 16);
    assert_int_equal(n_offsets, 5);
    uint8_t *torn = malloc(size);
    for (size_t at = offsets[2]; at <= size; at++) {
        uint64_t expected = at >= offsets[4] ? 4 : at >= offsets[3] ? 3 : 2;
        write_segment(folder, 1, bytes, at);
        expect_groups(folder, expected, "cut", at);
        memcpy(torn, bytes, size);
        memset(torn + at, 0, size - at);
        write_segment(folder, 1, torn, size);
        if (at < offsets[4] && memcmp(torn, bytes, offsets[4]) == 0)
            expected = 4; /* what was torn off was zeros anyway */
        else if (at < offsets[3] && memcmp(torn, bytes, offsets[3]) == 0)
            expected = 3;
        expect_groups(folder, expected, "zeros", at);
        if (at >= offsets[4])
            continue;
        for (size_t i = at; i < size; i++)
            torn[i] = (uint8_t)mu_dice_next(&dice);
        torn[at] = (uint8_t)~bytes[at];
        write_segment(folder, 1, torn, size);
        expect_groups(folder, at >= offsets[3] ? 3 : 2, "garbage", at);
    }
    free(torn);
    free(bytes);
    mu_remove_folder(folder);
}

/* A disk may write the sectors of a block in any order before its sync returns. */
static void a_write_whose_sectors_came_in_any_order_is_all_or_none(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("store/log sectors", 4));
    char *folder = mu_make_temporary_folder();
    seen s;
    size_t size, size_after, offsets[32];
    mu_log *log = make_blocks(folder, &s, 5);
    uint8_t *before = read_segment(folder, 1, &size);
    commit_group(log, 99, 12);
    uint8_t *after = read_segment(folder, 1, &size_after);
    mu_log_close(log);
    assert_int_equal(size, size_after);
    size_t n = block_offsets(after, size, 1, offsets, 32);
    size_t end = offsets[n - 1];
    uint8_t *mixed = malloc(size);
    for (uint32_t i = 0; i < mu_dice_cases(600); i++) {
        memcpy(mixed, before, size);
        for (size_t at = offsets[n - 2] / 512 * 512; at < end; at += 512) {
            size_t sector_end = at + 512 < end ? at + 512 : end;
            if (mu_dice_percent(&dice, 70))
                memcpy(mixed + at, after + at, sector_end - at);
        }
        bool is_whole = memcmp(mixed, after, end) == 0;
        write_segment(folder, 1, mixed, size);
        log = open_log(folder, &s);
        assert_int_equal(s.n_groups, is_whole ? 6 : 5);
        commit_group(log, 5, 1);
        mu_log_close(log);
        verify_clean(folder);
    }
    free(mixed);
    free(before);
    free(after);
    mu_remove_folder(folder);
}

/* A payload that looks like a segment does not make a torn end look like damage. */
static void a_payload_cannot_pretend_to_be_a_block(void **state)
{
    (void)state;
    char *other = mu_make_temporary_folder(), *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    size_t size, offsets[8];
    uint64_t last = 0;
    mu_log_close(make_blocks(other, &s, 3));
    uint8_t *bytes = read_segment(other, 1, &size);
    mu_log_close(make_blocks(folder, &s, 2));
    mu_log *log = open_log(folder, &s);
    must(mu_log_append(log, 1, &(mu_str){(char *)bytes, size}, &last, &err), &err);
    must(mu_log_wait(log, last, &err), &err);
    mu_log_close(log);
    free(bytes);
    bytes = read_segment(folder, 1, &size);
    assert_int_equal(block_offsets(bytes, size, 1, offsets, 8), 4);
    bytes[offsets[2]] ^= 1;
    write_segment(folder, 1, bytes, offsets[3]);
    log = open_log(folder, &s);
    assert_int_equal(s.n_groups, 2);
    mu_log_close(log);
    free(bytes);
    mu_remove_folder(other);
    mu_remove_folder(folder);
}

/* -------- damage -------- */

static void a_flipped_byte_anywhere_is_named(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    mu_log *log;
    size_t size, offsets[8];
    mu_log_close(make_blocks(folder, &s, 3));
    uint8_t *bytes = read_segment(folder, 1, &size);
    size_t n = block_offsets(bytes, size, 1, offsets, 8);
    for (size_t at = 0; at < size; at++) {
        problems found;
        char place[64];
        bytes[at] ^= 0x10;
        write_segment(folder, 1, bytes, size);
        size_t block = 0;
        while (block + 1 < n && offsets[block + 1] <= at)
            block++;
        mu_log_report report = verify(folder, &found);
        if (at >= offsets[n - 1]) { /* the last seal: nothing that was accepted is harmed */
            assert_int_equal(found.n, 0);
            assert_true(report.has_torn_tail);
            expect_groups(folder, 3, "flipped", at);
        } else {
            snprintf(place, sizeof place, "0000000000000001.log is damaged at byte %zu:",
                     at < offsets[0] ? 0 : offsets[block]);
            assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
            if (strstr(err.text, place) == NULL)
                fail_msg("byte %zu flipped, told is: %s", at, err.text);
            assert_int_equal(found.n, 1);
            assert_string_equal(found.first, err.text);
        }
        bytes[at] ^= 0x10;
    }
    free(bytes);
    mu_remove_folder(folder);
}

static void damage_before_the_last_segment_is_never_torn(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    problems found;
    size_t size, offsets[8];
    mu_log *log = make_blocks(folder, &s, 3);
    must(mu_log_rotate(log, &err), &err);
    mu_log_close(log);
    uint8_t *bytes = read_segment(folder, 1, &size);
    size_t n = block_offsets(bytes, size, 1, offsets, 8);
    write_segment(folder, 1, bytes, offsets[n - 1] - 8);
    assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
    assert_non_null(strstr(err.text, "0000000000000001.log is damaged at byte"));
    verify(folder, &found);
    assert_int_equal(found.n, 1);
    /* Ending early but cleanly: then records are missing before the next segment. */
    write_segment(folder, 1, bytes, offsets[n - 2]);
    assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
    assert_non_null(strstr(err.text, "records 5 to 6 of the log are missing"));
    verify(folder, &found);
    assert_int_equal(found.n, 1);
    /* All of it is in parts: nobody needs it. */
    must(open_with(folder, (mu_log_options){.first_sequence = 7}, &s, &log, &err), &err);
    mu_log_close(log);
    assert_false(has_segment(folder, 1));
    free(bytes);
    mu_remove_folder(folder);
}

/* The seal that says that another segment follows is written when that one is there already. */
static void a_torn_seal_before_the_last_segment_harms_nobody(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    size_t size, offsets[8];
    mu_log *log = make_blocks(folder, &s, 3);
    must(mu_log_rotate(log, &err), &err);
    commit_group(log, 4, 2);
    mu_log_close(log);
    uint8_t *bytes = read_segment(folder, 1, &size);
    size_t seal = offsets[block_offsets(bytes, size, 1, offsets, 8) - 1];
    assert_int_equal(size, seal + sizeof(mu_log_block_header));
    for (size_t at = seal; at < size; at++) {
        write_segment(folder, 1, bytes, at);
        verify_clean(folder);
        log = open_log(folder, &s);
        assert_int_equal(s.n_groups, 4);
        mu_log_close(log);
        bytes[at] ^= 0xff;
        write_segment(folder, 1, bytes, size);
        verify_clean(folder);
        bytes[at] ^= 0xff;
    }
    free(bytes);
    mu_remove_folder(folder);
}

/* Segments begin with records 1, 3, 5 and 7; there are 8 records. */
static char *make_segments(void)
{
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    for (uint64_t group = 0; group < 4; group++) {
        if (group > 0)
            must(mu_log_rotate(log, &err), &err);
        commit_group(log, group, 2);
    }
    mu_log_close(log);
    assert_int_equal(verify_clean(folder).n_segments, 4);
    return folder;
}

static void a_missing_segment_is_named(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "records 1 to 2 of the log are missing", "records 3 to 4 of the log are missing",
        "records 5 to 6 of the log are missing", "which begins with record 7, is missing"};
    for (uint64_t i = 0; i < 4; i++) {
        char *folder = make_segments(), path[MU_LOG_PATH_MAX];
        seen s;
        mu_err err;
        mu_log *log;
        problems found;
        segment_path(folder, 1 + 2 * i, path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
        if (strstr(err.text, messages[i]) == NULL)
            fail_msg("%s", err.text);
        verify(folder, &found);
        assert_int_equal(found.n, i == 0 ? 0 : 1); /* verify does not know what is in parts */
        mu_remove_folder(folder);
    }
}

static void other_versions_and_other_files_are_refused(void **state)
{
    (void)state;
    char *folder = make_segments();
    seen s;
    mu_err err;
    mu_log *log;
    size_t size;
    uint8_t *bytes = read_segment(folder, 5, &size);
    write_segment(folder, 7, bytes, size);
    assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
    assert_non_null(strstr(err.text, "0000000000000007.log is damaged at byte 0: the header is of "
                                     "a segment that begins with record 5"));
    bytes[8] = 9;
    write_segment(folder, 7, bytes, size);
    assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
    assert_non_null(strstr(err.text, "format 9; this program reads format 1"));
    write_segment(folder, 7, bytes, 20);
    assert_int_equal(open_with(folder, (mu_log_options){0}, &s, &log, &err), MU_E_CORRUPT);
    free(bytes);
    mu_remove_folder(folder);
}

/* -------- segments -------- */

static void trimming_removes_what_is_wholly_before(void **state)
{
    (void)state;
    char *folder = make_segments();
    seen s;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    uint64_t bytes = mu_log_bytes(log);
    must(mu_log_trim(log, 4, &err), &err);
    assert_false(has_segment(folder, 1));
    assert_true(has_segment(folder, 3));
    assert_true(mu_log_bytes(log) < bytes);
    must(mu_log_trim(log, 5, &err), &err);
    assert_false(has_segment(folder, 3));
    must(mu_log_trim(log, 9, &err), &err);
    assert_false(has_segment(folder, 5));
    assert_true(has_segment(folder, 7)); /* is being written */
    must(mu_log_rotate(log, &err), &err);
    must(mu_log_rotate(log, &err), &err);
    must(mu_log_trim(log, 9, &err), &err);
    assert_false(has_segment(folder, 7));
    assert_int_equal(mu_log_bytes(log), sizeof(mu_log_segment_header));
    mu_log_close(log);
    must(open_with(folder, (mu_log_options){.first_sequence = 9}, &s, &log, &err), &err);
    assert_int_equal(mu_log_next_sequence(log), 9);
    assert_int_equal(commit_group(log, 1, 2), 10);
    mu_log_close(log);
    mu_remove_folder(folder);
}

static void a_full_segment_is_followed_by_another(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    mu_log *log;
    must(open_with(folder, (mu_log_options){.segment_bytes = 4096}, &s, &log, &err), &err);
    for (uint64_t group = 0; group < 60; group++)
        commit_group(log, group, 1 + (uint32_t)group % 10); /* some larger than a segment */
    mu_log_close(log);
    mu_log_report report = verify_clean(folder);
    assert_true(report.n_segments > 10);
    log = open_log(folder, &s);
    assert_int_equal(s.n_groups, 60);
    mu_log_close(log);
    mu_remove_folder(folder);
}

static void a_segment_that_was_not_finished_is_removed(void **state)
{
    (void)state;
    char *folder = make_segments(), path[MU_LOG_PATH_MAX];
    seen s;
    snprintf(path, sizeof path, "%s/log/0000000000000009.new", folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "MULOG", 5), 5);
    close(fd);
    mu_log *log = open_log(folder, &s);
    assert_int_equal(s.last, 8);
    assert_true(access(path, F_OK) != 0);
    mu_log_close(log);
    mu_remove_folder(folder);
}

/* -------- a disk that fails -------- */

typedef struct faults {
    atomic_uint n_writes, n_syncs;
    unsigned write_fails, sync_fails; /* the how manieth; 0: never */
    size_t torn_bytes;                /* of the write that fails, what reaches the disk */
    int error;
    atomic_bool is_held; /* syncs wait */
} faults;

static int64_t faulty_write(void *context, int fd, const void *bytes, size_t size, uint64_t offset)
{
    faults *f = context;
    if (f->write_fails != 0 && atomic_fetch_add(&f->n_writes, 1) + 1 >= f->write_fails) {
        size_t kept = size < f->torn_bytes ? size : f->torn_bytes;
        if (kept > 0 && pwrite(fd, bytes, kept, (off_t)offset) < 0)
            return -1;
        errno = f->error;
        return -1;
    }
    /* A system may write less than it was asked to. */
    return pwrite(fd, bytes, size > 100 ? size - size / 3 : size, (off_t)offset);
}

static void sleep_us(long us)
{
    struct timespec pause = {.tv_nsec = us * 1000};
    nanosleep(&pause, NULL);
}

static int faulty_sync(void *context, int fd)
{
    faults *f = context;
    while (atomic_load(&f->is_held))
        sleep_us(100);
    if (f->sync_fails != 0 && atomic_fetch_add(&f->n_syncs, 1) + 1 >= f->sync_fails) {
        errno = f->error;
        return -1;
    }
    return fdatasync(fd);
}

/* Appends until acceptance ends; then expects that everything acknowledged before, and no more, is
 * there when the log is opened again. */
static void expect_end_of_acceptance(faults *f, const char *text)
{
    char *folder = mu_make_temporary_folder();
    mu_log_system system = {faulty_write, faulty_sync, f};
    seen s;
    mu_err err = {0};
    mu_log *log;
    uint64_t last, acknowledged = 0, group = 0;
    mu_code code = MU_OK;
    must(open_with(folder, (mu_log_options){.segment_bytes = 4096, .system = &system}, &s, &log,
                   &err),
         &err);
    while (code == MU_OK && group < 100) {
        code = append_group(log, group++, 4, &last, &err);
        if (code == MU_OK && (code = mu_log_wait(log, last, &err)) == MU_OK)
            acknowledged = last;
    }
    assert_int_equal(code, MU_E_IO);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(append_group(log, 500, 1, &last, &err), MU_E_IO);
    assert_int_equal(mu_log_rotate(log, &err), MU_E_IO);
    assert_int_equal(mu_log_health(log, &err), MU_E_IO);
    assert_non_null(strstr(err.text, text));
    mu_log_close(log);
    assert_int_equal(s.n_failures, 1);
    assert_int_equal(s.failure, MU_E_IO);
    assert_int_equal(s.synced, acknowledged);
    assert_int_equal(s.last, acknowledged);
    log = open_log(folder, &s);
    assert_int_equal(s.last, acknowledged);
    commit_group(log, 1000, 2);
    mu_log_close(log);
    verify_clean(folder);
    mu_remove_folder(folder);
}

static void a_failed_write_ends_acceptance(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 24; n++) {
        faults io = {.write_fails = n, .error = EIO, .torn_bytes = n % 3 * 31};
        expect_end_of_acceptance(&io, "cannot write to the log");
        faults full = {.write_fails = n, .error = ENOSPC, .torn_bytes = 17};
        expect_end_of_acceptance(&full, "No space left on device");
    }
}

static void a_failed_sync_ends_acceptance(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 12; n++) {
        faults f = {.sync_fails = n, .error = EIO};
        expect_end_of_acceptance(&f, "cannot sync the log");
    }
}

static void a_record_that_cannot_be_applied_ends_acceptance(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    seen s;
    mu_err err;
    mu_log *log = open_log(folder, &s);
    uint64_t last = commit_group(log, 1, 2);
    s.apply_fails = MU_E_CORRUPT;
    must(append_group(log, 2, 2, &last, &err), &err);
    assert_int_equal(mu_log_wait(log, last, &err), MU_E_IO);
    assert_non_null(strstr(err.text, "it cannot be applied"));
    assert_int_equal(mu_log_health(log, &err), MU_E_CORRUPT);
    must(mu_log_wait(log, 2, &err), &err);
    mu_log_close(log);
    assert_int_equal(s.n_failures, 1);
    log = open_log(folder, &s); /* it was durable */
    assert_int_equal(s.last, 4);
    mu_log_close(log);
    mu_remove_folder(folder);
}

static void a_slow_disk_limits_what_waits(void **state)
{
    (void)state;
    char *folder = mu_make_temporary_folder();
    faults f = {0};
    mu_log_system system = {faulty_write, faulty_sync, &f};
    mu_log_options options = {.backlog_bytes_max = 5000, .system = &system};
    seen s;
    mu_err err;
    mu_log *log;
    uint64_t last = 0, last_accepted = 0, group = 1;
    must(open_with(folder, options, &s, &log, &err), &err);
    assert_int_equal(append_group(log, 3, 1000, &last, &err), MU_E_LIMIT);
    atomic_store(&f.is_held, true);
    mu_code code;
    while ((code = append_group(log, group++, 1, &last, &err)) == MU_OK)
        last_accepted = last;
    assert_int_equal(code, MU_E_LIMIT);
    assert_true(last_accepted > 4);
    assert_int_equal(mu_log_next_sequence(log), last_accepted + 1);
    atomic_store(&f.is_held, false);
    must(mu_log_wait(log, last_accepted, &err), &err);
    assert_int_equal(commit_group(log, group, 1), last_accepted + 1);
    mu_log_close(log);
    log = open_log(folder, &s);
    assert_int_equal(s.last, last_accepted + 1);
    mu_log_close(log);
    mu_remove_folder(folder);
}

/* -------- a process that is killed -------- */

static void tell_pipe(void *context, uint64_t sequence, mu_code code)
{
    int pipe_end = *(int *)context;
    if (code != MU_OK || write(pipe_end, &sequence, sizeof sequence) != sizeof sequence)
        _exit(8);
}

static mu_code ignore_record(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    (void)context, (void)sequence, (void)payload, (void)err;
    return MU_OK;
}

static _Noreturn void run_child(const char *folder, uint64_t seed, int pipe_end)
{
    mu_err err = {0};
    mu_log *log;
    uint64_t last;
    mu_log_options options = {.folder = folder,
                              .segment_bytes = 1 << 17,
                              .backlog_bytes_max = 1 << 18,
                              .apply = ignore_record,
                              .synced = tell_pipe,
                              .context = &pipe_end};
    if (mu_log_open(&options, &log, &err) != MU_OK) {
        fprintf(stderr, "child: %s\n", err.text);
        _exit(9);
    }
    for (uint64_t group = seed << 32;; group++) {
        mu_code code = append_group(log, group, 1 + mu_mix32((uint32_t)group) % 40, &last, &err);
        if (code == MU_E_LIMIT || (code == MU_OK && group % 64 == 0))
            sleep_us(200);
        else if (code != MU_OK)
            _exit(7);
    }
}

static uint64_t run_and_kill(const char *folder, uint64_t seed, long us)
{
    int ends[2], status;
    uint64_t told, acknowledged = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_child(folder, seed, ends[1]);
    }
    close(ends[1]);
    if (us % 4 != 0 && read(ends[0], &told, sizeof told) == sizeof told)
        acknowledged = told; /* else it may be killed while it opens */
    sleep_us(us);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &told, sizeof told) == sizeof told)
        acknowledged = told;
    close(ends[0]);
    return acknowledged;
}

static void a_kill_loses_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("store/log kill", 5));
    char *folder = mu_make_temporary_folder();
    uint64_t last = 0, n_more = 0;
    uint32_t n_kills = mu_dice_cases(60) + 5;
    for (uint32_t i = 0; i < n_kills; i++) {
        seen s;
        uint64_t acknowledged = run_and_kill(folder, i + 1, mu_dice_below(&dice, 12000));
        mu_log *log = open_log(folder, &s);
        if (acknowledged < last)
            acknowledged = last;
        if (s.last < acknowledged)
            fail_msg("kill %u: record %llu was acknowledged, the last one there is %llu", i,
                     (unsigned long long)acknowledged, (unsigned long long)s.last);
        assert_int_equal(s.first, s.last > 0 ? 1 : 0);
        n_more += s.last - acknowledged;
        last = s.last;
        mu_log_close(log);
        assert_int_equal(verify_clean(folder).n_records, last);
    }
    printf("%u kills, %llu records, %llu of them not acknowledged\n", n_kills,
           (unsigned long long)last, (unsigned long long)n_more);
    assert_true(last > 0);
    mu_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_replayed),
        cmocka_unit_test(closing_makes_everything_durable),
        cmocka_unit_test(empty_records_and_empty_groups_are_kept),
        cmocka_unit_test(records_before_the_first_sequence_are_skipped),
        cmocka_unit_test(threads_append_whole_groups),
        cmocka_unit_test(a_write_torn_at_any_byte_is_cut),
        cmocka_unit_test(a_write_whose_sectors_came_in_any_order_is_all_or_none),
        cmocka_unit_test(a_payload_cannot_pretend_to_be_a_block),
        cmocka_unit_test(a_flipped_byte_anywhere_is_named),
        cmocka_unit_test(damage_before_the_last_segment_is_never_torn),
        cmocka_unit_test(a_torn_seal_before_the_last_segment_harms_nobody),
        cmocka_unit_test(a_missing_segment_is_named),
        cmocka_unit_test(other_versions_and_other_files_are_refused),
        cmocka_unit_test(trimming_removes_what_is_wholly_before),
        cmocka_unit_test(a_full_segment_is_followed_by_another),
        cmocka_unit_test(a_segment_that_was_not_finished_is_removed),
        cmocka_unit_test(a_failed_write_ends_acceptance),
        cmocka_unit_test(a_failed_sync_ends_acceptance),
        cmocka_unit_test(a_record_that_cannot_be_applied_ends_acceptance),
        cmocka_unit_test(a_slow_disk_limits_what_waits),
        cmocka_unit_test(a_kill_loses_nothing_that_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
