/* record.h - what a batch of the log says: rows, index entries, files, runs, counters.
 *
 * A record is a tag byte and its fields; numbers are LEB128 varints. Nothing but the record
 * is needed to decode it: values carry their class, not their type, so replay needs no
 * schema to walk a batch, and the type of the column decides what a number means.
 *
 *   ROW_FULL   table, row, n, n values               the columns 0 .. n-1
 *   ROW_PATCH  table, row, n, n times (column, value) the columns that changed, ascending
 *   ROW_DELETE table, row INDEX_PLUS table, index, row, twice the length (plus 1: there is
 *   a NULL in the key), key bytes INDEX_MINUS likewise
 *   FILE       table, file, first row, last row, rows, length, entries of its strips
 *              (table/load.c)
 *   RUN        table, index, run, length, reference (tree/run.h)
 *   ROW_IDS    table, row     rows up to this one may have been used
 *   OBJECT_IDS id             object ids up to this one may have been used
 *   SEQUENCE   id, value      (zigzag) values up to this one may have been used
 *   DICT       table, column, code, length, text   an entry of the column's dictionary
 *
 *   Value: one byte, then
 *   00       NULL
 *   01       a float, 4 bytes        02  a double, 8 bytes
 *   03       a string: varint length, bytes
 *   10 .. 20 a whole number of 0 .. 16 bytes, little-endian, sign-extended 40 .. 7f a
 *   string of 0 .. 63 bytes
 *
 * Bit 7 of a tag is reserved for a row's state before (change streams); until then it is an
 * unknown tag.
 */
#ifndef KDK_WAL_RECORD_H
#define KDK_WAL_RECORD_H

#include "base/buf.h"
#include "vec/vec.h"

/* X(NAME, number on disk) */
#define RECORD_LIST(X)                                                                     \
    X(ROW_FULL, 1)                                                                         \
    X(ROW_PATCH, 2)                                                                        \
    X(ROW_DELETE, 3)                                                                       \
    X(INDEX_PLUS, 4)                                                                       \
    X(INDEX_MINUS, 5)                                                                      \
    X(FILE, 6)                                                                             \
    X(RUN, 7)                                                                              \
    X(ROW_IDS, 8)                                                                          \
    X(OBJECT_IDS, 9)                                                                       \
    X(SEQUENCE, 10)                                                                        \
    X(DICT, 11)
enum record_kind {
#define RECORD_ENUM(NAME, NUMBER) RECORD_##NAME = NUMBER,
    RECORD_LIST(RECORD_ENUM)
#undef RECORD_ENUM
};
const char *record_kind_name(enum record_kind kind); /* "ROW_FULL" */

/* Encoders. Each adds one record; failures stick in the buffer (buf_status). */
/* FULL: `columns` NULL, values of columns 0 .. count-1. Else a PATCH of these columns,
 * ascending. `types`: of the values. */
void record_add_row(struct buf *out, uint32_t table, uint64_t row, const uint32_t *columns,
                    const struct ltype *types, const struct datum *values, uint32_t count);
void record_add_delete(struct buf *out, uint32_t table, uint64_t row);
void record_add_index(struct buf *out, bool plus, uint32_t table, uint32_t index,
                      uint64_t row, const void *key, size_t key_bytes, bool has_null);
void record_add_file(struct buf *out, uint32_t table, uint64_t file, uint64_t first,
                     uint64_t last, uint64_t rows, const void *entries, size_t entry_bytes);
void record_add_run(struct buf *out, uint32_t table, uint32_t index, uint64_t run,
                    const void *reference, size_t reference_bytes);
void record_add_dict(struct buf *out, uint32_t table, uint32_t column, uint32_t code,
                     const void *text, size_t text_bytes);
void record_add_row_ids(struct buf *out, uint32_t table, uint64_t last);
void record_add_object_ids(struct buf *out, uint64_t last);
void record_add_sequence(struct buf *out, uint64_t id, int64_t last);

/* A decoded record; what does not apply is 0. Pointers lead into the batch. */
struct record_view {
    enum record_kind kind;
    uint32_t table, index;
    uint64_t row;        /* ROW_*, INDEX_*; ROW_IDS: the last one; FILE: the first one. */
    uint64_t last, rows; /* FILE. */
    /* FILE, RUN: its number. OBJECT_IDS: the last id. SEQUENCE: its id. DICT: the code. */
    uint64_t number;
    int64_t value;      /* SEQUENCE */
    const uint8_t *key; /* INDEX_*. FILE: entries. RUN: reference. DICT: text. */
    size_t key_bytes;
    bool has_null;        /* INDEX_*: in its key. */
    uint32_t count;       /* ROW_FULL, ROW_PATCH: values. */
    struct cursor values; /* For record_value(). */
    /* The next one's, or the last one's in a PATCH. DICT: whose it is. */
    uint32_t column;
};
/* The next record of `in`; checks it whole, values included. KDK_CORRUPT. */
kdk_status record_next(struct cursor *in, struct record_view *out,
                       struct err *err) KDK_MUST_CHECK;

enum value_class { VALUE_NULL, VALUE_INT, VALUE_FLOAT, VALUE_DOUBLE, VALUE_STR };
struct record_value {
    uint32_t column;
    enum value_class class;
    int128 number;
    double real;
    struct str text; /* Points into the batch when it is long. */
};
/* The next of the view's `count` values. */
void record_value(struct record_view *record, struct record_value *out);
/* As a datum of `type`: KDK_CORRUPT if the class does not fit the type. */
kdk_status record_datum(const struct record_value *value, struct ltype type,
                        struct datum *out, struct err *err) KDK_MUST_CHECK;

#endif
