/* query.c - SELECT in its parts: blocks, set operations, WITH, ORDER BY and what follows
 * it. */
#include "sql/parse_int.h"

bool at_query(struct parser *p)
{
    switch ((unsigned)now(p)->word) {
    case KW_SELECT:
    case KW_WITH:
    case KW_TABLE:
    case KW_FROM:
    case KW_WHERE:
    case KW_GROUP:
    case KW_HAVING:
    case KW_WINDOW:
    case KW_QUALIFY:
        return true;
    case KW_VALUES:
        return then_kind(p, '(');
    default:
        return false;
    }
}

bool at_query_tail(struct parser *p)
{
    switch ((unsigned)now(p)->word) {
    case KW_UNION:
    case KW_INTERSECT:
    case KW_EXCEPT:
    case KW_ORDER:
    case KW_LIMIT:
    case KW_OFFSET:
    case KW_FETCH:
    case KW_FOR:
        return true;
    default:
        return false;
    }
}

static kdk_status query_new(struct parser *p, enum ast_query_kind kind, uint32_t at,
                            struct ast_query **out)
{
    kdk_status status = KDK_OK;

    TRY_NEW(*out = NEW(struct ast_query));
    (*out)->kind = (uint8_t)kind;
    (*out)->at = at;
    (*out)->height = 1;
out:
    return status;
}

/* ---- items, ORDER BY, windows ---- */

static kdk_status star_new(struct parser *p, uint32_t at, struct ast_expr **out)
{
    kdk_status status = KDK_OK;

    TRY_NEW(*out = parse_new(p, AST_STAR, at));
    (*out)->name.at = at;
out:
    return status;
}

static kdk_status parse_item(struct parser *p, struct ast_item *item)
{
    kdk_status status = KDK_OK;

    *item = (struct ast_item){0};
    if (at_op(p, OP_MUL)) {
        TRY(star_new(p, now(p)->at, &item->expr));
        parse_next(p);
        return KDK_OK;
    }
    TRY(parse_expr(p, &item->expr));
    if (take_word(p, KW_AS))
        TRY(parse_ident(p, NAME_LABEL, &item->alias));
    else if (token_is_name(now(p), NAME_BARE))
        TRY(parse_ident(p, NAME_BARE, &item->alias));
out:
    return status;
}

kdk_status parse_items(struct parser *p, struct ast_items *out)
{
    kdk_status status = KDK_OK;
    struct ast_items list = {0};

    do {
        struct ast_item item;
        TRY(parse_item(p, &item));
        LIST_ADD(list.items, list.count, item);
    } while (take_kind(p, ','));
    *out = list;
out:
    return status;
}

kdk_status parse_sort_tail(struct parser *p, struct ast_sort *sort)
{
    if (take_word(p, KW_DESC))
        sort->descending = true;
    else
        take_word(p, KW_ASC);
    if (at_word(p, KW_USING))
        return parse_unsupported(p, now(p)->at, "ORDER BY USING");
    if (take_words(p, KW_NULLS, KW_FIRST))
        sort->nulls = AST_NULLS_FIRST;
    else if (take_words(p, KW_NULLS, KW_LAST))
        sort->nulls = AST_NULLS_LAST;
    return KDK_OK;
}

kdk_status parse_order_by(struct parser *p, struct ast_sorts *out)
{
    kdk_status status = KDK_OK;
    struct ast_sorts list = {0};

    do {
        struct ast_sort sort = {0};
        TRY(parse_expr(p, &sort.expr));
        TRY(parse_sort_tail(p, &sort));
        LIST_ADD(list.items, list.count, sort);
    } while (take_kind(p, ','));
    *out = list;
out:
    return status;
}

static kdk_status parse_bound(struct parser *p, char *kind, bool *following,
                              struct ast_expr **distance)
{
    kdk_status status = KDK_OK;

    if (take_words(p, KW_CURRENT, KW_ROW)) {
        *kind = 'c';
        return KDK_OK;
    }
    if (at_word(p, KW_UNBOUNDED) &&
        (then_word(p, KW_PRECEDING) || then_word(p, KW_FOLLOWING))) {
        parse_next(p);
        *kind = 'u';
    } else {
        *kind = 'n';
        TRY(parse_expr(p, distance));
    }
    if (take_word(p, KW_FOLLOWING))
        *following = true;
    else
        TRY(need_word(p, KW_PRECEDING));
out:
    return status;
}

