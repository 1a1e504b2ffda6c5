/* profiles.c -- which profiles go out, and each as a row of the export's own type.
 *
 * Rows are read as look-ups read them: what is stored of a cluster, without what carries C12, seen
 * under the merge policy (docs/decisions/0222).
 */
#include "export/export_int.h"

#include "audience/segment_membership.h"
#include "base/bits.h"
#include "base/hash.h"
#include "profile/profile.h"

#include <stdlib.h>

#define NO_PLACE UINT32_MAX

/* Places of the root's own fields; the others have those of the profile's type. */
typedef struct root_places {
    uint32_t identity_map, membership, identities, events; /* NO_PLACE: not asked for */
    uint32_t n;
} root_places;

struct mu_export_source {
    mu_workspace *workspace;
    const mu_export_plan *plan;
    bool (*should_stop)(void *context);
    void *stop_context;
    mu_arena arena, row_arena;
    mu_snapshot *snapshot;
    const mu_membership_state *memberships;
    mu_segment_view *segments;       /* NULL: no row shows memberships */
    const mu_membership **audiences; /* of the plan's; NULL: nobody ever was a member */
    mu_stored_policy policy;
    mu_hidden hidden;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    const mu_schema *schema;
    uint32_t received; /* field of events: NO_PLACE when the schema lacks it */
    root_places places;
    const mu_type *membership_type;
    const mu_export_field *root;
    mu_json_reader *reader;
    int64_t now_ms;
};

/* -------- types of what the root has of its own -------- */

static const mu_type *object_of(mu_arena *arena, uint32_t n, const mu_str *names,
                                const mu_type *const *types)
{
    mu_str *own_names = MU_NEW_ARRAY(arena, mu_str, n);
    const mu_type **own_types = MU_NEW_ARRAY(arena, const mu_type *, n);
    memcpy(own_names, names, n * sizeof *own_names);
    memcpy(own_types, types, n * sizeof *own_types);
    return mu_type_object(arena, n, own_names, own_types);
}

/* {"ECID":[{"id":".."}]} */
static const mu_type *identity_map_type(mu_arena *arena)
{
    const mu_str name = MU_STR("id");
    const mu_type *text = mu_type_of(MU_TYPE_STRING);
    return mu_type_map(arena, mu_type_list(arena, object_of(arena, 1, &name, &text)));
}

/* [{"id":"..","namespace":{"code":".."},"primary":true}] */
static const mu_type *identities_type(mu_arena *arena)
{
    const mu_str code = MU_STR("code");
    const mu_type *text = mu_type_of(MU_TYPE_STRING);
    const mu_str names[] = {MU_STR("id"), MU_STR("namespace"), MU_STR("primary")};
    const mu_type *types[] = {text, object_of(arena, 1, &code, &text), mu_type_of(MU_TYPE_BOOLEAN)};
    return mu_type_list(arena, object_of(arena, 3, names, types));
}

/* What the schema has of an item, and what this service says of one. */
static const mu_type *membership_type(mu_arena *arena, const mu_type *profile)
{
    static const char *const own[] = {"status", "lastQualificationTime", "validUntil"};
    const mu_type *own_types[] = {mu_type_of(MU_TYPE_STRING), mu_type_of(MU_TYPE_TIMESTAMP),
                                  mu_type_of(MU_TYPE_TIMESTAMP)};
    int place = mu_type_field(profile, MU_STR("segmentMembership"));
    const mu_type *known = place < 0 ? NULL : profile->field_types[place];
    bool is_known = known != NULL && known->kind == MU_TYPE_MAP &&
                    known->item->kind == MU_TYPE_MAP && known->item->item->kind == MU_TYPE_OBJECT;
    uint32_t n = is_known ? known->item->item->n_fields : 0;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n + 3);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, n + 3);
    for (uint32_t f = 0; f < n; f++) {
        names[f] = known->item->item->field_names[f];
        types[f] = known->item->item->field_types[f];
    }
    for (size_t i = 0; i < 3; i++) {
        mu_str name = mu_str_from(own[i]);
        uint32_t f = 0;
        while (f < n && !mu_str_equal(names[f], name))
            f++;
        names[f] = name;
        types[f] = own_types[i];
        n += f == n;
    }
    return mu_type_map(arena, mu_type_map(arena, mu_type_object(arena, n, names, types)));
}

