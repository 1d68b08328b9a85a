/* history_test.c - random histories of one table, its power cut at many of their calls:
 * what is left is what one of the statements left, the last that was acknowledged or the
 * next.
 *
 * A statement is a large or a small insert, a change of some columns or of the key, a
 * deletion, a column or an index that comes or goes, a checkpoint or a freeze. Some of them
 * fail. Somebody holds a snapshot now and then, so that what is dropped stays for a while.
 * After each statement the table is read whole; what the snapshot reads stays as it was. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/buf.h"
#include "base/hash.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

enum {
    STATEMENTS = 50,
    CUTS = STATEMENTS + 10,
    COLUMNS = 6,
    INDEXES = 3,
    SEEDS = KDK_PICK(1, 4)
};

struct picture {
    struct sim *sim;
    uint32_t done; /* Statements that were acknowledged. */
};
static struct history {
    struct sim *sim;
    uint64_t seed, random;
    kdk_conn *conn, *held;
    struct {
        bool there;
        char kind; /* i, t or n. */
    } columns[COLUMNS];
    bool indexes[INDEXES];
    uint32_t high; /* Ids are below. */
    uint32_t done;
    /* What the table was after so many statements, hashed. */
    uint64_t after[STATEMENTS + 1];
    char said[STATEMENTS][300]; /* Which they are. */
    uint64_t calls, every;
    uint32_t last; /* What was done at the last cut. */
    struct picture pictures[CUTS];
    uint32_t picture_count;
} history;

static uint32_t pick(struct history *h, uint32_t below)
{
    h->random += 0x9e3779b97f4a7c15ull;
    return (uint32_t)(hash_u64(h->random) % below);
}

static uint64_t ask(kdk_conn *conn, const char *sql)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    uint64_t hash = 1;
    kdk_status status = kdk_prepare(conn, sql, -1, &stmt, NULL);
    while (status == KDK_OK && (status = kdk_step(stmt, &row)) == KDK_OK && row)
        for (uint32_t c = 0; c < kdk_column_count(stmt); c++) {
            const char *text =
                kdk_column_null(stmt, c) ? "\1" : kdk_column_text(stmt, c, NULL);
            hash = hash_u64(hash ^ hash_bytes(text, strlen(text)));
        }
    if (status == KDK_UNDEFINED_TABLE) /* Before the first statement. */
        hash = 0;
    else if (!CHECK_EQ(status, KDK_OK))
        check_str(kdk_errmsg(conn), "", sql, __FILE__, __LINE__);
    kdk_stmt_free(stmt);
    return hash;
}

static const char whole[] = "select * from t order by id";

/* A value of a column for the row whose number is `of`. */
static void value_add(struct history *h, struct buf *sql, char kind, const char *of)
{
    if (pick(h, 4) == 0)
        buf_printf(sql, "case when %s %% 5 = 0 then null else ", of);
    else
        buf_printf(sql, "case when false then null else ");
    switch (kind) {
    case 'i':
        buf_printf(sql, pick(h, 2) ? "%s %% 7" : "-%s", of);
        break;
    case 't':
        buf_printf(sql, pick(h, 2) ? "'text ' || %s %% 11" : "repeat('long', 1 + %s %% 20)",
                   of);
        break;
    default:
        buf_printf(sql, "%s * 0.25", of);
    }
    buf_add_str(sql, " end");
}

static void insert_add(struct history *h, struct buf *sql, uint32_t from, uint32_t to)
{
    static const char *const orders[] = {"g", "g", "g desc", "g % 5, g"};
    buf_add_str(sql, "insert into t (id");
    for (uint32_t c = 0; c < COLUMNS; c++)
        if (h->columns[c].there)
            buf_printf(sql, ", c%u", c);
    buf_add_str(sql, ") select g");
    for (uint32_t c = 0; c < COLUMNS; c++)
        if (h->columns[c].there) {
            buf_add_str(sql, ", ");
            value_add(h, sql, h->columns[c].kind, "g");
        }
    buf_printf(sql, " from generate_series(%u, %u) as s (g) order by %s", from, to,
               orders[pick(h, COUNT_OF(orders))]);
}

static void range_add(struct history *h, struct buf *sql)
{
    const uint32_t from = pick(h, h->high);
    buf_printf(sql, " where id between %u and %u", from,
               from + (pick(h, 3) ? pick(h, 10) : pick(h, h->high)));
}

