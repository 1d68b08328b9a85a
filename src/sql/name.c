/* name.c - identifiers, qualified names, types. */
#include "sql/parse_int.h"

bool token_is_name(const struct token *token, enum name_class class)
{
    const struct keyword_info *info;

    if (token->kind == TOK_QUOTED)
        return true;
    if (token->kind != TOK_WORD)
        return false;
    info = &keyword_info[token->word];
    switch (class) {
    case NAME_COLUMN:
        return info->category <= KEYWORD_COL_NAME;
    case NAME_TYPE:
        return info->category <= KEYWORD_UNRESERVED || info->category == KEYWORD_TYPE_FUNC;
    case NAME_LABEL:
        return true;
    case NAME_BARE:
        return info->bare_label;
    }
    return false;
}

/* Behind a U&'..' or U&"..": UESCAPE 'c'. */
static kdk_status parse_uescape(struct parser *p, const struct token *token, char *escape)
{
    kdk_status status = KDK_OK;
    const struct token *string;
    const char *text = p->lexer.text;

    *escape = '\\';
    if (token->form != 'u' || !take_word(p, KW_UESCAPE))
        return KDK_OK;
    string = now(p);
    if (string->kind != TOK_STRING || string->form)
        return parse_syntax(p);
    char c = text[string->at + 1];
    if (string->end - string->at != 3 || (unsigned char)c >= 0x80 || c == '+' || c == '"' ||
        c == ' ' || c == '\t' || c == '\n' || c == '\r' || (c >= '0' && c <= '9') ||
        ((c | 32) >= 'a' && (c | 32) <= 'f'))
        return parse_fail(p, KDK_SYNTAX, string->at, "invalid Unicode escape character");
    *escape = c;
    parse_next(p);
    return status;
}

kdk_status parse_ident(struct parser *p, enum name_class class, struct ast_ident *out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    char escape;

    if (!token_is_name(&token, class))
        return parse_syntax(p);
    parse_next(p);
    TRY(parse_uescape(p, &token, &escape));
    TRY(lexer_ident(&p->lexer, &token, escape, p->arena, out, p->err));
out:
    return status;
}

kdk_status parse_string(struct parser *p, const char **text, uint32_t *bytes)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    char escape;

    if (token.kind != TOK_STRING)
        return parse_syntax(p);
    parse_next(p);
    TRY(parse_uescape(p, &token, &escape));
    TRY(lexer_string(&p->lexer, &token, escape, p->arena, text, bytes, p->err));
out:
    return status;
}

kdk_status parse_whole(struct parser *p, int64_t max, int64_t *out)
{
    kdk_status status = KDK_OK;
    struct token token = *now(p);
    const char *text;
    uint32_t bytes;
    int64_t value = 0;

    if (token.kind != TOK_WHOLE)
        return parse_syntax(p);
    TRY(lexer_number(&p->lexer, &token, p->arena, &text, &bytes, p->err));
    for (uint32_t i = 0; i < bytes; i++) {
        value = value * 10 + (text[i] - '0');
        if (value > max)
            TRY(parse_fail(p, KDK_SYNTAX, token.at, "number %.40s is out of range", text));
    }
    parse_next(p);
    *out = value;
out:
    return status;
}

kdk_status parse_name(struct parser *p, enum name_class class, uint32_t parts_max,
                      struct ast_name *out)
{
    kdk_status status = KDK_OK;
    struct ast_name name = {.at = now(p)->at};
    struct ast_ident part;

    TRY(parse_ident(p, class, &part));
    LIST_ADD(name.parts, name.count, part);
    while (at_kind(p, '.') && token_is_name(parse_peek(p, 1), NAME_LABEL)) {
        parse_next(p);
        if (name.count == parts_max)
            TRY(parse_fail(p, KDK_SYNTAX, name.at,
                           "improper qualified name (too many dotted names)"));
        TRY(parse_ident(p, NAME_LABEL, &part));
        LIST_ADD(name.parts, name.count, part);
    }
    *out = name;
out:
    return status;
}

kdk_status parse_table_name(struct parser *p, struct ast_name *out)
{
    return parse_name(p, NAME_COLUMN, 3, out);
}

kdk_status parse_name_list(struct parser *p, struct ast_idents *out)
{
    kdk_status status = KDK_OK;
    struct ast_idents list = {0};

    TRY(need_kind(p, '('));
    do {
        struct ast_ident name;
        TRY(parse_ident(p, NAME_COLUMN, &name));
        LIST_ADD(list.items, list.count, name);
    } while (take_kind(p, ','));
    TRY(need_kind(p, ')'));
    *out = list;
out:
    return status;
}

/* ---- types ---- */

