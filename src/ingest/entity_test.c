#include "ingest/ingest_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ECID_GOOD "87425148613594122803641603982383516983"

static const mu_str ranked[] = {{"crm", 3}, {"Email", 5}};
static const mu_namespaces none = {0};
static const mu_namespaces ranks = {.n_ranked = 2, .ranked = ranked};

typedef struct given {
    const char *code, *value;
    char mark; /* 'p' flagged, 'd' declared, ' ' neither */
} given;

typedef struct choice {
    given list[3];
    bool is_event, has_ranks;
    const char *expected; /* a code, or the error */
} choice;

static void the_primary_identity_follows_the_rules(void **state)
{
    (void)state;
    static const choice cases[] = {
        {{{"crm", "1", ' '}}, false, false, "crm"},
        {{{"a", "1", ' '}, {"b", "2", 'p'}}, false, false, "b"},
        {{{"a", "1", 'p'}, {"b", "2", 'd'}}, false, false, "b"},
        {{{"a", "1", 'p'}, {"b", "2", 'd'}}, true, false, "a"},
        {{{"a", "1", 'p'}, {"b", "2", 'p'}}, false, false, "a"},
        {{{"a", "1", 'p'}, {"Email", "2", ' '}, {"crm", "3", ' '}}, true, true, "crm"},
        {{{"a", "1", 'p'}, {"Email", "2", ' '}, {"crm", "3", ' '}}, false, true, "a"},
        {{{"a", "1", 'p'}, {"b", "2", ' '}}, true, true, "a"},
        {{{"a", "1", ' '}, {"a", "1", ' '}}, false, false, "a"},
        {{{"a", "1", ' '}, {"ECID", "12", ' '}}, false, false, "a"},
        {{{"a", "1", ' '}, {"b", "2", ' '}},
         false,
         false,
         "none of the record's 2 identities is primary"},
        {{{NULL, NULL, ' '}}, false, false, "the record has no identity"},
        {{{"ECID", "12", 'p'}, {"a", "1", ' '}},
         false,
         false,
         "the primary identity (ECID) is not 38 decimal digits"},
        {{{"a", "", ' '}}, false, false, "the primary identity (a) is empty"},
        {{{"ECID", ECID_GOOD, ' '}}, true, false, "ECID"},
        {{{"crm", "", ' '}, {"Email", "2", ' '}}, true, true, "Email"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_candidates found = {0};
        for (int k = 0; k < 3 && cases[i].list[k].code != NULL; k++)
            mu_candidates_add(&found, (mu_candidate){
                                          .identity = {mu_str_from(cases[i].list[k].code),
                                                       mu_str_from(cases[i].list[k].value)},
                                          .is_flagged = cases[i].list[k].mark == 'p',
                                          .is_declared = cases[i].list[k].mark == 'd',
                                      });
        mu_identity chosen;
        mu_err err;
        mu_code code = mu_candidates_choose(&found, cases[i].has_ranks ? &ranks : &none,
                                            cases[i].is_event, &chosen, &err);
        mu_str answer = code == MU_OK ? chosen.namespace_code : mu_str_from(err.text);
        if (!mu_str_equal(answer, mu_str_from(cases[i].expected)))
            fail_msg("case %zu: %.*s", i, (int)answer.len, answer.ptr);
    }
}

static void a_primary_past_the_limit_is_kept(void **state)
{
    (void)state;
    mu_candidates found = {0};
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < 26; i++)
        mu_candidates_add(&found, (mu_candidate){.identity = {MU_STR("x"), {digits + i, 1}},
                                                 .is_flagged = i == 24});
    mu_identity chosen;
    mu_err err;
    assert_int_equal(found.n_ignored, 6);
    assert_int_equal(mu_candidates_choose(&found, &none, false, &chosen, &err), MU_OK);
    assert_int_equal(chosen.value.ptr[0], 'y');
}

static void namespaces_have_one_spelling(void **state)
{
    (void)state;
    static const mu_identity_path paths[] = {
        {.source_class = {"profile", 7}, .path = {"a", 1}, .namespace_code = {"lumaCrmId", 9}}};
    mu_schema schema = {.n_identity_paths = 1, .identity_paths = paths};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_namespaces *namespaces = mu_namespaces_new(&arena, &schema);
    static const char *const cases[][2] = {
        {"email", "Email"},         {"EMAIL", "Email"}, {"6", "Email"},    {"ecid", "ECID"},
        {"LUMACRMID", "lumaCrmId"}, {"other", "other"}, {"Other", "Other"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(mu_str_equal(mu_namespaces_spelling(namespaces, mu_str_from(cases[i][0])),
                                 mu_str_from(cases[i][1])));
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primary_identity_follows_the_rules),
        cmocka_unit_test(a_primary_past_the_limit_is_kept),
        cmocka_unit_test(namespaces_have_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
