/* cast.c - conversions of one value, by PostgreSQL's rules. */
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "exec/eval.h"
#include "exec/fn_num.h"
#include "vec/calendar.h"

static kdk_status out_of_range(struct ltype to, struct err *err)
{
    return err_set(err, KDK_OUT_OF_RANGE, "%s out of range", ltype_id_name(to.id));
}

static bool integer_fits(struct ltype to, int128 v)
{
    static const int64_t most[] = {[LT_TINYINT] = INT8_MAX,
                                   [LT_SMALLINT] = INT16_MAX,
                                   [LT_INTEGER] = INT32_MAX,
                                   [LT_BIGINT] = INT64_MAX};
    return v <= most[to.id] && v >= -(int128)most[to.id] - 1;
}

static kdk_status numeric_overflow(struct ltype to, struct err *err)
{
    kdk_status status = err_set(err, KDK_OUT_OF_RANGE, "numeric field overflow");
    int whole = to.precision - to.scale;
    err_detail(err,
               "A field with precision %d, scale %d must round to an absolute value less "
               "than %s%d.",
               to.precision, to.scale, whole ? "10^" : "", whole ? whole : 1);
    return status;
}

static kdk_status to_numeric(int128 v, int scale, struct ltype to, struct datum *out,
                             struct err *err)
{
    int whole = to.precision ? to.precision : NUM_DIGITS_MAX;
    if (!num_rescale(v, scale, to.scale, &out->w) ||
        (out->w < 0 ? 0 - (uint128)out->w : (uint128)out->w) >= num_pow10[whole])
        return numeric_overflow(to, err);
    return KDK_OK;
}

/* Through the digits that the type is sure of, as PostgreSQL does: 0.1 becomes 0.1. */
static kdk_status float_to_numeric(struct ltype from, double f, struct ltype to,
                                   struct arena *arena, struct datum *out, struct err *err)
{
    char text[64];
    if (isnan(f) || isinf(f))
        return err_set(err, KDK_OUT_OF_RANGE, "cannot convert %s to numeric",
                       isnan(f) ? "NaN" : "infinity");
    int len = snprintf(text, sizeof text, "%.*e", from.id == LT_REAL ? 5 : 14, f);
    for (int i = 0; i < len; i++)
        if (text[i] == ',') /* The host's locale may say so. */
            text[i] = '.';
    return datum_parse(to, text, (size_t)len, arena, out, err);
}

static kdk_status float_to_integer(double f, struct ltype to, struct datum *out,
                                   struct err *err)
{
    double r = rint(f); /* half to even */
    // cppcheck-suppress incorrectLogicOperator ; it does not read hexadecimal floats
    if (!(r >= -0x1p63 && r < 0x1p63) || !integer_fits(to, (int128)r))
        return out_of_range(to, err);
    out->i = (int64_t)r;
    return KDK_OK;
}

static kdk_status double_to_real(double f, struct datum *out, struct err *err)
{
    float r = (float)f;
    if (isinf(r) && !isinf(f))
        return err_set(err, KDK_OUT_OF_RANGE, "value out of range: overflow");
    if (r == 0 && f != 0)
        return err_set(err, KDK_OUT_OF_RANGE, "value out of range: underflow");
    out->f = (double)r;
    return KDK_OK;
}

/* Text to varchar(n) and char(n): too long is an error on assignment unless spaces are cut;
 * an explicit cast cuts. */
static kdk_status limit_text(struct ltype to, enum cast_context context, struct str s,
                             struct datum *out, struct err *err)
{
    const char *data = str_data(&s);
    size_t len = s.len;
    if (to.length && len > to.length) {
        size_t limit = utf8_offset(data, len, to.length);
        for (size_t i = limit; context != CAST_EXPLICIT && i < len; i++) {
            if (data[i] != ' ') {
                char name[64];
                return err_set(err, KDK_STRING_TRUNCATED, "value too long for type %s",
                               ltype_name(to, name, sizeof name));
            }
        }
        len = limit;
    }
    /* CHAR(n) is held without its padding. */
    while (to.fixed && len > 0 && data[len - 1] == ' ')
        len--;
    out->s = str_of(data, len);
    return KDK_OK;
}

static kdk_status integer_text(int64_t v, struct arena *arena, struct datum *out,
                               struct err *err)
{
    char room[24], *at = room + sizeof room;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--at = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--at = '-';
    struct str s = str_of(at, (size_t)(room + sizeof room - at));
    return str_copy(arena, s, &out->s) ? KDK_OK : err_nomem(err);
}

static kdk_status to_text(struct ltype from, const struct datum *in, struct arena *arena,
                          struct datum *out, struct err *err)
{
    if (ltype_is_integer(from))
        return integer_text(in->i, arena, out, err);
    if (from.id == LT_BOOLEAN) {
        out->s = in->i ? str_of("true", 4) : str_of("false", 5);
        return KDK_OK;
    }
    struct buf buf = {0};
    kdk_status status = datum_print(from, in, &buf);
    if (status == KDK_NOMEM ||
        (status == KDK_OK && !str_copy(arena, str_of(buf.data, buf.len), &out->s)))
        status = err_nomem(err);
    else if (status != KDK_OK)
        status = err_set(err, status, "type %s is not supported", ltype_id_name(from.id));
    buf_deinit(&buf);
    return status;
}

