/* btree_apply.c - batches of changes: the old tree flows through builders, one a level,
 * into new pages.
 *
 * A builder holds the cells that come next on its level, in order, up to one page and a
 * third. When more come, it cuts a page of nine tenths off its front; when it must come to
 * an end, it writes all it has as one page or as two of about equal size. A cell takes at
 * most a third of a page, so no cut leaves less than a third. A page that is written is a
 * cell for the builder above.
 *
 * An old subtree without changes goes into the builder above its level as one cell (pass).
 * For that the builders below must be empty: what they hold is finished first, and if one
 * holds less than a third of a page, the subtree is opened, and its children are passed
 * instead, down to the level in need. When the batch is at its end, a builder that holds
 * too little takes back the page before it (the last cell of the builder above, which may
 * have to take back a page of its own, and so on). */
#include "base/mem.h"
#include "tree/btree_int.h"

/* Of a page that is cut off; the rest is for what comes later. */
#define FILL_BYTES (PAGE_ROOM / 10u * 9u)
#define HOLD_BYTES (PAGE_ROOM + PAGE_ROOM / 3u) /* Of a builder. */

static_assert(LEAF_CELL_HEAD + TREE_KEY_BYTES_MAX + OVERFLOW_REF_BYTES + 4 <= PAGE_THIRD,
              "a leaf cell is at most a third of a page");
static_assert(INNER_CELL_HEAD + TREE_KEY_BYTES_MAX + 4 <= PAGE_THIRD,
              "an inner cell is at most a third of a page");
static_assert(TREE_KEY_BYTES_MAX <= UINT16_MAX,
              "a cell has 16 bits for the length of a key");

struct builder {
    /* Cells as on a page, but the first one's key is always there. 2 * TREE_PAGE_BYTES. */
    uint8_t *bytes;
    uint32_t *at; /* Where cell i begins; at[count] is the end. */
    uint32_t count;
};
#define BUILDER_CELLS (2u * TREE_PAGE_BYTES / (LEAF_CELL_HEAD + 4u))

struct apply {
    struct page_sink *sink;
    const struct btree_feed *feed;
    struct btree_change change; /* The next one, if `more`. */
    bool more;
    uint64_t count; /* Entries of the new tree. */
    struct builder level[BTREE_HEIGHT_MAX + 1];
    struct builder aside;
    uint8_t *page[BTREE_HEIGHT_MAX]; /* The old page of each level that is being read. */
    uint8_t *image;                  /* The page that is being written. */
    /* The separator of the leaf that begins with the leaf builder's first cell. */
    uint8_t bound[TREE_KEY_BYTES_MAX];
    uint32_t bound_bytes;
    /* The last key that the leaf builder finished with, while nothing was passed since. */
    uint8_t last[TREE_KEY_BYTES_MAX];
    uint32_t last_bytes;
    bool last_known;
    uint8_t fed[TREE_KEY_BYTES_MAX]; /* The last key of the feed. */
    uint32_t fed_bytes;
    bool fed_any;
};

/* A key that is borrowed. */
struct span {
    const uint8_t *key;
    uint32_t bytes;
};

/* ---- Builders ---- */

static kdk_status builder_init(struct builder *builder, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!builder->bytes)
        TRY_MEM(builder->bytes = mem_alloc(2 * TREE_PAGE_BYTES));
    if (!builder->at) {
        TRY_MEM(builder->at = MEM_ARRAY(uint32_t, BUILDER_CELLS + 1));
        builder->count = 0;
    }
out:
    return status;
}

static uint32_t cell_head(uint32_t level)
{
    return level == 0 ? LEAF_CELL_HEAD : INNER_CELL_HEAD;
}

static struct span builder_key(const struct builder *builder, uint32_t level, uint32_t i)
{
    const uint8_t *cell = builder->bytes + builder->at[i];
    return (struct span){cell + cell_head(level), get_u16(cell)};
}

/* Of cells from..to with their offsets. */
static uint32_t builder_size(const struct builder *builder, uint32_t from, uint32_t to)
{
    return builder->at[to] - builder->at[from] + 4 * (to - from);
}

static bool holds_little(const struct builder *builder)
{
    return builder_size(builder, 0, builder->count) < PAGE_THIRD;
}

/* The shortest key that is > `before` and <= `key`. */
static uint32_t separator_bytes(struct span before, struct span key)
{
    uint32_t i = 0;
    while (i < before.bytes && i < key.bytes && before.key[i] == key.key[i])
        i++;
    return MIN(i + 1, key.bytes);
}

