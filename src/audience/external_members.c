/* external_members.c -- rows of identities become profiles, some thousand rows at a time: whoever
 * is known is found in the graph; who is not, or whose identities belong to several profiles, is
 * appended as a record that has nothing but its identities, and found after that.
 */
#include "audience/external_int.h"

#include <stdlib.h>
#include <time.h>

#define ROWS_MAX     2000u /* at once */
#define BYTES_MAX    ((size_t)4 << 20)
#define FULL_WAIT_MS 50

typedef struct pending_row {
    uint32_t n, n_graphed;
    const mu_identity *identities;
} pending_row;

struct mu_external_members {
    mu_external_members_options options;
    mu_arena arena, scratch; /* of the pending rows; of one look-up */
    size_t n_bytes;
    uint32_t n_rows;
    pending_row rows[ROWS_MAX];
    uint32_t n_records;
    mu_record records[ROWS_MAX];
    mu_external_counts counts;
    mu_pid_set *pids;
};

mu_code mu_external_members_new(const mu_external_members_options *options,
                                mu_external_members **out, mu_err *err)
{
    mu_external_members *members = calloc(1, sizeof *members);
    if (members == NULL || (members->pids = roaring_bitmap_create()) == NULL) {
        free(members);
        return mu_fail(err, MU_E_NOMEM, "no memory for an ingestion");
    }
    members->options = *options;
    mu_arena_init(&members->arena, SIZE_MAX);
    mu_arena_init(&members->scratch, SIZE_MAX);
    *out = members;
    return MU_OK;
}

void mu_external_members_free(mu_external_members *members)
{
    if (members == NULL)
        return;
    roaring_bitmap_free(members->pids);
    mu_arena_free(&members->arena);
    mu_arena_free(&members->scratch);
    free(members);
}

/* -------- known profiles -------- */

/* 0: nobody knows it. */
static uint32_t pid_of(mu_external_members *members, mu_identity identity)
{
    mu_graph_cluster cluster;
    mu_arena_reset(&members->scratch);
    return mu_sandbox_cluster(members->options.workspace->live, identity, &members->scratch,
                              &cluster)
               ? cluster.pid
               : 0;
}

/* The profile that all identities of the row belong to; 0: there is none, or several. */
static uint32_t only_pid(mu_external_members *members, const pending_row *row, uint32_t *any)
{
    uint32_t only = pid_of(members, row->identities[0]);
    bool is_only = only != 0;
    *any = only;
    for (uint32_t i = 1; i < row->n; i++) {
        uint32_t pid = pid_of(members, row->identities[i]);
        is_only = is_only && pid == only;
        *any = *any == 0 ? pid : *any;
    }
    return is_only ? only : 0;
}

/* -------- records -------- */

static mu_str document_of(mu_arena *arena, const pending_row *row)
{
    mu_json map = {.kind = MU_JSON_OBJECT};
    for (uint32_t i = 0; i < row->n; i++) {
        mu_identity identity = row->identities[i];
        const mu_json *before = mu_json_member(&map, identity.namespace_code);
        uint32_t n = before == NULL ? 0 : before->n;
        mu_json *items = MU_NEW_ARRAY(arena, mu_json, n + 1);
        if (n > 0)
            memcpy(items, before->items, n * sizeof *items);
        items[n] = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(identity.value)},
                                     {MU_STR("primary"), mu_json_of_boolean(i == 0)});
        mu_json_set(arena, &map, identity.namespace_code,
                    (mu_json){.kind = MU_JSON_ARRAY, .n = n + 1, .items = items});
    }
    mu_json document = MU_JSON_OBJECT_OF(arena, {MU_STR("identityMap"), map});
    mu_str text;
    return mu_json_text(arena, &document, &text, NULL) == MU_OK ? text : MU_STR("{}");
}

static void add_record(mu_external_members *members, const pending_row *row)
{
    int64_t now_ms = mu_workspace_now_ms(members->options.workspace);
    members->records[members->n_records++] =
        (mu_record){.kind = MU_RECORD_CREATE,
                    .received_ms = now_ms,
                    .dataset = members->options.dataset,
                    .n_identities = row->n,
                    .identities = row->identities,
                    .n_linked = row->n_graphed > 1 ? row->n_graphed : 0,
                    .document = document_of(&members->arena, row)};
}

static bool is_stopping(const mu_external_members *members)
{
    return __atomic_load_n(members->options.is_stopping, __ATOMIC_RELAXED);
}

