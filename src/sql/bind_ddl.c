/* bind_ddl.c - CREATE, TRUNCATE, and the statements about tables that only name them.
 *
 * A view is stored as text whose tables have their schemas and whose stars are written out,
 * so that it means the same under any search path and after ALTER TABLE ADD COLUMN. The
 * text is made from the syntax tree by swapping those parts in while it is printed, and is
 * bound once more before it is accepted.
 */
#include "sql/bind_int.h"

/* ---- texts and names ---- */

kdk_status bind_expr_text(struct binder *b, const struct ast_expr *ast, const char **out)
{
    kdk_status status = KDK_OK;
    struct buf text = {0};
    TRY(ast_print_expr(ast, AST_PRINT_PLAIN, &text, b->err));
    TRY_NEW(*out = arena_strndup(b->arena, text.data, text.len));
out:
    buf_deinit(&text);
    return status;
}

static void each_in(struct ast_exprs *list,
                    void (*each)(void *context, struct ast_expr *column), void *context)
{
    for (uint32_t i = 0; i < list->count; i++)
        ast_each_column(list->items[i], each, context);
}

void ast_each_column(struct ast_expr *ast,
                     void (*each)(void *context, struct ast_expr *column), void *context)
{
    if (!ast)
        return;
    switch ((enum ast_expr_kind)ast->kind) {
    case AST_COLUMN:
        each(context, ast);
        return;
    case AST_UNARY:
    case AST_BINARY:
    case AST_AT_TIME_ZONE:
        ast_each_column(ast->binary.left, each, context);
        ast_each_column(ast->binary.right, each, context);
        return;
    case AST_AND:
    case AST_OR:
    case AST_ARRAY:
    case AST_ROW:
        each_in(&ast->list, each, context);
        return;
    case AST_NOT:
        ast_each_column(ast->arg, each, context);
        return;
    case AST_IS:
    case AST_DISTINCT_FROM:
        ast_each_column(ast->test.arg, each, context);
        ast_each_column(ast->kind == AST_DISTINCT_FROM ? ast->test.other : NULL, each,
                        context);
        return;
    case AST_LIKE:
        ast_each_column(ast->like.arg, each, context);
        ast_each_column(ast->like.pattern, each, context);
        ast_each_column(ast->like.escape, each, context);
        return;
    case AST_BETWEEN:
        ast_each_column(ast->between.arg, each, context);
        ast_each_column(ast->between.low, each, context);
        ast_each_column(ast->between.high, each, context);
        return;
    case AST_IN_LIST:
        ast_each_column(ast->in.arg, each, context);
        each_in(&ast->in.list, each, context);
        return;
    case AST_CASE:
        ast_each_column(ast->cases->arg, each, context);
        each_in(&ast->cases->whens, each, context);
        each_in(&ast->cases->thens, each, context);
        ast_each_column(ast->cases->otherwise, each, context);
        return;
    case AST_CAST:
        ast_each_column(ast->cast.arg, each, context);
        return;
    case AST_CALL:
        each_in(&ast->call->args, each, context);
        return;
    case AST_COLLATE:
        ast_each_column(ast->collate.arg, each, context);
        return;
    case AST_NULL:
    case AST_BOOL:
    case AST_NUMBER:
    case AST_STRING:
    case AST_BITS:
    case AST_DEFAULT:
    case AST_PARAM:
    case AST_STAR:
    case AST_IN_QUERY:
    case AST_ANY:
    case AST_ALL:
    case AST_EXISTS:
    case AST_SUBQUERY:
    case AST_ARRAY_QUERY:
    case AST_SQL_VALUE:
    case AST_SUBSCRIPT:
    case AST_FIELD:
        return;
    }
}

bool bind_name_taken(struct binder *b, const char *schema, const char *name)
{
    return catver_table(b->env->catver, schema, name) ||
           catver_index(b->env->catver, schema, name);
}

kdk_status bind_name_free(struct binder *b, const char *schema, const char *name,
                          uint32_t at)
{
    kdk_status status = KDK_OK;
    if (bind_name_taken(b, schema, name))
        FAIL_AT(bind_at(b, at), KDK_DUPLICATE_TABLE, "relation \"%s\" already exists",
                name);
out:
    return status;
}

/* "table_columns_label", cut to the longest identifier as PostgreSQL does: the longer of
 * the first two parts gives way. */
static const char *object_name(struct binder *b, const char *table, const char *columns,
                               const char *label, uint32_t number)
{
    size_t t = strlen(table), c = columns ? strlen(columns) + 1 : 0, n = 0;
    const char *digits = number ? arena_printf(b->arena, "%s%u", label, number) : label;
    if (!digits)
        return NULL;
    n = strlen(digits) + 1;
    while (t + c + n > IDENTIFIER_BYTES_MAX) {
        if (t > c)
            t--;
        else
            c--;
    }
    while (t > 0 && ((unsigned char)table[t] & 0xc0) == 0x80) /* Not within a character. */
        t--;
    if (!columns)
        return arena_printf(b->arena, "%.*s_%s", (int)t, table, digits);
    c--;
    while (c > 0 && ((unsigned char)columns[c] & 0xc0) == 0x80)
        c--;
    return arena_printf(b->arena, "%.*s_%.*s_%s", (int)t, table, (int)c, columns, digits);
}