static kdk_status parse_frame(struct parser *p, struct ast_window *w)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_ROWS))
        w->frame = "rows";
    else if (take_word(p, KW_RANGE))
        w->frame = "range";
    else if (take_word(p, KW_GROUPS))
        w->frame = "groups";
    else
        return KDK_OK;
    if (take_word(p, KW_BETWEEN)) {
        TRY(parse_bound(p, &w->from.kind, &w->from.following, &w->from.distance));
        TRY(need_word(p, KW_AND));
        TRY(parse_bound(p, &w->to.kind, &w->to.following, &w->to.distance));
    } else {
        TRY(parse_bound(p, &w->from.kind, &w->from.following, &w->from.distance));
    }
    if (take_word(p, KW_EXCLUDE)) {
        if (take_words(p, KW_CURRENT, KW_ROW))
            w->exclude = "current row";
        else if (take_word(p, KW_GROUP))
            w->exclude = "group";
        else if (take_word(p, KW_TIES))
            w->exclude = "ties";
        else if (take_words(p, KW_NO, KW_OTHERS))
            w->exclude = "no others";
        else
            status = parse_syntax(p);
    }
out:
    return status;
}

kdk_status parse_window(struct parser *p, struct ast_window **out)
{
    kdk_status status = KDK_OK;
    struct ast_window *w;

    TRY_NEW(w = NEW(struct ast_window));
    w->at = now(p)->at;
    if (!at_kind(p, '(')) {
        w->bare = true;
        TRY(parse_ident(p, NAME_COLUMN, &w->base));
    } else {
        parse_next(p);
        if (token_is_name(now(p), NAME_COLUMN) && !at_word(p, KW_PARTITION) &&
            !at_word(p, KW_ROWS) && !at_word(p, KW_RANGE) && !at_word(p, KW_GROUPS))
            TRY(parse_ident(p, NAME_COLUMN, &w->base));
        if (take_word(p, KW_PARTITION)) {
            TRY(need_word(p, KW_BY));
            TRY(parse_exprs(p, &w->partition_by));
        }
        if (take_words(p, KW_ORDER, KW_BY))
            TRY(parse_order_by(p, &w->order_by));
        TRY(parse_frame(p, w));
        TRY(need_kind(p, ')'));
    }
    *out = w;
out:
    return status;
}

/* ---- one block ---- */

static kdk_status parse_group(struct parser *p, struct ast_group *group)
{
    kdk_status status = KDK_OK;

    *group = (struct ast_group){.at = now(p)->at};
    TRY(parse_enter(p));
    if (take_words(p, KW_GROUPING, KW_SETS)) {
        group->kind = AST_GROUP_SETS;
        TRY(need_kind(p, '('));
        do {
            struct ast_group set;
            TRY(parse_group(p, &set));
            LIST_ADD(group->sets, group->set_count, set);
        } while (take_kind(p, ','));
        TRY(need_kind(p, ')'));
    } else if ((at_word(p, KW_ROLLUP) || at_word(p, KW_CUBE)) && then_kind(p, '(')) {
        group->kind = at_word(p, KW_ROLLUP) ? AST_GROUP_ROLLUP : AST_GROUP_CUBE;
        parse_next(p);
        parse_next(p);
        TRY(parse_exprs(p, &group->list));
        TRY(need_kind(p, ')'));
    } else if (at_kind(p, '(') && then_kind(p, ')')) {
        group->kind = AST_GROUP_EMPTY;
        parse_next(p);
        parse_next(p);
    } else {
        group->kind = AST_GROUP_EXPR;
        TRY(parse_expr(p, &group->expr));
    }
out:
    parse_leave(p);
    return status;
}

