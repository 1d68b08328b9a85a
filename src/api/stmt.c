/* stmt.c - statements: prepared, bound to parameters, stepped, read.
 *
 * The life of a run: stmt_start() begins a transaction if none is open, takes the next
 * command number, makes sure that the plan fits the catalog version of the snapshot, and
 * starts a row program, an executor or a utility. kdk_step() hands out rows one by one.
 * stmt_end() closes what was started and, when the transaction is the statement's own,
 * commits or rolls it back. A statement of its own that meets a conflict (40001) before it
 * has handed out a row is run again with a new snapshot.
 */
#include "api/api_int.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

/* ---------------------------------------------------------------- environments ---- */

/* What sessions say of themselves. There are no users: everybody is "kodiak". */
static const char *env_setting(void *context, const char *name)
{
    const struct kdk_conn *conn = context;
    if (strcmp(name, "current_user") == 0)
        return "kodiak";
    if (strcmp(name, "current_database") == 0)
        return conn->db->name;
    if (strcmp(name, "current_schema") == 0)
        return conn->schema[0] ? conn->schema : NULL;
    return NULL;
}

static void env_notice(void *context, const char *sqlstate, const char *message)
{
    conn_notice(context, sqlstate[0] == '0' && sqlstate[1] == '1' ? "WARNING" : "NOTICE",
                message);
}

static kdk_status env_file(void *context, const char *path,
                           const struct ast_options *options, struct arena *arena,
                           struct bind_file *out, struct err *err)
{
    struct kdk_conn *conn = context;
    return format_bind_file(conn->db->os, path, options, arena, out, err);
}

/* The names of a search path: words, in lower case unless quoted, between commas. */
static kdk_status split_path(const char *text, struct arena *arena, const char *const **out,
                             uint32_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t room = 1;
    char *copy;
    const char **names;

    for (const char *s = text; *s; s++)
        room += *s == ',';
    TRY_MEM(copy = arena_strdup(arena, text));
    TRY_MEM(names = ARENA_ARRAY(arena, const char *, room));
    *count = 0;
    while (*copy) {
        char *name, *end;
        while (*copy == ' ')
            copy++;
        name = end = copy;
        if (*copy == '"') {
            for (copy++; *copy && (*copy != '"' || copy[1] == '"'); copy++) {
                copy += *copy == '"';
                *end++ = *copy;
            }
            while (*copy && *copy != ',')
                copy++;
        } else {
            for (; *copy && *copy != ','; copy++)
                if (*copy != ' ')
                    *end++ = (char)(*copy >= 'A' && *copy <= 'Z' ? *copy + 32 : *copy);
        }
        copy += *copy == ',';
        *end = '\0';
        if (end > name)
            names[(*count)++] = name;
    }
    *out = names;
out:
    return status;
}

/* current_schema(): the first schema of the search path that exists. */
static kdk_status note_schema(struct kdk_conn *conn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena;
    const char *const *names;
    uint32_t count;
    arena_init(&arena);
    conn->schema[0] = '\0';
    TRY(split_path(conn_setting(conn, SET_SEARCH_PATH), &arena, &names, &count, err));
    for (uint32_t i = 0; i < count && !conn->schema[0]; i++)
        if (strlen(names[i]) < sizeof conn->schema &&
            catver_schema_exists(conn->session.version, names[i]))
            memcpy(conn->schema, names[i], strlen(names[i]) + 1);
out:
    arena_deinit(&arena);
    return status;
}

kdk_status stmt_bind_env(struct kdk_stmt *stmt, struct arena *arena, struct bind_env *env,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    memset(env, 0, sizeof *env);
    env->catver = conn->session.version;
    env->param_types = stmt->given_types;
    env->param_count = stmt->given_count;
    env->context = conn;
    env->file = env_file;
    env->setting = env_setting;
    env->notice = env_notice;
    TRY(split_path(conn_setting(conn, SET_SEARCH_PATH), arena, &env->search_path,
                   &env->search_path_count, err));
out:
    return status;
}

/* Some ten times a second, on the thread that steps. */
static void report_progress(void *context)
{
    struct kdk_stmt *stmt = context;
    struct kdk_conn *conn = stmt->conn;
    uint64_t now, done, total;
    const char *unit;
    if (!conn->progress || !stmt->exec)
        return;
    now = os_now_ns(conn->db->os);
    if (now - conn->progress_ns < 100000000)
        return;
    conn->progress_ns = now;
    exec_progress(stmt->exec, &done, &total, &unit);
    conn->progress(conn->progress_context, done, total, unit);
}

