/* bind_walk.c - trees: making nodes, copying, comparing, walking. */
#include "sql/bind_int.h"

struct rel *rel_new(struct binder *b, enum rel_kind kind, struct rel *in0, struct rel *in1,
                    uint32_t at)
{
    struct rel *r = NEW(struct rel);
    if (!r)
        return NULL;
    r->kind = kind;
    r->in[0] = in0;
    r->in[1] = in1;
    r->offset = bind_at(b, at);
    return r;
}

static uint32_t count_conjuncts(const struct expr *e)
{
    uint32_t n = 0;
    if (e->kind != EX_AND)
        return 1;
    for (uint32_t i = 0; i < e->arg_count; i++)
        n += count_conjuncts(e->args[i]);
    return n;
}
static void list_conjuncts(struct expr *e, struct expr **list, uint32_t *n)
{
    if (e->kind != EX_AND) {
        list[(*n)++] = e;
        return;
    }
    for (uint32_t i = 0; i < e->arg_count; i++)
        list_conjuncts(e->args[i], list, n);
}

kdk_status cond_split(struct binder *b, struct expr *cond, uint32_t *count,
                      struct expr ***out)
{
    kdk_status status = KDK_OK;
    uint32_t n = 0;
    struct expr **list = ARRAY(struct expr *, count_conjuncts(cond));
    TRY_NEW(list);
    list_conjuncts(cond, list, &n);
    *count = n;
    *out = list;
out:
    return status;
}

struct rel *rel_filter(struct binder *b, struct rel *in, struct expr *cond, uint32_t at)
{
    struct rel *r = rel_new(b, REL_FILTER, in, NULL, at);
    if (!r || cond_split(b, cond, &r->cond_count, &r->conds) != KDK_OK)
        return NULL;
    return r;
}

/* ---- comparing and copying ---- */

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || !ltype_equal(a->type, b->type) ||
        a->arg_count != b->arg_count)
        return false;
    switch (a->kind) {
    case EX_CONST:
        if (a->value.null != b->value.null)
            return false;
        if (a->value.null)
            return true;
        if (a->type.id == LT_UNKNOWN)
            return str_equal(&a->value.s, &b->value.s);
        return datum_compare(a->type, &a->value, &b->value) == 0 &&
               (a->type.id != LT_TEXT || str_equal(&a->value.s, &b->value.s));
    case EX_COLUMN:
        return a->column == b->column;
    case EX_PARAM:
        return a->param == b->param;
    case EX_CALL:
        if (a->fn != b->fn)
            return false;
        break;
    case EX_CAST:
        if (a->cast_try != b->cast_try || a->cast_explicit != b->cast_explicit)
            return false;
        break;
    case EX_SUBQUERY: /* Two subqueries make different columns, whatever their text. */
        return false;
    case EX_AND:
    case EX_OR:
    case EX_NOT:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
    case EX_IS_DISTINCT:
    case EX_CASE:
    case EX_COALESCE:
    case EX_IN:
        break;
    }
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

struct expr *expr_copy(struct binder *b, const struct expr *e)
{
    struct expr *copy = NEW(struct expr);
    if (!copy)
        return NULL;
    ASSERT(e->kind != EX_SUBQUERY);
    *copy = *e;
    if (e->arg_count) {
        copy->args = ARRAY(struct expr *, e->arg_count);
        if (!copy->args)
            return NULL;
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (!(copy->args[i] = expr_copy(b, e->args[i])))
                return NULL;
    }
    return copy;
}

uint32_t expr_size(const struct expr *e)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < e->arg_count; i++)
        n += expr_size(e->args[i]);
    return n;
}

bool expr_has_subquery(const struct expr *e)
{
    if (e->kind == EX_SUBQUERY)
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (expr_has_subquery(e->args[i]))
            return true;
    return false;
}

/* ---- walking ---- */

kdk_status walk_expr(struct walk *walk, struct expr **e)
{
    kdk_status status = KDK_OK;
    bool deeper = true;
    TRY(walk->each(walk, e, &deeper));
    if (!deeper)
        return KDK_OK;
    for (uint32_t i = 0; i < (*e)->arg_count; i++)
        TRY(walk_expr(walk, &(*e)->args[i]));
    if ((*e)->kind == EX_SUBQUERY) {
        walk->subqueries++;
        status = walk_rel(walk, (*e)->sub.rel);
        walk->subqueries--;
    }
out:
    return status;
}

static kdk_status walk_list(struct walk *walk, struct expr **list, uint32_t count)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < count; i++)
        TRY(walk_expr(walk, &list[i]));
out:
    return status;
}

static kdk_status walk_cols(struct walk *walk, struct relcol *cols, uint32_t count)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < count; i++)
        if (cols[i].expr)
            TRY(walk_expr(walk, &cols[i].expr));
out:
    return status;
}

static kdk_status walk_dml(struct walk *walk, struct rel_dml *dml)
{
    kdk_status status = KDK_OK;
    TRY(walk_list(walk, dml->set, dml->set_count));
    TRY(walk_list(walk, dml->checks, dml->check_count));
    TRY(walk_cols(walk, dml->returning, dml->returning_count));
out:
    return status;
}

