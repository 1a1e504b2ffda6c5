/* audience.c -- books: the documents of audiences read once, with who refers to whom.
 *
 *   shelf state ──> entries (taken over from the book before where the document is the same)
 *               ──> maps by id, by name, by an external audience's own id
 *               ──> dependencies, dependents, events
 */
#include "audience/audience.h"

#include "base/hash.h"
#include "json/edit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SEVERAL UINT64_MAX /* of a name that more than one audience has */

typedef struct entry {
    mu_audience public;     /* first: a mu_audience is an entry */
    bool reads_events;      /* its own rule */
    uint32_t next_external; /* place + 1 of the next with the same audienceId */
} entry;

typedef struct book {
    mu_audience_book public; /* first: a mu_audience_book is a book */
    mu_arena arena;
    entry *entries;
    mu_strmap ids, names; /* place; place or SEVERAL */
    mu_strmap externals;  /* by audienceId: place + 1 of the first */
    _Atomic uint32_t n_holders;
} book;

struct mu_audience_books {
    mu_shelves *shelves;
    pthread_mutex_t edit_lock; /* mu_audience_books_lock; taken before the others */
    pthread_mutex_t make_lock; /* held while a book is made; taken before `lock` */
    pthread_mutex_t lock;      /* held for the pointer only */
    book *present;             /* guarded by `lock`; NULL at first */
};

/* -------- one audience -------- */

static mu_lifecycle lifecycle_of(mu_str text)
{
    if (mu_str_equal(text, MU_STR("draft")))
        return MU_LIFECYCLE_DRAFT;
    return mu_str_equal(text, MU_STR("inactive")) ? MU_LIFECYCLE_INACTIVE : MU_LIFECYCLE_PUBLISHED;
}

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

static bool is_enabled(const mu_json *json, const char *method)
{
    const mu_json *info =
        mu_json_get(mu_json_get(json, MU_STR("evaluationInfo")), mu_str_from(method));
    return mu_json_truth(mu_json_get(info, MU_STR("enabled")), false);
}

static void read_rule(const mu_json *json, mu_audience *audience)
{
    const mu_json *expression = mu_json_get(json, MU_STR("expression"));
    const mu_json *governance = mu_json_get(json, MU_STR("dataGovernancePolicy"));
    if (audience->is_external)
        return;
    audience->expression = text_of(expression, "value");
    audience->expression_is_tree = mu_str_equal(text_of(expression, "format"), MU_STR("pql/json"));
    audience->excludes_opt_out =
        mu_json_truth(mu_json_get(governance, MU_STR("excludeOptOut")), true);
    audience->merge_policy_id = text_of(json, "mergePolicyId");
    audience->batch = is_enabled(json, "batch");
    audience->streaming = is_enabled(json, "continuous");
    audience->edge = is_enabled(json, "synchronous");
}

static void read_entry(const mu_shelf_item *item, entry *out)
{
    const mu_json *json = &item->json;
    *out = (entry){0};
    mu_audience *audience = &out->public;
    audience->item = item;
    audience->id = item->document.id;
    audience->audience_id = mu_json_member_string(json, MU_STR("audienceId"), audience->id);
    audience->name = text_of(json, "name");
    audience->description = text_of(json, "description");
    audience->namespace_code = text_of(json, "namespace");
    audience->origin_name = text_of(json, "originName");
    audience->schema_name = mu_json_member_string(mu_json_get(json, MU_STR("schema")),
                                                  MU_STR("name"), MU_STR("_xdm.context.profile"));
    audience->lifecycle = lifecycle_of(text_of(json, "lifecycleState"));
    audience->is_external = mu_str_equal(text_of(json, "type"), MU_STR("ExternalSegment"));
    audience->is_system = mu_json_truth(mu_json_get(json, MU_STR("isSystem")), false);
    out->reads_events = mu_json_truth(mu_json_get(json, MU_STR("$hasEvents")), false);
    read_rule(json, audience);
}

/* -------- finding -------- */

static const entry *entry_at(const book *b, uint64_t place)
{
    return &b->entries[place];
}

const mu_audience *mu_audience_find(const mu_audience_book *held, mu_str id)
{
    const book *b = (const book *)held;
    const uint64_t *place = mu_strmap_get(&b->ids, id);
    return place == NULL ? NULL : &entry_at(b, *place)->public;
}

const mu_audience *mu_audience_find_external(const mu_audience_book *held, mu_str namespace_code,
                                             mu_str audience_id)
{
    const book *b = (const book *)held;
    const uint64_t *first = mu_strmap_get(&b->externals, audience_id);
    uint32_t next = first == NULL ? 0 : (uint32_t)*first;
    while (next != 0) {
        const entry *found = entry_at(b, next - 1);
        if (namespace_code.len == 0 || mu_str_equal(found->public.namespace_code, namespace_code))
            return &found->public;
        next = found->next_external;
    }
    return NULL;
}

