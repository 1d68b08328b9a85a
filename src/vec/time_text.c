/* time_text.c - dates and timestamps to text and back, as PostgreSQL 15 does with DateStyle
 * 'ISO, MDY'.
 *
 * Reading is two steps, as PostgreSQL's documentation (appendix B.1) describes them: cut
 * the text into tokens by what their characters look like, then let each token fill the
 * fields that are still open. A number without a separator means what is missing: "Jan 8
 * 1999" and "8 Jan 1999" are the same day. Every field may be given once. What depends on
 * the clock ("now", "today") is refused: a literal is read when a statement is planned, and
 * its value would be kept.
 */
#include "vec/vec_int.h"

#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "vec/calendar.h"

enum token_kind { TOKEN_NUMBER, TOKEN_DATE, TOKEN_TIME, TOKEN_ZONE, TOKEN_WORD };
struct token {
    enum token_kind kind;
    const char *at;
    size_t bytes;
};

enum {
    HAVE_YEAR = 1,
    HAVE_MONTH = 2,
    HAVE_DAY = 4,
    HAVE_DATE = 7,
    HAVE_TIME = 8,
    HAVE_ZONE = 16,
    HAVE_MERIDIAN = 32,
    HAVE_ERA = 64
};
enum outcome { GOOD, BAD, RANGE, RANGE_ORDER, ZONE_RANGE, NO_CLOCK, NO_ZONES };
enum special { FINITE, EPOCH, MINUS_INFINITY, PLUS_INFINITY };
enum meridian { HOURS_24, AM, PM };

struct fields {
    uint32_t have;
    bool month_in_words, year_short, bc, julian, day_of_year, iso_time;
    enum special special;
    enum meridian meridian;
    int64_t year, month, day; /* day: of the year or Julian if so said */
    int64_t hour, minute, second, us;
};

/* ----------------------------------------------------------------- tokens ---- */

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_alnum(char c)
{
    return is_alpha(c) || text_digit(c);
}
static bool is_punctuation(char c)
{
    return c > ' ' && c < 127 && !is_alnum(c);
}

/* The next token; false at the end. A token that makes no sense has *good false. */
static bool token_next(const char **text, const char *end, struct token *t, bool *good)
{
    const char *c = *text;
    /* Commas and the like only separate. */
    while (c < end && (text_space(*c) || (is_punctuation(*c) && *c != '+' && *c != '-')))
        c++;
    *good = true;
    if (c == end)
        return false;
    t->at = c;
#define WHILE(COND)                                                                        \
    while (c < end && (COND))                                                              \
    c++
    if (text_digit(*c)) {
        t->kind = TOKEN_NUMBER;
        WHILE(text_digit(*c));
        if (c < end && *c == ':') {
            t->kind = TOKEN_TIME;
            WHILE(text_digit(*c) || *c == ':' || *c == '.');
        } else if (c < end && (*c == '-' || *c == '/' || *c == '.')) {
            char separator = *c++;
            if (c < end && text_digit(*c)) {
                t->kind = separator == '.' ? TOKEN_NUMBER : TOKEN_DATE;
                WHILE(text_digit(*c));
                if (c < end && *c == separator) {
                    t->kind = TOKEN_DATE;
                    WHILE(text_digit(*c) || *c == separator);
                }
            } else {
                t->kind = TOKEN_DATE;
                WHILE(is_alnum(*c) || *c == separator);
            }
        }
    } else if (is_alpha(*c)) {
        t->kind = TOKEN_WORD;
        WHILE(is_alpha(*c));
        if (c < end && (*c == '-' || *c == '/' || *c == '.')) {
            t->kind = TOKEN_DATE;
            WHILE(is_alnum(*c) || *c == '+' || *c == '-' || *c == '/' || *c == '_' ||
                  *c == '.' || *c == ':');
        }
    } else if (*c == '+' || *c == '-') {
        c++;
        WHILE(text_space(*c));
        if (c < end && text_digit(*c)) {
            t->kind = TOKEN_ZONE;
            WHILE(text_digit(*c) || *c == ':');
        } else if (c < end && is_alpha(*c)) {
            t->kind = TOKEN_WORD;
            WHILE(is_alpha(*c));
        } else
            *good = false;
    } else
        *good = false;
#undef WHILE
    t->bytes = (size_t)(c - t->at);
    *text = c;
    return true;
}

