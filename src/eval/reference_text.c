/* reference_text.c -- functions that make text or take it apart (pql.md 9). Positions count code
 * points from 0. A null argument gives null unless a function says otherwise. */
#include "base/utf8.h"
#include "eval/reference_int.h"

#include <utf8proc.h>

/* -------- code points -------- */

/* The byte offset of code point `index`, text.len when there are fewer. */
static size_t offset_of(mu_str text, int64_t index)
{
    size_t at = 0;
    while (index-- > 0 && at < text.len)
        mu_utf8_next(text, &at);
    return at;
}

static mu_str slice(mu_str text, size_t from, size_t to)
{
    return (mu_str){text.ptr + from, to - from};
}

static mu_value text_of(mu_str text)
{
    return mu_value_string(text);
}

/* A text being built in the arena; `max` bytes are enough. */
typedef struct builder {
    char *ptr;
    size_t len, max;
} builder;

static builder builder_new(mu_arena *arena, size_t n, size_t unit)
{
    return (builder){.ptr = mu_arena_array(arena, n + 1, unit), .max = (n + 1) * unit};
}

static void add_text(builder *out, mu_str text)
{
    MU_ASSERT(text.len <= out->max - out->len);
    if (text.len > 0)
        memcpy(out->ptr + out->len, text.ptr, text.len);
    out->len += text.len;
}

static void add_code_point(builder *out, uint32_t c)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, bytes);
    add_text(out, (mu_str){(const char *)bytes, (size_t)n});
}

static mu_value built(const builder *out)
{
    return text_of((mu_str){out->ptr, out->len});
}

/* -------- case -------- */

static uint32_t lower(uint32_t c)
{
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

static uint32_t upper(uint32_t c)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0;
}

/* titleCase raises the first letter of every word and lowers the rest; camelCase leaves the rest
 * as it is (docs/decisions/0034). */
static mu_value change_case(mu_arena *arena, mu_pql_function function, mu_str text)
{
    builder out = builder_new(arena, text.len, 4);
    bool is_first = true;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = mu_utf8_next(text, &at);
        bool raises = function == MU_FN_UPPER_CASE ||
                      (function != MU_FN_LOWER_CASE && is_first && !is_blank(c));
        bool lowers = function == MU_FN_LOWER_CASE || (function == MU_FN_TITLE_CASE && !is_first);
        is_first = is_blank(c);
        add_code_point(&out, raises ? upper(c) : lowers ? lower(c) : c);
    }
    return built(&out);
}

static bool equal_ignoring_case(mu_str a, mu_str b)
{
    size_t in_a = 0, in_b = 0;
    while (in_a < a.len && in_b < b.len)
        if (mu_utf8_fold_code_point(mu_utf8_next(a, &in_a)) !=
            mu_utf8_fold_code_point(mu_utf8_next(b, &in_b)))
            return false;
    return in_a == a.len && in_b == b.len;
}

static mu_value trimmed(mu_pql_function function, mu_str text)
{
    mu_str inner = mu_str_trim(text);
    if (function == MU_FN_TRIM || inner.len == 0)
        return text_of(inner);
    size_t from = (size_t)(inner.ptr - text.ptr);
    if (function == MU_FN_LEFT_TRIM)
        return text_of(slice(text, from, text.len));
    return text_of(slice(text, 0, from + inner.len));
}

/* -------- finding and replacing -------- */

/* The byte offset of the last `part`, or SIZE_MAX. */
static size_t find_last(mu_str text, mu_str part)
{
    if (part.len > text.len)
        return SIZE_MAX;
    for (size_t at = text.len - part.len + 1; at-- > 0;)
        if (mu_str_equal(slice(text, at, at + part.len), part))
            return at;
    return SIZE_MAX;
}

