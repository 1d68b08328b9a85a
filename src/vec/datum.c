/* datum.c - single values: order, hash, copy, text. */
#include "vec/vec.h"
#include "vec/calendar.h"
#include "vec/vec_int.h"

#include <math.h>

#include "base/buf.h"
#include "base/utf8.h"

/* CHAR(n) is held without its trailing spaces; a value that came another way may have
 * them. */
static struct str unpadded(struct ltype type, struct str s)
{
    if (!type.fixed || type.id != LT_TEXT)
        return s;
    const char *data = str_data(&s);
    size_t len = s.len;
    while (len && data[len - 1] == ' ')
        len--;
    return len == s.len ? s : str_of(data, len);
}

static int float_compare(double a, double b)
{
    if (a < b)
        return -1;
    if (a > b)
        return 1;
    if (a == b)
        return 0;
    return (int)isnan(a) - (int)isnan(b);
}

int datum_compare(struct ltype type, const struct datum *a, const struct datum *b)
{
    ASSERT(!a->null);
    ASSERT(!b->null);
    switch (ltype_width(type)) {
    case W_BIT:
    case W_8:
    case W_16:
    case W_32:
    case W_64:
        return a->i < b->i ? -1 : a->i > b->i;
    case W_128:
        return a->w < b->w ? -1 : a->w > b->w;
    case W_F32:
    case W_F64:
        return float_compare(a->f, b->f);
    case W_STR: {
        struct str x = unpadded(type, a->s), y = unpadded(type, b->s);
        return str_compare(&x, &y);
    }
    }
    return 0;
}

uint64_t datum_hash(struct ltype type, const struct datum *a)
{
    if (a->null)
        return VEC_HASH_NULL;
    switch (ltype_width(type)) {
    case W_BIT:
    case W_8:
    case W_16:
    case W_32:
    case W_64:
        return vec_hash_int(a->i);
    case W_128:
        return vec_hash_wide(a->w);
    case W_F32:
    case W_F64:
        return vec_hash_float(a->f);
    case W_STR: {
        struct str s = unpadded(type, a->s);
        return str_hash(&s);
    }
    }
    return 0;
}

bool datum_copy(struct arena *arena, struct ltype type, struct datum in, struct datum *out)
{
    if (!in.null && ltype_is_string(type) && !str_copy(arena, in.s, &in.s))
        return false;
    *out = in;
    return true;
}

/* ------------------------------------------------------------------- text ---- */

static kdk_status bytea_print(const struct str *s, struct buf *out)
{
    static const char hex[] = "0123456789abcdef";
    const char *data = str_data(s);
    char *at = buf_extend(out, size_add(2, size_mul(s->len, 2)));
    if (!at)
        return KDK_NOMEM;
    *at++ = '\\';
    *at++ = 'x';
    for (uint32_t i = 0; i < s->len; i++) {
        *at++ = hex[(uint8_t)data[i] >> 4];
        *at++ = hex[data[i] & 15];
    }
    return KDK_OK;
}
static kdk_status text_print(struct ltype type, const struct str *s, struct buf *out)
{
    const char *data = str_data(s);
    kdk_status status = buf_add(out, data, s->len);
    if (status == KDK_OK && type.id == LT_TEXT && type.fixed && type.length) {
        size_t characters = utf8_count(data, s->len);
        size_t pad = characters < type.length ? type.length - characters : 0;
        char *at = pad ? buf_extend(out, pad) : NULL;
        if (at)
            memset(at, ' ', pad);
        else if (pad)
            status = KDK_NOMEM;
    }
    return status;
}

kdk_status datum_print(struct ltype type, const struct datum *value, struct buf *out)
{
    if (value->null)
        return KDK_OK;
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        return buf_add_char(out, value->i ? 't' : 'f');
    case LT_TINYINT:
    case LT_SMALLINT:
    case LT_INTEGER:
    case LT_BIGINT:
        return integer_print(value->i, out);
    case LT_NUMERIC:
        return numeric_print(type, value->w, out);
    case LT_REAL:
    case LT_DOUBLE:
        return float_print(type, value->f, out);
    case LT_UNKNOWN:
    case LT_TEXT:
        return text_print(type, &value->s, out);
    case LT_BYTEA:
        return bytea_print(&value->s, out);
    case LT_DATE:
        return date_print(value->i, out);
    case LT_TIMESTAMP:
        return timestamp_print(value->i, out);
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        break;
    }
    return KDK_UNSUPPORTED;
}

static kdk_status boolean_parse(const char *text, size_t bytes, int64_t *out,
                                struct err *err)
{
    static const struct {
        const char *word;
        uint8_t least; /* Shortest prefix that means it alone. */
        uint8_t value;
    } spellings[] = {{"true", 1, 1}, {"false", 1, 0}, {"yes", 1, 1}, {"no", 1, 0},
                     {"on", 2, 1},   {"off", 2, 0},   {"1", 1, 1},   {"0", 1, 0}};
    const char *at = text;
    size_t left = bytes;
    text_trim(&at, &left);
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        if (left < spellings[i].least || left > strlen(spellings[i].word))
            continue;
        size_t same = 0;
        while (same < left && text_lower(at[same]) == spellings[i].word[same])
            same++;
        if (same == left) {
            *out = spellings[i].value;
            return KDK_OK;
        }
    }
    return text_bad(LTYPE(BOOLEAN), text, bytes, err);
}

