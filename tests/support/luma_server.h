/* luma_server.h -- the retail shop of tests/data/luma in a running API: schemas, datasets,
 * namespaces with priorities and one inlet, the clock at its noon. */
#ifndef MU_TESTS_LUMA_SERVER_H
#define MU_TESTS_LUMA_SERVER_H

#include "tests/support/api_fixture.h"

#define LUMA_SERVER_NOW_MS       ((int64_t)1773144000000) /* 2026-03-10T12:00:00Z */
#define LUMA_SERVER_ORGANIZATION "5F2B0A1C3D4E5F60A49C0D1E@AdobeOrg"
#define LUMA_SERVER_INLET        "10651c6cecea9c91995633f5cfad59dbbd240abee7bb8d37b3698d18b5249f90"
#define LUMA_SERVER_CLOSED_INLET                                                                   \
    "20651c6cecea9c91995633f5cfad59dbbd240abee7bb8d37b3698d18b5249f90" /* wants a token */

/* Fills a fixture that was started. */
void luma_server_fill(api_fixture *f);

/* A file of tests/data/luma, NUL-terminated. */
mu_str luma_server_file(api_fixture *f, const char *name);

/* What is known of an identity, as one text for assertions: identities of the cluster, then each
 * fragment's dataset and document, then each event's _id and timestamp; "nothing" when unknown. */
mu_str luma_server_lookup(api_fixture *f, const char *namespace_code, const char *value);

#endif
