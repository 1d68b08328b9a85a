/* ddl.c - CREATE, DROP, ALTER. */
#include "sql/parse_int.h"

static bool take_if_exists(struct parser *p)
{
    return take_words(p, KW_IF, KW_EXISTS);
}

static bool take_if_not_exists(struct parser *p)
{
    if (!at_word(p, KW_IF) || !then_word(p, KW_NOT) || parse_peek(p, 2)->word != KW_EXISTS)
        return false;
    parse_next(p);
    parse_next(p);
    parse_next(p);
    return true;
}

/* ---- constraints ---- */

static kdk_status parse_with_options(struct parser *p, struct ast_options *out)
{
    return at_word(p, KW_WITH) && then_kind(p, '(')
               ? (parse_next(p), parse_options(p, true, out))
               : KDK_OK;
}

static kdk_status parse_reference_action(struct parser *p, const char **out)
{
    if (take_words(p, KW_NO, KW_ACTION))
        *out = "no action";
    else if (take_word(p, KW_RESTRICT))
        *out = "restrict";
    else if (take_word(p, KW_CASCADE))
        *out = "cascade";
    else if (take_words(p, KW_SET, KW_NULL))
        *out = "set null";
    else if (take_words(p, KW_SET, KW_DEFAULT))
        *out = "set default";
    else
        return parse_syntax(p);
    return KDK_OK;
}

/* Behind REFERENCES. */
static kdk_status parse_references(struct parser *p, struct ast_constraint *c)
{
    kdk_status status = KDK_OK;

    c->kind = AST_CON_REFERENCES;
    TRY(parse_table_name(p, &c->parent));
    if (at_kind(p, '('))
        TRY(parse_name_list(p, &c->parent_columns));
    if (take_word(p, KW_MATCH)) {
        c->match = at_word(p, KW_FULL)      ? "full"
                   : at_word(p, KW_PARTIAL) ? "partial"
                                            : "simple";
        if (!take_word(p, KW_FULL) && !take_word(p, KW_PARTIAL))
            TRY(need_word(p, KW_SIMPLE));
    }
    for (;;) {
        if (take_words(p, KW_ON, KW_DELETE))
            TRY(parse_reference_action(p, &c->on_delete));
        else if (take_words(p, KW_ON, KW_UPDATE))
            TRY(parse_reference_action(p, &c->on_update));
        else
            break;
    }
out:
    return status;
}

/* [NOT] DEFERRABLE, INITIALLY .., NOT VALID, NO INHERIT */
static void parse_constraint_tail(struct parser *p, struct ast_constraint *c)
{
    for (;;) {
        if (take_word(p, KW_DEFERRABLE))
            c->deferrable = true;
        else if (take_words(p, KW_INITIALLY, KW_DEFERRED))
            c->initially_deferred = true;
        else if (take_words(p, KW_NOT, KW_VALID))
            c->not_valid = true;
        else if (take_words(p, KW_NO, KW_INHERIT))
            c->no_inherit = true;
        else if (!take_words(p, KW_NOT, KW_DEFERRABLE) &&
                 !take_words(p, KW_INITIALLY, KW_IMMEDIATE))
            return;
    }
}

/* Behind PRIMARY KEY or UNIQUE and, for a table, the columns. */
static kdk_status parse_key_tail(struct parser *p, struct ast_constraint *c)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_INCLUDE))
        TRY(parse_name_list(p, &c->include));
    TRY(parse_with_options(p, &c->with));
    if (take_words(p, KW_USING, KW_INDEX)) {
        TRY(need_word(p, KW_TABLESPACE));
        TRY(parse_unsupported(p, now(p)->at, "a tablespace"));
    }
out:
    return status;
}

static bool take_nulls_distinct(struct parser *p)
{
    if (at_word(p, KW_NULLS) && then_word(p, KW_NOT)) {
        parse_next(p);
        parse_next(p);
        return take_word(p, KW_DISTINCT);
    }
    take_words(p, KW_NULLS, KW_DISTINCT);
    return false;
}

/* Behind CHECK. */
static kdk_status parse_check(struct parser *p, struct ast_constraint *c)
{
    kdk_status status = KDK_OK;

    c->kind = AST_CON_CHECK;
    TRY(need_kind(p, '('));
    TRY(parse_expr(p, &c->expr));
    TRY(need_kind(p, ')'));
out:
    return status;
}

