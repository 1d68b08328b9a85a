/* sim_int.h - what the files of the simulator share: the disk (sim_disk.c), the coroutines
 * (sim_sched.c), and the system made of both (sim.c). */
#ifndef KDK_OS_SIM_INT_H
#define KDK_OS_SIM_INT_H

#include "base/hash.h"
#include "os/os_int.h"
#include "os/sim.h"

/* ---- Random numbers: Steele's SplitMix64 ---- */
struct sim_random {
    uint64_t state;
};
static inline uint64_t sim_draw(struct sim_random *random)
{
    return hash_u64(random->state += 0x9e3779b97f4a7c15ull);
}
/* Below `n`, which is not 0. */
static inline uint64_t sim_below(struct sim_random *random, uint64_t n)
{
    return (uint64_t)((uint128)sim_draw(random) * n >> 64);
}
/* True once in `n` times. */
static inline bool sim_once_in(struct sim_random *random, uint64_t n)
{
    return sim_below(random, n) == 0;
}

/* ---- Disk ---- */
#define SIM_SECTOR_BYTES 512u
#define SIM_PAGE_BYTES   4096u
#define SIM_PAGE_SECTORS (SIM_PAGE_BYTES / SIM_SECTOR_BYTES)

struct sim_page; /* Counted, copied when written while shared. NULL: all zeroes. */

/* A file or a directory. `now` is what calls see, `disk` what is surely on the platter; a
 * page whose `dirty` has no bit set is the same in both. */
struct sim_inode {
    uint32_t refs;  /* Entries that name it, in either of their states, and open files. */
    uint32_t links; /* Entries that name it now. */
    uint32_t handles;
    bool is_dir;
    const void *locked_by;             /* The open file that has the lock. */
    struct sim_inode *next, *previous; /* All of the disk, in order of creation. */
    struct sim_inode *copy;            /* While forking. */
    /* File */
    struct sim_page **now, **disk;
    uint8_t *dirty; /* Sectors written and not synced. */
    uint8_t *lost;  /* Of these, those whose sync failed: later syncs pass them over. */
    uint32_t *dirty_pages; /* Pages with a bit in `dirty`. */
    size_t page_cap, dirty_count, dirty_cap;
    uint64_t size_now, size_disk;
    uint64_t charged; /* Of the disk's capacity. */
    /* Directory: sorted by name; entries that are gone now, but not on the platter,
     * included. */
    struct sim_entry **entries;
    size_t entry_count, entry_cap;
};

struct sim_entry {
    struct sim_inode *dir;        /* Borrowed: the directory it stands in. */
    struct sim_inode *now, *disk; /* Counted; NULL: no such name. */
    uint64_t group; /* Renames tie entries: those of a group survive together. 0: alone. */
    bool pending;   /* In the disk's list: now and disk may differ. */
    char name[];
};

struct sim_disk {
    struct sim_inode *root, *first, *last;
    struct sim_entry **pending;
    size_t pending_count, pending_cap;
    uint64_t groups;
    uint64_t used, capacity; /* Bytes; capacity 0: no limit. */
    bool full;               /* No file may grow. */
    struct sim_random random;
};

kdk_status sim_disk_init(struct sim_disk *disk, uint64_t seed, struct err *err);
void sim_disk_deinit(struct sim_disk *disk);
kdk_status sim_disk_copy(const struct sim_disk *from, uint64_t seed, struct sim_disk *to,
                         struct err *err);
/* The power is cut: what was not synced survives or not. */
kdk_status sim_disk_cut(struct sim_disk *disk, struct err *err);

/* The inode that `path` names, NULL if there is none. */
struct sim_inode *sim_disk_find(const struct sim_disk *disk, const char *path);
/* The directory that the last name of `path` stands in (NULL if there is none), and that
 * name. */
struct sim_inode *sim_disk_parent(const struct sim_disk *disk, const char *path,
                                  const char **name, size_t *bytes);
kdk_status sim_disk_create(struct sim_disk *disk, const char *path, bool is_dir,
                           struct sim_inode **out, struct err *err);
kdk_status sim_disk_remove(struct sim_disk *disk, const char *path, struct err *err);
kdk_status sim_disk_rename(struct sim_disk *disk, const char *from, const char *to,
                           struct err *err);
