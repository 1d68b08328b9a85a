/* tree.c - sets of columns, walks over trees and expressions, and making new ones. */
#include "plan/plan_int.h"

/* --------------------------------------------------------------------- sets ---- */

bool colset_has(const struct colset *set, colid id)
{
    return id / 64 < set->count && bit_get(set->words, id);
}

kdk_status colset_add(struct plan *plan, struct colset *set, colid id, struct err *err)
{
    if (id / 64 >= set->count) {
        uint32_t count = MAX(id / 64 + 1, plan->stmt->colid_next / 64 + 4);
        uint64_t *words = ARENA_ARRAY(plan->arena, uint64_t, count);
        if (!words)
            return err_nomem(err);
        if (set->count)
            memcpy(words, set->words, set->count * sizeof *words);
        set->words = words;
        set->count = count;
    }
    bit_set(set->words, id);
    return KDK_OK;
}

bool colset_meets(const struct colset *a, const struct colset *b)
{
    for (uint32_t i = 0; i < MIN(a->count, b->count); i++)
        if (a->words[i] & b->words[i])
            return true;
    return false;
}

bool colset_covers(const struct colset *all, const struct colset *part)
{
    for (uint32_t i = 0; i < part->count; i++)
        if (part->words[i] & ~(i < all->count ? all->words[i] : 0))
            return false;
    return true;
}

/* -------------------------------------------------------------------- walks ---- */

kdk_status plan_rel_each_expr(struct rel *rel, expr_slot_fn each, void *context,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (rel->cols[i].expr)
            TRY(each(context, &rel->cols[i].expr, err));
    for (uint32_t i = 0; i < rel->cond_count; i++)
        TRY(each(context, &rel->conds[i], err));
    for (uint32_t i = 0; i < rel->agg_count; i++) {
        struct relagg *agg = &rel->aggs[i];
        for (uint32_t a = 0; a < agg->arg_count; a++)
            TRY(each(context, &agg->args[a], err));
        if (agg->filter)
            TRY(each(context, &agg->filter, err));
        for (uint32_t o = 0; o < agg->order_count; o++)
            TRY(each(context, &agg->order[o].expr, err));
    }
    for (uint32_t i = 0; i < rel->key_count; i++)
        TRY(each(context, &rel->keys[i].expr, err));
    if (rel->limit)
        TRY(each(context, &rel->limit, err));
    if (rel->count_offset)
        TRY(each(context, &rel->count_offset, err));
    if (rel->kind == REL_VALUES)
        for (uint32_t r = 0; r < rel->row_count; r++)
            for (uint32_t c = 0; c < rel->col_count; c++)
                TRY(each(context, &rel->rows[r][c], err));
    if (rel->kind == REL_SERIES)
        for (uint32_t c = 0; c < 3; c++)
            TRY(each(context, &rel->rows[0][c], err));
    for (uint32_t i = 0; i < rel->phys.equi_count; i++) {
        TRY(each(context, &rel->phys.left_keys[i], err));
        TRY(each(context, &rel->phys.right_keys[i], err));
    }
    if (rel->dml) {
        for (uint32_t i = 0; i < rel->dml->set_count; i++)
            TRY(each(context, &rel->dml->set[i], err));
        for (uint32_t i = 0; i < rel->dml->check_count; i++)
            TRY(each(context, &rel->dml->checks[i], err));
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            TRY(each(context, &rel->dml->returning[i].expr, err));
    }
out:
    return status;
}

struct deep {
    struct plan *plan;
    expr_slot_fn each;
    void *context;
};

static kdk_status deep_subqueries(struct deep *deep, struct expr *expr, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(deep_subqueries(deep, expr->args[i], err));
    if (expr->kind == EX_SUBQUERY)
        TRY(plan_rel_each_expr_deep(deep->plan, expr->sub.rel, deep->each, deep->context,
                                    err));
out:
    return status;
}

