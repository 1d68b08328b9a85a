/* bind.c - statements, parameters, and expressions that stand alone. */
#include "sql/bind_int.h"

kdk_status binder_init(struct binder *b, const struct bind_env *env,
                       const struct ast_stmt *stmt, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    memset(b, 0, sizeof *b);
    b->env = env;
    b->arena = arena;
    b->err = err;
    b->stmt = stmt;
    b->next = 1;
    b->scope_next = 1;
    b->param_count = b->param_cap = env->param_count;
    if (env->param_count) {
        TRY_NEW(b->params = ARRAY(struct ltype, env->param_count));
        TRY_NEW(b->param_at = ARRAY(uint32_t, env->param_count));
        if (env->param_types)
            memcpy(b->params, env->param_types, env->param_count * sizeof *b->params);
    }
out:
    return status;
}

kdk_status bind_enter(struct binder *b, uint32_t at)
{
    if (b->depth >= SQL_DEPTH_MAX) {
        kdk_status status =
            err_set(b->err, KDK_TOO_COMPLEX, "statement is nested too deeply");
        err_detail(b->err, "There may be %d levels.", SQL_DEPTH_MAX);
        err_at(b->err, bind_at(b, at));
        return status;
    }
    if (b->repeating || b->view_depth) {
        kdk_status status = bind_repeat(b, 1, at);
        if (status != KDK_OK)
            return status;
    }
    b->depth++;
    return KDK_OK;
}

kdk_status bind_repeat(struct binder *b, uint32_t nodes, uint32_t at)
{
    b->repeats = nodes > BIND_REPEATS_MAX ? UINT32_MAX / 2 : b->repeats + nodes;
    if (b->repeats <= BIND_REPEATS_MAX)
        return KDK_OK;
    kdk_status status = err_set(b->err, KDK_TOO_COMPLEX, "statement is too complex");
    err_detail(b->err, "Its views and repeated expressions have more than %d parts.",
               BIND_REPEATS_MAX);
    err_at(b->err, bind_at(b, at));
    return status;
}

colid bind_colid(struct binder *b)
{
    if (b->next >= b->col_cap) {
        uint32_t cap = b->col_cap ? b->col_cap * 2 : 64;
        struct colinfo *cols = ARRAY(struct colinfo, cap);
        if (!cols)
            return 0;
        if (b->col_cap)
            memcpy(cols, b->cols, b->col_cap * sizeof *cols);
        b->cols = cols;
        b->col_cap = cap;
    }
    return b->next++;
}

void bind_notice(const struct binder *b, const char *sqlstate, const char *format, ...)
{
    if (!b->env->notice)
        return;
    va_list args;
    struct err text = {0};
    va_start(args, format);
    (void)err_setv(&text, KDK_OK, format, args); /* For its buffer and its cutting. */
    va_end(args);
    b->env->notice(b->env->context, sqlstate, text.message);
}

/* ---- statements ---- */

static kdk_status bind_result(struct binder *b, const struct query *q,
                              struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    out->root = q->rel;
    out->column_count = q->count;
    TRY_NEW(out->columns = ARRAY(struct relcol, (size_t)q->count + 1));
    for (uint32_t i = 0; i < q->count; i++)
        out->columns[i] = (struct relcol){.id = q->cols[i].id,
                                          .type = q->cols[i].type,
                                          .name = q->cols[i].name,
                                          .not_null = q->cols[i].not_null};
out:
    return status;
}

static kdk_status prepared_types(struct binder *b, const struct ast_prepare *ast)
{
    kdk_status status = KDK_OK;
    if (ast->type_count <= b->param_count)
        goto types;
    TRY_NEW(b->params = ARRAY(struct ltype, ast->type_count));
    TRY_NEW(b->param_at = ARRAY(uint32_t, ast->type_count));
    b->param_count = b->param_cap = ast->type_count;
types:
    for (uint32_t i = 0; i < ast->type_count; i++) {
        const struct ast_type *type = ast->types[i];
        if (strcmp(ast_last(&type->name)->text, "unknown") == 0)
            continue;
        TRY(sql_bind_type(type, &b->params[i], b->err));
        /* PostgreSQL forgets lengths and digits here. */
        b->params[i] = (struct ltype){.id = b->params[i].id, .fixed = b->params[i].fixed};
        b->params[i] = cast_type(LTYPE(UNKNOWN), b->params[i], NULL);
    }
out:
    return status;
}

