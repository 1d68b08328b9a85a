/* memtree.h - the in-memory index tree: a B+ tree of (key bytes, row id, sequence) for many
 * readers and writers at once.
 *
 * Leaves hold fixed-size pairs {8 bytes of the key's beginning, pointer to the item}; items
 * belong to the caller. Readers take no latch: they read a node's words, then its version
 * again, and start over if it changed (optimistic lock coupling: Leis, Haubenschild,
 * Neumann, Optimistic Lock Coupling, IEEE Data Eng. Bull. 2019; we differ in keeping all
 * words atomic and in splitting full nodes on the way down). A writer locks at most a node
 * and its parent, for a few hundred instructions, never across I/O or an allocation.
 *
 * Invariants
 *   M1  All items of a node's child i are >= separator i-1 and < separator i.
 *   M2  A node is changed only under its lock; its version differs afterwards.
 *   M3  What a reader may hold (nodes, separators, items) is unlinked first and freed by
 *       the owner's deferred frees.
 *   M4  Levels: 0 is a leaf; every path has the same length. No leaf is empty, unless all
 *       are.
 * Threads  All calls but new, free and check from any thread, each inside a guard of the
 *          owner's deferred frees.
 */
#ifndef KDK_TREE_MEMTREE_H
#define KDK_TREE_MEMTREE_H

#include <stdatomic.h>
#include "base/base.h"

struct memtree;

/* What the tree orders: by key bytes, then id, then seq; no two are equal. Immutable while
 * in the tree. */
struct memtree_item {
    uint64_t id;
    uint64_t seq;
    uint32_t bytes;
    uint8_t key[];
};
/* A place between items. */
struct memtree_probe {
    const uint8_t *key;
    uint32_t bytes;
    bool after; /* Behind every item whose key starts with `key`, whatever id and seq. */
    uint64_t id, seq;
};

/* Begins every block of memory that the tree gives away: the owner may use `link` as it
 * likes and calls mem_free() on the block when no guard can see it any more. */
struct memtree_block {
    uint64_t link[4];
};
typedef void (*memtree_retire_fn)(void *context, struct memtree_block *block);

kdk_status memtree_new(memtree_retire_fn retire, void *context, struct memtree **out,
                       struct err *err) KDK_MUST_CHECK;
/* Nobody uses it any more. Calls `each` (may be NULL) for the items that are left. Accepts
 * NULL. */
void memtree_free(struct memtree *tree,
                  void (*each)(void *context, const struct memtree_item *item),
                  void *context);
/* KDK_NOMEM leaves no trace. The item stays where it is until it is removed. */
kdk_status memtree_insert(struct memtree *tree, const struct memtree_item *item,
                          struct err *err) KDK_MUST_CHECK;
/* Takes out this very item; false if it is not there. The caller retires it. */
bool memtree_remove(struct memtree *tree, const struct memtree_item *item);
/* Up to `max` items from the probe on, ascending (those >= probe) or descending (those <
 * probe). Fewer than `max`: the end. They are valid as long as the guard. */
uint32_t memtree_scan(struct memtree *tree, const struct memtree_probe *from,
                      bool backwards, const struct memtree_item **out, uint32_t max);
uint64_t memtree_count(const struct memtree *tree);
int memtree_compare(const struct memtree_item *a, const struct memtree_item *b);
/* M1, M4 and the order of items; nobody else uses it. "", or what is wrong. */
const char *memtree_check(const struct memtree *tree);

#endif
