/* number_text.c - numbers to text and back, as PostgreSQL 15 does, in any locale of the
 * host.
 *
 * Floats. Printing gives the shortest digits that read back as the same number, the nearest
 * among those (PostgreSQL 12 and later). Two facts carry it. First, decimals of at most 15
 * (float: 6) significant digits map to distinct normal doubles, so when one of them reads
 * back as v it is the only one (a half-way case apart: see digits_are), and without its
 * trailing zeros it is the shortest. Second, m / 10^k is correctly rounded when m < 2^53
 * and k <= 22, both being exact doubles (Clinger, How to read floating point numbers
 * accurately, PLDI 1990), so the common short number needs no big arithmetic in either
 * direction. The rest goes through the C library, which is exact in glibc; its only
 * dependence on the locale is the decimal point: we give strtod() an integer with an
 * exponent, and take from snprintf() the digits alone. Rejected: Ryu and its kin. Tables of
 * some kilobytes for numbers that our users print rarely.
 */
#include "vec/vec_int.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

bool text_is(const char *text, size_t bytes, const char *word)
{
    for (size_t i = 0; i < bytes; i++)
        if (!word[i] || text_lower(text[i]) != word[i])
            return false;
    return !word[bytes];
}
kdk_status text_bad(struct ltype type, const char *text, size_t bytes, struct err *err)
{
    return err_set(err, KDK_BAD_TEXT, "invalid input syntax for type %s: \"%.*s\"",
                   ltype_id_name(type.id), (int)MIN(bytes, 400), text);
}

/* --------------------------------------------------------------- integers ---- */

kdk_status integer_parse(struct ltype type, const char *text, size_t bytes, int64_t *out,
                         struct err *err)
{
    const char *at = text;
    size_t left = bytes;
    text_trim(&at, &left);
    bool minus = left && *at == '-';
    if (left && (*at == '-' || *at == '+'))
        at++, left--;
    if (!left)
        return text_bad(type, text, bytes, err);
    /* Counted down, since the least number has no positive counterpart. */
    int64_t v = 0, least = INT64_MIN;
    if (type.id == LT_TINYINT)
        least = INT8_MIN;
    else if (type.id == LT_SMALLINT)
        least = INT16_MIN;
    else if (type.id == LT_INTEGER)
        least = INT32_MIN;
    bool fits = true;
    for (size_t i = 0; i < left && fits; i++) {
        /* What is too large is told from what is no number by whichever comes first. */
        if (!text_digit(at[i]))
            return text_bad(type, text, bytes, err);
        fits = !__builtin_mul_overflow(v, 10, &v) &&
               !__builtin_sub_overflow(v, at[i] - '0', &v) && v >= least;
    }
    if (!fits || v < least + !minus)
        return err_set(err, KDK_OUT_OF_RANGE, "value \"%.*s\" is out of range for type %s",
                       (int)MIN(bytes, 400), text, ltype_id_name(type.id));
    *out = minus ? v : -v;
    return KDK_OK;
}
/* Digits of v, at least `least` of them, to the end of a 40-byte field; returns where they
 * begin. */
static char *digits_of(uint128 v, uint32_t least, char field[40])
{
    char *at = field + 40;
    while (v > UINT64_MAX) { /* 128-bit division is a call: once per 18 digits. */
        uint64_t low = (uint64_t)(v % 1000000000000000000ull);
        v /= 1000000000000000000ull;
        for (int i = 0; i < 18; i++, low /= 10)
            *--at = (char)('0' + low % 10);
    }
    for (uint64_t w = (uint64_t)v; w; w /= 10)
        *--at = (char)('0' + w % 10);
    while (at > field + 40 - least)
        *--at = '0';
    return at;
}
kdk_status integer_print(int64_t v, struct buf *out)
{
    char field[41];
    char *at = digits_of(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1, field + 1);
    if (v < 0)
        *--at = '-';
    return buf_add(out, at, (size_t)(field + 41 - at));
}

/* --------------------------------------------------------------- decimals ---- */

