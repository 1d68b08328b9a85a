/* op_source.c - where batches begin: tables by scan and by index, files, VALUES,
 * generate_series, kept rows, CTEs. */
#include "exec/exec_int.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "exec/keyfilter.h"

/* ---------------------------------------------------------------- table scan ---- */

struct scan {
    struct xop op;
    struct table_scan *scan;
    struct latch latch; /* over opening it */
    uint32_t *columns;  /* storage column for each slot */
    uint32_t filter_count;
    struct scan_filter {
        struct keyfilter_use *use;
        uint32_t slot;
    } * filters;
    bool nothing; /* Some filter lets nothing pass. */
};

/* A filter that drops little is a waste of time: it is tried on some batches, and then left
 * alone for a while. */
enum { FILTER_TRIAL = 16, FILTER_REST = 256, FILTER_KEEPS_PERCENT = 85 };
struct filter_trial {
    uint32_t batches, rest;
    uint64_t seen, kept;
};

struct scan_local {
    struct scan_reader *reader;
    struct batch batch;
    struct filter_trial *trials;
    uint64_t *hashes;
};

static void exec_count_read(struct exec *exec, uint32_t rows)
{
    if (exec->env.tick)
        atomic_fetch_add_explicit(&exec->progress_read, rows, memory_order_relaxed);
}

static kdk_status scan_prunes(struct exec *exec, struct xworker *worker,
                              const struct rel *rel, struct scan_prune *out,
                              uint32_t *count, struct err *err)
{
    static const enum scan_op ops[] = {[CMP_EQ] = SCAN_EQ,
                                       [CMP_LT] = SCAN_LT,
                                       [CMP_LE] = SCAN_LE,
                                       [CMP_GT] = SCAN_GT,
                                       [CMP_GE] = SCAN_GE};
    kdk_status status = KDK_OK;
    struct eval_row none = {0};

    *count = 0;
    for (uint32_t i = 0; i < rel->phys.prune_count; i++) {
        const struct expr *e = rel->phys.prune[i];
        enum fn_comparison kind = e->kind == EX_CALL ? fn_comparison_kind(e->fn) : CMP_NONE;
        if (kind == CMP_NONE || kind == CMP_NE || e->args[0]->kind != EX_COLUMN ||
            !ltype_equal(e->args[0]->type, e->args[1]->type))
            continue;
        for (uint32_t c = 0; c < rel->col_count; c++)
            if (rel->cols[c].id == e->args[0]->column &&
                rel->cols[c].column != ROWID_COLUMN) {
                struct scan_prune *prune = &out[*count];
                TRY(eval_scalar(e->args[1], &none, &exec->env.eval, &worker->arena,
                                &prune->value, err));
                if (prune->value.null)
                    break;
                prune->column = rel->table->columns[rel->cols[c].column].id;
                prune->op = ops[kind];
                (*count)++;
                break;
            }
    }
out:
    return status;
}

/* What the filters say of whole strips. */
static void filter_prunes(struct scan *scan, struct scan_prune *out, uint32_t *count)
{
    for (uint32_t i = 0; i < scan->filter_count; i++) {
        const struct keyfilter *filter = scan->filters[i].use->filter;
        bool wide = filter->type.id == LT_NUMERIC;
        if (!filter->made || filter->nulls)
            continue;
        scan->nothing |= !filter->some;
        if (!filter->some || !filter->ranged)
            continue;
        for (uint32_t end = 0; end < 2; end++) {
            struct scan_prune *prune = &out[(*count)++];
            int64_t value = end ? filter->hi : filter->lo;
            *prune = (struct scan_prune){.column = scan->columns[scan->filters[i].slot],
                                         .op = end ? SCAN_LE : SCAN_GE};
            if (wide)
                prune->value.w = value;
            else
                prune->value.i = value;
        }
    }
}

