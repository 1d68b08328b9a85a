/* Statements through their whole lives: definitions that change under them, parameters of
 * every kind, ends that come early, errors in the middle, blocks that have failed. */
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_c.h"
#include "base/mem.h"
#include "check.h"
#include "kodiak.h"

struct fixture {
    kdk_db *db;
    kdk_conn *conn;
};

static bool setup(struct fixture *f, const char *sql)
{
    *f = (struct fixture){0};
    return CHECK_EQ(kdk_open(":memory:", NULL, &f->db, NULL), KDK_OK) &&
           CHECK_EQ(kdk_connect(f->db, &f->conn), KDK_OK) &&
           CHECK_EQ(kdk_exec(f->conn, sql, -1), KDK_OK);
}

static void teardown(struct fixture *f)
{
    kdk_disconnect(f->conn);
    CHECK_EQ(kdk_close(f->db), KDK_OK);
}

static kdk_stmt *prepared(struct fixture *f, const char *sql)
{
    kdk_stmt *stmt = NULL;
    if (!CHECK_EQ(kdk_prepare(f->conn, sql, -1, &stmt, NULL), KDK_OK))
        fprintf(stderr, "%s: %s\n", sql, kdk_errmsg(f->conn));
    return stmt;
}

/* All rows of a run as "a,b;c,d"; an error as its SQLSTATE. NULL is "-". */
static const char *rows_of(struct fixture *f, kdk_stmt *stmt)
{
    static char out[2000];
    bool row = false;
    kdk_status status;
    out[0] = '\0';
    while ((status = kdk_step(stmt, &row)) == KDK_OK && row) {
        if (out[0])
            strcat(out, ";");
        for (uint32_t c = 0; c < kdk_column_count(stmt) && strlen(out) < 1900; c++) {
            const char *text = kdk_column_text(stmt, c, NULL);
            snprintf(out + strlen(out), 60, "%s%s", c ? "," : "", text ? text : "-");
        }
    }
    if (status != KDK_OK)
        snprintf(out, sizeof out, "%s", kdk_sqlstate(f->conn));
    return out;
}

/* Of a text that is run once. */
static const char *ask(struct fixture *f, const char *sql)
{
    kdk_stmt *stmt = NULL;
    const char *out;
    if (kdk_prepare(f->conn, sql, -1, &stmt, NULL) != KDK_OK)
        return kdk_sqlstate(f->conn);
    out = rows_of(f, stmt);
    kdk_stmt_free(stmt);
    return out;
}

TEST(api, statements_follow_the_schema)
{
    struct fixture f;
    if (!setup(&f, "create table t (id int primary key, v text); insert into t values (1, "
                   "'a'), (2, 'b')"))
        return;
    kdk_stmt *all = prepared(&f, "select * from t order by 1");
    kdk_stmt *one = prepared(&f, "select v from t where id = $1");
    kdk_stmt *change = prepared(&f, "update t set v = $2 where id = $1 returning *");
    CHECK_STR(rows_of(&f, all), "1,a;2,b");
    CHECK_EQ(kdk_bind_text(one, 1, "2", -1), KDK_OK);
    CHECK_STR(rows_of(&f, one), "b");

    CHECK_EQ(kdk_exec(f.conn, "alter table t add column n numeric(5,2) default 1.5", -1),
             KDK_OK);
    CHECK_STR(rows_of(&f, all), "1,a,1.50;2,b,1.50");
    CHECK_EQ(kdk_column_count(all), 3);
    CHECK_STR(kdk_column_name(all, 2), "n");
    CHECK_STR(kdk_column_type(all, 2), "numeric(5,2)");
    CHECK_EQ(kdk_bind_int64(change, 1, 2), KDK_OK);
    CHECK_EQ(kdk_bind_text(change, 2, "B", 1), KDK_OK);
    CHECK_STR(rows_of(&f, change), "2,B,1.50");
    CHECK_STR(kdk_command_tag(change), "UPDATE 1");

    /* From another connection, too, and while the first one holds a snapshot of before. */
    kdk_conn *other = NULL;
    CHECK_EQ(kdk_connect(f.db, &other), KDK_OK);
    CHECK_EQ(kdk_exec(f.conn, "begin; select 1 from t", -1), KDK_OK);
    CHECK_EQ(kdk_exec(other, "create table u (id int)", -1), KDK_OK);
    CHECK_STR(rows_of(&f, all), "1,a,1.50;2,B,1.50");
    CHECK_EQ(kdk_exec(f.conn, "commit", -1), KDK_OK);
    CHECK_EQ(kdk_exec(other, "alter table t drop column v", -1), KDK_OK);
    CHECK_STR(rows_of(&f, all), "1,1.50;2,1.50");
    CHECK_STR(rows_of(&f, one), "42703");
    CHECK_STR(rows_of(&f, change), "42703");
    CHECK_EQ(kdk_exec(other, "drop table t", -1), KDK_OK);
    CHECK_STR(rows_of(&f, all), "42P01");

    /* Another table of the name, whose columns are of other types: the values bound are
     * converted anew. */
    CHECK_EQ(kdk_exec(other,
                      "create table t (v int, id text unique); insert into t values (7, "
                      "'2'), (8, null)",
                      -1),
             KDK_OK);
    CHECK_STR(rows_of(&f, all), "7,2;8,-");
    CHECK_STR(rows_of(&f, one), "7");
    CHECK_STR(rows_of(&f, change), "22P02");
    CHECK_EQ(kdk_bind_text(change, 2, "70", -1), KDK_OK);
    CHECK_STR(rows_of(&f, change), "70,2");
    kdk_disconnect(other);
    kdk_stmt_free(all);
    kdk_stmt_free(one);
    kdk_stmt_free(change);
    teardown(&f);
}

