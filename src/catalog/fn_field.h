/* fn_field.h - the fields of dates that extract(), date_part() and date_trunc() name. */
#ifndef KDK_CATALOG_FN_FIELD_H
#define KDK_CATALOG_FN_FIELD_H

#include "base/base.h"

/* X(ID, digits after the point that extract() gives, may date_trunc() name it, is it part
 * of a time of day) */
#define DATE_FIELD_LIST(X)                                                                 \
    X(MICROSECONDS, 0, 1, 1)                                                               \
    X(MILLISECONDS, 3, 1, 1)                                                               \
    X(SECOND, 6, 1, 1)                                                                     \
    X(MINUTE, 0, 1, 1)                                                                     \
    X(HOUR, 0, 1, 1)                                                                       \
    X(DAY, 0, 1, 0)                                                                        \
    X(WEEK, 0, 1, 0)                                                                       \
    X(MONTH, 0, 1, 0)                                                                      \
    X(QUARTER, 0, 1, 0)                                                                    \
    X(YEAR, 0, 1, 0)                                                                       \
    X(DECADE, 0, 1, 0)                                                                     \
    X(CENTURY, 0, 1, 0)                                                                    \
    X(MILLENNIUM, 0, 1, 0)                                                                 \
    X(DOW, 0, 0, 0)                                                                        \
    X(DOY, 0, 0, 0)                                                                        \
    X(ISODOW, 0, 0, 0)                                                                     \
    X(ISOYEAR, 0, 0, 0)                                                                    \
    X(JULIAN, 20, 0, 0)                                                                    \
    X(EPOCH, 6, 0, 0)

enum date_field {
#define DATE_FIELD_ENUM(ID, DIGITS, TRUNC, TIME) DF_##ID,
    DATE_FIELD_LIST(DATE_FIELD_ENUM)
#undef DATE_FIELD_ENUM
        DF_NONE
};

/* In any case, and with the other spellings that PostgreSQL takes ("years", "mon", "qtr").
 * DF_NONE for nonsense. */
enum date_field date_field_of(const char *name, size_t bytes);
int32_t date_field_digits(enum date_field field);
bool date_field_truncates(enum date_field field);
bool date_field_is_time(enum date_field field);
/* Is it infinite for an infinite time? The others go round and round. */
bool date_field_grows(enum date_field field);

#endif
