/* disk.h - what of a store is on disk: manifest, generations, rows and index entries below
 * memory.
 *
 * A generation is the exact committed state at its timestamp S, in immutable pages and
 * block files. A transaction with snapshot R pins the newest generation with S <= R and
 * reads it, plus what memory holds of (S, R].
 *
 * Invariants
 *   D1  Memory holds every committed change newer than the S of any generation that is
 *       pinned or may still be. So what is not in memory is, for every reader, what its own
 *       generation says, and the newest there is.
 *   D2  Records and entries leave memory only when stamped at or below disk_floor(): the S
 *       of the oldest generation in use.
 *   D3  What a generation names (pages, files) is freed when it is older than the older
 *       manifest slot and than every pin.
 *   D4  Index entries of a generation are exactly {(key of the row, row id)} of its rows. A
 *       candidate found there whose row is not in memory needs no second look; one whose
 *       row is, is compared with the version that the statement sees.
 *   D5  Of a row id a generation has at most one base: a FULL record in the row tree, or a
 *       row in one strip. A strip's row has at most one record above it: DELETE and FULL
 *       hide it, a PATCH has those of its columns that changed since.
 *   D6  The position of the log in a manifest is not behind the first commit with a
 *       timestamp above S.
 */
#ifndef KDK_TABLE_DISK_H
#define KDK_TABLE_DISK_H

#include "block/block.h"
#include "table/table_int.h"
#include "tree/btree.h"

/* ------------------------------------------------------------------ manifest ---- */

#define MANIFEST_SLOT_BYTES 4096u
struct manifest {
    uint64_t sequence;  /* The generation's number; 0: none. The slot is sequence % 2. */
    uint64_t timestamp; /* S */
    uint64_t log_lsn;   /* Replay begins here. */
    uint64_t next_file; /* Block files from this number on are not named. */
    uint64_t next_id;   /* Of objects. */
    struct btree_root meta;
    struct pagestore_map map;
};
struct os_file;
/* The newest valid slot, and the other one if it is valid too (else sequence 0).
 * *newest.sequence 0: no manifest yet. KDK_CORRUPT when something was written but neither
 * slot is valid. *damaged: a slot was written and is not valid. */
kdk_status manifest_read(struct os_file *file, struct manifest *newest,
                         struct manifest *older, bool *damaged,
                         struct err *err) KDK_MUST_CHECK;
/* Makes durable what manifest_read() found, by writing the same once more: after a failed
 * sync the kernel takes for written what is not. */
kdk_status manifest_again(struct os_file *file, const struct manifest *newest,
                          const struct manifest *older, struct err *err) KDK_MUST_CHECK;
/* Writes and syncs. *touched: after a failure nobody knows which manifest the file has;
 * else it is as it was. */
kdk_status manifest_write(struct os_file *file, const struct manifest *manifest,
                          bool *touched, struct err *err) KDK_MUST_CHECK;
/* Writes zeros to both slots, so that no later manifest needs more space. */
kdk_status manifest_clear(struct os_file *file, struct err *err) KDK_MUST_CHECK;

/* -------------------------------------------------------------- generations ---- */

/* Keys of all three: index key, row id big-endian. Values are empty. See entries.h. */
struct gindex {
    uint32_t id;
    struct btree_root root;   /* Entries, */
    struct btree_root fences; /* of strips in key order, */
    struct btree_root gone;   /* and entries of those that hold no longer. */
};
struct gbounds {
    bool known;
    int64_t lo, hi;
};
/* A table in a generation. Immutable, but for the directory, which is read when first
 * needed. */
struct gtable {
    struct gtable *next;
    uint32_t id;
    bool exists;
    /* Keys: row id big-endian. Values: row.c of this folder's rowcode. */
    struct btree_root rows;
    uint64_t next_id, count;
    uint64_t strips; /* Number of strips. */
    uint32_t index_count, column_count;
    struct gindex *indexes;
    struct gbounds *bounds; /* column_count */
    /* column_count: different values in the strips, plus 1; 0: not counted yet. Any
     * thread. */
    _Atomic uint64_t *distinct;
    _Atomic(struct directory *) directory;
    _Atomic uint32_t lookups; /* Of single strips, while the directory was not read. */
};
struct directory {
    uint32_t count;
    struct strip_entry *entries[]; /* By first row id. */
};
#define GEN_BUCKETS 64u
struct generation {
    struct generation *older;
    struct manifest manifest;
    uint32_t pins;      /* Under disk->latch. */
    struct latch latch; /* Of filling `tables`. */
    _Atomic(struct gtable *) tables[GEN_BUCKETS];
};

