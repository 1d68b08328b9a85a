/* memtree.c - see memtree.h.
 *
 * Why the optimistic reads are right
 *   A writer takes the lock bit of a node by compare-and-swap (acquire), stores words with
 *   release and unlocks with a release store of a new version. A reader loads the version
 *   (acquire; not locked), words (acquire) and the version again. If any word it read was
 *   stored by a writer, that store's release makes the writer's lock bit visible, so the
 *   second load of the version differs from the first and the reader starts over. So after
 *   a successful validation all words are of one state. Before validation a word may be of
 *   another state, but pointers are always to what was in the node while this reader's
 *   guard lived (or is unlinked before it is retired, M3), so following them is safe;
 *   counts are checked against the array. Going down: the child's version is loaded, then
 *   the parent validated once more: the child was the parent's child with that version. A
 *   split or unlinking of the child changes its version, so locking it by compare-and-swap
 *   from that version proves that it still covers the key.
 */
#include "tree/memtree.h"

#include "base/mem.h"
#include "os/os.h"

#define NODE_SLOTS                                                                         \
    KDK_PICK(64u, 4u) /* Items of a leaf, children of an inner node. At least 4. */

#define DEPTH_MAX KDK_PICK(16u, 40u) /* Levels: more than there can be items for. */

#define VERSION_OBSOLETE 1ull
#define VERSION_LOCKED   2ull

typedef _Atomic(const struct memtree_item *) item_slot;

struct node {
    struct memtree_block block;
    _Atomic uint64_t version;
    _Atomic uint32_t count; /* Items, or children. */
    uint32_t level;         /* Immutable. */
    _Atomic uint64_t prefix[NODE_SLOTS];
    item_slot
        item[NODE_SLOTS]; /* Leaf: the items. Inner: separators; one fewer than children. */
    _Atomic(struct node *) child[]; /* Inner only: NODE_SLOTS. */
};

/* A separator is a copy of an item's key, so that it outlives the item. */
struct separator {
    struct memtree_block block;
    struct memtree_item item;
};

struct memtree {
    _Atomic(struct node *) root;
    _Atomic uint64_t count;
    memtree_retire_fn retire;
    void *context;
};

/* -------------------------------------------------------------- comparison ---- */

/* The prefix orders as the key does, but may be equal for different keys. Nearly all keys
 * begin with the byte that announces a value (vec/key.c), which would waste an eighth of
 * it: keys that begin with another byte get the least or the greatest prefix. */
#define LEAD 1u

static uint64_t key_prefix(const uint8_t *key, uint32_t bytes, uint8_t fill)
{
    uint64_t word = 0;
    if (bytes == 0)
        return fill ? UINT64_MAX : 0;
    if (key[0] != LEAD)
        return key[0] < LEAD ? 0 : UINT64_MAX;
    if (bytes >= 9) {
        memcpy(&word, key + 1, 8);
    } else {
        memset(&word, fill, 8);
        memcpy(&word, key + 1, bytes - 1);
    }
    return __builtin_bswap64(word);
}

static int compare_full(const struct memtree_probe *probe, const struct memtree_item *item)
{
    int c = memcmp(probe->key, item->key, MIN(probe->bytes, item->bytes));
    if (c)
        return c;
    if (probe->bytes > item->bytes)
        return 1;
    if (probe->after)
        return 1;
    if (probe->bytes < item->bytes)
        return -1;
    if (probe->id != item->id)
        return probe->id < item->id ? -1 : 1;
    return probe->seq < item->seq ? -1 : probe->seq > item->seq;
}

static struct memtree_probe probe_of(const struct memtree_item *item)
{
    return (struct memtree_probe){item->key, item->bytes, false, item->id, item->seq};
}

int memtree_compare(const struct memtree_item *a, const struct memtree_item *b)
{
    struct memtree_probe probe = probe_of(a);
    return compare_full(&probe, b);
}

static uint64_t probe_prefix(const struct memtree_probe *probe)
{
    return key_prefix(probe->key, probe->bytes, probe->after ? 0xff : 0);
}

static const struct memtree_item *item_at(const struct node *node, uint32_t i)
{
    return atomic_load_explicit(&node->item[i], memory_order_acquire);
}

static struct node *child_at(const struct node *node, uint32_t i)
{
    return atomic_load_explicit(&node->child[i], memory_order_acquire);
}

static uint64_t prefix_at(const struct node *node, uint32_t i)
{
    return atomic_load_explicit(&node->prefix[i], memory_order_acquire);
}

static uint32_t node_count(const struct node *node)
{
    return atomic_load_explicit(&node->count, memory_order_acquire);
}

