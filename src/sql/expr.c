/* expr.c - operators: precedence climbing with PostgreSQL's table.
 *
 * parse_level() reads one operand and then, in a loop, every operator that holds at least
 * as tightly as asked; the right operand is read by the same function, one level tighter
 * (or as tight, if the operator groups to the right). A left-deep chain is thus a loop, not
 * a recursion.
 *
 * Not associative means: no second operator of the level may follow when the first one's
 * rule ended in an operand (`a = b = c`). One that ends in a word or a parenthesis may be
 * followed: `a IS NULL IS NULL` and `a IN (1) = b` are right, as in PostgreSQL, whose
 * grammar says the same by shift and reduce.
 *
 * The sources are PostgreSQL's manual, 4.1.6, and trials on PostgreSQL 15.
 */
#include "sql/parse_int.h"

const uint8_t parse_op_levels[OP_COUNT] = {
#define OP_LEVEL(NAME, TEXT, LEVEL) LEVEL_##LEVEL,
    AST_OP_LIST(OP_LEVEL)
#undef OP_LEVEL
};

kdk_status parse_expr(struct parser *p, struct ast_expr **out)
{
    return parse_level(p, LEVEL_ANY, false, out);
}

kdk_status parse_narrow_expr(struct parser *p, struct ast_expr **out)
{
    return parse_level(p, LEVEL_ANY, true, out);
}

kdk_status parse_exprs(struct parser *p, struct ast_exprs *out)
{
    kdk_status status = KDK_OK;
    struct ast_exprs list = {0};

    do {
        struct ast_expr *e;
        TRY(parse_expr(p, &e));
        LIST_ADD(list.items, list.count, e);
    } while (take_kind(p, ','));
    *out = list;
out:
    return status;
}

/* ---- operators by symbol ---- */

/* The name of an operator that is not in the list. */
static kdk_status symbol_new(struct parser *p, const char *text, size_t bytes, uint32_t at,
                             const struct ast_name **out)
{
    kdk_status status = KDK_OK;
    struct ast_name *name;
    struct ast_ident part = {.bytes = (uint32_t)bytes, .at = at & 0x7fffffff};

    TRY_NEW(part.text = arena_strndup(p->arena, text, bytes));
    TRY_NEW(name = NEW(struct ast_name));
    name->at = at;
    LIST_ADD(name->parts, name->count, part);
    *out = name;
out:
    return status;
}

struct operator
{
    enum ast_op op;
    const struct ast_name *symbol;
    uint32_t at;
};

/* The current token, which is a TOK_OP. */
static kdk_status parse_symbol(struct parser *p, struct operator* out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);

    *out = (struct operator){.op = (enum ast_op)token.op, .at = token.at};
    if (out->op == OP_OTHER)
        TRY(symbol_new(p, p->lexer.text + token.at, token.end - token.at, token.at,
                       &out->symbol));
    parse_next(p);
out:
    return status;
}

static bool at_operator_word(struct parser *p)
{
    return at_word(p, KW_OPERATOR) && then_kind(p, '(');
}

/* OPERATOR ( [schema .] op ): in pg_catalog or without a schema it is the operator
 * itself. */
static kdk_status parse_operator_word(struct parser *p, struct operator* out)
{
    kdk_status status = KDK_OK;
    struct ast_name *name, schema = {0};
    uint32_t at = now(p)->at;

    parse_next(p);
    parse_next(p);
    while (token_is_name(now(p), NAME_LABEL)) {
        struct ast_ident part;
        TRY(parse_ident(p, NAME_LABEL, &part));
        LIST_ADD(schema.parts, schema.count, part);
        TRY(need_kind(p, '.'));
    }
    if (!at_kind(p, TOK_OP))
        TRY(parse_syntax(p));
    TRY(parse_symbol(p, out));
    out->at = at;
    TRY(need_kind(p, ')'));
    if (schema.count > 1 ||
        (schema.count == 1 && strcmp(schema.parts[0].text, "pg_catalog") != 0)) {
        struct ast_ident part = {.at = at & 0x7fffffff};
        if (out->symbol)
            part = out->symbol->parts[0];
        else
            part.text = ast_op_text(out->op);
        part.bytes = (uint32_t)strlen(part.text);
        TRY_NEW(name = NEW(struct ast_name));
        *name = schema;
        name->at = at;
        LIST_ADD(name->parts, name->count, part);
        out->symbol = name;
        out->op = OP_OTHER;
    }
out:
    return status;
}

