/* fn_text.c - functions of text and bytes. Positions and lengths are in characters,
 * 1-based, as in SQL. */
#include "base/buf.h"
#include "base/utf8.h"
#include "exec/fn_body.h"

static size_t characters(const struct datum *v)
{
    return utf8_count(str_data(&v->s), v->s.len);
}

/* The byte offset of character `index`, the text's length when there are fewer. */
static size_t offset_of(const struct datum *v, int64_t index)
{
    if (index <= 0)
        return 0;
    if (index >= v->s.len)
        return v->s.len;
    return utf8_offset(str_data(&v->s), v->s.len, (size_t)index);
}

/* --------------------------------------------------------------- lengths ---- */

FN_BODY(LENGTH)
{
    struct str s = args[0].s;
    if (fn_arg_type(call, 0).fixed) /* CHAR(n): padding does not count. */
        while (s.len > 0 && str_data(&args[0].s)[s.len - 1] == ' ')
            s.len--;
    out->i = (int64_t)utf8_count(str_data(&args[0].s), s.len);
    return true;
}
FN_BODY(LENGTH_BYTEA)
{
    out->i = args[0].s.len;
    return true;
}
FN_BODY(OCTET_LENGTH)
{
    out->i = args[0].s.len;
    return true;
}
FN_BODY(OCTET_LENGTH_BYTEA)
{
    out->i = args[0].s.len;
    return true;
}
static bool bit_length(struct fn_call *call, const struct datum *v, struct datum *out)
{
    out->i = (int64_t)v->s.len * 8;
    return out->i <= INT32_MAX || fn_fail_range(call, LT_INTEGER);
}
FN_BODY(BIT_LENGTH)
{
    return bit_length(call, args, out);
}
FN_BODY(BIT_LENGTH_BYTEA)
{
    return bit_length(call, args, out);
}

/* ---------------------------------------------------------------- joining ---- */

static bool join(struct fn_call *call, const struct str *a, const struct str *b,
                 struct datum *out)
{
    char *to = fn_text_room(call, (size_t)a->len + b->len, out);
    if (!to)
        return false;
    memcpy(to, str_data(a), a->len);
    memcpy(to + a->len, str_data(b), b->len);
    fn_text_done(out);
    return true;
}

/* The argument as text: what a cast gives. */
static bool as_text(struct fn_call *call, const struct datum *args, uint32_t i,
                    struct datum *out)
{
    struct ltype type = fn_arg_type(call, i);
    if (type.id == LT_TEXT && !type.fixed) {
        *out = args[i];
        return true;
    }
    call->status =
        eval_cast(type, LTYPE(TEXT), CAST_EXPLICIT, &args[i], call->arena, out, call->err);
    return call->status == KDK_OK;
}

FN_BODY(CONCAT_TEXT)
{
    return join(call, &args[0].s, &args[1].s, out);
}
FN_BODY(CONCAT_BYTEA)
{
    return join(call, &args[0].s, &args[1].s, out);
}
FN_BODY(CONCAT_TEXT_ANY)
{
    struct datum b;
    return as_text(call, args, 1, &b) && join(call, &args[0].s, &b.s, out);
}
FN_BODY(CONCAT_ANY_TEXT)
{
    struct datum a;
    return as_text(call, args, 0, &a) && join(call, &a.s, &args[1].s, out);
}

/* Prints all arguments from `first` on that are not NULL, `separator` between. */
static bool concat(struct fn_call *call, const struct datum *args, uint32_t first,
                   const struct str *separator, struct datum *out)
{
    struct buf buf = {0};
    bool ok = false, any = false;
    for (uint32_t i = first; i < call->expr->arg_count; i++) {
        if (args[i].null)
            continue;
        if (any && separator)
            buf_add(&buf, str_data(separator), separator->len);
        any = true;
        if (datum_print(fn_arg_type(call, i), &args[i], &buf) != KDK_OK)
            break;
    }
    ok = buf.nomem ? fn_fail_nomem(call)
                   : fn_text_copy(call, buf.data ? buf.data : "", buf.len, out);
    buf_deinit(&buf);
    return ok;
}

