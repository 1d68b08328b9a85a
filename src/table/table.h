/* table.h - tables: rows, versions, indexes, constraints of storage, scans, checkpoints.
 *
 * A database's storage is a `struct store`: tables that know columns by number and types,
 * indexes that know key columns; neither knows a name. A row has a 64-bit row id, never
 * changed and never reused. It is in memory (a hot record with undo chain), in the table's
 * persistent row tree, or in a strip of a block file, with at most one PATCH or DELETE
 * record above; readers see none of that.
 *
 * Snapshot rules
 *   A statement reads the committed state at its transaction's snapshot plus what earlier
 *   commands of its own transaction did, never its own command's writes. First updater
 *   wins: touching a row that somebody else changed since is KDK_SERIALIZATION.
 * Threads  A transaction is used by one thread at a time, but scans of one statement may
 *          run on several workers at once (they only read). Tables and indexes: any thread.
 */
#ifndef KDK_TABLE_TABLE_H
#define KDK_TABLE_TABLE_H

#include "txn/txn.h"
#include "vec/vec.h"

struct os;
struct sched;
struct broker;
struct store;
struct table;
struct index;

typedef uint64_t rowid; /* From 1; 0 is none. */

/* ------------------------------------------------------------------ store ---- */

struct store_options {
    struct os *os;
    const char *dir;       /* The database's directory, or NULL for :memory:. */
    struct sched *sched;   /* For background work; borrowed. NULL: none. */
    struct broker *broker; /* Memory limit; borrowed. NULL: none. */
    bool create;           /* Make the directory if it is missing. */
    bool read_only;
    /* Commits from this timestamp on are left out of the replay, and nothing is written; 0:
     * none are. */
    uint64_t replay_before;
    uint64_t checkpoint_log_bytes; /* 0: CHECKPOINT_LOG_BYTES */
    uint64_t bulk_load_rows;       /* 0: BULK_LOAD_ROWS */
    /* Of a new log; a multiple of 512. 0: WAL_SEGMENT_BYTES */
    uint64_t log_segment_bytes;
    /* With two threads of its own, from store_recovered() to store_close(): one makes
     * checkpoints when the log is long, one keeps the log (segments made ahead, an idle log
     * is vouched for). Else the committing threads do so, and nobody vouches for an idle
     * log. */
    bool upkeep;
};
/* What open found, to be reported to the user. */
struct store_report {
    bool created;
    uint64_t log_bytes_replayed;
    uint64_t log_bytes_cut; /* Torn tail. */
    uint64_t log_cut_lsn;
    /* A slot of the MANIFEST was written and is not valid (torn, or damaged): the other one
     * was taken. */
    bool slot_lost;
    uint64_t replay_failed; /* As of store_replay_failed(), when store_open() failed. */
    /* Opened read-only at the last good commit; `err` of store_open says where. */
    bool damaged;
};
/* KDK_BUSY when another process owns the directory, naming its pid. */
kdk_status store_open(const struct store_options *options, struct store **out,
                      struct store_report *report, struct err *err) KDK_MUST_CHECK;
/* Ends all, without a checkpoint unless `checkpoint`. Transactions must have ended. Accepts
 * NULL. */
kdk_status store_close(struct store *store, bool checkpoint, struct err *err);
/* The timestamp of the commit in the log that could not be applied (KDK_CORRUPT) by
 * store_open(), by table_attach() or by table_index_attach(); 0: none. Opened with
 * replay_before set to it, the database is the one of the last good commit. */
uint64_t store_replay_failed(const struct store *store);
/* All tables there are have been attached: what the log has of others is forgotten, and
 * files that nothing names are removed. */
kdk_status store_recovered(struct store *store, struct err *err) KDK_MUST_CHECK;
struct txnman *store_txnman(struct store *store);
/* What may be changed while the database is in use, by any thread; 0: the default. In force
 * from the next statement, or commit. */
enum store_limit { STORE_BULK_LOAD_ROWS, STORE_CHECKPOINT_LOG_BYTES, STORE_LIMIT_COUNT };
#define STORE_LIMIT_MAX (1ull << 60)
/* What is above STORE_LIMIT_MAX is that. */
void store_set_limit(struct store *store, enum store_limit limit, uint64_t value);
uint64_t store_limit(const struct store *store, enum store_limit limit);
/* The broker's limit was changed: the strip cache takes its share of the new one. One call
 * at a time. */
void store_memory_changed(struct store *store);
bool store_is_new(const struct store *store); /* Nothing was ever committed in it. */
/* Object ids for the catalog: never reused. From 1000. */
uint64_t store_new_id(struct store *store);

/* ------------------------------------------------------- tables and indexes ---- */

struct tcolumn {
    struct ltype type;
    bool not_null;
    bool dropped; /* Keeps its place; reads as NULL. */
    /* What rows made before this column read: its constant DEFAULT, or NULL. */
    struct datum missing;
};
struct tindex {
    uint32_t id; /* From store_new_id(): never used twice in a table. */
    bool unique;
    uint32_t column_count;
    uint32_t columns[32]; /* Column numbers. */
    bool descending[32];
    bool nulls_first[32];
};

