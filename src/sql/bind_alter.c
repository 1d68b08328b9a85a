/* bind_alter.c - ALTER: steps from one state of a table to the next.
 *
 * Each action is bound against the table as the actions before it leave it: a draft in the
 * arena, copied for each step.
 */
#include "sql/bind_int.h"

struct alter {
    struct binder *b;
    const struct ast_alter *ast;
    const struct ctable *real; /* As the catalog has it. */
    struct ctable *now;        /* As the steps so far leave it. */
    struct bound_ddl *ddl;
    uint32_t cap;
};

static kdk_status add_step(struct alter *a, enum alter_kind kind, struct bound_alter **out)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    if (a->ddl->alter_count == a->cap) {
        uint32_t cap = a->cap ? a->cap * 2 : 4;
        struct bound_alter *steps = ARRAY(struct bound_alter, cap);
        TRY_NEW(steps);
        if (a->ddl->alter_count)
            memcpy(steps, a->ddl->alters, a->ddl->alter_count * sizeof *steps);
        a->ddl->alters = steps;
        a->cap = cap;
    }
    struct bound_alter *step = &a->ddl->alters[a->ddl->alter_count++];
    memset(step, 0, sizeof *step);
    step->kind = kind;
    step->before = a->now;
    *out = step;
out:
    return status;
}

/* The next state: a copy with room for one more of each. */
static kdk_status next_state(struct alter *a, struct ctable **out)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    const struct ctable *from = a->now;
    struct ctable *t = NEW(struct ctable);
    TRY_NEW(t);
    *t = *from;
    TRY_NEW(t->columns = ARRAY(struct ccolumn, (size_t)from->column_count + 1));
    memcpy(t->columns, from->columns, from->column_count * sizeof *t->columns);
    TRY_NEW(t->indexes = ARRAY(struct cindex *, (size_t)from->index_count + 1));
    for (uint32_t i = 0; i < from->index_count; i++) {
        TRY_NEW(t->indexes[i] = arena_dup(b->arena, from->indexes[i], sizeof **t->indexes));
        t->indexes[i]->table = t;
        TRY_NEW(t->indexes[i]->columns =
                    arena_dup(b->arena, from->indexes[i]->columns,
                              from->indexes[i]->column_count * sizeof(uint32_t)));
    }
    TRY_NEW(t->checks = ARRAY(struct ccheck, (size_t)from->check_count + 1));
    if (from->check_count)
        memcpy(t->checks, from->checks, from->check_count * sizeof *t->checks);
    *out = t;
out:
    return status;
}

static void finish(struct alter *a, struct ctable *after)
{
    a->ddl->alters[a->ddl->alter_count - 1].after = after;
    a->now = after;
}

static kdk_status find_column(struct alter *a, const struct ast_ident *name,
                              uint32_t *position)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    *position = table_column(a->now, name->text);
    if (*position == UINT32_MAX)
        FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_COLUMN,
                "column \"%s\" of relation \"%s\" does not exist", name->text,
                a->now->name);
out:
    return status;
}

/* Views are text: see bind_rewrite.c. */
static kdk_status change_views(struct alter *a, const struct view_change *change)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct view_texts texts;
    struct bound_alter *step;
    struct ctable *view;
    TRY(bind_rewrite_views(b, change, &texts));
    for (const struct view_text *text = texts.first; text; text = text->next) {
        for (uint32_t i = 0; i < a->ddl->alter_count; i++)
            if (a->ddl->alters[i].kind == ALTER_VIEW_TEXT &&
                a->ddl->alters[i].before == text->view)
                FAIL_AT(change->at, KDK_UNSUPPORTED,
                        "dropping several columns to which view \"%s\" gives names in one "
                        "statement is not supported",
                        text->view->name);
        bool dropped = false;
        for (uint32_t i = 0; i < a->ddl->table_count; i++)
            dropped |= a->ddl->tables[i] == text->view;
        if (dropped)
            continue;
        TRY(add_step(a, ALTER_VIEW_TEXT, &step));
        TRY_NEW(view = arena_dup(b->arena, text->view, sizeof *text->view));
        view->view_sql = text->sql;
        step->before = text->view;
        step->after = view;
    }
