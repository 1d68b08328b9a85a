#include "exec/exec_int.h"

#include <stdatomic.h>

#include "task/task.h"

/* ------------------------------------------------------------------ schemas ---- */

kdk_status xschema_init(struct xschema *schema, struct exec *exec, uint32_t room,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    schema->count = 0;
    schema->exec = exec;
    TRY_MEM(schema->ids = ARENA_ARRAY(&exec->arena, colid, room + 1));
    TRY_MEM(schema->types = ARENA_ARRAY(&exec->arena, struct ltype, room + 1));
out:
    return status;
}

void xschema_add(struct xschema *schema, colid id, struct ltype type)
{
    schema->ids[schema->count] = id;
    schema->types[schema->count++] = type;
}

bool xschema_find(const struct xschema *schema, colid id, uint32_t *slot)
{
    for (uint32_t i = 0; i < schema->count; i++)
        if (schema->ids[i] == id) {
            *slot = i;
            return true;
        }
    return false;
}

static bool source_slot(void *context, colid id, uint32_t *slot)
{
    return xschema_find(context, id, slot);
}

static bool source_bounds(void *context, colid id, int128 *lo, int128 *hi)
{
    const struct xschema *schema = context;
    const struct xbounds *bounds = &schema->exec->bounds[id];
    *lo = bounds->lo;
    *hi = bounds->hi;
    return bounds->known;
}

struct eval_source xschema_source(const struct xschema *schema)
{
    return (struct eval_source){
        .slot = source_slot, .bounds = source_bounds, .context = (void *)(uintptr_t)schema};
}

void expr_columns(const struct expr *expr, uint64_t *bits)
{
    if (!expr)
        return;
    if (expr->kind == EX_COLUMN)
        bit_set(bits, expr->column);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        expr_columns(expr->args[i], bits);
}

void exprs_columns(struct expr *const *exprs, uint32_t count, uint64_t *bits)
{
    for (uint32_t i = 0; i < count; i++)
        expr_columns(exprs[i], bits);
}

uint64_t *colids_new(struct exec *exec, const uint64_t *from)
{
    size_t words = bits_words(exec->colid_count);
    uint64_t *bits = ARENA_ARRAY(&exec->arena, uint64_t, words);
    if (bits && from)
        memcpy(bits, from, words * sizeof *bits);
    return bits;
}

kdk_status batch_shell(struct batch *batch, uint32_t column_count, struct arena *arena,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    memset(batch, 0, sizeof *batch);
    batch->column_count = column_count;
    TRY_MEM(batch->columns = ARENA_ARRAY(arena, struct vec, column_count + 1));
    TRY_MEM(batch->sel_room = ARENA_ARRAY(arena, uint16_t, BATCH_ROWS));
out:
    return status;
}

/* ---------------------------------------------------------------- operators ---- */

void xop_register(struct exec *exec, struct xop *op, const struct xop_ops *ops,
                  const struct rel *rel, struct xop *child)
{
    op->ops = ops;
    op->rel = rel;
    op->child = child;
    op->all_next = exec->all_ops;
    exec->all_ops = op;
}

void xsink_register(struct exec *exec, struct xsink *sink)
{
    sink->all_next = exec->all_sinks;
    exec->all_sinks = sink;
}

kdk_status pipeline_add(struct exec *exec, struct xop *top, struct xsink *sink, bool serial,
                        struct err *err)
{
    struct pipeline *p = ARENA_NEW(&exec->arena, struct pipeline);
    if (!p)
        return err_nomem(err);
    p->top = top;
    p->sink = sink;
    p->serial = serial;
    *exec->pipelines_end = p;
    exec->pipelines_end = &p->next;
    return KDK_OK;
}

kdk_status exec_interrupted(struct exec *exec, struct err *err)
{
    if (exec->env.eval.cancel &&
        atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)exec->env.eval.cancel,
                             memory_order_relaxed))
        return err_set(err, KDK_INTERRUPTED, "canceling statement due to user request");
    return KDK_OK;
}

kdk_status xop_next(struct xop *op, struct xworker *worker, struct batch **out,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t start = worker->exec->env.analyze ? os_now_ns(worker->exec->env.os) : 0;

    *out = NULL;
    TRY(exec_interrupted(worker->exec, err));
    if (worker->at_home && worker->exec->env.tick)
        worker->exec->env.tick(worker->exec->env.tick_context);
    if (!op->locals[worker->index] && op->ops->local_new)
        TRY(op->ops->local_new(op, worker, &op->locals[worker->index], err));
    TRY(op->ops->next(op, worker, op->locals[worker->index], out, err));
out:
    if (worker->exec->env.analyze) {
        if (status == KDK_OK && *out)
            atomic_fetch_add_explicit(&op->rows, (*out)->sel.count, memory_order_relaxed);
        atomic_fetch_add_explicit(&op->ns, os_now_ns(worker->exec->env.os) - start,
                                  memory_order_relaxed);
    }
    return status;
}

