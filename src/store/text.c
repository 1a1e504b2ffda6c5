#include "base/utf8.h"
#include "store/part_int.h"

static bool is_ascii(const char *bytes, size_t n)
{
    unsigned char seen = 0;
    for (size_t i = 0; i < n; i++)
        seen |= (unsigned char)bytes[i];
    return seen < 0x80;
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* The whole is valid, and every string starts where a character does: then each of them is valid.
 */
#define DEFINE_VALID(name, type)                                                                   \
    bool name(const char *bytes, const type *offsets, uint32_t n)                                  \
    {                                                                                              \
        size_t size = offsets[n];                                                                  \
        if (is_ascii(bytes, size))                                                                 \
            return true;                                                                           \
        if (!mu_utf8_valid((mu_str){bytes, size}))                                                 \
            return false;                                                                          \
        for (uint32_t i = 0; i < n; i++)                                                           \
            if (offsets[i] < size && !starts_character(bytes[offsets[i]]))                         \
                return false;                                                                      \
        return true;                                                                               \
    }

DEFINE_VALID(mu_text32_valid, uint32_t)
DEFINE_VALID(mu_text64_valid, uint64_t)