/* A view, and a statement of PREPARE, follow as well. */
TEST(api, views_and_prepared_names_follow_the_schema)
{
    struct fixture f;
    if (!setup(&f, "create table t (id int); insert into t values (1); create view w as "
                   "select id + 1 as n from t;"
                   "prepare p (int) as select n + $1 from w"))
        return;
    kdk_stmt *run = prepared(&f, "execute p (10)");
    CHECK_STR(rows_of(&f, run), "12");
    CHECK_EQ(
        kdk_exec(f.conn, "create or replace view w as select id * 100 as n from t", -1),
        KDK_OK);
    CHECK_STR(rows_of(&f, run), "110");
    CHECK_EQ(kdk_exec(f.conn, "drop view w", -1), KDK_OK);
    CHECK_STR(rows_of(&f, run), "42P01");
    CHECK_EQ(kdk_exec(f.conn, "deallocate p", -1), KDK_OK);
    CHECK_STR(rows_of(&f, run), "26000");
    kdk_stmt_free(run);
    teardown(&f);
}

TEST(api, parameters_of_every_kind)
{
    struct fixture f;
    static const struct {
        const char *type, *text, *wanted;
    } texts[] = {
        {"int", "42", "42"},
        {"int", " 42 ", "42"},
        {"int", "4x", "22P02"},
        {"int", "2147483648", "22003"},
        {"bigint", "-9223372036854775808", "-9223372036854775808"},
        {"smallint", "40000", "22003"},
        {"numeric(5,2)", "1.005", "1.01"},
        {"numeric(5,2)", "1000", "22003"},
        {"double precision", "1e400", "22003"},
        {"boolean", "yes", "t"},
        {"boolean", "maybe", "22P02"},
        {"date", "2024-02-29", "2024-02-29"},
        {"date", "2023-02-29", "22008"},
        {"timestamp", "2024-01-01 10:00", "2024-01-01 10:00:00"},
        {"text", "", ""},
        {"varchar(2)", "abc", "ab"},
        {"bytea", "\\x00ff", "\\x00ff"},
    };
    if (!setup(&f, "select 1"))
        return;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "select cast($1 as %s)", texts[i].type);
        kdk_stmt *stmt = prepared(&f, sql);
        CHECK_STR(rows_of(&f, stmt), "42P02"); /* Nothing is bound. */
        CHECK_EQ(kdk_bind_text(stmt, 1, texts[i].text, -1), KDK_OK);
        if (!CHECK_STR(rows_of(&f, stmt), texts[i].wanted))
            fprintf(stderr, "%s of \"%s\"\n", sql, texts[i].text);
        CHECK_EQ(kdk_bind_null(stmt, 1), KDK_OK);
        CHECK_STR(rows_of(&f, stmt), "-");
        kdk_stmt_free(stmt);
    }
    kdk_stmt *stmt = prepared(
        &f,
        "select $1 + 1, $2 || 'x', $3 and true, cast($4 as double precision) * 2.5, $5");
    CHECK_EQ(kdk_param_count(stmt), 5);
    CHECK_EQ(kdk_bind_int64(stmt, 0, 1), KDK_UNDEFINED_PARAMETER);
    CHECK_EQ(kdk_bind_int64(stmt, 6, 1), KDK_UNDEFINED_PARAMETER);
    CHECK_EQ(kdk_bind_int64(stmt, 1, 41), KDK_OK);
    CHECK_EQ(kdk_bind_text(stmt, 2, "a\0b", 1), KDK_OK);
    CHECK_EQ(kdk_bind_bool(stmt, 3, true), KDK_OK);
    CHECK_EQ(kdk_bind_double(stmt, 4, 2), KDK_OK);
    CHECK_EQ(kdk_bind_text(stmt, 5, "z", -1), KDK_OK);
    CHECK_STR(rows_of(&f, stmt), "42,ax,t,5,z");
    CHECK_EQ(kdk_bind_int64(stmt, 1, INT64_MAX), KDK_OK); /* $1 is an integer. */
    CHECK_STR(rows_of(&f, stmt), "22003");
    CHECK_EQ(kdk_bind_int64(stmt, 1, 1), KDK_OK);
    CHECK_EQ(kdk_bind_text(stmt, 2, "\xff\xfe", 2), KDK_OK);
    CHECK_STR(rows_of(&f, stmt), "22021");
    kdk_stmt_free(stmt);
    teardown(&f);
}

