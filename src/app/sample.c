/* sample.c -- people in chunks, made by several threads, written in order. */
#include "app/sample_int.h"
#include "base/file.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Most bytes of text that one chunk may hold. */
#define CHUNK_BYTES_MAX ((size_t)4 << 30)

typedef struct generator {
    const mu_sample_options *options;
    const mu_sample_clock *clock;
    uint64_t chunk_people, n_chunks;
    uint64_t *weights_before;   /* n_chunks + 1 long: sum of the weights of the chunks before */
    uint64_t first_chunk;       /* of the round that is being made */
    mu_buf *profiles, *events;  /* one for each chunk of a round */
    int profiles_fd, events_fd; /* -1: not wanted */
} generator;

static uint64_t chunk_begin(const generator *g, uint64_t chunk)
{
    uint64_t begin = chunk * g->chunk_people;
    return begin < g->options->n_profiles ? begin : g->options->n_profiles;
}

static mu_code weigh_chunk(void *context, unsigned worker, size_t chunk, mu_err *err)
{
    generator *g = context;
    uint64_t sum = 0;
    for (uint64_t i = chunk_begin(g, chunk); i < chunk_begin(g, chunk + 1); i++)
        sum += mu_sample_event_weight(g->options, i);
    g->weights_before[chunk + 1] = sum;
    (void)worker;
    (void)err;
    return MU_OK;
}

/* The number of events that people of a cumulated weight have. */
static uint64_t events_until(const generator *g, uint64_t weight)
{
    unsigned __int128 product = (unsigned __int128)weight * g->options->n_events;
    return (uint64_t)(product / g->weights_before[g->n_chunks]);
}

static mu_code make_chunk(void *context, unsigned worker, size_t item, mu_err *err)
{
    generator *g = context;
    uint64_t chunk = g->first_chunk + item, weight = g->weights_before[chunk];
    mu_buf *profiles = &g->profiles[item], *events = &g->events[item];
    mu_arena scratch;
    mu_arena_init(&scratch, SIZE_MAX);
    for (uint64_t i = chunk_begin(g, chunk); i < chunk_begin(g, chunk + 1); i++) {
        mu_sample_person person;
        mu_sample_person_make(g->options, i, &person);
        uint64_t first = events_until(g, weight);
        weight += mu_sample_event_weight(g->options, i);
        if (g->events_fd >= 0)
            mu_sample_events_write(g->options, g->clock, &person, events_until(g, weight) - first,
                                   &scratch, events);
        if (g->profiles_fd >= 0)
            mu_sample_profile_write(g->options, &person, profiles);
        mu_arena_reset(&scratch);
    }
    mu_arena_free(&scratch);
    (void)worker;
    if (profiles->failed || events->failed)
        return mu_fail(err, MU_E_NOMEM, "there is not enough memory to make the sample data");
    return MU_OK;
}

