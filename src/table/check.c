/* check.c - the walk over everything: rows against index entries, pages, trees, files. */
#include "table/load.h"

#include <stdio.h>

#include "base/mem.h"

struct check {
    struct txn *txn;
    struct disk *disk;
    struct table **tables;
    size_t count;
    void (*report)(void *context, const char *line);
    void *context;
    uint64_t problems;
};

static KDK_PRINTF(2, 3) void check_problem(struct check *check, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    check->problems++;
    if (check->report)
        check->report(check->context, line);
}

/* An index that the snapshot has: it stays as long as that. */
static struct index *index_seen(const struct check *check, struct table *table, uint32_t id)
{
    txn_enter(check->txn->man);
    struct index *index = index_find(table, id);
    if (index && !index_alive_at(index, check->txn->snapshot))
        index = NULL;
    txn_leave(check->txn->man);
    return index;
}

/* The index has exactly one entry for each row that the snapshot sees, under the key of its
 * version. */
static kdk_status check_index(struct check *check, struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = index->table;
    struct arena arena = {0};
    struct index_cursor *cursor = NULL;
    struct buf key = {0};
    struct row_walk walk;
    rowid id;
    uint64_t rows = 0, entries = 0;
    bool found, has_null;
    TRY(row_walk_open(&walk, check->txn, table, false, err));
    for (;;) {
        rowid candidates[2];
        uint32_t count;
        TRY(row_walk_next(&walk, &id, err));
        if (!id)
            break;
        rows++;
        TRY(index_key(index, &walk.image, &key, &has_null, err));
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
        if (!found)
            check_problem(
                check,
                "index %u has an entry for row %llu of table %u, which does not exist",
                index->def.id, (unsigned long long)id, table->id);
    }
    if (entries != rows)
        check_problem(check, "index %u has %llu entries for %llu rows of table %u",
                      index->def.id, (unsigned long long)entries, (unsigned long long)rows,
                      table->id);
out:
    row_walk_close(&walk);
    index_close(cursor);
    arena_deinit(&arena);
    buf_deinit(&key);
    return status;
}

/* ----------------------------------------------------------- the generation ---- */

/* Damage is reported, and the walk goes on; other failures end it. */
static kdk_status soften(struct check *check, kdk_status status, struct err *err)
{
    if (status != KDK_CORRUPT)
        return status;
    check_problem(check, "%s", err ? err->message : "damaged");
    if (err)
        err_clear(err);
    return KDK_OK;
}

static kdk_status check_tree(struct check *check, const struct btree_root *root,
                             struct page_set *pages, struct err *err)
{
    return soften(check, btree_check(check->disk->file, root, pages, NULL, err), err);
}

/* E1: the fences are the first entries of their strips, and all entries ascend. Counts
 * them. */
static kdk_status check_sequence(struct check *check, const struct index_source *source,
                                 uint64_t *rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor cursor;
    struct buf last = {0};
    const uint32_t id = source->index->def.id;
    uint64_t strips = 0;
    *rows = 0;
    entries_init(&cursor, source);
    cursor.raw = true;
    TRY(entries_first(&cursor, err));
    for (; cursor.valid; ++*rows) {
        const bool first = cursor.position == 0;
        strips += first;
        if (first && btree_compare(cursor.at.key, cursor.at.key_bytes, cursor.key,
                                   cursor.key_bytes) != 0)
            check_problem(check,
                          "index %u: the fence of the strip that begins with row %llu is "
                          "not its first key",
                          id, (unsigned long long)cursor.strip.entry->first);
        if (last.len &&
            btree_compare(last.data, last.len, cursor.key, cursor.key_bytes) >= 0)
            check_problem(
                check,
                "index %u: row %u of the strip that begins with row %llu is out of order",
                id, cursor.position, (unsigned long long)cursor.strip.entry->first);
        buf_clear(&last);
        buf_add(&last, cursor.key, cursor.key_bytes);
        TRY(buf_status(&last, err));
        TRY(entries_next(&cursor, err));
    }
    if (strips != source->root->count)
        check_problem(check, "index %u has %llu fences for %llu strips", id,
                      (unsigned long long)source->root->count, (unsigned long long)strips);
out:
    entries_deinit(&cursor);
    buf_deinit(&last);
    return status;
}