static kdk_status add_child(struct apply *apply, uint32_t level, struct span key,
                            struct page_ref child, struct err *err);

/* Writes the first `n` cells as a page. */
static kdk_status cut(struct apply *apply, uint32_t level, uint32_t n, struct err *err)
{
    kdk_status status = KDK_OK;
    struct builder *builder = &apply->level[level];
    uint8_t *image = apply->image;
    uint32_t heap = TREE_PAGE_BYTES;
    struct page_ref ref;

    page_image_init(image, btree_kind(level), (uint8_t)level);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *cell = builder->bytes + builder->at[i];
        uint32_t bytes = builder->at[i + 1] - builder->at[i];
        TRY_ASSERT(heap >= PAGE_HEADER_BYTES + 4u * n + bytes || (level > 0 && i == 0));
        if (level > 0 && i == 0) {
            heap -= INNER_CELL_HEAD; /* The parent knows this key. */
            memcpy(image + heap, cell, INNER_CELL_HEAD);
            put_u16(image + heap, 0);
        } else {
            heap -= bytes;
            memcpy(image + heap, cell, bytes);
        }
        put_u32(image + PAGE_HEADER_BYTES + 4u * i, heap);
    }
    page_put_count(image, n);
    page_put_heap(image, heap);
    TRY(apply->sink->write(apply->sink, image, &ref, err));

    struct span key = level > 0 ? builder_key(builder, level, 0)
                                : (struct span){apply->bound, apply->bound_bytes};
    TRY(add_child(apply, level + 1, key, ref, err));

    if (level == 0) { /* The key that the next leaf is told from this one by. */
        struct span last = builder_key(builder, 0, n - 1);
        if (n < builder->count) {
            struct span first = builder_key(builder, 0, n);
            apply->bound_bytes = separator_bytes(last, first);
            memcpy(apply->bound, first.key, apply->bound_bytes);
        }
        memcpy(apply->last, last.key, last.bytes);
        apply->last_bytes = last.bytes;
        apply->last_known = true;
    }
    uint32_t gone = builder->at[n];
    memmove(builder->bytes, builder->bytes + gone, builder->at[builder->count] - gone);
    for (uint32_t i = n; i <= builder->count; i++)
        builder->at[i - n] = builder->at[i] - gone;
    builder->count -= n;
out:
    return status;
}

/* Writes all that the builder holds. */
static kdk_status finish(struct apply *apply, uint32_t level, struct err *err)
{
    kdk_status status = KDK_OK;
    struct builder *builder = &apply->level[level];
    uint32_t n = builder->count;

    if (n == 0)
        return KDK_OK;
    uint32_t all = builder_size(builder, 0, n);
    if (all - (level > 0 ? builder_key(builder, level, 0).bytes : 0) > PAGE_ROOM) {
        uint32_t half = 1;
        while (builder_size(builder, 0, half) < all / 2)
            half++;
        if (half > 1 && builder_size(builder, 0, half) - all / 2 >
                            all / 2 - builder_size(builder, 0, half - 1))
            half--;
        TRY(cut(apply, level, half, err));
    }
    TRY(cut(apply, level, builder->count, err));
out:
    return status;
}

/* Room for a cell with this key behind the others, to be filled in by the caller. `bound`:
 * a separator that is right if the leaf builder is empty and something was passed. */
static kdk_status add_cell(struct apply *apply, uint32_t level, struct span key,
                           struct span bound, uint32_t bytes, uint8_t **out,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct builder *builder = &apply->level[level];

    TRY(builder_init(builder, err));
    if (builder->count > 0 &&
        builder_size(builder, 0, builder->count) + bytes + 4 > HOLD_BYTES) {
        uint32_t n = 1;
        while (n + 1 < builder->count && builder_size(builder, 0, n + 1) <= FILL_BYTES)
            n++;
        TRY(cut(apply, level, n, err));
    }
    if (level == 0 && builder->count == 0) {
        if (apply->last_known)
            bound = (struct span){
                key.key,
                separator_bytes((struct span){apply->last, apply->last_bytes}, key)};
        if (bound.bytes > 0)
            memcpy(apply->bound, bound.key, bound.bytes);
        apply->bound_bytes = bound.bytes;
    }
    TRY_ASSERT(builder->count < BUILDER_CELLS &&
               builder->at[builder->count] + bytes <= 2 * TREE_PAGE_BYTES);
    *out = builder->bytes + builder->at[builder->count];
    builder->at[builder->count + 1] = builder->at[builder->count] + bytes;
    builder->count++;
out:
    return status;
}

