/* unnest_push.c - the distinct values of the outer columns move down into a subquery, until
 * nothing below names them: what always works. */
#include "plan/unnest_int.h"

/* A new reading of a CTE; ids receives its columns. */
struct rel *unnest_cte_ref(struct plan *plan, struct relcte *cte, const colid *given,
                           colid *ids)
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
    return (rel->in[0] && names_pushed(dep, rel->in[0])) ||
           (rel->in[1] && names_pushed(dep, rel->in[1]));
}

static kdk_status depends(const struct dep *dep, const struct rel *rel, bool *yes,
                          struct err *err)
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

static kdk_status rename_own(struct dep *dep, struct rel *rel, const colid *ids,
                             struct err *err);

static kdk_status own_rename_slot(void *context, struct expr **slot, struct err *err)
{
    (void)err;
    plan_expr_rename(*slot, context);
    return KDK_OK;
}

/* The operator's own expressions name D's columns instead of the outer ones. */
static kdk_status rename_own(struct dep *dep, struct rel *rel, const colid *ids,
                             struct err *err)
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
kdk_status unnest_same_values(struct dep *dep, const colid *a, const colid *b, bool mark,
                              struct exprs *out, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < dep->count; i++) {
        struct expr *distinct, *not ;
        TRY_MEM(distinct = plan_expr_new(dep->plan, EX_IS_DISTINCT, LTYPE(BOOLEAN), 2));
        TRY_MEM(distinct->args[0] = plan_expr_column(dep->plan, a[i], dep->outer[i].type));
        TRY_MEM(distinct->args[1] = plan_expr_column(dep->plan, b[i], dep->outer[i].type));
        TRY_MEM(not = plan_expr_new(dep->plan, EX_NOT, LTYPE(BOOLEAN), 1));
        not ->args[0] = distinct;
        if (mark)
            TRY_MEM(not = unnest_is_true(dep->plan, not ));
        TRY(exprs_add(dep->plan, out, not, err));
    }
out:
    return status;
}

static kdk_status conds_append(struct plan *plan, struct rel *rel, const struct exprs *more,
                               struct err *err)
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

/* FULL: both sides get D's columns, of which an unmatched row has those of its own side. A
 * projection puts them together; it gives the join's columns under their ids, so the join
 * gets others. */
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
    TRY(unnest_visible_cols(plan, rel, &visible, err));
    TRY(unnest_push(dep, &rel->in[0], left, err));
    TRY(unnest_push(dep, &rel->in[1], right, err));
    TRY(rename_own(dep, rel, left, err));
    TRY(unnest_same_values(dep, left, right, false, &same, err));
    TRY(conds_append(plan, rel, &same, err));
    TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, rel, NULL));
    for (uint32_t i = 0; i < visible.count; i++)
        TRY(colmap_add(plan, &fresh, visible.list[i].id, plan_colid_new(plan), err));
    TRY(unnest_rename_made(plan, rel, &fresh, err));
    TRY(plan_rel_rename_free(plan, rel, &fresh, err));
    for (uint32_t i = 0; i < visible.count; i++) {
        struct expr *column;
        colid id;
        TRY_MEM(column = plan_expr_column(plan, colmap_get(&fresh, visible.list[i].id),
                                          visible.list[i].type));
        TRY(unnest_col_append(plan, project, column, &id, err));
        project->cols[i].id = visible.list[i].id;
        project->cols[i].name = visible.list[i].name;
    }
    for (uint32_t i = 0; i < dep->count; i++) {
        struct expr *either;
        TRY_MEM(either = plan_expr_new(plan, EX_COALESCE, dep->outer[i].type, 2));
        TRY_MEM(either->args[0] = plan_expr_column(plan, left[i], dep->outer[i].type));
        TRY_MEM(either->args[1] = plan_expr_column(plan, right[i], dep->outer[i].type));
        TRY(unnest_col_append(plan, project, either, &ids[i], err));
    }
    *slot = project;
out:
    return status;
}