/* GENERATED ALWAYS AS (e) STORED, GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(options)] */
static kdk_status parse_generated(struct parser *p, struct ast_constraint *c)
{
    kdk_status status = KDK_OK;

    c->kind = AST_CON_GENERATED;
    c->always = take_word(p, KW_ALWAYS);
    if (!c->always && !take_words(p, KW_BY, KW_DEFAULT))
        TRY(parse_syntax(p));
    TRY(need_word(p, KW_AS));
    if (take_word(p, KW_IDENTITY)) {
        c->identity = true;
        if (at_kind(p, '('))
            TRY(parse_unsupported(p, now(p)->at, "an identity column's sequence option"));
    } else {
        TRY(need_kind(p, '('));
        TRY(parse_expr(p, &c->expr));
        TRY(need_kind(p, ')'));
        TRY(need_word(p, KW_STORED));
    }
out:
    return status;
}

/* CONSTRAINT name, if there. */
static kdk_status parse_constraint_name(struct parser *p, struct ast_constraint *c)
{
    c->at = now(p)->at;
    return take_word(p, KW_CONSTRAINT) ? parse_ident(p, NAME_COLUMN, &c->name) : KDK_OK;
}

/* One constraint of a column; *out is NULL if none begins here. */
static kdk_status parse_column_constraint(struct parser *p, struct ast_constraint **out)
{
    kdk_status status = KDK_OK;
    struct ast_constraint *c;

    *out = NULL;
    TRY_NEW(c = NEW(struct ast_constraint));
    TRY(parse_constraint_name(p, c));
    if (take_words(p, KW_NOT, KW_NULL)) {
        c->kind = AST_CON_NOT_NULL;
    } else if (take_word(p, KW_NULL)) {
        c->kind = AST_CON_NULL;
    } else if (take_word(p, KW_DEFAULT)) {
        c->kind = AST_CON_DEFAULT;
        TRY(parse_narrow_expr(p, &c->expr));
    } else if (take_words(p, KW_PRIMARY, KW_KEY)) {
        c->kind = AST_CON_PRIMARY_KEY;
        TRY(parse_key_tail(p, c));
    } else if (take_word(p, KW_UNIQUE)) {
        c->kind = AST_CON_UNIQUE;
        c->nulls_not_distinct = take_nulls_distinct(p);
        TRY(parse_key_tail(p, c));
    } else if (take_word(p, KW_CHECK)) {
        TRY(parse_check(p, c));
    } else if (take_word(p, KW_REFERENCES)) {
        TRY(parse_references(p, c));
    } else if (take_word(p, KW_GENERATED)) {
        TRY(parse_generated(p, c));
    } else if (c->name.text) {
        TRY(parse_syntax(p));
    } else {
        return KDK_OK;
    }
    parse_constraint_tail(p, c);
    *out = c;
out:
    return status;
}

static bool at_table_constraint(struct parser *p)
{
    switch ((unsigned)now(p)->word) {
    case KW_CONSTRAINT:
    case KW_PRIMARY:
    case KW_UNIQUE:
    case KW_CHECK:
    case KW_FOREIGN:
        return true;
    case KW_EXCLUDE:
        /* An unreserved word: EXCLUDE (..) or EXCLUDE USING .., else a column. */
        return then_kind(p, '(') || then_word(p, KW_USING);
    default:
        return false;
    }
}

static kdk_status parse_table_constraint(struct parser *p, struct ast_constraint **out)
{
    kdk_status status = KDK_OK;
    struct ast_constraint *c;

    TRY_NEW(c = NEW(struct ast_constraint));
    TRY(parse_constraint_name(p, c));
    if (at_word(p, KW_PRIMARY) || at_word(p, KW_UNIQUE)) {
        if (take_word(p, KW_UNIQUE)) {
            c->kind = AST_CON_UNIQUE;
            c->nulls_not_distinct = take_nulls_distinct(p);
        } else {
            c->kind = AST_CON_PRIMARY_KEY;
            parse_next(p);
            TRY(need_word(p, KW_KEY));
        }
        if (at_word(p, KW_USING))
            TRY(parse_unsupported(p, now(p)->at, "a constraint using an index"));
        TRY(parse_name_list(p, &c->columns));
        TRY(parse_key_tail(p, c));
    } else if (take_word(p, KW_CHECK)) {
        TRY(parse_check(p, c));
    } else if (take_words(p, KW_FOREIGN, KW_KEY)) {
        TRY(parse_name_list(p, &c->columns));
        TRY(need_word(p, KW_REFERENCES));
        TRY(parse_references(p, c));
    } else if (at_word(p, KW_EXCLUDE)) {
        TRY(parse_unsupported(p, now(p)->at, "an exclusion constraint"));
    } else {
        TRY(parse_syntax(p));
    }
    parse_constraint_tail(p, c);
    *out = c;
out:
    return status;
}

