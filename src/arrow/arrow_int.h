/* arrow_int.h - what the files of this folder share. */
#ifndef KDK_ARROW_ARROW_INT_H
#define KDK_ARROW_ARROW_INT_H

#include "arrow/arrow.h"

#define ARROW_LENGTH_MAX ((int64_t)1 << 56) /* Slots: times 32 bytes still fits. */

/* Buffers besides validity and the data buffers of views; children by layout. */
size_t arrow_buffer_min(enum arrow_layout layout);
/* Bits of bytes[from/8...] that are set among `count` from bit `from`. */
int64_t arrow_bits_count(const uint8_t *bytes, int64_t from, int64_t count);
/* Slots [0, length) of the physical array that hold NULL, by its validity. */
int64_t arrow_nulls_count(const struct arrow_schema *schema,
                          const struct arrow_array *array);
/* Copies `count` bits from bit `from` of `in` to bit `to` of `out`; the other bits of out
 * stay. */
void arrow_bits_move(uint8_t *out, int64_t to, const uint8_t *in, int64_t from,
                     int64_t count);

/* A buffer that grows: what builders and writers fill. Zeroed: empty. */
struct arrow_grow {
    uint8_t *data;
    size_t bytes, cap;
};
kdk_status arrow_grow_reserve(struct arrow_grow *grow, size_t more,
                              struct err *err) KDK_MUST_CHECK;
/* Moves it into a buffer (also when it holds nothing: then the zeroes). */
kdk_status arrow_grow_take(struct arrow_grow *grow, struct arrow_buffer **out,
                           struct err *err) KDK_MUST_CHECK;
void arrow_grow_deinit(struct arrow_grow *grow);

static inline int64_t arrow_get_i32(const uint8_t *data, int64_t i)
{
    int32_t v;
    memcpy(&v, data + i * 4, 4);
    return v;
}
static inline int64_t arrow_get_i64(const uint8_t *data, int64_t i)
{
    int64_t v;
    memcpy(&v, data + i * 8, 8);
    return v;
}

#endif
