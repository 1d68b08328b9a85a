/* checkpoint_test.c - checkpoints, freezes and reopening against a model: random
 * transactions by seed, held snapshots that must show the same before and after by scan, by
 * index and by row id; what the newest generation has alone; damaged slots; files. */
#include <stdio.h>

#include "check.h"

#include "base/mem.h"
#include "os/sim.h"
#include "table/disk.h"
#include "tree/memtree.h"
#include "wal/wal.h"

enum { KEYS = 200, HELD = 3 };

#define ID_UNKNOWN UINT64_MAX /* A load gives ids in an order of its own. */
struct model_row {
    rowid id; /* 0: not there. */
    int64_t n;
    uint32_t text; /* Length; 0: NULL. */
};
struct model {
    struct model_row rows[KEYS];
};
struct world {
    struct sim *sim;
    struct os *os;
    struct store *store;
    struct table *table;
    struct err err;
    uint64_t random;
    struct model now, next; /* next: what the commit under way makes of it. */
    bool acked;
    struct {
        struct txn *txn;
        struct model model;
    } held[HELD];
};

static const struct tcolumn columns[4] = {
    {.type = {.id = LT_BIGINT}, .not_null = true, .missing = {.null = true}},
    {.type = {.id = LT_BIGINT}, .missing = {.null = true}},
    {.type = {.id = LT_TEXT}, .missing = {.null = true}},
    {.type = {.id = LT_NUMERIC, .precision = 20, .scale = 2}, .missing = {.null = true}}};
static const char letters[4096] = {0};

static uint64_t draw(struct world *w, uint64_t below)
{
    w->random = hash_u64(w->random + 0x9e3779b97f4a7c15ull);
    return w->random % below;
}

static struct tindex index_def(uint32_t column)
{
    /* The last one shares a column with the second: who changes one of its columns touches
     * both. */
    return (struct tindex){.id = 11 + column,
                           .unique = column == 0,
                           .column_count = column == 2 ? 2 : 1,
                           .columns = {column == 2 ? 1 : column, 0}};
}

static bool open_world(struct world *w)
{
    struct store_options options = {.os = w->os,
                                    .dir = "/db",
                                    .create = true,
                                    .log_segment_bytes = 65536,
                                    .bulk_load_rows = 1};
    if (!CHECK_EQ(store_open(&options, &w->store, NULL, &w->err), KDK_OK)) {
        CHECK_STR(w->err.message, "");
        return false;
    }
    if (store_is_new(w->store)) {
        struct txn *txn;
        CHECK_EQ(store_recovered(w->store, &w->err), KDK_OK);
        CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err),
                 KDK_OK);
        txn_statement_begin(txn);
        CHECK_EQ(table_create(txn, w->store, 1010, columns, 4, &w->table, &w->err), KDK_OK);
        for (uint32_t c = 0; c < 3; c++) {
            struct tindex def = index_def(c);
            CHECK_EQ(table_index_create(txn, w->table, &def, &w->err), KDK_OK);
        }
        return CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    }
    if (!CHECK_EQ(table_attach(w->store, 1010, columns, 4, &w->table, &w->err), KDK_OK)) {
        CHECK_STR(w->err.message, "");
        return false;
    }
    for (uint32_t c = 0; c < 3; c++) {
        struct tindex def = index_def(c);
        if (!CHECK_EQ(table_index_attach(w->table, &def, &w->err), KDK_OK))
            CHECK_STR(w->err.message, "");
    }
    CHECK_EQ(store_recovered(w->store, &w->err), KDK_OK);
    return true;
}

static void complain(void *context, const char *line)
{
    (void)context;
    CHECK_STR(line, "");
}

static void check_world(struct world *w)
{
    uint64_t problems = 0;
    if (!CHECK_EQ(store_check(w->store, complain, NULL, &problems, &w->err), KDK_OK))
        CHECK_STR(w->err.message, "");
    CHECK_EQ(problems, 0);
}

static void check_values(const struct model_row *row, const struct datum *values)
{
    CHECK_EQ(values[0].i, row->n);
    CHECK(values[1].null == (row->text == 0));
    if (row->text)
        CHECK_EQ(values[1].s.len, row->text);
    CHECK(values[2].w == (int128)row->n * 1000000007 * 1000);
}

static uint32_t model_count(const struct model *model)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < KEYS; k++)
        n += model->rows[k].id != 0;
    return n;
}

