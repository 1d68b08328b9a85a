/* os_test.c - the system of the machine, and latches under real threads. The latter run in
 * the tsan build too. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/os.h"

/* A directory of its own under /tmp, removed at the end of the test. */
static char *scratch(char path[64])
{
    snprintf(path, 64, "/tmp/kdk_os_test_XXXXXX");
    return mkdtemp(path);
}

static const char *in(const char *dir, const char *name)
{
    static char path[4][160];
    static unsigned next;
    char *at = path[next++ % 4];
    snprintf(at, sizeof path[0], "%s/%s", dir, name);
    return at;
}

TEST(real, files_keep_what_is_written)
{
    struct os *os = os_real();
    struct err err = {0};
    struct os_file *file = NULL;
    char dir[64], bytes[100];
    size_t got;
    uint64_t size;
    if (!CHECK(scratch(dir) != NULL))
        return;
    const char *path = in(dir, "a");
    CHECK_EQ(os_open(os, path, OS_READ, &file, &err), KDK_UNDEFINED_FILE);
    CHECK(strstr(err.message, path) != NULL);
    CHECK_EQ(os_open(os, path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &file, &err), KDK_OK);
    CHECK_STR(os_file_path(file), path);
    CHECK_EQ(os_write(file, 10, "hello", 5, &err), KDK_OK);
    CHECK_EQ(os_sync(file, &err), KDK_OK);
    CHECK_EQ(os_read(file, 8, bytes, sizeof bytes, &got, &err), KDK_OK);
    CHECK_EQ(got, 7);
    CHECK_MEM(bytes, "\0\0hello", 7);
    CHECK_EQ(os_read(file, 100, bytes, 1, &got, &err), KDK_OK);
    CHECK_EQ(got, 0);
    CHECK_EQ(os_read_exact(file, 10, bytes, 5, &err), KDK_OK);
    CHECK_EQ(os_read_exact(file, 11, bytes, 5, &err), KDK_CORRUPT);
    CHECK(strstr(err.message, path) != NULL);
    CHECK_EQ(os_truncate(file, 12, &err), KDK_OK);
    CHECK_EQ(os_size(file, &size, &err), KDK_OK);
    CHECK_EQ(size, 12);
    struct os_file *again = NULL;
    CHECK_EQ(os_open(os, path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &again, &err),
             KDK_DUPLICATE_FILE);
    CHECK(again == NULL);

    CHECK_EQ(os_lock(file, &err), KDK_OK);
    CHECK_EQ(os_open(os, path, OS_WRITE, &again, &err), KDK_OK);
    CHECK_EQ(os_lock(again, &err), KDK_BUSY);
    os_close(file);
    CHECK_EQ(os_lock(again, &err), KDK_OK);
    os_close(again);
    os_close(NULL);
    CHECK_EQ(os_open(os, path, OS_READ, &file, &err), KDK_OK);
    CHECK_EQ(os_write(file, 0, "x", 1, &err), KDK_IO);
    os_close(file);
    CHECK_EQ(os_remove(os, path, &err), KDK_OK);
    CHECK_EQ(os_remove(os, path, &err), KDK_OK);
    CHECK_EQ(os_remove_dir(os, dir, &err), KDK_OK);
}

/* In one step where the file system can, else in two: what is read is the same, through the
 * cache and past it, in turn. */
TEST(real, what_is_written_durably_is_read)
{
    struct os *os = os_real();
    struct err err = {0};
    struct os_file *file = NULL;
    char dir[64];
    static _Alignas(4096) char bytes[8192];
    char seen[4096], zeros[4096] = {0};
    bool unwritten = true;
    if (!CHECK(scratch(dir) != NULL))
        return;
    const char *path = in(dir, "a");
    CHECK_EQ(os_open(os, path, OS_WRITE | OS_CREATE | OS_DURABLE, &file, &err), KDK_OK);
    for (uint64_t at = 0; at < 64 * 1024; at += sizeof zeros)
        CHECK_EQ(os_write(file, at, zeros, sizeof zeros, &err), KDK_OK);
    for (unsigned i = 0; i < 100; i++) {
        /* Whole sectors; then what is not, by place, by size, and by memory. */
        const size_t from = i % 4 == 1 ? 16 : 0,
                     count = i % 4 == 2 ? 700 : 512 + i % 5 * 512;
        const uint64_t at = i % 4 == 3 ? i * 100 : i * 512;
        memset(bytes, (int)(i + 1), sizeof bytes);
        CHECK_EQ(os_write_durable(file, at, bytes + from, count, &unwritten, &err), KDK_OK);
        CHECK(!unwritten);
        if (i % 7 == 0)
            CHECK_EQ(os_write(file, at + 10, "between", 7, &err), KDK_OK);
        CHECK_EQ(os_read_exact(file, at, seen, count, &err), KDK_OK);
        if (i % 7 == 0)
            CHECK_MEM(seen + 10, "between", 7);
        else
            CHECK_MEM(seen, bytes, count);
    }
    CHECK_EQ(os_sync(file, &err), KDK_OK);
    os_close(file);
    CHECK_EQ(os_open(os, path, OS_READ, &file, &err), KDK_OK);
    CHECK_EQ(os_write_durable(file, 0, bytes, 512, &unwritten, &err), KDK_IO);
    CHECK(unwritten);
    os_close(file);
    CHECK_EQ(os_remove(os, path, &err), KDK_OK);
    CHECK_EQ(os_remove_dir(os, dir, &err), KDK_OK);
}

