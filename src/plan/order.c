/* order.c - how many rows, and in which order inner joins are done.
 *
 * Estimates are textbook ones (Selinger et al., SIGMOD 1979): distinct values and bounds
 * where the tables know them, fixed shares where not. A region of inner joins is flattened
 * and joined greedily (Fegaras' GOO): always the pair that gives the fewest rows, cross
 * products last.
 */
#include <math.h>

#include "plan/plan_int.h"

/* -------------------------------------------------------------- estimates ---- */

/* The scan that makes a column, seen through what hands it on. */
static const struct rel *made_by(const struct rel *rel, colid id, uint32_t *column)
{
    if (rel->kind == REL_SCAN) {
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == id && rel->cols[i].column != ROWID_COLUMN) {
                *column = rel->cols[i].column;
                return rel;
            }
        return NULL;
    }
    if (rel->kind == REL_PROJECT || rel->kind == REL_AGG) {
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == id)
                return rel->cols[i].expr->kind == EX_COLUMN
                           ? made_by(rel->in[0], rel->cols[i].expr->column, column)
                           : NULL;
        return NULL;
    }
    if (rel->kind == REL_CTE_REF) {
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == id)
                return made_by(rel->cte->rel, rel->cte->columns[i].id, column);
        return NULL;
    }
    if (rel->kind == REL_SETOP)
        return NULL;
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i]) {
            const struct rel *scan = made_by(rel->in[i], id, column);
            if (scan)
                return scan;
        }
    return NULL;
}

static double table_rows(struct plan *plan, const struct ctable *table)
{
    double rows =
        plan->env->table_rows ? plan->env->table_rows(plan->env->context, table) : 1000;
    return rows < 1 ? 1 : rows;
}

static double column_distinct(struct plan *plan, const struct ctable *table,
                              uint32_t column)
{
    double rows = table_rows(plan, table), distinct = 0;
    int128 lo, hi;
    for (uint32_t i = 0; i < table->index_count; i++)
        if (table->indexes[i]->unique && table->indexes[i]->column_count == 1 &&
            table->indexes[i]->columns[0] == column)
            return rows;
    if (plan->env->column_distinct)
        distinct = plan->env->column_distinct(plan->env->context, table, column);
    if (distinct <= 0) {
        distinct = rows / 10 < 10 ? MIN(rows, 10) : rows / 10;
        if (plan->env->column_bounds &&
            plan->env->column_bounds(plan->env->context, table, column, &lo, &hi) &&
            hi >= lo)
            distinct = MIN(rows, (double)(hi - lo) + 1);
    }
    return distinct < 1 ? 1 : distinct;
}

static double distinct_of(struct plan *plan, const struct expr *e, struct rel *rel,
                          double rows)
{
    uint32_t column;
    const struct rel *scan = e->kind == EX_COLUMN ? made_by(rel, e->column, &column) : NULL;
    if (!scan)
        return rows / 10 < 1 ? 1 : rows / 10;
    return MIN(column_distinct(plan, scan->table, column), rows < 1 ? 1 : rows);
}

static bool constant(const struct expr *e, int128 *value)
{
    if (e->kind != EX_CONST || e->value.null)
        return false;
    if (ltype_is_integer(e->type) || e->type.id == LT_DATE || e->type.id == LT_TIMESTAMP) {
        *value = e->value.i;
        return true;
    }
    if (e->type.id == LT_NUMERIC) {
        *value = e->value.w;
        return true;
    }
    return false;
}

static double range_share(struct plan *plan, const struct expr *column,
                          const struct expr *bound, enum fn_comparison kind,
                          struct rel *rel)
{
    uint32_t at;
    int128 lo, hi, value;
    const struct rel *scan =
        column->kind == EX_COLUMN ? made_by(rel, column->column, &at) : NULL;
    if (!scan || !constant(bound, &value) || !plan->env->column_bounds ||
        !plan->env->column_bounds(plan->env->context, scan->table, at, &lo, &hi) ||
        hi <= lo)
        return 0.33;
    double below = ((double)value - (double)lo) / ((double)hi - (double)lo);
    below = below < 0 ? 0 : below > 1 ? 1 : below;
    double share = kind == CMP_LT || kind == CMP_LE ? below : 1 - below;
    return share < 0.0001 ? 0.0001 : share;
}

