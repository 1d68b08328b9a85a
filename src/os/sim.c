/* sim.c - the simulated system: the calls of os.h on the disk of sim_disk.c by the
 * coroutines of sim_sched.c.
 *
 * Every call begins in enter(), which lets others run first, moves the clock, counts, adds
 * to the trace, and says whether the call goes well, fails, or is the one at which the
 * power is cut.
 */
#include "os/sim_int.h"

#include "base/buf.h"
#include "base/mem.h"

/* ---- The gate ---- */
/* X(NAME, mutating, nanoseconds, text) */
#define SIM_CALLS(X)                                                                       \
    X(OPEN, 0, 2000, "open")                                                               \
    X(CREATE, 1, 5000, "create")                                                           \
    X(READ, 0, 3000, "read")                                                               \
    X(WRITE, 1, 3000, "write")                                                             \
    X(SYNC, 1, 100000, "sync")                                                             \
    X(SIZE, 0, 500, "get the size of")                                                     \
    X(TRUNCATE, 1, 3000, "truncate")                                                       \
    X(LOCK, 0, 1000, "lock")                                                               \
    X(MKDIR, 1, 5000, "create directory")                                                  \
    X(REMOVE, 1, 5000, "remove")                                                           \
    X(RENAME, 1, 5000, "rename")                                                           \
    X(SYNC_DIR, 1, 100000, "sync directory")                                               \
    X(KIND, 0, 1000, "look at")                                                            \
    X(LIST, 0, 5000, "list")

enum sim_call {
#define SIM_CALL(NAME, MUTATING, NS, TEXT) CALL_##NAME,
    SIM_CALLS(SIM_CALL)
#undef SIM_CALL
};

static const struct {
    bool mutating;
    uint64_t ns;
    const char *text;
} calls[] = {
#define SIM_CALL(NAME, MUTATING, NS, TEXT) {MUTATING, NS, TEXT},
    SIM_CALLS(SIM_CALL)
#undef SIM_CALL
};

enum fate { GOES_WELL, FAILS, CUT };

struct sim_file {
    struct os_file file;
    struct sim *sim;
    struct sim_inode *inode;
    uint64_t boot; /* The inode is gone after the next one. */
    uint64_t path_hash;
    bool writable;
};

static bool is_full(const struct sim *sim)
{
    return sim->full_at && (sim->full_and_on ? sim->calls_all >= sim->full_at
                                             : sim->calls_all == sim->full_at);
}

static enum fate enter(struct sim *sim, enum sim_call call, const char *path,
                       uint64_t path_hash, uint64_t offset, uint64_t bytes,
                       uint64_t content, kdk_status *status, struct err *err)
{
    *status = KDK_OK;
    if (sim->on)
        sim_point(sim, sim->switch_once_in);
    if (!sim->on) {
        *status = err_set(err, KDK_IO, "could not %s \"%s\": the power is off",
                          calls[call].text, path);
        return FAILS;
    }
    sim->now_ns += calls[call].ns + sim_below(&sim->schedule, calls[call].ns);
    sim->calls_all++;
    uint64_t what =
        hash_combine(hash_combine(path_hash, offset), hash_combine(bytes, content));
    uint64_t who = sim->current->number;
    sim->trace = hash_combine(sim->trace, hash_combine(what, who << 8 | (uint64_t)call));
    if (calls[call].mutating && ++sim->calls_mutating == sim->cut_at)
        return CUT;
    const bool full = is_full(sim);
    sim->disk.full = full;
    if (full &&
        (call == CALL_CREATE || (call == CALL_WRITE && sim->options.copies_on_write))) {
        *status = err_set(err, KDK_FULL,
                          "could not %s \"%s\": no space left on the simulated disk",
                          calls[call].text, path);
        return FAILS;
    }
    if (sim->fail_at && (sim->calls_all == sim->fail_at ||
                         (sim->fail_and_on && sim->calls_all > sim->fail_at))) {
        *status = err_set(err, sim->fail_status, "could not %s \"%s\": simulated failure",
                          calls[call].text, path);
        err_detail(err, "call %llu, offset %llu, %llu bytes",
                   (unsigned long long)sim->calls_all, (unsigned long long)offset,
                   (unsigned long long)bytes);
        return FAILS;
    }
    return GOES_WELL;
}

