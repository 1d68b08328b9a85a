/* print_stmt.c - statements as SQL text. */
#include "sql/keywords.h"
#include "sql/print_int.h"

/* A setting's or option's name, which may hold dots. Any keyword is quoted: SET "time" TO
 * is not SET TIME ZONE. */
static void print_setting(struct printer *pr, const struct ast_ident *name)
{
    bool plain = name->bytes > 0;
    size_t start = 0;

    for (size_t i = 0; i <= name->bytes && plain; i++) {
        char c = i < name->bytes ? name->text[i] : '.';
        if (c == '.') {
            plain = i > start && !keyword_find(name->text + start, i - start);
            start = i + 1;
        } else {
            plain =
                (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && i > start);
        }
    }
    if (plain) {
        print_text(pr, name->text);
    } else {
        struct ast_ident quoted = *name;
        quoted.quoted = true;
        print_ident(pr, &quoted);
    }
}

static void print_option_name(struct printer *pr, const struct ast_ident *name)
{
    if (name->quoted)
        print_setting(pr, name);
    else
        print_ident(pr, name);
}

static void print_option(struct printer *pr, const struct ast_option *o, bool equals)
{
    print_option_name(pr, &o->name);
    if (o->star)
        print_text(pr, " *");
    if (o->values.count) {
        print_text(pr, equals ? " = " : o->list ? " (" : " ");
        print_exprs(pr, o->values);
        print_text(pr, o->list ? ")" : "");
    }
}

static void print_options(struct printer *pr, struct ast_options options, bool equals)
{
    print_text(pr, "(");
    for (uint32_t i = 0; i < options.count; i++) {
        print_text(pr, i ? ", " : "");
        print_option(pr, &options.items[i], equals);
    }
    print_text(pr, ")");
}

static void print_with_options(struct printer *pr, struct ast_options options)
{
    if (options.count == 0)
        return;
    print_text(pr, " WITH ");
    print_options(pr, options, true);
}

static void print_returning(struct printer *pr, struct ast_items items)
{
    if (items.count == 0)
        return;
    print_text(pr, " RETURNING ");
    print_items(pr, items);
}

static void print_where(struct printer *pr, const struct ast_expr *where)
{
    if (!where)
        return;
    print_text(pr, " WHERE ");
    print_expr(pr, where);
}

static void print_target(struct printer *pr, const struct ast_target *t)
{
    if (t->only)
        print_text(pr, "ONLY ");
    print_name(pr, &t->name);
    if (t->alias.text) {
        print_text(pr, " AS ");
        print_ident(pr, &t->alias);
    }
}

static void print_names(struct printer *pr, const struct ast_name *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            print_text(pr, ", ");
        print_name(pr, &names[i]);
    }
}

/* ---- DML ---- */

static void print_assigns(struct printer *pr, struct ast_assigns list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        const struct ast_assign *a = &list.items[i];
        if (i)
            print_text(pr, ", ");
        if (a->row)
            print_text(pr, "(");
        print_idents(pr, a->columns);
        print_text(pr, a->row ? ") = " : " = ");
        print_expr(pr, a->source);
    }
}

static void print_conflict(struct printer *pr, const struct ast_conflict *c)
{
    if (!c)
        return;
    print_text(pr, " ON CONFLICT");
    if (c->keys.count) {
        print_text(pr, " (");
        print_sorts(pr, c->keys);
        print_text(pr, ")");
        print_where(pr, c->keys_where);
    } else if (c->constraint.text) {
        print_text(pr, " ON CONSTRAINT ");
        print_ident(pr, &c->constraint);
    }
    if (c->update) {
        print_text(pr, " DO UPDATE SET ");
        print_assigns(pr, c->set);
        print_where(pr, c->where);
    } else {
        print_text(pr, " DO NOTHING");
    }
}

static void print_stmt(struct printer *pr, const struct ast_stmt *stmt);

static void print_insert(struct printer *pr, const struct ast_insert *s)
{
    print_with(pr, s->with);
    print_text(pr, "INSERT INTO ");
    print_target(pr, &s->target);
    print_columns(pr, s->columns);
    if (s->overriding) {
        print_text(pr, " OVERRIDING ");
        print_text(pr, s->overriding);
        print_text(pr, " VALUE");
    }
    if (s->source) {
        print_text(pr, " ");
        print_query(pr, s->source);
    } else {
        print_text(pr, " DEFAULT VALUES");
    }
    print_conflict(pr, s->conflict);
    print_returning(pr, s->returning);
}

