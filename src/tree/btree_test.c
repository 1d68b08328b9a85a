/* btree_test.c - trees against a model: random batches, loads in both orders, deletes of
 * everything, limits. */
#include "tree/tree_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static void run_model(uint64_t seed, uint32_t keys, bool dense, uint32_t value_bytes_max,
                      uint32_t rounds)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, keys, seed, dense, value_bytes_max);
    uint32_t *model = calloc(space.count, sizeof *model),
             *change = calloc(space.count, sizeof *change);
    struct sim *sim = fixture_sim(seed);
    struct store store;
    uint64_t random = seed;
    CHECK_OK(store_open(&store, sim_os(sim), "/t", KDK_PICK(64, 4), false, &err));
    for (uint32_t round = 1; round <= rounds; round++) {
        uint64_t r = fixture_random(&random) % 64;
        fixture_batch(&random, change, model, space.count, round,
                      r < 20   ? 0
                      : r < 35 ? 1
                      : r < 45 ? 2
                      : r < 60 ? 3
                      : r < 62 ? 4
                      : r < 63 ? 5
                               : 6);
        struct batch_feed state = {.space = &space, .change = change};
        struct btree_feed feed = fixture_feed(&state);
        CHECK_OK(store_pour(&store, &feed, &err));
        fixture_apply(model, change, space.count);
        kdk_status status = store_check(&store, &space, model, &err);
        if (!CHECK_EQ(status, KDK_OK)) {
            fprintf(stderr, "seed %llu round %u\n", (unsigned long long)seed, round);
            fixture_show(status, &err);
            break;
        }
        if (round % 16 == 0) {
            store_close(&store);
            CHECK_OK(store_open(&store, sim_os(sim), "/t", KDK_PICK(64, 4), false, &err));
            CHECK_OK(store_check(&store, &space, model, &err));
        }
    }
    store_close(&store);
    sim_free(sim);
    free(model);
    free(change);
    keyspace_deinit(&space);
}

TEST(btree, invariant_29_random_batches_equal_a_model)
{
    for (uint64_t seed = 1; seed <= KDK_PICK(6, 40); seed++)
        run_model(seed, KDK_PICK(3000, 400), seed % 3 == 0,
                  seed % 2 ? 100 : 4 * TREE_PAGE_BYTES, 60);
}

TEST(btree, small_trees_equal_a_model)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_model(seed, 3 + (uint32_t)seed, seed % 3 == 0, TREE_PAGE_BYTES, 30);
}

/* One by one, in batches of a few, and all at once; up and down. */
TEST(btree, loads_in_either_order)
{
    static const uint32_t batches[] = {1, 7, 100, 5000};
    struct err err = {0};
    for (uint32_t b = 0; b < COUNT_OF(batches); b++)
        for (int down = 0; down < 2; down++) {
            uint32_t count = batches[b] == 1 ? 300 : 5000;
            struct keyspace space;
            keyspace_init(&space, count, 1, true, 30);
            uint32_t *model = calloc(count, sizeof *model),
                     *change = calloc(count, sizeof *change);
            struct sim *sim = fixture_sim(b);
            struct store store;
            CHECK_OK(store_open(&store, sim_os(sim), "/t", 0, false, &err));
            for (uint32_t done = 0; done < count; done += batches[b]) {
                for (uint32_t i = 0; i < count; i++)
                    change[i] = CHANGE_NONE;
                for (uint32_t i = done; i < MIN(done + batches[b], count); i++)
                    change[down ? count - 1 - i : i] = 1;
                struct batch_feed state = {.space = &space, .change = change};
                struct btree_feed feed = fixture_feed(&state);
                CHECK_OK(store_pour(&store, &feed, &err));
                fixture_apply(model, change, count);
            }
            CHECK_OK(store_check(&store, &space, model, &err));
            struct btree_stats stats = {0};
            CHECK_OK(
                btree_check(pagestore_file(store.pages), &store.root, NULL, &stats, &err));
            CHECK_EQ(stats.entries, count);
            uint64_t fill =
                stats.bytes_used * 100 / ((stats.leaves + stats.inner_pages) * PAGE_ROOM);
            CHECK(fill >= (batches[b] == 5000 ? 80 : 45));
            store_close(&store);
            sim_free(sim);
            free(model);
            free(change);
            keyspace_deinit(&space);
        }
}

