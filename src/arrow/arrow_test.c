/* Types, builders, slices, checks. */
#include "arrow/arrow.h"

#include <stdio.h>

#include "arrow/arrow_int.h"
#include "arrow/sample_test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "check.h"
#include "os/os.h"

TEST(arrow, builders_slices_and_copies_agree)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *array = sample_array(schema, 200, 11, 12), *slice = NULL,
                       *copy = NULL;
    struct arrow_builder *b = NULL;
    struct err err = {0};

    CHECK_EQ(arrow_array_check(schema, array, &err), KDK_OK);
    CHECK_EQ(arrow_array_slice(schema, array, 77, 100, &slice, &err), KDK_OK);
    for (size_t i = 0; i < schema->child_count; i++) {
        const struct arrow_schema *field = schema->children[i];
        struct arrow_array *column = array->children[i], *part = NULL, *other = NULL;
        struct buf why = {0};
        if (field->dictionary || field->type == ARROW_LIST)
            continue; /* Nested dictionaries would have to be given to the builder. */
        CHECK_EQ(arrow_array_slice(field, column, 77, 100, &part, &err), KDK_OK);
        CHECK_EQ(arrow_array_check(field, part, &err), KDK_OK);
        CHECK_EQ(arrow_builder_new(field, &b, &err), KDK_OK);
        CHECK_EQ(arrow_builder_array(b, column, 77, 100, &err), KDK_OK);
        CHECK_EQ(arrow_builder_finish(b, &copy, &err), KDK_OK);
        CHECK_EQ(copy->null_count, part->null_count);
        CHECK_EQ(arrow_array_check(field, copy, &err), KDK_OK);
        if (!CHECK(arrow_array_equal(field, part, copy, &why)))
            fprintf(stderr, "%s\n", why.data);
        /* A slice one further on differs, unless there is nothing to differ in. */
        CHECK_EQ(arrow_array_slice(field, column, 78, 100, &other, &err), KDK_OK);
        CHECK(arrow_array_equal(field, part, other, NULL) == (field->type == ARROW_NULL));
        buf_deinit(&why);
        arrow_array_unref(other);
        arrow_array_unref(copy);
        arrow_array_unref(part);
        arrow_builder_free(b);
    }
    arrow_array_unref(slice);
    arrow_array_unref(array);
    arrow_schema_free(schema);
}

TEST(arrow, schemas_print_compare_and_are_checked)
{
    struct arrow_schema *schema = sample_schema(), *copy = NULL, *bad = NULL;
    struct buf text = {0};
    struct err err = {0};

    CHECK_EQ(arrow_schema_copy(schema, &copy, &err), KDK_OK);
    CHECK(arrow_schema_equal(schema, copy));
    copy->children[3]->nullable = false;
    CHECK(!arrow_schema_equal(schema, copy));
    CHECK(arrow_schema_same_type(schema, copy));
    copy->children[ARROW_DECIMAL128]->scale++;
    CHECK(!arrow_schema_same_type(schema, copy));
    CHECK_EQ(arrow_schema_print(schema->children[ARROW_MAP], &text, &err), KDK_OK);
    CHECK_STR(text.data, "map<entries: struct<key: utf8, value: int32>>");
    buf_clear(&text);
    CHECK_EQ(arrow_schema_print(schema->children[ARROW_DECIMAL64], &text, &err), KDK_OK);
    CHECK_STR(text.data, "decimal64(18, 2)");
    buf_clear(&text);
    CHECK_EQ(arrow_schema_print(schema->children[ARROW_TYPE_COUNT], &text, &err), KDK_OK);
    CHECK_STR(text.data, "timestamp[us, Europe/Paris]");

    copy->children[ARROW_DECIMAL128]->precision = 39;
    CHECK_EQ(arrow_schema_check(copy, &err), KDK_BAD_PARAMETER);
    CHECK_EQ(arrow_schema_new(ARROW_LIST, "no child", &bad, &err), KDK_OK);
    CHECK_EQ(arrow_schema_check(bad, &err), KDK_BAD_PARAMETER);
    for (int i = 0; i < ARROW_DEPTH_MAX + 1; i++) {
        struct arrow_schema *outer = NULL;
        CHECK_EQ(arrow_schema_new(ARROW_LIST, "", &outer, &err), KDK_OK);
        CHECK_EQ(arrow_schema_add(outer, bad, &err), KDK_OK);
        bad = outer;
    }
    CHECK_EQ(arrow_schema_check(bad, &err), KDK_TOO_COMPLEX);
    arrow_schema_free(bad);
    buf_deinit(&text);
    arrow_schema_free(copy);
    arrow_schema_free(schema);
}