/* Whether a path begins with the name. */
static bool is_named(const mu_export_paths *paths, mu_str name)
{
    for (uint32_t i = 0; !paths->all && i < paths->n; i++)
        if (mu_str_starts_with(paths->paths[i], name) &&
            (paths->paths[i].len == name.len || paths->paths[i].ptr[name.len] == '.'))
            return true;
    return false;
}

/* -------- the root -------- */

typedef struct root_type {
    mu_str *names;
    const mu_type **types;
    uint32_t n;
} root_type;

/* In the place of a field of the profile's, or after all. */
static uint32_t put_field(root_type *root, mu_str name, const mu_type *type)
{
    uint32_t place = 0;
    while (place < root->n && !mu_str_equal(root->names[place], name))
        place++;
    root->names[place] = name;
    root->types[place] = type;
    root->n += place == root->n;
    return place;
}

static const mu_export_field *with_events(mu_export_source *s, const mu_export_field *attributes,
                                          const mu_type *events)
{
    const mu_export_field *list = mu_export_fields_of(&s->arena, events, &s->plan->event_fields,
                                                      s->hidden.n_paths, s->hidden.paths);
    if (list == NULL)
        return attributes;
    uint32_t n = attributes == NULL ? 0 : attributes->n_fields;
    const mu_export_field **fields = MU_NEW_ARRAY(&s->arena, const mu_export_field *, n + 1);
    if (n > 0)
        memcpy(fields, attributes->fields, n * sizeof *fields);
    mu_export_field *named = MU_NEW(&s->arena, mu_export_field);
    *named = *list;
    named->name = MU_STR("timeSeriesEvents");
    named->place = s->places.events;
    fields[n] = named;
    mu_export_field *root = MU_NEW(&s->arena, mu_export_field);
    *root =
        (mu_export_field){.type = mu_type_of(MU_TYPE_OBJECT), .n_fields = n + 1, .fields = fields};
    return root;
}

/* Without any field that is known a row still tells whose it is. */
static const mu_export_field *choose_fields(mu_export_source *s, const mu_type *type)
{
    const mu_str identity_map = MU_STR("identityMap");
    const mu_export_paths whose = {.n = 1, .paths = &identity_map};
    const mu_export_field *found =
        mu_export_fields_of(&s->arena, type, &s->plan->fields, s->hidden.n_paths, s->hidden.paths);
    if (found == NULL && !s->plan->with_events)
        found = mu_export_fields_of(&s->arena, type, &whose, s->hidden.n_paths, s->hidden.paths);
    return found;
}

static mu_code make_root(mu_export_source *s, mu_err *err)
{
    const mu_type *profile = s->schema->profile;
    root_type root = {.names = MU_NEW_ARRAY(&s->arena, mu_str, profile->n_fields + 4),
                      .types = MU_NEW_ARRAY(&s->arena, const mu_type *, profile->n_fields + 4),
                      .n = profile->n_fields};
    for (uint32_t f = 0; f < profile->n_fields; f++) {
        root.names[f] = mu_str_equal(profile->field_names[f], MU_STR("timeSeriesEvents"))
                            ? MU_STR("$timeSeriesEvents") /* events are the export's own */
                            : profile->field_names[f];
        root.types[f] = profile->field_types[f];
    }
    s->membership_type = membership_type(&s->arena, profile);
    s->places = (root_places){.identities = NO_PLACE, .events = NO_PLACE};
    s->places.identity_map = put_field(&root, MU_STR("identityMap"), identity_map_type(&s->arena));
    s->places.membership = put_field(&root, MU_STR("segmentMembership"), s->membership_type);
    if (is_named(&s->plan->fields, MU_STR("identities")))
        s->places.identities = put_field(&root, MU_STR("identities"), identities_type(&s->arena));
    s->root = choose_fields(s, mu_type_object(&s->arena, root.n, root.names, root.types));
    if (s->plan->with_events) {
        s->places.events = root.n++;
        s->root = with_events(s, s->root, mu_type_list(&s->arena, s->schema->event));
    }
    s->places.n = root.n;
    return s->root != NULL
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "no field may leave the server: all carry the label C12");
}

