/* sweep_test.c - what fails, fails cleanly: every I/O call and every allocation of a
 * workload on disk fails once, and from there on; and the disk is full at each call, and
 * from there on.
 *
 * The workload is COPY, schema changes, changes of rows hot and cold, checkpoints, freezes,
 * closing, and recovery after a cut. It has phases; each begins with the disk that the
 * whole phase before it left and opens the database. A step is a transaction that also
 * writes its number into a journal, so afterwards the journal tells which steps are there.
 * A database in memory that makes these steps and no others must give the same answers: so
 * whatever failed is there whole or not at all. Whatever was acknowledged must be there.
 * After the failure the same database goes on if it was for want of memory or space; in any
 * case it is closed, loses its power, and opens, and its check is clean. No block of memory
 * stays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

/* The full sweep is for builds that are fast: others leave out all but each THIN-th call,
 * about, and of allocations yet more. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { THIN = 11 };
#elif KDK_TINY || !defined __OPTIMIZE__
enum { THIN = 3 };
#else
enum { THIN = 1 };
#endif

enum { PHASES = 5, STEPS_MAX = 48, PROBE = 100 };

static const struct {
    int phase;
    /* PLAIN: changes nothing that is asked. LOAD: a statement by itself; that its rows are
     * there tells that it was. */
    enum { BLOCK, PLAIN, LOAD } kind;
    const char *sql;
} steps[] = {
    {0, BLOCK,
     "create table t (id integer primary key, name text, n numeric(10,2) default 1.5, "
     "check (id < 100000))"},
    {0, BLOCK, "copy t from '/in.csv' (format csv, header)"},
    {0, BLOCK, "create index t_name on t (name)"},
    {0, BLOCK, "create view v as select id, upper(name) as big from t"},
    {0, BLOCK, "update t set name = name || '!' where id % 3 = 0"},
    {0, PLAIN, "checkpoint"},
    {0, BLOCK,
     "insert into t select g, 'more ' || g, g from generate_series(200, 230) as s (g)"},
    {1, BLOCK, "delete from t where id % 7 = 0"},
    {1, PLAIN, "checkpoint freeze"},
    {1, BLOCK, "update t set n = n + 1 where id < 10"},
    {1, BLOCK, "update t set id = id + 1000 where id between 20 and 25"},
    {1, BLOCK, "create table u (k bigint, b bytea, d date)"},
    {1, BLOCK,
     "insert into u select g, '\\x00ff', date '2000-01-01' + g from generate_series(1, 40) "
     "as s (g)"},
    {1, BLOCK, "create unique index u_k on u (k)"},
    {1, PLAIN, "copy u to '/out.csv' (format csv)"},
    {1, PLAIN, "checkpoint freeze t"},
    {1, BLOCK, "alter table t add column extra bigint default 7"},
    {1, BLOCK, "delete from t where name like 'more%' and id % 2 = 0"},
    {2, BLOCK, "insert into t (id, name, extra) values (3000, 'hot', 9)"},
    {2, BLOCK, "alter table t drop column n"},
    {2, BLOCK, "drop table u"},
    {2, BLOCK, "drop view v"},
    {2, PLAIN, "checkpoint freeze"},
    {2, BLOCK, "update t set name = 'cold and changed' where id = 1"},
    {2, BLOCK, "drop index t_name"},
    {3, BLOCK, "insert into t (id, name) values (4000, 'after')"},
    {3, PLAIN, "checkpoint freeze"},
    {4, BLOCK, "create table big (id integer primary key, v text)"},
    {4, LOAD, "copy big from '/big.csv' (format csv)"},
    {4, BLOCK, "delete from big where id % 5 = 0 and id <= 100"},
};
/* The phase before it ends without closing. */
static const bool opens_by_recovery[PHASES] = {false, false, true, true, false};

static const char *const questions[] = {
    "select * from t order by id",
    "select id from t where id = 1021",
    "select id from t where name = 'row 5' or name = 'more 201' order by id",
    "select name from t where name = 'cold and changed'",
    "select * from v order by id",
    "select * from u order by k",
    "select k from u where k = 17",
    "select count(*), sum(id), min(v), max(v) from big",
    "select v from big where id = 99 or id = 2000 order by id",
};

