/* task_test.c - the scheduler and the broker, with real threads (also in the tsan build)
 * and under the simulator over many seeds. */
#include "check.h"

#include "base/hash.h"
#include "base/mem.h"
#include "os/sim.h"
#include "task/broker.h"
#include "task/chore.h"
#include "task/task.h"

enum { TASKS = 40, STEPS = 20, THREADS_MAX = 5 };

struct step {
    struct task task;
    struct job *job;
    int left;
    bool running;
    bool block; /* Returns TASK_BLOCKED at each step; the next task unblocks it. */
    _Atomic bool blocked;
};

struct job {
    struct sched *sched;
    struct task_group group;
    struct step steps[TASKS];
    uint64_t by_worker[THREADS_MAX]; /* Each written by the worker with that index alone. */
    bool busy[THREADS_MAX];
    uint64_t order; /* With one thread: the order in which tasks ran. */
    uint32_t threads;
    int fail_at;
    _Atomic int ran, seen_cancelled;
    _Atomic int at_once, at_once_max;
};

static enum task_result take_step(struct task *task, uint32_t worker)
{
    struct step *step = task->context;
    struct job *job = step->job;
    CHECK(worker < job->threads);
    CHECK(!step->running);
    CHECK(!job->busy[worker]);
    step->running = job->busy[worker] = true;
    int now = atomic_fetch_add(&job->at_once, 1) + 1, max = atomic_load(&job->at_once_max);
    while (now > max && !atomic_compare_exchange_weak(&job->at_once_max, &max, now)) {
    }
    job->by_worker[worker]++;
    if (job->threads == 1)
        job->order = hash_combine(job->order, (uint64_t)(step - job->steps));
    if (step->left % 5 == 0)
        os_yield();
    int ran = atomic_fetch_add(&job->ran, 1) + 1;
    if (ran == job->fail_at) {
        struct err err = {0};
        err_set(&err, KDK_DIVISION_BY_ZERO, "at step %d", ran);
        task_group_fail(&job->group, KDK_DIVISION_BY_ZERO, &err);
        task_group_fail(&job->group, KDK_IO, NULL); /* Not the first. */
    }
    if (task_group_cancelled(&job->group))
        atomic_fetch_add(&job->seen_cancelled, 1);
    enum task_result result = --step->left > 0 ? TASK_MORE : TASK_DONE;
    atomic_fetch_sub(&job->at_once, 1);
    step->running = job->busy[worker] = false;
    return result;
}

static void job_init(struct job *job, struct sched *sched, enum task_priority priority,
                     uint32_t threads_max)
{
    memset(job, 0, sizeof *job);
    job->sched = sched;
    job->threads = sched_worker_count(sched);
    task_group_init(&job->group, sched, priority, threads_max, NULL);
    for (int i = 0; i < TASKS; i++) {
        job->steps[i].task.run = take_step;
        job->steps[i].task.context = &job->steps[i];
        job->steps[i].job = job;
        job->steps[i].left = STEPS;
    }
}

static void job_submit(struct job *job)
{
    for (int i = 0; i < TASKS; i++)
        task_submit(&job->group, &job->steps[i].task);
}

static void check_all_ran(const struct job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->threads; i++)
        sum += job->by_worker[i];
    CHECK_EQ(sum, TASKS * STEPS);
}

