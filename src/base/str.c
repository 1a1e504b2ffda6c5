#include "base/str.h"

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool mu_str_equal_ascii_nocase(mu_str a, mu_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

size_t mu_str_find(mu_str text, mu_str needle)
{
    if (needle.len == 0)
        return 0;
    if (text.len < needle.len)
        return SIZE_MAX;
    const char *found = memmem(text.ptr, text.len, needle.ptr, needle.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.ptr);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

mu_str mu_str_trim(mu_str text)
{
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}
