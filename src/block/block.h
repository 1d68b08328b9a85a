/* block.h - columns at rest: block files made of strips, their directory entries, and the
 * cache that reads them.
 *
 * Settled rows lie in immutable Arrow IPC files. A strip is up to STRIP_ROWS rows in row-id
 * order, one record batch; it is the unit of compression, checksums, zone maps, pruning,
 * and (with a column) of the cache. A file is up to FILE_STRIPS strips and is replaced as a
 * whole; no file ever holds a row twice. Outside programs open the files as they are.
 *
 * What is needed to read a strip (place and checksum of each buffer, row ids, zone maps) is
 * its directory entry, which the checkpoint keeps in the meta tree. The file says the same
 * as text in its footer, so that it stands alone and the directory can be rebuilt; a reader
 * that has the entry touches nothing of the file but the buffers it wants.
 *
 * Invariants
 *   B1  Row ids ascend strictly within a strip, from strip to strip of a file, and between
 *       the files of one writer.
 *   B2  A file is complete and durable (file and directory synced) before its entries are
 *       given out.
 *   B3  Each buffer has a CRC-32C over its bytes as stored, in the entry and in the footer;
 *       nothing is decoded unverified.
 *   B4  A zone map holds for every value of its strip: it may be too wide (cut text), never
 *       too narrow. Widths are derived from it, and narrowing checks each value against it.
 *   B5  Codes of a column's dictionary are never changed or reused. The dictionary that a
 *       file embeds is a prefix of it.
 *   B6  Columns are known by number, which is never reused. A column that a strip does not
 *       have was added later.
 *
 * Format (version 1): an Arrow IPC file, "NNNNNNNN.arrow", NNNNNNNN being the file's
 * number.
 *   field      metadata kodiak.column = number, kodiak.type = "id precision scale fixed
 *              length" of struct ltype
 *   strip      one record batch; buffers compressed one by one (LZ4 frame of independent 64
 *              KiB blocks, or ZSTD), raw when that saves less than a fifth; TEXT utf8 or
 *              dictionary<int32, utf8>, BYTEA likewise, NUMERIC decimal32, decimal64 or
 *              decimal128 by its precision, TIMESTAMP timestamp[us], the rest as named
 *   dictionary one batch for each dictionary column, after the strips: codes 0.. that the
 *   file needs
 *   footer     custom metadata: kodiak.format = 1, kodiak.table, kodiak.file, kodiak.strips
 *              = how many, kodiak.strip.0 ...: entries as text (see entry.c),
 *              kodiak.dictionary.N = "entries offset bytes crc ..." of column N's
 *              dictionary buffers, kodiak.crc = CRC-32C of all of these and of the fields'
 *              names, numbers and types
 *
 * Threads   A writer has one owner. Entries are immutable. Dictionaries and the cache are
 *           for all threads.
 * Failure   Damage is KDK_CORRUPT and names file and offset. A writer that failed removes
 *           the file it was at.
 */
#ifndef KDK_BLOCK_BLOCK_H
#define KDK_BLOCK_BLOCK_H

#include <stdatomic.h>
#include "arrow/arrow_ipc.h"
#include "os/os.h"
#include "vec/vec.h"

struct broker;
struct buf;

/* ----------------------------------------------------------- dictionaries ---- */

/* The values of one TEXT or BYTEA column by code, from 0, append-only. New codes must be
 * durable (logged) before anything that refers to a file that uses them: remember
 * dict_count() before, and export from there. */
struct dict;
/* `id` is what vectors show as dict_id: not 0, and never used for another dictionary. */
kdk_status dict_new(uint64_t id, struct ltype type, struct dict **out,
                    struct err *err) KDK_MUST_CHECK;
/* Accepts NULL. Nobody uses it or a vector made of it any more. */
void dict_free(struct dict *dict);
uint64_t dict_id(const struct dict *dict);
uint32_t dict_count(const struct dict *dict);
size_t dict_bytes(const struct dict *dict); /* Memory it takes. */
/* True once a value found no room (DICT_ENTRIES_MAX): new files hold the column plain. */
bool dict_full(const struct dict *dict);
int32_t dict_find(struct dict *dict, struct str value); /* Its code, or -1. */
/* Finds or adds; *code is -1 when the dictionary is full. The value is copied. */
kdk_status dict_add(struct dict *dict, struct str value, int32_t *code,
                    struct err *err) KDK_MUST_CHECK;
/* The value of a code below dict_count(). Borrowed for the dictionary's life. */
struct str dict_value(const struct dict *dict, uint32_t code);
/* Takes an exported entry in. Codes come in ascending order; one that is there already must
 * be the same value (replay may repeat itself): KDK_CORRUPT otherwise. */
