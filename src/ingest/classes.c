#include "ingest/ingest_int.h"

/* -------- the fields that every event has -------- */

typedef struct event_field {
    mu_str name;
    mu_type_kind kind;
} event_field;

static mu_code event_type(mu_arena *arena, const mu_type *base, const mu_type **out, mu_err *err)
{
    const event_field wanted[] = {
        {MU_FIELD_ID, MU_TYPE_STRING},
        {MU_FIELD_TIMESTAMP, MU_TYPE_TIMESTAMP},
        {MU_FIELD_DATASET, MU_TYPE_STRING},
        {MU_FIELD_KEY, MU_TYPE_INTEGER},
    };
    enum { N_WANTED = sizeof wanted / sizeof wanted[0] };
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, base->n_fields + N_WANTED);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, base->n_fields + N_WANTED);
    uint32_t n = base->n_fields;
    for (uint32_t i = 0; i < n; i++) {
        names[i] = base->field_names[i];
        types[i] = base->field_types[i];
    }
    for (int i = 0; i < N_WANTED; i++) {
        int field = mu_type_field(base, wanted[i].name);
        if (field >= 0 && types[field]->kind != wanted[i].kind)
            return mu_fail(err, MU_E_CONFLICT,
                           "the schema's event field " MU_STR_FMT " is %s, it must be %s",
                           MU_STR_ARG(wanted[i].name), mu_type_kind_name(types[field]->kind),
                           mu_type_kind_name(wanted[i].kind));
        if (field >= 0)
            continue;
        names[n] = wanted[i].name;
        types[n++] = mu_type_of(wanted[i].kind);
    }
    *out = n == base->n_fields ? base : mu_type_object(arena, n, names, types);
    return MU_OK;
}

/* -------- classes -------- */

static mu_cut_path cut_path(mu_arena *arena, mu_str path)
{
    uint32_t n = 1;
    for (size_t i = 0; i < path.len; i++)
        n += path.ptr[i] == '.';
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n);
    size_t from = 0;
    uint32_t step = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '.')
            continue;
        names[step++] = (mu_str){path.ptr + from, i - from};
        from = i + 1;
    }
    return (mu_cut_path){.n = n, .names = names};
}

static void identity_paths(mu_load_run *run, mu_load_class *class)
{
    const mu_schema *schema = run->schema;
    mu_cut_path *paths = MU_NEW_ARRAY(&run->arena, mu_cut_path, schema->n_identity_paths);
    for (uint32_t i = 0; i < schema->n_identity_paths; i++) {
        const mu_identity_path *from = &schema->identity_paths[i];
        if (!mu_str_equal(from->source_class, class->name))
            continue;
        mu_cut_path *path = &paths[class->n_paths++];
        *path = cut_path(&run->arena, from->path);
        path->namespace_code = mu_namespaces_spelling(run->namespaces, from->namespace_code);
        path->is_primary = from->is_primary;
    }
    class->paths = paths;
}

static void make_classes(mu_load_run *run)
{
    const mu_schema *schema = run->schema;
    run->n_classes = MU_CLASS_LOOKUP + schema->n_lookup_classes;
    run->classes = MU_NEW_ARRAY(&run->arena, mu_load_class, run->n_classes);
    run->classes[MU_CLASS_PROFILE] =
        (mu_load_class){.name = MU_STR("profile"), .type = schema->profile};
    run->classes[MU_CLASS_EVENT] = (mu_load_class){.name = MU_STR("event"), .type = schema->event};
    identity_paths(run, &run->classes[MU_CLASS_PROFILE]);
    identity_paths(run, &run->classes[MU_CLASS_EVENT]);
    for (uint32_t i = 0; i < schema->n_lookup_classes; i++) {
        const mu_lookup_class *from = &schema->lookup_classes[i];
        mu_cut_path *key = MU_NEW(&run->arena, mu_cut_path);
        *key = cut_path(&run->arena, from->key_path);
        run->classes[MU_CLASS_LOOKUP + i] = (mu_load_class){
            .name = from->name, .entity = 1 + i, .type = from->type, .n_paths = 1, .paths = key};
    }
}

static mu_code choose_class(mu_load_run *run, mu_err *err)
{
    mu_str name = run->options->class_name;
    run->class_number = MU_CLASS_AUTO;
    if (name.len == 0 || mu_str_equal(name, MU_STR("auto")))
        return MU_OK;
    for (uint32_t c = 0; c < run->n_classes; c++)
        if (mu_str_equal(run->classes[c].name, name))
            run->class_number = c;
    if (run->class_number == MU_CLASS_AUTO)
        return mu_fail(err, MU_E_INPUT,
                       "the schema has no class \"" MU_STR_FMT
                       "\"; a lookup class is declared in the file given with --schema",
                       MU_STR_ARG(name));
    return MU_OK;
}

mu_code mu_load_run_prepare(mu_load_run *run, const mu_schema *base, mu_err *err)
{
    mu_arena *arena = &run->arena;
    const mu_schema *schema = base;
    const mu_type *event = NULL;
    if (run->options->schema_file != NULL)
        MU_TRY(mu_schema_extend(arena, base, run->options->schema_file, &schema, err));
    MU_TRY(event_type(arena, schema->event, &event, err));
    if (event != schema->event)
        schema = mu_schema_with_types(arena, schema, schema->profile, event,
                                      schema->n_lookup_classes, schema->lookup_classes);
    if (schema->n_lookup_classes > UINT16_MAX - 1)
        return mu_fail(err, MU_E_LIMIT, "the schema has more than %u lookup classes",
                       UINT16_MAX - 1);
    run->schema = schema;
    run->namespaces = mu_namespaces_new(arena, schema);
    make_classes(run);
    return choose_class(run, err);
}