/* The first of `count` slots whose key is >= probe, or > probe. */
static uint32_t node_search(const struct node *node, uint32_t count,
                            const struct memtree_probe *probe, uint64_t prefix, bool above)
{
    uint32_t lo = 0, hi = count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        uint64_t p = prefix_at(node, mid);
        bool right;
        if (p != prefix) {
            right = p < prefix;
        } else {
            int c = compare_full(probe, item_at(node, mid));
            right = above ? c >= 0 : c > 0;
        }
        if (right)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ------------------------------------------------------------------- latches ---- */

/* The version of an unlocked node; may be obsolete. */
static uint64_t node_read(const struct node *node)
{
    for (;;) {
        uint64_t version = atomic_load_explicit(&node->version, memory_order_acquire);
        if (!(version & VERSION_LOCKED))
            return version;
        os_spin();
    }
}

static bool node_still(const struct node *node, uint64_t version)
{
    return atomic_load_explicit(&node->version, memory_order_acquire) == version;
}

static bool node_lock(struct node *node, uint64_t version)
{
    return atomic_compare_exchange_strong_explicit(
        &node->version, &version, version | VERSION_LOCKED, memory_order_acq_rel,
        memory_order_relaxed);
}

static void node_unlock(struct node *node)
{
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, version + VERSION_LOCKED, memory_order_release);
}

static void node_unlock_obsolete(struct node *node)
{
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, (version + VERSION_LOCKED) | VERSION_OBSOLETE,
                          memory_order_release);
}

/* ------------------------------------------------------- changes, under lock ---- */

static void slot_put(struct node *node, uint32_t i, uint64_t prefix,
                     const struct memtree_item *item)
{
    atomic_store_explicit(&node->prefix[i], prefix, memory_order_release);
    atomic_store_explicit(&node->item[i], item, memory_order_release);
}

static void slot_move(struct node *to, uint32_t i, const struct node *from, uint32_t j)
{
    slot_put(to, i, prefix_at(from, j), item_at(from, j));
}

static void child_put(struct node *node, uint32_t i, struct node *child)
{
    atomic_store_explicit(&node->child[i], child, memory_order_release);
}

static void count_put(struct node *node, uint32_t count)
{
    atomic_store_explicit(&node->count, count, memory_order_release);
}

static struct node *node_new(uint32_t level)
{
    size_t bytes =
        sizeof(struct node) + (level ? NODE_SLOTS * sizeof(_Atomic(struct node *)) : 0);
    struct node *node = mem_zalloc(bytes);
    if (node)
        node->level = level;
    return node;
}

static struct separator *separator_new(const struct memtree_item *item)
{
    struct separator *sep =
        mem_alloc(size_add(offsetof(struct separator, item.key), item->bytes));
    if (!sep)
        return NULL;
    sep->item.id = item->id;
    sep->item.seq = item->seq;
    sep->item.bytes = item->bytes;
    memcpy(sep->item.key, item->key, item->bytes);
    return sep;
}

static struct separator *separator_of(const struct memtree_item *item)
{
    return (struct separator *)((uintptr_t)item - offsetof(struct separator, item));
}

/* Puts `child` right of place i of an inner node that is not full, `sep` between. */
static void inner_add(struct node *node, uint32_t i, uint64_t prefix,
                      const struct memtree_item *sep, struct node *child)
{
    uint32_t count = node_count(node);
    for (uint32_t k = count - 1; k > i; k--)
        slot_move(node, k, node, k - 1);
    for (uint32_t k = count; k > i + 1; k--)
        child_put(node, k, child_at(node, k - 1));
    slot_put(node, i, prefix, sep);
    child_put(node, i + 1, child);
    count_put(node, count + 1);
}

/* ------------------------------------------------------------------- insert ---- */

/* Memory that a split may need, fetched while nothing is locked. */
struct spare {
    struct node *node, *root;
    struct separator *sep;
};

/* Splits the full `node` (locked, as its parent, child `place` of it, or the root when
 * NULL) at `at`. */