static kdk_status parse_column(struct parser *p, struct ast_column *column)
{
    kdk_status status = KDK_OK;

    *column = (struct ast_column){0};
    TRY(parse_ident(p, NAME_COLUMN, &column->name));
    TRY(parse_type(p, &column->type));
    for (;;) {
        struct ast_constraint *c;
        if (take_word(p, KW_COLLATE)) {
            TRY(parse_name(p, NAME_COLUMN, 3, &column->collation));
            continue;
        }
        TRY(parse_column_constraint(p, &c));
        if (!c)
            break;
        LIST_ADD(column->constraints.items, column->constraints.count, c);
    }
out:
    return status;
}

/* ---- CREATE ---- */

/* Words behind CREATE [OR REPLACE], taken in any order. */
struct create_flags {
    bool replace, temp, unlogged, unique, recursive;
};

static kdk_status parse_table_elements(struct parser *p, struct ast_create_table *s)
{
    kdk_status status = KDK_OK;

    TRY(need_kind(p, '('));
    if (take_kind(p, ')'))
        return KDK_OK;
    do {
        if (at_table_constraint(p)) {
            struct ast_constraint *c;
            TRY(parse_table_constraint(p, &c));
            LIST_ADD(s->constraints.items, s->constraints.count, c);
        } else if (at_word(p, KW_LIKE)) {
            TRY(parse_unsupported(p, now(p)->at, "CREATE TABLE (LIKE ..)"));
        } else {
            struct ast_column column;
            TRY(parse_column(p, &column));
            LIST_ADD(s->columns, s->column_count, column);
        }
    } while (take_kind(p, ','));
    TRY(need_kind(p, ')'));
out:
    return status;
}

/* Whether `(` begins the name list of CREATE TABLE t (a, b) AS: a name and then `,` or
 * `)`. */
static bool at_name_list(struct parser *p)
{
    const struct token *name = parse_peek(p, 1), *then = parse_peek(p, 2);

    return at_kind(p, '(') && token_is_name(name, NAME_COLUMN) &&
           (then->kind == ',' || then->kind == ')');
}

static kdk_status parse_create_table(struct parser *p, const struct create_flags *flags,
                                     struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_create_table *s;
    bool elements = false;

    stmt->kind = AST_STMT_CREATE_TABLE;
    TRY_NEW(s = stmt->create_table = NEW(struct ast_create_table));
    s->replace = flags->replace;
    s->temp = flags->temp;
    s->unlogged = flags->unlogged;
    s->if_not_exists = take_if_not_exists(p);
    TRY(parse_table_name(p, &s->name));
    if (at_name_list(p)) {
        TRY(parse_name_list(p, &s->as_names));
    } else if (at_kind(p, '(')) {
        elements = true;
        TRY(parse_table_elements(p, s));
    }
    if (at_word(p, KW_INHERITS))
        TRY(parse_unsupported(p, now(p)->at, "INHERITS"));
    if (at_word(p, KW_PARTITION))
        TRY(parse_unsupported(p, now(p)->at, "a partitioned table"));
    if (at_word(p, KW_OF))
        TRY(parse_unsupported(p, now(p)->at, "a typed table"));
    if (at_word(p, KW_USING))
        TRY(parse_unsupported(p, now(p)->at, "a table access method"));
    TRY(parse_with_options(p, &s->with));
    take_words(p, KW_WITHOUT, KW_OIDS);
    if (take_words(p, KW_ON, KW_COMMIT)) {
        if (take_words(p, KW_PRESERVE, KW_ROWS))
            s->on_commit = "preserve rows";
        else if (take_words(p, KW_DELETE, KW_ROWS))
            s->on_commit = "delete rows";
        else if (take_word(p, KW_DROP))
            s->on_commit = "drop";
        else
            TRY(parse_syntax(p));
    }
    if (at_word(p, KW_TABLESPACE))
        TRY(parse_unsupported(p, now(p)->at, "a tablespace"));
    if (elements)
        return KDK_OK;
    TRY(need_word(p, KW_AS));
    if (at_word(p, KW_EXECUTE))
        TRY(parse_unsupported(p, now(p)->at, "CREATE TABLE AS EXECUTE"));
    TRY(parse_query(p, &s->as));
    if (take_words(p, KW_WITH, KW_NO)) {
        TRY(need_word(p, KW_DATA));
        s->with_no_data = true;
    } else {
        take_words(p, KW_WITH, KW_DATA);
    }
out:
    return status;
}

