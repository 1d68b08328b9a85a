/* cstream.c - the C stream interface, both ways. */
#include <errno.h>

#include "arrow/arrow_c.h"

#include "base/mem.h"

/* ---- A foreign stream as ours ---- */

struct imported {
    struct arrow_stream stream;
    struct ArrowArrayStream in;
    struct arrow_schema *schema;
};

static kdk_status foreign_error(struct ArrowArrayStream *in, int code, struct err *err)
{
    const char *text = in->get_last_error ? in->get_last_error(in) : NULL;

    if (code == ENOMEM)
        return err_nomem(err);
    return err_set(err, code == ENOTSUP || code == ENOSYS ? KDK_UNSUPPORTED : KDK_IO,
                   "Arrow stream failed with error %d: %s", code,
                   text ? text : "no message");
}

static kdk_status imported_next(struct arrow_stream *stream, struct arrow_array **out,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct imported *self = (struct imported *)stream;
    struct ArrowArray array = {0};
    int code = self->in.get_next(&self->in, &array);

    *out = NULL;
    if (code)
        return foreign_error(&self->in, code, err);
    if (array.release)
        TRY(arrow_import_array(&array, self->schema, out, err));
out:
    return status;
}

static void imported_close(struct arrow_stream *stream)
{
    struct imported *self = (struct imported *)stream;

    if (!self)
        return;
    if (self->in.release)
        self->in.release(&self->in);
    arrow_schema_free(self->schema);
    mem_free(self);
}

kdk_status arrow_import_stream(struct ArrowArrayStream *in, struct arrow_stream **out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct imported *self = NULL;
    struct ArrowSchema schema = {0};
    int code;

    if (!in->release)
        return err_set(err, KDK_BAD_PARAMETER, "released Arrow stream");
    TRY_MEM(self = MEM_NEW(struct imported));
    self->in = *in;
    in->release = NULL;
    code = self->in.get_schema(&self->in, &schema);
    if (code) {
        schema.release = NULL;
        status = foreign_error(&self->in, code, err);
        goto out;
    }
    TRY(arrow_import_schema(&schema, &self->schema, err));
    if (self->schema->type != ARROW_STRUCT || self->schema->dictionary) {
        status =
            err_set(err, KDK_BAD_PARAMETER, "Arrow stream is not one of record batches");
        goto out;
    }
    self->stream = (struct arrow_stream){self->schema, imported_next, imported_close};
    *out = &self->stream;
    self = NULL;
out:
    if (schema.release)
        schema.release(&schema);
    if (in->release)
        in->release(in);
    imported_close((struct arrow_stream *)self);
    return status;
}

/* ---- Ours as a foreign one ---- */

struct exported {
    struct arrow_stream *stream;
    struct err err;
};

static int to_errno(kdk_status status)
{
    switch (status) {
    case KDK_OK:
        return 0;
    case KDK_NOMEM:
        return ENOMEM;
    case KDK_UNSUPPORTED:
        return ENOTSUP;
    case KDK_INTERRUPTED:
        return ECANCELED;
    default:
        /* The list of statuses is open; what has no errno of its own is an input/output
         * error. */
        return EIO;
    }
}

static int exported_schema(struct ArrowArrayStream *out, struct ArrowSchema *schema)
{
    struct exported *self = out->private_data;

    err_clear(&self->err);
    return to_errno(arrow_export_schema(self->stream->schema, schema, &self->err));
}

static int exported_next(struct ArrowArrayStream *out, struct ArrowArray *array)
{
    kdk_status status = KDK_OK;
    struct exported *self = out->private_data;
    struct arrow_array *batch = NULL;
    struct err *err = &self->err;

    err_clear(err);
    memset(array, 0, sizeof *array);
    TRY(self->stream->next(self->stream, &batch, err));
    if (batch)
        TRY(arrow_export_array(self->stream->schema, batch, array, err));
out:
    arrow_array_unref(batch);
    return to_errno(status);
}

static const char *exported_error(struct ArrowArrayStream *out)
{
    struct exported *self = out->private_data;

    return self->err.status == KDK_OK ? NULL : self->err.message;
}

static void exported_release(struct ArrowArrayStream *out)
{
    struct exported *self = out->private_data;

    arrow_stream_close(self->stream);
    mem_free(self);
    out->release = NULL;
}

kdk_status arrow_export_stream(struct arrow_stream *stream, struct ArrowArrayStream *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct exported *self = NULL;

    memset(out, 0, sizeof *out);
    TRY_MEM(self = MEM_NEW(struct exported));
    self->stream = stream;
    stream = NULL;
    *out = (struct ArrowArrayStream){exported_schema, exported_next, exported_error,
                                     exported_release, self};
out:
    arrow_stream_close(stream);
    return status;
}
