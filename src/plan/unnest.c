/* unnest.c - subqueries become joins.
 *
 * Every EX_SUBQUERY is replaced by a column of a join that is put on the input of the operator it stands in: SINGLE for a scalar one, MARK for EXISTS, ANY and ALL, or SEMI and ANTI where only true rows
 * count. If the subquery names columns of that input, the join is a dependent one, which is made an ordinary one in one of two ways:
 *
 *   Pulling up  Correlated conditions in filters and inner joins move up into the join's condition, through projections (which then hand on what
 *               the condition needs) and, when they are equations, through grouping (which then groups by the inner side). Nothing is computed twice and
 *               no duplicates need be removed. An aggregate without GROUP BY becomes a grouped one under a left join; what it gives for no rows
 *               (count: 0) is put back above the join.
 *   In general  after Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015): with D the distinct values of the outer columns, L dep-join R = L join (D dep-join R) on D's columns
 *               (NULLs equal), and D is pushed down R until nothing below names it. L is kept as a common table, since it is read twice.
 */
#include "plan/plan_int.h"

/* ---------------------------------------------------------- columns of trees ---- */

struct cols {
    struct relcol *list;
    uint32_t count, room;
};

static kdk_status cols_add(struct plan *plan, struct cols *cols, struct relcol col, struct err *err)
{
    if (cols->count == cols->room) {
        uint32_t room = cols->room ? cols->room * 2 : 8;
        struct relcol *grown = ARENA_ARRAY(plan->arena, struct relcol, room);
        if (!grown)
            return err_nomem(err);
        if (cols->count)
            memcpy(grown, cols->list, cols->count * sizeof *grown);
        cols->list = grown;
        cols->room = room;
    }
    cols->list[cols->count++] = col;
    return KDK_OK;
}

/* What a tree hands on, with types. */
static kdk_status visible_cols(struct plan *plan, const struct rel *rel, struct cols *out, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        TRY(cols_add(plan, out, rel->cols[i], err));
    for (uint32_t i = 0; i < rel->agg_count; i++)
        TRY(cols_add(plan, out, (struct relcol){.id = rel->aggs[i].id, .type = rel->aggs[i].type}, err));
    switch (rel->kind) {
    case REL_FILTER:
    case REL_DISTINCT:
    case REL_SORT:
    case REL_LIMIT:
    case REL_CTE:
    case REL_COPY_TO:
        TRY(visible_cols(plan, rel->in[0], out, err));
        break;
    case REL_JOIN:
        TRY(visible_cols(plan, rel->in[0], out, err));
        if (rel->join == JOIN_MARK)
            TRY(cols_add(plan, out, (struct relcol){.id = rel->mark, .type = LTYPE(BOOLEAN)}, err));
        else if (rel->join != JOIN_SEMI && rel->join != JOIN_ANTI)
            TRY(visible_cols(plan, rel->in[1], out, err));
        break;
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            TRY(cols_add(plan, out, rel->dml->returning[i], err));
        break;
    case REL_SERIES:
        if (rel->in[0])
            TRY(visible_cols(plan, rel->in[0], out, err));
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

/* Gives other ids to columns that the tree makes, wherever it names them. */
static kdk_status rename_made(struct plan *plan, struct rel *rel, const struct colmap *map, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        rel->cols[i].id = colmap_get(map, rel->cols[i].id);
    for (uint32_t i = 0; i < rel->agg_count; i++)
        rel->aggs[i].id = colmap_get(map, rel->aggs[i].id);
    if (rel->mark)
        rel->mark = colmap_get(map, rel->mark);
    if (rel->kind == REL_SETOP)
        for (uint32_t i = 0; i < rel->col_count; i++) {
            rel->left[i] = colmap_get(map, rel->left[i]);
            rel->right[i] = colmap_get(map, rel->right[i]);
        }
    for (uint32_t i = 0; rel->dml && i < rel->dml->returning_count; i++)
        rel->dml->returning[i].id = colmap_get(map, rel->dml->returning[i].id);
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        for (uint32_t c = 0; c < rel->ctes[i]->column_count; c++)
            rel->ctes[i]->columns[c].id = colmap_get(map, rel->ctes[i]->columns[c].id);
        TRY(rename_made(plan, rel->ctes[i]->rel, map, err));
    }
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(rename_made(plan, rel->in[i], map, err));
out:
    return status;
}

/* Adds a column to a PROJECT or AGG that hands on `expr`; its id. */
static kdk_status col_append(struct plan *plan, struct rel *rel, struct expr *expr, colid *id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct relcol *grown;
    TRY_MEM(grown = ARENA_ARRAY(plan->arena, struct relcol, rel->col_count + 1));
    if (rel->col_count)
        memcpy(grown, rel->cols, rel->col_count * sizeof *grown);
    *id = plan_colid_new(plan);
    grown[rel->col_count] = (struct relcol){.id = *id, .type = expr->type, .name = "?column?", .expr = expr};
    rel->cols = grown;
    rel->col_count++;
out:
    return status;
}

static bool is_count(const struct relagg *agg)
{
    return strcmp(fn_table[agg->fn].name, "count") == 0;
}

/* `column`, or 0 for NULL. */
static struct expr *or_zero(struct plan *plan, struct expr *column)
{
    struct expr *zero = plan_expr_new(plan, EX_CONST, column->type, 0), *e = plan_expr_new(plan, EX_COALESCE, column->type, 2);
    if (!zero || !e)
        return NULL;
    e->args[0] = column;
    e->args[1] = zero;
    return e;
}

static struct expr *is_true(struct plan *plan, struct expr *cond)
{
    struct expr *e = plan_expr_new(plan, EX_IS_TRUE, LTYPE(BOOLEAN), 1);
    if (e) {
        e->args[0] = cond;
        plan_expr_flags(e);
    }
    return e;
}

/* ----------------------------------------------------------------- pulling up ---- */

struct pull {
    struct plan *plan;
    struct colset outer; /* columns of the left side */
    bool scalar, exists;
    struct exprs conds; /* pulled so far, over outer columns and what the tree hands on */
    struct rel *ungrouped; /* the aggregate that was without GROUP BY */
    uint32_t cond_count, fail_count; /* to be pulled, and those of them that can fail */
};

static kdk_status names_outer(struct pull *pull, const struct expr *expr, bool *yes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset used = {0};
    TRY(plan_expr_used(pull->plan, expr, &used, err));
    *yes = colset_meets(&used, &pull->outer);
out:
    return status;
}

/* outer expression = inner expression? */
static kdk_status is_equation(struct pull *pull, const struct expr *cond, bool *yes, uint32_t *inner_side, struct err *err)
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

static kdk_status correlated(struct pull *pull, const struct rel *rel, bool *yes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset names = {0};
    TRY(plan_rel_free(pull->plan, rel, &names, err));
    *yes = colset_meets(&names, &pull->outer);
out:
    return status;
}

static kdk_status conds_pullable(struct pull *pull, const struct rel *rel, bool grouped, bool *ok, struct err *err)
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
    return !rel->count_offset && (!limit || (limit->kind == EX_CONST && (limit->value.null || limit->value.i > 0)));
}

