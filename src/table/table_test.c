/* table_test.c - rows, versions, indexes, scans and definitions, one behaviour at a
 * time. */
#include "table/table_int.h"

#include <stdio.h>

#include "base/mem.h"
#include "check.h"
#include "table/table_test.h"

TEST(table, rows_come_back_as_they_went_in)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    const char *long_text = "a string that is longer than twelve bytes";
    CHECK_EQ(insert(&f, t, 1, 10, "short"), 1);
    CHECK_EQ(insert(&f, t, 2, INT64_MIN, long_text), 2);
    struct datum nulls[3] = {{.i = 3}, DATUM_NULL, DATUM_NULL};
    rowid id;
    CHECK_EQ(table_insert(t, f.table, nulls, &id, &f.err), KDK_OK);
    statement(t);
    const uint32_t all[] = {0, 1, 2, SCAN_ROWID};
    struct datum out[4];
    bool found;
    CHECK_EQ(table_get(t, f.table, 2, all, 4, out, &found, &f.arena, &f.err), KDK_OK);
    CHECK(found);
    CHECK_EQ(out[0].i, 2);
    CHECK_EQ(out[1].i, INT64_MIN);
    CHECK_EQ(out[2].s.len, strlen(long_text));
    CHECK_MEM(str_data(&out[2].s), long_text, strlen(long_text));
    CHECK_EQ(out[3].i, 2);
    CHECK_EQ(table_get(t, f.table, 3, all, 3, out, &found, &f.arena, &f.err), KDK_OK);
    CHECK(found && !out[0].null && out[1].null && out[2].null);
    CHECK_EQ(table_get(t, f.table, 99, all, 3, out, &found, &f.arena, &f.err), KDK_OK);
    CHECK(!found);
    commit(&f, t);
    CHECK_EQ(table_row_count(f.table), 3);
    fixture_close(&f);
}

TEST(table, every_type_at_its_extremes)
{
    static const struct {
        struct ltype type;
        int64_t lo, hi;
    } cases[] = {
        {LTYPE(BOOLEAN), 0, 1},
        {LTYPE(TINYINT), INT8_MIN, INT8_MAX},
        {LTYPE(SMALLINT), INT16_MIN, INT16_MAX},
        {LTYPE(INTEGER), INT32_MIN, INT32_MAX},
        {LTYPE(BIGINT), INT64_MIN, INT64_MAX},
        {LTYPE(DATE), INT32_MIN, INT32_MAX},
        {LTYPE(TIMESTAMP), INT64_MIN, INT64_MAX},
        {LTYPE_NUM(9, 2), -999999999, 999999999},
        {LTYPE_NUM(18, 2), -999999999999999999, 999999999999999999},
        {LTYPE_NUM(38, 2), INT64_MIN, INT64_MAX},
    };
    enum { N = COUNT_OF(cases) };
    struct fixture f;
    struct tcolumn columns[N + 2];
    struct datum lo[N + 2], hi[N + 2], out[N + 2];
    uint32_t numbers[N + 2];
    bool found;
    for (uint32_t c = 0; c < N + 2; c++) {
        columns[c] = (struct tcolumn){.missing = DATUM_NULL};
        columns[c].type = c < N ? cases[c].type : c == N ? LTYPE(REAL) : LTYPE(DOUBLE);
        memset(&lo[c], 0, sizeof lo[c]);
        memset(&hi[c], 0, sizeof hi[c]);
        numbers[c] = c;
        if (c >= N) {
            lo[c].f = -1.5;
            hi[c].f = 0.25;
        } else if (columns[c].type.id == LT_NUMERIC) {
            lo[c].w = cases[c].lo * (columns[c].type.precision == 38 ? (int128)1000000 : 1);
            hi[c].w = cases[c].hi;
        } else {
            lo[c].i = cases[c].lo;
            hi[c].i = cases[c].hi;
        }
    }
    fixture_open(&f);
    struct txn *t = begin(&f);
    struct table *wide;
    rowid a, b;
    CHECK_EQ(table_create(t, f.store, 7, columns, N + 2, &wide, &f.err), KDK_OK);
    statement(t);
    CHECK_EQ(table_insert(t, wide, lo, &a, &f.err), KDK_OK);
    CHECK_EQ(table_insert(t, wide, hi, &b, &f.err), KDK_OK);
    commit(&f, t);
    t = begin(&f);
    for (uint32_t round = 0; round < 2; round++) {
        CHECK_EQ(table_get(t, wide, round ? b : a, numbers, N + 2, out, &found, &f.arena,
                           &f.err),
                 KDK_OK);
        for (uint32_t c = 0; found && c < N + 2; c++)
            CHECK_EQ(datum_compare(columns[c].type, &out[c], round ? &hi[c] : &lo[c]), 0);
    }
    /* The same by a scan of the settled group. */
    struct table_scan *scan;
    struct scan_reader *reader;
    struct batch batch;
    struct ltype types[N + 2];
    bool more;
    for (uint32_t c = 0; c < N + 2; c++)
        types[c] = columns[c].type;
    CHECK_EQ(batch_init(&batch, types, N + 2, &f.arena, &f.err), KDK_OK);
    CHECK_EQ(table_scan_open(t, wide, numbers, N + 2, NULL, 0, &f.arena, &scan, &f.err),
             KDK_OK);
    CHECK_EQ(scan_reader_new(scan, &f.arena, &reader, &f.err), KDK_OK);
    CHECK_EQ(scan_reader_next(reader, &batch, &more, &f.err), KDK_OK);
    CHECK(more);
    CHECK_EQ(batch.count, 2);
    for (uint32_t c = 0; c < N + 2; c++) {
        struct datum v0 = vec_get(&batch.columns[c], 0), v1 = vec_get(&batch.columns[c], 1);
        CHECK_EQ(datum_compare(columns[c].type, &v0, &lo[c]), 0);
        CHECK_EQ(datum_compare(columns[c].type, &v1, &hi[c]), 0);
    }
    CHECK_EQ(scan_reader_next(reader, &batch, &more, &f.err), KDK_OK);
    CHECK(!more && batch.count == 0);
    scan_reader_free(reader);
    table_scan_close(scan);
    commit(&f, t);
    int128 low, high;
    CHECK(table_column_bounds(wide, 2, &low, &high));
    CHECK_EQ(low, INT16_MIN);
    CHECK_EQ(high, INT16_MAX);
    CHECK(!table_column_bounds(wide, 9, &low, &high)); /* Beyond 64 bits. */
    CHECK(!table_column_bounds(wide, 10, &low, &high));
    fixture_close(&f);
}

