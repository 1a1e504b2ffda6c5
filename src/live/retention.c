/* What the settings say is kept only so long (profile.md d.5, P54), looked after once a day:
 *
 *     {"retention":{"eventExpiration":[{"datasetId":"..","days":30}],
 *                   "pseudonymousExpiration":{"namespaces":["ECID"],"days":14}}}
 *
 * Both become records of the log, so that a replay does the same again: a DROP of the data set's
 * older events, and an ERASE per profile, which does nothing if the profile was seen meanwhile. */
#include "live/columns.h"
#include "live/live_int.h"

#include <stdlib.h>

#define DAY_MS         86400000LL
#define ERASES_AT_ONCE 1000u

static int64_t cutoff_of(const mu_sandbox *sandbox, const mu_json *rule)
{
    const mu_json *days = mu_json_member(rule, MU_STR("days"));
    if (days == NULL || days->kind != MU_JSON_INTEGER || days->integer < 1 || days->integer > 36500)
        return 0;
    return mu_live_now(sandbox->live) - days->integer * DAY_MS;
}

static mu_code expire_events(mu_sandbox *sandbox, const mu_json *rules, mu_err *err)
{
    for (uint32_t i = 0; rules != NULL && rules->kind == MU_JSON_ARRAY && i < rules->n; i++) {
        uint64_t sequence;
        mu_record record = {
            .kind = MU_RECORD_DROP,
            .received_ms = mu_live_now(sandbox->live),
            .dataset = mu_json_member_string(&rules->items[i], MU_STR("datasetId"), MU_STR("")),
            .time_ms = cutoff_of(sandbox, &rules->items[i]),
        };
        if (record.dataset.len > 0 && record.time_ms > 0)
            MU_TRY(mu_sandbox_append(sandbox, 1, &record, &sequence, err));
    }
    return MU_OK;
}

/* -------- pseudonymous profiles -------- */

typedef struct expiry_columns {
    mu_reading identities, namespaces;
    mu_reading events, received, timestamp;
    mu_reading fragments, modified;
} expiry_columns;

typedef struct expiry_run {
    mu_sandbox *sandbox;
    const mu_json *namespaces; /* a list of codes */
    int64_t cutoff_ms;
    uint32_t n;
    mu_arena arena;    /* of the identities gathered */
    mu_arena unpacked; /* columns of one block */
    mu_identity identities[ERASES_AT_ONCE];
    mu_record records[ERASES_AT_ONCE];
} expiry_run;

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            expiry_columns *out, mu_err *err)
{
    uint32_t identities = mu_part_child(part, 0, MU_STR("$identities"));
    uint32_t events = mu_part_child(part, 0, MU_STR("xEvent"));
    uint32_t fragments = mu_part_child(part, 0, MU_STR("$fragments"));
    uint32_t event = mu_column_item(part, events);
    const struct {
        uint32_t column;
        mu_reading *reading;
    } columns[] = {
        {identities, &out->identities},
        {mu_column_child(part, mu_column_item(part, identities), MU_STR("namespace")),
         &out->namespaces},
        {events, &out->events},
        {mu_column_child(part, event, MU_STR("$received")), &out->received},
        {mu_column_child(part, event, MU_STR("timestamp")), &out->timestamp},
        {fragments, &out->fragments},
        {mu_column_child(part, mu_column_item(part, fragments), MU_STR("modified")),
         &out->modified},
    };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        MU_TRY(mu_reading_open(part, columns[i].column, block, arena, columns[i].reading, err));
    return MU_OK;
}

static bool is_listed(const expiry_run *expiry, mu_str code)
{
    for (uint32_t i = 0; i < expiry->namespaces->n; i++)
        if (expiry->namespaces->items[i].kind == MU_JSON_STRING &&
            mu_str_equal_ascii_nocase(expiry->namespaces->items[i].string, code))
            return true;
    return false;
}

static bool is_pseudonymous(const expiry_run *expiry, const expiry_columns *columns, uint32_t row,
                            mu_identity identity)
{
    uint32_t begin, end;
    mu_reading_items(&columns->identities, row, &begin, &end);
    if (begin == end)
        return is_listed(expiry, identity.namespace_code);
    for (uint32_t i = begin; i < end; i++)
        if (!is_listed(expiry, mu_reading_string(&columns->namespaces, i)))
            return false;
    return true;
}

