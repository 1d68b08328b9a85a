/* ipc_file.c - the IPC file reader: footer, batches in any order, columns alone. */
#include "arrow/ipc_dict.h"

#include "base/mem.h"

struct arrow_file {
    struct arrow_source source;
    char *name;
    struct arrow_schema *schema;
    struct arrow_metadata metadata;
    struct ipc_block *batches, *dictionaries;
    size_t batch_count, dictionary_count;
    struct ipc_dictionaries dicts;
    int64_t *dictionary_ids; /* Of each dictionary block; NULL until they were looked at. */
    bool *deltas;
};

/* A message of the file, its metadata in memory. */
struct block {
    struct arrow_buffer *metadata;
    struct ipc_message message;
    struct ipc_place place;
    uint64_t body;
};

static kdk_status read_at(const struct arrow_file *file, uint64_t offset, void *into,
                          size_t bytes, struct err *err)
{
    return file->source.read(file->source.context, offset, into, bytes, err);
}

static struct ipc_place place_of(const struct arrow_file *file, uint64_t offset)
{
    return (struct ipc_place){file->name, offset};
}

static kdk_status blocks_parse(struct arrow_file *file, const struct fb_table *footer,
                               unsigned field, uint64_t end, struct ipc_block **out,
                               size_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct fb_vector blocks = fb_vector(footer, field, 24);

    TRY_MEM(*out = MEM_ARRAY(struct ipc_block, blocks.count + 1));
    for (size_t i = 0; i < blocks.count; i++) {
        int64_t offset = fb_vector_i64(&blocks, 24, i, 0);
        int64_t metadata = (int32_t)fb_vector_i64(&blocks, 24, i, 8);
        int64_t body = fb_vector_i64(&blocks, 24, i, 16);
        if (offset < 8 || metadata < 8 || body < 0 || (uint64_t)offset > end ||
            (uint64_t)metadata > end - (uint64_t)offset ||
            (uint64_t)body > end - (uint64_t)offset - (uint64_t)metadata) {
            status =
                ipc_corrupt(place_of(file, end), "footer points outside the file", err);
            goto out;
        }
        (*out)[i] = (struct ipc_block){(uint64_t)offset, (int32_t)metadata, body};
    }
    *count = blocks.count;
out:
    return status;
}

static kdk_status footer_parse(struct arrow_file *file, uint64_t at, const uint8_t *data,
                               size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_place place = place_of(file, at);
    struct fb fb;
    struct fb_table footer, schema;
    int64_t version;

    fb_init(&fb, data, bytes);
    footer = fb_root(&fb);
    version = fb_int(&footer, 0, 2, 0);
    schema = fb_child(&footer, 1);
    if (fb.bad || schema.at == 0)
        return ipc_corrupt(place, "bad footer", err);
    if (version < IPC_VERSION_4 || version > IPC_VERSION_5)
        return err_set(err, KDK_UNSUPPORTED, "Arrow file \"%s\" has a footer of version %d",
                       file->name, (int)version + 1);
    TRY(ipc_schema_parse(place, &schema, &file->schema, err));
    TRY(blocks_parse(file, &footer, 2, at, &file->dictionaries, &file->dictionary_count,
                     err));
    TRY(blocks_parse(file, &footer, 3, at, &file->batches, &file->batch_count, err));
    TRY(ipc_metadata_parse(place, &footer, 4, &file->metadata, err));
    TRY(ipc_dictionaries_init(&file->dicts, place, file->schema, err));
out:
    return status;
}