TEST(table, a_snapshot_stays_while_others_write)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    insert(&f, t, 1, 10, "the first long enough string");
    insert(&f, t, 2, 20, "two");
    commit(&f, t);
    struct txn *old = begin(&f);
    t = begin(&f);
    CHECK_EQ(update(&f, t, 1, 1, 11, "the second long enough string"), KDK_OK);
    CHECK_EQ(erase(&f, t, 2), KDK_OK);
    CHECK_EQ(insert(&f, t, 3, 30, "three"), 3);
    statement(t);
    check_row(&f, t, 1, 1, 11, "the second long enough string");
    check_row(&f, old, 1, 1, 10, "the first long enough string");
    check_gone(&f, t, 2);
    check_row(&f, old, 2, 2, 20, "two");
    check_gone(&f, old, 3);
    commit(&f, t);
    check_row(&f, old, 1, 1, 10, "the first long enough string");
    check_row(&f, old, 2, 2, 20, "two");
    check_gone(&f, old, 3);
    /* First updater wins. */
    CHECK_EQ(update(&f, old, 1, 1, 12, "x"), KDK_SERIALIZATION);
    CHECK_STR(f.err.message, "could not serialize access due to concurrent update");
    CHECK_EQ(old->conflict.timestamp, txnman_published(f.man));
    CHECK_EQ(erase(&f, old, 2), KDK_SERIALIZATION);
    txn_rollback(old);
    t = begin(&f);
    check_row(&f, t, 1, 1, 11, "the second long enough string");
    check_gone(&f, t, 2);
    check_row(&f, t, 3, 3, 30, "three");
    commit(&f, t);
    CHECK_EQ(table_row_count(f.table), 2);
    CHECK_EQ(txnman_reclaim(f.man), 0);
    fixture_close(&f);
}

TEST(table, invariant_08_a_statement_does_not_see_itself)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    rowid id = insert(&f, t, 1, 10, "a");
    check_gone(&f, t, id);
    CHECK_EQ(update(&f, t, id, 1, 11, "b"), KDK_OK);
    CHECK(!f.changed);
    statement(t);
    check_row(&f, t, id, 1, 10, "a");
    CHECK_EQ(update(&f, t, id, 1, 12, "c"), KDK_OK);
    CHECK(f.changed);
    check_row(&f, t, id, 1, 10, "a");
    CHECK_EQ(update(&f, t, id, 1, 13, "d"), KDK_OK);
    CHECK(!f.changed);
    CHECK_EQ(erase(&f, t, id), KDK_OK);
    CHECK(!f.changed);
    statement(t);
    check_row(&f, t, id, 1, 12, "c");
    CHECK_EQ(erase(&f, t, id), KDK_OK);
    CHECK(f.changed);
    check_row(&f, t, id, 1, 12, "c");
    statement(t);
    check_gone(&f, t, id);
    commit(&f, t);
    fixture_close(&f);
}

/* Rows and entries as before, by a deep look at records, headers, flags, and index
 * items. */
TEST(table, invariant_19_rollback_leaves_no_trace)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 1; i <= 40; i++)
        insert(&f, t, i, i * 10, i % 2 ? "odd and longer than twelve" : NULL);
    commit(&f, t);
    txnman_reclaim(f.man);
    struct buf before = {0}, after = {0};
    struct mem_stats was, is;
    dump(&f, &before);
    mem_stats(&was);
    for (int round = 0; round < 20; round++) {
        t = begin(&f);
        for (int command = 0; command < 4; command++) {
            for (int i = 0; i < 10; i++) {
                rowid id = (rowid)(1 + (round * 7 + command * 5 + i * 3) % 40);
                if ((i + command) % 4 == 0)
                    CHECK_EQ(erase(&f, t, id), KDK_OK);
                else
                    CHECK_EQ(update(&f, t, id, 1000 + i + command * 100, i,
                                    "another string, long as well"),
                             KDK_OK);
                insert(&f, t, 5000 + command * 100 + i, i,
                       "and one more that will not stay");
            }
            statement(t);
        }
        txn_rollback(t);
    }
    while (txnman_reclaim(f.man))
        ;
    dump(&f, &after);
    mem_stats(&is);
    CHECK_STR(after.data, before.data);
    CHECK(is.bytes <= was.bytes + before.cap * 2 + 4096);
    buf_deinit(&before);
    buf_deinit(&after);
    check_store(&f);
    fixture_close(&f);
}

TEST(table, not_null_is_refused)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    struct datum values[3] = {DATUM_NULL, {.i = 1}, DATUM_NULL};
    rowid id;
    CHECK_EQ(table_insert(t, f.table, values, &id, &f.err), KDK_NOT_NULL);
    CHECK_STR(f.err.message, "null value in column \"column 1\" of relation \"table 1\" "
                             "violates not-null constraint");
    CHECK_EQ(txn_commit(t, &f.err), KDK_IN_FAILED_TXN);
    t = begin(&f);
    id = insert(&f, t, 1, 1, "x");
    statement(t);
    CHECK_EQ(table_update(t, f.table, id, (uint32_t[]){0}, values, 1, &f.changed, &f.err),
             KDK_NOT_NULL);
    check_row(&f, t, id, 1, 1, "x");
    CHECK_EQ(txn_commit(t, &f.err), KDK_IN_FAILED_TXN);
    fixture_close(&f);
}