static kdk_status binary_new(struct parser *p, enum ast_expr_kind kind, struct operator op,
                             struct ast_expr *left, struct ast_expr *right,
                             struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, kind, op.at));
    e->op = (uint8_t)op.op;
    e->binary.left = left;
    e->binary.right = right;
    e->binary.symbol = op.symbol;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static bool at_any_all(struct parser *p)
{
    return at_word(p, KW_ANY) || at_word(p, KW_SOME) || at_word(p, KW_ALL);
}

/* left op ANY ( query | array ) */
static kdk_status parse_quantified(struct parser *p, struct ast_expr *left,
                                   struct operator op, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;
    struct ast_exprs list = {0};
    enum ast_expr_kind kind = at_word(p, KW_ALL) ? AST_ALL : AST_ANY;

    parse_next(p);
    TRY_NEW(e = parse_new(p, kind, op.at));
    e->op = (uint8_t)op.op;
    e->quantified.symbol = op.symbol;
    e->quantified.left = left;
    uint32_t at = now(p)->at;
    TRY(parse_parens(p, &e->quantified.query, &list));
    if (list.count > 1)
        TRY(parse_fail(p, KDK_SYNTAX, at, "ANY and ALL take one array or a subquery"));
    if (list.count == 1)
        e->quantified.array = list.items[0];
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* `op right`, op being read. *open tells whether it ended in an operand. */
static kdk_status parse_infix(struct parser *p, struct ast_expr *left, struct operator op,
                              enum level level, bool narrow, bool *open,
                              struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *right;

    *open = false;
    if (at_any_all(p) && then_kind(p, '('))
        return parse_quantified(p, left, op, out);
    *open = true;
    TRY(parse_level(p, op.op == OP_POWR ? level : level + 1, narrow, &right));
    TRY(binary_new(p, AST_BINARY, op, left, right, out));
out:
    return status;
}

/* ---- operators by word ---- */

/* AND and OR make one node of a whole chain. `fresh`: the node that this loop itself
 * began. */
static kdk_status parse_logic(struct parser *p, struct ast_expr *left,
                              enum ast_expr_kind kind, struct ast_expr **fresh,
                              struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e = left, *right;
    uint32_t at = now(p)->at;

    parse_next(p);
    TRY(parse_level(p, kind == AST_AND ? LEVEL_AND + 1 : LEVEL_OR + 1, false, &right));
    if (left != *fresh || left->kind != kind) {
        TRY_NEW(e = parse_new(p, kind, at));
        LIST_ADD(e->list.items, e->list.count, left);
        TRY(parse_done(p, e));
        *fresh = e;
    }
    LIST_ADD(e->list.items, e->list.count, right);
    /* Not parse_done(): measuring the whole list at each item would be quadratic. */
    if (right->height >= e->height) {
        struct ast_exprs whole = e->list;
        e->list = (struct ast_exprs){.items = &right, .count = 1};
        status = parse_done(p, e);
        e->list = whole;
    }
    *out = e;
out:
    return status;
}

/* IS [NOT] ..., at IS. */
static kdk_status parse_is(struct parser *p, struct ast_expr *left, bool narrow, bool *open,
                           struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;
    uint32_t at = now(p)->at;
    bool negated;

    parse_next(p);
    negated = take_word(p, KW_NOT);
    *open = false;
    if (take_words(p, KW_DISTINCT, KW_FROM)) {
        *open = true;
        TRY_NEW(e = parse_new(p, AST_DISTINCT_FROM, at));
        TRY(parse_level(p, LEVEL_IS + 1, narrow, &e->test.other));
    } else {
        static const enum keyword words[] = {[AST_IS_NULL] = KW_NULL,
                                             [AST_IS_TRUE] = KW_TRUE,
                                             [AST_IS_FALSE] = KW_FALSE,
                                             [AST_IS_UNKNOWN] = KW_UNKNOWN};
        TRY_NEW(e = parse_new(p, AST_IS, at));
        while (e->test.is < COUNT_OF(words) && !at_word(p, words[e->test.is]))
            e->test.is++;
        if (at_word(p, KW_NORMALIZED) || at_word(p, KW_DOCUMENT))
            TRY(parse_unsupported(p, at, "IS NORMALIZED or IS DOCUMENT"));
        if (e->test.is == COUNT_OF(words) || narrow)
            TRY(parse_syntax(p));
        parse_next(p);
    }
    e->test.negated = negated;
    e->test.arg = left;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static kdk_status null_test(struct parser *p, struct ast_expr *left, bool negated,
                            struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_IS, now(p)->at));
    parse_next(p);
    e->test.arg = left;
    e->test.is = AST_IS_NULL;
    e->test.negated = negated;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static kdk_status parse_in(struct parser *p, struct ast_expr *left, bool negated,
                           uint32_t at, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_IN_LIST, at));
    if (!at_kind(p, '('))
        TRY(parse_syntax(p));
    e->in.arg = left;
    e->in.negated = negated;
    TRY(parse_parens(p, &e->in.query, &e->in.list));
    if (e->in.query)
        e->kind = AST_IN_QUERY;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static kdk_status parse_between(struct parser *p, struct ast_expr *left, bool negated,
                                uint32_t at, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_BETWEEN, at));
    e->between.arg = left;
    e->between.negated = negated;
    e->between.symmetric = take_word(p, KW_SYMMETRIC);
    if (!e->between.symmetric)
        take_word(p, KW_ASYMMETRIC);
    TRY(parse_narrow_expr(p, &e->between.low));
    TRY(need_word(p, KW_AND));
    TRY(parse_level(p, LEVEL_LIKE + 1, false, &e->between.high));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* LIKE ANY (..) is the operator ~~ before ANY. */
