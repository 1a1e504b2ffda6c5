#include "catalog/shelf.h"

#include "base/hash.h"
#include "json/edit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* One allocation: the item, its tree, then all texts. */
typedef struct item {
    mu_shelf_item public; /* first: a mu_shelf_item is an item */
    _Atomic uint32_t n_holders;
} item;

typedef struct state {
    mu_shelf public; /* first: a mu_shelf is a state */
    item **items;
    uint32_t n_slots; /* a power of two, at least twice n */
    uint32_t *slots;  /* places in `items`, plus 1; 0: free */
    _Atomic uint32_t n_holders;
} state;

typedef struct kind_entry {
    struct kind_entry *next;
    mu_str kind;
    state *state; /* guarded by `lock` */
} kind_entry;

struct mu_shelves {
    mu_documents *documents;
    mu_arena arena;            /* names of kinds; guarded by `lock` */
    mu_str place;              /* immutable */
    pthread_mutex_t edit_lock; /* held through an edit; taken before `lock` */
    pthread_mutex_t lock;      /* held for pointers only */
    kind_entry *kinds;         /* entries stay */
    uint64_t next_generation;  /* guarded by `lock` */
};

/* -------- items -------- */

/* Depth is limited by the reader (MU_JSON_DEPTH_MAX). */
static void measure(const mu_json *json, size_t *n_bytes, size_t *n_texts)
{
    if (json->kind == MU_JSON_STRING)
        *n_texts += json->string.len;
    if (json->kind != MU_JSON_ARRAY && json->kind != MU_JSON_OBJECT)
        return;
    *n_bytes += json->n * sizeof(mu_json);
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->kind == MU_JSON_OBJECT) {
            *n_bytes += sizeof(mu_str);
            *n_texts += json->names[i].len;
        }
        measure(&json->items[i], n_bytes, n_texts);
    }
}

typedef struct room {
    char *bytes; /* aligned to 8 */
    char *texts;
} room;

static void *take(room *r, size_t size)
{
    void *taken = r->bytes;
    r->bytes += size;
    return taken;
}

static mu_str keep(room *r, mu_str text)
{
    char *kept = r->texts;
    if (text.len > 0)
        memcpy(kept, text.ptr, text.len);
    r->texts += text.len;
    return (mu_str){kept, text.len};
}

static mu_json copy(room *r, const mu_json *json)
{
    mu_json out = *json;
    if (json->kind == MU_JSON_STRING)
        out.string = keep(r, json->string);
    if (json->kind != MU_JSON_ARRAY && json->kind != MU_JSON_OBJECT)
        return out;
    mu_json *items = take(r, json->n * sizeof *items);
    mu_str *names = json->kind == MU_JSON_OBJECT ? take(r, json->n * sizeof *names) : NULL;
    for (uint32_t i = 0; i < json->n; i++) {
        if (names != NULL)
            names[i] = keep(r, json->names[i]);
        items[i] = copy(r, &json->items[i]);
    }
    out.names = names;
    out.items = items;
    return out;
}

