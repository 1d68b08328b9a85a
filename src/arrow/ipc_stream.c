/* ipc_stream.c - the IPC stream reader. */
#include "arrow/ipc_dict.h"

#include "base/mem.h"

#define READ_STEP (1u << 20) /* Memory is taken as bytes arrive, not as a length claims. */

struct ipc_stream {
    struct arrow_stream stream;
    struct arrow_input input;
    char *name;
    struct arrow_schema *schema;
    struct ipc_dictionaries dicts;
    struct arrow_metadata metadata; /* Of the last batch. */
    uint64_t offset;                /* Bytes taken so far. */
    bool ended;
    bool failed;
};

/* A message and its body. */
struct incoming {
    struct arrow_buffer *metadata, *body;
    struct ipc_message message;
    struct ipc_place place;
};

static void incoming_deinit(struct incoming *in)
{
    arrow_buffer_unref(in->metadata);
    arrow_buffer_unref(in->body);
}

static kdk_status take(struct ipc_stream *self, void *into, size_t bytes, size_t *got,
                       struct err *err)
{
    kdk_status status = KDK_OK;

    TRY(self->input.read(self->input.context, into, bytes, got, err));
    self->offset += *got;
out:
    return status;
}

/* Exactly `bytes` into a new buffer. */
static kdk_status take_buffer(struct ipc_stream *self, uint64_t bytes,
                              struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_grow grow = {0};

    while (grow.bytes < bytes) {
        size_t step = (size_t)MIN(bytes - grow.bytes, MAX(grow.bytes, READ_STEP)), got;
        TRY(arrow_grow_reserve(&grow, step, err));
        TRY(take(self, grow.data + grow.bytes, step, &got, err));
        grow.bytes += got;
        if (got < step) {
            status = ipc_corrupt((struct ipc_place){self->name, self->offset},
                                 "the stream ends inside a message", err);
            goto out;
        }
    }
    TRY(arrow_grow_take(&grow, out, err));
out:
    arrow_grow_deinit(&grow);
    return status;
}

/* The next message; in->metadata stays NULL at the end of the stream. */
static kdk_status incoming_read(struct ipc_stream *self, struct incoming *in,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t word[4];
    size_t got;
    int32_t length;

    in->place = (struct ipc_place){self->name, self->offset};
    if (self->ended)
        return KDK_OK;
    for (int i = 0; i < 2;
         i++) { /* The mark, then the length; before Arrow 0.15 the length alone. */
        TRY(take(self, word, sizeof word, &got, err));
        if (got == 0 && i == 0) {
            self->ended = true;
            return KDK_OK;
        }
        if (got < sizeof word) {
            status = ipc_corrupt(in->place, "the stream ends inside a message", err);
            goto out;
        }
        if (i == 0 && get_u32(word) != IPC_CONTINUE)
            break;
    }
    length = (int32_t)get_u32(word);
    if (length == 0) {
        self->ended = true;
        return KDK_OK;
    }
    if (length < 0) {
        status = ipc_corrupt(in->place, "bad length of a message", err);
        goto out;
    }
    TRY(take_buffer(self, (uint64_t)length, &in->metadata, err));
    TRY(ipc_message_parse(in->place, in->metadata->data, (size_t)length, &in->message,
                          err));
    TRY(take_buffer(self, (uint64_t)in->message.body_bytes, &in->body, err));
out:
    return status;
}

static kdk_status lookup(void *context, int64_t id, struct arrow_array **out,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_stream *self = context;
    struct ipc_dictionary *dictionary = ipc_dictionaries_find(&self->dicts, id);

    TRY_ASSERT(dictionary);
    if (!dictionary->now) {
        status = ipc_corrupt((struct ipc_place){self->name, self->offset},
                             "a dictionary is missing", err);
        goto out;
    }
    *out = dictionary->now;
out:
    return status;
}