static kdk_status choose_index_name(struct binder *b, const char *schema, const char *table,
                                    const char *columns, const char *label,
                                    const struct bound_index *others, uint32_t other_count,
                                    const char **out)
{
    kdk_status status = KDK_OK;
    for (uint32_t number = 0;; number++) {
        const char *name = object_name(b, table, columns, label, number);
        TRY_NEW(name);
        bool taken = bind_name_taken(b, schema, name) || strcmp(name, table) == 0;
        for (uint32_t i = 0; i < other_count; i++)
            taken |= strcmp(others[i].index.name, name) == 0;
        if (!taken) {
            *out = name;
            return KDK_OK;
        }
    }
out:
    return status;
}

static kdk_status join_names(struct binder *b, const struct ctable *table,
                             const struct cindex *index, const char **out)
{
    kdk_status status = KDK_OK;
    const char *text = NULL;
    for (uint32_t i = 0; i < index->column_count; i++) {
        const char *name = table->columns[index->columns[i]].name;
        TRY_NEW(text = text ? arena_printf(b->arena, "%s_%s", text, name) : name);
        if (strlen(text) > IDENTIFIER_BYTES_MAX)
            break;
    }
    *out = text;
out:
    return status;
}

/* ---- columns and constraints ---- */

static kdk_status unsupported(struct binder *b, uint32_t at, const char *what)
{
    kdk_status status = err_set(b->err, KDK_UNSUPPORTED, "%s not supported", what);
    err_at(b->err, bind_at(b, at));
    return status;
}

kdk_status bind_column_def(struct binder *b, const struct ast_column *ast,
                           const char *table, struct ccolumn *out, struct expr **fill)
{
    kdk_status status = KDK_OK;
    bool nullable = false;
    struct expr *value;
    *out = (struct ccolumn){.name = ast->name.text};
    TRY(sql_bind_type(ast->type, &out->type, b->err));
    if (out->type.id == LT_NUMERIC && !out->type.precision) {
        out->type = LTYPE_NUM(38, 10);
        bind_notice(b, "00000",
                    "column \"%s\" is numeric(38,10): NUMERIC without a precision is not "
                    "supported yet",
                    out->name);
    }
    if (ast->collation.count) {
        const char *name = ast_last(&ast->collation)->text;
        if (strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 &&
            strcmp(name, "default") != 0)
            FAIL_AT(bind_at(b, ast->collation.at), KDK_UNSUPPORTED,
                    "collation \"%s\" is not supported: text compares by bytes (\"C\")",
                    name);
    }
    for (uint32_t i = 0; i < ast->constraints.count; i++) {
        const struct ast_constraint *con = ast->constraints.items[i];
        switch ((enum ast_constraint_kind)con->kind) {
        case AST_CON_NOT_NULL:
        case AST_CON_NULL:
            if (con->kind == AST_CON_NOT_NULL ? nullable : out->not_null)
                FAIL_AT(bind_at(b, con->at), KDK_SYNTAX,
                        "conflicting NULL/NOT NULL declarations for column \"%s\" of table "
                        "\"%s\"",
                        out->name, table);
            out->not_null |= con->kind == AST_CON_NOT_NULL;
            nullable |= con->kind == AST_CON_NULL;
            break;
        case AST_CON_DEFAULT:
            if (out->default_sql)
                FAIL_AT(
                    bind_at(b, con->at), KDK_SYNTAX,
                    "multiple default values specified for column \"%s\" of table \"%s\"",
                    out->name, table);
            TRY(bind_row_expr(b, con->expr, BIND_DEFAULT, &(struct bind_row){0}, out->type,
                              out->name, &value));
            TRY(bind_expr_text(b, con->expr, &out->default_sql));
            if (fill)
                *fill = value;
            break;
        case AST_CON_REFERENCES:
            return unsupported(b, con->at, "foreign keys are");
        case AST_CON_GENERATED:
            return unsupported(b, con->at,
                               con->identity ? "identity columns are"
                                             : "generated columns are");
        case AST_CON_PRIMARY_KEY:
            if (nullable)
                FAIL_AT(bind_at(b, con->at), KDK_SYNTAX,
                        "conflicting NULL/NOT NULL declarations for column \"%s\" of table "
                        "\"%s\"",
                        out->name, table);
            out->not_null = true;
            break;
        case AST_CON_UNIQUE:
        case AST_CON_CHECK:
            break;
        }
    }
out:
    return status;
}

