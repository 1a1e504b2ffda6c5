/* identities.c -- /data/core/identity: XIDs, clusters, graphs and mappings (profile.md b.7, P24).
 */
#include "api/identities_int.h"
#include "identity/xid.h"

#define ALGORITHM MU_STR("STITCH_ALL")

/* What the identities of one request are answered with. */
typedef struct cluster_request {
    const mu_identity_ask *ask;
    mu_json_writer *writer;
    uint32_t n, capacity;
    mu_asked *asked;
    bool is_alone;  /* graph type none: no cluster, only the identity */
    bool has_edges; /* projection "graph" */
    bool has_meta;  /* datasets and batches of edges */
} cluster_request;

/* -------- reading -------- */

static mu_code add_asked(cluster_request *r, const mu_json *json, mu_err *err)
{
    if (r->n == MU_IDENTITIES_ASKED_MAX)
        return mu_fail(err, MU_E_INPUT, "At most %u identities can be asked for in one request",
                       MU_IDENTITIES_ASKED_MAX);
    if (r->n == r->capacity) {
        uint32_t capacity = r->capacity == 0 ? 8 : r->capacity * 4;
        mu_asked *grown = MU_NEW_ARRAY(r->ask->arena, mu_asked, capacity);
        if (r->n > 0)
            memcpy(grown, r->asked, r->n * sizeof *grown);
        r->asked = grown;
        r->capacity = capacity;
    }
    MU_TRY(mu_asked_from_json(r->ask, json, &r->asked[r->n], err));
    r->n++;
    return MU_OK;
}

/* The lists that may hold identities; each may be a single one instead. */
static mu_code read_lists(cluster_request *r, const mu_json *body, mu_err *err)
{
    static const char *const names[] = {"composite_xids",
                                        "composite_xid",
                                        "xids",
                                        "xid",
                                        "compositeXids",
                                        "compositeXid",
                                        "compositeXidsWithNamespace"};
    if (body->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "The body must be a JSON object");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mu_json *list = mu_json_get(body, mu_str_from(names[i]));
        if (list == NULL)
            continue;
        if (list->kind != MU_JSON_ARRAY)
            MU_TRY(add_asked(r, list, err));
        for (uint32_t k = 0; list->kind == MU_JSON_ARRAY && k < list->n; k++)
            MU_TRY(add_asked(r, &list->items[k], err));
    }
    return MU_OK;
}

static mu_str body_text(const mu_json *body, const char *name, const char *other, mu_str otherwise)
{
    const mu_json *value = mu_json_get(body, mu_str_from(name));
    if (value == NULL)
        value = mu_json_get(body, mu_str_from(other));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : otherwise;
}

static bool is_none(mu_str graph_type)
{
    return mu_str_equal_ascii_nocase(graph_type, MU_STR("none"));
}

static mu_code read_graph_body(cluster_request *r, const mu_json *body, mu_err *err)
{
    MU_TRY(read_lists(r, body, err));
    if (r->n == 0)
        return mu_fail(err, MU_E_INPUT, "The body needs composite_xids or xids");
    mu_str projection = body_text(body, "projection_type", "projectionType", MU_STR("set"));
    r->has_edges = mu_str_equal_ascii_nocase(projection, MU_STR("graph"));
    if (!r->has_edges && !mu_str_equal_ascii_nocase(projection, MU_STR("set")))
        return mu_fail(err, MU_E_INPUT, "projection_type must be set or graph");
    r->is_alone = is_none(body_text(body, "graph_type", "graph-type", MU_STR("")));
    r->has_meta = mu_json_truth(mu_json_member(body, MU_STR("require_edge_meta_data")), false);
    return MU_OK;
}

