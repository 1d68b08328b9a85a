/* interrupt.c - SIGINT ends the statement, not the shell.
 *
 * The handler stores a flag, calls kdk_interrupt(), which is made for that, and writes a
 * byte into a pipe of our own. Who waits for input waits for that pipe, too
 * (interrupt_wait()): a signal may come just before a read begins, or to another thread,
 * and then ends no read. A statement clears its connection's mark when it starts; a signal
 * in that instant is kept by the flag, which is looked at between rows.
 */
#include "shell/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic(kdk_conn *) target;
static volatile sig_atomic_t pending;
static int wake[2] = {-1, -1}; /* A byte for each signal. */

static void on_interrupt(int number)
{
    (void)number;
    kdk_conn *conn = atomic_load_explicit(&target, memory_order_acquire);
    pending = 1;
    int before = errno;
    if (conn)
        kdk_interrupt(conn);
    if (wake[1] >= 0)
        (void)!write(wake[1], "", 1); /* Full: somebody will wake up anyhow. */
    errno = before;
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
        wake[0] = wake[1] = -1;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    /* Who stops reading our output gets no more of it, and the database is closed as
     * always. */
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* A limit on files is an error like a full disk. */
}

void interrupt_target(kdk_conn *conn)
{
    atomic_store_explicit(&target, conn, memory_order_release);
}

bool interrupt_pending(void)
{
    return pending != 0;
}

static void drain(void)
{
    char bytes[64];
    while (wake[0] >= 0 && read(wake[0], bytes, sizeof bytes) > 0)
        ;
}

bool interrupt_taken(void)
{
    drain();
    bool was = pending != 0;
    pending = 0;
    return was;
}

bool interrupt_wait(int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
    while (!pending) {
        int n = poll(p, 2, -1);
        if (n < 0 && errno != EINTR)
            return true; /* The read will tell. */
        if (n > 0 && p[1].revents)
            drain();
        if (n > 0 && p[0].revents && !pending)
            return true;
    }
    return false;
}
