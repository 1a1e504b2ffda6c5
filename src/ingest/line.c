#include "ingest/ingest_int.h"

#include <stdlib.h>

/* -------- workers -------- */

mu_code mu_worker_init(mu_worker *worker, mu_load_run *run, unsigned number, mu_err *err)
{
    *worker = (mu_worker){.run = run, .number = number};
    mu_arena_init(&worker->names_arena, SIZE_MAX);
    mu_arena_init(&worker->line_arena, SIZE_MAX);
    mu_shape_init(&worker->shape, &worker->names_arena);
    worker->roots = MU_NEW_ARRAY(&worker->names_arena, uint32_t, run->n_classes);
    for (uint32_t c = 0; c < run->n_classes; c++)
        worker->roots[c] = mu_shape_root(&worker->shape, run->classes[c].type);
    mu_encoder_init(&worker->encoder, &worker->shape, &worker->line_arena, run->options->is_strict);
    worker->encoder.namespaces = run->namespaces;
    mu_strmap_init(&worker->datasets.numbers);
    mu_strmap_init(&worker->namespaces.numbers);
    worker->plans = MU_NEW_ARRAY(&worker->names_arena, mu_row_plan *, run->input.n_files);
    worker->reader = mu_json_reader_new();
    if (worker->reader == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    return MU_OK;
}

static void free_names(mu_names *names)
{
    mu_strmap_free(&names->numbers);
    free(names->names);
    free(names->met);
}

void mu_worker_free(mu_worker *worker)
{
    if (worker->run == NULL)
        return;
    for (uint32_t f = 0; f < worker->run->input.n_files; f++)
        mu_row_plan_free(worker->plans[f]);
    if (worker->reader != NULL)
        mu_json_reader_free(worker->reader);
    mu_encoder_free(&worker->encoder);
    mu_shape_free(&worker->shape);
    free_names(&worker->datasets);
    free_names(&worker->namespaces);
    mu_csv_cells_free(&worker->cells);
    mu_chunk_free(&worker->chunk);
    mu_arena_free(&worker->line_arena);
    mu_arena_free(&worker->names_arena);
}

void mu_worker_reject(mu_worker *worker, uint64_t line, const mu_err *err)
{
    mu_outcome *outcome = worker->outcome;
    outcome->rejects =
        mu_room(outcome->rejects, outcome->n_rejects, &outcome->capacity, sizeof *outcome->rejects);
    outcome->rejects[outcome->n_rejects++] =
        (mu_reject){.line = line, .reason = mu_arena_copy(&outcome->arena, mu_str_from(err->text))};
}

/* -------- records -------- */

static uint64_t identity_hash(uint32_t entity, mu_identity identity)
{
    uint64_t seed = mu_hash64(identity.namespace_code.ptr, identity.namespace_code.len, entity);
    return mu_hash64(identity.value.ptr, identity.value.len, seed);
}

static mu_code check_limits(const mu_worker *worker, mu_err *err)
{
    if (worker->shape.n_new > MU_PATHS_MAX)
        return mu_fail(err, MU_E_LIMIT,
                       "the data has more than %u fields that the schema does not know; a field "
                       "with changing names should be declared a map",
                       MU_PATHS_MAX);
    if (worker->datasets.n > MU_PATHS_MAX || worker->namespaces.n > MU_PATHS_MAX)
        return mu_fail(err, MU_E_LIMIT, "the data names more than %u datasets or namespaces",
                       MU_PATHS_MAX);
    return MU_OK;
}

mu_code mu_worker_store(mu_worker *worker, const mu_subject *subject, mu_err *err)
{
    mu_load_run *run = worker->run;
    mu_encoder *encoder = &worker->encoder;
    if (encoder->out.failed)
        return mu_fail(err, MU_E_INPUT, "the record is larger than 256 MiB");
    uint32_t entity = run->classes[subject->class_number].entity;
    mu_record head = {
        .identity_hash = identity_hash(entity, subject->identity),
        .order = mu_record_order(worker->chunk.file, worker->line),
        .dataset = (uint16_t)mu_names_number(&worker->datasets, &worker->names_arena,
                                             subject->dataset, NULL),
        .namespace = (uint16_t)mu_names_number(&worker->namespaces, &worker->names_arena,
                                               subject->identity.namespace_code, run->namespaces),
        .entity = (uint16_t)entity,
        .worker = (uint8_t)worker->number,
        .is_event = subject->class_number == MU_CLASS_EVENT,
        .has_content_hash = subject->has_content_hash,
    };
    MU_TRY(check_limits(worker, err));
    mu_shape_count(&worker->shape, encoder->seen, encoder->n_seen);
    return mu_spread_add(run->spread, worker->number, &head, subject->content_hash,
                         subject->identity.value, mu_buf_str(&encoder->out), err);
}

/* -------- messages and entities -------- */

typedef struct message {
    const mu_json *entity;
    const mu_json *identity_map; /* of body.xdmMeta */
    mu_str dataset;
    mu_str schema_id;
} message;

static bool is_object(const mu_json *json)
{
    return json != NULL && json->kind == MU_JSON_OBJECT;
}

/* profile.md d.1 (the form before 2019 is unknown today) and P51. */
static mu_code open_message(const mu_json *line, message *out, mu_err *err)
{
    const mu_json *header = mu_json_member(line, MU_STR("header"));
    const mu_json *body = mu_json_member(line, MU_STR("body"));
    const mu_json *entity = mu_json_member(body, MU_STR("xdmEntity"));
    const mu_json *meta = mu_json_member(body, MU_STR("xdmMeta"));
    if (!is_object(header) || !is_object(entity) ||
        mu_json_member(header, MU_STR("msgType")) != NULL)
        return mu_fail(err, MU_E_INPUT, "Message has unknown xdm format");
    mu_str operation = mu_json_member_string(mu_json_member(header, MU_STR("operations")),
                                             MU_STR("data"), MU_STR("create"));
    if (mu_str_equal(operation, MU_STR("delete")))
        return mu_fail(err, MU_E_INPUT, "a load does not take delete messages");
    out->entity = entity;
    out->identity_map = mu_json_member(meta, MU_STR("identityMap"));
    out->dataset = mu_json_member_string(header, MU_STR("datasetId"), out->dataset);
    const mu_json *reference = mu_json_member(header, MU_STR("schemaRef"));
    if (reference == NULL)
        reference = mu_json_member(meta, MU_STR("schemaRef"));
    out->schema_id = mu_json_member_string(reference, MU_STR("id"), MU_STR(""));
    return MU_OK;
}

/* P8: a schema reference may name a class itself. */
static uint32_t class_of_schema(const mu_load_run *run, mu_str id)
{
    if (mu_str_ends_with(id, MU_STR("/xdm/context/profile")))
        return MU_CLASS_PROFILE;
    if (mu_str_ends_with(id, MU_STR("/xdm/context/experienceevent")))
        return MU_CLASS_EVENT;
    for (uint32_t c = MU_CLASS_LOOKUP; id.len > 0 && c < run->n_classes; c++)
        if (mu_str_equal(run->classes[c].name, id))
            return c;
    return MU_CLASS_AUTO;
}

static mu_code encode_entity(mu_worker *worker, const message *m, uint32_t root, mu_err *err)
{
    mu_encoder *encoder = &worker->encoder;
    mu_encode_tag(encoder, MU_TAG_OBJECT);
    MU_TRY(mu_encode_root_fields(encoder, root, m->entity, err));
    if (m->identity_map != NULL && mu_json_member(m->entity, MU_STR("identityMap")) == NULL) {
        mu_str name = MU_STR("identityMap");
        mu_json extra = {.kind = MU_JSON_OBJECT, .n = 1, .names = &name, .items = m->identity_map};
        MU_TRY(mu_encode_root_fields(encoder, root, &extra, err));
    }
    mu_encode_end(encoder);
    return MU_OK;
}

static mu_code read_line(mu_worker *worker, mu_str line, mu_json *out, mu_err *err)
{
    if (line.len > MU_LINE_MAX)
        return mu_fail(err, MU_E_INPUT, "line longer than %zu MiB", MU_LINE_MAX >> 20);
    const char *nul = memchr(line.ptr, 0, line.len);
    if (nul != NULL)
        return mu_fail(err, MU_E_INPUT, "NUL byte at column %zu", (size_t)(nul - line.ptr) + 1);
    mu_err inner;
    inner.line = inner.column = 0;
    mu_code code = mu_json_read(worker->reader, &worker->line_arena, line, out, &inner);
    if (code == MU_E_NOMEM)
        return mu_fail(err, code, "%s", inner.text);
    if (code != MU_OK)
        return mu_fail(err, MU_E_SYNTAX, inner.column == 0 ? "%s" : "%s (column %u)", inner.text,
                       inner.column);
    if (out->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "the line is not a JSON object");
    return MU_OK;
}

mu_code mu_worker_line(mu_worker *worker, mu_str line, mu_err *err)
{
    mu_json json;
    const mu_load_run *run = worker->run;
    mu_arena_reset(&worker->line_arena);
    mu_encoder_begin(&worker->encoder);
    MU_TRY(read_line(worker, line, &json, err));
    message m = {.entity = &json, .dataset = run->options->dataset};
    if (is_object(mu_json_member(&json, MU_STR("header"))) ||
        is_object(mu_json_member(&json, MU_STR("body"))))
        MU_TRY(open_message(&json, &m, err));
    if (m.dataset.len == 0)
        m.dataset = MU_DATASET_DEFAULT;
    uint32_t forced = run->class_number;
    if (forced == MU_CLASS_AUTO)
        forced = class_of_schema(run, m.schema_id);
    mu_subject subject = {.dataset = m.dataset, .class_number = mu_entity_class(m.entity, forced)};
    /* In this order, a wrong type where the identity should be is reported as a wrong type. */
    MU_TRY(encode_entity(worker, &m, worker->roots[subject.class_number], err));
    MU_TRY(mu_entity_subject(worker, m.entity, m.identity_map, &subject, err));
    return mu_worker_store(worker, &subject, err);
}

static bool is_blank(mu_str line)
{
    return mu_str_trim(line).len == 0;
}

mu_code mu_worker_lines(mu_worker *worker, mu_err *err)
{
    const char *at = worker->chunk.bytes + worker->chunk.start;
    const char *end = at + worker->chunk.len;
    for (worker->line = worker->chunk.first_line; at < end; worker->line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        mu_str line = {at, (size_t)(stop - at)};
        at = stop + 1;
        if (is_blank(line))
            continue;
        mu_err problem;
        mu_code code = mu_worker_line(worker, line, &problem);
        worker->outcome->n_read++;
        if (mu_is_reject(code))
            mu_worker_reject(worker, worker->line, &problem);
        else if (code != MU_OK)
            return mu_fail(err, code, "%s", problem.text);
    }
    return MU_OK;
}
