/* search.c -- the indexes of workspaces, brought up to date before each search.
 *
 *   book, folders ─> state ─ texts that are new or differ ─> index
 *
 * Rows of the index keep their numbers from state to state, so that a changed audience costs one
 * row. One search of a workspace runs at a time.
 */
#include "audience/search.h"

#include "audience/search_index.h"
#include "audience/search_state.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct workspace_search {
    struct workspace_search *next;
    const mu_workspace *workspace;
    pthread_mutex_t lock; /* held while searching */
    mu_search_state *state;
    mu_search_index *index;
    uint64_t book_generation, folder_generation; /* of `state` */
    uint32_t n_rows, n_free;
    uint32_t *free_rows; /* n_free of n_rows_room */
    uint32_t n_rows_room;
} workspace_search;

struct mu_searches {
    pthread_mutex_t lock; /* held for the list only */
    workspace_search *first;
};

mu_searches *mu_searches_new(void)
{
    mu_searches *searches = calloc(1, sizeof *searches);
    if (searches != NULL)
        pthread_mutex_init(&searches->lock, NULL);
    return searches;
}

static void forget(workspace_search *search)
{
    mu_search_state_free(search->state);
    mu_search_index_free(search->index);
    search->state = NULL;
    search->index = NULL;
    search->n_rows = search->n_free = 0;
}

void mu_searches_free(mu_searches *searches)
{
    if (searches == NULL)
        return;
    while (searches->first != NULL) {
        workspace_search *search = searches->first;
        searches->first = search->next;
        forget(search);
        free(search->free_rows);
        pthread_mutex_destroy(&search->lock);
        free(search);
    }
    pthread_mutex_destroy(&searches->lock);
    free(searches);
}

static mu_code find_search(mu_searches *searches, const mu_workspace *workspace,
                           workspace_search **out, mu_err *err)
{
    pthread_mutex_lock(&searches->lock);
    workspace_search *at = searches->first;
    while (at != NULL && at->workspace != workspace)
        at = at->next;
    if (at == NULL && (at = calloc(1, sizeof *at)) != NULL) {
        at->workspace = workspace;
        pthread_mutex_init(&at->lock, NULL);
        at->next = searches->first;
        searches->first = at;
    }
    pthread_mutex_unlock(&searches->lock);
    *out = at;
    return at != NULL ? MU_OK : mu_fail(err, MU_E_NOMEM, "no memory for the search");
}

/* -------- bringing up to date -------- */

static uint32_t take_row(workspace_search *search)
{
    return search->n_free > 0 ? search->free_rows[--search->n_free] : search->n_rows++;
}

static mu_code give_row_back(workspace_search *search, uint32_t row, mu_err *err)
{
    if (search->n_free == search->n_rows_room) {
        uint32_t n_room = search->n_rows_room == 0 ? 64 : search->n_rows_room * 2;
        uint32_t *rows = realloc(search->free_rows, n_room * sizeof *rows);
        if (rows == NULL)
            return mu_fail(err, MU_E_NOMEM, "no memory for the search");
        search->free_rows = rows;
        search->n_rows_room = n_room;
    }
    search->free_rows[search->n_free++] = row;
    return mu_search_index_remove(search->index, row, err);
}

static uint64_t hash_of(const mu_str texts[MU_SEARCH_FIELD_COUNT_])
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < MU_SEARCH_FIELD_COUNT_; i++)
        hash = mu_hash64(texts[i].ptr, texts[i].len, hash + 1);
    return hash;
}

static const mu_search_entity *find_before(const mu_search_state *before, mu_str key)
{
    const uint64_t *place = before == NULL ? NULL : mu_strmap_get(&before->by_key, key);
    return place == NULL ? NULL : &before->entities[*place];
}