static kdk_status index_arrays(struct binder *b, struct cindex *index, uint32_t n)
{
    kdk_status status = KDK_OK;
    index->column_count = n;
    TRY_NEW(index->columns = ARRAY(uint32_t, (size_t)n + 1));
    TRY_NEW(index->descending = ARRAY(bool, (size_t)n + 1));
    TRY_NEW(index->nulls_first = ARRAY(bool, (size_t)n + 1));
out:
    return status;
}

kdk_status bind_key(struct binder *b, const struct ctable *table,
                    const struct ast_constraint *con, const struct ast_ident *column,
                    const struct bound_index *others, uint32_t other_count,
                    struct bound_index *out)
{
    kdk_status status = KDK_OK;
    const bool primary = con->kind == AST_CON_PRIMARY_KEY;
    const uint32_t n = column ? 1 : con->columns.count;
    const char *columns = NULL;

    if (con->include.count || con->with.count)
        return unsupported(b, con->at,
                           con->include.count ? "INCLUDE is" : "storage parameters are");
    if (con->deferrable || con->initially_deferred)
        return unsupported(b, con->at, "deferrable constraints are");
    if (con->nulls_not_distinct)
        return unsupported(b, con->at, "NULLS NOT DISTINCT is");
    *out = (struct bound_index){
        .schema = table->schema,
        .index = {.unique = true, .primary = primary, .constraint = true}};
    TRY(index_arrays(b, &out->index, n));
    for (uint32_t i = 0; i < n; i++) {
        const struct ast_ident *name = column ? column : &con->columns.items[i];
        uint32_t position = table_column(table, name->text);
        if (position == UINT32_MAX)
            FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_COLUMN,
                    "column \"%s\" named in key does not exist", name->text);
        for (uint32_t k = 0; k < i; k++)
            if (out->index.columns[k] == position)
                FAIL_AT(bind_at(b, name->at), KDK_DUPLICATE_COLUMN,
                        "column \"%s\" appears twice in %s constraint", name->text,
                        primary ? "primary key" : "unique");
        out->index.columns[i] = position;
    }
    if (con->name.text) {
        out->index.name = con->name.text;
        TRY(bind_name_free(b, table->schema, con->name.text, con->name.at));
        for (uint32_t i = 0; i < other_count; i++)
            if (strcmp(others[i].index.name, con->name.text) == 0)
                FAIL_AT(bind_at(b, con->name.at), KDK_DUPLICATE_TABLE,
                        "relation \"%s\" already exists", con->name.text);
        goto out;
    }
    if (!primary)
        TRY(join_names(b, table, &out->index, &columns));
    TRY(choose_index_name(b, table->schema, table->name, columns, primary ? "pkey" : "key",
                          others, other_count, &out->index.name));
out:
    return status;
}

struct mentioned {
    const char *column; /* The only one so far. */
    bool several;
};
static void strip_qualifier(void *context, struct ast_expr *column)
{
    struct mentioned *m = context;
    const char *name = ast_last(&column->name)->text;
    if (column->name.count > 1) {
        /* A table may be renamed: the stored text names columns alone. */
        column->name.parts += column->name.count - 1;
        column->name.count = 1;
    }
    m->several |= m->column && strcmp(m->column, name) != 0;
    m->column = name;
}

kdk_status bind_check(struct binder *b, const struct ctable *table,
                      const struct ast_constraint *con, const struct ccheck *checks,
                      uint32_t check_count, struct ccheck *out, struct expr **condition)
{
    kdk_status status = KDK_OK;
    struct expr *e;
    struct mentioned m = {NULL, false};
    if (con->not_valid)
        return unsupported(b, con->at, "NOT VALID is");
    if (con->deferrable || con->initially_deferred)
        return unsupported(b, con->at, "deferrable constraints are");
    TRY(bind_row_expr(b, con->expr, BIND_CHECK, &(struct bind_row){table, NULL},
                      LTYPE(BOOLEAN), NULL, &e));
    if (condition)
        *condition = e;
    ast_each_column(con->expr, strip_qualifier, &m);
    TRY(bind_expr_text(b, con->expr, &out->sql));
    for (uint32_t number = 0;; number++) {
        out->name = con->name.text;
        if (!out->name)
            TRY_NEW(out->name = object_name(b, table->name, m.several ? NULL : m.column,
                                            "check", number));
        bool taken = false;
        for (uint32_t i = 0; i < check_count; i++)
            taken |= strcmp(checks[i].name, out->name) == 0;
        for (uint32_t i = 0; i < table->index_count; i++)
            taken |= table->indexes[i]->constraint &&
                     strcmp(table->indexes[i]->name, out->name) == 0;
        if (!taken)
            break;
        if (con->name.text)
            FAIL_AT(bind_at(b, con->name.at), KDK_DUPLICATE_OBJECT,
                    "constraint \"%s\" for relation \"%s\" already exists", out->name,
                    table->name);
    }
out:
    return status;
}

