/* entries_test.c - strips in key order as their own index: what joins a sequence and what
 * does not, what checkpoints and freezes make of it, and that lookups, ranges and
 * uniqueness are the same for all that. */
#include "check.h"

#include "base/mem.h"
#include "os/sim.h"
#include "table/disk.h"
#include "table/entries.h"

enum { BY_KEY = 11, BY_PAIR = 12, KEYS_MAX = 80000 };
static const uint32_t S = STRIP_ROWS;

struct world {
    struct sim *sim;
    struct store *store;
    struct table *table;
    struct err err;
    struct mem_stats before;
    int64_t n[KEYS_MAX]; /* The row of each key; -1: none. */
};
static const struct tcolumn columns[2] = {
    {.type = {.id = LT_BIGINT}, .not_null = true, .missing = {.null = true}},
    {.type = {.id = LT_BIGINT}, .missing = {.null = true}}};
static struct tindex by_key = {
    .id = BY_KEY, .unique = true, .column_count = 1, .columns = {0}};
static const struct tindex by_pair = {.id = BY_PAIR, .column_count = 2, .columns = {1, 0}};

static void open_store(struct world *w)
{
    const struct store_options options = {.os = sim_os(w->sim),
                                          .dir = "/db",
                                          .create = true,
                                          .log_segment_bytes = 1u << 20,
                                          .bulk_load_rows = 1};
    struct txn *txn;
    if (!CHECK_EQ(store_open(&options, &w->store, NULL, &w->err), KDK_OK))
        CHECK_STR(w->err.message, "");
    if (!store_is_new(w->store)) {
        CHECK_EQ(table_attach(w->store, 1010, columns, 2, &w->table, &w->err), KDK_OK);
        CHECK_EQ(table_index_attach(w->table, &by_key, &w->err), KDK_OK);
        CHECK_EQ(table_index_attach(w->table, &by_pair, &w->err), KDK_OK);
        CHECK_EQ(store_recovered(w->store, &w->err), KDK_OK);
        return;
    }
    CHECK_EQ(store_recovered(w->store, &w->err), KDK_OK);
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    CHECK_EQ(table_create(txn, w->store, 1010, columns, 2, &w->table, &w->err), KDK_OK);
    CHECK_EQ(table_index_create(txn, w->table, &by_key, &w->err), KDK_OK);
    CHECK_EQ(table_index_create(txn, w->table, &by_pair, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
}

static struct world *world_open(void)
{
    struct mem_stats before;
    mem_stats(&before);
    struct world *w = mem_zalloc(sizeof *w);
    w->before = before;
    for (uint32_t k = 0; k < KEYS_MAX; k++)
        w->n[k] = -1;
    CHECK_EQ(sim_new(&(struct sim_options){.seed = 1}, &w->sim, &w->err), KDK_OK);
    open_store(w);
    return w;
}

static void world_close(struct world *w)
{
    struct mem_stats after;
    const uint64_t blocks = w->before.blocks;
    CHECK_EQ(store_close(w->store, true, &w->err), KDK_OK);
    sim_free(w->sim);
    mem_free(w);
    mem_stats(&after);
    CHECK_EQ(after.blocks, blocks);
}

static void reopen(struct world *w)
{
    CHECK_EQ(store_close(w->store, false, &w->err), KDK_OK);
    open_store(w);
}

static struct txn *begin(struct world *w)
{
    struct txn *txn = NULL;
    CHECK_EQ(txn_begin(store_txnman(w->store), TXN_SNAPSHOT, false, &txn, &w->err), KDK_OK);
    txn_statement_begin(txn);
    return txn;
}

/* Rows (k, n) for k = from, from + step, ... in one statement. */
static kdk_status load_some(struct world *w, int64_t from, int64_t step, uint32_t count,
                            int64_t n, int64_t n_step)
{
    struct arena arena = {0};
    struct batch batch;
    const struct ltype types[] = {columns[0].type, columns[1].type};
    struct txn *txn = begin(w);
    kdk_status status = KDK_OK;
    txn->one_statement = true;
    CHECK_EQ(batch_init(&batch, types, 2, &arena, &w->err), KDK_OK);
    for (uint32_t done = 0, some; done < count && status == KDK_OK; done += some) {
        vec_reset(&batch.columns[0], W_64);
        vec_reset(&batch.columns[1], W_64);
        /* The first row alone: what comes after bulk_load_rows is loaded. */
        some = done ? MIN(count - done, (uint32_t)BATCH_ROWS) : 1;
        for (uint32_t i = 0; i < some; i++) {
            ((int64_t *)batch.columns[0].data)[i] = from + (int64_t)(done + i) * step;
            ((int64_t *)batch.columns[1].data)[i] = n + (int64_t)(done + i) * n_step;
        }
        batch_all(&batch, some);
        status = table_insert_batch(txn, w->table, &batch, NULL, &w->err);
    }
    if (status == KDK_OK)
        status = table_statement_end(txn, &w->err);
    if (status == KDK_OK)
        status = txn_commit(txn, &w->err);
    else
        txn_rollback(txn);
    for (uint32_t i = 0; i < count && status == KDK_OK; i++)
        w->n[from + (int64_t)i * step] = n + (int64_t)i * n_step;
    arena_deinit(&arena);
    return status;
}

static rowid find(struct world *w, struct txn *txn, int64_t k)
{
    struct buf key = {0};
    rowid id = 0;
    uint32_t count = 0;
    CHECK_EQ(key_add(&key, LTYPE(BIGINT), &(struct datum){.i = k}, false, false), KDK_OK);
    if (!CHECK_EQ(
            index_point(txn, w->table, BY_KEY, key.data, key.len, &id, 1, &count, &w->err),
            KDK_OK))
        CHECK_STR(w->err.message, "");
    CHECK(count <= 1);
    buf_deinit(&key);
    return count ? id : 0;
}

static void change(struct world *w, int64_t k, int64_t to, int64_t n)
{
    struct txn *txn = begin(w);
    bool changed;
    const rowid id = find(w, txn, k);
    const struct datum values[2] = {{.i = to}, {.i = n}};
    CHECK_EQ(
        table_update(txn, w->table, id, (uint32_t[]){0, 1}, values, 2, &changed, &w->err),
        KDK_OK);
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    w->n[k] = -1;
    w->n[to] = n;
}

static void drop(struct world *w, int64_t k)
{
    struct txn *txn = begin(w);
    bool changed;
    CHECK_EQ(table_delete(txn, w->table, find(w, txn, k), &changed, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    w->n[k] = -1;
}

static void put(struct world *w, int64_t k, int64_t n)
{
    struct txn *txn = begin(w);
    const struct datum values[2] = {{.i = k}, {.i = n}};
    rowid id;
    CHECK_EQ(table_insert(txn, w->table, values, &id, &w->err), KDK_OK);
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    w->n[k] = n;
}

static void checkpoint(struct world *w, bool freeze)
{
    if (!CHECK_EQ(store_checkpoint(w->store, freeze, NULL, &w->err), KDK_OK))
        CHECK_STR(w->err.message, "");
}

static void complain(void *context, const char *line)
{
    (void)context;
    CHECK_STR(line, "");
}

/* The keys that an index gives in a range, either way, are the model's. */
static void check_range(struct world *w, struct txn *txn, int64_t lo, int64_t hi,
                        bool backwards)
{
    struct arena arena = {0};
    struct index_cursor *cursor = NULL;
    struct buf lower = {0}, upper = {0};
    rowid id;
    const uint8_t *key;
    size_t bytes;
    int64_t at = backwards ? hi : lo;
    CHECK_EQ(key_add(&lower, LTYPE(BIGINT), &(struct datum){.i = lo}, false, false),
             KDK_OK);
    CHECK_EQ(key_add(&upper, LTYPE(BIGINT), &(struct datum){.i = hi}, false, false),
             KDK_OK);
    CHECK_EQ(index_open(txn, w->table, BY_KEY, lower.data, lower.len, upper.data, upper.len,
                        backwards, &arena, &cursor, &w->err),
             KDK_OK);
    for (;;) {
        if (!CHECK_EQ(index_next(cursor, &id, &key, &bytes, &w->err), KDK_OK))
            CHECK_STR(w->err.message, "");
        while (at >= lo && at <= hi && w->n[at] < 0)
            at += backwards ? -1 : 1;
        if (!id || at < lo || at > hi)
            break;
        struct cursor in = cursor_of(key, bytes);
        struct datum k = {0};
        CHECK_EQ(key_read(&in, LTYPE(BIGINT), false, false, &arena, &k, &w->err), KDK_OK);
        if (!CHECK_EQ(k.i, at))
            break;
        at += backwards ? -1 : 1;
    }
    CHECK_EQ(id, 0);
    CHECK(at < lo || at > hi);
    index_close(cursor);
    buf_deinit(&lower);
    buf_deinit(&upper);
    arena_deinit(&arena);
}

static void check_all(struct world *w)
{
    uint64_t problems = 0;
    struct txn *txn = begin(w);
    CHECK_EQ(store_check(w->store, complain, NULL, &problems, &w->err), KDK_OK);
    CHECK_EQ(problems, 0);
    for (int64_t k = 0; k < KEYS_MAX; k += 1 + k % KDK_PICK(67, 7))
        if (!CHECK_EQ(find(w, txn, k) != 0, w->n[k] >= 0))
            break;
    for (int64_t lo = 0; lo < KEYS_MAX; lo += KEYS_MAX / 7) {
        check_range(w, txn, lo, MIN(lo + 3 * S / 2, KEYS_MAX - 1), false);
        check_range(w, txn, lo, MIN(lo + 3 * S / 2, KEYS_MAX - 1), true);
    }
    txn_rollback(txn);
}

/* What the newest generation has of an index. */
static void check_trees(struct world *w, uint32_t index, uint64_t entries, uint64_t fences,
                        uint64_t gone)
{
    struct txn *txn = begin(w);
    struct gtable *gtable;
    CHECK_EQ(generation_table(w->store->disk, txn_generation(txn), 1010, &gtable, &w->err),
             KDK_OK);
    const struct gindex *below = gtable_index(gtable, index);
    if (CHECK(below != NULL)) {
        CHECK_EQ(below->root.count, entries);
        CHECK_EQ(below->fences.count, fences);
        CHECK_EQ(below->gone.count, gone);
    }
    txn_rollback(txn);
}

/* The first row of each load here is in memory, and its entry in the tree after a
 * checkpoint. */

TEST(entries, a_load_in_key_order_needs_no_tree)
{
    struct world *w = world_open();
    CHECK_EQ(load_some(w, 0, 1, 3 * S + 1, 7, 0), KDK_OK);
    check_all(w);
    CHECK_EQ(load_some(w, 2 * S, 1, S, 7, 0), KDK_UNIQUE);
    CHECK_EQ(load_some(w, 3 * S, 1, 10, 7, 0), KDK_UNIQUE);
    reopen(w);
    check_all(w);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 1, 3, 0);
    check_trees(w, BY_PAIR, 1, 3, 0); /* (7, k) ascends as well. */
    check_all(w);
    CHECK_EQ(load_some(w, 3 * S, 1, S, 7, 0), KDK_UNIQUE);
    CHECK_EQ(load_some(w, 3 * S + 1, 1, S + 1, 7, 0), KDK_OK);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 2, 4, 0);
    check_all(w);
    reopen(w);
    check_all(w);
    world_close(w);
}

TEST(entries, loads_join_a_sequence_where_they_fit)
{
    struct world *w = world_open();
    CHECK_EQ(load_some(w, 4 * S, 1, S + 1, 1, 0), KDK_OK);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 1, 1, 0);
    /* Before it, and in one transaction's time two that fit. */
    CHECK_EQ(load_some(w, 0, 1, S + 1, 1, 0), KDK_OK);
    CHECK_EQ(load_some(w, 2 * S, 1, S + 1, 2, 0), KDK_OK);
    check_all(w);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 3, 3, 0);
    check_all(w);
    /* Around one that is there: these keys go to the tree. */
    CHECK_EQ(load_some(w, 3 * S + 1, 1, S - 1, 3, 0), KDK_OK);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 4, 4, 0);
    drop(w, 2 * S + 5);
    put(w, 2 * S + 5, 8);
    check_all(w);
    /* Into the middle of a strip that has a hole. */
    drop(w, 2 * S + 7);
    drop(w, 2 * S + 8);
    checkpoint(w, false);
    CHECK_EQ(load_some(w, 2 * S + 7, 1, 2, 9, 0), KDK_OK);
    check_all(w);
    checkpoint(w, false);
    check_all(w);
    world_close(w);
}

