/* run_test.c - runs, and the page cache: contents, references, failures, damage. */
#include "tree/tree_test.h"

#include <stdlib.h>

#include "check.h"

static kdk_status write_run(struct sim *sim, struct keyspace *space, const uint32_t *model,
                            struct run_ref *ref, struct err *err)
{
    struct batch_feed state = {.space = space, .change = model};
    struct btree_feed feed = fixture_feed(&state);
    return run_write(sim_os(sim), "/t/1.kdr", 3, &feed, ref, err);
}

TEST(run, holds_what_was_fed)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, KDK_PICK(5000, 700), 1, false, 3 * TREE_PAGE_BYTES);
    uint32_t *model = calloc(space.count, sizeof *model);
    for (uint32_t some = 0; some <= 4; some++) {
        struct sim *sim = fixture_sim(some);
        struct page_cache *cache = NULL;
        struct run *run = NULL;
        struct run_ref ref = {0}, again;
        struct btree_stats stats = {0};
        uint8_t bytes[RUN_REF_BYTES];
        for (uint32_t i = 0; i < space.count; i++)
            model[i] = some == 0 ? 0 : some == 1 ? i == 7 : i % some == 0;
        CHECK_OK(page_cache_new(4, &cache, &err));
        CHECK_OK(write_run(sim, &space, model, &ref, &err));
        /* And leaves the first alone. */
        CHECK_EQ(write_run(sim, &space, model, &ref, &err), KDK_DUPLICATE_FILE);
        run_ref_encode(&ref, bytes);
        run_ref_decode(&again, bytes);
        CHECK_OK(run_open(sim_os(sim), "/t/1.kdr", &again, cache, &run, &err));
        CHECK_OK(run_check(run, &stats, &err));
        CHECK_EQ(stats.entries, ref.count);
        CHECK_EQ(stats.pages_underfull, 0);
        CHECK_OK(fixture_compare(run_file(run), run_root(run), &space, model, &err));
        run_close(run);
        again.crc++;
        CHECK_EQ(run_open(sim_os(sim), "/t/1.kdr", &again, cache, &run, &err), KDK_CORRUPT);
        again.crc--;
        again.count++;
        CHECK_EQ(run_open(sim_os(sim), "/t/1.kdr", &again, cache, &run, &err), KDK_CORRUPT);
        CHECK_OK(run_open(sim_os(sim), "/t/1.kdr", NULL, cache, &run, &err));
        CHECK_OK(fixture_compare(run_file(run), run_root(run), &space, model, &err));
        run_close(run);
        page_cache_free(cache);
        sim_free(sim);
    }
    free(model);
    keyspace_deinit(&space);
}

TEST(run, failures_leave_no_file)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, 100, 1, false, 3 * TREE_PAGE_BYTES);
    uint32_t *model = calloc(space.count, sizeof *model);
    for (uint32_t i = 0; i < space.count; i++)
        model[i] = 1;
    for (uint64_t n = 1;; n++) {
        struct sim *sim = fixture_sim(n);
        struct run_ref ref;
        enum os_kind kind;
        uint64_t before = sim_calls_all(sim);
        sim_fail_at(sim, before + n, false, n % 2 ? KDK_IO : KDK_FULL);
        kdk_status status = write_run(sim, &space, model, &ref, &err);
        CHECK(status == KDK_OK || status == (n % 2 ? KDK_IO : KDK_FULL));
        bool over = sim_calls_all(sim) < before + n;
        sim_fail_at(sim, 0, false, KDK_IO);
        CHECK_OK(os_kind(sim_os(sim), "/t/1.kdr", &kind, &err));
        CHECK_EQ(kind, status == KDK_OK ? OS_FILE : OS_MISSING);
        sim_free(sim);
        if (over) {
            CHECK_EQ(status, KDK_OK);
            break;
        }
    }
    for (uint64_t n = 0;; n++) {
        struct sim *sim = fixture_sim(n);
        struct run_ref ref;
        enum os_kind kind;
        mem_fail_after(n, false);
        kdk_status status = write_run(sim, &space, model, &ref, &err);
        bool failed = mem_fail_never() > 0;
        CHECK_EQ(status, failed ? KDK_NOMEM : KDK_OK);
        CHECK_OK(os_kind(sim_os(sim), "/t/1.kdr", &kind, &err));
        CHECK_EQ(kind, status == KDK_OK ? OS_FILE : OS_MISSING);
        sim_free(sim);
        if (!failed)
            break;
    }
    free(model);
    keyspace_deinit(&space);
}

