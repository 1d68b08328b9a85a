#include "exec/fn_num.h"

#include <math.h>

#define E18 ((uint128)1000000000000000000u)
const uint128 num_pow10[NUM_DIGITS_MAX + 1] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    E18,
    E18 * 10u,
    E18 * 100u,
    E18 * 1000u,
    E18 * 10000u,
    E18 * 100000u,
    E18 * 1000000u,
    E18 * 10000000u,
    E18 * 100000000u,
    E18 * 1000000000u,
    E18 * 10000000000u,
    E18 * 100000000000u,
    E18 * 1000000000000u,
    E18 * 10000000000000u,
    E18 * 100000000000000u,
    E18 * 1000000000000000u,
    E18 * 10000000000000000u,
    E18 * 100000000000000000u,
    E18 *E18,
    E18 *E18 * 10u,
    E18 *E18 * 100u,
};

struct wide {
    uint128 hi, lo;
};

static uint128 magnitude(int128 v)
{
    return v < 0 ? 0 - (uint128)v : (uint128)v;
}

/* Schoolbook, in 64-bit halves. */
static struct wide wide_mul(uint128 a, uint128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b,
             b1 = (uint64_t)(b >> 64);
    uint128 low = (uint128)a0 * b0, m1 = (uint128)a1 * b0, m2 = (uint128)a0 * b1,
            high = (uint128)a1 * b1;
    uint128 mid = (low >> 64) + (uint64_t)m1 + (uint64_t)m2;
    return (struct wide){high + (m1 >> 64) + (m2 >> 64) + (mid >> 64),
                         mid << 64 | (uint64_t)low};
}

/* Bit by bit: rare enough. False when the quotient has more than 128 bits. d < 2^127. */
static bool wide_div(struct wide n, uint128 d, uint128 *quotient, uint128 *remainder)
{
    if (n.hi >= d)
        return false;
    if (n.hi == 0) {
        *quotient = n.lo / d;
        *remainder = n.lo % d;
        return true;
    }
    uint128 r = n.hi, q = 0;
    for (int bit = 127; bit >= 0; bit--) {
        r = r << 1 | (n.lo >> bit & 1);
        q <<= 1;
        if (r >= d) {
            r -= d;
            q |= 1;
        }
    }
    *quotient = q;
    *remainder = r;
    return true;
}

static bool give(uint128 v, bool negative, int128 *out)
{
    if (v >= num_pow10[NUM_DIGITS_MAX])
        return false;
    *out = negative ? -(int128)v : (int128)v;
    return true;
}

/* q + r/d, rounded. */
static uint128 rounded(uint128 q, uint128 r, uint128 d)
{
    return q + (r >= d - r);
}

bool num_rescale(int128 v, int from, int to, int128 *out)
{
    uint128 m = magnitude(v);
    if (to >= from) {
        struct wide w = wide_mul(m, num_pow10[to - from]);
        return w.hi == 0 && give(w.lo, v < 0, out);
    }
    uint128 d = num_pow10[from - to];
    return give(rounded(m / d, m % d, d), v < 0, out);
}

bool num_mul(int128 a, int128 b, int drop, int128 *out)
{
    bool negative = (a < 0) != (b < 0);
    uint128 q, r, d = num_pow10[drop];
    if (!wide_div(wide_mul(magnitude(a), magnitude(b)), d, &q, &r))
        return false;
    if (drop > 0 && q < num_pow10[NUM_DIGITS_MAX])
        q = rounded(q, r, d);
    return give(q, negative, out);
}

/* Beyond 10^38 in two steps: the remainder of the first is what the second divides. */
bool num_div(int128 a, int128 b, int up, int128 *out)
{
    bool negative = (a < 0) != (b < 0);
    uint128 d = magnitude(b), q, r;
    int first = MIN(up, NUM_DIGITS_MAX);
    if (!wide_div(wide_mul(magnitude(a), num_pow10[first]), d, &q, &r))
        return false;
    if (up > first) {
        uint128 scale = num_pow10[up - first], q2, r2;
        struct wide more = wide_mul(q, scale);
        if (more.hi != 0 || !wide_div(wide_mul(r, scale), d, &q2, &r2) ||
            __builtin_add_overflow(more.lo, q2, &q))
            return false;
        r = r2;
    }
    return q < num_pow10[NUM_DIGITS_MAX] && give(rounded(q, r, d), negative, out);
}

