/* session_test.c - see session_test.h. */
#include "format/session_test.h"

#include "base/mem.h"
#include "check.h"
#include "exec/ddl.h"
#include "os/os.h"
#include "plan/plan.h"
#include "sql/parse.h"
#include "task/broker.h"

static uint64_t blocks_before;

void session_open(struct session *s, struct os *os)
{
    struct mem_stats stats;
    mem_stats(&stats);
    blocks_before = stats.blocks;
    memset(s, 0, sizeof *s);
    s->os = os;
    CHECK_EQ(store_open(&(struct store_options){.os = os}, &s->store, NULL, &s->err),
             KDK_OK);
    CHECK_EQ(catalog_open(s->store, &s->catalog, &s->err), KDK_OK);
}

void session_close(struct session *s)
{
    struct mem_stats stats;
    catalog_close(s->catalog);
    CHECK_EQ(store_close(s->store, false, &s->err), KDK_OK);
    buf_deinit(&s->out);
    buf_deinit(&s->rows);
    mem_stats(&stats);
    CHECK_EQ(stats.blocks, blocks_before);
}

void session_in(struct session *s, const char *text, size_t bytes)
{
    s->in = text;
    s->in_bytes = bytes;
    s->in_at = 0;
}

static int64_t io_read(void *context, void *into, size_t bytes)
{
    struct session *s = context;
    size_t n = MIN(bytes, s->in_bytes - s->in_at);
    if (s->in_fails)
        return -1;
    if (s->in_step)
        n = MIN(n, s->in_step);
    if (n)
        memcpy(into, s->in + s->in_at, n);
    s->in_at += n;
    return (int64_t)n;
}

static bool io_write(void *context, const void *from, size_t bytes)
{
    struct session *s = context;
    return !s->out_fails && buf_add(&s->out, from, bytes) == KDK_OK;
}

static void io_progress(void *context, uint64_t done, uint64_t total)
{
    struct session *s = context;
    s->progress_done = done;
    s->progress_calls++;
    (void)total;
}

static kdk_status take_rows(struct session *s, const struct bound_stmt *bound,
                            const struct batch *batch)
{
    for (uint32_t k = 0; k < batch->sel.count; k++) {
        for (uint32_t c = 0; c < bound->column_count; c++) {
            struct datum d = vec_get(&batch->columns[c], SEL_ROW(&batch->sel, k));
            if (c)
                (void)!buf_add_char(&s->rows, '|'); /* Failures stick. */
            if (d.null)
                (void)!buf_add_str(&s->rows, "NULL");
            else if (bound->columns[c].type.id == LT_BOOLEAN) /* As its cast to text. */
                (void)!buf_add_str(&s->rows, d.i ? "true" : "false");
            else
                (void)!datum_print(bound->columns[c].type, &d, &s->rows);
        }
        (void)!buf_add_char(&s->rows, '\n');
    }
    return buf_status(&s->rows, &s->err);
}

static kdk_status one(struct session *s, const struct ast_stmt *ast, struct arena *arena)
{
    kdk_status status = KDK_OK;
    struct err *err = &s->err;
    struct bound_stmt *bound;
    struct exec *exec = NULL;
    struct broker broker;
    struct batch *batch;
    struct bind_env bind = {.context = s->os, .file = format_bind_file};
    struct plan_env plan = {.optimize = true};
    struct copy_io io = {io_read, io_write, s, io_progress, s, NULL};

    broker_init(&broker, UINT64_MAX);
    TRY(txn_begin(store_txnman(s->store), TXN_SNAPSHOT, false, &s->txn, err));
    txn_statement_begin(s->txn);
    bind.catver = catalog_begin(s->catalog, &s->names, s->txn);
    TRY(sql_bind(ast, &bind, arena, &bound, err));
    if (bound->root && !bound->ddl)
        TRY(plan_optimize(bound, &plan, arena, err));
    const struct exec_env env = {.os = s->os,
                                 .txn = s->txn,
                                 .store = s->store,
                                 .broker = &broker,
                                 .files = &format_file_ops,
                                 .threads = 1,
                                 .eval = {.cancel = &s->cancel}};
    s->affected = 0;
    if (bound->ddl) {
        TRY(ddl_run(
            &(struct ddl_env){
                .session = &s->names, .exec = &env, .bind = &bind, .plan = &plan},
            bound, &s->affected, err));
    } else if (bound->copy && bound->copy->to) {
        TRY(copy_to(bound->copy, bound, &env, &io, &s->affected, err));
    } else if (bound->copy) {
        TRY(copy_from(bound->copy, &env, &io, &s->affected, err));
    } else {
        buf_clear(&s->rows);
        TRY(exec_open(bound, &env, &exec, err));
        for (;;) {
            TRY(exec_next(exec, &batch, err));
            if (!batch)
                break;
            TRY(take_rows(s, bound, batch));
        }
        s->affected = exec_affected(exec);
    }
out:
    exec_close(exec);
    if (status == KDK_OK)
        status = txn_commit(s->txn, err);
    else
        txn_rollback(s->txn);
    s->txn = NULL;
    catalog_end(&s->names);
    return status;
}

kdk_status session_run(struct session *s, const char *sql)
{
    kdk_status status = KDK_OK;
    struct err *err = &s->err;
    struct arena arena = {0};
    struct ast_list list;
    err_clear(&s->err);
    TRY(sql_parse(sql, strlen(sql), &arena, &list, err));
    for (uint32_t i = 0; i < list.count; i++)
        TRY(one(s, list.items[i], &arena));
out:
    arena_deinit(&arena);
    return status;
}

void session_do(struct session *s, const char *sql)
{
    if (session_run(s, sql) != KDK_OK) {
        CHECK_STR(s->err.message, "");
        CHECK_STR(s->err.chain, sql);
    }
}

void session_rows(struct session *s, const char *sql, const char *want)
{
    session_do(s, sql);
    CHECK_STR(s->rows.data && s->rows.len ? s->rows.data : "", want);
}

void session_fails(struct session *s, const char *sql, kdk_status want, const char *text)
{
    CHECK_STR(status_name(session_run(s, sql)), status_name(want));
    struct buf all = {0};
    CHECK_EQ(buf_printf(&all, "%s\n%s\n%s\n%s", s->err.message, s->err.detail, s->err.hint,
                        s->err.chain),
             KDK_OK);
    if (text && !strstr(all.data, text))
        CHECK_STR(all.data, text);
    buf_deinit(&all);
}
