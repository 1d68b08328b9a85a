/* eval.h - expressions, evaluated: over batches by register programs, over single rows by
 * scalar bodies.
 *
 * An expression is compiled once per statement and worker into a flat array of instructions
 * over vector registers. Each node gets an interval [lo, hi] from its inputs' bounds, hence
 * a physical width, and whether its kernel needs an overflow check at all. The scalar
 * interpreter evaluates the same tree on one row: for row programs, constant folding,
 * DEFAULT and CHECK of single rows; it is also the oracle of the vector bodies, and the one
 * that words errors: a vector body only marks the rows that failed.
 *
 * Invariants
 *   E1  An error is raised only for a selected row, the lowest one of its batch; its text
 *       is the scalar body's.
 *   E2  CASE, COALESCE, AND, OR evaluate an argument that can fail only on the rows that
 *       reach it, in the order written.
 * Threads  A program belongs to one thread at a time (it owns registers). Trees are shared
 *          and not changed.
 */
#ifndef KDK_EXEC_EVAL_H
#define KDK_EXEC_EVAL_H

#include "sql/rel.h"

/* What expressions are evaluated in: the statement's constants and what functions may ask
 * for. */
struct eval_env {
    const struct datum *params; /* By EX_PARAM's number; fixed for the execution. */
    uint32_t param_count;
    int64_t now_us; /* Start of the transaction, for now() and current_date. */
    /* Non-zero: stop with KDK_INTERRUPTED at the next batch. */
    const _Atomic uint32_t *cancel;
    /* NULL for none; may be NULL */
    const char *(*setting)(void *context, const char *name);
    void *context;
};

/* Where a column of the input is: the compiler asks this. False: not a column of this
 * input. */
struct eval_source {
    bool (*slot)(void *context, colid id, uint32_t *slot);
    /* Conservative bounds of an integer, date or decimal column: false when unknown. May be
     * NULL. */
    bool (*bounds)(void *context, colid id, int128 *lo, int128 *hi);
    void *context;
};

struct eval; /* A compiled expression. */

/* Compiles for batches whose column `slot(c)` is colid c. Registers and program live in
 * `arena`. */
kdk_status eval_new(const struct expr *expr, const struct eval_source *source,
                    const struct eval_env *env, struct arena *arena, struct eval **out,
                    struct err *err) KDK_MUST_CHECK;
/* The value for each selected row, at its own row number, in a vector that belongs to the
 * program (or to the batch) and stays valid until its next run. Any form but lazy; not
 * owned by the caller. */
kdk_status eval_run(struct eval *eval, struct batch *batch, struct vec **out,
                    struct err *err) KDK_MUST_CHECK;
/* Keeps in batch->sel only the rows for which the (boolean) expression is true. */
kdk_status eval_filter(struct eval *eval, struct batch *batch,
                       struct err *err) KDK_MUST_CHECK;
/* Several conditions, and-ed, those that can fail last. */
struct eval_conds;
kdk_status eval_conds_new(struct expr *const *conds, uint32_t count,
                          const struct eval_source *source, const struct eval_env *env,
                          struct arena *arena, struct eval_conds **out,
                          struct err *err) KDK_MUST_CHECK;
kdk_status eval_conds_filter(struct eval_conds *conds, struct batch *batch,
                             struct err *err) KDK_MUST_CHECK;

/* One row. `column` gives the value of a colid. Results live in `arena` or in what column()
 * returned. No allocation unless a function makes text longer than STR_INLINE. */
struct eval_row {
    struct datum (*column)(void *context, colid id);
    void *context;
};
kdk_status eval_scalar(const struct expr *expr, const struct eval_row *row,
                       const struct eval_env *env, struct arena *arena, struct datum *out,
                       struct err *err) KDK_MUST_CHECK;
/* One cast of one value; `context` CAST_ASSIGNMENT makes too long text 22001, CAST_EXPLICIT
 * cuts it. */
kdk_status eval_cast(struct ltype from, struct ltype to, enum cast_context context,
                     const struct datum *in, struct arena *arena, struct datum *out,
                     struct err *err) KDK_MUST_CHECK;

/* Replaces subtrees without columns, parameters and volatile or failing calls by their
 * value, in place of `*expr`. An error while folding leaves the node as it is (it may never
 * be evaluated). */
kdk_status eval_fold(struct expr **expr, const struct eval_env *env, struct arena *arena,
                     struct err *err) KDK_MUST_CHECK;

#endif