kdk_status arrow_file_open(const struct arrow_source *source, struct arrow_file **out,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_file *file = NULL;
    uint8_t head[8], tail[4 + IPC_MAGIC_BYTES];
    struct arrow_buffer *footer = NULL;
    uint64_t bytes = source->bytes, at;
    int32_t footer_bytes;

    TRY_MEM(file = MEM_NEW(struct arrow_file));
    file->source = *source;
    TRY_MEM(file->name = mem_strdup(source->name ? source->name : ""));
    if (bytes < sizeof head + sizeof tail) {
        status = ipc_corrupt(place_of(file, 0), "too short for an Arrow file", err);
        goto out;
    }
    TRY(read_at(file, 0, head, sizeof head, err));
    TRY(read_at(file, bytes - sizeof tail, tail, sizeof tail, err));
    if (memcmp(head, "FEA1", 4) == 0) {
        status = err_set(err, KDK_UNSUPPORTED, "\"%s\" is a Feather file of version 1",
                         file->name);
        goto out;
    }
    if (memcmp(head, IPC_MAGIC, IPC_MAGIC_BYTES) != 0) {
        status = ipc_corrupt(place_of(file, 0), "it does not begin as an Arrow file", err);
        goto out;
    }
    if (memcmp(tail + 4, IPC_MAGIC, IPC_MAGIC_BYTES) != 0) {
        status = ipc_corrupt(place_of(file, bytes - IPC_MAGIC_BYTES),
                             "it does not end as an Arrow file", err);
        goto out;
    }
    footer_bytes = (int32_t)get_u32(tail);
    if (footer_bytes <= 0 || (uint64_t)footer_bytes > bytes - sizeof head - sizeof tail) {
        status = ipc_corrupt(place_of(file, bytes - sizeof tail),
                             "bad length of the footer", err);
        goto out;
    }
    at = bytes - sizeof tail - (uint64_t)footer_bytes;
    TRY(arrow_buffer_new((size_t)footer_bytes, &footer, err));
    TRY(read_at(file, at, footer->data, (size_t)footer_bytes, err));
    TRY(footer_parse(file, at, footer->data, (size_t)footer_bytes, err));
    *out = file;
    file = NULL;
out:
    arrow_buffer_unref(footer);
    arrow_file_close(file);
    return status;
}

void arrow_file_close(struct arrow_file *file)
{
    if (!file)
        return;
    ipc_dictionaries_deinit(&file->dicts);
    arrow_schema_free(file->schema);
    arrow_metadata_deinit(&file->metadata);
    mem_free(file->batches);
    mem_free(file->dictionaries);
    mem_free(file->dictionary_ids);
    mem_free(file->deltas);
    mem_free(file->name);
    mem_free(file);
}

const struct arrow_schema *arrow_file_schema(const struct arrow_file *file)
{
    return file->schema;
}

const struct arrow_metadata *arrow_file_metadata(const struct arrow_file *file)
{
    return &file->metadata;
}

size_t arrow_file_batch_count(const struct arrow_file *file)
{
    return file->batch_count;
}

size_t arrow_file_dictionary_count(const struct arrow_file *file)
{
    return file->dictionary_count;
}

/* Reads the metadata of a message; the caller unrefs out->metadata. */
static kdk_status block_read(const struct arrow_file *file, const struct ipc_block *at,
                             enum ipc_header kind, struct block *out, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t bytes = (size_t)at->metadata_bytes, prefix = 8;
    int32_t length;

    out->place = place_of(file, at->offset);
    out->body = at->offset + (uint64_t)at->metadata_bytes;
    TRY(arrow_buffer_new(bytes, &out->metadata, err));
    TRY(read_at(file, at->offset, out->metadata->data, bytes, err));
    length = (int32_t)get_u32(out->metadata->data + 4);
    if (get_u32(out->metadata->data) !=
        IPC_CONTINUE) { /* Before Arrow 0.15 there was only the length. */
        length = (int32_t)get_u32(out->metadata->data);
        prefix = 4;
    }
    if (length <= 0 || (size_t)length > bytes - prefix) {
        status = ipc_corrupt(out->place, "bad length of a message", err);
        goto out;
    }
    TRY(ipc_message_parse(out->place, out->metadata->data + prefix, (size_t)length,
                          &out->message, err));
    if (out->message.kind != kind) {
        status = ipc_corrupt(out->place, "not the message that the footer says", err);
        goto out;
    }
    if (out->message.body_bytes != at->body_bytes)
        status =
            ipc_corrupt(out->place, "message and footer differ on the body's length", err);
out:
    return status;
}

/* The ids of the dictionary blocks, once. */
static kdk_status dictionary_blocks_load(struct arrow_file *file, struct err *err)
{
    kdk_status status = KDK_OK;
    int64_t *ids = NULL;
    bool *deltas = NULL;
    struct block block = {0};

    if (file->dictionary_ids)
        return KDK_OK;
    TRY_MEM(ids = MEM_ARRAY(int64_t, file->dictionary_count + 1));
    TRY_MEM(deltas = MEM_ARRAY(bool, file->dictionary_count + 1));
    for (size_t i = 0; i < file->dictionary_count; i++) {
        TRY(block_read(file, &file->dictionaries[i], IPC_DICTIONARY, &block, err));
        ids[i] = fb_int(&block.message.header, 0, 8, 0);
        deltas[i] = fb_int(&block.message.header, 2, 1, 0) != 0;
        if (!ipc_dictionaries_find(&file->dicts, ids[i])) {
            status = ipc_corrupt(block.place, "a dictionary that no field has", err);
            goto out;
        }
        arrow_buffer_unref(block.metadata);
        block.metadata = NULL;
    }
    file->dictionary_ids = ids;
    file->deltas = deltas;
    ids = NULL;
    deltas = NULL;
out:
    arrow_buffer_unref(block.metadata);
    mem_free(ids);
    mem_free(deltas);
    return status;
}