/* ------------------------------------------------------------------ words ---- */

enum word_kind {
    WORD_MONTH,
    WORD_IGNORE,
    WORD_MERIDIAN,
    WORD_ERA,
    WORD_ISO_TIME,
    WORD_JULIAN,
    WORD_SPECIAL,
    WORD_CLOCK,
    WORD_MIDNIGHT,
    WORD_ZONE
};
static const struct {
    const char *word;
    uint8_t kind, value;
} words[] = {
    {"jan", WORD_MONTH, 1},
    {"january", WORD_MONTH, 1},
    {"feb", WORD_MONTH, 2},
    {"february", WORD_MONTH, 2},
    {"mar", WORD_MONTH, 3},
    {"march", WORD_MONTH, 3},
    {"apr", WORD_MONTH, 4},
    {"april", WORD_MONTH, 4},
    {"may", WORD_MONTH, 5},
    {"jun", WORD_MONTH, 6},
    {"june", WORD_MONTH, 6},
    {"jul", WORD_MONTH, 7},
    {"july", WORD_MONTH, 7},
    {"aug", WORD_MONTH, 8},
    {"august", WORD_MONTH, 8},
    {"sep", WORD_MONTH, 9},
    {"sept", WORD_MONTH, 9},
    {"september", WORD_MONTH, 9},
    {"oct", WORD_MONTH, 10},
    {"october", WORD_MONTH, 10},
    {"nov", WORD_MONTH, 11},
    {"november", WORD_MONTH, 11},
    {"dec", WORD_MONTH, 12},
    {"december", WORD_MONTH, 12},
    {"sun", WORD_IGNORE, 0},
    {"sunday", WORD_IGNORE, 0},
    {"mon", WORD_IGNORE, 0},
    {"monday", WORD_IGNORE, 0},
    {"tue", WORD_IGNORE, 0},
    {"tues", WORD_IGNORE, 0},
    {"tuesday", WORD_IGNORE, 0},
    {"wed", WORD_IGNORE, 0},
    {"weds", WORD_IGNORE, 0},
    {"wednesday", WORD_IGNORE, 0},
    {"thu", WORD_IGNORE, 0},
    {"thur", WORD_IGNORE, 0},
    {"thurs", WORD_IGNORE, 0},
    {"thursday", WORD_IGNORE, 0},
    {"fri", WORD_IGNORE, 0},
    {"friday", WORD_IGNORE, 0},
    {"sat", WORD_IGNORE, 0},
    {"saturday", WORD_IGNORE, 0},
    {"at", WORD_IGNORE, 0},
    {"on", WORD_IGNORE, 0},
    {"am", WORD_MERIDIAN, AM},
    {"pm", WORD_MERIDIAN, PM},
    {"ad", WORD_ERA, 0},
    {"bc", WORD_ERA, 1},
    {"t", WORD_ISO_TIME, 0},
    {"j", WORD_JULIAN, 0},
    {"jd", WORD_JULIAN, 0},
    {"julian", WORD_JULIAN, 0},
    {"epoch", WORD_SPECIAL, EPOCH},
    {"infinity", WORD_SPECIAL, PLUS_INFINITY},
    {"-infinity", WORD_SPECIAL, MINUS_INFINITY},
    {"now", WORD_CLOCK, 0},
    {"today", WORD_CLOCK, 0},
    {"tomorrow", WORD_CLOCK, 0},
    {"yesterday", WORD_CLOCK, 0},
    {"allballs", WORD_MIDNIGHT, 0},
    {"z", WORD_ZONE, 0},
    {"zulu", WORD_ZONE, 0},
    {"utc", WORD_ZONE, 0},
    {"uct", WORD_ZONE, 0},
    {"ut", WORD_ZONE, 0},
    {"gmt", WORD_ZONE, 0},
    {"wet", WORD_ZONE, 0},
    {"west", WORD_ZONE, 0},
    {"cet", WORD_ZONE, 0},
    {"cest", WORD_ZONE, 0},
    {"met", WORD_ZONE, 0},
    {"mest", WORD_ZONE, 0},
    {"eet", WORD_ZONE, 0},
    {"eest", WORD_ZONE, 0},
    {"bst", WORD_ZONE, 0},
    {"msk", WORD_ZONE, 0},
    {"jst", WORD_ZONE, 0},
    {"kst", WORD_ZONE, 0},
    {"est", WORD_ZONE, 0},
    {"edt", WORD_ZONE, 0},
    {"cst", WORD_ZONE, 0},
    {"cdt", WORD_ZONE, 0},
    {"mst", WORD_ZONE, 0},
    {"mdt", WORD_ZONE, 0},
    {"pst", WORD_ZONE, 0},
    {"pdt", WORD_ZONE, 0},
    {"akst", WORD_ZONE, 0},
    {"akdt", WORD_ZONE, 0},
    {"hst", WORD_ZONE, 0},
};
static int word_find(const char *at, size_t bytes)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (text_is(at, bytes, words[i].word))
            return (int)i;
    return -1;
}