/* ---- The same scenarios on real threads and in the simulator ---- */
static void everything_runs(struct os *os, uint32_t workers)
{
    struct err err = {0};
    struct sched *sched = NULL;
    if (!CHECK_EQ(sched_new(os, workers, &sched, &err), KDK_OK))
        return;
    CHECK_EQ(sched_worker_count(sched), workers + 1);
    struct job *jobs = MEM_ARRAY(struct job, 3);
    for (int round = 0; round < 2; round++) {
        job_init(&jobs[0], sched, TASK_SHORT, 0);
        job_init(&jobs[1], sched, TASK_NORMAL, 2);
        job_init(&jobs[2], sched, TASK_BACKGROUND, 0);
        for (int i = 0; i < 3; i++)
            job_submit(&jobs[i]);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(task_group_wait(&jobs[i].group, &err), KDK_OK);
        for (int i = 0; i < 3; i++)
            check_all_ran(&jobs[i]);
        CHECK(atomic_load(&jobs[1].at_once_max) <= 2);
        /* Again in the same group; with one thread allowed only the waiter's index
         * occurs. */
        job_init(&jobs[0], sched, TASK_NORMAL, 1);
        job_submit(&jobs[0]);
        CHECK_EQ(task_group_wait(&jobs[0].group, &err), KDK_OK);
        CHECK_EQ(jobs[0].by_worker[0], TASKS * STEPS);
    }
    CHECK_EQ(task_group_wait(&jobs[0].group, &err), KDK_OK); /* Nothing to wait for. */
    struct sched_stats stats;
    sched_stats(sched, &stats);
    CHECK_EQ(stats.runs, 2 * 4 * TASKS * STEPS);
    CHECK_EQ(stats.groups_ready, 0);
    mem_free(jobs);
    sched_free(sched);
}

/* Pairs: the even task blocks after each step, and its odd neighbour unblocks it after each
 * of its own, possibly before it has returned. */
static enum task_result block_often(struct task *task, uint32_t worker)
{
    struct step *step = task->context;
    (void)worker;
    CHECK(!step->running);
    step->running = true;
    if (!step->block && step->left > 0) {
        step->left--;
        task_unblock(&step[-1].task);
    }
    if (step->block)
        os_yield();
    bool done = step->block ? atomic_load(&step[1].blocked) : step->left == 0;
    step->running = false;
    if (done && !step->block) {
        atomic_store(&step->blocked, true);
        task_unblock(&step[-1].task);
    }
    return done ? TASK_DONE : step->block ? TASK_BLOCKED : TASK_MORE;
}

static void blocked_tasks_come_back(struct os *os, uint32_t workers)
{
    struct err err = {0};
    struct sched *sched = NULL;
    if (!CHECK_EQ(sched_new(os, workers, &sched, &err), KDK_OK))
        return;
    struct job *job = MEM_NEW(struct job);
    job_init(job, sched, TASK_NORMAL, 0);
    for (int i = 0; i < TASKS; i++) {
        job->steps[i].task.run = block_often;
        job->steps[i].block = i % 2 == 0;
    }
    for (int i = 0; i < TASKS; i++)
        task_submit(&job->group, &job->steps[i].task);
    CHECK_EQ(task_group_wait(&job->group, &err), KDK_OK);
    mem_free(job);
    sched_free(sched);
}

static enum task_result block_for_ever(struct task *task, uint32_t worker)
{
    struct step *step = task->context;
    (void)worker;
    if (task_group_cancelled(task->group))
        atomic_fetch_add(&step->job->seen_cancelled, 1);
    return TASK_BLOCKED;
}

static enum task_result cancel_group(struct task *task, uint32_t worker)
{
    (void)worker;
    task_group_cancel(task->group);
    return TASK_DONE;
}

static enum task_result set_interrupt(struct task *task, uint32_t worker)
{
    (void)worker;
    atomic_store((_Atomic uint32_t *)task->context, 1);
    return TASK_DONE;
}

