/* agg.c - the aggregates: a family of functions for each shape of state. */
#include "exec/agg.h"

#include <math.h>

#include "exec/fn_body.h"
#include "exec/fn_num.h"
#include "exec/kernel.h"

/* What a family does. `add` takes one row whose (first) argument is not NULL; `batch` and
 * `groups`, where given, take whole batches of flat vectors faster: they return false to
 * leave the batch to the loop over `add`, having done nothing. */
struct agg_body {
    uint32_t bytes;
    bool flat;
    bool takes_nulls; /* count(*) */
    kdk_status (*add)(const struct agg *agg, void *state, const struct datum *args,
                      struct arena *arena, struct err *err);
    bool (*batch)(const struct agg *agg, void *state, struct vec *const *args,
                  const struct sel *sel, kdk_status *status, struct err *err);
    bool (*groups)(const struct agg *agg, void *const *groups, size_t offset,
                   struct vec *const *args, const struct sel *sel, kdk_status *status,
                   struct err *err);
    kdk_status (*combine)(const struct agg *agg, void *into, const void *from,
                          struct arena *arena, struct err *err);
    kdk_status (*finish)(const struct agg *agg, const void *state, struct datum *out,
                         struct err *err);
};

static bool flat(const struct vec *v)
{
    return v->form == VF_FLAT;
}

/* Runs BODY for each selected row, with `k` its place and `row` its number; two loops, so
 * that the dense one has no list to read. */
#define EACH_ROW(SEL, BODY)                                                                \
    do {                                                                                   \
        if ((SEL)->rows) {                                                                 \
            for (uint32_t k = 0; k < (SEL)->count; k++) {                                  \
                const uint32_t row = (SEL)->rows[k];                                       \
                (void)row;                                                                 \
                BODY;                                                                      \
            }                                                                              \
        } else {                                                                           \
            for (uint32_t k = 0; k < (SEL)->count; k++) {                                  \
                const uint32_t row = k;                                                    \
                (void)row;                                                                 \
                BODY;                                                                      \
            }                                                                              \
        }                                                                                  \
    } while (0)
/* The same for valid rows only. */
#define EACH_VALID(VEC, SEL, BODY)                                                         \
    do {                                                                                   \
        const uint64_t *valid_ = (VEC)->validity;                                          \
        if (!valid_)                                                                       \
            EACH_ROW(SEL, BODY);                                                           \
        else                                                                               \
            EACH_ROW(                                                                      \
                SEL, if (bit_get(valid_, row)) { BODY; });                                 \
    } while (0)
#define STATE(T) ((T *)(void *)((char *)groups[k] + offset))
/* One loop per physical width of an integer vector; `v` is the value. */
#define EACH_INTEGER(VEC, SEL, BODY)                                                       \
    do {                                                                                   \
        switch ((enum vwidth)(VEC)->width) {                                               \
        case W_8: {                                                                        \
            const int8_t *data_ = (VEC)->data;                                             \
            EACH_VALID(VEC, SEL, {                                                         \
                const int64_t v = data_[row];                                              \
                BODY;                                                                      \
            });                                                                            \
            break;                                                                         \
        }                                                                                  \
        case W_16: {                                                                       \
            const int16_t *data_ = (VEC)->data;                                            \
            EACH_VALID(VEC, SEL, {                                                         \
                const int64_t v = data_[row];                                              \
                BODY;                                                                      \
            });                                                                            \
            break;                                                                         \
        }                                                                                  \
        case W_32: {                                                                       \
            const int32_t *data_ = (VEC)->data;                                            \
            EACH_VALID(VEC, SEL, {                                                         \
                const int64_t v = data_[row];                                              \
                BODY;                                                                      \
            });                                                                            \
            break;                                                                         \
        }                                                                                  \
        case W_64: {                                                                       \
            const int64_t *data_ = (VEC)->data;                                            \
            EACH_VALID(VEC, SEL, {                                                         \
                const int64_t v = data_[row];                                              \
                BODY;                                                                      \
            });                                                                            \
            break;                                                                         \
        }                                                                                  \
        case W_128: {                                                                      \
            const int128 *data_ = (VEC)->data;                                             \
            EACH_VALID(VEC, SEL, {                                                         \
                const int128 v = data_[row];                                               \
                BODY;                                                                      \
            });                                                                            \
            break;                                                                         \
        }                                                                                  \
        case W_BIT:                                                                        \
        case W_F32:                                                                        \
        case W_F64:                                                                        \
        case W_STR:                                                                        \
            return false;                                                                  \
        }                                                                                  \
    } while (0)

/* ------------------------------------------------------------------- count ---- */

struct count_state {
    int64_t n;
    int64_t unused;
};
static kdk_status count_add(const struct agg *agg, void *state, const struct datum *args,
                            struct arena *arena, struct err *err)
{
    (void)agg, (void)args, (void)arena, (void)err;
    ((struct count_state *)state)->n++;
    return KDK_OK;
}
static bool count_batch(const struct agg *agg, void *state, struct vec *const *args,
                        const struct sel *sel, kdk_status *status, struct err *err)
{
    (void)status, (void)err;
    struct count_state *s = state;
    if (agg->arg_count == 0)
        s->n += sel->count;
    else if (args[0]->form == VF_CONSTANT)
        s->n += vec_valid(args[0], 0) ? sel->count : 0;
    else
        s->n += kernel_count_valid(args[0]->validity, sel->rows, sel->count);
    return true;
}
static bool count_groups(const struct agg *agg, void *const *groups, size_t offset,
                         struct vec *const *args, const struct sel *sel, kdk_status *status,
                         struct err *err)
{
    (void)status, (void)err;
    if (agg->arg_count == 0 || (!args[0]->validity)) {
        for (uint32_t k = 0; k < sel->count; k++)
            STATE(struct count_state)->n++;
        return true;
    }
    if (args[0]->form == VF_CONSTANT)
        return false;
    EACH_VALID(args[0], sel, STATE(struct count_state)->n++);
    return true;
}
static kdk_status count_combine(const struct agg *agg, void *into, const void *from,
                                struct arena *arena, struct err *err)
{
    (void)agg, (void)arena, (void)err;
    ((struct count_state *)into)->n += ((const struct count_state *)from)->n;
    return KDK_OK;
}
static kdk_status count_finish(const struct agg *agg, const void *state, struct datum *out,
                               struct err *err)
{
    (void)agg, (void)err;
    *out = (struct datum){.i = ((const struct count_state *)state)->n};
    return KDK_OK;
}

