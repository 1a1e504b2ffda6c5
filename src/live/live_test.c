/* live_test.c -- records applied, folded, replayed and looked up, compared with a slow model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/ingest.h"
#include "live/live.h"
#include "tests/support/dice.h"
#include "tests/support/part_rows.h"

#include "base/file.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define N_IDENTITIES 40u
#define N_DATASETS   3u
#define N_KEYS       4u

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

/* -------- the model: what is known of every identity, and which pairs are linked -------- */

typedef struct model_fragment {
    bool exists;
    uint64_t sequence;
    int first, city; /* values by number; 0: none */
} model_fragment;

typedef struct model_identity {
    model_fragment fragments[N_DATASETS];
    int events[N_DATASETS][N_KEYS]; /* the event's type; 0: none */
} model_identity;

typedef struct model {
    model_identity identities[N_IDENTITIES];
    bool linked[N_IDENTITIES][N_IDENTITIES];
} model;

static void reach(const model *m, uint32_t from, bool *reached)
{
    reached[from] = true;
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        if (m->linked[from][i] && !reached[i])
            reach(m, i, reached);
}

static bool has_content(const model_identity *one)
{
    bool has = false;
    for (uint32_t d = 0; d < N_DATASETS; d++) {
        has |= one->fragments[d].exists;
        for (uint32_t k = 0; k < N_KEYS; k++)
            has |= one->events[d][k] != 0;
    }
    return has;
}

/* -------- the fixture -------- */

typedef struct fixture {
    mu_dice dice;
    char *folder;
    mu_metrics *metrics;
    mu_live *live;
    mu_sandbox *sandbox;
    model model;
    int n_values;
    char names[N_IDENTITIES][64];
    _Atomic bool stop;
} fixture;

static void open_live(fixture *f)
{
    mu_err err;
    mu_live_options options = {.folder = f->folder, .n_threads = 1, .metrics = f->metrics};
    assert_done(mu_live_open(&options, &f->live, &err), err);
    assert_done(mu_live_sandbox(f->live, MU_STR("prod"), &f->sandbox, &err), err);
}