/* ----------------------------------------------------------------- fields ---- */

/* A number as a field: anything beyond 32 bits is no date. */
static bool number_of(const char *at, size_t bytes, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (v > INT32_MAX / 10)
            return false;
        v = v * 10 + (at[i] - '0');
    }
    *out = v;
    return v <= INT32_MAX;
}
static enum outcome have(struct fields *f, uint32_t what)
{
    if (f->have & what)
        return BAD;
    f->have |= what;
    return GOOD;
}
/* Digits after the point, to the nearest microsecond (up to a whole second). */
static bool fraction_of(const char *at, size_t bytes, int64_t *us)
{
    double v = 0, unit = 1;
    for (size_t i = 0; i < bytes; i++) {
        if (!text_digit(at[i]))
            return false;
        if (i < 15) /* Both stay exact, so the quotient is correctly rounded. */
            v = v * 10 + (at[i] - '0'), unit *= 10;
    }
    *us = (int64_t)rint(v / unit * 1e6);
    return true;
}

/* One number of a date, placed by what is there already. */
static enum outcome number_place(struct fields *f, const char *at, size_t bytes)
{
    int64_t v;
    if (!number_of(at, bytes, &v))
        return RANGE;
    if (bytes == 3 && (f->have & HAVE_DATE) == HAVE_YEAR && v >= 1 && v <= 366) {
        f->day_of_year = true;
        f->day = v;
        return have(f, HAVE_MONTH | HAVE_DAY);
    }
    uint32_t what = 0;
    switch (f->have & HAVE_DATE) {
    case 0:
        what = bytes >= 3 ? HAVE_YEAR : HAVE_MONTH;
        break;
    case HAVE_YEAR:
    case HAVE_DAY:
        what = HAVE_MONTH;
        break;
    case HAVE_MONTH:
        what = f->month_in_words && bytes >= 3 ? HAVE_YEAR : HAVE_DAY;
        break;
    case HAVE_YEAR | HAVE_MONTH:
        if (f->month_in_words && bytes >= 3 && f->year_short) {
            /* "08-Jan-1999" in another order: what was taken for the year is the day. */
            f->day = f->year;
            f->year = v;
            f->year_short = false;
            return have(f, HAVE_DAY);
        }
        what = HAVE_DAY;
        break;
    case HAVE_MONTH | HAVE_DAY:
        what = HAVE_YEAR;
        break;
    default:
        return BAD;
    }
    if (what == HAVE_YEAR) {
        f->year = v;
        f->year_short = bytes <= 2;
    } else if (what == HAVE_MONTH)
        f->month = v;
    else
        f->day = v;
    return have(f, what);
}

/* Run-together digits: YYYYMMDD or YYMMDD, else HHMMSS or HHMM, perhaps with a fraction. */
static enum outcome digits_place(struct fields *f, const char *at, size_t bytes,
                                 bool is_time)
{
    const char *point = memchr(at, '.', bytes);
    size_t whole = point ? (size_t)(point - at) : bytes;
    int64_t us = 0;
    if (point && !fraction_of(point + 1, bytes - whole - 1, &us))
        return BAD;
    if (!point && !is_time && (f->have & HAVE_DATE) != HAVE_DATE && whole >= 6) {
        if (f->have & HAVE_DATE)
            return BAD;
        f->year_short = whole == 6;
        if (!number_of(at, whole - 4, &f->year))
            return RANGE;
        (void)number_of(at + whole - 4, 2, &f->month); /* Two digits always fit. */
        (void)number_of(at + whole - 2, 2, &f->day);
        return have(f, HAVE_DATE);
    }
    if ((whole != 6 && whole != 4) || (point && whole == 4))
        return BAD;
    (void)number_of(at, 2, &f->hour);
    (void)number_of(at + 2, 2, &f->minute);
    f->second = 0;
    if (whole == 6)
        (void)number_of(at + 4, 2, &f->second);
    f->us = us;
    return have(f, HAVE_TIME);
}