static mu_value index_of(mu_pql_function function, mu_str text, mu_str part)
{
    size_t at = function == MU_FN_INDEX_OF ? mu_str_find(text, part) : find_last(text, part);
    if (at == SIZE_MAX)
        return mu_value_integer(-1);
    return mu_value_integer((int64_t)mu_utf8_length(slice(text, 0, at)));
}

static uint32_t count_parts(mu_str text, mu_str part)
{
    uint32_t n = 0;
    for (size_t at; (at = mu_str_find(text, part)) != SIZE_MAX; n++)
        text = slice(text, at + part.len, text.len);
    return n;
}

/* replace: the first occurrence; replaceAll: every one, from left to right. Both take the text
 * literally. Nothing is found of an empty text. */
static mu_value replaced(mu_arena *arena, mu_str text, mu_str part, mu_str by, bool all)
{
    uint32_t n = part.len == 0 ? 0 : count_parts(text, part);
    if (n == 0)
        return text_of(text);
    if (!all)
        n = 1;
    size_t room;
    if (__builtin_mul_overflow((size_t)n, by.len, &room) ||
        __builtin_add_overflow(room, text.len, &room))
        return MU_VALUE_NULL;
    builder out = builder_new(arena, room, 1);
    for (; n > 0; n--) {
        size_t at = mu_str_find(text, part);
        add_text(&out, slice(text, 0, at));
        add_text(&out, by);
        text = slice(text, at + part.len, text.len);
    }
    add_text(&out, text);
    return built(&out);
}

/* Every piece between separators, empty ones too; an empty separator separates nothing. */
static mu_value split(mu_arena *arena, mu_str text, mu_str separator)
{
    mu_value_list out;
    mu_value_list_init(&out, arena);
    for (size_t at; separator.len > 0 && (at = mu_str_find(text, separator)) != SIZE_MAX;
         text = slice(text, at + separator.len, text.len))
        mu_value_list_add(&out, text_of(slice(text, 0, at)));
    mu_value_list_add(&out, text_of(text));
    return mu_value_of_list(&out);
}

/* The scalars of a list as text; the others are skipped. */
static mu_value join(mu_arena *arena, mu_value list, mu_str separator)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_buf buf;
    mu_str text;
    uint32_t n = 0;
    mu_buf_init(&buf, SIZE_MAX / 4);
    for (uint32_t i = 0; i < list.n; i++) {
        if (!mu_value_text(list.items[i], room, &text))
            continue;
        if (n++ > 0)
            mu_buf_add_str(&buf, separator);
        mu_buf_add_str(&buf, text);
    }
    mu_value out = text_of(mu_arena_copy(arena, mu_buf_str(&buf)));
    mu_buf_free(&buf);
    return out;
}

/* Indexes beyond the text stand for its end, negative ones for its start. */
static mu_value substr(mu_str text, mu_value start, mu_value end)
{
    if (start.kind != MU_TYPE_INTEGER || (end.kind != MU_TYPE_INTEGER && !mu_value_is_null(end)))
        return MU_VALUE_NULL;
    size_t from = offset_of(text, start.integer);
    size_t to = mu_value_is_null(end) ? text.len : offset_of(text, end.integer);
    return text_of(slice(text, from, to < from ? from : to));
}

/* The first and last so many code points stay, the others become X. */
static mu_value masked(mu_arena *arena, mu_str text, mu_value first, mu_value last)
{
    if (first.kind != MU_TYPE_INTEGER || last.kind != MU_TYPE_INTEGER || first.integer < 0 ||
        last.integer < 0)
        return MU_VALUE_NULL;
    int64_t n = (int64_t)mu_utf8_length(text), index = 0;
    builder out = builder_new(arena, text.len, 1);
    for (size_t at = 0; at < text.len; index++) {
        size_t from = at;
        mu_utf8_next(text, &at);
        bool stays = index < first.integer || n - index <= last.integer;
        add_text(&out, stays ? slice(text, from, at) : MU_STR("X"));
    }
    return built(&out);
}

