/* search_state.h -- what the search of a workspace can find, derived from one book of audiences and
 * one state of its folders (api.md 17.4).
 *
 * A folder is a document of kind "audienceFolder" {id, name, parentFolderId}, or whatever an
 * audience's linkedAudienceRef.audienceFolderId names besides: then it is at the top, and named by
 * its id. It belongs to the namespaces of the audiences in it and below it; without any to that of
 * our own audiences.
 */
#ifndef MU_AUDIENCE_SEARCH_STATE_H
#define MU_AUDIENCE_SEARCH_STATE_H

#include "audience/audience.h"
#include "audience/search_query.h"
#include "base/hash.h"

#define MU_SEARCH_NO_ENTITY   UINT32_MAX
#define MU_SEARCH_ID_BYTES    255u              /* longer ids of folders count as none */
#define MU_SEARCH_FOLDERS_MAX 64u               /* one within another */
#define MU_SEARCH_TEXT_BYTES  ((size_t)1 << 16) /* of a text that are indexed */

typedef struct mu_search_entity {
    bool is_folder;
    mu_str key; /* unique among both kinds */
    mu_str id, source_id, name, description, parent_id;
    uint32_t parent;       /* the folder's entity */
    uint32_t namespace_at; /* of audiences */
    uint64_t *namespaces;  /* bits, of folders */
    uint32_t order;        /* folders first, then by name, then by id */
    uint32_t row;          /* the index's; set by search.c */
    uint64_t text_hash;    /* of what is indexed; set by search.c */
} mu_search_entity;

typedef struct mu_search_state {
    mu_arena arena;
    const mu_audience_book *book; /* held: texts are borrowed from it */
    const mu_shelf *folders;      /* held */
    uint32_t n, n_namespaces;
    mu_search_entity *entities; /* folders, then audiences */
    const uint32_t *ordered;    /* entities in their order */
    const mu_str *namespaces;
    mu_strmap by_key; /* to the entity's place */
} mu_search_state;

/* Takes over `book` and `folders`, also when it fails. */
MU_CHECKED mu_code mu_search_state_new(const mu_audience_book *book, const mu_shelf *folders,
                                       mu_search_state **out, mu_err *err);
void mu_search_state_free(mu_search_state *state); /* NULL allowed */

/* MU_SEARCH_NO_ENTITY when there is none. */
uint32_t mu_search_state_find(const mu_search_state *state, bool is_folder, mu_str id);
/* The place of a namespace; n_namespaces when it has nothing. */
uint32_t mu_search_state_namespace(const mu_search_state *state, mu_str code);
bool mu_search_entity_is_in(const mu_search_entity *entity, uint32_t namespace_at);

/* The folders from the outermost to the one that has the entity, at most MU_SEARCH_FOLDERS_MAX. */
uint32_t mu_search_state_path(const mu_search_state *state, const mu_search_entity *entity,
                              uint32_t out[MU_SEARCH_FOLDERS_MAX]);
/* What is indexed of an entity; in `arena` or borrowed. */
void mu_search_state_texts(const mu_search_state *state, const mu_search_entity *entity,
                           mu_arena *arena, mu_str out[MU_SEARCH_FIELD_COUNT_]);

#endif
