/* broker.c - see broker.h. The sum of grants is one atomic number that a compare-exchange
 * keeps at or below the limit, so asking for memory takes no latch unless it has to be
 * found. */
#include "task/broker.h"

const char *broker_use_name(enum broker_use use)
{
    static const char *const names[] = {
#define BROKER_USE(NAME, TEXT) TEXT,
        BROKER_USES(BROKER_USE)
#undef BROKER_USE
    };
    return (unsigned)use < COUNT_OF(names) ? names[use] : "?";
}

/* Relaxed everywhere: the bytes themselves are not handed over through the broker. */
static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void add(_Atomic uint64_t *word, uint64_t n)
{
    atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

void broker_init(struct broker *broker, uint64_t limit_bytes)
{
    *broker = (struct broker){.limit = limit_bytes};
    latch_init(&broker->latch, OS_RANK_LEAF);
}

void broker_deinit(struct broker *broker)
{
    ASSERT(!broker->grants);
    ASSERT(!broker->shrinkers);
    ASSERT(load(&broker->used) == 0);
    (void)broker;
}

void broker_stats(struct broker *broker, struct broker_stats *out)
{
    *out = (struct broker_stats){
        .limit = load(&broker->limit),
        .used = load(&broker->used),
        .peak = load(&broker->peak),
        .refused = load(&broker->refused),
        .shrunk = load(&broker->shrunk),
        .asked = load(&broker->asked),
    };
    for (size_t i = 0; i < BROKER_USE_COUNT; i++)
        out->by_use[i] = load(&broker->by_use[i]);
}

/* ---- Taking and giving ---- */
/* Takes as much of `wanted` as is free, if that is at least `min`; else 0. */
static uint64_t take(struct broker *broker, uint64_t min, uint64_t wanted)
{
    uint64_t used = load(&broker->used), got;
    do {
        uint64_t limit = load(&broker->limit), left = limit > used ? limit - used : 0;
        got = MIN(wanted, left);
        if (got < min)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(
        &broker->used, &used, used + got, memory_order_relaxed, memory_order_relaxed));
    uint64_t peak = load(&broker->peak);
    while (used + got > peak && !atomic_compare_exchange_weak_explicit(
                                    &broker->peak, &peak, used + got, memory_order_relaxed,
                                    memory_order_relaxed)) {
    }
    return got;
}

/* How much is missing for `need` more bytes; what is used above the limit is missing
 * too. */
static uint64_t missing(const struct broker *broker, uint64_t need)
{
    uint64_t used = load(&broker->used), limit = load(&broker->limit);
    uint64_t wanted = used + need < used ? UINT64_MAX : used + need;
    return wanted > limit ? wanted - limit : 0;
}

static void grant_add(struct broker_grant *grant, uint64_t bytes)
{
    add(&grant->broker->by_use[grant->use], bytes);
    atomic_store_explicit(&grant->bytes, load(&grant->bytes) + bytes, memory_order_relaxed);
}

static void give_back(struct broker_grant *grant, uint64_t bytes)
{
    if (bytes == 0)
        return;
    grant_add(grant, 0 - bytes);
    add(&grant->broker->used, 0 - bytes);
    uint64_t asked = load(&grant->asked);
    while (asked > 0 && !atomic_compare_exchange_weak_explicit(
                            &grant->asked, &asked, asked > bytes ? asked - bytes : 0,
                            memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* ---- Finding memory ---- */
/* Asks shrinkers of uses up to `last` until `need` bytes are free. A shrinker is called
 * without the latch; `busy` keeps it in the list meanwhile, and so keeps its `next`
 * good. */
static void reclaim(struct broker *broker, uint64_t need, enum broker_use last)
{
    latch_acquire(&broker->latch);
    for (struct broker_shrinker *s = broker->shrinkers; s; s = s->next) {
        uint64_t bytes = missing(broker, need);
        if (bytes == 0 || s->use > last)
            break;
        if (s->gone)
            continue;
        s->busy++;
        latch_release(&broker->latch);
        uint64_t gave = s->shrink(s->context, bytes);
        add(&broker->shrunk, gave);
        latch_acquire(&broker->latch);
        if (--s->busy == 0)
            cond_broadcast(&broker->idle);
    }
    latch_release(&broker->latch);
}

/* The largest holder that can is asked to give back at its next batch. */
static void ask_largest(struct broker *broker, const struct broker_grant *asker,
                        uint64_t bytes)
{
    struct broker_grant *largest = NULL;
    latch_acquire(&broker->latch);
    for (struct broker_grant *g = broker->grants; g; g = g->next)
        if (g->revocable && g != asker && load(&g->bytes) > 0 &&
            (!largest || load(&g->bytes) > load(&largest->bytes)))
            largest = g;
    if (largest) {
        atomic_store_explicit(&largest->asked, MAX(load(&largest->asked), bytes),
                              memory_order_relaxed);
        add(&broker->asked, 1);
    }
    latch_release(&broker->latch);
}

static kdk_status refuse(struct broker *broker, const struct broker_grant *grant,
                         uint64_t need, struct err *err)
{
    add(&broker->refused, 1);
    ask_largest(broker, grant, missing(broker, need));
    kdk_status status = err_set(
        err, KDK_NOMEM, "out of memory: %s needs %llu bytes more than memory_limit allows",
        grant->name, (unsigned long long)missing(broker, need));
    err_detail(err,
               "memory_limit is %llu bytes, of which %llu are in use; %s has %llu and "
               "wants %llu more",
               (unsigned long long)load(&broker->limit),
               (unsigned long long)load(&broker->used), grant->name,
               (unsigned long long)load(&grant->bytes), (unsigned long long)need);
    err_hint(err, "Raise memory_limit.");
    return status;
}

/* ---- Grants ---- */
kdk_status broker_grant_init(struct broker *broker, struct broker_grant *grant,
                             const char *name, enum broker_use use, bool revocable,
                             uint64_t min, uint64_t wanted, struct err *err)
{
    kdk_status status = KDK_OK;
    *grant = (struct broker_grant){
        .broker = broker,
        .name = name,
        .min = min,
        .wanted = MAX(min, wanted),
        .use = use,
        .revocable = revocable,
    };
    latch_acquire(&broker->latch);
    grant->next = broker->grants;
    if (grant->next)
        grant->next->previous = grant;
    broker->grants = grant;
    latch_release(&broker->latch);

    /* Caches make room for what is wanted, others only for what is needed. */
    if (use != BROKER_CACHE && missing(broker, grant->wanted) > 0)
        reclaim(broker, grant->wanted, BROKER_CACHE);
    uint64_t got = take(broker, min, grant->wanted);
    if (got == 0 && min > 0) {
        reclaim(broker, min, BROKER_USE_COUNT);
        got = take(broker, min, grant->wanted);
        if (got == 0)
            TRY(refuse(broker, grant, min, err));
    }
    grant_add(grant, got);
out:
    return status;
}

void broker_grant_deinit(struct broker_grant *grant)
{
    struct broker *broker = grant->broker;
    if (!broker)
        return;
    give_back(grant, load(&grant->bytes));
    latch_acquire(&broker->latch);
    *(grant->previous ? &grant->previous->next : &broker->grants) = grant->next;
    if (grant->next)
        grant->next->previous = grant->previous;
    latch_release(&broker->latch);
    grant->broker = NULL;
}

bool broker_try_resize(struct broker_grant *grant, uint64_t bytes)
{
    if (!grant->broker) {
        ASSERT(bytes == 0);
        return bytes == 0;
    }
    uint64_t had = load(&grant->bytes);
    if (bytes <= had) {
        give_back(grant, had - bytes);
        return true;
    }
    uint64_t more = bytes - had;
    if (take(grant->broker, more, more) == 0)
        return false;
    grant_add(grant, more);
    return true;
}

kdk_status broker_resize(struct broker_grant *grant, uint64_t bytes, struct err *err)
{
    if (KDK_LIKELY(broker_try_resize(grant, bytes)))
        return KDK_OK;
    if (!grant->broker)
        return err_set(err, KDK_INTERNAL, "memory was wanted without a grant");
    uint64_t more = bytes - load(&grant->bytes);
    reclaim(grant->broker, more, BROKER_USE_COUNT);
    if (broker_try_resize(grant, bytes))
        return KDK_OK;
    return refuse(grant->broker, grant, more, err);
}

void broker_set_limit(struct broker *broker, uint64_t limit_bytes)
{
    atomic_store_explicit(&broker->limit, limit_bytes, memory_order_relaxed);
    if (missing(broker, 0) > 0)
        reclaim(broker, 0, BROKER_USE_COUNT);
}

/* ---- Shrinkers ---- */
void broker_add_shrinker(struct broker *broker, struct broker_shrinker *shrinker)
{
    latch_acquire(&broker->latch);
    struct broker_shrinker **at = &broker->shrinkers;
    while (*at && (*at)->use <= shrinker->use)
        at = &(*at)->next;
    shrinker->next = *at;
    shrinker->busy = 0;
    shrinker->gone = false;
    *at = shrinker;
    latch_release(&broker->latch);
}

void broker_remove_shrinker(struct broker *broker, struct broker_shrinker *shrinker)
{
    latch_acquire(&broker->latch);
    shrinker->gone = true;
    while (shrinker->busy > 0)
        cond_wait(&broker->idle, &broker->latch);
    struct broker_shrinker **at = &broker->shrinkers;
    while (*at != shrinker)
        at = &(*at)->next;
    *at = shrinker->next;
    latch_release(&broker->latch);
}
