/* page.h - the pages of persistent trees: their format, and the cache through which they
 * are read.
 *
 * A page is written once and never changed: whoever changes a tree writes new pages and a
 * new root. Whoever names a page names its checksum too (struct page_ref): so a page that
 * is damaged, misplaced, or older than it should be (a write that the disk lost) is found
 * at the first read, and a root vouches for everything below it.
 *
 * Format      The list PAGE_FIELDS. Little-endian, version 1. Behind the header of an inner
 *             page or a leaf: `count` 4-byte offsets of cells, in key order; free space;
 *             the cells, from byte `heap` to the end of the page.
 *               leaf cell   key bytes u16, value bytes u32 (bit 31: overflow), key, value;
 *                           or key, {page u64, crc u32, levels u8}
 *               inner cell  key bytes u16, child page u64, child crc u32, key. The key is
 *                           the least that the child may hold; that of the first cell is
 *                           left out, since the parent knows it. INNER_BUFFERED is reserved
 *                           for nodes with message buffers.
 *             Overflow pages hold the bytes of one long value. A value of one page is that
 *             page (levels = 0); else `count` 12-byte references {page u64, crc u32} follow
 *             the header of an OVERFLOW_INNER page, of level 1 and up.
 * Invariants  P1  A page's bytes match the checksum in it and in its reference, and its own number is where it lies.
 *             P2  A page in the cache has passed page_validate(): offsets and lengths may
 *                 be believed. Kind and level are compared by who pins.
 *             P3  The cache holds no page that is not (or was not) on disk; it is never
 *                 written from.
 * Threads     Everything here from any thread. Pages that are pinned stay; no latch is held
 *             across I/O.
 */
#ifndef KDK_TREE_PAGE_H
#define KDK_TREE_PAGE_H

#include "base/base.h"
#include "os/os.h"

#define PAGE_MAGIC 0x3154444bu /* "KDT1" */

enum page_kind {
    PAGE_HEADER = 1, /* Page 0 of every file. */
    PAGE_LEAF = 2,
    PAGE_INNER = 3,
    PAGE_INNER_BUFFERED = 4, /* Reserved: refused as KDK_UNSUPPORTED. */
    PAGE_OVERFLOW = 5,
    PAGE_OVERFLOW_INNER = 6,
    PAGE_FOOTER = 7 /* The last page of a run. */
};

#define PAGE_FIELDS(FIELD)                                                                 \
    FIELD(0, crc, u32, uint32_t)   /* CRC-32C of bytes 4 to the end. */                    \
    FIELD(4, magic, u32, uint32_t) /* PAGE_MAGIC: the last character is the version. */    \
    FIELD(8, kind, u8, uint8_t)                                                            \
    FIELD(9, level, u8, uint8_t)         /* 0: a leaf, or overflow bytes. */               \
    FIELD(10, reserved, u16, uint16_t)   /* 0 */                                           \
    FIELD(12, count, u32, uint32_t)      /* Cells; bytes on an overflow page. */           \
    FIELD(16, page, u64, uint64_t)       /* Its own number: byte offset / page size. */    \
    FIELD(24, generation, u64, uint64_t) /* That wrote it. */                              \
    FIELD(32, heap, u32, uint32_t)       /* Where cells begin. */                          \
    FIELD(36, messages, u32, uint32_t)   /* 0; of a buffered inner node. */
#define PAGE_HEADER_BYTES 40u
#define PAGE_ROOM         (TREE_PAGE_BYTES - PAGE_HEADER_BYTES)
#define FIELD(OFFSET, NAME, GET, TYPE)                                                     \
    static inline TYPE page_##NAME(const uint8_t *page)                                    \
    {                                                                                      \
        return get_##GET(page + OFFSET);                                                   \
    }                                                                                      \
    static inline void page_put_##NAME(uint8_t *page, TYPE v)                              \
    {                                                                                      \
        put_##GET(page + OFFSET, v);                                                       \
    }
PAGE_FIELDS(FIELD)
#undef FIELD

/* Names a page and what it must be. Page 0 holds no data, so {0, 0} names nothing. */
struct page_ref {
    uint64_t page;
    uint32_t crc;
};

