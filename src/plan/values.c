/* values.c - VALUES with subqueries, made into what subqueries can be taken out of. */
#include "plan/plan_int.h"

/* New ids for the columns of one of several that are appended. */
static kdk_status columns_anew(struct plan *plan, const struct rel *like, struct rel *rel,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_MEM(rel->cols = ARENA_ARRAY(plan->arena, struct relcol, like->col_count + 1));
    rel->col_count = like->col_count;
    for (uint32_t c = 0; c < like->col_count; c++) {
        rel->cols[c] = like->cols[c];
        rel->cols[c].id = plan_colid_new(plan);
    }
out:
    return status;
}

static kdk_status append(struct plan *plan, const struct rel *values, struct rel *first,
                         struct rel *second, struct rel **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *both;
    TRY_MEM(both = plan_rel_new(plan, REL_SETOP, first, second));
    both->setop = SETOP_UNION;
    both->all = true;
    TRY(columns_anew(plan, values, both, err));
    TRY_MEM(both->left = ARENA_ARRAY(plan->arena, colid, values->col_count + 1));
    TRY_MEM(both->right = ARENA_ARRAY(plan->arena, colid, values->col_count + 1));
    for (uint32_t c = 0; c < values->col_count; c++) {
        both->left[c] = first->cols[c].id;
        both->right[c] = second->cols[c].id;
    }
    *out = both;
out:
    return status;
}

/* VALUES with subqueries: each row that has one becomes a projection of an empty row, rows
 * between them stay together; all are appended, as a tree that is no deeper than it must
 * be. */
kdk_status plan_values_to_projects(struct plan *plan, struct rel **slot, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rel *values = *slot, **parts, *plain = NULL;
    uint32_t count = 0, projects = 0;

    TRY_MEM(parts = ARENA_ARRAY(plan->arena, struct rel *, values->row_count + 1));
    for (uint32_t r = 0; r < values->row_count; r++) {
        struct rel *one, *row;
        bool subquery = false;
        for (uint32_t c = 0; c < values->col_count; c++)
            subquery |= plan_expr_has_subquery(values->rows[r][c]);
        if (!subquery && plain) {
            plain->row_count++;
            continue;
        }
        TRY_MEM(one = plan_rel_new(plan, REL_VALUES, NULL, NULL));
        one->row_count = 1;
        if (!subquery) {
            one->rows = values->rows + r;
            TRY(columns_anew(plan, values, one, err));
            parts[count++] = plain = one;
            continue;
        }
        plain = NULL;
        if (++projects > SQL_DEPTH_MAX) /* Each is an operator, with its memory. */
            TRY(err_set(err, KDK_TOO_COMPLEX,
                        "VALUES can have at most %u rows with subqueries",
                        (unsigned)SQL_DEPTH_MAX));
        TRY_MEM(one->rows = ARENA_ARRAY(plan->arena, struct expr **, 1));
        TRY_MEM(row = plan_rel_new(plan, REL_PROJECT, one, NULL));
        TRY(columns_anew(plan, values, row, err));
        for (uint32_t c = 0; c < values->col_count; c++)
            row->cols[c].expr = values->rows[r][c];
        parts[count++] = row;
    }
    for (; count > 1; count = (count + 1) / 2)
        for (uint32_t i = 0; i < count; i += 2) {
            if (i + 1 < count)
                TRY(append(plan, values, parts[i], parts[i + 1], &parts[i / 2], err));
            else
                parts[i / 2] = parts[i];
        }
    for (uint32_t c = 0; c < values->col_count; c++)
        parts[0]->cols[c].id = values->cols[c].id;
    *slot = parts[0];
out:
    return status;
}