TEST(entries, a_load_out_of_order_goes_to_the_tree)
{
    struct world *w = world_open();
    CHECK_EQ(load_some(w, 2 * S, -1, 2 * S + 1, 1, 1), KDK_OK);
    check_all(w);
    checkpoint(w, false);
    /* The first strip's rows were put in order; the second one's are below it. */
    check_trees(w, BY_KEY, S + 1, 1, 0);
    check_trees(w, BY_PAIR, S + 1, 1, 0); /* So the second one is in the order of n. */
    check_all(w);
    world_close(w);
}

/* Keys of two columns in groups of three, not in order within a group: groups stay
 * together, so that each strip fits behind the one before. */
TEST(entries, groups_of_keys_are_put_in_order)
{
    struct arena arena = {0};
    struct batch batch;
    const struct ltype types[] = {columns[0].type, columns[1].type};
    const uint32_t count = 5 * S;
    by_key.column_count = 2;
    by_key.columns[0] = 1;
    by_key.columns[1] = 0;
    struct world *w = world_open();
    struct txn *txn = begin(w);
    uint64_t problems = 0;
    txn->one_statement = true;
    CHECK_EQ(batch_init(&batch, types, 2, &arena, &w->err), KDK_OK);
    for (uint32_t done = 0, some; done < count; done += some) {
        vec_reset(&batch.columns[0], W_64);
        vec_reset(&batch.columns[1], W_64);
        some = done ? MIN(count - done, (uint32_t)BATCH_ROWS) : 1;
        for (uint32_t i = 0; i < some; i++) {
            ((int64_t *)batch.columns[0].data)[i] = 10 - (done + i) % 3;
            ((int64_t *)batch.columns[1].data)[i] = (done + i) / 3;
        }
        batch_all(&batch, some);
        CHECK_EQ(table_insert_batch(txn, w->table, &batch, NULL, &w->err), KDK_OK);
    }
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    CHECK_EQ(store_check(w->store, complain, NULL, &problems, &w->err), KDK_OK);
    checkpoint(w, false);
    CHECK_EQ(store_check(w->store, complain, NULL, &problems, &w->err), KDK_OK);
    CHECK_EQ(problems, 0);
    check_trees(w, BY_KEY, 1, 6, 0);
    arena_deinit(&arena);
    world_close(w);
    by_key.column_count = 1;
    by_key.columns[0] = 0;
}

