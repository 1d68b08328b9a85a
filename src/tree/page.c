#include "tree/page.h"

#include "base/hash.h"
#include "base/mem.h"

/* ---- Images ---- */

void page_image_init(uint8_t *image, enum page_kind kind, uint8_t level)
{
    memset(image, 0, TREE_PAGE_BYTES);
    page_put_magic(image, PAGE_MAGIC);
    page_put_kind(image, (uint8_t)kind);
    page_put_level(image, level);
    page_put_heap(image, TREE_PAGE_BYTES);
}

struct page_ref page_image_seal(uint8_t *image, uint64_t page, uint64_t generation)
{
    page_put_page(image, page);
    page_put_generation(image, generation);
    uint32_t crc = crc32c(0, image + 4, TREE_PAGE_BYTES - 4);
    page_put_crc(image, crc);
    return (struct page_ref){page, crc};
}

struct leaf_cell leaf_cell_at(const uint8_t *page, uint32_t i)
{
    const uint8_t *at = page + get_u32(page + PAGE_HEADER_BYTES + 4u * i);
    struct leaf_cell cell = {0};
    uint32_t value_bytes = get_u32(at + 2);
    cell.key_bytes = get_u16(at);
    cell.key = at + LEAF_CELL_HEAD;
    cell.value_bytes = value_bytes & ~PAGE_VALUE_OVERFLOW;
    if (value_bytes & PAGE_VALUE_OVERFLOW) {
        const uint8_t *ref = cell.key + cell.key_bytes;
        cell.overflow = (struct page_ref){get_u64(ref), get_u32(ref + 8)};
        cell.overflow_levels = ref[12];
    } else {
        cell.value = cell.key + cell.key_bytes;
    }
    return cell;
}

struct inner_cell inner_cell_at(const uint8_t *page, uint32_t i)
{
    const uint8_t *at = page + get_u32(page + PAGE_HEADER_BYTES + 4u * i);
    return (struct inner_cell){
        at + INNER_CELL_HEAD, get_u16(at), {get_u64(at + 2), get_u32(at + 10)}};
}

static const char *validate_cells(const uint8_t *page, bool leaf)
{
    uint32_t count = page_count(page), heap = page_heap(page);
    if (count == 0)
        return "a page of no entries";
    if (heap > TREE_PAGE_BYTES || heap < PAGE_HEADER_BYTES ||
        count > (heap - PAGE_HEADER_BYTES) / 4)
        return "a page whose cells do not fit";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = get_u32(page + PAGE_HEADER_BYTES + 4u * i);
        uint32_t head = leaf ? LEAF_CELL_HEAD : INNER_CELL_HEAD;
        if (at < heap || at > TREE_PAGE_BYTES - head)
            return "a cell outside its page";
        uint32_t left = TREE_PAGE_BYTES - head - at;
        uint32_t key = get_u16(page + at);
        if (key > left || key > TREE_KEY_BYTES_MAX)
            return "a key that does not fit";
        left -= key;
        if (leaf) {
            uint32_t value = get_u32(page + at + 2);
            const uint8_t *ref = page + at + head + key;
            if (!(value & PAGE_VALUE_OVERFLOW)) {
                if (value > left)
                    return "a value that does not fit";
            } else if (left < OVERFLOW_REF_BYTES ||
                       (value & ~PAGE_VALUE_OVERFLOW) > VALUE_BYTES_MAX ||
                       get_u64(ref) == 0) {
                return "a damaged reference to a long value";
            }
        } else if (get_u64(page + at + 2) == 0) {
            return "a child that is no page";
        }
    }
    return "";
}

const char *page_validate(const uint8_t *page)
{
    uint8_t level = page_level(page);
    uint32_t count = page_count(page);
    switch ((enum page_kind)page_kind(page)) {
    case PAGE_HEADER:
    case PAGE_FOOTER:
        return "";
    case PAGE_LEAF:
        return level != 0 ? "a leaf above the lowest level" : validate_cells(page, true);
    case PAGE_INNER:
        return level == 0 ? "an inner page on the lowest level"
                          : validate_cells(page, false);
    case PAGE_INNER_BUFFERED:
        return "a page with message buffers";
    case PAGE_OVERFLOW:
        return level != 0 || count > PAGE_ROOM ? "a damaged overflow page" : "";
    case PAGE_OVERFLOW_INNER:
        if (level == 0 || count == 0 || count > PAGE_ROOM / 12)
            return "a damaged overflow page";
        for (uint32_t i = 0; i < count; i++)
            if (get_u64(page + PAGE_HEADER_BYTES + 12u * i) == 0)
                return "a damaged overflow page";
        return "";
    }
    return "a page of unknown kind";
}

