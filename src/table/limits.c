/* limits.c - what may be changed while the database is in use. */
#include "block/block.h"
#include "table/disk.h"
#include "task/broker.h"

void store_set_limit(struct store *store, enum store_limit limit, uint64_t value)
{
    if (!value)
        value = limit == STORE_BULK_LOAD_ROWS ? BULK_LOAD_ROWS : CHECKPOINT_LOG_BYTES;
    atomic_store_explicit(&store->limits[limit], MIN(value, STORE_LIMIT_MAX),
                          memory_order_relaxed);
}

uint64_t store_limit(const struct store *store, enum store_limit limit)
{
    return atomic_load_explicit(&store->limits[limit], memory_order_relaxed);
}

/* A quarter of what all may use: others that need memory get it back from the cache
 * (broker.h). */
uint64_t cache_share(struct os *os, struct broker *broker)
{
    uint64_t all = os_memory_bytes(os);
    if (broker)
        all = MIN(all, atomic_load_explicit(&broker->limit, memory_order_relaxed));
    return MAX(all / 4, 64ull << 20);
}

void store_memory_changed(struct store *store)
{
    if (store->disk)
        block_cache_set_bytes_max(store->disk->strips,
                                  cache_share(store->os, store->broker));
}
