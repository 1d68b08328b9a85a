/* The API used wrongly, and at its edges: what include/kodiak.h says of it holds, and
 * nothing ends the process. Meant for the address sanitizer. */
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/arrow_c.h"
#include "check.h"
#include "kodiak.h"
#include "os/os.h"

struct fixture {
    kdk_db *db;
    kdk_conn *conn;
};

static bool setup(struct fixture *f, const char *sql)
{
    const kdk_options options = {.size = sizeof options, .threads = 2};
    *f = (struct fixture){0};
    return CHECK_EQ(kdk_open(":memory:", &options, &f->db, NULL), KDK_OK) &&
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

/* The SQLSTATE of running it; "" when it goes well. */
static const char *state_of(struct fixture *f, const char *sql, int64_t bytes)
{
    return kdk_exec(f->conn, sql, bytes) == KDK_OK ? "" : kdk_sqlstate(f->conn);
}

/* Asks everything that can be asked of a statement and its row, of columns that are there
 * and that are not. */
static void ask_all(kdk_stmt *stmt)
{
    static const uint32_t columns[] = {0, 1, 2, 7, 1000, UINT32_MAX};
    const uint32_t count = kdk_column_count(stmt);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const uint32_t c = columns[i];
        size_t bytes = 77;
        const char *text = kdk_column_text(stmt, c, &bytes);
        CHECK(text ? strlen(text) <= bytes : bytes == 0);
        (void)kdk_column_text(stmt, c, NULL);
        bytes = 77;
        const void *blob = kdk_column_blob(stmt, c, &bytes);
        CHECK(blob || bytes == 0);
        (void)kdk_column_blob(stmt, c, NULL);
        (void)kdk_column_int64(stmt, c);
        (void)kdk_column_double(stmt, c);
        CHECK(kdk_column_type(stmt, c) != NULL);
        if (c >= count) {
            CHECK(!text && !blob && !kdk_column_name(stmt, c) && kdk_column_null(stmt, c));
            CHECK_EQ(kdk_column_kind(stmt, c), KDK_KIND_NULL);
            CHECK_EQ(kdk_column_int64(stmt, c), 0);
            CHECK(kdk_column_double(stmt, c) == 0);
        }
    }
    CHECK(kdk_command_tag(stmt) != NULL);
    (void)kdk_affected(stmt);
    (void)kdk_param_count(stmt);
}

/* ---------------------------------------------------------------------- opening ---- */

TEST(misuse, opening)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_error error;
    char longest[6000];
    static const char *const wrong[][2] = {
        {"threads", NULL},   {"threads=many", NULL},    {"=5", NULL},
        {"no_such=1", NULL}, {"memory_limit=-1", NULL}, {"", NULL}};
    static const char *const right[] = {"threads=3", "threads=2", "memory_limit=1GB", NULL};

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK(kdk_open("", NULL, &db, &error) != KDK_OK);
    CHECK(error.message[0] && error.sqlstate[0]);
    CHECK(kdk_open(longest, NULL, &db, &error) != KDK_OK);
    CHECK(kdk_open("/dev/null/x", NULL, &db, &error) != KDK_OK);
    CHECK(kdk_open("/dev/null", NULL, &db, NULL) != KDK_OK);
    CHECK(!db);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const kdk_options options = {.size = sizeof options, .settings = wrong[i]};
        CHECK(kdk_open(":memory:", &options, &db, &error) != KDK_OK);
        CHECK(!db && error.message[0]);
    }
    /* Options of a smaller struct, or of none: the rest is the default. A larger one is one
     * of a later version. */
    const struct {
        kdk_options options;
        char more[64];
    } later = {.options = {.size = sizeof later, .settings = right}};
    const kdk_options none = {.threads = 70000, .must_exist = true},
                      few = {.size = offsetof(kdk_options, memory_limit),
                             .threads = 70000,
                             .memory_limit = 1};
    const kdk_options *const all[] = {NULL, &none, &few, &later.options};
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(kdk_open(":memory:", all[i], &db, &error), KDK_OK);
        CHECK_EQ(error.status, KDK_OK);
        CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
        CHECK_EQ(kdk_exec(conn, "select 1", -1), KDK_OK);
        CHECK_EQ(kdk_close(db), KDK_BUSY);
        CHECK_EQ(kdk_exec(conn, "select 1", -1), KDK_OK);
        kdk_disconnect(conn);
        CHECK_EQ(kdk_close(db), KDK_OK);
        db = NULL;
    }
    CHECK_EQ(kdk_close(NULL), KDK_OK);
    CHECK_EQ(kdk_close_error(NULL, &error), KDK_OK);
    kdk_disconnect(NULL);
    kdk_stmt_free(NULL);
    CHECK(kdk_version() != NULL);
    /* As little memory as can be said: statements are refused, and it closes. */
    const kdk_options poor = {.size = sizeof poor, .memory_limit = 1};
    CHECK_EQ(kdk_open(":memory:", &poor, &db, NULL), KDK_OK);
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    (void)kdk_exec(conn,
                   "select count(*) from (select g from generate_series(1, 100000) g order "
                   "by g desc) s",
                   -1);
    CHECK_EQ(kdk_exec(conn,
                      "set memory_limit = '100MB'; select count(*) from (select g from "
                      "generate_series(1, 1000) g order by g desc) s",
                      -1),
             KDK_OK);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

