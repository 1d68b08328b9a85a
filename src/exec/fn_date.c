/* fn_date.c - dates and timestamps: arithmetic, fields, truncation. Years are astronomical
 * inside (0 is 1 BC), see vec/calendar.h. */
#include <math.h>

#include "catalog/fn_field.h"
#include "exec/fn_body.h"
#include "exec/fn_num.h"
#include "vec/calendar.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* 0 is Monday. */
static int64_t weekday(int64_t days)
{
    return (calendar_weekday(days) + 6) % 7;
}

/* -------------------------------------------------------------- arithmetic ---- */

static bool give_date(struct fn_call *call, int64_t days, struct datum *out)
{
    if (days < DATE_MIN || days > DATE_MAX)
        return fn_fail(call, KDK_DATETIME_RANGE, "date out of range");
    out->i = days;
    return true;
}

FN_BODY(ADD_DATE_I4)
{
    if (!date_finite(args[0].i)) {
        out->i = args[0].i;
        return true;
    }
    return give_date(call, args[0].i + args[1].i, out);
}
FN_BODY(ADD_I4_DATE)
{
    struct datum swapped[] = {args[1], args[0]};
    return fn_do_ADD_DATE_I4(call, swapped, out);
}
FN_BODY(SUB_DATE_I4)
{
    struct datum negated[] = {args[0], {.i = -args[1].i}};
    return fn_do_ADD_DATE_I4(call, negated, out);
}
FN_BODY(SUB_DATE)
{
    if (!date_finite(args[0].i) || !date_finite(args[1].i))
        return fn_fail(call, KDK_DATETIME_RANGE, "cannot subtract infinite dates");
    out->i = args[0].i - args[1].i;
    return true;
}

FN_BODY(ISFINITE_DATE)
{
    out->i = date_finite(args[0].i);
    return true;
}
FN_BODY(ISFINITE_TS)
{
    out->i = timestamp_finite(args[0].i);
    return true;
}

/* Negative years are BC, as they are written: there is no year 0. */
static bool make_date(struct fn_call *call, const struct datum *args, int64_t *days)
{
    int64_t written = args[0].i, year = written < 0 ? written + 1 : written;
    bool good = written != 0 && args[1].i >= 1 && args[1].i <= 12 && args[2].i >= 1 &&
                args[2].i <= 31;
    if (good) {
        *days = calendar_days(year, (uint32_t)args[1].i, (uint32_t)args[2].i);
        struct civil back = calendar_civil(*days);
        good = back.month == args[1].i && back.day == args[2].i;
    }
    if (!good)
        return fn_fail(call, KDK_DATETIME_RANGE,
                       "date field value out of range: %lld-%02lld-%02lld",
                       (long long)written, (long long)args[1].i, (long long)args[2].i);
    if (*days < DATE_MIN || *days > DATE_MAX)
        return fn_fail(call, KDK_DATETIME_RANGE, "date out of range: %lld-%02lld-%02lld",
                       (long long)written, (long long)args[1].i, (long long)args[2].i);
    return true;
}
FN_BODY(MAKE_DATE)
{
    int64_t days = 0;
    if (!make_date(call, args, &days))
        return false;
    out->i = days;
    return true;
}
FN_BODY(MAKE_TIMESTAMP)
{
    int64_t days = 0, hour = args[3].i, minute = args[4].i;
    double second = args[5].f;
    if (!make_date(call, args, &days))
        return false;
    bool good = hour >= 0 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60 &&
                (hour < 24 || (hour == 24 && minute == 0 && second == 0));
    if (!good)
        return fn_fail(call, KDK_DATETIME_RANGE,
                       "time field value out of range: %lld:%02lld:%02g", (long long)hour,
                       (long long)minute, second);
    int64_t us = (hour * 60 + minute) * US_PER_MINUTE + (int64_t)rint(second * 1e6), at;
    days += us / US_PER_DAY; /* 24:00:00 */
    if (!timestamp_join(days, us % US_PER_DAY, &at))
        return fn_fail(call, KDK_DATETIME_RANGE, "timestamp out of range");
    out->i = at;
    return true;
}

/* ------------------------------------------------------------------ fields ---- */

