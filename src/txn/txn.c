/* txn.c - beginning and ending transactions, publishing timestamps, deferred frees.
 *
 * Why no snapshot falls below txnman_oldest() (X2), and nothing is freed under a guard (X3)
 *   Both are the same argument. A reader announces itself in a word of its own by an
 *   exchange; the collector looks at the word by an atomic addition of 0. Both are
 *   read-modify-writes, so they are ordered in the word's modification order and each
 *   synchronizes with the one after it (acq_rel). Either the exchange comes first: then the
 *   collector sees the announcement. Or the addition comes first: then everything the
 *   collector's thread had seen happens before what the reader does next. For snapshots
 *   that is the value of `published` which the collector had loaded: the reader loads
 *   `published` again after its exchange, gets that value or a newer one, and starts over
 *   if it is not what it announced. For guards it is the unlinking of whatever had been
 *   retired with an era below the one the collector then frees. A guard with an era above a
 *   thing's era loaded it from the counter that retiring had advanced, so it too comes
 *   after the unlinking. The number of words in use grows by read-modify-writes alone, so
 *   the same holds for it.
 *
 * Why publishing in order needs no more than a ring of TXN_SLOTS words
 *   A committing transaction keeps its slot until its timestamp is published, so timestamps
 *   taken and unpublished are fewer than TXN_SLOTS and do not collide in the ring. (After a
 *   failed flush nothing is published any more.)
 */
#include "txn/txn.h"

#include "base/mem.h"

#define SLOT_BITS     12u
#define CHUNK_SLOTS   KDK_PICK(64u, 2u)
#define RECLAIM_EVERY KDK_PICK(16u, 2u)
#define WAIT_ROUNDS   64u

static_assert(TXN_SLOTS == 1u << SLOT_BITS, "a transaction number ends in its slot");

struct slot {
    _Alignas(64) _Atomic uint64_t snapshot; /* The snapshot + 1; 0: none. */
    _Atomic uint64_t number; /* Of the transaction that runs here; 0: none. */
    _Atomic uint32_t taken;
    _Atomic uint32_t ends; /* Waited on; grows at each end. */
    _Atomic uint32_t waiters;
    uint64_t uses; /* By who has taken it. */
    struct txn txn;
};

struct guard {
    _Alignas(64) _Atomic uint64_t era; /* 0: no guard. */
    uint32_t depth;                    /* This thread only. */
    bool registered;
};

struct part_list {
    struct txn_part *head, **tail;
    uint64_t count;
};
struct garbage_list {
    struct txn_garbage *head, **tail;
    uint64_t count;
};

struct txnman {
    struct os *os;
    struct txn_log log;
    const struct txn_pins *pins;
    _Atomic(const char *) read_only;

    _Alignas(64) _Atomic uint64_t published;
    _Atomic uint32_t published_word; /* Waited on; grows with each publication. */
    _Atomic uint32_t published_waiters;
    _Atomic uint32_t poisoned; /* A flush failed: nothing is published any more. */

    _Alignas(64) struct latch commit_latch;
    uint64_t last; /* Newest timestamp taken; under commit_latch. */
    struct latch publish_latch;
    _Atomic uint64_t
        done[TXN_SLOTS]; /* done[t % TXN_SLOTS] == t: t is ready; under publish_latch. */

    _Atomic uint32_t slots_high; /* Slots below were used at some time. */
    _Atomic(struct slot *) chunks[TXN_SLOTS / CHUNK_SLOTS];

    _Alignas(64) _Atomic uint64_t era; /* From 1. */
    _Atomic uint32_t guards_high;
    struct guard guards[OS_THREADS_MAX];

    struct latch defer_latch;                          /* Guards the lists. */
    struct txn_part *committed_first, *committed_last; /* To be tidied. */
    uint64_t committed_count;
    struct part_list retired;    /* To be freed. */
    struct garbage_list later;   /* Waits for a timestamp. */
    struct garbage_list garbage; /* To be freed. */
    _Atomic uint64_t horizon;    /* Raised before parts up to it are tidied. */
    _Atomic uint32_t reclaiming;
    _Atomic uint32_t ends;
};

/* ------------------------------------------------------------------- lists ---- */

