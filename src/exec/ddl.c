#include "exec/ddl.h"

#include "base/mem.h"

/* ------------------------------------------------------------------ tables ---- */

static void index_for_storage(const struct cindex *index, const struct ccolumn *columns,
                              struct tindex *out)
{
    memset(out, 0, sizeof *out);
    out->id = index->id;
    out->unique = index->unique;
    out->column_count = index->column_count;
    for (uint32_t i = 0; i < index->column_count; i++) {
        out->columns[i] = columns[index->columns[i]].id;
        out->descending[i] = index->descending[i];
        out->nulls_first[i] = index->nulls_first[i];
    }
}

static kdk_status index_check_width(const struct cindex *index, struct err *err)
{
    struct tindex room;
    if (index->column_count > COUNT_OF(room.columns))
        return err_set(err, KDK_TOO_MANY_COLUMNS,
                       "cannot use more than %zu columns in an index",
                       COUNT_OF(room.columns));
    return KDK_OK;
}

/* CREATE TABLE AS: the rows of the query. */
static kdk_status fill(const struct ddl_env *env, struct bound_stmt *stmt,
                       const struct ctable *table, struct arena *arena, uint64_t *affected,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = NULL;
    struct batch *in, out = {0};

    TRY(plan_optimize(stmt, env->plan, arena, err));
    TRY(exec_open(stmt, env->exec, &exec, err));
    out.column_count = table->column_count;
    TRY_MEM(out.columns = ARENA_ARRAY(arena, struct vec, table->column_count + 1));
    for (;;) {
        TRY(exec_next(exec, &in, err));
        if (!in)
            break;
        for (uint32_t c = 0; c < table->column_count; c++)
            out.columns[table->columns[c].id] = in->columns[c];
        out.count = in->count;
        out.sel = in->sel;
        TRY(table_insert_batch(env->exec->txn, table->store, &out, NULL, err));
        *affected += in->sel.count;
    }
    TRY(table_statement_end(env->exec->txn, err));
out:
    exec_close(exec);
    return status;
}

static kdk_status create_table(const struct ddl_env *env, struct bound_stmt *stmt,
                               const struct bound_ddl *ddl, struct arena *arena,
                               uint64_t *affected, struct err *err)
{
    kdk_status status = KDK_OK;
    struct store *store = env->exec->store;
    struct txn *txn = env->exec->txn;
    struct ctable table = {.kind = COBJ_TABLE, .schema = ddl->schema, .name = ddl->name};
    struct tcolumn *stored;

    table.id = (uint32_t)store_new_id(store);
    table.column_count = ddl->column_count;
    TRY_MEM(table.columns = ARENA_ARRAY(arena, struct ccolumn, ddl->column_count + 1));
    TRY_MEM(stored = ARENA_ARRAY(arena, struct tcolumn, ddl->column_count + 1));
    for (uint32_t c = 0; c < ddl->column_count; c++) {
        table.columns[c] = ddl->columns[c].column;
        table.columns[c].id = c;
        stored[c] = (struct tcolumn){.type = table.columns[c].type,
                                     .not_null = table.columns[c].not_null,
                                     .missing = DATUM_NULL};
    }
    table.check_count = ddl->check_count;
    table.checks = ddl->checks;
    TRY(table_create(txn, store, table.id, stored, ddl->column_count, &table.store, err));
    table.index_count = ddl->index_count;
    TRY_MEM(table.indexes = ARENA_ARRAY(arena, struct cindex *, ddl->index_count + 1));
    for (uint32_t i = 0; i < ddl->index_count; i++) {
        struct tindex def;
        TRY_MEM(table.indexes[i] =
                    arena_dup(arena, &ddl->indexes[i].index, sizeof(struct cindex)));
        TRY(index_check_width(table.indexes[i], err));
        table.indexes[i]->id = (uint32_t)store_new_id(store);
        table.indexes[i]->table = &table;
        index_for_storage(table.indexes[i], table.columns, &def);
        TRY(table_index_create(txn, table.store, &def, err));
    }
    TRY(catalog_put_table(env->session, &table, err));
    if (ddl->with_data && stmt->root)
        TRY(fill(env, stmt, &table, arena, affected, err));
out:
    return status;
}

static kdk_status create_view(const struct ddl_env *env, const struct bound_ddl *ddl,
                              struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct ctable view = {.kind = COBJ_VIEW,
                          .schema = ddl->schema,
                          .name = ddl->name,
                          .view_sql = ddl->view_sql};

    view.id = ddl->replaces ? ddl->replaces->id : (uint32_t)store_new_id(env->exec->store);
    view.column_count = ddl->column_count;
    TRY_MEM(view.columns = ARENA_ARRAY(arena, struct ccolumn, ddl->column_count + 1));
    for (uint32_t c = 0; c < ddl->column_count; c++) {
        view.columns[c] = ddl->columns[c].column;
        view.columns[c].id = c;
    }
    TRY(catalog_put_table(env->session, &view, err));
out:
    return status;
}

