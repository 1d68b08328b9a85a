/* key_test.c - the order of datums, and that keys keep it. */
#include "check.h"

#include <math.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vec/vec.h"
#include "vec/vec_test.h"

static const struct ltype types[] = {
    {.id = LT_BOOLEAN},  {.id = LT_TINYINT},
    {.id = LT_SMALLINT}, {.id = LT_INTEGER},
    {.id = LT_BIGINT},   {.id = LT_NUMERIC, .precision = 38, .scale = 2},
    {.id = LT_REAL},     {.id = LT_DOUBLE},
    {.id = LT_TEXT},     {.id = LT_TEXT, .length = 20, .fixed = 1},
    {.id = LT_BYTEA},    {.id = LT_DATE},
    {.id = LT_TIMESTAMP}};

static int sign(int v)
{
    return (v > 0) - (v < 0);
}
static int order_of(struct ltype type, const struct datum *a, const struct datum *b,
                    bool descending, bool nulls_first)
{
    if (a->null || b->null)
        return ((int)b->null - (int)a->null) * (nulls_first ? 1 : -1);
    int order = sign(datum_compare(type, a, b));
    return descending ? -order : order;
}

/* Rows of several columns: memcmp orders keys as comparing column by column does, and they
 * read back. */
TEST(key, orders_and_reads_back_as_columns)
{
    struct test_random r = {7};
    struct arena arena = {0};
    for (int round = 0; round < 30000; round++) {
        struct buf key[2] = {{0}, {0}};
        struct datum row[2][4];
        struct ltype type[4];
        bool descending[4], nulls_first[4];
        uint32_t columns = 1 + (uint32_t)(test_random(&r) % 4);
        for (uint32_t c = 0; c < columns; c++) {
            type[c] = types[test_random(&r) % COUNT_OF(types)];
            descending[c] = test_random(&r) & 1;
            nulls_first[c] = test_random(&r) & 1;
            for (int i = 0; i < 2; i++)
                row[i][c] = i && test_random(&r) % 3 == 0 ? row[0][c]
                                                          : test_datum(&r, type[c], &arena);
            for (int i = 0; i < 2; i++)
                CHECK_EQ(
                    key_add(&key[i], type[c], &row[i][c], descending[c], nulls_first[c]),
                    KDK_OK);
        }
        int want = 0;
        for (uint32_t c = 0; c < columns && !want; c++)
            want = order_of(type[c], &row[0][c], &row[1][c], descending[c], nulls_first[c]);
        int got = memcmp(key[0].data, key[1].data, MIN(key[0].len, key[1].len));
        if (!got)
            got = key[0].len < key[1].len ? -1 : key[0].len > key[1].len;
        if (want == 0)
            CHECK_EQ(key[0].len, key[1].len);
        CHECK_EQ(sign(got), want);

        struct cursor cursor = cursor_of(key[0].data, key[0].len);
        struct datum back;
        for (uint32_t c = 0; c < columns; c++) {
            CHECK_EQ(key_read(&cursor, type[c], descending[c], nulls_first[c], &arena,
                              &back, NULL),
                     KDK_OK);
            CHECK_EQ(back.null, row[0][c].null);
            if (!back.null && !row[0][c].null) {
                CHECK_EQ(datum_compare(type[c], &back, &row[0][c]), 0);
                CHECK_EQ(datum_hash(type[c], &back), datum_hash(type[c], &row[0][c]));
            }
        }
        CHECK_EQ(cursor_left(&cursor), 0);
        /* Cut short or with a byte changed it is an error or another value, never a read
         * past the end. */
        size_t cut = test_random(&r) % key[0].len;
        struct err err = {0};
        cursor = cursor_of(key[0].data, cut);
        kdk_status status = KDK_OK;
        for (uint32_t c = 0; c < columns && status == KDK_OK; c++)
            status = key_read(&cursor, type[c], descending[c], nulls_first[c], &arena,
                              &back, &err);
        CHECK_EQ(status, KDK_CORRUPT);
        key[0].data[cut] = (char)test_random(&r);
        cursor = cursor_of(key[0].data, key[0].len);
        status = KDK_OK;
        for (uint32_t c = 0; c < columns && status == KDK_OK; c++)
            status = key_read(&cursor, type[c], descending[c], nulls_first[c], &arena,
                              &back, &err);
        CHECK(status == KDK_OK || status == KDK_CORRUPT);
        buf_deinit(&key[0]);
        buf_deinit(&key[1]);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

/* The bytes are on disk. */
TEST(key, bytes_are_fixed)
{
    struct buf key = {0};
    struct datum i = {.i = -2}, f = {.f = 1.5}, s = {.s = str_of("a\0b", 3)},
                 null = DATUM_NULL, w = {.w = 1};
    CHECK_EQ(key_add(&key, LTYPE(INTEGER), &i, false, false), KDK_OK);
    CHECK_EQ(key_add(&key, LTYPE(INTEGER), &null, false, false), KDK_OK);
    CHECK_EQ(key_add(&key, LTYPE(INTEGER), &null, true, true), KDK_OK);
    CHECK_EQ(key_add(&key, LTYPE(DOUBLE), &f, false, false), KDK_OK);
    CHECK_EQ(key_add(&key, LTYPE(TEXT), &s, true, false), KDK_OK);
    CHECK_EQ(key_add(&key, LTYPE_NUM(5, 2), &w, false, false), KDK_OK);
    static const uint8_t want[] = {1,    0x7f, 0xff, 0xff, 0xfe, 2, 0, 1,    0xbf, 0xf8,
                                   0,    0,    0,    0,    0,    0, 1, 0x9e, 0xff, 0,
                                   0x9d, 0xff, 0xff, 1,    0x80, 0, 0, 0,    0,    0,
                                   0,    0,    0,    0,    0,    0, 0, 0,    0,    1};
    CHECK_EQ(key.len, sizeof want);
    CHECK_MEM(key.data, want, sizeof want);
    buf_deinit(&key);
}

TEST(key, running_out_of_memory_is_a_status)
{
    struct datum s = {.s = str_of("a string that is not short", 26)}, out;
    struct buf good = {0};
    struct arena arena = {0};
    CHECK_EQ(key_add(&good, LTYPE(TEXT), &s, false, false), KDK_OK);
    struct buf bad = {0};
    mem_fail_after(0, true);
    CHECK_EQ(key_add(&bad, LTYPE(TEXT), &s, false, false), KDK_NOMEM);
    struct cursor cursor = cursor_of(good.data, good.len);
    CHECK_EQ(key_read(&cursor, LTYPE(TEXT), false, false, &arena, &out, NULL), KDK_NOMEM);
    CHECK(!datum_copy(&arena, LTYPE(TEXT), s, &out));
    CHECK_EQ(datum_parse(LTYPE(BYTEA), "abc", 3, &arena, &out, NULL), KDK_NOMEM);
    CHECK_EQ(datum_print(LTYPE(BYTEA), &s, &bad), KDK_NOMEM);
    mem_fail_never();
    CHECK(datum_copy(&arena, LTYPE(TEXT), s, &out));
    CHECK(str_data(&out.s) != str_data(&s.s));
    CHECK(str_equal(&out.s, &s.s));
    buf_deinit(&good);
    buf_deinit(&bad);
    arena_deinit(&arena);
}

/* ---- order, names, widths ---- */

TEST(datum, floats_order_as_postgresql_orders_them)
{
    const double v[] = {-(double)INFINITY, -1,         -1e-300, 0, 1e-300, 1,
                        (double)INFINITY,  (double)NAN};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        for (size_t k = 0; k < COUNT_OF(v); k++) {
            struct datum a = {.f = v[i]}, b = {.f = v[k]};
            CHECK_EQ(datum_compare(LTYPE(DOUBLE), &a, &b), (i > k) - (i < k));
        }
    }
    struct datum zero = {.f = 0.0}, minus = {.f = -0.0}, nan = {.f = -(double)NAN},
                 nan2 = {.f = (double)NAN};
    CHECK_EQ(datum_compare(LTYPE(REAL), &zero, &minus), 0);
    CHECK_EQ(datum_hash(LTYPE(REAL), &zero), datum_hash(LTYPE(REAL), &minus));
    CHECK_EQ(datum_hash(LTYPE(REAL), &nan), datum_hash(LTYPE(DOUBLE), &nan2));
}
TEST(datum, strings_order_bytewise)
{
    static const struct {
        const char *data;
        size_t len;
    } s[] = {{"", 0},
             {"\0", 1},
             {"\0\0", 2},
             {"a", 1},
             {"a\0", 2},
             {"a\0b", 3},
             {"abcd", 4},
             {"abcdefghijkl", 12},
             {"abcdefghijklm", 13},
             {"abcdefghijkln", 13},
             {"abcdefghijkln\0", 14},
             {"abcdz", 5},
             {"\xc3\xa4", 2},
             {"\xff", 1}};
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        for (size_t k = 0; k < COUNT_OF(s); k++) {
            struct str a = str_of(s[i].data, s[i].len), b = str_of(s[k].data, s[k].len);
            CHECK_EQ(sign(str_compare(&a, &b)), (i > k) - (i < k));
            CHECK_EQ(str_equal(&a, &b), i == k);
            if (i == k)
                CHECK_EQ(str_hash(&a), str_hash(&b));
        }
    }
    struct ltype t = {.id = LT_TEXT, .fixed = 1, .length = 5};
    struct datum a = {.s = str_of("ab", 2)}, b = {.s = str_of("ab   ", 5)};
    CHECK_EQ(datum_compare(t, &a, &b), 0);
    CHECK_EQ(datum_hash(t, &a), datum_hash(t, &b));
    CHECK(datum_compare(LTYPE(TEXT), &a, &b) < 0);
}
TEST(datum, types_have_names_widths_and_oids)
{
    char name[64];
    CHECK_STR(ltype_name(LTYPE_NUM(10, 2), name, sizeof name), "numeric(10,2)");
    CHECK_STR(ltype_name(LTYPE(NUMERIC), name, sizeof name), "numeric");
    CHECK_STR(ltype_name((struct ltype){.id = LT_TEXT, .length = 20}, name, sizeof name),
              "character varying(20)");
    CHECK_STR(ltype_name((struct ltype){.id = LT_TEXT, .length = 3, .fixed = 1}, name,
                         sizeof name),
              "character(3)");
    CHECK_STR(ltype_name(LTYPE(TIMESTAMP), name, 10), "timestamp");
    CHECK_STR(ltype_id_name(LT_DOUBLE), "double precision");
    CHECK_STR(ltype_id_name(200), "unknown");
    CHECK_EQ(ltype_oid(LTYPE(TEXT)), 25);
    CHECK_EQ(ltype_oid((struct ltype){.id = LT_TEXT, .length = 20}), 1043);
    CHECK_EQ(ltype_oid((struct ltype){.id = LT_TEXT, .fixed = 1}), 1042);
    CHECK_EQ(ltype_width(LTYPE(NUMERIC)), W_128);
    CHECK_EQ(ltype_width(LTYPE(BOOLEAN)), W_BIT);
    CHECK_EQ(vwidth_bytes(W_STR), sizeof(struct str));
    CHECK_EQ(vwidth_for(-128, 127), W_8);
    CHECK_EQ(vwidth_for(-129, 0), W_16);
    CHECK_EQ(vwidth_for(0, 32768), W_32);
    CHECK_EQ(vwidth_for(0, 2147483648ll), W_64);
    CHECK_EQ(vwidth_for(INT64_MIN, INT64_MAX), W_64);
    CHECK_EQ(vwidth_for(0, (int128)INT64_MAX + 1), W_128);
}
