/* eval_test.c - vectors against the interpreter: random expressions over random batches
 * give the same values, or the same error. */
#include "exec/eval_test.h"

#include "check.h"

#include "base/mem.h"
#include "exec/agg.h"
#include "vec/vec_test.h"

enum { COLUMNS = 12 };
static const struct ltype column_types[COLUMNS] = {
    {.id = LT_BOOLEAN},
    {.id = LT_SMALLINT},
    {.id = LT_INTEGER},
    {.id = LT_BIGINT},
    {.id = LT_NUMERIC, .precision = 15, .scale = 2},
    {.id = LT_NUMERIC, .precision = 38, .scale = 10},
    {.id = LT_REAL},
    {.id = LT_DOUBLE},
    {.id = LT_TEXT},
    {.id = LT_DATE},
    {.id = LT_TIMESTAMP},
    {.id = LT_INTEGER}, /* narrow: -20..20, and its bounds are known */
};

struct world {
    struct test_random random;
    struct arena arena;
    struct batch batch;
    struct vec columns[COLUMNS], values[COLUMNS];
    uint16_t rows[BATCH_ROWS];
};

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)(test_random(&w->random) % n);
}

static bool slot_of(void *context, colid id, uint32_t *slot)
{
    (void)context;
    *slot = id - 1;
    return true;
}
static bool bounds_of(void *context, colid id, int128 *lo, int128 *hi)
{
    (void)context;
    *lo = -20;
    *hi = 20;
    return id == COLUMNS;
}
static const struct eval_source source = {.slot = slot_of, .bounds = bounds_of};
static const struct eval_env env = {.now_us = 1700000000123456};

static struct datum random_value(struct world *w, uint32_t column)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "abc",
                                        "b%",
                                        "a_c",
                                        "Hello World, how are you",
                                        "héllo wörld",
                                        "12",
                                        "3.5",
                                        "2020-02-29",
                                        "special requests of packages",
                                        "zz"};
    struct datum d;
    memset(&d, 0, sizeof d);
    struct ltype t = column_types[column];
    switch ((enum ltype_id)t.id) {
    case LT_BOOLEAN:
        d.i = below(w, 2);
        break;
    case LT_SMALLINT:
        d.i = test_integer(&w->random, 16);
        break;
    case LT_INTEGER:
        d.i = column == COLUMNS - 1 ? (int64_t)below(w, 41) - 20
                                    : test_integer(&w->random, 32);
        break;
    case LT_BIGINT:
        d.i = test_integer(&w->random, 64);
        break;
    case LT_NUMERIC:
        d.w = t.precision == 38 ? test_wide(&w->random)
                                : test_integer(&w->random, below(w, 2) ? 8 : 49);
        break;
    case LT_REAL:
    case LT_DOUBLE:
        d.f = below(w, 8) == 0 ? (double)NAN : (double)test_integer(&w->random, 20) / 8;
        break;
    case LT_TEXT: {
        const char *s = texts[below(w, COUNT_OF(texts))];
        d.s = str_of(s, strlen(s));
        break;
    }
    case LT_DATE:
        d.i = below(w, 50) == 0 ? INT32_MAX : (int64_t)below(w, 40000) - 10000;
        break;
    case LT_TIMESTAMP:
        d.i = below(w, 50) == 0 ? INT64_MIN : test_integer(&w->random, 52);
        break;
    default:
        break;
    }
    return d;
}

