/* Settings: whatever is accepted has its effect, at once and for whom it should; whatever
 * is refused leaves things as they were. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"
#include "kodiak.h"
#include "os/os.h"

struct world {
    char path[64];
    kdk_db *db;
    kdk_conn *one, *two;
};

static bool setup(struct world *w, const kdk_options *options)
{
    memset(w, 0, sizeof *w);
    snprintf(w->path, sizeof w->path, "/tmp/kodiak-set-XXXXXX");
    return CHECK(mkdtemp(w->path) != NULL) &&
           CHECK_EQ(kdk_open(w->path, options, &w->db, NULL), KDK_OK) &&
           CHECK_EQ(kdk_connect(w->db, &w->one), KDK_OK) &&
           CHECK_EQ(kdk_connect(w->db, &w->two), KDK_OK);
}

static void teardown(struct world *w)
{
    char command[96];
    kdk_disconnect(w->one);
    kdk_disconnect(w->two);
    CHECK_EQ(kdk_close(w->db), KDK_OK);
    snprintf(command, sizeof command, "rm -rf %s", w->path);
    CHECK_EQ(system(command), 0);
}

/* The last row's first value; an error as its SQLSTATE. */
static const char *ask(kdk_conn *conn, const char *sql)
{
    static char out[400];
    kdk_stmt *stmt = NULL;
    bool row = false;
    out[0] = '\0';
    if (kdk_prepare(conn, sql, -1, &stmt, NULL) != KDK_OK)
        return kdk_sqlstate(conn);
    kdk_status status;
    while ((status = kdk_step(stmt, &row)) == KDK_OK && row)
        snprintf(out, sizeof out, "%s", kdk_column_text(stmt, 0, NULL));
    if (status != KDK_OK)
        snprintf(out, sizeof out, "%s", kdk_sqlstate(conn));
    kdk_stmt_free(stmt);
    return out;
}

static bool count_blocks(void *context, const kdk_file *file)
{
    uint64_t *rows = context;
    *rows += file->is_log ? 0 : file->rows;
    return true;
}

static uint64_t rows_in_files(struct world *w)
{
    uint64_t rows = 0;
    CHECK_EQ(kdk_files(w->db, count_blocks, &rows), KDK_OK);
    return rows;
}

TEST(settings, those_of_the_database_hold_for_all_at_once)
{
    static const struct {
        const char *name, *value, *shown, *wrong;
    } all[] = {
        {"bulk_load_rows", "100", "100", "-1"},
        {"bulk_load_rows", "'1000000'", "1000000", "'100 kB'"},
        {"checkpoint_log_bytes", "'64 MB'", "67108864", "'64 hours'"},
        {"memory_limit", "'2GB'", "2147483648", "'99999999999 TB'"},
        {"memory_limit", "500000000", "500000000", "on"},
    };
    static const char *const settings[] = {"bulk_load_rows=300", "checkpoint_log_bytes=1MB",
                                           NULL};
    const kdk_options options = {.size = sizeof options,
                                 .threads = 2,
                                 .memory_limit = 1u << 30,
                                 .settings = settings};
    struct world w;
    char sql[200];
    if (!setup(&w, &options))
        return;
    CHECK_STR(ask(w.one, "show memory_limit"), "1073741824");
    CHECK_STR(ask(w.one, "show bulk_load_rows"), "300");
    CHECK_STR(ask(w.one, "show checkpoint_log_bytes"), "1048576");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char before[64];
        snprintf(sql, sizeof sql, "show %s", all[i].name);
        snprintf(before, sizeof before, "%s", ask(w.two, sql));
        snprintf(sql, sizeof sql, "set %s = %s", all[i].name, all[i].wrong);
        CHECK_STR(ask(w.two, sql), "22023");
        snprintf(sql, sizeof sql, "show %s", all[i].name);
        CHECK_STR(ask(w.two, sql), before);
        snprintf(sql, sizeof sql, "set %s = %s", all[i].name, all[i].value);
        CHECK_STR(ask(w.one, sql), "");
        snprintf(sql, sizeof sql, "show %s", all[i].name);
        CHECK_STR(ask(w.one, sql), all[i].shown);
        CHECK_STR(ask(w.two, sql), all[i].shown);
    }
    /* RESET ALL is of the session; RESET of one gives back what it was at opening. */
    CHECK_EQ(kdk_exec(w.two, "reset all", -1), KDK_OK);
    CHECK_STR(ask(w.two, "show bulk_load_rows"), "1000000");
    CHECK_EQ(
        kdk_exec(
            w.two,
            "reset bulk_load_rows; reset memory_limit; set checkpoint_log_bytes to default",
            -1),
        KDK_OK);
    CHECK_STR(ask(w.one, "show bulk_load_rows"), "300");
    CHECK_STR(ask(w.one, "show memory_limit"), "1073741824");
    CHECK_STR(ask(w.one, "show checkpoint_log_bytes"), "1048576");
    /* 0 is the default, and it is told what that is. */
    CHECK_EQ(
        kdk_exec(
            w.two,
            "set memory_limit = 0; set bulk_load_rows = 0; set checkpoint_log_bytes = 0",
            -1),
        KDK_OK);
    CHECK(strtoull(ask(w.one, "show memory_limit"), NULL, 10) > 1u << 20);
    CHECK(strtoull(ask(w.one, "show bulk_load_rows"), NULL, 10) > 0);
    CHECK(strtoull(ask(w.one, "show checkpoint_log_bytes"), NULL, 10) > 0);
    teardown(&w);
}

