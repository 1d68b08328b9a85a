#include "tree/tree_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

uint64_t fixture_random(uint64_t *state)
{
    return hash_u64(*state += 0x9e3779b97f4a7c15ull);
}

/* ---- Keys and values. From malloc: the tests fail allocations of mem.h. ---- */

struct sort_key {
    uint8_t key[TREE_KEY_BYTES_MAX];
    uint32_t bytes;
};

static int sort_compare(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    return btree_compare(x->key, x->bytes, y->key, y->bytes);
}

void keyspace_init(struct keyspace *space, uint32_t count, uint64_t seed, bool dense,
                   uint32_t value_bytes_max)
{
    struct sort_key *keys = calloc(count, sizeof *keys);
    for (uint32_t i = 0; keys && i < count; i++) {
        uint64_t h = hash_combine(seed, i);
        struct sort_key *k = &keys[i];
        if (dense) {
            for (uint32_t b = 0; b < 8; b++)
                k->key[b] = (uint8_t)((uint64_t)i >> (56 - 8 * b));
            k->bytes = 8;
            continue;
        }
        if (i == 0)
            continue; /* The empty key. */
        /* Some prefixes, of lengths up to the limit, shared by many keys; sometimes cut
         * short. */
        uint32_t prefix = h % 4 == 0 ? (uint32_t)(h >> 8) % (TREE_KEY_BYTES_MAX - 7)
                                     : (uint32_t)(h >> 8) % 12;
        memset(k->key, (int)('a' + (h >> 40) % 3), prefix);
        if ((h >> 50) % 5 == 0)
            memset(k->key, 0xff, prefix);
        for (uint32_t b = 0; b < 8; b++)
            k->key[prefix + b] = (uint8_t)(h >> 8 * b);
        k->bytes = prefix + ((h >> 3) % 3 == 0 ? 3 : 8);
    }
    if (!keys)
        abort();
    qsort(keys, count, sizeof *keys, sort_compare);
    *space = (struct keyspace){.value_bytes_max = value_bytes_max};
    space->key = calloc(count, sizeof *space->key);
    space->bytes = calloc(count, sizeof *space->bytes);
    space->value = malloc(value_bytes_max + 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && sort_compare(&keys[i - 1], &keys[i]) == 0)
            continue;
        memcpy(space->key[space->count], keys[i].key, TREE_KEY_BYTES_MAX);
        space->bytes[space->count++] = keys[i].bytes;
    }
    free(keys);
}

void keyspace_deinit(struct keyspace *space)
{
    free(space->key);
    free(space->bytes);
    free(space->value);
}

uint32_t fixture_value(const struct keyspace *space, uint32_t rank, uint32_t version,
                       uint8_t *into)
{
    uint64_t h = hash_combine(rank, version);
    uint32_t bytes = (uint32_t)(h >> 8) % 40;
    if (h % 16 == 0)
        bytes = TREE_PAGE_BYTES / 4 - 2 + (uint32_t)(h >> 8) % 5;
    else if (h % 16 == 1)
        bytes = (uint32_t)(h >> 8) % (TREE_PAGE_BYTES / 4);
    else if (h % 32 == 2)
        bytes = PAGE_ROOM - 2 + (uint32_t)(h >> 8) % 5;
    else if (h % 64 == 3)
        bytes = (uint32_t)(h >> 8) % (space->value_bytes_max + 1);
    bytes = MIN(bytes, space->value_bytes_max);
    for (uint32_t i = 0; i < bytes; i++)
        into[i] = (uint8_t)(h >> (i % 8 * 8)) ^ (uint8_t)(i >> 3);
    return bytes;
}

static kdk_status feed_next(void *context, struct btree_change *out, bool *more,
                            struct err *err)
{
    struct batch_feed *feed = context;
    const struct keyspace *space = feed->space;
    (void)err;
    while (feed->rank < space->count && feed->change[feed->rank] == CHANGE_NONE)
        feed->rank++;
    *more = feed->rank < space->count;
    if (!*more)
        return KDK_OK;
    uint32_t rank = feed->rank++, version = feed->change[rank];
    *out = (struct btree_change){
        .key = space->key[rank], .key_bytes = space->bytes[rank], .erase = version == 0};
    if (version != 0) {
        out->value_bytes = fixture_value(space, rank, version, space->value);
        out->value = space->value;
    }
    return KDK_OK;
}

struct btree_feed fixture_feed(struct batch_feed *state)
{
    state->rank = 0;
    return (struct btree_feed){feed_next, state};
}

/* ---- Comparing ---- */