void stmt_exec_env(struct kdk_stmt *stmt, struct exec_env *out)
{
    struct kdk_conn *conn = stmt->conn;
    memset(out, 0, sizeof *out);
    out->os = conn->db->os;
    out->txn = conn->txn;
    out->store = conn->db->store;
    out->sched = conn->db->sched;
    out->broker = &conn->db->broker;
    out->files = &format_file_ops;
    out->threads = conn_threads(conn);
    out->eval.params = stmt->params;
    out->eval.param_count = stmt->param_count;
    out->eval.now_us = conn->now_us;
    out->eval.cancel = &conn->cancel;
    out->eval.setting = env_setting;
    out->eval.context = conn;
    if (conn->progress) {
        out->tick = report_progress;
        out->tick_context = stmt;
    }
}

static double plan_table_rows(void *context, const struct ctable *table)
{
    (void)context;
    return table->store ? (double)table_row_count(table->store) : 1000;
}

static double plan_column_distinct(void *context, const struct ctable *table,
                                   uint32_t column)
{
    (void)context;
    return table->store
               ? (double)table_column_distinct(table->store, table->columns[column].id)
               : 0;
}

static bool plan_column_bounds(void *context, const struct ctable *table, uint32_t column,
                               int128 *lo, int128 *hi)
{
    (void)context;
    return table->store &&
           table_column_bounds(table->store, table->columns[column].id, lo, hi);
}

/* ------------------------------------------------------------------- preparing ---- */

static void unbind(struct kdk_stmt *stmt)
{
    rowprog_free(stmt->rowprog);
    stmt->rowprog = NULL;
    stmt->bound = NULL;
    stmt->version = 0;
    catver_unref(stmt->catver);
    stmt->catver = NULL;
    arena_deinit(&stmt->plan_arena);
}

/* Does this kind of statement go through the binder as a whole? EXPLAIN and PREPARE bind
 * what is inside them themselves. */
static bool is_bound(const struct ast_stmt *ast)
{
    switch (ast->kind) {
    case AST_STMT_QUERY:
    case AST_STMT_INSERT:
    case AST_STMT_UPDATE:
    case AST_STMT_DELETE:
    case AST_STMT_TRUNCATE:
    case AST_STMT_CREATE_TABLE:
    case AST_STMT_CREATE_VIEW:
    case AST_STMT_CREATE_INDEX:
    case AST_STMT_CREATE_SCHEMA:
    case AST_STMT_DROP:
    case AST_STMT_ALTER:
    case AST_STMT_REINDEX:
    case AST_STMT_EXPLAIN:
    case AST_STMT_COPY:
    case AST_STMT_CHECKPOINT:
    case AST_STMT_ANALYZE:
    case AST_STMT_VACUUM:
        return true;
    case AST_STMT_TRANSACTION:
    case AST_STMT_PREPARE:
    case AST_STMT_EXECUTE:
    case AST_STMT_DEALLOCATE:
    case AST_STMT_SET:
    case AST_STMT_SHOW:
    case AST_STMT_COUNT:
        return false;
    }
    return false;
}

static bool is_query(const struct ast_stmt *ast)
{
    return ast->kind == AST_STMT_QUERY || ast->kind == AST_STMT_INSERT ||
           ast->kind == AST_STMT_UPDATE || ast->kind == AST_STMT_DELETE;
}

bool stmt_gives_rows(const struct kdk_stmt *stmt)
{
    return is_query(stmt->ast);
}

kdk_status stmt_bind_plan(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    struct bind_env bind;
    struct eval_env fold = {.setting = env_setting, .context = conn};
    struct plan_env plan = {.eval = &fold,
                            .fold = eval_fold,
                            .table_rows = plan_table_rows,
                            .column_distinct = plan_column_distinct,
                            .column_bounds = plan_column_bounds};

    if (stmt->bound && stmt->version == catver_number(conn->session.version) &&
        stmt->settings_changed == conn->settings_changed)
        goto out;
    unbind(stmt);
    arena_init(&stmt->plan_arena);
    TRY(note_schema(conn, err));
    TRY(stmt_bind_env(stmt, &stmt->plan_arena, &bind, err));
    TRY(sql_bind(stmt->ast, &bind, &stmt->plan_arena, &stmt->bound, err));
    plan.optimize = strcmp(conn_setting(conn, SET_OPTIMIZER), "on") == 0;
    if (stmt->bound->root && stmt->ast->kind != AST_STMT_CREATE_TABLE) {
        TRY(plan_optimize(stmt->bound, &plan, &stmt->plan_arena, err));
        if (is_query(stmt->ast))
            TRY(rowprog_new(stmt->bound, &stmt->rowprog, err));
    }
    stmt->version = catver_number(conn->session.version);
    stmt->settings_changed = conn->settings_changed;
    stmt->catver = conn->session.version;
    catver_ref(stmt->catver);
out:
    if (status != KDK_OK)
        unbind(stmt);
    return status;
}

static kdk_status result_columns(struct kdk_stmt *stmt, uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    if (count <= stmt->text_count)
        goto out;
    struct buf *texts;
    TRY_MEM(texts = MEM_ARRAY(struct buf, 2 * (size_t)count));
    for (uint32_t i = 0; i < 2 * stmt->text_count; i++)
        buf_deinit(&stmt->texts[i]);
    mem_free(stmt->texts);
    stmt->texts = texts;
    stmt->text_count = count;
out:
    return status;
}

