/* vector_test.c - vectors of every type, width and form against arrays of datums. */
#include "check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "vec/vec.h"
#include "vec/vec_test.h"

enum { DICT_VALUES = 9 };

static const struct ltype types[] = {
    {.id = LT_BOOLEAN}, {.id = LT_TINYINT}, {.id = LT_SMALLINT},
    {.id = LT_INTEGER}, {.id = LT_BIGINT},  {.id = LT_NUMERIC, .precision = 38, .scale = 2},
    {.id = LT_REAL},    {.id = LT_DOUBLE},  {.id = LT_TEXT},
    {.id = LT_BYTEA},   {.id = LT_DATE},    {.id = LT_TIMESTAMP}};

static bool is_integer_width(enum vwidth w)
{
    return w >= W_8 && w <= W_128;
}
/* A random datum that fits a width. */
static struct datum datum_in(struct test_random *r, struct ltype type, enum vwidth width,
                             struct arena *arena)
{
    struct datum d = test_datum(r, type, arena);
    if (d.null || !is_integer_width(width) || width == W_128)
        return d;
    int64_t i = test_integer(r, 8 * vwidth_bytes(width));
    memset(&d, 0, sizeof d);
    if (type.id == LT_NUMERIC)
        d.w = i;
    else
        d.i = i;
    return d;
}
static bool same(struct ltype type, const struct datum *a, const struct datum *b)
{
    return a->null == b->null && (a->null || datum_compare(type, a, b) == 0);
}

struct model {
    struct vec vec, values;
    struct datum rows[BATCH_ROWS];
    uint32_t count;
};
/* A vector of a random form and the rows it stands for. */
static bool model_make(struct model *m, struct test_random *r, struct ltype type,
                       struct arena *arena)
{
    enum vwidth full = ltype_width(type), width = full;
    if (is_integer_width(full))
        width = (enum vwidth)(W_8 + test_random(r) % (uint64_t)(full - W_8 + 1));
    m->count = 1 + (uint32_t)(test_random(r) % BATCH_ROWS);
    enum vform form = (enum vform)(test_random(r) % 3);
    if (form == VF_CONSTANT) {
        struct datum d = test_datum(r, type, arena);
        for (uint32_t i = 0; i < m->count; i++)
            m->rows[i] = d;
        return CHECK_EQ(vec_constant(&m->vec, type, &d, arena, NULL), KDK_OK);
    }
    if (!CHECK_EQ(vec_init(&m->vec, type, arena, NULL), KDK_OK) ||
        !CHECK_EQ(vec_init(&m->values, type, arena, NULL), KDK_OK))
        return false;
    CHECK(((uintptr_t)m->vec.data & 63) == 0);
    bool nulls = test_random(r) & 1;
    if (form == VF_FLAT) {
        vec_reset(&m->vec, width);
        for (uint32_t i = 0; i < m->count; i++) {
            do
                m->rows[i] = datum_in(r, type, width, arena);
            while (m->rows[i].null && !nulls);
            vec_put(&m->vec, i, &m->rows[i], m->count);
        }
        return true;
    }
    struct datum values[DICT_VALUES];
    vec_reset(&m->values, width);
    for (uint32_t i = 0; i < DICT_VALUES; i++) {
        do
            values[i] = datum_in(r, type, width, arena);
        while (values[i].null);
        vec_put(&m->values, i, &values[i], DICT_VALUES);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t code = (uint32_t)(test_random(r) % DICT_VALUES);
        bool null = nulls && test_random(r) % 4 == 0;
        m->rows[i] = null ? DATUM_NULL : values[code];
        ((int32_t *)m->vec.data)[i] = null ? 0 : (int32_t)code;
        if (null) {
            vec_validity_on(&m->vec, m->count);
            bit_clear(m->vec.validity, i);
        }
    }
    m->vec.form = VF_DICT;
    m->vec.width = (uint8_t)width;
    m->vec.values = &m->values;
    m->vec.dict_id = 77;
    return true;
}
static uint32_t random_rows(struct test_random *r, uint32_t count, uint16_t *rows)
{
    uint32_t n = 0, of = 1 + (uint32_t)(test_random(r) % 8);
    for (uint32_t i = 0; i < count; i++)
        if (test_random(r) % of == 0)
            rows[n++] = (uint16_t)i;
    return n;
}

