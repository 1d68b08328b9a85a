/* format_int.h - what the files of the folder share. */
#ifndef KDK_FORMAT_FORMAT_INT_H
#define KDK_FORMAT_FORMAT_INT_H

#include "arrow/arrow_ipc.h"
#include "format/csv.h"
#include "format/format.h"
#include "os/os.h"

/* ------------------------------------------------------------- Arrow and vectors ---- */

/* The type that a column of this Arrow type becomes. 0A000 for those that have none. */
kdk_status arrow_ltype(const struct arrow_schema *column, struct ltype *out,
                       struct err *err) KDK_MUST_CHECK;
/* Rows [from, from + rows) of an array into an owned vector of arrow_ltype(). Strings point
 * into the array. */
kdk_status arrow_to_vec(const struct arrow_schema *column, const struct arrow_array *array,
                        int64_t from, uint32_t rows, struct vec *out,
                        struct err *err) KDK_MUST_CHECK;
/* The plain profile of columns, and the selected rows of a batch in it. The caller frees,
 * unrefs. */
kdk_status columns_to_arrow(const struct relcol *columns, uint32_t count,
                            struct arrow_schema **out, struct err *err) KDK_MUST_CHECK;
kdk_status batch_to_arrow(const struct relcol *columns, uint32_t count,
                          const struct batch *batch, struct arrow_array **out,
                          struct err *err) KDK_MUST_CHECK;

/* ------------------------------------------------------------------ reading ---- */

/* Bytes of a file, or of the host, one after the other. */
struct bytes_in {
    struct os_file *file; /* NULL: io */
    bool stream;          /* The file is a pipe or a terminal. */
    uint64_t at, total;   /* total 0: unknown */
    const struct copy_io *io;
};
kdk_status bytes_open(struct bytes_in *in, struct os *os, const char *path,
                      struct err *err) KDK_MUST_CHECK;
void bytes_close(struct bytes_in *in);
/* A struct bytes_in is the context; as in struct csv_input. */
kdk_status bytes_read(void *context, void *into, size_t bytes, size_t *got,
                      struct err *err) KDK_MUST_CHECK;
void bytes_progress(const struct bytes_in *in, const struct copy_io *io);

/* An Arrow file or stream as batches. */
struct arrow_rows {
    struct bytes_in in;
    const char *name;
    struct arrow_file *file; /* The file format, with a footer ... */
    size_t next;
    struct arrow_stream *stream; /* ... or the stream format. */
    uint8_t head[8]; /* What was read to tell them apart, and is still to be given. */
    size_t head_at, head_bytes;
    const struct arrow_schema *schema; /* Borrowed from either. */
    const uint32_t *columns;           /* Wanted; borrowed. */
    uint32_t column_count;
    struct arrow_array *array; /* Being read ... */
    bool host;                 /* The stream is the host's: in.at counts rows. */
    bool narrow;               /* ... with the wanted columns alone. */
    int64_t at;                /* ... from here. */
    uint64_t row;              /* Rows given, for messages. */
};
/* `path` NULL: from in->io, which the caller has set. */
kdk_status arrow_rows_open(struct arrow_rows *rows, struct os *os, const char *path,
                           struct err *err) KDK_MUST_CHECK;
/* From a stream, which it takes over. Cannot fail. */
void arrow_rows_of_stream(struct arrow_rows *rows, struct arrow_stream **stream);
/* Once, before the first batch. */
void arrow_rows_want(struct arrow_rows *rows, const uint32_t *columns, uint32_t count);
/* Fills a batch made with the types of the wanted columns, which then holds the array
 * (unpin). */
kdk_status arrow_rows_next(struct arrow_rows *rows, struct batch *batch, bool *more,
                           struct err *err) KDK_MUST_CHECK;
void arrow_rows_close(struct arrow_rows *rows); /* A zeroed one is fine. */

/* ------------------------------------------------------------------ writing ---- */

/* Bytes to a file under a temporary name, or to the host. */
struct bytes_out {
    struct os *os;
    const char *path; /* NULL: io */
    char *temporary;  /* NULL: written in place (a device). */
    struct os_file *file;
    uint64_t at;
    const struct copy_io *io;
};
kdk_status bytes_create(struct bytes_out *out, struct os *os, const char *path,
                        const struct copy_io *io, struct err *err) KDK_MUST_CHECK;
/* A struct bytes_out is the context; as in struct arrow_sink. */
kdk_status bytes_write(void *context, const void *from, size_t bytes,
                       struct err *err) KDK_MUST_CHECK;
/* Synced, renamed, and the rename synced. */
kdk_status bytes_finish(struct bytes_out *out, struct err *err) KDK_MUST_CHECK;
/* Without bytes_finish() nothing is left of it. */
void bytes_discard(struct bytes_out *out);

#endif
