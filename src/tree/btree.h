/* btree.h - the persistent B+ tree: sorted byte strings in immutable pages, changed in
 * batches by copying.
 *
 * A tree is a root, 24 bytes that the caller keeps. Changing it takes a sorted batch and
 * gives a new root; the old one remains readable until its pages are released. The batch
 * runs through the tree from left to right as one stream: on each level a builder collects
 * cells and cuts them into pages. Subtrees that no change falls into are passed on unread,
 * unless what was collected before them is too little for a page; then the next one is
 * opened and joined. Building a tree from nothing is the same with no old tree. So each
 * page of the result is written once, with balanced neighbours, in memory of some pages per
 * level.
 *
 * Invariants
 *   B1  Keys ascend bytewise, a shorter one before those that it begins. A child's keys are
 *       >= its cell's key and < the next cell's.
 *   B2  All leaves are on level 0; a page's level is its parent's - 1; an inner page has at
 *       least two children.
 *   B3  No page but a root is less than a third full (first keys of inner pages counted).
 *   B4  The root's count is that of the entries.
 * Rejected    Sibling links: copying a page would mean copying its neighbours. Keys
 *             compressed by prefix: a cursor hands out keys where they lie.
 * Source      Copy-on-write B-trees: O. Rodeh, B-trees, Shadowing, and Clones, ACM TOS
 *             3(4), 2008; separators are cut as in Bayer and Unterauer, Prefix B-Trees, ACM
 *             TODS 2(1), 1977.
 */
#ifndef KDK_TREE_BTREE_H
#define KDK_TREE_BTREE_H

#include "base/buf.h"
#include "tree/pagestore.h"

#define BTREE_HEIGHT_MAX 40 /* Two children a node at the least: no file is that large. */

struct btree_root {
    struct page_ref top; /* Nothing when height is 0. */
    uint32_t height;     /* Levels; 0: no entries. A zeroed root is an empty tree. */
    uint64_t count;      /* Entries. */
};
#define BTREE_ROOT_BYTES 24
void btree_root_encode(const struct btree_root *root, uint8_t into[BTREE_ROOT_BYTES]);
void btree_root_decode(struct btree_root *root, const uint8_t from[BTREE_ROOT_BYTES]);

/* Bytewise; negative, 0, positive. */
int btree_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* ---- Changing ---- */
struct btree_change {
    const void *key;
    uint32_t key_bytes;   /* 0 to TREE_KEY_BYTES_MAX, else KDK_LIMIT (54000). */
    bool erase;           /* Removes the entry if there is one; else inserts or replaces. */
    const void *value;    /* May be NULL when empty. */
    uint32_t value_bytes; /* Up to VALUE_BYTES_MAX. */
};
/* Sorted changes, keys strictly ascending (else KDK_INTERNAL). */
struct btree_feed {
    /* Sets *more to false at the end, else *out, which is borrowed until the next call. */
    kdk_status (*next)(void *context, struct btree_change *out, bool *more,
                       struct err *err);
    void *context;
};
/* Applies the feed to the tree `old`, whose pages are in sink->file; *out is the new tree
 * (may be the same object as *old; untouched on failure). After a failure the caller aborts
 * the pour. What this pour itself wrote may be written over at once: the feed must not read
 * from `old` if this pour made it. Errors: what the feed and the sink say; NOMEM; LIMIT;
 * CORRUPT; IO; FULL. */
kdk_status btree_apply(struct page_sink *sink, const struct btree_root *old,
                       const struct btree_feed *feed, struct btree_root *out,
                       struct err *err) KDK_MUST_CHECK;
/* A tree of the feed's entries (erasing is nothing), pages nine tenths full. */
kdk_status btree_build(struct page_sink *sink, const struct btree_feed *feed,
                       struct btree_root *out, struct err *err) KDK_MUST_CHECK;
/* Discards every page of the tree (DROP, TRUNCATE). Reads all but the bytes of long
 * values. */
kdk_status btree_drop(struct page_sink *sink, const struct btree_root *root,
                      struct err *err) KDK_MUST_CHECK;

/* ---- Reading: any number of threads ---- */
/* *found, and the value appended to `value` (may be NULL: only whether it is there). */
kdk_status btree_get(struct page_file *file, const struct btree_root *root, const void *key,
                     size_t key_bytes, struct buf *value, bool *found,
                     struct err *err) KDK_MUST_CHECK;

/* A position in one tree: on an entry, before all, or after all. Pins the pages from the
 * root to its leaf. One thread at a time. */
struct btree_cursor {
    struct page_file *file;
    struct btree_root root;
    struct page_frame *path[BTREE_HEIGHT_MAX]; /* [0] is the leaf. */
    uint32_t index[BTREE_HEIGHT_MAX];
    /* On an entry; then the next four are set, borrowed until it moves. */
    bool valid;
    bool after; /* Not valid: behind the last (else before the first). */
    const uint8_t *key;
    uint32_t key_bytes;
    uint32_t value_bytes;
    const uint8_t *value; /* NULL for a long value: btree_cursor_value(). */
    struct buf long_value;
};
/* Before the first entry. */
void btree_cursor_init(struct btree_cursor *cursor, struct page_file *file,
                       const struct btree_root *root);
void btree_cursor_deinit(struct btree_cursor *cursor); /* Unpins. A zeroed one is fine. */
/* To the first entry >= key, or after all. The key must not be the cursor's own, which the
 * move gives back. */
kdk_status btree_cursor_seek(struct btree_cursor *cursor, const void *key, size_t key_bytes,
                             struct err *err) KDK_MUST_CHECK;
kdk_status btree_cursor_first(struct btree_cursor *cursor, struct err *err) KDK_MUST_CHECK;
kdk_status btree_cursor_last(struct btree_cursor *cursor, struct err *err) KDK_MUST_CHECK;
/* One on; from before all to the first, from the last to after all. After a failure the
 * cursor is before all. */
kdk_status btree_cursor_next(struct btree_cursor *cursor, struct err *err) KDK_MUST_CHECK;
kdk_status btree_cursor_prev(struct btree_cursor *cursor, struct err *err) KDK_MUST_CHECK;
/* The value of the entry it is on, borrowed until it moves. */
kdk_status btree_cursor_value(struct btree_cursor *cursor, const uint8_t **value,
                              struct err *err) KDK_MUST_CHECK;

/* ---- Checking ---- */
struct btree_stats {
    uint64_t entries, leaves, inner_pages, overflow_pages;
    uint64_t bytes_used;      /* Of leaves and inner pages. */
    uint64_t pages_underfull; /* Less than a third, the root excepted. */
};
/* Walks all: B1, B2, B4, checksums, long values. CORRUPT tells of the first thing that is
 * wrong. Adds each page to `pages` (may be NULL), which finds pages that two places name,
 * and adds to *stats (may be NULL). */
kdk_status btree_check(struct page_file *file, const struct btree_root *root,
                       struct page_set *pages, struct btree_stats *stats,
                       struct err *err) KDK_MUST_CHECK;

#endif