/* Narrows the batch by the filters. */
static void scan_filter(struct scan *scan, struct scan_local *l)
{
    for (uint32_t i = 0; i < scan->filter_count && l->batch.sel.count; i++) {
        struct keyfilter_use *use = scan->filters[i].use;
        struct filter_trial *trial = &l->trials[i];
        uint32_t before = l->batch.sel.count, n;
        if (!use->filter->made)
            continue;
        if (trial->rest) {
            trial->rest--;
            continue;
        }
        n = keyfilter_narrow(use->filter, &l->batch.columns[scan->filters[i].slot],
                             &l->batch.sel, l->batch.sel_room, l->hashes);
        l->batch.sel = (struct sel){l->batch.sel_room, n};
        atomic_fetch_add_explicit(&use->dropped, before - n, memory_order_relaxed);
        trial->seen += before;
        trial->kept += n;
        if (++trial->batches == FILTER_TRIAL) {
            trial->rest =
                trial->kept * 100 > trial->seen * FILTER_KEEPS_PERCENT ? FILTER_REST : 0;
            trial->batches = 0;
            trial->seen = trial->kept = 0;
        }
    }
}

static kdk_status scan_local(struct xop *op, struct xworker *worker, void **local,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan *scan = (struct scan *)op;
    struct exec *exec = worker->exec;
    struct scan_local *l;

    latch_acquire(&scan->latch);
    if (!scan->scan) {
        struct scan_prune *prunes =
            ARENA_ARRAY(&worker->arena, struct scan_prune,
                        op->rel->phys.prune_count + 2 * scan->filter_count + 1);
        uint32_t prune_count = 0;
        status = prunes ? scan_prunes(exec, worker, op->rel, prunes, &prune_count, err)
                        : err_nomem(err);
        if (status == KDK_OK)
            filter_prunes(scan, prunes, &prune_count);
        if (status == KDK_OK)
            status = table_scan_open(exec->env.txn, op->rel->table->store, scan->columns,
                                     op->schema.count, prunes, prune_count, &exec->arena,
                                     &scan->scan, err);
    }
    latch_release(&scan->latch);
    TRY(status);
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct scan_local));
    TRY(batch_init(&l->batch, op->schema.types, op->schema.count, &worker->arena, err));
    TRY_MEM(l->trials =
                ARENA_ARRAY(&worker->arena, struct filter_trial, scan->filter_count + 1));
    TRY_MEM(l->hashes =
                ARENA_ARRAY(&worker->arena, uint64_t, scan->filter_count ? BATCH_ROWS : 1));
    *local = l;
    TRY(scan_reader_new(scan->scan, &worker->arena, &l->reader, err));
out:
    return status;
}

static kdk_status scan_next(struct xop *op, struct xworker *worker, void *local,
                            struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan *scan = (struct scan *)op;
    struct scan_local *l = local;
    bool more;
    if (scan->nothing)
        goto out;
    do {
        TRY(exec_interrupted(worker->exec, err));
        TRY(scan_reader_next(l->reader, &l->batch, &more, err));
        if (!more)
            goto out;
        exec_count_read(worker->exec, l->batch.count);
        scan_filter(scan, l);
    } while (l->batch.sel.count == 0);
    *out = &l->batch;
out:
    return status;
}

static void scan_local_free(void *local)
{
    struct scan_local *l = local;
    if (l->reader)
        scan_reader_free(l->reader);
    batch_unpin(&l->batch);
}

static void scan_free(struct xop *op)
{
    struct scan *scan = (struct scan *)op;
    if (scan->scan)
        table_scan_close(scan->scan);
}

static const struct xop_ops scan_ops = {.name = "Seq Scan",
                                        .local_new = scan_local,
                                        .next = scan_next,
                                        .local_free = scan_local_free,
                                        .free = scan_free};

/* ---------------------------------------------------------------- index scan ---- */

struct index_scan_local {
    struct index_cursor *cursor;
    bool opened;
    struct buf lower, upper;
    struct batch batch;
    struct arena rows; /* strings of the batch */
    struct datum *values;
};

