/* audience_normalize.c -- what an audience must be, and what is stored of it (api.md 7, 8.1, 8.3).
 *
 * Stored are the members of 8.1 in the order of that table, then whatever else the client sent,
 * then what the server knows. A document needs nothing else to be listed, searched and evaluated.
 */
#include "api/audience_int.h"

#include "base/number.h"
#include "base/utf8.h"

#define NAME_LENGTH_MAX 255u
#define MEMBERS_MAX     1000u
#define TTL_MAX         365
#define OWN_NAMESPACE   "AEPSegments"
#define OTHER_NAMESPACE "CustomerAudienceUpload"
#define PROFILE_CLASS   "_xdm.context.profile"
#define ACCOUNT_CLASS   "_xdm.context.account"

/* -------- trees -------- */

/* As deep as a body may be. */
mu_json mu_json_without_nulls(mu_arena *arena, const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY)
        return *json;
    bool is_object = json->kind == MU_JSON_OBJECT;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, json->n);
    mu_str *names = is_object ? MU_NEW_ARRAY(arena, mu_str, json->n) : NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->items[i].kind == MU_JSON_NULL)
            continue;
        if (is_object)
            names[n] = json->names[i];
        items[n++] = mu_json_without_nulls(arena, &json->items[i]);
    }
    return (mu_json){.kind = json->kind, .n = n, .names = names, .items = items};
}

mu_str mu_audience_schema_name(const mu_json *schema)
{
    return schema != NULL && schema->kind == MU_JSON_STRING
               ? schema->string
               : mu_json_member_string(schema, MU_STR("name"), MU_STR(""));
}

/* -------- JSON types of members -------- */

enum member_type {
    TYPE_TEXT,
    TYPE_FLAG,
    TYPE_OBJECT,
    TYPE_TEXTS,
    TYPE_TEXT_MAP,
    TYPE_SCHEMA,
    TYPE_TTL,
    TYPE_SWITCHES
};

static const char *const expected_of[] = {
    [TYPE_TEXT] = "a text",
    [TYPE_FLAG] = "true or false",
    [TYPE_OBJECT] = "an object",
    [TYPE_TEXTS] = "a list of texts",
    [TYPE_TEXT_MAP] = "an object of texts",
    [TYPE_SCHEMA] = "an object with a name or an id",
    [TYPE_TTL] = "a number of days from 1 to 365",
    [TYPE_SWITCHES] = "an object of objects with a member enabled that is true or false",
};

static const struct member_rule {
    const char *pointer; /* the member, with a slash */
    enum member_type type;
} member_rules[] = {
    {"/description", TYPE_TEXT},
    {"/type", TYPE_TEXT},
    {"/originName", TYPE_TEXT},
    {"/namespace", TYPE_TEXT},
    {"/audienceId", TYPE_TEXT},
    {"/schema", TYPE_SCHEMA},
    {"/expression", TYPE_OBJECT},
    {"/mergePolicyId", TYPE_TEXT},
    {"/evaluationInfo", TYPE_SWITCHES},
    {"/dataGovernancePolicy", TYPE_OBJECT},
    {"/profileInstanceId", TYPE_TEXT},
    {"/overridePerformanceWarnings", TYPE_FLAG},
    {"/saveSegmentMembership", TYPE_FLAG},
    {"/state", TYPE_TEXT},
    {"/ansibleUiEnabled", TYPE_FLAG},
    {"/ansibleDataModel", TYPE_OBJECT},
    {"/lifecycleState", TYPE_TEXT},
    {"/lifecycle", TYPE_TEXT},
    {"/labels", TYPE_TEXTS},
    {"/tags", TYPE_TEXTS},
    {"/ttlInDays", TYPE_TTL},
    {"/datasetId", TYPE_TEXT},
    {"/linkedAudienceRef", TYPE_TEXT_MAP},
    {"/audienceMeta", TYPE_OBJECT},
    {"/sourceId", TYPE_TEXT},
    {"/payloadSchema", TYPE_TEXT},
};