TEST(misuse, questions_without_answers)
{
    struct fixture f;
    uint32_t line = 7, column = 7;
    bool failed;
    if (!setup(&f, "create table t (i int)"))
        return;
    CHECK_STR(kdk_errmsg(f.conn), "");
    CHECK_STR(kdk_sqlstate(f.conn), "");
    CHECK_EQ(kdk_exec(f.conn, "select\n  nothing", -1), KDK_UNDEFINED_COLUMN);
    kdk_errposition(f.conn, &line, &column);
    CHECK(line == 2 && column == 3);
    kdk_errposition(f.conn, NULL, NULL);
    kdk_errposition(f.conn, &line, NULL);
    kdk_errposition(NULL, &line, &column);
    CHECK(line == 0 && column == 0);
    CHECK_EQ(kdk_files(f.db, NULL, NULL), KDK_MISUSE);
    CHECK(!kdk_in_transaction(f.conn, NULL));
    CHECK(!kdk_in_transaction(f.conn, &failed) && !failed);
    kdk_interrupt(f.conn); /* Nothing runs: nothing ends. */
    CHECK_EQ(kdk_exec(f.conn, "select 1", -1), KDK_OK);
    teardown(&f);
}

/* ------------------------------------------------------------------- statements ---- */

TEST(misuse, texts_of_every_kind)
{
    struct fixture f;
    kdk_stmt *stmt = (kdk_stmt *)&f;
    const char *tail = NULL;
    if (!setup(&f, "create table t (s text)"))
        return;
    /* Nothing to do. */
    static const char *const empty[] = {"", " ", ";", ";;; ; ", "-- x", "/* x */", "\n\t"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        CHECK_STR(state_of(&f, empty[i], -1), "");
        CHECK_EQ(kdk_prepare(f.conn, empty[i], -1, &stmt, &tail), KDK_OK);
        CHECK(!stmt && tail == empty[i] + strlen(empty[i]));
        CHECK_EQ(kdk_statement_length(empty[i], strlen(empty[i])), 0);
    }
    CHECK_EQ(kdk_prepare(f.conn, "select 1", 0, &stmt, &tail), KDK_OK);
    CHECK(!stmt);
    /* Lengths: a negative one is up to the NUL, others count. */
    CHECK_STR(state_of(&f, "select 1", INT64_MIN), "");
    CHECK_STR(state_of(&f, "select 1 from nowhere", 8), "");
    CHECK_STR(state_of(&f, "select 1", 3), "42601");
    /* Open ends. */
    static const char *const open[] = {
        "select 'x", "select \"x",  "select /* x",  "select $$ x",
        "select (1", "select e'\\", "select U&'\\", "select 1e",
        "\\",        "$",           "$$",           "'",
        "\"",        "select $1$",  "select :",     "::"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        CHECK(kdk_exec(f.conn, open[i], -1) != KDK_OK);
        CHECK(kdk_prepare(f.conn, open[i], -1, &stmt, NULL) != KDK_OK);
        CHECK(!stmt && kdk_errmsg(f.conn)[0]);
    }
    /* A NUL within, and what is no UTF-8. */
    static const struct {
        const char *sql;
        size_t bytes;
    } odd[] = {{"select 1;\0select nothing", 24},
               {"select 'a\0b'", 12},
               {"select \"a\0b\"", 12},
               {"select 1\0", 9},
               {"\0", 1},
               {"select '\xff'", 10},
               {"select '\xc3'", 10},
               {"select '\xed\xa0\x80'", 12},
               {"select '\xf4\x90\x80\x80'", 13},
               {"\xff\xfe", 2},
               {"select \xc3", 8},
               {"select \"\xe2\x82\"", 11},
               {"-- \xff\nselect 1", 13},
               {"select $\xff$ x $\xff$", 15}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        kdk_status status = kdk_exec(f.conn, odd[i].sql, (int64_t)odd[i].bytes);
        CHECK(status == KDK_OK || strcmp(kdk_sqlstate(f.conn), "22021") == 0 ||
              strcmp(kdk_sqlstate(f.conn), "42601") == 0);
        if (!CHECK(status != KDK_OK || i == 12))
            fprintf(stderr, "text %zu was accepted\n", i);
        status = kdk_prepare(f.conn, odd[i].sql, (int64_t)odd[i].bytes, &stmt, NULL);
        CHECK((status == KDK_OK) || !stmt);
        kdk_stmt_free(stmt);
    }
    /* Parameters with numbers that are none. */
    static const char *const params[] = {
        "select $0",          "select $4294967295",
        "select $4294967296", "select $99999999999999999999",
        "select $65536::int", "select $2147483647::int"};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        CHECK(kdk_exec(f.conn, params[i], -1) != KDK_OK);
    CHECK_STR(state_of(&f, "select 1", -1), "");
    teardown(&f);
}