/* Appends one bound; false in *some when it is NULL and so nothing can match. */
static kdk_status bound_add(struct exec *exec, struct buf *key, const struct expr *expr,
                            const struct cindex *index, uint32_t position, bool *some,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_row none = {0};
    struct ltype type = index->table->columns[index->columns[position]].type;
    struct datum d;

    TRY_ASSERT(expr->type.id == type.id && expr->type.scale == type.scale);
    TRY(eval_scalar(expr, &none, &exec->env.eval, &exec->arena, &d, err));
    if (d.null) {
        *some = false;
        goto out;
    }
    status =
        key_add(key, type, &d, index->descending[position], index->nulls_first[position]);
    if (status != KDK_OK)
        status = err_nomem(err);
out:
    return status;
}

static kdk_status index_scan_open(struct xop *op, struct xworker *worker,
                                  struct index_scan_local *l, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = worker->exec;
    const struct rel *rel = op->rel;
    const struct cindex *index = rel->phys.index;
    bool some = true;

    l->opened = true;
    for (uint32_t i = 0; i < rel->phys.eq_count && some; i++) {
        TRY(bound_add(exec, &l->lower, rel->phys.eq[i], index, i, &some, err));
        if (some)
            TRY(bound_add(exec, &l->upper, rel->phys.eq[i], index, i, &some, err));
    }
    uint32_t next = rel->phys.eq_count;
    bool down = next < index->column_count && index->descending[next];
    if (rel->phys.lower && some)
        TRY(bound_add(exec, down ? &l->upper : &l->lower, rel->phys.lower, index, next,
                      &some, err));
    if (rel->phys.upper && some)
        TRY(bound_add(exec, down ? &l->lower : &l->upper, rel->phys.upper, index, next,
                      &some, err));
    if (some)
        TRY(index_open(exec->env.txn, rel->table->store, index->id, l->lower.data,
                       l->lower.len, l->upper.data, l->upper.len, false, &worker->arena,
                       &l->cursor, err));
out:
    return status;
}

static kdk_status index_scan_local(struct xop *op, struct xworker *worker, void **local,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_scan_local *l;
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct index_scan_local));
    *local = l;
    arena_init(&l->rows);
    TRY(batch_init(&l->batch, op->schema.types, op->schema.count, &worker->arena, err));
    TRY_MEM(l->values = ARENA_ARRAY(&worker->arena, struct datum, op->schema.count + 1));
out:
    return status;
}

static kdk_status index_scan_next(struct xop *op, struct xworker *worker, void *local,
                                  struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan *scan = (struct scan *)op;
    struct index_scan_local *l = local;
    uint32_t n = 0;
    rowid id;
    bool found;

    if (!l->opened)
        TRY(index_scan_open(op, worker, l, err));
    if (!l->cursor)
        goto out;
    arena_reset(&l->rows);
    for (uint32_t i = 0; i < op->schema.count; i++)
        vec_reset(&l->batch.columns[i], ltype_width(op->schema.types[i]));
    while (n < BATCH_ROWS) {
        TRY(index_next(l->cursor, &id, NULL, NULL, err));
        if (!id)
            break;
        TRY(table_get(worker->exec->env.txn, op->rel->table->store, id, scan->columns,
                      op->schema.count, l->values, &found, &l->rows, err));
        if (!found)
            continue;
        for (uint32_t i = 0; i < op->schema.count; i++) {
            if (l->values[i].null)
                vec_set_null(&l->batch.columns[i], n, BATCH_ROWS);
            else
                vec_put(&l->batch.columns[i], n, &l->values[i], BATCH_ROWS);
        }
        n++;
        if (n % 256 == 0)
            TRY(exec_interrupted(worker->exec, err));
    }
    if (n) {
        batch_all(&l->batch, n);
        *out = &l->batch;
    }
out:
    return status;
}

static void index_scan_local_free(void *local)
{
    struct index_scan_local *l = local;
    if (l->cursor)
        index_close(l->cursor);
    buf_deinit(&l->lower);
    buf_deinit(&l->upper);
    arena_deinit(&l->rows);
}

static const struct xop_ops index_scan_ops = {.name = "Index Scan",
                                              .local_new = index_scan_local,
                                              .next = index_scan_next,
                                              .local_free = index_scan_local_free};