static bool are_texts(const mu_json *json)
{
    for (uint32_t i = 0; i < json->n; i++)
        if (json->items[i].kind != MU_JSON_STRING)
            return false;
    return true;
}

static bool read_ttl(const mu_json *json, int64_t *out)
{
    int64_t days = 0;
    if (json->kind == MU_JSON_INTEGER)
        days = json->integer;
    else if (json->kind != MU_JSON_STRING || !mu_parse_integer(json->string, &days))
        return false;
    *out = days;
    return days >= 1 && days <= TTL_MAX;
}

static bool is_schema(const mu_json *json)
{
    if (json->kind == MU_JSON_STRING)
        return json->string.len > 0;
    return json->kind == MU_JSON_OBJECT &&
           (mu_json_member_string(json, MU_STR("name"), MU_STR("")).len > 0 ||
            mu_json_member_string(json, MU_STR("id"), MU_STR("")).len > 0);
}

static bool are_switches(const mu_json *json)
{
    static const char *const methods[] = {"batch", "continuous", "synchronous"};
    if (json->kind != MU_JSON_OBJECT)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const mu_json *method = mu_json_get(json, mu_str_from(methods[i]));
        const mu_json *enabled = mu_json_get(method, MU_STR("enabled"));
        if ((method != NULL && method->kind != MU_JSON_OBJECT) ||
            (enabled != NULL && enabled->kind != MU_JSON_BOOLEAN))
            return false;
    }
    return true;
}

static bool is_of_type(const mu_json *json, enum member_type type)
{
    int64_t days;
    switch (type) {
    case TYPE_TEXT:
        return json->kind == MU_JSON_STRING;
    case TYPE_FLAG:
        return json->kind == MU_JSON_BOOLEAN;
    case TYPE_OBJECT:
        return json->kind == MU_JSON_OBJECT;
    case TYPE_TEXTS:
        return json->kind == MU_JSON_ARRAY && are_texts(json);
    case TYPE_TEXT_MAP:
        return json->kind == MU_JSON_OBJECT && are_texts(json);
    case TYPE_SCHEMA:
        return is_schema(json);
    case TYPE_TTL:
        return read_ttl(json, &days);
    case TYPE_SWITCHES:
        return are_switches(json);
    }
    return false;
}

static bool check_name(const mu_json *json, mu_refusal *refusal)
{
    const mu_json *name = mu_json_get(json, MU_STR("name"));
    if (name != NULL && name->kind == MU_JSON_STRING && name->string.len > 0 &&
        name->string.len <= (size_t)NAME_LENGTH_MAX * 4 &&
        mu_utf8_length(name->string) <= NAME_LENGTH_MAX)
        return true;
    return mu_refuse_member(refusal, "/name", "a text of 1 to 255 characters");
}

static bool check_governance(const mu_json *json, mu_refusal *refusal)
{
    const mu_json *policy = mu_json_get(json, MU_STR("dataGovernancePolicy"));
    const mu_json *flag = mu_json_get(policy, MU_STR("excludeOptOut"));
    return flag == NULL || flag->kind == MU_JSON_BOOLEAN ||
           mu_refuse_member(refusal, "/dataGovernancePolicy/excludeOptOut", "true or false");
}

bool mu_audience_check_types(const mu_json *json, mu_refusal *refusal)
{
    for (size_t i = 0; i < sizeof member_rules / sizeof member_rules[0]; i++) {
        const struct member_rule *rule = &member_rules[i];
        const mu_json *member = mu_json_get(json, mu_str_from(rule->pointer + 1));
        if (member != NULL && !is_of_type(member, rule->type))
            return mu_refuse_member(refusal, rule->pointer, expected_of[rule->type]);
    }
    if (json->n > MEMBERS_MAX)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR(""),
                         MU_STR("there may be no more than 1000 members"));
    for (uint32_t i = 0; i < json->n; i++)
        if (json->names[i].len > 0 && json->names[i].ptr[0] == '$')
            return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR(""),
                             MU_STR("names of members may not begin with $"));
    return check_governance(json, refusal);
}

/* -------- words -------- */

