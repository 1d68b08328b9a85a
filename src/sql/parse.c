#include "sql/parse.h"

#include "base/utf8.h"
#include "sql/parse_int.h"

/* ---- tokens ---- */

const struct token *parse_peek(struct parser *p, unsigned skip)
{
    ASSERT(skip < PARSE_AHEAD);
    while (p->count <= skip) {
        lexer_next(&p->lexer, &p->ahead[(p->first + p->count) % PARSE_AHEAD]);
        p->count++;
    }
    return &p->ahead[(p->first + skip) % PARSE_AHEAD];
}

void parse_next(struct parser *p)
{
    p->last_end = now(p)->end;
    if (now(p)->kind == TOK_ERROR || now(p)->kind == TOK_END)
        return; /* Stay: whoever looks next sees it too. */
    p->first = (p->first + 1) % PARSE_AHEAD;
    p->count--;
}

bool take_kind(struct parser *p, unsigned kind)
{
    if (!at_kind(p, kind))
        return false;
    parse_next(p);
    return true;
}

bool take_word(struct parser *p, enum keyword word)
{
    if (!at_word(p, word))
        return false;
    parse_next(p);
    return true;
}

bool take_words(struct parser *p, enum keyword first, enum keyword second)
{
    if (!at_word(p, first) || !then_word(p, second))
        return false;
    parse_next(p);
    parse_next(p);
    return true;
}

bool take_op(struct parser *p, enum ast_op op)
{
    if (!at_op(p, op))
        return false;
    parse_next(p);
    return true;
}

bool at_text(struct parser *p, const char *lower)
{
    const struct token *token = now(p);
    size_t bytes = strlen(lower);

    if (token->kind != TOK_WORD || token->end - token->at != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = p->lexer.text[token->at + i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != lower[i])
            return false;
    }
    return true;
}

bool take_text(struct parser *p, const char *lower)
{
    if (!at_text(p, lower))
        return false;
    parse_next(p);
    return true;
}

kdk_status need_kind(struct parser *p, unsigned kind)
{
    return take_kind(p, kind) ? KDK_OK : parse_syntax(p);
}

kdk_status need_word(struct parser *p, enum keyword word)
{
    return take_word(p, word) ? KDK_OK : parse_syntax(p);
}

/* ---- errors ---- */

kdk_status parse_syntax(struct parser *p)
{
    const struct token *token = now(p);

    if (token->kind == TOK_ERROR)
        return lexer_error(&p->lexer, token, p->err);
    if (token->kind == TOK_END)
        err_set(p->err, KDK_SYNTAX, "syntax error at end of input");
    else
        err_set(p->err, KDK_SYNTAX, "syntax error at or near \"%.*s\"",
                (int)MIN(token->end - token->at, 400u), p->lexer.text + token->at);
    err_at(p->err, token->at);
    return KDK_SYNTAX;
}

kdk_status parse_fail(struct parser *p, kdk_status code, uint32_t at, const char *format,
                      ...)
{
    va_list args;

    va_start(args, format);
    err_setv(p->err, code, format, args);
    va_end(args);
    err_at(p->err, at);
    return code;
}

kdk_status parse_unsupported(struct parser *p, uint32_t at, const char *feature)
{
    return parse_fail(p, KDK_UNSUPPORTED, at, "%s is not supported", feature);
}

static kdk_status too_deep(struct parser *p, uint32_t at)
{
    parse_fail(p, KDK_TOO_COMPLEX, at, "statement is nested too deeply");
    err_detail(p->err, "The limit is %d levels.", SQL_DEPTH_MAX);
    return KDK_TOO_COMPLEX;
}

kdk_status parse_enter(struct parser *p)
{
    p->depth++;
    return p->depth > SQL_DEPTH_MAX ? too_deep(p, now(p)->at) : KDK_OK;
}

void parse_place(const struct parser *p, uint32_t at, uint32_t *line, uint32_t *column)
{
    uint32_t start = 0;

    *line = 1;
    for (uint32_t i = 0; i < at; i++)
        if (p->lexer.text[i] == '\n') {
            ++*line;
            start = i + 1;
        }
    *column = (uint32_t)utf8_count(p->lexer.text + start, at - start) + 1;
}

/* ---- lists and heights ---- */

void *parse_room(struct arena *arena, void *items, uint32_t count, size_t item_bytes)
{
    void *grown;

    if (count && (count < 2 || (count & (count - 1))))
        return items;
    grown = arena_alloc(arena, size_mul(item_bytes, count ? 2 * (size_t)count : 2));
    if (grown && count)
        memcpy(grown, items, item_bytes * count);
    return grown;
}

static unsigned higher(unsigned height, const struct ast_expr *child)
{
    return child && child->height > height ? child->height : height;
}

static unsigned higher_query(unsigned height, const struct ast_query *child)
{
    return child && child->height > height ? child->height : height;
}

static unsigned highest(unsigned height, struct ast_exprs list)
{
    for (uint32_t i = 0; i < list.count; i++)
        height = higher(height, list.items[i]);
    return height;
}

