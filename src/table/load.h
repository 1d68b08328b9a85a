/* load.h - bulk loads: rows that go into block files and sorted runs of their own, which a
 * commit refers to.
 *
 * A statement that inserts many rows, and is a transaction of its own, writes all but the
 * first of them into private files: strips as a freeze makes them, and for each index a run
 * (tree/run.h) of its entries. They are durable before the commit takes its place; the log
 * has references to them, not the rows. Until a checkpoint takes the files into its
 * generation they are a component of the table between memory and generation.
 *
 * Invariants
 *   L1  A load counts for a reader if its timestamp is above the S of the reader's
 *       generation and not above its snapshot: the generation has it otherwise, or the
 *       reader must not see it. Its own transaction never reads it.
 *   L2  It stays in the table's list until its timestamp is at or below disk_floor(). So a
 *       row that is in no load of the list is, where a generation has it, seen by every
 *       reader; a row of one is brought into memory under the load's timestamp.
 *   L3  One load at a time, and no checkpoint meanwhile (disk_acquire()): files from the
 *       manifest's next_file on are those that the log refers to, or nobody.
 *   L4  It is in the list, with its transaction's number, before its keys are compared with
 *       those of others, and others place theirs before they look at the list: of two who
 *       place the same key at once, one sees the other.
 *   L5  Codes of dictionaries that its strips use are in the log before its commit.
 * Threads  A loader belongs to its transaction. A load in the list is immutable, but for
 *          its stamp.
 * Failure  A load that is rolled back removes its files; what a crash leaves is removed at
 *          the next opening.
 */
#ifndef KDK_TABLE_LOAD_H
#define KDK_TABLE_LOAD_H

#include "table/disk.h"
#include "table/entries.h"
#include "tree/run.h"

struct wal_batch;
struct record_view;
struct pouring;
struct loader;

struct load_run {
    uint32_t index;
    bool fences; /* Of strips in key order, else entries. */
    uint64_t number;
    struct run_ref ref;
    struct run *run;
};
struct load {
    struct txn_garbage garbage;
    _Atomic uint32_t refs;
    struct disk *disk;
    _Atomic uint64_t stamp; /* As a record's header. */
    rowid first, last;
    uint64_t rows;
    uint32_t strip_count, strip_cap, run_count, run_cap;
    struct strip_entry **strips; /* By row id. */
    struct load_run *runs;
};
/* In the log: a struct run_ref, and 1 if it is of fences. */
#define LOAD_RUN_BYTES (RUN_REF_BYTES + 1)
/* Replaced whole. */
struct load_set {
    struct txn_garbage garbage;
    uint32_t count;
    _Atomic(struct load *) load[]; /* NULL: gone since. */
};

/* Whether so many rows of this statement are better loaded; then *out is the part's loader,
 * else NULL. */
kdk_status load_begin(struct txn *txn, struct part *part, struct loader **out,
                      struct err *err) KDK_MUST_CHECK;
/* The selected rows of a batch as table_insert_batch() has them. */
kdk_status load_add(struct loader *loader, struct batch *batch,
                    struct err *err) KDK_MUST_CHECK;
/* No more rows: files and runs are durable, the load is in the list, and its keys are
 * unique (23505, 40001). */
kdk_status load_finish(struct loader *loader, struct err *err) KDK_MUST_CHECK;
/* Adds the references to a commit's batch. */
kdk_status load_encode(const struct loader *loader, struct wal_batch *batch,
                       struct err *err) KDK_MUST_CHECK;
void load_stamp(struct loader *loader, uint64_t timestamp);
void load_rollback(struct loader *loader);
void loader_free(struct loader *loader); /* Accepts NULL. */

/* A load in the making: one reference, the caller's. */
kdk_status load_new(struct disk *disk, uint64_t stamp, struct load **out,
                    struct err *err) KDK_MUST_CHECK;
/* Takes a reference. */
kdk_status load_add_strip(struct load *load, struct strip_entry *entry,
                          struct err *err) KDK_MUST_CHECK;
