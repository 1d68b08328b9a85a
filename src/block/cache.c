/* cache.c - decoded columns of strips that are worth keeping, and the files that are open.
 *
 * Shards by key, each with a latch, a hash table, and SIEVE's queue: new entries come in at
 * the front, a hit only sets a bit, and a hand that moves from the back to the front evicts
 * the first entry whose bit is clear, clearing bits on its way. Scans are kept out
 * otherwise, too: what a scan decodes is admitted only if its key was met before and is
 * still in a table of recent keys, where a large scan overwrites itself. A point read is
 * admitted at once.
 *
 * The cache's own hold on an entry is one pin. Pins are added under the shard's latch only,
 * so an entry with one pin under the latch can be freed; dropping a pin takes no latch.
 * Nothing is read, decoded or opened under a latch. Only what is kept is charged to the
 * broker: a column that a scan has decoded for itself is as large as its strip, and lives
 * as long as its batch.
 *
 * Source  Zhang et al., SIEVE is Simpler than LRU, NSDI 2024.
 */
#include "block/block_int.h"

#include "base/hash.h"
#include "task/broker.h"

enum {
    SHARDS_MAX = 8,
    BUCKETS = 4096,
    RECENT = 8192,
    WAYS = 8,
    FILES_DEFAULT = 256,
    SHARD_BYTES_MIN = 8 << 20
};

struct shard {
    struct latch latch; /* CACHE. Guards all below. */
    struct strip_data **buckets;
    uint32_t *recent; /* Tags of keys that scans met; 0: none. */
    struct strip_data *newest, *oldest, *hand;
    uint32_t count;
    uint64_t bytes;
    struct broker_grant grant;
};

struct open_file {
    uint64_t number;
    struct os_file *file;
    uint64_t used; /* When, as `clock` counts. */
    uint32_t refs;
    bool listed; /* In the table; else closed by its last user. */
};

struct block_cache {
    struct os *os;
    char *dir;
    struct broker *broker;
    struct broker_shrinker shrinker;
    _Atomic uint64_t shard_bytes_max; /* Relaxed: read once for each column that is kept. */
    uint32_t shard_count;
    struct shard shards[SHARDS_MAX];
    struct latch files_latch; /* CACHE. Guards the next four. */
    struct open_file **files;
    uint32_t file_count, files_max;
    uint64_t clock;
    _Atomic uint64_t columns_decoded, buffers_decoded, bytes_read, bytes_decoded, hits,
        misses, admitted, evicted, files_opened;
};

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* ------------------------------------------------------------------- making ---- */

static uint64_t cache_shrink(void *context, uint64_t bytes)
{
    return block_cache_shrink(context, bytes);
}

kdk_status block_cache_new(const struct block_cache_options *options,
                           struct block_cache **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_cache *cache = NULL;

    TRY_MEM(cache = MEM_NEW(struct block_cache));
    cache->os = options->os;
    cache->files_max = options->files_max ? options->files_max : FILES_DEFAULT;
    latch_init(&cache->files_latch, OS_RANK_CACHE);
    for (uint32_t i = 0; i < SHARDS_MAX; i++)
        latch_init(&cache->shards[i].latch, OS_RANK_CACHE);
    cache->shard_count =
        (uint32_t)MIN(options->bytes_max / SHARD_BYTES_MIN + 1, (uint64_t)SHARDS_MAX);
    atomic_init(&cache->shard_bytes_max, options->bytes_max / cache->shard_count);
    TRY_MEM(cache->dir = mem_strdup(options->dir));
    TRY_MEM(cache->files = MEM_ARRAY(struct open_file *, cache->files_max));
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        TRY_MEM(shard->buckets = MEM_ARRAY(struct strip_data *, BUCKETS));
        TRY_MEM(shard->recent = MEM_ARRAY(uint32_t, RECENT));
        if (options->broker)
            TRY(broker_grant_init(options->broker, &shard->grant, "strip cache",
                                  BROKER_CACHE, false, 0, 0, err));
    }
    if (options->broker) {
        cache->broker = options->broker;
        cache->shrinker = (struct broker_shrinker){
            .shrink = cache_shrink, .context = cache, .use = BROKER_CACHE};
        broker_add_shrinker(cache->broker, &cache->shrinker);
    }
    *out = cache;
    cache = NULL;