/* The syntax that numeric and the floats share: sign, digits, point, digits, exponent. */
struct decimal_text {
    bool minus;
    const char *digits; /* first digit or point */
    size_t digit_bytes; /* digits and at most one point */
    int64_t exponent;   /* as written; clamped to +-10^8 */
};
static bool decimal_scan(const char *at, size_t left, struct decimal_text *out)
{
    const char *end = at + left;
    out->minus = left && *at == '-';
    if (left && (*at == '-' || *at == '+'))
        at++;
    out->digits = at;
    size_t digits = 0;
    bool point = false;
    for (; at < end && (text_digit(*at) || (*at == '.' && !point)); at++) {
        if (*at == '.')
            point = true;
        else
            digits++;
    }
    out->digit_bytes = (size_t)(at - out->digits);
    out->exponent = 0;
    if (!digits)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        bool minus = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (at == end)
            return false;
        for (; at < end && text_digit(*at); at++)
            if (out->exponent < 100000000)
                out->exponent = out->exponent * 10 + (*at - '0');
        if (minus)
            out->exponent = -out->exponent;
    }
    return at == end;
}

static uint128 ten_to(uint32_t power) /* at most 38 */
{
    static const uint64_t tens[20] = {1ull,
                                      10ull,
                                      100ull,
                                      1000ull,
                                      10000ull,
                                      100000ull,
                                      1000000ull,
                                      10000000ull,
                                      100000000ull,
                                      1000000000ull,
                                      10000000000ull,
                                      100000000000ull,
                                      1000000000000ull,
                                      10000000000000ull,
                                      100000000000000ull,
                                      1000000000000000ull,
                                      10000000000000000ull,
                                      100000000000000000ull,
                                      1000000000000000000ull,
                                      10000000000000000000ull};
    return power < 20 ? tens[power] : (uint128)tens[19] * tens[power - 19];
}
kdk_status numeric_parse(struct ltype type, const char *text, size_t bytes, int128 *out,
                         struct err *err)
{
    uint32_t precision = type.precision, scale = type.scale;
    if (!precision)
        precision = 38, scale = 10;
    const char *at = text;
    size_t left = bytes;
    text_trim(&at, &left);
    struct decimal_text t;
    if (!decimal_scan(at, left, &t)) {
        if (text_is(at, left, "nan"))
            return err_set(err, KDK_UNSUPPORTED, "NaN is not supported in type numeric");
        if (left && (*at == '-' || *at == '+'))
            at++, left--;
        if (text_is(at, left, "infinity") || text_is(at, left, "inf")) {
            err_set(err, KDK_OUT_OF_RANGE, "numeric field overflow");
            err_detail(err,
                       "A field with precision %u, scale %u cannot hold an infinite value.",
                       precision, scale);
            return KDK_OUT_OF_RANGE;
        }
        return text_bad(type, text, bytes, err);
    }
    /* `place` is the power of ten of the digit at hand in units of the result's last digit:
     * digits at 0 and above are taken, the one at -1 decides the rounding (half away from
     * zero), those below are nothing. */
    const char *point = memchr(t.digits, '.', t.digit_bytes);
    int64_t whole = point ? point - t.digits : (int64_t)t.digit_bytes;
    int64_t place = whole - 1 + t.exponent + (int64_t)scale;
    uint128 v = 0;
    const uint128 limit = ten_to(precision), limit_tenth = ten_to(precision - 1);
    bool fits = true;
    size_t i = 0;
    /* What is written as a rule: all fits 64 bits. */
    for (uint64_t small = 0; place >= 0 && i < t.digit_bytes && i < 18; i++) {
        if (t.digits[i] != '.') {
            small = small * 10 + (uint64_t)(t.digits[i] - '0');
            place--;
        }
        v = small;
    }
    fits = v < limit;
    for (; i < t.digit_bytes && fits; i++) {
        if (t.digits[i] == '.')
            continue;
        uint32_t digit = (uint32_t)(t.digits[i] - '0');
        if (place >= 0) {
            fits = v < limit_tenth; /* Exactly when v * 10 + 9 is below the limit. */
            v = v * 10 + digit;
        } else if (place == -1 && digit >= 5)
            v++;
        place--;
    }
    /* Zeros that the exponent adds after the last digit. */
    for (; v && fits && place >= 0; place--) {
        fits = v < limit_tenth;
        v *= 10;
    }
    if (!fits || v >= limit) {
        err_set(err, KDK_OUT_OF_RANGE, "numeric field overflow");
        int most = (int)precision - (int)scale;
        err_detail(
            err,
            "A field with precision %u, scale %u must round to an absolute value less "
            "than %s%d.",
            precision, scale, most ? "10^" : "", most ? most : 1);
        return KDK_OUT_OF_RANGE;
    }
    *out = t.minus ? -(int128)v : (int128)v;
    return KDK_OK;
}
kdk_status numeric_print(struct ltype type, int128 v, struct buf *out)
{
    uint32_t scale = type.precision ? type.scale : 10;
    char field[42];
    char *end = field + 42;
    uint128 magnitude = v < 0 ? 0 - (uint128)v : (uint128)v;
    char *at = digits_of(magnitude, scale + 1, field + 2);
    if (scale) { /* Make room for the point: the whole part moves down by one. */
        size_t whole = (size_t)(end - at) - scale;
        memmove(at - 1, at, whole);
        at--;
        at[whole] = '.';
    }
    if (v < 0)
        *--at = '-';
    return buf_add(out, at, (size_t)(end - at));
}