static kdk_status parse_group_by(struct parser *p, struct ast_select *s)
{
    kdk_status status = KDK_OK;

    TRY(need_word(p, KW_BY));
    s->grouped = true;
    if (take_word(p, KW_DISTINCT)) {
        s->group_distinct = true;
    } else if (take_word(p, KW_ALL)) {
        /* GROUP BY ALL (a, b) is PostgreSQL's: say what is the default anyhow. Alone it is
         * DuckDB's. */
        if (at_kind(p, TOK_END) || at_kind(p, ';') || at_kind(p, ')') || at_query(p) ||
            at_query_tail(p) || at_word(p, KW_ON) || at_word(p, KW_RETURNING)) {
            s->group_all = true;
            return KDK_OK;
        }
    }
    do {
        struct ast_group group;
        TRY(parse_group(p, &group));
        LIST_ADD(s->group_by, s->group_count, group);
    } while (take_kind(p, ','));
out:
    return status;
}

static kdk_status parse_windows(struct parser *p, struct ast_select *s)
{
    kdk_status status = KDK_OK;

    do {
        struct ast_window *w;
        struct ast_ident name;
        TRY(parse_ident(p, NAME_COLUMN, &name));
        TRY(need_word(p, KW_AS));
        if (!at_kind(p, '('))
            TRY(parse_syntax(p));
        TRY(parse_window(p, &w));
        w->name = name;
        LIST_ADD(s->windows, s->window_count, w);
    } while (take_kind(p, ','));
out:
    return status;
}

/* Whether SELECT has no items here: SELECT FROM t. */
static bool at_no_items(struct parser *p)
{
    switch (now(p)->kind) {
    case TOK_END:
    case ';':
    case ')':
        return true;
    default:
        return !at_word(p, KW_WITH) && !at_word(p, KW_TABLE) && !at_word(p, KW_VALUES) &&
               (at_query(p) || at_query_tail(p) || at_word(p, KW_INTO));
    }
}

static kdk_status parse_select_list(struct parser *p, struct ast_select *s)
{
    kdk_status status = KDK_OK;

    if (take_word(p, KW_DISTINCT)) {
        s->distinct = true;
        if (take_word(p, KW_ON)) {
            TRY(need_kind(p, '('));
            TRY(parse_exprs(p, &s->distinct_on));
            TRY(need_kind(p, ')'));
        }
    } else {
        take_word(p, KW_ALL);
        if (at_no_items(p))
            goto into;
    }
    TRY(parse_items(p, &s->items));
into:
    if (at_word(p, KW_INTO))
        status = parse_unsupported(p, now(p)->at, "SELECT INTO");
out:
    return status;
}

/* The clauses of a block, in any order; a set. */
#define HEAD_CLAUSES(X) X(SELECT) X(FROM) X(WHERE) X(GROUP) X(HAVING) X(WINDOW) X(QUALIFY)
enum head {
#define HEAD_ENUM(NAME) HEAD_##NAME,
    HEAD_CLAUSES(HEAD_ENUM)
#undef HEAD_ENUM
        HEAD_COUNT
};
static const enum keyword head_words[HEAD_COUNT] = {
#define HEAD_WORD(NAME) KW_##NAME,
    HEAD_CLAUSES(HEAD_WORD)
#undef HEAD_WORD
};

static kdk_status parse_head(struct parser *p, enum head head, struct ast_select *s)
{
    switch (head) {
    case HEAD_SELECT:
        return parse_select_list(p, s);
    case HEAD_FROM:
        return parse_froms(p, &s->from);
    case HEAD_WHERE:
        return parse_expr(p, &s->where);
    case HEAD_GROUP:
        return parse_group_by(p, s);
    case HEAD_HAVING:
        return parse_expr(p, &s->having);
    case HEAD_WINDOW:
        return parse_windows(p, s);
    case HEAD_QUALIFY:
        return parse_expr(p, &s->qualify);
    case HEAD_COUNT:
        break;
    }
    return parse_syntax(p);
}

