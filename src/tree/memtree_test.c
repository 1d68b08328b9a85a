/* memtree_test.c - the in-memory index tree against a sorted array, out of memory, and from
 * many threads. */
#include "tree/memtree.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "os/sim.h"

struct item {
    _Atomic uint32_t in_tree;
    struct memtree_item item; /* Last: its key follows. */
};

/* Blocks that the tree gave away; freed at the end of the test, when no thread is left. */
static _Atomic(struct memtree_block *) retired;

static void retire(void *context, struct memtree_block *block)
{
    (void)context;
    struct memtree_block *head = atomic_load(&retired);
    do
        block->link[0] = (uint64_t)(uintptr_t)head;
    while (!atomic_compare_exchange_weak(&retired, &head, block));
}

static void free_retired(void)
{
    struct memtree_block *block = atomic_exchange(&retired, NULL);
    while (block) {
        struct memtree_block *next = (struct memtree_block *)(uintptr_t)block->link[0];
        mem_free(block);
        block = next;
    }
}

static uint64_t next_random(uint64_t *state)
{
    return hash_u64(*state += 0x9e3779b97f4a7c15ull);
}

static struct item *item_new(const void *key, uint32_t bytes, uint64_t id, uint64_t seq)
{
    struct item *item = mem_zalloc(sizeof *item + bytes);
    item->item.id = id;
    item->item.seq = seq;
    item->item.bytes = bytes;
    memcpy(item->item.key, key, bytes);
    return item;
}

/* Keys of 0 to 11 bytes over a small alphabet: many share prefixes, are prefixes of one
 * another, or are equal. */
static struct item *item_random(uint64_t *state, uint64_t seq)
{
    uint8_t key[12];
    uint64_t r = next_random(state);
    uint32_t bytes = (uint32_t)(r % 12);
    for (uint32_t i = 0; i < bytes; i++)
        key[i] = (uint8_t)(i == 0               ? (r >> 50) % 3
                           : i < 7              ? 0
                           : (r >> (8 + i)) & 1 ? 0xff
                                                : 0);
    return item_new(key, bytes, (r >> 40) % 5, seq);
}

static int by_item(const void *a, const void *b)
{
    struct item *const *x = a, *const *y = b;
    return memtree_compare(&(*x)->item, &(*y)->item);
}

/* Walks all, `step` items at a time. */
static uint32_t walk(struct memtree *tree, bool backwards, const struct memtree_item **out,
                     uint32_t max, uint32_t step)
{
    struct memtree_probe probe = {(const uint8_t *)"", 0, backwards, 0, 0};
    uint32_t n = 0;
    for (;;) {
        uint32_t got = memtree_scan(tree, &probe, backwards, out + n, MIN(step, max - n));
        n += got;
        if (got < step || n == max)
            return n;
        const struct memtree_item *last = out[n - 1];
        probe = (struct memtree_probe){last->key, last->bytes, false, last->id,
                                       last->seq + !backwards};
    }
}

