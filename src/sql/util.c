/* util.c - statements that neither ask nor change data: transactions, settings, EXPLAIN,
 * PREPARE, COPY, maintenance. */
#include "sql/parse_int.h"

/* ---- options ---- */

/* A value: a number, a string, or a word, which is a string too. */
kdk_status parse_option_value(struct parser *p, struct ast_exprs *values)
{
    kdk_status status = KDK_OK;
    struct ast_expr *value;

    if (at_kind(p, TOK_WORD) || at_kind(p, TOK_QUOTED)) {
        struct ast_ident word;
        TRY(parse_string_expr(p, "", &value));
        TRY(parse_ident(p, NAME_LABEL, &word));
        value->string.text = word.text;
        value->string.bytes = word.bytes;
    } else {
        TRY(parse_level(p, LEVEL_POSTFIX, true, &value));
        if (value->kind != AST_NUMBER && value->kind != AST_STRING)
            TRY(parse_fail(p, KDK_SYNTAX, value->at, "an option takes a literal"));
    }
    LIST_ADD(values->items, values->count, value);
out:
    return status;
}

static kdk_status parse_option(struct parser *p, bool equals, struct ast_option *option)
{
    kdk_status status = KDK_OK;

    *option = (struct ast_option){0};
    TRY(parse_ident(p, NAME_LABEL, &option->name));
    if (equals) {
        if (take_kind(p, '.')) {
            struct ast_ident part;
            TRY(parse_ident(p, NAME_LABEL, &part));
            TRY_NEW(option->name.text =
                        arena_printf(p->arena, "%s.%s", option->name.text, part.text));
            option->name.bytes += 1 + part.bytes;
            option->name.quoted = true;
        }
        if (take_op(p, OP_EQ))
            TRY(parse_option_value(p, &option->values));
    } else if (take_op(p, OP_MUL)) {
        option->star = true;
    } else if (take_kind(p, '(')) {
        option->list = true;
        do
            TRY(parse_option_value(p, &option->values));
        while (take_kind(p, ','));
        TRY(need_kind(p, ')'));
    } else if (!at_kind(p, ',') && !at_kind(p, ')')) {
        TRY(parse_option_value(p, &option->values));
    }
out:
    return status;
}

kdk_status parse_options(struct parser *p, bool equals, struct ast_options *out)
{
    kdk_status status = KDK_OK;
    struct ast_options list = {0};

    TRY(need_kind(p, '('));
    do {
        struct ast_option option;
        TRY(parse_option(p, equals, &option));
        LIST_ADD(list.items, list.count, option);
    } while (take_kind(p, ','));
    TRY(need_kind(p, ')'));
    *out = list;
out:
    return status;
}

/* ---- transactions ---- */

static kdk_status parse_isolation(struct parser *p, struct ast_transaction *t)
{
    if (take_word(p, KW_SERIALIZABLE))
        t->isolation = AST_ISOLATION_SERIALIZABLE;
    else if (take_words(p, KW_REPEATABLE, KW_READ))
        t->isolation = AST_ISOLATION_REPEATABLE_READ;
    else if (take_words(p, KW_READ, KW_COMMITTED))
        t->isolation = AST_ISOLATION_READ_COMMITTED;
    else if (take_words(p, KW_READ, KW_UNCOMMITTED))
        t->isolation = AST_ISOLATION_READ_UNCOMMITTED;
    else
        return parse_syntax(p);
    return KDK_OK;
}

/* Modes, with or without commas. */
static kdk_status parse_modes(struct parser *p, struct ast_transaction *t, bool needed)
{
    kdk_status status = KDK_OK;
    bool comma = needed;

    t->read_only = t->deferrable = -1;
    for (;;) {
        if (take_words(p, KW_ISOLATION, KW_LEVEL))
            TRY(parse_isolation(p, t));
        else if (take_words(p, KW_READ, KW_ONLY))
            t->read_only = 1;
        else if (take_words(p, KW_READ, KW_WRITE))
            t->read_only = 0;
        else if (take_words(p, KW_NOT, KW_DEFERRABLE))
            t->deferrable = 0;
        else if (take_word(p, KW_DEFERRABLE))
            t->deferrable = 1;
        else if (comma)
            TRY(parse_syntax(p));
        else
            break;
        comma = take_kind(p, ',');
    }
out:
    return status;
}