/* A copy that may be changed; its own arrays of indexes and checks. */
static struct ctable *table_copy(const struct ctable *table, struct arena *arena)
{
    struct ctable *copy = arena_dup(arena, table, sizeof *table);
    if (!copy)
        return NULL;
    copy->columns = ARENA_ARRAY(arena, struct ccolumn, table->column_count + 1);
    copy->indexes = ARENA_ARRAY(arena, struct cindex *, table->index_count + 1);
    copy->checks = ARENA_ARRAY(arena, struct ccheck, table->check_count + 1);
    if (!copy->columns || !copy->indexes || !copy->checks)
        return NULL;
    memcpy(copy->columns, table->columns, table->column_count * sizeof *table->columns);
    if (table->index_count)
        memcpy(copy->indexes, table->indexes, table->index_count * sizeof(struct cindex *));
    if (table->check_count)
        memcpy(copy->checks, table->checks, table->check_count * sizeof *table->checks);
    return copy;
}

/* The table as this transaction sees it now. */
static kdk_status current(const struct ddl_env *env, uint32_t id, const struct ctable **out,
                          struct err *err)
{
    *out = catver_table_by_id(env->session->version, id);
    return *out ? KDK_OK
                : err_set(err, KDK_UNDEFINED_TABLE, "the table does not exist any more");
}

static kdk_status create_index(const struct ddl_env *env, const struct bound_index *made,
                               const struct ctable *on, struct arena *arena,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct tindex def;
    struct ctable *after;
    struct cindex *index;
    const struct ctable *before;

    TRY(current(env, on->id, &before, err));
    TRY(index_check_width(&made->index, err));
    TRY_MEM(after = table_copy(before, arena));
    TRY_MEM(index = arena_dup(arena, &made->index, sizeof *index));
    index->id = (uint32_t)store_new_id(env->exec->store);
    index->table = after;
    index_for_storage(index, after->columns, &def);
    if (index->primary) {
        memmove(after->indexes + 1, after->indexes,
                after->index_count * sizeof(struct cindex *));
        after->indexes[0] = index;
        after->index_count++;
    } else {
        after->indexes[after->index_count++] = index;
    }
    /* The name first: what filling it finds wrong is told with it. */
    struct table *store = before->store;
    TRY(catalog_put_table(env->session, after, err));
    TRY(table_index_create(env->exec->txn, store, &def, err));
out:
    return status;
}

static kdk_status drop_index(const struct ddl_env *env, const struct cindex *index,
                             struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ctable *before;
    struct ctable *after;
    uint32_t kept = 0;

    TRY(current(env, index->table->id, &before, err));
    TRY_MEM(after = table_copy(before, arena));
    for (uint32_t i = 0; i < before->index_count; i++)
        if (before->indexes[i]->id != index->id)
            after->indexes[kept++] = before->indexes[i];
    after->index_count = kept;
    TRY(table_index_drop(env->exec->txn, before->store, index->id, err));
    TRY(catalog_put_table(env->session, after, err));
out:
    return status;
}

/* -------------------------------------------------------- walks over existing rows ---- */

/* Calls `each` for every row of a table as the statement sees it; values in the order of
 * the table's columns. */
typedef kdk_status (*row_fn)(void *context, rowid id, const struct datum *values,
                             struct err *err);
static kdk_status each_row(const struct ddl_env *env, const struct ctable *table,
                           row_fn each, void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena;
    struct table_scan *scan = NULL;
    struct scan_reader *reader = NULL;
    struct batch batch = {0};
    uint32_t *columns;
    struct ltype *types;
    struct datum *values;
    uint32_t n = table->column_count;
    bool more;

    arena_init(&arena);
    TRY_MEM(columns = ARENA_ARRAY(&arena, uint32_t, n + 1));
    TRY_MEM(types = ARENA_ARRAY(&arena, struct ltype, n + 1));
    TRY_MEM(values = ARENA_ARRAY(&arena, struct datum, n + 1));
    for (uint32_t c = 0; c < n; c++) {
        columns[c] = table->columns[c].id;
        types[c] = table->columns[c].type;
    }
    columns[n] = SCAN_ROWID;
    types[n] = LTYPE(BIGINT);
    TRY(batch_init(&batch, types, n + 1, &arena, err));
    TRY(table_scan_open(env->exec->txn, table->store, columns, n + 1, NULL, 0, &arena,
                        &scan, err));
    TRY(scan_reader_new(scan, &arena, &reader, err));
    for (;;) {
        TRY(scan_reader_next(reader, &batch, &more, err));
        if (!more)
            break;
        for (uint32_t k = 0; k < batch.sel.count; k++) {
            uint32_t row = SEL_ROW(&batch.sel, k);
            for (uint32_t c = 0; c < n; c++)
                values[c] = vec_get(&batch.columns[c], row);
            TRY(each(context, (rowid)vec_get(&batch.columns[n], row).i, values, err));
        }
    }
out:
    if (reader)
        scan_reader_free(reader);
    if (scan)
        table_scan_close(scan);
    batch_unpin(&batch);
    arena_deinit(&arena);
    return status;
}

