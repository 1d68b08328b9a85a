/* string_kernel.c - comparing string views. Two words decide nearly all: length and prefix
 * first; only long strings that agree there are followed. */
#include "exec/kernel_int.h"

static inline bool str_less(const struct str *a, const struct str *b)
{
    return str_compare(a, b) < 0;
}
#define STR_EQ(A, B) str_equal(A, B)
#define STR_NE(A, B) !str_equal(A, B)
#define STR_LT(A, B) str_less(A, B)
#define STR_LE(A, B) !str_less(B, A)
#define STR_GT(A, B) str_less(B, A)
#define STR_GE(A, B) !str_less(A, B)

#define DEFINE_STR_CMP(OP)                                                                 \
    void kernel_##OP##_str_vv(const void *a, const void *b, const uint16_t *rows,          \
                              uint32_t n, uint32_t count, uint64_t *bits)                  \
    {                                                                                      \
        const struct str *x = a, *y = b;                                                   \
        KERNEL_BITMAP(STR_##OP(&x[i], &y[i]));                                             \
    }
KERNEL_STR_CMP(DEFINE_STR_CMP)

/* A short constant equals a view iff their 16 bytes do: no string is followed. */
static void str_short_vc(const struct str *x, const struct str *c, bool negate,
                         const uint16_t *rows, uint32_t n, uint32_t count, uint64_t *bits)
{
    uint64_t c0, c1;
    memcpy(&c0, c, 8);
    memcpy(&c1, (const char *)c + 8, 8);
    const uint64_t *words = (const void *)x;
    KERNEL_BITMAP((((words[2 * i] ^ c0) | (words[2 * i + 1] ^ c1)) == 0) ^ negate);
}
#define DEFINE_STR_EQ_VC(OP, NEGATE)                                                       \
    void kernel_##OP##_str_vc(const void *a, const void *b, const uint16_t *rows,          \
                              uint32_t n, uint32_t count, uint64_t *bits)                  \
    {                                                                                      \
        const struct str *x = a, c = *(const struct str *)b;                               \
        if (c.len <= STR_INLINE)                                                           \
            str_short_vc(x, &c, NEGATE, rows, n, count, bits);                             \
        else                                                                               \
            KERNEL_BITMAP(str_equal(&x[i], &c) ^ NEGATE);                                  \
    }
DEFINE_STR_EQ_VC(EQ, false)
DEFINE_STR_EQ_VC(NE, true)

/* Order against a constant: the prefixes as big-endian numbers settle it unless they are
 * equal. */
static inline bool str_settled(const struct str *x, uint32_t c, bool *less)
{
    uint32_t p;
    memcpy(&p, x->prefix, 4);
    p = __builtin_bswap32(p);
    *less = p < c;
    return p != c;
}
#define DEFINE_STR_ORDER_VC(OP, WHEN_LESS)                                                 \
    static inline bool OP##_one(const struct str *x, const struct str *c, uint32_t prefix) \
    {                                                                                      \
        bool less;                                                                         \
        if (KDK_LIKELY(str_settled(x, prefix, &less)))                                     \
            return less == WHEN_LESS;                                                      \
        return STR_##OP(x, c);                                                             \
    }                                                                                      \
    void kernel_##OP##_str_vc(const void *a, const void *b, const uint16_t *rows,          \
                              uint32_t n, uint32_t count, uint64_t *bits)                  \
    {                                                                                      \
        const struct str *x = a, c = *(const struct str *)b;                               \
        uint32_t prefix;                                                                   \
        memcpy(&prefix, c.prefix, 4);                                                      \
        prefix = __builtin_bswap32(prefix);                                                \
        KERNEL_BITMAP(OP##_one(&x[i], &c, prefix));                                        \
    }
DEFINE_STR_ORDER_VC(LT, true)
DEFINE_STR_ORDER_VC(LE, true)
DEFINE_STR_ORDER_VC(GT, false)
DEFINE_STR_ORDER_VC(GE, false)
