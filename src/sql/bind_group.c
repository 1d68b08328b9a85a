/* bind_group.c - what stands above GROUP BY.
 *
 * SELECT's expressions are bound as if there were no grouping. Then each subexpression that
 * equals a grouping expression is replaced by the group's column, and any column of FROM
 * that is left is an error, unless its table's primary key is grouped: then it is constant
 * in the group, and becomes a grouping expression of its own.
 */
#include "sql/bind_int.h"

kdk_status group_add(struct grouping *g, struct expr *e)
{
    kdk_status status = KDK_OK;
    struct binder *b = g->b;
    struct rel *agg = g->agg;
    for (uint32_t i = 0; i < agg->col_count; i++)
        if (expr_equal(agg->cols[i].expr, e) && !e->is_volatile)
            return KDK_OK;
    if (agg->col_count == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 4;
        struct relcol *cols = ARRAY(struct relcol, cap);
        TRY_NEW(cols);
        if (agg->col_count)
            memcpy(cols, agg->cols, agg->col_count * sizeof *cols);
        agg->cols = cols;
        g->cap = cap;
    }
    colid id = bind_colid(b);
    if (!id)
        TRY(err_nomem(b->err));
    const struct colinfo *from = e->kind == EX_COLUMN ? &b->cols[e->column] : NULL;
    b->cols[id].name = from ? from->name : NULL;
    b->cols[id].used = true;
    agg->cols[agg->col_count++] = (struct relcol){
        .id = id, .type = e->type, .name = from ? from->name : "group", .expr = e};
out:
    return status;
}

/* Is every column of the primary key of the table that `id` comes from a grouping
 * expression? */
static bool key_is_grouped(const struct grouping *g, colid id)
{
    const struct colinfo *col = &g->b->cols[id];
    if (!col->table || col->table->index_count == 0 || !col->table->indexes[0]->primary)
        return false;
    const struct cindex *key = col->table->indexes[0];
    for (uint32_t k = 0; k < key->column_count; k++) {
        bool found = false;
        for (uint32_t i = 0; i < g->agg->col_count && !found; i++) {
            const struct expr *e = g->agg->cols[i].expr;
            const struct colinfo *other =
                e->kind == EX_COLUMN ? &g->b->cols[e->column] : NULL;
            found = other && other->rel == col->rel && other->rel &&
                    other->column == key->columns[k];
        }
        if (!found)
            return false;
    }
    return true;
}

static kdk_status rewrite(struct walk *walk, struct expr **e, bool *deeper)
{
    kdk_status status = KDK_OK;
    struct grouping *g = walk->context;
    struct binder *b = g->b;
    struct expr *x = *e;

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < g->agg->col_count; i++) {
            const struct relcol *group = &g->agg->cols[i];
            if (!expr_equal(group->expr, x) ||
                (x->kind == EX_CONST && x->type.id != LT_UNKNOWN && walk->subqueries))
                continue;
            struct expr *column = expr_column(b, group->id, x->type, 0);
            TRY_NEW(column);
            column->offset = x->offset;
            *e = column;
            *deeper = false;
            return KDK_OK;
        }
        if (x->kind != EX_COLUMN)
            return KDK_OK;
        const struct colinfo *col = &b->cols[x->column];
        if (col->scope != g->scope->id || col->aggregate)
            return KDK_OK;
        if (round > 0 || !key_is_grouped(g, x->column)) {
            const char *dot = col->relation ? "." : "",
                       *relation = col->relation ? col->relation : "";
            if (walk->subqueries)
                FAIL_AT(x->offset, KDK_GROUPING,
                        "subquery uses ungrouped column \"%s%s%s\" from outer query",
                        relation, dot, col->name);
            FAIL_AT(x->offset, KDK_GROUPING,
                    "column \"%s%s%s\" must appear in the GROUP BY clause or be used in an "
                    "aggregate function",
                    relation, dot, col->name);
        }
        struct expr *copy = expr_copy(b, x);
        TRY_NEW(copy);
        TRY(group_add(g, copy));
    }
out:
    return status;
}

kdk_status group_rewrite(struct grouping *g, struct expr **e)
{
    struct walk walk = {.each = rewrite, .context = g};
    return walk_expr(&walk, e);
}
