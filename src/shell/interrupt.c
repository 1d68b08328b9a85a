/* interrupt.c - SIGINT ends the statement, not the shell.
 *
 * The handler stores a flag and calls kdk_interrupt(), which is made for that. It is installed without SA_RESTART, so that a read of a pipe or a terminal
 * returns too. A statement clears its connection's mark when it starts; a signal in that instant is kept by the flag, which is looked at between rows.
 */
#include "shell/shell.h"

#include <signal.h>
#include <stdatomic.h>

static _Atomic(kdk_conn *) target;
static volatile sig_atomic_t pending;

static void on_interrupt(int number)
{
    (void)number;
    kdk_conn *conn = atomic_load_explicit(&target, memory_order_acquire);
    pending = 1;
    if (conn)
        kdk_interrupt(conn);
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    /* Who stops reading our output gets no more of it, and the database is closed as always. */
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

void interrupt_target(kdk_conn *conn)
{
    atomic_store_explicit(&target, conn, memory_order_release);
}

bool interrupt_pending(void)
{
    return pending != 0;
}

bool interrupt_taken(void)
{
    bool was = pending != 0;
    pending = 0;
    return was;
}