static void print_update(struct printer *pr, const struct ast_update *s)
{
    print_with(pr, s->with);
    print_text(pr, "UPDATE ");
    print_target(pr, &s->target);
    print_text(pr, " SET ");
    print_assigns(pr, s->set);
    if (s->from.count) {
        print_text(pr, " FROM ");
        print_froms(pr, s->from);
    }
    print_where(pr, s->where);
    print_returning(pr, s->returning);
}

static void print_delete(struct printer *pr, const struct ast_delete *s)
{
    print_with(pr, s->with);
    print_text(pr, "DELETE FROM ");
    print_target(pr, &s->target);
    if (s->using.count) {
        print_text(pr, " USING ");
        print_froms(pr, s->using);
    }
    print_where(pr, s->where);
    print_returning(pr, s->returning);
}

static void print_truncate(struct printer *pr, const struct ast_truncate *s)
{
    print_text(pr, s->only ? "TRUNCATE TABLE ONLY " : "TRUNCATE TABLE ");
    print_names(pr, s->names, s->count);
    print_text(pr, s->restart_identity ? " RESTART IDENTITY" : "");
    print_text(pr, s->cascade ? " CASCADE" : "");
}

/* ---- DDL ---- */

static void print_references(struct printer *pr, const struct ast_constraint *c)
{
    print_text(pr, "REFERENCES ");
    print_name(pr, &c->parent);
    print_columns(pr, c->parent_columns);
    if (c->match) {
        print_text(pr, " MATCH ");
        print_text(pr, c->match);
    }
    if (c->on_delete) {
        print_text(pr, " ON DELETE ");
        print_text(pr, c->on_delete);
    }
    if (c->on_update) {
        print_text(pr, " ON UPDATE ");
        print_text(pr, c->on_update);
    }
}

static void print_key(struct printer *pr, const struct ast_constraint *c, const char *word)
{
    print_text(pr, word);
    if (c->nulls_not_distinct)
        print_text(pr, " NULLS NOT DISTINCT");
    print_columns(pr, c->columns);
    if (c->include.count) {
        print_text(pr, " INCLUDE");
        print_columns(pr, c->include);
    }
    print_with_options(pr, c->with);
}

static void print_generated(struct printer *pr, const struct ast_constraint *c)
{
    print_text(pr, c->always ? "GENERATED ALWAYS AS " : "GENERATED BY DEFAULT AS ");
    if (c->identity) {
        print_text(pr, "IDENTITY");
    } else {
        print_text(pr, "(");
        print_expr(pr, c->expr);
        print_text(pr, ") STORED");
    }
}

static void print_constraint(struct printer *pr, const struct ast_constraint *c)
{
    if (c->name.text) {
        print_text(pr, "CONSTRAINT ");
        print_ident(pr, &c->name);
        print_text(pr, " ");
    }
    switch ((enum ast_constraint_kind)c->kind) {
    case AST_CON_NOT_NULL:
        print_text(pr, "NOT NULL");
        break;
    case AST_CON_NULL:
        print_text(pr, "NULL");
        break;
    case AST_CON_DEFAULT:
        print_text(pr, "DEFAULT ");
        print_narrow(pr, c->expr);
        break;
    case AST_CON_PRIMARY_KEY:
        print_key(pr, c, "PRIMARY KEY");
        break;
    case AST_CON_UNIQUE:
        print_key(pr, c, "UNIQUE");
        break;
    case AST_CON_CHECK:
        print_text(pr, "CHECK (");
        print_expr(pr, c->expr);
        print_text(pr, ")");
        break;
    case AST_CON_REFERENCES:
        if (c->columns.count) {
            print_text(pr, "FOREIGN KEY");
            print_columns(pr, c->columns);
            print_text(pr, " ");
        }
        print_references(pr, c);
        break;
    case AST_CON_GENERATED:
        print_generated(pr, c);
        break;
    }
    print_text(pr, c->deferrable ? " DEFERRABLE" : "");
    print_text(pr, c->initially_deferred ? " INITIALLY DEFERRED" : "");
    print_text(pr, c->not_valid ? " NOT VALID" : "");
    print_text(pr, c->no_inherit ? " NO INHERIT" : "");
}

