/* A prepared statement by key is a row program: a read makes no allocation; an update of a
 * cold row decodes its key and logs a few bytes. */
#include <stdio.h>
#include <string.h>

#include "api/api_int.h"
#include "base/mem.h"
#include "block/block.h"
#include "check.h"
#include "kodiak.h"
#include "os/sim.h"
#include "table/disk.h"
#include "table/table_int.h"
#include "wal/wal.h"

#define ROWS 500

struct fixture {
    kdk_db *db;
    kdk_conn *conn;
};

static bool setup(struct fixture *f)
{
    *f = (struct fixture){0};
    return CHECK_EQ(kdk_open(":memory:", NULL, &f->db, NULL), KDK_OK) &&
           CHECK_EQ(kdk_connect(f->db, &f->conn), KDK_OK) &&
           CHECK_EQ(kdk_exec(f->conn,
                             "create table t (id integer primary key, code text unique, n "
                             "numeric(10,2), f double precision, note text);"
                             "insert into t select g, 'code of row ' || g, g * 1.25, g / "
                             "3.0, case when g % 7 <> 0 then 'note ' || g end "
                             "from generate_series(1, 500) as s (g)",
                             -1),
                    KDK_OK);
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

/* Reads row `id` and all its columns. */
static void read_row(kdk_stmt *stmt, int id)
{
    char wanted[64];
    bool row = false;
    CHECK_EQ(kdk_bind_int64(stmt, 1, id), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    if (!CHECK(row))
        return;
    CHECK_EQ(kdk_column_int64(stmt, 0), id);
    snprintf(wanted, sizeof wanted, "code of row %d", id);
    CHECK_STR(kdk_column_text(stmt, 1, NULL), wanted);
    snprintf(wanted, sizeof wanted, "%d.%02d", id * 125 / 100, id * 125 % 100);
    CHECK_STR(kdk_column_text(stmt, 2, NULL), wanted);
    CHECK(kdk_column_double(stmt, 3) > id / 3.0 - 1e-9 &&
          kdk_column_double(stmt, 3) < id / 3.0 + 1e-9);
    CHECK_EQ(kdk_column_null(stmt, 4), id % 7 == 0);
    CHECK_EQ(kdk_column_kind(stmt, 0), KDK_KIND_INT);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(!row);
    CHECK_STR(kdk_command_tag(stmt), "SELECT 1");
}

TEST(point, reads_allocate_nothing)
{
    struct fixture f;
    struct mem_stats before, after;
    if (!setup(&f))
        return;
    kdk_stmt *stmt = prepared(&f, "select id, code, n, f, note from t where id = $1");
    read_row(stmt, 444); /* Room for texts is made once. */
    mem_stats(&before);
    for (int i = 1; i <= ROWS; i++)
        read_row(stmt, i);
    mem_stats(&after);
    CHECK_EQ(after.calls, before.calls);

    /* Inside a block, too; for a key that is not there; and ended early. */
    CHECK_EQ(kdk_exec(f.conn, "begin; select 1", -1), KDK_OK);
    bool row = true;
    mem_stats(&before);
    for (int i = 1; i <= ROWS; i++)
        read_row(stmt, i);
    CHECK_EQ(kdk_bind_int64(stmt, 1, ROWS + 1), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(!row);
    CHECK_EQ(kdk_bind_int64(stmt, 1, 1), KDK_OK);
    CHECK_EQ(kdk_step(stmt, &row), KDK_OK);
    CHECK(row);
    kdk_reset(stmt);
    mem_stats(&after);
    CHECK_EQ(after.calls, before.calls);
    CHECK_EQ(kdk_exec(f.conn, "commit", -1), KDK_OK);
    teardown(&f);
}

TEST(point, statements_by_key_follow_the_data)
{
    struct fixture f;
    bool row;
    if (!setup(&f))
        return;
    kdk_stmt *read = prepared(&f, "select n, note from t where code = $1");
    kdk_stmt *update =
        prepared(&f, "update t set n = n + $2, note = 'changed' where id = $1");
    kdk_stmt *move = prepared(&f, "update t set id = $2 where id = $1 returning id, code");
    kdk_stmt *remove = prepared(&f, "delete from t where id = $1");

    CHECK_EQ(kdk_bind_int64(update, 1, 8), KDK_OK);
    CHECK_EQ(kdk_bind_text(update, 2, "0.25", -1), KDK_OK);
    CHECK_EQ(kdk_step(update, &row), KDK_OK);
    CHECK(!row);
    CHECK_EQ(kdk_affected(update), 1);
    CHECK_STR(kdk_command_tag(update), "UPDATE 1");
    CHECK_EQ(kdk_bind_text(read, 1, "code of row 8", -1), KDK_OK);
    CHECK_EQ(kdk_step(read, &row), KDK_OK);
    CHECK(row);
    CHECK_STR(kdk_column_text(read, 0, NULL), "10.25");
    CHECK_STR(kdk_column_text(read, 1, NULL), "changed");
    kdk_reset(read);

    CHECK_EQ(kdk_bind_int64(move, 1, 8), KDK_OK);
    CHECK_EQ(kdk_bind_int64(move, 2, 9), KDK_OK);
    CHECK_EQ(kdk_step(move, &row), KDK_UNIQUE);
    CHECK_EQ(kdk_bind_int64(move, 2, 1008), KDK_OK);
    CHECK_EQ(kdk_step(move, &row), KDK_OK);
    CHECK(row);
    CHECK_EQ(kdk_column_int64(move, 0), 1008);
    CHECK_STR(kdk_column_text(move, 1, NULL), "code of row 8");
    CHECK_EQ(kdk_step(move, &row), KDK_OK);
    CHECK(!row);

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(kdk_bind_int64(remove, 1, 1008), KDK_OK);
        CHECK_EQ(kdk_step(remove, &row), KDK_OK);
        CHECK_EQ(kdk_affected(remove), 1 - i);
    }
    CHECK_EQ(kdk_step(read, &row), KDK_OK);
    CHECK(!row);
    /* A statement follows the schema. */
    CHECK_EQ(kdk_exec(f.conn, "alter table t drop column note", -1), KDK_OK);
    CHECK_EQ(kdk_step(read, &row), KDK_UNDEFINED_COLUMN);
    CHECK_EQ(kdk_bind_int64(remove, 1, 9), KDK_OK);
    CHECK_EQ(kdk_step(remove, &row), KDK_OK);
    CHECK_EQ(kdk_affected(remove), 1);
    teardown(&f);
}

/* A table of 16 columns that is wholly in a block file. */
static void cold_life(void *context)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_stmt *update = NULL;
    struct wal_stats log_before, log_after;
    struct block_stats cold, warm;
    bool row = false;
    (void)context;
    if (!CHECK_EQ(kdk_open("/db", NULL, &db, NULL), KDK_OK) ||
        !CHECK_EQ(kdk_connect(db, &conn), KDK_OK))
        return;
    if (!CHECK_EQ(
            kdk_exec(
                conn,
                "create table t (id integer primary key, a integer, b bigint, c text, d "
                "text, e double precision, f numeric(12,2), g date,"
                " h integer, i integer, j text, k text, l bigint, m bigint, n integer, o "
                "integer);"
                "insert into t select g, g, g, 'c' || g, 'a long text that takes room ' || "
                "g, g / 3.0, g * 0.25, date '2000-01-01' + g,"
                " g, g, 'j', 'k' || g, g, g, g, g from generate_series(1, 1000) as s (g);"
                "checkpoint freeze t",
                -1),
            KDK_OK))
        check_str(kdk_errmsg(conn), "", "cold", __FILE__, __LINE__);
    block_cache_stats(db->store->disk->strips, &cold);
    kdk_stmt *read = NULL;
    CHECK_EQ(kdk_prepare(conn, "select k from t where id = $1", -1, &read, NULL), KDK_OK);
    CHECK_EQ(kdk_bind_int64(read, 1, 77), KDK_OK);
    CHECK_EQ(kdk_step(read, &row), KDK_OK);
    CHECK(row && strcmp(kdk_column_text(read, 0, NULL), "k77") == 0);
    kdk_stmt_free(read);
    block_cache_stats(db->store->disk->strips, &warm);
    /* The key, which is looked for, unless the freeze left it in the cache; and k; of
     * 16. */
    CHECK(warm.columns_decoded - cold.columns_decoded <= 2);
    cold = warm;
    CHECK_EQ(kdk_prepare(conn, "update t set o = $2 where id = $1", -1, &update, NULL),
             KDK_OK);
    CHECK_EQ(kdk_exec(conn, "begin", -1), KDK_OK);
    wal_stats(db->store->wal, &log_before);
    for (int id = 1; id <= 1000 && update; id += 10) {
        CHECK_EQ(kdk_bind_int64(update, 1, id), KDK_OK);
        CHECK_EQ(kdk_bind_int64(update, 2, -id), KDK_OK);
        CHECK_EQ(kdk_step(update, &row), KDK_OK);
        CHECK_EQ(kdk_affected(update), 1);
    }
    block_cache_stats(db->store->disk->strips, &warm);
    CHECK_EQ(kdk_exec(conn, "commit", -1), KDK_OK);
    wal_stats(db->store->wal, &log_after);
    printf("%llu bytes of log for 100 updates; %llu columns of strips decoded\n",
           (unsigned long long)(log_after.bytes - log_before.bytes),
           (unsigned long long)(warm.columns_decoded - cold.columns_decoded));
    CHECK(log_after.bytes - log_before.bytes < 100 * 100);
    /* At most the key of each strip. */
    CHECK(warm.columns_decoded - cold.columns_decoded <=
          (1000 + STRIP_ROWS - 1) / STRIP_ROWS);
    kdk_stmt_free(update);
    kdk_stmt *sum = NULL;
    CHECK_EQ(
        kdk_prepare(conn, "select sum(o), sum(a), count(*), max(d) from t", -1, &sum, NULL),
        KDK_OK);
    CHECK_EQ(kdk_step(sum, &row), KDK_OK);
    CHECK_EQ(kdk_column_int64(sum, 0), 500500 - 2 * (1 + 991) * 100 / 2);
    CHECK_EQ(kdk_column_int64(sum, 1), 500500);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

/* Cold rows of several strips, with columns of all kinds: whatever is asked of a row, at
 * most one buffer of a strip is decoded for each column that is asked for, and one for the
 * key. */
static void cold_reads(void *context)
{
    enum { STRIPS = 3, N = STRIPS * STRIP_ROWS };
    static const char *const columns[] = {"a", "b", "c", "d", "e", "f"};
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    struct block_stats before, after;
    char sql[400];
    (void)context;
    if (!CHECK_EQ(kdk_open("/db", NULL, &db, NULL), KDK_OK) ||
        !CHECK_EQ(kdk_connect(db, &conn), KDK_OK))
        return;
    snprintf(sql, sizeof sql,
             "create table t (id integer primary key, a integer, b bigint, c text, d text, "
             "e double precision, f numeric(12,2));"
             "insert into t select g, nullif(g %% 5, 0), g * 3000000000, 'one of ' || g %% "
             "7, 'a text for row ' || g, g / 3.0, g * 0.25 "
             "from generate_series(1, %d) as s (g);"
             "checkpoint freeze t",
             N);
    if (!CHECK_EQ(kdk_exec(conn, sql, -1), KDK_OK))
        check_str(kdk_errmsg(conn), "", "cold", __FILE__, __LINE__);
    /* The row that is read, in each strip, is by turns the first, one in the middle, and
     * the last. */
    for (uint32_t asked = 1; asked <= COUNT_OF(columns); asked++)
        for (int strip = 0; strip < STRIPS; strip++) {
            kdk_stmt *read = NULL;
            bool row = false;
            const int id = 1 + strip * STRIP_ROWS +
                           (strip == 0   ? 0
                            : strip == 1 ? STRIP_ROWS / 2
                                         : STRIP_ROWS - 1);
            size_t at = (size_t)snprintf(sql, sizeof sql, "select ");
            for (uint32_t c = 0; c < asked; c++)
                at += (size_t)snprintf(sql + at, sizeof sql - at, "%s%s", c ? ", " : "",
                                       columns[(c + (uint32_t)strip) % COUNT_OF(columns)]);
            snprintf(sql + at, sizeof sql - at, " from t where id = $1");
            CHECK_EQ(kdk_exec(conn, "checkpoint", -1), KDK_OK);
            CHECK_EQ(kdk_prepare(conn, sql, -1, &read, NULL), KDK_OK);
            CHECK_EQ(kdk_bind_int64(read, 1, id), KDK_OK);
            block_cache_stats(db->store->disk->strips, &before);
            CHECK_EQ(kdk_step(read, &row), KDK_OK);
            CHECK(row);
            block_cache_stats(db->store->disk->strips, &after);
            CHECK(after.columns_decoded - before.columns_decoded <= asked + 1);
            for (uint32_t c = 0; c < asked; c++) {
                char wanted[64];
                snprintf(wanted, sizeof wanted, "a text for row %d", id);
                if (strcmp(columns[(c + (uint32_t)strip) % COUNT_OF(columns)], "d") == 0)
                    CHECK_STR(kdk_column_text(read, c, NULL), wanted);
            }
            kdk_stmt_free(read);
        }
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

TEST(point, invariant_26_a_read_of_a_cold_row_decodes_one_buffer_a_column)
{
    struct sim *sim = NULL;
    struct err err = {0};
    if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = 1, .quiet = true}, &sim, &err),
                  KDK_OK))
        return;
    CHECK(sim_run(sim, cold_reads, NULL));
    sim_free(sim);
}

/* An update of one column of a cold row decodes the key at the most, and logs a few
 * bytes. */
TEST(point, invariant_27_an_update_reads_no_column_but_those_it_needs)
{
    struct sim *sim = NULL;
    struct err err = {0};
    if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = 1, .quiet = true}, &sim, &err),
                  KDK_OK))
        return;
    CHECK(sim_run(sim, cold_life, NULL));
    sim_free(sim);
}
