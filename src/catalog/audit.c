#include "base/hash.h"
#include "catalog/audit_int.h"

/* audit_state has one row: the next number, and the sum of all checksums, by which an event that
 * went missing is noticed. The large texts come last, so that what is only counted or passed over
 * is not read. */
static const char tables[] =
    "CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
    " sandbox TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, action INTEGER NOT NULL,"
    " user TEXT NOT NULL, request_id TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,"
    " checksum INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS audit_by_sandbox ON audit (sandbox, kind, id);"
    "CREATE TABLE IF NOT EXISTS audit_state (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " next_number INTEGER NOT NULL, digest INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;";

#define COLUMNS                                                                                    \
    "number, at_ms, sandbox, kind, id, action, user, request_id, before, after, checksum"
#define LEAVING_MAX 16 /* old events removed with each new one */

enum column { NUMBER, AT, SANDBOX, KIND, ID, ACTION, USER, REQUEST, BEFORE, AFTER, CHECKSUM };

static const struct audited_kind {
    const char *kind, *resource;
    bool always;
} audited_kinds[] = {
#define AUDITED(kind, resource, always) {kind, resource, always},
#include "catalog/audit.def"
#undef AUDITED
};

static const struct audited_kind *audited(mu_str kind)
{
    for (size_t i = 0; i < sizeof audited_kinds / sizeof audited_kinds[0]; i++)
        if (mu_str_equal(kind, mu_str_from(audited_kinds[i].kind)))
            return &audited_kinds[i];
    return NULL;
}

mu_str mu_audit_resource(mu_str kind)
{
    const struct audited_kind *found = audited(kind);
    return found == NULL ? MU_STR("") : mu_str_from(found->resource);
}

mu_code mu_audit_make_tables(mu_catalog *catalog, mu_err *err)
{
    return mu_sql_run(catalog, tables, err);
}

/* -------- the state -------- */

typedef struct audit_state {
    uint64_t next_number, digest;
} audit_state;

static mu_code read_state(mu_catalog *catalog, bool *found, audit_state *out, mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "SELECT id, next_number, digest, checksum FROM audit_state WHERE id = 1",
                          &sql, err));
    mu_code code = mu_sql_next(&sql, found, err);
    if (code == MU_OK && *found)
        code = mu_sql_check_row(&sql, "audit_state", err);
    if (code == MU_OK)
        *out = *found ? (audit_state){mu_sql_integer(&sql, 1), mu_sql_integer(&sql, 2)}
                      : (audit_state){.next_number = 1};
    mu_sql_finish(&sql);
    return code;
}

static mu_code write_state(mu_catalog *catalog, const audit_state *state, mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO audit_state (id, next_number, digest, checksum)"
                          " VALUES (?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, 1);
    mu_sql_bind_integer(&sql, state->next_number);
    mu_sql_bind_integer(&sql, state->digest);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

/* -------- writing -------- */

static mu_code remove_event(mu_catalog *catalog, uint64_t number, mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog, "DELETE FROM audit WHERE number = ?", &sql, err));
    mu_sql_bind_integer(&sql, number);
    return mu_sql_finish_run(&sql, err);
}

/* Numbers grow with time, so the oldest come first. */
static mu_code remove_old(mu_catalog *catalog, int64_t before_ms, audit_state *state, mu_err *err)
{
    uint64_t numbers[LEAVING_MAX];
    size_t n = 0;
    bool has_row;
    mu_sql sql;
    mu_code code;
    MU_TRY(mu_sql_prepare(catalog, "SELECT number, at_ms, checksum FROM audit ORDER BY number",
                          &sql, err));
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row && n < LEAVING_MAX &&
           (int64_t)mu_sql_integer(&sql, 1) < before_ms) {
        numbers[n++] = mu_sql_integer(&sql, 0);
        state->digest -= mu_sql_integer(&sql, 2);
    }
    mu_sql_finish(&sql);
    for (size_t i = 0; code == MU_OK && i < n; i++)
        code = remove_event(catalog, numbers[i], err);
    return code;
}

