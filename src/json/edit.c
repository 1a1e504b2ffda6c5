/* edit.c -- trees changed: members set, PATCH operations, merge patches. */
#include "json/edit.h"

#include "base/number.h"
#include "base/time.h"

#include <stdio.h>

#define TEXT_MAX    ((size_t)64 << 20)
#define SEGMENT_MAX 32u /* of a PATCH path */
#define MERGE_DEPTH 64u
/* Each edit copies the members it stands among, so that many edits of a large document would take
 * memory with the square of its size (docs/decisions/0170). */
#define EDIT_MEMORY_MAX ((size_t)128 << 20)

/* -------- text -------- */

mu_code mu_json_parse(mu_arena *arena, mu_str text, mu_json *out, mu_err *err)
{
    mu_json_reader *reader = mu_json_reader_new();
    if (reader == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a document");
    mu_code code = mu_json_read(reader, arena, text, out, err);
    mu_json_reader_free(reader);
    return code;
}

mu_code mu_json_text(mu_arena *arena, const mu_json *json, mu_str *out, mu_err *err)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, TEXT_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    bool failed = buf.failed;
    if (!failed)
        *out = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return failed ? mu_fail(err, MU_E_LIMIT, "a document is larger than %zu bytes", TEXT_MAX)
                  : MU_OK;
}

mu_json mu_json_of_time(mu_arena *arena, int64_t ms)
{
    mu_civil c = mu_civil_from_ms(ms);
    return mu_json_of_string(mu_arena_format(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                             (int)c.year, c.month, c.day, c.hour, c.minute,
                                             c.second, c.millisecond));
}

/* -------- looking -------- */

const mu_json *mu_json_get(const mu_json *json, mu_str name)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL && member->kind != MU_JSON_NULL ? member : NULL;
}

const mu_json *mu_json_at(const mu_json *json, mu_str dotted)
{
    while (json != NULL) {
        size_t dot = mu_str_find(dotted, MU_STR("."));
        if (dot == SIZE_MAX)
            return mu_json_get(json, dotted);
        json = mu_json_get(json, (mu_str){dotted.ptr, dot});
        dotted = (mu_str){dotted.ptr + dot + 1, dotted.len - dot - 1};
    }
    return NULL;
}

bool mu_json_truth(const mu_json *json, bool otherwise)
{
    if (json == NULL)
        return otherwise;
    if (json->kind == MU_JSON_BOOLEAN)
        return json->boolean;
    if (json->kind != MU_JSON_STRING)
        return otherwise;
    if (mu_str_equal_ascii_nocase(json->string, MU_STR("true")))
        return true;
    return mu_str_equal_ascii_nocase(json->string, MU_STR("false")) ? false : otherwise;
}

/* Compact texts are equal: members in the same order, as both come from the same clients. */
bool mu_json_equal(const mu_json *a, const mu_json *b)
{
    mu_arena arena;
    mu_str x, y;
    mu_arena_init(&arena, SIZE_MAX);
    bool equal = mu_json_text(&arena, a, &x, NULL) == MU_OK &&
                 mu_json_text(&arena, b, &y, NULL) == MU_OK && mu_str_equal(x, y);
    mu_arena_free(&arena);
    return equal;
}

/* -------- setting -------- */

static uint32_t place_of(const mu_json *json, mu_str name)
{
    uint32_t i = 0;
    while (i < json->n && !mu_str_equal(json->names[i], name))
        i++;
    return i;
}

/* The items, now our own, with room for one more. */
static mu_json *own_items(mu_arena *arena, mu_json *json)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)json->n + 1);
    if (json->n > 0)
        memcpy(items, json->items, json->n * sizeof *items);
    json->items = items;
    return items;
}

static mu_str *own_names(mu_arena *arena, mu_json *json)
{
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, (size_t)json->n + 1);
    if (json->n > 0)
        memcpy(names, json->names, json->n * sizeof *names);
    json->names = names;
    return names;
}

