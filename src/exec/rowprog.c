/* rowprog.c - statements on one row by key, run on the calling thread by scalar bodies over
 * a frame of values.
 *
 *   SELECT          [project]* [filter] scan by all columns of a unique index, each equal
 *                   to a constant or parameter
 *   INSERT          [project]* one row of VALUES
 *   UPDATE, DELETE  over the same inputs as SELECT
 *
 * The frame has a place for each colid of the statement; running is filling places: the
 * key, the row's columns, projections, the new row, the result. All room is made when the
 * program is, so a run allocates nothing, unless a function makes a long text or the
 * storage needs room for a new row.
 */
#include "exec/exec_int.h"

#include "base/buf.h"

struct rowprog {
    const struct bound_stmt *stmt;
    struct arena arena;  /* of the program */
    struct arena run;    /* of one run */
    struct datum *frame; /* by colid */
    const struct rel *scan, *filter, *values, *dml;
    const struct rel *projects[8]; /* from the bottom up */
    uint32_t project_count;
    uint64_t *needed;  /* SELECT: colids that the result or a condition wants; NULL: all */
    uint32_t *columns; /* storage columns read */
    colid *ids;        /* where they go */
    struct datum *fetched;
    uint32_t column_count;
    colid rowid_id;
    struct buf key;
    struct datum *stored; /* INSERT, UPDATE: values for storage */
    uint32_t *set_columns;
    struct datum *row;
    struct exec_env env; /* Of the run. */
    bool started, given;
    uint64_t affected;
};

static struct datum frame_column(void *context, colid id)
{
    return ((struct rowprog *)context)->frame[id];
}

/* Does the tree have the form? Fills in what it finds. */
static bool recognize(struct rowprog *prog, const struct rel *rel)
{
    if (rel->kind == REL_INSERT || rel->kind == REL_UPDATE || rel->kind == REL_DELETE) {
        prog->dml = rel;
        rel = rel->in[0];
    }
    const struct rel *chain[COUNT_OF(prog->projects)];
    uint32_t n = 0;
    while (rel->kind == REL_PROJECT && n < COUNT_OF(chain)) {
        chain[n++] = rel;
        rel = rel->in[0];
    }
    while (n)
        prog->projects[prog->project_count++] = chain[--n];
    if (rel->kind == REL_VALUES && (!prog->dml || prog->dml->kind == REL_INSERT)) {
        prog->values = rel;
        return rel->row_count == 1;
    }
    if (prog->dml && prog->dml->kind == REL_INSERT)
        return false;
    if (rel->kind == REL_FILTER) {
        prog->filter = rel;
        rel = rel->in[0];
    }
    prog->scan = rel;
    return rel->kind == REL_SCAN && rel->phys.index && rel->phys.index->unique &&
           rel->phys.eq_count == rel->phys.index->column_count;
}

static bool is_needed(const struct rowprog *prog, colid id)
{
    return !prog->needed || bit_get(prog->needed, id);
}

static kdk_status find_needed(struct rowprog *prog, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_stmt *stmt = prog->stmt;
    uint64_t *needed;
    if (prog->dml)
        return KDK_OK;
    TRY_MEM(needed = ARENA_ARRAY(&prog->arena, uint64_t, bits_words(stmt->colid_next + 1)));
    for (uint32_t i = 0; i < stmt->column_count; i++)
        bit_set(needed, stmt->columns[i].id);
    for (uint32_t p = prog->project_count; p-- > 0;)
        for (uint32_t c = 0; c < prog->projects[p]->col_count; c++)
            if (bit_get(needed, prog->projects[p]->cols[c].id))
                expr_columns(prog->projects[p]->cols[c].expr, needed);
    if (prog->filter)
        exprs_columns(prog->filter->conds, prog->filter->cond_count, needed);
    prog->needed = needed;
out:
    return status;
}

kdk_status rowprog_new(const struct bound_stmt *stmt, struct rowprog **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rowprog *prog = NULL;

    *out = NULL;
    TRY_MEM(prog = MEM_NEW(struct rowprog));
    arena_init(&prog->arena);
    arena_init(&prog->run);
    prog->stmt = stmt;
    if (!stmt->root || !recognize(prog, stmt->root))
        goto out;
    TRY_MEM(prog->frame = ARENA_ARRAY(&prog->arena, struct datum, stmt->colid_next + 1));
    TRY_MEM(prog->row = ARENA_ARRAY(&prog->arena, struct datum, stmt->column_count + 1));
    TRY(find_needed(prog, err));
    if (prog->scan) {
        const struct rel *scan = prog->scan;
        TRY_MEM(prog->columns = ARENA_ARRAY(&prog->arena, uint32_t, scan->col_count + 1));
        TRY_MEM(prog->ids = ARENA_ARRAY(&prog->arena, colid, scan->col_count + 1));
        TRY_MEM(prog->fetched =
                    ARENA_ARRAY(&prog->arena, struct datum, scan->col_count + 1));
        for (uint32_t i = 0; i < scan->col_count; i++) {
            if (scan->cols[i].column == ROWID_COLUMN) {
                prog->rowid_id = scan->cols[i].id;
                continue;
            }
            if (!is_needed(prog, scan->cols[i].id))
                continue;
            prog->columns[prog->column_count] =
                scan->table->columns[scan->cols[i].column].id;
            prog->ids[prog->column_count++] = scan->cols[i].id;
        }
        if (buf_reserve(&prog->key, 256) != KDK_OK)
            TRY(err_nomem(err));
    }
    if (prog->dml) {
        const struct rel *dml = prog->dml;
        TRY_MEM(prog->stored = ARENA_ARRAY(&prog->arena, struct datum,
                                           table_column_count(dml->table->store) + 1));
        TRY_MEM(prog->set_columns =
                    ARENA_ARRAY(&prog->arena, uint32_t, dml->dml->set_count + 1));
        for (uint32_t i = 0; i < dml->dml->set_count; i++)
            prog->set_columns[i] = dml->table->columns[dml->dml->set_columns[i]].id;
    }
    *out = prog;
    prog = NULL;
out:
    rowprog_free(prog);
    return status;
}