/* The entries of an index are exactly the keys of the generation's rows (D4, E2): each
 * row's is there once, and there are as many as rows. */
static kdk_status check_generation_index(struct check *check, struct table *table,
                                         struct gtable *gtable, const struct gindex *below,
                                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_file *file = check->disk->file;
    struct buf key = {0};
    struct row_walk walk = {0};
    uint64_t rows = 0, sequence = 0;
    struct index_source source = {.file = file,
                                  .root = &below->fences,
                                  .fences = true,
                                  .generation = txn_generation(check->txn)};
    struct entry_cursor cursor = {0};
    struct btree_cursor gone;
    rowid id;
    bool has_null, in_tree, is_gone;
    uint8_t number[8];
    btree_cursor_init(&gone, file, &below->gone);
    struct index *index = source.index = index_seen(check, table, below->id);
    if (!index)
        goto out;
    TRY(row_walk_open(&walk, check->txn, table, true, err));
    TRY(check_sequence(check, &source, &sequence, err));
    entries_init(&cursor, &source);
    cursor.raw = true;
    for (;;) {
        TRY(row_walk_next(&walk, &id, err));
        if (!id)
            break;
        rows++;
        TRY(index_key(index, &walk.image, &key, &has_null, err));
        put_be64(number, id);
        buf_add(&key, number, 8);
        TRY(buf_status(&key, err));
        TRY(btree_get(file, &below->root, key.data, key.len, NULL, &in_tree, err));
        TRY(btree_get(file, &below->gone, key.data, key.len, NULL, &is_gone, err));
        TRY(entries_seek(&cursor, key.data, key.len, err));
        const bool in_strip = cursor.valid && btree_compare(cursor.key, cursor.key_bytes,
                                                            key.data, key.len) == 0;
        if (!in_tree && (!in_strip || is_gone))
            check_problem(check, "index %u lacks row %llu of table %u on disk", below->id,
                          (unsigned long long)id, table->id);
        if (in_tree && in_strip)
            check_problem(check, "index %u has row %llu of table %u twice on disk",
                          below->id, (unsigned long long)id, table->id);
    }
    TRY(btree_cursor_first(&gone, err));
    while (gone.valid) {
        TRY(entries_seek(&cursor, gone.key, gone.key_bytes, err));
        if (!cursor.valid ||
            btree_compare(cursor.key, cursor.key_bytes, gone.key, gone.key_bytes) != 0)
            check_problem(check, "index %u: an entry is gone that no strip has", below->id);
        TRY(btree_cursor_next(&gone, err));
    }
    if (rows != below->root.count + sequence - below->gone.count || rows != gtable->count)
        check_problem(check,
                      "table %u has %llu rows on disk, should have %llu; index %u has %llu "
                      "entries in a tree, and in strips %llu, of which %llu hold no longer",
                      table->id, (unsigned long long)rows,
                      (unsigned long long)gtable->count, below->id,
                      (unsigned long long)below->root.count, (unsigned long long)sequence,
                      (unsigned long long)below->gone.count);
out:
    row_walk_close(&walk);
    entries_deinit(&cursor);
    btree_cursor_deinit(&gone);
    buf_deinit(&key);
    return status;
}

/* Strips and row tree: ids ascend, records are readable, files are as the directory
 * says. */
