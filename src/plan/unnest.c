/* unnest.c - subqueries become joins.
 *
 * Every EX_SUBQUERY is replaced by a column of a join that is put on the input of the
 * operator it stands in: SINGLE for a scalar one, MARK for EXISTS, ANY and ALL, or SEMI and
 * ANTI where only true rows count. If the subquery names columns of that input, the join is
 * a dependent one, which is made an ordinary one in one of two ways:
 *
 *   Pulling up  Correlated conditions in filters and inner joins move up into the join's
 *               condition, through projections (which then hand on what the condition
 *               needs) and, when they are equations, through grouping (which then groups by
 *               the inner side). Nothing is computed twice and no duplicates need be
 *               removed. An aggregate without GROUP BY becomes a grouped one under a left
 *               join; what it gives for no rows (count: 0) is put back above the join.
 *   In general  after Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015): with D
 *               the distinct values of the outer columns, L dep-join R = L join (D dep-join
 *               R) on D's columns (NULLs equal), and D is pushed down R until nothing below
 *               names it. L is kept as a common table, since it is read twice.
 */
#include "plan/unnest_int.h"

/* ------------------------------------------------------------------ dependent joins ---- */

static double largest_scan(struct plan *plan, struct rel *rel)
{
    double rows = rel->kind == REL_SCAN ? plan_rows(plan, rel) : 0;
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            rows = MAX(rows, largest_scan(plan, rel->in[i]));
    return rows;
}

/* Is the subquery's aggregate better computed for the few values that ask than for all
 * groups of a large table? */
static bool few_ask(struct plan *plan, struct rel *left, struct rel *right)
{
    while (right->kind == REL_PROJECT)
        right = right->in[0];
    return plan->env->optimize && right->kind == REL_AGG && !right->col_count &&
           plan_rows(plan, left) * 20 < largest_scan(plan, right);
}

/* Makes a join of `left` and `right` that needs no lateral; conds are over both. *value, if
 * given, is the scalar subquery's value and may be replaced. */
