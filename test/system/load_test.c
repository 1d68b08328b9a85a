/* Loads beside everything else, on real threads: writers of single rows, readers,
 * checkpoints and freezes. Each load is seen whole or not at all. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "check.h"
#include "kodiak.h"
#include "os/os.h"

enum { LOADERS = 2, LOADS = 6, ROWS = BATCH_ROWS + 100, READERS = 2 };

static struct {
    kdk_db *db;
    _Atomic uint32_t busy; /* Threads that write. */
    _Atomic uint32_t failed;
} shared;

static void complain(kdk_conn *conn, const char *what)
{
    atomic_fetch_add(&shared.failed, 1);
    fprintf(stderr, "%s: %s: %s\n", what, kdk_sqlstate(conn), kdk_errmsg(conn));
}

static void exec_or_complain(kdk_conn *conn, const char *sql)
{
    for (uint32_t tries = 0;; tries++) {
        const kdk_status status = kdk_exec(conn, sql, -1);
        if (status == KDK_OK)
            return;
        if (status != KDK_SERIALIZATION || tries == 100) {
            complain(conn, sql);
            return;
        }
    }
}

static void loader(void *context)
{
    const uint32_t me = (uint32_t)(uintptr_t)context;
    kdk_conn *conn;
    char sql[300];
    if (kdk_connect(shared.db, &conn) == KDK_OK) {
        for (uint32_t i = 0; i < LOADS; i++) {
            const uint32_t load = me * LOADS + i;
            snprintf(sql, sizeof sql,
                     "insert into t select %u + g, %u, 'text ' || g %% 13, 0 from "
                     "generate_series(1, %u) as s (g)",
                     load * ROWS, load, ROWS);
            exec_or_complain(conn, sql);
            /* Rows of the load change at once, wherever they are. */
            snprintf(sql, sizeof sql, "update t set n = n + 1 where id = %u",
                     load * ROWS + 1 + i);
            exec_or_complain(conn, sql);
            snprintf(sql, sizeof sql, "insert into t values (%u, 0, 'again', 0)",
                     load * ROWS + ROWS);
            if (kdk_exec(conn, sql, -1) != KDK_UNIQUE)
                complain(conn, "a key that was loaded");
        }
        kdk_disconnect(conn);
    }
    atomic_fetch_sub(&shared.busy, 1);
}

static void reader(void *context)
{
    kdk_conn *conn;
    (void)context;
    if (kdk_connect(shared.db, &conn) != KDK_OK)
        return;
    while (atomic_load(&shared.busy)) {
        kdk_stmt *stmt = NULL;
        bool row;
        if (kdk_prepare(conn,
                        "select load, count(*), sum(id - load * $1) from t group by load",
                        -1, &stmt, NULL) != KDK_OK ||
            kdk_bind_int64(stmt, 1, ROWS) != KDK_OK) {
            complain(conn, "prepare");
            break;
        }
        while (kdk_step(stmt, &row) == KDK_OK && row)
            if (kdk_column_int64(stmt, 1) != ROWS ||
                kdk_column_int64(stmt, 2) != (int64_t)ROWS * (ROWS + 1) / 2)
                complain(conn, "part of a load");
        kdk_stmt_free(stmt);
    }
    kdk_disconnect(conn);
}

static void keeper(void *context)
{
    kdk_conn *conn;
    (void)context;
    if (kdk_connect(shared.db, &conn) != KDK_OK)
        return;
    for (uint32_t i = 0; atomic_load(&shared.busy); i++)
        exec_or_complain(conn, i % 3 ? "checkpoint" : "checkpoint freeze t");
    kdk_disconnect(conn);
}

TEST(load, concurrent_with_all_else)
{
    static const char *const settings[] = {"bulk_load_rows=8", NULL};
    const kdk_options options = {
        .size = sizeof options, .threads = 2, .settings = settings};
    struct os_thread *threads[LOADERS + READERS + 1];
    struct err err = {0};
    char path[] = "/tmp/kodiak-load-XXXXXX", command[64];
    kdk_conn *conn = NULL;
    kdk_stmt *stmt = NULL;
    int64_t problems = 0;
    bool row = false;
    if (!CHECK(mkdtemp(path) != NULL))
        return;
    memset(&shared, 0, sizeof shared);
    if (CHECK_EQ(kdk_open(path, &options, &shared.db, NULL), KDK_OK) &&
        CHECK_EQ(kdk_connect(shared.db, &conn), KDK_OK)) {
        CHECK_EQ(kdk_exec(conn,
                          "create table t (id integer primary key, load integer, v text, n "
                          "integer); create index t_v on t (v)",
                          -1),
                 KDK_OK);
        atomic_store(&shared.busy, LOADERS);
        uint32_t count = 0;
        for (uint32_t i = 0; i < LOADERS; i++)
            CHECK_EQ(os_thread_new(os_here(), "loader", loader, (void *)(uintptr_t)i,
                                   &threads[count++], &err),
                     KDK_OK);
        for (uint32_t i = 0; i < READERS; i++)
            CHECK_EQ(
                os_thread_new(os_here(), "reader", reader, NULL, &threads[count++], &err),
                KDK_OK);
        CHECK_EQ(os_thread_new(os_here(), "keeper", keeper, NULL, &threads[count++], &err),
                 KDK_OK);
        while (count)
            os_thread_join(threads[--count]);
        CHECK_EQ(atomic_load(&shared.failed), 0);
        CHECK_EQ(kdk_check(shared.db, &problems, NULL, NULL), KDK_OK);
        CHECK_EQ(problems, 0);
        CHECK_EQ(kdk_prepare(
                     conn,
                     "select count(*), sum(n), count(*) filter (where v = 'text 5') from t",
                     -1, &stmt, NULL),
                 KDK_OK);
        CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
        CHECK_EQ(kdk_column_int64(stmt, 0), LOADERS * LOADS * ROWS);
        CHECK_EQ(kdk_column_int64(stmt, 1), LOADERS * LOADS);
        kdk_stmt_free(stmt);
        kdk_disconnect(conn);
        CHECK_EQ(kdk_close(shared.db), KDK_OK);
    }
    snprintf(command, sizeof command, "rm -rf %s", path);
    CHECK_EQ(system(command), 0);
}