/* The place of a member, ours to write, made null when absent. */
static mu_json *own_member(mu_arena *arena, mu_json *json, mu_str name)
{
    if (json->kind != MU_JSON_OBJECT)
        *json = (mu_json){.kind = MU_JSON_OBJECT};
    uint32_t i = place_of(json, name);
    mu_json *items = own_items(arena, json);
    if (i == json->n) {
        own_names(arena, json)[i] = mu_arena_copy(arena, name);
        items[i] = (mu_json){.kind = MU_JSON_NULL};
        json->n++;
    }
    return &items[i];
}

void mu_json_set(mu_arena *arena, mu_json *json, mu_str name, mu_json value)
{
    *own_member(arena, json, name) = value;
}

mu_json mu_json_object(mu_arena *arena, size_t n, const mu_json_pair *members)
{
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (size_t i = 0; i < n; i++) {
        names[i] = members[i].name;
        items[i] = members[i].value;
    }
    return (mu_json){.kind = MU_JSON_OBJECT, .n = (uint32_t)n, .names = names, .items = items};
}

mu_json mu_json_strings(mu_arena *arena, size_t n, const mu_str *texts)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (size_t i = 0; i < n; i++)
        items[i] = mu_json_of_string(texts[i]);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = (uint32_t)n, .items = items};
}

static void remove_at(mu_arena *arena, mu_json *json, uint32_t i)
{
    mu_json *items = own_items(arena, json);
    memmove(items + i, items + i + 1, (json->n - i - 1) * sizeof *items);
    if (json->kind == MU_JSON_OBJECT) {
        mu_str *names = own_names(arena, json);
        memmove(names + i, names + i + 1, (json->n - i - 1) * sizeof *names);
    }
    json->n--;
}

void mu_json_unset(mu_arena *arena, mu_json *json, mu_str name)
{
    uint32_t i = json->kind == MU_JSON_OBJECT ? place_of(json, name) : json->n;
    if (json->kind == MU_JSON_OBJECT && i < json->n)
        remove_at(arena, json, i);
}

/* -------- paths of operations -------- */

typedef struct patch_path {
    mu_str segments[SEGMENT_MAX];
    uint32_t n;
} patch_path;

/* "~1" is '/', "~0" is '~' (RFC 6901). */
static mu_str unescaped(mu_arena *arena, mu_str text)
{
    if (mu_str_find(text, MU_STR("~")) == SIZE_MAX)
        return text;
    char *out = mu_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_escape = text.ptr[i] == '~' && i + 1 < text.len &&
                         (text.ptr[i + 1] == '0' || text.ptr[i + 1] == '1');
        out[n++] = is_escape ? (text.ptr[++i] == '1' ? '/' : '~') : text.ptr[i];
    }
    return (mu_str){out, n};
}

static bool add_segments(mu_arena *arena, mu_str text, char separator, patch_path *out)
{
    const char sep[] = {separator};
    for (;;) {
        size_t at = mu_str_find(text, (mu_str){sep, 1});
        mu_str segment = {text.ptr, at == SIZE_MAX ? text.len : at};
        if (out->n == SEGMENT_MAX)
            return false;
        out->segments[out->n++] = separator == '/' ? unescaped(arena, segment) : segment;
        if (at == SIZE_MAX)
            return true;
        text = (mu_str){text.ptr + at + 1, text.len - at - 1};
    }
}

/* "/a/b" by slashes; "/a.b" and "a.b" by dots, unless the document has a member with that very
 * name. */
static bool parse_path(mu_arena *arena, const mu_json *document, mu_str text, patch_path *out)
{
    out->n = 0;
    bool has_slash = text.len > 0 && text.ptr[0] == '/';
    if (has_slash)
        text = (mu_str){text.ptr + 1, text.len - 1};
    if (text.len == 0)
        return false;
    bool is_pointer = mu_str_find(text, MU_STR("/")) != SIZE_MAX ||
                      mu_json_member(document, unescaped(arena, text)) != NULL ||
                      mu_str_find(text, MU_STR(".")) == SIZE_MAX;
    return add_segments(arena, text, is_pointer ? '/' : '.', out);
}

