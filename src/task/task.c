/* task.c - see task.h.
 *
 * One latch guards all queues. A run lasts about a millisecond and takes the latch twice,
 * so even with dozens of workers it is held for a small part of the time; queues per worker
 * with stealing would give up the strict turns for nothing.
 *
 * A group stands in the queue of its priority exactly while a worker may take a task from
 * it: it has a ready task, is allowed more than its waiter, and fewer than `threads_max` of
 * its tasks run. settle() restores that after each change.
 */
#include "task/task.h"

#include <stdio.h>

#include "base/mem.h"

#define SLICE_NS        1000000
#define SPIN_NS         50000
#define INTERRUPT_NS    10000000
#define NORMAL_TURN     16
#define BACKGROUND_TURN 64

enum { STATE_READY, STATE_RUNNING, STATE_BLOCKED, STATE_ENDED };

struct worker {
    struct sched *sched;
    struct os_thread *thread;
    uint32_t index;
};

struct sched {
    struct os *os;         /* Immutable, as is worker_count. */
    uint32_t worker_count; /* Threads; indexes are one more. */
    struct latch latch;
    /* Under `latch`. */
    struct cond work;
    struct task_group *first[TASK_PRIORITIES], *last[TASK_PRIORITIES];
    uint32_t parked;
    uint64_t picks, runs;
    bool stop;
    /* Written under `latch`, read by those who spin or ask whether to yield. */
    _Atomic uint32_t queued[TASK_PRIORITIES]; /* Groups in the queue. */
    _Atomic uint32_t statements; /* Groups with tasks, background ones not counted. */
    struct worker workers[];
};

