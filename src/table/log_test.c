/* log_test.c - tables in a directory, on the simulated system: what was acknowledged is
 * there after every power cut, everything else whole or not at all, and indexes agree with
 * rows.
 *
 * Three workers change rows of two tables. Each has keys of its own, whose states after
 * each of its commits are remembered; all raise one counter in each commit. After a cut,
 * each worker's rows must be those of its last acknowledged commit or the one that was
 * under way, and the counter must be the number of the commits that survived.
 */
#include <stdio.h>

#include "check.h"

#include "base/mem.h"
#include "os/sim.h"
#include "table/table_int.h"
#include "wal/wal.h"

enum { WORKERS = 3, KEYS = 6, TABLES = 2, VERSIONS = 64, COUNTER = 1000, SEGMENT = 4096 };

struct row_state {
    bool there;
    int64_t n;
    uint32_t text; /* Length of s, all one letter; 0: NULL. */
};
struct worker_state {
    struct row_state rows[TABLES][KEYS];
};
struct world {
    struct sim *sim;
    struct os *os;
    struct store *store;
    struct table *tables[TABLES];
    struct store_report report;
    struct err err;
    struct worker_state states[WORKERS][VERSIONS];
    uint32_t acked[WORKERS], tried[WORKERS]; /* Versions. */
    uint32_t each;
    uint64_t random;
    uint64_t uncounted; /* Versions that were taken for commits and were none. */
    kdk_status stopped;
};

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = hash_u64(*random + 0x9e3779b97f4a7c15ull);
    return *random % below;
}

static const struct tcolumn columns[3] = {
    {.type = {.id = LT_BIGINT}, .not_null = true, .missing = {.null = true}},
    {.type = {.id = LT_BIGINT}, .missing = {.null = true}},
    {.type = {.id = LT_TEXT}, .missing = {.null = true}}};

static struct tindex index_def(uint32_t table, uint32_t column)
{
    return (struct tindex){.id = (table + 1) * 10 + 1 + column,
                           .unique = column == 0,
                           .column_count = 1,
                           .columns = {column}};
}

static kdk_status tables_make(struct world *w)
{
    kdk_status status = KDK_OK;
    struct err *err = &w->err;
    struct txn *txn = NULL;
    struct datum counter[3] = {{.i = COUNTER}, {.i = 0}, DATUM_NULL};
    TRY(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, err));
    txn_statement_begin(txn);
    for (uint32_t t = 0; t < TABLES; t++) {
        TRY(table_create(txn, w->store, (t + 1) * 10, columns, 3, &w->tables[t], err));
        for (uint32_t c = 0; c < 2; c++) {
            struct tindex def = index_def(t, c);
            TRY(table_index_create(txn, w->tables[t], &def, err));
        }
    }
    TRY(table_insert(txn, w->tables[0], counter, NULL, err));
    TRY(table_statement_end(txn, err));
    struct txn *ending = txn;
    txn = NULL;
    TRY(txn_commit(ending, err));
out:
    txn_rollback(txn);
    return status;
}

static kdk_status open_store(struct world *w, bool read_only)
{
    kdk_status status = KDK_OK;
    struct err *err = &w->err;
    struct store_options options = {.os = w->os,
                                    .dir = "/db",
                                    .create = true,
                                    .read_only = read_only,
                                    .log_segment_bytes = SEGMENT};
    w->store = NULL;
    TRY(store_open(&options, &w->store, &w->report, err));
    if (store_is_new(w->store)) {
        TRY(store_recovered(w->store, err));
        TRY(tables_make(w));
    } else {
        for (uint32_t t = 0; t < TABLES; t++) {
            TRY(table_attach(w->store, (t + 1) * 10, columns, 3, &w->tables[t], err));
            for (uint32_t c = 0; c < 2; c++) {
                struct tindex def = index_def(t, c);
                TRY(table_index_attach(w->tables[t], &def, err));
            }
        }
        TRY(store_recovered(w->store, err));
    }
out:
    return status;
}

static kdk_status close_store(struct world *w)
{
    kdk_status status = store_close(w->store, false, &w->err);
    w->store = NULL;
    return status;
}

static kdk_status find(struct txn *txn, struct table *table, uint32_t t, int64_t key,
                       rowid *id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf encoded = {0};
    struct datum value = {.i = key};
    uint32_t count;
    *id = 0;
    TRY(key_add(&encoded, LTYPE(BIGINT), &value, false, false));
    TRY(index_point(txn, table, index_def(t, 0).id, encoded.data, encoded.len, id, 1,
                    &count, err));
    CHECK(count <= 1);
    if (!count)
        *id = 0;
out:
    buf_deinit(&encoded);
    return status;
}