/* Rows behind the first batch of a large statement go into files of its own. */
static const char *const settings[] = {"bulk_load_rows=1", NULL};
enum { BIG_ROWS = 2 * BATCH_ROWS + 100 };

/* ---- One connection ---- */

/* All answers as text, with the class of what failed. */
static void ask(kdk_conn *conn, struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        kdk_stmt *stmt = NULL;
        bool row = false;
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
    }
}

/* The steps that the journal has; 0 without one. False: it cannot be read. */
static bool read_journal(kdk_conn *conn, uint64_t *there, uint32_t *probes)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    *there = 0;
    *probes = 0;
    kdk_status status = kdk_prepare(conn, "select i from journal", -1, &stmt, NULL);
    if (status == KDK_UNDEFINED_TABLE)
        status = KDK_OK;
    while (stmt && status == KDK_OK && (status = kdk_step(stmt, &row)) == KDK_OK && row) {
        int64_t i = kdk_column_int64(stmt, 0);
        if (i < STEPS_MAX)
            *there |= 1ull << i;
        else
            *probes |= 1u << (i - PROBE);
    }
    kdk_stmt_free(stmt);
    for (size_t i = 0; i < COUNT_OF(steps) && status == KDK_OK; i++) {
        if (steps[i].kind != LOAD)
            continue;
        stmt = NULL;
        row = false;
        status = kdk_prepare(conn, "select id from big limit 1", -1, &stmt, NULL);
        if (status == KDK_OK && (status = kdk_step(stmt, &row)) == KDK_OK && row)
            *there |= 1ull << i;
        kdk_stmt_free(stmt);
        if (status == KDK_UNDEFINED_TABLE)
            status = KDK_OK;
    }
    return status == KDK_OK;
}

static kdk_status step_run(kdk_conn *conn, size_t i)
{
    char sql[512];
    if (steps[i].kind != BLOCK)
        return kdk_exec(conn, steps[i].sql, -1);
    snprintf(sql, sizeof sql,
             "begin; %s; create table if not exists journal (i integer primary key); "
             "insert into journal values (%zu); commit",
             steps[i].sql, i);
    return kdk_exec(conn, sql, -1);
}

/* ---- What should be there ---- */

struct reference {
    uint64_t steps;
    char *answers;
};
static struct reference *references;
static size_t reference_count;

/* What a database in memory says that made these steps, in order. */
static const char *reference_of(uint64_t there)
{
    for (size_t i = 0; i < reference_count; i++)
        if (references[i].steps == there)
            return references[i].answers;
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    struct buf out = {0};
    kdk_options options = {.size = sizeof options, .threads = 1, .settings = settings};
    CHECK_EQ(kdk_open(":memory:", &options, &db, NULL), KDK_OK);
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (there >> i & 1 && !CHECK_EQ(step_run(conn, i), KDK_OK))
            check_str(kdk_errmsg(conn), "", steps[i].sql, __FILE__, __LINE__);
    ask(conn, &out);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
    struct reference *grown =
        mem_realloc(references, (reference_count + 1) * sizeof *references);
    if (!CHECK(grown))
        return "";
    references = grown;
    references[reference_count] = (struct reference){there, mem_strdup(out.data)};
    buf_deinit(&out);
    return references[reference_count++].answers;
}

static void references_free(void)
{
    for (size_t i = 0; i < reference_count; i++)
        mem_free(references[i].answers);
    mem_free(references);
    references = NULL;
    reference_count = 0;
}

/* ---- One life ---- */

enum fault { NONE, IO, SPACE, MEMORY };
static const char *const fault_names[] = {"no fault", "I/O call", "call on a full disk",
                                          "allocation"};

static struct life {
    struct sim *sim;
    int phase;
    enum fault fault;
    uint64_t at; /* Which fails, counted from 1; 0: none. */
    bool and_on;
    bool no_close; /* Ends in the middle. */
    /* Out */
    uint64_t acknowledged, before, refused;
    uint64_t calls;  /* Of the kind that fails. */
    uint32_t probes; /* Acknowledged. */
    char said[512];  /* By the last statement that was refused. */
    bool problem;    /* Something was wrong: where is printed. */
} life;

