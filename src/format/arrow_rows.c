/* arrow_rows.c - an Arrow file or stream, read as batches. */
#include "format/format_int.h"

#include "base/mem.h"

static kdk_status stream_read(void *context, void *into, size_t bytes, size_t *got,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_rows *rows = context;
    uint8_t *at = into;
    size_t n = MIN(bytes, rows->head_bytes - rows->head_at), more;
    if (n)
        memcpy(at, rows->head + rows->head_at, n);
    rows->head_at += n;
    *got = n;
    while (*got < bytes) { /* Less is given at the end alone. */
        TRY(bytes_read(&rows->in, at + *got, bytes - *got, &more, err));
        if (!more)
            break;
        *got += more;
    }
out:
    return status;
}

kdk_status arrow_rows_open(struct arrow_rows *rows, struct os *os, const char *path,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_source source;
    size_t got;

    rows->name = path ? path : "STDIN";
    if (path)
        TRY(bytes_open(&rows->in, os, path, err));
    TRY(stream_read(rows, rows->head, sizeof rows->head, &got, err));
    rows->head_bytes = got;
    rows->head_at = 0;
    if (got == sizeof rows->head && memcmp(rows->head, "ARROW1\0\0", 8) == 0) {
        if (path && !rows->in.stream) {
            TRY(arrow_source_of_file(rows->in.file, &source, err));
            TRY(arrow_file_open(&source, &rows->file, err));
            rows->schema = arrow_file_schema(rows->file);
            goto out;
        }
        rows->head_at =
            got; /* After the magic a file is a stream, with a footer that is not needed. */
    }
    if (got >= 4 && memcmp(rows->head, "FEA1", 4) == 0)
        TRY(err_set(
            err, KDK_UNSUPPORTED,
            "\"%s\" is a Feather file of version 1, which is not supported; version 2 is",
            rows->name));
    TRY(arrow_ipc_stream_open(&(struct arrow_input){stream_read, rows->name, rows},
                              &rows->stream, err));
    rows->schema = rows->stream->schema;
out:
    if (status != KDK_OK)
        arrow_rows_close(rows);
    return status;
}

void arrow_rows_of_stream(struct arrow_rows *rows, struct arrow_stream **stream)
{
    rows->name = "the stream";
    rows->stream = *stream;
    rows->schema = rows->stream->schema;
    rows->host = true;
    *stream = NULL;
}

void arrow_rows_want(struct arrow_rows *rows, const uint32_t *columns, uint32_t count)
{
    rows->columns = columns;
    rows->column_count = count;
}

static void unpin(void *array)
{
    arrow_array_unref(array);
}

kdk_status arrow_rows_next(struct arrow_rows *rows, struct batch *batch, bool *more,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    static const uint32_t none[1];

    batch_unpin(batch);
    batch_all(batch, 0);
    *more = false;
    while (!rows->array || rows->at >= rows->array->length) {
        arrow_array_unref(rows->array);
        rows->array = NULL;
        rows->at = 0;
        if (rows->file) {
            if (rows->next >= arrow_file_batch_count(rows->file))
                goto out;
            rows->narrow = true;
            TRY(arrow_file_read(rows->file, rows->next,
                                rows->columns ? rows->columns : none, rows->column_count,
                                &rows->array, NULL, err));
            rows->next++;
            rows->in.at = rows->in.total * rows->next / arrow_file_batch_count(rows->file);
        } else {
            TRY(rows->stream->next(rows->stream, &rows->array, err));
            if (!rows->array)
                goto out;
        }
    }
    // cppcheck-suppress nullPointerRedundantCheck ; the loop ends with an array or leaves
    const int64_t left = rows->array->length - rows->at;
    const uint32_t n = (uint32_t)MIN(left, (int64_t)BATCH_ROWS);
    for (uint32_t i = 0; i < rows->column_count; i++) {
        const uint32_t c = rows->columns[i];
        const struct arrow_array *column = rows->array->children[rows->narrow ? i : c];
        TRY(arrow_to_vec(rows->schema->children[c], column, rows->array->offset + rows->at,
                         n, &batch->columns[i], err));
    }
    batch_all(batch, n);
    batch->unpin = unpin;
    batch->pinned = arrow_array_ref(rows->array);
    rows->at += n;
    rows->row += n;
    if (rows->host)
        rows->in.at = rows->row;
    *more = true;
out:
    if (status != KDK_OK && !rows->host)
        err_while(err, "reading \"%s\" after row %llu", rows->name,
                  (unsigned long long)rows->row);
    return status;
}

void arrow_rows_close(struct arrow_rows *rows)
{
    arrow_array_unref(rows->array);
    arrow_file_close(rows->file);
    arrow_stream_close(rows->stream);
    bytes_close(&rows->in);
    rows->array = NULL;
    rows->file = NULL;
    rows->stream = NULL;
}