TEST(misuse, bindings_at_their_edges)
{
    struct fixture f;
    bool row;
    if (!setup(&f, "create table t (s text)"))
        return;
    kdk_stmt *stmt = prepared(&f, "select $1::text, $2::bytea, $3::bigint");
    CHECK_EQ(kdk_param_count(stmt), 3);
    CHECK_EQ(kdk_step(stmt, &row), KDK_UNDEFINED_PARAMETER);
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t param =
            (const uint32_t[]){0, 4, 5, 1000, UINT32_MAX, UINT32_MAX - 1}[i];
        CHECK_EQ(kdk_bind_null(stmt, param), KDK_UNDEFINED_PARAMETER);
        CHECK_EQ(kdk_bind_bool(stmt, param, true), KDK_UNDEFINED_PARAMETER);
        CHECK_EQ(kdk_bind_int64(stmt, param, 1), KDK_UNDEFINED_PARAMETER);
        CHECK_EQ(kdk_bind_double(stmt, param, 1), KDK_UNDEFINED_PARAMETER);
        CHECK_EQ(kdk_bind_text(stmt, param, "x", 1), KDK_UNDEFINED_PARAMETER);
        CHECK_EQ(kdk_bind_blob(stmt, param, "x", 1), KDK_UNDEFINED_PARAMETER);
    }
    /* Lengths that no value has are refused before anything is read. */
    CHECK_EQ(kdk_bind_text(stmt, 1, "x", INT64_MAX), KDK_LIMIT);
    CHECK_EQ(kdk_bind_text(stmt, 1, "x", (int64_t)1 << 30), KDK_LIMIT);
    CHECK_EQ(kdk_bind_blob(stmt, 2, "x", SIZE_MAX), KDK_LIMIT);
    CHECK_EQ(kdk_bind_blob(stmt, 2, "x", SIZE_MAX - 1), KDK_LIMIT);
    CHECK_EQ(kdk_bind_blob(stmt, 2, NULL, 1), KDK_MISUSE);
    /* What was refused left what was bound. */
    CHECK_EQ(kdk_bind_text(stmt, 1, "abc", -7), KDK_OK);
    CHECK_EQ(kdk_bind_text(stmt, 1, "x", INT64_MAX), KDK_LIMIT);
    CHECK_EQ(kdk_bind_blob(stmt, 2, "a\0b", 3), KDK_OK);
    CHECK_EQ(kdk_bind_int64(stmt, 3, INT64_MIN), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    size_t bytes = 0;
    CHECK_STR(kdk_column_text(stmt, 0, NULL), "abc");
    const char *blob = kdk_column_blob(stmt, 1, &bytes);
    CHECK(bytes == 3 && blob && memcmp(blob, "a\0b", 3) == 0);
    CHECK_STR(kdk_column_text(stmt, 1, NULL), "\\x610062");
    CHECK(kdk_column_int64(stmt, 2) == INT64_MIN);
    kdk_reset(stmt);
    static const struct {
        const char *text;
        int64_t bytes;
        const char *state;
    } texts[] = {{"", 0, ""},          {"", -1, ""},          {"a\0b", 3, "22021"},
                 {"\xff", 1, "22021"}, {"\xc3", -1, "22021"}, {"\xed\xa0\x80", 3, "22021"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_EQ(kdk_bind_text(stmt, 1, texts[i].text, texts[i].bytes), KDK_OK);
        CHECK_STR(kdk_step(stmt, &row) == KDK_OK ? "" : kdk_sqlstate(f.conn),
                  texts[i].state);
        kdk_reset(stmt);
    }
    CHECK_EQ(kdk_bind_text(stmt, 1, "", 0), KDK_OK);
    CHECK_EQ(kdk_bind_double(stmt, 3, NAN), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OUT_OF_RANGE);
    CHECK_EQ(kdk_bind_double(stmt, 3, 1e300), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OUT_OF_RANGE);
    CHECK_EQ(kdk_bind_text(stmt, 3, "12x", -1), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_BAD_TEXT);
    CHECK_EQ(kdk_bind_blob(stmt, 3, "12", 2), KDK_OK);
    CHECK(kdk_step(stmt, &row) != KDK_OK);
    CHECK_EQ(kdk_bind_bool(stmt, 3, true), KDK_OK);
    (void)kdk_step(stmt, &row);
    kdk_stmt_free(stmt);
    teardown(&f);
}

/* What is bound while rows come counts from the next run on; the rows that come do not see
 * it. */
TEST(misuse, bound_anew_while_rows_come)
{
    static const char *const sqls[] = {
        "select $1::bytea, g from generate_series(1, 4000) g union all select $1::bytea, g "
        "from generate_series(1, 5000) g",
        "select $1::bytea, g from generate_series(1, 9000) g",
        "select $1::text, g from generate_series(1, 9000) g",
        "select $1::bytea || ''::bytea, g from generate_series(1, 9000) g",
        "select max($1::bytea), g from generate_series(1, 9000) g group by g"};
    static char one[5000], two[5000];
    struct fixture f;
    if (!setup(&f, "create table t (s text)"))
        return;
    memset(one, 'a', sizeof one);
    memset(two, 'b', sizeof two);
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        kdk_stmt *stmt = prepared(&f, sqls[i]);
        uint64_t rows = 0, same = 0;
        bool row = false;
        CHECK_EQ(kdk_bind_blob(stmt, 1, one, sizeof one), KDK_OK);
        if (i == 2)
            CHECK_EQ(kdk_bind_text(stmt, 1, one, sizeof one), KDK_OK);
        while (kdk_step(stmt, &row) == KDK_OK && row) {
            size_t bytes = 0;
            const char *data = kdk_column_blob(stmt, 0, &bytes);
            same += bytes == sizeof one && memcmp(data, one, bytes) == 0;
            if (rows++ % 1000 == 0)
                CHECK_EQ(rows % 2000 == 1 ? kdk_bind_blob(stmt, 1, two, sizeof two)
                                          : kdk_bind_null(stmt, 1),
                         KDK_OK);
        }
        CHECK_EQ(rows, 9000);
        CHECK_EQ(same, 9000);
        kdk_stmt_free(stmt);
    }
    teardown(&f);
}