static kdk_status add_child(struct apply *apply, uint32_t level, struct span key,
                            struct page_ref child, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *cell;

    if (level > BTREE_HEIGHT_MAX)
        return err_set(err, KDK_LIMIT, "a tree is too high");
    TRY(add_cell(apply, level, key, key, INNER_CELL_HEAD + key.bytes, &cell, err));
    put_u16(cell, (uint16_t)key.bytes);
    put_u64(cell + 2, child.page);
    put_u32(cell + 10, child.crc);
    if (key.bytes > 0)
        memcpy(cell + INNER_CELL_HEAD, key.key, key.bytes);
out:
    return status;
}

/* Adds a leaf cell as it lies on an old page or in a builder. */
static kdk_status add_raw(struct apply *apply, const uint8_t *from, struct span bound,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct span key = {from + LEAF_CELL_HEAD, get_u16(from)};
    uint32_t value = get_u32(from + 2);
    uint32_t bytes = LEAF_CELL_HEAD + key.bytes +
                     (value & PAGE_VALUE_OVERFLOW ? OVERFLOW_REF_BYTES : value);
    uint8_t *cell;

    TRY(add_cell(apply, 0, key, bound, bytes, &cell, err));
    memcpy(cell, from, bytes);
out:
    return status;
}

/* ---- Values ---- */

/* Writes the pages of a long value, then the pages of references to them, until one is
 * left. */
static kdk_status write_overflow(struct apply *apply, const uint8_t *value, uint32_t bytes,
                                 struct page_ref *top, uint8_t *levels, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t count = ((size_t)bytes + PAGE_ROOM - 1) / PAGE_ROOM;
    struct page_ref *refs = MEM_ARRAY(struct page_ref, count);

    TRY_MEM(refs);
    for (size_t i = 0; i < count; i++) {
        uint32_t part = MIN(bytes - (uint32_t)i * PAGE_ROOM, PAGE_ROOM);
        page_image_init(apply->image, PAGE_OVERFLOW, 0);
        page_put_count(apply->image, part);
        memcpy(apply->image + PAGE_HEADER_BYTES, value + i * PAGE_ROOM, part);
        TRY(apply->sink->write(apply->sink, apply->image, &refs[i], err));
    }
    *levels = 0;
    while (count > 1) {
        size_t pages = (count + OVERFLOW_FANOUT - 1) / OVERFLOW_FANOUT;
        ++*levels;
        for (size_t i = 0; i < pages; i++) {
            uint32_t n =
                (uint32_t)MIN(count - i * OVERFLOW_FANOUT, (size_t)OVERFLOW_FANOUT);
            page_image_init(apply->image, PAGE_OVERFLOW_INNER, *levels);
            page_put_count(apply->image, n);
            for (uint32_t k = 0; k < n; k++) {
                const struct page_ref *ref = &refs[i * OVERFLOW_FANOUT + k];
                put_u64(apply->image + PAGE_HEADER_BYTES + 12u * k, ref->page);
                put_u32(apply->image + PAGE_HEADER_BYTES + 12u * k + 8, ref->crc);
            }
            /* i <= i * OVERFLOW_FANOUT: was read. */
            TRY(apply->sink->write(apply->sink, apply->image, &refs[i], err));
        }
        count = pages;
    }
    *top = refs[0];
out:
    mem_free(refs);
    return status;
}

static kdk_status add_change(struct apply *apply, struct span bound, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct btree_change *change = &apply->change;
    struct span key = {change->key, change->key_bytes};
    struct page_ref top = {0};
    uint8_t levels = 0, *cell;
    bool inlined = change->value_bytes <= TREE_PAGE_BYTES / 4 &&
                   LEAF_CELL_HEAD + key.bytes + change->value_bytes + 4 <= PAGE_THIRD;

    if (!inlined)
        TRY(write_overflow(apply, change->value, change->value_bytes, &top, &levels, err));
    TRY(add_cell(apply, 0, key, bound,
                 LEAF_CELL_HEAD + key.bytes +
                     (inlined ? change->value_bytes : OVERFLOW_REF_BYTES),
                 &cell, err));
    put_u16(cell, (uint16_t)key.bytes);
    put_u32(cell + 2, change->value_bytes | (inlined ? 0 : PAGE_VALUE_OVERFLOW));
    cell += LEAF_CELL_HEAD;
    if (key.bytes > 0)
        memcpy(cell, key.key, key.bytes);
    cell += key.bytes;
    if (!inlined) {
        put_u64(cell, top.page);
        put_u32(cell + 8, top.crc);
        cell[12] = levels;
    } else if (change->value_bytes > 0) {
        memcpy(cell, change->value, change->value_bytes);
    }
out:
    return status;
}