kdk_status stmt_new(struct kdk_conn *conn, const char *sql, size_t bytes,
                    const struct ltype *types, uint32_t type_count, struct kdk_stmt **out,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_stmt *stmt = NULL;
    struct ast_list list;
    bool own = false;

    if (bytes > INT32_MAX) /* Places in it are numbers of 32 bits. */
        return err_set(err, KDK_LIMIT, "a statement of %zu bytes is too long", bytes);
    TRY_MEM(stmt = MEM_NEW(struct kdk_stmt));
    stmt->conn = conn;
    arena_init(&stmt->ast_arena);
    arena_init(&stmt->plan_arena);
    arena_init(&stmt->run_arena);
    TRY_MEM(stmt->sql = mem_alloc(bytes + 1));
    memcpy(stmt->sql, sql, bytes);
    stmt->sql[bytes] = '\0';
    stmt->sql_bytes = bytes;
    TRY(sql_parse(stmt->sql, bytes, &stmt->ast_arena, &list, err));
    if (!list.count) {
        *out = NULL;
        goto out;
    }
    stmt->ast = list.items[0];
    stmt->given_types = types;
    stmt->given_count = type_count;
    stmt->link = &conn->stmts;
    stmt->next = conn->stmts;
    if (stmt->next)
        stmt->next->link = &stmt->next;
    conn->stmts = stmt;

    /* Columns and parameters are known from here on, and most errors come here. In a failed
     * block nothing is looked up. */
    if (is_bound(stmt->ast) && !conn->failed) {
        if (!conn->txn) {
            TRY(conn_begin(conn, true, err));
            own = true;
        }
        if (!conn->txn->has_snapshot || !conn->session.version)
            txn_statement_begin(conn->txn);
        catalog_begin(conn->db->catalog, &conn->session, conn->txn);
        TRY(stmt_bind_plan(stmt, err));
        stmt->param_count = stmt->bound->param_count;
    } else {
        stmt->param_count = stmt->ast->param_count;
    }
    TRY_MEM(stmt->bindings = MEM_ARRAY(struct binding, stmt->param_count + 1));
    TRY_MEM(stmt->params = MEM_ARRAY(struct datum, stmt->param_count + 1));
    *out = stmt;
    stmt = NULL;
out:
    if (own) {
        conn_rollback(conn);
    }
    kdk_stmt_free(stmt);
    return status;
}

static void close_run(struct kdk_stmt *stmt)
{
    if (stmt->inner)
        close_run(stmt->inner);
    exec_close(stmt->exec);
    stmt->exec = NULL;
    stmt->batch = NULL;
    stmt->row = NULL;
    stmt->use_rowprog = false;
    for (uint32_t i = 0; stmt->lines && i < stmt->line_count * stmt->line_width; i++)
        buf_deinit(&stmt->lines[i]);
    mem_free(stmt->lines);
    stmt->lines = NULL;
    stmt->line_count = stmt->line_next = 0;
}

/* Ends the run: with its own transaction, if it has one. */
static kdk_status stmt_end(struct kdk_stmt *stmt, bool ok, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;

    if (!stmt->running)
        return KDK_OK;
    stmt->running = false;
    if (conn->running == stmt)
        conn->running = NULL;
    close_run(stmt);
    if (stmt->implicit && conn->txn) {
        if (ok)
            status = conn_commit(conn, err);
        else
            conn_rollback(conn);
    } else if (!ok) {
        conn_block_failed(conn);
    }
    stmt->implicit = false;
    return status;
}

/* A NULL where something must be. */
kdk_status conn_misuse(struct kdk_conn *conn)
{
    return conn_fail(
        conn, err_set(&conn->err, KDK_MISUSE, "an argument that must be given is NULL"),
        NULL, 0);
}

KDK_API void kdk_stmt_free(kdk_stmt *stmt)
{
    if (!stmt)
        return;
    kdk_reset(stmt); /* An end that comes early is no failure: a block goes on. */
    kdk_stmt_free(stmt->inner);
    unbind(stmt);
    if (stmt->link) {
        *stmt->link = stmt->next;
        if (stmt->next)
            stmt->next->link = stmt->link;
    }
    for (uint32_t i = 0; i < 2 * stmt->text_count; i++)
        buf_deinit(&stmt->texts[i]);
    mem_free(stmt->texts);
    for (uint32_t i = 0; stmt->bindings && i < stmt->param_count; i++)
        mem_free(stmt->bindings[i].data);
    mem_free(stmt->bindings);
    mem_free(stmt->params);
    arena_deinit(&stmt->ast_arena);
    arena_deinit(&stmt->plan_arena);
    arena_deinit(&stmt->run_arena);
    mem_free(stmt->sql);
    mem_free(stmt);
}

