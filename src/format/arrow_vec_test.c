/* arrow_vec_test.c - vectors to Arrow and back, what others write, files in FROM. */
#include "arrow/arrow_ipc.h"
#include "base/mem.h"
#include "check.h"
#include "format/format_int.h"
#include "format/session_test.h"
#include "vec/calendar.h"
#include "vec/vec_test.h"

#include <stdio.h>
#include <stdlib.h>

static const struct ltype all_types[] = {
    LTYPE(BOOLEAN),   LTYPE(TINYINT),   LTYPE(SMALLINT), LTYPE(INTEGER), LTYPE(BIGINT),
    LTYPE_NUM(38, 0), LTYPE_NUM(12, 4), LTYPE(REAL),     LTYPE(DOUBLE),  LTYPE(TEXT),
    LTYPE(BYTEA),     LTYPE(DATE),      LTYPE(TIMESTAMP)};
#define ALL COUNT_OF(all_types)

static struct datum random_value(struct test_random *r, struct ltype type,
                                 struct arena *arena)
{
    struct datum d;
    memset(&d, 0, sizeof d);
    switch (type.id) {
    case LT_BOOLEAN:
        d.i = (int64_t)(test_random(r) & 1);
        break;
    case LT_TINYINT:
        d.i = test_integer(r, 8);
        break;
    case LT_SMALLINT:
        d.i = test_integer(r, 16);
        break;
    case LT_INTEGER:
        d.i = test_integer(r, 32);
        break;
    case LT_BIGINT:
        d.i = test_integer(r, 64);
        break;
    case LT_NUMERIC:
        d.w = type.precision == 38 ? test_wide(r) : test_integer(r, 64) % 1000000000000ll;
        break;
    case LT_REAL:
        d.f = (double)(float)test_double(r);
        break;
    case LT_DOUBLE:
        d.f = test_double(r);
        break;
    case LT_DATE:
        d.i = test_random(r) % 8 == 0 ? DATE_NEG_INF
              : test_random(r) % 8 == 0
                  ? DATE_POS_INF
                  : DATE_MIN + (int64_t)(test_random(r) % 2147483493u);
        break;
    case LT_TIMESTAMP:
        d.i = test_random(r) % 8 == 0   ? TIMESTAMP_NEG_INF
              : test_random(r) % 8 == 0 ? TIMESTAMP_POS_INF
                                        : test_integer(r, 56);
        break;
    default:
        d.s = test_str(r, type.id == LT_BYTEA, arena);
        for (uint32_t i = 0; type.id == LT_TEXT && i < d.s.len; i++) /* NUL is no text. */
            if (!str_data(&d.s)[i])
                return d.s = str_of("nul", 3), d;
        break;
    }
    return d;
}

/* A vector of any form over some values; the narrow widths where the values allow. */
static void random_vec(struct test_random *r, struct ltype type, uint32_t rows,
                       struct arena *arena, struct vec *v)
{
    struct err err = {0};
    const uint64_t form = test_random(r) % 4;
    CHECK_EQ(vec_init(v, type, arena, &err), KDK_OK);
    if (form == 0) {
        struct datum d = random_value(r, type, arena);
        d.null = test_random(r) % 3 == 0;
        CHECK_EQ(vec_constant(v, type, &d, arena, &err), KDK_OK);
        return;
    }
    if (form == 1 && type.id != LT_BOOLEAN) { /* Codes of a dictionary. */
        struct vec *values = ARENA_NEW(arena, struct vec);
        CHECK_EQ(vec_init(values, type, arena, &err), KDK_OK);
        for (uint32_t i = 0; i < 16; i++) {
            struct datum d = random_value(r, type, arena);
            vec_put(values, i, &d, 16);
        }
        v->form = VF_DICT;
        v->values = values;
        v->width = values->width;
        for (uint32_t i = 0; i < rows; i++)
            ((int32_t *)v->data)[i] = (int32_t)(test_random(r) % 16);
        vec_validity_on(v, rows);
        for (uint32_t i = 0; i < rows; i++) {
            if (test_random(r) % 5 == 0) {
                bit_clear(v->validity, i);
                ((int32_t *)v->data)[i] = 0;
            }
        }
        return;
    }
    const bool narrow = form == 2 && (ltype_is_integer(type) || type.id == LT_NUMERIC ||
                                      type.id == LT_DATE);
    if (narrow)
        vec_reset(v, W_8);
    for (uint32_t i = 0; i < rows; i++) {
        struct datum d = random_value(r, type, arena);
        if (narrow) {
            int64_t small = test_integer(r, 8);
            memset(&d, 0, sizeof d);
            if (type.id == LT_NUMERIC)
                d.w = small;
            else
                d.i = small;
        }
        if (form == 3 && test_random(r) % 4 == 0)
            vec_set_null(v, i, rows);
        else
            vec_put(v, i, &d, rows);
    }
}

