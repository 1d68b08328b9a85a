/* entries.h - index entries that are not in memory: of trees, of runs, and of strips in key
 * order, read through one cursor.
 *
 * A strip whose rows ascend by (key of an index, row id) needs no entries in a tree: it is
 * found by its first one, its *fence*, and searched. The strips that an index has in this
 * way are a *sequence*: their ranges of (key, row id) are disjoint, so the last fence at or
 * before an entry names the one strip that may hold it. A generation has for each index a
 * tree of entries, a tree of fences, and a tree of those entries of the sequence that hold
 * no longer: what is gone.
 *
 * Invariants
 *   E1  Fences are (key, row id) of the first row of a strip; the strip is found by the row
 *       id. In the order of fences, all entries of a strip come before the next fence.
 *   E2  The entries of an index in a generation are those of its tree, and those of its
 *       sequence that are not in `gone`. None is in both; what is in `gone` is in the
 *       sequence. It stays there as long as the strip: whether a row changed back is told
 *       by taking it out.
 *   E3  A load has for each index entries in one run, fences in another, or both; nothing
 *       of it is gone.
 * Threads  A source may be read by any number of cursors; a cursor has one owner.
 */
#ifndef KDK_TABLE_ENTRIES_H
#define KDK_TABLE_ENTRIES_H

#include "table/disk.h"

struct load;

/* The keys of one strip. Pins its columns. */
struct strip_keys {
    struct index *index;
    struct strip_entry *entry; /* With a reference; NULL: closed. */
    uint32_t count;
    const struct layout *layout;
    const struct strip_data *data[32];
};
/* Takes no reference of the caller's. KDK_CORRUPT if the strip lacks a column of the
 * index. */
kdk_status strip_keys_open(struct strip_keys *keys, struct generation *generation,
                           struct index *index, struct strip_entry *entry,
                           enum strip_use use, struct err *err) KDK_MUST_CHECK;
void strip_keys_close(struct strip_keys *keys); /* A zeroed one is fine. */
/* (key, row id) of the row at a position. */
kdk_status strip_keys_at(const struct strip_keys *keys, uint32_t position, struct buf *out,
                         bool *has_null, struct err *err) KDK_MUST_CHECK;

/* Where entries of an index are that memory does not have. */
struct index_source {
    struct page_file *file;
    const struct btree_root *root; /* Of entries, or of fences. */
    struct load *load;             /* NULL: the generation. With a reference. */
    bool fences;
    const struct btree_root *gone; /* Of fences of a generation; NULL: nothing is. */
    struct generation *generation;
    struct index *index;
};

/* A position among the entries of a source: on one, before all, or after all. As struct
 * btree_cursor. */
struct entry_cursor {
    const struct index_source *source;
    struct btree_cursor at; /* In the tree. */
    bool valid;
    /* A column of the key is NULL: told by runs and strips, not by the trees of a
     * generation. */
    bool has_null;
    const uint8_t *key; /* (key, row id), borrowed until it moves. */
    uint32_t key_bytes;
    bool raw; /* What is gone counts as well. */
    /* Of fences. */
    struct strip_keys strip;
    uint32_t position;
    struct buf room;
};
/* Before the first. The source is borrowed. */
void entries_init(struct entry_cursor *cursor, const struct index_source *source);
/* A zeroed one is fine. */
void entries_deinit(struct entry_cursor *cursor);
/* To the first entry >= (key, row id), of which the key may be a beginning, or after all.
 * The key must not be the cursor's own. */
kdk_status entries_seek(struct entry_cursor *cursor, const void *key, size_t bytes,
                        struct err *err) KDK_MUST_CHECK;
kdk_status entries_first(struct entry_cursor *cursor, struct err *err) KDK_MUST_CHECK;
kdk_status entries_last(struct entry_cursor *cursor, struct err *err) KDK_MUST_CHECK;
kdk_status entries_next(struct entry_cursor *cursor, struct err *err) KDK_MUST_CHECK;
/* From behind all to the last. */
kdk_status entries_prev(struct entry_cursor *cursor, struct err *err) KDK_MUST_CHECK;
/* Whether a sequence has the entry, gone or not. */
kdk_status entries_have(const struct index_source *source, const void *key, size_t bytes,
                        bool *out, struct err *err) KDK_MUST_CHECK;
/* Whether strips with entries first .. last may be put between those of the source without
 * breaking E1. */
kdk_status entries_gap(const struct index_source *source, const void *first,
                       size_t first_bytes, const void *last, size_t last_bytes, bool *out,
                       struct err *err) KDK_MUST_CHECK;

#define INDEX_SOURCES_ROOM 4u
struct index_sources {
    struct index_source room[INDEX_SOURCES_ROOM], *all;
    uint32_t count, cap;
};
/* Those that count for the reader; `newest`: every load that the generation lacks, in
 * flight or not. Not inside a guard. */
kdk_status index_sources_open(struct txn *txn, struct index *index, bool newest,
                              struct index_sources *out, struct err *err) KDK_MUST_CHECK;
void index_sources_close(struct index_sources *sources); /* A zeroed one is fine. */

#endif