TEST(api, ends_early_and_starts_anew)
{
    struct fixture f;
    struct mem_stats before, after;
    bool row = false;
    if (!setup(&f, "create table t (id int primary key); insert into t select * from "
                   "generate_series(1, 10000)"))
        return;
    kdk_stmt *stmt = prepared(&f, "select id from t order by id");
    kdk_reset(stmt); /* Never ran. */
    kdk_reset(stmt);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
        CHECK(row);
        CHECK_EQ(kdk_column_int64(stmt, 0), 1);
        CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
        CHECK_EQ(kdk_column_int64(stmt, 0), 2);
        kdk_reset(stmt);
        CHECK(!kdk_in_transaction(f.conn, NULL));
        CHECK(kdk_column_null(stmt, 0)); /* No row is current. */
        CHECK(kdk_column_text(stmt, 0, NULL) == NULL);
    }
    /* While it gives rows nothing else runs, though it may be prepared. */
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    kdk_stmt *second = prepared(&f, "select count(*) from t");
    CHECK_EQ(kdk_step(second, &row), KDK_MISUSE);
    CHECK_EQ(kdk_exec(f.conn, "drop table t", -1), KDK_MISUSE);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(row);
    CHECK_EQ(kdk_column_int64(stmt, 0), 2);
    kdk_reset(stmt);
    CHECK_STR(rows_of(&f, second), "10000");
    CHECK_STR(rows_of(&f, second), "10000"); /* After the end it runs anew. */

    /* A change that is ended early is undone; in a block it was complete before its first
     * row, and stays. */
    kdk_stmt *remove = prepared(&f, "delete from t where id <= 100 returning id");
    CHECK_EQ(kdk_step(remove, &row), KDK_OK);
    CHECK(row);
    kdk_reset(remove);
    CHECK_STR(rows_of(&f, second), "10000");
    CHECK_EQ(kdk_exec(f.conn, "begin", -1), KDK_OK);
    CHECK_EQ(kdk_step(remove, &row), KDK_OK);
    kdk_reset(remove);
    CHECK_STR(rows_of(&f, second), "9900");
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    CHECK_STR(rows_of(&f, second), "10000");

    /* Frees itself in the middle of everything, many operators deep. */
    mem_stats(&before);
    for (int i = 0; i < 20; i++) {
        kdk_stmt *deep = prepared(&f, "select a.id, (select count(*) from t x where x.id < "
                                      "a.id % 50) from t a join t b on a.id = b.id "
                                      "full join t c on c.id = a.id + 1 order by 1 desc");
        for (int k = 0; k < i; k++)
            CHECK_EQ(kdk_step(deep, &row), KDK_OK);
        kdk_stmt_free(deep);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK); /* Disconnecting ends what still runs. */
    CHECK_EQ(kdk_close(f.db), KDK_BUSY);
    teardown(&f);
}