static void part_push(struct part_list *list, struct txn_part *part)
{
    part->next = NULL;
    *list->tail = part;
    list->tail = &part->next;
    list->count++;
}

static struct txn_part *part_pop(struct part_list *list)
{
    struct txn_part *part = list->head;
    list->head = part->next;
    if (!list->head)
        list->tail = &list->head;
    list->count--;
    return part;
}

static void garbage_push(struct garbage_list *list, struct txn_garbage *garbage)
{
    garbage->next = NULL;
    *list->tail = garbage;
    list->tail = &garbage->next;
    list->count++;
}

static struct txn_garbage *garbage_pop(struct garbage_list *list)
{
    struct txn_garbage *garbage = list->head;
    list->head = garbage->next;
    if (!list->head)
        list->tail = &list->head;
    list->count--;
    return garbage;
}

/* Keeps the list in the order of timestamps. Those who commit at once come nearly in order,
 * so the walk is short. */
static void part_push_sorted(struct txnman *man, struct txn_part *part)
{
    struct txn_part *before = man->committed_last;
    while (before && before->timestamp > part->timestamp)
        before = before->prev;
    part->prev = before;
    part->next = before ? before->next : man->committed_first;
    *(before ? &before->next : &man->committed_first) = part;
    *(part->next ? &part->next->prev : &man->committed_last) = part;
    man->committed_count++;
    part->waits = true;
}

static void part_take(struct txnman *man, struct txn_part *part)
{
    *(part->prev ? &part->prev->next : &man->committed_first) = part->next;
    *(part->next ? &part->next->prev : &man->committed_last) = part->prev;
    man->committed_count--;
    part->waits = false;
}

static struct txn_part *part_pop_sorted(struct txnman *man)
{
    struct txn_part *part = man->committed_first;
    part_take(man, part);
    return part;
}

/* ----------------------------------------------------------------- manager ---- */

kdk_status txnman_new(struct os *os, uint64_t published, struct txnman **out,
                      struct err *err)
{
    struct txnman *man = mem_alloc_aligned(64, sizeof *man);
    if (!man)
        return err_nomem(err);
    memset(man, 0, sizeof *man);
    man->os = os;
    man->last = published;
    atomic_init(&man->published, published);
    atomic_init(&man->era, 1);
    atomic_init(&man->horizon, published);
    latch_init(&man->commit_latch, OS_RANK_COMMIT);
    latch_init(&man->publish_latch, OS_RANK_LEAF);
    latch_init(&man->defer_latch, OS_RANK_LEAF);
    man->retired.tail = &man->retired.head;
    man->later.tail = &man->later.head;
    man->garbage.tail = &man->garbage.head;
    *out = man;
    return KDK_OK;
}

void txnman_set_log(struct txnman *man, const struct txn_log *log)
{
    man->log = *log;
}

void txnman_set_read_only(struct txnman *man, const char *why)
{
    atomic_store_explicit(&man->read_only, why, memory_order_release);
}

const char *txnman_read_only(struct txnman *man)
{
    return atomic_load_explicit(&man->read_only, memory_order_acquire);
}

uint64_t txnman_published(struct txnman *man)
{
    return atomic_load_explicit(&man->published, memory_order_acquire);
}

static struct slot *slot_at(struct txnman *man, uint32_t i)
{
    struct slot *chunk =
        atomic_load_explicit(&man->chunks[i / CHUNK_SLOTS], memory_order_acquire);
    return chunk ? &chunk[i % CHUNK_SLOTS] : NULL;
}

/* The word becomes at least `value`, by read-modify-writes alone (see the top). */
static void raise_high(_Atomic uint32_t *high, uint32_t value)
{
    uint32_t seen = atomic_load_explicit(high, memory_order_acquire);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(high, &seen, value, memory_order_acq_rel,
                                                  memory_order_acquire))
        ;
}

uint64_t txnman_oldest(struct txnman *man)
{
    uint64_t oldest = txnman_published(man);
    uint32_t high = atomic_fetch_add_explicit(&man->slots_high, 0, memory_order_acq_rel);
    for (uint32_t i = 0; i < high; i++) {
        struct slot *slot = slot_at(man, i);
        uint64_t snapshot =
            slot ? atomic_fetch_add_explicit(&slot->snapshot, 0, memory_order_acq_rel) : 0;
        if (snapshot && snapshot - 1 < oldest)
            oldest = snapshot - 1;
    }
    return oldest;
}