/* ----------------------------------------------- sums of integers and decimals ---- */

/* 128 bits: a sum of bigints needs 2^64 of them to leave it. */
struct sum_state {
    int128 sum;
    uint64_t n;
};
static kdk_status sum_overflow(const struct agg *agg, struct err *err)
{
    if (agg->result.id == LT_NUMERIC)
        return err_set(err, KDK_OUT_OF_RANGE, "value overflows numeric format");
    return err_set(err, KDK_OUT_OF_RANGE, "%s out of range", ltype_id_name(agg->result.id));
}
static kdk_status sum_add(const struct agg *agg, void *state, const struct datum *args,
                          struct arena *arena, struct err *err)
{
    (void)arena;
    struct sum_state *s = state;
    s->n++;
    if (__builtin_add_overflow(
            s->sum, agg->args[0].id == LT_NUMERIC ? args[0].w : args[0].i, &s->sum))
        return sum_overflow(agg, err);
    return KDK_OK;
}
static bool sum_batch(const struct agg *agg, void *state, struct vec *const *args,
                      const struct sel *sel, kdk_status *status, struct err *err)
{
    struct sum_state *s = state;
    struct vec *v = args[0];
    if (!flat(v) || !kernels()->sum_int[v->width])
        return false;
    if (!kernels()->sum_int[v->width](v->data, v->validity, sel->rows, sel->count, &s->sum))
        *status = sum_overflow(agg, err);
    s->n += kernel_count_valid(v->validity, sel->rows, sel->count);
    return true;
}
static bool sum_groups(const struct agg *agg, void *const *groups, size_t offset,
                       struct vec *const *args, const struct sel *sel, kdk_status *status,
                       struct err *err)
{
    if (!flat(args[0]))
        return false;
    bool overflow = false;
    EACH_INTEGER(args[0], sel, {
        struct sum_state *s = STATE(struct sum_state);
        overflow |= __builtin_add_overflow(s->sum, (int128)v, &s->sum);
        s->n++;
    });
    if (overflow)
        *status = sum_overflow(agg, err);
    return true;
}
static kdk_status sum_combine(const struct agg *agg, void *into, const void *from,
                              struct arena *arena, struct err *err)
{
    (void)arena;
    struct sum_state *s = into;
    const struct sum_state *f = from;
    s->n += f->n;
    if (__builtin_add_overflow(s->sum, f->sum, &s->sum))
        return sum_overflow(agg, err);
    return KDK_OK;
}
static kdk_status sum_finish(const struct agg *agg, const void *state, struct datum *out,
                             struct err *err)
{
    const struct sum_state *s = state;
    *out = DATUM_NULL;
    if (s->n == 0)
        return KDK_OK;
    out->null = false;
    if (agg->result.id == LT_NUMERIC) {
        out->w = s->sum;
        return num_fits(s->sum) ? KDK_OK : sum_overflow(agg, err);
    }
    out->i = (int64_t)s->sum;
    return s->sum == out->i ? KDK_OK : sum_overflow(agg, err);
}
static kdk_status avg_finish(const struct agg *agg, const void *state, struct datum *out,
                             struct err *err)
{
    const struct sum_state *s = state;
    *out = DATUM_NULL;
    if (s->n == 0)
        return KDK_OK;
    out->null = false;
    int scale = agg->args[0].id == LT_NUMERIC ? agg->args[0].scale : 0;
    return num_fits(s->sum) &&
                   num_div(s->sum, (int128)s->n, agg->result.scale - scale, &out->w)
               ? KDK_OK
               : sum_overflow(agg, err);
}

/* ----------------------------------------------------------- sums of floats ---- */

struct fsum_state {
    double sum;
    uint64_t n;
};
/* An infinite sum of finite values is an error. `before` is what the sum was. */
static kdk_status fsum_check(const struct agg *agg, double before, double after,
                             bool infinite_input, struct err *err)
{
    (void)agg;
    if (isinf(after) && !isinf(before) && !infinite_input)
        return err_set(err, KDK_OUT_OF_RANGE, "value out of range: overflow");
    return KDK_OK;
}
static kdk_status fsum_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    (void)arena;
    struct fsum_state *s = state;
    double before = s->sum;
    s->sum += args[0].f;
    s->n++;
    return fsum_check(agg, before, s->sum, isinf(args[0].f), err);
}
static bool fsum_batch(const struct agg *agg, void *state, struct vec *const *args,
                       const struct sel *sel, kdk_status *status, struct err *err)
{
    (void)agg, (void)status, (void)err;
    struct fsum_state *s = state;
    struct vec *v = args[0];
    double sum = 0;
    if (!flat(v) || !kernels()->sum_float[v->width])
        return false;
    kernels()->sum_float[v->width](v->data, v->validity, sel->rows, sel->count, &sum);
    if (isinf(s->sum + sum)) /* Row by row it is found out whether that is right. */
        return false;
    s->sum += sum;
    s->n += kernel_count_valid(v->validity, sel->rows, sel->count);
    return true;
}
static bool fsum_groups(const struct agg *agg, void *const *groups, size_t offset,
                        struct vec *const *args, const struct sel *sel, kdk_status *status,
                        struct err *err)
{
    (void)agg, (void)status, (void)err;
    if (!flat(args[0]) || args[0]->width != W_F64)
        return false;
    const double *data = args[0]->data;
    EACH_VALID(args[0], sel, {
        struct fsum_state *s = STATE(struct fsum_state);
        double before = s->sum;
        s->sum += data[row];
        s->n++;
        if (KDK_UNLIKELY(isinf(s->sum)) && *status == KDK_OK)
            *status = fsum_check(agg, before, s->sum, isinf(data[row]), err);
    });
    return true;
}
static kdk_status fsum_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    (void)arena;
    struct fsum_state *s = into;
    const struct fsum_state *f = from;
    double before = s->sum;
    s->sum += f->sum;
    s->n += f->n;
    return fsum_check(agg, before, s->sum, isinf(f->sum), err);
}
static kdk_status fsum_finish(const struct agg *agg, const void *state, struct datum *out,
                              struct err *err)
{
    const struct fsum_state *s = state;
    *out = DATUM_NULL;
    if (s->n == 0)
        return KDK_OK;
    out->null = false;
    out->f = agg->result.id == LT_REAL ? (double)(float)s->sum : s->sum;
    return fsum_check(agg, s->sum, out->f, false, err);
}
static kdk_status favg_finish(const struct agg *agg, const void *state, struct datum *out,
                              struct err *err)
{
    (void)agg, (void)err;
    const struct fsum_state *s = state;
    *out = s->n ? (struct datum){.f = s->sum / (double)s->n} : DATUM_NULL;
    return KDK_OK;
}

