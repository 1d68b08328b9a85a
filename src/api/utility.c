/* utility.c - statements that are not queries: transactions, settings, PREPARE and EXECUTE,
 * EXPLAIN, COPY, CHECKPOINT, schema changes. */
#include "api/api_int.h"

#include <stdatomic.h>
#include <stdio.h>

static void tag(struct kdk_stmt *stmt, const char *text)
{
    snprintf(stmt->tag, sizeof stmt->tag, "%s", text);
}

/* -------------------------------------------------------------- transactions ---- */

static kdk_status run_transaction(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_transaction *t = stmt->ast->transaction;
    bool failed = conn->failed;

    if (t->isolation == AST_ISOLATION_SERIALIZABLE ||
        t->isolation == AST_ISOLATION_READ_COMMITTED ||
        t->isolation == AST_ISOLATION_READ_UNCOMMITTED) {
        err_hint(err, "Transactions run at REPEATABLE READ, which is snapshot isolation.");
        status = err_set(err, KDK_UNSUPPORTED, "isolation level %s is not supported yet",
                         t->isolation == AST_ISOLATION_SERIALIZABLE ? "SERIALIZABLE"
                                                                    : "READ COMMITTED");
        err_hint(err, "Transactions run at REPEATABLE READ, which is snapshot isolation.");
        goto out;
    }
    switch ((enum ast_transaction_kind)t->kind) {
    case AST_TXN_BEGIN:
        tag(stmt, "BEGIN");
        if (conn->block) {
            conn_notice(conn, "WARNING", "there is already a transaction in progress");
            break;
        }
        TRY(conn_begin(conn, t->read_only == 1, err));
        conn->block = true;
        break;
    case AST_TXN_COMMIT:
    case AST_TXN_ROLLBACK: {
        bool commit = t->kind == AST_TXN_COMMIT && !failed,
             read_only = conn->txn ? conn->txn->read_only : conn->was_read_only;
        tag(stmt, commit ? "COMMIT" : "ROLLBACK");
        if (!conn->block) {
            conn_notice(conn, "WARNING", "there is no transaction in progress");
            break;
        }
        if (commit)
            TRY(conn_commit(conn, err));
        else
            conn_rollback(conn);
        if (t->chain) {
            TRY(conn_begin(conn, read_only, err));
            conn->block = true;
        }
        break;
    }
    case AST_TXN_SET:
        tag(stmt, "SET");
        if (!conn->block) {
            conn_notice(conn, "WARNING",
                        "SET TRANSACTION can only be used in transaction blocks");
            break;
        }
        if (t->read_only == 0 && conn->txn->read_only && conn->txn->has_snapshot)
            TRY(err_set(err, KDK_ACTIVE_TXN,
                        "transaction read-write mode must be set before any query"));
        if (t->read_only >= 0)
            conn->txn->read_only = t->read_only == 1;
        break;
    case AST_TXN_SAVEPOINT:
    case AST_TXN_RELEASE:
    case AST_TXN_ROLLBACK_TO:
        TRY(err_set(err, KDK_UNSUPPORTED, "savepoints are not supported yet"));
        break;
    case AST_TXN_SET_SESSION:
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "SET SESSION CHARACTERISTICS is not supported yet"));
        break;
    }
out:
    return status;
}

/* ------------------------------------------------------------------ settings ---- */

/* One name of a search path, quoted unless it is a plain word: a name may hold commas and
 * quotes. */
