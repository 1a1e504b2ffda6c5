#include "live/live_int.h"

#include <stdlib.h>

static mu_code commit_schema(mu_sandbox *sandbox, const mu_schema *schema, mu_err *err)
{
    mu_change *change;
    MU_TRY(mu_change_begin(sandbox->store, &change, err));
    mu_change_set_schema(change, schema);
    return mu_change_commit(change, err);
}

mu_code mu_sandbox_add_system_fields(mu_sandbox *sandbox, mu_err *err)
{
    const mu_schema *schema = mu_snapshot_schema(sandbox->snapshot);
    mu_arena arena;
    if (mu_type_field(schema->profile, MU_STR("$identities")) >= 0)
        return MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = commit_schema(sandbox, mu_schema_with_system_fields(&arena, schema), err);
    mu_arena_free(&arena);
    return code == MU_OK ? mu_sandbox_take_snapshot(sandbox, err) : code;
}

/* What finds the values again is in the log before the schema changes, so that a crash in between
 * loses nothing: a refill under the old schema finds nothing. */
static mu_code append_refill(mu_sandbox *sandbox, mu_err *err)
{
    uint64_t sequence;
    mu_record record = {.kind = MU_RECORD_REFILL, .received_ms = mu_live_now(sandbox->live)};
    MU_TRY(mu_sandbox_append(sandbox, 1, &record, &sequence, err));
    return mu_live_wait(sandbox->live, sequence, err);
}

/* Under layer_lock, so that no layer is built while the schema changes. */
static mu_code change_schema(mu_sandbox *sandbox, const mu_schema *schema, mu_err *err)
{
    MU_TRY(mu_sandbox_publish(sandbox, err));
    MU_TRY(append_refill(sandbox, err));
    MU_TRY(commit_schema(sandbox, schema, err));
    return mu_sandbox_publish(sandbox, err);
}

mu_code mu_sandbox_set_schema(mu_sandbox *sandbox, const mu_schema *schema, mu_err *err)
{
    mu_arena arena;
    MU_TRY(mu_sandbox_health(sandbox, err));
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_type_field(schema->profile, MU_STR("$identities")) < 0)
        schema = mu_schema_with_system_fields(&arena, schema);
    pthread_mutex_lock(&sandbox->layer_lock);
    mu_code code = change_schema(sandbox, schema, err);
    pthread_mutex_unlock(&sandbox->layer_lock);
    mu_arena_free(&arena);
    return code;
}
