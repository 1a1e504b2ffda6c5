/* Rules changed token by token, without knowing the grammar: most still bind. */
#include "tests/support/random_rule_int.h"

typedef enum token_sort {
    TOKEN_BLANK,
    TOKEN_WORD,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_COMPARISON,
    TOKEN_OTHER
} token_sort;

static size_t run_of(mu_str text, size_t at, const char *characters)
{
    size_t end = at;
    while (end < text.len && text.ptr[end] != '\0' && strchr(characters, text.ptr[end]) != NULL)
        end++;
    return end;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

static size_t string_end(mu_str text, size_t at)
{
    char quote = text.ptr[at++];
    while (at < text.len && text.ptr[at] != quote)
        at += text.ptr[at] == '\\' ? 2 : 1;
    return at < text.len ? at + 1 : text.len;
}

static size_t token_end(mu_str text, size_t at, token_sort *sort)
{
    char c = text.ptr[at];
    *sort = TOKEN_OTHER;
    if (c == ' ') {
        *sort = TOKEN_BLANK;
        return run_of(text, at, " ");
    }
    if (c == '"' || c == '\'') {
        *sort = TOKEN_STRING;
        return string_end(text, at);
    }
    if (c >= '0' && c <= '9') {
        *sort = TOKEN_NUMBER;
        return run_of(text, at, "0123456789.");
    }
    if (run_of(text, at, LETTERS) > at) {
        *sort = TOKEN_WORD;
        return run_of(text, at, LETTERS);
    }
    if (run_of(text, at, "<>=!") > at && run_of(text, at, "=>") != at + 2) {
        *sort = TOKEN_COMPARISON;
        return run_of(text, at, "<>=!");
    }
    return at + 1;
}

/* Another word of the same group, or `word` itself. */
static mu_str other_word(rule_maker *maker, mu_str word)
{
    static const char *const groups[][8] = {
        {"and", "or"},
        {"days", "hours", "weeks", "months", "minutes", "years", "seconds"},
        {"day", "week", "month", "year", "hour"},
        {"before", "after", "from"},
        {"today", "yesterday", "now", "tomorrow"},
        {"this", "last", "next"},
        {"sum", "average", "min", "max"},
        {"contains", "startsWith", "endsWith", "equals", "doesNotContain", "notEqualTo"},
        {"isNull", "isNotNull"},
        {"exists", "forall", "none", "one"},
        {"in", "notIn"},
        {"topN", "bottomN"},
        {"intersects", "subsetOf", "supersetOf"}};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        uint32_t n = 0;
        bool is_found = false;
        for (; n < 8 && groups[g][n] != NULL; n++)
            is_found |= mu_str_equal(word, mu_str_from(groups[g][n]));
        if (is_found)
            return mu_str_from(groups[g][pick(maker, n)]);
    }
    return word;
}

static mu_str other_token(rule_maker *maker, mu_str token, token_sort sort)
{
    switch (sort) {
    case TOKEN_WORD:
        return other_word(maker, token);
    case TOKEN_NUMBER:
        return chance(maker, 50) ? TEXT(maker, "%u", pick(maker, 12)) : token;
    case TOKEN_STRING:
        return rule_string_literal(maker, mu_random_word(maker->dice));
    case TOKEN_COMPARISON:
        if (token.len == 1 && token.ptr[0] == '!')
            return token;
        return mu_str_from(ONE_OF(maker, "=", "!=", "<", "<=", ">", ">="));
    default:
        return token;
    }
}

mu_str mu_random_mutation(mu_dice *dice, mu_arena *arena, mu_str rule)
{
    rule_maker maker = {.dice = dice, .arena = arena};
    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    for (size_t at = 0; at < rule.len;) {
        token_sort sort;
        size_t end = token_end(rule, at, &sort);
        mu_str token = {rule.ptr + at, end - at};
        mu_buf_add_str(&buf, chance(&maker, 20) ? other_token(&maker, token, sort) : token);
        at = end;
    }
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}
