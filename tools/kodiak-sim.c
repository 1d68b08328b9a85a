/* kodiak-sim - cuts the power of a database at every write and sync in turn, and sees what
 * is left.
 *
 * Three writers, one that checkpoints and freezes, and one that reads run as coroutines of
 * the simulated system on one database. Each writer has rows of its own. What its k-th
 * transaction does follows from (seed, w, k) alone, and its last statement writes (w, k)
 * into a journal; some transactions are rolled back, and their entries must never be there.
 * So after a cut the journal tells which transactions are there: 1 to K of each writer,
 * without a gap, and K is no less than what was acknowledged or what anybody has read,
 * before the cut or after an earlier one, else something is *lost*; all rows of each
 * writer, by scan and by each index, are those after its K-th transaction, else it is there
 * in *part*; the database opens and its check is clean, else it is *damaged*. While it
 * recovers the power is cut again, at each of recovery's calls in turn. Each cut is drawn
 * several times: other sectors survive. That commits are a prefix of the order of the log,
 * also those that nobody was told of, is shown where the order is known: in wal_test.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/hash.h"
#include "base/sabotage.h"
#include "kodiak.h"
#include "os/sim.h"

enum {
    WRITERS = 3,
    IDS = 12,
    TXNS = 18,
    DRAWS = 3,
    OTHERS = 2,
    NUMBERS = 50,
    TEXT_BYTES = 900
};

/* ------------------------------------------------------------------------ the model ---- */

/* What a writer's rows are after k of its transactions. */
struct state {
    struct {
        bool there;
        int64_t n;
        uint32_t text; /* length and contents follow from it */
    } rows[IDS];
    uint32_t extra; /* rows of its own table, 0: the table is not there */
    uint32_t extra_text;
    bool extra_index, extra_column;
    uint32_t bulk; /* rows of the shared table without a key */
};

struct counts {
    uint64_t inserts, updates, deletes, ddl, bulk, loads, commits, rollbacks, conflicts,
        checkpoints, freezes, reads;
};

static struct {
    uint64_t seed;
    struct state history[WRITERS][TXNS + 1];
    uint32_t acknowledged[WRITERS]; /* Or read by anybody. */
    /* the last transaction after which rows were loaded, acknowledged */
    uint32_t loaded[WRITERS];
    uint32_t writers_left;
    bool failed; /* the run met an error that no cut explains */
    char why[512];
    struct counts counts;
    kdk_db *db;
} world;

static uint64_t draw(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    return hash_u64(*state);
}

static void text_of(uint32_t text, char *out, size_t room)
{
    /* Long ones lie in several sectors of the log. */
    size_t len = text % 5 == 0   ? 0
                 : text % 7 == 0 ? KDK_PICK(400 + text % 400, 40 + text % 50)
                                 : text % 37;
    if (len >= room)
        len = room - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + (text + i) % 26);
    out[len] = '\0';
}

static void fail(const char *format, ...)
{
    va_list args;
    if (world.failed)
        return;
    world.failed = true;
    va_start(args, format);
    vsnprintf(world.why, sizeof world.why, format, args);
    va_end(args);
}

/* ---------------------------------------------------------------------- the writers ---- */

