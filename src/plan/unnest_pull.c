/* unnest_pull.c - correlated conditions move up out of a subquery, where they can. */
#include "plan/unnest_int.h"

static kdk_status names_outer(struct pull *pull, const struct expr *expr, bool *yes,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset used = {0};
    TRY(plan_expr_used(pull->plan, expr, &used, err));
    *yes = colset_meets(&used, &pull->outer);
out:
    return status;
}

/* outer expression = inner expression? */
static kdk_status is_equation(struct pull *pull, const struct expr *cond, bool *yes,
                              uint32_t *inner_side, struct err *err)
{
    kdk_status status = KDK_OK;
    *yes = false;
    if (cond->kind != EX_CALL || fn_comparison_kind(cond->fn) != CMP_EQ)
        goto out;
    for (uint32_t side = 0; side < 2; side++) {
        struct colset inner = {0}, outer = {0};
        TRY(plan_expr_used(pull->plan, cond->args[side], &inner, err));
        TRY(plan_expr_used(pull->plan, cond->args[1 - side], &outer, err));
        if (!colset_meets(&inner, &pull->outer) && colset_covers(&pull->outer, &outer)) {
            *yes = true;
            *inner_side = side;
            goto out;
        }
    }
out:
    return status;
}

static kdk_status correlated(struct pull *pull, const struct rel *rel, bool *yes,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset names = {0};
    TRY(plan_rel_free(pull->plan, rel, &names, err));
    *yes = colset_meets(&names, &pull->outer);
out:
    return status;
}

static kdk_status conds_pullable(struct pull *pull, const struct rel *rel, bool grouped,
                                 bool *ok, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->cond_count && *ok; i++) {
        bool outer;
        uint32_t side;
        TRY(names_outer(pull, rel->conds[i], &outer, err));
        if (!outer)
            continue;
        pull->cond_count++;
        pull->fail_count += rel->conds[i]->can_fail;
        if (rel->conds[i]->is_volatile)
            *ok = false;
        else if (grouped)
            TRY(is_equation(pull, rel->conds[i], ok, &side, err));
    }
out:
    return status;
}

struct names_outer_slot {
    struct pull *pull;
    bool found;
};

static kdk_status own_slot(void *context, struct expr **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct names_outer_slot *own = context;
    bool outer;
    TRY(names_outer(own->pull, *slot, &outer, err));
    own->found |= outer;
out:
    return status;
}

static bool limit_at_least_one(const struct rel *rel)
{
    const struct expr *limit = rel->limit;
    return !rel->count_offset && (!limit || (limit->kind == EX_CONST &&
                                             (limit->value.null || limit->value.i > 0)));
}

/* top: only projections stand above. grouped: some grouping stands above. */
kdk_status unnest_pullable(struct pull *pull, struct rel *rel, bool top, bool grouped,
                           bool *ok, struct err *err)
{
    kdk_status status = KDK_OK;
    struct names_outer_slot own = {pull, false};
    bool yes;

    TRY(correlated(pull, rel, &yes, err));
    if (!yes)
        goto out;
    switch (rel->kind) {
    case REL_FILTER:
        TRY(conds_pullable(pull, rel, grouped, ok, err));
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], false, grouped, ok, err));
        break;
    case REL_PROJECT:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found;
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], top, grouped, ok, err));
        break;
    case REL_JOIN:
        if (rel->join == JOIN_INNER) {
            TRY(conds_pullable(pull, rel, grouped, ok, err));
            for (uint32_t i = 0; i < 2 && *ok; i++)
                TRY(unnest_pullable(pull, rel->in[i], false, grouped, ok, err));
        } else if (rel->join == JOIN_FULL || rel->join == JOIN_RIGHT) {
            *ok = false;
        } else {
            TRY(plan_rel_each_expr(rel, own_slot, &own, err));
            TRY(correlated(pull, rel->in[1], &yes, err));
            *ok = !own.found && !yes;
            if (*ok)
                TRY(unnest_pullable(pull, rel->in[0], false, grouped, ok, err));
        }
        break;
    case REL_AGG:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found && (rel->col_count || (pull->scalar && top));
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], false, true, ok, err));
        break;
    case REL_DISTINCT:
        *ok = !rel->key_count && !pull->scalar;
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], false, true, ok, err));
        break;
    case REL_SORT:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found;
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], false, grouped, ok, err));
        break;
    case REL_LIMIT:
        *ok = pull->exists && limit_at_least_one(rel);
        if (*ok)
            TRY(unnest_pullable(pull, rel->in[0], false, grouped, ok, err));
        break;
    case REL_SCAN:
    case REL_FILE:
    case REL_SERIES:
    case REL_VALUES:
    case REL_SETOP:
    case REL_CTE:
    case REL_CTE_REF:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        *ok = false;
        break;
    }