static void node_split(struct memtree *tree, struct node *parent, uint32_t place,
                       struct node *node, uint32_t at, struct spare *spare)
{
    const uint32_t count = node_count(node);
    struct node *right = spare->node;
    const struct memtree_item *sep;
    uint64_t prefix;
    spare->node = NULL;
    for (uint32_t k = at; k < count - (node->level ? 1 : 0); k++)
        slot_move(right, k - at, node, k);
    if (node->level) {
        for (uint32_t k = at; k < count; k++)
            child_put(right, k - at, child_at(node, k));
        sep = item_at(node, at - 1); /* Moves up. */
        prefix = prefix_at(node, at - 1);
    } else {
        sep = &spare->sep->item;
        prefix = key_prefix(sep->key, sep->bytes, 0);
        spare->sep = NULL;
    }
    count_put(right, count - at);
    count_put(node, at);
    if (parent) {
        inner_add(parent, place, prefix, sep, right);
        return;
    }
    struct node *root = spare->root;
    spare->root = NULL;
    child_put(root, 0, node);
    count_put(root, 1);
    inner_add(root, 0, prefix, sep, right);
    atomic_store_explicit(&tree->root, root, memory_order_release);
}

/* The node is full at `version`: split it, or find that it changed meanwhile. */
static kdk_status split_full(struct memtree *tree, struct node *parent,
                             uint64_t parent_version, uint32_t place, struct node *node,
                             uint64_t version, uint32_t at, struct err *err)
{
    kdk_status status = KDK_OK;
    struct spare spare = {0};
    TRY_MEM(spare.node = node_new(node->level));
    if (!parent)
        TRY_MEM(spare.root = node_new(node->level + 1));
    if (!node->level)
        TRY_MEM(spare.sep = separator_new(item_at(node, at)));
    if (parent && !node_lock(parent, parent_version))
        goto out;
    if (!node_lock(node, version)) {
        if (parent)
            node_unlock(parent);
        goto out;
    }
    /* The root is replaced only under its own lock, and its version was read when it was
     * the root. */
    node_split(tree, parent, place, node, at, &spare);
    node_unlock(node);
    if (parent)
        node_unlock(parent);
out:
    mem_free(spare.node);
    mem_free(spare.root);
    mem_free(spare.sep);
    return status;
}

/* Where a descent ended. */
struct path {
    struct node *node, *parent;
    uint64_t version, parent_version;
    uint32_t place; /* Of the node in its parent. */
    uint32_t depth; /* Nodes above the parent: above[depth - 1] is the grandparent. */
    struct step {
        struct node *node;
        uint64_t version;
        uint32_t place;
    } above[DEPTH_MAX];
    const struct memtree_item *low, *high; /* Separators around the leaf; NULL: open. */
};

/* Goes down to the leaf for `probe`; with `stop_full` it ends at the first full node.
 * False: start over. */
static bool descend(struct memtree *tree, const struct memtree_probe *probe,
                    uint64_t prefix, bool below, bool stop_full, struct path *path)
{
    path->parent = NULL;
    path->low = path->high = NULL;
    path->depth = 0;
    struct node *node = atomic_load_explicit(&tree->root, memory_order_acquire);
    uint64_t version = node_read(node);
    if (version & VERSION_OBSOLETE ||
        atomic_load_explicit(&tree->root, memory_order_acquire) != node)
        return false;
    for (;;) {
        path->node = node;
        path->version = version;
        uint32_t count = node_count(node);
        if (count > NODE_SLOTS)
            return false;
        if (node->level == 0 || (stop_full && count == NODE_SLOTS))
            return true;
        if (count == 0)
            return false;
        /* An item equal to a separator is right of it; what is below a probe that equals
         * one is left of it. */
        uint32_t i = node_search(node, count - 1, probe, prefix, !below);
        struct node *child = child_at(node, i);
        if (i > 0)
            path->low = item_at(node, i - 1);
        if (i < count - 1)
            path->high = item_at(node, i);
        if (!node_still(node, version))
            return false;
        uint64_t child_version = node_read(child);
        if (child_version & VERSION_OBSOLETE || !node_still(node, version))
            return false;
        if (path->parent) {
            ASSERT(path->depth < DEPTH_MAX);
            path->above[path->depth++] =
                (struct step){path->parent, path->parent_version, path->place};
        }
        path->parent = node;
        path->parent_version = version;
        path->place = i;
        node = child;
        version = child_version;
    }
}

