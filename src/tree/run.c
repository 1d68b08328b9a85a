#include "tree/run.h"

#include "base/mem.h"

#define SPARE_MAX 64u
/* Body of the footer. */
#define FOOTER_ROOT_AT   PAGE_HEADER_BYTES
#define FOOTER_UNUSED_AT (PAGE_HEADER_BYTES + BTREE_ROOT_BYTES) /* u64 */

struct run {
    struct page_file *file;
    struct btree_root root;
    uint64_t pages;
    uint64_t unused;
};

struct run_sink {
    struct page_sink sink; /* First. */
    uint64_t generation;
    uint64_t pages; /* Written so far. */
    uint64_t lost;  /* Pages that nothing names and nothing will use. */
    /* Pages that were taken back: a tree's end takes back one a level. */
    uint64_t spare[SPARE_MAX];
    uint32_t spare_count;
};

void run_ref_encode(const struct run_ref *ref, uint8_t into[RUN_REF_BYTES])
{
    put_u64(into, ref->pages);
    put_u64(into + 8, ref->count);
    put_u32(into + 16, ref->crc);
}

void run_ref_decode(struct run_ref *ref, const uint8_t from[RUN_REF_BYTES])
{
    *ref = (struct run_ref){get_u64(from), get_u64(from + 8), get_u32(from + 16)};
}

static kdk_status run_sink_write(struct page_sink *sink, uint8_t *image,
                                 struct page_ref *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct run_sink *run = (struct run_sink *)sink;
    uint64_t page = run->spare_count > 0 ? run->spare[--run->spare_count] : run->pages++;
    struct page_ref ref = page_image_seal(image, page, run->generation);

    TRY(os_write(page_file_os(sink->file), page * TREE_PAGE_BYTES, image, TREE_PAGE_BYTES,
                 err));
    *out = ref;
out:
    return status;
}

static kdk_status run_sink_discard(struct page_sink *sink, uint64_t page, struct err *err)
{
    struct run_sink *run = (struct run_sink *)sink;
    (void)err;
    if (run->spare_count < SPARE_MAX)
        run->spare[run->spare_count++] = page;
    else
        run->lost++;
    return KDK_OK;
}

kdk_status run_write(struct os *os, const char *path, uint64_t generation,
                     const struct btree_feed *feed, struct run_ref *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct run_sink sink = {.sink = {NULL, run_sink_write, run_sink_discard},
                            .generation = generation,
                            .pages = 1};
    struct page_cache *cache = NULL;
    struct page_file *file = NULL;
    struct btree_root root = {0};
    struct page_ref footer = {0};
    uint8_t *image = NULL;
    bool made = false;

    TRY_MEM(image = mem_alloc(TREE_PAGE_BYTES));
    TRY(page_cache_new(1, &cache, err));
    TRY(page_file_open(os, path, OS_READ | OS_WRITE | OS_CREATE | OS_EXCLUSIVE, cache,
                       &file, err));
    made = true;
    sink.sink.file = file;
    TRY(page_file_write_header(file, err));
    TRY(btree_build(&sink.sink, feed, &root, err));

    page_image_init(image, PAGE_FOOTER, 0);
    btree_root_encode(&root, image + FOOTER_ROOT_AT);
    put_u64(image + FOOTER_UNUSED_AT, sink.lost + sink.spare_count);
    footer = page_image_seal(image, sink.pages++, generation);
    TRY(os_write(page_file_os(file), footer.page * TREE_PAGE_BYTES, image, TREE_PAGE_BYTES,
                 err));
    TRY(os_sync(page_file_os(file), err));
    *out = (struct run_ref){sink.pages, root.count, footer.crc};
out:
    page_file_close(file);
    page_cache_free(cache);
    mem_free(image);
    if (status != KDK_OK && made) {
        /* A file that is left behind is removed at the next open, as nothing names it. */
        struct err ignored = {0};
        (void)!os_remove(os, path, &ignored);
    }
    if (status != KDK_OK)
        err_while(err, "writing the run \"%s\"", path);
    return status;
}

kdk_status run_open(struct os *os, const char *path, const struct run_ref *ref,
                    struct page_cache *cache, struct run **out, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t bytes = 0;
    struct page_ref footer;
    uint8_t *image = NULL;
    struct run *run = MEM_NEW(struct run);

    TRY_MEM(run);
    TRY_MEM(image = mem_alloc(TREE_PAGE_BYTES));
    TRY(page_file_open(os, path, OS_READ, cache, &run->file, err));
    TRY(page_file_check_header(run->file, err));
    TRY(os_size(page_file_os(run->file), &bytes, err));
    run->pages = bytes / TREE_PAGE_BYTES;
    if (bytes % TREE_PAGE_BYTES != 0 || run->pages < 2 || (ref && run->pages != ref->pages))
        TRY(page_corrupt(run->file, run->pages, "the file has another length", err));
    footer.page = run->pages - 1;
    if (ref) {
        footer.crc = ref->crc;
    } else {
        TRY(os_read_exact(page_file_os(run->file), footer.page * TREE_PAGE_BYTES, image,
                          PAGE_HEADER_BYTES, err));
        footer.crc = page_crc(image);
    }
    TRY(page_copy(run->file, footer, image, err));
    if (page_kind(image) != PAGE_FOOTER)
        TRY(page_corrupt(run->file, footer.page, "it is not the footer of a run", err));
    btree_root_decode(&run->root, image + FOOTER_ROOT_AT);
    run->unused = get_u64(image + FOOTER_UNUSED_AT);
    if (ref && run->root.count != ref->count)
        TRY(page_corrupt(run->file, footer.page, "a run of another number of entries",
                         err));
    *out = run;
    run = NULL;
out:
    mem_free(image);
    run_close(run);
    if (status != KDK_OK)
        err_while(err, "opening the run \"%s\"", path);
    return status;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    page_file_close(run->file);
    mem_free(run);
}

struct page_file *run_file(struct run *run)
{
    return run->file;
}

const struct btree_root *run_root(const struct run *run)
{
    return &run->root;
}

kdk_status run_check(struct run *run, struct btree_stats *stats, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_set set = {0};
    struct btree_stats own = {0};

    TRY(btree_check(run->file, &run->root, &set, &own, err));
    if (own.leaves + own.inner_pages + own.overflow_pages + run->unused + 2 != run->pages)
        TRY(page_corrupt(run->file, run->pages - 1, "the run has pages that nothing names",
                         err));
    if (stats) {
        stats->entries += own.entries;
        stats->leaves += own.leaves;
        stats->inner_pages += own.inner_pages;
        stats->overflow_pages += own.overflow_pages;
        stats->bytes_used += own.bytes_used;
        stats->pages_underfull += own.pages_underfull;
    }
out:
    page_set_deinit(&set);
    return status;
}
