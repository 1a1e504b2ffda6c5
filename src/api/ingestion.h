/* ingestion.h -- what the resources that take data share: made and freed with the api. */
#ifndef MU_API_INGESTION_H
#define MU_API_INGESTION_H

#include "api/collection_int.h"
#include "api/intake.h"
#include "ingest/batch.h"
#include "ingest/failed.h"
#include "ingest/kafka.h"

typedef struct mu_ingestion {
    mu_intake *intake;
    mu_failed *failed;
    mu_collection *collection;
    mu_batches *batches;
    mu_kafka *kafka; /* NULL when it is off */
} mu_ingestion;

/* Resumes batches that were under way. The api's sandboxes are loaded. */
MU_CHECKED mu_code mu_ingestion_new(mu_api *api, mu_ingestion **out, mu_err *err);
/* After the server has stopped. */
void mu_ingestion_free(mu_ingestion *ingestion);

/* The resources that take data: one file each. */
mu_api_resource mu_api_add_ingestion, mu_api_add_collection, mu_api_add_batches,
    mu_api_add_batch_uploads, mu_api_add_failed_rows, mu_api_add_export_files;

/* Files as data access lists them: each with a link to the request's path and ?path= itself. */
typedef struct mu_api_listed_file {
    mu_str name, path; /* path: what the `path` parameter takes */
    uint64_t length;
} mu_api_listed_file;
mu_http_outcome mu_api_answer_files(mu_http_request *request, mu_http_response *response,
                                    uint32_t n, const mu_api_listed_file *files);

/* Removes what the failed rows of a sandbox hold of an erased person. Waits for the disk. */
MU_CHECKED mu_code mu_ingestion_erase(mu_ingestion *ingestion, mu_str store_name, uint32_t n,
                                      const mu_identity *identities, mu_err *err);

#endif
