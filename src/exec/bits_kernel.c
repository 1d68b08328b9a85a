/* bits_kernel.c - bitmaps and row lists, and the table of all kernels. */
#include "exec/kernel_int.h"

const struct kernels *kernels(void)
{
    static const struct kernels baseline = {
#if defined(__SSE4_2__)
        .level = "x86-64-v2",
#else
        .level = "baseline",
#endif
        .cmp_vv = kernel_cmp_vv_table,
        .cmp_vc = kernel_cmp_vc_table,
        .between = kernel_between_table,
        .arith = kernel_arith_table,
        .cast = kernel_cast_table,
        .gather = kernel_gather_table,
        .sum_int = kernel_sum_int_table,
        .sum_float = kernel_sum_float_table,
        .min = kernel_min_table,
        .max = kernel_max_table,
    };
    return &baseline;
}

/* Ones for the rows of the last word. */
static uint64_t last_mask(uint32_t count)
{
    return count % 64 ? (1ull << count % 64) - 1 : UINT64_MAX;
}
#define DEFINE_BITS(NAME, EXPR)                                                            \
    void kernel_bits_##NAME(uint64_t *out, const uint64_t *a, const uint64_t *b,           \
                            uint32_t count)                                                \
    {                                                                                      \
        size_t words = bits_words(count);                                                  \
        for (size_t w = 0; w < words; w++)                                                 \
            out[w] = EXPR;                                                                 \
        if (words)                                                                         \
            out[words - 1] &= last_mask(count);                                            \
    }
DEFINE_BITS(and, a[w] & b[w])
DEFINE_BITS(or, a[w] | b[w])
DEFINE_BITS(andnot, a[w] & ~b[w])
void kernel_bits_not(uint64_t *out, const uint64_t *a, uint32_t count)
{
    size_t words = bits_words(count);
    for (size_t w = 0; w < words; w++)
        out[w] = ~a[w];
    if (words)
        out[words - 1] &= last_mask(count);
}
void kernel_rows_to_bits(const uint16_t *rows, uint32_t n, uint32_t count, uint64_t *bits)
{
    memset(bits, 0, bits_words(count) * 8);
    for (uint32_t k = 0; k < n; k++)
        bit_set(bits, rows[k]);
}
void kernel_bits_mask(uint64_t *out, const uint64_t *bits, const uint16_t *rows, uint32_t n,
                      uint32_t count)
{
    if (!rows) {
        kernel_bits_and(out, bits, bits, count);
        return;
    }
    uint64_t mask[BATCH_ROWS / 64];
    ASSERT(count <= BATCH_ROWS);
    kernel_rows_to_bits(rows, n, count, mask);
    kernel_bits_and(out, bits, mask, count);
}
uint32_t kernel_bits_count(const uint64_t *bits, uint32_t count)
{
    return (uint32_t)bits_count(bits, count);
}
uint32_t kernel_bits_to_rows(const uint64_t *bits, uint32_t count, uint16_t *rows)
{
    uint32_t n = 0;
    size_t words = bits_words(count);
    for (size_t w = 0; w < words; w++) {
        uint64_t word = bits[w];
        if (w == words - 1)
            word &= last_mask(count);
        uint32_t base = (uint32_t)w * 64;
        if (word == UINT64_MAX) {
            for (uint32_t k = 0; k < 64; k++)
                rows[n + k] = (uint16_t)(base + k);
            n += 64;
            continue;
        }
        /* Eight at a time, whether or not so many are left: a mispredicted exit costs more
         * than stores that the next word overwrites. They stay within the rounded room, as
         * n <= base here. */
        uint16_t *out = rows + n;
        uint32_t found = (uint32_t)__builtin_popcountll(word);
        for (uint32_t done = 0; done < found; done += 8, out += 8) {
            for (uint32_t k = 0; k < 8; k++) {
                out[k] = (uint16_t)(base + (uint32_t)__builtin_ctzll(word | 1ull << 63));
                word &= word - 1;
            }
        }
        n += found;
    }
    return n;
}
uint32_t kernel_count_valid(const uint64_t *validity, const uint16_t *rows, uint32_t n)
{
    if (!validity)
        return n;
    if (!rows)
        return kernel_bits_count(validity, n);
    uint32_t valid = 0;
    for (uint32_t k = 0; k < n; k++)
        valid += bit_get(validity, rows[k]);
    return valid;
}
uint32_t kernel_first_failed(const uint64_t *failed, const uint64_t *validity,
                             uint32_t count)
{
    size_t words = bits_words(count);
    for (size_t w = 0; w < words; w++) {
        uint64_t word = failed[w] & (validity ? validity[w] : UINT64_MAX);
        if (w == words - 1)
            word &= last_mask(count);
        if (word)
            return (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(word);
    }
    return UINT32_MAX;
}
