#include "tree/pagestore.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define MAP_SLOTS 3u
#define MAP_MAGIC 0x314d444bu /* "KDM1" */

/* A map file: these, then the bits, then the discarded pages. */
#define MAP_FIELDS(FIELD)                                                                  \
    FIELD(0, magic, u32, uint32_t)                                                         \
    FIELD(4, page_bytes, u32, uint32_t)                                                    \
    FIELD(8, generation, u64, uint64_t)                                                    \
    FIELD(16, pages, u64, uint64_t)     /* Bits. */                                        \
    FIELD(24, discarded, u64, uint64_t) /* Pages that this generation discarded. */
#define MAP_HEADER_BYTES 32u
#define FIELD(OFFSET, NAME, GET, TYPE)                                                     \
    static TYPE map_##NAME(const uint8_t *map)                                             \
    {                                                                                      \
        return get_##GET(map + OFFSET);                                                    \
    }                                                                                      \
    static void map_put_##NAME(uint8_t *map, TYPE v)                                       \
    {                                                                                      \
        put_##GET(map + OFFSET, v);                                                        \
    }
MAP_FIELDS(FIELD)
#undef FIELD

/* What one pour discarded, until it is released. */
struct discarded {
    struct discarded *next;
    uint64_t generation;
    uint64_t *pages;
    size_t count, cap;
};

struct pagestore {
    struct os *os;
    struct page_file *file;
    struct os_file *maps[MAP_SLOTS];
    bool read_only;
    struct latch latch; /* All below. */
    bool busy;          /* A pour runs, or the file is being cut. */
    bool abandoned;
    /* What a read-only store does without: the file's header, the map of free pages.
     * Immutable after open. */
    struct err damage;
    struct pagestore_map last; /* Of the newest generation. */
    /* Bits: named by the newest generation, waiting, or the pour's; and page 0. */
    uint64_t *used;
    uint64_t *mine; /* Bits: taken by the running pour. */
    uint64_t words; /* Of each. */
    uint64_t pages; /* All bits from here on are clear. */
    uint64_t hint;  /* No word before this one has a clear bit. */
    uint64_t taken; /* Bits in `used`, page 0 not counted. */
    uint64_t waiting_count;
    uint64_t written;
    struct discarded *waiting;
};

struct pour {
    struct page_sink sink; /* First: the sink's functions find the pour by it. */
    struct pagestore *store;
    uint64_t generation;
    struct discarded *discarded; /* Under the store's latch. */
    uint64_t written;            /* Under the store's latch. */
    struct pagestore_map map;
    bool finished;
};

void pagestore_map_encode(const struct pagestore_map *map,
                          uint8_t into[PAGESTORE_MAP_BYTES])
{
    put_u64(into, map->generation);
    put_u64(into + 8, map->bytes);
    put_u32(into + 16, map->crc);
    put_u32(into + 20, map->slot);
}

void pagestore_map_decode(struct pagestore_map *map,
                          const uint8_t from[PAGESTORE_MAP_BYTES])
{
    map->generation = get_u64(from);
    map->bytes = get_u64(from + 8);
    map->crc = get_u32(from + 16);
    map->slot = get_u32(from + 20);
}

static void discarded_free(struct discarded *d)
{
    if (d)
        mem_free(d->pages);
    mem_free(d);
}

/* ---- Opening ---- */

static kdk_status map_corrupt(struct os_file *file, const char *what, struct err *err)
{
    (void)err_set(err, KDK_CORRUPT, "\"%s\" is damaged at offset 0", os_file_path(file));
    err_detail(err, "The map of free pages: %s.", what);
    return KDK_CORRUPT;
}