kdk_status memtree_insert(struct memtree *tree, const struct memtree_item *item,
                          struct err *err)
{
    const struct memtree_probe probe = probe_of(item);
    const uint64_t prefix = probe_prefix(&probe);
    struct path path;
    for (;; os_spin()) {
        if (!descend(tree, &probe, prefix, false, true, &path))
            continue;
        struct node *node = path.node;
        uint32_t count = node_count(node);
        if (count >= NODE_SLOTS) {
            /* Ascending keys leave full nodes behind; the rest splits in the middle. */
            uint32_t at = NODE_SLOTS / 2;
            if (!path.high) {
                if (node->level)
                    at = NODE_SLOTS - 2;
                else if (node_search(node, NODE_SLOTS, &probe, prefix, false) == NODE_SLOTS)
                    at = NODE_SLOTS - 1;
            }
            if (!node_still(node, path.version))
                continue;
            kdk_status status = split_full(tree, path.parent, path.parent_version,
                                           path.place, node, path.version, at, err);
            if (status != KDK_OK)
                return status;
            continue;
        }
        if (node->level || !node_lock(node, path.version))
            continue;
        uint32_t at = node_search(node, count, &probe, prefix, false);
        ASSERT(at == count || compare_full(&probe, item_at(node, at)) != 0);
        for (uint32_t k = count; k > at; k--)
            slot_move(node, k, node, k - 1);
        slot_put(node, at, prefix, item);
        count_put(node, count + 1);
        node_unlock(node);
        atomic_fetch_add_explicit(&tree->count, 1, memory_order_relaxed);
        return KDK_OK;
    }
}

/* ------------------------------------------------------------------- remove ---- */

/* Takes child `i` out of `parent` (locked, with at least two children); the separator that
 * goes with it is retired. Its neighbour's range grows over it (M1). */
static const struct memtree_item *inner_remove(struct node *parent, uint32_t i)
{
    uint32_t count = node_count(parent);
    uint32_t gone = i < count - 1 ? i : i - 1;
    const struct memtree_item *sep = item_at(parent, gone);
    for (uint32_t k = gone; k + 2 < count; k++)
        slot_move(parent, k, parent, k + 1);
    for (uint32_t k = i; k + 1 < count; k++)
        child_put(parent, k, child_at(parent, k + 1));
    count_put(parent, count - 1);
    return sep;
}

/* The leaf is about to be empty: locks the nearest node above that has another child, and
 * the inner nodes between, which have none. *top is its place in the path, counted from the
 * root; false: something changed, start over. When no node above has another child, nothing
 * is locked and *top is -1. */
static bool lock_chain(const struct path *path, int *top)
{
    const int last = (int)path->depth; /* The parent's place. */
    int from = last;
    *top = -1;
    for (;; from--) {
        const struct node *node = from == last ? path->parent : path->above[from].node;
        if (node_count(node) > 1)
            break;
        if (from == 0)
            return true;
    }
    for (int i = from; i <= last; i++) {
        struct node *node = i == last ? path->parent : path->above[i].node;
        uint64_t version = i == last ? path->parent_version : path->above[i].version;
        if (node_lock(node, version))
            continue;
        while (--i >= from)
            node_unlock(i == last ? path->parent : path->above[i].node);
        return false;
    }
    *top = from;
    return true;
}

static void unlock_chain(const struct path *path, int top)
{
    for (int i = top; i >= 0 && i <= (int)path->depth; i++)
        node_unlock(i == (int)path->depth ? path->parent : path->above[i].node);
}

/* Takes the empty leaf (locked) and the chain above it out of the tree. */
static void unlink_chain(struct memtree *tree, const struct path *path, int top)
{
    const int last = (int)path->depth;
    struct node *node = top == last ? path->parent : path->above[top].node;
    const struct memtree_item *sep =
        inner_remove(node, top == last ? path->place : path->above[top].place);
    node_unlock_obsolete(path->node);
    for (int i = top + 1; i <= last; i++)
        node_unlock_obsolete(i == last ? path->parent : path->above[i].node);
    node_unlock(node);
    tree->retire(tree->context, &path->node->block);
    for (int i = top + 1; i <= last; i++)
        tree->retire(tree->context,
                     &(i == last ? path->parent : path->above[i].node)->block);
    tree->retire(tree->context, &separator_of(sep)->block);
}

bool memtree_remove(struct memtree *tree, const struct memtree_item *item)
{
    const struct memtree_probe probe = probe_of(item);
    const uint64_t prefix = probe_prefix(&probe);
    struct path path;
    for (;; os_spin()) {
        if (!descend(tree, &probe, prefix, false, false, &path))
            continue;
        struct node *leaf = path.node;
        uint32_t count = node_count(leaf);
        uint32_t at = node_search(leaf, MIN(count, NODE_SLOTS), &probe, prefix, false);
        bool found = at < count && item_at(leaf, at) == item;
        if (!node_still(leaf, path.version))
            continue;
        if (!found)
            return false;
        int top = -1;
        if (count == 1 && path.parent && !lock_chain(&path, &top))
            continue;
        if (!node_lock(leaf, path.version)) {
            unlock_chain(&path, top);
            continue;
        }
        for (uint32_t k = at; k + 1 < count; k++)
            slot_move(leaf, k, leaf, k + 1);
        count_put(leaf, count - 1);
        atomic_fetch_sub_explicit(&tree->count, 1, memory_order_relaxed);
        if (top < 0)
            node_unlock(leaf);
        else
            unlink_chain(tree, &path, top);
        return true;
    }
}

