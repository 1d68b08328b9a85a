/* keyfilter.h - what the built side of a hash join tells the scans of the other side.
 *
 * When the build of a join is complete, the values of each of its keys are put into a
 * filter: a range, and an exact bitmap of it where it is small, else a Bloom filter of the
 * values' hashes. Scans of the probe side, which begin later, drop rows whose key is not in
 * it before anybody looks at their other columns, and prune strips by the range.
 *
 * Invariants
 *   F1  What equals a built key, as joins compare, passes. More may pass.
 *   F2  A filter is given to a scan only if no row that it drops could make, or keep away,
 *       a row of the result: it goes down as a condition on that column would
 *       (keyfilter_push()).
 *   F3  A filter is made before the pipeline of any scan that has it starts, and does not
 *       change after.
 *
 * Source  Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters, WEA
 *         2007: all bits of a key in one word.
 */
#ifndef KDK_EXEC_KEYFILTER_H
#define KDK_EXEC_KEYFILTER_H

#include "exec/exec_int.h"

struct keyfilter {
    struct ltype type;
    bool null_safe; /* NULL is a key like others. */
    uint32_t steps; /* keyfilter_push() has gone so far. */
    /* Made by keyfilter_make(). */
    bool made;   /* Else everything passes. */
    bool nulls;  /* NULL passes. */
    bool some;   /* Some value passes. */
    bool ranged; /* Integers and what is held as such: between lo and hi. */
    /* Bit v - lo of `bits` is whether v passes; the bit after the last is 0. Else: a Bloom
     * filter of mask + 1 words. */
    bool exact;
    int64_t lo, hi;
    uint64_t *bits, mask;
};

/* One scan that has the filter. */
struct keyfilter_use {
    struct keyfilter_use *next;
    struct keyfilter *filter;
    const struct rel *scan;
    colid column;
    _Atomic uint64_t dropped; /* Rows. For EXPLAIN ANALYZE. */
};

/* Whether there are filters for keys of this type. */
bool keyfilter_possible(struct ltype type);
/* Gives `filter`, of column `id`, to the scans below `rel` that can use it; *used tells
 * whether there is one. While compiling. NOMEM. */
kdk_status keyfilter_push(struct exec *exec, const struct rel *rel, colid id,
                          struct keyfilter *filter, bool *used,
                          struct err *err) KDK_MUST_CHECK;
/* From the field `field` of all rows of the set. The arena is for the time of the call.
 * NOMEM. */
kdk_status keyfilter_make(struct keyfilter *filter, const struct rowset *set,
                          uint32_t field, struct arena *arena,
                          struct err *err) KDK_MUST_CHECK;
void keyfilter_deinit(struct keyfilter *filter);
/* The rows of `sel` that pass, into rows (which may be sel's own); how many. hashes: room
 * for BATCH_ROWS. */
uint32_t keyfilter_narrow(const struct keyfilter *filter, const struct vec *v,
                          const struct sel *sel, uint16_t *rows, uint64_t *hashes);

#endif
