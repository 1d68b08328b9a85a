/* Damage that opening meets: the database opens for reading as it was before, says what is
 * damaged, and is left as it is. */
#include <stdio.h>
#include <string.h>

#include "api/api_int.h"
#include "check.h"
#include "os/sim.h"
#include "table/table_int.h"
#include "wal/record.h"
#include "wal/wal.h"

/* What a commit behind the last good one says. Each has a right checksum. */
enum bad { BAD_BYTES, BAD_PATCH, BAD_DELETE, BAD_COLUMNS, BAD_AHEAD, BADS };

struct life {
    struct os *os;
    enum bad bad;
    uint32_t table;
    struct sim *sim;
};

static int64_t number(kdk_conn *conn, const char *sql)
{
    kdk_stmt *stmt = NULL;
    bool row = false;
    int64_t n = -1;
    if (CHECK_EQ(kdk_prepare(conn, sql, -1, &stmt, NULL), KDK_OK) &&
        CHECK_EQ(kdk_step(stmt, &row), KDK_OK) && CHECK(row))
        n = kdk_column_int64(stmt, 0);
    else
        check_str(kdk_errmsg(conn), "", sql, __FILE__, __LINE__);
    kdk_stmt_free(stmt);
    return n;
}

static void make(void *context)
{
    struct life *life = context;
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    CHECK_EQ(kdk_open("/db", NULL, &db, NULL), KDK_OK);
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    CHECK_EQ(kdk_exec(conn,
                      "create table t (k int primary key, s text); insert into t select g, "
                      "'a row' from generate_series(1, 100) g(g);"
                      "checkpoint freeze; insert into t values (1000, 'new'); delete from "
                      "t where k = 7",
                      -1),
             KDK_OK);
    CHECK_EQ(kdk_exec(conn, "begin; select 1", -1), KDK_OK);
    const struct ctable *table = catver_table(conn->session.version, NULL, "t");
    if (CHECK(table != NULL))
        life->table = (uint32_t)table->id;
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

/* Adds a commit, or a batch outside of one, that cannot be applied. */
static void add_bad(void *context)
{
    struct life *life = context;
    struct err err = {0};
    struct store *store = NULL;
    struct store_options options = {.os = life->os, .dir = "/db"};
    struct wal_batch *batch = NULL;
    const uint32_t columns[1] = {1};
    const struct ltype types[3] = {LTYPE(TEXT), LTYPE(TEXT), LTYPE(TEXT)};
    const struct datum values[3] = {DATUM_NULL, DATUM_NULL, DATUM_NULL};
    uint64_t lsn = 0;
    if (!CHECK_EQ(store_open(&options, &store, NULL, &err), KDK_OK))
        return;
    struct wal *wal = store->wal;
    CHECK_EQ(
        wal_batch_new(wal, life->bad == BAD_AHEAD ? WAL_AHEAD : WAL_COMMIT, &batch, &err),
        KDK_OK);
    struct buf *records = wal_batch_records(batch);
    switch (life->bad) {
    case BAD_BYTES:
    case BAD_AHEAD:
        CHECK_EQ(buf_add(records, "\xff\xff\xff", 3), KDK_OK);
        break;
    case BAD_PATCH:
        record_add_row(records, life->table, 5555, columns, types, values, 1);
        break;
    case BAD_DELETE:
        record_add_delete(records, life->table, 5555);
        break;
    case BAD_COLUMNS:
        record_add_row(records, life->table, 5556, NULL, types, values, 3);
        break;
    case BADS:
        break;
    }
    if (life->bad == BAD_AHEAD) {
        CHECK_EQ(wal_append_ahead(batch, &lsn, &err), KDK_OK);
        CHECK_EQ(wal_batch_new(wal, WAL_COMMIT, &batch, &err), KDK_OK);
        record_add_delete(wal_batch_records(batch), life->table, 1);
    }
    CHECK_EQ(wal_reserve(batch, false, &err), KDK_OK);
    CHECK_EQ(wal_append(batch, txnman_published(store_txnman(store)) + 1, &lsn, &err),
             KDK_OK);
    CHECK_EQ(wal_wait(wal, lsn, &err), KDK_OK);
    CHECK_EQ(store_recovered(store, &err), KDK_OK);
    CHECK_EQ(store_close(store, false, &err), KDK_OK);
}

static void look(void *context)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_error error = {0};
    (void)context;
    if (!CHECK_EQ(kdk_open("/db", NULL, &db, &error), KDK_OK)) {
        check_str(error.message, "", "kdk_open", __FILE__, __LINE__);
        return;
    }
    const char *notice = kdk_open_notice(db);
    CHECK(notice && strstr(notice, "the database is damaged and open read-only"));
    CHECK_EQ(kdk_connect(db, &conn), KDK_OK);
    CHECK_EQ(number(conn, "select count(*) from t"), 100);
    CHECK_EQ(number(conn, "select sum(k) from t"), 6043);
    CHECK_EQ(number(conn, "select count(*) from t where k = 1000"), 1);
    CHECK_EQ(kdk_exec(conn, "insert into t values (-1, null)", -1), KDK_READ_ONLY);
    CHECK_EQ(kdk_exec(conn, "create table u (a int)", -1), KDK_READ_ONLY);
    kdk_disconnect(conn);
    CHECK_EQ(kdk_close(db), KDK_OK);
}