/* ---------------------------------------------------------- variance and such ---- */

/* Youngs and Cramer's recurrence (Technometrics 13, 1971), as PostgreSQL has it, so that
 * the last digits agree: sums, and sums of products of what is away from the mean, here of
 * x and y. False when finite values gave something infinite. */
static bool products_add(double n, double x, double sum_x, double y, double sum_y,
                         bool pair, double *products)
{
    double away_x = x * n - sum_x, away_y = y * n - sum_y, both = n * (n - 1);
    *products += pair ? away_x * away_y * (1 / both) : away_x * away_y / both;
    return !isinf(*products) && !isinf(sum_x) && !isinf(sum_y);
}
/* The products of both parts, of a and b rows. */
static double products_combine(double a, double b, double from_x, double into_x,
                               double from_y, double into_y)
{
    return a * b * (into_x / a - from_x / b) * (into_y / a - from_y / b) / (a + b);
}
static kdk_status float_overflow(struct err *err)
{
    return err_set(err, KDK_OUT_OF_RANGE, "value out of range: overflow");
}

struct var_state {
    uint64_t n;
    double sum, squares;
    double unused;
};
static kdk_status var_add(const struct agg *agg, void *state, const struct datum *args,
                          struct arena *arena, struct err *err)
{
    (void)agg, (void)arena;
    struct var_state *s = state;
    double x = args[0].f, before = s->sum;
    s->n++;
    s->sum += x;
    if (s->n == 1) {
        s->squares = isfinite(x) ? 0 : (double)NAN;
    } else if (!products_add((double)s->n, x, s->sum, x, s->sum, false, &s->squares)) {
        if (!isinf(before) && !isinf(x))
            return float_overflow(err);
        s->squares = (double)NAN;
    }
    return KDK_OK;
}
static kdk_status var_combine(const struct agg *agg, void *into, const void *from,
                              struct arena *arena, struct err *err)
{
    (void)agg, (void)arena;
    struct var_state *s = into;
    const struct var_state *f = from;
    if (f->n == 0)
        return KDK_OK;
    if (s->n == 0) {
        *s = *f;
        return KDK_OK;
    }
    bool infinite = isinf(s->sum) || isinf(f->sum);
    s->squares += f->squares + products_combine((double)s->n, (double)f->n, f->sum, s->sum,
                                                f->sum, s->sum);
    s->sum += f->sum;
    s->n += f->n;
    return !infinite && (isinf(s->sum) || isinf(s->squares)) ? float_overflow(err) : KDK_OK;
}
static kdk_status var_finish(const struct agg *agg, const void *state, struct datum *out,
                             struct err *err)
{
    (void)err;
    const struct var_state *s = state;
    bool sample = agg->fn == FN_STDDEV_SAMP_F8 || agg->fn == FN_VAR_SAMP_F8;
    bool root = agg->fn == FN_STDDEV_SAMP_F8 || agg->fn == FN_STDDEV_POP_F8;
    if (s->n < (sample ? 2u : 1u)) {
        *out = DATUM_NULL;
        return KDK_OK;
    }
    double v = s->squares / (double)(s->n - sample);
    *out = (struct datum){.f = root ? sqrt(v) : v};
    return KDK_OK;
}

/* Of integers and decimals: the sums of values and of squares, exactly, in 64-bit limbs
 * from the lowest: a square has 253 bits at most. So is what is left when one is taken from
 * the other, however near they are; only then it becomes a float. */
