/* point - statements on one row by its key, prepared once: reads, inserts, updates,
 * deletes, in memory and on disk, beside SQLite.
 *
 *     point [ROWS [OPERATIONS [KINDS]]]
 *
 * KINDS: the first so many of reads, inserts, updates, deletes. Rows have an integer key,
 * an integer, a double and a text of some 20 characters. Reads take all columns. A ratio
 * above 1 says that kodiak does more a second. Each update changes the row: SQLite writes
 * nothing for one that does not. Allocations are counted through the library's own counter;
 * a point read has none. */
#include "base/mem.h"
#include "bench.h"

#define TABLE                                                                              \
    "create table t (id integer primary key, n bigint, f double precision, s text)"

enum work { READ, INSERT, UPDATE, DELETE, WORKS };
static const char *const name[WORKS] = {"point reads", "inserts", "updates", "deletes"};
static const char *const sql[WORKS] = {
    "select n, f, s from t where id = $1", "insert into t values ($1, $2, $3, $4)",
    "update t set n = $2 where id = $1", "delete from t where id = $1"};
#ifdef BENCH_SQLITE
/* Numbers SQLite's way: it takes $1 for a name, and counts names as they come. */
static const char *const lite_sql[WORKS] = {
    "select n, f, s from t where id = ?1", "insert into t values (?1, ?2, ?3, ?4)",
    "update t set n = ?2 where id = ?1", "delete from t where id = ?1"};
#endif
static uint64_t rows, operations;
static int works;
static double rate[2][WORKS]; /* A second; [0]: kodiak */
static double calls;          /* Allocations of one read. */
static volatile int64_t sink;

/* Inserts and deletes work on keys above those that reads and updates find. */
static int64_t key_of(enum work work, uint64_t i, uint64_t *random)
{
    if (work == INSERT || work == DELETE)
        return (int64_t)(rows + 1 + i);
    return (int64_t)(next_random(random) % rows + 1);
}

static void text_of(char *text, size_t bytes, int64_t key)
{
    snprintf(text, bytes, "the name of row %lld", (long long)key);
}

static void must(kdk_status status, kdk_conn *conn)
{
    if (status != KDK_OK)
        die("kodiak", kdk_errmsg(conn));
}

static void kodiak_one(kdk_conn *conn, kdk_stmt *stmt, enum work work, int64_t key,
                       int64_t n)
{
    char text[64];
    bool row;
    must(kdk_bind_int64(stmt, 1, key), conn);
    if (work == INSERT || work == UPDATE)
        must(kdk_bind_int64(stmt, 2, n), conn);
    if (work == INSERT) {
        text_of(text, sizeof text, key);
        must(kdk_bind_double(stmt, 3, (double)key / 3), conn);
        must(kdk_bind_text(stmt, 4, text, -1), conn);
    }
    must(kdk_step(stmt, &row), conn);
    if (work == READ) {
        if (!row)
            die("kodiak", "a row is missing");
        sink = kdk_column_int64(stmt, 0) + (int64_t)kdk_column_double(stmt, 1) +
               kdk_column_text(stmt, 2, NULL)[0];
        must(kdk_step(stmt, &row), conn);
    }
}

static bool measure_kodiak(const char *path, uint64_t count)
{
    kdk_db *db = open_kodiak(path);
    kdk_conn *conn;
    if (!db)
        return false;
    if (kdk_connect(db, &conn) != KDK_OK)
        die("kodiak", "no connection");
    run(conn, TABLE);
    run(conn, "begin");
    kdk_stmt *fill = prepare(conn, sql[INSERT]);
    for (uint64_t i = 1; i <= rows; i++)
        kodiak_one(conn, fill, INSERT, (int64_t)i, 0);
    kdk_stmt_free(fill);
    run(conn, "commit");
    /* An idle log is vouched for: that allocates. */
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    for (int w = 0; w < works; w++) {
        kdk_stmt *stmt = prepare(conn, sql[w]);
        uint64_t random = 88172645463325252u, n = w == READ ? operations : count;
        struct mem_stats before, after;
        if (w == READ)
            kodiak_one(conn, stmt, READ, 1, 0);
        mem_stats(&before);
        double start = seconds();
        for (uint64_t i = 0; i < n; i++)
            kodiak_one(conn, stmt, (enum work)w, key_of((enum work)w, i, &random),
                       (int64_t)i + 1);
        rate[0][w] = (double)n / (seconds() - start);
        mem_stats(&after);
        if (w == READ)
            calls = (double)(after.calls - before.calls) / (double)n;
        kdk_stmt_free(stmt);
    }
    kdk_disconnect(conn);
    if (kdk_close(db) != KDK_OK)
        die("kodiak", "could not close");
    return true;
}