KDK_API kdk_status kdk_prepare(kdk_conn *conn, const char *sql, int64_t bytes,
                               kdk_stmt **out, const char **tail)
{
    struct sql_extent extent;
    kdk_status status;

    if (out)
        *out = NULL;
    if (!conn)
        return KDK_MISUSE;
    err_clear(&conn->err);
    if (!sql || !out)
        return conn_misuse(conn);
    size_t length = bytes < 0 ? strlen(sql) : (size_t)bytes;
    enum sql_split split = sql_split(sql, length, 0, &extent);
    if (tail)
        *tail = sql + (split == SQL_SPLIT_EMPTY ? length : extent.end);
    if (split == SQL_SPLIT_EMPTY)
        return KDK_OK;
    /* From the start of the text, so that positions count from there. */
    status = stmt_new(conn, sql, extent.end, NULL, 0, out, &conn->err);
    if (status != KDK_OK)
        conn_block_failed(conn);
    return status == KDK_OK ? KDK_OK : conn_fail(conn, status, sql, length);
}

/* ------------------------------------------------------------------ parameters ---- */

KDK_API uint32_t kdk_param_count(const kdk_stmt *stmt)
{
    if (!stmt)
        return 0;
    return stmt->param_count;
}

static kdk_status put_binding(kdk_stmt *stmt, uint32_t param, struct binding value,
                              const void *data)
{
    if (!stmt)
        return KDK_MISUSE;
    struct kdk_conn *conn = stmt->conn;
    err_clear(&conn->err);
    if (!data && value.bytes)
        return conn_misuse(conn);
    if (value.bytes > VALUE_BYTES_MAX)
        return conn_fail(conn,
                         err_set(&conn->err, KDK_LIMIT,
                                 "a value of %zu bytes is too long: the most is %u",
                                 value.bytes, (unsigned)VALUE_BYTES_MAX),
                         NULL, 0);
    if (param == 0 || param > stmt->param_count)
        return conn_fail(conn,
                         err_set(&conn->err, KDK_UNDEFINED_PARAMETER,
                                 "there is no parameter $%u", param),
                         NULL, 0);
    if (data) {
        value.data = mem_alloc(value.bytes + 1);
        if (!value.data)
            return conn_fail(conn, err_nomem(&conn->err), NULL, 0);
        memcpy(value.data, data, value.bytes);
        value.data[value.bytes] = '\0';
    }
    mem_free(stmt->bindings[param - 1].data);
    stmt->bindings[param - 1] = value;
    return KDK_OK;
}

KDK_API kdk_status kdk_bind_null(kdk_stmt *stmt, uint32_t param)
{
    return put_binding(stmt, param, (struct binding){.kind = BOUND_NULL}, NULL);
}

KDK_API kdk_status kdk_bind_bool(kdk_stmt *stmt, uint32_t param, bool value)
{
    return put_binding(stmt, param, (struct binding){.kind = BOUND_BOOL, .i = value}, NULL);
}

KDK_API kdk_status kdk_bind_int64(kdk_stmt *stmt, uint32_t param, int64_t value)
{
    return put_binding(stmt, param, (struct binding){.kind = BOUND_INT, .i = value}, NULL);
}

KDK_API kdk_status kdk_bind_double(kdk_stmt *stmt, uint32_t param, double value)
{
    return put_binding(stmt, param, (struct binding){.kind = BOUND_DOUBLE, .f = value},
                       NULL);
}

KDK_API kdk_status kdk_bind_text(kdk_stmt *stmt, uint32_t param, const char *text,
                                 int64_t bytes)
{
    if (!text)
        return kdk_bind_null(stmt, param);
    return put_binding(stmt, param,
                       (struct binding){.kind = BOUND_TEXT,
                                        .bytes = bytes < 0 ? strlen(text) : (size_t)bytes},
                       text);
}

KDK_API kdk_status kdk_bind_blob(kdk_stmt *stmt, uint32_t param, const void *data,
                                 size_t bytes)
{
    return put_binding(stmt, param, (struct binding){.kind = BOUND_BLOB, .bytes = bytes},
                       data || bytes ? data : "");
}

