/* content_model_test.c -- random records of several identities and datasets, random clusters; what
 * comes out under every policy is compared with a model that keeps fragments as JSON trees and
 * events as a plain list. */
#include "profile/content_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/dice.h"

#define N_IDENTITIES 5u
#define N_DATASETS   4u
#define N_IDS        6u
#define N_MAX        4000u

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static const mu_str datasets[N_DATASETS] = {{"d0", 2}, {"d1", 2}, {"d2", 2}, {"d3", 2}};
static const mu_identity identities[N_IDENTITIES] = {{{"CRM", 3}, {"0", 1}},
                                                     {{"CRM", 3}, {"1", 1}},
                                                     {{"Email", 5}, {"2", 1}},
                                                     {{"ECID", 4}, {"3", 1}},
                                                     {{"ECID", 4}, {"4", 1}}};
static const char *const event_ids[N_IDS] = {"e0", "e1", "e2", "e3", "e4", "e5"};

typedef struct model_fragment {
    uint32_t dataset, identity;
    mu_json tree;
    int64_t modified_ms;
    uint64_t sequence;
    bool is_gone;
} model_fragment;

typedef struct model_event {
    uint32_t dataset, identity, id;
    int64_t time_ms, received_ms, x;
    bool is_gone;
} model_event;

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    mu_json_reader *reader;
    const mu_schema *schema;
    mu_content_fields fields;
    uint64_t sequence;
    /* the model */
    model_fragment fragments[N_MAX];
    model_event events[N_MAX];
    uint32_t n_fragments, n_events;
    /* what is tested: the rows of the clusters */
    uint32_t cluster_of[N_IDENTITIES];
    mu_graph_cluster clusters[N_IDENTITIES];
    mu_content contents[N_IDENTITIES];
    mu_value rows[N_IDENTITIES];
} fixture;

/* -------- the model -------- */

static const mu_json *member(const mu_json *object, mu_str name)
{
    for (uint32_t i = 0; i < object->n; i++)
        if (mu_str_equal(object->names[i], name))
            return &object->items[i];
    return NULL;
}

/* RFC 7396 by its pseudo code; without `deletes`, nothing is null. */
static mu_json patched(mu_arena *arena, const mu_json *target, const mu_json *patch, bool deletes)
{
    if (patch->kind != MU_JSON_OBJECT)
        return *patch;
    static const mu_json nothing = {.kind = MU_JSON_OBJECT};
    if (target == NULL || target->kind != MU_JSON_OBJECT)
        target = &nothing;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, target->n + patch->n);
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, target->n + patch->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < target->n; i++) {
        const mu_json *change = member(patch, target->names[i]);
        if (change != NULL && change->kind == MU_JSON_NULL && deletes)
            continue;
        names[n] = target->names[i];
        items[n++] =
            change == NULL ? target->items[i] : patched(arena, &target->items[i], change, deletes);
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        if (member(target, patch->names[i]) != NULL ||
            (patch->items[i].kind == MU_JSON_NULL && deletes))
            continue;
        names[n] = patch->names[i];
        items[n++] = patched(arena, NULL, &patch->items[i], deletes);
    }
    return (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items};
}

static model_fragment *model_find(fixture *f, uint32_t dataset, uint32_t identity)
{
    for (uint32_t i = 0; i < f->n_fragments; i++)
        if (f->fragments[i].dataset == dataset && f->fragments[i].identity == identity &&
            !f->fragments[i].is_gone)
            return &f->fragments[i];
    return NULL;
}

static void model_write(fixture *f, mu_record_kind kind, uint32_t dataset, uint32_t identity,
                        const mu_json *tree, int64_t received_ms)
{
    model_fragment *found = model_find(f, dataset, identity);
    assert_true(f->n_fragments < N_MAX);
    if (found == NULL) {
        found = &f->fragments[f->n_fragments++];
        *found = (model_fragment){.dataset = dataset, .identity = identity};
        found->tree = (mu_json){.kind = MU_JSON_OBJECT};
    }
    found->tree = kind == MU_RECORD_CREATE ? *tree : patched(&f->arena, &found->tree, tree, true);
    found->modified_ms = received_ms;
    found->sequence = f->sequence;
}