void sim_disk_sync_dir(struct sim_disk *disk, struct sim_inode *dir);
size_t sim_dir_count(const struct sim_inode *dir); /* Of names that are there now. */

void sim_inode_open(struct sim_inode *inode);
void sim_inode_close(struct sim_disk *disk, struct sim_inode *inode);
size_t sim_inode_read(const struct sim_inode *inode, uint64_t offset, void *into,
                      size_t bytes);
kdk_status sim_inode_write(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset,
                           const void *from, size_t bytes, struct err *err);
kdk_status sim_inode_truncate(struct sim_disk *disk, struct sim_inode *inode,
                              uint64_t bytes, struct err *err);
kdk_status sim_inode_sync(struct sim_inode *inode, struct err *err);
/* A sync that fails: some sectors reach the platter, the others never will. */
kdk_status sim_inode_sync_failed(struct sim_disk *disk, struct sim_inode *inode,
                                 struct err *err);
kdk_status sim_inode_flip(struct sim_inode *inode, uint64_t offset, uint8_t mask,
                          struct err *err);

/* ---- Coroutines ---- */
enum sim_thread_status { SIM_READY, SIM_WAITING, SIM_SLEEPING, SIM_JOINING, SIM_ENDED };

struct sim_stack {
    struct sim_stack *next;
    uint8_t *bottom; /* Above the guard page. */
    size_t bytes;
};

struct sim_thread {
    struct os_thread thread;
    struct sim *sim;
    os_thread_fn run;
    void *context;
    struct os_state state;
    struct sim_stack *stack;
    void *machine;    /* Its stack pointer, or ucontext_t, while it does not run. */
    void *sanitizer;  /* TSan's fiber. */
    void *fake_stack; /* ASan's. */
    enum sim_thread_status status;
    size_t index;              /* In sim->ready while ready, else in sim->idle. */
    _Atomic uint32_t *word;    /* Waiting for. */
    struct sim_thread *joined; /* Joining. */
    uint64_t deadline_ns;      /* OS_FOREVER: none. */
    bool timed_out;
    void *where;             /* Who called. */
    uint32_t number;         /* In order of creation. */
    struct sim_thread *next; /* All. */
    char name[32];
};

struct sim_threads { /* A set that can be drawn from. */
    struct sim_thread **items;
    size_t count, cap;
};

struct sim {
    struct os os;
    struct sim_options options;
    struct sim_disk disk;
    struct sim_random schedule, faults, numbers;
    bool on; /* The power. */
    uint64_t boots;
    uint64_t now_ns;
    uint64_t trace;
    uint64_t calls_all, calls_mutating, cut_at, fail_at;
    bool fail_and_on;
    sim_watch_fn watch;
    void *watch_context;
    /* The disk is full from this call on, or (not full_and_on) for it alone. */
    uint64_t full_at;
    bool full_and_on;
    kdk_status fail_status;
    /* Coroutines */
    uint64_t switch_once_in; /* At a call; drawn from the seed. */
    struct sim_threads ready, idle;
    struct sim_thread *current, *arriving, *threads;
    struct sim_stack *stacks; /* Unused ones. */
    uint32_t thread_numbers;
    uint64_t selves[OS_THREADS_MAX / 64];
    uint64_t next_deadline_ns; /* Not after the earliest. */
    uint64_t idle_spins;       /* Spins since anything else happened. */
    struct sim_thread runner;  /* The thread of the machine, outside all coroutines. */
    bool cut;
    struct err error;
};

static inline struct sim *sim_of(struct os *os)
{
    return (struct sim *)os;
}

/* A place where another coroutine may go on: once in `n` times. */
void sim_point(struct sim *sim, uint64_t n);
/* Ends sim_run(): does not return inside a coroutine, else the power is off when it
 * does. */
void sim_power_off(struct sim *sim);
kdk_status sim_thread_start(struct sim *sim, const char *name, os_thread_fn run,
                            void *context, struct os_thread **out, struct err *err);
void sim_thread_wait_end(struct os_thread *thread);
void sim_sched_deinit(struct sim *sim);

#endif