/* The call that was cut has had its effect, or not. */
static kdk_status cut(struct sim *sim, const char *path, struct err *err)
{
    sim_power_off(sim);
    return err_set(err, KDK_IO, "the power was cut at \"%s\"", path);
}

/* The call's effect is what a cut here would leave to chance. */
static void watched(struct sim *sim, kdk_status status)
{
    if (sim->watch && status == KDK_OK)
        sim->watch(sim->watch_context, sim);
}

static uint64_t hash_path(const char *path)
{
    return hash_bytes(path, strlen(path));
}

static struct sim_file *sim_file(struct os_file *file)
{
    return (struct sim_file *)file;
}

static enum fate enter_file(struct os_file *file, enum sim_call call, uint64_t offset,
                            uint64_t bytes, uint64_t content, kdk_status *status,
                            struct err *err)
{
    struct sim_file *self = sim_file(file);
    if (self->boot != self->sim->boots) {
        *status = err_set(err, KDK_IO,
                          "could not %s \"%s\": it was opened before the power was cut",
                          calls[call].text, file->path);
        return FAILS;
    }
    return enter(self->sim, call, file->path, self->path_hash, offset, bytes, content,
                 status, err);
}

static enum fate enter_path(struct os *os, enum sim_call call, const char *path,
                            uint64_t other, kdk_status *status, struct err *err)
{
    return enter(sim_of(os), call, path, hash_path(path), other, 0, 0, status, err);
}

static kdk_status failed(struct err *err, kdk_status status, enum sim_call call,
                         const char *path, const char *why)
{
    return err_set(err, status, "could not %s \"%s\": %s", calls[call].text, path, why);
}

static kdk_status missing(struct err *err, enum sim_call call, const char *path)
{
    return failed(err, KDK_UNDEFINED_FILE, call, path, "No such file or directory");
}

/* ---- Files ---- */
static kdk_status open_file(struct os *os, const char *path, unsigned flags,
                            struct os_file **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    struct sim_file *file = MEM_NEW(struct sim_file);
    TRY_MEM(file);
    file->file.os = os;
    file->file.path = mem_strdup(path);
    TRY_MEM(file->file.path);
    file->sim = sim;
    file->path_hash = hash_path(path);
    file->writable = flags & OS_WRITE;
    file->boot = sim->boots;

    /* Only a call that changes something is counted as one that does. */
    struct sim_inode *inode = sim->on ? sim_disk_find(&sim->disk, path) : NULL;
    bool creates = !inode && (flags & OS_CREATE);
    bool truncates = inode && (flags & OS_TRUNCATE) && inode->size_now > 0;
    enum sim_call call = creates ? CALL_CREATE : truncates ? CALL_TRUNCATE : CALL_OPEN;
    enum fate fate = enter(sim, call, path, file->path_hash, flags, 0, 0, &status, err);
    TRY(status);
    inode = sim_disk_find(&sim->disk, path); /* Others may have run. */
    if (fate == CUT) {
        if (!inode && sim_once_in(&sim->faults, 2))
            status = sim_disk_create(&sim->disk, path, false, NULL, err);
        TRY(cut(sim, path, err)); /* Whatever that said. */
    }
    if (inode && inode->is_dir)
        TRY(failed(err, KDK_IO, call, path, "Is a directory"));
    if (inode && (flags & OS_CREATE) && (flags & OS_EXCLUSIVE))
        TRY(failed(err, KDK_DUPLICATE_FILE, call, path, "File exists"));
    if (!inode) {
        if (!(flags & OS_CREATE))
            TRY(missing(err, call, path));
        TRY(sim_disk_create(&sim->disk, path, false, &inode, err));
    }
    if (flags & OS_TRUNCATE)
        TRY(sim_inode_truncate(&sim->disk, inode, 0, err));
    if (calls[call].mutating)
        watched(sim, status);
    sim_inode_open(inode);
    file->inode = inode;
    *out = &file->file;
    file = NULL;
out:
    if (file)
        os_close(&file->file);
    return status;
}

