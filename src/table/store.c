/* store.c - opening and closing, names, statistics, the walk over everything. */
#include "table/disk.h"

#include <stdio.h>

#include "base/mem.h"
#include "wal/wal.h"

/* --------------------------------------------------------------- opening ---- */

/* The directory that `path` is in. */
static kdk_status sync_parent(struct os *os, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf parent = {0};
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    while (end > 1 && path[end - 1] == '/')
        end--;
    buf_add(&parent, end ? path : ".", end ? end : 1);
    TRY(buf_status(&parent, err));
    TRY(os_sync_dir(os, parent.data, err));
out:
    buf_deinit(&parent);
    return status;
}

/* What a database has in its directory before its MANIFEST is there; and what file systems
 * put into theirs. */
static kdk_status is_ours(void *context, const char *name, struct err *err)
{
    static const char *const ours[] = {
        "LOCK", "MANIFEST", "MANIFEST.new", "wal", "blocks", "trees",
        "runs", "tmp",      "lost+found",   ".",   ".."};
    char **foreign = context;
    (void)err;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return KDK_OK;
    if (!*foreign && !(*foreign = mem_strdup(name)))
        return err_nomem(err);
    return KDK_OK;
}

/* A folder of somebody's files does not become a database by a slip of the fingers. */
static kdk_status refuse_foreign(const struct store_options *options, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0};
    enum os_kind kind;
    char *foreign = NULL;
    (void)buf_printf(&path, "%s/MANIFEST", options->dir);
    TRY(buf_status(&path, err));
    TRY(os_kind(options->os, path.data, &kind, err));
    if (kind != OS_MISSING)
        goto out;
    TRY(os_list(options->os, options->dir, is_ours, &foreign, err));
    if (foreign) {
        status =
            err_set(err, KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a database", options->dir);
        err_detail(err, "It has no MANIFEST, and other files: \"%s\".", foreign);
        err_hint(err,
                 "A new database is made in a folder that is empty, or not there yet.");
    }
out:
    mem_free(foreign);
    buf_deinit(&path);
    return status;
}

static kdk_status directory_make(const struct store_options *options, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    TRY(os_kind(options->os, options->dir, &kind, err));
    if (kind == OS_FILE || kind == OS_OTHER)
        TRY(err_set(err, KDK_WRONG_OBJECT_TYPE,
                    "\"%s\" is not a database: it is no directory", options->dir));
    if (kind == OS_MISSING) {
        if (!options->create)
            TRY(err_set(err, KDK_UNDEFINED_FILE, "database \"%s\" does not exist",
                        options->dir));
        TRY(os_mkdir(options->os, options->dir, err));
    } else {
        TRY(refuse_foreign(options, err));
    }
    if (!options->read_only)
        TRY(sync_parent(options->os, options->dir, err));
out:
    return status;
}

/* Takes the lock, and leaves the process id in it for whoever comes too late. */
static kdk_status directory_lock(struct store *store, const struct store_options *options,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0};
    struct os_file *file = NULL;
    char text[32];
    size_t got = 0;

    buf_printf(&path, "%s/LOCK", options->dir);
    TRY(buf_status(&path, err));
    status = os_open(options->os, path.data,
                     options->read_only ? OS_WRITE : OS_WRITE | OS_CREATE, &file, err);
    if (status == KDK_PRIVILEGE && options->read_only) {
        /* Somebody else's, or on a medium that is not written: a lock that readers share
         * keeps writers out. */
        err_clear(err);
        status = os_open(options->os, path.data, OS_READ, &file, err);
    }
    if (status == KDK_UNDEFINED_FILE && options->read_only) {
        /* A copy without its lock: nobody owns it. */
        err_clear(err);
        status = KDK_OK;
        goto out;
    }
    TRY(status);
    status = os_lock(file, err);
    if (status == KDK_BUSY) {
        if (os_read(file, 0, text, sizeof text - 1, &got, NULL) != KDK_OK)
            got = 0;
        text[got] = '\0';
        text[strcspn(text, "\n")] = '\0';
        err_set(err, KDK_BUSY, "database \"%s\" is in use by process %s", options->dir,
                text[0] ? text : "(unknown)");
        err_hint(err, "One process at a time can own a database.");
        goto out;
    }
    TRY(status);
    if (!options->read_only) {
        snprintf(text, sizeof text, "%u\n", os_pid(options->os));
        TRY(os_truncate(file, 0, err));
        TRY(os_write(file, 0, text, strlen(text), err));
    }
    store->lock = file;
    file = NULL;
