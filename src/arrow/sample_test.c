#include "arrow/sample_test.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "check.h"

bool sample_load(const char *path, struct arrow_memory *out)
{
    FILE *f = fopen(path, "rb");
    struct buf buf = {0};
    char chunk[4096];
    size_t got;

    if (!f)
        return false;
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&buf, chunk, got);
    fclose(f);
    out->bytes = buf.len;
    out->at = 0;
    out->data = mem_dup(buf.data ? buf.data : "", buf.len);
    buf_deinit(&buf);
    return true;
}

static struct arrow_schema *add(struct arrow_schema *parent, enum arrow_type type,
                                const char *name)
{
    struct arrow_schema *child = NULL;
    CHECK_EQ(arrow_schema_add_new(parent, type, name, &child, NULL), KDK_OK);
    return child;
}

/* Parameters that a type needs. */
static void parameters(struct arrow_schema *s)
{
    static const uint8_t digits[] = {[ARROW_DECIMAL32] = 9,
                                     [ARROW_DECIMAL64] = 18,
                                     [ARROW_DECIMAL128] = 38,
                                     [ARROW_DECIMAL256] = 76};
    if (s->type >= ARROW_DECIMAL32 && s->type <= ARROW_DECIMAL256) {
        s->precision = digits[s->type];
        s->scale = 2;
    }
    if (s->type == ARROW_TIME64)
        s->unit = ARROW_MICROSECOND;
    if (s->type == ARROW_TIMESTAMP || s->type == ARROW_DURATION)
        s->unit = ARROW_NANOSECOND;
    if (s->type == ARROW_FIXED_SIZE_BINARY)
        s->width = 5;
    if (s->type == ARROW_FIXED_SIZE_LIST)
        s->width = 3;
}

static struct arrow_schema *add_dictionary(struct arrow_schema *parent,
                                           enum arrow_type index, enum arrow_type values,
                                           const char *name)
{
    struct arrow_schema *s = add(parent, index, name);
    CHECK_EQ(arrow_schema_new(values, "values", &s->dictionary, NULL), KDK_OK);
    parameters(s->dictionary);
    return s;
}

struct arrow_schema *sample_schema(void)
{
    struct arrow_schema *root = NULL, *s, *t;

    CHECK_EQ(arrow_schema_new(ARROW_STRUCT, "", &root, NULL), KDK_OK);
    root->nullable = false;
    for (unsigned type = 0; type < ARROW_TYPE_COUNT; type++) {
        s = add(root, (enum arrow_type)type, arrow_type_name((enum arrow_type)type));
        parameters(s);
        switch (arrow_type_layout(s->type)) {
        case ARROW_LAYOUT_LIST32:
        case ARROW_LAYOUT_LIST64:
        case ARROW_LAYOUT_LIST_VIEW32:
        case ARROW_LAYOUT_LIST_VIEW64:
        case ARROW_LAYOUT_FIXED_LIST:
            if (s->type == ARROW_MAP) {
                t = add(s, ARROW_STRUCT, "entries");
                t->nullable = false;
                add(t, ARROW_UTF8, "key")->nullable = false;
                add(t, ARROW_INT32, "value");
            } else {
                add(s, ARROW_UTF8, "item");
            }
            break;
        case ARROW_LAYOUT_STRUCT:
            add(s, ARROW_BOOL, "x");
            add(s, ARROW_LARGE_BINARY, "y");
            break;
        case ARROW_LAYOUT_NONE:
        case ARROW_LAYOUT_BIT:
        case ARROW_LAYOUT_FIXED:
        case ARROW_LAYOUT_VAR32:
        case ARROW_LAYOUT_VAR64:
        case ARROW_LAYOUT_VIEW:
            break;
        }
    }
    s = add(root, ARROW_TIMESTAMP, "zoned");
    s->unit = ARROW_MICROSECOND;
    s->timezone = mem_strdup("Europe/Paris");
    add_dictionary(root, ARROW_INT8, ARROW_UTF8, "dict8");
    add_dictionary(root, ARROW_UINT32, ARROW_DECIMAL64, "dict32")->ordered = true;
    s = add(root, ARROW_LIST, "list of struct with a dictionary");
    s = add(s, ARROW_STRUCT, "item");
    add_dictionary(s, ARROW_INT16, ARROW_UTF8_VIEW, "d");
    t = add(s, ARROW_FIXED_SIZE_LIST, "f");
    t->width = 2;
    add(t, ARROW_INT64, "item");
    s = add_dictionary(root, ARROW_INT32, ARROW_LIST,
                       "dictionary of lists of dictionaries");
    add_dictionary(s->dictionary, ARROW_INT32, ARROW_UTF8, "item");
    s = add(root, ARROW_STRUCT, "empty struct");
    s->nullable = false;
    CHECK_EQ(arrow_metadata_add(&root->metadata, "k", 1, "v\0w", 3, NULL), KDK_OK);
    CHECK_EQ(
        arrow_metadata_add(&s->metadata, "ARROW:extension:name", 20, "kodiak.x", 8, NULL),
        KDK_OK);
    CHECK_EQ(arrow_schema_check(root, NULL), KDK_OK);
    return root;
}