/* ---- CREATE TABLE ---- */

static kdk_status add_key(struct binder *b, struct ctable *draft, struct bound_ddl *ddl,
                          const struct ast_constraint *con, const struct ast_ident *column)
{
    kdk_status status = KDK_OK;
    struct bound_index *index = &ddl->indexes[ddl->index_count];
    TRY(bind_key(b, draft, con, column, ddl->indexes, ddl->index_count, index));
    for (uint32_t i = 0; i < ddl->index_count; i++) {
        const struct cindex *other = &ddl->indexes[i].index;
        if (other->primary && index->index.primary)
            FAIL_AT(bind_at(b, con->at), KDK_INVALID_TABLE_DEFINITION,
                    "multiple primary keys for table \"%s\" are not allowed", draft->name);
        /* UNIQUE over the columns of another key says nothing new. */
        if (!con->name.text && !index->index.primary &&
            other->column_count == index->index.column_count &&
            memcmp(other->columns, index->index.columns,
                   other->column_count * sizeof *other->columns) == 0)
            return KDK_OK;
    }
    if (index->index.primary)
        for (uint32_t i = 0; i < index->index.column_count; i++)
            draft->columns[index->index.columns[i]].not_null =
                ddl->columns[index->index.columns[i]].column.not_null = true;
    ddl->index_count++;
out:
    return status;
}

static kdk_status add_constraint(struct binder *b, struct ctable *draft,
                                 struct bound_ddl *ddl, const struct ast_constraint *con,
                                 const struct ast_ident *column, bool keys)
{
    kdk_status status = KDK_OK;
    switch ((enum ast_constraint_kind)con->kind) {
    case AST_CON_PRIMARY_KEY:
    case AST_CON_UNIQUE:
        if (keys)
            TRY(add_key(b, draft, ddl, con, column));
        break;
    case AST_CON_CHECK:
        if (!keys) {
            TRY(bind_check(b, draft, con, ddl->checks, ddl->check_count,
                           &ddl->checks[ddl->check_count], NULL));
            ddl->check_count++;
        }
        break;
    case AST_CON_REFERENCES:
        return unsupported(b, con->at, "foreign keys are");
    case AST_CON_GENERATED:
    case AST_CON_NOT_NULL:
    case AST_CON_NULL:
    case AST_CON_DEFAULT:
        break; /* Of a column, and done. */
    }
out:
    return status;
}

static kdk_status table_columns_of_query(struct binder *b,
                                         const struct ast_create_table *ast,
                                         struct bound_ddl *ddl, struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct query q;
    TRY(bind_query(b, ast->as, NULL, false, &q));
    if (ast->as_names.count > q.count)
        FAIL_AT(bind_at(b, ast->as_names.items[q.count].at), KDK_SYNTAX,
                "too many column names were specified");
    ddl->column_count = q.count;
    TRY_NEW(ddl->columns = ARRAY(struct bound_column, (size_t)q.count + 1));
    out->root = q.rel;
    out->column_count = q.count;
    TRY_NEW(out->columns = ARRAY(struct relcol, (size_t)q.count + 1));
    for (uint32_t i = 0; i < q.count; i++) {
        const char *name =
            i < ast->as_names.count ? ast->as_names.items[i].text : q.cols[i].name;
        ddl->columns[i].column =
            (struct ccolumn){.name = name, .type = q.cols[i].type, .id = i};
        out->columns[i] =
            (struct relcol){.id = q.cols[i].id, .type = q.cols[i].type, .name = name};
    }
    ddl->with_data = !ast->with_no_data;
out:
    return status;
}

