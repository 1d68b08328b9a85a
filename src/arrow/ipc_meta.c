/* ipc_meta.c - the flatbuffers of IPC messages: schemas, batches, footers, both ways.
 *
 * Field numbers are those of Schema.fbs, Message.fbs and File.fbs of the Arrow format.
 */
#include "arrow/ipc_int.h"

#include "base/mem.h"
#include "base/utf8.h"

/* Type union of Schema.fbs. */
enum fb_type {
    FB_NULL = 1,
    FB_INT,
    FB_FLOAT,
    FB_BINARY,
    FB_UTF8,
    FB_BOOL,
    FB_DECIMAL,
    FB_DATE,
    FB_TIME,
    FB_TIMESTAMP,
    FB_INTERVAL,
    FB_LIST,
    FB_STRUCT,
    FB_UNION,
    FB_FIXED_SIZE_BINARY,
    FB_FIXED_SIZE_LIST,
    FB_MAP,
    FB_DURATION,
    FB_LARGE_BINARY,
    FB_LARGE_UTF8,
    FB_LARGE_LIST,
    FB_RUN_END_ENCODED,
    FB_BINARY_VIEW,
    FB_UTF8_VIEW,
    FB_LIST_VIEW,
    FB_LARGE_LIST_VIEW,
};

kdk_status ipc_corrupt(struct ipc_place place, const char *what, struct err *err)
{
    return err_set(err, KDK_CORRUPT, "Arrow data in \"%s\" at offset %llu: %s", place.name,
                   (unsigned long long)place.offset, what);
}

kdk_status ipc_corrupt_at(struct ipc_place place, kdk_status status, struct err *err)
{
    struct err inner;

    if (!err)
        return status;
    inner = *err;
    err_set(err, status, "Arrow data in \"%s\" at offset %llu: %s", place.name,
            (unsigned long long)place.offset, inner.message);
    if (inner.detail[0])
        err_detail(err, "%s", inner.detail);
    if (inner.chain[0])
        err_while(err, "%s", inner.chain);
    return status;
}

/* ---- Reading ---- */

kdk_status ipc_metadata_parse(struct ipc_place place, const struct fb_table *table,
                              unsigned field, struct arrow_metadata *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct fb_vector pairs = fb_vector(table, field, 4);

    for (size_t i = 0; i < pairs.count && !table->fb->bad; i++) {
        struct fb_table pair = fb_element(&pairs, i);
        size_t key_bytes, value_bytes;
        const char *key = fb_string(&pair, 0, &key_bytes);
        const char *value = fb_string(&pair, 1, &value_bytes);
        TRY(arrow_metadata_add(out, key, key_bytes, value, value_bytes, err));
    }
    if (table->fb->bad)
        status = ipc_corrupt(place, "bad metadata", err);
out:
    return status;
}

kdk_status ipc_message_parse(struct ipc_place place, const void *data, size_t bytes,
                             struct ipc_message *out, struct err *err)
{
    int64_t kind;

    fb_init(&out->fb, data, bytes);
    out->root = fb_root(&out->fb);
    out->version = (int16_t)fb_int(&out->root, 0, 2, 0);
    kind = (uint8_t)fb_int(&out->root, 1, 1, 0);
    out->header = fb_child(&out->root, 2);
    out->body_bytes = fb_int(&out->root, 3, 8, 0);
    if (out->fb.bad || out->header.at == 0 || out->body_bytes < 0)
        return ipc_corrupt(place, "bad message", err);
    if (out->version < IPC_VERSION_4)
        return err_set(
            err, KDK_UNSUPPORTED,
            "Arrow data in \"%s\" have metadata of version %d, too old to be read",
            place.name, out->version + 1);
    if (out->version > IPC_VERSION_5)
        return err_set(err, KDK_UNSUPPORTED,
                       "Arrow data in \"%s\" have metadata of unknown version %d",
                       place.name, out->version + 1);
    if (kind == IPC_TENSOR || kind == IPC_SPARSE)
        return err_set(err, KDK_UNSUPPORTED, "Arrow tensors are not supported");
    if (kind < IPC_SCHEMA || kind > IPC_SPARSE)
        return ipc_corrupt(place, "unknown kind of message", err);
    out->kind = (enum ipc_header)kind;
    return KDK_OK;
}

