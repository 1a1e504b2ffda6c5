/* search_query.h -- the query language of the segment search (api.md 17.5): a subset of Lucene's,
 * read into a tree.
 *
 *   name: spring AND "blue umbrella"~3 -run*   ─>   (+name:spring +name:"blue umbrella"~3 ..)
 *
 * Words are ASCII letters and digits and everything beyond ASCII, letters in lower case: what the
 * index makes of texts too. A term that falls into several words is a phrase. A clause without any
 * word ("&") counts as not there.
 */
#ifndef MU_AUDIENCE_SEARCH_QUERY_H
#define MU_AUDIENCE_SEARCH_QUERY_H

#include "base/arena.h"
#include "base/buf.h"

#define MU_SEARCH_QUERY_BYTES  8192u
#define MU_SEARCH_DEPTH_MAX    50u
#define MU_SEARCH_CLAUSES_MAX  256u
#define MU_SEARCH_WIDE_MAX     32u /* wildcards, fuzzy terms and regular expressions of a query */
#define MU_SEARCH_DISTANCE_MAX 1000u

/* The searchable texts of an audience or a folder, in the order of the index's columns. */
enum mu_search_field {
    MU_SEARCH_FOLDER_ID,
    MU_SEARCH_FOLDER_LOCATION,
    MU_SEARCH_PARENT_FOLDER_ID,
    MU_SEARCH_SEGMENT_ID,
    MU_SEARCH_SEGMENT_NAME,
    MU_SEARCH_SEGMENT_DESCRIPTION,
    MU_SEARCH_TOP, /* parentFolderId when it is "root": only a term with that field looks here, or
                      every bare "r*" would find everything */
    MU_SEARCH_FIELD_COUNT_
};
#define MU_SEARCH_ALL_FIELDS ((1u << MU_SEARCH_TOP) - 1)

/* As the query names it. */
const char *mu_search_field_name(enum mu_search_field field);

typedef enum mu_search_kind {
    MU_SEARCH_NOTHING,    /* no word at all */
    MU_SEARCH_EVERYTHING, /* "*" */
    MU_SEARCH_WORDS,    /* words in this order; is_near: in any, `distance` further words between */
    MU_SEARCH_WILDCARD, /* `text` against whole words: '*' and '?' */
    MU_SEARCH_FUZZY,    /* words up to `distance` edits from `text` */
    MU_SEARCH_REGEX,    /* `text` against whole words */
    MU_SEARCH_BOOLEAN
} mu_search_kind;

/* All MUST match, no MUST_NOT does, and without a MUST one SHOULD does; only MUST_NOT: all others.
 */
typedef enum mu_search_occur {
    MU_SEARCH_SHOULD,
    MU_SEARCH_MUST,
    MU_SEARCH_MUST_NOT
} mu_search_occur;

typedef struct mu_search_node mu_search_node;
typedef struct mu_search_clause {
    mu_search_occur occur;
    const mu_search_node *node;
} mu_search_clause;

struct mu_search_node {
    mu_search_kind kind;
    uint32_t fields; /* bits of mu_search_field */
    uint32_t distance;
    bool is_near;
    mu_str text;
    uint32_t n; /* words or clauses */
    union {
        const mu_str *words;
        const mu_search_clause *clauses;
    };
};

/* The tree in `arena`. MU_E_INPUT says what is wrong, and at which character. */
MU_CHECKED mu_code mu_search_query_read(mu_arena *arena, mu_str text, const mu_search_node **out,
                                        mu_err *err);

/* The tree as a query without precedence, for tests. */
void mu_search_query_write(mu_buf *out, const mu_search_node *node);

/* The words of a text. */
MU_CHECKED uint32_t mu_search_words(mu_arena *arena, mu_str text, const mu_str **out);

#endif
