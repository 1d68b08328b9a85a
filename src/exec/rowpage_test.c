/* Tests of rowpage.h: what goes in comes out, whatever the forms of vectors, lengths of
 * strings and sizes of pages. */
#include "exec/rowpage.h"

#include "base/mem.h"
#include "check.h"

static uint64_t state = 88172645463325252ull;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static const struct ltype types[] = {
    {.id = LT_INTEGER}, {.id = LT_TEXT},
    {.id = LT_BOOLEAN}, {.id = LT_NUMERIC, .precision = 20, .scale = 2},
    {.id = LT_TEXT},    {.id = LT_DOUBLE},
    {.id = LT_SMALLINT}};

/* The value of column c in row n: strings of very different lengths, one longer than a page
 * now and then. */
static struct datum value_of(uint32_t c, uint32_t n, char *room, size_t room_bytes)
{
    struct datum d = {0};
    if ((n * 7 + c) % 5 == 0)
        return DATUM_NULL;
    switch (types[c].id) {
    case LT_TEXT: {
        size_t len = (n * 31 + c * 17) % 97 == 3 ? room_bytes : (n * 13 + c) % 60;
        for (size_t i = 0; i < len; i++)
            room[i] = (char)('a' + (n + c + i) % 26);
        d.s = str_of(room, len);
        break;
    }
    case LT_NUMERIC:
        d.w = (int128)n * 1000003 - 7;
        break;
    case LT_DOUBLE:
        d.f = (double)n / 3;
        break;
    default:
        d.i = types[c].id == LT_BOOLEAN ? n % 3 == 0 : (int64_t)n % 30000;
    }
    return d;
}

/* Batches are appended with selections; every row is then read back singly, by gathers and
 * through a copy. */
TEST(rowpage, rows_come_back_as_they_went_in)
{
    enum { BATCHES = 20, ROOM = 20000 };
    struct arena arena = {0};
    struct rowlayout layout;
    struct rowset set, copies;
    struct batch batch;
    struct vec *scratch;
    struct err err = {0};
    const struct vec *columns[COUNT_OF(types)];
    uint16_t picked[BATCH_ROWS];
    uint32_t appended = 0, order[BATCHES * BATCH_ROWS];
    char *room = mem_alloc(ROOM), *expected = mem_alloc(ROOM);

    CHECK_EQ(rowlayout_init(&layout, types, COUNT_OF(types), 8, &arena, &err), KDK_OK);
    rowset_init(&set, &layout);
    rowset_init(&copies, &layout);
    CHECK_EQ(batch_init(&batch, types, COUNT_OF(types), &arena, &err), KDK_OK);
    CHECK_EQ(rowset_scratch(&layout, &arena, &scratch, &err), KDK_OK);
    for (uint32_t b = 0; b < BATCHES; b++) {
        struct arena texts = {0};
        uint32_t n = 0;
        for (uint32_t c = 0; c < COUNT_OF(types); c++) {
            vec_reset(&batch.columns[c], ltype_width(types[c]));
            for (uint32_t r = 0; r < BATCH_ROWS; r++) {
                struct datum d = value_of(c, b * BATCH_ROWS + r, room, ROOM);
                if (!d.null && types[c].id == LT_TEXT)
                    CHECK(str_copy(&texts, d.s, &d.s));
                if (d.null)
                    vec_set_null(&batch.columns[c], r, BATCH_ROWS);
                else
                    vec_put(&batch.columns[c], r, &d, BATCH_ROWS);
            }
            columns[c] = &batch.columns[c];
        }
        for (uint32_t r = 0; r < BATCH_ROWS; r++)
            if (draw() % 4) {
                picked[n++] = (uint16_t)r;
                order[appended++] = b * BATCH_ROWS + r;
            }
        struct sel sel = {picked, n};
        CHECK_EQ(rowset_append(&set, columns, &sel, BATCH_ROWS, NULL, scratch, NULL, &err),
                 KDK_OK);
        arena_deinit(&texts);
    }
    CHECK_EQ(set.row_count, appended);

    struct rowset_at at = {0};
    uint8_t *rows[BATCH_ROWS];
    uint32_t seen = 0, n;
    while ((n = rowset_next(&set, &at, rows, BATCH_ROWS))) {
        for (uint32_t c = 0; c < COUNT_OF(types); c++)
            rows_gather(&layout, c, rows, n, &batch.columns[c]);
        for (uint32_t k = 0; k < n; k++) {
            uint8_t *copy;
            CHECK_EQ(rowset_copy_row(&copies, rows[k], &copy, &err), KDK_OK);
            CHECK(rows_equal(&layout, rows[k], copy, COUNT_OF(types)));
            for (uint32_t c = 0; c < COUNT_OF(types); c++) {
                struct datum want = value_of(c, order[seen + k], expected, ROOM);
                struct datum got[3] = {row_get(&layout, rows[k], c),
                                       vec_get(&batch.columns[c], k),
                                       row_get(&layout, copy, c)};
                for (uint32_t g = 0; g < 3; g++)
                    if (!CHECK(got[g].null == want.null &&
                               (want.null || datum_compare(types[c], &got[g], &want) == 0)))
                        return;
            }
        }
        seen += n;
    }
    CHECK_EQ(seen, appended);
    rowset_deinit(&set);
    rowset_deinit(&copies);
    arena_deinit(&arena);
    mem_free(room);
    mem_free(expected);
}