static bool normalize_type(const mu_audience_candidate *candidate, bool *is_external,
                           mu_refusal *refusal)
{
    const mu_json *json = &candidate->json;
    mu_str type = mu_json_member_string(json, MU_STR("type"), MU_STR(""));
    bool is_definition = mu_str_equal(type, MU_STR("SegmentDefinition"));
    *is_external = mu_str_equal(type, MU_STR("ExternalSegment")) ||
                   mu_str_equal(type, MU_STR("ExternalAudience"));
    if (type.len == 0) {
        *is_external = candidate->before != NULL
                           ? candidate->before->is_external
                           : candidate->scene->view == MU_AUDIENCE_VIEW_AUDIENCES &&
                                 mu_json_get(json, MU_STR("expression")) == NULL;
        return true;
    }
    if (!is_definition && !*is_external)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/type"),
                         MU_STR("must be SegmentDefinition or ExternalSegment"));
    if (*is_external && candidate->scene->view == MU_AUDIENCE_VIEW_DEFINITIONS)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/type"),
                         MU_STR("must be SegmentDefinition"));
    if (candidate->before != NULL && *is_external != candidate->before->is_external)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/type"), MU_STR("cannot be changed"));
    return true;
}

/* "lifecycle" is the older name; "active" the older word for published (A29). */
static bool normalize_lifecycle(const mu_json *json, mu_str *out, mu_refusal *refusal)
{
    mu_str older = mu_json_member_string(json, MU_STR("lifecycle"), MU_STR("published"));
    mu_str word = mu_json_member_string(json, MU_STR("lifecycleState"), older);
    if (mu_str_equal(word, MU_STR("active")))
        word = MU_STR("published");
    *out = word;
    if (mu_str_equal(word, MU_STR("draft")) || mu_str_equal(word, MU_STR("published")) ||
        mu_str_equal(word, MU_STR("inactive")))
        return true;
    return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/lifecycleState"),
                     MU_STR("must be draft, published or inactive"));
}

static bool normalize_namespace(const mu_audience_candidate *candidate, bool is_external,
                                mu_str *out, mu_refusal *refusal)
{
    const mu_audience *before = candidate->before;
    mu_str usual = is_external ? MU_STR(OTHER_NAMESPACE) : MU_STR(OWN_NAMESPACE);
    if (before != NULL)
        usual = before->namespace_code;
    mu_str given = mu_json_member_string(&candidate->json, MU_STR("namespace"), usual);
    *out = given;
    if (before != NULL && !mu_str_equal(given, usual))
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/namespace"),
                         MU_STR("cannot be changed"));
    if (!is_external && !mu_str_equal(given, usual))
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/namespace"),
                         MU_STR("must be " OWN_NAMESPACE " for segment definitions"));
    return (given.len > 0 && given.len <= 255) ||
           mu_refuse_member(refusal, "/namespace", "a text of 1 to 255 bytes");
}

/* -------- the class -------- */

static bool is_known_class(mu_audience_scene *scene, mu_str name)
{
    static const char *const known[] = {PROFILE_CLASS, ACCOUNT_CLASS,
                                        "_xdm.context.experienceevent"};
    mu_snapshot *snapshot;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mu_str_equal(name, mu_str_from(known[i])))
            return true;
    if (mu_sandbox_snapshot(scene->workspace->live, &snapshot, NULL) != MU_OK)
        return false;
    bool found = mu_schema_lookup_class(mu_snapshot_schema(snapshot), name) != NULL;
    mu_snapshot_release(snapshot);
    return found;
}