/* One object, or a list of objects as the official Python client sends it. */
static mu_code read_clusters_body(cluster_request *r, const mu_json *body, mu_err *err)
{
    const mu_json *items = body->kind == MU_JSON_ARRAY ? body->items : body;
    uint32_t n = body->kind == MU_JSON_ARRAY ? body->n : 1;
    for (uint32_t i = 0; i < n; i++) {
        MU_TRY(read_lists(r, &items[i], err));
        if (is_none(body_text(&items[i], "graph-type", "graph_type", MU_STR(""))))
            r->is_alone = true;
    }
    if (r->n == 0)
        return mu_fail(err, MU_E_INPUT,
                       "The body needs xids, compositeXids or compositeXidsWithNamespace");
    return MU_OK;
}

/* -------- writing -------- */

static void write_strings(mu_json_writer *writer, const char *name, uint32_t n, const mu_str *items)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < n; i++)
        mu_json_string(writer, items[i]);
    mu_json_end_array(writer);
}

static void write_time(mu_json_writer *writer, const char *name, int64_t ms)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_integer(writer, ms);
}

static void write_set(const cluster_request *r, mu_addressing addressing,
                      const mu_graph_cluster *cluster)
{
    mu_json_name(r->writer, MU_STR("members"));
    mu_json_begin_array(r->writer);
    for (uint32_t i = 0; i < cluster->n_identities; i++)
        mu_write_address(r->ask, r->writer, addressing, cluster->identities[i].identity);
    mu_json_end_array(r->writer);
}

static void write_edge(const cluster_request *r, mu_addressing addressing,
                       const mu_graph_cluster *cluster, const mu_graph_edge *edge)
{
    mu_json_writer *writer = r->writer;
    mu_json_begin_object(writer);
    mu_json_name(writer, addressing == MU_ADDRESSED_BY_XID ? MU_STR("xid_pair")
                                                           : MU_STR("composite_xid_pair"));
    mu_json_begin_array(writer);
    mu_write_address(r->ask, writer, addressing, cluster->identities[edge->a].identity);
    mu_write_address(r->ask, writer, addressing, cluster->identities[edge->b].identity);
    mu_json_end_array(writer);
    write_time(writer, "first_established_ts", edge->first_ms);
    write_time(writer, "last_established_ts", edge->last_ms);
    if (r->has_meta) {
        write_strings(writer, "dataset_ids", edge->n_datasets, edge->datasets);
        write_strings(writer, "batch_ids", edge->n_batches, edge->batches);
    }
    mu_json_end_object(writer);
}

