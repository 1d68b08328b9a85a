/* durable_test.c - a database in a directory, through the API on the simulated system: SQL
 * of every kind survives closing, and power cuts between statements. After each reopening
 * the answers are what they were. */
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

static const char *const changes[] = {
    "create table t (id integer primary key, name text, n numeric(10,2) default 1.5, check "
    "(id < 100000))",
    "insert into t values (1, 'one'), (2, 'a name that is too long to lie in its view'), "
    "(3, null)",
    "insert into t select g + 10, 'row ' || g, g * 1.25 from generate_series(1, 100) as s "
    "(g)",
    "create index t_name on t (name)",
    "update t set name = name || '!', n = n + 1 where id % 3 = 0",
    "delete from t where id > 105",
    "create view v as select id, upper(name) as big from t where n is not null",
    "alter table t add column extra bigint default 7",
    "insert into t (id, name, extra) values (2000, 'after', 8)",
    "update t set extra = id where id < 20",
    "drop view v",
    "alter table t drop column n",
    "insert into t (id, name) values (2001, 'without n')",
    "update t set id = id + 1000 where id < 5",
    "create table u (a bigint, b boolean, c date, d timestamp, e double precision, f real, "
    "g smallint, h bytea)",
    "insert into u values (-1, true, '2024-02-29', '2024-02-29 12:00:00', 1.5e300, -0.5, "
    "-32768, '\\x00ff'), (null, null, null, null, null, null, null, null)",
    "insert into u select g, g % 2 = 0, date '2000-01-01' + g, null, g / 3.0, g, g % 100, "
    "null from generate_series(1, 300) as s (g)",
    "begin; update u set a = a + 1; delete from u where a % 5 = 0; insert into t (id) "
    "values (3000); commit",
    "begin; drop table t; rollback",
    "alter table u rename column a to z",
    "alter table u rename to w",
    "create unique index w_z on w (z) ",
    "drop index t_name",
    "create table gone (id integer primary key)",
    "insert into gone select g from generate_series(1, 50) as s (g)",
    "drop table gone",
    "create schema s",
    "create table s.t (id integer primary key, unique (id))",
    "insert into s.t values (1)",
    "truncate table s.t",
    "insert into s.t values (1), (2)",
};
static const char *const questions[] = {
    "select * from t order by id",
    "select id from t where id = 1001",
    "select name from t where name = 'after'",
    "select * from u order by a",
    "select * from w order by z",
    "select z from w where z = 17",
    "select * from v order by id",
    "select * from gone",
    "select * from s.t order by id",
    "insert into t (id) values (1001)",
    "insert into t (id) values (100000)",
    "insert into s.t values (2)",
};

static kdk_db *open_db(struct os *os, const char *path)
{
    kdk_db *db = NULL;
    kdk_error error = {0};
    kdk_options options = {.size = sizeof options, .threads = 1};
    (void)os;
    if (!CHECK_EQ(kdk_open(path, &options, &db, &error), KDK_OK))
        check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
    return db;
}

/* All answers as text, errors too. */
static void ask(kdk_db *db, struct buf *out)
{
    kdk_conn *conn = NULL;
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        kdk_stmt *stmt = NULL;
        bool row = false;
        /* What questions insert is taken back. */
        CHECK_EQ(kdk_exec(conn, "begin", -1), KDK_OK);
        kdk_status status = kdk_prepare(conn, questions[i], -1, &stmt, NULL);
        buf_printf(out, "%s\n", questions[i]);
        while (status == KDK_OK && (status = kdk_step(stmt, &row)) == KDK_OK && row) {
            for (uint32_t c = 0; c < kdk_column_count(stmt); c++) {
                const char *text =
                    kdk_column_null(stmt, c) ? "NULL" : kdk_column_text(stmt, c, NULL);
                buf_printf(out, "%s|", text ? text : "?");
            }
            buf_add_char(out, '\n');
        }
        if (status != KDK_OK)
            buf_printf(out, "%s: %s\n", kdk_sqlstate(conn), kdk_errmsg(conn));
        kdk_stmt_free(stmt);
        CHECK_EQ(kdk_exec(conn, "rollback", -1), KDK_OK);
    }
    kdk_disconnect(conn);
}

static void problem(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

struct life {
    struct os *os;
    const char *path;
    struct buf before, after;
    size_t done; /* Changes made. */
    int64_t problems;
};

static void change_one(void *context)
{
    struct life *life = context;
    kdk_conn *conn = NULL;
    kdk_db *db = open_db(life->os, life->path);
    if (!db)
        return;
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    if (!CHECK_EQ(kdk_exec(conn, changes[life->done], -1), KDK_OK))
        check_str(kdk_errmsg(conn), "", changes[life->done], __FILE__, __LINE__);
    kdk_disconnect(conn);
    ask(db, &life->before);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

static void look_again(void *context)
{
    struct life *life = context;
    kdk_db *db = open_db(life->os, life->path);
    if (!db)
        return;
    CHECK_EQ(kdk_check(db, &life->problems, problem, NULL), KDK_OK);
    CHECK_EQ(life->problems, 0);
    ask(db, &life->after);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

/* One statement in each life; between two lives the power goes. */
TEST(durable, answers_are_what_they_were)
{
    struct sim_options options = {.seed = 3, .quiet = true};
    struct sim *sim = NULL;
    struct err err = {0};
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    struct life life = {.os = sim_os(sim), .path = "/db"};
    for (life.done = 0; life.done < sizeof changes / sizeof *changes; life.done++) {
        buf_clear(&life.before);
        buf_clear(&life.after);
        if (!CHECK(sim_run(sim, change_one, &life)))
            break;
        sim_reboot(sim);
        if (!CHECK(sim_run(sim, look_again, &life)))
            break;
        sim_reboot(sim);
        if (!check_str(life.after.data, life.before.data, changes[life.done], __FILE__,
                       __LINE__))
            break;
    }
    CHECK(life.before.len > 5000);
    buf_deinit(&life.before);
    buf_deinit(&life.after);
    sim_free(sim);
}