static unsigned highest_sort(unsigned height, struct ast_sorts list)
{
    for (uint32_t i = 0; i < list.count; i++)
        height = higher(height, list.items[i].expr);
    return height;
}

static unsigned window_height(unsigned height, const struct ast_window *window)
{
    if (!window)
        return height;
    height = highest(height, window->partition_by);
    height = highest_sort(height, window->order_by);
    height = higher(height, window->from.distance);
    return higher(height, window->to.distance);
}

static unsigned type_height(unsigned height, const struct ast_type *type)
{
    return type && type->modifiers ? highest(height, *type->modifiers) : height;
}

static kdk_status set_height(struct parser *p, unsigned children, uint32_t at,
                             uint16_t *height)
{
    if (children + 1 > SQL_DEPTH_MAX)
        return too_deep(p, at);
    *height = (uint16_t)(children + 1);
    return KDK_OK;
}

kdk_status parse_done(struct parser *p, struct ast_expr *e)
{
    unsigned h = 0;

    switch ((enum ast_expr_kind)e->kind) {
    case AST_NULL:
    case AST_BOOL:
    case AST_NUMBER:
    case AST_STRING:
    case AST_BITS:
    case AST_DEFAULT:
    case AST_PARAM:
    case AST_COLUMN:
    case AST_STAR:
    case AST_SQL_VALUE:
        break;
    case AST_UNARY:
    case AST_BINARY:
    case AST_AT_TIME_ZONE:
        h = higher(higher(h, e->binary.left), e->binary.right);
        break;
    case AST_AND:
    case AST_OR:
    case AST_ARRAY:
    case AST_ROW:
        h = highest(h, e->list);
        break;
    case AST_NOT:
        h = higher(h, e->arg);
        break;
    case AST_IS:
    case AST_DISTINCT_FROM:
        h = higher(higher(h, e->test.arg), e->test.other);
        break;
    case AST_LIKE:
        h = higher(higher(higher(h, e->like.arg), e->like.pattern), e->like.escape);
        break;
    case AST_BETWEEN:
        h = higher(higher(higher(h, e->between.arg), e->between.low), e->between.high);
        break;
    case AST_IN_LIST:
    case AST_IN_QUERY:
        h = higher_query(highest(higher(h, e->in.arg), e->in.list), e->in.query);
        break;
    case AST_ANY:
    case AST_ALL:
        h = higher(higher(h, e->quantified.left), e->quantified.array);
        h = higher_query(h, e->quantified.query);
        break;
    case AST_EXISTS:
    case AST_SUBQUERY:
    case AST_ARRAY_QUERY:
        h = higher_query(h, e->query);
        break;
    case AST_CASE:
        h = higher(higher(h, e->cases->arg), e->cases->otherwise);
        h = highest(highest(h, e->cases->whens), e->cases->thens);
        break;
    case AST_CAST:
        h = type_height(higher(h, e->cast.arg), e->cast.type);
        break;
    case AST_CALL:
        h = higher(highest(h, e->call->args), e->call->filter);
        h = highest_sort(highest_sort(h, e->call->order_by), e->call->within_group);
        h = window_height(h, e->call->over);
        break;
    case AST_COLLATE:
        h = higher(h, e->collate.arg);
        break;
    case AST_SUBSCRIPT:
        h = higher(higher(higher(h, e->subscript.arg), e->subscript.low),
                   e->subscript.high);
        break;
    case AST_FIELD:
        h = higher(h, e->field.arg);
        break;
    }
    return set_height(p, h, e->at, &e->height);
}

kdk_status parse_from_done(struct parser *p, struct ast_from *from)
{
    unsigned h = 0;

    switch ((enum ast_from_kind)from->kind) {
    case AST_FROM_TABLE:
    case AST_FROM_FILE:
        break;
    case AST_FROM_QUERY:
        h = higher_query(h, from->query);
        break;
    case AST_FROM_FUNCTION:
        h = higher(h, from->function.call);
        for (uint32_t i = 0; i < from->function.def_count; i++)
            h = type_height(h, from->function.defs[i].type);
        break;
    case AST_FROM_JOIN:
        h = MAX(from->sides.left->height, from->sides.right->height);
        h = higher(h, from->sides.on);
        break;
    }
    return set_height(p, h, from->at, &from->height);
}

static unsigned group_height(unsigned h, const struct ast_group *group)
{
    h = highest(higher(h, group->expr), group->list);
    for (uint32_t i = 0; i < group->set_count; i++) {
        unsigned set = group_height(0, &group->sets[i]) + 1;
        h = MAX(h, set); /* The macro evaluates twice: no call inside. */
    }
    return h;
}

