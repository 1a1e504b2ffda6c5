/* entities_labels.c -- what carries the label C12 is left out of look-ups (profile.md g.3, P86). */
#include "api/entities_int.h"

#include "profile/profile.h"

static bool has_label(const mu_json *labels)
{
    for (uint32_t i = 0; labels != NULL && labels->kind == MU_JSON_ARRAY && i < labels->n; i++)
        if (labels->items[i].kind == MU_JSON_STRING &&
            mu_str_equal(labels->items[i].string, MU_STR("C12")))
            return true;
    return false;
}

/* "/properties/person/properties/name" or "/person/name" as "person.name". */
static mu_str dotted_path(mu_arena *arena, mu_str pointer)
{
    mu_str dotted = MU_STR("");
    while (pointer.len > 0) {
        const char *slash = memchr(pointer.ptr, '/', pointer.len);
        mu_str step = {pointer.ptr, slash == NULL ? pointer.len : (size_t)(slash - pointer.ptr)};
        size_t taken = slash == NULL ? step.len : step.len + 1;
        pointer = (mu_str){pointer.ptr + taken, pointer.len - taken};
        if (step.len == 0 || mu_str_equal(step, MU_STR("properties")) ||
            mu_str_equal(step, MU_STR("items")))
            continue;
        dotted = mu_arena_format(arena, MU_STR_FMT "%s" MU_STR_FMT, MU_STR_ARG(dotted),
                                 dotted.len == 0 ? "" : ".", MU_STR_ARG(mu_xdm_plain_name(step)));
    }
    return dotted;
}

static void add_hidden_paths(mu_arena *arena, const mu_json *options, mu_entity_list *out)
{
    for (uint32_t i = 0; options != NULL && options->kind == MU_JSON_ARRAY && i < options->n; i++) {
        const mu_json *path = mu_json_at(&options->items[i], MU_STR("option.schemaPath"));
        if (path == NULL || path->kind != MU_JSON_STRING ||
            !has_label(mu_json_member(&options->items[i], MU_STR("labels"))))
            continue;
        mu_str dotted = dotted_path(arena, path->string);
        if (dotted.len > 0)
            mu_entity_list_add(out, dotted, (mu_json){.kind = MU_JSON_NULL});
    }
}

mu_code mu_entity_labels_read(mu_entity_ask *ask, mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    mu_entity_list paths = {.arena = ask->arena}, datasets = {.arena = ask->arena};
    MU_TRY(mu_document_list(ask->call->api->options.documents, ask->arena, ask->call->place,
                            MU_STR("datasetLabels"), &n, &list, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        MU_TRY(mu_json_parse(ask->arena, list[i].json, &json, err));
        if (has_label(mu_json_member(&json, MU_STR("labels"))))
            mu_entity_list_add(&datasets, list[i].id, (mu_json){.kind = MU_JSON_NULL});
        add_hidden_paths(ask->arena, mu_json_member(&json, MU_STR("optionalLabels")), &paths);
    }
    ask->n_hidden_paths = paths.n;
    ask->hidden_paths = paths.names;
    ask->n_hidden_datasets = datasets.n;
    ask->hidden_datasets = datasets.names;
    return MU_OK;
}

static bool is_hidden(const mu_entity_ask *ask, mu_str dataset)
{
    for (uint32_t i = 0; i < ask->n_hidden_datasets; i++)
        if (mu_str_equal(ask->hidden_datasets[i], dataset))
            return true;
    return false;
}

static void hide_fragments(const mu_entity_ask *ask, mu_content *content)
{
    mu_fragment *kept = MU_NEW_ARRAY(ask->arena, mu_fragment, content->n_fragments);
    uint32_t n = 0;
    for (uint32_t i = 0; i < content->n_fragments; i++)
        if (!is_hidden(ask, content->fragments[i].dataset))
            kept[n++] = content->fragments[i];
    if (n == content->n_fragments)
        return;
    content->fragments = kept;
    content->n_fragments = n;
    content->attributes = MU_VALUE_NULL;
}

static void hide_events(const mu_entity_ask *ask, const mu_schema *schema, mu_content *content)
{
    int field = mu_type_field(schema->event, MU_FIELD_DATASET);
    mu_value *kept = MU_NEW_ARRAY(ask->arena, mu_value, content->events.n);
    uint32_t n = 0;
    for (uint32_t i = 0; field >= 0 && i < content->events.n; i++) {
        mu_value dataset = content->events.items[i].items[field];
        if (dataset.kind != MU_TYPE_STRING || !is_hidden(ask, dataset.string))
            kept[n++] = content->events.items[i];
    }
    if (field >= 0)
        content->events = (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = kept};
}

mu_content mu_entity_labels_apply(const mu_entity_ask *ask, const mu_schema *schema,
                                  const mu_content *content)
{
    mu_content visible = *content;
    if (ask->n_hidden_datasets == 0)
        return visible;
    hide_fragments(ask, &visible);
    hide_events(ask, schema, &visible);
    return visible;
}