/* *name: of the class that the rule is about; *out: what is stored, MU_JSON_NULL when nothing. */
static bool normalize_schema(const mu_audience_candidate *candidate, bool is_external, mu_str *name,
                             mu_json *out, mu_refusal *refusal)
{
    mu_arena *arena = candidate->scene->arena;
    const mu_json *given = mu_json_get(&candidate->json, MU_STR("schema"));
    *name = mu_audience_schema_name(given);
    if (mu_str_equal(*name, MU_STR("_xom.context.account")))
        *name = MU_STR(ACCOUNT_CLASS);
    bool has_name = name->len > 0;
    *out = given != NULL ? *given : (mu_json){.kind = MU_JSON_NULL};
    if (has_name && !is_known_class(candidate->scene, *name))
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/schema/name"),
                         MU_STR("names no class that this sandbox knows"));
    if (!has_name)
        *name = MU_STR(PROFILE_CLASS);
    if (has_name || (given == NULL && !is_external))
        mu_json_set(arena, out, MU_STR("name"), mu_json_of_string(*name));
    return true;
}

/* "_xdm.context.profile" is the class "https://ns.adobe.com/xdm/context/profile". */
static mu_json defined_on(mu_arena *arena, mu_str schema_name)
{
    size_t dot = 0;
    for (size_t i = 0; i < schema_name.len; i++)
        if (schema_name.ptr[i] == '.')
            dot = i + 1;
    mu_str last = {schema_name.ptr + dot, schema_name.len - dot};
    mu_json *item = MU_NEW(arena, mu_json);
    *item = MU_JSON_OBJECT_OF(
        arena, {MU_STR("meta:resourceType"), mu_json_of_string(MU_STR("unions"))},
        {MU_STR("meta:containerId"), mu_json_of_string(MU_STR("tenant"))},
        {MU_STR("$ref"),
         mu_json_of_string(mu_arena_format(
             arena, "https://ns.adobe.com/xdm/context/" MU_STR_FMT "__union", MU_STR_ARG(last)))});
    return (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = item};
}

/* -------- external audiences -------- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 24 hex digits or a uuid. */
static bool is_dataset_id(mu_str id)
{
    if (id.len != 24 && id.len != 36)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        bool is_dash = id.len == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (is_dash ? id.ptr[i] != '-' : !is_hex(id.ptr[i]))
            return false;
    }
    return true;
}

static bool check_dataset(const mu_audience_candidate *candidate, mu_refusal *refusal)
{
    const mu_audience_scene *scene = candidate->scene;
    const mu_json *member = mu_json_get(&candidate->json, MU_STR("datasetId"));
    mu_document document;
    mu_err err;
    if (member == NULL)
        return true;
    bool is_known = is_dataset_id(member->string);
    if (is_known && scene->call->api->options.settings.dataset_check) {
        mu_code code =
            mu_document_get(scene->call->api->options.documents, scene->arena, scene->call->place,
                            MU_STR("dataset"), member->string, &document, &err);
        if (code != MU_OK && code != MU_E_NOT_FOUND)
            return mu_refuse_failed(refusal, &err);
        is_known = code == MU_OK;
    }
    return is_known ||
           mu_refuse(refusal, MU_REFUSAL_DATASET, MU_STR(""),
                     mu_arena_format(scene->arena,
                                     "The dataset " MU_STR_FMT " cannot be found in the catalog",
                                     MU_STR_ARG(member->string)));
}

static bool check_external(const mu_audience_candidate *candidate, mu_str namespace_code,
                           mu_str *audience_id, mu_refusal *refusal)
{
    const mu_audience_scene *scene = candidate->scene;
    const mu_audience *before = candidate->before;
    if (!scene->call->api->options.settings.external_audiences)
        return mu_refuse(refusal, MU_REFUSAL_DISABLED, MU_STR(""),
                         MU_STR("The organization is not enabled for external audiences"));
    if (mu_json_get(&candidate->json, MU_STR("expression")) != NULL)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/expression"),
                         MU_STR("an external audience has no rule"));
    *audience_id = before != NULL ? before->audience_id
                                  : mu_json_member_string(&candidate->json, MU_STR("audienceId"),
                                                          candidate->id);
    if (audience_id->len == 0 || audience_id->len > 255)
        return mu_refuse_member(refusal, "/audienceId", "a text of 1 to 255 bytes");
    if (!check_dataset(candidate, refusal))
        return false;
    const mu_audience *other = mu_audience_find_external(scene->book, namespace_code, *audience_id);
    return other == NULL || (before != NULL && mu_str_equal(other->id, before->id)) ||
           mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/audienceId"),
                     MU_STR("another external audience of this namespace has the same audienceId"));
}