static void take_work(struct parser *p)
{
    if (!take_word(p, KW_WORK))
        take_word(p, KW_TRANSACTION);
}

static kdk_status parse_chain(struct parser *p, struct ast_transaction *t)
{
    kdk_status status = KDK_OK;

    t->read_only = t->deferrable = -1;
    if (take_word(p, KW_AND)) {
        t->chain = !take_word(p, KW_NO);
        TRY(need_word(p, KW_CHAIN));
    }
out:
    return status;
}

static kdk_status parse_transaction(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    enum keyword word = (enum keyword)now(p)->word;
    struct ast_transaction *t;

    stmt->kind = AST_STMT_TRANSACTION;
    TRY_NEW(t = stmt->transaction = NEW(struct ast_transaction));
    t->read_only = t->deferrable = -1;
    parse_next(p);
    if ((word == KW_COMMIT || word == KW_ROLLBACK) && at_word(p, KW_PREPARED))
        TRY(parse_unsupported(p, now(p)->at, "two-phase commit"));
    switch ((unsigned)word) {
    case KW_BEGIN:
        take_work(p);
        return parse_modes(p, t, false);
    case KW_START:
        TRY(need_word(p, KW_TRANSACTION));
        return parse_modes(p, t, false);
    case KW_COMMIT:
    case KW_END:
        t->kind = AST_TXN_COMMIT;
        take_work(p);
        return parse_chain(p, t);
    case KW_SAVEPOINT:
        t->kind = AST_TXN_SAVEPOINT;
        return parse_ident(p, NAME_COLUMN, &t->savepoint);
    case KW_RELEASE:
        t->kind = AST_TXN_RELEASE;
        take_word(p, KW_SAVEPOINT);
        return parse_ident(p, NAME_COLUMN, &t->savepoint);
    default:
        break;
    }
    t->kind = AST_TXN_ROLLBACK;
    take_work(p);
    if (word == KW_ROLLBACK && take_word(p, KW_TO)) {
        t->kind = AST_TXN_ROLLBACK_TO;
        take_word(p, KW_SAVEPOINT);
        return parse_ident(p, NAME_COLUMN, &t->savepoint);
    }
    TRY(parse_chain(p, t));
out:
    return status;
}

/* ---- settings ---- */

/* A setting's name, dots and all, as one. */
static kdk_status parse_setting(struct parser *p, struct ast_ident *out)
{
    kdk_status status = KDK_OK;
    struct ast_ident part;

    TRY(parse_ident(p, NAME_COLUMN, out));
    while (take_kind(p, '.')) {
        TRY(parse_ident(p, NAME_COLUMN, &part));
        TRY_NEW(out->text = arena_printf(p->arena, "%s.%s", out->text, part.text));
        out->bytes += 1 + part.bytes;
    }
out:
    return status;
}

static void name_setting(struct ast_ident *out, const char *name, uint32_t at)
{
    *out = (struct ast_ident){
        .text = name, .bytes = (uint32_t)strlen(name), .at = at & 0x7fffffff};
}

