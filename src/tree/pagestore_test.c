/* pagestore_test.c - what must not be lost: power cuts, failing calls, full disks, no
 * memory, damage, stale pages, readers during pours. */
#include "tree/tree_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define GENERATIONS 7u

/* A fixed history: batches and the model after each. */
struct history {
    struct keyspace space;
    uint32_t generations;
    uint32_t **change; /* [generation], 1 and up. */
    uint32_t **model;  /* [0]: empty. */
};

static void history_init(struct history *h, uint64_t seed, uint32_t keys,
                         uint32_t generations, uint32_t value_bytes_max)
{
    uint64_t random = seed;
    keyspace_init(&h->space, keys, seed, false, value_bytes_max);
    uint32_t n = h->space.count;
    h->generations = generations;
    h->change = calloc(generations + 1, sizeof *h->change);
    h->model = calloc(generations + 1, sizeof *h->model);
    h->model[0] = calloc(n, sizeof(uint32_t));
    for (uint32_t g = 1; g <= generations; g++) {
        h->change[g] = calloc(n, sizeof(uint32_t));
        h->model[g] = malloc(n * sizeof(uint32_t));
        memcpy(h->model[g], h->model[g - 1], n * sizeof(uint32_t));
        fixture_batch(&random, h->change[g], h->model[g], n, g,
                      g == 1 ? 5 : (uint32_t)(fixture_random(&random) % 5));
        fixture_apply(h->model[g], h->change[g], n);
    }
}

static void history_deinit(struct history *h)
{
    for (uint32_t g = 0; g <= h->generations; g++) {
        free(h->change[g]);
        free(h->model[g]);
    }
    free(h->change);
    free(h->model);
    keyspace_deinit(&h->space);
}

static kdk_status pour(struct store *store, struct history *h, struct err *err)
{
    struct batch_feed state = {.space = &h->space,
                               .change = h->change[store->generation + 1]};
    struct btree_feed feed = fixture_feed(&state);
    return store_pour(store, &feed, err);
}

/* The history from where the store is, until something fails. Returns the newest
 * acknowledged generation. */
static uint64_t pour_all(struct store *store, struct history *h)
{
    struct err err = {0};
    while (store->generation < h->generations && pour(store, h, &err) == KDK_OK) {
    }
    return store->generation;
}

static struct sim *disk(uint64_t seed)
{
    struct sim_options options = {.seed = seed};
    struct err err = {0};
    struct sim *sim = NULL;
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    return sim;
}

static kdk_status open_all(struct store *store, struct os *os, bool older, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(os_mkdir(os, "/t", err));
    TRY(os_sync_dir(os, "/", err));
    TRY(store_open(store, os, "/t", 4, older, err));
out:
    return status;
}

static void after_the_cut(struct sim *sim, struct history *h, uint64_t acknowledged,
                          uint64_t n, uint64_t draw)
{
    struct err err = {0};
    struct sim *fork = NULL;
    struct store store;
    CHECK_OK(sim_fork(sim, n * 100 + draw, &fork, &err));
    sim_reboot(fork);
    bool ok = CHECK_EQ(open_all(&store, sim_os(fork), true, &err) == KDK_OK ||
                           err.status == KDK_UNDEFINED_OBJECT,
                       true);
    if (ok && store.pages) { /* The older one, if there is one, is as good. */
        CHECK_OK(store_check(&store, &h->space, h->model[store.generation], &err));
        store_close(&store);
    }
    kdk_status status = open_all(&store, sim_os(fork), false, &err);
    if (CHECK_EQ(status, KDK_OK)) {
        ok =
            CHECK(store.generation == acknowledged || store.generation == acknowledged + 1);
        if (ok)
            CHECK_OK(store_check(&store, &h->space, h->model[store.generation], &err));
        CHECK_EQ(pour_all(&store, h), h->generations);
        CHECK_OK(store_check(&store, &h->space, h->model[h->generations], &err));
        store_close(&store);
    } else {
        fprintf(stderr, "cut at %llu, draw %llu\n", (unsigned long long)n,
                (unsigned long long)draw);
        fixture_show(status, &err);
    }
    sim_free(fork);
}