TEST(damaged, a_commit_that_cannot_be_applied_opens_read_only_before_it)
{
    for (enum bad bad = 0; bad < BADS; bad++) {
        struct sim_options options = {.seed = 3, .quiet = true};
        struct life life = {.bad = bad};
        struct err err = {0};
        CHECK_EQ(sim_new(&options, &life.sim, &err), KDK_OK);
        life.os = sim_os(life.sim);
        CHECK(sim_run(life.sim, make, &life));
        CHECK(sim_run(life.sim, add_bad, &life));
        /* Nothing is written, so that the second look is as the first. */
        for (int i = 0; i < 2; i++)
            CHECK(sim_run(life.sim, look, &life));
        sim_free(life.sim);
    }
}

/* The header of the page file and the maps of its free pages are for who writes. */
TEST(damaged, what_writers_alone_need_does_not_keep_readers_out)
{
    static const char *const files[] = {"/db/trees/pages.kdt", "/db/trees/free.0",
                                        "/db/trees/free.1", "/db/trees/free.2"};
    struct sim_options options = {.seed = 3, .quiet = true};
    struct life life = {0};
    struct err err = {0};
    CHECK_EQ(sim_new(&options, &life.sim, &err), KDK_OK);
    life.os = sim_os(life.sim);
    CHECK(sim_run(life.sim, make, &life));
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(sim_flip(life.sim, files[i], 9, 1, &err), KDK_OK);
    for (int i = 0; i < 2; i++)
        CHECK(sim_run(life.sim, look, &life));
    sim_free(life.sim);
}

static void refused(void *context)
{
    const char *want = context;
    kdk_db *db = NULL;
    kdk_error error = {0};
    CHECK(kdk_open("/db", NULL, &db, &error) != KDK_OK);
    if (!CHECK(strstr(error.message, want) != NULL))
        check_str(error.message, want, "kdk_open", __FILE__, __LINE__);
}

static void cut_manifest(void *context)
{
    struct life *life = context;
    struct os_file *file = NULL;
    CHECK_EQ(os_open(life->os, "/db/MANIFEST", OS_READ | OS_WRITE, &file, NULL), KDK_OK);
    CHECK_EQ(os_truncate(file, 0, NULL), KDK_OK);
    os_close(file);
}

/* Without it nothing tells what is valid: neither an empty database nor what the log
 * happens to hold still. */
TEST(damaged, an_empty_manifest_is_refused)
{
    static char want[] = "/db/MANIFEST: neither slot is valid";
    struct sim_options options = {.seed = 3, .quiet = true};
    struct life life = {0};
    struct err err = {0};
    CHECK_EQ(sim_new(&options, &life.sim, &err), KDK_OK);
    life.os = sim_os(life.sim);
    CHECK(sim_run(life.sim, make, &life));
    CHECK(sim_run(life.sim, cut_manifest, &life));
    for (int i = 0; i < 2; i++)
        CHECK(sim_run(life.sim, refused, want));
    sim_free(life.sim);
}

static void put_letter(void *context)
{
    struct life *life = context;
    struct os_file *file = NULL;
    CHECK_EQ(os_mkdir(life->os, "/db", NULL), KDK_OK);
    CHECK_EQ(os_open(life->os, "/db/letter.txt", OS_WRITE | OS_CREATE, &file, NULL),
             KDK_OK);
    os_close(file);
}

static size_t names;
static kdk_status count_name(void *context, const char *name, struct err *err)
{
    (void)context;
    (void)err;
    names += *name != '.';
    return KDK_OK;
}

TEST(damaged, a_folder_of_other_files_becomes_no_database)
{
    static char want[] =
        "\"/db\" is not a database: It has no MANIFEST, and other files: \"letter.txt\".";
    struct sim_options options = {.seed = 3, .quiet = true};
    struct life life = {0};
    struct err err = {0};
    CHECK_EQ(sim_new(&options, &life.sim, &err), KDK_OK);
    life.os = sim_os(life.sim);
    CHECK(sim_run(life.sim, put_letter, &life));
    CHECK(sim_run(life.sim, refused, want));
    names = 0;
    CHECK_EQ(os_list(life.os, "/db", count_name, NULL, &err), KDK_OK);
    CHECK_EQ(names, 1);
    sim_free(life.sim);
}