double plan_selectivity(struct plan *plan, const struct expr *cond, struct rel *rel)
{
    double share = 1, rows = rel->phys.rows;
    switch (cond->kind) {
    case EX_AND:
        for (uint32_t i = 0; i < cond->arg_count; i++)
            share *= plan_selectivity(plan, cond->args[i], rel);
        return share;
    case EX_OR:
        for (uint32_t i = 0; i < cond->arg_count; i++)
            share *= 1 - plan_selectivity(plan, cond->args[i], rel);
        return 1 - share;
    case EX_NOT:
        return 1 - plan_selectivity(plan, cond->args[0], rel) * 0.99;
    case EX_IS_TRUE:
        return plan_selectivity(plan, cond->args[0], rel);
    case EX_IN:
        share = (double)(cond->arg_count - 1) / distinct_of(plan, cond->args[0], rel, rows);
        return share > 1 ? 1 : share;
    case EX_IS_NULL:
        return 0.05;
    case EX_IS_NOT_NULL:
        return 0.95;
    case EX_CONST:
        return cond->value.null || !cond->value.i ? 0 : 1;
    case EX_CALL: {
        enum fn_comparison kind = fn_comparison_kind(cond->fn);
        if (kind == CMP_NONE)
            return strcmp(fn_table[cond->fn].name, "~~") == 0 ? 0.1 : 0.33;
        const struct expr *a = cond->args[0], *b = cond->args[1];
        bool a_column = a->kind == EX_COLUMN, b_column = b->kind == EX_COLUMN;
        if (kind == CMP_EQ) {
            if (a_column && b_column) {
                double x = distinct_of(plan, a, rel, rows),
                       y = distinct_of(plan, b, rel, rows);
                return 1 / MAX(x, y);
            }
            return 1 / distinct_of(plan, a_column ? a : b, rel, rows);
        }
        if (kind == CMP_NE)
            return 0.9;
        return a_column ? range_share(plan, a, b, kind, rel)
                        : range_share(plan, b, a, fn_comparison_commuted(kind), rel);
    }
    case EX_COLUMN:
    case EX_PARAM:
    case EX_CAST:
    case EX_IS_DISTINCT:
    case EX_CASE:
    case EX_COALESCE:
    case EX_SUBQUERY:
        return 0.33;
    }
    return 0.33;
}

/* Of a join condition that is no equation, between two inputs of l and r rows. */
static double other_share(const struct expr *cond, double l, double r)
{
    if (cond->kind == EX_IS_TRUE ||
        (cond->kind == EX_NOT && cond->args[0]->kind == EX_IS_DISTINCT))
        return 1 / MAX(1, MIN(l, r));
    if (cond->kind == EX_OR)
        return 0.1;
    return cond->kind == EX_CALL && fn_comparison_kind(cond->fn) == CMP_NE ? 0.9 : 0.33;
}

/* What is known of the keys on one side of a join: how many different ones there may be. */
struct key_side {
    struct rel *rel;
    double rows, distinct;
    const struct rel *scan; /* all are columns of it, or NULL */
    uint32_t columns[16], count;
};

static void key_side_add(struct plan *plan, struct key_side *side, const struct expr *e)
{
    uint32_t column = 0;
    const struct rel *scan =
        e->kind == EX_COLUMN ? made_by(side->rel, e->column, &column) : NULL;
    double distinct = scan ? column_distinct(plan, scan->table, column) : side->rows / 10;
    side->distinct *= MAX(1, MIN(distinct, side->rows));
    side->scan = scan && (!side->count || side->scan == scan) ? scan : NULL;
    if (side->count < COUNT_OF(side->columns))
        side->columns[side->count++] = column;
}

/* Are the keys, or some of them, a key of the table? */
static bool key_side_unique(const struct key_side *side)
{
    if (!side->scan)
        return false;
    for (uint32_t i = 0; i < side->scan->table->index_count; i++) {
        const struct cindex *index = side->scan->table->indexes[i];
        uint32_t found = 0;
        for (uint32_t c = 0; c < index->column_count; c++)
            for (uint32_t k = 0; k < side->count; k++)
                if (index->columns[c] == side->columns[k]) {
                    found++;
                    break;
                }
        if (index->unique && found == index->column_count)
            return true;
    }
    return false;
}