/* ---- The cache: of some files together ---- */
struct page_cache;
struct page_cache_stats {
    uint64_t hits, misses, evictions;
    uint32_t frames; /* Held now; more than asked for only while that many are pinned. */
};
/* `pages` frames of TREE_PAGE_BYTES, taken as they are needed; 0: TREE_CACHE_PAGES. */
kdk_status page_cache_new(uint32_t pages, struct page_cache **out,
                          struct err *err) KDK_MUST_CHECK;
void page_cache_free(struct page_cache *cache); /* Nothing is pinned. Accepts NULL. */
void page_cache_stats(struct page_cache *cache, struct page_cache_stats *out);

/* ---- A file of pages, for readers ---- */
struct page_file;
/* Opens `path` with `flags` of os_open(). `cache` is borrowed and outlives it. */
kdk_status page_file_open(struct os *os, const char *path, unsigned flags,
                          struct page_cache *cache, struct page_file **out,
                          struct err *err) KDK_MUST_CHECK;
/* Its pages leave the cache: none is pinned. Accepts NULL. */
void page_file_close(struct page_file *file);
struct os_file *page_file_os(struct page_file *file);
/* Page 0. UNSUPPORTED if the file's pages have another size. */
kdk_status page_file_write_header(struct page_file *file, struct err *err) KDK_MUST_CHECK;
kdk_status page_file_check_header(struct page_file *file, struct err *err) KDK_MUST_CHECK;

struct page_frame;
/* The page that `ref` names, in the cache until page_unpin(). Never waits for other pins:
 * when all frames are pinned, one more is made. Errors: NOMEM; IO; CORRUPT, naming file and
 * offset. */
kdk_status page_pin(struct page_file *file, struct page_ref ref, struct page_frame **out,
                    struct err *err) KDK_MUST_CHECK;
void page_unpin(struct page_frame *frame); /* Accepts NULL. */
const uint8_t *page_bytes(const struct page_frame *frame);
/* Copies the page to `into` (TREE_PAGE_BYTES): from the cache if it is there, else past it,
 * so that who reads once displaces nothing. */
kdk_status page_copy(struct page_file *file, struct page_ref ref, uint8_t *into,
                     struct err *err) KDK_MUST_CHECK;
/* KDK_CORRUPT for this page of this file, with `what`; callers that find a page in a wrong
 * place use it, too. */
kdk_status page_corrupt(struct page_file *file, uint64_t page, const char *what,
                        struct err *err);

/* ---- Where new pages go: a pour (pagestore.h) or a run that is being written (run.h) ---- */
struct page_sink {
    struct page_file *file; /* Reads what was written, and what is changed. */
    /* Gives `image` its number, generation and checksum, and writes it. Thread-safe for a
     * pour. */
    kdk_status (*write)(struct page_sink *sink, uint8_t *image, struct page_ref *out,
                        struct err *err);
    /* The new state names this page no more. */
    kdk_status (*discard)(struct page_sink *sink, uint64_t page, struct err *err);
};
/* Zeroes an image and sets kind and level. */
void page_image_init(uint8_t *image, enum page_kind kind, uint8_t level);
/* Sets number, generation and checksum. */
struct page_ref page_image_seal(uint8_t *image, uint64_t page, uint64_t generation);
/* "", or what is wrong with the structure of a page whose checksum is right. */
const char *page_validate(const uint8_t *page);

/* ---- Cells of validated pages ---- */
#define PAGE_VALUE_OVERFLOW 0x80000000u
#define LEAF_CELL_HEAD      6u
#define INNER_CELL_HEAD     14u
#define OVERFLOW_REF_BYTES  13u
struct leaf_cell {
    const uint8_t *key;
    uint32_t key_bytes;
    uint32_t value_bytes; /* Of the whole value. */
    const uint8_t *value; /* NULL when it overflows. */
    struct page_ref overflow;
    uint8_t overflow_levels;
};
struct inner_cell {
    const uint8_t *key;
    uint32_t key_bytes;
    struct page_ref child;
};
struct leaf_cell leaf_cell_at(const uint8_t *page, uint32_t i);
struct inner_cell inner_cell_at(const uint8_t *page, uint32_t i);

#endif