/* Makes the storage of a table; visible to others when `txn` commits (through the catalog),
 * gone if it rolls back. */
kdk_status table_create(struct txn *txn, struct store *store, uint32_t id,
                        const struct tcolumn *columns, uint32_t column_count,
                        struct table **out, struct err *err) KDK_MUST_CHECK;
/* At open, from the catalog: the storage that is there already. */
kdk_status table_attach(struct store *store, uint32_t id, const struct tcolumn *columns,
                        uint32_t column_count, struct table **out,
                        struct err *err) KDK_MUST_CHECK;
kdk_status table_drop(struct txn *txn, struct table *table, struct err *err) KDK_MUST_CHECK;
/* Columns as they are to be: those that were there keep their numbers (some may be dropped
 * now), new ones follow. KDK_SERIALIZATION when others have uncommitted writes in the
 * table. */
kdk_status table_alter(struct txn *txn, struct table *table, const struct tcolumn *columns,
                       uint32_t column_count, struct err *err) KDK_MUST_CHECK;
/* Adds an index and fills it from the rows as of now; 23505 if `unique` cannot be. Writers
 * in flight: KDK_SERIALIZATION. */
kdk_status table_index_create(struct txn *txn, struct table *table,
                              const struct tindex *def, struct err *err) KDK_MUST_CHECK;
kdk_status table_index_attach(struct table *table, const struct tindex *def,
                              struct err *err) KDK_MUST_CHECK;
kdk_status table_index_drop(struct txn *txn, struct table *table, uint32_t index_id,
                            struct err *err) KDK_MUST_CHECK;

/* Columns of the newest layout, dropped ones included, and their types. */
uint32_t table_column_count(const struct table *table);
struct ltype table_column_type(const struct table *table, uint32_t column);
/* The definition of a column of the newest layout. A string in `missing` stays as long as
 * the table. */
void table_column_definition(const struct table *table, uint32_t column,
                             struct tcolumn *out);

/* Names for messages of unique and not-null violations: storage knows none. Set once, by
 * the catalog. They are copied, and cut, to `room`: whoever changes a definition meanwhile
 * frees the old ones. False: there is no such thing, or no more. */
#define TABLE_NAME_ROOM 256
struct table_names {
    bool (*table)(void *context, uint32_t table_id, char room[TABLE_NAME_ROOM]);
    bool (*column)(void *context, uint32_t table_id, uint32_t column,
                   char room[TABLE_NAME_ROOM]);
    bool (*index)(void *context, uint32_t index_id, char room[TABLE_NAME_ROOM]);
    void *context;
};
void store_set_names(struct store *store, const struct table_names *names);

/* --------------------------------------------------------------- single rows ---- */

/* After an error of a function that writes, the transaction can only be rolled back:
 * txn_commit() does that and says KDK_IN_FAILED_TXN. */

/* `values`: one for each column of the newest layout (dropped ones NULL), of exactly the
 * column's type; copied. NOT NULL is checked here (23502). Uniqueness is checked by
 * table_statement_end(). */
kdk_status table_insert(struct txn *txn, struct table *table, const struct datum *values,
                        rowid *out, struct err *err) KDK_MUST_CHECK;
/* The selected rows of a batch whose columns are the table's, in order. `ids` (NULL or
 * sel.count) receives the row ids. */
kdk_status table_insert_batch(struct txn *txn, struct table *table, struct batch *batch,
                              rowid *ids, struct err *err) KDK_MUST_CHECK;
/* Changes `count` columns. Old values of indexed columns are read by itself.
 * KDK_SERIALIZATION; a row that this command changed already: no change, *changed false. */
kdk_status table_update(struct txn *txn, struct table *table, rowid id,
                        const uint32_t *columns, const struct datum *values, uint32_t count,
                        bool *changed, struct err *err) KDK_MUST_CHECK;
kdk_status table_delete(struct txn *txn, struct table *table, rowid id, bool *changed,
                        struct err *err) KDK_MUST_CHECK;
/* The row as the statement sees it: *found false if it does not. Long strings lie in
 * `arena`, or in the row: valid until the transaction ends. */
