/* cdata.c - the C data interface: schemas and arrays, in and out.
 *
 * Export: each exported struct owns a `private` block with its strings, pointer arrays and
 * a reference to our array; a child's memory belongs to the child, so that a consumer may
 * move it out. Import: the foreign array is moved into a counted holder, and each of our
 * buffers is a window into it that holds a reference.
 */
#include <stdlib.h>

#include "arrow/arrow_c.h"
#include "arrow/arrow_int.h"

#include "base/buf.h"
#include "base/mem.h"

/* ---- Formats: X(type, format) for types without parameters ---- */
#define FORMATS(X)                                                                         \
    X(NULL, "n")                                                                           \
    X(BOOL, "b")                                                                           \
    X(INT8, "c")                                                                           \
    X(UINT8, "C")                                                                          \
    X(INT16, "s")                                                                          \
    X(UINT16, "S")                                                                         \
    X(INT32, "i")                                                                          \
    X(UINT32, "I")                                                                         \
    X(INT64, "l")                                                                          \
    X(UINT64, "L")                                                                         \
    X(FLOAT16, "e")                                                                        \
    X(FLOAT32, "f")                                                                        \
    X(FLOAT64, "g")                                                                        \
    X(DATE32, "tdD")                                                                       \
    X(DATE64, "tdm")                                                                       \
    X(INTERVAL_YEAR_MONTH, "tiM")                                                          \
    X(INTERVAL_DAY_TIME, "tiD")                                                            \
    X(INTERVAL_MONTH_DAY_NANO, "tin")                                                      \
    X(UTF8, "u")                                                                           \
    X(LARGE_UTF8, "U")                                                                     \
    X(UTF8_VIEW, "vu")                                                                     \
    X(BINARY, "z")                                                                         \
    X(LARGE_BINARY, "Z")                                                                   \
    X(BINARY_VIEW, "vz")                                                                   \
    X(LIST, "+l")                                                                          \
    X(LARGE_LIST, "+L")                                                                    \
    X(LIST_VIEW, "+vl")                                                                    \
    X(LARGE_LIST_VIEW, "+vL")                                                              \
    X(STRUCT, "+s")                                                                        \
    X(MAP, "+m")

static const struct {
    enum arrow_type type;
    const char *format;
} formats[] = {
#define X(NAME, FORMAT) {ARROW_##NAME, FORMAT},
    FORMATS(X)
#undef X
};

static const char units[] = "smun";

static void format_print(const struct arrow_schema *schema, struct buf *out)
{
    int decimal_bits = 0;

    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].type == schema->type) {
            buf_add_str(out, formats[i].format);
            return;
        }
    switch (schema->type) {
    case ARROW_DECIMAL32:
    case ARROW_DECIMAL64:
    case ARROW_DECIMAL128:
    case ARROW_DECIMAL256:
        decimal_bits = (int)arrow_value_bytes(schema) * 8;
        buf_printf(out, "d:%d,%d", (int)schema->precision, (int)schema->scale);
        if (decimal_bits != 128)
            buf_printf(out, ",%d", decimal_bits);
        break;
    case ARROW_TIME32:
    case ARROW_TIME64:
        buf_printf(out, "tt%c", units[schema->unit]);
        break;
    case ARROW_TIMESTAMP:
        buf_printf(out, "ts%c:%s", units[schema->unit],
                   schema->timezone ? schema->timezone : "");
        break;
    case ARROW_DURATION:
        buf_printf(out, "tD%c", units[schema->unit]);
        break;
    case ARROW_FIXED_SIZE_BINARY:
        buf_printf(out, "w:%d", (int)schema->width);
        break;
    case ARROW_FIXED_SIZE_LIST:
        buf_printf(out, "+w:%d", (int)schema->width);
        break;
#define X(NAME, FORMAT) case ARROW_##NAME:
        FORMATS(X)
#undef X
    case ARROW_TYPE_COUNT:
        break;
    }
}

/* ---- Export of schemas ---- */

struct schema_private {
    struct buf format;
    struct buf metadata;
    char *name;
    struct ArrowSchema *nodes; /* Children, then the dictionary. */
    struct ArrowSchema **children;
    size_t node_count;
};

static void schema_release(struct ArrowSchema *schema)
{
    struct schema_private *own = schema->private_data;

    for (size_t i = 0; own->nodes && i < own->node_count; i++)
        if (own->nodes[i].release)
            own->nodes[i].release(&own->nodes[i]);
    buf_deinit(&own->format);
    buf_deinit(&own->metadata);
    mem_free(own->name);
    mem_free(own->nodes);
    mem_free(own->children);
    mem_free(own);
    schema->release = NULL;
}

