#include "base/uuid.h"

#include <string.h>
#include <sys/random.h>

void mu_random_bytes(uint8_t *out, size_t len)
{
    size_t filled = 0;
    while (filled < len) {
        ssize_t n = getrandom(out + filled, len - filled, 0);
        if (n > 0)
            filled += (size_t)n;
    }
}

mu_str mu_uuid_make(mu_arena *arena)
{
    uint8_t bytes[MU_UUID_BYTES];
    char *out = mu_arena_alloc(arena, MU_UUID_LENGTH + 1);
    mu_random_bytes(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    mu_uuid_write(bytes, out);
    return (mu_str){out, MU_UUID_LENGTH};
}

/* -------- text and bytes --------
 *
 *   xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx     32 digits without the dashes, two to a byte
 *
 * All 32 digits are computed side by side: half as many bytes as digits, in words of 8 bits. */

typedef uint8_t bytes16 __attribute__((vector_size(16)));

static bytes16 load(const void *from)
{
    bytes16 value;
    memcpy(&value, from, sizeof value);
    return value;
}

static bytes16 digits_of(bytes16 nibbles)
{
    bytes16 is_letter = (bytes16)(nibbles > 9);
    return nibbles + '0' + (is_letter & ('a' - '0' - 10));
}

void mu_uuid_write(const uint8_t bytes[MU_UUID_BYTES], char text[MU_UUID_LENGTH])
{
    char digits[32];
    bytes16 all = load(bytes), high = digits_of(all >> 4), low = digits_of(all & 15);
    bytes16 first = __builtin_shuffle(
        high, low, (bytes16){0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
    bytes16 second = __builtin_shuffle(
        high, low, (bytes16){8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
    memcpy(digits, &first, 16);
    memcpy(digits + 16, &second, 16);
    memcpy(text, digits, 8);
    memcpy(text + 9, digits + 8, 4);
    memcpy(text + 14, digits + 12, 4);
    memcpy(text + 19, digits + 16, 4);
    memcpy(text + 24, digits + 20, 12);
    text[8] = text[13] = text[18] = text[23] = '-';
}

/* The value of each digit; *wrong gets bits where there is none. */
static bytes16 nibbles_of(bytes16 digits, bytes16 *wrong)
{
    bytes16 number = digits - '0', letter = digits - 'a';
    bytes16 is_number = (bytes16)(number < 10), is_letter = (bytes16)(letter < 6);
    *wrong |= ~(is_number | is_letter);
    return (number & is_number) | ((letter + 10) & is_letter);
}

bool mu_uuid_read(const char text[MU_UUID_LENGTH], uint8_t bytes[MU_UUID_BYTES])
{
    char digits[32];
    if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    memcpy(digits, text, 8);
    memcpy(digits + 8, text + 9, 4);
    memcpy(digits + 12, text + 14, 4);
    memcpy(digits + 16, text + 19, 4);
    memcpy(digits + 20, text + 24, 12);
    bytes16 wrong = {0};
    bytes16 first = nibbles_of(load(digits), &wrong);
    bytes16 second = nibbles_of(load(digits + 16), &wrong);
    bytes16 high = __builtin_shuffle(
        first, second, (bytes16){0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30});
    bytes16 low = __builtin_shuffle(
        first, second, (bytes16){1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31});
    bytes16 all = high << 4 | low;
    uint64_t halves[2];
    memcpy(halves, &wrong, sizeof halves);
    memcpy(bytes, &all, MU_UUID_BYTES);
    return (halves[0] | halves[1]) == 0;
}
