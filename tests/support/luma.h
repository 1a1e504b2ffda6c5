/* luma.h -- the retail shop of tests/data/luma as ingestion sees it: registry, datasets, namespaces
 * and an inlet's rules, without a server. What should not happen fails the test. */
#ifndef MU_TESTS_LUMA_H
#define MU_TESTS_LUMA_H

#include "ingest/message.h"

#define LUMA_NOW_MS       ((int64_t)1773144000000) /* 2026-03-10T12:00:00Z */
#define LUMA_ORGANIZATION "5F2B0A1C3D4E5F60A49C0D1E@AdobeOrg"
#define LUMA_INLET        "10651c6cecea9c91995633f5cfad59dbbd240abee7bb8d37b3698d18b5249f90"

#define LUMA_DATASETS_MAX   8u
#define LUMA_NAMESPACES_MAX 16u

typedef struct luma_shop {
    mu_arena arena;
    mu_json_reader *reader;
    mu_registry *registry;
    uint32_t n_datasets, n_namespaces;
    mu_dataset datasets[LUMA_DATASETS_MAX];
    mu_graph_namespace namespaces[LUMA_NAMESPACES_MAX];
    mu_inlet_rules rules; /* may be changed */
} luma_shop;

luma_shop *luma_new(void);
void luma_free(luma_shop *luma);

/* A file of tests/data/luma as JSON, and its text. */
const mu_json *luma_json(luma_shop *luma, const char *file);
mu_str luma_text(luma_shop *luma, const char *file);

/* JSON text into the fixture's arena. */
const mu_json *luma_parse(luma_shop *luma, mu_str text);

/* The dataset of this id, which may be changed. */
mu_dataset *luma_dataset(luma_shop *luma, mu_str id);

/* Takes the priorities from the namespaces away, or gives them again. */
void luma_set_priorities(luma_shop *luma, bool on);

#endif
