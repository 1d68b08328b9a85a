/* calendar.h - the proleptic Gregorian calendar: civil dates and days since 1970-01-01,
 * moments and microseconds.
 *
 * Years are astronomical: 0 is 1 BC, -1 is 2 BC. All functions are total over the ranges
 * named; none allocates.
 *
 * Sources  The month arithmetic is our own: a year that begins in March has its leap day
 *          last, so the day of the year on which the m-th month begins is the line (153m +
 *          2) / 5 (the trick is Zeller's, Acta Mathematica 9, 1887); leap years repeat
 *          after 400 years of 146,097 days (Clavius, 1603). Ranges are PostgreSQL's (its
 *          documentation, table 8.9).
 */
#ifndef KDK_VEC_CALENDAR_H
#define KDK_VEC_CALENDAR_H

#include "base/base.h"

#define US_PER_SECOND 1000000ll
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (60 * US_PER_MINUTE)
#define US_PER_DAY    (24 * US_PER_HOUR)

/* A DATE: days since 1970-01-01. */
#define DATE_MIN     (-2440588) /* 4714-11-24 BC, Julian day 0 */
#define DATE_MAX     2145042905 /* 5874897-12-31 */
#define DATE_NEG_INF INT32_MIN
#define DATE_POS_INF INT32_MAX
/* A TIMESTAMP: microseconds since 1970-01-01 00:00. PostgreSQL's last moment is the end of
 * 294276; 64 bits that count from 1970 (it counts from 2000) end 29 years earlier, in the
 * year 294247. */
#define TIMESTAMP_MIN     (DATE_MIN * US_PER_DAY)
#define TIMESTAMP_MAX     (INT64_MAX - 1)
#define TIMESTAMP_NEG_INF INT64_MIN
#define TIMESTAMP_POS_INF INT64_MAX

struct civil {
    int32_t year;       /* astronomical */
    uint8_t month, day; /* 1-based */
};
struct clock_time {
    uint8_t hour, minute, second;
    uint32_t us;
};

bool calendar_leap(int64_t year);
uint32_t calendar_month_days(int64_t year, uint32_t month); /* month 1..12 */
/* Days since 1970-01-01; month 1..12, day 1..31 (one past the month's end runs on into the
 * next). |year| < 2^40. */
int64_t calendar_days(int64_t year, uint32_t month, uint32_t day);
/* The inverse, for |days| < 2^40 whose year fits 32 bits: every finite DATE. */
struct civil calendar_civil(int64_t days);
uint32_t calendar_weekday(int64_t days); /* 0 is Sunday */
uint32_t calendar_yearday(int64_t days); /* 1..366 */
/* The ISO 8601 week (1..53) and the year it belongs to (astronomical). */
uint32_t calendar_iso_week(int64_t days, int32_t *iso_year);
/* A finite timestamp's day (rounding down) and the time in it. */
int64_t timestamp_split(int64_t us, struct clock_time *time);
/* `days` and a time of 0..US_PER_DAY microseconds. False: not a TIMESTAMP. */
bool timestamp_join(int64_t days, int64_t time_us, int64_t *us);
/* Rounded to `digits` (0..6) digits of a second, half away from PostgreSQL's zero, which is
 * 2000-01-01. False: not a TIMESTAMP. */
bool timestamp_round(int64_t us, uint32_t digits, int64_t *out);
static inline bool date_finite(int64_t days)
{
    return days != DATE_NEG_INF && days != DATE_POS_INF;
}
static inline bool timestamp_finite(int64_t us)
{
    return us != TIMESTAMP_NEG_INF && us != TIMESTAMP_POS_INF;
}

#endif