kdk_status compile_scan(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan *scan;

    TRY_MEM(scan = ARENA_NEW(&exec->arena, struct scan));
    latch_init(&scan->latch, OS_RANK_NONE);
    TRY_MEM(scan->columns = ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
    TRY(xschema_init(&scan->op.schema, exec, rel->col_count, err));
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (bit_get(needed, rel->cols[i].id)) {
            scan->columns[scan->op.schema.count] =
                rel->cols[i].column == ROWID_COLUMN
                    ? SCAN_ROWID
                    : rel->table->columns[rel->cols[i].column].id;
            xschema_add(&scan->op.schema, rel->cols[i].id, rel->cols[i].type);
            struct xbounds *bounds = &exec->bounds[rel->cols[i].id];
            if (rel->cols[i].column != ROWID_COLUMN)
                bounds->known = table_column_bounds(
                    rel->table->store, rel->table->columns[rel->cols[i].column].id,
                    &bounds->lo, &bounds->hi);
        }
    for (uint32_t round = 0; round < 2; round++) {
        scan->filter_count = 0;
        for (struct keyfilter_use *use = exec->filters; use; use = use->next) {
            uint32_t slot;
            if (use->scan != rel || !xschema_find(&scan->op.schema, use->column, &slot))
                continue;
            if (round)
                scan->filters[scan->filter_count] = (struct scan_filter){use, slot};
            scan->filter_count++;
        }
        if (!round)
            TRY_MEM(scan->filters = ARENA_ARRAY(&exec->arena, struct scan_filter,
                                                scan->filter_count + 1));
    }
    if (rel->phys.index)
        exec->serial_now = true;
    else
        exec->progress_total += table_row_count(rel->table->store);
    xop_register(exec, &scan->op, rel->phys.index ? &index_scan_ops : &scan_ops, rel, NULL);
    *out = &scan->op;
out:
    return status;
}

/* ---------------------------------------------------------------------- files ---- */

struct file_scan {
    struct xop op;
    uint32_t *columns;
    void *scan;
};

struct file_local {
    struct batch batch;
};

static kdk_status file_local(struct xop *op, struct xworker *worker, void **local,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_scan *file = (struct file_scan *)op;
    struct exec *exec = worker->exec;
    struct file_local *l;

    TRY_MEM(l = ARENA_NEW(&worker->arena, struct file_local));
    TRY(batch_init(&l->batch, op->schema.types, op->schema.count, &worker->arena, err));
    *local = l;
    TRY(exec->env.files->open(op->rel->file, exec->env.os, file->columns, op->schema.count,
                              &exec->arena, &file->scan, err));
    exec->progress_scan = file->scan;
    exec->progress_unit = "bytes";
out:
    return status;
}

static kdk_status file_next(struct xop *op, struct xworker *worker, void *local,
                            struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_scan *file = (struct file_scan *)op;
    struct file_local *l = local;
    bool more;
    if (!file->scan) /* Opening it failed before. */
        return err_set(err, KDK_INTERNAL, "file is not open");
    do {
        TRY(worker->exec->env.files->next(file->scan, &l->batch, &more, err));
        if (!more)
            goto out;
    } while (l->batch.sel.count == 0);
    *out = &l->batch;
out:
    return status;
}

static void file_local_free(void *local)
{
    batch_unpin(&((struct file_local *)local)->batch);
}

static const struct xop_ops file_ops = {.name = "File Scan",
                                        .local_new = file_local,
                                        .next = file_next,
                                        .local_free = file_local_free};

/* The reader belongs to format; it is closed through the operator that has the
 * environment. */
struct file_close {
    struct xsink sink;
    struct file_scan *file;
    struct exec *exec;
};

static void file_close_free(struct xsink *sink)
{
    struct file_close *close = (struct file_close *)sink;
    if (close->file->scan)
        close->exec->env.files->close(close->file->scan);
}

kdk_status compile_file(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct file_scan *file;
    struct file_close *close;

    if (!exec->env.files)
        TRY(err_set(err, KDK_UNSUPPORTED, "files cannot be read here"));
    TRY_MEM(file = ARENA_NEW(&exec->arena, struct file_scan));
    TRY_MEM(close = ARENA_NEW(&exec->arena, struct file_close));
    TRY_MEM(file->columns = ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
    TRY(xschema_init(&file->op.schema, exec, rel->col_count, err));
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (bit_get(needed, rel->cols[i].id)) {
            file->columns[file->op.schema.count] = rel->cols[i].column;
            xschema_add(&file->op.schema, rel->cols[i].id, rel->cols[i].type);
        }
    xop_register(exec, &file->op, &file_ops, rel, NULL);
    close->file = file;
    close->exec = exec;
    close->sink.free = file_close_free;
    xsink_register(exec, &close->sink);
    exec->serial_now = true;
    *out = &file->op;
out:
    return status;
}

/* -------------------------------------------------------------------- VALUES ---- */

struct values_local {
    struct batch batch;
    struct arena rows;
    uint32_t next;
};

static kdk_status values_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct values_local *l;
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct values_local));
    *local = l;
    arena_init(&l->rows);
    TRY(batch_init(&l->batch, op->schema.types, op->schema.count, &worker->arena, err));