TEST(settings, of_the_session)
{
    const kdk_options options = {.size = sizeof options, .threads = 3};
    struct world w;
    if (!setup(&w, &options))
        return;
    CHECK_STR(ask(w.one, "show threads"), "3");
    CHECK_STR(ask(w.one, "set threads = 2"), "");
    CHECK_STR(ask(w.one, "show threads"), "2");
    CHECK_STR(ask(w.two, "show threads"), "3");
    CHECK_STR(ask(w.one, "set threads = 4"), "22023");
    CHECK_STR(ask(w.one, "set threads = '2kB'"), "22023");
    CHECK_STR(ask(w.one, "show threads"), "2");
    CHECK_STR(ask(w.one, "set threads = 0"), "");
    CHECK_STR(ask(w.one, "show threads"), "3");
    /* Any spelling of yes is yes. */
    CHECK_STR(ask(w.one, "set optimizer = 1"), "");
    CHECK_STR(ask(w.one, "show optimizer"), "on");
    CHECK_STR(ask(w.one, "set optimizer = 'NO'"), "");
    CHECK_STR(ask(w.one, "show optimizer"), "off");
    CHECK_STR(ask(w.one, "set optimizer = maybe"), "22023");
    CHECK_STR(ask(w.one, "reset all"), "");
    CHECK_STR(ask(w.one, "show optimizer"), "on");
    /* What is always so can be said; what would be otherwise cannot. */
    CHECK_STR(ask(w.one, "set client_encoding = 'utf-8'"), "");
    CHECK_STR(ask(w.one, "show client_encoding"), "UTF8");
    CHECK_STR(ask(w.one, "set datestyle = 'ISO'"), "");
    CHECK_STR(ask(w.one, "show datestyle"), "ISO, MDY");
    CHECK_STR(ask(w.one, "set datestyle = 'ISO, DMY'"), "0A000");
    CHECK_STR(ask(w.one, "set timezone = 'utc'"), "");
    CHECK_STR(ask(w.one, "show timezone"), "UTC");
    CHECK_STR(ask(w.one, "set timezone = 'Europe/Berlin'"), "0A000");
    CHECK_STR(ask(w.one, "set no_such = 1"), "42704");
    teardown(&w);
}

/* Plans with and without the optimizer differ: a spelling of "on" must not switch it
 * off. */
TEST(settings, optimizer_has_its_effect)
{
    static const char *const values[] = {"on",  "true",  "'yes'", "1",
                                         "off", "false", "'no'",  "0"};
    char sql[80], plans[8][400];
    struct world w;
    if (!setup(&w, NULL))
        return;
    CHECK_EQ(kdk_exec(w.one,
                      "create table t (a int primary key, b int); insert into t select g, "
                      "g from generate_series(1, 1000) g",
                      -1),
             KDK_OK);
    for (size_t i = 0; i < 8; i++) {
        snprintf(sql, sizeof sql, "set optimizer = %s", values[i]);
        CHECK_EQ(kdk_exec(w.one, sql, -1), KDK_OK);
        snprintf(
            plans[i], sizeof plans[i], "%s",
            ask(w.one, "explain select x.b from t x, t y where x.a = y.b and y.a = 5"));
        CHECK((strcmp(plans[i], plans[0]) == 0) == (i < 4));
    }
    teardown(&w);
}

TEST(settings, bulk_load_rows_has_its_effect)
{
    struct world w;
    if (!setup(&w, NULL))
        return;
    CHECK_EQ(kdk_exec(w.one, "set bulk_load_rows = 100000; create table t (i int)", -1),
             KDK_OK);
    CHECK_EQ(kdk_exec(w.two, "insert into t select * from generate_series(1, 5000)", -1),
             KDK_OK);
    CHECK_EQ(rows_in_files(&w), 0);
    CHECK_EQ(kdk_exec(w.one, "set bulk_load_rows = 100", -1), KDK_OK);
    CHECK_EQ(kdk_exec(w.two, "insert into t select * from generate_series(1, 5000)", -1),
             KDK_OK);
    CHECK(rows_in_files(&w) >= 1);
    CHECK_STR(ask(w.two, "select count(*) from t"), "10000");
    teardown(&w);
}

