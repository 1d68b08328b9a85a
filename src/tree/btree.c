#include "tree/btree.h"

#include "base/mem.h"
#include "tree/btree_int.h"

void btree_root_encode(const struct btree_root *root, uint8_t into[BTREE_ROOT_BYTES])
{
    put_u64(into, root->top.page);
    put_u32(into + 8, root->top.crc);
    put_u32(into + 12, root->height);
    put_u64(into + 16, root->count);
}

void btree_root_decode(struct btree_root *root, const uint8_t from[BTREE_ROOT_BYTES])
{
    *root = (struct btree_root){
        {get_u64(from), get_u32(from + 8)}, get_u32(from + 12), get_u64(from + 16)};
}

int btree_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    size_t both = MIN(a_bytes, b_bytes);
    int c = both == 0 ? 0 : memcmp(a, b, both);
    return c != 0 ? c : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

kdk_status btree_expect(struct page_file *file, const uint8_t *page, enum page_kind kind,
                        uint32_t level, struct err *err)
{
    if (page_kind(page) != kind || page_level(page) != level)
        return page_corrupt(file, page_page(page),
                            "it is not of the kind and level that its reference needs",
                            err);
    return KDK_OK;
}

kdk_status btree_root_valid(struct page_file *file, const struct btree_root *root,
                            struct err *err)
{
    if (root->height > BTREE_HEIGHT_MAX || (root->height > 0 && root->top.page == 0))
        return page_corrupt(file, root->top.page, "a damaged root", err);
    return KDK_OK;
}