/* -------- operations -------- */

enum op { OP_ADD, OP_REPLACE, OP_REMOVE, OP_TEST };

typedef struct patch_operation {
    enum op op;
    mu_str path_text;
    patch_path path;
    const mu_json *value; /* NULL for remove */
} patch_operation;

static mu_code bad_path(const patch_operation *operation, const char *what, mu_err *err)
{
    return mu_fail(err, MU_E_INPUT, "the path " MU_STR_FMT " %s", MU_STR_ARG(operation->path_text),
                   what);
}

static mu_json converted(const mu_json *value, const mu_json *before)
{
    if (before->kind == MU_JSON_BOOLEAN && value->kind == MU_JSON_STRING)
        return mu_json_of_boolean(mu_json_truth(value, before->boolean));
    return *value;
}

static mu_code apply_to_member(mu_arena *arena, mu_json *parent, mu_str name,
                               const patch_operation *operation, mu_err *err)
{
    const mu_json *before = mu_json_member(parent, name);
    switch (operation->op) {
    case OP_ADD:
    case OP_REPLACE:
        mu_json_set(arena, parent, name,
                    before == NULL ? *operation->value : converted(operation->value, before));
        return MU_OK;
    case OP_REMOVE:
        if (before == NULL)
            return bad_path(operation, "is not there", err);
        mu_json_unset(arena, parent, name);
        return MU_OK;
    case OP_TEST:
        break;
    }
    return before != NULL && mu_json_equal(before, operation->value)
               ? MU_OK
               : bad_path(operation, "has another value than the test wants", err);
}

static mu_code array_place(const mu_json *array, mu_str segment, const patch_operation *operation,
                           bool may_append, uint32_t *out, mu_err *err)
{
    int64_t i;
    if (may_append && mu_str_equal(segment, MU_STR("-"))) {
        *out = array->n;
        return MU_OK;
    }
    if (!mu_parse_integer(segment, &i) || i < 0 || i >= (int64_t)array->n + may_append)
        return bad_path(operation, "leads to an item that the list does not have", err);
    *out = (uint32_t)i;
    return MU_OK;
}

static mu_code apply_to_item(mu_arena *arena, mu_json *array, mu_str segment,
                             const patch_operation *operation, mu_err *err)
{
    uint32_t i = 0;
    bool is_add = operation->op == OP_ADD;
    MU_TRY(array_place(array, segment, operation, is_add, &i, err));
    if (operation->op == OP_TEST)
        return mu_json_equal(&array->items[i], operation->value)
                   ? MU_OK
                   : bad_path(operation, "has another value than the test wants", err);
    if (operation->op == OP_REMOVE) {
        remove_at(arena, array, i);
        return MU_OK;
    }
    mu_json *items = own_items(arena, array);
    if (is_add) {
        memmove(items + i + 1, items + i, (array->n - i) * sizeof *items);
        array->n++;
    }
    items[i] = *operation->value;
    return MU_OK;
}

static bool can_have_members(const mu_json *json)
{
    return json->kind == MU_JSON_OBJECT || json->kind == MU_JSON_NULL;
}

static mu_code apply_operation(mu_arena *arena, mu_json *document, const patch_operation *operation,
                               mu_err *err)
{
    const patch_path *path = &operation->path;
    bool makes = operation->op == OP_ADD || operation->op == OP_REPLACE;
    for (uint32_t i = 0; i + 1 < path->n; i++) {
        mu_str segment = path->segments[i];
        if (document->kind == MU_JSON_ARRAY) {
            uint32_t at = 0;
            MU_TRY(array_place(document, segment, operation, false, &at, err));
            document = &own_items(arena, document)[at];
            continue;
        }
        if (!makes && mu_json_get(document, segment) == NULL)
            return bad_path(operation, "is not there", err);
        if (!can_have_members(document))
            return bad_path(operation, "leads into a value without members", err);
        document = own_member(arena, document, segment);
    }
    mu_str last = path->segments[path->n - 1];
    if (document->kind != MU_JSON_ARRAY && !can_have_members(document))
        return bad_path(operation, "leads into a value without members", err);
    return document->kind == MU_JSON_ARRAY ? apply_to_item(arena, document, last, operation, err)
                                           : apply_to_member(arena, document, last, operation, err);
}

