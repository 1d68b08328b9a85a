/* upkeep_test.c - what a database does by itself: checkpoints in the background that no
 * commit waits for and whose failure is told, and a log that takes commits back when there
 * is no space for them, and goes on when there is. On the simulated system. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_int.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"
#include "table/disk.h"
#include "wal/wal.h"

enum { WRITERS = 4, ROWS = 150, LOG_BYTES = 24576 };

struct world {
    struct sim *sim;
    int log_bytes;
    kdk_db *db;
    kdk_conn *conn;
    uint32_t next, ended; /* Writers. */
    uint32_t busy;        /* Commits that returned while a checkpoint ran. */
    uint64_t runs;        /* Checkpoints in the background. */
    /* How far behind the position that makes one due the log has got. */
    int64_t beyond;
    unsigned told;
    char notice[400];
};

static void keep_notice(void *context, const char *text)
{
    struct world *w = context;
    w->told++;
    snprintf(w->notice, sizeof w->notice, "%s", text);
}

static bool open_world(struct world *w)
{
    char setting[64];
    const char *with[] = {setting, NULL};
    kdk_error error;
    kdk_options options = {.size = sizeof options, .threads = 1, .settings = with};
    snprintf(setting, sizeof setting, "checkpoint_log_bytes=%d", w->log_bytes);
    if (!CHECK_EQ(kdk_open("/db", &options, &w->db, &error), KDK_OK)) {
        printf("%s\n", error.message);
        return false;
    }
    if (!CHECK_EQ(kdk_connect(w->db, &w->conn), KDK_OK))
        return false;
    kdk_on_notice(w->conn, keep_notice, w);
    return true;
}

static void close_world(struct world *w)
{
    kdk_disconnect(w->conn);
    CHECK_EQ(kdk_close(w->db), KDK_OK);
    w->db = NULL;
}

static struct disk *disk_of(struct world *w)
{
    return w->db->store->disk;
}

static kdk_status insert(kdk_conn *conn, uint32_t id)
{
    char sql[800];
    snprintf(sql, sizeof sql, "insert into t values (%u, repeat('x', %u))", id,
             50 + id % 300);
    return kdk_exec(conn, sql, -1);
}

/* The only value, as text. */
static void ask(kdk_conn *conn, const char *sql, char *out, size_t room)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    *out = '\0';
    CHECK_EQ(kdk_prepare(conn, sql, -1, &stmt, NULL), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    if (row && !kdk_column_null(stmt, 0))
        snprintf(out, room, "%s", kdk_column_text(stmt, 0, NULL));
    kdk_stmt_free(stmt);
}

static int64_t number(kdk_conn *conn, const char *sql)
{
    char text[64];
    ask(conn, sql, text, sizeof text);
    return strtoll(text, NULL, 10);
}

static struct sim *simulator(uint64_t seed, bool copies)
{
    struct sim *sim = NULL;
    struct err err = {0};
    struct sim_options options = {.seed = seed, .copies_on_write = copies};
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    return sim;
}

/* ------------------------------------------------------------------ checkpoints ---- */

static void write_rows(void *context)
{
    struct world *w = context;
    const uint32_t writer = w->next++;
    struct disk *disk = disk_of(w);
    kdk_conn *conn = NULL;
    CHECK_EQ(kdk_connect(w->db, &conn), KDK_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        CHECK_EQ(insert(conn, writer * ROWS + i), KDK_OK);
        w->busy += atomic_load_explicit(&disk->busy, memory_order_relaxed);
        const uint64_t at = wal_position(w->db->store->wal),
                       since = atomic_load_explicit(&disk->since_lsn, memory_order_relaxed);
        w->beyond = MAX(w->beyond, (int64_t)(at - since) - (int64_t)w->log_bytes);
    }
    kdk_disconnect(conn);
    w->ended++;
}

static void grow_the_log(void *context)
{
    struct world *w = context;
    struct os_thread *threads[WRITERS];
    struct err err = {0};
    if (!open_world(w))
        return;
    CHECK_EQ(kdk_exec(w->conn, "create table t (id integer primary key, s text)", -1),
             KDK_OK);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_EQ(os_thread_new(os_here(), "writer", write_rows, w, &threads[i], &err),
                 KDK_OK);
    for (uint32_t i = 0; i < WRITERS; i++)
        os_thread_join(threads[i]);
    w->runs = disk_of(w)->upkeep.runs;
    CHECK_EQ(store_checkpoint_failures(w->db->store), 0);
    close_world(w);
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from t"), WRITERS * ROWS);
    int64_t problems = -1;
    CHECK_EQ(kdk_check(w->db, &problems, NULL, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    close_world(w);
}

/* Nobody asked for a checkpoint here. Commits return while one runs, but the log does not
 * get away: one that finds it twice as long waits. The same seed gives the same history. */
TEST(upkeep, no_commit_waits_for_a_checkpoint_unless_the_log_is_too_long)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t trace = 0;
        for (int round = 0; round < 2; round++) {
            struct world w = {.sim = simulator(seed, false), .log_bytes = LOG_BYTES};
            CHECK(sim_run(w.sim, grow_the_log, &w));
            CHECK_EQ(w.ended, WRITERS);
            CHECK(w.runs >= 3);
            CHECK(w.busy >= 20);
            CHECK(w.beyond <= LOG_BYTES + WRITERS * 2048);
            CHECK(round == 0 || trace == sim_trace_hash(w.sim));
            trace = sim_trace_hash(w.sim);
            sim_free(w.sim);
        }
    }
}