FN_BODY(CONCAT)
{
    return concat(call, args, 0, NULL, out);
}
FN_BODY(CONCAT_WS)
{
    if (args[0].null) {
        *out = DATUM_NULL;
        return true;
    }
    return concat(call, args, 1, &args[0].s, out);
}

FN_BODY(REPEAT)
{
    size_t one = args[0].s.len, times = args[1].i > 0 ? (size_t)args[1].i : 0;
    if (one == 0)
        times = 0;
    char *to = fn_text_room(call, size_mul(one, times), out);
    if (!to)
        return false;
    for (size_t i = 0; i < times; i++)
        memcpy(to + i * one, str_data(&args[0].s), one);
    fn_text_done(out);
    return true;
}

/* ------------------------------------------------------------------- case ---- */

/* Maps each character. For initcap a word starts after what is no letter or digit. */
static bool map_case(struct fn_call *call, const struct datum *v, bool upper, bool initcap,
                     struct datum *out)
{
    const char *from = str_data(&v->s), *end = from + v->s.len;
    bool ascii = true;
    for (const char *p = from; p < end; p++)
        ascii &= (unsigned char)*p < 0x80;
    /* No mapping changes a character's length. */
    char *room = fn_text_room(call, v->s.len, out), *to = room;
    if (!room)
        return false;
    if (ascii && !initcap) {
        unsigned char first = upper ? 'a' : 'A';
        for (uint32_t i = 0; i < v->s.len; i++) {
            unsigned char letter = (unsigned char)from[i];
            room[i] = (char)((unsigned)(letter - first) < 26u ? letter ^ 32u : letter);
        }
        fn_text_done(out);
        return true;
    }
    bool in_word = false;
    for (const char *p = from; p < end;) {
        size_t n = 1;
        uint32_t code = ascii ? (unsigned char)*p : utf8_decode(p, &n);
        uint32_t low = fn_lower(code), high = fn_upper(code);
        bool up = initcap ? !in_word : upper;
        in_word = low != high || (code >= '0' && code <= '9');
        if (up ? high < 0x80 : low < 0x80)
            *to++ = (char)(up ? high : low);
        else
            to += utf8_encode(up ? high : low, to);
        p += n;
    }
    ASSERT((size_t)(to - room) == out->s.len);
    fn_text_done(out);
    return true;
}

FN_BODY(LOWER)
{
    return map_case(call, args, false, false, out);
}
FN_BODY(UPPER)
{
    return map_case(call, args, true, false, out);
}
FN_BODY(INITCAP)
{
    return map_case(call, args, false, true, out);
}

FN_BODY(REVERSE)
{
    const char *from = str_data(&args[0].s);
    size_t len = args[0].s.len;
    char *to = fn_text_room(call, len, out);
    if (!to)
        return false;
    for (size_t at = 0; at < len;) {
        size_t n = MIN(utf8_length((unsigned char)from[at]), len - at);
        memcpy(to + len - at - n, from + at, n);
        at += n;
    }
    fn_text_done(out);
    return true;
}

/* ------------------------------------------------------------------ parts ---- */

/* Characters from `start` (0-based, may be negative) to before `end`. */
static void part(const struct datum *v, int64_t start, int64_t end, struct datum *out)
{
    size_t from = offset_of(v, start), to = end <= start ? from : offset_of(v, end);
    out->s = fn_text_view(v, from, to > from ? to - from : 0);
}

FN_BODY(SUBSTR_2)
{
    part(&args[0], args[1].i - 1, INT64_MAX, out);
    return true;
}
FN_BODY(SUBSTR_3)
{
    if (args[2].i < 0)
        return fn_fail(call, KDK_SUBSTRING, "negative substring length not allowed");
    part(&args[0], args[1].i - 1, args[1].i - 1 + args[2].i, out);
    return true;
}
FN_BODY(LEFT)
{
    part(&args[0], 0,
         args[1].i >= 0 ? args[1].i : (int64_t)characters(&args[0]) + args[1].i, out);
    return true;
}
FN_BODY(RIGHT)
{
    part(&args[0], args[1].i >= 0 ? (int64_t)characters(&args[0]) - args[1].i : -args[1].i,
         INT64_MAX, out);
    return true;
}

