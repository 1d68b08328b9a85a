/* pagestore.h - the page file of all persistent trees (trees/pages.kdt): which pages are
 * taken, and pours, which write new ones.
 *
 * A pour is what one checkpoint does to the page file. It takes free pages, writes them,
 * and notes which pages the new generation names no more; nothing that an older generation
 * names is touched. So until the caller's manifest names the new generation, nothing has
 * happened; a pour that fails (a full disk, a lack of memory) is aborted and the next one
 * begins where this one began.
 *
 * The order of a checkpoint:  pour_begin, btree_apply ..., pour_finish (pages and map
 * durable), the caller writes and syncs its manifest with the roots and the map's
 * reference, pour_commit. If writing the manifest was tried and failed, nobody knows
 * whether it is on disk: pour_abandon.
 *
 * Invariants
 *   S1  A page that any needed generation names is never written, given away, or cut off.
 *       Needed are those that the caller has not released.
 *   S2  A page that pour g discards was named by generations before g only, so it is free
 *       when all of those are released. The caller keeps both manifest slots' generations:
 *       released are those before min(older slot, oldest pinned).
 *   S3  The map on disk of generation g marks as taken all pages of g and those that g
 *       discarded, which g - 1 may need.
 *   S4  Three map files take turns, so that writing one leaves alone those that both slots
 *       of the manifest name.
 * Format      pages.kdt: page 0 is a header; see page.h. free.N: the list MAP_FIELDS in
 *             pagestore.c, `pages` bits (1: taken), padded to 8 bytes, then the numbers
 *             (u64) of the `discarded` pages. Its checksum is in the reference.
 * Threads     One pour at a time; its sink may be used by several threads. release, stats
 *             from any thread. Readers use page.h alone.
 * Failure     A failed sync aborts the pour and does not poison the file: what the next
 *             pour names is either durable since an earlier pour, or is written again after
 *             the failure.
 */
#ifndef KDK_TREE_PAGESTORE_H
#define KDK_TREE_PAGESTORE_H

#include "tree/page.h"

struct pagestore;
struct pour;

/* Where the map of free pages is: part of the manifest. Zeroed: there is none yet, the
 * store is new. */
struct pagestore_map {
    uint64_t generation;
    uint64_t bytes;
    uint32_t crc;
    uint32_t slot;
};
#define PAGESTORE_MAP_BYTES 24
void pagestore_map_encode(const struct pagestore_map *map,
                          uint8_t into[PAGESTORE_MAP_BYTES]);
void pagestore_map_decode(struct pagestore_map *map,
                          const uint8_t from[PAGESTORE_MAP_BYTES]);

/* Opens (or, with a zeroed map, makes) pages.kdt and free.N in the directory `dir`, which
 * exists. A new store's names are durable when it returns (but not dir's own). `cache` is
 * borrowed. Reads the map; O(1) pages. Errors: NOMEM; IO; UNDEFINED_FILE; CORRUPT when the
 * map or the header is damaged; UNSUPPORTED when the file has another page size. */
/* `read_only`: damage of the header or the map, which serve writers, is kept for
 * pagestore_check() and does not refuse. */
kdk_status pagestore_open(struct os *os, const char *dir, const struct pagestore_map *map,
                          bool read_only, struct page_cache *cache, struct pagestore **out,
                          struct err *err) KDK_MUST_CHECK;
/* No pour runs, nothing is pinned. Accepts NULL. */
void pagestore_close(struct pagestore *store);
struct page_file *pagestore_file(struct pagestore *store);

/* Begins the pour that makes `generation`, higher than any before. BUSY if one runs;
 * READ_ONLY after pour_abandon() or if opened so. */
kdk_status pour_begin(struct pagestore *store, uint64_t generation, struct pour **out,
                      struct err *err) KDK_MUST_CHECK;
/* What btree_apply() takes. Lives as long as the pour. */
struct page_sink *pour_sink(struct pour *pour);
/* Makes the pages durable, then the map, whose reference goes into the manifest. After a
 * failure: pour_abort(). */
kdk_status pour_finish(struct pour *pour, struct pagestore_map *map,
                       struct err *err) KDK_MUST_CHECK;
/* The manifest that names this generation is durable. Cannot fail; frees the pour, as do
 * the other two. */
void pour_commit(struct pour *pour);
/* The manifest was not touched: gives back what the pour took. Accepts NULL. */
void pour_abort(struct pour *pour);
/* Writing the manifest failed half-way: what either outcome needs stays taken, and this
 * store pours no more until it is opened again. */
void pour_abandon(struct pour *pour);

/* No generation before `oldest` is pinned, nor named by a manifest slot that is still
 * valid: what pours up to `oldest` discarded is free. */
void pagestore_release(struct pagestore *store, uint64_t oldest);
/* Cuts off free pages at the end of the file. Not during a pour (does nothing then). The
 * file is as good after a failure. */
kdk_status pagestore_shrink(struct pagestore *store, struct err *err) KDK_MUST_CHECK;

struct pagestore_stats {
    uint64_t pages; /* Of the file, free ones included. */
    /* Named by the newest generation, discarded, or the running pour's. Page 0 is not
     * counted. */
    uint64_t taken;
    uint64_t waiting; /* Of these: discarded, and still needed by an older generation. */
    uint64_t written; /* Since open. */
};
void pagestore_stats(struct pagestore *store, struct pagestore_stats *out);

/* Compares the map with the set of all pages that the trees of the newest generation name
 * (btree_check() collects it). CORRUPT tells of the first page that is taken but not named,
 * or named but not taken. No pour runs. */
struct page_set {
    uint64_t *bits; /* Zeroed: empty. Freed with page_set_deinit(). */
    uint64_t pages; /* Bits that there is room for. */
};
void page_set_deinit(struct page_set *set);
/* KDK_CORRUPT if it is there already. */
kdk_status page_set_add(struct page_set *set, struct page_file *file, uint64_t page,
                        struct err *err) KDK_MUST_CHECK;
kdk_status pagestore_check(struct pagestore *store, const struct page_set *named,
                           struct err *err) KDK_MUST_CHECK;

#endif