enum { SUM_LIMBS = 3, SQUARE_LIMBS = 5, WIDE_LIMBS = 6 };
struct spread_state {
    uint64_t sum[SUM_LIMBS]; /* two's complement; of decimals as integers, times 10^scale */
    uint64_t squares[SQUARE_LIMBS];
    uint64_t n;
};
/* to += from, whose missing limbs are `fill`. */
static void limbs_add(uint64_t *to, uint32_t to_count, const uint64_t *from,
                      uint32_t from_count, uint64_t fill)
{
    uint128 carry = 0;
    for (uint32_t i = 0; i < to_count; i++) {
        carry += (uint128)to[i] + (i < from_count ? from[i] : fill);
        to[i] = (uint64_t)carry;
        carry >>= 64;
    }
}
static void limbs_negate(uint64_t *v, uint32_t count)
{
    uint64_t one = 1;
    for (uint32_t i = 0; i < count; i++)
        v[i] = ~v[i];
    limbs_add(v, count, &one, 1, 0);
}
/* out: a_count + b_count limbs. */
static void limbs_mul(const uint64_t *a, uint32_t a_count, const uint64_t *b,
                      uint32_t b_count, uint64_t *out)
{
    memset(out, 0, (a_count + b_count) * sizeof *out);
    for (uint32_t i = 0; i < a_count; i++) {
        uint128 carry = 0;
        for (uint32_t k = 0; k < b_count; k++) {
            carry += (uint128)a[i] * b[k] + out[i + k];
            out[i + k] = (uint64_t)carry;
            carry >>= 64;
        }
        out[i + b_count] = (uint64_t)carry;
    }
}
static kdk_status spread_add(const struct agg *agg, void *state, const struct datum *args,
                             struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct spread_state *s = state;
    int128 v = agg->args[0].id == LT_NUMERIC ? args[0].w : args[0].i;
    uint128 magnitude = v < 0 ? 0 - (uint128)v : (uint128)v;
    const uint64_t value[2] = {(uint64_t)v, (uint64_t)((uint128)v >> 64)},
                   size[2] = {(uint64_t)magnitude, (uint64_t)(magnitude >> 64)};
    uint64_t square[4];
    limbs_mul(size, 2, size, 2, square);
    limbs_add(s->sum, SUM_LIMBS, value, 2, v < 0 ? UINT64_MAX : 0);
    limbs_add(s->squares, SQUARE_LIMBS, square, 4, 0);
    s->n++;
    return KDK_OK;
}
static kdk_status spread_combine(const struct agg *agg, void *into, const void *from,
                                 struct arena *arena, struct err *err)
{
    (void)agg, (void)arena, (void)err;
    struct spread_state *s = into;
    const struct spread_state *f = from;
    limbs_add(s->sum, SUM_LIMBS, f->sum, SUM_LIMBS, 0);
    limbs_add(s->squares, SQUARE_LIMBS, f->squares, SQUARE_LIMBS, 0);
    s->n += f->n;
    return KDK_OK;
}
/* n * sum of squares - square of the sum: never negative. */
static num_real spread_of(const struct spread_state *s)
{
    uint64_t sum[SUM_LIMBS], left[WIDE_LIMBS], right[WIDE_LIMBS];
    num_real v = 0;
    memcpy(sum, s->sum, sizeof sum);
    if (sum[SUM_LIMBS - 1] >> 63)
        limbs_negate(sum, SUM_LIMBS);
    limbs_mul(s->squares, SQUARE_LIMBS, &s->n, 1, left);
    limbs_mul(sum, SUM_LIMBS, sum, SUM_LIMBS, right);
    limbs_negate(right, WIDE_LIMBS);
    limbs_add(left, WIDE_LIMBS, right, WIDE_LIMBS, 0);
    for (uint32_t i = WIDE_LIMBS; i-- > 0;)
        v = v * (num_real)0x1p64 + (num_real)left[i];
    return v;
}
static bool starts_with(const struct agg *agg, const char *what)
{
    return strncmp(fn_table[agg->fn].name, what, strlen(what)) == 0;
}
static kdk_status spread_finish(const struct agg *agg, const void *state, struct datum *out,
                                struct err *err)
{
    const struct spread_state *s = state;
    const char *name = fn_table[agg->fn].name;
    bool sample = strcmp(name + strlen(name) - 4, "samp") == 0;
    *out = DATUM_NULL;
    if (s->n < (sample ? 2u : 1u))
        return KDK_OK;
    num_real n = (num_real)s->n, v = spread_of(s),
             unit = (num_real)num_pow10[agg->args[0].scale];
    v = v / (n * (n - sample)) / unit / unit;
    if (starts_with(agg, "stddev") && v > 0)
        v = num_real_sqrt(v);
    out->null = false;
    return num_from_real(v, agg->result.scale, &out->w) ? KDK_OK : sum_overflow(agg, err);
}

/* Of pairs (y, x): Youngs and Cramer's recurrences (Technometrics 13, 1971); states are
 * combined as those of variances. */
struct pair_state {
    uint64_t n;
    double x, y, xx, yy, xy; /* sums; sums of products of what is away from the means */
};
static kdk_status pair_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    (void)agg, (void)arena;
    struct pair_state *s = state;
    if (args[1].null)
        return KDK_OK;
    double x = args[1].f, y = args[0].f, n = (double)++s->n;
    bool infinite = isinf(s->x) || isinf(s->y) || isinf(x) || isinf(y);
    s->x += x;
    s->y += y;
    if (s->n == 1) {
        s->xx = isfinite(x) ? 0 : (double)NAN;
        s->yy = isfinite(y) ? 0 : (double)NAN;
        s->xy = isfinite(x) && isfinite(y) ? 0 : (double)NAN;
        return KDK_OK;
    }
    bool xx = products_add(n, x, s->x, x, s->x, true, &s->xx),
         yy = products_add(n, y, s->y, y, s->y, true, &s->yy),
         xy = products_add(n, x, s->x, y, s->y, true, &s->xy);
    if (!infinite && !(xx && yy && xy))
        return float_overflow(err);
    s->xx = isinf(s->xx) ? (double)NAN : s->xx;
    s->yy = isinf(s->yy) ? (double)NAN : s->yy;
    s->xy = isinf(s->xy) ? (double)NAN : s->xy;
    return KDK_OK;
}
static kdk_status pair_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    (void)agg, (void)arena;
    struct pair_state *s = into;
    const struct pair_state *f = from;
    if (f->n == 0)
        return KDK_OK;
    if (s->n == 0) {
        *s = *f;
        return KDK_OK;
    }
    double a = (double)s->n, b = (double)f->n;
    bool infinite = isinf(s->x) || isinf(s->y) || isinf(f->x) || isinf(f->y);
    s->xx += f->xx + products_combine(a, b, f->x, s->x, f->x, s->x);
    s->yy += f->yy + products_combine(a, b, f->y, s->y, f->y, s->y);
    s->xy += f->xy + products_combine(a, b, f->x, s->x, f->y, s->y);
    s->x += f->x;
    s->y += f->y;
    s->n += f->n;
    return !infinite && (isinf(s->x) || isinf(s->y) || isinf(s->xx) || isinf(s->yy) ||
                         isinf(s->xy))
               ? float_overflow(err)
               : KDK_OK;
}
static kdk_status pair_finish(const struct agg *agg, const void *state, struct datum *out,
                              struct err *err)
{
    const struct pair_state *s = state;
    double n = (double)s->n, v = 0;
    bool null = s->n == 0;
    switch (agg->fn) {
    case FN_REGR_COUNT:
        *out = (struct datum){.i = (int64_t)s->n};
        return KDK_OK;
    case FN_REGR_AVGX:
        v = s->x / n;
        break;
    case FN_REGR_AVGY:
        v = s->y / n;
        break;
    case FN_REGR_SXX:
        v = s->xx;
        break;
    case FN_REGR_SYY:
        v = s->yy;
        break;
    case FN_REGR_SXY:
        v = s->xy;
        break;
    case FN_COVAR_POP:
        v = s->xy / n;
        break;
    case FN_COVAR_SAMP:
        null = s->n < 2;
        v = s->xy / (n - 1);
        break;
    case FN_CORR:
        null |= s->xx == 0 || s->yy == 0;
        v = s->xy / sqrt(s->xx * s->yy);
        break;
    case FN_REGR_R2:
        null |= s->xx == 0;
        v = s->yy == 0 ? 1 : s->xy * s->xy / (s->xx * s->yy);
        break;
    case FN_REGR_SLOPE:
        null |= s->xx == 0;
        v = s->xy / s->xx;
        break;
    default: /* FN_REGR_INTERCEPT */
        null |= s->xx == 0;
        v = (s->y - s->x * s->xy / s->xx) / n;
        break;
    }
    *out = null ? DATUM_NULL : (struct datum){.f = v};
    return null ? KDK_OK : fsum_check(agg, 0, v, isinf(s->x) || isinf(s->y), err);
}