static kdk_status parse_create_view(struct parser *p, const struct create_flags *flags,
                                    struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_create_view *s;

    stmt->kind = AST_STMT_CREATE_VIEW;
    TRY_NEW(s = stmt->create_view = NEW(struct ast_create_view));
    s->replace = flags->replace;
    s->temp = flags->temp;
    s->recursive = flags->recursive;
    s->if_not_exists = take_if_not_exists(p);
    TRY(parse_table_name(p, &s->name));
    if (at_kind(p, '('))
        TRY(parse_name_list(p, &s->columns));
    TRY(parse_with_options(p, &s->with));
    TRY(need_word(p, KW_AS));
    TRY(parse_query(p, &s->query));
    if (take_word(p, KW_WITH)) {
        s->check_option = take_word(p, KW_LOCAL) ? "local" : "cascaded";
        if (s->check_option[0] == 'c')
            take_word(p, KW_CASCADED);
        TRY(need_word(p, KW_CHECK));
        TRY(need_word(p, KW_OPTION));
    }
out:
    return status;
}

/* col | f(x) | (expr), [COLLATE c] [ASC|DESC] [NULLS ..] */
static kdk_status parse_index_key(struct parser *p, struct ast_sort *key)
{
    kdk_status status = KDK_OK;

    TRY(parse_level(p, LEVEL_COLLATE, true, &key->expr));
    if (at_word(p, KW_COLLATE)) {
        struct ast_expr *collate;
        TRY_NEW(collate = parse_new(p, AST_COLLATE, now(p)->at));
        parse_next(p);
        collate->collate.arg = key->expr;
        TRY(parse_name(p, NAME_COLUMN, 3, &collate->collate.name));
        TRY(parse_done(p, collate));
        key->expr = collate;
    }
    if (!at_word(p, KW_ASC) && !at_word(p, KW_DESC) && !at_word(p, KW_NULLS) &&
        (at_kind(p, TOK_WORD) || at_kind(p, TOK_QUOTED)))
        TRY(parse_unsupported(p, now(p)->at, "an operator class"));
    TRY(parse_sort_tail(p, key));
out:
    return status;
}

static kdk_status parse_create_index(struct parser *p, const struct create_flags *flags,
                                     struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_create_index *s;

    stmt->kind = AST_STMT_CREATE_INDEX;
    TRY_NEW(s = stmt->create_index = NEW(struct ast_create_index));
    s->unique = flags->unique;
    s->concurrently = take_word(p, KW_CONCURRENTLY);
    s->if_not_exists = take_if_not_exists(p);
    if (!at_word(p, KW_ON))
        TRY(parse_ident(p, NAME_COLUMN, &s->name));
    TRY(need_word(p, KW_ON));
    s->only = take_word(p, KW_ONLY);
    TRY(parse_table_name(p, &s->table));
    if (take_word(p, KW_USING))
        TRY(parse_ident(p, NAME_COLUMN, &s->method));
    TRY(need_kind(p, '('));
    do {
        struct ast_sort key = {0};
        TRY(parse_index_key(p, &key));
        LIST_ADD(s->keys.items, s->keys.count, key);
    } while (take_kind(p, ','));
    TRY(need_kind(p, ')'));
    if (take_word(p, KW_INCLUDE))
        TRY(parse_name_list(p, &s->include));
    s->nulls_not_distinct = take_nulls_distinct(p);
    TRY(parse_with_options(p, &s->with));
    if (at_word(p, KW_TABLESPACE))
        TRY(parse_unsupported(p, now(p)->at, "a tablespace"));
    if (take_word(p, KW_WHERE))
        TRY(parse_expr(p, &s->where));
out:
    return status;
}

