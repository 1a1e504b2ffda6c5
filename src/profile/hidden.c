#include "profile/hidden.h"

#include "profile/profile.h"
#include "json/edit.h"

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

/* Texts under construction. */
typedef struct text_list {
    mu_arena *arena;
    mu_str *texts;
    uint32_t n, capacity;
} text_list;

static void add_text(text_list *list, mu_str text)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity < 8 ? 8 : list->capacity * 2;
        mu_str *texts = MU_NEW_ARRAY(list->arena, mu_str, capacity);
        if (list->n > 0)
            memcpy(texts, list->texts, list->n * sizeof *texts);
        list->texts = texts;
        list->capacity = capacity;
    }
    list->texts[list->n++] = text;
}

static void add_hidden_paths(mu_arena *arena, const mu_json *options, text_list *out)
{
    for (uint32_t i = 0; options != NULL && options->kind == MU_JSON_ARRAY && i < options->n; i++) {
        const mu_json *path = mu_json_at(&options->items[i], MU_STR("option.schemaPath"));
        if (path == NULL || path->kind != MU_JSON_STRING ||
            !has_label(mu_json_member(&options->items[i], MU_STR("labels"))))
            continue;
        mu_str dotted = dotted_path(arena, path->string);
        if (dotted.len > 0)
            add_text(out, dotted);
    }
}

mu_code mu_hidden_read(mu_documents *documents, mu_arena *arena, mu_str place, mu_hidden *out,
                       mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    text_list paths = {.arena = arena}, datasets = {.arena = arena};
    MU_TRY(mu_document_list(documents, arena, place, MU_STR("datasetLabels"), &n, &list, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        MU_TRY(mu_json_parse(arena, list[i].json, &json, err));
        if (has_label(mu_json_member(&json, MU_STR("labels"))))
            add_text(&datasets, list[i].id);
        add_hidden_paths(arena, mu_json_member(&json, MU_STR("optionalLabels")), &paths);
    }
    *out = (mu_hidden){.n_paths = paths.n,
                       .n_datasets = datasets.n,
                       .paths = paths.texts,
                       .datasets = datasets.texts};
    return MU_OK;
}

static bool is_hidden(const mu_hidden *hidden, mu_str dataset)
{
    for (uint32_t i = 0; i < hidden->n_datasets; i++)
        if (mu_str_equal(hidden->datasets[i], dataset))
            return true;
    return false;
}

static void hide_fragments(mu_arena *arena, const mu_hidden *hidden, mu_content *content)
{
    mu_fragment *kept = MU_NEW_ARRAY(arena, mu_fragment, content->n_fragments);
    uint32_t n = 0;
    for (uint32_t i = 0; i < content->n_fragments; i++)
        if (!is_hidden(hidden, content->fragments[i].dataset))
            kept[n++] = content->fragments[i];
    if (n == content->n_fragments)
        return;
    content->fragments = kept;
    content->n_fragments = n;
    content->attributes = MU_VALUE_NULL;
}

static void hide_events(mu_arena *arena, const mu_hidden *hidden, const mu_schema *schema,
                        mu_content *content)
{
    int field = mu_type_field(schema->event, MU_FIELD_DATASET);
    mu_value *kept = MU_NEW_ARRAY(arena, mu_value, content->events.n);
    uint32_t n = 0;
    for (uint32_t i = 0; field >= 0 && i < content->events.n; i++) {
        mu_value dataset = content->events.items[i].items[field];
        if (dataset.kind != MU_TYPE_STRING || !is_hidden(hidden, dataset.string))
            kept[n++] = content->events.items[i];
    }
    if (field >= 0)
        content->events = (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = kept};
}

mu_content mu_hidden_apply(mu_arena *arena, const mu_hidden *hidden, const mu_schema *schema,
                           const mu_content *content)
{
    mu_content visible = *content;
    if (hidden->n_datasets == 0)
        return visible;
    hide_fragments(arena, hidden, &visible);
    hide_events(arena, hidden, schema, &visible);
    return visible;
}