TEST(arrow_vec, batches_of_all_types_and_forms_survive_export_and_import)
{
    struct test_random r = {77};
    struct mem_stats before, after;
    mem_stats(&before);
    for (uint32_t round = 0; round < 60; round++) {
        struct arena arena = {0};
        struct err err = {0};
        struct batch batch, back;
        struct relcol columns[ALL], *found = NULL;
        struct ltype types[ALL];
        struct ArrowSchema schema = {0};
        struct ArrowArray array = {0};
        uint32_t count = 0;
        const uint32_t rows = 1 + (uint32_t)(test_random(&r) % BATCH_ROWS);

        for (uint32_t i = 0; i < ALL; i++) {
            char name[4] = {'c', (char)('a' + i), 0, 0};
            columns[i] =
                (struct relcol){.type = all_types[i], .name = arena_strdup(&arena, name)};
        }
        CHECK_EQ(batch_init(&batch, all_types, ALL, &arena, &err), KDK_OK);
        for (uint32_t i = 0; i < ALL; i++)
            random_vec(&r, all_types[i], rows, &arena, &batch.columns[i]);
        batch_all(&batch, rows);
        uint16_t picked[BATCH_ROWS];
        if (round % 3 == 0) {
            batch.sel = (struct sel){picked, 0};
            for (uint32_t i = 0; i < rows; i++)
                if (test_random(&r) % 3)
                    picked[batch.sel.count++] = (uint16_t)i;
        }
        CHECK_EQ(format_export_schema(columns, ALL, &schema, &err), KDK_OK);
        if (!CHECK_EQ(format_export_batch(columns, ALL, &batch, &array, &err), KDK_OK))
            return;
        CHECK_EQ(array.length, batch.sel.count);
        CHECK_EQ(format_import_schema(&schema, &arena, &found, &count, &err), KDK_OK);
        if (!CHECK_EQ(count, ALL))
            return;
        for (uint32_t i = 0; i < ALL; i++) {
            CHECK(ltype_equal(found[i].type, all_types[i]));
            CHECK_STR(found[i].name, columns[i].name);
            types[i] = found[i].type;
        }
        CHECK_EQ(batch_init(&back, types, ALL, &arena, &err), KDK_OK);
        for (uint32_t from = 0; from < batch.sel.count;) {
            const uint32_t wanted = 1 + (uint32_t)(test_random(&r) % 500),
                           n = MIN(wanted, batch.sel.count - from);
            if (!CHECK_EQ(format_import_batch(&schema, &array, from, n, &back, &err),
                          KDK_OK))
                CHECK_STR(err.message, "");
            CHECK_EQ(back.count, n);
            for (uint32_t i = 0; i < ALL; i++) {
                for (uint32_t k = 0; k < n; k++) {
                    struct datum want = vec_get(&batch.columns[i],
                                                SEL_ROW(&batch.sel, from + k)),
                                 got = vec_get(&back.columns[i], k);
                    if (!CHECK_EQ(got.null, want.null) ||
                        (!want.null && !CHECK_EQ(datum_compare(types[i], &got, &want), 0)))
                        return;
                }
            }
            from += n;
        }
        CHECK_EQ(format_import_batch(&schema, &array, batch.sel.count, 1, &back, &err),
                 KDK_BAD_PARAMETER);
        batch_unpin(&back);
        array.release(&array);
        schema.release(&schema);
        arena_deinit(&arena);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

TEST(arrow_vec, export_and_import_fail_cleanly_without_memory)
{
    struct test_random r = {5};
    struct arena arena = {0};
    struct err err = {0};
    struct batch batch, back;
    struct relcol columns[ALL], *found;
    struct mem_stats before, after;
    uint32_t count;

    for (uint32_t i = 0; i < ALL; i++)
        columns[i] = (struct relcol){.type = all_types[i], .name = "c"};
    CHECK_EQ(batch_init(&batch, all_types, ALL, &arena, &err), KDK_OK);
    CHECK_EQ(batch_init(&back, all_types, ALL, &arena, &err), KDK_OK);
    for (uint32_t i = 0; i < ALL; i++)
        random_vec(&r, all_types[i], 60, &arena, &batch.columns[i]);
    batch_all(&batch, 60);
    mem_stats(&before);
    for (uint64_t n = 0;; n++) {
        struct ArrowSchema schema = {0};
        struct ArrowArray array = {0};
        struct arena names = {0};
        mem_fail_after(n, true);
        kdk_status status = format_export_schema(columns, ALL, &schema, &err);
        if (status == KDK_OK)
            status = format_export_batch(columns, ALL, &batch, &array, &err);
        if (status == KDK_OK)
            status = format_import_schema(&schema, &names, &found, &count, &err);
        if (status == KDK_OK)
            status = format_import_batch(&schema, &array, 10, 50, &back, &err);
        const bool hit = mem_fail_never() > 0;
        CHECK_EQ(status, hit ? KDK_NOMEM : KDK_OK);
        batch_unpin(&back);
        if (array.release)
            array.release(&array);
        if (schema.release)
            schema.release(&schema);
        arena_deinit(&names);
        mem_stats(&after);
        if (!CHECK_EQ(after.blocks, before.blocks) || !hit)
            break;
    }
    arena_deinit(&arena);
}

/* --------------------------------------------------------- what others write ---- */

struct foreign {
    enum arrow_type type;
    enum arrow_unit unit;
    int32_t precision, scale, width;
    const char *timezone;
    const void *value; /* Bytes of one value, or text. */
    const char *want;  /* Type and value as text; or an error's text. */
    kdk_status status;
};
#define V(T, ...)                                                                          \
    (const T[])                                                                            \
    {                                                                                      \
        __VA_ARGS__                                                                        \
    }
static const struct foreign foreigners[] = {
    {.type = ARROW_INT8, .value = V(int8_t, -5), .want = "tinyint -5"},
    {.type = ARROW_UINT8, .value = V(uint8_t, 255), .want = "smallint 255"},
    {.type = ARROW_UINT16, .value = V(uint16_t, 65535), .want = "integer 65535"},
    {.type = ARROW_UINT32, .value = V(uint32_t, UINT32_MAX), .want = "bigint 4294967295"},
    {.type = ARROW_UINT64,
     .value = V(uint64_t, UINT64_MAX),
     .want = "numeric(20,0) 18446744073709551615"},
    {.type = ARROW_FLOAT16, .value = V(uint16_t, 0x3e00), .want = "real 1.5"},
    {.type = ARROW_FLOAT16, .value = V(uint16_t, 0x8001), .want = "real -5.9604645e-08"},
    {.type = ARROW_FLOAT16, .value = V(uint16_t, 0xfc00), .want = "real -Infinity"},
    {.type = ARROW_DECIMAL32,
     .precision = 5,
     .scale = 2,
     .value = V(int32_t, -12345),
     .want = "numeric(5,2) -123.45"},
    {.type = ARROW_DECIMAL64,
     .precision = 18,
     .scale = 0,
     .value = V(int64_t, 7),
     .want = "numeric(18,0) 7"},
    {.type = ARROW_DECIMAL128,
     .precision = 20,
     .scale = 20,
     .value = V(int128, -1),
     .want = "numeric(20,20) -0.00000000000000000001"},
    {.type = ARROW_DECIMAL128,
     .precision = 3,
     .scale = 0,
     .value = V(int128, 1000),
     .status = KDK_OUT_OF_RANGE,
     .want = "decimal out of range"},
    {.type = ARROW_DECIMAL128,
     .precision = 3,
     .scale = -2,
     .value = V(int128, 1),
     .status = KDK_UNSUPPORTED,
     .want = "decimal128"},
    {.type = ARROW_DATE32, .value = V(int32_t, 19782), .want = "date 2024-02-29"},
    {.type = ARROW_DATE32,
     .value = V(int32_t, -2440589),
     .status = KDK_DATETIME_RANGE,
     .want = "date out of range in column \"x\", row 2"},
    {.type = ARROW_DATE64, .value = V(int64_t, -86400000), .want = "date 1969-12-31"},
    {.type = ARROW_DATE64,
     .value = V(int64_t, INT64_MAX),
     .status = KDK_DATETIME_RANGE,
     .want = "date out of range"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_SECOND,
     .value = V(int64_t, 1),
     .want = "timestamp without time zone 1970-01-01 00:00:01"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_MILLISECOND,
     .value = V(int64_t, -1),
     .want = "timestamp without time zone 1969-12-31 23:59:59.999"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_NANOSECOND,
     .value = V(int64_t, -1),
     .want = "timestamp without time zone 1969-12-31 23:59:59.999999"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_MICROSECOND,
     .timezone = "Europe/Berlin",
     .value = V(int64_t, 0),
     .want = "timestamp without time zone 1970-01-01 00:00:00"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_MICROSECOND,
     .value = V(int64_t, INT64_MAX),
     .want = "timestamp without time zone infinity"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_SECOND,
     .value = V(int64_t, INT64_MAX),
     .status = KDK_DATETIME_RANGE,
     .want = "timestamp out of range"},
    {.type = ARROW_TIMESTAMP,
     .unit = ARROW_MICROSECOND,
     .value = V(int64_t, INT64_MIN + 1),
     .status = KDK_DATETIME_RANGE,
     .want = "timestamp out of range"},
    {.type = ARROW_UTF8, .value = "short", .want = "text short"},
    {.type = ARROW_LARGE_UTF8,
     .value = "a text longer than a view holds",
     .want = "text a text longer than a view holds"},
    {.type = ARROW_UTF8_VIEW,
     .value = "a text longer than a view holds",
     .want = "text a text longer than a view holds"},
    {.type = ARROW_BINARY, .value = "\x01", .want = "bytea \\x01"},
    {.type = ARROW_LARGE_BINARY, .value = "\x01", .want = "bytea \\x01"},
    {.type = ARROW_BINARY_VIEW, .value = "\x01", .want = "bytea \\x01"},
    {.type = ARROW_FIXED_SIZE_BINARY,
     .width = 3,
     .value = "abc",
     .want = "bytea \\x616263"},
    {.type = ARROW_DECIMAL256,
     .precision = 40,
     .value = V(int128, 0, 0),
     .status = KDK_UNSUPPORTED,
     .want = "column \"x\" has the Arrow type decimal256"},
    {.type = ARROW_TIME64,
     .unit = ARROW_NANOSECOND,
     .value = V(int64_t, 0),
     .status = KDK_UNSUPPORTED,
     .want = "time64"},
    {.type = ARROW_DURATION,
     .value = V(int64_t, 0),
     .status = KDK_UNSUPPORTED,
     .want = "duration"},
    {.type = ARROW_INTERVAL_MONTH_DAY_NANO,
     .value = V(int64_t, 0, 0),
     .status = KDK_UNSUPPORTED,
     .want = "interval_month_day_nano"},
};

/* Rows: NULL, the value, the value; in a dictionary or not. */
static struct arrow_array *foreign_array(const struct arrow_schema *values,
                                         const struct foreign *f, bool dictionary,
                                         const struct arrow_schema *schema)
{
    struct arrow_builder *b = NULL, *codes = NULL;
    struct arrow_array *array = NULL, *out = NULL;
    CHECK_EQ(arrow_builder_new(values, &b, NULL), KDK_OK);
    if (!dictionary)
        CHECK_EQ(arrow_builder_null(b, NULL), KDK_OK);
    for (int i = 0; i < 2; i++) {
        if (arrow_value_bytes(values) && f->type != ARROW_UTF8_VIEW &&
            f->type != ARROW_BINARY_VIEW)
            CHECK_EQ(arrow_builder_fixed(b, f->value, NULL), KDK_OK);
        else
            CHECK_EQ(arrow_builder_bytes(b, f->value, strlen(f->value), NULL), KDK_OK);
    }
    CHECK_EQ(arrow_builder_finish(b, &array, NULL), KDK_OK);
    arrow_builder_free(b);
    if (!dictionary)
        return array;
    CHECK_EQ(arrow_builder_new(schema, &codes, NULL), KDK_OK);
    CHECK_EQ(arrow_builder_null(codes, NULL), KDK_OK);
    CHECK_EQ(arrow_builder_fixed(codes, V(int8_t, 1), NULL), KDK_OK);
    CHECK_EQ(arrow_builder_fixed(codes, V(int8_t, 0), NULL), KDK_OK);
    arrow_builder_dictionary(codes, array);
    CHECK_EQ(arrow_builder_finish(codes, &out, NULL), KDK_OK);
    arrow_builder_free(codes);
    arrow_array_unref(array);
    return out;
}

TEST(arrow_vec, foreign_types_are_widened_converted_or_refused)
{
    for (size_t i = 0; i < 2 * COUNT_OF(foreigners); i++) {
        const struct foreign *f = &foreigners[i / 2];
        const bool dictionary = i % 2;
        struct arrow_schema *schema = NULL, *column = NULL, *values;
        struct arrow_array *root = NULL;
        struct ArrowSchema c_schema = {0};
        struct ArrowArray c_array = {0};
        struct relcol *columns = NULL;
        struct arena arena = {0};
        struct err err = {0};
        struct batch batch = {0};
        struct buf text = {0};
        uint32_t count = 0;
        char name[64];

        CHECK_EQ(arrow_schema_new(ARROW_STRUCT, "", &schema, NULL), KDK_OK);
        CHECK_EQ(arrow_schema_add_new(schema, dictionary ? ARROW_INT8 : f->type, "x",
                                      &column, NULL),
                 KDK_OK);
        values = column;
        if (dictionary) {
            CHECK_EQ(arrow_schema_new(f->type, "", &column->dictionary, NULL), KDK_OK);
            values = column->dictionary;
        }
        values->unit = f->unit;
        values->precision = f->precision;
        values->scale = f->scale;
        values->width = f->width;
        values->timezone = f->timezone ? mem_strdup(f->timezone) : NULL;
        CHECK_EQ(arrow_array_new(3, 0, 1, 1, &root, NULL), KDK_OK);
        root->children[0] = foreign_array(values, f, dictionary, column);
        CHECK_EQ(arrow_export_schema(schema, &c_schema, &err), KDK_OK);
        CHECK_EQ(arrow_export_array(schema, root, &c_array, &err), KDK_OK);
        kdk_status status = format_import_schema(&c_schema, &arena, &columns, &count, &err);
        if (status == KDK_OK) {
            CHECK_EQ(batch_init(&batch, &columns[0].type, 1, &arena, &err), KDK_OK);
            status = format_import_batch(&c_schema, &c_array, 0, 3, &batch, &err);
        }
        CHECK_STR(status_name(status), status_name(f->status));
        if (status == KDK_OK) {
            struct datum first = vec_get(&batch.columns[0], 0),
                         second = vec_get(&batch.columns[0], 1),
                         third = vec_get(&batch.columns[0], 2);
            CHECK(first.null && !second.null && !third.null);
            CHECK_EQ(datum_compare(columns[0].type, &second, &third), 0);
            CHECK_EQ(
                buf_printf(&text, "%s ", ltype_name(columns[0].type, name, sizeof name)),
                KDK_OK);
            CHECK_EQ(datum_print(columns[0].type, &second, &text), KDK_OK);
            CHECK_STR(text.data, f->want);
            batch_unpin(&batch);
        } else if (!strstr(err.message, f->want)) {
            CHECK_STR(err.message, f->want);
        }
        buf_deinit(&text);
        c_array.release(&c_array);
        c_schema.release(&c_schema);
        arrow_array_unref(root);
        arrow_schema_free(schema);
        arena_deinit(&arena);
    }
}

/* ------------------------------------------------------------- files in FROM ---- */

static char folder[] = "/tmp/kdk_format_from.XXXXXX";

static void put_file(const char *name, const char *text, size_t bytes)
{
    char path[100];
    struct os_file *file = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (CHECK_EQ(os_open(os_real(), path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, NULL),
                 KDK_OK))
        CHECK_EQ(os_write(file, 0, text, bytes, NULL), KDK_OK);
    os_close(file);
}
static const char *sql(const char *format, ...) KDK_PRINTF(1, 2);
static const char *sql(const char *format, ...)
{
    static char text[600];
    char with[500];
    va_list args;
    va_start(args, format);
    vsnprintf(with, sizeof with, format, args);
    va_end(args);
    /* @ is the folder. */
    size_t n = 0;
    for (const char *at = with; *at && n < sizeof text - sizeof folder; at++) {
        if (*at == '@')
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", folder);
        else
            text[n++] = *at;
    }
    text[n] = '\0';
    return text;
}
#define PUT(NAME, TEXT) put_file(NAME, TEXT, sizeof(TEXT) - 1)

static kdk_status remove_one(void *context, const char *name, struct err *err)
{
    char path[300];
    (void)context;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return os_remove(os_real(), path, err);
}

static void copy_file(const char *from, const char *name)
{
    struct os_file *file = NULL;
    uint64_t bytes = 0;
    char *data = NULL;
    CHECK_EQ(os_open(os_real(), from, OS_READ, &file, NULL), KDK_OK);
    CHECK_EQ(os_size(file, &bytes, NULL), KDK_OK);
    if (CHECK((data = mem_alloc(bytes)) != NULL) &&
        CHECK_EQ(os_read_exact(file, 0, data, bytes, NULL), KDK_OK))
        put_file(name, data, bytes);
    mem_free(data);
    os_close(file);
}

TEST(arrow_vec, files_can_stand_in_from)
{
    struct session s;
    struct buf big = {0};
    if (!CHECK(mkdtemp(folder) != NULL))
        return;
    session_open(&s, os_real());
    PUT("a.csv", "\xef\xbb\xbfid,name,ok,x,d,ts,code,n,big\n1,one,true,1.5,2024-02-29,2024-"
                 "02-29 12:00:00,007,,12345678901234567890\n"
                 "2,\"two, or\nso\",FALSE,2,2024-03-01,2024-03-01,8,,1\n");
    session_rows(&s, sql("select * from '@/a.csv'"),
                 "1|one|true|1.5|2024-02-29|2024-02-29 "
                 "12:00:00|007|NULL|12345678901234567890\n2|two, "
                 "or\nso|false|2|2024-03-01|2024-03-01 00:00:00|8|NULL|1\n");
    session_rows(&s,
                 sql("select sum(id), max(x), min(d) + 1, max(ts), count(*) filter (where "
                     "ok) from '@/a.csv' where length(code) > 0"),
                 "3|2|2024-03-01|2024-03-01 00:00:00|1\n");
    session_rows(&s, sql("select count(*) from '@/a.csv' t"), "2\n");
    session_do(&s, sql("create table copy_of as select * from '@/a.csv'"));
    session_rows(&s, "select code, big from copy_of order by id",
                 "007|12345678901234567890\n8|1\n");
    PUT("b.csv", "a|b|a||\n1|x,y|2|3|4\n");
    session_rows(&s, sql("select a, b, a_1, column4, column5 from '@/b.csv'"),
                 "1|x,y|2|3|4\n");
    PUT("c.tsv", "a\tb\n1\tx,y\n");
    session_rows(&s, sql("select b, a from '@/c.tsv'"), "x,y|1\n");
    PUT("none.csv", "");
    session_fails(&s, sql("select * from '@/none.csv'"), KDK_BAD_COPY, "is empty");
    PUT("head.csv", "a,b");
    session_rows(&s, sql("select * from '@/head.csv'"), "");
    PUT("short.csv", "a,b\n1,2\n3\n");
    session_fails(&s, sql("select * from '@/short.csv'"), KDK_BAD_COPY,
                  "missing data for column \"b\"");
    session_fails(&s, sql("select * from '@/short.csv'"), KDK_BAD_COPY,
                  "short.csv:3: \"3\"");
    session_fails(&s, sql("select * from '@/missing.csv'"), KDK_UNDEFINED_FILE,
                  "missing.csv");
    session_fails(&s, sql("select * from '@/a.xls'"), KDK_UNSUPPORTED,
                  "Names that end in .csv");
    /* A value that comes late and does not fit. */
    CHECK_EQ(buf_add_str(&big, "id,v\n"), KDK_OK);
    for (uint32_t i = 0; i < 6000; i++)
        CHECK_EQ(buf_printf(&big, "%u,%u\n", i, i * 2), KDK_OK);
    put_file("late.csv", big.data, big.len);
    session_rows(&s, sql("select count(*), sum(v) from '@/late.csv'"), "6000|35994000\n");
    CHECK_EQ(buf_add_str(&big, "6000,many\n"), KDK_OK);
    put_file("late.csv", big.data, big.len);
    session_fails(&s, sql("select sum(v) from '@/late.csv'"), KDK_BAD_TEXT,
                  "COPY into a table with the type you want.");
    session_fails(&s, sql("select sum(v) from '@/late.csv'"), KDK_BAD_TEXT,
                  "late.csv:6002, column v: \"many\"");
    session_rows(&s, sql("select count(id) from '@/late.csv'"),
                 "6001\n"); /* Columns that nobody needs are not looked at. */
    /* Arrow: what COPY writes can stand in FROM, whatever its name says of file or
     * stream. */
    session_do(&s, "create table t (id int, s text, b boolean, n numeric(9,3), d date, ts "
                   "timestamp, f float8, y bytea)");
    session_do(&s, "insert into t values (1, 'a text that is not short', true, 1.5, "
                   "'2024-02-29', '2024-02-29 12:00', 0.1, '\\x00ff'), (2, null, null, "
                   "null, null, null, null, null)");
    session_do(&s, sql("copy t to '@/t.arrow' with (format arrow)"));
    session_do(&s, sql("copy (select g, 'row ' || g as s from generate_series(1, 5000) g) "
                       "to '@/many.feather' with (format arrow)"));
    session_rows(&s, sql("select * from '@/t.arrow'"),
                 "1|a text that is not short|true|1.500|2024-02-29|2024-02-29 "
                 "12:00:00|0.1|\\x00ff\n2|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
    session_rows(&s, sql("select n, s from '@/t.arrow' where id = 1"),
                 "1.500|a text that is not short\n");
    session_rows(&s, sql("select count(*) from '@/many.feather'"), "5000\n");
    session_rows(&s, sql("select sum(g), max(s) from '@/many.feather'"),
                 "12502500|row 999\n");
    /* COPY FROM finds columns by name, converts, and says what does not fit. */
    session_do(&s, "create table u (s varchar(100), id bigint, n numeric(4,1))");
    session_do(&s, sql("copy u from '@/t.arrow'"));
    session_rows(&s, "select * from u", "a text that is not short|1|1.5\nNULL|2|NULL\n");
    session_do(&s, "create table v (a varchar(3), b int)");
    session_do(&s,
               sql("copy (select 'abc' as x, 1 as y) to '@/v.arrow' with (format arrow)"));
    session_do(&s, sql("copy v from '@/v.arrow'"));
    session_rows(&s, "select * from v", "abc|1\n");
    session_do(&s,
               sql("copy (select 'abcd' as x, 1 as y) to '@/v.arrow' with (format arrow)"));
    session_fails(&s, sql("copy v from '@/v.arrow'"), KDK_STRING_TRUNCATED,
                  "COPY v, rows up to 1");
    session_do(&s,
               sql("copy (select 1 as x, 'b' as y) to '@/v.arrow' with (format arrow)"));
    session_fails(&s, sql("copy v (b, a) from '@/t.arrow'"), KDK_BAD_COPY,
                  "the Arrow data have 8 columns, 2 are expected");
    session_fails(&s, sql("copy v from '@/v.arrow'"), KDK_TYPE_MISMATCH,
                  "column \"b\" is of type integer but the file's is of type text");
    session_do(&s, "create table w (a int not null)");
    session_do(
        &s, sql("copy (select cast(null as int) as a) to '@/v.arrow' with (format arrow)"));
    session_fails(&s, sql("copy w from '@/v.arrow'"), KDK_NOT_NULL, "COPY w, row 1");
    /* A column of a type that we do not have is refused where it is read, and there
     * alone. */
    copy_file(KDK_SOURCE_DIR "/test/data/arrow/generated_datetime.arrow_file",
              "times.arrow");
    session_rows(&s, sql("select count(*), count(f0), count(f1) from '@/times.arrow'"),
                 "17|8|8\n");
    session_fails(&s, sql("select f2 from '@/times.arrow'"), KDK_UNSUPPORTED,
                  "column \"f2\" has the Arrow type time32[s], which is not supported");
    session_fails(&s, sql("select * from '@/times.arrow'"), KDK_UNSUPPORTED,
                  "has the Arrow type");
    PUT("one.feather", "FEA1............FEA1");
    session_fails(&s, sql("select * from '@/one.feather'"), KDK_UNSUPPORTED,
                  "Feather file of version 1");
    /* Memory that fails anywhere on the way. */
    static const char *const reads[] = {
        "select * from '@/a.csv'", "select s, y from '@/t.arrow'",
        "copy u from '@/t.arrow'", "select max(s) from '@/many.feather'"};
    for (size_t i = 0; i < COUNT_OF(reads); i++) {
        char *text = mem_strdup(sql("%s", reads[i]));
        for (uint64_t n = 0;; n++) {
            mem_fail_after(n, true);
            kdk_status status = session_run(&s, text);
            if (!mem_fail_never()) {
                CHECK_EQ(status, KDK_OK);
                CHECK(n > 20);
                break;
            }
            CHECK_EQ(status, KDK_NOMEM);
        }
        mem_free(text);
    }
    PUT("bad.arrow", "ARROW1\0\0 and so on and so on and so on");
    session_fails(&s, sql("select * from '@/bad.arrow'"), KDK_CORRUPT, "bad.arrow");
    PUT("empty.arrow", "");
    session_fails(&s, sql("select * from '@/empty.arrow'"), KDK_CORRUPT, "empty.arrow");
    CHECK_EQ(os_list(os_real(), folder, remove_one, NULL, NULL), KDK_OK);
    CHECK_EQ(os_remove_dir(os_real(), folder, NULL), KDK_OK);
    buf_deinit(&big);
    session_close(&s);
}
