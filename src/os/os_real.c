/* os_real.c - the system of the machine: Linux and glibc. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/os_int.h"

struct real_file {
    struct os_file file;
    int fd;
    /* The same file for real_write_durable(), or -1. By who writes so: one at a time. */
    int direct;
    bool writable;
};
#define DIRECT_MEMORY 4096u /* What is asked of the memory and of the place. */
#define DIRECT_BYTES  512u

static struct real_file *real_file(struct os_file *file)
{
    return (struct real_file *)file;
}

/* ---- Errors ---- */
static kdk_status status_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* A limit of the process's files. */
        return KDK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return KDK_PRIVILEGE;
    case ENOENT:
        return KDK_UNDEFINED_FILE;
    case EEXIST:
        return KDK_DUPLICATE_FILE;
    case ENOMEM:
        return KDK_NOMEM;
    default:
        return KDK_IO;
    }
}

static kdk_status failed(struct err *err, int error, const char *doing, const char *path)
{
    char text[128];
    return err_set(err, status_of(error), "could not %s \"%s\": %s", doing, path,
                   strerror_r(error, text, sizeof text));
}

static kdk_status failed_at(struct err *err, int error, const char *doing,
                            const struct os_file *file, uint64_t offset, size_t bytes)
{
    kdk_status status = failed(err, error, doing, file->path);
    err_detail(err, "offset %llu, %zu bytes", (unsigned long long)offset, bytes);
    return status;
}

/* ---- Files ---- */
static kdk_status real_open(struct os *os, const char *path, unsigned flags,
                            struct os_file **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct real_file *file = MEM_NEW(struct real_file);
    TRY_MEM(file);
    file->file.os = os;
    file->fd = file->direct = -1;
    file->writable = flags & OS_WRITE;
    file->file.path = mem_strdup(path);
    TRY_MEM(file->file.path);

    int how = O_CLOEXEC | (flags & OS_WRITE ? O_RDWR : O_RDONLY);
    if (flags & OS_CREATE)
        how |= O_CREAT;
    if (flags & OS_EXCLUSIVE)
        how |= O_EXCL;
    if (flags & OS_TRUNCATE)
        how |= O_TRUNC;
    do
        file->fd = open(path, how, 0644);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0)
        TRY(failed(err, errno, "open", path));
    if (flags & OS_DURABLE) /* Not every file system can: then it is two steps. */
        file->direct = open(path, O_CLOEXEC | O_RDWR | O_DIRECT | O_DSYNC);
    *out = &file->file;
    file = NULL;
out:
    if (file)
        os_close(&file->file);
    return status;
}

static void real_close(struct os_file *file)
{
    struct real_file *real = real_file(file);
    if (real->fd >= 0)
        close(real->fd);
    if (real->direct >= 0)
        close(real->direct);
    mem_free(file->path);
    mem_free(real);
}

