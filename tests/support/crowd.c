#include "tests/support/crowd.h"

#include "base/time.h"
#include "tests/support/dice.h"
#include "json/json.h"

#include <stdlib.h>

/* -------- texts -------- */

mu_str mu_crowd_sandbox(uint32_t sandbox)
{
    static const char *const names[MU_CROWD_SANDBOXES] = {"prod", "dev"};
    return mu_str_from(names[sandbox]);
}

mu_str mu_crowd_dataset(uint32_t dataset)
{
    static const char *const names[MU_CROWD_DATASETS] = {"5e9f0c7d2f4b1c19a8d30001",
                                                         "5e9f0c7d2f4b1c19a8d30002"};
    return mu_str_from(names[dataset]);
}

mu_str mu_crowd_event_dataset(void)
{
    return MU_STR("5e9f0c7d2f4b1c19a8d30003");
}

mu_str mu_crowd_event_type(uint32_t type)
{
    static const char *const names[MU_CROWD_TYPES] = {
        "web.webpagedetails.pageViews", "commerce.productViews", "commerce.productListAdds",
        "commerce.checkouts", "commerce.purchases"};
    return mu_str_from(names[type]);
}

mu_str mu_crowd_field(uint32_t field)
{
    static const char *const paths[MU_CROWD_FIELDS] = {
        "person.name.firstName", "person.name.lastName", "homeAddress.city", "loyalty.tier"};
    return mu_str_from(paths[field]);
}

mu_identity mu_crowd_identity(mu_arena *arena, uint32_t person, uint32_t identity)
{
    switch (identity) {
    case 0:
        return (mu_identity){MU_STR("Phone"), mu_arena_format(arena, "+1555%07u", person)};
    case 1:
        return (mu_identity){MU_STR("Email"), mu_arena_format(arena, "p%u@example.com", person)};
    default:
        return (mu_identity){MU_STR("ECID"),
                             mu_arena_format(arena, "%019u%019u", person + 1, identity)};
    }
}

mu_str mu_crowd_value(mu_arena *arena, uint32_t value)
{
    return mu_arena_format(arena, "value %u", value);
}

mu_str mu_crowd_batch(mu_arena *arena, uint32_t batch)
{
    return mu_arena_format(arena, "batch-%u", batch);
}

mu_str mu_crowd_event_id(mu_arena *arena, uint64_t event)
{
    return mu_arena_format(arena, "event-%llu", (unsigned long long)event);
}

int64_t mu_crowd_event_time(uint64_t event)
{
    /* 2026-01-01, then one every 37 seconds, in an order of their own. */
    return (int64_t)1767225600000 + (int64_t)(event * 2654435761u % 100000) * 37000;
}

/* -------- changes -------- */

#define N_BATCHES 40u

/* Whose an event is never changes: it may come again. */
static void make_event(uint64_t event, mu_crowd_change *out)
{
    mu_dice dice;
    mu_dice_init(&dice, event ^ 0x5bd1e995u);
    out->event = event;
    out->person = mu_dice_below(&dice, MU_CROWD_PEOPLE);
    out->identity = mu_dice_below(&dice, MU_CROWD_IDENTITIES);
}

static mu_crowd_kind pick_kind(mu_dice *dice, uint32_t kinds)
{
    static const uint8_t percents[MU_CROWD_KINDS] = {
        [MU_CROWD_MERGE] = 30, [MU_CROWD_REPLACE] = 10, [MU_CROWD_DELETE] = 5,
        [MU_CROWD_EVENT] = 50, [MU_CROWD_ERASE] = 3,    [MU_CROWD_DROP] = 2};
    for (;;) {
        uint32_t roll = mu_dice_below(dice, 100), kind = 0;
        while (roll >= percents[kind])
            roll -= percents[kind++];
        if (kinds >> kind & 1)
            return (mu_crowd_kind)kind;
    }
}