out:
    return status;
}

static kdk_status values_next(struct xop *op, struct xworker *worker, void *local,
                              struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = op->rel;
    struct values_local *l = local;
    struct eval_row none = {0};
    uint32_t n = 0;

    if (l->next >= rel->row_count)
        goto out;
    arena_reset(&l->rows);
    for (uint32_t i = 0; i < op->schema.count; i++)
        vec_reset(&l->batch.columns[i], ltype_width(op->schema.types[i]));
    for (; n < BATCH_ROWS && l->next < rel->row_count; n++, l->next++) {
        for (uint32_t c = 0, slot = 0; c < rel->col_count; c++) {
            struct datum d;
            if (slot >= op->schema.count || op->schema.ids[slot] != rel->cols[c].id)
                continue;
            TRY(eval_scalar(rel->rows[l->next][c], &none, &worker->exec->env.eval, &l->rows,
                            &d, err));
            if (d.null)
                vec_set_null(&l->batch.columns[slot], n, BATCH_ROWS);
            else
                vec_put(&l->batch.columns[slot], n, &d, BATCH_ROWS);
            slot++;
        }
    }
    batch_all(&l->batch, n);
    *out = &l->batch;
out:
    return status;
}

static void values_local_free(void *local)
{
    arena_deinit(&((struct values_local *)local)->rows);
}

static const struct xop_ops values_ops = {.name = "Values Scan",
                                          .local_new = values_local,
                                          .next = values_next,
                                          .local_free = values_local_free};

kdk_status compile_values(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct xop *op;

    TRY_MEM(op = ARENA_NEW(&exec->arena, struct xop));
    TRY(xschema_init(&op->schema, exec, rel->col_count, err));
    for (uint32_t i = 0; i < rel->col_count; i++) {
        bool wanted = bit_get(needed, rel->cols[i].id);
        for (uint32_t r = 0; r < rel->row_count && !wanted; r++)
            wanted = rel->rows[r][i]->can_fail || rel->rows[r][i]->is_volatile;
        if (wanted)
            xschema_add(&op->schema, rel->cols[i].id, rel->cols[i].type);
    }
    exec->serial_now = true;
    xop_register(exec, op, &values_ops, rel, NULL);
    *out = op;
out:
    return status;
}

/* ----------------------------------------------------------- generate_series ---- */

struct series_local {
    struct batch batch;
    struct eval *bounds[3];
    bool started, ended;
    struct datum next, stop, step;
    /* With an input: its batch in work, the row of it, and the values of the bounds. */
    struct batch *in;
    uint32_t k;
    struct vec *values[3];
    uint16_t *places;
};

static kdk_status series_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct series_local *l;
    TRY_MEM(l = ARENA_NEW(&worker->arena, struct series_local));
    TRY(batch_init(&l->batch, op->schema.types, op->schema.count, &worker->arena, err));
    TRY_MEM(l->places = ARENA_ARRAY(&worker->arena, uint16_t, BATCH_ROWS));
    if (op->child) {
        struct eval_source source = xschema_source(&op->child->schema);
        for (uint32_t i = 0; i < 3; i++)
            TRY(eval_new(op->rel->rows[0][i], &source, &worker->exec->env.eval,
                         &worker->arena, &l->bounds[i], err));
    }
    *local = l;