/* ----------------------------------------------------------------- floats ---- */

static const double exact_tens[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits * 10^exponent by the C library, rounded once to float or double. */
static double digits_value(const char *digits, size_t count, int64_t exponent, bool single)
{
    char text[860];
    ASSERT(count <= 800);
    memcpy(text, digits, count);
    snprintf(text + count, sizeof text - count, "e%lld", (long long)exponent);
    return single ? (double)strtof(text, NULL) : strtod(text, NULL);
}

kdk_status float_parse(struct ltype type, const char *text, size_t bytes, double *out,
                       struct err *err)
{
    bool single = type.id == LT_REAL;
    const char *at = text;
    size_t left = bytes;
    text_trim(&at, &left);
    struct decimal_text t;
    if (!decimal_scan(at, left, &t)) {
        bool minus = left && *at == '-';
        if (text_is(at, left, "nan")) {
            *out = (double)NAN;
            return KDK_OK;
        }
        if (left && (*at == '-' || *at == '+'))
            at++, left--;
        if (text_is(at, left, "infinity") || text_is(at, left, "inf")) {
            *out = minus ? -(double)INFINITY : (double)INFINITY;
            return KDK_OK;
        }
        return text_bad(type, text, bytes, err);
    }
    /* The significant digits without a point. 770 decide every double (the longest exact
     * half-way point has 768); of what follows only whether it is zero matters. */
    char digits[800];
    size_t count = 0;
    int64_t exponent = t.exponent;
    bool after_point = false, more = false;
    uint64_t m = 0;
    for (size_t i = 0; i < t.digit_bytes; i++) {
        char c = t.digits[i];
        if (c == '.') {
            after_point = true;
            continue;
        }
        if (count || c != '0') {
            if (count < 780) {
                digits[count++] = c;
                if (count <= 19)
                    m = m * 10 + (uint64_t)(c - '0');
            } else {
                more |= c != '0';
                exponent++;
            }
        }
        exponent -= after_point;
    }
    double v;
    if (!count)
        v = 0;
    else if (!single && count <= 15 && exponent >= -22 && exponent <= 22)
        v = exponent < 0 ? (double)m / exact_tens[-exponent]
                         : (double)m * exact_tens[exponent];
    else {
        if (more)
            digits[count++] = '1', exponent--;
        v = digits_value(digits, count, exponent, single);
        if (v == 0 || isinf(v)) {
            return err_set(err, KDK_OUT_OF_RANGE, "\"%.*s\" is out of range for type %s",
                           (int)MIN(left, 400), at, ltype_id_name(type.id));
        }
    }
    *out = t.minus ? -v : v;
    return KDK_OK;
}

/* Do the digits read back as v, however the reader breaks ties? PostgreSQL prints no
 * decimal that lies half-way between two numbers (1e23 is 9.999999999999999e+22), although
 * a reader that rounds half to even would find the way back. Half-way means: a binary
 * number of one bit more than the format has. With 17 digits that is possible only up to
 * 5^23; below the normal range never. */
static bool digits_are(const char *digits, size_t count, int exponent, double v,
                       bool single)
{
    if (digits_value(digits, count, exponent, single) != v)
        return false;
    uint128 x = 0;
    for (size_t i = 0; i < count; i++)
        x = x * 10 + (uint32_t)(digits[i] - '0');
    for (; x % 10 == 0; exponent++)
        x /= 10;
    for (; exponent < 0 && x % 5 == 0; exponent++)
        x /= 5;
    if (exponent < 0 || exponent > 23)
        return true; /* Not a binary fraction; or of more bits than one too many. */
    for (; exponent > 0; exponent--)
        x *= 5;
    uint64_t low = (uint64_t)x;
    if (!low)
        return true;
    x >>= __builtin_ctzll(low);
    return x >> (single ? FLT_MANT_DIG : DBL_MANT_DIG) != 1;
}

/* The shortest digits of v > 0, finite: `digits` gets up to 17 without trailing zeros; v is
 * 0.d1d2d3... * 10^*point. */
static size_t float_digits(double v, bool single, char digits[32], int *point)
{
    const int sure = single ? 6 : 15, most = single ? 9 : 17;
    const bool normal = v >= (single ? (double)FLT_MIN : DBL_MIN);
    size_t count = 0;

    if (!single && v >= 1e-5 && v < 1e15) {
        for (int k = 0; k <= 20; k++) {
            double scaled = v * exact_tens[k];
            if (scaled >= 1e15)
                break;
            double m = rint(scaled);
            if (m > 0 && m / exact_tens[k] == v) {
                char field[40];
                char *at = digits_of((uint128)m, 1, field);
                count = (size_t)(field + 40 - at);
                memcpy(digits, at, count);
                *point = (int)count - k;
                goto strip;
            }
        }
    }
    for (int p = normal ? sure : 1;; p++) {
        char text[64];
        snprintf(text, sizeof text, "%.*e", p - 1, v);
        count = 0;
        const char *at = text;
        for (; *at != 'e'; at++)
            if (text_digit(*at))
                digits[count++] = *at;
        int exponent = 0; /* After 'e' and a sign. */
        for (const char *e = at + 2; *e; e++)
            exponent = exponent * 10 + (*e - '0');
        if (at[1] == '-')
            exponent = -exponent;
        *point = exponent + 1;
        if (p == most || digits_are(digits, count, exponent - (int)count + 1, v, single))
            break;
        /* Above a power of two the numbers are twice as sparse as below, so the nearest
         * decimal of p digits, if it is below v, may belong to the neighbour while the next
         * one above is still ours. Never a carry that changes the length: a power of ten
         * would have been found with fewer digits. */
        char next = digits[count - 1];
        if (next < '9') {
            digits[count - 1] = (char)(next + 1);
            if (digits_are(digits, count, exponent - (int)count + 1, v, single))
                break;
        }
    }
strip:
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

kdk_status float_print(struct ltype type, double v, struct buf *out)
{
    bool single = type.id == LT_REAL;
    if (isnan(v))
        return buf_add_str(out, "NaN");
    if (signbit(v))
        (void)buf_add_char(out, '-'); /* A failure sticks. */
    v = fabs(v);
    if (isinf(v))
        return buf_add_str(out, "Infinity");
    if (v == 0)
        return buf_add_char(out, '0');
    char digits[32];
    int point;
    size_t count = float_digits(v, single, digits, &point);
    int exponent = point - 1;
    if (exponent < -4 || exponent >= (single ? 6 : 15)) {
        char text[64];
        int n =
            snprintf(text, sizeof text, "%c%s%.*se%c%02d", digits[0], count > 1 ? "." : "",
                     (int)count - 1, digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
        return buf_add(out, text, (size_t)n);
    }
    char text[64];
    size_t n = 0;
    if (point <= 0) {
        text[n++] = '0';
        text[n++] = '.';
        for (int i = point; i < 0; i++)
            text[n++] = '0';
    }
    for (int i = 0; i < (int)count || i < point; i++) {
        if (i == point && i > 0)
            text[n++] = '.';
        text[n++] = i < (int)count ? digits[i] : '0';
    }
    return buf_add(out, text, n);
}
