/* rowmap.c - from a row id to its record: a radix tree of groups, sub-pages and slots.
 *
 * Everything is installed by compare-and-swap from empty, so readers just load pointers. A
 * higher root has the older one as its first child, which serves those who still hold it.
 * Records come SLAB_ROWS to an allocation, in order of their ids, so that a scan runs
 * through memory in order; a record that does not fit its slab (another layout) is
 * allocated alone. A slab is freed when all its places are dead: each place dies once, when
 * its record goes or when it turns out not to be used. A sub-page goes when all its ids
 * have died, since ids do not come again.
 */
#include "table/disk.h"

#include "base/mem.h"

struct map_node {
    uint32_t level; /* 0: children are groups. */
    _Atomic(void *) child[MAP_FANOUT];
};

static uint32_t node_index(uint64_t group, uint32_t level)
{
    return (uint32_t)(group >> (6 * level)) % MAP_FANOUT;
}

static bool node_covers(const struct map_node *node, uint64_t group)
{
    return node->level >= 10 || group >> (6 * (node->level + 1)) == 0;
}

struct group *rowmap_group(struct table *table, rowid id)
{
    const uint64_t number = id / GROUP_ROWS;
    struct map_node *node = atomic_load_explicit(&table->root, memory_order_acquire);
    if (!node || !node_covers(node, number))
        return NULL;
    for (uint32_t level = node->level;; level--) {
        void *child = atomic_load_explicit(&node->child[node_index(number, level)],
                                           memory_order_acquire);
        if (!child || level == 0)
            return child;
        node = child;
    }
}