/* The bound values as what the statement's parameters are. */
static kdk_status params_convert(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    arena_reset(&stmt->run_arena);
    for (uint32_t i = 0; i < stmt->param_count; i++) {
        const struct binding *b = &stmt->bindings[i];
        struct ltype type = stmt->bound && i < stmt->bound->param_count
                                ? stmt->bound->param_types[i]
                                : LTYPE(TEXT);
        struct datum in = {0};
        struct ltype from;
        switch (b->kind) {
        case BOUND_NOTHING:
            TRY(err_set(err, KDK_UNDEFINED_PARAMETER, "there is no value for parameter $%u",
                        i + 1));
            continue;
        case BOUND_NULL:
            stmt->params[i] = DATUM_NULL;
            continue;
        case BOUND_BOOL:
            in.i = b->i;
            from = LTYPE(BOOLEAN);
            break;
        case BOUND_INT:
            in.i = b->i;
            from = LTYPE(BIGINT);
            break;
        case BOUND_DOUBLE:
            in.f = b->f;
            from = LTYPE(DOUBLE);
            break;
        case BOUND_TEXT:
            TRY(datum_parse(type, b->data, b->bytes, &stmt->run_arena, &stmt->params[i],
                            err));
            continue;
        case BOUND_BLOB:
            in.s = str_of(b->data, b->bytes);
            from = LTYPE(BYTEA);
            break;
        }
        /* A copy: what is bound may be replaced while rows come. */
        if (b->kind == BOUND_BLOB) {
            struct datum copy;
            if (!datum_copy(&stmt->run_arena, from, in, &copy))
                TRY(err_nomem(err));
            in = copy;
        }
        if (ltype_equal(from, type))
            stmt->params[i] = in;
        else if (!cast_allowed(from, type, CAST_EXPLICIT))
            TRY(err_set(err, KDK_TYPE_MISMATCH,
                        "parameter $%u is of type %s, the value bound to it is not", i + 1,
                        ltype_id_name(type.id)));
        else
            TRY(eval_cast(from, type, CAST_ASSIGNMENT, &in, &stmt->run_arena,
                          &stmt->params[i], err));
    }
out:
    return status;
}

/* --------------------------------------------------------------------- running ---- */

/* `verb` and the number: every statement makes a tag, so without the C library's
 * formatting. */
static void tag_count(struct kdk_stmt *stmt, const char *verb, uint64_t n)
{
    char digits[20];
    size_t length = strlen(verb), count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    memcpy(stmt->tag, verb, length);
    while (count)
        stmt->tag[length++] = digits[--count];
    stmt->tag[length] = '\0';
}

static void set_tag(struct kdk_stmt *stmt)
{
    switch (stmt->ast->kind) {
    case AST_STMT_QUERY:
        stmt->affected = stmt->returned;
        tag_count(stmt, "SELECT ", stmt->affected);
        break;
    case AST_STMT_INSERT:
        tag_count(stmt, "INSERT 0 ", stmt->affected);
        break;
    case AST_STMT_UPDATE:
        tag_count(stmt, "UPDATE ", stmt->affected);
        break;
    case AST_STMT_DELETE:
        tag_count(stmt, "DELETE ", stmt->affected);
        break;
    default: /* Utilities have set theirs. */
        break;
    }
}

/* Nobody asked for that checkpoint, so each connection is told once. */
static void tell_checkpoint_failure(struct kdk_conn *conn, uint64_t failures)
{
    struct err failure = {0};
    char text[ERR_MESSAGE_BYTES];
    conn->failures_told = failures;
    if (store_checkpoint_failure(conn->db->store, &failure) == KDK_OK)
        return;
    snprintf(text, sizeof text,
             "a checkpoint in the background failed, the log grows on: %.400s",
             failure.message);
    conn_notice(conn, "WARNING", text);
}

static kdk_status stmt_start(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_stmt *ast = stmt->ast;
    struct exec_env env;

    if (conn->running && conn->running != stmt)
        return err_set(err, KDK_MISUSE,
                       "another statement of this connection is still giving rows");
    if (conn->failed && !(ast->kind == AST_STMT_TRANSACTION &&
                          (ast->transaction->kind == AST_TXN_ROLLBACK ||
                           ast->transaction->kind == AST_TXN_COMMIT)))
        return err_set(err, KDK_IN_FAILED_TXN,
                       "current transaction is aborted, commands ignored until end of "
                       "transaction block");
    atomic_store_explicit(&conn->cancel, 0, memory_order_release);
    stmt->affected = stmt->returned = 0;
    stmt->tag[0] = '\0';
    stmt->running = true;
    conn->running = stmt;
    if (conn->progress)
        conn->progress_ns = os_now_ns(conn->db->os);
    const uint64_t failures = store_checkpoint_failures(conn->db->store);
    if (KDK_UNLIKELY(failures != conn->failures_told))
        tell_checkpoint_failure(conn, failures);
    if (ast->kind == AST_STMT_TRANSACTION || ast->kind == AST_STMT_CHECKPOINT ||
        ast->kind == AST_STMT_SET || ast->kind == AST_STMT_SHOW ||
        ast->kind == AST_STMT_DEALLOCATE) {
        TRY(utility_run(stmt, err));
        goto out;
    }
    if (!conn->txn) {
        TRY(conn_begin(conn, false, err));
        stmt->implicit = true;
        conn->txn->one_statement = true;
    }
    txn_statement_begin(conn->txn);
    catalog_begin(conn->db->catalog, &conn->session, conn->txn);
    if (is_bound(ast)) {
        TRY(stmt_bind_plan(stmt, err));
        TRY(params_convert(stmt, err));
        /* Rows are handed out before it ends, and between them the same thread may ask for
         * anything else. */
        if (stmt->bound->column_count)
            conn->txn->one_statement = false;
        if (conn->txn->read_only && !stmt->bound->read_only)
            TRY(err_set(err, KDK_READ_ONLY,
                        "cannot execute this statement in a read-only transaction"));
    }
    if (!is_query(ast)) {
        TRY(utility_run(stmt, err));
        goto out;
    }
    stmt_exec_env(stmt, &env);
    if (stmt->rowprog) {
        stmt->use_rowprog = true;
        TRY(rowprog_start(stmt->rowprog, &env, err));
    } else {
        TRY(exec_open(stmt->bound, &env, &stmt->exec, err));
    }
out:
    return status;
}

