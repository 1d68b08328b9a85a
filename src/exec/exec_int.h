/* exec_int.h - what the operators of exec share.
 *
 * An operator (struct xop) is made once for a statement; what it needs for each worker is
 * its `local` of that worker, made at the worker's first call. Within a pipeline batches
 * are pulled: xop_next(top) asks down to the source. So an operator that has more output
 * than one batch (a join) simply goes on at the next call, a task may stop after any batch,
 * and a caller that pulls the root runs the last pipeline itself. A pipeline that ends in a
 * sink (build, aggregate, sort, collect) runs on all workers; its result is the source of a
 * later one.
 */
#ifndef KDK_EXEC_EXEC_INT_H
#define KDK_EXEC_EXEC_INT_H

#include "base/mem.h"
#include "exec/exec.h"
#include "exec/rowpage.h"
#include "os/os.h"

enum { WORKERS_MAX = 64 };

struct xop;

/* The columns of a batch: slot i holds colid ids[i]. */
struct xschema {
    uint32_t count;
    colid *ids;
    struct ltype *types;
    const struct exec *exec; /* for the bounds of columns */
};

/* What a table proves of a column, as of the statement's snapshot. */
struct xbounds {
    bool known;
    int128 lo, hi;
};

struct xworker {
    struct exec *exec;
    uint32_t index;
    bool at_home;       /* On the caller's thread now; of the thread that runs it. */
    struct arena arena; /* lives as long as the statement */
};

struct xop_ops {
    const char *name;
    /* Makes the worker's state; NULL: the operator has none. */
    kdk_status (*local_new)(struct xop *op, struct xworker *worker, void **local,
                            struct err *err);
    /* *out = NULL at the end for this worker. Batches have at least one selected row. */
    kdk_status (*next)(struct xop *op, struct xworker *worker, void *local,
                       struct batch **out, struct err *err);
    void (*local_free)(void *local);
    void (*free)(struct xop *op);
};

struct xop {
    const struct xop_ops *ops;
    const struct rel *rel;
    struct xop *child; /* in the same pipeline, or NULL for a source */
    struct xschema schema;
    void *locals[WORKERS_MAX];
    /* with analyze; the time of all workers, with what is below */
    _Atomic uint64_t rows, ns;
    struct xop *all_next;
};

/* The end of a pipeline. consume() is called by many workers with their own locals,
 * combine() once for each worker at its end (one at a time), finalize() once. */
struct xsink {
    kdk_status (*consume)(struct xsink *sink, struct xworker *worker, struct batch *batch,
                          struct err *err);
    kdk_status (*combine)(struct xsink *sink, struct xworker *worker, struct err *err);
    kdk_status (*finalize)(struct xsink *sink, struct xworker *worker, struct err *err);
    void (*free)(struct xsink *sink);
    /* the operator whose rows these become, which EXPLAIN ANALYZE adds the time to; or
     * NULL */
    struct xop *op;
    struct xsink *all_next;
};

struct pipeline {
    struct xop *top;
    struct xsink *sink;
    bool serial; /* one worker only: order matters, or a shared state does not allow more */
    struct pipeline *next;
};

struct exec {
    const struct bound_stmt *stmt;
    struct exec_env env;
    struct arena arena;
    struct rowmemory memory;
    struct xop *root;
    struct pipeline *pipelines, **pipelines_end; /* in the order in which they run */
    /* while compiling: the pipeline being made is serial */
    bool serial_now;
    struct xop *all_ops;
    struct xsink *all_sinks;
    struct xworker workers[WORKERS_MAX];
    uint32_t worker_count;
    uint32_t colid_count;
    struct xbounds *bounds; /* by colid; filled by the scans */
    bool ran, ended;
    /* A change is not at the top (RETURNING has subqueries): the statement ends when all
     * pipelines have run. */
    bool statement_open;
    uint64_t affected;
    struct cte_state *ctes;
    struct keyfilter_use *filters;  /* of the scans compiled so far, and those to be */
    _Atomic uint64_t progress_done; /* rows written */
    _Atomic uint64_t progress_read; /* rows read by scans and series, if env.tick */
    uint64_t progress_total;        /* of the tables scanned */
    const char *progress_unit;
    void *progress_scan; /* of a file scan */
};

/* ---- exec.c ---- */
kdk_status xop_next(struct xop *op, struct xworker *worker, struct batch **out,
                    struct err *err);
/* Adds the operator to the statement: its locals and itself are freed with it. */
void xop_register(struct exec *exec, struct xop *op, const struct xop_ops *ops,
                  const struct rel *rel, struct xop *child);