kdk_status dict_import(struct dict *dict, uint32_t code, struct str value,
                       struct err *err) KDK_MUST_CHECK;
/* All values as a flat vector, for VF_DICT. Has at least the entries that dict_count()
 * counted before; stays as it is for the dictionary's life. */
struct vec *dict_values(const struct dict *dict);

/* ------------------------------------------------------ zone maps, sketches ---- */

#define ZONE_TEXT_BYTES 24u /* Bounds of strings are cut here. */

struct zone {
    uint32_t null_count;
    bool known; /* min and max are there: some row is neither NULL nor NaN. */
    bool nan;   /* REAL, DOUBLE: some row is NaN, which is above max. */
    /* Strings: max is only how the greatest begins. min may be cut as well; it is a lower
     * bound all the same. */
    bool max_cut;
    struct datum min, max;
};
/* How many different values: HyperLogLog with 64 registers (error about 13 %). Mergeable
 * over strips and tables. Zeroed: none. */
struct sketch {
    uint8_t rank[64];
};
/* Hashes as datum_hash() and vec_hash() give. */
void sketch_add(struct sketch *sketch, uint64_t hash);
void sketch_merge(struct sketch *into, const struct sketch *from);
uint64_t sketch_estimate(const struct sketch *sketch);

enum zone_op {
    ZONE_EQ,
    ZONE_NE,
    ZONE_LT,
    ZONE_LE,
    ZONE_GT,
    ZONE_GE,
    ZONE_IS_NULL,
    ZONE_NOT_NULL
};
/* Whether some of `rows` rows may satisfy `column op value` as SQL compares (NaN greatest,
 * -0 = 0, NULL never). False is a proof. `value` has the type; NULL matches nothing.
 * Ignored for the last two operators. */
bool zone_may_match_zone(const struct zone *zone, uint32_t rows, struct ltype type,
                         enum zone_op op, const struct datum *value);

/* -------------------------------------------------------- directory entries ---- */

enum strip_form { /* How a column is stored. On disk: never renumbered. */
                  STRIP_BOOL = 0,
                  STRIP_I8 = 1,
                  STRIP_I16 = 2,
                  STRIP_I32 = 3,
                  STRIP_I64 = 4,
                  STRIP_I128 = 5,
                  STRIP_F32 = 6,
                  STRIP_F64 = 7,
                  STRIP_TEXT = 8, /* 32-bit offsets, bytes */
                  STRIP_CODE = 9, /* int32 codes */
                  STRIP_FORM_COUNT
};
struct strip_buffer {
    uint64_t offset; /* In the file, of the bytes as stored. */
    /* Length prefix included; 0: absent (validity without NULLs, or no bytes). */
    uint64_t stored_bytes;
    uint64_t decoded_bytes;
    uint32_t crc;         /* Of the bytes as stored. */
    uint8_t codec;        /* enum arrow_codec of the payload */
    uint8_t prefix_bytes; /* 8 or 0, before the payload. */
};
struct strip_column {
    uint32_t number;
    uint8_t form;                   /* enum strip_form */
    uint32_t dict_entries;          /* STRIP_CODE: all codes are below. */
    struct strip_buffer buffers[3]; /* validity; values, bits, codes or offsets; text */
    struct zone zone;
    struct sketch sketch;
};
/* Ids offset..offset+length of consecutive rows, of which the first is at `position`. */
struct strip_run {
    uint32_t offset; /* From `first`. */
    uint32_t position;
};
struct strip_entry {
    uint64_t file;
    uint32_t strip;       /* Record batch of the file, from 0. */
    uint32_t rows;        /* 1..STRIP_ROWS */
    uint64_t first, last; /* Row ids; last - first < 2^32 */
    uint64_t newest;      /* Timestamp: no row is newer (what the writer was told). */
    uint32_t run_count;   /* 1 without gaps. */
    uint32_t column_count;
    const struct strip_run *runs;
    const struct strip_column *columns; /* Ascending by number. */
    size_t memory_bytes;
    _Atomic uint32_t refs;
};
struct strip_entry *strip_entry_ref(struct strip_entry *entry); /* Accepts NULL. */
void strip_entry_unref(struct strip_entry *entry);              /* Accepts NULL. */
/* Appends the compact form. */
kdk_status strip_entry_encode(const struct strip_entry *entry, struct buf *out,
                              struct err *err) KDK_MUST_CHECK;
/* One reference, the caller's. KDK_CORRUPT on nonsense. */
kdk_status strip_entry_decode(const void *bytes, size_t count, struct strip_entry **out,
                              struct err *err) KDK_MUST_CHECK;