static void reopen(fixture *f)
{
    mu_live_close(f->live);
    open_live(f);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_dice_init(&f->dice, mu_dice_seed("live/live", 1));
    f->folder = mu_make_temporary_folder();
    f->metrics = mu_metrics_new();
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        snprintf(f->names[i], sizeof f->names[i], i % 3 == 0 ? "+1 555 %04u" : "p%u@example.com",
                 i);
    open_live(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_live_close(f->live);
    mu_metrics_free(f->metrics);
    mu_remove_folder(f->folder);
    free(f);
    return 0;
}

static mu_identity identity_of(const fixture *f, uint32_t i)
{
    return (mu_identity){i % 3 == 0 ? MU_STR("Phone") : MU_STR("Email"), mu_str_from(f->names[i])};
}

static mu_str dataset_of(uint32_t d)
{
    static const char *const names[N_DATASETS] = {"crm", "web", "loyalty"};
    return mu_str_from(names[d]);
}

static uint64_t append(fixture *f, mu_record *record)
{
    mu_err err;
    uint64_t sequence = 0;
    record->received_ms = 1773144000000;
    assert_done(mu_sandbox_append(f->sandbox, 1, record, &sequence, &err), err);
    assert_done(mu_live_wait(f->live, sequence, &err), err);
    return sequence;
}

/* -------- random operations, done to both -------- */

static void write_fragment(fixture *f, mu_record_kind kind, uint32_t i, uint32_t j, uint32_t d)
{
    char document[256];
    int first = mu_dice_percent(&f->dice, 60) ? ++f->n_values : 0;
    int city = mu_dice_percent(&f->dice, 60) ? ++f->n_values : 0;
    int len = snprintf(document, sizeof document, "{\"personID\":\"x\"");
    if (first != 0)
        len += snprintf(document + len, sizeof document - (size_t)len,
                        ",\"person\":{\"name\":{\"firstName\":\"v%d\"}}", first);
    if (city != 0)
        len += snprintf(document + len, sizeof document - (size_t)len,
                        ",\"homeAddress\":{\"city\":\"v%d\"}", city);
    snprintf(document + len, sizeof document - (size_t)len, "}");
    mu_identity identities[] = {identity_of(f, i), identity_of(f, j)};
    mu_record record = {.kind = kind,
                        .dataset = dataset_of(d),
                        .n_identities = 2,
                        .n_linked = i == j ? 1 : 2,
                        .identities = identities,
                        .document = mu_str_from(document)};
    if (i == j)
        record.n_identities = 1;
    model_fragment *fragment = &f->model.identities[i].fragments[d];
    fragment->sequence = append(f, &record);
    if (kind == MU_RECORD_CREATE)
        fragment->first = fragment->city = 0;
    fragment->exists = true;
    fragment->first = first != 0 ? first : fragment->first;
    fragment->city = city != 0 ? city : fragment->city;
    if (i != j)
        f->model.linked[i][j] = f->model.linked[j][i] = true;
}

static void write_event(fixture *f, uint32_t i, uint32_t j, uint32_t d, uint32_t k)
{
    char document[256], key[64];
    int type = ++f->n_values;
    snprintf(key, sizeof key, "e-%u-%u", i, k);
    snprintf(document, sizeof document,
             "{\"_id\":\"%s\",\"timestamp\":\"2026-03-10T11:%02u:00Z\",\"eventType\":\"t%d\"}", key,
             k, type);
    mu_identity identities[] = {identity_of(f, i), identity_of(f, j)};
    mu_record record = {.kind = MU_RECORD_EVENT,
                        .time_ms = 1773140400000 + k * 60000,
                        .dataset = dataset_of(d),
                        .key = mu_str_from(key),
                        .n_identities = i == j ? 1 : 2,
                        .n_linked = i == j ? 1 : 2,
                        .identities = identities,
                        .document = mu_str_from(document)};
    append(f, &record);
    f->model.identities[i].events[d][k] = type;
    if (i != j)
        f->model.linked[i][j] = f->model.linked[j][i] = true;
}

static void delete_fragment(fixture *f, uint32_t i, uint32_t d)
{
    mu_identity identity = identity_of(f, i);
    mu_record record = {.kind = MU_RECORD_DELETE,
                        .dataset = dataset_of(d),
                        .n_identities = 1,
                        .n_linked = 1,
                        .identities = &identity,
                        .document = MU_STR("{}")};
    append(f, &record);
    f->model.identities[i].fragments[d] = (model_fragment){0};
}

static void erase(fixture *f, uint32_t i)
{
    bool reached[N_IDENTITIES] = {false};
    mu_identity identity = identity_of(f, i);
    mu_record record = {
        .kind = MU_RECORD_ERASE, .n_identities = 1, .n_linked = 1, .identities = &identity};
    append(f, &record);
    reach(&f->model, i, reached);
    for (uint32_t one = 0; one < N_IDENTITIES; one++) {
        if (!reached[one])
            continue;
        f->model.identities[one] = (model_identity){0};
        for (uint32_t other = 0; other < N_IDENTITIES; other++)
            f->model.linked[one][other] = f->model.linked[other][one] = false;
    }
}

static void drop_dataset(fixture *f, uint32_t d)
{
    mu_record record = {.kind = MU_RECORD_DROP, .dataset = dataset_of(d)};
    append(f, &record);
    for (uint32_t i = 0; i < N_IDENTITIES; i++) {
        f->model.identities[i].fragments[d] = (model_fragment){0};
        memset(f->model.identities[i].events[d], 0, sizeof f->model.identities[i].events[d]);
    }
}

/* Links stay within groups of eight, so that clusters differ. */
static uint32_t partner_of(fixture *f, uint32_t i)
{
    if (mu_dice_percent(&f->dice, 75))
        return i;
    return i / 8 * 8 + mu_dice_below(&f->dice, 8);
}

static void do_something(fixture *f)
{
    uint32_t i = mu_dice_below(&f->dice, N_IDENTITIES), d = mu_dice_below(&f->dice, N_DATASETS);
    uint32_t what = mu_dice_below(&f->dice, 100);
    if (what < 25)
        write_fragment(f, MU_RECORD_CREATE, i, partner_of(f, i), d);
    else if (what < 45)
        write_fragment(f, MU_RECORD_MERGE, i, partner_of(f, i), d);
    else if (what < 85)
        write_event(f, i, partner_of(f, i), d, mu_dice_below(&f->dice, N_KEYS));
    else if (what < 92)
        delete_fragment(f, i, d);
    else if (what < 99)
        erase(f, i);
    else
        drop_dataset(f, d);
}

/* -------- comparing -------- */

static void assert_text(mu_value value, int expected, const char *what)
{
    char text[32];
    if (expected == 0) {
        if (!mu_value_is_null(value))
            fail_msg("%s is there", what);
        return;
    }
    snprintf(text, sizeof text, "v%d", expected);
    if (value.kind != MU_TYPE_STRING || !mu_str_equal(value.string, mu_str_from(text)))
        fail_msg("%s is not %s", what, text);
}

static int newest(const fixture *f, const bool *reached, bool wants_city)
{
    uint64_t best = 0;
    int value = 0;
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        for (uint32_t d = 0; reached[i] && d < N_DATASETS; d++) {
            const model_fragment *fragment = &f->model.identities[i].fragments[d];
            int one = wants_city ? fragment->city : fragment->first;
            if (fragment->exists && one != 0 && fragment->sequence > best) {
                best = fragment->sequence;
                value = one;
            }
        }
    return value;
}

static void assert_events(const fixture *f, const bool *reached, mu_value events)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        for (uint32_t d = 0; reached[i] && d < N_DATASETS; d++)
            for (uint32_t k = 0; k < N_KEYS; k++)
                n += f->model.identities[i].events[d][k] != 0;
    /* The same _id under another dataset is another event. */
    assert_int_equal(events.n, n);
    for (uint32_t e = 0; e < events.n; e++) {
        mu_value id = mu_value_member(events.items[e], MU_STR("_id"));
        mu_value type = mu_value_member(events.items[e], MU_STR("eventType"));
        mu_value dataset = mu_value_member(events.items[e], MU_STR("$dataset"));
        char text[64], number[32];
        uint32_t i, k, d = 0;
        snprintf(text, sizeof text, MU_STR_FMT, MU_STR_ARG(id.string));
        assert_int_equal(sscanf(text, "e-%u-%u", &i, &k), 2);
        while (!mu_str_equal(dataset_of(d), dataset.string))
            d++;
        assert_true(reached[i]);
        snprintf(number, sizeof number, "t%d", f->model.identities[i].events[d][k]);
        assert_true(mu_str_equal(type.string, mu_str_from(number)));
    }
}

