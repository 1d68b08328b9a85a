/* build.c - arrays built a value at a time. */
#include "arrow/arrow.h"
#include "arrow/arrow_int.h"

#include "base/mem.h"

struct arrow_builder {
    const struct arrow_schema *schema;
    int64_t length, null_count;
    struct arrow_grow validity; /* Empty until the first NULL. */
    struct arrow_grow values;   /* Bits, values, offsets or views. */
    struct arrow_grow data;     /* What offsets or views point into; sizes of list views. */
    int64_t taken;              /* Elements of the child that belong to slots already. */
    struct arrow_builder **children;
    struct arrow_array *dictionary;
};

kdk_status arrow_builder_new(const struct arrow_schema *schema, struct arrow_builder **out,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_builder *b = NULL;

    TRY_MEM(b = MEM_NEW(struct arrow_builder));
    b->schema = schema;
    if (schema->child_count)
        TRY_MEM(b->children = MEM_ARRAY(struct arrow_builder *, schema->child_count));
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(arrow_builder_new(schema->children[i], &b->children[i], err));
    *out = b;
    b = NULL;
out:
    arrow_builder_free(b);
    return status;
}

void arrow_builder_free(struct arrow_builder *b)
{
    if (!b)
        return;
    for (size_t i = 0; b->children && i < b->schema->child_count; i++)
        arrow_builder_free(b->children[i]);
    mem_free(b->children);
    arrow_grow_deinit(&b->validity);
    arrow_grow_deinit(&b->values);
    arrow_grow_deinit(&b->data);
    arrow_array_unref(b->dictionary);
    mem_free(b);
}

int64_t arrow_builder_length(const struct arrow_builder *b)
{
    return b->length;
}

struct arrow_builder *arrow_builder_child(struct arrow_builder *b, size_t index)
{
    ASSERT(index < b->schema->child_count);
    return b->children[index];
}

void arrow_builder_dictionary(struct arrow_builder *b, struct arrow_array *values)
{
    arrow_array_ref(values);
    arrow_array_unref(b->dictionary);
    b->dictionary = values;
}

static kdk_status put(struct arrow_grow *grow, const void *bytes, size_t count,
                      struct err *err)
{
    kdk_status status = arrow_grow_reserve(grow, count, err);
    if (status == KDK_OK && count) {
        memcpy(grow->data + grow->bytes, bytes, count);
        grow->bytes += count;
    }
    return status;
}

/* Makes room for bit `at`, the last one so far. Unused memory of a grow is zero, and so is
 * the bit. */
static kdk_status put_bit(struct arrow_grow *grow, int64_t at, bool set, struct err *err)
{
    size_t bytes = (size_t)at / 8 + 1;
    if (grow->bytes < bytes) {
        kdk_status status = arrow_grow_reserve(grow, bytes - grow->bytes, err);
        if (status != KDK_OK)
            return status;
        grow->bytes = bytes;
    }
    if (set)
        grow->data[at / 8] |= (uint8_t)(1u << (at % 8));
    return KDK_OK;
}

/* Ends a slot: its validity. */
static kdk_status end_slot(struct arrow_builder *b, bool valid, struct err *err)
{
    kdk_status status = KDK_OK;

    if (!valid && b->null_count == 0) {
        /* The first NULL: all before were not. */
        TRY(arrow_grow_reserve(&b->validity, (size_t)b->length / 8 + 1, err));
        memset(b->validity.data, 0xff, (size_t)b->length / 8);
        b->validity.bytes = (size_t)b->length / 8 + 1;
        b->validity.data[b->length / 8] = (uint8_t)((1u << (b->length % 8)) - 1);
    }
    if (!valid || b->null_count)
        TRY(put_bit(&b->validity, b->length, valid, err));
    b->null_count += !valid;
    b->length++;
out:
    return status;
}

/* An offset: the end of the slot, after the 0 that begins the first one. */
static kdk_status put_offset(struct arrow_builder *b, bool wide, uint64_t end,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t narrow = (uint32_t)end;
    uint64_t zero = 0;

    if (!wide && end > INT32_MAX)
        return err_set(err, KDK_LIMIT,
                       "an Arrow array of type %s holds at most 2^31 - 1 %s",
                       arrow_type_name(b->schema->type),
                       b->schema->child_count ? "elements" : "bytes");
    if (b->length == 0)
        TRY(put(&b->values, &zero, wide ? 8 : 4, err));
    TRY(put(&b->values, wide ? (const void *)&end : (const void *)&narrow, wide ? 8 : 4,
            err));
out:
    return status;
}