static kdk_status run(kdk_conn *conn, const char *format, ...)
{
    char sql[2 * TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    return kdk_exec(conn, sql, -1);
}

/* A table of its own is made, gets an index, then a column, and goes. */
static void change_definitions(struct state *s, uint32_t text)
{
    if (!s->extra) {
        s->extra = 2;
        s->extra_text = text;
    } else if (!s->extra_index) {
        s->extra_index = true;
    } else if (!s->extra_column) {
        s->extra_column = true;
    } else {
        s->extra = 0;
        s->extra_index = s->extra_column = false;
    }
}

/* The k-th transaction: changes `s` as it changes the database. Not KDK_OK: rolled back. */
static kdk_status transaction(kdk_conn *conn, uint32_t w, uint32_t k, struct state *s,
                              struct counts *c)
{
    kdk_status status;
    uint64_t random = hash_combine(world.seed, hash_combine(w, k));
    uint32_t ops = 1 + (uint32_t)(draw(&random) % 4);
    char text[TEXT_BYTES];

    if ((status = run(conn, "begin")))
        return status;
    for (uint32_t o = 0; o < ops; o++) {
        uint32_t i = (uint32_t)(draw(&random) % IDS), kind = (uint32_t)(draw(&random) % 10);
        uint32_t fresh = (uint32_t)(draw(&random) % 1000);
        int64_t n = (int64_t)(draw(&random) % NUMBERS);
        uint32_t id = w * IDS + i;
        text_of(fresh, text, sizeof text);
        if (kind == 9) {
            if (!s->extra) {
                status = run(conn, "create table own%u (k integer primary key, v text)", w);
                if (!status)
                    status =
                        run(conn, "insert into own%u values (1, '%s'), (2, null)", w, text);
            } else if (!s->extra_index) {
                status = run(conn, "create index own%u_v on own%u (v)", w, w);
            } else if (!s->extra_column) {
                status = run(conn, "alter table own%u add column c integer default 5", w);
            } else {
                status = run(conn, "drop table own%u", w);
            }
            change_definitions(s, fresh);
            c->ddl++;
        } else if (kind == 8) {
            uint32_t rows = 5 + fresh % 20;
            status = run(
                conn, "insert into bulk select %u, g from generate_series(%u, %u) as s (g)",
                w, s->bulk + 1, s->bulk + rows);
            s->bulk += rows;
            c->bulk++;
        } else if (!s->rows[i].there) {
            status = run(conn, "insert into t values (%u, %u, %" PRId64 ", '%s')", id, w, n,
                         text);
            s->rows[i].there = true;
            s->rows[i].n = n;
            s->rows[i].text = fresh;
            c->inserts++;
        } else if (kind < 4) {
            status = run(conn, "update t set n = %" PRId64 " where id = %u", n, id);
            s->rows[i].n = n;
            c->updates++;
        } else if (kind < 6) {
            status = run(conn, "update t set v = '%s', n = n where id = %u", text, id);
            s->rows[i].text = fresh;
            c->updates++;
        } else {
            status = run(conn, "delete from t where id = %u", id);
            s->rows[i].there = false;
            c->deletes++;
        }
        if (status)
            return status;
    }
    if ((status = run(conn, "insert into journal values (%u, %u)", w, k)))
        return status;
    return run(conn, "commit");
}

/* A transaction that changes its mind. What conflicts meanwhile is none of its business. */
static void regret(kdk_conn *conn, uint32_t w, uint32_t k)
{
    kdk_status status = run(conn, "begin");
    if (!status)
        status = run(conn, "insert into journal values (%u, %u)", w, 1000 + k);
    if (!status)
        status = run(conn, "update t set n = -7, v = 'never' where w = %u", w);
    if (!status)
        status = run(conn, "insert into bulk values (%u, -1)", w);
    if (!status)
        status = run(conn, "delete from t where id = %u", w * IDS + k % IDS);
    if (status && status != KDK_SERIALIZATION)
        fail("writer %u, before transaction %u: %s: %s", w, k, kdk_sqlstate(conn),
             kdk_errmsg(conn));
    if (run(conn, "rollback"))
        fail("rollback: %s", kdk_errmsg(conn));
    world.counts.rollbacks++;
}

/* The only value of a query, or -1 for NULL and no row. */
static bool value(kdk_conn *conn, int64_t *out, const char *format, ...)
{
    char sql[2 * TEXT_BYTES];
    va_list args;
    kdk_stmt *stmt = NULL;
    bool row = false, ok;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    *out = -1;
    ok = !kdk_prepare(conn, sql, -1, &stmt, NULL) && !kdk_step(stmt, &row);
    if (ok && row && !kdk_column_null(stmt, 0))
        *out = kdk_column_int64(stmt, 0);
    kdk_stmt_free(stmt);
    return ok;
}

/* Of a load's rows the first batch goes to memory, the others into files of their own. In
 * every fourth history one load is of more than a full batch; in the others both parts are
 * small, which is quicker to look at. */
static uint32_t load_rows_of(uint32_t w, uint32_t k)
{
    return w == 0 && k < 4 && world.seed % 4 == 0 ? BATCH_ROWS + 40 : 70;
}

/* Whether writer w loads rows after its k-th transaction. */
static bool loads_after(uint32_t w, uint32_t k)
{
    return k % KDK_PICK(8, 4) == 3 && w < KDK_PICK(2, WRITERS);
}

static void load_rows(kdk_conn *conn, uint32_t w, uint32_t k)
{
    const uint32_t rows = load_rows_of(w, k), first = rows == 70 ? 30 : BATCH_ROWS;
    if (run(conn,
            "insert into loads select %u, %u, g, 'text ' || g %% 11 from (select * from "
            "generate_series(1, %u) union all "
            "select * from generate_series(%u, %u)) as s (g)",
            w, k, first, first + 1, rows)) {
        fail("writer %u, load %u: %s: %s", w, k, kdk_sqlstate(conn), kdk_errmsg(conn));
        return;
    }
    world.loaded[w] = k;
    world.counts.loads++;
}

static void writer(void *context)
{
    uint32_t w = (uint32_t)(uintptr_t)context;
    uint64_t random = world.seed * 17 + w;
    kdk_conn *conn;
    if (kdk_connect(world.db, &conn)) {
        fail("no connection");
        return;
    }
    for (uint32_t k = 1; k <= TXNS && !world.failed;) {
        if (draw(&random) % 6 == 0)
            regret(conn, w, k);
        struct state next = world.history[w][k - 1];
        kdk_status status;
        world.history[w][k] = next;
        status = transaction(conn, w, k, &next, &world.counts);
        if (status == KDK_OK) {
            /* Known before the commit returns would be too late for a cut inside it: the
             * state follows from (seed, w, k) anyway. */
            if (k > world.acknowledged[w])
                world.acknowledged[w] = k;
            world.history[w][k] = next;
            world.counts.commits++;
            if (loads_after(w, k))
                load_rows(conn, w, k);
            k++;
            continue;
        }
        if (status != KDK_SERIALIZATION)
            fail("writer %u, transaction %u: %s: %s", w, k, kdk_sqlstate(conn),
                 kdk_errmsg(conn));
        world.counts.conflicts++;
        if (run(conn, "rollback"))
            fail("rollback: %s", kdk_errmsg(conn));
        world.counts.rollbacks++;
        os_yield();
    }
    kdk_disconnect(conn);
    world.writers_left--;
}

static void keeper(void *context)
{
    kdk_conn *conn;
    uint64_t random = world.seed * 31 + 7;
    (void)context;
    if (kdk_connect(world.db, &conn)) {
        fail("no connection");
        return;
    }
    while (world.writers_left && !world.failed) {
        bool freeze = draw(&random) % 2 == 0;
        kdk_status status = kdk_exec(conn,
                                     !freeze             ? "checkpoint"
                                     : draw(&random) % 3 ? "checkpoint freeze"
                                                         : "checkpoint freeze t",
                                     -1);
        if (status && status != KDK_UNSUPPORTED)
            fail("checkpoint: %s: %s", kdk_sqlstate(conn), kdk_errmsg(conn));
        if (!status)
            *(freeze ? &world.counts.freezes : &world.counts.checkpoints) += 1;
        os_sleep_ns(1000 + draw(&random) % 200000);
    }
    kdk_disconnect(conn);
}

/* Reads each writer's last transaction, twice in one snapshot: what it was told must be
 * there after any cut. */
static void reader(void *context)
{
    kdk_conn *conn;
    uint64_t random = world.seed * 131 + 3;
    (void)context;
    if (kdk_connect(world.db, &conn)) {
        fail("no connection");
        return;
    }
    while (world.writers_left && !world.failed) {
        uint32_t last[2][WRITERS] = {{0}};
        int64_t sum[2];
        if (run(conn, "begin"))
            fail("begin: %s", kdk_errmsg(conn));
        for (uint32_t i = 0; i < 2 && !world.failed; i++) {
            for (uint32_t w = 0; w < WRITERS; w++) {
                int64_t k;
                if (!value(conn, &k, "select coalesce(max(k), 0) from journal where w = %u",
                           w))
                    fail("reading: %s", kdk_errmsg(conn));
                last[i][w] = (uint32_t)k;
            }
            if (!value(conn, &sum[i],
                       "select count(*) * 1000000 + coalesce(sum(n * id), 0) from t"))
                fail("reading: %s", kdk_errmsg(conn));
            os_sleep_ns(1000 + draw(&random) % 100000);
        }
        if (!world.failed && (memcmp(last[0], last[1], sizeof last[0]) || sum[0] != sum[1]))
            fail("a snapshot has changed");
        for (uint32_t w = 0; w < WRITERS; w++)
            if (last[0][w] > world.acknowledged[w])
                world.acknowledged[w] = last[0][w];
        if (run(conn, "commit"))
            fail("commit: %s", kdk_errmsg(conn));
        world.counts.reads++;
    }
    kdk_disconnect(conn);
}

static void open_or_fail(void)
{
    kdk_error error;
    /* Checkpoints come from the log's length, too, in the background. */
    static const char *const settings[] = {"bulk_load_rows=8", "checkpoint_log_bytes=12kB",
                                           NULL};
    kdk_options options = {.size = sizeof options,
                           .threads = 1,
                           .memory_limit = 1u << 30,
                           .settings = settings};
    world.db = NULL;
    if (kdk_open("/db", &options, &world.db, &error))
        fail("open: %s: %s", error.sqlstate, error.message);
}

static void workload(void *context)
{
    struct os_thread *threads[WRITERS + OTHERS];
    struct err err = {0};
    kdk_conn *conn;
    (void)context;

    open_or_fail();
    if (world.failed)
        return;
    if (kdk_connect(world.db, &conn) ||
        kdk_exec(
            conn,
            "begin;"
            "create table t (id integer primary key, w integer not null, n bigint, v text);"
            "create index t_n on t (n);"
            "create table journal (w integer, k integer, primary key (w, k));"
            "create table bulk (w integer, i integer);"
            "create table loads (w integer, k integer, g integer, v text, primary key (w, "
            "k, g));"
            "create index loads_g on loads (g);"
            "commit",
            -1)) {
        fail("set-up: %s", kdk_errmsg(conn));
        return;
    }
    world.writers_left = WRITERS;
    for (uint32_t w = 0; w < WRITERS + OTHERS; w++)
        if (os_thread_new(os_here(), "writer",
                          w < WRITERS    ? writer
                          : w == WRITERS ? keeper
                                         : reader,
                          (void *)(uintptr_t)w, &threads[w], &err)) {
            fail("thread: %s", err.message);
            return;
        }
    for (uint32_t w = 0; w < WRITERS + OTHERS; w++)
        os_thread_join(threads[w]);
    kdk_disconnect(conn);
    os_sleep_ns(300000000); /* An idle log is vouched for. */
    if (kdk_close(world.db))
        fail("close");
}

/* ------------------------------------------------------------------------ looking ---- */

enum verdict { FINE, LOST, PARTIAL, DAMAGED };
static struct {
    enum verdict verdict;
    char why[512];
    bool done;
} look;

static void verdict(enum verdict v, const char *format, ...)
{
    va_list args;
    if (look.verdict != FINE)
        return;
    look.verdict = v;
    va_start(args, format);
    vsnprintf(look.why, sizeof look.why, format, args);
    va_end(args);
}

/* As value(); what fails is damage. */
static bool number(kdk_conn *conn, int64_t *out, const char *format, ...)
{
    char sql[2 * TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    if (value(conn, out, "%s", sql))
        return true;
    verdict(DAMAGED, "%s: %s: %s", sql, kdk_sqlstate(conn), kdk_errmsg(conn));
    return false;
}

/* The writer's rows against the model, in the order of a query that gives id, n, v. */
static void compare_rows(kdk_conn *conn, uint32_t w, const struct state *s, const char *how,
                         const char *sql)
{
    kdk_stmt *stmt = NULL;
    bool row = true, seen[IDS] = {false};
    char text[TEXT_BYTES];
    if (kdk_prepare(conn, sql, -1, &stmt, NULL)) {
        verdict(DAMAGED, "%s: %s", sql, kdk_errmsg(conn));
        return;
    }
    for (;;) {
        if (kdk_step(stmt, &row)) {
            verdict(DAMAGED, "%s: %s", sql, kdk_errmsg(conn));
            break;
        }
        if (!row)
            break;
        int64_t i = kdk_column_int64(stmt, 0) - (int64_t)w * IDS;
        const char *v;
        if (i < 0 || i >= IDS || !s->rows[i].there || seen[i]) {
            verdict(PARTIAL, "writer %u, %s: row %" PRId64 " should not be there", w, how,
                    i);
            break;
        }
        seen[i] = true;
        text_of(s->rows[i].text, text, sizeof text);
        v = kdk_column_text(stmt, 2, NULL);
        if (kdk_column_int64(stmt, 1) != s->rows[i].n || !v || strcmp(v, text) != 0) {
            verdict(PARTIAL, "writer %u, %s: row %" PRId64 " is not as it should be", w,
                    how, i);
            break;
        }
    }
    kdk_stmt_free(stmt);
    for (uint32_t i = 0; i < IDS; i++)
        if (s->rows[i].there && !seen[i])
            verdict(PARTIAL, "writer %u, %s: row %u is missing", w, how, i);
}

/* A writer's own table. */
static void compare_own(kdk_conn *conn, uint32_t w, const struct state *s)
{
    char text[TEXT_BYTES];
    int64_t n;
    text_of(s->extra_text, text, sizeof text);
    if (number(conn, &n, "select count(*) from own%u", w) && n != s->extra)
        verdict(PARTIAL, "writer %u: its table has %" PRId64 " rows", w, n);
    if (number(conn, &n, "select k from own%u where v = '%s'", w, text) && n != 1)
        verdict(PARTIAL, "writer %u: its table is not as it should be", w);
    if (number(conn, &n, "select count(*) from own%u where k = 2 and v is null", w) &&
        n != 1)
        verdict(PARTIAL, "writer %u: its table lacks a row", w);
    if (number(conn, &n,
               "select count(*) from pg_catalog.kodiak_indexes where name = 'own%u_v'",
               w) &&
        (n == 1) != s->extra_index)
        verdict(PARTIAL, "writer %u: %" PRId64 " indexes", w, n);
    if (s->extra_column && number(conn, &n, "select sum(c) from own%u", w) &&
        n != 5 * (int64_t)s->extra)
        verdict(PARTIAL, "writer %u: its table's new column is wrong", w);
    if (!s->extra_column &&
        number(conn, &n,
               "select count(*) from pg_catalog.kodiak_columns where table_id = (select "
               "table_id from pg_catalog.kodiak_tables where name = 'own%u')",
               w) &&
        n != 2)
        verdict(PARTIAL, "writer %u: its table has %" PRId64 " columns", w, n);
}

/* What the k-th transaction does to the model alone. */
static void model_transaction(uint32_t w, uint32_t k, struct state *s)
{
    uint64_t random = hash_combine(world.seed, hash_combine(w, k));
    uint32_t ops = 1 + (uint32_t)(draw(&random) % 4);
    for (uint32_t o = 0; o < ops; o++) {
        uint32_t i = (uint32_t)(draw(&random) % IDS), kind = (uint32_t)(draw(&random) % 10);
        uint32_t fresh = (uint32_t)(draw(&random) % 1000);
        int64_t n = (int64_t)(draw(&random) % NUMBERS);
        if (kind == 9) {
            change_definitions(s, fresh);
        } else if (kind == 8) {
            s->bulk += 5 + fresh % 20;
        } else if (!s->rows[i].there) {
            s->rows[i].there = true;
            s->rows[i].n = n;
            s->rows[i].text = fresh;
        } else if (kind < 4) {
            s->rows[i].n = n;
        } else if (kind < 6) {
            s->rows[i].text = fresh;
        } else {
            s->rows[i].there = false;
        }
    }
}

/* Each load is there or not: it is if it was acknowledged, or its writer's next transaction
 * is; by scan, by key, by the other index. */
static void look_at_loads(kdk_conn *conn, uint32_t w, uint32_t last)
{
    for (uint32_t k = 1; k <= TXNS && look.verdict == FINE; k++) {
        int64_t rows, sum, keyed, indexed;
        if (!loads_after(w, k))
            continue;
        const int64_t all = load_rows_of(w, k);
        if (!number(conn, &rows, "select count(v) from loads where w = %u and k + 0 = %u",
                    w, k) ||
            !number(conn, &sum,
                    "select coalesce(sum(g), 0) from loads where w = %u and k = %u", w,
                    k) ||
            !number(conn, &keyed,
                    "select count(*) from loads where w = %u and k = %u and g = %" PRId64,
                    w, k, all - 1) ||
            !number(conn, &indexed,
                    "select count(*) from loads where g = %" PRId64
                    " and w = %u and k = %u",
                    all / 2, w, k))
            return;
        const bool there = rows == all;
        if ((!there && rows) || sum != (there ? all * (all + 1) / 2 : 0) ||
            keyed != there || indexed != there)
            verdict(PARTIAL,
                    "writer %u, load %u: %" PRId64 " rows, their sum %" PRId64 ", %" PRId64
                    " by key, %" PRId64 " by index",
                    w, k, rows, sum, keyed, indexed);
        else if (!there && (world.loaded[w] >= k || last > k))
            verdict(LOST, "writer %u: load %u was acknowledged, and is not there", w, k);
        else if (there && last < k)
            verdict(PARTIAL,
                    "writer %u: load %u is there, the transaction before it is not", w, k);
    }
}

static void examine(void *context)
{
    kdk_error error;
    kdk_options options = {.size = sizeof options, .threads = 1, .memory_limit = 1u << 30};
    kdk_db *db;
    kdk_conn *conn;
    int64_t there, last, problems, with[NUMBERS] = {0};
    bool whole = false;
    (void)context;

    if (kdk_open("/db", &options, &db, &error)) {
        verdict(DAMAGED, "open: %s: %s", error.sqlstate, error.message);
        look.done = true;
        return;
    }
    if (kdk_connect(db, &conn)) {
        verdict(DAMAGED, "no connection");
        look.done = true;
        return;
    }
    if (!number(conn, &there,
                "select count(*) from pg_catalog.kodiak_tables where name in ('t', "
                "'journal', 'bulk', 'loads')"))
        goto out;
    if (there == 0) {
        for (uint32_t w = 0; w < WRITERS; w++)
            if (world.acknowledged[w])
                verdict(LOST, "the tables are gone");
        goto out;
    }
    if (there != 4)
        verdict(PARTIAL, "%" PRId64 " of 3 tables are there", there);
    for (uint32_t w = 0; w < WRITERS && look.verdict == FINE; w++) {
        struct state s = {0};
        char sql[256];
        whole = true;
        if (!number(conn, &there, "select count(*) from journal where w = %u", w) ||
            !number(conn, &last, "select max(k) from journal where w = %u", w))
            break;
        if (last < 0)
            last = 0;
        if (there != last || last > TXNS)
            verdict(PARTIAL,
                    "writer %u: %" PRId64
                    " transactions in the journal, the last is %" PRId64,
                    w, there, last);
        if (last < world.acknowledged[w])
            verdict(LOST,
                    "writer %u: %u transactions were acknowledged, %" PRId64 " are there",
                    w, world.acknowledged[w], last);
        if (look.verdict != FINE)
            break;
        world.acknowledged[w] = (uint32_t)last; /* Now we were told. */
        for (uint32_t k = 1; k <= (uint32_t)last; k++)
            model_transaction(w, k, &s);
        snprintf(sql, sizeof sql, "select id, n, v from t where w = %u", w);
        compare_rows(conn, w, &s, "scan", sql);
        snprintf(sql, sizeof sql, "select id, n, v from t where id >= %u and id < %u",
                 w * IDS, (w + 1) * IDS);
        compare_rows(conn, w, &s, "range of ids", sql);
        for (uint32_t i = 0; i < IDS && look.verdict == FINE; i++) {
            int64_t n;
            if (!number(conn, &n, "select n from t where id = %u", w * IDS + i))
                break;
            if (n != (s.rows[i].there ? s.rows[i].n : -1))
                verdict(PARTIAL, "writer %u: by its key, row %u has n = %" PRId64, w, i, n);
            if (s.rows[i].there)
                with[s.rows[i].n]++;
        }
        look_at_loads(conn, w, (uint32_t)last);
        if (!number(conn, &there, "select count(*) from bulk where w = %u", w) ||
            !number(conn, &last, "select coalesce(sum(i), 0) from bulk where w = %u", w))
            break;
        if (there != s.bulk || last != (int64_t)s.bulk * ((int64_t)s.bulk + 1) / 2)
            verdict(PARTIAL, "writer %u: %" PRId64 " bulk rows, not %u", w, there, s.bulk);
        if (!number(conn, &there,
                    "select count(*) from pg_catalog.kodiak_tables where name = 'own%u'",
                    w))
            break;
        if (there != (s.extra != 0))
            verdict(PARTIAL, "writer %u: its table should %sbe there", w,
                    s.extra ? "" : "not ");
        else if (there)
            compare_own(conn, w, &s);
    }
    for (int64_t n = 0; n < NUMBERS && whole && look.verdict == FINE; n++)
        if (number(conn, &there, "select count(*) from t where n = %" PRId64, n) &&
            there != with[n])
            verdict(PARTIAL,
                    "by the index of n, %" PRId64 " is there %" PRId64
                    " times, not %" PRId64,
                    n, there, with[n]);
    if (whole && look.verdict == FINE &&
        number(conn, &there, "select count(*) from t where n < 0 or n >= %d or n is null",
               NUMBERS) &&
        there)
        verdict(PARTIAL, "rows that nobody committed");
    if (kdk_check(db, &problems, NULL, NULL) || problems)
        verdict(DAMAGED, "the check finds %" PRId64 " problems", problems);
    /* Life goes on. */
    if (look.verdict == FINE &&
        kdk_exec(conn,
                 "drop table if exists after; create table after (a integer); insert into "
                 "after values (1); drop table after",
                 -1))
        verdict(DAMAGED, "writing after recovery: %s", kdk_errmsg(conn));
out:
    kdk_disconnect(conn);
    if (kdk_close(db))
        verdict(DAMAGED, "close");
    look.done = true;
}

/* --------------------------------------------------------------------------- all ---- */

static struct {
    uint64_t cuts, lost, partial, damaged, runs, calls, again;
    /* Mutating calls of the longest look at what is left; the next of them to be cut at. */
    uint64_t calls_again, next_again;
    uint64_t trace;
    struct counts counts;
    unsigned breaks;
    bool verbose;
} total;

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "kodiak-sim: %s: %s\n", what, err->message);
    exit(2);
}

