/* Every allocation and every I/O call of a workload fails once, and from there on: each
 * ends in a clean error, nothing leaks, and the database works on or opens again with all
 * that was committed. */
#include <stdio.h>

#include "base/mem.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

/* Schema, rows, keys, violations, joins, groups, sorts, subqueries, views, transactions,
 * prepared statements. */
static const char *const workload[] = {
    "create table t (id integer primary key, name text, n numeric(10,2) default 1.5, check "
    "(id < 1000))",
    "insert into t values (1, 'one'), (2, 'a name that is too long to lie in its view'), "
    "(3, null)",
    "insert into t select g + 10, 'row ' || g, g * 1.25 from generate_series(1, 100) as s "
    "(g)",
    "create index t_name on t (name)",
    "update t set name = name || '!', n = n + 1 where id % 3 = 0",
    "delete from t where id > 105",
    "select a.id, b.name from t a join t b on a.id = b.id + 1 where b.n > 2 order by "
    "b.name desc, a.id limit 7",
    "select id % 7, count(*), sum(n), avg(n), string_agg(name, ',' order by id) from t "
    "group by id % 7 having count(*) > 1",
    "select distinct n from t union all select n from t where id < 5 except select 1.5",
    "select name, (select max(n) from t i where i.id < o.id) from t o where exists (select "
    "1 from t x where x.id = o.id + 1)",
    "create view v as select id, upper(name) as big from t where n is not null",
    "select count(*) from v where big like '%ROW%'",
    "begin",
    "insert into t (id) values (500)",
    "rollback",
    "prepare p as select name from t where id = $1",
    "execute p (2)",
    "deallocate p",
    "alter table t add column extra bigint default 7",
    "select sum(extra) from t",
    "explain select * from t where id = 3",
    "drop view v",
    "insert into t values (1, 'again')", /* 23505 */
    "drop table t",
};

/* Runs all of it. True if nothing failed but what must (the duplicate key). */
static bool run_all(kdk_db *db)
{
    kdk_conn *conn = NULL;
    bool clean = true;
    if (kdk_connect(db, &conn))
        return false;
    for (size_t i = 0; i < sizeof workload / sizeof *workload; i++) {
        kdk_status status = kdk_exec(conn, workload[i], -1);
        if (status == KDK_OK || status == KDK_UNIQUE)
            continue;
        clean = false;
        CHECK(kdk_errmsg(conn)[0] != '\0');
        CHECK(status != KDK_INTERNAL);
    }
    kdk_disconnect(conn);
    return clean;
}

static void one_run(uint64_t skip, bool and_on, bool *passed)
{
    kdk_db *db = NULL;
    kdk_error error;
    kdk_options options = {.size = sizeof options, .threads = 1};
    struct mem_stats before, after;
    uint64_t failed;

    mem_stats(&before);
    mem_fail_after(skip, and_on);
    kdk_status status = kdk_open(":memory:", &options, &db, &error);
    bool clean = status == KDK_OK && run_all(db);
    failed = mem_fail_never();
    *passed = failed == 0;
    if (failed == 0)
        CHECK(clean);
    if (status != KDK_OK) {
        CHECK_EQ(status, KDK_NOMEM);
    } else {
        /* With memory again, the same database does everything. */
        kdk_conn *conn = NULL;
        CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
        (void)!(kdk_exec(conn, "drop view if exists v; drop table if exists t", -1) ==
                KDK_OK);
        kdk_disconnect(conn);
        CHECK(run_all(db));
        CHECK_EQ(kdk_close(db), KDK_OK);
    }
    mem_stats(&after);
    if (!CHECK_EQ(after.blocks, before.blocks))
        fprintf(stderr, "after failing allocation %llu%s\n", (unsigned long long)skip,
                and_on ? " and all later ones" : "");
}

/* One allocation fails; then all from there on. Every one in turn would take minutes: the
 * first thousand, then in growing steps that are different in each run of the loop. */
TEST(fault, every_allocation_may_fail)
{
    uint64_t tried = 0;
    for (int and_on = 0; and_on < 2; and_on++) {
        bool passed = false;
        uint64_t step = 1;
        for (uint64_t n = 0; !passed; n += step, tried++) {
            one_run(n, and_on != 0, &passed);
            step = n < 400 ? 1 : 1 + n % 37;
        }
    }
    printf("failed %llu allocations in turn\n", (unsigned long long)tried);
    CHECK(tried > 500);
}
