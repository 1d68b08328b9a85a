/* keysort.c - sorting index entries. An entry of a run has one byte as its value if its key
 * has a NULL, else none. */
#include "table/keysort.h"

#include <stdlib.h>

#include "base/mem.h"
#include "table/load.h"

/* A buffer of so many bytes is sorted and written. */
#define KEYSORT_BYTES KDK_PICK(64u << 20, 2048u)

void keysort_init(struct keysort *sort, struct disk *disk)
{
    memset(sort, 0, sizeof *sort);
    sort->disk = disk;
    sort->sorted = true;
    arena_init(&sort->keys);
}

static void spills_remove(struct keysort *sort)
{
    char path[4096];
    /* One that stays is not named by anything: the next opening removes it. */
    for (uint32_t i = 0; i < sort->spill_count; i++)
        if (disk_file_path(sort->disk, sort->spills[i] | RUN_BIT, path, sizeof path,
                           NULL) == KDK_OK)
            (void)!os_remove(sort->disk->os, path, NULL);
    sort->spill_count = 0;
}

void keysort_deinit(struct keysort *sort)
{
    spills_remove(sort);
    arena_deinit(&sort->keys);
    mem_free(sort->items);
    mem_free(sort->spills);
    mem_free(sort->refs);
}

static int item_compare(const void *a, const void *b)
{
    const struct keysort_item *one = a, *two = b;
    if (one->prefix != two->prefix)
        return one->prefix < two->prefix ? -1 : 1;
    return btree_compare(one->key, one->bytes, two->key, two->bytes);
}

static void items_sort(struct keysort *sort)
{
    if (!sort->sorted)
        qsort(sort->items, sort->count, sizeof *sort->items, item_compare);
    sort->at = 0;
}

static const uint8_t with_null[1] = {1};

static kdk_status items_next(void *context, struct btree_change *out, bool *more,
                             struct err *err)
{
    struct keysort *sort = context;
    (void)err;
    *more = sort->at < sort->count;
    if (*more) {
        const struct keysort_item *item = &sort->items[sort->at++];
        *out =
            (struct btree_change){item->key, item->bytes, false, with_null, item->has_null};
    }
    return KDK_OK;
}

static kdk_status run_of(struct keysort *sort, uint64_t number,
                         const struct btree_feed *feed, struct run_ref *out,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    char path[4096];
    TRY(disk_file_path(sort->disk, number | RUN_BIT, path, sizeof path, err));
    TRY(run_write(sort->disk->os, path, 0, feed, out, err));
out:
    return status;
}

static kdk_status spill(struct keysort *sort, struct err *err)
{
    kdk_status status = KDK_OK;
    if (sort->spill_count == sort->spill_cap) {
        const uint32_t cap = MAX(sort->spill_cap * 2, 8u);
        uint64_t *spills = mem_realloc(sort->spills, size_mul(cap, sizeof *spills));
        TRY_MEM(spills);
        sort->spills = spills;
        struct run_ref *refs = mem_realloc(sort->refs, size_mul(cap, sizeof *refs));
        TRY_MEM(refs);
        sort->refs = refs;
        sort->spill_cap = cap;
    }
    items_sort(sort);
    const uint64_t number =
        atomic_fetch_add_explicit(&sort->disk->next_file, 1, memory_order_acq_rel);
    const struct btree_feed feed = {items_next, sort};
    TRY(run_of(sort, number, &feed, &sort->refs[sort->spill_count], err));
    sort->spills[sort->spill_count++] = number;
    arena_reset(&sort->keys);
    sort->count = 0;
    sort->bytes = 0;
    sort->sorted = true;
out:
    return status;
}