static mu_code index_entities(workspace_search *search, mu_search_state *state, mu_err *err)
{
    mu_arena arena;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; code == MU_OK && i < state->n; i++) {
        mu_search_entity *entity = &state->entities[i];
        const mu_search_entity *before = find_before(search->state, entity->key);
        mu_str texts[MU_SEARCH_FIELD_COUNT_];
        mu_search_state_texts(state, entity, &arena, texts);
        entity->text_hash = hash_of(texts);
        entity->row = before != NULL ? before->row : take_row(search);
        if (before == NULL || before->text_hash != entity->text_hash)
            code = mu_search_index_put(search->index, entity->row, texts, err);
        if (i % 256 == 255)
            mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    return code;
}

static mu_code remove_gone(workspace_search *search, const mu_search_state *state, mu_err *err)
{
    const mu_search_state *before = search->state;
    for (uint32_t i = 0; before != NULL && i < before->n; i++)
        if (mu_strmap_get(&state->by_key, before->entities[i].key) == NULL)
            MU_TRY(give_row_back(search, before->entities[i].row, err));
    return MU_OK;
}

static mu_code index_state(workspace_search *search, mu_search_state *state, mu_err *err)
{
    if (search->index == NULL)
        MU_TRY(mu_search_index_new(&search->index, err));
    MU_TRY(mu_search_index_begin(search->index, err));
    MU_TRY(remove_gone(search, state, err));
    MU_TRY(index_entities(search, state, err));
    return mu_search_index_commit(search->index, err);
}

static mu_code renew(workspace_search *search, const mu_audience_book *book,
                     const mu_shelf *folders, mu_err *err)
{
    uint64_t book_generation = book->generation, folder_generation = folders->generation;
    mu_search_state *state;
    MU_TRY(mu_search_state_new(book, folders, &state, err));
    mu_code code = index_state(search, state, err);
    if (code != MU_OK) {
        mu_search_state_free(state);
        forget(search);
        return code;
    }
    mu_search_state_free(search->state);
    search->state = state;
    search->book_generation = book_generation;
    search->folder_generation = folder_generation;
    return MU_OK;
}

static mu_code refresh(workspace_search *search, mu_workspace *workspace, mu_err *err)
{
    const mu_audience_book *book;
    const mu_shelf *folders;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    mu_code code = mu_shelf_acquire(workspace->shelves, MU_AUDIENCE_FOLDER_KIND, &folders, err);
    if (code != MU_OK) {
        mu_audience_book_release(book);
        return code;
    }
    if (search->state == NULL || search->book_generation != book->generation ||
        search->folder_generation != folders->generation)
        return renew(search, book, folders, err);
    mu_audience_book_release(book);
    mu_shelf_release(folders);
    return MU_OK;
}

/* Begins a search: out->lock is held when it is MU_OK. */
static mu_code begin(mu_searches *searches, mu_workspace *workspace, workspace_search **out,
                     mu_err *err)
{
    workspace_search *search;
    MU_TRY(find_search(searches, workspace, &search, err));
    pthread_mutex_lock(&search->lock);
    mu_code code = refresh(search, workspace, err);
    if (code != MU_OK) {
        pthread_mutex_unlock(&search->lock);
        return code;
    }
    *out = search;
    return MU_OK;
}

/* -------- finding -------- */

/* *scores by row; NULL when the query is empty: everything is wanted. */
static mu_code find_rows(workspace_search *search, mu_str query, mu_arena *arena,
                         const float **scores, mu_err *err)
{
    const mu_search_node *node;
    *scores = NULL;
    if (mu_str_trim(query).len == 0)
        return MU_OK;
    MU_TRY(mu_search_query_read(arena, query, &node, err));
    mu_code code = mu_search_index_find(search->index, node, search->n_rows, arena, scores, err);
    if (code != MU_OK && code != MU_E_INPUT)
        forget(search);
    return code;
}

/* An entity that was found, in the order of search.h. */
typedef struct found_entity {
    const mu_search_entity *entity;
    float score;
} found_entity;

