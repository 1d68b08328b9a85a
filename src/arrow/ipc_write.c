/* ipc_write.c - the IPC writer, file and stream.
 *
 * A batch is laid out in memory first, since its metadata come before its body and name the
 * place of each buffer. Arrays may be slices: what is written begins at slot 0, offsets at
 * 0.
 */
#include "arrow/ipc_int.h"

#include "base/hash.h"
#include "base/mem.h"

/* A dictionary of the schema; they are numbered depth first, inner ones first, as
 * build_field() does. */
struct written {
    const struct arrow_schema *values; /* In the writer's schema. */
    struct arrow_array *last; /* What readers have, or will have; NULL: nothing yet. */
};

struct arrow_writer {
    struct arrow_sink sink;
    struct arrow_writer_options options;
    struct arrow_schema *schema;
    uint64_t bytes;
    struct written *dicts;
    size_t dict_count;
    struct ipc_block *batches, *dictionaries;
    struct arrow_batch_layout *dictionary_layouts;
    size_t batch_count, dictionary_count;
    struct buf metadata, body; /* Of the message being made; kept for their memory. */
    bool failed, finished, dictionaries_done;
};

/* A batch being laid out. */
struct laying {
    struct buf *body;
    const struct arrow_batch_options *options;
    struct arrow_batch_layout layout;
    int64_t *variadic;
    size_t variadic_count;
    uint32_t column;
};

/* Room for one more element where the capacity is the next power of two. `array` is the
 * address of a pointer to elements of any type. */
static kdk_status grow_array(void *array, size_t count, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    void *old, *more;

    if (count & (count - 1))
        return KDK_OK;
    memcpy(&old, array, sizeof old);
    TRY_MEM(more = mem_realloc(old, size_mul(count ? count * 2 : 1, bytes)));
    memcpy(array, &more, sizeof more);
out:
    return status;
}

/* ---- Dictionaries of the schema ---- */

static size_t dictionaries_count(const struct arrow_schema *schema)
{
    size_t count = schema->dictionary ? 1 + dictionaries_count(schema->dictionary) : 0;

    for (size_t i = 0; i < schema->child_count; i++)
        count += dictionaries_count(schema->children[i]);
    return count;
}

static void dictionaries_number(struct arrow_writer *w, const struct arrow_schema *schema,
                                size_t *next)
{
    for (size_t i = 0; i < schema->child_count; i++)
        dictionaries_number(w, schema->children[i], next);
    if (schema->dictionary) {
        dictionaries_number(w, schema->dictionary, next);
        w->dicts[(*next)++].values = schema->dictionary;
    }
}

/* ---- Output ---- */

static kdk_status put(struct arrow_writer *w, const void *bytes, size_t count,
                      struct err *err)
{
    kdk_status status = KDK_OK;

    if (count)
        TRY(w->sink.write(w->sink.context, bytes, count, err));
    w->bytes += count;
out:
    return status;
}

/* Sends w->metadata, with its prefix, and padded so that what follows begins on a multiple
 * of 64. */
static kdk_status put_metadata(struct arrow_writer *w, size_t *bytes, struct err *err)
{
    static const uint8_t zero[IPC_ALIGN];
    kdk_status status = KDK_OK;
    uint8_t prefix[8];
    size_t padding = (size_t)(0 - (w->bytes + 8 + w->metadata.len)) % IPC_ALIGN;

    put_u32(prefix, IPC_CONTINUE);
    put_u32(prefix + 4, (uint32_t)(w->metadata.len + padding));
    *bytes = 8 + w->metadata.len + padding;
    TRY(put(w, prefix, sizeof prefix, err));
    TRY(put(w, w->metadata.data, w->metadata.len, err));
    TRY(put(w, zero, padding, err));
out:
    return status;
}

kdk_status arrow_writer_open(const struct arrow_sink *sink,
                             const struct arrow_schema *schema,
                             const struct arrow_writer_options *options,
                             struct arrow_writer **out, struct err *err)
{
    static const uint8_t head[8] = IPC_MAGIC;
    kdk_status status = KDK_OK;
    struct arrow_writer *w = NULL;
    size_t next = 0, bytes;