/* NULL: the strip is older than the column; its rows have the column's missing value. */
const struct strip_column *strip_entry_column(const struct strip_entry *entry,
                                              uint32_t number);
/* False if the strip has no such row. */
bool strip_entry_position(const struct strip_entry *entry, uint64_t id, uint32_t *position);
/* First row with an id >= this; `rows` if none. */
uint32_t strip_entry_lower(const struct strip_entry *entry, uint64_t id);
/* position < rows */
uint64_t strip_entry_id(const struct strip_entry *entry, uint32_t position);
/* Ids of rows from..from+count. */
void strip_entry_ids(const struct strip_entry *entry, uint32_t from, uint32_t count,
                     uint64_t *ids);
/* zone_may_match_zone() for a column; true if the strip does not have it. */
bool zone_may_match(const struct strip_entry *entry, uint32_t column, struct ltype type,
                    enum zone_op op, const struct datum *value);
/* Bounds of an integer, date, timestamp or numeric column; false if there are none. */
bool strip_entry_bounds(const struct strip_entry *entry, uint32_t column, struct ltype type,
                        int128 *lo, int128 *hi);

/* ---------------------------------------------------------------- writing ---- */

struct block_column {
    uint32_t number;
    struct ltype type;
    const char *name;  /* For outside readers only. Borrowed while the writer lives. */
    struct dict *dict; /* Strings: encode with it where that pays. NULL: plain. Borrowed. */
};
/* Which rows a strip gets, and in which order. Ids keep their order: the first row of the
 * strip gets the first id. */
struct strip_order {
    uint32_t rows; /* So many are at hand. */
    bool final;    /* All must be taken: no more come to this strip, or file. */
    /* In: rows. Out: how many the strip gets, 1 to rows; the others begin the next one. */
    uint32_t take;
    bool moved;      /* In: false. Out: `place` tells the order. */
    uint32_t *place; /* Room for `rows`: which row comes there, as a permutation. */
};
struct block_writer_options {
    struct os *os;
    const char *dir; /* The directory of block files; exists. Copied. */
    uint64_t table;  /* Only recorded. */
    uint64_t newest; /* Recorded in the entries: no row is newer than this timestamp. */
    enum arrow_codec codec;
    int level; /* Of the codec; 0: its default. */
    /* Ascending by number; at most TABLE_COLUMNS_MAX. Copied. */
    const struct block_column *columns;
    uint32_t column_count;
    uint32_t strip_rows, file_strips; /* 0: STRIP_ROWS, FILE_STRIPS; never more. */
    /* Asked for the number of each file as it begins. */
    kdk_status (*next_file)(void *context, uint64_t *number, struct err *err);
    /* May be NULL. Asked before a strip is made of the rows that were given since the last
     * one. */
    kdk_status (*strip)(void *context, struct strip_order *order, struct err *err);
    /* Given a file that is durable, and its entries, which the receiver refs if it keeps
     * them. */
    kdk_status (*done)(void *context, uint64_t number, uint64_t bytes,
                       struct strip_entry *const *entries, uint32_t count, struct err *err);
    void *context;
};
/* Writes rows into files, one after another. After a failure only free is allowed. */
struct block_writer;
kdk_status block_writer_new(const struct block_writer_options *options,
                            struct block_writer **out, struct err *err) KDK_MUST_CHECK;
/* The selected rows of a batch whose columns are the writer's, in any form but VF_LAZY, and
 * their ids (sel.count of them, ascending, above those before). Everything is copied. */
kdk_status block_writer_add(struct block_writer *writer, const uint64_t *ids,
                            const struct batch *batch, struct err *err) KDK_MUST_CHECK;
/* Ends the strip, or the file, so that the next row begins a new one. Without rows since
 * the last nothing happens. */
kdk_status block_writer_end_strip(struct block_writer *writer,
                                  struct err *err) KDK_MUST_CHECK;
kdk_status block_writer_end_file(struct block_writer *writer,
                                 struct err *err) KDK_MUST_CHECK;
/* Accepts NULL. A file that was not ended is removed. */
void block_writer_free(struct block_writer *writer);
/* "DIR/00000012.arrow" into `into`; KDK_LIMIT when it does not fit. */
kdk_status block_path(const char *dir, uint64_t number, char *into, size_t bytes,
                      struct err *err) KDK_MUST_CHECK;

/* ---------------------------------------------------------------- reading ---- */

