/* mem.c - see mem.h.
 *
 * Without hooks a block is malloc's own, and its size is what malloc_usable_size() says: no
 * header, nothing lost to alignment. With hooks the host's free wants the size back, so
 * each block is preceded by a header; blocks of the two kinds cannot be told apart, hence
 * the rule that hooks are set while no block lives.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/hash.h"

#define MEM_ALIGNMENT     16
#define MEM_ALIGNMENT_MAX ((size_t)2 << 20)

/* The counters are kept in stripes, each on a cache line of its own, chosen by where the
 * caller's stack lies: threads that allocate at once then rarely write to the same line. A
 * block may be freed by another stripe than the one that counted it; only the sums mean
 * anything, modulo 2^64. Relaxed everywhere: the numbers are looked at, nothing is ordered
 * by them. */
#define STRIPES    16
#define PEAK_EVERY 256 /* Allocations of a stripe, */
#define PEAK_BYTES                                                                         \
    (64u << 10) /* or an allocation of so much, until the peak is looked at. */
static struct stripe {
    _Alignas(64) _Atomic uint64_t allocs;
    _Atomic uint64_t frees, bytes;
} stripes[STRIPES];
static _Atomic uint64_t peak_bytes, failed_calls;

static struct mem_hooks hooks; /* Set while no block lives, then read by all. */

/* ---- Failing the n-th ---- */
static _Atomic bool fail_armed;
static _Atomic int64_t fail_skip;
static _Atomic uint64_t fail_count;
static _Atomic bool fail_and_on;

static bool must_fail(void)
{
    if (KDK_LIKELY(!atomic_load_explicit(&fail_armed, memory_order_relaxed)))
        return false;
    int64_t left = atomic_fetch_sub_explicit(&fail_skip, 1, memory_order_relaxed);
    if (left > 0 || (left < 0 && !atomic_load_explicit(&fail_and_on, memory_order_relaxed)))
        return false;
    atomic_fetch_add_explicit(&fail_count, 1, memory_order_relaxed);
    return true;
}

void mem_fail_after(uint64_t skip, bool and_on)
{
    atomic_store_explicit(&fail_skip, (int64_t)MIN(skip, (uint64_t)INT64_MAX),
                          memory_order_relaxed);
    atomic_store_explicit(&fail_and_on, and_on, memory_order_relaxed);
    atomic_store_explicit(&fail_count, 0, memory_order_relaxed);
    atomic_store_explicit(&fail_armed, true, memory_order_relaxed);
}

uint64_t mem_fail_never(void)
{
    atomic_store_explicit(&fail_armed, false, memory_order_relaxed);
    return atomic_exchange_explicit(&fail_count, 0, memory_order_relaxed);
}

/* ---- Remembering blocks ---- */
/* A set of addresses: open addressing, linear probing. Its memory is malloc's own. */
static struct {
    bool on;
    void **slots; /* NULL: free. */
    size_t cap, count;
} track;

static size_t track_home(const void *block)
{
    return (size_t)hash_u64((uint64_t)(uintptr_t)block) & (track.cap - 1);
}

static void track_put(void *block)
{
    size_t i = track_home(block);
    while (track.slots[i])
        i = (i + 1) & (track.cap - 1);
    track.slots[i] = block;
    track.count++;
}

static bool track_add(void *block)
{
    if (track.count * 2 >= track.cap) {
        size_t cap = track.cap ? track.cap * 2 : 1024, old_cap = track.cap;
        void **slots = calloc(cap, sizeof *slots), **old = track.slots;
        if (!slots)
            return false;
        track.slots = slots;
        track.cap = cap;
        track.count = 0;
        for (size_t i = 0; i < old_cap; i++)
            if (old[i])
                track_put(old[i]);
        free(old);
    }
    track_put(block);
    return true;
}

/* Whether it was there. Closes the gap by moving back what had been pushed over it. */
static bool track_remove(const void *block)
{
    if (!track.cap)
        return false;
    size_t mask = track.cap - 1, i = track_home(block);
    while (track.slots[i] != block) {
        if (!track.slots[i])
            return false;
        i = (i + 1) & mask;
    }
    for (size_t j = (i + 1) & mask; track.slots[j]; j = (j + 1) & mask) {
        size_t home = track_home(track.slots[j]);
        if (((j - home) & mask) >= ((j - i) & mask)) {
            track.slots[i] = track.slots[j];
            i = j;
        }
    }
    track.slots[i] = NULL;
    track.count--;
    return true;
}

void mem_track_begin(void)
{
    mem_track_end();
    track.on = true;
}

void mem_track_end(void)
{
    track.on = false;
    free(track.slots);
    track.slots = NULL;
    track.cap = track.count = 0;
}

uint64_t mem_track_reap(void)
{
    uint64_t freed = 0;
    track.on = false;
    for (size_t i = 0; i < track.cap; i++)
        if (track.slots[i]) {
            mem_free(track.slots[i]);
            freed++;
        }
    mem_track_end();
    return freed;
}

/* ---- Counting ---- */
static struct stripe *my_stripe(void)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0) >> 16;
    return &stripes[hash_u64(stack) % STRIPES];
}

static uint64_t live_bytes(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < STRIPES; i++)
        sum += atomic_load_explicit(&stripes[i].bytes, memory_order_relaxed);
    return (int64_t)sum < 0 ? 0 : sum; /* Others went on while we added. */
}

static uint64_t look_at_peak(void)
{
    uint64_t now = live_bytes(),
             peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&peak_bytes, &peak, now,
                                                                memory_order_relaxed,
                                                                memory_order_relaxed)) {
    }
    return MAX(now, peak);
}