/* SET TIME ZONE, NAMES, ROLE, SCHEMA: spellings of settings. *done if it was one. */
static kdk_status parse_set_spelling(struct parser *p, struct ast_set *s, bool *done)
{
    kdk_status status = KDK_OK;
    uint32_t at = now(p)->at;
    bool time_zone = false;

    *done = true;
    if (take_words(p, KW_TIME, KW_ZONE)) {
        name_setting(&s->name, "timezone", at);
        time_zone = true;
    } else if (at_word(p, KW_NAMES) && !then_word(p, KW_TO) &&
               !(parse_peek(p, 1)->kind == TOK_OP)) {
        parse_next(p);
        name_setting(&s->name, "client_encoding", at);
        if (at_kind(p, TOK_END) || at_kind(p, ';')) {
            s->reset = true;
            return KDK_OK;
        }
    } else if (at_word(p, KW_ROLE) && !then_word(p, KW_TO) &&
               parse_peek(p, 1)->kind != TOK_OP) {
        parse_next(p);
        name_setting(&s->name, "role", at);
    } else if (at_word(p, KW_SCHEMA) && then_kind(p, TOK_STRING)) {
        parse_next(p);
        name_setting(&s->name, "search_path", at);
    } else if (take_words(p, KW_SESSION, KW_AUTHORIZATION)) {
        TRY(parse_unsupported(p, at, "SET SESSION AUTHORIZATION"));
    } else if (at_word(p, KW_CONSTRAINTS)) {
        TRY(parse_unsupported(p, at, "SET CONSTRAINTS"));
    } else if (at_word(p, KW_XML) && then_word(p, KW_OPTION)) {
        TRY(parse_unsupported(p, at, "XML"));
    } else {
        *done = false;
        return KDK_OK;
    }
    if (take_word(p, KW_DEFAULT) || (time_zone && take_word(p, KW_LOCAL)))
        s->reset = true;
    else if (time_zone && (at_word(p, KW_INTERVAL) || at_word(p, KW_CAST))) {
        struct ast_expr *interval;
        TRY(parse_primary(p, &interval));
        if (interval->kind != AST_CAST)
            TRY(parse_syntax(p));
        LIST_ADD(s->values.items, s->values.count, interval);
    } else
        TRY(parse_option_value(p, &s->values));
out:
    return status;
}

static kdk_status parse_set(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_set *s;
    struct ast_transaction *t;
    bool done;

    parse_next(p);
    if (at_word(p, KW_TRANSACTION) ||
        (at_word(p, KW_SESSION) && then_word(p, KW_CHARACTERISTICS))) {
        stmt->kind = AST_STMT_TRANSACTION;
        TRY_NEW(t = stmt->transaction = NEW(struct ast_transaction));
        t->kind = at_word(p, KW_TRANSACTION) ? AST_TXN_SET : AST_TXN_SET_SESSION;
        parse_next(p);
        if (t->kind == AST_TXN_SET_SESSION) {
            parse_next(p);
            TRY(need_word(p, KW_AS));
            TRY(need_word(p, KW_TRANSACTION));
        } else if (at_word(p, KW_SNAPSHOT)) {
            TRY(parse_unsupported(p, now(p)->at, "SET TRANSACTION SNAPSHOT"));
        }
        return parse_modes(p, t, true);
    }
    stmt->kind = AST_STMT_SET;
    TRY_NEW(s = stmt->set = NEW(struct ast_set));
    if (!(at_word(p, KW_SESSION) && (then_word(p, KW_TO) || then_kind(p, TOK_OP) ||
                                     then_word(p, KW_AUTHORIZATION))) &&
        !take_word(p, KW_SESSION))
        s->local = take_word(p, KW_LOCAL);
    TRY(parse_set_spelling(p, s, &done));
    if (done)
        return KDK_OK;
    TRY(parse_setting(p, &s->name));
    if (!take_word(p, KW_TO) && !take_op(p, OP_EQ))
        TRY(parse_syntax(p));
    if (take_word(p, KW_DEFAULT)) {
        s->reset = true;
        return KDK_OK;
    }
    do
        TRY(parse_option_value(p, &s->values));
    while (take_kind(p, ','));
out:
    return status;
}

/* What RESET and SHOW name: ALL leaves `out` empty. */
static kdk_status parse_setting_or_all(struct parser *p, struct ast_ident *out)
{
    kdk_status status = KDK_OK;
    uint32_t at = now(p)->at;

    if (take_word(p, KW_ALL))
        return KDK_OK;
    if (take_words(p, KW_TIME, KW_ZONE)) {
        name_setting(out, "timezone", at);
    } else if (take_words(p, KW_SESSION, KW_AUTHORIZATION)) {
        name_setting(out, "session_authorization", at);
    } else if (take_words(p, KW_TRANSACTION, KW_ISOLATION)) {
        TRY(need_word(p, KW_LEVEL));
        name_setting(out, "transaction_isolation", at);
    } else {
        TRY(parse_setting(p, out));
    }
out:
    return status;
}

