/* fn_bytes.c - functions of bytea: parts, bits, and the texts that bytes are written as.
 * Positions are 1-based bytes, bits count from 0. */
#include "base/utf8.h"
#include "exec/fn_body.h"

/* Bytes from `start` (0-based, may be negative) to before `end`. */
static void part(const struct datum *v, int64_t start, int64_t end, struct datum *out)
{
    int64_t len = v->s.len;
    start = MIN(MAX(start, 0), len);
    end = MIN(MAX(end, start), len);
    out->s = fn_text_view(v, (size_t)start, (size_t)(end - start));
}

FN_BODY(SUBSTR_BYTEA_2)
{
    part(&args[0], args[1].i - 1, INT64_MAX, out);
    return true;
}
FN_BODY(SUBSTR_BYTEA_3)
{
    if (args[2].i < 0)
        return fn_fail(call, KDK_SUBSTRING, "negative substring length not allowed");
    part(&args[0], args[1].i - 1, args[1].i - 1 + args[2].i, out);
    return true;
}

FN_BODY(STRPOS_BYTEA)
{
    const char *s = str_data(&args[0].s),
               *at = memmem(s, args[0].s.len, str_data(&args[1].s), args[1].s.len);
    out->i = at ? at - s + 1 : 0;
    return true;
}

static bool trim(const struct datum *args, bool left, bool right, struct datum *out)
{
    const char *s = str_data(&args[0].s), *end = s + args[0].s.len,
               *set = str_data(&args[1].s);
    while (left && s < end && memchr(set, *s, args[1].s.len))
        s++;
    while (right && s < end && memchr(set, end[-1], args[1].s.len))
        end--;
    out->s = str_of(s, (size_t)(end - s));
    return true;
}
FN_BODY(BTRIM_BYTEA)
{
    return trim(args, true, true, out);
}
FN_BODY(LTRIM_BYTEA)
{
    return trim(args, true, false, out);
}
FN_BODY(RTRIM_BYTEA)
{
    return trim(args, false, true, out);
}

static bool overlay(struct fn_call *call, const struct datum *args, int64_t length,
                    struct datum *out)
{
    int64_t start = args[2].i, len = args[0].s.len;
    if (start <= 0)
        return fn_fail(call, KDK_SUBSTRING, "negative substring length not allowed");
    if (start + length > INT32_MAX)
        return fn_fail_range(call, LT_INTEGER);
    size_t before = (size_t)MIN(start - 1, len),
           after = (size_t)MIN(MAX(start - 1 + length, 0), len), tail = (size_t)len - after;
    char *to = fn_text_room(call, before + args[1].s.len + tail, out);
    if (!to)
        return false;
    memcpy(to, str_data(&args[0].s), before);
    memcpy(to + before, str_data(&args[1].s), args[1].s.len);
    memcpy(to + before + args[1].s.len, str_data(&args[0].s) + after, tail);
    fn_text_done(out);
    return true;
}
FN_BODY(OVERLAY_BYTEA_3)
{
    return overlay(call, args, args[1].s.len, out);
}
FN_BODY(OVERLAY_BYTEA_4)
{
    return overlay(call, args, args[3].i, out);
}

/* ------------------------------------------------------------ bytes and bits ---- */

static bool index_good(struct fn_call *call, int64_t index, int64_t count)
{
    return (index >= 0 && index < count) ||
           fn_fail(call, KDK_ARRAY_SUBSCRIPT, "index %lld out of valid range, 0..%lld",
                   (long long)index, (long long)count - 1);
}

