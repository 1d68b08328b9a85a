/* arrow_out.c - a result as a stream of Arrow batches: columns of plain values, nothing
 * copied row by row. */
#include <kodiak.h>
#include <stdio.h>

#include "arrow_abi.h"

static int print_schema(struct ArrowArrayStream *stream)
{
    struct ArrowSchema schema;
    if (stream->get_schema(stream, &schema) != 0)
        return 1;
    for (int64_t c = 0; c < schema.n_children; c++)
        printf("%s: format %s\n", schema.children[c]->name, schema.children[c]->format);
    schema.release(&schema);
    return 0;
}

int main(void)
{
    kdk_db *db;
    kdk_conn *conn = NULL;
    kdk_stmt *stmt = NULL;
    struct ArrowArrayStream stream = {.release = NULL};
    struct ArrowArray batch;
    int64_t rows = 0, sum = 0;
    int code = 1;

    if (kdk_open(":memory:", NULL, &db, NULL) != KDK_OK)
        return 1;
    if (kdk_connect(db, &conn) != KDK_OK ||
        kdk_exec(conn, "create table t (a bigint not null)", -1) != KDK_OK ||
        kdk_exec(conn,
                 "insert into t values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)",
                 -1) != KDK_OK ||
        kdk_exec(conn, "insert into t select x.a * 10 + y.a from t x, t y", -1) != KDK_OK ||
        kdk_prepare(conn, "select a from t", -1, &stmt, NULL) != KDK_OK ||
        kdk_stmt_arrow(stmt, &stream) != KDK_OK) {
        fprintf(stderr, "%s: %s\n", conn ? kdk_sqlstate(conn) : "",
                conn ? kdk_errmsg(conn) : "");
        goto out;
    }
    if (print_schema(&stream) != 0)
        goto out;
    for (;;) {
        if (stream.get_next(&stream, &batch) != 0) {
            fprintf(stderr, "%s\n", stream.get_last_error(&stream));
            goto out;
        }
        if (!batch.release)
            break; /* The end. */
        const struct ArrowArray *column = batch.children[0];
        const int64_t *values = (const int64_t *)column->buffers[1] + column->offset;
        for (int64_t i = 0; i < column->length; i++)
            sum += values[i];
        rows += batch.length;
        batch.release(&batch);
    }
    printf("%lld rows, sum %lld\n", (long long)rows, (long long)sum);
    code = !(rows == 110 && sum == 55 + 100 * 55 + 10 * 55);
out:
    if (stream.release)
        stream.release(&stream); /* Before its statement. */
    kdk_stmt_free(stmt);
    kdk_disconnect(conn);
    return kdk_close(db) == KDK_OK ? code : 1;
}
