/* cmp_kernel.c - comparisons to bitmaps. */
#include "exec/kernel_int.h"

/* PostgreSQL's floats: NaN equals itself and is above all else; written with comparisons
 * that are false for NaN, so that no branch is needed. A side that is a constant costs
 * nothing: its tests leave the loop. */
#define INT_EQ(A, B)   ((A) == (B))
#define INT_NE(A, B)   ((A) != (B))
#define INT_LT(A, B)   ((A) < (B))
#define INT_LE(A, B)   ((A) <= (B))
#define INT_GT(A, B)   ((A) > (B))
#define INT_GE(A, B)   ((A) >= (B))
#define FLOAT_EQ(A, B) (((A) == (B)) | (((A) != (A)) & ((B) != (B))))
#define FLOAT_NE(A, B) (((A) != (B)) & (((A) == (A)) | ((B) == (B))))
#define FLOAT_LT(A, B) (((A) < (B)) | (((A) == (A)) & ((B) != (B))))
#define FLOAT_LE(A, B) (((A) <= (B)) | ((B) != (B)))
#define FLOAT_GT(A, B) FLOAT_LT(B, A)
#define FLOAT_GE(A, B) FLOAT_LE(B, A)

#define CMP_WIDTHS(X, OP)                                                                  \
    X(OP, i8, int8_t, INT_##OP)                                                            \
    X(OP, i16, int16_t, INT_##OP)                                                          \
    X(OP, i32, int32_t, INT_##OP)                                                          \
    X(OP, i64, int64_t, INT_##OP)                                                          \
    X(OP, i128, int128, INT_##OP)                                                          \
    X(OP, f32, float, FLOAT_##OP)                                                          \
    X(OP, f64, double, FLOAT_##OP)

#define DEFINE_CMP(OP, SUFFIX, T, TEST)                                                    \
    static void OP##_##SUFFIX##_vv(const void *a, const void *b, const uint16_t *rows,     \
                                   uint32_t n, uint32_t count, uint64_t *bits)             \
    {                                                                                      \
        const T *x = a, *y = b;                                                            \
        KERNEL_BITMAP(TEST(x[i], y[i]));                                                   \
    }                                                                                      \
    static void OP##_##SUFFIX##_vc(const void *a, const void *b, const uint16_t *rows,     \
                                   uint32_t n, uint32_t count, uint64_t *bits)             \
    {                                                                                      \
        const T *x = a, c = *(const T *)b;                                                 \
        KERNEL_BITMAP(TEST(x[i], c));                                                      \
    }
CMP_WIDTHS(DEFINE_CMP, EQ)
CMP_WIDTHS(DEFINE_CMP, NE)
CMP_WIDTHS(DEFINE_CMP, LT)
CMP_WIDTHS(DEFINE_CMP, LE)
CMP_WIDTHS(DEFINE_CMP, GT)
CMP_WIDTHS(DEFINE_CMP, GE)

#define CMP_ROW(OP, FORM)                                                                  \
    [KC_##OP] = {[W_8] = OP##_i8_##FORM,     [W_16] = OP##_i16_##FORM,                     \
                 [W_32] = OP##_i32_##FORM,   [W_64] = OP##_i64_##FORM,                     \
                 [W_128] = OP##_i128_##FORM, [W_F32] = OP##_f32_##FORM,                    \
                 [W_F64] = OP##_f64_##FORM,  [W_STR] = kernel_##OP##_str_##FORM},
const kernel_cmp_fn kernel_cmp_vv_table[KC_COUNT][KERNEL_WIDTHS] = {CMP_ROW(EQ, vv) CMP_ROW(
    NE, vv) CMP_ROW(LT, vv) CMP_ROW(LE, vv) CMP_ROW(GT, vv) CMP_ROW(GE, vv)};
const kernel_cmp_fn kernel_cmp_vc_table[KC_COUNT][KERNEL_WIDTHS] = {CMP_ROW(EQ, vc) CMP_ROW(
    NE, vc) CMP_ROW(LT, vc) CMP_ROW(LE, vc) CMP_ROW(GT, vc) CMP_ROW(GE, vc)};

#define DEFINE_BETWEEN(OP, SUFFIX, T, TEST)                                                \
    static void between_##SUFFIX(const void *a, const void *lo, const void *hi,            \
                                 const uint16_t *rows, uint32_t n, uint32_t count,         \
                                 uint64_t *bits)                                           \
    {                                                                                      \
        const T *x = a, l = *(const T *)lo, h = *(const T *)hi;                            \
        KERNEL_BITMAP(TEST(l, x[i]) & TEST(x[i], h));                                      \
    }
CMP_WIDTHS(DEFINE_BETWEEN, LE)
const kernel_between_fn kernel_between_table[KERNEL_WIDTHS] = {
    [W_8] = between_i8,   [W_16] = between_i16,   [W_32] = between_i32,
    [W_64] = between_i64, [W_128] = between_i128, [W_F32] = between_f32,
    [W_F64] = between_f64};

void kernel_codes_match(const int32_t *codes, const uint64_t *match, const uint16_t *rows,
                        uint32_t n, uint32_t count, uint64_t *bits)
{
    KERNEL_BITMAP(match[(uint32_t)codes[i] / 64] >> ((uint32_t)codes[i] % 64) & 1);
}
