/* arrow.c - results and input as Arrow C streams. */
#include "api/api_int.h"

#include <errno.h>

#include "arrow/arrow_c.h"

struct result_stream {
    struct kdk_stmt *stmt;
    bool ended;
};

static int errno_of(kdk_status status)
{
    return status == KDK_NOMEM ? ENOMEM : status == KDK_UNSUPPORTED ? ENOSYS : status == KDK_INTERRUPTED ? ECANCELED : EIO;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct result_stream *r = stream->private_data;
    struct kdk_stmt *stmt = r->stmt;
    kdk_status status = format_export_schema(stmt->bound->columns, stmt->bound->column_count, out, &stmt->conn->err);
    return status == KDK_OK ? 0 : errno_of(status);
}

/* A batch is whole or not at all: rows are taken from the executor directly, or collected from a row program. */
static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    kdk_status status = KDK_OK;
    struct result_stream *r = stream->private_data;
    struct kdk_stmt *stmt = r->stmt;
    struct kdk_conn *conn = stmt->conn;
    struct err *err = &conn->err;
    struct arena arena;
    struct batch one;
    bool row;

    arena_init(&arena);
    memset(out, 0, sizeof *out);
    if (r->ended)
        goto out;
    TRY(kdk_step(stmt, &row));
    if (!row) {
        r->ended = true;
        goto out;
    }
    if (stmt->batch) {
        TRY(format_export_batch(stmt->bound->columns, stmt->bound->column_count, stmt->batch, out, err));
        stmt->returned += stmt->batch->sel.count - 1;
        stmt->batch_row = stmt->batch->sel.count - 1;
        goto out;
    }
    struct ltype *types;
    TRY_MEM(types = ARENA_ARRAY(&arena, struct ltype, stmt->bound->column_count + 1));
    for (uint32_t c = 0; c < stmt->bound->column_count; c++)
        types[c] = stmt->bound->columns[c].type;
    TRY(batch_init(&one, types, stmt->bound->column_count, &arena, err));
    for (uint32_t c = 0; c < stmt->bound->column_count; c++) {
        if (stmt->row[c].null)
            vec_set_null(&one.columns[c], 0, 1);
        else
            vec_put(&one.columns[c], 0, &stmt->row[c], 1);
    }
    batch_all(&one, 1);
    TRY(format_export_batch(stmt->bound->columns, stmt->bound->column_count, &one, out, err));
out:
    arena_deinit(&arena);
    if (status != KDK_OK)
        r->ended = true;
    return status == KDK_OK ? 0 : errno_of(status);
}

static const char *stream_error(struct ArrowArrayStream *stream)
{
    struct result_stream *r = stream->private_data;
    return r->stmt->conn->err.message;
}

static void stream_release(struct ArrowArrayStream *stream)
{
    struct result_stream *r = stream->private_data;
    kdk_reset(r->stmt);
    mem_free(r);
    stream->release = NULL;
}

KDK_API kdk_status kdk_stmt_arrow(kdk_stmt *stmt, struct ArrowArrayStream *out)
{
    struct kdk_conn *conn = stmt->conn;
    struct result_stream *r;

    err_clear(&conn->err);
    if (!stmt->bound || !stmt->bound->root || stmt->bound->ddl || stmt->bound->copy || stmt->inner)
        return conn_fail(conn, err_set(&conn->err, KDK_UNSUPPORTED, "this kind of statement does not give an Arrow stream"),
                         NULL, 0);
    kdk_reset(stmt);
    r = MEM_NEW(struct result_stream);
    if (!r)
        return conn_fail(conn, err_nomem(&conn->err), NULL, 0);
    r->stmt = stmt;
    *out = (struct ArrowArrayStream){.get_schema = stream_schema, .get_next = stream_next, .get_last_error = stream_error,
                                     .release = stream_release, .private_data = r};
    return KDK_OK;
}

/* ---------------------------------------------------------------------- input ---- */

static kdk_status stream_failed(struct ArrowArrayStream *in, int code, struct err *err)
{
    const char *text = in->get_last_error ? in->get_last_error(in) : NULL;
    return err_set(err, code == ENOMEM ? KDK_NOMEM : KDK_IO, "the Arrow stream failed: %s", text ? text : "no reason given");
}

