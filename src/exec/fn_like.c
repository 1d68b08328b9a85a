#include "exec/fn_like.h"

#include "base/utf8.h"
#include "exec/fn_body.h"

bool like_escape_of(const struct str *text, struct like_escape *out)
{
    const char *p = str_data(text);
    memset(out, 0, sizeof *out);
    if (text->len == 0)
        return true;
    if (text->len > 4 || utf8_length((unsigned char)p[0]) != text->len)
        return false;
    memcpy(out->bytes, p, text->len);
    out->len = (uint8_t)text->len;
    return true;
}

static bool at_escape(const char *p, const char *end, const struct like_escape *escape)
{
    return escape->len > 0 && (size_t)(end - p) >= escape->len &&
           memcmp(p, escape->bytes, escape->len) == 0;
}

/* Does one literal character of the pattern, at p, equal the one at s? Both are
 * advanced. */
static bool same_character(const char **s, const char *s_end, const char **p,
                           const char *p_end, bool fold)
{
    if (!fold) {
        if (**s != **p)
            return false;
        (*s)++; /* Bytewise: characters match when all of their bytes do. */
        (*p)++;
        return true;
    }
    size_t s_bytes = 0, p_bytes = 0;
    uint32_t a, b;
    if (((unsigned char)**s | (unsigned char)**p) < 0x80) {
        a = (unsigned char)**s;
        b = (unsigned char)**p;
        s_bytes = p_bytes = 1;
    } else {
        a = utf8_decode(*s, &s_bytes);
        b = utf8_decode(*p, &p_bytes);
    }
    if (fn_lower(a) != fn_lower(b))
        return false;
    *s += MIN(s_bytes, (size_t)(s_end - *s));
    *p += MIN(p_bytes, (size_t)(p_end - *p));
    return true;
}

static const char *next_character(const char *s, const char *end)
{
    size_t bytes = utf8_length((unsigned char)*s);
    return s + MIN(bytes, (size_t)(end - s));
}

/* After a mismatch the last % takes one more character: earlier ones need not be tried
 * again, because what stood between them matched as far left as it could. */
enum like_result like_match(const struct str *text, const struct str *pattern,
                            const struct like_escape *escape, bool fold)
{
    const char *s = str_data(text), *s_end = s + text->len;
    const char *p = str_data(pattern), *p_end = p + pattern->len;
    const char *retry_p = NULL, *retry_s = NULL;

    for (;;) {
        if (p < p_end && *p == '%' && !at_escape(p, p_end, escape)) {
            retry_p = ++p;
            retry_s = s;
            continue;
        }
        bool matched = false;
        if (p < p_end) {
            if (at_escape(p, p_end, escape)) {
                /* At the end of the text nobody looks at what is escaped, as in
                 * PostgreSQL. */
                if (p + escape->len >= p_end && s < s_end)
                    return LIKE_BAD;
                const char *literal = p + escape->len;
                if (s < s_end && same_character(&s, s_end, &literal, p_end, fold)) {
                    p = literal;
                    matched = true;
                }
            } else if (s < s_end && *p == '_') {
                s = next_character(s, s_end);
                p++;
                matched = true;
            } else if (s < s_end) {
                matched = same_character(&s, s_end, &p, p_end, fold);
            }
        } else if (s == s_end) {
            return LIKE_YES;
        }
        if (matched)
            continue;
        if (!retry_p || retry_s >= s_end)
            return LIKE_NO;
        if (retry_p == p_end)
            return LIKE_YES;
        retry_s = next_character(retry_s, s_end);
        s = retry_s;
        p = retry_p;
    }
}