static kdk_status parse_like_any(struct parser *p, struct ast_expr *left, bool insensitive,
                                 bool negated, uint32_t at, struct ast_expr **out)
{
    static const char *const symbols[2][2] = {{"~~", "!~~"}, {"~~*", "!~~*"}};
    kdk_status status = KDK_OK;
    struct operator op = {.op = OP_OTHER, .at = at};
    const char *symbol = symbols[insensitive][negated];

    TRY(symbol_new(p, symbol, strlen(symbol), at, &op.symbol));
    TRY(parse_quantified(p, left, op, out));
out:
    return status;
}

static kdk_status parse_like(struct parser *p, struct ast_expr *left, bool negated,
                             uint32_t at, bool *open, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;
    enum ast_like form = AST_LIKE_LIKE;

    if (take_word(p, KW_SIMILAR)) {
        form = AST_LIKE_SIMILAR;
        TRY(need_word(p, KW_TO));
    } else {
        if (at_word(p, KW_ILIKE))
            form = AST_LIKE_ILIKE;
        parse_next(p);
        if (at_any_all(p) && then_kind(p, '('))
            return parse_like_any(p, left, form == AST_LIKE_ILIKE, negated, at, out);
    }
    *open = true;
    TRY_NEW(e = parse_new(p, AST_LIKE, at));
    e->like.arg = left;
    e->like.form = (uint8_t)form;
    e->like.negated = negated;
    TRY(parse_level(p, LEVEL_LIKE + 1, false, &e->like.pattern));
    if (take_word(p, KW_ESCAPE))
        TRY(parse_level(p, LEVEL_LIKE + 1, false, &e->like.escape));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* [NOT] IN, BETWEEN, LIKE, ILIKE, SIMILAR TO. */
static kdk_status parse_test(struct parser *p, struct ast_expr *left, bool *open,
                             struct ast_expr **out)
{
    uint32_t at = now(p)->at;
    bool negated = take_word(p, KW_NOT);

    *open = false;
    if (take_word(p, KW_IN))
        return parse_in(p, left, negated, at, out);
    if (take_word(p, KW_BETWEEN)) {
        *open = true;
        return parse_between(p, left, negated, at, out);
    }
    return parse_like(p, left, negated, at, open, out);
}

static kdk_status parse_collate(struct parser *p, struct ast_expr *left,
                                struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_COLLATE, now(p)->at));
    parse_next(p);
    e->collate.arg = left;
    TRY(parse_name(p, NAME_COLUMN, 3, &e->collate.name));
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

