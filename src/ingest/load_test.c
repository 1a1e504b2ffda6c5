#include "tests/support/dice.h"
#include "tests/support/load_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    mu_load_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_load_fixture_init(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    mu_load_fixture_fini(*state);
    free(*state);
    return 0;
}

static void load(mu_load_fixture *f, const char *name, const char *text)
{
    if (mu_load_fixture_text(f, name, text) != MU_OK)
        fail_msg("%s", f->err.text);
}

static void assert_rows(mu_load_fixture *f, const char *expected)
{
    assert_string_equal(mu_load_fixture_rows(f), expected);
}

static void assert_no_rejects(mu_load_fixture *f)
{
    mu_buf_add_char(&f->rejects, 0);
    assert_string_equal(f->rejects.ptr, "");
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("not found: %s\nin: %s", part, text);
}

/* -------- the sample payloads -------- */

static void the_sample_messages_make_one_profile(void **state)
{
    mu_load_fixture *f = *state;
    const char *path = MUSTER_SOURCE_DIR "/tests/data/luma-messages.ndjson";
    f->options.schema_file = mu_load_fixture_schema(f, "luma-schema.json");
    assert_int_equal(mu_load_fixture_load(f, 1, &path), MU_OK);
    assert_no_rejects(f);
    assert_int_equal(f->summary.n_read, 5);
    assert_int_equal(f->summary.n_loaded, 5);
    const char *rows = mu_load_fixture_rows(f);
    const char *ada = strstr(rows, "profile lumaCrmId:CRM-100042 ");
    assert_non_null(ada);
    assert_non_null(strstr(rows, "profile ECID:83905390261353196691980241222855773941 "));
    assert_null(strstr(ada + 1, "profile lumaCrmId:"));
    /* the record, the loyalty record and both events, in the order of time */
    assert_contains(ada, "\"street1\":\"418 Larch Avenue\"");
    assert_contains(ada, "\"newsletterTopics\":{\"sale\":true,\"events\":false}");
    assert_contains(ada, "\"points\":4125");
    assert_contains(ada, "\"birthDate\":\"1988-02-29\"");
    const char *web = strstr(ada, "\"_id\":\"9f0c3c1e-52b7-4a5e-8c0a-6f1b2a7d4e11\"");
    const char *shop = strstr(ada, "\"_id\":\"CHI-03-20260310-000218\"");
    assert_non_null(web);
    assert_non_null(shop);
    assert_true(web < shop);
    assert_contains(shop, "\"timestamp\":\"2026-03-10T15:41:07Z\"");
    assert_contains(shop, "\"$dataset\":\"7160f8688035138fcbc9a6c8\"");
    /* P36: an upsert keeps what it does not name */
    load(f, "upsert.ndjson",
         "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100042\"}},"
         "\"loyalty\":{\"tier\":\"platinum\",\"pointsExpiration\":[]}}\n");
    rows = mu_load_fixture_rows(f);
    assert_contains(rows, "\"tier\":\"platinum\"");
    assert_contains(rows, "\"points\":4125");
    assert_contains(rows, "\"pointsExpiration\":[]");
    mu_load_fixture_verify(f);
}

static void the_sample_csv_has_one_bad_row(void **state)
{
    mu_load_fixture *f = *state;
    const char *path = MUSTER_SOURCE_DIR "/tests/data/luma-loyalty.csv";
    f->options.schema_file = mu_load_fixture_schema(f, "luma-schema.json");
    assert_int_equal(mu_load_fixture_load(f, 1, &path), MU_OK);
    mu_buf_add_char(&f->rejects, 0);
    assert_string_equal(
        f->rejects.ptr,
        "luma-loyalty.csv:3: loyalty.points: expected double, found text of another form\n");
    assert_int_equal(f->summary.n_read, 2);
    assert_int_equal(f->summary.n_loaded, 1);
    assert_rows(f, "profile lumaCrmId:CRM-100042 "
                   "{\"loyalty\":{\"tier\":\"gold\",\"points\":4125.0},"
                   "\"_luma\":{\"identification\":{\"crmId\":\"CRM-100042\","
                   "\"loyaltyId\":\"LOY-7781\"}},\"xEvent\":[]}\n");
}

/* -------- merging -------- */

#define EVENT(id, time, rest)                                                                      \
    "{\"_id\":\"" id "\",\"timestamp\":\"" time                                                    \
    "\",\"identityMap\":{\"crm\":[{\"id\":\"1\"}]}" rest "}\n"
