/* The state beside the mark: {"settings":{..},"sources":{name:position},"classes":{name:pid},
 * "merges":[from,to,..]}, and
 * what settings mean:
 * {"namespaces":[{"code","id","idType","priority"?,"unique"?}],"retention":{..}} (profile.md b.1,
 * b.4, P20, P54). Numbers beyond 53 bits stay integers: our own reader reads them.
 */
#include "live/live_int.h"

#include "identity/graph.h"

#include <stdlib.h>

static mu_str own(mu_str text)
{
    size_t capacity = 0;
    char *copy = mu_live_room(NULL, text.len + 1, &capacity, 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (mu_str){copy, text.len};
}

static void disown(mu_str text)
{
    free((char *)(uintptr_t)text.ptr);
}

/* -------- sources and classes -------- */

static mu_source *find_source(mu_sandbox *sandbox, mu_str name)
{
    for (uint32_t i = 0; i < sandbox->n_sources; i++)
        if (mu_str_equal(sandbox->sources[i].name, name))
            return &sandbox->sources[i];
    return NULL;
}

void mu_sandbox_note_source(mu_sandbox *sandbox, mu_str name, uint64_t position)
{
    if (name.len == 0)
        return;
    mu_source *source = find_source(sandbox, name);
    if (source == NULL) {
        size_t capacity = sandbox->n_sources;
        sandbox->sources =
            mu_live_room(sandbox->sources, capacity + 1, &capacity, sizeof *sandbox->sources);
        source = &sandbox->sources[sandbox->n_sources++];
        *source = (mu_source){.name = own(name)};
    }
    if (position > source->position)
        source->position = position;
}

uint64_t mu_sandbox_position(mu_sandbox *sandbox, mu_str name)
{
    pthread_mutex_lock(&sandbox->lock);
    const mu_source *source = find_source(sandbox, name);
    uint64_t position = source == NULL ? 0 : source->position;
    pthread_mutex_unlock(&sandbox->lock);
    return position;
}

void mu_sandbox_end_source(mu_sandbox *sandbox, mu_str name)
{
    pthread_mutex_lock(&sandbox->lock);
    mu_source *source = find_source(sandbox, name);
    if (source != NULL) {
        disown(source->name);
        *source = sandbox->sources[--sandbox->n_sources];
    }
    pthread_mutex_unlock(&sandbox->lock);
}

mu_class_counter *mu_sandbox_class(mu_sandbox *sandbox, mu_str name)
{
    for (uint32_t i = 0; i < sandbox->n_classes; i++)
        if (mu_str_equal(sandbox->classes[i].name, name))
            return &sandbox->classes[i];
    size_t capacity = sandbox->n_classes;
    sandbox->classes =
        mu_live_room(sandbox->classes, capacity + 1, &capacity, sizeof *sandbox->classes);
    mu_class_counter *counter = &sandbox->classes[sandbox->n_classes++];
    *counter = (mu_class_counter){.name = own(name), .next_pid = 1};
    return counter;
}

void mu_state_free(mu_sandbox *sandbox)
{
    for (uint32_t i = 0; i < sandbox->n_sources; i++)
        disown(sandbox->sources[i].name);
    for (uint32_t i = 0; i < sandbox->n_classes; i++)
        disown(sandbox->classes[i].name);
    free(sandbox->sources);
    free(sandbox->classes);
    free(sandbox->merges);
    mu_arena_free(&sandbox->settings_arena);
}

/* -------- writing -------- */

void mu_state_copy(const mu_sandbox *sandbox, mu_arena *arena, mu_live_state *out)
{
    mu_source *sources = MU_NEW_ARRAY(arena, mu_source, sandbox->n_sources);
    for (uint32_t i = 0; i < sandbox->n_sources; i++)
        sources[i] = (mu_source){mu_arena_copy(arena, sandbox->sources[i].name),
                                 sandbox->sources[i].position};
    mu_class_counter *classes = MU_NEW_ARRAY(arena, mu_class_counter, sandbox->n_classes);
    for (uint32_t i = 0; i < sandbox->n_classes; i++)
        classes[i] = (mu_class_counter){mu_arena_copy(arena, sandbox->classes[i].name),
                                        sandbox->classes[i].next_pid};
    mu_pid_merge *merges = MU_NEW_ARRAY(arena, mu_pid_merge, (size_t)sandbox->n_merges + 1);
    if (sandbox->n_merges > 0)
        memcpy(merges, sandbox->merges, sandbox->n_merges * sizeof *merges);
    *out = (mu_live_state){.next_pid = mu_graph_next_pid(sandbox->graph),
                           .settings = mu_arena_copy(arena, sandbox->settings),
                           .n_sources = sandbox->n_sources,
                           .n_classes = sandbox->n_classes,
                           .n_merges = sandbox->n_merges,
                           .merges = merges,
                           .sources = sources,
                           .classes = classes};
}

#define STATE_MAX ((size_t)256 << 20)

mu_str mu_state_write(mu_arena *arena, const mu_live_state *state)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, STATE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("settings"));
    mu_json_string(&writer, state->settings);
    mu_json_name(&writer, MU_STR("sources"));
    mu_json_begin_object(&writer);
    for (uint32_t i = 0; i < state->n_sources; i++) {
        mu_json_name(&writer, state->sources[i].name);
        mu_json_integer(&writer, (int64_t)state->sources[i].position);
    }
    mu_json_end_object(&writer);
    mu_json_name(&writer, MU_STR("classes"));
    mu_json_begin_object(&writer);
    for (uint32_t i = 0; i < state->n_classes; i++) {
        mu_json_name(&writer, state->classes[i].name);
        mu_json_integer(&writer, state->classes[i].next_pid);
    }
    mu_json_end_object(&writer);
    if (state->n_merges > 0) {
        mu_json_name(&writer, MU_STR("merges"));
        mu_json_begin_array(&writer);
        for (uint32_t i = 0; i < state->n_merges; i++) {
            mu_json_integer(&writer, state->merges[i].from);
            mu_json_integer(&writer, state->merges[i].to);
        }
        mu_json_end_array(&writer);
    }
    mu_json_end_object(&writer);
    MU_ASSERT(!buf.failed);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

