/* stmt.c - which statement it is; INSERT, UPDATE, DELETE, TRUNCATE. */
#include "sql/parse_int.h"

kdk_status parse_cascade(struct parser *p, bool *cascade)
{
    if (take_word(p, KW_CASCADE))
        *cascade = true;
    else
        take_word(p, KW_RESTRICT);
    return KDK_OK;
}

static kdk_status parse_returning(struct parser *p, struct ast_items *out)
{
    return take_word(p, KW_RETURNING) ? parse_items(p, out) : KDK_OK;
}

/* WHERE CURRENT OF names a cursor. */
static kdk_status parse_where(struct parser *p, struct ast_expr **out)
{
    if (!take_word(p, KW_WHERE))
        return KDK_OK;
    if (at_word(p, KW_CURRENT) && then_word(p, KW_OF))
        return parse_unsupported(p, now(p)->at, "WHERE CURRENT OF");
    return parse_expr(p, out);
}

/* SET a = e, (b, c) = .. */
static kdk_status parse_assigns(struct parser *p, struct ast_assigns *out)
{
    kdk_status status = KDK_OK;
    struct ast_assigns list = {0};

    do {
        struct ast_assign assign = {0};
        if (at_kind(p, '(')) {
            assign.row = true;
            TRY(parse_name_list(p, &assign.columns));
        } else {
            struct ast_ident name;
            TRY(parse_ident(p, NAME_COLUMN, &name));
            LIST_ADD(assign.columns.items, assign.columns.count, name);
            if (at_kind(p, '.') || at_kind(p, '['))
                TRY(parse_unsupported(p, now(p)->at, "assignment to a part of a column"));
        }
        if (!take_op(p, OP_EQ))
            TRY(parse_syntax(p));
        TRY(parse_expr(p, &assign.source));
        LIST_ADD(list.items, list.count, assign);
    } while (take_kind(p, ','));
    *out = list;
out:
    return status;
}

/* [ONLY] t [*] [[AS] a]. In INSERT an alias needs AS; in UPDATE SET is no alias. */
static kdk_status parse_target(struct parser *p, bool insert, struct ast_target *out)
{
    kdk_status status = KDK_OK;

    if (!insert)
        out->only = take_word(p, KW_ONLY);
    TRY(parse_table_name(p, &out->name));
    if (!insert)
        take_op(p, OP_MUL);
    if (take_word(p, KW_AS))
        TRY(parse_ident(p, NAME_COLUMN, &out->alias));
    else if (!insert && !at_word(p, KW_SET) && token_is_name(now(p), NAME_COLUMN))
        TRY(parse_ident(p, NAME_COLUMN, &out->alias));
out:
    return status;
}

/* ON CONFLICT [(keys) [WHERE ..] | ON CONSTRAINT c] DO NOTHING | DO UPDATE SET .. [WHERE
 * ..] */
static kdk_status parse_conflict(struct parser *p, struct ast_conflict **out)
{
    kdk_status status = KDK_OK;
    struct ast_conflict *c;

    TRY_NEW(c = NEW(struct ast_conflict));
    c->at = now(p)->at;
    parse_next(p);
    TRY(need_word(p, KW_CONFLICT));
    if (take_kind(p, '(')) {
        TRY(parse_order_by(p, &c->keys));
        TRY(need_kind(p, ')'));
        TRY(parse_where(p, &c->keys_where));
    } else if (take_words(p, KW_ON, KW_CONSTRAINT)) {
        TRY(parse_ident(p, NAME_COLUMN, &c->constraint));
    }
    TRY(need_word(p, KW_DO));
    if (take_word(p, KW_UPDATE)) {
        c->update = true;
        TRY(need_word(p, KW_SET));
        TRY(parse_assigns(p, &c->set));
        TRY(parse_where(p, &c->where));
    } else {
        TRY(need_word(p, KW_NOTHING));
    }
    *out = c;
out:
    return status;
}

static kdk_status parse_insert(struct parser *p, struct ast_with *with,
                               struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_insert *s;

    stmt->kind = AST_STMT_INSERT;
    TRY_NEW(s = stmt->insert = NEW(struct ast_insert));
    s->with = with;
    parse_next(p);
    TRY(need_word(p, KW_INTO));
    TRY(parse_target(p, true, &s->target));
    if (at_kind(p, '(')) {
        /* A column list, or a query in parentheses. */
        const struct token *inside = parse_peek(p, 1);
        bool query = inside->kind == '(' || inside->word == KW_SELECT ||
                     inside->word == KW_WITH || inside->word == KW_TABLE ||
                     inside->word == KW_FROM ||
                     (inside->word == KW_VALUES && parse_peek(p, 2)->kind == '(');
        if (!query)
            TRY(parse_name_list(p, &s->columns));
    }
    if (take_word(p, KW_OVERRIDING)) {
        s->overriding = at_word(p, KW_USER) ? "user" : "system";
        if (!take_word(p, KW_USER))
            TRY(need_word(p, KW_SYSTEM));
        TRY(need_word(p, KW_VALUE));
    }
    if (!take_words(p, KW_DEFAULT, KW_VALUES))
        TRY(parse_query(p, &s->source));
    if (at_word(p, KW_ON))
        TRY(parse_conflict(p, &s->conflict));
    TRY(parse_returning(p, &s->returning));
out:
    return status;
}