static kdk_status dependent_join(struct plan *plan, enum join_kind kind, colid mark,
                                 struct rel *left, struct rel *right,
                                 const struct exprs *conds, bool exists,
                                 struct expr **value, struct rel **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pull pull = {.plan = plan,
                        .scalar =
                            kind == JOIN_SINGLE || kind == JOIN_LEFT || kind == JOIN_INNER,
                        .exists = exists};
    struct colset names = {0};
    struct exprs all = {0};
    struct rel *join;
    bool ok = true;

    for (uint32_t i = 0; i < conds->count; i++)
        TRY(exprs_add(plan, &all, conds->list[i], err));
    TRY_MEM(join = plan_rel_new(plan, REL_JOIN, left, right));
    join->join = kind;
    join->mark = mark;
    TRY(plan_rel_visible(plan, left, &pull.outer, err));
    TRY(plan_rel_free(plan, right, &names, err));
    if (!colset_meets(&names, &pull.outer))
        goto done;

    /* A FROM clause's lateral join must not change when an aggregate below it has no rows:
     * only a scalar value can be mended. */
    if (pull.scalar && !value)
        pull.scalar = false;
    if (pull.scalar && few_ask(plan, left, right))
        ok = false;
    else
        TRY(unnest_pullable(&pull, right, true, false, &ok, err));
    /* A condition that can fail may become a key, which is evaluated before the other
     * conditions of the join: so only if there are none (P2). */
    if (pull.fail_count && pull.cond_count > 1)
        ok = false;
    if (ok) {
        TRY(unnest_pull_up(&pull, &join->in[1], err));
        for (uint32_t i = 0; i < pull.conds.count; i++) {
            struct expr *cond = pull.conds.list[i];
            if (kind == JOIN_MARK)
                TRY_MEM(cond = unnest_is_true(plan, cond));
            TRY(exprs_add(plan, &all, cond, err));
        }
        if (pull.ungrouped) {
            /* Projections above the aggregate move above the join. */
            while (join->in[1] != pull.ungrouped) {
                struct rel *project = join->in[1];
                TRY_ASSERT(project->kind == REL_PROJECT);
                struct expr *inlined = NULL;
                for (uint32_t i = 0; i < project->col_count; i++)
                    if ((*value)->kind == EX_COLUMN &&
                        (*value)->column == project->cols[i].id)
                        inlined = project->cols[i].expr;
                if (inlined) {
                    *value = inlined;
                } else {
                    for (uint32_t i = 0; i < project->col_count; i++) {
                        struct colmap map = {0};
                        if (project->cols[i].expr->kind != EX_COLUMN)
                            continue;
                        TRY(colmap_add(plan, &map, project->cols[i].id,
                                       project->cols[i].expr->column, err));
                        plan_expr_rename(*value, &map);
                    }
                }
                /* Conditions name the projection's columns for the groups. */
                for (uint32_t i = 0; i < project->col_count; i++) {
                    struct colmap map = {0};
                    if (project->cols[i].expr->kind != EX_COLUMN)
                        continue;
                    TRY(colmap_add(plan, &map, project->cols[i].id,
                                   project->cols[i].expr->column, err));
                    for (uint32_t c = 0; c < all.count; c++)
                        plan_expr_rename(all.list[c], &map);
                }
                join->in[1] = project->in[0];
            }
            TRY_MEM(*value = plan_expr_copy(plan, *value));
            struct expr **stack[256];
            uint32_t depth = 0;
            stack[depth++] = value;
            while (depth) {
                struct expr **at = stack[--depth];
                if ((*at)->kind == EX_COLUMN) {
                    for (uint32_t i = 0; i < pull.ungrouped->agg_count; i++)
                        if (pull.ungrouped->aggs[i].id == (*at)->column &&
                            unnest_is_count(&pull.ungrouped->aggs[i])) {
                            TRY_MEM(*at = unnest_or_zero(plan, *at));
                            break;
                        }
                    continue;
                }
                for (uint32_t i = 0; i < (*at)->arg_count; i++) {
                    if (depth == COUNT_OF(stack))
                        TRY(err_set(err, KDK_TOO_COMPLEX,
                                    "expression too complex in a subquery"));
                    stack[depth++] = &(*at)->args[i];
                }
            }
            join->join = JOIN_LEFT; /* Groups are unique: at most one matches. */
        }
        goto done;
    }

    /* In general. */
    struct dep dep = {.plan = plan};
    struct cols visible = {0};
    struct colmap fresh = {0};
    struct relcte *kept, *values;
    struct rel *with, *first, *again, *project, *distinct;
    colid *given, *ids, *ids_again;

    TRY(unnest_visible_cols(plan, left, &visible, err));
    TRY_MEM(dep.outer = ARENA_ARRAY(plan->arena, struct relcol, visible.count + 1));
    TRY_MEM(given = ARENA_ARRAY(plan->arena, colid, visible.count + 1));
    TRY_MEM(ids_again = ARENA_ARRAY(plan->arena, colid, visible.count + 1));
    for (uint32_t i = 0; i < visible.count; i++) {
        given[i] = visible.list[i].id;
        if (colset_has(&names, given[i]))
            dep.outer[dep.count++] = visible.list[i];
        TRY(colmap_add(plan, &fresh, given[i], plan_colid_new(plan), err));
    }
    TRY(unnest_rename_made(plan, left, &fresh, err));
    TRY(plan_rel_rename_free(plan, left, &fresh, err));
    TRY_MEM(kept = ARENA_NEW(plan->arena, struct relcte));
    kept->name = "outer";
    kept->rel = left;
    kept->column_count = visible.count;
    kept->columns = visible.list;
    for (uint32_t i = 0; i < visible.count; i++) {
        kept->columns[i].id = colmap_get(&fresh, given[i]);
        kept->columns[i].expr = NULL;
    }
    TRY_MEM(first = unnest_cte_ref(plan, kept, given, NULL));
    TRY_MEM(again = unnest_cte_ref(plan, kept, NULL, ids_again));
    TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, again, NULL));
    TRY_MEM(values = ARENA_NEW(plan->arena, struct relcte));
    for (uint32_t i = 0; i < dep.count; i++) {
        colid id;
        struct expr *column;
        for (uint32_t c = 0; c < visible.count; c++)
            if (given[c] == dep.outer[i].id) {
                TRY_MEM(column = plan_expr_column(plan, ids_again[c], dep.outer[i].type));
                TRY(unnest_col_append(plan, project, column, &id, err));
            }
    }
    TRY_MEM(distinct = plan_rel_new(plan, REL_DISTINCT, project, NULL));
    values->name = "values";
    values->rel = distinct;
    values->column_count = project->col_count;
    values->columns = project->cols;
    dep.values = values;
    TRY_MEM(ids = ARENA_ARRAY(plan->arena, colid, dep.count + 1));
    TRY(unnest_push(&dep, &join->in[1], ids, err));
    for (uint32_t i = 0; i < dep.count; i++)
        ids_again[i] = dep.outer[i].id;
    TRY(unnest_same_values(&dep, ids_again, ids, kind == JOIN_MARK, &all, err));
    join->in[0] = first;
    TRY_MEM(with = plan_rel_new(plan, REL_CTE, join, NULL));
    with->cte_count = 2;
    TRY_MEM(with->ctes = ARENA_ARRAY(plan->arena, struct relcte *, 2));
    with->ctes[0] = kept;
    with->ctes[1] = values;
    join->conds = all.list;
    join->cond_count = all.count;
    *out = with;
    goto out;
