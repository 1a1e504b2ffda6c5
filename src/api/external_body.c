#include "api/external_int.h"

#include "audience/external_int.h"
#include "base/number.h"
#include "base/utf8.h"

#define FIELDS_MAX  41u
#define TTL_DEFAULT 30
#define NAME_MAX_   255u
#define NULLS_DEPTH 64 /* as deep as a body may be */
#define TEXT_MAX    4096u

static const mu_json *member(const mu_json *json, const char *name)
{
    return mu_json_get(json, mu_str_from(name));
}

static bool is_text(const mu_json *json, size_t most)
{
    return json != NULL && json->kind == MU_JSON_STRING && json->string.len > 0 &&
           mu_utf8_length(json->string) <= most;
}

static mu_code wrong(mu_err *err, const char *where, const char *what)
{
    return mu_fail(err, MU_E_INPUT, "%s %s", where, what);
}

static mu_code check_text(const mu_json *json, const char *name, bool is_required, size_t most,
                          mu_err *err)
{
    const mu_json *value = member(json, name);
    if (value == NULL)
        return is_required ? wrong(err, name, "is missing") : MU_OK;
    if (value->kind == MU_JSON_STRING && value->string.len == 0 && !is_required)
        return MU_OK;
    return is_text(value, most)
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "%s must be a text of 1 to %zu characters", name, most);
}

static mu_code check_texts(const mu_json *json, const char *name, mu_err *err)
{
    const mu_json *list = member(json, name);
    if (list == NULL)
        return MU_OK;
    bool good = list->kind == MU_JSON_ARRAY;
    for (uint32_t i = 0; good && i < list->n; i++)
        good = list->items[i].kind == MU_JSON_STRING;
    return good ? MU_OK : wrong(err, name, "must be a list of texts");
}

static bool is_one_of(mu_str text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (mu_str_equal(text, mu_str_from(words[i])))
            return true;
    return false;
}

/* Absent where it is null, everywhere (api.md 1). The depth is bounded by the body's. */
static mu_json without_nulls(mu_arena *arena, const mu_json *json, int depth)
{
    if (depth > NULLS_DEPTH || (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY))
        return *json;
    mu_json out = {.kind = json->kind};
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, json->n);
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, json->n);
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->items[i].kind == MU_JSON_NULL)
            continue;
        if (json->kind == MU_JSON_OBJECT)
            names[out.n] = json->names[i];
        items[out.n++] = without_nulls(arena, &json->items[i], depth + 1);
    }
    out.items = items;
    out.names = json->kind == MU_JSON_OBJECT ? names : NULL;
    return out;
}

/* -------- the parts of a body -------- */

/* An integer, or its text. */
static bool read_integer(const mu_json *json, int64_t *out)
{
    if (json->kind == MU_JSON_STRING)
        return mu_parse_integer(json->string, out);
    *out = json->integer;
    return json->kind == MU_JSON_INTEGER;
}

static mu_code read_ttl(mu_arena *arena, mu_json *json, bool has_default, mu_err *err)
{
    const mu_json *value = member(json, "ttlInDays");
    int64_t days = TTL_DEFAULT;
    if (value == NULL && !has_default)
        return MU_OK;
    if (value != NULL && (!read_integer(value, &days) || days < 1 || days > MU_EXTERNAL_TTL_MAX))
        return mu_fail(err, MU_E_INPUT, "ttlInDays must be 1 to %d", MU_EXTERNAL_TTL_MAX);
    mu_json_set(arena, json, MU_STR("ttlInDays"), mu_json_of_integer(days));
    return MU_OK;
}

static void set_default(mu_arena *arena, mu_json *json, const char *name, const char *value)
{
    const mu_json *given = member(json, name);
    if (given == NULL || (given->kind == MU_JSON_STRING && given->string.len == 0))
        mu_json_set(arena, json, mu_str_from(name), mu_json_of_string(mu_str_from(value)));
}

static mu_code read_namespace(const mu_api_call *call, mu_arena *arena, mu_json *field, mu_err *err)
{
    const mu_json *code = member(field, "identityNs");
    const mu_graph_namespace *list;
    if (code == NULL)
        return MU_OK;
    if (!is_text(code, NAME_MAX_))
        return wrong(err, "fields[].identityNs", "must be the code of a namespace");
    uint32_t n = mu_sandbox_namespaces(call->sandbox->live, arena, &list);
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(list[i].code, code->string)) {
            mu_json_set(arena, field, MU_STR("identityNs"), mu_json_of_string(list[i].code));
            return MU_OK;
        }
    return mu_fail(err, MU_E_INPUT, "fields[].identityNs: there is no namespace " MU_STR_FMT,
                   MU_STR_ARG(code->string));
}