/* A batch whose columns come in all forms, and in widths that just hold their values. */
static void make_batch(struct world *w)
{
    struct err err = {0};
    uint32_t count =
        below(w, 4) == 0 ? BATCH_ROWS : 1 + below(w, 70 < BATCH_ROWS ? 70 : BATCH_ROWS);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        struct ltype t = column_types[c];
        struct vec *v = &w->columns[c];
        uint32_t form = below(w, 6), null_in = below(w, 2) ? 0 : 5;
        if (form == 0) {
            struct datum d = random_value(w, c);
            d.null = below(w, 4) == 0;
            CHECK_EQ(vec_constant(v, t, &d, &w->arena, &err), KDK_OK);
            continue;
        }
        CHECK_EQ(vec_init(v, t, &w->arena, &err), KDK_OK);
        if (form == 1 && t.id != LT_BOOLEAN) {
            uint32_t entries = 1 + below(w, 10);
            CHECK_EQ(vec_init(&w->values[c], t, &w->arena, &err), KDK_OK);
            for (uint32_t i = 0; i < entries; i++) {
                struct datum d = random_value(w, c);
                vec_put(&w->values[c], i, &d, entries);
            }
            v->form = VF_DICT;
            v->values = &w->values[c];
            v->dict_id = below(w, 2) ? 0 : test_random(&w->random) | 1;
            for (uint32_t row = 0; row < count; row++)
                ((int32_t *)v->data)[row] = (int32_t)below(w, entries);
            if (null_in) {
                vec_validity_on(v, count);
                for (uint32_t row = 0; row < count; row++)
                    if (below(w, null_in) == 0)
                        bit_clear(v->validity, row), ((int32_t *)v->data)[row] = 0;
            }
            continue;
        }
        if (c == COLUMNS - 1 && form < 4)
            vec_reset(v, W_8);
        if (c == 4 && form < 4)
            vec_reset(v, W_64);
        for (uint32_t row = 0; row < count; row++) {
            struct datum d =
                null_in && below(w, null_in) == 0 ? DATUM_NULL : random_value(w, c);
            vec_put(v, row, &d, count);
        }
    }
    w->batch = (struct batch){.count = count,
                              .column_count = COLUMNS,
                              .columns = w->columns,
                              .sel_room = w->rows};
    w->batch.sel = (struct sel){NULL, count};
    if (below(w, 2)) {
        uint32_t n = 0, one_in = 1 + below(w, 6);
        for (uint32_t row = 0; row < count; row++)
            if (below(w, one_in) == 0)
                w->rows[n++] = (uint16_t)row;
        w->batch.sel = (struct sel){w->rows, n};
    }
}

/* Expression text of a kind of type: 'b'oolean, 'i'nteger, 'n'umeric, 'f'loat, 't'ext,
 * 'd'ate. */