out:
    block_cache_free(cache);
    return status;
}

void block_cache_free(struct block_cache *cache)
{
    if (!cache)
        return;
    if (cache->broker)
        broker_remove_shrinker(cache->broker, &cache->shrinker);
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        struct strip_data *data = shard->newest;
        while (data) {
            struct strip_data *older = data->older;
            strip_unpin(data);
            data = older;
        }
        mem_free(shard->buckets);
        mem_free(shard->recent);
        broker_grant_deinit(&shard->grant);
    }
    for (uint32_t i = 0; i < cache->file_count; i++) {
        ASSERT(cache->files[i]->refs == 0);
        os_close(cache->files[i]->file);
        mem_free(cache->files[i]);
    }
    mem_free(cache->files);
    mem_free(cache->dir);
    mem_free(cache);
}

void block_cache_stats(struct block_cache *cache, struct block_stats *out)
{
#define GET(NAME) out->NAME = atomic_load_explicit(&cache->NAME, memory_order_relaxed)
    GET(columns_decoded);
    GET(buffers_decoded);
    GET(bytes_read);
    GET(bytes_decoded);
    GET(hits);
    GET(misses);
    GET(admitted);
    GET(evicted);
    GET(files_opened);
#undef GET
    out->bytes = 0;
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        latch_acquire(&cache->shards[i].latch);
        out->bytes += cache->shards[i].bytes;
        latch_release(&cache->shards[i].latch);
    }
}

/* -------------------------------------------------------------------- files ---- */

static void file_close(struct open_file *file)
{
    if (!file)
        return;
    os_close(file->file);
    mem_free(file);
}

static struct open_file *file_find(struct block_cache *cache, uint64_t number)
{
    for (uint32_t i = 0; i < cache->file_count; i++)
        if (cache->files[i]->number == number) {
            cache->files[i]->refs++;
            cache->files[i]->used = ++cache->clock;
            return cache->files[i];
        }
    return NULL;
}
/* Takes a file out of the table. */
static struct open_file *file_unlist(struct block_cache *cache, uint32_t at)
{
    struct open_file *file = cache->files[at];

    cache->files[at] = cache->files[--cache->file_count];
    file->listed = false;
    return file;
}

static kdk_status file_acquire(struct block_cache *cache, uint64_t number,
                               struct open_file **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct open_file *file = NULL, *there, *old = NULL;
    char path[BLOCK_PATH_BYTES];

    latch_acquire(&cache->files_latch);
    there = file_find(cache, number);
    latch_release(&cache->files_latch);
    if (there) {
        *out = there;
        return KDK_OK;
    }
    TRY(block_path(cache->dir, number, path, sizeof path, err));
    TRY_MEM(file = MEM_NEW(struct open_file));
    file->number = number;
    file->refs = 1;
    TRY(os_open(cache->os, path, OS_READ, &file->file, err));
    count(&cache->files_opened, 1);
    latch_acquire(&cache->files_latch);
    there = file_find(cache, number); /* Somebody else may have opened it. */
    if (!there) {
        there = file;
        file = NULL;
        if (cache->file_count == cache->files_max) {
            uint32_t least = UINT32_MAX;
            for (uint32_t i = 0; i < cache->file_count; i++)
                if (cache->files[i]->refs == 0 &&
                    (least == UINT32_MAX ||
                     cache->files[i]->used < cache->files[least]->used))
                    least = i;
            if (least != UINT32_MAX)
                old = file_unlist(cache, least);
        }
        if (cache->file_count < cache->files_max) {
            there->listed = true;
            there->used = ++cache->clock;
            cache->files[cache->file_count++] = there;
        }
    }
    latch_release(&cache->files_latch);
    *out = there;
out:
    file_close(old);
    file_close(file);
    return status;
}
static void file_release(struct block_cache *cache, struct open_file *file)
{
    bool close;

    if (!file)
        return;
    latch_acquire(&cache->files_latch);
    close = --file->refs == 0 && !file->listed;
    latch_release(&cache->files_latch);
    if (close)
        file_close(file);
}