out:
    return status;
}

/* The bounds of the next series: the only one, or that of the input's next row. */
static kdk_status series_start(struct xop *op, struct xworker *worker,
                               struct series_local *l, struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_row none = {0};
    struct datum *values[3] = {&l->next, &l->stop, &l->step};

    l->started = true;
    for (uint32_t i = 0; i < 3; i++) {
        if (op->child)
            *values[i] = vec_get(l->values[i], SEL_ROW(&l->in->sel, l->k));
        else
            TRY(eval_scalar(op->rel->rows[0][i], &none, &worker->exec->env.eval,
                            &worker->arena, values[i], err));
        if (values[i]->null)
            l->ended = true;
        else if (op->rel->cols[0].type.id != LT_NUMERIC)
            values[i]->w = (int128)values[i]->i;
    }
    if (!l->ended && l->step.w == 0)
        TRY(err_set(err, KDK_BAD_PARAMETER, "step size cannot equal zero"));
out:
    return status;
}

static kdk_status series_next(struct xop *op, struct xworker *worker, void *local,
                              struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct series_local *l = local;
    /* The slot of the series. */
    uint32_t n = 0, made = op->child ? op->child->schema.count : 0;

    while (!n) {
        if (op->child && (!l->in || l->k == l->in->sel.count)) {
            TRY(xop_next(op->child, worker, &l->in, err));
            if (!l->in)
                goto out;
            l->k = 0;
            for (uint32_t i = 0; i < 3; i++)
                TRY(eval_run(l->bounds[i], l->in, &l->values[i], err));
        }
        if (made < op->schema.count)
            vec_reset(&l->batch.columns[made], ltype_width(op->schema.types[made]));
        while (n < BATCH_ROWS && (op->child ? l->k < l->in->sel.count : !l->ended)) {
            struct datum d = {0};
            if (!l->started)
                TRY(series_start(op, worker, l, err));
            if (l->ended ||
                (l->step.w > 0 ? l->next.w > l->stop.w : l->next.w < l->stop.w)) {
                l->ended = !op->child;
                if (op->child) {
                    l->started = false;
                    l->k++;
                }
                continue;
            }
            if (op->rel->cols[0].type.id == LT_NUMERIC)
                d.w = l->next.w;
            else
                d.i = (int64_t)l->next.w;
            if (made < op->schema.count)
                vec_put(&l->batch.columns[made], n, &d, BATCH_ROWS);
            if (op->child)
                l->places[n] = (uint16_t)SEL_ROW(&l->in->sel, l->k);
            l->next.w += l->step.w; /* 38 digits leave room for one step past any end. */
            n++;
        }
        if (!op->child)
            break;
    }
    exec_count_read(worker->exec, n);
    for (uint32_t i = 0; i < made && n; i++) {
        struct sel places = {l->places, n};
        struct vec *in = &l->in->columns[i];
        if (in->form == VF_LAZY)
            TRY(in->load(in, &l->in->sel, l->in->count, err));
        vec_reset(&l->batch.columns[i], ltype_width(op->schema.types[i]));
        vec_gather(in, &places, &l->batch.columns[i]);
    }
    if (n) {
        batch_all(&l->batch, n);
        *out = &l->batch;
    }
out:
    return status;
}

static const struct xop_ops series_ops = {
    .name = "Function Scan", .local_new = series_local, .next = series_next};

kdk_status compile_series(struct exec *exec, struct rel *rel, const uint64_t *needed,
                          struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct xop *op, *child = NULL;
    uint64_t *below;

    TRY_MEM(op = ARENA_NEW(&exec->arena, struct xop));
    if (rel->in[0]) {
        TRY_MEM(below = colids_new(exec, needed));
        exprs_columns(rel->rows[0], 3, below);
        TRY(compile(exec, rel->in[0], below, &child, err));
    } else {
        exec->serial_now = true;
    }
    TRY(xschema_init(&op->schema, exec, 1 + (child ? child->schema.count : 0), err));
    for (uint32_t i = 0; child && i < child->schema.count; i++)
        xschema_add(&op->schema, child->schema.ids[i], child->schema.types[i]);
    if (bit_get(needed, rel->cols[0].id))
        xschema_add(&op->schema, rel->cols[0].id, rel->cols[0].type);
    xop_register(exec, op, &series_ops, rel, child);
    *out = op;
out:
    return status;
}