/* Everything that the transaction sees, in all ways. */
static void check_view(struct world *w, struct txn *txn, const struct model *model)
{
    struct arena arena = {0};
    struct batch batch;
    struct table_scan *scan = NULL;
    struct scan_reader *reader = NULL;
    bool more;
    rowid seen[KEYS] = {0};
    uint32_t rows = 0;
    const uint32_t want[] = {0, 1, 2, 3, SCAN_ROWID};
    const struct ltype types[] = {columns[0].type, columns[1].type, columns[2].type,
                                  columns[3].type, LTYPE(BIGINT)};
    txn_statement_begin(txn);
    CHECK_EQ(batch_init(&batch, types, 5, &arena, &w->err), KDK_OK);
    CHECK_EQ(table_scan_open(txn, w->table, want, 5, NULL, 0, &arena, &scan, &w->err),
             KDK_OK);
    CHECK_EQ(scan_reader_new(scan, &arena, &reader, &w->err), KDK_OK);
    for (;;) {
        if (!CHECK_EQ(scan_reader_next(reader, &batch, &more, &w->err), KDK_OK)) {
            CHECK_STR(w->err.message, "");
            break;
        }
        if (!more)
            break;
        for (uint32_t i = 0; i < batch.sel.count; i++) {
            const uint32_t r = SEL_ROW(&batch.sel, i);
            struct datum values[5];
            for (uint32_t c = 0; c < 5; c++)
                values[c] = vec_get(&batch.columns[c], r);
            const int64_t key = values[0].i;
            if (!CHECK(key >= 0 && key < KEYS) || !CHECK(!seen[key]) ||
                !(model->rows[key].id == ID_UNKNOWN
                      ? CHECK(values[4].i != 0)
                      : CHECK_EQ(values[4].i, model->rows[key].id)))
                continue;
            seen[key] = (rowid)values[4].i;
            rows++;
            check_values(&model->rows[key], values + 1);
        }
    }
    scan_reader_free(reader);
    table_scan_close(scan);
    CHECK_EQ(rows, model_count(model));
    /* By key, by row id. */
    for (uint32_t k = 0; k < KEYS; k++) {
        struct buf key = {0};
        struct datum value = {.i = k}, values[3];
        rowid id = 0;
        uint32_t count;
        bool found;
        CHECK_EQ(key_add(&key, LTYPE(BIGINT), &value, false, false), KDK_OK);
        CHECK_EQ(index_point(txn, w->table, 11, key.data, key.len, &id, 1, &count, &w->err),
                 KDK_OK);
        CHECK_EQ(count, model->rows[k].id != 0);
        if (count == 1 && CHECK_EQ(id, seen[k])) {
            CHECK_EQ(table_get(txn, w->table, id, (uint32_t[]){1, 2, 3}, 3, values, &found,
                               &arena, &w->err),
                     KDK_OK);
            if (CHECK(found))
                check_values(&model->rows[k], values);
        }
        buf_deinit(&key);
    }
    /* By the other index, both ways. */
    for (uint32_t way = 0; way < 2; way++) {
        struct index_cursor *cursor = NULL;
        const uint8_t *bytes;
        size_t n;
        int64_t last = way ? INT64_MAX : INT64_MIN;
        rowid id;
        rows = 0;
        CHECK_EQ(index_open(txn, w->table, 12, NULL, 0, NULL, 0, way == 1, &arena, &cursor,
                            &w->err),
                 KDK_OK);
        for (;;) {
            if (!CHECK_EQ(index_next(cursor, &id, &bytes, &n, &w->err), KDK_OK) || !id)
                break;
            struct cursor in = cursor_of(bytes, n);
            struct datum value;
            CHECK_EQ(key_read(&in, LTYPE(BIGINT), false, false, &arena, &value, &w->err),
                     KDK_OK);
            CHECK(way ? value.i <= last : value.i >= last);
            last = value.i;
            rows++;
        }
        index_close(cursor);
        CHECK_EQ(rows, model_count(model));
    }
    arena_deinit(&arena);
}

static void id_know(struct world *w, struct txn *txn, uint32_t k, struct model_row *row)
{
    struct buf key = {0};
    const struct datum value = {.i = k};
    uint32_t count;
    if (row->id != ID_UNKNOWN)
        return;
    CHECK_EQ(key_add(&key, LTYPE(BIGINT), &value, false, false), KDK_OK);
    CHECK_EQ(
        index_point(txn, w->table, 11, key.data, key.len, &row->id, 1, &count, &w->err),
        KDK_OK);
    CHECK_EQ(count, 1);
    buf_deinit(&key);
}

static void write_some(struct world *w)
{
    struct txn *txn;
    struct model next = w->now;
    const uint64_t steps = 1 + draw(w, 12);
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err), KDK_OK);
    for (uint64_t s = 0; s < steps; s++) {
        const uint32_t k = (uint32_t)draw(w, KEYS);
        struct model_row *row = &next.rows[k];
        const int64_t n = (int64_t)draw(w, 50) - 20;
        const uint32_t text = draw(w, 4) ? (uint32_t)draw(w, draw(w, 20) ? 40 : 3000) : 0;
        struct datum values[4] = {{.i = k},
                                  {.i = n},
                                  text ? (struct datum){.s = str_of(letters, text)}
                                       : DATUM_NULL,
                                  {.w = (int128)n * 1000000007 * 1000}};
        bool changed = true;
        kdk_status status;
        txn_statement_begin(txn);
        id_know(w, txn, k, row);
        if (!row->id) {
            status = table_insert(txn, w->table, values, &row->id, &w->err);
            row->n = n;
            row->text = text;
        } else if (draw(w, 3)) {
            const bool key = draw(w, 2);
            const uint32_t all[] = {1, 2, 3}, some[] = {2};
            status =
                table_update(txn, w->table, row->id, key ? all : some,
                             key ? values + 1 : values + 2, key ? 3 : 1, &changed, &w->err);
            if (key)
                row->n = n;
            row->text = text;
        } else {
            status = table_delete(txn, w->table, row->id, &changed, &w->err);
            row->id = 0;
        }
        if (!CHECK_EQ(status, KDK_OK))
            CHECK_STR(w->err.message, "");
        CHECK(changed);
        CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    }
    if (draw(w, 5) == 0) {
        txn_rollback(txn);
        return;
    }
    w->next = next;
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    w->now = next;
}

