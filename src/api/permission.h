/* permission.h -- what a client of the configuration may do, and in which sandboxes. */
#ifndef MU_API_PERMISSION_H
#define MU_API_PERMISSION_H

#include "api/api_int.h"

/* NULL: the open mode, where everything is allowed. */
bool mu_api_may_enter(const mu_api_client *client, mu_str sandbox_name);

/* Audiences and all that is about them, in the call's sandbox; answers with the denial and returns
 * false. */
MU_CHECKED bool mu_api_check_permission(mu_http_request *request, mu_http_response *response,
                                        const mu_api_call *call);

/* What all sandboxes share is not changed by a client that has only some of them. */
MU_CHECKED bool mu_api_check_organization_change(mu_http_request *request,
                                                 mu_http_response *response,
                                                 const mu_api_call *call);

#endif
