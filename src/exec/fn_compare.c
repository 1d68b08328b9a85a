/* fn_compare.c - comparisons, greatest and least. */
#include "exec/fn_body.h"
#include "exec/fn_num.h"

static struct str without_spaces(const struct datum *v)
{
    const char *p = str_data(&v->s);
    size_t len = v->s.len;
    while (len > 0 && p[len - 1] == ' ')
        len--;
    return str_of(p, len);
}

int value_compare(struct ltype a_type, const struct datum *a, struct ltype b_type,
                  const struct datum *b)
{
    ASSERT(a_type.id == b_type.id);
    if (a_type.id == LT_NUMERIC)
        return num_compare(a->w, a_type.scale, b->w, b_type.scale);
    if (a_type.id == LT_TEXT && a_type.fixed && b_type.fixed) {
        struct str x = without_spaces(a), y = without_spaces(b);
        return str_compare(&x, &y);
    }
    if (a_type.id == LT_TEXT)
        a_type.fixed = 0;
    return datum_compare(a_type, a, b);
}

#define COMPARE_INT(ID, OP)                                                                \
    FN_BODY(ID)                                                                            \
    {                                                                                      \
        out->i = args[0].i OP args[1].i;                                                   \
        return true;                                                                       \
    }
#define COMPARE_VALUE(ID, OP)                                                              \
    FN_BODY(ID)                                                                            \
    {                                                                                      \
        out->i = value_compare(fn_arg_type(call, 0), &args[0], fn_arg_type(call, 1),       \
                               &args[1]) OP 0;                                             \
        return true;                                                                       \
    }
#define COMPARE_ALL(NAME, OP)                                                              \
    COMPARE_INT(NAME##_BOOL, OP)                                                           \
    COMPARE_INT(NAME##_I1, OP)                                                             \
    COMPARE_INT(NAME##_I2, OP)                                                             \
    COMPARE_INT(NAME##_I4, OP)                                                             \
    COMPARE_INT(NAME##_I8, OP)                                                             \
    COMPARE_VALUE(NAME##_NUM, OP)                                                          \
    COMPARE_VALUE(NAME##_F4, OP)                                                           \
    COMPARE_VALUE(NAME##_F8, OP)                                                           \
    COMPARE_VALUE(NAME##_TEXT, OP)                                                         \
    COMPARE_VALUE(NAME##_BYTEA, OP)                                                        \
    COMPARE_INT(NAME##_DATE, OP)                                                           \
    COMPARE_INT(NAME##_TS, OP)
COMPARE_ALL(EQ, ==)
COMPARE_ALL(NE, !=)
COMPARE_ALL(LT, <)
COMPARE_ALL(LE, <=)
COMPARE_ALL(GT, >)
COMPARE_ALL(GE, >=)

/* NULLs are passed over; NULL when there is nothing else. */
static bool extreme(struct fn_call *call, const struct datum *args, bool greatest,
                    struct datum *out)
{
    const struct datum *best = NULL;
    for (uint32_t i = 0; i < call->expr->arg_count; i++) {
        if (args[i].null)
            continue;
        if (best) {
            int c = value_compare(fn_arg_type(call, i), &args[i], call->expr->type, best);
            if (greatest ? c <= 0 : c >= 0)
                continue;
        }
        best = &args[i];
    }
    *out = best ? *best : DATUM_NULL;
    return true;
}

FN_BODY(GREATEST)
{
    return extreme(call, args, true, out);
}
FN_BODY(LEAST)
{
    return extreme(call, args, false, out);
}
