/* table_int.h - what the files of table share: layouts, records, undo, the row map,
 * indexes, what a transaction did to a table.
 *
 * Invariants (numbers are used in the files; README has the arguments)
 *   T1  A record's words change only while its header has the lock bit, set by
 *       compare-and-swap from the header the writer had judged. Then: undo linked, words
 *       stored, header stored, all with release. A roll-back also raises `restores` in
 *       meta, so that a header that returns to an old value is told from one that never
 *       changed.
 *   T2  A record's undo is followed only by who may not see its header's version. So undo
 *       of a committed transaction may go when no snapshot is older than its timestamp;
 *       that of one rolled back when no guard is left that was there.
 *   T3  A writer is counted in its group before it touches a header or slot, and until its
 *       header words are final; the group's youngest timestamp is raised before headers are
 *       stamped. So a reader that finds no writer, a youngest <= its snapshot, and later
 *       the same state word, has read final versions only.
 *   T4  For each key that a row has in a version that some snapshot may see there is an
 *       index entry visible to that snapshot.
 *   T5  A row whose key changed while it was in memory has RECORD_KEYED, set before the
 *       entry of the new key exists.
 *   T6  Column bounds hold for every version from before it becomes visible.
 *   T7  A table has either writers in flight or one transaction that changes its
 *       definition; a writer's snapshot is never older than the newest definition.
 *   T8  A version of a record that patches a row below memory has, of each index, all key
 *       columns or none. A column that it has not was not changed by any version in memory
 *       that is not newer: each reader finds the value in its own generation, or load.
 */
#ifndef KDK_TABLE_TABLE_INT_H
#define KDK_TABLE_TABLE_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "table/table.h"
#include "tree/memtree.h"
#include "txn/txn.h"

#define INDEX_KEY_BYTES_MAX (TREE_KEY_BYTES_MAX - 8u) /* The row id follows on disk. */
#define GROUP_ROWS          BATCH_ROWS /* Ids of a group: the unit of scans. */
#define SUBPAGE_ROWS        64u        /* Ids of a sub-page: an array of slots. */
#define SLAB_ROWS           16u        /* Records of an allocation. */
#define MAP_FANOUT          64u
#define PRUNE_DEPTH         KDK_PICK(4u, 0u) /* Chains below are left alone. */
#define SMALL_WORDS         128u /* Records up to here are copied to the stack. */

/* ------------------------------------------------------------------ layouts ---- */

enum field_kind {
    FIELD_NONE,
    FIELD_I8,
    FIELD_I16,
    FIELD_I32,
    FIELD_I64,
    FIELD_I128,
    FIELD_F32,
    FIELD_F64,
    FIELD_STR
};

/* Over all versions; lo > hi: no value yet. Atomic, widened only. */
struct bounds {
    _Atomic int64_t lo, hi;
    _Atomic uint32_t unknown; /* A value did not fit. */
    struct bounds *next;      /* Of the table's list. */
};

struct field {
    struct ltype type;
    uint8_t kind; /* enum field_kind */
    bool not_null, dropped;
    uint32_t offset; /* Bytes from the record's words. */
    struct datum
        missing; /* What records of layouts without it have. Strings in the layout's arena. */
    struct bounds *bounds; /* NULL: not an integer of some kind. */
};
/* Immutable once it is a table's. */
struct layout {
    uint32_t number;
    uint32_t count;
    uint32_t null_words; /* The first words: bit c set: column c is NULL. */
    uint32_t words;      /* At least 1. */
    uint32_t strings;    /* Columns that are strings. */
    _Atomic bool undone; /* Its transaction was rolled back: no stored row has it. */
    struct arena arena;
    struct field fields[];
};
kdk_status layout_new(const struct tcolumn *columns, uint32_t count, struct layout **out,
                      struct err *err);
void layout_free(struct layout *layout);
struct datum field_get(const struct field *field, uint32_t column, const uint64_t *words);
/* Strings: `text` are the bytes that the record owns when they are over STR_INLINE. */
void field_put(const struct field *field, uint32_t column, uint64_t *words,
               const struct datum *value, const char *text);
void bounds_widen(struct table *table, const struct field *field,
                  const struct datum *value);

/* ------------------------------------------------------------------ records ---- */