static void make_expr(struct world *w, char kind, uint32_t depth, struct buf *out)
{
    /* Each rule: its kind, then text in which lower-case letters after @ are parts of their
     * kind. */
    static const char *const rules[] = {
        "b(= @i @i)",
        "b(< @i @i)",
        "b(>= @n @n)",
        "b(<> @n @i)",
        "b(> @f @f)",
        "b(= @t @t)",
        "b(<= @t @t)",
        "b(< @d @d)",
        "b(and @b @b)",
        "b(or @b @b @b)",
        "b(not @b)",
        "b(isnull @i)",
        "b(isnotnull @t)",
        "b(istrue @b)",
        "b(distinct @i @i)",
        "b(distinct @n @n)",
        "b(in @i 1 2 3 @c)",
        "b(in @t 'a' 'abc' null)",
        "b(in @n 1.5 2 0)",
        "b(in @d '2020-01-01' '1999-12-31')",
        "b(~~ @t 'a%')",
        "b(~~ @t '%l%o%')",
        "b(~~ @t '_b_')",
        "b(~~* @t 'HELLO%')",
        "b(~~ @t @t)",
        "b(case @b @b @b)",
        "b(coalesce @b @b)",
        "b(starts_with @t @t)",
        "b(= @f @n)",
        "b(= @t 'abc')",
        "b(< 5 @i)",
        "b(in @i 1 2 3 4 5 6 7 8 9 10)",
        "i(+ @i @i)",
        "i(- @i @i)",
        "i(* @i @i)",
        "i(/ @i @i)",
        "i(% @i @i)",
        "i(- @i)",
        "i(abs @i)",
        "i(case @b @i @b @i @i)",
        "i(coalesce @i @i)",
        "i(length @t)",
        "i(cast @i int4)",
        "i(cast @n int8)",
        "i(cast @f int4)",
        "i(- @d @d)",
        "i(try @i int2)",
        "i(cast @b int4)",
        "i(greatest @i @i)",
        "i(& @i 255)",
        "i(+ @c @c)",
        "i(* @c @c)",
        "i(cast @i int8)",
        "i(case @b @c null)",
        "n(+ @n @n)",
        "n(- @n @n)",
        "n(* @n @n)",
        "n(/ @n @n)",
        "n(- @n)",
        "n(+ @n @i)",
        "n(- 1 @n)",
        "n(* @m (- 1 @m))",
        "n(round @n 1)",
        "n(cast @i numeric(20,3))",
        "n(cast @n numeric(12,1))",
        "n(case @b @n @i)",
        "n(coalesce @n @n)",
        "n(extract 'year' @d)",
        "n(extract 'week' @d)",
        "n(try @t numeric(10,2))",
        "n(% @n @n)",
        "n(cast @f numeric(20,2))",
        "f(+ @f @f)",
        "f(* @f @f)",
        "f(/ @f @f)",
        "f(- @f @f)",
        "f(cast @i float8)",
        "f(cast @n float8)",
        "f(cast @f float4)",
        "f(sqrt @f)",
        "f(case @b @f @f)",
        "f(coalesce @f @f)",
        "f(- @f)",
        "t(|| @t @t)",
        "t(upper @t)",
        "t(substr @t 2 3)",
        "t(substr @t @c)",
        "t(replace @t 'l' 'LLLLLLLLLLLLLLLLL')",
        "t(case @b @t @t)",
        "t(coalesce @t @t)",
        "t(cast @i text)",
        "t(cast @n text)",
        "t(cast @t varchar(2))",
        "t(lpad @t 20 'xy')",
        "t(reverse @t)",
        "t(md5 @t)",
        "t(cast @d text)",
        "t(concat @t @i @t)",
        "d(+ @d @c)",
        "d(- @d 30)",
        "d(cast #10 date)",
        "d(case @b @d @d)",
        "d(coalesce @d @d)",
        "d(try @t date)",
    };
    static const char *const leaves[] = {
        "b#0",  "btrue", "bnull::bool",  "i#1",         "i#2", "i#3",
        "i#11", "i7",    "i-1",          "inull::int4", "n#4", "n#5",
        "n#4",  "n1.5",  "n0.001",       "f#6",         "f#7", "f'2.5'::float8",
        "t#8",  "t#8",   "t'abc'::text", "d#9",         "d#9", "d'2020-02-29'::date",
        "c#11", "c3",    "m#4",          "m0.05"};
    const char *const *from =
        depth == 0 || below(w, 5) == 0 || kind == 'c' || kind == 'm' ? leaves : rules;
    uint32_t count = from == leaves ? COUNT_OF(leaves) : COUNT_OF(rules), at;
    do
        at = below(w, count);
    while (from[at][0] != kind);
    for (const char *p = from[at] + 1; *p; p++) {
        if (*p == '@')
            make_expr(w, *++p, depth - 1, out);
        else
            buf_add_char(out, *p);
    }
}

struct at_row {
    struct world *w;
    uint32_t row;
};
static struct datum column_of(void *context, colid id)
{
    struct at_row *at = context;
    return vec_get(&at->w->columns[id - 1], at->row);
}

static void compare_run(struct world *w, struct eval *ev, struct expr *e, const char *text,
                        uint64_t seed)
{
    struct err err = {0}, want_err = {0};
    struct vec *result = NULL;
    struct buf got = {0}, want = {0};
    struct sel sel = w->batch.sel;
    kdk_status status = eval_run(ev, &w->batch, &result, &err), want_status = KDK_OK;
    bool good = true;

    for (uint32_t k = 0; k < sel.count && good; k++) {
        struct at_row at = {w, SEL_ROW(&sel, k)};
        struct eval_row row = {column_of, &at};
        struct datum value = DATUM_NULL;
        want_status = eval_scalar(e, &row, &env, &w->arena, &value, &want_err);
        if (want_status != KDK_OK)
            break;
        if (status != KDK_OK)
            continue;
        struct datum have = vec_get(result, at.row);
        outcome(KDK_OK, NULL, e->type, &value, &want);
        outcome(KDK_OK, NULL, e->type, &have, &got);
        good = CHECK_STR(got.data, want.data);
    }
    if (good) {
        good = CHECK_EQ(status, want_status);
        if (good && status != KDK_OK)
            good = CHECK_STR(err.message, want_err.message);
    }
    if (good && want_status != KDK_OK)
        good = CHECK(e->can_fail);
    if (!good)
        check_true(false, text, "seed", (int)seed);
    buf_deinit(&got);
    buf_deinit(&want);
}