/* ------------------------------------------------------------------- shards ---- */

static uint64_t key_hash(uint64_t file, uint32_t strip, uint32_t column)
{
    return hash_combine(hash_u64(file), (uint64_t)strip << 32 | column);
}
static struct strip_data **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash % BUCKETS];
}

/* With the latch: takes an entry out, and drops the cache's pin. */
static void shard_remove(struct shard *shard, struct strip_data *data)
{
    struct strip_data **link =
        bucket_of(shard, key_hash(data->file, data->strip, data->column));

    while (*link != data)
        link = &(*link)->chain;
    *link = data->chain;
    if (shard->hand == data)
        shard->hand = data->newer;
    *(data->newer ? &data->newer->older : &shard->newest) = data->older;
    *(data->older ? &data->older->newer : &shard->oldest) = data->newer;
    shard->bytes -= data->bytes;
    shard->count--;
    strip_unpin(data);
}

/* With the latch: the entry, pinned once more. One that was made with another dictionary
 * object is of no use any more. */
static struct strip_data *shard_find(struct shard *shard, uint64_t hash, uint64_t file,
                                     uint32_t strip, uint32_t column,
                                     const struct dict *dict)
{
    for (struct strip_data *data = *bucket_of(shard, hash); data; data = data->chain)
        if (data->file == file && data->strip == strip && data->column == column) {
            if (data->codes && data->dict != dict) {
                shard_remove(shard, data);
                return NULL;
            }
            atomic_fetch_add_explicit(&data->pins, 1, memory_order_relaxed);
            atomic_store_explicit(&data->visited, true, memory_order_relaxed);
            return data;
        }
    return NULL;
}

/* With the latch: moves the hand until about `bytes` are freed. */
static uint64_t shard_evict(struct block_cache *cache, struct shard *shard, uint64_t bytes)
{
    uint64_t freed = 0;

    /* Twice round: the first time may only clear bits. */
    for (uint64_t left = 2 * (uint64_t)shard->count; left && freed < bytes && shard->count;
         left--) {
        struct strip_data *data = shard->hand ? shard->hand : shard->oldest;
        shard->hand = data->newer;
        if (atomic_load_explicit(&data->pins, memory_order_acquire) > 1 ||
            atomic_exchange_explicit(&data->visited, false, memory_order_relaxed))
            continue;
        freed += data->bytes;
        shard_remove(shard, data);
        count(&cache->evicted, 1);
    }
    return freed;
}

static bool shard_charge(struct block_cache *cache, struct shard *shard)
{
    return !cache->broker || broker_try_resize(&shard->grant, shard->bytes);
}

/* With the latch: keeps `data`, if there is room or can be made. */
static void shard_admit(struct block_cache *cache, struct shard *shard, uint64_t hash,
                        struct strip_data *data)
{
    const uint64_t bytes = data->bytes, most = atomic_load_explicit(&cache->shard_bytes_max,
                                                                    memory_order_relaxed);

    if (bytes > most)
        return;
    if (shard->bytes + bytes > most) {
        shard_evict(cache, shard, shard->bytes + bytes - most);
        if (shard->bytes + bytes > most)
            return;
    }
    if (cache->broker && !broker_try_resize(&shard->grant, shard->bytes + bytes)) {
        /* Others have the memory: in exchange for what we have, if that is enough. */
        uint64_t freed = shard_evict(cache, shard, bytes);
        if (freed < bytes || !broker_try_resize(&shard->grant, shard->bytes + bytes)) {
            (void)shard_charge(cache, shard);
            return;
        }
    }
    atomic_fetch_add_explicit(&data->pins, 1, memory_order_relaxed);
    data->chain = *bucket_of(shard, hash);
    *bucket_of(shard, hash) = data;
    data->older = shard->newest;
    data->newer = NULL;
    *(shard->newest ? &shard->newest->newer : &shard->oldest) = data;
    shard->newest = data;
    shard->bytes += bytes;
    shard->count++;
    count(&cache->admitted, 1);
}