struct names {
    char text[200];
    int left; /* Names until it fails. */
};

static kdk_status add_name(void *context, const char *name, struct err *err)
{
    struct names *names = context;
    if (names->left-- == 0)
        return err_set(err, KDK_LIMIT, "enough");
    strcat(names->text, name);
    strcat(names->text, " ");
    return KDK_OK;
}

TEST(real, directories_list_in_order)
{
    struct os *os = os_real();
    struct err err = {0};
    struct os_file *file = NULL;
    enum os_kind kind;
    char dir[64];
    if (!CHECK(scratch(dir) != NULL))
        return;
    CHECK_EQ(os_mkdir(os, in(dir, "sub"), &err), KDK_OK);
    CHECK_EQ(os_mkdir(os, in(dir, "sub"), &err), KDK_OK);
    static const char *const files[] = {"b", "a", "c"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        CHECK_EQ(os_open(os, in(dir, files[i]), OS_WRITE | OS_CREATE, &file, &err), KDK_OK);
        os_close(file);
    }
    CHECK_EQ(os_mkdir(os, in(dir, "a"), &err), KDK_DUPLICATE_FILE);
    CHECK_EQ(os_rename(os, in(dir, "c"), in(dir, "b"), &err), KDK_OK);
    CHECK_EQ(os_rename(os, in(dir, "c"), in(dir, "d"), &err), KDK_UNDEFINED_FILE);
    CHECK_EQ(os_sync_dir(os, dir, &err), KDK_OK);
    CHECK_EQ(os_sync_dir(os, in(dir, "none"), &err), KDK_UNDEFINED_FILE);
    struct names names = {.left = -1};
    CHECK_EQ(os_list(os, dir, add_name, &names, &err), KDK_OK);
    CHECK_STR(names.text, "a b sub ");
    names = (struct names){.left = 1};
    CHECK_EQ(os_list(os, dir, add_name, &names, &err), KDK_LIMIT);
    CHECK_EQ(os_kind(os, in(dir, "a"), &kind, &err), KDK_OK);
    CHECK_EQ(kind, OS_FILE);
    CHECK_EQ(os_kind(os, in(dir, "sub"), &kind, &err), KDK_OK);
    CHECK_EQ(kind, OS_DIR);
    CHECK_EQ(os_kind(os, in(dir, "a/x"), &kind, &err), KDK_OK);
    CHECK_EQ(kind, OS_MISSING);
    CHECK_EQ(os_kind(os, "/dev/null", &kind, &err), KDK_OK);
    CHECK_EQ(kind, OS_OTHER);
    CHECK(os_remove_dir(os, dir, &err) != KDK_OK);
    CHECK_EQ(os_remove(os, in(dir, "a"), &err), KDK_OK);
    CHECK_EQ(os_remove(os, in(dir, "b"), &err), KDK_OK);
    CHECK_EQ(os_remove_dir(os, in(dir, "sub"), &err), KDK_OK);
    CHECK_EQ(os_remove_dir(os, dir, &err), KDK_OK);
}

TEST(real, no_memory_is_a_status)
{
    struct os *os = os_real();
    struct err err = {0};
    struct mem_stats before, after;
    char dir[64];
    if (!CHECK(scratch(dir) != NULL))
        return;
    mem_stats(&before);
    bool passed = false;
    for (uint64_t skip = 0; !passed && skip < 100; skip++) {
        struct os_file *file = NULL;
        struct names names = {.left = -1};
        mem_fail_after(skip, false);
        kdk_status status = os_open(os, in(dir, "f"), OS_WRITE | OS_CREATE, &file, &err);
        os_close(file);
        if (status == KDK_OK)
            status = os_list(os, dir, add_name, &names, &err);
        passed = mem_fail_never() == 0;
        CHECK_EQ(status, passed ? KDK_OK : KDK_NOMEM);
    }
    CHECK(passed);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
    CHECK_EQ(os_remove(os, in(dir, "f"), &err), KDK_OK);
    CHECK_EQ(os_remove_dir(os, dir, &err), KDK_OK);
}