static int hex_digit(char c)
{
    if (text_digit(c))
        return c - '0';
    c = text_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
/* Both formats only shrink. */
static kdk_status bytea_parse(const char *text, size_t bytes, struct arena *arena,
                              struct str *out, struct err *err)
{
    uint8_t *room = arena_alloc(arena, bytes);
    if (!room)
        return err_nomem(err);
    size_t n = 0, i = 0;
    if (bytes >= 2 && text[0] == '\\' && text[1] == 'x') {
        for (i = 2; i < bytes;) {
            if (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
                i++;
                continue;
            }
            int high = hex_digit(text[i]);
            if (high >= 0 && i + 1 == bytes)
                return err_set(err, KDK_BAD_PARAMETER,
                               "invalid hexadecimal data: odd number of digits");
            int low = high >= 0 ? hex_digit(text[i + 1]) : -1;
            if (low < 0) {
                size_t bad = high < 0 ? i : i + 1;
                size_t length = MIN(utf8_length((unsigned char)text[bad]), bytes - bad);
                return err_set(err, KDK_BAD_PARAMETER,
                               "invalid hexadecimal digit: \"%.*s\"", (int)length,
                               text + bad);
            }
            room[n++] = (uint8_t)(high << 4 | low);
            i += 2;
        }
    } else {
        while (i < bytes) {
            if (text[i] != '\\') {
                room[n++] = (uint8_t)text[i++];
            } else if (i + 1 < bytes && text[i + 1] == '\\') {
                room[n++] = '\\';
                i += 2;
            } else if (i + 3 < bytes && text[i + 1] >= '0' && text[i + 1] <= '3' &&
                       text[i + 2] >= '0' && text[i + 2] <= '7' && text[i + 3] >= '0' &&
                       text[i + 3] <= '7') {
                room[n++] = (uint8_t)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 |
                                      (text[i + 3] - '0'));
                i += 4;
            } else
                return err_set(err, KDK_BAD_TEXT, "invalid input syntax for type bytea");
        }
    }
    *out = str_of((const char *)room, n);
    return KDK_OK;
}

static kdk_status text_parse(struct ltype type, const char *text, size_t bytes,
                             struct str *out, struct err *err)
{
    size_t bad = 0;
    const char *nul = memchr(text, 0, bytes);
    if (nul || !utf8_valid(text, bytes, &bad)) {
        if (nul)
            bad = (size_t)(nul - text);
        return err_set(err, KDK_BAD_ENCODING,
                       "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                       (uint8_t)text[bad]);
    }
    size_t len = bytes;
    if (type.id == LT_TEXT && type.length && len > type.length) {
        /* No more characters than bytes. */
        size_t limit = utf8_offset(text, bytes, type.length);
        for (size_t i = limit; i < bytes; i++) {
            if (text[i] != ' ') {
                char name[64];
                return err_set(err, KDK_STRING_TRUNCATED, "value too long for type %s",
                               ltype_name(type, name, sizeof name));
            }
        }
        len = limit;
    }
    *out = unpadded(type, str_of(text, len));
    return KDK_OK;
}

kdk_status datum_parse(struct ltype type, const char *text, size_t bytes,
                       struct arena *arena, struct datum *out, struct err *err)
{
    struct datum v;
    memset(&v, 0, sizeof v);
    kdk_status status = KDK_OK;
    if (bytes > VALUE_BYTES_MAX)
        return err_set(err, KDK_LIMIT, "a value has more than %u bytes", VALUE_BYTES_MAX);
    if (!bytes)
        text = ""; /* May have been NULL. */
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        status = boolean_parse(text, bytes, &v.i, err);
        break;
    case LT_TINYINT:
    case LT_SMALLINT:
    case LT_INTEGER:
    case LT_BIGINT:
        status = integer_parse(type, text, bytes, &v.i, err);
        break;
    case LT_NUMERIC:
        status = numeric_parse(type, text, bytes, &v.w, err);
        break;
    case LT_REAL:
    case LT_DOUBLE:
        status = float_parse(type, text, bytes, &v.f, err);
        break;
    case LT_UNKNOWN:
    case LT_TEXT:
        status = text_parse(type, text, bytes, &v.s, err);
        break;
    case LT_BYTEA:
        status = bytea_parse(text, bytes, arena, &v.s, err);
        break;
    case LT_DATE:
        status = date_parse(text, bytes, &v.i, err);
        break;
    case LT_TIMESTAMP:
        status = timestamp_parse(text, bytes, &v.i, err);
        if (status == KDK_OK && type.precision &&
            !timestamp_round(v.i, type.precision - 1u, &v.i))
            status = err_set(err, KDK_DATETIME_RANGE, "timestamp out of range: \"%.*s\"",
                             (int)MIN(bytes, (size_t)100), text);
        break;
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        status = err_set(err, KDK_UNSUPPORTED, "type %s is not supported",
                         ltype_id_name(type.id));
        break;
    }
    if (status == KDK_OK)
        *out = v;
    return status;
}