bool like_compile(struct like *like, const struct str *pattern,
                  const struct like_escape *escape, bool fold, struct arena *arena)
{
    memset(like, 0, sizeof *like);
    like->escape = *escape;
    like->pattern = *pattern;
    like->fold = fold;
    if (fold)
        return true;

    char *literal = arena_alloc(arena, pattern->len + 1u);
    like->pieces =
        arena_alloc(arena, size_mul(pattern->len / 2u + 2u, sizeof *like->pieces));
    if (!literal || !like->pieces)
        return false;
    const char *p = str_data(&like->pattern), *end = p + pattern->len;
    const char *piece = literal;
    while (p < end) {
        if (at_escape(p, end, escape)) {
            p += escape->len;
            if (p >= end)
                return true; /* Bad; the matcher finds out on which rows it matters. */
            *literal++ = *p++;
        } else if (*p == '_') {
            return true;
        } else if (*p == '%') {
            if (literal > piece)
                like->pieces[like->piece_count++] =
                    (struct like_piece){piece, (size_t)(literal - piece)};
            else if (like->piece_count == 0)
                like->open_start = true;
            piece = literal;
            like->open_end = true;
            p++;
            continue;
        } else {
            *literal++ = *p++;
        }
        like->open_end = false;
    }
    if (literal > piece)
        like->pieces[like->piece_count++] =
            (struct like_piece){piece, (size_t)(literal - piece)};
    like->simple = true;
    return true;
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* The first `bytes` of what in s, or NULL. Sixteen places at a time: where both its first
 * and its last byte stand, it is looked at (W. Mula, SIMD-friendly algorithms for substring
 * searching, 2016). memmem() costs more to start than the texts of a table are long. */
static const char *find(const char *s, size_t s_bytes, const char *what, size_t bytes)
{
    if (bytes > s_bytes)
        return NULL;
    size_t places = s_bytes - bytes + 1, i = 0;
    char first = what[0], last = what[bytes - 1];
    bytes16 firsts, lasts, a, b;
    memset(&firsts, first, sizeof firsts);
    memset(&lasts, last, sizeof lasts);
    while (places >= sizeof a && i < places) {
        i = MIN(i, places - sizeof a); /* The last block overlaps the one before. */
        memcpy(&a, s + i, sizeof a);
        memcpy(&b, s + i + bytes - 1, sizeof b);
        bytes16 both = (bytes16)(a == firsts) & (bytes16)(b == lasts);
        uint64_t half[2];
        memcpy(half, &both, sizeof half);
        for (size_t h = 0; h < 2; h++)
            for (; half[h]; half[h] &= half[h] - 1) {
                size_t bit = (size_t)__builtin_ctzll(half[h]), at = i + h * 8 + bit / 8;
                if (bit % 8 == 0 && memcmp(s + at, what, bytes) == 0)
                    return s + at;
                half[h] &= ~(0xFEull << (bit & ~(size_t)7));
            }
        i += sizeof a;
    }
    for (; i < places; i++)
        if (s[i] == first && s[i + bytes - 1] == last && memcmp(s + i, what, bytes) == 0)
            return s + i;
    return NULL;
}

static bool pieces_match(const struct like *like, const char *s, size_t bytes)
{
    const struct like_piece *piece = like->pieces, *end = piece + like->piece_count;
    if (piece == end)
        return like->open_start || bytes == 0;
    if (!like->open_start) {
        if (bytes < piece->bytes || memcmp(s, piece->text, piece->bytes) != 0)
            return false;
        s += piece->bytes;
        bytes -= piece->bytes;
        if (++piece == end)
            return like->open_end || bytes == 0;
    }
    if (!like->open_end) {
        end--;
        if (bytes < end->bytes ||
            memcmp(s + bytes - end->bytes, end->text, end->bytes) != 0)
            return false;
        bytes -= end->bytes;
    }
    for (; piece < end; piece++) {
        const char *at = find(s, bytes, piece->text, piece->bytes);
        if (!at)
            return false;
        bytes -= (size_t)(at - s) + piece->bytes;
        s = at + piece->bytes;
    }
    return true;
}

enum like_result like_run(const struct like *like, const struct str *text)
{
    if (like->simple)
        return pieces_match(like, str_data(text), text->len) ? LIKE_YES : LIKE_NO;
    return like_match(text, &like->pattern, &like->escape, like->fold);
}

/* ---------------------------------------------------------------- bodies ---- */

static bool like_body(struct fn_call *call, const struct datum *args,
                      const struct str *escape_text, bool fold, struct datum *out)
{
    struct like_escape escape = LIKE_BACKSLASH;
    if (escape_text && !like_escape_of(escape_text, &escape)) {
        fn_fail(call, KDK_BAD_ESCAPE, "invalid escape string");
        err_hint(call->err, "Escape string must be empty or one character.");
        return false;
    }
    enum like_result result = like_match(&args[0].s, &args[1].s, &escape, fold);
    if (result == LIKE_BAD)
        return fn_fail(call, KDK_BAD_ESCAPE,
                       "LIKE pattern must not end with escape character");
    out->i = result == LIKE_YES;
    return true;
}

FN_BODY(LIKE)
{
    return like_body(call, args, NULL, false, out);
}
FN_BODY(ILIKE)
{
    return like_body(call, args, NULL, true, out);
}
FN_BODY(NOT_LIKE)
{
    bool ok = like_body(call, args, NULL, false, out);
    out->i = !out->i;
    return ok;
}
FN_BODY(NOT_ILIKE)
{
    bool ok = like_body(call, args, NULL, true, out);
    out->i = !out->i;
    return ok;
}
FN_BODY(LIKE_ESCAPE)
{
    return like_body(call, args, &args[2].s, false, out);
}
FN_BODY(ILIKE_ESCAPE)
{
    return like_body(call, args, &args[2].s, true, out);
}