#define SAME(COND)                                                                         \
    do {                                                                                   \
        if (!(COND)) {                                                                     \
            status = err_set(err, KDK_INTERNAL, "tree and model differ: %s, line %d",      \
                             #COND, __LINE__);                                             \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

kdk_status fixture_compare(struct page_file *file, const struct btree_root *root,
                           const struct keyspace *space, const uint32_t *model,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor;
    struct buf got = {0};
    /* Several threads compare at once. */
    uint8_t *value = malloc(space->value_bytes_max + 1);
    const uint8_t *bytes = NULL;
    uint64_t count = 0;

    btree_cursor_init(&cursor, file, root);
    TRY(btree_cursor_next(&cursor, err));
    for (uint32_t rank = 0; rank < space->count; rank++) {
        if (model[rank] == 0)
            continue;
        count++;
        SAME(cursor.valid);
        SAME(btree_compare(cursor.key, cursor.key_bytes, space->key[rank],
                           space->bytes[rank]) == 0);
        uint32_t value_bytes = fixture_value(space, rank, model[rank], value);
        SAME(cursor.value_bytes == value_bytes);
        TRY(btree_cursor_value(&cursor, &bytes, err));
        SAME(memcmp(bytes, value, value_bytes) == 0);
        TRY(btree_cursor_next(&cursor, err));
    }
    SAME(!cursor.valid && cursor.after);
    SAME(count == root->count);
    TRY(btree_cursor_next(&cursor, err));
    SAME(!cursor.valid && cursor.after);
    for (uint32_t rank = space->count; rank-- > 0;) {
        if (model[rank] == 0)
            continue;
        TRY(btree_cursor_prev(&cursor, err));
        SAME(cursor.valid);
        SAME(btree_compare(cursor.key, cursor.key_bytes, space->key[rank],
                           space->bytes[rank]) == 0);
    }
    TRY(btree_cursor_prev(&cursor, err));
    SAME(!cursor.valid && !cursor.after);
    /* Every other key, or every key of small spaces: get, and seek. */
    uint32_t next = space->count; /* The next rank that has an entry. */
    for (uint32_t rank = space->count; rank-- > 0;) {
        bool found;
        if (model[rank] != 0)
            next = rank;
        if (space->count > 500 && rank % 7 != 0)
            continue;
        buf_clear(&got);
        TRY(btree_get(file, root, space->key[rank], space->bytes[rank], &got, &found, err));
        SAME(found == (model[rank] != 0));
        if (found) {
            uint32_t value_bytes = fixture_value(space, rank, model[rank], value);
            SAME(got.len == value_bytes &&
                 (value_bytes == 0 || memcmp(got.data, value, value_bytes) == 0));
        }
        TRY(btree_cursor_seek(&cursor, space->key[rank], space->bytes[rank], err));
        SAME(cursor.valid == (next < space->count));
        SAME(cursor.valid || cursor.after);
        if (cursor.valid)
            SAME(btree_compare(cursor.key, cursor.key_bytes, space->key[next],
                               space->bytes[next]) == 0);
        if (rank % 16 == 0) {
            uint32_t before = rank;
            while (before > 0 && model[before - 1] == 0)
                before--;
            TRY(btree_cursor_prev(&cursor, err));
            SAME(cursor.valid == (before > 0));
            if (cursor.valid)
                SAME(btree_compare(cursor.key, cursor.key_bytes, space->key[before - 1],
                                   space->bytes[before - 1]) == 0);
        }
    }
out:
    free(value);
    buf_deinit(&got);
    btree_cursor_deinit(&cursor);
    return status;
}

/* ---- A store with a manifest: slot {generation, map, root, crc}, the slots 4,096 bytes apart ---- */

#define SLOT_BYTES (8 + PAGESTORE_MAP_BYTES + BTREE_ROOT_BYTES + 4)

static kdk_status read_slot(struct store *store, uint32_t slot, uint64_t *generation,
                            struct pagestore_map *map, struct btree_root *root,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t bytes[SLOT_BYTES] = {0};
    size_t got;

    *generation = 0;
    TRY(os_read(store->manifest, slot * 4096, bytes, sizeof bytes, &got, err));
    if (got < sizeof bytes ||
        get_u32(bytes + SLOT_BYTES - 4) != crc32c(0, bytes, SLOT_BYTES - 4))
        goto out;
    *generation = get_u64(bytes);
    pagestore_map_decode(map, bytes + 8);
    btree_root_decode(root, bytes + 8 + PAGESTORE_MAP_BYTES);
out:
    return status;
}

kdk_status store_open(struct store *store, struct os *os, const char *dir,
                      uint32_t cache_pages, bool older, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t generation[2];
    struct pagestore_map map[2] = {0};
    struct btree_root root[2] = {0};
    char path[256];

    *store = (struct store){.os = os, .dir = dir};
    TRY(page_cache_new(cache_pages, &store->cache, err));
    snprintf(path, sizeof path, "%s/MANIFEST", dir);
    TRY(os_open(os, path, OS_READ | OS_WRITE | OS_CREATE, &store->manifest, err));
    TRY(read_slot(store, 0, &generation[0], &map[0], &root[0], err));
    TRY(read_slot(store, 1, &generation[1], &map[1], &root[1], err));
    /* The slots have their place on the disk from the start: a full disk never fails a
     * manifest. And what we read may have been written just before the program died, or
     * before a sync that failed: it is not durable until it is written again. */
    uint8_t bytes[8192] = {0};
    size_t got;
    TRY(os_read(store->manifest, 0, bytes, sizeof bytes, &got, err));
    TRY(os_write(store->manifest, 0, bytes, sizeof bytes, err));
    TRY(os_sync(store->manifest, err));
    uint32_t slot = generation[1] > generation[0] ? 1 : 0;
    store->previous = generation[1 - slot];
    if (older) {
        slot = 1 - slot;
        store->previous = 0;
        if (generation[slot] == 0) {
            status = err_set(err, KDK_UNDEFINED_OBJECT, "there is no older generation");
            goto out;
        }
    }
    store->generation = generation[slot];
    store->root = generation[slot] == 0 ? (struct btree_root){0} : root[slot];
    if (generation[slot] == 0)
        map[slot] = (struct pagestore_map){0};
    TRY(pagestore_open(os, dir, &map[slot], false, store->cache, &store->pages, err));
out:
    if (status != KDK_OK)
        store_close(store);
    return status;
}

void store_close(struct store *store)
{
    pagestore_close(store->pages);
    page_cache_free(store->cache);
    os_close(store->manifest);
    *store = (struct store){0};
}

kdk_status store_pour(struct store *store, const struct btree_feed *feed, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pour *pour = NULL;
    struct pagestore_map map;
    struct btree_root root;
    uint8_t bytes[SLOT_BYTES] = {0};
    uint64_t generation = store->generation + 1;

    TRY(pour_begin(store->pages, generation, &pour, err));
    TRY(btree_apply(pour_sink(pour), &store->root, feed, &root, err));
    TRY(pour_finish(pour, &map, err));

    put_u64(bytes, generation);
    pagestore_map_encode(&map, bytes + 8);
    btree_root_encode(&root, bytes + 8 + PAGESTORE_MAP_BYTES);
    put_u32(bytes + SLOT_BYTES - 4, crc32c(0, bytes, SLOT_BYTES - 4));
    status = os_write(store->manifest, generation % 2 * 4096, bytes, sizeof bytes, err);
    if (status == KDK_OK)
        status = os_sync(store->manifest, err);
    if (status != KDK_OK) {
        store->stuck = true;
        pour_abandon(pour);
        pour = NULL;
        goto out;
    }
    pour_commit(pour);
    pour = NULL;
    store->previous = store->generation;
    store->generation = generation;
    store->root = root;
    uint64_t oldest = store->oldest ? store->oldest(store->oldest_context) : UINT64_MAX;
    pagestore_release(store->pages, MIN(store->previous, oldest));
    struct err ignored = {0};
    (void)!pagestore_shrink(store->pages, &ignored);
out:
    pour_abort(pour);
    return status;
}

kdk_status store_check(struct store *store, const struct keyspace *space,
                       const uint32_t *model, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_set set = {0};
    struct btree_stats stats = {0};
    struct page_file *file = pagestore_file(store->pages);

    TRY(btree_check(file, &store->root, &set, &stats, err));
    TRY(pagestore_check(store->pages, &set, err));
    SAME(stats.pages_underfull == 0);
    TRY(fixture_compare(file, &store->root, space, model, err));
out:
    page_set_deinit(&set);
    return status;
}

void fixture_show(kdk_status status, const struct err *err)
{
    if (status != KDK_OK)
        fprintf(stderr, "%s: %s (%s) %s\n", status_name(status), err->message, err->detail,
                err->chain);
}
struct sim *fixture_sim(uint64_t seed)
{
    struct sim_options options = {.seed = seed};
    struct err err = {0};
    struct sim *sim = NULL;
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    CHECK_EQ(os_mkdir(sim_os(sim), "/t", &err), KDK_OK);
    return sim;
}

void fixture_batch(uint64_t *random, uint32_t *change, const uint32_t *model,
                   uint32_t count, uint32_t version, uint32_t kind)
{
    uint32_t from = (uint32_t)(fixture_random(random) % count),
             length = 1 + (uint32_t)(fixture_random(random) % (count / 4 + 1));
    for (uint32_t i = 0; i < count; i++) {
        change[i] = CHANGE_NONE;
        bool in = i >= from && i < from + length;
        switch (kind) {
        case 0: /* Scattered: puts, and erasing of what is not there, too. */
            if (fixture_random(random) % 40 == 0)
                change[i] = fixture_random(random) % 3 == 0 ? 0 : version;
            break;
        case 1: /* A range of puts. */
            if (in)
                change[i] = version;
            break;
        case 2: /* A range is emptied. */
            if (in)
                change[i] = 0;
            break;
        case 3: /* Few. */
            if (i == from || i == (from + length) % count)
                change[i] = fixture_random(random) % 2 == 0 ? 0 : version;
            break;
        case 4: /* Nearly all goes. */
            if (model[i] != 0 && fixture_random(random) % 20 != 0)
                change[i] = 0;
            break;
        case 5: /* All is put. */
            change[i] = version;
            break;
        case 6: /* All goes. */
            change[i] = 0;
            break;
        }
    }
}

void fixture_apply(uint32_t *model, const uint32_t *change, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (change[i] != CHANGE_NONE)
            model[i] = change[i];
}