static kdk_status check_strips(struct check *check, struct gtable *gtable, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = check->disk;
    struct directory *directory;
    uint64_t last = 0;
    status = gtable_directory(disk, txn_generation(check->txn), gtable, &directory, err);
    TRY(soften(check, status, err));
    if (!directory)
        return KDK_OK;
    for (uint32_t i = 0, next; i < directory->count; i = next) {
        struct strip_entry *const *entries = directory->entries + i;
        uint64_t problems = 0;
        for (next = i;
             next < directory->count && directory->entries[next]->file == entries[0]->file;
             next++) {
            const struct strip_entry *one = directory->entries[next];
            if (one->first <= last || one->last < one->first)
                check_problem(check, "strip %u of file %llu holds rows out of order",
                              one->strip, (unsigned long long)one->file);
            last = one->last;
        }
        if (entries[0]->file >=
            atomic_load_explicit(&disk->next_file, memory_order_acquire))
            check_problem(check, "file %llu is above the counter",
                          (unsigned long long)entries[0]->file);
        status = block_check(disk->os, disk->blocks, entries[0]->file, entries, next - i,
                             check->report, check->context, &problems, err);
        if (status == KDK_UNDEFINED_FILE)
            status = KDK_CORRUPT;
        TRY(soften(check, status, err));
        check->problems += problems;
    }
out:
    return status;
}

/* E3: the runs of an index have, or stand for, as many entries as there are rows. */
static kdk_status check_load_entries(struct check *check, struct table *table,
                                     struct load *load, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t k = 0; k < load->run_count; k++) {
        const uint32_t id = load->runs[k].index;
        uint64_t entries = 0, sequence;
        for (uint32_t i = 0; i < load->run_count; i++) {
            const struct load_run *run = &load->runs[i];
            struct index_source source = {.file = run_file(run->run),
                                          .root = run_root(run->run),
                                          .load = load,
                                          .fences = true,
                                          .generation = txn_generation(check->txn),
                                          .index = index_seen(check, table, id)};
            if (run->index != id)
                continue;
            if (!run->fences) {
                entries += source.root->count;
                continue;
            }
            if (!source.index)
                break;
            TRY(check_sequence(check, &source, &sequence, err));
            entries += sequence;
        }
        if (entries != load->rows && index_seen(check, table, id))
            check_problem(check, "index %u has %llu entries for %llu rows that were loaded",
                          id, (unsigned long long)entries, (unsigned long long)load->rows);
    }
out:
    return status;
}

/* Loads that no generation has yet: their files and runs. Who checks holds the disk. */
static kdk_status check_loads(struct check *check, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = check->disk;
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++) {
        struct load *load = set_load(set, i);
        if (!load || !load_counts(load, load_reader_of(check->txn)))
            continue;
        for (uint32_t k = 0, next; k < load->strip_count; k = next) {
            uint64_t problems = 0;
            for (next = k; next < load->strip_count &&
                           load->strips[next]->file == load->strips[k]->file;
                 next++)
                ;
            status =
                block_check(disk->os, disk->blocks, load->strips[k]->file, load->strips + k,
                            next - k, check->report, check->context, &problems, err);
            if (status == KDK_UNDEFINED_FILE)
                status = KDK_CORRUPT;
            TRY(soften(check, status, err));
            check->problems += problems;
        }
        for (uint32_t k = 0; k < load->run_count; k++)
            TRY(soften(check, run_check(load->runs[k].run, NULL, err), err));
        TRY(soften(check, check_load_entries(check, table, load, err), err));
    }
out:
    return status;
}

static struct table *table_of(struct check *check, uint32_t id)
{
    for (size_t i = 0; i < check->count; i++)
        if (check->tables[i]->id == id)
            return check->tables[i];
    return NULL;
}

