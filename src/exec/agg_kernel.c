/* agg_kernel.c - sums and extremes of one array, over all rows or a list. Grouped sums are
 * the aggregates' own affair. */
#include "exec/kernel_int.h"

static inline bool row_valid(const uint64_t *validity, uint32_t row)
{
    return !validity || bit_get(validity, row);
}

/* ------------------------------------------------------------------- sums ---- */

/* The sum of 64 values without NULLs. Narrow widths cannot overflow 64 bits. Of 64-bit
 * values the halves are summed apart: both loops are plain 64-bit additions. */
#define DEFINE_SUM_BLOCK(SUFFIX, T)                                                        \
    static inline int128 sum_block_##SUFFIX(const T *x)                                    \
    {                                                                                      \
        int64_t sum = 0;                                                                   \
        for (uint32_t k = 0; k < 64; k++)                                                  \
            sum += x[k];                                                                   \
        return sum;                                                                        \
    }
DEFINE_SUM_BLOCK(i8, int8_t)
DEFINE_SUM_BLOCK(i16, int16_t)
DEFINE_SUM_BLOCK(i32, int32_t)
static inline int128 sum_block_i64(const int64_t *x)
{
    int64_t high = 0;
    uint64_t low = 0;
    for (uint32_t k = 0; k < 64; k++) {
        high += x[k] >> 32;
        low += (uint32_t)x[k];
    }
    return (int128)high * (1ll << 32) + (int128)low;
}
/* n is below 2^32 and |x| at most 2^63: the sum of one call fits 96 bits, and only adding
 * it to *sum can overflow. */
#define DEFINE_SUM(SUFFIX, T)                                                              \
    static bool sum_##SUFFIX(const void *in, const uint64_t *validity,                     \
                             const uint16_t *rows, uint32_t n, int128 *sum)                \
    {                                                                                      \
        const T *x = in;                                                                   \
        int128 total = 0;                                                                  \
        if (rows) {                                                                        \
            for (uint32_t k = 0; k < n; k++) {                                             \
                T value = x[rows[k]];                                                      \
                total += row_valid(validity, rows[k]) ? value : 0;                         \
            }                                                                              \
        } else {                                                                           \
            uint32_t at = 0;                                                               \
            for (; at + 64 <= n; at += 64) {                                               \
                if (!validity || validity[at / 64] == UINT64_MAX) {                        \
                    total += sum_block_##SUFFIX(x + at);                                   \
                } else {                                                                   \
                    T masked[64];                                                          \
                    for (uint32_t k = 0; k < 64; k++)                                      \
                        masked[k] = validity[at / 64] >> k & 1 ? x[at + k] : 0;            \
                    total += sum_block_##SUFFIX(masked);                                   \
                }                                                                          \
            }                                                                              \
            for (; at < n; at++)                                                           \
                total += row_valid(validity, at) ? x[at] : 0;                              \
        }                                                                                  \
        return !__builtin_add_overflow(*sum, total, sum);                                  \
    }
DEFINE_SUM(i8, int8_t)
DEFINE_SUM(i16, int16_t)
DEFINE_SUM(i32, int32_t)
DEFINE_SUM(i64, int64_t)
static bool sum_i128(const void *in, const uint64_t *validity, const uint16_t *rows,
                     uint32_t n, int128 *sum)
{
    const int128 *x = in;
    int128 total = *sum;
    bool over = false;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = rows ? rows[k] : k;
        over |= __builtin_add_overflow(total, row_valid(validity, i) ? x[i] : 0, &total);
    }
    *sum = total;
    return !over;
}
const kernel_sum_int_fn kernel_sum_int_table[KERNEL_WIDTHS] = {[W_8] = sum_i8,
                                                               [W_16] = sum_i16,
                                                               [W_32] = sum_i32,
                                                               [W_64] = sum_i64,
                                                               [W_128] = sum_i128};

