/* schema_registry_answer.c -- Accept headers, documents completed, lists filtered and paged. */
#include "api/schema_registry_int.h"

#include <stdlib.h>

/* -------- Accept -------- */

static bool next_token(mu_str *text, char separator, mu_str *out)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->ptr, separator, text->len);
    *out = (mu_str){text->ptr, end == NULL ? text->len : (size_t)(end - text->ptr)};
    size_t used = end == NULL ? text->len : out->len + 1;
    *text = (mu_str){text->ptr + used, text->len - used};
    return true;
}

static bool read_flag(mu_str flag, registry_accept *out)
{
    if (mu_str_equal(flag, MU_STR("id")))
        out->is_id = true;
    else if (mu_str_equal(flag, MU_STR("full")))
        out->how.is_full = true;
    else if (mu_str_equal(flag, MU_STR("flat")))
        out->how.is_full = out->how.is_flat = true;
    else if (mu_str_equal(flag, MU_STR("notext")))
        out->how.has_text = false;
    else if (mu_str_equal(flag, MU_STR("desc")))
        out->has_descriptors = true;
    else if (mu_str_equal(flag, MU_STR("link")))
        out->is_link = true;
    else if (mu_str_equal(flag, MU_STR("v2")))
        out->is_v2 = true;
    else
        return mu_str_equal(flag, MU_STR("deprecated"));
    return true;
}

/* "1", "1.0", "1.7": the newest minor version is what there is. */
static bool is_first_version(mu_str version)
{
    return version.len > 0 && version.ptr[0] == '1' && (version.len == 1 || version.ptr[1] == '.');
}

/* application/vnd.adobe.xed-full-desc+json; version=1 */
static bool read_type(mu_str type, registry_accept *out)
{
    mu_str prefix = MU_STR("application/vnd.adobe.");
    mu_str name, parameter, flag;
    registry_accept accept = {.how = {.has_text = true}};
    if (!next_token(&type, ';', &name) || !mu_str_starts_with(name, prefix))
        return false;
    name = mu_str_trim((mu_str){name.ptr + prefix.len, name.len - prefix.len});
    if (!mu_str_ends_with(name, MU_STR("+json")))
        return false;
    name.len -= 5;
    if (!next_token(&name, '-', &flag))
        return false;
    accept.how.is_prefixed = mu_str_equal(flag, MU_STR("xdm"));
    if (!accept.how.is_prefixed && !mu_str_equal(flag, MU_STR("xed")))
        return false;
    while (next_token(&name, '-', &flag))
        if (!read_flag(flag, &accept))
            return false;
    while (next_token(&type, ';', &parameter)) {
        parameter = mu_str_trim(parameter);
        if (mu_str_starts_with(parameter, MU_STR("version=")) &&
            !is_first_version((mu_str){parameter.ptr + 8, parameter.len - 8}))
            return false;
    }
    *out = accept;
    return true;
}

bool mu_registry_accept(const registry_call *c, const char *code, registry_accept *out)
{
    mu_str header, type;
    *out = (registry_accept){.how = {.has_text = true}};
    if (!mu_http_request_header(c->request, MU_STR("Accept"), &header))
        return true;
    mu_str left = header;
    while (next_token(&left, ',', &type)) {
        type = mu_str_trim(type);
        if (read_type(type, out) || mu_str_starts_with(type, MU_STR("*/*")))
            return true;
    }
    mu_api_problem_format(c->request, c->response, 400, mu_str_from(code),
                          "The Accept header must be like "
                          "application/vnd.adobe.xed-full+json; version=1, not " MU_STR_FMT,
                          MU_STR_ARG(header));
    return false;
}

/* -------- rows -------- */

static const mu_document *document_of(uint32_t n, const mu_document *documents, mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(documents[i].id, id))
            return &documents[i];
    return NULL;
}