/* A token with separators: a month in letters first, then the numbers in their order. */
static enum outcome date_place(struct fields *f, const char *at, size_t bytes)
{
    struct token part[3];
    size_t count = 0;
    const char *end = at + bytes;
    for (const char *c = at; c < end;) {
        if (!is_alnum(*c)) {
            c++;
            continue;
        }
        if (count == COUNT_OF(part))
            return BAD;
        struct token *t = &part[count++];
        bool number = text_digit(*c);
        t->kind = number ? TOKEN_NUMBER : TOKEN_WORD;
        for (t->at = c; c < end && (number ? text_digit(*c) : is_alpha(*c));)
            c++;
        t->bytes = (size_t)(c - t->at);
    }
    if (f->have & HAVE_DATE)
        return BAD;
    for (size_t i = 0; i < count; i++) {
        if (part[i].kind != TOKEN_WORD)
            continue;
        int word = word_find(part[i].at, part[i].bytes);
        if (word < 0 || words[word].kind != WORD_MONTH || have(f, HAVE_MONTH) != GOOD)
            return BAD;
        f->month = words[word].value;
        f->month_in_words = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (part[i].kind != TOKEN_NUMBER)
            continue;
        enum outcome outcome = number_place(f, part[i].at, part[i].bytes);
        if (outcome != GOOD)
            return outcome;
    }
    return (f->have & HAVE_DATE) == HAVE_DATE ? GOOD : BAD;
}

/* HH:MM[:SS[.ffffff]] */
static enum outcome time_place(struct fields *f, const char *at, size_t bytes)
{
    int64_t part[3] = {0};
    size_t count = 0, i = 0;
    f->us = 0;
    for (;;) {
        size_t from = i;
        while (i < bytes && text_digit(at[i]))
            i++;
        if (count == 3 || (i == from && (count == 0 || i < bytes))) /* "04:" is 04:00. */
            return BAD;
        if (!number_of(at + from, i - from, &part[count++]))
            return RANGE;
        if (i == bytes || at[i] != ':')
            break;
        i++;
    }
    if (i < bytes) {
        if (!fraction_of(at + i + 1, bytes - i - 1, &f->us))
            return BAD;
        if (count == 2) { /* "12:34.5" is minutes and seconds. */
            part[2] = part[1];
            part[1] = part[0];
            part[0] = 0;
        }
    }
    if (count < 2)
        return BAD;
    f->hour = part[0];
    f->minute = part[1];
    f->second = part[2];
    if (f->hour > 24 || f->minute > 59 || f->second > 60)
        return RANGE;
    return have(f, HAVE_TIME);
}

/* +HH, +HHMM, +HH:MM, +HH:MM:SS: checked, then dropped, for neither type has a zone. */
static enum outcome zone_place(struct fields *f, const char *at, size_t bytes)
{
    int64_t part[3] = {0};
    size_t count = 0, i = 0, first = 0;
    while (i < bytes && !text_digit(at[i]))
        i++; /* The sign, and spaces after it. */
    while (i < bytes) {
        size_t from = i;
        while (i < bytes && text_digit(at[i]))
            i++;
        if (i == from || count == 3)
            return BAD;
        if (count == 0)
            first = i - from;
        if (!number_of(at + from, i - from, &part[count++]))
            return ZONE_RANGE;
        if (i < bytes)
            i++;
    }
    if (count == 1 && first > 2) {
        part[1] = part[0] % 100;
        part[0] /= 100;
    }
    if (part[0] > 15)
        return ZONE_RANGE;
    if (part[1] > 59 || part[2] > 59)
        return ZONE_RANGE;
    return have(f, HAVE_ZONE);
}