/* The share of all pairs of rows that equal keys leave. Several keys are seldom
 * independent: what refers to a whole key of a table finds one row of all that the table
 * has; otherwise there are at most as many different keys as rows. */
struct key_pairs {
    struct key_side side[2];
    uint32_t count;
};

static struct key_pairs key_pairs_of(struct rel *left, struct rel *right, double l,
                                     double r)
{
    return (struct key_pairs){.side = {{.rel = left, .rows = l, .distinct = 1},
                                       {.rel = right, .rows = r, .distinct = 1}}};
}

static void key_pairs_add(struct plan *plan, struct key_pairs *pairs,
                          const struct expr *left, const struct expr *right)
{
    key_side_add(plan, &pairs->side[0], left);
    key_side_add(plan, &pairs->side[1], right);
    pairs->count++;
}

static double key_pairs_share(struct plan *plan, const struct key_pairs *pairs)
{
    double most = 1;
    if (!pairs->count)
        return 1;
    for (uint32_t i = 0; i < 2; i++) {
        const struct key_side *side = &pairs->side[i];
        if (pairs->count > 1 && key_side_unique(side))
            return 1 / table_rows(plan, side->scan->table);
        most = MAX(most, MIN(side->distinct, side->rows));
    }
    return 1 / most;
}

/* Is this column, or one in this expression, made by the tree? */
static bool makes_some(const struct rel *rel, const struct expr *e)
{
    uint32_t column;
    if (e->kind == EX_COLUMN)
        return made_by(rel, e->column, &column) != NULL;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (makes_some(rel, e->args[i]))
            return true;
    return false;
}

/* Adds an equation, whichever way round; false: it is none. */
static bool key_pairs_try(struct plan *plan, struct key_pairs *pairs,
                          const struct expr *cond)
{
    if (cond->kind != EX_CALL || fn_comparison_kind(cond->fn) != CMP_EQ)
        return false;
    bool turned = makes_some(pairs->side[1].rel, cond->args[0]) ||
                  makes_some(pairs->side[0].rel, cond->args[1]);
    key_pairs_add(plan, pairs, cond->args[turned], cond->args[!turned]);
    return true;
}

/* Of all conditions of a join, those that became hash keys too. */
static double join_share(struct plan *plan, const struct rel *join, double l, double r)
{
    struct key_pairs pairs = key_pairs_of(join->in[0], join->in[1], l, r);
    double share = 1;
    for (uint32_t i = 0; i < join->phys.equi_count; i++)
        key_pairs_add(plan, &pairs, join->phys.left_keys[i], join->phys.right_keys[i]);
    for (uint32_t i = 0; i < join->cond_count; i++)
        if (!key_pairs_try(plan, &pairs, join->conds[i]))
            share *= other_share(join->conds[i], l, r);
    return share * key_pairs_share(plan, &pairs);
}