static mu_value code_at(mu_str text, mu_value index)
{
    if (index.kind != MU_TYPE_INTEGER || index.integer < 0)
        return MU_VALUE_NULL;
    size_t at = offset_of(text, index.integer);
    return at < text.len ? mu_value_integer(mu_utf8_next(text, &at)) : MU_VALUE_NULL;
}

/* -------- addresses -------- */

static mu_value email_domain(mu_str text)
{
    size_t at = find_last(text, MU_STR("@"));
    if (at == SIZE_MAX || at + 1 == text.len)
        return MU_VALUE_NULL;
    return text_of(slice(text, at + 1, text.len));
}

/* The parts of scheme://user@host:port/path?query#fragment; a part that is absent has ptr NULL. */
typedef struct url_parts {
    mu_str scheme, host, path, fragment;
} url_parts;

static size_t find_any(mu_str text, const char *stops)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\0' && strchr(stops, text.ptr[i]) != NULL)
            return i;
    return text.len;
}

static mu_str host_of(mu_str authority)
{
    size_t at = find_last(authority, MU_STR("@"));
    if (at != SIZE_MAX)
        authority = slice(authority, at + 1, authority.len);
    if (authority.len > 0 && authority.ptr[0] == '[') { /* an IPv6 address keeps its colons */
        size_t end = mu_str_find(authority, MU_STR("]"));
        return end == SIZE_MAX ? authority : slice(authority, 0, end + 1);
    }
    return slice(authority, 0, find_any(authority, ":"));
}

static bool parse_url(mu_str text, url_parts *out)
{
    *out = (url_parts){0};
    size_t mark = mu_str_find(text, MU_STR("://"));
    if (mark == SIZE_MAX || mark == 0 || find_any(text, "/?#") < mark)
        return false;
    out->scheme = slice(text, 0, mark);
    mu_str rest = slice(text, mark + 3, text.len);
    size_t hash = find_any(rest, "#");
    if (hash < rest.len)
        out->fragment = slice(rest, hash + 1, rest.len);
    rest = slice(rest, 0, find_any(rest, "?#"));
    size_t root = find_any(rest, "/");
    out->host = host_of(slice(rest, 0, root));
    out->path = slice(rest, root, rest.len);
    return true;
}

static mu_value url_part(mu_pql_function function, mu_str text)
{
    url_parts parts;
    if (!parse_url(text, &parts))
        return MU_VALUE_NULL;
    mu_str part = function == MU_FN_GET_URL_HOST       ? parts.host
                  : function == MU_FN_GET_URL_PATH     ? parts.path
                  : function == MU_FN_GET_URL_PROTOCOL ? parts.scheme
                                                       : parts.fragment;
    return part.ptr == NULL ? MU_VALUE_NULL : text_of(part);
}

/* -------- dispatch -------- */

static mu_value concat(mu_arena *arena, uint32_t n, const mu_value *args)
{
    mu_value list = {.kind = MU_TYPE_LIST, .n = n, .items = args};
    for (uint32_t i = 0; i < n; i++)
        if (mu_value_is_null(args[i]))
            return MU_VALUE_NULL;
    return join(arena, list, MU_STR(""));
}

/* null is empty, and so are lists and maps without items. */
static bool is_empty(mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_NULL:
        return true;
    case MU_TYPE_STRING:
        return value.string.len == 0;
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return value.n == 0;
    default:
        return false;
    }
}

static mu_value equals_any(mu_arena *arena, mu_str text, uint32_t n, const mu_value *values)
{
    mu_str other;
    for (uint32_t i = 0; i < n; i++)
        if (mu_value_render(arena, values[i], &other) && equal_ignoring_case(text, other))
            return mu_value_boolean(true);
    return mu_value_boolean(false);
}

