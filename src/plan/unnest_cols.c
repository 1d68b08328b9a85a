/* unnest_cols.c - the columns that trees hand on: found, renamed, added to. */
#include "plan/unnest_int.h"

kdk_status unnest_cols_add(struct plan *plan, struct cols *cols, struct relcol col,
                           struct err *err)
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
kdk_status unnest_visible_cols(struct plan *plan, const struct rel *rel, struct cols *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++)
        TRY(unnest_cols_add(plan, out, rel->cols[i], err));
    for (uint32_t i = 0; i < rel->agg_count; i++)
        TRY(unnest_cols_add(
            plan, out, (struct relcol){.id = rel->aggs[i].id, .type = rel->aggs[i].type},
            err));
    switch (rel->kind) {
    case REL_FILTER:
    case REL_DISTINCT:
    case REL_SORT:
    case REL_LIMIT:
    case REL_CTE:
    case REL_COPY_TO:
        TRY(unnest_visible_cols(plan, rel->in[0], out, err));
        break;
    case REL_JOIN:
        TRY(unnest_visible_cols(plan, rel->in[0], out, err));
        if (rel->join == JOIN_MARK)
            TRY(unnest_cols_add(
                plan, out, (struct relcol){.id = rel->mark, .type = LTYPE(BOOLEAN)}, err));
        else if (rel->join != JOIN_SEMI && rel->join != JOIN_ANTI)
            TRY(unnest_visible_cols(plan, rel->in[1], out, err));
        break;
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        for (uint32_t i = 0; i < rel->dml->returning_count; i++)
            TRY(unnest_cols_add(plan, out, rel->dml->returning[i], err));
        break;
    case REL_SERIES:
        if (rel->in[0])
            TRY(unnest_visible_cols(plan, rel->in[0], out, err));
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
kdk_status unnest_rename_made(struct plan *plan, struct rel *rel, const struct colmap *map,
                              struct err *err)
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
        TRY(unnest_rename_made(plan, rel->ctes[i]->rel, map, err));
    }
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            TRY(unnest_rename_made(plan, rel->in[i], map, err));
out:
    return status;
}

/* Adds a column to a PROJECT or AGG that hands on `expr`; its id. */
kdk_status unnest_col_append(struct plan *plan, struct rel *rel, struct expr *expr,
                             colid *id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct relcol *grown;
    TRY_MEM(grown = ARENA_ARRAY(plan->arena, struct relcol, rel->col_count + 1));
    if (rel->col_count)
        memcpy(grown, rel->cols, rel->col_count * sizeof *grown);
    *id = plan_colid_new(plan);
    grown[rel->col_count] =
        (struct relcol){.id = *id, .type = expr->type, .name = "?column?", .expr = expr};
    rel->cols = grown;
    rel->col_count++;
out:
    return status;
}

bool unnest_is_count(const struct relagg *agg)
{
    return strcmp(fn_table[agg->fn].name, "count") == 0;
}

/* `column`, or 0 for NULL. */
struct expr *unnest_or_zero(struct plan *plan, struct expr *column)
{
    struct expr *zero = plan_expr_new(plan, EX_CONST, column->type, 0),
                *e = plan_expr_new(plan, EX_COALESCE, column->type, 2);
    if (!zero || !e)
        return NULL;
    e->args[0] = column;
    e->args[1] = zero;
    return e;
}

struct expr *unnest_is_true(struct plan *plan, struct expr *cond)
{
    struct expr *e = plan_expr_new(plan, EX_IS_TRUE, LTYPE(BOOLEAN), 1);
    if (e) {
        e->args[0] = cond;
        plan_expr_flags(e);
    }
    return e;
}
