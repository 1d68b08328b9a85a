/* Tests of keyfilter.h: what equals a built key passes, in whatever form and width it
 * comes; what is far from all of them seldom does. */
#include "exec/keyfilter.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "check.h"

static uint64_t state = 88172645463325252ull;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

struct filter_case {
    const char *name;
    struct ltype type;
    int64_t spread;
    uint32_t keys;
};
static const struct filter_case cases[] = {
    {"small range", {.id = LT_INTEGER}, 300, 90},
    {"large range", {.id = LT_BIGINT}, INT64_MAX, 300},
    {"one key", {.id = LT_BIGINT}, 5, 1},
    {"no key", {.id = LT_INTEGER}, 5, 0},
    {"bytes", {.id = LT_TINYINT}, 100, 40},
    {"shorts", {.id = LT_SMALLINT}, 30000, 200},
    {"dates", {.id = LT_DATE}, 3000, 100},
    {"timestamps", {.id = LT_TIMESTAMP}, 1ll << 50, 100},
    {"decimals", {.id = LT_NUMERIC, .precision = 12, .scale = 2}, 5000, 200},
    {"wide decimals", {.id = LT_NUMERIC, .precision = 38, .scale = 2}, INT64_MAX, 200},
    {"texts", {.id = LT_TEXT}, 1000, 200},
    {"doubles", {.id = LT_DOUBLE}, 1000, 200},
    {"reals", {.id = LT_REAL}, 1000, 200},
};

/* One of 2 * spread + 1 values and the special ones of its type. */
static struct datum value_of(const struct filter_case *c, int64_t v, struct arena *arena)
{
    struct datum d = {0};
    char text[64];
    switch (c->type.id) {
    case LT_NUMERIC:
        d.w = c->spread == INT64_MAX ? (int128)v * ((int128)1 << 20) : v;
        break;
    case LT_TEXT:
        snprintf(text, sizeof text, v % 2 ? "%lld" : "%lld and more than twelve bytes",
                 (long long)v);
        CHECK(str_copy(arena, str_of(text, strlen(text)), &d.s));
        break;
    case LT_DOUBLE:
    case LT_REAL:
        d.f = v % 50 == 7    ? (double)NAN
              : v % 50 == 8  ? 0.0
              : v % 50 == 9  ? -0.0
              : v % 50 == 10 ? (double)INFINITY
                             : (double)v / 4;
        break;
    default:
        d.i = v;
    }
    return d;
}

static int64_t draw_value(const struct filter_case *c)
{
    if (c->spread == INT64_MAX)
        return draw() % 20 == 0   ? INT64_MIN
               : draw() % 20 == 1 ? INT64_MAX
                                  : (int64_t)draw();
    return (int64_t)(draw() % (uint64_t)(2 * c->spread + 1)) - c->spread;
}

static bool among(struct ltype type, const struct datum *keys, uint32_t count,
                  const struct datum *value)
{
    for (uint32_t i = 0; i < count; i++)
        if (!keys[i].null && datum_compare(type, &keys[i], value) == 0)
            return true;
    return false;
}

/* Appends the keys to a set of rows, batch by batch. */
static void set_fill(struct rowset *set, const struct rowlayout *layout,
                     const struct datum *keys, uint32_t count, struct arena *arena,
                     struct err *err)
{
    struct vec v, *scratch;
    const struct vec *columns[1] = {&v};
    CHECK_EQ(rowset_scratch(layout, arena, &scratch, err), KDK_OK);
    CHECK_EQ(vec_init(&v, layout->types[0], arena, err), KDK_OK);
    for (uint32_t from = 0; from < count; from += BATCH_ROWS) {
        struct sel all = {NULL, MIN(count - from, BATCH_ROWS)};
        vec_reset(&v, ltype_width(layout->types[0]));
        for (uint32_t i = 0; i < all.count; i++)
            if (keys[from + i].null)
                vec_set_null(&v, i, all.count);
            else
                vec_put(&v, i, &keys[from + i], all.count);
        CHECK_EQ(rowset_append(set, columns, &all, all.count, NULL, scratch, NULL, err),
                 KDK_OK);
    }
}

/* Looks for all values of a batch, whose vector is `v`. *passed: how many that are no keys
 * did. */
static void narrow_check(const struct filter_case *c, const struct keyfilter *filter,
                         const struct vec *v, const struct datum *keys, uint32_t key_count,
                         bool null_key, uint32_t count, uint32_t *others, uint32_t *passed)
{
    uint16_t some[BATCH_ROWS], kept[BATCH_ROWS];
    uint64_t hashes[BATCH_ROWS];
    struct sel sel = {NULL, count};
    uint32_t n = 0, at = 0;
    if (draw() % 2) {
        for (uint32_t i = 0; i < count; i++)
            if (draw() % 3)
                some[n++] = (uint16_t)i;
        sel = (struct sel){some, n};
    }
    /* The result may take the place of the selection. */
    uint16_t *into = sel.rows && draw() % 2 ? some : kept;
    uint16_t before[BATCH_ROWS];
    for (uint32_t k = 0; k < sel.count; k++)
        before[k] = (uint16_t)SEL_ROW(&sel, k);
    uint32_t total = sel.count;
    n = keyfilter_narrow(filter, v, &sel, into, hashes);
    CHECK(n <= total);
    for (uint32_t k = 0; k < total; k++) {
        uint32_t row = before[k];
        struct datum d = vec_valid(v, row) ? vec_get(v, row) : DATUM_NULL;
        bool pass = at < n && into[at] == row;
        at += pass;
        if (d.null) {
            CHECK_EQ(pass, filter->null_safe && null_key);
        } else if (among(c->type, keys, key_count, &d)) {
            if (!pass)
                fprintf(stderr, "%s: row %u was dropped\n", c->name, row);
            CHECK(pass);
        } else {
            ++*others;
            *passed += pass;
        }
    }
    CHECK_EQ(at, n);
}

