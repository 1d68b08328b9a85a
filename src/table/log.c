/* log.c - what a transaction did, as a batch of the write-ahead log; row ids reserved
 * ahead.
 *
 * The batch is made from the parts when the transaction commits, before it takes its place:
 * the newest own version of each row it touched, whole if the row is new, else the columns
 * that its statements changed; and every index entry that came or ended, in the order in
 * which that happened, since an entry may come and go and come again. The own versions
 * cannot change any more, and nobody else changes them, so no latch is needed. What passes
 * WAL_PART_BYTES leaves ahead as a part.
 */
#include "table/load.h"

#include "base/mem.h"
#include "base/sabotage.h"
#include "wal/record.h"
#include "wal/wal.h"

struct encoding {
    struct store *store;
    struct wal_batch *batch;
    struct buf *out;
    struct image image;
    /* Room for the columns of a row. */
    struct datum *values;
    struct ltype *types;
    uint32_t *columns;
    uint64_t *touched; /* A bit for each. */
    uint32_t room;
    const struct entry **entries; /* Of an index change each. */
    size_t entry_room;
    bool only_removes; /* Makes room: may use the log's reserve. */
};

static kdk_status part_if_long(struct encoding *e, struct err *err)
{
    return wal_batch_bytes(e->batch) > WAL_PART_BYTES ? wal_part(e->batch, err) : KDK_OK;
}

static kdk_status columns_room(struct encoding *e, uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    if (count <= e->room)
        goto out;
    mem_free(e->values);
    mem_free(e->types);
    mem_free(e->columns);
    mem_free(e->touched);
    e->room = 0;
    e->types = NULL;
    e->columns = NULL;
    e->touched = NULL;
    TRY_MEM(e->values = MEM_ARRAY(struct datum, count));
    TRY_MEM(e->types = MEM_ARRAY(struct ltype, count));
    TRY_MEM(e->columns = MEM_ARRAY(uint32_t, count));
    TRY_MEM(e->touched = MEM_ARRAY(uint64_t, bits_words(count)));
    e->room = count;
out:
    return status;
}

/* A copy of the newest version, which is the transaction's own. */
static kdk_status newest_copy(struct encoding *e, struct table *table, rowid id,
                              struct record **record, struct err *err)
{
    kdk_status status = KDK_OK;
    txn_enter(e->store->man);
    *record = rowmap_get(table, id);
    if (*record)
        status = record_copy(table, *record, &e->image, err);
    txn_leave(e->store->man);
    return status;
}

static kdk_status encode_inserted(struct encoding *e, struct table *table, rowid id,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct record *record;
    TRY(newest_copy(e, table, id, &record, err));
    if (!record || META_FLAGS(e->image.meta) & RECORD_DELETED)
        goto out; /* It came and went. */
    const struct layout *layout = e->image.layout;
    TRY(columns_room(e, layout->count, err));
    for (uint32_t c = 0; c < layout->count; c++) {
        e->values[c] = field_get(&layout->fields[c], c, e->image.words);
        e->types[c] = layout->fields[c].type;
    }
    record_add_row(e->out, table->id, id, NULL, e->types, e->values, layout->count);
    e->only_removes = false;
    TRY(part_if_long(e, err));
out:
    return status;
}

/* Marks what the transaction changed in the row, from its newest undo to `first`, its
 * oldest. */
static void mark_touched(struct encoding *e, const struct record *record,
                         const struct undo *first)
{
    const struct undo *undo = atomic_load_explicit(&record->undo, memory_order_acquire);
    while (undo) {
        for (uint32_t k = 0; k < undo->column_count; k++)
            if (undo->columns[k] < e->room)
                bit_set(e->touched, undo->columns[k]);
        if (undo == first)
            return;
        undo = undo->kind == UNDO_MOVED
                   ? atomic_load_explicit(&undo->moved->undo, memory_order_acquire)
                   : atomic_load_explicit(&undo->next, memory_order_acquire);
    }
}