static const char letters[3000] = {0};

static struct datum text_of(struct row_state state)
{
    return state.text ? (struct datum){.s = str_of(letters, state.text)} : DATUM_NULL;
}

/* ------------------------------------------------------------------ workload ---- */

struct worker {
    struct world *w;
    uint32_t number;
    uint64_t random;
    struct os_thread *thread;
};

/* A few changes, some of them twice to the same row. */
static kdk_status change_some(struct worker *worker, struct txn *txn,
                              struct worker_state *state, struct err *err)
{
    kdk_status status = KDK_OK;
    struct world *w = worker->w;
    const uint64_t changes = 1 + draw(&worker->random, 6);
    for (uint64_t i = 0; i < changes; i++) {
        const uint32_t t = (uint32_t)draw(&worker->random, TABLES),
                       k = (uint32_t)draw(&worker->random, KEYS);
        struct row_state *row = &state->rows[t][k];
        const int64_t key = worker->number * 100 + k;
        rowid id;
        bool changed;
        txn_statement_begin(txn);
        TRY(find(txn, w->tables[t], t, key, &id, err));
        CHECK_EQ(id != 0, row->there);
        if (!row->there) {
            row->there = true;
            row->n = (int64_t)draw(&worker->random, 5);
            row->text =
                draw(&worker->random, 20) == 0 ? 2000 : (uint32_t)draw(&worker->random, 40);
            struct datum values[3] = {{.i = key}, {.i = row->n}, text_of(*row)};
            TRY(table_insert(txn, w->tables[t], values, NULL, err));
        } else if (draw(&worker->random, 4) == 0) {
            row->there = false;
            TRY(table_delete(txn, w->tables[t], id, &changed, err));
            CHECK(changed);
        } else if (draw(&worker->random, 2)) {
            row->n = (int64_t)draw(&worker->random, 5);
            struct datum value = {.i = row->n};
            uint32_t column = 1;
            TRY(table_update(txn, w->tables[t], id, &column, &value, 1, &changed, err));
            CHECK(changed);
        } else {
            row->text = (uint32_t)draw(&worker->random, 40);
            struct datum value = text_of(*row);
            uint32_t column = 2;
            TRY(table_update(txn, w->tables[t], id, &column, &value, 1, &changed, err));
            CHECK(changed);
        }
        TRY(table_statement_end(txn, err));
    }
out:
    return status;
}

static kdk_status raise_counter(struct world *w, struct txn *txn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena = {0};
    rowid id;
    struct datum value;
    uint32_t column = 1;
    bool found, changed;
    txn_statement_begin(txn);
    TRY(find(txn, w->tables[0], 0, COUNTER, &id, err));
    if (!CHECK(id != 0))
        TRY(err_set(err, KDK_INTERNAL, "no counter"));
    TRY(table_get(txn, w->tables[0], id, &column, 1, &value, &found, &arena, err));
    value.i++;
    TRY(table_update(txn, w->tables[0], id, &column, &value, 1, &changed, err));
    TRY(table_statement_end(txn, err));
out:
    arena_deinit(&arena);
    return status;
}

static kdk_status transaction(struct worker *worker, struct err *err)
{
    kdk_status status = KDK_OK;
    struct world *w = worker->w;
    const uint32_t version = w->acked[worker->number];
    struct txn *txn = NULL;
    for (;;) {
        struct worker_state state = w->states[worker->number][version];
        TRY(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, err));
        txn_statement_begin(txn);
        status = change_some(worker, txn, &state, err);
        if (status == KDK_OK && draw(&worker->random, 8) == 0) {
            txn_rollback(txn);
            txn = NULL;
            continue;
        }
        if (status == KDK_OK)
            status = raise_counter(w, txn, err);
        if (status == KDK_SERIALIZATION) {
            struct txn_conflict conflict = txn->conflict;
            txn_rollback(txn);
            txn = NULL;
            (void)txnman_wait(store_txnman(w->store), conflict, 1000000000);
            continue;
        }
        TRY(status);
        w->states[worker->number][version + 1] = state;
        w->tried[worker->number] = version + 1;
        struct txn *ending = txn;
        txn = NULL;
        status = txn_commit(ending, err);
        if (status == KDK_SERIALIZATION)
            continue;
        TRY(status);
        w->acked[worker->number] = version + 1;
        break;
    }
