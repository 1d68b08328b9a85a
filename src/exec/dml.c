/* dml.c - INSERT, UPDATE, DELETE: takes the rows of its input, writes them, keeps what
 * RETURNING wants.
 *
 * All is written before the first RETURNING row is handed on, so a statement that fails has
 * shown nothing. The statement reads the tables as of its start, whatever it has written
 * meanwhile: that is the storage's promise (commands), not something looked after here.
 */
#include "exec/exec_int.h"

#include <stdatomic.h>

#include "base/buf.h"

struct dml {
    struct xop op; /* gives the RETURNING rows */
    struct exec *exec;
    struct xop *input;
    bool done;
    /* The row after the change as a batch: one column for each of the table, then the
     * input's. */
    struct xschema row_schema;
    struct batch row;
    struct eval **set;
    /* UPDATE, DELETE: input slot of the column's old value, or UINT32_MAX */
    uint32_t *old_slots;
    bool *given; /* the column is set or fetched */
    uint32_t rowid_slot;
    struct eval **checks;
    struct eval **returning;
    struct rowlayout layout;
    struct rowset kept;
    const struct vec **kept_columns;
    struct vec *kept_scratch;
    struct rowset_at at;
    struct batch out;
    /* INSERT: the batch in the order of storage */
    struct batch stored;
    uint32_t stored_count;
    struct vec *nulls;
    struct arena rows;
};

static kdk_status dml_make(struct dml *dml, struct xworker *worker, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = dml->op.rel;
    const struct rel_dml *d = rel->dml;
    struct arena *arena = &worker->arena;
    struct eval_env *env = &worker->exec->env.eval;
    struct eval_source input = xschema_source(&dml->input->schema),
                       row = xschema_source(&dml->row_schema);
    struct ltype *types;

    TRY_MEM(dml->set = ARENA_ARRAY(arena, struct eval *, d->set_count + 1));
    for (uint32_t i = 0; i < d->set_count; i++)
        TRY(eval_new(d->set[i], &input, env, arena, &dml->set[i], err));
    TRY(batch_shell(&dml->row, dml->row_schema.count, arena, err));
    TRY_MEM(dml->checks = ARENA_ARRAY(arena, struct eval *, d->check_count + 1));
    for (uint32_t i = 0; i < d->check_count; i++)
        TRY(eval_new(d->checks[i], &row, env, arena, &dml->checks[i], err));
    TRY_MEM(dml->returning = ARENA_ARRAY(arena, struct eval *, d->returning_count + 1));
    TRY_MEM(types = ARENA_ARRAY(arena, struct ltype, d->returning_count + 1));
    for (uint32_t i = 0; i < d->returning_count; i++) {
        TRY(eval_new(d->returning[i].expr, &row, env, arena, &dml->returning[i], err));
        types[i] = d->returning[i].type;
    }
    TRY(rowlayout_init(&dml->layout, types, d->returning_count, 0, arena, err));
    dml->layout.memory = &worker->exec->memory;
    rowset_init(&dml->kept, &dml->layout);
    TRY_MEM(dml->kept_columns =
                ARENA_ARRAY(arena, const struct vec *, d->returning_count + 1));
    TRY(rowset_scratch(&dml->layout, arena, &dml->kept_scratch, err));
    TRY(batch_init(&dml->out, types, d->returning_count, arena, err));
    if (rel->kind == REL_INSERT) {
        dml->stored_count = table_column_count(rel->table->store);
        TRY(batch_shell(&dml->stored, dml->stored_count, arena, err));
        TRY_MEM(dml->nulls = ARENA_NEW(arena, struct vec));
        struct datum null = DATUM_NULL;
        for (uint32_t i = 0; i < dml->stored_count; i++)
            TRY(vec_constant(&dml->stored.columns[i],
                             table_column_type(rel->table->store, i), &null, arena, err));
    }
out:
    return status;
}