FN_BODY(GET_BYTE)
{
    if (!index_good(call, args[1].i, args[0].s.len))
        return false;
    out->i = (unsigned char)str_data(&args[0].s)[args[1].i];
    return true;
}
FN_BODY(GET_BIT)
{
    if (!index_good(call, args[1].i, (int64_t)args[0].s.len * 8))
        return false;
    out->i = (unsigned char)str_data(&args[0].s)[args[1].i / 8] >> (args[1].i % 8) & 1;
    return true;
}
static char *copied(struct fn_call *call, const struct datum *v, struct datum *out)
{
    char *to = fn_text_room(call, v->s.len, out);
    if (to)
        memcpy(to, str_data(&v->s), v->s.len);
    return to;
}
FN_BODY(SET_BYTE)
{
    if (!index_good(call, args[1].i, args[0].s.len))
        return false;
    char *to = copied(call, &args[0], out);
    if (!to)
        return false;
    to[args[1].i] = (char)args[2].i;
    fn_text_done(out);
    return true;
}
FN_BODY(SET_BIT)
{
    if (!index_good(call, args[1].i, (int64_t)args[0].s.len * 8))
        return false;
    if (args[2].i != 0 && args[2].i != 1)
        return fn_fail(call, KDK_BAD_PARAMETER, "new bit must be 0 or 1");
    char *to = copied(call, &args[0], out);
    if (!to)
        return false;
    unsigned bit = 1u << args[1].i % 8, old = (unsigned char)to[args[1].i / 8];
    to[args[1].i / 8] = (char)(args[2].i ? old | bit : old & ~bit);
    fn_text_done(out);
    return true;
}
FN_BODY(BIT_COUNT)
{
    for (uint32_t i = 0; i < args[0].s.len; i++)
        out->i += __builtin_popcount((unsigned char)str_data(&args[0].s)[i]);
    return true;
}

/* ------------------------------------------------------- encode and decode ---- */

enum encoding { ENCODING_HEX, ENCODING_BASE64, ENCODING_ESCAPE, ENCODING_NONE };

static bool encoding_of(struct fn_call *call, const struct datum *name, enum encoding *out)
{
    static const char *const names[] = {"hex", "base64", "escape"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t k = 0;
        while (k < name->s.len && names[i][k] &&
               (str_data(&name->s)[k] | 32) == names[i][k])
            k++;
        if (k == name->s.len && !names[i][k]) {
            *out = (enum encoding)i;
            return true;
        }
    }
    return fn_fail(call, KDK_BAD_PARAMETER, "unrecognized encoding: \"%.*s\"",
                   (int)MIN(name->s.len, 100u), str_data(&name->s));
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_put(const unsigned char *s, size_t bytes, char *to)
{
    size_t line = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t word = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
                        (left > 2 ? s[i + 2] : 0u);
        *to++ = base64_digits[word >> 18];
        *to++ = base64_digits[word >> 12 & 63];
        *to++ = left > 1 ? base64_digits[word >> 6 & 63] : '=';
        *to++ = left > 2 ? base64_digits[word & 63] : '=';
        if ((line += 4) == 76 && left >= 3) {
            /* RFC 2045's lines, as in PostgreSQL: behind the last one, too. */
            *to++ = '\n';
            line = 0;
        }
    }
}

FN_BODY(ENCODE)
{
    enum encoding encoding;
    const unsigned char *s = (const unsigned char *)str_data(&args[0].s);
    size_t n = args[0].s.len, room = 0;
    if (!encoding_of(call, &args[1], &encoding))
        return false;
    if (encoding == ENCODING_HEX) {
        room = n * 2;
    } else if (encoding == ENCODING_BASE64) {
        room = (n + 2) / 3 * 4 + n / 57;
    } else {
        for (size_t i = 0; i < n; i++)
            room += s[i] == 0 || s[i] >= 0x80 ? 4 : s[i] == '\\' ? 2 : 1;
    }
    char *to = fn_text_room(call, room, out);
    if (!to)
        return false;
    if (encoding == ENCODING_BASE64)
        base64_put(s, n, to);
    for (size_t i = 0; i < n && encoding != ENCODING_BASE64; i++) {
        if (encoding == ENCODING_HEX) {
            *to++ = "0123456789abcdef"[s[i] >> 4];
            *to++ = "0123456789abcdef"[s[i] & 15];
        } else if (s[i] == 0 || s[i] >= 0x80) {
            *to++ = '\\';
            *to++ = (char)('0' + (s[i] >> 6));
            *to++ = (char)('0' + (s[i] >> 3 & 7));
            *to++ = (char)('0' + (s[i] & 7));
        } else {
            if (s[i] == '\\')
                *to++ = '\\';
            *to++ = (char)s[i];
        }
    }
    fn_text_done(out);
    return true;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}
