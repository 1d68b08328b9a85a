/* exec.h - runs optimized trees: vector pipelines on the worker pool, row programs for
 * statements by key.
 *
 * A tree is cut into pipelines: a source (scan, values, file, the result of an earlier
 * pipeline), transforms (filter, project, probe), a sink (hash table, aggregate, sort,
 * queue of results, table writer). A pipeline runs as resumable tasks of about a
 * millisecond, one for each worker at most; the root's sink is a bounded queue, and the
 * caller that pulls from it runs tasks itself, so that with no workers nothing ever
 * switches threads. Pipelines start when those they depend on have finished.
 *
 * Invariants
 *   X1  Batches that leave exec_next() stay valid until the next call on the same exec.
 *   X2  After an error, a cancel or exec_close() no task of the statement runs any more;
 *       all that it held is released.
 *   X3  A statement writes nothing after its first error; what it wrote before is undone by
 *       the caller's rollback.
 * Threads  One caller per exec. `cancel` may be set by anybody.
 */
#ifndef KDK_EXEC_EXEC_H
#define KDK_EXEC_EXEC_H

#include "exec/eval.h"
#include "sql/rel.h"
#include "table/table.h"

struct sched;
struct broker;
struct exec;

/* Reads a file that FROM or COPY names: format gives these to exec at open, since it comes
 * later in the order of layers. */
struct exec_file_ops {
    /* `file` is what the binder's hook put into rel->file; columns: positions in the file.
     * Readers of one scan share it. */
    kdk_status (*open)(void *file, struct os *os, const uint32_t *columns, uint32_t count,
                       struct arena *arena, void **scan, struct err *err);
    /* One caller at a time. */
    kdk_status (*next)(void *scan, struct batch *batch, bool *more, struct err *err);
    void (*close)(void *scan);
    void (*progress)(void *scan, uint64_t *done, uint64_t *total); /* bytes */
};

struct exec_env {
    struct os *os;
    struct txn *txn;
    struct store *store;
    struct sched *sched;
    struct broker *broker;
    struct eval_env eval;
    const struct exec_file_ops *files;
    uint32_t threads; /* For this statement; at least 1. */
    /* Called often while the statement runs, by its caller's thread alone, for progress;
     * NULL: never. */
    void (*tick)(void *context);
    void *tick_context;
    bool analyze; /* EXPLAIN ANALYZE: count rows and time in every operator. */
};

/* Does not start anything. The tree must stay until exec_close(). Memory is the exec's
 * own. */
kdk_status exec_open(const struct bound_stmt *stmt, const struct exec_env *env,
                     struct exec **out, struct err *err) KDK_MUST_CHECK;
/* The next batch of result rows, its columns those of stmt->columns in order; *out = NULL
 * at the end, when all is done (table_statement_end included). */
kdk_status exec_next(struct exec *exec, struct batch **out, struct err *err) KDK_MUST_CHECK;
uint64_t exec_affected(const struct exec *exec);
/* Any time. Rows read of those of all tables scanned, or bytes of a file; *total 0: how
 * many there will be is not known. */
void exec_progress(const struct exec *exec, uint64_t *done, uint64_t *total,
                   const char **unit);
void exec_close(struct exec *exec); /* Accepts NULL. */

struct explain_options {
    bool costs;  /* estimated rows */
    bool timing; /* with analyze: time */
};
/* Appends the tree as text, a line an operator: PostgreSQL's look; with `exec` (run with
 * analyze, at its end) actual rows, time, memory. */
kdk_status exec_explain(const struct bound_stmt *stmt, const struct exec *exec,
                        const struct explain_options *options, struct buf *out,
                        struct err *err) KDK_MUST_CHECK;

/* ------------------------------------------------------------- row programs ---- */

/* A statement on a few rows by key (point SELECT, single-row INSERT, UPDATE, DELETE by
 * unique key), compiled once per prepared statement: runs in the calling thread and
 * allocates nothing in its steady state. */
struct rowprog;
/* *out = NULL when the statement is not of such a form. Lives in its own memory; `stmt`
 * must outlive it. */
kdk_status rowprog_new(const struct bound_stmt *stmt, struct rowprog **out,
                       struct err *err) KDK_MUST_CHECK;
/* Starts a run with env's transaction and parameters. */
kdk_status rowprog_start(struct rowprog *prog, const struct exec_env *env,
                         struct err *err) KDK_MUST_CHECK;
/* The next row, values in the order of stmt->columns, valid until the next call; *row =
 * NULL at the end. */
kdk_status rowprog_next(struct rowprog *prog, const struct datum **row,
                        struct err *err) KDK_MUST_CHECK;
uint64_t rowprog_affected(const struct rowprog *prog);
void rowprog_free(struct rowprog *prog); /* Accepts NULL. */

#endif