TEST(misuse, questions_before_during_and_after_a_run)
{
    static const char *const sqls[] = {
        "select 1, 'a', 2.50::numeric(5,2)",
        "select null::int, ''::text, '\\x00ff'::bytea",
        "select true, date '2020-02-03', timestamp '2020-02-03 04:05:06'",
        "select 'NaN'::double precision, 1e300::double precision, "
        "'12345678901234567890123456'::numeric(38,2)",
        "show all",
        "explain select 1",
        "create table if not exists t (i int)",
        "insert into u values (1, 'x') returning *",
        "begin",
        "commit",
        "prepare p as select 1, 2",
        "execute p",
        "deallocate p",
        "select * from u where i = 1"};
    struct fixture f;
    if (!setup(&f, "create table u (i int primary key, s text); create table t (i int)"))
        return;
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        bool row = true;
        kdk_stmt *stmt = prepared(&f, sqls[i]);
        ask_all(stmt);
        while (row && CHECK_EQ(kdk_step(stmt, &row), KDK_OK))
            ask_all(stmt);
        ask_all(stmt);
        kdk_reset(stmt);
        kdk_reset(stmt);
        ask_all(stmt);
        if (kdk_step(stmt, &row) == KDK_OK) /* Anew. Some cannot be done twice. */
            ask_all(stmt);
        ask_all(stmt);
        kdk_stmt_free(stmt);
        bool failed;
        if (kdk_in_transaction(f.conn, &failed) && failed)
            CHECK_EQ(kdk_exec(f.conn, "rollback; delete from u", -1), KDK_OK);
        else if (i == 7)
            CHECK_EQ(kdk_exec(f.conn, "delete from u", -1), KDK_OK);
    }
    /* Types, asked for with each row, are told in the same place. */
    kdk_stmt *stmt = prepared(&f, "select 1::numeric(7,3)");
    bool row;
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    const char *type = kdk_column_type(stmt, 0);
    for (int i = 0; i < 1000; i++)
        CHECK(kdk_column_type(stmt, 0) == type);
    CHECK_STR(type, "numeric(7,3)");
    kdk_stmt_free(stmt);
    teardown(&f);
}