done:
    join->conds = all.list;
    join->cond_count = all.count;
    *out = join;
out:
    return status;
}

/* ---------------------------------------------------------------- expressions ---- */

struct extract {
    struct plan *plan;
    struct rel **input;
};

/* x op ANY (sub): the conditions of the mark; for ALL the negated ones. */
static kdk_status any_conds(struct plan *plan, const struct expr *sub, struct exprs *out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < sub->arg_count; i++) {
        struct expr *column, *cond;
        uint32_t op = sub->sub.ops[i];
        TRY_MEM(column = plan_expr_column(plan, sub->sub.columns[i], sub->args[i]->type));
        TRY_MEM(cond = plan_expr_new(plan, EX_CALL, LTYPE(BOOLEAN), 2));
        cond->fn = op;
        cond->offset = sub->offset;
        cond->args[0] = sub->args[i];
        cond->args[1] = column;
        struct cols visible = {0};
        TRY(unnest_visible_cols(plan, sub->sub.rel, &visible, err));
        for (uint32_t v = 0; v < visible.count; v++)
            if (visible.list[v].id == sub->sub.columns[i])
                column->type = visible.list[v].type;
        plan_expr_flags(cond);
        cond->can_fail |= fn_table[op].can_fail;
        TRY(exprs_add(plan, out, cond, err));
    }
    if (sub->sub.kind == SQ_ALL) {
        struct expr *all, *not ;
        if (out->count == 1 && fn_comparison_kind(out->list[0]->fn) != CMP_NONE) {
            out->list[0]->fn = fn_comparison_of(
                fn_comparison_negated(fn_comparison_kind(out->list[0]->fn)),
                out->list[0]->args[0]->type);
            goto out;
        }
        TRY_MEM(all = plan_expr_and(plan, out->list, out->count));
        TRY_MEM(not = plan_expr_new(plan, EX_NOT, LTYPE(BOOLEAN), 1));
        not ->args[0] = all;
        plan_expr_flags(not );
        *out = (struct exprs){0};
        TRY(exprs_add(plan, out, not, err));
    }
out:
    return status;
}

static kdk_status extract(struct extract *x, struct expr **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct plan *plan = x->plan;
    struct expr *expr = *slot;
    struct exprs conds = {0};

    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(extract(x, &expr->args[i], err));
    if (expr->kind != EX_SUBQUERY)
        goto out;
    TRY(plan_unnest(plan, &expr->sub.rel, err));
    switch (expr->sub.kind) {
    case SQ_SCALAR: {
        struct expr *value;
        TRY_MEM(value = plan_expr_column(plan, expr->sub.columns[0], expr->type));
        TRY(dependent_join(plan, JOIN_SINGLE, 0, *x->input, expr->sub.rel, &conds, false,
                           &value, x->input, err));
        *slot = value;
        break;
    }
    case SQ_EXISTS:
    case SQ_ANY:
    case SQ_ALL: {
        colid mark = plan_colid_new(plan);
        struct expr *column, *not ;
        TRY_MEM(column = plan_expr_column(plan, mark, LTYPE(BOOLEAN)));
        if (expr->sub.kind != SQ_EXISTS)
            TRY(any_conds(plan, expr, &conds, err));
        TRY(dependent_join(plan, JOIN_MARK, mark, *x->input, expr->sub.rel, &conds,
                           expr->sub.kind == SQ_EXISTS, NULL, x->input, err));
        *slot = column;
        if (expr->sub.kind == SQ_ALL) {
            TRY_MEM(not = plan_expr_new(plan, EX_NOT, LTYPE(BOOLEAN), 1));
            not ->args[0] = column;
            *slot = not ;
        }
        break;
    }
    }
out:
    return status;
}

