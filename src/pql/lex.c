/* lex.c -- text into tokens (pql.md 2), one at a time. A token that cannot be made is an ERROR
 * token: it counts only when the parser gets there, so the first mistake of a text is the one
 * reported. */
#include "base/number.h"
#include "base/utf8.h"
#include "pql/syntax_int.h"

#include <stdio.h>

/* The length of the longest part from the start that is valid UTF-8. */
static size_t valid_length(mu_str text)
{
    if (mu_utf8_valid(text))
        return text.len;
    size_t at = 0;
    while (at < text.len) {
        size_t len = 1;
        while (len < 4 && at + len < text.len && (text.ptr[at + len] & 0xc0) == 0x80)
            len++;
        if (!mu_utf8_valid((mu_str){text.ptr + at, len}))
            break;
        at += len;
    }
    return at;
}

void mu_lexer_init(mu_lexer *lexer, mu_arena *arena, mu_str source)
{
    size_t len = valid_length(source);
    *lexer = (mu_lexer){
        .arena = arena,
        .text = {source.ptr, len},
        .is_cut = len < source.len,
        .line = 1,
        .column = 1,
    };
}

static char char_at(const mu_lexer *lexer, size_t ahead)
{
    size_t at = lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.ptr[at] : '\0';
}

static bool is_end(const mu_lexer *lexer)
{
    return lexer->at >= lexer->text.len;
}

static bool starts(const mu_lexer *lexer, mu_str text)
{
    return mu_str_starts_with((mu_str){lexer->text.ptr + lexer->at, lexer->text.len - lexer->at},
                              text);
}

static void skip(mu_lexer *lexer, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        char c = lexer->text.ptr[lexer->at++];
        if (c == '\n') {
            lexer->line++;
            lexer->column = 1;
        } else if ((c & 0xc0) != 0x80) {
            lexer->column++;
        }
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(char c)
{
    return is_name_start(c) || is_digit(c);
}

static void fail(mu_token *token, const char *code, mu_str message)
{
    token->kind = MU_TOKEN_ERROR;
    token->code = code;
    token->message = message;
}

#define NOT_UTF8 MU_STR("token recognition error: the text is not valid UTF-8 here")

/* At the end of the text in the middle of something: it was not closed, or the text is not UTF-8
 * from here on. */
static void fail_open(mu_lexer *lexer, mu_token *token, mu_str message)
{
    if (lexer->is_cut) {
        token->line = lexer->line;
        token->column = lexer->column;
        message = NOT_UTF8;
    }
    fail(token, "PQL-L01", message);
}

/* False when a comment does not end; then *token says so. */
static bool skip_comment(mu_lexer *lexer, mu_token *token)
{
    if (starts(lexer, MU_STR("//"))) {
        while (!is_end(lexer) && char_at(lexer, 0) != '\n')
            skip(lexer, 1);
        return true;
    }
    token->line = lexer->line;
    token->column = lexer->column;
    skip(lexer, 2);
    while (!is_end(lexer) && !starts(lexer, MU_STR("*/")))
        skip(lexer, 1);
    if (is_end(lexer)) {
        fail_open(lexer, token, MU_STR("token recognition error: this comment is not closed"));
        return false;
    }
    skip(lexer, 2);
    return true;
}

static bool skip_blanks(mu_lexer *lexer, mu_token *token)
{
    for (;;) {
        char c = char_at(lexer, 0);
        if (is_end(lexer))
            return true;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            skip(lexer, 1);
        } else if (starts(lexer, MU_STR("\xc2\xa0"))) {
            skip(lexer, 2);
        } else if (starts(lexer, MU_STR("//")) || starts(lexer, MU_STR("/*"))) {
            if (!skip_comment(lexer, token))
                return false;
        } else {
            return true;
        }
    }
}

static size_t count_name(const mu_lexer *lexer, size_t ahead)
{
    size_t n = 0;
    if (is_name_start(char_at(lexer, ahead)))
        while (is_name_char(char_at(lexer, ahead + n)))
            n++;
    return n;
}

