/* access.c - physical choices: indexes, what scans may prune by, join methods and sides,
 * top-N. */
#include "plan/plan_int.h"

/* ------------------------------------------------------------------- scans ---- */

/* `column op value` with the column of this scan on the left and nothing of the scan on the
 * right; NULL otherwise. */
static kdk_status column_test(struct plan *plan, const struct rel *scan,
                              const struct colset *made, struct expr *cond,
                              enum fn_comparison *kind, uint32_t *column,
                              struct expr **value, struct err *err)
{
    kdk_status status = KDK_OK;
    *value = NULL;
    if (cond->kind != EX_CALL || (*kind = fn_comparison_kind(cond->fn)) == CMP_NONE ||
        *kind == CMP_NE)
        goto out;
    for (uint32_t side = 0; side < 2; side++) {
        struct expr *a = cond->args[side], *b = cond->args[1 - side];
        struct colset used = {0};
        if (a->kind != EX_COLUMN)
            continue;
        TRY(plan_expr_used(plan, b, &used, err));
        bool any = false;
        for (uint32_t w = 0; w < used.count; w++)
            any |= used.words[w] != 0;
        if (any || b->is_volatile || b->can_fail || a->type.id != b->type.id ||
            a->type.scale != b->type.scale || a->type.fixed != b->type.fixed)
            continue;
        for (uint32_t i = 0; i < scan->col_count; i++)
            if (scan->cols[i].id == a->column && scan->cols[i].column != ROWID_COLUMN) {
                *column = scan->cols[i].column;
                *value = b;
                if (side)
                    *kind = fn_comparison_commuted(*kind);
                goto out;
            }
    }
    (void)made;
out:
    return status;
}

static kdk_status choose_index(struct plan *plan, struct rel *filter, struct rel *scan,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ctable *table = scan->table;
    double rows = plan_rows(plan, scan), best = rows * 0.05;
    struct exprs prune = {0};

    for (uint32_t i = 0; i < filter->cond_count; i++) {
        enum fn_comparison kind;
        uint32_t column;
        struct expr *value;
        TRY(column_test(plan, scan, NULL, filter->conds[i], &kind, &column, &value, err));
        if (!value)
            continue;
        /* Turned so that the column is on the left. */
        struct expr *turned = filter->conds[i];
        if (turned->args[0] == value) {
            TRY_MEM(turned =
                        plan_expr_compare(plan, kind, filter->conds[i]->args[1], value));
        }
        TRY(exprs_add(plan, &prune, turned, err));
    }
    scan->phys.prune = prune.list;
    scan->phys.prune_count = prune.count;
    if (!plan->env->optimize)
        goto out;
    for (uint32_t x = 0; x < table->index_count; x++) {
        const struct cindex *index = table->indexes[x];
        struct expr *eq[32] = {NULL}, *lower = NULL, *upper = NULL;
        bool lower_open = false, upper_open = false;
        uint32_t n = 0;
        double share = 1;
        while (n < index->column_count && n < COUNT_OF(eq)) {
            for (uint32_t i = 0; i < prune.count && !eq[n]; i++) {
                enum fn_comparison kind;
                uint32_t column;
                struct expr *value;
                TRY(column_test(plan, scan, NULL, prune.list[i], &kind, &column, &value,
                                err));
                if (value && kind == CMP_EQ && column == index->columns[n]) {
                    eq[n] = value;
                    share *= plan_selectivity(plan, prune.list[i], scan);
                }
            }
            if (!eq[n])
                break;
            n++;
        }
        if (n < index->column_count)
            for (uint32_t i = 0; i < prune.count; i++) {
                enum fn_comparison kind;
                uint32_t column;
                struct expr *value;
                TRY(column_test(plan, scan, NULL, prune.list[i], &kind, &column, &value,
                                err));
                if (!value || column != index->columns[n] || kind == CMP_EQ)
                    continue;
                bool is_lower = kind == CMP_GT || kind == CMP_GE;
                if (is_lower ? lower != NULL : upper != NULL)
                    continue;
                share *= plan_selectivity(plan, prune.list[i], scan);
                if (is_lower) {
                    lower = value;
                    lower_open = kind == CMP_GT;
                } else {
                    upper = value;
                    upper_open = kind == CMP_LT;
                }
            }
        if (!n && !lower && !upper)
            continue;
        double found = n == index->column_count && index->unique ? 1 : rows * share;
        if (found > best && !(n == index->column_count && index->unique))
            continue;
        best = found;
        scan->phys.index = index;
        scan->phys.eq_count = n;
        TRY_MEM(scan->phys.eq = ARENA_ARRAY(plan->arena, struct expr *, n + 1));
        memcpy(scan->phys.eq, eq, n * sizeof *eq);
        scan->phys.lower = lower;
        scan->phys.upper = upper;
        scan->phys.lower_open = lower_open;
        scan->phys.upper_open = upper_open;
        if (found <= 1)
            break;
    }
out:
    return status;
}

/* ------------------------------------------------------------------- joins ---- */

static bool same_form(struct ltype a, struct ltype b)
{
    return a.id == b.id && a.scale == b.scale && a.fixed == b.fixed;
}