static kdk_status parse_reset(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;

    stmt->kind = AST_STMT_SET;
    TRY_NEW(stmt->set = NEW(struct ast_set));
    parse_next(p);
    stmt->set->reset = true;
    TRY(parse_setting_or_all(p, &stmt->set->name));
out:
    return status;
}

static kdk_status parse_show(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;

    stmt->kind = AST_STMT_SHOW;
    TRY_NEW(stmt->show = NEW(struct ast_show));
    parse_next(p);
    TRY(parse_setting_or_all(p, &stmt->show->name));
out:
    return status;
}

/* ---- EXPLAIN, PREPARE, EXECUTE, DEALLOCATE ---- */

/* EXPLAIN (ANALYZE, VERBOSE off): a flag alone is on. */
static kdk_status option_truth(struct parser *p, const struct ast_option *option,
                               bool *truth)
{
    static const char *const on[] = {"on", "true", "1"}, *const off[] = {"off", "false",
                                                                         "0"};
    const char *text = "on";

    if (option->values.count == 1)
        text = option->values.items[0]->kind == AST_NUMBER
                   ? option->values.items[0]->number.text
                   : option->values.items[0]->string.text;
    for (size_t i = 0; i < COUNT_OF(on) && !option->star && !option->list; i++) {
        if (strcmp(text, on[i]) == 0 || strcmp(text, off[i]) == 0) {
            *truth = strcmp(text, on[i]) == 0;
            return KDK_OK;
        }
    }
    return parse_fail(p, KDK_SYNTAX, option->name.at, "%s requires a Boolean value",
                      option->name.text);
}

static kdk_status parse_explain_options(struct parser *p, struct ast_explain *s)
{
    kdk_status status = KDK_OK;
    struct ast_options all;

    TRY(parse_options(p, false, &all));
    for (uint32_t i = 0; i < all.count; i++) {
        if (strcmp(all.items[i].name.text, "analyze") == 0)
            TRY(option_truth(p, &all.items[i], &s->analyze));
        else if (strcmp(all.items[i].name.text, "verbose") == 0)
            TRY(option_truth(p, &all.items[i], &s->verbose));
        else
            LIST_ADD(s->options.items, s->options.count, all.items[i]);
    }
out:
    return status;
}

static kdk_status parse_explain(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_explain *s;
    uint32_t at;

    stmt->kind = AST_STMT_EXPLAIN;
    TRY_NEW(s = stmt->explain = NEW(struct ast_explain));
    parse_next(p);
    if (at_kind(p, '(') && token_is_name(parse_peek(p, 1), NAME_LABEL) &&
        !(keyword_info[parse_peek(p, 1)->word].category == KEYWORD_RESERVED &&
          !then_word(p, KW_ANALYZE)) &&
        !then_word(p, KW_VALUES)) {
        TRY(parse_explain_options(p, s));
    } else {
        s->analyze = take_word(p, KW_ANALYZE) || take_word(p, KW_ANALYSE);
        s->verbose = take_word(p, KW_VERBOSE);
    }
    at = now(p)->at;
    TRY(parse_stmt(p, &s->stmt));
    switch (s->stmt->kind) {
    case AST_STMT_QUERY:
    case AST_STMT_INSERT:
    case AST_STMT_UPDATE:
    case AST_STMT_DELETE:
    case AST_STMT_EXECUTE:
        break;
    default:
        if (s->stmt->kind != AST_STMT_CREATE_TABLE || !s->stmt->create_table->as)
            TRY(parse_fail(p, KDK_SYNTAX, at, "this statement has no plan to explain"));
    }
out:
    return status;
}