#define IDENTITY_MAP "\"identityMap\":{\"crm\":[{\"id\":\"1\"}]}"

static void events_are_sorted_and_duplicates_collapse(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "in.ndjson",
         EVENT("b", "2026-03-01T00:00:02Z", "") EVENT("a", "2026-03-01T00:00:02Z", "")
             EVENT("c", "2026-03-01T00:00:01Z", ",\"eventType\":\"old\"")
                 EVENT("c", "2026-03-01T00:00:03Z", ",\"eventType\":\"new\""));
    assert_no_rejects(f);
    assert_int_equal(f->summary.n_loaded, 4);
    assert_int_equal(f->summary.n_duplicates, 1);
    static const char expected[] =
        "profile crm:1 {\"xEvent\":["
        "{\"_id\":\"a\",\"timestamp\":\"2026-03-01T00:00:02Z\"," IDENTITY_MAP
        ",\"$dataset\":\"default\"},"
        "{\"_id\":\"b\",\"timestamp\":\"2026-03-01T00:00:02Z\"," IDENTITY_MAP
        ",\"$dataset\":\"default\"},"
        "{\"_id\":\"c\",\"timestamp\":\"2026-03-01T00:00:03Z\",\"eventType\":\"new\"," IDENTITY_MAP
        ",\"$dataset\":\"default\"}]}\n";
    assert_rows(f, expected);
    /* the older one again: what is there is older than what comes */
    load(f, "again.ndjson", EVENT("b", "2026-03-01T00:00:02Z", ""));
    assert_int_equal(f->summary.n_duplicates, 1);
    assert_rows(f, expected);
    /* another dataset is another event */
    f->options.dataset = MU_STR("other");
    load(f, "other.ndjson", EVENT("b", "2026-03-01T00:00:02Z", ""));
    assert_int_equal(f->summary.n_duplicates, 0);
    assert_contains(mu_load_fixture_rows(f), "\"$dataset\":\"other\"");
}

static void loads_are_idempotent_without_ids(void **state)
{
    mu_load_fixture *f = *state;
    static const char reordered[] = "{" IDENTITY_MAP ",\"x\":{\"b\":[true],\"a\":1.0,\"n\":null},"
                                    "\"timestamp\":\"2026-03-01T00:00:01Z\"}\n";
    static const char lines[] =
        "{\"timestamp\":\"2026-03-01T00:00:01Z\",\"x\":{\"a\":1,\"b\":[true,false]}," IDENTITY_MAP
        "}\n"
        "{\"timestamp\":\"2026-03-01T00:00:01Z\",\"x\":{\"a\":1,\"b\":[true]}," IDENTITY_MAP "}\n";
    load(f, "in.ndjson", lines);
    assert_no_rejects(f);
    const char *rows = mu_load_fixture_rows(f);
    load(f, "in.ndjson", lines);
    assert_int_equal(f->summary.n_duplicates, 2);
    assert_string_equal(mu_load_fixture_rows(f), rows);
    load(f, "reordered.ndjson", reordered);
    assert_int_equal(f->summary.n_duplicates, 1);
    static const char csv[] = "identity:crm,timestamp,v\n9,2026-03-01T00:00:01Z,1\n"
                              "9,2026-03-01T00:00:01Z,2\n";
    load(f, "in.csv", csv);
    assert_int_equal(f->summary.n_duplicates, 0);
    load(f, "in.csv", csv);
    assert_int_equal(f->summary.n_duplicates, 2);
    mu_load_fixture_verify(f);
}

static void later_records_are_laid_over_earlier_ones(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "in.ndjson",
         "{" IDENTITY_MAP ",\"person\":{\"name\":{\"firstName\":\"A\",\"lastName\":\"B\"}},"
         "\"tags\":[\"x\",\"y\"]}\n"
         "{" IDENTITY_MAP ",\"person\":{\"name\":{\"firstName\":\"C\"}},\"tags\":[\"z\"],"
         "\"personID\":null}\n");
    assert_rows(f, "profile crm:1 {\"person\":{\"name\":{\"firstName\":\"C\","
                   "\"lastName\":\"B\"}}," IDENTITY_MAP ",\"tags\":[\"z\"],\"xEvent\":[]}\n");
    load(f, "event.ndjson", EVENT("e", "2026-03-01T00:00:01Z", ""));
    load(f, "record.ndjson",
         "{" IDENTITY_MAP ",\"person\":{\"name\":{\"lastName\":\"D\"}},\"tags\":[],\"new\":5}\n");
    assert_rows(f, "profile crm:1 {\"person\":{\"name\":{\"firstName\":\"C\","
                   "\"lastName\":\"D\"}}," IDENTITY_MAP ",\"tags\":[],\"new\":5,\"xEvent\":[{"
                   "\"_id\":\"e\",\"timestamp\":\"2026-03-01T00:00:01Z\"," IDENTITY_MAP
                   ",\"$dataset\":\"default\"}]}\n");
    mu_load_fixture_verify(f);
    mu_load_fixture_reopen(f);
    assert_contains(mu_load_fixture_rows(f), "\"new\":5");
}

