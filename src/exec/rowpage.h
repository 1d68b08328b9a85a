/* rowpage.h - the one row format in which operators keep rows: joins, aggregates, sorts,
 * distinct, set operations.
 *
 * A page is a block aligned to ROWPAGE_BYTES: rows of fixed size grow from its front, long
 * strings from its back. Strings are named by their offset in the page, never by address,
 * so that writing a page out and reading it back elsewhere changes nothing. A row's page is
 * its address with the low bits cleared, which also holds for the pages larger than
 * ROWPAGE_BYTES that carry one row with very long strings.
 *
 *   row:  hash (8)  link (8)  null bits  fields at fixed offsets, each in the full width of its type, then `extra` bytes for the operator
 *
 * hash   Of the keys, for whoever keeps hash tables; else 0.
 * link   The operator's: next row of a chain, flags.
 * fields BOOLEAN is a byte; strings are struct str with an offset in place of the pointer
 * when they are long. Under a NULL all is zero.
 *
 * Threads  A rowset is filled by one thread; afterwards any number may read it.
 */
#ifndef KDK_EXEC_ROWPAGE_H
#define KDK_EXEC_ROWPAGE_H

#include "task/broker.h"
#include "vec/vec.h"

/* What the rowsets of a statement hold, under the memory limit. Asked for each page, by any
 * thread. */
struct rowmemory {
    struct latch latch;    /* guards all of it */
    struct broker *broker; /* NULL: nothing is counted */
    struct broker_grant grant;
    uint64_t used;
    bool granted;
};
void rowmemory_init(struct rowmemory *memory, struct broker *broker);
void rowmemory_deinit(struct rowmemory *memory); /* All rowsets are gone. */

struct rowlayout {
    /* where its rowsets' pages are counted; set by whoever made the layout; NULL:
     * nowhere */
    struct rowmemory *memory;
    uint32_t column_count;
    struct ltype *types;
    uint32_t *offsets;    /* of each field */
    uint32_t null_offset; /* of the null bits: bit set = NULL */
    uint32_t extra_offset;
    uint32_t row_bytes; /* a multiple of 16 */
};
#define ROW_HASH 0u
#define ROW_LINK 8u

struct rowpage {
    struct rowpage *next;
    uint32_t row_count;
    uint32_t heap_start; /* strings are in [heap_start, bytes) */
    size_t bytes;
    _Alignas(64) uint8_t rows[];
};

struct rowset {
    const struct rowlayout *layout;
    struct rowpage *first, *last;
    uint64_t row_count;
    uint64_t bytes;
};

kdk_status rowlayout_init(struct rowlayout *layout, const struct ltype *types,
                          uint32_t column_count, uint32_t extra_bytes, struct arena *arena,
                          struct err *err) KDK_MUST_CHECK;

void rowset_init(struct rowset *set, const struct rowlayout *layout);
void rowset_deinit(struct rowset *set);
/* Moves all pages of `from` behind those of `to`; same layout. */
void rowset_move(struct rowset *to, struct rowset *from);
/* Appends the selected rows; columns[c] is the vector of field c (any form but lazy).
 * hashes: one for each selected row, or NULL. rows (or NULL) receives their addresses.
 * `scratch`: an owned vector for each field, made by rowset_scratch(). Link and extra bytes
 * are zero. */
kdk_status rowset_append(struct rowset *set, const struct vec *const *columns,
                         const struct sel *sel, uint32_t count, const uint64_t *hashes,
                         struct vec *scratch, uint8_t **rows,
                         struct err *err) KDK_MUST_CHECK;
kdk_status rowset_scratch(const struct rowlayout *layout, struct arena *arena,
                          struct vec **out, struct err *err) KDK_MUST_CHECK;

/* Appends a copy of one row of a rowset of the same layout, extra bytes and all but its
 * link. */
kdk_status rowset_copy_row(struct rowset *set, const uint8_t *row, uint8_t **out,
                           struct err *err) KDK_MUST_CHECK;

/* The order of all rows by some fields: *order (in the arena) has their addresses, *count
 * of them. Equal rows stay in the order in which they were appended. */
struct rowkey {
    uint32_t field;
    bool descending, nulls_first;
};
kdk_status rowset_sort(const struct rowset *set, const struct rowkey *keys,
                       uint32_t key_count, struct arena *arena, uint8_t ***order,
                       uint64_t *count, struct err *err) KDK_MUST_CHECK;

/* Walks all rows: up to `max` addresses into rows; 0 at the end. Start with a zeroed
 * place. */
struct rowset_at {
    const struct rowpage *page;
    uint32_t row;
    bool started;
};
uint32_t rowset_next(const struct rowset *set, struct rowset_at *at, uint8_t **rows,
                     uint32_t max);

/* Field `column` of n rows into out (owned, flat): out row k is rows[k], NULL where rows[k]
 * is NULL. Strings point into the pages. */
void rows_gather(const struct rowlayout *layout, uint32_t column, uint8_t *const *rows,
                 uint32_t n, struct vec *out);
struct datum row_get(const struct rowlayout *layout, const uint8_t *row, uint32_t column);
static inline bool row_is_null(const struct rowlayout *layout, const uint8_t *row,
                               uint32_t column)
{
    return row[layout->null_offset + column / 8] >> (column % 8) & 1;
}
static inline uint64_t row_hash(const uint8_t *row)
{
    return get_u64(row + ROW_HASH);
}

/* Which of the n pairs (row `places[k]` of v, stored row rows[k]) agree in this field?
 * Keeps those, packed, in both lists; returns how many. v is flat and of full width. NULL
 * equals NULL if null_safe, else nothing. */
uint32_t rows_match(const struct rowlayout *layout, uint32_t column, const struct vec *v,
                    bool null_safe, uint16_t *places, uint8_t **rows, uint32_t n);
/* the first `columns` fields, null-safe */
bool rows_equal(const struct rowlayout *layout, const uint8_t *a, const uint8_t *b,
                uint32_t columns);

#endif