kdk_status compile(struct exec *exec, struct rel *rel, const uint64_t *needed,
                   struct xop **out, struct err *err)
{
    switch (rel->kind) {
    case REL_SCAN:
        return compile_scan(exec, rel, needed, out, err);
    case REL_FILE:
        return compile_file(exec, rel, needed, out, err);
    case REL_SERIES:
        return compile_series(exec, rel, needed, out, err);
    case REL_VALUES:
        return compile_values(exec, rel, needed, out, err);
    case REL_FILTER:
        return compile_filter(exec, rel, needed, out, err);
    case REL_PROJECT:
        return compile_project(exec, rel, needed, out, err);
    case REL_JOIN:
        return compile_join(exec, rel, needed, out, err);
    case REL_AGG:
        return compile_agg(exec, rel, needed, out, err);
    case REL_DISTINCT:
        return compile_distinct(exec, rel, needed, out, err);
    case REL_SORT:
        return compile_sort(exec, rel, needed, out, err);
    case REL_LIMIT:
        return compile_limit(exec, rel, needed, out, err);
    case REL_SETOP:
        return rel->setop == SETOP_UNION && rel->all
                   ? compile_union_all(exec, rel, needed, out, err)
                   : compile_setop(exec, rel, needed, out, err);
    case REL_CTE:
        return compile_cte(exec, rel, needed, out, err);
    case REL_CTE_REF:
        return compile_cte_ref(exec, rel, needed, out, err);
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        return compile_dml(exec, rel, needed, out, err);
    case REL_COPY_TO:
        return compile(exec, rel->in[0], needed, out, err);
    }
    return err_set(err, KDK_INTERNAL, "unknown operator %d", (int)rel->kind);
}

/* The root: result columns in their order. */
struct result {
    struct xop op;
    uint32_t *slots;
};

static kdk_status result_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch *batch;
    TRY_MEM(batch = ARENA_NEW(&worker->arena, struct batch));
    TRY(batch_shell(batch, op->schema.count, &worker->arena, err));
    *local = batch;
out:
    return status;
}

static kdk_status result_next(struct xop *op, struct xworker *worker, void *local,
                              struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct result *result = (struct result *)op;
    struct batch *in, *batch = local;

    TRY(xop_next(op->child, worker, &in, err));
    if (!in)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++) {
        batch->columns[i] = in->columns[result->slots[i]];
        if (batch->columns[i].form == VF_LAZY)
            TRY(batch->columns[i].load(&batch->columns[i], &in->sel, in->count, err));
        batch->columns[i].owned = false;
    }
    batch->count = in->count;
    batch->sel = in->sel;
    *out = batch;
out:
    return status;
}

static const struct xop_ops result_ops = {
    .name = "Result", .local_new = result_local, .next = result_next};

/* All rows of the root before the first is handed on: what is above a change still reads
 * the tables as of the statement's start. */
static kdk_status collect_root(struct exec *exec, struct err *err)
{
    kdk_status status = KDK_OK;
    struct collect *collect;
    struct rowset_source *source;
    uint32_t *fields;

    TRY(collect_new(exec, exec->root, &collect, err));
    TRY(pipeline_add(exec, exec->root, &collect->sink, true, err));
    TRY_MEM(fields = ARENA_ARRAY(&exec->arena, uint32_t, exec->root->schema.count + 1));
    for (uint32_t i = 0; i < exec->root->schema.count; i++)
        fields[i] = i;
    TRY(rowset_source_new(exec, NULL, &collect->set, fields, &source, err));
    source->op.schema = exec->root->schema;
    exec->root = &source->op;
out:
    return status;
}