static void lookup_records_are_replaced_whole(void **state)
{
    mu_load_fixture *f = *state;
    f->options.schema_file = mu_load_fixture_schema(f, "luma-schema.json");
    f->options.class_name = MU_STR("stores");
    load(f, "in.csv",
         "storeId,name,address.city,opened\nCHI-03,Chicago,Chicago,2020\n"
         "NYC-01,New York,New York,2021\n");
    assert_no_rejects(f);
    load(f, "in.ndjson", "{\"storeId\":\"CHI-03\",\"name\":\"Loop\"}\n");
    assert_rows(f, "stores :CHI-03 {\"storeId\":\"CHI-03\",\"name\":\"Loop\"}\n"
                   "stores :NYC-01 {\"storeId\":\"NYC-01\",\"name\":\"New York\","
                   "\"address\":{\"city\":\"New York\"},\"opened\":2021}\n");
    f->options.class_name = MU_STR("nothing");
    assert_int_equal(mu_load_fixture_text(f, "in.ndjson", "{}"), MU_E_INPUT);
    mu_load_fixture_verify(f);
}

static void columns_lead_into_maps(void **state)
{
    mu_load_fixture *f = *state;
    f->options.schema_file = mu_load_fixture_schema(f, "luma-schema.json");
    load(f, "in.csv",
         "_luma.identification.crmId,_luma.preferences.newsletterTopics.sale,"
         "_luma.preferences.newsletterTopics.events,_luma.preferences.categories,"
         "/homeAddress/city\n"
         "c1,true,,\"[\"\"run\"\"]\",Leeds\nc2,,,,\n");
    assert_no_rejects(f);
    assert_rows(f,
                "profile lumaCrmId:c1 {\"homeAddress\":{\"city\":\"Leeds\"},\"_luma\":{"
                "\"identification\":{\"crmId\":\"c1\"},\"preferences\":{\"categories\":[\"run\"],"
                "\"newsletterTopics\":{\"sale\":true}}},\"xEvent\":[]}\n"
                "profile lumaCrmId:c2 {\"_luma\":{\"identification\":{\"crmId\":\"c2\"}},"
                "\"xEvent\":[]}\n");
}

static void dotted_columns_make_objects(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "in.csv", "identity:crm,_new.deep.number,_new.text,_new.never.came\n1,5,a,\n2,,b,\n");
    assert_no_rejects(f);
    assert_rows(f, "profile crm:1 "
                   "{\"identityMap\":{\"crm\":[{\"id\":\"1\",\"primary\":true}]},\"_new\":{"
                   "\"deep\":{\"number\":5},"
                   "\"text\":\"a\"},\"xEvent\":[]}\n"
                   "profile crm:2 {\"identityMap\":{\"crm\":[{\"id\":\"2\",\"primary\":true}]},"
                   "\"_new\":{\"text\":\"b\"},\"xEvent\":[]}\n");
    mu_load_fixture_verify(f);
}

static void old_rows_take_new_fields(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "one.ndjson", EVENT("a", "2026-03-01T00:00:01Z", ",\"x\":{\"p\":[{\"q\":1}]}"));
    load(f, "two.ndjson",
         EVENT("b", "2026-03-01T00:00:02Z", ",\"x\":{\"p\":[{\"q\":2,\"r\":true}],\"s\":\"t\"}"));
    assert_rows(f, "profile crm:1 {\"xEvent\":["
                   "{\"_id\":\"a\",\"timestamp\":\"2026-03-01T00:00:01Z\"," IDENTITY_MAP
                   ",\"$dataset\":\"default\",\"x\":{\"p\":[{\"q\":1}]}},"
                   "{\"_id\":\"b\",\"timestamp\":\"2026-03-01T00:00:02Z\"," IDENTITY_MAP
                   ",\"$dataset\":\"default\",\"x\":{\"p\":[{\"q\":2,\"r\":true}],"
                   "\"s\":\"t\"}}]}\n");
    /* a kind that a load settled is final */
    load(f, "three.ndjson", EVENT("c", "2026-03-01T00:00:03Z", ",\"x\":{\"s\":2.5}"));
    mu_buf_add_char(&f->rejects, 0);
    assert_string_equal(f->rejects.ptr, "three.ndjson:1: x.s: expected string, found double\n");
    mu_load_fixture_verify(f);
}

