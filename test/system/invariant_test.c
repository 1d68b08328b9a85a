/* invariant_test.c - what holds at every moment, through kodiak.h on the simulated system.
 * The numbers are those of the table in test/README.md. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/sabotage.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

struct world {
    struct sim *sim;
    kdk_db *db;
    kdk_conn *conn;
    uint64_t random;
    uint64_t seed;
    const char *const *settings;
};

static uint32_t pick(struct world *w, uint32_t below)
{
    w->random += 0x9e3779b97f4a7c15ull;
    return (uint32_t)(hash_u64(w->random) % below);
}

static kdk_conn *connected(struct world *w)
{
    kdk_conn *conn = NULL;
    CHECK_EQ(kdk_connect(w->db, &conn), KDK_OK);
    return conn;
}

static bool open_world(struct world *w)
{
    kdk_error error = {0};
    /* What is behind the first batch of large inserts makes files of their own. */
    static const char *const usual[] = {"bulk_load_rows=1", NULL};
    kdk_options options = {.size = sizeof options,
                           .threads = 1,
                           .settings = w->settings ? w->settings : usual};
    w->db = NULL;
    if (!CHECK_EQ(kdk_open("/db", &options, &w->db, &error), KDK_OK))
        return check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
    w->conn = connected(w);
    return w->conn != NULL;
}

static void close_world(struct world *w)
{
    kdk_disconnect(w->conn);
    CHECK_EQ(kdk_close(w->db), KDK_OK);
}

static kdk_status try_sql(kdk_conn *conn, const char *format, ...)
{
    char sql[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    return kdk_exec(conn, sql, -1);
}

#define DO(CONN, ...)                                                                      \
    do {                                                                                   \
        if (!CHECK_EQ(try_sql(CONN, __VA_ARGS__), KDK_OK))                                 \
            check_str(kdk_errmsg(CONN), "", "the statement", __FILE__, __LINE__);          \
    } while (0)

/* All rows as text: columns separated by `|`, rows by line ends. */
static void ask(kdk_conn *conn, struct buf *out, const char *sql)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    kdk_status status = kdk_prepare(conn, sql, -1, &stmt, NULL);
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

/* The first value of the first row; -1 for NULL, no row, or an error, which is a failed
 * check. */
static int64_t number(kdk_conn *conn, const char *format, ...)
{
    char sql[8192];
    va_list args;
    kdk_stmt *stmt = NULL;
    bool row = false;
    int64_t n = -1;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    kdk_status status = kdk_prepare(conn, sql, -1, &stmt, NULL);
    if (status == KDK_OK)
        status = kdk_step(stmt, &row);
    if (!CHECK_EQ(status, KDK_OK))
        check_str(kdk_errmsg(conn), "", sql, __FILE__, __LINE__);
    else if (row && !kdk_column_null(stmt, 0))
        n = kdk_column_int64(stmt, 0);
    kdk_stmt_free(stmt);
    return n;
}

static void report_problem(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "check: %s\n", line);
}

static int64_t problems(struct world *w, bool loud)
{
    int64_t count = -1;
    CHECK_EQ(kdk_check(w->db, &count, loud ? report_problem : NULL, NULL), KDK_OK);
    return count;
}

/* Runs the parts, each on the disk as the power cut after the part before it left it. */
static void run_parts(struct world *w, uint64_t seed, const os_thread_fn *parts,
                      size_t count)
{
    struct err err = {0};
    struct sim_options options = {.seed = seed, .quiet = true};
    *w = (struct world){.seed = seed, .random = seed, .settings = w->settings};
    if (!CHECK_EQ(sim_new(&options, &w->sim, &err), KDK_OK))
        return;
    for (size_t i = 0; i < count; i++) {
        sim_memory_begin();
        sim_run(w->sim, parts[i], w);
        CHECK_EQ(sim_last_error(w->sim, &err), KDK_OK);
        sim_memory_reap();
        sim_reboot(w->sim);
    }
    sim_free(w->sim);
}

/* Ends a part in the middle of its life. */
static void power_off(struct world *w)
{
    struct err err = {0};
    sim_cut_at(w->sim, sim_calls_mutating(w->sim) + 1);
    (void)!(os_mkdir(os_here(), "/cut", &err) == KDK_OK);
}

static void make_table(struct world *w, uint32_t rows)
{
    DO(w->conn, "create table t (id integer primary key, code integer not null, name text, "
                "n numeric(10,2))");
    DO(w->conn, "create unique index t_code on t (code)");
    DO(w->conn, "create index t_name on t (name)");
    DO(w->conn,
       "insert into t select g, g * 10, 'name ' || g %% 17, g * 1.25 from "
       "generate_series(1, %u) as s (g)",
       rows);
}

/* One change of rows, as anybody might make it. */
static void change(struct world *w, kdk_conn *conn)
{
    const uint32_t a = 1 + pick(w, 200), b = a + pick(w, 30);
    switch (pick(w, 6)) {
    case 0:
        DO(conn, "update t set n = n + 1 where id between %u and %u", a, b);
        break;
    case 1:
        DO(conn, "update t set name = 'other ' || id where id between %u and %u", a, b);
        break;
    case 2:
        DO(conn, "delete from t where id between %u and %u", a, a + (b - a) / 4);
        break;
    case 3: /* Keys trade places. */
        DO(conn, "update t set code = (select min(code) + max(code) from t) - code");
        break;
    case 4:
        DO(conn,
           "insert into t select g, 100000 + (select coalesce(max(code), 0) from t) + g, "
           "'late', null from generate_series(%u, %u) as s (g) "
           "where not exists (select 1 from t where id = g)",
           a, b);
        break;
    default:
        DO(conn,
           "update t set id = id + 1000 where id = %u and not exists (select 1 from t "
           "where id = %u)",
           a, a + 1000);
        break;
    }
}

