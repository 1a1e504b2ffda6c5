/* load_url.h -- files sent to a running server as batches. */
#ifndef MU_APP_LOAD_URL_H
#define MU_APP_LOAD_URL_H

#include "app/app_int.h"
#include "app/web_client.h"

/* `load` with --url; checks the options and prints the summary. */
mu_exit mu_load_url(mu_invocation *invocation);

#endif
