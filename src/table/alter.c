/* alter.c - making, changing and dropping tables and indexes, inside transactions.
 *
 * A transaction that changes a definition owns the table: no other has writes in flight in
 * it, and none begins until it ends (T7). So layouts and the set of indexes are replaced at
 * once and put back on a roll-back; readers keep what their records and snapshots name.
 * What is dropped goes when no snapshot is older than the drop.
 */
#include "table/load.h"

#include "base/mem.h"

kdk_status ddl_begin(struct txn *txn, struct table *table, struct part **out,
                     struct err *err)
{
    const uint64_t writer = atomic_load_explicit(&table->last_writer, memory_order_relaxed);
    kdk_status status = part_get(txn, table, out, err);
    if (status != KDK_OK)
        return status;
    uint64_t owner = 0;
    if (!atomic_compare_exchange_strong_explicit(&table->ddl_owner, &owner, txn->number,
                                                 memory_order_seq_cst,
                                                 memory_order_seq_cst) &&
        owner != txn->number)
        return conflict_set(txn, 0, owner, err);
    /* The own part is one of the writers. */
    uint32_t writers = atomic_load_explicit(&table->writers, memory_order_seq_cst);
    uint64_t youngest = atomic_load_explicit(&table->youngest, memory_order_acquire);
    if (writers == 1 && youngest <= txn->snapshot)
        return KDK_OK;
    if (owner == 0)
        atomic_store_explicit(&table->ddl_owner, 0, memory_order_seq_cst);
    if (writers == 1)
        return conflict_set(txn, youngest, 0, err);
    return conflict_set(txn, 0, writer == txn->number ? 0 : writer, err);
}

/* ------------------------------------------------------------------ layouts ---- */

static bool has_bounds(const struct field *field)
{
    return field->kind >= FIELD_I8 && field->kind <= FIELD_I128 &&
           field->type.id != LT_BOOLEAN;
}

/* Gives the layout its number and its fields their bounds, and puts it where readers find
 * it by number. On failure it stays the caller's. */
kdk_status table_add_layout(struct table *table, struct layout *layout, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *newest = table_newest(table);
    struct layout_list *list = atomic_load_explicit(&table->layouts, memory_order_acquire);
    if (table->layout_count > 0xffff)
        TRY(err_set(err, KDK_LIMIT,
                    "a table's definition cannot be changed more than %u times", 0xffffu));
    for (uint32_t c = 0; c < layout->count; c++) {
        struct field *field = &layout->fields[c];
        if (!has_bounds(field))
            continue;
        if (newest && c < newest->count) {
            field->bounds = newest->fields[c].bounds;
            continue;
        }
        struct bounds *bounds;
        TRY_MEM(bounds = MEM_NEW(struct bounds));
        atomic_init(&bounds->lo, INT64_MAX);
        atomic_init(&bounds->hi, INT64_MIN);
        bounds->next = table->bounds;
        table->bounds = bounds;
        field->bounds = bounds;
    }
    layout->number = table->layout_count;
    if (!list || layout->number == list->cap) {
        uint32_t cap = list ? list->cap * 2 : 1;
        struct layout_list *bigger;
        TRY_MEM(bigger = mem_zalloc(sizeof *bigger + cap * sizeof bigger->layouts[0]));
        bigger->cap = cap;
        bigger->older = list;
        for (uint32_t i = 0; i < layout->number; i++)
            atomic_init(&bigger->layouts[i],
                        atomic_load_explicit(&list->layouts[i], memory_order_relaxed));
        atomic_store_explicit(&table->layouts, bigger, memory_order_release);
        list = bigger;
    }
    atomic_store_explicit(&list->layouts[layout->number], layout, memory_order_release);
    table->layout_count++;
    for (uint32_t c = newest ? newest->count : layout->count; c < layout->count; c++)
        bounds_widen(table, &layout->fields[c], &layout->fields[c].missing);
    atomic_store_explicit(&table->layout, layout, memory_order_release);
out:
    return status;
}

kdk_status table_alter(struct txn *txn, struct table *table, const struct tcolumn *columns,
                       uint32_t column_count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct part *part;
    struct layout *layout = NULL;
    TRY(ddl_begin(txn, table, &part, err));
    struct layout *before = table_newest(table);
    TRY_ASSERT(column_count >= before->count);
    for (uint32_t c = 0; c < before->count; c++)
        TRY_ASSERT(columns[c].dropped ||
                   (!before->fields[c].dropped &&
                    ltype_equal(columns[c].type, before->fields[c].type)));
    TRY(layout_new(columns, column_count, &layout, err));
    /* The newest layout says what rows lack, to others too, who have a dropped column as
     * long as this is not committed, or their snapshot is older. */
    for (uint32_t c = 0; c < before->count; c++)
        if (columns[c].dropped &&
            !datum_copy(&layout->arena, before->fields[c].type, before->fields[c].missing,
                        &layout->fields[c].missing))
            TRY(err_nomem(err));
    TRY(table_add_layout(table, layout, err));
    layout = NULL;
    if (!part->layout_before)
        part->layout_before = before;
out:
    layout_free(layout);
    return status;
}