/* ------------------------------------------------------------------ snapshots ---- */

static const char *const views_of_t[] = {
    "select * from t order by id",
    "select count(*), sum(id), sum(code), sum(n), min(name), max(name) from t",
    "select id, name from t where code between 500 and 700 order by code",
    "select id from t where name = 'name 5' order by id",
    "select id from t where name >= 'other' order by id",
    "select * from t where id = 77",
    "select id from t where code = 770",
};

static void answers(kdk_conn *conn, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < COUNT_OF(views_of_t); i++)
        ask(conn, out, views_of_t[i]);
}

enum { HELD = 4 };

static bool add_log(void *context, const kdk_file *file)
{
    if (file->is_log)
        *(uint64_t *)context += file->bytes;
    return true;
}

static void hold_and_change(void *context)
{
    struct world *w = context;
    struct {
        kdk_conn *conn;
        struct buf was;
    } held[HELD] = {0};
    struct buf now = {0};
    if (!open_world(w))
        return;
    make_table(w, 200);
    for (uint32_t round = 0; round < 24; round++) {
        const uint32_t one = round % HELD;
        if (!held[one].conn)
            held[one].conn = connected(w);
        else
            DO(held[one].conn, "commit");
        DO(held[one].conn, "begin");
        answers(held[one].conn, &held[one].was);
        for (uint32_t i = pick(w, 4); i > 0; i--)
            change(w, w->conn);
        switch (pick(w, 5)) {
        case 0:
            DO(w->conn, "checkpoint");
            break;
        case 1:
        case 2:
            DO(w->conn, "checkpoint freeze");
            break;
        case 3:
            DO(w->conn,
               "create table o%u (a integer primary key); insert into o%u values (1), (2); "
               "checkpoint freeze; drop table o%u",
               round, round, round);
            break;
        default:
            break;
        }
        for (uint32_t i = 0; i < HELD; i++)
            if (held[i].conn) {
                answers(held[i].conn, &now);
                if (!check_str(now.data, held[i].was.data, "a held snapshot", __FILE__,
                               __LINE__))
                    round = 1000;
            }
    }
    /* The table goes, and another one of its name comes. */
    DO(w->conn, "drop table t");
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "create table t (x text); insert into t values ('new'); checkpoint freeze; "
                "checkpoint freeze");
    /* Who holds a snapshot does not hold the log. */
    uint64_t log = 0;
    CHECK_EQ(kdk_files(w->db, add_log, &log), KDK_OK);
    /* From the older manifest slot on, and what is kept for the next use. */
    CHECK(log <= 8 * WAL_SEGMENT_BYTES);
    for (uint32_t i = 0; i < HELD; i++) {
        answers(held[i].conn, &now);
        CHECK_STR(now.data, held[i].was.data);
        kdk_disconnect(held[i].conn);
        buf_deinit(&held[i].was);
    }
    CHECK_EQ(number(w->conn, "select count(*) from t where x = 'new'"), 1);
    CHECK_EQ(problems(w, true), 0);
    buf_deinit(&now);
    close_world(w);
}

TEST(snapshots, invariant_01_held_snapshots_stay_as_they_were)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){hold_and_change}, 1);
}

/* What a column was is there for who sees it, also of rows that come into memory when no
 * file has the column any more. */
static void hold_a_column(void *context)
{
    struct world *w = context;
    struct buf was = {0}, now = {0};
    if (!open_world(w))
        return;
    make_table(w, 200);
    DO(w->conn, "alter table t add column late text default 'as it was before'");
    DO(w->conn, "checkpoint freeze");
    kdk_conn *held = connected(w);
    DO(held, "begin");
    answers(held, &was);
    DO(w->conn, "alter table t drop column n; alter table t drop column late");
    if (w->seed % 2)
        DO(w->conn, "alter table t add column later integer default 4");
    DO(w->conn, "update t set name = 'changed' where id between 10 and 12");
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "update t set code = -code where id between 11 and 60");
    DO(w->conn, "delete from t where id between 70 and 90");
    answers(held, &now);
    CHECK_STR(now.data, was.data);
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "update t set id = -id");
    answers(held, &now);
    CHECK_STR(now.data, was.data);
    kdk_disconnect(held);
    CHECK_EQ(problems(w, true), 0);
    buf_deinit(&was);
    buf_deinit(&now);
    close_world(w);
}

/* The same of a column that the rows of a load, or of a file, never had: its default, by scan
 * and by key. */