static kdk_status deep_slot(void *context, struct expr **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct deep *deep = context;
    TRY(deep->each(deep->context, slot, err));
    TRY(deep_subqueries(deep, *slot, err));
out:
    return status;
}

kdk_status plan_rel_each_expr_deep(struct plan *plan, struct rel *rel, expr_slot_fn each,
                                   void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct deep deep = {plan, each, context};
    TRY(plan_rel_each_expr(rel, deep_slot, &deep, err));
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(plan_rel_each_expr_deep(plan, rel->ctes[i]->rel, each, context, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(plan_rel_each_expr_deep(plan, rel->in[i], each, context, err));
out:
    return status;
}

kdk_status plan_expr_used(struct plan *plan, const struct expr *expr, struct colset *set,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    if (expr->kind == EX_COLUMN)
        TRY(colset_add(plan, set, expr->column, err));
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(plan_expr_used(plan, expr->args[i], set, err));
    if (expr->kind == EX_SUBQUERY)
        TRY(plan_rel_free(plan, expr->sub.rel, set, err));
out:
    return status;
}

kdk_status colset_add_expr(struct plan *plan, struct colset *set, const struct expr *expr,
                           struct err *err)
{
    return plan_expr_used(plan, expr, set, err);
}

kdk_status plan_rel_made(struct plan *plan, const struct rel *rel, struct colset *set,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        TRY(colset_add(plan, set, rel->cols[i].id, err));
    for (uint32_t i = 0; i < rel->agg_count; i++)
        TRY(colset_add(plan, set, rel->aggs[i].id, err));
    if (rel->kind == REL_JOIN && rel->join == JOIN_MARK)
        TRY(colset_add(plan, set, rel->mark, err));
    if (rel->dml) {
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            TRY(colset_add(plan, set, rel->dml->returning[i].id, err));
        for (uint32_t i = 0; rel->dml->fresh && i < rel->table->column_count; i++)
            if (rel->dml->fresh[i])
                TRY(colset_add(plan, set, rel->dml->fresh[i], err));
    }
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(plan_rel_made(plan, rel->ctes[i]->rel, set, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(plan_rel_made(plan, rel->in[i], set, err));
out:
    return status;
}

kdk_status plan_rel_visible(struct plan *plan, const struct rel *rel, struct colset *set,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        TRY(colset_add(plan, set, rel->cols[i].id, err));
    for (uint32_t i = 0; i < rel->agg_count; i++)
        TRY(colset_add(plan, set, rel->aggs[i].id, err));
    switch (rel->kind) {
    case REL_FILTER:
    case REL_DISTINCT:
    case REL_SORT:
    case REL_LIMIT:
    case REL_CTE:
    case REL_COPY_TO:
        TRY(plan_rel_visible(plan, rel->in[0], set, err));
        break;
    case REL_JOIN:
        TRY(plan_rel_visible(plan, rel->in[0], set, err));
        if (rel->join == JOIN_MARK)
            TRY(colset_add(plan, set, rel->mark, err));
        else if (rel->join != JOIN_SEMI && rel->join != JOIN_ANTI)
            TRY(plan_rel_visible(plan, rel->in[1], set, err));
        break;
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            TRY(colset_add(plan, set, rel->dml->returning[i].id, err));
        break;
    case REL_SERIES:
        if (rel->in[0])
            TRY(plan_rel_visible(plan, rel->in[0], set, err));
        break;
    case REL_SCAN:
    case REL_FILE:
    case REL_VALUES:
    case REL_PROJECT:
    case REL_AGG:
    case REL_SETOP:
    case REL_CTE_REF:
        break;
    }
out:
    return status;
}

struct used {
    struct plan *plan;
    struct colset *set;
};

static kdk_status used_slot(void *context, struct expr **slot, struct err *err)
{
    struct used *used = context;
    return plan_expr_used(used->plan, *slot, used->set, err);
}

static kdk_status rel_used(struct plan *plan, const struct rel *rel, struct colset *set,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct used used = {plan, set};
    TRY(plan_rel_each_expr((struct rel *)(uintptr_t)rel, used_slot, &used, err));
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(rel_used(plan, rel->ctes[i]->rel, set, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(rel_used(plan, rel->in[i], set, err));
out:
    return status;
}

kdk_status plan_rel_free(struct plan *plan, const struct rel *rel, struct colset *set,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset used = {0}, made = {0};
    TRY(rel_used(plan, rel, &used, err));
    TRY(plan_rel_made(plan, rel, &made, err));
    for (uint32_t id = 0; id < used.count * 64; id++)
        if (bit_get(used.words, id) && !colset_has(&made, id))
            TRY(colset_add(plan, set, id, err));
out:
    return status;
}

/* ------------------------------------------------------------------- making ---- */

kdk_status exprs_add(struct plan *plan, struct exprs *list, struct expr *expr,
                     struct err *err)
{
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 8;
        struct expr **grown = ARENA_ARRAY(plan->arena, struct expr *, room);
        if (!grown)
            return err_nomem(err);
        if (list->count)
            memcpy(grown, list->list, list->count * sizeof *grown);
        list->list = grown;
        list->room = room;
    }
    list->list[list->count++] = expr;
    return KDK_OK;
}

kdk_status exprs_add_split(struct plan *plan, struct exprs *list, struct expr *expr,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    if (expr->kind != EX_AND)
        return exprs_add(plan, list, expr, err);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(exprs_add_split(plan, list, expr->args[i], err));
out:
    return status;
}

struct rel *plan_rel_new(struct plan *plan, enum rel_kind kind, struct rel *left,
                         struct rel *right)
{
    struct rel *rel = ARENA_NEW(plan->arena, struct rel);
    if (rel) {
        rel->kind = kind;
        rel->in[0] = left;
        rel->in[1] = right;
    }
    return rel;
}

struct expr *plan_expr_new(struct plan *plan, enum expr_kind kind, struct ltype type,
                           uint32_t arg_count)
{
    struct expr *expr = ARENA_NEW(plan->arena, struct expr);
    if (expr) {
        expr->kind = kind;
        expr->type = type;
        expr->arg_count = arg_count;
        expr->args = ARENA_ARRAY(plan->arena, struct expr *, arg_count + 1);
        if (!expr->args)
            return NULL;
    }
    return expr;
}

struct expr *plan_expr_column(struct plan *plan, colid id, struct ltype type)
{
    struct expr *expr = plan_expr_new(plan, EX_COLUMN, type, 0);
    if (expr)
        expr->column = id;
    return expr;
}

void plan_expr_flags(struct expr *expr)
{
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        expr->can_fail |= expr->args[i]->can_fail;
        expr->is_volatile |= expr->args[i]->is_volatile;
    }
}

struct expr *plan_expr_compare(struct plan *plan, enum fn_comparison kind, struct expr *a,
                               struct expr *b)
{
    struct expr *expr = plan_expr_new(plan, EX_CALL, LTYPE(BOOLEAN), 2);
    if (expr) {
        expr->fn = fn_comparison_of(kind, a->type);
        expr->offset = a->offset;
        expr->args[0] = a;
        expr->args[1] = b;
        plan_expr_flags(expr);
    }
    return expr;
}

struct expr *plan_expr_and(struct plan *plan, struct expr **list, uint32_t count)
{
    if (count == 1)
        return list[0];
    struct expr *expr = plan_expr_new(plan, EX_AND, LTYPE(BOOLEAN), count);
    if (expr) {
        memcpy(expr->args, list, count * sizeof *list);
        plan_expr_flags(expr);
    }
    return expr;
}

struct expr *plan_expr_copy(struct plan *plan, const struct expr *expr)
{
    struct expr *copy = arena_dup(plan->arena, expr, sizeof *expr);
    if (!copy)
        return NULL;
    copy->args = ARENA_ARRAY(plan->arena, struct expr *, expr->arg_count + 1);
    if (!copy->args)
        return NULL;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        if (!(copy->args[i] = plan_expr_copy(plan, expr->args[i])))
            return NULL;
    return copy;
}

bool plan_expr_equal(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || !ltype_equal(a->type, b->type) ||
        a->arg_count != b->arg_count || a->is_volatile || b->is_volatile)
        return false;
    switch (a->kind) {
    case EX_CONST:
        if (a->value.null != b->value.null ||
            (!a->value.null && datum_compare(a->type, &a->value, &b->value) != 0))
            return false;
        break;
    case EX_COLUMN:
        if (a->column != b->column)
            return false;
        break;
    case EX_PARAM:
        if (a->param != b->param)
            return false;
        break;
    case EX_CALL:
        if (a->fn != b->fn)
            return false;
        break;
    case EX_CAST:
        if (a->cast_try != b->cast_try)
            return false;
        break;
    case EX_SUBQUERY:
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
        if (!plan_expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

bool plan_expr_has_subquery(const struct expr *expr)
{
    if (expr->kind == EX_SUBQUERY)
        return true;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        if (plan_expr_has_subquery(expr->args[i]))
            return true;
    return false;
}

bool plan_expr_is_true(const struct expr *expr)
{
    return expr->kind == EX_CONST && expr->type.id == LT_BOOLEAN && !expr->value.null &&
           expr->value.i;
}

colid plan_colid_new(struct plan *plan)
{
    return plan->stmt->colid_next++;
}

kdk_status plan_rel_filter(struct plan *plan, struct rel *in, const struct exprs *conds,
                           struct rel **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exprs all = {0};

    if (!conds->count) {
        *out = in;
        goto out;
    }
    if (in->kind == REL_FILTER) {
        for (uint32_t i = 0; i < in->cond_count; i++)
            TRY(exprs_add(plan, &all, in->conds[i], err));
        in = in->in[0];
    }
    for (uint32_t i = 0; i < conds->count; i++)
        TRY(exprs_add(plan, &all, conds->list[i], err));
    TRY_MEM(*out = plan_rel_new(plan, REL_FILTER, in, NULL));
    (*out)->conds = all.list;
    (*out)->cond_count = all.count;
out:
    return status;
}

/* ----------------------------------------------------------------- renaming ---- */

kdk_status colmap_add(struct plan *plan, struct colmap *map, colid from, colid to,
                      struct err *err)
{
    if (map->count == map->room) {
        uint32_t room = map->room ? map->room * 2 : 8;
        colid *grown = ARENA_ARRAY(plan->arena, colid, room * 2);
        if (!grown)
            return err_nomem(err);
        if (map->count) {
            memcpy(grown, map->from, map->count * sizeof *grown);
            memcpy(grown + room, map->to, map->count * sizeof *grown);
        }
        map->from = grown;
        map->to = grown + room;
        map->room = room;
    }
    map->from[map->count] = from;
    map->to[map->count++] = to;
    return KDK_OK;
}

colid colmap_get(const struct colmap *map, colid id)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (map->from[i] == id)
            return map->to[i];
    return id;
}

void plan_expr_rename(struct expr *expr, const struct colmap *map)
{
    if (expr->kind == EX_COLUMN)
        expr->column = colmap_get(map, expr->column);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        plan_expr_rename(expr->args[i], map);
}

static kdk_status rename_slot(void *context, struct expr **slot, struct err *err)
{
    (void)err;
    plan_expr_rename(*slot, context);
    return KDK_OK;
}

kdk_status plan_rel_rename_free(struct plan *plan, struct rel *rel,
                                const struct colmap *map, struct err *err)
{
    return plan_rel_each_expr_deep(plan, rel, rename_slot, (void *)(uintptr_t)map, err);
}
