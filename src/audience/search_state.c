#include "audience/search_state.h"

#include "audience/search.h"
#include "json/edit.h"

#include <stdlib.h>

#define OWN_NAMESPACE MU_STR("AEPSegments")

/* While a state is made. */
typedef struct builder {
    mu_search_state *state;
    uint32_t n_room, n_folders, n_names_room;
    mu_strmap namespaces; /* codes to places */
    mu_str *names;
} builder;

/* -------- entities -------- */

static mu_str key_of(mu_arena *arena, bool is_folder, mu_str id)
{
    return mu_arena_format(arena, "%c" MU_STR_FMT, is_folder ? 'f' : 'a', MU_STR_ARG(id));
}

uint32_t mu_search_state_find(const mu_search_state *state, bool is_folder, mu_str id)
{
    char small[MU_SEARCH_ID_BYTES + 1];
    if (id.len > MU_SEARCH_ID_BYTES)
        return MU_SEARCH_NO_ENTITY;
    small[0] = is_folder ? 'f' : 'a';
    if (id.len > 0)
        memcpy(small + 1, id.ptr, id.len);
    const uint64_t *place = mu_strmap_get(&state->by_key, (mu_str){small, id.len + 1});
    return place == NULL ? MU_SEARCH_NO_ENTITY : (uint32_t)*place;
}

static mu_search_entity *add_entity(builder *b, bool is_folder, mu_str id)
{
    mu_search_state *state = b->state;
    MU_ASSERT(state->n < b->n_room);
    mu_search_entity *entity = &state->entities[state->n];
    *entity = (mu_search_entity){.is_folder = is_folder,
                                 .key = key_of(&state->arena, is_folder, id),
                                 .id = id,
                                 .source_id = id,
                                 .name = id,
                                 .parent = MU_SEARCH_NO_ENTITY};
    *mu_strmap_put(&state->by_key, entity->key, NULL) = state->n++;
    return entity;
}

static mu_str parent_of(const mu_json *json, const char *path)
{
    const mu_json *parent = mu_json_at(json, mu_str_from(path));
    bool has_one = parent != NULL && parent->kind == MU_JSON_STRING && parent->string.len > 0 &&
                   parent->string.len <= MU_SEARCH_ID_BYTES;
    return has_one ? parent->string : MU_SEARCH_ROOT;
}

static void add_folders(builder *b)
{
    const mu_shelf *shelf = b->state->folders;
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        mu_search_entity *entity = add_entity(b, true, item->document.id);
        entity->name = mu_json_member_string(&item->json, MU_STR("name"), entity->id);
        entity->parent_id = parent_of(&item->json, "parentFolderId");
    }
}

static bool is_listed(const mu_audience *audience)
{
    return !audience->is_system;
}

/* Folders that only audiences know of. */
static void add_implied_folders(builder *b)
{
    const mu_audience_book *book = b->state->book;
    for (uint32_t i = 0; i < book->n; i++) {
        mu_str id =
            parent_of(&book->audiences[i]->item->json, "linkedAudienceRef.audienceFolderId");
        if (is_listed(book->audiences[i]) && !mu_str_equal(id, MU_SEARCH_ROOT) &&
            mu_search_state_find(b->state, true, id) == MU_SEARCH_NO_ENTITY)
            add_entity(b, true, id)->parent_id = MU_SEARCH_ROOT;
    }
    b->n_folders = b->state->n;
}

static uint32_t namespace_place(builder *b, mu_str code)
{
    bool is_new;
    uint64_t *place = mu_strmap_put(&b->namespaces, code, &is_new);
    if (is_new) {
        *place = b->state->n_namespaces;
        b->names[b->state->n_namespaces++] = code;
    }
    return (uint32_t)*place;
}

static void add_audiences(builder *b)
{
    const mu_audience_book *book = b->state->book;
    for (uint32_t i = 0; i < book->n; i++) {
        const mu_audience *audience = book->audiences[i];
        if (!is_listed(audience))
            continue;
        mu_search_entity *entity = add_entity(b, false, audience->id);
        entity->source_id = audience->is_external ? audience->audience_id : audience->id;
        entity->name = audience->name;
        entity->description = audience->description;
        entity->parent_id = parent_of(&audience->item->json, "linkedAudienceRef.audienceFolderId");
        entity->namespace_at = namespace_place(b, audience->namespace_code);
    }
}