struct row_check {
    const struct ddl_env *env;
    const struct ctable *table;
    uint32_t position;        /* the column that must not be NULL */
    const struct expr *check; /* or the condition, over ids position + 1 */
    const char *name;
    const struct datum *values;
    struct arena arena;
};

static kdk_status not_null_row(void *context, rowid id, const struct datum *values,
                               struct err *err)
{
    struct row_check *check = context;
    (void)id;
    if (values[check->position].null)
        return err_set(err, KDK_NOT_NULL,
                       "column \"%s\" of relation \"%s\" contains null values",
                       check->table->columns[check->position].name, check->table->name);
    return KDK_OK;
}

static struct datum check_column(void *context, colid id)
{
    return ((struct row_check *)context)->values[id - 1];
}

static kdk_status check_row(void *context, rowid id, const struct datum *values,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct row_check *check = context;
    struct eval_row row = {check_column, check};
    struct datum d;
    (void)id;
    check->values = values;
    arena_reset(&check->arena);
    TRY(eval_scalar(check->check, &row, &check->env->exec->eval, &check->arena, &d, err));
    if (!d.null && !d.i)
        TRY(err_set(err, KDK_CHECK,
                    "check constraint \"%s\" of relation \"%s\" is violated by some row",
                    check->name, check->table->name));
out:
    return status;
}

/* -------------------------------------------------------------------- ALTER ---- */

/* The layout as it is, for table_alter. */
static struct tcolumn *stored_columns(const struct table *table, uint32_t more,
                                      uint32_t *count, struct arena *arena)
{
    *count = table_column_count(table);
    struct tcolumn *columns = ARENA_ARRAY(arena, struct tcolumn, *count + more);
    for (uint32_t i = 0; columns && i < *count; i++)
        table_column_definition(table, i, &columns[i]);
    return columns;
}

struct fill_column {
    const struct ddl_env *env;
    const struct ctable *table;
    const struct bound_column *column;
    uint32_t id;
    struct arena arena;
};

/* A default that is not the same for all rows is written into each. */
static kdk_status fill_row(void *context, rowid id, const struct datum *values,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct fill_column *fill = context;
    struct eval_row none = {0};
    struct datum d;
    bool changed;
    (void)values;
    arena_reset(&fill->arena);
    TRY(eval_scalar(fill->column->fill, &none, &fill->env->exec->eval, &fill->arena, &d,
                    err));
    if (d.null && fill->column->column.not_null)
        TRY(err_set(err, KDK_NOT_NULL,
                    "column \"%s\" of relation \"%s\" contains null values",
                    fill->column->column.name, fill->table->name));
    TRY(table_update(fill->env->exec->txn, fill->table->store, id, &fill->id, &d, 1,
                     &changed, err));
out:
    return status;
}

static kdk_status any_row(void *context, rowid id, const struct datum *values,
                          struct err *err)
{
    struct row_check *check = context;
    (void)id;
    (void)values;
    return err_set(err, KDK_NOT_NULL,
                   "column \"%s\" of relation \"%s\" contains null values", check->name,
                   check->table->name);
}