/* CHECK that also tells which life it was. */
#define EXPECT(COND) expect((COND), #COND, __LINE__)
static bool expect(bool ok, const char *what, int line)
{
    if (!ok && !life.problem)
        fprintf(stderr, "phase %d, %s %" PRIu64 "%s: %s\n", life.phase,
                fault_names[life.fault], life.at, life.and_on ? " and all later ones" : "",
                life.said);
    life.problem |= !ok;
    return check_true(ok, what, __FILE__, line);
}

static void problem(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "check: %s\n", line);
}

static void set_fault(bool on)
{
    uint64_t at = on ? life.at : 0;
    if (life.fault == IO)
        sim_fail_at(life.sim, at, life.and_on, KDK_IO);
    if (life.fault == SPACE)
        sim_full_at(life.sim, at, life.and_on);
    if (life.fault == MEMORY) {
        if (at)
            mem_fail_after(at - 1, life.and_on);
        else
            (void)mem_fail_never();
    }
}

/* Is it an error that the failure explains? What builds on a step that failed may fail for
 * that. */
static bool sensible(kdk_status status)
{
    bool follows = status == KDK_UNDEFINED_TABLE || status == KDK_UNDEFINED_COLUMN ||
                   status == KDK_UNDEFINED_OBJECT || status == KDK_DUPLICATE_TABLE ||
                   status == KDK_IN_FAILED_TXN || status == KDK_ACTIVE_TXN;
    switch (life.fault) {
    case NONE:
        return false;
    case IO:
        return status == KDK_IO || status == KDK_READ_ONLY || follows;
    case SPACE:
        return status == KDK_FULL || follows;
    case MEMORY:
        return status == KDK_NOMEM || follows;
    }
    return false;
}

/* Is a new journal entry durable and seen, on this database as it is? */
static void go_on(kdk_db *db)
{
    kdk_conn *conn = NULL;
    uint64_t there;
    uint32_t probes;
    int64_t problems = 0;
    struct buf out = {0};
    char sql[160];
    if (!EXPECT(kdk_connect(db, &conn) == KDK_OK))
        return;
    if (EXPECT(read_journal(conn, &there, &probes))) {
        EXPECT((there & life.acknowledged) == life.acknowledged);
        /* What was refused is not there. */
        EXPECT((there & ~life.acknowledged) == 0 || life.fault == IO);
        ask(conn, &out);
        if (!EXPECT(strcmp(out.data, reference_of(there)) == 0))
            check_str(out.data, reference_of(there), "answers", __FILE__, __LINE__);
    }
    EXPECT(kdk_check(db, &problems, problem, NULL) == KDK_OK);
    EXPECT(problems == 0);
    snprintf(sql, sizeof sql,
             "create table if not exists journal (i integer primary key); insert into "
             "journal values (%d)",
             PROBE + life.phase);
    kdk_status status = kdk_exec(conn, sql, -1);
    if (status == KDK_OK)
        life.probes = 1u << life.phase;
    else if (!EXPECT(life.fault == IO && sensible(status)))
        check_str(kdk_errmsg(conn), "", sql, __FILE__, __LINE__);
    kdk_disconnect(conn);
    buf_deinit(&out);
}