/* --------------------------------------------------------------- min and max ---- */

static bool is_max(const struct agg *agg)
{
    return strcmp(fn_table[agg->fn].name, "max") == 0;
}

struct extreme_state { /* integers, dates */
    int64_t v;
    int64_t seen;
};
static kdk_status extreme_add(const struct agg *agg, void *state, const struct datum *args,
                              struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct extreme_state *s = state;
    if (!s->seen || (is_max(agg) ? args[0].i > s->v : args[0].i < s->v))
        s->v = args[0].i;
    s->seen = 1;
    return KDK_OK;
}
static bool extreme_batch(const struct agg *agg, void *state, struct vec *const *args,
                          const struct sel *sel, kdk_status *status, struct err *err)
{
    struct vec *v = args[0];
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
    } best;
    kernel_extreme_fn fn =
        is_max(agg) ? kernels()->max[v->width] : kernels()->min[v->width];
    if (!flat(v) || !fn)
        return false;
    if (!fn(v->data, v->validity, sel->rows, sel->count, &best))
        return true;
    int64_t wide = v->width == W_8    ? best.i8
                   : v->width == W_16 ? best.i16
                   : v->width == W_32 ? best.i32
                                      : best.i64;
    *status = extreme_add(agg, state, &(struct datum){.i = wide}, NULL, err);
    return true;
}
static bool extreme_groups(const struct agg *agg, void *const *groups, size_t offset,
                           struct vec *const *args, const struct sel *sel,
                           kdk_status *status, struct err *err)
{
    (void)status, (void)err;
    if (!flat(args[0]))
        return false;
    bool max = is_max(agg);
    EACH_INTEGER(args[0], sel, {
        struct extreme_state *s = STATE(struct extreme_state);
        if (!s->seen || (max ? v > s->v : v < s->v))
            s->v = (int64_t)v;
        s->seen = 1;
    });
    return true;
}
static kdk_status extreme_combine(const struct agg *agg, void *into, const void *from,
                                  struct arena *arena, struct err *err)
{
    const struct extreme_state *f = from;
    return f->seen ? extreme_add(agg, into, &(struct datum){.i = f->v}, arena, err)
                   : KDK_OK;
}
static kdk_status extreme_finish(const struct agg *agg, const void *state,
                                 struct datum *out, struct err *err)
{
    (void)agg, (void)err;
    const struct extreme_state *s = state;
    *out = s->seen ? (struct datum){.i = s->v} : DATUM_NULL;
    return KDK_OK;
}

struct wide_state { /* decimals; floats in `f` */
    union {
        int128 w;
        double f;
    };
    uint64_t seen;
};
static kdk_status wide_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct wide_state *s = state;
    bool decimal = agg->args[0].id == LT_NUMERIC;
    struct datum have = decimal ? (struct datum){.w = s->w} : (struct datum){.f = s->f};
    int c = s->seen ? datum_compare(agg->args[0], &args[0], &have) : 0;
    if (!s->seen || (is_max(agg) ? c > 0 : c < 0)) {
        if (decimal)
            s->w = args[0].w;
        else
            s->f = args[0].f;
    }
    s->seen = 1;
    return KDK_OK;
}
static bool wide_batch(const struct agg *agg, void *state, struct vec *const *args,
                       const struct sel *sel, kdk_status *status, struct err *err)
{
    struct vec *v = args[0];
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        int128 i128;
        float f32;
        double f64;
    } best;
    struct datum d;
    memset(&d, 0, sizeof d);
    kernel_extreme_fn fn =
        is_max(agg) ? kernels()->max[v->width] : kernels()->min[v->width];
    if (!flat(v) || !fn)
        return false;
    if (!fn(v->data, v->validity, sel->rows, sel->count, &best))
        return true;
    switch ((enum vwidth)v->width) {
    case W_8:
        d.w = best.i8;
        break;
    case W_16:
        d.w = best.i16;
        break;
    case W_32:
        d.w = best.i32;
        break;
    case W_64:
        d.w = best.i64;
        break;
    case W_128:
        d.w = best.i128;
        break;
    case W_F32:
        d.f = (double)best.f32;
        break;
    case W_F64:
        d.f = best.f64;
        break;
    case W_BIT:
    case W_STR:
        return false;
    }
    *status = wide_add(agg, state, &d, NULL, err);
    return true;
}
static bool wide_groups(const struct agg *agg, void *const *groups, size_t offset,
                        struct vec *const *args, const struct sel *sel, kdk_status *status,
                        struct err *err)
{
    (void)status, (void)err;
    if (!flat(args[0]) || agg->args[0].id != LT_NUMERIC)
        return false;
    bool max = is_max(agg);
    EACH_INTEGER(args[0], sel, {
        struct wide_state *s = STATE(struct wide_state);
        if (!s->seen || (max ? v > s->w : v < s->w))
            s->w = v;
        s->seen = 1;
    });
    return true;
}
static kdk_status wide_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    const struct wide_state *f = from;
    struct datum d = agg->args[0].id == LT_NUMERIC ? (struct datum){.w = f->w}
                                                   : (struct datum){.f = f->f};
    return f->seen ? wide_add(agg, into, &d, arena, err) : KDK_OK;
}
static kdk_status wide_finish(const struct agg *agg, const void *state, struct datum *out,
                              struct err *err)
{
    (void)err;
    const struct wide_state *s = state;
    *out = DATUM_NULL;
    if (!s->seen)
        return KDK_OK;
    out->null = false;
    if (agg->result.id == LT_NUMERIC)
        out->w = s->w;
    else
        out->f = s->f;
    return KDK_OK;
}