uint32_t btree_child_of(const uint8_t *page, const void *key, size_t key_bytes)
{
    /* All before `low` are <= key, all from `high` on are >. */
    uint32_t low = 1, high = page_count(page);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct inner_cell cell = inner_cell_at(page, middle);
        if (btree_compare(cell.key, cell.key_bytes, key, key_bytes) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

uint32_t btree_slot_of(const uint8_t *page, const void *key, size_t key_bytes)
{
    uint32_t low = 0, high = page_count(page);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *at = page + get_u32(page + PAGE_HEADER_BYTES + 4u * middle);
        if (btree_compare(at + LEAF_CELL_HEAD, get_u16(at), key, key_bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- Long values ---- */

struct overflow_walk {
    struct page_file *file;
    struct buf *value;  /* Where the bytes go; or NULL. */
    btree_page_fn each; /* Or NULL, with `data`. */
    void *context;
    bool data;     /* Read the pages of bytes. */
    uint64_t left; /* Bytes that are still to come. */
};

static kdk_status overflow_walk(struct overflow_walk *walk, struct page_ref ref,
                                uint32_t level, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *page = NULL;

    if (level == 0 && !walk->data) {
        TRY(walk->each(walk->context, ref.page, err));
        walk->left -= MIN(walk->left, PAGE_ROOM);
        goto out;
    }
    TRY_MEM(page = mem_alloc(TREE_PAGE_BYTES));
    /* Past the cache: long values are many pages, read once. */
    TRY(page_copy(walk->file, ref, page, err));
    TRY(btree_expect(walk->file, page, level == 0 ? PAGE_OVERFLOW : PAGE_OVERFLOW_INNER,
                     level, err));
    if (walk->each) /* Only now: who counts pages believes no number that was not read. */
        TRY(walk->each(walk->context, ref.page, err));
    uint32_t count = page_count(page);
    if (level == 0) {
        if (count != MIN(walk->left, PAGE_ROOM))
            TRY(page_corrupt(walk->file, ref.page, "a long value of another length", err));
        walk->left -= count;
        if (walk->value && buf_add(walk->value, page + PAGE_HEADER_BYTES, count) != KDK_OK)
            TRY(err_nomem(err));
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = page + PAGE_HEADER_BYTES + 12u * i;
        if (walk->left == 0)
            TRY(page_corrupt(walk->file, ref.page, "a long value of another length", err));
        TRY(overflow_walk(walk, (struct page_ref){get_u64(at), get_u32(at + 8)}, level - 1,
                          err));
    }
out:
    mem_free(page);
    return status;
}

static kdk_status overflow_run(struct overflow_walk *walk, const struct leaf_cell *cell,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    if (cell->overflow_levels > OVERFLOW_LEVELS_MAX || cell->value_bytes == 0)
        TRY(page_corrupt(walk->file, cell->overflow.page,
                         "a damaged reference to a long value", err));
    walk->left = cell->value_bytes;
    TRY(overflow_walk(walk, cell->overflow, cell->overflow_levels, err));
    if (walk->left != 0)
        TRY(page_corrupt(walk->file, cell->overflow.page, "a long value of another length",
                         err));
out:
    return status;
}

kdk_status btree_overflow_read(struct page_file *file, const struct leaf_cell *cell,
                               struct buf *value, struct err *err)
{
    struct overflow_walk walk = {.file = file, .value = value, .data = true};
    /* A damaged length must not take a gigabyte: memory beyond this comes as pages do. */
    if (buf_reserve(value, MIN(cell->value_bytes, 1u << 20)) != KDK_OK)
        return err_nomem(err);
    return overflow_run(&walk, cell, err);
}

kdk_status btree_overflow_walk(struct page_file *file, const struct leaf_cell *cell,
                               bool data, btree_page_fn each, void *context,
                               struct err *err)
{
    struct overflow_walk walk = {
        .file = file, .data = data, .each = each, .context = context};
    return overflow_run(&walk, cell, err);
}

/* ---- Looking up ---- */

kdk_status btree_get(struct page_file *file, const struct btree_root *root, const void *key,
                     size_t key_bytes, struct buf *value, bool *found, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_frame *frame = NULL;
    struct page_ref ref = root->top;

    *found = false;
    TRY(btree_root_valid(file, root, err));
    for (uint32_t level = root->height; level-- > 0;) {
        TRY(page_pin(file, ref, &frame, err));
        const uint8_t *page = page_bytes(frame);
        TRY(btree_expect(file, page, btree_kind(level), level, err));
        if (level > 0) {
            ref = inner_cell_at(page, btree_child_of(page, key, key_bytes)).child;
            page_unpin(frame);
            frame = NULL;
            continue;
        }
        uint32_t i = btree_slot_of(page, key, key_bytes);
        if (i == page_count(page))
            break;
        struct leaf_cell cell = leaf_cell_at(page, i);
        if (btree_compare(cell.key, cell.key_bytes, key, key_bytes) != 0)
            break;
        if (value && cell.value) {
            if (buf_add(value, cell.value, cell.value_bytes) != KDK_OK)
                TRY(err_nomem(err));
        } else if (value) {
            TRY(btree_overflow_read(file, &cell, value, err));
        }
        *found = true;
    }
out:
    page_unpin(frame);
    return status;
}

/* ---- Cursors ---- */

void btree_cursor_init(struct btree_cursor *cursor, struct page_file *file,
                       const struct btree_root *root)
{
    *cursor = (struct btree_cursor){.file = file, .root = *root};
}

static void unpin_below(struct btree_cursor *cursor, uint32_t level)
{
    for (uint32_t k = 0; k < level; k++) {
        page_unpin(cursor->path[k]);
        cursor->path[k] = NULL;
    }
}

/* Off all entries: `after` the last or before the first. */
static void leave(struct btree_cursor *cursor, bool after)
{
    unpin_below(cursor, MIN(cursor->root.height, BTREE_HEIGHT_MAX));
    cursor->valid = false;
    cursor->after = after;
    cursor->key = cursor->value = NULL;
    cursor->key_bytes = cursor->value_bytes = 0;
}

void btree_cursor_deinit(struct btree_cursor *cursor)
{
    leave(cursor, false);
    buf_deinit(&cursor->long_value);
}

static void settle(struct btree_cursor *cursor)
{
    struct leaf_cell cell = leaf_cell_at(page_bytes(cursor->path[0]), cursor->index[0]);
    cursor->valid = true;
    cursor->key = cell.key;
    cursor->key_bytes = cell.key_bytes;
    cursor->value = cell.value;
    cursor->value_bytes = cell.value_bytes;
}

static kdk_status pin_level(struct btree_cursor *cursor, uint32_t level,
                            struct page_ref ref, struct err *err)
{
    kdk_status status = page_pin(cursor->file, ref, &cursor->path[level], err);
    if (status != KDK_OK)
        return status;
    return btree_expect(cursor->file, page_bytes(cursor->path[level]), btree_kind(level),
                        level, err);
}

enum where { FIRST, LAST, AT_KEY };

/* From the page that is pinned on `level` (the root, if that is the height) down to a
 * leaf. */
static kdk_status descend(struct btree_cursor *cursor, uint32_t level, enum where where,
                          const void *key, size_t key_bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    if (level == cursor->root.height)
        TRY(pin_level(cursor, --level, cursor->root.top, err));
    for (;; level--) {
        const uint8_t *page = page_bytes(cursor->path[level]);
        switch (where) {
        case FIRST:
            cursor->index[level] = 0;
            break;
        case LAST:
            cursor->index[level] = page_count(page) - 1;
            break;
        case AT_KEY:
            cursor->index[level] = level > 0 ? btree_child_of(page, key, key_bytes)
                                             : btree_slot_of(page, key, key_bytes);
            break;
        }
        if (level == 0)
            break;
        TRY(pin_level(cursor, level - 1, inner_cell_at(page, cursor->index[level]).child,
                      err));
    }
out:
    return status;
}

/* To the next leaf in either direction; *more is false if there is none. */
static kdk_status next_leaf(struct btree_cursor *cursor, bool forwards, bool *more,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t level = 1;

    *more = false;
    for (; level < cursor->root.height; level++)
        if (forwards
                ? cursor->index[level] + 1 < page_count(page_bytes(cursor->path[level]))
                : cursor->index[level] > 0)
            break;
    if (level >= cursor->root.height)
        goto out;
    unpin_below(cursor, level);
    cursor->index[level] += forwards ? 1 : UINT32_MAX;
    TRY(pin_level(
        cursor, level - 1,
        inner_cell_at(page_bytes(cursor->path[level]), cursor->index[level]).child, err));
    TRY(descend(cursor, level - 1, forwards ? FIRST : LAST, NULL, 0, err));
    *more = true;
out:
    return status;
}

static kdk_status start(struct btree_cursor *cursor, enum where where, const void *key,
                        size_t key_bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    bool more = true;

    TRY(btree_root_valid(cursor->file, &cursor->root, err));
    leave(cursor, false);
    if (cursor->root.height == 0) {
        cursor->after = where != LAST;
        goto out;
    }
    TRY(descend(cursor, cursor->root.height, where, key, key_bytes, err));
    if (cursor->index[0] == page_count(page_bytes(cursor->path[0])))
        TRY(next_leaf(cursor, true, &more, err));
    if (more)
        settle(cursor);
    else
        leave(cursor, true);
out:
    if (status != KDK_OK)
        leave(cursor, false);
    return status;
}

kdk_status btree_cursor_seek(struct btree_cursor *cursor, const void *key, size_t key_bytes,
                             struct err *err)
{
    return start(cursor, AT_KEY, key, key_bytes, err);
}

kdk_status btree_cursor_first(struct btree_cursor *cursor, struct err *err)
{
    return start(cursor, FIRST, NULL, 0, err);
}

kdk_status btree_cursor_last(struct btree_cursor *cursor, struct err *err)
{
    return start(cursor, LAST, NULL, 0, err);
}

static kdk_status move(struct btree_cursor *cursor, bool forwards, struct err *err)
{
    kdk_status status = KDK_OK;
    bool more = true;

    if (!cursor->valid)
        return cursor->after == forwards
                   ? KDK_OK
                   : start(cursor, forwards ? FIRST : LAST, NULL, 0, err);
    if (forwards ? cursor->index[0] + 1 < page_count(page_bytes(cursor->path[0]))
                 : cursor->index[0] > 0)
        cursor->index[0] += forwards ? 1 : UINT32_MAX;
    else
        TRY(next_leaf(cursor, forwards, &more, err));
    if (more)
        settle(cursor);
    else
        leave(cursor, forwards);
out:
    if (status != KDK_OK)
        leave(cursor, false);
    return status;
}

kdk_status btree_cursor_next(struct btree_cursor *cursor, struct err *err)
{
    return move(cursor, true, err);
}

kdk_status btree_cursor_prev(struct btree_cursor *cursor, struct err *err)
{
    return move(cursor, false, err);
}

kdk_status btree_cursor_value(struct btree_cursor *cursor, const uint8_t **value,
                              struct err *err)
{
    kdk_status status = KDK_OK;

    TRY_ASSERT(cursor->valid);
    if (!cursor->value) {
        struct leaf_cell cell = leaf_cell_at(page_bytes(cursor->path[0]), cursor->index[0]);
        buf_clear(&cursor->long_value);
        TRY(btree_overflow_read(cursor->file, &cell, &cursor->long_value, err));
        *value = (const uint8_t *)cursor->long_value.data;
    } else {
        *value = cursor->value;
    }
out:
    return status;
}
