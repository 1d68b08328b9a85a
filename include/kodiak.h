/* kodiak.h - KodiakDB, an embeddable SQL database for transactions and analytics on the
 * same tables.
 *
 *     kdk_db *db; kdk_conn *conn; kdk_stmt *stmt; bool row; if (kdk_open("sales.kdk", NULL,
 *     &db, NULL) || kdk_connect(db, &conn)) ... if (kdk_prepare(conn, "select name from
 *     city where id = $1", -1, &stmt, NULL)) ... kdk_bind_int64(stmt, 1, 42); while
 *     (kdk_step(stmt, &row) == KDK_OK && row)
 *         puts(kdk_column_text(stmt, 0, NULL));
 *     kdk_stmt_free(stmt); kdk_disconnect(conn); kdk_close(db);
 *
 * Errors   Every call that can fail returns a kdk_status; 0 (KDK_OK) is success. Message,
 *          SQLSTATE, detail, hint and position of the last failed call are on the
 *          connection.
 * Threads  A database may be used by any thread. A connection and its statements belong to
 *          one thread at a time; only kdk_interrupt() may be called from another. Any
 *          number of connections may be open at once, and they do not wait for each other.
 * NULL     as a handle is KDK_MISUSE, or nothing (0, "", NULL) from what returns no status:
 *          a program that missed an error comes to no harm by it. As any other argument it
 *          is KDK_MISUSE unless said otherwise. A handle that was freed must not be used.
 * Memory   Handles are opaque. What a call returns as `const` belongs to the handle it came
 *          from.
 * Text     is UTF-8. Columns are numbered from 0, parameters from 1, as in SQLite.
 */
#ifndef KODIAK_H
#define KODIAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kodiak_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KDK_API __attribute__((visibility("default")))
#else
#define KDK_API
#endif

typedef struct kdk_db kdk_db;
typedef struct kdk_conn kdk_conn;
typedef struct kdk_stmt kdk_stmt;
struct ArrowArrayStream; /* https://arrow.apache.org/docs/format/CStreamInterface.html */

/* "0.1.0" */
KDK_API const char *kdk_version(void);

/* ---------------------------------------------------------------- databases ---- */

/* Zero means the default. Set `size` to sizeof(kdk_options). */
typedef struct kdk_options {
    size_t size;
    /* Workers for large statements; default: the processors at hand. */
    uint32_t threads;
    uint64_t memory_limit; /* Bytes; default: 60 % of the memory at hand. */
    bool read_only;
    bool must_exist;             /* Do not create the database. */
    const char *const *settings; /* "name=value" texts, ended by NULL; as kodiak -s. */
} kdk_options;

/* An error outside of a connection. */
typedef struct kdk_error {
    kdk_status status;
    char sqlstate[6];
    char message[1200];
} kdk_error;

/* Opens the database in directory `path`, making it if it is missing; ":memory:" is one
 * that lives in memory only. On failure *db is untouched and `error` (may be NULL) says
 * why: KDK_BUSY when another process has it open, KDK_CORRUPT, KDK_IO, KDK_NOMEM ... A
 * database that was damaged opens read-only at its last good commit; kdk_open_notice() then
 * tells. */
KDK_API kdk_status kdk_open(const char *path, const kdk_options *options, kdk_db **db,
                            kdk_error *error);
/* What opening found that the user should know (a torn log tail that was cut, damage), or
 * NULL. */
KDK_API const char *kdk_open_notice(const kdk_db *db);
/* Closes it, writing a checkpoint. KDK_BUSY when connections are still open. NULL is
 * accepted. */
KDK_API kdk_status kdk_close(kdk_db *db);
/* The same; `error` (may be NULL) says what went wrong. All but KDK_BUSY have closed it
 * nevertheless: what was committed is in the log, and there when it is opened again. */
KDK_API kdk_status kdk_close_error(kdk_db *db, kdk_error *error);

/* Walks everything that the database has on disk and in memory and compares it; `report`
 * (may be NULL) gets a line for each problem. *problems counts them. Not KDK_OK: it could
 * not look. Writers go on meanwhile. */
KDK_API kdk_status kdk_check(kdk_db *db, int64_t *problems,
                             void (*report)(void *context, const char *line),
                             void *context);

