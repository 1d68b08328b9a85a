/* eval_compile.c - from an expression to nodes: constants are folded, intervals worked out,
 * and for each node the cheapest way chosen that the intervals allow. */
#include <stdlib.h>

#include "base/utf8.h"
#include "exec/eval_node.h"
#include "exec/fn_num.h"
#include "vec/calendar.h"

struct compiler {
    struct eval *ev;
    const struct eval_source *source;
    struct arena *arena;
    struct err *err;
};

static kdk_status compile(struct compiler *c, const struct expr *e, struct node **out);

/* ------------------------------------------------------------------ intervals ---- */

/* What every value of the type lies in. False: not a number of integers. */
static bool type_bounds(struct ltype t, int128 *lo, int128 *hi)
{
    switch ((enum ltype_id)t.id) {
    case LT_BOOLEAN:
        *lo = 0;
        *hi = 1;
        return true;
    case LT_TINYINT:
        *lo = INT8_MIN;
        *hi = INT8_MAX;
        return true;
    case LT_SMALLINT:
        *lo = INT16_MIN;
        *hi = INT16_MAX;
        return true;
    case LT_INTEGER:
    case LT_DATE:
        *lo = INT32_MIN;
        *hi = INT32_MAX;
        return true;
    case LT_BIGINT:
    case LT_TIMESTAMP:
        *lo = INT64_MIN;
        *hi = INT64_MAX;
        return true;
    case LT_NUMERIC:
        *hi = (int128)num_pow10[t.precision ? t.precision : NUM_DIGITS_MAX] - 1;
        *lo = -*hi;
        return true;
    case LT_UNKNOWN:
    case LT_REAL:
    case LT_DOUBLE:
    case LT_TEXT:
    case LT_BYTEA:
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        break;
    }
    return false;
}

static bool within_type(struct ltype t, int128 lo, int128 hi)
{
    int128 least, most;
    return type_bounds(t, &least, &most) && lo >= least && hi <= most;
}

static bool interval_arith(enum kernel_arith op, const struct node *a, const struct node *b,
                           int128 *lo, int128 *hi)
{
    int128 v[4];
    bool bad = false;
    switch (op) {
    case KA_ADD:
        bad |= __builtin_add_overflow(a->lo, b->lo, lo);
        bad |= __builtin_add_overflow(a->hi, b->hi, hi);
        return !bad;
    case KA_SUB:
        bad |= __builtin_sub_overflow(a->lo, b->hi, lo);
        bad |= __builtin_sub_overflow(a->hi, b->lo, hi);
        return !bad;
    case KA_MUL:
        bad |= __builtin_mul_overflow(a->lo, b->lo, &v[0]);
        bad |= __builtin_mul_overflow(a->lo, b->hi, &v[1]);
        bad |= __builtin_mul_overflow(a->hi, b->lo, &v[2]);
        bad |= __builtin_mul_overflow(a->hi, b->hi, &v[3]);
        *lo = *hi = v[0];
        for (int i = 1; i < 4; i++) {
            *lo = MIN(*lo, v[i]);
            *hi = MAX(*hi, v[i]);
        }
        return !bad;
    case KA_COUNT:
        break;
    }
    return false;
}

/* ---------------------------------------------------------------------- nodes ---- */

static kdk_status node_new(struct compiler *c, enum node_op op, const struct expr *e,
                           struct ltype type, uint32_t arg_count, struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct node *n = arena_alloc_aligned(c->arena, sizeof *n, 16);
    TRY_MEM(n);
    memset(n, 0, sizeof *n);
    n->op = op;
    n->e = e;
    n->type = type;
    n->arg_count = arg_count;
    n->bounded = type_bounds(type, &n->lo, &n->hi);
    n->cost = 1;
    if (arg_count)
        TRY_MEM(n->args = ARENA_ARRAY(c->arena, struct node *, arg_count));
    *out = n;
out:
    return status;
}