/* Functions of one text. */
static mu_value of_one(mu_arena *arena, mu_pql_function function, mu_str text)
{
    mu_str out;
    switch (function) {
    case MU_FN_LENGTH:
        return mu_value_integer((int64_t)mu_utf8_length(text));
    case MU_FN_LOWER_CASE:
    case MU_FN_UPPER_CASE:
    case MU_FN_TITLE_CASE:
    case MU_FN_CAMEL_CASE:
        return change_case(arena, function, text);
    case MU_FN_LEFT_TRIM:
    case MU_FN_RIGHT_TRIM:
    case MU_FN_TRIM:
        return trimmed(function, text);
    case MU_FN_MD5:
        return text_of(mu_md5_hex(arena, text));
    case MU_FN_ENCODE64:
        return text_of(mu_base64_encode(arena, text));
    case MU_FN_DECODE64:
        return mu_base64_decode(arena, text, &out) ? text_of(out) : MU_VALUE_NULL;
    case MU_FN_EXTRACT_EMAIL_DOMAIN:
        return email_domain(text);
    case MU_FN_GET_URL_HOST:
    case MU_FN_GET_URL_PATH:
    case MU_FN_GET_URL_PROTOCOL:
    case MU_FN_GET_URL_FRAGMENT:
        return url_part(function, text);
    default:
        return MU_VALUE_NULL;
    }
}

/* Functions of two texts or more. */
static mu_value of_texts(mu_arena *arena, mu_pql_function function, mu_str text, mu_str other,
                         const mu_value *args)
{
    mu_str third;
    int order;
    switch (function) {
    case MU_FN_INDEX_OF:
    case MU_FN_LAST_INDEX_OF:
        return index_of(function, text, other);
    case MU_FN_REPLACE:
    case MU_FN_REPLACE_ALL:
        if (!mu_value_render(arena, args[2], &third))
            return MU_VALUE_NULL;
        return replaced(arena, text, other, third, function == MU_FN_REPLACE_ALL);
    case MU_FN_SPLIT:
        return split(arena, text, other);
    case MU_FN_EQUALS_IGNORE_CASE:
        return mu_value_boolean(equal_ignoring_case(text, other));
    case MU_FN_NOT_EQUAL_WITH_IGNORE_CASE:
        return mu_value_boolean(!equal_ignoring_case(text, other));
    case MU_FN_COMPARE_TO:
        order = mu_str_compare(text, other);
        return mu_value_integer((order > 0) - (order < 0));
    default:
        return MU_VALUE_NULL;
    }
}

mu_value mu_reference_text(mu_evaluator *evaluator, mu_pql_function function, uint32_t n,
                           const mu_value *args)
{
    mu_arena *arena = evaluator->arena;
    mu_str text, other;
    switch (function) {
    case MU_FN_CONCAT:
        return concat(arena, n, args);
    case MU_FN_IS_EMPTY:
        return mu_value_boolean(is_empty(args[0]));
    case MU_FN_IS_NOT_EMPTY:
        return mu_value_boolean(!is_empty(args[0]));
    case MU_FN_JOIN:
        if (mu_value_is_null(args[0]) || !mu_value_render(arena, args[1], &other))
            return MU_VALUE_NULL;
        return join(arena, mu_value_as_list(arena, args[0]), other);
    default:
        break;
    }
    if (!mu_value_render(arena, args[0], &text))
        return MU_VALUE_NULL;
    switch (function) {
    case MU_FN_SUBSTR:
        if (n > 2 && mu_value_is_null(args[2]))
            return MU_VALUE_NULL;
        return substr(text, args[1], n > 2 ? args[2] : MU_VALUE_NULL);
    case MU_FN_MASK:
        return masked(arena, text, args[1], args[2]);
    case MU_FN_CHAR_CODE_AT:
        return code_at(text, args[1]);
    case MU_FN_EQUALS_ANY_IGNORE_CASE:
        return equals_any(arena, text, n - 1, args + 1);
    default:
        break;
    }
    if (n == 1)
        return of_one(arena, function, text);
    return mu_value_render(arena, args[1], &other) ? of_texts(arena, function, text, other, args)
                                                   : MU_VALUE_NULL;
}
