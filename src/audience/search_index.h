/* search_index.h -- texts found by words: rows of the fields of search_query.h in an FTS5 table in
 * memory, and queries answered from it.
 *
 *   query ─┬─ words of one term, wildcards, fuzzy terms, regular expressions ─> its vocabulary
 *          └─ phrases, proximity ─> its MATCH
 *
 * One thread at a time. After an error that is not MU_E_INPUT the index is to be made anew.
 */
#ifndef MU_AUDIENCE_SEARCH_INDEX_H
#define MU_AUDIENCE_SEARCH_INDEX_H

#include "audience/search_query.h"

typedef struct mu_search_index mu_search_index;

MU_CHECKED mu_code mu_search_index_new(mu_search_index **out, mu_err *err);
void mu_search_index_free(mu_search_index *index); /* NULL allowed */

/* Many changes together are made much faster between these two. */
MU_CHECKED mu_code mu_search_index_begin(mu_search_index *index, mu_err *err);
MU_CHECKED mu_code mu_search_index_commit(mu_search_index *index, mu_err *err);

/* `row`: small numbers; queries take memory for each up to the highest. Replaces what is there. */
MU_CHECKED mu_code mu_search_index_put(mu_search_index *index, uint32_t row,
                                       const mu_str texts[MU_SEARCH_FIELD_COUNT_], mu_err *err);
MU_CHECKED mu_code mu_search_index_remove(mu_search_index *index, uint32_t row, mu_err *err);

/* (*scores)[row] in `arena` is 0 for rows that do not match and grows with relevance; `n_rows` is
 * more than any row. MU_E_INPUT: a bad regular expression, or a query that would take too long. */
MU_CHECKED mu_code mu_search_index_find(mu_search_index *index, const mu_search_node *query,
                                        uint32_t n_rows, mu_arena *arena, const float **scores,
                                        mu_err *err);

/* Whether a word is what a pattern of '*' and '?' says; whether it is at most `distance` (up to 2)
 * insertions, deletions, replacements and exchanges of neighbours from `text`. */
bool mu_search_word_is_like(mu_str pattern, mu_str word);
bool mu_search_word_is_near(mu_str text, mu_str word, uint32_t distance, uint32_t *found);

#endif