static kdk_status parse_prepare(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_prepare *s;
    uint32_t at;

    stmt->kind = AST_STMT_PREPARE;
    TRY_NEW(s = stmt->prepare = NEW(struct ast_prepare));
    parse_next(p);
    if (at_word(p, KW_TRANSACTION))
        TRY(parse_unsupported(p, now(p)->at, "two-phase commit"));
    TRY(parse_ident(p, NAME_COLUMN, &s->name));
    if (take_kind(p, '(')) {
        do {
            struct ast_type *type;
            TRY(parse_type(p, &type));
            LIST_ADD(s->types, s->type_count, type);
        } while (take_kind(p, ','));
        TRY(need_kind(p, ')'));
    }
    TRY(need_word(p, KW_AS));
    at = now(p)->at;
    TRY(parse_stmt(p, &s->stmt));
    if (s->stmt->kind > AST_STMT_DELETE)
        TRY(parse_fail(p, KDK_SYNTAX, at,
                       "only queries, INSERT, UPDATE and DELETE are prepared"));
out:
    return status;
}

static kdk_status parse_execute(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;

    stmt->kind = AST_STMT_EXECUTE;
    TRY_NEW(stmt->execute = NEW(struct ast_execute));
    parse_next(p);
    TRY(parse_ident(p, NAME_COLUMN, &stmt->execute->name));
    if (take_kind(p, '(')) {
        if (!at_kind(p, ')'))
            TRY(parse_exprs(p, &stmt->execute->args));
        TRY(need_kind(p, ')'));
    }
out:
    return status;
}

static kdk_status parse_deallocate(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;

    stmt->kind = AST_STMT_DEALLOCATE;
    TRY_NEW(stmt->deallocate = NEW(struct ast_deallocate));
    parse_next(p);
    take_word(p, KW_PREPARE);
    if (!take_word(p, KW_ALL))
        TRY(parse_ident(p, NAME_COLUMN, &stmt->deallocate->name));
out:
    return status;
}

/* ---- COPY ---- */

static kdk_status add_option(struct parser *p, struct ast_options *options,
                             struct ast_option option, const char *name)
{
    kdk_status status = KDK_OK;

    name_setting(&option.name, name, now(p)->at);
    LIST_ADD(options->items, options->count, option);
out:
    return status;
}

static kdk_status add_word_option(struct parser *p, struct ast_options *options,
                                  const char *name, const char *value)
{
    kdk_status status = KDK_OK;
    struct ast_option option = {0};
    struct ast_expr *e;

    TRY(parse_string_expr(p, value, &e));
    LIST_ADD(option.values.items, option.values.count, e);
    TRY(add_option(p, options, option, name));
out:
    return status;
}

/* [AS] 'text' */
static kdk_status add_text_option(struct parser *p, struct ast_options *options,
                                  const char *name)
{
    kdk_status status = KDK_OK;
    struct ast_option option = {0};

    take_word(p, KW_AS);
    if (!at_kind(p, TOK_STRING))
        TRY(parse_syntax(p));
    TRY(parse_option_value(p, &option.values));
    TRY(add_option(p, options, option, name));
out:
    return status;
}

/* a, b without parentheses, or, where allowed, *. */
static kdk_status add_columns_option(struct parser *p, struct ast_options *options,
                                     const char *name, bool star)
{
    kdk_status status = KDK_OK;
    struct ast_option option = {0};

    if (star && take_op(p, OP_MUL)) {
        option.star = true;
    } else {
        option.list = true;
        do
            TRY(parse_option_value(p, &option.values));
        while (take_kind(p, ','));
    }
    TRY(add_option(p, options, option, name));
out:
    return status;
}

/* The syntax before PostgreSQL 9.0: words without parentheses. */
static kdk_status parse_old_copy_options(struct parser *p, struct ast_options *options)
{
    kdk_status status = KDK_OK;

    for (;;) {
        if (take_word(p, KW_BINARY))
            TRY(add_word_option(p, options, "format", "binary"));
        else if (take_word(p, KW_CSV))
            TRY(add_word_option(p, options, "format", "csv"));
        else if (take_word(p, KW_FREEZE))
            TRY(add_option(p, options, (struct ast_option){0}, "freeze"));
        else if (take_word(p, KW_HEADER))
            TRY(add_option(p, options, (struct ast_option){0}, "header"));
        else if (take_word(p, KW_DELIMITER) || take_word(p, KW_DELIMITERS))
            TRY(add_text_option(p, options, "delimiter"));
        else if (take_word(p, KW_NULL))
            TRY(add_text_option(p, options, "null"));
        else if (take_word(p, KW_QUOTE))
            TRY(add_text_option(p, options, "quote"));
        else if (take_word(p, KW_ESCAPE))
            TRY(add_text_option(p, options, "escape"));
        else if (take_word(p, KW_ENCODING))
            TRY(add_text_option(p, options, "encoding"));
        else if (take_words(p, KW_FORCE, KW_QUOTE))
            TRY(add_columns_option(p, options, "force_quote", true));
        else if (take_words(p, KW_FORCE, KW_NULL))
            TRY(add_columns_option(p, options, "force_null", false));
        else if (take_words(p, KW_FORCE, KW_NOT)) {
            TRY(need_word(p, KW_NULL));
            TRY(add_columns_option(p, options, "force_not_null", false));
        } else
            break;
    }
out:
    return status;
}

