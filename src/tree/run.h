/* run.h - sorted runs: one immutable file (runs/NNNNNNNN.kdr) that holds one tree, such as
 * the index entries of a bulk load.
 *
 * The pages are those of page.h, numbered from the file's start; the last page is a footer
 * that names the root. A reference to a run carries the footer's checksum, which vouches
 * for the root and so for every page. A run is read with the cursor of btree.h.
 *
 * Format   Page 0: header. Then tree pages. Last: PAGE_FOOTER, whose body is the root
 *          (BTREE_ROOT_BYTES) and the number of pages that the tree does not use (u64).
 * Threads  A finished run: any.
 */
#ifndef KDK_TREE_RUN_H
#define KDK_TREE_RUN_H

#include "tree/btree.h"

struct run;

/* What names a run beside its path: for manifest and log. */
struct run_ref {
    uint64_t pages; /* Of the file, footer included. */
    uint64_t count; /* Entries. */
    uint32_t crc;   /* Of the footer. */
};
#define RUN_REF_BYTES 20
void run_ref_encode(const struct run_ref *ref, uint8_t into[RUN_REF_BYTES]);
void run_ref_decode(struct run_ref *ref, const uint8_t from[RUN_REF_BYTES]);

/* Writes the feed's entries to a new file (KDK_DUPLICATE_FILE if there is one) and syncs
 * it; its name is durable once the caller has synced the directory. On failure the file is
 * removed. An empty feed makes an empty run. `generation` marks the pages. */
kdk_status run_write(struct os *os, const char *path, uint64_t generation,
                     const struct btree_feed *feed, struct run_ref *out,
                     struct err *err) KDK_MUST_CHECK;
/* `ref` NULL: believe the file's own footer (to look at a run alone). `cache` is borrowed.
 * Errors: NOMEM, IO, UNDEFINED_FILE, CORRUPT. */
kdk_status run_open(struct os *os, const char *path, const struct run_ref *ref,
                    struct page_cache *cache, struct run **out,
                    struct err *err) KDK_MUST_CHECK;
void run_close(struct run *run); /* No cursor is on it. Accepts NULL. */
struct page_file *run_file(struct run *run);
const struct btree_root *run_root(const struct run *run);
/* btree_check(), and that every page of the file is accounted for. */
kdk_status run_check(struct run *run, struct btree_stats *stats,
                     struct err *err) KDK_MUST_CHECK;

#endif
