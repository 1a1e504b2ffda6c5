/* cors.c -- what browsers need to see on edge routes (profile.md f.5): the Web SDK sends
 * credentials, so the origin is echoed and never a star. */
#include "http/http_int.h"

#define ORIGIN_MAX          512
#define REQUEST_HEADERS_MAX 1024

static bool is_printable(mu_str text, bool blanks_allowed)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < ' ' || c > '~' || (c == ' ' && !blanks_allowed))
            return false;
    }
    return text.len > 0;
}

static void add_preflight(mu_http_request *request)
{
    mu_http_response *response = &request->response;
    mu_str wanted;
    mu_http_response_header(response, MU_STR("Access-Control-Allow-Methods"),
                            mu_http_allow_text(&request->arena, request->match.methods));
    if (!mu_http_request_header(request, MU_STR("Access-Control-Request-Headers"), &wanted) ||
        wanted.len > REQUEST_HEADERS_MAX || !is_printable(wanted, true))
        wanted = MU_STR("authorization, content-type, x-api-key, x-gw-ims-org-id, x-request-id");
    mu_http_response_header(response, MU_STR("Access-Control-Allow-Headers"), wanted);
    mu_http_response_header(response, MU_STR("Access-Control-Max-Age"), MU_STR("7200"));
}

void mu_http_add_cors(mu_http_request *request, bool is_preflight)
{
    mu_http_response *response = &request->response;
    mu_str origin;
    if (!mu_http_request_header(request, MU_STR("Origin"), &origin) || origin.len > ORIGIN_MAX ||
        !is_printable(origin, false))
        return;
    mu_http_response_header(response, MU_STR("Access-Control-Allow-Origin"), origin);
    mu_http_response_header(response, MU_STR("Access-Control-Allow-Credentials"), MU_STR("true"));
    mu_http_response_header(response, MU_STR("Access-Control-Expose-Headers"),
                            MU_STR("Retry-After, x-adobe-edge, x-request-id"));
    mu_http_response_header(response, MU_STR("Vary"), MU_STR("Origin"));
    if (is_preflight)
        add_preflight(request);
}