/* `xdm:` and the like when a name follows without a blank (D4), else 0. */
static size_t count_prefix(const mu_lexer *lexer)
{
    static const mu_str prefixes[] = {MU_STR("xdm:"), MU_STR("repo:"), MU_STR("dc:"),
                                      MU_STR("schema:"), MU_STR("meta:")};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (starts(lexer, prefixes[i]) && is_name_start(char_at(lexer, prefixes[i].len)))
            return prefixes[i].len;
    return 0;
}

static void lex_name(mu_lexer *lexer, mu_token *token)
{
    size_t prefix = count_prefix(lexer);
    size_t n = count_name(lexer, prefix);
    token->kind = MU_TOKEN_NAME;
    if (prefix == 0)
        token->word = mu_word_of((mu_str){lexer->text.ptr + lexer->at, n}, &token->unit);
    skip(lexer, prefix + n);
}

/* `any text`, two backticks inside standing for one. */
static void lex_quoted_name(mu_lexer *lexer, mu_token *token)
{
    size_t start = lexer->at;
    token->kind = MU_TOKEN_NAME;
    skip(lexer, 1);
    for (;;) {
        while (!is_end(lexer) && char_at(lexer, 0) != '`')
            skip(lexer, 1);
        if (is_end(lexer)) {
            fail_open(lexer, token,
                      MU_STR("token recognition error: this name in backticks is not closed"));
            return;
        }
        skip(lexer, 1);
        if (char_at(lexer, 0) != '`')
            break;
        skip(lexer, 1);
    }
    if (lexer->at - start == 2)
        fail(token, "PQL-L01", MU_STR("token recognition error: a name in backticks is empty"));
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The 16 bits of four hexadecimal digits, or -1. */
static int32_t hex_unit(mu_str text, size_t at)
{
    int32_t unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = at + i < text.len ? hex_value(text.ptr[at + i]) : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Reads `\uXXXX`, joined with a second one when they are a surrogate pair; `at` is the backslash.
 * Returns the bytes it takes, 0 when malformed. */
static size_t decode_unicode(mu_str text, size_t at, uint32_t *code_point)
{
    int32_t first = hex_unit(text, at + 2);
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return 0;
    *code_point = (uint32_t)first;
    if (first < 0xd800 || first > 0xdbff)
        return 6;
    bool has_second = at + 7 < text.len && text.ptr[at + 6] == '\\' && text.ptr[at + 7] == 'u';
    int32_t second = has_second ? hex_unit(text, at + 8) : -1;
    if (second < 0xdc00 || second > 0xdfff)
        return 0;
    *code_point = 0x10000 + (((uint32_t)first - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
    return 12;
}

/* Reads the escape whose backslash is at `at`. Returns the bytes it takes, 0 when unknown. */
static size_t decode_escape(mu_str text, size_t at, uint32_t *code_point)
{
    static const char letters[] = "\"'\\/bfnrt";
    static const char values[] = "\"'\\/\b\f\n\r\t";
    char c = at + 1 < text.len ? text.ptr[at + 1] : '\0';
    if (c == 'u')
        return decode_unicode(text, at, code_point);
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter == NULL)
        return 0;
    *code_point = (unsigned char)values[letter - letters];
    return 2;
}

static void fail_at(mu_lexer *lexer, mu_token *token, const char *code, mu_str message)
{
    token->line = lexer->line;
    token->column = lexer->column;
    fail(token, code, message);
}

static void fail_escape(mu_lexer *lexer, mu_token *token)
{
    size_t at = lexer->at + 1;
    mu_utf8_next(lexer->text, &at); /* something follows the backslash */
    mu_str escape = {lexer->text.ptr + lexer->at, at - lexer->at};
    if (escape.ptr[1] == 'u')
        fail_at(lexer, token, "PQL-L02",
                MU_STR("a \\u escape needs four hexadecimal digits, and both halves of a pair"));
    else if ((unsigned char)escape.ptr[1] < 0x20)
        fail_at(lexer, token, "PQL-L02", MU_STR("unknown escape; a backslash is written \\\\"));
    else
        fail_at(lexer, token, "PQL-L02",
                mu_arena_format(lexer->arena,
                                "unknown escape '" MU_STR_FMT "'; a backslash is written \\\\",
                                MU_STR_ARG(escape)));
}

static void lex_string(mu_lexer *lexer, mu_token *token)
{
    char quote = char_at(lexer, 0);
    token->kind = MU_TOKEN_STRING;
    skip(lexer, 1);
    while (!is_end(lexer) && char_at(lexer, 0) != quote) {
        unsigned char c = (unsigned char)char_at(lexer, 0);
        uint32_t code_point;
        size_t n = c == '\\' ? decode_escape(lexer->text, lexer->at, &code_point) : 1;
        if (n == 0 && lexer->at + 1 < lexer->text.len) {
            fail_escape(lexer, token);
            return;
        }
        if (c < 0x20) {
            fail_at(lexer, token, "PQL-L01",
                    c == '\n' || c == '\r'
                        ? MU_STR("token recognition error: a string ends on the line it starts "
                                 "on; a line break is written \\n")
                        : mu_arena_format(lexer->arena,
                                          "token recognition error: the control character U+%04X "
                                          "in a string is written \\u%04x",
                                          c, c));
            return;
        }
        skip(lexer, n == 0 ? 1 : n);
    }
    if (is_end(lexer)) {
        fail_open(lexer, token, MU_STR("token recognition error: this string is not closed"));
        return;
    }
    skip(lexer, 1);
}

static size_t count_digits(const mu_lexer *lexer, size_t ahead)
{
    size_t n = 0;
    while (is_digit(char_at(lexer, ahead + n)))
        n++;
    return n;
}

/* `e5`, `E-5` after a number, else 0. */
static size_t count_exponent(const mu_lexer *lexer, size_t ahead)
{
    char sign = char_at(lexer, ahead + 1);
    size_t mark = (sign == '+' || sign == '-') ? 2 : 1;
    if (char_at(lexer, ahead) != 'e' && char_at(lexer, ahead) != 'E')
        return 0;
    size_t digits = count_digits(lexer, ahead + mark);
    return digits == 0 ? 0 : mark + digits;
}

static void lex_integer(mu_lexer *lexer, mu_token *token, size_t n_digits)
{
    mu_str digits = {lexer->text.ptr + lexer->at, n_digits};
    mu_str min = MU_STR("9223372036854775808");
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = (mu_str){digits.ptr + 1, digits.len - 1};
    token->kind = MU_TOKEN_INTEGER;
    token->is_int64_min = mu_str_equal(digits, min);
    if (!token->is_int64_min && !mu_parse_integer(digits, &token->integer))
        fail(token, "PQL-L03", MU_STR("an integer has at most 64 bits"));
    skip(lexer, n_digits);
    if (char_at(lexer, 0) == 'L' && !is_name_char(char_at(lexer, 1)))
        skip(lexer, 1);
}

static void lex_double(mu_lexer *lexer, mu_token *token, size_t len)
{
    mu_str digits = {lexer->text.ptr + lexer->at, len};
    token->kind = MU_TOKEN_DOUBLE;
    if (!mu_parse_double(digits, &token->number))
        fail(token, "PQL-L03", MU_STR("a number is at most 1.7976931348623157e308"));
    skip(lexer, len);
}

static void lex_number(mu_lexer *lexer, mu_token *token)
{
    size_t whole = count_digits(lexer, 0);
    if (char_at(lexer, whole) != '.') {
        size_t exponent = count_exponent(lexer, whole);
        if (exponent == 0)
            lex_integer(lexer, token, whole);
        else
            lex_double(lexer, token, whole + exponent);
        return;
    }
    size_t fraction = count_digits(lexer, whole + 1);
    if (fraction == 0) {
        fail(token, "PQL-L03", MU_STR("digits expected after the point of a number"));
        skip(lexer, whole + 1);
        return;
    }
    lex_double(lexer, token, whole + 1 + fraction + count_exponent(lexer, whole + 1 + fraction));
}

/* $1, $2 ... */
static void lex_parameter(mu_lexer *lexer, mu_token *token)
{
    size_t n = count_digits(lexer, 1);
    mu_str digits = {lexer->text.ptr + lexer->at + 1, n};
    token->kind = MU_TOKEN_PARAMETER;
    if (n == 0)
        fail(token, "PQL-L01",
             MU_STR("token recognition error at: '$'; a parameter is $1, $2 ..."));
    else if (!mu_parse_integer(digits, &token->integer) || token->integer < 1 ||
             token->integer > INT32_MAX)
        fail(token, "PQL-L03", MU_STR("parameters are numbered from $1"));
    skip(lexer, 1 + n);
}

/* @{ id;version=N } or @name */
static void lex_at(mu_lexer *lexer, mu_token *token)
{
    size_t n = count_name(lexer, 1);
    if (n > 0) {
        token->kind = MU_TOKEN_NAME;
        skip(lexer, 1 + n);
        return;
    }
    if (char_at(lexer, 1) != '{') {
        fail(token, "PQL-L01", MU_STR("token recognition error at: '@'; a name or '{' follows it"));
        skip(lexer, 1);
        return;
    }
    size_t start = lexer->at;
    token->kind = MU_TOKEN_SCHEMA_REFERENCE;
    while (!is_end(lexer) && char_at(lexer, 0) != '}')
        skip(lexer, 1);
    if (is_end(lexer)) {
        fail_open(lexer, token,
                  MU_STR("token recognition error: this schema reference is not closed"));
        return;
    }
    mu_str name = {lexer->text.ptr + start + 2, lexer->at - start - 2};
    skip(lexer, 1);
    if (!mu_schema_reference_is_valid(mu_str_trim(name)))
        fail(token, "PQL-L01",
             MU_STR("token recognition error: a schema reference is @{ID} or "
                    "@{ID;version=N}, without blanks inside"));
}

static bool lex_symbol(mu_lexer *lexer, mu_token *token)
{
    static const struct {
        mu_str text;
        mu_token_kind kind;
    } symbols[] = {
        {MU_STR("=>"), MU_TOKEN_ARROW},
        {MU_STR("!="), MU_TOKEN_NOT_EQUAL},
        {MU_STR("<="), MU_TOKEN_LESS_EQUAL},
        {MU_STR(">="), MU_TOKEN_GREATER_EQUAL},
        {MU_STR("="), MU_TOKEN_EQUAL},
        {MU_STR("<"), MU_TOKEN_LESS},
        {MU_STR(">"), MU_TOKEN_GREATER},
        {MU_STR("+"), MU_TOKEN_PLUS},
        {MU_STR("-"), MU_TOKEN_MINUS},
        {MU_STR("*"), MU_TOKEN_STAR},
        {MU_STR("/"), MU_TOKEN_SLASH},
        {MU_STR("%"), MU_TOKEN_PERCENT},
        {MU_STR("!"), MU_TOKEN_BANG},
        {MU_STR("^"), MU_TOKEN_CARET},
        {MU_STR("."), MU_TOKEN_DOT},
        {MU_STR(","), MU_TOKEN_COMMA},
        {MU_STR(":"), MU_TOKEN_COLON},
        {MU_STR("("), MU_TOKEN_LEFT_PARENTHESIS},
        {MU_STR(")"), MU_TOKEN_RIGHT_PARENTHESIS},
        {MU_STR("["), MU_TOKEN_LEFT_BRACKET},
        {MU_STR("]"), MU_TOKEN_RIGHT_BRACKET},
        {MU_STR("{"), MU_TOKEN_LEFT_BRACE},
        {MU_STR("}"), MU_TOKEN_RIGHT_BRACE},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        if (starts(lexer, symbols[i].text)) {
            token->kind = symbols[i].kind;
            skip(lexer, symbols[i].text.len);
            return true;
        }
    }
    return false;
}

/* What to write instead of a character the language does not have. */
static const char *advice(uint32_t code_point)
{
    switch (code_point) {
    case '&':
        return "; write 'and'";
    case '|':
        return "; write 'or'";
    case 0x2018:
    case 0x2019:
    case 0x201c:
    case 0x201d:
        return "; write plain quotes";
    case 0x2260:
        return "; write '!='";
    case 0x2264:
        return "; write '<='";
    case 0x2265:
        return "; write '>='";
    default:
        return "";
    }
}

static void fail_character(mu_lexer *lexer, mu_token *token)
{
    size_t at = lexer->at;
    uint32_t code_point = mu_utf8_next(lexer->text, &at);
    mu_str bytes = {lexer->text.ptr + lexer->at, at - lexer->at};
    char shown[32];
    if (code_point > 0x20 && code_point < 0x7f)
        snprintf(shown, sizeof shown, "'%c'", (char)code_point);
    else if (code_point >= 0xa1)
        snprintf(shown, sizeof shown, "'" MU_STR_FMT "' (U+%04X)", MU_STR_ARG(bytes), code_point);
    else
        snprintf(shown, sizeof shown, "U+%04X", code_point);
    fail(token, "PQL-L01",
         mu_arena_format(lexer->arena, "token recognition error at: %s%s", shown,
                         advice(code_point)));
    skip(lexer, bytes.len);
}

static void lex_token(mu_lexer *lexer, mu_token *token)
{
    char c = char_at(lexer, 0);
    if (is_name_start(c)) {
        lex_name(lexer, token);
    } else if (is_digit(c)) {
        lex_number(lexer, token);
    } else if (c == '.' && is_digit(char_at(lexer, 1))) {
        fail(token, "PQL-L03",
             MU_STR("digits expected before the point of a number; a name that starts with a digit "
                    "stands in backticks"));
        skip(lexer, 1 + count_digits(lexer, 1));
    } else if (c == '"' || c == '\'') {
        lex_string(lexer, token);
    } else if (c == '`') {
        lex_quoted_name(lexer, token);
    } else if (c == '$') {
        lex_parameter(lexer, token);
    } else if (c == '@') {
        lex_at(lexer, token);
    } else if (!lex_symbol(lexer, token)) {
        fail_character(lexer, token);
    }
}

void mu_lexer_next(mu_lexer *lexer, mu_token *out)
{
    *out = (mu_token){.kind = MU_TOKEN_END};
    if (!skip_blanks(lexer, out))
        return;
    out->line = lexer->line;
    out->column = lexer->column;
    size_t start = lexer->at;
    if (!is_end(lexer))
        lex_token(lexer, out);
    else if (lexer->is_cut)
        fail(out, "PQL-L01", NOT_UTF8);
    out->text = (mu_str){lexer->text.ptr + start, lexer->at - start};
}

mu_str mu_token_name(mu_arena *arena, const mu_token *token)
{
    mu_str text = token->text;
    if (text.ptr[0] != '`')
        return mu_arena_copy(arena, text);
    char *name = mu_arena_alloc(arena, text.len);
    size_t len = 0;
    for (size_t i = 1; i + 1 < text.len; i++) {
        name[len++] = text.ptr[i];
        i += text.ptr[i] == '`';
    }
    return (mu_str){name, len};
}

mu_str mu_token_string(mu_arena *arena, const mu_token *token)
{
    mu_str inner = {token->text.ptr + 1, token->text.len - 2};
    char *value = mu_arena_alloc(arena, inner.len); /* decoding never grows */
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX / 4);
    for (size_t at = 0; at < inner.len;) {
        uint32_t code_point;
        if (inner.ptr[at] == '\\') {
            at += decode_escape(inner, at, &code_point);
            mu_utf8_add(&buf, code_point);
        } else {
            mu_buf_add_char(&buf, inner.ptr[at++]);
        }
    }
    size_t len = buf.len;
    if (len > 0)
        memcpy(value, buf.ptr, len);
    mu_buf_free(&buf);
    return (mu_str){value, len};
}

#define QUOTED_MAX 40 /* bytes of a token that a message repeats */

mu_str mu_token_quoted(mu_arena *arena, const mu_token *token)
{
    if (token->kind == MU_TOKEN_END)
        return MU_STR("<EOF>");
    mu_str text = token->text;
    size_t line = mu_str_find(text, MU_STR("\n"));
    size_t len = text.len > QUOTED_MAX ? QUOTED_MAX : text.len;
    if (line < len)
        len = line;
    while (len < text.len && len > 0 && (text.ptr[len] & 0xc0) == 0x80)
        len--;
    return mu_arena_format(arena, "'%.*s%s'", (int)len, text.ptr, len < text.len ? "..." : "");
}