out:
    return status;
}

static kdk_status conds_pull(struct pull *pull, struct rel *rel, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rel->cond_count; i++) {
        bool outer;
        TRY(names_outer(pull, rel->conds[i], &outer, err));
        if (outer)
            TRY(exprs_add(pull->plan, &pull->conds, rel->conds[i], err));
        else
            rel->conds[kept++] = rel->conds[i];
    }
    rel->cond_count = kept;
out:
    return status;
}

/* Inner columns of pulled conditions are handed on by the projection. */
static kdk_status project_for(struct pull *pull, struct rel *project,
                              const struct colset *below, struct expr *expr,
                              struct colmap *map, struct err *err)
{
    kdk_status status = KDK_OK;
    if (expr->kind == EX_COLUMN && colset_has(below, expr->column) &&
        colmap_get(map, expr->column) == expr->column) {
        colid id;
        struct expr *column;
        TRY_MEM(column = plan_expr_column(pull->plan, expr->column, expr->type));
        TRY(unnest_col_append(pull->plan, project, column, &id, err));
        TRY(colmap_add(pull->plan, map, expr->column, id, err));
    }
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(project_for(pull, project, below, expr->args[i], map, err));
out:
    return status;
}

kdk_status unnest_pull_up(struct pull *pull, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;
    bool yes;

    TRY(correlated(pull, rel, &yes, err));
    if (!yes)
        goto out;
    switch (rel->kind) {
    case REL_FILTER:
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        TRY(conds_pull(pull, rel, err));
        if (!rel->cond_count)
            *slot = rel->in[0];
        break;
    case REL_PROJECT: {
        struct colset below = {0};
        struct colmap map = {0};
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        TRY(plan_rel_visible(pull->plan, rel->in[0], &below, err));
        for (uint32_t i = 0; i < pull->conds.count; i++) {
            TRY_MEM(pull->conds.list[i] = plan_expr_copy(pull->plan, pull->conds.list[i]));
            TRY(project_for(pull, rel, &below, pull->conds.list[i], &map, err));
            plan_expr_rename(pull->conds.list[i], &map);
        }
        break;
    }
    case REL_JOIN: {
        struct exprs before = pull->conds, all = {0};
        pull->conds = (struct exprs){0};
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        for (uint32_t i = 0; i < pull->conds.count; i++)
            TRY(exprs_add(pull->plan, &all, pull->conds.list[i], err));
        if (rel->join == JOIN_INNER) {
            pull->conds = (struct exprs){0};
            TRY(unnest_pull_up(pull, &rel->in[1], err));
            TRY(conds_pull(pull, rel, err));
            for (uint32_t i = 0; i < pull->conds.count; i++)
                TRY(exprs_add(pull->plan, &all, pull->conds.list[i], err));
        }
        pull->conds = before;
        for (uint32_t i = 0; i < all.count; i++)
            TRY(exprs_add(pull->plan, &pull->conds, all.list[i], err));
        break;
    }
    case REL_AGG:
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        if (!rel->col_count)
            pull->ungrouped = rel;
        for (uint32_t i = 0; i < pull->conds.count; i++) {
            uint32_t side = 0;
            struct expr *cond, *column;
            colid id;
            TRY(is_equation(pull, pull->conds.list[i], &yes, &side, err));
            TRY_ASSERT(yes);
            TRY_MEM(cond = plan_expr_copy(pull->plan, pull->conds.list[i]));
            TRY(unnest_col_append(pull->plan, rel, cond->args[side], &id, err));
            TRY_MEM(column = plan_expr_column(pull->plan, id, cond->args[side]->type));
            cond->args[side] = column;
            pull->conds.list[i] = cond;
        }
        break;
    case REL_DISTINCT:
    case REL_SORT:
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        break;
    case REL_LIMIT:
        TRY(unnest_pull_up(pull, &rel->in[0], err));
        *slot = rel->in[0];
        break;
    case REL_SCAN:
    case REL_FILE:
    case REL_SERIES:
    case REL_VALUES:
    case REL_SETOP:
    case REL_CTE:
    case REL_CTE_REF:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        TRY_ASSERT(false);
    }
out:
    return status;
}