static kdk_status parse_update(struct parser *p, struct ast_with *with,
                               struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_update *s;

    stmt->kind = AST_STMT_UPDATE;
    TRY_NEW(s = stmt->update = NEW(struct ast_update));
    s->with = with;
    parse_next(p);
    TRY(parse_target(p, false, &s->target));
    TRY(need_word(p, KW_SET));
    TRY(parse_assigns(p, &s->set));
    if (take_word(p, KW_FROM))
        TRY(parse_froms(p, &s->from));
    TRY(parse_where(p, &s->where));
    TRY(parse_returning(p, &s->returning));
out:
    return status;
}

static kdk_status parse_delete(struct parser *p, struct ast_with *with,
                               struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_delete *s;

    stmt->kind = AST_STMT_DELETE;
    TRY_NEW(s = stmt->delete = NEW(struct ast_delete));
    s->with = with;
    parse_next(p);
    TRY(need_word(p, KW_FROM));
    TRY(parse_target(p, false, &s->target));
    if (take_word(p, KW_USING))
        TRY(parse_froms(p, &s->using));
    TRY(parse_where(p, &s->where));
    TRY(parse_returning(p, &s->returning));
out:
    return status;
}

kdk_status parse_dml(struct parser *p, struct ast_with *with, struct ast_stmt *stmt)
{
    if (at_word(p, KW_INSERT))
        return parse_insert(p, with, stmt);
    if (at_word(p, KW_UPDATE))
        return parse_update(p, with, stmt);
    return parse_delete(p, with, stmt);
}

kdk_status parse_truncate(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_truncate *s;

    stmt->kind = AST_STMT_TRUNCATE;
    TRY_NEW(s = stmt->truncate = NEW(struct ast_truncate));
    parse_next(p);
    take_word(p, KW_TABLE);
    s->only = take_word(p, KW_ONLY);
    do {
        struct ast_name name;
        TRY(parse_table_name(p, &name));
        take_op(p, OP_MUL);
        LIST_ADD(s->names, s->count, name);
    } while (take_kind(p, ','));
    if (take_words(p, KW_RESTART, KW_IDENTITY))
        s->restart_identity = true;
    else
        take_words(p, KW_CONTINUE, KW_IDENTITY);
    TRY(parse_cascade(p, &s->cascade));
out:
    return status;
}

static kdk_status parse_query_stmt(struct parser *p, struct ast_stmt *stmt)
{
    kdk_status status = KDK_OK;
    struct ast_with *with = NULL;

    if (at_word(p, KW_WITH))
        TRY(parse_with(p, &with));
    if (at_word(p, KW_INSERT) || at_word(p, KW_UPDATE) || at_word(p, KW_DELETE))
        return parse_dml(p, with, stmt);
    if (with && at_word(p, KW_MERGE))
        TRY(parse_unsupported(p, now(p)->at, "MERGE"));
    stmt->kind = AST_STMT_QUERY;
    TRY(parse_query_with(p, with, &stmt->query));
out:
    return status;
}

/* Words that begin statements which the grammar knows and this version does not run. */
static const struct {
    enum keyword word;
    const char *feature;
} unsupported[] = {
    {KW_CALL, "CALL"},
    {KW_CLOSE, "a cursor"},
    {KW_CLUSTER, "CLUSTER"},
    {KW_COMMENT, "COMMENT"},
    {KW_DECLARE, "a cursor"},
    {KW_DISCARD, "DISCARD"},
    {KW_DO, "DO"},
    {KW_FETCH, "a cursor"},
    {KW_GRANT, "GRANT"},
    {KW_IMPORT, "IMPORT"},
    {KW_LISTEN, "LISTEN"},
    {KW_LOAD, "LOAD"},
    {KW_LOCK, "LOCK"},
    {KW_MERGE, "MERGE"},
    {KW_MOVE, "a cursor"},
    {KW_NOTIFY, "NOTIFY"},
    {KW_REASSIGN, "REASSIGN"},
    {KW_REFRESH, "REFRESH"},
    {KW_REVOKE, "REVOKE"},
    {KW_SECURITY, "SECURITY LABEL"},
    {KW_UNLISTEN, "UNLISTEN"},
};

static kdk_status parse_stmt_kind(struct parser *p, struct ast_stmt *stmt)
{
    if (at_query(p) || at_kind(p, '('))
        return parse_query_stmt(p, stmt);
    switch ((unsigned)now(p)->word) {
    case KW_INSERT:
    case KW_UPDATE:
    case KW_DELETE:
        return parse_dml(p, NULL, stmt);
    case KW_TRUNCATE:
        return parse_truncate(p, stmt);
    case KW_CREATE:
        return parse_create(p, stmt);
    case KW_DROP:
        return parse_drop(p, stmt);
    case KW_ALTER:
        return parse_alter(p, stmt);
    default:
        break;
    }
    for (size_t i = 0; i < COUNT_OF(unsupported); i++)
        if (at_word(p, unsupported[i].word))
            return parse_unsupported(p, now(p)->at, unsupported[i].feature);
    return parse_utility(p, stmt);
}

kdk_status parse_stmt(struct parser *p, struct ast_stmt **out)
{
    kdk_status status = KDK_OK;
    struct ast_stmt *stmt;

    TRY(parse_enter(p));
    TRY_NEW(stmt = NEW(struct ast_stmt));
    stmt->at = now(p)->at;
    TRY(parse_stmt_kind(p, stmt));
    stmt->end = p->last_end;
    stmt->param_count = p->params;
    *out = stmt;
out:
    parse_leave(p);
    return status;
}
