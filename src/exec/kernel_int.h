/* kernel_int.h - what the kernel files share: the tables that each exports, and how 64
 * answers become a word. */
#ifndef KDK_EXEC_KERNEL_INT_H
#define KDK_EXEC_KERNEL_INT_H

#include "exec/kernel.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

extern const kernel_cmp_fn kernel_cmp_vv_table[KC_COUNT][KERNEL_WIDTHS];
extern const kernel_cmp_fn kernel_cmp_vc_table[KC_COUNT][KERNEL_WIDTHS];
extern const kernel_between_fn kernel_between_table[KERNEL_WIDTHS];
extern const kernel_arith_fn kernel_arith_table[KA_COUNT][KERNEL_WIDTHS][KF_COUNT];
extern const kernel_cast_fn kernel_cast_table[KERNEL_WIDTHS][KERNEL_WIDTHS];
extern const kernel_gather_fn kernel_gather_table[KERNEL_WIDTHS];
extern const kernel_sum_int_fn kernel_sum_int_table[KERNEL_WIDTHS];
extern const kernel_sum_float_fn kernel_sum_float_table[KERNEL_WIDTHS];
extern const kernel_extreme_fn kernel_min_table[KERNEL_WIDTHS],
    kernel_max_table[KERNEL_WIDTHS];
/* String comparison, which lives in a file of its own. */
#define KERNEL_STR_CMP(X) X(EQ) X(NE) X(LT) X(LE) X(GT) X(GE)
#define KERNEL_STR_DECLARE(OP)                                                             \
    void kernel_##OP##_str_vv(const void *a, const void *b, const uint16_t *rows,          \
                              uint32_t n, uint32_t count, uint64_t *bits);                 \
    void kernel_##OP##_str_vc(const void *a, const void *b, const uint16_t *rows,          \
                              uint32_t n, uint32_t count, uint64_t *bits);
KERNEL_STR_CMP(KERNEL_STR_DECLARE)
#undef KERNEL_STR_DECLARE

/* 64 bytes of 0 or 1 to a word. gcc turns a loop that compares into one that fills such
 * bytes, sixteen at a time, but makes none that sets bits. */
static inline uint64_t kernel_pack(const uint8_t bytes[64])
{
    uint64_t word = 0;
#ifdef __SSE2__
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i * 16));
        uint64_t part = (uint32_t)_mm_movemask_epi8(_mm_slli_epi16(v, 7));
        word |= part << (i * 16);
    }
#else
    for (int i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, bytes + i * 8, 8);
        word |= (eight * 0x0102040810204080ull >> 56) << (i * 8);
    }
#endif
    return word;
}

/* The body of a kernel that makes a bitmap: `bits` of the rows for which TEST, an
 * expression of `i`, holds. TEST is evaluated without a branch: it must be safe on every
 * row of the set. (Indexes are size_t: a 32-bit one might wrap, for all the compiler knows,
 * and then x[i] is no run of values.) */
#define KERNEL_BITMAP(TEST)                                                                \
    do {                                                                                   \
        if (rows) {                                                                        \
            uint8_t found[BATCH_ROWS];                                                     \
            ASSERT(count <= BATCH_ROWS);                                                   \
            memset(found, 0, align_up(count, 64));                                         \
            for (size_t k_ = 0; k_ < n; k_++) {                                            \
                size_t i = rows[k_];                                                       \
                found[i] = (uint8_t)(TEST);                                                \
            }                                                                              \
            for (size_t w_ = 0; w_ < bits_words(count); w_++)                              \
                bits[w_] = kernel_pack(found + w_ * 64);                                   \
            break;                                                                         \
        }                                                                                  \
        uint8_t found[64];                                                                 \
        size_t at_ = 0;                                                                    \
        for (; at_ + 64 <= n; at_ += 64) {                                                 \
            for (size_t k_ = 0; k_ < 64; k_++) {                                           \
                size_t i = at_ + k_;                                                       \
                found[k_] = (uint8_t)(TEST);                                               \
            }                                                                              \
            bits[at_ / 64] = kernel_pack(found);                                           \
        }                                                                                  \
        if (at_ < n) {                                                                     \
            memset(found, 0, sizeof found);                                                \
            for (size_t i = at_; i < n; i++)                                               \
                found[i - at_] = (uint8_t)(TEST);                                          \
            bits[at_ / 64] = kernel_pack(found);                                           \
        }                                                                                  \
    } while (0)

#endif
