/* txn.h - transactions: snapshots, numbers, timestamps, the order of commits, and when
 * memory may go.
 *
 * A transaction has a number (which names it while it runs) and gets a timestamp when it
 * commits. Timestamps are dense and follow the order of the log. `published` is the newest
 * timestamp up to which every commit is durable and stamped on all it wrote; a snapshot is
 * `published` at the moment it was taken, so a reader never needs a table of transactions:
 * what it meets carries a number (in flight: not mine, not visible) or a timestamp (visible
 * iff <= snapshot).
 *
 * What a transaction changed is known to parts: objects of the layer above (one for each
 * table it wrote), which stamp, roll back, and tidy up when no snapshot can need the older
 * state any more.
 *
 * Invariants
 *   X1  Timestamps are published in order, each after its parts were stamped and its log
 *       record is durable.
 *   X2  No snapshot is below txnman_oldest(), now or later (README: the argument).
 *   X3  What is retired is freed only after every guard has ended that was entered before
 *       it was retired.
 *   X4  A part is tidied when its timestamp <= txnman_oldest(), and freed one guard period
 *       later.
 *   X5  Transaction numbers are never used twice.
 * Threads  The manager: any thread. A transaction: one thread at a time, but others may
 *          read in it meanwhile (the workers of its statement), which look at number,
 *          snapshot and command only.
 * Failure  A commit that fails before its place in the log is rolled back, and so is one
 *          that the log took back. One whose flush failed is neither published nor rolled
 *          back: its outcome is decided by recovery; the manager refuses writes from then
 *          on (X1 stops).
 */
#ifndef KDK_TXN_TXN_H
#define KDK_TXN_TXN_H

#include "os/os.h"

struct txn;
struct txnman;
struct txn_part;

/* ------------------------------------------------------------- state words ---- */

/* The header word of a record and the stamp of an index entry. */
#define TXN_UNCOMMITTED                                                                    \
    (1ull << 63) /* The low 62 bits are a transaction number, else a timestamp. */
#define TXN_LOCKED      (1ull << 62) /* Being changed: look again. */
#define TXN_VALUE(WORD) ((WORD) & (TXN_LOCKED - 1))

/* ----------------------------------------------------------------- manager ---- */

/* What makes commits durable; all NULL for :memory:. */
struct txn_log {
    void *context;
    /* Encodes what the transaction changed, before any latch. *batch NULL: nothing to
     * write. */
    kdk_status (*encode)(void *context, struct txn *txn, void **batch, struct err *err);
    /* Gives the batch its place in the log, under the commit latch, without waiting for
     * I/O; moves it in. On an error no timestamp is used up, and the batch stays. */
    kdk_status (*append)(void *context, void *batch, uint64_t timestamp, uint64_t *lsn,
                         struct err *err);
    /* Returns when the log is durable up to `lsn`; after each append() once. An error
     * poisons the log, unless *withdrawn: then the batch is not in the log and never will
     * be. */
    kdk_status (*wait)(void *context, uint64_t lsn, bool *withdrawn, struct err *err);
    void (*discard)(void *context, void *batch); /* Of a batch that was not appended. */
};

/* `published`: the newest timestamp that exists (0 for a new database). */
kdk_status txnman_new(struct os *os, uint64_t published, struct txnman **out,
                      struct err *err) KDK_MUST_CHECK;
/* All transactions have ended. Tidies and frees all that was deferred. Accepts NULL. */
void txnman_free(struct txnman *man);
/* Once, before the first commit. */
void txnman_set_log(struct txnman *man, const struct txn_log *log);
/* From now on commits of changes are refused with KDK_READ_ONLY and this text (a string
 * that stays). */
void txnman_set_read_only(struct txnman *man, const char *why);
const char *txnman_read_only(struct txnman *man); /* The text, or NULL. */
/* During recovery alone: `timestamp` (newer than all) is published. */
void txnman_recovered(struct txnman *man, uint64_t timestamp);