static kdk_status read_map(struct pagestore *store, const struct pagestore_map *ref,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct os_file *file = store->maps[ref->slot];
    uint8_t *map = NULL;
    struct discarded *d = NULL;
    uint64_t size, bits, count;

    TRY(os_size(file, &size, err));
    if (ref->bytes > size || ref->bytes < MAP_HEADER_BYTES)
        TRY(map_corrupt(file, "it is too short", err));
    TRY_MEM(map = mem_alloc((size_t)ref->bytes));
    TRY(os_read_exact(file, 0, map, (size_t)ref->bytes, err));
    if (crc32c(0, map, (size_t)ref->bytes) != ref->crc)
        TRY(map_corrupt(file, "its checksum is not the one that the manifest names", err));
    if (map_magic(map) != MAP_MAGIC || map_page_bytes(map) != TREE_PAGE_BYTES ||
        map_generation(map) != ref->generation)
        TRY(map_corrupt(file, "it is none, or of another generation", err));
    bits = map_pages(map);
    count = map_discarded(map);
    if (bits == 0 || bits > ref->bytes * 8 || count > ref->bytes / 8 ||
        ref->bytes != MAP_HEADER_BYTES + 8 * (bits_words(bits) + count))
        TRY(map_corrupt(file, "its lengths are wrong", err));

    store->words = bits_words(bits);
    TRY_MEM(store->used = MEM_ARRAY(uint64_t, store->words));
    TRY_MEM(store->mine = MEM_ARRAY(uint64_t, store->words));
    memcpy(store->used, map + MAP_HEADER_BYTES, store->words * 8);
    TRY_MEM(d = MEM_NEW(struct discarded));
    TRY_MEM(d->pages = MEM_ARRAY(uint64_t, count));
    d->generation = ref->generation;
    d->count = d->cap = count;
    for (uint64_t i = 0; i < count; i++) {
        d->pages[i] = get_u64(map + MAP_HEADER_BYTES + 8 * (store->words + i));
        if (d->pages[i] == 0 || d->pages[i] >= bits || !bit_get(store->used, d->pages[i]))
            TRY(map_corrupt(file, "a page is both free and discarded", err));
    }
    store->pages = bits;
    while (store->pages > 1 && !bit_get(store->used, store->pages - 1))
        store->pages--;
    store->taken = bits_count(store->used, bits) - 1;
    store->waiting_count = count;
    store->waiting = d;
    d = NULL;
out:
    discarded_free(d);
    mem_free(map);
    return status;
}

kdk_status pagestore_open(struct os *os, const char *dir, const struct pagestore_map *map,
                          bool read_only, struct page_cache *cache, struct pagestore **out,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0};
    bool fresh = map->bytes == 0;
    unsigned flags = read_only ? OS_READ
                     : fresh   ? OS_READ | OS_WRITE | OS_CREATE
                               : OS_READ | OS_WRITE;
    struct pagestore *store = MEM_NEW(struct pagestore);

    TRY_MEM(store);
    latch_init(&store->latch, OS_RANK_TREE);
    store->os = os;
    store->read_only = read_only;
    store->last = *map;
    if (map->slot >= MAP_SLOTS)
        TRY(err_set(err, KDK_CORRUPT, "the reference to the map of free pages is damaged"));
    (void)buf_printf(&path, "%s/pages.kdt", dir);
    TRY(buf_status(&path, err));
    TRY(page_file_open(os, path.data, flags, cache, &store->file, err));
    for (uint32_t i = 0; i < MAP_SLOTS; i++) {
        if (read_only && i != map->slot)
            continue;
        buf_clear(&path);
        (void)buf_printf(&path, "%s/free.%u", dir, i);
        TRY(buf_status(&path, err));
        /* A map file whose turn has not come may be missing; the one that is named may
         * not. */
        TRY(os_open(os, path.data,
                    i == map->slot && !fresh ? flags
                    : read_only              ? OS_READ
                                             : OS_READ | OS_WRITE | OS_CREATE,
                    &store->maps[i], err));
    }
    if (fresh) {
        store->words = 1;
        store->pages = 1;
        TRY_MEM(store->used = MEM_ARRAY(uint64_t, store->words));
        TRY_MEM(store->mine = MEM_ARRAY(uint64_t, store->words));
        bit_set(store->used, 0);
        if (!read_only) {
            TRY(page_file_write_header(store->file, err));
            TRY(os_sync(page_file_os(store->file), err));
        }
    } else {
        status = page_file_check_header(store->file, &store->damage);
        if (status == KDK_OK)
            status = read_map(store, map, &store->damage);
        /* Who only reads finds pages by references, whose checksums tell whether they are
         * right; header and map serve writers. */
        if (status != KDK_OK && !(status == KDK_CORRUPT && read_only)) {
            if (err)
                *err = store->damage;
            goto out;
        }
        status = KDK_OK;
    }
    if (!read_only)
        TRY(os_sync_dir(os, dir, err)); /* Before a manifest can name what is in there. */
    *out = store;
    store = NULL;