static kdk_status unsupported(const char *what, struct err *err)
{
    return err_set(err, KDK_UNSUPPORTED, "Arrow type %s is not supported", what);
}

static bool int_type(int64_t bits, bool is_signed, enum arrow_type *out)
{
    switch (bits) {
    case 8:
        *out = is_signed ? ARROW_INT8 : ARROW_UINT8;
        return true;
    case 16:
        *out = is_signed ? ARROW_INT16 : ARROW_UINT16;
        return true;
    case 32:
        *out = is_signed ? ARROW_INT32 : ARROW_UINT32;
        return true;
    case 64:
        *out = is_signed ? ARROW_INT64 : ARROW_UINT64;
        return true;
    default:
        return false;
    }
}

/* A NUL-terminated copy, which must be UTF-8 without NULs: names and zones are C strings
 * everywhere else. */
static kdk_status take_text(struct ipc_place place, const char *text, size_t bytes,
                            char **out, struct err *err)
{
    kdk_status status = KDK_OK;
    char *copy = NULL;

    if (!utf8_valid(text, bytes, NULL) || memchr(text, 0, bytes))
        return ipc_corrupt(place, "a name is not text", err);
    TRY_MEM(copy = mem_alloc(bytes + 1));
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    mem_free(*out);
    *out = copy;
out:
    return status;
}

static kdk_status type_parse(struct ipc_place place, const struct fb_table *field,
                             struct arrow_schema *schema, struct err *err)
{
    int64_t kind = (uint8_t)fb_int(field, 2, 1, 0);
    struct fb_table type = fb_child(field, 3);
    int64_t unit = 0, bits, a;
    size_t bytes;
    const char *zone;

