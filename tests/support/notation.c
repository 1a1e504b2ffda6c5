#include "tests/support/notation.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELDS_MAX 128

typedef struct reader {
    mu_arena *arena;
    const char *at;
} reader;

static _Noreturn void fail(const reader *in, const char *expected)
{
    fprintf(stderr, "type notation: %s expected at \"%.40s\"\n", expected, in->at);
    abort();
}

static bool take(reader *in, const char *token)
{
    while (*in->at == ' ' || *in->at == '\n')
        in->at++;
    size_t len = strlen(token);
    if (strncmp(in->at, token, len) != 0)
        return false;
    in->at += len;
    return true;
}

static void need(reader *in, const char *token)
{
    if (!take(in, token))
        fail(in, token);
}

static mu_str read_name(reader *in)
{
    (void)take(in, "");
    size_t len = strspn(in->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (len == 0)
        fail(in, "a name");
    mu_str name = mu_arena_copy(in->arena, (mu_str){in->at, len});
    in->at += len;
    return name;
}

static const mu_type *read_type(reader *in);

static const mu_type *read_object(reader *in)
{
    mu_str names[FIELDS_MAX];
    const mu_type *types[FIELDS_MAX];
    uint32_t n = 0;
    while (!take(in, "}")) {
        if (n > 0)
            need(in, ",");
        if (n == FIELDS_MAX)
            fail(in, "fewer fields");
        names[n] = read_name(in);
        need(in, ":");
        types[n++] = read_type(in);
    }
    return mu_type_new_object(in->arena, n, names, types);
}

static const struct {
    const char *name;
    mu_type_kind kind;
} scalars[] = {{"boolean", MU_TYPE_BOOLEAN}, {"integer", MU_TYPE_INTEGER},
               {"double", MU_TYPE_DOUBLE},   {"string", MU_TYPE_STRING},
               {"date", MU_TYPE_DATE},       {"timestamp", MU_TYPE_TIMESTAMP}};
#define SCALARS (sizeof scalars / sizeof scalars[0])

static const mu_type *read_scalar(reader *in)
{
    mu_str name = read_name(in);
    for (size_t i = 0; i < SCALARS; i++)
        if (mu_str_equal(name, mu_str_from(scalars[i].name)))
            return mu_type_of(scalars[i].kind);
    fail(in, "the name of a scalar type before");
}

static const mu_type *read_type(reader *in)
{
    const mu_type *type = NULL;
    if (take(in, "[")) {
        type = mu_type_new_list(in->arena, read_type(in));
        need(in, "]");
    } else if (take(in, "<")) {
        type = mu_type_new_map(in->arena, read_type(in));
        need(in, ">");
    } else if (take(in, "{")) {
        type = read_object(in);
    } else {
        type = read_scalar(in);
        if (take(in, "->"))
            type = mu_type_new_key(in->arena, read_name(in));
    }
    return type;
}

const mu_type *mu_notation_read(mu_arena *arena, const char *text)
{
    reader in = {.arena = arena, .at = text};
    const mu_type *type = read_type(&in);
    (void)take(&in, "");
    if (*in.at != '\0')
        fail(&in, "the end");
    return type;
}

void mu_notation_write(mu_buf *buf, const mu_type *type)
{
    switch (type->kind) {
    case MU_TYPE_LIST:
        MU_BUF_ADD(buf, "[");
        mu_notation_write(buf, type->item);
        MU_BUF_ADD(buf, "]");
        return;
    case MU_TYPE_MAP:
        MU_BUF_ADD(buf, "<");
        mu_notation_write(buf, type->item);
        MU_BUF_ADD(buf, ">");
        return;
    case MU_TYPE_OBJECT:
        MU_BUF_ADD(buf, "{");
        for (uint32_t i = 0; i < type->n_fields; i++) {
            if (i > 0)
                MU_BUF_ADD(buf, ", ");
            mu_buf_add_str(buf, type->field_names[i]);
            MU_BUF_ADD(buf, ":");
            mu_notation_write(buf, type->field_types[i]);
        }
        MU_BUF_ADD(buf, "}");
        return;
    default:
        for (size_t i = 0; i < SCALARS; i++)
            if (scalars[i].kind == type->kind)
                mu_buf_add_str(buf, mu_str_from(scalars[i].name));
        if (type->target_class.len > 0)
            mu_buf_add_format(buf, "->" MU_STR_FMT, MU_STR_ARG(type->target_class));
    }
}

/* -------- types put together by hand -------- */

const mu_type *mu_type_new_list(mu_arena *arena, const mu_type *item)
{
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){.kind = MU_TYPE_LIST, .item = item};
    return type;
}

const mu_type *mu_type_new_map(mu_arena *arena, const mu_type *item)
{
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){.kind = MU_TYPE_MAP, .item = item};
    return type;
}

const mu_type *mu_type_new_key(mu_arena *arena, mu_str target_class)
{
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){.kind = MU_TYPE_STRING, .target_class = target_class};
    return type;
}

const mu_type *mu_type_new_object(mu_arena *arena, uint32_t n, const mu_str *names,
                                  const mu_type *const *types)
{
    mu_str *own_names = MU_NEW_ARRAY(arena, mu_str, n + 1);
    const mu_type **own_types = MU_NEW_ARRAY(arena, const mu_type *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        own_names[i] = names[i];
        own_types[i] = types[i];
    }
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = n, .field_names = own_names, .field_types = own_types};
    return type;
}