/* Many of the missing keys at once, as a load; perhaps with one that is there. */
static kdk_status load_try(struct world *w, bool twice, bool *clashed)
{
    struct txn *txn;
    struct arena arena = {0};
    struct batch batch;
    struct model next = w->now;
    const struct ltype types[] = {columns[0].type, columns[1].type, columns[2].type,
                                  columns[3].type};
    /* Rising: in the order of the other indexes, too. */
    const bool down = draw(w, 2), rising = draw(w, 2);
    uint32_t wanted = 2 + (uint32_t)draw(w, 120), n = 0, added = 0;
    bool clash = false;
    kdk_status status = KDK_OK;
    *clashed = false;
    status = batch_init(&batch, types, 4, &arena, &w->err);
    if (status == KDK_OK)
        status = txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err);
    if (status != KDK_OK) {
        arena_deinit(&arena);
        return status;
    }
    txn->one_statement = true;
    txn_statement_begin(txn);
    const uint32_t from = (uint32_t)draw(w, KEYS);
    for (uint32_t i = 0; i < KEYS && status == KDK_OK && wanted; i++) {
        const uint32_t k = (down ? from + KEYS - i : from + i) % KEYS;
        struct model_row *row = &next.rows[k];
        if (row->id && !(twice && !clash && i > 20))
            continue;
        clash |= row->id != 0;
        const int64_t value = rising ? (int64_t)(i / 3) - 20 : (int64_t)draw(w, 50) - 20;
        const uint32_t text = (uint32_t)draw(w, 4) ? 1 + (uint32_t)draw(w, 30) : 0;
        const struct datum values[4] = {{.i = k},
                                        {.i = value},
                                        text ? (struct datum){.s = str_of(letters, text)}
                                             : DATUM_NULL,
                                        {.w = (int128)value * 1000000007 * 1000}};
        for (uint32_t c = 0; c < 4; c++) {
            struct vec *v = &batch.columns[c];
            if (n == 0)
                vec_reset(v, ltype_width(v->type));
            if (values[c].null)
                vec_set_null(v, n, BATCH_ROWS);
            else
                vec_put(v, n, &values[c], BATCH_ROWS);
        }
        *row = (struct model_row){ID_UNKNOWN, value, text};
        n++;
        wanted--;
        if (n == (added ? 64u : 1u)) {
            batch_all(&batch, n);
            status = table_insert_batch(txn, w->table, &batch, NULL, &w->err);
            added += n;
            n = 0;
        }
    }
    if (status == KDK_OK && n) {
        for (uint32_t c = 0; c < 4; c++) {
            struct vec *v = &batch.columns[c];
            for (uint32_t word = n / 64; v->validity && word < bits_words(BATCH_ROWS);
                 word++)
                v->validity[word] &= word == n / 64 ? (1ull << n % 64) - 1 : 0;
        }
        batch_all(&batch, n);
        status = table_insert_batch(txn, w->table, &batch, NULL, &w->err);
    }
    if (status == KDK_OK)
        status = table_statement_end(txn, &w->err);
    *clashed = clash;
    arena_deinit(&arena);
    if (status != KDK_OK) {
        txn_rollback(txn);
        return status;
    }
    w->next = next;
    status = txn_commit(txn, &w->err);
    if (status == KDK_OK)
        w->now = next;
    return status;
}

static uint32_t loads_seen;
static void write_load(struct world *w)
{
    bool clashed;
    const kdk_status status = load_try(w, draw(w, 6) == 0, &clashed);
    if (!CHECK_EQ(status, clashed ? KDK_UNIQUE : KDK_OK))
        CHECK_STR(w->err.message, "");
    loads_seen += w->table->loads != NULL;
}

/* A key that is there is refused, wherever its row is. */
static void try_duplicate(struct world *w)
{
    const uint32_t k = (uint32_t)draw(w, KEYS);
    struct txn *txn;
    struct datum values[4] = {{.i = k}, {.i = 1}, DATUM_NULL, {.w = 0}};
    if (!w->now.rows[k].id)
        return;
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    CHECK_EQ(table_insert(txn, w->table, values, NULL, &w->err), KDK_OK);
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_UNIQUE);
    txn_rollback(txn);
}

static void check_now(struct world *w)
{
    struct txn *txn;
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, true, &txn, &w->err), KDK_OK);
    check_view(w, txn, &w->now);
    CHECK_EQ(table_row_count(w->table), model_count(&w->now));
    txn_rollback(txn);
}

static void checkpoint(struct world *w, bool freeze)
{
    if (!CHECK_EQ(store_checkpoint(w->store, freeze, NULL, &w->err), KDK_OK)) {
        CHECK_STR(w->err.message, "");
        CHECK_STR(w->err.detail, "");
    }
}

static void let_go(struct world *w, uint32_t h)
{
    if (!w->held[h].txn)
        return;
    check_view(w, w->held[h].txn, &w->held[h].model);
    txn_rollback(w->held[h].txn);
    w->held[h].txn = NULL;
}

static void close_world(struct world *w, bool pour)
{
    for (uint32_t h = 0; h < HELD; h++)
        let_go(w, h);
    if (!CHECK_EQ(store_close(w->store, pour, &w->err), KDK_OK))
        CHECK_STR(w->err.message, "");
}

static void begin_world(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    CHECK_EQ(sim_new(&(struct sim_options){.seed = seed}, &w->sim, &w->err), KDK_OK);
    w->os = sim_os(w->sim);
}

