/* arrow_copy.c - reads Arrow IPC data with our reader and writes them with our writer, so
 * that other programs can judge both (test/python/arrow_readers.py).
 *
 *   arrow_copy [--from-stream] [--to-stream] [--codec none|lz4|zstd] [--block-bytes N]
 *   [--late]
 *              [--no-deltas] [--through-c] IN OUT
 *
 * --late writes dictionaries at the end of the file; --through-c sends every batch through
 * the C data and stream interfaces on its way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/arrow_c.h"
#include "arrow/arrow_ipc.h"
#include "base/buf.h"

static bool load(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    char chunk[65536];
    size_t got;

    if (!file)
        return false;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(out, chunk, got);
    fclose(file);
    return !out->nomem;
}

static kdk_status file_write(void *context, const void *from, size_t bytes, struct err *err)
{
    if (fwrite(from, 1, bytes, context) != bytes)
        return err_set(err, KDK_IO, "cannot write");
    return KDK_OK;
}

struct arguments {
    bool from_stream, through_c;
    struct arrow_writer_options writer;
    struct arrow_batch_options batch;
    const char *in, *out;
};

static bool parse(int argc, char **argv, struct arguments *out)
{
    out->writer.file = true;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--from-stream") == 0)
            out->from_stream = true;
        else if (strcmp(arg, "--to-stream") == 0)
            out->writer.file = false;
        else if (strcmp(arg, "--late") == 0)
            out->writer.dictionaries_last = true;
        else if (strcmp(arg, "--no-deltas") == 0)
            out->writer.no_deltas = true;
        else if (strcmp(arg, "--through-c") == 0)
            out->through_c = true;
        else if (strcmp(arg, "--block-bytes") == 0 && i + 1 < argc)
            out->batch.block_bytes = strtoul(argv[++i], NULL, 10);
        else if (strcmp(arg, "--codec") == 0 && i + 1 < argc)
            out->batch.codec = argv[++i][0] == 'l' ? ARROW_CODEC_LZ4_FRAME
                               : argv[i][0] == 'z' ? ARROW_CODEC_ZSTD
                                                   : ARROW_CODEC_NONE;
        else if (!out->in)
            out->in = arg;
        else
            out->out = arg;
    }
    return out->in && out->out;
}

static kdk_status copy(const struct arguments *args, const struct buf *data, FILE *to,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_memory memory = {(const uint8_t *)data->data, data->len, 0};
    struct arrow_source source = arrow_source_of_memory(&memory, args->in);
    struct arrow_input input = arrow_input_of_memory(&memory, args->in);
    struct arrow_sink sink = {file_write, to};
    struct arrow_file *file = NULL;
    struct arrow_stream *stream = NULL;
    struct ArrowArrayStream c_stream = {0};
    struct arrow_writer *writer = NULL;
    struct arrow_array *batch = NULL;
    const struct arrow_metadata *metadata = NULL;

    if (args->from_stream) {
        TRY(arrow_ipc_stream_open(&input, &stream, err));
    } else {
        TRY(arrow_file_open(&source, &file, err));
        TRY(arrow_file_stream(file, &stream, err));
        metadata = arrow_file_metadata(file);
    }
    if (args->through_c) {
        struct arrow_stream *plain = stream;
        stream = NULL;
        TRY(arrow_export_stream(plain, &c_stream, err));
        TRY(arrow_import_stream(&c_stream, &stream, err));
    }
    TRY(arrow_writer_open(&sink, stream->schema, &args->writer, &writer, err));
    for (;;) {
        TRY(stream->next(stream, &batch, err));
        if (!batch)
            break;
        TRY(arrow_writer_batch(writer, batch, &args->batch, NULL, err));
        arrow_array_unref(batch);
        batch = NULL;
    }
    TRY(arrow_writer_finish(writer, &args->batch, metadata, err));
out:
    arrow_array_unref(batch);
    arrow_writer_free(writer);
    arrow_stream_close(stream);
    arrow_file_close(file);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments args = {0};
    struct buf data = {0};
    struct err err = {0};
    FILE *to = NULL;
    kdk_status status = KDK_IO;

    if (!parse(argc, argv, &args)) {
        fprintf(stderr, "usage: arrow_copy [OPTIONS] IN OUT\n");
        return 2;
    }
    if (load(args.in, &data) && (to = fopen(args.out, "wb")))
        status = copy(&args, &data, to, &err);
    if (to && fclose(to) != 0)
        status = KDK_IO;
    buf_deinit(&data);
    if (status == KDK_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", status_sqlstate(status), err.message);
    return 1;
}