/* Sorted by two keys in opposite directions, NULLs placed as asked; equal rows keep their
 * order. */
TEST(rowpage, sorting_orders_by_keys_and_is_stable)
{
    enum { ROWS = 3000 };
    static const struct ltype keys[] = {
        {.id = LT_INTEGER}, {.id = LT_TEXT}, {.id = LT_INTEGER}};
    struct arena arena = {0};
    struct rowlayout layout;
    struct rowset set;
    struct batch batch;
    struct vec *scratch;
    struct err err = {0};
    const struct vec *columns[3];
    const struct rowkey by[] = {{0, true, true}, {1, false, false}};
    static const char *const words[] = {"", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "b"};
    uint8_t **order;
    uint64_t count;

    CHECK_EQ(rowlayout_init(&layout, keys, 3, 0, &arena, &err), KDK_OK);
    rowset_init(&set, &layout);
    CHECK_EQ(batch_init(&batch, keys, 3, &arena, &err), KDK_OK);
    CHECK_EQ(rowset_scratch(&layout, &arena, &scratch, &err), KDK_OK);
    for (uint32_t done = 0; done < ROWS;) {
        uint32_t n = MIN((uint32_t)ROWS - done, (uint32_t)BATCH_ROWS);
        for (uint32_t c = 0; c < 3; c++) {
            vec_reset(&batch.columns[c], ltype_width(keys[c]));
            columns[c] = &batch.columns[c];
        }
        for (uint32_t r = 0; r < n; r++) {
            struct datum k = {.i = (int64_t)(draw() % 6)}, t = {0}, i = {.i = done + r};
            const char *word = words[draw() % COUNT_OF(words)];
            t.s = str_of(word, strlen(word));
            if (k.i == 5)
                vec_set_null(&batch.columns[0], r, n);
            else
                vec_put(&batch.columns[0], r, &k, n);
            if (draw() % 7 == 0)
                vec_set_null(&batch.columns[1], r, n);
            else
                vec_put(&batch.columns[1], r, &t, n);
            vec_put(&batch.columns[2], r, &i, n);
        }
        struct sel all = {NULL, n};
        CHECK_EQ(rowset_append(&set, columns, &all, n, NULL, scratch, NULL, &err), KDK_OK);
        done += n;
    }
    CHECK_EQ(rowset_sort(&set, by, 2, &arena, &order, &count, &err), KDK_OK);
    CHECK_EQ(count, ROWS);
    for (uint64_t i = 1; i < count; i++) {
        int c = 0;
        for (uint32_t k = 0; k < 2 && c == 0; k++) {
            struct datum a = row_get(&layout, order[i - 1], by[k].field),
                         b = row_get(&layout, order[i], by[k].field);
            if (a.null || b.null)
                c = a.null == b.null ? 0 : (a.null == by[k].nulls_first ? -1 : 1);
            else
                c = datum_compare(keys[k], &a, &b) * (by[k].descending ? -1 : 1);
        }
        if (c == 0)
            c = row_get(&layout, order[i - 1], 2).i < row_get(&layout, order[i], 2).i ? -1
                                                                                      : 1;
        if (!CHECK(c < 0))
            break;
    }
    rowset_deinit(&set);
    arena_deinit(&arena);
}
