/* text_test.c - values to text and back: PostgreSQL's answers, round trips, refusals. */
#include "check.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "vec/calendar.h"
#include "vec/vec.h"

static const struct {
    const char *type, *text, *result;
} text_cases[] = {
#include "vec/text_cases.inc"
};

static uint64_t seed = 88172645463325252ull;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct ltype type_of(const char *name)
{
    static const struct {
        const char *name;
        struct ltype type;
    } names[] = {{"bool", {.id = LT_BOOLEAN}}, {"int2", {.id = LT_SMALLINT}},
                 {"int4", {.id = LT_INTEGER}}, {"int8", {.id = LT_BIGINT}},
                 {"float4", {.id = LT_REAL}},  {"float8", {.id = LT_DOUBLE}},
                 {"date", {.id = LT_DATE}},    {"timestamp", {.id = LT_TIMESTAMP}},
                 {"bytea", {.id = LT_BYTEA}}};
    unsigned a, b;
    if (sscanf(name, "numeric(%u,%u)", &a, &b) == 2)
        return LTYPE_NUM((uint8_t)a, (uint8_t)b);
    if (sscanf(name, "varchar(%u)", &a) == 1)
        return (struct ltype){.id = LT_TEXT, .length = a};
    if (sscanf(name, "char(%u)", &a) == 1)
        return (struct ltype){.id = LT_TEXT, .length = a, .fixed = 1};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i].name, name))
            return names[i].type;
    return LTYPE(TEXT);
}

/* What a text becomes: "=" and the value printed again, or "!", SQLSTATE, message and
 * detail. */
static void result_of(struct ltype type, const char *text, size_t bytes, struct buf *out)
{
    struct arena arena = {0};
    struct datum d;
    struct err err = {0};
    buf_clear(out);
    kdk_status status = datum_parse(type, text, bytes, &arena, &d, &err);
    if (status == KDK_OK) {
        CHECK_EQ(buf_add_char(out, '='), KDK_OK);
        CHECK_EQ(datum_print(type, &d, out), KDK_OK);
    } else {
        CHECK_EQ(err.status, status);
        CHECK_EQ(buf_printf(out, "!%s %s%s%s", status_sqlstate(status), err.message,
                            err.detail[0] ? " / " : "", err.detail),
                 KDK_OK);
    }
    arena_deinit(&arena);
}
static void expect(struct ltype type, const char *text, const char *want)
{
    struct buf got = {0};
    result_of(type, text, strlen(text), &got);
    if (!CHECK_STR(got.data, want))
        fprintf(stderr, "    of \"%s\"\n", text);
    buf_deinit(&got);
}

TEST(text, agrees_with_postgresql)
{
    for (size_t i = 0; i < COUNT_OF(text_cases); i++)
        expect(type_of(text_cases[i].type), text_cases[i].text, text_cases[i].result);
}