TEST(eval, vectors_agree_with_the_interpreter)
{
    static const char kinds[] = "binftd";
    for (uint64_t seed = 1; seed <= 6000; seed++) {
        struct world *w = mem_zalloc(sizeof *w);
        struct buf text = {0};
        struct err err = {0};
        kdk_status status;
        struct eval *ev = NULL;
        w->random.state = seed * 0x9e3779b97f4a7c15ull;
        make_expr(w, kinds[seed % 6], 1 + (uint32_t)(seed % 5), &text);
        struct expr *e = expr_of(text.data, column_types, &w->arena, &status, &err);
        if (e && CHECK_EQ(eval_new(e, &source, &env, &w->arena, &ev, &err), KDK_OK)) {
            for (int i = 0; i < 3; i++) {
                /* The program is used again: nothing of a batch may stay. */
                make_batch(w);
                compare_run(w, ev, e, text.data, seed);
            }
        } else if (!e && status != KDK_OUT_OF_RANGE && !CHECK_EQ(status, KDK_OK)) {
            check_true(false, text.data, err.message, (int)seed);
        }
        arena_deinit(&w->arena);
        buf_deinit(&text);
        mem_free(w);
    }
}

/* A filter keeps the rows for which the interpreter says true, whatever the order in which
 * it takes the conditions. */
TEST(eval, filters_keep_what_is_true)
{
    for (uint64_t seed = 1; seed <= 6000; seed++) {
        struct world *w = mem_zalloc(sizeof *w);
        struct err err = {0};
        kdk_status status;
        struct expr *conds[3];
        uint32_t count = 1 + (uint32_t)(seed % 3);
        bool good = true, can_fail = false;
        w->random.state = seed * 0x9e3779b97f4a7c15ull + 1;
        for (uint32_t i = 0; i < count; i++) {
            struct buf text = {0};
            make_expr(w, 'b', 3, &text);
            conds[i] = expr_of(text.data, column_types, &w->arena, &status, &err);
            good &= conds[i] != NULL;
            can_fail |= conds[i] && conds[i]->can_fail;
            buf_deinit(&text);
        }
        struct eval_conds *filter;
        if (good &&
            CHECK_EQ(eval_conds_new(conds, count, &source, &env, &w->arena, &filter, &err),
                     KDK_OK)) {
            make_batch(w);
            bool keep[BATCH_ROWS] = {false};
            uint32_t kept = 0;
            kdk_status want = KDK_OK;
            for (uint32_t k = 0; k < w->batch.sel.count && want == KDK_OK; k++) {
                struct at_row at = {w, SEL_ROW(&w->batch.sel, k)};
                struct eval_row row = {column_of, &at};
                keep[at.row] = true;
                for (uint32_t i = 0; i < count && want == KDK_OK; i++) {
                    struct datum v = DATUM_NULL;
                    want = eval_scalar(conds[i], &row, &env, &w->arena, &v, NULL);
                    keep[at.row] &= !v.null && v.i;
                }
                kept += keep[at.row];
            }
            status = eval_conds_filter(filter, &w->batch, &err);
            if (!can_fail || (want == KDK_OK && status == KDK_OK)) {
                CHECK_EQ(status, KDK_OK);
                CHECK_EQ(w->batch.sel.count, kept);
                for (uint32_t k = 0; k < w->batch.sel.count; k++)
                    CHECK(keep[SEL_ROW(&w->batch.sel, k)]);
            }
        }
        arena_deinit(&w->arena);
        mem_free(w);
    }
}

/* Each allocation fails in turn: a clean status, and no leak in what the arena does not
 * own. */
TEST(eval, survives_running_out_of_memory)
{
    static const char text[] = "(case (~~ #8 'a%') (|| (upper #8) (cast (+ #2 1) text)) "
                               "(replace #8 'l' 'a much longer text'))";
    for (uint64_t skip = 0;; skip++) {
        struct world *w = mem_zalloc(sizeof *w);
        struct err err = {0};
        kdk_status status;
        struct eval *ev = NULL;
        struct vec *result;
        w->random.state = 77;
        struct expr *e = expr_of(text, column_types, &w->arena, &status, &err);
        make_batch(w);
        mem_fail_after(skip, false);
        status = eval_new(e, &source, &env, &w->arena, &ev, &err);
        if (status == KDK_OK)
            status = eval_run(ev, &w->batch, &result, &err);
        uint64_t failed = mem_fail_never();
        arena_deinit(&w->arena);
        mem_free(w);
        if (failed == 0)
            break;
        CHECK(status == KDK_NOMEM || status == KDK_OUT_OF_RANGE || status == KDK_OK);
    }
}

