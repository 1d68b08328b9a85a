/* ipc_decode.c - from the layout of a batch and its bytes to a checked array; dictionaries
 * by id. */
#include "arrow/ipc_dict.h"

#include "base/mem.h"

/* ---- Dictionaries ---- */

static kdk_status collect(struct ipc_dictionaries *dicts, struct ipc_place place,
                          const struct arrow_schema *schema, struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_dictionary *dictionary = NULL;

    for (size_t i = 0; i < schema->child_count; i++)
        TRY(collect(dicts, place, schema->children[i], err));
    if (!schema->dictionary)
        return KDK_OK;
    TRY(collect(dicts, place, schema->dictionary, err));
    dictionary = ipc_dictionaries_find(dicts, schema->dictionary_id);
    if (dictionary) {
        if (!arrow_schema_same_type(dictionary->values, schema->dictionary))
            status =
                ipc_corrupt(place, "fields of one dictionary have different types", err);
        dictionary = NULL;
        goto out;
    }
    TRY_MEM(dictionary = MEM_NEW(struct ipc_dictionary));
    dictionary->id = schema->dictionary_id;
    dictionary->values = schema->dictionary;
    if ((dicts->count & (dicts->count - 1)) == 0) {
        struct ipc_dictionary **more =
            mem_realloc(dicts->all, size_mul(dicts->count ? dicts->count * 2 : 1,
                                             sizeof(struct ipc_dictionary *)));
        TRY_MEM(more);
        dicts->all = more;
    }
    TRY(strmap_put(&dicts->by_id, (const char *)&dictionary->id, sizeof dictionary->id,
                   dictionary, err));
    dicts->all[dicts->count++] = dictionary;
    dictionary = NULL;
out:
    mem_free(dictionary);
    return status;
}

kdk_status ipc_dictionaries_init(struct ipc_dictionaries *dicts, struct ipc_place place,
                                 const struct arrow_schema *schema, struct err *err)
{
    return collect(dicts, place, schema, err);
}

void ipc_dictionaries_deinit(struct ipc_dictionaries *dicts)
{
    for (size_t i = 0; i < dicts->count; i++) {
        arrow_array_unref(dicts->all[i]->now);
        mem_free(dicts->all[i]);
    }
    mem_free(dicts->all);
    strmap_deinit(&dicts->by_id);
    *dicts = (struct ipc_dictionaries){0};
}

struct ipc_dictionary *ipc_dictionaries_find(const struct ipc_dictionaries *dicts,
                                             int64_t id)
{
    return strmap_get(&dicts->by_id, (const char *)&id, sizeof id);
}

/* Gives the builder the dictionaries nested in the values, which both parts must share. */
static kdk_status nested_dictionaries(struct arrow_builder *builder,
                                      const struct arrow_schema *schema,
                                      const struct arrow_array *a,
                                      const struct arrow_array *b, struct err *err)
{
    kdk_status status = KDK_OK;

    if (schema->dictionary) {
        if (a->dictionary != b->dictionary)
            return err_set(err, KDK_UNSUPPORTED,
                           "a delta of an Arrow dictionary whose own dictionary changed");
        arrow_builder_dictionary(builder, a->dictionary);
    }
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(nested_dictionaries(arrow_builder_child(builder, i), schema->children[i],
                                a->children[i], b->children[i], err));
out:
    return status;
}

kdk_status ipc_dictionary_put(struct ipc_dictionary *dictionary, struct ipc_place place,
                              struct arrow_array *values, bool delta, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_builder *builder = NULL;
    struct arrow_array *joined = NULL, *old = dictionary->now;

    if (delta && old) {
        if (old->length > ARROW_LENGTH_MAX - values->length) {
            status = ipc_corrupt(place, "dictionary too long", err);
            goto out;
        }
        TRY(arrow_builder_new(dictionary->values, &builder, err));
        TRY(nested_dictionaries(builder, dictionary->values, old, values, err));
        TRY(arrow_builder_array(builder, old, 0, old->length, err));
        TRY(arrow_builder_array(builder, values, 0, values->length, err));
        TRY(arrow_builder_finish(builder, &joined, err));
        arrow_array_unref(values);
        values = joined;
    }
    arrow_array_unref(old);
    dictionary->now = values;
    values = NULL;
out:
    arrow_array_unref(values);
    arrow_builder_free(builder);
    return status;
}

/* ---- Batches ---- */

struct decode {
    struct ipc_place place;
    const struct arrow_batch_layout *layout;
    const struct ipc_body *body;
    size_t node, buffer;
    ipc_lookup lookup;
    void *context;
};

/* The stored bytes: a slice of the body, or read. */
static kdk_status stored_bytes(const struct decode *decode,
                               const struct arrow_stored *stored, struct arrow_buffer **out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ipc_body *body = decode->body;
    struct arrow_buffer *buffer = NULL;
    size_t bytes = (size_t)stored->stored_bytes;

    if (body->whole)
        return arrow_buffer_slice(body->whole, (size_t)(stored->offset - body->offset),
                                  bytes, out, err);
    TRY(arrow_buffer_new(bytes, &buffer, err));
    TRY(body->source->read(body->source->context, stored->offset, buffer->data, bytes,
                           err));
    *out = buffer;
    buffer = NULL;
out:
    arrow_buffer_unref(buffer);
    return status;
}

