/* sim_sched.c - coroutines in an order drawn from the seed.
 *
 * All coroutines of a simulator run on one thread of the machine, one at a time, each on
 * its own stack. The one that runs gives up the machine only in sim_point() and what calls
 * it, in waits and at its end; who runs next is drawn from those that are ready. Time is a
 * number: each call moves it on, and when nobody is ready it jumps to the earliest
 * deadline. If there is none, all wait for ever, which is reported as the deadlock it is.
 *
 * Switching is a few instructions on x86-64 (ucontext makes two system calls, and a
 * workload of some thousand calls is run ten thousand times); elsewhere it is ucontext.
 * Either way the sanitizers are told which stack is current. Stacks of dropped coroutines
 * are cleaned of asan's marks and reused.
 */
#include "os/sim_int.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SIM_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define SIM_TSAN 1
#endif

#if defined(SIM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(SIM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* What threads of the machine have. Only pages that are touched cost memory. */
#define STACK_BYTES ((size_t)8 << 20)

/* Costs in simulated time. */
#define SPIN_NS   10000
#define SWITCH_NS 100

/* Spins and waits for a time, in a row, with nobody calling, waking or ending, that are
 * taken for a deadlock: of those who poll it is one too. */
#define SPINS_MAX 4000000

/* ---- Switching stacks ---- */
static void thread_begin(void) __attribute__((noreturn, used));

/* KDK_SIM_UCONTEXT is for testing the other way here. */
#if defined(__x86_64__) && !defined(KDK_SIM_UCONTEXT)
/* Saves what the ABI says a call keeps, and the stack pointer in *save; then the
 * reverse. */
void kdk_sim_switch(void **save, void *load);
__asm__(".text\n"
        ".globl kdk_sim_switch\n"
        ".hidden kdk_sim_switch\n"
        ".type kdk_sim_switch, @function\n"
        "kdk_sim_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size kdk_sim_switch, . - kdk_sim_switch\n");

static kdk_status machine_init(struct sim_thread *thread, struct err *err)
{
    (void)err;
    /* Six registers, where to return to, and a return address of 0 that ends backtraces.
     * After the `ret` the stack is 8 bytes off a multiple of 16, as at the start of any
     * function. */
    uint64_t *top = (uint64_t *)(void *)(thread->stack->bottom + thread->stack->bytes) - 10;
    memset(top, 0, 10 * sizeof *top);
    top[6] = (uint64_t)(uintptr_t)thread_begin;
    ASSERT((uintptr_t)(top + 7) % 16 == 8);
    thread->machine = top;
    return KDK_OK;
}

static void machine_switch(struct sim_thread *from, struct sim_thread *to)
{
    kdk_sim_switch(&from->machine, to->machine);
}

static void machine_deinit(struct sim_thread *thread)
{
    thread->machine = NULL;
}

#if defined(SIM_ASAN)
static const uint8_t *stack_in_use(const struct sim_thread *thread)
{
    return thread->machine;
}
#endif
#else
#include <ucontext.h>

static kdk_status machine_init(struct sim_thread *thread, struct err *err)
{
    kdk_status status = KDK_OK;
    ucontext_t *context = mem_raw_zalloc(sizeof *context);
    TRY_MEM(context);
    thread->machine = context;
    getcontext(context);
    if (thread->stack) {
        context->uc_stack.ss_sp = thread->stack->bottom;
        context->uc_stack.ss_size = thread->stack->bytes;
        makecontext(context, thread_begin, 0);
    }
out:
    return status;
}

static void machine_switch(struct sim_thread *from, struct sim_thread *to)
{
    struct err err;
    if (!from->machine && machine_init(from, &err) != KDK_OK)
        return;
    swapcontext(from->machine, to->machine);
}

static void machine_deinit(struct sim_thread *thread)
{
    mem_raw_free(thread->machine);
    thread->machine = NULL;
}

#if defined(SIM_ASAN)
static const uint8_t *stack_in_use(const struct sim_thread *thread)
{
    return thread->stack->bottom;
}
#endif
#endif

/* Which simulator runs on this thread of the machine: a new coroutine's start has no
 * argument. */
static _Thread_local struct sim *running;