static uint64_t cuts(uint64_t seed, uint32_t keys)
{
    struct history h;
    history_init(&h, seed, keys, GENERATIONS, 2 * TREE_PAGE_BYTES);
    uint64_t n = 1;
    for (;; n++) {
        struct err err = {0};
        struct store store;
        struct sim *sim = disk(seed);
        uint64_t acknowledged = 0;
        sim_cut_at(sim, n);
        if (open_all(&store, sim_os(sim), false, &err) == KDK_OK) {
            acknowledged = pour_all(&store, &h);
            store_close(&store);
        }
        for (uint64_t draw = 0; draw < 3 && acknowledged < GENERATIONS; draw++)
            after_the_cut(sim, &h, acknowledged, n, draw);
        sim_free(sim);
        if (acknowledged == GENERATIONS)
            break;
    }
    history_deinit(&h);
    return n;
}

TEST(pagestore, power_cut_at_every_call)
{
    uint64_t n = 0;
    for (uint64_t seed = 1; seed <= KDK_PICK(2, 12); seed++)
        n += cuts(seed, KDK_PICK(150, 100));
    CHECK(n > KDK_PICK(100, 400));
}

/* Every call fails once, with an error or a full disk; then what follows works, and a power
 * cut at the end takes nothing. */
TEST(pagestore, every_call_fails)
{
    static const kdk_status failures[] = {KDK_IO, KDK_FULL};
    for (uint32_t f = 0; f < COUNT_OF(failures); f++) {
        struct history h;
        history_init(&h, 3 + f, KDK_PICK(100, 60), GENERATIONS, 2 * TREE_PAGE_BYTES);
        for (uint64_t n = 1;; n++) {
            struct err err = {0};
            struct store store;
            struct sim *sim = disk(n);
            uint32_t failed = 0;
            sim_fail_at(sim, n, false, failures[f]);
            kdk_status status;
            while ((status = open_all(&store, sim_os(sim), false, &err)) != KDK_OK &&
                   failed++ < 3)
                CHECK_EQ(status, failures[f]);
            while (status == KDK_OK && store.generation < GENERATIONS && failed < 3) {
                uint64_t generation = store.generation;
                kdk_status poured = pour(&store, &h, &err);
                if (poured == KDK_OK)
                    continue;
                failed++;
                CHECK_EQ(poured, failures[f]);
                if (!store.stuck) /* Nothing was lost. */
                    CHECK_OK(store_check(&store, &h.space, h.model[generation], &err));
                if (store.stuck) {
                    CHECK_OK(fixture_compare(pagestore_file(store.pages), &store.root,
                                             &h.space, h.model[generation], &err));
                    CHECK_EQ(pour(&store, &h, &err), KDK_READ_ONLY);
                    store_close(&store);
                    status = open_all(&store, sim_os(sim), false, &err);
                    CHECK_OK(status);
                }
            }
            CHECK(failed <= 1);
            bool over = n > sim_calls_all(sim);
            sim_fail_at(sim, 0, false, KDK_IO);
            if (status == KDK_OK) {
                CHECK_OK(store_check(&store, &h.space, h.model[GENERATIONS], &err));
                store_close(&store);
            }
            sim_reboot(sim);
            CHECK_OK(open_all(&store, sim_os(sim), false, &err));
            CHECK_EQ(store.generation, GENERATIONS);
            CHECK_OK(store_check(&store, &h.space, h.model[GENERATIONS], &err));
            store_close(&store);
            sim_free(sim);
            if (over)
                break;
        }
        history_deinit(&h);
    }
}

TEST(pagestore, full_disk_heals)
{
    struct history h;
    struct err err = {0};
    history_init(&h, 9, 400, GENERATIONS, 2 * TREE_PAGE_BYTES);
    uint32_t full = 0;
    for (uint64_t room = 4; room <= 400; room += 3) {
        struct store store;
        struct sim *sim = disk(room);
        sim_set_disk_bytes(sim, 8192 + 4096 + room * TREE_PAGE_BYTES);
        kdk_status status = open_all(&store, sim_os(sim), false, &err);
        if (status == KDK_OK) {
            pour_all(&store, &h);
            full += store.generation < GENERATIONS;
            CHECK(!store.stuck);
            CHECK_OK(store_check(&store, &h.space, h.model[store.generation], &err));
            sim_set_disk_bytes(sim, 0);
            CHECK_EQ(pour_all(&store, &h), GENERATIONS);
            CHECK_OK(store_check(&store, &h.space, h.model[GENERATIONS], &err));
            store_close(&store);
        } else {
            CHECK_EQ(status, KDK_FULL);
        }
        sim_free(sim);
    }
    CHECK(full > 5);
    history_deinit(&h);
}

