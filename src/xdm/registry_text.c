/* registry_text.c -- locations, names and formats for violations. */
#include "xdm/registry_text.h"

#include "base/buf.h"
#include "base/number.h"

#include <arpa/inet.h>

#define TEXT_MAX 1000u

/* -------- locations -------- */

/* Percent-encodes what a fragment may not hold, after JSON pointer's own escapes. */
static void write_token(mu_buf *buf, mu_str name)
{
    static const char allowed[] = "-._!$&'()*+,;=:@?";
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c != 0 && strchr(allowed, c) != NULL);
        if (c == '~')
            MU_BUF_ADD(buf, "~0");
        else if (c == '/')
            MU_BUF_ADD(buf, "~1");
        else if (is_plain)
            mu_buf_add_char(buf, (char)c);
        else
            mu_buf_add_format(buf, "%%%02X", c);
    }
}

/* Recursion is bounded by the depth of the schema. */
static void write_schema_step(mu_buf *buf, const mu_xdm_step *at)
{
    if (at->above == NULL)
        return;
    write_schema_step(buf, at->above);
    if (at->kind == MU_XDM_STEP_ITEM) {
        MU_BUF_ADD(buf, "/items");
    } else if (at->kind == MU_XDM_STEP_VALUE) {
        MU_BUF_ADD(buf, "/additionalProperties");
    } else {
        MU_BUF_ADD(buf, "/properties/");
        write_token(buf, at->name);
    }
}

static void write_pointer_step(mu_buf *buf, const mu_xdm_step *at)
{
    if (at->above == NULL)
        return;
    write_pointer_step(buf, at->above);
    mu_buf_add_char(buf, '/');
    if (at->kind == MU_XDM_STEP_ITEM)
        mu_buf_add_format(buf, "%u", at->index);
    else
        write_token(buf, at->name);
}

static mu_str written(mu_arena *arena, const mu_xdm_step *at,
                      void (*write)(mu_buf *buf, const mu_xdm_step *at))
{
    mu_buf buf;
    mu_buf_init(&buf, (size_t)1 << 24);
    mu_buf_add_char(&buf, '#');
    write(&buf, at);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

mu_str mu_xdm_schema_location(mu_arena *arena, const mu_xdm_step *at)
{
    return written(arena, at, write_schema_step);
}

mu_str mu_xdm_pointer(mu_arena *arena, const mu_xdm_step *at)
{
    return written(arena, at, write_pointer_step);
}

/* -------- names and values -------- */

const char *mu_xdm_expected_name(mu_type_kind kind)
{
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        return "Boolean";
    case MU_TYPE_INTEGER:
        return "Integer";
    case MU_TYPE_DOUBLE:
        return "Number";
    case MU_TYPE_LIST:
        return "JSONArray";
    case MU_TYPE_MAP:
    case MU_TYPE_OBJECT:
        return "JSONObject";
    default:
        return "String";
    }
}

const char *mu_xdm_found_name(const mu_json *json)
{
    switch (json->kind) {
    case MU_JSON_NULL:
        return "Null";
    case MU_JSON_BOOLEAN:
        return "Boolean";
    case MU_JSON_INTEGER:
        return json->integer >= INT32_MIN && json->integer <= INT32_MAX ? "Integer" : "Long";
    case MU_JSON_DOUBLE:
        return "Double";
    case MU_JSON_STRING:
        return "String";
    case MU_JSON_ARRAY:
        return "JSONArray";
    default:
        return "JSONObject";
    }
}

const char *mu_xdm_format_name(mu_xdm_format format)
{
    static const char *const names[] = {
        [MU_XDM_FORMAT_NONE] = "value",        [MU_XDM_FORMAT_EMAIL] = "email address",
        [MU_XDM_FORMAT_URI] = "URI",           [MU_XDM_FORMAT_URI_REFERENCE] = "URI reference",
        [MU_XDM_FORMAT_IPV4] = "ipv4 address", [MU_XDM_FORMAT_IPV6] = "ipv6 address"};
    return names[format];
}