/* ------------------------------------------------------------------- in the wrong order ---- */

TEST(misuse, after_errors_rollback_and_drops)
{
    struct fixture f;
    bool row;
    if (!setup(&f, "create table t (i int primary key, s text); insert into t select g, "
                   "'text ' || g from generate_series(1, 5000) g"))
        return;
    kdk_stmt *all = prepared(&f, "select i, s from t"),
             *key = prepared(&f, "select s from t where i = $1"),
             *bad = prepared(&f, "select 10 / (i - 4500) from t order by i");
    CHECK_EQ(kdk_bind_int64(key, 1, 5), KDK_OK);
    /* Steps after errors run it anew, and end as before. */
    for (int round = 0; round < 3; round++) {
        kdk_status status;
        while ((status = kdk_step(bad, &row)) == KDK_OK && row) {
        }
        CHECK_EQ(status, KDK_DIVISION_BY_ZERO);
        CHECK(!row);
        ask_all(bad);
    }
    /* A block that rolls back while a statement gives rows: refused until that has
     * ended. */
    CHECK_EQ(kdk_exec(f.conn, "begin; update t set s = 'new'", -1), KDK_OK);
    CHECK_EQ(kdk_step(all, &row), KDK_OK);
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_MISUSE);
    ask_all(all);
    CHECK_EQ(kdk_step(all, &row), KDK_OK);
    kdk_reset(all);
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    ask_all(all);
    CHECK_EQ(kdk_step(all, &row), KDK_OK);
    CHECK_STR(kdk_column_text(all, 1, NULL), "text 1");
    kdk_reset(all);
    /* A table that goes while another connection gives rows of it: those come to their
     * end. */
    kdk_conn *other = NULL;
    CHECK_EQ(kdk_connect(f.db, &other), KDK_OK);
    CHECK_EQ(kdk_step(all, &row), KDK_OK);
    CHECK_EQ(kdk_exec(other, "drop table t; checkpoint", -1), KDK_OK);
    uint32_t rows = 1;
    while (kdk_step(all, &row) == KDK_OK && row)
        rows++;
    CHECK_EQ(rows, 5000);
    CHECK_EQ(kdk_step(all, &row), KDK_UNDEFINED_TABLE);
    ask_all(all);
    CHECK_EQ(kdk_step(key, &row), KDK_UNDEFINED_TABLE);
    ask_all(key);
    CHECK_EQ(kdk_bind_int64(key, 1, 6), KDK_OK);
    CHECK_EQ(kdk_step(key, &row), KDK_UNDEFINED_TABLE);
    /* In a block that it fails. */
    CHECK_EQ(kdk_exec(f.conn, "begin", -1), KDK_OK);
    CHECK_EQ(kdk_step(all, &row), KDK_UNDEFINED_TABLE);
    CHECK_EQ(kdk_step(all, &row), KDK_IN_FAILED_TXN);
    CHECK_EQ(kdk_step(bad, &row), KDK_IN_FAILED_TXN);
    ask_all(all);
    kdk_stmt *late = NULL;
    (void)kdk_prepare(f.conn, "select 1", -1, &late, NULL);
    if (late)
        CHECK_EQ(kdk_step(late, &row), KDK_IN_FAILED_TXN);
    CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    if (late)
        CHECK_EQ(kdk_step(late, &row), KDK_OK);
    kdk_reset(late);
    CHECK_EQ(
        kdk_exec(
            other,
            "create table t (i int primary key, s text); insert into t values (6, 'six')",
            -1),
        KDK_OK);
    CHECK_EQ(kdk_step(key, &row), KDK_OK);
    CHECK_STR(kdk_column_text(key, 0, NULL), "six");
    /* The block that is left open, and statements that are not freed, end with the
     * connection. */
    CHECK_EQ(kdk_exec(other, "begin; insert into t values (7, 'seven')", -1), KDK_OK);
    kdk_stmt *left = NULL;
    CHECK_EQ(kdk_prepare(other, "select i from t", -1, &left, NULL), KDK_OK);
    CHECK_EQ(kdk_step(left, &row), KDK_OK);
    CHECK_EQ(kdk_close(f.db), KDK_BUSY);
    kdk_disconnect(other);
    /* `key` still gives rows. */
    CHECK_EQ(kdk_exec(f.conn, "insert into t values (7, 'seven')", -1), KDK_MISUSE);
    kdk_reset(key);
    CHECK_EQ(kdk_exec(f.conn, "insert into t values (7, 'seven')", -1), KDK_OK);
    teardown(&f);
}

