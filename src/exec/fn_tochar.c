/* fn_tochar.c - to_char(): numbers and moments by a template.
 *
 * The template is taken apart as PostgreSQL does (its documentation, 9.8), the longest
 * pattern first; the patterns that are not here are refused with 0A000, so that no answer
 * is made up. Names of months and days are English, signs and separators those of the C
 * locale.
 *
 * For numbers the digits stand in a row of places, one for each 9 and 0: those before the
 * first digit are blank, or zeros from the first 0 on; a number that needs more places than
 * there are is shown as #. Where the sign goes depends on S, MI, PL, SG and PR, else it is
 * a minus or a blank before the first digit.
 */
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "exec/fn_body.h"
#include "exec/fn_num.h"
#include "vec/calendar.h"

static bool give(struct fn_call *call, struct buf *buf, bool ok, struct datum *out)
{
    if (ok)
        ok = buf->nomem ? fn_fail_nomem(call)
                        : fn_text_copy(call, buf->data ? buf->data : "", buf->len, out);
    buf_deinit(buf);
    return ok;
}

static bool refuse(struct fn_call *call, const char *s, const char *end)
{
    return fn_fail(call, KDK_UNSUPPORTED,
                   "the pattern \"%.*s\" of to_char() is not supported",
                   (int)MIN(end - s, 8), s);
}