static bool shows(const mu_export_source *s, uint32_t place)
{
    for (uint32_t f = 0; f < s->root->n_fields; f++)
        if (s->root->fields[f]->place == place)
            return true;
    return false;
}

/* -------- opening and closing -------- */

static mu_code find_audiences(mu_export_source *s, const mu_audience_book *book, mu_err *err)
{
    const mu_export_plan *plan = s->plan;
    s->audiences = MU_NEW_ARRAY(&s->arena, const mu_membership *, plan->n_audiences);
    for (uint32_t i = 0; i < plan->n_audiences; i++) {
        const mu_export_audience *wanted = &plan->audiences[i];
        const mu_audience *audience =
            mu_export_audience_find(book, wanted->segment_id, wanted->namespace_code);
        if (audience == NULL)
            return mu_fail(err, MU_E_NOT_FOUND, "the audience " MU_STR_FMT " was deleted",
                           MU_STR_ARG(wanted->segment_id));
        s->audiences[i] = mu_membership_find(s->memberships, audience->id);
    }
    return MU_OK;
}

static mu_code open_source(mu_export_source *s, mu_err *err)
{
    mu_workspace *workspace = s->workspace;
    const mu_audience_book *book;
    s->now_ms = mu_workspace_now_ms(workspace);
    MU_TRY(
        mu_workspace_policy(workspace, &s->arena, s->plan->policy_id, MU_STR(""), &s->policy, err));
    MU_TRY(mu_hidden_read(workspace->options->documents, &s->arena, workspace->place, &s->hidden,
                          err));
    /* In this order: what is known of a profile that another one was merged into before the
     * snapshot is in the memberships. */
    MU_TRY(mu_sandbox_snapshot(workspace->live, &s->snapshot, err));
    MU_TRY(mu_workspace_take_merges(workspace, err));
    s->memberships = mu_memberships_acquire(workspace->memberships);
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    mu_code code = find_audiences(s, book, err);
    mu_audience_book_release(book);
    MU_TRY(code);
    s->schema = mu_snapshot_schema(s->snapshot);
    int received = mu_type_field(s->schema->event, MU_STR("$received"));
    s->received = received < 0 ? NO_PLACE : (uint32_t)received;
    s->n_namespaces = mu_sandbox_namespaces(workspace->live, &s->arena, &s->namespaces);
    s->reader = mu_json_reader_new();
    MU_TRY(make_root(s, err));
    if (shows(s, s->places.membership))
        MU_TRY(mu_segment_view_acquire(workspace, s->now_ms, &s->segments, err));
    return MU_OK;
}

mu_code mu_export_source_open(mu_workspace *workspace, const mu_export_plan *plan,
                              bool (*should_stop)(void *context), void *stop_context,
                              mu_export_source **out, mu_err *err)
{
    mu_export_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for an export");
    source->workspace = workspace;
    source->plan = plan;
    source->should_stop = should_stop;
    source->stop_context = stop_context;
    mu_arena_init(&source->arena, SIZE_MAX);
    mu_arena_init(&source->row_arena, SIZE_MAX);
    mu_code code = open_source(source, err);
    if (code != MU_OK)
        mu_export_source_close(source);
    else
        *out = source;
    return code;
}