static mu_code read_field(const mu_api_call *call, mu_arena *arena, mu_json *field, mu_err *err)
{
    if (field->kind != MU_JSON_OBJECT)
        return wrong(err, "fields", "must be a list of objects");
    const mu_json *type = member(field, "type");
    if (!is_text(member(field, "name"), NAME_MAX_))
        return wrong(err, "fields[].name", "must be a text of 1 to 255 characters");
    if (type == NULL || type->kind != MU_JSON_STRING ||
        mu_external_type_of(type->string) == MU_EXTERNAL_TYPE_COUNT_)
        return wrong(err, "fields[].type",
                     "must be string, number, long, integer, date, datetime or boolean");
    MU_TRY(check_texts(field, "labels", err));
    return read_namespace(call, arena, field, err);
}

static mu_code check_distinct(uint32_t n, const mu_json *fields, mu_err *err)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (mu_str_equal(member(&fields[i], "name")->string,
                             member(&fields[k], "name")->string))
                return mu_fail(err, MU_E_INPUT, "fields has the name " MU_STR_FMT " twice",
                               MU_STR_ARG(member(&fields[i], "name")->string));
    return MU_OK;
}

static mu_code read_fields(const mu_api_call *call, mu_arena *arena, mu_json *json, mu_err *err)
{
    const mu_json *list = member(json, "fields");
    bool has_identity = false;
    if (list == NULL || list->kind != MU_JSON_ARRAY || list->n == 0 || list->n > FIELDS_MAX)
        return mu_fail(err, MU_E_INPUT, "fields must be a list of 1 to %u fields", FIELDS_MAX);
    mu_json *fields = MU_NEW_ARRAY(arena, mu_json, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        fields[i] = list->items[i];
        MU_TRY(read_field(call, arena, &fields[i], err));
        has_identity = has_identity || member(&fields[i], "identityNs") != NULL;
    }
    if (!has_identity)
        return wrong(err, "fields", "must have at least one with identityNs");
    MU_TRY(check_distinct(list->n, fields, err));
    mu_json_set(arena, json, MU_STR("fields"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = list->n, .items = fields});
    return MU_OK;
}

/* -------- the source -------- */

static mu_code check_encryption(const mu_json *params, mu_err *err)
{
    const mu_json *encryption = member(params, "encryption");
    if (encryption == NULL)
        return MU_OK;
    if (encryption->kind != MU_JSON_OBJECT)
        return wrong(err, "sourceSpec.params.encryption", "must be an object");
    if (!is_text(member(encryption, "publicKeyId"), NAME_MAX_))
        return wrong(err, "sourceSpec.params.encryption.publicKeyId", "is missing");
    MU_TRY(check_text(encryption, "signVerificationKeyId", false, NAME_MAX_, err));
    return check_text(encryption, "signVerificationId", false, NAME_MAX_, err);
}

static mu_code check_cloud(const mu_json *params, mu_err *err)
{
    static const char *const clouds[] = {"S3", "DLZ", "GCS", "Azure", "SFTP", NULL};
    static const char *const connected[] = {"S3", "GCS", "SFTP", NULL};
    const mu_json *cloud = member(params, "cloudType");
    const mu_json *connection = member(params, "baseConnectionId");
    if (connection != NULL && !is_text(connection, NAME_MAX_))
        return wrong(err, "sourceSpec.params.baseConnectionId", "must be a text");
    if (cloud == NULL)
        return MU_OK;
    if (cloud->kind != MU_JSON_STRING || !is_one_of(cloud->string, clouds))
        return wrong(err, "sourceSpec.params.cloudType", "must be S3, DLZ, GCS, Azure or SFTP");
    if (is_one_of(cloud->string, connected) != (connection != NULL))
        return wrong(err, "sourceSpec.params.baseConnectionId",
                     "is needed for S3, GCS and SFTP, and only for them");
    return MU_OK;
}

