/* push.c - conditions go down to where their columns are made; outer joins that a condition
 * makes inner ones become so.
 *
 * A condition that can fail or is volatile stays where it stands (P2): only whether it is
 * evaluated together with others is left open, and those that cannot fail come first. From
 * a disjunction over several tables come the conditions that all its arms share, and for
 * each side of a join the disjunction of what its arms ask of that side alone.
 */
#include "plan/plan_int.h"

static bool movable(const struct expr *cond)
{
    return !cond->can_fail && !cond->is_volatile && !plan_expr_has_subquery(cond);
}

/* Is the value NULL whenever the columns of `set` are? */
static bool null_from(const struct expr *e, const struct colset *set)
{
    switch (e->kind) {
    case EX_COLUMN:
        return colset_has(set, e->column);
    case EX_CALL:
        if (!fn_table[e->fn].strict)
            return false;
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (null_from(e->args[i], set))
                return true;
        return false;
    case EX_CAST:
    case EX_NOT:
    case EX_IN:
        return null_from(e->args[0], set);
    case EX_CONST:
    case EX_PARAM:
    case EX_AND:
    case EX_OR:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
    case EX_IS_DISTINCT:
    case EX_CASE:
    case EX_COALESCE:
    case EX_SUBQUERY:
        return false;
    }
    return false;
}

/* Is the condition not true whenever the columns of `set` are NULL? */
static bool rejects_null(const struct expr *e, const struct colset *set)
{
    if (null_from(e, set))
        return true;
    switch (e->kind) {
    case EX_AND:
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (rejects_null(e->args[i], set))
                return true;
        return false;
    case EX_OR:
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (!rejects_null(e->args[i], set))
                return false;
        return true;
    case EX_IS_NOT_NULL:
        return null_from(e->args[0], set);
    case EX_IS_TRUE:
        return rejects_null(e->args[0], set);
    case EX_CONST:
    case EX_COLUMN:
    case EX_PARAM:
    case EX_CALL:
    case EX_CAST:
    case EX_NOT:
    case EX_IS_NULL:
    case EX_IS_DISTINCT:
    case EX_CASE:
    case EX_COALESCE:
    case EX_IN:
    case EX_SUBQUERY:
        return false;
    }
    return false;
}

/* --------------------------------------------------------------- disjunctions ---- */

/* (a and x) or (a and y) is a and (x or y). */
static kdk_status factor(struct plan *plan, struct expr * or, struct exprs *out,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct exprs *arms, common = {0};
    struct expr *rest;

    if (or->kind != EX_OR || or->arg_count < 2) {
        TRY(exprs_add(plan, out, or, err));
        goto out;
    }
    TRY_MEM(arms = ARENA_ARRAY(plan->arena, struct exprs, or->arg_count));
    for (uint32_t i = 0; i < or->arg_count; i++)
        TRY(exprs_add_split(plan, &arms[i], or->args[i], err));
    for (uint32_t c = 0; c < arms[0].count; c++) {
        bool all = movable(arms[0].list[c]);
        for (uint32_t i = 1; i < or->arg_count && all; i++) {
            all = false;
            for (uint32_t k = 0; k < arms[i].count; k++)
                all |= plan_expr_equal(arms[0].list[c], arms[i].list[k]);
        }
        if (all)
            TRY(exprs_add(plan, &common, arms[0].list[c], err));
    }
    if (!common.count) {
        TRY(exprs_add(plan, out, or, err));
        goto out;
    }
    TRY_MEM(rest = plan_expr_new(plan, EX_OR, LTYPE(BOOLEAN), or->arg_count));
    bool nothing_left = false;
    for (uint32_t i = 0; i < or->arg_count; i++) {
        struct exprs left = {0};
        for (uint32_t k = 0; k < arms[i].count; k++) {
            bool shared = false;
            for (uint32_t c = 0; c < common.count; c++)
                shared |= plan_expr_equal(common.list[c], arms[i].list[k]);
            if (!shared)
                TRY(exprs_add(plan, &left, arms[i].list[k], err));
        }
        if (left.count)
            TRY_MEM(rest->args[i] = plan_expr_and(plan, left.list, left.count));
        nothing_left |= !left.count; /* This arm asks no more: the disjunction is true. */
    }
    for (uint32_t c = 0; c < common.count; c++)
        TRY(exprs_add(plan, out, common.list[c], err));
    if (!nothing_left) {
        plan_expr_flags(rest);
        TRY(exprs_add(plan, out, rest, err));
    }
out:
    return status;
}