static void metadata_encode(const struct arrow_metadata *metadata, struct buf *out)
{
    buf_add_u32(out, (uint32_t)metadata->count);
    for (size_t i = 0; i < metadata->count; i++) {
        const struct arrow_pair *pair = &metadata->pairs[i];
        buf_add_u32(out, (uint32_t)pair->key_bytes);
        buf_add(out, pair->key, pair->key_bytes);
        buf_add_u32(out, (uint32_t)pair->value_bytes);
        buf_add(out, pair->value, pair->value_bytes);
    }
}

kdk_status arrow_export_schema(const struct arrow_schema *schema, struct ArrowSchema *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct schema_private *own = NULL;
    size_t children = schema->child_count;

    memset(out, 0, sizeof *out);
    TRY_MEM(own = MEM_NEW(struct schema_private));
    out->private_data = own;
    out->release = schema_release;
    format_print(schema, &own->format);
    TRY(buf_status(&own->format, err));
    TRY_MEM(own->name = mem_strdup(schema->name));
    if (schema->metadata.count) {
        metadata_encode(&schema->metadata, &own->metadata);
        TRY(buf_status(&own->metadata, err));
    }
    own->node_count = children + (schema->dictionary ? 1 : 0);
    if (own->node_count) {
        TRY_MEM(own->nodes = MEM_ARRAY(struct ArrowSchema, own->node_count));
        TRY_MEM(own->children = MEM_ARRAY(struct ArrowSchema *, own->node_count));
    }
    for (size_t i = 0; i < children; i++) {
        TRY(arrow_export_schema(schema->children[i], &own->nodes[i], err));
        own->children[i] = &own->nodes[i];
    }
    if (schema->dictionary) {
        TRY(arrow_export_schema(schema->dictionary, &own->nodes[children], err));
        out->dictionary = &own->nodes[children];
    }
    out->format = own->format.data;
    out->name = own->name;
    out->metadata = own->metadata.data;
    out->flags =
        (schema->nullable ? ARROW_FLAG_NULLABLE : 0) |
        (schema->dictionary && schema->ordered ? ARROW_FLAG_DICTIONARY_ORDERED : 0) |
        (schema->type == ARROW_MAP && schema->keys_sorted ? ARROW_FLAG_MAP_KEYS_SORTED : 0);
    out->n_children = (int64_t)children;
    out->children = children ? own->children : NULL;
out:
    if (status != KDK_OK && out->release)
        out->release(out);
    return status;
}

/* ---- Import of schemas ---- */

static kdk_status bad_format(const char *format, struct err *err)
{
    return err_set(err, KDK_BAD_PARAMETER, "unknown Arrow type format \"%.40s\"", format);
}

static bool unit_parse(char c, enum arrow_unit *out)
{
    const char *at = c ? strchr(units, c) : NULL;

    if (at)
        *out = (enum arrow_unit)(at - units);
    return at != NULL;
}

/* A decimal number that ends at ',' or the end; *at moves past it (and the comma). */
static bool number_parse(const char **at, int32_t *out)
{
    char *end;
    long v = strtol(*at, &end, 10);

    if (end == *at || v > INT32_MAX || v < INT32_MIN || (*end && *end != ','))
        return false;
    *out = (int32_t)v;
    *at = *end ? end + 1 : end;
    return true;
}