static void close_file(struct os_file *file)
{
    struct sim_file *self = sim_file(file);
    if (self->inode && self->boot == self->sim->boots) {
        if (self->inode->locked_by == self)
            self->inode->locked_by = NULL;
        sim_inode_close(&self->sim->disk, self->inode);
    }
    mem_free(file->path);
    mem_free(self);
}

static kdk_status read_file(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                            size_t *got, struct err *err)
{
    kdk_status status;
    *got = 0;
    if (enter_file(file, CALL_READ, offset, bytes, 0, &status, err) == GOES_WELL)
        *got = sim_inode_read(sim_file(file)->inode, offset, into, bytes);
    return status;
}

static kdk_status write_file(struct os_file *file, uint64_t offset, const void *from,
                             size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_file *self = sim_file(file);
    struct sim *sim = self->sim;
    if (!self->writable)
        return failed(err, KDK_IO, CALL_WRITE, file->path, "Bad file descriptor");
    enum fate fate =
        enter_file(file, CALL_WRITE, offset, bytes, hash_bytes(from, bytes), &status, err);
    if (fate == GOES_WELL) {
        status = sim_inode_write(&sim->disk, self->inode, offset, from, bytes, err);
        watched(sim, status);
        return status;
    }
    if (fate == CUT) { /* Written but not synced: the draw tears it. */
        status = sim_inode_write(&sim->disk, self->inode, offset, from, bytes, err);
        status = cut(sim, file->path, err); /* Whether it fitted or not. */
    } else if (sim->on && self->boot == sim->boots && bytes > 0 &&
               sim_once_in(&sim->faults, 2)) {
        struct err ignored = {0}; /* The failure that counts is set already. */
        size_t part = (size_t)sim_below(&sim->faults, bytes + 1);
        if (sim_inode_write(&sim->disk, self->inode, offset, from, part, &ignored) !=
            KDK_OK)
            return status;
    }
    return status;
}

static kdk_status sync_file(struct os_file *file, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_file *self = sim_file(file);
    struct sim *sim = self->sim;
    enum fate fate = enter_file(file, CALL_SYNC, 0, 0, 0, &status, err);
    if (fate == CUT)
        return cut(sim, file->path, err);
    if (fate == FAILS) {
        struct err ignored = {0};
        if (sim->on && self->boot == sim->boots &&
            sim_inode_sync_failed(&sim->disk, self->inode, &ignored) != KDK_OK)
            return status;
        return status;
    }
    watched(sim, status);
    if (sim->options.breaks & SIM_BREAK_SKIP_FSYNC)
        return KDK_OK;
    return sim_inode_sync(self->inode, err);
}

static kdk_status size_file(struct os_file *file, uint64_t *bytes, struct err *err)
{
    kdk_status status;
    if (enter_file(file, CALL_SIZE, 0, 0, 0, &status, err) == GOES_WELL)
        *bytes = sim_file(file)->inode->size_now;
    return status;
}

static kdk_status truncate_file(struct os_file *file, uint64_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_file *self = sim_file(file);
    struct sim *sim = self->sim;
    if (!self->writable)
        return failed(err, KDK_IO, CALL_TRUNCATE, file->path, "Invalid argument");
    enum fate fate = enter_file(file, CALL_TRUNCATE, bytes, 0, 0, &status, err);
    TRY(status);
    if (fate == GOES_WELL || sim_once_in(&sim->faults, 2))
        status = sim_inode_truncate(&sim->disk, self->inode, bytes, err);
    if (fate == CUT)
        status = cut(sim, file->path, err);
    watched(sim, status);
out:
    return status;
}

