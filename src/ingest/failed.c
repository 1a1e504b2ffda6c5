#include "base/file.h"
#include "ingest/failed_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES_MAX       ((uint64_t)1 << 30)
#define KEEP_MS         (7 * (int64_t)86400000)
#define QUEUE_BYTES_MAX ((size_t)16 << 20)
#define GATHER_MS       ((int64_t)3600000) /* a new batch after so long */
#define TIDY_MS         ((int64_t)60000)

/* -------- the queue -------- */

static mu_str moved(char **at, mu_str text)
{
    char *copy = *at;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    *at += text.len;
    return (mu_str){copy, text.len};
}

static failed_node *node_new(const mu_failed_message *message)
{
    size_t size = sizeof(failed_node) + message->sandbox.len + message->organization.len +
                  message->sandbox_id.len + message->dataset.len + message->code.len +
                  message->description.len + message->line.len;
    failed_node *node = malloc(size);
    if (node == NULL)
        return NULL;
    char *at = (char *)(node + 1);
    *node = (failed_node){.n_bytes = size};
    node->message = (mu_failed_message){.sandbox = moved(&at, message->sandbox),
                                        .organization = moved(&at, message->organization),
                                        .sandbox_id = moved(&at, message->sandbox_id),
                                        .dataset = moved(&at, message->dataset),
                                        .code = moved(&at, message->code),
                                        .description = moved(&at, message->description),
                                        .line = moved(&at, message->line)};
    return node;
}

static void warn_dropped(mu_failed *failed)
{
    int64_t now_ms = failed->options.now_ms();
    mu_counter_add(failed->dropped, 1);
    if (now_ms < failed->next_warning_ms)
        return;
    failed->next_warning_ms = now_ms + 60000;
    mu_log(failed->options.logger, MU_LOG_WARNING, "failed_messages_dropped",
           mu_log_integer("queue_bytes", (int64_t)failed->n_bytes));
}

void mu_failed_add(mu_failed *failed, const mu_failed_message *message)
{
    failed_node *node = node_new(message);
    pthread_mutex_lock(&failed->lock);
    if (node == NULL || failed->n_bytes + node->n_bytes > failed->options.queue_bytes_max) {
        warn_dropped(failed);
        free(node);
    } else {
        if (failed->last != NULL)
            failed->last->next = node;
        else
            failed->first = node;
        failed->last = node;
        failed->n_bytes += node->n_bytes;
        failed->n_added++;
        pthread_cond_broadcast(&failed->changed);
    }
    pthread_mutex_unlock(&failed->lock);
}

void mu_failed_flush(mu_failed *failed)
{
    pthread_mutex_lock(&failed->lock);
    uint64_t wanted = failed->n_added;
    while (failed->n_done < wanted)
        pthread_cond_wait(&failed->changed, &failed->lock);
    pthread_mutex_unlock(&failed->lock);
}

/* -------- batches that gather messages -------- */

static failed_batch *batch_new(mu_failed *failed, const mu_failed_message *message)
{
    failed_batch *made = calloc(1, sizeof *made);
    MU_ASSERT(made != NULL);
    mu_arena_init(&made->arena, SIZE_MAX);
    int64_t now_ms = failed->options.now_ms();
    made->sandbox = mu_arena_copy(&made->arena, message->sandbox);
    made->batch = (mu_batch){
        .id = mu_batch_new_id(&made->arena, now_ms),
        .organization = mu_arena_copy(&made->arena, message->organization),
        .sandbox_id = mu_arena_copy(&made->arena, message->sandbox_id),
        .dataset = mu_arena_copy(&made->arena, message->dataset),
        .user = MU_STR("streaming"),
        .status = MU_BATCH_FAILED,
        .is_streaming = true,
        .created_ms = now_ms,
        .started_ms = now_ms,
        .completed_ms = now_ms,
        .updated_ms = now_ms,
        .partial_percentage = -1,
    };
    made->next = failed->batches;
    failed->batches = made;
    return made;
}