static kdk_status dictionary_lookup(void *context, int64_t id, struct arrow_array **out,
                                    struct err *err);

/* Reads the body, whole or what is wanted of it, and decodes. */
static kdk_status block_decode(struct arrow_file *file, const struct block *block,
                               const struct fb_table *batch,
                               const struct arrow_schema *schema, const uint32_t *columns,
                               size_t column_count, struct arrow_array **out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_batch_layout layout = {0};
    struct ipc_body body = {.offset = block->body, .source = &file->source};
    size_t bytes = (size_t)block->message.body_bytes;

    TRY(ipc_layout_parse(block->place, batch, schema, block->body,
                         block->message.body_bytes, &layout, err));
    if (!columns) {
        TRY(arrow_buffer_new(bytes, &body.whole, err));
        if (bytes)
            TRY(read_at(file, block->body, body.whole->data, bytes, err));
    }
    TRY(ipc_batch_decode(block->place, schema, &layout, &body, columns, column_count,
                         dictionary_lookup, file, out, err));
out:
    arrow_batch_layout_deinit(&layout);
    arrow_buffer_unref(body.whole);
    return status;
}

static kdk_status dictionary_block_decode(struct arrow_file *file, size_t index,
                                          struct ipc_dictionary *dictionary,
                                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct block block = {0};
    struct fb_table batch;
    struct arrow_array *array = NULL;
    struct arrow_schema *column, schema = ipc_dictionary_schema(&column);

    column = ipc_unconst(dictionary->values);
    TRY(block_read(file, &file->dictionaries[index], IPC_DICTIONARY, &block, err));
    if (dictionary->now && !file->deltas[index]) {
        status = ipc_corrupt(block.place, "a dictionary is there twice", err);
        goto out;
    }
    batch = fb_child(&block.message.header, 1);
    TRY(block_decode(file, &block, &batch, &schema, NULL, 0, &array, err));
    TRY(ipc_dictionary_put(dictionary, block.place, arrow_array_ref(array->children[0]),
                           file->deltas[index], err));
out:
    arrow_array_unref(array);
    arrow_buffer_unref(block.metadata);
    return status;
}

/* Recursion (dictionaries inside the values of dictionaries) goes down the tree of the
 * schema, so it ends. */
static kdk_status dictionary_lookup(void *context, int64_t id, struct arrow_array **out,
                                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_file *file = context;
    struct ipc_dictionary *dictionary = ipc_dictionaries_find(&file->dicts, id);

    TRY_ASSERT(dictionary);
    if (!dictionary->loaded) {
        TRY(dictionary_blocks_load(file, err));
        arrow_array_unref(dictionary->now); /* What a failed attempt left. */
        dictionary->now = NULL;
        for (size_t i = 0; i < file->dictionary_count; i++)
            if (file->dictionary_ids[i] == id)
                TRY(dictionary_block_decode(file, i, dictionary, err));
        if (!dictionary->now) {
            status = ipc_corrupt(place_of(file, 0), "a dictionary is missing", err);
            goto out;
        }
        dictionary->loaded = true;
    }
    *out = dictionary->now;
out:
    return status;
}

kdk_status arrow_file_dictionary(struct arrow_file *file, const struct arrow_schema *field,
                                 struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *values = NULL;

    if (!field->dictionary || !ipc_dictionaries_find(&file->dicts, field->dictionary_id))
        return err_set(err, KDK_BAD_PARAMETER, "Arrow field \"%s\" has no dictionary",
                       field->name);
    TRY(dictionary_lookup(file, field->dictionary_id, &values, err));
    *out = arrow_array_ref(values);
out:
    return status;
}

static kdk_status no_batch(size_t index, struct err *err)
{
    return err_set(err, KDK_BAD_PARAMETER, "there is no record batch %zu", index);
}

kdk_status arrow_file_read(struct arrow_file *file, size_t index, const uint32_t *columns,
                           size_t column_count, struct arrow_array **out,
                           struct arrow_metadata *metadata, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block block = {0};
    struct arrow_array *array = NULL;
    struct arrow_metadata read = {0};

    if (index >= file->batch_count)
        return no_batch(index, err);
    TRY(block_read(file, &file->batches[index], IPC_BATCH, &block, err));
    TRY(block_decode(file, &block, &block.message.header, file->schema, columns,
                     column_count, &array, err));
    if (metadata) {
        TRY(ipc_metadata_parse(block.place, &block.message.root, 4, &read, err));
        *metadata = read;
        read = (struct arrow_metadata){0};
    }
    *out = array;
    array = NULL;
out:
    arrow_metadata_deinit(&read);
    arrow_array_unref(array);
    arrow_buffer_unref(block.metadata);
    return status;
}