/* D dep-join *slot; ids: D's columns at its top. */
kdk_status unnest_push(struct dep *dep, struct rel **slot, colid *ids, struct err *err)
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
        TRY_MEM(values = unnest_cte_ref(plan, dep->values, NULL, ids));
        TRY_MEM(made = plan_rel_new(plan, REL_JOIN, values, rel));
        made->join = JOIN_INNER;
        *slot = made;
        goto out;
    }
    switch (rel->kind) {
    case REL_FILTER:
    case REL_SORT:
        TRY(unnest_push(dep, &rel->in[0], ids, err));
        TRY(rename_own(dep, rel, ids, err));
        break;
    case REL_PROJECT:
        TRY(unnest_push(dep, &rel->in[0], other, err));
        TRY(rename_own(dep, rel, other, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(unnest_col_append(plan, rel, column, &ids[i], err));
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
            TRY(unnest_push(dep, &rel->in[1], ids, err));
        } else {
            TRY(unnest_push(dep, &rel->in[0], ids, err));
            if (right) {
                TRY(unnest_push(dep, &rel->in[1], other, err));
                TRY(unnest_same_values(dep, ids, other, rel->join == JOIN_MARK, &same,
                                       err));
            }
        }
        TRY(rename_own(dep, rel, ids, err));
        TRY(conds_append(plan, rel, &same, err));
        break;
    }
    case REL_AGG: {
        bool grouped = rel->col_count > 0;
        TRY(unnest_push(dep, &rel->in[0], other, err));
        TRY(rename_own(dep, rel, other, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(unnest_col_append(plan, rel, column, &ids[i], err));
        }
        if (grouped)
            break;
        /* One row for each value, also for those without input. */
        struct rel *values, *join, *project;
        struct exprs same = {0};
        TRY_MEM(values = unnest_cte_ref(plan, dep->values, NULL, other));
        TRY_MEM(join = plan_rel_new(plan, REL_JOIN, values, rel));
        join->join = JOIN_LEFT;
        TRY(unnest_same_values(dep, other, ids, false, &same, err));
        TRY(conds_append(plan, join, &same, err));
        TRY_MEM(project = plan_rel_new(plan, REL_PROJECT, join, NULL));
        TRY_MEM(project->cols =
                    ARENA_ARRAY(plan->arena, struct relcol, rel->agg_count + 1));
        for (uint32_t i = 0; i < rel->agg_count; i++) {
            struct expr *value;
            colid id = plan_colid_new(plan);
            TRY_MEM(value = plan_expr_column(plan, id, rel->aggs[i].type));
            if (unnest_is_count(&rel->aggs[i]))
                TRY_MEM(value = unnest_or_zero(plan, value));
            project->cols[project->col_count++] = (struct relcol){.id = rel->aggs[i].id,
                                                                  .type = rel->aggs[i].type,
                                                                  .name = "?column?",
                                                                  .expr = value};
            rel->aggs[i].id = id;
        }
        for (uint32_t i = 0; i < dep->count; i++) {
            struct expr *column;
            TRY_MEM(column = plan_expr_column(plan, other[i], dep->outer[i].type));
            TRY(unnest_col_append(plan, project, column, &ids[i], err));
        }
        *slot = project;
        break;
    }
    case REL_DISTINCT:
        TRY(unnest_push(dep, &rel->in[0], ids, err));
        TRY(rename_own(dep, rel, ids, err));
        if (rel->key_count) {
            struct relkey *keys;
            TRY_MEM(keys = ARENA_ARRAY(plan->arena, struct relkey,
                                       rel->key_count + dep->count));
            memcpy(keys, rel->keys, rel->key_count * sizeof *keys);
            for (uint32_t i = 0; i < dep->count; i++)
                TRY_MEM(keys[rel->key_count + i].expr =
                            plan_expr_column(plan, ids[i], dep->outer[i].type));
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
            TRY(err_set(
                err, KDK_UNSUPPORTED,
                rel->key_count
                    ? "FETCH ... WITH TIES is not supported in a correlated subquery"
                    : "LIMIT and OFFSET of a correlated subquery that are not constant are "
                      "not supported"));
        TRY(unnest_push(dep, &rel->in[0], ids, err));
        TRY_MEM(made = plan_rel_new(plan, REL_DISTINCT, rel->in[0], NULL));
        made->limit = rel->limit;
        made->count_offset = rel->count_offset;
        TRY_MEM(made->keys = ARENA_ARRAY(plan->arena, struct relkey, dep->count));
        made->key_count = dep->count;
        for (uint32_t i = 0; i < dep->count; i++)
            TRY_MEM(made->keys[i].expr =
                        plan_expr_column(plan, ids[i], dep->outer[i].type));
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
        TRY(unnest_push(dep, &rel->in[0], left + n, err));
        TRY(unnest_push(dep, &rel->in[1], right + n, err));
        for (uint32_t i = 0; i < dep->count; i++) {
            ids[i] = plan_colid_new(plan);
            cols[n + i] = (struct relcol){
                .id = ids[i], .type = dep->outer[i].type, .name = "?column?"};
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
            TRY_MEM(row_ids =
                        ARENA_ARRAY(plan->arena, colid, rel->col_count + dep->count + 1));
            TRY_MEM(values = unnest_cte_ref(plan, dep->values, NULL, other));
            TRY_MEM(row = plan_rel_new(plan, REL_PROJECT, values, NULL));
            TRY_MEM(row->cols =
                        ARENA_ARRAY(plan->arena, struct relcol, rel->col_count + 1));
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
                TRY(unnest_col_append(plan, row, column, &row_ids[rel->col_count + i],
                                      err));
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
            TRY_MEM(made->cols =
                        ARENA_ARRAY(plan->arena, struct relcol, made->col_count + 1));
            for (uint32_t c = 0; c < made->col_count; c++) {
                made->left[c] = all->cols[c].id;
                made->cols[c] = all->cols[c];
                made->cols[c].expr = NULL;
                made->cols[c].id =
                    last && c < rel->col_count ? rel->cols[c].id : plan_colid_new(plan);
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
            TRY(unnest_push(dep, &cte->rel, other, err));
            TRY_MEM(cols = ARENA_ARRAY(plan->arena, struct relcol,
                                       cte->column_count + dep->count));
            memcpy(cols, cte->columns, cte->column_count * sizeof *cols);
            for (uint32_t c = 0; c < dep->count; c++)
                cols[cte->column_count + c] = (struct relcol){
                    .id = other[c], .type = dep->outer[c].type, .name = "?column?"};
            cte->columns = cols;
            cte->column_count += dep->count;
            dep->pushed[dep->pushed_count++] = cte;
        }
        TRY(unnest_push(dep, &rel->in[0], ids, err));
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
            TRY(unnest_push(dep, &values, ids, err));
        else
            TRY_MEM(values = unnest_cte_ref(plan, dep->values, NULL, ids));
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