/* -------- integers that turn out to be doubles (docs/decisions/0056) -------- */

static void inferred_integers_widen_in_a_later_load(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "one.ndjson",
         "{" IDENTITY_MAP ",\"n\":5,\"l\":[1,2],\"o\":{\"p\":[{\"q\":7}]}}\n"
         "{\"identityMap\":{\"crm\":[{\"id\":\"2\"}]},\"n\":6,\"l\":[3]}\n");
    load(f, "csv.csv", "identity:crm,c\n3,8\n");
    assert_contains(mu_load_fixture_types(f), "\"n\":{\"inferred\":\"integer\"}");
    /* 5.0 is a whole number and widens nothing; neither does text, which is rejected */
    load(f, "whole.ndjson", "{" IDENTITY_MAP ",\"n\":5.0}\n{" IDENTITY_MAP ",\"n\":\"5\"}\n");
    mu_buf_add_char(&f->rejects, 0);
    assert_string_equal(f->rejects.ptr, "whole.ndjson:2: n: expected integer, found string\n");
    assert_contains(mu_load_fixture_types(f), "\"n\":{\"inferred\":\"integer\"}");
    /* nor does a line that is rejected for another field */
    load(f, "bad.ndjson", "{" IDENTITY_MAP ",\"n\":5.5,\"person\":1}\n");
    assert_contains(mu_load_fixture_types(f), "\"n\":{\"inferred\":\"integer\"}");
    load(f, "two.ndjson",
         "{" IDENTITY_MAP ",\"n\":5.5}\n{" IDENTITY_MAP ",\"l\":[4,0.5]}\n"
         "{\"identityMap\":{\"crm\":[{\"id\":\"4\"}]},\"n\":9,\"o\":{\"p\":[{\"q\":-0.25}]}}\n");
    assert_no_rejects(f);
    load(f, "two.csv", "identity:crm,c\n5,8.5\n6,9\n");
    assert_no_rejects(f);
    mu_load_fixture_reopen(f);
    const char *types = mu_load_fixture_types(f);
    assert_null(strstr(types, "inferred"));
    assert_contains(types, "\"c\":\"double\"");
    assert_contains(types, "\"n\":\"double\"");
    assert_contains(types, "\"l\":{\"list\":\"double\"}");
    assert_contains(types, "\"q\":\"double\"");
    /* rows that were written again are converted, others keep what their part says */
    const char *rows = mu_load_fixture_rows(f);
    assert_contains(rows, "\"l\":[4.0,0.5],\"n\":5.5,\"o\":{\"p\":[{\"q\":7.0}]}");
    assert_contains(rows, "\"l\":[3],\"n\":6,");
    assert_contains(rows, "\"n\":9.0,\"o\":{\"p\":[{\"q\":-0.25}]}");
    assert_contains(rows, "\"c\":9.0");
    mu_load_fixture_verify(f);
}

static void integers_that_somebody_declared_stay(void **state)
{
    mu_load_fixture *f = *state;
    static const char *const kinds[] = {"integer", "double"};
    static const char half[] = "{" IDENTITY_MAP ",\"n\":0.5}\n";
    for (int i = 0; i < 2; i++) {
        mu_json json;
        mu_str text = mu_arena_format(
            &f->arena, "{\"class\":\"profile\",\"fields\":{\"n\":\"%s\",\"m%d\":\"integer\"}}",
            kinds[i], i);
        f->options.schema_file = NULL;
        f->options.is_strict = false;
        load(f, "ints.ndjson", "{" IDENTITY_MAP ",\"n\":5,\"k\":1}\n");
        f->options.is_strict = true;
        load(f, "strict.ndjson", "{" IDENTITY_MAP ",\"k\":0.5}\n");
        mu_buf_add_char(&f->rejects, 0);
        assert_string_equal(f->rejects.ptr, "strict.ndjson:1: k: expected integer, found double\n");
        f->options.is_strict = false;
        assert_int_equal(mu_json_read(f->reader, &f->arena, text, &json, &f->err), MU_OK);
        f->options.schema_file = &json;
        load(f, "half.ndjson", half);
        assert_int_equal(f->summary.n_rejected, kinds[i][0] == 'i');
        mu_load_fixture_fini(f);
        mu_load_fixture_init(f);
    }
}