static kdk_status format_parse(const char *format, struct arrow_schema *schema,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    const char *rest;
    int32_t bits = 128;

    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (strcmp(format, formats[i].format) == 0) {
            schema->type = formats[i].type;
            return KDK_OK;
        }
    if (strncmp(format, "d:", 2) == 0) {
        rest = format + 2;
        if (!number_parse(&rest, &schema->precision) ||
            !number_parse(&rest, &schema->scale) || (*rest && !number_parse(&rest, &bits)))
            return bad_format(format, err);
        if (bits != 32 && bits != 64 && bits != 128 && bits != 256)
            return bad_format(format, err);
        schema->type = bits == 32    ? ARROW_DECIMAL32
                       : bits == 64  ? ARROW_DECIMAL64
                       : bits == 128 ? ARROW_DECIMAL128
                                     : ARROW_DECIMAL256;
        return KDK_OK;
    }
    if (strncmp(format, "tt", 2) == 0 && unit_parse(format[2], &schema->unit) &&
        !format[3]) {
        schema->type = schema->unit <= ARROW_MILLISECOND ? ARROW_TIME32 : ARROW_TIME64;
        return KDK_OK;
    }
    if (strncmp(format, "tD", 2) == 0 && unit_parse(format[2], &schema->unit) &&
        !format[3]) {
        schema->type = ARROW_DURATION;
        return KDK_OK;
    }
    if (strncmp(format, "ts", 2) == 0 && unit_parse(format[2], &schema->unit) &&
        format[3] == ':') {
        schema->type = ARROW_TIMESTAMP;
        if (format[4])
            TRY_MEM(schema->timezone = mem_strdup(format + 4));
        goto out;
    }
    if (strncmp(format, "w:", 2) == 0 || strncmp(format, "+w:", 3) == 0) {
        rest = strchr(format, ':') + 1;
        if (!number_parse(&rest, &schema->width) || *rest)
            return bad_format(format, err);
        schema->type = format[0] == '+' ? ARROW_FIXED_SIZE_LIST : ARROW_FIXED_SIZE_BINARY;
        return KDK_OK;
    }
    if (strncmp(format, "+u", 2) == 0)
        return err_set(err, KDK_UNSUPPORTED, "Arrow type union is not supported");
    if (strncmp(format, "+r", 2) == 0)
        return err_set(err, KDK_UNSUPPORTED, "Arrow type run_end_encoded is not supported");
    return bad_format(format, err);
out:
    return status;
}

static kdk_status metadata_decode(const char *bytes, struct arrow_metadata *out,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    int32_t count = (int32_t)get_u32(bytes), length;

    bytes += 4;
    for (int32_t i = 0; i < count; i++) {
        const char *text[2];
        size_t sizes[2];
        for (int k = 0; k < 2; k++) {
            length = (int32_t)get_u32(bytes);
            if (length < 0) {
                status = err_set(err, KDK_BAD_PARAMETER, "bad Arrow metadata");
                goto out;
            }
            text[k] = bytes + 4;
            sizes[k] = (size_t)length;
            bytes += 4 + length;
        }
        TRY(arrow_metadata_add(out, text[0], sizes[0], text[1], sizes[1], err));
    }
out:
    return status;
}

static kdk_status import_node(const struct ArrowSchema *in, int depth,
                              struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL, *child = NULL;

    if (!in->release || !in->format || in->n_children < 0 ||
        (in->n_children && !in->children))
        return err_set(err, KDK_BAD_PARAMETER, "bad or released Arrow schema");
    if (depth >= ARROW_DEPTH_MAX)
        return err_set(err, KDK_TOO_COMPLEX, "Arrow type is nested deeper than %d",
                       ARROW_DEPTH_MAX);
    TRY(arrow_schema_new(ARROW_NULL, in->name, &schema, err));
    TRY(format_parse(in->format, schema, err));
    schema->nullable = in->flags & ARROW_FLAG_NULLABLE;
    schema->ordered = in->flags & ARROW_FLAG_DICTIONARY_ORDERED;
    schema->keys_sorted = in->flags & ARROW_FLAG_MAP_KEYS_SORTED;
    if (in->metadata)
        TRY(metadata_decode(in->metadata, &schema->metadata, err));
    for (int64_t i = 0; i < in->n_children; i++) {
        TRY(import_node(in->children[i], depth + 1, &child, err));
        TRY(arrow_schema_add(schema, child, err));
    }
    if (in->dictionary)
        TRY(import_node(in->dictionary, depth + 1, &schema->dictionary, err));
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    return status;
}

kdk_status arrow_import_schema(const struct ArrowSchema *in, struct arrow_schema **out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL;

    TRY(import_node(in, 0, &schema, err));
    TRY(arrow_schema_check(schema, err));
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    return status;
}

/* ---- Export of arrays ---- */

struct array_private {
    struct arrow_array *array;
    const void **buffers;
    int64_t *view_bytes; /* The sizes of the data buffers of views: their last buffer. */
    struct ArrowArray *nodes;
    struct ArrowArray **children;
    size_t node_count;
};

static void array_release(struct ArrowArray *array)
{
    struct array_private *own = array->private_data;

    for (size_t i = 0; own->nodes && i < own->node_count; i++)
        if (own->nodes[i].release)
            own->nodes[i].release(&own->nodes[i]);
    arrow_array_unref(own->array);
    mem_free(own->buffers);
    mem_free(own->view_bytes);
    mem_free(own->nodes);
    mem_free(own->children);
    mem_free(own);
    array->release = NULL;
}