static int compare_found(const void *left, const void *right)
{
    const found_entity *a = left, *b = right;
    if (a->entity->is_folder != b->entity->is_folder)
        return a->entity->is_folder ? -1 : 1;
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score ? -1 : 1;
    return a->entity->order < b->entity->order ? -1 : 1;
}

typedef struct entity_filter {
    uint32_t namespace_at; /* n_namespaces: of all */
    mu_str folder_id;
    const float *scores;
} entity_filter;

static bool is_wanted(const mu_search_state *state, const entity_filter *filter,
                      const mu_search_entity *entity)
{
    if (filter->scores != NULL && filter->scores[entity->row] <= 0)
        return false;
    if (filter->namespace_at < state->n_namespaces &&
        !mu_search_entity_is_in(entity, filter->namespace_at))
        return false;
    return filter->folder_id.len == 0 || mu_str_equal(entity->parent_id, filter->folder_id);
}

static mu_search_hit hit_of(const mu_search_state *state, const mu_search_entity *entity,
                            mu_str namespace_code, mu_arena *arena)
{
    mu_str own = entity->is_folder ? namespace_code : state->namespaces[entity->namespace_at];
    return (mu_search_hit){.id = mu_arena_copy(arena, entity->id),
                           .source_id = mu_arena_copy(arena, entity->source_id),
                           .name = mu_arena_copy(arena, entity->name),
                           .description = mu_arena_copy(arena, entity->description),
                           .parent_folder_id = mu_arena_copy(arena, entity->parent_id),
                           .namespace_code = mu_arena_copy(arena, own),
                           .is_folder = entity->is_folder};
}

/* In the order of the names; sorted anew only when there are scores. */
static found_entity *collect(const mu_search_state *state, const entity_filter *filter,
                             mu_arena *arena, uint32_t *n)
{
    found_entity *found = MU_NEW_ARRAY(arena, found_entity, state->n);
    *n = 0;
    for (uint32_t i = 0; i < state->n; i++) {
        const mu_search_entity *entity = &state->entities[state->ordered[i]];
        if (is_wanted(state, filter, entity))
            found[(*n)++] =
                (found_entity){entity, filter->scores == NULL ? 0 : filter->scores[entity->row]};
    }
    if (filter->scores != NULL)
        qsort(found, *n, sizeof *found, compare_found);
    return found;
}

static mu_code find_entities(workspace_search *search, const mu_search_request *request,
                             mu_arena *arena, uint32_t *n, const mu_search_hit **out,
                             uint32_t *n_all, mu_err *err)
{
    const mu_search_state *state = search->state;
    const float *scores;
    MU_TRY(find_rows(search, request->query, arena, &scores, err));
    entity_filter filter = {
        .namespace_at = state->n_namespaces, .folder_id = request->folder_id, .scores = scores};
    *n = *n_all = 0;
    *out = NULL;
    if (request->namespace_code.len > 0) {
        filter.namespace_at = mu_search_state_namespace(state, request->namespace_code);
        if (filter.namespace_at == state->n_namespaces)
            return MU_OK; /* nothing is in it */
    }
    const found_entity *found = collect(state, &filter, arena, n_all);
    uint32_t rest = request->offset < *n_all ? *n_all - request->offset : 0;
    *n = rest < request->limit ? rest : request->limit;
    mu_search_hit *hits = MU_NEW_ARRAY(arena, mu_search_hit, *n);
    for (uint32_t i = 0; i < *n; i++)
        hits[i] = hit_of(state, found[request->offset + i].entity, request->namespace_code, arena);
    *out = hits;
    return MU_OK;
}

mu_code mu_search_entities(mu_searches *searches, mu_workspace *workspace,
                           const mu_search_request *request, mu_arena *arena, uint32_t *n,
                           const mu_search_hit **out, uint32_t *n_all, mu_err *err)
{
    workspace_search *search;
    MU_TRY(begin(searches, workspace, &search, err));
    mu_code code = find_entities(search, request, arena, n, out, n_all, err);
    pthread_mutex_unlock(&search->lock);
    return code;
}