static void failures_and_cancels_end_the_group(struct os *os, uint32_t workers)
{
    struct err err = {0};
    struct sched *sched = NULL;
    if (!CHECK_EQ(sched_new(os, workers, &sched, &err), KDK_OK))
        return;
    struct job *job = MEM_NEW(struct job);
    job_init(job, sched, TASK_NORMAL, 0);
    job->fail_at = 100;
    job_submit(job);
    CHECK_EQ(task_group_wait(&job->group, &err), KDK_DIVISION_BY_ZERO);
    CHECK_STR(err.message, "at step 100");
    /* Real threads may get far before they look; the simulator's switch at each step. */
    CHECK(os == os_real() || atomic_load(&job->ran) < 100 + 3 * TASKS);
    CHECK(atomic_load(&job->seen_cancelled) >= 1);

    /* All are blocked but one, which cancels: each sees it once. */
    job_init(job, sched, TASK_SHORT, 0);
    for (int i = 0; i < TASKS; i++)
        job->steps[i].task.run = i + 1 < TASKS ? block_for_ever : cancel_group;
    job_submit(job);
    CHECK_EQ(task_group_wait(&job->group, &err), KDK_INTERRUPTED);
    /* Who was running just then may have seen it in that run, too. */
    CHECK(atomic_load(&job->seen_cancelled) >= TASKS - 1);
    CHECK(atomic_load(&job->seen_cancelled) <= TASKS - 1 + (int)workers + 1);

    /* The same by a flag that is set without telling the scheduler. */
    _Atomic uint32_t interrupt = 0;
    struct task flag = {.run = set_interrupt, .context = &interrupt};
    job_init(job, sched, TASK_SHORT, 0);
    task_group_init(&job->group, sched, TASK_SHORT, 0, &interrupt);
    for (int i = 0; i < TASKS; i++) {
        job->steps[i].task.run = block_for_ever;
        task_submit(&job->group, &job->steps[i].task);
    }
    task_submit(&job->group, &flag);
    CHECK_EQ(task_group_wait(&job->group, &err), KDK_INTERRUPTED);
    CHECK(atomic_load(&job->seen_cancelled) >= TASKS);
    mem_free(job);
    sched_free(sched);
}

/* A task may itself wait for a group, and submit to its own. */
static enum task_result nest(struct task *task, uint32_t worker)
{
    struct step *step = task->context;
    struct job *outer = step->job, *inner = MEM_NEW(struct job);
    struct err err = {0};
    (void)worker;
    job_init(inner, outer->sched, TASK_NORMAL, 0);
    job_submit(inner);
    CHECK_EQ(task_group_wait(&inner->group, &err), KDK_OK);
    check_all_ran(inner);
    mem_free(inner);
    if (step == &outer->steps[0])
        for (int i = 4; i < 6; i++)
            task_submit(&outer->group, &outer->steps[i].task);
    atomic_fetch_add(&outer->ran, 1);
    return TASK_DONE;
}

static void tasks_may_wait_and_submit(struct os *os, uint32_t workers)
{
    struct err err = {0};
    struct sched *sched = NULL;
    if (!CHECK_EQ(sched_new(os, workers, &sched, &err), KDK_OK))
        return;
    struct job *job = MEM_NEW(struct job);
    job_init(job, sched, TASK_NORMAL, 0);
    for (int i = 0; i < 6; i++)
        job->steps[i].task.run = nest;
    for (int i = 0; i < 4; i++)
        task_submit(&job->group, &job->steps[i].task);
    CHECK_EQ(task_group_wait(&job->group, &err), KDK_OK);
    CHECK_EQ(atomic_load(&job->ran), 6);
    mem_free(job);
    sched_free(sched);
}

static void scenarios(struct os *os, uint32_t workers)
{
    everything_runs(os, workers);
    blocked_tasks_come_back(os, workers);
    failures_and_cancels_end_the_group(os, workers);
    tasks_may_wait_and_submit(os, workers);
}

TEST(task, scenarios_on_real_threads)
{
    for (uint32_t workers = 0; workers < THREADS_MAX; workers += 2)
        scenarios(os_real(), workers);
}

static void simulated_scenarios(void *context)
{
    scenarios(os_here(), *(uint32_t *)context);
}

TEST(task, scenarios_over_seeds_and_the_same_seed_twice)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        uint64_t traces[2];
        for (int again = 0; again < 2; again++) {
            struct sim *sim = NULL;
            struct err err = {0};
            struct sim_options options = {.seed = seed};
            uint32_t workers = (uint32_t)(seed % THREADS_MAX);
            CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
            CHECK(sim_run(sim, simulated_scenarios, &workers));
            CHECK_EQ(sim_last_error(sim, &err), KDK_OK);
            traces[again] = sim_trace_hash(sim);
            sim_free(sim);
        }
        CHECK_EQ(traces[0], traces[1]);
    }
}