static kdk_status add_schema(struct buf *out, const char *name)
{
    kdk_status status = KDK_OK;
    bool plain = (name[0] >= 'a' && name[0] <= 'z') || name[0] == '_';
    for (const char *s = name; *s; s++)
        plain &= (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_';
    if (plain) {
        TRY(buf_add_str(out, name));
        goto out;
    }
    TRY(buf_add_str(out, "\""));
    for (const char *s = name; *s; s++)
        TRY(buf_add(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1));
    TRY(buf_add_str(out, "\""));
out:
    return status;
}

static kdk_status run_set(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_set *set = stmt->ast->set;
    struct buf value = {0};

    tag(stmt, set->reset ? "RESET" : "SET");
    if (set->local)
        TRY(err_set(err, KDK_UNSUPPORTED, "SET LOCAL is not supported yet"));
    if (set->reset && (!set->name.text || strcmp(set->name.text, "all") == 0)) {
        conn_reset_all(conn);
        goto out;
    }
    for (uint32_t i = 0; i < set->values.count; i++) {
        const struct ast_expr *v = set->values.items[i];
        TRY(buf_add_str(&value, i ? ", " : ""));
        switch ((enum ast_expr_kind)v->kind) {
        case AST_STRING:
            if (strcmp(set->name.text, "search_path") == 0)
                TRY(add_schema(&value, v->string.text));
            else
                TRY(buf_add(&value, v->string.text, v->string.bytes));
            break;
        case AST_NUMBER:
            TRY(buf_printf(&value, "%s%s", v->number.negative ? "-" : "", v->number.text));
            break;
        case AST_BOOL:
            TRY(buf_add_str(&value, v->truth ? "on" : "off"));
            break;
        default:
            err_at(err, v->at);
            TRY(err_set(err, KDK_BAD_PARAMETER, "invalid value for parameter \"%s\"",
                        set->name.text));
        }
    }
    status = conn_set(conn, set->name.text, set->values.count ? value.data : NULL, err);
    if (status != KDK_OK)
        err_at(err, set->name.at);
out:
    buf_deinit(&value);
    return status;
}

/* What SHOW says of a setting. `room`: for what is no setting of anybody's. */
static const char *shown(struct kdk_conn *conn, enum setting_id id,
                         char number[SETTING_NUMBER_ROOM], struct err *room)
{
    if (id != SET_CHECKPOINT_FAILURE)
        return conn_show(conn, id, number);
    err_clear(room);
    return store_checkpoint_failure(conn->db->store, room) == KDK_OK ? "" : room->message;
}

static kdk_status run_show(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ast_show *show = stmt->ast->show;
    enum setting_id id;
    struct err room;
    char number[SETTING_NUMBER_ROOM];

    tag(stmt, "SHOW");
    if (show->name.text && strcmp(show->name.text, "all") != 0) {
        status = setting_find(show->name.text, &id, err);
        if (status != KDK_OK) {
            err_at(err, show->name.at);
            goto out;
        }
        const char *names[] = {settings[id].name},
                   *cells[] = {shown(stmt->conn, id, number, &room)};
        TRY(stmt_line_columns(stmt, names, 1, err));
        TRY(stmt_line(stmt, cells, err));
        goto out;
    }
    static const char *const names[] = {"name", "setting", "description"};
    TRY(stmt_line_columns(stmt, names, 3, err));
    for (uint32_t i = 0; i < SETTING_COUNT_OF; i++) {
        const char *cells[] = {settings[i].name,
                               shown(stmt->conn, (enum setting_id)i, number, &room),
                               settings[i].about};
        TRY(stmt_line(stmt, cells, err));
    }
out:
    return status;
}

/* ------------------------------------------------------- PREPARE and EXECUTE ---- */

static kdk_status run_prepare(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_prepare *p = stmt->ast->prepare;
    struct kdk_stmt *trial = NULL;
    struct prepared *made = NULL;

    tag(stmt, "PREPARE");
    if (strmap_get(&conn->prepared, p->name.text, p->name.bytes))
        TRY(err_set(err, KDK_DUPLICATE_STATEMENT,
                    "prepared statement \"%s\" already exists", p->name.text));
    TRY_MEM(made = MEM_NEW(struct prepared));
    TRY_MEM(made->types = MEM_ARRAY(struct ltype, p->type_count + 1));
    made->type_count = p->type_count;
    for (uint32_t i = 0; i < p->type_count; i++) {
        struct ltype type;
        TRY(sql_bind_type(p->types[i], &type, err));
        /* PostgreSQL forgets lengths and digits here. */
        type = (struct ltype){.id = type.id, .fixed = type.fixed};
        made->types[i] = cast_type(LTYPE(UNKNOWN), type, NULL);
    }
    size_t bytes = p->stmt->end - p->stmt->at;
    TRY_MEM(made->sql = mem_alloc(bytes + 1));
    memcpy(made->sql, stmt->sql + p->stmt->at, bytes);
    made->sql[bytes] = '\0';
    status = stmt_new(conn, made->sql, bytes, made->types, made->type_count, &trial, err);
    if (status != KDK_OK) {
        if (err->position)
            err->position += (int32_t)p->stmt->at;
        goto out;
    }
    TRY(strmap_put(&conn->prepared, p->name.text, p->name.bytes, made, err));
    made = NULL;
out:
    kdk_stmt_free(trial);
    if (made) {
        mem_free(made->sql);
        mem_free(made->types);
        mem_free(made);
    }
    return status;
}

static kdk_status run_execute(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_execute *e = stmt->ast->execute;
    const struct prepared *prepared =
        strmap_get(&conn->prepared, e->name.text, e->name.bytes);
    struct kdk_stmt *inner;
    struct bind_env bind;
    struct exec_env env;
    struct eval_row none = {0};

    if (!prepared)
        TRY(err_set(err, KDK_UNDEFINED_STATEMENT,
                    "prepared statement \"%s\" does not exist", e->name.text));
    kdk_stmt_free(stmt->inner);
    stmt->inner = NULL;
    TRY(stmt_new(conn, prepared->sql, strlen(prepared->sql), prepared->types,
                 prepared->type_count, &stmt->inner, err));
    inner = stmt->inner;
    if (!inner->bound || !inner->bound->root)
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "EXECUTE of this kind of statement is not supported yet"));
    if (e->args.count != inner->param_count) {
        status = err_set(err, KDK_SYNTAX,
                         "wrong number of parameters for prepared statement \"%s\"",
                         e->name.text);
        err_detail(err, "Expected %u parameters but got %u.", inner->param_count,
                   e->args.count);
        goto out;
    }
    arena_reset(&inner->run_arena);
    TRY(stmt_bind_env(stmt, &inner->run_arena, &bind, err));
    stmt_exec_env(stmt, &env);
    for (uint32_t i = 0; i < e->args.count; i++) {
        struct expr *value;
        TRY(sql_bind_value(e->args.items[i], &bind, inner->bound->param_types[i],
                           &inner->run_arena, &value, err));
        TRY(eval_scalar(value, &none, &env.eval, &inner->run_arena, &inner->params[i],
                        err));
    }
    if (conn->txn->read_only && !inner->bound->read_only)
        TRY(err_set(err, KDK_READ_ONLY,
                    "cannot execute this statement in a read-only transaction"));
    env.eval.params = inner->params;
    env.eval.param_count = inner->param_count;
    if (inner->rowprog) {
        inner->use_rowprog = true;
        TRY(rowprog_start(inner->rowprog, &env, err));
    } else {
        TRY(exec_open(inner->bound, &env, &inner->exec, err));
    }