kdk_status exec_open(const struct bound_stmt *stmt, const struct exec_env *env,
                     struct exec **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = NULL;
    struct result *result;
    uint64_t *needed;

    TRY_MEM(exec = MEM_NEW(struct exec));
    arena_init(&exec->arena);
    rowmemory_init(&exec->memory, env->broker);
    exec->stmt = stmt;
    exec->env = *env;
    exec->pipelines_end = &exec->pipelines;
    exec->colid_count = stmt->colid_next + 1;
    exec->worker_count = MIN(MAX(env->threads, 1u), (uint32_t)WORKERS_MAX);
    for (uint32_t i = 0; i < exec->worker_count; i++) {
        exec->workers[i].exec = exec;
        exec->workers[i].index = i;
        arena_init(&exec->workers[i].arena);
    }
    TRY_MEM(needed = colids_new(exec, NULL));
    TRY_MEM(exec->bounds = ARENA_ARRAY(&exec->arena, struct xbounds, exec->colid_count));
    for (uint32_t i = 0; i < stmt->column_count; i++)
        bit_set(needed, stmt->columns[i].id);
    TRY_MEM(result = ARENA_NEW(&exec->arena, struct result));
    TRY_MEM(result->slots = ARENA_ARRAY(&exec->arena, uint32_t, stmt->column_count + 1));
    TRY(xschema_init(&result->op.schema, exec, stmt->column_count, err));
    TRY(compile(exec, stmt->root, needed, &exec->root, err));
    if (exec->statement_open)
        TRY(collect_root(exec, err));
    for (uint32_t i = 0; i < stmt->column_count; i++) {
        TRY_ASSERT(
            xschema_find(&exec->root->schema, stmt->columns[i].id, &result->slots[i]));
        xschema_add(&result->op.schema, stmt->columns[i].id, stmt->columns[i].type);
    }
    xop_register(exec, &result->op, &result_ops, NULL, exec->root);
    exec->root = &result->op;
    *out = exec;
    exec = NULL;
out:
    exec_close(exec);
    return status;
}

static void pipeline_time(const struct exec *exec, const struct pipeline *p, uint64_t start)
{
    if (exec->env.analyze && p->sink->op)
        atomic_fetch_add_explicit(&p->sink->op->ns, os_now_ns(exec->env.os) - start,
                                  memory_order_relaxed);
}

/* Runs one pipeline up to the end of its input. */
static kdk_status pipeline_run_serial(struct exec *exec, struct pipeline *p,
                                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct xworker *worker = &exec->workers[0];
    struct batch *batch;
    uint64_t start = exec->env.analyze ? os_now_ns(exec->env.os) : 0;

    for (;;) {
        TRY(xop_next(p->top, worker, &batch, err));
        if (!batch)
            break;
        TRY(p->sink->consume(p->sink, worker, batch, err));
    }
    TRY(p->sink->combine(p->sink, worker, err));
    TRY(p->sink->finalize(p->sink, worker, err));
out:
    pipeline_time(exec, p, start);
    return status;
}

/* A pipeline on all workers: as many tasks as threads, each with the state of one struct
 * xworker, whichever thread runs it. */
struct pipeline_task {
    struct task task;
    struct exec *exec;
    struct pipeline *pipeline;
    struct xworker *worker;
};

static enum task_result pipeline_task_run(struct task *task, uint32_t thread)
{
    struct pipeline_task *t = task->context;
    struct err err = {0};
    struct batch *batch;
    kdk_status status = KDK_OK;
    enum task_result result = TASK_DONE;
    uint64_t start = t->exec->env.analyze ? os_now_ns(t->exec->env.os) : 0;

    t->worker->at_home = thread == 0;
    while (!task_group_cancelled(task->group)) {
        TRY(xop_next(t->pipeline->top, t->worker, &batch, &err));
        if (!batch)
            break;
        TRY(t->pipeline->sink->consume(t->pipeline->sink, t->worker, batch, &err));
        if (task_should_yield(task)) {
            result = TASK_MORE;
            break;
        }
    }
out:
    if (status != KDK_OK)
        task_group_fail(task->group, status, &err);
    pipeline_time(t->exec, t->pipeline, start);
    return result;
}

static kdk_status pipeline_run(struct exec *exec, struct pipeline *p, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pipeline_task tasks[WORKERS_MAX];
    struct task_group group;
    uint64_t start;

    exec->workers[0].at_home = true;
    if (p->serial || exec->worker_count == 1 || !exec->env.sched)
        return pipeline_run_serial(exec, p, err);
    task_group_init(&group, exec->env.sched, TASK_NORMAL, exec->worker_count,
                    exec->env.eval.cancel);
    group.tick = exec->env.tick;
    group.tick_context = exec->env.tick_context;
    for (uint32_t i = 0; i < exec->worker_count; i++) {
        tasks[i] = (struct pipeline_task){
            .exec = exec, .pipeline = p, .worker = &exec->workers[i]};
        tasks[i].task.run = pipeline_task_run;
        tasks[i].task.context = &tasks[i];
    }
    for (uint32_t i = 0; i < exec->worker_count; i++)
        task_submit(&group, &tasks[i].task);
    TRY(task_group_wait(&group, err));
    start = exec->env.analyze ? os_now_ns(exec->env.os) : 0;
    for (uint32_t i = 0; i < exec->worker_count; i++)
        TRY(p->sink->combine(p->sink, &exec->workers[i], err));
    TRY(p->sink->finalize(p->sink, &exec->workers[0], err));
    pipeline_time(exec, p, start);
out:
    return status;
}