/* Nothing came in since the cutoff. Of bulk loads only the events' own times are known. */
static bool is_idle(const expiry_columns *columns, uint32_t row, int64_t cutoff_ms)
{
    uint32_t begin, end;
    mu_reading_items(&columns->fragments, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        if (mu_reading_integer(&columns->modified, i) >= cutoff_ms)
            return false;
    mu_reading_items(&columns->events, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        const mu_reading *time =
            mu_reading_is_null(&columns->received, i) ? &columns->timestamp : &columns->received;
        if (mu_reading_is_null(time, i) || mu_reading_integer(time, i) >= cutoff_ms)
            return false;
    }
    return true;
}

static mu_code flush(expiry_run *expiry, mu_err *err)
{
    uint64_t sequence;
    if (expiry->n == 0)
        return MU_OK;
    mu_code code = mu_sandbox_append(expiry->sandbox, expiry->n, expiry->records, &sequence, err);
    mu_log(expiry->sandbox->live->options.logger, MU_LOG_INFO, "profiles_expired",
           mu_log_text("sandbox", mu_sandbox_name(expiry->sandbox)),
           mu_log_integer("profiles", expiry->n));
    expiry->n = 0;
    mu_arena_reset(&expiry->arena);
    return code;
}

static mu_code erase(expiry_run *expiry, mu_identity identity, mu_err *err)
{
    mu_identity *kept = &expiry->identities[expiry->n];
    *kept = (mu_identity){mu_arena_copy(&expiry->arena, identity.namespace_code),
                          mu_arena_copy(&expiry->arena, identity.value)};
    expiry->records[expiry->n++] = (mu_record){.kind = MU_RECORD_ERASE,
                                               .received_ms = mu_live_now(expiry->sandbox->live),
                                               .time_ms = expiry->cutoff_ms,
                                               .n_identities = 1,
                                               .identities = kept};
    return expiry->n == ERASES_AT_ONCE ? flush(expiry, err) : MU_OK;
}

static mu_code expire_block(expiry_run *expiry, const mu_part *part, const uint64_t *dead,
                            uint32_t block_number, mu_err *err)
{
    expiry_columns columns;
    mu_block block = mu_part_block(part, block_number);
    mu_arena_reset(&expiry->unpacked);
    MU_TRY(open_columns(part, block_number, &expiry->unpacked, &columns, err));
    for (uint32_t row = 0; row < block.n_rows; row++) {
        mu_identity identity;
        if ((dead != NULL && mu_bit_get(dead, block.row + row)) ||
            !is_idle(&columns, row, expiry->cutoff_ms))
            continue;
        MU_TRY(mu_part_identity(part, block.row + row, &identity, err));
        if (is_pseudonymous(expiry, &columns, row, identity))
            MU_TRY(erase(expiry, identity, err));
    }
    return MU_OK;
}

static mu_code expire_profiles(mu_sandbox *sandbox, const mu_json *rule, mu_err *err)
{
    mu_snapshot *snapshot;
    const mu_json *namespaces = mu_json_member(rule, MU_STR("namespaces"));
    int64_t cutoff_ms = cutoff_of(sandbox, rule);
    if (namespaces == NULL || namespaces->kind != MU_JSON_ARRAY || cutoff_ms <= 0)
        return MU_OK;
    MU_TRY(mu_sandbox_snapshot(sandbox, &snapshot, err));
    expiry_run *expiry = calloc(1, sizeof *expiry);
    if (expiry == NULL) {
        mu_snapshot_release(snapshot);
        return mu_fail(err, MU_E_NOMEM, "out of memory for expiring profiles");
    }
    expiry->sandbox = sandbox;
    expiry->namespaces = namespaces;
    expiry->cutoff_ms = cutoff_ms;
    mu_arena_init(&expiry->arena, SIZE_MAX);
    mu_arena_init(&expiry->unpacked, SIZE_MAX);
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_code code = MU_OK;
    for (uint32_t p = 0; entity != NULL && code == MU_OK && p < entity->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = expire_block(expiry, entity->parts[p], entity->dead[p], b, err);
    if (code == MU_OK)
        code = flush(expiry, err);
    mu_arena_free(&expiry->arena);
    mu_arena_free(&expiry->unpacked);
    free(expiry);
    mu_snapshot_release(snapshot);
    return code;
}

mu_code mu_sandbox_expire(mu_sandbox *sandbox, mu_err *err)
{
    mu_arena arena;
    mu_json settings;
    MU_TRY(mu_sandbox_health(sandbox, err));
    mu_arena_init(&arena, SIZE_MAX);
    mu_str text = mu_sandbox_settings(sandbox, &arena);
    mu_code code = MU_OK;
    if (text.len > 0) {
        mu_json_reader *reader = mu_json_reader_new();
        code = mu_json_read(reader, &arena, text, &settings, err);
        mu_json_reader_free(reader);
        const mu_json *retention =
            code == MU_OK ? mu_json_member(&settings, MU_STR("retention")) : NULL;
        if (retention != NULL)
            code =
                expire_events(sandbox, mu_json_member(retention, MU_STR("eventExpiration")), err);
        if (code == MU_OK && retention != NULL)
            code = expire_profiles(
                sandbox, mu_json_member(retention, MU_STR("pseudonymousExpiration")), err);
    }
    mu_arena_free(&arena);
    return code;
}