kdk_status load_add_run(struct load *load, struct load_run **out,
                        struct err *err) KDK_MUST_CHECK;
void load_bounds(struct table *table, const struct load *load); /* T6 */
/* Takes a reference. */
kdk_status load_list(struct table *table, struct load *load,
                     struct err *err) KDK_MUST_CHECK;
void load_unlist(struct table *table, struct load *load);

/* Recovery: what FILE, RUN and DICT records of a commit at `timestamp` say. */
kdk_status load_recover(struct table *table, uint64_t timestamp,
                        const struct record_view *view, struct err *err) KDK_MUST_CHECK;

/* Those that count for a reader (L1), by row id: `each` until it returns false. */
struct load_reader {
    uint64_t since, snapshot; /* S of the generation; the reader's. */
};
struct load_reader load_reader_of(const struct txn *txn);
static inline bool load_counts(const struct load *load, struct load_reader reader)
{
    const uint64_t stamp = atomic_load_explicit(&load->stamp, memory_order_acquire);
    return !(stamp & TXN_UNCOMMITTED) && stamp > reader.since && stamp <= reader.snapshot;
}
/* The table's list, or NULL. Inside a guard, or by who holds the disk. */
static inline struct load_set *table_loads(struct table *table)
{
    return atomic_load_explicit(&table->loads, memory_order_acquire);
}
static inline struct load *set_load(struct load_set *set, uint32_t i)
{
    return atomic_load_explicit(&set->load[i], memory_order_acquire);
}
void load_ref(struct load *load);
void load_unref(struct load *load);
/* The strip of a load that counts and has the row: with a reference; or NULL. */
struct strip_entry *loads_locate(struct table *table, struct load_reader reader, rowid id,
                                 uint32_t *position);
/* The timestamp under which a row that is below comes into memory: that of the load in the
 * list that has it, else 1. */
uint64_t loads_header(struct table *table, rowid id);
/* The strips that a reader sees, those of loads among them. *own: it was made for this, by
 * mem_alloc(), and the caller frees it. `gtable` may be NULL. */
kdk_status table_directory(struct txn *txn, struct table *table, struct gtable *gtable,
                           struct directory **out, bool *own,
                           struct err *err) KDK_MUST_CHECK;
/* The keys of a load against all others: 23505, 40001. In index.c. */
kdk_status index_check_load(struct txn *txn, struct part *part, struct index *index,
                            struct load *load, struct err *err) KDK_MUST_CHECK;
/* The strip of the load that has the row, or NULL. */
struct strip_entry *load_find(const struct load *load, rowid id, uint32_t *position);
kdk_status index_unique_error(struct index *index, const uint8_t *bytes, size_t count,
                              bool building, struct err *err);

/* Checkpoint: loads that its snapshot has and its generation has not, into the new one. */
kdk_status pour_loads(struct pouring *pouring, struct table *table, struct gtable *made,
                      struct err *err) KDK_MUST_CHECK;
bool loads_to_pour(struct txn *txn, struct table *table); /* Are there any? */
/* Whether each of them has entries of the index, in runs. */
bool loads_have_index(struct txn *txn, struct table *table, uint32_t index);
/* After all tables: files of loads into tables that are gone. */
kdk_status pour_loads_dropped(struct pouring *pouring, struct err *err) KDK_MUST_CHECK;
void pour_loads_end(struct disk *disk, bool done);
/* Loads at or below the floor leave the list. */
void loads_evict(struct table *table, uint64_t floor);
void loads_free(struct table *table); /* Nobody uses it. */

/* Files of committed loads that no generation names yet: room for more, by who holds the
 * disk. */
kdk_status disk_fresh_room(struct disk *disk, uint32_t more,
                           struct err *err) KDK_MUST_CHECK;
void disk_fresh_add(struct disk *disk, uint64_t number);

/* Numbers of runs among those of files, where both are listed. */
#define RUN_BIT (1ull << 63)
kdk_status disk_file_path(struct disk *disk, uint64_t number, char *into, size_t bytes,
                          struct err *err) KDK_MUST_CHECK;

#endif
