/* hash.c - see hash.h. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t count)
{
    return XXH3_64bits(bytes, count);
}

/* The CRC of a byte is the CRC of its low half xor that of its high half (it is linear), so
 * two tables of 16 do for one of 256. Reflected polynomial 0x82f63b78. */
static const uint32_t crc_low[16] = {
    0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c,
    0x26a1e7e8, 0xd4ca64eb, 0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b,
    0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24,
};
static const uint32_t crc_high[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc32c_table(uint32_t crc, const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t index = (crc ^ at[i]) & 0xff;
        crc = crc >> 8 ^ crc_low[index & 15] ^ crc_high[index >> 4];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const uint8_t *at, size_t count)
{
    uint64_t wide = crc;
    for (; count >= 8; at += 8, count -= 8)
        wide = __builtin_ia32_crc32di(wide, get_u64(at));
    crc = (uint32_t)wide;
    for (; count > 0; at++, count--)
        crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t count)
{
    return ~crc32c_table(~crc, bytes, count);
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t count)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse42(~crc, bytes, count);
#endif
    return crc32c_portable(crc, bytes, count);
}