TEST(table, unique_keys_at_the_end_of_a_statement)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 1; i <= 5; i++)
        insert(&f, t, i, i, "x");
    CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
    commit(&f, t);
    /* update t set id = id + 1 */
    t = begin(&f);
    for (rowid id = 1; id <= 5; id++)
        CHECK_EQ(update(&f, t, id, (int64_t)id + 1, 0, "x"), KDK_OK);
    CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
    statement(t);
    CHECK_EQ(point(&f, t, 1), 0);
    CHECK_EQ(point(&f, t, 2), 1);
    CHECK_EQ(point(&f, t, 6), 5);
    commit(&f, t);
    t = begin(&f);
    insert(&f, t, 6, 6, "x");
    CHECK_EQ(table_statement_end(t, &f.err), KDK_UNIQUE);
    CHECK_STR(f.err.message, "duplicate key value violates unique constraint \"index 1\"");
    CHECK_STR(f.err.detail, "Key (column 1)=(6) already exists.");
    CHECK_EQ(txn_commit(t, &f.err), KDK_IN_FAILED_TXN);
    /* The commit checks what no statement end has. */
    t = begin(&f);
    insert(&f, t, 7, 6, "x");
    insert(&f, t, 7, 6, "x");
    CHECK_EQ(txn_commit(t, &f.err), KDK_UNIQUE);
    /* A key whose row is gone is free; newer than the snapshot counts as well. */
    struct txn *old = begin(&f);
    t = begin(&f);
    CHECK_EQ(erase(&f, t, 1), KDK_OK);
    statement(t);
    insert(&f, t, 2, 0, "again");
    insert(&f, t, 9, 0, "new");
    CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
    commit(&f, t);
    insert(&f, old, 9, 0, "late");
    CHECK_EQ(table_statement_end(old, &f.err), KDK_UNIQUE);
    txn_rollback(old);
    /* In flight elsewhere: nobody knows yet. */
    t = begin(&f);
    old = begin(&f);
    insert(&f, t, 20, 0, "a");
    CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
    insert(&f, old, 20, 0, "b");
    CHECK_EQ(table_statement_end(old, &f.err), KDK_SERIALIZATION);
    CHECK_EQ(old->conflict.number, t->number);
    struct txn_conflict conflict = old->conflict;
    txn_rollback(old);
    CHECK(!txnman_wait(f.man, conflict, 1000));
    commit(&f, t);
    CHECK(txnman_wait(f.man, conflict, OS_FOREVER));
    check_store(&f);
    fixture_close(&f);
}

TEST(table, cursors_walk_both_ways_at_their_snapshot)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 0; i < 200; i++)
        insert(&f, t, i * 2, i % 7, "x");
    commit(&f, t);
    struct txn *old = begin(&f);
    t = begin(&f);
    for (rowid id = 1; id <= 200; id++)
        CHECK_EQ(id % 3 ? update(&f, t, id, 1000 - (int64_t)id, 0, "y") : erase(&f, t, id),
                 KDK_OK);
    commit(&f, t);
    struct txn *now = begin(&f);
    for (int backwards = 0; backwards < 2; backwards++) {
        CHECK_EQ(range(&f, old, 100, 199, backwards), 50);
        CHECK_EQ(f.walked[0], backwards ? 100 : 51);
        CHECK_EQ(f.walked[49], backwards ? 51 : 100);
        CHECK_EQ(range(&f, old, INT64_MIN, INT64_MAX, backwards), 200);
        CHECK_EQ(range(&f, now, INT64_MIN, INT64_MAX, backwards), 134);
        CHECK_EQ(f.walked[0], backwards ? 1 : 200);
        CHECK_EQ(range(&f, now, 0, 799, backwards), 0);
    }
    CHECK_EQ(point(&f, old, 398), 200);
    CHECK_EQ(point(&f, now, 398), 0);
    CHECK_EQ(point(&f, now, 800), 200);
    txn_rollback(old);
    txn_rollback(now);
    while (txnman_reclaim(f.man))
        ;
    CHECK_EQ(memtree_count(index_find(f.table, 1)->tree), 134);
    check_store(&f);
    fixture_close(&f);
}

/* A key that a row gives up and takes again has an entry of its own for the second time. */
TEST(table, a_key_comes_back_before_its_end_was_tidied)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    rowid id = insert(&f, t, 1, 1, "x");
    commit(&f, t);
    struct txn *old = begin(&f);
    for (int64_t key = 2; key > 0; key--) {
        t = begin(&f);
        CHECK_EQ(update(&f, t, id, key, 1, "x"), KDK_OK);
        commit(&f, t);
    }
    t = begin(&f);
    CHECK_EQ(point(&f, t, 1), id);
    CHECK_EQ(point(&f, t, 2), 0);
    CHECK_EQ(range(&f, t, INT64_MIN, INT64_MAX, false), 1);
    commit(&f, t);
    CHECK_EQ(point(&f, old, 1), id);
    txn_rollback(old);
    while (txnman_reclaim(f.man))
        ;
    t = begin(&f);
    CHECK_EQ(point(&f, t, 1), id);
    commit(&f, t);
    CHECK_EQ(memtree_count(index_find(f.table, 1)->tree), 1);
    check_store(&f);
    fixture_close(&f);
}

