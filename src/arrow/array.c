/* array.c - buffers and arrays: counting references, slicing, reading a slot. */
#include "arrow/arrow.h"
#include "arrow/arrow_int.h"

#include "base/mem.h"

/* ---- Buffers ---- */

static _Alignas(64) uint8_t zero_bytes[64];

static void release_nothing(struct arrow_buffer *buffer)
{
    (void)buffer;
}

static struct arrow_buffer zeroes = {
    .data = zero_bytes, .bytes = sizeof zero_bytes, .refs = 1, .release = release_nothing};

struct arrow_buffer *arrow_buffer_zeroes(void)
{
    return arrow_buffer_ref(&zeroes);
}

static void release_own(struct arrow_buffer *buffer)
{
    mem_free(buffer->data);
    mem_free(buffer);
}

kdk_status arrow_buffer_wrap(void *data, size_t bytes,
                             void (*release)(struct arrow_buffer *), void *owner,
                             struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_buffer *buffer = NULL;

    TRY_MEM(buffer = mem_alloc(sizeof *buffer));
    buffer->data = data ? data : zero_bytes;
    buffer->bytes = bytes;
    atomic_init(&buffer->refs, 1);
    buffer->release = release;
    buffer->owner = owner;
    *out = buffer;
out:
    return status;
}

kdk_status arrow_buffer_new(size_t bytes, struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *data = NULL;
    size_t room = bytes > SIZE_MAX - 64 ? SIZE_MAX : MAX(align_up(bytes, 64), 64);

    TRY_MEM(data = mem_alloc_aligned(64, room));
    memset(data + bytes, 0, room - bytes);
    TRY(arrow_buffer_wrap(data, bytes, release_own, NULL, out, err));
    data = NULL;
out:
    mem_free(data);
    return status;
}

static void release_slice(struct arrow_buffer *buffer)
{
    arrow_buffer_unref(buffer->owner);
    mem_free(buffer);
}

kdk_status arrow_buffer_slice(struct arrow_buffer *parent, size_t from, size_t bytes,
                              struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;

    TRY_ASSERT(from <= parent->bytes && bytes <= parent->bytes - from);
    TRY(arrow_buffer_wrap(parent->data + from, bytes, release_slice, parent, out, err));
    arrow_buffer_ref(parent);
out:
    return status;
}

struct arrow_buffer *arrow_buffer_ref(struct arrow_buffer *buffer)
{
    if (buffer)
        atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

void arrow_buffer_unref(struct arrow_buffer *buffer)
{
    /* acq_rel: whoever drops the last reference sees all uses by the others. */
    if (buffer && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1)
        buffer->release(buffer);
}

kdk_status arrow_grow_reserve(struct arrow_grow *grow, size_t more, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t want = size_add(grow->bytes, more), room = 0;
    uint8_t *data = NULL;

    if (want <= grow->cap)
        return KDK_OK;
    room = MAX(want, grow->cap < SIZE_MAX / 2 ? grow->cap * 2 : grow->cap);
    if (room > SIZE_MAX - 64)
        return err_nomem(err);
    room = align_up(MAX(room, 64), 64);
    TRY_MEM(data = mem_alloc_aligned(64, room));
    if (grow->bytes)
        memcpy(data, grow->data, grow->bytes);
    /* What is not used yet is zero, so that bitmaps and padding need no care. */
    memset(data + grow->bytes, 0, room - grow->bytes);
    mem_free(grow->data);
    grow->data = data;
    grow->cap = room;
out:
    return status;
}

kdk_status arrow_grow_take(struct arrow_grow *grow, struct arrow_buffer **out,
                           struct err *err)
{
    kdk_status status = KDK_OK;