/* ---- The cache ----
 *
 * Frames lie in shards by a hash of what they hold; a shard's latch covers its table, its clock and its frames' states, for some hundred
 * instructions. A frame is named by file, page number and checksum, so that a page that was given away and written anew is another frame, and
 * the old one goes when its turn comes. Pins are taken under the latch and given back without: who finds no pin under the latch owns the frame. */

enum frame_state { FRAME_LOADING, FRAME_READY, FRAME_FAILED };

struct page_frame {
    /* This to `state`: under the shard's latch; constant while pinned, but for `state`. */
    struct page_file *file;
    struct page_ref ref;
    struct page_frame *next; /* In its bucket. */
    enum frame_state state;
    bool used; /* Since the clock's hand came by. */
    /* Up under the latch; down anywhere, with release; read under the latch with
     * acquire. */
    _Atomic uint32_t pins;
    uint8_t *bytes; /* Written by who loads; then constant while pinned. */
};

struct shard {
    struct latch latch;
    struct cond loaded;
    struct page_frame **buckets;
    struct page_frame **frames;
    uint32_t bucket_count, frame_count, frames_cap, frames_max, hand;
    uint64_t hits, misses, evictions;
};

#define SHARDS_MAX 16u

struct page_cache {
    uint32_t shard_count; /* A power of two. */
    struct shard shards[SHARDS_MAX];
};

struct page_file {
    struct os_file *file;
    struct page_cache *cache;
};

kdk_status page_cache_new(uint32_t pages, struct page_cache **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_cache *cache = MEM_NEW(struct page_cache);

    TRY_MEM(cache);
    if (pages == 0)
        pages = TREE_CACHE_PAGES;
    cache->shard_count = 1;
    while (cache->shard_count < SHARDS_MAX && pages / cache->shard_count >= 128)
        cache->shard_count *= 2;
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        latch_init(&shard->latch, OS_RANK_CACHE);
        shard->frames_max = MAX(pages / cache->shard_count, 1u);
        shard->bucket_count = 16;
        while (shard->bucket_count < shard->frames_max)
            shard->bucket_count *= 2;
        TRY_MEM(shard->buckets = MEM_ARRAY(struct page_frame *, shard->bucket_count));
    }
    *out = cache;
    cache = NULL;
out:
    page_cache_free(cache);
    return status;
}

static void frame_free(struct page_frame *frame)
{
    if (!frame)
        return;
    ASSERT(atomic_load_explicit(&frame->pins, memory_order_acquire) == 0);
    mem_free(frame->bytes);
    mem_free(frame);
}

void page_cache_free(struct page_cache *cache)
{
    if (!cache)
        return;
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        for (uint32_t k = 0; k < shard->frame_count; k++)
            frame_free(shard->frames[k]);
        mem_free(shard->frames);
        mem_free(shard->buckets);
    }
    mem_free(cache);
}

void page_cache_stats(struct page_cache *cache, struct page_cache_stats *out)
{
    *out = (struct page_cache_stats){0};
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        latch_acquire(&shard->latch);
        out->hits += shard->hits;
        out->misses += shard->misses;
        out->evictions += shard->evictions;
        out->frames += shard->frame_count;
        latch_release(&shard->latch);
    }
}

/* The simulator's history must not depend on addresses, so the file does not enter the
 * hash. */
static uint64_t ref_hash(struct page_ref ref)
{
    return hash_u64(ref.page ^ (uint64_t)ref.crc << 32);
}

static struct shard *shard_of(struct page_cache *cache, struct page_ref ref)
{
    return &cache->shards[ref_hash(ref) & (cache->shard_count - 1)];
}

static struct page_frame **bucket_of(struct shard *shard, struct page_ref ref)
{
    return &shard->buckets[ref_hash(ref) >> 32 & (shard->bucket_count - 1)];
}

static struct page_frame *find(struct shard *shard, const struct page_file *file,
                               struct page_ref ref)
{
    struct page_frame *frame = *bucket_of(shard, ref);
    while (frame && (frame->file != file || frame->ref.page != ref.page ||
                     frame->ref.crc != ref.crc || frame->state == FRAME_FAILED))
        frame = frame->next;
    return frame;
}

static void unhash(struct shard *shard, struct page_frame *frame)
{
    struct page_frame **at = bucket_of(shard, frame->ref);
    while (*at && *at != frame)
        at = &(*at)->next;
    if (*at)
        *at = frame->next;
    frame->next = NULL;
}

static bool frame_idle(const struct page_frame *frame)
{
    return frame->state != FRAME_LOADING &&
           atomic_load_explicit(&frame->pins, memory_order_acquire) == 0;
}