/* ---------------------------------------------------------------- kept rows ---- */

static kdk_status rowset_local(struct xop *op, struct xworker *worker, void **local,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch *batch;
    TRY_MEM(batch = ARENA_NEW(&worker->arena, struct batch));
    TRY(batch_init(batch, op->schema.types, op->schema.count, &worker->arena, err));
    *local = batch;
out:
    return status;
}

static kdk_status rowset_source_next(struct xop *op, struct xworker *worker, void *local,
                                     struct batch **out, struct err *err)
{
    struct rowset_source *source = (struct rowset_source *)op;
    struct batch *batch = local;
    uint8_t *rows[BATCH_ROWS];
    uint32_t n = 0;
    (void)worker;
    (void)err;

    latch_acquire(&source->latch);
    if (source->order) {
        n = (uint32_t)MIN(*source->order_count - source->next, (uint64_t)BATCH_ROWS);
        if (n)
            memcpy(rows, *source->order + source->next, n * sizeof *rows);
        source->next += n;
    } else {
        n = rowset_next(source->set, &source->at, rows, BATCH_ROWS);
    }
    latch_release(&source->latch);
    if (!n)
        return KDK_OK;
    for (uint32_t i = 0; i < op->schema.count; i++)
        rows_gather(source->set->layout, source->fields[i], rows, n, &batch->columns[i]);
    batch_all(batch, n);
    *out = batch;
    return KDK_OK;
}

static const struct xop_ops rowset_ops = {
    .name = "Rows", .local_new = rowset_local, .next = rowset_source_next};

kdk_status rowset_source_new(struct exec *exec, const struct rel *rel,
                             const struct rowset *set, const uint32_t *fields,
                             struct rowset_source **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rowset_source *source;
    TRY_MEM(source = ARENA_NEW(&exec->arena, struct rowset_source));
    latch_init(&source->latch, OS_RANK_LEAF);
    source->set = set;
    source->fields = fields;
    xop_register(exec, &source->op, &rowset_ops, rel, NULL);
    *out = source;
out:
    return status;
}

static kdk_status collect_consume(struct xsink *sink, struct xworker *worker,
                                  struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct collect *collect = (struct collect *)sink;
    uint32_t w = worker->index;

    if (!collect->scratch[w]) {
        rowset_init(&collect->locals[w], &collect->layout);
        TRY_MEM(collect->columns[w] = ARENA_ARRAY(&worker->arena, const struct vec *,
                                                  batch->column_count + 1));
        TRY(rowset_scratch(&collect->layout, &worker->arena, &collect->scratch[w], err));
    }
    for (uint32_t i = 0; i < batch->column_count; i++)
        collect->columns[w][i] = &batch->columns[i];
    TRY(rowset_append(&collect->locals[w], collect->columns[w], &batch->sel, batch->count,
                      NULL, collect->scratch[w], NULL, err));
out:
    return status;
}

static kdk_status collect_combine(struct xsink *sink, struct xworker *worker,
                                  struct err *err)
{
    struct collect *collect = (struct collect *)sink;
    (void)err;
    if (collect->scratch[worker->index])
        rowset_move(&collect->set, &collect->locals[worker->index]);
    return KDK_OK;
}

static kdk_status collect_finalize(struct xsink *sink, struct xworker *worker,
                                   struct err *err)
{
    (void)sink;
    (void)worker;
    (void)err;
    return KDK_OK;
}

static void collect_free(struct xsink *sink)
{
    struct collect *collect = (struct collect *)sink;
    for (uint32_t w = 0; w < WORKERS_MAX; w++)
        if (collect->scratch[w])
            rowset_deinit(&collect->locals[w]);
    rowset_deinit(&collect->set);
}

