#include "identity/xid.h"

#include <nettle/sha2.h>

#define HEAD_BYTES   5
#define DIGEST_BYTES 16
#define XID_BYTES    (HEAD_BYTES + DIGEST_BYTES)

_Static_assert(XID_BYTES % 3 == 0 && XID_BYTES / 3 * 4 == MU_XID_LENGTH, "no padding is needed");

static void write_base64url(const uint8_t *bytes, char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int i = 0; i < XID_BYTES; i += 3, out += 4) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int k = 0; k < 4; k++)
            out[k] = letters[group >> (18 - 6 * k) & 63];
    }
}

mu_xid mu_identity_xid(uint32_t namespace_id, mu_str value)
{
    uint8_t bytes[XID_BYTES] = {0xA1, (uint8_t)(namespace_id >> 24), (uint8_t)(namespace_id >> 16),
                                (uint8_t)(namespace_id >> 8), (uint8_t)namespace_id};
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, 4, bytes + 1);
    sha256_update(&sha, value.len, (const uint8_t *)value.ptr);
    sha256_digest(&sha, DIGEST_BYTES, bytes + HEAD_BYTES);
    mu_xid xid;
    write_base64url(bytes, xid.text);
    return xid;
}