static void model_run(uint64_t seed, uint32_t steps)
{
    struct world w;
    begin_world(&w, seed);
    if (!open_world(&w))
        return;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t h = (uint32_t)draw(&w, HELD);
        switch (draw(&w, 16)) {
        case 0:
        case 1:
            checkpoint(&w, false);
            break;
        case 2:
            checkpoint(&w, true);
            break;
        case 3:
            close_world(&w, draw(&w, 2));
            if (!open_world(&w))
                return;
            check_world(&w);
            break;
        case 4:
            let_go(&w, h);
            CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, true, &w.held[h].txn,
                               &w.err),
                     KDK_OK);
            txn_statement_begin(w.held[h].txn);
            w.held[h].model = w.now;
            break;
        case 5:
            if (w.held[h].txn)
                check_view(&w, w.held[h].txn, &w.held[h].model);
            break;
        case 6:
            check_now(&w);
            break;
        case 7:
            try_duplicate(&w);
            break;
        case 8:
            write_load(&w);
            break;
        default:
            write_some(&w);
            break;
        }
    }
    check_now(&w);
    check_world(&w);
    close_world(&w, true);
    if (!open_world(&w))
        return;
    check_now(&w);
    close_world(&w, false);
    sim_free(w.sim);
}

TEST(checkpoint, model)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        model_run(seed, 150);
    CHECK(loads_seen > 100);
}

/* ------------------------------------------------------------------ power cuts ---- */

static bool model_equal(struct world *w, const struct model *model)
{
    struct txn *txn;
    bool same = true;
    struct arena arena = {0};
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, true, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    for (uint32_t k = 0; k < KEYS && same; k++) {
        const struct model_row *row = &model->rows[k];
        struct buf key = {0};
        struct datum value = {.i = k}, values[2];
        rowid id = 0;
        uint32_t count;
        bool found;
        CHECK_EQ(key_add(&key, LTYPE(BIGINT), &value, false, false), KDK_OK);
        CHECK_EQ(index_point(txn, w->table, 11, key.data, key.len, &id, 1, &count, &w->err),
                 KDK_OK);
        buf_deinit(&key);
        same =
            count == (row->id != 0) && (!count || row->id == ID_UNKNOWN || id == row->id);
        if (!same || !count)
            continue;
        CHECK_EQ(table_get(txn, w->table, id, (uint32_t[]){1, 2}, 2, values, &found, &arena,
                           &w->err),
                 KDK_OK);
        same = found && values[0].i == row->n && values[1].null == (row->text == 0) &&
               (values[1].null || values[1].s.len == row->text);
    }
    txn_rollback(txn);
    arena_deinit(&arena);
    return same;
}

static void cut_main(void *context)
{
    struct world *w = context;
    if (!open_world(w))
        return;
    w->acked = true;
    for (uint32_t step = 0; step < 14; step++) {
        write_some(w);
        if (step % 3 == 0)
            write_load(w);
        if (step % 4 == 1)
            checkpoint(w, false);
        if (step % 6 == 3)
            checkpoint(w, true);
        if (step == 9) {
            close_world(w, false);
            if (!open_world(w))
                return;
        }
    }
    close_world(w, true);
}

/* After a cut anywhere the state is that of the last commit that was acknowledged, or of
 * the one under way; and all is sound. */
static void cut_run(uint64_t seed, uint64_t at, uint64_t *calls)
{
    struct world w;
    sim_memory_begin();
    begin_world(&w, seed);
    sim_cut_at(w.sim, at);
    const bool ended = sim_run(w.sim, cut_main, &w);
    if (calls)
        *calls = sim_calls_mutating(w.sim);
    CHECK(ended == (at == 0));
    sim_memory_reap();
    sim_reboot(w.sim);
    if (!w.acked && !w.now.rows[0].id) {
        /* Whether the table was made is not known. */
        struct store_options options = {
            .os = w.os, .dir = "/db", .create = true, .log_segment_bytes = 65536};
        if (!CHECK_EQ(store_open(&options, &w.store, NULL, &w.err), KDK_OK))
            CHECK_STR(w.err.message, "");
        CHECK_EQ(store_close(w.store, false, &w.err), KDK_OK);
    } else if (open_world(&w)) {
        if (!model_equal(&w, &w.now)) {
            CHECK(model_equal(&w, &w.next));
            w.now = w.next;
        }
        check_now(&w);
        check_world(&w);
        write_some(&w);
        checkpoint(&w, true);
        check_now(&w);
        check_world(&w);
        close_world(&w, false);
    }
    sim_free(w.sim);
}

TEST(checkpoint, survives_power_cuts)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t calls = 0;
        cut_run(seed, 0, &calls);
        CHECK(calls > 100);
        for (uint64_t at = seed; at <= calls; at += 3)
            cut_run(seed, at, NULL);
    }
}

/* The newest generation by itself, with nothing to replay, is what SELECT says at its
 * snapshot. */
TEST(checkpoint, invariant_02_newest_generation_alone_equals_select)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world w;
        begin_world(&w, seed);
        if (!open_world(&w))
            return;
        for (uint32_t i = 0; i < 12; i++) {
            write_some(&w);
            if (i % 4 == 1)
                checkpoint(&w, i % 8 == 1);
        }
        /* Replay begins behind all commits. */
        const uint64_t position = wal_position(w.store->wal);
        checkpoint(&w, seed % 2 == 0);
        CHECK_EQ(w.store->disk->newest->manifest.log_lsn, position);
        close_world(&w, false);
        sim_reboot(w.sim);
        if (!open_world(&w))
            return;
        check_now(&w);
        check_world(&w);
        close_world(&w, false);
        sim_free(w.sim);
    }
}