out:
    return status;
}

/* ---- checks as text ---- */

struct column_use {
    const char *from, *to; /* to NULL: only look. */
    struct binder *b;
    bool found;
};
static void use_column(void *context, struct ast_expr *column)
{
    struct column_use *use = context;
    struct ast_ident *last = &column->name.parts[column->name.count - 1];
    if (strcmp(last->text, use->from) != 0)
        return;
    use->found = true;
    if (use->to)
        *last = (struct ast_ident){
            .text = use->to, .bytes = (uint32_t)strlen(use->to), .quoted = 1};
}

static kdk_status check_columns(struct alter *a, const char *sql, struct column_use *use,
                                const char **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *ast;
    use->found = false;
    TRY(sql_parse_expr(sql, strlen(sql), a->b->arena, &ast, a->b->err));
    ast_each_column(ast, use_column, use);
    if (out && use->found)
        TRY(bind_expr_text(a->b, ast, out));
out:
    return status;
}

/* ---- actions ---- */

static kdk_status rename_table(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    TRY(bind_name_free(b, a->now->schema, action->to.text, action->to.at));
    TRY(add_step(a, ALTER_RENAME_TABLE, &step));
    step->schema = a->now->schema;
    step->name = action->to.text;
    TRY(next_state(a, &t));
    t->name = action->to.text;
    finish(a, t);
    struct view_change change = {
        VIEW_TABLE_RENAMED,    a->real, t, 0, a->real->name, action->to.text,
        bind_at(b, action->at)};
    TRY(change_views(a, &change));
out:
    return status;
}

static kdk_status rename_column(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    uint32_t position;
    TRY(find_column(a, &action->column, &position));
    if (table_column(a->now, action->to.text) != UINT32_MAX)
        FAIL_AT(bind_at(b, action->to.at), KDK_DUPLICATE_COLUMN,
                "column \"%s\" of relation \"%s\" already exists", action->to.text,
                a->now->name);
    TRY(add_step(a, ALTER_RENAME_COLUMN, &step));
    step->position = position;
    step->name = action->to.text;
    TRY(next_state(a, &t));
    struct column_use use = {t->columns[position].name, action->to.text, b, false};
    t->columns[position].name = action->to.text;
    for (uint32_t i = 0; i < t->check_count; i++)
        TRY(check_columns(a, t->checks[i].sql, &use, &t->checks[i].sql));
    finish(a, t);
    struct view_change change = {
        VIEW_COLUMN_RENAMED,   a->real, t, position, action->column.text, action->to.text,
        bind_at(b, action->at)};
    TRY(change_views(a, &change)); /* RENAME stands alone: a->real is what was before. */
out:
    return status;
}