static kdk_status discard_page(void *context, uint64_t page, struct err *err)
{
    struct page_sink *sink = context;
    return sink->discard(sink, page, err);
}

/* ---- The feed ---- */

static kdk_status fetch(struct apply *apply, struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_change *change = &apply->change;

    *change = (struct btree_change){0};
    TRY(apply->feed->next(apply->feed->context, change, &apply->more, err));
    if (!apply->more)
        goto out;
    if (change->key_bytes > TREE_KEY_BYTES_MAX || change->value_bytes > VALUE_BYTES_MAX) {
        bool key = change->key_bytes > TREE_KEY_BYTES_MAX;
        status = err_set(err, KDK_LIMIT,
                         key ? "an index key is too long" : "a value is too long");
        err_detail(err, "It has %u bytes; the limit is %u.",
                   key ? change->key_bytes : change->value_bytes,
                   key ? (unsigned)TREE_KEY_BYTES_MAX : (unsigned)VALUE_BYTES_MAX);
        goto out;
    }
    TRY_ASSERT(!apply->fed_any || btree_compare(apply->fed, apply->fed_bytes, change->key,
                                                change->key_bytes) < 0);
    if (change->key_bytes > 0)
        memcpy(apply->fed, change->key, change->key_bytes);
    apply->fed_bytes = change->key_bytes;
    apply->fed_any = true;
out:
    return status;
}

/* Is the next change before `upper` (NULL: there is no upper bound)? */
static bool change_below(const struct apply *apply, const struct span *upper)
{
    return apply->more &&
           (!upper || btree_compare(apply->change.key, apply->change.key_bytes, upper->key,
                                    upper->bytes) < 0);
}

/* ---- The old tree ---- */

/* Copies an old page to apply->page[level] and discards it. */
static kdk_status take_page(struct apply *apply, uint32_t level, struct page_ref ref,
                            struct err *err)
{
    kdk_status status = KDK_OK;

    if (!apply->page[level])
        TRY_MEM(apply->page[level] = mem_alloc(TREE_PAGE_BYTES));
    TRY(page_copy(apply->sink->file, ref, apply->page[level], err));
    TRY(btree_expect(apply->sink->file, apply->page[level], btree_kind(level), level, err));
    TRY(apply->sink->discard(apply->sink, ref.page, err));
out:
    return status;
}

static const uint8_t *raw_cell(const uint8_t *page, uint32_t i)
{
    return page + get_u32(page + PAGE_HEADER_BYTES + 4u * i);
}

/* An old subtree, the root of which is on `level`, into the new tree as it is. */
static kdk_status pass(struct apply *apply, uint32_t level, struct page_ref ref,
                       struct span bound, struct err *err)
{
    kdk_status status = KDK_OK;
    bool open = false;

    for (uint32_t k = 0; k <= level && !open; k++) {
        if (apply->level[k].count == 0)
            continue;
        if (holds_little(&apply->level[k]))
            open = true;
        else
            TRY(finish(apply, k, err));
    }
    if (!open) {
        apply->last_known = false;
        TRY(add_child(apply, level + 1, bound, ref, err));
        goto out;
    }
    TRY(take_page(apply, level, ref, err));
    const uint8_t *page = apply->page[level];
    for (uint32_t i = 0; i < page_count(page); i++) {
        if (level == 0) {
            TRY(add_raw(apply, raw_cell(page, i), bound, err));
        } else {
            struct inner_cell cell = inner_cell_at(page, i);
            TRY(pass(apply, level - 1, cell.child,
                     i == 0 ? bound : (struct span){cell.key, cell.key_bytes}, err));
        }
    }
out:
    return status;
}

