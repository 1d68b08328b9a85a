/* The C data and C stream interfaces, out and in again. */
#include <errno.h>
#include <stdio.h>

#include "arrow/arrow_c.h"
#include "arrow/arrow_int.h"
#include "arrow/sample_test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "check.h"

static kdk_status there_and_back(const struct arrow_schema *schema,
                                 struct arrow_array *array,
                                 struct arrow_schema **schema_out, struct arrow_array **out,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct ArrowSchema c_schema = {0};
    struct ArrowArray c_array = {0};

    TRY(arrow_export_schema(schema, &c_schema, err));
    TRY(arrow_import_schema(&c_schema, schema_out, err));
    TRY(arrow_export_array(schema, array, &c_array, err));
    TRY(arrow_import_array(&c_array, *schema_out, out, err));
    CHECK(!c_array.release);
out:
    CHECK(!c_array.release);
    if (c_schema.release)
        c_schema.release(&c_schema);
    return status;
}

TEST(arrow_c, every_type_survives_and_memory_is_shared)
{
    struct arrow_schema *schema = sample_schema(), *again = NULL;
    struct arrow_array *array = sample_array(schema, 60, 4, 9), *slice = NULL, *got = NULL;
    struct err err = {0};
    struct buf why = {0};

    CHECK_EQ(arrow_array_slice(schema, array, 11, 20, &slice, &err), KDK_OK);
    if (!CHECK_EQ(there_and_back(schema, slice, &again, &got, &err), KDK_OK))
        fprintf(stderr, "%s\n", err.message);
    CHECK(arrow_schema_equal(schema, again));
    if (!CHECK(arrow_array_equal(schema, slice, got, &why)))
        fprintf(stderr, "%s\n", why.data);
    CHECK(got->children[ARROW_INT64]->buffers[1]->data ==
          array->children[ARROW_INT64]->buffers[1]->data);
    arrow_array_unref(slice);
    arrow_array_unref(array); /* What was imported keeps the memory alive. */
    CHECK_EQ(arrow_array_check(again, got, &err), KDK_OK);
    arrow_array_unref(got);
    arrow_schema_free(again);
    arrow_schema_free(schema);
    buf_deinit(&why);
}

/* A consumer may take a child out of its parent, and release both in any order. */
TEST(arrow_c, children_can_be_moved_out)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *array = sample_array(schema, 10, 4, 9), *got = NULL;
    struct ArrowArray c_array = {0}, child;
    struct err err = {0};

    CHECK_EQ(arrow_export_array(schema, array, &c_array, &err), KDK_OK);
    child = *c_array.children[ARROW_UTF8];
    c_array.children[ARROW_UTF8]->release = NULL;
    c_array.release(&c_array);
    CHECK_EQ(arrow_import_array(&child, schema->children[ARROW_UTF8], &got, &err), KDK_OK);
    CHECK(arrow_array_equal(schema->children[ARROW_UTF8], array->children[ARROW_UTF8], got,
                            NULL));
    arrow_array_unref(got);
    arrow_array_unref(array);
    arrow_schema_free(schema);
}

static int releases;
static void count_release(struct ArrowArray *array)
{
    releases++;
    array->release = NULL;
}
static void keep_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