static void fail_and_tell(void *context)
{
    struct world *w = context;
    char why[400];
    uint32_t id = 0;
    if (!open_world(w))
        return;
    CHECK_EQ(kdk_exec(w->conn,
                      "create table t (id integer primary key, s text); checkpoint", -1),
             KDK_OK);
    ask(w->conn, "show checkpoint_failure", why, sizeof why);
    CHECK(!*why);
    sim_full_at(w->sim, sim_calls_all(w->sim) + 1, true);
    kdk_status status = KDK_OK;
    for (; id < 2000 && status == KDK_OK && w->told == 0; id++)
        status = insert(w->conn, id);
    const uint32_t there = id - (status != KDK_OK);
    /* The log itself may need space before the failure is told. */
    CHECK(status == KDK_OK || status == KDK_FULL);
    os_sleep_ns(50000000);
    if (w->told == 0)
        CHECK_EQ(number(w->conn, "select 1"), 1);
    CHECK(w->told >= 1);
    CHECK(strncmp(w->notice, "WARNING:  a checkpoint in the background failed", 46) == 0);
    ask(w->conn, "show checkpoint_failure", why, sizeof why);
    CHECK(strstr(why, "no space left") != NULL);
    CHECK_EQ(kdk_exec(w->conn, "set checkpoint_failure = 'x'", -1), KDK_UNSUPPORTED);
    /* Each connection is told once. */
    const unsigned told = w->told;
    kdk_conn *other;
    CHECK_EQ(kdk_connect(w->db, &other), KDK_OK);
    kdk_on_notice(other, keep_notice, w);
    CHECK_EQ(number(other, "select count(*) from t"), there);
    CHECK_EQ(number(other, "select count(*) from t"), there);
    CHECK_EQ(w->told, told + 1);
    kdk_disconnect(other);
    /* With space again the next one goes well. */
    sim_full_at(w->sim, 0, false);
    for (uint32_t i = 0; i < 1000 && store_checkpoint_failure(w->db->store, NULL) != KDK_OK;
         i++)
        CHECK_EQ(insert(w->conn, 10000 + i), KDK_OK);
    ask(w->conn, "show checkpoint_failure", why, sizeof why);
    CHECK(!*why);
    close_world(w);
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from t where id < 10000"), there);
    close_world(w);
}

TEST(upkeep, a_checkpoint_that_fails_is_told)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        /* Tiny segments are full soon. */
        struct world w = {.sim = simulator(seed, false),
                          .log_bytes = KDK_PICK(LOG_BYTES, 512)};
        CHECK(sim_run(w.sim, fail_and_tell, &w));
        CHECK(w.told >= 2);
        sim_free(w.sim);
    }
}

/* ----------------------------------------------------------- no space in the log ---- */

/* Refused for want of space, but for the rare write that was refused and is all there
 * nevertheless. */
static bool refused(struct world *w, kdk_status status)
{
    if (status == KDK_OK)
        return false;
    CHECK_EQ(status, KDK_FULL);
    CHECK(strcmp(kdk_sqlstate(w->conn), "53100") == 0);
    w->told++;
    return true;
}

static void refuse_and_heal(void *context)
{
    struct world *w = context;
    uint32_t id = 0, gone = 0, changed = 0;
    if (!open_world(w))
        return;
    CHECK_EQ(
        kdk_exec(
            w->conn,
            "create table t (id integer primary key, s text); create index t_s on t (s)",
            -1),
        KDK_OK);
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < 5; i++)
            CHECK_EQ(insert(w->conn, id++), KDK_OK);
        /* On a system that never writes in place, what was written before needs space as
         * well. */
        sim_full_at(w->sim, sim_calls_all(w->sim) + 1, true);
        for (uint32_t i = 0; i < 3; i++) {
            const bool block = i == 2;
            if (block)
                CHECK_EQ(kdk_exec(w->conn, "begin", -1), KDK_OK);
            kdk_status status = insert(w->conn, id);
            if (block && status == KDK_OK)
                status = kdk_exec(w->conn, "commit", -1);
            id += !refused(w, status);
            if (block && status != KDK_OK)
                CHECK_EQ(kdk_exec(w->conn, "rollback", -1), KDK_OK);
            if (!refused(w, kdk_exec(w->conn, "update t set s = 'never' where id = 1", -1)))
                changed = 1;
            if (!refused(w, kdk_exec(w->conn, "delete from t where id = 2", -1)))
                gone = 1;
            if (!refused(w,
                         kdk_exec(w->conn, "create table if not exists u (a integer)", -1)))
                CHECK_EQ(number(w->conn, "select count(*) from u"), 0);
            CHECK_EQ(number(w->conn, "select count(*) from t"), id - gone);
            CHECK_EQ(number(w->conn, "select count(*) from t where s > 'x' and s < 'y'"),
                     id - gone - changed);
        }
        sim_full_at(w->sim, 0, false);
    }
    CHECK_EQ(insert(w->conn, id++), KDK_OK);
    CHECK_EQ(kdk_exec(w->conn, "create table if not exists u (a integer)", -1), KDK_OK);
    close_world(w);
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from t"), id - gone);
    CHECK_EQ(number(w->conn, "select count(*) from t where s > 'x' and s < 'y'"),
             id - gone - changed);
    CHECK_EQ(number(w->conn, "select count(*) from u"), 0);
    int64_t problems = -1;
    CHECK_EQ(kdk_check(w->db, &problems, NULL, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    close_world(w);
}

TEST(upkeep, commits_without_space_are_refused_and_it_heals)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w = {.sim = simulator(seed, true), .log_bytes = LOG_BYTES};
        CHECK(sim_run(w.sim, refuse_and_heal, &w));
        CHECK(w.told >= 30);
        sim_free(w.sim);
    }
}