static mu_code add_event(mu_catalog *catalog, const mu_audit_event *event, audit_state *state,
                         mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(
        catalog, "INSERT INTO audit (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &sql,
        err));
    mu_sql_bind_integer(&sql, event->number);
    mu_sql_bind_integer(&sql, (uint64_t)event->at_ms);
    mu_sql_bind_text(&sql, event->sandbox);
    mu_sql_bind_text(&sql, event->kind);
    mu_sql_bind_text(&sql, event->id);
    mu_sql_bind_integer(&sql, event->action);
    mu_sql_bind_text(&sql, event->user);
    mu_sql_bind_text(&sql, event->request_id);
    mu_sql_bind_text(&sql, event->before);
    mu_sql_bind_text(&sql, event->after);
    state->digest += mu_hash64(sql.row.ptr, sql.row.len, 0);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_audit_event event_of(mu_str sandbox, int64_t now_ms, const mu_document_edit *edit,
                               mu_str before)
{
    bool removes = edit->action == MU_DOCUMENT_REMOVE;
    return (mu_audit_event){.at_ms = now_ms,
                            .sandbox = sandbox,
                            .kind = edit->kind,
                            .id = edit->id,
                            .action = removes           ? MU_AUDIT_DELETE
                                      : before.len == 0 ? MU_AUDIT_CREATE
                                                        : MU_AUDIT_UPDATE,
                            .user = edit->author == NULL ? MU_STR("") : edit->author->user,
                            .request_id =
                                edit->author == NULL ? MU_STR("") : edit->author->request_id,
                            .before = before,
                            .after = removes ? MU_STR("") : edit->json};
}

mu_code mu_audit_write(mu_catalog *catalog, mu_str sandbox, int64_t now_ms, int64_t keep_ms,
                       const mu_document_edit *edit, mu_str before, mu_err *err)
{
    const struct audited_kind *kind = audited(edit->kind);
    audit_state state;
    bool found;
    if (kind == NULL || (edit->author == NULL && !kind->always))
        return MU_OK;
    mu_audit_event event = event_of(sandbox, now_ms, edit, before);
    MU_TRY(read_state(catalog, &found, &state, err));
    event.number = state.next_number++;
    MU_TRY(add_event(catalog, &event, &state, err));
    if (keep_ms > 0)
        MU_TRY(remove_old(catalog, now_ms - keep_ms, &state, err));
    return write_state(catalog, &state, err);
}

/* -------- reading -------- */

#define WHERE                                                                                      \
    " FROM audit WHERE sandbox IN (?1, ?2) AND (?3 = '' OR kind = ?3) AND (?4 = '' OR id = ?4)"    \
    " AND (?5 = '' OR user = ?5) AND (?6 = '' OR request_id = ?6) AND (?7 < 0 OR action = ?7)"     \
    " AND (?8 = 0 OR at_ms >= ?8) AND (?9 = 0 OR at_ms < ?9) AND (?10 = 0 OR number = ?10)"

static void bind_query(mu_sql *sql, const mu_audit_query *query)
{
    mu_sql_bind_text(sql, query->sandbox);
    mu_sql_bind_text(sql, query->shared_sandbox);
    mu_sql_bind_text(sql, query->kind);
    mu_sql_bind_text(sql, query->id);
    mu_sql_bind_text(sql, query->user);
    mu_sql_bind_text(sql, query->request_id);
    mu_sql_bind_integer(sql, query->has_action ? (uint64_t)query->action : UINT64_MAX);
    mu_sql_bind_integer(sql, (uint64_t)query->from_ms);
    mu_sql_bind_integer(sql, (uint64_t)query->before_ms);
    mu_sql_bind_integer(sql, query->number);
}

static mu_code count(mu_catalog *catalog, const mu_audit_query *query, uint64_t *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog, "SELECT count(*)" WHERE, &sql, err));
    bind_query(&sql, query);
    mu_code code = mu_sql_next(&sql, &has_row, err);
    if (code == MU_OK)
        *out = mu_sql_integer(&sql, 0);
    mu_sql_finish(&sql);
    return code;
}