/* The next row of what runs; *row false at the end. */
static kdk_status next_row(struct kdk_stmt *stmt, bool *row, struct err *err)
{
    kdk_status status = KDK_OK;

    *row = false;
    if (stmt->inner) {
        TRY(next_row(stmt->inner, row, err));
        if (!*row)
            stmt->inner->affected = stmt->inner->exec ? exec_affected(stmt->inner->exec)
                                    : stmt->inner->use_rowprog
                                        ? rowprog_affected(stmt->inner->rowprog)
                                        : stmt->inner->affected;
        stmt->inner->returned += *row;
        goto out;
    }
    if (stmt->use_rowprog) {
        TRY(rowprog_next(stmt->rowprog, &stmt->row, err));
        *row = stmt->row != NULL;
        if (!*row)
            stmt->affected = rowprog_affected(stmt->rowprog);
        goto out;
    }
    if (stmt->exec) {
        if (stmt->batch && ++stmt->batch_row < stmt->batch->sel.count) {
            *row = true;
            goto out;
        }
        TRY(exec_next(stmt->exec, &stmt->batch, err));
        stmt->batch_row = 0;
        *row = stmt->batch != NULL;
        if (!*row)
            stmt->affected = exec_affected(stmt->exec);
        goto out;
    }
    if (stmt->line_next < stmt->line_count) {
        for (uint32_t c = 0; c < stmt->line_width; c++) {
            const struct buf *cell = &stmt->lines[stmt->line_next * stmt->line_width + c];
            stmt->line_row[c] = cell->data
                                    ? (struct datum){.s = str_of(cell->data, cell->len)}
                                    : DATUM_NULL;
        }
        stmt->line_next++;
        stmt->row = stmt->line_row;
        *row = true;
    }
out:
    return status;
}

kdk_status stmt_step(struct kdk_stmt *stmt, bool *row, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    struct txn_conflict conflict = {0};

    *row = false;
    for (uint32_t attempt = 0;; attempt++) {
        err_clear(err);
        if (!stmt->running)
            status = stmt_start(stmt, err);
        if (status == KDK_OK)
            status = next_row(stmt, row, err);
        if (status == KDK_OK && *row) {
            stmt->returned++;
            return KDK_OK;
        }
        if (status == KDK_OK) {
            bool implicit = stmt->implicit;
            set_tag(stmt);
            status = stmt_end(stmt, true, err);
            if (status == KDK_OK || status != KDK_SERIALIZATION || !implicit ||
                stmt->returned)
                return status;
        }
        /* A conflict in a statement of its own that has shown nothing yet: again, once the
         * other is done. */
        bool again = status == KDK_SERIALIZATION && stmt->implicit && !stmt->returned &&
                     attempt < STATEMENT_RETRIES && stmt->ast->kind != AST_STMT_COPY;
        if (again && conn->txn)
            conflict = conn->txn->conflict;
        struct err ignored = {0};
        (void)!(stmt_end(stmt, false, &ignored) == KDK_OK); /* Rolling back cannot fail. */
        if (!again)
            return status;
        if (!txnman_wait(store_txnman(conn->db->store), conflict, 1000000000))
            return status;
        status = KDK_OK;
    }
}

kdk_status stmt_step_told(struct kdk_stmt *stmt, bool *row)
{
    struct kdk_conn *conn = stmt->conn;
    kdk_status status = stmt_step(stmt, row, &conn->err);
    return status == KDK_OK ? KDK_OK : conn_fail(conn, status, stmt->sql, stmt->sql_bytes);
}

KDK_API kdk_status kdk_step(kdk_stmt *stmt, bool *row)
{
    if (!stmt)
        return KDK_MISUSE;
    if (!row)
        return conn_misuse(stmt->conn);
    if (KDK_UNLIKELY(stmt->stream))
        stream_let_go(stmt);
    return stmt_step_told(stmt, row);
}

KDK_API void kdk_reset(kdk_stmt *stmt)
{
    if (!stmt)
        return;
    stream_let_go(stmt);
    stmt_reset(stmt);
}