static kdk_status stream_read(struct os_file *file, void *into, size_t bytes, size_t *got,
                              struct err *err)
{
    (void)into;
    (void)bytes;
    *got = 0;
    return failed(err, KDK_UNSUPPORTED, CALL_READ, file->path,
                  "the simulator has no streams");
}

static kdk_status lock_file(struct os_file *file, struct err *err)
{
    kdk_status status;
    struct sim_file *self = sim_file(file);
    if (enter_file(file, CALL_LOCK, 0, 0, 0, &status, err) != GOES_WELL)
        return status;
    if (self->inode->locked_by && self->inode->locked_by != self)
        return err_set(err, KDK_BUSY, "\"%s\" is locked by another opener", file->path);
    self->inode->locked_by = self;
    return KDK_OK;
}

/* ---- Directories ---- */
static kdk_status make_dir(struct os *os, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    enum fate fate = enter_path(os, CALL_MKDIR, path, 0, &status, err);
    TRY(status);
    const struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (fate == GOES_WELL && inode && !inode->is_dir)
        TRY(failed(err, KDK_DUPLICATE_FILE, CALL_MKDIR, path, "File exists"));
    if (!inode && fate == GOES_WELL && sim->disk.full)
        TRY(failed(err, KDK_FULL, CALL_MKDIR, path, "no space left on the simulated disk"));
    if (!inode && (fate == GOES_WELL || sim_once_in(&sim->faults, 2)))
        status = sim_disk_create(&sim->disk, path, true, NULL, err);
    if (fate == CUT)
        status = cut(sim, path, err);
    watched(sim, status);
out:
    return status;
}

static kdk_status remove_either(struct os *os, const char *path, bool dir, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    enum fate fate = enter_path(os, CALL_REMOVE, path, dir, &status, err);
    TRY(status);
    const struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    const char *why = !inode                            ? NULL
                      : inode == sim->disk.root         ? "Device or resource busy"
                      : dir && !inode->is_dir           ? "Not a directory"
                      : !dir && inode->is_dir           ? "Is a directory"
                      : dir && sim_dir_count(inode) > 0 ? "Directory not empty"
                                                        : NULL;
    if (fate == GOES_WELL && !inode && dir)
        TRY(missing(err, CALL_REMOVE, path));
    if (fate == GOES_WELL && why)
        TRY(failed(err, KDK_IO, CALL_REMOVE, path, why));
    if (inode && !why && (fate == GOES_WELL || sim_once_in(&sim->faults, 2)))
        status = sim_disk_remove(&sim->disk, path, err);
    if (fate == CUT)
        status = cut(sim, path, err);
    watched(sim, status);
out:
    return status;
}

static kdk_status remove_file(struct os *os, const char *path, struct err *err)
{
    return remove_either(os, path, false, err);
}

static kdk_status remove_dir(struct os *os, const char *path, struct err *err)
{
    return remove_either(os, path, true, err);
}

static kdk_status rename_file(struct os *os, const char *from, const char *to,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    enum fate fate = enter_path(os, CALL_RENAME, from, hash_path(to), &status, err);
    TRY(status);
    if (fate == GOES_WELL || sim_once_in(&sim->faults, 2))
        status = sim_disk_rename(&sim->disk, from, to, err);
    if (fate == CUT)
        status = cut(sim, from, err);
    watched(sim, status);
out:
    return status;
}

static kdk_status sync_dir(struct os *os, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    enum fate fate = enter_path(os, CALL_SYNC_DIR, path, 0, &status, err);
    TRY(status);
    if (fate == CUT)
        TRY(cut(sim, path, err));
    struct sim_inode *dir = sim_disk_find(&sim->disk, path);
    if (!dir || !dir->is_dir)
        TRY(missing(err, CALL_SYNC_DIR, path));
    watched(sim, status);
    if (!(sim->options.breaks & SIM_BREAK_DROP_DIR_SYNC))
        sim_disk_sync_dir(&sim->disk, dir);
out:
    return status;
}