static mu_code read_source(mu_arena *arena, mu_json *json, mu_err *err)
{
    static const char *const types[] = {"file", "folder", NULL};
    const mu_json *spec = member(json, "sourceSpec");
    if (spec == NULL || spec->kind != MU_JSON_OBJECT)
        return wrong(err, "sourceSpec", "must be an object");
    const mu_json *params = member(spec, "params");
    if (params == NULL) { /* the older form, without params */
        mu_json nested = MU_JSON_OBJECT_OF(arena, {MU_STR("params"), *spec});
        mu_json_set(arena, json, MU_STR("sourceSpec"), nested);
        params = mu_json_at(json, MU_STR("sourceSpec.params"));
    }
    if (params->kind != MU_JSON_OBJECT)
        return wrong(err, "sourceSpec.params", "must be an object");
    const mu_json *path = member(params, "path"), *type = member(params, "type");
    mu_str below;
    mu_err reason;
    if (!is_text(path, TEXT_MAX))
        return wrong(err, "sourceSpec.params.path", "is missing, or no text");
    if (mu_external_path(path->string, &below, &reason) != MU_OK)
        return mu_fail(err, MU_E_INPUT, "sourceSpec.params.path: %s", reason.text);
    if (type == NULL || type->kind != MU_JSON_STRING || !is_one_of(type->string, types))
        return wrong(err, "sourceSpec.params.type", "must be file or folder");
    MU_TRY(check_text(params, "sourceType", false, NAME_MAX_, err));
    MU_TRY(check_cloud(params, err));
    return check_encryption(params, err);
}

/* -------- whole bodies -------- */

/* Words that stand where ids do in paths. */
static mu_code check_id(const mu_json *json, const char *name, mu_err *err)
{
    static const char *const reserved[] = {"operations", "task", "extend-ttl", "submit", NULL};
    const mu_json *id = member(json, name);
    if (id == NULL)
        return MU_OK;
    if (is_one_of(id->string, reserved))
        return wrong(err, name, "is a reserved word");
    for (size_t i = 0; i < id->string.len; i++)
        if ((unsigned char)id->string.ptr[i] <= 32 || strchr("/?#", id->string.ptr[i]) != NULL)
            return wrong(err, name, "must not have blanks, '/', '?' or '#'");
    return MU_OK;
}

static mu_code check_common(const mu_json *json, mu_err *err)
{
    MU_TRY(check_text(json, "name", true, NAME_MAX_, err));
    MU_TRY(check_text(json, "description", false, TEXT_MAX, err));
    MU_TRY(check_text(json, "namespace", false, NAME_MAX_, err));
    MU_TRY(check_text(json, "originName", true, NAME_MAX_, err));
    MU_TRY(check_texts(json, "labels", err));
    return check_texts(json, "tags", err);
}

mu_code mu_external_read_create(const mu_api_call *call, mu_arena *arena, const mu_json *body,
                                mu_json *out, mu_err *err)
{
    mu_json json = without_nulls(arena, body, 0);
    MU_TRY(check_common(&json, err));
    MU_TRY(check_text(&json, "customAudienceId", false, NAME_MAX_, err));
    if (member(&json, "customAudienceId") != NULL &&
        member(&json, "customAudienceId")->string.len == 0)
        mu_json_unset(arena, &json, MU_STR("customAudienceId"));
    MU_TRY(check_id(&json, "customAudienceId", err));
    MU_TRY(read_fields(call, arena, &json, err));
    MU_TRY(read_source(arena, &json, err));
    MU_TRY(read_ttl(arena, &json, true, err));
    set_default(arena, &json, "audienceType", "people");
    set_default(arena, &json, "namespace", "CustomerAudienceUpload");
    const mu_json *type = member(&json, "audienceType");
    const mu_json *ingestion = member(&json, "profileIngestion");
    if (type->kind != MU_JSON_STRING || !mu_str_equal(type->string, MU_STR("people")))
        return wrong(err, "audienceType", "must be people");
    if (ingestion != NULL && ingestion->kind != MU_JSON_BOOLEAN)
        return wrong(err, "profileIngestion", "must be true or false");
    *out = json;
    return MU_OK;
}

