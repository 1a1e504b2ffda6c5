/* syntax_int.h -- shared by the files that read and write rules: lexer, parser, tree reader,
 * resolver, printers. Not for other folders.
 *
 * Reading goes in two steps. The parser (text) or the tree reader (JSON) builds nodes without
 * regard to scopes; the resolver then decides what each name means, checks `^` and numbers the
 * nodes. Failure leaves by longjmp to the entry point: everything built lives in the arena, so
 * there is nothing to undo, and a grammar rule reads like the rule.
 */
#ifndef MU_PQL_SYNTAX_INT_H
#define MU_PQL_SYNTAX_INT_H

#include "pql/pql.h"

#include <setjmp.h>

/* -------- words -------- */

typedef enum mu_word {
    MU_WORD_NOT_A_WORD,
#define W(id, spelling, class) MU_WORD_##id,
#include "pql/words.def"
#undef W
    MU_WORD_UNIT,
    MU_WORD_OTHER_ /* how many there are */
} mu_word;

typedef enum mu_word_class {
    MU_WORD_IS_NAME,
    MU_WORD_IS_HARD,
    MU_WORD_IS_SOFT,
    MU_WORD_IS_CALL,
    MU_WORD_IS_INNER
} mu_word_class;

/* What a plain name is as a keyword; *unit is set for MU_WORD_UNIT (NULL allowed). */
mu_word mu_word_of(mu_str name, mu_unit *unit);
mu_word_class mu_word_class_of(mu_word word);

/* Whether an operator or a clause starts with this word: what stood before it is complete. */
bool mu_word_goes_on(mu_word word);

/* "days", "day"; both spellings are read, printing uses the first. */
mu_str mu_unit_plural(mu_unit unit);
mu_str mu_unit_singular(mu_unit unit);
bool mu_unit_find(mu_str name, mu_unit *out);

mu_str mu_time_word_name(mu_time_word word);
mu_str mu_time_interval_name(mu_time_interval interval);
mu_str mu_direction_name(mu_direction direction);
mu_str mu_quantifier_name(mu_quantifier quantifier); /* "some", "all", "none", "one" */

/* -------- tokens -------- */

typedef enum mu_token_kind {
    MU_TOKEN_END,
    MU_TOKEN_ERROR, /* `code` and `message` say why */
    MU_TOKEN_NAME,
    MU_TOKEN_INTEGER,
    MU_TOKEN_DOUBLE,
    MU_TOKEN_STRING,
    MU_TOKEN_PARAMETER,        /* $n, `integer` */
    MU_TOKEN_SCHEMA_REFERENCE, /* @{...} */
    MU_TOKEN_EQUAL,
    MU_TOKEN_NOT_EQUAL,
    MU_TOKEN_LESS,
    MU_TOKEN_LESS_EQUAL,
    MU_TOKEN_GREATER,
    MU_TOKEN_GREATER_EQUAL,
    MU_TOKEN_PLUS,
    MU_TOKEN_MINUS,
    MU_TOKEN_STAR,
    MU_TOKEN_SLASH,
    MU_TOKEN_PERCENT,
    MU_TOKEN_BANG,
    MU_TOKEN_CARET,
    MU_TOKEN_DOT,
    MU_TOKEN_COMMA,
    MU_TOKEN_COLON,
    MU_TOKEN_ARROW,
    MU_TOKEN_LEFT_PARENTHESIS,
    MU_TOKEN_RIGHT_PARENTHESIS,
    MU_TOKEN_LEFT_BRACKET,
    MU_TOKEN_RIGHT_BRACKET,
    MU_TOKEN_LEFT_BRACE,
    MU_TOKEN_RIGHT_BRACE
} mu_token_kind;

typedef struct mu_token {
    mu_token_kind kind;
    mu_word word; /* of a NAME without backticks */
    mu_unit unit; /* of MU_WORD_UNIT */
    mu_str text;  /* its bytes in the source */
    uint32_t line, column;
    bool is_int64_min; /* INTEGER 9223372036854775808: fine after a minus only */
    int64_t integer;
    double number;
    const char *code;
    mu_str message;
} mu_token;