/* -------- folders -------- */

/* A parent that is not there counts as the top. */
static void link_parents(mu_search_state *state)
{
    for (uint32_t i = 0; i < state->n; i++) {
        mu_search_entity *entity = &state->entities[i];
        entity->parent = mu_str_equal(entity->parent_id, MU_SEARCH_ROOT)
                             ? MU_SEARCH_NO_ENTITY
                             : mu_search_state_find(state, true, entity->parent_id);
        if (entity->parent == MU_SEARCH_NO_ENTITY)
            entity->parent_id = MU_SEARCH_ROOT;
    }
}

uint32_t mu_search_state_path(const mu_search_state *state, const mu_search_entity *entity,
                              uint32_t out[MU_SEARCH_FOLDERS_MAX])
{
    uint32_t n = 0;
    for (uint32_t at = entity->parent; at != MU_SEARCH_NO_ENTITY && n < MU_SEARCH_FOLDERS_MAX;
         at = state->entities[at].parent)
        out[n++] = at;
    for (uint32_t i = 0; i < n / 2; i++) {
        uint32_t swapped = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = swapped;
    }
    return n;
}

bool mu_search_entity_is_in(const mu_search_entity *entity, uint32_t namespace_at)
{
    return entity->is_folder ? (entity->namespaces[namespace_at / 64] >> namespace_at % 64 & 1) != 0
                             : entity->namespace_at == namespace_at;
}

static void add_namespace(mu_search_entity *folder, uint32_t namespace_at)
{
    folder->namespaces[namespace_at / 64] |= (uint64_t)1 << namespace_at % 64;
}

/* Every folder on the way to an audience, then those that no audience is in. */
static void give_namespaces(builder *b)
{
    mu_search_state *state = b->state;
    uint32_t own = b->n_folders == 0 ? 0 : namespace_place(b, OWN_NAMESPACE);
    size_t n_words = state->n_namespaces / 64 + 1;
    uint64_t *bits = mu_arena_array(&state->arena, (size_t)b->n_folders * n_words, sizeof *bits);
    bool *has_any = MU_NEW_ARRAY(&state->arena, bool, b->n_folders);
    uint32_t path[MU_SEARCH_FOLDERS_MAX];
    for (uint32_t i = 0; i < b->n_folders; i++)
        state->entities[i].namespaces = bits + (size_t)i * n_words;
    for (uint32_t i = b->n_folders; i < state->n; i++) {
        uint32_t n = mu_search_state_path(state, &state->entities[i], path);
        for (uint32_t k = 0; k < n; k++) {
            add_namespace(&state->entities[path[k]], state->entities[i].namespace_at);
            has_any[path[k]] = true;
        }
    }
    for (uint32_t i = 0; i < b->n_folders; i++)
        if (!has_any[i])
            add_namespace(&state->entities[i], own);
}