static void hold_a_default(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    DO(w->conn, "create table l (id integer primary key, a integer)");
    DO(w->conn, "insert into l select g, g from generate_series(1, %u) as s (g)",
       3 * BATCH_ROWS);
    if (w->seed % 2)
        DO(w->conn, "checkpoint freeze");
    DO(w->conn, "alter table l add column n numeric(12,2) default 62.50, add column s text "
                "default 'a default that is no short string'");
    kdk_conn *held = connected(w);
    DO(held, "begin");
    CHECK_EQ(number(held, "select count(*) from l where n = 62.50"), 3 * BATCH_ROWS);
    DO(w->conn, "alter table l drop column n, drop column s");
    for (uint32_t i = 1; i <= 2; i++) {
        CHECK_EQ(number(held, "select count(*) from l where n = 62.50"), 3 * BATCH_ROWS);
        for (uint32_t id = 1; id <= 3 * BATCH_ROWS; id += BATCH_ROWS - 1)
            CHECK_EQ(number(held,
                            "select a from l where id = %u and n = 62.50 and "
                            "s = 'a default that is no short string'",
                            id),
                     id);
        DO(w->conn, i == 1 ? "checkpoint" : "checkpoint freeze");
    }
    kdk_disconnect(held);
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(snapshots, defaults_of_columns_that_were_dropped_stay_for_who_sees_them)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 2; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){hold_a_default}, 1);
}

TEST(snapshots, columns_that_were_dropped_stay_for_who_sees_them)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 2; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){hold_a_column}, 1);
}

/* ------------------------------------------------------------ ways to be stored ---- */

/* How the rows of one history come to lie, and what they are at its end. */
static struct {
    enum { IN_MEMORY, IN_TREES, IN_FILES, MIXED, WAYS } way;
    char dump[WAYS][65536]; /* Outlives what a simulated system had allocated. */
} stored;

static void live_one_history(void *context)
{
    struct world *w = context;
    /* The way draws from numbers of its own, so that the history is the same. */
    uint64_t other = w->seed;
    if (!open_world(w))
        return;
    make_table(w, 200);
    for (uint32_t round = 0; round < 40; round++) {
        change(w, w->conn);
        if (round == 20)
            DO(w->conn, "alter table t add column late text default 'as before'");
        if (round == 30)
            DO(w->conn, "update t set late = name where id %% 3 = 0");
        other = hash_u64(other + 1);
        if (stored.way == IN_TREES || (stored.way == MIXED && other % 5 == 1))
            DO(w->conn, "checkpoint");
        if (stored.way == IN_FILES || (stored.way == MIXED && other % 5 == 2))
            DO(w->conn, "checkpoint freeze");
        if (stored.way == MIXED && other % 5 == 3) {
            close_world(w);
            if (!open_world(w))
                return;
        }
    }
    struct buf dump = {0};
    answers(w->conn, &dump);
    ask(w->conn, &dump, "select * from t order by id desc");
    ask(w->conn, &dump, "select late, count(*), sum(n) from t group by late order by late");
    if (CHECK(dump.len > 1000 && dump.len < sizeof stored.dump[0]))
        memcpy(stored.dump[stored.way], dump.data, dump.len + 1);
    buf_deinit(&dump);
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(generations, invariant_30_every_way_to_store_rows_gives_the_same_dump)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (stored.way = IN_MEMORY; stored.way < WAYS; stored.way++) {
            stored.dump[stored.way][0] = '\0';
            run_parts(&w, seed, (const os_thread_fn[]){live_one_history}, 1);
            CHECK(stored.dump[stored.way][0] != '\0');
            CHECK(strcmp(stored.dump[stored.way], stored.dump[IN_MEMORY]) == 0);
        }
}

/* ---------------------------------------------------------------- generations ---- */

static void lose_an_entry(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 60);
    for (int i = 0; i < 12; i++) {
        change(w, w->conn);
        if (i % 4 == 3) {
            DO(w->conn, i % 8 == 3 ? "checkpoint" : "checkpoint freeze");
            CHECK_EQ(problems(w, true), 0);
        }
    }
    CHECK_EQ(problems(w, true), 0);
    /* Both ways: each row is found by its keys, and what is found by a range of keys is
     * what is there. */
    CHECK_EQ(number(w->conn, "select count(*) from t o where not exists (select 1 from t i "
                             "where i.code = o.code and i.id = o.id)"),
             0);
    CHECK_EQ(number(w->conn, "select count(*) from t where code > -1000000"),
             number(w->conn, "select count(*) from t"));
    CHECK_EQ(number(w->conn, "select count(*) from t where name > ''"),
             number(w->conn, "select count(name) from t"));
    sabotage |= SABOTAGE_LOSE_INDEX_OP;
    DO(w->conn, "update t set name = 'lost ' || id");
    sabotage &= ~(unsigned)SABOTAGE_LOSE_INDEX_OP;
    power_off(w);
}

static void find_it(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    CHECK(problems(w, false) > 0);
    close_world(w);
}

TEST(generations, invariant_03_index_entries_are_those_of_the_rows)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 3; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){lose_an_entry, find_it}, 2);
}

struct files {
    uint64_t rows, hidden, count;
    struct buf all; /* A query over all live files. */
};

static bool add_file(void *context, const kdk_file *file)
{
    struct files *files = context;
    if (!file->live || file->is_log || strcmp(file->table, "public.t") != 0)
        return true;
    files->rows += file->rows;
    files->hidden += file->hidden;
    buf_printf(&files->all, "%sselect id from '%s%s'", files->count++ ? " union all " : "",
               file->path[0] == '/' ? "" : "/db/", file->path);
    return true;
}

