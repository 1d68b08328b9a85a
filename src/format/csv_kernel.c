/* csv_kernel.c - finds special bytes, 64 at a time, branch-free.
 *
 * Eight bytes in a word: a byte x is zero iff neither x nor (x & 0x7f) + 0x7f has its top
 * bit set, and no carry leaves a byte. The eight top bits are then gathered by one
 * multiplication: bit 8k times 2^(56-7k) is bit 56 + k, and no two other products meet.
 */
#include "format/csv.h"

#define LOW7 0x7f7f7f7f7f7f7f7full
#define TOP  0x8080808080808080ull

/* The top bit of each byte that is not zero. */
static inline uint64_t non_zero(uint64_t x)
{
    return ((x & LOW7) + LOW7) | x;
}

uint64_t csv_mask(const char *at, const uint64_t splat[4])
{
    uint64_t words[8], out = 0;
    memcpy(words, at, sizeof words);
    for (int i = 0; i < 8; i++) {
        uint64_t w = words[i];
        uint64_t others = non_zero(w ^ splat[0]) & non_zero(w ^ splat[1]) &
                          non_zero(w ^ splat[2]) & non_zero(w ^ splat[3]);
        uint64_t found = (~others & TOP) >> 7;
        out |= (found * 0x0102040810204080ull >> 56) << (8 * i);
    }
    return out;
}