/* The value so far, its bytes in `room` (of the arena), which grows by doubling so that an
 * ascending column does not leave a copy of each value behind. */
struct text_state {
    struct str s;
    char *room;
    uint32_t cap;
    uint32_t seen;
};
static kdk_status text_keep(struct text_state *s, const struct str *v, struct arena *arena,
                            struct err *err)
{
    s->seen = 1;
    if (v->len <= STR_INLINE) {
        s->s = *v;
        return KDK_OK;
    }
    if (v->len > s->cap) {
        size_t cap = MAX((size_t)v->len, 2 * (size_t)s->cap);
        char *room = arena_alloc(arena, cap);
        if (!room)
            return err_nomem(err);
        s->room = room;
        s->cap = (uint32_t)MIN(cap, (size_t)UINT32_MAX);
    }
    memcpy(s->room, str_data(v), v->len);
    s->s = str_of(s->room, v->len);
    return KDK_OK;
}
static kdk_status text_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    struct text_state *s = state;
    int c = s->seen ? str_compare(&args[0].s, &s->s) : 0;
    if (!s->seen || (is_max(agg) ? c > 0 : c < 0))
        return text_keep(s, &args[0].s, arena, err);
    return KDK_OK;
}
static kdk_status text_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    const struct text_state *f = from;
    return f->seen ? text_add(agg, into, &(struct datum){.s = f->s}, arena, err) : KDK_OK;
}
static kdk_status text_finish(const struct agg *agg, const void *state, struct datum *out,
                              struct err *err)
{
    (void)agg, (void)err;
    const struct text_state *s = state;
    *out = s->seen ? (struct datum){.s = s->s} : DATUM_NULL;
    return KDK_OK;
}

/* ------------------------------------------------------ any_value, bool_and, bool_or ---- */

static kdk_status any_text_add(const struct agg *agg, void *state, const struct datum *args,
                               struct arena *arena, struct err *err)
{
    (void)agg;
    struct text_state *s = state;
    return s->seen ? KDK_OK : text_keep(s, &args[0].s, arena, err);
}
static kdk_status any_text_combine(const struct agg *agg, void *into, const void *from,
                                   struct arena *arena, struct err *err)
{
    const struct text_state *f = from;
    return f->seen ? any_text_add(agg, into, &(struct datum){.s = f->s}, arena, err)
                   : KDK_OK;
}

static kdk_status any_add(const struct agg *agg, void *state, const struct datum *args,
                          struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct wide_state *s = state;
    if (s->seen)
        return KDK_OK;
    s->seen = 1;
    if (agg->args[0].id == LT_NUMERIC)
        s->w = args[0].w;
    else if (ltype_is_float(agg->args[0]))
        s->f = args[0].f;
    else
        s->w = args[0].i;
    return KDK_OK;
}
static kdk_status any_combine(const struct agg *agg, void *into, const void *from,
                              struct arena *arena, struct err *err)
{
    (void)agg, (void)arena, (void)err;
    if (!((struct wide_state *)into)->seen)
        memcpy(into, from, sizeof(struct wide_state));
    return KDK_OK;
}
static kdk_status any_finish(const struct agg *agg, const void *state, struct datum *out,
                             struct err *err)
{
    const struct wide_state *s = state;
    if (agg->args[0].id == LT_NUMERIC || ltype_is_float(agg->args[0]) || !s->seen)
        return wide_finish(agg, state, out, err);
    *out = (struct datum){.i = (int64_t)s->w};
    return KDK_OK;
}

static kdk_status bool_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct extreme_state *s = state;
    int64_t v = args[0].i != 0;
    s->v = !s->seen ? v : agg->fn == FN_BOOL_AND ? s->v & v : s->v | v;
    s->seen = 1;
    return KDK_OK;
}
static kdk_status bits_add(const struct agg *agg, void *state, const struct datum *args,
                           struct arena *arena, struct err *err)
{
    (void)arena, (void)err;
    struct extreme_state *s = state;
    int64_t v = args[0].i;
    s->v = !s->seen                      ? v
           : starts_with(agg, "bit_and") ? s->v & v
           : starts_with(agg, "bit_or")  ? s->v | v
                                         : s->v ^ v;
    s->seen = 1;
    return KDK_OK;
}
static kdk_status bits_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    const struct extreme_state *f = from;
    return f->seen ? bits_add(agg, into, &(struct datum){.i = f->v}, arena, err) : KDK_OK;
}
static kdk_status bool_combine(const struct agg *agg, void *into, const void *from,
                               struct arena *arena, struct err *err)
{
    const struct extreme_state *f = from;
    return f->seen ? bool_add(agg, into, &(struct datum){.i = f->v}, arena, err) : KDK_OK;
}

/* ---------------------------------------------------------------- string_agg ---- */

/* The first value's separator is not written, but kept: a state that is combined after
 * another needs it. */
