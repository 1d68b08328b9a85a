/* arith_kernel.c - add, subtract, multiply; wrapping or with a mark on the rows that do not
 * fit.
 *
 * Results go through 64 of them on the stack. So the loop has no store that could alias its
 * inputs (gcc then needs no run-time test, and in-place calls are vectorized too), and when
 * a block turns out to hold a row that failed, its inputs are still there to ask which.
 */
#include <float.h>
#include <math.h>

#include "exec/kernel_int.h"

enum { BLOCK = 64 };

/* X(OP, SUFFIX, T, U, RESULT, CHECK). U is unsigned and as wide as T; CHECK is a U whose
 * top bit says "does not fit". For integers a, b are U, so they wrap, and r is the result
 * (Warren, Hacker's Delight, 2nd ed., 2-13); s and t are a and b with their sign. */
#define MASK(U, COND) ((U)0 - (U)(COND))
#define ARITH_LIST(X)                                                                      \
    X(add, i8, int8_t, uint8_t, (uint8_t)(a + b), (uint8_t)((a ^ r) & (b ^ r)))            \
    X(add, i16, int16_t, uint16_t, (uint16_t)(a + b), (uint16_t)((a ^ r) & (b ^ r)))       \
    X(add, i32, int32_t, uint32_t, a + b, (a ^ r) & (b ^ r))                               \
    X(add, i64, int64_t, uint64_t, a + b, (a ^ r) & (b ^ r))                               \
    X(add, i128, int128, uint128, a + b, ((a ^ r) & (b ^ r)) | wide_check((int128)r))      \
    X(sub, i8, int8_t, uint8_t, (uint8_t)(a - b), (uint8_t)((a ^ b) & (a ^ r)))            \
    X(sub, i16, int16_t, uint16_t, (uint16_t)(a - b), (uint16_t)((a ^ b) & (a ^ r)))       \
    X(sub, i32, int32_t, uint32_t, a - b, (a ^ b) & (a ^ r))                               \
    X(sub, i64, int64_t, uint64_t, a - b, (a ^ b) & (a ^ r))                               \
    X(sub, i128, int128, uint128, a - b, ((a ^ b) & (a ^ r)) | wide_check((int128)r))      \
    X(mul, i8, int8_t, uint8_t, (uint8_t)((uint32_t)a * b),                                \
      (uint8_t)MASK(uint8_t, (int16_t)(s * t) != (int8_t)r))                               \
    X(mul, i16, int16_t, uint16_t, (uint16_t)((uint32_t)a * b),                            \
      (uint16_t)MASK(uint16_t, (int32_t)s *t != (int16_t)r))                               \
    X(mul, i32, int32_t, uint32_t, a *b, MASK(uint32_t, (int64_t)s *t != (int32_t)r))      \
    X(mul, i64, int64_t, uint64_t, a *b, MASK(uint64_t, (int128)s *t != (int64_t)r))       \
    X(mul, i128, int128, uint128, a *b, wide_mul_check(s, t))

/* The top bit of each check is set where |r| leaves NUMERIC's 38 digits. */
static const int128 wide_most =
    (int128)10000000000000000000ull * 10000000000000000000ull - 1;
static inline uint128 wide_check(int128 r)
{
    return MASK(uint128, (r > wide_most) | (r < -wide_most));
}
static inline uint128 wide_mul_check(int128 s, int128 t)
{
    uint128 x = s < 0 ? 0 - (uint128)s : (uint128)s,
            y = t < 0 ? 0 - (uint128)t : (uint128)t;
    uint64_t xh = (uint64_t)(x >> 64), yh = (uint64_t)(y >> 64);
    uint64_t xl = (uint64_t)x, yl = (uint64_t)y;
    /* One of them is 0, or it fails anyway. */
    uint128 cross = (uint128)xh * yl + (uint128)xl * yh;
    uint128 low = (uint128)xl * yl;
    uint128 high = cross + (low >> 64);
    bool bad = ((xh != 0) & (yh != 0)) | (high > (uint128)(wide_most >> 64) + 1);
    uint128 product = (high << 64) | (uint64_t)low;
    return MASK(uint128, bad | (product > (uint128)wide_most));
}