/* Replay makes a patch of this, if the row is below memory by then: it gets whole keys
 * (T8). */
static void mark_keys(struct encoding *e, struct table *table, uint32_t columns)
{
    bool more = true;
    txn_enter(e->store->man);
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < set->count; i++) {
            const struct index *index = set_index(set, i);
            bool concerned = false;
            /* One that was dropped is in the set as long as a snapshot has it; the change
             * was made without it. */
            if (index && atomic_load_explicit(&index->dropped, memory_order_acquire))
                continue;
            for (uint32_t k = 0; index && k < index->def.column_count; k++)
                concerned |= index->def.columns[k] < columns &&
                             bit_get(e->touched, index->def.columns[k]);
            for (uint32_t k = 0; concerned && k < index->def.column_count; k++) {
                if (index->def.columns[k] >= columns)
                    continue; /* Newer than the row's layout: not absent. */
                more |= !bit_get(e->touched, index->def.columns[k]);
                bit_set(e->touched, index->def.columns[k]);
            }
        }
    }
    txn_leave(e->store->man);
}

/* A row that was there before; `first` is the undo of the transaction's first change. */
static kdk_status encode_changed(struct encoding *e, struct table *table,
                                 const struct undo *first, struct err *err)
{
    kdk_status status = KDK_OK;
    struct record *record;
    TRY(newest_copy(e, table, first->id, &record, err));
    TRY_ASSERT(record != NULL);
    if (META_FLAGS(e->image.meta) & RECORD_DELETED) {
        record_add_delete(e->out, table->id, first->id);
        goto out;
    }
    const struct layout *layout = e->image.layout;
    TRY(columns_room(e, layout->count, err));
    memset(e->touched, 0, bits_words(e->room) * 8);
    mark_touched(e, record, first);
    mark_keys(e, table, layout->count);
    uint32_t count = 0;
    for (uint32_t c = 0; c < layout->count; c++) {
        if (!bit_get(e->touched, c))
            continue;
        TRY_ASSERT(!image_absent(&e->image, c));
        e->values[count] = field_get(&layout->fields[c], c, e->image.words);
        e->types[count] = layout->fields[c].type;
        e->columns[count++] = c;
    }
    record_add_row(e->out, table->id, first->id, e->columns, e->types, e->values, count);
    e->only_removes = false;
    TRY(part_if_long(e, err));
out:
    return status;
}

/* Both lists have the newest first; the log wants the oldest first. */
static kdk_status encode_entries(struct encoding *e, struct part *part, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t count = 0;
    for (const struct entry *entry = part->plus; entry; entry = entry->next)
        count++;
    for (const struct entry *entry = part->minus; entry; entry = entry->next)
        count++;
    if (count > e->entry_room) {
        mem_free(e->entries);
        e->entry_room = 0;
        TRY_MEM(e->entries = MEM_ARRAY(const struct entry *, count));
        e->entry_room = count;
    }
    const struct entry *plus = part->plus, *minus = part->minus;
    for (size_t k = count; k-- > 0;) {
        const struct entry **from =
            !minus || (plus && plus->item.seq > minus->item.seq) ? &plus : &minus;
        e->entries[k] = *from;
        *from = (*from)->next;
    }
    for (size_t k = 0; k < count; k++) {
        const struct entry *entry = e->entries[k];
        if ((sabotage & SABOTAGE_LOSE_INDEX_OP) && entry->item.id % 5 == 0)
            continue;
        record_add_index(e->out, entry->op == ENTRY_PLUS, part->table->id,
                         entry->index->def.id, entry->item.id, entry->item.key,
                         entry->item.bytes, entry->has_null);
        e->only_removes &= entry->op == ENTRY_MINUS;
        TRY(part_if_long(e, err));
    }
out:
    return status;
}