mu_str mu_xdm_shortened(mu_arena *arena, mu_str text)
{
    if (text.len <= TEXT_MAX)
        return text;
    size_t end = TEXT_MAX;
    while (end > 0 && ((unsigned char)text.ptr[end] & 0xc0) == 0x80)
        end--;
    return mu_arena_format(arena, "%.*s...", (int)end, text.ptr);
}

mu_str mu_xdm_number_text(mu_arena *arena, double value)
{
    if (value >= -0x1p53 && value <= 0x1p53 && (double)(int64_t)value == value)
        return mu_arena_format(arena, "%lld", (long long)value);
    char text[MU_NUMBER_MAX];
    return mu_arena_copy(arena, (mu_str){text, mu_format_double(value, text)});
}

mu_str mu_xdm_scalar_text(mu_arena *arena, const mu_json *json)
{
    if (json->kind == MU_JSON_STRING)
        return mu_xdm_shortened(arena, json->string);
    if (json->kind == MU_JSON_INTEGER)
        return mu_arena_format(arena, "%lld", (long long)json->integer);
    char text[MU_NUMBER_MAX];
    return mu_arena_copy(arena, (mu_str){text, mu_format_double(json->number, text)});
}

bool mu_xdm_number(const mu_json *json, double *out)
{
    if (json->kind != MU_JSON_INTEGER && json->kind != MU_JSON_DOUBLE)
        return false;
    *out = json->kind == MU_JSON_INTEGER ? (double)json->integer : json->number;
    return true;
}

bool mu_xdm_whole(const mu_json *json, int64_t *out)
{
    if (json->kind == MU_JSON_INTEGER) {
        *out = json->integer;
        return true;
    }
    if (json->kind != MU_JSON_DOUBLE || !(json->number >= -0x1p63 && json->number < 0x1p63) ||
        (double)(int64_t)json->number != json->number)
        return false;
    *out = (int64_t)json->number;
    return true;
}

/* -------- formats -------- */

static bool has_blank_or_control(mu_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

/* Something, '@', and a domain that neither begins nor ends with a dot. */
static bool is_email(mu_str text)
{
    if (has_blank_or_control(text))
        return false;
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '@')
        at--;
    return at > 1 && at < text.len && text.ptr[at] != '.' && text.ptr[text.len - 1] != '.';
}

static bool is_uri_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
}

/* RFC 3986, with characters beyond ASCII allowed as they are. */
static bool is_uri_reference(mu_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_uri_char(text.ptr[i]))
            return false;
        if (text.ptr[i] == '%' &&
            (i + 2 >= text.len || !strchr("0123456789abcdefABCDEF", text.ptr[i + 1]) ||
             !strchr("0123456789abcdefABCDEF", text.ptr[i + 2])))
            return false;
    }
    return true;
}

static bool is_uri(mu_str text)
{
    size_t n = 0;
    while (n < text.len &&
           ((text.ptr[n] >= 'a' && text.ptr[n] <= 'z') ||
            (text.ptr[n] >= 'A' && text.ptr[n] <= 'Z') ||
            (n > 0 && ((text.ptr[n] >= '0' && text.ptr[n] <= '9') || text.ptr[n] == '+' ||
                       text.ptr[n] == '-' || text.ptr[n] == '.'))))
        n++;
    return n > 0 && n + 1 < text.len && text.ptr[n] == ':' && is_uri_reference(text);
}

static bool is_address(int family, mu_str text)
{
    char copy[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.len >= sizeof copy || memchr(text.ptr, 0, text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return inet_pton(family, copy, address) == 1;
}

bool mu_xdm_has_format(mu_xdm_format format, mu_str text)
{
    switch (format) {
    case MU_XDM_FORMAT_EMAIL:
        return is_email(text);
    case MU_XDM_FORMAT_URI:
        return is_uri(text);
    case MU_XDM_FORMAT_URI_REFERENCE:
        return is_uri_reference(text);
    case MU_XDM_FORMAT_IPV4:
        return is_address(AF_INET, text);
    case MU_XDM_FORMAT_IPV6:
        return is_address(AF_INET6, text);
    default:
        return true;
    }
}