static void check_identity(fixture *f, uint32_t i)
{
    static const mu_merge_policy base = {.uses_graph = true};
    bool reached[N_IDENTITIES] = {false};
    bool has = false;
    mu_err err;
    mu_lookup lookup;
    mu_profile_view view;
    mu_arena arena;
    reach(&f->model, i, reached);
    for (uint32_t one = 0; one < N_IDENTITIES; one++)
        has |= reached[one] && has_content(&f->model.identities[one]);
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_sandbox_lookup(f->sandbox, identity_of(f, i), &arena, &lookup, &err);
    if (!has) {
        assert_int_equal(code, MU_E_NOT_FOUND);
        mu_arena_free(&arena);
        return;
    }
    assert_done(code, err);
    assert_done(mu_content_view(&arena, lookup.schema, &lookup.content, &base, 0, &view, &err),
                err);
    mu_value name =
        mu_value_member(mu_value_member(view.attributes, MU_STR("person")), MU_STR("name"));
    mu_value address = mu_value_member(view.attributes, MU_STR("homeAddress"));
    assert_text(mu_value_member(name, MU_STR("firstName")), newest(f, reached, false), "firstName");
    assert_text(mu_value_member(address, MU_STR("city")), newest(f, reached, true), "city");
    assert_events(f, reached, view.events);
    mu_snapshot_release(lookup.snapshot);
    mu_arena_free(&arena);
}