/* Takes frame k out of the shard. */
static struct page_frame *take_out(struct shard *shard, uint32_t k)
{
    struct page_frame *frame = shard->frames[k];
    unhash(shard, frame);
    shard->frames[k] = shard->frames[--shard->frame_count];
    return frame;
}

/* The clock: an idle frame that was not used since the last round, taken out of the shard;
 * NULL if all are pinned. */
static struct page_frame *evict(struct shard *shard)
{
    for (uint32_t round = 0, n = 2 * shard->frame_count; round < n; round++) {
        if (shard->hand >= shard->frame_count)
            shard->hand = 0;
        struct page_frame *frame = shard->frames[shard->hand];
        if (frame_idle(frame)) {
            if (!frame->used || frame->state == FRAME_FAILED) {
                shard->evictions++;
                return take_out(shard, shard->hand);
            }
            frame->used = false;
        }
        shard->hand++;
    }
    return NULL;
}

/* A frame for `ref`, pinned once, LOADING, in the shard. NULL: no memory. */
static struct page_frame *frame_take(struct shard *shard, struct page_file *file,
                                     struct page_ref ref)
{
    struct page_frame *frame = NULL;
    while (shard->frame_count >= shard->frames_max) {
        struct page_frame *old = evict(shard);
        if (!old)
            break;
        frame_free(frame); /* Was more than we should have. */
        frame = old;
    }
    if (!frame) {
        frame = MEM_NEW(struct page_frame);
        if (!frame)
            return NULL;
        frame->bytes = mem_alloc_aligned(TREE_PAGE_BYTES, TREE_PAGE_BYTES);
        if (!frame->bytes) {
            mem_free(frame);
            return NULL;
        }
    }
    if (shard->frame_count == shard->frames_cap) {
        uint32_t cap = MAX(2 * shard->frames_cap, 16u);
        struct page_frame **frames = mem_realloc(shard->frames, cap * sizeof *frames);
        if (!frames) {
            frame_free(frame);
            return NULL;
        }
        shard->frames = frames;
        shard->frames_cap = cap;
    }
    frame->file = file;
    frame->ref = ref;
    frame->state = FRAME_LOADING;
    frame->used = false;
    atomic_store_explicit(&frame->pins, 1, memory_order_relaxed);
    shard->frames[shard->frame_count++] = frame;
    struct page_frame **bucket = bucket_of(shard, ref);
    frame->next = *bucket;
    *bucket = frame;
    return frame;
}

/* ---- Files ---- */

kdk_status page_file_open(struct os *os, const char *path, unsigned flags,
                          struct page_cache *cache, struct page_file **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_file *file = MEM_NEW(struct page_file);

    TRY_MEM(file);
    file->cache = cache;
    TRY(os_open(os, path, flags, &file->file, err));
    *out = file;
    file = NULL;
out:
    mem_free(file);
    return status;
}

void page_file_close(struct page_file *file)
{
    if (!file)
        return;
    for (uint32_t i = 0; i < file->cache->shard_count; i++) {
        struct shard *shard = &file->cache->shards[i];
        latch_acquire(&shard->latch);
        for (uint32_t k = 0; k < shard->frame_count;)
            if (shard->frames[k]->file == file)
                frame_free(take_out(shard, k));
            else
                k++;
        latch_release(&shard->latch);
    }
    os_close(file->file);
    mem_free(file);
}

struct os_file *page_file_os(struct page_file *file)
{
    return file->file;
}

kdk_status page_corrupt(struct page_file *file, uint64_t page, const char *what,
                        struct err *err)
{
    (void)err_set(err, KDK_CORRUPT, "\"%s\" is damaged at offset %llu",
                  os_file_path(file->file), (unsigned long long)(page * TREE_PAGE_BYTES));
    err_detail(err, "Page %llu: %s.", (unsigned long long)page, what);
    return KDK_CORRUPT;
}

/* P1. The reference is compared first: a stale page has a right checksum, but not the one
 * that is asked for. */
static kdk_status load(struct page_file *file, struct page_ref ref, uint8_t *into,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    const char *what;

    if (ref.page == 0 || ref.page > (uint64_t)INT64_MAX / TREE_PAGE_BYTES)
        return page_corrupt(file, 0, "a reference to no page", err);
    TRY(os_read_exact(file->file, ref.page * TREE_PAGE_BYTES, into, TREE_PAGE_BYTES, err));
    if (crc32c(0, into + 4, TREE_PAGE_BYTES - 4) != page_crc(into))
        return page_corrupt(file, ref.page, "its checksum is wrong", err);
    if (page_crc(into) != ref.crc)
        return page_corrupt(file, ref.page,
                            "it is not the version that its reference names", err);
    if (page_magic(into) != PAGE_MAGIC || page_page(into) != ref.page)
        return page_corrupt(file, ref.page, "it is no page of trees, or another one", err);
    if (page_kind(into) == PAGE_INNER_BUFFERED)
        return err_set(err, KDK_UNSUPPORTED, "\"%s\" has pages of a newer version",
                       os_file_path(file->file));
    what = page_validate(into);
    if (*what)
        return page_corrupt(file, ref.page, what, err);
out:
    return status;
}

