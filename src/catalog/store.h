/* store.h - the catalog of an open database: versions in time, and their rows in system
 * tables.
 *
 * Every object is rows of system tables with fixed ids, written by the transaction that
 * changes it, so recovery, snapshots and checkpoints need no code of their own. Beside the
 * rows there is the immutable version (catver) that statements read: a transaction uses the
 * newest one that was committed when its snapshot was taken, or, once it has changed
 * something itself, its own.
 *
 * Invariants
 *   S1  A version is published by the commit hook of the transaction that made it, before
 *       that commit is published: who takes a newer snapshot finds it, who has an older one
 *       does not.
 *   S2  One transaction at a time changes the catalog; another that tries, or one whose
 *       snapshot is older than the newest version, gets 40001.
 * Threads  catalog: any thread. A session belongs to its connection.
 */
#ifndef KDK_CATALOG_STORE_H
#define KDK_CATALOG_STORE_H

#include "catalog/catver.h"
#include "table/table.h"

/* What a transaction sees of the catalog. Zeroed: nothing yet. */
struct catalog_session {
    struct catalog *catalog;
    const struct catver *version; /* Owned reference. */
    struct txn *txn;
    bool changed; /* version is the transaction's own. */
};

/* Reads the system tables of an open store (making them in a new one) and attaches all
 * tables. */
kdk_status catalog_open(struct store *store, struct catalog **out,
                        struct err *err) KDK_MUST_CHECK;
/* All sessions have ended. Accepts NULL. */
void catalog_close(struct catalog *catalog);
struct store *catalog_store(struct catalog *catalog);

/* The version for a statement of `txn`, whose snapshot has been taken. Borrowed: stays
 * until the session's next begin or end. */
const struct catver *catalog_begin(struct catalog *catalog, struct catalog_session *session,
                                   struct txn *txn);
/* After the transaction has ended, whichever way. */
void catalog_end(struct catalog_session *session);

/* Changes, in the session's transaction. Later statements of it see them at once, others
 * when it commits. */
/* Adds or replaces (by id) a table or view: what catver_put_table refuses is refused. The
 * storage must fit: layout columns are read from table->store. */
kdk_status catalog_put_table(struct catalog_session *session, const struct ctable *table,
                             struct err *err) KDK_MUST_CHECK;
/* the entry alone */
kdk_status catalog_drop_table(struct catalog_session *session, uint32_t id,
                              struct err *err) KDK_MUST_CHECK;
kdk_status catalog_put_schema(struct catalog_session *session, const char *name,
                              struct err *err) KDK_MUST_CHECK;
kdk_status catalog_drop_schema(struct catalog_session *session, const char *name,
                               struct err *err) KDK_MUST_CHECK;
kdk_status catalog_rename_schema(struct catalog_session *session, const char *from,
                                 const char *to, struct err *err) KDK_MUST_CHECK;

#endif