static void check_snapshot(fixture *f)
{
    bool seen[N_IDENTITIES] = {false};
    uint64_t n_rows = 0, n_events = 0;
    mu_err err;
    mu_snapshot *snapshot;
    for (uint32_t i = 0; i < N_IDENTITIES; i++) {
        bool reached[N_IDENTITIES] = {false}, has = false;
        if (seen[i])
            continue;
        reach(&f->model, i, reached);
        for (uint32_t one = 0; one < N_IDENTITIES; one++) {
            seen[one] |= reached[one];
            has |= reached[one] && has_content(&f->model.identities[one]);
            for (uint32_t d = 0; reached[one] && d < N_DATASETS; d++)
                for (uint32_t k = 0; k < N_KEYS; k++)
                    n_events += f->model.identities[one].events[d][k] != 0;
        }
        n_rows += has;
    }
    assert_done(mu_sandbox_snapshot(f->sandbox, &snapshot, &err), err);
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, n_rows);
    assert_int_equal(entity == NULL ? 0 : entity->n_events, n_events);
    mu_snapshot_release(snapshot);
}

static void check_all(fixture *f)
{
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        check_identity(f, i);
    check_snapshot(f);
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        check_identity(f, i);
}

/* -------- tests -------- */

static void what_was_appended_is_found(void **state)
{
    fixture *f = *state;
    mu_err err;
    write_fragment(f, MU_RECORD_CREATE, 1, 2, 0);
    write_event(f, 2, 2, 1, 0);
    check_all(f);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    check_all(f);
    reopen(f);
    check_all(f);
    write_event(f, 1, 1, 1, 1);
    reopen(f);
    check_all(f);
}

static void random_histories_agree_with_the_model(void **state)
{
    fixture *f = *state;
    mu_err err;
    uint32_t n = getenv("MUSTER_QUICK") == NULL ? 4000 : 800;
    for (uint32_t i = 0; i < n; i++) {
        do_something(f);
        if (mu_dice_percent(&f->dice, 5))
            check_identity(f, mu_dice_below(&f->dice, N_IDENTITIES));
        if (mu_dice_percent(&f->dice, 4))
            check_snapshot(f);
        if (mu_dice_percent(&f->dice, 2))
            assert_done(mu_sandbox_fold(f->sandbox, &err), err);
        if (mu_dice_percent(&f->dice, 1))
            reopen(f);
        if (i % 200 == 199)
            check_all(f);
    }
    assert_done(mu_sandbox_purge(f->sandbox, &err), err);
    check_all(f);
    reopen(f);
    check_all(f);
}

static void *publish_all_the_time(void *context)
{
    fixture *f = context;
    mu_err err;
    while (!atomic_load(&f->stop)) {
        mu_snapshot *snapshot;
        assert_done(mu_sandbox_snapshot(f->sandbox, &snapshot, &err), err);
        mu_snapshot_release(snapshot);
        assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    }
    return NULL;
}

static void histories_agree_while_others_publish_and_fold(void **state)
{
    fixture *f = *state;
    pthread_t thread;
    uint32_t n = getenv("MUSTER_QUICK") == NULL ? 3000 : 600;
    atomic_store(&f->stop, false);
    assert_int_equal(pthread_create(&thread, NULL, publish_all_the_time, f), 0);
    for (uint32_t i = 0; i < n; i++) {
        do_something(f);
        if (mu_dice_percent(&f->dice, 20))
            check_identity(f, mu_dice_below(&f->dice, N_IDENTITIES));
    }
    atomic_store(&f->stop, true);
    pthread_join(thread, NULL);
    check_all(f);
    reopen(f);
    check_all(f);
}