/* Merges the changes below `upper` with the entries of an old leaf (NULL: none). */
static kdk_status merge_leaf(struct apply *apply, const uint8_t *page, struct span bound,
                             const struct span *upper, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t i = 0, count = page ? page_count(page) : 0;

    for (;;) {
        bool change = change_below(apply, upper);
        if (i == count && !change)
            break;
        int order = i == count ? 1 : -1; /* Of the old entry against the change. */
        if (i < count && change) {
            struct leaf_cell cell = leaf_cell_at(page, i);
            order = btree_compare(cell.key, cell.key_bytes, apply->change.key,
                                  apply->change.key_bytes);
        }
        if (order < 0) {
            TRY(add_raw(apply, raw_cell(page, i++), bound, err));
            continue;
        }
        if (order == 0) {
            struct leaf_cell cell = leaf_cell_at(page, i++);
            if (!cell.value)
                TRY(btree_overflow_walk(apply->sink->file, &cell, false, discard_page,
                                        apply->sink, err));
            apply->count--;
        }
        if (!apply->change.erase) {
            TRY(add_change(apply, bound, err));
            apply->count++;
        }
        TRY(fetch(apply, err));
    }
out:
    return status;
}

/* An old subtree with at least one change before `upper`. */
static kdk_status rewrite(struct apply *apply, uint32_t level, struct page_ref ref,
                          struct span bound, const struct span *upper, struct err *err)
{
    kdk_status status = KDK_OK;

    TRY(take_page(apply, level, ref, err));
    const uint8_t *page = apply->page[level];
    if (level == 0) {
        TRY(merge_leaf(apply, page, bound, upper, err));
        goto out;
    }
    for (uint32_t i = 0, count = page_count(page); i < count; i++) {
        struct inner_cell cell = inner_cell_at(page, i);
        struct span from = i == 0 ? bound : (struct span){cell.key, cell.key_bytes},
                    next = {0};
        const struct span *to = upper;
        if (i + 1 < count) {
            struct inner_cell follower = inner_cell_at(page, i + 1);
            next = (struct span){follower.key, follower.key_bytes};
            to = &next;
        }
        if (change_below(apply, to))
            TRY(rewrite(apply, level - 1, cell.child, from, to, err));
        else
            TRY(pass(apply, level - 1, cell.child, from, err));
    }
out:
    return status;
}

/* ---- The end ---- */

/* Takes the last page before those that the builder of `level` holds out of the builder
 * above. The key is borrowed from there until that gets a cell. */
static kdk_status take_left(struct apply *apply, uint32_t level, struct span *key,
                            struct page_ref *ref, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t up = level + 1;
    struct builder *above = &apply->level[up];

    if (above->count == 0) {
        struct span bound;
        struct page_ref node;
        TRY_ASSERT(up < BTREE_HEIGHT_MAX);
        TRY(take_left(apply, up, &bound, &node, err));
        TRY(take_page(apply, up, node, err));
        for (uint32_t i = 0; i < page_count(apply->page[up]); i++) {
            struct inner_cell cell = inner_cell_at(apply->page[up], i);
            TRY(add_child(apply, up,
                          i == 0 ? bound : (struct span){cell.key, cell.key_bytes},
                          cell.child, err));
        }
        above = &apply->level[up];
    }
    TRY_ASSERT(above->count > 0);
    const uint8_t *cell = above->bytes + above->at[--above->count];
    *key = (struct span){cell + INNER_CELL_HEAD, get_u16(cell)};
    *ref = (struct page_ref){get_u64(cell + 2), get_u32(cell + 10)};
out:
    return status;
}

/* The builder of `level` holds too little for a page: joins it with the page before. */
static kdk_status join_left(struct apply *apply, uint32_t level, struct err *err)
{
    kdk_status status = KDK_OK;
    struct span bound;
    struct page_ref ref;

    TRY(builder_init(&apply->aside, err));
    struct builder held = apply->level[level];
    apply->level[level] = apply->aside;
    apply->aside = held;
    apply->level[level].count = 0;

    TRY(take_left(apply, level, &bound, &ref, err));
    TRY(take_page(apply, level, ref, err));
    apply->last_known = false;
    for (uint32_t i = 0; i < page_count(apply->page[level]); i++) {
        if (level == 0) {
            TRY(add_raw(apply, raw_cell(apply->page[level], i), bound, err));
        } else {
            struct inner_cell cell = inner_cell_at(apply->page[level], i);
            TRY(add_child(apply, level,
                          i == 0 ? bound : (struct span){cell.key, cell.key_bytes},
                          cell.child, err));
        }
    }
    for (uint32_t i = 0; i < held.count; i++) {
        const uint8_t *cell = held.bytes + held.at[i];
        if (level == 0)
            TRY(add_raw(apply, cell, bound, err));
        else
            TRY(add_child(apply, level, builder_key(&held, level, i),
                          (struct page_ref){get_u64(cell + 2), get_u32(cell + 10)}, err));
    }
out:
    return status;
}