static int64_t read_too_much(void *context, void *into, size_t bytes)
{
    (void)into;
    return *(int *)context ? (int64_t)bytes + 1 : INT64_MIN;
}

static bool write_nothing(void *context, const void *from, size_t bytes)
{
    (void)context;
    (void)from;
    (void)bytes;
    return false;
}

TEST(misuse, copy_without_ends)
{
    struct fixture f;
    int more = 0;
    if (!setup(&f, "create table t (i int)"))
        return;
    CHECK(kdk_exec(f.conn, "copy t from stdin", -1) != KDK_OK);
    CHECK(kdk_exec(f.conn, "copy (select 1) to stdout", -1) != KDK_OK);
    kdk_copy_io io = {read_too_much, write_nothing, &more};
    kdk_set_copy_io(f.conn, &io);
    CHECK_EQ(kdk_exec(f.conn, "copy t from stdin", -1), KDK_IO);
    more = 1;
    CHECK(kdk_exec(f.conn, "copy t from stdin", -1) != KDK_OK);
    CHECK(kdk_exec(f.conn, "copy t from stdin (format arrow)", -1) != KDK_OK);
    CHECK_EQ(kdk_exec(f.conn, "insert into t values (1)", -1), KDK_OK);
    CHECK(kdk_exec(f.conn, "copy t to stdout", -1) != KDK_OK);
    kdk_set_copy_io(f.conn, NULL);
    CHECK(kdk_exec(f.conn, "copy t to stdout", -1) != KDK_OK);
    CHECK_EQ(kdk_exec(f.conn, "select * from t", -1), KDK_OK);
    teardown(&f);
}