/* 'file', PROGRAM 'command', STDIN, STDOUT */
static kdk_status parse_copy_end(struct parser *p, struct ast_copy *s)
{
    kdk_status status = KDK_OK;
    uint32_t bytes;

    s->file_at = now(p)->at;
    if (take_word(p, KW_STDIN) || take_word(p, KW_STDOUT)) {
        s->end = AST_COPY_STDIO;
        return KDK_OK;
    }
    s->end = take_word(p, KW_PROGRAM) ? AST_COPY_PROGRAM : AST_COPY_FILE;
    TRY(parse_string(p, &s->file, &bytes));
out:
    return status;
}

static kdk_status parse_copy(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_copy *s;

    stmt->kind = AST_STMT_COPY;
    TRY_NEW(s = stmt->copy = NEW(struct ast_copy));
    parse_next(p);
    if (take_word(p, KW_BINARY))
        TRY(add_word_option(p, &s->options, "format", "binary"));
    if (take_kind(p, '(')) {
        if (at_word(p, KW_INSERT) || at_word(p, KW_UPDATE) || at_word(p, KW_DELETE))
            TRY(parse_unsupported(p, now(p)->at, "COPY of a data-modifying statement"));
        TRY(parse_query(p, &s->query));
        TRY(need_kind(p, ')'));
        TRY(need_word(p, KW_TO));
        s->to = true;
    } else {
        TRY(parse_table_name(p, &s->name));
        if (at_kind(p, '('))
            TRY(parse_name_list(p, &s->columns));
        s->to = take_word(p, KW_TO);
        if (!s->to)
            TRY(need_word(p, KW_FROM));
    }
    TRY(parse_copy_end(p, s));
    if (take_word(p, KW_USING) && !at_word(p, KW_DELIMITERS))
        TRY(parse_syntax(p));
    take_word(p, KW_WITH);
    if (at_kind(p, '(')) {
        struct ast_options options;
        TRY(parse_options(p, false, &options));
        for (uint32_t i = 0; i < options.count; i++)
            LIST_ADD(s->options.items, s->options.count, options.items[i]);
    } else {
        TRY(parse_old_copy_options(p, &s->options));
    }
    if (!s->to && take_word(p, KW_WHERE))
        TRY(parse_expr(p, &s->where));
out:
    return status;
}

/* ---- maintenance ---- */

static kdk_status parse_optional_table(struct parser *p, struct ast_name *name,
                                       struct ast_idents *columns)
{
    kdk_status status = KDK_OK;

    if (!token_is_name(now(p), NAME_COLUMN))
        return KDK_OK;
    TRY(parse_table_name(p, name));
    if (columns && at_kind(p, '('))
        TRY(parse_name_list(p, columns));
out:
    return status;
}

static kdk_status parse_checkpoint(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;

    stmt->kind = AST_STMT_CHECKPOINT;
    TRY_NEW(stmt->checkpoint = NEW(struct ast_checkpoint));
    parse_next(p);
    if (take_word(p, KW_FREEZE)) {
        stmt->checkpoint->freeze = true;
        TRY(parse_optional_table(p, &stmt->checkpoint->name, NULL));
    }
out:
    return status;
}