static kdk_status bind_create_table(struct binder *b, const struct ast_create_table *ast,
                                    struct bound_ddl *ddl, struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct ctable draft = {.kind = COBJ_TABLE};
    uint32_t constraints = ast->constraints.count;

    if (ast->temp || ast->unlogged || ast->replace || ast->with.count)
        return unsupported(b, ast->name.at,
                           ast->temp       ? "temporary tables are"
                           : ast->unlogged ? "unlogged tables are"
                           : ast->replace  ? "CREATE OR REPLACE TABLE is"
                                           : "storage parameters are");
    TRY(bind_new_name(b, &ast->name, &ddl->schema, &ddl->name));
    if (bind_name_taken(b, ddl->schema, ddl->name)) {
        if (!ast->if_not_exists)
            TRY(bind_name_free(b, ddl->schema, ddl->name, ast->name.at));
        bind_notice(b, "42P07", "relation \"%s\" already exists, skipping", ddl->name);
        return KDK_OK; /* DDL_NOTHING */
    }
    ddl->kind = DDL_CREATE_TABLE;
    draft.schema = ddl->schema;
    draft.name = ddl->name;
    if (ast->as) {
        TRY(table_columns_of_query(b, ast, ddl, out));
    } else {
        ddl->column_count = ast->column_count;
        TRY_NEW(ddl->columns = ARRAY(struct bound_column, (size_t)ast->column_count + 1));
        for (uint32_t i = 0; i < ast->column_count; i++) {
            TRY(bind_column_def(b, &ast->columns[i], ddl->name, &ddl->columns[i].column,
                                NULL));
            ddl->columns[i].column.id = i;
            constraints += ast->columns[i].constraints.count;
        }
    }
    if (ddl->column_count == 0)
        return unsupported(b, ast->name.at, "a table without columns is");
    if (ddl->column_count > TABLE_COLUMNS_MAX)
        FAIL_AT(bind_at(b, ast->name.at), KDK_TOO_MANY_COLUMNS,
                "tables can have at most %d columns", TABLE_COLUMNS_MAX);
    TRY_NEW(draft.columns = ARRAY(struct ccolumn, ddl->column_count));
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        draft.columns[i] = ddl->columns[i].column;
        draft.column_count = i;
        if (table_column(&draft, draft.columns[i].name) != UINT32_MAX)
            FAIL_AT(bind_at(b, ast->as ? ast->name.at : ast->columns[i].name.at),
                    KDK_DUPLICATE_COLUMN, "column \"%s\" specified more than once",
                    draft.columns[i].name);
    }
    draft.column_count = ddl->column_count;
    TRY_NEW(ddl->indexes = ARRAY(struct bound_index, (size_t)constraints + 1));
    TRY_NEW(ddl->checks = ARRAY(struct ccheck, (size_t)constraints + 1));
    for (int keys = 1; keys >= 0; keys--) {
        for (uint32_t i = 0; i < ast->column_count; i++)
            for (uint32_t k = 0; k < ast->columns[i].constraints.count; k++)
                TRY(add_constraint(b, &draft, ddl, ast->columns[i].constraints.items[k],
                                   &ast->columns[i].name, keys != 0));
        for (uint32_t k = 0; k < ast->constraints.count; k++)
            TRY(add_constraint(b, &draft, ddl, ast->constraints.items[k], NULL, keys != 0));
    }
    for (uint32_t i = 1; i < ddl->index_count; i++) /* The primary key first. */
        if (ddl->indexes[i].index.primary) {
            struct bound_index primary = ddl->indexes[i];
            memmove(&ddl->indexes[1], &ddl->indexes[0], i * sizeof primary);
            ddl->indexes[0] = primary;
        }
out:
    return status;
}

/* ---- CREATE VIEW ---- */

/* Swaps what is to be written out with what stands in the tree; called again, it swaps
 * back. The tree outlives the binder's arena. */
static void swap_notes(struct binder *b)
{
    for (struct star_note *n = b->stars; n; n = n->next) {
        struct ast_items items = n->select->items;
        n->select->items = n->items;
        n->items = items;
    }
    for (struct table_note *n = b->tables; n; n = n->next)
        if (n->qualified.count) {
            struct ast_name name = n->from->name;
            n->from->name = n->qualified;
            n->qualified = name;
        }
}

static kdk_status view_text(struct binder *b, const struct ast_query *query,
                            const char **out)
{
    kdk_status status = KDK_OK;
    struct buf text = {0};
    for (struct table_note *n = b->tables; n; n = n->next) {
        bool again = false; /* A CTE that is bound at each mention has several notes. */
        for (const struct table_note *other = b->tables; other != n; other = other->next)
            again |= other->from == n->from;
        if (n->from->name.count > 1 || again)
            continue;
        struct ast_ident *parts = ARRAY(struct ast_ident, 2);
        TRY_NEW(parts);
        parts[0] = (struct ast_ident){.text = n->table->schema,
                                      .bytes = (uint32_t)strlen(n->table->schema),
                                      .quoted = 1};
        parts[1] = n->from->name.parts[0];
        n->qualified = (struct ast_name){parts, 2, n->from->name.at};
    }
    swap_notes(b);
    status = ast_print_query(query, AST_PRINT_PLAIN, &text, b->err);
    swap_notes(b);
    if (status == KDK_OK)
        TRY_NEW(*out = arena_strndup(b->arena, text.data, text.len));
out:
    buf_deinit(&text);
    return status;
}