static kdk_status second_clause(struct parser *p, enum head head, uint32_t first)
{
    uint32_t line, column;
    const char *text = keyword_info[head_words[head]].text;
    char upper[16];
    size_t n = 0;

    for (; text[n]; n++)
        upper[n] = (char)(text[n] - ('a' - 'A'));
    upper[n] = 0;
    parse_fail(p, KDK_SYNTAX, now(p)->at, "two %s clauses in one query", upper);
    parse_place(p, first, &line, &column);
    err_detail(p->err, "The first is at line %u, column %u.", line, column);
    if (head == HEAD_SELECT || head == HEAD_FROM)
        err_hint(p->err, "Put a semicolon between two statements.");
    return KDK_SYNTAX;
}

static kdk_status parse_block(struct parser *p, struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *q;
    struct ast_select *s;
    uint32_t seen[HEAD_COUNT] = {0}; /* Offset + 1. */

    TRY(query_new(p, AST_QUERY_SELECT, now(p)->at, &q));
    TRY_NEW(s = q->select = NEW(struct ast_select));
    for (;;) {
        unsigned head = 0;
        while (head < HEAD_COUNT && !at_word(p, head_words[head]))
            head++;
        if (head == HEAD_COUNT)
            break;
        if (seen[head])
            TRY(second_clause(p, (enum head)head, seen[head] - 1));
        seen[head] = now(p)->at + 1;
        parse_next(p);
        TRY(parse_head(p, (enum head)head, s));
    }
    if (!seen[HEAD_SELECT]) {
        struct ast_item item = {0};
        if (!seen[HEAD_FROM])
            TRY(parse_fail(p, KDK_SYNTAX, q->at, "a query needs SELECT or FROM"));
        TRY(star_new(p, q->at, &item.expr));
        LIST_ADD(s->items.items, s->items.count, item);
    }
    TRY(parse_query_done(p, q));
    *out = q;
out:
    return status;
}

static kdk_status parse_values(struct parser *p, struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *q;

    TRY(query_new(p, AST_QUERY_VALUES, now(p)->at, &q));
    parse_next(p);
    do {
        struct ast_exprs row;
        TRY(need_kind(p, '('));
        TRY(parse_exprs(p, &row));
        TRY(need_kind(p, ')'));
        LIST_ADD(q->rows, q->row_count, row);
    } while (take_kind(p, ','));
    TRY(parse_query_done(p, q));
    *out = q;
out:
    return status;
}

/* TABLE t */
static kdk_status parse_table(struct parser *p, struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *q;
    struct ast_from *from;
    struct ast_item item = {0};

    TRY(query_new(p, AST_QUERY_SELECT, now(p)->at, &q));
    TRY_NEW(q->select = NEW(struct ast_select));
    parse_next(p);
    TRY_NEW(from = NEW(struct ast_from));
    from->kind = AST_FROM_TABLE;
    from->only = take_word(p, KW_ONLY);
    from->at = now(p)->at;
    TRY(parse_table_name(p, &from->name));
    take_op(p, OP_MUL);
    TRY(parse_from_done(p, from));
    TRY(star_new(p, q->at, &item.expr));
    LIST_ADD(q->select->items.items, q->select->items.count, item);
    LIST_ADD(q->select->from.items, q->select->from.count, from);
    TRY(parse_query_done(p, q));
    *out = q;
out:
    return status;
}

/* ---- set operations ---- */

static kdk_status parse_simple_query(struct parser *p, struct ast_query **out)
{
    kdk_status status = KDK_OK;

    TRY(parse_enter(p));
    if (take_kind(p, '(')) {
        TRY(parse_query(p, out));
        TRY(need_kind(p, ')'));
    } else if (at_word(p, KW_VALUES)) {
        TRY(parse_values(p, out));
    } else if (at_word(p, KW_TABLE)) {
        TRY(parse_table(p, out));
    } else if (at_query(p) && !at_word(p, KW_WITH)) {
        TRY(parse_block(p, out));
    } else {
        TRY(parse_syntax(p));
    }
out:
    parse_leave(p);
    return status;
}

/* UNION and EXCEPT are of level 1, INTERSECT of level 2; all group to the left. */
static kdk_status parse_setops(struct parser *p, struct ast_query *left, int min,
                               struct ast_query **out)
{
    kdk_status status = KDK_OK;