static uint64_t manifest_hash(struct world *w)
{
    char path[96];
    uint64_t n = 0;
    snprintf(path, sizeof path, "%s/MANIFEST", w->path);
    FILE *file = fopen(path, "rb");
    for (int c; file && (c = fgetc(file)) != EOF;)
        n = n * 1099511628211u + (uint64_t)c;
    if (file)
        fclose(file);
    return n;
}

TEST(settings, checkpoint_log_bytes_has_its_effect)
{
    static const char *const settings[] = {"checkpoint_log_bytes=1GB", NULL};
    const kdk_options options = {.size = sizeof options, .settings = settings};
    struct world w;
    if (!setup(&w, &options))
        return;
    CHECK_EQ(kdk_exec(w.one, "create table t (i int, s text); checkpoint", -1), KDK_OK);
    const uint64_t before = manifest_hash(&w);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(kdk_exec(w.one, "insert into t values (1, repeat('x', 10000))", -1),
                 KDK_OK);
    os_sleep_ns(20000000);
    CHECK(manifest_hash(&w) == before);
    CHECK_EQ(kdk_exec(w.two, "set checkpoint_log_bytes = 10000", -1), KDK_OK);
    CHECK_EQ(kdk_exec(w.one, "insert into t values (2, 'y')", -1), KDK_OK);
    for (int i = 0; i < 1000 && manifest_hash(&w) == before; i++)
        os_sleep_ns(10000000);
    CHECK(manifest_hash(&w) != before);
    teardown(&w);
}

TEST(settings, memory_limit_has_its_effect)
{
    static const char greedy[] = "select count(*) from (select a, a * 7 % 1000003 as b "
                                 "from generate_series(1, 300000) s (a) order by b) s";
    struct world w;
    if (!setup(&w, NULL))
        return;
    CHECK_STR(ask(w.one, greedy), "300000");
    CHECK_EQ(kdk_exec(w.two, "set memory_limit = '1MB'", -1), KDK_OK);
    CHECK_STR(ask(w.one, greedy), "53200");
    CHECK_EQ(kdk_exec(w.two, "reset memory_limit", -1), KDK_OK);
    CHECK_STR(ask(w.one, greedy), "300000");
    teardown(&w);
}

/* ------------------------------------------------------------------- threads ---- */

static struct {
    kdk_db *db;
    _Atomic uint32_t failed, ended;
} shared;

static void setter(void *context)
{
    static const char *const sqls[] = {"set memory_limit = '64MB'",
                                       "set bulk_load_rows = 20",
                                       "set checkpoint_log_bytes = 20000",
                                       "set memory_limit = 0",
                                       "reset bulk_load_rows",
                                       "set checkpoint_log_bytes = '1GB'",
                                       "show all",
                                       "set threads = 1",
                                       "reset all"};
    kdk_conn *conn = NULL;
    if (kdk_connect(shared.db, &conn) != KDK_OK)
        return;
    for (size_t i = 0; i < 300; i++)
        if (kdk_exec(conn, sqls[(i + (uintptr_t)context) % (sizeof sqls / sizeof *sqls)],
                     -1) != KDK_OK)
            atomic_fetch_add(&shared.failed, 1);
    kdk_disconnect(conn);
    atomic_fetch_add(&shared.ended, 1);
}

TEST(settings, concurrent_changes)
{
    enum { SETTERS = 3 };
    const kdk_options options = {.size = sizeof options, .threads = 2};
    struct os_thread *threads[SETTERS];
    struct err err = {0};
    struct world w;
    int64_t rows = 0;
    if (!setup(&w, &options))
        return;
    memset(&shared, 0, sizeof shared);
    shared.db = w.db;
    CHECK_EQ(kdk_exec(w.one, "create table t (i int, s text)", -1), KDK_OK);
    for (size_t i = 0; i < SETTERS; i++)
        CHECK_EQ(
            os_thread_new(os_here(), "setter", setter, (void *)(i * 3), &threads[i], &err),
            KDK_OK);
    for (; atomic_load(&shared.ended) < SETTERS || rows < 4000; rows += 200) {
        CHECK_EQ(
            kdk_exec(w.one,
                     "insert into t select g, 'text ' || g from generate_series(1, 200) g",
                     -1),
            KDK_OK);
        if (rows % 1000 == 0)
            CHECK_EQ(kdk_exec(w.one, "checkpoint freeze t; select sum(i) from t", -1),
                     KDK_OK);
    }
    for (size_t i = 0; i < SETTERS; i++)
        os_thread_join(threads[i]);
    CHECK_EQ(atomic_load(&shared.failed), 0);
    CHECK_EQ(strtoll(ask(w.two, "select count(*) from t"), NULL, 10), rows);
    teardown(&w);
}
