/* broker.h - who may use how much memory: one limit for hot rows, caches and operators
 * together.
 *
 * Nobody is stopped from allocating; whoever holds more than a little asks the broker first
 * and lives with the answer: spill, shrink, or end with KDK_NOMEM naming memory_limit. A
 * grant is a number of bytes that its holder may use; the sum of grants never passes the
 * limit (B1).
 *
 * When a request does not fit, shrinkers are asked in order (caches, then background work).
 * If that does not do, the largest revocable operator is asked to give back: it looks at
 * broker_asked() at its next batch boundary. The request itself does not wait for that; it
 * gets NOMEM.
 *
 * Threads   A grant is resized by one thread at a time; everything else is thread-safe.
 *           Growing may call shrinkers, so it is done holding no latch of rank CACHE or
 *           higher; broker_try_resize() and giving back call nobody.
 */
#ifndef KDK_TASK_BROKER_H
#define KDK_TASK_BROKER_H

#include "os/os.h"

/* What memory is for: X(NAME, text). */
#define BROKER_USES(X)                                                                     \
    X(CACHE, "cache")                                                                      \
    X(BACKGROUND, "background")                                                            \
    X(OPERATOR, "operator")                                                                \
    X(ROWS, "rows")     /* Hot rows and their indexes, not yet on disk. */                 \
    X(RESULT, "result") /* What clients hold. */                                           \
    X(OTHER, "other")
enum broker_use {
#define BROKER_USE(NAME, TEXT) BROKER_##NAME,
    BROKER_USES(BROKER_USE)
#undef BROKER_USE
        BROKER_USE_COUNT
};
const char *broker_use_name(enum broker_use use);

struct broker;

struct broker_grant {
    /* NULL: no grant; resizing to anything but 0 is then an error of ours. */
    struct broker *broker;
    const char *name;                     /* Borrowed; for messages and views. */
    uint64_t min, wanted;                 /* Immutable. */
    _Atomic uint64_t bytes;               /* Granted now. Written by the holder. */
    _Atomic uint64_t asked;               /* Bytes it should give back. */
    enum broker_use use;                  /* Immutable. */
    bool revocable;                       /* Immutable. */
    struct broker_grant *next, *previous; /* Under the broker's latch. */
};

/* Something that can give memory back at once. `shrink` frees up to about `bytes` by
 * resizing its own grant and tells how much it gave. Called on the thread that needs
 * memory. */
struct broker_shrinker {
    uint64_t (*shrink)(void *context, uint64_t bytes);
    void *context;
    /* Caches are asked before background work, that before all others. */
    enum broker_use use;
    /* The broker's. */
    struct broker_shrinker *next;
    uint32_t busy;
    bool gone;
};

struct broker_stats {
    uint64_t limit, used, peak;
    uint64_t by_use[BROKER_USE_COUNT];
    uint64_t refused; /* Requests that got NOMEM. */
    uint64_t shrunk;  /* Bytes that shrinkers gave. */
    uint64_t asked;   /* Times that an operator was asked to give back. */
};

struct broker {
    struct latch latch; /* LEAF */
    struct cond idle;   /* A shrinker is no longer busy. */
    _Atomic uint64_t limit, used, peak, refused, shrunk, asked;
    _Atomic uint64_t by_use[BROKER_USE_COUNT];
    struct broker_grant *grants; /* Under `latch`. */
    /* Under `latch`, in the order in which they are asked. */
    struct broker_shrinker *shrinkers;
};

void broker_init(struct broker *broker, uint64_t limit_bytes); /* UINT64_MAX: no limit. */
void broker_deinit(struct broker *broker); /* No grant or shrinker is left. */
/* Above the new limit nothing grows; what is used is shrunk as far as shrinkers go. */
void broker_set_limit(struct broker *broker, uint64_t limit_bytes);
void broker_stats(struct broker *broker, struct broker_stats *out);

void broker_add_shrinker(struct broker *broker, struct broker_shrinker *shrinker);
/* Waits until it is not being called. */
void broker_remove_shrinker(struct broker *broker, struct broker_shrinker *shrinker);

/* Grants as much of `wanted` as is free, but at least `min` (which may be 0); else NOMEM
 * and an empty grant, which may be deinited. A `revocable` holder promises to look at
 * broker_asked(). */
kdk_status broker_grant_init(struct broker *broker, struct broker_grant *grant,
                             const char *name, enum broker_use use, bool revocable,
                             uint64_t min, uint64_t wanted, struct err *err) KDK_MUST_CHECK;
/* Gives all back. Accepts a zeroed one. */
void broker_grant_deinit(struct broker_grant *grant);
/* Makes the grant `bytes`. Growing can fail with NOMEM, then it stays as it was. */
kdk_status broker_resize(struct broker_grant *grant, uint64_t bytes,
                         struct err *err) KDK_MUST_CHECK;
/* As broker_resize(), but calls no shrinker and no message is made: for caches. */
bool broker_try_resize(struct broker_grant *grant, uint64_t bytes);
static inline uint64_t broker_granted(const struct broker_grant *grant)
{
    return atomic_load_explicit(&grant->bytes, memory_order_relaxed);
}
/* Bytes that others would like back; 0 when nobody asks. Cleared when that much was
 * given. */
static inline uint64_t broker_asked(const struct broker_grant *grant)
{
    return atomic_load_explicit(&grant->asked, memory_order_relaxed);
}

#endif