/* P4, P11 and P12. */
static void names_and_identities_come_in_old_forms(void **state)
{
    mu_load_fixture *f = *state;
    load(f, "in.ndjson",
         "{\"header\":{\"datasetId\":\"d\"},\"body\":{\"xdmMeta\":{\"identityMap\":{\"email\":[{"
         "\"id\":\"a@b.c\",\"primary\":\"true\"}]}},\"xdmEntity\":{\"@id\":\"r\",\"xdm:person\":{"
         "\"xdm:name\":{\"xdm:firstName\":\"A\"}},\"repo:createDate\":\"2026-01-02 03:04:05\","
         "\"_repo\":{\"modifyDate\":\"2026-01-02T03:04:06+0100\"},\"segmentMembership\":{\"ups\":{"
         "\"s\":{\"status\":\"realized\"}},\"aam\":{\"t\":{\"status\":\"exited\"}}}}}}\n");
    assert_no_rejects(f);
    assert_rows(f, "profile Email:a@b.c {\"_id\":\"r\",\"_repo\":{\"createDate\":"
                   "\"2026-01-02T03:04:05Z\",\"modifyDate\":\"2026-01-02T02:04:06Z\"},"
                   "\"person\":{\"name\":{\"firstName\":\"A\"}},\"segmentMembership\":{\"aam\":{"
                   "\"t\":{\"status\":\"exited\"}}},\"identityMap\":{\"Email\":[{\"id\":\"a@b.c\","
                   "\"primary\":true}]},\"xEvent\":[]}\n");
}

/* -------- order, chunks, slices -------- */

