/* stats.c - how many different values a column has, for planning. */
#include "table/load.h"

/* Of the strips that the newest generation has, from their sketches; 0: none. Kept with the
 * generation, which never changes. */
static kdk_status strips_distinct(struct table *table, uint32_t column, uint64_t *out,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = table->store->disk;
    struct generation *generation;
    struct gtable *gtable;
    struct directory *directory;
    struct sketch all = {0};

    latch_acquire(&disk->latch);
    generation = disk->newest;
    generation->pins++;
    latch_release(&disk->latch);
    TRY(generation_table(disk, generation, table->id, &gtable, err));
    if (!gtable->exists || column >= gtable->column_count)
        goto out;
    *out = atomic_load_explicit(&gtable->distinct[column], memory_order_relaxed);
    if (!*out) {
        TRY(gtable_directory(disk, generation, gtable, &directory, err));
        for (uint32_t i = 0; directory && i < directory->count; i++) {
            const struct strip_column *one =
                strip_entry_column(directory->entries[i], column);
            if (one)
                sketch_merge(&all, &one->sketch);
        }
        *out = (directory ? sketch_estimate(&all) : 0) + 1;
        atomic_store_explicit(&gtable->distinct[column], *out, memory_order_relaxed);
    }
    (*out)--;
out:
    latch_acquire(&disk->latch);
    generation->pins--;
    latch_release(&disk->latch);
    return status;
}

uint64_t table_column_distinct(struct table *table, uint32_t column)
{
    uint64_t distinct = 0, rows = table_row_count(table);
    bool key = false;
    struct err err = {0};
    txn_enter(table->store->man);
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    for (uint32_t i = 0; i < set->count; i++) {
        struct index *index = set_index(set, i);
        key |= index && index->def.unique && index->def.column_count == 1 &&
               index->def.columns[0] == column;
    }
    txn_leave(table->store->man);
    if (key)
        return rows;
    /* What cannot be read is for the scan to complain of. */
    if (table->store->disk && strips_distinct(table, column, &distinct, &err) != KDK_OK)
        return 0;
    return MIN(distinct, rows);
}