static const char *find(const char *s, size_t bytes, const struct str *what)
{
    return memmem(s, bytes, str_data(what), what->len);
}

FN_BODY(STRPOS)
{
    const char *s = str_data(&args[0].s), *at = find(s, args[0].s.len, &args[1].s);
    out->i = at ? (int64_t)utf8_count(s, (size_t)(at - s)) + 1 : 0;
    return true;
}
FN_BODY(STARTS_WITH)
{
    out->i = args[0].s.len >= args[1].s.len &&
             memcmp(str_data(&args[0].s), str_data(&args[1].s), args[1].s.len) == 0;
    return true;
}

FN_BODY(SPLIT_PART)
{
    const char *s = str_data(&args[0].s), *end = s + args[0].s.len;
    const struct str *by = &args[1].s;
    int64_t want = args[2].i;
    if (want == 0)
        return fn_fail(call, KDK_BAD_PARAMETER, "field position must not be zero");
    out->s = str_of(NULL, 0);
    if (by->len == 0 || args[0].s.len == 0) {
        if (want == 1 || want == -1)
            out->s = args[0].s;
        return true;
    }
    if (want < 0) {
        int64_t count = 1;
        for (const char *p = s; (p = find(p, (size_t)(end - p), by)) != NULL; p += by->len)
            count++;
        want += count + 1;
        if (want <= 0)
            return true;
    }
    for (;;) {
        const char *at = find(s, (size_t)(end - s), by);
        if (--want == 0) {
            out->s = str_of(s, (size_t)((at ? at : end) - s));
            return true;
        }
        if (!at)
            return true;
        s = at + by->len;
    }
}

/* Cuts characters that are in `set` off the ends. */
static bool trim(const struct datum *v, const struct datum *set, bool left, bool right,
                 struct datum *out)
{
    const char *s = str_data(&v->s), *end = s + v->s.len;
    const char *chars = set ? str_data(&set->s) : " ";
    size_t chars_len = set ? set->s.len : 1;
    while (left && s < end) {
        size_t n = MIN(utf8_length((unsigned char)*s), (size_t)(end - s));
        /* A whole character never starts inside another. */
        if (!memmem(chars, chars_len, s, n))
            break;
        s += n;
    }
    while (right && s < end) {
        const char *p = end - 1;
        while (p > s && ((unsigned char)*p & 0xC0) == 0x80)
            p--;
        if (!memmem(chars, chars_len, p, (size_t)(end - p)))
            break;
        end = p;
    }
    out->s = str_of(s, (size_t)(end - s));
    return true;
}
FN_BODY(BTRIM_1)
{
    return trim(&args[0], NULL, true, true, out);
}
FN_BODY(LTRIM_1)
{
    return trim(&args[0], NULL, true, false, out);
}
FN_BODY(RTRIM_1)
{
    return trim(&args[0], NULL, false, true, out);
}
FN_BODY(BTRIM_2)
{
    return trim(&args[0], &args[1], true, true, out);
}
FN_BODY(LTRIM_2)
{
    return trim(&args[0], &args[1], true, false, out);
}
FN_BODY(RTRIM_2)
{
    return trim(&args[0], &args[1], false, true, out);
}

/* ------------------------------------------------------------------ making ---- */

/* PostgreSQL's: of 4 bytes each they fit into its longest text. */
enum { PAD_CHARACTERS_MAX = 268435454 };