static bool no_field(struct fn_call *call, const struct str *name, enum date_field field,
                     const char *type)
{
    char low[65];
    size_t n = MIN(name->len, sizeof low - 1);
    for (size_t i = 0; i < n; i++) {
        char c = str_data(name)[i];
        low[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    low[n] = '\0';
    static const char *const zones[] = {"timezone", "timezone_h", "timezone_hour",
                                        "timezone_m", "timezone_minute"};
    for (size_t i = 0; i < COUNT_OF(zones); i++)
        if (strcmp(low, zones[i]) == 0)
            return fn_fail(call, KDK_UNSUPPORTED, "unit \"%s\" not supported for type %s",
                           low, type);
    if (field == DF_NONE)
        return fn_fail(call, KDK_BAD_PARAMETER, "unit \"%s\" not recognized for type %s",
                       low, type);
    return fn_fail(call, KDK_UNSUPPORTED, "unit \"%s\" not supported for type %s", low,
                   type);
}

/* Year 0 is shown as -1: 1 BC. */
static int64_t shown(int64_t year)
{
    return year > 0 ? year : year - 1;
}

/* The field in units of 10^-6. `us` is the time of day. */
int128 fn_date_field(enum date_field field, int64_t days, int64_t us)
{
    struct civil c = calendar_civil(days);
    int32_t iso_year;
    int128 v = 0;
    switch (field) {
    case DF_MICROSECONDS:
        v = us % 60000000;
        break;
    case DF_MILLISECONDS:
        return (int128)(us % 60000000) * 1000;
    case DF_SECOND:
        return us % 60000000;
    case DF_MINUTE:
        v = us / 60000000 % 60;
        break;
    case DF_HOUR:
        v = us / 3600000000;
        break;
    case DF_DAY:
        v = c.day;
        break;
    case DF_WEEK:
        v = calendar_iso_week(days, &iso_year);
        break;
    case DF_MONTH:
        v = c.month;
        break;
    case DF_QUARTER:
        v = (c.month - 1) / 3 + 1;
        break;
    case DF_YEAR:
        v = shown(c.year);
        break;
    case DF_DECADE:
        v = floor_div(c.year, 10);
        break;
    case DF_CENTURY:
        v = c.year > 0 ? (c.year + 99) / 100 : -((99 - (c.year - 1)) / 100);
        break;
    case DF_MILLENNIUM:
        v = c.year > 0 ? (c.year + 999) / 1000 : -((999 - (c.year - 1)) / 1000);
        break;
    case DF_DOW:
        v = calendar_weekday(days);
        break;
    case DF_DOY:
        v = calendar_yearday(days);
        break;
    case DF_ISODOW:
        v = weekday(days) + 1;
        break;
    case DF_ISOYEAR:
        calendar_iso_week(days, &iso_year);
        v = shown(iso_year);
        break;
    case DF_EPOCH:
        return (int128)days * US_PER_DAY + us;
    case DF_JULIAN: /* Whole days: see julian(). */
        v = days - DATE_MIN;
        break;
    case DF_NONE:
        break;
    }
    return v * 1000000;
}

static bool split(struct fn_call *call, const struct datum *args, enum date_field *field,
                  int64_t *days, int64_t *us, bool *finite)
{
    struct ltype type = fn_arg_type(call, 1);
    *field = date_field_of(str_data(&args[0].s), args[0].s.len);
    if (*field == DF_NONE)
        return no_field(call, &args[0].s, *field, ltype_id_name(type.id));
    if (type.id == LT_DATE) {
        *finite = date_finite(args[1].i);
        *days = args[1].i;
        *us = 0;
    } else {
        *finite = timestamp_finite(args[1].i);
        *us = args[1].i % US_PER_DAY; /* -infinity is less than any whole number of days. */
        *us += *us < 0 ? US_PER_DAY : 0;
        *days = floor_div(args[1].i, US_PER_DAY);
    }
    return true;
}

static bool extract(struct fn_call *call, const struct datum *args, struct datum *out)
{
    enum date_field field;
    int64_t days, us;
    bool finite;
    if (!split(call, args, &field, &days, &us, &finite))
        return false;
    if (fn_arg_type(call, 1).id == LT_DATE && date_field_is_time(field))
        return no_field(call, &args[0].s, field, "date");
    /* PostgreSQL's numeric has an infinity; ours does not. */
    if (!finite && date_field_grows(field))
        return fn_fail(call, KDK_UNSUPPORTED, "infinity is not supported in type numeric");
    if (!finite) {
        *out = DATUM_NULL; /* It goes round and round. */
        return true;
    }
    if (field == DF_JULIAN) {
        /* Midnight begins the day here, and its part has as many digits as there is room
         * for. */
        int128 part;
        int scale = call->expr->type.scale;
        return (num_div(us, US_PER_DAY, scale, &part) &&
                num_rescale(days - DATE_MIN, 0, scale, &out->w) &&
                !__builtin_add_overflow(out->w, part, &out->w) && num_fits(out->w)) ||
               fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
    }
    return num_rescale(fn_date_field(field, days, us), 6, call->expr->type.scale,
                       &out->w) ||
           fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
}
FN_BODY(EXTRACT_DATE)
{
    return extract(call, args, out);
}
FN_BODY(EXTRACT_TS)
{
    return extract(call, args, out);
}

static bool date_part(struct fn_call *call, const struct datum *args, struct datum *out)
{
    enum date_field field;
    int64_t days, us;
    bool finite;
    if (!split(call, args, &field, &days, &us, &finite))
        return false;
    if (finite && field == DF_JULIAN) {
        out->f = (double)(days - DATE_MIN) + (double)us / (double)US_PER_DAY;
    } else if (finite) {
        out->f = num_to_double(fn_date_field(field, days, us), 6);
    } else if (date_field_grows(field)) {
        out->f = args[1].i < 0 ? -HUGE_VAL : HUGE_VAL;
    } else {
        *out = DATUM_NULL; /* It goes round and round. */
    }
    return true;
}
FN_BODY(DATE_PART_DATE)
{
    return date_part(call, args, out);
}
FN_BODY(DATE_PART_TS)
{
    return date_part(call, args, out);
}

/* The first year of a period of `span` years that begin with year 1 (or 0, for decades). */
static int64_t period(int64_t year, int64_t span, int64_t first)
{
    return floor_div(year - first, span) * span + first;
}

static bool date_trunc(struct fn_call *call, const struct datum *args, struct datum *out)
{
    enum date_field field;
    int64_t days, us;
    bool finite;
    if (fn_arg_type(call, 1).id == LT_TIMESTAMP && !timestamp_finite(args[1].i)) {
        /* Whatever the unit is called. */
        out->i = args[1].i;
        return true;
    }
    if (!split(call, args, &field, &days, &us, &finite))
        return false;
    if (!date_field_truncates(field))
        return no_field(call, &args[0].s, field == DF_JULIAN ? DF_NONE : field,
                        "timestamp without time zone");
    if (!finite) {
        out->i = args[1].i < 0 ? INT64_MIN : INT64_MAX;
        return true;
    }
    struct civil c = calendar_civil(days);
    int64_t unit = 0;
    switch (field) {
    case DF_MICROSECONDS:
        unit = 1;
        break;
    case DF_MILLISECONDS:
        unit = 1000;
        break;
    case DF_SECOND:
        unit = 1000000;
        break;
    case DF_MINUTE:
        unit = 60000000;
        break;
    case DF_HOUR:
        unit = 3600000000;
        break;
    case DF_DAY:
        break;
    case DF_WEEK:
        days -= weekday(days);
        break;
    case DF_MONTH:
        days = calendar_days(c.year, c.month, 1);
        break;
    case DF_QUARTER:
        days = calendar_days(c.year, (c.month - 1u) / 3 * 3 + 1, 1);
        break;
    case DF_YEAR:
        days = calendar_days(c.year, 1, 1);
        break;
    case DF_DECADE:
        days = calendar_days(period(c.year, 10, 0), 1, 1);
        break;
    case DF_CENTURY:
        days = calendar_days(period(c.year, 100, 1), 1, 1);
        break;
    case DF_MILLENNIUM:
        days = calendar_days(period(c.year, 1000, 1), 1, 1);
        break;
    case DF_DOW:
    case DF_DOY:
    case DF_ISODOW:
    case DF_ISOYEAR:
    case DF_JULIAN:
    case DF_EPOCH:
    case DF_NONE:
        break;
    }
    us = unit ? us - us % unit : 0;
    int64_t at;
    if (!timestamp_join(days, us, &at))
        return fn_fail(call, KDK_DATETIME_RANGE, "timestamp out of range");
    out->i = at;
    return true;
}
FN_BODY(DATE_TRUNC_DATE)
{
    return date_trunc(call, args, out);
}
FN_BODY(DATE_TRUNC_TS)
{
    return date_trunc(call, args, out);
}

FN_BODY(NOW)
{
    out->i = call->env->now_us;
    return true;
}
FN_BODY(CURRENT_DATE)
{
    out->i = floor_div(call->env->now_us, US_PER_DAY);
    return true;
}
