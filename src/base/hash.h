/* hash.h - hashes and checksums. None is cryptographic. All are stable across runs and
 * machines: mix64 and CRC-32C values are on disk. */
#ifndef KDK_BASE_HASH_H
#define KDK_BASE_HASH_H

#include "base/base.h"

/* Multiply-xorshift finalizer (Stafford's variant 13 of MurmurHash3's, 2011). */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    x ^= x >> 31;
    return x;
}
/* Order matters: combine(a, b) differs from combine(b, a). */
static inline uint64_t hash_combine(uint64_t seed, uint64_t h)
{
    return hash_u64(seed * 0x9e3779b97f4a7c15ull + h);
}
uint64_t hash_bytes(const void *bytes, size_t count); /* XXH3, 64 bits. */

/* CRC-32C (Castagnoli, RFC 3720 B.4). `crc` is 0 to begin with, or an earlier result to go
 * on. SSE 4.2 where the machine has it, else a table. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t count);
/* The table, whatever the machine has: what tests compare with. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t count);

#endif