/* The stored text must mean what the statement meant. */
static kdk_status check_view_text(struct binder *b, const char *text, const struct query *q,
                                  const char *name, uint32_t at)
{
    kdk_status status = KDK_OK;
    struct binder again;
    struct ast_list list;
    struct query second = {0};
    TRY(binder_init(&again, b->env, b->stmt, b->arena, b->err));
    again.stored = true;
    again.view_at = at;
    status = sql_parse(text, strlen(text), b->arena, &list, b->err);
    if (status == KDK_OK && (list.count != 1 || list.items[0]->kind != AST_STMT_QUERY))
        status = err_set(b->err, KDK_UNSUPPORTED, "not a query");
    if (status == KDK_OK)
        status = bind_query(&again, list.items[0]->query, NULL, false, &second);
    bool same = status == KDK_OK && second.count == q->count;
    for (uint32_t i = 0; same && i < q->count; i++)
        same = ltype_equal(second.cols[i].type, q->cols[i].type);
    if (status == KDK_NOMEM)
        goto out;
    if (!same) {
        if (b->err)
            b->err->position = 0;
        FAIL_AT(at, KDK_UNSUPPORTED,
                "the query of view \"%s\" cannot be stored as text: name its columns and "
                "give its subqueries aliases",
                name);
    }
out:
    return status;
}

static kdk_status replaced_view(struct binder *b, const struct ctable *view,
                                const struct bound_ddl *ddl, uint32_t at)
{
    kdk_status status = KDK_OK;
    char from[64], to[64];
    if (view->kind != COBJ_VIEW)
        FAIL_AT(at, KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a view", view->name);
    if (ddl->column_count < view->column_count)
        FAIL_AT(at, KDK_INVALID_TABLE_DEFINITION, "cannot drop columns from view");
    for (uint32_t i = 0; i < view->column_count; i++) {
        const struct ccolumn *was = &view->columns[i], *is = &ddl->columns[i].column;
        if (strcmp(was->name, is->name) != 0)
            FAIL_AT(at, KDK_INVALID_TABLE_DEFINITION,
                    "cannot change name of view column \"%s\" to \"%s\"", was->name,
                    is->name);
        if (!ltype_equal(was->type, is->type))
            FAIL_AT(at, KDK_INVALID_TABLE_DEFINITION,
                    "cannot change data type of view column \"%s\" from %s to %s",
                    was->name, ltype_name(was->type, from, sizeof from),
                    ltype_name(is->type, to, sizeof to));
    }
out:
    return status;
}

static kdk_status bind_create_view(struct binder *b, const struct ast_create_view *ast,
                                   struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    struct query q;
    const uint32_t at = bind_at(b, ast->name.at);
    if (ast->temp || ast->recursive || ast->check_option || ast->with.count)
        return unsupported(b, ast->name.at,
                           ast->temp           ? "temporary views are"
                           : ast->recursive    ? "CREATE RECURSIVE VIEW is"
                           : ast->check_option ? "WITH CHECK OPTION is"
                                               : "storage parameters are");
    TRY(bind_new_name(b, &ast->name, &ddl->schema, &ddl->name));
    ddl->replaces = catver_table(b->env->catver, ddl->schema, ddl->name);
    if (ast->if_not_exists && bind_name_taken(b, ddl->schema, ddl->name)) {
        bind_notice(b, "42P07", "relation \"%s\" already exists, skipping", ddl->name);
        ddl->replaces = NULL;
        return KDK_OK;
    }
    if (!ast->replace || !ddl->replaces)
        TRY(bind_name_free(b, ddl->schema, ddl->name, ast->name.at));
    b->note_names = true;
    TRY(bind_query(b, ast->query, NULL, false, &q));
    b->note_names = false;
    for (uint32_t i = 0; i < b->param_count; i++)
        if (b->param_at[i])
            FAIL_AT(b->param_at[i] - 1, KDK_UNDEFINED_PARAMETER,
                    "there is no parameter $%u", i + 1);
    if (ast->columns.count > q.count)
        FAIL_AT(bind_at(b, ast->columns.items[q.count].at), KDK_SYNTAX,
                "CREATE VIEW specifies more column names than columns");
    if (q.count > TABLE_COLUMNS_MAX)
        FAIL_AT(at, KDK_TOO_MANY_COLUMNS, "tables can have at most %d columns",
                TABLE_COLUMNS_MAX);
    if (q.count == 0)
        return unsupported(b, ast->name.at, "a view without columns is");
    ddl->kind = DDL_CREATE_VIEW;
    ddl->column_count = q.count;
    TRY_NEW(ddl->columns = ARRAY(struct bound_column, q.count));
    for (uint32_t i = 0; i < q.count; i++) {
        const char *name =
            i < ast->columns.count ? ast->columns.items[i].text : q.cols[i].name;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(ddl->columns[k].column.name, name) == 0)
                FAIL_AT(at, KDK_DUPLICATE_COLUMN, "column \"%s\" specified more than once",
                        name);
        ddl->columns[i].column =
            (struct ccolumn){.name = name, .type = q.cols[i].type, .id = i};
    }
    if (ddl->replaces)
        TRY(replaced_view(b, ddl->replaces, ddl, at));
    TRY(view_text(b, ast->query, &ddl->view_sql));
    TRY(check_view_text(b, ddl->view_sql, &q, ddl->name, at));
out:
    b->note_names = false;
    return status;
}