void xsink_register(struct exec *exec, struct xsink *sink);
/* Ends the pipeline below `sink`: it will run before what is compiled later. */
kdk_status pipeline_add(struct exec *exec, struct xop *top, struct xsink *sink, bool serial,
                        struct err *err);
/* Makes the operators for `rel`; needed: a bitmap of colids that are wanted of it. */
kdk_status compile(struct exec *exec, struct rel *rel, const uint64_t *needed,
                   struct xop **out, struct err *err);
kdk_status exec_interrupted(struct exec *exec, struct err *err);
/* Calls part() for each of `parts` parts, at most as many as there are workers, each with a
 * worker of its own. For finalize(). */
typedef kdk_status (*exec_part_fn)(void *context, struct xworker *worker, uint32_t part,
                                   uint32_t parts, struct err *err);
kdk_status exec_parallel(struct exec *exec, uint32_t parts, exec_part_fn part,
                         void *context, struct err *err);
/* Fewer rows than this are not worth a task. */
#define PARALLEL_ROWS_MIN KDK_PICK(1u << 14, 32u)

/* ---- schemas and expressions ---- */
kdk_status xschema_init(struct xschema *schema, struct exec *exec, uint32_t room,
                        struct err *err);
void xschema_add(struct xschema *schema, colid id, struct ltype type);
bool xschema_find(const struct xschema *schema, colid id, uint32_t *slot);
/* For eval_new: the columns of a schema. The schema must stay. */
struct eval_source xschema_source(const struct xschema *schema);
void expr_columns(const struct expr *expr, uint64_t *bits);
void exprs_columns(struct expr *const *exprs, uint32_t count, uint64_t *bits);
/* a copy (from may be NULL), or NULL: no memory */
uint64_t *colids_new(struct exec *exec, const uint64_t *from);
/* A batch whose columns are not set yet. */
kdk_status batch_shell(struct batch *batch, uint32_t column_count, struct arena *arena,
                       struct err *err);

/* ---- op_source.c, op_basic.c ---- */
kdk_status compile_scan(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err);
kdk_status compile_file(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err);
kdk_status compile_series(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err);
kdk_status compile_values(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err);
kdk_status compile_filter(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err);
kdk_status compile_project(struct exec *exec, struct rel *rel, const uint64_t *needed,
                           struct xop **out, struct err *err);
kdk_status compile_limit(struct exec *exec, struct rel *rel, const uint64_t *needed,
                         struct xop **out, struct err *err);
kdk_status compile_union_all(struct exec *exec, struct rel *rel, const uint64_t *needed,
                             struct xop **out, struct err *err);
kdk_status compile_cte(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err);
kdk_status compile_cte_ref(struct exec *exec, struct rel *rel, const uint64_t *needed,
                           struct xop **out, struct err *err);
/* The rows of a rowset, fields to slots; `order`: in this order (else as they lie, several
 * workers sharing). Both are looked at when the pipeline starts. */
struct rowset_source {
    struct xop op;
    const struct rowset *set;
    uint8_t *const *const *order; /* NULL: none */
    const uint64_t *order_count;
    const uint32_t *fields; /* field for each slot */
    struct latch latch;
    struct rowset_at at;
    uint64_t next;
};
kdk_status rowset_source_new(struct exec *exec, const struct rel *rel,
                             const struct rowset *set, const uint32_t *fields,
                             struct rowset_source **out, struct err *err);
/* A sink that keeps its input's columns (all slots, in order) in a rowset. */
struct collect {
    struct xsink sink;
    struct xop *top;
    struct rowlayout layout;
    struct rowset set;
    struct rowset locals[WORKERS_MAX];
    struct vec *scratch[WORKERS_MAX];
    const struct vec **columns[WORKERS_MAX];
};
kdk_status collect_new(struct exec *exec, struct xop *top, struct collect **out,
                       struct err *err);

/* ---- join.c, group.c, sort.c, dml.c ---- */
kdk_status compile_join(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err);
kdk_status compile_agg(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err);
kdk_status compile_distinct(struct exec *exec, struct rel *rel, const uint64_t *needed,
                            struct xop **out, struct err *err);
kdk_status compile_setop(struct exec *exec, struct rel *rel, const uint64_t *needed,
                         struct xop **out, struct err *err);
kdk_status compile_sort(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err);
kdk_status compile_dml(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err);
/* The row number limits of LIMIT and OFFSET; *limit UINT64_MAX: none. `counts`: the row
 * whose columns they may name, or NULL. */
kdk_status limit_values(struct exec *exec, const struct rel *rel,
                        const struct eval_row *counts, uint64_t *limit, uint64_t *offset,
                        struct err *err);

#endif