static kdk_status add_column(const struct ddl_env *env, const struct ctable *before,
                             const struct bound_alter *step, struct arena *arena,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct fill_column filler = {.env = env, .table = before, .column = step->column};
    struct row_check check = {
        .env = env, .table = before, .name = step->column->column.name};
    struct tcolumn *stored;
    struct ctable *after;
    struct eval_row none = {0};
    uint32_t count;
    bool constant = !step->column->fill || !step->column->fill->is_volatile;

    arena_init(&filler.arena);
    TRY_MEM(stored = stored_columns(before->store, 1, &count, arena));
    if (count == TABLE_COLUMNS_MAX)
        TRY(err_set(err, KDK_TOO_MANY_COLUMNS, "tables can have at most %d columns",
                    TABLE_COLUMNS_MAX));
    stored[count] = (struct tcolumn){.type = step->column->column.type,
                                     .not_null = step->column->column.not_null,
                                     .missing = DATUM_NULL};
    if (step->column->fill && constant)
        TRY(eval_scalar(step->column->fill, &none, &env->exec->eval, arena,
                        &stored[count].missing, err));
    if (step->column->column.not_null && constant && stored[count].missing.null)
        TRY(each_row(env, before, any_row, &check, err)); /* No row may be there. */
    TRY(table_alter(env->exec->txn, before->store, stored, count + 1, err));
    TRY_MEM(after = arena_dup(arena, before, sizeof *after));
    TRY_MEM(after->columns = ARENA_ARRAY(arena, struct ccolumn, before->column_count + 1));
    memcpy(after->columns, before->columns, before->column_count * sizeof *after->columns);
    after->columns[after->column_count] = step->column->column;
    after->columns[after->column_count++].id = count;
    TRY(catalog_put_table(env->session, after, err));
    if (!constant) {
        filler.id = count;
        TRY(each_row(env, before, fill_row, &filler, err));
    }
out:
    arena_deinit(&filler.arena);
    return status;
}

static kdk_status alter_step(const struct ddl_env *env, const struct bound_alter *step,
                             struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct txn *txn = env->exec->txn;
    const struct ctable *before = NULL;
    struct row_check check = {.env = env,
                              .position = step->position,
                              .check = step->condition,
                              .name = step->check.name};
    struct ctable *after;
    struct tcolumn *stored;
    uint32_t count;

    arena_init(&check.arena);
    if (step->before)
        TRY(current(env, step->before->id, &before, err));
    check.table = before;
    switch (step->kind) {
    case ALTER_RENAME_SCHEMA:
        TRY(catalog_rename_schema(env->session, step->schema, step->name, err));
        break;
    case ALTER_RENAME_TABLE:
        TRY_MEM(after = table_copy(before, arena));
        after->name = step->name;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_VIEW_TEXT:
        TRY_MEM(after = table_copy(before, arena));
        after->view_sql = step->after->view_sql;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_RENAME_INDEX:
        TRY_MEM(after = table_copy(before, arena));
        for (uint32_t i = 0; i < after->index_count; i++)
            if (after->indexes[i]->id == step->index->id) {
                TRY_MEM(after->indexes[i] =
                            arena_dup(arena, after->indexes[i], sizeof(struct cindex)));
                after->indexes[i]->name = step->name;
            }
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_RENAME_CHECK:
        TRY_MEM(after = table_copy(before, arena));
        after->checks[step->position].name = step->name;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_RENAME_COLUMN:
        TRY_MEM(after = table_copy(before, arena));
        after->columns[step->position].name = step->name;
        for (uint32_t i = 0; i < after->check_count; i++)
            after->checks[i] = step->after->checks[i];
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_ADD_COLUMN:
        TRY(add_column(env, before, step, arena, err));
        break;
    case ALTER_DROP_COLUMN:
        for (uint32_t i = 0; i < before->index_count; i++) {
            bool kept = false;
            for (uint32_t k = 0; k < step->after->index_count; k++)
                kept |= step->after->indexes[k]->id == before->indexes[i]->id;
            if (!kept)
                TRY(table_index_drop(txn, before->store, before->indexes[i]->id, err));
        }
        TRY_MEM(stored = stored_columns(before->store, 0, &count, arena));
        stored[before->columns[step->position].id].dropped = true;
        stored[before->columns[step->position].id].not_null = false;
        TRY(table_alter(txn, before->store, stored, count, err));
        /* The binder's picture, with the ids that earlier steps gave. */
        TRY_MEM(after = table_copy(step->after, arena));
        for (uint32_t c = 0; c < after->column_count; c++)
            after->columns[c].id = before->columns[c + (c >= step->position)].id;
        after->store = before->store;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_ADD_INDEX:
        if (step->not_null) {
            TRY_MEM(stored = stored_columns(before->store, 0, &count, arena));
            TRY_MEM(after = table_copy(before, arena));
            for (uint32_t i = 0; i < step->added->index.column_count; i++) {
                check.position = step->added->index.columns[i];
                TRY(each_row(env, before, not_null_row, &check, err));
                stored[before->columns[check.position].id].not_null = true;
                after->columns[check.position].not_null = true;
            }
            TRY(table_alter(txn, before->store, stored, count, err));
            TRY(catalog_put_table(env->session, after, err));
        }
        TRY(create_index(env, step->added, before, arena, err));
        break;
    case ALTER_ADD_CHECK:
        TRY(each_row(env, before, check_row, &check, err));
        TRY_MEM(after = table_copy(before, arena));
        after->checks[after->check_count++] = step->check;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_DROP_INDEX:
        TRY(drop_index(env, step->index, arena, err));
        break;
    case ALTER_DROP_CHECK:
        TRY_MEM(after = table_copy(before, arena));
        memmove(after->checks + step->position, after->checks + step->position + 1,
                (after->check_count - step->position - 1) * sizeof *after->checks);
        after->check_count--;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_SET_DEFAULT:
        TRY_MEM(after = table_copy(before, arena));
        after->columns[step->position].default_sql =
            step->after->columns[step->position].default_sql;
        TRY(catalog_put_table(env->session, after, err));
        break;
    case ALTER_SET_NOT_NULL:
    case ALTER_DROP_NOT_NULL: {
        bool not_null = step->kind == ALTER_SET_NOT_NULL;
        if (not_null)
            TRY(each_row(env, before, not_null_row, &check, err));
        TRY_MEM(stored = stored_columns(before->store, 0, &count, arena));
        stored[before->columns[step->position].id].not_null = not_null;
        TRY(table_alter(txn, before->store, stored, count, err));
        TRY_MEM(after = table_copy(before, arena));
        after->columns[step->position].not_null = not_null;
        TRY(catalog_put_table(env->session, after, err));
        break;
    }
    }
out:
    arena_deinit(&check.arena);
    return status;
}

