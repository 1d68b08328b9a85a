/* replay - how long opening takes for each 100 MB of log, after a process that ended
 * without closing.
 *
 *     replay [ROWS [CHANGES]]
 *
 * A child inserts ROWS rows in transactions of a thousand, changes a part of them one by
 * one without waiting for anything but the log, and stops dead. Opening then reads the log
 * and does it all again. */
#include <sys/wait.h>

#include "api/api_int.h"
#include "bench.h"
#include "table/table_int.h"
#include "wal/wal.h"

/* Tells the size of the log through `to`. */
static void child(const char *path, uint64_t rows, uint64_t changes, int to)
{
    kdk_db *db = open_kodiak(path);
    kdk_conn *conn;
    bool row;
    if (!db || kdk_connect(db, &conn) != KDK_OK)
        _exit(2);
    run(conn, "create table t (id bigint primary key, n bigint, name text, note text)");
    kdk_stmt *insert = prepare(conn, "insert into t values ($1, $2, $3, 'a note that is "
                                     "the same for every one of these rows')");
    kdk_stmt *update = prepare(conn, "update t set n = $2 where id = $1");
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 1; i <= rows + changes; i++) {
        kdk_stmt *stmt = i <= rows ? insert : update;
        char name[64];
        if (i % 1000 == 1)
            run(conn, "begin");
        snprintf(name, sizeof name, "the name of row %llu", (unsigned long long)i);
        int64_t key = (int64_t)(i <= rows ? i : next_random(&random) % rows + 1);
        if (kdk_bind_int64(stmt, 1, key) || kdk_bind_int64(stmt, 2, (int64_t)i) ||
            (stmt == insert && kdk_bind_text(stmt, 3, name, -1)) ||
            kdk_step(stmt, &row) != KDK_OK)
            die("kodiak", kdk_errmsg(conn));
        if (i % 1000 == 0)
            run(conn, "commit");
    }
    if ((rows + changes) % 1000)
        run(conn, "commit");
    struct wal_stats stats;
    wal_stats(db->store->wal, &stats);
    _exit(write(to, &stats.bytes, sizeof stats.bytes) == sizeof stats.bytes ? 0 : 2);
}

int main(int argc, char **argv)
{
    uint64_t rows = argument(argc, argv, 1, 1000000),
             changes = argument(argc, argv, 2, 500000);
    char path[4200];
    const char *folder = scratch();
    int code = 0, ends[2];
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/t.kdk", folder);
    fflush(stdout);
    if (pipe(ends) != 0)
        die("replay", "no pipe");
    pid_t pid = fork();
    if (pid == 0)
        child(path, rows, changes, ends[1]);
    if (pid < 0 || waitpid(pid, &code, 0) < 0 || code != 0 ||
        read(ends[0], &bytes, sizeof bytes) != sizeof bytes)
        die("replay", "the child failed");
    double start = seconds(), busy = processor_seconds();
    kdk_db *db = open_kodiak(path);
    double time = seconds() - start, work = processor_seconds() - busy,
           megabytes = (double)bytes / 1e6;
    kdk_conn *conn;
    kdk_stmt *stmt;
    bool row;
    if (!db || kdk_connect(db, &conn) != KDK_OK)
        die("kodiak", "no connection");
    stmt = prepare(conn, "select count(*) from t");
    if (kdk_step(stmt, &row) != KDK_OK || !row ||
        (uint64_t)kdk_column_int64(stmt, 0) != rows)
        die("replay", "rows are missing");
    printf("%llu rows, %llu changes, %.1f MB of log, opened in %.2f s: %.2f s per 100 MB "
           "(%.2f s of processor)\n",
           (unsigned long long)rows, (unsigned long long)changes, megabytes, time,
           time / megabytes * 100, work / megabytes * 100);
    kdk_disconnect(conn);
    if (kdk_close(db) != KDK_OK)
        die("kodiak", "could not close");
    remove_all(folder);
    return 0;
}