static void count_bases(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 300);
    DO(w->conn, "checkpoint freeze");
    for (int round = 0; round < 5; round++) {
        struct files files = {0};
        DO(w->conn, "delete from t where id between %d and %d", 10 + 40 * round,
           16 + 40 * round);
        DO(w->conn, "update t set n = 0, name = 'patched' where id between %d and %d",
           20 + 40 * round, 29 + 40 * round);
        DO(w->conn,
           "insert into t select g, g * 10, 'late', 1 from generate_series(%d, %d) as s "
           "(g)",
           1000 + 20 * round, 1009 + 20 * round);
        DO(w->conn, "checkpoint");
        CHECK_EQ(kdk_files(w->db, add_file, &files), KDK_OK);
        /* What is in files and not hidden are the rows that were neither changed nor added
         * since they were frozen. */
        CHECK_EQ(files.rows - files.hidden, number(w->conn, "select count(*) from t") - 20);
        CHECK_EQ(problems(w, true), 0);
        buf_deinit(&files.all);
        files = (struct files){0};
        DO(w->conn, "checkpoint freeze");
        CHECK_EQ(kdk_files(w->db, add_file, &files), KDK_OK);
        CHECK_EQ(files.rows - files.hidden, number(w->conn, "select count(*) from t"));
        buf_deinit(&files.all);
    }
    close_world(w);
}

static void read_files(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 300);
    for (int round = 0; round < 6; round++) {
        struct files files = {0};
        DO(w->conn, "checkpoint freeze");
        CHECK_EQ(kdk_files(w->db, add_file, &files), KDK_OK);
        CHECK(files.rows > 0);
        CHECK_EQ(number(w->conn, "select count(*) from (%s) f", files.all.data),
                 files.rows);
        /* Keys were not changed, so an id is a row. */
        CHECK_EQ(number(w->conn, "select count(distinct id) from (%s) f", files.all.data),
                 files.rows);
        buf_deinit(&files.all);
        DO(w->conn, "update t set n = n + 1, name = 'changed' where id %% 7 = %d", round);
        DO(w->conn, "delete from t where id between %d and %d", 40 * round,
           40 * round + 20);
        DO(w->conn,
           "insert into t select g, g * 10, 'late', 1 from generate_series(%d, %d) as s "
           "(g)",
           1000 + 20 * round, 1009 + 20 * round);
    }
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(generations, invariant_28_no_row_is_twice_in_live_files)
{
    static struct world w;
    run_parts(&w, 28, (const os_thread_fn[]){read_files}, 1);
}

TEST(generations, invariant_06_each_row_has_one_base)
{
    static struct world w;
    run_parts(&w, 6, (const os_thread_fn[]){count_bases}, 1);
}

/* Pairs of rows that are always changed together, frozen again and again: who reads sees
 * both or none, and nothing older than what was acknowledged before. */
static struct {
    _Atomic uint32_t writers;
    _Atomic uint64_t acknowledged, reads;
} pairs;

static void pair_writer(void *context)
{
    struct world *w = context;
    kdk_conn *conn = connected(w);
    for (uint32_t i = 0; i < 12; i++) {
        const kdk_status status =
            try_sql(conn, "update t set v = v + 1 where pair = %u", pick(w, 6));
        if (status == KDK_OK)
            atomic_fetch_add(&pairs.acknowledged, 2);
        else
            CHECK_EQ(status, KDK_SERIALIZATION);
    }
    kdk_disconnect(conn);
    atomic_fetch_sub(&pairs.writers, 1);
}

static void pair_freezer(void *context)
{
    struct world *w = context;
    kdk_conn *conn = connected(w);
    while (atomic_load(&pairs.writers)) {
        DO(conn, pick(w, 3) ? "checkpoint freeze" : "checkpoint");
        os_sleep_ns(1000 + pick(w, 300000));
    }
    kdk_disconnect(conn);
}

static void pair_reader(void *context)
{
    struct world *w = context;
    kdk_conn *conn = connected(w);
    while (atomic_load(&pairs.writers)) {
        const int64_t before = (int64_t)atomic_load(&pairs.acknowledged);
        DO(conn, "begin");
        CHECK(number(conn, "select sum(v) from t") >= before);
        CHECK_EQ(number(conn, "select count(*) from t"), 12);
        CHECK_EQ(number(conn, "select count(*) from t a join t b on a.pair = b.pair and "
                              "a.side < b.side where a.v = b.v"),
                 6);
        const uint32_t one = pick(w, 6);
        CHECK_EQ(number(conn, "select v from t where id = %u", one),
                 number(conn, "select v from t where id = %u", one + 6));
        DO(conn, "commit");
        atomic_fetch_add(&pairs.reads, 1);
    }
    kdk_disconnect(conn);
}

static void change_pairs(void *context)
{
    static const os_thread_fn roles[] = {pair_writer, pair_writer, pair_freezer,
                                         pair_reader, pair_reader};
    struct os_thread *threads[COUNT_OF(roles)];
    struct world *w = context;
    struct err err = {0};
    if (!open_world(w))
        return;
    DO(w->conn, "create table t (id integer primary key, pair integer, side integer, v "
                "bigint, pad text)");
    DO(w->conn, "insert into t select g, g %% 6, g / 6, 0, 'pad' from generate_series(0, "
                "11) as s (g)");
    DO(w->conn, "checkpoint freeze");
    atomic_store(&pairs.writers, 2);
    atomic_store(&pairs.acknowledged, 0);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        CHECK_EQ(os_thread_new(os_here(), "pairs", roles[i], w, &threads[i], &err), KDK_OK);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        os_thread_join(threads[i]);
    CHECK_EQ(number(w->conn, "select sum(v) from t"), atomic_load(&pairs.acknowledged));
    close_world(w);
}

TEST(generations, invariant_07_nobody_sees_a_base_that_was_superseded)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){change_pairs}, 1);
    CHECK(atomic_load(&pairs.reads) > 40);
}