static bool pad(struct fn_call *call, const struct datum *args, const struct str *with,
                bool left, struct datum *out)
{
    int64_t want = args[1].i > 0 ? args[1].i : 0;
    int64_t have = (int64_t)characters(&args[0]);
    if (have >= want || with->len == 0) {
        part(&args[0], 0, want, out);
        return true;
    }
    const char *fill = str_data(with);
    size_t fill_chars = utf8_count(fill, with->len);
    size_t missing = (size_t)(want - have);
    if (want > PAD_CHARACTERS_MAX)
        return fn_fail(call, KDK_LIMIT, "requested length too large");
    size_t rest = utf8_offset(fill, with->len, missing % fill_chars);
    size_t fill_bytes = size_add(size_mul(missing / fill_chars, with->len), rest);
    char *to = fn_text_room(call, size_add(fill_bytes, args[0].s.len), out);
    if (!to)
        return false;
    memcpy(left ? to + fill_bytes : to, str_data(&args[0].s), args[0].s.len);
    char *at = left ? to : to + args[0].s.len;
    for (size_t i = 0; i < fill_bytes; i += with->len)
        memcpy(at + i, fill, MIN((size_t)with->len, fill_bytes - i));
    fn_text_done(out);
    return true;
}
FN_BODY(LPAD_2)
{
    struct str space = str_of(" ", 1);
    return pad(call, args, &space, true, out);
}
FN_BODY(LPAD_3)
{
    return pad(call, args, &args[2].s, true, out);
}
FN_BODY(RPAD_2)
{
    struct str space = str_of(" ", 1);
    return pad(call, args, &space, false, out);
}
FN_BODY(RPAD_3)
{
    return pad(call, args, &args[2].s, false, out);
}

FN_BODY(REPLACE)
{
    const char *s = str_data(&args[0].s), *end = s + args[0].s.len, *p = s;
    size_t count = 0;
    if (args[1].s.len > 0)
        for (; (p = find(p, (size_t)(end - p), &args[1].s)) != NULL; p += args[1].s.len)
            count++;
    if (count == 0) {
        *out = args[0];
        return true;
    }
    char *to = fn_text_room(
        call,
        size_add(args[0].s.len - count * args[1].s.len, size_mul(count, args[2].s.len)),
        out);
    if (!to)
        return false;
    for (;;) {
        p = find(s, (size_t)(end - s), &args[1].s);
        size_t keep = (size_t)((p ? p : end) - s);
        memcpy(to, s, keep);
        to += keep;
        if (!p)
            break;
        memcpy(to, str_data(&args[2].s), args[2].s.len);
        to += args[2].s.len;
        s = p + args[1].s.len;
    }
    fn_text_done(out);
    return true;
}

/* Each character that is in `from` becomes the one at its place in `to`, or vanishes. */
FN_BODY(TRANSLATE)
{
    const char *from = str_data(&args[1].s), *to = str_data(&args[2].s);
    struct buf buf = {0};
    for (uint32_t at = 0; at < args[0].s.len;) {
        const char *c = str_data(&args[0].s) + at;
        size_t n = MIN(utf8_length((unsigned char)*c), (size_t)(args[0].s.len - at));
        const char *hit = memmem(from, args[1].s.len, c, n);
        if (!hit) {
            buf_add(&buf, c, n);
        } else {
            size_t k =
                utf8_offset(to, args[2].s.len, utf8_count(from, (size_t)(hit - from)));
            if (k < args[2].s.len)
                buf_add(&buf, to + k,
                        MIN(utf8_length((unsigned char)to[k]), args[2].s.len - k));
        }
        at += (uint32_t)n;
    }
    bool ok = buf.nomem ? fn_fail_nomem(call)
                        : fn_text_copy(call, buf.data ? buf.data : "", buf.len, out);
    buf_deinit(&buf);
    return ok;
}

