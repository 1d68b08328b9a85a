/* fn_math.c - arithmetic and mathematical functions on integers, floats and decimals. */
#include <math.h>
#include <stdatomic.h>

#include "exec/fn_body.h"
#include "exec/fn_num.h"

static bool divided_by_zero(struct fn_call *call)
{
    return fn_fail(call, KDK_DIVISION_BY_ZERO, "division by zero");
}

/* ------------------------------------------------------------------ integers ---- */

#define INTEGER_BODIES(S, T, U, TYPE, SHIFT_MASK)                                          \
    static bool give_##S(struct fn_call *call, bool bad, T v, struct datum *out)           \
    {                                                                                      \
        out->i = v;                                                                        \
        return !bad || fn_fail_range(call, TYPE);                                          \
    }                                                                                      \
    FN_BODY(ADD_##S)                                                                       \
    {                                                                                      \
        T r;                                                                               \
        bool bad = __builtin_add_overflow((T)args[0].i, (T)args[1].i, &r);                 \
        return give_##S(call, bad, r, out);                                                \
    }                                                                                      \
    FN_BODY(SUB_##S)                                                                       \
    {                                                                                      \
        T r;                                                                               \
        bool bad = __builtin_sub_overflow((T)args[0].i, (T)args[1].i, &r);                 \
        return give_##S(call, bad, r, out);                                                \
    }                                                                                      \
    FN_BODY(MUL_##S)                                                                       \
    {                                                                                      \
        T r;                                                                               \
        bool bad = __builtin_mul_overflow((T)args[0].i, (T)args[1].i, &r);                 \
        return give_##S(call, bad, r, out);                                                \
    }                                                                                      \
    FN_BODY(DIV_##S)                                                                       \
    {                                                                                      \
        T r, a = (T)args[0].i, b = (T)args[1].i;                                           \
        if (b == 0)                                                                        \
            return divided_by_zero(call);                                                  \
        if (b == -1) {                                                                     \
            bool bad = __builtin_sub_overflow((T)0, a, &r);                                \
            return give_##S(call, bad, r, out);                                            \
        }                                                                                  \
        out->i = a / b;                                                                    \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(IDIV_##S)                                                                      \
    {                                                                                      \
        return fn_do_DIV_##S(call, args, out);                                             \
    }                                                                                      \
    FN_BODY(MOD_##S)                                                                       \
    {                                                                                      \
        T a = (T)args[0].i, b = (T)args[1].i;                                              \
        if (b == 0)                                                                        \
            return divided_by_zero(call);                                                  \
        out->i = b == -1 ? 0 : a % b;                                                      \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(NEG_##S)                                                                       \
    {                                                                                      \
        T r;                                                                               \
        bool bad = __builtin_sub_overflow((T)0, (T)args[0].i, &r);                         \
        return give_##S(call, bad, r, out);                                                \
    }                                                                                      \
    FN_BODY(ABS_##S)                                                                       \
    {                                                                                      \
        return args[0].i < 0 ? fn_do_NEG_##S(call, args, out)                              \
                             : fn_do_POS_##S(call, args, out);                             \
    }                                                                                      \
    FN_BODY(POS_##S)                                                                       \
    {                                                                                      \
        out->i = args[0].i;                                                                \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(BITAND_##S)                                                                    \
    {                                                                                      \
        out->i = args[0].i & args[1].i;                                                    \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(BITOR_##S)                                                                     \
    {                                                                                      \
        out->i = args[0].i | args[1].i;                                                    \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(BITXOR_##S)                                                                    \
    {                                                                                      \
        out->i = args[0].i ^ args[1].i;                                                    \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(BITNOT_##S)                                                                    \
    {                                                                                      \
        out->i = ~args[0].i;                                                               \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(SHL_##S)                                                                       \
    {                                                                                      \
        out->i = (T)(U)((uint64_t)args[0].i << (args[1].i & SHIFT_MASK));                  \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(SHR_##S)                                                                       \
    {                                                                                      \
        out->i = args[0].i >> (args[1].i & SHIFT_MASK);                                    \
        return true;                                                                       \
    }
/* The narrow ones shift as int does. */
INTEGER_BODIES(I1, int8_t, uint8_t, LT_TINYINT, 31)
INTEGER_BODIES(I2, int16_t, uint16_t, LT_SMALLINT, 31)
INTEGER_BODIES(I4, int32_t, uint32_t, LT_INTEGER, 31)
INTEGER_BODIES(I8, int64_t, uint64_t, LT_BIGINT, 63)

/* Euclid's algorithm on magnitudes. */
static uint64_t gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a,
             y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return x;
}

static bool common_divisor(struct fn_call *call, const struct datum *args, uint8_t type,
                           int64_t most, struct datum *out)
{
    uint64_t g = gcd(args[0].i, args[1].i);
    if (g > (uint64_t)most)
        return fn_fail_range(call, type);
    out->i = (int64_t)g;
    return true;
}

static bool common_multiple(struct fn_call *call, const struct datum *args, uint8_t type,
                            int64_t most, struct datum *out)
{
    if (args[0].i == 0 || args[1].i == 0)
        return true;
    int128 lcm = (int128)args[0].i / (int128)gcd(args[0].i, args[1].i) * args[1].i;
    lcm = lcm < 0 ? -lcm : lcm;
    if (lcm > most)
        return fn_fail_range(call, type);
    out->i = (int64_t)lcm;
    return true;
}

FN_BODY(GCD_I4)
{
    return common_divisor(call, args, LT_INTEGER, INT32_MAX, out);
}
FN_BODY(GCD_I8)
{
    return common_divisor(call, args, LT_BIGINT, INT64_MAX, out);
}
FN_BODY(LCM_I4)
{
    return common_multiple(call, args, LT_INTEGER, INT32_MAX, out);
}
FN_BODY(LCM_I8)
{
    return common_multiple(call, args, LT_BIGINT, INT64_MAX, out);
}

/* -------------------------------------------------------------------- floats ---- */

static bool overflowed(struct fn_call *call)
{
    return fn_fail(call, KDK_OUT_OF_RANGE, "value out of range: overflow");
}

static bool underflowed(struct fn_call *call)
{
    return fn_fail(call, KDK_OUT_OF_RANGE, "value out of range: underflow");
}

#define FLOAT_BODIES(S, T)                                                                 \
    FN_BODY(ADD_##S)                                                                       \
    {                                                                                      \
        T r = (T)args[0].f + (T)args[1].f;                                                 \
        out->f = (double)r;                                                                \
        return !isinf(r) || isinf(args[0].f) || isinf(args[1].f) || overflowed(call);      \
    }                                                                                      \
    FN_BODY(SUB_##S)                                                                       \
    {                                                                                      \
        T r = (T)args[0].f - (T)args[1].f;                                                 \
        out->f = (double)r;                                                                \
        return !isinf(r) || isinf(args[0].f) || isinf(args[1].f) || overflowed(call);      \
    }                                                                                      \
    FN_BODY(MUL_##S)                                                                       \
    {                                                                                      \
        T r = (T)args[0].f * (T)args[1].f;                                                 \
        out->f = (double)r;                                                                \
        if (isinf(r) && !isinf(args[0].f) && !isinf(args[1].f))                            \
            return overflowed(call);                                                       \
        return r != 0 || args[0].f == 0 || args[1].f == 0 || underflowed(call);            \
    }                                                                                      \
    FN_BODY(DIV_##S)                                                                       \
    {                                                                                      \
        if (args[1].f == 0 && !isnan(args[0].f))                                           \
            return divided_by_zero(call);                                                  \
        T r = (T)args[0].f / (T)args[1].f;                                                 \
        out->f = (double)r;                                                                \
        if (isinf(r) && !isinf(args[0].f))                                                 \
            return overflowed(call);                                                       \
        return r != 0 || args[0].f == 0 || isinf(args[1].f) || underflowed(call);          \
    }                                                                                      \
    FN_BODY(NEG_##S)                                                                       \
    {                                                                                      \
        out->f = -args[0].f;                                                               \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(POS_##S)                                                                       \
    {                                                                                      \
        out->f = args[0].f;                                                                \
        return true;                                                                       \
    }                                                                                      \
    FN_BODY(ABS_##S)                                                                       \
    {                                                                                      \
        out->f = fabs(args[0].f);                                                          \
        return true;                                                                       \
    }
FLOAT_BODIES(F4, float)
FLOAT_BODIES(F8, double)

/* The functions of one double; x is the argument. */
#define DOUBLE_BODY(ID, CHECKS, VALUE)                                                     \
    FN_BODY(ID)                                                                            \
    {                                                                                      \
        double x = args[0].f;                                                              \
        CHECKS;                                                                            \
        out->f = (VALUE);                                                                  \
        return true;                                                                       \
    }
#define REFUSE(COND, STATUS, TEXT)                                                         \
    do {                                                                                   \
        if (COND)                                                                          \
            return fn_fail(call, STATUS, TEXT);                                            \
    } while (0)
#define RADIANS_PER_DEGREE 0.0174532925199432957692
#define NO_INFINITY        REFUSE(isinf(x), KDK_OUT_OF_RANGE, "input is out of range")
#define WITHIN_ONE         REFUSE(x<-1 || x> 1, KDK_OUT_OF_RANGE, "input is out of range")
#define POSITIVE                                                                           \
    REFUSE(x == 0, KDK_BAD_LOGARITHM, "cannot take logarithm of zero");                    \
    REFUSE(x < 0, KDK_BAD_LOGARITHM, "cannot take logarithm of a negative number")
DOUBLE_BODY(CEIL_F8, , ceil(x))
DOUBLE_BODY(FLOOR_F8, , floor(x))
DOUBLE_BODY(ROUND_F8, , rint(x)) /* half to even */
DOUBLE_BODY(TRUNC_F8, , trunc(x))
DOUBLE_BODY(SIGN_F8, , x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0)
DOUBLE_BODY(SQRT_F8,
            REFUSE(x < 0, KDK_BAD_POWER, "cannot take square root of a negative number"),
            sqrt(x))
DOUBLE_BODY(LN_F8, POSITIVE, log(x))
DOUBLE_BODY(LOG_F8, POSITIVE, log10(x))
DOUBLE_BODY(LOG10_F8, POSITIVE, log10(x))
DOUBLE_BODY(SIN_F8, NO_INFINITY, sin(x))
DOUBLE_BODY(COS_F8, NO_INFINITY, cos(x))
DOUBLE_BODY(TAN_F8, NO_INFINITY, tan(x))
DOUBLE_BODY(COT_F8, NO_INFINITY, 1.0 / tan(x))
DOUBLE_BODY(ASIN_F8, WITHIN_ONE, asin(x))
DOUBLE_BODY(ACOS_F8, WITHIN_ONE, acos(x))
DOUBLE_BODY(ATAN_F8, , atan(x))
DOUBLE_BODY(CBRT_F8, ,
            (double)cbrtl(x)) /* cbrt() is off by a digit where cubes have whole roots. */
DOUBLE_BODY(SINH_F8, , sinh(x))
DOUBLE_BODY(COSH_F8, , cosh(x))
DOUBLE_BODY(TANH_F8, , tanh(x))

FN_BODY(DEGREES_F8)
{
    out->f = args[0].f / RADIANS_PER_DEGREE;
    return !isinf(out->f) || isinf(args[0].f) || overflowed(call);
}

FN_BODY(RADIANS_F8)
{
    out->f = args[0].f * RADIANS_PER_DEGREE;
    return out->f != 0 || args[0].f == 0 || underflowed(call);
}

FN_BODY(EXP_F8)
{
    double x = args[0].f;
    out->f = exp(x);
    if (isinf(out->f) && !isinf(x))
        return overflowed(call);
    return out->f != 0 || isinf(x) || underflowed(call);
}

FN_BODY(POWER_F8)
{
    double x = args[0].f, y = args[1].f;
    if (x == 0 && y < 0)
        return fn_fail(call, KDK_BAD_POWER, "zero raised to a negative power is undefined");
    if (x < 0 && !isnan(y) && y != floor(y))
        return fn_fail(
            call, KDK_BAD_POWER,
            "a negative number raised to a non-integer power yields a complex result");
    out->f = pow(x, y);
    if (isinf(x) || isinf(y))
        return true;
    if (isinf(out->f))
        return overflowed(call);
    return out->f != 0 || x == 0 || underflowed(call);
}

FN_BODY(ATAN2_F8)
{
    out->f = atan2(args[0].f, args[1].f);
    return true;
}

FN_BODY(PI)
{
    out->f = M_PI;
    return true;
}

/* Not for secrets: a counter through a mixer (Steele, Lea, Flood, Fast Splittable
 * Pseudorandom Number Generators, OOPSLA 2014), shared by all threads so that no two calls
 * see one value. Relaxed: only its uniqueness matters. */
FN_BODY(RANDOM)
{
    static _Atomic uint64_t counter;
    uint64_t n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    out->f = (double)(hash_u64((n + (uint64_t)call->env->now_us) * 0x9e3779b97f4a7c15ull) >>
                      11) *
             0x1p-53;
    return true;
}

/* ------------------------------------------------------------------ decimals ---- */

static bool num_overflow(struct fn_call *call)
{
    return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
}

static int scale_of(const struct fn_call *call, uint32_t i)
{
    return fn_arg_type(call, i).scale;
}

/* Both at the result's scale, the larger of theirs. */
static bool aligned(struct fn_call *call, const struct datum *args, int128 *a, int128 *b)
{
    int scale = call->expr->type.scale;
    return num_rescale(args[0].w, scale_of(call, 0), scale, a) &&
           num_rescale(args[1].w, scale_of(call, 1), scale, b);
}

FN_BODY(ADD_NUM)
{
    int128 a, b;
    if (!aligned(call, args, &a, &b) || __builtin_add_overflow(a, b, &out->w) ||
        !num_fits(out->w))
        return num_overflow(call);
    return true;
}
FN_BODY(SUB_NUM)
{
    int128 a, b;
    if (!aligned(call, args, &a, &b) || __builtin_sub_overflow(a, b, &out->w) ||
        !num_fits(out->w))
        return num_overflow(call);
    return true;
}
FN_BODY(MUL_NUM)
{
    int drop = scale_of(call, 0) + scale_of(call, 1) - call->expr->type.scale;
    return num_mul(args[0].w, args[1].w, drop, &out->w) || num_overflow(call);
}
FN_BODY(DIV_NUM)
{
    if (args[1].w == 0)
        return divided_by_zero(call);
    int up = call->expr->type.scale + scale_of(call, 1) - scale_of(call, 0);
    return num_div(args[0].w, args[1].w, up, &out->w) || num_overflow(call);
}
FN_BODY(MOD_NUM)
{
    if (args[1].w == 0)
        return divided_by_zero(call);
    return num_mod(args[0].w, scale_of(call, 0), args[1].w, scale_of(call, 1), &out->w) ||
           num_overflow(call);
}
FN_BODY(IDIV_NUM)
{
    if (args[1].w == 0)
        return divided_by_zero(call);
    return num_quotient(args[0].w, scale_of(call, 0), args[1].w, scale_of(call, 1),
                        &out->w) ||
           num_overflow(call);
}
FN_BODY(DIV_WHOLE_NUM)
{
    return fn_do_IDIV_NUM(call, args, out);
}
FN_BODY(NEG_NUM)
{
    out->w = -args[0].w;
    return true;
}
FN_BODY(POS_NUM)
{
    out->w = args[0].w;
    return true;
}
FN_BODY(ABS_NUM)
{
    out->w = args[0].w < 0 ? -args[0].w : args[0].w;
    return true;
}
FN_BODY(SIGN_NUM)
{
    out->w = (args[0].w > 0) - (args[0].w < 0);
    return true;
}

static bool to_whole(const struct fn_call *call, const struct datum *args, bool up,
                     struct datum *out)
{
    int128 d = (int128)num_pow10[scale_of(call, 0)], w = args[0].w, q = w / d, r = w % d;
    out->w = q + (up && r > 0) - (!up && r < 0);
    return true;
}
FN_BODY(CEIL_NUM)
{
    return to_whole(call, args, true, out);
}
FN_BODY(FLOOR_NUM)
{
    return to_whole(call, args, false, out);
}

/* To `places` digits after the point (before it, when negative), then to the result's
 * scale, which has no fewer unless nothing is cut. */
static bool round_to(struct fn_call *call, int128 v, int64_t places, bool truncate,
                     struct datum *out)
{
    int scale = scale_of(call, 0), to = call->expr->type.scale;
    int64_t drop = scale - places;
    if (drop > NUM_DIGITS_MAX) { /* Half of 10^39 is more than there is. */
        out->w = 0;
        return true;
    }
    if (drop > 0) {
        int128 d = (int128)num_pow10[drop], r = v % d, size = r < 0 ? -r : r;
        v /= d;
        if (!truncate && size >= d - size)
            v += r < 0 ? -1 : 1;
        int64_t up = to - places;
        if (v == 0)
            return true;
        if (up > NUM_DIGITS_MAX)
            return num_overflow(call);
        return num_mul(v, (int128)num_pow10[up], 0, &out->w) || num_overflow(call);
    }
    return num_rescale(v, scale, to, &out->w) || num_overflow(call);
}
FN_BODY(ROUND_NUM)
{
    return round_to(call, args[0].w, 0, false, out);
}
FN_BODY(TRUNC_NUM)
{
    return round_to(call, args[0].w, 0, true, out);
}
FN_BODY(ROUND_NUM_I4)
{
    return round_to(call, args[0].w, args[1].i, false, out);
}
FN_BODY(TRUNC_NUM_I4)
{
    return round_to(call, args[0].w, args[1].i, true, out);
}

static num_real real_arg(const struct fn_call *call, const struct datum *args, uint32_t i)
{
    return num_to_real(args[i].w, scale_of(call, i));
}

static bool give_real(struct fn_call *call, num_real r, struct datum *out)
{
    return num_from_real(r, call->expr->type.scale, &out->w) || num_overflow(call);
}

static bool logarithm_defined(struct fn_call *call, int128 v)
{
    if (v > 0)
        return true;
    return v == 0 ? fn_fail(call, KDK_BAD_LOGARITHM, "cannot take logarithm of zero")
                  : fn_fail(call, KDK_BAD_LOGARITHM,
                            "cannot take logarithm of a negative number");
}

FN_BODY(SQRT_NUM)
{
    if (args[0].w < 0)
        return fn_fail(call, KDK_BAD_POWER, "cannot take square root of a negative number");
    return give_real(call, num_real_sqrt(real_arg(call, args, 0)), out);
}

static bool exp_of(struct fn_call *call, num_real x, struct datum *out)
{
    if (x > 100)
        return num_overflow(call);
    return x < -1000 || give_real(call, num_real_exp(x), out);
}
FN_BODY(EXP_NUM)
{
    return exp_of(call, real_arg(call, args, 0), out);
}
FN_BODY(LN_NUM)
{
    return logarithm_defined(call, args[0].w) &&
           give_real(call, num_real_ln(real_arg(call, args, 0)), out);
}
FN_BODY(LOG10_NUM)
{
    return logarithm_defined(call, args[0].w) &&
           give_real(call, num_real_ln(real_arg(call, args, 0)) / num_real_ln(10), out);
}
FN_BODY(LOG_NUM)
{
    return fn_do_LOG10_NUM(call, args, out);
}
FN_BODY(LOG_NUM_NUM)
{
    if (!logarithm_defined(call, args[0].w) || !logarithm_defined(call, args[1].w))
        return false;
    num_real base = num_real_ln(real_arg(call, args, 0));
    if (base == 0)
        return divided_by_zero(call);
    return give_real(call, num_real_ln(real_arg(call, args, 1)) / base, out);
}

FN_BODY(POWER_NUM)
{
    int128 whole_scale = (int128)num_pow10[scale_of(call, 1)];
    bool whole = args[1].w % whole_scale == 0;
    num_real x = real_arg(call, args, 0), y = real_arg(call, args, 1);

    if (x == 0 && y < 0)
        return fn_fail(call, KDK_BAD_POWER, "zero raised to a negative power is undefined");
    if (x < 0 && !whole)
        return fn_fail(
            call, KDK_BAD_POWER,
            "a negative number raised to a non-integer power yields a complex result");
    if (x == 0)
        return y == 0 ? give_real(call, 1, out) : true;
    bool negative = x < 0 && args[1].w / whole_scale % 2 != 0;
    num_real size = x < 0 ? -x : x;
    int128 n = args[1].w / whole_scale;
    if (whole && n > -512 && n < 512) { /* By squaring, exact where 113 bits are. */
        num_real r = 1, square = size;
        for (int128 k = n < 0 ? -n : n; k > 0; k >>= 1) {
            if (k & 1)
                r *= square;
            square *= square;
        }
        r = n < 0 ? 1 / r : r;
        return give_real(call, negative ? -r : r, out);
    }
    if (!exp_of(call, y * num_real_ln(size), out))
        return false;
    out->w = negative ? -out->w : out->w;
    return true;
}

/* ------------------------------------------------------------- more of floats ---- */

FN_BODY(ASINH_F8)
{
    out->f = asinh(args[0].f);
    return true;
}
FN_BODY(ACOSH_F8)
{
    if (args[0].f < 1)
        return fn_fail(call, KDK_OUT_OF_RANGE, "input is out of range");
    out->f = acosh(args[0].f);
    return true;
}
FN_BODY(ATANH_F8)
{
    if (args[0].f < -1 || args[0].f > 1)
        return fn_fail(call, KDK_OUT_OF_RANGE, "input is out of range");
    out->f = atanh(args[0].f);
    return true;
}

/* In degrees, exact where the answer is a round number: the quadrant is taken off first,
 * and sines and cosines are scaled by what the library says of 30 and 60 degrees, so that
 * sind(30) is 0.5. */
static double radians(double degrees)
{
    return degrees * (M_PI / 180);
}
static double sine_to_45(double x) /* 0..45, through sind(30) = 0.5 */
{
    return x <= 30 ? sin(radians(x)) / sin(radians(30)) / 2 : sin(radians(x));
}
static double cosine_to_60(double x) /* 0..60, through 1 - cosd(60) = 0.5 */
{
    return 1 - (1 - cos(radians(x))) / (1 - cos(radians(60))) / 2;
}
static double sine_first(double x) /* 0..90 */
{
    return x <= 30 ? sine_to_45(x) : cosine_to_60(90 - x);
}
static double cosine_first(double x)
{
    return x <= 60 ? cosine_to_60(x) : sine_to_45(90 - x);
}
static bool degrees_good(struct fn_call *call, double x)
{
    return !isinf(x) || fn_fail(call, KDK_OUT_OF_RANGE, "input is out of range");
}
static double sind_of(double x)
{
    double sign = x < 0 ? -1 : 1;
    x = fmod(fabs(x), 360);
    if (x > 180) {
        x = 360 - x;
        sign = -sign;
    }
    return sign * sine_first(x > 90 ? 180 - x : x);
}
static double cosd_of(double x)
{
    x = fmod(fabs(x), 360);
    if (x > 180)
        x = 360 - x;
    return x > 90 ? -cosine_first(180 - x) : cosine_first(x);
}
/* The first quadrant's tangent and cotangent, scaled so that 45 degrees give 1; `sign` gets
 * the quadrant's. */
static double tangent(double x, bool cotangent)
{
    double sign = x < 0 ? -1 : 1;
    x = fmod(fabs(x), 360);
    if (x > 180) {
        x = 360 - x;
        sign = -sign;
    }
    if (x > 90) {
        x = 180 - x;
        sign = -sign;
    }
    double at_45 = sine_first(45) / cosine_first(45);
    double v = cotangent ? cosine_first(x) / sine_first(x) * at_45
                         : sine_first(x) / cosine_first(x) / at_45;
    v = sign * v;
    return v == 0 ? 0 : v; /* No -0. */
}
FN_BODY(SIND_F8)
{
    out->f = isnan(args[0].f) ? args[0].f : sind_of(args[0].f);
    return degrees_good(call, args[0].f);
}
FN_BODY(COSD_F8)
{
    out->f = isnan(args[0].f) ? args[0].f : cosd_of(args[0].f);
    return degrees_good(call, args[0].f);
}
FN_BODY(TAND_F8)
{
    out->f = isnan(args[0].f) ? args[0].f : tangent(args[0].f, false);
    return degrees_good(call, args[0].f);
}
FN_BODY(COTD_F8)
{
    out->f = isnan(args[0].f) ? args[0].f : tangent(args[0].f, true);
    return degrees_good(call, args[0].f);
}
/* Through asin(0.5) = 30 and acos(0.5) = 60 degrees. */
static double asind_first(double x) /* 0..1 */
{
    return x <= 0.5 ? asin(x) / asin(0.5) * 30 : 90 - acos(x) / acos(0.5) * 60;
}
static double acosd_first(double x)
{
    return x <= 0.5 ? 90 - asin(x) / asin(0.5) * 30 : acos(x) / acos(0.5) * 60;
}
FN_BODY(ASIND_F8)
{
    double x = args[0].f;
    if (x < -1 || x > 1)
        return fn_fail(call, KDK_OUT_OF_RANGE, "input is out of range");
    out->f = isnan(x) ? x : x >= 0 ? asind_first(x) : -asind_first(-x);
    return true;
}
FN_BODY(ACOSD_F8)
{
    double x = args[0].f;
    if (x < -1 || x > 1)
        return fn_fail(call, KDK_OUT_OF_RANGE, "input is out of range");
    out->f = isnan(x) ? x : x >= 0 ? acosd_first(x) : 90 + asind_first(-x);
    return true;
}
FN_BODY(ATAND_F8)
{
    out->f = atan(args[0].f) / atan(1) * 45;
    return true;
}
FN_BODY(ATAN2D_F8)
{
    out->f = atan2(args[0].f, args[1].f) / atan(1) * 45;
    return true;
}
FN_BODY(ROOT_OP)
{
    return fn_do_SQRT_F8(call, args, out);
}
FN_BODY(CUBE_ROOT_OP)
{
    return fn_do_CBRT_F8(call, args, out);
}

/* ----------------------------------------------------------------- buckets ---- */

FN_BODY(WIDTH_BUCKET_F8)
{
    double x = args[0].f, low = args[1].f, high = args[2].f;
    int64_t count = args[3].i;
    if (count <= 0)
        return fn_fail(call, KDK_BAD_BUCKETS, "count must be greater than zero");
    if (isnan(x) || isnan(low) || isnan(high))
        return fn_fail(call, KDK_BAD_BUCKETS,
                       "operand, lower bound, and upper bound cannot be NaN");
    if (isinf(low) || isinf(high))
        return fn_fail(call, KDK_BAD_BUCKETS, "lower and upper bounds must be finite");
    if (low == high)
        return fn_fail(call, KDK_BAD_BUCKETS, "lower bound cannot equal upper bound");
    bool down = low > high;
    if (down ? x > low : x < low)
        out->i = 0;
    else if (down ? x <= high : x >= high)
        out->i = count + 1;
    else
        out->i = (int64_t)((double)count * (((down ? low - x : x - low)) /
                                            (down ? low - high : high - low))) +
                 1;
    if (out->i > count && !(down ? x <= high : x >= high))
        out->i = count; /* Rounding. */
    return out->i <= INT32_MAX || fn_fail_range(call, LT_INTEGER);
}
FN_BODY(WIDTH_BUCKET_NUM)
{
    int scale = 0;
    int128 v[3], below, width, bucket;
    int64_t count = args[3].i;
    for (uint32_t i = 0; i < 3; i++)
        scale = MAX(scale, fn_arg_type(call, i).scale);
    for (uint32_t i = 0; i < 3; i++)
        if (!num_rescale(args[i].w, fn_arg_type(call, i).scale, scale, &v[i]))
            return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
    if (count <= 0)
        return fn_fail(call, KDK_BAD_BUCKETS, "count must be greater than zero");
    if (v[1] == v[2])
        return fn_fail(call, KDK_BAD_BUCKETS, "lower bound cannot equal upper bound");
    bool down = v[1] > v[2];
    if (__builtin_sub_overflow(down ? v[1] : v[0], down ? v[0] : v[1], &below) ||
        __builtin_sub_overflow(down ? v[1] : v[2], down ? v[2] : v[1], &width))
        return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
    if (below < 0) {
        out->i = 0;
    } else if (below >= width) {
        out->i = count + 1;
    } else {
        if (!num_mul(below, count, 0, &bucket))
            return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
        out->i = (int64_t)(bucket / width) + 1;
    }
    return out->i <= INT32_MAX || fn_fail_range(call, LT_INTEGER);
}

/* ---------------------------------------------------------------- decimals ---- */

FN_BODY(FACTORIAL)
{
    int128 v = 1;
    if (args[0].i < 0)
        return fn_fail(call, KDK_OUT_OF_RANGE,
                       "factorial of a negative number is undefined");
    for (int64_t i = 2; i <= args[0].i; i++)
        if (i > 40 || !num_mul(v, i, 0, &v))
            return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
    out->w = v;
    return true;
}
FN_BODY(SCALE_NUM)
{
    out->i = scale_of(call, 0);
    return true;
}
FN_BODY(MIN_SCALE_NUM)
{
    int scale = scale_of(call, 0);
    int128 v = args[0].w;
    while (scale > 0 && v % 10 == 0) {
        v /= 10;
        scale--;
    }
    out->i = scale;
    return true;
}