/* top: only projections stand above. grouped: some grouping stands above. */
static kdk_status pullable(struct pull *pull, struct rel *rel, bool top, bool grouped, bool *ok, struct err *err)
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
            TRY(pullable(pull, rel->in[0], false, grouped, ok, err));
        break;
    case REL_PROJECT:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found;
        if (*ok)
            TRY(pullable(pull, rel->in[0], top, grouped, ok, err));
        break;
    case REL_JOIN:
        if (rel->join == JOIN_INNER) {
            TRY(conds_pullable(pull, rel, grouped, ok, err));
            for (uint32_t i = 0; i < 2 && *ok; i++)
                TRY(pullable(pull, rel->in[i], false, grouped, ok, err));
        } else if (rel->join == JOIN_FULL || rel->join == JOIN_RIGHT) {
            *ok = false;
        } else {
            TRY(plan_rel_each_expr(rel, own_slot, &own, err));
            TRY(correlated(pull, rel->in[1], &yes, err));
            *ok = !own.found && !yes;
            if (*ok)
                TRY(pullable(pull, rel->in[0], false, grouped, ok, err));
        }
        break;
    case REL_AGG:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found && (rel->col_count || (pull->scalar && top));
        if (*ok)
            TRY(pullable(pull, rel->in[0], false, true, ok, err));
        break;
    case REL_DISTINCT:
        *ok = !rel->key_count && !pull->scalar;
        if (*ok)
            TRY(pullable(pull, rel->in[0], false, true, ok, err));
        break;
    case REL_SORT:
        TRY(plan_rel_each_expr(rel, own_slot, &own, err));
        *ok = !own.found;
        if (*ok)
            TRY(pullable(pull, rel->in[0], false, grouped, ok, err));
        break;
    case REL_LIMIT:
        *ok = pull->exists && limit_at_least_one(rel);
        if (*ok)
            TRY(pullable(pull, rel->in[0], false, grouped, ok, err));
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
static kdk_status project_for(struct pull *pull, struct rel *project, const struct colset *below, struct expr *expr,
                              struct colmap *map, struct err *err)
{
    kdk_status status = KDK_OK;
    if (expr->kind == EX_COLUMN && colset_has(below, expr->column) && colmap_get(map, expr->column) == expr->column) {
        colid id;
        struct expr *column;
        TRY_MEM(column = plan_expr_column(pull->plan, expr->column, expr->type));
        TRY(col_append(pull->plan, project, column, &id, err));
        TRY(colmap_add(pull->plan, map, expr->column, id, err));
    }
    for (uint32_t i = 0; i < expr->arg_count; i++)
        TRY(project_for(pull, project, below, expr->args[i], map, err));
out:
    return status;
}