    TRY_MEM(w = MEM_NEW(struct arrow_writer));
    w->sink = *sink;
    if (options)
        w->options = *options;
    if (schema->type != ARROW_STRUCT || schema->dictionary) {
        status =
            err_set(err, KDK_BAD_PARAMETER, "the schema of Arrow data is not a struct");
        goto out;
    }
    TRY(arrow_schema_check(schema, err));
    TRY(arrow_schema_copy(schema, &w->schema, err));
    w->dict_count = dictionaries_count(w->schema);
    TRY_MEM(w->dicts = MEM_ARRAY(struct written, w->dict_count + 1));
    dictionaries_number(w, w->schema, &next);
    if (w->options.file)
        TRY(put(w, head, sizeof head, err));
    TRY(ipc_schema_build(w->schema, &w->metadata, err));
    TRY(put_metadata(w, &bytes, err));
    *out = w;
    w = NULL;
out:
    arrow_writer_free(w);
    return status;
}

void arrow_writer_free(struct arrow_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; w->dicts && i < w->dict_count; i++)
        arrow_array_unref(w->dicts[i].last);
    for (size_t i = 0; i < w->dictionary_count; i++)
        arrow_batch_layout_deinit(&w->dictionary_layouts[i]);
    mem_free(w->dicts);
    mem_free(w->batches);
    mem_free(w->dictionaries);
    mem_free(w->dictionary_layouts);
    arrow_schema_free(w->schema);
    buf_deinit(&w->metadata);
    buf_deinit(&w->body);
    mem_free(w);
}

uint64_t arrow_writer_bytes(const struct arrow_writer *w)
{
    return w->bytes;
}

size_t arrow_writer_dictionary_count(const struct arrow_writer *w)
{
    return w->dictionary_count;
}

const struct arrow_batch_layout *arrow_writer_dictionary(const struct arrow_writer *w,
                                                         size_t index)
{
    ASSERT(index < w->dictionary_count);
    return &w->dictionary_layouts[index];
}

/* ---- Laying out ---- */

/* Adds a buffer of the node that was added last. */
static kdk_status lay_buffer(struct laying *lay, uint32_t slot, const void *data,
                             size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_batch_layout *layout = &lay->layout;
    struct buf *body = lay->body;
    size_t at = body->len;
    struct arrow_stored stored = {
        .offset = at,
        .decoded_bytes = bytes,
        .column = lay->column,
        .node = (uint32_t)(layout->node_count - 1),
        .slot = slot,
    };

    TRY(grow_array(&layout->buffers, layout->buffer_count, sizeof stored, err));
    if (bytes && lay->options->codec != ARROW_CODEC_NONE) {
        stored.codec = lay->options->codec;
        stored.prefix_bytes = 8;
        buf_add_u64(body, bytes);
        TRY(buf_status(body, err));
        TRY(arrow_encode(stored.codec, lay->options->level, lay->options->block_bytes, data,
                         bytes, body, err));
        if (body->len - at - 8 > bytes / 5 * 4 + bytes % 5 * 4 / 5) {
            body->len = at;
            stored.codec = ARROW_CODEC_NONE;
            buf_add_u64(body, UINT64_MAX);
            buf_add(body, data, bytes);
        }
    } else if (bytes) {
        buf_add(body, data, bytes);
    }
    TRY(buf_status(body, err));
    stored.stored_bytes = body->len - at;
    stored.crc = bytes ? crc32c(0, body->data + at, body->len - at) : 0;
    at = align_up(body->len, IPC_ALIGN) - body->len;
    if (at) {
        void *padding = buf_extend(body, at);
        TRY_MEM(padding);
        memset(padding, 0, at);
    }
    layout->buffers[layout->buffer_count++] = stored;
out:
    return status;
}

/* Bits from..from+count of a bitmap. */
static kdk_status lay_bits(struct laying *lay, uint32_t slot,
                           const struct arrow_buffer *bits, int64_t from, int64_t count,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_buffer *copy = NULL;
    size_t bytes = (size_t)(count + 7) / 8;

    TRY(arrow_buffer_new(bytes, &copy, err));
    memset(copy->data, 0, bytes);
    arrow_bits_move(copy->data, 0, bits->data, from, count);
    TRY(lay_buffer(lay, slot, copy->data, bytes, err));
out:
    arrow_buffer_unref(copy);
    return status;
}

/* Offsets from..from+count+1, made to begin at 0; tells which part of the data or child
 * they cover. */