static void add_random_line(mu_dice *dice, mu_buf *out, int i)
{
    static const char *const values[] = {"1",         "2.5",
                                         "\"x\"",     "true",
                                         "[1,2]",     "[]",
                                         "{\"p\":1}", "\"2026-01-02T03:04:05Z\"",
                                         "null",      "[{\"q\":\"r\"}]"};
    if (mu_dice_percent(dice, 70))
        mu_buf_add_format(out,
                          "{\"identityMap\":{\"crm\":[{\"id\":\"%u\"}]},\"_id\":\"e%d\","
                          "\"timestamp\":\"2026-03-01T00:%02u:%02uZ\"",
                          mu_dice_below(dice, 40), i, mu_dice_below(dice, 60),
                          mu_dice_below(dice, 60));
    else
        mu_buf_add_format(out, "{\"identityMap\":{\"crm\":[{\"id\":\"record %d\"}]}", i);
    for (int k = 0; k < 3; k++)
        mu_buf_add_format(out, ",\"f%d%u\":%s", k, mu_dice_below(dice, 6),
                          values[mu_dice_below(dice, k == 0   ? 10
                                                     : k == 1 ? 2
                                                              : 4)]);
    mu_buf_add_str(out, mu_dice_percent(dice, 3) ? MU_STR(",}\n") : MU_STR("}\n"));
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The reasons without file and line, sorted. */
static const char *sorted_reasons(mu_load_fixture *f)
{
    size_t n = 0;
    mu_str text = mu_arena_copy(&f->arena, mu_buf_str(&f->rejects));
    char **reasons = calloc(text.len + 1, sizeof *reasons);
    for (char *line = strtok((char *)(uintptr_t)text.ptr, "\n"); line; line = strtok(NULL, "\n"))
        reasons[n++] = strstr(line, ": ");
    if (n > 0)
        qsort(reasons, n, sizeof *reasons, compare_strings);
    mu_buf all;
    mu_buf_init(&all, SIZE_MAX);
    for (size_t i = 0; i < n; i++)
        mu_buf_add_format(&all, "%s\n", reasons[i]);
    const char *out = mu_arena_copy(&f->arena, mu_buf_str(&all)).ptr;
    mu_buf_free(&all);
    free(reasons);
    return out;
}

/* Every record has its own identity, so no line is later than another in what it says. */
static void order_of_lines_and_sizes_do_not_matter(void **state)
{
    (void)state;
    enum { LINES = 300 };
    uint64_t seed = mu_dice_seed("load_test", 3);
    for (uint32_t round = 0; round < mu_dice_cases(60) + 1; round++) {
        mu_dice dice;
        mu_dice_init(&dice, seed + round);
        mu_buf lines[LINES];
        const char *rows[2], *types[2], *reasons[2];
        mu_load_fixture f[2];
        for (int i = 0; i < LINES; i++) {
            mu_buf_init(&lines[i], 1 << 16);
            add_random_line(&dice, &lines[i], i);
        }
        for (int k = 0; k < 2; k++) {
            mu_buf text;
            mu_buf_init(&text, SIZE_MAX);
            for (int i = 0; i < LINES; i++)
                mu_buf_add_str(&text, mu_buf_str(&lines[i]));
            mu_buf_add_char(&text, 0);
            mu_load_fixture_init(&f[k]);
            if (k == 1)
                f[k].tuning = (mu_load_tuning){.chunk_bytes = 64 + mu_dice_below(&dice, 4000),
                                               .n_parts = 1 + mu_dice_below(&dice, 9),
                                               .n_slices = 1 + mu_dice_below(&dice, 40),
                                               .spread_bytes = 1 + mu_dice_below(&dice, 20000)};
            load(&f[k], "in.ndjson", text.ptr);
            rows[k] = mu_load_fixture_rows(&f[k]);
            types[k] = mu_load_fixture_types(&f[k]);
            reasons[k] = sorted_reasons(&f[k]);
            mu_load_fixture_verify(&f[k]);
            mu_buf_free(&text);
            for (int i = LINES - 1; i > 0; i--) {
                uint32_t other = mu_dice_below(&dice, (uint32_t)i + 1);
                mu_buf swap = lines[i];
                lines[i] = lines[other];
                lines[other] = swap;
            }
        }
        assert_string_equal(types[0], types[1]);
        assert_string_equal(reasons[0], reasons[1]);
        assert_int_equal(f[0].summary.n_loaded, f[1].summary.n_loaded);
        assert_string_equal(rows[0], rows[1]);
        for (int k = 0; k < 2; k++)
            mu_load_fixture_fini(&f[k]);
        for (int i = 0; i < LINES; i++)
            mu_buf_free(&lines[i]);
    }
}

/* The same lines in the same order give the same bytes whatever the chunks and slices. */
static void sizes_do_not_matter_for_csv(void **state)
{
    (void)state;
    uint64_t seed = mu_dice_seed("load_test csv", 4);
    for (uint32_t round = 0; round < mu_dice_cases(40) + 1; round++) {
        mu_dice dice;
        mu_dice_init(&dice, seed + round);
        mu_buf text;
        mu_buf_init(&text, SIZE_MAX);
        MU_BUF_ADD(&text, "_id,timestamp,identity:crm,note,n\r\n");
        static const char *const notes[] = {"plain",    "\"a\nb\"", "\"a\"\"b,c\"", "",
                                            "\"bad\"x", "\"open",   "5\" pipe"};
        for (int i = 0; i < 200; i++)
            mu_buf_add_format(&text, "e%d,2026-03-01T00:00:%02uZ,c%u,%s,%u%s", i,
                              mu_dice_below(&dice, 60), mu_dice_below(&dice, 30),
                              notes[mu_dice_below(&dice, round % 2 ? 4 : 7)],
                              mu_dice_below(&dice, 5), mu_dice_percent(&dice, 80) ? "\n" : "\r\n");
        mu_buf_add_char(&text, 0);
        const char *rows[2], *rejects[2];
        mu_load_fixture f[2];
        for (int k = 0; k < 2; k++) {
            mu_load_fixture_init(&f[k]);
            if (k == 1)
                f[k].tuning = (mu_load_tuning){.chunk_bytes = 100 + mu_dice_below(&dice, 3000),
                                               .n_parts = 1 + mu_dice_below(&dice, 5),
                                               .n_slices = 1 + mu_dice_below(&dice, 40),
                                               .spread_bytes = 1 + mu_dice_below(&dice, 10000)};
            load(&f[k], "in.csv", text.ptr);
            rows[k] = mu_load_fixture_rows(&f[k]);
            rejects[k] = mu_arena_copy(&f[k].arena, mu_buf_str(&f[k].rejects)).ptr;
        }
        assert_string_equal(rows[0], rows[1]);
        assert_string_equal(rejects[0], rejects[1]);
        for (int k = 0; k < 2; k++)
            mu_load_fixture_fini(&f[k]);
        mu_buf_free(&text);
    }
}

/* -------- files -------- */

static void files_of_all_shapes_are_read(void **state)
{
    mu_load_fixture *f = *state;
    const char *paths[] = {
        mu_load_fixture_file(f, "empty.ndjson", MU_STR("")),
        mu_load_fixture_file(f, "empty.csv", MU_STR("")),
        mu_load_fixture_file(f, "bom.csv", MU_STR("\xef\xbb\xbfidentity:crm,n\r\n1,5\r\n")),
        mu_load_fixture_file(f, "bom.json", MU_STR("\xef\xbb\xbf{" IDENTITY_MAP ",\"m\":6}")),
        mu_load_fixture_file(f, "sniffed", MU_STR("identity:crm,k\n1,7")),
        mu_load_fixture_file(f, "header.csv", MU_STR("identity:crm")),
    };
    if (mu_load_fixture_load(f, sizeof paths / sizeof *paths, paths) != MU_OK)
        fail_msg("%s", f->err.text);
    assert_no_rejects(f);
    assert_int_equal(f->summary.n_read, 3);
    assert_contains(mu_load_fixture_rows(f), "\"k\":7,\"m\":6,\"n\":5");
}

static void a_bad_header_or_file_ends_the_load(void **state)
{
    mu_load_fixture *f = *state;
    static const char *const headers[][2] = {
        {"identity:crm,a,a\n1,2,3\n", "column \"a\" occurs twice"},
        {"identity:crm,a.b,a\n1,2,3\n", "column \"a.b\" lies beneath another column"},
        {"identity:crm,a..b\n1,2\n", "column \"a..b\" has an empty name"},
        {"identity:,a\n1,2\n", "column \"identity:\" names no namespace"},
        {"identity:crm,person.name.firstName.x\n1,2\n",
         "passes through a field that is neither object nor map"},
        {"identity:crm,$key\n1,2\n", "reserved"},
        {"identity:crm,\"a\n1,2\n", "has a quote that is not closed"},
        {"identity:crm,identityMap\n1,2\n", "exclude each other"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        assert_int_equal(mu_load_fixture_text(f, "in.csv", headers[i][0]), MU_E_INPUT);
        assert_contains(f->err.text, headers[i][1]);
    }
    const char *paths[] = {mu_load_fixture_file(f, "good.ndjson", MU_STR("{" IDENTITY_MAP "}")),
                           "/no/such/file"};
    assert_int_equal(mu_load_fixture_load(f, 2, paths), MU_E_IO);
    assert_rows(f, "");
}

static void fail_fast_leaves_nothing(void **state)
{
    mu_load_fixture *f = *state;
    f->options.fail_fast = true;
    assert_int_equal(mu_load_fixture_text(f, "in.ndjson", "{" IDENTITY_MAP "}\n{}\n{\n"),
                     MU_E_INPUT);
    assert_contains(f->err.text, "in.ndjson:2: the record has no identity");
    assert_rows(f, "");
    assert_int_equal(mu_load_fixture_text(f, "late.ndjson",
                                          "{" IDENTITY_MAP ",\"a\":1}\n{" IDENTITY_MAP ",\"a\":1}\n"
                                          "{" IDENTITY_MAP ",\"a\":\"x\"}\n"),
                     MU_E_INPUT);
    assert_contains(f->err.text, "late.ndjson:3: a: expected integer, found string");
    assert_rows(f, "");
}

static void a_line_past_the_ceiling_is_skipped(void **state)
{
    mu_load_fixture *f = *state;
    mu_buf text;
    mu_buf_init(&text, SIZE_MAX);
    MU_BUF_ADD(&text, "{" IDENTITY_MAP ",\"a\":1}\n{\"long\":\"");
    size_t len = (size_t)100 << 20;
    char *room = mu_buf_reserve(&text, len);
    assert_non_null(room);
    memset(room, 'x', len);
    text.len += len;
    MU_BUF_ADD(&text, "\"}\n{" IDENTITY_MAP ",\"b\":2}\n");
    const char *path = mu_load_fixture_file(f, "in.ndjson", mu_buf_str(&text));
    mu_buf_free(&text);
    assert_int_equal(mu_load_fixture_load(f, 1, &path), MU_OK);
    mu_buf_add_char(&f->rejects, 0);
    assert_string_equal(f->rejects.ptr, "in.ndjson:2: line longer than 64 MiB\n");
    assert_int_equal(f->summary.n_read, 3);
    assert_int_equal(f->summary.n_loaded, 2);
    assert_contains(mu_load_fixture_rows(f), "\"a\":1,\"b\":2");
}

static void too_many_fields_end_the_load(void **state)
{
    mu_load_fixture *f = *state;
    mu_buf text;
    mu_buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 10100; i++)
        mu_buf_add_format(&text, "{" IDENTITY_MAP ",\"field%d\":1}\n", i);
    mu_buf_add_char(&text, 0);
    assert_int_equal(mu_load_fixture_text(f, "in.ndjson", text.ptr), MU_E_LIMIT);
    mu_buf_free(&text);
    assert_rows(f, "");
}

/* -------- killed -------- */

static const char *write_many(mu_load_fixture *f, int n)
{
    mu_buf text;
    mu_buf_init(&text, SIZE_MAX);
    for (int i = 0; i < n; i++)
        mu_buf_add_format(&text,
                          "{\"_id\":\"e%d\",\"timestamp\":\"2026-03-01T00:00:00Z\","
                          "\"identityMap\":{\"crm\":[{\"id\":\"%d\"}]},\"n\":%d}\n",
                          i, i % 997, i);
    const char *path = mu_load_fixture_file(f, "many.ndjson", mu_buf_str(&text));
    mu_buf_free(&text);
    return path;
}

/* Loads in a child that is killed after `us`; true when the load was done before. */
static bool load_and_kill(mu_load_fixture *f, const char *path, useconds_t us)
{
    mu_store_close(f->store);
    f->store = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mu_load_fixture_reopen(f);
        _exit(mu_load_fixture_load(f, 1, &path) == MU_OK ? 0 : 9);
    }
    usleep(us);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    mu_load_fixture_reopen(f);
    return WIFEXITED(status);
}

