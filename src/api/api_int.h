/* api_int.h - databases, connections and statements inside. */
#ifndef KDK_API_API_INT_H
#define KDK_API_API_INT_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "catalog/store.h"
#include "exec/ddl.h"
#include "exec/exec.h"
#include "format/format.h"
#include "kodiak.h"
#include "os/os.h"
#include "plan/plan.h"
#include "sql/bind.h"
#include "sql/parse.h"
#include "task/broker.h"
#include "task/task.h"

/* ----------------------------------------------------------------- settings ---- */

/* X(ID, name, default, kind, scope, most, description). Those of a SESSION begin with what
 * was given at opening, and are kept as text in one spelling; those of the DATABASE are
 * numbers that it has in force, whoever set them. `most`: the largest number. */
#define SETTINGS(X)                                                                        \
    X(APPLICATION_NAME, "application_name", "", TEXT, SESSION, 0,                          \
      "Name of the program, for views.")                                                   \
    X(BULK_LOAD_ROWS, "bulk_load_rows", "0", COUNT, DATABASE, STORE_LIMIT_MAX,             \
      "Rows of a statement from which on they go into files of their own; 0: the "         \
      "default.")                                                                          \
    X(CHECKPOINT_FAILURE, "checkpoint_failure", "", FIXED, SESSION, 0,                     \
      "Why the last checkpoint in the background failed; empty: it did not.")              \
    X(CHECKPOINT_LOG_BYTES, "checkpoint_log_bytes", "0", BYTES, DATABASE, STORE_LIMIT_MAX, \
      "Log that starts a checkpoint in the background; at twice as much commits wait. 0: " \
      "the default.")                                                                      \
    X(CLIENT_ENCODING, "client_encoding", "UTF8", FIXED, SESSION, 0, "Always UTF8.")       \
    X(DATESTYLE, "datestyle", "ISO, MDY", FIXED, SESSION, 0,                               \
      "How dates are printed and read.")                                                   \
    X(DEFAULT_ISOLATION, "default_transaction_isolation", "repeatable read", FIXED,        \
      SESSION, 0, "Isolation of new transactions.")                                        \
    X(INTEGER_DATETIMES, "integer_datetimes", "on", FIXED, SESSION, 0,                     \
      "Timestamps are integers.")                                                          \
    X(MEMORY_LIMIT, "memory_limit", "0", BYTES, DATABASE, STORE_LIMIT_MAX,                 \
      "Memory for caches and operators; 0: 60 % of the machine's.")                        \
    X(OPTIMIZER, "optimizer", "on", BOOL, SESSION, 0,                                      \
      "Off: plans as written, to compare results.")                                        \
    X(SEARCH_PATH, "search_path", "public", TEXT, SESSION, 0,                              \
      "Schemas of names without one.")                                                     \
    X(SERVER_ENCODING, "server_encoding", "UTF8", FIXED, SESSION, 0, "Always UTF8.")       \
    X(SERVER_VERSION, "server_version", "15.0", FIXED, SESSION, 0,                         \
      "PostgreSQL's version whose dialect this is.")                                       \
    X(STANDARD_STRINGS, "standard_conforming_strings", "on", FIXED, SESSION, 0,            \
      "Backslashes are plain in '...'.")                                                   \
    X(THREADS, "threads", "0", COUNT, SESSION, THREADS_MAX,                                \
      "Workers of one statement; 0: all that the database was opened with, by default "    \
      "the machine's processors.")                                                         \
    X(TIMEZONE, "timezone", "UTC", FIXED, SESSION, 0, "Always UTC.")                       \
    X(TRANSACTION_ISOLATION, "transaction_isolation", "repeatable read", FIXED, SESSION,   \
      0, "Isolation of the transaction.")