TEST(api, errors_in_the_middle_undo_the_statement)
{
    struct fixture f;
    uint32_t line = 0, column = 0;
    if (!setup(&f, "create table t (id int primary key, n int check (n < 90)); insert into "
                   "t select g, g from generate_series(1, 50) s (g)"))
        return;
    CHECK_STR(ask(&f, "update t set n = n + 1 where id > 10 returning 100 / (n - 40)"),
              "22012");
    CHECK_STR(
        ask(&f,
            "insert into t select g, 100 / (g - 80) from generate_series(60, 90) s (g)"),
        "22012");
    CHECK_STR(ask(&f, "insert into t select g, g from generate_series(60, 95) s (g)"),
              "23514");
    CHECK_STR(ask(&f, "insert into t select g, 1 from generate_series(60, 30, -1) s (g)"),
              "23505");
    CHECK_STR(ask(&f, "update t set id = 1 where id < 3"), "23505");
    /* 49 NULLs follow */
    CHECK_STR(ask(&f, "update t set id = id + 1 returning case when id = 2 then 1 end"),
              "1;"
              "-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;-;"
              "-;-;-;-;-;-;-;-;-;-;-");
    CHECK_STR(ask(&f, "select count(*), sum(id), sum(n) from t"), "50,1325,1275");
    CHECK_STR(ask(&f, "update t set id = id - 1"), "");
    CHECK_STR(ask(&f, "select count(*), sum(id), sum(n) from t"), "50,1275,1275");

    /* A script stops at its first error and says where that is, in the text as a whole. */
    CHECK_EQ(kdk_exec(f.conn,
                      "select 1;\n/* a; comment */ insert into t values (100, 1);\n  "
                      "select id,\n   nix from t; delete from t",
                      -1),
             KDK_UNDEFINED_COLUMN);
    kdk_errposition(f.conn, &line, &column);
    CHECK_EQ(line, 4);
    CHECK_EQ(column, 4);
    CHECK_STR(ask(&f, "select count(*) from t"), "51");
    CHECK_EQ(kdk_exec(f.conn, "select 1; select 'open", -1), KDK_SYNTAX);
    CHECK_EQ(kdk_exec(f.conn, "  ; ;; -- nothing\n", -1), KDK_OK);
    CHECK_EQ(kdk_exec(f.conn, "", -1), KDK_OK);
    kdk_stmt *stmt = (kdk_stmt *)&f;
    const char *tail = NULL;
    CHECK_EQ(kdk_prepare(f.conn, " -- nothing", -1, &stmt, &tail), KDK_OK);
    CHECK(stmt == NULL);
    CHECK_STR(tail, "");
    CHECK_EQ(kdk_prepare(f.conn, "select 1; select 2", -1, &stmt, &tail), KDK_OK);
    CHECK_STR(tail, " select 2");
    kdk_stmt_free(stmt);
    teardown(&f);
}

TEST(api, failed_blocks_refuse_all_but_their_end)
{
    struct fixture f;
    bool failed = true;
    if (!setup(&f, "create table t (id int primary key); insert into t values (1)"))
        return;
    kdk_stmt *before = prepared(&f, "select count(*) from t");
    CHECK(!kdk_in_transaction(f.conn, &failed));
    CHECK(!failed);
    CHECK_EQ(kdk_exec(f.conn, "begin; insert into t values (2)", -1), KDK_OK);
    CHECK(kdk_in_transaction(f.conn, &failed));
    CHECK(!failed);
    CHECK_STR(rows_of(&f, before), "2");
    CHECK_STR(ask(&f, "insert into t values (3), (1)"), "23505");
    CHECK(kdk_in_transaction(f.conn, &failed));
    CHECK(failed);
    CHECK_STR(rows_of(&f, before), "25P02");
    CHECK_STR(ask(&f, "select 1"), "25P02");
    CHECK_STR(ask(&f, "select nix from nowhere"), "25P02");
    CHECK_STR(ask(&f, "set optimizer = on"), "25P02");
    CHECK_STR(ask(&f, "begin"), "25P02");
    CHECK_STR(ask(&f, "checkpoint"), "25P02");
    kdk_stmt *end = prepared(&f, "commit");
    CHECK_STR(rows_of(&f, end), "");
    CHECK_STR(kdk_command_tag(end), "ROLLBACK");
    CHECK(!kdk_in_transaction(f.conn, NULL));
    CHECK_STR(rows_of(&f, before), "1");

    /* What fails before it runs fails the block as well, and so does a text that is
     * none. */
    CHECK_EQ(kdk_exec(f.conn, "begin", -1), KDK_OK);
    CHECK_STR(ask(&f, "select nix from t"), "42703");
    CHECK_STR(rows_of(&f, before), "25P02");
    CHECK_EQ(kdk_exec(f.conn, "rollback; begin", -1), KDK_OK);
    CHECK_STR(ask(&f, "selekt"), "42601");
    CHECK_STR(rows_of(&f, before), "25P02");
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    CHECK_STR(rows_of(&f, before), "1");

    /* Read-only blocks. */
    CHECK_EQ(kdk_exec(f.conn, "begin read only", -1), KDK_OK);
    CHECK_STR(rows_of(&f, before), "1");
    CHECK_STR(ask(&f, "delete from t"), "25006");
    CHECK_STR(rows_of(&f, before), "25P02");
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    kdk_stmt_free(before);
    kdk_stmt_free(end);
    teardown(&f);
}

/* The same plan by rows of a key, by a scan, and for all: what a snapshot sees of a key is
 * one thing. */
