/* content.c -- content read from a stored row, and the row to store. */
#include "profile/content_int.h"

#include <stdlib.h>

static mu_code corrupt(mu_err *err, uint32_t pid, const char *what)
{
    return mu_fail(err, MU_E_CORRUPT, "the row of pid %u: %s", pid, what);
}

/* -------- reading -------- */

static const mu_str *read_texts(mu_arena *arena, mu_value list, uint32_t *n_out)
{
    mu_str *texts = MU_NEW_ARRAY(arena, mu_str, list.n);
    uint32_t n = 0;
    for (uint32_t i = 0; list.kind == MU_TYPE_LIST && i < list.n; i++)
        if (list.items[i].kind == MU_TYPE_STRING)
            texts[n++] = list.items[i].string;
    *n_out = n;
    return texts;
}

static mu_code read_cluster(mu_arena *arena, uint32_t pid, mu_value identities, mu_value links,
                            mu_graph_cluster *out, mu_err *err)
{
    mu_graph_identity *list = MU_NEW_ARRAY(arena, mu_graph_identity, identities.n);
    for (uint32_t i = 0; i < identities.n; i++) {
        mu_value item = identities.items[i];
        if (item.kind != MU_TYPE_OBJECT)
            return corrupt(err, pid, "an identity is missing");
        list[i] = (mu_graph_identity){
            .identity = {mu_text_at(item, MU_IDENTITY_NAMESPACE),
                         mu_text_at(item, MU_IDENTITY_VALUE)},
            .seen_ms = mu_number_at(item, MU_IDENTITY_SEEN),
        };
    }
    uint32_t n_edges = links.kind == MU_TYPE_LIST ? links.n : 0;
    mu_graph_edge *edges = MU_NEW_ARRAY(arena, mu_graph_edge, n_edges);
    for (uint32_t i = 0; i < n_edges; i++) {
        mu_value item = links.items[i];
        int64_t a = mu_number_at(item, MU_LINK_A), b = mu_number_at(item, MU_LINK_B);
        if (item.kind != MU_TYPE_OBJECT || a < 0 || a >= b || b >= identities.n)
            return corrupt(err, pid, "a link leads nowhere");
        edges[i].a = (uint32_t)a;
        edges[i].b = (uint32_t)b;
        edges[i].first_ms = mu_number_at(item, MU_LINK_FIRST);
        edges[i].last_ms = mu_number_at(item, MU_LINK_LAST);
        edges[i].datasets = read_texts(arena, item.items[MU_LINK_DATASETS], &edges[i].n_datasets);
        edges[i].batches = read_texts(arena, item.items[MU_LINK_BATCHES], &edges[i].n_batches);
    }
    *out = (mu_graph_cluster){.pid = pid,
                              .n_identities = identities.n,
                              .identities = list,
                              .n_edges = n_edges,
                              .edges = edges};
    return MU_OK;
}

static mu_code read_fragments(mu_arena *arena, mu_value list, mu_content *content, mu_err *err)
{
    if (list.kind != MU_TYPE_LIST)
        return MU_OK;
    content->n_fragments = list.n;
    content->fragments = MU_NEW_ARRAY(arena, mu_fragment, list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        mu_value item = list.items[i];
        mu_fragment *fragment = &content->fragments[i];
        int64_t identity = mu_number_at(item, MU_FRAGMENT_IDENTITY);
        if (item.kind != MU_TYPE_OBJECT || identity < 0 ||
            identity >= content->cluster.n_identities)
            return corrupt(err, content->pid, "a fragment is nobody's");
        fragment->dataset = mu_text_at(item, MU_FRAGMENT_DATASET);
        fragment->identity = (uint32_t)identity;
        fragment->modified_ms = mu_number_at(item, MU_FRAGMENT_MODIFIED);
        fragment->sequence = (uint64_t)mu_number_at(item, MU_FRAGMENT_SEQUENCE);
        fragment->batches =
            read_texts(arena, item.items[MU_FRAGMENT_BATCHES], &fragment->n_batches);
        fragment->document = mu_text_at(item, MU_FRAGMENT_DOCUMENT);
        if (fragment->document.len == 0 && list.n > 1)
            return corrupt(err, content->pid, "a fragment among several has no document");
    }
    return MU_OK;
}