TEST(table, deleted_rows_give_their_memory_back)
{
    struct fixture f;
    struct mem_stats before, after;
    fixture_open(&f);
    for (int round = 0; round < 30; round++) {
        if (round == 10)
            mem_stats(&before);
        struct txn *t = begin(&f);
        rowid first = 0;
        for (int i = 0; i < 500; i++) {
            rowid id = insert(&f, t, round * 500 + i, 1,
                              "a string that takes some memory by itself");
            first = i ? first : id;
        }
        commit(&f, t);
        t = begin(&f);
        for (int i = 0; i < 500; i++)
            CHECK_EQ(erase(&f, t, first + (rowid)i), KDK_OK);
        commit(&f, t);
        while (txnman_reclaim(f.man))
            ;
    }
    mem_stats(&after);
    CHECK(after.bytes < before.bytes + 64000);
    CHECK_EQ(table_row_count(f.table), 0);
    fixture_close(&f);
}

/* Chain length <= live snapshots + 1, apart from the few that are left alone; memory does
 * not grow under a snapshot held for ever. */
TEST(table, invariant_22_chains_are_pruned_to_what_snapshots_need)
{
    struct fixture f;
    struct mem_stats before, after;
    char text[64];
    fixture_open(&f);
    struct txn *t = begin(&f), *held[3];
    rowid id = insert(&f, t, 1, 7, "the first of all the strings");
    commit(&f, t);
    for (int round = 0; round < 3; round++) {
        held[round] = begin(&f);
        for (int i = 0; i < 3000; i++) {
            if (i == 1000)
                mem_stats(&before);
            t = begin(&f);
            snprintf(text, sizeof text, "string %d of round %d, not short", i, round);
            CHECK_EQ(update(&f, t, id, 1, 1000 * round + i % 1000, text), KDK_OK);
            if (i % 7 == 2)
                txn_rollback(t);
            else
                commit(&f, t);
        }
        mem_stats(&after);
        CHECK(after.bytes < before.bytes + 20000);
        check_row(&f, held[0], id, 1, 7, "the first of all the strings");
        if (round > 0)
            check_row(&f, held[1], id, 1, 999, "string 2999 of round 0, not short");
        if (round > 1)
            check_row(&f, held[2], id, 1, 1999, "string 2999 of round 1, not short");
    }
    /* Different columns in turn: no undo restores all that the one above it does. */
    for (int i = 0; i < 50; i++) {
        const uint32_t column = 1 + (uint32_t)i % 2;
        const struct datum values[] = {{.i = i},
                                       {.s = str_of("other text, long as well", 24)}};
        t = begin(&f);
        CHECK_EQ(
            table_update(t, f.table, id, &column, &values[i % 2], 1, &f.changed, &f.err),
            KDK_OK);
        commit(&f, t);
    }
    check_row(&f, held[0], id, 1, 7, "the first of all the strings");
    check_row(&f, held[2], id, 1, 1999, "string 2999 of round 1, not short");
    for (int round = 0; round < 3; round++)
        txn_rollback(held[round]);
    CHECK_EQ(txnman_reclaim(f.man), 0);
    fixture_close(&f);
}

TEST(table, a_new_column_has_its_default_in_old_rows)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 1; i <= 3; i++)
        insert(&f, t, i, i, "x");
    commit(&f, t);
    struct txn *old = begin(&f);
    struct tcolumn columns[5];
    memcpy(columns, f.columns, sizeof f.columns);
    static const char text[] = "a default of more than twelve bytes";
    columns[3] =
        (struct tcolumn){.type = LTYPE(TEXT), .missing = {.s = str_of(text, strlen(text))}};
    columns[4] = (struct tcolumn){.type = LTYPE(INTEGER), .missing = {.i = 100000}};
    /* Rolled back, then done. */
    for (int round = 0; round < 2; round++) {
        t = begin(&f);
        CHECK_EQ(table_alter(t, f.table, columns, 5, &f.err), KDK_OK);
        statement(t);
        struct datum row[5] = {
            {.i = 50}, {.i = 5}, {.s = str_of("s", 1)}, {.s = str_of("t", 1)}, {.i = 6}};
        CHECK_EQ(table_insert(t, f.table, row, NULL, &f.err), KDK_OK);
        CHECK_EQ(table_update(t, f.table, 1, (uint32_t[]){1, 3}, row + 2 - 1, 2, &f.changed,
                              &f.err),
                 KDK_OK);
        CHECK_EQ(
            table_update(t, f.table, 3, (uint32_t[]){1}, row + 1, 1, &f.changed, &f.err),
            KDK_OK);
        statement(t);
        CHECK_EQ(erase(&f, t, 3), KDK_OK);
        if (round)
            commit(&f, t);
        else
            txn_rollback(t);
        txnman_reclaim(f.man);
        if (!round) {
            t = begin(&f);
            check_row(&f, t, 1, 1, 1, "x");
            check_row(&f, t, 3, 3, 3, "x");
            commit(&f, t);
        }
    }
    /* Who began before may not write; it reads what was. */
    struct datum three[3] = {{.i = 60}, {.i = 5}, {.s = str_of("s", 1)}};
    CHECK_EQ(table_insert(old, f.table, three, NULL, &f.err), KDK_SERIALIZATION);
    check_row(&f, old, 1, 1, 1, "x");
    check_row(&f, old, 3, 3, 3, "x");
    t = begin(&f);
    const uint32_t numbers[] = {0, 1, 3, 4};
    struct datum out[4];
    bool found;
    CHECK_EQ(table_get(t, f.table, 2, numbers, 4, out, &found, &f.arena, &f.err), KDK_OK);
    CHECK(found && out[0].i == 2 && out[3].i == 100000 && out[2].s.len == strlen(text));
    CHECK_EQ(table_get(t, f.table, 1, numbers, 4, out, &found, &f.arena, &f.err), KDK_OK);
    CHECK(found && out[0].i == 1 && out[1].i == 5 && out[3].i == 100000);
    check_gone(&f, t, 3);
    /* A scan over records of both layouts, settled. */
    {
        const struct ltype types[] = {LTYPE(TEXT), LTYPE(INTEGER), LTYPE(BIGINT)};
        struct batch batch;
        struct table_scan *scan;
        struct scan_reader *reader;
        bool more;
        CHECK_EQ(batch_init(&batch, types, 3, &f.arena, &f.err), KDK_OK);
        CHECK_EQ(table_scan_open(t, f.table, (uint32_t[]){3, 4, 1}, 3, NULL, 0, &f.arena,
                                 &scan, &f.err),
                 KDK_OK);
        CHECK_EQ(scan_reader_new(scan, &f.arena, &reader, &f.err), KDK_OK);
        CHECK_EQ(scan_reader_next(reader, &batch, &more, &f.err), KDK_OK);
        if (CHECK_EQ(batch.count, 3)) {
            CHECK_EQ(vec_get(&batch.columns[2], 0).i, 5);
            CHECK_EQ(vec_get(&batch.columns[1], 0).i, 100000);
            CHECK_EQ(vec_get(&batch.columns[1], 1).i, 100000);
            CHECK_EQ(vec_get(&batch.columns[1], 2).i, 6);
            CHECK_EQ(vec_get(&batch.columns[0], 1).s.len, strlen(text));
            CHECK_EQ(vec_get(&batch.columns[0], 2).s.len, 1);
        }
        scan_reader_free(reader);
        table_scan_close(scan);
    }
    int128 lo, hi;
    CHECK(table_column_bounds(f.table, 4, &lo, &hi));
    CHECK_EQ(hi, 100000);
    txn_rollback(old);
    /* Dropping a column with long strings, then changing the row. */
    columns[2].dropped = true;
    statement(t);
    CHECK_EQ(table_alter(t, f.table, columns, 5, &f.err), KDK_OK);
    statement(t);
    CHECK_EQ(table_update(t, f.table, 2, (uint32_t[]){3},
                          &(struct datum){.s = str_of(text, 20)}, 1, &f.changed, &f.err),
             KDK_OK);
    statement(t);
    CHECK_EQ(
        table_get(t, f.table, 2, (uint32_t[]){0, 2, 3}, 3, out, &found, &f.arena, &f.err),
        KDK_OK);
    CHECK(found && out[0].i == 2 && out[1].null && out[2].s.len == 20);
    commit(&f, t);
    check_store(&f);
    fixture_close(&f);
}

