/* bits.h - bitmaps: bit i of word i/64, least significant first, as Arrow's validity. Bits
 * at and past `count` in the last word are zero in every bitmap the library makes, unless
 * said. */
#ifndef KDK_BASE_BITS_H
#define KDK_BASE_BITS_H

#include "base/base.h"

static inline size_t bits_words(size_t count)
{
    return (count + 63) / 64;
}
static inline bool bit_get(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= 1ull << (i % 64);
}
static inline void bit_clear(uint64_t *bits, size_t i)
{
    bits[i / 64] &= ~(1ull << (i % 64));
}
static inline void bit_put(uint64_t *bits, size_t i, bool v)
{
    bits[i / 64] = (bits[i / 64] & ~(1ull << (i % 64))) | (uint64_t)v << (i % 64);
}
/* All ones for the first `count` bits, zero after, over bits_words(count) words. */
void bits_fill(uint64_t *bits, size_t count);
uint64_t bits_count(const uint64_t *bits, size_t count);
/* Copies `count` bits from bit `from` of `in` (byte-addressed, any alignment, Arrow's form)
 * to bit 0 of `out`. `in` must hold (from + count + 7) / 8 bytes; no byte past them is
 * read. */
void bits_copy(uint64_t *out, const uint8_t *in, size_t from, size_t count);

#endif