static void a_new_field_finds_what_came_before(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_lookup lookup;
    mu_snapshot *snapshot;
    mu_json json;
    mu_schema const *schema;
    mu_identity identity = identity_of(f, 1);
    mu_record event = {
        .kind = MU_RECORD_EVENT,
        .time_ms = 1773140400000,
        .dataset = MU_STR("web"),
        .key = MU_STR("k"),
        .n_identities = 1,
        .n_linked = 1,
        .identities = &identity,
        .document = MU_STR("{\"_id\":\"k\",\"timestamp\":\"2026-03-10T11:00:00Z\","
                           "\"_shop\":{\"mood\":\"fine\"}}"),
    };
    append(f, &event);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    mu_arena_init(&arena, SIZE_MAX);
    assert_done(mu_sandbox_snapshot(f->sandbox, &snapshot, &err), err);
    mu_json_reader *reader = mu_json_reader_new();
    assert_done(mu_json_read(reader, &arena,
                             MU_STR("{\"class\":\"event\",\"fields\":{\"_shop.mood\":\"string\"}}"),
                             &json, &err),
                err);
    mu_json_reader_free(reader);
    assert_done(mu_schema_extend(&arena, mu_snapshot_schema(snapshot), &json, &schema, &err), err);
    assert_done(mu_sandbox_set_schema(f->sandbox, schema, &err), err);
    mu_snapshot_release(snapshot);
    for (int i = 0; i < 2; i++) {
        assert_done(mu_sandbox_lookup(f->sandbox, identity, &arena, &lookup, &err), err);
        assert_int_equal(lookup.content.events.n, 1);
        mu_value shop = mu_value_member(lookup.content.events.items[0], MU_STR("_shop"));
        mu_value mood = mu_value_member(shop, MU_STR("mood"));
        assert_true(mood.kind == MU_TYPE_STRING && mu_str_equal(mood.string, MU_STR("fine")));
        mu_snapshot_release(lookup.snapshot);
        reopen(f);
    }
    mu_arena_free(&arena);
}

static void sandboxes_know_nothing_of_one_another(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_sandbox *other;
    mu_lookup lookup;
    write_fragment(f, MU_RECORD_CREATE, 1, 1, 0);
    assert_done(mu_live_sandbox(f->live, MU_STR("dev"), &other, &err), err);
    mu_arena_init(&arena, SIZE_MAX);
    assert_int_equal(mu_sandbox_lookup(other, identity_of(f, 1), &arena, &lookup, &err),
                     MU_E_NOT_FOUND);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    reopen(f);
    other = mu_live_find_sandbox(f->live, MU_STR("dev"));
    assert_non_null(other);
    assert_int_equal(mu_sandbox_lookup(other, identity_of(f, 1), &arena, &lookup, &err),
                     MU_E_NOT_FOUND);
    check_all(f);
    mu_arena_free(&arena);
}

/* -------- what bulk loads stored -------- */

static mu_code load_text(fixture *f, const char *text, mu_load_summary *summary, mu_err *err)
{
    char path[4096];
    mu_store *store;
    mu_load_options options = {.class_name = MU_STR("auto"),
                               .dataset = MU_STR(""),
                               .n_threads = 1,
                               .memory_max_bytes = (size_t)64 << 20,
                               .now_ms = 1773144000000};
    const char *files[] = {path};
    snprintf(path, sizeof path, "%s.ndjson", f->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &store, err), *err);
    mu_code code = mu_load(store, &options, 1, files, summary, err);
    mu_store_close(store);
    remove(path);
    return code;
}

static mu_content look_up(fixture *f, const char *namespace_code, const char *value,
                          mu_arena *arena, mu_snapshot **snapshot)
{
    mu_err err;
    mu_lookup lookup;
    mu_identity identity = {mu_str_from(namespace_code), mu_str_from(value)};
    assert_done(mu_sandbox_lookup(f->sandbox, identity, arena, &lookup, &err), err);
    *snapshot = lookup.snapshot;
    return lookup.content;
}