    if (type.at == 0 || type.fb->bad)
        return ipc_corrupt(place, "a field without type", err);
    switch (kind) {
    case FB_NULL:
        schema->type = ARROW_NULL;
        return KDK_OK;
    case FB_INT:
        a = fb_int(&type, 0, 4, 0);
        if (a > 64) /* polars writes 128. */
            return unsupported(a == 128 ? "int128" : "of wide integers", err);
        if (!int_type(fb_int(&type, 0, 4, 0), fb_int(&type, 1, 1, 0) != 0, &schema->type))
            return ipc_corrupt(place, "bad width of an integer", err);
        return KDK_OK;
    case FB_FLOAT:
        a = fb_int(&type, 0, 2, 0);
        if (a < 0 || a > 2)
            return ipc_corrupt(place, "bad precision of a float", err);
        schema->type = a == 0 ? ARROW_FLOAT16 : a == 1 ? ARROW_FLOAT32 : ARROW_FLOAT64;
        return KDK_OK;
    case FB_BINARY:
        schema->type = ARROW_BINARY;
        return KDK_OK;
    case FB_UTF8:
        schema->type = ARROW_UTF8;
        return KDK_OK;
    case FB_BOOL:
        schema->type = ARROW_BOOL;
        return KDK_OK;
    case FB_DECIMAL:
        schema->precision = (int32_t)fb_int(&type, 0, 4, 0);
        schema->scale = (int32_t)fb_int(&type, 1, 4, 0);
        bits = fb_int(&type, 2, 4, 128);
        if (bits != 32 && bits != 64 && bits != 128 && bits != 256)
            return ipc_corrupt(place, "bad width of a decimal", err);
        schema->type = bits == 32    ? ARROW_DECIMAL32
                       : bits == 64  ? ARROW_DECIMAL64
                       : bits == 128 ? ARROW_DECIMAL128
                                     : ARROW_DECIMAL256;
        return KDK_OK;
    case FB_DATE:
        schema->type = fb_int(&type, 0, 2, 1) == 0 ? ARROW_DATE32 : ARROW_DATE64;
        return KDK_OK;
    case FB_TIME:
        unit = fb_int(&type, 0, 2, 1);
        bits = fb_int(&type, 1, 4, 32);
        schema->type = bits == 64 ? ARROW_TIME64 : ARROW_TIME32;
        if (bits != 32 && bits != 64)
            return ipc_corrupt(place, "bad width of a time", err);
        break;
    case FB_TIMESTAMP:
        unit = fb_int(&type, 0, 2, 0);
        schema->type = ARROW_TIMESTAMP;
        zone = fb_string(&type, 1, &bytes);
        if (zone && bytes) {
            kdk_status status = take_text(place, zone, bytes, &schema->timezone, err);
            if (status != KDK_OK)
                return status;
        }
        break;
    case FB_DURATION:
        unit = fb_int(&type, 0, 2, 1);
        schema->type = ARROW_DURATION;
        break;
    case FB_INTERVAL:
        a = fb_int(&type, 0, 2, 0);
        if (a < 0 || a > 2)
            return ipc_corrupt(place, "bad unit of an interval", err);
        schema->type = a == 0   ? ARROW_INTERVAL_YEAR_MONTH
                       : a == 1 ? ARROW_INTERVAL_DAY_TIME
                                : ARROW_INTERVAL_MONTH_DAY_NANO;
        return KDK_OK;
    case FB_LIST:
        schema->type = ARROW_LIST;
        return KDK_OK;
    case FB_STRUCT:
        schema->type = ARROW_STRUCT;
        return KDK_OK;
    case FB_UNION:
        return unsupported("union", err);
    case FB_FIXED_SIZE_BINARY:
        schema->type = ARROW_FIXED_SIZE_BINARY;
        schema->width = (int32_t)fb_int(&type, 0, 4, 0);
        return KDK_OK;
    case FB_FIXED_SIZE_LIST:
        schema->type = ARROW_FIXED_SIZE_LIST;
        schema->width = (int32_t)fb_int(&type, 0, 4, 0);
        return KDK_OK;
    case FB_MAP:
        schema->type = ARROW_MAP;
        schema->keys_sorted = fb_int(&type, 0, 1, 0) != 0;
        return KDK_OK;
    case FB_LARGE_BINARY:
        schema->type = ARROW_LARGE_BINARY;
        return KDK_OK;
    case FB_LARGE_UTF8:
        schema->type = ARROW_LARGE_UTF8;
        return KDK_OK;
    case FB_LARGE_LIST:
        schema->type = ARROW_LARGE_LIST;
        return KDK_OK;
    case FB_RUN_END_ENCODED:
        return unsupported("run_end_encoded", err);
    case FB_BINARY_VIEW:
        schema->type = ARROW_BINARY_VIEW;
        return KDK_OK;
    case FB_UTF8_VIEW:
        schema->type = ARROW_UTF8_VIEW;
        return KDK_OK;
    case FB_LIST_VIEW:
        schema->type = ARROW_LIST_VIEW;
        return KDK_OK;
    case FB_LARGE_LIST_VIEW:
        schema->type = ARROW_LARGE_LIST_VIEW;
        return KDK_OK;
    default:
        return ipc_corrupt(place, "unknown type", err);
    }
    if (unit < ARROW_SECOND || unit > ARROW_NANOSECOND)
        return ipc_corrupt(place, "bad unit of time", err);
    schema->unit = (enum arrow_unit)unit;
    return KDK_OK;
}

static kdk_status field_parse(struct ipc_place place, const struct fb_table *field,
                              int depth, struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL, *value = NULL, *child = NULL;
    struct fb_vector children = fb_vector(field, 5, 4);
    struct fb_table encoding;
    size_t bytes;
    const char *name = fb_string(field, 0, &bytes);

    if (depth >= ARROW_DEPTH_MAX)
        return err_set(err, KDK_TOO_COMPLEX, "Arrow type is nested deeper than %d",
                       ARROW_DEPTH_MAX);
    TRY(arrow_schema_new(ARROW_NULL, "", &schema, err));
    if (name)
        TRY(take_text(place, name, bytes, &schema->name, err));
    schema->nullable = fb_int(field, 1, 1, 0) != 0;
    TRY(type_parse(place, field, schema, err));
    for (size_t i = 0; i < children.count; i++) {
        struct fb_table at = fb_element(&children, i);
        if (field->fb->bad)
            break;
        TRY(field_parse(place, &at, depth + 1, &child, err));
        TRY(arrow_schema_add(schema, child, err));
    }
    encoding = fb_child(field, 4);
    if (encoding.at != 0) {
        /* The field's type is that of the values; here the node is the index, the values
         * hang below. */
        struct fb_table index = fb_child(&encoding, 1);
        value = schema;
        schema = NULL;
        TRY(arrow_schema_new(ARROW_INT32, value->name, &schema, err));
        schema->nullable = value->nullable;
        schema->dictionary = value;
        value = NULL;
        schema->dictionary_id = fb_int(&encoding, 0, 8, 0);
        schema->ordered = fb_int(&encoding, 2, 1, 0) != 0;
        if (index.at != 0 && !int_type(fb_int(&index, 0, 4, 0),
                                       fb_int(&index, 1, 1, 0) != 0, &schema->type)) {
            status = ipc_corrupt(place, "bad type of a dictionary index", err);
            goto out;
        }
    }
    TRY(ipc_metadata_parse(place, field, 6, &schema->metadata, err));
    if (field->fb->bad) {
        status = ipc_corrupt(place, "bad schema", err);
        goto out;
    }
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    arrow_schema_free(value);
    return status;
}

