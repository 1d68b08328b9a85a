/* primary.c - operands: literals, columns, parentheses, calls and the functions with a
 * syntax of their own. */
#include "sql/parse_int.h"

kdk_status parse_string_expr(struct parser *p, const char *text, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_STRING, now(p)->at));
    TRY_NEW(e->string.text = arena_strdup(p->arena, text));
    e->string.bytes = (uint32_t)strlen(text);
    *out = e;
out:
    return status;
}

/* ---- literals and parameters ---- */

static kdk_status parse_number(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    struct ast_expr *e;
    const char *text;
    uint32_t bytes;

    TRY_NEW(e = parse_new(p, AST_NUMBER, token.at));
    TRY(lexer_number(&p->lexer, &token, p->arena, &text, &bytes, p->err));
    while (bytes > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
        text++;
        bytes--;
    }
    e->number.text = text;
    e->number.bytes = bytes;
    if (token.kind == TOK_WHOLE) {
        int64_t value = 0;
        bool fits = true;
        for (uint32_t i = 0; i < bytes && fits; i++)
            fits = !__builtin_mul_overflow(value, 10, &value) &&
                   !__builtin_add_overflow(value, text[i] - '0', &value);
        e->number.fits = fits;
        e->number.value = fits ? value : 0;
        e->number.form = AST_NUMBER_WHOLE;
    } else {
        e->number.form =
            token.kind == TOK_DECIMAL ? AST_NUMBER_DECIMAL : AST_NUMBER_EXPONENT;
    }
    parse_next(p);
    *out = e;
out:
    return status;
}

static kdk_status parse_text(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_STRING, now(p)->at));
    TRY(parse_string(p, &e->string.text, &e->string.bytes));
    *out = e;
out:
    return status;
}

static kdk_status parse_bits(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_BITS, token.at));
    TRY(lexer_string(&p->lexer, &token, '\\', p->arena, &e->string.text, &e->string.bytes,
                     p->err));
    e->string.form = (char)token.form;
    parse_next(p);
    *out = e;
out:
    return status;
}

/* $1, ?, $name */
static kdk_status parse_param(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    struct ast_expr *e;
    uint32_t number = 0;

    TRY_NEW(e = parse_new(p, AST_PARAM, token.at));
    parse_next(p);
    if (token.kind == TOK_NAMED) {
        TRY(lexer_ident(&p->lexer, &token, 0, p->arena, &e->param.name, p->err));
        *out = e;
        return KDK_OK;
    }
    if (token.kind == '?') {
        if (p->params > p->questions)
            TRY(parse_fail(p, KDK_SYNTAX, token.at, "parameters ? and $1 cannot be mixed"));
        number = ++p->questions;
    } else {
        if (p->questions)
            TRY(parse_fail(p, KDK_SYNTAX, token.at, "parameters ? and $1 cannot be mixed"));
        for (uint32_t i = token.at + 1; i < token.end && number <= PARAMETERS_MAX; i++)
            number = number * 10 + (uint32_t)(p->lexer.text[i] - '0');
    }
    if (number == 0 || number > PARAMETERS_MAX)
        TRY(parse_fail(p, KDK_UNDEFINED_PARAMETER, token.at, "there is no parameter %.*s",
                       (int)MIN(token.end - token.at, 40u), p->lexer.text + token.at));
    p->params = MAX(p->params, number);
    e->param.number = number;
    *out = e;
out:
    return status;
}

static kdk_status parse_constant(struct parser *p, enum ast_expr_kind kind, bool truth,
                                 struct ast_expr **out)
{
    kdk_status status = KDK_OK;

    TRY_NEW(*out = parse_new(p, kind, now(p)->at));
    if (kind == AST_BOOL)
        (*out)->truth = truth;
    parse_next(p);
out:
    return status;
}

/* Behind a type: the literal's text, and an interval's fields. */
static kdk_status parse_literal(struct parser *p, struct ast_type *type,
                                struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_CAST, type->at));
    e->cast.type = type;
    e->cast.literal = true;
    if (!at_kind(p, TOK_STRING))
        TRY(parse_syntax(p));
    TRY(parse_text(p, &e->cast.arg));
    if (!type->fields && !type->modifiers && type->name.count == 1 &&
        !type->name.parts[0].quoted && strcmp(type->name.parts[0].text, "interval") == 0)
        TRY(parse_interval_fields(p, type));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* ---- calls ---- */