out:
    os_close(file);
    buf_deinit(&path);
    return status;
}

/* Opens the log and reads what it says. *published: the newest commit. */
static kdk_status log_open(struct store *store, const struct store_options *options,
                           const struct manifest *manifest, struct store_report *report,
                           uint64_t *published, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_options wal_options = {
        .os = options->os,
        .dir = options->dir,
        .from_lsn = manifest->log_lsn,
        .keep_lsn = MIN(store->disk->older_lsn, manifest->log_lsn),
        .read_only = options->read_only || options->replay_before,
        .accept_damage = true};
    struct wal_report found;
    struct err damage = {0};

    if (options->log_segment_bytes)
        wal_options.segment_bytes = options->log_segment_bytes;
    status = wal_open(&wal_options, &store->wal, &found, &damage);
    if (status != KDK_OK) {
        if (err)
            *err = damage;
        goto out;
    }
    TRY(recovery_new(manifest->timestamp, options->replay_before, &store->recovery, err));
    TRY(wal_replay(store->wal, recovery_batch, store->recovery, err));
    const uint64_t high =
        MAX(recovery_object_high(store->recovery), MAX(manifest->next_id, 1) - 1);
    if (high >= STORE_FIRST_ID)
        atomic_store_explicit(&store->next_id, high + 1, memory_order_relaxed);
    if (options->replay_before)
        found.last_timestamp = MIN(found.last_timestamp, options->replay_before - 1);
    *published = MAX(found.last_timestamp, manifest->timestamp);
    report->log_bytes_replayed = found.replay_bytes;
    report->log_bytes_cut = found.cut_bytes;
    report->log_cut_lsn = found.cut_bytes ? found.end_lsn : 0;
    report->damaged = found.damaged;
    if (found.damaged && err)
        *err = damage;
out:
    return status;
}

static void store_free(struct store *store)
{
    if (!store)
        return;
    /* Parts and garbage hold tables; they go first. */
    txnman_free(store->man);
    while (store->tables) {
        struct table *table = store->tables;
        store->tables = table->next;
        table_unref(table);
    }
    disk_close(store->disk);
    recovery_free(store->recovery);
    os_close(store->lock);
    mem_free(store);
}

kdk_status store_open(const struct store_options *options, struct store **out,
                      struct store_report *report, struct err *err)
{
    kdk_status status = KDK_OK;
    struct store *store = NULL;
    struct store_report unread;
    struct manifest manifest = {0};
    uint64_t published = 0;
    if (!report)
        report = &unread;
    *report = (struct store_report){.created = !options->dir};
    TRY_MEM(store = MEM_NEW(struct store));
    store->os = options->os;
    store->upkeep = options->upkeep;
    store->broker = options->broker;
    store_set_limit(store, STORE_BULK_LOAD_ROWS, options->bulk_load_rows);
    store_set_limit(store, STORE_CHECKPOINT_LOG_BYTES, options->checkpoint_log_bytes);
    atomic_init(&store->next_id, STORE_FIRST_ID);
    latch_init(&store->latch, OS_RANK_TABLE);
    if (options->dir) {
        TRY(directory_make(options, err));
        TRY(directory_lock(store, options, err));
        TRY(disk_open(store, options, &manifest, report, err));
        TRY(log_open(store, options, &manifest, report, &published, err));
    }
    TRY(txnman_new(options->os, published, &store->man, err));
    if (store->disk)
        disk_start(store);
    if (store->wal)
        store_set_log(store);
    if (options->read_only)
        txnman_set_read_only(store->man, "it was opened read-only");
    else if (report->damaged || options->replay_before)
        txnman_set_read_only(store->man, "its log is damaged");
    *out = store;
    store = NULL;
out:
    if (store) {
        report->replay_failed = store_replay_failed(store);
        /* The first error is the one to report. */
        if (wal_close(store->wal, NULL) != KDK_OK && status == KDK_OK)
            status = KDK_IO;
        store_free(store);
        if (options->dir)
            err_while(err, "opening the database \"%s\"", options->dir);
    }
    return status;
}