TEST(pagestore, every_allocation_fails)
{
    struct history h;
    struct err err = {0};
    history_init(&h, 4, KDK_PICK(300, 60), 4, 2 * TREE_PAGE_BYTES);
    struct sim *base = disk(1);
    struct store store;
    CHECK_OK(open_all(&store, sim_os(base), false, &err));
    CHECK_OK(pour(&store, &h, &err));
    CHECK_OK(pour(&store, &h, &err));
    store_close(&store);
    for (uint64_t n = 0;; n++) {
        struct sim *sim = NULL;
        CHECK_OK(sim_fork(base, 1, &sim, &err));
        /* Files of a fork that was not rebooted may be opened anew. */
        mem_fail_after(n, false);
        kdk_status status = open_all(&store, sim_os(sim), false, &err);
        bool opened = status == KDK_OK;
        if (opened)
            status = pour(&store, &h, &err);
        bool poured = opened && status == KDK_OK;
        if (poured)
            status = fixture_compare(pagestore_file(store.pages), &store.root, &h.space,
                                     h.model[3], &err);
        bool failed = mem_fail_never() > 0;
        CHECK_EQ(status, failed ? KDK_NOMEM : KDK_OK);
        if (opened) {
            CHECK_OK(store_check(&store, &h.space, h.model[poured ? 3 : 2], &err));
            CHECK_EQ(pour_all(&store, &h), 4);
            CHECK_OK(store_check(&store, &h.space, h.model[4], &err));
            store_close(&store);
        }
        sim_free(sim);
        if (!failed)
            break;
    }
    sim_free(base);
    history_deinit(&h);
}

/* Errors, or the right answer. */
static kdk_status look(struct sim *sim, struct history *h, bool *same)
{
    struct err err = {0};
    struct store store;
    kdk_status status = open_all(&store, sim_os(sim), false, &err);
    if (status == KDK_OK) {
        status = fixture_compare(pagestore_file(store.pages), &store.root, &h->space,
                                 h->model[store.generation], &err);
        store_close(&store);
    }
    *same = status == KDK_OK;
    if (status != KDK_OK)
        CHECK(err.message[0] != 0);
    return status;
}

TEST(pagestore, every_flipped_byte_is_found_or_harmless)
{
    struct history h;
    struct err err = {0};
    history_init(&h, 6, KDK_PICK(120, 40), 3, TREE_PAGE_BYTES);
    struct sim *sim = disk(1);
    struct store store;
    CHECK_OK(open_all(&store, sim_os(sim), false, &err));
    CHECK_EQ(pour_all(&store, &h), 3);
    struct page_set live = {0};
    CHECK_OK(btree_check(pagestore_file(store.pages), &store.root, &live, NULL, &err));
    store_close(&store);
    static const char *const files[] = {"/t/pages.kdt", "/t/free.0", "/t/free.1",
                                        "/t/free.2"};
    uint64_t found = 0, harmless = 0;
    for (uint32_t f = 0; f < COUNT_OF(files); f++) {
        struct os_file *file = NULL;
        uint64_t size = 0;
        CHECK_OK(os_open(sim_os(sim), files[f], OS_READ, &file, &err));
        CHECK_OK(os_size(file, &size, &err));
        os_close(file);
        for (uint64_t at = 0; at < size; at += f == 0 ? KDK_PICK(211, 1) : 1) {
            bool same;
            CHECK_OK(sim_flip(sim, files[f], at, (uint8_t)(1u << at % 8), &err));
            kdk_status status = look(sim, &h, &same);
            CHECK(status == KDK_OK || status == KDK_CORRUPT ||
                  (status == KDK_UNSUPPORTED && f == 0 && at < TREE_PAGE_BYTES));
            uint64_t page = at / TREE_PAGE_BYTES;
            /* In use: every byte counts. */
            if (f == 0 && page < live.pages && (live.bits[page / 64] >> page % 64 & 1))
                CHECK_EQ(status, KDK_CORRUPT);
            found += status != KDK_OK;
            harmless += same;
            CHECK_OK(sim_flip(sim, files[f], at, (uint8_t)(1u << at % 8), &err));
        }
    }
    bool same;
    CHECK_OK(look(sim, &h, &same));
    CHECK(found > 0);
    CHECK(harmless > 0); /* Free pages, and the maps of older generations. */
    page_set_deinit(&live);
    sim_free(sim);
    history_deinit(&h);
}