TEST(keyfilter, what_equals_a_key_passes_in_every_form_and_width)
{
    for (uint32_t t = 0; t < COUNT_OF(cases) * 8; t++) {
        const struct filter_case *c = &cases[t / 8];
        bool null_safe = t & 1, null_key = t & 2;
        struct arena arena = {0};
        struct rowlayout layout;
        struct rowset set;
        struct err err = {0};
        struct keyfilter filter = {.type = c->type, .null_safe = null_safe};
        struct datum keys[400];
        struct vec v, dict_values, dict, one;
        uint32_t others = 0, passed = 0, key_count = c->keys + null_key;

        CHECK_EQ(rowlayout_init(&layout, &c->type, 1, 0, &arena, &err), KDK_OK);
        rowset_init(&set, &layout);
        for (uint32_t i = 0; i < c->keys; i++)
            keys[i] = value_of(c, draw_value(c), &arena);
        if (null_key)
            keys[c->keys] = DATUM_NULL;
        set_fill(&set, &layout, keys, key_count, &arena, &err);
        CHECK_EQ(keyfilter_make(&filter, &set, 0, &arena, &err), KDK_OK);
        CHECK(filter.made);
        CHECK_EQ(filter.some, c->keys > 0);

        CHECK_EQ(vec_init(&v, c->type, &arena, &err), KDK_OK);
        CHECK_EQ(vec_init(&dict_values, c->type, &arena, &err), KDK_OK);
        for (uint32_t round = 0; round < 12; round++) {
            int64_t low = INT64_MAX, high = INT64_MIN;
            struct datum values[BATCH_ROWS];
            for (uint32_t i = 0; i < BATCH_ROWS; i++) {
                bool hit = c->keys && draw() % 4 == 0;
                values[i] =
                    hit ? keys[draw() % c->keys] : value_of(c, draw_value(c), &arena);
                if (ltype_is_float(c->type) && values[i].f == 0 && draw() % 2)
                    values[i].f = -values[i].f;
                low = MIN(low, values[i].i);
                high = MAX(high, values[i].i);
            }
            /* In the narrowest width that holds them. */
            bool integers = ltype_is_integer(c->type) || c->type.id == LT_DATE ||
                            c->type.id == LT_TIMESTAMP;
            vec_reset(&v, integers && draw() % 2 ? vwidth_for(low, high)
                                                 : ltype_width(c->type));
            for (uint32_t i = 0; i < BATCH_ROWS; i++)
                if (round % 3 == 1 && draw() % 5 == 0)
                    vec_set_null(&v, i, BATCH_ROWS);
                else
                    vec_put(&v, i, &values[i], BATCH_ROWS);
            narrow_check(c, &filter, &v, keys, key_count, null_key, BATCH_ROWS, &others,
                         &passed);
            /* As a dictionary: whatever its codes are. */
            vec_reset(&dict_values, ltype_width(c->type));
            int32_t codes[BATCH_ROWS];
            for (uint32_t i = 0; i < BATCH_ROWS; i++) {
                vec_put(&dict_values, i, &values[i], BATCH_ROWS);
                codes[i] = (int32_t)(draw() % BATCH_ROWS);
            }
            dict = v;
            dict.form = VF_DICT;
            dict.width = dict_values.width;
            dict.data = codes;
            dict.values = &dict_values;
            narrow_check(c, &filter, &dict, keys, key_count, null_key, BATCH_ROWS, &others,
                         &passed);
            CHECK_EQ(vec_constant(&one, c->type, round % 3 ? &values[0] : &DATUM_NULL,
                                  &arena, &err),
                     KDK_OK);
            narrow_check(c, &filter, &one, keys, key_count, null_key, BATCH_ROWS, &others,
                         &passed);
        }
        if (!c->keys)
            CHECK_EQ(passed, 0);
        else if (filter.exact)
            CHECK_EQ(passed, 0);
        else
            CHECK(passed * 10 <= others);
        keyfilter_deinit(&filter);
        rowset_deinit(&set);
        arena_deinit(&arena);
    }
}

TEST(keyfilter, failing_allocations_are_reported)
{
    struct arena arena = {0};
    struct rowlayout layout;
    struct rowset set;
    struct err err = {0};
    struct datum keys[100];
    const struct filter_case *texts = &cases[10];
    CHECK_EQ(rowlayout_init(&layout, &texts->type, 1, 0, &arena, &err), KDK_OK);
    rowset_init(&set, &layout);
    for (uint32_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = value_of(texts, draw_value(texts), &arena);
    set_fill(&set, &layout, keys, COUNT_OF(keys), &arena, &err);
    for (uint64_t fail = 0;; fail++) {
        struct keyfilter filter = {.type = texts->type};
        struct arena short_arena = {0};
        mem_fail_after(fail, false);
        kdk_status status = keyfilter_make(&filter, &set, 0, &short_arena, &err);
        mem_fail_never();
        CHECK_EQ(filter.made, status == KDK_OK);
        keyfilter_deinit(&filter);
        arena_deinit(&short_arena);
        if (status == KDK_OK)
            break;
        CHECK_EQ(status, KDK_NOMEM);
    }
    rowset_deinit(&set);
    arena_deinit(&arena);
}