void mu_export_source_close(mu_export_source *source)
{
    if (source == NULL)
        return;
    mu_segment_view_release(source->segments);
    if (source->memberships != NULL)
        mu_membership_state_release(source->memberships);
    if (source->snapshot != NULL)
        mu_snapshot_release(source->snapshot);
    mu_json_reader_free(source->reader);
    mu_arena_free(&source->row_arena);
    mu_arena_free(&source->arena);
    free(source);
}

const mu_export_field *mu_export_source_root(const mu_export_source *source)
{
    return source->root;
}

/* -------- one reading -------- */

typedef struct scanning {
    mu_export_source *source;
    uint32_t from, n; /* audiences */
    mu_export_row_function *row;
    void *context;
    mu_arena *arena; /* of counts */
    mu_export_counts *counts;
} scanning;

static bool is_chosen(const scanning *scan, uint32_t pid)
{
    const mu_export_source *s = scan->source;
    const mu_export_plan *plan = s->plan;
    for (uint32_t i = scan->from; i < scan->from + scan->n; i++) {
        mu_membership_item item;
        if (s->audiences[i] == NULL || !mu_membership_get(s->audiences[i], pid, s->now_ms, &item))
            continue;
        bool has_status = item.is_member ? plan->audiences[i].realized : plan->audiences[i].exited;
        if (has_status && item.since_ms >= plan->qualified_from_ms &&
            item.since_ms <= plan->qualified_to_ms)
            return true;
    }
    return plan->n_audiences == 0;
}

/* P83: a general opt-out, in any of its places. */
static bool lists_opt_out(mu_value list)
{
    for (uint32_t i = 0; list.kind == MU_TYPE_LIST && i < list.n; i++) {
        mu_value kind = mu_value_member(list.items[i], MU_STR("optOutType"));
        mu_value value = mu_value_member(list.items[i], MU_STR("optOutValue"));
        if (kind.kind == MU_TYPE_STRING && value.kind == MU_TYPE_STRING &&
            mu_str_equal(kind.string, MU_STR("general_opt_out")) &&
            mu_str_equal(value.string, MU_STR("out")))
            return true;
    }
    return false;
}

static bool opted_out(mu_value profile)
{
    mu_value consent = mu_value_member(profile, MU_STR("optOutConsentLevel"));
    mu_value global =
        mu_value_member(mu_value_member(profile, MU_STR("optInOut")), MU_STR("globalOptout"));
    return lists_opt_out(mu_value_member(consent, MU_STR("privacyOptOuts"))) ||
           lists_opt_out(mu_value_member(profile, MU_STR("privacyOptOuts"))) ||
           (global.kind == MU_TYPE_BOOLEAN && global.boolean);
}

static bool is_wanted(const mu_export_source *s, const mu_profile_view *view)
{
    const mu_export_plan *plan = s->plan;
    return !view->is_empty && view->n_identities <= MU_CLUSTER_IDENTITIES_MAX &&
           (plan->empty_profiles || view->n_sources > 0) &&
           (plan->ingested_after_ms == INT64_MIN ||
            view->last_modified_ms > plan->ingested_after_ms);
}

/* -------- members that are the export's own -------- */

static uint32_t rank_of(const mu_export_source *s, mu_str code)
{
    for (uint32_t i = 0; i < s->n_namespaces; i++)
        if (mu_str_equal(s->namespaces[i].code, code))
            return s->namespaces[i].id;
    return UINT32_MAX;
}

typedef struct shown_identity {
    mu_identity identity;
    uint32_t rank;
    bool is_primary;
} shown_identity;

/* P33. */
static int compare_shown(const void *pa, const void *pb)
{
    const shown_identity *a = pa, *b = pb;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    int order = mu_str_compare(a->identity.namespace_code, b->identity.namespace_code);
    return order != 0 ? order : mu_str_compare(a->identity.value, b->identity.value);
}