/* What a layer above does when a transaction has taken its snapshot, and when it gives it
 * up. Once, before the first transaction; borrowed. */
struct txn_pins {
    void *context;
    /* By the owner's thread, before its first read. Sets txn->pinned. */
    void (*pin)(void *context, struct txn *txn);
    void (*unpin)(void *context, struct txn *txn); /* The snapshot still lives. */
    /* After a commit of changes, when nothing is left of the transaction. May take its
     * time. */
    void (*committed)(void *context);
};
void txnman_set_pins(struct txnman *man, const struct txn_pins *pins);
/* Returns when all that has a timestamp now is published; false if that will not be (a
 * flush failed). */
bool txnman_settle(struct txnman *man);

uint64_t txnman_published(struct txnman *man);
/* Every snapshot that lives or is still to be taken is >= this. Costs a walk over the slots
 * in use. */
uint64_t txnman_oldest(struct txnman *man);
/* A lower bound of it that costs a load: what the last reclaiming found. Inside a guard:
 * parts with a timestamp above it stay until the guard ends. */
uint64_t txnman_horizon(struct txnman *man);
/* The snapshots that live, unordered, into out[max]; returns how many there are (more than
 * `max`: it did not look on). All others, also later ones, are >= the `published` of before
 * the call. */
uint32_t txnman_snapshots(struct txnman *man, uint64_t *out, uint32_t max);
/* How many transactions run, for views and tests. */
uint32_t txnman_active(struct txnman *man);

/* ------------------------------------------------------------ transactions ---- */

/* Only TXN_SNAPSHOT (REPEATABLE READ) runs; who asks for another is refused by the layers
 * above. */
enum txn_isolation { TXN_READ_COMMITTED, TXN_SNAPSHOT, TXN_SERIALIZABLE };

/* Why a writer was refused with KDK_SERIALIZATION: what to wait for before trying again. */
struct txn_conflict {
    uint64_t timestamp; /* A commit newer than the snapshot, or 0. */
    uint64_t number;    /* A transaction in flight, or 0. */
};

typedef void (*txn_end_fn)(void *context, uint64_t timestamp);
struct txn_hook {
    txn_end_fn
        committed; /* With its timestamp, after stamping, before it is published: who takes a newer snapshot sees what this did. May be NULL. */
    txn_end_fn
        rolled_back; /* Timestamp 0, after the parts were rolled back. May be NULL. */
    void *context;
    struct txn_hook *next;
};

/* Owner thread only, but number, snapshot and command are read by workers of the running
 * statement. */
struct txn {
    struct txnman *man;
    uint64_t number;   /* Unique; the low bits are the slot. */
    uint64_t snapshot; /* Valid from the first statement on. */
    uint32_t
        command; /* The running statement, from 1. It sees own writes of commands before it. */
    uint32_t slot;
    enum txn_isolation isolation;
    bool read_only;
    bool has_snapshot;
    /* It ends with the running statement, which gives nothing to anybody before that: its
     * owner says so. */
    bool one_statement;
    bool failed; /* Must be rolled back: txn_commit() does that and says so. */
    struct txn_conflict conflict; /* Of the last KDK_SERIALIZATION. */
    struct txn_part *parts;       /* Newest first. */
    struct txn_hook *hooks;       /* Newest first. */
    void *pinned;                 /* struct txn_pins */
    void *user;                   /* For the layer that runs it (the connection). */
};

/* KDK_LIMIT when TXN_SLOTS transactions run. Allocates only when more run than ever
 * before. */
kdk_status txn_begin(struct txnman *man, enum txn_isolation isolation, bool read_only,
                     struct txn **out, struct err *err) KDK_MUST_CHECK;
/* Starts the next statement: the first one takes the snapshot; each gets a new command
 * number. */
void txn_statement_begin(struct txn *txn);
/* Ends it and frees `txn`, whatever is returned. An error means rolled back, but for KDK_IO
 * of the log's flush (see Failure). KDK_IN_FAILED_TXN if it had failed. */
