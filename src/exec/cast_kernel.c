/* cast_kernel.c - from every number width to every other, and gathering. Results go through
 * a block on the stack, as in arith_kernel.c and for the same reasons. */
#include <float.h>
#include <math.h>

#include "exec/kernel_int.h"

enum { BLOCK = 64 };

#define DEFINE_CAST(FROM, F, TO, T, RESULT, BAD)                                           \
    static inline T FROM##_to_##TO##_result(F x)                                           \
    {                                                                                      \
        return RESULT;                                                                     \
    }                                                                                      \
    static inline bool FROM##_to_##TO##_bad(F x, T r)                                      \
    {                                                                                      \
        (void)x, (void)r;                                                                  \
        return BAD;                                                                        \
    }                                                                                      \
    static inline __attribute__((always_inline)) void FROM##_to_##TO##_loop(               \
        const F *in, T *z, const uint16_t *rows, uint32_t n, uint64_t *failed)             \
    {                                                                                      \
        for (size_t at = 0; at < n; at += BLOCK) {                                         \
            T out[BLOCK];                                                                  \
            uint8_t trouble = 0;                                                           \
            size_t m = MIN(n - at, (size_t)BLOCK);                                         \
            if (m == BLOCK) {                                                              \
                for (size_t k = 0; k < BLOCK; k++) {                                       \
                    F x = in[rows ? rows[at + k] : at + k];                                \
                    out[k] = FROM##_to_##TO##_result(x);                                   \
                    if (failed)                                                            \
                        trouble |= FROM##_to_##TO##_bad(x, out[k]);                        \
                }                                                                          \
            } else {                                                                       \
                for (size_t k = 0; k < m; k++) {                                           \
                    F x = in[rows ? rows[at + k] : at + k];                                \
                    out[k] = FROM##_to_##TO##_result(x);                                   \
                    if (failed)                                                            \
                        trouble |= FROM##_to_##TO##_bad(x, out[k]);                        \
                }                                                                          \
            }                                                                              \
            if (failed && KDK_UNLIKELY(trouble)) {                                         \
                for (size_t k = 0; k < m; k++) {                                           \
                    size_t i = rows ? rows[at + k] : at + k;                               \
                    failed[i / 64] |= (uint64_t)FROM##_to_##TO##_bad(in[i], out[k])        \
                                      << i % 64;                                           \
                }                                                                          \
            }                                                                              \
            if (!rows && m == BLOCK)                                                       \
                memcpy(z + at, out, sizeof out);                                           \
            else if (!rows)                                                                \
                memcpy(z + at, out, m * sizeof(T));                                        \
            else                                                                           \
                for (size_t k = 0; k < m; k++)                                             \
                    z[rows[at + k]] = out[k];                                              \
        }                                                                                  \
    }                                                                                      \
    static void FROM##_to_##TO(const void *in, void *out, const uint16_t *rows,            \
                               uint32_t n, uint64_t *failed)                               \
    {                                                                                      \
        if (rows && failed)                                                                \
            FROM##_to_##TO##_loop(in, out, rows, n, failed);                               \
        else if (rows)                                                                     \
            FROM##_to_##TO##_loop(in, out, rows, n, NULL);                                 \
        else if (failed)                                                                   \
            FROM##_to_##TO##_loop(in, out, NULL, n, failed);                               \
        else                                                                               \
            FROM##_to_##TO##_loop(in, out, NULL, n, NULL);                                 \
    }

/* Integer to integer: it fits if it comes back. Widening never fails, which the compiler
 * sees. */
#define CAST_INT(FROM, F, TO, T) DEFINE_CAST(FROM, F, TO, T, (T)x, (F)r != x)
/* Integer to float: nearest. */
#define CAST_TO_FLOAT(FROM, F, TO, T) DEFINE_CAST(FROM, F, TO, T, (T)x, false)
/* Float to integer: rint rounds half to even. Both bounds are powers of two, exact in any
 * float; the comparison is false for NaN. A number that does not fit is not converted at
 * all, which would be undefined. */