/* `Failing row contains (1, abc, null).` Columns that the statement did not fetch are read
 * now. */
static void describe_row(struct dml *dml, uint32_t row, struct err *err)
{
    const struct rel *rel = dml->op.rel;
    const struct ctable *table = rel->table;
    struct buf text = {0};
    struct arena arena;
    bool ok = true;

    arena_init(&arena);
    for (uint32_t c = 0; c < table->column_count && ok; c++) {
        struct datum d = DATUM_NULL;
        if (dml->given[c]) {
            d = vec_get(&dml->row.columns[c], row);
        } else {
            rowid id = (rowid)vec_get(
                           &dml->row.columns[table->column_count + dml->rowid_slot], row)
                           .i;
            struct err ignored = {0}; /* The violation is what is reported. */
            bool found;
            ok = table_get(dml->exec->env.txn, table->store, id, &table->columns[c].id, 1,
                           &d, &found, &arena, &ignored) == KDK_OK;
        }
        ok = ok && buf_add_str(&text, c ? ", " : "") == KDK_OK &&
             (d.null ? buf_add_str(&text, "null")
                     : datum_print(table->columns[c].type, &d, &text)) == KDK_OK;
    }
    if (ok && text.len)
        err_detail(err, "Failing row contains (%s).", text.data);
    buf_deinit(&text);
    arena_deinit(&arena);
}

/* How many of the selected rows come before the first with a NULL where there may be none,
 * and in which column that is. */
static uint32_t rows_before_null(struct dml *dml, uint32_t *column)
{
    const struct ctable *table = dml->op.rel->table;
    uint32_t before = dml->row.sel.count;
    for (uint32_t c = 0; c < table->column_count; c++) {
        if (!table->columns[c].not_null || !dml->given[c])
            continue;
        for (uint32_t k = 0; k < before; k++)
            if (vec_get(&dml->row.columns[c], SEL_ROW(&dml->row.sel, k)).null) {
                before = k;
                *column = c;
            }
    }
    return before;
}

/* Row by row NOT NULL comes before CHECK. (Without checks the table looks.) */
static kdk_status checks_run(struct dml *dml, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = dml->op.rel;
    const uint32_t count = dml->row.sel.count;
    uint32_t column = 0;
    if (rel->dml->check_count == 0)
        return KDK_OK;
    dml->row.sel.count = rows_before_null(dml, &column);
    for (uint32_t i = 0; i < rel->dml->check_count && dml->row.sel.count > 0; i++) {
        struct vec *v;
        TRY(eval_run(dml->checks[i], &dml->row, &v, err));
        for (uint32_t k = 0; k < dml->row.sel.count; k++) {
            uint32_t row = SEL_ROW(&dml->row.sel, k);
            struct datum d = vec_get(v, row);
            if (d.null || d.i)
                continue;
            status = err_set(err, KDK_CHECK,
                             "new row for relation \"%s\" violates check constraint \"%s\"",
                             rel->table->name, rel->dml->check_names[i]);
            describe_row(dml, row, err);
            goto out;
        }
    }
    if (dml->row.sel.count < count) {
        status = err_set(
            err, KDK_NOT_NULL,
            "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
            rel->table->columns[column].name, rel->table->name);
        uint32_t k = dml->row.sel.count;
        dml->row.sel.count = count;
        describe_row(dml, SEL_ROW(&dml->row.sel, k), err);
    }
out:
    dml->row.sel.count = count;
    return status;
}

/* The rows as they are after the change, and the input beside them. */
static kdk_status row_batch(struct dml *dml, struct batch *in, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = dml->op.rel;
    uint32_t columns = rel->table->column_count;

    for (uint32_t c = 0; c < columns; c++)
        if (dml->old_slots[c] != UINT32_MAX)
            dml->row.columns[c] = in->columns[dml->old_slots[c]];
    for (uint32_t i = 0; i < rel->dml->set_count; i++) {
        struct vec *v;
        TRY(eval_run(dml->set[i], in, &v, err));
        dml->row.columns[rel->dml->set_columns[i]] = *v;
    }
    for (uint32_t i = 0; i < in->column_count; i++)
        dml->row.columns[columns + i] = in->columns[i];
    for (uint32_t i = 0; i < dml->row.column_count; i++)
        dml->row.columns[i].owned = false;
    dml->row.count = in->count;
    dml->row.sel = in->sel;
out:
    return status;
}

