/* regex.c -- Java patterns translated to PCRE2's dialect, compiled and searched. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include "base/buf.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Match data that no search is using just now; a search takes one and gives it back. */
#define SPARES 8

struct mu_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    int n_groups;
    _Atomic(pcre2_match_data *) spare[SPARES];
};

/* -------- translation -------- */

typedef struct translator {
    mu_str pattern;
    size_t at;
    int class_depth; /* 1 within [...] */
    mu_buf out;
    mu_err *err;
} translator;

/* Java's ASCII classes, as PCRE2 names them. */
static const struct {
    const char *java, *posix;
} posix_classes[] = {
    {"Lower", "lower"}, {"Upper", "upper"}, {"ASCII", "ascii"}, {"Alpha", "alpha"},
    {"Digit", "digit"}, {"Alnum", "alnum"}, {"Punct", "punct"}, {"Graph", "graph"},
    {"Print", "print"}, {"Blank", "blank"}, {"Cntrl", "cntrl"}, {"XDigit", "xdigit"},
    {"Space", "space"},
};

static mu_code refuse(const translator *t, const char *what)
{
    return mu_fail(t->err, MU_E_SYNTAX, "%s at offset %zu", what, t->at);
}

static char peek(const translator *t, size_t ahead)
{
    return t->at + ahead < t->pattern.len ? t->pattern.ptr[t->at + ahead] : '\0';
}

static void copy(translator *t, size_t n)
{
    size_t rest = t->pattern.len - t->at;
    n = n < rest ? n : rest;
    mu_buf_add(&t->out, t->pattern.ptr + t->at, n);
    t->at += n;
}

/* \Q...\E stays as it is. */
static void copy_quoted(translator *t)
{
    mu_str rest = {t->pattern.ptr + t->at, t->pattern.len - t->at};
    size_t end = mu_str_find(rest, MU_STR("\\E"));
    copy(t, end == SIZE_MAX ? rest.len : end + 2);
}

/* \p{Name} and \P{Name}; others than Java's own names are PCRE2's business. */
static void translate_property(translator *t)
{
    mu_str rest = {t->pattern.ptr + t->at, t->pattern.len - t->at};
    size_t close = mu_str_find(rest, MU_STR("}"));
    if (close == SIZE_MAX) {
        copy(t, 2);
        return;
    }
    bool is_negated = rest.ptr[1] == 'P';
    mu_str name = {rest.ptr + 3, close - 3};
    for (size_t i = 0; i < sizeof posix_classes / sizeof *posix_classes; i++) {
        if (!mu_str_equal(name, mu_str_from(posix_classes[i].java)))
            continue;
        mu_buf_add_format(&t->out, t->class_depth > 0 ? "[:%s%s:]" : "[[:%s%s:]]",
                          is_negated ? "^" : "", posix_classes[i].posix);
        t->at += close + 1;
        return;
    }
    if (mu_str_starts_with(name, MU_STR("Is")) && name.len > 2) {
        mu_buf_add_format(&t->out, "\\%c{%.*s}", rest.ptr[1], (int)(name.len - 2), name.ptr + 2);
        t->at += close + 1;
        return;
    }
    copy(t, close + 1);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static mu_code translate_escape(translator *t)
{
    char c = peek(t, 1);
    if (c == 'Q') {
        copy_quoted(t);
    } else if ((c == 'p' || c == 'P') && peek(t, 2) == '{') {
        translate_property(t);
    } else if (c == 'u') {
        for (size_t i = 2; i < 6; i++)
            if (!is_hex(peek(t, i)))
                return refuse(t, "\\u needs four hexadecimal digits");
        mu_buf_add_format(&t->out, "\\x{%.4s}", t->pattern.ptr + t->at + 2);
        t->at += 6;
    } else {
        copy(t, 2);
    }
    return MU_OK;
}

/* Within [...]: Java would read a further [ as a union and && as an intersection. */
static mu_code translate_in_class(translator *t)
{
    char c = peek(t, 0);
    if (c == '&' && peek(t, 1) == '&')
        return refuse(t, "an intersection of character classes (&&) is not supported");
    if (c == '[') {
        mu_str rest = {t->pattern.ptr + t->at, t->pattern.len - t->at};
        size_t close = peek(t, 1) == ':' ? mu_str_find(rest, MU_STR(":]")) : SIZE_MAX;
        if (close == SIZE_MAX)
            return refuse(t, "a union of character classes is not supported; write \\[ for '['");
        copy(t, close + 2);
        return MU_OK;
    }
    if (c == ']')
        t->class_depth = 0;
    copy(t, 1);
    return MU_OK;
}

/* (?flags) and (?flags: without the flags that are always on here. */
static mu_code translate_group(translator *t)
{
    size_t end = 2;
    for (; memchr("imsxudUn-", peek(t, end), 9) != NULL && peek(t, end) != '\0'; end++)
        if (peek(t, end) == 'U')
            return refuse(t, "the flag U is not supported");
    if (end == 2 || (peek(t, end) != ')' && peek(t, end) != ':')) {
        copy(t, 1);
        return MU_OK;
    }
    for (size_t i = 0; i <= end; i++, t->at++)
        if (peek(t, 0) != 'u' && peek(t, 0) != 'd')
            mu_buf_add_char(&t->out, peek(t, 0));
    return MU_OK;
}

static mu_code translate(translator *t)
{
    while (t->at < t->pattern.len) {
        char c = peek(t, 0);
        if (c == '\\') {
            MU_TRY(translate_escape(t));
        } else if (t->class_depth > 0) {
            MU_TRY(translate_in_class(t));
        } else if (c == '(' && peek(t, 1) == '?') {
            MU_TRY(translate_group(t));
        } else if (c == '[') {
            t->class_depth = 1;
            copy(t, peek(t, 1) == '^' ? 2 : 1);
            if (peek(t, 0) == ']')
                copy(t, 1);
        } else {
            copy(t, 1);
        }
    }
    return MU_OK;
}

/* -------- compiling -------- */

static mu_code compile(mu_str pattern, pcre2_compile_context *context, pcre2_code **out,
                       mu_err *err)
{
    int error = 0;
    PCRE2_SIZE offset = 0;
    *out = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                         PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error,
                         &offset, context);
    if (*out != NULL)
        return MU_OK;
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(error, text, sizeof text);
    return mu_fail(err, MU_E_SYNTAX, "%s at offset %zu", (const char *)text, (size_t)offset);
}