/* -------------------------------------------------------------------- interrupts ---- */

static struct {
    kdk_conn *conn;
    _Atomic bool done;
} target;

static void interrupter(void *context)
{
    (void)context;
    while (!atomic_load(&target.done)) {
        kdk_interrupt(target.conn);
        os_sleep_ns(200000);
    }
}

TEST(misuse, threads_interrupt_at_any_time)
{
    struct os_thread *threads[2];
    struct err err = {0};
    struct fixture f;
    uint32_t ended = 0, interrupted = 0;
    if (!setup(&f, "create table n as select g from generate_series(1, 3000) g; create "
                   "table t (i int primary key)"))
        return;
    target.conn = f.conn;
    atomic_store(&target.done, false);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(
            os_thread_new(os_here(), "interrupter", interrupter, NULL, &threads[i], &err),
            KDK_OK);
    for (int i = 0; i < 60; i++) {
        static const char *const sqls[] = {
            "select count(*) from n a, n b where a.g < b.g",
            "insert into t select g from generate_series(1, 20000) g; delete from t",
            "select 1",
            "begin; insert into t values (1); rollback",
            "checkpoint",
            "select g, count(*) from n group by g order by 2"};
        kdk_status status = kdk_exec(f.conn, sqls[i % 6], -1);
        bool failed;
        ended += status == KDK_OK;
        interrupted += status == KDK_INTERRUPTED;
        CHECK(status == KDK_OK || status == KDK_INTERRUPTED);
        if (kdk_in_transaction(f.conn, &failed))
            CHECK_EQ(kdk_exec(f.conn, "rollback", -1), KDK_OK);
    }
    atomic_store(&target.done, true);
    for (int i = 0; i < 2; i++)
        os_thread_join(threads[i]);
    CHECK_EQ(ended + interrupted, 60);
    CHECK(interrupted > 0 && ended > 0);
    CHECK_EQ(kdk_exec(f.conn,
                      "delete from t; insert into t select g from n; select count(*) from "
                      "n a, n b where a.g < b.g",
                      -1),
             KDK_OK);
    teardown(&f);
}

/* ------------------------------------------------------------------------- arrow ---- */

enum stream_end {
    RELEASE_FIRST,
    FREE_FIRST,
    DISCONNECT_FIRST,
    RESET_FIRST,
    STEP_FIRST,
    RUN_TO_END_FIRST,
    SECOND_STREAM_FIRST,
    STREAM_ENDS
};

/* A stream outlives its run, its statement and its connection: then it says so, and gives
 * nothing more. What it gave stays. */