static mu_code write_all(int fd, const mu_buf *buf, mu_err *err)
{
    for (size_t at = 0; at < buf->len;) {
        ssize_t written = write(fd, buf->ptr + at, buf->len - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return mu_fail_errno(err, "the sample data cannot be written");
        at += (size_t)written;
    }
    return MU_OK;
}

static mu_code run_rounds(generator *g, size_t round_chunks, mu_sample_summary *summary,
                          mu_err *err)
{
    const mu_sample_options *options = g->options;
    for (g->first_chunk = 0; g->first_chunk < g->n_chunks; g->first_chunk += round_chunks) {
        uint64_t left = g->n_chunks - g->first_chunk;
        size_t n = left < round_chunks ? (size_t)left : round_chunks;
        MU_TRY(mu_parallel_for(options->n_threads, n, make_chunk, g, err));
        for (size_t i = 0; i < n; i++) {
            MU_TRY(write_all(g->profiles_fd, &g->profiles[i], err));
            MU_TRY(write_all(g->events_fd, &g->events[i], err));
            summary->n_bytes += g->profiles[i].len + g->events[i].len;
            mu_buf_clear(&g->profiles[i]);
            mu_buf_clear(&g->events[i]);
        }
        if (options->progress != NULL)
            options->progress(options->progress_context,
                              events_until(g, g->weights_before[g->first_chunk + n]),
                              options->n_events);
    }
    return MU_OK;
}

static mu_code write_header(const mu_sample_options *options, int fd,
                            void (*put)(const mu_sample_options *, mu_buf *),
                            mu_sample_summary *summary, mu_err *err)
{
    mu_buf header;
    if (fd < 0)
        return MU_OK;
    mu_buf_init(&header, SIZE_MAX);
    put(options, &header);
    mu_code code = write_all(fd, &header, err);
    summary->n_bytes += header.len;
    mu_buf_free(&header);
    return code;
}

static mu_code generate(const mu_sample_options *options, mu_arena *arena, int profiles_fd,
                        int events_fd, mu_sample_summary *summary, mu_err *err)
{
    /* About 4,000 events a chunk, so that a round stays small whatever the mix. */
    uint64_t per_person = options->n_events / options->n_profiles + 1;
    generator g = {
        .options = options,
        .clock = mu_sample_clock_new(arena),
        .profiles_fd = profiles_fd,
        .events_fd = events_fd,
        .chunk_people = per_person > 4000 ? 1 : 4000 / per_person,
    };
    g.n_chunks = (options->n_profiles + g.chunk_people - 1) / g.chunk_people;
    g.weights_before = MU_NEW_ARRAY(arena, uint64_t, g.n_chunks + 1);
    size_t round_chunks = (size_t)options->n_threads * 8;
    g.profiles = MU_NEW_ARRAY(arena, mu_buf, round_chunks);
    g.events = MU_NEW_ARRAY(arena, mu_buf, round_chunks);
    for (size_t i = 0; i < round_chunks; i++) {
        mu_buf_init(&g.profiles[i], CHUNK_BYTES_MAX);
        mu_buf_init(&g.events[i], CHUNK_BYTES_MAX);
    }
    mu_code code = mu_parallel_for(options->n_threads, (size_t)g.n_chunks, weigh_chunk, &g, err);
    for (uint64_t i = 0; i < g.n_chunks; i++)
        g.weights_before[i + 1] += g.weights_before[i];
    if (code == MU_OK && options->is_csv)
        code = write_header(options, profiles_fd, mu_sample_profile_header, summary, err);
    if (code == MU_OK && options->is_csv)
        code = write_header(options, events_fd, mu_sample_event_header, summary, err);
    if (code == MU_OK)
        code = run_rounds(&g, round_chunks, summary, err);
    for (size_t i = 0; i < round_chunks; i++) {
        mu_buf_free(&g.profiles[i]);
        mu_buf_free(&g.events[i]);
    }
    return code;
}

/* Where one kind of records goes; standard output is never closed. */
static mu_code open_output(const char *path, bool is_wanted, int *fd, mu_err *err)
{
    *fd = -1;
    if (!is_wanted)
        return MU_OK;
    *fd = path == NULL ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return *fd < 0 ? mu_fail_errno(err, "cannot write %s", path) : MU_OK;
}

static mu_code close_output(const char *path, int fd, mu_code code, mu_err *err)
{
    if (fd >= 0 && path != NULL && close(fd) != 0 && code == MU_OK)
        return mu_fail_errno(err, "cannot write %s", path);
    return code;
}

mu_code mu_sample_write(const mu_sample_options *options, const char *folder,
                        mu_sample_summary *out, mu_err *err)
{
    mu_arena arena;
    mu_sample_summary summary = {.n_profiles = options->n_profiles, .n_events = options->n_events};
    int profiles_fd = -1, events_fd = -1;
    const char *profiles = NULL, *events = NULL;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    if (folder != NULL) {
        const char *extension = options->is_csv ? "csv" : "ndjson";
        profiles = mu_arena_format(&arena, "%s/profiles.%s", folder, extension).ptr;
        events = mu_arena_format(&arena, "%s/events.%s", folder, extension).ptr;
        code = mu_make_directories(folder, err);
    }
    if (code == MU_OK)
        code = open_output(profiles, !options->skips_profiles, &profiles_fd, err);
    if (code == MU_OK)
        code = open_output(events, !options->skips_events, &events_fd, err);
    if (code == MU_OK)
        code = generate(options, &arena, profiles_fd, events_fd, &summary, err);
    code = close_output(profiles, profiles_fd, code, err);
    code = close_output(events, events_fd, code, err);
    if (code == MU_OK)
        *out = summary;
    mu_arena_free(&arena);
    return code;
}

/* -------- streaming messages -------- */

static char *put_schema_reference(char *at, const char *schema)
{
    at = mu_put_text(MU_PUT(at, "\"schemaRef\":{\"id\":\"https://ns.adobe.com/luma/schemas/"),
                     schema);
    return MU_PUT(at, "\",\"contentType\":\"application/vnd.adobe.xed-full+json;version=1\"}");
}

char *mu_sample_put_message_head(char *at, const mu_sample_options *options, const char *schema,
                                 const char *dataset, const char *source)
{
    at = put_schema_reference(MU_PUT(at, "{\"header\":{"), schema);
    at = mu_put_text(MU_PUT(at, ",\"imsOrgId\":\""), options->org);
    at = mu_put_text(MU_PUT(at, "\",\"datasetId\":\""), dataset);
    at = mu_put_text(MU_PUT(at, "\",\"source\":{\"name\":\""), source);
    at = put_schema_reference(MU_PUT(at, "\"}},\"body\":{\"xdmMeta\":{"), schema);
    return MU_PUT(at, "},\"xdmEntity\":");
}

char *mu_sample_put_message_tail(char *at)
{
    return MU_PUT(at, "}}");
}
