/* upkeep.c - checkpoints that nobody asked for: the log has grown by `checkpoint_log_bytes`
 * since the last one began.
 *
 * Whose commit sees that asks a thread of the store's, and goes on: a checkpoint takes
 * seconds, a commit microseconds. The log must not grow without end when the disk cannot
 * keep up, so a commit that finds it twice as long as it should be waits for the
 * checkpoint; it has been committed by then, and holds nothing. It does not wait for who
 * else has the disk (a load, a CHECKPOINT, a check): that may be a statement of the same
 * thread of the host. A statement that is about to load rows waits for a checkpoint that
 * runs, too: else they would all go through memory.
 *
 * Whatever comes of a checkpoint, the commits stand: the log keeps what could not be
 * poured. What went wrong is kept for who asks (SHOW, a warning), and the next one is due
 * when the log has grown by as much again.
 */
#include "base/mem.h"
#include "table/checkpoint.h"
#include "task/chore.h"

/* The log is `times` as long as it should be. */
static bool is_due(struct disk *disk, int64_t times)
{
    const uint64_t longer = wal_position(disk->store->wal) -
                            atomic_load_explicit(&disk->since_lsn, memory_order_relaxed);
    return (int64_t)longer >=
               (int64_t)store_limit(disk->store, STORE_CHECKPOINT_LOG_BYTES) * times ||
           (times == 1 && atomic_load_explicit(&disk->due_now, memory_order_relaxed));
}

/* Makes one if it is due and the disk is free. */
static void run_if_due(struct disk *disk)
{
    struct upkeep *upkeep = &disk->upkeep;
    struct err err;
    if (!is_due(disk, 1))
        return;
    if (!disk_try(disk)) {
        /* Who has it need not be asked after with each commit. */
        if (upkeep->chore) {
            const uint64_t bytes = store_limit(disk->store, STORE_CHECKPOINT_LOG_BYTES);
            atomic_store_explicit(&disk->due_now, false, memory_order_relaxed);
            atomic_store_explicit(&disk->since_lsn,
                                  wal_position(disk->store->wal) - (bytes - bytes / 16),
                                  memory_order_relaxed);
        }
        return;
    }
    err_clear(&err);
    atomic_store_explicit(&upkeep->pouring, true, memory_order_relaxed);
    const kdk_status status = checkpoint_run(disk->store, false, NULL, &err);
    atomic_store_explicit(&upkeep->pouring, false, memory_order_relaxed);
    disk_release(disk);
    latch_acquire(&upkeep->latch);
    upkeep->failing = status != KDK_OK;
    if (status != KDK_OK) {
        upkeep->failure = err;
        atomic_fetch_add_explicit(&upkeep->failures, 1, memory_order_release);
    }
    latch_release(&upkeep->latch);
}

bool disk_try_patiently(struct disk *disk)
{
    while (!disk_try(disk)) {
        if (!atomic_load_explicit(&disk->upkeep.pouring, memory_order_relaxed))
            return disk_try(disk);
        os_wait(&disk->busy, 1, OS_FOREVER);
    }
    return true;
}

static uint64_t upkeep_run(void *context)
{
    struct disk *disk = context;
    run_if_due(disk);
    latch_acquire(&disk->upkeep.latch);
    disk->upkeep.runs++;
    cond_broadcast(&disk->upkeep.ended);
    latch_release(&disk->upkeep.latch);
    return OS_FOREVER;
}

void checkpoint_if_due(void *context)
{
    struct disk *disk = context;
    struct upkeep *upkeep = &disk->upkeep;
    if (!is_due(disk, 1))
        return;
    if (!upkeep->chore) {
        run_if_due(disk);
        return;
    }
    if (!is_due(disk, 2)) {
        chore_ask(upkeep->chore);
        return;
    }
    latch_acquire(&upkeep->latch);
    const uint64_t runs = upkeep->runs;
    chore_ask(upkeep->chore);
    while (upkeep->runs == runs)
        cond_wait(&upkeep->ended, &upkeep->latch);
    latch_release(&upkeep->latch);
}

kdk_status upkeep_start(struct disk *disk, struct err *err)
{
    return chore_new(disk->os, "kdk-checkpoint", upkeep_run, disk, &disk->upkeep.chore,
                     err);
}

void upkeep_stop(struct disk *disk)
{
    chore_free(disk->upkeep.chore);
    disk->upkeep.chore = NULL;
}

uint64_t store_checkpoint_failures(const struct store *store)
{
    return store->disk
               ? atomic_load_explicit(&store->disk->upkeep.failures, memory_order_acquire)
               : 0;
}

kdk_status store_checkpoint_failure(struct store *store, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!store->disk)
        return KDK_OK;
    latch_acquire(&store->disk->upkeep.latch);
    if (store->disk->upkeep.failing) {
        status = store->disk->upkeep.failure.status;
        if (err)
            *err = store->disk->upkeep.failure;
    }
    latch_release(&store->disk->upkeep.latch);
    return status;
}