TEST(btree, untouched_subtrees_are_not_rewritten)
{
    struct err err = {0};
    struct keyspace space;
    uint32_t count = KDK_PICK(50000, 3000);
    keyspace_init(&space, count, 1, true, 30);
    uint32_t *change = calloc(count, sizeof *change);
    struct sim *sim = fixture_sim(1);
    struct store store;
    CHECK_OK(store_open(&store, sim_os(sim), "/t", 0, false, &err));
    for (uint32_t i = 0; i < count; i++)
        change[i] = 1;
    struct batch_feed state = {.space = &space, .change = change};
    struct btree_feed feed = fixture_feed(&state);
    CHECK_OK(store_pour(&store, &feed, &err));
    for (uint32_t i = 0; i < count; i++)
        change[i] = CHANGE_NONE;
    change[count / 2] = 2;
    struct pagestore_stats before, after;
    pagestore_stats(store.pages, &before);
    feed = fixture_feed(&state);
    CHECK_OK(store_pour(&store, &feed, &err));
    pagestore_stats(store.pages, &after);
    /* The path, and perhaps a split. */
    CHECK(after.written - before.written <= store.root.height + 2);
    /* What is erased and not there changes nothing, but costs a path at the most. */
    change[count / 2] = 0;
    feed = fixture_feed(&state);
    CHECK_OK(store_pour(&store, &feed, &err));
    CHECK_EQ(store.root.count, count - 1);
    struct btree_root root = store.root;
    change[count / 2] = CHANGE_NONE;
    feed = fixture_feed(&state);
    CHECK_OK(store_pour(&store, &feed, &err));
    CHECK_EQ(store.root.top.page, root.top.page); /* No change at all. */
    store_close(&store);
    sim_free(sim);
    free(change);
    keyspace_deinit(&space);
}

TEST(btree, everything_deleted_gives_the_file_back)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, 1000, 5, false, 3 * TREE_PAGE_BYTES);
    uint32_t *model = calloc(space.count, sizeof *model),
             *change = calloc(space.count, sizeof *change);
    struct sim *sim = fixture_sim(1);
    struct store store;
    struct pagestore_stats stats;
    CHECK_OK(store_open(&store, sim_os(sim), "/t", 0, false, &err));
    struct batch_feed state = {.space = &space, .change = change};
    struct btree_feed feed;
    for (uint32_t version = 1; version <= 2; version++) {
        for (uint32_t i = 0; i < space.count; i++)
            change[i] = version == 1;
        feed = fixture_feed(&state);
        CHECK_OK(store_pour(&store, &feed, &err));
    }
    CHECK_EQ(store.root.height, 0);
    CHECK_EQ(store.root.count, 0);
    pagestore_stats(store.pages, &stats);
    CHECK(stats.waiting > 0); /* The older generation is still there. */
    CHECK_EQ(stats.waiting, stats.taken);
    for (uint32_t i = 0; i < space.count; i++)
        change[i] = CHANGE_NONE;
    for (uint32_t round = 0; round < 2; round++) {
        feed = fixture_feed(&state);
        CHECK_OK(store_pour(&store, &feed, &err));
    }
    pagestore_stats(store.pages, &stats);
    CHECK_EQ(stats.taken, 0);
    CHECK_EQ(stats.pages, 1);
    struct os_file *file = page_file_os(pagestore_file(store.pages));
    uint64_t size = 0;
    CHECK_OK(os_size(file, &size, &err));
    CHECK_EQ(size, TREE_PAGE_BYTES);
    CHECK_OK(store_check(&store, &space, model, &err));
    store_close(&store);
    sim_free(sim);
    free(model);
    free(change);
    keyspace_deinit(&space);
}