kdk_status keysort_add(struct keysort *sort, const struct buf *key, rowid id, bool has_null,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    if (sort->bytes >= KEYSORT_BYTES)
        TRY(spill(sort, err));
    if (sort->count == sort->cap) {
        const size_t cap = MAX(sort->cap * 2, 256u);
        struct keysort_item *items = mem_realloc(sort->items, size_mul(cap, sizeof *items));
        TRY_MEM(items);
        sort->items = items;
        sort->cap = cap;
    }
    const uint32_t bytes = (uint32_t)key->len + 8;
    uint8_t *copy, first[8] = {0};
    TRY_MEM(copy = arena_alloc(&sort->keys, bytes));
    if (key->len)
        memcpy(copy, key->data, key->len);
    put_be64(copy + key->len, id);
    memcpy(first, copy, MIN(bytes, sizeof first));
    struct keysort_item *item = &sort->items[sort->count];
    *item = (struct keysort_item){get_be64(first), copy, bytes, has_null};
    if (sort->count && sort->sorted)
        sort->sorted =
            btree_compare(item[-1].key, item[-1].bytes, item->key, item->bytes) < 0;
    sort->count++;
    sort->bytes += bytes + sizeof *item;
out:
    return status;
}

/* All entries: those of the buffer and those of the spills, merged. */
struct merging {
    struct keysort *sort;
    struct run **runs;
    struct btree_cursor *cursors;
    uint32_t last; /* Which cursor the last entry came from; UINT32_MAX: the buffer. */
    bool started;
    kdk_status (*each)(void *context, const uint8_t *key, uint32_t bytes, bool has_null,
                       struct err *err);
    void *context;
};

static kdk_status merging_next(void *context, struct btree_change *out, bool *more,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct merging *m = context;
    struct keysort *sort = m->sort;
    if (m->started && m->last != UINT32_MAX)
        TRY(btree_cursor_next(&m->cursors[m->last], err));
    m->started = true;
    m->last = UINT32_MAX;
    *more = sort->at < sort->count;
    const uint8_t *key = *more ? sort->items[sort->at].key : NULL;
    uint32_t bytes = *more ? sort->items[sort->at].bytes : 0;
    bool has_null = *more && sort->items[sort->at].has_null;
    for (uint32_t i = 0; i < sort->spill_count; i++) {
        const struct btree_cursor *one = &m->cursors[i];
        if (!one->valid ||
            (*more && btree_compare(key, bytes, one->key, one->key_bytes) <= 0))
            continue;
        *more = true;
        key = one->key;
        bytes = one->key_bytes;
        has_null = one->value_bytes != 0;
        m->last = i;
    }
    if (!*more)
        goto out;
    if (m->last == UINT32_MAX)
        sort->at++;
    TRY(m->each(m->context, key, bytes - 8, has_null, err));
    *out = (struct btree_change){key, bytes, false, with_null, has_null};
out:
    return status;
}

kdk_status keysort_write(struct keysort *sort, uint64_t number,
                         kdk_status (*each)(void *context, const uint8_t *key,
                                            uint32_t bytes, bool has_null, struct err *err),
                         void *context, struct run_ref *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct merging m = {.sort = sort, .each = each, .context = context};
    char path[4096];
    items_sort(sort);
    TRY_MEM(m.runs = MEM_ARRAY(struct run *, MAX(sort->spill_count, 1)));
    TRY_MEM(m.cursors = MEM_ARRAY(struct btree_cursor, MAX(sort->spill_count, 1)));
    for (uint32_t i = 0; i < sort->spill_count; i++) {
        TRY(disk_file_path(sort->disk, sort->spills[i] | RUN_BIT, path, sizeof path, err));
        TRY(run_open(sort->disk->os, path, &sort->refs[i], sort->disk->cache, &m.runs[i],
                     err));
        btree_cursor_init(&m.cursors[i], run_file(m.runs[i]), run_root(m.runs[i]));
        TRY(btree_cursor_first(&m.cursors[i], err));
    }
    const struct btree_feed feed = {merging_next, &m};
    TRY(run_of(sort, number, &feed, out, err));
out:
    for (uint32_t i = 0; i < sort->spill_count; i++) {
        if (m.cursors)
            btree_cursor_deinit(&m.cursors[i]);
        if (m.runs)
            run_close(m.runs[i]);
    }
    mem_free(m.cursors);
    mem_free(m.runs);
    spills_remove(sort);
    return status;
}
