/* calendar.c - see calendar.h. */
#include "vec/calendar.h"

#define ERA_YEARS 400
#define ERA_DAYS  146097 /* 400 * 365 + 97 leap days */
/* From 0000-03-01, day 0 of the first era, to 1970-01-01. */
#define EPOCH_FROM_ERA 719468

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool calendar_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}
uint32_t calendar_month_days(int64_t year, uint32_t month)
{
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    ASSERT(month >= 1 && month <= 12);
    return days[month] + (month == 2 && calendar_leap(year) ? 1u : 0u);
}
int64_t calendar_days(int64_t year, uint32_t month, uint32_t day)
{
    /* The year that begins on the first of March; March is month 0. */
    int64_t march_year = year - (month <= 2);
    int64_t march_month = month <= 2 ? (int64_t)month + 9 : (int64_t)month - 3;
    int64_t era = floor_div(march_year, ERA_YEARS);
    int64_t y = march_year - era * ERA_YEARS; /* 0..399 */
    int64_t day_of_year = (153 * march_month + 2) / 5 + (int64_t)day - 1;
    return era * ERA_DAYS + y * 365 + y / 4 - y / 100 + day_of_year - EPOCH_FROM_ERA;
}
struct civil calendar_civil(int64_t days)
{
    int64_t z = days + EPOCH_FROM_ERA;
    int64_t era = floor_div(z, ERA_DAYS);
    int64_t d = z - era * ERA_DAYS; /* 0..146096 */
    /* Take out the leap days that lie before d (one each 1461 days but the last of a
     * century, the era's last again), and the rest is 365 days a year. */
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t day_of_year = d - (y * 365 + y / 4 - y / 100); /* 0..365, from 1 March */
    int64_t m = (5 * day_of_year + 2) / 153;
    struct civil out;
    out.day = (uint8_t)(day_of_year - (153 * m + 2) / 5 + 1);
    out.month = (uint8_t)(m < 10 ? m + 3 : m - 9);
    out.year = (int32_t)(era * ERA_YEARS + y + (out.month <= 2));
    return out;
}
uint32_t calendar_weekday(int64_t days)
{
    int64_t w = (days + 4) % 7; /* 1970-01-01 was a Thursday. */
    return (uint32_t)(w < 0 ? w + 7 : w);
}
uint32_t calendar_yearday(int64_t days)
{
    return (uint32_t)(days - calendar_days(calendar_civil(days).year, 1, 1) + 1);
}
uint32_t calendar_iso_week(int64_t days, int32_t *iso_year)
{
    /* A week belongs to the year of its Thursday. */
    int64_t thursday = days - (int64_t)(calendar_weekday(days) + 6) % 7 + 3;
    *iso_year = calendar_civil(thursday).year;
    return (calendar_yearday(thursday) - 1) / 7 + 1;
}
int64_t timestamp_split(int64_t us, struct clock_time *time)
{
    int64_t days = floor_div(us, US_PER_DAY);
    int64_t rest = us - days * US_PER_DAY;
    time->hour = (uint8_t)(rest / US_PER_HOUR);
    time->minute = (uint8_t)(rest / US_PER_MINUTE % 60);
    time->second = (uint8_t)(rest / US_PER_SECOND % 60);
    time->us = (uint32_t)(rest % US_PER_SECOND);
    return days;
}
bool timestamp_join(int64_t days, int64_t time_us, int64_t *us)
{
    int64_t sum;
    /* A product that overflows below is before TIMESTAMP_MIN, one above is after the
     * maximum. */
    if (__builtin_mul_overflow(days, US_PER_DAY, &sum) ||
        __builtin_add_overflow(sum, time_us, &sum) || sum < TIMESTAMP_MIN ||
        sum > TIMESTAMP_MAX)
        return false;
    *us = sum;
    return true;
}

bool timestamp_round(int64_t us, uint32_t digits, int64_t *out)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const int64_t zero = 10957 * US_PER_DAY, unit = units[MIN(digits, 6u)];
    int128 from_zero = (int128)us - zero, half = unit / 2, rounded;

    *out = us;
    if (!timestamp_finite(us))
        return true;
    rounded = (from_zero >= 0 ? (from_zero + half) / unit * unit
                              : -((half - from_zero) / unit * unit)) +
              zero;
    if (rounded < TIMESTAMP_MIN || rounded > TIMESTAMP_MAX)
        return false;
    *out = (int64_t)rounded;
    return true;
}