kdk_status ipc_schema_parse(struct ipc_place place, const struct fb_table *table,
                            struct arrow_schema **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *schema = NULL, *child = NULL;
    struct fb_vector fields = fb_vector(table, 1, 4);
    int64_t endianness = fb_int(table, 0, 2, 0);

    if (endianness == 1)
        return err_set(err, KDK_UNSUPPORTED, "Arrow data in \"%s\" are big-endian",
                       place.name);
    if (endianness != 0)
        return ipc_corrupt(place, "unknown byte order", err);
    TRY(arrow_schema_new(ARROW_STRUCT, "", &schema, err));
    schema->nullable = false;
    for (size_t i = 0; i < fields.count && !table->fb->bad; i++) {
        struct fb_table field = fb_element(&fields, i);
        TRY(field_parse(place, &field, 1, &child, err));
        TRY(arrow_schema_add(schema, child, err));
    }
    TRY(ipc_metadata_parse(place, table, 2, &schema->metadata, err));
    if (table->fb->bad) {
        status = ipc_corrupt(place, "bad schema", err);
        goto out;
    }
    status = arrow_schema_check(schema, err);
    if (status == KDK_BAD_PARAMETER)
        status = ipc_corrupt_at(place, KDK_CORRUPT, err);
    if (status != KDK_OK)
        goto out;
    *out = schema;
    schema = NULL;
out:
    arrow_schema_free(schema);
    return status;
}

/* What a walk over the fields of a batch takes from. */
struct layout_walk {
    struct ipc_place place;
    struct fb_vector nodes, buffers, variadic;
    size_t node, buffer, view;
    uint64_t body;
    int64_t body_bytes;
    enum arrow_codec codec;
    struct arrow_batch_layout *out;
};

static kdk_status walk_field(struct layout_walk *walk, const struct arrow_schema *schema,
                             uint32_t column, struct err *err)
{
    kdk_status status = KDK_OK;
    enum arrow_layout layout = arrow_type_layout(schema->type);
    size_t node = walk->node++, count = arrow_buffer_min(layout);
    int64_t length, nulls;

    if (node >= walk->nodes.count)
        return ipc_corrupt(walk->place, "too few field nodes", err);
    length = fb_vector_i64(&walk->nodes, 16, node, 0);
    nulls = fb_vector_i64(&walk->nodes, 16, node, 8);
    if (length < 0 || length > ARROW_LENGTH_MAX || nulls < 0 || nulls > length)
        return ipc_corrupt(walk->place, "bad length of a field", err);
    walk->out->node_lengths[node] = length;
    walk->out->node_null_counts[node] = nulls;
    if (layout == ARROW_LAYOUT_VIEW) {
        int64_t more = walk->view < walk->variadic.count
                           ? fb_vector_i64(&walk->variadic, 8, walk->view, 0)
                           : -1;
        walk->view++;
        if (more < 0 || (uint64_t)more > walk->buffers.count)
            return ipc_corrupt(walk->place, "bad number of data buffers", err);
        count += (size_t)more;
    }
    if (count > walk->buffers.count - walk->buffer)
        return ipc_corrupt(walk->place, "too few buffers", err);
    for (size_t i = 0; i < count; i++) {
        struct arrow_stored *stored = &walk->out->buffers[walk->buffer];
        int64_t offset = fb_vector_i64(&walk->buffers, 16, walk->buffer, 0);
        int64_t bytes = fb_vector_i64(&walk->buffers, 16, walk->buffer, 8);
        walk->buffer++;
        if (offset < 0 || bytes < 0 || offset > walk->body_bytes ||
            bytes > walk->body_bytes - offset)
            return ipc_corrupt(walk->place, "a buffer reaches past the body", err);
        *stored = (struct arrow_stored){
            .offset = walk->body + (uint64_t)offset,
            .stored_bytes = (uint64_t)bytes,
            .decoded_bytes = (uint64_t)bytes,
            .codec = bytes > 0 ? walk->codec : ARROW_CODEC_NONE,
            .column = column,
            .node = (uint32_t)node,
            .slot = (uint32_t)i,
        };
        if (walk->codec != ARROW_CODEC_NONE && bytes > 0) {
            if (bytes < 8)
                return ipc_corrupt(walk->place, "a compressed buffer without length", err);
            stored->prefix_bytes = 8;
            stored->decoded_bytes -= 8;
        }
    }
    for (size_t i = 0; i < schema->child_count; i++)
        TRY(walk_field(walk, schema->children[i], column, err));
out:
    return status;
}