TEST(real, streams_read_what_is_there)
{
    struct os *os = os_real();
    struct err err = {0};
    struct os_file *file = NULL;
    char path[64], bytes[100];
    size_t got;
    int ends[2];
    if (!CHECK(pipe(ends) == 0))
        return;
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    struct os_file *out = NULL;
    if (os_open(os, path, OS_WRITE, &out, &err) == KDK_OK) {
        CHECK_EQ(os_write(out, 0, "abc", 3, &err), KDK_OK);
        CHECK_EQ(os_write(out, 0, "def", 3, &err), KDK_OK);
    }
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    CHECK_EQ(os_open(os, path, OS_READ, &file, &err), KDK_OK);
    CHECK_EQ(os_stream_read(file, bytes, sizeof bytes, &got, &err), KDK_OK);
    CHECK_EQ(got, 6);
    CHECK_MEM(bytes, "abcdef", 6);
    os_close(out);
    close(ends[1]);
    CHECK_EQ(os_stream_read(file, bytes, sizeof bytes, &got, &err), KDK_OK);
    CHECK_EQ(got, 0);
    os_close(file);
    close(ends[0]);
}

TEST(real, clocks_and_the_machine)
{
    struct os *os = os_real();
    uint64_t a = os_now_ns(os), random[2] = {0, 0};
    os_sleep_ns(1000000);
    CHECK(os_now_ns(os) >= a + 1000000);
    CHECK(os_wall_us(os) > 1700000000ll * 1000000);
    os_random(os, random, sizeof random);
    CHECK(random[0] != random[1]);
    CHECK(os_cpu_count(os) >= 1);
    CHECK(os_memory_bytes(os) >= 64u << 20);
    CHECK_EQ(os_pid(os), getpid());
    CHECK(os_here() == os);
    _Atomic uint32_t word = 3;
    CHECK(os_wait(&word, 4, OS_FOREVER));
    CHECK(!os_wait(&word, 3, 1000000));
}

/* ---- Threads ---- */
enum { THREADS = 4, ROUNDS = 3000 };

struct shared {
    struct latch latch;
    struct rwlatch rwlatch;
    struct cond not_empty, not_full;
    uint64_t count, a, b;
    int queued, taken; /* A queue of at most 3. */
    bool done;
    _Atomic uint64_t selves[OS_THREADS_MAX / 64];
    _Atomic uint32_t running;
};

static void run_threads(os_thread_fn run, struct shared *shared)
{
    struct os_thread *threads[THREADS];
    struct err err = {0};
    for (int i = 0; i < THREADS; i++)
        if (!CHECK_EQ(os_thread_new(os_real(), "test", run, shared, &threads[i], &err),
                      KDK_OK))
            return;
    for (int i = 0; i < THREADS; i++)
        os_thread_join(threads[i]);
}

static void count_under_latch(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < ROUNDS; i++) {
        latch_acquire(&shared->latch);
        shared->count++;
        if (i % 512 == 0)
            os_yield();
        latch_release(&shared->latch);
    }
}

TEST(sync, latch_excludes)
{
    struct shared shared = {0};
    latch_init(&shared.latch, OS_RANK_LEAF);
    run_threads(count_under_latch, &shared);
    CHECK_EQ(shared.count, THREADS * ROUNDS);
    CHECK(latch_try(&shared.latch));
    CHECK(!latch_try(&shared.latch));
    latch_release(&shared.latch);
}

static void read_and_write(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < ROUNDS; i++)
        if (i % 8 == 0) {
            rwlatch_write(&shared->rwlatch);
            shared->a++;
            if (i % 512 == 0)
                os_yield();
            shared->b++;
            rwlatch_write_done(&shared->rwlatch);
        } else {
            rwlatch_read(&shared->rwlatch);
            if (shared->a != shared->b)
                CHECK(false);
            if (i % 512 == 1)
                os_yield();
            rwlatch_read_done(&shared->rwlatch);
        }
}

TEST(sync, rwlatch_lets_in_readers_or_one_writer)
{
    struct shared shared = {0};
    rwlatch_init(&shared.rwlatch, OS_RANK_LEAF);
    run_threads(read_and_write, &shared);
    CHECK_EQ(shared.a, THREADS * (ROUNDS / 8));
    CHECK_EQ(shared.b, shared.a);
    CHECK_EQ(atomic_load(&shared.rwlatch.word), 0);
    CHECK_EQ(atomic_load(&shared.rwlatch.writers_waiting), 0);
    rwlatch_read(&shared.rwlatch);
    rwlatch_read_done(&shared.rwlatch);
}