/* Invariant 15: damage to the newest slot opens the older one, whose log is still there. */
TEST(checkpoint, invariant_15_a_damaged_newest_slot_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world w;
        begin_world(&w, seed);
        if (!open_world(&w))
            return;
        for (uint32_t i = 0; i < 10 + seed; i++) {
            write_some(&w);
            if (i % 3 == 0)
                checkpoint(&w, i % 2 == 0);
        }
        checkpoint(&w, false);
        write_some(&w);
        const uint64_t slot = w.store->disk->newest->manifest.sequence % 2;
        close_world(&w, false);
        sim_reboot(w.sim);
        CHECK_EQ(
            sim_flip(w.sim, "/db/MANIFEST", slot * MANIFEST_SLOT_BYTES + 30, 0x10, &w.err),
            KDK_OK);
        if (!open_world(&w))
            return;
        check_now(&w);
        check_world(&w);
        write_some(&w);
        checkpoint(&w, true);
        check_now(&w);
        check_world(&w);
        close_world(&w, true);
        /* Both: it says so. */
        sim_reboot(w.sim);
        for (uint64_t k = 0; k < 2; k++)
            CHECK_EQ(
                sim_flip(w.sim, "/db/MANIFEST", k * MANIFEST_SLOT_BYTES + 30, 0x10, &w.err),
                KDK_OK);
        const struct store_options options = {.os = w.os, .dir = "/db"};
        CHECK_EQ(store_open(&options, &w.store, NULL, &w.err), KDK_CORRUPT);
        sim_free(w.sim);
    }
}

/* The power goes: what survives is drawn from `seed`. */
static void crash(struct world *w, uint64_t seed)
{
    struct sim *after = NULL;
    CHECK_EQ(sim_fork(w->sim, seed, &after, &w->err), KDK_OK);
    CHECK_EQ(store_close(w->store, false, &w->err), KDK_OK);
    sim_free(w->sim);
    w->sim = after;
    sim_reboot(w->sim);
    w->os = sim_os(w->sim);
}

/* So much that segments of the log are no longer needed after two checkpoints. */
static void write_much(struct world *w)
{
    const uint64_t end = wal_position(w->store->wal) + 3 * 65536;
    while (wal_position(w->store->wal) < end)
        write_some(w);
}

/* Whoever opens with the newest slot keeps the log of the older one. */
TEST(checkpoint, opening_keeps_the_log_of_the_older_slot)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world w;
        begin_world(&w, seed);
        if (!open_world(&w))
            return;
        write_much(&w);
        checkpoint(&w, false);
        write_much(&w);
        checkpoint(&w, seed % 2);
        if (seed % 2)
            write_some(&w);
        else /* The log goes on where the newest slot begins. */
            checkpoint(&w, false);
        crash(&w, seed);
        if (!open_world(&w))
            return;
        write_some(&w);
        crash(&w, seed + 1);
        if (!open_world(&w))
            return;
        write_some(&w);
        const uint64_t slot = w.store->disk->newest->manifest.sequence % 2;
        crash(&w, seed + 2);
        CHECK_EQ(
            sim_flip(w.sim, "/db/MANIFEST", slot * MANIFEST_SLOT_BYTES + 30, 0x10, &w.err),
            KDK_OK);
        struct store_report report;
        const struct store_options options = {.os = w.os, .dir = "/db"};
        CHECK_EQ(store_open(&options, &w.store, &report, &w.err), KDK_OK);
        CHECK(report.slot_lost);
        CHECK_EQ(store_close(w.store, false, &w.err), KDK_OK);
        if (!open_world(&w))
            return;
        check_now(&w);
        check_world(&w);
        close_world(&w, true);
        sim_free(w.sim);
    }
}

/* A slot that could not be synced is what the next opening reads, and may be gone after the
 * next power cut. */
TEST(checkpoint, a_slot_that_was_not_synced_may_vanish)
{
    uint32_t poisoned = 0;
    for (uint64_t n = 1;; n++) {
        struct world w;
        begin_world(&w, 1); /* The same calls each time, so that n meets each of them. */
        if (!open_world(&w))
            return;
        write_much(&w);
        checkpoint(&w, false);
        write_much(&w);
        const uint64_t before = sim_calls_all(w.sim);
        sim_fail_at(w.sim, before + n, false, KDK_IO);
        const kdk_status status = store_checkpoint(w.store, false, NULL, &w.err);
        const bool reached = sim_calls_all(w.sim) >= before + n;
        sim_fail_at(w.sim, 0, false, KDK_OK);
        const bool failed = w.store->disk->failed;
        CHECK(!failed || status != KDK_OK);
        if (failed) {
            poisoned++;
            close_world(&w, false);
            if (!open_world(&w))
                return;
            write_some(&w);
            crash(&w, n);
            if (!open_world(&w))
                return;
            check_now(&w);
            check_world(&w);
        }
        (void)store_close(w.store, false, &w.err);
        sim_free(w.sim);
        if (!reached)
            break;
    }
    CHECK(poisoned > 0);
}