static bool overlay(struct fn_call *call, const struct datum *args, int64_t length,
                    struct datum *out)
{
    int64_t start = args[2].i;
    if (start <= 0)
        return fn_fail(call, KDK_SUBSTRING, "negative substring length not allowed");
    if (start + length > INT32_MAX)
        return fn_fail_range(call, LT_INTEGER);
    size_t before = offset_of(&args[0], start - 1),
           after = offset_of(&args[0], start - 1 + length);
    size_t tail = args[0].s.len - after;
    char *to = fn_text_room(call, before + args[1].s.len + tail, out);
    if (!to)
        return false;
    memcpy(to, str_data(&args[0].s), before);
    memcpy(to + before, str_data(&args[1].s), args[1].s.len);
    memcpy(to + before + args[1].s.len, str_data(&args[0].s) + after, tail);
    fn_text_done(out);
    return true;
}
FN_BODY(OVERLAY_3)
{
    return overlay(call, args, (int64_t)characters(&args[1]), out);
}
FN_BODY(OVERLAY_4)
{
    return overlay(call, args, args[3].i, out);
}

FN_BODY(ASCII)
{
    size_t n;
    out->i = args[0].s.len ? (int64_t)utf8_decode(str_data(&args[0].s), &n) : 0;
    return true;
}
FN_BODY(CHR)
{
    char bytes[4];
    if (args[0].i == 0)
        return fn_fail(call, KDK_LIMIT, "null character not permitted");
    if (args[0].i < 0)
        return fn_fail(call, KDK_BAD_PARAMETER, "character number must be positive");
    size_t n = utf8_encode((uint32_t)args[0].i, bytes);
    if (n == 0)
        return fn_fail(call, KDK_LIMIT, "requested character too large for encoding: %u",
                       (unsigned)args[0].i);
    out->s = str_of(bytes, n);
    return true;
}

static bool to_hex(struct fn_call *call, uint64_t v, struct datum *out)
{
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v);
    return fn_text_copy(call, digits + at, sizeof digits - at, out);
}
FN_BODY(TO_HEX_I4)
{
    return to_hex(call, (uint32_t)args[0].i, out);
}
FN_BODY(TO_HEX_I8)
{
    return to_hex(call, (uint64_t)args[0].i, out);
}

/* --------------------------------------------------------------------- md5 ---- */

/* RFC 1321. Not for secrets: for checksums that others compute too. */
static void md5_block(uint32_t state[4], const uint8_t block[64])
{
    static const uint8_t turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
        0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
        0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
        0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
        0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
        0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
        0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
        0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
        0xeb86d391};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t f, g;
        switch (i / 16) {
        case 0:
            f = (b & c) | (~b & d);
            g = i;
            break;
        case 1:
            f = (d & b) | (~d & c);
            g = (5 * i + 1) % 16;
            break;
        case 2:
            f = b ^ c ^ d;
            g = (3 * i + 5) % 16;
            break;
        default:
            f = c ^ (b | ~d);
            g = 7 * i % 16;
            break;
        }
        uint32_t sum = a + f + sines[i] + get_u32(block + (size_t)g * 4);
        uint32_t by = turns[i / 16][i % 4];
        a = d;
        d = c;
        c = b;
        b += sum << by | sum >> (32 - by);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static bool md5(struct fn_call *call, const struct str *s, struct datum *out)
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    const uint8_t *bytes = (const uint8_t *)str_data(s);
    size_t whole = s->len / 64 * 64, rest = s->len - whole;
    for (size_t i = 0; i < whole; i += 64)
        md5_block(state, bytes + i);
    uint8_t tail[128] = {0};
    memcpy(tail, bytes + whole, rest);
    tail[rest] = 0x80;
    size_t blocks = rest < 56 ? 1 : 2;
    put_u64(tail + blocks * 64 - 8, (uint64_t)s->len * 8);
    for (size_t i = 0; i < blocks; i++)
        md5_block(state, tail + i * 64);
    char hex[32];
    for (size_t i = 0; i < 16; i++) {
        uint8_t byte = (uint8_t)(state[i / 4] >> (i % 4 * 8));
        hex[i * 2] = "0123456789abcdef"[byte >> 4];
        hex[i * 2 + 1] = "0123456789abcdef"[byte & 15];
    }
    return fn_text_copy(call, hex, sizeof hex, out);
}
FN_BODY(MD5)
{
    return md5(call, &args[0].s, out);
}
FN_BODY(MD5_BYTEA)
{
    return md5(call, &args[0].s, out);
}
