/* audience_list.c -- lists and single objects of both views (api.md 4, 5, 8.2, 8.4, 8.8, 10). */
#include "api/audience_int.h"
#include "api/listing.h"

#include "base/utf8.h"

/* -------- lists -------- */

typedef struct list_context {
    mu_audience_scene *scene;
    mu_str name, description; /* case-folded; empty: any */
    mu_str entity_type;
    bool shows_system;
} list_context;

static const mu_audience *audience_of(const list_context *context, const mu_shelf_item *item)
{
    return mu_audience_find(context->scene->book, item->document.id);
}

static bool contains(mu_arena *arena, mu_str text, mu_str folded)
{
    return folded.len == 0 || mu_str_find(mu_utf8_fold(arena, text), folded) != SIZE_MAX;
}

static bool is_listed(void *opaque, const mu_shelf_item *item)
{
    const list_context *context = opaque;
    const mu_audience *audience = audience_of(context, item);
    mu_arena *arena = context->scene->arena;
    if (audience == NULL || (audience->is_system && !context->shows_system) ||
        (audience->is_external && context->scene->view == MU_AUDIENCE_VIEW_DEFINITIONS))
        return false;
    return (context->entity_type.len == 0 ||
            mu_str_equal(audience->schema_name, context->entity_type)) &&
           contains(arena, audience->name, context->name) &&
           contains(arena, audience->description, context->description);
}

static mu_json show_row(void *opaque, mu_arena *arena, const mu_shelf_item *item)
{
    list_context *context = opaque;
    (void)arena; /* the scene's own is the same */
    return mu_audience_show(context->scene, audience_of(context, item));
}

static mu_json computed(void *opaque, mu_arena *arena, const mu_shelf_item *item, mu_str name)
{
    list_context *context = opaque;
    (void)arena;
    return mu_audience_computed(context->scene, audience_of(context, item), name);
}

static mu_str folded_parameter(mu_arena *arena, const mu_http_pairs *query, const char *name)
{
    mu_str value;
    return mu_http_pairs_find(query, mu_str_from(name), &value) ? mu_utf8_fold(arena, value)
                                                                : MU_STR("");
}

static bool asks_for_system(const mu_http_pairs *query)
{
    mu_str property;
    for (size_t at = 0; mu_http_pairs_next(query, MU_STR("property"), &at, &property);)
        if (mu_str_equal_ascii_nocase(property, MU_STR("isSystem==true")))
            return true;
    return false;
}

static void read_context(mu_audience_scene *scene, list_context *out)
{
    const mu_http_pairs *query = mu_http_request_query(scene->request);
    *out = (list_context){.scene = scene,
                          .name = folded_parameter(scene->arena, query, "name"),
                          .shows_system = asks_for_system(query)};
    if (scene->view == MU_AUDIENCE_VIEW_DEFINITIONS)
        return;
    out->description = folded_parameter(scene->arena, query, "description");
    if (mu_http_pairs_find(query, MU_STR("entityType"), &out->entity_type) &&
        mu_str_equal(out->entity_type, MU_STR("_xom.context.account")))
        out->entity_type = MU_STR("_xdm.context.account");
}

mu_http_outcome mu_audience_list(mu_http_request *request, mu_http_response *response,
                                 mu_audience_view view)
{
    mu_audience_scene scene;
    list_context context;
    if (!mu_audience_scene_begin(request, response, view, &scene))
        return MU_HTTP_DONE;
    read_context(&scene, &context);
    bool is_view = view == MU_AUDIENCE_VIEW_DEFINITIONS;
    bool shows_all = scene.book->n_system == 0 && (!is_view || scene.book->n_external == 0) &&
                     context.name.len == 0 && context.description.len == 0 &&
                     context.entity_type.len == 0;
    const mu_listing listing = {.shape = is_view ? MU_LIST_DEFINITIONS : MU_LIST_AUDIENCES,
                                .path = is_view ? "/segment/definitions" : "/audiences",
                                .shelf = scene.book->shelf,
                                .order_default = "creationTime:desc",
                                .is_listed = shows_all ? NULL : is_listed,
                                .show = show_row,
                                .computed = computed,
                                .context = &context};
    mu_http_outcome outcome = mu_api_list(request, response, &listing);
    mu_audience_scene_end(&scene);
    return outcome;
}