static kdk_status builtin_type(struct parser *p, struct ast_type *type, const char *name)
{
    kdk_status status = KDK_OK;
    struct ast_ident part = {
        .text = name, .bytes = (uint32_t)strlen(name), .at = type->at & 0x7fffffff};

    type->name = (struct ast_name){.at = type->at};
    LIST_ADD(type->name.parts, type->name.count, part);
out:
    return status;
}

static kdk_status parse_modifiers(struct parser *p, struct ast_type *type)
{
    kdk_status status = KDK_OK;

    if (!take_kind(p, '('))
        return KDK_OK;
    TRY_NEW(type->modifiers = NEW(struct ast_exprs));
    TRY(parse_exprs(p, type->modifiers));
    TRY(need_kind(p, ')'));
out:
    return status;
}

/* One whole number in parentheses, if any: 0 for none. */
static kdk_status parse_precision(struct parser *p, int64_t *out)
{
    kdk_status status = KDK_OK;

    *out = 0;
    if (!take_kind(p, '('))
        return KDK_OK;
    TRY(parse_whole(p, INT32_MAX, out));
    TRY(need_kind(p, ')'));
out:
    return status;
}

static kdk_status one_modifier(struct parser *p, struct ast_type *type, const char *digits)
{
    kdk_status status = KDK_OK;
    struct ast_expr *one;

    TRY_NEW(type->modifiers = NEW(struct ast_exprs));
    TRY_NEW(one = parse_new(p, AST_NUMBER, type->at));
    one->number.text = digits;
    one->number.bytes = (uint32_t)strlen(digits);
    one->number.value = 1;
    one->number.fits = true;
    LIST_ADD(type->modifiers->items, type->modifiers->count, one);
out:
    return status;
}

/* TIME and TIMESTAMP: [(p)] [WITH | WITHOUT TIME ZONE]. */
static kdk_status parse_time_type(struct parser *p, struct ast_type *type, bool stamp)
{
    kdk_status status = KDK_OK;
    bool zone = false;

    TRY(parse_modifiers(p, type));
    if ((at_word(p, KW_WITH) || at_word(p, KW_WITHOUT)) && then_word(p, KW_TIME)) {
        zone = at_word(p, KW_WITH);
        parse_next(p);
        parse_next(p);
        TRY(need_word(p, KW_ZONE));
    }
    if (stamp)
        TRY(builtin_type(p, type, zone ? "timestamptz" : "timestamp"));
    else
        TRY(builtin_type(p, type, zone ? "timetz" : "time"));
out:
    return status;
}

kdk_status parse_interval_fields(struct parser *p, struct ast_type *type)
{
    static const enum keyword units[] = {KW_YEAR, KW_MONTH,  KW_DAY,
                                         KW_HOUR, KW_MINUTE, KW_SECOND};
    static const char *const spelled[6][6] = {
        {"year", "year to month"},
        {NULL, "month"},
        {NULL, NULL, "day", "day to hour", "day to minute", "day to second"},
        {NULL, NULL, NULL, "hour", "hour to minute", "hour to second"},
        {NULL, NULL, NULL, NULL, "minute", "minute to second"},
        {NULL, NULL, NULL, NULL, NULL, "second"},
    };
    kdk_status status = KDK_OK;
    unsigned from = 0, to;

    while (from < COUNT_OF(units) && !at_word(p, units[from]))
        from++;
    if (from == COUNT_OF(units))
        return KDK_OK;
    parse_next(p);
    to = from;
    if (take_word(p, KW_TO)) {
        to = 0;
        while (to < COUNT_OF(units) && !at_word(p, units[to]))
            to++;
        if (to == COUNT_OF(units) || to == from || !spelled[from][to])
            return parse_syntax(p);
        parse_next(p);
    }
    type->fields = spelled[from][to];
    if (to == 5 && !type->modifiers)
        TRY(parse_modifiers(p, type));
out:
    return status;
}

static kdk_status parse_float(struct parser *p, struct ast_type *type)
{
    kdk_status status = KDK_OK;
    int64_t bits;
    bool given = at_kind(p, '(');
    uint32_t at = now(p)->at;

    TRY(parse_precision(p, &bits));
    if (given && (bits < 1 || bits > 53))
        TRY(parse_fail(p, KDK_BAD_PARAMETER, at, "precision for type float must be %s",
                       bits < 1 ? "at least 1 bit" : "less than 54 bits"));
    TRY(builtin_type(p, type, given && bits <= 24 ? "float4" : "float8"));
out:
    return status;
}