TEST(api, keys_and_scans_agree_in_old_snapshots)
{
    struct fixture f;
    if (!setup(&f, "create table t (id int primary key, v int); insert into t select g, g "
                   "from generate_series(1, 300) s (g)"))
        return;
    kdk_conn *other = NULL;
    kdk_stmt *by_key = prepared(&f, "select v from t where id = $1"),
             *by_scan = prepared(&f, "select v from t where id + 0 = $1");
    CHECK_EQ(kdk_connect(f.db, &other), KDK_OK);
    CHECK_EQ(
        kdk_exec(f.conn,
                 "begin; select count(*) from t; update t set v = v + 1000 where id = 9",
                 -1),
        KDK_OK);
    CHECK_EQ(kdk_exec(other,
                      "delete from t where id = 7; insert into t values (7, -7); update t "
                      "set id = 1000 where id = 8;"
                      "insert into t values (8, -8); delete from t where id = 5; update t "
                      "set v = -6 where id = 6;"
                      "update t set id = 10000 - id where id between 100 and 200",
                      -1),
             KDK_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (int id = 1; id <= 310; id++) {
            char wanted[40];
            CHECK_EQ(kdk_bind_int64(by_key, 1, id), KDK_OK);
            CHECK_EQ(kdk_bind_int64(by_scan, 1, id), KDK_OK);
            snprintf(wanted, sizeof wanted, "%s", rows_of(&f, by_scan));
            CHECK_STR(rows_of(&f, by_key), wanted);
            if (pass == 0 && id <= 300) {
                char own[20];
                snprintf(own, sizeof own, "%d", id == 9 ? 1009 : id);
                CHECK_STR(wanted, own);
            }
        }
        if (pass == 0)
            CHECK_EQ(kdk_exec(f.conn, "commit", -1), KDK_OK);
    }
    CHECK_EQ(kdk_bind_int64(by_key, 1, 7), KDK_OK);
    CHECK_STR(rows_of(&f, by_key), "-7");
    CHECK_EQ(kdk_bind_int64(by_key, 1, 5), KDK_OK);
    CHECK_STR(rows_of(&f, by_key), "");
    CHECK_EQ(kdk_bind_int64(by_key, 1, 9850), KDK_OK);
    CHECK_STR(rows_of(&f, by_key), "150");
    kdk_disconnect(other);
    kdk_stmt_free(by_key);
    kdk_stmt_free(by_scan);
    teardown(&f);
}

/* What statements keep counts against memory_limit; passing it ends the statement and
 * nothing else. */
TEST(api, memory_limit_ends_statements_cleanly)
{
    static const char *const greedy[] = {
        "select count(*) from (select a.i from big a, big b order by 1) s",
        "select count(*) from (select a.i, b.i as k from big a, big b group by a.i, b.i) s",
        "select count(*) from (select distinct a.i, b.i as k from big a, big b) s",
        "select count(distinct a.i * 20000 + b.i) from big a, big b",
        "select count(*) from big c left join (select a.i * 20000 + b.i as k from big a, "
        "big b) s on c.i = s.k",
        "select count(*) from (select a.i, b.i from big a, big b except select 1, 2) s",
        "with s as materialized (select a.i, b.i as k from big a, big b) select count(*) "
        "from s x, s y",
        "insert into big select a.i + b.i from big a, big b returning i",
        "select string_agg(a.t || b.t, ',' order by b.i) from big a, big b",
    };
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct fixture f = {0};
        kdk_options options = {
            .size = sizeof options, .threads = threads, .memory_limit = 24u << 20};
        if (!CHECK_EQ(kdk_open(":memory:", &options, &f.db, NULL), KDK_OK) ||
            !CHECK_EQ(kdk_connect(f.db, &f.conn), KDK_OK) ||
            !CHECK_EQ(kdk_exec(f.conn,
                               "create table big as select g::bigint as i, 'a text of some "
                               "length ' || g as t "
                               "from generate_series(1, 10000) s (g)",
                               -1),
                      KDK_OK))
            return;
        for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
            if (!CHECK_STR(ask(&f, greedy[i]), "53200"))
                fprintf(stderr, "%s\n", greedy[i]);
            CHECK(strstr(kdk_errmsg(f.conn), "memory_limit") != NULL);
            /* All of it has been given back. */
            CHECK_STR(ask(&f, "select count(*) from (select * from big order by t) s"),
                      "10000");
        }
        teardown(&f);
    }
}

struct progress {
    kdk_conn *conn;
    uint64_t calls, done, total, back;
    char unit[16];
};

static void on_progress(void *context, uint64_t done, uint64_t total, const char *unit)
{
    struct progress *p = context;
    p->back += done < p->done;
    p->done = done;
    p->total = total;
    snprintf(p->unit, sizeof p->unit, "%s", unit);
    if (++p->calls == 2)
        kdk_interrupt(p->conn);
}