static kdk_status incoming_decode(struct ipc_stream *self, const struct incoming *in,
                                  const struct fb_table *batch,
                                  const struct arrow_schema *schema,
                                  struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_batch_layout layout = {0};
    struct ipc_body body = {.whole = in->body, .offset = self->offset - in->body->bytes};

    /* An empty body is the shared zeroes, whose size is not the body's. */
    if (in->message.body_bytes == 0)
        body.offset = self->offset;
    TRY(ipc_layout_parse(in->place, batch, schema, body.offset, in->message.body_bytes,
                         &layout, err));
    TRY(ipc_batch_decode(in->place, schema, &layout, &body, NULL, 0, lookup, self, out,
                         err));
out:
    arrow_batch_layout_deinit(&layout);
    return status;
}

static kdk_status dictionary_take(struct ipc_stream *self, const struct incoming *in,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    struct arrow_schema *column, schema = ipc_dictionary_schema(&column);
    struct fb_table batch = fb_child(&in->message.header, 1);
    bool delta = fb_int(&in->message.header, 2, 1, 0) != 0;
    struct ipc_dictionary *dictionary =
        ipc_dictionaries_find(&self->dicts, fb_int(&in->message.header, 0, 8, 0));

    if (!dictionary)
        return ipc_corrupt(in->place, "a dictionary that no field has", err);
    column = ipc_unconst(dictionary->values);
    TRY(incoming_decode(self, in, &batch, &schema, &array, err));
    TRY(ipc_dictionary_put(dictionary, in->place, arrow_array_ref(array->children[0]),
                           delta, err));
out:
    arrow_array_unref(array);
    return status;
}

static kdk_status stream_next(struct arrow_stream *stream, struct arrow_array **out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_stream *self = (struct ipc_stream *)stream;
    struct incoming in = {0};

    *out = NULL;
    if (self->failed) /* What follows a damaged message cannot be found. */
        return err_set(err, KDK_NOT_READY, "Arrow stream \"%s\" failed before", self->name);
    arrow_metadata_deinit(&self->metadata);
    for (;;) {
        TRY(incoming_read(self, &in, err));
        if (!in.metadata || in.message.kind == IPC_BATCH)
            break;
        if (in.message.kind != IPC_DICTIONARY) {
            status = ipc_corrupt(in.place, "a second schema", err);
            goto out;
        }
        TRY(dictionary_take(self, &in, err));
        incoming_deinit(&in);
        in = (struct incoming){0};
    }
    if (in.metadata) {
        TRY(ipc_metadata_parse(in.place, &in.message.root, 4, &self->metadata, err));
        TRY(incoming_decode(self, &in, &in.message.header, self->schema, out, err));
    }
out:
    self->failed = status != KDK_OK;
    incoming_deinit(&in);
    return status;
}

static void stream_close(struct arrow_stream *stream)
{
    struct ipc_stream *self = (struct ipc_stream *)stream;

    if (!self)
        return;
    ipc_dictionaries_deinit(&self->dicts);
    arrow_schema_free(self->schema);
    arrow_metadata_deinit(&self->metadata);
    mem_free(self->name);
    mem_free(self);
}

kdk_status arrow_ipc_stream_open(const struct arrow_input *input, struct arrow_stream **out,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_stream *self = NULL;
    struct incoming in = {0};

    TRY_MEM(self = MEM_NEW(struct ipc_stream));
    self->input = *input;
    TRY_MEM(self->name = mem_strdup(input->name ? input->name : ""));
    TRY(incoming_read(self, &in, err));
    if (!in.metadata || in.message.kind != IPC_SCHEMA) {
        status = ipc_corrupt(in.place, "it does not begin with a schema", err);
        goto out;
    }
    TRY(ipc_schema_parse(in.place, &in.message.header, &self->schema, err));
    TRY(ipc_dictionaries_init(&self->dicts, in.place, self->schema, err));
    self->stream = (struct arrow_stream){self->schema, stream_next, stream_close};
    *out = &self->stream;
    self = NULL;
out:
    incoming_deinit(&in);
    stream_close((struct arrow_stream *)self);
    return status;
}

const struct arrow_metadata *arrow_ipc_stream_metadata(const struct arrow_stream *stream)
{
    return &((const struct ipc_stream *)stream)->metadata;
}