/* ---- CREATE INDEX, CREATE SCHEMA ---- */

static kdk_status bind_create_index(struct binder *b, const struct ast_create_index *ast,
                                    struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    const struct ctable *table;
    struct bound_index *index = NEW(struct bound_index);
    const char *columns;
    TRY_NEW(index);
    TRY(bind_table_name(b, &ast->table, &table));
    if (table->kind == COBJ_VIEW)
        FAIL_AT(bind_at(b, ast->table.at), KDK_WRONG_OBJECT_TYPE,
                "cannot create index on relation \"%s\"", table->name);
    TRY(bind_writable(b, table, "index", ast->table.at));
    if (ast->method.text && strcmp(ast->method.text, "btree") != 0)
        FAIL_AT(bind_at(b, ast->method.at), KDK_UNSUPPORTED,
                "access method \"%s\" is not supported", ast->method.text);
    if (ast->include.count || ast->where || ast->nulls_not_distinct || ast->with.count)
        return unsupported(b, ast->table.at,
                           ast->include.count        ? "INCLUDE is"
                           : ast->where              ? "a partial index is"
                           : ast->nulls_not_distinct ? "NULLS NOT DISTINCT is"
                                                     : "storage parameters are");
    index->on = table;
    index->schema = table->schema;
    index->index.unique = ast->unique;
    TRY(index_arrays(b, &index->index, ast->keys.count));
    for (uint32_t i = 0; i < ast->keys.count; i++) {
        const struct ast_sort *key = &ast->keys.items[i];
        if (key->expr->kind != AST_COLUMN || key->expr->name.count != 1)
            return unsupported(b, key->expr->at, "an index on an expression is");
        uint32_t position = table_column(table, key->expr->name.parts[0].text);
        if (position == UINT32_MAX)
            FAIL_AT(bind_at(b, key->expr->at), KDK_UNDEFINED_COLUMN,
                    "column \"%s\" does not exist", key->expr->name.parts[0].text);
        index->index.columns[i] = position;
        index->index.descending[i] = key->descending;
        index->index.nulls_first[i] = key->nulls == AST_NULLS_DEFAULT
                                          ? key->descending
                                          : key->nulls == AST_NULLS_FIRST;
    }
    if (ast->name.text) {
        index->index.name = ast->name.text;
        if (bind_name_taken(b, table->schema, ast->name.text)) {
            if (!ast->if_not_exists)
                TRY(bind_name_free(b, table->schema, ast->name.text, ast->name.at));
            bind_notice(b, "42P07", "relation \"%s\" already exists, skipping",
                        ast->name.text);
            return KDK_OK;
        }
    } else {
        TRY(join_names(b, table, &index->index, &columns));
        TRY(choose_index_name(b, table->schema, table->name, columns, "idx", NULL, 0,
                              &index->index.name));
    }
    ddl->kind = DDL_CREATE_INDEX;
    ddl->schema = table->schema;
    ddl->name = index->index.name;
    ddl->index = index;
out:
    return status;
}

static kdk_status bind_create_schema(struct binder *b, const struct ast_create_schema *ast,
                                     struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    const char *name = ast->name.text;
    if (ast->owner.text)
        return unsupported(b, ast->owner.at, "AUTHORIZATION is");
    if (strncmp(name, "pg_", 3) == 0) {
        status =
            err_set(b->err, KDK_RESERVED_NAME, "unacceptable schema name \"%s\"", name);
        err_detail(b->err, "The prefix \"pg_\" is reserved for system schemas.");
        err_at(b->err, bind_at(b, ast->name.at));
        goto out;
    }
    if (catver_schema_exists(b->env->catver, name)) {
        if (!ast->if_not_exists)
            FAIL_AT(bind_at(b, ast->name.at), KDK_DUPLICATE_SCHEMA,
                    "schema \"%s\" already exists", name);
        bind_notice(b, "42P06", "schema \"%s\" already exists, skipping", name);
        return KDK_OK;
    }
    ddl->kind = DDL_CREATE_SCHEMA;
    ddl->schema = name;
out:
    return status;
}

/* ---- the others ---- */

static kdk_status add_table(struct binder *b, struct bound_ddl *ddl,
                            const struct ast_name *name, bool write)
{
    kdk_status status = KDK_OK;
    const struct ctable *table;
    TRY(bind_table_name(b, name, &table));
    if (table->kind == COBJ_VIEW)
        FAIL_AT(bind_at(b, name->at), KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a table",
                table->name);
    if (write)
        TRY(bind_writable(b, table, "truncate", name->at));
    ddl->tables[ddl->table_count++] = table;
out:
    return status;
}

static kdk_status bind_named(struct binder *b, struct bound_ddl *ddl, enum ddl_kind kind,
                             const struct ast_name *names, uint32_t count, bool write)
{
    kdk_status status = KDK_OK;
    TRY_NEW(ddl->tables = ARRAY(const struct ctable *, (size_t)count + 1));
    for (uint32_t i = 0; i < count; i++)
        TRY(add_table(b, ddl, &names[i], write));
    ddl->kind = kind;
out:
    return status;
}