static int by_update(const void *a, const void *b)
{
    const registry_row *x = a, *y = b;
    if (x->updated_ms != y->updated_ms)
        return x->updated_ms < y->updated_ms ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

mu_code mu_registry_rows(const registry_call *c, uint32_t *n, registry_row **out, mu_err *err)
{
    const mu_xdm_resource_entry *entries;
    uint32_t n_documents = 0, at = 0;
    const mu_document *documents = NULL;
    uint32_t n_entries = mu_registry_entries(c->registry, &entries);
    registry_row *rows = MU_NEW_ARRAY(c->arena, registry_row, n_entries);
    *n = 0;
    if (!c->is_global)
        MU_TRY(mu_document_list(c->api->options.documents, c->arena, c->call->place,
                                mu_api_registry_kind(c->resource), &n_documents, &documents, err));
    for (uint32_t i = 0; i < n_entries; i++) {
        if (entries[i].resource != c->resource || entries[i].is_global != c->is_global)
            continue;
        registry_row *row = &rows[(*n)++];
        *row = (registry_row){.entry = &entries[i], .version = 1};
        /* Both lists are in the order of creation, so the next document mostly is the one. */
        const mu_document *document =
            at < n_documents && mu_str_equal(documents[at].id, entries[i].id)
                ? &documents[at]
                : document_of(n_documents, documents, entries[i].id);
        if (document == NULL)
            continue;
        at = (uint32_t)(document - documents) + 1;
        row->created_ms = document->created_ms;
        row->updated_ms = document->updated_ms;
        row->version = document->version;
    }
    qsort(rows, *n, sizeof *rows, by_update);
    *out = rows;
    return MU_OK;
}

mu_code mu_registry_row(const registry_call *c, mu_str id, registry_row *out, mu_err *err)
{
    const mu_xdm_resource_entry *entry = mu_registry_find(c->registry, id);
    if (entry == NULL || entry->resource != c->resource || (c->is_global && !entry->is_global))
        return mu_fail(err, MU_E_NOT_FOUND, "There is no such resource: " MU_STR_FMT,
                       MU_STR_ARG(id));
    *out = (registry_row){.entry = entry, .version = 1};
    if (entry->is_global)
        return MU_OK;
    mu_document document;
    MU_TRY(mu_document_get(c->api->options.documents, c->arena, c->call->place,
                           mu_api_registry_kind(c->resource), entry->id, &document, err));
    out->created_ms = document.created_ms;
    out->updated_ms = document.updated_ms;
    out->version = document.version;
    return MU_OK;
}

/* -------- documents -------- */

mu_str mu_registry_resource_type(mu_xdm_resource resource)
{
    switch (resource) {
    case MU_XDM_CLASS:
        return MU_STR("classes");
    case MU_XDM_FIELD_GROUP:
        return MU_STR("mixins");
    case MU_XDM_DATA_TYPE:
        return MU_STR("datatypes");
    case MU_XDM_SCHEMA:
        return MU_STR("schemas");
    case MU_XDM_DESCRIPTOR:
        return MU_STR("descriptors");
    case MU_XDM_BEHAVIOR_RESOURCE:
        break;
    }
    return MU_STR("behaviors");
}

static mu_str version_text(mu_arena *arena, uint64_t version)
{
    return mu_arena_format(arena, "1.%llu", (unsigned long long)(version - 1));
}

mu_json mu_registry_id_row(const registry_call *c, mu_str id, mu_str alt_id, mu_str title,
                           uint64_t version)
{
    return MU_JSON_OBJECT_OF(
        c->arena, {MU_STR("title"), mu_json_of_string(title)},
        {MU_STR("$id"), mu_json_of_string(id)}, {MU_STR("meta:altId"), mu_json_of_string(alt_id)},
        {MU_STR("version"), mu_json_of_string(version_text(c->arena, version))});
}

static void set_text(const registry_call *c, mu_json *json, const char *name, mu_str value)
{
    mu_json_set(c->arena, json, mu_str_from(name), mu_json_of_string(value));
}

static mu_json registry_metadata(const registry_call *c, const registry_row *row)
{
    return MU_JSON_OBJECT_OF(
        c->arena, {MU_STR("repo:createdDate"), mu_json_of_integer(row->created_ms)},
        {MU_STR("repo:lastModifiedDate"), mu_json_of_integer(row->updated_ms)},
        {MU_STR("eTag"), mu_json_of_string(mu_arena_format(c->arena, "%016llx",
                                                           (unsigned long long)(row->version)))});
}

/* The descriptors whose source is a schema, for the -desc renderings. */
static mu_json descriptors_of(const registry_call *c, mu_str schema_id)
{
    const mu_xdm_resource_entry *entries;
    uint32_t n_entries = mu_registry_entries(c->registry, &entries);
    mu_json *items = MU_NEW_ARRAY(c->arena, mu_json, n_entries);
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_entries; i++)
        if (entries[i].resource == MU_XDM_DESCRIPTOR &&
            mu_str_equal(
                mu_json_member_string(entries[i].json, MU_STR("xdm:sourceSchema"), MU_STR("")),
                schema_id))
            items[n++] = *entries[i].json;
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

mu_code mu_registry_document(const registry_call *c, const registry_row *row,
                             const registry_accept *accept, mu_json *out, mu_err *err)
{
    const mu_xdm_resource_entry *entry = row->entry;
    MU_TRY(mu_registry_render(c->registry, entry, &accept->how, c->arena, out, err));
    set_text(c, out, "$id", entry->id);
    set_text(c, out, "meta:altId", entry->alt_id);
    set_text(c, out, "meta:resourceType", mu_registry_resource_type(entry->resource));
    set_text(c, out, "version", version_text(c->arena, row->version));
    set_text(c, out, "meta:containerId", entry->is_global ? MU_STR("global") : MU_STR("tenant"));
    if (accept->has_descriptors)
        mu_json_set(c->arena, out, MU_STR("meta:descriptors"), descriptors_of(c, entry->id));
    if (entry->is_global)
        return MU_OK;
    set_text(c, out, "imsOrg", c->call->organization);
    set_text(
        c, out, "meta:tenantNamespace",
        mu_arena_format(c->arena, "_" MU_STR_FMT, MU_STR_ARG(mu_registry_tenant(c->registry))));
    set_text(c, out, "meta:sandboxId", c->call->sandbox->id);
    set_text(c, out, "meta:sandboxType",
             c->call->sandbox->is_production ? MU_STR("production") : MU_STR("development"));
    mu_json_set(c->arena, out, MU_STR("meta:registryMetadata"), registry_metadata(c, row));
    return MU_OK;
}

/* -------- lists -------- */

/* One `property` value may hold several filters, joined by commas. */
static mu_code item_matches(mu_str filters, const registry_item *item, bool *out, mu_err *err)
{
    mu_str filter;
    *out = true;
    while (*out && next_token(&filters, ',', &filter))
        MU_TRY(mu_api_property_matches(&item->json, mu_str_trim(filter), out, err));
    return MU_OK;
}

mu_code mu_registry_filter(const registry_call *c, uint32_t *n, registry_item *items, mu_err *err)
{
    const mu_http_pairs *query = mu_http_request_query(c->request);
    mu_str filters;
    for (size_t at = 0; mu_http_pairs_next(query, MU_STR("property"), &at, &filters);) {
        uint32_t n_kept = 0;
        for (uint32_t i = 0; i < *n; i++) {
            bool matches;
            MU_TRY(item_matches(filters, &items[i], &matches, err));
            if (matches)
                items[n_kept++] = items[i];
        }
        *n = n_kept;
    }
    return MU_OK;
}

typedef struct order_key {
    mu_str text;
    int64_t number;
    uint32_t item;
} order_key;

static int compare_keys(const void *a, const void *b)
{
    const order_key *x = a, *y = b;
    int order = mu_str_compare(x->text, y->text);
    if (order == 0 && x->number != y->number)
        order = x->number < y->number ? -1 : 1;
    return order != 0 ? order : (x->item > y->item) - (x->item < y->item);
}

/* `orderby`: the name of a member of text, or created or updated; "-" or "desc:" in front, or
 * ":desc" behind, for descending. */
static void order_items(const registry_call *c, mu_str order, uint32_t n, registry_item *items)
{
    bool descends = mu_str_starts_with(order, MU_STR("-"));
    if (descends)
        order = (mu_str){order.ptr + 1, order.len - 1};
    if (mu_str_ends_with(order, MU_STR(":desc"))) {
        descends = true;
        order.len -= 5;
    }
    order_key *keys = MU_NEW_ARRAY(c->arena, order_key, n);
    registry_item *ordered = MU_NEW_ARRAY(c->arena, registry_item, n);
    bool by_time = mu_str_equal(order, MU_STR("updated")) || mu_str_equal(order, MU_STR("created"));
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (order_key){
            .text = by_time ? MU_STR("") : mu_json_member_string(&items[i].json, order, MU_STR("")),
            .number = by_time ? items[i].updated_ms : 0,
            .item = i};
    qsort(keys, n, sizeof *keys, compare_keys);
    for (uint32_t i = 0; i < n; i++)
        ordered[i] = items[keys[descends ? n - 1 - i : i].item];
    if (n > 0)
        memcpy(items, ordered, n * sizeof *items);
}

/* `properties`: only these members. */
static mu_json selected(const registry_call *c, mu_str names, const mu_json *json)
{
    mu_json out = {.kind = MU_JSON_OBJECT};
    mu_str name;
    while (next_token(&names, ',', &name)) {
        const mu_json *member = mu_json_member(json, mu_str_trim(name));
        if (member != NULL)
            mu_json_set(c->arena, &out, mu_str_trim(name), *member);
    }
    return out;
}

static void write_links(const registry_call *c, mu_json_writer *w, int64_t next)
{
    mu_str base = mu_http_request_base_url(c->request);
    mu_json_name(w, MU_STR("_links"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("next"));
    if (next < 0) {
        mu_json_null(w);
    } else {
        mu_str query = mu_api_query_with(c->request, MU_STR("start"), next);
        mu_str path = mu_http_request_path(c->request);
        mu_json_begin_object(w);
        mu_json_name(w, MU_STR("href"));
        mu_json_string(w, mu_arena_format(c->arena, MU_STR_FMT MU_STR_FMT "?" MU_STR_FMT,
                                          MU_STR_ARG(base), MU_STR_ARG(path), MU_STR_ARG(query)));
        mu_json_end_object(w);
    }
    mu_json_name(w, MU_STR("global_schemas"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("href"));
    mu_json_string(w, mu_arena_format(c->arena, MU_STR_FMT SCHEMA_REGISTRY "/global/schemas",
                                      MU_STR_ARG(base)));
    mu_json_end_object(w);
    mu_json_end_object(w);
}

/* Clients read `_page.next` until it is null. */
static void write_page(const registry_call *c, mu_json_writer *w, mu_str order, int64_t next,
                       int64_t count)
{
    mu_json_name(w, MU_STR("_page"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("orderby"));
    mu_json_string(w, order);
    mu_json_name(w, MU_STR("next"));
    if (next < 0)
        mu_json_null(w);
    else
        mu_json_string(w, mu_arena_format(c->arena, "%lld", (long long)next));
    mu_json_name(w, MU_STR("count"));
    mu_json_integer(w, count);
    mu_json_end_object(w);
}

mu_http_outcome mu_registry_answer_list(const registry_call *c, const registry_accept *accept,
                                        uint32_t n, registry_item *items, int64_t limit_default,
                                        int64_t limit_max)
{
    const mu_http_pairs *query = mu_http_request_query(c->request);
    mu_str order = MU_STR("updated"), names = MU_STR("");
    mu_err err;
    mu_api_page page;
    if (!mu_api_page_read(c->request, c->response, limit_default, limit_max, &page))
        return MU_HTTP_DONE;
    if (mu_registry_filter(c, &n, items, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_http_pairs_find(query, MU_STR("orderby"), &order);
    mu_http_pairs_find(query, MU_STR("properties"), &names);
    order_items(c, order, n, items);
    int64_t start = page.start < n ? page.start : n;
    int64_t count = n - start < page.limit ? n - start : page.limit;
    int64_t next = start + count < n ? start + count : -1;
    mu_json_writer *w = mu_http_response_json(c->response);
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("results"));
    mu_json_begin_array(w);
    for (int64_t i = start; i < start + count; i++) {
        mu_json json = accept->is_id ? items[i].id_row : items[i].json;
        if (names.len > 0)
            json = selected(c, names, &json);
        mu_json_value(w, &json);
    }
    mu_json_end_array(w);
    write_page(c, w, order, next, count);
    write_links(c, w, next);
    mu_json_end_object(w);
    return MU_HTTP_DONE;
}