uint64_t txnman_horizon(struct txnman *man)
{
    return atomic_load_explicit(&man->horizon, memory_order_acquire);
}

uint32_t txnman_snapshots(struct txnman *man, uint64_t *out, uint32_t max)
{
    uint32_t high = atomic_fetch_add_explicit(&man->slots_high, 0, memory_order_acq_rel),
             n = 0;
    for (uint32_t i = 0; i < high && n <= max; i++) {
        struct slot *slot = slot_at(man, i);
        uint64_t snapshot =
            slot ? atomic_fetch_add_explicit(&slot->snapshot, 0, memory_order_acq_rel) : 0;
        if (!snapshot)
            continue;
        if (n < max)
            out[n] = snapshot - 1;
        n++;
    }
    return n;
}

uint32_t txnman_active(struct txnman *man)
{
    uint32_t count = 0, high = atomic_load_explicit(&man->slots_high, memory_order_acquire);
    for (uint32_t i = 0; i < high; i++) {
        struct slot *slot = slot_at(man, i);
        if (slot && atomic_load_explicit(&slot->taken, memory_order_acquire))
            count++;
    }
    return count;
}

/* ------------------------------------------------------------------- slots ---- */

static kdk_status slot_claim(struct txnman *man, struct slot **out, uint32_t *index,
                             struct err *err)
{
    const uint32_t start = os_self();
    for (uint32_t k = 0; k < TXN_SLOTS; k++) {
        uint32_t i = (start + k) % TXN_SLOTS;
        struct slot *slot = slot_at(man, i);
        if (!slot) {
            struct slot *chunk = mem_alloc_aligned(64, sizeof *chunk * CHUNK_SLOTS),
                        *had = NULL;
            if (!chunk)
                return err_nomem(err);
            memset(chunk, 0, sizeof *chunk * CHUNK_SLOTS);
            if (!atomic_compare_exchange_strong_explicit(&man->chunks[i / CHUNK_SLOTS],
                                                         &had, chunk, memory_order_acq_rel,
                                                         memory_order_acquire))
                mem_free(chunk);
            slot = slot_at(man, i);
        }
        uint32_t free = 0;
        if (atomic_load_explicit(&slot->taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(
                &slot->taken, &free, 1, memory_order_acquire, memory_order_relaxed)) {
            raise_high(&man->slots_high, i + 1);
            *out = slot;
            *index = i;
            return KDK_OK;
        }
    }
    return err_set(err, KDK_LIMIT, "more than %u transactions at once",
                   (unsigned)TXN_SLOTS);
}

kdk_status txn_begin(struct txnman *man, enum txn_isolation isolation, bool read_only,
                     struct txn **out, struct err *err)
{
    struct slot *slot;
    uint32_t index;
    kdk_status status = slot_claim(man, &slot, &index, err);
    if (status != KDK_OK)
        return status;
    struct txn *txn = &slot->txn;
    memset(txn, 0, sizeof *txn);
    txn->man = man;
    txn->number = ++slot->uses << SLOT_BITS | index;
    txn->slot = index;
    txn->isolation = isolation;
    txn->read_only = read_only;
    txn->one_statement = false;
    atomic_store_explicit(&slot->number, txn->number, memory_order_release);
    *out = txn;
    return KDK_OK;
}

void txn_statement_begin(struct txn *txn)
{
    txn->command++;
    if (txn->has_snapshot)
        return;
    struct txnman *man = txn->man;
    struct slot *slot = slot_at(man, txn->slot);
    uint64_t snapshot = txnman_published(man);
    for (;;) {
        atomic_exchange_explicit(&slot->snapshot, snapshot + 1, memory_order_acq_rel);
        uint64_t again = txnman_published(man);
        if (again == snapshot)
            break;
        snapshot = again;
    }
    txn->snapshot = snapshot;
    txn->has_snapshot = true;
    if (man->pins)
        man->pins->pin(man->pins->context, txn);
}

/* Frees the transaction's place; `txn` is gone then. */
static void slot_release(struct txn *txn)
{
    struct slot *slot = slot_at(txn->man, txn->slot);
    if (txn->pinned)
        txn->man->pins->unpin(txn->man->pins->context, txn);
    txn->pinned = NULL;
    while (txn->hooks) {
        struct txn_hook *hook = txn->hooks;
        txn->hooks = hook->next;
        mem_free(hook);
    }
    atomic_store_explicit(&slot->snapshot, 0, memory_order_release);
    atomic_store_explicit(&slot->number, 0, memory_order_seq_cst);
    atomic_fetch_add_explicit(&slot->ends, 1, memory_order_seq_cst);
    bool wake = atomic_load_explicit(&slot->waiters, memory_order_seq_cst) != 0;
    atomic_store_explicit(&slot->taken, 0, memory_order_release);
    if (wake) /* Slots are never freed while the manager lives. */
        os_wake(&slot->ends, UINT32_MAX);
}

kdk_status txn_on_end(struct txn *txn, txn_end_fn committed, txn_end_fn rolled_back,
                      void *context, struct err *err)
{
    struct txn_hook *hook = MEM_NEW(struct txn_hook);
    if (!hook)
        return err_nomem(err);
    hook->committed = committed;
    hook->rolled_back = rolled_back;
    hook->context = context;
    hook->next = txn->hooks;
    txn->hooks = hook;
    return KDK_OK;
}

struct txn_part *txn_part_find(struct txn *txn, const void *key)
{
    for (struct txn_part *part = txn->parts; part; part = part->next)
        if (part->key == key)
            return part;
    return NULL;
}

void txn_part_add(struct txn *txn, struct txn_part *part)
{
    part->next = txn->parts;
    txn->parts = part;
}

/* ------------------------------------------------------------------ waiting ---- */

/* Waits until `published` is at least `timestamp` (true), or until it never will be or time
 * is up. */
static bool published_wait(struct txnman *man, uint64_t timestamp, uint64_t timeout_ns)
{
    for (uint32_t round = 0; round < WAIT_ROUNDS; round++) {
        if (txnman_published(man) >= timestamp)
            return true;
        os_spin();
    }
    const uint64_t until =
        timeout_ns == OS_FOREVER ? OS_FOREVER : os_now_ns(man->os) + timeout_ns;
    bool reached = false;
    atomic_fetch_add_explicit(&man->published_waiters, 1, memory_order_seq_cst);
    for (;;) {
        uint32_t word = atomic_load_explicit(&man->published_word, memory_order_seq_cst);
        reached = txnman_published(man) >= timestamp;
        if (reached || atomic_load_explicit(&man->poisoned, memory_order_acquire))
            break;
        uint64_t left = OS_FOREVER;
        if (until != OS_FOREVER) {
            uint64_t now = os_now_ns(man->os);
            if (now >= until)
                break;
            left = until - now;
        }
        os_wait(&man->published_word, word, left);
    }
    atomic_fetch_sub_explicit(&man->published_waiters, 1, memory_order_seq_cst);
    return reached;
}

static void published_wake(struct txnman *man)
{
    atomic_fetch_add_explicit(&man->published_word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&man->published_waiters, memory_order_seq_cst))
        os_wake(&man->published_word, UINT32_MAX);
}