/* A file of the database. Texts belong to the call. */
typedef struct kdk_file {
    const char *path;
    const char *table; /* Of a block file: "schema.name"; NULL for the log. */
    uint64_t bytes;
    uint64_t rows, strips; /* Of a block file. */
    /* Rows of it that have been changed or deleted since it was written. */
    uint64_t hidden;
    bool is_log;
    bool live; /* False: replaced, kept for a snapshot or until the next checkpoint. */
} kdk_file;
/* Calls `each` for the block files and the segments of the log; stops when it returns
 * false. Nothing for ":memory:". */
KDK_API kdk_status kdk_files(kdk_db *db, bool (*each)(void *context, const kdk_file *file),
                             void *context);

/* -------------------------------------------------------------- connections ---- */

KDK_API kdk_status kdk_connect(kdk_db *db, kdk_conn **conn);
/* Rolls back what is open, frees its statements: they must not be used after it. NULL is
 * accepted. */
KDK_API void kdk_disconnect(kdk_conn *conn);

/* Of the last failed call on this connection; "" (position: 0) when there was none. Valid
 * until the next call. */
KDK_API const char *kdk_errmsg(const kdk_conn *conn);
KDK_API const char *kdk_sqlstate(const kdk_conn *conn);
KDK_API const char *kdk_errdetail(const kdk_conn *conn);
KDK_API const char *kdk_errhint(const kdk_conn *conn);
/* What was being done, one line each, innermost first. */
KDK_API const char *kdk_errcontext(const kdk_conn *conn);
/* 1-based line and column (in characters) of the error in the SQL text; 0 when it has no
 * place. Either may be NULL. */
KDK_API void kdk_errposition(const kdk_conn *conn, uint32_t *line, uint32_t *column);

/* Runs all statements of a script, dropping their rows; stops at the first error. `bytes`
 * negative: up to the NUL. */
KDK_API kdk_status kdk_exec(kdk_conn *conn, const char *sql, int64_t bytes);
/* Ends the statement that runs on this connection, with 57014, soon; nothing if none does.
 * From any thread, also a signal handler, as long as it is connected. */
KDK_API void kdk_interrupt(kdk_conn *conn);
/* Is a transaction block open, and has it failed (25P02 until ROLLBACK)? */
KDK_API bool kdk_in_transaction(const kdk_conn *conn, bool *failed);
/* Notices (not errors) go to `notice`, one line each, while a call runs; it calls nothing
 * of the connection. NULL: dropped. */
KDK_API void kdk_on_notice(kdk_conn *conn, void (*notice)(void *context, const char *text),
                           void *context);
/* Called now and then (some ten times a second) while a long statement runs, on its thread;
 * `total` is 0 when it is not known. What is counted (rows, bytes) is in `unit`. It may
 * call kdk_interrupt() and nothing else of the connection. */
KDK_API void kdk_on_progress(kdk_conn *conn,
                             void (*progress)(void *context, uint64_t done, uint64_t total,
                                              const char *unit),
                             void *context);
/* For COPY ... FROM STDIN and TO STDOUT. read: up to `bytes` into `into`, 0 at the end, -1
 * on failure. write: false on failure. */
typedef struct kdk_copy_io {
    int64_t (*read)(void *context, void *into, size_t bytes);
    bool (*write)(void *context, const void *from, size_t bytes);
    void *context;
} kdk_copy_io;
KDK_API void kdk_set_copy_io(kdk_conn *conn, const kdk_copy_io *io);
/* Statement texts: bytes of `sql` that form the first complete statement, its semicolon
 * included; 0 when it is not complete yet (or there is none). */
KDK_API size_t kdk_statement_length(const char *sql, size_t bytes);

/* --------------------------------------------------------------- statements ---- */

/* Prepares the first statement of `sql` (`bytes` negative: up to the NUL). *tail (may be
 * NULL) is set to what follows it. Empty input gives *stmt = NULL and KDK_OK. The statement
 * lives until kdk_stmt_free() or kdk_disconnect(). It follows changes of the schema by
 * itself. */
KDK_API kdk_status kdk_prepare(kdk_conn *conn, const char *sql, int64_t bytes,
                               kdk_stmt **stmt, const char **tail);
/* Ends its run as kdk_reset() does. NULL is accepted. */
KDK_API void kdk_stmt_free(kdk_stmt *stmt);

KDK_API uint32_t kdk_param_count(const kdk_stmt *stmt);
/* Values are converted to the parameter's type at the next step (22P02, 22003 ... there).
 * Text and bytes are copied; text that is NULL binds NULL; `bytes` negative: up to the NUL.
 * Bindings stay until they are bound anew; what is bound while rows come counts from the
 * next run on. KDK_UNDEFINED_PARAMETER for a number that the statement does not have, and
 * at the step for one that was never bound; KDK_LIMIT from 1 GB on. */
