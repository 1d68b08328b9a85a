/* op_basic.c - operators that change a batch as it passes: filter, project, limit, union all. */
#include "exec/exec_int.h"

#include <stdatomic.h>

/* ------------------------------------------------------------------- filter ---- */

static kdk_status filter_local(struct xop *op, struct xworker *worker, void **local, struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_source source = xschema_source(&op->child->schema);
    struct eval_conds *conds;
    TRY(eval_conds_new(op->rel->conds, op->rel->cond_count, &source, &worker->exec->env.eval, &worker->arena, &conds, err));
    *local = conds;
out:
    return status;
}

static kdk_status filter_next(struct xop *op, struct xworker *worker, void *local, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch *in;
    do {
        TRY(xop_next(op->child, worker, &in, err));
        if (!in)
            goto out;
        TRY(eval_conds_filter(local, in, err));
    } while (in->sel.count == 0);
    *out = in;
out:
    return status;
}

static const struct xop_ops filter_ops = {.name = "Filter", .local_new = filter_local, .next = filter_next};

kdk_status compile_filter(struct exec *exec, struct rel *rel, const uint64_t *needed, struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct xop *op, *child;
    uint64_t *below;

    TRY_MEM(below = colids_new(exec, needed));
    exprs_columns(rel->conds, rel->cond_count, below);
    TRY(compile(exec, rel->in[0], below, &child, err));
    TRY_MEM(op = ARENA_NEW(&exec->arena, struct xop));
    op->schema = child->schema;
    xop_register(exec, op, &filter_ops, rel, child);
    *out = op;
out:
    return status;
}

/* ------------------------------------------------------------------ project ---- */

struct project {
    struct xop op;
    struct expr **exprs; /* for each slot */
};

struct project_local {
    struct batch batch;
    struct eval **evals;
};

static kdk_status project_local(struct xop *op, struct xworker *worker, void **local, struct err *err)
{
    kdk_status status = KDK_OK;
    struct project *project = (struct project *)op;
    struct eval_source source = xschema_source(&op->child->schema);
    struct project_local *l;

    TRY_MEM(l = ARENA_NEW(&worker->arena, struct project_local));
    TRY(batch_shell(&l->batch, op->schema.count, &worker->arena, err));
    TRY_MEM(l->evals = ARENA_ARRAY(&worker->arena, struct eval *, op->schema.count + 1));
    for (uint32_t i = 0; i < op->schema.count; i++)
        TRY(eval_new(project->exprs[i], &source, &worker->exec->env.eval, &worker->arena, &l->evals[i], err));
    *local = l;
out:
    return status;
}

static kdk_status project_next(struct xop *op, struct xworker *worker, void *local, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct project_local *l = local;
    struct batch *in;
    struct vec *v;

    TRY(xop_next(op->child, worker, &in, err));
    if (!in)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++) {
        TRY(eval_run(l->evals[i], in, &v, err));
        l->batch.columns[i] = *v;
        l->batch.columns[i].owned = false;
    }
    l->batch.count = in->count;
    l->batch.sel = in->sel;
    *out = &l->batch;
out:
    return status;
}

static const struct xop_ops project_ops = {.name = "Project", .local_new = project_local, .next = project_next};

kdk_status compile_project(struct exec *exec, struct rel *rel, const uint64_t *needed, struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct project *project;
    struct xop *child;
    uint64_t *below;

    TRY_MEM(project = ARENA_NEW(&exec->arena, struct project));
    TRY_MEM(project->exprs = ARENA_ARRAY(&exec->arena, struct expr *, rel->col_count + 1));
    TRY(xschema_init(&project->op.schema, exec, rel->col_count, err));
    TRY_MEM(below = colids_new(exec, NULL));
    for (uint32_t i = 0; i < rel->col_count; i++) {
        /* A value that nobody looks at is still computed when computing it could fail. */
        if (!bit_get(needed, rel->cols[i].id) && !rel->cols[i].expr->can_fail && !rel->cols[i].expr->is_volatile)
            continue;
        project->exprs[project->op.schema.count] = rel->cols[i].expr;
        xschema_add(&project->op.schema, rel->cols[i].id, rel->cols[i].type);
        expr_columns(rel->cols[i].expr, below);
    }
    TRY(compile(exec, rel->in[0], below, &child, err));
    xop_register(exec, &project->op, &project_ops, rel, child);
    *out = &project->op;
out:
    return status;
}

/* -------------------------------------------------------------------- limit ---- */

