/* stored_int.h -- resources whose objects are stored as they come: stored.c. */
#ifndef MU_API_STORED_INT_H
#define MU_API_STORED_INT_H

#include "api/api_int.h"

typedef struct mu_stored_resource {
    const char *path, *path_of_one; /* the second ends in "/{id}" */
    mu_str kind;
    bool is_flow_service; /* writes answer {id, etag}, one object is a list of one */
    mu_str list_name;     /* of the list under _embedded, where it is not the flow service's */
    /* Checks and completes an object before it is stored; NULL: anything goes. */
    mu_code (*prepare)(mu_api_call *call, mu_arena *arena, mu_json *json, mu_err *err);
    /* Adds what is only shown; NULL: nothing. */
    void (*complete)(mu_http_request *request, mu_json *json);
} mu_stored_resource;

/* GET and POST of the list, GET, PUT, PATCH and DELETE of one. `resource` is static. */
MU_CHECKED mu_code mu_api_add_stored_resource(mu_api *api, mu_http_router *router,
                                              const mu_stored_resource *resource, mu_err *err);

#endif
