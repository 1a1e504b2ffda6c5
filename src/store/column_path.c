#include "store/part_int.h"

#include <stdio.h>

static void append(char *out, size_t size, size_t *at, mu_str text)
{
    size_t room = size - 1 - *at, len = text.len < room ? text.len : room;
    memcpy(out + *at, text.ptr, len);
    *at += len;
    out[*at] = '\0';
}

void mu_write_column_path(uint32_t n, const mu_str *names, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = n; i-- > 0;) {
        if (names[i].len == 0) {
            append(out, size, &at, MU_STR("[]"));
            continue;
        }
        if (at > 0)
            append(out, size, &at, MU_STR("."));
        append(out, size, &at, names[i]);
    }
    if (n == 0)
        append(out, size, &at, MU_STR("the row"));
}

void mu_part_column_path(const mu_part *part, uint32_t vector, char *out, size_t size)
{
    static const char *const hidden[] = {"pids", "identity namespaces", "identity values"};
    mu_str names[MU_PART_DEPTH_MAX + 1];
    uint32_t n = 0;
    if (vector >= part->footer.n_columns) {
        snprintf(out, size, "%s", hidden[vector - part->footer.n_columns]);
        return;
    }
    for (uint32_t c = vector; c != 0; c = part->columns[c].parent)
        names[n++] = part->columns[c].name;
    mu_write_column_path(n, names, out, size);
}