static kdk_status call_new(struct parser *p, const char *name, uint32_t at,
                           struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_ident part = {
        .text = name, .bytes = (uint32_t)strlen(name), .at = at & 0x7fffffff};
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_CALL, at));
    TRY_NEW(e->call = NEW(struct ast_call));
    e->call->name.at = at;
    LIST_ADD(e->call->name.parts, e->call->name.count, part);
    *out = e;
out:
    return status;
}

static kdk_status parse_arg(struct parser *p, struct ast_call *call)
{
    kdk_status status = KDK_OK;
    struct ast_ident name = {0};
    struct ast_expr *e;
    unsigned then = parse_peek(p, 1)->kind;

    if (take_word(p, KW_VARIADIC)) {
        call->variadic = true;
        then = parse_peek(p, 1)->kind;
    }
    if (token_is_name(now(p), NAME_TYPE) && (then == TOK_NAMES || then == TOK_ASSIGN)) {
        TRY(parse_ident(p, NAME_TYPE, &name));
        parse_next(p);
        if (!call->arg_names)
            for (uint32_t i = 0, n = 0; i < call->args.count; i++)
                LIST_ADD(call->arg_names, n, (struct ast_ident){0});
    } else if (call->arg_names) {
        TRY(parse_fail(p, KDK_SYNTAX, now(p)->at,
                       "positional argument cannot follow named argument"));
    }
    TRY(parse_expr(p, &e));
    if (name.text) {
        uint32_t n = call->args.count;
        LIST_ADD(call->arg_names, n, name);
    }
    LIST_ADD(call->args.items, call->args.count, e);
out:
    return status;
}

static kdk_status parse_args(struct parser *p, struct ast_call *call)
{
    kdk_status status = KDK_OK;

    TRY(need_kind(p, '('));
    if (take_kind(p, ')'))
        return KDK_OK;
    if (at_op(p, OP_MUL) && then_kind(p, ')')) {
        parse_next(p);
        parse_next(p);
        call->star = true;
        return KDK_OK;
    }
    if (take_word(p, KW_DISTINCT))
        call->distinct = true;
    else
        take_word(p, KW_ALL);
    do
        TRY(parse_arg(p, call));
    while (!call->variadic && take_kind(p, ','));
    if (take_words(p, KW_ORDER, KW_BY))
        TRY(parse_order_by(p, &call->order_by));
    TRY(need_kind(p, ')'));
out:
    return status;
}

/* WITHIN GROUP, FILTER, OVER. */
static kdk_status parse_call_tail(struct parser *p, struct ast_call *call)
{
    kdk_status status = KDK_OK;

    if (take_words(p, KW_WITHIN, KW_GROUP)) {
        TRY(need_kind(p, '('));
        TRY(need_word(p, KW_ORDER));
        TRY(need_word(p, KW_BY));
        TRY(parse_order_by(p, &call->within_group));
        TRY(need_kind(p, ')'));
    }
    if (at_word(p, KW_FILTER) && then_kind(p, '(')) {
        parse_next(p);
        parse_next(p);
        TRY(need_word(p, KW_WHERE));
        TRY(parse_expr(p, &call->filter));
        TRY(need_kind(p, ')'));
    }
    if (at_word(p, KW_OVER) &&
        (then_kind(p, '(') || token_is_name(parse_peek(p, 1), NAME_COLUMN))) {
        parse_next(p);
        TRY(parse_window(p, &call->over));
    }
out:
    return status;
}

kdk_status parse_call(struct parser *p, const struct ast_name *name, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_CALL, name->at));
    TRY_NEW(e->call = NEW(struct ast_call));
    e->call->name = *name;
    TRY(parse_args(p, e->call));
    TRY(parse_call_tail(p, e->call));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* COALESCE(..) and others whose name is a keyword but whose arguments are plain. */
static kdk_status parse_word_call(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_name name = {.at = now(p)->at};
    struct ast_ident part;

    TRY(parse_ident(p, NAME_LABEL, &part));
    LIST_ADD(name.parts, name.count, part);
    TRY(parse_call(p, &name, out));
out:
    return status;
}

/* ---- functions with a syntax of their own ---- */

/* The arguments are `first` and then what is read here, separated by commas. */
static kdk_status parse_more_args(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    while (take_kind(p, ',')) {
        TRY(parse_expr(p, &e));
        LIST_ADD(args->items, args->count, e);
    }
out:
    return status;
}