static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static bool bad_symbol(struct fn_call *call, const char *what, const char *at,
                       const char *end)
{
    size_t bytes = MIN(utf8_length((unsigned char)*at), (size_t)(end - at));
    return fn_fail(call, KDK_BAD_PARAMETER, "invalid %s: \"%.*s\"", what, (int)bytes, at);
}

/* Bytes of a text in hexadecimal into `to`; false: failed. */
static bool hex_take(struct fn_call *call, const char *s, const char *end, char *to,
                     size_t *n)
{
    while (s < end) {
        if (blank(*s)) {
            s++;
            continue;
        }
        int high = hex_of(*s), low;
        if (high < 0)
            return bad_symbol(call, "hexadecimal digit", s, end);
        if (++s == end)
            return fn_fail(call, KDK_BAD_PARAMETER,
                           "invalid hexadecimal data: odd number of digits");
        low = hex_of(*s);
        if (low < 0)
            return bad_symbol(call, "hexadecimal digit", s, end);
        s++;
        to[(*n)++] = (char)(high << 4 | low);
    }
    return true;
}

static bool base64_take(struct fn_call *call, const char *s, const char *end, char *to,
                        size_t *n)
{
    uint32_t word = 0, digits = 0, pads = 0;
    for (; s < end; s++) {
        const char *digit;
        uint32_t value = 0;
        if (blank(*s))
            continue;
        if (*s == '=') {
            if (!pads && digits != 2 && digits != 3)
                return fn_fail(call, KDK_BAD_PARAMETER,
                               "unexpected \"=\" while decoding base64 sequence");
            pads = pads ? pads : 4 - digits;
        } else {
            digit = *s ? memchr(base64_digits, *s, 64) : NULL;
            if (!digit)
                return bad_symbol(call, "symbol while decoding base64 sequence", s, end);
            value = (uint32_t)(digit - base64_digits);
        }
        word = word << 6 | value;
        if (++digits < 4)
            continue;
        to[(*n)++] = (char)(word >> 16);
        if (pads < 2)
            to[(*n)++] = (char)(word >> 8);
        if (pads < 1)
            to[(*n)++] = (char)word;
        word = digits = 0;
    }
    if (digits) {
        fn_fail(call, KDK_BAD_PARAMETER, "invalid base64 end sequence");
        err_hint(call->err,
                 "Input data is missing padding, is truncated, or is otherwise corrupted.");
        return false;
    }
    return true;
}

static bool escape_take(struct fn_call *call, const char *s, const char *end, char *to,
                        size_t *n)
{
    while (s < end) {
        if (*s != '\\') {
            to[(*n)++] = *s++;
        } else if (end - s > 1 && s[1] == '\\') {
            to[(*n)++] = '\\';
            s += 2;
        } else if (end - s > 3 && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
                   s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            to[(*n)++] = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            return fn_fail(call, KDK_BAD_TEXT, "invalid input syntax for type bytea");
        }
    }
    return true;
}

FN_BODY(DECODE)
{
    enum encoding encoding;
    const char *s = str_data(&args[0].s), *end = s + args[0].s.len;
    size_t n = 0;
    if (!encoding_of(call, &args[1], &encoding))
        return false;
    /* Nothing is longer than its text, but for base64 without its padding. */
    char *room = arena_alloc(call->arena, args[0].s.len + 4u);
    if (!room)
        return fn_fail_nomem(call);
    bool ok = encoding == ENCODING_HEX      ? hex_take(call, s, end, room, &n)
              : encoding == ENCODING_BASE64 ? base64_take(call, s, end, room, &n)
                                            : escape_take(call, s, end, room, &n);
    if (ok)
        out->s = str_of(room, n);
    return ok;
}
