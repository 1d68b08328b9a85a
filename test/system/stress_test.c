/* Writers, readers, changes of definitions and interrupts at once, through kodiak.h: money
 * moves and is never made or lost, keys are unique, what a snapshot has read it reads
 * again. */
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kodiak.h"

#define WRITERS  10u
#define READERS  6u
#define ACCOUNTS 64
#define STEPS    300u
#define TOTAL    (ACCOUNTS * 1000)

struct stress {
    kdk_db *db;
    _Atomic(kdk_conn *) conns[WRITERS + READERS]; /* For who interrupts. */
    _Atomic uint32_t busy;                        /* Writers that still run. */
    _Atomic uint64_t moved, refused, interrupted, read, defined;
    _Atomic uint64_t unexpected;
};

struct worker {
    struct stress *stress;
    uint32_t id;
    uint64_t random;
    kdk_conn *conn;
};

static uint32_t pick(struct worker *w, uint32_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random % below);
}

/* What may happen to anybody here. */
static bool expected(struct worker *w, kdk_status status)
{
    if (status == KDK_OK)
        return true;
    if (status == KDK_SERIALIZATION)
        atomic_fetch_add_explicit(&w->stress->refused, 1, memory_order_relaxed);
    else if (status == KDK_INTERRUPTED)
        atomic_fetch_add_explicit(&w->stress->interrupted, 1, memory_order_relaxed);
    else {
        atomic_fetch_add_explicit(&w->stress->unexpected, 1, memory_order_relaxed);
        fprintf(stderr, "worker %u: %s %s\n", w->id, kdk_sqlstate(w->conn),
                kdk_errmsg(w->conn));
    }
    return false;
}

static kdk_status do_sql(struct worker *w, const char *sql)
{
    return kdk_exec(w->conn, sql, -1);
}

static kdk_status run_two(kdk_stmt *stmt, int64_t a, int64_t b)
{
    bool row = true;
    kdk_status status = kdk_bind_int64(stmt, 1, a);
    if (status == KDK_OK)
        status = kdk_bind_int64(stmt, 2, b);
    while (status == KDK_OK && row)
        status = kdk_step(stmt, &row);
    return status;
}

static void *writer(void *context)
{
    struct worker *w = context;
    kdk_stmt *move = NULL, *note = NULL;
    CHECK_EQ(kdk_prepare(w->conn, "update account set balance = balance + $2 where id = $1",
                         -1, &move, NULL),
             KDK_OK);
    CHECK_EQ(kdk_prepare(w->conn, "insert into journal (id, amount) values ($1, $2)", -1,
                         &note, NULL),
             KDK_OK);
    for (uint32_t i = 0; i < STEPS && move && note; i++) {
        int64_t amount = 1 + pick(w, 50), from = pick(w, ACCOUNTS),
                to = (from + 1 + pick(w, ACCOUNTS - 1)) % ACCOUNTS;
        /* Half of the keys are everybody's: they collide. */
        int64_t key =
            pick(w, 2) ? (int64_t)pick(w, 400) : 1000 + (int64_t)(w->id * STEPS + i);
        kdk_status status = do_sql(w, "begin");
        if (status == KDK_OK)
            status = run_two(move, from, -amount);
        if (status == KDK_OK)
            status = run_two(move, to, amount);
        if (status == KDK_OK)
            status = run_two(note, key, amount);
        if (status == KDK_OK && pick(w, 8) == 0)
            status = do_sql(w, "delete from journal where id % 16 = 3");
        if (status == KDK_OK && pick(w, 10) == 0)
            status = do_sql(w, "rollback");
        else if (status == KDK_OK) {
            status = do_sql(w, "commit");
            if (status == KDK_OK)
                atomic_fetch_add_explicit(&w->stress->moved, 1, memory_order_relaxed);
        }
        if (status != KDK_UNIQUE)
            (void)expected(w, status);
        if (status != KDK_OK && kdk_in_transaction(w->conn, NULL))
            CHECK_EQ(do_sql(w, "rollback"), KDK_OK);
    }
    kdk_stmt_free(move);
    kdk_stmt_free(note);
    atomic_fetch_sub_explicit(&w->stress->busy, 1, memory_order_acq_rel);
    return NULL;
}

/* One number of a query. */
static kdk_status ask(struct worker *w, const char *sql, int64_t *out)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    kdk_status status = kdk_prepare(w->conn, sql, -1, &stmt, NULL);
    if (status == KDK_OK)
        status = kdk_step(stmt, &row);
    if (status == KDK_OK) {
        CHECK(row);
        *out = kdk_column_int64(stmt, 0);
        status = kdk_step(stmt, &row);
        CHECK(status != KDK_OK || !row);
    }
    kdk_stmt_free(stmt);
    return status;
}

static void *reader(void *context)
{
    struct worker *w = context;
    while (atomic_load_explicit(&w->stress->busy, memory_order_acquire) > 0) {
        int64_t sum = 0, again = 0, rows = 0, keys = 0, by_index = 0, negative = 0;
        kdk_status status = do_sql(w, "begin");
        if (status == KDK_OK)
            status = ask(w, "select sum(balance) from account", &sum);
        if (status == KDK_OK)
            status = ask(w, "select count(*) from journal", &rows);
        if (status == KDK_OK)
            status = ask(w, "select count(distinct id) from journal", &keys);
        if (status == KDK_OK)
            status = ask(w, "select count(*) from journal where id >= 0", &by_index);
        if (status == KDK_OK)
            status = ask(w,
                         "select count(*) from journal a join journal b on a.id = b.id and "
                         "a.amount <> b.amount",
                         &negative);
        if (status == KDK_OK)
            status = ask(w, "select sum(balance) from account where id between 0 and 1000",
                         &again);
        if (status == KDK_OK) {
            CHECK_EQ(sum, TOTAL);
            CHECK_EQ(again, TOTAL);
            CHECK_EQ(keys, rows);
            CHECK_EQ(by_index, rows);
            CHECK_EQ(negative, 0);
            atomic_fetch_add_explicit(&w->stress->read, 1, memory_order_relaxed);
        }
        (void)expected(w, status);
        CHECK_EQ(do_sql(w, "rollback"), KDK_OK);
    }
    return NULL;
}

