/* bits.c - see bits.h. */
#include "base/bits.h"

void bits_fill(uint64_t *bits, size_t count)
{
    size_t whole = count / 64;
    memset(bits, 0xff, whole * 8);
    if (count % 64)
        bits[whole] = (1ull << (count % 64)) - 1;
}

uint64_t bits_count(const uint64_t *bits, size_t count)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count / 64; i++)
        n += (uint64_t)__builtin_popcountll(bits[i]);
    if (count % 64)
        n +=
            (uint64_t)__builtin_popcountll(bits[count / 64] & ((1ull << (count % 64)) - 1));
    return n;
}

void bits_copy(uint64_t *out, const uint8_t *in, size_t from, size_t count)
{
    const uint8_t *at = in + from / 8;
    const unsigned shift = from % 8;
    size_t word = 0, left = count;
    /* Nine bytes are read for 64 bits off a byte's edge; all of them hold wanted bits. */
    for (; left >= 64; left -= 64, at += 8, word++) {
        uint64_t low = get_u64(at);
        out[word] = shift ? low >> shift | (uint64_t)at[8] << (64 - shift) : low;
    }
    if (left) {
        uint8_t bytes[16] = {0};
        memcpy(bytes, at, (shift + left + 7) / 8);
        uint64_t low = get_u64(bytes);
        if (shift)
            low = low >> shift | (uint64_t)bytes[8] << (64 - shift);
        out[word] = low & ((1ull << left) - 1);
    }
}