static void publish(struct txnman *man, uint64_t timestamp)
{
    latch_acquire(&man->publish_latch);
    atomic_store_explicit(&man->done[timestamp % TXN_SLOTS], timestamp,
                          memory_order_relaxed);
    uint64_t published = atomic_load_explicit(&man->published, memory_order_relaxed),
             was = published;
    while (atomic_load_explicit(&man->done[(published + 1) % TXN_SLOTS],
                                memory_order_relaxed) == published + 1)
        published++;
    if (published != was)
        atomic_store_explicit(&man->published, published, memory_order_release);
    latch_release(&man->publish_latch);
    if (published != was)
        published_wake(man);
}

void txnman_recovered(struct txnman *man, uint64_t timestamp)
{
    ASSERT(timestamp > man->last);
    man->last = timestamp;
    atomic_store_explicit(&man->published, timestamp, memory_order_release);
}

void txnman_set_pins(struct txnman *man, const struct txn_pins *pins)
{
    man->pins = pins;
}

bool txnman_settle(struct txnman *man)
{
    latch_acquire(&man->commit_latch);
    const uint64_t last = man->last;
    latch_release(&man->commit_latch);
    return published_wait(man, last, OS_FOREVER);
}

bool txnman_wait(struct txnman *man, struct txn_conflict conflict, uint64_t timeout_ns)
{
    if (conflict.timestamp)
        return published_wait(man, conflict.timestamp, timeout_ns);
    if (!conflict.number)
        return true;
    struct slot *slot = slot_at(man, (uint32_t)(conflict.number % TXN_SLOTS));
    if (!slot)
        return true;
    for (uint32_t round = 0; round < WAIT_ROUNDS; round++) {
        if (atomic_load_explicit(&slot->number, memory_order_acquire) != conflict.number)
            return true;
        os_spin();
    }
    const uint64_t until =
        timeout_ns == OS_FOREVER ? OS_FOREVER : os_now_ns(man->os) + timeout_ns;
    bool ended = false;
    atomic_fetch_add_explicit(&slot->waiters, 1, memory_order_seq_cst);
    for (;;) {
        uint32_t word = atomic_load_explicit(&slot->ends, memory_order_seq_cst);
        ended =
            atomic_load_explicit(&slot->number, memory_order_seq_cst) != conflict.number;
        if (ended)
            break;
        uint64_t left = OS_FOREVER;
        if (until != OS_FOREVER) {
            uint64_t now = os_now_ns(man->os);
            if (now >= until)
                break;
            left = until - now;
        }
        os_wait(&slot->ends, word, left);
    }
    atomic_fetch_sub_explicit(&slot->waiters, 1, memory_order_seq_cst);
    return ended;
}