/* Definitions, of the tables that the others use and of its own. */
static void *definer(void *context)
{
    static const char *const changes[] = {
        "create index journal_amount on journal (amount)",
        "alter table account add column remark text default 'none'",
        "create table mine (id integer primary key); insert into mine select g from "
        "generate_series(1, 100) as s (g)",
        "drop index journal_amount",
        "alter table account drop column remark",
        "drop table mine",
        "create view rich as select id from account where balance > 1000",
        "drop view rich",
        "checkpoint",
        "checkpoint freeze",
    };
    struct worker *w = context;
    while (atomic_load_explicit(&w->stress->busy, memory_order_acquire) > 0) {
        kdk_status status = do_sql(w, changes[pick(w, sizeof changes / sizeof *changes)]);
        /* What is there already, or not there any more. */
        if (strncmp(kdk_sqlstate(w->conn), "42", 2) != 0 && expected(w, status))
            atomic_fetch_add_explicit(&w->stress->defined, 1, memory_order_relaxed);
    }
    return NULL;
}

static void *interrupter(void *context)
{
    struct worker *w = context;
    while (atomic_load_explicit(&w->stress->busy, memory_order_acquire) > 0) {
        uint32_t i = pick(w, WRITERS + READERS);
        kdk_conn *conn = atomic_load_explicit(&w->stress->conns[i], memory_order_acquire);
        if (pick(w, 20) == 0)
            kdk_interrupt(conn);
        else
            (void)pick(w, 1000);
    }
    return NULL;
}

static void run_stress(const char *path)
{
    enum { ALL = WRITERS + READERS + 2 };
    struct stress stress = {.busy = WRITERS};
    struct worker workers[ALL];
    pthread_t threads[ALL];
    kdk_conn *conn = NULL;

    if (!CHECK_EQ(kdk_open(path, NULL, &stress.db, NULL), KDK_OK) ||
        !CHECK_EQ(kdk_connect(stress.db, &conn), KDK_OK))
        return;
    CHECK_EQ(
        kdk_exec(conn,
                 "create table account (id integer primary key, balance integer not null);"
                 "create table journal (id integer primary key, amount integer);"
                 "insert into account select g, 1000 from generate_series(0, 63) as s (g)",
                 -1),
        KDK_OK);
    for (uint32_t i = 0; i < ALL; i++) {
        workers[i] = (struct worker){
            .stress = &stress, .id = i, .random = 88172645463325252u + i * 7919u};
        CHECK_EQ(kdk_connect(stress.db, &workers[i].conn), KDK_OK);
        if (i < WRITERS + READERS)
            atomic_store_explicit(&stress.conns[i], workers[i].conn, memory_order_release);
    }
    for (uint32_t i = 0; i < ALL; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL,
                                i < WRITERS             ? writer
                                : i < WRITERS + READERS ? reader
                                : i == ALL - 1          ? interrupter
                                                        : definer,
                                &workers[i]),
                 0);
    for (uint32_t i = 0; i < ALL; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < ALL; i++)
        kdk_disconnect(workers[i].conn);
    printf(
        "%llu transfers, %llu readings, %llu definitions, %llu refused, %llu interrupted\n",
        (unsigned long long)stress.moved, (unsigned long long)stress.read,
        (unsigned long long)stress.defined, (unsigned long long)stress.refused,
        (unsigned long long)stress.interrupted);
    CHECK_EQ(stress.unexpected, 0);
    CHECK(stress.moved > WRITERS);

    struct worker last = {.stress = &stress, .conn = conn};
    int64_t sum = 0, problems = -1;
    CHECK_EQ(ask(&last, "select sum(balance) from account", &sum), KDK_OK);
    CHECK_EQ(sum, TOTAL);
    CHECK_EQ(kdk_check(stress.db, &problems, NULL, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(stress.db), KDK_OK);
}

TEST(stress, transfers_readers_definitions_interrupts)
{
    run_stress(":memory:");
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
    (void)stat;
    (void)kind;
    (void)at;
    return remove(path);
}

/* The same with a log, checkpoints and rows in files; and it opens again with all its
 * money. */
TEST(stress, transfers_on_disk_under_checkpoints)
{
    char path[] = "/tmp/kodiak-stress-XXXXXX", inside[64];
    kdk_db *db = NULL;
    struct stress stress = {0};
    struct worker last = {.stress = &stress};
    int64_t sum = 0, problems = -1;
    if (!CHECK(mkdtemp(path) != NULL))
        return;
    snprintf(inside, sizeof inside, "%s/t.kdk", path);
    run_stress(inside);
    if (CHECK_EQ(kdk_open(inside, NULL, &db, NULL), KDK_OK) &&
        CHECK_EQ(kdk_connect(db, &last.conn), KDK_OK)) {
        CHECK_EQ(ask(&last, "select sum(balance) from account", &sum), KDK_OK);
        CHECK_EQ(sum, TOTAL);
        CHECK_EQ(kdk_check(db, &problems, NULL, NULL), KDK_OK);
        CHECK_EQ(problems, 0);
        kdk_disconnect(last.conn);
        CHECK_EQ(kdk_close(db), KDK_OK);
    }
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