/* Looks up the decoded lengths of compressed buffers. */
static kdk_status layout_resolve(const struct arrow_file *file,
                                 struct arrow_batch_layout *layout, struct err *err)
{
    kdk_status status = KDK_OK;

    for (size_t i = 0; i < layout->buffer_count; i++) {
        struct arrow_stored *stored = &layout->buffers[i];
        uint8_t prefix[8];
        int64_t length;
        if (!stored->prefix_bytes)
            continue;
        TRY(read_at(file, stored->offset, prefix, sizeof prefix, err));
        length = get_i64(prefix);
        if (length == -1) {
            stored->codec = ARROW_CODEC_NONE;
        } else if (length < 0 ||
                   (uint64_t)length >
                       ipc_decoded_max(stored->codec, stored->decoded_bytes)) {
            status = ipc_corrupt(place_of(file, stored->offset),
                                 "bad decoded length of a buffer", err);
            goto out;
        } else {
            stored->decoded_bytes = (uint64_t)length;
        }
    }
out:
    return status;
}

static kdk_status block_layout(const struct arrow_file *file, const struct ipc_block *at,
                               const struct block *block, const struct fb_table *batch,
                               const struct arrow_schema *schema,
                               struct arrow_batch_layout *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_batch_layout layout = {0};

    TRY(ipc_layout_parse(block->place, batch, schema, block->body,
                         block->message.body_bytes, &layout, err));
    TRY(layout_resolve(file, &layout, err));
    layout.offset = at->offset;
    layout.bytes = (uint64_t)at->metadata_bytes + (uint64_t)at->body_bytes;
    *out = layout;
    layout = (struct arrow_batch_layout){0};
out:
    arrow_batch_layout_deinit(&layout);
    return status;
}

kdk_status arrow_file_batch_layout(struct arrow_file *file, size_t index,
                                   struct arrow_batch_layout *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block block = {0};

    if (index >= file->batch_count)
        return no_batch(index, err);
    TRY(block_read(file, &file->batches[index], IPC_BATCH, &block, err));
    TRY(block_layout(file, &file->batches[index], &block, &block.message.header,
                     file->schema, out, err));
out:
    arrow_buffer_unref(block.metadata);
    return status;
}

kdk_status arrow_file_dictionary_layout(struct arrow_file *file, size_t index, int64_t *id,
                                        bool *delta, struct arrow_batch_layout *out,
                                        struct err *err)
{
    kdk_status status = KDK_OK;
    struct block block = {0};
    struct fb_table batch;
    struct arrow_schema *column, schema = ipc_dictionary_schema(&column);

    if (index >= file->dictionary_count)
        return err_set(err, KDK_BAD_PARAMETER, "there is no dictionary batch %zu", index);
    TRY(dictionary_blocks_load(file, err));
    column = ipc_unconst(
        ipc_dictionaries_find(&file->dicts, file->dictionary_ids[index])->values);
    TRY(block_read(file, &file->dictionaries[index], IPC_DICTIONARY, &block, err));
    batch = fb_child(&block.message.header, 1);
    TRY(block_layout(file, &file->dictionaries[index], &block, &batch, &schema, out, err));
    if (id)
        *id = file->dictionary_ids[index];
    if (delta)
        *delta = file->deltas[index];
out:
    arrow_buffer_unref(block.metadata);
    return status;
}

/* ---- As a stream ---- */

struct file_stream {
    struct arrow_stream stream;
    struct arrow_file *file;
    size_t next;
};

static kdk_status file_stream_next(struct arrow_stream *stream, struct arrow_array **out,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_stream *self = (struct file_stream *)stream;

    if (self->next == self->file->batch_count) {
        *out = NULL;
        return KDK_OK;
    }
    TRY(arrow_file_read(self->file, self->next, NULL, 0, out, NULL, err));
    self->next++;
out:
    return status;
}

static void file_stream_close(struct arrow_stream *stream)
{
    mem_free(stream);
}

kdk_status arrow_file_stream(struct arrow_file *file, struct arrow_stream **out,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_stream *self = NULL;

    TRY_MEM(self = MEM_NEW(struct file_stream));
    self->stream = (struct arrow_stream){file->schema, file_stream_next, file_stream_close};
    self->file = file;
    *out = &self->stream;
out:
    return status;
}