kdk_status arrow_export_array(const struct arrow_schema *schema, struct arrow_array *array,
                              struct ArrowArray *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct array_private *own = NULL;
    bool view = arrow_type_layout(schema->type) == ARROW_LAYOUT_VIEW;
    size_t children = array->child_count, buffers = array->buffer_count;

    memset(out, 0, sizeof *out);
    TRY_MEM(own = MEM_NEW(struct array_private));
    out->private_data = own;
    out->release = array_release;
    own->array = arrow_array_ref(array);
    TRY_MEM(own->buffers = MEM_ARRAY(const void *, buffers + 1));
    for (size_t i = 0; i < buffers; i++)
        own->buffers[i] = array->buffers[i] ? array->buffers[i]->data : NULL;
    if (view) {
        TRY_MEM(own->view_bytes = MEM_ARRAY(int64_t, buffers));
        for (size_t i = 2; i < buffers; i++)
            own->view_bytes[i - 2] = (int64_t)array->buffers[i]->bytes;
        own->buffers[buffers++] = own->view_bytes;
    }
    own->node_count = children + (array->dictionary ? 1 : 0);
    if (own->node_count) {
        TRY_MEM(own->nodes = MEM_ARRAY(struct ArrowArray, own->node_count));
        TRY_MEM(own->children = MEM_ARRAY(struct ArrowArray *, own->node_count));
    }
    for (size_t i = 0; i < children; i++) {
        TRY(arrow_export_array(schema->children[i], array->children[i], &own->nodes[i],
                               err));
        own->children[i] = &own->nodes[i];
    }
    if (array->dictionary) {
        TRY(arrow_export_array(schema->dictionary, array->dictionary, &own->nodes[children],
                               err));
        out->dictionary = &own->nodes[children];
    }
    out->length = array->length;
    out->null_count = array->null_count;
    out->offset = array->offset;
    out->n_buffers = (int64_t)buffers;
    out->n_children = (int64_t)children;
    out->buffers = own->buffers;
    out->children = children ? own->children : NULL;
out:
    if (status != KDK_OK && out->release)
        out->release(out);
    return status;
}

/* ---- Import of arrays ---- */

/* A foreign array and how many of our buffers look into it. */
struct holder {
    struct ArrowArray array;
    _Atomic uint32_t refs;
};

static void holder_unref(struct holder *holder)
{
    if (holder && atomic_fetch_sub_explicit(&holder->refs, 1, memory_order_acq_rel) == 1) {
        if (holder->array.release)
            holder->array.release(&holder->array);
        mem_free(holder);
    }
}

static void window_release(struct arrow_buffer *buffer)
{
    holder_unref(buffer->owner);
    mem_free(buffer);
}

/* `bytes` at foreign memory, copied if it is not aligned as A5 asks. */
static kdk_status window(struct holder *holder, const void *data, size_t bytes, bool bits,
                         struct arrow_buffer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    void *at;

    if (!data || bytes == 0) {
        if (bytes)
            return err_set(err, KDK_CORRUPT, "bad Arrow array: a buffer is missing");
        *out = arrow_buffer_zeroes();
        return KDK_OK;
    }
    if (!bits && (uintptr_t)data % 16 != 0) {
        TRY(arrow_buffer_new(bytes, out, err));
        memcpy((*out)->data, data, bytes);
        goto out;
    }
    memcpy(&at, &data, sizeof at); /* Ours are not const, but never written once shared. */
    TRY(arrow_buffer_wrap(at, bytes, window_release, holder, out, err));
    atomic_fetch_add_explicit(&holder->refs, 1, memory_order_relaxed);
out:
    return status;
}

/* The end of the data of an array with offsets. */
static kdk_status data_end(const struct ArrowArray *in, bool wide, size_t *out,
                           struct err *err)
{
    const uint8_t *offsets = in->buffers[1];
    int64_t end = in->offset + in->length, last;

    *out = 0;
    if (!offsets || end == 0)
        return KDK_OK;
    last = wide ? arrow_get_i64(offsets, end) : arrow_get_i32(offsets, end);
    if (last < 0)
        return err_set(err, KDK_CORRUPT, "bad Arrow array: offsets decrease");
    *out = (size_t)last;
    return KDK_OK;
}

