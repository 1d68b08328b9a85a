/* btree_int.h - what the files of the B+ tree share. */
#ifndef KDK_TREE_BTREE_INT_H
#define KDK_TREE_BTREE_INT_H

#include "tree/btree.h"

/* 12-byte references on a page of them; levels that a value of VALUE_BYTES_MAX needs at the
 * most. */
#define OVERFLOW_FANOUT     (PAGE_ROOM / 12u)
#define OVERFLOW_LEVELS_MAX 8u
#define PAGE_THIRD          (PAGE_ROOM / 3u)

/* Does this page stand where one of that kind and level must? */
kdk_status btree_expect(struct page_file *file, const uint8_t *page, enum page_kind kind,
                        uint32_t level, struct err *err) KDK_MUST_CHECK;
static inline enum page_kind btree_kind(uint32_t level)
{
    return level == 0 ? PAGE_LEAF : PAGE_INNER;
}
kdk_status btree_root_valid(struct page_file *file, const struct btree_root *root,
                            struct err *err) KDK_MUST_CHECK;
/* The child whose range holds the key: the last whose cell's key is <= key, else the
 * first. */
uint32_t btree_child_of(const uint8_t *page, const void *key, size_t key_bytes);
/* The first entry >= key; the count if there is none. */
uint32_t btree_slot_of(const uint8_t *page, const void *key, size_t key_bytes);
/* Appends a long value to `value`. */
kdk_status btree_overflow_read(struct page_file *file, const struct leaf_cell *cell,
                               struct buf *value, struct err *err) KDK_MUST_CHECK;
/* Calls `each` for every page of a long value, checking all references; with `data`, reads
 * the pages of bytes, too. */
typedef kdk_status (*btree_page_fn)(void *context, uint64_t page, struct err *err);
kdk_status btree_overflow_walk(struct page_file *file, const struct leaf_cell *cell,
                               bool data, btree_page_fn each, void *context,
                               struct err *err) KDK_MUST_CHECK;
/* Bytes of a page that cells and their offsets take. */
static inline uint32_t btree_used(const uint8_t *page)
{
    return 4 * page_count(page) + TREE_PAGE_BYTES - page_heap(page);
}

#endif