static failed_batch *batch_of(mu_failed *failed, const mu_failed_message *message)
{
    for (failed_batch *batch = failed->batches; batch != NULL; batch = batch->next)
        if (mu_str_equal(batch->sandbox, message->sandbox) &&
            mu_str_equal(batch->batch.dataset, message->dataset))
            return batch;
    return batch_new(failed, message);
}

static void batch_free(failed_batch *batch)
{
    mu_arena_free(&batch->arena);
    free(batch);
}

/* Ends the batches that are an hour old, so that files expire. */
static void end_old_batches(mu_failed *failed)
{
    int64_t before_ms = failed->options.now_ms() - GATHER_MS;
    for (failed_batch **at = &failed->batches; *at != NULL;) {
        failed_batch *batch = *at;
        if (batch->batch.created_ms > before_ms) {
            at = &batch->next;
            continue;
        }
        *at = batch->next;
        batch_free(batch);
    }
}

static mu_code save_document(mu_failed *failed, failed_batch *batch, mu_err *err)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 20);
    mu_json_writer_init(&writer, &buf);
    batch->batch.updated_ms = batch->batch.completed_ms = failed->options.now_ms();
    mu_batch_write(&writer, &batch->batch);
    mu_document_edit edit = {.action = MU_DOCUMENT_PUT,
                             .kind = MU_BATCH_KIND,
                             .id = batch->batch.id,
                             .json = mu_buf_str(&buf)};
    mu_code code = mu_document_edit_all(failed->options.documents, batch->sandbox,
                                        batch->batch.updated_ms, 1, &edit, err);
    mu_buf_free(&buf);
    return code;
}

/* -------- writing: the background thread -------- */

static void count_message(failed_batch *batch, const mu_failed_message *message)
{
    mu_batch *counts = &batch->batch;
    uint32_t n_before = counts->n_errors;
    counts->n_input_records++;
    counts->n_failed_records++;
    counts->n_input_bytes += message->line.len;
    mu_batch_count_error(counts, message->code, message->description);
    if (counts->n_errors > n_before) {
        mu_batch_error *added = &counts->errors[counts->n_errors - 1];
        added->code = mu_arena_copy(&batch->arena, added->code);
        added->description = mu_arena_copy(&batch->arena, added->description);
    }
}

/* All messages of `list` that belong to `batch`: one write, one transaction. */
static void write_batch(mu_failed *failed, failed_batch *batch, const failed_node *list)
{
    mu_buf lines;
    mu_err err;
    uint64_t n = 0;
    mu_buf_init(&lines, SIZE_MAX);
    for (const failed_node *node = list; node != NULL; node = node->next)
        if (mu_str_equal(node->message.sandbox, batch->sandbox) &&
            mu_str_equal(node->message.dataset, batch->batch.dataset)) {
            mu_buf_add_str(&lines, node->message.line);
            count_message(batch, &node->message);
            n++;
        }
    if (n > 0) {
        mu_code code = mu_failed_append(failed, batch->sandbox, batch->batch.id,
                                        MU_STR("part-00000.json"), mu_buf_str(&lines), &err);
        if (code == MU_OK)
            code = save_document(failed, batch, &err);
        if (code == MU_OK)
            mu_counter_add(failed->written, n);
        else
            mu_counter_add(failed->dropped, n);
        if (code != MU_OK)
            mu_log(failed->options.logger, MU_LOG_ERROR, "failed_messages_not_written",
                   mu_log_text("why", mu_str_from(err.text)), mu_log_integer("n", (int64_t)n));
    }
    mu_buf_free(&lines);
}

static void write_list(mu_failed *failed, failed_node *list)
{
    end_old_batches(failed);
    for (const failed_node *node = list; node != NULL; node = node->next)
        batch_of(failed, &node->message);
    for (failed_batch *batch = failed->batches; batch != NULL; batch = batch->next)
        write_batch(failed, batch, list);
    while (list != NULL) {
        failed_node *next = list->next;
        free(list);
        list = next;
    }
}