/* -------- reading -------- */

static mu_code read_members(mu_sandbox *sandbox, const mu_json *state, mu_err *err)
{
    const mu_json *sources = mu_json_member(state, MU_STR("sources"));
    const mu_json *classes = mu_json_member(state, MU_STR("classes"));
    for (uint32_t i = 0; sources != NULL && i < sources->n; i++)
        mu_sandbox_note_source(sandbox, sources->names[i], (uint64_t)sources->items[i].integer);
    for (uint32_t i = 0; classes != NULL && i < classes->n; i++)
        mu_sandbox_class(sandbox, classes->names[i])->next_pid =
            (uint32_t)classes->items[i].integer;
    const mu_json *merges = mu_json_member(state, MU_STR("merges"));
    for (uint32_t i = 0; merges != NULL && i + 1 < merges->n; i += 2)
        mu_sandbox_note_merge(sandbox, (uint32_t)merges->items[i].integer,
                              (uint32_t)merges->items[i + 1].integer);
    return mu_sandbox_apply_settings(
        sandbox, mu_json_member_string(state, MU_STR("settings"), MU_STR("")), err);
}

mu_code mu_sandbox_read_state(mu_sandbox *sandbox, mu_str state, mu_err *err)
{
    mu_arena arena;
    mu_json json;
    if (state.len == 0)
        return mu_sandbox_apply_settings(sandbox, MU_STR(""), err);
    mu_arena_init(&arena, SIZE_MAX);
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, &arena, state, &json, err);
    if (code == MU_OK)
        code = read_members(sandbox, &json, err);
    mu_json_reader_free(reader);
    mu_arena_free(&arena);
    return code;
}

/* -------- settings -------- */

static mu_code read_namespace(const mu_json *json, mu_graph_namespace *out, mu_err *err)
{
    const mu_json *id = mu_json_member(json, MU_STR("id"));
    const mu_json *priority = mu_json_member(json, MU_STR("priority"));
    const mu_json *unique = mu_json_member(json, MU_STR("unique"));
    mu_str type = mu_json_member_string(json, MU_STR("idType"), MU_STR(""));
    *out = (mu_graph_namespace){.code = mu_json_member_string(json, MU_STR("code"), MU_STR(""))};
    if (out->code.len == 0 || id == NULL || id->kind != MU_JSON_INTEGER ||
        !mu_identity_type_parse(type, &out->type))
        return mu_fail(err, MU_E_INPUT, "a namespace of the settings lacks code, id or idType");
    out->id = (uint32_t)id->integer;
    if (priority != NULL && priority->kind == MU_JSON_INTEGER)
        out->priority = (uint32_t)priority->integer;
    out->is_unique = unique != NULL && unique->kind == MU_JSON_BOOLEAN && unique->boolean;
    return MU_OK;
}

