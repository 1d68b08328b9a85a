/* commit - writers that each commit single rows, beside SQLite: commits a second, and syncs
 * for each commit.
 *
 *     commit [WRITERS [SECONDS]]
 *
 * Each writer is a thread with a connection of its own and, in turn, inserts a row and
 * updates the one before. All rows are in one table. Every commit is durable when it
 * returns: kodiak's log, SQLite's write-ahead log with synchronous = full. With 16 writers
 * and more, kodiak shares a sync among at least four commits; exit code 1 when it does
 * not. */
#include <pthread.h>

#include "bench.h"
#include "syncs.h"

#define WRITERS_MAX 256

static kdk_db *db;
static char path[4200];
static double until;
static uint64_t counts[WRITERS_MAX];

static void step(kdk_conn *conn, kdk_stmt *stmt)
{
    bool row;
    if (kdk_step(stmt, &row) != KDK_OK)
        die("kodiak", kdk_errmsg(conn));
}

static void *kodiak_writer(void *context)
{
    uint64_t *count = context;
    int64_t base = (count - counts) * 10000000;
    kdk_conn *conn;
    if (kdk_connect(db, &conn) != KDK_OK)
        die("kodiak", "no connection");
    kdk_stmt *insert =
        prepare(conn, "insert into t values ($1, $2, 'a row of this writer')");
    kdk_stmt *update = prepare(conn, "update t set n = $2 where id = $1");
    for (int64_t i = 0; seconds() < until; i++, *count += 2) {
        if (kdk_bind_int64(insert, 1, base + i) || kdk_bind_int64(insert, 2, i) ||
            kdk_bind_int64(update, 1, base + i) || kdk_bind_int64(update, 2, -i))
            die("kodiak", kdk_errmsg(conn));
        step(conn, insert);
        step(conn, update);
    }
    kdk_disconnect(conn);
    return NULL;
}

#ifdef BENCH_SQLITE
static void *lite_writer(void *context)
{
    uint64_t *count = context;
    int64_t base = (count - counts) * 10000000;
    sqlite3 *lite = lite_open(path);
    sqlite3_stmt *both[2] = {
        lite_prepare(lite, "insert into t values (?1, ?2, 'a row of this writer')"),
        lite_prepare(lite, "update t set n = ?2 where id = ?1")};
    for (int64_t i = 0; seconds() < until; i++, *count += 2)
        for (int k = 0; k < 2; k++) {
            sqlite3_bind_int64(both[k], 1, base + i);
            sqlite3_bind_int64(both[k], 2, k ? -i : i);
            if (sqlite3_step(both[k]) != SQLITE_DONE)
                die("sqlite", sqlite3_errmsg(lite));
            sqlite3_reset(both[k]);
        }
    sqlite3_finalize(both[0]);
    sqlite3_finalize(both[1]);
    sqlite3_close(lite);
    return NULL;
}
#endif

/* Commits a second. */
static double race(const char *name, uint64_t writers, double time, void *(*writer)(void *),
                   double *per_commit)
{
    pthread_t threads[WRITERS_MAX];
    uint64_t commits = 0, before = syncs;
    double start = seconds();
    until = start + time;
    memset(counts, 0, sizeof counts);
    for (uint64_t i = 0; i < writers; i++)
        if (pthread_create(&threads[i], NULL, writer, &counts[i]) != 0)
            die("commit", "no thread");
    for (uint64_t i = 0; i < writers; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t i = 0; i < writers; i++)
        commits += counts[i];
    double rate = (double)commits / (seconds() - start);
    *per_commit = (double)(syncs - before) / (double)(commits ? commits : 1);
    printf("%-8s%10.0f commits/s%10.3f syncs per commit\n", name, rate, *per_commit);
    return rate;
}

int main(int argc, char **argv)
{
    uint64_t writers = argument(argc, argv, 1, 16);
    double time = (double)argument(argc, argv, 2, 5), ours, theirs = 0, shared = 0;
    const char *folder = scratch();
    if (writers > WRITERS_MAX)
        die("commit", "at most 256 writers");
    printf("%llu writers, %.0f s\n", (unsigned long long)writers, time);
    snprintf(path, sizeof path, "%s/t.kdk", folder);
    db = open_kodiak(path);
    if (!db) {
        remove_all(folder);
        return 0;
    }
    kdk_conn *conn;
    if (kdk_connect(db, &conn) != KDK_OK)
        die("kodiak", "no connection");
    run(conn, "create table t (id bigint primary key, n bigint, s text)");
    ours = race("kodiak", writers, time, kodiak_writer, &shared);
    kdk_disconnect(conn);
    if (kdk_close(db) != KDK_OK)
        die("kodiak", "could not close");
#ifdef BENCH_SQLITE
    double unused;
    snprintf(path, sizeof path, "%s/t.sqlite", folder);
    sqlite3 *lite = lite_open(path);
    lite_run(lite, "create table t (id integer primary key, n bigint, s text)");
    theirs = race("sqlite", writers, time, lite_writer, &unused);
    sqlite3_close(lite);
#endif
    if (theirs > 0)
        printf("ratio%13.2f\n", ours / theirs);
    remove_all(folder);
    return writers >= 16 && shared > 0.25;
}