static mu_code item_make(const mu_document *document, const mu_json *json, item **out, mu_err *err)
{
    size_t n_bytes = (sizeof(item) + 7) & ~(size_t)7;
    size_t n_texts = document->id.len + document->json.len;
    measure(json, &n_bytes, &n_texts);
    item *made = malloc(n_bytes + n_texts);
    if (made == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for a document");
    room r = {(char *)made + ((sizeof(item) + 7) & ~(size_t)7), (char *)made + n_bytes};
    made->public.document = *document;
    made->public.document.id = keep(&r, document->id);
    made->public.document.json = keep(&r, document->json);
    made->public.json = copy(&r, json);
    atomic_init(&made->n_holders, 1);
    *out = made;
    return MU_OK;
}

static mu_code item_new(const mu_document *document, item **out, mu_err *err)
{
    mu_json json;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_json_parse(&arena, document->json, &json, err);
    if (code == MU_OK)
        code = item_make(document, &json, out, err);
    mu_arena_free(&arena);
    return code;
}

const mu_shelf_item *mu_shelf_item_hold(const mu_shelf_item *held)
{
    atomic_fetch_add_explicit(&((item *)held)->n_holders, 1, memory_order_relaxed);
    return held;
}

void mu_shelf_item_release(const mu_shelf_item *held)
{
    item *released = (item *)held;
    if (released == NULL ||
        atomic_fetch_sub_explicit(&released->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    free(released);
}

/* -------- states -------- */

static uint32_t slot_of(const state *s, mu_str id)
{
    return (uint32_t)mu_hash64(id.ptr, id.len, 0) & (s->n_slots - 1);
}

/* With room for `n` items; they and the index are filled in by the caller. */
static state *state_new(uint32_t n)
{
    state *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->n_slots = 2;
    while (made->n_slots < n * 2)
        made->n_slots *= 2;
    made->items = calloc((size_t)n + 1, sizeof(item *));
    made->slots = calloc(made->n_slots, sizeof *made->slots);
    atomic_init(&made->n_holders, 1);
    if (made->items == NULL || made->slots == NULL) {
        free(made->items);
        free(made->slots);
        free(made);
        return NULL;
    }
    made->public.items = (const mu_shelf_item *const *)made->items;
    return made;
}

static void state_index(state *s)
{
    for (uint32_t i = 0; i < s->public.n; i++) {
        uint32_t slot = slot_of(s, s->items[i]->public.document.id);
        while (s->slots[slot] != 0)
            slot = (slot + 1) & (s->n_slots - 1);
        s->slots[slot] = i + 1;
    }
}

static void state_release(state *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < s->public.n; i++)
        mu_shelf_item_release(&s->items[i]->public);
    free(s->items);
    free(s->slots);
    free(s);
}

void mu_shelf_release(const mu_shelf *shelf)
{
    state_release((state *)shelf);
}

const mu_shelf_item *mu_shelf_find(const mu_shelf *shelf, mu_str id)
{
    const state *s = (const state *)shelf;
    for (uint32_t slot = slot_of(s, id); s->slots[slot] != 0; slot = (slot + 1) & (s->n_slots - 1))
        if (mu_str_equal(s->items[s->slots[slot] - 1]->public.document.id, id))
            return &s->items[s->slots[slot] - 1]->public;
    return NULL;
}

static mu_code state_read(mu_shelves *shelves, mu_str kind, state **out, mu_err *err)
{
    mu_arena arena;
    uint32_t n;
    const mu_document *list;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code =
        mu_document_list(shelves->documents, &arena, shelves->place, kind, &n, &list, err);
    state *made = code == MU_OK ? state_new(n) : NULL;
    if (code == MU_OK && made == NULL)
        code = mu_fail(err, MU_E_NOMEM, "no memory for documents");
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        code = item_new(&list[i], &made->items[i], err);
        made->public.n += code == MU_OK;
    }
    mu_arena_free(&arena);
    if (code != MU_OK) {
        state_release(made);
        return code;
    }
    state_index(made);
    *out = made;
    return MU_OK;
}

/* -------- shelves -------- */

mu_code mu_shelves_new(mu_documents *documents, mu_str place, mu_shelves **out, mu_err *err)
{
    mu_shelves *shelves = calloc(1, sizeof *shelves);
    if (shelves == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for documents");
    mu_arena_init(&shelves->arena, SIZE_MAX);
    shelves->documents = documents;
    shelves->place = mu_arena_copy(&shelves->arena, place);
    shelves->next_generation = 1;
    pthread_mutex_init(&shelves->edit_lock, NULL);
    pthread_mutex_init(&shelves->lock, NULL);
    *out = shelves;
    return MU_OK;
}

void mu_shelves_free(mu_shelves *shelves)
{
    if (shelves == NULL)
        return;
    for (kind_entry *entry = shelves->kinds; entry != NULL; entry = entry->next)
        state_release(entry->state);
    pthread_mutex_destroy(&shelves->edit_lock);
    pthread_mutex_destroy(&shelves->lock);
    mu_arena_free(&shelves->arena);
    free(shelves);
}

static kind_entry *find_kind(const mu_shelves *shelves, mu_str kind)
{
    kind_entry *entry = shelves->kinds;
    while (entry != NULL && !mu_str_equal(entry->kind, kind))
        entry = entry->next;
    return entry;
}

/* The present state with one more holder; NULL when the kind was not read yet. */
static state *hold_state(mu_shelves *shelves, mu_str kind)
{
    pthread_mutex_lock(&shelves->lock);
    kind_entry *entry = find_kind(shelves, kind);
    state *held = entry == NULL ? NULL : entry->state;
    if (held != NULL)
        atomic_fetch_add_explicit(&held->n_holders, 1, memory_order_relaxed);
    pthread_mutex_unlock(&shelves->lock);
    return held;
}

/* For whoever holds `lock`: puts a state (NULL: none, who asks next reads the whole kind) in the
 * place of the one that it returns. */
static state *swap_state(mu_shelves *shelves, mu_str kind, state *made)
{
    kind_entry *entry = find_kind(shelves, kind);
    if (entry == NULL) {
        entry = MU_NEW(&shelves->arena, kind_entry);
        *entry = (kind_entry){.next = shelves->kinds, .kind = mu_arena_copy(&shelves->arena, kind)};
        shelves->kinds = entry;
    }
    state *before = entry->state;
    if (made != NULL)
        made->public.generation = shelves->next_generation++;
    entry->state = made;
    return before;
}

/* For whoever holds edit_lock: reads the kind when it was not yet. */
static mu_code read_kind(mu_shelves *shelves, mu_str kind, mu_err *err)
{
    state *held = hold_state(shelves, kind);
    if (held != NULL) {
        state_release(held);
        return MU_OK;
    }
    state *made;
    MU_TRY(state_read(shelves, kind, &made, err));
    pthread_mutex_lock(&shelves->lock);
    (void)swap_state(shelves, kind, made); /* there was none */
    pthread_mutex_unlock(&shelves->lock);
    return MU_OK;
}

mu_code mu_shelf_acquire(mu_shelves *shelves, mu_str kind, const mu_shelf **out, mu_err *err)
{
    state *held;
    while ((held = hold_state(shelves, kind)) == NULL) {
        pthread_mutex_lock(&shelves->edit_lock);
        mu_code code = read_kind(shelves, kind, err);
        pthread_mutex_unlock(&shelves->edit_lock);
        MU_TRY(code);
    }
    *out = &held->public;
    return MU_OK;
}

/* -------- editing -------- */

static bool is_last_of_kind(uint32_t n, const mu_document_edit *edits, uint32_t i)
{
    for (uint32_t k = i + 1; k < n; k++)
        if (mu_str_equal(edits[k].kind, edits[i].kind))
            return false;
    return true;
}

/* The documents that edits of one kind left behind, in the places of those before; new ones at the
 * end, by number. */
typedef struct rebuilding {
    mu_shelves *shelves;
    mu_arena arena;
    mu_str kind;
    const state *before;
    state *made;
} rebuilding;

static mu_code read_item(rebuilding *r, mu_str id, item **out, mu_err *err)
{
    mu_document document;
    mu_code code = mu_document_get(r->shelves->documents, &r->arena, r->shelves->place, r->kind, id,
                                   &document, err);
    *out = NULL;
    return code == MU_E_NOT_FOUND ? MU_OK : code != MU_OK ? code : item_new(&document, out, err);
}

static bool is_edited_before(const rebuilding *r, const mu_document_edit *edits, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (mu_str_equal(edits[k].kind, r->kind) && mu_str_equal(edits[k].id, edits[i].id))
            return true;
    return false;
}

static mu_code place_item(rebuilding *r, mu_str id, mu_err *err)
{
    item *now;
    uint32_t place = 0;
    const mu_shelf_item *old = mu_shelf_find(&r->before->public, id);
    MU_TRY(read_item(r, id, &now, err));
    while (old != NULL && &r->made->items[place]->public != old)
        place++;
    if (old != NULL && now != NULL &&
        now->public.document.number == old->document.number) { /* changed in its place */
        r->made->items[place] = now;
        mu_shelf_item_release(old);
        return MU_OK;
    }
    if (old != NULL) {
        r->made->public.n--;
        memmove(&r->made->items[place], &r->made->items[place + 1],
                (r->made->public.n - place) * sizeof(item *));
        mu_shelf_item_release(old);
    }
    if (now != NULL)
        r->made->items[r->made->public.n++] = now;
    return MU_OK;
}

/* The state of a kind after the edits; NULL when nobody reads the kind, or it cannot be read. */
static state *rebuild(mu_shelves *shelves, mu_str kind, uint32_t n, const mu_document_edit *edits)
{
    state *before = hold_state(shelves, kind);
    if (before == NULL)
        return NULL;
    rebuilding r = {.shelves = shelves, .kind = kind, .before = before};
    mu_arena_init(&r.arena, SIZE_MAX);
    r.made = state_new(before->public.n + n);
    mu_code code = r.made != NULL ? MU_OK : MU_E_NOMEM;
    for (uint32_t i = 0; code == MU_OK && i < before->public.n; i++) {
        r.made->items[i] = before->items[i];
        (void)mu_shelf_item_hold(&before->items[i]->public);
        r.made->public.n++;
    }
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        if (mu_str_equal(edits[i].kind, kind) && !is_edited_before(&r, edits, i))
            code = place_item(&r, edits[i].id, NULL);
    mu_arena_free(&r.arena);
    state_release(before);
    if (code != MU_OK) {
        state_release(r.made);
        return NULL;
    }
    state_index(r.made);
    return r.made;
}

/* All kinds that the edits changed get their new states at one instant: who has seen the one sees
 * the others. states[i] is of the kind of edits[i], and becomes the one before. */
static void publish(mu_shelves *shelves, uint32_t n, const mu_document_edit *edits, state **states)
{
    pthread_mutex_lock(&shelves->lock);
    for (uint32_t i = 0; i < n; i++)
        if (is_last_of_kind(n, edits, i))
            states[i] = swap_state(shelves, edits[i].kind, states[i]);
    pthread_mutex_unlock(&shelves->lock);
}

mu_code mu_shelves_edit_locked(mu_shelves *shelves, int64_t now_ms, uint32_t n,
                               const mu_document_edit *edits, mu_err *err)
{
    state **states = calloc((size_t)n + 1, sizeof(state *));
    if (states == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for documents");
    mu_code code = mu_document_edit_all(shelves->documents, shelves->place, now_ms, n, edits, err);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        if (is_last_of_kind(n, edits, i))
            states[i] = rebuild(shelves, edits[i].kind, n, edits);
    if (code == MU_OK)
        publish(shelves, n, edits, states);
    for (uint32_t i = 0; i < n; i++)
        state_release(states[i]);
    free(states);
    return code;
}

mu_code mu_shelves_edit(mu_shelves *shelves, int64_t now_ms, uint32_t n,
                        const mu_document_edit *edits, mu_err *err)
{
    pthread_mutex_lock(&shelves->edit_lock);
    mu_code code = mu_shelves_edit_locked(shelves, now_ms, n, edits, err);
    pthread_mutex_unlock(&shelves->edit_lock);
    return code;
}

void mu_shelves_lock(mu_shelves *shelves)
{
    pthread_mutex_lock(&shelves->edit_lock);
}

void mu_shelves_unlock(mu_shelves *shelves)
{
    pthread_mutex_unlock(&shelves->edit_lock);
}