static kdk_status lay_offsets(struct laying *lay, const struct arrow_array *array,
                              bool wide, int64_t from, int64_t count, int64_t *first,
                              int64_t *last, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint8_t *data = array->buffers[1]->data;
    size_t width = wide ? 8 : 4, bytes = ((size_t)count + 1) * width;
    struct arrow_buffer *copy = NULL;

    *first = wide ? arrow_get_i64(data, from) : arrow_get_i32(data, from);
    *last = wide ? arrow_get_i64(data, from + count) : arrow_get_i32(data, from + count);
    if (*first == 0) {
        TRY(lay_buffer(lay, 1, data + (size_t)from * width, bytes, err));
        goto out;
    }
    TRY(arrow_buffer_new(bytes, &copy, err));
    for (int64_t i = 0; i <= count; i++) {
        if (wide)
            put_i64(copy->data + i * 8, arrow_get_i64(data, from + i) - *first);
        else
            put_u32(copy->data + i * 4, (uint32_t)(arrow_get_i32(data, from + i) - *first));
    }
    TRY(lay_buffer(lay, 1, copy->data, bytes, err));
out:
    arrow_buffer_unref(copy);
    return status;
}

/* Lays out slots from..from+length of `array`, and what is below them. */
static kdk_status lay_array(struct laying *lay, const struct arrow_schema *schema,
                            const struct arrow_array *array, int64_t from, int64_t length,
                            struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(schema->type);
    kdk_status status = KDK_OK;
    struct arrow_batch_layout *out = &lay->layout;
    int64_t at = array->offset + from, nulls = 0, first, last;
    size_t width = arrow_value_bytes(schema), count = out->node_count;

    TRY_ASSERT(array->child_count == schema->child_count);
    TRY_ASSERT(array->buffer_count >= arrow_buffer_min(layout));
    TRY_ASSERT(from >= 0 && length >= 0 && from + length <= array->length);
    if (layout == ARROW_LAYOUT_NONE)
        nulls = length;
    else if (array->buffers[0] && array->null_count != 0)
        nulls = length - arrow_bits_count(array->buffers[0]->data, at, length);
    TRY(grow_array(&out->node_lengths, count, sizeof *out->node_lengths, err));
    TRY(grow_array(&out->node_null_counts, count, sizeof *out->node_null_counts, err));
    out->node_lengths[count] = length;
    out->node_null_counts[count] = nulls;
    out->node_count++;
    if (layout == ARROW_LAYOUT_NONE)
        return KDK_OK;
    if (nulls)
        TRY(lay_bits(lay, 0, array->buffers[0], at, length, err));
    else
        TRY(lay_buffer(lay, 0, NULL, 0, err));
    switch (layout) {
    case ARROW_LAYOUT_NONE:
        break;
    case ARROW_LAYOUT_BIT:
        TRY(lay_bits(lay, 1, array->buffers[1], at, length, err));
        break;
    case ARROW_LAYOUT_FIXED:
        TRY(lay_buffer(lay, 1, array->buffers[1]->data + (size_t)at * width,
                       (size_t)length * width, err));
        break;
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
        TRY(lay_offsets(lay, array, layout == ARROW_LAYOUT_VAR64, at, length, &first, &last,
                        err));
        TRY(lay_buffer(lay, 2, array->buffers[2]->data + first, (size_t)(last - first),
                       err));
        break;
    case ARROW_LAYOUT_VIEW:
        TRY(grow_array(&lay->variadic, lay->variadic_count, sizeof *lay->variadic, err));
        lay->variadic[lay->variadic_count++] = (int64_t)array->buffer_count - 2;
        TRY(lay_buffer(lay, 1, array->buffers[1]->data + (size_t)at * 16,
                       (size_t)length * 16, err));
        for (size_t i = 2; i < array->buffer_count; i++)
            TRY(lay_buffer(lay, (uint32_t)i, array->buffers[i]->data,
                           array->buffers[i]->bytes, err));
        break;
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
        TRY(lay_offsets(lay, array, layout == ARROW_LAYOUT_LIST64, at, length, &first,
                        &last, err));
        TRY(lay_array(lay, schema->children[0], array->children[0], first, last - first,
                      err));
        break;
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64:
        width = layout == ARROW_LAYOUT_LIST_VIEW64 ? 8 : 4;
        for (uint32_t i = 1; i <= 2; i++)
            TRY(lay_buffer(lay, i, array->buffers[i]->data + (size_t)at * width,
                           (size_t)length * width, err));
        TRY(lay_array(lay, schema->children[0], array->children[0], 0,
                      array->children[0]->length, err));
        break;
    case ARROW_LAYOUT_FIXED_LIST:
        TRY(lay_array(lay, schema->children[0], array->children[0], at * schema->width,
                      length * schema->width, err));
        break;
    case ARROW_LAYOUT_STRUCT:
        for (size_t i = 0; i < schema->child_count; i++)
            TRY(lay_array(lay, schema->children[i], array->children[i], at, length, err));
        break;
    }
out:
    return status;
}