static shown_identity *shown_identities(mu_export_source *s, const mu_content *content,
                                        const mu_profile_view *view)
{
    shown_identity *list = MU_NEW_ARRAY(&s->row_arena, shown_identity, view->n_identities);
    for (uint32_t i = 0; i < view->n_identities; i++) {
        list[i].identity = content->cluster.identities[view->identities[i]].identity;
        list[i].rank = rank_of(s, list[i].identity.namespace_code);
        list[i].is_primary = i == 0;
    }
    if (view->n_identities > 1)
        qsort(list, view->n_identities, sizeof *list, compare_shown);
    return list;
}

static bool same_namespace(const shown_identity *a, const shown_identity *b)
{
    return mu_str_equal(a->identity.namespace_code, b->identity.namespace_code);
}

/* Fields of objects that the root has of its own are in the order of their types. */
static mu_value object_value(mu_arena *arena, uint32_t n, const mu_value *fields)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, n);
    memcpy(items, fields, n * sizeof *items);
    return (mu_value){.kind = MU_TYPE_OBJECT, .n = n, .items = items};
}

static mu_value identity_map(mu_export_source *s, uint32_t n, const shown_identity *list)
{
    mu_value *lists = MU_NEW_ARRAY(&s->row_arena, mu_value, n);
    mu_str *keys = MU_NEW_ARRAY(&s->row_arena, mu_str, n);
    uint32_t n_keys = 0;
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i + 1;
        while (end < n && same_namespace(&list[i], &list[end]))
            end++;
        mu_value *items = MU_NEW_ARRAY(&s->row_arena, mu_value, end - i);
        for (uint32_t k = i; k < end; k++) {
            mu_value id = mu_value_string(list[k].identity.value);
            items[k - i] = object_value(&s->row_arena, 1, &id);
        }
        keys[n_keys] = list[i].identity.namespace_code;
        lists[n_keys++] = (mu_value){.kind = MU_TYPE_LIST, .n = end - i, .items = items};
        i = end;
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n_keys, .items = lists, .keys = keys};
}