/* The differences that are meant. */
TEST(text, refuses_what_it_does_not_have)
{
    expect(LTYPE_NUM(10, 2), "NaN", "!0A000 NaN is not supported in type numeric");
    expect(LTYPE(DATE), "now",
           "!0A000 date/time value \"now\" is not supported in a literal");
    expect(LTYPE(TIMESTAMP), "tomorrow",
           "!0A000 date/time value \"tomorrow\" is not supported in a literal");
    expect(LTYPE(TIMESTAMP), "2000-01-01 10:00 Europe/Rome",
           "!0A000 time zone names are not supported: \"2000-01-01 10:00 Europe/Rome\"");
    expect(LTYPE(TIMESTAMP), "294247-01-10 04:00:54.775806",
           "=294247-01-10 04:00:54.775806");
    expect(LTYPE(TIMESTAMP), "294247-01-10 04:00:54.775807",
           "!22008 timestamp out of range: \"294247-01-10 04:00:54.775807\"");
    for (uint8_t id = LT_TIME; id < LT_COUNT; id++) {
        struct datum d = {0};
        struct buf out = {0};
        struct arena arena = {0};
        CHECK_EQ(datum_parse((struct ltype){.id = id}, "1", 1, &arena, &d, NULL),
                 KDK_UNSUPPORTED);
        CHECK_EQ(datum_print((struct ltype){.id = id}, &d, &out), KDK_UNSUPPORTED);
        CHECK(!ltype_supported((struct ltype){.id = id}));
        arena_deinit(&arena);
    }
}
TEST(text, tinyint_and_numeric_without_modifiers)
{
    expect(LTYPE(TINYINT), "-128", "=-128");
    expect(LTYPE(TINYINT), "127", "=127");
    expect(LTYPE(TINYINT), "128", "!22003 value \"128\" is out of range for type tinyint");
    expect(LTYPE(TINYINT), "-129",
           "!22003 value \"-129\" is out of range for type tinyint");
    expect(LTYPE(NUMERIC), "1.5", "=1.5000000000");
    expect(LTYPE(NUMERIC), "0.00000000005", "=0.0000000001");
    expect(LTYPE_NUM(38, 0), "-99999999999999999999999999999999999999",
           "=-99999999999999999999999999999999999999");
}
TEST(text, text_is_utf8_without_nul)
{
    struct buf got = {0};
    result_of(LTYPE(TEXT), "a\xff", 2, &got);
    CHECK_STR(got.data, "!22021 invalid byte sequence for encoding \"UTF8\": 0xff");
    result_of(LTYPE(TEXT), "a\0b", 3, &got);
    CHECK_STR(got.data, "!22021 invalid byte sequence for encoding \"UTF8\": 0x00");
    result_of(LTYPE(TEXT), NULL, 0, &got);
    CHECK_STR(got.data, "=");
    /* 13 characters, 26 bytes: a long view of the text itself. */
    struct ltype t = {.id = LT_TEXT, .length = 13};
    expect(t, "ääääääääääääää", "!22001 value too long for type character varying(13)");
    expect(t, "äääääääääääää", "=äääääääääääää");
    buf_deinit(&got);
}

/* Any bits that are a number print as text that reads back as the same bits; no text that
 * drops the last digit does. */
TEST(text, floats_round_trip_shortest)
{
    struct arena arena = {0};
    struct buf out = {0};
    for (int i = 0; i < 20000; i++) {
        bool single = i & 1;
        struct ltype type = single ? LTYPE(REAL) : LTYPE(DOUBLE);
        uint64_t bits = rnd();
        struct datum d = {0}, back;
        if (single) {
            uint32_t half = (uint32_t)bits;
            float f;
            memcpy(&f, &half, sizeof f);
            d.f = (double)f;
        } else if (i % 4 == 0)
            memcpy(&d.f, &bits, sizeof d.f);
        else
            d.f = (double)(int64_t)(bits >> (20 + i % 40)) / (i % 8 ? 100.0 : 1024.0);
        if (isnan(d.f))
            continue;
        buf_clear(&out);
        CHECK_EQ(datum_print(type, &d, &out), KDK_OK);
        if (!CHECK_EQ(datum_parse(type, out.data, out.len, &arena, &back, NULL), KDK_OK))
            continue;
        CHECK_MEM(&back.f, &d.f, sizeof d.f);
    }
    buf_deinit(&out);
    arena_deinit(&arena);
}
TEST(text, another_locale_changes_nothing)
{
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ar_SA.UTF-8"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (setlocale(LC_ALL, names[i]))
            break; /* Else only the C locale is there, and this test repeats others. */
    expect(LTYPE(DOUBLE), "1.2345678901234567e-7", "=1.2345678901234566e-07");
    expect(LTYPE(REAL), "16777217.5", "=1.6777218e+07");
    expect(LTYPE(TIMESTAMP), "2000-01-01 00:00:00.25", "=2000-01-01 00:00:00.25");
    setlocale(LC_ALL, "C");
}
TEST(text, integers_and_decimals_round_trip)
{
    struct arena arena = {0};
    struct buf out = {0};
    for (int i = 0; i < 20000; i++) {
        struct datum d = {0}, back;
        buf_clear(&out);
        if (i & 1) {
            d.i = (int64_t)rnd() >> (rnd() % 64);
            CHECK_EQ(datum_print(LTYPE(BIGINT), &d, &out), KDK_OK);
            CHECK_EQ(datum_parse(LTYPE(BIGINT), out.data, out.len, &arena, &back, NULL),
                     KDK_OK);
            CHECK_EQ(back.i, d.i);
            char want[32];
            snprintf(want, sizeof want, "%lld", (long long)d.i);
            CHECK_STR(out.data, want);
        } else {
            struct ltype t = LTYPE_NUM(38, (uint8_t)(rnd() % 39));
            d.w = (int128)((uint128)rnd() << 64 | rnd());
            d.w >>= rnd() % 128;
            d.w %= (int128)10000000000000000000ull * 10000000000000000000ull;
            CHECK_EQ(datum_print(t, &d, &out), KDK_OK);
            CHECK_EQ(datum_parse(t, out.data, out.len, &arena, &back, NULL), KDK_OK);
            CHECK(back.w == d.w);
        }
    }
    buf_deinit(&out);
    arena_deinit(&arena);
}