    if (!grow->data) {
        *out = arrow_buffer_zeroes();
        return KDK_OK;
    }
    TRY(arrow_buffer_wrap(grow->data, grow->bytes, release_own, NULL, out, err));
    *grow = (struct arrow_grow){0};
out:
    return status;
}

void arrow_grow_deinit(struct arrow_grow *grow)
{
    mem_free(grow->data);
    *grow = (struct arrow_grow){0};
}

/* ---- Bits ---- */

int64_t arrow_bits_count(const uint8_t *bytes, int64_t from, int64_t count)
{
    int64_t set = 0, i = from, end = from + count;

    for (; i < end && i % 8 != 0; i++)
        set += bytes[i / 8] >> (i % 8) & 1;
    for (; end - i >= 64; i += 64)
        set += __builtin_popcountll(get_u64(bytes + i / 8));
    for (; end - i >= 8; i += 8)
        set += __builtin_popcount(bytes[i / 8]);
    for (; i < end; i++)
        set += bytes[i / 8] >> (i % 8) & 1;
    return set;
}

void arrow_bits_move(uint8_t *out, int64_t to, const uint8_t *in, int64_t from,
                     int64_t count)
{
    int64_t i = 0;

    if (to % 8 == 0 && from % 8 == 0 && count >= 8) {
        memcpy(out + to / 8, in + from / 8, (size_t)(count / 8));
        i = count / 8 * 8;
    }
    for (; i < count; i++) {
        uint8_t bit = (uint8_t)(1u << ((to + i) % 8)), *at = out + (to + i) / 8;
        bool set = in[(from + i) / 8] >> ((from + i) % 8) & 1;
        *at = (uint8_t)(set ? *at | bit : *at & ~bit);
    }
}

/* ---- Arrays ---- */

size_t arrow_buffer_min(enum arrow_layout layout)
{
    switch (layout) {
    case ARROW_LAYOUT_NONE:
        return 0;
    case ARROW_LAYOUT_FIXED_LIST:
    case ARROW_LAYOUT_STRUCT:
        return 1;
    case ARROW_LAYOUT_BIT:
    case ARROW_LAYOUT_FIXED:
    case ARROW_LAYOUT_VIEW:
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
        return 2;
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64:
        return 3;
    }
    return 0;
}

kdk_status arrow_array_new(int64_t length, int64_t null_count, size_t buffer_count,
                           size_t child_count, struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;

    TRY_MEM(array = MEM_NEW(struct arrow_array));
    atomic_init(&array->refs, 1);
    array->length = length;
    array->null_count = null_count;
    if (buffer_count)
        TRY_MEM(array->buffers = MEM_ARRAY(struct arrow_buffer *, buffer_count));
    array->buffer_count = buffer_count;
    if (child_count)
        TRY_MEM(array->children = MEM_ARRAY(struct arrow_array *, child_count));
    array->child_count = child_count;
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}

struct arrow_array *arrow_array_ref(struct arrow_array *array)
{
    if (array)
        atomic_fetch_add_explicit(&array->refs, 1, memory_order_relaxed);
    return array;
}

void arrow_array_unref(struct arrow_array *array)
{
    if (!array || atomic_fetch_sub_explicit(&array->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < array->buffer_count; i++)
        arrow_buffer_unref(array->buffers[i]);
    for (size_t i = 0; i < array->child_count; i++)
        arrow_array_unref(array->children[i]);
    arrow_array_unref(array->dictionary);
    mem_free(array->buffers);
    mem_free(array->children);
    mem_free(array);
}

int64_t arrow_nulls_count(const struct arrow_schema *schema,
                          const struct arrow_array *array)
{
    if (arrow_type_layout(schema->type) == ARROW_LAYOUT_NONE)
        return array->length;
    if (!array->buffers[0])
        return 0;
    return array->length -
           arrow_bits_count(array->buffers[0]->data, array->offset, array->length);
}

kdk_status arrow_array_slice(const struct arrow_schema *schema, struct arrow_array *array,
                             int64_t from, int64_t length, struct arrow_array **out,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *slice = NULL;

    TRY_ASSERT(from >= 0 && length >= 0 && from <= array->length &&
               length <= array->length - from);
    TRY(arrow_array_new(length, 0, array->buffer_count, array->child_count, &slice, err));
    slice->offset = array->offset + from;
    for (size_t i = 0; i < array->buffer_count; i++)
        slice->buffers[i] = arrow_buffer_ref(array->buffers[i]);
    for (size_t i = 0; i < array->child_count; i++)
        slice->children[i] = arrow_array_ref(array->children[i]);
    slice->dictionary = arrow_array_ref(array->dictionary);
    slice->null_count = array->null_count == 0 ? 0 : arrow_nulls_count(schema, slice);
    *out = slice;
out:
    return status;
}

/* ---- One slot ---- */

const uint8_t *arrow_bytes(const struct arrow_schema *schema,
                           const struct arrow_array *array, int64_t i, size_t *bytes)
{
    const uint8_t *data = array->buffers[1]->data;
    int64_t at = array->offset + i, from = 0, to = 0;

    switch (arrow_type_layout(schema->type)) {
    case ARROW_LAYOUT_VAR32:
        from = arrow_get_i32(data, at);
        to = arrow_get_i32(data, at + 1);
        break;
    case ARROW_LAYOUT_VAR64:
        from = arrow_get_i64(data, at);
        to = arrow_get_i64(data, at + 1);
        break;
    case ARROW_LAYOUT_VIEW:
        data += at * 16;
        *bytes = get_u32(data);
        if (*bytes <= 12)
            return data + 4;
        return array->buffers[2 + get_u32(data + 8)]->data + get_u32(data + 12);
    case ARROW_LAYOUT_FIXED:
        *bytes = arrow_value_bytes(schema);
        return data + (size_t)at * *bytes;
    case ARROW_LAYOUT_NONE:
    case ARROW_LAYOUT_BIT:
    case ARROW_LAYOUT_LIST32:
    case ARROW_LAYOUT_LIST64:
    case ARROW_LAYOUT_LIST_VIEW32:
    case ARROW_LAYOUT_LIST_VIEW64:
    case ARROW_LAYOUT_FIXED_LIST:
    case ARROW_LAYOUT_STRUCT:
        ASSERT(false);
        *bytes = 0;
        return zero_bytes;
    }
    *bytes = (size_t)(to - from);
    return array->buffers[2]->data + from;
}

int64_t arrow_list(const struct arrow_schema *schema, const struct arrow_array *array,
                   int64_t i, int64_t *count)
{
    int64_t at = array->offset + i, from = 0;

    switch (arrow_type_layout(schema->type)) {
    case ARROW_LAYOUT_LIST32:
        from = arrow_get_i32(array->buffers[1]->data, at);
        *count = arrow_get_i32(array->buffers[1]->data, at + 1) - from;
        return from;
    case ARROW_LAYOUT_LIST64:
        from = arrow_get_i64(array->buffers[1]->data, at);
        *count = arrow_get_i64(array->buffers[1]->data, at + 1) - from;
        return from;
    case ARROW_LAYOUT_LIST_VIEW32:
        *count = arrow_get_i32(array->buffers[2]->data, at);
        return arrow_get_i32(array->buffers[1]->data, at);
    case ARROW_LAYOUT_LIST_VIEW64:
        *count = arrow_get_i64(array->buffers[2]->data, at);
        return arrow_get_i64(array->buffers[1]->data, at);
    case ARROW_LAYOUT_FIXED_LIST:
        *count = schema->width;
        return at * schema->width;
    case ARROW_LAYOUT_NONE:
    case ARROW_LAYOUT_BIT:
    case ARROW_LAYOUT_FIXED:
    case ARROW_LAYOUT_VAR32:
    case ARROW_LAYOUT_VAR64:
    case ARROW_LAYOUT_VIEW:
    case ARROW_LAYOUT_STRUCT:
        break;
    }
    ASSERT(false);
    *count = 0;
    return 0;
}

int64_t arrow_index(const struct arrow_schema *schema, const struct arrow_array *array,
                    int64_t i)
{
    const uint8_t *data = array->buffers[1]->data;
    int64_t at = array->offset + i;

    if (!arrow_is_valid(array, i))
        return -1;
    switch (arrow_value_bytes(schema)) {
    case 1:
        return schema->type == ARROW_INT8 ? (int64_t)(int8_t)data[at] : (int64_t)data[at];
    case 2: {
        uint16_t v = get_u16(data + at * 2);
        return schema->type == ARROW_INT16 ? (int64_t)(int16_t)v : (int64_t)v;
    }
    case 4: {
        uint32_t v = get_u32(data + at * 4);
        return schema->type == ARROW_INT32 ? (int64_t)(int32_t)v : (int64_t)v;
    }
    default: {
        /* Past INT64_MAX no dictionary reaches; INT64_MAX says "too large" to the check. */
        uint64_t v = get_u64(data + at * 8);
        return schema->type == ARROW_UINT64 && v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    }
}