static void prune(void *context)
{
    static const char *const columns[] = {"i", "d", "s", "m"};
    static const char *const values[][6] = {
        {"0", "-5", "17", "1000", "199", "77"},
        {"'NaN'::double precision", "-0.0", "0.0", "17.5", "'Infinity'::double precision",
         "1e300"},
        {"''", "'value 17'",
         "'a text that is long enough to be cut off in a zone map, number 42'", "'zzz'",
         "'value'", "'patched'"},
        {"0.00", "-1.25", "12.50", "99999.99", "1.24", "77.00"},
    };
    static const char *const operators[] = {"=", "<", "<=", ">", ">=", "<>"};
    struct world *w = context;
    if (!open_world(w))
        return;
    DO(w->conn,
       "create table z (k integer primary key, i integer, d double precision, s text)");
    DO(w->conn,
       "insert into z select g, g / 2 - 10, case when g %% 50 = 7 then 'NaN'::double "
       "precision when g %% 50 = 8 then -0.0::double precision when g %% 97 = 5 then "
       "'Infinity'::double precision else g / 8.0::double precision end, "
       "case when g %% 3 = 0 then null when g > 250 then 'a text that is long enough to be "
       "cut off in a zone map, number ' || g %% 50 else 'value ' || g end "
       "from generate_series(1, 500) as s (g)");
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "alter table z add column m numeric(10,2) default 12.5");
    DO(w->conn, "insert into z select g, g, null, 'after', g from generate_series(501, "
                "600) as s (g)");
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "update z set i = 1000, s = 'patched', d = 1e300 where k %% 41 = 0");
    DO(w->conn, "update z set m = 77 where k %% 59 = 0");
    DO(w->conn, "delete from z where k %% 43 = 0");
    DO(w->conn, "checkpoint");
    DO(w->conn, "update z set i = 77, s = 'hot' where k %% 47 = 0");
    for (size_t c = 0; c < COUNT_OF(columns); c++)
        for (size_t v = 0; v < COUNT_OF(values[c]); v++)
            for (size_t o = 0; o < COUNT_OF(operators); o++) {
                /* A CASE hides the column from whoever prunes. */
                const int64_t pruned =
                    number(w->conn, "select count(*) from z where %s %s %s", columns[c],
                           operators[o], values[c][v]);
                const int64_t all = number(
                    w->conn, "select sum(case when %s %s %s then 1 else 0 end) from z",
                    columns[c], operators[o], values[c][v]);
                if (!CHECK_EQ(pruned, all))
                    fprintf(stderr, "%s %s %s\n", columns[c], operators[o], values[c][v]);
            }
    for (size_t c = 0; c < COUNT_OF(columns); c++)
        CHECK_EQ(number(w->conn, "select count(*) from z where %s is null", columns[c]),
                 number(w->conn, "select count(*) - count(%s) from z", columns[c]));
    close_world(w);
}

TEST(generations, invariant_10_pruning_changes_no_answer)
{
    static struct world w;
    run_parts(&w, 10, (const os_thread_fn[]){prune}, 1);
}

/* ----------------------------------------------------------------- durability ---- */

static char first_answers[1 << 16]; /* Memory of a part goes with the power. */

static void work_and_die(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 100);
    for (int i = 0; i < 10; i++) {
        change(w, w->conn);
        if (i == 4)
            DO(w->conn, "checkpoint freeze");
    }
    DO(w->conn, "alter table t add column extra integer default 3; update t set extra = id "
                "where id < 50");
    struct buf out = {0};
    answers(w->conn, &out);
    CHECK(out.len < sizeof first_answers);
    memcpy(first_answers, out.data, MIN(out.len + 1, sizeof first_answers));
    buf_deinit(&out);
    DO(w->conn, "begin; delete from t; insert into t (id, code) values (-1, -1)");
    power_off(w);
}

static void replay_and_die(void *context)
{
    struct world *w = context;
    struct buf now = {0};
    if (!open_world(w))
        return;
    answers(w->conn, &now);
    CHECK_STR(now.data, first_answers);
    buf_deinit(&now);
    CHECK_EQ(problems(w, true), 0);
    power_off(w);
}

static void interrupted_replay(void *context)
{
    struct world *w = context;
    sim_cut_at(w->sim, 1 + w->seed % 8);
    if (open_world(w))
        power_off(w);
}

TEST(durability, invariant_13_replaying_twice_gives_the_same)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_parts(&w, seed,
                  (const os_thread_fn[]){work_and_die, replay_and_die, interrupted_replay,
                                         replay_and_die, replay_and_die},
                  5);
}

/* An index that somebody's snapshot still has is none of those that a change must have
 * whole keys for. */
static void change_without_an_index(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 100);
    DO(w->conn, "create index t_two on t (name, n)");
    DO(w->conn, "checkpoint freeze");
    kdk_conn *held = connected(w);
    DO(held, "begin");
    CHECK_EQ(number(held, "select count(*) from t"), 100);
    DO(w->conn, "drop index t_two");
    DO(w->conn, "update t set name = 'changed' where id between 20 and 29");
    kdk_disconnect(held);
    power_off(w);
}