static void print_column(struct printer *pr, const struct ast_column *column)
{
    print_ident(pr, &column->name);
    print_text(pr, " ");
    print_type(pr, column->type);
    if (column->collation.count) {
        print_text(pr, " COLLATE ");
        print_name(pr, &column->collation);
    }
    for (uint32_t i = 0; i < column->constraints.count; i++) {
        print_text(pr, " ");
        print_constraint(pr, column->constraints.items[i]);
    }
}

static void print_create_table(struct printer *pr, const struct ast_create_table *s)
{
    const char *gap = "";

    print_text(pr, s->replace ? "CREATE OR REPLACE " : "CREATE ");
    print_text(pr, s->temp ? "TEMP " : "");
    print_text(pr, s->unlogged ? "UNLOGGED " : "");
    print_text(pr, s->if_not_exists ? "TABLE IF NOT EXISTS " : "TABLE ");
    print_name(pr, &s->name);
    if (s->as) {
        print_columns(pr, s->as_names);
    } else {
        print_text(pr, " (");
        for (uint32_t i = 0; i < s->column_count; i++) {
            print_text(pr, gap);
            print_column(pr, &s->columns[i]);
            gap = ", ";
        }
        for (uint32_t i = 0; i < s->constraints.count; i++) {
            print_text(pr, gap);
            print_constraint(pr, s->constraints.items[i]);
            gap = ", ";
        }
        print_text(pr, ")");
    }
    print_with_options(pr, s->with);
    if (s->on_commit) {
        print_text(pr, " ON COMMIT ");
        print_text(pr, s->on_commit);
    }
    if (s->as) {
        print_text(pr, " AS ");
        print_query(pr, s->as);
        print_text(pr, s->with_no_data ? " WITH NO DATA" : "");
    }
}

static void print_create_view(struct printer *pr, const struct ast_create_view *s)
{
    print_text(pr, s->replace ? "CREATE OR REPLACE " : "CREATE ");
    print_text(pr, s->temp ? "TEMP " : "");
    print_text(pr, s->recursive ? "RECURSIVE " : "");
    print_text(pr, s->if_not_exists ? "VIEW IF NOT EXISTS " : "VIEW ");
    print_name(pr, &s->name);
    print_columns(pr, s->columns);
    print_with_options(pr, s->with);
    print_text(pr, " AS ");
    print_query(pr, s->query);
    if (s->check_option) {
        print_text(pr, " WITH ");
        print_text(pr, s->check_option);
        print_text(pr, " CHECK OPTION");
    }
}

static void print_index_key(struct printer *pr, const struct ast_sort *key)
{
    const struct ast_expr *e = key->expr;
    const struct ast_expr *inside = e->kind == AST_COLLATE ? e->collate.arg : e;

    if (inside->kind == AST_COLUMN || inside->kind == AST_CALL) {
        print_expr(pr, inside);
    } else {
        print_text(pr, "(");
        print_expr(pr, inside);
        print_text(pr, ")");
    }
    if (inside != e) {
        print_text(pr, " COLLATE ");
        print_name(pr, &e->collate.name);
    }
    print_sort_tail(pr, key);
}