static enum outcome word_place(struct fields *f, const struct token *t, bool *next_julian)
{
    int word = word_find(t->at, t->bytes);
    if (word < 0)
        return BAD;
    uint8_t value = words[word].value;
    switch ((enum word_kind)words[word].kind) {
    case WORD_MONTH:
        if ((f->have & (HAVE_MONTH | HAVE_DAY)) == HAVE_MONTH && !f->month_in_words &&
            f->month >= 1 && f->month <= 31) {
            /* "8 Jan 1999": what was taken for the month is the day. */
            f->day = f->month;
            f->have |= HAVE_DAY;
            f->have &= ~(uint32_t)HAVE_MONTH;
        }
        f->month = value;
        f->month_in_words = true;
        return have(f, HAVE_MONTH);
    case WORD_IGNORE:
        return GOOD;
    case WORD_MERIDIAN:
        if (have(f, HAVE_MERIDIAN) != GOOD)
            return BAD;
        f->meridian = value == AM ? AM : PM;
        return GOOD;
    case WORD_ERA:
        f->bc = value;
        return have(f, HAVE_ERA);
    case WORD_ISO_TIME:
        /* Only between a date and a time. */
        if ((f->have & HAVE_DATE) != HAVE_DATE || f->iso_time)
            return BAD;
        f->iso_time = true;
        return GOOD;
    case WORD_JULIAN:
        *next_julian = true;
        return GOOD;
    case WORD_SPECIAL:
        if (f->special != FINITE || f->have)
            return BAD;
        f->special = value == EPOCH           ? EPOCH
                     : value == PLUS_INFINITY ? PLUS_INFINITY
                                              : MINUS_INFINITY;
        f->have = HAVE_DATE | HAVE_TIME | HAVE_ZONE; /* Nothing may follow. */
        return GOOD;
    case WORD_CLOCK:
        return NO_CLOCK;
    case WORD_MIDNIGHT:
        f->hour = f->minute = f->second = f->us = 0;
        return have(f, HAVE_TIME | HAVE_ZONE);
    case WORD_ZONE:
        return have(f, HAVE_ZONE);
    }
    return BAD;
}

/* ------------------------------------------------------------------ whole ---- */

static enum outcome fields_check(struct fields *f, int64_t *days, int64_t *time_us)
{
    if ((f->have & HAVE_DATE) != HAVE_DATE)
        return BAD;
    if (f->julian) {
        *days = f->day + DATE_MIN;
    } else {
        if (f->bc) {
            if (f->year <= 0)
                return RANGE;
            f->year = 1 - f->year;
        } else if (f->year_short)
            f->year += f->year < 70 ? 2000 : 1900;
        else if (f->year <= 0)
            return RANGE;
        if (f->day_of_year) {
            *days = calendar_days(f->year, 1, 1) + f->day - 1;
        } else {
            if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > 31)
                return RANGE_ORDER;
            if (f->day > calendar_month_days(f->year, (uint32_t)f->month))
                return RANGE;
            *days = calendar_days(f->year, (uint32_t)f->month, (uint32_t)f->day);
        }
    }
    if (f->meridian != HOURS_24 && f->hour > 12)
        return RANGE;
    if (f->meridian == AM && f->hour == 12)
        f->hour = 0;
    else if (f->meridian == PM && f->hour != 12)
        f->hour += 12;
    if (f->hour > 24 || f->minute > 59 || f->second > 60)
        return RANGE;
    *time_us = f->hour * US_PER_HOUR + f->minute * US_PER_MINUTE +
               f->second * US_PER_SECOND + f->us;
    return *time_us <= US_PER_DAY ? GOOD : RANGE;
}