/* ------------------------------------------------------------------ aggregates ---- */

static kdk_status agg_of(const char *name, struct ltype type, struct agg *agg,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct ltype args[2] = {type, LTYPE(TEXT)}, cast_to[2];
    uint32_t id, count = strcmp(name, "string_agg") == 0 ? 2 : 1;
    TRY(fn_resolve(name, false, args, count, &id, cast_to, err));
    TRY(agg_init(agg, id, cast_to, count, fn_result(id, cast_to, count, FN_DIGITS_UNKNOWN),
                 err));
    if (cast_to[0].id != type.id)
        status = KDK_UNSUPPORTED;
out:
    return status;
}

/* Batches, groups, rows and combined states answer alike. Values are small, so that float
 * sums are exact in any order. */
TEST(agg, all_ways_give_one_answer)
{
    static const char *const names[] = {"count",      "sum",        "avg",      "min",
                                        "max",        "bool_and",   "bool_or",  "any_value",
                                        "string_agg", "stddev_pop", "var_samp", "bit_and",
                                        "bit_or",     "bit_xor"};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct world *w = mem_zalloc(sizeof *w);
        w->random.state = seed * 0x9e3779b97f4a7c15ull + 2;
        make_batch(w);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            for (size_t i = 0; i < COUNT_OF(names); i++) {
                struct agg agg;
                struct err err = {0};
                kdk_status status = agg_of(names[i], column_types[c], &agg, &err);
                if (status != KDK_OK)
                    continue;
                _Alignas(16) uint8_t whole[96] = {0}, by_row[96] = {0},
                                     halves[2][96] = {{0}}, grouped[3][96] = {{0}};
                void *groups[BATCH_ROWS];
                struct sel sel = w->batch.sel, part[2];
                uint16_t rows[BATCH_ROWS];
                struct vec separator, *args[2] = {&w->columns[c], &separator};
                struct datum comma = {.s = str_of(", ", 2)}, out[4];
                struct buf text[4] = {{0}};
                if (!CHECK(agg.state_bytes <= sizeof whole))
                    continue;
                CHECK_EQ(vec_constant(&separator, LTYPE(TEXT), &comma, &w->arena, &err),
                         KDK_OK);
                kdk_status got[4];
                for (uint32_t k = 0; k < sel.count; k++)
                    rows[k] = (uint16_t)SEL_ROW(&sel, k);
                part[0] = (struct sel){rows, sel.count / 3};
                part[1] = (struct sel){rows + sel.count / 3, sel.count - sel.count / 3};

                got[0] = agg_update(&agg, whole, args, &sel, &w->arena, &err);
                got[1] = KDK_OK;
                for (uint32_t k = 0; k < sel.count && got[1] == KDK_OK; k++) {
                    struct datum values[2] = {vec_get(args[0], rows[k]), comma};
                    got[1] = agg_update_row(&agg, by_row, values, &w->arena, &err);
                }
                got[2] = agg_update(&agg, halves[0], args, &part[0], &w->arena, &err);
                if (got[2] == KDK_OK)
                    got[2] = agg_update(&agg, halves[1], args, &part[1], &w->arena, &err);
                if (got[2] == KDK_OK)
                    got[2] = agg_combine(&agg, halves[0], halves[1], &w->arena, &err);
                /* In runs, so that combining keeps the order. */
                for (uint32_t k = 0; k < sel.count; k++)
                    groups[k] = grouped[k * 3 / sel.count];
                got[3] = agg_update_groups(&agg, groups, 0, args, &sel, &w->arena, &err);
                for (int g = 1; g < 3 && got[3] == KDK_OK; g++)
                    got[3] = agg_combine(&agg, grouped[0], grouped[g], &w->arena, &err);

                void *states[4] = {whole, by_row, halves[0], grouped[0]};
                for (int k = 0; k < 4; k++) {
                    if (got[k] == KDK_OK)
                        got[k] = agg_finish(&agg, states[k], &out[k], &err);
                    if (got[k] == KDK_OK && agg.result.id == LT_DOUBLE && !out[k].null)
                        out[k].f = (double)(float)out[k].f; /* But for rounding. */
                    outcome(got[k], &err, agg.result, &out[k], &text[k]);
                    if (got[0] == KDK_OK && got[k] == KDK_OK &&
                        !CHECK_STR(text[k].data, text[0].data))
                        check_true(false, names[i], ltype_id_name(column_types[c].id),
                                   (int)seed);
                }
                for (int k = 0; k < 4; k++)
                    buf_deinit(&text[k]);
            }
        }
        arena_deinit(&w->arena);
        mem_free(w);
    }
}