KDK_API kdk_status kdk_bind_null(kdk_stmt *stmt, uint32_t param);
KDK_API kdk_status kdk_bind_bool(kdk_stmt *stmt, uint32_t param, bool value);
KDK_API kdk_status kdk_bind_int64(kdk_stmt *stmt, uint32_t param, int64_t value);
KDK_API kdk_status kdk_bind_double(kdk_stmt *stmt, uint32_t param, double value);
KDK_API kdk_status kdk_bind_text(kdk_stmt *stmt, uint32_t param, const char *text,
                                 int64_t bytes);
KDK_API kdk_status kdk_bind_blob(kdk_stmt *stmt, uint32_t param, const void *data,
                                 size_t bytes);

/* Runs the statement up to its next row: *row tells whether there is one. After the last
 * row (or an error) the next step runs it anew. KDK_MISUSE while another statement of the
 * connection gives rows: one at a time. */
KDK_API kdk_status kdk_step(kdk_stmt *stmt, bool *row);
/* Ends the run early; the next step starts anew. Bindings stay. In a block what it has
 * written stays; of a statement that is a transaction of its own it is undone. */
KDK_API void kdk_reset(kdk_stmt *stmt);

/* Columns may change with the schema when a run begins: names and types that were told are
 * valid until then. What is asked of a column that is not there is NULL, of type
 * "unknown". */
KDK_API uint32_t kdk_column_count(const kdk_stmt *stmt); /* 0 for statements without rows */
KDK_API const char *kdk_column_name(const kdk_stmt *stmt, uint32_t column);
/* "numeric(10,2)" */
KDK_API const char *kdk_column_type(const kdk_stmt *stmt, uint32_t column);
typedef enum kdk_kind {
    KDK_KIND_NULL,
    KDK_KIND_BOOL,
    KDK_KIND_INT,
    KDK_KIND_DOUBLE,
    KDK_KIND_NUMERIC,
    KDK_KIND_TEXT,
    KDK_KIND_BLOB,
    KDK_KIND_DATE,
    KDK_KIND_TIMESTAMP
} kdk_kind;
/* Of the current row (NULL when there is none), valid until the next call on the statement.
 * kdk_column_text gives any value as PostgreSQL prints it, NULL for NULL. The others
 * convert where that loses nothing but fractions; NULL reads as 0. */
KDK_API kdk_kind kdk_column_kind(const kdk_stmt *stmt, uint32_t column);
KDK_API bool kdk_column_null(const kdk_stmt *stmt, uint32_t column);
KDK_API int64_t kdk_column_int64(const kdk_stmt *stmt, uint32_t column);
KDK_API double kdk_column_double(const kdk_stmt *stmt, uint32_t column);
KDK_API const char *kdk_column_text(kdk_stmt *stmt, uint32_t column, size_t *bytes);
KDK_API const void *kdk_column_blob(kdk_stmt *stmt, uint32_t column, size_t *bytes);
/* Rows inserted, updated, deleted or copied by the last complete run; for queries the rows
 * returned. */
KDK_API uint64_t kdk_affected(const kdk_stmt *stmt);
/* "SELECT 3", "INSERT 0 1", "CREATE TABLE": PostgreSQL's command tag of the last complete
 * run. */
KDK_API const char *kdk_command_tag(const kdk_stmt *stmt);

/* ------------------------------------------------------------------- arrow ---- */

/* Runs the statement and gives its rows as an Arrow stream, batch by batch as they are
 * made. The stream is released by its consumer. Is the statement stepped, reset or freed
 * before that, or its connection closed, then the stream gives EINVAL from there on;
 * batches that it gave stay. Its functions are calls on the statement: from the
 * connection's thread. */
KDK_API kdk_status kdk_stmt_arrow(kdk_stmt *stmt, struct ArrowArrayStream *out);
/* Inserts all rows of the stream into `table` ("name", or "schema.name"), columns by name,
 * in one statement: columns that the stream lacks get their defaults, values are converted
 * as an INSERT would, constraints hold. All rows or none. Takes the stream over: it is
 * released in any case. *rows (may be NULL): how many. */
KDK_API kdk_status kdk_insert_arrow(kdk_conn *conn, const char *table,
                                    struct ArrowArrayStream *in, uint64_t *rows);

#ifdef __cplusplus
}
#endif
#endif