kdk_status parse_query_done(struct parser *p, struct ast_query *q)
{
    unsigned h = 0;

    for (uint32_t i = 0; q->with && i < q->with->count; i++)
        h = higher_query(h, q->with->items[i].query);
    switch ((enum ast_query_kind)q->kind) {
    case AST_QUERY_SELECT: {
        const struct ast_select *s = q->select;
        h = highest(h, s->distinct_on);
        for (uint32_t i = 0; i < s->items.count; i++)
            h = higher(h, s->items.items[i].expr);
        for (uint32_t i = 0; i < s->from.count; i++)
            h = MAX(h, s->from.items[i]->height);
        h = higher(higher(higher(h, s->where), s->having), s->qualify);
        for (uint32_t i = 0; i < s->group_count; i++)
            h = group_height(h, &s->group_by[i]);
        for (uint32_t i = 0; i < s->window_count; i++)
            h = window_height(h, s->windows[i]);
        break;
    }
    case AST_QUERY_VALUES:
        for (uint32_t i = 0; i < q->row_count; i++)
            h = highest(h, q->rows[i]);
        break;
    case AST_QUERY_SETOP:
        h = higher_query(higher_query(h, q->left), q->right);
        break;
    }
    h = higher(higher(highest_sort(h, q->order_by), q->limit), q->offset);
    return set_height(p, h, q->at, &q->height);
}

struct ast_expr *parse_new(struct parser *p, enum ast_expr_kind kind, uint32_t at)
{
    struct ast_expr *e = NEW(struct ast_expr);

    if (e) {
        e->kind = (uint8_t)kind;
        e->at = at;
        e->height = 1;
    }
    return e;
}

/* ---- the entries ---- */

static kdk_status parser_init(struct parser *p, const char *text, size_t bytes,
                              struct arena *arena, struct err *err)
{
    size_t bad;

    *p = (struct parser){.arena = arena, .err = err};
    if (bytes > SQL_BYTES_MAX)
        return err_set(err, KDK_LIMIT, "SQL text of %zu bytes is longer than %u", bytes,
                       SQL_BYTES_MAX);
    lexer_init(&p->lexer, bytes ? text : "", bytes, SQL_ZONE_SQL);
    if (bytes && !utf8_valid(text, bytes, &bad)) {
        err_set(err, KDK_BAD_ENCODING,
                "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                (unsigned)(unsigned char)text[bad]);
        err_at(err, (uint32_t)bad);
        return KDK_BAD_ENCODING;
    }
    return KDK_OK;
}

kdk_status sql_parse(const char *text, size_t bytes, struct arena *arena,
                     struct ast_list *statements, struct err *err)
{
    kdk_status status = KDK_OK;
    struct parser parser, *p = &parser;
    struct ast_list list = {0};

    TRY(parser_init(p, text, bytes, arena, err));
    for (;;) {
        struct ast_stmt *stmt;
        while (take_kind(p, ';'))
            ;
        if (at_kind(p, TOK_END))
            break;
        p->params = p->questions = 0;
        TRY(parse_stmt(p, &stmt));
        if (!at_kind(p, TOK_END) && !at_kind(p, ';'))
            TRY(parse_syntax(p));
        LIST_ADD(list.items, list.count, stmt);
    }
    *statements = list;
out:
    return status;
}

kdk_status sql_parse_expr(const char *text, size_t bytes, struct arena *arena,
                          struct ast_expr **expr, struct err *err)
{
    kdk_status status = KDK_OK;
    struct parser parser, *p = &parser;
    struct ast_expr *e;

    TRY(parser_init(p, text, bytes, arena, err));
    TRY(parse_expr(p, &e));
    TRY(need_kind(p, TOK_END));
    *expr = e;
out:
    return status;
}

kdk_status sql_parse_type(const char *text, size_t bytes, struct arena *arena,
                          struct ast_type **type, struct err *err)
{
    kdk_status status = KDK_OK;
    struct parser parser, *p = &parser;
    struct ast_type *t;

    TRY(parser_init(p, text, bytes, arena, err));
    TRY(parse_type(p, &t));
    TRY(need_kind(p, TOK_END));
    *type = t;
out:
    return status;
}

enum sql_split sql_split(const char *text, size_t bytes, size_t from,
                         struct sql_extent *out)
{
    struct lexer lexer;
    struct token token;
    bool any = false;

    /* Offsets are 31 bits: a window of the text that a statement could fill. */
    size_t window = MIN(bytes - from, (size_t)SQL_BYTES_MAX + 1);
    *out = (struct sql_extent){.start = bytes, .end = bytes};
    lexer_init(&lexer, text + from, window, SQL_ZONE_SQL);
    for (;;) {
        lexer_next(&lexer, &token);
        if (token.kind == TOK_END)
            return any ? SQL_SPLIT_INCOMPLETE : SQL_SPLIT_EMPTY;
        if (token.kind == ';' && !any)
            continue;
        if (!any) {
            any = true;
            out->start = from + token.at;
        }
        if (token.kind == ';') {
            out->end = from + token.end;
            out->parens = 0;
            return SQL_SPLIT_STATEMENT;
        }
        if (token.kind == TOK_ERROR && lex_error_open((enum lex_error)token.form)) {
            out->open = lex_error_open((enum lex_error)token.form);
            return SQL_SPLIT_OPEN;
        }
        if (token.kind == '(')
            out->parens++;
        else if (token.kind == ')' && out->parens)
            out->parens--;
    }
}