/* A block file that the newest generation names no more. */
struct dead_file {
    uint64_t file, generation; /* Which named it no more first. */
};
/* A file, or run, of a committed load that no generation names yet. */
struct fresh_file {
    uint64_t number;
    bool taken; /* By the checkpoint that runs. */
};
/* Checkpoints that nobody asked for: upkeep.c. */
struct upkeep {
    /* NULL: they run in the thread of the commit that made them due. */
    struct chore *chore;
    _Atomic bool pouring;      /* It has the disk. */
    struct latch latch;        /* Guards what follows. */
    struct cond ended;         /* A run has. */
    uint64_t runs;             /* How many have. */
    struct err failure;        /* Of the last one that failed; */
    _Atomic uint64_t failures; /* how many have; */
    bool failing;              /* the newest has. */
};
struct disk {
    struct store *store;
    struct os *os;
    char *path, *trees, *blocks, *runs;
    struct os_file *slots; /* MANIFEST */
    struct page_cache *cache;
    struct pagestore *pages;
    struct page_file *file; /* Of pages. */
    struct block_cache *strips;
    struct latch latch;      /* Guards generations, pins. */
    struct latch dict_latch; /* Guards lists of dictionaries. */
    struct generation *newest;
    uint64_t older_slot;   /* Sequence in the other slot; 0: none. */
    uint64_t older_lsn;    /* What its replay would need. */
    _Atomic uint32_t busy; /* A checkpoint runs. */
    _Atomic uint64_t next_file;
    /* All tables are attached: what else a generation has was dropped. */
    bool complete;
    /* A checkpoint when the log is STORE_CHECKPOINT_LOG_BYTES longer than here (which may
     * wrap), */
    _Atomic uint64_t since_lsn;
    _Atomic bool due_now; /* or with the next commit. */
    bool read_only, failed;
    struct upkeep upkeep;
    struct dead_file *dead; /* By who checkpoints. */
    uint32_t dead_count, dead_cap;
    struct fresh_file *fresh; /* By who holds the disk. */
    uint32_t fresh_count, fresh_cap;
    struct txn_pins pins;
};

kdk_status disk_open(struct store *store, const struct store_options *options,
                     struct manifest *out, struct store_report *report,
                     struct err *err) KDK_MUST_CHECK;
/* After a commit: a checkpoint if the log has grown enough and none runs. If it fails,
 * another is due when the log has grown more. With the upkeep's thread nobody waits for it,
 * unless the log is twice as long as it should be. */
void checkpoint_if_due(void *disk);
kdk_status upkeep_start(struct disk *disk, struct err *err) KDK_MUST_CHECK;
void upkeep_stop(struct disk *disk); /* Waits for a checkpoint that runs. */
/* What the strip cache may take. `broker` may be NULL. */
uint64_t cache_share(struct os *os, struct broker *broker);
void disk_start(struct store *store); /* The transaction manager is there. */
void disk_close(struct disk *disk);   /* No transaction is left. Accepts NULL. */

/* One checkpoint, or check, at a time. May wait for long; nothing is held. */
void disk_acquire(struct disk *disk);
bool disk_try(struct disk *disk); /* False: somebody else is at it. */
/* The same, but waits for a checkpoint in the background. */
bool disk_try_patiently(struct disk *disk);
void disk_release(struct disk *disk);

/* The generation of a running transaction, or NULL for :memory:. */
static inline struct generation *txn_generation(const struct txn *txn)
{
    return txn->pinned;
}
/* Makes `manifest` the newest. Takes over `generation`. */
void generation_install(struct disk *disk, struct generation *generation);
/* The oldest that is in use, or was when a checkpoint last looked: its S is not below the
 * floor of any eviction so far. */
