/* check.c - the walk over everything: rows against index entries, pages, trees, files. */
#include "table/disk.h"

#include <stdio.h>

#include "base/mem.h"

struct check {
    struct txn *txn;
    void (*report)(void *context, const char *line);
    void *context;
    uint64_t problems;
};

static KDK_PRINTF(2, 3) void check_problem(struct check *check, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    check->problems++;
    if (check->report)
        check->report(check->context, line);
}

/* The index has exactly one entry for each row that the snapshot sees, under the key of its version. */
static kdk_status check_index(struct check *check, struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = index->table;
    struct arena arena = {0};
    struct index_cursor *cursor = NULL;
    struct buf key = {0};
    struct image image;
    rowid id;
    uint64_t rows = 0, entries = 0;
    bool found, has_null;
    image_init(&image);
    const uint64_t end = atomic_load_explicit(&table->next_id, memory_order_acquire);
    for (id = 1; id < end; id++) {
        rowid candidates[2];
        uint32_t count;
        txn_enter(check->txn->man);
        struct record *record = rowmap_get(table, id);
        found = false;
        if (record)
            status = record_copy(table, record, &image, err);
        if (record && status == KDK_OK)
            status = image_resolve(check->txn, table, &image, &found, err);
        if (status == KDK_OK && found)
            status = index_key(index, &image, &key, &has_null, err);
        txn_leave(check->txn->man);
        TRY(status);
        if (!found)
            continue;
        rows++;
        if (!index->def.unique || has_null)
            continue;
        TRY(index_point(check->txn, table, index->def.id, key.data ? key.data : "", key.len,
                        candidates, 2, &count, err));
        bool there = false;
        for (uint32_t k = 0; k < MIN(count, 2); k++)
            there |= candidates[k] == id;
        if (!there)
            check_problem(check, "index %u lacks row %llu of table %u", index->def.id,
                          (unsigned long long)id, table->id);
    }
    TRY(index_open(check->txn, table, index->def.id, NULL, 0, NULL, 0, false, &arena,
                   &cursor, err));
    for (;;) {
        TRY(index_next(cursor, &id, NULL, NULL, err));
        if (!id)
            break;
        TRY(table_get(check->txn, table, id, NULL, 0, NULL, &found, &arena, err));
        entries += found;
    }
    if (entries != rows)
        check_problem(check, "index %u has %llu entries for %llu rows of table %u",
                      index->def.id, (unsigned long long)entries, (unsigned long long)rows,
                      table->id);
out:
    index_close(cursor);
    arena_deinit(&arena);
    buf_deinit(&key);
    image_deinit(&image);
    return status;
}

static kdk_status check_table(struct check *check, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0;; i++) {
        txn_enter(check->txn->man);
        struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
        const bool more = i < set->count;
        struct index *index = more ? set_index(set, i) : NULL;
        txn_leave(check->txn->man);
        if (!more)
            break;
        /* What the snapshot may use stays while it lives; what came later it cannot judge. */
        if (index && !atomic_load_explicit(&index->dropped, memory_order_acquire) &&
            atomic_load_explicit(&table->ddl_timestamp, memory_order_acquire) <=
                check->txn->snapshot &&
            !atomic_load_explicit(&table->ddl_owner, memory_order_acquire))
            TRY(check_index(check, index, err));
    }
out:
    return status;
}

kdk_status store_check(struct store *store, void (*report)(void *context, const char *line),
                       void *context, uint64_t *problems, struct err *err)
{
    kdk_status status = KDK_OK;
    struct check check = {.report = report, .context = context};
    struct table **tables = NULL;
    size_t count = 0, k = 0;
    TRY(txn_begin(store->man, TXN_SNAPSHOT, true, &check.txn, err));
    txn_statement_begin(check.txn);
    latch_acquire(&store->latch);
    for (struct table *table = store->tables; table; table = table->next)
        count++;
    tables = MEM_ARRAY(struct table *, MAX(count, 1));
    for (struct table *table = tables ? store->tables : NULL; table; table = table->next) {
        table_ref(table);
        tables[k++] = table;
    }
    latch_release(&store->latch);
    TRY_MEM(tables);
    for (size_t i = 0; i < count; i++)
        TRY(check_table(&check, tables[i], err));
out:
    txn_rollback(check.txn);
    while (k > 0)
        table_unref(tables[--k]);
    mem_free(tables);
    *problems = check.problems;
    return status;
}