static mu_code check_events(const mu_content_fields *fields, const mu_content *content, mu_err *err)
{
    for (uint32_t i = 0; i < content->events.n; i++) {
        int64_t identity = mu_number_at(content->events.items[i], fields->identity);
        if (identity < 0 || identity >= content->cluster.n_identities)
            return corrupt(err, content->pid, "an event is nobody's");
    }
    return MU_OK;
}

static void add_by_receipt(mu_event_join *set, const mu_content_fields *fields, mu_value event)
{
    mu_event_join_add(set, event, (uint64_t)mu_number_at(event, fields->received));
}

/* Puts the events that others hide (P34) back among them, where they came. */
static mu_code read_superseded(mu_parsing *parsing, const mu_schema *schema,
                               const mu_content_fields *fields, mu_value texts, mu_content *content,
                               mu_err *err)
{
    mu_event_join set;
    mu_event_join_init(&set, parsing->arena, fields, content->events.n + texts.n);
    for (uint32_t i = 0; i < content->events.n; i++)
        add_by_receipt(&set, fields, content->events.items[i]);
    for (uint32_t i = 0; i < texts.n; i++) {
        mu_json json, extra;
        mu_value event;
        if (texts.items[i].kind != MU_TYPE_STRING)
            return corrupt(err, content->pid, "a superseded event is missing");
        MU_TRY(mu_parsing_read(parsing, texts.items[i].string, &json, err));
        MU_TRY(mu_json_fit(parsing->arena, schema->event, &json, &event, &extra, err));
        add_by_receipt(&set, fields, event);
    }
    content->events = mu_event_join_list(&set);
    return MU_OK;
}

static bool has_attributes(mu_value row, uint32_t n_fields)
{
    for (uint32_t i = 0; i < n_fields; i++)
        if (!mu_value_is_null(row.items[i]))
            return true;
    return false;
}

/* A row of a bulk load: one fragment under the row's identity. An identityMap that was loaded is
 * that fragment's, not the cluster's, so that the fragment needs its document. */
static void read_plain_row(mu_arena *arena, const mu_content_fields *fields,
                           mu_identity row_identity, mu_content *content)
{
    mu_graph_identity *identity = MU_NEW(arena, mu_graph_identity);
    identity->identity = row_identity;
    content->cluster =
        (mu_graph_cluster){.pid = content->pid, .n_identities = 1, .identities = identity};
    if (!has_attributes(content->attributes, content->attributes.n))
        return;
    content->n_fragments = 1;
    content->fragments = MU_NEW(arena, mu_fragment);
    content->fragments[0] = (mu_fragment){.dataset = MU_DATASET_DEFAULT};
    if (!mu_value_is_null(mu_field_at(content->attributes, fields->identity_map)))
        content->fragments[0].document = mu_content_value_text(arena, content->attributes);
}

mu_code mu_content_read(mu_arena *arena, const mu_schema *schema, uint32_t pid,
                        mu_identity row_identity, mu_value row, mu_content *out, mu_err *err)
{
    MU_ASSERT(row.kind == MU_TYPE_OBJECT && row.n == schema->row->n_fields);
    mu_content_fields fields = mu_content_fields_of(schema);
    mu_content content = {
        .pid = pid,
        .attributes = {.kind = MU_TYPE_OBJECT,
                       .n = schema->profile->n_fields,
                       .items = row.items,
                       .keys = schema->profile->field_names},
        .events = row.items[fields.x_event],
    };
    if (content.events.kind != MU_TYPE_LIST)
        content.events = (mu_value){.kind = MU_TYPE_LIST};
    mu_value identities = mu_field_at(content.attributes, fields.identities);
    if (identities.kind != MU_TYPE_LIST || identities.n == 0) {
        read_plain_row(arena, &fields, row_identity, &content);
    } else {
        MU_TRY(read_cluster(arena, pid, identities, mu_field_at(content.attributes, fields.links),
                            &content.cluster, err));
        MU_TRY(read_fragments(arena, mu_field_at(content.attributes, fields.fragments), &content,
                              err));
    }
    mu_value superseded = mu_field_at(content.attributes, fields.superseded);
    if (superseded.kind == MU_TYPE_LIST && superseded.n > 0) {
        mu_parsing parsing = mu_parsing_begin(arena, NULL);
        mu_code code = read_superseded(&parsing, schema, &fields, superseded, &content, err);
        mu_parsing_end(&parsing);
        MU_TRY(code);
    }
    MU_TRY(check_events(&fields, &content, err));
    *out = content;
    return MU_OK;
}