/* The disk loses a write and keeps what was there: a right page, with a right checksum, and
 * too old. */
TEST(pagestore, invariant_18_lost_writes_are_found)
{
    struct history h;
    struct err err = {0};
    history_init(&h, 7, KDK_PICK(2000, 100), 12, 100);
    struct sim *sim = disk(1);
    struct store store;
    CHECK_OK(open_all(&store, sim_os(sim), false, &err));
    uint64_t size = 0, lost = 0;
    uint8_t *before = NULL;
    while (store.generation < 12) {
        CHECK_OK(pour(&store, &h, &err));
        struct os_file *file = page_file_os(pagestore_file(store.pages));
        struct page_set live = {0};
        uint8_t *now = NULL;
        uint64_t now_size = 0;
        CHECK_OK(btree_check(pagestore_file(store.pages), &store.root, &live, NULL, &err));
        CHECK_OK(os_size(file, &now_size, &err));
        now = malloc(now_size);
        CHECK_OK(os_read_exact(file, 0, now, now_size, &err));
        for (uint64_t page = 1;
             before && page < MIN(size, now_size) / TREE_PAGE_BYTES && page < live.pages;
             page++) {
            uint64_t at = page * TREE_PAGE_BYTES;
            if (!(live.bits[page / 64] >> page % 64 & 1) ||
                memcmp(before + at, now + at, TREE_PAGE_BYTES) == 0 ||
                page_magic(before + at) != PAGE_MAGIC)
                continue;
            bool same;
            CHECK_OK(os_write(file, at, before + at, TREE_PAGE_BYTES, &err));
            CHECK_EQ(look(sim, &h, &same), KDK_CORRUPT);
            CHECK_OK(os_write(file, at, now + at, TREE_PAGE_BYTES, &err));
            lost++;
        }
        free(before);
        before = now;
        size = now_size;
        page_set_deinit(&live);
    }
    CHECK(lost > 10);
    free(before);
    store_close(&store);
    sim_free(sim);
    history_deinit(&h);
}

static uint64_t oldest_fixed(void *context)
{
    return *(uint64_t *)context;
}

TEST(pagestore, invariant_04_pinned_generations_stay)
{
    struct history h;
    struct err err = {0};
    uint64_t oldest = 1;
    struct btree_root roots[21] = {{{0, 0}, 0, 0}};
    history_init(&h, 8, KDK_PICK(2000, 200), 20, 2 * TREE_PAGE_BYTES);
    struct sim *sim = disk(1);
    struct store store;
    struct pagestore_stats stats;
    CHECK_OK(open_all(&store, sim_os(sim), false, &err));
    store.oldest = oldest_fixed;
    store.oldest_context = &oldest;
    while (store.generation < 20) {
        CHECK_OK(pour(&store, &h, &err));
        roots[store.generation] = store.root;
        if (store.generation == 15)
            oldest = 6;
        for (uint64_t g = oldest; g <= store.generation; g++)
            CHECK_OK(fixture_compare(pagestore_file(store.pages), &roots[g], &h.space,
                                     h.model[g], &err));
    }
    pagestore_stats(store.pages, &stats);
    uint64_t waiting = stats.waiting;
    pagestore_release(store.pages, 20);
    pagestore_stats(store.pages, &stats);
    CHECK(waiting > 0);
    CHECK_EQ(stats.waiting, 0);
    CHECK_OK(store_check(&store, &h.space, h.model[20], &err));
    store_close(&store);
    /* Who opens has no pins: but what generation 20 discarded waits for 21. */
    CHECK_OK(open_all(&store, sim_os(sim), false, &err));
    pagestore_stats(store.pages, &stats);
    CHECK(stats.waiting > 0 && stats.waiting < waiting);
    CHECK_OK(store_check(&store, &h.space, h.model[20], &err));
    store_close(&store);
    CHECK_OK(open_all(&store, sim_os(sim), true, &err));
    CHECK_EQ(store.generation, 19);
    CHECK_OK(store_check(&store, &h.space, h.model[19], &err));
    store_close(&store);
    sim_free(sim);
    history_deinit(&h);
}

