/* Queries on several threads: what all workers build, filter, group and merge at once is
 * what one thread finds as the query is written.
 *
 * Under the thread sanitizer this is where the pipelines of a statement meet.
 */
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "check.h"
#include "kodiak.h"

/* Groups and built rows beyond what is worth several tasks (exec_int.h), and several
 * batches for each worker. */
#define ROWS KDK_PICK(60000, 4000)

static const char *const queries[] = {
    /* More groups than a worker sees alone, in order and not; merged by all. */
    "select count(*), sum(n), sum(s), max(m) from (select k, count(*) as n, sum(v) as s, "
    "max(t) as m from big group by k) x",
    "select count(*), sum(n), sum(s) from (select v, count(*) as n, sum(k) as s from big "
    "group by v) x",
    "select count(*), sum(n) from (select t, k % 3 as r, count(*) as n from big group by "
    "t, k % 3) x",
    "select count(*) from (select distinct k, t from big) x",
    /* By codes and bytes, NULL among them. */
    "select b, count(*), sum(v) from big group by b order by b",
    "select t, b, count(*), avg(v) from big group by t, b order by t, b limit 40",
    /* Built by all, filters passed down. */
    "select count(*), sum(x.v), sum(y.v) from big x join big y on x.v = y.v",
    "select count(*), sum(x.v), sum(s.w) from big x join small s on x.k = s.k",
    "select count(*), sum(x.v), sum(s.w) from big x join small s on x.t = s.t and x.k = "
    "s.k",
    "select count(*), sum(n), sum(w) from small s join (select k, count(*) as n from big "
    "group by k) x on x.k = s.k",
    "select count(*), sum(n), sum(w) from small s left join (select k, count(*) as n from "
    "big group by k) x on x.k = s.k",
    /* Flagged by all. */
    "select count(*), sum(w) from small s where exists (select 1 from big x where x.k = "
    "s.k)",
    "select count(*), sum(w) from small s where not exists (select 1 from big x where x.k "
    "= s.k)",
    "select count(*), sum(w) from small s where exists (select 1 from big x where x.k = "
    "s.k and x.v > s.w * 40)",
    "select count(*), sum(w) from small s where not exists (select 1 from big x where x.k "
    "= s.k and x.v <> s.w)",
    "with c as (select k, v, t from big where v % 2 = 0) select count(*), sum(x.v) from c "
    "x join c y on x.v = y.v where y.k < 100",
};

static bool answer(kdk_conn *conn, const char *sql, char *out, size_t bytes)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    kdk_status status;
    out[0] = '\0';
    if (!CHECK_EQ(kdk_prepare(conn, sql, -1, &stmt, NULL), KDK_OK))
        return false;
    while ((status = kdk_step(stmt, &row)) == KDK_OK && row)
        for (uint32_t c = 0; c < kdk_column_count(stmt) && strlen(out) + 80 < bytes; c++) {
            const char *text = kdk_column_text(stmt, c, NULL);
            snprintf(out + strlen(out), 70, "%s,", text ? text : "-");
        }
    kdk_stmt_free(stmt);
    return CHECK_EQ(status, KDK_OK);
}

TEST(parallel, four_threads_find_what_one_does)
{
    kdk_options options = {.size = sizeof options, .threads = 4};
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    static char sql[600], one[8000], four[8000];

    CHECK_EQ(kdk_open(":memory:", &options, &db, NULL), KDK_OK);
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    snprintf(sql, sizeof sql,
             "create table big (k int, v int, t text, b smallint);"
             "insert into big select case when i %% 11 = 0 then null else i / 3 end, (i * "
             "7919) %% %d, 'text ' || i %% 300,"
             " case when i %% 5 = 0 then null else i %% 100 - 50 end from "
             "generate_series(1, %d) s(i);"
             "create table small (k int, t text, w int);"
             "insert into small select case when i %% 9 = 0 then null else i * 17 end, "
             "'text ' || i, i from generate_series(1, 500) s(i)",
             ROWS, ROWS);
    CHECK_EQ(kdk_exec(conn, sql, -1), KDK_OK);
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        CHECK_EQ(kdk_exec(conn, "set optimizer = off; set threads = 1", -1), KDK_OK);
        if (!answer(conn, queries[q], one, sizeof one))
            break;
        CHECK_EQ(kdk_exec(conn, "set optimizer = on; set threads = 4", -1), KDK_OK);
        if (!answer(conn, queries[q], four, sizeof four) || !CHECK_STR(four, one))
            fprintf(stderr, "%s\n", queries[q]);
    }
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}