static kdk_status wrong_use(const struct arrow_builder *b, struct err *err)
{
    return err_set(err, KDK_BAD_PARAMETER, "not what Arrow field \"%s\" of type %s takes",
                   b->schema->name, arrow_type_name(b->schema->type));
}

kdk_status arrow_builder_null(struct arrow_builder *b, struct err *err)
{
    static const uint8_t none[16];
    enum arrow_layout layout = arrow_type_layout(b->schema->type);
    kdk_status status = KDK_OK;
    size_t width = arrow_value_bytes(b->schema);

    switch (layout) {
    case ARROW_LAYOUT_NONE:
        b->length++;
        b->null_count++;
        return KDK_OK;
    case ARROW_LAYOUT_BIT:
        TRY(put_bit(&b->values, b->length, false, err));
        break;
    case ARROW_LAYOUT_FIXED:
        TRY(arrow_grow_reserve(&b->values, width, err));
        b->values.bytes += width; /* zeroes */
        break;
    case ARROW_LAYOUT_VIEW:
        TRY(put(&b->values, none, 16, err));
        break;
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
        TRY(put_offset(b, layout == ARROW_LAYOUT_VAR64, b->data.bytes, err));
        break;
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
        TRY(put_offset(b, layout == ARROW_LAYOUT_LIST64, (uint64_t)b->taken, err));
        break;
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64: {
        size_t bytes = layout == ARROW_LAYOUT_LIST_VIEW64 ? 8 : 4;
        TRY(put(&b->values, none, bytes, err));
        TRY(put(&b->data, none, bytes, err));
        break;
    }
    case ARROW_LAYOUT_FIXED_LIST:
        for (int32_t i = 0; i < b->schema->width; i++)
            TRY(arrow_builder_null(b->children[0], err));
        b->taken += b->schema->width;
        break;
    case ARROW_LAYOUT_STRUCT:
        for (size_t i = 0; i < b->schema->child_count; i++)
            TRY(arrow_builder_null(b->children[i], err));
        break;
    }
    TRY(end_slot(b, false, err));
out:
    return status;
}

kdk_status arrow_builder_fixed(struct arrow_builder *b, const void *value, struct err *err)
{
    kdk_status status = KDK_OK;

    if (arrow_type_layout(b->schema->type) != ARROW_LAYOUT_FIXED)
        return wrong_use(b, err);
    TRY(put(&b->values, value, arrow_value_bytes(b->schema), err));
    TRY(end_slot(b, true, err));
out:
    return status;
}

kdk_status arrow_builder_bool(struct arrow_builder *b, bool value, struct err *err)
{
    kdk_status status = KDK_OK;

    if (arrow_type_layout(b->schema->type) != ARROW_LAYOUT_BIT)
        return wrong_use(b, err);
    TRY(put_bit(&b->values, b->length, value, err));
    TRY(end_slot(b, true, err));
out:
    return status;
}

/* Views have one data buffer here, which ends where 32-bit offsets do. */
static kdk_status put_view(struct arrow_builder *b, const void *bytes, size_t count,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t view[16] = {0};

    if (count > INT32_MAX || (count > 12 && count > INT32_MAX - b->data.bytes))
        return err_set(err, KDK_LIMIT,
                       "an Arrow array of views holds at most 2^31 - 1 bytes");
    put_u32(view, (uint32_t)count);
    if (count <= 12) {
        if (count)
            memcpy(view + 4, bytes, count);
    } else {
        memcpy(view + 4, bytes, 4);
        put_u32(view + 12, (uint32_t)b->data.bytes);
        TRY(put(&b->data, bytes, count, err));
    }
    TRY(put(&b->values, view, 16, err));
out:
    return status;
}

kdk_status arrow_builder_bytes(struct arrow_builder *b, const void *bytes, size_t count,
                               struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(b->schema->type);
    kdk_status status = KDK_OK;

    if (layout == ARROW_LAYOUT_VIEW) {
        TRY(put_view(b, bytes, count, err));
    } else if (layout == ARROW_LAYOUT_VAR32 || layout == ARROW_LAYOUT_VAR64) {
        TRY(put_offset(b, layout == ARROW_LAYOUT_VAR64, size_add(b->data.bytes, count),
                       err));
        TRY(put(&b->data, bytes, count, err));
    } else {
        return wrong_use(b, err);
    }
    TRY(end_slot(b, true, err));
out:
    return status;
}