static void bulk_rows_are_linked_and_go_on_living(void **state)
{
    static const char people[] =
        "{\"identityMap\":{\"Email\":[{\"id\":\"ada@example.com\",\"primary\":true}],"
        "\"Phone\":[{\"id\":\"+1 555 0142\"}]},\"person\":{\"name\":{\"firstName\":\"Ada\"}}}\n"
        "{\"_id\":\"e1\",\"timestamp\":\"2026-03-10T10:00:00Z\",\"eventType\":\"t1\","
        "\"identityMap\":"
        "{\"ECID\":[{\"id\":\"87425148613594122803641603982383516983\",\"primary\":true}],"
        "\"email\":[{\"id\":\"ada@example.com\"}]}}\n"
        "{\"identityMap\":{\"Email\":[{\"id\":\"gus@example.com\"}]},"
        "\"person\":{\"name\":{\"firstName\":\"Gus\"}}}\n";
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_snapshot *snapshot;
    mu_load_summary summary;
    mu_live_close(f->live);
    mu_remove_folder(f->folder);
    f->folder = mu_make_temporary_folder();
    assert_done(load_text(f, people, &summary, &err), err);
    assert_int_equal(summary.n_loaded, 3);
    open_live(f);
    mu_arena_init(&arena, SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        static const char *const keys[][2] = {{"Email", "ada@example.com"},
                                              {"Phone", "+1 555 0142"},
                                              {"ECID", "87425148613594122803641603982383516983"}};
        for (size_t k = 0; k < 3; k++) {
            mu_content content = look_up(f, keys[k][0], keys[k][1], &arena, &snapshot);
            assert_int_equal(content.cluster.n_identities, 3);
            assert_int_equal(content.events.n, 1);
            assert_int_equal(content.n_fragments, 1);
            mu_snapshot_release(snapshot);
        }
        assert_int_equal(
            look_up(f, "Email", "gus@example.com", &arena, &snapshot).cluster.n_identities, 1);
        mu_snapshot_release(snapshot);
        assert_done(mu_sandbox_snapshot(f->sandbox, &snapshot, &err), err);
        assert_int_equal(mu_snapshot_entity(snapshot, MU_STR("profile"))->n_rows, 2);
        mu_snapshot_release(snapshot);
        if (i == 1)
            assert_done(mu_sandbox_fold(f->sandbox, &err), err);
        reopen(f);
    }
    /* From here on the log and the rows belong together: a load would know of neither. */
    mu_live_close(f->live);
    f->live = NULL;
    assert_int_equal(load_text(f, people, &summary, &err), MU_E_CONFLICT);
    mu_arena_free(&arena);
}

/* -------- retention -------- */

static void what_is_old_expires(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_snapshot *snapshot;
    mu_lookup lookup;
    mu_record settings = {
        .kind = MU_RECORD_SETTINGS,
        .document =
            MU_STR("{\"retention\":{\"eventExpiration\":[{\"datasetId\":\"web\",\"days\":1}],"
                   "\"pseudonymousExpiration\":{\"namespaces\":[\"Phone\"],\"days\":14}}}")};
    write_event(f, 0, 0, 0, 1);                   /* Phone alone: goes as a whole */
    write_event(f, 1, 1, 0, 1);                   /* Email, in crm: stays */
    write_event(f, 2, 2, 1, 1);                   /* Email, in web: its only event goes */
    write_fragment(f, MU_RECORD_CREATE, 4, 3, 0); /* Email and Phone: stays */
    append(f, &settings);
    assert_done(mu_sandbox_expire(f->sandbox, &err), err);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    mu_arena_init(&arena, SIZE_MAX);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mu_sandbox_lookup(f->sandbox, identity_of(f, 0), &arena, &lookup, &err),
                         MU_E_NOT_FOUND);
        assert_int_equal(mu_sandbox_lookup(f->sandbox, identity_of(f, 2), &arena, &lookup, &err),
                         MU_E_NOT_FOUND);
        assert_int_equal(look_up(f, "Email", f->names[1], &arena, &snapshot).events.n, 1);
        mu_snapshot_release(snapshot);
        assert_int_equal(look_up(f, "Phone", f->names[3], &arena, &snapshot).n_fragments, 1);
        mu_snapshot_release(snapshot);
        reopen(f);
    }
    mu_arena_free(&arena);
}

/* -------- damage -------- */

/* Changes every byte of a stretch of the largest part of the folder, or changes it back. */
static void damage_largest_part(const fixture *f)
{
    char path[4096], largest[4096] = "";
    off_t size = 0;
    struct stat info;
    snprintf(path, sizeof path, "%s/parts", f->folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/parts/%s", f->folder, entry->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > size) {
            size = info.st_size;
            memcpy(largest, path, sizeof largest);
        }
    }
    closedir(dir);
    FILE *file = fopen(largest, "r+b");
    assert_non_null(file);
    for (long at = 64; at < (long)size - 256; at++) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        fputc(byte ^ 0x55, file);
    }
    fclose(file);
}