static kdk_status bind_stmt(struct binder *b, const struct ast_stmt *stmt,
                            struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    switch (stmt->kind) {
    case AST_STMT_QUERY: {
        struct query q;
        TRY(bind_query(b, stmt->query, NULL, false, &q));
        TRY(bind_result(b, &q, out));
        out->read_only = true;
        break;
    }
    case AST_STMT_INSERT:
        TRY(bind_insert(b, stmt->insert, out));
        break;
    case AST_STMT_UPDATE:
        TRY(bind_update(b, stmt->update, out));
        break;
    case AST_STMT_DELETE:
        TRY(bind_delete(b, stmt->delete, out));
        break;
    case AST_STMT_EXPLAIN:
        TRY(bind_stmt(b, stmt->explain->stmt, out));
        if (!stmt->explain->analyze)
            out->read_only = true;
        break;
    case AST_STMT_PREPARE:
        TRY(prepared_types(b, stmt->prepare));
        TRY(bind_stmt(b, stmt->prepare->stmt, out));
        break;
    case AST_STMT_COPY:
        TRY(bind_copy(b, stmt->copy, out));
        out->read_only = stmt->copy->to;
        break;
    case AST_STMT_TRUNCATE:
    case AST_STMT_CREATE_TABLE:
    case AST_STMT_CREATE_VIEW:
    case AST_STMT_CREATE_INDEX:
    case AST_STMT_CREATE_SCHEMA:
    case AST_STMT_DROP:
    case AST_STMT_ALTER:
    case AST_STMT_REINDEX:
    case AST_STMT_CHECKPOINT:
    case AST_STMT_ANALYZE:
    case AST_STMT_VACUUM:
        TRY(bind_ddl(b, stmt, out));
        break;
    case AST_STMT_TRANSACTION:
    case AST_STMT_EXECUTE:
    case AST_STMT_DEALLOCATE:
    case AST_STMT_SET:
    case AST_STMT_SHOW:
        out->read_only = true;
        break;
    case AST_STMT_COUNT:
        break;
    }
out:
    return status;
}

/* A mention of a parameter that says nothing of its type gets it when all is bound. */
static kdk_status patch_param(struct walk *walk, struct expr **e, bool *deeper)
{
    const struct binder *b = walk->context;
    (void)deeper;
    if ((*e)->kind == EX_PARAM && (*e)->type.id == LT_UNKNOWN)
        (*e)->type = b->params[(*e)->param];
    return KDK_OK;
}

static kdk_status patch_params(struct binder *b, struct rel *root)
{
    struct walk walk = {.each = patch_param, .context = b};
    return b->param_count && root ? walk_rel(&walk, root) : KDK_OK;
}

kdk_status sql_bind(const struct ast_stmt *stmt, const struct bind_env *env,
                    struct arena *arena, struct bound_stmt **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct binder binder, *b = &binder;
    struct bound_stmt *bound = NULL;

    TRY(binder_init(b, env, stmt, arena, err));
    TRY_NEW(bound = NEW(struct bound_stmt));
    bound->ast = stmt;
    TRY(bind_stmt(b, stmt, bound));
    for (uint32_t i = 0; i < b->param_count; i++)
        if (b->params[i].id == LT_UNKNOWN) {
            status = err_set(err, KDK_INDETERMINATE_TYPE,
                             "could not determine data type of parameter $%u", i + 1);
            if (b->param_at[i])
                err_at(err, b->param_at[i] - 1);
            goto out;
        }
    TRY(patch_params(b, bound->root));
    bound->param_count = b->param_count;
    bound->param_types = b->params;
    bound->colid_next = b->next;
    *out = bound;
out:
    return status;
}

/* ---- expressions over one row ---- */

kdk_status bind_row_expr(struct binder *b, const struct ast_expr *ast,
                         enum bind_row_kind kind, const struct bind_row *row,
                         struct ltype target, const char *target_name, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct scope scope;
    scope_init(b, &scope, NULL);
    scope.no_subqueries = true;
    scope.clause = kind == BIND_DEFAULT ? CLAUSE_DEFAULT
                   : kind == BIND_CHECK ? CLAUSE_CHECK
                                        : CLAUSE_USING;
    if (row->table) {
        const uint32_t n = row->table->column_count;
        struct scope_rel *rel = NEW(struct scope_rel);
        TRY_NEW(rel);
        TRY_NEW(rel->cols = ARRAY(struct scope_col, (size_t)n + 1));
        rel->alias = row->table->name;
        rel->schema = row->table->schema;
        rel->table = row->table;
        rel->count = n;
        for (uint32_t i = 0; i < n; i++) {
            const struct ccolumn *col = &row->table->columns[i];
            rel->cols[i] = (struct scope_col){.name = col->name,
                                              .id = row->ids ? row->ids[i] : i + 1,
                                              .type = col->type,
                                              .not_null = col->not_null};
            /* Ids of the caller: the binder's own come behind them. */
            while (b->next <= rel->cols[i].id)
                if (!bind_colid(b))
                    TRY(err_nomem(b->err));
        }
        TRY(ns_add_rel(b, &scope.ns, rel, 0));
    } else {
        scope.no_columns = true;
    }
    TRY(bind_expr(b, &scope, ast, out));
    if (kind == BIND_CHECK)
        TRY(coerce_boolean(b, out, "CHECK"));
    else
        TRY(coerce_assign(b, out, target, target_name,
                          kind == BIND_DEFAULT ? "default expression" : "expression"));
out:
    return status;
}