TEST(arrow_c, foreign_arrays_are_checked_aligned_and_released_once)
{
    /* One byte off, so that values are not aligned. */
    static const uint8_t raw[1 + 16] = {0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
    static const int32_t falling[] = {0, 3, 1};
    const void *buffers[3] = {NULL, raw + 1, NULL};
    struct ArrowArray in = {.length = 3,
                            .null_count = -1,
                            .offset = 1,
                            .n_buffers = 2,
                            .buffers = buffers,
                            .release = count_release};
    struct arrow_schema *ints = NULL, *text = NULL;
    struct arrow_array *got = NULL;
    struct err err = {0};

    CHECK_EQ(arrow_schema_new(ARROW_INT32, "i", &ints, &err), KDK_OK);
    CHECK_EQ(arrow_schema_new(ARROW_UTF8, "t", &text, &err), KDK_OK);
    releases = 0;
    CHECK_EQ(arrow_import_array(&in, ints, &got, &err), KDK_OK);
    CHECK(!in.release);
    CHECK_EQ(got->null_count, 0);
    CHECK_EQ((uintptr_t)got->buffers[1]->data % 16, 0);
    CHECK_EQ(*(const int32_t *)arrow_fixed(got, 4, 2), 4);
    arrow_array_unref(got);
    CHECK_EQ(releases, 1);

    buffers[1] = falling;
    buffers[2] = raw;
    in = (struct ArrowArray){
        .length = 2, .n_buffers = 3, .buffers = buffers, .release = count_release};
    CHECK_EQ(arrow_import_array(&in, text, &got, &err), KDK_CORRUPT);
    CHECK_EQ(releases, 2);
    in = (struct ArrowArray){
        .length = 2, .n_buffers = 2, .buffers = buffers, .release = count_release};
    CHECK_EQ(arrow_import_array(&in, text, &got, &err), KDK_CORRUPT);
    CHECK_EQ(releases, 3);
    CHECK_EQ(arrow_import_array(&in, text, &got, &err), KDK_BAD_PARAMETER); /* released */
    arrow_schema_free(ints);
    arrow_schema_free(text);
}

TEST(arrow_c, formats_that_are_not_ours_are_refused)
{
    static const struct {
        const char *format;
        kdk_status status;
    } cases[] = {{"+ud:0,1", KDK_UNSUPPORTED},  {"+us:0", KDK_UNSUPPORTED},
                 {"+r", KDK_UNSUPPORTED},       {"", KDK_BAD_PARAMETER},
                 {"tsx:", KDK_BAD_PARAMETER},   {"ts", KDK_BAD_PARAMETER},
                 {"d:", KDK_BAD_PARAMETER},     {"d:5", KDK_BAD_PARAMETER},
                 {"d:39,0", KDK_BAD_PARAMETER}, {"d:9,0,33", KDK_BAD_PARAMETER},
                 {"w:-1", KDK_BAD_PARAMETER},   {"w:x", KDK_BAD_PARAMETER},
                 {"+l", KDK_BAD_PARAMETER},     {"q", KDK_BAD_PARAMETER}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ArrowSchema in = {.format = cases[i].format, .release = keep_schema};
        struct arrow_schema *out = NULL;
        struct err err = {0};
        CHECK_EQ(arrow_import_schema(&in, &out, &err), cases[i].status);
    }
}

TEST(arrow_c, failed_allocations_are_clean)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *array = sample_array(schema, 20, 4, 9);
    struct mem_stats before, after;
    kdk_status status = KDK_NOMEM;

    mem_stats(&before);
    for (uint64_t n = 0; status != KDK_OK && n < 100000; n++) {
        struct arrow_schema *again = NULL;
        struct arrow_array *got = NULL;
        struct err err = {0};
        mem_fail_after(n, false);
        status = there_and_back(schema, array, &again, &got, &err);
        mem_fail_never();
        CHECK(status == KDK_OK || status == KDK_NOMEM);
        arrow_array_unref(got);
        arrow_schema_free(again);
    }
    CHECK_EQ(status, KDK_OK);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
    arrow_array_unref(array);
    arrow_schema_free(schema);
}

/* A file as a C stream, imported again; errors arrive with their message. */
TEST(arrow_c, streams_go_both_ways)
{
    const struct arrow_writer_options options = {0};
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *batches[2] = {sample_array(schema, 5, 1, 4),
                                      sample_array(schema, 6, 2, 4)};
    struct buf out = {0};

    sample_write(schema, batches, 2, &options, NULL, &out);
    for (int cut = 0; cut < 2; cut++) {
        struct arrow_memory memory = {(const uint8_t *)out.data, out.len - (cut ? 64 : 0),
                                      0};
        struct arrow_input input = arrow_input_of_memory(&memory, "cut");
        struct arrow_stream *stream = NULL, *back = NULL;
        struct ArrowArrayStream c_stream = {0};
        struct arrow_array *batch = NULL;
        struct err err = {0};

        CHECK_EQ(arrow_ipc_stream_open(&input, &stream, &err), KDK_OK);
        CHECK_EQ(arrow_export_stream(stream, &c_stream, &err), KDK_OK);
        CHECK_EQ(arrow_import_stream(&c_stream, &back, &err), KDK_OK);
        CHECK(arrow_schema_equal(back->schema, schema));
        CHECK_EQ(back->next(back, &batch, &err), KDK_OK);
        CHECK(arrow_array_equal(schema, batches[0], batch, NULL));
        arrow_array_unref(batch);
        batch = NULL;
        if (cut) {
            CHECK_EQ(back->next(back, &batch, &err), KDK_IO);
            CHECK(strstr(err.message, "the stream ends inside a message") != NULL);
        } else {
            CHECK_EQ(back->next(back, &batch, &err), KDK_OK);
            CHECK(arrow_array_equal(schema, batches[1], batch, NULL));
            arrow_array_unref(batch);
            CHECK_EQ(back->next(back, &batch, &err), KDK_OK);
            CHECK(!batch);
        }
        arrow_stream_close(back);
    }
    buf_deinit(&out);
    arrow_array_unref(batches[0]);
    arrow_array_unref(batches[1]);
    arrow_schema_free(schema);
}