static kdk_status parse_create_schema(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_create_schema *s;

    stmt->kind = AST_STMT_CREATE_SCHEMA;
    TRY_NEW(s = stmt->create_schema = NEW(struct ast_create_schema));
    s->if_not_exists = take_if_not_exists(p);
    if (!at_word(p, KW_AUTHORIZATION))
        TRY(parse_ident(p, NAME_COLUMN, &s->name));
    if (take_word(p, KW_AUTHORIZATION))
        TRY(parse_ident(p, NAME_LABEL, &s->owner));
    if (at_word(p, KW_CREATE))
        TRY(parse_unsupported(p, now(p)->at, "CREATE SCHEMA with elements"));
out:
    return status;
}

/* `CREATE TRIGGER is not supported`: the verb and the words of the object's kind. A word
 * that is no keyword names no kind, and is an error of syntax. */
static kdk_status unsupported_object(struct parser *p, uint32_t at, const char *verb)
{
    char feature[64] = "";
    size_t n = 0;

    for (; n < 16 && verb[n]; n++)
        feature[n] = verb[n];
    if (now(p)->word == KW_0)
        return parse_syntax(p);
    switch ((unsigned)now(p)->word) {
    case KW_ACCESS:
    case KW_AGGREGATE:
    case KW_ASSERTION:
    case KW_CAST:
    case KW_COLLATION:
    case KW_CONSTRAINT:
    case KW_CONVERSION:
    case KW_DATABASE:
    case KW_DEFAULT:
    case KW_DOMAIN:
    case KW_EVENT:
    case KW_EXTENSION:
    case KW_FOREIGN:
    case KW_FUNCTION:
    case KW_GLOBAL:
    case KW_GROUP:
    case KW_INDEX:
    case KW_LANGUAGE:
    case KW_LARGE:
    case KW_LOCAL:
    case KW_MATERIALIZED:
    case KW_OPERATOR:
    case KW_OWNED:
    case KW_POLICY:
    case KW_PROCEDURAL:
    case KW_PROCEDURE:
    case KW_PUBLICATION:
    case KW_ROLE:
    case KW_ROUTINE:
    case KW_RULE:
    case KW_SEQUENCE:
    case KW_SERVER:
    case KW_STATISTICS:
    case KW_SUBSCRIPTION:
    case KW_SYSTEM:
    case KW_TABLESPACE:
    case KW_TEXT:
    case KW_TRANSFORM:
    case KW_TRIGGER:
    case KW_TRUSTED:
    case KW_TYPE:
    case KW_USER:
    case KW_TABLE:
    case KW_VIEW:
    case KW_SCHEMA:
    case KW_TEMP:
    case KW_TEMPORARY:
    case KW_UNLOGGED:
    case KW_RECURSIVE:
    case KW_UNIQUE:
        break;
    default:
        return parse_syntax(p);
    }
    feature[n++] = ' ';
    const char *word = keyword_info[now(p)->word].text;
    for (; *word && n + 1 < sizeof feature; word++)
        feature[n++] = (char)(*word >= 'a' && *word <= 'z' ? *word - ('a' - 'A') : *word);
    feature[n] = 0;
    return parse_unsupported(p, at, feature);
}

kdk_status parse_create(struct parser *p, struct ast_stmt *stmt)
{
    struct create_flags flags = {0};
    uint32_t at = now(p)->at;

    parse_next(p);
    flags.replace = take_words(p, KW_OR, KW_REPLACE);
    for (;;) {
        if (take_word(p, KW_TEMP) || take_word(p, KW_TEMPORARY))
            flags.temp = true;
        else if (take_word(p, KW_UNLOGGED))
            flags.unlogged = true;
        else if (take_word(p, KW_UNIQUE))
            flags.unique = true;
        else if (take_word(p, KW_RECURSIVE))
            flags.recursive = true;
        else
            break;
    }
    bool plain = !flags.unique && !flags.recursive;
    if (plain && take_word(p, KW_TABLE))
        return parse_create_table(p, &flags, stmt);
    if (!flags.unique && !flags.unlogged && take_word(p, KW_VIEW))
        return parse_create_view(p, &flags, stmt);
    if (!flags.recursive && !flags.temp && !flags.unlogged && !flags.replace &&
        take_word(p, KW_INDEX))
        return parse_create_index(p, &flags, stmt);
    if (plain && !flags.temp && !flags.unlogged && !flags.replace &&
        take_word(p, KW_SCHEMA))
        return parse_create_schema(p, stmt);
    if (at_word(p, KW_TABLE) || at_word(p, KW_VIEW) || at_word(p, KW_INDEX) ||
        at_word(p, KW_SCHEMA))
        return parse_syntax(p);
    return unsupported_object(p, at, "CREATE");
}