/* -------- what is stored -------- */

typedef struct storing {
    const mu_audience_candidate *candidate;
    mu_arena *arena;
    mu_json out;
    mu_str *names; /* of `out`, with room for all */
    mu_json *items;
} storing;

static void put(storing *s, const char *name, mu_json value)
{
    if (value.kind == MU_JSON_NULL)
        return;
    s->names[s->out.n] = mu_str_from(name);
    s->items[s->out.n++] = value;
}

static void put_text(storing *s, const char *name, mu_str value)
{
    put(s, name, mu_json_of_string(value));
}

static const mu_json *given(const storing *s, const char *name)
{
    return mu_json_get(&s->candidate->json, mu_str_from(name));
}

static void put_given(storing *s, const char *name, mu_json otherwise)
{
    const mu_json *member = given(s, name);
    put(s, name, member == NULL ? otherwise : *member);
}

/* Members that the server says itself, or that have another name or form when stored. */
static bool is_own(mu_str name)
{
    static const char *const own[] = {
        "id",           "audienceId",     "type",           "namespace",    "imsOrgId",
        "sandbox",      "createdBy",      "lastModifiedBy", "creationTime", "updateTime",
        "createEpoch",  "updateEpoch",    "_etag",          "metrics",      "isSystem",
        "dependencies", "dependents",     "definedOn",      "baselineTime", "evaluationReport",
        "lifecycle",    "lifecycleState", "ttlInDays",      "schema",       "expression",
        "mergePolicyId"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mu_str_equal(name, mu_str_from(own[i])))
            return true;
    return false;
}

static void put_rest(storing *s)
{
    const mu_json *json = &s->candidate->json;
    const uint32_t n_before = s->out.n;
    const mu_json *ttl = given(s, "ttlInDays");
    int64_t days = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        bool is_there = is_own(json->names[i]) || json->items[i].kind == MU_JSON_NULL;
        for (uint32_t k = 0; !is_there && k < n_before; k++)
            is_there = mu_str_equal(s->names[k], json->names[i]);
        if (is_there)
            continue;
        s->names[s->out.n] = json->names[i];
        s->items[s->out.n++] = json->items[i];
    }
    if (ttl != NULL && read_ttl(ttl, &days))
        put(s, "ttlInDays", mu_json_of_integer(days));
}

static void put_times(storing *s)
{
    const mu_audience_candidate *candidate = s->candidate;
    mu_str user = candidate->scene->call->author.user;
    const mu_json *before = candidate->before == NULL ? NULL : &candidate->before->item->json;
    const mu_json *created = mu_json_get(before, MU_STR("creationTime"));
    int64_t created_ms = created != NULL && created->kind == MU_JSON_INTEGER ? created->integer
                         : before != NULL ? candidate->before->item->document.created_ms
                                          : candidate->now_ms;
    put_text(s, "createdBy", mu_json_member_string(before, MU_STR("createdBy"), user));
    put_text(s, "lastModifiedBy", user);
    put(s, "creationTime", mu_json_of_integer(created_ms));
    put(s, "updateTime", mu_json_of_integer(candidate->now_ms));
    put(s, "createEpoch", mu_json_of_integer(created_ms / 1000));
    put(s, "updateEpoch", mu_json_of_integer(candidate->now_ms / 1000));
}

static mu_json governance(const storing *s)
{
    const mu_json *policy = given(s, "dataGovernancePolicy");
    mu_json out = policy == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *policy;
    const mu_json *flag = mu_json_get(&out, MU_STR("excludeOptOut"));
    mu_json_set(s->arena, &out, MU_STR("excludeOptOut"),
                mu_json_of_boolean(flag == NULL || flag->boolean));
    return out;
}