static kdk_status decode_buffer(const struct decode *decode,
                                const struct arrow_stored *stored,
                                struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct ipc_place place = {decode->place.name, stored->offset};
    struct arrow_buffer *raw = NULL, *made = NULL;
    int64_t length;
    size_t payload;

    if (stored->stored_bytes == 0) {
        *out = arrow_buffer_zeroes();
        return KDK_OK;
    }
    TRY(stored_bytes(decode, stored, &raw, err));
    if (stored->prefix_bytes) {
        length = get_i64(raw->data);
        payload = raw->bytes - stored->prefix_bytes;
        if (length != -1) {
            if (length < 0 || (uint64_t)length > ipc_decoded_max(stored->codec, payload)) {
                status = ipc_corrupt(place, "bad decoded length of a buffer", err);
                goto out;
            }
            TRY(arrow_buffer_new((size_t)length, &made, err));
            status = arrow_decode(stored->codec, raw->data + stored->prefix_bytes, payload,
                                  made->data, (size_t)length, err);
            if (status == KDK_CORRUPT)
                status = ipc_corrupt_at(place, status, err);
            if (status != KDK_OK)
                goto out;
        } else {
            TRY(arrow_buffer_slice(raw, stored->prefix_bytes, payload, &made, err));
        }
        arrow_buffer_unref(raw);
        raw = made;
        made = NULL;
    }
    if ((uintptr_t)raw->data % 16 !=
        0) { /* A5; the format only asks for 8, and some writers forget that too. */
        TRY(arrow_buffer_new(raw->bytes, &made, err));
        memcpy(made->data, raw->data, raw->bytes);
        arrow_buffer_unref(raw);
        raw = made;
        made = NULL;
    }
    *out = raw;
    raw = NULL;
out:
    arrow_buffer_unref(raw);
    arrow_buffer_unref(made);
    return status;
}

/* Takes the nodes and buffers of a field; with out == NULL just passes over them. */
static kdk_status decode_field(struct decode *decode, const struct arrow_schema *schema,
                               struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct arrow_batch_layout *layout = decode->layout;
    struct arrow_array *array = NULL, *values = NULL;
    size_t node = decode->node++, first = decode->buffer, count = 0;

    while (first + count < layout->buffer_count &&
           layout->buffers[first + count].node == node)
        count++;
    decode->buffer += count;
    if (!out) {
        for (size_t i = 0; i < schema->child_count; i++)
            TRY(decode_field(decode, schema->children[i], NULL, err));
        return KDK_OK;
    }
    TRY(arrow_array_new(layout->node_lengths[node], layout->node_null_counts[node], count,
                        schema->child_count, &array, err));
    for (size_t i = 0; i < count; i++) {
        const struct arrow_stored *stored = &layout->buffers[first + i];
        /* Without NULLs the bitmap says nothing. */
        if (i == 0 && (array->null_count == 0 || stored->stored_bytes == 0))
            continue;
        TRY(decode_buffer(decode, stored, &array->buffers[i], err));
    }
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(decode_field(decode, schema->children[i], &array->children[i], err));
    if (schema->dictionary) {
        TRY(decode->lookup(decode->context, schema->dictionary_id, &values, err));
        array->dictionary = arrow_array_ref(values);
    }
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}

kdk_status ipc_batch_decode(struct ipc_place place, const struct arrow_schema *schema,
                            const struct arrow_batch_layout *layout,
                            const struct ipc_body *body, const uint32_t *columns,
                            size_t column_count, ipc_lookup lookup, void *context,
                            struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *batch = NULL;
    struct decode decode = {.place = place,
                            .layout = layout,
                            .body = body,
                            .lookup = lookup,
                            .context = context};

    if (!columns)
        column_count = schema->child_count;
    TRY(arrow_array_new(layout->length, 0, 1, column_count, &batch, err));
    for (uint32_t i = 0; i < schema->child_count; i++) {
        size_t at = 0;
        if (columns)
            while (at < column_count && columns[at] != i)
                at++;
        else
            at = i;
        TRY(decode_field(&decode, schema->children[i],
                         at < column_count ? &batch->children[at] : NULL, err));
        if (at == column_count)
            continue;
        status = arrow_array_check(schema->children[i], batch->children[at], err);
        if (status == KDK_CORRUPT)
            status = ipc_corrupt_at(place, status, err);
        if (status != KDK_OK)
            goto out;
    }
    for (size_t i = 0; i < column_count; i++) {
        /* A column asked for twice. */
        for (size_t k = 0; columns && !batch->children[i] && k < i; k++)
            if (columns[k] == columns[i])
                batch->children[i] = arrow_array_ref(batch->children[k]);
        if (!batch->children[i]) {
            status = err_set(err, KDK_BAD_PARAMETER, "there is no column %u", columns[i]);
            goto out;
        }
    }
    *out = batch;
    batch = NULL;
out:
    arrow_array_unref(batch);
    return status;
}