static void live(void *context)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_error error = {0};
    kdk_options options = {.size = sizeof options, .threads = 1, .settings = settings};
    uint64_t calls = sim_calls_all(life.sim);
    struct mem_stats from, to;
    (void)context;

    life.at += life.fault == IO || life.fault == SPACE ? (life.at ? calls : 0) : 0;
    mem_stats(&from);
    set_fault(true);
    kdk_status status = kdk_open("/db", &options, &db, &error);
    if (status != KDK_OK) {
        life.refused++;
        if (!EXPECT(sensible(status)))
            check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
        EXPECT(error.message[0] != '\0' && strlen(error.sqlstate) == 5);
        db = NULL;
    }
    for (size_t i = 0; i < COUNT_OF(steps) && db; i++) {
        if (steps[i].phase != life.phase)
            continue;
        if (!conn && (status = kdk_connect(db, &conn)) != KDK_OK) {
            EXPECT(sensible(status));
            life.refused++;
            conn = NULL;
            continue;
        }
        status = step_run(conn, i);
        if (status == KDK_OK) {
            life.acknowledged |= steps[i].kind == PLAIN ? 0 : 1ull << i;
            continue;
        }
        life.refused++;
        if (!EXPECT(sensible(status)))
            check_str(kdk_errmsg(conn), "", steps[i].sql, __FILE__, __LINE__);
        EXPECT(kdk_errmsg(conn)[0] != '\0');
        snprintf(life.said, sizeof life.said, "%s: %s: %s", steps[i].sql,
                 kdk_sqlstate(conn), kdk_errmsg(conn));
        if (steps[i].kind == BLOCK && kdk_in_transaction(conn, NULL)) {
            status = kdk_exec(conn, "rollback", -1);
            EXPECT(status == KDK_OK || sensible(status));
        }
        if (life.fault == SPACE) { /* Reads go on. */
            status = kdk_exec(conn,
                              "select * from t order by name; select id from t where id = "
                              "17; select * from journal",
                              -1);
            EXPECT(status == KDK_OK || status == KDK_UNDEFINED_TABLE ||
                   status == KDK_UNDEFINED_COLUMN);
        }
    }
    if (life.no_close) { /* The power goes. */
        struct err err = {0};
        sim_cut_at(life.sim, sim_calls_mutating(life.sim) + 1);
        (void)!(os_mkdir(os_here(), "/cut", &err) == KDK_OK);
        return;
    }
    mem_stats(&to);
    const bool hit = life.at && (life.fault == MEMORY ? to.calls - from.calls
                                                      : sim_calls_all(life.sim)) >= life.at;
    if (db && hit && (!life.and_on || life.at % 2)) {
        /* Space, memory and the disk are back. */
        set_fault(false);
        kdk_disconnect(conn);
        conn = NULL;
        go_on(db);
    }
    kdk_disconnect(conn);
    if (db && (status = kdk_close(db)) != KDK_OK) {
        life.refused++;
        if (!EXPECT(life.fault == IO || sensible(status)))
            check_eq(status, KDK_OK, "kdk_close", __FILE__, __LINE__);
    }
    mem_stats(&to);
    if (life.at)
        set_fault(false);
    life.calls =
        life.fault == MEMORY ? to.calls - from.calls : sim_calls_all(life.sim) - calls;
}

/* After a power cut: all is there, and is sound. */
static void examine(void *context)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_error error = {0};
    uint64_t there;
    uint32_t probes;
    int64_t problems = 0;
    struct buf out = {0};
    kdk_options options = {.size = sizeof options, .threads = 1, .settings = settings};
    (void)context;
    if (!EXPECT(kdk_open("/db", &options, &db, &error) == KDK_OK)) {
        check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
        return;
    }
    EXPECT(kdk_check(db, &problems, problem, NULL) == KDK_OK);
    EXPECT(problems == 0);
    EXPECT(kdk_connect(db, &conn) == KDK_OK);
    if (EXPECT(read_journal(conn, &there, &probes))) {
        EXPECT((there & life.acknowledged) == life.acknowledged);
        EXPECT((probes & life.probes) == life.probes);
        EXPECT((there & ~life.acknowledged) == 0 || life.fault == IO);
        ask(conn, &out);
        if (!EXPECT(strcmp(out.data, reference_of(there)) == 0))
            check_str(out.data, reference_of(there), "answers", __FILE__, __LINE__);
    }
    EXPECT(kdk_exec(conn,
                    "create table z (a integer); insert into z values (1); drop table z",
                    -1) == KDK_OK);
    kdk_disconnect(conn);
    EXPECT(kdk_close(db) == KDK_OK);
    buf_deinit(&out);
}

/* Returns how many calls (or allocations) the phase has made, without a failure. */
static uint64_t one_life(struct sim *from, int phase, enum fault fault, uint64_t at,
                         bool and_on, uint64_t acknowledged)
{
    struct sim *sim = NULL;
    struct err err = {0};
    struct mem_stats before, after;
    life = (struct life){.phase = phase,
                         .fault = fault,
                         .at = at,
                         .and_on = and_on,
                         .acknowledged = acknowledged,
                         .before = acknowledged};
    if (!EXPECT(sim_fork(from, 5, &sim, &err) == KDK_OK))
        return 0;
    life.sim = sim;
    size_t known = reference_count;
    mem_stats(&before);
    EXPECT(sim_run(sim, live, NULL));
    mem_stats(&after);
    /* References that were made in between stay: a block for each, and one for the list. */
    EXPECT(after.blocks - before.blocks ==
           reference_count - known + (known == 0 && reference_count));
    sim_reboot(sim);
    known = reference_count;
    mem_stats(&before);
    EXPECT(sim_run(sim, examine, NULL));
    mem_stats(&after);
    EXPECT(after.blocks - before.blocks ==
           reference_count - known + (known == 0 && reference_count));
    uint64_t calls = life.calls;
    sim_free(sim);
    return calls;
}