static void put_definition(storing *s, mu_str schema_name, const mu_audience_rule_facts *facts)
{
    mu_str instance =
        mu_json_member_string(&s->candidate->json, MU_STR("profileInstanceId"), MU_STR(""));
    put(s, "expression", facts->expression);
    if (facts->merge_policy_id.len > 0)
        put_text(s, "mergePolicyId", facts->merge_policy_id);
    put(s, "evaluationInfo", facts->evaluation_info);
    put(s, "dataGovernancePolicy", governance(s));
    put_text(s, "profileInstanceId", instance.len > 0 ? instance : MU_STR("ups"));
    put(s, "definedOn", defined_on(s->arena, schema_name));
    put(s, "dependencies", facts->dependencies);
    put_given(s, "overridePerformanceWarnings", mu_json_of_boolean(false));
    put_given(s, "state", mu_json_of_string(MU_STR("enabled")));
    put_given(s, "ansibleUiEnabled", mu_json_of_boolean(false));
}

/* -------- guardrails (api.md 20) -------- */

typedef bool is_counted(const mu_audience *audience);

static bool is_any(const mu_audience *audience)
{
    (void)audience;
    return true;
}

static bool is_of_accounts(const mu_audience *audience)
{
    return mu_str_equal(audience->schema_name, MU_STR(ACCOUNT_CLASS));
}

static bool is_streaming(const mu_audience *audience)
{
    return audience->streaming || audience->edge;
}

static bool is_edge(const mu_audience *audience)
{
    return audience->edge;
}

static bool check_limit(const mu_audience_candidate *candidate, int64_t most, is_counted *counts,
                        bool is_one, const char *what, mu_refusal *refusal)
{
    const mu_audience_book *book = candidate->scene->book;
    int64_t n = 0;
    if (most == 0 || !is_one || (candidate->before != NULL && counts(candidate->before)))
        return true; /* the count would not grow */
    for (uint32_t i = 0; i < book->n; i++)
        n += counts(book->audiences[i]);
    return n < most ||
           mu_refuse(refusal, MU_REFUSAL_GUARDRAIL, MU_STR(""),
                     mu_arena_format(candidate->scene->arena, "The sandbox has its %lld %s already",
                                     (long long)most, what));
}

static bool check_guardrails(const mu_audience_candidate *candidate, mu_str schema_name,
                             const mu_json *info, mu_refusal *refusal)
{
    const mu_audience_settings *settings = &candidate->scene->call->api->options.settings;
    bool edge = mu_json_truth(mu_json_at(info, MU_STR("synchronous.enabled")), false);
    bool streaming = edge || mu_json_truth(mu_json_at(info, MU_STR("continuous.enabled")), false);
    bool account = mu_str_equal(schema_name, MU_STR(ACCOUNT_CLASS));
    return check_limit(candidate, settings->audiences_max, is_any, true, "audiences", refusal) &&
           check_limit(candidate, settings->account_audiences_max, is_of_accounts, account,
                       "account audiences", refusal) &&
           check_limit(candidate, settings->streaming_audiences_max, is_streaming, streaming,
                       "streaming audiences", refusal) &&
           check_limit(candidate, settings->edge_audiences_max, is_edge, edge, "edge audiences",
                       refusal);
}

/* -------- all -------- */

static bool check_required(const mu_audience_candidate *candidate, bool is_external,
                           mu_refusal *refusal)
{
    bool is_view = candidate->scene->view == MU_AUDIENCE_VIEW_DEFINITIONS;
    if (is_view && mu_json_get(&candidate->json, MU_STR("schema")) == NULL)
        return mu_refuse_member(refusal, "/schema", expected_of[TYPE_SCHEMA]);
    if (is_external || mu_json_get(&candidate->json, MU_STR("expression")) != NULL)
        return true;
    return is_view ? mu_refuse_member(refusal, "/expression", expected_of[TYPE_OBJECT])
                   : mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/expression"),
                               MU_STR("a segment definition needs one"));
}