static kdk_status parse_analyze(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_analyze *s;
    struct ast_options options = {0};

    stmt->kind = AST_STMT_ANALYZE;
    TRY_NEW(s = stmt->analyze = NEW(struct ast_analyze));
    parse_next(p);
    s->verbose = take_word(p, KW_VERBOSE);
    if (at_kind(p, '(')) {
        TRY(parse_options(p, false, &options));
        for (uint32_t i = 0; i < options.count; i++)
            if (strcmp(options.items[i].name.text, "verbose") == 0)
                TRY(option_truth(p, &options.items[i], &s->verbose));
            else
                TRY(parse_fail(p, KDK_SYNTAX, options.items[i].name.at,
                               "unrecognized ANALYZE option \"%s\"",
                               options.items[i].name.text));
    }
    TRY(parse_optional_table(p, &s->name, &s->columns));
out:
    return status;
}

static kdk_status parse_vacuum(struct parser *p, struct ast_stmt *stmt)
{
    static const struct {
        enum keyword word;
        const char *name;
    } words[] = {{KW_FULL, "full"},
                 {KW_FREEZE, "freeze"},
                 {KW_VERBOSE, "verbose"},
                 {KW_ANALYZE, "analyze"},
                 {KW_ANALYSE, "analyze"}};
    kdk_status status = KDK_OK;
    struct ast_vacuum *s;

    stmt->kind = AST_STMT_VACUUM;
    TRY_NEW(s = stmt->vacuum = NEW(struct ast_vacuum));
    parse_next(p);
    if (at_kind(p, '('))
        TRY(parse_options(p, false, &s->options));
    else
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (take_word(p, words[i].word))
                TRY(add_option(p, &s->options, (struct ast_option){0}, words[i].name));
    TRY(parse_optional_table(p, &s->name, &s->columns));
out:
    return status;
}

static kdk_status parse_reindex(struct parser *p, struct ast_stmt *stmt)
{
    static const enum keyword objects[] = {KW_INDEX, KW_TABLE, KW_SCHEMA, KW_DATABASE,
                                           KW_SYSTEM};
    kdk_status status = KDK_OK;
    struct ast_reindex *s;

    stmt->kind = AST_STMT_REINDEX;
    TRY_NEW(s = stmt->reindex = NEW(struct ast_reindex));
    parse_next(p);
    if (at_kind(p, '('))
        TRY(parse_unsupported(p, now(p)->at, "an option of REINDEX"));
    for (size_t i = 0; i < COUNT_OF(objects) && !s->object; i++)
        if (take_word(p, objects[i]))
            s->object = keyword_info[objects[i]].text;
    if (!s->object)
        TRY(parse_syntax(p));
    s->concurrently = take_word(p, KW_CONCURRENTLY);
    if (s->object[0] == 'd' || s->object[1] == 'y')
        TRY(parse_optional_table(p, &s->name, NULL));
    else
        TRY(parse_table_name(p, &s->name));
out:
    return status;
}

kdk_status parse_utility(struct parser *p, struct ast_stmt *stmt)
{
    switch ((unsigned)now(p)->word) {
    case KW_BEGIN:
    case KW_START:
    case KW_COMMIT:
    case KW_END:
    case KW_ROLLBACK:
    case KW_ABORT:
    case KW_SAVEPOINT:
    case KW_RELEASE:
        return parse_transaction(p, stmt);
    case KW_SET:
        return parse_set(p, stmt);
    case KW_RESET:
        return parse_reset(p, stmt);
    case KW_SHOW:
        return parse_show(p, stmt);
    case KW_EXPLAIN:
        return parse_explain(p, stmt);
    case KW_PREPARE:
        return parse_prepare(p, stmt);
    case KW_EXECUTE:
        return parse_execute(p, stmt);
    case KW_DEALLOCATE:
        return parse_deallocate(p, stmt);
    case KW_COPY:
        return parse_copy(p, stmt);
    case KW_CHECKPOINT:
        return parse_checkpoint(p, stmt);
    case KW_ANALYZE:
    case KW_ANALYSE:
        return parse_analyze(p, stmt);
    case KW_VACUUM:
        return parse_vacuum(p, stmt);
    case KW_REINDEX:
        return parse_reindex(p, stmt);
    default:
        return parse_syntax(p);
    }
}