kdk_status ipc_layout_parse(struct ipc_place place, const struct fb_table *table,
                            const struct arrow_schema *schema, uint64_t body,
                            int64_t body_bytes, struct arrow_batch_layout *out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_batch_layout layout = {0};
    struct layout_walk walk = {
        .place = place, .body = body, .body_bytes = body_bytes, .out = &layout};
    struct fb_table compression = fb_child(table, 3);

    layout.length = fb_int(table, 0, 8, 0);
    walk.nodes = fb_vector(table, 1, 16);
    walk.buffers = fb_vector(table, 2, 16);
    walk.variadic = fb_vector(table, 4, 8);
    if (compression.at != 0) {
        int64_t codec = fb_int(&compression, 0, 1, 0),
                method = fb_int(&compression, 1, 1, 0);
        if (codec < 0 || codec > 1 || method != 0)
            return err_set(err, KDK_UNSUPPORTED,
                           "Arrow data in \"%s\" at offset %llu: unknown compression",
                           place.name, (unsigned long long)place.offset);
        walk.codec = codec == 0 ? ARROW_CODEC_LZ4_FRAME : ARROW_CODEC_ZSTD;
    }
    if (table->fb->bad || layout.length < 0 || layout.length > ARROW_LENGTH_MAX)
        return ipc_corrupt(place, "bad record batch", err);
    layout.node_count = walk.nodes.count;
    layout.buffer_count = walk.buffers.count;
    TRY_MEM(layout.node_lengths = MEM_ARRAY(int64_t, layout.node_count + 1));
    TRY_MEM(layout.node_null_counts = MEM_ARRAY(int64_t, layout.node_count + 1));
    TRY_MEM(layout.buffers = MEM_ARRAY(struct arrow_stored, layout.buffer_count + 1));
    for (size_t i = 0; i < schema->child_count; i++) {
        size_t node = walk.node;
        TRY(walk_field(&walk, schema->children[i], (uint32_t)i, err));
        if (layout.node_lengths[node] != layout.length) {
            status = ipc_corrupt(place, "columns of different lengths", err);
            goto out;
        }
    }
    if (walk.node != walk.nodes.count || walk.buffer != walk.buffers.count) {
        status = ipc_corrupt(place, "more buffers than the schema asks for", err);
        goto out;
    }
    *out = layout;
    layout = (struct arrow_batch_layout){0};
out:
    arrow_batch_layout_deinit(&layout);
    return status;
}

void arrow_batch_layout_deinit(struct arrow_batch_layout *layout)
{
    mem_free(layout->buffers);
    mem_free(layout->node_lengths);
    mem_free(layout->node_null_counts);
    *layout = (struct arrow_batch_layout){0};
}

/* ---- Building ---- */

static void build_metadata(struct buf *buf, size_t table, unsigned field,
                           const struct arrow_metadata *metadata)
{
    size_t vector = fb_add_vector(buf, 4, metadata->count);

    fb_link(buf, table, field, vector);
    for (size_t i = 0; i < metadata->count; i++) {
        const struct arrow_pair *pair = &metadata->pairs[i];
        size_t at = fb_add_table(buf, "44");
        fb_link_at(buf, vector + 4 + i * 4, at);
        fb_link(buf, at, 0, fb_add_string(buf, pair->key, pair->key_bytes));
        fb_link(buf, at, 1, fb_add_string(buf, pair->value, pair->value_bytes));
    }
}