/* -------- order -------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* By byte, after ASCII case folding. */
static int compare_names(mu_str a, mu_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shared; i++) {
        unsigned char x = (unsigned char)lower(a.ptr[i]), y = (unsigned char)lower(b.ptr[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_entities(const void *left, const void *right)
{
    const mu_search_entity *a = *(const mu_search_entity *const *)left,
                           *b = *(const mu_search_entity *const *)right;
    if (a->is_folder != b->is_folder)
        return a->is_folder ? -1 : 1;
    int order = compare_names(a->name, b->name);
    return order != 0 ? order : mu_str_compare(a->id, b->id);
}

static void put_in_order(mu_search_state *state)
{
    mu_search_entity **sorted = MU_NEW_ARRAY(&state->arena, mu_search_entity *, state->n);
    uint32_t *ordered = MU_NEW_ARRAY(&state->arena, uint32_t, state->n);
    for (uint32_t i = 0; i < state->n; i++)
        sorted[i] = &state->entities[i];
    qsort(sorted, state->n, sizeof(mu_search_entity *), compare_entities);
    for (uint32_t i = 0; i < state->n; i++) {
        sorted[i]->order = i;
        ordered[i] = (uint32_t)(sorted[i] - state->entities);
    }
    state->ordered = ordered;
}

/* -------- states -------- */

mu_code mu_search_state_new(const mu_audience_book *book, const mu_shelf *folders,
                            mu_search_state **out, mu_err *err)
{
    mu_search_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        mu_audience_book_release(book);
        mu_shelf_release(folders);
        return mu_fail(err, MU_E_NOMEM, "no memory for the search");
    }
    builder b = {.state = state, .n_room = folders->n + book->n * 2};
    *state = (mu_search_state){.book = book, .folders = folders};
    mu_arena_init(&state->arena, SIZE_MAX);
    mu_strmap_init(&state->by_key);
    mu_strmap_init(&b.namespaces);
    state->entities = MU_NEW_ARRAY(&state->arena, mu_search_entity, b.n_room);
    b.names = MU_NEW_ARRAY(&state->arena, mu_str, (size_t)book->n + 1);
    add_folders(&b);
    add_implied_folders(&b);
    add_audiences(&b);
    link_parents(state);
    give_namespaces(&b);
    put_in_order(state);
    state->namespaces = b.names;
    mu_strmap_free(&b.namespaces);
    *out = state;
    return MU_OK;
}

void mu_search_state_free(mu_search_state *state)
{
    if (state == NULL)
        return;
    mu_audience_book_release(state->book);
    mu_shelf_release(state->folders);
    mu_strmap_free(&state->by_key);
    mu_arena_free(&state->arena);
    free(state);
}

uint32_t mu_search_state_namespace(const mu_search_state *state, mu_str code)
{
    uint32_t at = 0;
    while (at < state->n_namespaces && !mu_str_equal(state->namespaces[at], code))
        at++;
    return at;
}

/* -------- texts -------- */

static mu_str at_most(mu_str text)
{
    size_t len = MU_SEARCH_TEXT_BYTES;
    if (text.len <= len)
        return text;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--; /* between two characters */
    return (mu_str){text.ptr, len};
}

static mu_str location_of(const mu_search_state *state, const mu_search_entity *entity,
                          mu_arena *arena)
{
    uint32_t path[MU_SEARCH_FOLDERS_MAX];
    mu_buf buf;
    uint32_t n = mu_search_state_path(state, entity, path);
    if (n == 0)
        return entity->is_folder ? entity->name : MU_STR("");
    mu_buf_init(&buf, SIZE_MAX);
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_add_str(&buf, state->entities[path[i]].name);
        mu_buf_add_char(&buf, '/');
    }
    mu_buf_add_str(&buf, entity->is_folder ? entity->name : MU_STR(""));
    mu_str location = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return location;
}

void mu_search_state_texts(const mu_search_state *state, const mu_search_entity *entity,
                           mu_arena *arena, mu_str out[MU_SEARCH_FIELD_COUNT_])
{
    const mu_str none = MU_STR("");
    bool has_own_source = !mu_str_equal(entity->source_id, entity->id);
    mu_str ids = has_own_source
                     ? mu_arena_format(arena, MU_STR_FMT " " MU_STR_FMT, MU_STR_ARG(entity->id),
                                       MU_STR_ARG(entity->source_id))
                     : entity->id;
    out[MU_SEARCH_FOLDER_ID] = entity->is_folder ? entity->id : none;
    out[MU_SEARCH_FOLDER_LOCATION] = at_most(location_of(state, entity, arena));
    bool is_at_top = entity->parent == MU_SEARCH_NO_ENTITY;
    out[MU_SEARCH_PARENT_FOLDER_ID] = is_at_top ? none : entity->parent_id;
    out[MU_SEARCH_TOP] = is_at_top ? entity->parent_id : none;
    out[MU_SEARCH_SEGMENT_ID] = entity->is_folder ? none : ids;
    out[MU_SEARCH_SEGMENT_NAME] = at_most(entity->name);
    out[MU_SEARCH_SEGMENT_DESCRIPTION] = at_most(entity->description);
}