static void model_add_event(fixture *f, model_event event)
{
    for (uint32_t i = 0; i < f->n_events; i++)
        if (f->events[i].dataset == event.dataset && f->events[i].identity == event.identity &&
            f->events[i].id == event.id)
            f->events[i].is_gone = true;
    assert_true(f->n_events < N_MAX);
    f->events[f->n_events++] = event;
}

static void model_drop(fixture *f, uint32_t dataset, int64_t before_ms)
{
    for (uint32_t i = 0; i < f->n_events; i++)
        if (f->events[i].dataset == dataset && (before_ms == 0 || f->events[i].time_ms < before_ms))
            f->events[i].is_gone = true;
    for (uint32_t i = 0; before_ms == 0 && i < f->n_fragments; i++)
        if (f->fragments[i].dataset == dataset)
            f->fragments[i].is_gone = true;
}

/* -------- random records -------- */

/* Part of a document; with `is_patch` some leaves are null. */
static const char *random_document(fixture *f, bool is_patch, mu_json *tree)
{
    static const char *const leaves[] = {
        "\"s\":\"%d\"",         "\"d\":%d.5", "\"t\":\"2026-03-0%d\"",
        "\"l\":[\"%d\",\"x\"]", "\"l\":[]",   "\"m\":{\"k%d\":true}",
        "\"m\":{\"k1\":false}", "\"m\":{}",   "\"o\":{\"a\":%d}",
        "\"o\":{\"b\":\"%d\"}", "\"o\":{}"};
    static const char *const nulls[] = {"\"s\":null", "\"l\":null", "\"m\":{\"k1\":null}",
                                        "\"o\":{\"a\":null}", "\"o\":null"};
    mu_str text = MU_STR("");
    uint32_t n = mu_dice_below(&f->dice, 5);
    for (uint32_t i = 0; i < n; i++) {
        bool is_null = is_patch && mu_dice_percent(&f->dice, 30);
        const char *leaf =
            is_null ? nulls[mu_dice_below(&f->dice, 5)] : leaves[mu_dice_below(&f->dice, 11)];
        char filled[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(filled, sizeof filled, leaf, 1 + (int)mu_dice_below(&f->dice, 3));
#pragma GCC diagnostic pop
        text = mu_arena_format(&f->arena, MU_STR_FMT "%s%s", MU_STR_ARG(text), i == 0 ? "" : ",",
                               filled);
    }
    mu_err err;
    mu_str known = mu_arena_format(&f->arena, "{\"_t\":{" MU_STR_FMT "}}", MU_STR_ARG(text));
    assert_done(mu_json_read(f->reader, &f->arena, known, tree, &err), err);
    if (mu_dice_percent(&f->dice, 80))
        return known.ptr;
    return mu_arena_format(&f->arena, "{\"_t\":{" MU_STR_FMT "%s\"zz\":[1]},\"yy\":{}}",
                           MU_STR_ARG(text), n == 0 ? "" : ",")
        .ptr;
}

static mu_record random_record(fixture *f)
{
    uint32_t identity = mu_dice_below(&f->dice, N_IDENTITIES);
    uint32_t dataset = mu_dice_below(&f->dice, N_DATASETS), dice = mu_dice_below(&f->dice, 100);
    mu_record record = {.received_ms = (int64_t)f->sequence * 10,
                        .dataset = datasets[dataset],
                        .n_identities = 1,
                        .identities = &identities[identity]};
    mu_json tree;
    if (dice < 45) {
        model_event event = {.dataset = dataset,
                             .identity = identity,
                             .id = mu_dice_below(&f->dice, N_IDS),
                             .time_ms = mu_dice_between(&f->dice, 1, 8),
                             .received_ms = record.received_ms,
                             .x = (int64_t)f->sequence};
        record.kind = MU_RECORD_EVENT;
        record.key = mu_str_from(event_ids[event.id]);
        record.time_ms = event.time_ms;
        record.document =
            mu_arena_format(&f->arena, "{\"_id\":\"%s\",\"_t\":{\"x\":%d%s}}", event_ids[event.id],
                            (int)event.x, dice < 5 ? ",\"zz\":1" : "");
        model_add_event(f, event);
    } else if (dice < 85) {
        record.kind = dice < 60 ? MU_RECORD_CREATE : MU_RECORD_MERGE;
        record.document = mu_str_from(random_document(f, record.kind == MU_RECORD_MERGE, &tree));
        model_write(f, record.kind, dataset, identity, &tree, record.received_ms);
    } else if (dice < 95) {
        record.kind = MU_RECORD_DELETE;
        model_fragment *found = model_find(f, dataset, identity);
        if (found != NULL)
            found->is_gone = true;
    } else {
        record.kind = MU_RECORD_DROP;
        record.time_ms = dice < 98 ? mu_dice_between(&f->dice, 1, 8) : 0;
        model_drop(f, dataset, record.time_ms);
    }
    return record;
}

/* -------- what is tested -------- */

static uint32_t place_of(const mu_graph_cluster *cluster, uint32_t identity)
{
    for (uint32_t i = 0; i < cluster->n_identities; i++)
        if (mu_str_equal(cluster->identities[i].identity.value, identities[identity].value))
            return i;
    return UINT32_MAX;
}

/* The members of a cluster in random order. */
static mu_graph_cluster random_order(fixture *f, uint32_t cluster)
{
    mu_graph_identity *list = MU_NEW_ARRAY(&f->arena, mu_graph_identity, N_IDENTITIES);
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        if (f->cluster_of[i] == cluster)
            list[n++].identity = identities[i];
    for (uint32_t i = n; i > 1; i--) {
        uint32_t other = mu_dice_below(&f->dice, i);
        mu_graph_identity swap = list[i - 1];
        list[i - 1] = list[other];
        list[other] = swap;
    }
    return (mu_graph_cluster){.pid = cluster + 1, .n_identities = n, .identities = list};
}

static void regroup(fixture *f)
{
    mu_content sources[N_IDENTITIES];
    uint32_t n_sources = 0;
    mu_err err;
    for (uint32_t c = 0; c < N_IDENTITIES; c++)
        if (f->clusters[c].n_identities > 0)
            sources[n_sources++] = f->contents[c];
    if (mu_dice_percent(&f->dice, 30))
        f->cluster_of[mu_dice_below(&f->dice, N_IDENTITIES)] =
            mu_dice_below(&f->dice, N_IDENTITIES);
    for (uint32_t c = 0; c < N_IDENTITIES; c++) {
        f->clusters[c] = random_order(f, c);
        if (f->clusters[c].n_identities == 0)
            continue;
        assert_done(mu_content_gather(&f->arena, f->schema, &f->clusters[c], n_sources, sources,
                                      &f->contents[c], &err),
                    err);
        f->contents[c].reader = mu_dice_percent(&f->dice, 50) ? f->reader : NULL;
    }
}

static void apply_batch(fixture *f)
{
    enum { BATCH_MAX = 8 };
    mu_applied_record batch[BATCH_MAX];
    uint32_t n = mu_dice_below(&f->dice, BATCH_MAX);
    for (uint32_t i = 0; i < n; i++) {
        batch[i].sequence = ++f->sequence;
        batch[i].record = random_record(f);
    }
    for (uint32_t c = 0; c < N_IDENTITIES; c++) {
        mu_applied_record own[BATCH_MAX];
        uint32_t n_own = 0;
        mu_err err;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t identity = (uint32_t)(batch[i].record.identities - identities);
            if (batch[i].record.kind == MU_RECORD_DROP || f->cluster_of[identity] == c)
                own[n_own++] = batch[i];
        }
        if (f->clusters[c].n_identities > 0)
            assert_done(mu_content_apply(&f->arena, f->schema, &f->contents[c], n_own, own, &err),
                        err);
    }
}