static void write_graph(const cluster_request *r, mu_addressing addressing,
                        const mu_graph_cluster *cluster)
{
    mu_json_writer *writer = r->writer;
    mu_json_name(writer, MU_STR("vertices"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < cluster->n_identities; i++) {
        mu_json_begin_object(writer);
        mu_write_address_member(r->ask, writer, addressing, MU_STR("composite_xid"),
                                cluster->identities[i].identity);
        write_time(writer, "last_updated_ts", cluster->identities[i].seen_ms);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
    mu_json_name(writer, MU_STR("edges"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < cluster->n_edges; i++)
        write_edge(r, addressing, cluster, &cluster->edges[i]);
    mu_json_end_array(writer);
}

/* All clusters as items; is_missing[i] is set for identities of which nothing is known. */
static void write_clusters(const cluster_request *r, mu_str address_name, bool *is_missing)
{
    mu_arena scratch;
    mu_arena_init(&scratch, SIZE_MAX);
    for (uint32_t i = 0; i < r->n && !r->writer->buf->failed; i++) {
        const mu_asked *asked = &r->asked[i];
        mu_graph_cluster cluster;
        mu_arena_reset(&scratch);
        is_missing[i] = !mu_asked_cluster(r->ask, asked, r->is_alone, &scratch, &cluster);
        if (is_missing[i])
            continue;
        mu_json_begin_object(r->writer);
        mu_write_address_member(r->ask, r->writer, asked->addressing, address_name,
                                asked->identity);
        if (r->has_edges)
            write_graph(r, asked->addressing, &cluster);
        else
            write_set(r, asked->addressing, &cluster);
        mu_json_end_object(r->writer);
    }
    mu_arena_free(&scratch);
}

static void write_missing(const cluster_request *r, const char *name, bool of_xids,
                          const bool *is_missing)
{
    mu_json_name(r->writer, mu_str_from(name));
    mu_json_begin_array(r->writer);
    for (uint32_t i = 0; i < r->n; i++)
        if (is_missing[i] && (r->asked[i].addressing == MU_ADDRESSED_BY_XID) == of_xids)
            mu_write_asked(r->writer, &r->asked[i]);
    mu_json_end_array(r->writer);
}

/* An answer beyond what the server sends at once is the request's fault. */
static mu_http_outcome finish(const cluster_request *r)
{
    if (!r->writer->buf->failed)
        return MU_HTTP_DONE;
    mu_http_response_clear(r->ask->response);
    return mu_api_problem(r->ask->request, r->ask->response, 413, MU_STR(""),
                          MU_STR("The answer would be too large: ask for fewer identities"));
}

static void begin_answer(cluster_request *r, mu_str version, mu_str list)
{
    r->writer = mu_http_response_json(r->ask->response);
    mu_json_begin_object(r->writer);
    mu_json_name(r->writer, MU_STR("version"));
    mu_json_string(r->writer, version);
    mu_json_name(r->writer, list);
    mu_json_begin_array(r->writer);
}

static mu_http_outcome end_answer(cluster_request *r)
{
    mu_json_name(r->writer, MU_STR("algo_type"));
    mu_json_string(r->writer, ALGORITHM);
    mu_json_end_object(r->writer);
    return finish(r);
}

static mu_http_outcome answer_clusters(cluster_request *r)
{
    bool *is_missing = MU_NEW_ARRAY(r->ask->arena, bool, r->n);
    begin_answer(r, MU_STR("1.1.0"), MU_STR("clusters"));
    write_clusters(r, MU_STR("compositeXid"), is_missing);
    mu_json_end_array(r->writer);
    mu_json_name(r->writer, MU_STR("unprocessedRecords"));
    mu_json_begin_array(r->writer);
    for (uint32_t i = 0; i < r->n; i++)
        if (is_missing[i])
            mu_write_asked(r->writer, &r->asked[i]);
    mu_json_end_array(r->writer);
    return end_answer(r);
}

/* -------- handlers -------- */

/* GET /data/core/identity/identity */
static mu_http_outcome get_identity(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    (void)context;
    mu_identity_ask ask = mu_identity_ask_new(request, response);
    mu_asked asked;
    mu_str given;
    if (mu_http_pairs_find(mu_http_request_query(request), MU_STR("xid"), &given))
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("The query parameters must be namespace or nsid, and id"));
    if (!mu_asked_from_query(&ask, true, &asked))
        return MU_HTTP_DONE;
    mu_xid xid = mu_identity_xid(asked.namespace_id, asked.identity.value);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("xid"));
    mu_json_string(writer, mu_xid_str(&xid));
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

/* POST /data/core/identity/v2/graph */
static mu_http_outcome post_graph(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    mu_identity_ask ask = mu_identity_ask_new(request, response);
    cluster_request r = {.ask = &ask};
    mu_json body;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (read_graph_body(&r, &body, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    bool *is_missing = MU_NEW_ARRAY(ask.arena, bool, r.n), has_xids = false;
    begin_answer(&r, MU_STR("2.0"), MU_STR("graphs"));
    write_clusters(&r, MU_STR("composite_xid"), is_missing);
    mu_json_end_array(r.writer);
    for (uint32_t i = 0; i < r.n; i++)
        has_xids |= r.asked[i].addressing == MU_ADDRESSED_BY_XID;
    write_missing(&r, "unprocessed_composite_xids", false, is_missing);
    if (has_xids)
        write_missing(&r, "unprocessed_xids", true, is_missing);
    return end_answer(&r);
}

static bool query_is_alone(mu_http_request *request)
{
    mu_str type;
    return mu_http_pairs_find(mu_http_request_query(request), MU_STR("graph-type"), &type) &&
           is_none(type);
}

/* GET /data/core/identity/cluster/members */
static mu_http_outcome get_members(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    (void)context;
    mu_identity_ask ask = mu_identity_ask_new(request, response);
    mu_asked asked;
    if (!mu_asked_from_query(&ask, true, &asked))
        return MU_HTTP_DONE;
    cluster_request r = {.ask = &ask, .n = 1, .asked = &asked, .is_alone = query_is_alone(request)};
    return answer_clusters(&r);
}

/* POST /data/core/identity/clusters/members, and cluster/members */
static mu_http_outcome post_members(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    (void)context;
    mu_identity_ask ask = mu_identity_ask_new(request, response);
    cluster_request r = {.ask = &ask, .is_alone = query_is_alone(request)};
    mu_json body;
    mu_err err;
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (read_clusters_body(&r, &body, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return answer_clusters(&r);
}

/* GET /data/core/identity/mapping: members of the cluster in one namespace. */
static mu_http_outcome get_mapping(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    (void)context;
    mu_identity_ask ask = mu_identity_ask_new(request, response);
    mu_asked asked;
    mu_str target;
    mu_graph_cluster cluster = {0};
    if (!mu_asked_from_query(&ask, true, &asked))
        return MU_HTTP_DONE;
    if (!mu_http_pairs_find(mu_http_request_query(request), MU_STR("targetNs"), &target))
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("Missing required query parameter - targetNs"));
    const mu_graph_namespace *wanted = mu_identity_ask_namespace(&ask, target);
    if (wanted == NULL)
        return mu_api_problem_format(request, response, 400, MU_STR(""),
                                     "There is no namespace " MU_STR_FMT, MU_STR_ARG(target));
    if (!mu_asked_cluster(&ask, &asked, query_is_alone(request), ask.arena, &cluster))
        cluster.n_identities = 0;
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    if (asked.is_valid)
        mu_write_address_member(&ask, writer, asked.addressing, MU_STR("compositeXid"),
                                asked.identity);
    mu_json_name(writer, MU_STR("mapping"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < cluster.n_identities; i++) {
        if (!mu_str_equal(cluster.identities[i].identity.namespace_code, wanted->code))
            continue;
        mu_json_begin_object(writer);
        mu_write_address_member(&ask, writer, asked.addressing, MU_STR("compositeXid"),
                                cluster.identities[i].identity);
        write_time(writer, "lastAssociationTime", cluster.identities[i].seen_ms);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome post_mapping(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    (void)context;
    return mu_api_problem(request, response, 501, MU_STR(""),
                          MU_STR("Mappings of several identities are not supported: use GET"));
}

static const mu_http_route routes[] = {
    {.method = MU_HTTP_GET, .pattern = "/data/core/identity/identity", .handler = get_identity},
    {.method = MU_HTTP_POST, .pattern = "/data/core/identity/v2/graph", .handler = post_graph},
    {.method = MU_HTTP_GET,
     .pattern = "/data/core/identity/cluster/members",
     .handler = get_members},
    {.method = MU_HTTP_POST,
     .pattern = "/data/core/identity/cluster/members",
     .handler = post_members},
    {.method = MU_HTTP_POST,
     .pattern = "/data/core/identity/clusters/members",
     .handler = post_members},
    {.method = MU_HTTP_GET, .pattern = "/data/core/identity/mapping", .handler = get_mapping},
    {.method = MU_HTTP_POST, .pattern = "/data/core/identity/mapping", .handler = post_mapping},
};

mu_code mu_api_add_identities(mu_api *api, mu_http_router *router, mu_err *err)
{
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
