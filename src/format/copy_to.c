/* copy_to.c - COPY ... TO: rows as CSV, text or Arrow.
 *
 * A file appears under its name only when it is whole: it is written beside it, synced, and
 * renamed.
 */
#include "format/format_int.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"

/* Text is handed on in pieces of about this. */
#define OUT_BYTES       KDK_PICK(256u << 10, 64u)
#define OUT_ARROW_ROWS  KDK_PICK(65536, 100) /* Rows of a record batch, */
#define OUT_ARROW_BYTES (64u << 20)          /*   or so many bytes of text. */

/* ----------------------------------------------------------------- values ---- */

/* Between quotes if it must be: when it holds a special character, could be taken for NULL
 * or for the end of the data, or is asked for. */
static kdk_status put_csv(const struct copy_options *o, const char *text, size_t bytes,
                          bool force, bool alone, struct buf *out)
{
    bool quote =
        force ||
        (bytes == strlen(o->null_text) && memcmp(text, o->null_text, bytes) == 0) ||
        (alone && bytes == 2 && memcmp(text, "\\.", 2) == 0);
    for (size_t i = 0; i < bytes && !quote; i++)
        quote = text[i] == o->delimiter || text[i] == o->quote || text[i] == '\n' ||
                text[i] == '\r';
    if (!quote)
        return buf_add(out, text, bytes);
    (void)!buf_add_char(out, o->quote); /* Failures stick. */
    size_t from = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == o->quote || text[i] == o->escape) {
            (void)!buf_add(out, text + from, i - from);
            (void)!buf_add_char(out, o->escape);
            from = i;
        }
    }
    (void)!buf_add(out, text + from, bytes - from);
    return buf_add_char(out, o->quote);
}

static kdk_status put_text(const struct copy_options *o, const char *text, size_t bytes,
                           struct buf *out)
{
    static const char control[] = "\b\f\n\r\t\v", letter[] = "bfnrtv";
    size_t from = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        const char *found = c && (unsigned char)c < 0x20 ? strchr(control, c) : NULL;
        if (!found && c != '\\' && c != o->delimiter)
            continue;
        (void)!buf_add(out, text + from, i - from); /* Failures stick. */
        (void)!buf_add_char(out, '\\');
        (void)!buf_add_char(out, found ? letter[found - control] : c);
        from = i + 1;
    }
    return buf_add(out, text + from, bytes - from);
}

static kdk_status put_value(const struct copy_options *o, const char *text, size_t bytes,
                            bool force, bool alone, struct buf *out)
{
    return o->format == COPY_CSV ? put_csv(o, text, bytes, force, alone, out)
                                 : put_text(o, text, bytes, out);
}

/* ----------------------------------------------------------- CSV and text ---- */

static kdk_status flush(struct buf *text, struct bytes_out *out, bool all, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(buf_status(text, err));
    if (text->len >= (all ? 1 : OUT_BYTES)) {
        TRY(bytes_write(out, text->data, text->len, err));
        buf_clear(text);
    }
out:
    return status;
}

static kdk_status text_header(const struct bound_copy *copy, struct buf *line)
{
    const struct copy_options *o = &copy->options;
    for (uint32_t i = 0; i < copy->column_count; i++) {
        const char *name = copy->names[i].name ? copy->names[i].name : "?column?";
        if (i)
            (void)!buf_add_char(line, o->delimiter); /* Failures stick. */
        (void)!put_value(o, name, strlen(name), false, copy->column_count == 1, line);
    }
    return buf_add_char(line, '\n');
}

static kdk_status text_rows(const struct bound_copy *copy, const struct batch *batch,
                            struct buf *value, struct buf *text, struct bytes_out *out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    const struct copy_options *o = &copy->options;
    const size_t null_bytes = strlen(o->null_text);

    for (uint32_t k = 0; k < batch->sel.count; k++) {
        uint32_t row = SEL_ROW(&batch->sel, k);
        for (uint32_t i = 0; i < copy->column_count; i++) {
            const struct ltype type = copy->names[i].type;
            const struct datum d = vec_get(&batch->columns[i], row);
            const bool force = o->force_quote_all || (o->force_quote && o->force_quote[i]);
            if (i)
                (void)!buf_add_char(text, o->delimiter); /* Failures stick. */
            if (d.null) {
                (void)!buf_add(text, o->null_text, null_bytes);
                continue;
            }
            buf_clear(value);
            if (type.id == LT_TEXT && !type.fixed) {
                (void)!put_value(o, str_data(&d.s), d.s.len, force, copy->column_count == 1,
                                 text);
                continue;
            }
            if (datum_print(type, &d, value) != KDK_OK)
                TRY(buf_status(value, err));
            (void)!put_value(o, value->data ? value->data : "", value->len, force,
                             copy->column_count == 1, text);
        }
        (void)!buf_add_char(text, '\n');
        TRY(flush(text, out, false, err));
    }
out:
    return status;
}