static uint32_t find_check(const struct ctable *t, const char *name)
{
    for (uint32_t i = 0; i < t->check_count; i++)
        if (strcmp(t->checks[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}
static uint32_t find_constraint_index(const struct ctable *t, const char *name)
{
    for (uint32_t i = 0; i < t->index_count; i++)
        if (t->indexes[i]->constraint && strcmp(t->indexes[i]->name, name) == 0)
            return i;
    return UINT32_MAX;
}

static kdk_status constraint_missing(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    if (!action->if_exists)
        FAIL_AT(bind_at(b, action->column.at), KDK_UNDEFINED_OBJECT,
                "constraint \"%s\" of relation \"%s\" does not exist", action->column.text,
                a->now->name);
    bind_notice(b, "00000", "constraint \"%s\" of relation \"%s\" does not exist, skipping",
                action->column.text, a->now->name);
out:
    return status;
}

static kdk_status rename_constraint(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    const uint32_t check = find_check(a->now, action->column.text),
                   index = find_constraint_index(a->now, action->column.text);
    if (check == UINT32_MAX && index == UINT32_MAX)
        return constraint_missing(a, action);
    if (find_check(a->now, action->to.text) != UINT32_MAX ||
        find_constraint_index(a->now, action->to.text) != UINT32_MAX)
        FAIL_AT(bind_at(b, action->to.at), KDK_DUPLICATE_OBJECT,
                "constraint \"%s\" for relation \"%s\" already exists", action->to.text,
                a->now->name);
    if (index != UINT32_MAX)
        TRY(bind_name_free(b, a->now->schema, action->to.text, action->to.at));
    TRY(add_step(a, check != UINT32_MAX ? ALTER_RENAME_CHECK : ALTER_RENAME_INDEX, &step));
    step->name = action->to.text;
    TRY(next_state(a, &t));
    if (check != UINT32_MAX) {
        step->position = check;
        t->checks[check].name = action->to.text;
    } else {
        step->index = a->now->indexes[index];
        t->indexes[index]->name = action->to.text;
    }
    finish(a, t);
out:
    return status;
}

static kdk_status add_constraint(struct alter *a, const struct ast_constraint *con,
                                 const struct ast_ident *column)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    if (con->kind == AST_CON_CHECK) {
        TRY(add_step(a, ALTER_ADD_CHECK, &step));
        TRY(bind_check(b, a->now, con, a->now->checks, a->now->check_count, &step->check,
                       &step->condition));
        TRY(next_state(a, &t));
        t->checks[t->check_count++] = step->check;
        finish(a, t);
    } else if (con->kind == AST_CON_PRIMARY_KEY || con->kind == AST_CON_UNIQUE) {
        struct bound_index *added = NEW(struct bound_index);
        TRY_NEW(added);
        /* Names that earlier steps have given are taken, too. */
        struct bound_index *others =
            ARRAY(struct bound_index, (size_t)a->now->index_count + 1);
        TRY_NEW(others);
        for (uint32_t i = 0; i < a->now->index_count; i++)
            others[i].index = *a->now->indexes[i];
        TRY(bind_key(b, a->now, con, column, others, a->now->index_count, added));
        added->on = a->real;
        if (added->index.primary && a->now->index_count && a->now->indexes[0]->primary)
            FAIL_AT(bind_at(b, con->at), KDK_INVALID_TABLE_DEFINITION,
                    "multiple primary keys for table \"%s\" are not allowed", a->now->name);
        TRY(add_step(a, ALTER_ADD_INDEX, &step));
        step->added = added;
        step->not_null = added->index.primary;
        TRY(next_state(a, &t));
        struct cindex *index = arena_dup(b->arena, &added->index, sizeof *index);
        TRY_NEW(index);
        index->table = t;
        if (index->primary) {
            memmove(t->indexes + 1, t->indexes, t->index_count * sizeof *t->indexes);
            t->indexes[0] = index;
            for (uint32_t i = 0; i < index->column_count; i++)
                t->columns[index->columns[i]].not_null = true;
        } else {
            t->indexes[t->index_count] = index;
        }
        t->index_count++;
        finish(a, t);
    } else if (con->kind == AST_CON_REFERENCES) {
        FAIL_AT(bind_at(b, con->at), KDK_UNSUPPORTED, "foreign keys are not supported");
    }
out:
    return status;
}

static kdk_status add_column(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    const struct ast_column *ast = action->add;
    struct bound_alter *step;
    struct ctable *t;
    struct bound_column *column = NEW(struct bound_column);
    TRY_NEW(column);
    if (table_column(a->now, ast->name.text) != UINT32_MAX) {
        if (!action->if_not_exists)
            FAIL_AT(bind_at(b, ast->name.at), KDK_DUPLICATE_COLUMN,
                    "column \"%s\" of relation \"%s\" already exists", ast->name.text,
                    a->now->name);
        bind_notice(b, "42701", "column \"%s\" of relation \"%s\" already exists, skipping",
                    ast->name.text, a->now->name);
        return KDK_OK;
    }
    if (a->now->column_count >= TABLE_COLUMNS_MAX)
        FAIL_AT(bind_at(b, ast->name.at), KDK_TOO_MANY_COLUMNS,
                "tables can have at most %d columns", TABLE_COLUMNS_MAX);
    TRY(bind_column_def(b, ast, a->now->name, &column->column, &column->fill));
    column->column.id = UINT32_MAX;
    TRY(add_step(a, ALTER_ADD_COLUMN, &step));
    step->column = column;
    TRY(next_state(a, &t));
    t->columns[t->column_count++] = column->column;
    finish(a, t);
    for (uint32_t i = 0; i < ast->constraints.count; i++)
        TRY(add_constraint(a, ast->constraints.items[i], &ast->name));
out:
    return status;
}

static kdk_status drop_column(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    struct view_list views = {0};
    uint32_t position = table_column(a->now, action->column.text), n = 0;
    if (position == UINT32_MAX && action->if_exists) {
        bind_notice(b, "00000", "column \"%s\" of relation \"%s\" does not exist, skipping",
                    action->column.text, a->now->name);
        return KDK_OK;
    }
    TRY(find_column(a, &action->column, &position));
    if (a->now->column_count == 1)
        FAIL_AT(bind_at(b, action->column.at), KDK_UNSUPPORTED,
                "a table without columns is not supported");
    uint32_t real = table_column(a->real, action->column.text);
    if (real != UINT32_MAX)
        TRY(bind_dependants(b, a->real, real, &views));
    if (views.count && !action->cascade) {
        const char *what = arena_printf(b->arena, "column %s of table %s",
                                        action->column.text, a->now->name);
        TRY_NEW(what);
        TRY(bind_refuse_dependants(b, "drop", what, views.views[views.count - 1],
                                   action->column.at));
    }
    if (views.count && a->ddl->table_count)
        FAIL_AT(bind_at(b, action->column.at), KDK_UNSUPPORTED,
                "dropping several columns that views depend on in one statement is not "
                "supported");
    if (views.count) {
        a->ddl->tables = views.views;
        a->ddl->table_count = views.count;
    }
    TRY(add_step(a, ALTER_DROP_COLUMN, &step));
    step->position = position;
    TRY(next_state(a, &t));
    struct column_use use = {action->column.text, NULL, b, false};
    for (uint32_t i = 0; i < t->check_count; i++) {
        TRY(check_columns(a, t->checks[i].sql, &use, NULL));
        if (!use.found)
            t->checks[n++] = t->checks[i];
    }
    t->check_count = n;
    n = 0;
    for (uint32_t i = 0; i < t->index_count; i++) {
        struct cindex *index = t->indexes[i];
        bool names_it = false;
        for (uint32_t k = 0; k < index->column_count; k++) {
            names_it |= index->columns[k] == position;
            index->columns[k] -= index->columns[k] > position;
        }
        if (!names_it)
            t->indexes[n++] = index;
    }
    t->index_count = n;
    t->column_count--;
    memmove(&t->columns[position], &t->columns[position + 1],
            (t->column_count - position) * sizeof *t->columns);
    finish(a, t);
    if (real != UINT32_MAX) {
        struct view_change change = {
            VIEW_COLUMN_DROPPED,          a->real, NULL, real, action->column.text, NULL,
            bind_at(b, action->column.at)};
        TRY(change_views(a, &change));
    }
out:
    return status;
}

static kdk_status drop_constraint(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct bound_alter *step;
    struct ctable *t;
    const uint32_t check = find_check(a->now, action->column.text),
                   index = find_constraint_index(a->now, action->column.text);
    if (check == UINT32_MAX && index == UINT32_MAX)
        return constraint_missing(a, action);
    TRY(add_step(a, check != UINT32_MAX ? ALTER_DROP_CHECK : ALTER_DROP_INDEX, &step));
    TRY(next_state(a, &t));
    if (check != UINT32_MAX) {
        step->position = check;
        t->check_count--;
        memmove(&t->checks[check], &t->checks[check + 1],
                (t->check_count - check) * sizeof *t->checks);
    } else {
        step->index = a->now->indexes[index];
        t->index_count--;
        memmove(&t->indexes[index], &t->indexes[index + 1],
                (t->index_count - index) * sizeof *t->indexes);
    }
    finish(a, t);
out:
    return status;
}

static kdk_status alter_column(struct alter *a, const struct ast_alter_action *action,
                               enum alter_kind kind)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    struct bound_alter *step;
    struct ctable *t;
    struct expr *value;
    uint32_t position;
    TRY(find_column(a, &action->column, &position));
    if (kind == ALTER_DROP_NOT_NULL && a->now->index_count && a->now->indexes[0]->primary)
        for (uint32_t i = 0; i < a->now->indexes[0]->column_count; i++)
            if (a->now->indexes[0]->columns[i] == position)
                FAIL_AT(bind_at(b, action->column.at), KDK_INVALID_TABLE_DEFINITION,
                        "column \"%s\" is in a primary key", action->column.text);
    TRY(add_step(a, kind, &step));
    step->position = position;
    TRY(next_state(a, &t));
    struct ccolumn *col = &t->columns[position];
    if (kind == ALTER_SET_DEFAULT) {
        col->default_sql = NULL;
        if (action->kind == AST_ALTER_SET_DEFAULT) {
            TRY(bind_row_expr(b, action->expr, BIND_DEFAULT, &(struct bind_row){0},
                              col->type, col->name, &value));
            TRY(bind_expr_text(b, action->expr, &col->default_sql));
        }
    } else {
        col->not_null = kind == ALTER_SET_NOT_NULL;
    }
    finish(a, t);
out:
    return status;
}

static kdk_status act(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    switch ((enum ast_alter_kind)action->kind) {
    case AST_ALTER_RENAME:
        return rename_table(a, action);
    case AST_ALTER_RENAME_COLUMN:
        return rename_column(a, action);
    case AST_ALTER_RENAME_CONSTRAINT:
        return rename_constraint(a, action);
    case AST_ALTER_ADD_COLUMN:
        return add_column(a, action);
    case AST_ALTER_DROP_COLUMN:
        return drop_column(a, action);
    case AST_ALTER_ADD_CONSTRAINT:
        return add_constraint(a, action->constraint, NULL);
    case AST_ALTER_DROP_CONSTRAINT:
        return drop_constraint(a, action);
    case AST_ALTER_SET_DEFAULT:
    case AST_ALTER_DROP_DEFAULT:
        return alter_column(a, action, ALTER_SET_DEFAULT);
    case AST_ALTER_SET_NOT_NULL:
        return alter_column(a, action, ALTER_SET_NOT_NULL);
    case AST_ALTER_DROP_NOT_NULL:
        return alter_column(a, action, ALTER_DROP_NOT_NULL);
    case AST_ALTER_SET_SCHEMA:
        FAIL_AT(bind_at(b, action->at), KDK_UNSUPPORTED, "SET SCHEMA is not supported");
    case AST_ALTER_TYPE:
        FAIL_AT(bind_at(b, action->at), KDK_UNSUPPORTED,
                "changing the type of a column is not supported");
    }
out:
    return status;
}

/* ---- objects other than tables ---- */

static kdk_status rename_index(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    const struct ast_name *name = &a->ast->name;
    const char *schema = name->count > 1 ? name->parts[0].text : NULL;
    const struct cindex *index = catver_index(b->env->catver, schema, ast_last(name)->text);
    struct bound_alter *step;
    struct ctable *t;
    if (!index && a->ast->if_exists) {
        bind_notice(b, "00000", "relation \"%s\" does not exist, skipping",
                    bind_name_text(b, name));
        return KDK_OK;
    }
    if (!index)
        FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                bind_name_text(b, name));
    if (action->kind != AST_ALTER_RENAME)
        FAIL_AT(bind_at(b, action->at), KDK_UNSUPPORTED,
                "this action is not supported for indexes");
    TRY(bind_writable(b, index->table, "alter an index of", name->at));
    TRY(bind_name_free(b, index->table->schema, action->to.text, action->to.at));
    a->real = index->table;
    a->now = index->table;
    TRY(add_step(a, ALTER_RENAME_INDEX, &step));
    step->index = index;
    step->name = action->to.text;
    TRY(next_state(a, &t));
    for (uint32_t i = 0; i < t->index_count; i++)
        if (t->indexes[i]->id == index->id && strcmp(t->indexes[i]->name, index->name) == 0)
            t->indexes[i]->name = action->to.text;
    finish(a, t);
    a->ddl->kind = DDL_ALTER;
out:
    return status;
}