/* Until there is room: others write too. */
static mu_code append(mu_external_members *members, uint32_t from, uint32_t n, uint64_t *sequence,
                      mu_err *err)
{
    const struct timespec pause = {.tv_nsec = FULL_WAIT_MS * 1000000};
    for (;;) {
        mu_code code = mu_sandbox_append(members->options.workspace->live, n,
                                         members->records + from, sequence, err);
        if (code != MU_E_LIMIT)
            return code;
        if (is_stopping(members))
            return mu_fail(err, MU_E_CANCELLED, "the server ends");
        nanosleep(&pause, NULL);
    }
}

#define APPEND_MAX 200u /* records of one append: it is all or none */

static mu_code append_records(mu_external_members *members, mu_err *err)
{
    uint64_t sequence = 0;
    for (uint32_t at = 0; at < members->n_records; at += APPEND_MAX) {
        uint32_t n = members->n_records - at;
        MU_TRY(append(members, at, n > APPEND_MAX ? APPEND_MAX : n, &sequence, err));
    }
    return members->n_records == 0
               ? MU_OK
               : mu_live_wait(members->options.workspace->options->live, sequence, err);
}

/* -------- a round -------- */

static void sort_out(mu_external_members *members)
{
    for (uint32_t i = 0; i < members->n_rows; i++) {
        const pending_row *row = &members->rows[i];
        uint32_t any, pid = only_pid(members, row, &any);
        if (pid == 0 && members->options.makes_profiles) {
            add_record(members, row);
            members->counts.n_made += any == 0;
            members->counts.n_matched += any != 0;
            continue;
        }
        if (any == 0) {
            members->counts.n_unknown++;
            continue;
        }
        members->counts.n_matched++;
        roaring_bitmap_add(members->pids, any);
    }
}

static mu_code flush(mu_external_members *members, mu_err *err)
{
    if (is_stopping(members))
        return mu_fail(err, MU_E_CANCELLED, "the server ends");
    sort_out(members);
    MU_TRY(append_records(members, err));
    for (uint32_t i = 0; i < members->n_records; i++) {
        uint32_t pid = pid_of(members, members->records[i].identities[0]);
        if (pid == 0)
            return mu_fail(err, MU_E_IO, "a profile that was made cannot be found");
        roaring_bitmap_add(members->pids, pid);
    }
    members->n_rows = members->n_records = 0;
    members->n_bytes = 0;
    mu_arena_reset(&members->arena);
    return MU_OK;
}

mu_code mu_external_members_add(mu_external_members *members, uint32_t n,
                                const mu_identity *identities, uint32_t n_graphed, mu_err *err)
{
    mu_identity *copy = MU_NEW_ARRAY(&members->arena, mu_identity, n);
    for (uint32_t i = 0; i < n; i++) {
        copy[i].namespace_code = identities[i].namespace_code;
        copy[i].value = mu_arena_copy(&members->arena, identities[i].value);
        members->n_bytes += copy[i].value.len + sizeof *copy;
    }
    members->rows[members->n_rows++] = (pending_row){n, n_graphed, copy};
    return members->n_rows == ROWS_MAX || members->n_bytes >= BYTES_MAX ? flush(members, err)
                                                                        : MU_OK;
}

/* -------- the end -------- */

/* Profiles that were joined with others since they were found. */
static mu_pid_set *as_of_now(const mu_external_members *members)
{
    mu_sandbox *live = members->options.workspace->live;
    mu_pid_set *now = roaring_bitmap_create();
    if (now == NULL)
        return NULL;
    roaring_uint32_iterator_t *at = roaring_create_iterator(members->pids);
    if (at == NULL) {
        roaring_bitmap_free(now);
        return NULL;
    }
    for (; at->has_value; roaring_advance_uint32_iterator(at)) {
        uint32_t pid = mu_sandbox_current_pid(live, at->current_value);
        if (pid != 0)
            roaring_bitmap_add(now, pid);
    }
    roaring_free_uint32_iterator(at);
    return now;
}

mu_code mu_external_members_finish(mu_external_members *members, const mu_pid_set **out,
                                   mu_external_counts *counts, mu_err *err)
{
    MU_TRY(flush(members, err));
    mu_pid_set *now = as_of_now(members);
    if (now == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for an ingestion");
    roaring_bitmap_free(members->pids);
    members->pids = now;
    *out = now;
    *counts = members->counts;
    return MU_OK;
}