TEST(table, definitions_wait_for_no_one)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *writer = begin(&f), *ddl = begin(&f);
    insert(&f, writer, 1, 1, "x");
    CHECK_EQ(table_alter(ddl, f.table, f.columns, 3, &f.err), KDK_SERIALIZATION);
    CHECK_EQ(ddl->conflict.number, writer->number);
    txn_rollback(ddl);
    ddl = begin(&f);
    commit(&f, writer);
    /* There are rows that this one does not see. */
    CHECK_EQ(table_alter(ddl, f.table, f.columns, 3, &f.err), KDK_SERIALIZATION);
    CHECK_EQ(ddl->conflict.timestamp, txnman_published(f.man));
    txn_rollback(ddl);
    ddl = begin(&f);
    CHECK_EQ(table_alter(ddl, f.table, f.columns, 3, &f.err), KDK_OK);
    writer = begin(&f);
    struct datum row[3] = {{.i = 2}, DATUM_NULL, DATUM_NULL};
    CHECK_EQ(table_insert(writer, f.table, row, NULL, &f.err), KDK_SERIALIZATION);
    CHECK_EQ(writer->conflict.number, ddl->number);
    txn_rollback(writer);
    commit(&f, ddl);
    writer = begin(&f);
    CHECK_EQ(table_insert(writer, f.table, row, NULL, &f.err), KDK_OK);
    commit(&f, writer);
    fixture_close(&f);
}

TEST(table, an_index_made_late_is_complete)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 1; i <= 300; i++)
        insert(&f, t, i, i / 2, "x");
    commit(&f, t);
    t = begin(&f);
    for (rowid id = 1; id <= 300; id += 3)
        CHECK_EQ(erase(&f, t, id), KDK_OK);
    commit(&f, t);
    t = begin(&f);
    struct tindex def = {.id = 5, .unique = true, .column_count = 1, .columns = {1}};
    CHECK_EQ(table_index_create(t, f.table, &def, &f.err), KDK_UNIQUE);
    CHECK_STR(f.err.message, "could not create unique index \"index 5\"");
    CHECK_STR(f.err.detail, "Key (column 2)=(1) is duplicated.");
    CHECK_EQ(txn_commit(t, &f.err), KDK_IN_FAILED_TXN);
    CHECK(index_find(f.table, 5) == NULL);
    t = begin(&f);
    def.unique = false;
    CHECK_EQ(update(&f, t, 2, 2, 77, "x"), KDK_OK);
    statement(t);
    CHECK_EQ(table_index_create(t, f.table, &def, &f.err), KDK_OK);
    statement(t);
    rowid ids[2];
    uint32_t count;
    struct buf key = {0};
    CHECK_EQ(key_add(&key, LTYPE(BIGINT), &(struct datum){.i = 77}, false, false), KDK_OK);
    CHECK_EQ(index_point(t, f.table, 5, key.data, key.len, ids, 2, &count, &f.err), KDK_OK);
    CHECK_EQ(count, 2);
    commit(&f, t);
    check_store(&f);
    t = begin(&f);
    struct txn *old = begin(&f);
    CHECK_EQ(table_index_drop(t, f.table, 5, &f.err), KDK_OK);
    commit(&f, t);
    ids[1] = 4711;
    CHECK_EQ(index_point(old, f.table, 5, key.data, key.len, ids, 1, &count, &f.err),
             KDK_OK);
    CHECK_EQ(count, 2);     /* More than one; */
    CHECK_EQ(ids[1], 4711); /* only one was asked for. */
    txn_rollback(old);
    while (txnman_reclaim(f.man))
        ;
    CHECK(index_find(f.table, 5) == NULL);
    t = begin(&f);
    insert(&f, t, 1000, 1, "x");
    commit(&f, t);
    buf_deinit(&key);
    check_store(&f);
    fixture_close(&f);
}

