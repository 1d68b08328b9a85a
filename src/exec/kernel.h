/* kernel.h - loops over plain arrays: comparisons, arithmetic, casts, selection, simple
 * aggregates.
 *
 * A kernel knows nothing of vectors, types or NULLs: it gets arrays of one physical width
 * and a row set, and does the same thing to every row without a branch. What NULL means is
 * worked out by the caller 64 rows at a time on the validity bitmaps; data under a NULL is
 * readable, and mostly zero (V1 in vec.h).
 *
 * Rows    `rows` NULL: the rows 0..n-1. Else n ascending row numbers below `count`, and
 *         only those are touched. Inputs and outputs are indexed by row number, not by
 *         position in the list (kernel_gather packs). A list is for a batch: count <=
 *         BATCH_ROWS. The dense call takes any n.
 * Bitmaps Bit i is row i. A kernel that makes one writes bits_words(count) words whole,
 * bits of rows outside the
 *         set being 0 (`count` is n in the dense call).
 * Failing `failed` NULL: unchecked, wrapping. Else the bits of rows whose result does not
 * fit are set in it, the others stay as
 *         they are; the result of such a row is unspecified. The caller removes rows that
 *         are NULL, words the error for the lowest, or goes on.
 * Aliasing An output may be one of the inputs of the same width, but no other overlap.
 * Bitmaps and inputs never overlap.
 * Widths  Tables are indexed by enum vwidth; entries that make no sense (W_BIT, W_STR) are
 *         NULL.
 * 128     A number of 128 bits is a NUMERIC: checked arithmetic fails from |x| >= 10^38,
 *         not from 2^127.
 * Floats  As PostgreSQL: NaN equals NaN and is greater than all else, -0 equals 0. Checked
 *         arithmetic fails when the result is infinite and no input is, and when a product
 *         of two non-zeroes is zero.
 * CPU     One table per level, chosen once by kernels(); so far there is one level, the
 *         compiler's baseline for these files.
 * Threads All kernels are pure.
 */
#ifndef KDK_EXEC_KERNEL_H
#define KDK_EXEC_KERNEL_H

#include "vec/vec.h"

enum { KERNEL_WIDTHS = W_STR + 1 };

enum kernel_cmp { KC_EQ, KC_NE, KC_LT, KC_LE, KC_GT, KC_GE, KC_COUNT };
enum kernel_arith { KA_ADD, KA_SUB, KA_MUL, KA_COUNT };
/* Which side is one value for all rows. */
enum kernel_form { KF_VV, KF_VC, KF_CV, KF_COUNT };

/* a[i] OP b[i], or OP b[0] in the VC table. */
typedef void (*kernel_cmp_fn)(const void *a, const void *b, const uint16_t *rows,
                              uint32_t n, uint32_t count, uint64_t *bits);
/* lo[0] <= a[i] <= hi[0] */
typedef void (*kernel_between_fn)(const void *a, const void *lo, const void *hi,
                                  const uint16_t *rows, uint32_t n, uint32_t count,
                                  uint64_t *bits);
/* out[i] = a[i] OP b[i]; a constant side is read at [0]. */
typedef void (*kernel_arith_fn)(const void *a, const void *b, void *out,
                                const uint16_t *rows, uint32_t n, uint64_t *failed);
/* out[i] = in[i] in another width. Integers: fails when it does not fit (unchecked: cut).
 * Float to integer: rounds half to even, fails when it does not fit or is no number
 * (unchecked: unspecified, but no trap). double to float: fails on overflow to infinity,
 * and when a non-zero becomes zero. Integer to float: nearest, never fails. 128 bits are
 * taken as a plain integer here: scaling is arithmetic. */
typedef void (*kernel_cast_fn)(const void *in, void *out, const uint16_t *rows, uint32_t n,
                               uint64_t *failed);
/* out[k] = in[rows[k]], k < n; `out` is another array. */
typedef void (*kernel_gather_fn)(const void *in, const uint16_t *rows, uint32_t n,
                                 void *out);
/* Adds the valid rows to *sum; false when it left 128 bits (then *sum is unspecified).
 * `validity` may be NULL. */