TEST(pagestore, other_page_sizes_and_files_are_refused)
{
    struct err err = {0};
    struct sim *sim = disk(1);
    struct os *os = sim_os(sim);
    struct page_cache *cache = NULL;
    struct pagestore *pages = NULL;
    struct os_file *file = NULL;
    struct pagestore_map none = {0};
    struct pour *p = NULL;
    CHECK_OK(page_cache_new(0, &cache, &err));
    CHECK_OK(os_mkdir(os, "/t", &err));
    CHECK_EQ(pagestore_open(os, "/t", &none, true, cache, &pages, &err),
             KDK_UNDEFINED_FILE);
    CHECK_OK(pagestore_open(os, "/t", &none, false, cache, &pages, &err));
    CHECK_OK(pour_begin(pages, 5, &p, &err));
    struct pagestore_map map;
    CHECK_OK(pour_finish(p, &map, &err));
    pour_commit(p);
    CHECK_EQ(pour_begin(pages, 5, &p, &err), KDK_INTERNAL); /* Generations go up. */
    pagestore_close(pages);
    uint8_t bytes[PAGESTORE_MAP_BYTES];
    struct pagestore_map again;
    pagestore_map_encode(&map, bytes);
    pagestore_map_decode(&again, bytes);
    CHECK_EQ(again.generation, 5);
    CHECK_OK(pagestore_open(os, "/t", &again, true, cache, &pages, &err));
    CHECK_EQ(pour_begin(pages, 6, &p, &err), KDK_READ_ONLY);
    pagestore_close(pages);
    again.slot = 7;
    CHECK_EQ(pagestore_open(os, "/t", &again, true, cache, &pages, &err), KDK_CORRUPT);
    CHECK_OK(os_open(os, "/t/pages.kdt", OS_READ | OS_WRITE, &file, &err));
    uint32_t other = TREE_PAGE_BYTES / 2;
    CHECK_OK(os_write(file, PAGE_HEADER_BYTES, &other, 4, &err));
    CHECK_EQ(pagestore_open(os, "/t", &map, true, cache, &pages, &err), KDK_UNSUPPORTED);
    /* A header that is damaged keeps writers out. Readers do without, and a check tells of
     * it. */
    for (int i = 0; i < 2; i++) {
        struct page_set named = {0};
        if (i == 0)
            CHECK_OK(os_write(file, 4, "blah", 4, &err));
        else
            CHECK_OK(os_truncate(file, 3, &err));
        CHECK_EQ(pagestore_open(os, "/t", &map, false, cache, &pages, &err), KDK_CORRUPT);
        CHECK_OK(pagestore_open(os, "/t", &map, true, cache, &pages, &err));
        CHECK_EQ(pagestore_check(pages, &named, &err), KDK_CORRUPT);
        CHECK(strstr(err.message, "pages.kdt") != NULL);
        pagestore_close(pages);
    }
    os_close(file);
    page_cache_free(cache);
    sim_free(sim);
}

/* ---- Readers of old roots while pours run ---- */

#define READERS 3u

struct shared {
    struct os *os;
    const char *dir;
    struct history h;
    struct store store;
    struct latch latch; /* The three below. */
    uint64_t newest;
    uint64_t pins[64];
    struct btree_root roots[64];
    _Atomic bool over;
    _Atomic uint64_t looks;
};

static uint64_t oldest_pinned(void *context)
{
    struct shared *s = context;
    uint64_t oldest = UINT64_MAX;
    latch_acquire(&s->latch);
    for (uint64_t g = 64; g-- > 0;)
        if (s->pins[g] > 0 || g == s->newest)
            oldest = g;
    latch_release(&s->latch);
    return oldest;
}

static void read_on(void *context)
{
    struct shared *s = context;
    struct err err = {0};
    for (uint32_t rounds = 0;
         !atomic_load_explicit(&s->over, memory_order_acquire) || rounds < 3; rounds++) {
        latch_acquire(&s->latch);
        uint64_t g = s->newest;
        s->pins[g]++;
        struct btree_root root = s->roots[g];
        latch_release(&s->latch);
        CHECK_OK(fixture_compare(pagestore_file(s->store.pages), &root, &s->h.space,
                                 s->h.model[g], &err));
        latch_acquire(&s->latch);
        s->pins[g]--;
        latch_release(&s->latch);
        atomic_fetch_add_explicit(&s->looks, 1, memory_order_relaxed);
    }
}