/* ------------------------------------------------------------------- ending ---- */

/* Parts go to the list of those to be tidied, or straight to be freed. */
static void parts_defer(struct txn *txn, uint64_t timestamp, bool tidy)
{
    struct txnman *man = txn->man;
    struct txn_part *part = txn->parts;
    txn->parts = NULL;
    if (!part)
        return;
    latch_acquire(&man->defer_latch);
    while (part) {
        struct txn_part *next = part->next;
        part->timestamp = timestamp;
        if (!tidy)
            part->era = atomic_fetch_add_explicit(&man->era, 1, memory_order_acq_rel);
        if (tidy)
            part_push_sorted(man, part);
        else
            part_push(&man->retired, part);
        part = next;
    }
    latch_release(&man->defer_latch);
}

void txn_part_drop(struct txnman *man, struct txn_part *part)
{
    latch_acquire(&man->defer_latch);
    if (part->waits) {
        part_take(man, part);
        part->era = atomic_fetch_add_explicit(&man->era, 1, memory_order_acq_rel);
        part_push(&man->retired, part);
    }
    latch_release(&man->defer_latch);
}

static void reclaim_sometimes(struct txnman *man)
{
    if ((atomic_fetch_add_explicit(&man->ends, 1, memory_order_relaxed) + 1) %
            RECLAIM_EVERY ==
        0)
        txnman_reclaim(man);
}

void txn_rollback(struct txn *txn)
{
    if (!txn)
        return;
    struct txnman *man = txn->man;
    const bool had = txn->parts || txn->hooks;
    for (struct txn_part *part = txn->parts; part; part = part->next)
        part->ops->rollback(part);
    parts_defer(txn, 0, false);
    for (struct txn_hook *hook = txn->hooks; hook; hook = hook->next)
        if (hook->rolled_back)
            hook->rolled_back(hook->context, 0);
    slot_release(txn);
    if (had)
        reclaim_sometimes(man);
}

static struct txn_hook *hooks_reversed(struct txn_hook *hook)
{
    struct txn_hook *out = NULL;
    while (hook) {
        struct txn_hook *next = hook->next;
        hook->next = out;
        out = hook;
        hook = next;
    }
    return out;
}

/* After a failed flush: nobody knows what is on the disk, so what is stamped stays
 * unpublished. */
static void poison(struct txnman *man)
{
    txnman_set_read_only(man, "the log could not be written");
    atomic_store_explicit(&man->poisoned, 1, memory_order_release);
    published_wake(man);
}