static kdk_status from_text(struct ltype to, const struct datum *in, struct arena *arena,
                            struct datum *out, struct err *err)
{
    return datum_parse(to, str_data(&in->s), in->s.len, arena, out, err);
}

static kdk_status no_cast(struct ltype from, struct ltype to, struct err *err)
{
    char a[64], b[64];
    return err_set(err, KDK_CANNOT_COERCE, "cannot cast type %s to %s",
                   ltype_name(from, a, sizeof a), ltype_name(to, b, sizeof b));
}

kdk_status eval_cast(struct ltype from, struct ltype to, enum cast_context context,
                     const struct datum *in, struct arena *arena, struct datum *out,
                     struct err *err)
{
    struct datum v;
    kdk_status status = KDK_OK;

    if (in->null) {
        *out = DATUM_NULL;
        return KDK_OK;
    }
    memset(&v, 0, sizeof v);
    if (from.id == LT_NUMERIC && !from.precision) /* Held as of (38,10). */
        from = LTYPE_NUM(38, 10);
    if (to.id == LT_NUMERIC && !to.precision)
        to = LTYPE_NUM(38, 10);
    if (to.id == LT_TEXT) {
        struct str s = in->s;
        if (from.id != LT_TEXT && from.id != LT_UNKNOWN) {
            TRY(to_text(from, in, arena, &v, err));
            s = v.s;
        }
        TRY(limit_text(to, context, s, &v, err));
        *out = v;
        return KDK_OK;
    }
    if (from.id == LT_TEXT || from.id == LT_UNKNOWN) {
        TRY(from_text(to, in, arena, &v, err));
        *out = v;
        return KDK_OK;
    }
    if (from.id == LT_TIMESTAMP && to.id == LT_TIMESTAMP && to.precision) {
        if (!timestamp_round(in->i, to.precision - 1u, &v.i))
            return err_set(err, KDK_DATETIME_RANGE, "timestamp out of range");
        *out = v;
        return KDK_OK;
    }
    if (from.id == to.id && from.id != LT_NUMERIC) {
        *out = *in;
        return KDK_OK;
    }

    switch ((enum ltype_id)to.id) {
    case LT_BOOLEAN:
        if (!ltype_is_integer(from))
            return no_cast(from, to, err);
        v.i = in->i != 0;
        break;
    case LT_TINYINT:
    case LT_SMALLINT:
    case LT_INTEGER:
    case LT_BIGINT:
        if (ltype_is_integer(from) || from.id == LT_BOOLEAN) {
            if (!integer_fits(to, in->i))
                return out_of_range(to, err);
            v.i = in->i;
        } else if (from.id == LT_NUMERIC) {
            int128 whole;
            if (!num_rescale(in->w, from.scale, 0, &whole) || !integer_fits(to, whole))
                return out_of_range(to, err);
            v.i = (int64_t)whole;
        } else if (ltype_is_float(from)) {
            TRY(float_to_integer(in->f, to, &v, err));
        } else {
            return no_cast(from, to, err);
        }
        break;
    case LT_NUMERIC:
        if (ltype_is_integer(from))
            TRY(to_numeric(in->i, 0, to, &v, err));
        else if (from.id == LT_NUMERIC)
            TRY(to_numeric(in->w, from.scale, to, &v, err));
        else if (ltype_is_float(from))
            TRY(float_to_numeric(from, in->f, to, arena, &v, err));
        else
            return no_cast(from, to, err);
        break;
    case LT_REAL:
    case LT_DOUBLE:
        if (ltype_is_integer(from))
            v.f = to.id == LT_REAL ? (double)(float)in->i : (double)in->i;
        else if (from.id == LT_NUMERIC)
            v.f = to.id == LT_REAL ? (double)(float)num_to_double(in->w, from.scale)
                                   : num_to_double(in->w, from.scale);
        else if (from.id == LT_REAL)
            v.f = in->f;
        else if (from.id == LT_DOUBLE)
            TRY(double_to_real(in->f, &v, err));
        else
            return no_cast(from, to, err);
        break;
    case LT_DATE:
        if (from.id != LT_TIMESTAMP)
            return no_cast(from, to, err);
        if (!timestamp_finite(in->i))
            v.i = in->i < 0 ? DATE_NEG_INF : DATE_POS_INF;
        else
            v.i = in->i / US_PER_DAY - (in->i % US_PER_DAY < 0);
        break;
    case LT_TIMESTAMP:
        if (from.id != LT_DATE)
            return no_cast(from, to, err);
        if (!date_finite(in->i))
            v.i = in->i < 0 ? TIMESTAMP_NEG_INF : TIMESTAMP_POS_INF;
        else if (!timestamp_join(in->i, 0, &v.i))
            return err_set(err, KDK_DATETIME_RANGE, "date out of range for timestamp");
        break;
    case LT_UNKNOWN:
    case LT_TEXT:
    case LT_BYTEA:
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        return no_cast(from, to, err);
    }
    *out = v;
out:
    return status;
}
