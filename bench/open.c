/* open - databases of 100 thousand and of 10 million rows with a primary key: how long it
 * takes to open one and to answer the first point query, and what is read for that.
 *
 *     open [ROWS...]
 *
 * Each is filled, checkpointed and closed, and then opened several times; the files are in
 * the system's cache. At most 50 ms and 1 MB are wanted, whatever the size. Exit code 1
 * when more is read. */
#include "bench.h"

#define CHUNK 100000ull
#define TIMES 5

static kdk_conn *connect_to(kdk_db *db)
{
    kdk_conn *conn;
    if (kdk_connect(db, &conn) != KDK_OK)
        die("kodiak", "no connection");
    return conn;
}

static bool fill(const char *path, uint64_t rows)
{
    kdk_db *db = open_kodiak(path);
    double start = seconds();
    char sql[300];
    if (!db)
        return false;
    kdk_conn *conn = connect_to(db);
    run(conn, "create table t (id bigint primary key, code integer, name text, amount "
              "numeric(12,2))");
    for (uint64_t from = 1; from <= rows; from += CHUNK) {
        snprintf(sql, sizeof sql,
                 "insert into t select g, g %% 1000, 'name of ' || g, g * 0.25 from "
                 "generate_series(%llu, %llu) as s (g)",
                 (unsigned long long)from,
                 (unsigned long long)(from + CHUNK - 1 < rows ? from + CHUNK - 1 : rows));
        run(conn, sql);
        if (from / CHUNK % 10 == 9)
            run(conn, "checkpoint freeze t");
    }
    run(conn, "checkpoint freeze t");
    kdk_disconnect(conn);
    if (kdk_close(db) != KDK_OK)
        die("kodiak", "could not close");
    printf("%llu rows, filled in %.1f s\n", (unsigned long long)rows, seconds() - start);
    return true;
}

/* Milliseconds of the best of some openings; bytes read in one. */
static uint64_t measure(const char *path, uint64_t rows)
{
    double open_best = 1e9, query_best = 1e9;
    uint64_t open_bytes = 0, query_bytes = 0;
    for (int k = 0; k < TIMES; k++) {
        uint64_t read_before = bytes_read();
        double start = seconds(), opened, answered;
        kdk_db *db = open_kodiak(path);
        opened = seconds();
        uint64_t read_open = bytes_read();
        kdk_conn *conn = connect_to(db);
        kdk_stmt *stmt = prepare(conn, "select name from t where id = $1");
        bool row;
        if (kdk_bind_int64(stmt, 1, (int64_t)(rows / 2 + 1)) != KDK_OK ||
            kdk_step(stmt, &row) != KDK_OK || !row ||
            kdk_column_text(stmt, 0, NULL) == NULL)
            die("kodiak", kdk_errmsg(conn));
        answered = seconds();
        open_bytes = read_open - read_before;
        query_bytes = bytes_read() - read_open;
        kdk_disconnect(conn);
        if (kdk_close(db) != KDK_OK)
            die("kodiak", "could not close");
        if (opened - start < open_best)
            open_best = opened - start;
        if (answered - opened < query_best)
            query_best = answered - opened;
    }
    printf("    open %.2f ms, %.0f KB read; first point query %.2f ms, %.0f KB read\n",
           open_best * 1e3, (double)open_bytes / 1e3, query_best * 1e3,
           (double)query_bytes / 1e3);
    return open_bytes + query_bytes;
}

int main(int argc, char **argv)
{
    static const uint64_t usual[] = {100000, 10000000};
    char path[4200];
    const char *folder = scratch();
    int sizes = argc > 1 ? argc - 1 : 2, code = 0;
    for (int i = 0; i < sizes; i++) {
        uint64_t rows = argument(argc, argv, i + 1, usual[i % 2]);
        snprintf(path, sizeof path, "%s/%d.kdk", folder, i);
        if (fill(path, rows) && measure(path, rows) >= 1000000)
            code = 1;
        remove_all(path);
    }
    remove_all(folder);
    return code;
}