TEST(memtree, agrees_with_a_sorted_array)
{
    enum { N = 2000 };
    struct memtree *tree = NULL;
    struct err err = {0};
    uint64_t state = 1;
    static struct item *all[N], *sorted[N];
    static const struct memtree_item *seen[N + 1];
    if (!CHECK_EQ(memtree_new(retire, NULL, &tree, &err), KDK_OK))
        return;
    for (uint32_t i = 0; i < N; i++) {
        all[i] = item_random(&state, i);
        CHECK_EQ(memtree_insert(tree, &all[i]->item, &err), KDK_OK);
        if (i % 97 == 0)
            CHECK_STR(memtree_check(tree), "");
    }
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < N; i++)
            if (all[i])
                sorted[n++] = all[i];
        qsort(sorted, n, sizeof *sorted, by_item);
        CHECK_STR(memtree_check(tree), "");
        CHECK_EQ(memtree_count(tree), n);
        uint32_t step = round == 0 ? 1 : 3 + 20 * round;
        if (CHECK_EQ(walk(tree, false, seen, N + 1, step), n))
            for (uint32_t i = 0; i < n; i++)
                CHECK(seen[i] == &sorted[i]->item);
        if (CHECK_EQ(walk(tree, true, seen, N + 1, step), n))
            for (uint32_t i = 0; i < n; i++)
                CHECK(seen[i] == &sorted[n - 1 - i]->item);
        /* Behind all that start with a key. */
        for (uint32_t k = 0; k < n; k += 37) {
            struct memtree_probe probe = {sorted[k]->item.key, sorted[k]->item.bytes, true,
                                          0, 0};
            uint32_t got = memtree_scan(tree, &probe, false, seen, 1), want = k;
            while (want < n && sorted[want]->item.bytes >= probe.bytes &&
                   memcmp(sorted[want]->item.key, probe.key, probe.bytes) == 0)
                want++;
            CHECK_EQ(got, want < n);
            if (got)
                CHECK(seen[0] == &sorted[want]->item);
            CHECK_EQ(memtree_scan(tree, &probe, true, seen, 1), 1);
            CHECK(seen[0] == &sorted[want - 1]->item);
        }
        for (uint32_t i = 0; i < N; i++)
            if (all[i] && (round == 3 || next_random(&state) % 3)) {
                CHECK(memtree_remove(tree, &all[i]->item));
                CHECK(!memtree_remove(tree, &all[i]->item));
                mem_free(all[i]);
                all[i] = NULL;
            }
    }
    CHECK_EQ(memtree_count(tree), 0);
    memtree_free(tree, NULL, NULL);
    free_retired();
}

/* A queue: what is taken out in front does not leave leaves behind. */
TEST(memtree, a_queue_stays_small)
{
    struct memtree *tree = NULL;
    struct err err = {0};
    struct item *queue[100] = {0};
    struct mem_stats before, after;
    if (!CHECK_EQ(memtree_new(retire, NULL, &tree, &err), KDK_OK))
        return;
    mem_stats(&before);
    for (uint32_t i = 0; i < 20000; i++) {
        struct item **at = &queue[i % 100];
        if (*at) {
            CHECK(memtree_remove(tree, &(*at)->item));
            mem_free(*at);
        }
        uint32_t key = __builtin_bswap32(i);
        *at = item_new(&key, 4, i, 0);
        CHECK_EQ(memtree_insert(tree, &(*at)->item, &err), KDK_OK);
        if (i % 100 == 0)
            free_retired();
    }
    free_retired();
    mem_stats(&after);
    CHECK(after.bytes - before.bytes < 200000);
    CHECK_STR(memtree_check(tree), "");
    memtree_free(tree, NULL, NULL);
    for (uint32_t i = 0; i < 100; i++)
        mem_free(queue[i]);
}

TEST(memtree, out_of_memory_leaves_no_trace)
{
    struct memtree *tree = NULL;
    struct err err = {0};
    enum { N = 300 };
    struct item *all[N];
    uint64_t state = 5, failed = 0;
    if (!CHECK_EQ(memtree_new(retire, NULL, &tree, &err), KDK_OK))
        return;
    for (uint32_t i = 0; i < N; i++) {
        all[i] = item_random(&state, i);
        for (uint64_t skip = 0;; skip++) {
            mem_fail_after(skip, true);
            kdk_status status = memtree_insert(tree, &all[i]->item, &err);
            mem_fail_never();
            CHECK_STR(memtree_check(tree), "");
            if (status == KDK_OK)
                break;
            CHECK_EQ(status, KDK_NOMEM);
            failed++;
        }
        CHECK_EQ(memtree_count(tree), i + 1);
    }
    CHECK(failed > 0);
    memtree_free(tree, NULL, NULL);
    for (uint32_t i = 0; i < N; i++)
        mem_free(all[i]);
}

/* Writers put in and take out their own items while readers walk: every item that was in
 * the tree during the whole walk is seen, in order; none twice. */