static uint64_t draw(uint64_t *seed)
{
    return hash_u64(*seed += 0x9e3779b97f4a7c15ull);
}

static void fill(struct arrow_builder *b, const struct arrow_schema *s, int64_t rows,
                 uint64_t *seed, int64_t entries)
{
    enum arrow_layout layout = arrow_type_layout(s->type);
    uint8_t bytes[64];
    size_t count;

    if (s->dictionary) {
        struct arrow_array *values = sample_array(s->dictionary, entries, 7, entries);
        arrow_builder_dictionary(b, values);
        arrow_array_unref(values);
    }
    for (size_t i = 0; i < s->child_count && rows == 0; i++)
        fill(arrow_builder_child(b, i), s->children[i], 0, seed, entries);
    for (int64_t i = 0; i < rows; i++) {
        if (layout == ARROW_LAYOUT_NONE || draw(seed) % 5 == 0) {
            CHECK_EQ(arrow_builder_null(b, NULL), KDK_OK);
            for (size_t k = 0; k < s->child_count; k++) /* for the dictionaries */
                fill(arrow_builder_child(b, k), s->children[k], 0, seed, entries);
            continue;
        }
        switch (layout) {
        case ARROW_LAYOUT_NONE:
            break;
        case ARROW_LAYOUT_BIT:
            CHECK_EQ(arrow_builder_bool(b, draw(seed) & 1, NULL), KDK_OK);
            break;
        case ARROW_LAYOUT_FIXED:
            for (size_t k = 0; k < 32; k += 8)
                put_u64(bytes + k, k ? 0 : draw(seed) % 1000);
            if (s->type == ARROW_FLOAT64)
                put_u64(bytes, 0x4000000000000000ull + draw(seed) % 4096);
            if (s->dictionary)
                put_u64(bytes, draw(seed) % (uint64_t)entries);
            CHECK_EQ(arrow_builder_fixed(b, bytes, NULL), KDK_OK);
            break;
        case ARROW_LAYOUT_VAR32:
        case ARROW_LAYOUT_VAR64:
        case ARROW_LAYOUT_VIEW:
            count = draw(seed) % 20;
            for (size_t k = 0; k < count; k++)
                bytes[k] = (uint8_t)('a' + draw(seed) % 26);
            if (count > 2 && draw(seed) % 2)
                memcpy(bytes, "\xc3\xa9", 2);
            CHECK_EQ(arrow_builder_bytes(b, bytes, count, NULL), KDK_OK);
            break;
        case ARROW_LAYOUT_LIST32:
        case ARROW_LAYOUT_LIST64:
        case ARROW_LAYOUT_LIST_VIEW32:
        case ARROW_LAYOUT_LIST_VIEW64:
        case ARROW_LAYOUT_FIXED_LIST:
            count = s->type == ARROW_FIXED_SIZE_LIST ? (size_t)s->width : draw(seed) % 4;
            if (s->type == ARROW_MAP) { /* Entries and keys are never NULL. */
                struct arrow_builder *entry = arrow_builder_child(b, 0);
                for (size_t k = 0; k < count; k++) {
                    CHECK_EQ(arrow_builder_bytes(arrow_builder_child(entry, 0),
                                                 &"abcdef"[k], 1, NULL),
                             KDK_OK);
                    fill(arrow_builder_child(entry, 1), s->children[0]->children[1], 1,
                         seed, entries);
                    CHECK_EQ(arrow_builder_slot(entry, NULL), KDK_OK);
                }
            } else {
                fill(arrow_builder_child(b, 0), s->children[0], (int64_t)count, seed,
                     entries);
            }
            CHECK_EQ(arrow_builder_slot(b, NULL), KDK_OK);
            break;
        case ARROW_LAYOUT_STRUCT:
            for (size_t k = 0; k < s->child_count; k++)
                fill(arrow_builder_child(b, k), s->children[k], 1, seed, entries);
            CHECK_EQ(arrow_builder_slot(b, NULL), KDK_OK);
            break;
        }
    }
}