TEST(entries, a_key_twice_in_a_load_is_found)
{
    struct world *w = world_open();
    /* At the border of two strips, in one, and far apart. */
    CHECK_EQ(load_some(w, 5, 0, 2 * S, 1, 1), KDK_UNIQUE);
    CHECK_EQ(load_some(w, 0, 1, S, 1, 1), KDK_OK);
    CHECK_EQ(load_some(w, 2 * S, -1, 2 * S, 1, 1), KDK_UNIQUE);
    CHECK_EQ(load_some(w, 2 * S, -1, S + 1, 1, 1), KDK_OK);
    check_all(w);
    world_close(w);
}

TEST(entries, what_no_longer_holds_is_gone)
{
    struct world *w = world_open();
    CHECK_EQ(load_some(w, 1000, 1, 2 * S + 1, 7, 0), KDK_OK);
    checkpoint(w, false);
    drop(w, 1000 + S);
    change(w, 1000 + S + 1, 5, 7);
    change(w, 1000 + S + 2, 1000 + S + 2, 8); /* The other index alone. */
    check_all(w);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 2, 2, 2);
    check_trees(w, BY_PAIR, 3, 2, 3);
    check_all(w);
    /* A key may be had by another, and come back to its row. */
    put(w, 1000 + S, 3);
    change(w, 5, 1000 + S + 1, 7);
    change(w, 1000 + S + 2, 1000 + S + 2, 7);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 2, 2, 1);
    check_trees(w, BY_PAIR, 2, 2, 1);
    check_all(w);
    CHECK_EQ(load_some(w, 1000 + S, 1, 3, 0, 0), KDK_UNIQUE);
    reopen(w);
    check_all(w);
    world_close(w);
}