typedef struct mu_lexer {
    mu_arena *arena; /* for messages and decoded strings */
    mu_str text;     /* valid UTF-8 */
    bool is_cut;     /* what follows `text` in the source is not UTF-8 */
    size_t at;
    uint32_t line, column;
} mu_lexer;

void mu_lexer_init(mu_lexer *lexer, mu_arena *arena, mu_str source);
void mu_lexer_next(mu_lexer *lexer, mu_token *out);

/* The name of a NAME token, without its backticks; the value of a STRING token. */
mu_str mu_token_name(mu_arena *arena, const mu_token *token);
mu_str mu_token_string(mu_arena *arena, const mu_token *token);

/* 'text' as messages quote it, shortened; <EOF> for the end. */
mu_str mu_token_quoted(mu_arena *arena, const mu_token *token);

/* Whether `name` can be written without backticks after a dot, or at the start of a path. */
bool mu_name_is_plain_member(mu_str name);
bool mu_name_is_plain_start(mu_str name);
/* The same for the name of a variable, parameter or alias. */
bool mu_name_is_plain_variable(mu_str name);

/* -------- building trees -------- */

typedef struct mu_place {
    uint32_t line, column;
    mu_str pointer;
} mu_place;

typedef struct mu_syntax {
    mu_arena *arena;
    mu_pql_diagnostics *diagnostics;
    jmp_buf failed; /* set by the entry point */
} mu_syntax;

/* Reports one error and leaves to the entry point. */
_Noreturn void mu_syntax_fail(mu_syntax *syntax, const char *code, mu_place place, mu_str message);

/* What a PARAMETER or VARIABLE node still has to become. */
typedef enum mu_pending {
    MU_PENDING_NONE,
    MU_PENDING_NAME, /* VARIABLE from a bare name: perhaps a field of the implicit item */
    MU_PENDING_ROOT  /* PARAMETER: the first parameter of the whole query */
} mu_pending;

/* A node while it is built. The public part comes first. */
typedef struct mu_node {
    mu_pql pql;
    mu_pending pending;
    uint32_t height; /* levels of brackets and operators below and including this node */
} mu_node;

mu_pql *mu_node_new(mu_syntax *syntax, mu_pql_kind kind, mu_place place);

/* Call when the children are set: checks the nesting limit (PQL-S01, in trees PQL-J01). */
const mu_pql *mu_node_done(mu_syntax *syntax, mu_pql *node);

mu_place mu_node_place(const mu_pql *node);
const mu_pql *mu_build_literal(mu_syntax *syntax, mu_place place, mu_value value);
const mu_pql *mu_build_field(mu_syntax *syntax, mu_place place, const mu_pql *object, mu_str name);
const mu_pql *mu_build_parameter(mu_syntax *syntax, mu_place place, int64_t position, uint32_t up,
                                 mu_pending pending);
const mu_pql *mu_build_variable(mu_syntax *syntax, mu_place place, mu_str name, mu_pending pending);
const mu_pql *mu_build_schema_reference(mu_syntax *syntax, mu_place place, mu_str name);

/* Whether `name` may stand between @{ and }. */
bool mu_schema_reference_is_valid(mu_str name);

/* A lambda without parameters around `body`. */
const mu_pql *mu_build_item_lambda(mu_syntax *syntax, mu_place place, const mu_pql *body);

/* A call in its normal form: a minus before a number is folded, `array` becomes an ARRAY node,
 * stringCompare the function it names, arguments evaluated per item become lambdas. `args` is
 * copied. */
const mu_pql *mu_build_call(mu_syntax *syntax, mu_place place, mu_str name,
                            const mu_pql *const *args, size_t n_args);

/* ARRAY, OBJECT (names are checked to be distinct). Arrays are copied. */
const mu_pql *mu_build_array(mu_syntax *syntax, mu_place place, const mu_pql *const *items,
                             size_t n_items);
const mu_pql *mu_build_object(mu_syntax *syntax, mu_place place, const mu_str *names,
                              const mu_pql *const *values, size_t n_names);

/* More declarations, parameters or chain items than this are refused. */
#define MU_PQL_SCOPE_MAX 255

