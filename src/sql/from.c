/* from.c - what stands behind FROM: tables, files, subqueries, functions, joins. */
#include "sql/parse_int.h"

static kdk_status parse_from(struct parser *p, struct ast_from **out);

static kdk_status from_new(struct parser *p, enum ast_from_kind kind, struct ast_from **out)
{
    kdk_status status = KDK_OK;

    TRY_NEW(*out = NEW(struct ast_from));
    (*out)->kind = (uint8_t)kind;
    (*out)->at = now(p)->at;
out:
    return status;
}

/* (a, b) or, for a function, (a int, b text). */
static kdk_status parse_alias_columns(struct parser *p, struct ast_from *from)
{
    kdk_status status = KDK_OK;

    TRY(need_kind(p, '('));
    do {
        struct ast_column_def def = {0};
        TRY(parse_ident(p, NAME_COLUMN, &def.name));
        if (from->kind == AST_FROM_FUNCTION && !at_kind(p, ',') && !at_kind(p, ')')) {
            if (from->columns.count)
                TRY(parse_syntax(p));
            TRY(parse_type(p, &def.type));
            LIST_ADD(from->function.defs, from->function.def_count, def);
        } else {
            if (from->kind == AST_FROM_FUNCTION && from->function.def_count)
                TRY(parse_syntax(p));
            LIST_ADD(from->columns.items, from->columns.count, def.name);
        }
    } while (take_kind(p, ','));
    TRY(need_kind(p, ')'));
out:
    return status;
}

static kdk_status parse_alias(struct parser *p, struct ast_from *from)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_AS)) {
        if (!(from->kind == AST_FROM_FUNCTION && at_kind(p, '(')))
            TRY(parse_ident(p, NAME_COLUMN, &from->alias));
    } else if (token_is_name(now(p), NAME_COLUMN)) {
        TRY(parse_ident(p, NAME_COLUMN, &from->alias));
    } else {
        return KDK_OK;
    }
    if (at_kind(p, '('))
        TRY(parse_alias_columns(p, from));
    if (at_word(p, KW_TABLESAMPLE))
        TRY(parse_unsupported(p, now(p)->at, "TABLESAMPLE"));
out:
    return status;
}

/* A query whose parentheses are read. */
static kdk_status from_query(struct parser *p, struct ast_query *query, uint32_t at,
                             struct ast_from **out)
{
    kdk_status status = KDK_OK;

    TRY(from_new(p, AST_FROM_QUERY, out));
    (*out)->at = at;
    (*out)->query = query;
    TRY(parse_alias(p, *out));
    TRY(parse_from_done(p, *out));
out:
    return status;
}

static kdk_status parse_joins(struct parser *p, struct ast_from *left,
                              struct ast_from **out);

/* `( .. )`: a query, or a table reference with joins. As in parse_parens(), what follows an
 * inner parenthesis decides: exactly one of *query and *from is set. */
static kdk_status parse_from_parens(struct parser *p, struct ast_query **query,
                                    struct ast_from **from)
{
    kdk_status status = KDK_OK;
    struct ast_from *first = NULL;
    uint32_t at;

    *query = NULL;
    *from = NULL;
    TRY(parse_enter(p));
    TRY(need_kind(p, '('));
    at = now(p)->at;
    if (at_query(p)) {
        TRY(parse_query(p, query));
    } else if (at_kind(p, '(')) {
        struct ast_query *inner;
        TRY(parse_from_parens(p, &inner, &first));
        if (inner && (at_query_tail(p) || at_kind(p, ')'))) {
            TRY(parse_query_rest(p, inner, query));
        } else {
            if (inner)
                TRY(from_query(p, inner, at, &first));
            TRY(parse_joins(p, first, from));
        }
    } else {
        TRY(parse_from(p, from));
    }
    TRY(need_kind(p, ')'));
out:
    parse_leave(p);
    return status;
}