/* All that the newest generation names: every page once, and no other page is taken. */
static kdk_status check_generation(struct check *check, struct err *err)
{
    kdk_status status = KDK_OK;
    struct generation *generation = txn_generation(check->txn);
    struct btree_cursor cursor = {0};
    struct page_set pages = {0};
    uint8_t key[META_KEY_BYTES];
    const uint64_t before = check->problems;
    TRY(check_tree(check, &generation->manifest.meta, &pages, err));
    if (check->problems != before)
        goto out;
    btree_cursor_init(&cursor, check->disk->file, &generation->manifest.meta);
    meta_key(key, 1, 0, 0);
    for (;;) {
        struct gtable *gtable;
        TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
        if (!cursor.valid)
            break;
        const uint32_t id = __builtin_bswap32(get_u32(cursor.key));
        status = generation_table(check->disk, generation, id, &gtable, err);
        TRY(soften(check, status, err));
        if (gtable && !gtable->exists) {
            check_problem(check,
                          "the directory has strips of table %u, which does not exist", id);
        } else if (gtable) {
            const uint64_t so_far = check->problems;
            TRY(check_tree(check, &gtable->rows, &pages, err));
            for (uint32_t i = 0; i < gtable->index_count; i++) {
                TRY(check_tree(check, &gtable->indexes[i].root, &pages, err));
                TRY(check_tree(check, &gtable->indexes[i].fences, &pages, err));
                TRY(check_tree(check, &gtable->indexes[i].gone, &pages, err));
            }
            TRY(check_strips(check, gtable, err));
            struct table *table = table_of(check, id);
            /* Damage would only be found again. */
            for (uint32_t i = 0;
                 table && so_far == check->problems && i < gtable->index_count; i++)
                TRY(soften(
                    check,
                    check_generation_index(check, table, gtable, &gtable->indexes[i], err),
                    err));
        }
        if (id == UINT32_MAX)
            break;
        meta_key(key, id + 1, 0, 0);
    }
    if (check->problems == before)
        TRY(soften(check, pagestore_check(check->disk->pages, &pages, err), err));
out:
    btree_cursor_deinit(&cursor);
    page_set_deinit(&pages);
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
        if (index && !index_alive_at(index, check->txn->snapshot))
            index = NULL;
        txn_leave(check->txn->man);
        if (!more)
            break;
        /* What the snapshot may use stays while it lives; what came later it cannot
         * judge. */
        if (index &&
            atomic_load_explicit(&table->ddl_timestamp, memory_order_acquire) <=
                check->txn->snapshot &&
            !atomic_load_explicit(&table->ddl_owner, memory_order_acquire))
            TRY(soften(check, check_index(check, index, err), err));
    }
out:
    return status;
}

kdk_status store_check(struct store *store, void (*report)(void *context, const char *line),
                       void *context, uint64_t *problems, struct err *err)
{
    kdk_status status = KDK_OK;
    struct check check = {.report = report, .context = context, .disk = store->disk};
    struct table **tables = NULL;
    size_t count = 0, k = 0;
    /* No checkpoint meanwhile: the newest generation is what is compared with the pages
     * that are taken. */
    if (store->disk)
        disk_acquire(store->disk);
    TRY(txn_begin(store->man, TXN_SNAPSHOT, true, &check.txn, err));
    txn_statement_begin(check.txn);
    latch_acquire(&store->latch);
    for (struct table *table = store->tables; table; table = table->next)
        count++;
    tables = MEM_ARRAY(struct table *, MAX(count, 1));
    for (struct table *table = tables ? store->tables : NULL; table; table = table->next) {
        if (atomic_load_explicit(&table->dropped, memory_order_acquire))
            continue;
        table_ref(table);
        tables[k++] = table;
    }
    latch_release(&store->latch);
    TRY_MEM(tables);
    check.tables = tables;
    check.count = k;
    if (store->disk)
        TRY(check_generation(&check, err));
    for (size_t i = 0; store->disk && i < k; i++)
        TRY(check_loads(&check, tables[i], err));
    for (size_t i = 0; i < k && !check.problems; i++)
        TRY(check_table(&check, tables[i], err));
out:
    txn_rollback(check.txn);
    if (store->disk)
        disk_release(store->disk);
    while (k > 0)
        table_unref(tables[--k]);
    mem_free(tables);
    *problems = check.problems;
    return status;
}