    for (;;) {
        struct ast_query *q, *right;
        enum ast_setop op = at_word(p, KW_UNION)       ? AST_UNION
                            : at_word(p, KW_INTERSECT) ? AST_INTERSECT
                                                       : AST_EXCEPT;
        int level = op == AST_INTERSECT ? 2 : 1;
        if (op == AST_EXCEPT && !at_word(p, KW_EXCEPT))
            break;
        if (level < min)
            break;
        TRY(query_new(p, AST_QUERY_SETOP, now(p)->at, &q));
        parse_next(p);
        q->setop = (uint8_t)op;
        q->all = take_word(p, KW_ALL);
        if (!q->all)
            take_word(p, KW_DISTINCT);
        TRY(parse_simple_query(p, &right));
        if (level == 1)
            TRY(parse_setops(p, right, 2, &right));
        q->left = left;
        q->right = right;
        TRY(parse_query_done(p, q));
        left = q;
    }
    *out = left;
out:
    return status;
}

/* ---- ORDER BY and after ---- */

static kdk_status twice(struct parser *p, uint32_t at, const char *clause)
{
    return parse_fail(p, KDK_SYNTAX, at, "multiple %s clauses not allowed", clause);
}

static kdk_status parse_limit(struct parser *p, struct ast_query *q)
{
    kdk_status status = KDK_OK;

    parse_next(p);
    if (take_word(p, KW_ALL))
        return KDK_OK;
    TRY(parse_expr(p, &q->limit));
    if (at_kind(p, ',')) {
        parse_fail(p, KDK_SYNTAX, now(p)->at, "LIMIT #,# syntax is not supported");
        err_hint(p->err, "Use separate LIMIT and OFFSET clauses.");
        status = KDK_SYNTAX;
    }
out:
    return status;
}

/* FETCH FIRST|NEXT [n] ROW|ROWS ONLY|WITH TIES */
static kdk_status parse_fetch(struct parser *p, struct ast_query *q)
{
    kdk_status status = KDK_OK;

    parse_next(p);
    if (!take_word(p, KW_FIRST))
        TRY(need_word(p, KW_NEXT));
    if (at_word(p, KW_ROW) || at_word(p, KW_ROWS)) {
        TRY_NEW(q->limit = parse_new(p, AST_NUMBER, now(p)->at));
        q->limit->number.text = "1";
        q->limit->number.bytes = 1;
        q->limit->number.value = 1;
        q->limit->number.fits = true;
    } else {
        TRY(parse_level(p, LEVEL_POSTFIX, true, &q->limit));
    }
    if (!take_word(p, KW_ROW))
        TRY(need_word(p, KW_ROWS));
    if (take_words(p, KW_WITH, KW_TIES))
        q->with_ties = true;
    else
        TRY(need_word(p, KW_ONLY));
out:
    return status;
}

static kdk_status parse_lock(struct parser *p, struct ast_query *q)
{
    kdk_status status = KDK_OK;
    struct ast_lock lock = {.at = now(p)->at};

    parse_next(p);
    if (take_word(p, KW_UPDATE)) {
        lock.strength = "update";
    } else if (take_word(p, KW_SHARE)) {
        lock.strength = "share";
    } else if (take_words(p, KW_KEY, KW_SHARE)) {
        lock.strength = "key share";
    } else if (take_words(p, KW_NO, KW_KEY)) {
        TRY(need_word(p, KW_UPDATE));
        lock.strength = "no key update";
    } else {
        TRY(parse_syntax(p));
    }
    if (take_word(p, KW_OF)) {
        do {
            struct ast_name name;
            TRY(parse_table_name(p, &name));
            LIST_ADD(lock.tables, lock.table_count, name);
        } while (take_kind(p, ','));
    }
    if (take_word(p, KW_NOWAIT))
        lock.wait = "nowait";
    else if (take_words(p, KW_SKIP, KW_LOCKED))
        lock.wait = "skip locked";
    LIST_ADD(q->locks, q->lock_count, lock);
out:
    return status;
}