/* Writes a message of columns that are laid out: `lay` is filled from here on. *layout (may
 * be NULL) gets the layout. */
static kdk_status put_batch(struct arrow_writer *w, struct laying *lay, int64_t length,
                            struct ipc_batch_build *build, struct ipc_block *block,
                            struct arrow_batch_layout *layout, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t at = w->bytes;
    size_t metadata_bytes;

    lay->layout.length = length;
    build->layout = &lay->layout;
    build->body_bytes = (int64_t)w->body.len;
    build->codec = lay->options->codec;
    build->variadic = lay->variadic;
    build->variadic_count = lay->variadic_count;
    TRY(ipc_batch_build(build, &w->metadata, err));
    TRY(put_metadata(w, &metadata_bytes, err));
    for (size_t i = 0; i < lay->layout.buffer_count; i++)
        lay->layout.buffers[i].offset += w->bytes;
    TRY(put(w, w->body.data, w->body.len, err));
    *block = (struct ipc_block){at, (int32_t)metadata_bytes, build->body_bytes};
    lay->layout.offset = at;
    lay->layout.bytes = w->bytes - at;
    if (layout) {
        *layout = lay->layout;
        lay->layout = (struct arrow_batch_layout){0};
    }
out:
    return status;
}

static void laying_deinit(struct laying *lay)
{
    arrow_batch_layout_deinit(&lay->layout);
    mem_free(lay->variadic);
}

/* ---- Dictionaries ---- */

static kdk_status put_dictionary(struct arrow_writer *w, size_t id,
                                 const struct arrow_array *values, int64_t from, bool delta,
                                 const struct arrow_batch_options *options, struct err *err)
{
    kdk_status status = KDK_OK;
    struct laying lay = {.body = &w->body, .options = options};
    struct ipc_batch_build build = {.dictionary = true, .delta = delta, .id = (int64_t)id};
    int64_t length = values->length - from;

    buf_clear(&w->body);
    TRY(lay_array(&lay, w->dicts[id].values, values, from, length, err));
    TRY(grow_array(&w->dictionaries, w->dictionary_count, sizeof *w->dictionaries, err));
    TRY(grow_array(&w->dictionary_layouts, w->dictionary_count,
                   sizeof *w->dictionary_layouts, err));
    TRY(put_batch(w, &lay, length, &build, &w->dictionaries[w->dictionary_count],
                  &w->dictionary_layouts[w->dictionary_count], err));
    w->dictionary_count++;
out:
    laying_deinit(&lay);
    return status;
}

/* Whether `part` is how `whole` begins. */
static kdk_status is_prefix(const struct arrow_schema *schema, struct arrow_array *part,
                            struct arrow_array *whole, bool *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *head = NULL;

    *out = false;
    if (part->length > whole->length)
        return KDK_OK;
    TRY(arrow_array_slice(schema, whole, 0, part->length, &head, err));
    *out = arrow_array_equal(schema, part, head, NULL);
out:
    arrow_array_unref(head);
    return status;
}

/* Sees to it that readers get `values` as dictionary `id`. `inner` tells that a dictionary
 * inside the values was sent, so that what was sent before refers to another one. *sent is
 * set if anything went out. */
static kdk_status send_dictionary(struct arrow_writer *w, size_t id,
                                  struct arrow_array *values, bool inner,
                                  const struct arrow_batch_options *options, bool *sent,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct written *dict = &w->dicts[id];
    bool grows = false, covered = false,
         late = w->options.dictionaries_last && w->options.file;

    if (dict->last == values)
        return KDK_OK;
    if (dict->last) {
        TRY(is_prefix(dict->values, values, dict->last, &covered, err));
        if (covered)
            return KDK_OK;
        TRY(is_prefix(dict->values, dict->last, values, &grows, err));
        if (w->options.file && (!grows || (w->options.no_deltas && !late))) {
            status =
                err_set(err, KDK_BAD_PARAMETER,
                        "an Arrow file holds one dictionary for a field, and this one %s",
                        grows ? "grew" : "changed");
            goto out;
        }
        if (inner || w->options.no_deltas)
            grows = w->options.file;
    }
    if (!late) {
        TRY(put_dictionary(w, id, values, grows ? dict->last->length : 0, grows, options,
                           err));
        *sent = true;
    }
    arrow_array_ref(values);
    arrow_array_unref(dict->last);
    dict->last = values;
out:
    return status;
}