kdk_status arrow_builder_slot(struct arrow_builder *b, struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(b->schema->type);
    kdk_status status = KDK_OK;
    int64_t end = b->schema->child_count ? b->children[0]->length : 0;

    switch (layout) {
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
        TRY(put_offset(b, layout == ARROW_LAYOUT_LIST64, (uint64_t)end, err));
        break;
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64: {
        int64_t size = end - b->taken;
        size_t bytes = layout == ARROW_LAYOUT_LIST_VIEW64 ? 8 : 4;
        if (bytes == 4 && end > INT32_MAX)
            return err_set(err, KDK_LIMIT,
                           "an Arrow list view holds at most 2^31 - 1 elements");
        TRY(put(&b->values, &b->taken, bytes, err)); /* little-endian: the low half */
        TRY(put(&b->data, &size, bytes, err));
        break;
    }
    case ARROW_LAYOUT_FIXED_LIST:
        if (end - b->taken != b->schema->width)
            return wrong_use(b, err);
        break;
    case ARROW_LAYOUT_STRUCT:
        for (size_t i = 0; i < b->schema->child_count; i++)
            if (b->children[i]->length != b->length + 1)
                return wrong_use(b, err);
        break;
    case ARROW_LAYOUT_NONE:
    case ARROW_LAYOUT_BIT:
    case ARROW_LAYOUT_FIXED:
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
    case ARROW_LAYOUT_VIEW:
        return wrong_use(b, err);
    }
    b->taken = end;
    TRY(end_slot(b, true, err));
out:
    return status;
}

kdk_status arrow_builder_array(struct arrow_builder *b, const struct arrow_array *array,
                               int64_t from, int64_t count, struct err *err)
{
    const struct arrow_schema *schema = b->schema;
    enum arrow_layout layout = arrow_type_layout(schema->type);
    kdk_status status = KDK_OK;

    for (int64_t i = from; i < from + count; i++) {
        size_t bytes;
        const uint8_t *value;
        int64_t first, elements;

        if (!arrow_is_valid(array, i)) {
            TRY(arrow_builder_null(b, err));
            continue;
        }
        switch (layout) {
        case ARROW_LAYOUT_NONE:
            break; /* Never valid. */
        case ARROW_LAYOUT_BIT:
            TRY(arrow_builder_bool(b, arrow_bool(array, i), err));
            break;
        case ARROW_LAYOUT_FIXED:
            TRY(arrow_builder_fixed(b, arrow_bytes(schema, array, i, &bytes), err));
            break;
        case ARROW_LAYOUT_VAR32:
        case ARROW_LAYOUT_VAR64:
        case ARROW_LAYOUT_VIEW:
            value = arrow_bytes(schema, array, i, &bytes);
            TRY(arrow_builder_bytes(b, value, bytes, err));
            break;
        case ARROW_LAYOUT_LIST32:
        case ARROW_LAYOUT_LIST64:
        case ARROW_LAYOUT_LIST_VIEW32:
        case ARROW_LAYOUT_LIST_VIEW64:
        case ARROW_LAYOUT_FIXED_LIST:
            first = arrow_list(schema, array, i, &elements);
            TRY(arrow_builder_array(b->children[0], array->children[0], first, elements,
                                    err));
            TRY(arrow_builder_slot(b, err));
            break;
        case ARROW_LAYOUT_STRUCT:
            for (size_t k = 0; k < schema->child_count; k++)
                TRY(arrow_builder_array(b->children[k], array->children[k],
                                        array->offset + i, 1, err));
            TRY(arrow_builder_slot(b, err));
            break;
        }
    }
out:
    return status;
}

kdk_status arrow_builder_finish(struct arrow_builder *b, struct arrow_array **out,
                                struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(b->schema->type);
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    size_t buffers = arrow_buffer_min(layout);

    if (layout == ARROW_LAYOUT_VIEW && b->data.bytes)
        buffers++;
    TRY(arrow_array_new(b->length, b->null_count, buffers, b->schema->child_count, &array,
                        err));
    if (buffers > 0 && b->null_count)
        TRY(arrow_grow_take(&b->validity, &array->buffers[0], err));
    if (buffers > 1)
        TRY(arrow_grow_take(&b->values, &array->buffers[1], err));
    if (buffers > 2)
        TRY(arrow_grow_take(&b->data, &array->buffers[2], err));
    for (size_t i = 0; i < b->schema->child_count; i++)
        TRY(arrow_builder_finish(b->children[i], &array->children[i], err));
    if (b->schema->dictionary) {
        if (!b->dictionary) {
            status = err_set(err, KDK_BAD_PARAMETER, "Arrow field \"%s\" has no dictionary",
                             b->schema->name);
            goto out;
        }
        array->dictionary = arrow_array_ref(b->dictionary);
    }
    b->length = b->null_count = b->taken = 0;
    arrow_grow_deinit(&b->validity);
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}