/* Waits for messages, the end, or the time to tidy. */
static void wait_a_while(mu_failed *failed)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIDY_MS / 1000;
    while (failed->first == NULL && !failed->is_closing)
        if (pthread_cond_timedwait(&failed->changed, &failed->lock, &until) == ETIMEDOUT)
            return;
}

static bool tidy_is_due(mu_failed *failed)
{
    int64_t now_ms = failed->options.now_ms();
    if (now_ms < failed->next_tidy_ms)
        return false;
    failed->next_tidy_ms = now_ms + TIDY_MS;
    return true;
}

/* Messages come in flocks: those of a moment share one write and one transaction. */
static void gather(mu_failed *failed)
{
    if (failed->first == NULL || failed->is_closing)
        return;
    pthread_mutex_unlock(&failed->lock);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    pthread_mutex_lock(&failed->lock);
}

static void *run(void *context)
{
    mu_failed *failed = context;
    pthread_mutex_lock(&failed->lock);
    for (;;) {
        wait_a_while(failed);
        gather(failed);
        failed_node *list = failed->first;
        uint64_t n_taken = failed->n_added;
        bool is_last = failed->is_closing;
        failed->first = failed->last = NULL;
        failed->n_bytes = 0;
        pthread_mutex_unlock(&failed->lock);
        write_list(failed, list);
        if (!is_last && tidy_is_due(failed))
            mu_failed_tidy(failed);
        pthread_mutex_lock(&failed->lock);
        failed->n_done = n_taken;
        pthread_cond_broadcast(&failed->changed);
        if (is_last && failed->first == NULL)
            break;
    }
    pthread_mutex_unlock(&failed->lock);
    return NULL;
}

/* -------- opening and closing -------- */

mu_code mu_failed_open(const mu_failed_options *options, mu_failed **out, mu_err *err)
{
    mu_failed *failed = calloc(1, sizeof *failed);
    if (failed == NULL || asprintf(&failed->root, "%s/failed", options->folder) < 0) {
        free(failed);
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    }
    failed->options = *options;
    if (failed->options.bytes_max == 0)
        failed->options.bytes_max = BYTES_MAX;
    if (failed->options.keep_ms == 0)
        failed->options.keep_ms = KEEP_MS;
    if (failed->options.queue_bytes_max == 0)
        failed->options.queue_bytes_max = QUEUE_BYTES_MAX;
    failed->written = mu_metrics_counter(options->metrics, "muster_failed_messages_total",
                                         "Streaming messages kept in failed batches.", NULL, 0);
    failed->dropped =
        mu_metrics_counter(options->metrics, "muster_failed_messages_dropped_total",
                           "Failed messages that could not be kept for their senders.", NULL, 0);
    pthread_mutex_init(&failed->lock, NULL);
    pthread_mutex_init(&failed->files, NULL);
    pthread_cond_init(&failed->changed, NULL);
    mu_code code = mu_make_directories(failed->root, err);
    if (code == MU_OK) {
        mu_failed_tidy(failed);
        failed->has_thread = pthread_create(&failed->thread, NULL, run, failed) == 0;
        if (!failed->has_thread)
            code = mu_fail(err, MU_E_IO, "cannot start a thread");
    }
    if (code != MU_OK) {
        mu_failed_close(failed);
        return code;
    }
    *out = failed;
    return MU_OK;
}

void mu_failed_close(mu_failed *failed)
{
    if (failed == NULL)
        return;
    if (failed->has_thread) {
        pthread_mutex_lock(&failed->lock);
        failed->is_closing = true;
        pthread_cond_broadcast(&failed->changed);
        pthread_mutex_unlock(&failed->lock);
        pthread_join(failed->thread, NULL);
    }
    while (failed->batches != NULL) {
        failed_batch *next = failed->batches->next;
        batch_free(failed->batches);
        failed->batches = next;
    }
    pthread_cond_destroy(&failed->changed);
    pthread_mutex_destroy(&failed->files);
    pthread_mutex_destroy(&failed->lock);
    free(failed->root);
    free(failed);
}