static size_t build_int(struct buf *buf, enum arrow_type type)
{
    size_t at = fb_add_table(buf, "41");
    const struct arrow_schema of = {.type = type};

    fb_set(buf, at, 0, 4, (int64_t)arrow_value_bytes(&of) * 8);
    fb_set(buf, at, 1, 1,
           type == ARROW_INT8 || type == ARROW_INT16 || type == ARROW_INT32 ||
               type == ARROW_INT64);
    return at;
}

/* The table of a type with one 16-bit field. */
static size_t build_small(struct buf *buf, int64_t value)
{
    size_t at = fb_add_table(buf, "2");
    fb_set(buf, at, 0, 2, value);
    return at;
}

static size_t build_type(struct buf *buf, const struct arrow_schema *schema,
                         enum fb_type *kind)
{
    size_t at = 0;

    switch (schema->type) {
    case ARROW_INT8:
    case ARROW_UINT8:
    case ARROW_INT16:
    case ARROW_UINT16:
    case ARROW_INT32:
    case ARROW_UINT32:
    case ARROW_INT64:
    case ARROW_UINT64:
        *kind = FB_INT;
        return build_int(buf, schema->type);
    case ARROW_FLOAT16:
    case ARROW_FLOAT32:
    case ARROW_FLOAT64:
        *kind = FB_FLOAT;
        return build_small(buf, (int64_t)(schema->type - ARROW_FLOAT16));
    case ARROW_DECIMAL32:
    case ARROW_DECIMAL64:
    case ARROW_DECIMAL128:
    case ARROW_DECIMAL256:
        *kind = FB_DECIMAL;
        at = fb_add_table(buf, "444");
        fb_set(buf, at, 0, 4, schema->precision);
        fb_set(buf, at, 1, 4, schema->scale);
        fb_set(buf, at, 2, 4, (int64_t)arrow_value_bytes(schema) * 8);
        return at;
    case ARROW_DATE32:
    case ARROW_DATE64:
        *kind = FB_DATE;
        return build_small(buf, schema->type == ARROW_DATE64);
    case ARROW_TIME32:
    case ARROW_TIME64:
        *kind = FB_TIME;
        at = fb_add_table(buf, "24");
        fb_set(buf, at, 0, 2, schema->unit);
        fb_set(buf, at, 1, 4, schema->type == ARROW_TIME32 ? 32 : 64);
        return at;
    case ARROW_TIMESTAMP:
        *kind = FB_TIMESTAMP;
        at = fb_add_table(buf, schema->timezone ? "24" : "20");
        fb_set(buf, at, 0, 2, schema->unit);
        if (schema->timezone)
            fb_link(buf, at, 1,
                    fb_add_string(buf, schema->timezone, strlen(schema->timezone)));
        return at;
    case ARROW_DURATION:
        *kind = FB_DURATION;
        return build_small(buf, schema->unit);
    case ARROW_INTERVAL_YEAR_MONTH:
    case ARROW_INTERVAL_DAY_TIME:
    case ARROW_INTERVAL_MONTH_DAY_NANO:
        *kind = FB_INTERVAL;
        return build_small(buf, (int64_t)(schema->type - ARROW_INTERVAL_YEAR_MONTH));
    case ARROW_FIXED_SIZE_BINARY:
    case ARROW_FIXED_SIZE_LIST:
        *kind = schema->type == ARROW_FIXED_SIZE_BINARY ? FB_FIXED_SIZE_BINARY
                                                        : FB_FIXED_SIZE_LIST;
        at = fb_add_table(buf, "4");
        fb_set(buf, at, 0, 4, schema->width);
        return at;
    case ARROW_MAP:
        *kind = FB_MAP;
        at = fb_add_table(buf, "1");
        fb_set(buf, at, 0, 1, schema->keys_sorted);
        return at;
    case ARROW_NULL:
        *kind = FB_NULL;
        break;
    case ARROW_BOOL:
        *kind = FB_BOOL;
        break;
    case ARROW_UTF8:
        *kind = FB_UTF8;
        break;
    case ARROW_LARGE_UTF8:
        *kind = FB_LARGE_UTF8;
        break;
    case ARROW_UTF8_VIEW:
        *kind = FB_UTF8_VIEW;
        break;
    case ARROW_BINARY:
        *kind = FB_BINARY;
        break;
    case ARROW_LARGE_BINARY:
        *kind = FB_LARGE_BINARY;
        break;
    case ARROW_BINARY_VIEW:
        *kind = FB_BINARY_VIEW;
        break;
    case ARROW_LIST:
        *kind = FB_LIST;
        break;
    case ARROW_LARGE_LIST:
        *kind = FB_LARGE_LIST;
        break;
    case ARROW_LIST_VIEW:
        *kind = FB_LIST_VIEW;
        break;
    case ARROW_LARGE_LIST_VIEW:
        *kind = FB_LARGE_LIST_VIEW;
        break;
    case ARROW_STRUCT:
        *kind = FB_STRUCT;
        break;
    case ARROW_TYPE_COUNT:
        ASSERT(false);
        break;
    }
    return fb_add_table(buf, "");
}