static mu_value identity_list(mu_export_source *s, uint32_t n, const shown_identity *list)
{
    mu_value *items = MU_NEW_ARRAY(&s->row_arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_value code = mu_value_string(list[i].identity.namespace_code);
        const mu_value fields[] = {mu_value_string(list[i].identity.value),
                                   object_value(&s->row_arena, 1, &code),
                                   list[i].is_primary ? mu_value_boolean(true) : MU_VALUE_NULL};
        items[i] = object_value(&s->row_arena, 3, fields);
    }
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

/* What was ingested of other services, with what this one knows. */
static mu_code memberships(mu_export_source *s, uint32_t pid, mu_value ingested, mu_value *out,
                           mu_err *err)
{
    mu_arena *arena = &s->row_arena;
    const mu_segment_item *items;
    mu_json before, json;
    bool has_before = ingested.kind == MU_TYPE_MAP && ingested.n > 0;
    uint32_t n = mu_segment_items_of(s->segments, pid, arena, &items);
    *out = MU_VALUE_NULL;
    if (n == 0 && !has_before)
        return MU_OK;
    if (has_before) {
        mu_buf text;
        mu_json_writer writer;
        mu_buf_init(&text, SIZE_MAX);
        mu_json_writer_init(&writer, &text);
        mu_value_write(&writer, ingested);
        mu_code code = mu_json_read(s->reader, arena, mu_buf_str(&text), &before, err);
        mu_buf_free(&text);
        MU_TRY(code);
    }
    json = mu_segment_membership_json(arena, n, items, has_before ? &before : NULL);
    json = mu_segment_membership_current(arena, &json, s->now_ms);
    if (json.n == 0)
        return MU_OK;
    return mu_value_from_typed_json(arena, s->membership_type, &json, out, err);
}

static mu_value events_of(mu_export_source *s, mu_value events)
{
    const mu_export_plan *plan = s->plan;
    if (plan->events_after_ms == INT64_MIN && plan->events_before_ms == INT64_MAX)
        return events;
    mu_value *items = MU_NEW_ARRAY(&s->row_arena, mu_value, events.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < events.n; i++) {
        mu_value received =
            s->received < events.items[i].n ? events.items[i].items[s->received] : MU_VALUE_NULL;
        int64_t ms = mu_value_is_null(received) ? 0 : received.integer;
        if (ms > plan->events_after_ms && ms < plan->events_before_ms)
            items[n++] = events.items[i];
    }
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

static mu_code root_value(mu_export_source *s, const mu_content *content,
                          const mu_profile_view *view, const shown_identity *list, mu_value *out,
                          mu_err *err)
{
    uint32_t n_profile = s->schema->profile->n_fields;
    mu_value *items = MU_NEW_ARRAY(&s->row_arena, mu_value, s->places.n);
    memcpy(items, view->attributes.items, n_profile * sizeof *items);
    items[s->places.identity_map] = identity_map(s, view->n_identities, list);
    if (s->segments != NULL) {
        mu_value ingested =
            s->places.membership < n_profile ? items[s->places.membership] : MU_VALUE_NULL;
        MU_TRY(memberships(s, content->pid, ingested, &items[s->places.membership], err));
    }
    if (s->places.identities != NO_PLACE)
        items[s->places.identities] = identity_list(s, view->n_identities, list);
    if (s->places.events != NO_PLACE)
        items[s->places.events] = events_of(s, view->events);
    *out = (mu_value){.kind = MU_TYPE_OBJECT, .n = s->places.n, .items = items};
    return MU_OK;
}

/* -------- counting -------- */

static mu_str lower_case(mu_arena *arena, mu_str code)
{
    char *out = mu_arena_alloc(arena, code.len + 1);
    for (size_t i = 0; i < code.len; i++)
        out[i] = (char)(code.ptr[i] >= 'A' && code.ptr[i] <= 'Z' ? code.ptr[i] + 32 : code.ptr[i]);
    return (mu_str){out, code.len};
}

static void count_namespace(const scanning *scan, mu_str code)
{
    mu_export_counts *counts = scan->counts;
    for (uint32_t i = 0; i < counts->n_namespaces; i++) {
        if (mu_str_equal_ascii_nocase(counts->codes[i], code)) {
            counts->n_profiles[i]++;
            return;
        }
    }
    if (counts->n_namespaces == counts->capacity) {
        uint32_t capacity = counts->capacity == 0 ? 16 : counts->capacity * 2;
        mu_str *codes = MU_NEW_ARRAY(scan->arena, mu_str, capacity);
        uint64_t *n_profiles = MU_NEW_ARRAY(scan->arena, uint64_t, capacity);
        if (counts->n_namespaces > 0) {
            memcpy(codes, counts->codes, counts->n_namespaces * sizeof *codes);
            memcpy(n_profiles, counts->n_profiles, counts->n_namespaces * sizeof *n_profiles);
        }
        counts->codes = codes;
        counts->n_profiles = n_profiles;
        counts->capacity = capacity;
    }
    counts->codes[counts->n_namespaces] = lower_case(scan->arena, code);
    counts->n_profiles[counts->n_namespaces++] = 1;
}

static void count_row(const scanning *scan, uint32_t n, const shown_identity *list)
{
    scan->counts->n_rows++;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || !same_namespace(&list[i - 1], &list[i]))
            count_namespace(scan, list[i].identity.namespace_code);
}

/* -------- rows -------- */

/* An opt-out counts wherever it stands: also in what is not shown. */
static mu_code check_opt_out(mu_export_source *s, const mu_content *content, uint32_t identity,
                             const mu_profile_view *shown, bool *out, mu_err *err)
{
    mu_profile_view whole;
    *out = opted_out(shown->attributes);
    if (*out || s->hidden.n_datasets == 0)
        return MU_OK;
    MU_TRY(mu_content_view(&s->row_arena, s->schema, content, &s->policy.policy, identity, &whole,
                           err));
    *out = opted_out(whole.attributes);
    return MU_OK;
}

/* `whole`: with what is hidden. */
static mu_code read_profile(const scanning *scan, const mu_content *whole,
                            const mu_content *content, uint32_t identity, mu_err *err)
{
    mu_export_source *s = scan->source;
    mu_profile_view view;
    mu_value root;
    bool has_opted_out;
    MU_TRY(mu_content_view(&s->row_arena, s->schema, content, &s->policy.policy, identity, &view,
                           err));
    if (!is_wanted(s, &view))
        return MU_OK;
    MU_TRY(check_opt_out(s, whole, identity, &view, &has_opted_out, err));
    if (has_opted_out)
        return MU_OK;
    shown_identity *list = shown_identities(s, content, &view);
    MU_TRY(root_value(s, content, &view, list, &root, err));
    MU_TRY(scan->row(scan->context, root, err));
    count_row(scan, view.n_identities, list);
    return MU_OK;
}

/* A cluster is one profile, or, without the graph, as many as it has identities. */
static mu_code read_row(const scanning *scan, const mu_part *part, bool has_all_fields,
                        uint32_t row, uint32_t pid, mu_err *err)
{
    mu_export_source *s = scan->source;
    mu_arena *arena = &s->row_arena;
    mu_identity identity;
    mu_value value;
    mu_content content;
    mu_arena_reset(arena);
    MU_TRY(mu_part_identity(part, row, &identity, err));
    MU_TRY(mu_part_row(part, row, arena, &value, err));
    if (!has_all_fields)
        value = mu_value_extend(arena, mu_part_row_type(part), s->schema->row, value);
    MU_TRY(mu_content_read(arena, s->schema, pid, identity, value, &content, err));
    content.reader = s->reader;
    mu_content visible = mu_hidden_apply(arena, &s->hidden, s->schema, &content);
    uint32_t n = s->policy.policy.uses_graph ? 1 : content.cluster.n_identities;
    for (uint32_t i = 0; i < n; i++)
        MU_TRY(read_profile(scan, &content, &visible, i, err));
    return MU_OK;
}

static mu_code read_part(const scanning *scan, const mu_part *part, const uint64_t *dead,
                         mu_err *err)
{
    mu_export_source *s = scan->source;
    bool has_all_fields = mu_type_equal(mu_part_row_type(part), s->schema->row);
    for (uint32_t b = 0; b < mu_part_block_count(part); b++) {
        mu_block block = mu_part_block(part, b);
        const uint32_t *pids;
        MU_TRY(mu_part_pids(part, b, &pids, err));
        for (uint32_t at = 0; at < block.n_rows; at++) {
            uint32_t row = block.row + at;
            if (at % 256 == 0 && s->should_stop(s->stop_context))
                return mu_fail(err, MU_E_CANCELLED, "the export was cancelled");
            if ((dead != NULL && mu_bit_get(dead, row)) || !is_chosen(scan, pids[at]))
                continue;
            MU_TRY(read_row(scan, part, has_all_fields, row, pids[at], err));
        }
    }
    return MU_OK;
}

mu_code mu_export_source_read(mu_export_source *source, uint32_t from, uint32_t n,
                              mu_export_row_function *row, void *context, mu_arena *arena,
                              mu_export_counts *counts, mu_err *err)
{
    const mu_entity *entity = mu_snapshot_entity(source->snapshot, MU_STR("profile"));
    const scanning scan = {source, from, n, row, context, arena, counts};
    for (uint32_t p = 0; entity != NULL && p < entity->n_parts; p++)
        MU_TRY(read_part(&scan, entity->parts[p], entity->dead[p], err));
    return MU_OK;
}