const mu_audience *mu_audience_find_reference(const mu_audience_book *held, mu_str text)
{
    const book *b = (const book *)held;
    const mu_audience *found = mu_audience_find(held, text);
    if (found == NULL)
        found = mu_audience_find_external(held, MU_STR(""), text);
    const uint64_t *place = found == NULL ? mu_strmap_get(&b->names, text) : NULL;
    return place != NULL && *place != SEVERAL ? &entry_at(b, *place)->public : found;
}

/* -------- making -------- */

/* Entries of documents that did not change need not be read again: their texts belong to the
 * document, which the new shelf holds too. */
static void read_entries(book *b, const book *before)
{
    const mu_shelf *shelf = b->public.shelf;
    const mu_audience **list = MU_NEW_ARRAY(&b->arena, const mu_audience *, shelf->n);
    b->entries = MU_NEW_ARRAY(&b->arena, entry, shelf->n);
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        const uint64_t *place =
            before == NULL ? NULL : mu_strmap_get(&before->ids, item->document.id);
        if (place != NULL && before->entries[*place].public.item == item)
            b->entries[i] = before->entries[*place];
        else
            read_entry(item, &b->entries[i]);
        b->entries[i].next_external = 0;
        list[i] = &b->entries[i].public;
        b->public.n_external += b->entries[i].public.is_external;
        b->public.n_system += b->entries[i].public.is_system;
    }
    b->public.n = shelf->n;
    b->public.audiences = list;
}

static void index_entries(book *b)
{
    for (uint32_t i = b->public.n; i-- > 0;) { /* so that lists begin with the oldest */
        entry *e = &b->entries[i];
        bool is_new;
        *mu_strmap_put(&b->ids, e->public.id, NULL) = i;
        uint64_t *name = mu_strmap_put(&b->names, e->public.name, &is_new);
        *name = is_new ? i : SEVERAL;
        if (!e->public.is_external)
            continue;
        uint64_t *first = mu_strmap_put(&b->externals, e->public.audience_id, NULL);
        e->next_external = (uint32_t)*first;
        *first = i + 1;
    }
}

/* What it says it refers to, as far as it is there. */
static void link_dependencies(book *b, entry *e)
{
    const mu_json *ids = mu_json_get(&e->public.item->json, MU_STR("dependencies"));
    uint32_t n = 0, n_ids = ids != NULL && ids->kind == MU_JSON_ARRAY ? ids->n : 0;
    e->public.n_dependencies = 0;
    e->public.dependencies = NULL;
    if (n_ids == 0)
        return;
    const mu_audience **list = MU_NEW_ARRAY(&b->arena, const mu_audience *, n_ids);
    for (uint32_t i = 0; i < n_ids; i++) {
        const mu_audience *found = ids->items[i].kind == MU_JSON_STRING
                                       ? mu_audience_find(&b->public, ids->items[i].string)
                                       : NULL;
        if (found != NULL)
            list[n++] = found;
    }
    e->public.n_dependencies = n;
    e->public.dependencies = list;
}

static entry *entry_of(const mu_audience *audience)
{
    return (entry *)(uintptr_t)audience;
}

static void link_dependents(book *b)
{
    for (uint32_t i = 0; i < b->public.n; i++)
        b->entries[i].public.n_dependents = 0;
    for (uint32_t i = 0; i < b->public.n; i++)
        for (uint32_t k = 0; k < b->entries[i].public.n_dependencies; k++)
            entry_of(b->entries[i].public.dependencies[k])->public.n_dependents++;
    for (uint32_t i = 0; i < b->public.n; i++) {
        mu_audience *audience = &b->entries[i].public;
        audience->dependents =
            audience->n_dependents == 0
                ? NULL
                : MU_NEW_ARRAY(&b->arena, const mu_audience *, audience->n_dependents);
        audience->n_dependents = 0;
    }
    for (uint32_t i = 0; i < b->public.n; i++) {
        for (uint32_t k = 0; k < b->entries[i].public.n_dependencies; k++) {
            mu_audience *used = &entry_of(b->entries[i].public.dependencies[k])->public;
            ((const mu_audience **)(uintptr_t)used->dependents)[used->n_dependents++] =
                &b->entries[i].public;
        }
    }
}

/* From those whose own rule reads events to all that depend on them. */
static void spread_events(book *b)
{
    uint32_t n = 0;
    entry **queue = MU_NEW_ARRAY(&b->arena, entry *, b->public.n);
    for (uint32_t i = 0; i < b->public.n; i++) {
        b->entries[i].public.has_events = b->entries[i].reads_events;
        if (b->entries[i].reads_events)
            queue[n++] = &b->entries[i];
    }
    for (uint32_t at = 0; at < n; at++) {
        for (uint32_t k = 0; k < queue[at]->public.n_dependents; k++) {
            entry *user = entry_of(queue[at]->public.dependents[k]);
            if (!user->public.has_events) {
                user->public.has_events = true;
                queue[n++] = user;
            }
        }
    }
}