static kdk_status kind_of(struct os *os, const char *path, enum os_kind *out,
                          struct err *err)
{
    kdk_status status;
    if (enter_path(os, CALL_KIND, path, 0, &status, err) != GOES_WELL)
        return status;
    const struct sim_inode *inode = sim_disk_find(&sim_of(os)->disk, path);
    *out = !inode ? OS_MISSING : inode->is_dir ? OS_DIR : OS_FILE;
    return KDK_OK;
}

static kdk_status list_dir(struct os *os, const char *path, os_list_fn each, void *context,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf names = {0};
    enter_path(os, CALL_LIST, path, 0, &status, err);
    TRY(status);
    const struct sim_inode *dir = sim_disk_find(&sim_of(os)->disk, path);
    if (!dir)
        TRY(missing(err, CALL_LIST, path));
    if (!dir->is_dir)
        TRY(failed(err, KDK_IO, CALL_LIST, path, "Not a directory"));
    for (size_t i = 0; i < dir->entry_count; i++)
        if (dir->entries[i]->now)
            buf_add(&names, dir->entries[i]->name, strlen(dir->entries[i]->name) + 1);
    TRY(buf_status(&names, err));
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
        TRY(each(context, names.data + at, err));
out:
    buf_deinit(&names);
    return status;
}

/* ---- Clocks, randomness, the machine ---- */
#define WALL_START_US 1767225600000000ll /* 2026-01-01. */

static uint64_t now_ns(struct os *os)
{
    /* Reading it takes time too: loops until a time end. */
    return sim_of(os)->now_ns += 50;
}

static int64_t wall_us(struct os *os)
{
    return WALL_START_US + (int64_t)(now_ns(os) / 1000);
}

static void random_bytes(struct os *os, void *into, size_t bytes)
{
    struct sim *sim = sim_of(os);
    for (uint8_t *at = into; bytes > 0;) {
        uint64_t r = sim_draw(&sim->numbers);
        size_t part = MIN(bytes, sizeof r);
        memcpy(at, &r, part);
        at += part;
        bytes -= part;
    }
}

static uint32_t cpu_count(struct os *os)
{
    uint32_t count = sim_of(os)->options.cpu_count;
    return count ? count : 2;
}

static uint64_t memory_bytes(struct os *os)
{
    (void)os;
    return 1ull << 30;
}

static uint32_t pid(struct os *os)
{
    return 1000 + (uint32_t)sim_of(os)->boots;
}

static kdk_status thread_new(struct os *os, const char *name, os_thread_fn run,
                             void *context, struct os_thread **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_of(os);
    /* Allocated for nothing but to fail as the other system does. */
    void *probe = mem_alloc(1);
    TRY_MEM(probe);
    mem_free(probe);
    TRY(sim_thread_start(sim, name, run, context, out, err));
    sim_point(sim, sim->switch_once_in);
out:
    return status;
}

static const struct os_ops sim_ops = {
    .open = open_file,
    .close = close_file,
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .size = size_file,
    .truncate = truncate_file,
    .stream_read = stream_read,
    .lock = lock_file,
    .mkdir = make_dir,
    .remove = remove_file,
    .remove_dir = remove_dir,
    .rename = rename_file,
    .sync_dir = sync_dir,
    .kind = kind_of,
    .list = list_dir,
    .now_ns = now_ns,
    .wall_us = wall_us,
    .random = random_bytes,
    .cpu_count = cpu_count,
    .memory_bytes = memory_bytes,
    .pid = pid,
    .thread_new = thread_new,
    .thread_join = sim_thread_wait_end,
};

