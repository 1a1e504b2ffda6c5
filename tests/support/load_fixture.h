/* load_fixture.h -- loads into a store of its own, and what came of it as text. */
#ifndef MU_TESTS_SUPPORT_LOAD_FIXTURE_H
#define MU_TESTS_SUPPORT_LOAD_FIXTURE_H

#include "ingest/ingest_int.h"

typedef struct mu_load_fixture {
    char folder[64];
    mu_store *store;
    mu_arena arena;
    mu_json_reader *reader;
    mu_load_options options; /* changed by tests as they like */
    mu_load_tuning tuning;
    mu_load_summary summary; /* of the last load */
    mu_err err;
    mu_buf rejects; /* of the last load: "FILE:LINE: reason\n" each, FILE without folder */
} mu_load_fixture;

/* An empty store in a new folder; asserts that it can. */
void mu_load_fixture_init(mu_load_fixture *f);
void mu_load_fixture_fini(mu_load_fixture *f);
void mu_load_fixture_reopen(mu_load_fixture *f);

/* Writes a file into the fixture's folder and returns its path. */
const char *mu_load_fixture_file(mu_load_fixture *f, const char *name, mu_str text);

/* Loads files as f->options and f->tuning say. */
MU_CHECKED mu_code mu_load_fixture_load(mu_load_fixture *f, uint32_t n_files,
                                        const char *const *files);

/* Writes one file and loads it. */
MU_CHECKED mu_code mu_load_fixture_text(mu_load_fixture *f, const char *name, const char *text);

/* A schema file of tests/data. */
const mu_json *mu_load_fixture_schema(mu_load_fixture *f, const char *name);

/* Every live row as a line "ENTITY NAMESPACE:VALUE {row}", sorted; in the fixture's arena and
 * NUL-terminated. */
const char *mu_load_fixture_rows(mu_load_fixture *f);

/* The sandbox's schema as JSON, without its version. */
const char *mu_load_fixture_types(mu_load_fixture *f);

/* Asserts that the folder verifies. */
void mu_load_fixture_verify(mu_load_fixture *f);

#endif