out:
    buf_deinit(&path);
    pagestore_close(store);
    if (status != KDK_OK)
        err_while(err, "opening the page file in \"%s\"", dir);
    return status;
}

void pagestore_close(struct pagestore *store)
{
    if (!store)
        return;
    ASSERT(!store->busy);
    while (store->waiting) {
        struct discarded *d = store->waiting;
        store->waiting = d->next;
        discarded_free(d);
    }
    for (uint32_t i = 0; i < MAP_SLOTS; i++)
        os_close(store->maps[i]);
    page_file_close(store->file);
    mem_free(store->used);
    mem_free(store->mine);
    mem_free(store);
}

struct page_file *pagestore_file(struct pagestore *store)
{
    return store->file;
}

/* ---- Taking and giving back, under the latch ---- */

static bool grow(struct pagestore *store)
{
    uint64_t words = MAX(2 * store->words, 8u);
    uint64_t *used = mem_realloc(store->used, size_mul(words, 8));
    if (!used)
        return false;
    store->used = used;
    uint64_t *mine = mem_realloc(store->mine, size_mul(words, 8));
    if (!mine)
        return false;
    store->mine = mine;
    memset(used + store->words, 0, (words - store->words) * 8);
    memset(mine + store->words, 0, (words - store->words) * 8);
    store->words = words;
    return true;
}

/* The lowest free page, so that the file stays short and what is written together lies
 * together. 0: no memory. */
static uint64_t take(struct pagestore *store)
{
    while (store->hint < store->words && store->used[store->hint] == UINT64_MAX)
        store->hint++;
    if (store->hint == store->words && !grow(store))
        return 0;
    uint64_t page = store->hint * 64 + (uint64_t)__builtin_ctzll(~store->used[store->hint]);
    bit_set(store->used, page);
    bit_set(store->mine, page);
    store->taken++;
    store->pages = MAX(store->pages, page + 1);
    return page;
}

static void give_back(struct pagestore *store, uint64_t page)
{
    ASSERT(bit_get(store->used, page));
    bit_clear(store->used, page);
    bit_clear(store->mine, page);
    store->taken--;
    store->hint = MIN(store->hint, page / 64);
}

static kdk_status sink_write(struct page_sink *sink, uint8_t *image, struct page_ref *out,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct pour *pour = (struct pour *)sink;
    struct pagestore *store = pour->store;

    latch_acquire(&store->latch);
    uint64_t page = take(store);
    if (page != 0) {
        pour->written++;
        store->written++;
    }
    latch_release(&store->latch);
    if (page == 0)
        return err_nomem(err);
    struct page_ref ref = page_image_seal(image, page, pour->generation);
    TRY(os_write(page_file_os(store->file), page * TREE_PAGE_BYTES, image, TREE_PAGE_BYTES,
                 err));
    *out = ref;
out:
    return status; /* A page that could not be written is the pour's until it is aborted. */
}

static kdk_status sink_discard(struct page_sink *sink, uint64_t page, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pour *pour = (struct pour *)sink;
    struct pagestore *store = pour->store;
    struct discarded *d = pour->discarded;

    latch_acquire(&store->latch);
    if (page == 0 || page >= store->pages || !bit_get(store->used, page)) {
        status = page_corrupt(store->file, page, "it is in use, and marked as free", err);
    } else if (bit_get(store->mine, page)) {
        give_back(store, page);
    } else {
        if (d->count == d->cap) {
            size_t cap = MAX(2 * d->cap, (size_t)64);
            uint64_t *pages = mem_realloc(d->pages, size_mul(cap, sizeof *pages));
            TRY_MEM(pages);
            d->pages = pages;
            d->cap = cap;
        }
        d->pages[d->count++] = page;
    }
out:
    latch_release(&store->latch);
    return status;
}

/* ---- Pours ---- */

