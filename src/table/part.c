/* part.c - what a transaction did to a table: registering, stamping, rolling back, tidying
 * up, freeing.
 *
 * A part holds the undo of the rows changed, the ids inserted, the index entries that came
 * and those that ended. From it a commit stamps, a roll-back restores, and the log is
 * written.
 */
#include "table/load.h"

#include "base/mem.h"

kdk_status conflict_set(struct txn *txn, uint64_t timestamp, uint64_t number,
                        struct err *err)
{
    txn->conflict = (struct txn_conflict){timestamp, number};
    txn->failed = true;
    return err_set(err, KDK_SERIALIZATION,
                   "could not serialize access due to concurrent update");
}

/* Counts the part among the table's writers, or finds that its definition changes. Both
 * sides announce themselves by a sequentially consistent read-modify-write before they look
 * at the other's word, so at least one of the two sees the other (T7). */
static kdk_status writer_enter(struct txn *txn, struct table *table, struct err *err)
{
    atomic_store_explicit(&table->last_writer, txn->number, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->writers, 1, memory_order_seq_cst);
    uint64_t owner = atomic_load_explicit(&table->ddl_owner, memory_order_seq_cst);
    uint64_t timestamp = atomic_load_explicit(&table->ddl_timestamp, memory_order_acquire);
    if (!owner && timestamp <= txn->snapshot)
        return KDK_OK;
    atomic_fetch_sub_explicit(&table->writers, 1, memory_order_seq_cst);
    return conflict_set(txn, owner ? 0 : timestamp, owner, err);
}

kdk_status part_get(struct txn *txn, struct table *table, struct part **out,
                    struct err *err)
{
    if (KDK_LIKELY(txn->parts && txn->parts->key == table)) {
        *out = (struct part *)txn->parts;
        return KDK_OK;
    }
    struct part *part = (struct part *)txn_part_find(txn, table);
    if (part) {
        *out = part;
        return KDK_OK;
    }
    ASSERT(txn->has_snapshot);
    const char *why = txnman_read_only(txn->man);
    if (txn->read_only)
        return err_set(err, KDK_READ_ONLY, "cannot change data in a read-only transaction");
    if (why)
        return err_set(err, KDK_READ_ONLY, "the database is read-only: %s", why);
    part = MEM_NEW(struct part);
    if (!part)
        return err_nomem(err);
    kdk_status status = writer_enter(txn, table, err);
    if (status != KDK_OK) {
        mem_free(part);
        return status;
    }
    part->part.ops = &table_part_ops;
    part->part.key = table;
    part->table = table;
    part->number = txn->number;
    part->ranges = part->first_ranges;
    part->range_cap = COUNT_OF(part->first_ranges);
    table_ref(table);
    txn_part_add(txn, &part->part);
    *out = part;
    return KDK_OK;
}

/* -------------------------------------------------------------------- stamp ---- */

static kdk_status part_check(struct txn_part *base, struct txn *txn, struct err *err)
{
    return part_check_unique((struct part *)base, txn, err);
}

/* Ids of a range whose slots still hold this transaction's record; group by group. */
typedef void (*inserted_fn)(struct part *part, struct group *group, _Atomic uintptr_t *slot,
                            rowid id, uint64_t timestamp);
static void each_inserted(struct part *part, inserted_fn each,
                          void (*after)(struct group *group, uint32_t rows),
                          void (*before)(struct group *group, uint64_t timestamp),
                          uint64_t timestamp)
{
    for (uint32_t r = 0; r < part->range_count; r++) {
        rowid id = part->ranges[r].first, end = id + part->ranges[r].count;
        while (id < end) {
            struct group *group = rowmap_group(part->table, id);
            uint32_t rows = 0;
            if (before)
                before(group, timestamp);
            for (; id < end && id < group->first + GROUP_ROWS; id++, rows++)
                each(part, group, group_slot(group, id), id, timestamp);
            if (after)
                after(group, rows);
        }
    }
}

static void insert_stamp(struct part *part, struct group *group, _Atomic uintptr_t *slot,
                         rowid id, uint64_t timestamp)
{
    (void)part;
    (void)group;
    (void)id;
    struct record *record = slot_record(slot);
    atomic_store_explicit(&record->header, timestamp, memory_order_release);
}

static void insert_leave(struct group *group, uint32_t rows)
{
    atomic_fetch_sub_explicit(&group->state, rows, memory_order_acq_rel);
}

static void part_leave(struct part *part)
{
    atomic_fetch_sub_explicit(&part->table->writers, 1, memory_order_seq_cst);
}

static void part_stamp(struct txn_part *base, uint64_t timestamp)
{
    struct part *part = (struct part *)base;
    struct table *table = part->table;
    /* Groups first, all of them, then headers (T3). */
    for (struct undo *undo = part->undo; undo; undo = undo->txn_next)
        group_raise(rowmap_group(table, undo->id), timestamp);
    each_inserted(part, insert_stamp, insert_leave, group_raise, timestamp);
    for (struct undo *undo = part->undo; undo; undo = undo->txn_next) {
        /* A row changed by several commands is stamped several times: the same word. */
        atomic_store_explicit(&undo->record->header, timestamp, memory_order_release);
        if (undo->counted)
            group_leave(rowmap_group(table, undo->id));
    }
    for (struct entry *entry = part->plus; entry;) {
        struct entry *next = entry->next;
        entry->next = NULL; /* From here on of the list of the dead, one day. */
        atomic_store_explicit(&entry->stamp, timestamp, memory_order_release);
        entry = next;
    }
    part->plus = NULL;
    if (part->loader)
        load_stamp(part->loader, timestamp);
    for (struct entry *entry = part->minus; entry; entry = entry->next)
        atomic_store_explicit(&entry->stamp, timestamp, memory_order_release);
    atomic_fetch_add_explicit(&table->live, part->delta, memory_order_relaxed);
    uint64_t had = atomic_load_explicit(&table->youngest, memory_order_relaxed);
    while (had < timestamp && !atomic_compare_exchange_weak_explicit(
                                  &table->youngest, &had, timestamp, memory_order_acq_rel,
                                  memory_order_relaxed))
        ;
    part_ddl_stamp(part, timestamp);
    part_leave(part);
}

