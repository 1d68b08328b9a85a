/* key.c - the order-preserving encoding of columns. ON DISK: never change it.
 *
 *   column     = tag [value]
 *   tag        = 0x00 NULL, nulls first | 0x01 a value follows | 0x02 NULL, nulls last
 *   boolean    1 byte, 0 or 1
 *   integers, DATE, TIMESTAMP, NUMERIC
 *              full width of the type (1, 2, 4, 8, 16 bytes), big-endian, sign bit inverted
 *   REAL, DOUBLE
 *              IEEE bits, big-endian; negative numbers inverted whole, others in the sign
 *              bit. -0 is written as 0, every NaN as the positive quiet one, which is above
 *              infinity
 *   strings    bytes, 0x00 written as 0x00 0xFF, ended by 0x00 0x00. CHAR(n) without its
 *              trailing spaces
 *   descending inverts all bytes of the value, not the tag
 *
 * Why strings order: the end is below every continuation, as 0x00 0x00 < 0x00 0xFF < any
 * byte above 0. No value's encoding is a prefix of another's of the same type, so inverting
 * reverses the order and columns may follow each other.
 */
#include <math.h>

#include "base/buf.h"
#include "vec/vec.h"
#include "vec/vec_int.h"

enum { TAG_NULL_FIRST = 0, TAG_VALUE = 1, TAG_NULL_LAST = 2 };

static void put_big(uint8_t *at, uint128 v, uint32_t bytes)
{
    for (uint32_t i = bytes; i-- > 0; v >>= 8)
        at[i] = (uint8_t)v;
}
static uint32_t value_bytes(struct ltype type)
{
    enum vwidth width = ltype_width(type);
    return width == W_BIT ? 1 : vwidth_bytes(width);
}

static kdk_status key_add_string(struct buf *key, struct ltype type, const struct str *s,
                                 uint8_t flip)
{
    const char *data = str_data(s);
    size_t len = s->len;
    if (type.id == LT_TEXT && type.fixed)
        while (len && data[len - 1] == ' ')
            len--;
    size_t zeros = 0;
    for (size_t i = 0; i < len; i++)
        zeros += data[i] == 0;
    uint8_t *at = buf_extend(key, size_add(size_add(len, zeros), 2));
    if (!at)
        return KDK_NOMEM;
    for (size_t i = 0; i < len; i++) {
        *at++ = (uint8_t)data[i] ^ flip;
        if (!data[i])
            *at++ = 0xff ^ flip;
    }
    *at++ = flip;
    *at++ = flip;
    return KDK_OK;
}