void stmt_reset(struct kdk_stmt *stmt)
{
    struct err err = {0};
    bool writes = stmt->conn->txn && txn_has_writes(stmt->conn->txn);
    /* A read that is ended early has nothing to lose; a write is undone. */
    (void)!(stmt_end(stmt, !writes || !stmt->implicit, &err) == KDK_OK);
}

KDK_API kdk_status kdk_exec(kdk_conn *conn, const char *sql, int64_t bytes)
{
    kdk_status status = KDK_OK;
    struct sql_extent extent;

    if (!conn)
        return KDK_MISUSE;
    err_clear(&conn->err);
    if (!sql)
        return conn_misuse(conn);
    size_t length = bytes < 0 ? strlen(sql) : (size_t)bytes, at = 0;
    while (status == KDK_OK && sql_split(sql, length, at, &extent) != SQL_SPLIT_EMPTY) {
        kdk_stmt *stmt = NULL;
        bool row = true;
        status = stmt_new(conn, sql + extent.start, extent.end - extent.start, NULL, 0,
                          &stmt, &conn->err);
        if (status != KDK_OK)
            conn_block_failed(conn);
        while (status == KDK_OK && stmt && row)
            status = stmt_step(stmt, &row, &conn->err);
        if (status != KDK_OK && conn->err.position)
            conn->err.position += (int32_t)extent.start;
        kdk_stmt_free(stmt);
        at = extent.end;
    }
    return status == KDK_OK ? KDK_OK : conn_fail(conn, status, sql, length);
}

/* --------------------------------------------------------------------- results ---- */

/* Where a statement's columns are described. */
static const struct relcol *columns_of(const kdk_stmt *stmt, uint32_t *count)
{
    if (!stmt) {
        *count = 0;
        return NULL;
    }
    if (stmt->inner)
        return columns_of(stmt->inner, count);
    if (stmt->line_columns) {
        *count = stmt->line_width;
        return stmt->line_columns;
    }
    if (stmt->bound && is_query(stmt->ast)) {
        *count = stmt->bound->column_count;
        return stmt->bound->columns;
    }
    *count = 0;
    return NULL;
}

static struct datum cell(const kdk_stmt *stmt, uint32_t column, struct ltype *type)
{
    uint32_t count;
    const struct relcol *columns = columns_of(stmt, &count);
    *type = LTYPE(UNKNOWN);
    if (column >= count)
        return DATUM_NULL;
    const kdk_stmt *of = stmt->inner ? stmt->inner : stmt;
    *type = columns[column].type;
    if (of->row)
        return of->row[column];
    if (of->batch && of->batch_row < of->batch->sel.count)
        return vec_get(&of->batch->columns[column],
                       SEL_ROW(&of->batch->sel, of->batch_row));
    return DATUM_NULL;
}

KDK_API uint32_t kdk_column_count(const kdk_stmt *stmt)
{
    uint32_t count;
    columns_of(stmt, &count);
    return count;
}

KDK_API const char *kdk_column_name(const kdk_stmt *stmt, uint32_t column)
{
    uint32_t count;
    const struct relcol *columns = columns_of(stmt, &count);
    return column < count ? columns[column].name : NULL;
}

KDK_API const char *kdk_column_type(const kdk_stmt *stmt, uint32_t column)
{
    static const char *const none = "unknown";
    uint32_t count;
    const struct relcol *columns = columns_of(stmt, &count);
    char room[64];
    if (column >= count)
        return none;
    ltype_name(columns[column].type, room, sizeof room);
    /* Kept by the statement: who asks with each row gets the same place. */
    struct kdk_stmt *keeper = (struct kdk_stmt *)(uintptr_t)stmt;
    if (result_columns(keeper, count, NULL) != KDK_OK)
        return none;
    struct buf *kept = &keeper->texts[keeper->text_count + column];
    if (!kept->len || strcmp(kept->data, room) != 0) {
        buf_clear(kept);
        if (buf_add_str(kept, room) != KDK_OK)
            return none;
    }
    return kept->data;
}

KDK_API kdk_kind kdk_column_kind(const kdk_stmt *stmt, uint32_t column)
{
    struct ltype type;
    struct datum d = cell(stmt, column, &type);
    if (d.null)
        return KDK_KIND_NULL;
    if (type.id == LT_BOOLEAN)
        return KDK_KIND_BOOL;
    if (ltype_is_integer(type))
        return KDK_KIND_INT;
    if (ltype_is_float(type))
        return KDK_KIND_DOUBLE;
    if (type.id == LT_NUMERIC)
        return KDK_KIND_NUMERIC;
    if (type.id == LT_BYTEA)
        return KDK_KIND_BLOB;
    if (type.id == LT_DATE)
        return KDK_KIND_DATE;
    return type.id == LT_TIMESTAMP ? KDK_KIND_TIMESTAMP : KDK_KIND_TEXT;
}

KDK_API bool kdk_column_null(const kdk_stmt *stmt, uint32_t column)
{
    struct ltype type;
    return cell(stmt, column, &type).null;
}

