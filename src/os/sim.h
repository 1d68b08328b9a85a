/* sim.h - the simulated system: one seed, one history.
 *
 * Fault model: 512-byte sectors are old or new, never torn inside; what was written and not
 * synced survives a power cut in any order, sector by sector, or not at all; a file's size
 * and the directory's entries are what they were when last synced, or any later state, each
 * on its own, but a rename is one change. Syncing a file does not make its name durable:
 * os_sync_dir() does. After a failed sync what it should have written may be lost for good,
 * though reads still show it and later syncs succeed.
 *
 * Threads are coroutines on the caller's thread: they switch only inside os calls, when a
 * latch is taken, in waits and in os_spin(), in an order drawn from the seed. Reads and
 * writes may be held back so that others run first; os_wait() sometimes returns early.
 *
 * Outside sim_run() the files can be read and written too, nothing switches, and a cut or a
 * failure shows as KDK_IO. A simulator, its forks included, belongs to one thread of the
 * machine at a time.
 */
#ifndef KDK_OS_SIM_H
#define KDK_OS_SIM_H

#include "os/os.h"

struct sim;

/* Sabotage, to prove that the tests see it. */
enum sim_break {
    SIM_BREAK_NONE = 0,
    SIM_BREAK_SKIP_FSYNC = 1,   /* os_sync returns without syncing. */
    SIM_BREAK_DROP_DIR_SYNC = 2 /* os_sync_dir does nothing. */
};

struct sim_options {
    uint64_t seed;
    unsigned breaks; /* enum sim_break, or-ed. */
    /* Of a coroutine; 0: 8 MiB, of which only what is touched costs. */
    size_t stack_bytes;
    uint64_t disk_bytes; /* Capacity; passing it is KDK_FULL. 0: no limit. */
    /* What is written needs new space also where the file has bytes: see sim_full_at(). */
    bool copies_on_write;
    uint32_t cpu_count; /* What os_cpu_count() says; 0: 2. */
    bool quiet;         /* Deadlocks are not printed. */
};

kdk_status sim_new(const struct sim_options *options, struct sim **out, struct err *err);
void sim_free(struct sim *sim);
struct os *sim_os(struct sim *sim);

/* Runs `main` as the first coroutine and all that it starts, until all have ended or the
 * power is cut. Returns true when all ended, else false. After a cut the coroutines are
 * gone without having been unwound: what they had allocated is freed by sim_memory_reap(),
 * when sim_memory_begin() was called before. The system is off, every call fails, until
 * sim_reboot() draws what survived; sim_fork() before that gives further draws from the
 * same cut. A schedule in which all wait for ever (or spin and poll with timeouts, some
 * millions of times in a row, while nothing else happens) is a deadlock: it ends like a
 * cut, prints who waits and where (an address for addr2line), and is KDK_DEADLOCK in
 * sim_last_error(). */
bool sim_run(struct sim *sim, os_thread_fn main, void *context);
/* How the last sim_run() ended: KDK_OK, also after a cut; or KDK_DEADLOCK, with who waits
 * in err's detail. */
kdk_status sim_last_error(const struct sim *sim, struct err *err);

/* I/O calls are counted from 1: writes, syncs, truncates, creations, removals, renames,
 * directory syncs ("mutating") and all of them ("all"). */
uint64_t sim_calls_mutating(const struct sim *sim);
uint64_t sim_calls_all(const struct sim *sim);
/* Cuts the power at mutating call n (before it takes effect; a write may have happened in
 * part, sector by sector). 0: never. */
void sim_cut_at(struct sim *sim, uint64_t n);
/* Calls `watch` within every mutating call that goes well, at the point where a power cut
 * would strike: a sync has done nothing yet, all else is done and may or may not survive.
 * sim_fork() in it, and sim_reboot() of the copy, is a cut at sim_calls_mutating() without
 * an end of this run, so that all cuts of a history cost one run of it. `watch` may call
 * nothing else of the system. NULL: nobody. */
typedef void (*sim_watch_fn)(void *context, struct sim *sim);
void sim_watch(struct sim *sim, sim_watch_fn watch, void *context);
/* Fails call n of all calls with `status` (KDK_IO or KDK_FULL), with and_on every later one
 * too. 0: none. */
void sim_fail_at(struct sim *sim, uint64_t n, bool and_on, kdk_status status);
/* The disk is full at call n of all calls, with and_on from there on: what would make a
 * file, a directory or a larger file then is KDK_FULL; what writes where a file has bytes
 * already goes well, as it does on file systems that keep the space of what was written,
 * unless copies_on_write: then every write is. 0: there is room. */
void sim_full_at(struct sim *sim, uint64_t n, bool and_on);
/* Power is back: what survived is drawn from the seed and is now what is synced; with no
 * cut before, the power is cut here. Counters restart, and no cut or failure is set. Files
 * opened before may only be closed. */
void sim_reboot(struct sim *sim);
/* A copy of the disk, what is not synced included, to try another future with `seed`:
 * sim_reboot() the copy to see what survives, or go on with it. Pages are shared until
 * written: it is cheap. */
kdk_status sim_fork(const struct sim *sim, uint64_t seed, struct sim **out,
                    struct err *err);

/* Running hash of the sequence of calls (kind, path, offset, length, bytes written, thread)
 * and of the switches: equal for equal seeds (O3). */
uint64_t sim_trace_hash(const struct sim *sim);
/* Changes one byte of a file as it lies on the disk. */
kdk_status sim_flip(struct sim *sim, const char *path, uint64_t offset, uint8_t mask,
                    struct err *err);
void sim_set_disk_bytes(struct sim *sim, uint64_t bytes);

/* Memory that coroutines had when the power went: install before sim_run, and reap after a
 * cut. */
void sim_memory_begin(void);
/* Frees all that was allocated through mem.h since sim_memory_begin(). */
void sim_memory_reap(void);

#endif