uint64_t store_replay_failed(const struct store *store)
{
    return store->recovery ? recovery_failed_at(store->recovery) : 0;
}

kdk_status store_recovered(struct store *store, struct err *err)
{
    kdk_status status = KDK_OK;
    recovery_free(store->recovery);
    store->recovery = NULL;
    if (!store->disk)
        return KDK_OK;
    store->disk->complete = true;
    /* A log that could not be read to its end may name more. */
    if (txnman_read_only(store->man))
        return KDK_OK;
    TRY(disk_sweep(store->disk, err));
    if (store->upkeep) {
        TRY(wal_start_upkeep(store->wal, err));
        TRY(upkeep_start(store->disk, err));
    }
out:
    return status;
}

kdk_status store_close(struct store *store, bool checkpoint, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!store)
        return KDK_OK;
    if (store->disk)
        upkeep_stop(store->disk);
    if (checkpoint && store->disk && !txnman_read_only(store->man))
        status = store_checkpoint(store, false, NULL, err);
    /* Writes a group that vouches for all that was committed. */
    kdk_status closed = wal_close(store->wal, status == KDK_OK ? err : NULL);
    if (status == KDK_OK)
        status = closed;
    store->wal = NULL;
    store_free(store);
    return status;
}

struct txnman *store_txnman(struct store *store)
{
    return store->man;
}

uint64_t store_new_id(struct store *store)
{
    return atomic_fetch_add_explicit(&store->next_id, 1, memory_order_relaxed);
}

/* -------------------------------------------------------------------- names ---- */

void store_set_names(struct store *store, const struct table_names *names)
{
    store->names_room = *names;
    atomic_store_explicit(&store->names, &store->names_room, memory_order_release);
}

const char *name_of_table(struct table *table, char room[TABLE_NAME_ROOM])
{
    const struct table_names *names =
        atomic_load_explicit(&table->store->names, memory_order_acquire);
    if (!names || !names->table || !names->table(names->context, table->id, room))
        snprintf(room, TABLE_NAME_ROOM, "table %u", table->id);
    return room;
}

const char *name_of_column(struct table *table, uint32_t column, char room[TABLE_NAME_ROOM])
{
    const struct table_names *names =
        atomic_load_explicit(&table->store->names, memory_order_acquire);
    if (!names || !names->column || !names->column(names->context, table->id, column, room))
        snprintf(room, TABLE_NAME_ROOM, "column %u", column + 1);
    return room;
}

const char *name_of_index(struct index *index, char room[TABLE_NAME_ROOM])
{
    const struct table_names *names =
        atomic_load_explicit(&index->table->store->names, memory_order_acquire);
    if (!names || !names->index || !names->index(names->context, index->def.id, room))
        snprintf(room, TABLE_NAME_ROOM, "index %u", index->def.id);
    return room;
}

/* --------------------------------------------------------------- statistics ---- */

uint64_t table_row_count(struct table *table)
{
    int64_t live = atomic_load_explicit(&table->live, memory_order_relaxed);
    return live > 0 ? (uint64_t)live : 0;
}

uint64_t table_epoch(struct table *table)
{
    return atomic_load_explicit(&table->epoch, memory_order_acquire);
}

bool table_column_bounds(struct table *table, uint32_t column, int128 *lo, int128 *hi)
{
    const struct layout *layout = table_newest(table);
    const struct bounds *bounds =
        column < layout->count ? layout->fields[column].bounds : NULL;
    if (!bounds || atomic_load_explicit(&bounds->unknown, memory_order_acquire))
        return false;
    int64_t low = atomic_load_explicit(&bounds->lo, memory_order_acquire);
    int64_t high = atomic_load_explicit(&bounds->hi, memory_order_acquire);
    *lo = low;
    *hi = high;
    return low <= high;
}

bool store_is_new(const struct store *store)
{
    return txnman_published(store->man) == 0;
}