kdk_status limit_values(struct exec *exec, const struct rel *rel, uint64_t *limit, uint64_t *offset, struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_row none = {0};
    struct datum d;

    *limit = UINT64_MAX;
    *offset = 0;
    if (rel->limit) {
        TRY(eval_scalar(rel->limit, &none, &exec->env.eval, &exec->arena, &d, err));
        if (!d.null && d.i < 0)
            TRY(err_set(err, KDK_BAD_LIMIT, "LIMIT must not be negative"));
        if (!d.null)
            *limit = (uint64_t)d.i;
    }
    if (rel->count_offset) {
        TRY(eval_scalar(rel->count_offset, &none, &exec->env.eval, &exec->arena, &d, err));
        if (!d.null && d.i < 0)
            TRY(err_set(err, KDK_BAD_OFFSET, "OFFSET must not be negative"));
        if (!d.null)
            *offset = (uint64_t)d.i;
    }
out:
    return status;
}

struct limit {
    struct xop op;
    bool known;
    uint64_t limit, offset; /* what is left of them */
};

static kdk_status limit_next(struct xop *op, struct xworker *worker, void *local, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct limit *limit = (struct limit *)op;
    struct batch *in;
    (void)local;

    if (!limit->known) {
        TRY(limit_values(worker->exec, op->rel, &limit->limit, &limit->offset, err));
        limit->known = true;
    }
    while (limit->limit > 0) {
        TRY(xop_next(op->child, worker, &in, err));
        if (!in)
            goto out;
        uint32_t skip = (uint32_t)MIN(limit->offset, (uint64_t)in->sel.count);
        uint32_t take = (uint32_t)MIN(limit->limit, (uint64_t)(in->sel.count - skip));
        limit->offset -= skip;
        if (!take)
            continue;
        if (skip || take < in->sel.count) {
            for (uint32_t k = 0; k < take; k++)
                in->sel_room[k] = (uint16_t)SEL_ROW(&in->sel, skip + k);
            in->sel = (struct sel){in->sel_room, take};
        }
        limit->limit -= take;
        *out = in;
        goto out;
    }
out:
    return status;
}

static const struct xop_ops limit_ops = {.name = "Limit", .next = limit_next};

kdk_status compile_limit(struct exec *exec, struct rel *rel, const uint64_t *needed, struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct limit *limit;
    struct xop *child;

    TRY(compile(exec, rel->in[0], needed, &child, err));
    TRY_MEM(limit = ARENA_NEW(&exec->arena, struct limit));
    limit->op.schema = child->schema;
    xop_register(exec, &limit->op, &limit_ops, rel, child);
    exec->serial_now = true; /* One counter, and the input's order. */
    *out = &limit->op;
out:
    return status;
}

/* ---------------------------------------------------------------- union all ---- */

struct append {
    struct xop op;
    struct xop *inputs[2];
    uint32_t *slots[2];
};

struct append_local {
    uint32_t input;
    struct batch batch;
};

static kdk_status append_local(struct xop *op, struct xworker *worker, void **local, struct err *err)
{
    kdk_status status = KDK_OK;
    struct append_local *l;
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct append_local));
    TRY(batch_shell(&l->batch, op->schema.count, &worker->arena, err));
    *local = l;
out:
    return status;
}

static kdk_status append_next(struct xop *op, struct xworker *worker, void *local, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct append *append = (struct append *)op;
    struct append_local *l = local;
    struct batch *in = NULL;

    for (; l->input < 2; l->input++) {
        TRY(xop_next(append->inputs[l->input], worker, &in, err));
        if (in)
            break;
    }
    if (!in)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++) {
        l->batch.columns[i] = in->columns[append->slots[l->input][i]];
        l->batch.columns[i].owned = false;
    }
    l->batch.count = in->count;
    l->batch.sel = in->sel;
    *out = &l->batch;
out:
    return status;
}

static const struct xop_ops append_ops = {.name = "Append", .local_new = append_local, .next = append_next};

kdk_status compile_union_all(struct exec *exec, struct rel *rel, const uint64_t *needed, struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct append *append;
    bool serial = exec->serial_now;

    TRY_MEM(append = ARENA_NEW(&exec->arena, struct append));
    TRY(xschema_init(&append->op.schema, exec, rel->col_count, err));
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (bit_get(needed, rel->cols[i].id))
            xschema_add(&append->op.schema, rel->cols[i].id, rel->cols[i].type);
    for (uint32_t side = 0; side < 2; side++) {
        const colid *from = side ? rel->right : rel->left;
        uint64_t *below;
        uint32_t at = 0;
        TRY_MEM(below = colids_new(exec, NULL));
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (bit_get(needed, rel->cols[i].id))
                bit_set(below, from[i]);
        exec->serial_now = serial;
        TRY(compile(exec, rel->in[side], below, &append->inputs[side], err));
        serial |= exec->serial_now;
        TRY_MEM(append->slots[side] = ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (bit_get(needed, rel->cols[i].id))
                TRY_ASSERT(xschema_find(&append->inputs[side]->schema, from[i], &append->slots[side][at++]));
    }
    exec->serial_now = serial;
    xop_register(exec, &append->op, &append_ops, rel, NULL);
    *out = &append->op;
out:
    return status;
}