kdk_status collect_new(struct exec *exec, struct xop *top, struct collect **out,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct collect *collect;
    TRY_MEM(collect = ARENA_NEW(&exec->arena, struct collect));
    TRY(rowlayout_init(&collect->layout, top->schema.types, top->schema.count, 0,
                       &exec->arena, err));
    collect->layout.memory = &exec->memory;
    rowset_init(&collect->set, &collect->layout);
    collect->top = top;
    collect->sink = (struct xsink){.consume = collect_consume,
                                   .combine = collect_combine,
                                   .finalize = collect_finalize,
                                   .free = collect_free};
    xsink_register(exec, &collect->sink);
    *out = collect;
out:
    return status;
}

/* ---------------------------------------------------------------------- CTEs ---- */

/* The query that names the tables is compiled before they are, for it tells which of their
 * columns are wanted; their pipelines run before its own. */
struct cte_reader {
    struct cte_reader *next;
    struct rowset_source *source;
    const struct rel *rel;
    uint32_t *fields;
};

struct cte_state {
    struct cte_state *next;
    const struct relcte *cte;
    uint64_t *wanted; /* colids of its own */
    struct cte_reader *readers;
};

static kdk_status cte_body(struct exec *exec, struct cte_state *state, struct err *err)
{
    kdk_status status = KDK_OK;
    struct collect *collect;
    struct xop *top;
    bool outer = exec->serial_now;

    exec->serial_now = false;
    TRY(compile(exec, state->cte->rel, state->wanted, &top, err));
    TRY(collect_new(exec, top, &collect, err));
    TRY(pipeline_add(exec, top, &collect->sink, exec->serial_now, err));
    exec->serial_now = outer;
    for (struct cte_reader *reader = state->readers; reader; reader = reader->next) {
        const struct xschema *schema = &reader->source->op.schema;
        reader->source->set = &collect->set;
        for (uint32_t i = 0, slot = 0; i < reader->rel->col_count; i++)
            if (slot < schema->count && schema->ids[slot] == reader->rel->cols[i].id)
                TRY_ASSERT(xschema_find(&top->schema, state->cte->columns[i].id,
                                        &reader->fields[slot++]));
    }
out:
    return status;
}

kdk_status compile_cte(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pipeline **start = exec->pipelines_end;
    struct cte_state *outer = exec->ctes, *state;

    for (uint32_t i = 0; i < rel->cte_count; i++) {
        TRY_MEM(state = ARENA_NEW(&exec->arena, struct cte_state));
        TRY_MEM(state->wanted = colids_new(exec, NULL));
        state->cte = rel->ctes[i];
        state->next = exec->ctes;
        exec->ctes = state;
    }
    TRY(compile(exec, rel->in[0], needed, out, err));
    /* The last first: it may read those before it. */
    for (state = exec->ctes; state != outer; state = state->next) {
        struct pipeline *rest = *start, **end = exec->pipelines_end;
        *start = NULL;
        exec->pipelines_end = start;
        TRY(cte_body(exec, state, err));
        *exec->pipelines_end = rest;
        if (rest)
            exec->pipelines_end = end;
    }
    exec->ctes = outer;
out:
    return status;
}

kdk_status compile_cte_ref(struct exec *exec, struct rel *rel, const uint64_t *needed,
                           struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cte_state *state = exec->ctes;
    struct cte_reader *reader;

    while (state && state->cte != rel->cte)
        state = state->next;
    TRY_ASSERT(state != NULL);
    TRY_MEM(reader = ARENA_NEW(&exec->arena, struct cte_reader));
    TRY_MEM(reader->fields = ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
    TRY(rowset_source_new(exec, rel, NULL, reader->fields, &reader->source, err));
    reader->rel = rel;
    TRY(xschema_init(&reader->source->op.schema, exec, rel->col_count, err));
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (bit_get(needed, rel->cols[i].id)) {
            xschema_add(&reader->source->op.schema, rel->cols[i].id, rel->cols[i].type);
            bit_set(state->wanted, rel->cte->columns[i].id);
        }
    reader->next = state->readers;
    state->readers = reader;
    *out = &reader->source->op;
out:
    return status;
}