static bool starts(const char *s, const char *end, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(end - s) >= n && memcmp(s, what, n) == 0;
}
/* In upper or in lower case, as PostgreSQL lists its patterns. */
static bool word(const char *s, const char *end, const char *upper)
{
    size_t n = strlen(upper);
    bool low = true;
    if ((size_t)(end - s) < n)
        return false;
    if (memcmp(s, upper, n) == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        low &= s[i] == (upper[i] >= 'A' && upper[i] <= 'Z' ? upper[i] + 32 : upper[i]);
    return low;
}

/* Text of the template that stands for itself: "in quotes", \" for a quote, any other
 * character. Advances *at. */
static void literal(const char **at, const char *end, struct buf *buf)
{
    const char *s = *at;
    if (*s == '"') {
        for (s++; s < end && *s != '"'; s++) {
            s += *s == '\\' && s + 1 < end;
            if (buf)
                buf_add_char(buf, *s);
        }
        *at = s < end ? s + 1 : s;
        return;
    }
    if (*s == '\\' && s + 1 < end && s[1] == '"')
        s++;
    if (buf)
        buf_add_char(buf, *s);
    *at = s + 1;
}

/* ---------------------------------------------------------------- numbers ---- */

enum part_kind {
    PART_LITERAL,
    PART_9,
    PART_0,
    PART_POINT,
    PART_COMMA,
    PART_S,
    PART_MI,
    PART_PL,
    PART_SG,
    PART_PR,
    PART_FM
};

/* What a template says, as a whole. */
struct number_form {
    int before, after; /* places */
    /* from which place on zeros are shown (-1: none), and up to which */
    int zero_start, zero_end;
    bool point, fill, plus, minus, brackets;
    int sign;       /* S: 0 none, 1 before the digits, 2 behind them */
    int sign_place; /* places before S */
};

static enum part_kind number_part(const char *s, const char *end, size_t *bytes)
{
    static const struct {
        const char *text;
        uint8_t kind;
    } parts[] = {{"FM", PART_FM},   {"MI", PART_MI},   {"PL", PART_PL},
                 {"PR", PART_PR},   {"SG", PART_SG},   {"S", PART_S},
                 {"9", PART_9},     {"0", PART_0},     {".", PART_POINT},
                 {"D", PART_POINT}, {",", PART_COMMA}, {"G", PART_COMMA}};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (word(s, end, parts[i].text)) {
            *bytes = strlen(parts[i].text);
            return (enum part_kind)parts[i].kind;
        }
    *bytes = 0;
    return PART_LITERAL;
}

static bool number_form(struct fn_call *call, const char *s, const char *end,
                        struct number_form *f)
{
    static const char *const others[] = {"EEEE", "RN", "TH", "SP", "V", "L", "B"};
    memset(f, 0, sizeof *f);
    f->zero_start = -1;
    while (s < end) {
        size_t bytes;
        enum part_kind part = number_part(s, end, &bytes);
        for (size_t i = 0; i < COUNT_OF(others); i++)
            if (part == PART_LITERAL && word(s, end, others[i]))
                return refuse(call, s, end);
        switch (part) {
        case PART_LITERAL:
            literal(&s, end, NULL);
            break;
        case PART_0:
        case PART_9:
            if (f->brackets)
                return fn_fail(call, KDK_SYNTAX,
                               part == PART_9 ? "\"9\" must be ahead of \"PR\""
                                              : "\"0\" must be ahead of \"PR\"");
            if (part == PART_0 && f->zero_start < 0 && !f->point)
                f->zero_start = f->before;
            if (f->point)
                f->after++;
            else
                f->before++;
            if (part == PART_0)
                f->zero_end = f->before + f->after;
            break;
        case PART_POINT:
            if (f->point)
                return fn_fail(call, KDK_SYNTAX, "multiple decimal points");
            f->point = true;
            break;
        case PART_COMMA:
            break;
        case PART_FM:
            f->fill = true;
            break;
        case PART_S:
            if (f->sign)
                return fn_fail(call, KDK_SYNTAX, "cannot use \"S\" twice");
            if (f->plus || f->minus || f->brackets)
                return fn_fail(call, KDK_SYNTAX,
                               "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
            f->sign = f->point ? 2 : 1;
            f->sign_place = f->before;
            break;
        case PART_MI:
        case PART_PL:
        case PART_SG:
            if (f->sign)
                return fn_fail(call, KDK_SYNTAX, "cannot use \"S\" and \"%s\" together",
                               part == PART_MI   ? "MI"
                               : part == PART_PL ? "PL"
                                                 : "SG");
            f->minus |= part != PART_PL;
            f->plus |= part != PART_MI;
            break;
        case PART_PR:
            if (f->sign || f->plus || f->minus)
                return fn_fail(call, KDK_SYNTAX,
                               "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
            f->brackets = true;
            break;
        }
        s += bytes;
    }
    return true;
}

/* The state while digits are written. */
struct number_out {
    const struct number_form *form;
    struct buf *buf;
    /* last: the last digit that FM keeps, or the point; NULL without FM */
    const char *digits, *at, *last;
    bool minus, sign_done, brackets, in_number;
    int sign, blanks, place, last_place;
};

static void number_sign(struct number_out *o)
{
    bool before_point = o->form->zero_start < 0 && o->at == o->digits &&
                        *o->digits == '0' && o->form->after > 0;
    if (o->sign_done || (o->place < o->blanks && o->form->zero_start != o->place) ||
        (before_point && !(o->last && *o->last == '.')))
        return;
    if (o->sign) {
        if (o->sign == 1) {
            buf_add_char(o->buf, o->minus ? '-' : '+');
            o->sign_done = true;
        }
        return;
    }
    if (o->brackets)
        buf_add_char(o->buf, o->minus ? '<' : ' ');
    else if (o->minus)
        buf_add_char(o->buf, '-');
    else if (!o->form->fill)
        buf_add_char(o->buf, ' ');
    o->sign_done = true;
}

/* One 9, 0 or point. */
static void number_place(struct number_out *o, enum part_kind part)
{
    const struct number_form *f = o->form;
    o->in_number = false;
    number_sign(o);
    if (o->place < o->blanks && (f->zero_start < 0 || f->zero_start > o->place)) {
        if (!f->fill)
            buf_add_char(o->buf, ' ');
    } else if (o->place < o->blanks) {
        buf_add_char(o->buf, '0');
        o->in_number = true;
    } else {
        bool before_point =
            f->zero_start < 0 && o->at == o->digits && *o->digits == '0' && f->after > 0;
        if (*o->at == '.') {
            if (!o->last || *o->last != '.' || f->fill)
                buf_add_char(o->buf, '.');
        } else if (o->last && o->at > o->last && part != PART_0) {
            ;
        } else if (before_point) {
            if (!f->fill)
                buf_add_char(o->buf, ' ');
            else if (o->last && *o->last == '.')
                buf_add_char(o->buf, '0');
        } else if (*o->at) {
            buf_add_char(o->buf, *o->at);
            o->in_number = true;
        }
        if (*o->at)
            o->at++;
    }
    int end = o->last_place + (o->blanks ? 1 : 0) + (f->point ? 1 : 0);
    if (o->last && o->last == o->at)
        end = o->place;
    if (o->place + 1 == end) {
        if (o->sign_done && o->brackets)
            buf_add_char(o->buf, o->minus ? '>' : ' ');
        else if (o->sign == 2)
            buf_add_char(o->buf, o->minus ? '-' : '+');
    }
    o->place++;
}

/* `digits`: without sign, with form->after digits behind a point, if there are any. */
static bool number_to_char(struct fn_call *call, const struct number_form *form, bool minus,
                           char *digits, const char *s, const char *end, struct datum *out)
{
    struct buf buf = {0};
    struct number_out o = {.form = form,
                           .buf = &buf,
                           .digits = digits,
                           .at = digits,
                           .minus = minus,
                           .sign = form->sign};
    const char *point = strchr(digits, '.');
    int before = (int)(point ? point - digits : (ptrdiff_t)strlen(digits));

    if (before > form->before) {
        memset(digits, '#', (size_t)(form->before + form->after + 1));
        digits[form->before] = '.';
        digits[form->before + form->after + 1] = '\0';
    } else {
        o.blanks = form->before - before;
    }
    o.brackets = form->brackets && (minus || !form->fill);
    if (form->plus || form->minus)
        o.sign_done = !(form->plus && !form->minus);
    else
        o.sign_done = !minus && form->fill && !form->sign;
    if (form->sign == 1 && form->before == form->sign_place)
        o.sign = 2;
    o.last_place = form->before + form->after - 1;
    if (form->fill && form->point) {
        char *p = strchr(digits, '.');
        if (p) {
            const char *last = p;
            for (const char *q = p + 1; *q; q++)
                if (*q != '0')
                    last = q;
            if (form->zero_end > o.blanks) {
                ptrdiff_t most = MIN((ptrdiff_t)strlen(digits) - 1,
                                     (ptrdiff_t)(form->zero_end - o.blanks));
                if (last < digits + most)
                    last = digits + most;
            }
            o.last = last;
        }
    }
    if (!o.sign_done && o.blanks == 0)
        o.last_place++;
    while (s < end) {
        size_t bytes;
        enum part_kind part = number_part(s, end, &bytes);
        switch (part) {
        case PART_LITERAL:
            literal(&s, end, &buf);
            break;
        case PART_9:
        case PART_0:
        case PART_POINT:
            number_place(&o, part);
            break;
        case PART_COMMA:
            if (o.in_number)
                buf_add_char(&buf, ',');
            else if (!form->fill)
                buf_add_char(&buf, ' ');
            break;
        case PART_MI:
            if (minus)
                buf_add_char(&buf, '-');
            else if (!form->fill)
                buf_add_char(&buf, ' ');
            break;
        case PART_PL:
            if (!minus)
                buf_add_char(&buf, '+');
            else if (!form->fill)
                buf_add_char(&buf, ' ');
            break;
        case PART_SG:
            buf_add_char(&buf, minus ? '-' : '+');
            break;
        case PART_S:
        case PART_PR:
        case PART_FM:
            break;
        }
        s += bytes;
    }
    return give(call, &buf, true, out);
}

enum { FORM_PLACES_MAX = 200 };

/* A decimal integer of `scale`. */
static bool decimal_to_char(struct fn_call *call, int128 v, int scale,
                            const struct datum *form_text, struct datum *out)
{
    struct number_form form;
    char digits[FORM_PLACES_MAX + 64];
    const char *s = str_data(&form_text->s), *end = s + form_text->s.len;
    struct buf text = {0};
    int128 rounded = v;
    if (!number_form(call, s, end, &form))
        return false;
    if (form.before + form.after > FORM_PLACES_MAX)
        return fn_fail(call, KDK_LIMIT,
                       "a template of to_char() may have at most %d digits",
                       FORM_PLACES_MAX);
    int kept = MIN(form.after, scale);
    if (!num_rescale(v, scale, kept, &rounded))
        return fn_fail(call, KDK_OUT_OF_RANGE, "value overflows numeric format");
    struct datum d = {.w = rounded < 0 ? -rounded : rounded};
    kdk_status status = datum_print(LTYPE_NUM(38, (uint8_t)kept), &d, &text);
    if (status != KDK_OK) {
        buf_deinit(&text);
        return fn_fail_nomem(call);
    }
    size_t n = text.len;
    memcpy(digits, text.data, n);
    buf_deinit(&text);
    if (form.after > kept && kept == 0)
        digits[n++] = '.';
    for (int i = kept; i < form.after; i++)
        digits[n++] = '0';
    digits[n] = '\0';
    return number_to_char(call, &form, rounded < 0, digits, s, end, out);
}
FN_BODY(TO_CHAR_I4)
{
    return decimal_to_char(call, args[0].i, 0, &args[1], out);
}
FN_BODY(TO_CHAR_I8)
{
    return decimal_to_char(call, args[0].i, 0, &args[1], out);
}
FN_BODY(TO_CHAR_NUM)
{
    struct ltype type = fn_arg_type(call, 0);
    return decimal_to_char(call, args[0].w, type.precision ? type.scale : 10, &args[1],
                           out);
}
static bool float_to_char(struct fn_call *call, double f, int sure_digits,
                          const struct datum *form_text, struct datum *out)
{
    struct number_form form;
    char digits[400];
    const char *s = str_data(&form_text->s), *end = s + form_text->s.len;
    if (!number_form(call, s, end, &form))
        return false;
    if (form.before + form.after > FORM_PLACES_MAX)
        return fn_fail(call, KDK_LIMIT,
                       "a template of to_char() may have at most %d digits",
                       FORM_PLACES_MAX);
    if (isnan(f) || isinf(f))
        return refuse(call, isnan(f) ? "NaN" : "infinity",
                      (isnan(f) ? "NaN" : "infinity") + 3);
    int before = snprintf(digits, sizeof digits, "%.0f", fabs(f)), after = form.after;
    after = before >= sure_digits ? 0 : MIN(after, sure_digits - before);
    int n = snprintf(digits, sizeof digits, "%.*f", after, fabs(f));
    for (int i = 0; i < n; i++)
        if (digits[i] == ',') /* The host's locale may say so. */
            digits[i] = '.';
    form.after = after; /* No more digits than the type is sure of, as in PostgreSQL. */
    return number_to_char(call, &form, signbit(f) && f != 0, digits, s, end, out);
}
FN_BODY(TO_CHAR_F4)
{
    return float_to_char(call, args[0].f, 6, &args[1], out);
}
FN_BODY(TO_CHAR_F8)
{
    return float_to_char(call, args[0].f, 15, &args[1], out);
}

/* ------------------------------------------------------------ dates and times ---- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const romans[] = {"I",   "II",   "III", "IV", "V",  "VI",
                                     "VII", "VIII", "IX",  "X",  "XI", "XII"};

enum moment_part {
    M_NONE,
    M_YEAR_COMMA,
    M_YEAR,
    M_ISO_YEAR,
    M_MONTH_NUMBER,
    M_MONTH,
    M_MON,
    M_ROMAN,
    M_DAY,
    M_DAY_OF_YEAR,
    M_ISO_DAY_OF_YEAR,
    M_WEEKDAY,
    M_WEEKDAY_SHORT,
    M_WEEKDAY_NUMBER,
    M_ISO_WEEKDAY,
    M_WEEK_OF_MONTH,
    M_WEEK_OF_YEAR,
    M_ISO_WEEK,
    M_HOUR12,
    M_HOUR24,
    M_MINUTE,
    M_SECOND,
    M_DIGITS,
    M_SECONDS_OF_DAY,
    M_MERIDIAN,
    M_ERA,
    M_CENTURY,
    M_QUARTER,
    M_JULIAN,
    M_REFUSED
};
/* The longest first. `exact`: in just this case (names: the case is the output's). */
static const struct {
    const char *text;
    uint8_t part, digits;
    bool exact;
} moment_parts[] = {
    {"A.D.", M_ERA, 0, 1},
    {"a.d.", M_ERA, 0, 1},
    {"B.C.", M_ERA, 0, 1},
    {"b.c.", M_ERA, 0, 1},
    {"A.M.", M_MERIDIAN, 0, 1},
    {"a.m.", M_MERIDIAN, 0, 1},
    {"P.M.", M_MERIDIAN, 0, 1},
    {"p.m.", M_MERIDIAN, 0, 1},
    {"AD", M_ERA, 0, 1},
    {"ad", M_ERA, 0, 1},
    {"BC", M_ERA, 0, 1},
    {"bc", M_ERA, 0, 1},
    {"AM", M_MERIDIAN, 0, 1},
    {"am", M_MERIDIAN, 0, 1},
    {"PM", M_MERIDIAN, 0, 1},
    {"pm", M_MERIDIAN, 0, 1},
    {"CC", M_CENTURY, 2, 0},
    {"DAY", M_WEEKDAY, 0, 1},
    {"Day", M_WEEKDAY, 0, 1},
    {"day", M_WEEKDAY, 0, 1},
    {"DDD", M_DAY_OF_YEAR, 3, 0},
    {"DD", M_DAY, 2, 0},
    {"DY", M_WEEKDAY_SHORT, 0, 1},
    {"Dy", M_WEEKDAY_SHORT, 0, 1},
    {"dy", M_WEEKDAY_SHORT, 0, 1},
    {"D", M_WEEKDAY_NUMBER, 1, 0},
    {"FF1", M_DIGITS, 1, 0},
    {"FF2", M_DIGITS, 2, 0},
    {"FF3", M_DIGITS, 3, 0},
    {"FF4", M_DIGITS, 4, 0},
    {"FF5", M_DIGITS, 5, 0},
    {"FF6", M_DIGITS, 6, 0},
    {"FX", M_REFUSED, 0, 0},
    {"HH24", M_HOUR24, 2, 0},
    {"HH12", M_HOUR12, 2, 0},
    {"HH", M_HOUR12, 2, 0},
    {"IDDD", M_ISO_DAY_OF_YEAR, 3, 0},
    {"ID", M_ISO_WEEKDAY, 1, 0},
    {"IW", M_ISO_WEEK, 2, 0},
    {"IYYY", M_ISO_YEAR, 4, 0},
    {"IYY", M_ISO_YEAR, 3, 0},
    {"IY", M_ISO_YEAR, 2, 0},
    {"I", M_ISO_YEAR, 1, 0},
    {"J", M_JULIAN, 1, 0},
    {"MI", M_MINUTE, 2, 0},
    {"MM", M_MONTH_NUMBER, 2, 0},
    {"MONTH", M_MONTH, 0, 1},
    {"Month", M_MONTH, 0, 1},
    {"month", M_MONTH, 0, 1},
    {"MON", M_MON, 0, 1},
    {"Mon", M_MON, 0, 1},
    {"mon", M_MON, 0, 1},
    {"MS", M_DIGITS, 3, 0},
    {"OF", M_REFUSED, 0, 0},
    {"Q", M_QUARTER, 1, 0},
    {"RM", M_ROMAN, 0, 1},
    {"rm", M_ROMAN, 0, 1},
    {"SSSSS", M_SECONDS_OF_DAY, 1, 0},
    {"SSSS", M_SECONDS_OF_DAY, 1, 0},
    {"SS", M_SECOND, 2, 0},
    {"TZH", M_REFUSED, 0, 0},
    {"TZM", M_REFUSED, 0, 0},
    {"TZ", M_REFUSED, 0, 0},
    {"US", M_DIGITS, 6, 0},
    {"WW", M_WEEK_OF_YEAR, 2, 0},
    {"W", M_WEEK_OF_MONTH, 1, 0},
    {"Y,YYY", M_YEAR_COMMA, 0, 0},
    {"YYYY", M_YEAR, 4, 0},
    {"YYY", M_YEAR, 3, 0},
    {"YY", M_YEAR, 2, 0},
    {"Y", M_YEAR, 1, 0},
};

struct moment {
    int64_t days;
    struct civil date;
    struct clock_time time;
    int64_t us; /* of the day */
};

/* A name in the case of the pattern, padded to `width`. */
static void add_name(struct buf *buf, const char *name, size_t bytes, const char *pattern,
                     size_t width)
{
    bool upper = pattern[1] >= 'A' && pattern[1] <= 'Z',
         first = pattern[0] >= 'A' && pattern[0] <= 'Z';
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (upper || (i == 0 && first))
            c = (char)(c >= 'a' ? c - 32 : c);
        else
            c = (char)(c < 'a' ? c + 32 : c);
        buf_add_char(buf, c);
    }
    for (size_t i = bytes; i < width; i++)
        buf_add_char(buf, ' ');
}

static void add_ordinal(struct buf *buf, int64_t v, bool upper)
{
    int64_t last = v < 0 ? -v : v;
    const char *text = last % 100 >= 11 && last % 100 <= 13 ? "th"
                       : last % 10 == 1                     ? "st"
                       : last % 10 == 2                     ? "nd"
                       : last % 10 == 3                     ? "rd"
                                                            : "th";
    for (; *text; text++)
        buf_add_char(buf, upper ? (char)(*text - 32) : *text);
}

static int64_t moment_number(const struct moment *m, enum moment_part part, int digits)
{
    static const int64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    int32_t iso_year;
    int64_t year = m->date.year > 0 ? m->date.year : 1 - m->date.year;
    uint32_t day_of_year = calendar_yearday(m->days),
             week = calendar_iso_week(m->days, &iso_year);
    uint32_t weekday = calendar_weekday(m->days), iso_weekday = (weekday + 6) % 7 + 1;
    switch (part) {
    case M_YEAR:
        return digits < 4 ? year % tens[digits] : year;
    case M_ISO_YEAR:
        year = iso_year > 0 ? iso_year : 1 - iso_year;
        return digits < 4 ? year % tens[digits] : year;
    case M_MONTH_NUMBER:
        return m->date.month;
    case M_DAY:
        return m->date.day;
    case M_DAY_OF_YEAR:
        return day_of_year;
    case M_ISO_DAY_OF_YEAR:
        return ((int64_t)week - 1) * 7 + iso_weekday;
    case M_WEEKDAY_NUMBER:
        return weekday + 1;
    case M_ISO_WEEKDAY:
        return iso_weekday;
    case M_WEEK_OF_MONTH:
        return (m->date.day - 1) / 7 + 1;
    case M_WEEK_OF_YEAR:
        return (day_of_year - 1) / 7 + 1;
    case M_ISO_WEEK:
        return week;
    case M_HOUR12:
        return (m->time.hour + 11) % 12 + 1;
    case M_HOUR24:
        return m->time.hour;
    case M_MINUTE:
        return m->time.minute;
    case M_SECOND:
        return m->time.second;
    case M_DIGITS:
        return m->time.us / tens[6 - digits];
    case M_SECONDS_OF_DAY:
        return m->us / US_PER_SECOND;
    case M_CENTURY:
        return m->date.year > 0 ? (m->date.year + 99) / 100 : m->date.year / 100 - 1;
    case M_QUARTER:
        return (m->date.month - 1) / 3 + 1;
    case M_JULIAN:
        return m->days - DATE_MIN;
    case M_NONE:
    case M_YEAR_COMMA:
    case M_MONTH:
    case M_MON:
    case M_ROMAN:
    case M_WEEKDAY:
    case M_WEEKDAY_SHORT:
    case M_MERIDIAN:
    case M_ERA:
    case M_REFUSED:
        break;
    }
    return 0;
}

static bool moment_to_char(struct fn_call *call, const struct moment *m, const char *s,
                           const char *end, struct buf *buf)
{
    while (s < end) {
        bool fill = false;
        if (word(s, end, "FM")) {
            fill = true;
            s += 2;
        }
        if (s < end && word(s, end, "TM"))
            return refuse(call, s, end);
        enum moment_part part = M_NONE;
        int digits = 0;
        const char *pattern = s;
        for (size_t i = 0; i < COUNT_OF(moment_parts) && part == M_NONE; i++)
            if (moment_parts[i].exact ? starts(s, end, moment_parts[i].text)
                                      : word(s, end, moment_parts[i].text)) {
                part = (enum moment_part)moment_parts[i].part;
                digits = moment_parts[i].digits;
                s += strlen(moment_parts[i].text);
            }
        if (part == M_REFUSED)
            return refuse(call, pattern, end);
        if (part == M_NONE) {
            if (s < end) /* FM before what is no pattern says nothing. */
                literal(&s, end, buf);
            continue;
        }
        bool ordinal = starts(s, end, "TH") || starts(s, end, "th"),
             upper = ordinal && *s == 'T';
        s += ordinal ? 2 : 0;
        int64_t year = m->date.year > 0 ? m->date.year : 1 - m->date.year, v = 0;
        switch (part) {
        case M_MONTH:
            add_name(buf, months[m->date.month - 1], strlen(months[m->date.month - 1]),
                     pattern, fill ? 0 : 9);
            continue;
        case M_MON:
            add_name(buf, months[m->date.month - 1], 3, pattern, 0);
            continue;
        case M_WEEKDAY:
        case M_WEEKDAY_SHORT: {
            const char *name = weekdays[calendar_weekday(m->days)];
            add_name(buf, name, part == M_WEEKDAY ? strlen(name) : 3, pattern,
                     part == M_WEEKDAY && !fill ? 9 : 0);
            continue;
        }
        case M_ROMAN: {
            const char *name = romans[m->date.month - 1];
            add_name(buf, name, strlen(name), *pattern == 'R' ? "RM" : "rm", fill ? 0 : 4);
            continue;
        }
        case M_MERIDIAN:
        case M_ERA: {
            bool second = part == M_MERIDIAN ? m->time.hour >= 12 : m->date.year <= 0;
            const char *letters = part == M_MERIDIAN ? (second ? "PM" : "AM")
                                  : second           ? "BC"
                                                     : "AD";
            int low = *pattern >= 'a' ? 32 : 0;
            buf_add_char(buf, (char)(letters[0] + low));
            if (pattern[1] == '.')
                buf_add_char(buf, '.');
            buf_add_char(buf, (char)(letters[1] + low));
            if (pattern[1] == '.')
                buf_add_char(buf, '.');
            continue;
        }
        case M_YEAR_COMMA:
            v = year;
            (void)buf_printf(buf, "%lld,%03lld", (long long)(year / 1000),
                             (long long)(year % 1000));
            break;
        case M_DIGITS: /* FM does not count here. */
            v = moment_number(m, part, digits);
            (void)buf_printf(buf, "%0*lld", digits, (long long)v);
            break;
        case M_CENTURY:
            v = moment_number(m, part, digits);
            if (v <= 99 && v >= -99)
                (void)buf_printf(buf, "%0*lld", fill ? 0 : v >= 0 ? 2 : 3, (long long)v);
            else
                (void)buf_printf(buf, "%lld", (long long)v);
            break;
        case M_NONE:
        case M_REFUSED:
            break;
        case M_YEAR:
        case M_ISO_YEAR:
        case M_MONTH_NUMBER:
        case M_DAY:
        case M_DAY_OF_YEAR:
        case M_ISO_DAY_OF_YEAR:
        case M_WEEKDAY_NUMBER:
        case M_ISO_WEEKDAY:
        case M_WEEK_OF_MONTH:
        case M_WEEK_OF_YEAR:
        case M_ISO_WEEK:
        case M_HOUR12:
        case M_HOUR24:
        case M_MINUTE:
        case M_SECOND:
        case M_SECONDS_OF_DAY:
        case M_QUARTER:
        case M_JULIAN:
            v = moment_number(m, part, digits);
            (void)buf_printf(buf, "%0*lld", fill ? 0 : digits, (long long)v);
            break;
        }
        if (ordinal)
            add_ordinal(buf, v, upper);
    }
    return true;
}

static bool date_to_char(struct fn_call *call, bool finite, int64_t days, int64_t us,
                         const struct datum *form, struct datum *out)
{
    struct buf buf = {0};
    struct moment m = {.days = days, .us = us};
    if (!finite || form->s.len == 0) {
        *out = DATUM_NULL;
        return true;
    }
    m.date = calendar_civil(days);
    timestamp_split(us, &m.time);
    bool ok = moment_to_char(call, &m, str_data(&form->s), str_data(&form->s) + form->s.len,
                             &buf);
    return give(call, &buf, ok, out);
}
FN_BODY(TO_CHAR_DATE)
{
    int64_t us;
    if (date_finite(args[0].i) && !timestamp_join(args[0].i, 0, &us))
        return fn_fail(call, KDK_DATETIME_RANGE, "date out of range for timestamp");
    return date_to_char(call, date_finite(args[0].i), args[0].i, 0, &args[1], out);
}
FN_BODY(TO_CHAR_TS)
{
    if (!timestamp_finite(args[0].i)) {
        *out = DATUM_NULL;
        return true;
    }
    int64_t days = args[0].i / US_PER_DAY - (args[0].i % US_PER_DAY < 0);
    return date_to_char(call, true, days, args[0].i - days * US_PER_DAY, &args[1], out);
}