#define RECORD_DELETED 1u
#define RECORD_KEYED                                                                       \
    2u /* Its key changed in some index since it came to memory; never taken back. */
#define RECORD_PATCH                                                                       \
    4u /* Behind the words are null_words more: bit c set: column c is as it is below memory. */
#define META(LAYOUT, FLAGS, RESTORES)                                                      \
    ((uint64_t)(LAYOUT) | (uint64_t)(FLAGS) << 16 | (uint64_t)(RESTORES) << 32)
#define META_LAYOUT(META_)   ((uint32_t)((META_)&0xffff))
#define META_FLAGS(META_)    ((uint32_t)((META_) >> 16 & 0xffff))
#define META_RESTORES(META_) ((uint32_t)((META_) >> 32))

struct undo;
struct record {
    _Atomic uint64_t header; /* txn.h: timestamp or transaction, lock bit. */
    _Atomic(struct undo *) undo;
    _Atomic uint64_t meta; /* META(). */
    _Atomic uint64_t words[];
};

enum undo_kind {
    UNDO_INSERT, /* Before, the row did not exist. One for all rows of a command. */
    UNDO_UPDATE,
    UNDO_DELETE,
    UNDO_MOVED, /* Before, the row was the record `moved`, in an older layout. */
};
/* A string that a change replaced, and the one that came. */
struct swap {
    char *old, *fresh;
};
/* How to come from a version to the one before. Immutable once linked, but for `next`. */
struct undo {
    _Atomic(struct undo *) next; /* The version before that. Changed by pruning alone. */
    struct part *part;           /* Whose it is. */
    struct undo *txn_next;       /* The transaction's undo before this. */
    struct record *record;
    struct record *moved;
    rowid id;
    uint64_t before; /* Header of the older version. */
    uint64_t meta_before;
    uint32_t command;
    uint8_t kind;
    bool counted;   /* The writer counted itself in the group. */
    uint16_t depth; /* About how many are below. */
    uint16_t word_count, swap_count, column_count;
    const uint64_t *old;  /* word_count old words, */
    const uint16_t *word; /* and where they were. */
    const struct swap *swaps;
    const uint16_t *columns; /* What the statement changed: for the log. */
};

/* A version of a row, copied. */
struct image {
    uint64_t header, meta;
    struct undo *undo;
    const struct layout *layout;
    uint64_t *words;
    uint64_t small[SMALL_WORDS];
    uint64_t *large;
    uint32_t large_words;
};
void image_init(struct image *image);
void image_deinit(struct image *image);
/* A consistent copy of what is in the record now. KDK_NOMEM for a wide one. Inside a
 * guard. */
kdk_status record_copy(struct table *table, const struct record *record,
                       struct image *image, struct err *err);
/* Goes back in the copy to what the statement sees; *found false: nothing. */
kdk_status image_resolve(struct txn *txn, struct table *table, struct image *image,
                         bool *found, struct err *err);
/* Goes back to before the transaction that `header` names (uncommitted). */
kdk_status image_before_txn(struct table *table, struct image *image, bool *found,
                            struct err *err);
/* Not of a column that is absent. */
struct datum image_get(struct table *table, const struct image *image, uint32_t column);
/* Words of a record or image. */
static inline uint32_t meta_words(const struct layout *layout, uint64_t meta)
{
    return layout->words + (META_FLAGS(meta) & RECORD_PATCH ? layout->null_words : 0);
}
/* The version has no value of its own: that of the row below memory counts. */
static inline bool image_absent(const struct image *image, uint32_t column)
{
    return META_FLAGS(image->meta) & RECORD_PATCH && column < image->layout->count &&
           bit_get(image->words + image->layout->words, column);
}
/* Of an index's key some column is absent; then all are (T8). */
bool image_key_absent(const struct image *image, const struct tindex *def);
void record_free_strings(struct table *table, struct record *record);

/* ------------------------------------------------------------------ row map ---- */

struct slab {
    uint32_t record_bytes;
    _Atomic uint32_t dead; /* Of SLAB_ROWS places; all dead: freed. */
    _Alignas(16) uint8_t data[];
};
/* A slot is a record's address; with the lowest bit it is one of a roll-back, to be freed
 * soon: as if it were empty. */