static void make_change(mu_dice *dice, uint32_t kinds, uint64_t number, uint32_t place,
                        mu_crowd_change *out)
{
    out->kind = pick_kind(dice, kinds);
    out->person = mu_dice_below(dice, MU_CROWD_PEOPLE);
    out->identity = mu_dice_below(dice, MU_CROWD_IDENTITIES);
    out->dataset = mu_dice_below(dice, MU_CROWD_DATASETS);
    out->batch = mu_dice_below(dice, N_BATCHES);
    out->event_type = mu_dice_below(dice, MU_CROWD_TYPES);
    for (uint32_t f = 0; f < MU_CROWD_FIELDS; f++)
        if (mu_dice_percent(dice, 40))
            out->values[f] = 1 + mu_dice_below(dice, 1000000);
    out->values[mu_dice_below(dice, MU_CROWD_FIELDS)] = 1 + mu_dice_below(dice, 1000000);
    bool is_old = number > 0 && mu_dice_percent(dice, 15);
    uint64_t event = (is_old ? mu_dice_next(dice) % number : number) * MU_CROWD_GROUP_MAX + place;
    if (out->kind == MU_CROWD_EVENT)
        make_event(event, out);
    bool carries =
        out->kind == MU_CROWD_MERGE || out->kind == MU_CROWD_REPLACE || out->kind == MU_CROWD_EVENT;
    if (carries && mu_dice_percent(dice, 20))
        out->linked = 1u << mu_dice_below(dice, MU_CROWD_IDENTITIES);
    if (carries && mu_dice_percent(dice, 3))
        out->linked |= 1u << mu_dice_below(dice, MU_CROWD_IDENTITIES);
    out->linked &= ~(1u << out->identity);
}

void mu_crowd_make(uint64_t seed, uint32_t kinds, uint64_t number, mu_crowd_group *out)
{
    mu_dice dice;
    mu_dice_init(&dice, seed * 1000003u + number);
    *out = (mu_crowd_group){.sandbox = mu_dice_percent(&dice, 25)};
    out->n = 1 + mu_dice_below(&dice, MU_CROWD_GROUP_MAX);
    for (uint32_t i = 0; i < out->n; i++)
        make_change(&dice, kinds, number, i, &out->changes[i]);
}

/* -------- entities -------- */

static void write_text(mu_json_writer *writer, mu_str name, mu_str value)
{
    mu_json_name(writer, name);
    mu_json_string(writer, value);
}

static void write_value(mu_json_writer *writer, mu_arena *arena, mu_str name, uint32_t value)
{
    if (value != 0)
        write_text(writer, name, mu_crowd_value(arena, value));
}

static void begin_member(mu_json_writer *writer, mu_str name)
{
    mu_json_name(writer, name);
    mu_json_begin_object(writer);
}

static void write_values(mu_json_writer *writer, mu_arena *arena, const uint32_t *values)
{
    if (values[0] != 0 || values[1] != 0) {
        begin_member(writer, MU_STR("person"));
        begin_member(writer, MU_STR("name"));
        write_value(writer, arena, MU_STR("firstName"), values[0]);
        write_value(writer, arena, MU_STR("lastName"), values[1]);
        mu_json_end_object(writer);
        mu_json_end_object(writer);
    }
    if (values[2] != 0) {
        begin_member(writer, MU_STR("homeAddress"));
        write_value(writer, arena, MU_STR("city"), values[2]);
        mu_json_end_object(writer);
    }
    if (values[3] != 0) {
        begin_member(writer, MU_STR("loyalty"));
        write_value(writer, arena, MU_STR("tier"), values[3]);
        mu_json_end_object(writer);
    }
}

static void write_event(mu_json_writer *writer, mu_arena *arena, const mu_crowd_change *change)
{
    char time[MU_TIME_TEXT_MAX];
    size_t length = mu_format_time(mu_crowd_event_time(change->event), time);
    write_text(writer, MU_STR("_id"), mu_crowd_event_id(arena, change->event));
    write_text(writer, MU_STR("timestamp"), (mu_str){time, length});
    write_text(writer, MU_STR("eventType"), mu_crowd_event_type(change->event_type));
}