static kdk_status encode_part(struct encoding *e, struct part *part, struct err *err)
{
    kdk_status status = KDK_OK;
    if (part->dropping)
        goto out; /* What is in it goes with it. */
    for (uint32_t r = 0; r < part->range_count; r++)
        for (uint64_t i = 0; i < part->ranges[r].count; i++)
            TRY(encode_inserted(e, part->table, part->ranges[r].first + i, err));
    /* Only the first change of a row that was there before was counted in its group. */
    for (const struct undo *undo = part->undo; undo; undo = undo->txn_next)
        if (undo->counted)
            TRY(encode_changed(e, part->table, undo, err));
    if (part->loader) {
        TRY(load_encode(part->loader, e->batch, err));
        e->only_removes = false;
    }
    TRY(encode_entries(e, part, err));
out:
    return status;
}

static kdk_status log_encode(void *context, struct txn *txn, void **batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct store *store = context;
    struct encoding e = {.store = store, .only_removes = true};
    image_init(&e.image);
    *batch = NULL;
    if (!txn->parts)
        goto out;
    TRY(wal_batch_new(store->wal, WAL_COMMIT, &e.batch, err));
    e.out = wal_batch_records(e.batch);
    for (struct txn_part *part = txn->parts; part; part = part->next)
        TRY(encode_part(&e, (struct part *)part, err));
    /* Definitions changed: they name ids, which must not be given out again. */
    if (txn->hooks)
        record_add_object_ids(
            e.out, atomic_load_explicit(&store->next_id, memory_order_relaxed) - 1);
    if (wal_batch_bytes(e.batch) == 0 && !wal_batch_has_parts(e.batch))
        goto out;
    TRY(wal_reserve(e.batch, e.only_removes, err));
    *batch = e.batch;
    e.batch = NULL;
out:
    wal_batch_free(e.batch);
    image_deinit(&e.image);
    mem_free(e.values);
    mem_free(e.types);
    mem_free(e.columns);
    mem_free(e.touched);
    mem_free(e.entries);
    return status;
}

static kdk_status log_append(void *context, void *batch, uint64_t timestamp, uint64_t *lsn,
                             struct err *err)
{
    (void)context;
    return wal_append(batch, timestamp, lsn, err);
}

static kdk_status log_wait(void *context, uint64_t lsn, bool *withdrawn, struct err *err)
{
    struct store *store = context;
    return wal_wait_commit(store->wal, lsn, withdrawn, err);
}

static void log_discard(void *context, void *batch)
{
    (void)context;
    wal_batch_free(batch);
}

void store_set_log(struct store *store)
{
    const struct txn_log log = {store, log_encode, log_append, log_wait, log_discard};
    txnman_set_log(store->man, &log);
}

/* ------------------------------------------------------------------ row ids ---- */

/* Few for a small table, so that what a crash leaves out is in proportion. */
#define IDS_MIN 64u
#define IDS_MAX KDK_PICK(65536u, 128u)

/* Ids up to `last` are about to be used. Two who get here at once log it twice, which harms
 * nobody. The commit that uses them comes later in the log, so it need not be waited
 * for. */
kdk_status rowids_reserve(struct table *table, rowid last, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *batch = NULL;
    uint64_t lsn, high = last + MIN(MAX(last / 4, IDS_MIN), IDS_MAX);
    TRY(wal_batch_new(table->store->wal, WAL_AHEAD, &batch, err));
    record_add_row_ids(wal_batch_records(batch), table->id, high);
    TRY(wal_append_ahead(batch, &lsn, err));
    batch = NULL;
    uint64_t had = atomic_load_explicit(&table->ids_reserved, memory_order_relaxed);
    while (had < high && !atomic_compare_exchange_weak_explicit(&table->ids_reserved, &had,
                                                                high, memory_order_relaxed,
                                                                memory_order_relaxed))
        ;
out:
    wal_batch_free(batch);
    return status;
}