/* The two ways to read a row set; `row` is a constant NULL in the dense one. */
#define DEFINE_ARITH_LOOPS(NAME, T, U, RESULT_OF, CHECK_OF, A_OF, B_OF)                    \
    static inline __attribute__((always_inline)) void NAME##_loop(                         \
        const T *x, const T *y, T *z, const uint16_t *rows, uint32_t n, uint64_t *failed)  \
    {                                                                                      \
        for (size_t at = 0; at < n; at += BLOCK) {                                         \
            T out[BLOCK];                                                                  \
            U trouble = 0;                                                                 \
            size_t m = n - at;                                                             \
            if (m >= BLOCK) {                                                              \
                for (size_t k = 0; k < BLOCK; k++) {                                       \
                    size_t i = rows ? rows[at + k] : at + k;                               \
                    T r_ = RESULT_OF(A_OF(i), B_OF(i));                                    \
                    out[k] = r_;                                                           \
                    if (failed)                                                            \
                        trouble |= CHECK_OF(A_OF(i), B_OF(i), r_);                         \
                }                                                                          \
                m = BLOCK;                                                                 \
            } else {                                                                       \
                for (size_t k = 0; k < m; k++) {                                           \
                    size_t i = rows ? rows[at + k] : at + k;                               \
                    T r_ = RESULT_OF(A_OF(i), B_OF(i));                                    \
                    out[k] = r_;                                                           \
                    if (failed)                                                            \
                        trouble |= CHECK_OF(A_OF(i), B_OF(i), r_);                         \
                }                                                                          \
            }                                                                              \
            if (failed && KDK_UNLIKELY(trouble >> (sizeof(U) * 8 - 1))) {                  \
                for (size_t k = 0; k < m; k++) {                                           \
                    size_t i = rows ? rows[at + k] : at + k;                               \
                    U check = CHECK_OF(A_OF(i), B_OF(i), out[k]);                          \
                    failed[i / 64] |= (uint64_t)(check >> (sizeof(U) * 8 - 1)) << i % 64;  \
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
    static void NAME(const void *left, const void *right, void *result,                    \
                     const uint16_t *rows, uint32_t n, uint64_t *failed)                   \
    {                                                                                      \
        const T *x = left, *y = right;                                                     \
        T *z = result;                                                                     \
        if (!n)                                                                            \
            return;                                                                        \
        if (rows && failed)                                                                \
            NAME##_loop(x, y, z, rows, n, failed);                                         \
        else if (rows)                                                                     \
            NAME##_loop(x, y, z, rows, n, NULL);                                           \
        else if (failed)                                                                   \
            NAME##_loop(x, y, z, NULL, n, failed);                                         \
        else                                                                               \
            NAME##_loop(x, y, z, NULL, n, NULL);                                           \
    }
#define VEC_X(I)   (x[I])
#define VEC_Y(I)   (y[I])
#define CONST_X(I) (x[0])
#define CONST_Y(I) (y[0])

#define DEFINE_ARITH(OP, SUFFIX, T, U, RESULT, CHECK)                                      \
    static inline T OP##_##SUFFIX##_result(T s, T t)                                       \
    {                                                                                      \
        U a = (U)s, b = (U)t;                                                              \
        return (T)(RESULT);                                                                \
    }                                                                                      \
    static inline U OP##_##SUFFIX##_check(T s, T t, T result)                              \
    {                                                                                      \
        U a = (U)s, b = (U)t, r = (U)result;                                               \
        (void)a, (void)b, (void)r;                                                         \
        return CHECK;                                                                      \
    }                                                                                      \
    DEFINE_ARITH_LOOPS(OP##_##SUFFIX##_vv, T, U, OP##_##SUFFIX##_result,                   \
                       OP##_##SUFFIX##_check, VEC_X, VEC_Y)                                \
    DEFINE_ARITH_LOOPS(OP##_##SUFFIX##_vc, T, U, OP##_##SUFFIX##_result,                   \
                       OP##_##SUFFIX##_check, VEC_X, CONST_Y)
ARITH_LIST(DEFINE_ARITH)

/* Floats fail on an infinity that came from numbers; a product also on a zero that came
 * from none. */
#define FLOAT_LIST(X)                                                                      \
    X(add, f32, float, uint32_t, s + t, float_over(r, s, t))                               \
    X(add, f64, double, uint64_t, s + t, double_over(r, s, t))                             \
    X(sub, f32, float, uint32_t, s - t, float_over(r, s, t))                               \
    X(sub, f64, double, uint64_t, s - t, double_over(r, s, t))                             \
    X(mul, f32, float, uint32_t, s *t,                                                     \
      float_over(r, s, t) | ((r == 0) & (s != 0) & (t != 0)))                              \
    X(mul, f64, double, uint64_t, s *t,                                                    \
      double_over(r, s, t) | ((r == 0) & (s != 0) & (t != 0)))
static inline bool float_over(float r, float s, float t)
{
    return (fabsf(r) > FLT_MAX) & (fabsf(s) <= FLT_MAX) & (fabsf(t) <= FLT_MAX);
}
static inline bool double_over(double r, double s, double t)
{
    return (fabs(r) > DBL_MAX) & (fabs(s) <= DBL_MAX) & (fabs(t) <= DBL_MAX);
}
#define DEFINE_FLOAT(OP, SUFFIX, T, U, RESULT, BAD)                                        \
    static inline T OP##_##SUFFIX##_result(T s, T t)                                       \
    {                                                                                      \
        return RESULT;                                                                     \
    }                                                                                      \
    static inline U OP##_##SUFFIX##_check(T s, T t, T r)                                   \
    {                                                                                      \
        return MASK(U, BAD);                                                               \
    }                                                                                      \
    DEFINE_ARITH_LOOPS(OP##_##SUFFIX##_vv, T, U, OP##_##SUFFIX##_result,                   \
                       OP##_##SUFFIX##_check, VEC_X, VEC_Y)                                \
    DEFINE_ARITH_LOOPS(OP##_##SUFFIX##_vc, T, U, OP##_##SUFFIX##_result,                   \
                       OP##_##SUFFIX##_check, VEC_X, CONST_Y)
FLOAT_LIST(DEFINE_FLOAT)

/* A constant on the left: sums and products are symmetric, a difference has its own
 * loop. */
#define CV_WIDTHS(X)                                                                       \
    X(i8, int8_t, uint8_t)                                                                 \
    X(i16, int16_t, uint16_t)                                                              \
    X(i32, int32_t, uint32_t)                                                              \
    X(i64, int64_t, uint64_t)                                                              \
    X(i128, int128, uint128)                                                               \
    X(f32, float, uint32_t)                                                                \
    X(f64, double, uint64_t)
#define DEFINE_CV(SUFFIX, T, U)                                                            \
    DEFINE_ARITH_LOOPS(sub_##SUFFIX##_cv, T, U, sub_##SUFFIX##_result,                     \
                       sub_##SUFFIX##_check, CONST_X, VEC_Y)                               \
    static void add_##SUFFIX##_cv(const void *a, const void *b, void *out,                 \
                                  const uint16_t *rows, uint32_t n, uint64_t *failed)      \
    {                                                                                      \
        add_##SUFFIX##_vc(b, a, out, rows, n, failed);                                     \
    }                                                                                      \
    static void mul_##SUFFIX##_cv(const void *a, const void *b, void *out,                 \
                                  const uint16_t *rows, uint32_t n, uint64_t *failed)      \
    {                                                                                      \
        mul_##SUFFIX##_vc(b, a, out, rows, n, failed);                                     \
    }
CV_WIDTHS(DEFINE_CV)

#define ARITH_FORMS(OP, SUFFIX)                                                            \
    {                                                                                      \
        [KF_VV] = OP##_##SUFFIX##_vv, [KF_VC] = OP##_##SUFFIX##_vc,                        \
        [KF_CV] = OP##_##SUFFIX##_cv                                                       \
    }
#define ARITH_ROW(OP)                                                                      \
    {                                                                                      \
        [W_8] = ARITH_FORMS(OP, i8), [W_16] = ARITH_FORMS(OP, i16),                        \
        [W_32] = ARITH_FORMS(OP, i32), [W_64] = ARITH_FORMS(OP, i64),                      \
        [W_128] = ARITH_FORMS(OP, i128), [W_F32] = ARITH_FORMS(OP, f32),                   \
        [W_F64] = ARITH_FORMS(OP, f64)                                                     \
    }
const kernel_arith_fn kernel_arith_table[KA_COUNT][KERNEL_WIDTHS][KF_COUNT] = {
    [KA_ADD] = ARITH_ROW(add), [KA_SUB] = ARITH_ROW(sub), [KA_MUL] = ARITH_ROW(mul)};