struct arrow_array *sample_array(const struct arrow_schema *schema, int64_t rows,
                                 uint64_t seed, int64_t entries)
{
    struct arrow_builder *b = NULL;
    struct arrow_array *array = NULL;

    CHECK_EQ(arrow_builder_new(schema, &b, NULL), KDK_OK);
    if (schema->type == ARROW_STRUCT && !schema->nullable) { /* A batch: no NULL row. */
        for (size_t k = 0; k < schema->child_count; k++)
            fill(arrow_builder_child(b, k), schema->children[k], rows, &seed, entries);
        CHECK_EQ(arrow_builder_finish(b, &array, NULL), KDK_OK);
        array->length = rows;
    } else {
        fill(b, schema, rows, &seed, entries);
        CHECK_EQ(arrow_builder_finish(b, &array, NULL), KDK_OK);
    }
    arrow_builder_free(b);
    return array;
}

void sample_write(const struct arrow_schema *schema, struct arrow_array *const *batches,
                  size_t count, const struct arrow_writer_options *options,
                  const struct arrow_batch_options *batch_options, struct buf *out)
{
    struct arrow_sink sink = arrow_sink_of_buf(out);
    struct arrow_writer *w = NULL;
    struct err err = {0};

    CHECK_EQ(arrow_writer_open(&sink, schema, options, &w, &err), KDK_OK);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(arrow_writer_batch(w, batches[i], batch_options, NULL, &err), KDK_OK);
    CHECK_EQ(arrow_writer_finish(w, batch_options, NULL, &err), KDK_OK);
    if (err.status != KDK_OK)
        fprintf(stderr, "%s\n", err.message);
    arrow_writer_free(w);
}

kdk_status sample_read(const void *bytes, size_t count, bool file,
                       void (*each)(void *context, const struct arrow_schema *schema,
                                    struct arrow_array *batch),
                       void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_memory memory = {bytes, count, 0};
    struct arrow_source source = arrow_source_of_memory(&memory, "memory");
    struct arrow_input input = arrow_input_of_memory(&memory, "memory");
    struct arrow_file *opened = NULL;
    struct arrow_stream *stream = NULL;
    struct arrow_array *batch = NULL;

    if (file) {
        TRY(arrow_file_open(&source, &opened, err));
        TRY(arrow_file_stream(opened, &stream, err));
    } else {
        TRY(arrow_ipc_stream_open(&input, &stream, err));
    }
    for (;;) {
        TRY(stream->next(stream, &batch, err));
        if (!batch)
            break;
        if (each)
            each(context, stream->schema, batch);
        arrow_array_unref(batch);
        batch = NULL;
    }
out:
    arrow_array_unref(batch);
    arrow_stream_close(stream);
    arrow_file_close(opened);
    return status;
}
