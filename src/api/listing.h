/* listing.h -- lists of shelved documents: filters, order, pages in the shapes P1 to P3 of
 * api.md 4.
 */
#ifndef MU_API_LISTING_H
#define MU_API_LISTING_H

#include "api/api_int.h"
#include "catalog/shelf.h"

typedef enum mu_list_shape {
    MU_LIST_AUDIENCES,   /* P1: children, _page, _links; start is a page */
    MU_LIST_JOBS,        /* P2: the same with a text as _page.next */
    MU_LIST_DEFINITIONS, /* P3: segments, page, link; start is a row */
} mu_list_shape;

typedef struct mu_listing {
    mu_list_shape shape;
    const char *path; /* of links: "/segment/jobs" */
    const mu_shelf *shelf;
    const char *order_default; /* "creationTime:desc" */
    /* Whether a row is listed at all; NULL: every one. MU_API_... problems are the handler's. */
    bool (*is_listed)(void *context, const mu_shelf_item *item);
    /* The row as it is shown. Filters and order look at what is stored, but not at members whose
     * names begin with "$"; names that only a shown row has match nothing unless `computed` says
     * what they are. */
    mu_json (*show)(void *context, mu_arena *arena, const mu_shelf_item *item);
    /* A top-level member that is not stored, for filters and order; MU_JSON_NULL: there is none.
     * NULL allowed. */
    mu_json (*computed)(void *context, mu_arena *arena, const mu_shelf_item *item, mu_str name);
    void *context;
} mu_listing;

/* Answers the request: reads start, page, limit, sort, property and parameters whose names are
 * dotted paths from its query; refuses bad ones. Orders by creationTime, createEpoch and internalId
 * are the order of creation (docs/decisions/0180). */
mu_http_outcome mu_api_list(mu_http_request *request, mu_http_response *response,
                            const mu_listing *listing);

/* The ids of a bulk-get body in all forms of A35, without duplicates, in order; refuses the request
 * with UPAPI-113015-400 unless there are 1 to 100. */
MU_CHECKED bool mu_api_bulk_ids(mu_http_request *request, mu_http_response *response, uint32_t *n,
                                const mu_str **out);

/* Answers a bulk-get: 207 with one result or miss per id. `show` returns false for a miss.
 * all_missing_is_404: UPAPI-113000-404 when none is found (A36). */
mu_http_outcome mu_api_bulk_answer(mu_http_request *request, mu_http_response *response, uint32_t n,
                                   const mu_str *ids, bool all_missing_is_404,
                                   bool (*show)(void *context, mu_arena *arena, mu_str id,
                                                mu_json *out),
                                   void *context);

#endif