/* Garbage of the characters that matter gives a status, and what is read prints as text
 * that reads the same. */
TEST(text, random_text_is_a_value_or_an_error)
{
    static const char alphabet[] = "0123456789 -+:/.,eTZBCjanfebpmam\\x\xc3\xa4";
    struct buf a = {0}, b = {0};
    for (int i = 0; i < 60000; i++) {
        char text[24];
        size_t n = rnd() % sizeof text;
        for (size_t k = 0; k < n; k++)
            text[k] = alphabet[rnd() % (sizeof alphabet - 1)];
        struct ltype type = {.id = (uint8_t)(LT_BOOLEAN + rnd() % LT_TIMESTAMP)};
        result_of(type, text, n, &a);
        if (a.data[0] == '=') {
            result_of(type, a.data + 1, a.len - 1, &b);
            CHECK_STR(b.data, a.data);
        } else
            CHECK(memcmp(a.data, "!22", 3) == 0 || memcmp(a.data, "!0A000", 6) == 0);
    }
    buf_deinit(&a);
    buf_deinit(&b);
}

/* ---- calendar ---- */

/* Walking day by day, the date advances as a calendar does; and both directions agree. */
TEST(calendar, every_day_follows_the_last)
{
    int64_t starts[] = {DATE_MIN, -720000, -150000, -10, 10956, 47000, DATE_MAX - 160000};
    for (size_t s = 0; s < COUNT_OF(starts); s++) {
        struct civil c = calendar_civil(starts[s]);
        for (int64_t day = starts[s]; day < starts[s] + 150000; day++) {
            struct civil now = calendar_civil(day);
            if (!CHECK(now.year == c.year && now.month == c.month && now.day == c.day))
                return;
            if (!CHECK_EQ(calendar_days(c.year, c.month, c.day), day))
                return;
            if (++c.day > calendar_month_days(c.year, c.month)) {
                c.day = 1;
                if (++c.month > 12)
                    c.month = 1, c.year++;
            }
        }
    }
}
TEST(calendar, known_days)
{
    CHECK_EQ(calendar_days(1970, 1, 1), 0);
    CHECK_EQ(calendar_days(2000, 1, 1), 10957);
    CHECK_EQ(calendar_days(-4713, 11, 24), DATE_MIN);
    CHECK_EQ(calendar_days(5874897, 12, 31), DATE_MAX);
    CHECK_EQ(calendar_weekday(0), 4);
    CHECK_EQ(calendar_weekday(-1), 3);
    CHECK_EQ(calendar_weekday(DATE_MIN), 1);
    CHECK_EQ(calendar_yearday(calendar_days(2000, 12, 31)), 366);
    CHECK_EQ(calendar_yearday(calendar_days(1900, 12, 31)), 365);
    /* ISO 8601's own examples. */
    static const struct {
        int year;
        uint32_t month, day, week;
        int iso_year;
    } weeks[] = {{2005, 1, 1, 53, 2004},  {2005, 12, 31, 52, 2005}, {2007, 12, 31, 1, 2008},
                 {2008, 12, 29, 1, 2009}, {2010, 1, 3, 53, 2009},   {2006, 1, 2, 1, 2006}};
    for (size_t i = 0; i < COUNT_OF(weeks); i++) {
        int32_t year;
        CHECK_EQ(calendar_iso_week(
                     calendar_days(weeks[i].year, weeks[i].month, weeks[i].day), &year),
                 weeks[i].week);
        CHECK_EQ(year, weeks[i].iso_year);
    }
    struct clock_time t;
    CHECK_EQ(timestamp_split(-1, &t), -1);
    CHECK_EQ(t.hour * 1000 + t.minute, 23059);
    CHECK_EQ(t.us, 999999);
    int64_t us;
    CHECK(!timestamp_join(INT64_MAX / 2, 0, &us));
    CHECK(!timestamp_join(DATE_MIN - 1, US_PER_DAY - 1, &us));
    CHECK(timestamp_join(DATE_MIN, 0, &us) && us == TIMESTAMP_MIN);
}
