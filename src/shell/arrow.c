/* arrow.c - a statement's rows as an Arrow IPC stream on standard output. */
#include "shell/shell.h"

#include "arrow/arrow_c.h"
#include "arrow/arrow_ipc.h"
#include "base/err.h"

static kdk_status sink_write(void *context, const void *from, size_t bytes, struct err *err)
{
    if (fwrite(from, 1, bytes, context) != bytes)
        return err_set(err, KDK_IO, "could not write the Arrow stream");
    return KDK_OK;
}

static kdk_status copy_stream(struct arrow_stream *stream, FILE *to, bool *theirs,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_sink sink = {sink_write, to};
    struct arrow_writer *writer = NULL;
    struct arrow_array *batch = NULL;

    TRY(arrow_writer_open(&sink, stream->schema, &(struct arrow_writer_options){0}, &writer,
                          err));
    for (;;) {
        *theirs = true; /* What fails here, the connection can tell best. */
        TRY(stream->next(stream, &batch, err));
        *theirs = false;
        if (!batch)
            break;
        TRY(arrow_writer_batch(writer, batch, NULL, NULL, err));
        arrow_array_unref(batch);
        batch = NULL;
    }
    TRY(arrow_writer_finish(writer, NULL, NULL, err));
out:
    arrow_array_unref(batch);
    arrow_writer_free(writer);
    return status;
}

enum arrow_end arrow_write(struct shell *sh, kdk_stmt *stmt, FILE *to)
{
    struct ArrowArrayStream c_stream = {0};
    struct arrow_stream *stream = NULL;
    struct err err = {0};
    bool theirs = true;

    if (kdk_stmt_arrow(stmt, &c_stream) != KDK_OK)
        return ARROW_FAILED;
    kdk_status status = arrow_import_stream(&c_stream, &stream, &err);
    if (status == KDK_OK)
        status = copy_stream(stream, to, &theirs, &err);
    arrow_stream_close(stream);
    if (status == KDK_OK)
        return ARROW_DONE;
    if (theirs && kdk_sqlstate(sh->conn)[0])
        return ARROW_FAILED;
    if (!ferror(to)) /* That is reported when the output is flushed. */
        shell_error(sh, status_sqlstate(status), "%s", err.message);
    return ARROW_REPORTED;
}