TEST(misuse, streams_released_in_every_order)
{
    static const char *const sqls[] = {
        "select i, s from t", "select i, s from t where i = 7",
        "select i from t where i = -1", "insert into t values (-1, 'x') returning i, s"};
    struct fixture f;
    if (!setup(&f, "create table t (i int primary key, s text); insert into t select g, 'a "
                   "text of more than twelve bytes ' || g from generate_series(1, 6000) g"))
        return;
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++)
        for (int end = 0; end < STREAM_ENDS; end++)
            for (int taken = 0; taken < 3; taken++) {
                struct ArrowArrayStream stream = {0}, second = {0};
                struct ArrowSchema schema = {0};
                struct ArrowArray array = {0}, more = {0};
                kdk_conn *conn = NULL;
                kdk_stmt *stmt = NULL;
                bool row = true;
                CHECK_EQ(kdk_exec(f.conn, "delete from t where i < 0", -1), KDK_OK);
                CHECK_EQ(kdk_connect(f.db, &conn), KDK_OK);
                CHECK_EQ(kdk_prepare(conn, sqls[i], -1, &stmt, NULL), KDK_OK);
                CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK);
                if (taken > 0)
                    CHECK_EQ(stream.get_schema(&stream, &schema), 0);
                if (taken > 1)
                    CHECK_EQ(stream.get_next(&stream, &array), 0);
                switch ((enum stream_end)end) {
                case RELEASE_FIRST:
                    stream.release(&stream);
                    break;
                case FREE_FIRST:
                    kdk_stmt_free(stmt);
                    stmt = NULL;
                    break;
                case DISCONNECT_FIRST:
                    kdk_disconnect(conn);
                    conn = NULL;
                    stmt = NULL;
                    break;
                case RESET_FIRST:
                    kdk_reset(stmt);
                    break;
                case STEP_FIRST:
                    (void)!(kdk_step(stmt, &row) == KDK_OK);
                    ask_all(stmt);
                    break;
                case RUN_TO_END_FIRST:
                    while (row && kdk_step(stmt, &row) == KDK_OK) {
                    }
                    break;
                case SECOND_STREAM_FIRST:
                    CHECK_EQ(kdk_stmt_arrow(stmt, &second), KDK_OK);
                    break;
                case STREAM_ENDS:
                    break;
                }
                if (end != RELEASE_FIRST) {
                    CHECK(stream.get_next(&stream, &more) != 0);
                    CHECK(!more.release);
                    struct ArrowSchema none = {0};
                    CHECK(stream.get_schema(&stream, &none) != 0);
                    CHECK(stream.get_last_error(&stream)[0]);
                    stream.release(&stream);
                }
                CHECK(!stream.release);
                if (end == SECOND_STREAM_FIRST) {
                    CHECK_EQ(second.get_next(&second, &more), 0);
                    second.release(&second);
                }
                kdk_stmt_free(stmt);
                kdk_disconnect(conn);
                if (array.release)
                    CHECK(array.length > 0 && array.n_children > 0 &&
                          array.children[0]->length == array.length);
                if (schema.release)
                    schema.release(&schema);
                if (array.release)
                    array.release(&array);
                if (more.release)
                    more.release(&more);
            }
    /* Kinds without a stream; a stream that was released already; names that are none. */
    struct ArrowArrayStream stream = {0};
    kdk_stmt *stmt = prepared(&f, "show all");
    CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_UNSUPPORTED);
    CHECK_EQ(kdk_stmt_arrow(stmt, NULL), KDK_MISUSE);
    kdk_stmt_free(stmt);
    uint64_t rows = 5;
    CHECK(kdk_insert_arrow(f.conn, "t", &stream, &rows) != KDK_OK);
    CHECK_EQ(rows, 0);
    static const char *const names[] = {"", ".", "a.b.c", "\"", "t\xff", "t;drop table t"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        stmt = prepared(&f, "select 1 as i");
        CHECK_EQ(kdk_stmt_arrow(stmt, &stream), KDK_OK);
        CHECK(kdk_insert_arrow(f.conn, names[i], &stream, NULL) != KDK_OK);
        CHECK(!stream.release);
        kdk_stmt_free(stmt);
    }
    CHECK_EQ(kdk_exec(f.conn, "select 1 from t", -1), KDK_OK);
    teardown(&f);
}