/* A result of its own, and sums over the arguments. */
static kdk_status finish(struct compiler *c, struct node *n)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    for (uint32_t i = 0; i < n->arg_count; i++) {
        n->cost += n->args[i]->cost;
        n->can_fail |= n->args[i]->can_fail;
    }
    TRY(vec_init(&n->reg, n->type, c->arena, err));
    if (n->op == N_AND || n->op == N_OR || n->op == N_CASE || n->op == N_COALESCE)
        TRY_MEM(n->rows = arena_alloc(c->arena, BATCH_ROWS * sizeof *n->rows));
out:
    return status;
}

static kdk_status node_constant(struct compiler *c, const struct expr *e,
                                const struct datum *value, struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct node *n;
    TRY(node_new(c, N_CONST, e, e->type, 0, &n));
    TRY(vec_constant(&n->reg, e->type, value, c->arena, err));
    n->cost = 0;
    if (n->bounded && value->null)
        n->lo = n->hi = 0;
    else if (n->bounded)
        n->lo = n->hi = e->type.id == LT_NUMERIC ? value->w : value->i;
    *out = n;
out:
    return status;
}

static struct datum constant_value(const struct node *n)
{
    return vec_get(&n->reg, 0);
}

static bool constant(const struct node *n)
{
    return n->op == N_CONST;
}

/* args[0] times a power of ten (or the microseconds of a day), as type `to`, when the
 * interval proves that it fits. False: it does not. */
