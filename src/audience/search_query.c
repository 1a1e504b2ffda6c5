/* search_query.c -- queries: cut into tokens, then read by recursive descent.
 *
 *   query   = { [ "OR" ] group }
 *   group   = clause { "AND" clause }
 *   clause  = [ "+" | "-" | "!" | "NOT" ] primary
 *   primary = [ field ":" ] ( "(" query ")" | term | phrase | regex ) [ "^" boost ]
 */
#include "audience/search_query.h"

#include "base/number.h"
#include "base/utf8.h"

#define LITERAL_WILDCARD '\x01' /* an escaped '*' or '?': no word has it */

static const char *const field_names[MU_SEARCH_FIELD_COUNT_] = {
    [MU_SEARCH_FOLDER_ID] = "folderId",
    [MU_SEARCH_FOLDER_LOCATION] = "folderLocation",
    [MU_SEARCH_PARENT_FOLDER_ID] = "parentFolderId",
    [MU_SEARCH_SEGMENT_ID] = "segmentId",
    [MU_SEARCH_SEGMENT_NAME] = "segmentName",
    [MU_SEARCH_SEGMENT_DESCRIPTION] = "segmentDescription",
    [MU_SEARCH_TOP] = "top",
};

static const struct {
    const char *name;
    uint32_t fields;
} field_aliases[] = {
    {"id", 1u << MU_SEARCH_FOLDER_ID | 1u << MU_SEARCH_SEGMENT_ID},
    {"name", 1u << MU_SEARCH_SEGMENT_NAME},
    {"description", 1u << MU_SEARCH_SEGMENT_DESCRIPTION},
};

const char *mu_search_field_name(enum mu_search_field field)
{
    return field_names[field];
}

/* 0: there is no such field. */
static uint32_t find_fields(mu_str name)
{
    for (unsigned i = 0; i < MU_SEARCH_TOP; i++)
        if (mu_str_equal_ascii_nocase(name, mu_str_from(field_names[i])))
            return 1u << i | (i == MU_SEARCH_PARENT_FOLDER_ID ? 1u << MU_SEARCH_TOP : 0);
    for (size_t i = 0; i < sizeof field_aliases / sizeof field_aliases[0]; i++)
        if (mu_str_equal_ascii_nocase(name, mu_str_from(field_aliases[i].name)))
            return field_aliases[i].fields;
    return 0;
}

/* -------- words -------- */

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

static mu_str folded(mu_arena *arena, mu_str text)
{
    char *out = mu_arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (mu_str){out, text.len};
}

uint32_t mu_search_words(mu_arena *arena, mu_str text, const mu_str **out)
{
    mu_str *words = MU_NEW_ARRAY(arena, mu_str, text.len / 2 + 1);
    uint32_t n = 0;
    mu_str low = folded(arena, text);
    for (size_t at = 0; at < low.len;) {
        size_t start = at;
        while (at < low.len && is_word_char(low.ptr[at]))
            at++;
        if (at > start)
            words[n++] = (mu_str){low.ptr + start, at - start};
        at += at < low.len;
    }
    *out = words;
    return n;
}

/* -------- tokens -------- */

typedef enum token_kind {
    T_END,
    T_OPEN,
    T_CLOSE,
    T_AND,
    T_OR,
    T_PLUS,
    T_NOT,
    T_FIELD,
    T_TERM,
    T_PHRASE,
    T_REGEX
} token_kind;

typedef struct token {
    token_kind kind;
    size_t at; /* where it begins */
    mu_str text;
    uint32_t fields; /* of T_FIELD */
    bool has_wildcard, has_distance;
    uint32_t distance;
} token;

#define TOKENS_MAX (MU_SEARCH_CLAUSES_MAX * 8)

typedef struct lexer {
    mu_arena *arena;
    mu_str text;
    size_t at;
    token *tokens;
    uint32_t n, n_room;
    mu_err *err;
} lexer;

/* Characters, not bytes, up to `at`, from 1. */
static unsigned column_of(mu_str text, size_t at)
{
    unsigned column = 1;
    for (size_t i = 0; i < at && i < text.len; i++)
        column += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return column;
}

