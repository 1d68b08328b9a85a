/* sim.h - the simulated system: one seed, one history.
 *
 * Fault model (STORAGE 23): 512-byte sectors are old or new, never torn inside; what was written and
 * not synced survives a power cut in any order, sector by sector, or not at all; a file's size and the
 * directory's entries are what they were when last synced, or any later state. Threads are coroutines
 * on the caller's thread: they switch only inside os calls, waits and os_spin(), in an order drawn from
 * the seed. Reads and writes may be held back so that others run first.
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
    unsigned breaks;        /* enum sim_break, or-ed. */
    size_t stack_bytes;     /* Of a coroutine; 0: 256 KiB (sanitizers: 1 MiB). */
    uint64_t disk_bytes;    /* Capacity; passing it is KDK_FULL. 0: no limit. */
};

kdk_status sim_new(const struct sim_options *options, struct sim **out, struct err *err);
void sim_free(struct sim *sim);
struct os *sim_os(struct sim *sim);

/* Runs `main` as the first coroutine and all that it starts, until all have ended or the power is cut.
 * Returns true when all ended, false after a cut. After a cut the coroutines are gone without having been
 * unwound: what they had allocated is freed by sim_reap_memory() when the hooks of sim_memory() were
 * installed, and the disk is what survived. A schedule in which all wait for ever is a deadlock: it
 * prints who waits and where, and ends as KDK_DEADLOCK in sim_last_error(). */
bool sim_run(struct sim *sim, os_thread_fn main, void *context);

/* I/O calls are counted from 1: writes, syncs, truncates, creations, removals, renames, directory syncs
 * ("mutating") and all of them ("all"). */
uint64_t sim_calls_mutating(const struct sim *sim);
uint64_t sim_calls_all(const struct sim *sim);
/* Cuts the power at mutating call n (before it takes effect; a write may have happened in part, sector by sector). 0: never. */
void sim_cut_at(struct sim *sim, uint64_t n);
/* Fails call n of all calls with `status` (KDK_IO or KDK_FULL), with and_on every later one too. 0: none. */
void sim_fail_at(struct sim *sim, uint64_t n, bool and_on, kdk_status status);
/* Power is back: the disk after the cut, drawn from the seed, becomes what is synced. Counters restart. */
void sim_reboot(struct sim *sim);
/* A deep copy of the disk as it would survive (or a branch to try another future with `seed`). */
kdk_status sim_fork(const struct sim *sim, uint64_t seed, struct sim **out, struct err *err);

/* Running hash of the sequence of calls (kind, path, offset, length, bytes, thread): equal for equal seeds (O3). */
uint64_t sim_trace_hash(const struct sim *sim);
/* Changes one byte of a file as it lies on the disk. */
kdk_status sim_flip(struct sim *sim, const char *path, uint64_t offset, uint8_t mask, struct err *err);
void sim_set_disk_bytes(struct sim *sim, uint64_t bytes);

/* Memory that coroutines had when the power went: install before sim_run, and reap after a cut. */
void sim_memory_begin(void);
void sim_memory_reap(void); /* Frees all that was allocated through mem.h since sim_memory_begin(). */

#endif