/* One wrong thing at a time, in an array of one's own. */
TEST(arrow, checks_find_what_is_wrong)
{
    struct err err = {0};
    struct arrow_schema *schema = sample_schema();
    static const struct {
        enum arrow_type type;
        size_t buffer;
        size_t at;
        uint32_t value;
        const char *says;
    } cases[] = {
        {ARROW_UTF8, 1, 4, 1u << 30, "offsets decrease"},
        {ARROW_UTF8, 1, 400, 1u << 30, "offsets end past the data"},
        {ARROW_LARGE_UTF8, 1, 0, 0xffffffff, "offsets decrease"},
        {ARROW_LIST, 1, 400, 1000000, "offsets end past the data"},
        {ARROW_INT32, 0, 0, 0xffffffff, "null count differs"},
        {ARROW_LIST_VIEW, 2, 0, 1u << 30, "list view points past"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arrow_schema *field = schema->children[cases[i].type];
        struct arrow_array *array = sample_array(field, 100, 3, 4);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_OK);
        put_u32(array->buffers[cases[i].buffer]->data + cases[i].at, cases[i].value);
        if (cases[i].type == ARROW_LIST_VIEW) /* whichever slot is valid */
            for (size_t k = 0; k < 100; k++)
                put_u32(array->buffers[2]->data + k * 4, cases[i].value);
        if (cases[i].type == ARROW_LARGE_UTF8)
            put_u32(array->buffers[1]->data + 4, cases[i].value);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_CORRUPT);
        if (!CHECK(strstr(err.message, cases[i].says) != NULL))
            fprintf(stderr, "%s\n", err.message);
        arrow_array_unref(array);
    }
    {
        struct arrow_schema *field = schema->children[ARROW_UTF8];
        struct arrow_array *array = sample_array(field, 100, 3, 4);
        memset(array->buffers[2]->data, 0xff, array->buffers[2]->bytes);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_CORRUPT);
        CHECK(strstr(err.message, "UTF-8") != NULL);
        arrow_array_unref(array);
    }
    {
        struct arrow_schema *field = schema->children[ARROW_UTF8_VIEW];
        struct arrow_array *array = sample_array(field, 100, 3, 4);
        for (size_t i = 0; i < 100; i++)
            put_u32(array->buffers[1]->data + i * 16 + 12, UINT32_MAX);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_CORRUPT);
        arrow_array_unref(array);
    }
    {
        struct arrow_schema *field = schema->children[ARROW_TYPE_COUNT + 1];
        struct arrow_array *array = sample_array(field, 100, 3, 4);
        CHECK_STR(field->name, "dict8");
        memset(array->buffers[1]->data, 5, 100);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_CORRUPT);
        CHECK(strstr(err.message, "index out of range") != NULL);
        memset(array->buffers[1]->data, 0xff, 100);
        CHECK_EQ(arrow_array_check(field, array, &err), KDK_CORRUPT);
        arrow_array_unref(array);
    }
    arrow_schema_free(schema);
}

/* A character that two slots share: each half is no text, though the whole is. */
TEST(arrow, text_is_checked_slot_by_slot)
{
    struct arrow_schema *schema = NULL;
    struct arrow_builder *b = NULL;
    struct arrow_array *array = NULL;
    struct err err = {0};

    CHECK_EQ(arrow_schema_new(ARROW_UTF8, "t", &schema, &err), KDK_OK);
    CHECK_EQ(arrow_builder_new(schema, &b, &err), KDK_OK);
    CHECK_EQ(arrow_builder_bytes(b, "a\xc3", 2, &err), KDK_OK);
    CHECK_EQ(arrow_builder_bytes(b, "\xa9z", 2, &err), KDK_OK);
    CHECK_EQ(arrow_builder_finish(b, &array, &err), KDK_OK);
    CHECK_EQ(arrow_array_check(schema, array, &err), KDK_CORRUPT);
    arrow_array_unref(array);
    /* Under a NULL anything may lie. */
    CHECK_EQ(arrow_builder_bytes(b, "\xff\xff", 2, &err), KDK_OK);
    CHECK_EQ(arrow_builder_null(b, &err), KDK_OK);
    CHECK_EQ(arrow_builder_finish(b, &array, &err), KDK_OK);
    array->buffers[0]->data[0] = 0;
    array->null_count = -1;
    CHECK_EQ(arrow_array_check(schema, array, &err), KDK_OK);
    CHECK_EQ(array->null_count, 2);
    arrow_array_unref(array);
    arrow_builder_free(b);
    arrow_schema_free(schema);
}

TEST(arrow, builders_refuse_what_does_not_fit)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_builder *b = NULL;
    struct err err = {0};
    int32_t v = 1;

    CHECK_EQ(arrow_builder_new(schema, &b, &err), KDK_OK);
    CHECK_EQ(arrow_builder_fixed(b, &v, &err), KDK_BAD_PARAMETER);
    CHECK_EQ(arrow_builder_bytes(b, &v, 4, &err), KDK_BAD_PARAMETER);
    CHECK_EQ(arrow_builder_bool(b, true, &err), KDK_BAD_PARAMETER);
    CHECK_EQ(arrow_builder_slot(b, &err),
             KDK_BAD_PARAMETER); /* the children have no slot yet */
    CHECK_EQ(arrow_builder_slot(arrow_builder_child(b, ARROW_FIXED_SIZE_LIST), &err),
             KDK_BAD_PARAMETER);
    arrow_builder_free(b);
    arrow_schema_free(schema);
}

struct sharing {
    const struct arrow_schema *schema;
    struct arrow_array *array;
};

static void share(void *context)
{
    struct sharing *s = context;

    for (int64_t i = 0; i < 200; i++) {
        struct arrow_array *mine = arrow_array_ref(s->array), *slice = NULL;
        CHECK_EQ(arrow_array_slice(s->schema, mine, i % 50, 10, &slice, NULL), KDK_OK);
        CHECK(arrow_array_equal(s->schema, slice, slice, NULL));
        arrow_array_unref(mine);
        arrow_array_unref(slice);
    }
}

/* The last thread to let go frees; the sanitizers tell whether that was the last. */
TEST(arrow, arrays_are_shared_by_concurrent_threads)
{
    struct arrow_schema *schema = sample_schema();
    struct sharing s = {schema, sample_array(schema, 60, 1, 5)};
    struct os_thread *threads[3] = {NULL};

    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK_EQ(os_thread_new(os_real(), "share", share, &s, &threads[i], NULL), KDK_OK);
    share(&s);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        os_thread_join(threads[i]);
    CHECK_EQ(atomic_load(&s.array->refs), 1);
    arrow_array_unref(s.array);
    arrow_schema_free(schema);
}
