/* crc32c.h -- the CRC-32C checksum (Castagnoli polynomial, RFC 3720 appendix B.4). */
#ifndef MU_BASE_CRC32C_H
#define MU_BASE_CRC32C_H

#include "base/err.h"

/* The checksum of `bytes`, continuing from `crc`: 0 to begin with, or what an earlier call returned
 * for the bytes before. Uses the processor's instruction where there is one, chosen when called. */
uint32_t mu_crc32c(uint32_t crc, const void *bytes, size_t size);

/* The same in plain C, for processors without the instruction and for tests. */
uint32_t mu_crc32c_plain(uint32_t crc, const void *bytes, size_t size);

#endif