TEST(btree, dropping_discards_every_page)
{
    struct err err = {0};
    struct keyspace space;
    keyspace_init(&space, 500, 5, false, 3 * TREE_PAGE_BYTES);
    uint32_t *change = calloc(space.count, sizeof *change);
    struct sim *sim = fixture_sim(1);
    struct store store;
    struct pagestore_stats stats;
    struct pour *pour = NULL;
    CHECK_OK(store_open(&store, sim_os(sim), "/t", 0, false, &err));
    for (uint32_t i = 0; i < space.count; i++)
        change[i] = 1;
    struct batch_feed state = {.space = &space, .change = change};
    struct btree_feed feed = fixture_feed(&state);
    CHECK_OK(store_pour(&store, &feed, &err));
    CHECK_OK(pour_begin(store.pages, 2, &pour, &err));
    CHECK_EQ(pour_begin(store.pages, 2, &pour, &err), KDK_BUSY);
    CHECK_OK(btree_drop(pour_sink(pour), &store.root, &err));
    /* Built and dropped by the same pour: gone at once. */
    struct btree_root root = {0};
    feed = fixture_feed(&state);
    CHECK_OK(btree_build(pour_sink(pour), &feed, &root, &err));
    CHECK_OK(btree_drop(pour_sink(pour), &root, &err));
    struct pagestore_map map;
    CHECK_OK(pour_finish(pour, &map, &err));
    pour_commit(pour);
    pagestore_stats(store.pages, &stats);
    CHECK_EQ(stats.waiting, stats.taken);
    pagestore_release(store.pages, 1);
    pagestore_stats(store.pages, &stats);
    CHECK(stats.taken > 0);
    pagestore_release(store.pages, 2);
    pagestore_stats(store.pages, &stats);
    CHECK_EQ(stats.taken, 0);
    store_close(&store);
    sim_free(sim);
    free(change);
    keyspace_deinit(&space);
}

struct one_feed {
    struct btree_change change[2];
    uint32_t at, count;
};
static kdk_status one_next(void *context, struct btree_change *out, bool *more,
                           struct err *err)
{
    struct one_feed *one = context;
    (void)err;
    *more = one->at < one->count;
    if (*more)
        *out = one->change[one->at++];
    return KDK_OK;
}

TEST(btree, limits_are_statuses)
{
    struct err err = {0};
    struct sim *sim = fixture_sim(1);
    struct store store;
    uint8_t *key = calloc(1, TREE_KEY_BYTES_MAX + 1);
    uint32_t bytes = 200u << 10;
    uint8_t *value = calloc(1, bytes);
    CHECK_OK(store_open(&store, sim_os(sim), "/t", 0, false, &err));
    struct one_feed one = {.change = {{key, TREE_KEY_BYTES_MAX + 1, false, NULL, 0}},
                           .count = 1};
    struct btree_feed feed = {one_next, &one};
    CHECK_EQ(store_pour(&store, &feed, &err), KDK_LIMIT);
    CHECK_STR(status_sqlstate(KDK_LIMIT), "54000");
    one = (struct one_feed){.change = {{key, 4, false, value, VALUE_BYTES_MAX + 1u}},
                            .count = 1};
    CHECK_EQ(store_pour(&store, &feed, &err), KDK_LIMIT);
    one = (struct one_feed){.change = {{"b", 1, false, NULL, 0}, {"a", 1, false, NULL, 0}},
                            .count = 2};
    CHECK_EQ(store_pour(&store, &feed, &err), KDK_INTERNAL);
    one = (struct one_feed){.change = {{"b", 1, false, NULL, 0}, {"b", 1, false, NULL, 0}},
                            .count = 2};
    CHECK_EQ(store_pour(&store, &feed, &err), KDK_INTERNAL);
    struct pagestore_stats stats;
    pagestore_stats(store.pages, &stats);
    CHECK_EQ(stats.taken, 0); /* All aborted. */
    /* The longest key, a long value of several levels, twice. */
    for (uint32_t round = 0; round < 2; round++) {
        memset(value, (int)round + 1, bytes);
        one = (struct one_feed){.change = {{key, TREE_KEY_BYTES_MAX, false, value, bytes}},
                                .count = 1};
        CHECK_OK(store_pour(&store, &feed, &err));
    }
    struct buf got = {0};
    bool found = false;
    CHECK_OK(btree_get(pagestore_file(store.pages), &store.root, key, TREE_KEY_BYTES_MAX,
                       &got, &found, &err));
    CHECK(found);
    CHECK_EQ(got.len, bytes);
    CHECK_MEM(got.data, value, bytes);
    buf_deinit(&got);
    store_close(&store);
    sim_free(sim);
    free(key);
    free(value);
}
