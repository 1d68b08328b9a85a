/* syncs.h - counts the syncs of everybody in this process, by standing in front of the C
 * library's functions; a write to a file that was opened so that each is durable is one,
 * too. One program file each includes it, since it defines them. */
#ifndef KDK_BENCH_SYNCS_H
#define KDK_BENCH_SYNCS_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint64_t syncs;

__attribute__((visibility("default"))) int fsync(int fd)
{
    atomic_fetch_add_explicit(&syncs, 1, memory_order_relaxed);
    return (int)syscall(SYS_fsync, fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    atomic_fetch_add_explicit(&syncs, 1, memory_order_relaxed);
    return (int)syscall(SYS_fdatasync, fd);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *from,
                                                      size_t bytes, off_t offset)
{
    if (fcntl(fd, F_GETFL) & O_DSYNC)
        atomic_fetch_add_explicit(&syncs, 1, memory_order_relaxed);
    return syscall(SYS_pwrite64, fd, from, bytes, offset);
}

#endif