TEST(vector, every_form_and_width_is_its_rows)
{
    struct test_random r = {99};
    struct arena arena = {0};
    struct model *m = calloc(1, sizeof *m);
    for (int round = 0; round < (BATCH_ROWS > 100 ? 400 : 4000); round++) {
        struct ltype type = types[test_random(&r) % COUNT_OF(types)];
        struct vec out;
        uint16_t rows[BATCH_ROWS];
        uint64_t hashes[BATCH_ROWS], before[BATCH_ROWS];
        if (!model_make(m, &r, type, &arena) ||
            !CHECK_EQ(vec_init(&out, type, &arena, NULL), KDK_OK))
            break;
        bool good = true;
        for (uint32_t i = 0; i < m->count; i++) {
            struct datum d = vec_get(&m->vec, i);
            good &= same(type, &d, &m->rows[i]);
            good &= vec_valid(&m->vec, i) == !m->rows[i].null;
        }
        CHECK(good);
        struct sel sel = {.rows = rows, .count = random_rows(&r, m->count, rows)};
        if (test_random(&r) & 1)
            sel = (struct sel){.rows = NULL, .count = m->count};

        vec_hash(&m->vec, &sel, false, hashes);
        for (uint32_t k = 0; k < sel.count; k++)
            good &= hashes[k] == datum_hash(type, &m->rows[SEL_ROW(&sel, k)]);
        CHECK(good);
        memcpy(before, hashes, sizeof before);
        vec_hash(&m->vec, &sel, true, hashes);
        for (uint32_t k = 0; k < sel.count; k++)
            good &= hashes[k] ==
                    hash_combine(before[k], datum_hash(type, &m->rows[SEL_ROW(&sel, k)]));
        CHECK(good);

        vec_gather(&m->vec, &sel, &out);
        CHECK_EQ(out.form, m->vec.form);
        CHECK_EQ(out.width, m->vec.width);
        CHECK_EQ(out.dict_id, m->vec.dict_id);
        for (uint32_t k = 0; k < sel.count; k++) {
            struct datum d = vec_get(&out, k);
            good &= same(type, &d, &m->rows[SEL_ROW(&sel, k)]);
        }
        CHECK(good);

        enum vwidth to = (enum vwidth)m->vec.width;
        if (is_integer_width(to))
            to = (enum vwidth)(to +
                               test_random(&r) % (uint64_t)(ltype_width(type) - to + 1));
        vec_flatten(&m->vec, &sel, m->count, to, &out);
        CHECK_EQ(out.form, VF_FLAT);
        CHECK_EQ(out.width, to);
        for (uint32_t k = 0; k < sel.count; k++) {
            uint32_t row = SEL_ROW(&sel, k);
            struct datum d = vec_get(&out, row);
            good &= same(type, &d, &m->rows[row]);
        }
        CHECK(good);
        arena_reset(&arena);
    }
    free(m);
    arena_deinit(&arena);
}

TEST(vector, null_slots_are_zero_and_reset_forgets)
{
    struct arena arena = {0};
    struct vec v;
    struct datum s = {.s = str_of("a string of twenty-six ....", 26)}, null = DATUM_NULL;
    CHECK_EQ(vec_init(&v, LTYPE(TEXT), &arena, NULL), KDK_OK);
    vec_put(&v, 3, &s, 10);
    CHECK(!v.validity);
    vec_put(&v, 3, &null, 10);
    CHECK_EQ(v.validity[0], 0x3f7);
    CHECK_EQ(((struct str *)v.data)[3].len, 0);
    vec_put(&v, 3, &s, 10);
    CHECK_EQ(v.validity[0], 0x3ff);
    vec_reset(&v, W_STR);
    CHECK(!v.validity);
    CHECK_EQ(((struct str *)v.data)[3].len, 0);
    arena_deinit(&arena);
}

static int unpinned;
static void count_unpin(void *pinned)
{
    unpinned += *(int *)pinned;
}
TEST(batch, keep_narrows_the_selection)
{
    struct test_random r = {3};
    struct arena arena = {0};
    struct batch b;
    CHECK_EQ(batch_init(&b, types, COUNT_OF(types), &arena, NULL), KDK_OK);
    for (int round = 0; round < 200; round++) {
        uint32_t count = (uint32_t)(test_random(&r) % (BATCH_ROWS + 1));
        uint8_t live[BATCH_ROWS];
        memset(live, 1, sizeof live);
        batch_all(&b, count);
        CHECK(!b.sel.rows && b.sel.count == count);
        for (int step = 0; step < 3; step++) {
            uint64_t keep[BATCH_ROWS / 64];
            for (uint32_t i = 0; i < COUNT_OF(keep); i++)
                keep[i] =
                    test_random(&r) << 40 | test_random(&r) >> 8 | (step ? 0 : UINT64_MAX);
            for (uint32_t i = 0; i < count; i++)
                live[i] &= bit_get(keep, i);
            batch_keep(&b, keep);
            uint32_t k = 0;
            bool good = true;
            for (uint32_t i = 0; i < count; i++)
                if (live[i])
                    good &= k < b.sel.count && SEL_ROW(&b.sel, k++) == i;
            CHECK(good);
            CHECK_EQ(b.sel.count, k);
        }
    }
    int one = 1;
    b.unpin = count_unpin;
    b.pinned = &one;
    batch_unpin(&b);
    batch_unpin(&b);
    CHECK_EQ(unpinned, 1);
    arena_deinit(&arena);
}

TEST(batch, running_out_of_memory_is_a_status)
{
    for (uint64_t n = 0;; n++) {
        struct arena arena = {0};
        struct batch b;
        struct vec v;
        struct datum d = {.i = 1};
        struct err err = {0};
        mem_fail_after(n, true);
        kdk_status status = batch_init(&b, types, COUNT_OF(types), &arena, &err);
        if (status == KDK_OK)
            status = vec_constant(&v, LTYPE(INTEGER), &d, &arena, &err);
        uint64_t failed = mem_fail_never();
        arena_deinit(&arena);
        if (!failed) {
            CHECK_EQ(status, KDK_OK);
            CHECK(n > 0);
            break;
        }
        CHECK_EQ(status, KDK_NOMEM);
    }
}