out:
    return status;
}

/* ------------------------------------------------------------------- EXPLAIN ---- */

/* An option without a value is on. */
static bool option_on(const struct ast_option *option, bool *on)
{
    static const char *const texts[] = {"off", "false", "0", "on", "true", "1"};
    const char *text = "on";
    if (option->star || option->list || option->values.count > 1)
        return false;
    if (option->values.count)
        text = option->values.items[0]->kind == AST_NUMBER
                   ? option->values.items[0]->number.text
                   : option->values.items[0]->string.text;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (strcmp(text, texts[i]) == 0) {
            *on = i >= COUNT_OF(texts) / 2;
            return true;
        }
    return false;
}

static kdk_status run_explain(struct kdk_stmt *stmt, struct err *err)
{
    static const char *const names[] = {"QUERY PLAN"};
    kdk_status status = KDK_OK;
    const struct ast_explain *explain = stmt->ast->explain;
    struct exec *exec = NULL;
    struct exec_env env;
    struct buf text = {0};

    tag(stmt, "EXPLAIN");
    TRY(stmt_line_columns(stmt, names, 1, err));
    struct explain_options show = {.costs = true, .timing = true};
    bool summary = true;
    for (uint32_t i = 0; i < explain->options.count; i++) {
        const struct ast_option *option = &explain->options.items[i];
        const char *name = option->name.text;
        bool *what = strcmp(name, "costs") == 0     ? &show.costs
                     : strcmp(name, "timing") == 0  ? &show.timing
                     : strcmp(name, "summary") == 0 ? &summary
                                                    : NULL;
        err_at(err, option->name.at);
        if (!what)
            TRY(err_set(err, KDK_UNSUPPORTED, "EXPLAIN option \"%s\" is not supported yet",
                        name));
        if (!option_on(option, what))
            TRY(err_set(err, KDK_SYNTAX, "%s requires a Boolean value", name));
    }
    if (!stmt->bound->root || stmt->bound->ddl || stmt->bound->copy)
        TRY(err_set(err, KDK_UNSUPPORTED,
                    "EXPLAIN of this kind of statement is not supported yet"));
    stmt_exec_env(stmt, &env);
    uint64_t start = os_now_ns(env.os);
    if (explain->analyze) {
        struct batch *batch;
        env.analyze = true;
        TRY(exec_open(stmt->bound, &env, &exec, err));
        do {
            TRY(exec_next(exec, &batch, err));
        } while (batch);
    }
    TRY(exec_explain(stmt->bound, exec, &show, &text, err));
    if (explain->analyze && summary)
        TRY(buf_printf(&text, "Execution Time: %.3f ms\n",
                       (double)(os_now_ns(env.os) - start) / 1e6));
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        *end = '\0';
        const char *cells[] = {line};
        TRY(stmt_line(stmt, cells, err));
        line = end + 1;
    }
