/* evict.c - records and index entries leave memory once every generation in use has them.
 *
 * A record whose version is not newer than the floor is what all readers see, and each
 * finds it in its generation (D1). It is locked as a writer would, taken out of its slot,
 * and unlocked: who still holds it reads a right version, and a writer who locks it then
 * finds that the slot has changed. Its undo is never followed (T2). It is freed when the
 * snapshots that live now have ended, since they may hold its strings.
 *
 * A sub-page that is empty is closed by putting 1 in each slot, which readers take for
 * empty, and who loads a record for a wait to be undone or finished. No insert wants it:
 * its ids were all given out, and afterwards the table had a moment without writers.
 */
#include "table/load.h"

#include "base/mem.h"

#define BATCH 256u

struct evicted {
    struct txn_garbage garbage;
    struct table *table;
    struct entry *entries; /* Linked by `next`. */
    uint32_t count;
    struct {
        rowid id;
        struct record *record;
    } records[BATCH];
};

static void evicted_free(struct txn_garbage *garbage)
{
    struct evicted *evicted =
        (struct evicted *)((uintptr_t)garbage - offsetof(struct evicted, garbage));
    for (uint32_t i = 0; i < evicted->count; i++) {
        record_free_strings(evicted->table, evicted->records[i].record);
        rowmap_release(evicted->table, evicted->records[i].id, evicted->records[i].record,
                       false);
    }
    while (evicted->entries) {
        struct entry *next = evicted->entries->next;
        mem_free(evicted->entries);
        evicted->entries = next;
    }
    table_unref(evicted->table);
    mem_free(evicted);
}

static struct evicted *evicted_new(struct table *table)
{
    struct evicted *evicted = MEM_NEW(struct evicted);
    if (evicted) {
        evicted->garbage.free = evicted_free;
        evicted->table = table;
        table_ref(table);
    }
    return evicted;
}

static void evicted_retire(struct evicted *evicted)
{
    struct txnman *man = evicted->table->store->man;
    txn_retire_at(man, &evicted->garbage, txnman_published(man) + 1);
}