static void a_killed_load_leaves_nothing_or_all(void **state)
{
    mu_load_fixture *f = *state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("load_test kill", 7));
    f->tuning = (mu_load_tuning){
        .chunk_bytes = 20000, .n_parts = 4, .n_slices = 12, .spread_bytes = 100000};
    load(f, "before.ndjson", EVENT("e", "2026-02-01T00:00:00Z", ",\"eventType\":\"before\""));
    const char *path = write_many(f, 20000);
    const char *before = mu_load_fixture_rows(f);
    int n_killed = 0;
    for (int i = 0; i < 15; i++) {
        bool done = load_and_kill(f, path, 500 + mu_dice_below(&dice, 150000));
        mu_load_fixture_verify(f);
        const char *after = mu_load_fixture_rows(f);
        bool nothing = strcmp(before, after) == 0;
        n_killed += nothing;
        if (!nothing) {
            before = after;
            assert_contains(after, "\"_id\":\"e19999\"");
        }
        assert_true(nothing ? !done || i > 0 : true);
        mu_arena_reset(&f->arena);
        before = mu_load_fixture_rows(f);
        path = write_many(f, 20000);
    }
    assert_true(n_killed > 0);
    assert_int_equal(mu_load_fixture_load(f, 1, &path), MU_OK);
    assert_no_rejects(f);
    const char *rows = mu_load_fixture_rows(f);
    assert_contains(rows, "\"eventType\":\"before\"");
    size_t n_events = 0;
    for (const char *at = rows; (at = strstr(at, "\"_id\":\"e")) != NULL; at++)
        n_events++;
    assert_int_equal(n_events, 20001);
    mu_load_fixture_verify(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sample_messages_make_one_profile),
        TEST(the_sample_csv_has_one_bad_row),
        TEST(events_are_sorted_and_duplicates_collapse),
        TEST(loads_are_idempotent_without_ids),
        TEST(later_records_are_laid_over_earlier_ones),
        TEST(dotted_columns_make_objects),
        TEST(old_rows_take_new_fields),
        TEST(inferred_integers_widen_in_a_later_load),
        TEST(integers_that_somebody_declared_stay),
        TEST(names_and_identities_come_in_old_forms),
        TEST(lookup_records_are_replaced_whole),
        TEST(columns_lead_into_maps),
        cmocka_unit_test(order_of_lines_and_sizes_do_not_matter),
        cmocka_unit_test(sizes_do_not_matter_for_csv),
        TEST(files_of_all_shapes_are_read),
        TEST(a_bad_header_or_file_ends_the_load),
        TEST(fail_fast_leaves_nothing),
        TEST(a_line_past_the_ceiling_is_skipped),
        TEST(too_many_fields_end_the_load),
        TEST(a_killed_load_leaves_nothing_or_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