static void write_identity_map(mu_json_writer *writer, mu_arena *arena,
                               const mu_crowd_change *change)
{
    uint32_t all = change->linked | 1u << change->identity;
    mu_str namespace_before = {0};
    begin_member(writer, MU_STR("identityMap"));
    for (uint32_t i = 0; i < MU_CROWD_IDENTITIES; i++) {
        if ((all >> i & 1) == 0)
            continue;
        mu_identity identity = mu_crowd_identity(arena, change->person, i);
        if (!mu_str_equal(identity.namespace_code, namespace_before)) {
            if (namespace_before.len > 0)
                mu_json_end_array(writer);
            mu_json_name(writer, identity.namespace_code);
            mu_json_begin_array(writer);
        }
        namespace_before = identity.namespace_code;
        mu_json_begin_object(writer);
        write_text(writer, MU_STR("id"), identity.value);
        mu_json_name(writer, MU_STR("primary"));
        mu_json_boolean(writer, i == change->identity);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
    mu_json_end_object(writer);
}

mu_str mu_crowd_entity(mu_arena *arena, const mu_crowd_change *change, bool has_identity_map)
{
    mu_json_writer writer;
    mu_buf buf;
    mu_buf_init(&buf, 1 << 16);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    if (change->kind == MU_CROWD_EVENT)
        write_event(&writer, arena, change);
    else
        write_values(&writer, arena, change->values);
    if (has_identity_map)
        write_identity_map(&writer, arena, change);
    mu_json_end_object(&writer);
    MU_ASSERT(!buf.failed);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

/* -------- the model -------- */

typedef struct fragment {
    uint64_t written; /* the how manieth change wrote it last; 0: there is none */
    uint32_t values[MU_CROWD_FIELDS];
} fragment;

typedef struct person {
    fragment fragments[MU_CROWD_DATASETS][MU_CROWD_IDENTITIES];
    uint32_t known;                      /* bits */
    uint32_t links[MU_CROWD_IDENTITIES]; /* bits */
    mu_crowd_event *events;
    uint32_t n_events, capacity;
} person;

struct mu_crowd {
    person people[MU_CROWD_SANDBOXES][MU_CROWD_PEOPLE];
    uint64_t n_changes;
};

mu_crowd *mu_crowd_new(void)
{
    mu_crowd *crowd = calloc(1, sizeof *crowd);
    MU_ASSERT(crowd != NULL);
    return crowd;
}

void mu_crowd_free(mu_crowd *crowd)
{
    if (crowd == NULL)
        return;
    for (uint32_t s = 0; s < MU_CROWD_SANDBOXES; s++)
        for (uint32_t p = 0; p < MU_CROWD_PEOPLE; p++)
            free(crowd->people[s][p].events);
    free(crowd);
}

/* The identities that links reach, as bits; 0 when the identity is unknown. */
static uint32_t cluster_of(const person *one, uint32_t identity)
{
    uint32_t found = one->known & 1u << identity, before;
    do {
        before = found;
        for (uint32_t i = 0; i < MU_CROWD_IDENTITIES; i++)
            if (found >> i & 1)
                found |= one->links[i];
    } while (found != before);
    return found;
}

static void note_identities(person *one, const mu_crowd_change *change)
{
    uint32_t all = change->linked | 1u << change->identity;
    one->known |= all;
    for (uint32_t i = 0; change->linked != 0 && i < MU_CROWD_IDENTITIES; i++)
        if (all >> i & 1)
            one->links[i] |= all & ~(1u << i);
}

static void put_event(person *one, const mu_crowd_change *change)
{
    mu_crowd_event event = {change->event, change->identity, change->event_type, change->batch};
    for (uint32_t i = 0; i < one->n_events; i++)
        if (one->events[i].event == change->event) {
            one->events[i] = event;
            return;
        }
    if (one->n_events == one->capacity) {
        one->capacity = one->capacity == 0 ? 16 : one->capacity * 2;
        one->events = reallocarray(one->events, one->capacity, sizeof *one->events);
        MU_ASSERT(one->events != NULL);
    }
    one->events[one->n_events++] = event;
}

/* Keeps the events that are of none of these identities, and not of this batch. */
static void keep_events(person *one, uint32_t without_identities, uint32_t without_batch)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < one->n_events; i++)
        if ((without_identities >> one->events[i].identity & 1) == 0 &&
            one->events[i].batch != without_batch)
            one->events[n++] = one->events[i];
    one->n_events = n;
}