static enum outcome fields_read(const char *text, size_t bytes, struct fields *f,
                                int64_t *days, int64_t *time_us)
{
    const char *end = text + bytes;
    struct token t = {0};
    bool good, next_julian = false;
    while (token_next(&text, end, &t, &good)) {
        enum outcome outcome = BAD;
        if (!good)
            return BAD;
        if (next_julian && t.kind != TOKEN_NUMBER)
            return BAD;
        switch (t.kind) {
        case TOKEN_NUMBER: {
            const char *point = memchr(t.at, '.', t.bytes);
            if (next_julian) {
                if (point)
                    return BAD;
                next_julian = false;
                f->julian = true;
                outcome = number_of(t.at, t.bytes, &f->day) ? have(f, HAVE_DATE) : RANGE;
            } else if (f->iso_time && !(f->have & HAVE_TIME))
                outcome = digits_place(f, t.at, t.bytes, true);
            else if (point && !(f->have & HAVE_DATE))
                outcome = date_place(f, t.at, t.bytes);
            else if ((point && point - t.at > 2) ||
                     (!point && t.bytes >= 6 &&
                      (!(f->have & HAVE_DATE) || !(f->have & HAVE_TIME))))
                outcome = digits_place(f, t.at, t.bytes, false);
            else if (!point)
                outcome = (f->have & HAVE_DATE) == HAVE_DATE
                              ? digits_place(f, t.at, t.bytes, true)
                              : number_place(f, t.at, t.bytes);
            break;
        }
        case TOKEN_DATE:
            if ((f->have & (HAVE_DATE | HAVE_TIME)) == (HAVE_DATE | HAVE_TIME) &&
                is_alpha(*t.at))
                return NO_ZONES;
            outcome = f->have & HAVE_TIME ? BAD : date_place(f, t.at, t.bytes);
            break;
        case TOKEN_TIME:
            outcome = time_place(f, t.at, t.bytes);
            break;
        case TOKEN_ZONE:
            outcome = zone_place(f, t.at, t.bytes);
            break;
        case TOKEN_WORD:
            outcome = word_place(f, &t, &next_julian);
            break;
        }
        if (outcome != GOOD)
            return outcome;
    }
    if (next_julian || (f->iso_time && !(f->have & HAVE_TIME)))
        return BAD;
    if (f->special != FINITE) {
        *days = *time_us = 0;
        return f->bc || f->meridian != HOURS_24 ? BAD : GOOD;
    }
    return fields_check(f, days, time_us);
}

static kdk_status outcome_error(enum outcome outcome, const char *type, const char *text,
                                size_t bytes, struct err *err)
{
    int n = (int)MIN(bytes, 400);
    kdk_status status = KDK_OK;
    switch (outcome) {
    case GOOD:
        break;
    case BAD:
        status = err_set(err, KDK_BAD_DATETIME,
                         "invalid input syntax for type %s: \"%.*s\"", type, n, text);
        break;
    case RANGE:
    case RANGE_ORDER:
        status = err_set(err, KDK_DATETIME_RANGE,
                         "date/time field value out of range: \"%.*s\"", n, text);
        if (outcome == RANGE_ORDER)
            err_hint(err, "Numbers are read as month, day, year, unless the first has "
                          "three digits or more: then as "
                          "year, month, day.");
        break;
    case ZONE_RANGE:
        status = err_set(err, KDK_BAD_TIME_ZONE,
                         "time zone displacement out of range: \"%.*s\"", n, text);
        break;
    case NO_CLOCK:
        status = err_set(err, KDK_UNSUPPORTED,
                         "date/time value \"%.*s\" is not supported in a literal", n, text);
        err_hint(err, "Use current_date or now().");
        break;
    case NO_ZONES:
        status = err_set(err, KDK_UNSUPPORTED,
                         "time zone names are not supported: \"%.*s\"", n, text);
        break;
    }
    return status;
}

/* YYYY-MM-DD, as files have it: the same answer without the tokens. False: not of that
 * form, or not a date. */
static bool iso_date(const char *text, int64_t *days)
{
    uint32_t v[8];
    bool good = text[4] == '-' && text[7] == '-';
    static const uint8_t at[8] = {0, 1, 2, 3, 5, 6, 8, 9};
    for (int i = 0; i < 8; i++) {
        v[i] = (uint32_t)(text[at[i]] - '0');
        good &= v[i] <= 9;
    }
    uint32_t year = v[0] * 1000 + v[1] * 100 + v[2] * 10 + v[3], month = v[4] * 10 + v[5],
             day = v[6] * 10 + v[7];
    if (!good || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > calendar_month_days(year, month))
        return false;
    *days = calendar_days(year, month, day);
    return true;
}