/* Is the condition an equation between the sides? *left and *right are its arguments so. */
static kdk_status equation(struct plan *plan, struct expr *cond, const struct colset *l,
                           const struct colset *r, struct expr **left, struct expr **right,
                           bool *null_safe, struct err *err)
{
    kdk_status status = KDK_OK;
    struct expr *e = cond;

    *left = NULL;
    *null_safe = false;
    if (e->kind == EX_NOT && e->args[0]->kind == EX_IS_DISTINCT) {
        e = e->args[0];
        *null_safe = true;
    } else if (e->kind != EX_CALL || fn_comparison_kind(e->fn) != CMP_EQ) {
        goto out;
    }
    if (e->is_volatile || !same_form(e->args[0]->type, e->args[1]->type))
        goto out;
    for (uint32_t side = 0; side < 2; side++) {
        struct colset a = {0}, b = {0};
        TRY(plan_expr_used(plan, e->args[side], &a, err));
        TRY(plan_expr_used(plan, e->args[1 - side], &b, err));
        if (colset_meets(&a, l) && !colset_meets(&a, r) && colset_meets(&b, r) &&
            !colset_meets(&b, l)) {
            *left = e->args[side];
            *right = e->args[1 - side];
            goto out;
        }
    }
out:
    return status;
}

static kdk_status choose_join(struct plan *plan, struct rel *join, struct err *err)
{
    kdk_status status = KDK_OK;
    struct colset l = {0}, r = {0};
    struct exprs left = {0}, right = {0}, rest = {0};
    bool *null_safe;

    TRY_ASSERT(join->join != JOIN_RIGHT);
    if (join->join == JOIN_INNER && plan->env->optimize &&
        plan_rows(plan, join->in[0]) < plan_rows(plan, join->in[1])) {
        struct rel *swap = join->in[0];
        join->in[0] = join->in[1];
        join->in[1] = swap;
    }
    TRY(plan_rel_visible(plan, join->in[0], &l, err));
    TRY(plan_rel_visible(plan, join->in[1], &r, err));
    TRY_MEM(null_safe = ARENA_ARRAY(plan->arena, bool, join->cond_count + 1));
    for (uint32_t i = 0; i < join->cond_count; i++) {
        struct expr *a, *b, *cond = join->conds[i];
        bool safe;
        /* A mark's conditions are three-valued; only those wrapped in IS TRUE just say
         * which pairs there are. A single equation is itself the key. */
        if (join->join == JOIN_MARK && join->cond_count > 1 && cond->kind != EX_IS_TRUE) {
            TRY(exprs_add(plan, &rest, cond, err));
            continue;
        }
        bool wrapped = join->join == JOIN_MARK && cond->kind == EX_IS_TRUE;
        TRY(equation(plan, wrapped ? cond->args[0] : cond, &l, &r, &a, &b, &safe, err));
        if (!a) {
            TRY(exprs_add(plan, &rest, cond, err));
            continue;
        }
        /* With nothing else to decide, a key's NULL would count as unknown: keep its
         * two-valued form. */
        if (wrapped && join->cond_count == 1)
            TRY(exprs_add(plan, &rest, cond, err));
        null_safe[left.count] = safe;
        TRY(exprs_add(plan, &left, a, err));
        TRY(exprs_add(plan, &right, b, err));
    }
    if (join->join == JOIN_MARK && left.count > 1 && !rest.count)
        /* Several keys that are all IS TRUE: a condition is needed for the mark to be
         * two-valued. */
        for (uint32_t i = 0; i < join->cond_count; i++)
            TRY(exprs_add(plan, &rest, join->conds[i], err));
    join->phys.method = left.count ? JM_HASH : JM_NESTED;
    join->phys.equi_count = left.count;
    join->phys.left_keys = left.list;
    join->phys.right_keys = right.list;
    join->phys.null_safe = null_safe;
    join->conds = rest.list;
    join->cond_count = rest.count;
    if (!left.count || !plan->env->optimize)
        goto out;
    double left_rows = plan_rows(plan, join->in[0]),
           right_rows = plan_rows(plan, join->in[1]);
    join->phys.build_left =
        (join->join == JOIN_SEMI || join->join == JOIN_ANTI) && left_rows < right_rows;
    /* Where the built side is the larger one, few rows would be dropped. */
    if (join->join == JOIN_INNER || join->join == JOIN_SEMI || join->phys.build_left)
        join->phys.pass_keys =
            join->phys.build_left ? left_rows < right_rows : right_rows < left_rows;
out:
    return status;
}

kdk_status plan_access(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;

    if (++plan->depth > SQL_DEPTH_MAX)
        TRY(err_set(err, KDK_TOO_COMPLEX, "query is nested too deeply"));
    plan_rows(plan, rel);
    if (rel->kind == REL_LIMIT && !rel->in[1] && !rel->key_count) {
        struct rel *below = rel->in[0];
        while (below->kind == REL_PROJECT)
            below = below->in[0];
        if (below->kind == REL_SORT && !below->limit && !below->count_offset) {
            below->limit = rel->limit;
            below->count_offset = rel->count_offset;
            *slot = rel->in[0];
            plan->depth--;
            return plan_access(plan, slot, err);
        }
    }
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(plan_access(plan, &rel->ctes[i]->rel, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(plan_access(plan, &rel->in[i], err));
    if (rel->kind == REL_JOIN)
        TRY(choose_join(plan, rel, err));
    if (rel->kind == REL_FILTER && rel->in[0]->kind == REL_SCAN)
        TRY(choose_index(plan, rel, rel->in[0], err));
out:
    plan->depth--;
    return status;
}