#ifdef BENCH_SQLITE
static void lite_one(sqlite3 *db, sqlite3_stmt *stmt, enum work work, int64_t key,
                     int64_t n)
{
    char text[64];
    sqlite3_bind_int64(stmt, 1, key);
    if (work == INSERT || work == UPDATE)
        sqlite3_bind_int64(stmt, 2, n);
    if (work == INSERT) {
        text_of(text, sizeof text, key);
        sqlite3_bind_double(stmt, 3, (double)key / 3);
        sqlite3_bind_text(stmt, 4, text, -1, SQLITE_TRANSIENT);
    }
    if (sqlite3_step(stmt) != (work == READ ? SQLITE_ROW : SQLITE_DONE))
        die("sqlite", sqlite3_errmsg(db));
    if (work == READ)
        sink = sqlite3_column_int64(stmt, 0) + (int64_t)sqlite3_column_double(stmt, 1) +
               sqlite3_column_text(stmt, 2)[0];
    sqlite3_reset(stmt);
}

static void measure_sqlite(const char *path, uint64_t count)
{
    sqlite3 *db = lite_open(path);
    lite_run(db, TABLE);
    lite_run(db, "begin");
    sqlite3_stmt *fill = lite_prepare(db, lite_sql[INSERT]);
    for (uint64_t i = 1; i <= rows; i++)
        lite_one(db, fill, INSERT, (int64_t)i, 0);
    sqlite3_finalize(fill);
    lite_run(db, "commit");
    for (int w = 0; w < works; w++) {
        sqlite3_stmt *stmt = lite_prepare(db, lite_sql[w]);
        uint64_t random = 88172645463325252u, n = w == READ ? operations : count;
        double start = seconds();
        for (uint64_t i = 0; i < n; i++)
            lite_one(db, stmt, (enum work)w, key_of((enum work)w, i, &random),
                     (int64_t)i + 1);
        rate[1][w] = (double)n / (seconds() - start);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
}
#endif

static void report(const char *where)
{
    printf("%-12s%16s%16s%8s\n", where, "kodiak /s", "sqlite /s", "ratio");
    for (int w = 0; w < works; w++)
        printf("%-12s%16.0f%16.0f%8.2f\n", name[w], rate[0][w], rate[1][w],
               rate[1][w] > 0 ? rate[0][w] / rate[1][w] : 0);
    printf("allocations per point read: %.3f\n", calls);
}

int main(int argc, char **argv)
{
    rows = argument(argc, argv, 1, 1000000);
    operations = argument(argc, argv, 2, 1000000);
    works = (int)argument(argc, argv, 3, WORKS);
    uint64_t durable = operations < 4000 ? operations : 4000; /* Each waits for the disk. */
#ifdef BENCH_SQLITE
    measure_sqlite(":memory:", operations);
#endif
    if (measure_kodiak(":memory:", operations))
        report("in memory");
    bool clean = calls == 0;

    char path[4200];
    const char *folder = scratch();
    snprintf(path, sizeof path, "%s/t.kdk", folder);
    if (measure_kodiak(path, durable)) {
#ifdef BENCH_SQLITE
        snprintf(path, sizeof path, "%s/t.sqlite", folder);
        measure_sqlite(path, durable);
#endif
        report("on disk");
        clean &= calls == 0;
    }
    remove_all(folder);
    return clean ? 0 : 1;
}