/* `next_id` numbers dictionaries depth first, an inner one before the one whose values use
 * it, as writers must send them. */
static size_t build_field(struct buf *buf, const struct arrow_schema *schema,
                          int64_t *next_id)
{
    const struct arrow_schema *value = schema->dictionary ? schema->dictionary : schema;
    enum fb_type kind = FB_NULL;
    size_t at, vector;
    char sizes[] =
        "4114040"; /* name, nullable, type's kind and table, dictionary, children, metadata */

    if (schema->dictionary)
        sizes[4] = '4';
    sizes[5] = '4'; /* Some readers insist on a vector of children, be it empty. */
    if (schema->metadata.count)
        sizes[6] = '4';
    at = fb_add_table(buf, sizes);
    fb_link(buf, at, 0, fb_add_string(buf, schema->name, strlen(schema->name)));
    fb_set(buf, at, 1, 1, schema->nullable);
    fb_link(buf, at, 3, build_type(buf, value, &kind));
    fb_set(buf, at, 2, 1, kind);
    vector = fb_add_vector(buf, 4, value->child_count);
    fb_link(buf, at, 5, vector);
    for (size_t i = 0; i < value->child_count; i++)
        fb_link_at(buf, vector + 4 + i * 4, build_field(buf, value->children[i], next_id));
    if (schema->dictionary) {
        size_t encoding = fb_add_table(buf, "841");
        fb_link(buf, at, 4, encoding);
        fb_set(buf, encoding, 0, 8, (*next_id)++);
        fb_set(buf, encoding, 2, 1, schema->ordered);
        fb_link(buf, encoding, 1, build_int(buf, schema->type));
    }
    if (schema->metadata.count)
        build_metadata(buf, at, 6, &schema->metadata);
    return at;
}

static size_t build_schema(struct buf *buf, const struct arrow_schema *schema)
{
    size_t at = fb_add_table(buf, schema->metadata.count ? "244" : "240"), vector;
    int64_t next_id = 0;

    vector = fb_add_vector(buf, 4, schema->child_count);
    fb_link(buf, at, 1, vector);
    for (size_t i = 0; i < schema->child_count; i++)
        fb_link_at(buf, vector + 4 + i * 4,
                   build_field(buf, schema->children[i], &next_id));
    if (schema->metadata.count)
        build_metadata(buf, at, 2, &schema->metadata);
    return at;
}

/* A message without its header. */
static size_t build_message(struct buf *buf, enum ipc_header kind, int64_t body_bytes,
                            const struct arrow_metadata *metadata)
{
    size_t at;

    fb_begin(buf);
    at = fb_add_table(buf, metadata && metadata->count ? "21484" : "21480");
    fb_set(buf, at, 0, 2, IPC_VERSION_5);
    fb_set(buf, at, 1, 1, kind);
    fb_set(buf, at, 3, 8, body_bytes);
    if (metadata && metadata->count)
        build_metadata(buf, at, 4, metadata);
    return at;
}

static kdk_status built(struct buf *buf, struct err *err)
{
    if (buf->nomem)
        return buf_status(buf, err);
    if (buf->len > INT32_MAX / 2)
        return err_set(err, KDK_LIMIT, "Arrow metadata of %zu bytes are too large",
                       buf->len);
    return KDK_OK;
}