/* ---- DROP ---- */

static bool take_object(struct parser *p, uint8_t *object)
{
    if (take_word(p, KW_TABLE))
        *object = AST_OBJECT_TABLE;
    else if (take_word(p, KW_VIEW))
        *object = AST_OBJECT_VIEW;
    else if (take_word(p, KW_INDEX))
        *object = AST_OBJECT_INDEX;
    else if (take_word(p, KW_SCHEMA))
        *object = AST_OBJECT_SCHEMA;
    else
        return false;
    return true;
}

kdk_status parse_drop(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_drop *s;
    uint32_t at = now(p)->at;

    stmt->kind = AST_STMT_DROP;
    TRY_NEW(s = stmt->drop = NEW(struct ast_drop));
    parse_next(p);
    if (!take_object(p, &s->object))
        return unsupported_object(p, at, "DROP");
    s->concurrently = s->object == AST_OBJECT_INDEX && take_word(p, KW_CONCURRENTLY);
    s->if_exists = take_if_exists(p);
    do {
        struct ast_name name;
        TRY(parse_table_name(p, &name));
        LIST_ADD(s->names, s->count, name);
    } while (take_kind(p, ','));
    TRY(parse_cascade(p, &s->cascade));
out:
    return status;
}

/* ---- ALTER ---- */

/* Behind ALTER [COLUMN] name. */
static kdk_status parse_alter_column(struct parser *p, struct ast_alter_action *a)
{
    kdk_status status = KDK_OK;

    if (take_words(p, KW_SET, KW_DEFAULT)) {
        a->kind = AST_ALTER_SET_DEFAULT;
        TRY(parse_expr(p, &a->expr));
    } else if (take_words(p, KW_DROP, KW_DEFAULT)) {
        a->kind = AST_ALTER_DROP_DEFAULT;
    } else if (take_words(p, KW_SET, KW_NOT)) {
        a->kind = AST_ALTER_SET_NOT_NULL;
        TRY(need_word(p, KW_NULL));
    } else if (take_words(p, KW_DROP, KW_NOT)) {
        a->kind = AST_ALTER_DROP_NOT_NULL;
        TRY(need_word(p, KW_NULL));
    } else if (at_word(p, KW_TYPE) || (at_word(p, KW_SET) && then_word(p, KW_DATA))) {
        take_words(p, KW_SET, KW_DATA);
        TRY(need_word(p, KW_TYPE));
        a->kind = AST_ALTER_TYPE;
        TRY(parse_type(p, &a->type));
        if (take_word(p, KW_COLLATE))
            TRY(parse_name(p, NAME_COLUMN, 3, &a->collation));
        if (take_word(p, KW_USING))
            TRY(parse_expr(p, &a->expr));
    } else if (at_word(p, KW_SET) || at_word(p, KW_RESET) || at_word(p, KW_ADD) ||
               at_word(p, KW_DROP)) {
        TRY(parse_unsupported(p, now(p)->at, "this form of ALTER COLUMN"));
    } else {
        TRY(parse_syntax(p));
    }
out:
    return status;
}

static kdk_status parse_alter_add(struct parser *p, struct ast_alter_action *a)
{
    kdk_status status = KDK_OK;

    if (at_table_constraint(p)) {
        a->kind = AST_ALTER_ADD_CONSTRAINT;
        return parse_table_constraint(p, &a->constraint);
    }
    a->kind = AST_ALTER_ADD_COLUMN;
    take_word(p, KW_COLUMN);
    a->if_not_exists = take_if_not_exists(p);
    TRY_NEW(a->add = NEW(struct ast_column));
    TRY(parse_column(p, a->add));
out:
    return status;
}

