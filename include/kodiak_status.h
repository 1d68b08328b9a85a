/* kodiak_status.h - every status a KodiakDB call can return, with its SQLSTATE.
 *
 * One list makes the enum, the names and the table in docs/errors.md. A code is appended,
 * never renumbered: programs compiled against an older header keep their meaning. The
 * SQLSTATEs are PostgreSQL's (PostgreSQL 15, appendix A) wherever it has one.
 */
#ifndef KODIAK_STATUS_H
#define KODIAK_STATUS_H

/* X(NAME, SQLSTATE, TEXT) */
#define KDK_STATUS_LIST(X)                                                                 \
    X(OK, "00000", "success")                                                              \
    X(NOMEM, "53200", "out of memory")                                                     \
    X(IO, "58030", "input/output error")                                                   \
    X(FULL, "53100", "disk full")                                                          \
    X(CORRUPT, "XX001", "data corrupted")                                                  \
    X(INTERNAL, "XX000", "internal error")                                                 \
    X(UNSUPPORTED, "0A000", "feature not supported")                                       \
    X(INTERRUPTED, "57014", "query canceled")                                              \
    X(SHUTDOWN, "57P01", "database closed")                                                \
    X(BUSY, "55006", "object in use")                                                      \
    X(NOT_READY, "55000", "object not in prerequisite state")                              \
    X(READ_ONLY, "25006", "read-only transaction")                                         \
    X(LIMIT, "54000", "program limit exceeded")                                            \
    X(TOO_COMPLEX, "54001", "statement too complex")                                       \
    X(TOO_MANY_COLUMNS, "54011", "too many columns")                                       \
    X(TOO_MANY_ARGUMENTS, "54023", "too many arguments")                                   \
    X(SYNTAX, "42601", "syntax error")                                                     \
    X(UNDEFINED_TABLE, "42P01", "undefined table")                                         \
    X(UNDEFINED_COLUMN, "42703", "undefined column")                                       \
    X(UNDEFINED_FUNCTION, "42883", "undefined function")                                   \
    X(UNDEFINED_OBJECT, "42704", "undefined object")                                       \
    X(UNDEFINED_SCHEMA, "3F000", "invalid schema name")                                    \
    X(UNDEFINED_PARAMETER, "42P02", "undefined parameter")                                 \
    X(UNDEFINED_FILE, "58P01", "undefined file")                                           \
    X(DUPLICATE_TABLE, "42P07", "duplicate table")                                         \
    X(DUPLICATE_COLUMN, "42701", "duplicate column")                                       \
    X(DUPLICATE_ALIAS, "42712", "duplicate alias")                                         \
    X(DUPLICATE_OBJECT, "42710", "duplicate object")                                       \
    X(DUPLICATE_SCHEMA, "42P06", "duplicate schema")                                       \
    X(DUPLICATE_STATEMENT, "42P05", "duplicate prepared statement")                        \
    X(DUPLICATE_FILE, "58P02", "duplicate file")                                           \
    X(AMBIGUOUS_COLUMN, "42702", "ambiguous column")                                       \
    X(AMBIGUOUS_FUNCTION, "42725", "ambiguous function")                                   \
    X(AMBIGUOUS_PARAMETER, "42P08", "ambiguous parameter")                                 \
    X(INDETERMINATE_TYPE, "42P18", "indeterminate data type")                              \
    X(WRONG_OBJECT_TYPE, "42809", "wrong object type")                                     \
    X(TYPE_MISMATCH, "42804", "datatype mismatch")                                         \
    X(CANNOT_COERCE, "42846", "cannot coerce")                                             \
    X(GROUPING, "42803", "grouping error")                                                 \
    X(WINDOWING, "42P20", "windowing error")                                               \
    X(INVALID_RECURSION, "42P19", "invalid recursion")                                     \
    X(INVALID_COLUMN_REFERENCE, "42P10", "invalid column reference")                       \
    X(INVALID_TABLE_DEFINITION, "42P16", "invalid table definition")                       \
    X(INVALID_OBJECT_DEFINITION, "42P17", "invalid object definition")                     \
    X(INVALID_NAME, "42602", "invalid name")                                               \
    X(RESERVED_NAME, "42939", "reserved name")                                             \
    X(DEPENDENT_OBJECTS, "2BP01", "dependent objects still exist")                         \
    X(PRIVILEGE, "42501", "insufficient privilege")                                        \
    X(STRING_TRUNCATED, "22001", "string data right truncation")                           \
    X(OUT_OF_RANGE, "22003", "numeric value out of range")                                 \
    X(NULL_NOT_ALLOWED, "22004", "null value not allowed")                                 \
    X(BAD_DATETIME, "22007", "invalid datetime format")                                    \
    X(DATETIME_RANGE, "22008", "datetime field overflow")                                  \
    X(SUBSTRING, "22011", "substring error")                                               \
    X(DIVISION_BY_ZERO, "22012", "division by zero")                                       \
    X(BAD_ESCAPE, "22025", "invalid escape sequence")                                      \
    X(BAD_ESCAPE_CHARACTER, "22019", "invalid escape character")                           \
    X(BAD_ENCODING, "22021", "character not in repertoire")                                \
    X(BAD_PARAMETER, "22023", "invalid parameter value")                                   \
    X(BAD_LOGARITHM, "2201E", "invalid argument for logarithm")                            \
    X(BAD_POWER, "2201F", "invalid argument for power function")                           \
    X(BAD_LIMIT, "2201W", "invalid row count in limit clause")                             \
    X(BAD_OFFSET, "2201X", "invalid row count in result offset clause")                    \
    X(BAD_TEXT, "22P02", "invalid text representation")                                    \
    X(BAD_COPY, "22P04", "bad copy file format")                                           \
    X(UNTRANSLATABLE, "22P05", "untranslatable character")                                 \
    X(CARDINALITY, "21000", "cardinality violation")                                       \
    X(NOT_NULL, "23502", "not null violation")                                             \
    X(FOREIGN_KEY, "23503", "foreign key violation")                                       \
    X(UNIQUE, "23505", "unique violation")                                                 \
    X(CHECK, "23514", "check violation")                                                   \
    X(SERIALIZATION, "40001", "serialization failure")                                     \
    X(DEADLOCK, "40P01", "deadlock detected")                                              \
    X(LOCK_NOT_AVAILABLE, "55P03", "lock not available")                                   \
    X(SNAPSHOT_TOO_OLD, "72000", "snapshot too old")                                       \
    X(IN_FAILED_TXN, "25P02", "current transaction is aborted")                            \
    X(NO_ACTIVE_TXN, "25P01", "no active transaction")                                     \
    X(ACTIVE_TXN, "25001", "active transaction")                                           \
    X(UNDEFINED_STATEMENT, "26000", "invalid statement name")                              \
    X(BAD_SETTING, "22023", "invalid setting value")                                       \
    X(MISUSE, "HY010", "function sequence error")                                          \
    X(BAD_TIME_ZONE, "22009", "invalid time zone displacement value")                      \
    X(ARRAY_SUBSCRIPT, "2202E", "array subscript error")                                   \
    X(BAD_BUCKETS, "2201G", "invalid argument for width_bucket function")                  \
    X(NOT_IN_STATE, "55000", "object not in prerequisite state")

typedef enum kdk_status {
#define KDK_STATUS_ENUM(NAME, SQLSTATE, TEXT) KDK_##NAME,
    KDK_STATUS_LIST(KDK_STATUS_ENUM)
#undef KDK_STATUS_ENUM
        KDK_STATUS_COUNT
} kdk_status;

#endif
