/* os.c - from the calls of os.h to the system that serves them. */
#include "os/os.h"

#include "os/os_int.h"

/* ---- Which system ---- */
OS_THREAD_LOCAL struct os_state *os_current;
OS_THREAD_LOCAL struct os_state os_own;

struct os *os_here(void)
{
    struct os_state *state = os_state();
    return state->coroutine ? sim_thread_os(state->coroutine) : os_real();
}

/* ---- Files ---- */
kdk_status os_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                   struct err *err)
{
    return os->ops->open(os, path, flags, out, err);
}

void os_close(struct os_file *file)
{
    if (file)
        file->os->ops->close(file);
}

const char *os_file_path(const struct os_file *file)
{
    return file->path;
}

kdk_status os_read(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                   size_t *got, struct err *err)
{
    return file->os->ops->read(file, offset, into, bytes, got, err);
}

kdk_status os_read_exact(struct os_file *file, uint64_t offset, void *into, size_t bytes,
                         struct err *err)
{
    size_t got = 0;
    kdk_status status = os_read(file, offset, into, bytes, &got, err);
    if (status == KDK_OK && got < bytes) {
        status = err_set(err, KDK_CORRUPT, "file \"%s\" ends too early", file->path);
        err_detail(err, "%zu bytes were wanted at offset %llu, and %zu are there", bytes,
                   (unsigned long long)offset, got);
    }
    return status;
}

kdk_status os_write(struct os_file *file, uint64_t offset, const void *from, size_t bytes,
                    struct err *err)
{
    return file->os->ops->write(file, offset, from, bytes, err);
}

kdk_status os_sync(struct os_file *file, struct err *err)
{
    latch_check_sync();
    return file->os->ops->sync(file, err);
}

kdk_status os_write_durable(struct os_file *file, uint64_t offset, const void *from,
                            size_t bytes, bool *unwritten, struct err *err)
{
    kdk_status status = KDK_OK;
    bool done = false;
    latch_check_sync();
    *unwritten = false;
    if (file->os->ops->write_durable)
        status =
            file->os->ops->write_durable(file, offset, from, bytes, &done, unwritten, err);
    if (done || status != KDK_OK)
        return status;
    status = os_write(file, offset, from, bytes, err);
    if (status != KDK_OK) {
        *unwritten = true;
        return status;
    }
    return os_sync(file, err);
}

kdk_status os_size(struct os_file *file, uint64_t *bytes, struct err *err)
{
    return file->os->ops->size(file, bytes, err);
}

kdk_status os_truncate(struct os_file *file, uint64_t bytes, struct err *err)
{
    return file->os->ops->truncate(file, bytes, err);
}

kdk_status os_stream_read(struct os_file *file, void *into, size_t bytes, size_t *got,
                          struct err *err)
{
    return file->os->ops->stream_read(file, into, bytes, got, err);
}

kdk_status os_lock(struct os_file *file, struct err *err)
{
    return file->os->ops->lock(file, err);
}

/* ---- Directories ---- */
kdk_status os_mkdir(struct os *os, const char *path, struct err *err)
{
    return os->ops->mkdir(os, path, err);
}

kdk_status os_remove(struct os *os, const char *path, struct err *err)
{
    return os->ops->remove(os, path, err);
}

kdk_status os_remove_dir(struct os *os, const char *path, struct err *err)
{
    return os->ops->remove_dir(os, path, err);
}

kdk_status os_rename(struct os *os, const char *from, const char *to, struct err *err)
{
    return os->ops->rename(os, from, to, err);
}

kdk_status os_sync_dir(struct os *os, const char *path, struct err *err)
{
    latch_check_sync();
    return os->ops->sync_dir(os, path, err);
}

kdk_status os_kind(struct os *os, const char *path, enum os_kind *out, struct err *err)
{
    return os->ops->kind(os, path, out, err);
}

kdk_status os_list(struct os *os, const char *path, os_list_fn each, void *context,
                   struct err *err)
{
    return os->ops->list(os, path, each, context, err);
}

/* ---- Clocks and randomness ---- */
uint64_t os_now_ns(struct os *os)
{
    return os->ops->now_ns(os);
}

int64_t os_wall_us(struct os *os)
{
    return os->ops->wall_us(os);
}

void os_random(struct os *os, void *into, size_t bytes)
{
    os->ops->random(os, into, bytes);
}

uint32_t os_cpu_count(struct os *os)
{
    return os->ops->cpu_count(os);
}

uint64_t os_memory_bytes(struct os *os)
{
    return os->ops->memory_bytes(os);
}

uint32_t os_pid(struct os *os)
{
    return os->ops->pid(os);
}

/* ---- Threads ---- */
kdk_status os_thread_new(struct os *os, const char *name, os_thread_fn run, void *context,
                         struct os_thread **out, struct err *err)
{
    return os->ops->thread_new(os, name, run, context, out, err);
}

void os_thread_join(struct os_thread *thread)
{
    thread->os->ops->thread_join(thread);
}

uint32_t os_self(void)
{
    struct os_state *state = os_state();
    if (KDK_LIKELY(state->self != 0))
        return state->self - 1;
    ASSERT(!state->coroutine); /* A coroutine is born with its number. */
    return real_self(state);
}

void **os_local(enum os_local which)
{
    return &os_state()->locals[which];
}

void os_yield(void)
{
    struct os_state *state = os_state();
    if (state->coroutine)
        sim_yield(state->coroutine);
    else
        real_yield();
}

void os_spin(void)
{
    struct os_state *state = os_state();
    if (state->coroutine)
        sim_spin(state->coroutine);
    else
        real_spin();
}

void os_sleep_ns(uint64_t ns)
{
    struct os_state *state = os_state();
    if (state->coroutine)
        sim_sleep(state->coroutine, ns);
    else
        real_sleep(ns);
}

bool os_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct os_state *state = os_state();
    if (state->coroutine)
        return sim_wait(state->coroutine, word, expected, timeout_ns,
                        state->where ? state->where : __builtin_return_address(0));
    return real_wait(word, expected, timeout_ns);
}

void os_wake(_Atomic uint32_t *word, uint32_t count)
{
    struct os_state *state = os_state();
    if (state->coroutine)
        sim_wake(state->coroutine, word, count);
    else
        real_wake(word, count);
}
