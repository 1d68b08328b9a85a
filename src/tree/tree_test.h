/* tree_test.h - what the tests of persistent trees share: keys, a model, and a store with a
 * toy manifest. */
#ifndef KDK_TREE_TREE_TEST_H
#define KDK_TREE_TREE_TEST_H

#include "base/hash.h"
#include "base/mem.h"
#include "os/sim.h"
#include "tree/btree.h"
#include "tree/run.h"

/* Distinct keys in order, of all lengths up to the limit: rank 0 to count - 1. */
struct keyspace {
    uint32_t count;
    uint8_t (*key)[TREE_KEY_BYTES_MAX];
    uint32_t *bytes;
    uint32_t value_bytes_max; /* Of the longest values. */
    /* Room for one; fixture_value() fills it. Not for several threads. */
    uint8_t *value;
};
/* `dense`: 8-byte keys 0, 1, ...; else mixed lengths. */
void keyspace_init(struct keyspace *space, uint32_t count, uint64_t seed, bool dense,
                   uint32_t value_bytes_max);
void keyspace_deinit(struct keyspace *space);
/* The value of a version (not 0: that is "no entry"), into `into`; returns its length. */
uint32_t fixture_value(const struct keyspace *space, uint32_t rank, uint32_t version,
                       uint8_t *into);
uint64_t fixture_random(uint64_t *state);

/* The model: a version for each rank. A batch: a change[rank], with CHANGE_NONE, 0 (erase),
 * or the new version. */
#define CHANGE_NONE UINT32_MAX
struct batch_feed {
    const struct keyspace *space;
    const uint32_t *change;
    uint32_t rank;
};
struct btree_feed fixture_feed(struct batch_feed *state);

/* Compares tree and model: counts, cursor both ways, gets, seeks. KDK_OK: equal;
 * KDK_INTERNAL: different. */
kdk_status fixture_compare(struct page_file *file, const struct btree_root *root,
                           const struct keyspace *space, const uint32_t *model,
                           struct err *err);

/* A page store and one tree, with a manifest of two slots in the directory `dir`. */
struct store {
    struct os *os;
    const char *dir;
    struct page_cache *cache;
    struct pagestore *pages;
    struct os_file *manifest;
    uint64_t generation; /* The newest complete one; 0: none. */
    uint64_t previous;   /* The one in the other slot. */
    struct btree_root root;
    bool stuck; /* A manifest write failed. */
    /* The oldest generation that is pinned; NULL: none but the manifest's. */
    uint64_t (*oldest)(void *context);
    void *oldest_context;
};
/* Opens the newest generation, or with `older` the one in the other slot
 * (KDK_UNDEFINED_OBJECT if there is none). */
kdk_status store_open(struct store *store, struct os *os, const char *dir,
                      uint32_t cache_pages, bool older, struct err *err);
void store_close(struct store *store);
/* One checkpoint. On failure the store is as before, or stuck. */
kdk_status store_pour(struct store *store, const struct btree_feed *feed, struct err *err);
/* btree_check(), page accounting, comparison. */
kdk_status store_check(struct store *store, const struct keyspace *space,
                       const uint32_t *model, struct err *err);

void fixture_show(kdk_status status, const struct err *err);
#define CHECK_OK(CALL)                                                                     \
    do {                                                                                   \
        kdk_status check_status = (CALL);                                                  \
        if (!CHECK_EQ(check_status, KDK_OK))                                               \
            fixture_show(check_status, &err);                                              \
    } while (0)
/* A simulated disk with a directory "/t". */
struct sim *fixture_sim(uint64_t seed);
/* A batch of one of some kinds (0 to 6). */
void fixture_batch(uint64_t *random, uint32_t *change, const uint32_t *model,
                   uint32_t count, uint32_t version, uint32_t kind);
void fixture_apply(uint32_t *model, const uint32_t *change, uint32_t count);

#endif
