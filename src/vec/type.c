/* type.c - logical types, physical widths, string views. */
#include "vec/vec.h"

#include <stdio.h>

struct ltype_row {
    const char *name;
    uint8_t width;
    uint32_t oid;
};
#define W_BIT_ID W_BIT
#define W_8_ID   W_8
#define W_16_ID  W_16
#define W_32_ID  W_32
#define W_64_ID  W_64
#define W_128_ID W_128
#define W_F32_ID W_F32
#define W_F64_ID W_F64
#define W_STR_ID W_STR
static const struct ltype_row ltype_rows[LT_COUNT] = {
#define LTYPE_ROW(ID, NUMBER, NAME, WIDTH, OID) [NUMBER] = {NAME, W_##WIDTH##_ID, OID},
    LTYPE_LIST(LTYPE_ROW)
#undef LTYPE_ROW
};

bool ltype_supported(struct ltype t)
{
    return t.id <= LT_TIMESTAMP;
}
const char *ltype_id_name(uint8_t id)
{
    return id < LT_COUNT ? ltype_rows[id].name : "unknown";
}
const char *ltype_name(struct ltype t, char *into, size_t bytes)
{
    if (t.id == LT_NUMERIC && t.precision)
        snprintf(into, bytes, "numeric(%u,%u)", t.precision, t.scale);
    else if (t.id == LT_TIMESTAMP && t.precision)
        snprintf(into, bytes, "timestamp(%u) without time zone", t.precision - 1u);
    else if (t.id == LT_TEXT && (t.fixed || t.length)) {
        const char *name = t.fixed ? "character" : "character varying";
        if (t.length)
            snprintf(into, bytes, "%s(%u)", name, t.length);
        else
            snprintf(into, bytes, "%s", name);
    } else
        snprintf(into, bytes, "%s", ltype_id_name(t.id));
    return into;
}
uint32_t ltype_oid(struct ltype t)
{
    if (t.id == LT_TEXT && t.fixed)
        return 1042;
    if (t.id == LT_TEXT && t.length)
        return 1043;
    return t.id < LT_COUNT ? ltype_rows[t.id].oid : 0;
}
enum vwidth ltype_width(struct ltype t)
{
    ASSERT(t.id < LT_COUNT);
    return (enum vwidth)ltype_rows[t.id].width;
}
uint32_t vwidth_bytes(enum vwidth width)
{
    switch (width) {
    case W_BIT:
        return 0;
    case W_8:
        return 1;
    case W_16:
        return 2;
    case W_32:
    case W_F32:
        return 4;
    case W_64:
    case W_F64:
        return 8;
    case W_128:
    case W_STR:
        return 16;
    }
    return 0;
}
enum vwidth vwidth_for(int128 lo, int128 hi)
{
    if (lo >= INT8_MIN && hi <= INT8_MAX)
        return W_8;
    if (lo >= INT16_MIN && hi <= INT16_MAX)
        return W_16;
    if (lo >= INT32_MIN && hi <= INT32_MAX)
        return W_32;
    if (lo >= INT64_MIN && hi <= INT64_MAX)
        return W_64;
    return W_128;
}

/* ---------------------------------------------------------------- strings ---- */

bool str_equal_slow(const struct str *a, const struct str *b)
{
    return a->len == b->len && memcmp(str_data(a), str_data(b), a->len) == 0;
}
int str_compare(const struct str *a, const struct str *b)
{
    uint32_t common = MIN(a->len, b->len);
    /* The prefixes, as big-endian numbers, order as the bytes do; short ones are
     * zero-padded, so a difference is real unless one string ended, and then zero is the
     * least byte anyway. Equal prefixes may still be "a" and "a\0". */
    uint32_t pa, pb;
    memcpy(&pa, a->prefix, 4);
    memcpy(&pb, b->prefix, 4);
    if (pa != pb)
        return __builtin_bswap32(pa) < __builtin_bswap32(pb) ? -1 : 1;
    if (common > 4) {
        int order = memcmp(str_data(a) + 4, str_data(b) + 4, common - 4);
        if (order)
            return order;
    }
    return a->len < b->len ? -1 : a->len > b->len;
}
uint64_t str_hash(const struct str *s)
{
    if (s->len <= STR_INLINE) {
        uint64_t words[2];
        memcpy(words, s, sizeof words);
        return hash_combine(hash_u64(words[0]), words[1]);
    }
    return hash_bytes(s->data, s->len);
}
bool str_copy(struct arena *arena, struct str s, struct str *out)
{
    if (s.len > STR_INLINE) {
        const char *copy = arena_dup(arena, s.data, s.len);
        if (!copy)
            return false;
        s.data = copy;
    }
    *out = s;
    return true;
}