kdk_status table_get(struct txn *txn, struct table *table, rowid id,
                     const uint32_t *columns, uint32_t count, struct datum *out,
                     bool *found, struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* After the last write of a statement: unique constraints against the newest committed
 * state (23505, 40001). */
kdk_status table_statement_end(struct txn *txn, struct err *err) KDK_MUST_CHECK;

/* ------------------------------------------------------------------- indexes ---- */

/* Walks an index in key order (or backwards) between two encoded keys (vec/key_add with the
 * index's directions; prefixes of the key are fine): lower <= key, key <= upper as bytes,
 * where a key that starts with `upper` counts as equal. NULL: open end. Exact: yields each
 * row that the statement sees once, under the key that the version it sees has; so
 * conditions that the bounds express need no second test, and the key may stand for its
 * columns. A snapshot has a unique key once; beside it the transaction itself may have
 * placed the key on another row after others gave it up since, so do not stop after the
 * first. The cursor lives until index_close(); key bytes it shows until the next step. */
struct index_cursor;
kdk_status index_open(struct txn *txn, struct table *table, uint32_t index_id,
                      const void *lower, size_t lower_bytes, const void *upper,
                      size_t upper_bytes, bool backwards, struct arena *arena,
                      struct index_cursor **out, struct err *err) KDK_MUST_CHECK;
/* *id = 0 at the end. `key` may be NULL. */
kdk_status index_next(struct index_cursor *cursor, rowid *id, const uint8_t **key,
                      size_t *key_bytes, struct err *err) KDK_MUST_CHECK;
void index_close(struct index_cursor *cursor);
/* A prepared point read without allocation: up to `max` ids of rows that the statement sees
 * with exactly this (whole) key; *count > max means: use a cursor. */
kdk_status index_point(struct txn *txn, struct table *table, uint32_t index_id,
                       const void *key, size_t key_bytes, rowid *ids, uint32_t max,
                       uint32_t *count, struct err *err) KDK_MUST_CHECK;

/* --------------------------------------------------------------------- scans ---- */

enum scan_op { SCAN_EQ, SCAN_LT, SCAN_LE, SCAN_GT, SCAN_GE, SCAN_IS_NULL, SCAN_NOT_NULL };
/* `column op value`: rows that do not satisfy it may be left out, or not. The value has the
 * column's type and is not NULL. */
struct scan_prune {
    uint32_t column;
    enum scan_op op;
    struct datum value;
};

/* A scan is shared by the workers of a statement; each has a reader. Units are handed out
 * until there are none. Order of rows: none is promised (of a strip, those that changed
 * since it was written come first). */
struct table_scan;
struct scan_reader;
/* `columns`: column numbers; SCAN_ROWID for the row id (BIGINT). The batch has them in this
 * order. */
#define SCAN_ROWID UINT32_MAX
kdk_status table_scan_open(struct txn *txn, struct table *table, const uint32_t *columns,
                           uint32_t count, const struct scan_prune *prunes,
                           uint32_t prune_count, struct arena *arena,
                           struct table_scan **out, struct err *err) KDK_MUST_CHECK;
void table_scan_close(struct table_scan *scan);
kdk_status scan_reader_new(struct table_scan *scan, struct arena *arena,
                           struct scan_reader **out, struct err *err) KDK_MUST_CHECK;
/* Fills `batch` (made by batch_init with the columns' types; vectors may come narrower or
 * in dictionary form, and may point into pinned memory until the next call): *more false
 * when the scan is exhausted for this reader, and then the batch is empty. */
kdk_status scan_reader_next(struct scan_reader *reader, struct batch *batch, bool *more,
                            struct err *err) KDK_MUST_CHECK;
void scan_reader_free(struct scan_reader *reader);
/* Units left to hand out: how many workers are worth starting. */
uint32_t table_scan_units(const struct table_scan *scan);

/* ---------------------------------------------------------------- statistics ---- */

uint64_t table_row_count(struct table *table); /* Estimate: committed rows. */
/* Changes when proofs taken from bounds may no longer hold. */
uint64_t table_epoch(struct table *table);
/* Conservative bounds over all versions anybody may see; false when unknown (no rows, text,
 * float). */
bool table_column_bounds(struct table *table, uint32_t column, int128 *lo, int128 *hi);
/* Estimate; 0: unknown. */
uint64_t table_column_distinct(struct table *table, uint32_t column);

/* ---------------------------------------------------------------- checkpoint ---- */

/* Pours what is recent into a new generation. With `freeze`, every committed row of `table`
 * (NULL: of all tables) becomes columnar, every overlay is merged, and two manifests are
 * written. :memory: does nothing. */
kdk_status store_checkpoint(struct store *store, bool freeze, struct table *table,
                            struct err *err) KDK_MUST_CHECK;
/* Of checkpoints that nobody asked for, how many failed since opening: one atomic load. */
uint64_t store_checkpoint_failures(const struct store *store);
/* Why the newest of them failed: KDK_OK if it did not. The log keeps what it should have
 * poured, so nothing is lost. */
kdk_status store_checkpoint_failure(struct store *store, struct err *err);
/* A file of the database. */
struct store_file {
    const char *path;
    uint64_t bytes;
    bool is_log; /* A segment of the log, or a spare one; what follows is 0. */
    /* The newest generation names it. Others wait for snapshots, or for the next
     * checkpoint. */
    bool live;
    uint64_t number; /* Of a block file. */
    uint32_t table;
    uint64_t rows, strips;
    /* Rows of it that are changed or gone since, as of the last checkpoint. */
    uint64_t hidden;
};
/* Calls `each` for block files, by number as the system lists them, and for the log's. */
kdk_status store_files(struct store *store,
                       kdk_status (*each)(void *context, const struct store_file *file,
                                          struct err *err),
                       void *context, struct err *err) KDK_MUST_CHECK;
/* Walks everything and calls `report` for each damage found; KDK_OK when it could walk at
 * all. */
kdk_status store_check(struct store *store, void (*report)(void *context, const char *line),
                       void *context, uint64_t *problems, struct err *err) KDK_MUST_CHECK;

#endif
