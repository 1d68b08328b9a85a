/* fn_test.c - what functions answer: PostgreSQL's answers, for the scalar bodies and, with
 * every literal turned into a column, for vectors. */
#include "check.h"
#include "exec/eval_test.h"

static const char *const cases[][2] = {
#include "exec/fn_cases.inc"
};

static const struct eval_env env = {.now_us = 1700000000123456};

/* Every constant becomes column 1, 2, ...: eval_new() cannot fold it then. */
static void lift_constants(struct expr *e, struct expr **found, uint32_t *count)
{
    if (e->kind == EX_CONST && *count < 64) {
        struct expr *c = malloc(sizeof *c);
        *c = *e;
        found[(*count)++] = c;
        e->kind = EX_COLUMN;
        e->column = *count;
    }
    for (uint32_t i = 0; i < e->arg_count; i++)
        lift_constants(e->args[i], found, count);
}

static bool slot_of(void *context, colid id, uint32_t *slot)
{
    (void)context;
    *slot = id - 1;
    return true;
}

/* The answer for row 1 of three; rows 0 and 2 hold the same. `form` is how the columns
 * come. */
static void vector_outcome(struct expr *e, enum vform form, struct arena *arena,
                           struct buf *out)
{
    struct expr *found[64];
    uint32_t count = 0;
    struct err err = {0};
    struct vec columns[64], dictionaries[64], *result = NULL;
    struct datum value = DATUM_NULL;
    uint16_t rows[BATCH_ROWS];

    lift_constants(e, found, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct vec *v = &columns[i];
        if (form == VF_CONSTANT) {
            CHECK_EQ(vec_constant(v, found[i]->type, &found[i]->value, arena, &err),
                     KDK_OK);
        } else if (form == VF_DICT && ltype_is_string(found[i]->type)) {
            CHECK_EQ(vec_init(v, found[i]->type, arena, &err), KDK_OK);
            CHECK_EQ(vec_init(&dictionaries[i], found[i]->type, arena, &err), KDK_OK);
            v->form = VF_DICT;
            v->values = &dictionaries[i];
            v->dict_id = i + 1;
            for (uint32_t row = 0; row < 3; row++)
                ((int32_t *)v->data)[row] = 2;
            if (found[i]->value.null)
                vec_validity_on(v, 3), memset(v->validity, 0, 8);
            else
                vec_put(&dictionaries[i], 2, &found[i]->value, 3);
        } else {
            CHECK_EQ(vec_init(v, found[i]->type, arena, &err), KDK_OK);
            for (uint32_t row = 0; row < 3; row++)
                vec_put(v, row, &found[i]->value, 3);
        }
        free(found[i]);
    }
    struct batch batch = {.count = 3,
                          .column_count = count,
                          .columns = columns,
                          .sel = {NULL, 3},
                          .sel_room = rows};
    struct eval_source source = {.slot = slot_of};
    struct eval *ev = NULL;
    kdk_status status = eval_new(e, &source, &env, arena, &ev, &err);
    if (status == KDK_OK)
        status = eval_run(ev, &batch, &result, &err);
    if (status == KDK_OK)
        value = vec_get(result, 1);
    outcome(status, &err, e->type, &value, out);
}

TEST(fn, answers_as_postgresql)
{
    struct buf got = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int how = 0; how < 4; how++) {
            struct arena arena = {0};
            struct err err = {0};
            kdk_status status;
            struct datum value = DATUM_NULL;
            struct expr *e = expr_of(cases[i][0], NULL, &arena, &status, &err);
            if (!e) {
                outcome(status, &err, LTYPE(TEXT), NULL, &got);
            } else if (how == 0) {
                status = eval_scalar(e, NULL, &env, &arena, &value, &err);
                outcome(status, &err, e->type, &value, &got);
            } else {
                static const enum vform forms[] = {VF_FLAT, VF_FLAT, VF_CONSTANT, VF_DICT};
                vector_outcome(e, forms[how], &arena, &got);
            }
            if (!CHECK_STR(got.data, cases[i][1]))
                check_true(false, cases[i][0], how == 0 ? "scalar" : "vector", how);
            arena_deinit(&arena);
        }
    }
    buf_deinit(&got);
}

TEST(fn, folding_keeps_the_answer)
{
    struct buf got = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct err err = {0};
        kdk_status status;
        struct datum value = DATUM_NULL;
        struct expr *e = expr_of(cases[i][0], NULL, &arena, &status, &err);
        if (e) {
            CHECK_EQ(eval_fold(&e, &env, &arena, &err), KDK_OK);
            if (cases[i][1][0] == '!')
                CHECK(e->kind != EX_CONST);
            status = eval_scalar(e, NULL, &env, &arena, &value, &err);
            outcome(status, &err, e->type, &value, &got);
            CHECK_STR(got.data, cases[i][1]);
        }
        arena_deinit(&arena);
    }
    buf_deinit(&got);
}