kdk_status txn_commit(struct txn *txn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct txnman *man = txn->man;
    void *batch = NULL;
    uint64_t timestamp, lsn = 0;
    bool withdrawn = false;

    if (!txn->parts && !txn->hooks && !txn->failed) {
        slot_release(txn);
        return KDK_OK;
    }
    /* Prepare: may fail, and then all is rolled back. */
    if (txn->failed)
        TRY(err_set(err, KDK_IN_FAILED_TXN,
                    "current transaction is aborted, changes are rolled back"));
    if (txnman_read_only(man))
        TRY(err_set(err, KDK_READ_ONLY, "the database is read-only: %s",
                    txnman_read_only(man)));
    for (struct txn_part *part = txn->parts; part; part = part->next)
        if (part->ops->check)
            TRY(part->ops->check(part, txn, err));
    if (man->log.encode)
        TRY(man->log.encode(man->log.context, txn, &batch, err));
    latch_acquire(&man->commit_latch);
    timestamp = man->last + 1;
    if (batch)
        status = man->log.append(man->log.context, batch, timestamp, &lsn, err);
    if (status == KDK_OK)
        man->last = timestamp;
    latch_release(&man->commit_latch);
    TRY(status);
    const bool logged = batch != NULL;
    batch = NULL;

    /* Publish: decided once the log has it, nothing below can take that back. */
    if (logged)
        status = man->log.wait(man->log.context, lsn, &withdrawn, err);
    if (withdrawn) {
        /* Nothing carries the timestamp: it is published so that those behind it go on. */
        ASSERT(status != KDK_OK);
        publish(man, timestamp);
        txn_rollback(txn);
        return status;
    }
    /* Stamps are above every snapshot until they are published. */
    for (struct txn_part *part = txn->parts; part; part = part->next)
        part->ops->stamp(part, timestamp);
    if (status == KDK_OK && txn->hooks) {
        /* Hooks run in the order of timestamps. */
        txn->hooks = hooks_reversed(txn->hooks);
        if (published_wait(man, timestamp - 1, OS_FOREVER)) {
            for (struct txn_hook *hook = txn->hooks; hook; hook = hook->next)
                if (hook->committed)
                    hook->committed(hook->context, timestamp);
        } else {
            status =
                err_set(err, KDK_IO, "an earlier commit could not be written to the log");
        }
    }
    parts_defer(txn, timestamp, true);
    if (status == KDK_OK) {
        publish(man, timestamp);
        if (!published_wait(man, timestamp, OS_FOREVER))
            status =
                err_set(err, KDK_IO, "an earlier commit could not be written to the log");
    }
    if (status != KDK_OK)
        poison(man);
    const bool hooked = txn->hooks != NULL;
    slot_release(txn);
    if (hooked) /* Definitions changed: what was dropped may be large. */
        txnman_reclaim(man);
    else
        reclaim_sometimes(man);
    if (status == KDK_OK && man->pins)
        man->pins->committed(man->pins->context);
    return status;
out:
    if (batch)
        man->log.discard(man->log.context, batch);
    txn_rollback(txn);
    return status;
}

/* ---------------------------------------------------- guards and reclaiming ---- */

void txn_enter(struct txnman *man)
{
    uint32_t self = os_self();
    struct guard *guard = &man->guards[self];
    if (guard->depth++)
        return;
    if (!guard->registered) {
        raise_high(&man->guards_high, self + 1);
        guard->registered = true;
    }
    uint64_t era = atomic_load_explicit(&man->era, memory_order_acquire);
    atomic_exchange_explicit(&guard->era, era, memory_order_acq_rel);
}

void txn_leave(struct txnman *man)
{
    struct guard *guard = &man->guards[os_self()];
    ASSERT(guard->depth);
    if (--guard->depth == 0)
        atomic_store_explicit(&guard->era, 0, memory_order_release);
}

void txn_retire(struct txnman *man, struct txn_garbage *garbage)
{
    latch_acquire(&man->defer_latch);
    garbage->era = atomic_fetch_add_explicit(&man->era, 1, memory_order_acq_rel);
    garbage_push(&man->garbage, garbage);
    latch_release(&man->defer_latch);
}