static bool parse_op(mu_str text, enum op *out)
{
    static const char *const names[] = {"add", "replace", "remove", "test"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mu_str_equal_ascii_nocase(text, mu_str_from(names[i]))) {
            *out = (enum op)i;
            return true;
        }
    }
    return false;
}

static mu_code patch_one(mu_arena *arena, mu_json *document, const mu_json *json, mu_err *err)
{
    patch_operation operation = {.path_text =
                                     mu_json_member_string(json, MU_STR("path"), MU_STR("")),
                                 .value = mu_json_member(json, MU_STR("value"))};
    mu_str op = mu_json_member_string(json, MU_STR("op"), MU_STR(""));
    if (!parse_op(op, &operation.op))
        return mu_fail(err, MU_E_INPUT,
                       "an operation's op must be add, replace, remove or test, not \"" MU_STR_FMT
                       "\"",
                       MU_STR_ARG(op));
    if (!parse_path(arena, document, operation.path_text, &operation.path))
        return mu_fail(err, MU_E_INPUT, "the path \"" MU_STR_FMT "\" of an operation is no path",
                       MU_STR_ARG(operation.path_text));
    if (operation.op != OP_REMOVE && operation.value == NULL)
        return bad_path(&operation, "has no value", err);
    return apply_operation(arena, document, &operation, err);
}

static mu_code check_memory(const mu_arena *arena, size_t used_before, mu_err *err)
{
    return arena->used_bytes - used_before <= EDIT_MEMORY_MAX
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "the body changes too much of a large document at once");
}

mu_code mu_json_apply_patch(mu_arena *arena, mu_json *document, const mu_json *body, mu_err *err)
{
    if (body->kind == MU_JSON_OBJECT)
        return patch_one(arena, document, body, err);
    if (body->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "the body must be an operation or an array of them");
    size_t used_before = arena->used_bytes;
    for (uint32_t i = 0; i < body->n; i++) {
        MU_TRY(patch_one(arena, document, &body->items[i], err));
        MU_TRY(check_memory(arena, used_before, err));
    }
    return MU_OK;
}

bool mu_json_is_patch_body(const mu_json *body)
{
    return body->kind == MU_JSON_ARRAY || (mu_json_member(body, MU_STR("op")) != NULL &&
                                           mu_json_member(body, MU_STR("path")) != NULL);
}

/* -------- merge patches -------- */

static mu_code merge(mu_arena *arena, mu_json *document, const mu_json *patch, unsigned depth,
                     size_t used_before, mu_err *err)
{
    if (depth > MERGE_DEPTH)
        return mu_fail(err, MU_E_INPUT, "the body is nested too deeply");
    if (patch->kind != MU_JSON_OBJECT) {
        *document = *patch;
        return MU_OK;
    }
    if (document->kind != MU_JSON_OBJECT)
        *document = (mu_json){.kind = MU_JSON_OBJECT};
    for (uint32_t i = 0; i < patch->n; i++) {
        if (patch->items[i].kind == MU_JSON_NULL)
            mu_json_unset(arena, document, patch->names[i]);
        else
            MU_TRY(merge(arena, own_member(arena, document, patch->names[i]), &patch->items[i],
                         depth + 1, used_before, err));
        MU_TRY(check_memory(arena, used_before, err));
    }
    return MU_OK;
}

mu_code mu_json_merge(mu_arena *arena, mu_json *document, const mu_json *patch, mu_err *err)
{
    return merge(arena, document, patch, 0, arena->used_bytes, err);
}
