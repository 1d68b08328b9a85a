/* csv.h - delimited text as records and as batches: PostgreSQL's CSV and its text format.
 * Private to the folder.
 *
 * A parser owns one buffer. It fills it through `input`, finds the special bytes 64 at a
 * time (csv_kernel.c), cuts whole records into fields, and turns the fields of up to
 * BATCH_ROWS records column by column into vectors. Quotes and escapes are undone in place,
 * so strings are views of the buffer. There is no state but the struct: two parsers may run
 * on two parts of a file.
 *
 * Invariants
 *   C1  Records handed out are whole, and lie in the buffer until the next call; a record
 *       that the buffer cuts off is moved to its front and completed (the buffer doubles
 *       for one that is longer).
 *   C2  What is reported is the first error in order of rows, then columns, though columns
 *       are converted one after the other; rows before it are handed out first.
 *   C3  `data` has CSV_PADDING readable zero bytes after `len`.
 * Threads  One at a time.
 */
#ifndef KDK_FORMAT_CSV_H
#define KDK_FORMAT_CSV_H

#include "vec/vec.h"

#define CSV_BLOCK_BYTES      KDK_PICK(1u << 20, 256u)
#define CSV_RECORD_BYTES_MAX (1u << 30) /* A longer line is 54000. */
#define CSV_PADDING          64u
#define CSV_FIELDS_MAX                                                                     \
    KDK_PICK(1u << 18, 256u) /* Of a batch: wide tables get fewer rows at a time. */

/* Bit i: byte i of the 64 at `at` is one of the four. splat[k]: the byte eight times. */
uint64_t csv_mask(const char *at, const uint64_t splat[4]);

struct csv_options {
    bool csv; /* Else the text format. */
    char delimiter, quote, escape;
    const char *null_text; /* Borrowed. */
};

/* *got 0 only at the end; less than asked for is fine. */
struct csv_input {
    kdk_status (*read)(void *context, void *into, size_t bytes, size_t *got,
                       struct err *err);
    void *context;
};

struct csv_column {
    struct ltype type;
    const char *name;
    uint32_t slot; /* Which vector of the batch; UINT32_MAX: not wanted, not converted. */
    bool force_null, force_not_null;
};

enum csv_eol { CSV_EOL_UNKNOWN, CSV_EOL_NL, CSV_EOL_CR, CSV_EOL_CRNL };

struct csv_field {
    uint32_t at, bytes; /* In `data`, as written. */
    bool special;       /* Has quotes (CSV) or backslashes (text). */
};

struct csv {
    struct csv_options options;
    size_t null_bytes;
    struct csv_input input;
    const char *table; /* For messages: "COPY t, ..."; NULL: FROM 'file'. */
    const char *path;  /* For messages: file:line; NULL: no file. */
    const char *hint;  /* Added to errors of conversion; NULL: none. */
    uint64_t splat[4];

    char *data;
    size_t cap, len;
    size_t at;      /* The next record. */
    bool end;       /* `input` has ended. */
    bool finished;  /* No more records. */
    size_t checked; /* Bytes known to be UTF-8 without NUL. */
    size_t bad_at;  /* The first that are not, or SIZE_MAX. */
    size_t mask_at; /* Special bytes from here ... */
    uint64_t mask;  /* ... that have not been looked at. */
    enum csv_eol eol;
    uint64_t line;       /* Of the last record read: its last line. */
    uint64_t bytes_read; /* From input. */
    bool skip_mark;      /* A byte order mark at the very start is no data. */
    bool failed;         /* Nothing is read after an error. */

    /* The records of the last call; each has `stride` fields unless `loose`. */
    uint32_t stride;
    bool loose; /* One record at a time, with any number of fields: headers, sniffing. */
    uint32_t rows, rows_max;
    struct csv_field *fields;
    uint32_t field_cap, field_count; /* field_count: of the loose record. */
    uint64_t *lines;                 /* For each row. */
    /* What is wrong after them. */
    struct {
        enum csv_fault { CSV_FINE, CSV_STRUCTURE, CSV_MISSING } kind;
        size_t end; /* How far it was read. */
        uint32_t
            column; /* CSV_MISSING: the first without a field; those before are converted first. */
        struct err err;
    } fault;
    struct err pending; /* To be returned by the next call of csv_batch(). */
};

/* `columns` fields make a record; 0 with `loose`. The options' strings and the input are
 * borrowed. */
kdk_status csv_init(struct csv *csv, const struct csv_options *options,
                    const struct csv_input *input, uint32_t columns, bool loose,
                    struct err *err) KDK_MUST_CHECK;
void csv_deinit(struct csv *csv); /* A zeroed one is fine. */
/* From loose records to ones of `columns` fields: what was not read yet goes on. */
kdk_status csv_fix(struct csv *csv, uint32_t columns, struct err *err) KDK_MUST_CHECK;
/* Cuts the next records. rows == 0 and no fault: the end. A fault follows the rows. Fails
 * for input and memory only. */
kdk_status csv_records(struct csv *csv, struct err *err) KDK_MUST_CHECK;
/* The next record in loose mode; *more false at the end. */
kdk_status csv_loose(struct csv *csv, bool *more, struct err *err) KDK_MUST_CHECK;
/* The value of a field, quotes and escapes undone in place (once only): *null, or text.
 * 22021 for escapes that make no UTF-8. */
kdk_status csv_value(struct csv *csv, struct csv_field *field,
                     const struct csv_column *column, const char **text, size_t *bytes,
                     bool *null, struct err *err) KDK_MUST_CHECK;
/* Fills the batch, made with the types of the wanted columns in their slots, with the next
 * records; *more false at the end. `arena` is for values that are not views; reset by the
 * caller. csv->lines tells the line of each row. */
kdk_status csv_batch(struct csv *csv, const struct csv_column *columns, struct arena *arena,
                     struct batch *batch, bool *more, struct err *err) KDK_MUST_CHECK;
/* "COPY t, line 3, column a: "x"" and file:3. `column` and `text` may be NULL; `null`: the
 * value was NULL. */
void csv_while(const struct csv *csv, uint64_t line, const char *column, const char *text,
               size_t bytes, bool null, struct err *err);

#endif