bool mu_content_is_empty(const mu_content *content)
{
    return content->n_fragments == 0 && content->events.n == 0;
}

/* -------- the row -------- */

static mu_value list_of(mu_value *items, uint32_t n)
{
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

static mu_value text_list(mu_arena *arena, uint32_t n, const mu_str *texts)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = mu_value_string(texts[i]);
    return list_of(items, n);
}

/* `n` objects of a system list, their fields null; *fields are the fields of the first one. */
static mu_value object_list(mu_arena *arena, const mu_schema *schema, uint32_t field, uint32_t n,
                            mu_value **fields)
{
    const mu_type *type = schema->profile->field_types[field]->item;
    mu_value *objects = MU_NEW_ARRAY(arena, mu_value, n);
    *fields = MU_NEW_ARRAY(arena, mu_value, (size_t)n * type->n_fields);
    for (uint32_t i = 0; i < n; i++)
        objects[i] = (mu_value){.kind = MU_TYPE_OBJECT,
                                .n = type->n_fields,
                                .items = *fields + (size_t)i * type->n_fields,
                                .keys = type->field_names};
    return list_of(objects, n);
}

static mu_value identity_list(mu_arena *arena, const mu_schema *schema, uint32_t field,
                              const mu_graph_cluster *cluster)
{
    mu_value *at;
    mu_value list = object_list(arena, schema, field, cluster->n_identities, &at);
    for (uint32_t i = 0; i < cluster->n_identities; i++, at += MU_IDENTITY_N) {
        const mu_graph_identity *identity = &cluster->identities[i];
        at[MU_IDENTITY_NAMESPACE] = mu_value_string(identity->identity.namespace_code);
        at[MU_IDENTITY_VALUE] = mu_value_string(identity->identity.value);
        at[MU_IDENTITY_SEEN] = mu_value_timestamp(identity->seen_ms);
    }
    return list;
}

static mu_value link_list(mu_arena *arena, const mu_schema *schema, uint32_t field,
                          const mu_graph_cluster *cluster)
{
    mu_value *at;
    mu_value list = object_list(arena, schema, field, cluster->n_edges, &at);
    for (uint32_t i = 0; i < cluster->n_edges; i++, at += MU_LINK_N) {
        const mu_graph_edge *edge = &cluster->edges[i];
        at[MU_LINK_A] = mu_value_integer(edge->a);
        at[MU_LINK_B] = mu_value_integer(edge->b);
        at[MU_LINK_FIRST] = mu_value_timestamp(edge->first_ms);
        at[MU_LINK_LAST] = mu_value_timestamp(edge->last_ms);
        at[MU_LINK_DATASETS] = text_list(arena, edge->n_datasets, edge->datasets);
        at[MU_LINK_BATCHES] = text_list(arena, edge->n_batches, edge->batches);
    }
    return list;
}