/* Each content becomes a row and is read again; making the row once more gives the same. */
static void store_rows(fixture *f)
{
    for (uint32_t c = 0; c < N_IDENTITIES; c++) {
        mu_content *content = &f->contents[c];
        mu_value again;
        mu_err err;
        if (f->clusters[c].n_identities == 0)
            continue;
        assert_done(mu_content_row(&f->arena, f->schema, content, &f->rows[c], &err), err);
        mu_identity first = f->clusters[c].identities[0].identity;
        assert_done(mu_content_read(&f->arena, f->schema, c + 1, first, f->rows[c], content, &err),
                    err);
        assert_done(mu_content_row(&f->arena, f->schema, content, &again, &err), err);
        assert_true(mu_value_identical(f->rows[c], again));
    }
}

/* -------- comparing -------- */

typedef struct asked {
    const mu_merge_policy *policy;
    uint32_t cluster, identity; /* the identity counts with `none` */
} asked;

static bool counts(const fixture *f, const asked *q, uint32_t identity, uint32_t dataset,
                   uint32_t *rank)
{
    *rank = 0;
    if (q->policy->uses_graph ? f->cluster_of[identity] != q->cluster : identity != q->identity)
        return false;
    if (q->policy->attribute_merge == MU_MERGE_TIMESTAMP_ORDERED)
        return true;
    for (; *rank < q->policy->n_order; ++*rank)
        if (mu_str_equal(q->policy->order[*rank], datasets[dataset]))
            return true;
    return false;
}