kdk_status ipc_schema_build(const struct arrow_schema *schema, struct buf *buf,
                            struct err *err)
{
    size_t at = build_message(buf, IPC_SCHEMA, 0, NULL);

    fb_link(buf, at, 2, build_schema(buf, schema));
    return built(buf, err);
}

kdk_status ipc_batch_build(const struct ipc_batch_build *batch, struct buf *buf,
                           struct err *err)
{
    const struct arrow_batch_layout *layout = batch->layout;
    size_t at, vector;
    char sizes[] = "84400";

    at = build_message(buf, batch->dictionary ? IPC_DICTIONARY : IPC_BATCH,
                       batch->body_bytes, batch->metadata);
    if (batch->dictionary) {
        size_t dictionary = fb_add_table(buf, "841");
        fb_link(buf, at, 2, dictionary);
        fb_set(buf, dictionary, 0, 8, batch->id);
        fb_set(buf, dictionary, 2, 1, batch->delta);
        at = dictionary;
    }
    if (batch->codec != ARROW_CODEC_NONE)
        sizes[3] = '4';
    if (batch->variadic_count)
        sizes[4] = '4';
    vector = fb_add_table(buf, sizes);
    fb_link(buf, at, batch->dictionary ? 1 : 2, vector);
    at = vector;
    fb_set(buf, at, 0, 8, layout->length);
    vector = fb_add_vector(buf, 16, layout->node_count);
    fb_link(buf, at, 1, vector);
    for (size_t i = 0; i < layout->node_count && !buf->nomem; i++) {
        put_i64(buf->data + vector + 4 + i * 16, layout->node_lengths[i]);
        put_i64(buf->data + vector + 12 + i * 16, layout->node_null_counts[i]);
    }
    vector = fb_add_vector(buf, 16, layout->buffer_count);
    fb_link(buf, at, 2, vector);
    for (size_t i = 0; i < layout->buffer_count && !buf->nomem; i++) {
        put_u64(buf->data + vector + 4 + i * 16, layout->buffers[i].offset - batch->body);
        put_u64(buf->data + vector + 12 + i * 16, layout->buffers[i].stored_bytes);
    }
    if (batch->codec != ARROW_CODEC_NONE) {
        size_t compression = fb_add_table(buf, "11");
        fb_link(buf, at, 3, compression);
        fb_set(buf, compression, 0, 1, batch->codec == ARROW_CODEC_ZSTD);
    }
    if (batch->variadic_count) {
        vector = fb_add_vector(buf, 8, batch->variadic_count);
        fb_link(buf, at, 4, vector);
        for (size_t i = 0; i < batch->variadic_count && !buf->nomem; i++)
            put_i64(buf->data + vector + 4 + i * 8, batch->variadic[i]);
    }
    return built(buf, err);
}

static void build_blocks(struct buf *buf, size_t table, unsigned field,
                         const struct ipc_block *blocks, size_t count)
{
    size_t vector = fb_add_vector(buf, 24, count);

    fb_link(buf, table, field, vector);
    for (size_t i = 0; i < count && !buf->nomem; i++) {
        char *at = buf->data + vector + 4 + i * 24;
        put_u64(at, blocks[i].offset);
        put_u32(at + 8, (uint32_t)blocks[i].metadata_bytes);
        put_i64(at + 16, blocks[i].body_bytes);
    }
}

kdk_status ipc_footer_build(const struct arrow_schema *schema,
                            const struct ipc_block *batches, size_t batch_count,
                            const struct ipc_block *dictionaries, size_t dictionary_count,
                            const struct arrow_metadata *metadata, struct buf *buf,
                            struct err *err)
{
    size_t at;

    fb_begin(buf);
    at = fb_add_table(buf, metadata && metadata->count ? "24444" : "24440");
    fb_set(buf, at, 0, 2, IPC_VERSION_5);
    fb_link(buf, at, 1, build_schema(buf, schema));
    build_blocks(buf, at, 2, dictionaries, dictionary_count);
    build_blocks(buf, at, 3, batches, batch_count);
    if (metadata && metadata->count)
        build_metadata(buf, at, 4, metadata);
    return built(buf, err);
}