enum { THREADS_MAX = 64, SETTING_NUMBER_ROOM = 24 };
enum setting_scope { SCOPE_SESSION, SCOPE_DATABASE };
enum setting_kind {
    SETTING_TEXT,
    SETTING_BYTES,
    SETTING_COUNT,
    SETTING_BOOL,
    SETTING_FIXED
};
enum setting_id {
#define SETTING_ENUM(ID, NAME, DEFAULT, KIND, SCOPE, MOST, ABOUT) SET_##ID,
    SETTINGS(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT_OF
};
struct setting {
    const char *name, *initial;
    enum setting_kind kind;
    enum setting_scope scope;
    uint64_t most;
    const char *about;
};
extern const struct setting settings[SETTING_COUNT_OF];

/* -------------------------------------------------------------------- handles ---- */

enum { NAME_ROOM = 256 };
struct kdk_db {
    struct os *os;
    struct sched *sched;
    struct broker broker;
    struct store *store;
    struct catalog *catalog;
    uint32_t threads;
    char *settings
        [SETTING_COUNT_OF]; /* Given at open; NULL: the default. Immutable after open. */
    uint64_t memory_opened; /* memory_limit as of opening. Immutable after open. */
    /* DATABASE. One change of a setting of the database at a time. */
    struct latch limits;
    struct buf notice; /* What open found. */
    /* current_database(): the directory's name, or "memory". Immutable after open. */
    char name[NAME_ROOM];
    _Atomic uint32_t connections;
};

/* A statement prepared by PREPARE. */
struct prepared {
    char *sql;
    struct ltype *types;
    uint32_t type_count;
};

struct kdk_conn {
    struct kdk_db *db;
    struct err err;
    uint32_t err_line, err_column;
    struct txn *txn;    /* Running, or NULL. */
    bool block;         /* Between BEGIN and its end. */
    bool failed;        /* The block has failed; `txn` may be NULL then. */
    bool was_read_only; /* The transaction that failed: for AND CHAIN. */
    struct catalog_session session;
    char *settings[SETTING_COUNT_OF]; /* Those of the session; NULL: the database's. */
    uint64_t failures_told;           /* Of checkpoints in the background. */
    uint64_t settings_changed;        /* How often: plans made before are made anew. */
    /* current_schema(), as of the running statement's start; empty: none. */
    char schema[NAME_ROOM];
    struct strmap prepared;   /* struct prepared by name */
    struct kdk_stmt *stmts;   /* All of this connection. */
    struct kdk_stmt *running; /* The one that has a run open, or NULL. */
    _Atomic uint32_t cancel;
    int64_t now_us; /* Start of the transaction. */
    void (*notice)(void *context, const char *text);
    void *notice_context;
    void (*progress)(void *context, uint64_t done, uint64_t total, const char *unit);
    void *progress_context;
    uint64_t progress_ns;
    kdk_copy_io copy_io;
    struct arrow_stream *arrow_in; /* Of kdk_insert_arrow(), while it runs. */
};

enum bind_kind {
    BOUND_NOTHING,
    BOUND_NULL,
    BOUND_BOOL,
    BOUND_INT,
    BOUND_DOUBLE,
    BOUND_TEXT,
    BOUND_BLOB
};
struct binding {
    enum bind_kind kind;
    int64_t i;
    double f;
    char *data;
    size_t bytes;
};

struct kdk_stmt {
    struct kdk_conn *conn;
    struct kdk_stmt *next, **link;
    char *sql;
    size_t sql_bytes;
    struct arena ast_arena;
    const struct ast_stmt *ast;
    /* Bound and planned; made anew when the catalog has changed. */
    struct arena plan_arena;
    struct bound_stmt *bound;
    uint64_t version;            /* Of the catalog, 0: not bound */
    uint64_t settings_changed;   /* The connection's, when this was bound */
    const struct catver *catver; /* What the tree points into; owned reference. */
    struct rowprog *rowprog;
    /* Parameters */
    const struct ltype *given_types;
    uint32_t given_count;
    struct binding *bindings;
    uint32_t param_count;
    struct arena run_arena;
    struct datum *params;
    /* The run */
    bool running, implicit; /* implicit: its transaction is this statement's alone */
    struct exec *exec;
    bool use_rowprog;
    struct batch *batch;
    uint32_t batch_row;
    const struct datum *row;      /* rowprog's, or of `lines` */
    struct kdk_stmt *inner;       /* EXECUTE: what runs */
    struct result_stream *stream; /* That gives its rows, or NULL. */
    struct buf *lines;            /* EXPLAIN, SHOW: rows of text cells */
    uint32_t line_count, line_width, line_next;
    struct datum *line_row;
    struct relcol *line_columns;
    uint64_t affected, returned;
    char tag[64];
    /* Two for each column: kdk_column_text's room, then those of kdk_column_type. */
    struct buf *texts;
    uint32_t text_count;
};

/* ------------------------------------------------------------------ between files ---- */

/* Of one of the session. */
const char *conn_setting(struct kdk_conn *conn, enum setting_id id);
/* What is in force, for SHOW; numbers are written to `room`. */
const char *conn_show(struct kdk_conn *conn, enum setting_id id,
                      char room[SETTING_NUMBER_ROOM]);
/* One of the session: for it; one of the database: at once, for all. value NULL: back to
 * what it was at opening. */
kdk_status conn_set(struct kdk_conn *conn, const char *name, const char *value,
                    struct err *err);
void conn_reset_all(struct kdk_conn *conn); /* Those of the session. */
kdk_status setting_find(const char *name, enum setting_id *id, struct err *err);
uint32_t conn_threads(struct kdk_conn *conn);
void conn_notice(struct kdk_conn *conn, const char *severity, const char *text);
/* Ends the transaction; the session with it. */
kdk_status conn_commit(struct kdk_conn *conn, struct err *err);
void conn_rollback(struct kdk_conn *conn);
/* After an error in a block, if one is open: its transaction ends at once, so that it holds
 * up nobody (while another statement gives rows it stays until the block ends); the block
 * goes on to refuse everything until ROLLBACK or COMMIT. */
void conn_block_failed(struct kdk_conn *conn);
kdk_status conn_begin(struct kdk_conn *conn, bool read_only, struct err *err);
/* Keeps the error on the connection; sql is what its position counts in. */
kdk_status conn_fail(struct kdk_conn *conn, kdk_status status, const char *sql,
                     size_t bytes);
kdk_status
conn_misuse(struct kdk_conn *conn); /* KDK_MISUSE: a NULL where something must be. */
void conn_drop_prepared(struct kdk_conn *conn, const char *name); /* NULL: all */

kdk_status stmt_new(struct kdk_conn *conn, const char *sql, size_t bytes,
                    const struct ltype *types, uint32_t type_count, struct kdk_stmt **out,
                    struct err *err);
/* kdk_step() and kdk_reset() for the stream that gives the rows; called by anybody else
 * they end that stream: stream_let_go(). */
kdk_status stmt_step_told(struct kdk_stmt *stmt, bool *row);
void stmt_reset(struct kdk_stmt *stmt);
void stream_let_go(struct kdk_stmt *stmt);
/* kdk_step() with the error in `err`. */
kdk_status stmt_step(struct kdk_stmt *stmt, bool *row, struct err *err);
bool stmt_gives_rows(
    const struct kdk_stmt *stmt); /* SELECT, INSERT, UPDATE, DELETE: run by exec. */
kdk_status stmt_bind_plan(struct kdk_stmt *stmt, struct err *err);
void stmt_exec_env(struct kdk_stmt *stmt, struct exec_env *out);
/* `arena` holds what the environment points to. */
kdk_status stmt_bind_env(struct kdk_stmt *stmt, struct arena *arena, struct bind_env *env,
                         struct err *err);
/* utility.c: statements that are not queries; the transaction is begun. *done: nothing more
 * to step. */
kdk_status utility_run(struct kdk_stmt *stmt, struct err *err);
/* Adds a row of `width` text cells to the statement's own rows. NULL cells are NULL. */
kdk_status stmt_line(struct kdk_stmt *stmt, const char *const *cells, struct err *err);
kdk_status stmt_line_columns(struct kdk_stmt *stmt, const char *const *names,
                             uint32_t width, struct err *err);

#endif