/* ---- Order ---- */
struct shared_log {
    char text[400];
    size_t used;
};

struct letter {
    struct task task;
    struct shared_log *log;
    char name;
    int left;
};

static enum task_result write_letter(struct task *task, uint32_t worker)
{
    struct letter *letter = task->context;
    (void)worker;
    if (letter->log->used + 1 < sizeof letter->log->text)
        letter->log->text[letter->log->used++] = letter->name;
    return --letter->left > 0 ? TASK_MORE : TASK_DONE;
}

static enum task_result wait_for_flag(struct task *task, uint32_t worker)
{
    (void)worker;
    while (!atomic_load((_Atomic uint32_t *)task->context))
        os_sleep_ns(100000);
    return TASK_DONE;
}

/* One worker is kept busy until all is queued; then its order is seen. Nobody else takes
 * part: the caller waits after the letters are written. */
static void log_order(void *context)
{
    struct shared_log *log = context;
    struct err err = {0};
    struct sched *sched = NULL;
    _Atomic uint32_t flag = 0;
    struct task_group gate, groups[4];
    struct task blocker = {.run = wait_for_flag, .context = &flag};
    static const enum task_priority priorities[4] = {TASK_BACKGROUND, TASK_NORMAL,
                                                     TASK_NORMAL, TASK_SHORT};
    struct letter letters[8]; /* Two for each group. */
    CHECK_EQ(sched_new(os_here(), 1, &sched, &err), KDK_OK);
    task_group_init(&gate, sched, TASK_SHORT, 0, NULL);
    task_submit(&gate, &blocker);
    struct sched_stats stats;
    do {
        os_sleep_ns(100000);
        sched_stats(sched, &stats);
    } while (stats.runs == 0);
    for (int i = 0; i < 4; i++) {
        task_group_init(&groups[i], sched, priorities[i], 0, NULL);
        for (int twice = 0; twice < 2; twice++) {
            struct letter *letter = &letters[2 * i + twice];
            *letter = (struct letter){{.run = write_letter},
                                      log,
                                      (char)('a' + i),
                                      priorities[i] == TASK_NORMAL ? 20 : 10};
            letter->task.context = letter;
            task_submit(&groups[i], &letter->task);
        }
    }
    atomic_store(&flag, 1);
    do {
        os_sleep_ns(100000);
        sched_stats(sched, &stats);
    } while (stats.runs < 121);
    CHECK_EQ(task_group_wait(&gate, &err), KDK_OK);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(task_group_wait(&groups[i], &err), KDK_OK);
    sched_free(sched);
}

TEST(task, priorities_are_kept_and_equals_take_turns)
{
    struct sim *sim = NULL;
    struct err err = {0};
    struct shared_log log = {0};
    struct sim_options options = {.seed = 1};
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    CHECK(sim_run(sim, log_order, &log));
    sim_free(sim);
    const char *text = log.text;
    CHECK_EQ(strlen(text), 120);
    /* The short one first, but for a turn that the others got. */
    CHECK(strrchr(text, 'd') - text <= 22);
    CHECK(strrchr(text, 'd') < strrchr(text, 'b'));
    CHECK(strrchr(text, 'b') < strrchr(text, 'a'));
    CHECK(strchr(text, 'a') < strrchr(text, 'b')); /* Background is not starved. */
    /* Equals alternate. */
    CHECK(strstr(text, "bcbcbcbcbc") != NULL);
}

static enum task_result yield_when_told(struct task *task, uint32_t worker)
{
    (void)worker;
    uint64_t start = os_now_ns(os_here()), *longest = task->context;
    while (!task_should_yield(task))
        os_spin();
    *longest = os_now_ns(os_here()) - start;
    return TASK_DONE;
}

