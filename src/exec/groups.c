#include "exec/groups.h"

#include "base/mem.h"

#define POINTER_MASK 0xffffffffffffull

static uint64_t tag_of(uint64_t hash)
{
    return 1ull << (48 + (hash >> 60));
}

kdk_status groups_init(struct groups *g, const struct rowlayout *layout, uint32_t key_count,
                       struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    memset(g, 0, sizeof *g);
    g->layout = layout;
    g->key_count = key_count;
    rowset_init(&g->set, layout);
    TRY_MEM(g->directory = mem_zalloc(64 * sizeof *g->directory));
    g->mask = 63;
    TRY_MEM(g->key_list = ARENA_ARRAY(arena, const struct vec *, key_count + 1));
    TRY_MEM(g->hashes = ARENA_ARRAY(arena, uint64_t, BATCH_ROWS));
    TRY(rowset_scratch(layout, arena, &g->scratch, err));
    TRY(rowset_scratch(layout, arena, &g->keys, err));
    for (uint32_t i = 0; i < key_count; i++)
        g->key_list[i] = &g->keys[i];
out:
    return status;
}

void groups_deinit(struct groups *g)
{
    if (!g->layout)
        return;
    rowset_deinit(&g->set);
    mem_free(g->directory);
    g->directory = NULL;
}

void groups_link(struct groups *g, uint8_t *row)
{
    uint64_t hash = row_hash(row);
    uint64_t *slot = &g->directory[hash & g->mask];
    put_u64(row + ROW_LINK, *slot & POINTER_MASK);
    *slot = (*slot & ~POINTER_MASK) | tag_of(hash) | (uint64_t)(uintptr_t)row;
}

static kdk_status groups_grow(struct groups *g, uint64_t rows, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t slots = g->mask + 1;
    struct rowset_at at = {0};
    uint8_t *list[256];
    uint32_t n;

    if (rows <= slots)
        goto out;
    while (slots < rows * 2)
        slots *= 2;
    uint64_t *directory;
    TRY_MEM(directory = mem_zalloc(size_mul(slots, sizeof *directory)));
    mem_free(g->directory);
    g->directory = directory;
    g->mask = slots - 1;
    while ((n = rowset_next(&g->set, &at, list, COUNT_OF(list))))
        for (uint32_t i = 0; i < n; i++)
            groups_link(g, list[i]);
out:
    return status;
}

/* Which of the n rows (places in the batch, with a stored row each) have the stored row's
 * key? Those that do not are left, packed, in `others`: indexes. */
static uint32_t groups_differ(const struct groups *g, const uint16_t *places,
                              uint8_t *const *rows, uint32_t n, uint16_t *others)
{
    uint16_t same_places[BATCH_ROWS];
    uint8_t *same_rows[BATCH_ROWS];
    uint32_t same = n, left = 0;

    memcpy(same_places, places, n * sizeof *places);
    memcpy(same_rows, rows, n * sizeof *rows);
    for (uint32_t i = 0; i < g->key_count && same; i++)
        same = rows_match(g->layout, i, &g->keys[i], true, same_places, same_rows, same);
    for (uint32_t i = 0, m = 0; i < n && same < n; i++) {
        bool found = m < same && same_places[m] == places[i];
        m += found;
        others[left] = (uint16_t)i;
        left += !found;
    }
    return left;
}

/* Of `n` numbers of selected rows those whose hash none before has come first, in order;
 * how many. The others follow. */
static uint32_t groups_first(const struct groups *g, uint16_t *list, uint32_t n)
{
    enum { SLOTS = BATCH_ROWS * 2 };
    uint16_t slots[SLOTS], again[BATCH_ROWS];
    uint32_t first = 0, left = 0;

    if (n < 2)
        return n;
    memset(slots, 0xff, sizeof slots);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t hash = g->hashes[list[i]];
        uint32_t at = (uint32_t)(hash >> 32) % SLOTS;
        while (slots[at] != UINT16_MAX && g->hashes[slots[at]] != hash)
            at = (at + 1) % SLOTS;
        if (slots[at] != UINT16_MAX) {
            again[left++] = list[i];
            continue;
        }
        slots[at] = list[i];
        list[first++] = list[i];
    }
    memcpy(list + first, again, left * sizeof *again);
    return first;
}