static void look_at_the_rest(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from t where n = id * 1.25"), 100);
    CHECK_EQ(number(w->conn, "select count(*) from t where name = 'changed'"), 10);
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(durability, a_change_after_its_index_is_dropped_changes_no_other_column)
{
    static struct world w;
    run_parts(&w, 1, (const os_thread_fn[]){change_without_an_index, look_at_the_rest}, 2);
}

/* Codes of dictionaries that no row has, since the load failed that wanted them first. */
static void fail_a_load(void *context)
{
    struct world *w = context;
    const int rows = 20 * STRIP_ROWS;
    if (!open_world(w))
        return;
    DO(w->conn, "create table c (id integer primary key, v text not null)");
    DO(w->conn,
       "insert into c select g, 'a' || g %% 2 from generate_series(1, %d) as s (g)", rows);
    DO(w->conn, "checkpoint");
    CHECK_EQ(try_sql(w->conn,
                     "insert into c select g, case when g < %d then 'b' || g %% 2 end from "
                     "generate_series(%d, %d) as s (g)",
                     2 * rows, rows + 1, 2 * rows),
             KDK_NOT_NULL);
    DO(w->conn, "insert into c values (0, 'z')");
    DO(w->conn, "checkpoint");
    DO(w->conn,
       "insert into c select g, 'c' || g %% 2 from generate_series(%d, %d) as s (g)",
       rows + 1, 2 * rows);
    DO(w->conn,
       "insert into c select g, 'b' || g %% 2 from generate_series(%d, %d) as s (g)",
       2 * rows + 1, 3 * rows);
    power_off(w);
}

static void lose_a_slot(void *context)
{
    struct world *w = context;
    struct err err = {0};
    CHECK_EQ(sim_flip(w->sim, "/db/MANIFEST", w->seed % 2 * 4096 + 30, 0x10, &err), KDK_OK);
    if (!open_world(w))
        return;
    const int rows = 20 * STRIP_ROWS;
    CHECK_EQ(number(w->conn, "select count(*) from c"), 3 * rows + 1);
    CHECK_EQ(number(w->conn, "select count(*) from c where id > %d and v in ('b0', 'b1')",
                    2 * rows),
             rows);
    CHECK_EQ(number(w->conn, "select count(*) from c where v in ('c0', 'c1')"), rows);
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(durability, the_older_slot_has_all_codes_that_the_log_has_not)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 2; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){fail_a_load, lose_a_slot}, 2);
}

enum { LOG_BYTES = KDK_PICK(1 << 20, 16 << 10) };

static void write_on(void *context)
{
    struct world *w = context;
    uint64_t most = 0;
    if (!open_world(w))
        return;
    DO(w->conn, "create table t (id integer primary key, v text)");
    for (uint32_t i = 0; i < 150; i++) {
        uint64_t log = 0;
        DO(w->conn,
           "insert into t select %u + g, 'a text of some forty characters, no less than "
           "that' from generate_series(1, %d) as s (g)",
           i * 1000, KDK_PICK(400, 5));
        if (i % 3 == 0)
            DO(w->conn, "delete from t where id < %u", i * 500);
        CHECK_EQ(kdk_files(w->db, add_log, &log), KDK_OK);
        if (log > most)
            most = log;
    }
    /* What waits for the checkpoint, at most twice as much as makes it due, and as much for
     * the manifest before; the segment in use, and one that is made ahead or kept for its
     * next use. */
    CHECK(most <= 4 * LOG_BYTES + 3 * WAL_SEGMENT_BYTES);
    CHECK(sim_calls_mutating(w->sim) > 0);
    power_off(w);
}

static uint64_t files_there;
static kdk_status count_name(void *context, const char *name, struct err *err)
{
    (void)context;
    (void)name;
    (void)err;
    files_there++;
    return KDK_OK;
}

static bool count_live(void *context, const kdk_file *file)
{
    *(uint64_t *)context += !file->is_log;
    return true;
}

static void freeze_and_die(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    DO(w->conn, "checkpoint freeze");
    DO(w->conn, "update t set v = 'changed' where id %% 3 = 0");
    /* In the middle of it. */
    sim_cut_at(w->sim, sim_calls_mutating(w->sim) + 4 + w->seed * 3);
    DO(w->conn, "checkpoint freeze");
    power_off(w);
}

static void count_files(void *context)
{
    struct world *w = context;
    struct err err = {0};
    uint64_t known = 0;
    if (!open_world(w))
        return;
    files_there = 0;
    CHECK_EQ(kdk_files(w->db, count_live, &known), KDK_OK);
    (void)!(os_list(os_here(), "/db/blocks", count_name, NULL, &err) == KDK_OK);
    CHECK_EQ(files_there, known);
    close_world(w);
}

TEST(durability, invariant_17_the_log_stays_short_and_no_file_is_left_over)
{
    static struct world w;
    static char setting[64];
    snprintf(setting, sizeof setting, "checkpoint_log_bytes=%d", LOG_BYTES);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        w.settings = (const char *const[]){setting, NULL};
        run_parts(&w, seed, (const os_thread_fn[]){write_on, freeze_and_die, count_files},
                  3);
    }
    w.settings = NULL;
}

/* --------------------------------------------------------------- transactions ---- */