#define FLOAT_FITS(X, F, BITS) (((X) >= -(F)BITS) & ((X) < (F)BITS))
#define CAST_FROM_FLOAT(FROM, F, TO, T, RINT, LIMIT)                                       \
    DEFINE_CAST(FROM, F, TO, T, (T)(FLOAT_FITS(RINT(x), F, LIMIT) ? RINT(x) : (F)0),       \
                !FLOAT_FITS(RINT(x), F, LIMIT))

#define CAST_FROM_INT(FROM, F)                                                             \
    CAST_INT(FROM, F, i8, int8_t)                                                          \
    CAST_INT(FROM, F, i16, int16_t)                                                        \
    CAST_INT(FROM, F, i32, int32_t)                                                        \
    CAST_INT(FROM, F, i64, int64_t)                                                        \
    CAST_INT(FROM, F, i128, int128)                                                        \
    CAST_TO_FLOAT(FROM, F, f32, float)                                                     \
    CAST_TO_FLOAT(FROM, F, f64, double)
CAST_FROM_INT(i8, int8_t)
CAST_FROM_INT(i16, int16_t)
CAST_FROM_INT(i32, int32_t)
CAST_FROM_INT(i64, int64_t)
CAST_FROM_INT(i128, int128)

#define CAST_FROM_FLOATS(FROM, F, RINT)                                                    \
    CAST_FROM_FLOAT(FROM, F, i8, int8_t, RINT, 0x1p7)                                      \
    CAST_FROM_FLOAT(FROM, F, i16, int16_t, RINT, 0x1p15)                                   \
    CAST_FROM_FLOAT(FROM, F, i32, int32_t, RINT, 0x1p31)                                   \
    CAST_FROM_FLOAT(FROM, F, i64, int64_t, RINT, 0x1p63)                                   \
    CAST_FROM_FLOAT(FROM, F, i128, int128, RINT, 0x1p127)
CAST_FROM_FLOATS(f32, float, rintf)
CAST_FROM_FLOATS(f64, double, rint)
DEFINE_CAST(f32, float, f32, float, x, false)
DEFINE_CAST(f32, float, f64, double, (double)x, false)
DEFINE_CAST(f64, double, f64, double, x, false)
DEFINE_CAST(f64, double, f32, float, (float)x,
            ((fabsf(r) > FLT_MAX) & (fabs(x) <= DBL_MAX)) | ((r == 0) & (x != 0)))

#define CAST_ROW(FROM)                                                                     \
    {                                                                                      \
        [W_8] = FROM##_to_i8, [W_16] = FROM##_to_i16, [W_32] = FROM##_to_i32,              \
        [W_64] = FROM##_to_i64, [W_128] = FROM##_to_i128, [W_F32] = FROM##_to_f32,         \
        [W_F64] = FROM##_to_f64                                                            \
    }
const kernel_cast_fn kernel_cast_table[KERNEL_WIDTHS][KERNEL_WIDTHS] = {
    [W_8] = CAST_ROW(i8),   [W_16] = CAST_ROW(i16),   [W_32] = CAST_ROW(i32),
    [W_64] = CAST_ROW(i64), [W_128] = CAST_ROW(i128), [W_F32] = CAST_ROW(f32),
    [W_F64] = CAST_ROW(f64)};

/* ----------------------------------------------------------------- gather ---- */

#define DEFINE_GATHER(SUFFIX, T)                                                           \
    static void gather_##SUFFIX(const void *in, const uint16_t *rows, uint32_t n,          \
                                void *out)                                                 \
    {                                                                                      \
        const T *x = in;                                                                   \
        T *z = out;                                                                        \
        for (uint32_t k = 0; k < n; k++)                                                   \
            z[k] = x[rows[k]];                                                             \
    }
DEFINE_GATHER(8, uint8_t)
DEFINE_GATHER(16, uint16_t)
DEFINE_GATHER(32, uint32_t)
DEFINE_GATHER(64, uint64_t)
DEFINE_GATHER(128, int128)
DEFINE_GATHER(f32, float)
DEFINE_GATHER(f64, double)
DEFINE_GATHER(str, struct str)
const kernel_gather_fn kernel_gather_table[KERNEL_WIDTHS] = {
    [W_8] = gather_8,     [W_16] = gather_16,   [W_32] = gather_32,   [W_64] = gather_64,
    [W_128] = gather_128, [W_F32] = gather_f32, [W_F64] = gather_f64, [W_STR] = gather_str};