/* Adding -0.0 changes nothing, not even a zero's sign. */
#define DEFINE_SUM_FLOAT(SUFFIX, T)                                                        \
    static void sum_##SUFFIX(const void *in, const uint64_t *validity,                     \
                             const uint16_t *rows, uint32_t n, double *sum)                \
    {                                                                                      \
        const T *x = in;                                                                   \
        double total = *sum;                                                               \
        for (uint32_t k = 0; k < n; k++) {                                                 \
            uint32_t i = rows ? rows[k] : k;                                               \
            total += row_valid(validity, i) ? (double)x[i] : -0.0;                         \
        }                                                                                  \
        *sum = total;                                                                      \
    }
DEFINE_SUM_FLOAT(f32, float)
DEFINE_SUM_FLOAT(f64, double)
const kernel_sum_float_fn kernel_sum_float_table[KERNEL_WIDTHS] = {
    [W_F32] = sum_f32, [W_F64] = sum_f64};

/* --------------------------------------------------------------- extremes ---- */

#define INT_LT(A, B)   ((A) < (B))
#define FLOAT_LT(A, B) (((A) < (B)) | (((A) == (A)) & ((B) != (B))))
#define STR_LT(A, B)   (str_compare(&(A), &(B)) < 0)

/* Begins with the first valid row, then keeps the better one. Without NULLs and over all
 * rows the loop is a plain reduction. */
#define DEFINE_EXTREME(NAME, SUFFIX, T, BETTER)                                            \
    static bool NAME##_##SUFFIX(const void *in, const uint64_t *validity,                  \
                                const uint16_t *rows, uint32_t n, void *out)               \
    {                                                                                      \
        const T *x = in;                                                                   \
        uint32_t first = 0;                                                                \
        while (first < n && !row_valid(validity, rows ? rows[first] : first))              \
            first++;                                                                       \
        if (first == n)                                                                    \
            return false;                                                                  \
        T best = x[rows ? rows[first] : first];                                            \
        if (!rows && !validity) {                                                          \
            for (uint32_t i = 0; i < n; i++)                                               \
                best = BETTER(x[i], best) ? x[i] : best;                                   \
        } else {                                                                           \
            for (uint32_t k = first; k < n; k++) {                                         \
                uint32_t i = rows ? rows[k] : k;                                           \
                best = row_valid(validity, i) && BETTER(x[i], best) ? x[i] : best;         \
            }                                                                              \
        }                                                                                  \
        memcpy(out, &best, sizeof best);                                                   \
        return true;                                                                       \
    }
#define INT_GT(A, B)   INT_LT(B, A)
#define FLOAT_GT(A, B) FLOAT_LT(B, A)
#define STR_GT(A, B)   STR_LT(B, A)
#define EXTREMES(X, NAME, OP)                                                              \
    X(NAME, i8, int8_t, INT_##OP)                                                          \
    X(NAME, i16, int16_t, INT_##OP)                                                        \
    X(NAME, i32, int32_t, INT_##OP)                                                        \
    X(NAME, i64, int64_t, INT_##OP)                                                        \
    X(NAME, i128, int128, INT_##OP)                                                        \
    X(NAME, f32, float, FLOAT_##OP)                                                        \
    X(NAME, f64, double, FLOAT_##OP)                                                       \
    X(NAME, str, struct str, STR_##OP)
EXTREMES(DEFINE_EXTREME, least, LT)
EXTREMES(DEFINE_EXTREME, greatest, GT)

#define EXTREME_ROW(NAME)                                                                  \
    {                                                                                      \
        [W_8] = NAME##_i8, [W_16] = NAME##_i16, [W_32] = NAME##_i32, [W_64] = NAME##_i64,  \
        [W_128] = NAME##_i128, [W_F32] = NAME##_f32, [W_F64] = NAME##_f64,                 \
        [W_STR] = NAME##_str                                                               \
    }
const kernel_extreme_fn kernel_min_table[KERNEL_WIDTHS] = EXTREME_ROW(least);
const kernel_extreme_fn kernel_max_table[KERNEL_WIDTHS] = EXTREME_ROW(greatest);