static mu_json store(const mu_audience_candidate *candidate, const mu_json *schema,
                     mu_str schema_name, mu_str namespace_code, mu_str audience_id,
                     mu_str lifecycle, const mu_audience_rule_facts *facts /* NULL: external */)
{
    mu_arena *arena = candidate->scene->arena;
    size_t room = (size_t)candidate->json.n + 40;
    storing s = {.candidate = candidate,
                 .arena = arena,
                 .out = {.kind = MU_JSON_OBJECT},
                 .names = MU_NEW_ARRAY(arena, mu_str, room),
                 .items = MU_NEW_ARRAY(arena, mu_json, room)};
    const mu_json none = {.kind = MU_JSON_NULL};
    mu_str origin = facts == NULL ? MU_STR("CUSTOM_UPLOAD") : MU_STR("REAL_TIME_CUSTOMER_PROFILE");
    put_text(&s, "id", candidate->id);
    put_text(&s, "audienceId", audience_id);
    put_given(&s, "name", none);
    put_given(&s, "description", none);
    put_text(&s, "type", facts == NULL ? MU_STR("ExternalSegment") : MU_STR("SegmentDefinition"));
    put_given(&s, "originName", mu_json_of_string(origin));
    put_text(&s, "namespace", namespace_code);
    put(&s, "schema", *schema);
    if (facts != NULL)
        put_definition(&s, schema_name, facts);
    else
        put(&s, "dependencies", mu_json_strings(arena, 0, NULL));
    put(&s, "isSystem", mu_json_of_boolean(false));
    put_given(&s, "saveSegmentMembership", mu_json_of_boolean(true));
    put_text(&s, "lifecycleState", lifecycle);
    put_rest(&s);
    put_times(&s);
    if (facts != NULL) {
        put(&s, "evaluationReport", facts->report);
        put(&s, "$hasEvents", mu_json_of_boolean(facts->has_events));
    }
    s.out.names = s.names;
    s.out.items = s.items;
    return s.out;
}

/* The name in use by another definition: 422 for a new one, 400 for one that is renamed (A32). */
static bool check_unique_name(const mu_audience_candidate *candidate, mu_refusal *refusal)
{
    const mu_audience_book *book = candidate->scene->book;
    mu_str name = mu_json_member_string(&candidate->json, MU_STR("name"), MU_STR(""));
    const mu_audience *before = candidate->before;
    if (candidate->scene->view != MU_AUDIENCE_VIEW_DEFINITIONS ||
        (before != NULL && mu_str_equal(before->name, name)))
        return true;
    for (uint32_t i = 0; i < book->n; i++) {
        const mu_audience *other = book->audiences[i];
        if (other->is_external || other == before || !mu_str_equal(other->name, name))
            continue;
        return before == NULL ? mu_refuse(refusal, MU_REFUSAL_NAME_USED, MU_STR(""),
                                          MU_STR("Another segment definition has this name"))
                              : mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/name"),
                                          MU_STR("another segment definition has this name"));
    }
    return true;
}

bool mu_audience_normalize(const mu_audience_candidate *candidate, mu_json *stored,
                           mu_refusal *refusal)
{
    bool is_external = false;
    mu_str lifecycle, namespace_code, schema_name, audience_id = candidate->id;
    mu_json schema;
    mu_audience_rule_facts facts;
    if (!check_name(&candidate->json, refusal) ||
        !mu_audience_check_types(&candidate->json, refusal) ||
        !normalize_type(candidate, &is_external, refusal) ||
        !normalize_lifecycle(&candidate->json, &lifecycle, refusal) ||
        !check_required(candidate, is_external, refusal) ||
        !normalize_namespace(candidate, is_external, &namespace_code, refusal) ||
        !normalize_schema(candidate, is_external, &schema_name, &schema, refusal))
        return false;
    if (is_external) {
        if (!check_external(candidate, namespace_code, &audience_id, refusal) ||
            !check_guardrails(candidate, schema_name, NULL, refusal))
            return false;
    } else if (!mu_audience_read_rule(candidate, schema_name, &facts, refusal) ||
               !check_unique_name(candidate, refusal) ||
               !check_guardrails(candidate, schema_name, &facts.evaluation_info, refusal))
        return false;
    *stored = store(candidate, &schema, schema_name, namespace_code, audience_id, lifecycle,
                    is_external ? NULL : &facts);
    return true;
}