static void add_counts(const struct counts *c)
{
    const uint64_t *from = (const uint64_t *)c;
    uint64_t *to = (uint64_t *)&total.counts;
    for (size_t i = 0; i < sizeof *c / sizeof *from; i++)
        to[i] += from[i];
}

static struct sim *new_sim(uint64_t seed)
{
    struct sim_options options = {.seed = seed, .breaks = total.breaks, .quiet = true};
    struct sim *sim;
    struct err err = {0};
    if (sim_new(&options, &sim, &err))
        die("simulator", &err);
    return sim;
}

/* What a cut at one call would leave: the disk, and what had been promised by then. */
struct picture {
    uint64_t n; /* the mutating call */
    struct sim *disk;
    uint32_t acknowledged[WRITERS], loaded[WRITERS];
};

/* Pictures of this many calls are held at a time; a picture is some 100 KB. */
enum { PICTURES = 256 };
static struct {
    uint64_t first; /* calls from here on; 0: none */
    uint32_t count;
    struct picture items[PICTURES];
} album;

static void take_picture(void *context, struct sim *sim)
{
    const uint64_t n = sim_calls_mutating(sim);
    struct err err = {0};
    (void)context;
    if (!album.first || n < album.first || album.count == PICTURES)
        return;
    struct picture *p = &album.items[album.count++];
    p->n = n;
    if (sim_fork(sim, hash_combine(world.seed, n), &p->disk, &err))
        die("fork", &err);
    memcpy(p->acknowledged, world.acknowledged, sizeof p->acknowledged);
    memcpy(p->loaded, world.loaded, sizeof p->loaded);
}