/* Of the fragments that count and were not taken, the worst. */
static const model_fragment *worst(const fixture *f, const asked *q, const bool *taken)
{
    const model_fragment *found = NULL;
    uint32_t found_rank = 0;
    for (uint32_t i = 0; i < f->n_fragments; i++) {
        const model_fragment *m = &f->fragments[i];
        uint32_t rank;
        if (m->is_gone || taken[i] || !counts(f, q, m->identity, m->dataset, &rank))
            continue;
        if (found == NULL || rank > found_rank ||
            (rank == found_rank && m->sequence < found->sequence)) {
            found = m;
            found_rank = rank;
        }
    }
    return found;
}

static void compare_attributes(fixture *f, const asked *q, const mu_profile_view *view)
{
    bool *taken = MU_NEW_ARRAY(&f->arena, bool, f->n_fragments + 1);
    mu_json merged = {.kind = MU_JSON_OBJECT};
    uint32_t n = 0;
    int64_t modified_ms = 0;
    for (const model_fragment *m; (m = worst(f, q, taken)) != NULL; n++) {
        taken[m - f->fragments] = true;
        merged = patched(&f->arena, &merged, &m->tree, false);
        modified_ms = m->modified_ms > modified_ms ? m->modified_ms : modified_ms;
    }
    mu_value expected, found = view->attributes;
    mu_err err;
    assert_done(mu_value_from_typed_json(&f->arena, f->schema->profile, &merged, &expected, &err),
                err);
    ((mu_value *)(uintptr_t)found.items)[f->fields.identity_map] = MU_VALUE_NULL;
    if (!mu_value_identical(expected, found))
        fail_msg("expected " MU_STR_FMT ", found " MU_STR_FMT,
                 MU_STR_ARG(mu_content_value_text(&f->arena, expected)),
                 MU_STR_ARG(mu_content_value_text(&f->arena, found)));
    if (n > 0)
        assert_int_equal(view->last_modified_ms, modified_ms);
    assert_int_equal(view->n_sources > 0, n > 0);
    assert_int_equal(view->is_empty, n == 0 && view->events.n == 0);
}

/* Whether a newer write of the same dataset and _id counts too: P34. */
static bool is_hidden(const fixture *f, const asked *q, const model_event *event)
{
    for (uint32_t i = 0; i < f->n_events; i++) {
        const model_event *other = &f->events[i];
        uint32_t rank;
        if (!other->is_gone && other->dataset == event->dataset && other->id == event->id &&
            other->received_ms > event->received_ms &&
            counts(f, q, other->identity, other->dataset, &rank))
            return true;
    }
    return false;
}