static int column_pick(struct history *h)
{
    const uint32_t from = pick(h, COLUMNS);
    for (uint32_t i = 0; i < COLUMNS; i++)
        if (h->columns[(from + i) % COLUMNS].there)
            return (int)((from + i) % COLUMNS);
    return -1;
}

static void statement(struct history *h, struct buf *sql)
{
    const uint32_t rows = pick(h, 2) ? 1 + pick(h, 10) : 100 + pick(h, 300),
                   c = pick(h, COLUMNS), i = pick(h, INDEXES);
    const int one = column_pick(h), other = column_pick(h);
    buf_clear(sql);
    switch (pick(h, 14)) {
    case 0:
    case 1:
    case 2:
        insert_add(h, sql, h->high, h->high + rows);
        h->high += rows + 1;
        return;
    case 3: /* Fails at its end. */
        buf_add_str(sql, "insert into t (id) select g from generate_series(1, 200) as s "
                         "(g) where not exists (select 1 from t where id = g) union all "
                         "select max(id) from t");
        return;
    case 4:
        buf_printf(sql, "update t set id = id + %u", 1 + pick(h, 3) * 5);
        range_add(h, sql);
        return;
    case 5:
        buf_add_str(sql, "delete from t");
        range_add(h, sql);
        return;
    case 6: /* The same keys again. */
        buf_printf(sql, "begin; delete from t where id between %u and %u; ", h->high / 2,
                   h->high / 2 + rows / 8);
        insert_add(h, sql, h->high / 2, h->high / 2 + rows / 8);
        buf_add_str(sql, "; commit");
        return;
    case 7:
        if (h->columns[c].there) {
            buf_printf(sql, "alter table t drop column c%u", c);
            h->indexes[0] &= c != 0 && c != 1; /* See below. */
            h->indexes[1] &= c != 1 && c != 2;
            h->indexes[2] &= c != 0;
        } else {
            h->columns[c].kind = "itn"[c % 3];
            buf_printf(sql, "alter table t add column c%u %s default %s", c,
                       c % 3 == 0   ? "integer"
                       : c % 3 == 1 ? "text"
                                    : "numeric(12,2)",
                       c % 3 == 1 ? "'what was here before'" : "7");
        }
        h->columns[c].there = !h->columns[c].there;
        return;
    case 8:
    case 9:
        if (h->indexes[i])
            buf_printf(sql, "drop index x%u", i);
        else if (i == 0 && h->columns[0].there && h->columns[1].there)
            buf_add_str(sql, "create index x0 on t (c1, c0 desc)");
        else if (i == 1 && h->columns[1].there && h->columns[2].there)
            buf_add_str(sql, "create index x1 on t (c2 nulls first, c1)");
        else if (i == 2 && h->columns[0].there)
            buf_add_str(sql, "create unique index x2 on t (c0, id desc)");
        else
            break;
        h->indexes[i] = !h->indexes[i];
        return;
    case 10:
        buf_add_str(sql, pick(h, 2) ? "checkpoint" : "checkpoint freeze");
        return;
    default:
        break;
    }
    if (one < 0) {
        buf_add_str(sql, "checkpoint");
        return;
    }
    buf_printf(sql, "update t set c%d = ", one);
    value_add(h, sql, h->columns[one].kind, "id");
    if (other != one) {
        buf_printf(sql, ", c%d = ", other);
        value_add(h, sql, h->columns[other].kind, "id");
    }
    range_add(h, sql);
}

static kdk_db *opened(void)
{
    static const char *const quiet[] = {"bulk_load_rows=1", NULL},
                             *const busy[] = {"bulk_load_rows=1",
                                              "checkpoint_log_bytes=12kB", NULL};
    kdk_options options = {
        .size = sizeof options, .threads = 1, .settings = history.seed % 2 ? quiet : busy};
    kdk_error error = {0};
    kdk_db *db = NULL;
    if (!CHECK_EQ(kdk_open("/db", &options, &db, &error), KDK_OK))
        check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
    return db;
}