/* With the latch: whether a scan has met this key lately; it has from now on. Sets of some
 * ways, the latest first: of two keys in one place that the same scan asks for again and
 * again, neither would ever be met. */
static bool shard_met(struct shard *shard, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32) | 1,
             *set = &shard->recent[(hash >> 10) % (RECENT / WAYS) * WAYS], i = 0;

    while (i < WAYS - 1 && set[i] != tag)
        i++;
    bool met = set[i] == tag;
    memmove(set + 1, set, i * sizeof *set);
    set[0] = tag;
    return met;
}

uint64_t block_cache_shrink(struct block_cache *cache, uint64_t bytes)
{
    uint64_t freed = 0;

    for (uint32_t i = 0; i < cache->shard_count && freed < bytes; i++) {
        struct shard *shard = &cache->shards[i];
        latch_acquire(&shard->latch);
        freed += shard_evict(cache, shard, bytes - freed);
        (void)shard_charge(cache, shard); /* Giving back does not fail. */
        latch_release(&shard->latch);
    }
    return freed;
}

void block_cache_set_bytes_max(struct block_cache *cache, uint64_t bytes)
{
    const uint64_t most = bytes / cache->shard_count;
    atomic_store_explicit(&cache->shard_bytes_max, most, memory_order_relaxed);
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        latch_acquire(&shard->latch);
        if (shard->bytes > most)
            shard_evict(cache, shard, shard->bytes - most);
        (void)shard_charge(cache, shard); /* Giving back does not fail. */
        latch_release(&shard->latch);
    }
}

void block_cache_forget(struct block_cache *cache, uint64_t number)
{
    struct open_file *file = NULL;

    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        latch_acquire(&shard->latch);
        for (struct strip_data *data = shard->newest, *older; data; data = older) {
            older = data->older;
            if (data->file == number)
                shard_remove(shard, data);
        }
        (void)shard_charge(cache, shard);
        latch_release(&shard->latch);
    }
    latch_acquire(&cache->files_latch);
    for (uint32_t i = 0; i < cache->file_count; i++)
        if (cache->files[i]->number == number) {
            file = file_unlist(cache, i);
            if (file->refs) /* Its last user closes it. */
                file = NULL;
            break;
        }
    latch_release(&cache->files_latch);
    file_close(file);
}

/* ------------------------------------------------------------------ reading ---- */

kdk_status strip_column(struct block_cache *cache, const struct strip_entry *entry,
                        uint32_t number, struct ltype type, struct dict *dict,
                        enum strip_use use, const struct strip_data **out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct strip_column *column = strip_entry_column(entry, number);
    uint64_t hash = key_hash(entry->file, entry->strip, number);
    struct shard *shard = &cache->shards[(hash >> 56) % cache->shard_count];
    struct strip_data *data = NULL, *there;
    struct open_file *file = NULL;
    struct decode_counts counts = {0};

    *out = NULL;
    if (!column)
        return KDK_OK;
    TRY(strip_fits(entry, column, type, dict, err));
    latch_acquire(&shard->latch);
    there = shard_find(shard, hash, entry->file, entry->strip, number, dict);
    latch_release(&shard->latch);
    if (there) {
        count(&cache->hits, 1);
        *out = there;
        return KDK_OK;
    }
    count(&cache->misses, 1);
    TRY(file_acquire(cache, entry->file, &file, err));
    TRY(strip_decode(file->file, entry, column, type, dict, true, &data, &counts, err));
    count(&cache->columns_decoded, 1);
    latch_acquire(&shard->latch);
    there = shard_find(shard, hash, entry->file, entry->strip, number, dict);
    if (!there && (use == STRIP_POINT || shard_met(shard, hash)))
        shard_admit(cache, shard, hash, data);
    latch_release(&shard->latch);
    if (there) { /* Somebody else was faster. */
        *out = there;
    } else {
        *out = data;
        data = NULL;
    }
out:
    count(&cache->buffers_decoded, counts.buffers);
    count(&cache->bytes_read, counts.bytes_read);
    count(&cache->bytes_decoded, counts.bytes_decoded);
    file_release(cache, file);
    strip_unpin(data);
    return status;
}
