/* view.c -- a profile under a merge policy (profile.md c.3, c.4). */
#include "profile/content_int.h"

#include "base/hash.h"

#include <stdlib.h>

typedef struct viewing {
    mu_arena *arena;
    const mu_schema *schema;
    mu_content_fields fields;
    const mu_content *content;
    const mu_merge_policy *policy;
    uint32_t identity; /* with `none` */
    mu_profile_view *out;
} viewing;

/* The dataset's place in the policy's order; n_order when it is not listed. */
static uint32_t rank_of(const viewing *v, mu_str dataset)
{
    uint32_t rank = 0;
    while (rank < v->policy->n_order && !mu_str_equal(v->policy->order[rank], dataset))
        rank++;
    return rank;
}

static bool is_by_dataset(const viewing *v)
{
    return v->policy->attribute_merge == MU_MERGE_DATASET_PRECEDENCE;
}

static bool is_in(const viewing *v, int64_t identity, mu_str dataset)
{
    return (v->policy->uses_graph || identity == v->identity) &&
           (!is_by_dataset(v) || rank_of(v, dataset) < v->policy->n_order);
}

static void set_identities(viewing *v)
{
    uint32_t n = v->policy->uses_graph ? v->content->cluster.n_identities : 1;
    uint32_t *places = MU_NEW_ARRAY(v->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        places[i] = v->policy->uses_graph ? i : v->identity;
    v->out->n_identities = n;
    v->out->identities = places;
}

/* -------- fragments -------- */

static int compare_fragments(const void *pa, const void *pb, void *context)
{
    const viewing *v = context;
    const mu_fragment *a = &v->content->fragments[*(const uint32_t *)pa];
    const mu_fragment *b = &v->content->fragments[*(const uint32_t *)pb];
    if (is_by_dataset(v)) {
        uint32_t rank_a = rank_of(v, a->dataset), rank_b = rank_of(v, b->dataset);
        if (rank_a != rank_b)
            return rank_a < rank_b ? -1 : 1;
    }
    return mu_fragment_compare_newest(a, b);
}

/* The fragments that count, best first. */
static uint32_t *ranked_fragments(viewing *v, uint32_t *n_out)
{
    const mu_content *content = v->content;
    uint32_t *order = MU_NEW_ARRAY(v->arena, uint32_t, content->n_fragments), n = 0;
    for (uint32_t i = 0; i < content->n_fragments; i++)
        if (is_in(v, content->fragments[i].identity, content->fragments[i].dataset))
            order[n++] = i;
    if (n > 1)
        qsort_r(order, n, sizeof *order, compare_fragments, v);
    *n_out = n;
    return order;
}

/* Whether the attributes at hand are those of the fragments chosen. */
static bool has_attributes(const viewing *v, uint32_t n)
{
    return v->content->attributes.kind == MU_TYPE_OBJECT && n == v->content->n_fragments &&
           (n <= 1 || !is_by_dataset(v));
}

static mu_code set_attributes(viewing *v, uint32_t n, const uint32_t *order, mu_err *err)
{
    const mu_content_fields *f = &v->fields;
    mu_value attributes = v->content->attributes;
    if (!has_attributes(v, n)) {
        mu_parsing parsing = mu_parsing_begin(v->arena, v->content->reader);
        bool is_whole;
        mu_code code = mu_fragments_merge(&parsing, v->schema, v->content, n, order, &attributes,
                                          &is_whole, err);
        mu_parsing_end(&parsing);
        MU_TRY(code);
    }
    const uint32_t own[] = {f->identities, f->links, f->fragments, f->superseded};
    mu_value *items = MU_NEW_ARRAY(v->arena, mu_value, attributes.n);
    memcpy(items, attributes.items, attributes.n * sizeof *items);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] < attributes.n)
            items[own[i]] = MU_VALUE_NULL;
    if (f->identity_map != MU_NO_FIELD)
        items[f->identity_map] = mu_identity_map(v->arena, v->schema, f, &v->content->cluster,
                                                 v->out->n_identities, v->out->identities);
    attributes.items = items;
    v->out->attributes = attributes;
    return MU_OK;
}

/* Distinct texts in the order they come. */
typedef struct text_set {
    mu_strmap seen;
    mu_str *texts;
    uint32_t n;
} text_set;

static void text_set_add(text_set *set, mu_str text)
{
    bool is_new;
    mu_strmap_put(&set->seen, text, &is_new);
    if (is_new)
        set->texts[set->n++] = text;
}

static void set_provenance(viewing *v, uint32_t n, const uint32_t *order)
{
    text_set sources = {.texts = MU_NEW_ARRAY(v->arena, mu_str, n)};
    text_set tags = {.texts = MU_NEW_ARRAY(v->arena, mu_str, (size_t)n * MU_FRAGMENT_BATCHES_MAX)};
    mu_strmap_init(&sources.seen);
    mu_strmap_init(&tags.seen);
    for (uint32_t i = 0; i < n; i++) {
        const mu_fragment *fragment = &v->content->fragments[order[i]];
        text_set_add(&sources, fragment->dataset);
        for (uint32_t b = 0; b < fragment->n_batches && b < MU_FRAGMENT_BATCHES_MAX; b++)
            text_set_add(&tags, fragment->batches[b]);
        if (fragment->modified_ms > v->out->last_modified_ms)
            v->out->last_modified_ms = fragment->modified_ms;
    }
    mu_strmap_free(&sources.seen);
    mu_strmap_free(&tags.seen);
    v->out->sources = sources.texts;
    v->out->n_sources = sources.n;
    v->out->tags = tags.texts;
    v->out->n_tags = tags.n;
}

/* -------- events -------- */

static void set_events(viewing *v)
{
    const mu_content_fields *f = &v->fields;
    mu_value events = v->content->events, hidden;
    mu_value *items = MU_NEW_ARRAY(v->arena, mu_value, events.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < events.n; i++)
        if (is_in(v, mu_number_at(events.items[i], f->identity),
                  mu_text_at(events.items[i], f->dataset)))
            items[n++] = events.items[i];
    if (n < events.n)
        events = (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
    v->out->events = mu_events_collapse(v->arena, f, events, &hidden);
}

/* A profile that has events alone was changed when the last of them came. */
static void set_modified_by_events(viewing *v)
{
    mu_value events = v->out->events;
    for (uint32_t i = 0; i < events.n; i++) {
        int64_t received_ms = mu_number_at(events.items[i], v->fields.received);
        if (received_ms > v->out->last_modified_ms)
            v->out->last_modified_ms = received_ms;
    }
}

mu_code mu_content_view(mu_arena *arena, const mu_schema *schema, const mu_content *content,
                        const mu_merge_policy *policy, uint32_t identity, mu_profile_view *out,
                        mu_err *err)
{
    MU_ASSERT(policy->uses_graph || identity < content->cluster.n_identities);
    mu_profile_view view = {.n_identities = 0};
    viewing v = {.arena = arena,
                 .schema = schema,
                 .fields = mu_content_fields_of(schema),
                 .content = content,
                 .policy = policy,
                 .identity = identity,
                 .out = &view};
    uint32_t n;
    const uint32_t *order = ranked_fragments(&v, &n);
    set_identities(&v);
    MU_TRY(set_attributes(&v, n, order, err));
    set_events(&v);
    set_provenance(&v, n, order);
    if (n == 0)
        set_modified_by_events(&v);
    view.is_empty = n == 0 && view.events.n == 0;
    *out = view;
    return MU_OK;
}