/* Puts `fresh` where nothing is, or frees it; what is there then. */
static void *install(_Atomic(void *) *at, void *fresh)
{
    void *had = NULL;
    if (atomic_compare_exchange_strong_explicit(at, &had, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    mem_free(fresh);
    return had;
}

static struct group *group_make(struct table *table, rowid id)
{
    const uint64_t number = id / GROUP_ROWS;
    struct map_node *root = atomic_load_explicit(&table->root, memory_order_acquire);
    while (!root || !node_covers(root, number)) {
        struct map_node *above = MEM_NEW(struct map_node);
        if (!above)
            return NULL;
        if (root) {
            above->level = root->level + 1;
            atomic_store_explicit(&above->child[0], root, memory_order_relaxed);
        }
        if (atomic_compare_exchange_strong_explicit(
                &table->root, &root, above, memory_order_acq_rel, memory_order_acquire))
            root = above;
        else
            mem_free(above);
    }
    struct map_node *node = root;
    for (uint32_t level = root->level;; level--) {
        _Atomic(void *) *at = &node->child[node_index(number, level)];
        void *child = atomic_load_explicit(at, memory_order_acquire);
        if (!child) {
            child = mem_zalloc(level ? sizeof(struct map_node) : sizeof(struct group));
            if (!child)
                return NULL;
            if (level)
                ((struct map_node *)child)->level = level - 1;
            else
                ((struct group *)child)->first = number * GROUP_ROWS;
            child = install(at, child);
        }
        if (level == 0)
            return child;
        node = child;
    }
}

void group_raise(struct group *group, uint64_t timestamp)
{
    uint64_t had = atomic_load_explicit(&group->youngest, memory_order_relaxed);
    while (had < timestamp && !atomic_compare_exchange_weak_explicit(
                                  &group->youngest, &had, timestamp, memory_order_acq_rel,
                                  memory_order_relaxed))
        ;
}

static uint32_t record_bytes(const struct layout *layout)
{
    return (uint32_t)align_up(sizeof(struct record) + (size_t)layout->words * 8, 16);
}

static void slab_died(struct subpage *sub, uint32_t quarter, struct slab *slab)
{
    if (atomic_fetch_add_explicit(&slab->dead, 1, memory_order_acq_rel) + 1 < SLAB_ROWS)
        return;
    atomic_store_explicit(&sub->slabs[quarter], NULL, memory_order_release);
    mem_free(slab);
}

static kdk_status subpage_make(struct table *table, rowid id, struct group **group_out,
                               struct subpage **out, struct err *err)
{
    struct group *group = rowmap_group(table, id);
    if (!group && !(group = group_make(table, id)))
        return err_nomem(err);
    const uint32_t i = (uint32_t)(id % GROUP_ROWS);
    struct subpage *sub =
        atomic_load_explicit(&group->sub[i / SUBPAGE_ROWS], memory_order_acquire);
    if (!sub) {
        struct subpage *fresh = MEM_NEW(struct subpage);
        if (!fresh)
            return err_nomem(err);
        if (atomic_compare_exchange_strong_explicit(&group->sub[i / SUBPAGE_ROWS], &sub,
                                                    fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            sub = fresh;
        else
            mem_free(fresh);
    }
    *group_out = group;
    *out = sub;
    return KDK_OK;
}

kdk_status rowmap_slot(struct table *table, rowid id, struct group **group,
                       _Atomic uintptr_t **slot, struct err *err)
{
    struct subpage *sub;
    kdk_status status = subpage_make(table, id, group, &sub, err);
    if (status == KDK_OK)
        *slot = &sub->slots[id % SUBPAGE_ROWS];
    return status;
}

rowid rowmap_next(struct table *table, rowid from, rowid end)
{
    while (from < end) {
        struct group *group = rowmap_group(table, from);
        const uint32_t i = (uint32_t)(from % GROUP_ROWS);
        if (!group) {
            from += GROUP_ROWS - i;
            continue;
        }
        struct subpage *sub =
            atomic_load_explicit(&group->sub[i / SUBPAGE_ROWS], memory_order_acquire);
        if (!sub) {
            from += SUBPAGE_ROWS - i % SUBPAGE_ROWS;
            continue;
        }
        if (slot_record(&sub->slots[i % SUBPAGE_ROWS]))
            return from;
        from++;
    }
    return end;
}

kdk_status rowmap_place(struct table *table, rowid id, const struct layout *layout,
                        struct group **group_out, _Atomic uintptr_t **slot,
                        struct record **record, struct err *err)
{
    struct group *group;
    struct subpage *sub;
    kdk_status status = subpage_make(table, id, &group, &sub, err);
    if (status != KDK_OK)
        return status;
    const uint32_t i = (uint32_t)(id % GROUP_ROWS);
    const uint32_t quarter = i % SUBPAGE_ROWS / SLAB_ROWS, bytes = record_bytes(layout);
    struct slab *slab = atomic_load_explicit(&sub->slabs[quarter], memory_order_acquire);
    if (!slab) {
        struct slab *fresh =
            mem_zalloc(size_add(sizeof *fresh, size_mul(bytes, SLAB_ROWS)));
        if (!fresh)
            return err_nomem(err);
        fresh->record_bytes = bytes;
        if (atomic_compare_exchange_strong_explicit(&sub->slabs[quarter], &slab, fresh,
                                                    memory_order_acq_rel,
                                                    memory_order_acquire))
            slab = fresh;
        else
            mem_free(fresh);
    }
    if (slab->record_bytes >= bytes) {
        *record =
            (struct record *)(slab->data + (size_t)(i % SLAB_ROWS) * slab->record_bytes);
    } else {
        *record = mem_zalloc(bytes);
        if (!*record)
            return err_nomem(err);
        slab_died(sub, quarter, slab);
    }
    *group_out = group;
    *slot = &sub->slots[i % SUBPAGE_ROWS];
    return KDK_OK;
}

static bool in_slab(const struct slab *slab, const struct record *record)
{
    return slab && (uintptr_t)record >= (uintptr_t)slab->data &&
           (uintptr_t)record <
               (uintptr_t)slab->data + (uintptr_t)slab->record_bytes * SLAB_ROWS;
}

static void subpage_free(struct txn_garbage *garbage)
{
    mem_free((struct subpage *)((uintptr_t)garbage - offsetof(struct subpage, garbage)));
}

void rowmap_release(struct table *table, rowid id, struct record *record, bool last)
{
    struct group *group = rowmap_group(table, id);
    const uint32_t i = (uint32_t)(id % GROUP_ROWS), quarter = i % SUBPAGE_ROWS / SLAB_ROWS;
    struct subpage *sub =
        atomic_load_explicit(&group->sub[i / SUBPAGE_ROWS], memory_order_acquire);
    struct slab *slab =
        sub ? atomic_load_explicit(&sub->slabs[quarter], memory_order_acquire) : NULL;
    if (in_slab(slab, record))
        slab_died(sub, quarter, slab);
    else
        mem_free(record);
    /* With a disk, ids come back into memory: sub-pages go when records are evicted. */
    if (last && !table->store->disk &&
        atomic_fetch_add_explicit(&sub->dead, 1, memory_order_acq_rel) + 1 ==
            SUBPAGE_ROWS) {
        atomic_store_explicit(&group->sub[i / SUBPAGE_ROWS], NULL, memory_order_release);
        sub->garbage.free = subpage_free;
        txn_retire(table->store->man, &sub->garbage);
    }
}

/* -------------------------------------------------------------------- whole ---- */

static void group_each(struct group *group,
                       void (*each)(void *context, rowid id, struct record *record),
                       void *context)
{
    for (uint32_t i = 0; i < GROUP_ROWS; i++) {
        struct record *record = slot_record(group_slot(group, i));
        if (record)
            each(context, group->first + i, record);
    }
}

static void group_free(struct table *table, struct group *group)
{
    for (uint32_t s = 0; s < COUNT_OF(group->sub); s++) {
        struct subpage *sub = atomic_load_explicit(&group->sub[s], memory_order_acquire);
        if (!sub)
            continue;
        for (uint32_t i = 0; i < SUBPAGE_ROWS; i++) {
            struct record *record = slot_record(&sub->slots[i]);
            if (!record)
                continue;
            record_free_strings(table, record);
            if (!in_slab(
                    atomic_load_explicit(&sub->slabs[i / SLAB_ROWS], memory_order_acquire),
                    record))
                mem_free(record);
        }
        for (uint32_t q = 0; q < COUNT_OF(sub->slabs); q++)
            mem_free(atomic_load_explicit(&sub->slabs[q], memory_order_acquire));
        mem_free(sub);
    }
    mem_free(group);
}

static void node_free(struct table *table, struct map_node *node)
{
    for (uint32_t i = 0; i < MAP_FANOUT; i++) {
        void *child = atomic_load_explicit(&node->child[i], memory_order_acquire);
        if (child && node->level)
            node_free(table, child);
        else if (child)
            group_free(table, child);
    }
    mem_free(node);
}

void rowmap_free(struct table *table)
{
    struct map_node *root = atomic_load_explicit(&table->root, memory_order_acquire);
    if (root)
        node_free(table, root);
    atomic_store_explicit(&table->root, NULL, memory_order_relaxed);
}

void rowmap_each(struct table *table,
                 void (*each)(void *context, rowid id, struct record *record),
                 void *context)
{
    const uint64_t last =
        atomic_load_explicit(&table->next_id, memory_order_acquire) / GROUP_ROWS;
    for (uint64_t g = 0; g <= last; g++) {
        struct group *group = rowmap_group(table, g * GROUP_ROWS);
        if (group)
            group_each(group, each, context);
    }
}