enum { FIXED = KDK_PICK(2000, 200), WRITERS = 3, READERS = 2 };
struct stress {
    struct memtree *tree;
    struct item *fixed[FIXED];
    _Atomic uint32_t running;
    uint32_t rounds;
};
struct stress_thread {
    struct stress *stress;
    uint64_t seed;
    struct item *own[64];
};

static void stress_writer(void *context)
{
    struct stress_thread *thread = context;
    struct err err = {0};
    uint64_t state = thread->seed, seq = thread->seed << 32;
    for (uint32_t k = 0; k < thread->stress->rounds; k++) {
        struct item **at = &thread->own[next_random(&state) % 64];
        if (*at && atomic_load(&(*at)->in_tree)) {
            CHECK(memtree_remove(thread->stress->tree, &(*at)->item));
            atomic_store(&(*at)->in_tree, 0);
            retire(NULL, (struct memtree_block *)mem_zalloc(sizeof(struct memtree_block)));
            continue;
        }
        if (!*at) {
            uint32_t key =
                __builtin_bswap32((uint32_t)(next_random(&state) % (FIXED * 16)));
            *at = item_new(&key, 4, 1, ++seq);
        }
        CHECK_EQ(memtree_insert(thread->stress->tree, &(*at)->item, &err), KDK_OK);
        atomic_store(&(*at)->in_tree, 1);
    }
    atomic_fetch_sub(&thread->stress->running, 1);
}

static void stress_reader(void *context)
{
    struct stress_thread *thread = context;
    enum { MAX = FIXED + WRITERS * 64 };
    const struct memtree_item **seen = mem_alloc(MAX * sizeof *seen);
    for (bool backwards = false;; backwards = !backwards) {
        bool last = atomic_load(&thread->stress->running) == 0;
        uint32_t n = walk(thread->stress->tree, backwards, seen, MAX, 40), fixed = 0;
        for (uint32_t i = 0; i < n; i++) {
            if (i && (memtree_compare(seen[i - 1], seen[i]) < 0) == backwards)
                CHECK(!"in order");
            fixed += seen[i]->id == 0;
        }
        CHECK_EQ(fixed, FIXED);
        if (last)
            break;
        os_yield();
    }
    mem_free(seen);
}

static void stress_run(void *context)
{
    struct stress *stress = context;
    struct err err = {0};
    struct os *os = os_here();
    static struct stress_thread threads[WRITERS + READERS];
    struct os_thread *handles[WRITERS + READERS];
    memset(threads, 0, sizeof threads);
    if (!CHECK_EQ(memtree_new(retire, NULL, &stress->tree, &err), KDK_OK))
        return;
    for (uint32_t i = 0; i < FIXED; i++) {
        uint32_t key = __builtin_bswap32(i * 16);
        stress->fixed[i] = item_new(&key, 4, 0, 0);
        CHECK_EQ(memtree_insert(stress->tree, &stress->fixed[i]->item, &err), KDK_OK);
    }
    atomic_store(&stress->running, WRITERS);
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        threads[i].stress = stress;
        threads[i].seed = i + 1;
        CHECK_EQ(os_thread_new(os, "memtree", i < WRITERS ? stress_writer : stress_reader,
                               &threads[i], &handles[i], &err),
                 KDK_OK);
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++)
        os_thread_join(handles[i]);
    CHECK_STR(memtree_check(stress->tree), "");
    memtree_free(stress->tree, NULL, NULL);
    free_retired();
    for (uint32_t i = 0; i < WRITERS; i++)
        for (uint32_t k = 0; k < 64; k++)
            mem_free(threads[i].own[k]);
    for (uint32_t i = 0; i < FIXED; i++)
        mem_free(stress->fixed[i]);
}

TEST(memtree, threads_read_and_write)
{
    static struct stress stress;
    stress.rounds = 20000;
    stress_run(&stress);
}
TEST(memtree, every_schedule_of_the_simulator)
{
    static struct stress stress;
    stress.rounds = 100;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = NULL;
        struct err err = {0};
        if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = seed}, &sim, &err), KDK_OK))
            return;
        CHECK(sim_run(sim, stress_run, &stress));
        sim_free(sim);
    }
}