static kdk_status parse_cast_behind(struct parser *p, struct ast_expr *left,
                                    struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct ast_expr *e;

    TRY_NEW(e = parse_new(p, AST_CAST, now(p)->at));
    parse_next(p);
    e->cast.arg = left;
    TRY(parse_type(p, &e->cast.type));
    e->cast.literal = left->kind == AST_STRING;
    TRY(parse_done(p, e));
    *out = e;
out:
    return status;
}

/* ---- the loop ---- */

/* What the current token is as an operator behind an operand. */
static enum level infix_level(struct parser *p, bool narrow)
{
    const struct token *token = now(p);

    if (token->kind == TOK_OP)
        return (enum level)parse_op_levels[token->op];
    if (token->kind == TOK_CAST)
        return LEVEL_POSTFIX;
    if (token->kind != TOK_WORD)
        return LEVEL_ANY;
    if (token->word == KW_OPERATOR && then_kind(p, '('))
        return LEVEL_OTHER;
    if (narrow) {
        const struct token *then;
        if (token->word != KW_IS)
            return LEVEL_ANY;
        then = parse_peek(p, parse_peek(p, 1)->word == KW_NOT ? 2 : 1);
        return then->word == KW_DISTINCT ? LEVEL_IS : LEVEL_ANY;
    }
    switch ((unsigned)token->word) {
    case KW_OR:
        return LEVEL_OR;
    case KW_AND:
        return LEVEL_AND;
    case KW_IS:
    case KW_ISNULL:
    case KW_NOTNULL:
        return LEVEL_IS;
    case KW_IN:
    case KW_BETWEEN:
    case KW_LIKE:
    case KW_ILIKE:
        return LEVEL_LIKE;
    case KW_SIMILAR:
        return then_word(p, KW_TO) ? LEVEL_LIKE : LEVEL_ANY;
    case KW_NOT:
        switch ((unsigned)parse_peek(p, 1)->word) {
        case KW_IN:
        case KW_BETWEEN:
        case KW_LIKE:
        case KW_ILIKE:
        case KW_SIMILAR:
            return LEVEL_LIKE;
        default:
            return LEVEL_ANY;
        }
    case KW_OVERLAPS:
        return LEVEL_OTHER;
    case KW_AT:
        return then_word(p, KW_TIME) ? LEVEL_AT : LEVEL_ANY;
    case KW_COLLATE:
        return LEVEL_COLLATE;
    default:
        return LEVEL_ANY;
    }
}

/* One operator of `level` behind `left`. */
static kdk_status parse_operator(struct parser *p, struct ast_expr *left, enum level level,
                                 bool narrow, bool *open, struct ast_expr **fresh,
                                 struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct operator op = {.at = now(p)->at};
    struct ast_expr *right;

    *open = false;
    if (at_kind(p, TOK_OP)) {
        TRY(parse_symbol(p, &op));
        return parse_infix(p, left, op, level, narrow, open, out);
    }
    if (at_operator_word(p)) {
        TRY(parse_operator_word(p, &op));
        return parse_infix(p, left, op, LEVEL_OTHER, narrow, open, out);
    }
    if (at_kind(p, TOK_CAST))
        return parse_cast_behind(p, left, out);
    switch ((unsigned)now(p)->word) {
    case KW_OR:
        return parse_logic(p, left, AST_OR, fresh, out);
    case KW_AND:
        return parse_logic(p, left, AST_AND, fresh, out);
    case KW_IS:
        return parse_is(p, left, narrow, open, out);
    case KW_ISNULL:
    case KW_NOTNULL:
        return null_test(p, left, at_word(p, KW_NOTNULL), out);
    case KW_AT:
        parse_next(p);
        parse_next(p);
        TRY(need_word(p, KW_ZONE));
        TRY(parse_level(p, LEVEL_AT + 1, narrow, &right));
        return binary_new(p, AST_AT_TIME_ZONE, op, left, right, out);
    case KW_COLLATE:
        return parse_collate(p, left, out);
    case KW_OVERLAPS:
        return parse_unsupported(p, op.at, "OVERLAPS");
    default:
        return parse_test(p, left, open, out);
    }
out:
    return status;
}

