/* os.h - the only way to the kernel: files, clocks, randomness, threads, and every wait.
 *
 * A `struct os` is a table of functions. There are two: os_real(), which calls the kernel,
 * and the simulator (os/sim.h), which keeps files in memory as 512-byte sectors, runs
 * threads as coroutines on one thread of the machine in an order drawn from a seed, and can
 * cut the power, tear writes, fail any call and reorder what was not synced. Everything
 * above os runs unchanged on both, so every wait goes through here and no layer above has a
 * thread-local variable of its own.
 *
 * Invariants
 *   O1  Nothing above os calls the kernel, sleeps, spins without os_spin(), or reads a
 *       clock.
 *   O2  A latch of os never waits elsewhere than in os_wait().
 *   O3  The same seed and workload give the simulator the same sequence of calls.
 * Failure  ENOSPC and EDQUOT are KDK_FULL, everything else KDK_IO (missing files:
 *          KDK_UNDEFINED_FILE), with path, offset and the kernel's text. EINTR is retried.
 *          A short read is not an error: the caller gets the count.
 */
#ifndef KDK_OS_OS_H
#define KDK_OS_OS_H

#include <stdatomic.h>
#include "base/base.h"

struct os;
struct os_file;
struct os_thread;

/* ---- The two systems ---- */
struct os *os_real(void); /* One for the process; never freed. */
/* The system that the calling thread runs on: the simulator inside a coroutine, else the
 * real one. */
struct os *os_here(void);

/* ---- Files. Thread-safe but for close. Paths are UTF-8, borrowed. ---- */
enum os_open {
    OS_READ = 1,
    OS_WRITE = 2,     /* read and write */
    OS_CREATE = 4,    /* make it if missing */
    OS_EXCLUSIVE = 8, /* with OS_CREATE: KDK_DUPLICATE_FILE if it exists */
    OS_TRUNCATE = 16,
    OS_DURABLE = 32, /* with OS_WRITE: os_write_durable() will be used */
};
kdk_status os_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                   struct err *err) KDK_MUST_CHECK;
void os_close(struct os_file *file); /* Accepts NULL. Promises nothing about durability. */
const char *os_file_path(const struct os_file *file);
/* Reads up to `bytes` at `offset`; *got is less only at the end of the file. */
kdk_status os_read(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                   size_t *got, struct err *err) KDK_MUST_CHECK;
/* As os_read, but fewer than `bytes` is KDK_CORRUPT naming file and offset. */
kdk_status os_read_exact(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                         struct err *err) KDK_MUST_CHECK;
/* All or an error; after an error any part may have been written. */
kdk_status os_write(struct os_file *file, uint64_t offset, const void *from, size_t bytes,
                    struct err *err) KDK_MUST_CHECK;
/* As os_write() and then os_sync(), in one step where the system has one: quickest for
 * whole sectors from memory aligned to 4096 where the file has bytes already. One at a time
 * for a file. *unwritten, after a failure: the writing failed, not the syncing, so that a
 * later sync means what it says. */
kdk_status os_write_durable(struct os_file *file, uint64_t offset, const void *from,
                            size_t bytes, bool *unwritten, struct err *err) KDK_MUST_CHECK;
/* Data and size durable when it returns (fdatasync). */
kdk_status os_sync(struct os_file *file, struct err *err) KDK_MUST_CHECK;
kdk_status os_size(struct os_file *file, uint64_t *bytes, struct err *err) KDK_MUST_CHECK;
kdk_status os_truncate(struct os_file *file, uint64_t bytes,
                       struct err *err) KDK_MUST_CHECK;
/* Sequential input and output on things that are no files (pipes, terminals): reads what is
 * there. */
kdk_status os_stream_read(struct os_file *file, void *into, size_t bytes, size_t *got,
                          struct err *err) KDK_MUST_CHECK;
/* Takes the whole-file open-file-description lock without waiting; KDK_BUSY when another
 * process (or another open file of this one) has it. Released by os_close. */
kdk_status os_lock(struct os_file *file, struct err *err) KDK_MUST_CHECK;

/* ---- Directories ---- */
/* exists: OK */
kdk_status os_mkdir(struct os *os, const char *path, struct err *err) KDK_MUST_CHECK;
/* missing: OK */
kdk_status os_remove(struct os *os, const char *path, struct err *err) KDK_MUST_CHECK;
/* empty */
kdk_status os_remove_dir(struct os *os, const char *path, struct err *err) KDK_MUST_CHECK;
kdk_status os_rename(struct os *os, const char *from, const char *to,
                     struct err *err) KDK_MUST_CHECK;
/* Makes creations, removals and renames in the directory durable. */
kdk_status os_sync_dir(struct os *os, const char *path, struct err *err) KDK_MUST_CHECK;
enum os_kind { OS_MISSING, OS_FILE, OS_DIR, OS_OTHER };
kdk_status os_kind(struct os *os, const char *path, enum os_kind *out,
                   struct err *err) KDK_MUST_CHECK;