/* The tail of `q`, which may have one of its own when it stood in parentheses. */
static kdk_status parse_tail(struct parser *p, struct ast_query *q)
{
    kdk_status status = KDK_OK;
    bool limited = q->limit != NULL;
    uint32_t at = now(p)->at;

    if (take_words(p, KW_ORDER, KW_BY)) {
        if (q->order_by.count)
            TRY(twice(p, at, "ORDER BY"));
        TRY(parse_order_by(p, &q->order_by));
    }
    for (;;) {
        at = now(p)->at;
        if (at_word(p, KW_LIMIT) || at_word(p, KW_FETCH)) {
            if (limited)
                TRY(twice(p, at, "LIMIT"));
            limited = true;
            if (at_word(p, KW_LIMIT))
                TRY(parse_limit(p, q));
            else
                TRY(parse_fetch(p, q));
        } else if (take_word(p, KW_OFFSET)) {
            if (q->offset)
                TRY(twice(p, at, "OFFSET"));
            TRY(parse_expr(p, &q->offset));
            if (!take_word(p, KW_ROW))
                take_word(p, KW_ROWS);
        } else if (at_word(p, KW_FOR)) {
            if (take_words(p, KW_FOR, KW_READ))
                TRY(need_word(p, KW_ONLY));
            else
                TRY(parse_lock(p, q));
        } else {
            break;
        }
    }
    TRY(parse_query_done(p, q));
out:
    return status;
}

kdk_status parse_query_rest(struct parser *p, struct ast_query *first,
                            struct ast_query **out)
{
    kdk_status status = KDK_OK;

    TRY(parse_setops(p, first, 1, &first));
    TRY(parse_tail(p, first));
    *out = first;
out:
    return status;
}

kdk_status parse_query_with(struct parser *p, struct ast_with *with, struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *q;

    TRY(parse_simple_query(p, &q));
    TRY(parse_setops(p, q, 1, &q));
    if (with) {
        if (q->with)
            TRY(twice(p, q->with->at, "WITH"));
        q->with = with;
    }
    TRY(parse_tail(p, q));
    *out = q;
out:
    return status;
}

kdk_status parse_query(struct parser *p, struct ast_query **out)
{
    kdk_status status = KDK_OK;
    struct ast_with *with = NULL;

    TRY(parse_enter(p));
    if (at_word(p, KW_WITH))
        TRY(parse_with(p, &with));
    TRY(parse_query_with(p, with, out));
out:
    parse_leave(p);
    return status;
}

/* ---- WITH ---- */

static kdk_status parse_cte(struct parser *p, struct ast_cte *cte)
{
    kdk_status status = KDK_OK;

    *cte = (struct ast_cte){0};
    TRY(parse_ident(p, NAME_COLUMN, &cte->name));
    if (at_kind(p, '('))
        TRY(parse_name_list(p, &cte->columns));
    TRY(need_word(p, KW_AS));
    if (take_word(p, KW_MATERIALIZED))
        cte->materialize = AST_CTE_MATERIALIZED;
    else if (take_words(p, KW_NOT, KW_MATERIALIZED))
        cte->materialize = AST_CTE_NOT_MATERIALIZED;
    TRY(need_kind(p, '('));
    if (at_word(p, KW_INSERT) || at_word(p, KW_UPDATE) || at_word(p, KW_DELETE))
        TRY(parse_unsupported(p, now(p)->at, "a data-modifying statement in WITH"));
    TRY(parse_query(p, &cte->query));
    TRY(need_kind(p, ')'));
    if (at_word(p, KW_SEARCH))
        TRY(parse_unsupported(p, now(p)->at, "SEARCH in WITH"));
    if (at_word(p, KW_CYCLE))
        TRY(parse_unsupported(p, now(p)->at, "CYCLE in WITH"));
out:
    return status;
}

kdk_status parse_with(struct parser *p, struct ast_with **out)
{
    kdk_status status = KDK_OK;
    struct ast_with *with;

    TRY_NEW(with = NEW(struct ast_with));
    with->at = now(p)->at;
    parse_next(p);
    with->recursive = take_word(p, KW_RECURSIVE);
    do {
        struct ast_cte cte;
        TRY(parse_cte(p, &cte));
        LIST_ADD(with->items, with->count, cte);
    } while (take_kind(p, ','));
    *out = with;
out:
    return status;
}
