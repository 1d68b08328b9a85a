/* ingest.c - two ways to load many rows: Arrow batches in one call, and COPY from a
 * function that gives text. */
#include <kodiak.h>
#include <stdio.h>
#include <string.h>

#include "arrow_abi.h"

/* ---- A stream of one batch: (id bigint, label text), made of static arrays. ---- */

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    static struct ArrowSchema id, label;
    static struct ArrowSchema *children[] = {&id, &label};
    (void)stream;
    id = (struct ArrowSchema){.format = "l", .name = "id", .release = release_schema};
    label = (struct ArrowSchema){.format = "u",
                                 .name = "label",
                                 .flags = ARROW_FLAG_NULLABLE,
                                 .release = release_schema};
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = 2,
                                .children = children,
                                .release = release_schema};
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    static const int64_t ids[] = {1, 2, 3};
    static const uint8_t valid[] = {0x5}; /* The second label is NULL. */
    static const int32_t offsets[] = {0, 3, 3, 8};
    static const char labels[] = "onethree";
    static const void *id_buffers[] = {NULL, ids},
                      *label_buffers[] = {valid, offsets, labels}, *no_validity[] = {NULL};
    static struct ArrowArray id, label;
    static struct ArrowArray *children[] = {&id, &label};

    *out = (struct ArrowArray){.release = NULL};
    if (stream->private_data)
        return 0; /* The end. */
    stream->private_data = stream;
    id = (struct ArrowArray){
        .length = 3, .n_buffers = 2, .buffers = id_buffers, .release = release_array};
    label = (struct ArrowArray){.length = 3,
                                .null_count = 1,
                                .n_buffers = 3,
                                .buffers = label_buffers,
                                .release = release_array};
    *out = (struct ArrowArray){.length = 3,
                               .n_buffers = 1,
                               .buffers = no_validity,
                               .n_children = 2,
                               .children = children,
                               .release = release_array};
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

/* ---- CSV for COPY, line by line ---- */

struct lines {
    int next, count;
};

static int64_t read_lines(void *context, void *into, size_t bytes)
{
    struct lines *lines = context;
    size_t used = 0;
    while (lines->next < lines->count) {
        char line[64];
        int n = snprintf(line, sizeof line, "%d,\"label, %d\"\n", lines->next + 1000,
                         lines->next);
        if (used + (size_t)n > bytes)
            break;
        memcpy((char *)into + used, line, (size_t)n);
        used += (size_t)n;
        lines->next++;
    }
    return (int64_t)used;
}

int main(void)
{
    kdk_db *db;
    kdk_conn *conn = NULL;
    kdk_stmt *stmt = NULL;
    struct ArrowArrayStream stream = {get_schema, get_next, get_last_error, release_stream,
                                      NULL};
    struct lines lines = {0, 10000};
    uint64_t rows = 0;
    bool row;
    int code = 1;

    if (kdk_open(":memory:", NULL, &db, NULL) != KDK_OK)
        return 1;
    if (kdk_connect(db, &conn) != KDK_OK ||
        kdk_exec(conn, "create table item (id bigint primary key, label text)", -1) !=
            KDK_OK)
        goto out;

    /* All rows or none: each way is one statement. */
    if (kdk_insert_arrow(conn, "item", &stream, &rows) != KDK_OK)
        goto out;
    printf("%llu rows from Arrow\n", (unsigned long long)rows);

    kdk_set_copy_io(conn, &(kdk_copy_io){.read = read_lines, .context = &lines});
    if (kdk_prepare(conn, "copy item from stdin with (format csv)", -1, &stmt, NULL) !=
            KDK_OK ||
        kdk_step(stmt, &row) != KDK_OK)
        goto out;
    printf("%s\n", kdk_command_tag(stmt));
    kdk_stmt_free(stmt);
    stmt = NULL;

    if (kdk_prepare(conn, "select count(*), count(label), max(id) from item", -1, &stmt,
                    NULL) != KDK_OK ||
        kdk_step(stmt, &row) != KDK_OK)
        goto out;
    printf("%lld rows, %lld labels, the last is %lld\n",
           (long long)kdk_column_int64(stmt, 0), (long long)kdk_column_int64(stmt, 1),
           (long long)kdk_column_int64(stmt, 2));
    code = !(kdk_column_int64(stmt, 0) == 10003 && kdk_column_int64(stmt, 1) == 10002 &&
             kdk_column_int64(stmt, 2) == 10999);
out:
    if (code && conn)
        fprintf(stderr, "%s: %s\n", kdk_sqlstate(conn), kdk_errmsg(conn));
    kdk_stmt_free(stmt);
    kdk_disconnect(conn);
    return kdk_close(db) == KDK_OK ? code : 1;
}