static void slices(void *context)
{
    struct err err = {0};
    struct sched *sched = NULL;
    struct task_group group;
    struct task task = {.run = yield_when_told, .context = context};
    CHECK_EQ(sched_new(os_here(), 0, &sched, &err), KDK_OK);
    task_group_init(&group, sched, TASK_NORMAL, 0, NULL);
    task_submit(&group, &task);
    CHECK_EQ(task_group_wait(&group, &err), KDK_OK);
    sched_free(sched);
}

TEST(task, a_slice_is_a_millisecond)
{
    struct sim *sim = NULL;
    struct err err = {0};
    uint64_t lasted = 0;
    struct sim_options options = {.seed = 1};
    CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
    CHECK(sim_run(sim, slices, &lasted));
    CHECK(lasted > 900000 && lasted < 1200000);
    sim_free(sim);
}

TEST(task, no_memory_for_workers_is_a_status)
{
    struct mem_stats before, after;
    struct err err = {0};
    mem_stats(&before);
    bool passed = false;
    for (uint64_t skip = 0; !passed && skip < 100; skip++) {
        struct sched *sched = NULL;
        mem_fail_after(skip, false);
        kdk_status status = sched_new(os_real(), 3, &sched, &err);
        passed = mem_fail_never() == 0;
        CHECK_EQ(status, passed ? KDK_OK : KDK_NOMEM);
        CHECK((sched != NULL) == passed);
        sched_free(sched);
    }
    CHECK(passed);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

/* ---- Broker ---- */
struct cache {
    struct broker_grant grant;
    struct broker_shrinker shrinker;
    uint64_t keeps; /* Cannot give these. */
    int calls;
};

static uint64_t cache_shrink(void *context, uint64_t bytes)
{
    struct cache *cache = context;
    uint64_t has = broker_granted(&cache->grant);
    uint64_t gives = MIN(bytes, has > cache->keeps ? has - cache->keeps : 0);
    cache->calls++;
    CHECK(broker_try_resize(&cache->grant, has - gives));
    return gives;
}

static void cache_init(struct cache *cache, struct broker *broker, enum broker_use use,
                       uint64_t bytes, uint64_t keeps)
{
    struct err err = {0};
    *cache = (struct cache){.keeps = keeps};
    CHECK_EQ(broker_grant_init(broker, &cache->grant, "cache", use, false, 0, 0, &err),
             KDK_OK);
    CHECK(broker_try_resize(&cache->grant, bytes));
    cache->shrinker =
        (struct broker_shrinker){.shrink = cache_shrink, .context = cache, .use = use};
    broker_add_shrinker(broker, &cache->shrinker);
}

static void cache_deinit(struct cache *cache)
{
    broker_remove_shrinker(cache->grant.broker, &cache->shrinker);
    broker_grant_deinit(&cache->grant);
}

TEST(broker, one_limit_for_all)
{
    struct broker broker;
    struct broker_stats stats;
    struct broker_grant a, b = {0}, none = {0};
    struct err err = {0};
    broker_init(&broker, 1000);
    CHECK_EQ(
        broker_grant_init(&broker, &a, "hash join", BROKER_OPERATOR, true, 100, 700, &err),
        KDK_OK);
    CHECK_EQ(broker_granted(&a), 700);
    CHECK_EQ(broker_grant_init(&broker, &b, "sort", BROKER_OPERATOR, false, 100, 700, &err),
             KDK_OK);
    CHECK_EQ(broker_granted(&b), 300); /* What was left. */
    CHECK_EQ(broker_resize(&b, 301, &err), KDK_NOMEM);
    CHECK(strstr(err.message, "memory_limit") != NULL);
    CHECK(strstr(err.message, "sort") != NULL);
    CHECK_STR(status_sqlstate(err.status), "53200");
    CHECK_EQ(broker_granted(&b), 300);
    CHECK_EQ(broker_asked(&a), 1); /* The other one is asked to give back. */
    CHECK_EQ(broker_asked(&b), 0);
    CHECK_EQ(broker_resize(&a, 650, &err), KDK_OK);
    CHECK_EQ(broker_asked(&a), 0);
    CHECK_EQ(broker_resize(&b, 350, &err), KDK_OK);
    CHECK(!broker_try_resize(&b, 351));
    broker_stats(&broker, &stats);
    CHECK_EQ(stats.used, 1000);
    CHECK_EQ(stats.by_use[BROKER_OPERATOR], 1000);
    CHECK_EQ(stats.refused, 1);
    CHECK_EQ(stats.asked, 1);
    CHECK_EQ(broker_resize(&none, 0, &err), KDK_OK);
    broker_grant_deinit(&none);
    broker_grant_deinit(&a);
    CHECK_EQ(broker_grant_init(&broker, &a, "big", BROKER_OPERATOR, true, 651, 651, &err),
             KDK_NOMEM);
    CHECK_EQ(broker_granted(&a), 0);
    broker_grant_deinit(&a);
    CHECK_EQ(broker_resize(&b, UINT64_MAX, &err), KDK_NOMEM);
    broker_grant_deinit(&b);
    broker_grant_deinit(&b);
    broker_stats(&broker, &stats);
    CHECK_EQ(stats.used, 0);
    CHECK_EQ(stats.peak, 1000);
    broker_deinit(&broker);
    CHECK_STR(broker_use_name(BROKER_CACHE), "cache");
}

TEST(broker, caches_give_way_first)
{
    struct broker broker;
    struct broker_grant a;
    struct broker_stats stats;
    struct cache cache, pour;
    struct err err = {0};
    broker_init(&broker, 1000);
    cache_init(&pour, &broker, BROKER_BACKGROUND, 200, 50);
    cache_init(&cache, &broker, BROKER_CACHE, 700, 100);
    CHECK_EQ(broker_grant_init(&broker, &a, "sort", BROKER_OPERATOR, true, 100, 400, &err),
             KDK_OK);
    CHECK_EQ(broker_granted(&a), 400);
    CHECK_EQ(cache.calls, 1);
    CHECK_EQ(pour.calls, 0);
    CHECK_EQ(broker_resize(&a, 850, &err), KDK_OK);
    CHECK_EQ(pour.calls, 1);
    CHECK_EQ(broker_granted(&cache.grant), 100);
    CHECK_EQ(broker_resize(&a, 851, &err), KDK_NOMEM);
    CHECK_EQ(broker_resize(&a, 0, &err), KDK_OK);
    CHECK(broker_try_resize(&cache.grant, 900));
    broker_set_limit(&broker, 500);
    broker_stats(&broker, &stats);
    CHECK_EQ(stats.used, 500);
    CHECK(!broker_try_resize(&cache.grant, 501));
    broker_set_limit(&broker, 10);
    broker_stats(&broker, &stats);
    CHECK_EQ(stats.used, 150); /* What the two keep. */
    CHECK_EQ(broker_resize(&a, 1, &err), KDK_NOMEM);
    cache_deinit(&pour);
    cache_deinit(&cache);
    broker_grant_deinit(&a);
    broker_deinit(&broker);
}

struct contest {
    struct broker broker;
    _Atomic uint64_t seed;
};

static void contend(void *context)
{
    struct contest *contest = context;
    struct broker_grant grant;
    struct err err = {0};
    uint64_t random = atomic_fetch_add(&contest->seed, 1);
    for (int i = 0; i < 300; i++) {
        random = hash_u64(random + 1);
        if (broker_grant_init(&contest->broker, &grant, "contender", BROKER_OPERATOR, true,
                              random % 300, random % 1000, &err) == KDK_OK &&
            broker_resize(&grant, random >> 32 & 1023, &err) == KDK_OK)
            CHECK_EQ(broker_granted(&grant), random >> 32 & 1023);
        if (broker_asked(&grant))
            CHECK_EQ(broker_resize(&grant, 0, &err), KDK_OK);
        if (i % 64 == 0)
            os_yield();
        CHECK(atomic_load(&contest->broker.used) <= 1000);
        broker_grant_deinit(&grant);
    }
}

TEST(broker, contenders_never_pass_the_limit)
{
    struct contest contest = {0};
    struct os_thread *threads[4];
    struct err err = {0};
    broker_init(&contest.broker, 1000);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(os_thread_new(os_real(), "contend", contend, &contest, &threads[i], &err),
                 KDK_OK);
    for (int i = 0; i < 4; i++)
        os_thread_join(threads[i]);
    CHECK(atomic_load(&contest.broker.peak) <= 1000);
    broker_deinit(&contest.broker);
}

/* ---------------------------------------------------------------------- chores ---- */

struct errand {
    struct chore *chore;
    struct latch latch;
    uint64_t wanted, done, runs; /* Under the latch. */
    uint64_t pause_ns;
    uint64_t period_ns, last_ns, late; /* Of a chore that runs again by itself. */
};

static uint64_t do_errand(void *context)
{
    struct errand *errand = context;
    latch_acquire(&errand->latch);
    errand->done = errand->wanted;
    errand->runs++;
    latch_release(&errand->latch);
    os_sleep_ns(errand->pause_ns);
    return OS_FOREVER;
}

static void want(void *context)
{
    struct errand *errand = context;
    for (int i = 0; i < 200; i++) {
        latch_acquire(&errand->latch);
        errand->wanted++;
        latch_release(&errand->latch);
        chore_ask(errand->chore);
        if (i % 32 == 0)
            os_yield();
    }
}

/* Whatever was wanted before the last ask is done in the end, in fewer runs than asks; none
 * begins after chore_free(). */
static void errands(void *context)
{
    struct os *os = os_here();
    struct os_thread *threads[3];
    struct err err = {0};
    struct errand errand = {.pause_ns = 20000};
    (void)context;
    latch_init(&errand.latch, OS_RANK_LEAF);
    CHECK_EQ(chore_new(os, "errand", do_errand, &errand, &errand.chore, &err), KDK_OK);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(os_thread_new(os, "want", want, &errand, &threads[i], &err), KDK_OK);
    for (int i = 0; i < 3; i++)
        os_thread_join(threads[i]);
    for (;;) {
        latch_acquire(&errand.latch);
        const bool all = errand.done == 600;
        latch_release(&errand.latch);
        if (all)
            break;
        os_sleep_ns(10000);
    }
    chore_free(errand.chore);
    const uint64_t runs = errand.runs;
    CHECK(runs >= 1 && runs <= 600);
    os_sleep_ns(100000);
    CHECK_EQ(errand.runs, runs);
}

static uint64_t run_again(void *context)
{
    struct errand *errand = context;
    const uint64_t now = os_now_ns(os_here());
    if (errand->runs++ > 0) {
        CHECK(now - errand->last_ns >= errand->period_ns);
        errand->late += now - errand->last_ns > 2 * errand->period_ns;
    }
    errand->last_ns = now;
    return errand->runs < 10 ? errand->period_ns : OS_FOREVER;
}

static void periods(void *context)
{
    struct err err = {0};
    struct errand errand = {.period_ns = 1000000};
    (void)context;
    CHECK_EQ(chore_new(os_here(), "again", run_again, &errand, &errand.chore, &err),
             KDK_OK);
    os_sleep_ns(5000000);
    chore_ask(errand.chore); /* It has not run before: nobody asked. */
    os_sleep_ns(30000000);
    chore_free(errand.chore);
    CHECK_EQ(errand.runs, 10);
    CHECK_EQ(errand.late, 0);
}

TEST(chore, what_is_asked_for_is_done_on_real_threads)
{
    errands(NULL);
}

TEST(chore, runs_when_asked_and_when_it_said_over_seeds)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t trace = 0;
        for (int round = 0; round < 2; round++) {
            struct sim *sim = NULL;
            struct err err = {0};
            struct sim_options options = {.seed = seed};
            CHECK_EQ(sim_new(&options, &sim, &err), KDK_OK);
            CHECK(sim_run(sim, errands, NULL));
            CHECK(sim_run(sim, periods, NULL));
            CHECK(round == 0 || trace == sim_trace_hash(sim));
            trace = sim_trace_hash(sim);
            sim_free(sim);
        }
    }
}