kdk_status date_parse(const char *text, size_t bytes, int64_t *out, struct err *err)
{
    if (bytes == 10 && iso_date(text, out))
        return KDK_OK;
    struct fields f = {0};
    int64_t days, time_us;
    enum outcome outcome = fields_read(text, bytes, &f, &days, &time_us);
    if (outcome != GOOD)
        return outcome_error(outcome, "date", text, bytes, err);
    if (f.special == MINUS_INFINITY)
        *out = DATE_NEG_INF;
    else if (f.special == PLUS_INFINITY)
        *out = DATE_POS_INF;
    else if (days < DATE_MIN || days > DATE_MAX)
        return err_set(err, KDK_DATETIME_RANGE, "date out of range: \"%.*s\"",
                       (int)MIN(bytes, 400), text);
    else
        *out = days;
    return KDK_OK;
}
/* HH:MM:SS with everything in range. */
static bool iso_time(const char *text, int64_t *us)
{
    uint32_t v[6];
    bool good = text[2] == ':' && text[5] == ':';
    static const uint8_t at[6] = {0, 1, 3, 4, 6, 7};
    for (int i = 0; i < 6; i++) {
        v[i] = (uint32_t)(text[at[i]] - '0');
        good &= v[i] <= 9;
    }
    uint32_t hour = v[0] * 10 + v[1], minute = v[2] * 10 + v[3], second = v[4] * 10 + v[5];
    *us = hour * US_PER_HOUR + minute * US_PER_MINUTE + second * US_PER_SECOND;
    return good && hour < 24 && minute < 60 && second < 60;
}

kdk_status timestamp_parse(const char *text, size_t bytes, int64_t *out, struct err *err)
{
    int64_t iso_days, iso_us, fraction = 0;
    if (bytes >= 19 && bytes <= 26 && (text[10] == ' ' || text[10] == 'T') &&
        iso_date(text, &iso_days) && iso_time(text + 11, &iso_us) &&
        (bytes == 19 ||
         (text[19] == '.' && fraction_of(text + 20, bytes - 20, &fraction))) &&
        timestamp_join(iso_days, iso_us + fraction, out))
        return KDK_OK;
    struct fields f = {0};
    int64_t days, time_us;
    enum outcome outcome = fields_read(text, bytes, &f, &days, &time_us);
    if (outcome != GOOD)
        return outcome_error(outcome, "timestamp", text, bytes, err);
    if (f.special == MINUS_INFINITY)
        *out = TIMESTAMP_NEG_INF;
    else if (f.special == PLUS_INFINITY)
        *out = TIMESTAMP_POS_INF;
    else if (!timestamp_join(days, time_us, out))
        return err_set(err, KDK_DATETIME_RANGE, "timestamp out of range: \"%.*s\"",
                       (int)MIN(bytes, 400), text);
    return KDK_OK;
}

/* --------------------------------------------------------------- printing ---- */

static char *put_digits(char *at, uint32_t v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
    return at + width;
}
/* YYYY-MM-DD; the year has four digits or more. */
static char *put_date(char *at, int64_t days, bool *bc)
{
    struct civil c = calendar_civil(days);
    *bc = c.year <= 0;
    uint32_t year = (uint32_t)(*bc ? 1 - c.year : c.year);
    int width = 4;
    for (uint32_t rest = year / 10000; rest; rest /= 10)
        width++;
    at = put_digits(at, year, width);
    *at++ = '-';
    at = put_digits(at, c.month, 2);
    *at++ = '-';
    return put_digits(at, c.day, 2);
}
kdk_status date_print(int64_t days, struct buf *out)
{
    if (!date_finite(days))
        return buf_add_str(out, days < 0 ? "-infinity" : "infinity");
    char text[32];
    bool bc;
    char *end = put_date(text, days, &bc);
    if (bc)
        memcpy(end, " BC", 3), end += 3;
    return buf_add(out, text, (size_t)(end - text));
}
kdk_status timestamp_print(int64_t us, struct buf *out)
{
    if (!timestamp_finite(us))
        return buf_add_str(out, us < 0 ? "-infinity" : "infinity");
    char text[64];
    bool bc;
    struct clock_time t;
    char *at = put_date(text, timestamp_split(us, &t), &bc);
    *at++ = ' ';
    at = put_digits(at, t.hour, 2);
    *at++ = ':';
    at = put_digits(at, t.minute, 2);
    *at++ = ':';
    at = put_digits(at, t.second, 2);
    if (t.us) {
        *at++ = '.';
        at = put_digits(at, t.us, 6);
        while (at[-1] == '0')
            at--;
    }
    if (bc)
        memcpy(at, " BC", 3), at += 3;
    return buf_add(out, text, (size_t)(at - text));
}