/* -------------------------------------------------------------------- Arrow ---- */

struct arrow_out {
    struct arrow_schema *schema;
    struct arrow_writer *writer;
    struct arrow_builder *builder; /* Gathers small batches. */
    uint64_t bytes;
};

static void arrow_out_deinit(struct arrow_out *a)
{
    arrow_builder_free(a->builder);
    arrow_writer_free(a->writer);
    arrow_schema_free(a->schema);
}

static kdk_status arrow_out_init(struct arrow_out *a, const struct bound_copy *copy,
                                 struct bytes_out *out, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(columns_to_arrow(copy->names, copy->column_count, &a->schema, err));
    TRY(arrow_writer_open(&(struct arrow_sink){bytes_write, out}, a->schema,
                          &(struct arrow_writer_options){.file = true}, &a->writer, err));
    TRY(arrow_builder_new(a->schema, &a->builder, err));
out:
    return status;
}

static kdk_status arrow_out_flush(struct arrow_out *a, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    if (!arrow_builder_length(a->builder))
        return KDK_OK;
    TRY(arrow_builder_finish(a->builder, &array, err));
    TRY(arrow_writer_batch(a->writer, array, NULL, NULL, err));
    a->bytes = 0;
out:
    arrow_array_unref(array);
    return status;
}

static kdk_status arrow_out_rows(struct arrow_out *a, const struct bound_copy *copy,
                                 const struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    uint64_t bytes = 0;
    TRY(batch_to_arrow(copy->names, copy->column_count, batch, &array, err));
    for (size_t i = 0; i < array->child_count; i++)
        if (array->children[i]->buffer_count > 2)
            bytes += array->children[i]->buffers[2]->bytes;
    if (a->bytes + bytes > OUT_ARROW_BYTES) /* Well before 32-bit offsets end. */
        TRY(arrow_out_flush(a, err));
    if (bytes > OUT_ARROW_BYTES) {
        TRY(arrow_writer_batch(a->writer, array, NULL, NULL, err));
        goto out;
    }
    TRY(arrow_builder_array(a->builder, array, 0, array->length, err));
    a->bytes += bytes;
    if (arrow_builder_length(a->builder) >= OUT_ARROW_ROWS)
        TRY(arrow_out_flush(a, err));
out:
    arrow_array_unref(array);
    return status;
}

/* ---------------------------------------------------------------------- all ---- */

kdk_status copy_to(const struct bound_copy *copy, const struct bound_stmt *stmt,
                   const struct exec_env *env, const struct copy_io *io, uint64_t *rows,
                   struct err *err)
{
    kdk_status status = KDK_OK;
    const bool arrow = copy->options.format == COPY_ARROW;
    struct bytes_out out = {0};
    struct exec *exec = NULL;
    struct arrow_out a = {0};
    struct buf text = {0}, value = {0};
    struct batch *batch;

    *rows = 0;
    if (copy->options.format == COPY_BINARY)
        TRY(err_set(err, KDK_UNSUPPORTED, "COPY format \"binary\" is not supported"));
    TRY_ASSERT(stmt->column_count == copy->column_count);
    TRY(exec_open(stmt, env, &exec, err));
    TRY(bytes_create(&out, env->os, copy->path, io, err));
    if (arrow)
        TRY(arrow_out_init(&a, copy, &out, err));
    else if (copy->options.header != COPY_HEADER_NO && text_header(copy, &text) != KDK_OK)
        TRY(buf_status(&text, err));
    for (;;) {
        if (env->eval.cancel &&
            atomic_load_explicit(env->eval.cancel, memory_order_relaxed))
            TRY(err_set(err, KDK_INTERRUPTED, "canceling statement due to user request"));
        TRY(exec_next(exec, &batch, err));
        if (!batch)
            break;
        for (uint32_t i = 0; i < batch->column_count; i++)
            if (batch->columns[i].form == VF_LAZY)
                TRY(batch->columns[i].load(&batch->columns[i], &batch->sel, batch->count,
                                           err));
        if (arrow)
            TRY(arrow_out_rows(&a, copy, batch, err));
        else
            TRY(text_rows(copy, batch, &value, &text, &out, err));
        *rows += batch->sel.count;
        if (io && io->progress)
            io->progress(io->progress_context, out.at, 0);
    }
    if (arrow) {
        TRY(arrow_out_flush(&a, err));
        TRY(arrow_writer_finish(a.writer, NULL, NULL, err));
    } else {
        TRY(flush(&text, &out, true, err));
    }
    TRY(bytes_finish(&out, err));
out:
    bytes_discard(&out);
    arrow_out_deinit(&a);
    exec_close(exec);
    buf_deinit(&text);
    buf_deinit(&value);
    return status;
}