static void update_late(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    make_table(w, 50);
    DO(w->conn, "checkpoint freeze");
    static const char *const between[] = {
        "checkpoint", "checkpoint freeze",
        "checkpoint freeze; checkpoint freeze; checkpoint", "select * from t"};
    for (size_t i = 0; i < COUNT_OF(between); i++)
        for (int how = 0; how < 3; how++) {
            kdk_conn *late = connected(w);
            DO(late, "begin");
            const int64_t was = number(late, "select code from t where id = 7");
            DO(w->conn, "update t set %s where id = 7",
               how ? "n = n + 1" : "code = code + 1");
            DO(w->conn, "%s", between[i]);
            CHECK_EQ(number(late, "select code from t where id = 7"), was);
            CHECK_EQ(try_sql(late, how == 2 ? "delete from t where id = 7"
                                            : "update t set n = n + 1 where id = 7"),
                     KDK_SERIALIZATION);
            DO(late, "rollback");
            kdk_disconnect(late);
        }
    CHECK_EQ(number(w->conn, "select count(*) from t where id = 7"), 1);
    close_world(w);
}

TEST(transactions, invariant_20_a_lost_update_is_refused_wherever_the_newer_version_went)
{
    static struct world w;
    run_parts(&w, 20, (const os_thread_fn[]){update_late}, 1);
}

/* Few keys, many who want them. */
static void key_writer(void *context)
{
    struct world *w = context;
    kdk_conn *conn = connected(w);
    for (uint32_t i = 0; i < 40; i++) {
        const bool block = pick(w, 2) == 0;
        if (block)
            DO(conn, "begin");
        for (uint32_t n = block ? 1 + pick(w, 3) : 1; n > 0; n--) {
            const uint32_t k = pick(w, 5), other = pick(w, 5);
            kdk_status status = KDK_OK;
            switch (pick(w, 4)) {
            case 0:
            case 1:
                status = try_sql(conn, "insert into k values (%u, %u)", k, other);
                break;
            case 2:
                status = try_sql(conn, "delete from k where a = %u", k);
                break;
            default:
                status =
                    try_sql(conn, "update k set a = %u, b = b + 1 where a = %u", other, k);
                break;
            }
            if (status != KDK_OK) {
                CHECK(status == KDK_SERIALIZATION || status == KDK_UNIQUE);
                break;
            }
        }
        bool failed = false;
        if (kdk_in_transaction(conn, &failed)) {
            const kdk_status status =
                try_sql(conn, failed || pick(w, 4) == 0 ? "rollback" : "commit");
            CHECK(status == KDK_OK || status == KDK_SERIALIZATION || status == KDK_UNIQUE);
            if (kdk_in_transaction(conn, NULL))
                DO(conn, "rollback");
        }
    }
    kdk_disconnect(conn);
    atomic_fetch_sub(&pairs.writers, 1);
}

static void key_reader(void *context)
{
    struct world *w = context;
    kdk_conn *conn = connected(w);
    while (atomic_load(&pairs.writers)) {
        DO(conn, "begin");
        CHECK_EQ(number(conn, "select count(*) from k"),
                 number(conn, "select count(distinct a) from k"));
        CHECK_EQ(number(conn, "select count(*) from k where a >= 0"),
                 number(conn, "select count(*) from k"));
        DO(conn, "commit");
        os_yield();
    }
    kdk_disconnect(conn);
}

static void fight_for_keys(void *context)
{
    static const os_thread_fn roles[] = {key_writer, key_writer, key_writer, pair_freezer,
                                         key_reader};
    struct os_thread *threads[COUNT_OF(roles)];
    struct world *w = context;
    struct err err = {0};
    if (!open_world(w))
        return;
    DO(w->conn, "create table k (a integer, b integer); create unique index k_a on k (a)");
    atomic_store(&pairs.writers, 3);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        CHECK_EQ(os_thread_new(os_here(), "keys", roles[i], w, &threads[i], &err), KDK_OK);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        os_thread_join(threads[i]);
    CHECK_EQ(problems(w, true), 0);
    power_off(w);
}

static void keys_after(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from k"),
             number(w->conn, "select count(distinct a) from k"));
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(transactions, invariant_20a_at_most_one_row_has_a_unique_key)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_parts(&w, seed, (const os_thread_fn[]){fight_for_keys, keys_after}, 2);
}

/* Rows behind the first batch of a large statement go into files of its own, with sorted
 * runs for its keys: they obey as others do. */
static void load_what_is_refused(void *context)
{
    enum { MANY = 3 * BATCH_ROWS };
    struct world *w = context;
    if (!open_world(w))
        return;
    DO(w->conn,
       "create table l (id integer primary key, code integer not null, name text)");
    DO(w->conn, "create unique index l_code on l (code); create index l_name on l (name)");
    DO(w->conn, "insert into l values (%d, -1, 'there')", MANY - 3);
    static const struct {
        const char *columns;
        kdk_status status;
    } refused[] = {
        {"g, g, 'its id is there'", KDK_UNIQUE},
        {"case when g > %d then -g else -g - 100000 end, case when g > %d then 7777777 "
         "else g end, 'a code twice in the load'",
         KDK_UNIQUE},
        {"-g, case when g = %d then -1 else g end, 'its code is there, before %d'",
         KDK_UNIQUE},
        {"-g, case when g >= %d then null else g end, 'no code, from %d on'", KDK_NOT_NULL},
        {"-g, 1000 / (%d - g), 'fails late, at %d'", KDK_DIVISION_BY_ZERO},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        char columns[256];
        snprintf(columns, sizeof columns, refused[i].columns, MANY - 4, MANY - 4);
        CHECK_EQ(try_sql(w->conn,
                         "insert into l select %s from generate_series(1, %d) as s (g)",
                         columns, MANY),
                 refused[i].status);
        CHECK_EQ(number(w->conn, "select count(*) from l"), 1);
        CHECK_EQ(number(w->conn, "select count(*) from l where name > 'a'"), 1);
        CHECK_EQ(problems(w, true), 0);
    }
    DO(w->conn, "insert into l select -g, g, 'loaded' from generate_series(1, %d) as s (g)",
       MANY);
    CHECK_EQ(number(w->conn, "select count(*) from l"), MANY + 1);
    CHECK_EQ(number(w->conn, "select id from l where code = %d", MANY - 1), 1 - MANY);
    CHECK_EQ(try_sql(w->conn, "insert into l values (%d, 0, 'again')", 1 - MANY),
             KDK_UNIQUE);
    DO(w->conn, "delete from l where id = %d; insert into l values (%d, %d, 'after')",
       1 - MANY, 1 - MANY, MANY - 1);
    CHECK_EQ(number(w->conn, "select count(*) from l"), MANY + 1);
    CHECK_EQ(problems(w, true), 0);
    power_off(w);
}