/* A type that begins with a keyword of its own; *done says whether it was one. */
static kdk_status parse_keyword_type(struct parser *p, struct ast_type *type, bool *done)
{
    kdk_status status = KDK_OK;
    enum keyword word = (enum keyword)now(p)->word;

    *done = true;
    switch ((unsigned)word) {
    case KW_INT:
    case KW_INTEGER:
        parse_next(p);
        return builtin_type(p, type, "int4");
    case KW_SMALLINT:
        parse_next(p);
        return builtin_type(p, type, "int2");
    case KW_BIGINT:
        parse_next(p);
        return builtin_type(p, type, "int8");
    case KW_REAL:
        parse_next(p);
        return builtin_type(p, type, "float4");
    case KW_FLOAT:
        parse_next(p);
        return parse_float(p, type);
    case KW_DOUBLE:
        if (!take_words(p, KW_DOUBLE, KW_PRECISION))
            break;
        return builtin_type(p, type, "float8");
    case KW_DECIMAL:
    case KW_DEC:
    case KW_NUMERIC:
        parse_next(p);
        TRY(builtin_type(p, type, "numeric"));
        return parse_modifiers(p, type);
    case KW_BOOLEAN:
        parse_next(p);
        return builtin_type(p, type, "bool");
    case KW_VARCHAR:
        parse_next(p);
        TRY(builtin_type(p, type, "varchar"));
        return parse_modifiers(p, type);
    case KW_NATIONAL:
        parse_next(p);
        if (!at_word(p, KW_CHARACTER) && !at_word(p, KW_CHAR))
            return parse_syntax(p);
        /* fall through */
    case KW_CHARACTER:
    case KW_CHAR:
    case KW_NCHAR:
    case KW_BIT: {
        bool bit = at_word(p, KW_BIT), varying;
        parse_next(p);
        varying = take_word(p, KW_VARYING);
        TRY(builtin_type(p, type,
                         bit       ? varying ? "varbit" : "bit"
                         : varying ? "varchar"
                                   : "bpchar"));
        TRY(parse_modifiers(p, type));
        if (!varying && !type->modifiers)
            TRY(one_modifier(p, type, "1"));
        return KDK_OK;
    }
    case KW_TIME:
    case KW_TIMESTAMP:
        parse_next(p);
        return parse_time_type(p, type, word == KW_TIMESTAMP);
    case KW_INTERVAL:
        parse_next(p);
        TRY(builtin_type(p, type, "interval"));
        TRY(parse_modifiers(p, type));
        if (!type->modifiers)
            TRY(parse_interval_fields(p, type));
        return KDK_OK;
    default:
        break;
    }
    *done = false;
out:
    return status;
}

bool at_type_literal(struct parser *p)
{
    const struct token *then = parse_peek(p, 1);
    bool string = then->kind == TOK_STRING, parens = then->kind == '(';

    switch ((unsigned)now(p)->word) {
    case KW_INT:
    case KW_INTEGER:
    case KW_SMALLINT:
    case KW_BIGINT:
    case KW_REAL:
    case KW_BOOLEAN:
        return string;
    case KW_FLOAT:
    case KW_DECIMAL:
    case KW_DEC:
    case KW_NUMERIC:
    case KW_VARCHAR:
    case KW_INTERVAL:
        return string || parens;
    case KW_DOUBLE:
        return then->word == KW_PRECISION;
    case KW_CHARACTER:
    case KW_CHAR:
    case KW_NCHAR:
    case KW_BIT:
        return string || parens || then->word == KW_VARYING;
    case KW_NATIONAL:
        return then->word == KW_CHARACTER || then->word == KW_CHAR;
    case KW_TIME:
    case KW_TIMESTAMP:
        return string || parens ||
               ((then->word == KW_WITH || then->word == KW_WITHOUT) &&
                parse_peek(p, 2)->word == KW_TIME);
    default:
        return false;
    }
}

kdk_status parse_type(struct parser *p, struct ast_type **out)
{
    kdk_status status = KDK_OK;
    struct ast_type *type = NULL;
    bool done;
    int64_t bound;

    TRY(parse_enter(p));
    TRY_NEW(type = NEW(struct ast_type));
    type->at = now(p)->at;
    type->setof = take_word(p, KW_SETOF);
    TRY(parse_keyword_type(p, type, &done));
    if (!done) {
        TRY(parse_name(p, NAME_TYPE, 3, &type->name));
        if (at_op(p, OP_MOD) && then_word(p, KW_TYPE))
            TRY(parse_unsupported(p, now(p)->at, "%TYPE"));
        TRY(parse_modifiers(p, type));
    }
    for (;;) {
        if (take_word(p, KW_ARRAY)) {
            if (take_kind(p, '[')) {
                TRY(parse_whole(p, INT32_MAX, &bound));
                TRY(need_kind(p, ']'));
            }
        } else if (take_kind(p, '[')) {
            if (!at_kind(p, ']'))
                TRY(parse_whole(p, INT32_MAX, &bound));
            TRY(need_kind(p, ']'));
        } else {
            break;
        }
        if (++type->array_dims > 6)
            TRY(parse_fail(p, KDK_LIMIT, type->at,
                           "an array type has at most 6 dimensions"));
    }
    *out = type;
out:
    parse_leave(p);
    return status;
}