struct subpage {
    _Atomic uintptr_t slots[SUBPAGE_ROWS];
    _Atomic(struct slab *) slabs[SUBPAGE_ROWS / SLAB_ROWS];
    _Atomic uint32_t dead; /* Ids that were rows and are no more. */
    struct txn_garbage garbage;
};
struct group {
    rowid first;
    _Atomic uint64_t
        state; /* Low half: writers in flight. High half: how often one began. */
    _Atomic uint64_t youngest; /* Of all committed versions. */
    _Atomic(struct subpage *) sub[GROUP_ROWS / SUBPAGE_ROWS];
};
#define GROUP_WRITER ((1ull << 32) + 1)
static inline void group_enter(struct group *group)
{
    atomic_fetch_add_explicit(&group->state, GROUP_WRITER, memory_order_acq_rel);
}
static inline void group_leave(struct group *group)
{
    atomic_fetch_sub_explicit(&group->state, 1, memory_order_acq_rel);
}
void group_raise(struct group *group, uint64_t timestamp);

struct column_dict;
struct map_node; /* Inner node of the radix tree. */
struct group *rowmap_group(struct table *table, rowid id); /* or NULL */
static inline _Atomic uintptr_t *group_slot(struct group *group, rowid id)
{
    uint32_t i = (uint32_t)(id % GROUP_ROWS);
    struct subpage *sub =
        atomic_load_explicit(&group->sub[i / SUBPAGE_ROWS], memory_order_acquire);
    return sub ? &sub->slots[i % SUBPAGE_ROWS] : NULL;
}
static inline struct record *slot_record(_Atomic uintptr_t *slot)
{
    uintptr_t word = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    return word & 1 ? NULL : (struct record *)word;
}
static inline struct record *rowmap_get(struct table *table, rowid id)
{
    struct group *group = rowmap_group(table, id);
    return group ? slot_record(group_slot(group, id)) : NULL;
}
/* Memory for a new record of `id`, not yet in its slot; the slot. KDK_NOMEM. */
kdk_status rowmap_place(struct table *table, rowid id, const struct layout *layout,
                        struct group **group, _Atomic uintptr_t **slot,
                        struct record **record, struct err *err);
/* The record is in no slot and no guard sees it: its strings stay. `last`: the row is gone,
 * too. */
void rowmap_release(struct table *table, rowid id, struct record *record, bool last);
/* Frees everything; nobody uses the table. */
void rowmap_free(struct table *table);
/* Calls for each record in slots (tests, check). */
void rowmap_each(struct table *table,
                 void (*each)(void *context, rowid id, struct record *record),
                 void *context);

/* ------------------------------------------------------------------- tables ---- */

struct index {
    struct tindex def;
    struct table *table;
    struct memtree *tree;
    _Atomic uint64_t created; /* Timestamp of its making; TXN_UNCOMMITTED before that. */
    _Atomic uint64_t dropped; /* Timestamp of its drop: writers pass it by. 0: it lives. */
    struct txn_garbage garbage;
};
/* Whether a table or index counts at `timestamp`. Inside a guard. What counts at somebody's
 * snapshot stays as long as he lives. */
static inline bool alive_at(uint64_t created, uint64_t dropped, uint64_t timestamp)
{
    return created <= timestamp && (dropped == 0 || dropped > timestamp);
}
static inline bool index_alive_at(const struct index *index, uint64_t timestamp)
{
    return alive_at(atomic_load_explicit(&index->created, memory_order_acquire),
                    atomic_load_explicit(&index->dropped, memory_order_acquire), timestamp);
}
/* Replaced whole. */
struct index_set {
    struct txn_garbage garbage;
    uint32_t count;
    _Atomic(struct index *) index[]; /* NULL: dropped since. */
};
static inline struct index *set_index(struct index_set *set, uint32_t i)
{
    return atomic_load_explicit(&set->index[i], memory_order_acquire);
}
struct layout_list {
    struct layout_list *older; /* Kept until the table goes: readers may hold it. */
    uint32_t cap;
    _Atomic(struct layout *) layouts[];
};