/* Inside a guard. */
static bool record_evict(struct record *record, _Atomic uintptr_t *slot, uint64_t floor)
{
    uint64_t header = atomic_load_explicit(&record->header, memory_order_acquire);
    if (header & (TXN_UNCOMMITTED | TXN_LOCKED) || header > floor ||
        !atomic_compare_exchange_strong_explicit(&record->header, &header,
                                                 header | TXN_LOCKED, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    uintptr_t word = (uintptr_t)record;
    const bool mine = atomic_compare_exchange_strong_explicit(
        slot, &word, 0, memory_order_acq_rel, memory_order_relaxed);
    atomic_store_explicit(&record->header, header, memory_order_release);
    return mine;
}

static void records_evict(struct table *table, uint64_t floor)
{
    struct txnman *man = table->store->man;
    const rowid end = atomic_load_explicit(&table->next_id, memory_order_acquire);
    struct evicted *evicted = NULL;
    for (rowid id = 0; id < end;) {
        if (!evicted && !(evicted = evicted_new(table)))
            return; /* Next time. */
        /* A sub-page at a time: guards are short. */
        txn_enter(man);
        id = rowmap_next(table, id, end);
        const rowid stop = MIN(end, (id / SUBPAGE_ROWS + 1) * SUBPAGE_ROWS);
        for (; id < stop && evicted->count < BATCH; id++) {
            struct group *group = rowmap_group(table, id);
            _Atomic uintptr_t *slot = group ? group_slot(group, id) : NULL;
            struct record *record = slot_record(slot);
            if (record && record_evict(record, slot, floor)) {
                evicted->records[evicted->count].id = id;
                evicted->records[evicted->count++].record = record;
            }
        }
        txn_leave(man);
        if (evicted->count == BATCH) {
            evicted_retire(evicted);
            evicted = NULL;
        }
    }
    if (evicted && evicted->count)
        evicted_retire(evicted);
    else if (evicted)
        evicted_free(&evicted->garbage);
}

static void subpage_garbage(struct txn_garbage *garbage)
{
    mem_free((struct subpage *)((uintptr_t)garbage - offsetof(struct subpage, garbage)));
}

/* Closes and unlinks an empty sub-page. Inside a guard. */
static void subpage_close(struct table *table, _Atomic(struct subpage *) *at)
{
    struct subpage *sub = atomic_load_explicit(at, memory_order_acquire);
    uint32_t closed = 0;
    if (!sub)
        return;
    for (uint32_t q = 0; q < COUNT_OF(sub->slabs); q++)
        if (atomic_load_explicit(&sub->slabs[q], memory_order_acquire))
            return;
    for (; closed < SUBPAGE_ROWS; closed++) {
        uintptr_t empty = 0;
        if (!atomic_compare_exchange_strong_explicit(
                &sub->slots[closed], &empty, 1, memory_order_acq_rel, memory_order_relaxed))
            break;
    }
    if (closed < SUBPAGE_ROWS) {
        while (closed)
            atomic_store_explicit(&sub->slots[--closed], 0, memory_order_release);
        return;
    }
    atomic_store_explicit(at, NULL, memory_order_release);
    sub->garbage.free = subpage_garbage;
    txn_retire(table->store->man, &sub->garbage);
}

static void subpages_close(struct table *table)
{
    struct txnman *man = table->store->man;
    /* What was given out before, ... */
    const rowid end = atomic_load_explicit(&table->next_id, memory_order_seq_cst);
    /* ... nobody is about to insert any more. */
    if (atomic_load_explicit(&table->writers, memory_order_seq_cst))
        return;
    for (rowid first = 0; first < end; first += GROUP_ROWS) {
        txn_enter(man);
        struct group *group = rowmap_group(table, first);
        for (uint32_t s = 0;
             group && s < COUNT_OF(group->sub) && first + (s + 1) * SUBPAGE_ROWS <= end;
             s++)
            subpage_close(table, &group->sub[s]);
        txn_leave(man);
    }
}

static void entries_evict(struct index *index, uint64_t floor)
{
    struct txnman *man = index->table->store->man;
    const struct memtree_item *items[32];
    struct buf from = {0};
    uint64_t id = 0, seq = 0;
    for (uint32_t n = COUNT_OF(items); n == COUNT_OF(items);) {
        struct evicted *evicted = evicted_new(index->table);
        if (!evicted)
            break;
        txn_enter(man);
        const struct memtree_probe probe = {(const uint8_t *)(from.data ? from.data : ""),
                                            (uint32_t)from.len, false, id, seq};
        n = memtree_scan(index->tree, &probe, false, items, COUNT_OF(items));
        if (n) {
            id = items[n - 1]->id;
            seq = items[n - 1]->seq + 1;
            buf_clear(&from);
            buf_add(&from, items[n - 1]->key, items[n - 1]->bytes);
            if (buf_status(&from, NULL) != KDK_OK)
                n = 0;
        }
        for (uint32_t i = 0; i < n; i++) {
            struct entry *entry = entry_of(items[i]);
            const uint64_t stamp =
                atomic_load_explicit(&entry->stamp, memory_order_acquire);
            if (stamp & TXN_UNCOMMITTED || stamp > floor ||
                !memtree_remove(index->tree, items[i]))
                continue;
            entry->next = evicted->entries;
            evicted->entries = entry;
        }
        txn_leave(man);
        if (evicted->entries)
            txn_retire(man, &evicted->garbage);
        else
            evicted_free(&evicted->garbage);
    }
    buf_deinit(&from);
}

void store_evict(struct store *store, uint64_t floor)
{
    struct table **tables = NULL;
    uint32_t count = 0, cap = 0;
    latch_acquire(&store->latch);
    for (struct table *table = store->tables; table; table = table->next)
        cap++;
    tables = MEM_ARRAY(struct table *, MAX(cap, 1));
    for (struct table *table = tables ? store->tables : NULL; table; table = table->next) {
        table_ref(table);
        tables[count++] = table;
    }
    latch_release(&store->latch);
    for (uint32_t i = 0; i < count; i++) {
        records_evict(tables[i], floor);
        loads_evict(tables[i], floor);
        for (uint32_t k = 0;; k++) {
            struct index *index = NULL;
            txn_enter(store->man);
            struct index_set *set =
                atomic_load_explicit(&tables[i]->indexes, memory_order_acquire);
            const bool more = k < set->count;
            index = more ? set_index(set, k) : NULL;
            txn_leave(store->man);
            if (!more)
                break;
            /* Those made or dropped since stay as they are: the generation may not have
             * them. */
            if (index &&
                atomic_load_explicit(&index->created, memory_order_acquire) <= floor &&
                !atomic_load_explicit(&index->dropped, memory_order_acquire))
                entries_evict(index, floor);
        }
        subpages_close(tables[i]);
        table_unref(tables[i]);
    }
    mem_free(tables);
}
