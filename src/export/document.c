/* document.c -- the states of a job in its document (api.md 13.2, 13.3). */
#include "export/export_int.h"

static void set(mu_arena *arena, mu_json *json, const char *name, mu_json value)
{
    mu_json_set(arena, json, mu_str_from(name), value);
}

static mu_json member_of(const mu_json *json, const char *name)
{
    const mu_json *found = mu_json_get(json, mu_str_from(name));
    return found != NULL && found->kind == MU_JSON_OBJECT ? *found
                                                          : (mu_json){.kind = MU_JSON_OBJECT};
}

static int64_t creation_of(const mu_json *document)
{
    const mu_json *time = mu_json_get(document, MU_STR("creationTime"));
    return time != NULL && time->kind == MU_JSON_INTEGER ? time->integer : 0;
}

bool mu_export_document_has_status(const mu_json *document, const char *status)
{
    return mu_str_equal(mu_json_member_string(document, MU_STR("status"), MU_STR("")),
                        mu_str_from(status));
}

void mu_export_document_set_own(mu_arena *arena, mu_json *document, const char *name, mu_json value)
{
    mu_json own = member_of(document, "$own");
    set(arena, &own, name, value);
    mu_json_set(arena, document, MU_EXPORT_OWN, own);
}

/* end_ms 0: not yet. */
static mu_json time_of(mu_arena *arena, int64_t start_ms, int64_t end_ms)
{
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("startTimeInMs"), mu_json_of_integer(start_ms)});
    if (end_ms != 0) {
        set(arena, &json, "endTimeInMs", mu_json_of_integer(end_ms));
        set(arena, &json, "totalTimeInMs", mu_json_of_integer(end_ms - start_ms));
    }
    return json;
}

void mu_export_document_time(mu_arena *arena, mu_json *document, const char *metric,
                             int64_t start_ms, int64_t end_ms)
{
    mu_json metrics = member_of(document, "metrics");
    set(arena, &metrics, metric, time_of(arena, start_ms, end_ms));
    set(arena, document, "metrics", metrics);
}

static void touch(mu_arena *arena, mu_json *document, const char *status, int64_t now_ms)
{
    set(arena, document, "status", mu_json_of_string(mu_str_from(status)));
    set(arena, document, "updateTime", mu_json_of_integer(now_ms));
}

void mu_export_document_begin(mu_arena *arena, mu_json *document, uint64_t number, int64_t now_ms)
{
    const mu_json nothing = {.kind = MU_JSON_OBJECT};
    set(arena, document, "id", mu_json_of_integer((int64_t)number));
    set(arena, document, "creationTime", mu_json_of_integer(now_ms));
    set(arena, document, "updateTime", mu_json_of_integer(now_ms));
    set(arena, document, "computeGatewayJobId",
        MU_JSON_OBJECT_OF(arena, {MU_STR("exportJob"), mu_json_of_string(MU_STR(""))}));
    set(arena, document, "metrics",
        MU_JSON_OBJECT_OF(arena, {MU_STR("totalTime"), time_of(arena, now_ms, 0)},
                          {MU_STR("profileExportTime"), nothing},
                          {MU_STR("aCPDatasetWriteTime"), nothing}));
}

void mu_export_document_start(mu_arena *arena, mu_json *document, int64_t now_ms)
{
    touch(arena, document, "PROCESSING", now_ms);
    set(arena, document, "computeGatewayJobId",
        MU_JSON_OBJECT_OF(arena,
                          {MU_STR("exportJob"), mu_json_of_string(mu_export_random_uuid(arena))}));
    mu_export_document_time(arena, document, "profileExportTime", now_ms, 0);
}

void mu_export_document_succeed(mu_arena *arena, mu_json *document, int64_t now_ms,
                                const mu_export_counts *counts)
{
    mu_json by_namespace = {.kind = MU_JSON_OBJECT};
    touch(arena, document, "SUCCEEDED", now_ms);
    mu_export_document_time(arena, document, "totalTime", creation_of(document), now_ms);
    mu_json metrics = member_of(document, "metrics");
    for (uint32_t i = 0; i < counts->n_namespaces; i++)
        mu_json_set(arena, &by_namespace, counts->codes[i],
                    mu_json_of_integer((int64_t)counts->n_profiles[i]));
    set(arena, &metrics, "totalExportedProfileCounter",
        mu_json_of_integer((int64_t)counts->n_rows));
    set(arena, &metrics, "exportedProfileByNamespaceCounter", by_namespace);
    set(arena, document, "metrics", metrics);
}

static const char *name_of(mu_code code)
{
    switch (code) {
    case MU_E_CANCELLED:
        return "CANCELLED";
    case MU_E_NOT_FOUND:
        return "NOT_FOUND";
    case MU_E_SYNTAX:
    case MU_E_TYPE:
    case MU_E_INPUT:
        return "INVALID_REQUEST";
    case MU_E_LIMIT:
        return "LIMIT_EXCEEDED";
    case MU_E_CORRUPT:
        return "DATA_DAMAGED";
    default:
        return "WRITE_FAILED";
    }
}

void mu_export_document_fail(mu_arena *arena, mu_json *document, int64_t now_ms, const mu_err *why)
{
    mu_json *item = MU_NEW(arena, mu_json);
    mu_str text = mu_arena_copy(arena, mu_str_from(why->text));
    *item = MU_JSON_OBJECT_OF(arena,
                              {MU_STR("code"), mu_json_of_string(mu_str_from(name_of(why->code)))},
                              {MU_STR("msg"), mu_json_of_string(text)},
                              {MU_STR("callStack"), mu_json_of_string(MU_STR(""))});
    touch(arena, document, "FAILED", now_ms);
    set(arena, document, "errors", (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = item});
    mu_export_document_time(arena, document, "totalTime", creation_of(document), now_ms);
}
