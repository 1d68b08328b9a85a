/* Metadata built by hand: what readers must refuse, and that the builder's tables read
 * back. */
#include "arrow/flatbuf.h"

#include "arrow/ipc_int.h"
#include "arrow/sample_test.h"
#include "base/buf.h"
#include "check.h"

TEST(arrow_flatbuf, what_is_built_reads_back)
{
    struct buf buf = {0};
    struct fb fb;
    struct fb_table root, child;
    struct fb_vector vector;
    size_t at, bytes;

    fb_begin(&buf);
    at = fb_add_table(&buf, "1248044");
    fb_set(&buf, at, 0, 1, -1);
    fb_set(&buf, at, 1, 2, -300);
    fb_set(&buf, at, 2, 4, -70000);
    fb_set(&buf, at, 3, 8, INT64_MIN);
    fb_link(&buf, at, 5, fb_add_string(&buf, "bear", 4));
    bytes = fb_add_vector(&buf, 8, 2);
    fb_link(&buf, at, 6, bytes);
    put_i64(buf.data + bytes + 12, 42);
    CHECK_EQ(buf_status(&buf, NULL), KDK_OK);

    fb_init(&fb, buf.data, buf.len);
    root = fb_root(&fb);
    CHECK_EQ(fb_int(&root, 0, 1, 9), -1);
    CHECK_EQ(fb_int(&root, 1, 2, 9), -300);
    CHECK_EQ(fb_int(&root, 2, 4, 9), -70000);
    CHECK(fb_int(&root, 3, 8, 9) == INT64_MIN);
    CHECK_EQ(fb_int(&root, 4, 8, 9), 9);  /* absent */
    CHECK_EQ(fb_int(&root, 40, 8, 9), 9); /* unknown to the writer */
    child = fb_child(&root, 4);
    CHECK_EQ(child.at, 0);
    CHECK_MEM(fb_string(&root, 5, &bytes), "bear", 4);
    CHECK_EQ(bytes, 4);
    vector = fb_vector(&root, 6, 8);
    CHECK_EQ(vector.count, 2);
    CHECK_EQ(fb_vector_i64(&vector, 8, 1, 0), 42);
    CHECK_EQ(vector.at % 8, 0);
    CHECK(!fb.bad);
    buf_deinit(&buf);
}

/* The status of a stream that is this one message. */
static kdk_status read_message(const struct buf *metadata)
{
    struct buf stream = {0};
    struct err err = {0};
    kdk_status status;

    buf_add_u32(&stream, IPC_CONTINUE);
    buf_add_u32(&stream, (uint32_t)metadata->len);
    buf_add(&stream, metadata->data, metadata->len);
    status = sample_read(stream.data, stream.len, false, NULL, NULL, &err);
    buf_deinit(&stream);
    return status;
}

/* A message with a schema of no fields; returns the schema's table. */
static size_t begin_schema(struct buf *buf, int version, int kind, int endianness)
{
    size_t at, schema;

    fb_begin(buf);
    at = fb_add_table(buf, "21480");
    fb_set(buf, at, 0, 2, version);
    fb_set(buf, at, 1, 1, kind);
    schema = fb_add_table(buf, "24");
    fb_link(buf, at, 2, schema);
    fb_set(buf, schema, 0, 2, endianness);
    return schema;
}

TEST(arrow_flatbuf, schemas_that_are_not_read_are_refused)
{
    static const struct {
        int version, kind, endianness;
        kdk_status status;
    } cases[] = {
        {IPC_VERSION_5, IPC_SCHEMA, 0, KDK_OK},
        {IPC_VERSION_4, IPC_SCHEMA, 0, KDK_OK},
        {IPC_VERSION_4 - 1, IPC_SCHEMA, 0, KDK_UNSUPPORTED},
        {IPC_VERSION_5 + 1, IPC_SCHEMA, 0, KDK_UNSUPPORTED},
        {IPC_VERSION_5, IPC_TENSOR, 0, KDK_UNSUPPORTED},
        {IPC_VERSION_5, IPC_SPARSE, 0, KDK_UNSUPPORTED},
        {IPC_VERSION_5, 77, 0, KDK_CORRUPT},
        {IPC_VERSION_5, IPC_BATCH, 0, KDK_CORRUPT},
        {IPC_VERSION_5, IPC_SCHEMA, 1, KDK_UNSUPPORTED}, /* big-endian */
        {IPC_VERSION_5, IPC_SCHEMA, 2, KDK_CORRUPT},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf = {0};
        size_t schema =
            begin_schema(&buf, cases[i].version, cases[i].kind, cases[i].endianness);
        fb_link(&buf, schema, 1, fb_add_vector(&buf, 4, 0));
        CHECK_EQ(read_message(&buf), cases[i].status);
        buf_deinit(&buf);
    }
}

/* Unions (14) and run-end encoding (22) are known and refused; type 99 is not known. */
TEST(arrow_flatbuf, types_that_are_not_read_are_refused)
{
    static const struct {
        int type;
        kdk_status status;
    } cases[] = {
        {1, KDK_OK}, {14, KDK_UNSUPPORTED}, {22, KDK_UNSUPPORTED}, {99, KDK_CORRUPT}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf = {0};
        size_t schema = begin_schema(&buf, IPC_VERSION_5, IPC_SCHEMA, 0), vector, field;
        vector = fb_add_vector(&buf, 4, 1);
        fb_link(&buf, schema, 1, vector);
        field = fb_add_table(&buf, "4114");
        fb_link_at(&buf, vector + 4, field);
        fb_link(&buf, field, 0, fb_add_string(&buf, "f", 1));
        fb_set(&buf, field, 2, 1, cases[i].type);
        fb_link(&buf, field, 3, fb_add_table(&buf, ""));
        CHECK_EQ(read_message(&buf), cases[i].status);
        buf_deinit(&buf);
    }
}

/* Each struct has the next one as a child twice: 2^40 fields in a few thousand bytes, were
 * it unfolded. */
TEST(arrow_flatbuf, shared_tables_do_not_explode)
{
    for (int levels = 40; levels <= 100; levels += 60) {
        struct buf buf = {0};
        size_t schema = begin_schema(&buf, IPC_VERSION_5, IPC_SCHEMA, 0), vector;
        kdk_status status;
        vector = fb_add_vector(&buf, 4, 2);
        fb_link(&buf, schema, 1, vector);
        for (int i = 0; i < levels; i++) {
            size_t field = fb_add_table(&buf, "411404");
            fb_link_at(&buf, vector + 4, field);
            fb_link_at(&buf, vector + 8, field);
            fb_link(&buf, field, 0, fb_add_string(&buf, "f", 1));
            fb_set(&buf, field, 2, 1, 13); /* struct */
            fb_link(&buf, field, 3, fb_add_table(&buf, ""));
            vector = fb_add_vector(&buf, 4, i + 1 < levels ? 2 : 0);
            fb_link(&buf, field, 5, vector);
        }
        status = read_message(&buf);
        CHECK(status == (levels < ARROW_DEPTH_MAX ? KDK_CORRUPT : KDK_TOO_COMPLEX));
        buf_deinit(&buf);
    }
}