/* --------------------------------------------------------------------- all ---- */

static kdk_status drop(const struct ddl_env *env, const struct bound_ddl *ddl,
                       struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < ddl->dropped_index_count; i++)
        TRY(drop_index(env, ddl->dropped_indexes[i], arena, err));
    for (uint32_t i = 0; i < ddl->table_count; i++) {
        const struct ctable *table;
        TRY(current(env, ddl->tables[i]->id, &table, err));
        if (table->kind == COBJ_TABLE)
            TRY(table_drop(env->exec->txn, table->store, err));
        TRY(catalog_drop_table(env->session, table->id, err));
    }
    for (uint32_t i = 0; i < ddl->schema_count; i++)
        TRY(catalog_drop_schema(env->session, ddl->schemas[i], err));
out:
    return status;
}

struct truncating {
    const struct ddl_env *env;
    const struct ctable *table;
};

static kdk_status truncate_row(void *context, rowid id, const struct datum *values,
                               struct err *err)
{
    struct truncating *t = context;
    bool changed;
    (void)values;
    return table_delete(t->env->exec->txn, t->table->store, id, &changed, err);
}

kdk_status ddl_run(const struct ddl_env *env, struct bound_stmt *stmt, uint64_t *affected,
                   struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_ddl *ddl = stmt->ddl;
    struct arena arena;

    *affected = 0;
    arena_init(&arena);
    switch (ddl->kind) {
    case DDL_NOTHING:
    case DDL_REINDEX:
        /* Indexes here never degrade or disagree with the table: there is nothing to
         * rebuild. */
    case DDL_ANALYZE: /* Statistics are kept as rows change. */
        break;
    case DDL_CREATE_SCHEMA:
        TRY(catalog_put_schema(env->session, ddl->schema, err));
        break;
    case DDL_CREATE_TABLE:
        TRY(create_table(env, stmt, ddl, &arena, affected, err));
        break;
    case DDL_CREATE_VIEW:
        TRY(create_view(env, ddl, &arena, err));
        break;
    case DDL_CREATE_INDEX:
        TRY(create_index(env, ddl->index, ddl->index->on, &arena, err));
        break;
    case DDL_DROP:
        TRY(drop(env, ddl, &arena, err));
        break;
    case DDL_TRUNCATE:
        for (uint32_t i = 0; i < ddl->table_count; i++) {
            struct truncating t = {env, NULL};
            TRY(current(env, ddl->tables[i]->id, &t.table, err));
            TRY(each_row(env, t.table, truncate_row, &t, err));
        }
        TRY(table_statement_end(env->exec->txn, err));
        break;
    case DDL_ALTER:
        for (uint32_t i = 0; i < ddl->alter_count; i++) {
            TRY(alter_step(env, &ddl->alters[i], &arena, err));
            TRY(table_statement_end(env->exec->txn, err));
            txn_statement_begin(env->exec->txn); /* The next step sees what this one did. */
        }
        break;
    case DDL_CHECKPOINT:
        TRY_ASSERT(false); /* Done by the caller, outside of a transaction. */
    }
out:
    arena_deinit(&arena);
    return status;
}