double plan_rows(struct plan *plan, struct rel *rel)
{
    double rows = 1, left, right;
    switch (rel->kind) {
    case REL_SCAN:
        rows = table_rows(plan, rel->table);
        break;
    case REL_FILE:
        rows = 100000;
        break;
    case REL_SERIES:
        rows = rel->in[0] ? plan_rows(plan, rel->in[0]) * 10 : 1000;
        break;
    case REL_VALUES:
        rows = rel->row_count;
        break;
    case REL_FILTER:
        rows = plan_rows(plan, rel->in[0]);
        for (uint32_t i = 0; i < rel->cond_count; i++)
            rows *= plan_selectivity(plan, rel->conds[i], rel->in[0]);
        break;
    case REL_JOIN:
        left = plan_rows(plan, rel->in[0]);
        right = plan_rows(plan, rel->in[1]);
        rows = left * right;
        rows *= join_share(plan, rel, left, right);
        switch (rel->join) {
        case JOIN_INNER:
            break;
        case JOIN_LEFT:
            rows = MAX(rows, left);
            break;
        case JOIN_RIGHT:
            rows = MAX(rows, right);
            break;
        case JOIN_FULL:
            rows = MAX(rows, left + right);
            break;
        case JOIN_SEMI:
            rows = MIN(left * 0.5, rows);
            break;
        case JOIN_ANTI:
            rows = left * 0.5;
            break;
        case JOIN_MARK:
        case JOIN_SINGLE:
            rows = left;
            break;
        }
        break;
    case REL_AGG: {
        double in = plan_rows(plan, rel->in[0]), groups = 1;
        for (uint32_t i = 0; i < rel->col_count; i++)
            groups *= distinct_of(plan, rel->cols[i].expr, rel->in[0], in);
        rows = rel->col_count ? MIN(groups, in) : 1;
        break;
    }
    case REL_DISTINCT:
        rows = plan_rows(plan, rel->in[0]) * 0.5;
        break;
    case REL_LIMIT:
    case REL_SORT:
        rows = plan_rows(plan, rel->in[0]);
        if (rel->limit && rel->limit->kind == EX_CONST && !rel->limit->value.null)
            rows = MIN(rows, (double)rel->limit->value.i);
        break;
    case REL_SETOP:
        left = plan_rows(plan, rel->in[0]);
        right = plan_rows(plan, rel->in[1]);
        rows = rel->setop == SETOP_UNION ? left + right : left;
        break;
    case REL_CTE:
        rows = plan_rows(plan, rel->in[0]);
        break;
    case REL_CTE_REF:
        rows = plan_rows(plan, rel->cte->rel);
        break;
    case REL_PROJECT:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        rows = plan_rows(plan, rel->in[0]);
        break;
    }
    rows = isfinite(rows) && rows >= 1 ? rows : 1;
    rel->phys.rows = rows;
    return rows;
}

/* -------------------------------------------------------------- join order ---- */

struct region {
    struct rel *rels[JOIN_RELATIONS_MAX];
    struct colset made[JOIN_RELATIONS_MAX];
    double rows[JOIN_RELATIONS_MAX];
    uint32_t count;
    struct exprs conds;  /* not placed yet */
    struct colset *used; /* by each of them */
    struct exprs last;   /* those that can fail: above all joins */
};

/* What an inner join joins, through inner joins below; no more than `most` are counted. */
static uint32_t joined_count(const struct rel *rel, uint32_t most)
{
    if (rel->kind != REL_JOIN || rel->join != JOIN_INNER || most <= 1)
        return 1;
    uint32_t left = joined_count(rel->in[0], most - 1);
    return left + joined_count(rel->in[1], most - left);
}

/* Adds at most `room` relations: what has more becomes one, with a region of its own
 * below. */
static kdk_status flatten(struct plan *plan, struct region *region, struct rel *rel,
                          uint32_t room, struct err *err)
{
    kdk_status status = KDK_OK;
    if (rel->kind == REL_JOIN && rel->join == JOIN_INNER && room > 1) {
        uint32_t left = joined_count(rel->in[0], room - 1);
        TRY(flatten(plan, region, rel->in[0], left, err));
        TRY(flatten(plan, region, rel->in[1], room - left, err));
        for (uint32_t i = 0; i < rel->cond_count; i++)
            TRY(exprs_add(plan,
                          rel->conds[i]->can_fail || rel->conds[i]->is_volatile
                              ? &region->last
                              : &region->conds,
                          rel->conds[i], err));
        goto out;
    }
    TRY(plan_order(plan, &rel, err));
    region->rels[region->count++] = rel;
out:
    return status;
}

/* Names no column of another relation of the region. Columns from outside do not matter. */
static bool ready(const struct region *region, const struct colset *used, uint32_t a,
                  uint32_t b)
{
    for (uint32_t r = 0; r < region->count; r++)
        if (region->rels[r] && r != a && r != b && colset_meets(used, &region->made[r]))
            return false;
    return true;
}

/* Rows of joining a and b with all conditions that they make ready; *connected: there is
 * one. */