static kdk_status add_expr(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY(parse_expr(p, &e));
    LIST_ADD(args->items, args->count, e);
out:
    return status;
}

/* EXTRACT ( field FROM x ) */
static kdk_status parse_extract(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;
    struct ast_expr *field;

    if (at_kind(p, TOK_STRING)) {
        TRY(parse_text(p, &field));
    } else {
        struct ast_ident name;
        TRY(parse_string_expr(p, "", &field));
        TRY(parse_ident(p, NAME_LABEL, &name));
        field->string.text = name.text;
        field->string.bytes = name.bytes;
    }
    LIST_ADD(args->items, args->count, field);
    TRY(need_word(p, KW_FROM));
    TRY(add_expr(p, args));
out:
    return status;
}

/* SUBSTRING ( x FROM a [FOR b] | x FOR b [FROM a] | x SIMILAR a ESCAPE b | x, a, b ) */
static kdk_status parse_substring(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;
    struct ast_expr *from = NULL, *length = NULL;

    TRY(add_expr(p, args));
    if (take_word(p, KW_SIMILAR)) {
        TRY(add_expr(p, args));
        TRY(need_word(p, KW_ESCAPE));
        TRY(add_expr(p, args));
        return KDK_OK;
    }
    if (!at_word(p, KW_FROM) && !at_word(p, KW_FOR))
        return parse_more_args(p, args);
    for (int i = 0; i < 2; i++) {
        if (!from && take_word(p, KW_FROM))
            TRY(parse_expr(p, &from));
        else if (!length && take_word(p, KW_FOR))
            TRY(parse_expr(p, &length));
    }
    if (!from) {
        TRY_NEW(from = parse_new(p, AST_NUMBER, args->items[0]->at));
        from->number.text = "1";
        from->number.bytes = 1;
        from->number.value = 1;
        from->number.fits = true;
    }
    LIST_ADD(args->items, args->count, from);
    if (length)
        LIST_ADD(args->items, args->count, length);
out:
    return status;
}

/* POSITION ( part IN text ): both narrow, or IN would be an operator. */
static kdk_status parse_position(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;
    struct ast_expr *part, *text;

    TRY(parse_narrow_expr(p, &part));
    TRY(need_word(p, KW_IN));
    TRY(parse_narrow_expr(p, &text));
    LIST_ADD(args->items, args->count, text);
    LIST_ADD(args->items, args->count, part);
out:
    return status;
}

/* OVERLAY ( x PLACING new FROM a [FOR b] | x, new, a, b ) */
static kdk_status parse_overlay(struct parser *p, struct ast_exprs *args)
{
    kdk_status status = KDK_OK;

    TRY(add_expr(p, args));
    if (!take_word(p, KW_PLACING))
        return parse_more_args(p, args);
    TRY(add_expr(p, args));
    TRY(need_word(p, KW_FROM));
    TRY(add_expr(p, args));
    if (take_word(p, KW_FOR))
        TRY(add_expr(p, args));
out:
    return status;
}

/* TRIM ( [LEADING|TRAILING|BOTH] [[what] FROM] x [, what] ): the text comes first in the
 * call. */
static kdk_status parse_trim(struct parser *p, struct ast_call *call)
{
    kdk_status status = KDK_OK;
    struct ast_exprs list = {0};
    struct ast_expr *what;
    const char *name = "btrim";

    if (take_word(p, KW_LEADING))
        name = "ltrim";
    else if (take_word(p, KW_TRAILING))
        name = "rtrim";
    else
        take_word(p, KW_BOTH);
    call->name.parts[0].text = name;
    call->name.parts[0].bytes = (uint32_t)strlen(name);
    if (take_word(p, KW_FROM)) {
        TRY(parse_exprs(p, &list));
    } else {
        TRY(parse_exprs(p, &list));
        if (list.count == 1 && take_word(p, KW_FROM)) {
            what = list.items[0];
            list = (struct ast_exprs){0};
            TRY(parse_exprs(p, &list));
            LIST_ADD(list.items, list.count, what);
        }
    }
    call->args = list;
out:
    return status;
}

