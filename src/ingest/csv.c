#include "ingest/ingest_int.h"

#include <stdlib.h>

/* record = cell *("," cell) [CR] LF
 * cell   = *TEXT / DQUOTE *(TEXT / "," / CR / LF / DQUOTE DQUOTE) DQUOTE
 * A quote inside a cell that does not begin with one is text. */

typedef enum quoted_end { QUOTED_OK, QUOTED_INCOMPLETE, QUOTED_BAD } quoted_end;

/* The text after the quoted cell that begins at `p`: at a comma, a line break or the end. */
static quoted_end quoted_cell(const char *p, const char *end, bool is_last, const char **after)
{
    for (p++;;) {
        p = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
        if (p == NULL)
            return is_last ? QUOTED_BAD : QUOTED_INCOMPLETE;
        p++;
        if (p == end) {
            *after = p;
            return is_last ? QUOTED_OK : QUOTED_INCOMPLETE;
        }
        if (*p != '"')
            break;
        p++;
    }
    *after = p;
    if (*p == ',' || *p == '\n')
        return QUOTED_OK;
    if (*p != '\r')
        return QUOTED_BAD;
    if (p + 1 == end)
        return is_last ? QUOTED_OK : QUOTED_INCOMPLETE;
    return p[1] == '\n' ? QUOTED_OK : QUOTED_BAD;
}

/* As mu_csv_record, for a text whose first line ends at `line_end` (NULL: not in the text) and
 * holds a quote. */
static mu_csv_end quoted_record(mu_str text, const char *line_end, bool is_last, size_t *size)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (;;) {
        if (p < end && *p == '"') {
            quoted_end found = quoted_cell(p, end, is_last, &p);
            if (found == QUOTED_INCOMPLETE)
                return MU_CSV_INCOMPLETE;
            if (found == QUOTED_BAD) {
                *size = line_end == NULL ? text.len : (size_t)(line_end - text.ptr) + 1;
                return line_end == NULL && !is_last ? MU_CSV_INCOMPLETE : MU_CSV_MALFORMED;
            }
        }
        while (p < end && *p != ',' && *p != '\n')
            p++;
        if (p == end) {
            *size = text.len;
            return is_last ? MU_CSV_RECORD : MU_CSV_INCOMPLETE;
        }
        if (*p++ == '\n') {
            *size = (size_t)(p - text.ptr);
            return MU_CSV_RECORD;
        }
    }
}

mu_csv_end mu_csv_record(mu_str text, bool is_last, size_t *size)
{
    const char *line_end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    size_t line = line_end == NULL ? text.len : (size_t)(line_end - text.ptr) + 1;
    if (line > 0 && memchr(text.ptr, '"', line) != NULL)
        return quoted_record(text, line_end, is_last, size);
    *size = line;
    return line_end == NULL && !is_last ? MU_CSV_INCOMPLETE : MU_CSV_RECORD;
}

void mu_csv_cells_free(mu_csv_cells *cells)
{
    free(cells->cells);
    *cells = (mu_csv_cells){0};
}

static bool add_cell(mu_csv_cells *cells, mu_str cell)
{
    if (cells->n >= MU_PATHS_MAX)
        return false;
    cells->cells = mu_room(cells->cells, cells->n, &cells->capacity, sizeof *cells->cells);
    cells->cells[cells->n++] = cell;
    return true;
}

static mu_str unescape(mu_str quoted, mu_arena *arena)
{
    char *text = mu_arena_alloc(arena, quoted.len);
    size_t n = 0;
    for (size_t i = 0; i < quoted.len; i++) {
        text[n++] = quoted.ptr[i];
        i += quoted.ptr[i] == '"';
    }
    return (mu_str){text, n};
}

bool mu_csv_split(mu_str record, mu_csv_cells *cells, mu_arena *arena)
{
    const char *p = record.ptr, *end = record.ptr + record.len;
    if (end > p && end[-1] == '\n')
        end--;
    if (end > p && end[-1] == '\r')
        end--;
    cells->n = 0;
    for (;;) {
        const char *start = p;
        mu_str cell;
        if (p < end && *p == '"') {
            quoted_end found = quoted_cell(p, end, true, &p);
            MU_ASSERT(found == QUOTED_OK);
            cell = (mu_str){start + 1, (size_t)(p - start) - 2};
            if (cell.len > 0 && memchr(cell.ptr, '"', cell.len) != NULL)
                cell = unescape(cell, arena);
        } else {
            while (p < end && *p != ',')
                p++;
            cell = (mu_str){start, (size_t)(p - start)};
        }
        if (!add_cell(cells, cell))
            return false;
        if (p >= end)
            return true;
        p++;
    }
}
