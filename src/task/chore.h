/* chore.h - what nobody waits for, on a thread of its own: it runs when asked, or after a
 * time that it chose itself.
 *
 * For work that waits for the disk and that no statement may be made to wait for: the next
 * segment of the log, a checkpoint. The workers of task.h are for statements, and a
 * database may have none. In the simulator the thread is a coroutine, so what a chore does
 * follows from the seed.
 *
 * A run decides by itself, under its owner's latches, whether there is anything to do:
 * being asked is a hint. Whoever makes something true and then asks is sure of a run that
 * begins later.
 */
#ifndef KDK_TASK_CHORE_H
#define KDK_TASK_CHORE_H

#include "os/os.h"

struct chore;

/* Returns after how many nanoseconds it is to run again though nobody asks; OS_FOREVER:
 * not. */
typedef uint64_t (*chore_fn)(void *context);

/* Starts the thread (a name of at most 15 bytes), which first sleeps. KDK_NOMEM, KDK_IO. */
kdk_status chore_new(struct os *os, const char *name, chore_fn run, void *context,
                     struct chore **out, struct err *err) KDK_MUST_CHECK;
/* Any thread, holding any latch; an atomic operation if it was asked already. */
void chore_ask(struct chore *chore);
/* Waits for the run that is under way; no other begins. Not from a run, and holding no
 * latch. Accepts NULL. */
void chore_free(struct chore *chore);

#endif