static kdk_status returning_keep(struct dml *dml, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = dml->op.rel;

    if (!rel->dml->returning_count || !dml->row.sel.count)
        goto out;
    for (uint32_t i = 0; i < rel->dml->returning_count; i++) {
        struct vec *v;
        TRY(eval_run(dml->returning[i], &dml->row, &v, err));
        dml->kept_columns[i] = v;
    }
    TRY(rowset_append(&dml->kept, dml->kept_columns, &dml->row.sel, dml->row.count, NULL,
                      dml->kept_scratch, NULL, err));
out:
    return status;
}

static kdk_status write_batch(struct dml *dml, struct xworker *worker, struct batch *in,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = dml->op.rel;
    const struct rel_dml *d = rel->dml;
    struct table *table = rel->table->store;
    struct txn *txn = worker->exec->env.txn;
    uint16_t kept[BATCH_ROWS];
    uint32_t n = 0;

    TRY(row_batch(dml, in, err));
    if (rel->kind != REL_DELETE)
        TRY(checks_run(dml, err));
    if (rel->kind == REL_INSERT) {
        for (uint32_t c = 0; c < rel->table->column_count; c++)
            dml->stored.columns[rel->table->columns[c].id] = dml->row.columns[c];
        dml->stored.count = in->count;
        dml->stored.sel = in->sel;
        TRY(table_insert_batch(txn, table, &dml->stored, NULL, err));
        worker->exec->affected += in->sel.count;
    } else {
        uint32_t columns[TABLE_COLUMNS_MAX];
        struct datum values[64], *wide = values;
        if (d->set_count > COUNT_OF(values)) {
            arena_reset(&dml->rows);
            TRY_MEM(wide = ARENA_ARRAY(&dml->rows, struct datum, d->set_count));
        }
        for (uint32_t i = 0; i < d->set_count; i++)
            columns[i] = rel->table->columns[d->set_columns[i]].id;
        for (uint32_t k = 0; k < in->sel.count; k++) {
            uint32_t row = SEL_ROW(&in->sel, k);
            rowid id = (rowid)vec_get(&in->columns[dml->rowid_slot], row).i;
            bool changed;
            if (rel->kind == REL_UPDATE) {
                for (uint32_t i = 0; i < d->set_count; i++)
                    wide[i] = vec_get(&dml->row.columns[d->set_columns[i]], row);
                TRY(table_update(txn, table, id, columns, wide, d->set_count, &changed,
                                 err));
            } else {
                TRY(table_delete(txn, table, id, &changed, err));
            }
            kept[n] = (uint16_t)row;
            n += changed;
        }
        worker->exec->affected += n;
        dml->row.sel = (struct sel){kept, n};
    }
    TRY(returning_keep(dml, err));
out:
    return status;
}

static kdk_status dml_next(struct xop *op, struct xworker *worker, void *local,
                           struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct dml *dml = (struct dml *)op;
    uint8_t *rows[BATCH_ROWS];
    uint32_t n;
    (void)local;

    if (!dml->done) {
        struct batch *in;
        TRY(dml_make(dml, worker, err));
        for (;;) {
            TRY(xop_next(dml->input, worker, &in, err));
            if (!in)
                break;
            TRY(write_batch(dml, worker, in, err));
            atomic_store_explicit(&worker->exec->progress_done, worker->exec->affected,
                                  memory_order_relaxed);
        }
        if (!worker->exec->statement_open)
            TRY(table_statement_end(worker->exec->env.txn, err));
        dml->done = true;
    }
    if (!op->rel->dml->returning_count)
        goto out;
    n = rowset_next(&dml->kept, &dml->at, rows, BATCH_ROWS);
    if (!n)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++)
        rows_gather(&dml->layout, i, rows, n, &dml->out.columns[i]);
    batch_all(&dml->out, n);
    *out = &dml->out;