static mu_graph_namespace *find_namespace(mu_graph_namespace *list, uint32_t n, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(list[i].code, code))
            return &list[i];
    return NULL;
}

/* The built-in namespaces, overridden and followed by those of the settings. */
static mu_code read_namespaces(mu_arena *arena, const mu_json *settings, uint32_t *n,
                               const mu_graph_namespace **out, mu_err *err)
{
    const mu_builtin_namespace *builtins;
    uint32_t n_builtins = mu_builtin_namespaces(&builtins);
    const mu_json *own_list = mu_json_member(settings, MU_STR("namespaces"));
    uint32_t n_own = own_list != NULL && own_list->kind == MU_JSON_ARRAY ? own_list->n : 0;
    mu_graph_namespace *list = MU_NEW_ARRAY(arena, mu_graph_namespace, n_builtins + n_own);
    for (uint32_t i = 0; i < n_builtins; i++)
        list[i] = (mu_graph_namespace){
            .code = builtins[i].code, .id = builtins[i].id, .type = builtins[i].type};
    *n = n_builtins;
    for (uint32_t i = 0; i < n_own; i++) {
        mu_graph_namespace one;
        MU_TRY(read_namespace(&own_list->items[i], &one, err));
        mu_graph_namespace *place = find_namespace(list, *n, one.code);
        if (place == NULL)
            place = &list[(*n)++];
        *place = one;
    }
    *out = list;
    return MU_OK;
}

/* On success the settings are the sandbox's, with what they are read from in one arena. */
static mu_code read_settings(mu_arena *arena, mu_str settings, mu_str *copy, uint32_t *n,
                             const mu_graph_namespace **namespaces, mu_err *err)
{
    mu_json json = {.kind = MU_JSON_NULL};
    *copy = mu_arena_copy(arena, settings);
    if (settings.len > 0) {
        mu_json_reader *reader = mu_json_reader_new();
        mu_code code = mu_json_read(reader, arena, *copy, &json, err);
        mu_json_reader_free(reader);
        MU_TRY(code);
    }
    return read_namespaces(arena, &json, n, namespaces, err);
}

mu_code mu_sandbox_apply_settings(mu_sandbox *sandbox, mu_str settings, mu_err *err)
{
    mu_arena arena;
    mu_str copy;
    uint32_t n;
    const mu_graph_namespace *namespaces;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = read_settings(&arena, settings, &copy, &n, &namespaces, err);
    if (code != MU_OK) {
        mu_arena_free(&arena);
        return code;
    }
    mu_arena_free(&sandbox->settings_arena);
    sandbox->settings_arena = arena;
    sandbox->settings = copy;
    sandbox->n_namespaces = n;
    sandbox->namespaces = namespaces;
    atomic_store(&sandbox->wants_expiry, true);
    if (sandbox->graph == NULL)
        sandbox->graph = mu_graph_new(n, namespaces, sandbox->first_pid);
    else
        mu_graph_configure(sandbox->graph, n, namespaces);
    return MU_OK;
}

uint32_t mu_sandbox_namespaces(mu_sandbox *sandbox, mu_arena *arena, const mu_graph_namespace **out)
{
    pthread_mutex_lock(&sandbox->lock);
    uint32_t n = sandbox->n_namespaces;
    mu_graph_namespace *copy = MU_NEW_ARRAY(arena, mu_graph_namespace, n);
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = sandbox->namespaces[i];
        copy[i].code = mu_arena_copy(arena, copy[i].code);
    }
    pthread_mutex_unlock(&sandbox->lock);
    *out = copy;
    return n;
}

mu_str mu_sandbox_settings(mu_sandbox *sandbox, mu_arena *arena)
{
    pthread_mutex_lock(&sandbox->lock);
    mu_str settings = mu_arena_copy(arena, sandbox->settings);
    pthread_mutex_unlock(&sandbox->lock);
    return settings;
}