static kdk_status parse_from_function(struct parser *p, const struct ast_name *name,
                                      uint32_t at, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_from *from;

    TRY(from_new(p, AST_FROM_FUNCTION, &from));
    from->at = at;
    if (name)
        TRY(parse_call(p, name, &from->function.call));
    else
        TRY(parse_primary(p, &from->function.call));
    if (from->function.call->kind != AST_CALL && from->function.call->kind != AST_SQL_VALUE)
        TRY(parse_fail(p, KDK_SYNTAX, at, "only a table or a function may stand in FROM"));
    from->ordinality = take_words(p, KW_WITH, KW_ORDINALITY);
    TRY(parse_alias(p, from));
    TRY(parse_from_done(p, from));
    *out = from;
out:
    return status;
}

static bool at_special_function(struct parser *p)
{
    return at_sql_value(p) || (now(p)->kind == TOK_WORD && then_kind(p, '(') &&
                               keyword_info[now(p)->word].category == KEYWORD_COL_NAME);
}

static kdk_status parse_from_table(struct parser *p, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_from *from;
    bool parens = false;
    bool column = token_is_name(now(p), NAME_COLUMN);

    TRY(from_new(p, AST_FROM_TABLE, &from));
    if (take_word(p, KW_ONLY)) {
        from->only = true;
        parens = take_kind(p, '(');
        column = true;
    }
    uint32_t at = now(p)->at;
    TRY(parse_name(p, column ? NAME_COLUMN : NAME_TYPE, 3, &from->name));
    if (!from->only && at_kind(p, '('))
        return parse_from_function(p, &from->name, at, out);
    if (!column)
        TRY(parse_syntax(p));
    if (parens)
        TRY(need_kind(p, ')'));
    take_op(p, OP_MUL);
    if (at_word(p, KW_TABLESAMPLE))
        TRY(parse_unsupported(p, now(p)->at, "TABLESAMPLE"));
    TRY(parse_alias(p, from));
    TRY(parse_from_done(p, from));
    *out = from;
out:
    return status;
}

static kdk_status parse_from_file(struct parser *p, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_from *from;

    TRY(from_new(p, AST_FROM_FILE, &from));
    TRY(parse_string(p, &from->file.text, &from->file.bytes));
    TRY(parse_alias(p, from));
    TRY(parse_from_done(p, from));
    *out = from;
out:
    return status;
}

/* (a JOIN b ..) AS j is (SELECT * FROM a JOIN b ..) AS j. */
static kdk_status query_of_join(struct parser *p, struct ast_from *join, uint32_t at,
                                struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *q;
    struct ast_select *select;

    TRY_NEW(q = NEW(struct ast_query));
    TRY_NEW(select = NEW(struct ast_select));
    q->kind = AST_QUERY_SELECT;
    q->at = at;
    q->select = select;
    TRY_NEW(select->items.items = NEW(struct ast_item));
    TRY_NEW(select->items.items[0].expr = parse_new(p, AST_STAR, at));
    select->items.count = 1;
    TRY_NEW(select->from.items = NEW(struct ast_from *));
    select->from.items[0] = join;
    select->from.count = 1;
    q->height = (uint16_t)(join->height + 1);
    *out = q;
out:
    return status;
}

/* A joined table in parentheses may have an alias, which then hides the names inside. */
static kdk_status parse_from_group(struct parser *p, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *query;
    struct ast_from *from;
    uint32_t at = now(p)->at;

    TRY(parse_from_parens(p, &query, &from));
    if (query)
        return from_query(p, query, at, out);
    if (from->kind != AST_FROM_JOIN)
        TRY(parse_syntax(p));
    if (at_word(p, KW_AS) || token_is_name(now(p), NAME_COLUMN)) {
        TRY(query_of_join(p, from, at, &query));
        return from_query(p, query, at, out);
    }
    *out = from;
out:
    return status;
}