kdk_status key_add(struct buf *key, struct ltype type, const struct datum *value,
                   bool descending, bool nulls_first)
{
    uint8_t flip = descending ? 0xff : 0;
    if (value->null)
        return buf_add_u8(key, nulls_first ? TAG_NULL_FIRST : TAG_NULL_LAST);
    if (buf_add_u8(key, TAG_VALUE) != KDK_OK)
        return KDK_NOMEM;
    enum vwidth width = ltype_width(type);
    if (width == W_STR)
        return key_add_string(key, type, &value->s, flip);
    uint32_t bytes = value_bytes(type);
    uint128 sign = (uint128)1 << (bytes * 8 - 1), v = 0;
    switch (width) {
    case W_BIT:
        v = (uint128)value->i;
        break;
    case W_8:
    case W_16:
    case W_32:
    case W_64:
        v = (uint128)(int128)value->i ^ sign;
        break;
    case W_128:
        v = (uint128)value->w ^ sign;
        break;
    case W_F32: {
        float f = isnan(value->f) ? NAN : value->f == 0 ? 0.0f : (float)value->f;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (isnan(f))
            bits = 0x7fc00000u;
        v = bits >> 31 ? ~bits : bits ^ 0x80000000u;
        break;
    }
    case W_F64: {
        double f = value->f == 0 ? 0.0 : value->f;
        uint64_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (isnan(f))
            bits = 0x7ff8000000000000ull;
        v = bits >> 63 ? ~bits : bits ^ 0x8000000000000000ull;
        break;
    }
    case W_STR:
        break;
    }
    uint8_t *at = buf_extend(key, bytes);
    if (!at)
        return KDK_NOMEM;
    put_big(at, v, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        at[i] ^= flip;
    return KDK_OK;
}

/* ---------------------------------------------------------------- reading ---- */

static kdk_status key_bad(struct err *err, struct ltype type)
{
    return err_set(err, KDK_CORRUPT, "a key of type %s is damaged", ltype_id_name(type.id));
}

static kdk_status key_read_string(struct cursor *key, struct ltype type, uint8_t flip,
                                  struct arena *arena, struct str *out, struct err *err)
{
    /* Find the end first: it tells how much room is needed. */
    size_t left = cursor_left(key), i = 0, len = 0;
    const uint8_t *at = key->at;
    for (;; i++, len++) {
        if (i >= left)
            return key_bad(err, type);
        if ((at[i] ^ flip) != 0)
            continue;
        if (++i >= left)
            return key_bad(err, type);
        if ((at[i] ^ flip) == 0)
            break;
        if ((at[i] ^ flip) != 0xff)
            return key_bad(err, type);
    }
    if (len > VALUE_BYTES_MAX)
        return key_bad(err, type);
    char inlined[STR_INLINE];
    char *room = len <= STR_INLINE ? inlined : arena_alloc(arena, len);
    if (!room)
        return err_nomem(err);
    for (size_t from = 0, to = 0; to < len; to++, from++) {
        room[to] = (char)(at[from] ^ flip);
        from += !room[to];
    }
    (void)cursor_bytes(key, i + 1); /* They are there. */
    *out = str_of(room, len);
    return KDK_OK;
}

kdk_status key_read(struct cursor *key, struct ltype type, bool descending,
                    bool nulls_first, struct arena *arena, struct datum *out,
                    struct err *err)
{
    uint8_t flip = descending ? 0xff : 0;
    struct datum d;
    memset(&d, 0, sizeof d);
    uint8_t tag = cursor_u8(key);
    if (key->bad)
        return key_bad(err, type);
    if (tag == (nulls_first ? TAG_NULL_FIRST : TAG_NULL_LAST)) {
        d.null = true;
        *out = d;
        return KDK_OK;
    }
    if (tag != TAG_VALUE)
        return key_bad(err, type);
    enum vwidth width = ltype_width(type);
    if (width == W_STR) {
        kdk_status status = key_read_string(key, type, flip, arena, &d.s, err);
        if (status == KDK_OK)
            *out = d;
        return status;
    }
    uint32_t bytes = value_bytes(type);
    const uint8_t *at = cursor_bytes(key, bytes);
    if (!at)
        return key_bad(err, type);
    uint128 v = 0;
    for (uint32_t i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t)(at[i] ^ flip);
    uint128 sign = (uint128)1 << (bytes * 8 - 1);
    switch (width) {
    case W_BIT:
        if (v > 1)
            return key_bad(err, type);
        d.i = (int64_t)v;
        break;
    case W_8:
    case W_16:
    case W_32:
    case W_64:
        d.i = (int64_t)((v ^ sign) - ((v ^ sign) & sign) * 2); /* Sign-extended. */
        break;
    case W_128:
        d.w = (int128)(v ^ sign);
        break;
    case W_F32: {
        uint32_t bits = (uint32_t)v;
        float f;
        bits = bits >> 31 ? bits ^ 0x80000000u : ~bits;
        memcpy(&f, &bits, sizeof f);
        d.f = (double)f;
        break;
    }
    case W_F64: {
        uint64_t bits = (uint64_t)v;
        bits = bits >> 63 ? bits ^ 0x8000000000000000ull : ~bits;
        memcpy(&d.f, &bits, sizeof d.f);
        break;
    }
    case W_STR:
        break;
    }
    *out = d;
    return KDK_OK;
}