struct block_cache_options {
    struct os *os;
    const char *dir;       /* Of the block files. Copied. */
    struct broker *broker; /* Charged for what is cached. NULL: only bytes_max limits. */
    uint64_t bytes_max;    /* 0: nothing is kept. */
    uint32_t files_max;    /* Files kept open; 0: 256. */
};
/* Totals since the cache was made. */
struct block_stats {
    /* Strip columns: what a point read may cost once for each column. */
    uint64_t columns_decoded;
    uint64_t buffers_decoded;
    uint64_t bytes_read; /* From files. */
    uint64_t bytes_decoded;
    uint64_t hits, misses, admitted, evicted;
    uint64_t bytes; /* Cached now. */
    uint64_t files_opened;
};
/* Decoded columns of strips, by (file, strip, column); and the open files. */
struct block_cache;
kdk_status block_cache_new(const struct block_cache_options *options,
                           struct block_cache **out, struct err *err) KDK_MUST_CHECK;
void block_cache_free(struct block_cache *cache); /* Accepts NULL. Nothing is pinned. */
void block_cache_stats(struct block_cache *cache, struct block_stats *out);
/* Forgets a file that was replaced: what is pinned stays valid until unpinned. Before the
 * file is removed. */
void block_cache_forget(struct block_cache *cache, uint64_t file);
/* From now on; what is cached beyond it goes, unless it is in use. One call at a time. */
void block_cache_set_bytes_max(struct block_cache *cache, uint64_t bytes);
/* How much it freed. */
uint64_t block_cache_shrink(struct block_cache *cache, uint64_t bytes);

/* A column of a strip, decoded: narrow integers, bits, floats, codes, or text. Immutable.
 * NULL rows hold zero or the empty string. */
struct strip_data {
    uint64_t file;
    uint32_t strip, column;
    struct ltype type;
    uint8_t width; /* enum vwidth of `data`; W_STR: text or codes */
    bool codes;    /* `data` is int32 codes of `dict`. */
    uint32_t rows;
    uint64_t *validity; /* NULL: no NULLs */
    void *data;         /* Values; bitmap; codes; text: uint32 offsets, rows + 1 of them */
    const char *text;
    struct dict *dict;
    size_t bytes;
    _Atomic uint32_t pins;
    /* The cache's, under its latch. */
    struct strip_data *chain, *newer, *older;
    _Atomic bool visited;
};
enum strip_use {
    STRIP_SCAN,  /* Kept from the second use on. */
    STRIP_POINT, /* Kept at once. */
};
/* Reads, verifies and decodes a column, or finds it. *out is NULL if the strip does not
 * have the column (B6); else it is pinned until strip_unpin(). `type` is the column's type
 * now: what was stored may be a narrower integer. `dict` is the column's, NULL if it has
 * none. KDK_CORRUPT, KDK_IO, KDK_NOMEM. Takes latches of rank CACHE. */
kdk_status strip_column(struct block_cache *cache, const struct strip_entry *entry,
                        uint32_t column, struct ltype type, struct dict *dict,
                        enum strip_use use, const struct strip_data **out,
                        struct err *err) KDK_MUST_CHECK;
void strip_unpin(const struct strip_data *data); /* Accepts NULL. */
/* Rows from..from+count (count <= BATCH_ROWS) as rows 0..count of `out`, a vector made by
 * vec_init() of the type. Points into `data` where it can; codes become VF_DICT. Text is
 * made into views in out's room: of the rows that `sel` (NULL: all) names, and the others
 * are empty. Valid while `data` is pinned and `out` is not reset. */
void strip_vec(const struct strip_data *data, uint32_t from, uint32_t count,
               const struct sel *sel, struct vec *out);
/* Strings point into `data`. */
struct datum strip_value(const struct strip_data *data, uint32_t row);

/* ------------------------------------------------- files without a directory ---- */

/* What a file says of itself. */
struct block_info {
    uint64_t table, file, bytes;
    uint32_t column_count, strip_count;
    struct block_info_column {
        uint32_t number;
        struct ltype type;
        char *name;
        bool dictionary;
    } * columns;
    struct strip_entry **strips;
};
/* Reads the footer of a file, and checks it against its own checksum. The caller
 * deinits. */
kdk_status block_file_scan(struct os *os, const char *dir, uint64_t number,
                           struct block_info *out, struct err *err) KDK_MUST_CHECK;
void block_info_deinit(struct block_info *info); /* A zeroed struct is an empty one. */
/* Reads a whole file and reports whatever is wrong: footer against messages, checksums,
 * values against zone maps, row ids, NULL counts, codes and embedded dictionaries.
 * `entries` (NULL: not compared) are those of the directory for this file. KDK_OK when it
 * could look at all. `report` gets one line for each problem, which names file and
 * offset. */
kdk_status block_check(struct os *os, const char *dir, uint64_t number,
                       struct strip_entry *const *entries, uint32_t entry_count,
                       void (*report)(void *context, const char *line), void *context,
                       uint64_t *problems, struct err *err) KDK_MUST_CHECK;

#endif