TEST(run, every_flipped_byte_is_found_or_harmless)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, KDK_PICK(300, 60), 1, false, 3 * TREE_PAGE_BYTES);
    uint32_t *model = calloc(space.count, sizeof *model);
    for (uint32_t i = 0; i < space.count; i++)
        model[i] = 1;
    struct sim *sim = fixture_sim(1);
    struct run_ref ref = {0};
    CHECK_OK(write_run(sim, &space, model, &ref, &err));
    for (uint64_t at = 0; at < ref.pages * TREE_PAGE_BYTES; at += KDK_PICK(997, 1)) {
        struct page_cache *cache = NULL;
        struct run *run = NULL;
        CHECK_OK(sim_flip(sim, "/t/1.kdr", at, (uint8_t)(1u << at % 8), &err));
        CHECK_OK(page_cache_new(4, &cache, &err));
        kdk_status status = run_open(sim_os(sim), "/t/1.kdr", &ref, cache, &run, &err);
        if (status == KDK_OK)
            status = fixture_compare(run_file(run), run_root(run), &space, model, &err);
        CHECK(status == KDK_OK || status == KDK_CORRUPT ||
              (status == KDK_UNSUPPORTED && at < TREE_PAGE_BYTES));
        run_close(run);
        run = NULL;
        page_cache_free(cache);
        CHECK_OK(sim_flip(sim, "/t/1.kdr", at, (uint8_t)(1u << at % 8), &err));
    }
    sim_free(sim);
    free(model);
    keyspace_deinit(&space);
}

/* Structures that no checksum protects from: pages made by hand, sealed as they are. */
TEST(page, damaged_structures_are_refused)
{
    uint64_t random = 5;
    uint8_t *image = malloc(TREE_PAGE_BYTES), *good = malloc(TREE_PAGE_BYTES);
    uint32_t refused = 0;
    page_image_init(good, PAGE_LEAF, 0);
    CHECK(*page_validate(good) != 0); /* Of no entries. */
    page_put_count(good, 3);
    page_put_heap(good, TREE_PAGE_BYTES - 48);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t at = TREE_PAGE_BYTES - 16 * (i + 1);
        put_u32(good + PAGE_HEADER_BYTES + 4 * i, at);
        put_u16(good + at, 4);
        put_u32(good + at + 2, 6);
    }
    CHECK_STR(page_validate(good), "");
    for (uint32_t n = 0; n < 20000; n++) {
        memcpy(image, good, TREE_PAGE_BYTES);
        uint32_t changes = 1 + (uint32_t)(fixture_random(&random) % 3);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t at =
                fixture_random(&random) % 2
                    ? (uint32_t)(fixture_random(&random) % 60)
                    : TREE_PAGE_BYTES - 1 - (uint32_t)(fixture_random(&random) % 48);
            image[at] = (uint8_t)fixture_random(&random);
        }
        if (*page_validate(image) != 0) {
            refused++;
            continue;
        }
        if (page_kind(image) != PAGE_LEAF && page_kind(image) != PAGE_INNER)
            continue;
        for (uint32_t i = 0; i < page_count(image); i++) {
            /* What passes may be read: the address sanitizer looks. */
            const uint8_t *key;
            uint32_t bytes;
            if (page_kind(image) == PAGE_LEAF) {
                struct leaf_cell cell = leaf_cell_at(image, i);
                key = cell.key;
                bytes =
                    cell.key_bytes + (cell.value ? cell.value_bytes : OVERFLOW_REF_BYTES);
            } else {
                struct inner_cell cell = inner_cell_at(image, i);
                key = cell.key;
                bytes = cell.key_bytes;
            }
            CHECK(key >= image && key + bytes <= image + TREE_PAGE_BYTES);
        }
    }
    CHECK(refused > 1000);
    free(image);
    free(good);
}

TEST(page, cache_stays_small_and_keeps_what_is_pinned)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, KDK_PICK(20000, 1000), 1, true, 100);
    uint32_t *model = calloc(space.count, sizeof *model);
    for (uint32_t i = 0; i < space.count; i++)
        model[i] = 1;
    struct sim *sim = fixture_sim(1);
    struct run_ref ref = {0};
    struct run *run = NULL;
    struct page_cache *cache = NULL;
    struct page_cache_stats stats;
    CHECK_OK(write_run(sim, &space, model, &ref, &err));
    CHECK_OK(page_cache_new(4, &cache, &err));
    CHECK_OK(run_open(sim_os(sim), "/t/1.kdr", &ref, cache, &run, &err));
    struct btree_cursor cursors[10];
    for (uint32_t c = 0; c < 10; c++) { /* Each pins a path. */
        btree_cursor_init(&cursors[c], run_file(run), run_root(run));
        uint32_t rank = c * (space.count / 10);
        CHECK_OK(btree_cursor_seek(&cursors[c], space.key[rank], space.bytes[rank], &err));
    }
    page_cache_stats(cache, &stats);
    CHECK(stats.frames >= 10);
    CHECK_OK(fixture_compare(run_file(run), run_root(run), &space, model, &err));
    for (uint32_t c = 0; c < 10; c++) {
        uint32_t rank = c * (space.count / 10);
        CHECK_MEM(cursors[c].key, space.key[rank], space.bytes[rank]);
        btree_cursor_deinit(&cursors[c]);
    }
    CHECK_OK(fixture_compare(run_file(run), run_root(run), &space, model, &err));
    page_cache_stats(cache, &stats);
    CHECK_EQ(stats.frames, 4);
    CHECK(stats.evictions > 0);
    CHECK(stats.hits > 0);
    run_close(run);
    page_cache_stats(cache, &stats);
    CHECK_EQ(stats.frames, 0);
    page_cache_free(cache);
    sim_free(sim);
    free(model);
    keyspace_deinit(&space);
}