/* What a disjunction over both sides asks of one side alone, or NULL. */
static kdk_status implied(struct plan *plan, const struct expr * or,
                          const struct colset *side, struct expr **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct expr *made;

    *out = NULL;
    if (or->kind != EX_OR)
        goto out;
    TRY_MEM(made = plan_expr_new(plan, EX_OR, LTYPE(BOOLEAN), or->arg_count));
    for (uint32_t i = 0; i < or->arg_count; i++) {
        struct exprs arm = {0}, own = {0};
        TRY(exprs_add_split(plan, &arm, or->args[i], err));
        for (uint32_t k = 0; k < arm.count; k++) {
            struct colset used = {0};
            TRY(plan_expr_used(plan, arm.list[k], &used, err));
            if (movable(arm.list[k]) && colset_covers(side, &used) &&
                colset_meets(side, &used))
                TRY(exprs_add(plan, &own, arm.list[k], err));
        }
        if (!own.count)
            goto out;
        TRY_MEM(made->args[i] = plan_expr_and(plan, own.list, own.count));
    }
    *out = made;
out:
    return status;
}

/* ------------------------------------------------------------------ pushing ---- */

static kdk_status push_down(struct plan *plan, struct rel **slot, struct exprs *conds,
                            struct err *err);

/* The condition over a projection's (or group's) input, or NULL if a column it names is not
 * to be computed there. */
static struct expr *substitute(struct plan *plan, const struct expr *e,
                               const struct rel *rel, bool *ok)
{
    if (e->kind == EX_COLUMN) {
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == e->column) {
                if (!movable(rel->cols[i].expr)) {
                    *ok = false;
                    return NULL;
                }
                return plan_expr_copy(plan, rel->cols[i].expr);
            }
        *ok = false;
        return NULL;
    }
    struct expr *copy = arena_dup(plan->arena, e, sizeof *e);
    if (!copy || !(copy->args = ARENA_ARRAY(plan->arena, struct expr *, e->arg_count + 1)))
        return NULL;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (!(copy->args[i] = substitute(plan, e->args[i], rel, ok)))
            return NULL;
    return copy;
}

static kdk_status through_columns(struct plan *plan, struct rel *rel, struct exprs *conds,
                                  struct exprs *below, struct exprs *above, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < conds->count; i++) {
        struct colset used = {0};
        bool ok = true;
        struct expr *e = NULL;
        TRY(plan_expr_used(plan, conds->list[i], &used, err));
        if (movable(conds->list[i])) {
            e = substitute(plan, conds->list[i], rel, &ok);
            if (!e && ok)
                TRY(err_nomem(err));
        }
        if (e && ok)
            TRY(exprs_add(plan, below, e, err));
        else
            TRY(exprs_add(plan, above, conds->list[i], err));
    }
out:
    return status;
}