/* Runs the workload to its end and takes pictures from mutating call `first` on (0: none).
 * Returns how many calls it made; the same each time. */
static uint64_t run_workload(uint64_t seed, uint64_t first, uint64_t *trace)
{
    struct sim *sim = new_sim(seed);
    memset(&world, 0, sizeof world);
    world.seed = seed;
    album.first = first;
    album.count = 0;
    sim_watch(sim, take_picture, NULL);
    sim_memory_begin();
    if (!sim_run(sim, workload, NULL))
        sim_memory_reap();
    total.runs++;
    if (world.failed || sim_last_error(sim, NULL) != KDK_OK) {
        if (total.verbose || total.damaged < 3)
            fprintf(stderr, "kodiak-sim: seed %" PRIu64 ": the workload failed: %s\n", seed,
                    world.failed ? world.why : "deadlock");
        total.damaged++;
    }
    const uint64_t calls = sim_calls_mutating(sim);
    *trace = sim_trace_hash(sim);
    sim_free(sim);
    return calls;
}

/* Opens what survived, perhaps cutting the power once more, and looks at it. */
static void inspect(const struct picture *p, uint64_t seed, uint32_t draw_number)
{
    uint64_t random = hash_combine(seed, hash_combine(p->n, draw_number));
    struct sim *disk;
    struct err err = {0};

    if (sim_fork(p->disk, random, &disk, &err))
        die("fork", &err);
    sim_reboot(disk);
    memcpy(world.acknowledged, p->acknowledged, sizeof world.acknowledged);
    memcpy(world.loaded, p->loaded, sizeof world.loaded);
    for (uint32_t attempt = 0;; attempt++) {
        memset(&look, 0, sizeof look);
        /* Every other draw is cut again: at each call of the looking in turn, or anywhere,
         * or when it is over. */
        uint64_t again = attempt == 0 && draw_number % 2
                             ? 1 + total.next_again++ % (total.calls_again + 1)
                             : 0;
        if (attempt == 1 && draw(&random) % 4 == 0)
            again = 1 + draw(&random) % (total.calls_again + 1);
        sim_cut_at(disk, again);
        sim_memory_begin();
        if (sim_run(disk, examine, NULL)) {
            const uint64_t calls = sim_calls_mutating(disk);
            if (sim_last_error(disk, NULL) != KDK_OK)
                verdict(DAMAGED, "deadlock while looking");
            if (calls > total.calls_again)
                total.calls_again = calls;
            if (look.verdict == FINE && again) {
                sim_reboot(disk);
                continue;
            }
            break;
        }
        sim_memory_reap();
        sim_reboot(disk);
        total.again++;
    }
    total.cuts++;
    total.lost += look.verdict == LOST;
    total.partial += look.verdict == PARTIAL;
    total.damaged += look.verdict == DAMAGED;
    if (look.verdict != FINE &&
        (total.verbose || total.lost + total.partial + total.damaged <= 3))
        fprintf(stderr, "kodiak-sim: seed %" PRIu64 ", cut %" PRIu64 ", draw %u: %s\n",
                seed, p->n, draw_number, look.why);
    total.trace = hash_combine(total.trace, sim_trace_hash(disk));
    sim_free(disk);
}