static void compare_events(fixture *f, const asked *q, const mu_profile_view *view)
{
    uint32_t n = 0;
    for (int64_t time_ms = 0; time_ms < 10; time_ms++) {
        for (uint32_t i = 0; i < f->n_events; i++) {
            const model_event *event = &f->events[i];
            uint32_t rank;
            if (event->is_gone || event->time_ms != time_ms ||
                !counts(f, q, event->identity, event->dataset, &rank) || is_hidden(f, q, event))
                continue;
            assert_true(n < view->events.n);
            mu_value found = view->events.items[n++];
            assert_true(
                mu_str_equal(mu_text_at(found, f->fields.id), mu_str_from(event_ids[event->id])));
            assert_true(
                mu_str_equal(mu_text_at(found, f->fields.dataset), datasets[event->dataset]));
            assert_int_equal(mu_number_at(found, f->fields.timestamp), time_ms);
            assert_int_equal(
                mu_value_member(mu_value_member(found, MU_STR("_t")), MU_STR("x")).integer,
                event->x);
        }
    }
    assert_int_equal(n, view->events.n);
}

static void compare(fixture *f, const asked *q)
{
    const mu_content *content = &f->contents[q->cluster];
    uint32_t place = q->policy->uses_graph ? 0 : place_of(&f->clusters[q->cluster], q->identity);
    mu_profile_view view;
    mu_err err;
    assert_done(mu_content_view(&f->arena, f->schema, content, q->policy, place, &view, &err), err);
    compare_attributes(f, q, &view);
    compare_events(f, q, &view);
}

static void compare_all(fixture *f)
{
    static const mu_str order[] = {{"d2", 2}, {"d0", 2}};
    static const mu_merge_policy policies[] = {
        {.uses_graph = true},
        {.uses_graph = false},
        {.uses_graph = true,
         .attribute_merge = MU_MERGE_DATASET_PRECEDENCE,
         .n_order = 2,
         .order = order},
        {.uses_graph = false,
         .attribute_merge = MU_MERGE_DATASET_PRECEDENCE,
         .n_order = 2,
         .order = order},
    };
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
            asked q = {.policy = &policies[p], .cluster = f->cluster_of[i], .identity = i};
            compare(f, &q);
        }
}

/* -------- a run -------- */

static void start(fixture *f)
{
    mu_err err;
    mu_json file;
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    mu_str text = MU_STR(
        "{\"classes\":[{\"class\":\"profile\",\"fields\":{\"_t.s\":\"string\",\"_t.d\":\"double\","
        "\"_t.t\":\"date\",\"_t.l[]\":\"string\",\"_t.m{}\":\"boolean\",\"_t.o.a\":\"integer\","
        "\"_t.o.b\":\"string\"}},{\"class\":\"event\",\"fields\":{\"_t.x\":\"integer\"}}]}");
    assert_done(mu_json_read(f->reader, &f->arena, text, &file, &err), err);
    assert_done(mu_schema_extend(&f->arena, mu_schema_builtin(&f->arena), &file, &f->schema, &err),
                err);
    f->schema = mu_schema_with_system_fields(&f->arena, f->schema);
    f->fields = mu_content_fields_of(f->schema);
    for (uint32_t i = 0; i < N_IDENTITIES; i++)
        f->cluster_of[i] = mu_dice_below(&f->dice, N_IDENTITIES);
}

static void random_records_give_what_the_model_gives(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("profile/content_model", 1));
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (uint32_t run = mu_dice_cases(200); run > 0; run--) {
        memset(f, 0, sizeof *f);
        f->dice = dice;
        start(f);
        for (uint32_t step = 1 + mu_dice_below(&f->dice, 40); step > 0; step--) {
            regroup(f);
            apply_batch(f);
            if (mu_dice_percent(&f->dice, 50))
                compare_all(f);
            store_rows(f);
            compare_all(f);
        }
        dice = f->dice;
        mu_json_reader_free(f->reader);
        mu_arena_free(&f->arena);
    }
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_records_give_what_the_model_gives),
    };
    return cmocka_run_group_tests_name("content model", tests, NULL, NULL);
}