static void check_agg(const char *name, struct ltype type, const char *const *values,
                      uint32_t count, const char *want)
{
    struct agg agg;
    struct err err = {0};
    struct arena arena = {0};
    _Alignas(16) uint8_t state[64] = {0};
    struct buf text = {0};
    struct datum out = DATUM_NULL;
    kdk_status status = agg_of(name, type, &agg, &err);
    CHECK_EQ(status, KDK_OK);
    for (uint32_t i = 0; i < count && status == KDK_OK; i++) {
        struct datum args[2] = {DATUM_NULL, {.s = str_of("-", 1)}};
        if (values[i])
            CHECK_EQ(
                datum_parse(type, values[i], strlen(values[i]), &arena, &args[0], &err),
                KDK_OK);
        status = agg_update_row(&agg, state, args, &arena, &err);
    }
    if (status == KDK_OK)
        status = agg_finish(&agg, state, &out, &err);
    outcome(status, &err, agg.result, &out, &text);
    CHECK_STR(text.data, want);
    buf_deinit(&text);
    arena_deinit(&arena);
}

TEST(agg, answers_as_postgresql)
{
    static const char *const small[] = {"1", "2", NULL, "4"};
    static const char *const large[] = {"9223372036854775807", "9223372036854775807"};
    static const char *const halves[] = {"0.10", "0.25"};
    static const char *const texts[] = {"b", NULL, "a long text that is not inline", "c"};
    static const char *const floats[] = {"1e308", "1e308"};
    static const char *const bools[] = {"t", NULL, "f"};
    check_agg("count", LTYPE(INTEGER), small, 4, "3");
    check_agg("sum", LTYPE(INTEGER), small, 4, "7");
    check_agg("avg", LTYPE(INTEGER), small, 4, "2.3333333333333333");
    check_agg("min", LTYPE(SMALLINT), small, 4, "1");
    check_agg("max", LTYPE(BIGINT), small, 4, "4");
    check_agg("sum", LTYPE(INTEGER), small, 0, "NULL");
    check_agg("count", LTYPE(INTEGER), small, 0, "0");
    check_agg("avg", LTYPE(INTEGER), small, 0, "NULL");
    check_agg("sum", LTYPE(BIGINT), large, 2, "18446744073709551614");
    check_agg("avg", LTYPE(BIGINT), large, 2, "9223372036854775807.0000000000000000");
    check_agg("sum", LTYPE_NUM(5, 2), halves, 2, "0.35");
    check_agg("avg", LTYPE_NUM(5, 2), halves, 2, "0.1750000000000000");
    check_agg("sum", LTYPE(DOUBLE), floats, 2, "!22003 value out of range: overflow");
    check_agg("stddev_samp", LTYPE(DOUBLE), small, 2, "0.7071067811865476");
    check_agg("var_pop", LTYPE(DOUBLE), small, 4, "1.5555555555555556");
    check_agg("min", LTYPE(TEXT), texts, 4, "a long text that is not inline");
    check_agg("max", LTYPE(TEXT), texts, 4, "c");
    check_agg("string_agg", LTYPE(TEXT), texts, 4, "b-a long text that is not inline-c");
    check_agg("bool_and", LTYPE(BOOLEAN), bools, 3, "f");
    check_agg("bool_or", LTYPE(BOOLEAN), bools, 3, "t");
    check_agg("every", LTYPE(BOOLEAN), bools, 1, "t");
    check_agg("any_value", LTYPE(TEXT), texts, 4, "b");
}