/* Calls `each` for the names in a directory (not . and ..), sorted bytewise; stops on a
 * failure. */
typedef kdk_status (*os_list_fn)(void *context, const char *name, struct err *err);
kdk_status os_list(struct os *os, const char *path, os_list_fn each, void *context,
                   struct err *err) KDK_MUST_CHECK;

/* ---- Clocks and randomness ---- */
uint64_t os_now_ns(struct os *os); /* Monotonic. */
int64_t os_wall_us(struct os *os); /* Microseconds since 1970, UTC. */
void os_random(struct os *os, void *into, size_t bytes);
uint32_t os_cpu_count(struct os *os);    /* That this process may use; at least 1. */
uint64_t os_memory_bytes(struct os *os); /* That this process may use (cgroups count). */
uint32_t os_pid(struct os *os);

/* ---- Threads ---- */
typedef void (*os_thread_fn)(void *context);
kdk_status os_thread_new(struct os *os, const char *name, os_thread_fn run, void *context,
                         struct os_thread **out, struct err *err) KDK_MUST_CHECK;
void os_thread_join(struct os_thread *thread); /* Waits for its end and frees it. */
/* A small number that no other running thread has: index for per-thread slots; <
 * OS_THREADS_MAX. Threads of the host get theirs at the first call. Waits (in turn) if all
 * are taken. */
#define OS_THREADS_MAX 256
uint32_t os_self(void);
/* Per-thread pointers, `OS_LOCALS` of them, NULL at first: what a thread-local would be
 * used for. */
enum os_local { OS_LOCAL_EPOCH, OS_LOCAL_WORKER, OS_LOCAL_TEST, OS_LOCALS };
void **os_local(enum os_local which);
void os_yield(void); /* Lets others run. */
/* In each round of a spin loop: pause, or a switch in the simulator. */
void os_spin(void);
void os_sleep_ns(uint64_t ns);

/* ---- Waiting: the one primitive (a futex), on the calling thread's system ---- */
#define OS_FOREVER UINT64_MAX
/* Returns at once if *word != expected, else when woken or after `timeout_ns`; may return
 * early. False on timeout. */
bool os_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void os_wake(_Atomic uint32_t *word, uint32_t count); /* UINT32_MAX: all. */

/* Latches have ranks, in the order in which one thread may take them; debug builds assert
 * it, and that none marked `no` in the last column is held across os_sync. */
#define OS_LATCH_RANKS(X)                                                                  \
    X(NONE, yes)       /* Not checked: leaf latches of tests and tools. */                 \
    X(DATABASE, yes)   /* Open, close, DDL. */                                             \
    X(CHECKPOINT, yes) /* One checkpoint at a time. */                                     \
    X(CATALOG, no)     /* Publishing a catalog version. */                                 \
    X(TABLE, no)       /* A table's list of strips, counters. */                           \
    X(TXN, no)         /* Beginning, ending, the list of snapshots. */                     \
    X(COMMIT, no)      /* The order of the log. */                                         \
    X(WAL_FLUSH, yes)  /* One writer of the log. */                                        \
    X(WAL, no)         /* The log's buffer. */                                             \
    X(TREE, no)        /* The page store's map. */                                         \
    X(CACHE, no)       /* Strip and page caches. */                                        \
    X(TASK, no)        /* Scheduler queues. */                                             \
    X(LEAF, no)        /* Held for a few instructions, taking no other. */
enum os_rank {
#define OS_RANK(NAME, SYNC) OS_RANK_##NAME,
    OS_LATCH_RANKS(OS_RANK)
#undef OS_RANK
};

/* A mutual-exclusion latch: spins shortly, then waits. Zeroed + latch_init. Not
 * recursive. */
struct latch {
    _Atomic uint32_t word; /* 0 free, 1 taken, 2 taken and somebody waits. */
    uint8_t rank;
};
void latch_init(struct latch *latch, enum os_rank rank);
void latch_acquire(struct latch *latch);
bool latch_try(struct latch *latch);
void latch_release(struct latch *latch);

/* Many readers or one writer; a waiting writer stops new readers. */
struct rwlatch {
    _Atomic uint32_t word;
    _Atomic uint32_t writers_waiting;
    uint8_t rank;
};
void rwlatch_init(struct rwlatch *latch, enum os_rank rank);
void rwlatch_read(struct rwlatch *latch);
void rwlatch_read_done(struct rwlatch *latch);
void rwlatch_write(struct rwlatch *latch);
void rwlatch_write_done(struct rwlatch *latch);

/* A condition, used with one latch; every wait is in a loop that tests what it waits
 * for. */
struct cond {
    _Atomic uint32_t sequence;
};
void cond_wait(struct cond *cond, struct latch *latch);
/* false: timeout */
bool cond_wait_ns(struct cond *cond, struct latch *latch, uint64_t timeout_ns);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

#endif
