/* op_basic.c - operators that change a batch as it passes: filter, project, limit, union
 * all. */
#include "exec/exec_int.h"

#include <stdatomic.h>

/* ------------------------------------------------------------------- filter ---- */

static kdk_status filter_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_source source = xschema_source(&op->child->schema);
    struct eval_conds *conds;
    TRY(eval_conds_new(op->rel->conds, op->rel->cond_count, &source,
                       &worker->exec->env.eval, &worker->arena, &conds, err));
    *local = conds;
out:
    return status;
}

static kdk_status filter_next(struct xop *op, struct xworker *worker, void *local,
                              struct batch **out, struct err *err)
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

static const struct xop_ops filter_ops = {
    .name = "Filter", .local_new = filter_local, .next = filter_next};

kdk_status compile_filter(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err)
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

static kdk_status project_local(struct xop *op, struct xworker *worker, void **local,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct project *project = (struct project *)op;
    struct eval_source source = xschema_source(&op->child->schema);
    struct project_local *l;

    TRY_MEM(l = ARENA_NEW(&worker->arena, struct project_local));
    TRY(batch_shell(&l->batch, op->schema.count, &worker->arena, err));
    TRY_MEM(l->evals = ARENA_ARRAY(&worker->arena, struct eval *, op->schema.count + 1));
    for (uint32_t i = 0; i < op->schema.count; i++)
        TRY(eval_new(project->exprs[i], &source, &worker->exec->env.eval, &worker->arena,
                     &l->evals[i], err));
    *local = l;
out:
    return status;
}

static kdk_status project_next(struct xop *op, struct xworker *worker, void *local,
                               struct batch **out, struct err *err)
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

static const struct xop_ops project_ops = {
    .name = "Project", .local_new = project_local, .next = project_next};

kdk_status compile_project(struct exec *exec, struct rel *rel, const uint64_t *needed,
                           struct xop **out, struct err *err)
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
        if (!bit_get(needed, rel->cols[i].id) && !rel->cols[i].expr->can_fail &&
            !rel->cols[i].expr->is_volatile)
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