static kdk_status rename_schema(struct alter *a, const struct ast_alter_action *action)
{
    kdk_status status = KDK_OK;
    struct binder *b = a->b;
    const char *name = ast_last(&a->ast->name)->text;
    struct bound_alter *step;
    if (!catver_schema_exists(b->env->catver, name))
        FAIL_AT(bind_at(b, a->ast->name.at), KDK_UNDEFINED_SCHEMA,
                "schema \"%s\" does not exist", name);
    if (action->kind != AST_ALTER_RENAME)
        FAIL_AT(bind_at(b, action->at), KDK_UNSUPPORTED,
                "this action is not supported for schemas");
    if (strncmp(name, "pg_", 3) == 0 || strcmp(name, "information_schema") == 0)
        FAIL_AT(bind_at(b, a->ast->name.at), KDK_PRIVILEGE,
                "permission denied for schema %s", name);
    if (strncmp(action->to.text, "pg_", 3) == 0)
        FAIL_AT(bind_at(b, action->to.at), KDK_RESERVED_NAME,
                "unacceptable schema name \"%s\"", action->to.text);
    if (catver_schema_exists(b->env->catver, action->to.text))
        FAIL_AT(bind_at(b, action->to.at), KDK_DUPLICATE_SCHEMA,
                "schema \"%s\" already exists", action->to.text);
    TRY(add_step(a, ALTER_RENAME_SCHEMA, &step));
    step->before = NULL;
    step->schema = name;
    step->name = action->to.text;
    a->ddl->kind = DDL_ALTER;
    struct view_change change = {
        VIEW_SCHEMA_RENAMED, NULL, NULL, 0, name, action->to.text, bind_at(b, action->at)};
    TRY(change_views(a, &change));
out:
    return status;
}

