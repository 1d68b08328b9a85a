/* chore.c - see chore.h. One word says whether the thread was asked (ASKED) and whether it
 * is to end (STOP); it sleeps on it. */
#include "task/chore.h"

#include "base/mem.h"

enum { ASKED = 1, STOP = 2 };

struct chore {
    struct os *os;
    chore_fn run;
    void *context;
    struct os_thread *thread;
    /* Read-modify-write only: what was done before asking is seen by the run. */
    _Atomic uint32_t word;
};

static void chore_main(void *context)
{
    struct chore *chore = context;
    uint64_t due = OS_FOREVER;
    for (;;) {
        const uint32_t word =
            atomic_fetch_and_explicit(&chore->word, ~(uint32_t)ASKED, memory_order_acq_rel);
        if (word & STOP)
            return;
        const uint64_t now = os_now_ns(chore->os);
        if (!(word & ASKED) && now < due) { /* Asleep, or woken early. */
            os_wait(&chore->word, 0, due == OS_FOREVER ? OS_FOREVER : due - now);
            continue;
        }
        const uint64_t pause = chore->run(chore->context);
        due = pause == OS_FOREVER ? OS_FOREVER : os_now_ns(chore->os) + pause;
    }
}

kdk_status chore_new(struct os *os, const char *name, chore_fn run, void *context,
                     struct chore **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct chore *chore = MEM_NEW(struct chore);
    TRY_MEM(chore);
    chore->os = os;
    chore->run = run;
    chore->context = context;
    atomic_init(&chore->word, 0);
    TRY(os_thread_new(os, name, chore_main, chore, &chore->thread, err));
    *out = chore;
    chore = NULL;
out:
    mem_free(chore);
    return status;
}

void chore_ask(struct chore *chore)
{
    if (!(atomic_fetch_or_explicit(&chore->word, ASKED, memory_order_acq_rel) & ASKED))
        os_wake(&chore->word, 1);
}

void chore_free(struct chore *chore)
{
    if (!chore)
        return;
    atomic_fetch_or_explicit(&chore->word, STOP, memory_order_acq_rel);
    os_wake(&chore->word, 1);
    os_thread_join(chore->thread);
    mem_free(chore);
}
