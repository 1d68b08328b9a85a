/* arrow.c - results and input as Arrow C streams. */
#include "api/api_int.h"

#include <errno.h>

#include "arrow/arrow_c.h"

struct result_stream {
    struct kdk_stmt *stmt; /* NULL: it was stepped, reset or freed meanwhile. */
    bool begun;            /* The first step was made. */
    bool row;              /* It gave a row, which is still to be handed out. */
    bool ended;
    kdk_status failed;
};

static int errno_of(kdk_status status)
{
    return status == KDK_NOMEM         ? ENOMEM
           : status == KDK_UNSUPPORTED ? ENOSYS
           : status == KDK_INTERRUPTED ? ECANCELED
                                       : EIO;
}

/* The run begins before its schema is given: by then the statement is bound, and stays so
 * until the run's end. */
static kdk_status begin(struct result_stream *r)
{
    if (!r->begun) {
        r->begun = true;
        r->failed = stmt_step_told(r->stmt, &r->row);
        r->ended = !r->row;
    }
    return r->failed;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct result_stream *r = stream->private_data;
    struct kdk_stmt *stmt = r->stmt;
    if (!stmt)
        return EINVAL;
    kdk_status status = begin(r);
    if (status == KDK_OK)
        status = format_export_schema(stmt->bound->columns, stmt->bound->column_count, out,
                                      &stmt->conn->err);
    return status == KDK_OK ? 0 : errno_of(status);
}

/* A batch is whole or not at all: rows are taken from the executor directly, or collected
 * from a row program. */
static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    kdk_status status = KDK_OK;
    struct result_stream *r = stream->private_data;
    struct kdk_stmt *stmt = r->stmt;
    struct arena arena;
    struct batch one;
    bool row;

    memset(out, 0, sizeof *out);
    if (!stmt)
        return EINVAL;
    struct err *err = &stmt->conn->err;
    arena_init(&arena);
    TRY(begin(r));
    if (r->ended)
        goto out;
    row = r->row;
    r->row = false;
    if (!row)
        TRY(stmt_step_told(stmt, &row));
    if (!row) {
        r->ended = true;
        goto out;
    }
    if (stmt->batch) {
        TRY(format_export_batch(stmt->bound->columns, stmt->bound->column_count,
                                stmt->batch, out, err));
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
    TRY(format_export_batch(stmt->bound->columns, stmt->bound->column_count, &one, out,
                            err));
out:
    arena_deinit(&arena);
    if (status != KDK_OK) {
        r->failed = status;
        r->ended = true;
    }
    return status == KDK_OK ? 0 : errno_of(status);
}

static const char *stream_error(struct ArrowArrayStream *stream)
{
    struct result_stream *r = stream->private_data;
    return r->stmt
               ? r->stmt->conn->err.message
               : "the statement was stepped, reset or freed before its stream was released";
}

static void stream_release(struct ArrowArrayStream *stream)
{
    struct result_stream *r = stream->private_data;
    if (r->stmt) {
        r->stmt->stream = NULL;
        stmt_reset(r->stmt);
    }
    mem_free(r);
    stream->release = NULL;
}

void stream_let_go(struct kdk_stmt *stmt)
{
    if (stmt->stream)
        stmt->stream->stmt = NULL;
    stmt->stream = NULL;
}

KDK_API kdk_status kdk_stmt_arrow(kdk_stmt *stmt, struct ArrowArrayStream *out)
{
    struct result_stream *r;

    if (!stmt)
        return KDK_MISUSE;
    struct kdk_conn *conn = stmt->conn;
    err_clear(&conn->err);
    if (!out)
        return conn_misuse(conn);
    if (stmt->bound
            ? !stmt->bound->root || stmt->bound->ddl || stmt->bound->copy || stmt->inner
            : !stmt_gives_rows(stmt))
        return conn_fail(conn,
                         err_set(&conn->err, KDK_UNSUPPORTED,
                                 "this kind of statement does not give an Arrow stream"),
                         NULL, 0);
    kdk_reset(stmt);
    r = MEM_NEW(struct result_stream);
    if (!r)
        return conn_fail(conn, err_nomem(&conn->err), NULL, 0);
    r->stmt = stmt;
    stmt->stream = r;
    *out = (struct ArrowArrayStream){.get_schema = stream_schema,
                                     .get_next = stream_next,
                                     .get_last_error = stream_error,
                                     .release = stream_release,
                                     .private_data = r};
    return KDK_OK;
}

/* ---------------------------------------------------------------------- input ---- */

static kdk_status add_name(struct buf *sql, const char *name, size_t bytes, struct err *err)
{
    (void)buf_add_str(sql, "\"");
    for (size_t i = 0; i < bytes; i++)
        (void)buf_printf(sql, name[i] == '"' ? "\"\"" : "%c", name[i]);
    (void)buf_add_str(sql, "\"");
    return buf_status(sql, err);
}

/* The statement that it is: COPY's rules for columns, defaults, constraints and conversions
 * are an INSERT's, and its input is batches. */
static kdk_status insert_sql(const char *table, const char *dot,
                             const struct arrow_schema *schema, struct buf *sql,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    buf_clear(sql);
    (void)buf_add_str(sql, "copy ");
    if (dot) {
        TRY(add_name(sql, table, (size_t)(dot - table), err));
        (void)buf_add_str(sql, ".");
        table = dot + 1;
    }
    TRY(add_name(sql, table, strlen(table), err));
    for (size_t i = 0; i < schema->child_count; i++) {
        (void)buf_add_str(sql, i ? ", " : " (");
        TRY(add_name(sql, schema->children[i]->name, strlen(schema->children[i]->name),
                     err));
    }
    (void)buf_add_str(sql, schema->child_count ? ") from stdin with (format arrow)"
                                               : " from stdin with (format arrow)");
    TRY(buf_status(sql, err));
out:
    return status;
}

KDK_API kdk_status kdk_insert_arrow(kdk_conn *conn, const char *table,
                                    struct ArrowArrayStream *in, uint64_t *rows)
{
    kdk_status status = KDK_OK;
    struct buf sql = {0};
    kdk_stmt *stmt = NULL;
    bool row;

    if (rows)
        *rows = 0;
    if (!conn || !table || !in) {
        if (in && in->release)
            in->release(in);
        return conn ? conn_misuse(conn) : KDK_MISUSE;
    }
    struct err *err = &conn->err;
    err_clear(err);
    if (conn->running)
        TRY(err_set(err, KDK_MISUSE,
                    "another statement of this connection is still giving rows"));
    TRY(arrow_import_stream(in, &conn->arrow_in, err));
    TRY(insert_sql(table, NULL, conn->arrow_in->schema, &sql, err));
    status = stmt_new(conn, sql.data, sql.len, NULL, 0, &stmt, err);
    if (status == KDK_UNDEFINED_TABLE && strchr(table, '.')) {
        err_clear(err);
        TRY(insert_sql(table, strchr(table, '.'), conn->arrow_in->schema, &sql, err));
        status = stmt_new(conn, sql.data, sql.len, NULL, 0, &stmt, err);
    }
    if (status != KDK_OK)
        conn_block_failed(conn);
    else
        status = stmt_step(stmt, &row, err);
    if (status == KDK_OK && rows)
        *rows = kdk_affected(stmt);
out:
    if (in->release)
        in->release(in);
    arrow_stream_close(conn->arrow_in);
    conn->arrow_in = NULL;
    err->position = 0; /* It would count in a text that nobody has written. */
    kdk_stmt_free(stmt);
    buf_deinit(&sql);
    return status == KDK_OK ? KDK_OK : conn_fail(conn, status, NULL, 0);
}