static void live(void *context)
{
    struct history *h = context;
    struct buf sql = {0};
    uint64_t seen = 0;
    kdk_db *db = NULL;
    for (uint32_t k = 0; k < STATEMENTS; k++) {
        if (k % 20 == 0) { /* So that all rows have the newest layout. */
            kdk_disconnect(h->held);
            kdk_disconnect(h->conn);
            CHECK_EQ(kdk_close(db), KDK_OK);
            if (!(db = opened()))
                return;
            CHECK_EQ(kdk_connect(db, &h->conn), KDK_OK);
            CHECK_EQ(kdk_connect(db, &h->held), KDK_OK);
        }
        if (k == 0)
            buf_add_str(&sql, "create table t (id integer primary key)");
        else
            statement(h, &sql);
        snprintf(h->said[k], sizeof h->said[k], "%s", sql.data);
        const kdk_status status = kdk_exec(h->conn, sql.data, -1);
        /* The last key is there, or there is none. */
        if (status != KDK_OK && status != KDK_NOT_NULL && !CHECK_EQ(status, KDK_UNIQUE))
            check_str(kdk_errmsg(h->conn), "", sql.data, __FILE__, __LINE__);
        h->after[k + 1] = ask(h->conn, whole);
        h->done = k + 1;
        if (k % 10 == 2) {
            CHECK_EQ(kdk_exec(h->held, "begin", -1), KDK_OK);
            seen = ask(h->held, whole);
        } else if (k % 10 == 9) {
            CHECK_EQ(kdk_exec(h->held, "commit", -1), KDK_OK);
        } else if (!CHECK(k % 10 < 2 || ask(h->held, whole) == seen)) {
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)h->seed, sql.data);
        }
    }
    kdk_disconnect(h->held);
    kdk_disconnect(h->conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
    buf_deinit(&sql);
}

static void take_picture(void *context, struct sim *sim)
{
    struct history *h = context;
    struct err err = {0};
    /* The first call of each statement, and some of all others. */
    if ((h->calls++ % h->every && h->done == h->last) || h->every == UINT64_MAX ||
        h->picture_count == CUTS)
        return;
    h->last = h->done;
    struct picture *one = &h->pictures[h->picture_count];
    one->done = h->done;
    h->picture_count +=
        CHECK_EQ(sim_fork(sim, h->seed + h->calls, &one->sim, &err), KDK_OK);
}

static void say(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "check: %s\n", line);
}

static void look(void *context)
{
    const struct picture *one = context;
    const struct history *h = &history;
    kdk_conn *conn = NULL;
    kdk_db *db = opened();
    if (!db)
        return;
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    const uint64_t now = ask(conn, whole);
    int64_t problems = -1;
    if (!CHECK(now == h->after[one->done] ||
               (one->done < STATEMENTS && now == h->after[one->done + 1])))
        fprintf(stderr, "seed %llu, cut after %u: %s\n", (unsigned long long)h->seed,
                one->done, one->done < STATEMENTS ? h->said[one->done] : "closing");
    CHECK_EQ(kdk_check(db, &problems, say, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    if (now) {
        CHECK_EQ(kdk_exec(conn,
                          "update t set id = -id; checkpoint freeze; update t set id = "
                          "-id; checkpoint",
                          -1),
                 KDK_OK);
        CHECK(ask(conn, whole) == now);
    }
    CHECK_EQ(kdk_check(db, &problems, say, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

TEST(history, power_cuts_between_and_within_all_statements)
{
    struct err err = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history *h = &history;
        const struct sim_options options = {.seed = seed, .quiet = true};
        uint64_t calls = 0;
        for (int pass = 0; pass < 2; pass++) { /* The first counts. */
            memset(h, 0, sizeof *h);
            h->seed = h->random = seed * 7919;
            h->high = 1;
            h->every = pass ? calls / (CUTS - STATEMENTS) + 1 : UINT64_MAX;
            h->calls = 1;
            if (!CHECK_EQ(sim_new(&options, &h->sim, &err), KDK_OK))
                return;
            sim_watch(h->sim, take_picture, h);
            CHECK(sim_run(h->sim, live, h));
            CHECK_EQ(sim_last_error(h->sim, &err), KDK_OK);
            calls = h->calls;
            sim_free(h->sim);
        }
        for (uint32_t i = 0; i < h->picture_count; i++) {
            sim_reboot(h->pictures[i].sim);
            CHECK(sim_run(h->pictures[i].sim, look, &h->pictures[i]));
            sim_free(h->pictures[i].sim);
        }
        CHECK(h->picture_count > STATEMENTS / 2);
    }
}
