#include "base/mem.h"
#include "tree/btree_int.h"

struct check {
    struct page_file *file;
    struct page_set *pages;
    struct btree_stats stats;
};

struct bound {
    const uint8_t *key; /* NULL: none. */
    uint32_t bytes;
};

static kdk_status check_overflow_page(void *context, uint64_t page, struct err *err)
{
    struct check *check = context;
    check->stats.overflow_pages++;
    return check->pages ? page_set_add(check->pages, check->file, page, err) : KDK_OK;
}

static kdk_status check_page(struct check *check, struct page_ref ref, uint32_t level,
                             bool root, struct bound low, struct bound high,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_file *file = check->file;
    uint8_t *page = mem_alloc(TREE_PAGE_BYTES);

    TRY_MEM(page);
    TRY(page_copy(file, ref, page, err));
    TRY(btree_expect(file, page, btree_kind(level), level, err));
    if (check->pages)
        TRY(page_set_add(check->pages, file, ref.page, err));
    uint32_t count = page_count(page);
    uint32_t used = btree_used(page) + (level > 0 ? low.bytes : 0);
    check->stats.bytes_used += btree_used(page);
    if (!root && used < PAGE_THIRD)
        check->stats.pages_underfull++;

    struct bound previous = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct bound key;
        if (level == 0) {
            struct leaf_cell cell = leaf_cell_at(page, i);
            key = (struct bound){cell.key, cell.key_bytes};
        } else {
            struct inner_cell cell = inner_cell_at(page, i);
            key = (struct bound){cell.key, cell.key_bytes};
            if (i == 0 && key.bytes > 0)
                TRY(page_corrupt(file, ref.page, "its first child has a key", err));
        }
        if (i > 0 && btree_compare(previous.key, previous.bytes, key.key, key.bytes) >= 0)
            TRY(page_corrupt(file, ref.page, "its keys do not ascend", err));
        if ((level == 0 || i > 0) &&
            ((low.key && btree_compare(key.key, key.bytes, low.key, low.bytes) < 0) ||
             (high.key && btree_compare(key.key, key.bytes, high.key, high.bytes) >= 0)))
            TRY(page_corrupt(file, ref.page,
                             "a key is outside the range that its parent gives", err));
        previous = key;
    }
    if (level == 0) {
        check->stats.leaves++;
        check->stats.entries += count;
        for (uint32_t i = 0; i < count; i++) {
            struct leaf_cell cell = leaf_cell_at(page, i);
            if (!cell.value)
                TRY(btree_overflow_walk(file, &cell, true, check_overflow_page, check,
                                        err));
        }
        goto out;
    }
    check->stats.inner_pages++;
    if (count < 2)
        TRY(page_corrupt(file, ref.page, "an inner page of one child", err));
    for (uint32_t i = 0; i < count; i++) {
        struct inner_cell cell = inner_cell_at(page, i);
        struct bound from = i == 0 ? low : (struct bound){cell.key, cell.key_bytes},
                     to = high;
        if (i + 1 < count) {
            struct inner_cell next = inner_cell_at(page, i + 1);
            to = (struct bound){next.key, next.key_bytes};
        }
        TRY(check_page(check, cell.child, level - 1, false, from, to, err));
    }
out:
    mem_free(page);
    return status;
}

kdk_status btree_check(struct page_file *file, const struct btree_root *root,
                       struct page_set *pages, struct btree_stats *stats, struct err *err)
{
    kdk_status status = KDK_OK;
    struct check check = {.file = file, .pages = pages};

    TRY(btree_root_valid(file, root, err));
    if (root->height > 0)
        TRY(check_page(&check, root->top, root->height - 1, true, (struct bound){0},
                       (struct bound){0}, err));
    if (check.stats.entries != root->count) {
        status =
            page_corrupt(file, root->top.page, "the tree's count of entries is wrong", err);
        err_detail(err, "The tree below page %llu has %llu entries, its root says %llu.",
                   (unsigned long long)root->top.page,
                   (unsigned long long)check.stats.entries,
                   (unsigned long long)root->count);
        goto out;
    }
    if (stats) {
        stats->entries += check.stats.entries;
        stats->leaves += check.stats.leaves;
        stats->inner_pages += check.stats.inner_pages;
        stats->overflow_pages += check.stats.overflow_pages;
        stats->bytes_used += check.stats.bytes_used;
        stats->pages_underfull += check.stats.pages_underfull;
    }
out:
    return status;
}