/* ------------------------------------------------------------------- tables ---- */

static void table_free(struct table *table)
{
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    rowmap_free(table);
    table_dicts_free(table);
    loads_free(table);
    for (uint32_t i = 0; set && i < set->count; i++)
        index_free(set_index(set, i));
    mem_free(set);
    struct layout_list *list = atomic_load_explicit(&table->layouts, memory_order_acquire);
    for (uint32_t i = 0; list && i < table->layout_count; i++)
        layout_free(atomic_load_explicit(&list->layouts[i], memory_order_acquire));
    while (list) {
        struct layout_list *older = list->older;
        mem_free(list);
        list = older;
    }
    while (table->bounds) {
        struct bounds *next = table->bounds->next;
        mem_free(table->bounds);
        table->bounds = next;
    }
    mem_free(table);
}

void table_unref(struct table *table)
{
    if (atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) == 1)
        table_free(table);
}

static kdk_status table_new(struct store *store, uint32_t id, const struct tcolumn *columns,
                            uint32_t column_count, struct table **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct layout *layout = NULL;
    struct index_set *set = NULL;
    struct table *table = NULL;
    TRY_MEM(table = MEM_NEW(struct table));
    table->store = store;
    table->id = id;
    atomic_init(&table->refs, 1);
    atomic_init(&table->next_id, 1);
    atomic_init(&table->created, TXN_UNCOMMITTED);
    atomic_init(&table->next_seq, 1);
    TRY_MEM(set = MEM_NEW(struct index_set));
    atomic_init(&table->indexes, set);
    TRY(layout_new(columns, column_count, &layout, err));
    TRY(table_add_layout(table, layout, err));
    layout = NULL;
    latch_acquire(&store->latch);
    table->next = store->tables;
    table->link = &store->tables;
    if (table->next)
        table->next->link = &table->next;
    store->tables = table;
    latch_release(&store->latch);
    *out = table;
    table = NULL;
out:
    layout_free(layout);
    if (table)
        table_free(table);
    return status;
}

static void table_unlink(struct table *table)
{
    latch_acquire(&table->store->latch);
    *table->link = table->next;
    if (table->next)
        table->next->link = table->link;
    latch_release(&table->store->latch);
}

kdk_status table_create(struct txn *txn, struct store *store, uint32_t id,
                        const struct tcolumn *columns, uint32_t column_count,
                        struct table **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct part *part;
    struct table *table = NULL;
    TRY(table_new(store, id, columns, column_count, &table, err));
    TRY(ddl_begin(txn, table, &part, err));
    part->created = true;
    *out = table;
    table = NULL;
out:
    if (table) {
        table_unlink(table);
        table_unref(table);
    }
    return status;
}

/* What the newest generation has of it. */
static kdk_status table_below(struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = table->store->disk;
    struct gtable *below;
    atomic_store_explicit(&table->created, 0, memory_order_relaxed);
    if (!disk)
        return KDK_OK;
    TRY(generation_table(disk, disk->newest, table->id, &below, err));
    if (!below->exists)
        goto out;
    atomic_store_explicit(&table->next_id, below->next_id, memory_order_relaxed);
    atomic_store_explicit(&table->ids_reserved, below->next_id - 1, memory_order_relaxed);
    atomic_store_explicit(&table->live, (int64_t)below->count, memory_order_relaxed);
    const struct layout *layout = table_newest(table);
    for (uint32_t c = 0; c < MIN(layout->count, below->column_count); c++) {
        struct bounds *bounds = layout->fields[c].bounds;
        const struct gbounds *stored = &below->bounds[c];
        if (!bounds)
            continue;
        if (!stored->known)
            atomic_store_explicit(&bounds->unknown, 1, memory_order_relaxed);
        else if (stored->lo <= stored->hi) {
            const bool any = atomic_load_explicit(&bounds->lo, memory_order_relaxed) <=
                             atomic_load_explicit(&bounds->hi, memory_order_relaxed);
            const int64_t lo = atomic_load_explicit(&bounds->lo, memory_order_relaxed);
            const int64_t hi = atomic_load_explicit(&bounds->hi, memory_order_relaxed);
            atomic_store_explicit(&bounds->lo, any ? MIN(lo, stored->lo) : stored->lo,
                                  memory_order_relaxed);
            atomic_store_explicit(&bounds->hi, any ? MAX(hi, stored->hi) : stored->hi,
                                  memory_order_relaxed);
        }
    }
out:
    return status;
}

