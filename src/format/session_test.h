/* session_test.h - a database in memory with SQL, as the layers above run it: what the
 * tests of COPY stand on. */
#ifndef KDK_FORMAT_SESSION_TEST_H
#define KDK_FORMAT_SESSION_TEST_H

#include <stdatomic.h>

#include "base/buf.h"
#include "catalog/store.h"
#include "format/format.h"

struct session {
    struct os *os;
    struct store *store;
    struct catalog *catalog;
    struct catalog_session names;
    struct txn *txn;
    struct err err;
    /* STDIN and STDOUT of COPY. */
    const char *in;
    size_t in_bytes, in_at, in_step; /* in_step: the most that one read gives; 0: all */
    struct buf out;
    bool in_fails, out_fails;
    _Atomic uint32_t cancel;
    uint64_t progress_done, progress_calls;
    uint64_t affected;
    struct buf rows; /* Of the last query: values by '|', rows by '\n', NULL as "NULL". */
};
void session_open(struct session *s, struct os *os);
void session_close(struct session *s); /* Checks that no memory is left. */
/* Runs statements, each in its own transaction; stops at the first that fails. */
kdk_status session_run(struct session *s, const char *sql);
/* As session_run(), and checks that it works. */
void session_do(struct session *s, const char *sql);
/* The query's rows are these. */
void session_rows(struct session *s, const char *sql, const char *want);
/* Fails so, with this somewhere in its message, detail, hint or context (NULL:
 * whatever). */
void session_fails(struct session *s, const char *sql, kdk_status want, const char *text);
void session_in(struct session *s, const char *text, size_t bytes);

#endif