static kdk_status push_join(struct plan *plan, struct rel **slot, struct exprs *conds,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;
    struct colset left = {0}, right = {0};
    struct exprs to_left = {0}, to_right = {0}, own = {0}, above = {0}, all = {0};

    TRY(plan_rel_visible(plan, rel->in[0], &left, err));
    TRY(plan_rel_visible(plan, rel->in[1], &right, err));
    if (rel->join == JOIN_LEFT || rel->join == JOIN_SINGLE)
        for (uint32_t i = 0; i < conds->count && rel->join == JOIN_LEFT; i++)
            if (movable(conds->list[i]) && rejects_null(conds->list[i], &right))
                rel->join = JOIN_INNER;

    for (uint32_t i = 0; i < conds->count; i++) {
        struct colset used = {0};
        struct expr *cond = conds->list[i];
        TRY(plan_expr_used(plan, cond, &used, err));
        if (!movable(cond))
            TRY(exprs_add(plan, &above, cond, err));
        else if (rel->join == JOIN_INNER)
            TRY(exprs_add(plan, &all, cond, err));
        else if (rel->join != JOIN_FULL && colset_covers(&left, &used))
            TRY(exprs_add(plan, &to_left, cond, err));
        else
            TRY(exprs_add(plan, &above, cond, err));
    }
    for (uint32_t i = 0; i < rel->cond_count; i++) {
        if (rel->join == JOIN_MARK) {
            TRY(exprs_add(plan, &own, rel->conds[i], err));
        } else {
            struct exprs split = {0};
            TRY(exprs_add_split(plan, &split, rel->conds[i], err));
            for (uint32_t k = 0; k < split.count; k++)
                TRY(factor(plan, split.list[k], &all, err));
        }
    }
    for (uint32_t i = 0; i < all.count; i++) {
        struct expr *cond = all.list[i], *derived;
        struct colset used = {0};
        bool inner = rel->join == JOIN_INNER || rel->join == JOIN_SEMI;
        TRY(plan_expr_used(plan, cond, &used, err));
        if (!movable(cond) || rel->join == JOIN_FULL) {
            TRY(exprs_add(plan, &own, cond, err));
        } else if (inner && colset_covers(&left, &used)) {
            TRY(exprs_add(plan, &to_left, cond, err));
        } else if (colset_covers(&right, &used) && colset_meets(&right, &used)) {
            TRY(exprs_add(plan, &to_right, cond, err));
        } else {
            TRY(exprs_add(plan, &own, cond, err));
            if (inner) {
                TRY(implied(plan, cond, &left, &derived, err));
                if (derived)
                    TRY(exprs_add(plan, &to_left, derived, err));
            }
            TRY(implied(plan, cond, &right, &derived, err));
            if (derived)
                TRY(exprs_add(plan, &to_right, derived, err));
        }
    }
    rel->conds = own.list;
    rel->cond_count = own.count;
    TRY(push_down(plan, &rel->in[0], &to_left, err));
    TRY(push_down(plan, &rel->in[1], &to_right, err));

    /* A selective semi or anti join moves to the side of an inner join that it asks
     * about. */
    if ((rel->join == JOIN_SEMI || rel->join == JOIN_ANTI) &&
        rel->in[0]->kind == REL_JOIN && rel->in[0]->join == JOIN_INNER) {
        struct rel *join = rel->in[0];
        struct colset used = {0};
        bool fails = false;
        for (uint32_t i = 0; i < rel->cond_count; i++) {
            TRY(plan_expr_used(plan, rel->conds[i], &used, err));
            /* Not on rows that the other join would drop (R3). */
            fails |= !movable(rel->conds[i]);
        }
        for (uint32_t side = 0; side < 2; side++) {
            struct colset made = {0}, other = {0};
            struct exprs none = {0};
            TRY(plan_rel_visible(plan, join->in[side], &made, err));
            TRY(plan_rel_visible(plan, join->in[1 - side], &other, err));
            if (fails || colset_meets(&used, &other) || !colset_meets(&used, &made) ||
                plan_rows(plan, rel->in[1]) * 2 > plan_rows(plan, join->in[side]))
                continue;
            rel->in[0] = join->in[side];
            join->in[side] = rel;
            TRY(push_down(plan, &join->in[side], &none, err));
            rel = join;
            break;
        }
    }
    TRY(plan_rel_filter(plan, rel, &above, slot, err));
out:
    return status;
}