static void print_create_index(struct printer *pr, const struct ast_create_index *s)
{
    print_text(pr, s->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    print_text(pr, s->concurrently ? "CONCURRENTLY " : "");
    print_text(pr, s->if_not_exists ? "IF NOT EXISTS " : "");
    if (s->name.text) {
        print_ident(pr, &s->name);
        print_text(pr, " ");
    }
    print_text(pr, s->only ? "ON ONLY " : "ON ");
    print_name(pr, &s->table);
    if (s->method.text) {
        print_text(pr, " USING ");
        print_ident(pr, &s->method);
    }
    print_text(pr, " (");
    for (uint32_t i = 0; i < s->keys.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_index_key(pr, &s->keys.items[i]);
    }
    print_text(pr, ")");
    if (s->include.count) {
        print_text(pr, " INCLUDE");
        print_columns(pr, s->include);
    }
    print_text(pr, s->nulls_not_distinct ? " NULLS NOT DISTINCT" : "");
    print_with_options(pr, s->with);
    print_where(pr, s->where);
}

static void print_create_schema(struct printer *pr, const struct ast_create_schema *s)
{
    print_text(pr, s->if_not_exists ? "CREATE SCHEMA IF NOT EXISTS" : "CREATE SCHEMA");
    if (s->name.text) {
        print_text(pr, " ");
        print_ident(pr, &s->name);
    }
    if (s->owner.text) {
        print_text(pr, " AUTHORIZATION ");
        print_ident(pr, &s->owner);
    }
}

static void print_drop(struct printer *pr, const struct ast_drop *s)
{
    print_text(pr, "DROP ");
    print_text(pr, ast_object_text((enum ast_object)s->object));
    print_text(pr, s->concurrently ? " CONCURRENTLY" : "");
    print_text(pr, s->if_exists ? " IF EXISTS " : " ");
    print_names(pr, s->names, s->count);
    print_text(pr, s->cascade ? " CASCADE" : "");
}

static void print_alter_column(struct printer *pr, const struct ast_alter_action *a,
                               const char *change)
{
    print_text(pr, "ALTER COLUMN ");
    print_ident(pr, &a->column);
    print_text(pr, change);
}

static void print_alter_drop(struct printer *pr, const struct ast_alter_action *a,
                             const char *what)
{
    print_text(pr, what);
    print_text(pr, a->if_exists ? "IF EXISTS " : "");
    print_ident(pr, &a->column);
    print_text(pr, a->cascade ? " CASCADE" : "");
}

static void print_alter_rename(struct printer *pr, const struct ast_alter_action *a,
                               const char *what)
{
    print_text(pr, what);
    if (a->column.text) {
        print_ident(pr, &a->column);
        print_text(pr, " TO ");
    }
    print_ident(pr, &a->to);
}

static void print_alter_action(struct printer *pr, const struct ast_alter_action *a)
{
    switch ((enum ast_alter_kind)a->kind) {
    case AST_ALTER_RENAME:
        print_alter_rename(pr, a, "RENAME TO ");
        break;
    case AST_ALTER_SET_SCHEMA:
        print_alter_rename(pr, a, "SET SCHEMA ");
        break;
    case AST_ALTER_RENAME_COLUMN:
        print_alter_rename(pr, a, "RENAME COLUMN ");
        break;
    case AST_ALTER_RENAME_CONSTRAINT:
        print_alter_rename(pr, a, "RENAME CONSTRAINT ");
        break;
    case AST_ALTER_ADD_COLUMN:
        print_text(pr, a->if_not_exists ? "ADD COLUMN IF NOT EXISTS " : "ADD COLUMN ");
        print_column(pr, a->add);
        break;
    case AST_ALTER_DROP_COLUMN:
        print_alter_drop(pr, a, "DROP COLUMN ");
        break;
    case AST_ALTER_ADD_CONSTRAINT:
        print_text(pr, "ADD ");
        print_constraint(pr, a->constraint);
        break;
    case AST_ALTER_DROP_CONSTRAINT:
        print_alter_drop(pr, a, "DROP CONSTRAINT ");
        break;
    case AST_ALTER_SET_DEFAULT:
        print_alter_column(pr, a, " SET DEFAULT ");
        print_expr(pr, a->expr);
        break;
    case AST_ALTER_DROP_DEFAULT:
        print_alter_column(pr, a, " DROP DEFAULT");
        break;
    case AST_ALTER_SET_NOT_NULL:
        print_alter_column(pr, a, " SET NOT NULL");
        break;
    case AST_ALTER_DROP_NOT_NULL:
        print_alter_column(pr, a, " DROP NOT NULL");
        break;
    case AST_ALTER_TYPE:
        print_alter_column(pr, a, " TYPE ");
        print_type(pr, a->type);
        if (a->collation.count) {
            print_text(pr, " COLLATE ");
            print_name(pr, &a->collation);
        }
        if (a->expr) {
            print_text(pr, " USING ");
            print_expr(pr, a->expr);
        }
        break;
    }
}

static void print_alter(struct printer *pr, const struct ast_alter *s)
{
    print_text(pr, "ALTER ");
    print_text(pr, ast_object_text((enum ast_object)s->object));
    print_text(pr, s->if_exists ? " IF EXISTS " : " ");
    print_text(pr, s->only ? "ONLY " : "");
    print_name(pr, &s->name);
    for (uint32_t i = 0; i < s->count; i++) {
        print_text(pr, i ? ", " : " ");
        print_alter_action(pr, &s->actions[i]);
    }
}

static void print_reindex(struct printer *pr, const struct ast_reindex *s)
{
    print_text(pr, "REINDEX ");
    print_text(pr, s->object);
    print_text(pr, s->concurrently ? " CONCURRENTLY" : "");
    print_text(pr, s->name.count ? " " : "");
    print_name(pr, &s->name);
}

/* ---- the rest ---- */

static void print_transaction(struct printer *pr, const struct ast_transaction *t)
{
    static const char *const verbs[] = {
        [AST_TXN_BEGIN] = "BEGIN",
        [AST_TXN_COMMIT] = "COMMIT",
        [AST_TXN_ROLLBACK] = "ROLLBACK",
        [AST_TXN_SAVEPOINT] = "SAVEPOINT ",
        [AST_TXN_RELEASE] = "RELEASE SAVEPOINT ",
        [AST_TXN_ROLLBACK_TO] = "ROLLBACK TO SAVEPOINT ",
        [AST_TXN_SET] = "SET TRANSACTION",
        [AST_TXN_SET_SESSION] = "SET SESSION CHARACTERISTICS AS TRANSACTION",
    };
    static const char *const levels[] = {
        [AST_ISOLATION_DEFAULT] = "",
        [AST_ISOLATION_READ_UNCOMMITTED] = " ISOLATION LEVEL READ UNCOMMITTED",
        [AST_ISOLATION_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [AST_ISOLATION_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [AST_ISOLATION_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };

    print_text(pr, verbs[t->kind]);
    if (t->savepoint.text)
        print_ident(pr, &t->savepoint);
    print_text(pr, levels[t->isolation]);
    if (t->read_only >= 0)
        print_text(pr, t->read_only ? " READ ONLY" : " READ WRITE");
    if (t->deferrable >= 0)
        print_text(pr, t->deferrable ? " DEFERRABLE" : " NOT DEFERRABLE");
    print_text(pr, t->chain ? " AND CHAIN" : "");
}

static void print_explain(struct printer *pr, const struct ast_explain *s)
{
    bool list = s->options.count > 0;
    const char *gap = list ? ", " : " ";

    print_text(pr, list ? "EXPLAIN (" : "EXPLAIN ");
    if (s->analyze) {
        print_text(pr, "ANALYZE");
        print_text(pr, gap);
    }
    if (s->verbose) {
        print_text(pr, "VERBOSE");
        print_text(pr, gap);
    }
    for (uint32_t i = 0; i < s->options.count; i++) {
        print_text(pr, i ? ", " : "");
        print_option(pr, &s->options.items[i], false);
    }
    print_text(pr, list ? ") " : "");
    print_stmt(pr, s->stmt);
}

static void print_prepare(struct printer *pr, const struct ast_prepare *s)
{
    print_text(pr, "PREPARE ");
    print_ident(pr, &s->name);
    for (uint32_t i = 0; i < s->type_count; i++) {
        print_text(pr, i ? ", " : " (");
        print_type(pr, s->types[i]);
    }
    print_text(pr, s->type_count ? ") AS " : " AS ");
    print_stmt(pr, s->stmt);
}

static void print_execute(struct printer *pr, const struct ast_execute *s)
{
    print_text(pr, "EXECUTE ");
    print_ident(pr, &s->name);
    if (s->args.count) {
        print_text(pr, " (");
        print_exprs(pr, s->args);
        print_text(pr, ")");
    }
}

static void print_set(struct printer *pr, const struct ast_set *s)
{
    bool zone = s->values.count == 1 && s->values.items[0]->kind == AST_CAST;

    if (s->reset && !s->local) {
        print_text(pr, "RESET ");
        if (s->name.text)
            print_setting(pr, &s->name);
        else
            print_text(pr, "ALL");
        return;
    }
    print_text(pr, s->local ? "SET LOCAL " : "SET ");
    if (zone)
        print_text(pr, "TIME ZONE ");
    else
        print_setting(pr, &s->name);
    if (!zone)
        print_text(pr, s->reset ? " TO DEFAULT" : " TO ");
    print_exprs(pr, s->values);
}

static void print_copy(struct printer *pr, const struct ast_copy *s)
{
    print_text(pr, "COPY ");
    if (s->query) {
        print_text(pr, "(");
        print_query(pr, s->query);
        print_text(pr, ")");
    } else {
        print_name(pr, &s->name);
        print_columns(pr, s->columns);
    }
    print_text(pr, s->to ? " TO " : " FROM ");
    if (s->end == AST_COPY_STDIO) {
        print_text(pr, s->to ? "STDOUT" : "STDIN");
    } else {
        print_text(pr, s->end == AST_COPY_PROGRAM ? "PROGRAM " : "");
        print_string(pr, s->file, strlen(s->file));
    }
    if (s->options.count) {
        print_text(pr, " WITH ");
        print_options(pr, s->options, false);
    }
    print_where(pr, s->where);
}

static void print_maintenance(struct printer *pr, const struct ast_name *name,
                              struct ast_idents columns)
{
    if (name->count) {
        print_text(pr, " ");
        print_name(pr, name);
        print_columns(pr, columns);
    }
}

static void print_stmt(struct printer *pr, const struct ast_stmt *stmt)
{
    switch (stmt->kind) {
    case AST_STMT_QUERY:
        print_query(pr, stmt->query);
        break;
    case AST_STMT_INSERT:
        print_insert(pr, stmt->insert);
        break;
    case AST_STMT_UPDATE:
        print_update(pr, stmt->update);
        break;
    case AST_STMT_DELETE:
        print_delete(pr, stmt->delete);
        break;
    case AST_STMT_TRUNCATE:
        print_truncate(pr, stmt->truncate);
        break;
    case AST_STMT_CREATE_TABLE:
        print_create_table(pr, stmt->create_table);
        break;
    case AST_STMT_CREATE_VIEW:
        print_create_view(pr, stmt->create_view);
        break;
    case AST_STMT_CREATE_INDEX:
        print_create_index(pr, stmt->create_index);
        break;
    case AST_STMT_CREATE_SCHEMA:
        print_create_schema(pr, stmt->create_schema);
        break;
    case AST_STMT_DROP:
        print_drop(pr, stmt->drop);
        break;
    case AST_STMT_ALTER:
        print_alter(pr, stmt->alter);
        break;
    case AST_STMT_REINDEX:
        print_reindex(pr, stmt->reindex);
        break;
    case AST_STMT_TRANSACTION:
        print_transaction(pr, stmt->transaction);
        break;
    case AST_STMT_EXPLAIN:
        print_explain(pr, stmt->explain);
        break;
    case AST_STMT_PREPARE:
        print_prepare(pr, stmt->prepare);
        break;
    case AST_STMT_EXECUTE:
        print_execute(pr, stmt->execute);
        break;
    case AST_STMT_DEALLOCATE:
        print_text(pr, "DEALLOCATE ");
        if (stmt->deallocate->name.text)
            print_ident(pr, &stmt->deallocate->name);
        else
            print_text(pr, "ALL");
        break;
    case AST_STMT_SET:
        print_set(pr, stmt->set);
        break;
    case AST_STMT_SHOW:
        print_text(pr, "SHOW ");
        if (stmt->show->name.text)
            print_setting(pr, &stmt->show->name);
        else
            print_text(pr, "ALL");
        break;
    case AST_STMT_COPY:
        print_copy(pr, stmt->copy);
        break;
    case AST_STMT_CHECKPOINT:
        print_text(pr, stmt->checkpoint->freeze ? "CHECKPOINT FREEZE" : "CHECKPOINT");
        print_maintenance(pr, &stmt->checkpoint->name, (struct ast_idents){0});
        break;
    case AST_STMT_ANALYZE:
        print_text(pr, stmt->analyze->verbose ? "ANALYZE VERBOSE" : "ANALYZE");
        print_maintenance(pr, &stmt->analyze->name, stmt->analyze->columns);
        break;
    case AST_STMT_VACUUM:
        print_text(pr, "VACUUM");
        if (stmt->vacuum->options.count) {
            print_text(pr, " ");
            print_options(pr, stmt->vacuum->options, false);
        }
        print_maintenance(pr, &stmt->vacuum->name, stmt->vacuum->columns);
        break;
    case AST_STMT_COUNT:
        break;
    }
}

kdk_status ast_print_stmt(const struct ast_stmt *stmt, enum ast_print how, struct buf *out,
                          struct err *err)
{
    struct printer pr = {out, how};

    print_stmt(&pr, stmt);
    return buf_status(out, err);
}
