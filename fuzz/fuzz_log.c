/* fuzz_log.c -- any bytes as a segment of the log: read to the end without leaving it, verify and
 * opening agree about it, and what opening leaves is sound. Checksums are made to fit first (but
 * for inputs that begin with an odd byte), so that what lies behind them is reached. */
#include "base/crc32c.h"
#include "store/log_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct applied {
    uint64_t n_records;
    uint8_t sum; /* so that every byte is read */
} applied;

static mu_code apply(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    applied *a = context;
    (void)err;
    MU_ASSERT(sequence == ++a->n_records);
    for (size_t i = 0; i < payload.len; i++)
        a->sum ^= (uint8_t)payload.ptr[i];
    return MU_OK;
}

static void count_problem(void *context, mu_str sentence)
{
    MU_ASSERT(sentence.len > 0);
    ++*(unsigned *)context;
}

static void repair_header(uint8_t *bytes, size_t size)
{
    mu_log_segment_header header;
    if (size < sizeof header)
        return;
    memcpy(&header, bytes, sizeof header);
    mu_log_make_segment_header(1, header.salt, &header);
    memcpy(bytes, &header, sizeof header);
}

/* Every header that begins with the segment's salt. */
static void repair_blocks(uint8_t *bytes, size_t size)
{
    mu_log_block_header header;
    uint64_t salt;
    if (size < sizeof(mu_log_segment_header))
        return;
    memcpy(&salt, bytes + offsetof(mu_log_segment_header, salt), sizeof salt);
    for (size_t at = sizeof(mu_log_segment_header); at + sizeof header <= size;
         at += MU_LOG_ALIGNMENT) {
        memcpy(&header, bytes + at, sizeof header);
        if (header.salt != salt)
            continue;
        if (header.body_bytes <= size - at - sizeof header)
            header.body_checksum = mu_crc32c(0, bytes + at + sizeof header, header.body_bytes);
        header.checksum = mu_crc32c(0, &header, offsetof(mu_log_block_header, checksum));
        memcpy(bytes + at, &header, sizeof header);
    }
}

static mu_log_report verify(const char *folder, unsigned *n_problems)
{
    mu_log_report report;
    mu_err err;
    *n_problems = 0;
    MU_ASSERT(mu_log_verify(folder, count_problem, n_problems, &report, &err) == MU_OK);
    return report;
}

static void read_folder(const char *folder)
{
    unsigned n_problems;
    applied found = {0};
    mu_log *log;
    mu_err err = {0};
    mu_log_options options = {
        .folder = folder, .backlog_bytes_max = 4096, .apply = apply, .context = &found};
    mu_log_report report = verify(folder, &n_problems);
    if (mu_log_open(&options, &log, &err) != MU_OK) {
        MU_ASSERT(err.code == MU_E_CORRUPT && n_problems > 0);
        return;
    }
    MU_ASSERT(n_problems == 0 && found.n_records == report.n_records);
    MU_ASSERT(mu_log_next_sequence(log) == found.n_records + 1);
    mu_log_close(log);
    report = verify(folder, &n_problems);
    MU_ASSERT(n_problems == 0 && !report.has_torn_tail && report.n_records == found.n_records);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *base = getenv("TMPDIR");
    char folder[256], log_folder[300], path[MU_LOG_PATH_MAX];
    if (size == 0)
        return 0;
    snprintf(folder, sizeof folder, "%s/muster-fuzz-XXXXXX", base == NULL ? "/tmp" : base);
    MU_ASSERT(mkdtemp(folder) != NULL);
    snprintf(log_folder, sizeof log_folder, "%s/log", folder);
    MU_ASSERT(mkdir(log_folder, 0777) == 0);
    mu_log_segment_path(log_folder, 1, ".log", path);

    uint8_t *copy = malloc(size);
    MU_ASSERT(copy != NULL);
    memcpy(copy, bytes + 1, size - 1);
    if (bytes[0] % 2 == 0) {
        repair_header(copy, size - 1);
        repair_blocks(copy, size - 1);
    }
    FILE *file = fopen(path, "wb");
    MU_ASSERT(file != NULL && fwrite(copy, 1, size - 1, file) == size - 1 && fclose(file) == 0);
    free(copy);
    read_folder(folder);
    unlink(path);
    rmdir(log_folder);
    rmdir(folder);
    return 0;
}