/* Finds the groups of some selected rows, by their numbers in `list`, which is used up. */
static kdk_status groups_probe(struct groups *g, uint16_t *list, uint32_t n,
                               const struct sel *sel, uint32_t count, uint8_t **found,
                               bool *fresh, struct err *err)
{
    kdk_status status = KDK_OK;
    uint16_t walkers[BATCH_ROWS], places[BATCH_ROWS], others[BATCH_ROWS];
    uint8_t *rows[BATCH_ROWS];
    uint64_t hashes[BATCH_ROWS];
    const struct vec *none[1] = {NULL};

    while (n) {
        uint32_t walking = n, missing = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t hash = g->hashes[list[i]], slot = g->directory[hash & g->mask];
            walkers[i] = list[i];
            rows[i] =
                slot & tag_of(hash) ? (uint8_t *)(uintptr_t)(slot & POINTER_MASK) : NULL;
        }
        while (walking) {
            uint32_t candidates = 0, left;
            for (uint32_t i = 0; i < walking; i++) {
                uint16_t k = walkers[i];
                uint8_t *row = rows[i];
                while (row && row_hash(row) != g->hashes[k])
                    row = (uint8_t *)(uintptr_t)get_u64(row + ROW_LINK);
                if (!row) {
                    list[missing++] = k;
                    continue;
                }
                found[k] = row;
                walkers[candidates] = k;
                places[candidates] = (uint16_t)SEL_ROW(sel, k);
                rows[candidates++] = row;
            }
            left = groups_differ(g, places, rows, candidates, others);
            for (uint32_t i = 0; i < left; i++) {
                walkers[i] = walkers[others[i]];
                rows[i] = (uint8_t *)(uintptr_t)get_u64(rows[others[i]] + ROW_LINK);
            }
            walking = left;
        }
        /* New groups; rows with the hash of one of them look for it in the next round. */
        uint32_t made = groups_first(g, list, missing);
        for (uint32_t i = 0; i < made; i++) {
            places[i] = (uint16_t)SEL_ROW(sel, list[i]);
            hashes[i] = g->hashes[list[i]];
        }
        if (made)
            TRY(rowset_append(&g->set, g->key_count ? g->key_list : none,
                              &(struct sel){places, made}, count, hashes, g->scratch, rows,
                              err));
        for (uint32_t i = 0; i < made; i++) {
            groups_link(g, rows[i]);
            found[list[i]] = rows[i];
            if (fresh)
                fresh[list[i]] = true;
        }
        n = missing - made;
        memmove(list, list + made, n * sizeof *list);
    }
out:
    return status;
}

/* A row with the hash of the one before it has the same key, but for accidents, and need
 * not look for its group. */
kdk_status groups_find(struct groups *g, struct vec *const *keys, const struct sel *sel,
                       uint32_t count, uint8_t **found, bool *fresh, struct err *err)
{
    kdk_status status = KDK_OK;
    uint16_t list[BATCH_ROWS], places[BATCH_ROWS], others[BATCH_ROWS];
    uint8_t *rows[BATCH_ROWS];
    uint32_t heads = 0, followers = 0, left;

    if (!g->key_count)
        memset(g->hashes, 0, sel->count * sizeof *g->hashes);
    for (uint32_t i = 0; i < g->key_count; i++) {
        vec_hash(keys[i], sel, i > 0, g->hashes);
        vec_flatten(keys[i], sel, count, ltype_width(g->layout->types[i]), &g->keys[i]);
    }
    TRY(groups_grow(g, g->set.row_count + sel->count, err));
    if (fresh)
        memset(fresh, 0, sel->count * sizeof *fresh);
    for (uint32_t k = 0; k < sel->count; k++) {
        list[heads] = (uint16_t)k;
        heads += !k || g->hashes[k] != g->hashes[k - 1];
    }
    TRY(groups_probe(g, list, heads, sel, count, found, fresh, err));
    if (heads == sel->count)
        goto out;
    for (uint32_t k = 1; k < sel->count; k++)
        if (g->hashes[k] == g->hashes[k - 1]) {
            list[followers] = (uint16_t)k;
            places[followers] = (uint16_t)SEL_ROW(sel, k);
            rows[followers++] = found[k] = found[k - 1];
        }
    left = groups_differ(g, places, rows, followers, others);
    for (uint32_t i = 0; i < left; i++)
        list[i] = list[others[i]];
    TRY(groups_probe(g, list, left, sel, count, found, fresh, err));
out:
    return status;
}

uint8_t *groups_peer(const struct groups *g, const uint8_t *row)
{
    uint64_t slot = g->directory[row_hash(row) & g->mask];
    if (!(slot & tag_of(row_hash(row))))
        return NULL;
    for (uint8_t *r = (uint8_t *)(uintptr_t)(slot & POINTER_MASK); r;
         r = (uint8_t *)(uintptr_t)get_u64(r + ROW_LINK))
        if (row_hash(r) == row_hash(row) && rows_equal(g->layout, r, row, g->key_count))
            return r;
    return NULL;
}