TEST(table, tables_come_and_go)
{
    struct fixture f;
    fixture_open(&f);
    for (int how = 0; how < 4; how++) {
        struct txn *t = begin(&f);
        struct table *made;
        struct tindex def = {.id = 9, .unique = true, .column_count = 1, .columns = {0}};
        CHECK_EQ(table_create(t, f.store, 2, f.columns, 3, &made, &f.err), KDK_OK);
        CHECK_EQ(table_index_create(t, made, &def, &f.err), KDK_OK);
        statement(t);
        struct datum row[3] = {
            {.i = 2}, DATUM_NULL, {.s = str_of("some string that is long", 24)}};
        CHECK_EQ(table_insert(t, made, row, NULL, &f.err), KDK_OK);
        if (how == 0) {
            txn_rollback(t);
            continue;
        }
        if (how == 1) {
            statement(t);
            CHECK_EQ(table_drop(t, made, &f.err), KDK_OK);
            commit(&f, t);
            continue;
        }
        commit(&f, t);
        if (how == 2)
            continue; /* Closed with it. */
        struct txn *old = begin(&f);
        t = begin(&f);
        CHECK_EQ(table_drop(t, made, &f.err), KDK_OK);
        commit(&f, t);
        txnman_reclaim(f.man);
        bool found;
        struct datum out;
        CHECK_EQ(
            table_get(old, made, 1, (uint32_t[]){0}, 1, &out, &found, &f.arena, &f.err),
            KDK_OK);
        CHECK(found && out.i == 2);
        txn_rollback(old);
        CHECK_EQ(txnman_reclaim(f.man), 0);
    }
    fixture_close(&f);
}

TEST(table, bounds_move_the_epoch_when_a_width_is_passed)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    int128 lo, hi;
    CHECK(!table_column_bounds(f.table, 1, &lo, &hi));
    insert(&f, t, 1, 5, "x");
    uint64_t epoch = table_epoch(f.table);
    insert(&f, t, 2, 100, "x");
    CHECK_EQ(table_epoch(f.table), epoch);
    insert(&f, t, 3, 1000, "x");
    CHECK(table_epoch(f.table) > epoch);
    CHECK(table_column_bounds(f.table, 1, &lo, &hi));
    CHECK_EQ(lo, 5);
    CHECK_EQ(hi, 1000);
    CHECK(!table_column_bounds(f.table, 2, &lo, &hi));
    statement(t);
    CHECK_EQ(update(&f, t, 1, 1, -70000, "x"), KDK_OK);
    CHECK(table_column_bounds(f.table, 1, &lo, &hi));
    CHECK_EQ(lo, -70000);
    commit(&f, t);
    CHECK_EQ(table_column_distinct(f.table, 0), 3);
    CHECK_EQ(table_column_distinct(f.table, 1), 0);
    fixture_close(&f);
}

TEST(table, read_only_transactions_write_nothing)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t;
    CHECK_EQ(txn_begin(f.man, TXN_SNAPSHOT, true, &t, &f.err), KDK_OK);
    statement(t);
    struct datum row[3] = {{.i = 2}, DATUM_NULL, DATUM_NULL};
    CHECK_EQ(table_insert(t, f.table, row, NULL, &f.err), KDK_READ_ONLY);
    txn_rollback(t);
    fixture_close(&f);
}

/* Batches in, scans by several readers of one scan out; the statement's own rows are not
 * met (insert into t select from t). */
TEST(table, batches_and_shared_scans)
{
    struct fixture f;
    fixture_open(&f);
    const struct ltype types[] = {LTYPE(BIGINT), LTYPE(BIGINT), LTYPE(TEXT)};
    const uint32_t columns[] = {0, 1, 2};
    enum { ROWS = BATCH_ROWS * 3 + 7 };
    struct batch in, out;
    rowid ids[BATCH_ROWS];
    CHECK_EQ(batch_init(&in, types, 3, &f.arena, &f.err), KDK_OK);
    CHECK_EQ(batch_init(&out, types, 3, &f.arena, &f.err), KDK_OK);
    struct txn *t = begin(&f);
    for (uint32_t done = 0; done < ROWS;) {
        uint32_t n = MIN((uint32_t)BATCH_ROWS, ROWS - done);
        for (uint32_t i = 0; i < n; i++) {
            vec_put(&in.columns[0], i, &(struct datum){.i = done + i}, n);
            vec_put(&in.columns[1], i, &(struct datum){.i = 5}, n);
            vec_put(&in.columns[2], i,
                    &(struct datum){.s = str_of("some text of more than twelve", i % 29)},
                    n);
        }
        batch_all(&in, n);
        CHECK_EQ(table_insert_batch(t, f.table, &in, ids, &f.err), KDK_OK);
        CHECK_EQ(ids[n - 1] - ids[0], n - 1);
        done += n;
    }
    CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
    /* Unsettled for the second round, settled for the third; in the second the rows copy
     * themselves. */
    for (int round = 0; round < 3; round++) {
        struct table_scan *scan;
        struct scan_reader *readers[3];
        uint64_t rows = 0, sum = 0, bytes = 0;
        bool more, any = true;
        statement(t);
        CHECK_EQ(table_scan_open(t, f.table, columns, 3, NULL, 0, &f.arena, &scan, &f.err),
                 KDK_OK);
        CHECK(table_scan_units(scan) >= 4);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(scan_reader_new(scan, &f.arena, &readers[k], &f.err), KDK_OK);
        while (any) {
            any = false;
            for (int k = 0; k < 3; k++) {
                CHECK_EQ(scan_reader_next(readers[k], &out, &more, &f.err), KDK_OK);
                any |= more;
                rows += out.count;
                for (uint32_t i = 0; i < out.count; i++) {
                    struct datum id = vec_get(&out.columns[0], i),
                                 s = vec_get(&out.columns[2], i);
                    sum += (uint64_t)id.i;
                    bytes += s.s.len;
                    if (round == 1)
                        vec_put(&out.columns[0], i, &(struct datum){.i = id.i + ROWS},
                                out.count);
                }
                if (round == 1 && more)
                    CHECK_EQ(table_insert_batch(t, f.table, &out, NULL, &f.err), KDK_OK);
            }
        }
        CHECK_EQ(table_scan_units(scan), 0);
        for (int k = 0; k < 3; k++)
            scan_reader_free(readers[k]);
        table_scan_close(scan);
        const uint64_t want = round == 2 ? ROWS * 2 : ROWS;
        CHECK_EQ(rows, want);
        CHECK_EQ(sum, want * (want - 1) / 2);
        CHECK(bytes > 0);
        CHECK_EQ(table_statement_end(t, &f.err), KDK_OK);
        if (round == 1) {
            commit(&f, t);
            t = begin(&f);
        }
    }
    commit(&f, t);
    check_store(&f);
    fixture_close(&f);
}