static kdk_status send_dictionaries(struct arrow_writer *w,
                                    const struct arrow_schema *schema,
                                    const struct arrow_array *array, size_t *next,
                                    const struct arrow_batch_options *options, bool *sent,
                                    struct err *err)
{
    kdk_status status = KDK_OK;
    bool inner = false;

    TRY_ASSERT(array->child_count == schema->child_count);
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(send_dictionaries(w, schema->children[i], array->children[i], next, options,
                              sent, err));
    if (schema->dictionary) {
        TRY_ASSERT(array->dictionary);
        TRY(send_dictionaries(w, schema->dictionary, array->dictionary, next, options,
                              &inner, err));
        TRY(send_dictionary(w, (*next)++, array->dictionary, inner, options, sent, err));
        *sent |= inner;
    }
out:
    return status;
}

/* ---- Batches, the end ---- */

static const struct arrow_batch_options plain;

static kdk_status usable(const struct arrow_writer *w, struct err *err)
{
    if (w->failed || w->finished)
        return err_set(err, KDK_NOT_READY, "the Arrow writer %s",
                       w->failed ? "failed before" : "has finished");
    return KDK_OK;
}

kdk_status arrow_writer_batch(struct arrow_writer *w, const struct arrow_array *batch,
                              const struct arrow_batch_options *options,
                              struct arrow_batch_layout *layout, struct err *err)
{
    kdk_status status = KDK_OK;
    struct laying lay = {.body = &w->body, .options = options ? options : &plain};
    struct ipc_batch_build build = {.metadata = lay.options->metadata};
    size_t next = 0;
    bool sent = false;

    TRY(usable(w, err));
    TRY_ASSERT(!w->dictionaries_done);
    TRY(send_dictionaries(w, w->schema, batch, &next, lay.options, &sent, err));
    buf_clear(&w->body);
    for (size_t i = 0; i < w->schema->child_count; i++) {
        lay.column = (uint32_t)i;
        TRY(lay_array(&lay, w->schema->children[i], batch->children[i], batch->offset,
                      batch->length, err));
    }
    TRY(grow_array(&w->batches, w->batch_count, sizeof *w->batches, err));
    TRY(put_batch(w, &lay, batch->length, &build, &w->batches[w->batch_count], layout,
                  err));
    w->batch_count++;
out:
    w->failed |= status != KDK_OK;
    laying_deinit(&lay);
    return status;
}

kdk_status arrow_writer_dictionaries(struct arrow_writer *w,
                                     const struct arrow_batch_options *options,
                                     struct err *err)
{
    kdk_status status = KDK_OK;

    TRY(usable(w, err));
    if (w->dictionaries_done || !w->options.dictionaries_last || !w->options.file)
        return KDK_OK;
    for (size_t i = 0; i < w->dict_count; i++)
        if (w->dicts[i].last)
            TRY(put_dictionary(w, i, w->dicts[i].last, 0, false, options ? options : &plain,
                               err));
    w->dictionaries_done = true;
out:
    w->failed |= status != KDK_OK;
    return status;
}

kdk_status arrow_writer_finish(struct arrow_writer *w,
                               const struct arrow_batch_options *options,
                               const struct arrow_metadata *metadata, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t end[8], footer_bytes[4];

    TRY(usable(w, err));
    TRY(arrow_writer_dictionaries(w, options, err));
    put_u32(end, IPC_CONTINUE);
    put_u32(end + 4, 0);
    TRY(put(w, end, sizeof end, err));
    if (w->options.file) {
        TRY(ipc_footer_build(w->schema, w->batches, w->batch_count, w->dictionaries,
                             w->dictionary_count, metadata, &w->metadata, err));
        TRY(put(w, w->metadata.data, w->metadata.len, err));
        put_u32(footer_bytes, (uint32_t)w->metadata.len);
        TRY(put(w, footer_bytes, sizeof footer_bytes, err));
        TRY(put(w, IPC_MAGIC, IPC_MAGIC_BYTES, err));
    }
    w->finished = true;
out:
    w->failed |= status != KDK_OK;
    return status;
}