out:
    exec_close(exec);
    buf_deinit(&text);
    return status;
}

/* ---------------------------------------------------------------------- COPY ---- */

static void copy_progress(void *context, uint64_t done, uint64_t total)
{
    struct kdk_conn *conn = context;
    uint64_t now = os_now_ns(conn->db->os);
    if (!conn->progress || now - conn->progress_ns < 100000000)
        return;
    conn->progress_ns = now;
    conn->progress(conn->progress_context, done, total, "bytes");
}

static kdk_status run_copy(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct bound_copy *copy = stmt->bound->copy;
    struct copy_io io = {
        conn->copy_io.read, conn->copy_io.write, conn->copy_io.context, copy_progress, conn,
        &conn->arrow_in};
    bool stream = conn->arrow_in != NULL;
    struct exec_env env;

    stmt_exec_env(stmt, &env);
    if (copy->to)
        TRY(copy_to(copy, stmt->bound, &env, &io, &stmt->affected, err));
    else
        TRY(copy_from(copy, &env, &io, &stmt->affected, err));
    snprintf(stmt->tag, sizeof stmt->tag, stream ? "INSERT 0 %llu" : "COPY %llu",
             (unsigned long long)stmt->affected);
out:
    return status;
}

/* -------------------------------------------------------------------- the rest ---- */

static kdk_status run_checkpoint(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct kdk_conn *conn = stmt->conn;
    const struct ast_checkpoint *c = stmt->ast->checkpoint;
    struct table *table = NULL;

    tag(stmt, "CHECKPOINT");
    if (conn->block)
        TRY(err_set(err, KDK_ACTIVE_TXN,
                    "CHECKPOINT cannot run inside a transaction block"));
    if (c->name.count) {
        /* The name is looked up as any statement's; the checkpoint itself is no part of a
         * transaction. */
        TRY(conn_begin(conn, true, err));
        txn_statement_begin(conn->txn);
        catalog_begin(conn->db->catalog, &conn->session, conn->txn);
        status = stmt_bind_plan(stmt, err);
        if (status == KDK_OK)
            table = stmt->bound->ddl->tables[0]->store;
        conn_rollback(conn);
        TRY(status);
    }
    TRY(store_checkpoint(conn->db->store, c->freeze, table, err));
out:
    return status;
}