kdk_status page_pin(struct page_file *file, struct page_ref ref, struct page_frame **out,
                    struct err *err)
{
    struct shard *shard = shard_of(file->cache, ref);

    latch_acquire(&shard->latch);
    for (;;) {
        struct page_frame *frame = find(shard, file, ref);
        if (!frame)
            break;
        if (frame->state == FRAME_READY) {
            atomic_fetch_add_explicit(&frame->pins, 1, memory_order_relaxed);
            frame->used = true;
            shard->hits++;
            latch_release(&shard->latch);
            *out = frame;
            return KDK_OK;
        }
        /* Somebody reads it; if that fails, we try ourselves. */
        cond_wait(&shard->loaded, &shard->latch);
    }
    shard->misses++;
    struct page_frame *frame = frame_take(shard, file, ref);
    latch_release(&shard->latch);
    if (!frame)
        return err_nomem(err);

    kdk_status status = load(file, ref, frame->bytes, err);
    latch_acquire(&shard->latch);
    frame->state = status == KDK_OK ? FRAME_READY : FRAME_FAILED;
    latch_release(&shard->latch);
    cond_broadcast(&shard->loaded);
    if (status != KDK_OK) {
        page_unpin(frame);
        return status;
    }
    *out = frame;
    return KDK_OK;
}

void page_unpin(struct page_frame *frame)
{
    if (frame) /* Afterwards the frame is no longer ours to look at. */
        atomic_fetch_sub_explicit(&frame->pins, 1, memory_order_release);
}

const uint8_t *page_bytes(const struct page_frame *frame)
{
    return frame->bytes;
}

kdk_status page_copy(struct page_file *file, struct page_ref ref, uint8_t *into,
                     struct err *err)
{
    struct shard *shard = shard_of(file->cache, ref);

    latch_acquire(&shard->latch);
    struct page_frame *frame = find(shard, file, ref);
    if (frame && frame->state == FRAME_READY)
        atomic_fetch_add_explicit(&frame->pins, 1, memory_order_relaxed);
    else
        frame = NULL;
    latch_release(&shard->latch);
    if (!frame)
        return load(file, ref, into, err);
    memcpy(into, frame->bytes, TREE_PAGE_BYTES);
    page_unpin(frame);
    return KDK_OK;
}

/* Body of page 0. */
#define HEADER_PAGE_BYTES_AT PAGE_HEADER_BYTES /* u32 */

kdk_status page_file_write_header(struct page_file *file, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *image = mem_alloc(TREE_PAGE_BYTES);

    TRY_MEM(image);
    page_image_init(image, PAGE_HEADER, 0);
    put_u32(image + HEADER_PAGE_BYTES_AT, TREE_PAGE_BYTES);
    (void)page_image_seal(image, 0, 0);
    TRY(os_write(file->file, 0, image, TREE_PAGE_BYTES, err));
out:
    mem_free(image);
    return status;
}

kdk_status page_file_check_header(struct page_file *file, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *image = mem_alloc(TREE_PAGE_BYTES);

    TRY_MEM(image);
    TRY(os_read_exact(file->file, 0, image, HEADER_PAGE_BYTES_AT + 4, err));
    if (page_magic(image) != PAGE_MAGIC || page_kind(image) != PAGE_HEADER)
        TRY(page_corrupt(file, 0, "it is not the header of a page file", err));
    if (get_u32(image + HEADER_PAGE_BYTES_AT) != TREE_PAGE_BYTES)
        TRY(err_set(err, KDK_UNSUPPORTED, "\"%s\" has pages of %u bytes, not %u",
                    os_file_path(file->file), get_u32(image + HEADER_PAGE_BYTES_AT),
                    (unsigned)TREE_PAGE_BYTES));
    TRY(os_read_exact(file->file, 0, image, TREE_PAGE_BYTES, err));
    if (crc32c(0, image + 4, TREE_PAGE_BYTES - 4) != page_crc(image))
        TRY(page_corrupt(file, 0, "its checksum is wrong", err));
out:
    mem_free(image);
    return status;
}