/* A database without its MANIFEST is not a new one, unless nothing was ever poured: then
 * the log has all. */
TEST(checkpoint, a_missing_manifest_is_not_a_new_database)
{
    for (uint32_t way = 0; way < 3; way++) {
        struct world w;
        begin_world(&w, 20 + way);
        if (!open_world(&w))
            return;
        for (uint32_t i = 0; i < 12; i++)
            write_some(&w);
        if (way)
            checkpoint(&w, way == 2);
        crash(&w, way);
        CHECK_EQ(os_remove(w.os, "/db/MANIFEST", &w.err), KDK_OK);
        if (way == 2) /* The block files alone say so, too. */
            CHECK_EQ(os_remove(w.os, "/db/trees/pages.kdt", &w.err), KDK_OK);
        if (way) {
            const struct store_options options = {.os = w.os, .dir = "/db", .create = true};
            CHECK_EQ(store_open(&options, &w.store, NULL, &w.err), KDK_CORRUPT);
            CHECK(strstr(w.err.message, "MANIFEST"));
        } else if (open_world(&w)) {
            check_now(&w);
            check_world(&w);
            close_world(&w, true);
        }
        sim_free(w.sim);
    }
}

struct files {
    uint32_t live, dead, logs;
    uint64_t rows, hidden;
};
static kdk_status count_file(void *context, const struct store_file *file, struct err *err)
{
    struct files *files = context;
    (void)err;
    if (file->is_log)
        files->logs++;
    else if (file->live)
        files->live++;
    else
        files->dead++;
    files->rows += file->live ? file->rows : 0;
    files->hidden += file->hidden;
    return KDK_OK;
}

/* After a freeze the folder holds what is live and nothing else; a snapshot keeps more,
 * until it ends. */
TEST(checkpoint, files_are_the_live_set_after_a_freeze)
{
    struct world w;
    begin_world(&w, 3);
    if (!open_world(&w))
        return;
    for (uint32_t i = 0; i < 30; i++)
        write_some(&w);
    checkpoint(&w, true);
    struct files files = {0};
    CHECK_EQ(store_files(w.store, count_file, &files, &w.err), KDK_OK);
    CHECK(files.live > 0);
    CHECK_EQ(files.dead, 0);
    CHECK_EQ(files.rows, model_count(&w.now));
    CHECK_EQ(files.hidden, 0);
    CHECK(files.logs > 0);
    CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, true, &w.held[0].txn, &w.err),
             KDK_OK);
    txn_statement_begin(w.held[0].txn);
    w.held[0].model = w.now;
    for (uint32_t i = 0; i < 10; i++)
        write_some(&w);
    checkpoint(&w, false);
    files = (struct files){0};
    CHECK_EQ(store_files(w.store, count_file, &files, &w.err), KDK_OK);
    CHECK(files.hidden > 0);
    for (uint32_t i = 0; i < 3; i++) {
        write_some(&w);
        checkpoint(&w, true);
        check_view(&w, w.held[0].txn, &w.held[0].model);
    }
    files = (struct files){0};
    CHECK_EQ(store_files(w.store, count_file, &files, &w.err), KDK_OK);
    CHECK(files.dead > 0);
    let_go(&w, 0);
    write_some(&w);
    checkpoint(&w, true);
    files = (struct files){0};
    CHECK_EQ(store_files(w.store, count_file, &files, &w.err), KDK_OK);
    CHECK_EQ(files.dead, 0);
    CHECK_EQ(files.rows, model_count(&w.now));
    check_now(&w);
    check_world(&w);
    close_world(&w, false);
    sim_free(w.sim);
}

/* Unknown as long as rows are in memory alone; then from the strips' sketches, merged, also
 * after opening. */
TEST(checkpoint, distinct_values_are_estimated_from_strips)
{
    struct world w;
    uint32_t distinct = 0;
    begin_world(&w, 5);
    if (!open_world(&w))
        return;
    for (uint32_t i = 0; i < 60; i++)
        write_some(&w);
    CHECK_EQ(table_column_distinct(w.table, 1), 0);
    checkpoint(&w, true);
    for (uint32_t i = 0; i < KEYS; i++) {
        bool again = !w.now.rows[i].id;
        for (uint32_t k = 0; k < i && !again; k++)
            again = w.now.rows[k].id && w.now.rows[k].n == w.now.rows[i].n;
        distinct += !again;
    }
    for (uint32_t round = 0; round < 2; round++) {
        const uint64_t estimate = table_column_distinct(w.table, 1);
        CHECK(estimate >= distinct / 2);
        CHECK(estimate <= distinct * 2);
        CHECK_EQ(table_column_distinct(w.table, 0), table_row_count(w.table)); /* A key. */
        CHECK_EQ(table_column_distinct(w.table, 99), 0);
        close_world(&w, false);
        if (!open_world(&w))
            return;
    }
    close_world(&w, false);
    sim_free(w.sim);
}

/* ------------------------------------------------------------------- failures ---- */

/* A world with strips, rows above them, new rows and an index to be changed. */
static bool prepared(struct world *w, uint64_t seed)
{
    begin_world(w, seed);
    if (!open_world(w))
        return false;
    for (uint32_t i = 0; i < 12; i++)
        write_some(w);
    checkpoint(w, true);
    write_some(w);
    checkpoint(w, false);
    write_some(w);
    return true;
}