static kdk_status parse_from_one(struct parser *p, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    bool lateral = take_word(p, KW_LATERAL);

    if (at_kind(p, '(')) {
        TRY(parse_from_group(p, out));
        if (lateral && (*out)->kind != AST_FROM_QUERY)
            TRY(parse_syntax(p));
    } else if (at_kind(p, TOK_STRING) && !lateral) {
        TRY(parse_from_file(p, out));
    } else if (at_word(p, KW_ROWS) && then_word(p, KW_FROM)) {
        TRY(parse_unsupported(p, now(p)->at, "ROWS FROM"));
    } else if (at_special_function(p)) {
        TRY(parse_from_function(p, NULL, now(p)->at, out));
    } else {
        TRY(parse_from_table(p, out));
        if (lateral && (*out)->kind != AST_FROM_FUNCTION)
            TRY(parse_syntax(p));
    }
    if (lateral)
        (*out)->lateral = true;
out:
    return status;
}

/* ---- joins ---- */

static bool at_join(struct parser *p)
{
    switch ((unsigned)now(p)->word) {
    case KW_JOIN:
    case KW_INNER:
    case KW_LEFT:
    case KW_RIGHT:
    case KW_FULL:
    case KW_CROSS:
    case KW_NATURAL:
        return true;
    default:
        return false;
    }
}

static kdk_status parse_join_condition(struct parser *p, struct ast_from *join)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_USING)) {
        TRY(parse_name_list(p, &join->sides.using));
        if (take_word(p, KW_AS))
            TRY(parse_ident(p, NAME_COLUMN, &join->alias));
    } else {
        TRY(need_word(p, KW_ON));
        TRY(parse_expr(p, &join->sides.on));
    }
out:
    return status;
}

/* `a JOIN b JOIN c ON x ON y` is `a JOIN (b JOIN c ON x) ON y`, so the right side of a join
 * with a condition is read with its own joins; that of CROSS and NATURAL is one table. */
static kdk_status parse_join(struct parser *p, struct ast_from *left, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_from *join;

    TRY(from_new(p, AST_FROM_JOIN, &join));
    join->sides.left = left;
    join->natural = take_word(p, KW_NATURAL);
    if (take_word(p, KW_CROSS)) {
        join->join = AST_JOIN_CROSS;
        if (join->natural)
            TRY(parse_syntax(p));
    } else if (take_word(p, KW_LEFT)) {
        join->join = AST_JOIN_LEFT;
        take_word(p, KW_OUTER);
    } else if (take_word(p, KW_RIGHT)) {
        join->join = AST_JOIN_RIGHT;
        take_word(p, KW_OUTER);
    } else if (take_word(p, KW_FULL)) {
        join->join = AST_JOIN_FULL;
        take_word(p, KW_OUTER);
    } else {
        join->join = AST_JOIN_INNER;
        take_word(p, KW_INNER);
    }
    TRY(need_word(p, KW_JOIN));
    if (join->natural || join->join == AST_JOIN_CROSS) {
        TRY(parse_from_one(p, &join->sides.right));
    } else {
        TRY(parse_from(p, &join->sides.right));
        TRY(parse_join_condition(p, join));
    }
    TRY(parse_from_done(p, join));
    *out = join;
out:
    return status;
}

static kdk_status parse_joins(struct parser *p, struct ast_from *left,
                              struct ast_from **out)
{
    kdk_status status = KDK_OK;

    while (at_join(p))
        TRY(parse_join(p, left, &left));
    *out = left;
out:
    return status;
}

static kdk_status parse_from(struct parser *p, struct ast_from **out)
{
    kdk_status status = KDK_OK;
    struct ast_from *left;

    TRY(parse_enter(p));
    TRY(parse_from_one(p, &left));
    TRY(parse_joins(p, left, out));
out:
    parse_leave(p);
    return status;
}

kdk_status parse_froms(struct parser *p, struct ast_froms *out)
{
    kdk_status status = KDK_OK;
    struct ast_froms list = {0};

    do {
        struct ast_from *from;
        TRY(parse_from(p, &from));
        LIST_ADD(list.items, list.count, from);
    } while (take_kind(p, ','));
    *out = list;
out:
    return status;
}