kdk_status bind_alter_table(struct binder *b, const struct ast_alter *ast,
                            struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    struct alter a = {.b = b, .ast = ast, .ddl = ddl};
    const struct ctable *table;
    const bool view = ast->object == AST_OBJECT_VIEW;

    if (ast->object == AST_OBJECT_INDEX)
        return rename_index(&a, &ast->actions[0]);
    if (ast->object == AST_OBJECT_SCHEMA)
        return rename_schema(&a, &ast->actions[0]);
    TRY(bind_table_maybe(b, &ast->name, &table));
    if (!table && ast->if_exists) {
        bind_notice(b, "00000", "relation \"%s\" does not exist, skipping",
                    bind_name_text(b, &ast->name));
        return KDK_OK;
    }
    TRY(bind_table_name(b, &ast->name, &table));
    if (view && table->kind != COBJ_VIEW)
        FAIL_AT(bind_at(b, ast->name.at), KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a view",
                table->name);
    if (table->system)
        FAIL_AT(bind_at(b, ast->name.at), KDK_PRIVILEGE,
                "permission denied: \"%s\" is a system catalog", table->name);
    for (uint32_t i = 0; table->kind == COBJ_VIEW && i < ast->count; i++)
        if (ast->actions[i].kind != AST_ALTER_RENAME)
            FAIL_AT(bind_at(b, ast->actions[i].at),
                    view ? KDK_UNSUPPORTED : KDK_WRONG_OBJECT_TYPE,
                    "this action is not supported for view \"%s\"", table->name);
    a.real = table;
    a.now = (struct ctable *)(uintptr_t)table; /* Only copied from. */
    for (uint32_t i = 0; i < ast->count; i++)
        TRY(act(&a, &ast->actions[i]));
    if (ddl->alter_count)
        ddl->kind = DDL_ALTER;
out:
    return status;
}
