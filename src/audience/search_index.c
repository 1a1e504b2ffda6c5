#include "audience/search_index.h"

#include "base/regex.h"
#include "base/time.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

/* What one query may do: words looked at and rows read, in units of up to 0.5 us. */
#define WORK_MAX        800000u
#define WORK_OF_LOOK_UP 16u
#define REGEX_TIME_NS   250000000 /* matching alone, which no count of words bounds */

/* -------- the tables -------- */

typedef struct word_list {
    mu_arena arena;
    bool is_current;
    uint32_t n, n_room;
    mu_str *items; /* in byte order */
} word_list;

struct mu_search_index {
    sqlite3 *db;
    sqlite3_stmt *insert, *remove, *match, *rows_of_word, *words;
    word_list vocabulary;
};

/* Columns a to g are the fields in their order. */
static const char tables[] =
    "PRAGMA journal_mode = OFF;"
    "CREATE VIRTUAL TABLE texts USING fts5(a, b, c, d, e, f, g, tokenize = 'ascii');"
    "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(texts, row);"
    "CREATE VIRTUAL TABLE instances USING fts5vocab(texts, instance);";

static mu_code fail(const mu_search_index *index, mu_err *err)
{
    int code = index->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(index->db);
    return mu_fail(err, code == SQLITE_NOMEM ? MU_E_NOMEM : MU_E_IO, "The search index: %s",
                   index->db == NULL ? "no memory" : sqlite3_errmsg(index->db));
}