kdk_status parse_operators(struct parser *p, struct ast_expr *left, enum level min,
                           bool narrow, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    /* The level of a rule that is not associative and ended open. */
    enum level barred = LEVEL_ANY;
    struct ast_expr *fresh = NULL;

    for (;;) {
        enum level level = infix_level(p, narrow);
        bool open;
        if (level == LEVEL_ANY || level < min)
            break;
        if (level == barred)
            TRY(parse_syntax(p));
        TRY(parse_operator(p, left, level, narrow, &open, &fresh, &left));
        barred = open && level >= LEVEL_IS && level <= LEVEL_LIKE ? level : LEVEL_ANY;
    }
    *out = left;
out:
    return status;
}

/* - and + before an operand. A number takes its minus in. */
static kdk_status parse_sign(struct parser *p, bool narrow, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct operator op = {.op = (enum ast_op)now(p)->op, .at = now(p)->at};
    struct ast_expr *arg;

    parse_next(p);
    TRY(parse_level(p, LEVEL_SIGN, narrow, &arg));
    if (op.op == OP_SUB && arg->kind == AST_NUMBER) {
        arg->at = op.at;
        arg->number.negative = !arg->number.negative;
        if (arg->number.fits && arg->number.value == INT64_MIN) {
            arg->number.fits = false;
        } else if (arg->number.fits) {
            arg->number.value = -arg->number.value;
        } else if (arg->number.negative &&
                   strcmp(arg->number.text, "9223372036854775808") == 0) {
            arg->number.fits = true;
            arg->number.value = INT64_MIN;
        }
        *out = arg;
        return KDK_OK;
    }
    TRY(binary_new(p, AST_UNARY, op, NULL, arg, out));
out:
    return status;
}

kdk_status parse_level(struct parser *p, enum level min, bool narrow, struct ast_expr **out)
{
    kdk_status status = KDK_OK;
    struct operator op;
    struct ast_expr *left, *arg;
    uint32_t at = now(p)->at;

    TRY(parse_enter(p));
    if (at_op(p, OP_ADD) || at_op(p, OP_SUB)) {
        TRY(parse_sign(p, narrow, &left));
    } else if (at_kind(p, TOK_OP) && !at_op(p, OP_MUL)) {
        if (parse_op_levels[now(p)->op] != LEVEL_OTHER)
            TRY(parse_syntax(p));
        TRY(parse_symbol(p, &op));
        TRY(parse_level(p, LEVEL_OTHER + 1, narrow, &arg));
        TRY(binary_new(p, AST_UNARY, op, NULL, arg, &left));
    } else if (at_operator_word(p)) {
        TRY(parse_operator_word(p, &op));
        TRY(parse_level(p, LEVEL_OTHER + 1, narrow, &arg));
        TRY(binary_new(p, AST_UNARY, op, NULL, arg, &left));
    } else if (at_word(p, KW_NOT) && !narrow) {
        parse_next(p);
        TRY_NEW(left = parse_new(p, AST_NOT, at));
        TRY(parse_level(p, LEVEL_NOT, false, &left->arg));
        TRY(parse_done(p, left));
    } else {
        TRY(parse_primary(p, &left));
    }
    TRY(parse_operators(p, left, min, narrow, out));
out:
    parse_leave(p);
    return status;
}