/* A prepared point read allocates nothing. */
TEST(table, point_reads_allocate_nothing)
{
    struct fixture f;
    fixture_open(&f);
    struct txn *t = begin(&f);
    for (int i = 1; i <= 500; i++)
        insert(&f, t, i, i, "some text that is not short");
    commit(&f, t);
    struct buf key = {0};
    CHECK_EQ(key_add(&key, LTYPE(BIGINT), &(struct datum){.i = 321}, false, false), KDK_OK);
    struct mem_stats before, after;
    mem_stats(&before);
    for (int i = 0; i < 100; i++) {
        rowid ids[1];
        uint32_t count;
        struct datum out[3];
        bool found;
        t = begin(&f);
        CHECK_EQ(index_point(t, f.table, 1, key.data, key.len, ids, 1, &count, &f.err),
                 KDK_OK);
        CHECK_EQ(count, 1);
        CHECK_EQ(table_get(t, f.table, ids[0], (uint32_t[]){0, 1, 2}, 3, out, &found,
                           &f.arena, &f.err),
                 KDK_OK);
        CHECK(found && out[1].i == 321);
        commit(&f, t);
    }
    mem_stats(&after);
    CHECK_EQ(after.calls, before.calls);
    buf_deinit(&key);
    fixture_close(&f);
}

/* Every allocation of a workload fails once: a clean error, then the same again. */
static kdk_status workload(struct fixture *f)
{
    kdk_status status = KDK_OK;
    struct err *err = &f->err;
    struct txn *t = NULL;
    struct table *made;
    struct datum row[3] = {
        {.i = 1}, {.i = 2}, {.s = str_of("a string of more than twelve", 28)}};
    const struct tindex def = {
        .id = 12, .unique = true, .column_count = 2, .columns = {2, 0}};
    struct tcolumn more[4] = {f->columns[0],
                              f->columns[1],
                              f->columns[2],
                              {.type = LTYPE(TEXT), .missing = row[2]}};
    bool changed;
    TRY(txn_begin(f->man, TXN_SNAPSHOT, false, &t, err));
    txn_statement_begin(t);
    TRY(table_create(t, f->store, 3, f->columns, 3, &made, err));
    for (row[0].i = 1; row[0].i < 80; row[0].i += 3)
        TRY(table_insert(t, made, row, NULL, err));
    TRY(table_statement_end(t, err));
    txn_statement_begin(t);
    TRY(table_index_create(t, made, &def, err));
    txn_statement_begin(t);
    TRY(table_update(t, made, 2, (uint32_t[]){2, 0}, row + 1, 1, &changed, err));
    row[0].i = 1000;
    for (rowid id = 3; id < 20; id++, row[0].i++)
        TRY(id % 2 ? table_update(t, made, id, (uint32_t[]){0}, row, 1, &changed, err)
                   : table_delete(t, made, id, &changed, err));
    TRY(table_statement_end(t, err));
    txn_statement_begin(t);
    TRY(table_alter(t, made, more, 4, err));
    txn_statement_begin(t);
    TRY(table_update(t, made, 1, (uint32_t[]){3}, row + 2, 1, &changed, err));
    TRY(table_index_drop(t, made, 12, err));
    TRY(table_drop(t, made, err));
    struct txn *done = t;
    t = NULL;
    TRY(txn_commit(done, err));
out:
    txn_rollback(t);
    return status;
}

TEST(table, out_of_memory_anywhere)
{
    uint64_t failed = 0;
    for (uint64_t skip = 0;; skip++) {
        struct fixture f;
        fixture_open(&f);
        mem_fail_after(skip, skip % 2);
        kdk_status status = workload(&f);
        bool hit = mem_fail_never() > 0;
        check_store(&f);
        if (!hit) {
            CHECK_EQ(status, KDK_OK);
            fixture_close(&f);
            break;
        }
        CHECK_EQ(status, KDK_NOMEM);
        CHECK_EQ(workload(&f), KDK_OK);
        fixture_close(&f);
        failed++;
    }
    CHECK(failed > 100);
}

