/* record_test.c - what is encoded comes back; what is cut off or changed is refused or
 * harmless. */
#include "check.h"

#include "wal/record.h"

static struct datum int_of(int64_t v)
{
    return (struct datum){.i = v};
}

static struct record_view only(const struct buf *buf)
{
    struct cursor in = cursor_of(buf->data, buf->len);
    struct record_view view;
    struct err err = {0};
    CHECK_EQ(record_next(&in, &view, &err), KDK_OK);
    CHECK_EQ(cursor_left(&in), 0);
    return view;
}

/* Whole numbers at every edge of a byte, in the narrowest and the widest type that holds
 * them. */
TEST(record, numbers_come_back)
{
    for (unsigned shift = 0; shift < 127; shift++) {
        for (int near = -1; near <= 1; near++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                struct buf buf = {0};
                struct err err = {0};
                struct record_value value;
                struct ltype type = LTYPE_NUM(38, 0);
                int128 v = (((int128)1 << shift) + near) * sign;
                struct datum in = {.w = v}, out;
                record_add_row(&buf, 7, 8, NULL, &type, &in, 1);
                CHECK(buf.len <= 5 + 1 + shift / 8 + 1);
                struct record_view view = only(&buf);
                record_value(&view, &value);
                CHECK_EQ(record_datum(&value, type, &out, &err), KDK_OK);
                CHECK(out.w == v && !out.null);
                if (v >= INT64_MIN && v <= INT64_MAX) {
                    CHECK_EQ(record_datum(&value, LTYPE(BIGINT), &out, &err), KDK_OK);
                    CHECK(out.i == (int64_t)v);
                } else {
                    CHECK_EQ(record_datum(&value, LTYPE(BIGINT), &out, &err), KDK_CORRUPT);
                }
                buf_deinit(&buf);
            }
        }
    }
}

TEST(record, every_class_comes_back)
{
    static const char text[] = "a text that is longer than what a length in the code can "
                               "tell, which is sixty-three bytes";
    struct buf buf = {0};
    struct err err = {0};
    struct ltype types[] = {LTYPE(BOOLEAN), LTYPE(TINYINT),  LTYPE(INTEGER), LTYPE(REAL),
                            LTYPE(DOUBLE),  LTYPE(TEXT),     LTYPE(TEXT),    LTYPE(BYTEA),
                            LTYPE(DATE),    LTYPE(TIMESTAMP)};
    struct datum values[COUNT_OF(types)] = {int_of(1),
                                            int_of(-128),
                                            int_of(0),
                                            {.f = 1.5},
                                            {.f = -0.0},
                                            {.s = str_of(text, sizeof text - 1)},
                                            {.s = str_of("", 0)},
                                            {.s = str_of("\0\1\2", 3)},
                                            DATUM_NULL,
                                            int_of(INT64_MAX)};
    uint32_t columns[COUNT_OF(types)];
    for (uint32_t i = 0; i < COUNT_OF(types); i++)
        columns[i] = i * 3 + 1;
    for (int patch = 0; patch < 2; patch++) {
        buf_clear(&buf);
        record_add_row(&buf, 70000, 1ull << 40, patch ? columns : NULL, types, values,
                       COUNT_OF(types));
        struct record_view view = only(&buf);
        CHECK_EQ(view.kind, patch ? RECORD_ROW_PATCH : RECORD_ROW_FULL);
        CHECK_EQ(view.table, 70000);
        CHECK_EQ(view.row, 1ull << 40);
        CHECK_EQ(view.count, COUNT_OF(types));
        for (uint32_t i = 0; i < view.count; i++) {
            struct record_value value;
            struct datum out;
            record_value(&view, &value);
            CHECK_EQ(value.column, patch ? columns[i] : i);
            CHECK_EQ(record_datum(&value, types[i], &out, &err), KDK_OK);
            CHECK_EQ(out.null, values[i].null);
            CHECK(out.null || datum_compare(types[i], &out, &values[i]) == 0);
            CHECK(value.class == VALUE_NULL ||
                  record_datum(&value, i == 5 ? LTYPE(INTEGER) : LTYPE(TEXT), &out, &err) ==
                      KDK_CORRUPT ||
                  ltype_is_string(types[i]));
        }
    }
    buf_deinit(&buf);
}

/* Every prefix is refused; every changed bit is refused or decodes to something that can be
 * walked. */
TEST(record, nonsense_is_refused)
{
    struct buf buf = {0};
    struct err err = {0};
    struct ltype types[] = {LTYPE(BIGINT), LTYPE(TEXT)};
    struct datum values[] = {int_of(123456), {.s = str_of("hello, hello, hello", 19)}};
    uint32_t columns[] = {3, 5};
    size_t ends[16], count = 0;
    record_add_row(&buf, 1000, 5, NULL, types, values, 2);
    ends[count++] = buf.len;
    record_add_row(&buf, 1000, 5, columns, types, values, 2);
    ends[count++] = buf.len;
    record_add_delete(&buf, 1000, 99);
    ends[count++] = buf.len;
    record_add_index(&buf, true, 1000, 1001, 99, "key", 3, true);
    ends[count++] = buf.len;
    record_add_index(&buf, false, 1000, 1001, 99, "", 0, false);
    ends[count++] = buf.len;
    record_add_file(&buf, 1000, 7, 1, 10000, 9000, "entries", 7);
    ends[count++] = buf.len;
    record_add_run(&buf, 1000, 1001, 8, "reference", 9);
    ends[count++] = buf.len;
    record_add_dict(&buf, 1000, 3, 17, "text", 4);
    ends[count++] = buf.len;
    record_add_row_ids(&buf, 1000, 1 << 20);
    ends[count++] = buf.len;
    record_add_object_ids(&buf, 2000);
    ends[count++] = buf.len;
    record_add_sequence(&buf, 2001, -5);
    ends[count++] = buf.len;
    for (size_t length = 0; length <= buf.len; length++) {
        struct cursor in = cursor_of(buf.data, length);
        struct record_view view;
        size_t whole = 0, want = 0;
        while (want < count && ends[want] <= length)
            want++;
        while (cursor_left(&in) > 0 && record_next(&in, &view, &err) == KDK_OK) {
            whole++;
            CHECK(strcmp(record_kind_name(view.kind), "unknown") != 0);
        }
        CHECK_EQ(whole, want);
    }
    CHECK_EQ(err.status, KDK_CORRUPT);
    for (size_t bit = 0; bit < buf.len * 8; bit++) {
        buf.data[bit / 8] ^= (char)(1 << bit % 8);
        struct cursor in = cursor_of(buf.data, buf.len);
        struct record_view view;
        struct record_value value;
        while (cursor_left(&in) > 0 && record_next(&in, &view, &err) == KDK_OK)
            for (uint32_t i = 0; i < view.count; i++)
                record_value(&view, &value);
        buf.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_deinit(&buf);
}