static void count_in(size_t bytes)
{
    struct stripe *stripe = my_stripe();
    uint64_t before = atomic_fetch_add_explicit(&stripe->allocs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stripe->bytes, bytes, memory_order_relaxed);
    if (KDK_UNLIKELY(bytes >= PEAK_BYTES || before % PEAK_EVERY == 0))
        look_at_peak();
}

static void count_out(size_t bytes)
{
    struct stripe *stripe = my_stripe();
    atomic_fetch_add_explicit(&stripe->frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&stripe->bytes, bytes, memory_order_relaxed);
}

static void count_failed(void)
{
    atomic_fetch_add_explicit(&failed_calls, 1, memory_order_relaxed);
}

void mem_stats(struct mem_stats *out)
{
    uint64_t allocs = 0, frees = 0;
    for (size_t i = 0; i < STRIPES; i++)
        frees += atomic_load_explicit(&stripes[i].frees, memory_order_relaxed);
    for (size_t i = 0; i < STRIPES; i++)
        allocs += atomic_load_explicit(&stripes[i].allocs, memory_order_relaxed);
    out->bytes = live_bytes();
    out->blocks = allocs - frees;
    out->bytes_peak = look_at_peak();
    out->calls = allocs + atomic_load_explicit(&failed_calls, memory_order_relaxed);
}

/* ---- The allocator below: malloc, or the host's ---- */
struct header {    /* Ends where a hooked block begins. */
    size_t bytes;  /* As asked of the hook. */
    size_t before; /* From what the hook gave to the block. */
};
static_assert(sizeof(struct header) == MEM_ALIGNMENT, "the header keeps the alignment");

void mem_set_hooks(const struct mem_hooks *wanted)
{
    struct mem_stats stats;
    mem_stats(&stats);
    ASSERT(stats.blocks == 0);
    if (wanted && wanted->alloc && wanted->free)
        hooks = *wanted;
    else
        hooks = (struct mem_hooks){0};
}

static const struct header *header_of(const void *block)
{
    return (const struct header *)((const char *)block - sizeof(struct header));
}

static size_t block_bytes(void *block)
{
    return hooks.alloc ? header_of(block)->bytes : malloc_usable_size(block);
}

static void *raw_alloc(size_t alignment, size_t bytes, bool zero)
{
    void *block = NULL;
    if (hooks.alloc) {
        size_t before = MAX(alignment, sizeof(struct header));
        size_t all = size_add(bytes, before);
        char *given = all == SIZE_MAX ? NULL : hooks.alloc(hooks.context, before, all);
        if (!given)
            return NULL;
        block = given + before;
        struct header *header = (struct header *)(void *)(given + before - sizeof *header);
        *header = (struct header){all, before};
        if (zero)
            memset(block, 0, bytes);
    } else if (alignment > MEM_ALIGNMENT) {
        if (posix_memalign(&block, alignment, bytes) != 0)
            return NULL;
    } else {
        block = zero ? calloc(1, bytes) : malloc(bytes);
    }
    return block;
}

static void raw_free(void *block)
{
    if (hooks.alloc) {
        struct header header = *header_of(block);
        hooks.free(hooks.context, (char *)block - header.before, header.bytes);
    } else {
        free(block);
    }
}

/* ---- What the header offers ---- */
static void *alloc(size_t alignment, size_t bytes, bool zero)
{
    void *block = NULL;
    if (!must_fail() && bytes <= PTRDIFF_MAX)
        block = raw_alloc(alignment, bytes ? bytes : 1, zero);
    if (KDK_UNLIKELY(track.on) && block && !track_add(block)) {
        raw_free(block);
        block = NULL;
    }
    if (KDK_LIKELY(block != NULL))
        count_in(block_bytes(block));
    else
        count_failed();
    return block;
}

void *mem_alloc(size_t bytes)
{
    return alloc(MEM_ALIGNMENT, bytes, false);
}

void *mem_zalloc(size_t bytes)
{
    return alloc(MEM_ALIGNMENT, bytes, true);
}

void *mem_alloc_aligned(size_t alignment, size_t bytes)
{
    ASSERT((alignment & (alignment - 1)) == 0);
    ASSERT(alignment <= MEM_ALIGNMENT_MAX);
    return alloc(alignment, bytes, false);
}

void mem_free(void *block)
{
    if (!block)
        return;
    if (KDK_UNLIKELY(track.on))
        track_remove(block);
    count_out(block_bytes(block));
    raw_free(block);
}

/* With hooks, and in every case while blocks are remembered, a new block and a copy: rare
 * cases, kept simple. */
void *mem_realloc(void *old, size_t bytes)
{
    if (!old)
        return mem_alloc(bytes);
    if (!hooks.alloc && !track.on) {
        if (must_fail() || bytes > PTRDIFF_MAX) {
            count_failed();
            return NULL;
        }
        size_t before = malloc_usable_size(old);
        void *block = realloc(old, bytes ? bytes : 1);
        if (block) {
            count_out(before);
            count_in(malloc_usable_size(block));
        } else {
            count_failed();
        }
        return block;
    }
    size_t had = block_bytes(old) - (hooks.alloc ? header_of(old)->before : 0);
    void *block = mem_alloc(bytes);
    if (!block)
        return NULL;
    memcpy(block, old, MIN(had, bytes));
    if (track.on && !track_remove(old))
        track_remove(block);
    mem_free(old);
    return block;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

void *mem_dup(const void *bytes, size_t count)
{
    void *block = mem_alloc(count);
    if (block && count)
        memcpy(block, bytes, count);
    return block;
}

void *mem_raw_zalloc(size_t bytes)
{
    return bytes > PTRDIFF_MAX ? NULL : calloc(1, bytes ? bytes : 1);
}

void mem_raw_free(void *block)
{
    free(block);
}