static const char *ddl_tag(const struct ast_stmt *ast, const struct bound_ddl *ddl)
{
    static const char *const create[] = {"CREATE TABLE", "CREATE VIEW", "CREATE INDEX",
                                         "CREATE SCHEMA"};
    static const char *const drop[] = {[AST_OBJECT_TABLE] = "DROP TABLE",
                                       [AST_OBJECT_VIEW] = "DROP VIEW",
                                       [AST_OBJECT_INDEX] = "DROP INDEX",
                                       [AST_OBJECT_SCHEMA] = "DROP SCHEMA"};
    static const char *const alter[] = {[AST_OBJECT_TABLE] = "ALTER TABLE",
                                        [AST_OBJECT_VIEW] = "ALTER VIEW",
                                        [AST_OBJECT_INDEX] = "ALTER INDEX",
                                        [AST_OBJECT_SCHEMA] = "ALTER SCHEMA"};
    (void)ddl;
    if (ast->kind >= AST_STMT_CREATE_TABLE && ast->kind <= AST_STMT_CREATE_SCHEMA)
        return create[ast->kind - AST_STMT_CREATE_TABLE];
    if (ast->kind == AST_STMT_DROP)
        return drop[ast->drop->object];
    if (ast->kind == AST_STMT_ALTER)
        return alter[ast->alter->object];
    if (ast->kind == AST_STMT_TRUNCATE)
        return "TRUNCATE TABLE";
    if (ast->kind == AST_STMT_REINDEX)
        return "REINDEX";
    return ast->kind == AST_STMT_ANALYZE ? "ANALYZE" : "VACUUM";
}

static double rows_of(void *context, const struct ctable *table)
{
    (void)context;
    return table->store ? (double)table_row_count(table->store) : 1000;
}

static kdk_status run_ddl(struct kdk_stmt *stmt, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec_env exec;
    struct bind_env bind;
    struct plan_env plan = {.optimize = true, .table_rows = rows_of};
    struct ddl_env env = {&stmt->conn->session, &exec, &bind, &plan};

    stmt_exec_env(stmt, &exec);
    TRY(stmt_bind_env(stmt, &stmt->plan_arena, &bind, err));
    plan.eval = &exec.eval;
    plan.fold = eval_fold;
    TRY(ddl_run(&env, stmt->bound, &stmt->affected, err));
    if (stmt->ast->kind == AST_STMT_CREATE_TABLE && stmt->ast->create_table->as)
        snprintf(stmt->tag, sizeof stmt->tag, "SELECT %llu",
                 (unsigned long long)stmt->affected);
    else
        tag(stmt, ddl_tag(stmt->ast, stmt->bound->ddl));
    /* What was carried out is not carried out again with the same names resolved: the next
     * run binds anew. */
    stmt->version = 0;
out:
    return status;
}

kdk_status utility_run(struct kdk_stmt *stmt, struct err *err)
{
    switch (stmt->ast->kind) {
    case AST_STMT_TRANSACTION:
        return run_transaction(stmt, err);
    case AST_STMT_SET:
        return run_set(stmt, err);
    case AST_STMT_SHOW:
        return run_show(stmt, err);
    case AST_STMT_PREPARE:
        return run_prepare(stmt, err);
    case AST_STMT_EXECUTE:
        return run_execute(stmt, err);
    case AST_STMT_DEALLOCATE: {
        const struct ast_deallocate *d = stmt->ast->deallocate;
        tag(stmt, d->name.text ? "DEALLOCATE" : "DEALLOCATE ALL");
        if (d->name.text && !strmap_get(&stmt->conn->prepared, d->name.text, d->name.bytes))
            return err_set(err, KDK_UNDEFINED_STATEMENT,
                           "prepared statement \"%s\" does not exist", d->name.text);
        conn_drop_prepared(stmt->conn, d->name.text);
        return KDK_OK;
    }
    case AST_STMT_EXPLAIN:
        return run_explain(stmt, err);
    case AST_STMT_COPY:
        return run_copy(stmt, err);
    case AST_STMT_CHECKPOINT:
        return run_checkpoint(stmt, err);
    case AST_STMT_TRUNCATE:
    case AST_STMT_CREATE_TABLE:
    case AST_STMT_CREATE_VIEW:
    case AST_STMT_CREATE_INDEX:
    case AST_STMT_CREATE_SCHEMA:
    case AST_STMT_DROP:
    case AST_STMT_ALTER:
    case AST_STMT_REINDEX:
    case AST_STMT_ANALYZE:
    case AST_STMT_VACUUM:
        return run_ddl(stmt, err);
    case AST_STMT_QUERY:
    case AST_STMT_INSERT:
    case AST_STMT_UPDATE:
    case AST_STMT_DELETE:
    case AST_STMT_COUNT:
        break;
    }
    return err_set(err, KDK_INTERNAL, "not a utility statement");
}