/* One result at the end of a way without end: the calls come from inside, on this thread;
 * what they count grows; and they may end the statement. */
TEST(api, progress_comes_from_inside_a_long_statement)
{
    static const struct {
        const char *sql;
        uint64_t total;
    } cases[] = {
        {"select count(*) from a, a b, a c where a.k + b.k + c.k < 0", 3000},
        {"select sum(g) from generate_series(1, 1000000000000) g", 0},
        {"insert into a select -g, -g from generate_series(1, 1000000000000) g", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        struct progress p = {0};
        kdk_stmt *stmt;
        if (!setup(&f, "create table a (k bigint primary key, n int); insert into a select "
                       "g, g from generate_series(1, 1000) g"))
            return;
        p.conn = f.conn;
        kdk_on_progress(f.conn, on_progress, &p);
        stmt = prepared(&f, cases[i].sql);
        CHECK_STR(rows_of(&f, stmt), "57014");
        CHECK_EQ(p.calls, 2);
        CHECK_EQ(p.back, 0);
        CHECK(p.done > 0);
        CHECK_EQ(p.total, cases[i].total);
        CHECK_STR(p.unit, "rows");
        kdk_on_progress(f.conn, NULL, NULL);
        CHECK_STR(ask(&f, "select count(*) from a"), "1000");
        kdk_stmt_free(stmt);
        teardown(&f);
    }
}

/* Runs `sql` as an Arrow stream on a connection of its own and inserts that into
 * `table`. */
static kdk_status pipe_into(struct fixture *f, const char *sql, const char *table,
                            uint64_t *rows)
{
    kdk_conn *from = NULL;
    kdk_stmt *stmt = NULL;
    struct ArrowArrayStream stream = {0};
    kdk_status status = KDK_INTERNAL;
    *rows = 77;
    if (CHECK_EQ(kdk_connect(f->db, &from), KDK_OK) &&
        CHECK_EQ(kdk_prepare(from, sql, -1, &stmt, NULL), KDK_OK) &&
        CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK)) {
        status = kdk_insert_arrow(f->conn, table, &stream, rows);
        CHECK(!stream.release);
    }
    kdk_stmt_free(stmt);
    kdk_disconnect(from);
    return status;
}

TEST(api, a_key_that_cannot_be_made_is_named)
{
    struct fixture f;
    static const struct {
        const char *sql, *name;
    } keys[] = {{"alter table t add primary key (k)", "\"t_pkey\""},
                {"alter table t add constraint once unique (k)", "\"once\""},
                {"create unique index x on t (k)", "\"x\""}};
    if (!setup(&f, "create table t (k int); insert into t values (7), (7)"))
        return;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        CHECK_EQ(kdk_exec(f.conn, keys[i].sql, -1), KDK_UNIQUE);
        if (!CHECK(strstr(kdk_errmsg(f.conn), keys[i].name) != NULL))
            check_str(kdk_errmsg(f.conn), keys[i].name, keys[i].sql, __FILE__, __LINE__);
    }
    teardown(&f);
}