static uint32_t load(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Under the latch: no two threads write. */
static void add(_Atomic uint32_t *word, uint32_t n)
{
    atomic_store_explicit(word, load(word) + n, memory_order_relaxed);
}

/* ---- Queues. All under the latch. ---- */
static bool may_queue(const struct task_group *group)
{
    return group->ready_first && group->threads_max != 1 &&
           (group->threads_max == 0 || group->running < group->threads_max);
}

static void enqueue(struct task_group *group)
{
    struct sched *sched = group->sched;
    enum task_priority p = group->priority;
    group->queued = true;
    group->next = NULL;
    *(sched->last[p] ? &sched->last[p]->next : &sched->first[p]) = group;
    sched->last[p] = group;
    add(&sched->queued[p], 1);
}

static void dequeue(struct task_group *group)
{
    struct sched *sched = group->sched;
    enum task_priority p = group->priority;
    struct task_group *previous = NULL;
    group->queued = false;
    for (struct task_group *g = sched->first[p]; g != group; g = g->next)
        previous = g;
    *(previous ? &previous->next : &sched->first[p]) = group->next;
    if (sched->last[p] == group)
        sched->last[p] = previous;
    add(&sched->queued[p], (uint32_t)-1);
}

static void settle(struct task_group *group)
{
    bool wanted = may_queue(group);
    if (wanted && !group->queued)
        enqueue(group);
    else if (!wanted && group->queued)
        dequeue(group);
}

static void make_ready(struct task *task)
{
    struct task_group *group = task->group;
    task->state = STATE_READY;
    task->unblocked = false;
    task->next = NULL;
    task->previous = group->ready_last;
    *(group->ready_last ? &group->ready_last->next : &group->ready_first) = task;
    group->ready_last = task;
    add(&group->ready_count, 1);
}

static struct task *take_ready(struct task_group *group)
{
    struct task *task = group->ready_first;
    group->ready_first = task->next;
    *(task->next ? &task->next->previous : &group->ready_last) = NULL;
    add(&group->ready_count, (uint32_t)-1);
    return task;
}

static void block(struct task *task)
{
    struct task_group *group = task->group;
    task->state = STATE_BLOCKED;
    task->previous = NULL;
    task->next = group->blocked;
    if (group->blocked)
        group->blocked->previous = task;
    group->blocked = task;
}

static void unblock(struct task *task)
{
    *(task->previous ? &task->previous->next : &task->group->blocked) = task->next;
    if (task->next)
        task->next->previous = task->previous;
    make_ready(task);
}

/* After tasks became ready, or the last one ended. */
static void tell(struct task_group *group)
{
    if (group->parked)
        cond_broadcast(&group->changed);
    if (group->queued && group->sched->parked > 0)
        cond_signal(&group->sched->work);
}

/* ---- Running ---- */
/* Runs one ready task of the group. The latch is held at both ends, not meanwhile; at the
 * end the group may be touched by its waiter only. */
static void run_one(struct task_group *group, uint32_t index)
{
    struct sched *sched = group->sched;
    struct task *task = take_ready(group);
    task->state = STATE_RUNNING;
    task->final = load(&group->cancelled);
    group->running++;
    sched->runs++;
    settle(group);
    if (group->queued && sched->parked > 0)
        cond_signal(&sched->work);
    latch_release(&sched->latch);

    task->started_ns = os_now_ns(sched->os);
    enum task_result result = task->run(task, index);

    latch_acquire(&sched->latch);
    group->running--;
    bool cancelled = load(&group->cancelled);
    if (task->final)
        result = TASK_DONE;
    switch (result) {
    case TASK_MORE:
        make_ready(task);
        break;
    case TASK_BLOCKED:
        if (task->unblocked || cancelled)
            make_ready(task);
        else
            block(task);
        break;
    case TASK_DONE:
        task->state = STATE_ENDED;
        add(&group->outstanding, (uint32_t)-1);
        if (load(&group->outstanding) == 0 && group->priority != TASK_BACKGROUND)
            add(&sched->statements, (uint32_t)-1);
        break;
    }
    settle(group);
    tell(group);
}

static struct task_group *pick(struct sched *sched)
{
    uint64_t turn = ++sched->picks;
    unsigned begin = turn % BACKGROUND_TURN == 0 ? TASK_BACKGROUND
                     : turn % NORMAL_TURN == 0   ? TASK_NORMAL
                                                 : TASK_SHORT;
    for (unsigned i = 0; i < TASK_PRIORITIES; i++) {
        struct task_group *group = sched->first[(begin + i) % TASK_PRIORITIES];
        if (group)
            return group;
    }
    return NULL;
}

static bool anything_queued(const struct sched *sched)
{
    for (size_t p = 0; p < TASK_PRIORITIES; p++)
        if (load(&sched->queued[p]))
            return true;
    return false;
}

/* While statements run, the next pipeline is often microseconds away, a wake from sleep
 * tens of them. True when there is something to do. */
static bool spin_for_work(const struct sched *sched)
{
    uint64_t until = os_now_ns(sched->os) + SPIN_NS;
    while (load(&sched->statements) > 0) {
        if (anything_queued(sched))
            return true;
        os_spin();
        if (os_now_ns(sched->os) >= until)
            break;
    }
    return false;
}

static void worker_main(void *context)
{
    struct worker *worker = context;
    struct sched *sched = worker->sched;
    *os_local(OS_LOCAL_WORKER) = worker;
    latch_acquire(&sched->latch);
    while (!sched->stop) {
        struct task_group *group = pick(sched);
        if (group) {
            dequeue(
                group); /* To the end of the line: the others' turn comes before its next task. */
            run_one(group, worker->index);
            continue;
        }
        latch_release(&sched->latch);
        bool found = spin_for_work(sched);
        latch_acquire(&sched->latch);
        if (found || sched->stop || anything_queued(sched))
            continue;
        sched->parked++;
        cond_wait(&sched->work, &sched->latch);
        sched->parked--;
    }
    latch_release(&sched->latch);
}

kdk_status sched_new(struct os *os, uint32_t workers, struct sched **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sched *sched =
        mem_zalloc(size_add(sizeof *sched, size_mul(workers, sizeof sched->workers[0])));
    TRY_MEM(sched);
    sched->os = os;
    latch_init(&sched->latch, OS_RANK_TASK);
    for (uint32_t i = 0; i < workers; i++) {
        struct worker *worker = &sched->workers[i];
        char name[24];
        snprintf(name, sizeof name, "kdk-worker-%u", i + 1);
        worker->sched = sched;
        worker->index = i + 1;
        TRY(os_thread_new(os, name, worker_main, worker, &worker->thread, err));
        sched->worker_count = i + 1;
    }
    *out = sched;
    sched = NULL;
out:
    if (status != KDK_OK)
        err_while(err, "starting %u worker threads", workers);
    sched_free(sched);
    return status;
}

void sched_free(struct sched *sched)
{
    if (!sched)
        return;
    latch_acquire(&sched->latch);
    ASSERT(!anything_queued(sched));
    sched->stop = true;
    cond_broadcast(&sched->work);
    latch_release(&sched->latch);
    for (uint32_t i = 0; i < sched->worker_count; i++)
        os_thread_join(sched->workers[i].thread);
    mem_free(sched);
}

uint32_t sched_worker_count(const struct sched *sched)
{
    return sched->worker_count + 1;
}

void sched_stats(struct sched *sched, struct sched_stats *out)
{
    latch_acquire(&sched->latch);
    *out = (struct sched_stats){
        .workers = sched->worker_count, .parked = sched->parked, .runs = sched->runs};
    for (size_t p = 0; p < TASK_PRIORITIES; p++)
        out->groups_ready += load(&sched->queued[p]);
    latch_release(&sched->latch);
}

/* ---- Groups ---- */
void task_group_init(struct task_group *group, struct sched *sched,
                     enum task_priority priority, uint32_t threads_max,
                     const _Atomic uint32_t *interrupt)
{
    *group = (struct task_group){
        .sched = sched,
        .priority = priority,
        .threads_max = threads_max,
        .interrupt = interrupt,
    };
}

void task_submit(struct task_group *group, struct task *task)
{
    struct sched *sched = group->sched;
    latch_acquire(&sched->latch);
    task->group = group;
    if (load(&group->outstanding) == 0 && group->priority != TASK_BACKGROUND)
        add(&sched->statements, 1);
    add(&group->outstanding, 1);
    make_ready(task);
    settle(group);
    tell(group);
    latch_release(&sched->latch);
}

void task_unblock(struct task *task)
{
    struct task_group *group = task->group;
    struct sched *sched = group->sched;
    latch_acquire(&sched->latch);
    if (task->state == STATE_BLOCKED) {
        unblock(task);
        settle(group);
        tell(group);
    } else if (task->state == STATE_RUNNING) {
        task->unblocked = true;
    }
    latch_release(&sched->latch);
}

/* Under the latch. */
static void cancel(struct task_group *group, kdk_status status, const struct err *err)
{
    if (group->err.status == KDK_OK) {
        if (status == KDK_INTERRUPTED && !err)
            err_set(&group->err, status, "canceling statement due to user request");
        else if (err && err->status == status)
            group->err = *err;
        else
            err_set(&group->err, status, "%s", status_text(status));
    }
    atomic_store_explicit(&group->cancelled, 1, memory_order_relaxed);
    while (group->blocked)
        unblock(group->blocked);
    settle(group);
    tell(group);
}

void task_group_cancel(struct task_group *group)
{
    task_group_fail(group, KDK_INTERRUPTED, NULL);
}

void task_group_fail(struct task_group *group, kdk_status status, const struct err *err)
{
    ASSERT(status != KDK_OK);
    latch_acquire(&group->sched->latch);
    cancel(group, status, err);
    latch_release(&group->sched->latch);
}

static bool interrupted(const struct task_group *group)
{
    return group->interrupt && load(group->interrupt);
}

bool task_group_cancelled(const struct task_group *group)
{
    return load(&group->cancelled) || interrupted(group);
}

/* Whether the waiter has something to do: a hint, asked without the latch. */
static bool waiter_wanted(const struct task_group *group)
{
    return load(&group->ready_count) > 0 || load(&group->outstanding) == 0;
}

kdk_status task_group_wait(struct task_group *group, struct err *err)
{
    struct sched *sched = group->sched;
    const struct worker *worker = *os_local(OS_LOCAL_WORKER);
    uint32_t index = worker && worker->sched == sched ? worker->index : 0;
    bool spun = false;

    latch_acquire(&sched->latch);
    ASSERT(!group->waited); /* Two of them would share an index. */
    group->waited = true;
    for (;;) {
        if (interrupted(group) && !load(&group->cancelled))
            cancel(group, KDK_INTERRUPTED, NULL);
        if (group->ready_first &&
            (group->threads_max == 0 || group->running < group->threads_max)) {
            run_one(group, index);
            spun = false;
        } else if (load(&group->outstanding) == 0) {
            break;
        } else if (!spun) {
            spun = true;
            latch_release(&sched->latch);
            for (uint64_t until = os_now_ns(sched->os) + SPIN_NS;
                 !waiter_wanted(group) && os_now_ns(sched->os) < until;)
                os_spin();
            latch_acquire(&sched->latch);
        } else {
            group->parked = true;
            cond_wait_ns(&group->changed, &sched->latch,
                         group->interrupt || group->tick ? INTERRUPT_NS : OS_FOREVER);
            group->parked = false;
            if (group->tick) {
                latch_release(&sched->latch);
                group->tick(group->tick_context);
                latch_acquire(&sched->latch);
            }
        }
    }
    group->waited = false;
    kdk_status status = group->err.status;
    if (status != KDK_OK && err)
        *err = group->err;
    latch_release(&sched->latch);
    return status;
}

bool task_should_yield(const struct task *task)
{
    const struct task_group *group = task->group;
    const struct sched *sched = group->sched;
    if (task_group_cancelled(group))
        return true;
    for (unsigned p = 0; p < group->priority; p++)
        if (load(&sched->queued[p]))
            return true;
    return os_now_ns(sched->os) - task->started_ns >= SLICE_NS;
}
