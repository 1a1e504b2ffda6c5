/* gather.c -- one cluster's content out of the contents of others: joins and splits. */
#include "profile/content_int.h"

#include <stdlib.h>

/* One source, and where its identities are in the cluster. */
typedef struct source {
    const mu_content *content;
    uint32_t *places;     /* MU_NO_FIELD: in another cluster */
    uint32_t n_fragments; /* that belong */
    uint32_t n_events;
    bool keeps_places; /* every identity that belongs has the place it had */
} source;

static uint32_t find_identity(const mu_graph_cluster *cluster, mu_identity identity, uint32_t guess)
{
    uint32_t n = cluster->n_identities;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (guess + i) % n;
        const mu_identity *other = &cluster->identities[at].identity;
        if (mu_str_equal(other->value, identity.value) &&
            mu_str_equal(other->namespace_code, identity.namespace_code))
            return at;
    }
    return MU_NO_FIELD;
}

static source source_of(mu_arena *arena, const mu_content_fields *fields,
                        const mu_graph_cluster *cluster, const mu_content *content)
{
    uint32_t n = content->cluster.n_identities;
    source s = {
        .content = content, .places = MU_NEW_ARRAY(arena, uint32_t, n), .keeps_places = true};
    for (uint32_t i = 0; i < n; i++) {
        s.places[i] = find_identity(cluster, content->cluster.identities[i].identity, i);
        s.keeps_places = s.keeps_places && (s.places[i] == i || s.places[i] == MU_NO_FIELD);
    }
    for (uint32_t i = 0; i < content->n_fragments; i++)
        s.n_fragments += s.places[content->fragments[i].identity] != MU_NO_FIELD;
    for (uint32_t i = 0; i < content->events.n; i++) {
        int64_t identity = mu_number_at(content->events.items[i], fields->identity);
        s.n_events += s.places[identity] != MU_NO_FIELD;
    }
    return s;
}

/* -------- fragments -------- */

static void add_fragment(mu_content *out, const mu_fragment *fragment)
{
    for (uint32_t i = 0; i < out->n_fragments; i++) {
        mu_fragment *other = &out->fragments[i];
        if (other->identity != fragment->identity ||
            !mu_str_equal(other->dataset, fragment->dataset))
            continue;
        if (mu_fragment_compare_newest(fragment, other) < 0)
            *other = *fragment;
        return;
    }
    out->fragments[out->n_fragments++] = *fragment;
}

/* Attributes stay what they are when one source gives all fragments it has and no other gives any.
 */
static void gather_fragments(mu_arena *arena, const mu_schema *schema, uint32_t n,
                             const source *sources, mu_content *out)
{
    uint32_t n_max = 0, n_giving = 0;
    const source *only = NULL;
    for (uint32_t s = 0; s < n; s++) {
        n_max += sources[s].n_fragments;
        n_giving += sources[s].n_fragments > 0;
        if (sources[s].n_fragments > 0)
            only = &sources[s];
    }
    bool is_shared = n_giving == 1 && only->n_fragments == only->content->n_fragments;
    out->fragments = MU_NEW_ARRAY(arena, mu_fragment, n_max);
    for (uint32_t s = 0; s < n; s++) {
        const mu_content *content = sources[s].content;
        for (uint32_t i = 0; i < content->n_fragments; i++) {
            mu_fragment fragment = content->fragments[i];
            if (sources[s].places[fragment.identity] == MU_NO_FIELD)
                continue;
            if (!is_shared)
                mu_fragment_materialise(arena, schema, content, &fragment);
            fragment.identity = sources[s].places[fragment.identity];
            add_fragment(out, &fragment);
        }
    }
    out->attributes = is_shared ? only->content->attributes : MU_VALUE_NULL;
}

/* -------- events -------- */

static mu_value moved_event(mu_arena *arena, const mu_content_fields *fields, const source *from,
                            mu_value event)
{
    int64_t identity = mu_number_at(event, fields->identity);
    uint32_t place = from->places[identity];
    if (place == identity)
        return event;
    return mu_event_with(arena, event, fields->identity, mu_value_integer(place));
}

