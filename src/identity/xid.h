/* xid.h -- the opaque text that stands for an identity (profile.md b.2, P17).
 *
 *   byte 0    1      5                        21
 *        0xA1 | nsid | first 16 bytes of SHA-256(nsid || value)      nsid: 4 bytes, big end first
 *
 * in base64url without padding.
 */
#ifndef MU_IDENTITY_XID_H
#define MU_IDENTITY_XID_H

#include "base/str.h"

#define MU_XID_LENGTH 28u

typedef struct mu_xid {
    char text[MU_XID_LENGTH]; /* no terminator */
} mu_xid;

mu_xid mu_identity_xid(uint32_t namespace_id, mu_str value);

/* The text of an XID, borrowed from it. */
static inline mu_str mu_xid_str(const mu_xid *xid)
{
    return (mu_str){xid->text, MU_XID_LENGTH};
}

#endif