static mu_value fragment_list(mu_arena *arena, const mu_schema *schema, uint32_t field,
                              const mu_content *content)
{
    mu_value *at;
    mu_value list = object_list(arena, schema, field, content->n_fragments, &at);
    for (uint32_t i = 0; i < content->n_fragments; i++, at += MU_FRAGMENT_N) {
        const mu_fragment *fragment = &content->fragments[i];
        at[MU_FRAGMENT_DATASET] = mu_value_string(fragment->dataset);
        at[MU_FRAGMENT_IDENTITY] = mu_value_integer(fragment->identity);
        at[MU_FRAGMENT_MODIFIED] = mu_value_timestamp(fragment->modified_ms);
        at[MU_FRAGMENT_SEQUENCE] = mu_value_integer((int64_t)fragment->sequence);
        at[MU_FRAGMENT_BATCHES] = text_list(arena, fragment->n_batches, fragment->batches);
        if (fragment->document.len > 0)
            at[MU_FRAGMENT_DOCUMENT] = mu_value_string(fragment->document);
    }
    return list;
}

static int compare_places(const void *pa, const void *pb, void *context)
{
    const mu_fragment *fragments = context;
    return mu_fragment_compare_newest(&fragments[*(const uint32_t *)pa],
                                      &fragments[*(const uint32_t *)pb]);
}

/* The attributes under the base policy. A single document that they hold whole is given up. */
static mu_code merge_attributes(mu_arena *arena, const mu_schema *schema, mu_content *content,
                                mu_err *err)
{
    uint32_t *order = MU_NEW_ARRAY(arena, uint32_t, content->n_fragments);
    for (uint32_t i = 0; i < content->n_fragments; i++)
        order[i] = i;
    if (content->n_fragments > 1)
        qsort_r(order, content->n_fragments, sizeof *order, compare_places, content->fragments);
    mu_parsing parsing = mu_parsing_begin(arena, content->reader);
    bool is_whole = false;
    mu_value attributes;
    mu_code code = mu_fragments_merge(&parsing, schema, content, content->n_fragments, order,
                                      &attributes, &is_whole, err);
    mu_parsing_end(&parsing);
    MU_TRY(code);
    content->attributes = attributes;
    if (is_whole)
        content->fragments[0].document = MU_STR("");
    return MU_OK;
}

static const uint32_t *all_places(mu_arena *arena, uint32_t n)
{
    uint32_t *places = MU_NEW_ARRAY(arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        places[i] = i;
    return places;
}

static mu_value superseded_list(mu_arena *arena, mu_value hidden)
{
    mu_value *texts = MU_NEW_ARRAY(arena, mu_value, hidden.n);
    for (uint32_t i = 0; i < hidden.n; i++)
        texts[i] = mu_value_string(mu_content_value_text(arena, hidden.items[i]));
    return list_of(texts, hidden.n);
}

mu_code mu_content_row(mu_arena *arena, const mu_schema *schema, mu_content *content, mu_value *row,
                       mu_err *err)
{
    mu_content_fields fields = mu_content_fields_of(schema);
    const mu_graph_cluster *cluster = &content->cluster;
    MU_ASSERT(fields.identities != MU_NO_FIELD && fields.extra != MU_NO_FIELD);
    if (content->attributes.kind == MU_TYPE_NULL)
        MU_TRY(merge_attributes(arena, schema, content, err));
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, schema->row->n_fields), hidden;
    memcpy(items, content->attributes.items, schema->profile->n_fields * sizeof *items);
    if (fields.identity_map != MU_NO_FIELD)
        items[fields.identity_map] =
            mu_identity_map(arena, schema, &fields, cluster, cluster->n_identities,
                            all_places(arena, cluster->n_identities));
    items[fields.identities] = identity_list(arena, schema, fields.identities, cluster);
    items[fields.links] = link_list(arena, schema, fields.links, cluster);
    items[fields.fragments] = fragment_list(arena, schema, fields.fragments, content);
    items[fields.x_event] = mu_events_collapse(arena, &fields, content->events, &hidden);
    items[fields.superseded] = superseded_list(arena, hidden);
    *row = (mu_value){.kind = MU_TYPE_OBJECT,
                      .n = schema->row->n_fields,
                      .items = items,
                      .keys = schema->row->field_names};
    return MU_OK;
}
