/* checkpoint.h - what checkpoint.c and freeze.c share: a generation in the making. */
#ifndef KDK_TABLE_CHECKPOINT_H
#define KDK_TABLE_CHECKPOINT_H

#include "table/disk.h"
#include "wal/wal.h"

struct meta_change {
    uint8_t key[META_KEY_BYTES];
    bool erase;
    uint32_t order, bytes;
    const void *value;
};
/* Changes of one index: keys with row ids. */
struct delta_item {
    const uint8_t *key;
    uint32_t bytes;
    bool erase;
};
struct delta {
    struct delta_item *items;
    size_t count, cap, at;
    struct arena arena;
};
struct pouring {
    struct disk *disk;
    struct txn *txn; /* Reads at S, pins the generation that is built upon. */
    struct pour *pour;
    struct page_sink *sink;
    struct manifest manifest; /* To be. */
    struct meta_change *meta;
    size_t meta_count, meta_cap, meta_at;
    struct arena arena;
    struct table **tables;
    uint32_t table_count, dead_before;
    uint64_t *files; /* Written for it: removed if it fails. */
    uint32_t file_count, file_cap;
    bool changed, kept;
};
/* After a failure of begin: pouring_end() all the same. */
kdk_status pouring_begin(struct disk *disk, struct pouring *pouring,
                         struct err *err) KDK_MUST_CHECK;
/* Makes it durable and current if `status` is KDK_OK, else undoes it; frees what it holds.
 * Returns the status of all. */
kdk_status pouring_end(struct pouring *pouring, kdk_status status,
                       struct err *err) KDK_MUST_CHECK;
/* The tables that the snapshot has. */
kdk_status pouring_tables(struct pouring *pouring, struct err *err) KDK_MUST_CHECK;
/* Value NULL: erase. Of several changes of one key the last counts. */
kdk_status meta_put(struct pouring *pouring, uint32_t table, enum meta_tag tag,
                    uint64_t number, const struct buf *value,
                    struct err *err) KDK_MUST_CHECK;
/* The new generation does not name the file any more. */
kdk_status pouring_dead(struct pouring *pouring, uint64_t file,
                        struct err *err) KDK_MUST_CHECK;
/* Codes of the table's dictionaries that are in the log and not stored yet. */
kdk_status pouring_dicts(struct pouring *pouring, struct table *table,
                         struct err *err) KDK_MUST_CHECK;
/* All codes are in the log, up to *lsn (0: they were). By who holds the disk. */
kdk_status dicts_log(struct table *table, uint64_t *lsn, struct err *err) KDK_MUST_CHECK;
/* Whether codes are in the log and not stored: they must be before it is truncated. */
bool table_dicts_pending(struct table *table);
/* How what pouring_dicts() put ended. */
void table_dicts_stored(struct table *table, bool durable);
kdk_status dicts_drop(struct pouring *pouring, uint32_t table,
                      struct err *err) KDK_MUST_CHECK;
/* Removes the files that no generation from `oldest` on names. One that cannot be removed
 * is left for the next time. */
void files_release(struct disk *disk, uint64_t oldest);
/* The columns of the layout as block files have them: with names, and dictionaries for
 * strings. */
kdk_status block_columns_of(struct table *table, struct generation *generation,
                            const struct layout *layout, struct arena *arena,
                            struct block_column **out, uint32_t *count,
                            struct err *err) KDK_MUST_CHECK;
/* Discards the pages of an index. */
kdk_status gindex_drop(struct pouring *pouring, const struct gindex *index,
                       struct err *err) KDK_MUST_CHECK;
void bounds_take(struct table *table, struct gtable *into);
/* One checkpoint, by who has the disk. */
kdk_status checkpoint_run(struct store *store, bool freeze, struct table *table,
                          struct err *err) KDK_MUST_CHECK;
/* The settled rows of the table (NULL: of all) go into strips. */
kdk_status store_freeze(struct store *store, struct table *table,
                        struct err *err) KDK_MUST_CHECK;

#endif