static kdk_status try_scale(struct compiler *c, const struct expr *e, struct node *arg,
                            int128 factor, struct ltype to, struct node **out)
{
    kdk_status status = KDK_OK;
    int128 lo, hi;
    struct node *n;
    *out = NULL;
    if (!arg->bounded || __builtin_mul_overflow(arg->lo, factor, &lo) ||
        __builtin_mul_overflow(arg->hi, factor, &hi) || !within_type(to, lo, hi))
        goto out;
    if (constant(arg)) {
        struct datum v = constant_value(arg);
        struct expr *k = ARENA_NEW(c->arena, struct expr);
        struct err *err = c->err;
        TRY_MEM(k);
        k->kind = EX_CONST;
        k->type = to;
        if (!v.null && to.id == LT_NUMERIC)
            v.w = (arg->type.id == LT_NUMERIC ? v.w : v.i) * factor;
        else if (!v.null)
            v.i = (int64_t)((arg->type.id == LT_NUMERIC ? v.w : v.i) * factor);
        k->value = v;
        TRY(node_constant(c, k, &v, out));
        goto out;
    }
    TRY(node_new(c, factor == 1 ? N_ALIAS : N_SCALE, e, to, 1, &n));
    n->args[0] = arg;
    n->factor = factor;
    n->lo = lo;
    n->hi = hi;
    n->width = (uint8_t)vwidth_for(MIN(MIN(lo, hi), MIN(arg->lo, 0)),
                                   MAX(MAX(lo, hi), MAX(arg->hi, factor)));
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* ----------------------------------------------------------------------- calls ---- */

struct arith_entry {
    uint8_t op; /* enum kernel_arith + 1; 0: none */
    bool negate;
};
static const struct arith_entry ariths[FN_ID_COUNT] = {
#define ARITH_OF(S)                                                                        \
    [FN_ADD_##S] = {KA_ADD + 1, false}, [FN_SUB_##S] = {KA_SUB + 1, false},                \
    [FN_MUL_##S] = {KA_MUL + 1, false}
    ARITH_OF(I1),
    ARITH_OF(I2),
    ARITH_OF(I4),
    ARITH_OF(I8),
    ARITH_OF(NUM),
    ARITH_OF(F4),
    ARITH_OF(F8),
#undef ARITH_OF
    [FN_ADD_DATE_I4] = {KA_ADD + 1, false},
    [FN_ADD_I4_DATE] = {KA_ADD + 1, false},
    [FN_SUB_DATE_I4] = {KA_SUB + 1, false},
    [FN_SUB_DATE] = {KA_SUB + 1, false},
    [FN_NEG_I1] = {KA_SUB + 1, true},
    [FN_NEG_I2] = {KA_SUB + 1, true},
    [FN_NEG_I4] = {KA_SUB + 1, true},
    [FN_NEG_I8] = {KA_SUB + 1, true},
    [FN_NEG_NUM] = {KA_SUB + 1, true},
};

static kdk_status zero_like(struct compiler *c, struct ltype type, struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct datum zero;
    memset(&zero, 0, sizeof zero);
    struct expr *k = ARENA_NEW(c->arena, struct expr);
    TRY_MEM(k);
    k->kind = EX_CONST;
    k->type = type;
    TRY(node_constant(c, k, &zero, out));
out:
    return status;
}

static bool finite_date(const struct node *n)
{
    return n->type.id != LT_DATE || (n->bounded && n->lo >= DATE_MIN && n->hi <= DATE_MAX);
}

/* Arithmetic by kernels. *out stays NULL when it is not for them. */
static kdk_status try_arith(struct compiler *c, const struct expr *e, struct node **args,
                            struct node **out)
{
    kdk_status status = KDK_OK;
    const struct arith_entry *entry = &ariths[e->fn];
    struct node *n, *a = args[0], *b = e->arg_count > 1 ? args[1] : NULL;
    enum kernel_arith op;

    if (entry->op == 0)
        goto out;
    op = (enum kernel_arith)(entry->op - 1);
    if (entry->negate) {
        b = a;
        TRY(zero_like(c, b->type, &a));
    }
    bool is_float = ltype_is_float(e->type);
    if (!is_float && (!a->bounded || !b->bounded || !finite_date(a) || !finite_date(b)))
        goto out;
    if (e->type.id == LT_NUMERIC && op == KA_MUL &&
        a->type.scale + b->type.scale != e->type.scale)
        goto out;
    if (e->type.id == LT_NUMERIC && op != KA_MUL) { /* Both to the result's scale. */
        struct node **side[] = {&a, &b};
        for (int i = 0; i < 2; i++) {
            int up = e->type.scale - (*side[i])->type.scale;
            struct node *scaled;
            if (up < 0)
                goto out;
            if (up == 0)
                continue;
            TRY(try_scale(c, (*side[i])->e, *side[i], (int128)num_pow10[up],
                          LTYPE_NUM(NUM_DIGITS_MAX, e->type.scale), &scaled));
            if (!scaled)
                goto out;
            *side[i] = scaled;
        }
    }
    TRY(node_new(c, N_ARITH, e, e->type, 2, &n));
    n->args[0] = a;
    n->args[1] = b;
    n->kernel = (uint8_t)op;
    if (is_float) {
        n->width = (uint8_t)ltype_width(e->type);
        n->checked = true;
        n->can_fail = true;
    } else {
        int128 lo, hi, least, most;
        type_bounds(e->type, &least, &most);
        if (e->type.id == LT_DATE) {
            least = DATE_MIN;
            most = DATE_MAX;
        }
        if (interval_arith(op, a, b, &lo, &hi) && lo >= least && hi <= most) {
            n->lo = lo;
            n->hi = hi;
            n->width =
                (uint8_t)vwidth_for(MIN(lo, MIN(a->lo, b->lo)), MAX(hi, MAX(a->hi, b->hi)));
        } else if (e->type.id == LT_DATE) {
            goto out; /* Its range is not that of its width. */
        } else {
            n->width = (uint8_t)ltype_width(e->type);
            n->checked = n->can_fail = true;
            /* Decimals fail from 10^38, whatever the precision says: it is no promise for
             * them then. */
            if (e->type.id == LT_NUMERIC) {
                n->hi = (int128)num_pow10[NUM_DIGITS_MAX] - 1;
                n->lo = -n->hi;
            }
        }
    }
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* Integer division. A divisor that is constant, and neither 0 nor -1, cannot fail. */
static kdk_status try_divide(struct compiler *c, const struct expr *e, struct node **args,
                             struct node **out)
{
    kdk_status status = KDK_OK;
    struct node *n;
    const char *name = fn_table[e->fn].name;
    bool remainder = strcmp(name, "%") == 0;
    if (!ltype_is_integer(e->type) ||
        (!remainder && strcmp(name, "/") != 0 && strcmp(name, "//") != 0))
        goto out;
    /* The narrow ones have other limits than their loop. */
    if (e->type.id != LT_INTEGER && e->type.id != LT_BIGINT)
        goto out;
    TRY(node_new(c, N_DIVIDE, e, e->type, 2, &n));
    n->args[0] = args[0];
    n->args[1] = args[1];
    n->remainder = remainder;
    n->width = (uint8_t)ltype_width(e->type);
    n->cost = fn_table[e->fn].cost;
    n->can_fail = true;
    if (constant(args[1])) {
        struct datum d = constant_value(args[1]);
        n->can_fail = !d.null && (d.i == 0 || (d.i == -1 && !remainder));
    }
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* Comparisons by kernels. */
static kdk_status try_compare(struct compiler *c, const struct expr *e, struct node **args,
                              struct node **out)
{
    kdk_status status = KDK_OK;
    enum fn_comparison kind = fn_comparison_kind(e->fn);
    struct node *n;
    struct ltype t = args[0]->type;

    if (kind == CMP_NONE || t.id == LT_BOOLEAN)
        goto out;
    if (t.id == LT_NUMERIC && t.scale != args[1]->type.scale) {
        int low = t.scale < args[1]->type.scale ? 0 : 1;
        struct node *scaled;
        int up = abs((int)t.scale - (int)args[1]->type.scale);
        TRY(try_scale(c, args[low]->e, args[low], (int128)num_pow10[up],
                      LTYPE_NUM(NUM_DIGITS_MAX, args[!low]->type.scale), &scaled));
        if (!scaled)
            goto out;
        args[low] = scaled;
    }
    TRY(node_new(c, N_COMPARE, e, e->type, 2, &n));
    n->args[0] = args[0];
    n->args[1] = args[1];
    n->kernel = (uint8_t)kind;
    n->cost = fn_table[e->fn].cost;
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}
static_assert((int)CMP_EQ == (int)KC_EQ && (int)CMP_NE == (int)KC_NE &&
                  (int)CMP_LT == (int)KC_LT && (int)CMP_LE == (int)KC_LE &&
                  (int)CMP_GT == (int)KC_GT && (int)CMP_GE == (int)KC_GE,
              "comparisons and their kernels are numbered alike");

/* LIKE with a constant pattern. */
static kdk_status try_like(struct compiler *c, const struct expr *e, struct node **args,
                           struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct node *n;
    bool fold = e->fn == FN_ILIKE || e->fn == FN_ILIKE_ESCAPE;
    struct like_escape escape = LIKE_BACKSLASH;

    if (e->fn != FN_LIKE && e->fn != FN_LIKE_ESCAPE && !fold)
        goto out;
    if (!constant(args[1]) || (e->arg_count == 3 && !constant(args[2])))
        goto out;
    struct datum pattern = constant_value(args[1]);
    if (pattern.null)
        goto out;
    if (e->arg_count == 3) {
        struct datum v = constant_value(args[2]);
        if (v.null || !like_escape_of(&v.s, &escape))
            goto out;
    }
    TRY(node_new(c, N_LIKE, e, e->type, 1, &n));
    n->args[0] = args[0];
    TRY_MEM(n->like = ARENA_NEW(c->arena, struct like));
    if (!like_compile(n->like, &pattern.s, &escape, fold, c->arena))
        TRY(err_nomem(err));
    n->can_fail = !n->like->simple;
    n->cost = fn_table[e->fn].cost;
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

static kdk_status try_extract(struct compiler *c, const struct expr *e, struct node **args,
                              struct node **out)
{
    kdk_status status = KDK_OK;
    struct node *n;
    if (e->fn != FN_EXTRACT_DATE || !constant(args[0]) || e->type.scale != 0 ||
        !finite_date(args[1]))
        goto out;
    struct datum name = constant_value(args[0]);
    if (name.null)
        goto out;
    enum date_field field = date_field_of(str_data(&name.s), name.s.len);
    if (field == DF_NONE || date_field_is_time(field) || field == DF_EPOCH ||
        field == DF_JULIAN)
        goto out;
    TRY(node_new(c, N_EXTRACT, e, e->type, 1, &n));
    n->args[0] = args[1];
    n->field = field;
    n->width = W_32;
    n->lo = field == DF_YEAR || field == DF_ISOYEAR
                ? calendar_civil((int64_t)args[1]->lo).year - 2
                : -10000;
    n->hi = field == DF_YEAR || field == DF_ISOYEAR
                ? calendar_civil((int64_t)args[1]->hi).year + 1
                : 600000;
    n->cost = 8;
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* ----------------------------------------------------------------------- casts ---- */

static bool is_integral(struct ltype t)
{
    return ltype_is_integer(t) || t.id == LT_NUMERIC;
}

static kdk_status try_cast(struct compiler *c, const struct expr *e, struct node *arg,
                           struct node **out)
{
    kdk_status status = KDK_OK;
    struct node *n;
    struct ltype from = arg->type, to = e->type;
    int from_scale = from.id == LT_NUMERIC ? from.scale : 0,
        to_scale = to.id == LT_NUMERIC ? to.scale : 0;

    if ((from.id == LT_NUMERIC && !from.precision) ||
        (to.id == LT_NUMERIC && !to.precision))
        goto out;
    if (is_integral(from) && is_integral(to) && to_scale >= from_scale) {
        TRY(try_scale(c, e, arg, (int128)num_pow10[to_scale - from_scale], to, out));
        if (*out || e->cast_try)
            goto out;
        if (!ltype_is_integer(from) || !ltype_is_integer(to))
            goto out;
        TRY(node_new(c, N_CONVERT, e, to, 1, &n));
        n->width = (uint8_t)ltype_width(to);
        n->checked = n->can_fail = true;
    } else if (from.id == LT_DATE && to.id == LT_TIMESTAMP && finite_date(arg)) {
        TRY(try_scale(c, e, arg, US_PER_DAY, to, out));
        goto out;
    } else if (from.id == LT_TEXT && to.id == LT_TEXT && !cast_can_fail(from, to) &&
               (from.fixed || !to.fixed)) {
        /* What becomes CHAR(n) loses its blanks. */
        TRY(node_new(c, N_ALIAS, e, to, 1, &n));
    } else if ((ltype_is_integer(from) && ltype_is_float(to)) ||
               (from.id == LT_REAL && to.id == LT_DOUBLE)) {
        TRY(node_new(c, N_CONVERT, e, to, 1, &n));
        n->width = (uint8_t)ltype_width(to);
    } else if (from.id == LT_NUMERIC && to.id == LT_DOUBLE) {
        TRY(node_new(c, N_DECIMAL_TO_DOUBLE, e, to, 1, &n));
    } else {
        goto out;
    }
    n->args[0] = arg;
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* --------------------------------------------------------------------- IN lists ---- */

static int compare_values(const struct ltype *type, const struct datum *a,
                          const struct datum *b)
{
    return value_compare(*type, a, *type, b);
}

/* Heap sort: no allocation, and a list may be long. */
static void sort_values(struct ltype type, struct datum *v, uint32_t count)
{
    for (uint32_t n = count, start = count / 2; n > 1;) {
        if (start > 0) {
            start--;
        } else {
            n--;
            struct datum t = v[0];
            v[0] = v[n];
            v[n] = t;
        }
        for (uint32_t root = start, child; (child = 2 * root + 1) < n; root = child) {
            if (child + 1 < n && compare_values(&type, &v[child], &v[child + 1]) < 0)
                child++;
            if (compare_values(&type, &v[root], &v[child]) >= 0)
                break;
            struct datum t = v[root];
            v[root] = v[child];
            v[child] = t;
        }
    }
}

static kdk_status try_in(struct compiler *c, const struct expr *e, struct node **args,
                         struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct node *n;
    struct in_list *list;

    for (uint32_t i = 1; i < e->arg_count; i++)
        if (!constant(args[i]) ||
            (args[i]->type.id == LT_NUMERIC && args[i]->type.scale != args[0]->type.scale))
            goto out;
    TRY(node_new(c, N_IN, e, e->type, 1, &n));
    n->args[0] = args[0];
    TRY_MEM(list = ARENA_NEW(c->arena, struct in_list));
    TRY_MEM(list->values = ARENA_ARRAY(c->arena, struct datum, e->arg_count));
    for (uint32_t i = 1; i < e->arg_count; i++) {
        struct datum v = constant_value(args[i]);
        if (v.null)
            list->has_null = true;
        else
            list->values[list->count++] = v;
    }
    struct ltype type = args[0]->type;
    sort_values(type, list->values, list->count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (kept == 0 ||
            compare_values(&type, &list->values[kept - 1], &list->values[i]) != 0)
            list->values[kept++] = list->values[i];
    list->count = kept;
    n->list = list;
    n->cost = 2 + MIN(list->count, 16u);
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

/* -------------------------------------------------------------------- everything ---- */

static kdk_status compile_column(struct compiler *c, const struct expr *e,
                                 struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct eval *ev = c->ev;
    struct node *n;
    uint32_t slot;
    int128 lo, hi;

    if (!c->source || !c->source->slot ||
        !c->source->slot(c->source->context, e->column, &slot))
        return err_set(err, KDK_INTERNAL, "column #%u is not in this operator's input",
                       e->column);
    TRY(node_new(c, N_COLUMN, e, e->type, 0, &n));
    n->slot = slot;
    n->cost = 0;
    if (n->bounded && c->source->bounds &&
        c->source->bounds(c->source->context, e->column, &lo, &hi) && lo <= hi) {
        n->lo = MAX(n->lo, lo);
        n->hi = MIN(n->hi, hi);
    }
    uint32_t i = 0;
    while (i < ev->column_count && ev->columns[i].id != e->column)
        i++;
    if (i == ev->column_count) {
        if (ev->column_count == ev->column_cap) {
            uint32_t cap = ev->column_cap ? ev->column_cap * 2 : 8;
            struct eval_column *columns = ARENA_ARRAY(c->arena, struct eval_column, cap);
            TRY_MEM(columns);
            if (ev->column_count)
                memcpy(columns, ev->columns, ev->column_count * sizeof *columns);
            ev->columns = columns;
            ev->column_cap = cap;
        }
        ev->columns[ev->column_count++] = (struct eval_column){e->column, slot};
    }
    *out = n;
out:
    return status;
}

/* Arms of CASE and COALESCE: the result's interval is the union of theirs. */
static void unite(struct node *n, const struct node *arm, bool *first)
{
    if (!n->bounded || !arm->bounded)
        return;
    n->lo = *first ? arm->lo : MIN(n->lo, arm->lo);
    n->hi = *first ? arm->hi : MAX(n->hi, arm->hi);
    *first = false;
}

static kdk_status compile_lazy(struct compiler *c, const struct expr *e, struct node **args,
                               struct node **out)
{
    static const enum node_op ops[] = {
        [EX_AND] = N_AND, [EX_OR] = N_OR, [EX_CASE] = N_CASE, [EX_COALESCE] = N_COALESCE};
    kdk_status status = KDK_OK;
    struct node *n;
    bool first = true;

    TRY(node_new(c, ops[e->kind], e, e->type, e->arg_count, &n));
    memcpy(n->args, args, e->arg_count * sizeof *args);
    n->width = (uint8_t)ltype_width(e->type);
    if (e->kind == EX_CASE || e->kind == EX_COALESCE) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (e->kind == EX_COALESCE || i % 2 == 1 || i + 1 == e->arg_count)
                unite(n, args[i], &first);
        if (n->bounded && n->width != W_BIT)
            n->width = (uint8_t)vwidth_for(n->lo, n->hi);
    }
    TRY(finish(c, n));
    *out = n;
out:
    return status;
}

static bool all_constant(struct node *const *args, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!constant(args[i]))
            return false;
    return true;
}

/* A node whose arguments are all constant is worked out now, unless that is an error: then
 * rows decide whether it is reached. */
static kdk_status try_constant(struct compiler *c, const struct expr *e, struct node **args,
                               struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct datum value, copy;
    (void)args;
    if (e->is_volatile || (e->kind == EX_CALL && fn_table[e->fn].volatility == FN_VOLATILE))
        goto out;
    kdk_status done = eval_scalar(e, NULL, c->ev->env, c->arena, &value, NULL);
    if (done == KDK_NOMEM)
        TRY(err_nomem(err));
    if (done != KDK_OK)
        goto out;
    if (!datum_copy(c->arena, e->type, value, &copy))
        TRY(err_nomem(err));
    TRY(node_constant(c, e, &copy, out));
out:
    return status;
}

static kdk_status compile(struct compiler *c, const struct expr *e, struct node **out)
{
    kdk_status status = KDK_OK;
    struct err *err = c->err;
    struct node **args = NULL, *n = NULL;

    *out = NULL;
    if (e->kind == EX_CONST) {
        TRY(node_constant(c, e, &e->value, out));
        goto out;
    }
    if (e->kind == EX_COLUMN) {
        TRY(compile_column(c, e, out));
        goto out;
    }
    if (e->kind == EX_SUBQUERY)
        return err_set(err, KDK_UNSUPPORTED, "a subquery is not supported here");
    if (e->arg_count)
        TRY_MEM(args = ARENA_ARRAY(c->arena, struct node *, e->arg_count));
    for (uint32_t i = 0; i < e->arg_count; i++)
        TRY(compile(c, e->args[i], &args[i]));
    if (all_constant(args, e->arg_count)) {
        TRY(try_constant(c, e, args, &n));
        if (n) {
            *out = n;
            goto out;
        }
    }

    switch (e->kind) {
    case EX_PARAM:
        return err_set(err, KDK_UNDEFINED_PARAMETER, "there is no parameter $%u",
                       e->param + 1);
    case EX_AND:
    case EX_OR:
    case EX_CASE:
    case EX_COALESCE:
        TRY(compile_lazy(c, e, args, &n));
        break;
    case EX_NOT:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
        TRY(node_new(c,
                     e->kind == EX_NOT       ? N_NOT
                     : e->kind == EX_IS_NULL ? N_IS_NULL
                     : e->kind == EX_IS_TRUE ? N_IS_TRUE
                                             : N_IS_NOT_NULL,
                     e, e->type, 1, &n));
        n->args[0] = args[0];
        TRY(finish(c, n));
        break;
    case EX_CAST:
        TRY(try_cast(c, e, args[0], &n));
        break;
    case EX_CALL:
        if (!e->arg_count) /* random() */
            break;
        TRY(try_arith(c, e, args, &n));
        if (!n)
            TRY(try_divide(c, e, args, &n));
        if (!n)
            TRY(try_compare(c, e, args, &n));
        if (!n)
            TRY(try_like(c, e, args, &n));
        if (!n)
            TRY(try_extract(c, e, args, &n));
        break;
    case EX_IN:
        TRY(try_in(c, e, args, &n));
        break;
    case EX_IS_DISTINCT:
    case EX_CONST:
    case EX_COLUMN:
    case EX_SUBQUERY:
        break;
    }
    if (!n) {
        TRY(node_new(c, N_GENERIC, e, e->type, e->arg_count, &n));
        if (e->arg_count)
            memcpy(n->args, args, e->arg_count * sizeof *args);
        n->can_fail = e->can_fail || (e->kind == EX_CALL && fn_table[e->fn].can_fail) ||
                      (e->kind == EX_CAST && !e->cast_try &&
                       cast_can_fail(e->args[0]->type, e->type));
        n->cost = e->kind == EX_CALL ? fn_table[e->fn].cost + 20u : 30u;
        TRY(finish(c, n));
    }
    *out = n;
out:
    return status;
}

kdk_status eval_compile(struct eval *ev, const struct expr *e,
                        const struct eval_source *source, struct node **out,
                        struct err *err)
{
    struct compiler c = {.ev = ev, .source = source, .arena = ev->arena, .err = err};
    return compile(&c, e, out);
}