static mu_code prepare(mu_search_index *index, const char *sql, sqlite3_stmt **out, mu_err *err)
{
    return sqlite3_prepare_v3(index->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK
               ? MU_OK
               : fail(index, err);
}

static mu_code open_tables(mu_search_index *index, mu_err *err)
{
    if (sqlite3_open_v2(":memory:", &index->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(index->db, tables, NULL, NULL, NULL) != SQLITE_OK)
        return fail(index, err);
    MU_TRY(prepare(index,
                   "INSERT INTO texts(rowid, a, b, c, d, e, f, g) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   &index->insert, err));
    MU_TRY(prepare(index, "DELETE FROM texts WHERE rowid = ?", &index->remove, err));
    MU_TRY(prepare(index, "SELECT rowid FROM texts WHERE texts MATCH ?", &index->match, err));
    MU_TRY(
        prepare(index, "SELECT doc, col FROM instances WHERE term = ?", &index->rows_of_word, err));
    return prepare(index, "SELECT term FROM vocabulary", &index->words, err);
}

mu_code mu_search_index_new(mu_search_index **out, mu_err *err)
{
    mu_search_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for a search index");
    mu_arena_init(&index->vocabulary.arena, SIZE_MAX);
    mu_code code = open_tables(index, err);
    if (code != MU_OK) {
        mu_search_index_free(index);
        return code;
    }
    *out = index;
    return MU_OK;
}

void mu_search_index_free(mu_search_index *index)
{
    if (index == NULL)
        return;
    sqlite3_finalize(index->insert);
    sqlite3_finalize(index->remove);
    sqlite3_finalize(index->match);
    sqlite3_finalize(index->rows_of_word);
    sqlite3_finalize(index->words);
    sqlite3_close(index->db);
    mu_arena_free(&index->vocabulary.arena);
    free(index);
}

static mu_code execute(mu_search_index *index, const char *sql, mu_err *err)
{
    return sqlite3_exec(index->db, sql, NULL, NULL, NULL) == SQLITE_OK ? MU_OK : fail(index, err);
}

mu_code mu_search_index_begin(mu_search_index *index, mu_err *err)
{
    return execute(index, "BEGIN", err);
}

mu_code mu_search_index_commit(mu_search_index *index, mu_err *err)
{
    return execute(index, "COMMIT", err);
}

/* Steps a statement that gives no rows. */
static mu_code run(mu_search_index *index, sqlite3_stmt *statement, mu_err *err)
{
    mu_code code = sqlite3_step(statement) == SQLITE_DONE ? MU_OK : fail(index, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    index->vocabulary.is_current = false;
    return code;
}

/* Row numbers begin at 0 with us, at 1 in the table. */
mu_code mu_search_index_remove(mu_search_index *index, uint32_t row, mu_err *err)
{
    sqlite3_bind_int64(index->remove, 1, (sqlite3_int64)row + 1);
    return run(index, index->remove, err);
}

static void bind_text(sqlite3_stmt *statement, int place, mu_str text)
{
    sqlite3_bind_text64(statement, place, text.len == 0 ? "" : text.ptr, text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

mu_code mu_search_index_put(mu_search_index *index, uint32_t row,
                            const mu_str texts[MU_SEARCH_FIELD_COUNT_], mu_err *err)
{
    MU_TRY(mu_search_index_remove(index, row, err));
    sqlite3_bind_int64(index->insert, 1, (sqlite3_int64)row + 1);
    for (int i = 0; i < MU_SEARCH_FIELD_COUNT_; i++)
        bind_text(index->insert, i + 2, texts[i]);
    return run(index, index->insert, err);
}

/* -------- the vocabulary -------- */

static void add_word(word_list *list, mu_str word)
{
    if (list->n == list->n_room) {
        uint32_t n_room = list->n_room == 0 ? 1024 : list->n_room * 2;
        mu_str *items = MU_NEW_ARRAY(&list->arena, mu_str, n_room);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->n_room = n_room;
    }
    list->items[list->n++] = mu_arena_copy(&list->arena, word);
}

static mu_code read_vocabulary(mu_search_index *index, mu_err *err)
{
    word_list *list = &index->vocabulary;
    int step;
    if (list->is_current)
        return MU_OK;
    mu_arena_reset(&list->arena);
    list->n = list->n_room = 0;
    while ((step = sqlite3_step(index->words)) == SQLITE_ROW)
        add_word(list, (mu_str){(const char *)sqlite3_column_text(index->words, 0),
                                (size_t)sqlite3_column_bytes(index->words, 0)});
    mu_code code = step == SQLITE_DONE ? MU_OK : fail(index, err);
    sqlite3_reset(index->words);
    list->is_current = code == MU_OK;
    return code;
}

/* The first word that is not before `text`. */
static uint32_t place_of(const word_list *list, mu_str text)
{
    uint32_t low = 0, high = list->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_str_compare(list->items[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -------- one query -------- */

typedef struct finder {
    mu_search_index *index;
    mu_arena *arena;
    uint32_t n_rows;
    uint64_t work;
    int64_t regex_until_ns;
    mu_err *err;
} finder;

static const float field_weights[MU_SEARCH_FIELD_COUNT_] = {
    [MU_SEARCH_FOLDER_ID] = 2.0f,
    [MU_SEARCH_FOLDER_LOCATION] = 0.75f,
    [MU_SEARCH_PARENT_FOLDER_ID] = 0.5f,
    [MU_SEARCH_SEGMENT_ID] = 2.0f,
    [MU_SEARCH_TOP] = 0.5f,
    [MU_SEARCH_SEGMENT_NAME] = 3.0f,
    [MU_SEARCH_SEGMENT_DESCRIPTION] = 1.0f,
};
#define PHRASE_WEIGHT 3.0f

static mu_code spend(finder *f, uint64_t work)
{
    f->work += work;
    return f->work <= WORK_MAX
               ? MU_OK
               : mu_fail(f->err, MU_E_INPUT, "The query is too wide: it stands for too many words");
}

static float *new_scores(const finder *f)
{
    return MU_NEW_ARRAY(f->arena, float, f->n_rows);
}

static void raise_score(const finder *f, float *scores, sqlite3_int64 rowid, float score)
{
    if (rowid >= 1 && rowid <= f->n_rows && scores[rowid - 1] < score)
        scores[rowid - 1] = score;
}

/* Rare words say more: multiplied by the logarithm of the share of rows that have them. */
static void weigh_by_rarity(const finder *f, float *scores)
{
    uint32_t n = 0;
    for (uint32_t row = 0; row < f->n_rows; row++)
        n += scores[row] > 0;
    float weight = logf(2.0f + (float)f->n_rows / (float)(n + 1));
    for (uint32_t row = 0; row < f->n_rows; row++)
        scores[row] *= weight;
}

/* Each row gets the weight of the best field, of those wanted, that has the word. */
static mu_code add_rows_of_word(finder *f, mu_str word, uint32_t fields, float weight,
                                float *scores)
{
    sqlite3_stmt *statement = f->index->rows_of_word;
    mu_code code = spend(f, WORK_OF_LOOK_UP);
    int step = SQLITE_DONE;
    bind_text(statement, 1, word);
    while (code == MU_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        unsigned field = (unsigned)(sqlite3_column_text(statement, 1)[0] - 'a');
        if ((fields >> field & 1) != 0)
            raise_score(f, scores, sqlite3_column_int64(statement, 0),
                        weight * field_weights[field]);
        code = spend(f, 1);
    }
    if (code == MU_OK && step != SQLITE_DONE)
        code = fail(f->index, f->err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

/* -------- words and phrases -------- */

/* FTS5's own language: {a c} : "word word" or {a c} : NEAR("word" "word", distance). Words hold
 * neither quotes nor anything else that it would read. Words between the first and the last count
 * as distance there. */
static void write_match(mu_buf *out, const mu_search_node *node)
{
    MU_BUF_ADD(out, "{");
    for (unsigned i = 0; i < MU_SEARCH_FIELD_COUNT_; i++)
        if ((node->fields >> i & 1) != 0)
            mu_buf_add_format(out, " %c", (char)('a' + i));
    mu_buf_add_format(out, " } : %s", node->is_near ? "NEAR(" : "\"");
    for (uint32_t i = 0; i < node->n; i++)
        mu_buf_add_format(out, node->is_near ? "\"%.*s\" " : "%.*s ", (int)node->words[i].len,
                          node->words[i].ptr);
    if (node->is_near)
        mu_buf_add_format(out, ", %u)", node->distance + node->n - 2);
    else
        MU_BUF_ADD(out, "\"");
}

static mu_code find_match(finder *f, const mu_search_node *node, float *scores)
{
    sqlite3_stmt *statement = f->index->match;
    mu_code code = MU_OK;
    mu_buf match;
    int step;
    mu_buf_init(&match, (size_t)MU_SEARCH_QUERY_BYTES * 8);
    write_match(&match, node);
    bind_text(statement, 1, mu_buf_str(&match));
    while ((step = sqlite3_step(statement)) == SQLITE_ROW && (code = spend(f, 2)) == MU_OK)
        raise_score(f, scores, sqlite3_column_int64(statement, 0), PHRASE_WEIGHT);
    if (code == MU_OK && (step != SQLITE_DONE || match.failed))
        code = fail(f->index, f->err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    mu_buf_free(&match);
    return code;
}

/* -------- words that are like something -------- */

typedef struct likeness {
    const mu_search_node *node;
    mu_regex *regex;
    float weight; /* of the word that was asked about last */
} likeness;

/* What the words begin with before the first wildcard. */
static mu_str fixed_part(const mu_search_node *node)
{
    size_t len = 0;
    while (node->kind == MU_SEARCH_WILDCARD && len < node->text.len && node->text.ptr[len] != '*' &&
           node->text.ptr[len] != '?')
        len++;
    return (mu_str){node->text.ptr, len};
}

static mu_code is_regex_like(finder *f, const likeness *l, mu_str word, bool *out)
{
    mu_regex_result result = mu_regex_search(l->regex, word);
    *out = result == MU_REGEX_YES;
    if (result == MU_REGEX_LIMIT || mu_monotonic_ns() > f->regex_until_ns)
        return mu_fail(f->err, MU_E_INPUT, "A regular expression of the query takes too long");
    return spend(f, 4);
}

static mu_code is_like(finder *f, likeness *l, mu_str word, bool *out)
{
    const mu_search_node *node = l->node;
    uint32_t distance;
    l->weight = 1.0f;
    if (node->kind == MU_SEARCH_REGEX)
        return is_regex_like(f, l, word, out);
    if (node->kind == MU_SEARCH_WILDCARD) {
        *out = mu_search_word_is_like(node->text, word);
        return spend(f, 1 + node->text.len * word.len / 64);
    }
    *out = mu_search_word_is_near(node->text, word, node->distance, &distance);
    if (*out)
        l->weight = 1.0f / (1.0f + (float)distance);
    return spend(f, 1 + (word.len < 256 ? word.len * word.len / 32 : 0));
}

static mu_code find_like(finder *f, likeness *l, float *scores)
{
    const word_list *vocabulary = &f->index->vocabulary;
    mu_str fixed = fixed_part(l->node);
    MU_TRY(read_vocabulary(f->index, f->err));
    for (uint32_t i = place_of(vocabulary, fixed);
         i < vocabulary->n && mu_str_starts_with(vocabulary->items[i], fixed); i++) {
        bool wanted;
        MU_TRY(is_like(f, l, vocabulary->items[i], &wanted));
        if (wanted)
            MU_TRY(add_rows_of_word(f, vocabulary->items[i], l->node->fields, l->weight, scores));
    }
    return MU_OK;
}

/* The whole word, in either case. The bare expression is compiled first: what is wrong with it must
 * not be made right by what is put around it. */
static mu_code find_regex(finder *f, const mu_search_node *node, float *scores)
{
    likeness l = {.node = node};
    mu_err why = {0};
    mu_str whole =
        mu_arena_format(f->arena, "(?i)\\A(?:" MU_STR_FMT ")\\z", MU_STR_ARG(node->text));
    mu_code code = mu_regex_new(node->text, &l.regex, &why);
    if (code == MU_OK) {
        mu_regex_free(l.regex);
        code = mu_regex_new(whole, &l.regex, &why);
    }
    if (code != MU_OK)
        return mu_fail(f->err, MU_E_INPUT, "The query's regular expression is wrong: %s", why.text);
    code = find_like(f, &l, scores);
    mu_regex_free(l.regex);
    return code;
}

/* -------- boolean operators -------- */

static mu_code find(finder *f, const mu_search_node *node, float **out);

/* Rows as the clauses found them. */
typedef struct row_state {
    float score;
    uint16_t n_must;
    bool is_excluded, has_should;
} row_state;

static mu_code add_clause(finder *f, const mu_search_clause *clause, row_state *rows)
{
    float *scores;
    MU_TRY(find(f, clause->node, &scores));
    for (uint32_t row = 0; row < f->n_rows; row++) {
        if (scores[row] <= 0)
            continue;
        if (clause->occur == MU_SEARCH_MUST_NOT) {
            rows[row].is_excluded = true;
            continue;
        }
        rows[row].score += scores[row];
        if (clause->occur == MU_SEARCH_MUST)
            rows[row].n_must++;
        else
            rows[row].has_should = true;
    }
    return spend(f, f->n_rows / 64 + 1);
}

static mu_code find_boolean(finder *f, const mu_search_node *node, float *scores)
{
    row_state *rows = MU_NEW_ARRAY(f->arena, row_state, f->n_rows);
    uint32_t n_must = 0, n_should = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        MU_TRY(add_clause(f, &node->clauses[i], rows));
        n_must += node->clauses[i].occur == MU_SEARCH_MUST;
        n_should += node->clauses[i].occur == MU_SEARCH_SHOULD;
    }
    for (uint32_t row = 0; row < f->n_rows; row++) {
        bool is_wanted = rows[row].n_must == n_must && !rows[row].is_excluded &&
                         (n_must > 0 || n_should == 0 || rows[row].has_should);
        scores[row] = !is_wanted ? 0 : rows[row].score > 0 ? rows[row].score : 1.0f;
    }
    return MU_OK;
}

static mu_code find_into(finder *f, const mu_search_node *node, float *scores)
{
    likeness l = {.node = node};
    switch (node->kind) {
    case MU_SEARCH_NOTHING:
        return MU_OK;
    case MU_SEARCH_EVERYTHING:
        for (uint32_t row = 0; row < f->n_rows; row++)
            scores[row] = 1.0f;
        return MU_OK;
    case MU_SEARCH_WORDS:
        MU_TRY(node->n == 1 ? add_rows_of_word(f, node->words[0], node->fields, 1.0f, scores)
                            : find_match(f, node, scores));
        weigh_by_rarity(f, scores);
        return MU_OK;
    case MU_SEARCH_WILDCARD:
    case MU_SEARCH_FUZZY:
        return find_like(f, &l, scores);
    case MU_SEARCH_REGEX:
        return find_regex(f, node, scores);
    case MU_SEARCH_BOOLEAN:
        break;
    }
    return find_boolean(f, node, scores);
}

/* As deep as a query may be. */
static mu_code find(finder *f, const mu_search_node *node, float **out)
{
    *out = new_scores(f);
    return find_into(f, node, *out);
}

mu_code mu_search_index_find(mu_search_index *index, const mu_search_node *query, uint32_t n_rows,
                             mu_arena *arena, const float **scores, mu_err *err)
{
    finder f = {.index = index,
                .arena = arena,
                .n_rows = n_rows,
                .regex_until_ns = mu_monotonic_ns() + REGEX_TIME_NS,
                .err = err};
    float *found;
    MU_TRY(find(&f, query, &found));
    *scores = found;
    return MU_OK;
}