kdk_status limit_values(struct exec *exec, const struct rel *rel,
                        const struct eval_row *counts, uint64_t *limit, uint64_t *offset,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_row none = {0};
    struct datum d;

    *limit = UINT64_MAX;
    *offset = 0;
    if (rel->limit) {
        TRY(eval_scalar(rel->limit, counts ? counts : &none, &exec->env.eval, &exec->arena,
                        &d, err));
        if (!d.null && d.i < 0)
            TRY(err_set(err, KDK_BAD_LIMIT, "LIMIT must not be negative"));
        if (d.null && rel->kind == REL_LIMIT && rel->key_count)
            TRY(err_set(err, KDK_BAD_LIMIT,
                        "row count cannot be null in FETCH FIRST ... WITH TIES clause"));
        if (!d.null)
            *limit = (uint64_t)d.i;
    }
    if (rel->count_offset) {
        TRY(eval_scalar(rel->count_offset, counts ? counts : &none, &exec->env.eval,
                        &exec->arena, &d, err));
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
    struct collect *counts; /* the row of in[1] */
    struct datum *count_row;
    /* WITH TIES */
    struct eval **keys;
    const struct vec **key_values; /* of the batch */
    bool tied;                     /* The limit is reached; rows equal to `last` go on. */
    struct datum *last;
    struct arena last_arena;
};

static struct datum count_column(void *context, colid id)
{
    const struct limit *limit = context;
    uint32_t slot;
    return xschema_find(&limit->counts->top->schema, id, &slot) ? limit->count_row[slot]
                                                                : DATUM_NULL;
}

static kdk_status limit_start(struct limit *limit, struct xworker *worker, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = limit->op.rel;
    struct eval_row row = {count_column, limit};

    if (limit->counts) {
        struct rowset_at at = {0};
        uint8_t *rows[1];
        uint32_t n = rowset_next(&limit->counts->set, &at, rows, 1);
        const struct xschema *schema = &limit->counts->top->schema;
        struct vec v;
        TRY_ASSERT(n == 1);
        TRY_MEM(limit->count_row =
                    ARENA_ARRAY(&worker->arena, struct datum, schema->count + 1));
        for (uint32_t i = 0; i < schema->count; i++) {
            TRY(vec_init(&v, schema->types[i], &worker->arena, err));
            rows_gather(&limit->counts->layout, i, rows, 1, &v);
            limit->count_row[i] = vec_get(&v, 0);
        }
    }
    TRY(limit_values(worker->exec, rel, limit->counts ? &row : NULL, &limit->limit,
                     &limit->offset, err));
    if (rel->key_count) {
        struct eval_source source = xschema_source(&limit->op.child->schema);
        TRY_MEM(limit->keys = ARENA_ARRAY(&worker->arena, struct eval *, rel->key_count));
        TRY_MEM(limit->key_values =
                    ARENA_ARRAY(&worker->arena, const struct vec *, rel->key_count));
        TRY_MEM(limit->last = ARENA_ARRAY(&worker->arena, struct datum, rel->key_count));
        for (uint32_t i = 0; i < rel->key_count; i++)
            TRY(eval_new(rel->keys[i].expr, &source, &worker->exec->env.eval,
                         &worker->arena, &limit->keys[i], err));
    }
    limit->known = true;
out:
    return status;
}

static bool limit_ties(const struct limit *limit, uint32_t row)
{
    for (uint32_t i = 0; i < limit->op.rel->key_count; i++) {
        struct datum d = vec_get(limit->key_values[i], row);
        if (d.null != limit->last[i].null ||
            (!d.null &&
             datum_compare(limit->key_values[i]->type, &d, &limit->last[i]) != 0))
            return false;
    }
    return true;
}

static kdk_status limit_next(struct xop *op, struct xworker *worker, void *local,
                             struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct limit *limit = (struct limit *)op;
    const uint32_t key_count = op->rel->key_count;
    struct batch *in;
    (void)local;

    if (!limit->known)
        TRY(limit_start(limit, worker, err));
    while (limit->limit > 0 || limit->tied) {
        TRY(xop_next(op->child, worker, &in, err));
        if (!in)
            goto out;
        uint32_t skip = (uint32_t)MIN(limit->offset, (uint64_t)in->sel.count);
        uint32_t take = (uint32_t)MIN(limit->limit, (uint64_t)(in->sel.count - skip));
        limit->offset -= skip;
        limit->limit -= take;
        for (uint32_t i = 0; i < key_count; i++) {
            struct vec *v;
            TRY(eval_run(limit->keys[i], in, &v, err));
            limit->key_values[i] = v;
        }
        if (key_count && take && !limit->limit) {
            for (uint32_t i = 0; i < key_count; i++)
                if (!datum_copy(
                        &limit->last_arena, limit->key_values[i]->type,
                        vec_get(limit->key_values[i], SEL_ROW(&in->sel, skip + take - 1)),
                        &limit->last[i]))
                    TRY(err_nomem(err));
            limit->tied = true;
        }
        while (limit->tied && skip + take < in->sel.count) {
            limit->tied = limit_ties(limit, SEL_ROW(&in->sel, skip + take));
            take += limit->tied;
        }
        if (!take)
            continue;
        if (skip || take < in->sel.count) {
            for (uint32_t k = 0; k < take; k++)
                in->sel_room[k] = (uint16_t)SEL_ROW(&in->sel, skip + k);
            in->sel = (struct sel){in->sel_room, take};
        }
        *out = in;
        goto out;
    }
out:
    return status;
}

static void limit_free(struct xop *op)
{
    arena_deinit(&((struct limit *)op)->last_arena);
}

static const struct xop_ops limit_ops = {
    .name = "Limit", .next = limit_next, .free = limit_free};

kdk_status compile_limit(struct exec *exec, struct rel *rel, const uint64_t *needed,
                         struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct limit *limit;
    struct xop *child;
    uint64_t *below;

    TRY_MEM(limit = ARENA_NEW(&exec->arena, struct limit));
    arena_init(&limit->last_arena);
    if (rel->in[1]) {
        bool outer = exec->serial_now;
        struct xop *top;
        TRY_MEM(below = colids_new(exec, NULL));
        if (rel->limit)
            expr_columns(rel->limit, below);
        if (rel->count_offset)
            expr_columns(rel->count_offset, below);
        exec->serial_now = false;
        TRY(compile(exec, rel->in[1], below, &top, err));
        TRY(collect_new(exec, top, &limit->counts, err));
        TRY(pipeline_add(exec, top, &limit->counts->sink, exec->serial_now, err));
        exec->serial_now = outer;
    }
    TRY_MEM(below = colids_new(exec, needed));
    for (uint32_t i = 0; i < rel->key_count; i++)
        expr_columns(rel->keys[i].expr, below);
    TRY(compile(exec, rel->in[0], below, &child, err));
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

static kdk_status append_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct append_local *l;
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct append_local));
    TRY(batch_shell(&l->batch, op->schema.count, &worker->arena, err));
    *local = l;
out:
    return status;
}

static kdk_status append_next(struct xop *op, struct xworker *worker, void *local,
                              struct batch **out, struct err *err)
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

static const struct xop_ops append_ops = {
    .name = "Append", .local_new = append_local, .next = append_next};

kdk_status compile_union_all(struct exec *exec, struct rel *rel, const uint64_t *needed,
                             struct xop **out, struct err *err)
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
        TRY_MEM(append->slots[side] =
                    ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (bit_get(needed, rel->cols[i].id))
                TRY_ASSERT(xschema_find(&append->inputs[side]->schema, from[i],
                                        &append->slots[side][at++]));
    }
    exec->serial_now = serial;
    xop_register(exec, &append->op, &append_ops, rel, NULL);
    *out = &append->op;
out:
    return status;
}
