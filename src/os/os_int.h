/* os_int.h - what the files of os share: the table of functions behind a `struct os`, and
 * what is kept per thread (or coroutine). */
#ifndef KDK_OS_OS_INT_H
#define KDK_OS_OS_INT_H

#include "os/os.h"

struct os_ops {
    kdk_status (*open)(struct os *os, const char *path, unsigned flags,
                       struct os_file **out, struct err *err);
    void (*close)(struct os_file *file);
    kdk_status (*read)(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                       size_t *got, struct err *err);
    kdk_status (*write)(struct os_file *file, uint64_t offset, const void *from,
                        size_t bytes, struct err *err);
    kdk_status (*sync)(struct os_file *file, struct err *err);
    /* *done false: it has to be done in two steps. NULL: always. */
    kdk_status (*write_durable)(struct os_file *file, uint64_t offset, const void *from,
                                size_t bytes, bool *done, bool *unwritten, struct err *err);
    kdk_status (*size)(struct os_file *file, uint64_t *bytes, struct err *err);
    kdk_status (*truncate)(struct os_file *file, uint64_t bytes, struct err *err);
    kdk_status (*stream_read)(struct os_file *file, void *into, size_t bytes, size_t *got,
                              struct err *err);
    kdk_status (*lock)(struct os_file *file, struct err *err);
    kdk_status (*mkdir)(struct os *os, const char *path, struct err *err);
    kdk_status (*remove)(struct os *os, const char *path, struct err *err);
    kdk_status (*remove_dir)(struct os *os, const char *path, struct err *err);
    kdk_status (*rename)(struct os *os, const char *from, const char *to, struct err *err);
    kdk_status (*sync_dir)(struct os *os, const char *path, struct err *err);
    kdk_status (*kind)(struct os *os, const char *path, enum os_kind *out, struct err *err);
    kdk_status (*list)(struct os *os, const char *path, os_list_fn each, void *context,
                       struct err *err);
    uint64_t (*now_ns)(struct os *os);
    int64_t (*wall_us)(struct os *os);
    void (*random)(struct os *os, void *into, size_t bytes);
    uint32_t (*cpu_count)(struct os *os);
    uint64_t (*memory_bytes)(struct os *os);
    uint32_t (*pid)(struct os *os);
    kdk_status (*thread_new)(struct os *os, const char *name, os_thread_fn run,
                             void *context, struct os_thread **out, struct err *err);
    void (*thread_join)(struct os_thread *thread);
};

/* Each system's own structs begin with these. */
struct os {
    const struct os_ops *ops;
};
struct os_file {
    struct os *os;
    char *path; /* Owned. */
};
struct os_thread {
    struct os *os;
};

enum {
#define OS_RANK_ONE(NAME, SYNC) +1
    OS_RANK_COUNT = 0 OS_LATCH_RANKS(OS_RANK_ONE)
#undef OS_RANK_ONE
};

struct sim_thread;

/* Per thread of the machine, or per coroutine. Owner thread only. */
struct os_state {
    struct sim_thread *coroutine; /* NULL on a thread of the machine. */
    uint32_t self;                /* os_self() plus one; 0: none yet. */
    void *locals[OS_LOCALS];
    void
        *where; /* Who called the latch or condition that is about to wait; NULL: nobody. */
    uint8_t held[OS_RANK_COUNT]; /* Latches held of each rank; debug builds only. */
};

/* The one thread-local state of the library. `os_current` is the coroutine's while one
 * runs, else NULL. The model is initial-exec because latches look here: in a shared library
 * the usual one is a call. It takes some hundred bytes of what the loader keeps for
 * that. */
#define OS_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
extern OS_THREAD_LOCAL struct os_state *os_current;
extern OS_THREAD_LOCAL struct os_state os_own;

static inline struct os_state *os_state(void)
{
    return os_current ? os_current : &os_own;
}

/* The kernel's side of what has no `struct os` argument. */
uint32_t real_self(struct os_state *state);
bool real_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void real_wake(_Atomic uint32_t *word, uint32_t count);
void real_yield(void);
void real_spin(void);
void real_sleep(uint64_t ns);

/* The simulator's. */
struct os *sim_thread_os(struct sim_thread *thread);
bool sim_wait(struct sim_thread *self, _Atomic uint32_t *word, uint32_t expected,
              uint64_t timeout_ns, void *where);
void sim_wake(struct sim_thread *self, _Atomic uint32_t *word, uint32_t count);
void sim_yield(struct sim_thread *self);
void sim_spin(struct sim_thread *self);
void sim_sleep(struct sim_thread *self, uint64_t ns);
void sim_maybe_switch(struct sim_thread *self); /* Before a latch is taken. */

/* Debug builds: that no latch is held that its rank forbids across a sync. */
void latch_check_sync(void);

#endif