/* By a cast; 0 when there is none, or when it fails. */
static struct datum cell_cast(struct ltype from, struct ltype to, const struct datum *d)
{
    struct datum out = {0};
    struct arena arena;
    arena_init(&arena);
    if (eval_cast(from, to, CAST_EXPLICIT, d, &arena, &out, NULL) != KDK_OK)
        memset(&out, 0, sizeof out);
    arena_deinit(&arena);
    return out;
}

KDK_API int64_t kdk_column_int64(const kdk_stmt *stmt, uint32_t column)
{
    struct ltype type;
    struct datum d = cell(stmt, column, &type);
    if (d.null)
        return 0;
    if (type.id == LT_BOOLEAN || ltype_is_integer(type) || type.id == LT_DATE ||
        type.id == LT_TIMESTAMP)
        return d.i;
    if (type.id == LT_NUMERIC) {
        for (uint8_t s = 0; s < type.scale; s++)
            d.w /= 10;
        return d.w == (int64_t)d.w ? (int64_t)d.w : 0;
    }
    if (ltype_is_float(type))
        d.f = trunc(d.f);
    else if (type.id != LT_TEXT)
        return 0;
    return cell_cast(type, LTYPE(BIGINT), &d).i;
}

KDK_API double kdk_column_double(const kdk_stmt *stmt, uint32_t column)
{
    struct ltype type;
    struct datum d = cell(stmt, column, &type);
    if (d.null)
        return 0;
    if (ltype_is_float(type))
        return d.f;
    if (type.id == LT_BOOLEAN || type.id == LT_DATE || type.id == LT_TIMESTAMP)
        return (double)d.i;
    return cell_cast(type, LTYPE(DOUBLE), &d).f;
}

KDK_API const char *kdk_column_text(kdk_stmt *stmt, uint32_t column, size_t *bytes)
{
    struct ltype type;
    struct datum d = cell(stmt, column, &type);
    if (bytes)
        *bytes = 0;
    if (d.null || result_columns(stmt, kdk_column_count(stmt), NULL) != KDK_OK)
        return NULL;
    struct buf *text = &stmt->texts[column];
    buf_clear(text);
    if (buf_reserve(text, 1) != KDK_OK || datum_print(type, &d, text) != KDK_OK)
        return NULL;
    if (!text->len)
        text->data[0] = '\0';
    if (bytes)
        *bytes = text->len;
    return text->data;
}

KDK_API const void *kdk_column_blob(kdk_stmt *stmt, uint32_t column, size_t *bytes)
{
    struct ltype type;
    struct datum d = cell(stmt, column, &type);
    if (bytes)
        *bytes = 0;
    if (d.null || !ltype_is_string(type) ||
        result_columns(stmt, kdk_column_count(stmt), NULL) != KDK_OK)
        return NULL;
    struct buf *copy = &stmt->texts[column];
    buf_clear(copy);
    if (buf_reserve(copy, d.s.len + 1) != KDK_OK ||
        buf_add(copy, str_data(&d.s), d.s.len) != KDK_OK)
        return NULL;
    if (bytes)
        *bytes = d.s.len;
    return copy->data;
}

KDK_API uint64_t kdk_affected(const kdk_stmt *stmt)
{
    if (!stmt)
        return 0;
    return stmt->inner ? stmt->inner->affected : stmt->affected;
}

KDK_API const char *kdk_command_tag(const kdk_stmt *stmt)
{
    if (!stmt)
        return "";
    return stmt->inner && !stmt->tag[0] ? stmt->inner->tag : stmt->tag;
}

kdk_status stmt_line_columns(struct kdk_stmt *stmt, const char *const *names,
                             uint32_t width, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_MEM(stmt->line_columns = ARENA_ARRAY(&stmt->ast_arena, struct relcol, width));
    TRY_MEM(stmt->line_row = ARENA_ARRAY(&stmt->ast_arena, struct datum, width));
    stmt->line_width = width;
    for (uint32_t i = 0; i < width; i++)
        stmt->line_columns[i] = (struct relcol){.name = names[i], .type = LTYPE(TEXT)};
out:
    return status;
}

kdk_status stmt_line(struct kdk_stmt *stmt, const char *const *cells, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf *grown = mem_realloc(stmt->lines, (size_t)(stmt->line_count + 1) *
                                                     stmt->line_width * sizeof *grown);
    TRY_MEM(grown);
    stmt->lines = grown;
    struct buf *row = grown + (size_t)stmt->line_count++ * stmt->line_width;
    memset(row, 0, stmt->line_width * sizeof *row);
    for (uint32_t i = 0; i < stmt->line_width; i++)
        if (cells[i] &&
            (buf_reserve(&row[i], 1) != KDK_OK || buf_add_str(&row[i], cells[i]) != KDK_OK))
            TRY(err_nomem(err));
out:
    return status;
}