TEST(api, arrow_streams_are_inserted_as_rows_are)
{
    struct fixture f;
    uint64_t n;
    if (!setup(
            &f,
            "create table t (k int primary key, s varchar(3) not null default 'def', n "
            "numeric(6,2) check (n < 100), \"Odd \"\"name\" int default 1 + 1);"
            "create schema w; create table w.u (a text); create table \"dot.ted\" (a int)"))
        return;
    /* Any number of batches; conversions as on assignment; defaults where the stream has no
     * column. */
    CHECK_EQ(
        pipe_into(
            &f, "select cast(g as bigint) as k, 1.125 as n from generate_series(1, 5000) g",
            "t", &n),
        KDK_OK);
    CHECK_EQ(n, 5000);
    CHECK_STR(ask(&f, "select count(*), min(s), max(n), sum(\"Odd \"\"name\") from t"),
              "5000,def,1.13,10000");
    CHECK_EQ(pipe_into(&f, "select 0 as k, 5 as \"Odd \"\"name\"", "t", &n), KDK_OK);
    CHECK_STR(ask(&f, "select * from t where k = 0"), "0,def,-,5");
    CHECK_EQ(pipe_into(&f, "select k from t where k > 99999", "t", &n), KDK_OK);
    CHECK_EQ(n, 0);
    CHECK_EQ(pipe_into(&f, "select 'x' as a", "w.u", &n), KDK_OK);
    CHECK_EQ(pipe_into(&f, "select 1 as a", "dot.ted", &n), KDK_OK);
    CHECK_STR(
        ask(&f, "select (select count(*) from w.u), (select count(*) from \"dot.ted\")"),
        "1,1");
    /* Every refusal leaves nothing. */
    static const struct {
        const char *sql, *table;
        kdk_status status;
        const char *text;
    } bad[] = {
        {"select -g as k, g as n from generate_series(1, 5000) g", "t", KDK_CHECK,
         "violates check constraint"},
        {"select -g as k, case when g < 4000 then 'a' end as s from generate_series(1, "
         "5000) g",
         "t", KDK_NOT_NULL, "null value in column \"s\""},
        {"select -g as k, 'long' as s from generate_series(1, 5) g", "t",
         KDK_STRING_TRUNCATED, "too long"},
        {"select g - 1 as k from generate_series(1, 3) g", "t", KDK_UNIQUE,
         "duplicate key"},
        {"select 'x' as k", "t", KDK_TYPE_MISMATCH, "column \"k\" is of type integer"},
        {"select 1 as nope", "t", KDK_UNDEFINED_COLUMN, "\"nope\""},
        {"select -1 as k, -2 as k", "t", KDK_DUPLICATE_COLUMN, "\"k\""},
        {"select 1 as a", "none", KDK_UNDEFINED_TABLE, "\"none\""},
        {"select 1 as a", "w.none", KDK_UNDEFINED_TABLE, "none"},
        {"select -1 as k, 1 / (g - 3000) as n from generate_series(1, 5000) g", "t", KDK_IO,
         "division by zero"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK_EQ(pipe_into(&f, bad[i].sql, bad[i].table, &n), bad[i].status))
            check_str(kdk_errmsg(f.conn), "", bad[i].sql, __FILE__, __LINE__);
        if (!CHECK(strstr(kdk_errmsg(f.conn), bad[i].text) != NULL))
            check_str(kdk_errmsg(f.conn), bad[i].text, bad[i].sql, __FILE__, __LINE__);
        CHECK_EQ(n, 0);
        CHECK_STR(ask(&f, "select count(*) from t"), "5001");
    }
    /* In a block: seen by it, undone with it; and an error fails it. */
    CHECK_STR(ask(&f, "begin"), "");
    CHECK_EQ(pipe_into(&f, "select -1 as k", "t", &n), KDK_OK);
    CHECK_STR(ask(&f, "select count(*) from t"), "5002");
    CHECK_EQ(pipe_into(&f, "select -1 as k", "t", &n), KDK_UNIQUE);
    CHECK_STR(ask(&f, "select 1"), "25P02");
    CHECK_EQ(pipe_into(&f, "select -2 as k", "t", &n), KDK_IN_FAILED_TXN);
    CHECK_STR(ask(&f, "rollback"), "");
    CHECK_STR(ask(&f, "select count(*) from t"), "5001");
    teardown(&f);
}

/* A stream's schema is that of its rows, whatever became of the table since the statement
 * was prepared. */
TEST(api, arrow_schemas_follow_the_schema)
{
    struct fixture f;
    uint64_t n;
    kdk_stmt *stmt;
    kdk_conn *other = NULL;
    struct ArrowArrayStream stream = {0};
    if (!setup(&f, "create table t (a int); insert into t values (1); create table wide (a "
                   "int, b text); create table narrow (a int)"))
        return;
    stmt = prepared(&f, "select * from t");
    CHECK_EQ(kdk_connect(f.db, &other), KDK_OK);
    CHECK_EQ(kdk_exec(other, "alter table t add column b text default 'new'", -1), KDK_OK);
    CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK);
    CHECK_EQ(kdk_insert_arrow(other, "wide", &stream, &n), KDK_OK);
    CHECK_STR(ask(&f, "select * from wide"), "1,new");
    /* What is gone is an error of the stream, and no end of the statement. */
    CHECK_EQ(kdk_exec(other, "drop table t", -1), KDK_OK);
    CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK);
    CHECK_EQ(kdk_insert_arrow(other, "wide", &stream, &n), KDK_IO);
    CHECK(strstr(kdk_errmsg(other), "relation \"t\" does not exist") != NULL);
    CHECK_EQ(kdk_exec(other, "create table t as select 7 as a", -1), KDK_OK);
    CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK);
    CHECK_EQ(kdk_insert_arrow(other, "narrow", &stream, &n), KDK_OK);
    CHECK_STR(ask(&f, "select * from narrow"), "7");
    CHECK_STR(rows_of(&f, stmt), "7");
    kdk_stmt_free(stmt);
    kdk_disconnect(other);
    teardown(&f);
}