static void put_file(struct sim *sim, const char *path, const struct buf *content)
{
    struct os_file *file = NULL;
    struct err err = {0};
    CHECK_EQ(os_open(sim_os(sim), path, OS_WRITE | OS_CREATE, &file, &err), KDK_OK);
    CHECK_EQ(os_write(file, 0, content->data, content->len, &err), KDK_OK);
    CHECK_EQ(os_sync(file, &err), KDK_OK);
    CHECK_EQ(os_sync_dir(sim_os(sim), "/", &err), KDK_OK);
    os_close(file);
}

static void sweep(enum fault fault)
{
    struct sim_options options = {.seed = 11, .quiet = true};
    struct sim *sim = NULL;
    struct err err = {0};
    struct buf csv = {0};
    uint64_t acknowledged = 0, failed = 0, refused = 0;
    uint64_t total = 0;
    uint32_t troubles = 0;

    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    buf_printf(&csv, "id,name,n\n");
    for (int i = 1; i <= 60; i++)
        buf_printf(&csv, "%d,%s %d,%s\n", i,
                   i % 5 == 0 ? "row" : "a name that is too long to lie in its view", i,
                   i % 4 ? "2.25" : "");
    put_file(sim, "/in.csv", &csv);
    buf_clear(&csv);
    for (int i = 1; i <= BIG_ROWS; i++)
        buf_printf(&csv, "%d,row %d of many\n", i, i % 100);
    put_file(sim, "/big.csv", &csv);
    buf_deinit(&csv);

    for (int phase = 0; phase < PHASES; phase++) {
        const uint64_t calls = one_life(sim, phase, fault, 0, false, acknowledged);
        CHECK(calls > 0);
        total += calls;
        /* Most allocations of the last phase are those of thousands of equal rows. */
        const uint64_t stride = (uint64_t)THIN *
                                (fault != MEMORY ? 1
                                 : THIN == 1     ? 1
                                                 : 4) *
                                (fault == MEMORY && phase == PHASES - 1 ? 8 : 1);
        for (int and_on = 0; and_on < 2; and_on++)
            for (uint64_t at = 1; at <= calls;
                 at += stride <= 1 ? 1 : 1 + (at * 7 + (uint64_t)phase) % (2 * stride)) {
                one_life(sim, phase, fault, at, and_on, acknowledged);
                failed++;
                refused += life.refused;
                if (life.problem && ++troubles == 5)
                    goto out; /* Enough to look at. */
            }
        /* The next phase begins with what this one leaves. */
        life =
            (struct life){.sim = sim,
                          .phase = phase,
                          .acknowledged = acknowledged,
                          .no_close = phase + 1 < PHASES && opens_by_recovery[phase + 1]};
        sim_memory_begin();
        CHECK(sim_run(sim, live, NULL) != life.no_close);
        sim_memory_reap();
        sim_reboot(sim);
        acknowledged = life.acknowledged;
        CHECK(acknowledged);
    }
    printf("%s, once and from there on: failed %" PRIu64 " times, of %" PRIu64 "; %" PRIu64
           " statements were refused\n",
           fault_names[fault], failed, 2 * total, refused);
    CHECK(refused > 0);
out:
    references_free();
    sim_free(sim);
}

TEST(sweep, every_io_call_may_fail)
{
    sweep(IO);
}

/* Invariant 16: commits fail with 53100, reads go on, and once there is space commits work
 * without reopening. */
TEST(sweep, invariant_16_a_full_disk_loses_nothing_and_heals)
{
    sweep(SPACE);
}

TEST(sweep, every_allocation_may_fail)
{
    sweep(MEMORY);
}