kdk_status table_attach(struct store *store, uint32_t id, const struct tcolumn *columns,
                        uint32_t column_count, struct table **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = NULL;
    TRY(table_new(store, id, columns, column_count, &table, err));
    TRY(table_below(table, err));
    TRY(recover_table(table, err));
    *out = table;
    table = NULL;
out:
    if (table) {
        table_unlink(table);
        table_unref(table);
    }
    return status;
}

kdk_status table_drop(struct txn *txn, struct table *table, struct err *err)
{
    struct part *part;
    kdk_status status = ddl_begin(txn, table, &part, err);
    if (status == KDK_OK)
        part->dropping = true;
    return status;
}

static void table_garbage(struct txn_garbage *garbage)
{
    struct table *table =
        (struct table *)((uintptr_t)garbage - offsetof(struct table, garbage));
    table_unlink(table);
    table_unref(table);
}

/* ------------------------------------------------------------------ indexes ---- */

static kdk_status set_add(struct table *table, struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_set *fresh = NULL;
    latch_acquire(&table->store->latch);
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    TRY_MEM(fresh = mem_zalloc(sizeof *fresh + (set->count + 1) * sizeof fresh->index[0]));
    for (uint32_t i = 0; i < set->count; i++) {
        struct index *one = set_index(set, i);
        if (one)
            atomic_init(&fresh->index[fresh->count++], one);
    }
    atomic_init(&fresh->index[fresh->count++], index);
    set->garbage.free = (void (*)(struct txn_garbage *))mem_free;
    atomic_store_explicit(&table->indexes, fresh, memory_order_release);
    txn_retire(table->store->man, &set->garbage);
out:
    latch_release(&table->store->latch);
    return status;
}

static void set_remove(struct table *table, struct index *index)
{
    latch_acquire(&table->store->latch);
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    for (uint32_t i = 0; i < set->count; i++)
        if (set_index(set, i) == index)
            atomic_store_explicit(&set->index[i], NULL, memory_order_release);
    latch_release(&table->store->latch);
}

static struct index *index_of_garbage(struct txn_garbage *garbage)
{
    return (struct index *)((uintptr_t)garbage - offsetof(struct index, garbage));
}

static void index_garbage(struct txn_garbage *garbage)
{
    struct index *index = index_of_garbage(garbage);
    struct table *table = index->table;
    index_free(index);
    table_unref(table);
}

/* No snapshot uses it: out of the set; freed when no guard is left. */
static void index_unlink(struct txn_garbage *garbage)
{
    struct index *index = index_of_garbage(garbage);
    set_remove(index->table, index);
    index->garbage.free = index_garbage;
    txn_retire(index->table->store->man, &index->garbage);
}

/* A patch that has some of the new index's columns gets the others, as a change of the row
 * that changes nothing (T8). */
static kdk_status patch_key_whole(struct txn *txn, struct table *table, rowid id,
                                  const struct tindex *def, const struct image *whole,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct image image;
    uint32_t columns[COUNT_OF(def->columns)], count = 0;
    struct datum values[COUNT_OF(def->columns)];
    bool changed;
    image_init(&image);
    txn_enter(txn->man);
    struct record *record = rowmap_get(table, id);
    if (record)
        status = record_copy(table, record, &image, err);
    txn_leave(txn->man);
    TRY(status);
    uint32_t different = 0;
    for (uint32_t k = 0; record && k < def->column_count; k++) {
        bool again = false;
        for (uint32_t i = 0; i < k; i++)
            again |= def->columns[i] == def->columns[k];
        different += !again;
        if (!again && image_absent(&image, def->columns[k])) {
            columns[count] = def->columns[k];
            values[count++] = image_get(table, whole, def->columns[k]);
        }
    }
    if (count && count < different)
        TRY(table_update(txn, table, id, columns, values, count, &changed, err));
out:
    image_deinit(&image);
    return status;
}

/* Entries for all rows that the transaction sees: it sees the newest version of each. */
static kdk_status index_fill(struct txn *txn, struct part *part, struct index *index,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct row_walk walk;
    struct entry *entry;
    bool has_null;
    rowid id;
    TRY(row_walk_open(&walk, txn, part->table, false, err));
    for (;;) {
        TRY(row_walk_next(&walk, &id, err));
        if (!id)
            break;
        if (walk.hot)
            TRY(patch_key_whole(txn, part->table, id, &index->def, &walk.image, err));
        TRY(index_key(index, &walk.image, &part->key, &has_null, err));
        TRY(entry_new(index, ENTRY_PLUS, id, &part->key, has_null, txn, &entry, err));
        entry->command =
            0; /* The statement's own check sees it, and the transaction's next statement. */
        txn_enter(txn->man);
        status = memtree_insert(index->tree, &entry->item, err);
        txn_leave(txn->man);
        if (status != KDK_OK) {
            mem_free(entry);
            goto out;
        }
        entry->next = part->plus;
        part->plus = entry;
    }
out:
    row_walk_close(&walk);
    return status;
}