kdk_status pour_begin(struct pagestore *store, uint64_t generation, struct pour **out,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct pour *pour = MEM_NEW(struct pour);
    bool began = false;

    TRY_MEM(pour);
    TRY_MEM(pour->discarded = MEM_NEW(struct discarded));
    pour->discarded->generation = generation;
    pour->store = store;
    pour->generation = generation;
    pour->sink = (struct page_sink){store->file, sink_write, sink_discard};
    latch_acquire(&store->latch);
    if (store->read_only || store->abandoned) {
        status = err_set(err, KDK_READ_ONLY, "\"%s\" cannot be written",
                         os_file_path(page_file_os(store->file)));
        if (store->abandoned)
            err_hint(err, "Close the database and open it again.");
    } else if (store->busy) {
        status = err_set(err, KDK_BUSY, "another checkpoint is running");
    } else if (generation <= store->last.generation) {
        status = err_set(err, KDK_INTERNAL, "generation %llu does not follow %llu",
                         (unsigned long long)generation,
                         (unsigned long long)store->last.generation);
    } else {
        began = store->busy = true;
    }
    latch_release(&store->latch);
    if (began) {
        *out = pour;
        pour = NULL;
    }
out:
    if (pour) {
        discarded_free(pour->discarded);
        mem_free(pour);
    }
    return status;
}

struct page_sink *pour_sink(struct pour *pour)
{
    return &pour->sink;
}

/* The map of this pour's generation: what is taken, but for what waits for older snapshots
 * only (a reopened store has none). */
static uint8_t *encode_map(struct pour *pour, uint64_t *bytes)
{
    struct pagestore *store = pour->store;
    struct discarded *own = pour->discarded;
    uint64_t words = bits_words(store->pages);
    *bytes = MAP_HEADER_BYTES + 8 * (words + own->count);
    uint8_t *map = mem_zalloc((size_t)*bytes);
    if (!map)
        return NULL;
    map_put_magic(map, MAP_MAGIC);
    map_put_page_bytes(map, TREE_PAGE_BYTES);
    map_put_generation(map, pour->generation);
    map_put_pages(map, store->pages);
    map_put_discarded(map, own->count);
    uint8_t *bits = map + MAP_HEADER_BYTES;
    memcpy(bits, store->used, words * 8);
    for (const struct discarded *d = store->waiting; d; d = d->next)
        for (size_t i = 0; i < d->count; i++)
            bits[d->pages[i] / 8] &= (uint8_t) ~(1u << (d->pages[i] % 8));
    for (size_t i = 0; i < own->count; i++)
        put_u64(bits + words * 8 + 8 * i, own->pages[i]);
    return map;
}

kdk_status pour_finish(struct pour *pour, struct pagestore_map *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pagestore *store = pour->store;
    struct pagestore_map map = {.generation = pour->generation,
                                .slot = (store->last.slot + 1) % MAP_SLOTS};
    uint8_t *bytes = NULL;

    TRY_ASSERT(!pour->finished);
    if (pour->written > 0)
        TRY(os_sync(page_file_os(store->file), err));
    latch_acquire(&store->latch);
    bytes = encode_map(pour, &map.bytes);
    latch_release(&store->latch);
    TRY_MEM(bytes);
    map.crc = crc32c(0, bytes, (size_t)map.bytes);
    TRY(os_write(store->maps[map.slot], 0, bytes, (size_t)map.bytes, err));
    TRY(os_sync(store->maps[map.slot], err));
    pour->map = map;
    pour->finished = true;
    *out = map;
out:
    mem_free(bytes);
    return status;
}

static void pour_end(struct pour *pour, bool commit)
{
    struct pagestore *store = pour->store;
    struct discarded *own = pour->discarded;

    latch_acquire(&store->latch);
    for (uint64_t w = 0; w < bits_words(store->pages); w++) {
        if (!commit)
            while (store->mine[w] != 0)
                give_back(store, w * 64 + (uint64_t)__builtin_ctzll(store->mine[w]));
        store->mine[w] = 0;
    }
    if (commit) {
        store->last = pour->map;
        own->next = store->waiting;
        store->waiting = own;
        store->waiting_count += own->count;
        own = NULL;
    }
    store->busy = false;
    latch_release(&store->latch);
    discarded_free(own);
    mem_free(pour);
}

void pour_commit(struct pour *pour)
{
    ASSERT(pour->finished);
    pour_end(pour, true);
}

void pour_abort(struct pour *pour)
{
    if (pour)
        pour_end(pour, false);
}

void pour_abandon(struct pour *pour)
{
    struct pagestore *store = pour->store;
    latch_acquire(&store->latch);
    /* No pour follows, so nothing that was taken is taken again, and nothing is cut off. */
    store->abandoned = true;
    memset(store->mine, 0, store->words * 8);
    store->busy = false;
    latch_release(&store->latch);
    discarded_free(pour->discarded);
    mem_free(pour);
}