TEST(entries, a_freeze_makes_the_sequence_anew)
{
    struct world *w = world_open();
    CHECK_EQ(load_some(w, 1000, 1, 8 * S + 1, 7, 0), KDK_OK);
    checkpoint(w, true);
    /* The first row was in memory: all keys are in order, and so are all strips. */
    check_trees(w, BY_KEY, 0, 9, 0);
    check_all(w);
    drop(w, 1000 + S);
    change(w, 1000 + S + 2, 1000 + S + 2, 8);
    checkpoint(w, true);
    check_trees(w, BY_KEY, 0, 8, 0); /* As it was, but for the row. */
    check_all(w);
    change(w, 1000 + 2 * S + 2, 5, 7);
    checkpoint(w, true);
    check_all(w);
    struct txn *txn = begin(w);
    struct gtable *gtable;
    CHECK_EQ(generation_table(w->store->disk, txn_generation(txn), 1010, &gtable, &w->err),
             KDK_OK);
    const struct gindex *below = gtable_index(gtable, BY_KEY);
    CHECK(below->fences.count < gtable->strips); /* Its strip is out of order. */
    CHECK(below->root.count > 0 && below->root.count <= S);
    txn_rollback(txn);
    change(w, 5, 1000 + 2 * S + 2, 7);
    checkpoint(w, true);
    check_trees(w, BY_KEY, 0, 8, 0);
    check_all(w);
    reopen(w);
    check_all(w);
    world_close(w);
}

TEST(entries, rows_that_are_frozen_in_order_leave_the_tree)
{
    struct world *w = world_open();
    struct txn *txn = begin(w);
    for (int64_t k = 0; k < 2 * (int64_t)S; k++) {
        const struct datum values[2] = {{.i = k}, {.i = k % 10}};
        rowid id;
        CHECK_EQ(table_insert(txn, w->table, values, &id, &w->err), KDK_OK);
        w->n[k] = k % 10;
    }
    CHECK_EQ(table_statement_end(txn, &w->err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &w->err), KDK_OK);
    checkpoint(w, false);
    check_trees(w, BY_KEY, 2 * S, 0, 0);
    checkpoint(w, true);
    check_trees(w, BY_KEY, 0, 2, 0);
    check_trees(w, BY_PAIR, 2 * S, 0, 0);
    check_all(w);
    world_close(w);
}