static void loads_after(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    CHECK_EQ(number(w->conn, "select count(*) from l"),
             number(w->conn, "select count(distinct code) from l"));
    CHECK_EQ(number(w->conn, "select count(*) from l where name = 'loaded'"),
             3 * BATCH_ROWS - 1);
    CHECK_EQ(problems(w, true), 0);
    close_world(w);
}

TEST(transactions, a_load_that_is_refused_leaves_no_trace)
{
    static struct world w;
    run_parts(&w, 21, (const os_thread_fn[]){load_what_is_refused, loads_after}, 2);
}

/* -------------------------------------------------------------------- catalog ---- */

static void bind_at_snapshot(void *context)
{
    struct world *w = context;
    struct buf was = {0}, now = {0};
    if (!open_world(w))
        return;
    make_table(w, 30);
    DO(w->conn, "create view v as select id, name from t where id < 10");
    kdk_conn *old = connected(w), *writing = connected(w);
    DO(old, "begin");
    DO(writing, "begin; insert into t values (500, 5, 'five', 5)");
    ask(old, &was, "select * from t order by id");
    ask(old, &was, "select * from v order by id");
    /* Who has written to the table does not straddle a change of it: one of the two is
     * refused. */
    const kdk_status altered =
        try_sql(w->conn, "alter table t add column extra integer default 9");
    const kdk_status written =
        try_sql(writing, "insert into t (id, code) values (501, 6); commit");
    CHECK(altered == KDK_OK ? written == KDK_SERIALIZATION
                            : altered == KDK_SERIALIZATION && written == KDK_OK);
    if (kdk_in_transaction(writing, NULL))
        DO(writing, "rollback");
    if (altered != KDK_OK)
        DO(w->conn, "alter table t add column extra integer default 9");
    DO(w->conn, "drop view v; alter table t drop column n; alter table t rename column "
                "name to title; create view v as select 1 as one");
    for (int i = 0; i < 3; i++) {
        buf_clear(&now);
        ask(old, &now, "select * from t order by id");
        ask(old, &now, "select * from v order by id");
        CHECK_STR(now.data, was.data);
        CHECK_EQ(number(old, "select count(n) from t where name like 'name%%'"), 30);
        DO(w->conn, i ? "checkpoint freeze" : "alter table t rename to u");
    }
    /* Its own catalog has no such column, and what is new is not to be written through old
     * definitions. */
    kdk_stmt *stmt = NULL;
    CHECK_EQ(kdk_prepare(writing, "select n from u", -1, &stmt, NULL),
             KDK_UNDEFINED_COLUMN);
    kdk_stmt_free(stmt);
    CHECK_EQ(try_sql(old, "insert into t (id, code, n) values (600, 600, 1)"),
             KDK_SERIALIZATION);
    DO(old, "rollback");
    CHECK_EQ(number(w->conn, "select count(extra) from u"),
             number(w->conn, "select count(*) from u"));
    kdk_disconnect(old);
    kdk_disconnect(writing);
    buf_deinit(&was);
    buf_deinit(&now);
    close_world(w);
}

TEST(catalog, invariant_35_statements_bind_at_their_snapshot)
{
    static struct world w;
    run_parts(&w, 35, (const os_thread_fn[]){bind_at_snapshot}, 1);
}

/* Between the rows that a statement hands out its thread may ask for anything, on another
 * connection. */
static void checkpoint_amid_rows(void *context)
{
    struct world *w = context;
    kdk_stmt *stmt = NULL;
    bool row = false;
    if (!open_world(w))
        return;
    DO(w->conn, "create table r (id integer primary key)");
    char sql[100];
    snprintf(sql, sizeof sql,
             "insert into r select g from generate_series(1, %d) as s (g) returning id",
             4 * BATCH_ROWS);
    CHECK_EQ(kdk_prepare(w->conn, sql, -1, &stmt, NULL), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(row);
    kdk_conn *other = connected(w);
    DO(other, "checkpoint freeze");
    CHECK_EQ(number(other, "select count(*) from r"), 0);
    while (row && CHECK_EQ(kdk_step(stmt, &row), KDK_OK))
        continue;
    CHECK_EQ(number(other, "select count(*) from r"), 4 * BATCH_ROWS);
    kdk_stmt_free(stmt);
    kdk_disconnect(other);
    close_world(w);
}

TEST(transactions, a_checkpoint_amid_returned_rows_waits_for_nobody)
{
    static struct world w;
    run_parts(&w, 1, (const os_thread_fn[]){checkpoint_amid_rows}, 1);
}