/* ----------------------------------------------------------------- rollback ---- */

static void undo_restore(struct part *part, struct undo *undo)
{
    struct table *table = part->table;
    struct record *record = undo->record;
    if (undo->kind == UNDO_MOVED) {
        struct group *group = rowmap_group(table, undo->id);
        atomic_store_explicit(group_slot(group, undo->id), (uintptr_t)undo->moved,
                              memory_order_release);
        return;
    }
    uint64_t header = atomic_load_explicit(&record->header, memory_order_relaxed);
    atomic_exchange_explicit(&record->header, header | TXN_LOCKED, memory_order_acq_rel);
    for (uint32_t k = 0; k < undo->word_count; k++)
        atomic_store_explicit(&record->words[undo->word[k]], undo->old[k],
                              memory_order_release);
    atomic_store_explicit(&record->undo,
                          atomic_load_explicit(&undo->next, memory_order_relaxed),
                          memory_order_release);
    uint64_t meta = atomic_load_explicit(&record->meta, memory_order_relaxed);
    uint32_t flags = META_FLAGS(undo->meta_before) | (META_FLAGS(meta) & RECORD_KEYED);
    atomic_store_explicit(&record->meta,
                          META(META_LAYOUT(meta), flags, META_RESTORES(meta) + 1),
                          memory_order_release);
    atomic_store_explicit(&record->header, undo->before, memory_order_release);
    if (undo->counted)
        group_leave(rowmap_group(table, undo->id));
}

static void insert_rollback(struct part *part, struct group *group, _Atomic uintptr_t *slot,
                            rowid id, uint64_t timestamp)
{
    (void)part;
    (void)group;
    (void)id;
    (void)timestamp;
    atomic_fetch_or_explicit(slot, 1, memory_order_acq_rel);
}

static void part_rollback(struct txn_part *base)
{
    struct part *part = (struct part *)base;
    part->aborted = true;
    for (struct undo *undo = part->undo; undo; undo = undo->txn_next)
        undo_restore(part, undo);
    each_inserted(part, insert_rollback, insert_leave, NULL, 0);
    txn_enter(part->table->store->man);
    for (struct entry *entry = part->plus; entry; entry = entry->next)
        memtree_remove(entry->index->tree, &entry->item);
    txn_leave(part->table->store->man);
    if (part->loader)
        load_rollback(part->loader);
    part_ddl_rollback(part);
    part_leave(part);
}

/* ----------------------------------------------------------- tidy up, free ---- */

static void part_tidy(struct txn_part *base)
{
    struct part *part = (struct part *)base;
    struct table *table = part->table;
    part_tidy_entries(part);
    /* Deleted rows leave their slots; nobody can see a version of them. With a disk they
     * hide what is below, until they are evicted. */
    for (struct undo *undo = part->undo; undo; undo = undo->txn_next)
        if (undo->kind == UNDO_DELETE && !table->store->disk)
            atomic_store_explicit(group_slot(rowmap_group(table, undo->id), undo->id), 0,
                                  memory_order_release);
}

static void entries_free(struct entry *entry)
{
    while (entry) {
        struct entry *next = entry->next;
        mem_free(entry);
        entry = next;
    }
}

static void insert_free(struct part *part, struct group *group, _Atomic uintptr_t *slot,
                        rowid id, uint64_t timestamp)
{
    (void)group;
    (void)timestamp;
    struct record *record =
        (struct record *)(atomic_load_explicit(slot, memory_order_acquire) & ~(uintptr_t)1);
    atomic_store_explicit(slot, 0, memory_order_release);
    record_free_strings(part->table, record);
    rowmap_release(part->table, id, record, true);
}

static void undo_free(struct part *part, struct undo *undo)
{
    for (uint32_t k = 0; k < undo->swap_count; k++)
        mem_free(part->aborted ? undo->swaps[k].fresh : undo->swaps[k].old);
    if (undo->kind == UNDO_MOVED)
        rowmap_release(part->table, undo->id, part->aborted ? undo->record : undo->moved,
                       false);
    if (undo->kind == UNDO_DELETE && !part->aborted && !part->table->store->disk) {
        record_free_strings(part->table, undo->record);
        rowmap_release(part->table, undo->id, undo->record, true);
    }
    mem_free(undo);
}

static void part_free(struct txn_part *base)
{
    struct part *part = (struct part *)base;
    /* A record that was moved or deleted is released by one undo, while an older one may
     * still name it: that one only frees strings. */
    while (part->undo) {
        struct undo *undo = part->undo;
        part->undo = undo->txn_next;
        undo_free(part, undo);
    }
    if (part->aborted) {
        each_inserted(part, insert_free, NULL, NULL, 0);
        entries_free(part->plus);
    }
    entries_free(part->minus);
    entries_free(part->dead);
    loader_free(part->loader);
    arena_deinit(&part->markers);
    if (part->ranges != part->first_ranges)
        mem_free(part->ranges);
    part_ddl_free(part);
    buf_deinit(&part->key);
    buf_deinit(&part->key2);
    table_unref(part->table);
    mem_free(part);
}

const struct txn_part_ops table_part_ops = {part_check, part_stamp, part_rollback,
                                            part_tidy, part_free};
