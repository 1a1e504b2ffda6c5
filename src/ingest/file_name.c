#include "ingest/file_name.h"

#include <dirent.h>
#include <stdlib.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

mu_str mu_file_name(mu_arena *arena, mu_str name)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = mu_arena_array(arena, name.len + 1, 3);
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (is_plain(c) || (c == '.' && i > 0)) {
            out[n++] = c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[(unsigned char)c >> 4];
        out[n++] = digits[(unsigned char)c & 15];
    }
    return (mu_str){out, n};
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

mu_str mu_file_name_origin(mu_arena *arena, mu_str file_name)
{
    char *out = mu_arena_alloc(arena, file_name.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < file_name.len; i++) {
        int high = -1, low = -1;
        if (file_name.ptr[i] == '%' && i + 2 < file_name.len) {
            high = digit_value(file_name.ptr[i + 1]);
            low = digit_value(file_name.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = file_name.ptr[i];
        }
    }
    return (mu_str){out, n};
}

static int by_bytes(const void *left, const void *right)
{
    return mu_str_compare(*(const mu_str *)left, *(const mu_str *)right);
}

uint32_t mu_folder_names(mu_arena *arena, const char *path, const mu_str **out)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, NULL);
    uint32_t n_names = 0;
    *out = NULL;
    if (n < 0)
        return 0;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, (size_t)n);
    for (int i = 0; i < n; i++) {
        mu_str name = mu_str_from(entries[i]->d_name);
        if (!mu_str_equal(name, MU_STR(".")) && !mu_str_equal(name, MU_STR("..")))
            names[n_names++] = mu_arena_copy(arena, name);
        free(entries[i]);
    }
    free(entries);
    if (n_names > 0)
        qsort(names, n_names, sizeof *names, by_bytes);
    *out = names;
    return n_names;
}

mu_str mu_path_joined(mu_arena *arena, mu_str folder, mu_str name)
{
    return mu_arena_format(arena, "%.*s/%.*s", (int)folder.len, folder.ptr, (int)name.len,
                           name.ptr);
}