/* -------- one -------- */

static mu_http_outcome answer_not_found(mu_audience_scene *scene, mu_http_response *response,
                                        mu_str id)
{
    mu_refusal refusal;
    (void)mu_refuse(&refusal, MU_REFUSAL_NOT_FOUND, MU_STR(""),
                    mu_arena_format(scene->arena, "There is no %s with the id " MU_STR_FMT,
                                    scene->view == MU_AUDIENCE_VIEW_AUDIENCES
                                        ? "audience"
                                        : "segment definition",
                                    MU_STR_ARG(id)));
    return mu_audience_answer_refusal(scene->request, response, scene->view, &refusal);
}

mu_http_outcome mu_audience_get(mu_http_request *request, mu_http_response *response,
                                mu_audience_view view)
{
    mu_audience_scene scene;
    mu_str id = mu_http_request_parameter(request, MU_STR("id")), header;
    mu_http_outcome outcome = MU_HTTP_DONE;
    if (!mu_audience_scene_begin(request, response, view, &scene))
        return MU_HTTP_DONE;
    const mu_audience *audience = mu_audience_scene_find(&scene, id);
    if (audience == NULL) {
        outcome = answer_not_found(&scene, response, id);
        mu_audience_scene_end(&scene);
        return outcome;
    }
    mu_str etag = mu_audience_etag(scene.arena, audience);
    mu_http_response_header(response, MU_STR("ETag"), etag);
    if (mu_http_request_header(request, MU_STR("If-None-Match"), &header) &&
        mu_etag_matches(header, etag, false)) {
        mu_http_response_status(response, 304);
    } else {
        mu_json json = mu_audience_show(&scene, audience);
        outcome = mu_api_answer(response, 200, &json);
    }
    mu_audience_scene_end(&scene);
    return outcome;
}

/* -------- many -------- */

static bool show_found(void *context, mu_arena *arena, mu_str id, mu_json *out)
{
    mu_audience_scene *scene = context;
    (void)arena;
    const mu_audience *audience = mu_audience_scene_find(scene, id);
    if (audience != NULL)
        *out = mu_audience_show(scene, audience);
    return audience != NULL;
}

mu_http_outcome mu_audience_bulk_get(mu_http_request *request, mu_http_response *response,
                                     mu_audience_view view)
{
    mu_audience_scene scene;
    uint32_t n;
    const mu_str *ids;
    if (!mu_api_bulk_ids(request, response, &n, &ids) ||
        !mu_audience_scene_begin(request, response, view, &scene))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = mu_api_bulk_answer(
        request, response, n, ids, view == MU_AUDIENCE_VIEW_AUDIENCES, show_found, &scene);
    mu_audience_scene_end(&scene);
    return outcome;
}

/* -------- changed -------- */

static void add_location(mu_http_request *request, mu_http_response *response, const mu_json *shown)
{
    mu_str id = mu_json_member_string(shown, MU_STR("id"), MU_STR(""));
    mu_str base = mu_http_request_base_url(request);
    mu_http_response_header(response, MU_STR("X-Location"),
                            mu_arena_format(mu_http_request_arena(request),
                                            MU_STR_FMT
                                            "/data/core/ups/segment/definitions/" MU_STR_FMT,
                                            MU_STR_ARG(base), MU_STR_ARG(id)));
}

mu_http_outcome mu_audience_change_and_show(mu_http_request *request, mu_http_response *response,
                                            mu_audience_view view, mu_audience_change change,
                                            mu_str id, const mu_json *body)
{
    mu_audience_scene scene;
    mu_refusal refusal;
    mu_json shown;
    mu_str etag;
    mu_http_outcome outcome;
    if (!mu_audience_scene_begin(request, response, view, &scene))
        return MU_HTTP_DONE;
    if (mu_audience_store(&scene, change, id, body, &shown, &etag, &refusal)) {
        bool is_view = view == MU_AUDIENCE_VIEW_DEFINITIONS;
        mu_http_response_header(response, MU_STR("ETag"), etag);
        if (is_view)
            add_location(request, response, &shown);
        outcome = mu_api_answer(response, is_view ? 200 : 201, &shown);
    } else {
        outcome = mu_audience_answer_refusal(request, response, view, &refusal);
    }
    mu_audience_scene_end(&scene);
    return outcome;
}