static void book_free(book *b)
{
    if (b == NULL)
        return;
    mu_strmap_free(&b->ids);
    mu_strmap_free(&b->names);
    mu_strmap_free(&b->externals);
    mu_shelf_release(b->public.shelf);
    mu_arena_free(&b->arena);
    free(b);
}

/* Takes the shelf over. */
static mu_code book_new(const mu_shelf *shelf, const book *before, book **out, mu_err *err)
{
    book *b = calloc(1, sizeof *b);
    if (b == NULL) {
        mu_shelf_release(shelf);
        return mu_fail(err, MU_E_NOMEM, "no memory for audiences");
    }
    mu_arena_init(&b->arena, SIZE_MAX);
    atomic_init(&b->n_holders, 1);
    mu_strmap_init(&b->ids);
    mu_strmap_init(&b->names);
    mu_strmap_init(&b->externals);
    b->public.shelf = shelf;
    b->public.generation = shelf->generation;
    read_entries(b, before);
    index_entries(b);
    for (uint32_t i = 0; i < b->public.n; i++)
        link_dependencies(b, &b->entries[i]);
    link_dependents(b);
    spread_events(b);
    *out = b;
    return MU_OK;
}

/* -------- books -------- */

mu_code mu_audience_books_new(mu_shelves *shelves, mu_audience_books **out, mu_err *err)
{
    mu_audience_books *books = calloc(1, sizeof *books);
    if (books == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for audiences");
    books->shelves = shelves;
    pthread_mutex_init(&books->edit_lock, NULL);
    pthread_mutex_init(&books->make_lock, NULL);
    pthread_mutex_init(&books->lock, NULL);
    *out = books;
    return MU_OK;
}

void mu_audience_books_free(mu_audience_books *books)
{
    if (books == NULL)
        return;
    if (books->present != NULL)
        mu_audience_book_release(&books->present->public);
    pthread_mutex_destroy(&books->edit_lock);
    pthread_mutex_destroy(&books->make_lock);
    pthread_mutex_destroy(&books->lock);
    free(books);
}

void mu_audience_books_lock(mu_audience_books *books)
{
    pthread_mutex_lock(&books->edit_lock);
}

void mu_audience_books_unlock(mu_audience_books *books)
{
    pthread_mutex_unlock(&books->edit_lock);
}

static book *hold(book *held)
{
    if (held != NULL)
        atomic_fetch_add_explicit(&held->n_holders, 1, memory_order_relaxed);
    return held;
}

void mu_audience_book_release(const mu_audience_book *held)
{
    book *b = (book *)(uintptr_t)held;
    if (b != NULL && atomic_fetch_sub_explicit(&b->n_holders, 1, memory_order_acq_rel) == 1)
        book_free(b);
}

static book *hold_present(mu_audience_books *books)
{
    pthread_mutex_lock(&books->lock);
    book *held = hold(books->present);
    pthread_mutex_unlock(&books->lock);
    return held;
}

/* Reads the shelf once more, so that a slow reader never puts an older book over a newer one. */
static mu_code make_present(mu_audience_books *books, book **out, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(books->shelves, MU_AUDIENCE_KIND, &shelf, err));
    book *before = hold_present(books), *made = NULL;
    if (before != NULL && before->public.generation == shelf->generation) {
        mu_shelf_release(shelf);
        *out = before;
        return MU_OK;
    }
    mu_code code = book_new(shelf, before, &made, err);
    if (before != NULL)
        mu_audience_book_release(&before->public);
    if (code != MU_OK)
        return code;
    pthread_mutex_lock(&books->lock);
    before = books->present;
    books->present = hold(made);
    pthread_mutex_unlock(&books->lock);
    if (before != NULL)
        mu_audience_book_release(&before->public);
    *out = made;
    return MU_OK;
}

mu_code mu_audience_book_acquire(mu_audience_books *books, const mu_audience_book **out,
                                 mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(books->shelves, MU_AUDIENCE_KIND, &shelf, err));
    uint64_t generation = shelf->generation;
    mu_shelf_release(shelf);
    book *held = hold_present(books);
    if (held == NULL || held->public.generation != generation) {
        if (held != NULL)
            mu_audience_book_release(&held->public);
        pthread_mutex_lock(&books->make_lock);
        mu_code code = make_present(books, &held, err);
        pthread_mutex_unlock(&books->make_lock);
        MU_TRY(code);
    }
    *out = &held->public;
    return MU_OK;
}