/* NULL where a handle was expected ends nobody's process. */
TEST(api, null_is_misuse)
{
    struct fixture f;
    struct ArrowArrayStream stream = {0};
    kdk_stmt *stmt = NULL;
    kdk_conn *conn = NULL;
    kdk_db *db = NULL;
    kdk_error error;
    bool row;
    if (!setup(&f, "create table t (a int, b text)"))
        return;
    CHECK_EQ(kdk_open(NULL, NULL, &db, &error), KDK_MISUSE);
    CHECK_EQ(kdk_open(":memory:", NULL, NULL, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_connect(NULL, &conn), KDK_MISUSE);
    CHECK_EQ(kdk_connect(f.db, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_close_error(f.db, &error), KDK_BUSY);
    CHECK_STR(error.message, "1 connection of the database is still open");
    CHECK_EQ(kdk_check(f.db, NULL, NULL, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_files(NULL, NULL, NULL), KDK_MISUSE);
    CHECK(!kdk_open_notice(NULL));
    CHECK_EQ(kdk_exec(NULL, "select 1", -1), KDK_MISUSE);
    CHECK_EQ(kdk_exec(f.conn, NULL, -1), KDK_MISUSE);
    CHECK_STR(kdk_sqlstate(f.conn), "HY010");
    CHECK_EQ(kdk_prepare(NULL, "select 1", -1, &stmt, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_prepare(f.conn, NULL, -1, &stmt, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_prepare(f.conn, "select 1", -1, NULL, NULL), KDK_MISUSE);
    CHECK_STR(kdk_sqlstate(NULL), "HY010");
    CHECK(kdk_errmsg(NULL) && kdk_errdetail(NULL) && kdk_errhint(NULL) &&
          kdk_errcontext(NULL));
    kdk_interrupt(NULL);
    kdk_reset(NULL);
    kdk_on_notice(NULL, NULL, NULL);
    kdk_on_progress(NULL, NULL, NULL);
    kdk_set_copy_io(NULL, NULL);
    CHECK(!kdk_in_transaction(NULL, NULL));
    CHECK_EQ(kdk_step(NULL, &row), KDK_MISUSE);
    CHECK_EQ(kdk_bind_int64(NULL, 1, 1), KDK_MISUSE);
    CHECK_EQ(kdk_bind_text(NULL, 1, NULL, -1), KDK_MISUSE);
    CHECK_EQ(kdk_param_count(NULL) + kdk_column_count(NULL) + kdk_affected(NULL), 0);
    CHECK_STR(kdk_command_tag(NULL), "");
    CHECK(!kdk_column_text(NULL, 0, NULL) && !kdk_column_blob(NULL, 0, NULL) &&
          !kdk_column_name(NULL, 0) && kdk_column_null(NULL, 0));
    CHECK_EQ(kdk_column_int64(NULL, 0), 0);
    CHECK_EQ(kdk_stmt_arrow(NULL, &stream), KDK_MISUSE);
    CHECK_EQ(kdk_insert_arrow(f.conn, "t", NULL, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_insert_arrow(f.conn, NULL, &stream, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_statement_length(NULL, 7), 0);
    /* Text that is NULL is the value NULL. */
    stmt = prepared(&f, "select $1::text is null, $2::bytea");
    CHECK_EQ(kdk_step(stmt, NULL), KDK_MISUSE);
    CHECK_EQ(kdk_bind_text(stmt, 1, NULL, -1), KDK_OK);
    CHECK_EQ(kdk_bind_blob(stmt, 2, NULL, 3), KDK_MISUSE);
    CHECK_EQ(kdk_bind_blob(stmt, 2, NULL, 0), KDK_OK);
    CHECK_STR(rows_of(&f, stmt), "t,\\x");
    kdk_stmt_free(stmt);
    teardown(&f);
}

/* A statement freed in the midst of its rows ends as kdk_reset() ends it: the block goes
 * on. */
TEST(api, freeing_a_statement_early_fails_no_block)
{
    struct fixture f;
    kdk_stmt *stmt;
    bool row = false, failed = true;
    if (!setup(&f, "create table t (k int primary key); insert into t select g from "
                   "generate_series(1, 10000) g"))
        return;
    CHECK_STR(ask(&f, "begin"), "");
    stmt = prepared(&f, "select k from t");
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(row);
    kdk_stmt_free(stmt);
    stmt = prepared(&f, "insert into t values (-1), (-2) returning k");
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    kdk_stmt_free(stmt);
    CHECK(kdk_in_transaction(f.conn, &failed));
    CHECK(!failed);
    CHECK_STR(ask(&f, "select count(*) from t"), "10002");
    CHECK_STR(ask(&f, "commit"), "");
    CHECK_STR(ask(&f, "select count(*) from t"), "10002");
    teardown(&f);
}