static kdk_status extract_slot(void *context, struct expr **slot, struct err *err)
{
    return plan_expr_has_subquery(*slot) ? extract(context, slot, err) : KDK_OK;
}

/* A condition of WHERE, of which only true counts: EXISTS and ANY are semi joins, their
 * negations anti joins if that is the same. */
static kdk_status filter_cond(struct plan *plan, struct expr *cond, struct rel **input,
                              struct exprs *kept, struct err *err)
{
    kdk_status status = KDK_OK;
    struct extract x = {plan, input};
    struct expr *sub = cond->kind == EX_NOT ? cond->args[0] : cond;
    bool not = cond->kind == EX_NOT;
    struct exprs conds = {0};

    if (sub->kind == EX_SUBQUERY &&
        (sub->sub.kind == SQ_EXISTS || (sub->sub.kind == SQ_ANY && !not ))) {
        for (uint32_t i = 0; i < sub->arg_count; i++)
            TRY(extract(&x, &sub->args[i], err));
        TRY(plan_unnest(plan, &sub->sub.rel, err));
        if (sub->sub.kind == SQ_ANY)
            TRY(any_conds(plan, sub, &conds, err));
        TRY(dependent_join(plan, not ? JOIN_ANTI : JOIN_SEMI, 0, *input, sub->sub.rel,
                           &conds, sub->sub.kind == SQ_EXISTS, NULL, input, err));
        goto out;
    }
    TRY(extract(&x, &cond, err));
    TRY(exprs_add(plan, kept, cond, err));
out:
    return status;
}

static kdk_status has_slot(void *context, struct expr **slot, struct err *err)
{
    (void)err;
    *(bool *)context |= plan_expr_has_subquery(*slot);
    return KDK_OK;
}

static kdk_status rename_outer(struct plan *plan, struct expr *expr,
                               const struct colmap *map, struct err *err)
{
    kdk_status status = KDK_OK;
    if (expr->kind == EX_COLUMN)
        expr->column = colmap_get(map, expr->column);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(rename_outer(plan, expr->args[i], map, err));
    if (expr->kind == EX_SUBQUERY)
        TRY(plan_rel_rename_free(plan, expr->sub.rel, map, err));
out:
    return status;
}

/* Expressions of RETURNING with subqueries move into a projection above the change, which
 * hands on what they name. */
static kdk_status returning_above(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot, *top;
    struct rel_dml *dml = rel->dml;
    struct cols nameable = {0}, below = {0};
    struct colset used = {0};
    struct colmap map = {0};

    TRY(unnest_visible_cols(plan, rel->in[0], &nameable, err));
    for (uint32_t c = 0; dml->fresh && c < rel->table->column_count; c++)
        if (dml->fresh[c])
            TRY(unnest_cols_add(plan, &nameable,
                                (struct relcol){.id = dml->fresh[c],
                                                .type = rel->table->columns[c].type,
                                                .name = rel->table->columns[c].name},
                                err));
    TRY_MEM(top = plan_rel_new(plan, REL_PROJECT, rel, NULL));
    top->cols = dml->returning;
    top->col_count = dml->returning_count;
    for (uint32_t i = 0; i < top->col_count; i++) {
        struct relcol *col = &top->cols[i];
        if (plan_expr_has_subquery(col->expr)) {
            TRY(plan_expr_used(plan, col->expr, &used, err));
            continue;
        }
        struct relcol made = *col;
        made.id = plan_colid_new(plan);
        TRY(unnest_cols_add(plan, &below, made, err));
        TRY_MEM(col->expr = plan_expr_column(plan, made.id, made.type));
    }
    for (uint32_t i = 0; i < nameable.count; i++) {
        struct relcol made = nameable.list[i];
        if (!colset_has(&used, made.id))
            continue;
        TRY_MEM(made.expr = plan_expr_column(plan, made.id, made.type));
        made.id = plan_colid_new(plan);
        TRY(colmap_add(plan, &map, nameable.list[i].id, made.id, err));
        TRY(unnest_cols_add(plan, &below, made, err));
    }
    for (uint32_t i = 0; i < top->col_count; i++)
        TRY(rename_outer(plan, top->cols[i].expr, &map, err));
    if (!below.count) { /* Something must tell that there is a row. */
        struct relcol one = {
            .id = plan_colid_new(plan), .type = LTYPE(BOOLEAN), .name = "row"};
        TRY_MEM(one.expr = plan_expr_new(plan, EX_CONST, LTYPE(BOOLEAN), 0));
        TRY(unnest_cols_add(plan, &below, one, err));
    }
    dml->returning = below.list;
    dml->returning_count = below.count;
    struct extract x = {plan, &top->in[0]};
    TRY(plan_rel_each_expr(top, extract_slot, &x, err));
    *slot = top;
out:
    return status;
}