/* Reading a wide row whose key moved, in every way. */
static kdk_status read_workload(struct txn *t, struct table *wide, const uint32_t *columns,
                                uint32_t count, uint32_t *rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena = {0};
    struct datum *out = NULL;
    struct batch batch;
    struct ltype types[3] = {LTYPE(BIGINT), LTYPE(BIGINT), LTYPE(BIGINT)};
    struct table_scan *scan;
    struct scan_reader *reader = NULL;
    struct index_cursor *cursor = NULL;
    bool found, more = true;
    rowid id;
    *rows = 0;
    TRY_MEM(out = ARENA_ARRAY(&arena, struct datum, count));
    TRY(table_get(t, wide, 1, columns, count, out, &found, &arena, err));
    *rows += found && out[count - 1].i == (int64_t)count - 1;
    TRY(batch_init(&batch, types, 3, &arena, err));
    TRY(table_scan_open(t, wide, columns, 3, NULL, 0, &arena, &scan, err));
    TRY(scan_reader_new(scan, &arena, &reader, err));
    while (more) {
        TRY(scan_reader_next(reader, &batch, &more, err));
        *rows += batch.count;
    }
    for (int backwards = 0; backwards < 2; backwards++) {
        index_close(cursor);
        cursor = NULL;
        TRY(index_open(t, wide, 2, "\1", 1, NULL, 0, backwards, &arena, &cursor, err));
        do {
            TRY(index_next(cursor, &id, NULL, NULL, err));
            *rows += id != 0;
        } while (id);
    }
out:
    index_close(cursor);
    scan_reader_free(reader);
    arena_deinit(&arena);
    return status;
}

TEST(table, readers_run_out_of_memory_cleanly)
{
    enum { WIDE = 150 };
    struct fixture f;
    struct tcolumn columns[WIDE];
    struct datum values[WIDE] = {0};
    uint32_t numbers[WIDE], rows, failed = 0;
    struct table *wide;
    fixture_open(&f);
    for (uint32_t c = 0; c < WIDE; c++) {
        columns[c] = (struct tcolumn){.type = LTYPE(BIGINT), .missing = DATUM_NULL};
        values[c].i = c;
        numbers[c] = c;
    }
    struct txn *t = begin(&f);
    CHECK_EQ(table_create(t, f.store, 2, columns, WIDE, &wide, &f.err), KDK_OK);
    CHECK_EQ(
        table_index_create(
            t, wide, &(struct tindex){.id = 2, .column_count = 1, .columns = {1}}, &f.err),
        KDK_OK);
    statement(t);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(table_insert(t, wide, values, NULL, &f.err), KDK_OK);
    commit(&f, t);
    struct txn *old = begin(&f);
    t = begin(&f);
    CHECK_EQ(table_update(t, wide, 1, (uint32_t[]){1}, &(struct datum){.i = 99}, 1,
                          &f.changed, &f.err),
             KDK_OK);
    commit(&f, t);
    t = begin(&f);
    struct txn *readers[] = {old, t};
    for (uint32_t k = 0; k < 2; k++)
        for (uint64_t skip = 0;; skip++) {
            mem_fail_after(skip, false);
            kdk_status status =
                read_workload(readers[k], wide, numbers, WIDE, &rows, &f.err);
            if (!mem_fail_never()) {
                CHECK_EQ(status, KDK_OK);
                CHECK_EQ(rows, 10);
                break;
            }
            CHECK_EQ(status, KDK_NOMEM);
            failed++;
        }
    CHECK(failed > 10);
    txn_rollback(old);
    commit(&f, t);
    check_store(&f);
    fixture_close(&f);
}

/* A column that is being dropped still has its default for everybody else, and for older
 * snapshots. */
TEST(table, a_drop_in_flight_keeps_what_rows_lack)
{
    struct fixture f;
    struct tcolumn columns[5];
    struct datum out[2];
    bool found;
    fixture_open(&f);
    struct txn *t = begin(&f);
    const rowid id = insert(&f, t, 1, 10, "one");
    commit(&f, t);
    memcpy(columns, f.columns, sizeof f.columns);
    columns[3] = (struct tcolumn){.type = LTYPE(BIGINT), .missing = {.i = 5}};
    columns[4] = (struct tcolumn){
        .type = LTYPE(TEXT), .missing = {.s = str_of("a text that is not inline", 25)}};
    t = begin(&f);
    CHECK_EQ(table_alter(t, f.table, columns, 5, &f.err), KDK_OK);
    commit(&f, t);
    struct txn *reader = begin(&f), *drops = begin(&f);
    columns[3].dropped = columns[4].dropped = true;
    columns[3].missing = columns[4].missing = DATUM_NULL;
    CHECK_EQ(table_alter(drops, f.table, columns, 5, &f.err), KDK_OK);
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_EQ(table_get(reader, f.table, id, (uint32_t[]){3, 4}, 2, out, &found,
                           &f.arena, &f.err),
                 KDK_OK);
        CHECK(found && !out[0].null && out[0].i == 5);
        CHECK(!out[1].null && out[1].s.len == 25);
        if (round == 0) /* A second change keeps it, too. */
            CHECK_EQ(table_alter(drops, f.table, columns, 5, &f.err), KDK_OK);
        if (round == 1)
            commit(&f, drops);
    }
    txn_rollback(reader);
    check_store(&f);
    fixture_close(&f);
}

/* What no record of the row tree could hold is refused at once, not by every checkpoint
 * that follows. */
TEST(table, rows_that_are_too_wide_are_refused)
{
    struct fixture f;
    const struct datum wide = {.s = str_of("the length alone counts", VALUE_BYTES_MAX)};
    fixture_open(&f);
    struct txn *t = begin(&f);
    const rowid id = insert(&f, t, 1, 10, "one");
    commit(&f, t);
    t = begin(&f);
    CHECK_EQ(
        table_insert(t, f.table, (struct datum[]){{.i = 2}, {.i = 3}, wide}, NULL, &f.err),
        KDK_LIMIT);
    txn_rollback(t);
    t = begin(&f);
    CHECK_EQ(table_update(t, f.table, id, (uint32_t[]){2}, &wide, 1, &f.changed, &f.err),
             KDK_LIMIT);
    txn_rollback(t);
    t = begin(&f);
    check_row(&f, t, id, 1, 10, "one");
    commit(&f, t);
    check_store(&f);
    fixture_close(&f);
}