struct concat_state {
    char *data; /* of the arena */
    uint32_t len, cap;
    uint32_t separator; /* bytes of the first separator, at the start of data */
    uint32_t seen;
    uint64_t unused;
};
static kdk_status concat_bytes(struct concat_state *s, const char *bytes, size_t count,
                               struct arena *arena, struct err *err)
{
    if (count > VALUE_BYTES_MAX - s->len)
        return err_set(err, KDK_LIMIT, "string_agg result is too long");
    if (count > s->cap - s->len) {
        size_t cap = MAX(MAX((size_t)s->cap * 2, s->len + count), (size_t)32);
        char *data = arena_alloc(arena, cap);
        if (!data)
            return err_nomem(err);
        if (s->len)
            memcpy(data, s->data, s->len);
        s->data = data;
        s->cap = (uint32_t)MIN(cap, (size_t)UINT32_MAX);
    }
    if (count)
        memcpy(s->data + s->len, bytes, count);
    s->len += (uint32_t)count;
    return KDK_OK;
}
static kdk_status concat_add(const struct agg *agg, void *state, const struct datum *args,
                             struct arena *arena, struct err *err)
{
    (void)agg;
    struct concat_state *s = state;
    kdk_status status = KDK_OK;
    struct str separator = args[1].null ? str_of("", 0) : args[1].s;
    TRY(concat_bytes(s, str_data(&separator), separator.len, arena, err));
    if (!s->seen)
        s->separator = s->len;
    s->seen = 1;
    TRY(concat_bytes(s, str_data(&args[0].s), args[0].s.len, arena, err));
out:
    return status;
}
static kdk_status concat_combine(const struct agg *agg, void *into, const void *from,
                                 struct arena *arena, struct err *err)
{
    (void)agg;
    struct concat_state *s = into;
    const struct concat_state *f = from;
    if (!f->seen)
        return KDK_OK;
    if (!s->seen)
        s->separator = f->separator;
    s->seen = 1;
    return concat_bytes(s, f->data, f->len, arena, err);
}
static kdk_status concat_finish(const struct agg *agg, const void *state, struct datum *out,
                                struct err *err)
{
    (void)agg, (void)err;
    const struct concat_state *s = state;
    *out = DATUM_NULL;
    if (!s->seen)
        return KDK_OK;
    out->null = false;
    out->s = str_of(s->data ? s->data + s->separator : "", s->len - s->separator);
    return KDK_OK;
}

/* -------------------------------------------------------------------- the list ---- */

static const struct agg_body count_body = {sizeof(struct count_state),
                                           true,
                                           false,
                                           count_add,
                                           count_batch,
                                           count_groups,
                                           count_combine,
                                           count_finish};
static const struct agg_body count_star_body = {sizeof(struct count_state),
                                                true,
                                                true,
                                                count_add,
                                                count_batch,
                                                count_groups,
                                                count_combine,
                                                count_finish};
static const struct agg_body sum_body = {sizeof(struct sum_state),
                                         true,
                                         false,
                                         sum_add,
                                         sum_batch,
                                         sum_groups,
                                         sum_combine,
                                         sum_finish};
static const struct agg_body avg_body = {sizeof(struct sum_state),
                                         true,
                                         false,
                                         sum_add,
                                         sum_batch,
                                         sum_groups,
                                         sum_combine,
                                         avg_finish};
static const struct agg_body fsum_body = {sizeof(struct fsum_state),
                                          true,
                                          false,
                                          fsum_add,
                                          fsum_batch,
                                          fsum_groups,
                                          fsum_combine,
                                          fsum_finish};
static const struct agg_body favg_body = {sizeof(struct fsum_state),
                                          true,
                                          false,
                                          fsum_add,
                                          fsum_batch,
                                          fsum_groups,
                                          fsum_combine,
                                          favg_finish};
static const struct agg_body var_body = {
    sizeof(struct var_state), true, false, var_add, NULL, NULL, var_combine, var_finish};
static const struct agg_body spread_body = {sizeof(struct spread_state),
                                            true,
                                            false,
                                            spread_add,
                                            NULL,
                                            NULL,
                                            spread_combine,
                                            spread_finish};
static const struct agg_body pair_body = {sizeof(struct pair_state),
                                          true,
                                          false,
                                          pair_add,
                                          NULL,
                                          NULL,
                                          pair_combine,
                                          pair_finish};
static const struct agg_body bits_body = {sizeof(struct extreme_state),
                                          true,
                                          false,
                                          bits_add,
                                          NULL,
                                          NULL,
                                          bits_combine,
                                          extreme_finish};
static const struct agg_body extreme_body = {sizeof(struct extreme_state),
                                             true,
                                             false,
                                             extreme_add,
                                             extreme_batch,
                                             extreme_groups,
                                             extreme_combine,
                                             extreme_finish};
static const struct agg_body wide_body = {sizeof(struct wide_state),
                                          true,
                                          false,
                                          wide_add,
                                          wide_batch,
                                          wide_groups,
                                          wide_combine,
                                          wide_finish};
static const struct agg_body text_body = {sizeof(struct text_state),
                                          false,
                                          false,
                                          text_add,
                                          NULL,
                                          NULL,
                                          text_combine,
                                          text_finish};
static const struct agg_body any_text_body = {
    sizeof(struct text_state), false,      false, any_text_add, NULL, NULL,
    any_text_combine,          text_finish};
static const struct agg_body any_body = {
    sizeof(struct wide_state), true, false, any_add, NULL, NULL, any_combine, any_finish};
static const struct agg_body bool_body = {sizeof(struct extreme_state),
                                          true,
                                          false,
                                          bool_add,
                                          NULL,
                                          NULL,
                                          bool_combine,
                                          extreme_finish};
static const struct agg_body concat_body = {sizeof(struct concat_state),
                                            false,
                                            false,
                                            concat_add,
                                            NULL,
                                            NULL,
                                            concat_combine,
                                            concat_finish};

