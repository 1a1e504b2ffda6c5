#include "app/bench_kernel.h"

#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>

const mu_bench_kernel mu_bench_kernels[MU_BENCH_KERNELS] = {
    {"kernel-range",
     "events of a week: a range over packed times, then any",
     "xEvent.exists(timestamp occurs <= 7 days before now)",
     true,
     {"xEvent", "xEvent.timestamp"}},
    {"kernel-table",
     "events of pages that end in 1: a table over codes, then any",
     "xEvent.exists(web.webPageDetails.name.endsWith(\"1\"))",
     true,
     {"xEvent", "xEvent.web.webPageDetails.name"}},
    {"kernel-any",
     "profiles with an order: stored bits, then any",
     "xEvent.exists(commerce.order.priceTotal.isNotNull())",
     true,
     {"xEvent"}},
    {"kernel-count",
     "profiles with three orders: stored bits, then a count",
     "xEvent[commerce.order.priceTotal.isNotNull()].count() >= 3",
     true,
     {"xEvent"}},
    {"kernel-sum",
     "profiles by what they spent: a sum of decimals in list order",
     "xEvent.sum(commerce.order.priceTotal) > 500",
     true,
     {"xEvent", "xEvent.commerce.order.priceTotal"}},
    {"kernel-distinct",
     "profiles by how many pages they know: distinct codes",
     "xEvent.groupBy(web.webPageDetails.name).count() >= 5",
     true,
     {"xEvent", "xEvent.web.webPageDetails.name"}},
    {"kernel-chain",
     "a view, then a purchase within a week: a chain of two",
     "CHAIN(xEvent, timestamp, [A: WHAT(eventType = \"commerce.productViews\"), B: WHAT(eventType "
     "= \"commerce.purchases\") WHEN(<= 7 days after A)])",
     true,
     {"xEvent", "xEvent.timestamp", "xEvent.eventType"}},
    {"kernel-number",
     "profiles by points: a range over packed numbers",
     "loyalty.points > 5000",
     false,
     {"loyalty.points"}},
    {"kernel-text",
     "profiles by a part of their address: a search in texts that are all different",
     "personalEmail.address.contains(\"ada.\")",
     false,
     {"personalEmail.address"}},
};

/* -------- bytes -------- */

/* The column of a dotted path; the items of a list stand for the list on the way. */
static uint32_t find_column(const mu_part *part, const char *path)
{
    uint32_t column = 0;
    while (*path != '\0') {
        if (mu_part_column(part, column)->kind == MU_TYPE_LIST)
            column = mu_part_column(part, column)->children[0];
        size_t n = strcspn(path, ".");
        column = mu_part_child(part, column, (mu_str){path, n});
        if (column == MU_NO_COLUMN)
            return MU_NO_COLUMN;
        path += n + (path[n] == '.');
    }
    return column;
}

static uint64_t vector_bytes(const mu_vector *vector)
{
    uint64_t bytes = vector->valid == NULL ? 0 : vector->n / 8;
    uint64_t n = vector->ranks == NULL ? vector->n : vector->n - vector->n_null;
    switch (vector->encoding) {
    case MU_ENCODING_BITS:
        return bytes + n / 8;
    case MU_ENCODING_INTEGER:
    case MU_ENCODING_DECIMAL:
    case MU_ENCODING_CODES:
        return bytes + n * vector->width;
    case MU_ENCODING_DOUBLE:
        return bytes + n * 8;
    case MU_ENCODING_BYTES:
        return bytes + (n + 1) * sizeof *vector->offsets + vector->offsets[n];
    case MU_ENCODING_OFFSETS:
        return bytes + (n + 1) * sizeof *vector->offsets;
    case MU_ENCODING_UUIDS:
        return bytes + n * 16;
    case MU_ENCODING_RUNS:
        return bytes + vector->n_runs * (vector->width + sizeof *vector->offsets);
    default:
        return bytes;
    }
}

mu_code mu_bench_kernel_bytes(const mu_entity *profiles, const mu_bench_kernel *kernel,
                              uint64_t *out, mu_err *err)
{
    *out = 0;
    for (uint32_t p = 0; p < profiles->n_parts; p++) {
        const mu_part *part = profiles->parts[p];
        for (size_t c = 0; c < MU_BENCH_COLUMNS_MAX && kernel->columns[c] != NULL; c++) {
            uint32_t column = find_column(part, kernel->columns[c]);
            for (uint32_t b = 0; column != MU_NO_COLUMN && b < mu_part_block_count(part); b++) {
                mu_vector vector;
                MU_TRY(mu_part_vector(part, column, b, &vector, err));
                *out += vector_bytes(&vector);
            }
        }
    }
    return MU_OK;
}

/* -------- memory -------- */

#define MEMORY_BYTES ((size_t)256 << 20)
#define CHUNK_BYTES  ((size_t)1 << 20)
#define PASSES       5

typedef struct reading {
    const uint64_t *words;
    uint64_t *sums; /* per thread, so that nothing is left out */
} reading;

static mu_code read_chunk(void *context, unsigned worker, size_t item, mu_err *err)
{
    const reading *r = context;
    const uint64_t *words = r->words + item * (CHUNK_BYTES / 8);
    uint64_t sums[8] = {0};
    (void)err;
    for (size_t i = 0; i < CHUNK_BYTES / 8; i += 8)
        for (size_t k = 0; k < 8; k++)
            sums[k] += words[i + k];
    for (size_t k = 0; k < 8; k++)
        r->sums[worker] += sums[k];
    return MU_OK;
}

static mu_code read_memory(unsigned n_threads, reading *r, double *out, mu_err *err)
{
    int64_t best_ns = INT64_MAX;
    for (int pass = 0; pass < PASSES; pass++) {
        int64_t start_ns = mu_monotonic_ns();
        MU_TRY(mu_parallel_for(n_threads, MEMORY_BYTES / CHUNK_BYTES, read_chunk, r, err));
        int64_t took_ns = mu_monotonic_ns() - start_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    uint64_t sum = 0;
    for (unsigned t = 0; t < n_threads; t++)
        sum += r->sums[t];
    MU_ASSERT(sum == (uint64_t)PASSES * (MEMORY_BYTES / 8));
    *out = (double)MEMORY_BYTES * 1e9 / (double)best_ns;
    return MU_OK;
}

mu_code mu_bench_memory_rate(unsigned n_threads, double *out, mu_err *err)
{
    uint64_t *words = malloc(MEMORY_BYTES);
    uint64_t *sums = calloc(n_threads, sizeof *sums);
    mu_code code = MU_OK;
    if (words == NULL || sums == NULL) {
        code = mu_fail(err, MU_E_NOMEM, "no memory to measure memory with");
    } else {
        for (size_t i = 0; i < MEMORY_BYTES / 8; i++)
            words[i] = 1;
        code = read_memory(n_threads, &(reading){words, sums}, out, err);
    }
    free(words);
    free(sums);
    return code;
}
