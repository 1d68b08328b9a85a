/* arrow_fuzz.c - any bytes as an Arrow file and as a stream: refused, or sound arrays that
 * can be looked at whole and written again. */
#include <stdlib.h>

#include "arrow/arrow_c.h"
#include "arrow/arrow_ipc.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Slots cost nothing in arrays without buffers, so a short input may hold any number of
 * them. */
#define SLOTS_MAX 100000

static int64_t slots(const struct arrow_array *array)
{
    int64_t most = array->length;
    for (size_t i = 0; i < array->child_count; i++)
        if (slots(array->children[i]) > most)
            most = slots(array->children[i]);
    return array->dictionary && slots(array->dictionary) > most ? slots(array->dictionary)
                                                                : most;
}

static void look(const struct arrow_schema *schema, struct arrow_array *batch)
{
    struct ArrowArray c_array = {0};
    struct arrow_array *again = NULL;
    struct arrow_writer *writer = NULL;
    struct buf out = {0};
    struct arrow_sink sink = arrow_sink_of_buf(&out);

    if (slots(batch) > SLOTS_MAX)
        return;
    if (!arrow_array_equal(schema, batch, batch, NULL))
        abort();
    if (arrow_export_array(schema, batch, &c_array, NULL) == KDK_OK &&
        arrow_import_array(&c_array, schema, &again, NULL) == KDK_OK &&
        !arrow_array_equal(schema, batch, again, NULL))
        abort();
    arrow_array_unref(again);
    if (arrow_writer_open(&sink, schema, NULL, &writer, NULL) == KDK_OK &&
        arrow_writer_batch(writer, batch, NULL, NULL, NULL) == KDK_OK &&
        arrow_writer_finish(writer, NULL, NULL, NULL) != KDK_OK)
        abort();
    arrow_writer_free(writer);
    buf_deinit(&out);
}

static void drain(struct arrow_stream *stream)
{
    struct arrow_array *batch = NULL;
    struct err err = {0};

    while (stream->next(stream, &batch, &err) == KDK_OK && batch) {
        look(stream->schema, batch);
        arrow_array_unref(batch);
    }
    arrow_stream_close(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arrow_memory memory = {data, size, 0};
    struct arrow_source source = arrow_source_of_memory(&memory, "fuzz");
    struct arrow_input input = arrow_input_of_memory(&memory, "fuzz");
    struct arrow_file *file = NULL;
    struct arrow_stream *stream = NULL;
    struct arrow_batch_layout layout = {0};
    struct err err = {0};

    if (arrow_file_open(&source, &file, &err) == KDK_OK) {
        for (size_t i = 0; i < arrow_file_batch_count(file) && i < 16; i++)
            if (arrow_file_batch_layout(file, i, &layout, &err) == KDK_OK)
                arrow_batch_layout_deinit(&layout);
        if (arrow_file_stream(file, &stream, &err) == KDK_OK)
            drain(stream);
        arrow_file_close(file);
    }
    if (arrow_ipc_stream_open(&input, &stream, &err) == KDK_OK)
        drain(stream);
    return 0;
}