static void readers_and_a_writer(void *context)
{
    struct shared *s = context;
    struct err err = {0};
    struct os_thread *threads[READERS] = {NULL};
    latch_init(&s->latch, OS_RANK_NONE);
    CHECK_OK(store_open(&s->store, s->os, s->dir, 8, false, &err));
    s->store.oldest = oldest_pinned;
    s->store.oldest_context = s;
    for (uint32_t i = 0; i < READERS; i++)
        CHECK_OK(os_thread_new(s->os, "reader", read_on, s, &threads[i], &err));
    while (s->store.generation < s->h.generations) {
        kdk_status status = pour(&s->store, &s->h, &err);
        CHECK_OK(status);
        if (status != KDK_OK)
            break;
        latch_acquire(&s->latch);
        s->newest = s->store.generation;
        s->roots[s->newest] = s->store.root;
        latch_release(&s->latch);
    }
    atomic_store_explicit(&s->over, true, memory_order_release);
    for (uint32_t i = 0; i < READERS; i++)
        os_thread_join(threads[i]);
    CHECK_OK(store_check(&s->store, &s->h.space, s->h.model[s->h.generations], &err));
    CHECK(atomic_load(&s->looks) >= READERS);
    store_close(&s->store);
}

static void remove_dir(const char *dir)
{
    static const char *const names[] = {"MANIFEST", "pages.kdt", "free.0", "free.1",
                                        "free.2"};
    struct err err = {0};
    char path[128];
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        CHECK_OK(os_remove(os_real(), path, &err));
    }
    CHECK_OK(os_remove_dir(os_real(), dir, &err));
}

TEST(pagestore, readers_of_old_roots_on_threads)
{
    char dir[64] = "/tmp/kdk_tree_test_XXXXXX";
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    static struct shared s;
    s = (struct shared){.os = os_real(), .dir = dir};
    history_init(&s.h, 10, KDK_PICK(2000, 300), 40, 2 * TREE_PAGE_BYTES);
    readers_and_a_writer(&s);
    history_deinit(&s.h);
    remove_dir(dir);
}

TEST(pagestore, readers_of_old_roots_in_any_order)
{
    struct err err = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = fixture_sim(seed);
        static struct shared s;
        s = (struct shared){.os = sim_os(sim), .dir = "/t"};
        history_init(&s.h, seed, 60, 8, TREE_PAGE_BYTES);
        CHECK(sim_run(sim, readers_and_a_writer, &s));
        CHECK_OK(sim_last_error(sim, &err));
        history_deinit(&s.h);
        sim_free(sim);
    }
}

/* Two trees into one pour, on two threads. */
struct half {
    struct history h;
    struct pour *pour;
    struct btree_root root;
    kdk_status status;
};

static void build_half(void *context)
{
    struct half *half = context;
    struct err err = {0};
    half->status = KDK_OK;
    for (uint32_t g = 1; g <= half->h.generations && half->status == KDK_OK; g++) {
        struct batch_feed state = {.space = &half->h.space, .change = half->h.change[g]};
        struct btree_feed feed = fixture_feed(&state);
        half->status =
            btree_apply(pour_sink(half->pour), &half->root, &feed, &half->root, &err);
    }
}

TEST(pagestore, trees_are_poured_side_by_side)
{
    struct err err = {0};
    char dir[64] = "/tmp/kdk_tree_test_XXXXXX";
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    struct store store;
    static struct half halves[2];
    struct os_thread *threads[2] = {NULL, NULL};
    struct pour *p = NULL;
    struct pagestore_map map;
    struct page_set set = {0};
    CHECK_OK(store_open(&store, os_real(), dir, 8, false, &err));
    CHECK_OK(pour_begin(store.pages, 1, &p, &err));
    for (uint32_t i = 0; i < 2; i++) {
        halves[i] = (struct half){.pour = p};
        history_init(&halves[i].h, 20 + i, KDK_PICK(2000, 300), 10, 2 * TREE_PAGE_BYTES);
        CHECK_OK(
            os_thread_new(os_real(), "pour", build_half, &halves[i], &threads[i], &err));
    }
    for (uint32_t i = 0; i < 2; i++) {
        os_thread_join(threads[i]);
        CHECK_EQ(halves[i].status, KDK_OK);
    }
    CHECK_OK(pour_finish(p, &map, &err));
    pour_commit(p);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_OK(
            btree_check(pagestore_file(store.pages), &halves[i].root, &set, NULL, &err));
        CHECK_OK(fixture_compare(pagestore_file(store.pages), &halves[i].root,
                                 &halves[i].h.space, halves[i].h.model[10], &err));
        history_deinit(&halves[i].h);
    }
    CHECK_OK(pagestore_check(store.pages, &set, &err));
    page_set_deinit(&set);
    store_close(&store);
    remove_dir(dir);
}