static mu_code wrong_at(const lexer *l, size_t at, const char *what)
{
    return mu_fail(l->err, MU_E_INPUT, "The query is wrong at character %u: %s",
                   column_of(l->text, at), what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static char peek(const lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.len ? l->text.ptr[l->at + ahead] : '\0';
}

static bool at_end(const lexer *l)
{
    return l->at >= l->text.len;
}

/* Up to an unescaped `end`, which is passed; escapes of `end`, or all, are resolved. */
static mu_code read_quoted(lexer *l, char end, bool resolves_all, mu_str *out)
{
    size_t start = l->at++, len = 0;
    char *text = mu_arena_alloc(l->arena, l->text.len - start + 1);
    for (; !at_end(l) && peek(l, 0) != end; l->at++) {
        if (peek(l, 0) == '\\' && l->at + 1 < l->text.len) {
            if (!resolves_all && peek(l, 1) != end)
                text[len++] = '\\';
            l->at++;
        }
        text[len++] = peek(l, 0);
    }
    if (at_end(l))
        return wrong_at(l, start,
                        end == '"' ? "the phrase has no end" : "the regular expression has no end");
    l->at++;
    *out = (mu_str){text, len};
    return MU_OK;
}

static bool ends_term(char c)
{
    return is_blank(c) || memchr("()\"~^:[]{}", c, 10) != NULL;
}

/* term = { character | "\" character }; wildcards stay, escaped ones become LITERAL_WILDCARD. */
static mu_code read_term(lexer *l, token *t, bool *has_escape)
{
    size_t len = 0;
    char *text = mu_arena_alloc(l->arena, l->text.len - l->at + 1);
    for (; !at_end(l) && !ends_term(peek(l, 0)); l->at++) {
        char c = peek(l, 0);
        if (c == '\\') {
            if (l->at + 1 == l->text.len)
                return wrong_at(l, l->at, "nothing follows the escape");
            l->at++;
            *has_escape = true;
            c = peek(l, 0) == '*' || peek(l, 0) == '?' ? LITERAL_WILDCARD : peek(l, 0);
        } else if (c == '*' || c == '?') {
            t->has_wildcard = true;
        }
        text[len++] = c;
    }
    t->text = (mu_str){text, len};
    return MU_OK;
}

static mu_str read_digits(lexer *l, bool with_fraction)
{
    size_t start = l->at;
    while ((peek(l, 0) >= '0' && peek(l, 0) <= '9') || (with_fraction && peek(l, 0) == '.'))
        l->at++;
    return (mu_str){l->text.ptr + start, l->at - start};
}

/* [ "~" [ number ] ] */
static mu_code read_distance(lexer *l, token *t)
{
    int64_t value = 2, most = t->kind == T_PHRASE ? MU_SEARCH_DISTANCE_MAX : 2;
    size_t at = l->at;
    if (peek(l, 0) != '~')
        return MU_OK;
    l->at++;
    mu_str digits = read_digits(l, true);
    if (t->kind == T_REGEX || t->has_wildcard)
        return wrong_at(l, at, "only plain terms and phrases can be followed by ~");
    if (t->kind == T_PHRASE && digits.len == 0)
        return wrong_at(l, at, "~ after a phrase needs a number of words");
    if (digits.len > 0 && (!mu_parse_integer(digits, &value) || value > most))
        return wrong_at(l, at,
                        t->kind == T_PHRASE ? "the distance must be a number from 0 to 1000"
                                            : "the edit distance must be 0, 1 or 2");
    t->has_distance = true;
    t->distance = (uint32_t)value;
    return MU_OK;
}

/* [ "^" number ]: read, and without effect (api.md 17.5). */
static mu_code skip_boost(lexer *l)
{
    double value;
    size_t at = l->at;
    if (peek(l, 0) != '^')
        return MU_OK;
    l->at++;
    return mu_parse_double(read_digits(l, true), &value) ? MU_OK
                                                         : wrong_at(l, at, "^ needs a number");
}

static token_kind word_operator(mu_str text)
{
    if (mu_str_equal(text, MU_STR("AND")))
        return T_AND;
    if (mu_str_equal(text, MU_STR("OR")))
        return T_OR;
    return mu_str_equal(text, MU_STR("NOT")) ? T_NOT : T_TERM;
}

/* A term, an operator in letters, or a field with its colon. */
static mu_code read_word(lexer *l, token *t)
{
    bool has_escape = false;
    t->kind = T_TERM;
    MU_TRY(read_term(l, t, &has_escape));
    if (peek(l, 0) == ':' && mu_str_equal(t->text, MU_STR("*")) && peek(l, 1) == '*') {
        l->at += 2; /* "*:*" is everything, as "*" is */
        return MU_OK;
    }
    if (peek(l, 0) == ':' && !at_end(l)) {
        t->kind = T_FIELD;
        t->fields = find_fields(t->text);
        l->at++;
        return t->fields != 0 ? MU_OK : wrong_at(l, t->at, "there is no such field");
    }
    if (!has_escape && !t->has_wildcard)
        t->kind = word_operator(t->text);
    return t->kind == T_TERM ? read_distance(l, t) : MU_OK;
}

/* The operators and parentheses; false when it is none. */
static bool read_sign(lexer *l, token *t)
{
    char c = peek(l, 0);
    size_t len = 1;
    if (c == '(' || c == ')')
        t->kind = c == '(' ? T_OPEN : T_CLOSE;
    else if (c == '+')
        t->kind = T_PLUS;
    else if (c == '-' || c == '!')
        t->kind = T_NOT;
    else if ((c == '&' || c == '|') && peek(l, 1) == c) {
        t->kind = c == '&' ? T_AND : T_OR;
        len = 2;
    } else
        return false;
    l->at += len;
    return true;
}

static mu_code read_token(lexer *l, token *t)
{
    char c = peek(l, 0);
    if (read_sign(l, t))
        return t->kind == T_CLOSE ? skip_boost(l) : MU_OK;
    if (c == '"' || c == '/') {
        t->kind = c == '"' ? T_PHRASE : T_REGEX;
        MU_TRY(read_quoted(l, c, c == '"', &t->text));
        MU_TRY(read_distance(l, t));
    } else if (c == '[' || c == ']' || c == '{' || c == '}') {
        return wrong_at(l, l->at, "ranges are not supported; write \\ before a bracket");
    } else if (ends_term(c)) {
        return wrong_at(l, l->at, "nothing is before this sign; write \\ before it");
    } else {
        MU_TRY(read_word(l, t));
    }
    return t->kind == T_FIELD ? MU_OK : skip_boost(l);
}

static mu_code read_tokens(lexer *l)
{
    for (;;) {
        while (!at_end(l) && is_blank(peek(l, 0)))
            l->at++;
        if (l->n == l->n_room)
            return wrong_at(l, l->at, "the query is too long");
        token *t = &l->tokens[l->n++];
        *t = (token){.kind = T_END, .at = l->at};
        if (at_end(l))
            return MU_OK;
        MU_TRY(read_token(l, t));
    }
}

/* -------- the tree -------- */

typedef struct parser {
    lexer *lexer;
    const token *at;
    uint32_t fields; /* of terms without one */
    uint32_t depth, n_clauses, n_wide;
} parser;

static mu_code wrong(const parser *p, const char *what)
{
    return wrong_at(p->lexer, p->at->at, what);
}

/* Clauses of one level while they are collected. */
typedef struct clauses {
    mu_arena *arena;
    uint32_t n, n_room;
    mu_search_clause *items;
} clauses;

static void add_clause(clauses *list, mu_search_occur occur, const mu_search_node *node)
{
    if (node->kind == MU_SEARCH_NOTHING)
        return;
    if (list->n == list->n_room) {
        uint32_t n_room = list->n_room == 0 ? 4 : list->n_room * 2;
        mu_search_clause *items = MU_NEW_ARRAY(list->arena, mu_search_clause, n_room);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->n_room = n_room;
    }
    list->items[list->n++] = (mu_search_clause){occur, node};
}

static const mu_search_node *node_of(const clauses *list)
{
    if (list->n == 1 && list->items[0].occur != MU_SEARCH_MUST_NOT)
        return list->items[0].node;
    mu_search_node *node = MU_NEW(list->arena, mu_search_node);
    *node = (mu_search_node){.kind = list->n == 0 ? MU_SEARCH_NOTHING : MU_SEARCH_BOOLEAN,
                             .n = list->n,
                             .clauses = list->items};
    return node;
}

static mu_code read_leaf(parser *p, uint32_t fields, const mu_search_node **out)
{
    mu_arena *arena = p->lexer->arena;
    const token *t = p->at++;
    mu_search_node *node = MU_NEW(arena, mu_search_node);
    *node = (mu_search_node){.fields = fields, .distance = t->distance};
    *out = node;
    if (t->kind == T_REGEX) {
        node->kind = MU_SEARCH_REGEX;
        node->text = t->text;
    } else if (t->has_wildcard) {
        bool is_all = mu_str_equal(t->text, MU_STR("*")) && fields == MU_SEARCH_ALL_FIELDS;
        node->kind = is_all ? MU_SEARCH_EVERYTHING : MU_SEARCH_WILDCARD;
        node->text = folded(arena, t->text);
    } else if (t->kind == T_TERM && t->has_distance) {
        node->kind = MU_SEARCH_FUZZY;
        node->text = folded(arena, t->text);
    } else {
        node->n = mu_search_words(arena, t->text, &node->words);
        node->kind = node->n == 0 ? MU_SEARCH_NOTHING : MU_SEARCH_WORDS;
        node->is_near = t->distance > 0 && node->n > 1;
    }
    p->n_wide += node->kind == MU_SEARCH_REGEX || node->kind == MU_SEARCH_WILDCARD ||
                 node->kind == MU_SEARCH_FUZZY;
    if (p->n_wide > MU_SEARCH_WIDE_MAX)
        return wrong_at(p->lexer, t->at,
                        "more than 32 wildcards, fuzzy terms and regular expressions");
    return ++p->n_clauses <= MU_SEARCH_CLAUSES_MAX
               ? MU_OK
               : wrong_at(p->lexer, t->at, "more than 256 terms");
}

static mu_code read_query(parser *p, uint32_t fields, const mu_search_node **out);

static mu_code read_primary(parser *p, uint32_t fields, const mu_search_node **out)
{
    if (p->at->kind == T_FIELD)
        fields = (p->at++)->fields;
    if (p->at->kind == T_TERM || p->at->kind == T_PHRASE || p->at->kind == T_REGEX)
        return read_leaf(p, fields, out);
    if (p->at->kind != T_OPEN)
        return wrong(p, "a term is missing here");
    if (++p->depth > MU_SEARCH_DEPTH_MAX)
        return wrong(p, "parentheses more than 50 deep");
    p->at++;
    MU_TRY(read_query(p, fields, out));
    if (p->at->kind != T_CLOSE)
        return wrong(p, "a closing parenthesis is missing");
    p->at++;
    p->depth--;
    return MU_OK;
}

static mu_code read_clause(parser *p, uint32_t fields, mu_search_clause *out)
{
    *out = (mu_search_clause){MU_SEARCH_SHOULD, NULL};
    if (p->at->kind == T_PLUS || p->at->kind == T_NOT)
        out->occur = (p->at++)->kind == T_PLUS ? MU_SEARCH_MUST : MU_SEARCH_MUST_NOT;
    return read_primary(p, fields, &out->node);
}

/* A lone clause keeps its sign, but for a NOT beside an OR, which is a set of its own there. */
static mu_code read_group(parser *p, uint32_t fields, bool is_after_or, clauses *out)
{
    mu_search_clause clause;
    clauses group = {.arena = out->arena};
    MU_TRY(read_clause(p, fields, &clause));
    bool is_set = clause.occur == MU_SEARCH_MUST_NOT && (is_after_or || p->at->kind == T_OR);
    if (p->at->kind != T_AND && !is_set) {
        add_clause(out, clause.occur, clause.node);
        return MU_OK;
    }
    for (;;) {
        bool is_not = clause.occur == MU_SEARCH_MUST_NOT;
        add_clause(&group, is_not ? MU_SEARCH_MUST_NOT : MU_SEARCH_MUST, clause.node);
        if (p->at->kind != T_AND)
            break;
        p->at++;
        MU_TRY(read_clause(p, fields, &clause));
    }
    add_clause(out, MU_SEARCH_SHOULD, node_of(&group));
    return MU_OK;
}

static mu_code read_query(parser *p, uint32_t fields, const mu_search_node **out)
{
    clauses list = {.arena = p->lexer->arena};
    bool is_after_or = false;
    do {
        MU_TRY(read_group(p, fields, is_after_or, &list));
        is_after_or = p->at->kind == T_OR;
        p->at += is_after_or;
    } while (is_after_or || (p->at->kind != T_END && p->at->kind != T_CLOSE));
    *out = node_of(&list);
    return MU_OK;
}

/* A field that leads the query, and is its only one, is that of every term after it (A64). */
static uint32_t default_fields(const lexer *l)
{
    uint32_t n_fields = 0;
    for (uint32_t i = 0; i < l->n; i++)
        n_fields += l->tokens[i].kind == T_FIELD;
    return n_fields == 1 && l->tokens[0].kind == T_FIELD ? l->tokens[0].fields
                                                         : MU_SEARCH_ALL_FIELDS;
}

mu_code mu_search_query_read(mu_arena *arena, mu_str text, const mu_search_node **out, mu_err *err)
{
    lexer l = {.arena = arena, .text = text, .err = err};
    if (text.len > MU_SEARCH_QUERY_BYTES)
        return mu_fail(err, MU_E_INPUT, "The query has more than %u bytes", MU_SEARCH_QUERY_BYTES);
    if (!mu_utf8_valid(text))
        return mu_fail(err, MU_E_INPUT, "The query is not UTF-8");
    l.n_room = text.len + 1 < TOKENS_MAX ? (uint32_t)text.len + 1 : TOKENS_MAX;
    l.tokens = MU_NEW_ARRAY(arena, token, l.n_room); /* a token has a byte or more */
    MU_TRY(read_tokens(&l));
    parser p = {.lexer = &l, .at = l.tokens};
    if (p.at->kind == T_END)
        return wrong(&p, "there is no term");
    MU_TRY(read_query(&p, default_fields(&l), out));
    return p.at->kind == T_END ? MU_OK : wrong(&p, "an opening parenthesis is missing");
}

/* -------- printing -------- */

static void write_fields(mu_buf *out, uint32_t fields)
{
    if (fields == MU_SEARCH_ALL_FIELDS)
        return;
    const char *comma = "";
    for (unsigned i = 0; i < MU_SEARCH_FIELD_COUNT_; i++) {
        if ((fields >> i & 1) == 0)
            continue;
        mu_buf_add_format(out, "%s%s", comma, field_names[i]);
        comma = ",";
    }
    mu_buf_add_char(out, ':');
}

static void write_words(mu_buf *out, const mu_search_node *node)
{
    write_fields(out, node->fields);
    MU_BUF_ADD(out, "\"");
    for (uint32_t i = 0; i < node->n; i++) {
        mu_buf_add_str(out, i > 0 ? MU_STR(" ") : MU_STR(""));
        mu_buf_add_str(out, node->words[i]);
    }
    MU_BUF_ADD(out, "\"");
    if (node->is_near)
        mu_buf_add_format(out, "~%u", node->distance);
}

static void write_clauses(mu_buf *out, const mu_search_node *node)
{
    static const char *const signs[] = {
        [MU_SEARCH_SHOULD] = "", [MU_SEARCH_MUST] = "+", [MU_SEARCH_MUST_NOT] = "-"};
    for (uint32_t i = 0; i < node->n; i++) {
        mu_buf_add_format(out, "%s%s", i == 0 ? "(" : " ", signs[node->clauses[i].occur]);
        mu_search_query_write(out, node->clauses[i].node);
    }
    MU_BUF_ADD(out, ")");
}

/* As deep as a query may be. */
void mu_search_query_write(mu_buf *out, const mu_search_node *node)
{
    switch (node->kind) {
    case MU_SEARCH_NOTHING:
        MU_BUF_ADD(out, "nothing");
        break;
    case MU_SEARCH_EVERYTHING:
        MU_BUF_ADD(out, "everything");
        break;
    case MU_SEARCH_WORDS:
        write_words(out, node);
        break;
    case MU_SEARCH_WILDCARD:
    case MU_SEARCH_FUZZY:
    case MU_SEARCH_REGEX:
        write_fields(out, node->fields);
        mu_buf_add_str(out, node->kind == MU_SEARCH_REGEX ? MU_STR("/") : MU_STR(""));
        mu_buf_add_str(out, node->text);
        if (node->kind == MU_SEARCH_FUZZY)
            mu_buf_add_format(out, "~%u", node->distance);
        mu_buf_add_str(out, node->kind == MU_SEARCH_REGEX ? MU_STR("/") : MU_STR(""));
        break;
    case MU_SEARCH_BOOLEAN:
        write_clauses(out, node);
        break;
    }
}