/* The conditions of a join that have subqueries, or of them those that name both sides,
 * become a filter on the right side, which then names columns of the left one. */
static kdk_status conds_to_right(struct plan *plan, struct rel *join, bool both_sides_only,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct exprs moved = {0}, plain = {0};
    struct colset left = {0}, right = {0};
    uint32_t kept = 0;

    TRY(plan_rel_visible(plan, join->in[0], &left, err));
    TRY(plan_rel_visible(plan, join->in[1], &right, err));
    for (uint32_t i = 0; i < join->cond_count; i++) {
        struct colset used = {0};
        bool move = plan_expr_has_subquery(join->conds[i]);
        if (move && both_sides_only) {
            TRY(plan_expr_used(plan, join->conds[i], &used, err));
            move = colset_meets(&used, &left) && colset_meets(&used, &right);
        }
        if (move)
            TRY(exprs_add(plan, &moved, join->conds[i], err));
        else
            join->conds[kept++] = join->conds[i];
    }
    join->cond_count = kept;
    for (uint32_t i = 0; i < moved.count; i++)
        TRY(filter_cond(plan, moved.list[i], &join->in[1], &plain, err));
    TRY(plan_rel_filter(plan, join->in[1], &plain, &join->in[1], err));
out:
    return status;
}

kdk_status plan_unnest(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;
    bool subqueries = false;

    if (++plan->depth > SQL_DEPTH_MAX)
        TRY(err_set(err, KDK_TOO_COMPLEX, "query is nested too deeply"));
    if (rel->kind == REL_JOIN && rel->join == JOIN_RIGHT) {
        /* From here on a RIGHT join is a LEFT one with its sides exchanged. */
        struct rel *left = rel->in[0];
        rel->in[0] = rel->in[1];
        rel->in[1] = left;
        rel->join = JOIN_LEFT;
    }
    TRY(plan_rel_each_expr(rel, has_slot, &subqueries, err));
    if (subqueries && rel->kind == REL_VALUES) {
        TRY(plan_values_to_projects(plan, slot, err));
        TRY(plan_unnest(plan, slot, err));
        goto out;
    }
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(plan_unnest(plan, &rel->ctes[i]->rel, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(plan_unnest(plan, &rel->in[i], err));

    if (rel->kind == REL_JOIN && rel->lateral) {
        struct rel *join;
        TRY_ASSERT(rel->join == JOIN_INNER || rel->join == JOIN_LEFT);
        if (subqueries)
            TRY(conds_to_right(plan, rel, false, err));
        struct exprs conds = {rel->conds, rel->cond_count, rel->cond_count};
        TRY(dependent_join(plan, rel->join, 0, rel->in[0], rel->in[1], &conds, false, NULL,
                           &join, err));
        *slot = join;
        goto out;
    }
    if (!subqueries)
        goto out;
    switch (rel->kind) {
    case REL_FILTER: {
        struct exprs plain = {0}, kept = {0};
        struct rel *input;
        /* What needs no subquery comes first. */
        for (uint32_t i = 0; i < rel->cond_count; i++)
            if (!plan_expr_has_subquery(rel->conds[i]))
                TRY(exprs_add(plan, &plain, rel->conds[i], err));
        TRY(plan_rel_filter(plan, rel->in[0], &plain, &input, err));
        for (uint32_t i = 0; i < rel->cond_count; i++)
            if (plan_expr_has_subquery(rel->conds[i]))
                TRY(filter_cond(plan, rel->conds[i], &input, &kept, err));
        TRY(plan_rel_filter(plan, input, &kept, slot, err));
        break;
    }
    case REL_PROJECT:
    case REL_AGG:
    case REL_SORT:
    case REL_DISTINCT: {
        struct extract x = {plan, &rel->in[0]};
        TRY(plan_rel_each_expr(rel, extract_slot, &x, err));
        break;
    }
    case REL_JOIN: {
        if (rel->join == JOIN_INNER) {
            struct exprs with = {0};
            uint32_t kept = 0;
            struct rel *filter;
            for (uint32_t i = 0; i < rel->cond_count; i++)
                if (plan_expr_has_subquery(rel->conds[i]))
                    TRY(exprs_add(plan, &with, rel->conds[i], err));
                else
                    rel->conds[kept++] = rel->conds[i];
            rel->cond_count = kept;
            TRY_MEM(filter = plan_rel_new(plan, REL_FILTER, rel, NULL));
            filter->conds = with.list;
            filter->cond_count = with.count;
            struct rel *input = rel;
            struct exprs left = {0};
            for (uint32_t i = 0; i < with.count; i++)
                TRY(filter_cond(plan, with.list[i], &input, &left, err));
            TRY(plan_rel_filter(plan, input, &left, slot, err));
            break;
        }
        bool dependent = false;
        for (uint32_t i = 0; i < rel->cond_count; i++) {
            struct colset used = {0}, left = {0}, right = {0};
            if (!plan_expr_has_subquery(rel->conds[i]))
                continue;
            TRY(plan_expr_used(plan, rel->conds[i], &used, err));
            TRY(plan_rel_visible(plan, rel->in[0], &left, err));
            TRY(plan_rel_visible(plan, rel->in[1], &right, err));
            if (colset_meets(&used, &left) && colset_meets(&used, &right)) {
                if (rel->join == JOIN_FULL)
                    TRY(err_set(err, KDK_UNSUPPORTED,
                                "a subquery in the condition of a FULL join that names "
                                "both sides is not supported"));
                dependent = true;
                continue;
            }
            struct extract x = {plan, &rel->in[colset_meets(&used, &left) ? 0 : 1]};
            TRY(extract(&x, &rel->conds[i], err));
        }
        if (dependent) {
            TRY(conds_to_right(plan, rel, true, err));
            struct exprs conds = {rel->conds, rel->cond_count, rel->cond_count};
            TRY(dependent_join(plan, rel->join, 0, rel->in[0], rel->in[1], &conds, false,
                               NULL, slot, err));
        }
        break;
    }
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE: {
        struct extract x = {plan, &rel->in[0]};
        bool returning = false;
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            returning |= plan_expr_has_subquery(rel->dml->returning[i].expr);
        for (uint32_t i = 0; i < rel->dml->set_count; i++)
            TRY(extract_slot(&x, &rel->dml->set[i], err));
        if (returning)
            TRY(returning_above(plan, slot, err));
        break;
    }
    case REL_LIMIT: {
        /* They are joined to one empty row, which gives the counts. */
        struct extract x = {plan, &rel->in[1]};
        TRY_MEM(rel->in[1] = plan_rel_new(plan, REL_VALUES, NULL, NULL));
        rel->in[1]->row_count = 1;
        TRY_MEM(rel->in[1]->rows = ARENA_ARRAY(plan->arena, struct expr **, 1));
        if (rel->limit)
            TRY(extract_slot(&x, &rel->limit, err));
        if (rel->count_offset)
            TRY(extract_slot(&x, &rel->count_offset, err));
        break;
    }
    case REL_SCAN:
    case REL_FILE:
    case REL_SERIES:
    case REL_VALUES:
    case REL_SETOP:
    case REL_CTE:
    case REL_CTE_REF:
    case REL_COPY_TO:
        TRY(err_set(err, KDK_UNSUPPORTED, "a subquery is not supported here"));
        break;
    }
out:
    plan->depth--;
    return status;
}