/* |a| / |b| brought to one scale: *too_small when |b| became so large that a is its own
 * remainder. */
static bool aligned(int128 a, int a_scale, int128 b, int b_scale, struct wide *n,
                    uint128 *d)
{
    int scale = MAX(a_scale, b_scale);
    struct wide wide_d = wide_mul(magnitude(b), num_pow10[scale - b_scale]);
    *n = wide_mul(magnitude(a), num_pow10[scale - a_scale]);
    *d = wide_d.lo;
    return wide_d.hi == 0 && wide_d.lo < (uint128)1 << 127;
}

bool num_mod(int128 a, int a_scale, int128 b, int b_scale, int128 *out)
{
    struct wide n;
    uint128 d, q, r;
    if (!aligned(a, a_scale, b, b_scale, &n, &d)) /* Then a has the larger scale already. */
        return give(n.lo, a < 0, out);
    /* The quotient may be longer than 128 bits: its high part does not matter. */
    n.hi %= d;
    return wide_div(n, d, &q, &r) && give(r, a < 0, out);
}

bool num_quotient(int128 a, int a_scale, int128 b, int b_scale, int128 *out)
{
    struct wide n;
    uint128 d, q, r;
    if (!aligned(a, a_scale, b, b_scale, &n, &d)) {
        *out = 0;
        return true;
    }
    return wide_div(n, d, &q, &r) && give(q, (a < 0) != (b < 0), out);
}

int num_compare(int128 a, int a_scale, int128 b, int b_scale)
{
    if (a_scale == b_scale || (a < 0) != (b < 0))
        return (a > b) - (a < b);
    int scale = MAX(a_scale, b_scale);
    struct wide x = wide_mul(magnitude(a), num_pow10[scale - a_scale]);
    struct wide y = wide_mul(magnitude(b), num_pow10[scale - b_scale]);
    int c = x.hi != y.hi ? (x.hi > y.hi) - (x.hi < y.hi) : (x.lo > y.lo) - (x.lo < y.lo);
    return a < 0 ? -c : c;
}

/* Up to 2^53 and 10^22 both sides are exact, so that the quotient is rounded once. */
double num_to_double(int128 v, int scale)
{
    static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (magnitude(v) <= (uint128)1 << 53 && scale < (int)COUNT_OF(pow10))
        return (double)v / pow10[scale];
    return (double)num_to_real(v, scale);
}

num_real num_to_real(int128 v, int scale)
{
    return (num_real)v / (num_real)num_pow10[scale];
}

bool num_from_real(num_real r, int scale, int128 *out)
{
    num_real scaled = (r < 0 ? -r : r) * (num_real)num_pow10[scale];
    if (!(scaled < (num_real)num_pow10[NUM_DIGITS_MAX] - 1))
        return false;
    uint128 whole = (uint128)scaled;
    whole += scaled - (num_real)whole >= 0.5Q;
    return give(whole, r < 0, out);
}

/* Newton's method from the double: 53, 106, 113 bits. */
num_real num_real_sqrt(num_real x)
{
    if (x == 0)
        return 0;
    num_real y = (num_real)sqrt((double)x);
    for (int i = 0; i < 3; i++)
        y = (y + x / y) / 2;
    return y;
}

num_real num_real_exp(num_real x)
{
    const num_real ln2 = 0.693147180559945309417232121458176568Q;
    int k = (int)(x / ln2 + (x < 0 ? -0.5Q : 0.5Q));
    num_real r = x - (num_real)k * ln2, term = 1, sum = 1;
    for (int i = 1; i < 40; i++) {
        term = term * r / (num_real)i;
        sum += term;
    }
    num_real two = k < 0 ? 0.5Q : 2.0Q;
    for (int n = k < 0 ? -k : k; n > 0; n >>= 1) {
        if (n & 1)
            sum *= two;
        two *= two;
    }
    return sum;
}

/* Halley's method on exp: cubic, so two rounds from 53 bits are plenty. */
num_real num_real_ln(num_real x)
{
    num_real y = (num_real)log((double)x);
    for (int i = 0; i < 2; i++) {
        num_real e = num_real_exp(y);
        y += 2 * (x - e) / (x + e);
    }
    return y;
}