kdk_status rowprog_start(struct rowprog *prog, const struct exec_env *env, struct err *err)
{
    (void)err;
    prog->env = *env;
    prog->started = true;
    prog->given = false;
    prog->affected = 0;
    arena_reset(&prog->run);
    return KDK_OK;
}

static kdk_status evaluate(struct rowprog *prog, const struct expr *expr, struct datum *out,
                           struct err *err)
{
    struct eval_row row = {frame_column, prog};
    if (expr->kind == EX_COLUMN) { /* Most are. */
        *out = prog->frame[expr->column];
        return KDK_OK;
    }
    return eval_scalar(expr, &row, &prog->env.eval, &prog->run, out, err);
}

/* Are all conditions true? Those that can fail come last. */
static kdk_status conditions(struct rowprog *prog, struct expr *const *conds,
                             uint32_t count, bool *hold, struct err *err)
{
    kdk_status status = KDK_OK;
    *hold = true;
    for (uint32_t pass = 0; pass < 2 && *hold; pass++)
        for (uint32_t i = 0; i < count && *hold; i++) {
            struct datum d;
            if (conds[i]->can_fail != (pass == 1))
                continue;
            TRY(evaluate(prog, conds[i], &d, err));
            *hold = !d.null && d.i;
        }
out:
    return status;
}

/* The row by its key, into the frame. */
static kdk_status fetch(struct rowprog *prog, bool *found, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *scan = prog->scan;
    const struct cindex *index = scan->phys.index;
    struct txn *txn = prog->env.txn;
    struct index_cursor *cursor = NULL;
    rowid ids[8];
    uint32_t count = 0;

    *found = false;
    buf_clear(&prog->key);
    for (uint32_t i = 0; i < index->column_count; i++) {
        struct datum d;
        TRY(evaluate(prog, scan->phys.eq[i], &d, err));
        if (d.null)
            goto out;
        if (key_add(&prog->key, scan->table->columns[index->columns[i]].type, &d,
                    index->descending[i], index->nulls_first[i]) != KDK_OK)
            TRY(err_nomem(err));
    }
    TRY(index_point(txn, scan->table->store, index->id, prog->key.data, prog->key.len, ids,
                    COUNT_OF(ids), &count, err));
    if (count > COUNT_OF(ids))
        TRY(index_open(txn, scan->table->store, index->id, prog->key.data, prog->key.len,
                       prog->key.data, prog->key.len, false, &prog->run, &cursor, err));
    for (uint32_t i = 0; cursor || i < count; i++) {
        rowid id;
        if (cursor) {
            TRY(index_next(cursor, &id, NULL, NULL, err));
            if (!id)
                break;
        } else {
            id = ids[i];
        }
        TRY(table_get(txn, scan->table->store, id, prog->columns, prog->column_count,
                      prog->fetched, found, &prog->run, err));
        if (!*found)
            continue;
        for (uint32_t c = 0; c < prog->column_count; c++)
            prog->frame[prog->ids[c]] = prog->fetched[c];
        if (prog->rowid_id)
            prog->frame[prog->rowid_id] = (struct datum){.i = (int64_t)id};
        /* The entry may be another version's: the key is tested again, with all else. */
        if (prog->filter)
            TRY(conditions(prog, prog->filter->conds, prog->filter->cond_count, found,
                           err));
        if (*found)
            break;
    }
out:
    if (cursor)
        index_close(cursor);
    return status;
}