static kdk_status push_down(struct plan *plan, struct rel **slot, struct exprs *conds,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;
    struct exprs below = {0}, above = {0}, none = {0};

    if (++plan->depth > SQL_DEPTH_MAX)
        TRY(err_set(err, KDK_TOO_COMPLEX, "query is nested too deeply"));
    switch (rel->kind) {
    case REL_FILTER:
        for (uint32_t i = 0; i < conds->count; i++)
            TRY(exprs_add(plan, &below, conds->list[i], err));
        for (uint32_t i = 0; i < rel->cond_count; i++) {
            struct exprs split = {0}, parts = {0};
            TRY(exprs_add_split(plan, &split, rel->conds[i], err));
            for (uint32_t k = 0; k < split.count; k++)
                TRY(factor(plan, split.list[k], &parts, err));
            for (uint32_t k = 0; k < parts.count; k++)
                if (!plan_expr_is_true(parts.list[k]))
                    TRY(exprs_add(plan, movable(parts.list[k]) ? &below : &above,
                                  parts.list[k], err));
        }
        TRY(push_down(plan, &rel->in[0], &below, err));
        TRY(plan_rel_filter(plan, rel->in[0], &above, slot, err));
        break;
    case REL_PROJECT:
        TRY(through_columns(plan, rel, conds, &below, &above, err));
        TRY(push_down(plan, &rel->in[0], &below, err));
        TRY(plan_rel_filter(plan, rel, &above, slot, err));
        break;
    case REL_AGG:
        if (rel->col_count)
            TRY(through_columns(plan, rel, conds, &below, &above, err));
        else
            above = *conds;
        TRY(push_down(plan, &rel->in[0], &below, err));
        TRY(plan_rel_filter(plan, rel, &above, slot, err));
        break;
    case REL_DISTINCT:
    case REL_SORT:
        if (rel->kind == REL_DISTINCT ? rel->key_count == 0
                                      : !rel->limit && !rel->count_offset) {
            for (uint32_t i = 0; i < conds->count; i++)
                TRY(exprs_add(plan, movable(conds->list[i]) ? &below : &above,
                              conds->list[i], err));
        } else {
            above = *conds;
        }
        TRY(push_down(plan, &rel->in[0], &below, err));
        TRY(plan_rel_filter(plan, rel, &above, slot, err));
        break;
    case REL_JOIN:
        TRY(push_join(plan, slot, conds, err));
        break;
    case REL_SETOP:
        for (uint32_t side = 0; side < 2; side++) {
            struct exprs copies = {0};
            struct colmap map = {0};
            for (uint32_t c = 0; c < rel->col_count; c++)
                TRY(colmap_add(plan, &map, rel->cols[c].id,
                               side ? rel->right[c] : rel->left[c], err));
            for (uint32_t i = 0; i < conds->count; i++) {
                struct expr *copy;
                if (!movable(conds->list[i]))
                    continue;
                TRY_MEM(copy = plan_expr_copy(plan, conds->list[i]));
                plan_expr_rename(copy, &map);
                TRY(exprs_add(plan, &copies, copy, err));
            }
            TRY(push_down(plan, &rel->in[side], &copies, err));
        }
        for (uint32_t i = 0; i < conds->count; i++)
            if (!movable(conds->list[i]))
                TRY(exprs_add(plan, &above, conds->list[i], err));
        TRY(plan_rel_filter(plan, rel, &above, slot, err));
        break;
    case REL_CTE:
        for (uint32_t i = 0; i < rel->cte_count; i++)
            TRY(push_down(plan, &rel->ctes[i]->rel, &none, err));
        TRY(push_down(plan, &rel->in[0], conds, err));
        break;
    case REL_LIMIT:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        TRY(push_down(plan, &rel->in[0], &none, err));
        if (rel->in[1])
            TRY(push_down(plan, &rel->in[1], &none, err));
        TRY(plan_rel_filter(plan, rel, conds, slot, err));
        break;
    case REL_SCAN:
    case REL_FILE:
    case REL_SERIES:
    case REL_VALUES:
    case REL_CTE_REF:
        TRY(plan_rel_filter(plan, rel, conds, slot, err));
        break;
    }
out:
    plan->depth--;
    return status;
}

kdk_status plan_push(struct plan *plan, struct rel **rel, struct err *err)
{
    struct exprs none = {0};
    return push_down(plan, rel, &none, err);
}