/* --------------------------------------------------------------------- scan ---- */

uint32_t memtree_scan(struct memtree *tree, const struct memtree_probe *from,
                      bool backwards, const struct memtree_item **out, uint32_t max)
{
    struct memtree_probe probe = *from;
    uint64_t prefix = probe_prefix(&probe);
    struct path path;
    uint32_t n = 0;
    while (n < max) {
        if (!descend(tree, &probe, prefix, backwards, false, &path)) {
            os_spin();
            continue;
        }
        struct node *leaf = path.node;
        uint32_t count = MIN(node_count(leaf), NODE_SLOTS), got = 0;
        uint32_t at = node_search(leaf, count, &probe, prefix, false);
        if (backwards)
            for (uint32_t k = at; k > 0 && n + got < max; k--)
                out[n + got++] = item_at(leaf, k - 1);
        else
            for (uint32_t k = at; k < count && n + got < max; k++)
                out[n + got++] = item_at(leaf, k);
        if (!node_still(leaf, path.version)) {
            os_spin();
            continue;
        }
        n += got;
        const struct memtree_item *fence = backwards ? path.low : path.high;
        if (!fence)
            break;
        probe = probe_of(fence);
        prefix = probe_prefix(&probe);
    }
    return n;
}

/* ---------------------------------------------------------------- the whole ---- */

kdk_status memtree_new(memtree_retire_fn retire, void *context, struct memtree **out,
                       struct err *err)
{
    struct memtree *tree = MEM_NEW(struct memtree);
    struct node *root = node_new(0);
    if (!tree || !root) {
        mem_free(tree);
        mem_free(root);
        return err_nomem(err);
    }
    tree->retire = retire;
    tree->context = context;
    atomic_init(&tree->root, root);
    *out = tree;
    return KDK_OK;
}

static void node_free(struct node *node,
                      void (*each)(void *context, const struct memtree_item *item),
                      void *context)
{
    uint32_t count = node_count(node);
    for (uint32_t i = 0; i < count; i++) {
        if (!node->level) {
            if (each)
                each(context, item_at(node, i));
            continue;
        }
        node_free(child_at(node, i), each, context);
        if (i + 1 < count)
            mem_free(separator_of(item_at(node, i)));
    }
    mem_free(node);
}

void memtree_free(struct memtree *tree,
                  void (*each)(void *context, const struct memtree_item *item),
                  void *context)
{
    if (!tree)
        return;
    node_free(atomic_load_explicit(&tree->root, memory_order_acquire), each, context);
    mem_free(tree);
}

uint64_t memtree_count(const struct memtree *tree)
{
    return atomic_load_explicit(&tree->count, memory_order_relaxed);
}

struct check {
    uint64_t items;
    const char *problem;
};

static void node_check(const struct node *node, const struct memtree_item *low,
                       const struct memtree_item *high, struct check *check)
{
    uint32_t count = node_count(node);
    if (node_read(node) & VERSION_OBSOLETE)
        check->problem = "a node in the tree is marked obsolete";
    if (count > NODE_SLOTS || (node->level && count == 0)) {
        check->problem = "a node's count is impossible";
        return;
    }
    uint32_t keys = node->level ? count - 1 : count;
    for (uint32_t i = 0; i < keys; i++) {
        const struct memtree_item *item = item_at(node, i);
        if (prefix_at(node, i) != key_prefix(item->key, item->bytes, 0))
            check->problem = "a prefix differs from its key";
        if (i > 0 && memtree_compare(item_at(node, i - 1), item) >= 0)
            check->problem = "keys are out of order";
        if ((low && memtree_compare(item, low) < 0) ||
            (high && memtree_compare(item, high) >= 0))
            check->problem = "a key lies outside its node's separators";
    }
    if (!node->level) {
        check->items += count;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (child_at(node, i)->level + 1 != node->level)
            check->problem = "levels do not descend by one";
        else
            node_check(child_at(node, i), i ? item_at(node, i - 1) : low,
                       i + 1 < count ? item_at(node, i) : high, check);
    }
}

const char *memtree_check(const struct memtree *tree)
{
    struct check check = {0};
    node_check(atomic_load_explicit(&tree->root, memory_order_acquire), NULL, NULL, &check);
    if (!check.problem && check.items != memtree_count(tree))
        check.problem = "the count differs from the items";
    return check.problem ? check.problem : "";
}