out:
    txn_rollback(txn);
    return status;
}

static void work(void *context)
{
    struct worker *worker = context;
    struct err err = {0};
    for (uint32_t i = 0; i < worker->w->each; i++) {
        kdk_status status = transaction(worker, &err);
        if (status != KDK_OK) {
            worker->w->stopped = status;
            return;
        }
    }
}

static void workload(void *context)
{
    struct world *w = context;
    struct worker workers[WORKERS];
    struct err err = {0};
    w->stopped = open_store(w, false);
    if (w->stopped == KDK_OK) {
        for (uint32_t i = 0; i < WORKERS; i++) {
            workers[i] = (struct worker){w, i, draw(&w->random, UINT64_MAX), NULL};
            CHECK_EQ(
                os_thread_new(w->os, "worker", work, &workers[i], &workers[i].thread, &err),
                KDK_OK);
        }
        for (uint32_t i = 0; i < WORKERS; i++)
            os_thread_join(workers[i].thread);
    }
    kdk_status status = close_store(w);
    if (w->stopped == KDK_OK)
        w->stopped = status;
}

/* --------------------------------------------------------------------- checks ---- */

static bool state_is(struct world *w, struct txn *txn, uint32_t worker, uint32_t version)
{
    struct arena arena = {0};
    bool same = true;
    for (uint32_t t = 0; t < TABLES; t++)
        for (uint32_t k = 0; k < KEYS; k++) {
            const struct row_state *want = &w->states[worker][version].rows[t][k];
            const uint32_t all[] = {0, 1, 2};
            struct datum got[3], text = text_of(*want);
            rowid id;
            bool found = false;
            CHECK_EQ(find(txn, w->tables[t], t, worker * 100 + k, &id, &w->err), KDK_OK);
            if (id)
                CHECK_EQ(
                    table_get(txn, w->tables[t], id, all, 3, got, &found, &arena, &w->err),
                    KDK_OK);
            same &= found == want->there;
            if (found && want->there)
                same &= got[1].i == want->n && got[2].null == text.null &&
                        (text.null || str_equal(&got[2].s, &text.s));
        }
    arena_deinit(&arena);
    return same;
}