/* Every call of a checkpoint with a freeze fails once, and from there on: an error, a
 * database that reads on and reopens. */
TEST(checkpoint, every_call_fails_once)
{
    for (uint32_t and_on = 0; and_on < 2; and_on++) {
        uint32_t failed = 0;
        for (uint64_t n = 1;; n++) {
            struct world w;
            if (!prepared(&w, 11))
                return;
            const uint64_t before = sim_calls_all(w.sim);
            sim_fail_at(w.sim, before + n, and_on, n % 2 ? KDK_IO : KDK_FULL);
            const kdk_status status = store_checkpoint(w.store, true, NULL, &w.err);
            const bool reached = sim_calls_all(w.sim) >= before + n;
            sim_fail_at(w.sim, 0, false, KDK_OK);
            failed += status != KDK_OK;
            check_now(&w);
            if (store_close(w.store, false, &w.err) != KDK_OK)
                CHECK(status != KDK_OK);
            sim_reboot(w.sim);
            if (!open_world(&w))
                return;
            check_now(&w);
            check_world(&w);
            checkpoint(&w, true);
            check_now(&w);
            close_world(&w, true);
            sim_free(w.sim);
            if (!reached)
                break;
        }
        CHECK(failed > 20);
    }
}

TEST(checkpoint, every_allocation_fails_once)
{
    struct world w;
    uint32_t failed = 0;
    struct mem_stats before, after;
    mem_stats(&before);
    if (!prepared(&w, 12))
        return;
    for (uint64_t n = 0;; n++) {
        write_some(&w);
        mem_fail_after(n, false);
        const kdk_status status = store_checkpoint(w.store, true, NULL, &w.err);
        if (!mem_fail_never())
            break;
        failed += status != KDK_OK;
        check_now(&w);
        CHECK(status != KDK_NOMEM || !w.store->disk->failed);
        if (w.store->disk->failed) {
            close_world(&w, false);
            if (!open_world(&w))
                return;
        }
        if (n % 16 == 0)
            check_world(&w);
    }
    CHECK(failed > 50);
    check_world(&w);
    close_world(&w, true);
    sim_free(w.sim);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

/* A load that fails leaves nothing behind, but that a commit whose sync failed may be there
 * after all. */
TEST(load, every_call_fails_once)
{
    for (uint32_t and_on = 0; and_on < 2; and_on++) {
        uint32_t failed = 0;
        for (uint64_t n = 1;; n++) {
            struct world w;
            bool clashed;
            if (!prepared(&w, 13))
                return;
            const uint64_t before = sim_calls_all(w.sim);
            sim_fail_at(w.sim, before + n, and_on, n % 2 ? KDK_IO : KDK_FULL);
            const kdk_status status = load_try(&w, false, &clashed);
            const bool reached = sim_calls_all(w.sim) >= before + n;
            sim_fail_at(w.sim, 0, false, KDK_OK);
            failed += status != KDK_OK;
            CHECK(model_equal(&w, &w.now));
            if (store_close(w.store, false, &w.err) != KDK_OK)
                CHECK(status != KDK_OK);
            sim_reboot(w.sim);
            if (!open_world(&w))
                return;
            if (!model_equal(&w, &w.now)) {
                CHECK(status != KDK_OK && model_equal(&w, &w.next));
                w.now = w.next;
            }
            check_now(&w);
            check_world(&w);
            write_load(&w);
            checkpoint(&w, true);
            check_now(&w);
            close_world(&w, true);
            sim_free(w.sim);
            if (!reached)
                break;
        }
        CHECK(failed > 20);
    }
}

TEST(load, every_allocation_fails_once)
{
    struct world w;
    uint32_t failed = 0;
    struct mem_stats before, after;
    mem_stats(&before);
    if (!prepared(&w, 14))
        return;
    for (uint64_t n = 0;; n++) {
        bool clashed;
        mem_fail_after(n, false);
        const kdk_status status = load_try(&w, false, &clashed);
        if (!mem_fail_never())
            break;
        CHECK(status == KDK_OK || status == KDK_NOMEM);
        failed += status != KDK_OK;
        check_now(&w);
        if (status == KDK_OK)
            for (uint32_t i = 0; i < 30; i++)
                write_some(&w); /* So that keys are missing again. */
        if (n % 16 == 0)
            check_world(&w);
        if (n % 40 == 0)
            checkpoint(&w, false);
    }
    CHECK(failed > 20);
    check_world(&w);
    close_world(&w, true);
    sim_free(w.sim);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

/* Changes of rows below, and loads, are replayed without looking at a row. */
TEST(checkpoint, invariant_13_replay_reads_no_block_file)
{
    struct world w;
    struct block_stats stats;
    if (!prepared(&w, 21))
        return;
    checkpoint(&w, true);
    for (uint32_t i = 0; i < 10; i++)
        write_some(&w);
    write_load(&w);
    write_some(&w);
    for (uint32_t life = 0; life < 2; life++) {
        close_world(&w, false);
        if (!open_world(&w))
            return;
        block_cache_stats(w.store->disk->strips, &stats);
        CHECK_EQ(stats.bytes_read, 0);
        CHECK_EQ(stats.files_opened, 0);
    }
    check_now(&w);
    check_world(&w);
    block_cache_stats(w.store->disk->strips, &stats);
    CHECK(stats.files_opened > 0);
    close_world(&w, true);
    sim_free(w.sim);
}

/* What is on disk only takes no memory: rows, entries, and in the end the pages of slots
 * are gone from it. */
TEST(checkpoint, memory_is_given_back)
{
    struct world w;
    begin_world(&w, 5);
    if (!open_world(&w))
        return;
    struct txnman *man = store_txnman(w.store);
    for (uint32_t round = 0; round < 12; round++) {
        for (uint32_t i = 0; i < 40; i++)
            write_some(&w);
        checkpoint(&w, round % 2 == 1);
        const rowid end = atomic_load(&w.table->next_id);
        txn_enter(man);
        CHECK_EQ(rowmap_next(w.table, 1, end), end);
        CHECK_EQ(memtree_count(index_find(w.table, 11)->tree), 0);
        CHECK_EQ(memtree_count(index_find(w.table, 12)->tree), 0);
        txn_leave(man);
    }
    /* Records are freed after the next commit, their pages by the checkpoint after that. */
    for (uint32_t i = 0; i < 3; i++) {
        write_some(&w);
        txnman_reclaim(man);
        txnman_reclaim(man);
        checkpoint(&w, false);
    }
    uint32_t pages = 0;
    const rowid end = atomic_load(&w.table->next_id);
    CHECK(end > 8 * SUBPAGE_ROWS);
    txn_enter(man);
    for (rowid first = 0; first < end; first += GROUP_ROWS) {
        struct group *group = rowmap_group(w.table, first);
        for (uint32_t s = 0; group && s < COUNT_OF(group->sub); s++)
            pages += atomic_load(&group->sub[s]) != NULL;
    }
    txn_leave(man);
    CHECK(pages < end / SUBPAGE_ROWS / 2);
    check_now(&w);
    close_world(&w, false);
    sim_free(w.sim);
}

/* The record of a row in the newest generation's row tree; count 0: none. */
static void tree_record(struct world *w, rowid id, struct buf *out)
{
    struct txn *txn;
    struct gtable *gtable;
    uint8_t key[8];
    bool found;
    buf_clear(out);
    put_be64(key, id);
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, true, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn); /* Pins the generation. */
    CHECK_EQ(generation_table(w->store->disk, txn_generation(txn), 1010, &gtable, &w->err),
             KDK_OK);
    CHECK_EQ(btree_get(w->store->disk->file, &gtable->rows, key, 8, out, &found, &w->err),
             KDK_OK);
    txn_rollback(txn);
}

static void update_one(struct world *w, uint32_t k, uint32_t column, struct datum value)
{
    struct txn *txn;
    bool changed;
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    CHECK_EQ(table_update(txn, w->table, w->now.rows[k].id, &column, &value, 1, &changed,
                          &w->err),
             KDK_OK);
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
}

/* A change of a row in a strip is a PATCH in the row tree, which has what changed since the
 * strip was written, and nothing else; writing it decodes no column but keys that
 * changed. */
TEST(checkpoint, patches_stay_patches)
{
    struct world w;
    struct buf record = {0};
    struct block_stats before, after;
    struct model_row *row = NULL;
    uint32_t k = 0;
    begin_world(&w, 21);
    if (!open_world(&w))
        return;
    for (uint32_t i = 0; i < 12; i++)
        write_some(&w);
    while (!w.now.rows[k].id)
        k++;
    row = &w.now.rows[k];
    checkpoint(&w, true);
    update_one(&w, k, 2, (struct datum){.s = str_of(letters, 9)});
    row->text = 9;
    block_cache_stats(w.store->disk->strips, &before);
    checkpoint(&w, false);
    block_cache_stats(w.store->disk->strips, &after);
    CHECK_EQ(after.columns_decoded, before.columns_decoded);
    tree_record(&w, row->id, &record);
    CHECK_EQ(rowcode_kind((uint8_t *)record.data, record.len), BELOW_PATCH);
    CHECK_EQ(record.len, 3 + 1 + 2 + 9);
    check_now(&w);
    check_world(&w);
    /* Another column comes to it, a key. */
    const int64_t n = row->n + 1000;
    const struct datum both[2] = {{.i = n}, {.w = (int128)n * 1000000007 * 1000}};
    struct txn *txn;
    bool changed;
    CHECK_EQ(txn_begin(store_txnman(w.store), TXN_SNAPSHOT, false, &txn, &w.err), KDK_OK);
    txn_statement_begin(txn);
    CHECK_EQ(
        table_update(txn, w.table, row->id, (uint32_t[]){1, 3}, both, 2, &changed, &w.err),
        KDK_OK);
    CHECK_EQ(table_statement_end(txn, &w.err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w.err), KDK_OK);
    row->n = n;
    check_now(&w);
    checkpoint(&w, false);
    tree_record(&w, row->id, &record);
    CHECK_EQ(rowcode_kind((uint8_t *)record.data, record.len), BELOW_PATCH);
    CHECK(record.len > 3 + 1 + 2 + 9);
    check_now(&w);
    check_world(&w);
    close_world(&w, false);
    if (!open_world(&w))
        return;
    check_now(&w);
    /* An old PATCH and a newer version in memory. */
    update_one(&w, k, 2, DATUM_NULL);
    row->text = 0;
    check_now(&w);
    checkpoint(&w, true);
    tree_record(&w, row->id, &record);
    CHECK_EQ(record.len, 0);
    check_now(&w);
    check_world(&w);
    buf_deinit(&record);
    close_world(&w, true);
    sim_free(w.sim);
}