/* PQL-S06 when a name stands twice. Declarations are at pointer + "/variables/I". */
void mu_check_declarations(mu_syntax *syntax, mu_place place,
                           const mu_pql_declaration *declarations, size_t n_declarations);
void mu_check_parameters(mu_syntax *syntax, mu_place place, const mu_str *names, size_t n_names);

/* PQL-S04, S06, S08: order and aliases of the items. Items are at pointer + "/elements/I". */
void mu_check_chain(mu_syntax *syntax, mu_place place, const mu_pql_chain_item *items,
                    size_t n_items);

/* A growing array of one type in an arena; `items` moves. */
typedef struct mu_list {
    void *items;
    size_t n, capacity, item_bytes;
} mu_list;

/* A zeroed item at the end. */
void *mu_list_add(mu_arena *arena, mu_list *list);

/* -------- scopes -------- */

/* How often each name is declared around the place that a walk has reached. */
typedef struct mu_scope {
    mu_arena *arena;
    struct mu_scope_entry *buckets[256];
    struct mu_scope_entry *unused;
    uint32_t n_lambdas; /* implicit scopes that are open */
} mu_scope;

void mu_scope_push(mu_scope *scope, mu_str name);
void mu_scope_pop(mu_scope *scope, mu_str name);
bool mu_scope_has(const mu_scope *scope, mu_str name);

/* Resolves names and numbers the nodes of a whole query, in place. A lambda without parameters at
 * the root is replaced by its body. PQL-S05, PQL-R02. */
const mu_pql *mu_resolve(mu_syntax *syntax, const mu_pql *query);

/* -------- the parser's own -------- */

typedef struct mu_parser {
    mu_syntax syntax;
    mu_lexer lexer;
    mu_token token;    /* the one to be looked at */
    mu_token previous; /* the one taken last */
    unsigned depth;
    bool is_in_off; /* inside the value of a let, outside brackets (D12) */
} mu_parser;

/* parse.c */
const mu_pql *mu_parse_expression(mu_parser *parser);
const mu_pql *mu_parse_or(mu_parser *parser);
const mu_pql *mu_parse_additive(mu_parser *parser);
/* parse_list.c: at `select`, a quantifier's word, an aggregate's word */
const mu_pql *mu_parse_select(mu_parser *parser);
const mu_pql *mu_parse_quantified(mu_parser *parser);
const mu_pql *mu_parse_aggregate(mu_parser *parser);
mu_pql_function mu_aggregate_function(mu_word word); /* MU_FN_UNKNOWN when none */
/* After `over`, `body` being parsed already. */
const mu_pql *mu_parse_over(mu_parser *parser, mu_place place, mu_pql_function function,
                            const mu_pql *body);
/* parse_time.c: what follows `occurs`, or stands in WHEN */
const mu_pql_when *mu_parse_when(mu_parser *parser);
bool mu_take_unit(mu_parser *parser, mu_unit *out);
bool mu_take_comparison(mu_parser *parser, mu_pql_function *out);
/* parse_chain.c: at `chain (` */
const mu_pql *mu_parse_chain(mu_parser *parser);

mu_place mu_token_place(const mu_token *token);
void mu_advance(mu_parser *parser);
bool mu_take(mu_parser *parser, mu_token_kind kind);
bool mu_take_word(mu_parser *parser, mu_word word);
bool mu_at_word(const mu_parser *parser, mu_word word);

/* The token after the current one. */
mu_token mu_peek(const mu_parser *parser);

/* Takes `kind`, or fails with `code`: mismatched input '...' expecting `expected`. A token that the
 * lexer refused fails with the lexer's code. */
mu_token mu_expect(mu_parser *parser, mu_token_kind kind, const char *code, const char *expected);
void mu_expect_word(mu_parser *parser, mu_word word, const char *code, const char *expected);

/* Takes the bracket that closes `opener`: PQL-S02 at the end of the text or at another closing
 * bracket, `code` at anything else. */
void mu_expect_close(mu_parser *parser, const mu_token *opener, mu_token_kind kind,
                     const char *code);

_Noreturn void mu_fail_mismatched(mu_parser *parser, const char *code, const char *expected);

/* Counts nesting; fails at the limit. */
void mu_enter(mu_parser *parser);
void mu_leave(mu_parser *parser);

#endif