out:
    return status;
}

static void dml_free(struct xop *op)
{
    struct dml *dml = (struct dml *)op;
    if (dml->kept.layout)
        rowset_deinit(&dml->kept);
    arena_deinit(&dml->rows);
}

static const struct xop_ops insert_ops = {
    .name = "Insert", .next = dml_next, .free = dml_free};
static const struct xop_ops update_ops = {
    .name = "Update", .next = dml_next, .free = dml_free};
static const struct xop_ops delete_ops = {
    .name = "Delete", .next = dml_next, .free = dml_free};

kdk_status compile_dml(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel_dml *d = rel->dml;
    const struct ctable *table = rel->table;
    struct dml *dml;
    uint64_t *below;

    (void)needed; /* RETURNING columns are all wanted. */
    TRY_MEM(dml = ARENA_NEW(&exec->arena, struct dml));
    dml->exec = exec;
    TRY_MEM(below = colids_new(exec, NULL));
    exprs_columns(d->set, d->set_count, below);
    exprs_columns(d->checks, d->check_count, below);
    for (uint32_t i = 0; i < d->returning_count; i++)
        expr_columns(d->returning[i].expr, below);
    for (uint32_t c = 0; c < table->column_count; c++) {
        if (d->fresh && d->fresh[c])
            bit_clear(below, d->fresh[c]);
        if (d->old && d->old[c])
            bit_set(below, d->old[c]);
    }
    if (rel->kind != REL_INSERT)
        bit_set(below, d->rowid);
    TRY(compile(exec, rel->in[0], below, &dml->input, err));
    TRY_MEM(dml->old_slots = ARENA_ARRAY(&exec->arena, uint32_t, table->column_count + 1));
    TRY_MEM(dml->given = ARENA_ARRAY(&exec->arena, bool, table->column_count + 1));
    TRY(xschema_init(&dml->row_schema, exec, table->column_count + dml->input->schema.count,
                     err));
    for (uint32_t c = 0; c < table->column_count; c++) {
        dml->old_slots[c] = UINT32_MAX;
        if (d->old && d->old[c])
            TRY_ASSERT(xschema_find(&dml->input->schema, d->old[c], &dml->old_slots[c]));
        dml->given[c] = dml->old_slots[c] != UINT32_MAX;
        for (uint32_t i = 0; i < d->set_count; i++)
            dml->given[c] |= d->set_columns[i] == c;
        xschema_add(&dml->row_schema, d->fresh ? d->fresh[c] : 0, table->columns[c].type);
    }
    for (uint32_t i = 0; i < dml->input->schema.count; i++)
        xschema_add(&dml->row_schema, dml->input->schema.ids[i],
                    dml->input->schema.types[i]);
    if (rel->kind != REL_INSERT)
        TRY_ASSERT(xschema_find(&dml->input->schema, d->rowid, &dml->rowid_slot));
    TRY(xschema_init(&dml->op.schema, exec, d->returning_count, err));
    for (uint32_t i = 0; i < d->returning_count; i++)
        xschema_add(&dml->op.schema, d->returning[i].id, d->returning[i].type);
    exec->progress_unit = "rows";
    exec->statement_open = rel != exec->stmt->root;
    exec->serial_now = true; /* One worker writes. */
    xop_register(exec, &dml->op,
                 rel->kind == REL_INSERT   ? &insert_ops
                 : rel->kind == REL_UPDATE ? &update_ops
                                           : &delete_ops,
                 rel, NULL);
    *out = &dml->op;
out:
    return status;
}