static kdk_status parse_alter_drop(struct parser *p, struct ast_alter_action *a)
{
    kdk_status status = KDK_OK;

    a->kind = AST_ALTER_DROP_COLUMN;
    if (take_word(p, KW_CONSTRAINT))
        a->kind = AST_ALTER_DROP_CONSTRAINT;
    else
        take_word(p, KW_COLUMN);
    a->if_exists = take_if_exists(p);
    TRY(parse_ident(p, NAME_COLUMN, &a->column));
    TRY(parse_cascade(p, &a->cascade));
out:
    return status;
}

/* RENAME TO x, RENAME CONSTRAINT a TO b, RENAME [COLUMN] a TO b */
static kdk_status parse_alter_rename(struct parser *p, uint8_t object,
                                     struct ast_alter_action *a)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_TO)) {
        a->kind = AST_ALTER_RENAME;
        return parse_ident(p, NAME_COLUMN, &a->to);
    }
    if (object != AST_OBJECT_TABLE && object != AST_OBJECT_VIEW)
        TRY(parse_syntax(p));
    a->kind = AST_ALTER_RENAME_COLUMN;
    if (take_word(p, KW_CONSTRAINT))
        a->kind = AST_ALTER_RENAME_CONSTRAINT;
    else
        take_word(p, KW_COLUMN);
    TRY(parse_ident(p, NAME_COLUMN, &a->column));
    TRY(need_word(p, KW_TO));
    TRY(parse_ident(p, NAME_COLUMN, &a->to));
out:
    return status;
}

static kdk_status parse_alter_action(struct parser *p, uint8_t object,
                                     struct ast_alter_action *a)
{
    kdk_status status = KDK_OK;

    *a = (struct ast_alter_action){.at = now(p)->at};
    if (take_word(p, KW_RENAME))
        return parse_alter_rename(p, object, a);
    if (take_words(p, KW_SET, KW_SCHEMA)) {
        a->kind = AST_ALTER_SET_SCHEMA;
        return parse_ident(p, NAME_COLUMN, &a->to);
    }
    if (object == AST_OBJECT_TABLE) {
        if (take_word(p, KW_ADD))
            return parse_alter_add(p, a);
        if (take_word(p, KW_DROP))
            return parse_alter_drop(p, a);
        if (take_word(p, KW_ALTER)) {
            take_word(p, KW_COLUMN);
            TRY(parse_ident(p, NAME_COLUMN, &a->column));
            return parse_alter_column(p, a);
        }
    }
    switch ((unsigned)now(p)->word) {
    case KW_ALTER:
    case KW_ATTACH:
    case KW_CLUSTER:
    case KW_DETACH:
    case KW_DISABLE:
    case KW_ENABLE:
    case KW_FORCE:
    case KW_INHERIT:
    case KW_NO:
    case KW_OWNER:
    case KW_REPLICA:
    case KW_RESET:
    case KW_SET:
    case KW_VALIDATE:
        TRY(parse_unsupported(p, a->at, "this form of ALTER"));
        break;
    default:
        TRY(parse_syntax(p));
    }
out:
    return status;
}

kdk_status parse_alter(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_alter *s;
    uint32_t at = now(p)->at;

    stmt->kind = AST_STMT_ALTER;
    TRY_NEW(s = stmt->alter = NEW(struct ast_alter));
    parse_next(p);
    if (!take_object(p, &s->object))
        return unsupported_object(p, at, "ALTER");
    s->if_exists = take_if_exists(p);
    if (s->object == AST_OBJECT_TABLE)
        s->only = take_word(p, KW_ONLY);
    TRY(parse_table_name(p, &s->name));
    if (s->object == AST_OBJECT_TABLE)
        take_op(p, OP_MUL);
    do {
        struct ast_alter_action action;
        TRY(parse_alter_action(p, s->object, &action));
        LIST_ADD(s->actions, s->count, action);
        if (action.kind <= AST_ALTER_RENAME_CONSTRAINT)
            break; /* Alone, as in PostgreSQL. */
    } while (s->object == AST_OBJECT_TABLE && take_kind(p, ','));
out:
    return status;
}