struct load_set;
struct loader;
struct table {
    struct store *store;
    uint32_t id;
    _Atomic uint32_t refs;
    struct table *next, **link;      /* Of the store's list, under its latch. */
    _Atomic(struct layout *) layout; /* The newest. */
    _Atomic(struct layout_list *) layouts;
    _Atomic(struct column_dict *) dicts; /* Read from disk so far. */
    uint32_t layout_count;               /* By who changes the definition. */
    struct bounds *bounds;               /* All that fields point to. */
    _Atomic(struct index_set *) indexes;
    _Atomic(struct load_set *) loads; /* load.h; NULL: none so far. */
    _Atomic(struct map_node *) root;
    _Atomic uint64_t next_id;
    _Atomic uint64_t ids_reserved; /* In the log: row ids up to here are taken. */
    _Atomic uint64_t next_seq;     /* Of index items. */
    _Atomic int64_t live;          /* Committed rows. */
    _Atomic uint64_t epoch;
    _Atomic uint64_t youngest;    /* Of all committed changes. */
    _Atomic uint32_t writers;     /* Parts in flight. */
    _Atomic uint64_t last_writer; /* Some transaction of those: what to wait for. */
    _Atomic uint64_t
        ddl_owner; /* Number of the transaction that changes the definition, or 0. */
    _Atomic uint64_t ddl_timestamp; /* Of the newest definition. */
    _Atomic uint64_t created;       /* Timestamp; TXN_UNCOMMITTED before that. */
    _Atomic uint64_t dropped;       /* Timestamp, or 0. */
    struct txn_garbage garbage;
};
static inline const struct layout *table_layout(struct table *table, uint32_t number)
{
    struct layout_list *list = atomic_load_explicit(&table->layouts, memory_order_acquire);
    return atomic_load_explicit(&list->layouts[number], memory_order_acquire);
}
static inline struct layout *table_newest(struct table *table)
{
    return atomic_load_explicit(&table->layout, memory_order_acquire);
}
kdk_status table_add_layout(struct table *table, struct layout *layout, struct err *err);
void table_unref(struct table *table);
static inline void table_ref(struct table *table)
{
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
}

#define STORE_FIRST_ID 1000u /* Of objects that users make. */
struct disk;
struct store {
    struct os *os;
    struct txnman *man;
    struct disk *disk; /* NULL: everything is in memory. */
    _Atomic uint64_t next_id;
    _Atomic(const struct table_names *) names;
    struct table_names names_room;
    struct latch latch; /* Guards the list of tables. */
    struct table *tables;
    struct wal *wal;       /* NULL: :memory:. */
    struct os_file *lock;  /* Owns the directory as long as it is open. */
    bool upkeep;           /* As the options say. */
    struct broker *broker; /* Or NULL. */
    _Atomic uint64_t limits[STORE_LIMIT_COUNT]; /* Relaxed: each stands for itself. */
    struct recovery *recovery; /* What the log says of tables that are not attached yet. */
};
/* The transaction manager writes to store->wal from now on. */
void store_set_log(struct store *store);
/* Logs that row ids up to `last`, and some more, are given out. */
kdk_status rowids_reserve(struct table *table, rowid last, struct err *err);
static inline kdk_status rowids_cover(struct table *table, rowid last, struct err *err)
{
    if (KDK_LIKELY(!table->store->wal ||
                   last <=
                       atomic_load_explicit(&table->ids_reserved, memory_order_relaxed)))
        return KDK_OK;
    return rowids_reserve(table, last, err);
}

/* Recovery: replay hands batches to recovery_batch(), what is attached takes what is its
 * own. */
struct wal_replayed;
/* Commits up to `since` are in the generation already. */
kdk_status recovery_new(uint64_t since, uint64_t before, struct recovery **out,
                        struct err *err);
void recovery_free(struct recovery *recovery);
kdk_status recovery_batch(void *recovery, const struct wal_replayed *batch,
                          struct err *err);
uint64_t recovery_object_high(const struct recovery *recovery);
/* See store_replay_failed(). */
uint64_t recovery_failed_at(const struct recovery *recovery);
kdk_status recover_table(struct table *table, struct err *err);
kdk_status recover_index(struct index *index, struct err *err);

const char *name_of_table(struct table *table, char room[TABLE_NAME_ROOM]);
const char *name_of_column(struct table *table, uint32_t column,
                           char room[TABLE_NAME_ROOM]);
const char *name_of_index(struct index *index, char room[TABLE_NAME_ROOM]);

/* --------------------------------------------- what a transaction did to a table ---- */