static mu_code fill(mu_regex *regex, mu_str pattern, mu_err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (context == NULL || regex->limits == NULL) {
        pcre2_compile_context_free(context);
        return mu_fail(err, MU_E_NOMEM, "no memory for a regular expression");
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_set_max_pattern_length(context, 2 * MU_REGEX_PATTERN_MAX);
    pcre2_set_match_limit(regex->limits, MU_REGEX_STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, MU_REGEX_STEPS_MAX);
    pcre2_set_heap_limit(regex->limits, MU_REGEX_HEAP_KIB_MAX);
    mu_code code = compile(pattern, context, &regex->code, err);
    pcre2_compile_context_free(context);
    if (code == MU_OK) {
        uint32_t n_groups = 0;
        pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &n_groups);
        regex->n_groups = (int)n_groups;
    }
    return code;
}

mu_code mu_regex_new(mu_str pattern, mu_regex **out, mu_err *err)
{
    if (pattern.len > MU_REGEX_PATTERN_MAX)
        return mu_fail(err, MU_E_SYNTAX, "the pattern is longer than %zu bytes",
                       MU_REGEX_PATTERN_MAX);
    translator t = {.pattern = pattern, .err = err};
    mu_buf_init(&t.out, 16 * MU_REGEX_PATTERN_MAX);
    mu_regex *regex = calloc(1, sizeof *regex);
    mu_code code = translate(&t);
    if (code == MU_OK && (regex == NULL || t.out.failed))
        code = mu_fail(err, MU_E_NOMEM, "no memory for a regular expression");
    if (code == MU_OK)
        code = fill(regex, mu_buf_str(&t.out), err);
    mu_buf_free(&t.out);
    if (code == MU_OK)
        *out = regex;
    else
        mu_regex_free(regex);
    return code;
}

void mu_regex_free(mu_regex *regex)
{
    if (regex == NULL)
        return;
    for (int i = 0; i < SPARES; i++)
        pcre2_match_data_free(atomic_load_explicit(&regex->spare[i], memory_order_relaxed));
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    free(regex);
}

/* -------- searching -------- */

/* Acquire pairs with the release of give_back: what another thread wrote into the data is seen. */
static pcre2_match_data *take(mu_regex *regex)
{
    for (int i = 0; i < SPARES; i++) {
        pcre2_match_data *data =
            atomic_exchange_explicit(&regex->spare[i], NULL, memory_order_acquire);
        if (data != NULL)
            return data;
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    MU_ASSERT(data != NULL);
    return data;
}

static void give_back(mu_regex *regex, pcre2_match_data *data)
{
    for (int i = 0; i < SPARES && data != NULL; i++)
        data = atomic_exchange_explicit(&regex->spare[i], data, memory_order_acq_rel);
    pcre2_match_data_free(data);
}

static mu_regex_result search(const mu_regex *regex, mu_str text, pcre2_match_data *data)
{
    const char *bytes = text.ptr == NULL ? "" : text.ptr;
    int n = pcre2_match(regex->code, (PCRE2_SPTR)bytes, text.len, 0, 0, data, regex->limits);
    if (n >= 0)
        return MU_REGEX_YES;
    return n == PCRE2_ERROR_NOMATCH ? MU_REGEX_NO : MU_REGEX_LIMIT;
}

mu_regex_result mu_regex_search(const mu_regex *regex, mu_str text)
{
    mu_regex *shared = (mu_regex *)(uintptr_t)regex; /* only its spares change, atomically */
    pcre2_match_data *data = take(shared);
    mu_regex_result result = search(regex, text, data);
    give_back(shared, data);
    return result;
}

mu_regex_result mu_regex_group(const mu_regex *regex, mu_str text, int group, mu_str *out)
{
    mu_regex *shared = (mu_regex *)(uintptr_t)regex;
    pcre2_match_data *data = take(shared);
    mu_regex_result result = search(regex, text, data);
    if (group < 0)
        group = regex->n_groups > 0 ? 1 : 0;
    *out = (mu_str){NULL, 0};
    if (result == MU_REGEX_YES && group <= regex->n_groups) {
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
        PCRE2_SIZE start = ends[2 * group];
        PCRE2_SIZE end = ends[2 * group + 1];
        if (start != PCRE2_UNSET && start <= end)
            *out = (mu_str){text.ptr == NULL ? "" : text.ptr + start, end - start};
    }
    give_back(shared, data);
    return result;
}