mu_code mu_external_read_metadata(mu_arena *arena, const mu_json *body, mu_json *out, mu_err *err)
{
    MU_TRY(check_common(body, err));
    MU_TRY(check_text(body, "namespace", true, NAME_MAX_, err));
    MU_TRY(check_text(body, "audienceId", true, NAME_MAX_, err));
    MU_TRY(check_id(body, "audienceId", err));
    *out = MU_JSON_OBJECT_OF(arena, {MU_STR("name"), *member(body, "name")},
                             {MU_STR("customAudienceId"), *member(body, "audienceId")},
                             {MU_STR("namespace"), *member(body, "namespace")},
                             {MU_STR("originName"), *member(body, "originName")});
    static const char *const others[] = {"description", "labels", "tags"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (member(body, others[i]) != NULL)
            mu_json_set(arena, out, mu_str_from(others[i]), *member(body, others[i]));
    return MU_OK;
}

/* -------- changes -------- */

static mu_code patch_field(mu_arena *arena, const mu_json *change, uint32_t n, mu_json *fields,
                           mu_err *err)
{
    const mu_json *name = member(change, "name"), *labels = member(change, "labels");
    if (name == NULL || name->kind != MU_JSON_STRING)
        return wrong(err, "fields[].name", "is missing");
    MU_TRY(check_texts(change, "labels", err));
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(member(&fields[i], "name")->string, name->string)) {
            if (labels != NULL)
                mu_json_set(arena, &fields[i], MU_STR("labels"), *labels);
            return MU_OK;
        }
    return mu_fail(err, MU_E_INPUT, "fields: there is no field " MU_STR_FMT,
                   MU_STR_ARG(name->string));
}

static mu_code patch_fields(mu_arena *arena, const mu_json *changes, mu_json *request, mu_err *err)
{
    const mu_json *list = member(request, "fields");
    uint32_t n = list == NULL ? 0 : list->n;
    if (changes->kind != MU_JSON_ARRAY)
        return wrong(err, "fields", "must be a list of fields");
    mu_json *fields = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        fields[i] = list->items[i];
    for (uint32_t i = 0; i < changes->n; i++)
        MU_TRY(patch_field(arena, &changes->items[i], n, fields, err));
    if (n > 0)
        mu_json_set(arena, request, MU_STR("fields"),
                    (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = fields});
    return MU_OK;
}

mu_code mu_external_read_patch(mu_arena *arena, const mu_json *body, mu_json *request, mu_err *err)
{
    static const char *const known[] = {"description", "labels", "fields", "ttlInDays", NULL};
    mu_json json = without_nulls(arena, body, 0);
    for (uint32_t i = 0; i < json.n; i++)
        if (!is_one_of(json.names[i], known))
            return mu_fail(err, MU_E_INPUT, MU_STR_FMT " cannot be changed",
                           MU_STR_ARG(json.names[i]));
    if (json.n == 0)
        return mu_fail(err, MU_E_INPUT,
                       "the body changes none of description, labels, fields and ttlInDays");
    MU_TRY(check_text(&json, "description", false, TEXT_MAX, err));
    MU_TRY(check_texts(&json, "labels", err));
    MU_TRY(read_ttl(arena, &json, false, err));
    if (member(&json, "fields") != NULL)
        MU_TRY(patch_fields(arena, member(&json, "fields"), request, err));
    static const char *const plain[] = {"description", "labels", "ttlInDays"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (member(&json, plain[i]) != NULL)
            mu_json_set(arena, request, mu_str_from(plain[i]), *member(&json, plain[i]));
    return MU_OK;
}

/* -------- a run -------- */

mu_code mu_external_read_window(const mu_json *body, int64_t now_s, mu_external_window *out,
                                mu_err *err)
{
    const mu_json *from = member(body, "dataFilterStartTime");
    const mu_json *to = member(body, "dataFilterEndTime");
    const mu_json *differential = member(body, "differentialIngestion");
    mu_external_window window = {.to_s = now_s, .is_differential = true};
    if (from == NULL || from->kind != MU_JSON_INTEGER || from->integer < 0)
        return wrong(err, "dataFilterStartTime", "must be a time in seconds");
    window.from_s = from->integer;
    if (to != NULL && (!read_integer(to, &window.to_s) || window.to_s < 0))
        return wrong(err, "dataFilterEndTime", "must be a time in seconds");
    if (window.to_s <= window.from_s)
        return wrong(err, "dataFilterEndTime", "must be later than dataFilterStartTime");
    if (differential != NULL && differential->kind != MU_JSON_BOOLEAN)
        return wrong(err, "differentialIngestion", "must be true or false");
    window.is_differential = differential == NULL || differential->boolean;
    *out = window;
    return MU_OK;
}