static struct part_index *part_index_find(struct part *part, struct index *index)
{
    for (struct part_index *one = part->indexes; one; one = one->next)
        if (one->index == index)
            return one;
    return NULL;
}

static kdk_status part_index_add(struct part *part, struct index *index, bool created,
                                 struct err *err)
{
    struct part_index *one = MEM_NEW(struct part_index);
    if (!one)
        return err_nomem(err);
    if (created)
        atomic_store_explicit(&index->created, TXN_UNCOMMITTED, memory_order_relaxed);
    one->index = index;
    one->created = created;
    one->dropped = !created;
    one->next = part->indexes;
    part->indexes = one;
    return KDK_OK;
}

kdk_status table_index_create(struct txn *txn, struct table *table,
                              const struct tindex *def, struct err *err)
{
    kdk_status status = KDK_OK;
    struct part *part;
    struct index *index = NULL;
    TRY(ddl_begin(txn, table, &part, err));
    TRY(part_check_unique(part, txn, err));
    TRY(index_new(table, def, &index, err));
    TRY(part_index_add(part, index, true, err));
    struct index *made = index;
    index = NULL;       /* The part's. */
    txn->failed = true; /* Until all is in place. */
    TRY(set_add(table, made, err));
    TRY(index_fill(txn, part, made, err));
    if (def->unique)
        TRY(index_check_built(txn, made, err));
    part->checked = part->plus;
    txn->failed = false;
out:
    index_free(index);
    return status;
}

kdk_status table_index_attach(struct table *table, const struct tindex *def,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct index *index = NULL;
    TRY(index_new(table, def, &index, err));
    TRY(recover_index(index, err));
    TRY(set_add(table, index, err));
    index = NULL;
out:
    index_free(index);
    return status;
}

kdk_status table_index_drop(struct txn *txn, struct table *table, uint32_t index_id,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct part *part;
    TRY(ddl_begin(txn, table, &part, err));
    struct index *index = index_find(table, index_id);
    TRY_ASSERT(index != NULL);
    struct part_index *one = part_index_find(part, index);
    if (one)
        one->dropped = true;
    else
        TRY(part_index_add(part, index, false, err));
out:
    return status;
}

/* ------------------------------------------------------- end of transactions ---- */

static void ddl_release(struct part *part)
{
    uint64_t mine = part->number;
    atomic_compare_exchange_strong_explicit(&part->table->ddl_owner, &mine, 0,
                                            memory_order_seq_cst, memory_order_relaxed);
}

void part_ddl_stamp(struct part *part, uint64_t timestamp)
{
    struct table *table = part->table;
    if (atomic_load_explicit(&table->ddl_owner, memory_order_acquire) != part->number)
        return;
    if (part->created)
        atomic_store_explicit(&table->created, timestamp, memory_order_release);
    for (struct part_index *one = part->indexes; one; one = one->next) {
        if (one->created)
            atomic_store_explicit(&one->index->created, timestamp, memory_order_release);
        if (!one->dropped)
            continue;
        table_ref(table);
        atomic_store_explicit(&one->index->dropped, timestamp, memory_order_release);
        one->index->garbage.free = index_unlink;
        txn_retire_at(table->store->man, &one->index->garbage, timestamp);
    }
    if (part->dropping) {
        /* It stays in the store's list as long as a snapshot may have it: a checkpoint is
         * one. */
        atomic_store_explicit(&table->dropped, timestamp, memory_order_release);
        table->garbage.free = table_garbage;
        txn_retire_at(table->store->man, &table->garbage, timestamp);
    }
    atomic_store_explicit(&table->ddl_timestamp, timestamp, memory_order_seq_cst);
    ddl_release(part);
}

void part_ddl_rollback(struct part *part)
{
    struct table *table = part->table;
    if (part->layout_before) {
        for (uint32_t i = part->layout_before->number + 1; i < table->layout_count; i++)
            atomic_store_explicit(
                &((struct layout *)(uintptr_t)table_layout(table, i))->undone, true,
                memory_order_release);
        atomic_store_explicit(&table->layout, part->layout_before, memory_order_release);
    }
    for (struct part_index *one = part->indexes; one; one = one->next)
        if (one->created)
            set_remove(table, one->index);
    if (part->created) {
        table_unlink(table);
        table_unref(table); /* The part holds one, too. */
    }
    ddl_release(part);
}

void part_ddl_free(struct part *part)
{
    while (part->indexes) {
        struct part_index *one = part->indexes;
        part->indexes = one->next;
        if (part->aborted && one->created) {
            /* Its entries were taken out by the roll-back. */
            index_free(one->index);
        }
        mem_free(one);
    }
}