/* -------- namespaces -------- */

static int compare_namespaces(const void *left, const void *right)
{
    const mu_search_namespace *a = left, *b = right;
    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    return mu_str_compare(a->namespace_code, b->namespace_code);
}

static mu_code count_namespaces(workspace_search *search, mu_str query, mu_arena *arena,
                                uint32_t *n, const mu_search_namespace **out, mu_err *err)
{
    const mu_search_state *state = search->state;
    entity_filter filter = {.namespace_at = state->n_namespaces};
    mu_search_namespace *counts = MU_NEW_ARRAY(arena, mu_search_namespace, state->n_namespaces);
    MU_TRY(find_rows(search, query, arena, &filter.scores, err));
    for (uint32_t i = 0; i < state->n; i++) {
        const mu_search_entity *entity = &state->entities[i];
        if (!is_wanted(state, &filter, entity))
            continue;
        for (uint32_t k = 0; entity->is_folder && k < state->n_namespaces; k++)
            counts[k].n += mu_search_entity_is_in(entity, k);
        if (!entity->is_folder)
            counts[entity->namespace_at].n++;
    }
    *n = 0;
    for (uint32_t k = 0; k < state->n_namespaces; k++)
        if (counts[k].n > 0)
            counts[(*n)++] =
                (mu_search_namespace){mu_arena_copy(arena, state->namespaces[k]), counts[k].n};
    qsort(counts, *n, sizeof *counts, compare_namespaces);
    *out = counts;
    return MU_OK;
}

mu_code mu_search_namespaces(mu_searches *searches, mu_workspace *workspace, mu_str query,
                             mu_arena *arena, uint32_t *n, const mu_search_namespace **out,
                             mu_err *err)
{
    workspace_search *search;
    MU_TRY(begin(searches, workspace, &search, err));
    mu_code code = count_namespaces(search, query, arena, n, out, err);
    pthread_mutex_unlock(&search->lock);
    return code;
}

/* -------- folders -------- */

static const mu_search_entity *find_named(const mu_search_state *state, mu_str namespace_code,
                                          mu_str id)
{
    uint32_t namespace_at = mu_search_state_namespace(state, namespace_code);
    if (namespace_at == state->n_namespaces)
        return NULL;
    for (int is_folder = 0; is_folder <= 1; is_folder++) {
        uint32_t at = mu_search_state_find(state, is_folder != 0, id);
        if (at != MU_SEARCH_NO_ENTITY && mu_search_entity_is_in(&state->entities[at], namespace_at))
            return &state->entities[at];
    }
    for (uint32_t i = 0; i < state->n; i++)
        if (mu_str_equal(state->entities[i].source_id, id) &&
            mu_search_entity_is_in(&state->entities[i], namespace_at))
            return &state->entities[i];
    return NULL;
}

mu_code mu_search_taxonomy(mu_searches *searches, mu_workspace *workspace, mu_str namespace_code,
                           mu_str entity_id, mu_arena *arena, bool *found, uint32_t *n,
                           const mu_search_hit **out, mu_err *err)
{
    workspace_search *search;
    uint32_t path[MU_SEARCH_FOLDERS_MAX];
    mu_search_hit *hits = MU_NEW_ARRAY(arena, mu_search_hit, MU_SEARCH_FOLDERS_MAX);
    MU_TRY(begin(searches, workspace, &search, err));
    const mu_search_entity *entity = find_named(search->state, namespace_code, entity_id);
    *found = entity != NULL;
    *n = entity == NULL ? 0 : mu_search_state_path(search->state, entity, path);
    for (uint32_t i = 0; i < *n; i++)
        hits[i] = hit_of(search->state, &search->state->entities[path[i]], namespace_code, arena);
    *out = hits;
    pthread_mutex_unlock(&search->lock);
    return MU_OK;
}