kdk_status txn_commit(struct txn *txn, struct err *err) KDK_MUST_CHECK;
void txn_rollback(struct txn *txn); /* Ends and frees it. Cannot fail. Accepts NULL. */
/* Did it change anything? */
static inline bool txn_has_writes(const struct txn *txn)
{
    return txn->parts != NULL;
}
/* Registers functions for the end. They are called newest first on rollback, oldest first
 * on commit. KDK_NOMEM. */
kdk_status txn_on_end(struct txn *txn, txn_end_fn committed, txn_end_fn rolled_back,
                      void *context, struct err *err) KDK_MUST_CHECK;

/* After KDK_SERIALIZATION and txn_rollback(): waits until the conflict is over (published,
 * or its transaction ended), at most `timeout_ns`. False on timeout. */
bool txnman_wait(struct txnman *man, struct txn_conflict conflict, uint64_t timeout_ns);

/* Is what carries `word` visible to the statement? `command`: of the version, when it is
 * the transaction's own. */
static inline bool txn_sees(const struct txn *txn, uint64_t word, uint32_t command)
{
    if (!(word & TXN_UNCOMMITTED))
        return TXN_VALUE(word) <= txn->snapshot;
    return TXN_VALUE(word) == txn->number && command < txn->command;
}

/* -------------------------------------------------------------------- parts ---- */

struct txn_part_ops {
    /* Before the commit takes its place: what is still to be checked. May be NULL. */
    kdk_status (*check)(struct txn_part *part, struct txn *txn, struct err *err);
    /* The timestamp goes on everything. Cannot fail. */
    void (*stamp)(struct txn_part *part, uint64_t timestamp);
    /* Everything as it was before. Cannot fail. Memory that readers may still look at stays
     * until free. */
    void (*rollback)(struct txn_part *part);
    /* Committed, and no snapshot is older: unlink what nobody can see any more. */
    void (*tidy)(struct txn_part *part);
    /* After tidy or rollback, when no guard is left that could have seen it. */
    void (*free)(struct txn_part *part);
};
struct txn_part {
    const struct txn_part_ops *ops;
    const void *key; /* What it is about: the table. */
    struct txn_part *
        next; /* Of the transaction; then of the list of those to be tidied, by timestamp. */
    struct txn_part *prev;
    uint64_t timestamp; /* Once committed. */
    uint64_t era;       /* Once retired. */
    bool waits;         /* In the list of those to be tidied. */
};
struct txn_part *txn_part_find(struct txn *txn, const void *key); /* or NULL */
void txn_part_add(struct txn *txn, struct txn_part *part);        /* Moved in. */

/* A committed part of which nothing can be seen any more, although its timestamp is above
 * the oldest snapshot: freed, without tidying, when no guard is left. Nothing happens if it
 * is being tidied. */
void txn_part_drop(struct txnman *man, struct txn_part *part);

/* ------------------------------------------------- guards and deferred frees ---- */

/* Between enter and leave (nesting is fine) the thread may follow pointers that others
 * unlink meanwhile. Short: no waits, no I/O, no calls back. What a visible row version
 * points to (long strings) needs no guard: the snapshot keeps it. */
void txn_enter(struct txnman *man);
void txn_leave(struct txnman *man);

/* Something to be freed later; lies in the thing itself. */
struct txn_garbage {
    void (*free)(struct txn_garbage *garbage);
    struct txn_garbage *next;
    uint64_t era;
    uint64_t timestamp;
};
/* It was unlinked: calls free once no guard can see it. Any thread, also inside a guard. */
void txn_retire(struct txnman *man, struct txn_garbage *garbage);
/* Likewise, but first waits until no snapshot is older than `timestamp`, and until the
 * parts up to it were tidied. */
void txn_retire_at(struct txnman *man, struct txn_garbage *garbage, uint64_t timestamp);
/* Does what can be done now; runs by itself every few ends of transactions. Not inside a
 * guard. Returns how many parts and pieces of garbage still wait. */
uint64_t txnman_reclaim(struct txnman *man);

#endif