struct generation *generation_pin_oldest(struct disk *disk);
void generation_unpin(struct disk *disk, struct generation *generation);
struct generation *generation_new(const struct manifest *manifest); /* NULL: no memory. */
void generation_free(struct generation *generation);
/* Frees generations that nobody uses; the S of the oldest in use, and its number. */
uint64_t disk_floor(struct disk *disk, uint64_t *number);
/* The table as the generation has it; exists is false if it does not. NULL generation: *out
 * NULL. Not inside a guard. */
kdk_status generation_table(struct disk *disk, struct generation *generation, uint32_t id,
                            struct gtable **out, struct err *err) KDK_MUST_CHECK;
kdk_status gtable_directory(struct disk *disk, struct generation *generation,
                            struct gtable *table, struct directory **out,
                            struct err *err) KDK_MUST_CHECK;
const struct gindex *gtable_index(const struct gtable *table, uint32_t id); /* or NULL */
void gtable_free(struct gtable *table);

/* The dictionary of a column. */
struct column_dict {
    struct column_dict *next;
    uint32_t column;
    struct dict *dict;
    /* Codes below are in the newest generation, or will be. By who holds the disk, once it
     * is in the list. */
    uint32_t stored, pouring;
    uint32_t logged; /* Codes below are in the log, or stored. */
};
void table_dicts_free(struct table *table);
/* Reads it from the generation if it is not in memory yet. */
kdk_status table_dict(struct table *table, struct generation *generation, uint32_t column,
                      struct ltype type, struct column_dict **out,
                      struct err *err) KDK_MUST_CHECK;
/* That of a strip's column, or NULL if it has no codes. */
kdk_status strip_dict(struct table *table, struct generation *generation,
                      const struct strip_entry *entry, uint32_t column, struct ltype type,
                      struct dict **out, struct err *err) KDK_MUST_CHECK;

/* Keys of the meta tree: table, tag, number. */
enum meta_tag { META_DICT = 'D', META_STRIP = 'F', META_TABLE = 'T', META_DEAD = 'X' };
#define META_KEY_BYTES 13u
void meta_key(uint8_t into[META_KEY_BYTES], uint32_t table, enum meta_tag tag,
              uint64_t number);
kdk_status gtable_encode(const struct gtable *table, struct buf *out, struct err *err);
void put_be64(uint8_t *into, uint64_t v);
uint64_t get_be64(const uint8_t *from);

/* --------------------------------------------------------------- rows below ---- */

/* btree_cursor_seek() and _next() in a row tree: keys of another length than that of a row
 * id are KDK_CORRUPT. */
kdk_status rows_seek(struct btree_cursor *cursor, rowid id, struct err *err) KDK_MUST_CHECK;
kdk_status rows_next(struct btree_cursor *cursor, struct err *err) KDK_MUST_CHECK;

enum below_kind { BELOW_DELETE = 0, BELOW_FULL = 1, BELOW_PATCH = 2 };
enum below_kind rowcode_kind(const uint8_t *bytes, size_t count);
/* The columns that the image has, and those that it lacks and `older` has (NULL: none). */
kdk_status rowcode_patch(const struct image *image, const struct image *older,
                         struct buf *out, struct err *err);
kdk_status rowcode_full(const struct image *image, struct buf *out, struct err *err);
kdk_status rowcode_delete(struct buf *out, struct err *err);
/* The row as an image whose strings lie in `bytes`, a patch if it is a PATCH. *live false:
 * DELETE. */
kdk_status rowcode_read(struct table *table, const uint8_t *bytes, size_t count,
                        struct image *image, bool *live, struct err *err) KDK_MUST_CHECK;
/* Room for the words of a layout, zeroed. */
kdk_status image_room(struct image *image, const struct layout *layout, struct err *err);
/* The layout for a row that was stored with so many columns. */
const struct layout *table_stored_layout(struct table *table, uint32_t columns);

/* The row that a reader finds below memory, in a load that counts or in its generation;
 * strings in `arena`. *found false: it has none. *in_strip: a base row is there, hidden or
 * not (may be NULL). */