static kdk_status parse_special(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    enum keyword word = (enum keyword)now(p)->word;
    struct ast_expr *e;

    TRY(call_new(p, keyword_info[word].text, now(p)->at, &e));
    parse_next(p);
    TRY(need_kind(p, '('));
    if (word == KW_EXTRACT)
        TRY(parse_extract(p, &e->call->args));
    else if (word == KW_SUBSTRING)
        TRY(parse_substring(p, &e->call->args));
    else if (word == KW_POSITION)
        TRY(parse_position(p, &e->call->args));
    else if (word == KW_OVERLAY)
        TRY(parse_overlay(p, &e->call->args));
    else
        TRY(parse_trim(p, e->call));
    TRY(need_kind(p, ')'));
    TRY(parse_call_tail(p, e->call));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* CAST and TRY_CAST ( x AS type ) */
static kdk_status parse_cast(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_CAST, now(p)->at));
    e->cast.try = at_word(p, KW_TRY_CAST);
    parse_next(p);
    TRY(need_kind(p, '('));
    TRY(parse_expr(p, &e->cast.arg));
    TRY(need_word(p, KW_AS));
    TRY(parse_type(p, &e->cast.type));
    e->cast.literal = e->cast.arg->kind == AST_STRING && !e->cast.try;
    TRY(need_kind(p, ')'));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static kdk_status parse_case(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e, *part;

    TRY_NEW(e = parse_new(p, AST_CASE, now(p)->at));
    TRY_NEW(e->cases = arena_zalloc(p->arena, sizeof *e->cases));
    parse_next(p);
    if (!at_word(p, KW_WHEN))
        TRY(parse_expr(p, &e->cases->arg));
    do {
        TRY(need_word(p, KW_WHEN));
        TRY(parse_expr(p, &part));
        LIST_ADD(e->cases->whens.items, e->cases->whens.count, part);
        TRY(need_word(p, KW_THEN));
        TRY(parse_expr(p, &part));
        LIST_ADD(e->cases->thens.items, e->cases->thens.count, part);
    } while (at_word(p, KW_WHEN));
    if (take_word(p, KW_ELSE))
        TRY(parse_expr(p, &e->cases->otherwise));
    TRY(need_word(p, KW_END));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* EXISTS ( query ) and ARRAY ( query ), at the parenthesis. */
static kdk_status parse_query_operand(struct parser *p, enum ast_expr_kind kind,
                                      uint32_t at, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_exprs list = {0};
    struct ast_expr *e;
    uint32_t inside;

    TRY_NEW(e = parse_new(p, kind, at));
    if (!at_kind(p, '('))
        TRY(parse_syntax(p));
    inside = parse_peek(p, 1)->at;
    TRY(parse_parens(p, &e->query, &list));
    if (!e->query)
        TRY(parse_fail(p, KDK_SYNTAX, inside, "a subquery is needed here"));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* [ e, e ] with nested brackets. */
static kdk_status parse_array(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e, *item;

    TRY(parse_enter(p));
    TRY_NEW(e = parse_new(p, AST_ARRAY, now(p)->at));
    TRY(need_kind(p, '['));
    if (!at_kind(p, ']')) {
        do {
            if (at_kind(p, '['))
                TRY(parse_array(p, &item));
            else
                TRY(parse_expr(p, &item));
            LIST_ADD(e->list.items, e->list.count, item);
        } while (take_kind(p, ','));
    }
    TRY(need_kind(p, ']'));
    TRY(parse_done(p, e));
    *out = e;
out:
    parse_leave(p);
    return status;
}

static kdk_status parse_row(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_ROW, now(p)->at));
    parse_next(p);
    TRY(need_kind(p, '('));
    if (!at_kind(p, ')'))
        TRY(parse_exprs(p, &e->list));
    TRY(need_kind(p, ')'));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* ---- CURRENT_DATE and its like ---- */

static const enum keyword sql_value_words[] = {
#define SQL_VALUE_WORD(NAME, TEXT) KW_##NAME,
    AST_SQL_VALUE_LIST(SQL_VALUE_WORD)
#undef SQL_VALUE_WORD
};

bool at_sql_value(struct parser *p)
{
    enum keyword word = (enum keyword)now(p)->word;

    if (word == KW_CURRENT_SCHEMA && then_kind(p, '('))
        return false; /* The function. */
    for (size_t i = 0; word && i < COUNT_OF(sql_value_words); i++)
        if (sql_value_words[i] == word)
            return true;
    return false;
}

static kdk_status parse_sql_value(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;
    int64_t precision;

    TRY_NEW(e = parse_new(p, AST_SQL_VALUE, now(p)->at));
    while (sql_value_words[e->sql_value.value] != now(p)->word)
        e->sql_value.value++;
    e->sql_value.precision = -1;
    parse_next(p);
    if (e->sql_value.value >= AST_VALUE_CURRENT_TIME &&
        e->sql_value.value <= AST_VALUE_LOCALTIMESTAMP && take_kind(p, '(')) {
        TRY(parse_whole(p, INT32_MAX, &precision));
        TRY(need_kind(p, ')'));
        e->sql_value.precision = (int32_t)precision;
    }
    *out = e;
out:
    return status;
}

/* ---- names ---- */

/* A column, `t.*`, a call, or a literal with its type's name in front. */
static kdk_status parse_named(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_name name;
    struct ast_expr *e;
    bool column = token_is_name(now(p), NAME_COLUMN),
         type = token_is_name(now(p), NAME_TYPE);

    TRY(parse_name(p, column ? NAME_COLUMN : NAME_TYPE, 4, &name));
    if (at_kind(p, '.') && parse_peek(p, 1)->kind == TOK_OP &&
        parse_peek(p, 1)->op == OP_MUL) {
        parse_next(p);
        parse_next(p);
        TRY_NEW(e = parse_new(p, AST_STAR, name.at));
        e->name = name;
        *out = e;
        return KDK_OK;
    }
    if (at_kind(p, '(') && (type || name.count > 1))
        return parse_call(p, &name, out);
    if (at_kind(p, TOK_STRING) && (type || name.count > 1)) {
        struct ast_type *t;
        TRY_NEW(t = NEW(struct ast_type));
        t->name = name;
        t->at = name.at;
        return parse_literal(p, t, out);
    }
    if (!column)
        TRY(parse_syntax(p));
    TRY_NEW(e = parse_new(p, AST_COLUMN, name.at));
    e->name = name;
    *out = e;
out:
    return status;
}

/* ---- parentheses ---- */

/* A parenthesis may hold a query, and a query may begin with a parenthesis, as an
 * expression may: ((select 1) union select 2) against ((select 1) + 2). So the inner
 * parentheses are read first, and what follows them decides. */
kdk_status parse_parens(struct parser *p, struct ast_query **query, struct ast_exprs *list)
{
    kdk_status status = KDK_OK;
    struct ast_expr *first;

    *query = NULL;
    *list = (struct ast_exprs){0};
    TRY(parse_enter(p));
    TRY(need_kind(p, '('));
    if (at_query(p)) {
        TRY(parse_query(p, query));
    } else {
        if (at_kind(p, '(')) {
            uint32_t at = now(p)->at;
            struct ast_query *inner;
            struct ast_exprs inside;
            TRY(parse_parens(p, &inner, &inside));
            if (inner && (at_query_tail(p) || at_kind(p, ')'))) {
                TRY(parse_query_rest(p, inner, query));
                goto close;
            }
            if (inner || inside.count != 1) {
                TRY_NEW(first = parse_new(p, inner ? AST_SUBQUERY : AST_ROW, at));
                if (inner)
                    first->query = inner;
                else
                    first->list = inside;
                TRY(parse_done(p, first));
            } else {
                first = inside.items[0];
            }
            TRY(parse_operand_tail(p, &first));
            TRY(parse_operators(p, first, LEVEL_ANY, false, &first));
        } else {
            TRY(parse_expr(p, &first));
        }
        LIST_ADD(list->items, list->count, first);
        while (take_kind(p, ',')) {
            TRY(parse_expr(p, &first));
            LIST_ADD(list->items, list->count, first);
        }
    }
close:
    TRY(need_kind(p, ')'));
out:
    parse_leave(p);
    return status;
}

static kdk_status parse_paren_operand(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_query *query;
    struct ast_exprs list;
    struct ast_expr *e;
    uint32_t at = now(p)->at;

    TRY(parse_parens(p, &query, &list));
    if (!query && list.count == 1) {
        *out = list.items[0];
        return KDK_OK;
    }
    TRY_NEW(e = parse_new(p, query ? AST_SUBQUERY : AST_ROW, at));
    if (query)
        e->query = query;
    else
        e->list = list;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* ---- what may stand behind an operand ---- */

static kdk_status parse_subscript(struct parser *p, struct ast_expr *arg,
                                  struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_SUBSCRIPT, now(p)->at));
    parse_next(p);
    e->subscript.arg = arg;
    if (!at_kind(p, ':'))
        TRY(parse_expr(p, &e->subscript.high));
    if (take_kind(p, ':')) {
        e->subscript.slice = true;
        e->subscript.low = e->subscript.high;
        e->subscript.high = NULL;
        if (!at_kind(p, ']'))
            TRY(parse_expr(p, &e->subscript.high));
    }
    TRY(need_kind(p, ']'));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

kdk_status parse_operand_tail(struct parser *p, struct ast_expr **operand)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    for (;;) {
        if (at_kind(p, '[')) {
            TRY(parse_subscript(p, *operand, operand));
        } else if (at_kind(p, '.')) {
            TRY_NEW(e = parse_new(p, AST_FIELD, now(p)->at));
            parse_next(p);
            e->field.arg = *operand;
            if (!take_op(p, OP_MUL))
                TRY(parse_ident(p, NAME_LABEL, &e->field.name));
            TRY(parse_done(p, e));
            *operand = e;
        } else {
            break;
        }
    }
out:
    return status;
}