static void joined_rows(struct plan *plan, struct region *region, uint32_t a, uint32_t b,
                        double *rows, bool *connected)
{
    struct key_pairs pairs =
        key_pairs_of(region->rels[a], region->rels[b], region->rows[a], region->rows[b]);
    double share = 1;
    *connected = false;
    for (uint32_t i = 0; i < region->conds.count; i++) {
        const struct colset *used = &region->used[i];
        if (!colset_meets(used, &region->made[a]) ||
            !colset_meets(used, &region->made[b]) || !ready(region, used, a, b))
            continue;
        *connected = true;
        if (!key_pairs_try(plan, &pairs, region->conds.list[i]))
            share *= other_share(region->conds.list[i], region->rows[a], region->rows[b]);
    }
    *rows = region->rows[a] * region->rows[b] * share * key_pairs_share(plan, &pairs);
}

static kdk_status join_pair(struct plan *plan, struct region *region, uint32_t a,
                            uint32_t b, double rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *join;
    struct exprs own = {0}, left = {0};

    TRY_MEM(join = plan_rel_new(plan, REL_JOIN, region->rels[a], region->rels[b]));
    join->join = JOIN_INNER;
    for (uint32_t i = 0; i < region->conds.count; i++) {
        const struct colset used = region->used[i];
        const bool now = ready(region, &used, a, b);
        if (!now)
            region->used[left.count] = used;
        TRY(exprs_add(plan, now ? &own : &left, region->conds.list[i], err));
    }
    join->conds = own.list;
    join->cond_count = own.count;
    join->phys.rows = rows;
    region->conds = left;
    region->rels[a] = join;
    region->rels[b] = NULL;
    TRY(plan_rel_visible(plan, join->in[1], &region->made[a], err));
    region->rows[a] = rows < 1 ? 1 : rows;
out:
    return status;
}

static kdk_status order_region(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct region *region;
    uint32_t left;

    TRY_MEM(region = ARENA_NEW(plan->arena, struct region));
    TRY(flatten(plan, region, *slot, JOIN_RELATIONS_MAX, err));
    for (uint32_t i = 0; i < region->count; i++) {
        TRY(plan_rel_visible(plan, region->rels[i], &region->made[i], err));
        region->rows[i] = plan_rows(plan, region->rels[i]);
    }
    TRY_MEM(region->used =
                ARENA_ARRAY(plan->arena, struct colset, region->conds.count + 1));
    for (uint32_t i = 0; i < region->conds.count; i++)
        TRY(plan_expr_used(plan, region->conds.list[i], &region->used[i], err));
    left = region->count;
    while (left > 1) {
        uint32_t best_a = 0, best_b = 0;
        double best = -1;
        bool best_connected = false;
        for (uint32_t a = 0; a < region->count; a++)
            for (uint32_t b = a + 1; b < region->count; b++) {
                double rows;
                bool connected;
                if (!region->rels[a] || !region->rels[b])
                    continue;
                joined_rows(plan, region, a, b, &rows, &connected);
                if (best < 0 || (connected && !best_connected) ||
                    (connected == best_connected && rows < best)) {
                    best = rows;
                    best_a = a;
                    best_b = b;
                    best_connected = connected;
                }
            }
        TRY(join_pair(plan, region, best_a, best_b, best, err));
        left--;
    }
    for (uint32_t i = 0; i < region->count; i++)
        if (region->rels[i])
            *slot = region->rels[i];
    for (uint32_t i = 0; i < region->last.count; i++)
        TRY(exprs_add(plan, &region->conds, region->last.list[i], err));
    TRY(plan_rel_filter(plan, *slot, &region->conds, slot, err));
out:
    return status;
}

kdk_status plan_order(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *rel = *slot;

    if (++plan->depth > SQL_DEPTH_MAX)
        TRY(err_set(err, KDK_TOO_COMPLEX, "query is nested too deeply"));
    if (rel->kind == REL_JOIN && rel->join == JOIN_INNER) {
        TRY(order_region(plan, slot, err));
        goto out;
    }
    for (uint32_t i = 0; i < rel->cte_count; i++)
        TRY(plan_order(plan, &rel->ctes[i]->rel, err));
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(plan_order(plan, &rel->in[i], err));
out:
    plan->depth--;
    return status;
}