enum entry_op { ENTRY_PLUS, ENTRY_MINUS };
/* An index entry, or the note that one ends. */
struct entry {
    _Atomic uint64_t stamp; /* As a record's header, without lock bit. */
    struct entry *next;     /* Of the part's list; of the list of the dead after that. */
    struct index *index;
    uint32_t command;
    uint8_t op;
    bool has_null; /* A NULL in the key: equals nothing. */
    struct memtree_item item;
};
static inline struct entry *entry_of(const struct memtree_item *item)
{
    return (struct entry *)((uintptr_t)item - offsetof(struct entry, item));
}
struct id_range {
    rowid first;
    uint64_t count;
};
struct part_index { /* An index that the transaction made or drops. */
    struct part_index *next;
    struct index *index;
    bool created, dropped;
};
struct part {
    struct txn_part part;
    struct table *table;
    uint64_t number;
    struct undo *undo;        /* Newest first. */
    _Atomic uint32_t linked;  /* Of those, not pruned. */
    struct undo first_marker; /* UNDO_INSERT of the first command that inserts; */
    struct undo *marker;      /* of the newest. */
    /* All but the first: a million single inserts are not a million pieces for a later
     * commit to free. */
    struct arena markers;
    struct id_range *ranges; /* Inserted ids. */
    uint32_t range_count, range_cap;
    struct id_range first_ranges[2];
    struct entry *plus, *minus; /* Newest first. */
    struct entry *checked;      /* plus from here on was found unique. */
    struct entry *dead;         /* Unlinked, to be freed with the part. */
    struct loader *loader;      /* Rows that do not come into memory; or NULL. */
    int64_t delta;              /* Rows more. */
    struct buf key, key2;       /* Scratch. */
    bool created, dropping, ended, aborted;
    struct layout
        *layout_before; /* What to go back to; NULL: the layout was not changed. */
    struct part_index *indexes;
};
extern const struct txn_part_ops table_part_ops;
/* The transaction's part for writing; makes it, or KDK_SERIALIZATION, KDK_READ_ONLY,
 * KDK_NOMEM. */
kdk_status part_get(struct txn *txn, struct table *table, struct part **out,
                    struct err *err);
kdk_status conflict_set(struct txn *txn, uint64_t timestamp, uint64_t number,
                        struct err *err);
kdk_status not_null_error(struct table *table, uint32_t column, struct err *err);
/* Whether a row with so many bytes of strings is one that the row tree can hold:
 * KDK_LIMIT. */
kdk_status row_fits(const struct layout *layout, uint64_t bytes, struct err *err);
/* T7: waits for nothing. */
kdk_status ddl_begin(struct txn *txn, struct table *table, struct part **out,
                     struct err *err);
/* Of part_ops, in alter.c: what the definition needs at the end. */
void part_ddl_stamp(struct part *part, uint64_t timestamp);
void part_ddl_rollback(struct part *part);
void part_ddl_free(struct part *part);

/* ------------------------------------------------------------------ indexes ---- */

/* Appends the key of a version to `key` (cleared first). KDK_LIMIT when it is too long. */
kdk_status index_key_fits(struct index *index, size_t bytes, struct err *err);
kdk_status index_key(struct index *index, const struct image *image, struct buf *key,
                     bool *has_null, struct err *err);
/* The key of these values of its columns, which the layout has. */
kdk_status index_values_key(struct index *index, const struct layout *layout,
                            const struct datum *values, struct buf *key,
                            struct err *err) KDK_MUST_CHECK;
struct index *index_find(struct table *table, uint32_t id); /* or NULL */
kdk_status entry_new(struct index *index, enum entry_op op, rowid id, const struct buf *key,
                     bool has_null, struct txn *txn, struct entry **out, struct err *err);
kdk_status index_new(struct table *table, const struct tindex *def, struct index **out,
                     struct err *err);
void index_free(struct index *index);
/* Checks entries of unique indexes that the last statement placed. */
kdk_status part_check_unique(struct part *part, struct txn *txn, struct err *err);
/* All keys of a new unique index. */
kdk_status index_check_built(struct txn *txn, struct index *index, struct err *err);
/* Entries that a minus ends, now that no snapshot can need them: unlinked and put on
 * part->dead. */
void part_tidy_entries(struct part *part);
void index_retire_block(void *context, struct memtree_block *block);

#endif