static kdk_status end(struct apply *apply, struct btree_root *root, struct err *err)
{
    kdk_status status = KDK_OK;

    *root = (struct btree_root){.count = apply->count};
    for (uint32_t level = 0; level <= BTREE_HEIGHT_MAX; level++) {
        struct builder *builder = &apply->level[level];
        bool above = false;
        for (uint32_t k = level + 1; k <= BTREE_HEIGHT_MAX; k++)
            above = above || apply->level[k].count > 0;
        if (builder->count == 0 && !above)
            goto out; /* Nothing is left. */
        if (builder->count == 1 && !above && level > 0) {
            root->top = (struct page_ref){get_u64(builder->bytes + 2),
                                          get_u32(builder->bytes + 10)};
            root->height = level;
            goto out;
        }
        if (builder->count > 0 && above && holds_little(builder))
            TRY(join_left(apply, level, err));
        TRY(finish(apply, level, err));
    }
    status = err_set(err, KDK_LIMIT, "a tree is too high");
out:
    return status;
}

kdk_status btree_apply(struct page_sink *sink, const struct btree_root *old,
                       const struct btree_feed *feed, struct btree_root *out,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_root root = *old;
    struct apply *apply = MEM_NEW(struct apply);

    TRY_MEM(apply);
    apply->sink = sink;
    apply->feed = feed;
    apply->count = old->count;
    TRY(btree_root_valid(sink->file, old, err));
    TRY(fetch(apply, err));
    if (apply->more) {
        for (uint32_t k = 0; k <= BTREE_HEIGHT_MAX && k <= old->height; k++)
            TRY(builder_init(&apply->level[k], err));
        TRY_MEM(apply->image = mem_alloc(TREE_PAGE_BYTES));
        if (old->height == 0)
            TRY(merge_leaf(apply, NULL, (struct span){0}, NULL, err));
        else
            TRY(rewrite(apply, old->height - 1, old->top, (struct span){0}, NULL, err));
        TRY(end(apply, &root, err));
    }
    *out = root;
out:
    if (apply) {
        for (uint32_t k = 0; k <= BTREE_HEIGHT_MAX; k++) {
            mem_free(apply->level[k].bytes);
            mem_free(apply->level[k].at);
        }
        mem_free(apply->aside.bytes);
        mem_free(apply->aside.at);
        for (uint32_t k = 0; k < BTREE_HEIGHT_MAX; k++)
            mem_free(apply->page[k]);
        mem_free(apply->image);
        mem_free(apply);
    }
    return status;
}

kdk_status btree_build(struct page_sink *sink, const struct btree_feed *feed,
                       struct btree_root *out, struct err *err)
{
    struct btree_root none = {0};
    return btree_apply(sink, &none, feed, out, err);
}

static kdk_status drop_page(struct page_sink *sink, struct page_ref ref, uint32_t level,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *page = mem_alloc(TREE_PAGE_BYTES);

    TRY_MEM(page);
    TRY(page_copy(sink->file, ref, page, err));
    TRY(btree_expect(sink->file, page, btree_kind(level), level, err));
    for (uint32_t i = 0; i < page_count(page); i++) {
        if (level > 0) {
            TRY(drop_page(sink, inner_cell_at(page, i).child, level - 1, err));
            continue;
        }
        struct leaf_cell cell = leaf_cell_at(page, i);
        if (!cell.value)
            TRY(btree_overflow_walk(sink->file, &cell, false, discard_page, sink, err));
    }
    TRY(sink->discard(sink, ref.page, err));
out:
    mem_free(page);
    return status;
}

kdk_status btree_drop(struct page_sink *sink, const struct btree_root *root,
                      struct err *err)
{
    kdk_status status = btree_root_valid(sink->file, root, err);
    if (status == KDK_OK && root->height > 0)
        status = drop_page(sink, root->top, root->height - 1, err);
    return status;
}
