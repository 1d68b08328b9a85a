/* block_test.h - rows of every type, written and compared, for the tests of block. */
#ifndef KDK_BLOCK_BLOCK_TEST_H
#define KDK_BLOCK_BLOCK_TEST_H

#include "block/block.h"
#include "base/arena.h"
#include "os/sim.h"

#define FIX_COLUMNS_MAX 24

/* Files in a simulated directory, what was put into them, and their entries. */
struct fix {
    struct sim *sim;
    struct os *os;
    struct block_column columns[FIX_COLUMNS_MAX];
    uint32_t column_count;
    struct arena arena;
    uint64_t random;
    uint32_t row_count; /* The model. */
    uint64_t *ids;
    struct datum *rows; /* row * column_count + column */
    uint64_t next_file;
    struct strip_entry **entries;
    uint32_t entry_count;
    uint32_t file_count;
    bool small; /* Values of a small range, few different strings. */
    enum arrow_codec codec;
    uint32_t strip_rows, file_strips;
    /* Strips take some of the rows, in a random order; the model follows. */
    bool reorder;
    uint32_t arranged; /* Rows that strips took. */
};
uint64_t fix_random(struct fix *f, uint64_t below);
/* All types, TEXT and BYTEA both plain and with dictionaries. */
void fix_init(struct fix *f, uint64_t seed);
void fix_deinit(struct fix *f);
/* Adds `count` random rows to the model; `gaps` in 256 of the ids are followed by a gap. */
void fix_rows(struct fix *f, uint32_t count, uint32_t gaps, uint32_t nulls);
/* Drops the files' entries (not the files). */
void fix_forget(struct fix *f);
/* Writes rows from..to of the model. With `mixed`, batches come with selections and in
 * other forms and widths. */
kdk_status fix_write(struct fix *f, uint32_t from, uint32_t to, bool mixed,
                     struct err *err);
/* Compares all entries, taken together, with rows from..to; through `cache` (NULL: one of
 * its own). */
kdk_status fix_compare(struct fix *f, struct block_cache *cache, uint32_t from, uint32_t to,
                       struct err *err);
/* Checks every file with its entries; problems are printed. */
uint64_t fix_check(struct fix *f);
kdk_status fix_cache(struct fix *f, uint64_t bytes, struct block_cache **out,
                     struct err *err);
bool fix_same(struct ltype type, const struct datum *a, const struct datum *b);
/* Bytes of a file as it is now; mem_free(). */
uint8_t *fix_load(struct fix *f, uint64_t file, size_t *bytes);

#endif