static kdk_status pull_up(struct pull *pull, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;
    bool yes;

    TRY(correlated(pull, rel, &yes, err));
    if (!yes)
        goto out;
    switch (rel->kind) {
    case REL_FILTER:
        TRY(pull_up(pull, &rel->in[0], err));
        TRY(conds_pull(pull, rel, err));
        if (!rel->cond_count)
            *slot = rel->in[0];
        break;
    case REL_PROJECT: {
        struct colset below = {0};
        struct colmap map = {0};
        TRY(pull_up(pull, &rel->in[0], err));
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
        TRY(pull_up(pull, &rel->in[0], err));
        for (uint32_t i = 0; i < pull->conds.count; i++)
            TRY(exprs_add(pull->plan, &all, pull->conds.list[i], err));
        if (rel->join == JOIN_INNER) {
            pull->conds = (struct exprs){0};
            TRY(pull_up(pull, &rel->in[1], err));
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
        TRY(pull_up(pull, &rel->in[0], err));
        if (!rel->col_count)
            pull->ungrouped = rel;
        for (uint32_t i = 0; i < pull->conds.count; i++) {
            uint32_t side = 0;
            struct expr *cond, *column;
            colid id;
            TRY(is_equation(pull, pull->conds.list[i], &yes, &side, err));
            TRY_ASSERT(yes);
            TRY_MEM(cond = plan_expr_copy(pull->plan, pull->conds.list[i]));
            TRY(col_append(pull->plan, rel, cond->args[side], &id, err));
            TRY_MEM(column = plan_expr_column(pull->plan, id, cond->args[side]->type));
            cond->args[side] = column;
            pull->conds.list[i] = cond;
        }
        break;
    case REL_DISTINCT:
    case REL_SORT:
        TRY(pull_up(pull, &rel->in[0], err));
        break;
    case REL_LIMIT:
        TRY(pull_up(pull, &rel->in[0], err));
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

/* --------------------------------------------------------------- in general ---- */

struct dep {
    struct plan *plan;
    uint32_t count;       /* outer columns that are named */
    struct relcol *outer;
    struct relcte *values; /* D */
    struct relcte *pushed[64]; /* CTEs that have D's columns */
    uint32_t pushed_count;
};

/* A new reading of a CTE; ids receives its columns. */
static struct rel *cte_ref(struct plan *plan, struct relcte *cte, const colid *given, colid *ids)
{
    struct rel *ref = plan_rel_new(plan, REL_CTE_REF, NULL, NULL);
    if (!ref)
        return NULL;
    ref->cte = cte;
    ref->alias = cte->name;
    ref->cols = ARENA_ARRAY(plan->arena, struct relcol, cte->column_count + 1);
    if (!ref->cols)
        return NULL;
    ref->col_count = cte->column_count;
    for (uint32_t i = 0; i < cte->column_count; i++) {
        ref->cols[i] = cte->columns[i];
        ref->cols[i].expr = NULL;
        ref->cols[i].id = given ? given[i] : plan_colid_new(plan);
        if (ids)
            ids[i] = ref->cols[i].id;
    }
    cte->ref_count++;
    return ref;
}

static bool names_pushed(const struct dep *dep, const struct rel *rel)
{
    if (rel->kind == REL_CTE_REF)
        for (uint32_t i = 0; i < dep->pushed_count; i++)
            if (dep->pushed[i] == rel->cte)
                return true;
    for (uint32_t i = 0; i < rel->cte_count; i++)
        if (names_pushed(dep, rel->ctes[i]->rel))
            return true;
    return (rel->in[0] && names_pushed(dep, rel->in[0])) || (rel->in[1] && names_pushed(dep, rel->in[1]));
}

static kdk_status depends(const struct dep *dep, const struct rel *rel, bool *yes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset names = {0};
    TRY(plan_rel_free(dep->plan, rel, &names, err));
    *yes = names_pushed(dep, rel);
    for (uint32_t i = 0; i < dep->count; i++)
        *yes |= colset_has(&names, dep->outer[i].id);
out:
    return status;
}

static kdk_status rename_own(struct dep *dep, struct rel *rel, const colid *ids, struct err *err);

static kdk_status own_rename_slot(void *context, struct expr **slot, struct err *err)
{
    (void)err;
    plan_expr_rename(*slot, context);
    return KDK_OK;
}

/* The operator's own expressions name D's columns instead of the outer ones. */
static kdk_status rename_own(struct dep *dep, struct rel *rel, const colid *ids, struct err *err)
{
    kdk_status status = KDK_OK;
    struct colmap map = {0};
    for (uint32_t i = 0; i < dep->count; i++)
        TRY(colmap_add(dep->plan, &map, dep->outer[i].id, ids[i], err));
    TRY(plan_rel_each_expr(rel, own_rename_slot, &map, err));
out:
    return status;
}

/* a[i] IS NOT DISTINCT FROM b[i] for all of D's columns. */
static kdk_status same_values(struct dep *dep, const colid *a, const colid *b, bool mark, struct exprs *out, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < dep->count; i++) {
        struct expr *distinct, *not;
        TRY_MEM(distinct = plan_expr_new(dep->plan, EX_IS_DISTINCT, LTYPE(BOOLEAN), 2));
        TRY_MEM(distinct->args[0] = plan_expr_column(dep->plan, a[i], dep->outer[i].type));
        TRY_MEM(distinct->args[1] = plan_expr_column(dep->plan, b[i], dep->outer[i].type));
        TRY_MEM(not = plan_expr_new(dep->plan, EX_NOT, LTYPE(BOOLEAN), 1));
        not->args[0] = distinct;
        if (mark)
            TRY_MEM(not = is_true(dep->plan, not));
        TRY(exprs_add(dep->plan, out, not, err));
    }
out:
    return status;
}

static kdk_status conds_append(struct plan *plan, struct rel *rel, const struct exprs *more, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exprs all = {0};
    for (uint32_t i = 0; i < rel->cond_count; i++)
        TRY(exprs_add(plan, &all, rel->conds[i], err));
    for (uint32_t i = 0; i < more->count; i++)
        TRY(exprs_add(plan, &all, more->list[i], err));
    rel->conds = all.list;
    rel->cond_count = all.count;
out:
    return status;
}

static kdk_status push(struct dep *dep, struct rel **slot, colid *ids, struct err *err);

/* FULL: both sides get D's columns, of which an unmatched row has those of its own side. A projection puts them together; it gives the join's columns
 * under their ids, so the join gets others. */
static kdk_status push_full(struct dep *dep, struct rel **slot, colid *ids, struct err *err)
{
    kdk_status status = KDK_OK;
    struct plan *plan = dep->plan;
    struct rel *rel = *slot, *project;
    struct cols visible = {0};
    struct colmap fresh = {0};
    struct exprs same = {0};
    colid *left, *right;

    TRY_MEM(left = ARENA_ARRAY(plan->arena, colid, dep->count + 1));
    TRY_MEM(right = ARENA_ARRAY(plan->arena, colid, dep->count + 1));
    TRY(visible_cols(plan, rel, &visible, err));
    TRY(push(dep, &rel->in[0], left, err));
    TRY(push(dep, &rel->in[1], right, err));
    TRY(rename_own(dep, rel, left, err));
    TRY(same_values(dep, left, right, false, &same, err));
    TRY(conds_append(plan, rel, &same, err));
    TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, rel, NULL));
    for (uint32_t i = 0; i < visible.count; i++)
        TRY(colmap_add(plan, &fresh, visible.list[i].id, plan_colid_new(plan), err));
    TRY(rename_made(plan, rel, &fresh, err));
    TRY(plan_rel_rename_free(plan, rel, &fresh, err));
    for (uint32_t i = 0; i < visible.count; i++) {
        struct expr *column;
        colid id;
        TRY_MEM(column = plan_expr_column(plan, colmap_get(&fresh, visible.list[i].id), visible.list[i].type));
        TRY(col_append(plan, project, column, &id, err));
        project->cols[i].id = visible.list[i].id;
        project->cols[i].name = visible.list[i].name;
    }
    for (uint32_t i = 0; i < dep->count; i++) {
        struct expr *either;
        TRY_MEM(either = plan_expr_new(plan, EX_COALESCE, dep->outer[i].type, 2));
        TRY_MEM(either->args[0] = plan_expr_column(plan, left[i], dep->outer[i].type));
        TRY_MEM(either->args[1] = plan_expr_column(plan, right[i], dep->outer[i].type));
        TRY(col_append(plan, project, either, &ids[i], err));
    }
    *slot = project;
out:
    return status;
}

/* D dep-join *slot; ids: D's columns at its top. */
static kdk_status push(struct dep *dep, struct rel **slot, colid *ids, struct err *err)
{
    kdk_status status = KDK_OK;
    struct plan *plan = dep->plan;
    struct rel *rel = *slot, *made;
    colid *other;
    bool yes;

    TRY_MEM(other = ARENA_ARRAY(plan->arena, colid, dep->count + 1));
    TRY(depends(dep, rel, &yes, err));
    if (!yes) {
        struct rel *values;
        TRY_MEM(values = cte_ref(plan, dep->values, NULL, ids));
        TRY_MEM(made = plan_rel_new(plan, REL_JOIN, values, rel));
        made->join = JOIN_INNER;
        *slot = made;
        goto out;
    }
    switch (rel->kind) {
    case REL_FILTER:
    case REL_SORT:
        TRY(push(dep, &rel->in[0], ids, err));
        TRY(rename_own(dep, rel, ids, err));
        break;
    case REL_PROJECT:
        TRY(push(dep, &rel->in[0], other, err));
        TRY(rename_own(dep, rel, other, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(col_append(plan, rel, column, &ids[i], err));
        }
        break;
    case REL_JOIN: {
        bool left, right;
        struct exprs same = {0};
        TRY(depends(dep, rel->in[0], &left, err));
        TRY(depends(dep, rel->in[1], &right, err));
        TRY_ASSERT(rel->join != JOIN_RIGHT);
        if (rel->join == JOIN_FULL) {
            TRY(push_full(dep, slot, ids, err));
            break;
        }
        if (rel->join == JOIN_INNER && !left && right) {
            TRY(push(dep, &rel->in[1], ids, err));
        } else {
            TRY(push(dep, &rel->in[0], ids, err));
            if (right) {
                TRY(push(dep, &rel->in[1], other, err));
                TRY(same_values(dep, ids, other, rel->join == JOIN_MARK, &same, err));
            }
        }
        TRY(rename_own(dep, rel, ids, err));
        TRY(conds_append(plan, rel, &same, err));
        break;
    }
    case REL_AGG: {
        bool grouped = rel->col_count > 0;
        TRY(push(dep, &rel->in[0], other, err));
        TRY(rename_own(dep, rel, other, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(col_append(plan, rel, column, &ids[i], err));
        }
        if (grouped)
            break;
        /* One row for each value, also for those without input. */
        struct rel *values, *join, *project;
        struct exprs same = {0};
        TRY_MEM(values = cte_ref(plan, dep->values, NULL, other));
        TRY_MEM(join = plan_rel_new(plan, REL_JOIN, values, rel));
        join->join = JOIN_LEFT;
        TRY(same_values(dep, other, ids, false, &same, err));
        TRY(conds_append(plan, join, &same, err));
        TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, join, NULL));
        TRY_MEM(project->cols = ARENA_ARRAY(plan->arena, struct relcol, rel->agg_count + 1));
        for (uint32_t i = 0; i < rel->agg_count; i++) {
            struct expr *value;
            colid id = plan_colid_new(plan);
            TRY_MEM(value = plan_expr_column(plan, id, rel->aggs[i].type));
            if (is_count(&rel->aggs[i]))
                TRY_MEM(value = or_zero(plan, value));
            project->cols[project->col_count++] = (struct relcol){
                .id = rel->aggs[i].id, .type = rel->aggs[i].type, .name = "?column?", .expr = value};
            rel->aggs[i].id = id;
        }
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(col_append(plan, project, column, &ids[i], err));
        }
        *slot = project;
        break;
    }
    case REL_DISTINCT:
        TRY(push(dep, &rel->in[0], ids, err));
        TRY(rename_own(dep, rel, ids, err));
        if (rel->key_count) {
            struct relkey *keys;
            TRY_MEM(keys = ARENA_ARRAY(plan->arena, struct relkey, rel->key_count + dep->count));
            memcpy(keys, rel->keys, rel->key_count * sizeof *keys);
            for (uint32_t i = 0; i < dep->count; i++)
                TRY_MEM(keys[rel->key_count + i].expr = plan_expr_column(plan, ids[i], dep->outer[i].type));
            rel->keys = keys;
            rel->key_count += dep->count;
        }
        break;
    case REL_LIMIT: {
        /* So many rows of each value, in the order in which they come. */
        struct colset outer = {0}, counts = {0};
        for (uint32_t i = 0; i < dep->count; i++)
            TRY(colset_add(plan, &outer, dep->outer[i].id, err));
        if (rel->limit)
            TRY(plan_expr_used(plan, rel->limit, &counts, err));
        if (rel->count_offset)
            TRY(plan_expr_used(plan, rel->count_offset, &counts, err));
        if (rel->in[1] || rel->key_count || colset_meets(&outer, &counts))
            TRY(err_set(err, KDK_UNSUPPORTED, rel->key_count ? "FETCH ... WITH TIES is not supported in a correlated subquery"
                                                             : "LIMIT and OFFSET of a correlated subquery that are not constant are not supported"));
        TRY(push(dep, &rel->in[0], ids, err));
        TRY_MEM(made = plan_rel_new(plan, REL_DISTINCT, rel->in[0], NULL));
        made->limit = rel->limit;
        made->count_offset = rel->count_offset;
        TRY_MEM(made->keys = ARENA_ARRAY(plan->arena, struct relkey, dep->count));
        made->key_count = dep->count;
        for (uint32_t i = 0; i < dep->count; i++)
            TRY_MEM(made->keys[i].expr = plan_expr_column(plan, ids[i], dep->outer[i].type));
        *slot = made;
        break;
    }
    case REL_SETOP: {
        struct relcol *cols;
        colid *left, *right;
        uint32_t n = rel->col_count;
        TRY_MEM(cols = ARENA_ARRAY(plan->arena, struct relcol, n + dep->count));
        TRY_MEM(left = ARENA_ARRAY(plan->arena, colid, n + dep->count));
        TRY_MEM(right = ARENA_ARRAY(plan->arena, colid, n + dep->count));
        memcpy(cols, rel->cols, n * sizeof *cols);
        memcpy(left, rel->left, n * sizeof *left);
        memcpy(right, rel->right, n * sizeof *right);
        TRY(push(dep, &rel->in[0], left + n, err));
        TRY(push(dep, &rel->in[1], right + n, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            ids[i] = plan_colid_new(plan);
            cols[n + i] = (struct relcol){.id = ids[i], .type = dep->outer[i].type, .name = "?column?"};
        }
        rel->cols = cols;
        rel->left = left;
        rel->right = right;
        rel->col_count = n + dep->count;
        break;
    }
    case REL_VALUES: {
        struct rel *all = NULL;
        for (uint32_t r = 0; r < rel->row_count; r++) {
            struct rel *values, *row;
            bool last = r + 1 == rel->row_count;
            colid *row_ids;
            TRY_MEM(row_ids = ARENA_ARRAY(plan->arena, colid, rel->col_count + dep->count + 1));
            TRY_MEM(values = cte_ref(plan, dep->values, NULL, other));
            TRY_MEM(row = plan_rel_new(plan, REL_PROJECT, values, NULL));
            TRY_MEM(row->cols = ARENA_ARRAY(plan->arena, struct relcol, rel->col_count + 1));
            row->col_count = rel->col_count;
            for (uint32_t c = 0; c < rel->col_count; c++) {
                row->cols[c] = rel->cols[c];
                row->cols[c].expr = rel->rows[r][c];
                if (rel->row_count > 1)
                    row->cols[c].id = plan_colid_new(plan);
                row_ids[c] = row->cols[c].id;
            }
            TRY(rename_own(dep, row, other, err));
            for (uint32_t i = 0; i < dep->count; i++) {
                struct expr *column;
                TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
                TRY(col_append(plan, row, column, &row_ids[rel->col_count + i], err));
            }
            if (!all) {
                all = row;
                memcpy(ids, row_ids + rel->col_count, dep->count * sizeof *ids);
                continue;
            }
            TRY_MEM(made = plan_rel_new(plan, REL_SETOP, all, row));
            made->setop = SETOP_UNION;
            made->all = true;
            made->right = row_ids;
            made->col_count = rel->col_count + dep->count;
            TRY_MEM(made->left = ARENA_ARRAY(plan->arena, colid, made->col_count + 1));
            TRY_MEM(made->cols = ARENA_ARRAY(plan->arena, struct relcol, made->col_count + 1));
            for (uint32_t c = 0; c < made->col_count; c++) {
                made->left[c] = all->cols[c].id;
                made->cols[c] = all->cols[c];
                made->cols[c].expr = NULL;
                made->cols[c].id = last && c < rel->col_count ? rel->cols[c].id : plan_colid_new(plan);
                if (c >= rel->col_count)
                    ids[c - rel->col_count] = made->cols[c].id;
            }
            all = made;
        }
        TRY_ASSERT(all != NULL);
        *slot = all;
        break;
    }
    case REL_CTE:
        for (uint32_t i = 0; i < rel->cte_count; i++) {
            struct relcte *cte = rel->ctes[i];
            struct relcol *cols;
            TRY(depends(dep, cte->rel, &yes, err));
            if (!yes)
                continue;
            if (dep->pushed_count == COUNT_OF(dep->pushed))
                TRY(err_set(err, KDK_TOO_COMPLEX, "too many nested subqueries"));
            TRY(push(dep, &cte->rel, other, err));
            TRY_MEM(cols = ARENA_ARRAY(plan->arena, struct relcol, cte->column_count + dep->count));
            memcpy(cols, cte->columns, cte->column_count * sizeof *cols);
            for (uint32_t c = 0; c < dep->count; c++)
                cols[cte->column_count + c] =
                    (struct relcol){.id = other[c], .type = dep->outer[c].type, .name = "?column?"};
            cte->columns = cols;
            cte->column_count += dep->count;
            dep->pushed[dep->pushed_count++] = cte;
        }
        TRY(push(dep, &rel->in[0], ids, err));
        break;
    case REL_CTE_REF: {
        uint32_t had = rel->cte->column_count - dep->count;
        struct relcol *cols;
        TRY_ASSERT(rel->col_count <= had);
        TRY_MEM(cols = ARENA_ARRAY(plan->arena, struct relcol, rel->cte->column_count));
        memcpy(cols, rel->cols, rel->col_count * sizeof *cols);
        for (uint32_t c = rel->col_count; c < rel->cte->column_count; c++) {
            cols[c] = rel->cte->columns[c];
            cols[c].id = plan_colid_new(plan);
            if (c >= had)
                ids[c - had] = cols[c].id;
        }
        rel->cols = cols;
        rel->col_count = rel->cte->column_count;
        break;
    }
    case REL_SERIES: {
        struct rel *values = rel->in[0];
        if (values)
            TRY(push(dep, &values, ids, err));
        else
            TRY_MEM(values = cte_ref(plan, dep->values, NULL, ids));
        TRY(rename_own(dep, rel, ids, err));
        rel->in[0] = values;
        break;
    }
    case REL_SCAN:
    case REL_FILE:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        TRY_ASSERT(false);
    }
out:
    return status;
}

/* ------------------------------------------------------------------ dependent joins ---- */

static double largest_scan(struct plan *plan, struct rel *rel)
{
    double rows = rel->kind == REL_SCAN ? plan_rows(plan, rel) : 0;
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            rows = MAX(rows, largest_scan(plan, rel->in[i]));
    return rows;
}

/* Is the subquery's aggregate better computed for the few values that ask than for all groups of a large table? */
static bool few_ask(struct plan *plan, struct rel *left, struct rel *right)
{
    while (right->kind == REL_PROJECT)
        right = right->in[0];
    return plan->env->optimize && right->kind == REL_AGG && !right->col_count &&
           plan_rows(plan, left) * 20 < largest_scan(plan, right);
}

/* Makes a join of `left` and `right` that needs no lateral; conds are over both. *value, if given, is the scalar subquery's value and may be replaced. */
static kdk_status dependent_join(struct plan *plan, enum join_kind kind, colid mark, struct rel *left, struct rel *right,
                                 const struct exprs *conds, bool exists, struct expr **value, struct rel **out,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct pull pull = {.plan = plan, .scalar = kind == JOIN_SINGLE || kind == JOIN_LEFT || kind == JOIN_INNER, .exists = exists};
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

    /* A FROM clause's lateral join must not change when an aggregate below it has no rows: only a scalar value can be mended. */
    if (pull.scalar && !value)
        pull.scalar = false;
    if (pull.scalar && few_ask(plan, left, right))
        ok = false;
    else
        TRY(pullable(&pull, right, true, false, &ok, err));
    /* A condition that can fail may become a key, which is evaluated before the other conditions of the join: so only if there are none (P2). */
    if (pull.fail_count && pull.cond_count > 1)
        ok = false;
    if (ok) {
        TRY(pull_up(&pull, &join->in[1], err));
        for (uint32_t i = 0; i < pull.conds.count; i++) {
            struct expr *cond = pull.conds.list[i];
            if (kind == JOIN_MARK)
                TRY_MEM(cond = is_true(plan, cond));
            TRY(exprs_add(plan, &all, cond, err));
        }
        if (pull.ungrouped) {
            /* Projections above the aggregate move above the join. */
            while (join->in[1] != pull.ungrouped) {
                struct rel *project = join->in[1];
                TRY_ASSERT(project->kind == REL_PROJECT);
                struct expr *inlined = NULL;
                for (uint32_t i = 0; i < project->col_count; i++)
                    if ((*value)->kind == EX_COLUMN && (*value)->column == project->cols[i].id)
                        inlined = project->cols[i].expr;
                if (inlined) {
                    *value = inlined;
                } else {
                    for (uint32_t i = 0; i < project->col_count; i++) {
                        struct colmap map = {0};
                        if (project->cols[i].expr->kind != EX_COLUMN)
                            continue;
                        TRY(colmap_add(plan, &map, project->cols[i].id, project->cols[i].expr->column, err));
                        plan_expr_rename(*value, &map);
                    }
                }
                /* Conditions name the projection's columns for the groups. */
                for (uint32_t i = 0; i < project->col_count; i++) {
                    struct colmap map = {0};
                    if (project->cols[i].expr->kind != EX_COLUMN)
                        continue;
                    TRY(colmap_add(plan, &map, project->cols[i].id, project->cols[i].expr->column, err));
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
                        if (pull.ungrouped->aggs[i].id == (*at)->column && is_count(&pull.ungrouped->aggs[i])) {
                            TRY_MEM(*at = or_zero(plan, *at));
                            break;
                        }
                    continue;
                }
                for (uint32_t i = 0; i < (*at)->arg_count; i++) {
                    if (depth == COUNT_OF(stack))
                        TRY(err_set(err, KDK_TOO_COMPLEX, "expression too complex in a subquery"));
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

    TRY(visible_cols(plan, left, &visible, err));
    TRY_MEM(dep.outer = ARENA_ARRAY(plan->arena, struct relcol, visible.count + 1));
    TRY_MEM(given = ARENA_ARRAY(plan->arena, colid, visible.count + 1));
    TRY_MEM(ids_again = ARENA_ARRAY(plan->arena, colid, visible.count + 1));
    for (uint32_t i = 0; i < visible.count; i++) {
        given[i] = visible.list[i].id;
        if (colset_has(&names, given[i]))
            dep.outer[dep.count++] = visible.list[i];
        TRY(colmap_add(plan, &fresh, given[i], plan_colid_new(plan), err));
    }
    TRY(rename_made(plan, left, &fresh, err));
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
    TRY_MEM(first = cte_ref(plan, kept, given, NULL));
    TRY_MEM(again = cte_ref(plan, kept, NULL, ids_again));
    TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, again, NULL));
    TRY_MEM(values = ARENA_NEW(plan->arena, struct relcte));
    for (uint32_t i = 0; i < dep.count; i++) {
        colid id;
        struct expr *column;
        for (uint32_t c = 0; c < visible.count; c++)
            if (given[c] == dep.outer[i].id) {
                TRY_MEM(column = plan_expr_column(plan, ids_again[c], dep.outer[i].type));
                TRY(col_append(plan, project, column, &id, err));
            }
    }
    TRY_MEM(distinct = plan_rel_new(plan, REL_DISTINCT, project, NULL));
    values->name = "values";
    values->rel = distinct;
    values->column_count = project->col_count;
    values->columns = project->cols;
    dep.values = values;
    TRY_MEM(ids = ARENA_ARRAY(plan->arena, colid, dep.count + 1));
    TRY(push(&dep, &join->in[1], ids, err));
    for (uint32_t i = 0; i < dep.count; i++)
        ids_again[i] = dep.outer[i].id;
    TRY(same_values(&dep, ids_again, ids, kind == JOIN_MARK, &all, err));
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
static kdk_status any_conds(struct plan *plan, const struct expr *sub, struct exprs *out, struct err *err)
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
        TRY(visible_cols(plan, sub->sub.rel, &visible, err));
        for (uint32_t v = 0; v < visible.count; v++)
            if (visible.list[v].id == sub->sub.columns[i])
                column->type = visible.list[v].type;
        plan_expr_flags(cond);
        cond->can_fail |= fn_table[op].can_fail;
        TRY(exprs_add(plan, out, cond, err));
    }
    if (sub->sub.kind == SQ_ALL) {
        struct expr *all, *not;
        if (out->count == 1 && fn_comparison_kind(out->list[0]->fn) != CMP_NONE) {
            out->list[0]->fn = fn_comparison_of(fn_comparison_negated(fn_comparison_kind(out->list[0]->fn)),
                                                out->list[0]->args[0]->type);
            goto out;
        }
        TRY_MEM(all = plan_expr_and(plan, out->list, out->count));
        TRY_MEM(not = plan_expr_new(plan, EX_NOT, LTYPE(BOOLEAN), 1));
        not->args[0] = all;
        plan_expr_flags(not);
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
        TRY(dependent_join(plan, JOIN_SINGLE, 0, *x->input, expr->sub.rel, &conds, false, &value, x->input, err));
        *slot = value;
        break;
    }
    case SQ_EXISTS:
    case SQ_ANY:
    case SQ_ALL: {
        colid mark = plan_colid_new(plan);
        struct expr *column, *not;
        TRY_MEM(column = plan_expr_column(plan, mark, LTYPE(BOOLEAN)));
        if (expr->sub.kind != SQ_EXISTS)
            TRY(any_conds(plan, expr, &conds, err));
        TRY(dependent_join(plan, JOIN_MARK, mark, *x->input, expr->sub.rel, &conds, expr->sub.kind == SQ_EXISTS, NULL,
                           x->input, err));
        *slot = column;
        if (expr->sub.kind == SQ_ALL) {
            TRY_MEM(not = plan_expr_new(plan, EX_NOT, LTYPE(BOOLEAN), 1));
            not->args[0] = column;
            *slot = not;
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

/* A condition of WHERE, of which only true counts: EXISTS and ANY are semi joins, their negations anti joins if that is the same. */
static kdk_status filter_cond(struct plan *plan, struct expr *cond, struct rel **input, struct exprs *kept, struct err *err)
{
    kdk_status status = KDK_OK;
    struct extract x = {plan, input};
    struct expr *sub = cond->kind == EX_NOT ? cond->args[0] : cond;
    bool not = cond->kind == EX_NOT;
    struct exprs conds = {0};

    if (sub->kind == EX_SUBQUERY && (sub->sub.kind == SQ_EXISTS || (sub->sub.kind == SQ_ANY && !not))) {
        for (uint32_t i = 0; i < sub->arg_count; i++)
            TRY(extract(&x, &sub->args[i], err));
        TRY(plan_unnest(plan, &sub->sub.rel, err));
        if (sub->sub.kind == SQ_ANY)
            TRY(any_conds(plan, sub, &conds, err));
        TRY(dependent_join(plan, not ? JOIN_ANTI : JOIN_SEMI, 0, *input, sub->sub.rel, &conds, sub->sub.kind == SQ_EXISTS,
                           NULL, input, err));
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

static kdk_status rename_outer(struct plan *plan, struct expr *expr, const struct colmap *map, struct err *err)
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

/* Expressions of RETURNING with subqueries move into a projection above the change, which hands on what they name. */
static kdk_status returning_above(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot, *top;
    struct rel_dml *dml = rel->dml;
    struct cols nameable = {0}, below = {0};
    struct colset used = {0};
    struct colmap map = {0};

    TRY(visible_cols(plan, rel->in[0], &nameable, err));
    for (uint32_t c = 0; dml->fresh && c < rel->table->column_count; c++)
        if (dml->fresh[c])
            TRY(cols_add(plan, &nameable, (struct relcol){.id = dml->fresh[c], .type = rel->table->columns[c].type, .name = rel->table->columns[c].name}, err));
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
        TRY(cols_add(plan, &below, made, err));
        TRY_MEM(col->expr = plan_expr_column(plan, made.id, made.type));
    }
    for (uint32_t i = 0; i < nameable.count; i++) {
        struct relcol made = nameable.list[i];
        if (!colset_has(&used, made.id))
            continue;
        TRY_MEM(made.expr = plan_expr_column(plan, made.id, made.type));
        made.id = plan_colid_new(plan);
        TRY(colmap_add(plan, &map, nameable.list[i].id, made.id, err));
        TRY(cols_add(plan, &below, made, err));
    }
    for (uint32_t i = 0; i < top->col_count; i++)
        TRY(rename_outer(plan, top->cols[i].expr, &map, err));
    if (!below.count) { /* Something must tell that there is a row. */
        struct relcol one = {.id = plan_colid_new(plan), .type = LTYPE(BOOLEAN), .name = "row"};
        TRY_MEM(one.expr = plan_expr_new(plan, EX_CONST, LTYPE(BOOLEAN), 0));
        TRY(cols_add(plan, &below, one, err));
    }
    dml->returning = below.list;
    dml->returning_count = below.count;
    struct extract x = {plan, &top->in[0]};
    TRY(plan_rel_each_expr(top, extract_slot, &x, err));
    *slot = top;
out:
    return status;
}

/* The conditions of a join that have subqueries, or of them those that name both sides, become a filter on the right side, which then names columns of the left one. */
static kdk_status conds_to_right(struct plan *plan, struct rel *join, bool both_sides_only, struct err *err)
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
        TRY(dependent_join(plan, rel->join, 0, rel->in[0], rel->in[1], &conds, false, NULL, &join, err));
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
                    TRY(err_set(err, KDK_UNSUPPORTED, "a subquery in the condition of a FULL join that names both sides is not supported"));
                dependent = true;
                continue;
            }
            struct extract x = {plan, &rel->in[colset_meets(&used, &left) ? 0 : 1]};
            TRY(extract(&x, &rel->conds[i], err));
        }
        if (dependent) {
            TRY(conds_to_right(plan, rel, true, err));
            struct exprs conds = {rel->conds, rel->cond_count, rel->cond_count};
            TRY(dependent_join(plan, rel->join, 0, rel->in[0], rel->in[1], &conds, false, NULL, slot, err));
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