void pagestore_release(struct pagestore *store, uint64_t oldest)
{
    latch_acquire(&store->latch);
    for (struct discarded **at = &store->waiting; *at;) {
        struct discarded *d = *at;
        if (d->generation > oldest) {
            at = &d->next;
            continue;
        }
        for (size_t i = 0; i < d->count; i++)
            give_back(store, d->pages[i]);
        store->waiting_count -= d->count;
        *at = d->next;
        discarded_free(d);
    }
    latch_release(&store->latch);
}

kdk_status pagestore_shrink(struct pagestore *store, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t pages;

    latch_acquire(&store->latch);
    pages = store->pages;
    if (!store->busy && !store->read_only && !store->abandoned) {
        while (pages > 1 && !bit_get(store->used, pages - 1))
            pages--;
        store->busy = pages < store->pages; /* No pour may take what is being cut off. */
    }
    bool cut = pages < store->pages;
    latch_release(&store->latch);
    if (!cut)
        return KDK_OK;
    status = os_truncate(page_file_os(store->file), pages * TREE_PAGE_BYTES, err);
    latch_acquire(&store->latch);
    if (status == KDK_OK)
        store->pages = pages;
    store->busy = false;
    latch_release(&store->latch);
    return status;
}

void pagestore_stats(struct pagestore *store, struct pagestore_stats *out)
{
    latch_acquire(&store->latch);
    *out = (struct pagestore_stats){store->pages, store->taken, store->waiting_count,
                                    store->written};
    latch_release(&store->latch);
}

/* ---- Checking ---- */

void page_set_deinit(struct page_set *set)
{
    mem_free(set->bits);
    *set = (struct page_set){0};
}

kdk_status page_set_add(struct page_set *set, struct page_file *file, uint64_t page,
                        struct err *err)
{
    if (page >= set->pages) {
        if (page > UINT64_MAX / 128)
            return page_corrupt(file, 0, "a page number that no file has", err);
        uint64_t words = MAX(2 * bits_words(set->pages), page / 64 + 1);
        uint64_t *bits = mem_realloc(set->bits, size_mul(words, 8));
        if (!bits)
            return err_nomem(err);
        memset(bits + bits_words(set->pages), 0, (words - bits_words(set->pages)) * 8);
        set->bits = bits;
        set->pages = words * 64;
    }
    if (bit_get(set->bits, page))
        return page_corrupt(file, page, "two places name it", err);
    bit_set(set->bits, page);
    return KDK_OK;
}

kdk_status pagestore_check(struct pagestore *store, const struct page_set *named,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t *live = NULL;
    uint64_t taken = 0;

    if (store->damage.status != KDK_OK) {
        if (err)
            *err = store->damage;
        return store->damage.status;
    }
    latch_acquire(&store->latch);
    live = mem_dup(store->used, store->words * 8);
    TRY_MEM(live);
    bit_clear(live, 0);
    for (const struct discarded *d = store->waiting; d; d = d->next)
        for (size_t i = 0; i < d->count; i++) {
            if (!bit_get(live, d->pages[i]))
                TRY(page_corrupt(store->file, d->pages[i],
                                 "it was discarded twice, or is free", err));
            bit_clear(live, d->pages[i]);
        }
    taken = bits_count(live, store->words * 64) + store->waiting_count;
    if (taken != store->taken)
        TRY(err_set(err, KDK_CORRUPT, "%llu pages are taken, not %llu",
                    (unsigned long long)taken, (unsigned long long)store->taken));
    for (uint64_t page = 0; page < MAX(store->words * 64, named->pages); page++) {
        bool is_live = page < store->words * 64 && bit_get(live, page);
        bool is_named = page < named->pages && bit_get(named->bits, page);
        if (is_live && !is_named && store->abandoned)
            continue; /* Of the pour of which nobody knows whether it counts. */
        if (is_live != is_named)
            TRY(page_corrupt(store->file, page,
                             is_named ? "it is in use, and marked as free"
                                      : "it is taken, but nothing names it",
                             err));
    }
out:
    latch_release(&store->latch);
    mem_free(live);
    return status;
}