/* NOT NULL comes before CHECK. (Without checks the table looks.) */
static kdk_status check_constraints(struct rowprog *prog, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = prog->dml;
    const struct ccolumn *empty = NULL;
    for (uint32_t i = 0; i < rel->dml->set_count && rel->dml->check_count > 0; i++) {
        const struct ccolumn *column = &rel->table->columns[rel->dml->set_columns[i]];
        if (column->not_null &&
            prog->stored[rel->kind == REL_INSERT ? column->id : i].null &&
            (!empty || column < empty))
            empty = column;
    }
    if (empty)
        return err_set(
            err, KDK_NOT_NULL,
            "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
            empty->name, rel->table->name);
    for (uint32_t i = 0; i < rel->dml->check_count; i++) {
        struct datum d;
        TRY(evaluate(prog, rel->dml->checks[i], &d, err));
        if (d.null || d.i)
            continue;
        struct buf text = {0};
        status = err_set(err, KDK_CHECK,
                         "new row for relation \"%s\" violates check constraint \"%s\"",
                         rel->table->name, rel->dml->check_names[i]);
        for (uint32_t c = 0; c < rel->table->column_count; c++) {
            struct datum v = rel->dml->fresh && rel->dml->fresh[c]
                                 ? prog->frame[rel->dml->fresh[c]]
                                 : (struct datum){.null = true};
            if (rel->kind == REL_INSERT)
                v = prog->stored[rel->table->columns[c].id];
            /* Out of memory sticks in the buffer, and then there is no detail. */
            (void)!(buf_add_str(&text, c ? ", " : "") == KDK_OK &&
                    (v.null
                         ? buf_add_str(&text, "null")
                         : datum_print(rel->table->columns[c].type, &v, &text)) == KDK_OK);
        }
        if (!text.nomem && text.len)
            err_detail(err, "Failing row contains (%s).", text.data);
        buf_deinit(&text);
        goto out;
    }
out:
    return status;
}

static kdk_status write_row(struct rowprog *prog, bool *changed, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = prog->dml;
    const struct rel_dml *d = rel->dml;
    struct table *table = rel->table->store;
    struct txn *txn = prog->env.txn;
    rowid id;

    *changed = true;
    if (rel->kind == REL_INSERT)
        for (uint32_t i = 0; i < table_column_count(table); i++)
            prog->stored[i] = DATUM_NULL;
    for (uint32_t c = 0; c < rel->table->column_count; c++)
        if (d->fresh && d->fresh[c] && d->old && d->old[c])
            prog->frame[d->fresh[c]] = prog->frame[d->old[c]];
    for (uint32_t i = 0; i < d->set_count; i++) {
        struct datum v;
        TRY(evaluate(prog, d->set[i], &v, err));
        if (rel->kind == REL_INSERT)
            prog->stored[prog->set_columns[i]] = v;
        else
            prog->stored[i] = v;
    }
    /* The new values become visible under `fresh` only now: SET a = b, b = a. */
    for (uint32_t i = 0; i < d->set_count; i++)
        if (d->fresh && d->fresh[d->set_columns[i]])
            prog->frame[d->fresh[d->set_columns[i]]] =
                rel->kind == REL_INSERT ? prog->stored[prog->set_columns[i]]
                                        : prog->stored[i];
    if (rel->kind != REL_DELETE)
        TRY(check_constraints(prog, err));
    if (rel->kind == REL_INSERT)
        TRY(table_insert(txn, table, prog->stored, &id, err));
    else if (rel->kind == REL_UPDATE)
        TRY(table_update(txn, table, (rowid)prog->frame[d->rowid].i, prog->set_columns,
                         prog->stored, d->set_count, changed, err));
    else
        TRY(table_delete(txn, table, (rowid)prog->frame[d->rowid].i, changed, err));
    prog->affected += *changed;
    for (uint32_t i = 0; i < d->returning_count; i++)
        TRY(evaluate(prog, d->returning[i].expr, &prog->frame[d->returning[i].id], err));
out:
    return status;
}

kdk_status rowprog_next(struct rowprog *prog, const struct datum **row, struct err *err)
{
    kdk_status status = KDK_OK;
    bool found = true;

    *row = NULL;
    if (!prog->started || prog->given)
        goto out;
    prog->given = true;
    if (prog->scan)
        TRY(fetch(prog, &found, err));
    else
        for (uint32_t c = 0; c < prog->values->col_count; c++)
            TRY(evaluate(prog, prog->values->rows[0][c],
                         &prog->frame[prog->values->cols[c].id], err));
    for (uint32_t p = 0; p < prog->project_count && found; p++)
        for (uint32_t c = 0; c < prog->projects[p]->col_count; c++)
            if (is_needed(prog, prog->projects[p]->cols[c].id))
                TRY(evaluate(prog, prog->projects[p]->cols[c].expr,
                             &prog->frame[prog->projects[p]->cols[c].id], err));
    if (prog->dml) {
        if (found)
            TRY(write_row(prog, &found, err));
        TRY(table_statement_end(prog->env.txn, err));
        found &= prog->dml->dml->returning_count > 0;
    }
    if (!found)
        goto out;
    for (uint32_t i = 0; i < prog->stmt->column_count; i++)
        prog->row[i] = prog->frame[prog->stmt->columns[i].id];
    *row = prog->row;
out:
    return status;
}

uint64_t rowprog_affected(const struct rowprog *prog)
{
    return prog->affected;
}

void rowprog_free(struct rowprog *prog)
{
    if (!prog)
        return;
    buf_deinit(&prog->key);
    arena_deinit(&prog->run);
    arena_deinit(&prog->arena);
    mem_free(prog);
}