#if defined(SIM_ASAN)
/* The stack of the machine's thread, as the first coroutine finds it. */
static _Thread_local const void *runner_bottom;
static _Thread_local size_t runner_bytes;
#endif

/* What the sanitizers want to know on arrival. */
static void arrived(struct sim_thread *self)
{
#if defined(SIM_ASAN)
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &bytes);
    if (!runner_bottom) {
        runner_bottom = bottom;
        runner_bytes = bytes;
    }
#endif
    self->sim->current = self;
    os_current = self == &self->sim->runner ? NULL : &self->state;
}

static void switch_to(struct sim *sim, struct sim_thread *to)
{
    struct sim_thread *from = sim->current;
    if (from == to)
        return;
    sim->now_ns += SWITCH_NS;
    sim->arriving = to;
#if defined(SIM_ASAN)
    const void *bottom = to->stack ? to->stack->bottom : runner_bottom;
    size_t bytes = to->stack ? to->stack->bytes : runner_bytes;
    __sanitizer_start_switch_fiber(from->status == SIM_ENDED ? NULL : &from->fake_stack,
                                   bottom, bytes);
#endif
#if defined(SIM_TSAN)
    __tsan_switch_to_fiber(to->sanitizer, 0);
#endif
    machine_switch(from, to);
    arrived(from);
}

/* ---- Sets of threads ---- */
static kdk_status set_reserve(struct sim_threads *set, size_t count, struct err *err)
{
    if (count <= set->cap)
        return KDK_OK;
    size_t cap = MAX(count, set->cap * 2);
    struct sim_thread **items = mem_raw_zalloc(size_mul(cap, sizeof(struct sim_thread *)));
    if (!items)
        return err_nomem(err);
    if (set->count)
        memcpy(items, set->items, set->count * sizeof(struct sim_thread *));
    mem_raw_free(set->items);
    set->items = items;
    set->cap = cap;
    return KDK_OK;
}

/* Room was made when the thread was. */
static void set_add(struct sim_threads *set, struct sim_thread *thread)
{
    ASSERT(set->count < set->cap);
    thread->index = set->count;
    set->items[set->count++] = thread;
}

static void set_remove(struct sim_threads *set, struct sim_thread *thread)
{
    struct sim_thread *last = set->items[--set->count];
    set->items[thread->index] = last;
    last->index = thread->index;
}

static void make_ready(struct sim *sim, struct sim_thread *thread, bool timed_out)
{
    set_remove(&sim->idle, thread);
    thread->status = SIM_READY;
    thread->timed_out = timed_out;
    thread->deadline_ns = OS_FOREVER;
    thread->word = NULL;
    set_add(&sim->ready, thread);
}

/* Wakes those whose deadline has come, and notes the next one. */
static void check_deadlines(struct sim *sim)
{
    if (sim->now_ns < sim->next_deadline_ns)
        return;
    sim->next_deadline_ns = OS_FOREVER;
    for (size_t i = sim->idle.count; i-- > 0;) {
        struct sim_thread *thread = sim->idle.items[i];
        if (thread->deadline_ns <= sim->now_ns)
            make_ready(sim, thread, true);
    }
    for (size_t i = 0; i < sim->idle.count; i++)
        sim->next_deadline_ns = MIN(sim->next_deadline_ns, sim->idle.items[i]->deadline_ns);
}

/* ---- Ends ---- */
static void drop_threads(struct sim *sim);

void sim_power_off(struct sim *sim)
{
    sim->on = false;
    sim->cut = true;
    if (sim->current != &sim->runner) {
        switch_to(sim, &sim->runner);
        ASSERT(false); /* Dropped. */
    }
}