void txn_retire_at(struct txnman *man, struct txn_garbage *garbage, uint64_t timestamp)
{
    garbage->timestamp = timestamp;
    latch_acquire(&man->defer_latch);
    garbage_push(&man->later, garbage);
    latch_release(&man->defer_latch);
}

/* The smallest era of a guard that is entered; what was retired before it may go. */
static uint64_t oldest_era(struct txnman *man)
{
    uint64_t oldest = UINT64_MAX;
    uint32_t high = atomic_fetch_add_explicit(&man->guards_high, 0, memory_order_acq_rel);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t era =
            atomic_fetch_add_explicit(&man->guards[i].era, 0, memory_order_acq_rel);
        if (era && era < oldest)
            oldest = era;
    }
    return oldest;
}

/* What was committed by `oldest` is tidied and retired. Who reclaims is alone. */
static void tidy_parts(struct txnman *man, uint64_t oldest)
{
    struct part_list due = {.tail = &due.head};
    atomic_store_explicit(&man->horizon, oldest, memory_order_release);
    latch_acquire(&man->defer_latch);
    /* Parts were pushed before they were published, so all up to `oldest` are here. */
    while (man->committed_first && man->committed_first->timestamp <= oldest)
        part_push(&due, part_pop_sorted(man));
    struct garbage_list keep = {.tail = &keep.head};
    while (man->later.head) {
        struct txn_garbage *one = garbage_pop(&man->later);
        if (one->timestamp <= oldest) {
            one->era = atomic_fetch_add_explicit(&man->era, 1, memory_order_acq_rel);
            garbage_push(&man->garbage, one);
        } else {
            garbage_push(&keep, one);
        }
    }
    while (keep.head)
        garbage_push(&man->later, garbage_pop(&keep));
    latch_release(&man->defer_latch);

    for (struct txn_part *part = due.head; part; part = part->next)
        part->ops->tidy(part);
    if (!due.head)
        return;
    latch_acquire(&man->defer_latch);
    while (due.head) {
        struct txn_part *part = part_pop(&due);
        part->era = atomic_fetch_add_explicit(&man->era, 1, memory_order_acq_rel);
        part_push(&man->retired, part);
    }
    latch_release(&man->defer_latch);
}

static void free_retired(struct txnman *man, uint64_t seen)
{
    struct part_list parts = {.tail = &parts.head};
    struct garbage_list garbage = {.tail = &garbage.head};
    latch_acquire(&man->defer_latch);
    while (man->retired.head && man->retired.head->era < seen)
        part_push(&parts, part_pop(&man->retired));
    while (man->garbage.head && man->garbage.head->era < seen)
        garbage_push(&garbage, garbage_pop(&man->garbage));
    latch_release(&man->defer_latch);
    while (parts.head) {
        struct txn_part *part = part_pop(&parts);
        part->ops->free(part);
    }
    while (garbage.head) {
        struct txn_garbage *one = garbage_pop(&garbage);
        one->free(one);
    }
}

static uint64_t deferred_count(struct txnman *man)
{
    latch_acquire(&man->defer_latch);
    uint64_t count =
        man->committed_count + man->retired.count + man->later.count + man->garbage.count;
    latch_release(&man->defer_latch);
    return count;
}

uint64_t txnman_reclaim(struct txnman *man)
{
    if (atomic_exchange_explicit(&man->reclaiming, 1, memory_order_acquire))
        return deferred_count(man);
    tidy_parts(man, txnman_oldest(man));
    /* The era up to which things count as retired is read before the guards: what is
     * retired later has a larger one. */
    uint64_t now = atomic_load_explicit(&man->era, memory_order_acquire);
    uint64_t seen = oldest_era(man);
    free_retired(man, MIN(now, seen));
    atomic_store_explicit(&man->reclaiming, 0, memory_order_release);
    return deferred_count(man);
}

void txnman_free(struct txnman *man)
{
    if (!man)
        return;
    ASSERT(txnman_active(man) == 0);
    while (deferred_count(man)) {
        tidy_parts(man, UINT64_MAX);
        free_retired(man, UINT64_MAX);
    }
    for (size_t i = 0; i < COUNT_OF(man->chunks); i++)
        mem_free(atomic_load_explicit(&man->chunks[i], memory_order_relaxed));
    mem_free(man);
}
