#include "catalog/fn_field.h"

static const struct {
    const char *name;
    enum date_field field;
} names[] = {
    {"year", DF_YEAR},
    {"month", DF_MONTH},
    {"day", DF_DAY},
    {"hour", DF_HOUR},
    {"minute", DF_MINUTE},
    {"second", DF_SECOND},
    {"quarter", DF_QUARTER},
    {"week", DF_WEEK},
    {"dow", DF_DOW},
    {"doy", DF_DOY},
    {"epoch", DF_EPOCH},
    {"julian", DF_JULIAN},
    {"jd", DF_JULIAN},
    {"j", DF_JULIAN},
    {"isodow", DF_ISODOW},
    {"isoyear", DF_ISOYEAR},
    {"decade", DF_DECADE},
    {"century", DF_CENTURY},
    {"millennium", DF_MILLENNIUM},
    {"millisecond", DF_MILLISECONDS},
    {"milliseconds", DF_MILLISECONDS},
    {"microsecond", DF_MICROSECONDS},
    {"microseconds", DF_MICROSECONDS},
    {"years", DF_YEAR},
    {"yr", DF_YEAR},
    {"yrs", DF_YEAR},
    {"y", DF_YEAR},
    {"months", DF_MONTH},
    {"mon", DF_MONTH},
    {"mons", DF_MONTH},
    {"days", DF_DAY},
    {"d", DF_DAY},
    {"hours", DF_HOUR},
    {"hr", DF_HOUR},
    {"hrs", DF_HOUR},
    {"h", DF_HOUR},
    {"minutes", DF_MINUTE},
    {"min", DF_MINUTE},
    {"mins", DF_MINUTE},
    {"m", DF_MINUTE},
    {"seconds", DF_SECOND},
    {"sec", DF_SECOND},
    {"secs", DF_SECOND},
    {"s", DF_SECOND},
    {"qtr", DF_QUARTER},
    {"weeks", DF_WEEK},
    {"w", DF_WEEK},
    {"decades", DF_DECADE},
    {"dec", DF_DECADE},
    {"decs", DF_DECADE},
    {"centuries", DF_CENTURY},
    {"cent", DF_CENTURY},
    {"c", DF_CENTURY},
    {"millennia", DF_MILLENNIUM},
    {"mil", DF_MILLENNIUM},
    {"mils", DF_MILLENNIUM},
    {"ms", DF_MILLISECONDS},
    {"msec", DF_MILLISECONDS},
    {"msecs", DF_MILLISECONDS},
    {"us", DF_MICROSECONDS},
    {"usec", DF_MICROSECONDS},
    {"usecs", DF_MICROSECONDS},
};

static const struct {
    int8_t digits;
    bool truncates, is_time;
} fields[] = {
#define DATE_FIELD_ROW(ID, DIGITS, TRUNC, TIME) [DF_##ID] = {DIGITS, TRUNC, TIME},
    DATE_FIELD_LIST(DATE_FIELD_ROW)
#undef DATE_FIELD_ROW
        [DF_NONE] = {6, false, false},
};

enum date_field date_field_of(const char *name, size_t bytes)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strlen(names[i].name) != bytes)
            continue;
        size_t k = 0;
        while (k < bytes && names[i].name[k] ==
                                (name[k] >= 'A' && name[k] <= 'Z' ? name[k] + 32 : name[k]))
            k++;
        if (k == bytes)
            return names[i].field;
    }
    return DF_NONE;
}

int32_t date_field_digits(enum date_field field)
{
    return fields[field].digits;
}

bool date_field_truncates(enum date_field field)
{
    return fields[field].truncates;
}

bool date_field_is_time(enum date_field field)
{
    return fields[field].is_time;
}

bool date_field_grows(enum date_field field)
{
    return field == DF_YEAR || field == DF_DECADE || field == DF_CENTURY ||
           field == DF_MILLENNIUM || field == DF_ISOYEAR || field == DF_EPOCH ||
           field == DF_JULIAN;
}