static void produce_or_consume(void *context)
{
    struct shared *shared = context;
    uint32_t which = atomic_fetch_add(&shared->running, 1);
    for (int i = 0; i < ROUNDS; i++) {
        latch_acquire(&shared->latch);
        if (which % 2) {
            while (shared->queued == 3)
                cond_wait(&shared->not_full, &shared->latch);
            shared->queued++;
            cond_signal(&shared->not_empty);
        } else {
            while (shared->queued == 0)
                cond_wait(&shared->not_empty, &shared->latch);
            shared->queued--;
            shared->taken++;
            if (i % 2)
                cond_signal(&shared->not_full);
            else
                cond_broadcast(&shared->not_full);
        }
        latch_release(&shared->latch);
    }
}

TEST(sync, conditions_pass_everything_through_a_queue)
{
    struct shared shared = {0};
    latch_init(&shared.latch, OS_RANK_TASK);
    run_threads(produce_or_consume, &shared);
    CHECK_EQ(shared.queued, 0);
    CHECK_EQ(shared.taken, THREADS / 2 * ROUNDS);
    latch_acquire(&shared.latch);
    CHECK(!cond_wait_ns(&shared.not_empty, &shared.latch, 100000));
    latch_release(&shared.latch);
}

static void note_self(void *context)
{
    struct shared *shared = context;
    uint32_t self = os_self();
    CHECK_EQ(os_self(), self);
    CHECK(self < OS_THREADS_MAX);
    uint64_t before = atomic_fetch_or(&shared->selves[self / 64], 1ull << self % 64);
    CHECK(!(before >> self % 64 & 1));
    CHECK(*os_local(OS_LOCAL_TEST) == NULL);
    *os_local(OS_LOCAL_TEST) = &self;
    /* All are alive at once, so no number may be given twice. */
    atomic_fetch_add(&shared->running, 1);
    while (atomic_load(&shared->running) < THREADS)
        os_yield();
    CHECK(*os_local(OS_LOCAL_TEST) == &self);
}

TEST(real, every_thread_has_its_number_and_pointers)
{
    for (int i = 0; i < 100; i++) { /* More threads in all than there are numbers. */
        struct shared shared = {0};
        run_threads(note_self, &shared);
    }
}

enum { CROWD = OS_THREADS_MAX + 60, ENOUGH = OS_THREADS_MAX - 10 };

static void stay_until_enough(void *context)
{
    struct shared *shared = context;
    CHECK(os_self() < OS_THREADS_MAX);
    atomic_fetch_add(&shared->running, 1);
    while (atomic_load(&shared->running) < ENOUGH)
        os_yield();
}

/* More threads than numbers: the last ones wait for the first ones to end. */
TEST(real, threads_wait_for_a_number)
{
    struct shared shared = {0};
    struct os_thread *threads[CROWD];
    struct err err = {0};
    for (int i = 0; i < CROWD; i++)
        if (!CHECK_EQ(os_thread_new(os_real(), "crowd", stay_until_enough, &shared,
                                    &threads[i], &err),
                      KDK_OK))
            return;
    for (int i = 0; i < CROWD; i++)
        os_thread_join(threads[i]);
    CHECK_EQ(atomic_load(&shared.running), CROWD);
}

#ifndef NDEBUG
/* What the child does is a mistake that must stop a debug build. */
static bool aborts(void (*mistake)(void))
{
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        mistake();
        _exit(0);
    }
    int how = 0;
    return CHECK(waitpid(child, &how, 0) == child) &&
           !(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static struct latch low, high;

static void take_downwards(void)
{
    latch_acquire(&high);
    latch_acquire(&low);
}

static void take_upwards(void)
{
    latch_acquire(&low);
    latch_acquire(&high);
    latch_release(&low);
    latch_release(&high);
    latch_acquire(&low);
}

static void take_twice(void)
{
    struct latch other;
    latch_init(&other, OS_RANK_TXN);
    latch_acquire(&low);
    latch_acquire(&other);
}

static void sync_holding(struct latch *latch)
{
    struct os_file *file = NULL;
    struct err err = {0};
    if (os_open(os_real(), "/tmp", OS_READ, &file, &err) != KDK_OK)
        _exit(0);
    latch_acquire(latch);
    if (os_sync(file, &err) == KDK_OK)
        os_close(file);
}

static void sync_holding_low(void)
{
    sync_holding(&low);
}

static void sync_holding_flush(void)
{
    latch_init(&high, OS_RANK_WAL_FLUSH);
    sync_holding(&high);
}

TEST(sync, invariant_34_ranks_are_enforced)
{
    latch_init(&low, OS_RANK_TXN);
    latch_init(&high, OS_RANK_TREE);
    CHECK(aborts(take_downwards));
    CHECK(!aborts(take_upwards));
    CHECK(aborts(take_twice));
    CHECK(aborts(sync_holding_low));
    CHECK(!aborts(sync_holding_flush));
}
#endif