static void problem(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

/* Opens and looks; then what is found is the state to go on from. */
static bool look(struct world *w)
{
    struct txn *txn = NULL;
    struct arena arena = {0};
    uint64_t problems = 0, commits = 0, unclear = w->uncounted;
    bool found, good = true;
    rowid id;
    struct datum value;
    uint32_t column = 1;
    if (!CHECK_EQ(open_store(w, false), KDK_OK)) {
        check_str(w->err.message, "", w->err.detail, __FILE__, __LINE__);
        (void)close_store(w);
        return false;
    }
    good &= CHECK_EQ(store_check(w->store, problem, NULL, &problems, &w->err), KDK_OK);
    good &= CHECK_EQ(problems, 0);
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, true, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    for (uint32_t i = 0; i < WORKERS; i++) {
        uint32_t version = w->acked[i];
        /* The commit under way may be there or not; if its changes came to nothing, only
         * the counter tells. */
        if (w->tried[i] > version && state_is(w, txn, i, w->tried[i])) {
            unclear += state_is(w, txn, i, version);
            version = w->tried[i];
        } else {
            good &= CHECK(state_is(w, txn, i, version));
        }
        w->acked[i] = w->tried[i] = version;
        commits += version;
    }
    CHECK_EQ(find(txn, w->tables[0], 0, COUNTER, &id, &w->err), KDK_OK);
    CHECK_EQ(table_get(txn, w->tables[0], id, &column, 1, &value, &found, &arena, &w->err),
             KDK_OK);
    good &= CHECK(found && (uint64_t)value.i <= commits &&
                  (uint64_t)value.i + unclear >= commits);
    w->uncounted = commits - (uint64_t)value.i;
    txn_rollback(txn);
    arena_deinit(&arena);
    good &= CHECK_EQ(close_store(w), KDK_OK);
    return good;
}

static void world_new(struct world *w, uint64_t seed)
{
    struct sim_options options = {.seed = seed, .quiet = true};
    memset(w, 0, sizeof *w);
    CHECK_EQ(sim_new(&options, &w->sim, &w->err), KDK_OK);
    w->os = sim_os(w->sim);
    w->random = seed;
    w->each = 5;
}

TEST(log, committed_rows_come_back)
{
    static struct world w;
    world_new(&w, 1);
    for (uint32_t life = 0; life < 4; life++) {
        CHECK(sim_run(w.sim, workload, &w));
        CHECK_EQ(w.stopped, KDK_OK);
        CHECK(look(&w));
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        CHECK_EQ(w.acked[i], 4 * w.each);
    sim_free(w.sim);
}

static bool cut_at(uint64_t seed, uint64_t n)
{
    static struct world w;
    bool ended = false;
    world_new(&w, seed);
    for (uint32_t life = 0; life < 3; life++) {
        sim_cut_at(w.sim, life == 0 ? n : n % 13 + life);
        sim_memory_begin();
        bool all = sim_run(w.sim, workload, &w);
        if (!all) {
            CHECK_EQ(sim_last_error(w.sim, &w.err), KDK_OK);
            sim_memory_reap();
        } else {
            /* What follows may have real threads, of which the tracker knows nothing. */
            mem_track_end();
            CHECK_EQ(w.stopped, KDK_OK);
        }
        if (life == 0)
            ended = all;
        w.store = NULL;
        sim_reboot(w.sim);
        if (!look(&w)) {
            printf("seed %llu, cut at %llu, life %u\n", (unsigned long long)seed,
                   (unsigned long long)n, life);
            ended = true;
            break;
        }
    }
    sim_free(w.sim);
    return ended;
}

TEST(log, invariant_11_survives_power_cuts)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        for (uint64_t n = 1; !cut_at(seed, n); n++) {
        }
}

/* Each I/O call fails once, or all from there on. */
TEST(log, survives_failing_calls)
{
    static struct world w;
    for (unsigned mode = 0; mode < 4; mode++) {
        bool ended = false;
        for (uint64_t n = 1; !ended; n++) {
            world_new(&w, 3 + n % 5);
            sim_fail_at(w.sim, n, mode / 2, mode % 2 ? KDK_FULL : KDK_IO);
            CHECK(sim_run(w.sim, workload, &w));
            ended = sim_calls_all(w.sim) < n;
            sim_fail_at(w.sim, 0, false, KDK_IO);
            if (n % 2)
                sim_reboot(w.sim);
            if (!look(&w)) {
                printf("mode %u, call %llu\n", mode, (unsigned long long)n);
                ended = true;
            }
            sim_free(w.sim);
        }
    }
}

TEST(log, survives_failing_allocations)
{
    static struct world w;
    struct mem_stats before, after;
    mem_stats(&before);
    uint64_t failed = 1;
    for (uint64_t n = 0; failed; n += 1 + n / 50) {
        world_new(&w, 4);
        mem_fail_after(n, false);
        struct worker worker = {&w, 0, 7, NULL};
        kdk_status status = open_store(&w, false);
        for (uint32_t i = 0; i < 4 && status == KDK_OK; i++)
            status = transaction(&worker, &w.err);
        (void)close_store(&w);
        failed = mem_fail_never();
        CHECK(status == KDK_OK || status == KDK_NOMEM);
        sim_reboot(w.sim);
        CHECK(look(&w));
        /* And while it is opened again. */
        mem_fail_after(n, false);
        status = open_store(&w, false);
        failed += mem_fail_never();
        CHECK(status == KDK_OK || status == KDK_NOMEM);
        (void)close_store(&w);
        CHECK(look(&w));
        sim_free(w.sim);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

/* Row ids of what was rolled back, or never committed, do not come again. */
TEST(log, invariant_05_row_ids_are_never_used_twice)
{
    static struct world w;
    rowid last = 0, id;
    world_new(&w, 5);
    for (uint32_t life = 0; life < 4; life++) {
        struct txn *txn;
        struct datum values[3] = {{.i = 500}, {.i = 1}, DATUM_NULL};
        CHECK_EQ(open_store(&w, false), KDK_OK);
        for (uint32_t i = 0; i < 150; i++) {
            CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, false, &txn, &w.err),
                     KDK_OK);
            txn_statement_begin(txn);
            CHECK_EQ(table_insert(txn, w.tables[1], values, &id, &w.err), KDK_OK);
            CHECK(id > last);
            last = id;
            txn_rollback(txn);
        }
        CHECK_EQ(close_store(&w), KDK_OK);
        sim_reboot(w.sim);
    }
    sim_free(w.sim);
}

TEST(log, second_owner_is_refused)
{
    static struct world w;
    struct store *other = NULL;
    struct err err = {0};
    world_new(&w, 5);
    struct store_options options = {
        .os = w.os, .dir = "/db", .create = true, .log_segment_bytes = SEGMENT};
    CHECK_EQ(open_store(&w, false), KDK_OK);
    CHECK_EQ(store_open(&options, &other, NULL, &err), KDK_BUSY);
    char pid[48];
    snprintf(pid, sizeof pid, "in use by process %u", os_pid(w.os));
    CHECK(strstr(err.message, pid) != NULL);
    CHECK_EQ(close_store(&w), KDK_OK);
    CHECK_EQ(open_store(&w, false), KDK_OK);
    CHECK_EQ(close_store(&w), KDK_OK);
    options.dir = "/nowhere";
    options.create = false;
    CHECK_EQ(store_open(&options, &other, NULL, &err), KDK_UNDEFINED_FILE);
    sim_free(w.sim);
}

/* A damaged log opens read-only with what came before the damage. */
TEST(log, damage_opens_read_only)
{
    static struct world w;
    struct worker worker = {&w, 0, 7, NULL};
    struct txn *txn;
    world_new(&w, 5);
    CHECK_EQ(open_store(&w, false), KDK_OK);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(transaction(&worker, &w.err), KDK_OK);
    const uint64_t at = wal_durable(w.store->wal);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQ(transaction(&worker, &w.err), KDK_OK);
    CHECK_EQ(close_store(&w), KDK_OK);
    char path[64];
    snprintf(path, sizeof path, "/db/wal/%016llx.log", (unsigned long long)(at / SEGMENT));
    CHECK_EQ(sim_flip(w.sim, path, at % SEGMENT + 40, 1, &w.err), KDK_OK);
    err_clear(&w.err);
    CHECK_EQ(open_store(&w, false), KDK_OK);
    CHECK(w.report.damaged);
    CHECK_EQ(w.err.status, KDK_CORRUPT);
    CHECK(strstr(w.err.detail, path) != NULL);
    CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, false, &txn, &w.err), KDK_OK);
    txn_statement_begin(txn);
    CHECK(state_is(&w, txn, 0, 3));
    struct datum values[3] = {{.i = 500}, {.i = 1}, DATUM_NULL};
    CHECK_EQ(table_insert(txn, w.tables[1], values, NULL, &w.err), KDK_READ_ONLY);
    txn_rollback(txn);
    CHECK_EQ(close_store(&w), KDK_OK);
    sim_free(w.sim);
}

