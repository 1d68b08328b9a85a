/* groups.h - the hash table of rows with different keys: one row for each key, in a rowset,
 * under a directory of chains.
 *
 * A slot of the directory holds the address of the first row of a chain in 48 bits and, in
 * the upper 16, a small Bloom filter of the hashes in the chain. NULLs are equal here. Rows
 * never move, so that their addresses are good for the table's life.
 *
 * Threads  A table belongs to one worker. groups_link() and groups_peer() of rows whose
 *          slots are in different parts of the directory may run at once.
 */
#ifndef KDK_EXEC_GROUPS_H
#define KDK_EXEC_GROUPS_H

#include "exec/rowpage.h"

struct groups {
    const struct rowlayout *layout; /* NULL: zeroed, nothing to be freed */
    uint32_t key_count;             /* the first fields */
    struct rowset set;
    uint64_t *directory;
    uint64_t mask;
    struct vec *keys; /* flat, full width */
    const struct vec **key_list;
    struct vec *scratch;
    uint64_t *hashes;
};

/* Scratch and lists in the arena. */
kdk_status groups_init(struct groups *g, const struct rowlayout *layout, uint32_t key_count,
                       struct arena *arena, struct err *err) KDK_MUST_CHECK;
void groups_deinit(struct groups *g);
/* The group row of each selected row, in found[k], making those that are missing (fresh[k]
 * tells, of the first with its key; may be NULL). Keys in `keys`: any form but lazy. */
kdk_status groups_find(struct groups *g, struct vec *const *keys, const struct sel *sel,
                       uint32_t count, uint8_t **found, bool *fresh,
                       struct err *err) KDK_MUST_CHECK;
/* Puts a row of the set in the directory. */
void groups_link(struct groups *g, uint8_t *row);
/* The linked row with the key of `row`, which has the same layout, or NULL. */
uint8_t *groups_peer(const struct groups *g, const uint8_t *row);

#endif