kdk_status walk_rel(struct walk *walk, struct rel *rel)
{
    kdk_status status = KDK_OK;
    for (int i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(walk_rel(walk, rel->in[i]));
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(walk_rel(walk, rel->ctes[i]->rel));
    TRY(walk_cols(walk, rel->cols, rel->col_count));
    TRY(walk_list(walk, rel->conds, rel->cond_count));
    for (uint32_t i = 0; i < rel->agg_count; i++) {
        struct relagg *agg = &rel->aggs[i];
        TRY(walk_list(walk, agg->args, agg->arg_count));
        if (agg->filter)
            TRY(walk_expr(walk, &agg->filter));
        for (uint32_t k = 0; k < agg->order_count; k++)
            TRY(walk_expr(walk, &agg->order[k].expr));
    }
    for (uint32_t i = 0; i < rel->key_count; i++)
        TRY(walk_expr(walk, &rel->keys[i].expr));
    if (rel->limit)
        TRY(walk_expr(walk, &rel->limit));
    if (rel->count_offset)
        TRY(walk_expr(walk, &rel->count_offset));
    if (rel->kind == REL_SERIES)
        TRY(walk_list(walk, rel->rows[0], 3));
    else
        for (uint32_t i = 0; i < rel->row_count; i++)
            TRY(walk_list(walk, rel->rows[i], rel->col_count));
    if (rel->dml)
        TRY(walk_dml(walk, rel->dml));
out:
    return status;
}

/* ---- making expressions ---- */

struct flags {
    bool can_fail, is_volatile;
};
static kdk_status add_flags(struct walk *walk, struct expr **e, bool *deeper)
{
    struct flags *f = walk->context;
    f->can_fail |= (*e)->can_fail;
    f->is_volatile |= (*e)->is_volatile;
    *deeper = (*e)->kind != EX_SUBQUERY && !((*e)->can_fail && (*e)->is_volatile);
    return KDK_OK;
}

void expr_flags(struct expr *e)
{
    for (uint32_t i = 0; i < e->arg_count; i++) {
        e->can_fail |= e->args[i]->can_fail;
        e->is_volatile |= e->args[i]->is_volatile;
    }
    if (e->kind == EX_CALL) {
        struct ltype few[FN_ARGS_MAX];
        const struct datum *constants[FN_ARGS_MAX] = {NULL};
        const struct fn *fn = &fn_table[e->fn];
        if (e->arg_count <= FN_ARGS_MAX) {
            for (uint32_t i = 0; i < e->arg_count; i++) {
                few[i] = e->args[i]->type;
                constants[i] = e->args[i]->kind == EX_CONST ? &e->args[i]->value : NULL;
            }
            e->can_fail |= fn_call_can_fail(e->fn, few, constants, e->arg_count);
        } else {
            e->can_fail |= fn->can_fail;
        }
        e->is_volatile |= fn->volatility == FN_VOLATILE;
    } else if (e->kind == EX_CAST) {
        e->can_fail |= !e->cast_try && cast_can_fail(e->args[0]->type, e->type);
    } else if (e->kind == EX_SUBQUERY) {
        struct flags f = {e->sub.kind == SQ_SCALAR, false};
        struct walk walk = {.each = add_flags, .context = &f};
        kdk_status done = walk_rel(&walk, e->sub.rel); /* add_flags has no errors. */
        ASSERT(done == KDK_OK);
        (void)done;
        e->can_fail |= f.can_fail;
        e->is_volatile |= f.is_volatile;
    }
}

struct expr *expr_new(struct binder *b, enum expr_kind kind, struct ltype type, uint32_t at,
                      uint32_t arg_count)
{
    struct expr *e = NEW(struct expr);
    if (!e)
        return NULL;
    e->kind = kind;
    e->type = type;
    e->offset = bind_at(b, at);
    e->arg_count = arg_count;
    if (arg_count && !(e->args = ARRAY(struct expr *, arg_count)))
        return NULL;
    return e;
}

struct expr *expr_column(struct binder *b, colid id, struct ltype type, uint32_t at)
{
    struct expr *e = expr_new(b, EX_COLUMN, type, at, 0);
    if (e) {
        e->column = id;
        b->cols[id].used = true;
    }
    return e;
}

struct expr *expr_const(struct binder *b, struct ltype type, struct datum value,
                        uint32_t at)
{
    struct expr *e = expr_new(b, EX_CONST, type, at, 0);
    if (e)
        e->value = value;
    return e;
}

struct expr *expr_bool(struct binder *b, bool value, uint32_t at)
{
    return expr_const(b, LTYPE(BOOLEAN), (struct datum){.i = value}, at);
}

struct expr *expr_not(struct binder *b, struct expr *arg)
{
    struct expr *e = expr_new(b, EX_NOT, LTYPE(BOOLEAN), 0, 1);
    if (!e)
        return NULL;
    e->offset = arg->offset;
    e->args[0] = arg;
    expr_flags(e);
    return e;
}

struct expr *expr_and(struct binder *b, enum expr_kind kind, struct expr **args,
                      uint32_t count, uint32_t at)
{
    if (count == 1)
        return args[0];
    struct expr *e = expr_new(b, kind, LTYPE(BOOLEAN), at, 0);
    if (!e)
        return NULL;
    e->args = args;
    e->arg_count = count;
    expr_flags(e);
    return e;
}