static void erase(person *one, uint32_t identity)
{
    uint32_t cluster = cluster_of(one, identity);
    for (uint32_t i = 0; i < MU_CROWD_IDENTITIES; i++) {
        if ((cluster >> i & 1) == 0)
            continue;
        one->links[i] = 0;
        for (uint32_t d = 0; d < MU_CROWD_DATASETS; d++)
            one->fragments[d][i] = (fragment){0};
    }
    one->known &= ~cluster;
    keep_events(one, cluster, UINT32_MAX);
}

static void write_fragment(mu_crowd *crowd, person *one, const mu_crowd_change *change)
{
    fragment *f = &one->fragments[change->dataset][change->identity];
    if (change->kind != MU_CROWD_MERGE)
        *f = (fragment){0};
    if (change->kind == MU_CROWD_DELETE)
        return;
    f->written = crowd->n_changes;
    for (uint32_t i = 0; i < MU_CROWD_FIELDS; i++)
        if (change->values[i] != 0)
            f->values[i] = change->values[i];
}

static void apply(mu_crowd *crowd, person *people, const mu_crowd_change *change)
{
    person *one = &people[change->person];
    crowd->n_changes++;
    switch (change->kind) {
    case MU_CROWD_MERGE:
    case MU_CROWD_REPLACE:
        note_identities(one, change);
        write_fragment(crowd, one, change);
        return;
    case MU_CROWD_DELETE:
        write_fragment(crowd, one, change);
        return;
    case MU_CROWD_EVENT:
        note_identities(one, change);
        put_event(one, change);
        return;
    case MU_CROWD_ERASE:
        erase(one, change->identity);
        return;
    case MU_CROWD_DROP:
        for (uint32_t p = 0; p < MU_CROWD_PEOPLE; p++)
            keep_events(&people[p], 0, change->batch);
        return;
    case MU_CROWD_KINDS:
        break;
    }
}

void mu_crowd_apply(mu_crowd *crowd, const mu_crowd_group *group)
{
    for (uint32_t i = 0; i < group->n; i++)
        apply(crowd, crowd->people[group->sandbox], &group->changes[i]);
}

static int compare_events(const void *a, const void *b)
{
    uint64_t x = ((const mu_crowd_event *)a)->event, y = ((const mu_crowd_event *)b)->event;
    return (x > y) - (x < y);
}

static void merge_fragments(const person *one, mu_crowd_profile *out)
{
    uint64_t written[MU_CROWD_FIELDS] = {0};
    for (uint32_t d = 0; d < MU_CROWD_DATASETS; d++)
        for (uint32_t i = 0; i < MU_CROWD_IDENTITIES; i++) {
            const fragment *f = &one->fragments[d][i];
            if (f->written == 0 || (out->identities >> i & 1) == 0)
                continue;
            out->exists = true;
            for (uint32_t v = 0; v < MU_CROWD_FIELDS; v++)
                if (f->values[v] != 0 && f->written > written[v]) {
                    out->values[v] = f->values[v];
                    written[v] = f->written;
                }
        }
}

mu_crowd_profile mu_crowd_read(const mu_crowd *crowd, mu_arena *arena, uint32_t sandbox,
                               uint32_t person_number, uint32_t identity)
{
    const person *one = &crowd->people[sandbox][person_number];
    mu_crowd_profile profile = {.identities = cluster_of(one, identity)};
    mu_crowd_event *events = MU_NEW_ARRAY(arena, mu_crowd_event, one->n_events);
    merge_fragments(one, &profile);
    for (uint32_t i = 0; i < one->n_events; i++)
        if (profile.identities >> one->events[i].identity & 1)
            events[profile.n_events++] = one->events[i];
    profile.exists |= profile.n_events > 0;
    profile.events = events;
    qsort(events, profile.n_events, sizeof *events, compare_events);
    return profile;
}