struct part_task {
    struct task task;
    exec_part_fn part;
    void *context;
    struct xworker *worker;
    uint32_t number, parts;
};

static enum task_result part_task_run(struct task *task, uint32_t thread)
{
    struct part_task *t = task->context;
    struct err err = {0};
    kdk_status status;

    t->worker->at_home = thread == 0;
    status = task_group_cancelled(task->group)
                 ? KDK_OK
                 : t->part(t->context, t->worker, t->number, t->parts, &err);
    if (status != KDK_OK)
        task_group_fail(task->group, status, &err);
    return TASK_DONE;
}

kdk_status exec_parallel(struct exec *exec, uint32_t parts, exec_part_fn part,
                         void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct part_task tasks[WORKERS_MAX];
    struct task_group group;

    ASSERT(parts <= exec->worker_count);
    if (parts == 1 || !exec->env.sched) {
        for (uint32_t i = 0; i < parts; i++)
            TRY(part(context, &exec->workers[0], i, parts, err));
        goto out;
    }
    task_group_init(&group, exec->env.sched, TASK_NORMAL, parts, exec->env.eval.cancel);
    group.tick = exec->env.tick;
    group.tick_context = exec->env.tick_context;
    for (uint32_t i = 0; i < parts; i++) {
        tasks[i] = (struct part_task){.part = part,
                                      .context = context,
                                      .worker = &exec->workers[i],
                                      .number = i,
                                      .parts = parts};
        tasks[i].task.run = part_task_run;
        tasks[i].task.context = &tasks[i];
    }
    for (uint32_t i = 0; i < parts; i++)
        task_submit(&group, &tasks[i].task);
    TRY(task_group_wait(&group, err));
    exec->workers[0].at_home = true;
out:
    return status;
}

kdk_status exec_next(struct exec *exec, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    *out = NULL;
    if (exec->ended)
        return KDK_OK;
    if (!exec->ran) {
        exec->ran = true;
        for (struct pipeline *p = exec->pipelines; p; p = p->next)
            TRY(pipeline_run(exec, p, err));
        if (exec->statement_open)
            TRY(table_statement_end(exec->env.txn, err));
    }
    exec->workers[0].at_home = true;
    TRY(xop_next(exec->root, &exec->workers[0], out, err));
    if (*out)
        goto out;
    exec->ended = true;
out:
    if (status != KDK_OK)
        exec->ended = true;
    return status;
}

uint64_t exec_affected(const struct exec *exec)
{
    return exec->affected;
}

void exec_progress(const struct exec *exec, uint64_t *done, uint64_t *total,
                   const char **unit)
{
    uint64_t wrote = atomic_load_explicit(&exec->progress_done, memory_order_relaxed);
    uint64_t read = atomic_load_explicit(&exec->progress_read, memory_order_relaxed);
    *done = MAX(wrote, read);
    /* What is read again and again has no known end. */
    *total = *done > exec->progress_total ? 0 : exec->progress_total;
    *unit = exec->progress_unit ? exec->progress_unit : "rows";
    if (exec->progress_scan && exec->env.files)
        exec->env.files->progress(exec->progress_scan, done, total);
}

void exec_close(struct exec *exec)
{
    if (!exec)
        return;
    for (struct xop *op = exec->all_ops; op; op = op->all_next) {
        for (uint32_t i = 0; i < exec->worker_count; i++)
            if (op->locals[i] && op->ops->local_free)
                op->ops->local_free(op->locals[i]);
        if (op->ops->free)
            op->ops->free(op);
    }
    for (struct xsink *sink = exec->all_sinks; sink; sink = sink->all_next)
        if (sink->free)
            sink->free(sink);
    for (uint32_t i = 0; i < exec->worker_count; i++)
        arena_deinit(&exec->workers[i].arena);
    rowmemory_deinit(&exec->memory);
    arena_deinit(&exec->arena);
    mem_free(exec);
}