static kdk_status import_array(struct holder *holder, const struct ArrowArray *in,
                               const struct arrow_schema *schema, struct arrow_array **out,
                               struct err *err)
{
    enum arrow_layout layout = arrow_type_layout(schema->type);
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    size_t buffers = arrow_buffer_min(layout), end, bytes, data_bytes = 0;
    const int64_t *view_bytes = NULL;

    if (in->length < 0 || in->offset < 0 || in->length > ARROW_LENGTH_MAX ||
        in->offset > ARROW_LENGTH_MAX || in->n_buffers < 0 || in->n_children < 0)
        return err_set(err, KDK_CORRUPT, "bad Arrow array: length out of range");
    if (layout == ARROW_LAYOUT_VIEW && in->n_buffers >= 3) {
        view_bytes = in->buffers[in->n_buffers - 1];
        buffers = (size_t)in->n_buffers - 1;
    }
    if ((size_t)in->n_buffers != buffers + (layout == ARROW_LAYOUT_VIEW) ||
        (size_t)in->n_children != schema->child_count ||
        !in->dictionary != !schema->dictionary || (buffers && !in->buffers) ||
        (in->n_children && !in->children))
        return err_set(err, KDK_CORRUPT, "bad Arrow array: not of type %s",
                       arrow_type_name(schema->type));
    end = (size_t)(in->length + in->offset);
    TRY(arrow_array_new(in->length, in->null_count, buffers, schema->child_count, &array,
                        err));
    array->offset = in->offset;
    if (buffers && in->buffers[0] && in->null_count != 0 && end)
        TRY(window(holder, in->buffers[0], (end + 7) / 8, true, &array->buffers[0], err));
    for (size_t i = 1; i < buffers; i++) {
        bool bits = false;
        bytes = 0;
        switch (layout) {
        case ARROW_LAYOUT_BIT:
            bytes = (end + 7) / 8;
            bits = true;
            break;
        case ARROW_LAYOUT_FIXED:
            bytes = size_mul(end, arrow_value_bytes(schema));
            break;
        case ARROW_LAYOUT_VAR32:
        case ARROW_LAYOUT_VAR64:
        case ARROW_LAYOUT_LIST32:
        case ARROW_LAYOUT_LIST64: {
            bool wide = layout == ARROW_LAYOUT_VAR64 || layout == ARROW_LAYOUT_LIST64;
            if (i == 1) {
                bytes = end ? (end + 1) * (wide ? 8 : 4) : 0;
                TRY(data_end(in, wide, &data_bytes, err));
            } else {
                bytes = data_bytes;
            }
            break;
        }
        case ARROW_LAYOUT_VIEW:
            if (i > 1 && view_bytes[i - 2] < 0) {
                status = err_set(err, KDK_CORRUPT, "bad Arrow array: a negative size");
                goto out;
            }
            bytes = i == 1 ? end * 16 : (size_t)view_bytes[i - 2];
            break;
        case ARROW_LAYOUT_LIST_VIEW32:
            bytes = end * 4;
            break;
        case ARROW_LAYOUT_LIST_VIEW64:
            bytes = end * 8;
            break;
        case ARROW_LAYOUT_NONE:
        case ARROW_LAYOUT_FIXED_LIST:
        case ARROW_LAYOUT_STRUCT:
            break; /* They have no such buffer. */
        }
        TRY(window(holder, in->buffers[i], bytes, bits, &array->buffers[i], err));
    }
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(import_array(holder, in->children[i], schema->children[i], &array->children[i],
                         err));
    if (schema->dictionary) {
        TRY(import_array(holder, in->dictionary, schema->dictionary, &array->dictionary,
                         err));
        TRY(arrow_array_check(schema->dictionary, array->dictionary, err));
    }
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}

kdk_status arrow_import_array(struct ArrowArray *in, const struct arrow_schema *schema,
                              struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct holder *holder = NULL;
    struct arrow_array *array = NULL;

    if (!in->release)
        return err_set(err, KDK_BAD_PARAMETER, "released Arrow array");
    TRY_MEM(holder = MEM_NEW(struct holder));
    atomic_init(&holder->refs, 1);
    holder->array = *in;
    in->release = NULL;
    TRY(import_array(holder, &holder->array, schema, &array, err));
    TRY(arrow_array_check(schema, array, err));
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    if (in->release)
        in->release(in);
    holder_unref(holder);
    return status;
}
