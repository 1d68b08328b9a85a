/* keysort.h - sorts index entries (key, row id) in bounded memory: what does not fit is
 * written as sorted runs, which are merged.
 *
 * Failure  After an error only deinit is allowed; it removes the runs that were written.
 * Threads  One owner.
 */
#ifndef KDK_TABLE_KEYSORT_H
#define KDK_TABLE_KEYSORT_H

#include "base/arena.h"
#include "table/disk.h"
#include "tree/run.h"

struct keysort_item {
    uint64_t prefix;    /* Of the key, big-endian. */
    const uint8_t *key; /* With the row id behind it. */
    uint32_t bytes;
    bool has_null;
};
struct keysort {
    struct disk *disk;
    struct arena keys;
    struct keysort_item *items;
    size_t count, cap, at, bytes;
    bool sorted;      /* So far each came after the one before. */
    uint64_t *spills; /* Numbers of runs. */
    struct run_ref *refs;
    uint32_t spill_count, spill_cap;
};
void keysort_init(struct keysort *sort, struct disk *disk);
void keysort_deinit(struct keysort *sort); /* A zeroed one is fine. */
kdk_status keysort_add(struct keysort *sort, const struct buf *key, rowid id, bool has_null,
                       struct err *err) KDK_MUST_CHECK;
/* Writes all as one run. `each` is called for each entry, in order, with the key alone. */
kdk_status keysort_write(struct keysort *sort, uint64_t number,
                         kdk_status (*each)(void *context, const uint8_t *key,
                                            uint32_t bytes, bool has_null, struct err *err),
                         void *context, struct run_ref *out,
                         struct err *err) KDK_MUST_CHECK;

#endif