typedef bool (*kernel_sum_int_fn)(const void *in, const uint64_t *validity,
                                  const uint16_t *rows, uint32_t n, int128 *sum);
/* Adds the valid rows to *sum one after the other, as PostgreSQL does. `validity` may be
 * NULL. A sum that begins as -0.0 keeps the sign of a sum of negative zeroes. */
typedef void (*kernel_sum_float_fn)(const void *in, const uint64_t *validity,
                                    const uint16_t *rows, uint32_t n, double *sum);
/* The least (greatest) of the valid rows to *out, a value of the width; false, and *out
 * untouched, when there is none. */
typedef bool (*kernel_extreme_fn)(const void *in, const uint64_t *validity,
                                  const uint16_t *rows, uint32_t n, void *out);

/* Indexed as [op][width], [width], [op][width][form], [from][to]. */
struct kernels {
    const char *level;                                       /* "x86-64-v2" */
    const kernel_cmp_fn (*cmp_vv)[KERNEL_WIDTHS];            /* 8..128, F32, F64, STR */
    const kernel_cmp_fn (*cmp_vc)[KERNEL_WIDTHS];            /* likewise */
    const kernel_between_fn *between;                        /* 8..128, F32, F64 */
    const kernel_arith_fn (*arith)[KERNEL_WIDTHS][KF_COUNT]; /* 8..128, F32, F64 */
    /* 8..128, F32, F64, to itself too: a copy */
    const kernel_cast_fn (*cast)[KERNEL_WIDTHS];
    const kernel_gather_fn *gather;       /* all but W_BIT */
    const kernel_sum_int_fn *sum_int;     /* 8..128 */
    const kernel_sum_float_fn *sum_float; /* F32, F64 */
    const kernel_extreme_fn *min, *max;   /* 8..128, F32, F64, STR */
};
/* The best table for this machine. Any thread. */
const struct kernels *kernels(void);

/* x OP y is y kernel_cmp_flip(OP) x: how a constant on the left is compared. */
static inline enum kernel_cmp kernel_cmp_flip(enum kernel_cmp op)
{
    static const uint8_t flip[KC_COUNT] = {KC_EQ, KC_NE, KC_GT, KC_GE, KC_LT, KC_LE};
    return (enum kernel_cmp)flip[op];
}

/* Bitmaps over `count` rows; the bits past count are zero in all outputs. `out` may be an
 * input. */
void kernel_bits_and(uint64_t *out, const uint64_t *a, const uint64_t *b, uint32_t count);
void kernel_bits_or(uint64_t *out, const uint64_t *a, const uint64_t *b, uint32_t count);
void kernel_bits_andnot(uint64_t *out, const uint64_t *a, const uint64_t *b,
                        uint32_t count); /* a and not b */
void kernel_bits_not(uint64_t *out, const uint64_t *a, uint32_t count);
/* bit[row] of `bits` for rows of the set, 0 elsewhere. */
void kernel_bits_mask(uint64_t *out, const uint64_t *bits, const uint16_t *rows, uint32_t n,
                      uint32_t count);
uint32_t kernel_bits_count(const uint64_t *bits, uint32_t count);
/* Row numbers of the ones, ascending, to `rows`, which has room for count rounded up to a
 * multiple of 64. Returns how many. */
uint32_t kernel_bits_to_rows(const uint64_t *bits, uint32_t count, uint16_t *rows);
void kernel_rows_to_bits(const uint16_t *rows, uint32_t n, uint32_t count, uint64_t *bits);
/* How many rows of the set are valid. `validity` NULL: n. */
uint32_t kernel_count_valid(const uint64_t *validity, const uint16_t *rows, uint32_t n);
/* The lowest failed row that is valid (validity NULL: all are), or UINT32_MAX. */
uint32_t kernel_first_failed(const uint64_t *failed, const uint64_t *validity,
                             uint32_t count);
/* Is match[code[i]] set: a predicate on a dictionary column, worked out once per entry.
 * Codes are >= 0 and below the bitmap's size; rows outside the set are not read when `rows`
 * is given. */
void kernel_codes_match(const int32_t *codes, const uint64_t *match, const uint16_t *rows,
                        uint32_t n, uint32_t count, uint64_t *bits);

#endif