static kdk_status parse_expr(struct binder *b, const char *text, struct ast_expr **out)
{
    return sql_parse_expr(text, strlen(text), b->arena, out, b->err);
}

kdk_status sql_bind_table_expr(const char *text, const struct bind_env *env,
                               enum bind_row_kind kind, const struct bind_row *row,
                               struct ltype target, const char *target_name,
                               struct arena *arena, struct expr **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct binder binder, *b = &binder;
    struct ast_expr *ast;
    TRY(binder_init(b, env, NULL, arena, err));
    b->stored = true;
    TRY(parse_expr(b, text, &ast));
    TRY(bind_row_expr(b, ast, kind, row, target, target_name, out));
out:
    if (status != KDK_OK && err)
        err->position = 0;
    return status;
}

kdk_status sql_bind_value(const struct ast_expr *ast, const struct bind_env *env,
                          struct ltype target, struct arena *arena, struct expr **out,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct binder binder, *b = &binder;
    struct scope scope;
    char from[64], to[64];
    TRY(binder_init(b, env, NULL, arena, err));
    scope_init(b, &scope, NULL);
    scope.clause = CLAUSE_EXECUTE;
    scope.no_subqueries = scope.no_columns = true;
    TRY(bind_expr(b, &scope, ast, out));
    if ((*out)->type.id != LT_UNKNOWN &&
        !cast_allowed((*out)->type, target, CAST_ASSIGNMENT)) {
        FAIL_AT((*out)->offset, KDK_TYPE_MISMATCH,
                "parameter of type %s cannot be coerced to the expected type %s",
                ltype_name((*out)->type, from, sizeof from),
                ltype_name(target, to, sizeof to));
    }
    TRY(coerce(b, out, target, CAST_ASSIGNMENT));
out:
    return status;
}

/* ---- defaults and checks of tables ---- */

kdk_status bind_default(struct binder *b, const struct ctable *table, uint32_t column,
                        uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ccolumn *col = &table->columns[column];
    const bool stored = b->stored;
    const uint32_t view_at = b->view_at;
    struct ast_expr *ast;

    if (!col->default_sql) {
        TRY_NEW(*out = expr_const(b, col->type, DATUM_NULL, at));
        return KDK_OK;
    }
    b->view_at = bind_at(b, at);
    b->stored = true;
    status = parse_expr(b, col->default_sql, &ast);
    if (status == KDK_OK)
        status = bind_row_expr(b, ast, BIND_DEFAULT, &(struct bind_row){0}, col->type,
                               col->name, out);
    if (status != KDK_OK)
        err_while(b->err, "binding the default of column \"%s\"", col->name);
out:
    b->stored = stored;
    b->view_at = view_at;
    return status;
}

struct changed_search {
    const struct rel_dml *dml;
    const bool *changed;
    uint32_t count;
    bool found;
};
static kdk_status find_changed(struct walk *walk, struct expr **e, bool *deeper)
{
    struct changed_search *s = walk->context;
    (void)deeper;
    if ((*e)->kind == EX_COLUMN)
        for (uint32_t i = 0; i < s->count; i++)
            s->found |= s->dml->fresh[i] == (*e)->column && s->changed[i];
    return KDK_OK;
}

kdk_status bind_checks(struct binder *b, const struct ctable *table, struct rel_dml *dml,
                       const bool *changed)
{
    kdk_status status = KDK_OK;
    const bool stored = b->stored;
    b->stored = true;
    TRY_NEW(dml->checks = ARRAY(struct expr *, (size_t)table->check_count + 1));
    TRY_NEW(dml->check_names = ARRAY(const char *, (size_t)table->check_count + 1));
    bool *used = ARRAY(bool, (size_t)table->column_count + 1);
    TRY_NEW(used);
    for (uint32_t i = 0; i < table->check_count; i++) {
        struct ast_expr *ast;
        struct expr *e;
        for (uint32_t k = 0; k < table->column_count; k++)
            used[k] = b->cols[dml->fresh[k]].used;
        status = parse_expr(b, table->checks[i].sql, &ast);
        if (status == KDK_OK)
            status =
                bind_row_expr(b, ast, BIND_CHECK, &(struct bind_row){table, dml->fresh},
                              LTYPE(BOOLEAN), NULL, &e);
        if (status != KDK_OK) {
            err_while(b->err, "binding the constraint \"%s\"", table->checks[i].name);
            goto out;
        }
        if (changed) {
            struct changed_search search = {dml, changed, table->column_count, false};
            struct walk walk = {.each = find_changed, .context = &search};
            TRY(walk_expr(&walk, &e));
            if (!search.found && !e->is_volatile) {
                for (uint32_t k = 0; k < table->column_count; k++)
                    b->cols[dml->fresh[k]].used = used[k];
                continue;
            }
        }
        dml->checks[dml->check_count] = e;
        dml->check_names[dml->check_count++] = table->checks[i].name;
    }
out:
    b->stored = stored;
    return status;
}