static void a_damaged_sandbox_keeps_no_other_from_being_served(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_sandbox *other;
    mu_lookup lookup;
    mu_snapshot *snapshot;
    uint64_t sequence;
    mu_identity ada = {MU_STR("Email"), MU_STR("ada@example.com")};
    mu_record record = {.kind = MU_RECORD_CREATE,
                        .received_ms = 1773144000000,
                        .dataset = MU_STR("crm"),
                        .n_identities = 1,
                        .n_linked = 1,
                        .identities = &ada,
                        .document = MU_STR("{\"personID\":\"x\"}")};
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        write_event(f, i, i, 0, 1);
    assert_done(mu_live_sandbox(f->live, MU_STR("dev"), &other, &err), err);
    assert_done(mu_sandbox_append(other, 1, &record, &sequence, &err), err);
    assert_done(mu_live_wait(f->live, sequence, &err), err);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    write_event(f, 1, 1, 0, 2); /* in the log only */
    mu_live_close(f->live);
    damage_largest_part(f);
    open_live(f);
    other = mu_live_find_sandbox(f->live, MU_STR("dev"));
    mu_arena_init(&arena, SIZE_MAX);
    assert_done(mu_sandbox_lookup(other, ada, &arena, &lookup, &err), err);
    mu_snapshot_release(lookup.snapshot);
    assert_int_equal(mu_sandbox_lookup(f->sandbox, identity_of(f, 1), &arena, &lookup, &err),
                     MU_E_CORRUPT);
    assert_non_null(strstr(err.text, ".part"));
    assert_int_equal(mu_sandbox_append(f->sandbox, 1, &record, &sequence, &err), MU_E_CORRUPT);
    assert_int_equal(mu_sandbox_snapshot(f->sandbox, &snapshot, &err), MU_E_CORRUPT);
    assert_int_equal(mu_sandbox_count(f->sandbox).n_profiles, 0);
    assert_done(mu_sandbox_append(other, 1, &record, &sequence, &err), err);
    assert_done(mu_sandbox_purge(other, &err), err);
    mu_live_close(f->live);
    damage_largest_part(f); /* whole again: the log has kept what it had for it */
    open_live(f);
    check_all(f);
    mu_arena_free(&arena);
}

/* -------- erasure -------- */

static bool file_has(const char *path, mu_str needle)
{
    mu_mapping mapping;
    mu_err err;
    if (mu_file_map(path, &mapping, &err) != MU_OK)
        return false;
    bool has =
        mapping.size_bytes > 0 &&
        mu_str_find((mu_str){(const char *)mapping.bytes, mapping.size_bytes}, needle) != SIZE_MAX;
    mu_file_unmap(&mapping);
    return has;
}

static uint32_t files_with(const char *folder, mu_str needle)
{
    char path[4096];
    uint32_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n += entry->d_type == DT_DIR ? files_with(path, needle) : file_has(path, needle);
    }
    closedir(dir);
    return n;
}

static void nothing_of_an_erased_person_stays(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_str value = mu_str_from(f->names[1]);
    for (uint32_t i = 2; i < N_IDENTITIES; i++)
        write_fragment(f, MU_RECORD_CREATE, i, i, 0);
    write_fragment(f, MU_RECORD_CREATE, 1, 2, 0);
    write_event(f, 1, 2, 1, 0);
    assert_done(mu_sandbox_fold(f->sandbox, &err), err);
    write_event(f, 1, 2, 1, 1);
    assert_true(files_with(f->folder, value) > 0);
    erase(f, 1);
    assert_done(mu_sandbox_purge(f->sandbox, &err), err);
    assert_int_equal(files_with(f->folder, value), 0);
    assert_int_equal(files_with(f->folder, mu_str_from(f->names[2])), 0);
    assert_true(files_with(f->folder, mu_str_from(f->names[4])) > 0);
    check_all(f);
    reopen(f);
    check_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_appended_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_histories_agree_with_the_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(histories_agree_while_others_publish_and_fold, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_field_finds_what_came_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bulk_rows_are_linked_and_go_on_living, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_old_expires, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_sandbox_keeps_no_other_from_being_served, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_of_an_erased_person_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sandboxes_know_nothing_of_one_another, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("live/live", tests, NULL, NULL);
}