/* All events of one source, which are in order and distinct. */
static mu_value events_of_one(mu_arena *arena, const mu_content_fields *fields, const source *from)
{
    mu_value events = from->content->events;
    if (from->keeps_places && from->n_events == events.n)
        return events;
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, from->n_events);
    uint32_t n = 0;
    for (uint32_t i = 0; i < events.n; i++)
        if (from->places[mu_number_at(events.items[i], fields->identity)] != MU_NO_FIELD)
            items[n++] = moved_event(arena, fields, from, events.items[i]);
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

typedef struct moved {
    mu_value event;
    int64_t received_ms;
} moved;

/* Older writes first, so that of two with one key the newer stays; sources in their order. */
static int compare_written(const void *pa, const void *pb)
{
    const moved *a = *(const moved *const *)pa, *b = *(const moved *const *)pb;
    if (a->received_ms != b->received_ms)
        return a->received_ms < b->received_ms ? -1 : 1;
    return (a > b) - (a < b);
}

static mu_value events_of_all(mu_arena *arena, const mu_content_fields *fields, uint32_t n_sources,
                              const source *sources, uint32_t n_events)
{
    moved *all = MU_NEW_ARRAY(arena, moved, n_events);
    const moved **written = MU_NEW_ARRAY(arena, const moved *, n_events);
    uint32_t n = 0;
    for (uint32_t s = 0; s < n_sources; s++) {
        mu_value events = sources[s].content->events;
        for (uint32_t i = 0; i < events.n; i++) {
            mu_value event = events.items[i];
            if (sources[s].places[mu_number_at(event, fields->identity)] == MU_NO_FIELD)
                continue;
            all[n].event = moved_event(arena, fields, &sources[s], event);
            all[n].received_ms = mu_number_at(event, fields->received);
            written[n] = &all[n];
            n++;
        }
    }
    qsort(written, n, sizeof *written, compare_written);
    mu_event_join set;
    mu_event_join_init(&set, arena, fields, n);
    for (uint32_t i = 0; i < n; i++)
        mu_event_join_add(&set, written[i]->event, i);
    return mu_event_join_list(&set);
}

static mu_value gather_events(mu_arena *arena, const mu_content_fields *fields, uint32_t n,
                              const source *sources)
{
    uint32_t n_events = 0, n_giving = 0;
    const source *only = NULL;
    for (uint32_t s = 0; s < n; s++) {
        n_events += sources[s].n_events;
        n_giving += sources[s].n_events > 0;
        if (sources[s].n_events > 0)
            only = &sources[s];
    }
    if (n_giving == 0)
        return (mu_value){.kind = MU_TYPE_LIST};
    if (n_giving == 1)
        return events_of_one(arena, fields, only);
    return events_of_all(arena, fields, n, sources, n_events);
}

mu_code mu_content_gather(mu_arena *arena, const mu_schema *schema, const mu_graph_cluster *cluster,
                          uint32_t n_sources, const mu_content *sources, mu_content *out,
                          mu_err *err)
{
    mu_content_fields fields = mu_content_fields_of(schema);
    MU_ASSERT(fields.identity != MU_NO_FIELD);
    if (cluster->n_identities == 0)
        return mu_fail(err, MU_E_INPUT, "pid %u has no identities to gather for", cluster->pid);
    source *list = MU_NEW_ARRAY(arena, source, n_sources);
    mu_content content = {.pid = cluster->pid, .cluster = *cluster};
    for (uint32_t s = 0; s < n_sources; s++) {
        list[s] = source_of(arena, &fields, cluster, &sources[s]);
        if (content.reader == NULL)
            content.reader = sources[s].reader;
    }
    gather_fragments(arena, schema, n_sources, list, &content);
    content.events = gather_events(arena, &fields, n_sources, list);
    *out = content;
    return MU_OK;
}