static kdk_status insert_stream(struct kdk_conn *conn, const char *name, struct ArrowArrayStream *in, uint64_t *rows,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    struct arena arena;
    struct relcol *columns;
    struct ltype *types;
    struct batch batch = {0}, stored = {0};
    struct vec *converted;
    uint32_t count, *target;
    const struct ctable *table;
    int code;

    arena_init(&arena);
    *rows = 0;
    table = catver_table(conn->session.version, NULL, name);
    if (!table)
        TRY(err_set(err, KDK_UNDEFINED_TABLE, "relation \"%s\" does not exist", name));
    if (table->kind != COBJ_TABLE || table->system)
        TRY(err_set(err, KDK_WRONG_OBJECT_TYPE, "cannot insert into \"%s\"", name));
    for (uint32_t c = 0; c < table->check_count; c++)
        TRY(err_set(err, KDK_UNSUPPORTED, "inserting a stream into a table with CHECK constraints is not supported yet"));
    if ((code = in->get_schema(in, &schema)))
        TRY(stream_failed(in, code, err));
    TRY(format_import_schema(&schema, &arena, &columns, &count, err));
    TRY_MEM(types = ARENA_ARRAY(&arena, struct ltype, count + 1));
    TRY_MEM(target = ARENA_ARRAY(&arena, uint32_t, count + 1));
    TRY_MEM(converted = ARENA_ARRAY(&arena, struct vec, count + 1));
    for (uint32_t i = 0; i < count; i++) {
        types[i] = columns[i].type;
        target[i] = UINT32_MAX;
        for (uint32_t c = 0; c < table->column_count; c++)
            if (strcmp(table->columns[c].name, columns[i].name) == 0)
                target[i] = c;
        if (target[i] == UINT32_MAX)
            TRY(err_set(err, KDK_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", columns[i].name, name));
        if (!cast_allowed(types[i], table->columns[target[i]].type, CAST_ASSIGNMENT))
            TRY(err_set(err, KDK_TYPE_MISMATCH, "column \"%s\" is of type %s but the stream has %s", columns[i].name,
                        ltype_id_name(table->columns[target[i]].type.id), ltype_id_name(types[i].id)));
        TRY(vec_init(&converted[i], table->columns[target[i]].type, &arena, err));
    }
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c].default_sql) {
            bool given = false;
            for (uint32_t i = 0; i < count; i++)
                given |= target[i] == c;
            if (!given)
                TRY(err_set(err, KDK_UNSUPPORTED, "the stream must give column \"%s\", which has a default",
                            table->columns[c].name));
        }
    TRY(batch_init(&batch, types, count, &arena, err));
    stored.column_count = table_column_count(table->store);
    TRY_MEM(stored.columns = ARENA_ARRAY(&arena, struct vec, stored.column_count + 1));
    for (uint32_t c = 0; c < stored.column_count; c++) {
        struct datum null = DATUM_NULL;
        TRY(vec_constant(&stored.columns[c], table_column_type(table->store, c), &null, &arena, err));
    }
    for (;;) {
        if ((code = in->get_next(in, &array)))
            TRY(stream_failed(in, code, err));
        if (!array.release)
            break;
        for (uint64_t from = 0; from < (uint64_t)array.length; from += BATCH_ROWS) {
            uint32_t n = (uint32_t)MIN((uint64_t)array.length - from, (uint64_t)BATCH_ROWS);
            struct arena texts;
            TRY(format_import_batch(&schema, &array, from, n, &batch, err));
            arena_init(&texts);
            for (uint32_t i = 0; i < count && status == KDK_OK; i++) {
                const struct ccolumn *column = &table->columns[target[i]];
                if (ltype_equal(types[i], column->type)) {
                    stored.columns[column->id] = batch.columns[i];
                    continue;
                }
                vec_reset(&converted[i], ltype_width(column->type));
                for (uint32_t r = 0; r < n && status == KDK_OK; r++) {
                    struct datum d = vec_get(&batch.columns[i], r), to = DATUM_NULL;
                    if (!d.null)
                        status = eval_cast(types[i], column->type, CAST_ASSIGNMENT, &d, &texts, &to, err);
                    if (to.null)
                        vec_set_null(&converted[i], r, n);
                    else
                        vec_put(&converted[i], r, &to, n);
                }
                stored.columns[column->id] = converted[i];
            }
            stored.count = n;
            stored.sel = (struct sel){NULL, n};
            if (status == KDK_OK)
                status = table_insert_batch(conn->txn, table->store, &stored, NULL, err);
            arena_deinit(&texts);
            TRY(status);
            *rows += n;
        }
        array.release(&array);
        array.release = NULL;
    }
    TRY(table_statement_end(conn->txn, err));
out:
    if (array.release)
        array.release(&array);
    if (schema.release)
        schema.release(&schema);
    arena_deinit(&arena);
    return status;
}

KDK_API kdk_status kdk_insert_arrow(kdk_conn *conn, const char *table, struct ArrowArrayStream *in, uint64_t *rows)
{
    kdk_status status = KDK_OK;
    struct err *err = &conn->err;
    bool implicit = false;
    uint64_t inserted = 0;

    err_clear(err);
    if (conn->failed)
        TRY(err_set(err, KDK_IN_FAILED_TXN,
                    "current transaction is aborted, commands ignored until end of transaction block"));
    if (conn->running)
        TRY(err_set(err, KDK_MISUSE, "another statement of this connection is still giving rows"));
    if (!conn->txn) {
        TRY(conn_begin(conn, false, err));
        implicit = true;
    }
    txn_statement_begin(conn->txn);
    catalog_begin(conn->db->catalog, &conn->session, conn->txn);
    status = insert_stream(conn, table, in, &inserted, err);
    if (implicit && status == KDK_OK)
        status = conn_commit(conn, err);
    else if (implicit)
        conn_rollback(conn);
    else if (status != KDK_OK)
        conn_block_failed(conn);
    if (rows)
        *rows = inserted;
out:
    if (in->release)
        in->release(in);
    return status == KDK_OK ? KDK_OK : conn_fail(conn, status, NULL, 0);
}
