#include "api/api_int.h"

mu_code mu_api_add(mu_api *api, mu_http_router *router, mu_api_route_kind kind,
                   const mu_http_route *routes, size_t n_routes, mu_err *err)
{
    for (size_t i = 0; i < n_routes; i++) {
        mu_http_route route = routes[i];
        if (route.context == NULL)
            route.context = api;
        if (kind != MU_API_UNCHECKED) {
            route.checks = kind == MU_API_CHECKED ? &api->check : &api->check_client;
            route.n_checks = 1;
            route.flags |= MU_HTTP_ON_WORKER;
        }
        MU_TRY(mu_http_router_add(router, &route, 1, err));
    }
    return MU_OK;
}
