/* plan.h - from what was asked to how it is done: rewrites the relational tree in place.
 *
 * In order: subqueries become joins (general decorrelation after Neumann and Kemper,
 * "Unnesting Arbitrary Queries", BTW 2015, without duplicate elimination where keys allow
 * it); conditions are folded, split, pushed down, and those implied by disjunctions
 * derived; columns that nobody needs are dropped; inner joins are ordered by estimated
 * cost; access paths, join methods and build sides are chosen; sorts with limits become
 * top-N.
 *
 * Invariants
 *   P1  After plan_optimize() there is no EX_SUBQUERY and no lateral join in the tree, and
 *       every join has its method.
 *   P2  A condition that can fail is not moved below an operator that drops rows, nor
 *       evaluated before conditions that stood beside it and cannot fail.
 *   P3  The plan gives the same rows as the binder's tree under any statistics: they choose
 *       among equals.
 * Threads  One statement, one thread; reads statistics of tables without latches.
 */
#ifndef KDK_PLAN_PLAN_H
#define KDK_PLAN_PLAN_H

#include "sql/rel.h"

struct eval_env; /* exec/eval.h: passed through to `fold` */

struct plan_env {
    const struct eval_env *eval; /* For `fold`; borrowed. */
    /* False: only what P1 needs, in the order written: the oracle for tests. */
    bool optimize;
    /* exec's constant folding (exec comes later in the order of layers); NULL: none. */
    kdk_status (*fold)(struct expr **expr, const struct eval_env *env, struct arena *arena,
                       struct err *err);
    /* Statistics: rows of a table, distinct values and bounds of a column (position in
     * table->columns). NULL: unknown. */
    double (*table_rows)(void *context, const struct ctable *table);
    double (*column_distinct)(void *context, const struct ctable *table, uint32_t column);
    bool (*column_bounds)(void *context, const struct ctable *table, uint32_t column,
                          int128 *lo, int128 *hi);
    void *context;
};

/* New nodes lie in `arena`. KDK_UNSUPPORTED for what cannot be planned, KDK_TOO_COMPLEX,
 * KDK_NOMEM. */
kdk_status plan_optimize(struct bound_stmt *stmt, const struct plan_env *env,
                         struct arena *arena, struct err *err) KDK_MUST_CHECK;

#endif