kdk_status below_get(struct disk *disk, struct generation *generation, uint64_t snapshot,
                     struct table *table, rowid id, struct image *image, bool *found,
                     bool *in_strip, struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* Columns of that row: nothing else of it is decoded if it lies in a strip. SCAN_ROWID is
 * the id. */
kdk_status below_columns(struct txn *txn, struct table *table, rowid id,
                         const uint32_t *columns, uint32_t count, struct datum *out,
                         bool *found, struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* The same for a reader of `generation` and `snapshot`. */
kdk_status below_columns_at(struct generation *generation, uint64_t snapshot,
                            struct table *table, rowid id, const uint32_t *columns,
                            uint32_t count, struct datum *out, bool *found,
                            struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* Gives the image those of the columns that are absent, as its transaction sees them below;
 * strings in `arena`. Not inside a guard. */
kdk_status image_complete(struct txn *txn, struct table *table, rowid id,
                          struct image *image, const uint32_t *columns, uint32_t count,
                          struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* The same with values at hand. */
void image_patch(struct image *image, const uint32_t *columns, const struct datum *values,
                 uint32_t count);
/* A record in memory lacks columns, and there is no row below it. */
kdk_status patch_without_row(struct table *table, rowid id, struct err *err);
/* What a checkpoint needs to know of the row below a patch: whether it can be a PATCH there
 * (its base is in a strip, and no FULL record above), and if a PATCH is there already
 * (*had), that one, whose strings lie in `arena`. */
kdk_status below_patch(struct txn *txn, struct table *table, rowid id, bool *can, bool *had,
                       struct image *patch, struct arena *arena,
                       struct err *err) KDK_MUST_CHECK;
/* A row that memory lacks comes into memory, as the version that everybody sees. *found
 * false: there is no such row. Not inside a guard. */
kdk_status row_load(struct txn *txn, struct table *table, rowid id, bool *found,
                    struct err *err) KDK_MUST_CHECK;
/* A record all of whose columns are as below; NULL: no memory. */
struct record *record_absent(const struct layout *layout, uint64_t header);

/* The strip of the generation that has `id` as a base row, with a reference, or NULL. */
kdk_status strip_locate(struct disk *disk, struct generation *generation,
                        struct gtable *gtable, rowid id, struct strip_entry **out,
                        uint32_t *position, struct err *err) KDK_MUST_CHECK;
/* The columns that a strip may have: one more than the number of its last one. */
uint32_t strip_columns(const struct strip_entry *entry);
/* The strip that may hold `id`, or NULL; its number in the directory. */
struct strip_entry *directory_find(const struct directory *directory, rowid id,
                                   uint32_t *at);

/* Every row that the statement sees, by id: memory and below. */
struct row_walk {
    struct txn *txn;
    struct table *table;
    struct generation *generation;
    struct gtable *gtable;
    struct directory *directory;
    bool own_directory; /* Made for this walk. */
    rowid next, end;    /* Ids to look at. */
    struct image image; /* Of the row; strings valid until the next step. */
    struct btree_cursor cursor;
    bool positioned;
    uint32_t strip;                 /* In the directory. */
    const struct strip_data **data; /* Of the strip `data_strip`, by column of its entry. */
    uint32_t data_strip, data_count;
    struct buf text;    /* Strings of the row tree's record. */
    struct arena arena; /* Of a patched row. */
    bool hot;           /* The row came from memory. */
    bool below_only;    /* The generation alone, neither memory nor loads. */
};
kdk_status row_walk_open(struct row_walk *walk, struct txn *txn, struct table *table,
                         bool below_only, struct err *err) KDK_MUST_CHECK;
/* 0: the end */
kdk_status row_walk_next(struct row_walk *walk, rowid *id, struct err *err) KDK_MUST_CHECK;
void row_walk_close(struct row_walk *walk);

/* Removes files that neither the manifest nor the log names. After recovery. */
kdk_status disk_sweep(struct disk *disk, struct err *err) KDK_MUST_CHECK;

/* The smallest id >= from with a record in memory, or `end`. Inside a guard. */
rowid rowmap_next(struct table *table, rowid from, rowid end);
/* The slot of an id, whose sub-page is made if need be. Inside a guard. */
kdk_status rowmap_slot(struct table *table, rowid id, struct group **group,
                       _Atomic uintptr_t **slot, struct err *err) KDK_MUST_CHECK;

/* Records and entries at or below the floor leave memory. */
void store_evict(struct store *store, uint64_t floor);

#endif