static kdk_status parse_word_operand(struct parser *p, struct ast_expr **out)
{
    uint32_t at = now(p)->at;

    switch ((unsigned)now(p)->word) {
    case KW_NULL:
        return parse_constant(p, AST_NULL, false, out);
    case KW_TRUE:
        return parse_constant(p, AST_BOOL, true, out);
    case KW_FALSE:
        return parse_constant(p, AST_BOOL, false, out);
    case KW_DEFAULT:
        return parse_constant(p, AST_DEFAULT, false, out);
    case KW_CASE:
        return parse_case(p, out);
    case KW_CAST:
        return parse_cast(p, out);
    case KW_ARRAY:
        parse_next(p);
        if (at_kind(p, '['))
            return parse_array(p, out);
        return parse_query_operand(p, AST_ARRAY_QUERY, at, out);
    default:
        break;
    }
    if (at_sql_value(p))
        return parse_sql_value(p, out);
    if (at_type_literal(p)) {
        struct ast_type *type;
        kdk_status status = parse_type(p, &type);
        return status == KDK_OK ? parse_literal(p, type, out) : status;
    }
    if (then_kind(p, '(')) {
        switch ((unsigned)now(p)->word) {
        case KW_TRY_CAST:
            return parse_cast(p, out);
        case KW_EXISTS:
            parse_next(p);
            return parse_query_operand(p, AST_EXISTS, at, out);
        case KW_ROW:
            return parse_row(p, out);
        case KW_EXTRACT:
        case KW_SUBSTRING:
        case KW_POSITION:
        case KW_OVERLAY:
        case KW_TRIM:
            return parse_special(p, out);
        case KW_COALESCE:
        case KW_NULLIF:
        case KW_GREATEST:
        case KW_LEAST:
        case KW_GROUPING:
        case KW_NORMALIZE:
            return parse_word_call(p, out);
        case KW_TREAT:
            return parse_unsupported(p, at, "TREAT");
        case KW_XMLCONCAT:
        case KW_XMLELEMENT:
        case KW_XMLEXISTS:
        case KW_XMLFOREST:
        case KW_XMLPARSE:
        case KW_XMLPI:
        case KW_XMLROOT:
        case KW_XMLSERIALIZE:
            return parse_unsupported(p, at, "XML");
        default:
            break;
        }
    }
    if (at_word(p, KW_COLLATION) && then_word(p, KW_FOR))
        return parse_unsupported(p, at, "COLLATION FOR");
    return parse_named(p, out);
}

kdk_status parse_primary(struct parser *p, struct ast_expr **out)
{
    kdk_status status = KDK_OK;

    switch (now(p)->kind) {
    case TOK_WHOLE:
    case TOK_DECIMAL:
    case TOK_EXPONENT:
        return parse_number(p, out);
    case TOK_STRING:
        return parse_text(p, out);
    case TOK_BITS:
        return parse_bits(p, out);
    case TOK_PARAM:
    case TOK_NAMED:
    case '?':
        TRY(parse_param(p, out));
        break;
    case '(':
        TRY(parse_paren_operand(p, out));
        break;
    case TOK_WORD:
        TRY(parse_word_operand(p, out));
        break;
    case TOK_QUOTED:
        TRY(parse_named(p, out));
        break;
    default:
        return parse_syntax(p);
    }
    TRY(parse_operand_tail(p, out));
out:
    return status;
}