static mu_audit_event take_event(mu_sql *sql, mu_arena *arena)
{
    return (mu_audit_event){.number = mu_sql_integer(sql, NUMBER),
                            .at_ms = (int64_t)mu_sql_integer(sql, AT),
                            .sandbox = mu_sql_text(sql, arena, SANDBOX),
                            .kind = mu_sql_text(sql, arena, KIND),
                            .id = mu_sql_text(sql, arena, ID),
                            .action = (mu_audit_action)mu_sql_integer(sql, ACTION),
                            .user = mu_sql_text(sql, arena, USER),
                            .request_id = mu_sql_text(sql, arena, REQUEST),
                            .before = mu_sql_text(sql, arena, BEFORE),
                            .after = mu_sql_text(sql, arena, AFTER)};
}

mu_code mu_audit_read(mu_catalog *catalog, mu_arena *arena, const mu_audit_query *query,
                      uint32_t *n, const mu_audit_event **out, uint64_t *n_all, mu_err *err)
{
    uint64_t all, offset = query->offset > INT64_MAX ? INT64_MAX : query->offset;
    uint32_t taken = 0;
    bool has_row;
    mu_sql sql;
    mu_code code;
    MU_TRY(count(catalog, query, &all, err));
    uint64_t room = offset >= all ? 0 : all - offset;
    room = room > query->limit ? query->limit : room;
    mu_audit_event *events = MU_NEW_ARRAY(arena, mu_audit_event, room);
    MU_TRY(mu_sql_prepare(
        catalog, "SELECT " COLUMNS WHERE " ORDER BY number DESC LIMIT ?11 OFFSET ?12", &sql, err));
    bind_query(&sql, query);
    mu_sql_bind_integer(&sql, room);
    mu_sql_bind_integer(&sql, offset);
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row && taken < room &&
           (code = mu_sql_check_row(&sql, "audit", err)) == MU_OK)
        events[taken++] = take_event(&sql, arena);
    mu_sql_finish(&sql);
    MU_TRY(code);
    *n = taken;
    *out = events;
    *n_all = all;
    return MU_OK;
}

/* -------- checking -------- */

typedef struct audit_check {
    mu_catalog *catalog;
    mu_arena *arena;
    void (*problem)(void *context, mu_str sentence);
    void *context;
} audit_check;

static void complain(const audit_check *check, const char *what)
{
    check->problem(check->context,
                   mu_arena_format(check->arena, "%s: %s", check->catalog->path, what));
}

static mu_code has_tables(mu_catalog *catalog, bool *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog,
                          "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND"
                          " name IN ('audit', 'audit_state')",
                          &sql, err));
    mu_code code = mu_sql_next(&sql, &has_row, err);
    *out = code == MU_OK && has_row && mu_sql_integer(&sql, 0) == 2;
    mu_sql_finish(&sql);
    return code;
}

static mu_code check_events(const audit_check *check, uint64_t *digest, uint64_t *largest,
                            mu_err *err)
{
    mu_sql sql;
    bool has_row;
    mu_code code;
    mu_err what;
    MU_TRY(
        mu_sql_prepare(check->catalog, "SELECT " COLUMNS " FROM audit ORDER BY number", &sql, err));
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row) {
        *digest += mu_sql_integer(&sql, CHECKSUM);
        *largest = mu_sql_integer(&sql, NUMBER);
        if (mu_sql_check_row(&sql, "audit", &what) != MU_OK)
            check->problem(check->context, mu_arena_copy(check->arena, mu_str_from(what.text)));
    }
    mu_sql_finish(&sql);
    return code;
}

mu_code mu_audit_check(mu_catalog *catalog, mu_arena *arena,
                       void (*problem)(void *context, mu_str sentence), void *context, mu_err *err)
{
    const audit_check check = {catalog, arena, problem, context};
    uint64_t digest = 0, largest = 0;
    bool present, found;
    audit_state state;
    MU_TRY(has_tables(catalog, &present, err));
    if (!present)
        return MU_OK;
    MU_TRY(check_events(&check, &digest, &largest, err));
    mu_err what;
    mu_code code = read_state(catalog, &found, &state, &what);
    if (code == MU_E_CORRUPT) {
        problem(context, mu_arena_copy(arena, mu_str_from(what.text)));
        return MU_OK;
    }
    if (code != MU_OK)
        return mu_fail(err, code, "%s", what.text);
    if (state.digest != digest)
        complain(&check, "rows of table audit are missing");
    if (state.next_number <= largest)
        complain(&check, "table audit has a number that was not given yet");
    return MU_OK;
}
