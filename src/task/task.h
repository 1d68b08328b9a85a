/* task.h - resumable tasks and the scheduler that runs them.
 *
 * A statement's work is cut into tasks; each runs for about a millisecond and says whether
 * there is more. So two statements share the cores fairly without being preempted, a short
 * statement never waits for a long one, and background work (freezing, merging,
 * checkpoints) takes what is left. The one who waits for a group of tasks works on that
 * group himself: with no workers at all, or with one thread allowed, everything runs on the
 * caller and nothing switches.
 *
 * Invariants
 *   S1  A task runs on at most one thread at a time, and everything its last run did is
 *       seen by the next.
 *   S2  While a group lives, no two threads that run its tasks (or those of groups waited
 *       for inside them) have the same worker index.
 *   S3  task_group_wait() returns only when every task of the group is done; after that
 *       neither the group nor its tasks are touched.
 *   S4  Groups of equal priority take turns, one run each.
 *
 * Order     Priorities are served strictly, but every 16th pick begins with TASK_NORMAL and
 *           every 64th with TASK_BACKGROUND, so that nothing starves.
 * Threads   Every function may be called from any thread, also from inside a task.
 * Waiting   Who finds nothing to do spins for up to 50 us while statements run, then
 *           sleeps; nobody spins when the database is idle.
 */
#ifndef KDK_TASK_TASK_H
#define KDK_TASK_TASK_H

#include "os/os.h"

struct sched;
struct task;
struct task_group;

enum task_result {
    TASK_MORE,    /* Run it again, in its turn. */
    TASK_BLOCKED, /* Run it again after task_unblock(). */
    TASK_DONE     /* Not to be touched again. */
};

enum task_priority {
    TASK_SHORT,      /* Point statements: milliseconds in all. */
    TASK_NORMAL,     /* Analysis. */
    TASK_BACKGROUND, /* What no statement waits for. */
    TASK_PRIORITIES
};

/* `worker` < sched_worker_count() is the index of whoever runs it, for per-worker state. */
typedef enum task_result (*task_fn)(struct task *task, uint32_t worker);

/* Owned by the caller, who fills the first two; alive until its group was waited for. */
struct task {
    task_fn run;
    void *context;
    /* The scheduler's, under its latch. */
    struct task_group *group;
    struct task *next, *previous; /* In its group's ready or blocked list. */
    uint64_t started_ns;          /* Of the current run; owner of the run only. */
    uint8_t state;
    bool unblocked; /* task_unblock() came while it ran. */
    bool final;     /* The current run began after the group was cancelled. */
};

/* Tasks that are waited for, cancelled and failed together. Owned by the caller. */
struct task_group {
    struct sched *sched;               /* Immutable. */
    const _Atomic uint32_t *interrupt; /* Immutable. */
    enum task_priority priority;       /* Immutable. */
    uint32_t threads_max;              /* Immutable. */
    /* Who waits calls it every 10 ms, holding nothing, while others work. Set before the
     * wait; NULL: not. */
    void (*tick)(void *context);
    void *tick_context;
    _Atomic uint32_t cancelled;
    _Atomic uint32_t ready_count; /* Of `ready`; written under the latch. */
    _Atomic uint32_t outstanding; /* Tasks not done; written under the latch. */
    /* Under the scheduler's latch. */
    uint32_t running;
    bool queued, waited, parked; /* In the scheduler's queue; somebody waits; he sleeps. */
    struct task *ready_first, *ready_last, *blocked;
    struct task_group *next;
    struct cond changed;
    struct err err; /* The first failure. */
};

/* Starts `workers` threads, 0 and more. The caller of task_group_wait() is one more pair of
 * hands, so a setting threads = n means n - 1 workers. Errors: NOMEM, IO. */
kdk_status sched_new(struct os *os, uint32_t workers, struct sched **out,
                     struct err *err) KDK_MUST_CHECK;
/* All groups have been waited for. Accepts NULL. */
void sched_free(struct sched *sched);
/* Worker indexes are 0 (the waiting caller) to this minus one. */
uint32_t sched_worker_count(const struct sched *sched);

/* `threads_max` bounds how many threads run the group's tasks at once; 1: only the one that
 * waits; 0: no bound. `interrupt` may be NULL: a word that becomes nonzero to cancel the
 * group, which may be set without any latch (from a signal handler); it is looked at by
 * task_group_cancelled(), and every 10 ms by who waits. */
void task_group_init(struct task_group *group, struct sched *sched,
                     enum task_priority priority, uint32_t threads_max,
                     const _Atomic uint32_t *interrupt);
/* Hands the task over. Cannot fail. */
void task_submit(struct task_group *group, struct task *task);
/* Makes a task that returned TASK_BLOCKED, or is about to, ready again. Further calls
 * before it runs do nothing; nor does it once the task is done, as long as its group has
 * not been waited for. */
void task_unblock(struct task *task);
/* Cancels: each task of the group that is not done is run once more, sees
 * task_group_cancelled(), and is done after that whatever it returns; blocked ones too. The
 * group's status becomes KDK_INTERRUPTED unless it has failed already. */
void task_group_cancel(struct task_group *group);
/* Keeps the status and (if not NULL) the text, if it is the first failure, and cancels. */
void task_group_fail(struct task_group *group, kdk_status status, const struct err *err);
/* Cheap; tasks ask once per batch. */
bool task_group_cancelled(const struct task_group *group);
/* Runs the group's tasks on the calling thread, then waits for those that run elsewhere.
 * One waiter per group. KDK_OK, or the first failure, copied to err. The group may be used
 * again, unless it failed. */
kdk_status task_group_wait(struct task_group *group, struct err *err) KDK_MUST_CHECK;

/* Whether the current run of the task has lasted long enough: a millisecond, or at once
 * when something of higher priority waits, or the group is cancelled. Ask once per
 * batch. */
bool task_should_yield(const struct task *task);

/* For views: threads, groups that have ready tasks, runs since the start. */
struct sched_stats {
    uint32_t workers, groups_ready, parked;
    uint64_t runs;
};
void sched_stats(struct sched *sched, struct sched_stats *out);

#endif