/* "program+0x1234", as addr2line wants it. */
static void print_where(char *into, size_t bytes, void *where)
{
    Dl_info info;
    if (where && dladdr(where, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        snprintf(into, bytes, "%s+0x%zx", slash ? slash + 1 : info.dli_fname,
                 (size_t)((const char *)where - (const char *)info.dli_fbase));
    } else {
        snprintf(into, bytes, "%p", where);
    }
}

static void deadlock(struct sim *sim, const char *what)
{
    static const char *const doing[] = {"is ready", "waits for", "sleeps", "joins",
                                        "has ended"};
    char text[ERR_DETAIL_BYTES], where[80];
    size_t used = 0;
    text[0] = '\0';
    for (const struct sim_thread *t = sim->threads; t; t = t->next) {
        if (t->status == SIM_ENDED)
            continue;
        print_where(where, sizeof where, t->where);
        int n = snprintf(text + used, sizeof text - used, "%u \"%s\" %s", t->number,
                         t->name, doing[t->status]);
        if (n > 0 && t->status == SIM_WAITING && used + (size_t)n < sizeof text)
            n += snprintf(text + used + n, sizeof text - used - (size_t)n, " %p",
                          (void *)(uintptr_t)t->word);
        else if (n > 0 && t->status == SIM_JOINING && used + (size_t)n < sizeof text)
            n += snprintf(text + used + n, sizeof text - used - (size_t)n, " %u",
                          t->joined->number);
        if (n > 0 && used + (size_t)n < sizeof text)
            n += snprintf(text + used + n, sizeof text - used - (size_t)n, " at %s\n",
                          where);
        used = MIN(sizeof text - 1, used + (size_t)MAX(n, 0));
    }
    err_set(&sim->error, KDK_DEADLOCK, "%s at call %llu of seed %llu", what,
            (unsigned long long)sim->calls_all, (unsigned long long)sim->options.seed);
    err_detail(&sim->error, "%s", text);
    if (!sim->options.quiet)
        dprintf(STDERR_FILENO, "simulator: %s\n%s", sim->error.message, text);
    sim_power_off(sim);
}

/* ---- Who is next ---- */
/* Hands the machine to a ready coroutine, maybe to the one that calls if it is ready
 * too. */
static void switch_to_any(struct sim *sim)
{
    check_deadlines(sim);
    while (sim->ready.count == 0) {
        if (sim->idle.count == 0) { /* All have ended. */
            switch_to(sim, &sim->runner);
            return;
        }
        if (sim->next_deadline_ns == OS_FOREVER) {
            deadlock(sim, "all wait for ever");
            return;
        }
        if (++sim->idle_spins > SPINS_MAX) {
            deadlock(sim, "all wait in turns for ever");
            return;
        }
        sim->now_ns = MAX(sim->now_ns, sim->next_deadline_ns);
        check_deadlines(sim);
    }
    struct sim_thread *next = sim->ready.items[sim_below(&sim->schedule, sim->ready.count)];
    sim->trace = hash_combine(sim->trace, next->number);
    switch_to(sim, next);
}

void sim_point(struct sim *sim, uint64_t n)
{
    sim->idle_spins = 0;
    check_deadlines(sim);
    if (sim->current == &sim->runner || sim->ready.count < 2 ||
        !sim_once_in(&sim->schedule, n))
        return;
    switch_to_any(sim);
}

void sim_maybe_switch(struct sim_thread *self)
{
    struct sim *sim = self->sim;
    if (sim->ready.count > 1 && sim_once_in(&sim->schedule, 4 * sim->switch_once_in))
        switch_to_any(sim);
}

void sim_yield(struct sim_thread *self)
{
    struct sim *sim = self->sim;
    self->where = __builtin_return_address(0);
    if (++sim->idle_spins > SPINS_MAX)
        deadlock(sim, "all spin for ever");
    sim->now_ns += SPIN_NS;
    check_deadlines(sim);
    if (sim->ready.count > 1)
        switch_to_any(sim);
}

void sim_spin(struct sim_thread *self)
{
    sim_yield(self);
}

/* Takes the caller off the ready ones until it is woken or `deadline_ns` comes. */
static void block(struct sim *sim, struct sim_thread *self, enum sim_thread_status status,
                  uint64_t deadline_ns)
{
    set_remove(&sim->ready, self);
    self->status = status;
    self->deadline_ns = deadline_ns;
    self->timed_out = false;
    set_add(&sim->idle, self);
    sim->next_deadline_ns = MIN(sim->next_deadline_ns, deadline_ns);
    switch_to_any(sim);
}

static uint64_t deadline(const struct sim *sim, uint64_t ns)
{
    return ns >= OS_FOREVER - sim->now_ns ? OS_FOREVER : sim->now_ns + ns;
}

void sim_sleep(struct sim_thread *self, uint64_t ns)
{
    self->where = __builtin_return_address(0);
    block(self->sim, self, SIM_SLEEPING, deadline(self->sim, ns));
}

bool sim_wait(struct sim_thread *self, _Atomic uint32_t *word, uint32_t expected,
              uint64_t timeout_ns, void *where)
{
    struct sim *sim = self->sim;
    self->where = where;
    sim->now_ns += SWITCH_NS;
    sim_maybe_switch(self); /* A wake that comes just before the wait must not be lost. */
    if (atomic_load_explicit(word, memory_order_relaxed) != expected)
        return true;
    /* Waits may end early; who relies on the contrary is found out here. */
    if (sim->ready.count > 1 && sim_once_in(&sim->schedule, 32)) {
        switch_to_any(sim);
        return true;
    }
    self->word = word;
    block(sim, self, SIM_WAITING, deadline(sim, timeout_ns));
    return !self->timed_out;
}

void sim_wake(struct sim_thread *self, _Atomic uint32_t *word, uint32_t count)
{
    struct sim *sim = self->sim;
    while (count > 0) {
        size_t waiting = 0;
        for (size_t i = 0; i < sim->idle.count; i++)
            waiting += sim->idle.items[i]->word == word;
        if (waiting == 0)
            break;
        size_t chosen = waiting > 1 ? (size_t)sim_below(&sim->schedule, waiting) : 0;
        for (size_t i = 0; i < sim->idle.count; i++)
            if (sim->idle.items[i]->word == word && chosen-- == 0) {
                make_ready(sim, sim->idle.items[i], false);
                sim->idle_spins = 0;
                break;
            }
        count--;
    }
    sim_maybe_switch(self);
}

struct os *sim_thread_os(struct sim_thread *thread)
{
    return &thread->sim->os;
}

/* ---- Birth and death ---- */
static kdk_status stack_new(struct sim *sim, struct sim_stack **out, struct err *err)
{
    kdk_status status = KDK_OK;
    if (sim->stacks) {
        *out = sim->stacks;
        sim->stacks = (*out)->next;
        return KDK_OK;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes =
        align_up(sim->options.stack_bytes ? sim->options.stack_bytes : STACK_BYTES, page);
    struct sim_stack *stack = mem_raw_zalloc(sizeof *stack);
    TRY_MEM(stack);
    void *at = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (at == MAP_FAILED) {
        mem_raw_free(stack);
        TRY(err_nomem(err));
    }
    madvise(at, bytes + page, MADV_NOHUGEPAGE);
    mprotect(at, page, PROT_NONE); /* Overflow is a crash, not somebody else's memory. */
    stack->bottom = (uint8_t *)at + page;
    stack->bytes = bytes;
    *out = stack;
out:
    return status;
}

static void stack_recycle(struct sim *sim, struct sim_thread *thread)
{
    if (!thread->stack)
        return;
    thread->stack->next = sim->stacks;
    sim->stacks = thread->stack;
    thread->stack = NULL;
}

/* The handle is gone for everybody. The coroutine does not run and will not. */
static void thread_free(struct sim *sim, struct sim_thread *thread)
{
#if defined(SIM_ASAN)
    if (thread->stack && thread->machine) {
        const uint8_t *from = stack_in_use(thread),
                      *end = thread->stack->bottom + thread->stack->bytes;
        __asan_unpoison_memory_region(from, (size_t)(end - from));
    }
#endif
#if defined(SIM_TSAN)
    if (thread->sanitizer)
        __tsan_destroy_fiber(thread->sanitizer);
#endif
    stack_recycle(sim, thread);
    machine_deinit(thread);
    struct sim_thread **at = &sim->threads;
    while (*at && *at != thread)
        at = &(*at)->next;
    if (*at)
        *at = thread->next;
    mem_raw_free(thread);
}

static void drop_threads(struct sim *sim)
{
    while (sim->threads)
        thread_free(sim, sim->threads);
    sim->ready.count = sim->idle.count = 0;
    memset(sim->selves, 0, sizeof sim->selves);
    sim->next_deadline_ns = OS_FOREVER;
}

void sim_sched_deinit(struct sim *sim)
{
    drop_threads(sim);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    while (sim->stacks) {
        struct sim_stack *stack = sim->stacks;
        sim->stacks = stack->next;
        munmap(stack->bottom - page, stack->bytes + page);
        mem_raw_free(stack);
    }
    mem_raw_free(sim->ready.items);
    mem_raw_free(sim->idle.items);
    machine_deinit(&sim->runner);
}

/* The first thing on every new stack. */
static void thread_begin(void)
{
    struct sim *sim = running;
    struct sim_thread *self = sim->arriving;
    arrived(self);
    self->run(self->context);
    set_remove(&sim->ready, self);
    self->status = SIM_ENDED;
    sim->idle_spins = 0;
    uint32_t number = self->state.self - 1;
    sim->selves[number / 64] &= ~(1ull << number % 64);
    for (size_t i = sim->idle.count; i-- > 0;)
        if (sim->idle.items[i]->status == SIM_JOINING && sim->idle.items[i]->joined == self)
            make_ready(sim, sim->idle.items[i], false);
    switch_to_any(sim);
    ASSERT(false); /* The ended are not resumed. */
    __builtin_unreachable();
}

kdk_status sim_thread_start(struct sim *sim, const char *name, os_thread_fn run,
                            void *context, struct os_thread **out, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t self = 0;
    struct sim_thread *thread = mem_raw_zalloc(sizeof *thread);
    TRY_MEM(thread);
    while (self < OS_THREADS_MAX && (sim->selves[self / 64] >> self % 64 & 1))
        self++;
    if (self == OS_THREADS_MAX)
        TRY(err_set(err, KDK_LIMIT, "more than %d threads", OS_THREADS_MAX));
    size_t count = sim->ready.count + sim->idle.count + 1;
    TRY(set_reserve(&sim->ready, count, err));
    TRY(set_reserve(&sim->idle, count, err));
    TRY(stack_new(sim, &thread->stack, err));
    thread->thread.os = &sim->os;
    thread->sim = sim;
    thread->run = run;
    thread->context = context;
    thread->state.coroutine = thread;
    thread->state.self = self + 1;
    thread->deadline_ns = OS_FOREVER;
    thread->number = ++sim->thread_numbers;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    TRY(machine_init(thread, err));
#if defined(SIM_TSAN)
    thread->sanitizer = __tsan_create_fiber(0);
#endif
    sim->selves[self / 64] |= 1ull << self % 64;
    /* At the end of the list, so that reports are in order. */
    struct sim_thread **end = &sim->threads;
    while (*end)
        end = &(*end)->next;
    *end = thread;
    thread->status = SIM_READY;
    set_add(&sim->ready, thread);
    if (out)
        *out = &thread->thread;
    thread = NULL;
out:
    if (thread) {
        stack_recycle(sim, thread);
        mem_raw_free(thread);
    }
    return status;
}

void sim_thread_wait_end(struct os_thread *handle)
{
    struct sim_thread *thread = (struct sim_thread *)handle;
    struct sim *sim = thread->sim;
    struct sim_thread *self = sim->current;
    ASSERT(self != &sim->runner); /* Only a coroutine can wait for one. */
    while (thread->status != SIM_ENDED) {
        self->joined = thread;
        self->where = __builtin_return_address(0);
        block(sim, self, SIM_JOINING, OS_FOREVER);
    }
    thread_free(sim, thread);
}

bool sim_run(struct sim *sim, os_thread_fn main, void *context)
{
    ASSERT(!os_state()->coroutine); /* Simulators do not nest. */
    err_clear(&sim->error);
    sim->cut = false;
    if (!sim->on)
        return false;
    sim->next_deadline_ns = OS_FOREVER;
    if (sim_thread_start(sim, "main", main, context, NULL, &sim->error) != KDK_OK)
        return false;
    struct sim *outer = running;
    running = sim;
    sim->current = &sim->runner;
#if defined(SIM_TSAN)
    sim->runner.sanitizer = __tsan_get_current_fiber();
#endif
#if defined(SIM_ASAN)
    runner_bottom = NULL; /* The first coroutine finds it anew. */
#endif
    switch_to_any(sim);
    running = outer;
    drop_threads(sim);
    return !sim->cut;
}

kdk_status sim_last_error(const struct sim *sim, struct err *err)
{
    if (err)
        *err = sim->error;
    return sim->error.status;
}
