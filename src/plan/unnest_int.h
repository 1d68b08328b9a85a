/* unnest_int.h - what the files of unnesting share: columns of trees (unnest_cols.c),
 * pulling up (unnest_pull.c), the general way (unnest_push.c), and who chooses between them
 * (unnest.c). */
#ifndef KDK_PLAN_UNNEST_INT_H
#define KDK_PLAN_UNNEST_INT_H

#include "plan/plan_int.h"

/* ---- Columns of trees ---- */
struct cols {
    struct relcol *list;
    uint32_t count, room;
};

kdk_status unnest_cols_add(struct plan *plan, struct cols *cols, struct relcol col,
                           struct err *err) KDK_MUST_CHECK;
/* What a tree hands on, with types. */
kdk_status unnest_visible_cols(struct plan *plan, const struct rel *rel, struct cols *out,
                               struct err *err) KDK_MUST_CHECK;
/* Gives other ids to columns that the tree makes, wherever it names them. */
kdk_status unnest_rename_made(struct plan *plan, struct rel *rel, const struct colmap *map,
                              struct err *err) KDK_MUST_CHECK;
/* Adds a column to a PROJECT or AGG that hands on `expr`; its id. */
kdk_status unnest_col_append(struct plan *plan, struct rel *rel, struct expr *expr,
                             colid *id, struct err *err) KDK_MUST_CHECK;
/* Is it count(), which gives 0 for no rows? */
bool unnest_is_count(const struct relagg *agg);
/* `column`, or 0 for NULL. */
struct expr *unnest_or_zero(struct plan *plan, struct expr *column);
/* `cond IS TRUE`. NULL: no memory, also of the one above. */
struct expr *unnest_is_true(struct plan *plan, struct expr *cond);

/* ---- Pulling up ---- */
struct pull {
    struct plan *plan;
    struct colset outer; /* columns of the left side */
    bool scalar, exists;
    struct exprs conds; /* pulled so far, over outer columns and what the tree hands on */
    struct rel *ungrouped;           /* the aggregate that was without GROUP BY */
    uint32_t cond_count, fail_count; /* to be pulled, and those of them that can fail */
};

/* top: only projections stand above. grouped: some grouping stands above. */
kdk_status unnest_pullable(struct pull *pull, struct rel *rel, bool top, bool grouped,
                           bool *ok, struct err *err) KDK_MUST_CHECK;
/* Moves the correlated conditions of *slot, which is unnest_pullable(), into pull->conds. */
kdk_status unnest_pull_up(struct pull *pull, struct rel **slot,
                          struct err *err) KDK_MUST_CHECK;

/* ---- In general ---- */
struct dep {
    struct plan *plan;
    uint32_t count; /* outer columns that are named */
    struct relcol *outer;
    struct relcte *values;     /* D */
    struct relcte *pushed[64]; /* CTEs that have D's columns */
    uint32_t pushed_count;
};

/* A new reading of a CTE; ids receives its columns. */
struct rel *unnest_cte_ref(struct plan *plan, struct relcte *cte, const colid *given,
                           colid *ids);
/* a[i] IS NOT DISTINCT FROM b[i] for all of D's columns. */
kdk_status unnest_same_values(struct dep *dep, const colid *a, const colid *b, bool mark,
                              struct exprs *out, struct err *err) KDK_MUST_CHECK;
/* D dep-join *slot; ids: D's columns at its top. */
kdk_status unnest_push(struct dep *dep, struct rel **slot, colid *ids,
                       struct err *err) KDK_MUST_CHECK;

#endif