/* A full disk refuses what needs room with 53100, lets rows go, and heals. */
TEST(log, full_disk_refuses_and_heals)
{
    static struct world w;
    struct txn *txn;
    kdk_status status = KDK_OK;
    rowid id, first = 0;
    bool changed;
    uint64_t problems;
    world_new(&w, 5);
    CHECK_EQ(open_store(&w, false), KDK_OK);
    sim_set_disk_bytes(w.sim, 6 * SEGMENT + 2 * TREE_PAGE_BYTES + 16384);
    int64_t rows = 0;
    while (status == KDK_OK && rows < 1000) {
        struct datum values[3] = {{.i = 500 + rows}, {.i = 1}, {.s = str_of(letters, 300)}};
        CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, false, &txn, &w.err),
                 KDK_OK);
        txn_statement_begin(txn);
        status = table_insert(txn, w.tables[1], values, &id, &w.err);
        if (!first)
            first = id;
        if (status == KDK_OK)
            status = txn_commit(txn, &w.err);
        else
            txn_rollback(txn);
        rows += status == KDK_OK;
    }
    CHECK_EQ(status, KDK_FULL);
    CHECK_STR(status_sqlstate(status), "53100");
    CHECK(rows > 10);
    CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, false, &txn, &w.err), KDK_OK);
    txn_statement_begin(txn);
    CHECK_EQ(table_delete(txn, w.tables[1], first, &changed, &w.err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w.err), KDK_OK);
    sim_set_disk_bytes(w.sim, 0);
    struct worker worker = {&w, 0, 7, NULL};
    CHECK_EQ(transaction(&worker, &w.err), KDK_OK);
    CHECK_EQ(close_store(&w), KDK_OK);
    sim_reboot(w.sim);
    CHECK_EQ(open_store(&w, false), KDK_OK);
    CHECK_EQ(table_row_count(w.tables[1]) + table_row_count(w.tables[0]) >= (uint64_t)rows,
             true);
    CHECK_EQ(store_check(w.store, problem, NULL, &problems, &w.err), KDK_OK);
    CHECK_EQ(problems, 0);
    CHECK_EQ(close_store(&w), KDK_OK);
    sim_free(w.sim);
}
