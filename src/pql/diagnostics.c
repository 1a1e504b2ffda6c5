#include "base/utf8.h"
#include "pql/pql.h"

#include <stdio.h>

void mu_pql_diagnostics_init(mu_pql_diagnostics *diagnostics, mu_arena *arena)
{
    *diagnostics = (mu_pql_diagnostics){.arena = arena};
}

static void grow(mu_pql_diagnostics *diagnostics)
{
    uint32_t capacity = diagnostics->capacity == 0 ? 8 : diagnostics->capacity * 2;
    mu_pql_diagnostic *items = MU_NEW_ARRAY(diagnostics->arena, mu_pql_diagnostic, capacity);
    if (diagnostics->n > 0)
        memcpy(items, diagnostics->items, diagnostics->n * sizeof *items);
    diagnostics->items = items;
    diagnostics->capacity = capacity;
}

void mu_pql_report(mu_pql_diagnostics *diagnostics, const char *code, uint32_t line,
                   uint32_t column, mu_str pointer, mu_str message)
{
    if (diagnostics->n == diagnostics->capacity)
        grow(diagnostics);
    mu_pql_diagnostic *item = &diagnostics->items[diagnostics->n++];
    *item = (mu_pql_diagnostic){
        .line = line,
        .column = column,
        .pointer = mu_arena_copy(diagnostics->arena, pointer),
        .message = mu_arena_copy(diagnostics->arena, message),
        .is_warning = code[0] == 'W',
    };
    snprintf(item->code, sizeof item->code, "%s", code);
    diagnostics->n_errors += !item->is_warning;
}

mu_str mu_pql_diagnostic_line(mu_arena *arena, const mu_pql_diagnostic *diagnostic)
{
    mu_str message = diagnostic->message;
    if (diagnostic->line > 0)
        return mu_arena_format(arena, "line %u:%u %s " MU_STR_FMT, diagnostic->line,
                               diagnostic->column, diagnostic->code, MU_STR_ARG(message));
    if (diagnostic->pointer.len > 0)
        return mu_arena_format(arena, MU_STR_FMT " %s " MU_STR_FMT, MU_STR_ARG(diagnostic->pointer),
                               diagnostic->code, MU_STR_ARG(message));
    return mu_arena_format(arena, "%s " MU_STR_FMT, diagnostic->code, MU_STR_ARG(message));
}

/* The line of `source` with number `line`, without its end. */
static mu_str source_line(mu_str source, uint32_t line)
{
    size_t start = 0;
    for (uint32_t k = 1; k < line; k++) {
        size_t length = mu_str_find((mu_str){source.ptr + start, source.len - start}, MU_STR("\n"));
        if (length == SIZE_MAX)
            return (mu_str){"", 0};
        start += length + 1;
    }
    mu_str rest = {source.ptr + start, source.len - start};
    size_t length = mu_str_find(rest, MU_STR("\n"));
    if (length != SIZE_MAX)
        rest.len = length;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '\r')
        rest.len--;
    return rest;
}

static bool is_tail(char c)
{
    return (c & 0xc0) == 0x80;
}

/* The byte offset of the code point with this number (from 0), at most the length. */
static size_t offset_of(mu_str text, size_t code_point)
{
    size_t at = 0;
    for (; at < text.len && code_point > 0; code_point--) {
        at++;
        while (at < text.len && is_tail(text.ptr[at]))
            at++;
    }
    return at;
}

/* Control characters and broken UTF-8 must not reach a terminal: each byte becomes a '?', a tab
 * stays. */
static void add_visible(mu_buf *buf, mu_str text)
{
    bool is_valid = mu_utf8_valid(text);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_shown = c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f && (is_valid || c > 0));
        if (!is_shown && is_tail(c))
            continue; /* one sign per code point, as columns count */
        mu_buf_add_char(buf, is_shown ? c : '?');
    }
}

#define PICTURE_BEFORE 60 /* code points shown around the place when the line is long */
#define PICTURE_AFTER  40

mu_str mu_pql_diagnostic_picture(mu_arena *arena, const mu_pql_diagnostic *diagnostic,
                                 mu_str source)
{
    mu_str head = mu_pql_diagnostic_line(arena, diagnostic);
    if (diagnostic->line == 0)
        return head;
    mu_str line = source_line(source, diagnostic->line);
    size_t column = diagnostic->column > 0 ? diagnostic->column - 1 : 0;
    size_t first = column > PICTURE_BEFORE ? column - PICTURE_BEFORE : 0;
    size_t from = offset_of(line, first), caret = offset_of(line, column);
    size_t to = offset_of(line, column + PICTURE_AFTER);
    mu_str lead = {line.ptr + from, caret - from};
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX / 4);
    mu_buf_add_format(&buf, MU_STR_FMT "\n%s", MU_STR_ARG(head), from > 0 ? "..." : "");
    add_visible(&buf, lead);
    add_visible(&buf, (mu_str){line.ptr + caret, to - caret});
    mu_buf_add_format(&buf, "%s\n%s", to < line.len ? "..." : "", from > 0 ? "   " : "");
    for (size_t i = 0; i < lead.len; i++)
        if (!is_tail(lead.ptr[i]))
            mu_buf_add_char(&buf, lead.ptr[i] == '\t' ? '\t' : ' ');
    mu_buf_add_char(&buf, '^');
    mu_str picture = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return picture;
}