static void usage(FILE *to)
{
    fputs(
        "usage: kodiak-sim [--seed S] [--cuts N] [--stats] [--verbose] [--break MISTAKE]\n"
        "Cuts the power of a simulated database N times and looks at what is left. "
        "MISTAKE: skip-fsync,\n"
        "ack-early, drop-dir-sync, ignore-crc or lose-index-op; then something must be "
        "lost.\n"
        "Exit code 0: nothing was lost; 1: something was; 2: it could not be tried.\n",
        to);
}

static bool choose_break(const char *name)
{
    if (strcmp(name, "skip-fsync") == 0)
        total.breaks |= SIM_BREAK_SKIP_FSYNC;
    else if (strcmp(name, "drop-dir-sync") == 0)
        total.breaks |= SIM_BREAK_DROP_DIR_SYNC;
    else if (strcmp(name, "ack-early") == 0)
        sabotage |= SABOTAGE_ACK_EARLY;
    else if (strcmp(name, "ignore-crc") == 0)
        sabotage |= SABOTAGE_IGNORE_CRC;
    else if (strcmp(name, "lose-index-op") == 0)
        sabotage |= SABOTAGE_LOSE_INDEX_OP;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, cuts = 1000;
    bool stats = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[i], "--stats") == 0) {
            stats = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            total.verbose = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--cuts") == 0 && i + 1 < argc) {
            cuts = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--break") == 0 && i + 1 < argc &&
                   choose_break(argv[i + 1])) {
            i++;
        } else {
            usage(stderr);
            return 2;
        }
    }
    for (uint64_t round = 0; total.cuts < cuts; round++) {
        uint64_t history = hash_combine(seed, round), trace, again;
        const uint64_t calls = run_workload(history, 0, &trace);
        add_counts(&world.counts);
        total.trace = hash_combine(total.trace, trace);
        total.calls += calls;
        if (!calls) {
            fputs("kodiak-sim: the workload wrote nothing\n", stderr);
            return 2;
        }
        for (uint64_t first = 1; first <= calls && total.cuts < cuts;
             first = album.items[album.count - 1].n + 1) {
            if (run_workload(history, first, &again) != calls || again != trace) {
                fprintf(stderr,
                        "kodiak-sim: seed %" PRIu64
                        " gave another history when it was run again\n",
                        history);
                return 2;
            }
            if (!album.count)
                break;
            for (uint32_t i = 0; i < album.count; i++) {
                for (uint32_t d = 0; d < DRAWS && total.cuts < cuts; d++)
                    inspect(&album.items[i], history, d);
                sim_free(album.items[i].disk);
            }
        }
    }
    if (stats) {
        const struct counts *c = &total.counts;
        printf("runs %" PRIu64 ", mutating calls of whole runs %" PRIu64
               ", cuts during recovery %" PRIu64 " (at each of %" PRIu64
               " calls in turn)\n",
               total.runs, total.calls, total.again, total.calls_again);
        printf("inserts %" PRIu64 ", updates %" PRIu64 ", deletes %" PRIu64
               ", bulk %" PRIu64 ", loads %" PRIu64 ", schema changes %" PRIu64
               ", commits %" PRIu64 ", rollbacks %" PRIu64 ", checkpoints %" PRIu64
               ", freezes %" PRIu64 ", reads %" PRIu64 "\n",
               c->inserts, c->updates, c->deletes, c->bulk, c->loads, c->ddl, c->commits,
               c->rollbacks, c->checkpoints, c->freezes, c->reads);
        printf("trace %016" PRIx64 "\n", total.trace);
    }
    printf("cuts %" PRIu64 ", lost %" PRIu64 ", partial %" PRIu64 ", damaged %" PRIu64 "\n",
           total.cuts, total.lost, total.partial, total.damaged);
    return total.lost || total.partial || total.damaged ? 1 : 0;
}