static kdk_status bind_reindex(struct binder *b, const struct ast_reindex *ast,
                               struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    ddl->kind = DDL_REINDEX;
    if (!ast->name.count)
        return KDK_OK;
    if (strcmp(ast->object, "index") == 0) {
        const struct cindex *index;
        TRY(bind_index_maybe(b, &ast->name, &index));
        if (!index)
            FAIL_AT(bind_at(b, ast->name.at), KDK_UNDEFINED_OBJECT,
                    "relation \"%s\" does not exist", bind_name_text(b, &ast->name));
        TRY_NEW(ddl->dropped_indexes = NEW(const struct cindex *));
        ddl->dropped_indexes[ddl->dropped_index_count++] = index;
    } else if (strcmp(ast->object, "table") == 0) {
        const struct ctable *table;
        TRY(bind_table_name(b, &ast->name, &table));
        if (table->kind == COBJ_VIEW)
            FAIL_AT(bind_at(b, ast->name.at), KDK_WRONG_OBJECT_TYPE,
                    "\"%s\" is not a table", table->name);
        TRY_NEW(ddl->dropped_indexes =
                    ARRAY(const struct cindex *, (size_t)table->index_count + 1));
        for (uint32_t i = 0; i < table->index_count; i++)
            ddl->dropped_indexes[ddl->dropped_index_count++] = table->indexes[i];
    }
out:
    return status;
}

static kdk_status bind_analyze(struct binder *b, struct bound_ddl *ddl,
                               const struct ast_name *name,
                               const struct ast_idents *columns)
{
    kdk_status status = KDK_OK;
    TRY(bind_named(b, ddl, DDL_ANALYZE, name, name->count ? 1 : 0, false));
    for (uint32_t i = 0; i < columns->count; i++)
        if (ddl->table_count &&
            table_column(ddl->tables[0], columns->items[i].text) == UINT32_MAX)
            FAIL_AT(bind_at(b, columns->items[i].at), KDK_UNDEFINED_COLUMN,
                    "column \"%s\" of relation \"%s\" does not exist",
                    columns->items[i].text, ddl->tables[0]->name);
out:
    return status;
}

kdk_status bind_ddl(struct binder *b, const struct ast_stmt *stmt, struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct bound_ddl *ddl = NEW(struct bound_ddl);
    TRY_NEW(ddl);
    out->ddl = ddl;
    switch (stmt->kind) {
    case AST_STMT_CREATE_TABLE:
        TRY(bind_create_table(b, stmt->create_table, ddl, out));
        break;
    case AST_STMT_CREATE_VIEW:
        TRY(bind_create_view(b, stmt->create_view, ddl));
        break;
    case AST_STMT_CREATE_INDEX:
        TRY(bind_create_index(b, stmt->create_index, ddl));
        break;
    case AST_STMT_CREATE_SCHEMA:
        TRY(bind_create_schema(b, stmt->create_schema, ddl));
        break;
    case AST_STMT_DROP:
        TRY(bind_drop(b, stmt->drop, ddl));
        break;
    case AST_STMT_TRUNCATE:
        TRY(bind_named(b, ddl, DDL_TRUNCATE, stmt->truncate->names, stmt->truncate->count,
                       true));
        break;
    case AST_STMT_ALTER:
        TRY(bind_alter_table(b, stmt->alter, ddl));
        break;
    case AST_STMT_REINDEX:
        TRY(bind_reindex(b, stmt->reindex, ddl));
        break;
    case AST_STMT_CHECKPOINT:
        if (stmt->checkpoint->name.count)
            TRY(bind_named(b, ddl, DDL_CHECKPOINT, &stmt->checkpoint->name, 1, false));
        else
            out->ddl = NULL;
        break;
    case AST_STMT_ANALYZE:
        TRY(bind_analyze(b, ddl, &stmt->analyze->name, &stmt->analyze->columns));
        break;
    case AST_STMT_VACUUM:
        TRY(bind_analyze(b, ddl, &stmt->vacuum->name, &stmt->vacuum->columns));
        break;
    case AST_STMT_QUERY:
    case AST_STMT_INSERT:
    case AST_STMT_UPDATE:
    case AST_STMT_DELETE:
    case AST_STMT_TRANSACTION:
    case AST_STMT_EXPLAIN:
    case AST_STMT_PREPARE:
    case AST_STMT_EXECUTE:
    case AST_STMT_DEALLOCATE:
    case AST_STMT_SET:
    case AST_STMT_SHOW:
    case AST_STMT_COPY:
    case AST_STMT_COUNT:
        out->ddl = NULL;
        break;
    }
out:
    return status;
}