/* ---- The simulator ---- */
static struct sim *sim_make(const struct sim_options *options)
{
    static const uint8_t switches[] = {1, 2, 4, 16};
    struct sim *sim = mem_raw_zalloc(sizeof *sim);
    if (!sim)
        return NULL;
    sim->os.ops = &sim_ops;
    sim->options = *options;
    sim->on = true;
    sim->schedule.state = hash_combine(options->seed, 11);
    sim->faults.state = hash_combine(options->seed, 12);
    sim->numbers.state = hash_combine(options->seed, 13);
    sim->switch_once_in = switches[sim_below(&sim->schedule, COUNT_OF(switches))];
    sim->runner.sim = sim;
    sim->current = &sim->runner;
    sim->next_deadline_ns = OS_FOREVER;
    sim->now_ns = 1000000000;
    return sim;
}

kdk_status sim_new(const struct sim_options *options, struct sim **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim *sim = sim_make(options);
    TRY_MEM(sim);
    TRY(sim_disk_init(&sim->disk, options->seed, err));
    sim->disk.capacity = options->disk_bytes;
    *out = sim;
    sim = NULL;
out:
    sim_free(sim);
    return status;
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    sim_sched_deinit(sim);
    sim_disk_deinit(&sim->disk);
    mem_raw_free(sim);
}

struct os *sim_os(struct sim *sim)
{
    return &sim->os;
}

kdk_status sim_fork(const struct sim *sim, uint64_t seed, struct sim **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_options options = sim->options;
    options.seed = seed;
    struct sim *fork = sim_make(&options);
    TRY_MEM(fork);
    TRY(sim_disk_copy(&sim->disk, seed, &fork->disk, err));
    fork->now_ns = sim->now_ns;
    fork->boots = sim->boots;
    *out = fork;
    fork = NULL;
out:
    sim_free(fork);
    return status;
}

void sim_reboot(struct sim *sim)
{
    ASSERT(sim->current == &sim->runner);
    struct err err = {0};
    kdk_status status = sim_disk_cut(&sim->disk, &err);
    ASSERT(status == KDK_OK); /* The machine that simulates is out of memory. */
    sim->on = status == KDK_OK;
    sim->boots++;
    sim->now_ns += 1000000000;
    sim->calls_all = sim->calls_mutating = 0;
    sim->cut_at = sim->fail_at = 0;
    sim->fail_and_on = false;
    sim_full_at(sim, 0, false);
}

uint64_t sim_calls_mutating(const struct sim *sim)
{
    return sim->calls_mutating;
}

uint64_t sim_calls_all(const struct sim *sim)
{
    return sim->calls_all;
}

void sim_cut_at(struct sim *sim, uint64_t n)
{
    sim->cut_at = n;
}

void sim_watch(struct sim *sim, sim_watch_fn watch, void *context)
{
    sim->watch = watch;
    sim->watch_context = context;
}

void sim_fail_at(struct sim *sim, uint64_t n, bool and_on, kdk_status status)
{
    sim->fail_at = n;
    sim->fail_and_on = and_on;
    sim->fail_status = status;
}

void sim_full_at(struct sim *sim, uint64_t n, bool and_on)
{
    sim->full_at = n;
    sim->full_and_on = and_on;
    sim->disk.full = false;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->trace;
}

kdk_status sim_flip(struct sim *sim, const char *path, uint64_t offset, uint8_t mask,
                    struct err *err)
{
    struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (!inode || inode->is_dir || offset >= inode->size_now)
        return err_set(err, KDK_UNDEFINED_FILE, "no byte %llu in \"%s\"",
                       (unsigned long long)offset, path);
    return sim_inode_flip(inode, offset, mask, err);
}

void sim_set_disk_bytes(struct sim *sim, uint64_t bytes)
{
    sim->disk.capacity = bytes;
}

void sim_memory_begin(void)
{
    mem_track_begin();
}

void sim_memory_reap(void)
{
    mem_track_reap();
}