static kdk_status real_read(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                            size_t *got, struct err *err)
{
    size_t done = 0;
    *got = 0;
    while (done < bytes) {
        ssize_t n = pread(real_file(file)->fd, (char *)into + done, bytes - done,
                          (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed_at(err, errno, "read", file, offset + done, bytes - done);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return KDK_OK;
}

static kdk_status real_write(struct os_file *file, uint64_t offset, const void *from,
                             size_t bytes, struct err *err)
{
    int fd = real_file(file)->fd;
    bool stream = false; /* Pipes have no offsets. */
    for (size_t done = 0; done < bytes;) {
        const char *at = (const char *)from + done;
        ssize_t n = stream ? write(fd, at, bytes - done)
                           : pwrite(fd, at, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == ESPIPE && !stream) {
            stream = true;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed_at(err, errno, "write", file, offset + done, bytes - done);
        done += (size_t)n;
    }
    return KDK_OK;
}

/* Past the system's cache, and durable when it returns: one trip to the disk fewer, and no
 * page to be looked for. */
static kdk_status real_write_durable(struct os_file *file, uint64_t offset,
                                     const void *from, size_t bytes, bool *done,
                                     bool *unwritten, struct err *err)
{
    struct real_file *real = real_file(file);
    size_t written = 0;
    *done = false;
    if (real->direct < 0 || (uintptr_t)from % DIRECT_MEMORY || offset % DIRECT_BYTES ||
        bytes % DIRECT_BYTES)
        return KDK_OK;
    while (written < bytes) {
        ssize_t n = pwrite(real->direct, (const char *)from + written, bytes - written,
                           (off_t)(offset + written));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL) { /* The disk's blocks are larger. */
            close(real->direct);
            real->direct = -1;
            return KDK_OK;
        }
        if (n < 0) {
            /* Of anything else nobody knows how far it got. */
            *unwritten = status_of(errno) == KDK_FULL;
            return failed_at(err, errno, "write", file, offset + written, bytes - written);
        }
        written += (size_t)n;
        if (written % DIRECT_BYTES)
            return KDK_OK;
    }
    *done = true;
    return KDK_OK;
}

static kdk_status real_sync(struct os_file *file, struct err *err)
{
    int r;
    do
        r = fdatasync(real_file(file)->fd);
    while (r != 0 && errno == EINTR);
    return r == 0 ? KDK_OK : failed(err, errno, "sync", file->path);
}

static kdk_status real_size(struct os_file *file, uint64_t *bytes, struct err *err)
{
    struct stat st;
    if (fstat(real_file(file)->fd, &st) != 0)
        return failed(err, errno, "get the size of", file->path);
    *bytes = (uint64_t)st.st_size;
    return KDK_OK;
}

static kdk_status real_truncate(struct os_file *file, uint64_t bytes, struct err *err)
{
    int r;
    do
        r = ftruncate(real_file(file)->fd, (off_t)bytes);
    while (r != 0 && errno == EINTR);
    return r == 0 ? KDK_OK : failed_at(err, errno, "truncate", file, bytes, 0);
}

static kdk_status real_stream_read(struct os_file *file, void *into, size_t bytes,
                                   size_t *got, struct err *err)
{
    ssize_t n;
    *got = 0;
    do
        n = read(real_file(file)->fd, into, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failed(err, errno, "read", file->path);
    *got = (size_t)n;
    return KDK_OK;
}

/* The lock belongs to the open file, not to the process: closing another handle of the same
 * file does not lose it, and a second open in this process meets it. A file that is open
 * for reading only gets a shared lock; the kernel gives it no other. */
static kdk_status real_lock(struct os_file *file, struct err *err)
{
    struct flock whole = {.l_type = real_file(file)->writable ? F_WRLCK : F_RDLCK,
                          .l_whence = SEEK_SET};
    int r;
    do
        r = fcntl(real_file(file)->fd, F_OFD_SETLK, &whole);
    while (r != 0 && errno == EINTR);
    if (r == 0)
        return KDK_OK;
    if (errno == EAGAIN || errno == EACCES)
        return err_set(err, KDK_BUSY, "\"%s\" is locked by another opener", file->path);
    return failed(err, errno, "lock", file->path);
}

/* ---- Directories ---- */
static kdk_status real_mkdir(struct os *os, const char *path, struct err *err)
{
    (void)os;
    if (mkdir(path, 0755) == 0)
        return KDK_OK;
    int error = errno;
    struct stat st;
    if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return KDK_OK;
    return failed(err, error, "create directory", path);
}

static kdk_status real_remove(struct os *os, const char *path, struct err *err)
{
    (void)os;
    if (unlink(path) == 0 || errno == ENOENT)
        return KDK_OK;
    return failed(err, errno, "remove", path);
}

static kdk_status real_remove_dir(struct os *os, const char *path, struct err *err)
{
    (void)os;
    return rmdir(path) == 0 ? KDK_OK : failed(err, errno, "remove directory", path);
}

static kdk_status real_rename(struct os *os, const char *from, const char *to,
                              struct err *err)
{
    (void)os;
    if (rename(from, to) == 0)
        return KDK_OK;
    kdk_status status = failed(err, errno, "rename", from);
    err_detail(err, "to \"%s\"", to);
    return status;
}

static kdk_status real_sync_dir(struct os *os, const char *path, struct err *err)
{
    (void)os;
    int fd, r;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return failed(err, errno, "open directory", path);
    do
        r = fsync(fd);
    while (r != 0 && errno == EINTR);
    int error = errno;
    close(fd);
    return r == 0 ? KDK_OK : failed(err, error, "sync directory", path);
}

static kdk_status real_kind(struct os *os, const char *path, enum os_kind *out,
                            struct err *err)
{
    (void)os;
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return failed(err, errno, "look at", path);
        *out = OS_MISSING;
        return KDK_OK;
    }
    *out = S_ISREG(st.st_mode) ? OS_FILE : S_ISDIR(st.st_mode) ? OS_DIR : OS_OTHER;
    return KDK_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static kdk_status real_list(struct os *os, const char *path, os_list_fn each, void *context,
                            struct err *err)
{
    (void)os;
    kdk_status status = KDK_OK;
    struct buf names = {0};
    const char **sorted = NULL;
    size_t count = 0;
    DIR *dir = opendir(path);
    if (!dir)
        TRY(failed(err, errno, "list", path));
    for (;;) {
        errno = 0;
        const struct dirent *entry =
            readdir(dir); // NOLINT(concurrency-mt-unsafe): of one stream each
        if (!entry && errno != 0)
            TRY(failed(err, errno, "list", path));
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buf_add(&names, entry->d_name, strlen(entry->d_name) + 1);
        count++;
    }
    TRY(buf_status(&names, err));
    sorted = MEM_ARRAY(const char *, count);
    TRY_MEM(sorted);
    const char *at = names.data;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        sorted[i] = at;
    qsort(sorted, count, sizeof *sorted, by_bytes);
    for (size_t i = 0; i < count; i++)
        TRY(each(context, sorted[i], err));
out:
    if (dir)
        closedir(dir);
    mem_free(sorted);
    buf_deinit(&names);
    return status;
}

/* ---- Clocks and randomness ---- */
static uint64_t real_now_ns(struct os *os)
{
    (void)os;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t real_wall_us(struct os *os)
{
    (void)os;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void real_random(struct os *os, void *into, size_t bytes)
{
    uint8_t *at = into;
    while (bytes > 0) {
        ssize_t n = getrandom(at, bytes, 0);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (errno != EINTR) {
            /* A kernel that refuses it: not secret, still different each time. */
            uint64_t salt =
                real_now_ns(os) ^ (uint64_t)real_wall_us(os) << 20 ^ (uint64_t)getpid();
            for (size_t i = 0; i < bytes; i++)
                at[i] = (uint8_t)hash_u64(salt + i);
            return;
        }
    }
}

/* The number at the start of a small file, UINT64_MAX if there is none ("max" included). */
static uint64_t file_number(const char *path, uint64_t *second)
{
    char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return UINT64_MAX;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return UINT64_MAX;
    text[n] = '\0';
    char *end = text;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text)
        return UINT64_MAX;
    if (second)
        *second = strtoull(end, NULL, 10);
    return value;
}

/* Calls `each` with the path of `name` in this process's control group (version 2) and in
 * every one above it. */
static void each_cgroup(const char *name, void (*each)(const char *path, void *context),
                        void *context)
{
    char text[1024], path[1400];
    char *group = NULL;
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (strncmp(line, "0::", 3) == 0)
            group = line + 3;
    }
    for (size_t length = group ? strlen(group) : 0;; length--) {
        if (length == 0 || group[length] == '/' || group[length] == '\0') {
            snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/%s", (int)length,
                     group ? group : "", name);
            each(path, context);
        }
        if (length == 0)
            break;
    }
}

static void smaller_cpus(const char *path, void *context)
{
    uint32_t *cpus = context;
    uint64_t period = 0, quota = file_number(path, &period);
    if (quota == UINT64_MAX || period == 0)
        return;
    uint64_t whole = (quota + period - 1) / period;
    if (whole >= 1 && whole < *cpus)
        *cpus = (uint32_t)whole;
}

static uint32_t real_cpu_count(struct os *os)
{
    (void)os;
    cpu_set_t set;
    uint32_t cpus = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = (uint32_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    each_cgroup("cpu.max", smaller_cpus, &cpus);
    return cpus ? cpus : 1;
}

static void smaller_memory(const char *path, void *context)
{
    uint64_t *bytes = context, limit = file_number(path, NULL);
    if (limit > 0 && limit < *bytes)
        *bytes = limit;
}

static uint64_t real_memory_bytes(struct os *os)
{
    (void)os;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 1ull << 30;
    each_cgroup("memory.max", smaller_memory, &bytes);
    smaller_memory("/sys/fs/cgroup/memory/memory.limit_in_bytes", &bytes);
    return bytes;
}

static uint32_t real_pid(struct os *os)
{
    (void)os;
    return (uint32_t)getpid();
}

/* ---- Threads ---- */
struct real_thread {
    struct os_thread thread;
    pthread_t id;
    os_thread_fn run;
    void *context;
    char name[16]; /* What Linux keeps. */
};

static void *thread_main(void *argument)
{
    struct real_thread *thread = argument;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->context);
    return NULL;
}

static kdk_status real_thread_new(struct os *os, const char *name, os_thread_fn run,
                                  void *context, struct os_thread **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct real_thread *thread = MEM_NEW(struct real_thread);
    TRY_MEM(thread);
    thread->thread.os = os;
    thread->run = run;
    thread->context = context;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    /* Signals are the host's business: none is delivered to our threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        char text[128];
        TRY(err_set(err, error == EAGAIN ? KDK_NOMEM : KDK_IO,
                    "could not start thread \"%s\": %s", name,
                    strerror_r(error, text, sizeof text)));
    }
    *out = &thread->thread;
    thread = NULL;
out:
    mem_free(thread);
    return status;
}

static void real_thread_join(struct os_thread *handle)
{
    struct real_thread *thread = (struct real_thread *)handle;
    int error = pthread_join(thread->id, NULL);
    ASSERT(error == 0);
    (void)error;
    mem_free(thread);
}

/* The numbers of os_self(): a bitmap, and a queue by tickets for when all are taken. A
 * thread's end gives its number back through the destructor of a pthread key. */
static _Atomic uint64_t selves[OS_THREADS_MAX / 64];
static _Atomic uint32_t self_tickets, self_served, self_freed;
static pthread_once_t self_once = PTHREAD_ONCE_INIT;
static pthread_key_t self_key;

static void self_release(void *number)
{
    uint32_t self = (uint32_t)(uintptr_t)number - 1;
    atomic_fetch_and_explicit(&selves[self / 64], ~(1ull << self % 64),
                              memory_order_release);
    atomic_fetch_add_explicit(&self_freed, 1, memory_order_release);
    real_wake(&self_freed, 1);
}

static void self_make_key(void)
{
    int error = pthread_key_create(&self_key, self_release);
    ASSERT(error == 0);
    (void)error;
}

/* The lowest free number, OS_THREADS_MAX if there is none. */
static uint32_t self_take(void)
{
    for (uint32_t i = 0; i < COUNT_OF(selves); i++) {
        uint64_t taken = atomic_load_explicit(&selves[i], memory_order_relaxed);
        while (~taken) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~taken);
            if (atomic_compare_exchange_weak_explicit(
                    &selves[i], &taken, taken | 1ull << bit, memory_order_acquire,
                    memory_order_relaxed))
                return i * 64 + bit;
        }
    }
    return OS_THREADS_MAX;
}

uint32_t real_self(struct os_state *state)
{
    pthread_once(&self_once, self_make_key);
    uint32_t ticket = atomic_fetch_add_explicit(&self_tickets, 1, memory_order_relaxed);
    for (uint32_t served;
         (served = atomic_load_explicit(&self_served, memory_order_acquire)) != ticket;)
        real_wait(&self_served, served, OS_FOREVER);
    uint32_t self;
    for (;;) {
        uint32_t freed = atomic_load_explicit(&self_freed, memory_order_acquire);
        self = self_take();
        if (self < OS_THREADS_MAX)
            break;
        real_wait(&self_freed, freed, OS_FOREVER);
    }
    atomic_store_explicit(&self_served, ticket + 1, memory_order_release);
    real_wake(&self_served, UINT32_MAX);
    state->self = self + 1;
    pthread_setspecific(self_key, (void *)(uintptr_t)state->self);
    return self;
}

void real_yield(void)
{
    sched_yield();
}

void real_spin(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void real_sleep(uint64_t ns)
{
    struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

bool real_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec limit = {(time_t)(timeout_ns / 1000000000u),
                             (long)(timeout_ns % 1000000000u)};
    long r = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                     timeout_ns == OS_FOREVER ? NULL : &limit, NULL, 0);
    return r == 0 || errno != ETIMEDOUT;
}

void real_wake(_Atomic uint32_t *word, uint32_t count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, (int)MIN(count, (uint32_t)INT_MAX), NULL,
            NULL, 0);
}

/* ---- The table ---- */
static const struct os_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .sync = real_sync,
    .write_durable = real_write_durable,
    .size = real_size,
    .truncate = real_truncate,
    .stream_read = real_stream_read,
    .lock = real_lock,
    .mkdir = real_mkdir,
    .remove = real_remove,
    .remove_dir = real_remove_dir,
    .rename = real_rename,
    .sync_dir = real_sync_dir,
    .kind = real_kind,
    .list = real_list,
    .now_ns = real_now_ns,
    .wall_us = real_wall_us,
    .random = real_random,
    .cpu_count = real_cpu_count,
    .memory_bytes = real_memory_bytes,
    .pid = real_pid,
    .thread_new = real_thread_new,
    .thread_join = real_thread_join,
};

struct os *os_real(void)
{
    static struct os real = {&real_ops};
    return &real;
}