static const struct agg_body *const bodies[FN_ID_COUNT] = {
    [FN_COUNT_STAR] = &count_star_body,
    [FN_COUNT] = &count_body,
    [FN_SUM_I1] = &sum_body,
    [FN_SUM_I2] = &sum_body,
    [FN_SUM_I4] = &sum_body,
    [FN_SUM_I8] = &sum_body,
    [FN_SUM_NUM] = &sum_body,
    [FN_SUM_F4] = &fsum_body,
    [FN_SUM_F8] = &fsum_body,
    [FN_AVG_I1] = &avg_body,
    [FN_AVG_I2] = &avg_body,
    [FN_AVG_I4] = &avg_body,
    [FN_AVG_I8] = &avg_body,
    [FN_AVG_NUM] = &avg_body,
    [FN_AVG_F4] = &favg_body,
    [FN_AVG_F8] = &favg_body,
#define EXTREMES(NAME)                                                                     \
    [NAME##_I1] = &extreme_body, [NAME##_I2] = &extreme_body, [NAME##_I4] = &extreme_body, \
    [NAME##_I8] = &extreme_body, [NAME##_NUM] = &wide_body, [NAME##_F4] = &wide_body,      \
    [NAME##_F8] = &wide_body, [NAME##_TEXT] = &text_body, [NAME##_BYTEA] = &text_body,     \
    [NAME##_DATE] = &extreme_body, [NAME##_TS] = &extreme_body
    EXTREMES(FN_MIN),
    EXTREMES(FN_MAX),
#undef EXTREMES
    [FN_BOOL_AND] = &bool_body,
    [FN_BOOL_OR] = &bool_body,
    [FN_STRING_AGG] = &concat_body,
    [FN_ANY_VALUE] = &any_body,
    [FN_STDDEV_SAMP_F8] = &var_body,
    [FN_STDDEV_POP_F8] = &var_body,
    [FN_VAR_SAMP_F8] = &var_body,
    [FN_VAR_POP_F8] = &var_body,
#define EACH_INTEGER_TYPE(NAME, BODY)                                                      \
    [NAME##_I1] = BODY, [NAME##_I2] = BODY, [NAME##_I4] = BODY, [NAME##_I8] = BODY
    EACH_INTEGER_TYPE(FN_BIT_AND, &bits_body),
    EACH_INTEGER_TYPE(FN_BIT_OR, &bits_body),
    EACH_INTEGER_TYPE(FN_BIT_XOR, &bits_body),
    EACH_INTEGER_TYPE(FN_STDDEV_SAMP, &spread_body),
    EACH_INTEGER_TYPE(FN_STDDEV_POP, &spread_body),
    EACH_INTEGER_TYPE(FN_VAR_SAMP, &spread_body),
    EACH_INTEGER_TYPE(FN_VAR_POP, &spread_body),
#undef EACH_INTEGER_TYPE
    [FN_STDDEV_SAMP_NUM] = &spread_body,
    [FN_STDDEV_POP_NUM] = &spread_body,
    [FN_VAR_SAMP_NUM] = &spread_body,
    [FN_VAR_POP_NUM] = &spread_body,
    [FN_CORR] = &pair_body,
    [FN_COVAR_POP] = &pair_body,
    [FN_COVAR_SAMP] = &pair_body,
    [FN_REGR_AVGX] = &pair_body,
    [FN_REGR_AVGY] = &pair_body,
    [FN_REGR_COUNT] = &pair_body,
    [FN_REGR_INTERCEPT] = &pair_body,
    [FN_REGR_R2] = &pair_body,
    [FN_REGR_SLOPE] = &pair_body,
    [FN_REGR_SXX] = &pair_body,
    [FN_REGR_SXY] = &pair_body,
    [FN_REGR_SYY] = &pair_body,
};

kdk_status agg_init(struct agg *agg, uint32_t fn, const struct ltype *args,
                    uint32_t arg_count, struct ltype result, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_ASSERT(fn < FN_ID_COUNT);
    TRY_ASSERT(bodies[fn] != NULL);
    TRY_ASSERT(arg_count <= AGG_ARGS_MAX);
    memset(agg, 0, sizeof *agg);
    agg->fn = fn;
    agg->arg_count = arg_count;
    for (uint32_t i = 0; i < arg_count; i++)
        agg->args[i] = args[i];
    agg->result = result;
    agg->body =
        fn == FN_ANY_VALUE && ltype_is_string(args[0]) ? &any_text_body : bodies[fn];
    agg->state_bytes = (uint32_t)align_up(agg->body->bytes, AGG_STATE_ALIGN);
    agg->flat = agg->body->flat;
out:
    return status;
}

kdk_status agg_update_row(const struct agg *agg, void *state, const struct datum *args,
                          struct arena *arena, struct err *err)
{
    if (!agg->body->takes_nulls && args[0].null)
        return KDK_OK;
    return agg->body->add(agg, state, args, arena, err);
}

static void get_args(const struct agg *agg, struct vec *const *args, uint32_t row,
                     struct datum *out)
{
    for (uint32_t i = 0; i < agg->arg_count; i++)
        out[i] = vec_get(args[i], row);
}

kdk_status agg_update(const struct agg *agg, void *state, struct vec *const *args,
                      const struct sel *sel, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct datum values[AGG_ARGS_MAX];

    if (agg->body->batch && agg->body->batch(agg, state, args, sel, &status, err))
        return status;
    for (uint32_t k = 0; k < sel->count; k++) {
        get_args(agg, args, SEL_ROW(sel, k), values);
        TRY(agg_update_row(agg, state, values, arena, err));
    }
out:
    return status;
}

kdk_status agg_update_groups(const struct agg *agg, void *const *groups, size_t offset,
                             struct vec *const *args, const struct sel *sel,
                             struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct datum values[AGG_ARGS_MAX];

    if (agg->body->groups &&
        agg->body->groups(agg, groups, offset, args, sel, &status, err))
        return status;
    for (uint32_t k = 0; k < sel->count; k++) {
        get_args(agg, args, SEL_ROW(sel, k), values);
        TRY(agg_update_row(agg, (char *)groups[k] + offset, values, arena, err));
    }
out:
    return status;
}

kdk_status agg_combine(const struct agg *agg, void *into, const void *from,
                       struct arena *arena, struct err *err)
{
    return agg->body->combine(agg, into, from, arena, err);
}

kdk_status agg_finish(const struct agg *agg, const void *state, struct datum *out,
                      struct err *err)
{
    return agg->body->finish(agg, state, out, err);
}
