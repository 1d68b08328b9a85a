/* sync.c - latches and conditions on the one primitive that waits, os_wait() and os_wake().
 *
 * The latch is Drepper's three-state futex mutex. The reader-writer latch keeps in one word
 * the number of readers, whether a writer has it, and whether somebody sleeps on the word.
 * Two facts keep wakes from getting lost:
 *
 *   - Who sleeps on `word` saw it held and set WAITED with a compare-exchange, so the
 *     holder who frees it later sees WAITED, clears it and wakes all.
 *   - A reader that yields to a waiting writer sleeps on `writers_waiting`, whose every
 *     decrease is followed by a wake of all.
 *
 * The condition's word is a sequence in steps of two; its lowest bit says that somebody may
 * sleep, so that telling nobody costs no system call. It is set under the latch that guards
 * what is waited for, hence whoever changes that under the latch sees it.
 *
 * Sources  U. Drepper, Futexes Are Tricky, 2011.
 */
#include "os/os.h"

#include "os/os_int.h"

/* Rounds of os_spin() before a thread sleeps: some microseconds. A coroutine gains
 * nothing. */
#define SPIN_ROUNDS 100

static int spin_rounds(void)
{
    return os_state()->coroutine ? 1 : SPIN_ROUNDS;
}

/* ---- Ranks ---- */
#ifdef NDEBUG
static void rank_check(uint8_t rank)
{
    (void)rank;
}
static void rank_taken(uint8_t rank)
{
    (void)rank;
}
static void rank_released(uint8_t rank)
{
    (void)rank;
}
void latch_check_sync(void)
{
}
#else
static const bool may_sync[] = {
#define yes                  true
#define no                   false
#define MAY_SYNC(NAME, SYNC) SYNC,
    OS_LATCH_RANKS(MAY_SYNC)
#undef MAY_SYNC
#undef no
#undef yes
};

/* A thread takes only ranks above all that it holds: then no circle of waits can close. */
static void rank_check(uint8_t rank)
{
    if (rank == OS_RANK_NONE)
        return;
    const struct os_state *state = os_state();
    for (size_t held = rank; held < OS_RANK_COUNT; held++)
        ASSERT(state->held[held] == 0);
}

static void rank_taken(uint8_t rank)
{
    os_state()->held[rank]++;
}

static void rank_released(uint8_t rank)
{
    struct os_state *state = os_state();
    ASSERT(state->held[rank] > 0);
    state->held[rank]--;
}

void latch_check_sync(void)
{
    const struct os_state *state = os_state();
    for (size_t rank = 0; rank < OS_RANK_COUNT; rank++)
        if (!may_sync[rank])
            ASSERT(state->held[rank] == 0);
}
#endif

/* Lets the simulator run others just before a latch is taken, held by nobody or not. */
static void about_to_acquire(uint8_t rank)
{
    rank_check(rank);
    struct os_state *state = os_state();
    if (KDK_UNLIKELY(state->coroutine != NULL))
        sim_maybe_switch(state->coroutine);
}

/* Around waits: for the report of a deadlock. */
static void note_where(void *where)
{
    os_state()->where = where;
}

/* ---- Latch ---- */
enum { LATCH_FREE, LATCH_TAKEN, LATCH_WAITED };

void latch_init(struct latch *latch, enum os_rank rank)
{
    atomic_init(&latch->word, LATCH_FREE);
    latch->rank = (uint8_t)rank;
}

bool latch_try(struct latch *latch)
{
    uint32_t free = LATCH_FREE;
    if (!atomic_compare_exchange_strong_explicit(
            &latch->word, &free, LATCH_TAKEN, memory_order_acquire, memory_order_relaxed))
        return false;
    rank_taken(latch->rank);
    return true;
}

void latch_acquire(struct latch *latch)
{
    about_to_acquire(latch->rank);
    if (KDK_LIKELY(latch_try(latch)))
        return;
    for (int i = spin_rounds(); i > 0; i--) {
        os_spin();
        if (atomic_load_explicit(&latch->word, memory_order_relaxed) == LATCH_FREE &&
            latch_try(latch))
            return;
    }
    note_where(__builtin_return_address(0));
    while (atomic_exchange_explicit(&latch->word, LATCH_WAITED, memory_order_acquire) !=
           LATCH_FREE)
        os_wait(&latch->word, LATCH_WAITED, OS_FOREVER);
    note_where(NULL);
    rank_taken(latch->rank);
}

void latch_release(struct latch *latch)
{
    rank_released(latch->rank);
    uint32_t was = atomic_exchange_explicit(&latch->word, LATCH_FREE, memory_order_release);
    ASSERT(was != LATCH_FREE);
    if (was == LATCH_WAITED)
        os_wake(&latch->word, 1);
}

/* ---- Reader-writer latch ---- */
#define RW_WRITER 0x80000000u
#define RW_WAITED 0x40000000u
#define RW_HELD   (~RW_WAITED) /* Any of these bits: somebody has it. */

void rwlatch_init(struct rwlatch *latch, enum os_rank rank)
{
    atomic_init(&latch->word, 0);
    atomic_init(&latch->writers_waiting, 0);
    latch->rank = (uint8_t)rank;
}

