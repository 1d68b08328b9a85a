/* mem.h - the one way to the heap: counted, hookable, and made to fail on demand.
 *
 * All allocation of the library passes through here, so that a test can fail the n-th, an
 * embedder can bring an allocator, and the memory limit has a number to look at. No
 * function here waits. Thread-safe. Everything returned is aligned to 16 bytes unless said
 * otherwise.
 */
#ifndef KDK_BASE_MEM_H
#define KDK_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when there is no memory (or for SIZE_MAX, what size_mul() gives on overflow). A size
 * of 0 gives a unique pointer. The caller frees with mem_free(). */
void *mem_alloc(size_t bytes) __attribute__((malloc, warn_unused_result));
void *mem_zalloc(size_t bytes) __attribute__((malloc, warn_unused_result)); /* zeroed */
/* On failure the old block stays as it was. `old` may be NULL. */
void *mem_realloc(void *old, size_t bytes) __attribute__((warn_unused_result));
/* `alignment` is a power of two up to 2 MiB. Freed with mem_free(). */
void *mem_alloc_aligned(size_t alignment, size_t bytes)
    __attribute__((malloc, warn_unused_result));
void mem_free(void *block); /* Accepts NULL. */
char *mem_strdup(const char *text) __attribute__((malloc, warn_unused_result));
void *mem_dup(const void *bytes, size_t count) __attribute__((malloc, warn_unused_result));

#define MEM_NEW(T)      ((T *)mem_zalloc(sizeof(T)))
#define MEM_ARRAY(T, N) ((T *)mem_zalloc(size_mul((N), sizeof(T))))

/* Bytes (as the allocator rounds them) and blocks that are allocated now, and the peak of
 * bytes: exact when all is still; the peak may miss a rise of some hundred small blocks
 * that fell again at once. */
struct mem_stats {
    uint64_t bytes;
    uint64_t blocks;
    uint64_t bytes_peak;
    uint64_t calls; /* Allocations asked for since the start, failed ones included. */
};
void mem_stats(struct mem_stats *out);

/* The host's allocator. All three or NULL for malloc/realloc/free; set before the first
 * database is opened. `alloc_aligned` may return any pointer that `free` takes. */
struct mem_hooks {
    void *(*alloc)(void *context, size_t alignment, size_t bytes);
    void (*free)(void *context, void *block, size_t bytes);
    void *context;
};
void mem_set_hooks(const struct mem_hooks *hooks);

/* Tests: the allocation after the next `skip` successful ones fails; with `and_on` all
 * later ones too. Counts over all threads. mem_fail_never() ends it and tells how many were
 * failed. */
void mem_fail_after(uint64_t skip, bool and_on);
uint64_t mem_fail_never(void);

/* Blocks of the simulator itself: straight from malloc, zeroed, not counted, never failed
 * by mem_fail_after() and not reaped. NULL when there is no memory. Freed with
 * mem_raw_free(). */
void *mem_raw_zalloc(size_t bytes) __attribute__((malloc, warn_unused_result));
void mem_raw_free(void *block);

/* What sim_memory_begin() stands on: from mem_track_begin() on, every block is remembered
 * until it is freed; mem_track_reap() frees those that are left and ends it,
 * mem_track_end() only ends it. A block that is reallocated stays what it was, remembered
 * or not. Only for programs in which a single thread of the machine allocates. */
void mem_track_begin(void);
void mem_track_end(void);
uint64_t mem_track_reap(void); /* How many it freed. */

#endif