/* Sleeps until `word` may have changed from `seen`, in which it is held. */
static void rw_sleep(struct rwlatch *latch, uint32_t seen)
{
    if (!(seen & RW_WAITED) && !atomic_compare_exchange_strong_explicit(
                                   &latch->word, &seen, seen | RW_WAITED,
                                   memory_order_relaxed, memory_order_relaxed))
        return;
    os_wait(&latch->word, seen | RW_WAITED, OS_FOREVER);
}

void rwlatch_read(struct rwlatch *latch)
{
    about_to_acquire(latch->rank);
    int rounds = spin_rounds();
    for (;;) {
        uint32_t word = atomic_load_explicit(&latch->word, memory_order_relaxed);
        uint32_t writers =
            atomic_load_explicit(&latch->writers_waiting, memory_order_relaxed);
        if (!(word & RW_WRITER) && writers == 0) {
            if (atomic_compare_exchange_weak_explicit(&latch->word, &word, word + 1,
                                                      memory_order_acquire,
                                                      memory_order_relaxed))
                break;
        } else if (rounds > 0) {
            rounds--;
            os_spin();
        } else {
            note_where(__builtin_return_address(0));
            if (word & RW_WRITER)
                rw_sleep(latch, word);
            else
                os_wait(&latch->writers_waiting, writers, OS_FOREVER);
            note_where(NULL);
        }
    }
    rank_taken(latch->rank);
}

void rwlatch_read_done(struct rwlatch *latch)
{
    rank_released(latch->rank);
    uint32_t word = atomic_fetch_sub_explicit(&latch->word, 1, memory_order_release) - 1;
    ASSERT(!(word & RW_WRITER));
    /* Whoever takes it before this exchange takes over the duty to wake, with the bit. */
    if (word == RW_WAITED &&
        atomic_compare_exchange_strong_explicit(&latch->word, &word, 0,
                                                memory_order_relaxed, memory_order_relaxed))
        os_wake(&latch->word, UINT32_MAX);
}

static bool rw_try_write(struct rwlatch *latch, uint32_t word)
{
    return !(word & RW_HELD) && atomic_compare_exchange_strong_explicit(
                                    &latch->word, &word, word | RW_WRITER,
                                    memory_order_acquire, memory_order_relaxed);
}

void rwlatch_write(struct rwlatch *latch)
{
    about_to_acquire(latch->rank);
    if (!rw_try_write(latch, atomic_load_explicit(&latch->word, memory_order_relaxed))) {
        int rounds = spin_rounds();
        atomic_fetch_add_explicit(&latch->writers_waiting, 1, memory_order_relaxed);
        for (;;) {
            uint32_t word = atomic_load_explicit(&latch->word, memory_order_relaxed);
            if (rw_try_write(latch, word))
                break;
            if (rounds > 0) {
                rounds--;
                os_spin();
            } else if (word & RW_HELD) {
                note_where(__builtin_return_address(0));
                rw_sleep(latch, word);
                note_where(NULL);
            }
        }
        atomic_fetch_sub_explicit(&latch->writers_waiting, 1, memory_order_relaxed);
        os_wake(&latch->writers_waiting, UINT32_MAX);
    }
    rank_taken(latch->rank);
}

void rwlatch_write_done(struct rwlatch *latch)
{
    rank_released(latch->rank);
    uint32_t was = atomic_exchange_explicit(&latch->word, 0, memory_order_release);
    ASSERT(was & RW_WRITER);
    if (was & RW_WAITED)
        os_wake(&latch->word, UINT32_MAX);
}

/* ---- Condition ---- */
#define COND_WAITED 1u

static bool wait_on(struct cond *cond, struct latch *latch, uint64_t timeout_ns,
                    void *where)
{
    uint32_t seen = COND_WAITED | atomic_fetch_or_explicit(&cond->sequence, COND_WAITED,
                                                           memory_order_relaxed);
    latch_release(latch);
    note_where(where);
    bool woken = os_wait(&cond->sequence, seen, timeout_ns);
    note_where(NULL);
    latch_acquire(latch);
    return woken;
}

bool cond_wait_ns(struct cond *cond, struct latch *latch, uint64_t timeout_ns)
{
    return wait_on(cond, latch, timeout_ns, __builtin_return_address(0));
}

void cond_wait(struct cond *cond, struct latch *latch)
{
    wait_on(cond, latch, OS_FOREVER, __builtin_return_address(0));
}

/* The bit stays: others may still sleep. */
void cond_signal(struct cond *cond)
{
    if (!(atomic_load_explicit(&cond->sequence, memory_order_relaxed) & COND_WAITED))
        return;
    atomic_fetch_add_explicit(&cond->sequence, 2, memory_order_relaxed);
    os_wake(&cond->sequence, 1);
}

void cond_broadcast(struct cond *cond)
{
    uint32_t seen = atomic_load_explicit(&cond->sequence, memory_order_relaxed);
    do {
        if (!(seen & COND_WAITED))
            return;
    } while (!atomic_compare_exchange_weak_explicit(
        &cond->sequence, &seen, seen + 1, memory_order_relaxed, memory_order_relaxed));
    os_wake(&cond->sequence, UINT32_MAX);
}
