/* print.c - expressions and queries as SQL text.
 *
 * The parser's table of levels, read backwards: an operand gets parentheses when its own
 * level is looser than what its place asks for. A place is "narrow" where the grammar reads
 * a b_expr, and then also operators that such an expression cannot hold are put in
 * parentheses. Names are quoted exactly if they were.
 */
#include "sql/parse_int.h"
#include "sql/print_int.h"

void print_text(struct printer *pr, const char *text)
{
    buf_add_str(pr->out, text);
}

static void print_quoted(struct buf *out, const char *text, size_t bytes, char quote)
{
    buf_add_char(out, quote);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == quote)
            buf_add_char(out, quote);
        buf_add_char(out, text[i]);
    }
    buf_add_char(out, quote);
}

void print_string(struct printer *pr, const char *text, size_t bytes)
{
    print_quoted(pr->out, text, bytes, '\'');
}

void print_ident(struct printer *pr, const struct ast_ident *ident)
{
    if (ident->quoted)
        print_quoted(pr->out, ident->text, ident->bytes, '"');
    else
        buf_add(pr->out, ident->text, ident->bytes);
}

void print_name(struct printer *pr, const struct ast_name *name)
{
    for (uint32_t i = 0; i < name->count; i++) {
        if (i)
            print_text(pr, ".");
        print_ident(pr, &name->parts[i]);
    }
}

void print_idents(struct printer *pr, struct ast_idents list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_ident(pr, &list.items[i]);
    }
}

void print_columns(struct printer *pr, struct ast_idents list)
{
    if (list.count == 0)
        return;
    print_text(pr, " (");
    print_idents(pr, list);
    print_text(pr, ")");
}

void print_type(struct printer *pr, const struct ast_type *type)
{
    if (type->setof)
        print_text(pr, "SETOF ");
    print_name(pr, &type->name);
    if (type->fields) {
        print_text(pr, " ");
        print_text(pr, type->fields);
    }
    if (type->modifiers) {
        print_text(pr, "(");
        print_exprs(pr, *type->modifiers);
        print_text(pr, ")");
    }
    for (unsigned i = 0; i < type->array_dims; i++)
        print_text(pr, "[]");
}

/* ---- levels ---- */

static enum level expr_level(const struct ast_expr *e)
{
    switch ((enum ast_expr_kind)e->kind) {
    case AST_OR:
        return LEVEL_OR;
    case AST_AND:
        return LEVEL_AND;
    case AST_NOT:
        return LEVEL_NOT;
    case AST_IS:
    case AST_DISTINCT_FROM:
        return LEVEL_IS;
    case AST_LIKE:
    case AST_BETWEEN:
    case AST_IN_LIST:
    case AST_IN_QUERY:
        return LEVEL_LIKE;
    case AST_BINARY:
    case AST_ANY:
    case AST_ALL:
        return (enum level)parse_op_levels[e->op];
    case AST_UNARY:
        return e->op == OP_ADD || e->op == OP_SUB ? LEVEL_SIGN : LEVEL_OTHER;
    case AST_NUMBER:
        return e->number.negative ? LEVEL_SIGN : LEVEL_POSTFIX;
    case AST_AT_TIME_ZONE:
        return LEVEL_AT;
    case AST_COLLATE:
        return LEVEL_COLLATE;
    case AST_NULL:
    case AST_BOOL:
    case AST_STRING:
    case AST_BITS:
    case AST_DEFAULT:
    case AST_PARAM:
    case AST_COLUMN:
    case AST_STAR:
    case AST_EXISTS:
    case AST_SUBQUERY:
    case AST_ARRAY_QUERY:
    case AST_ARRAY:
    case AST_ROW:
    case AST_CASE:
    case AST_CAST:
    case AST_CALL:
    case AST_SQL_VALUE:
    case AST_SUBSCRIPT:
    case AST_FIELD:
        break;
    }
    return LEVEL_POSTFIX;
}

/* A negative number is one literal, and needs no parentheses to show the tree. */
static bool is_operator(const struct ast_expr *e)
{
    return expr_level(e) < LEVEL_POSTFIX && e->kind != AST_NUMBER;
}

static void print_bare(struct printer *pr, const struct ast_expr *e, bool narrow);

static void print_parens(struct printer *pr, const struct ast_expr *e)
{
    print_text(pr, "(");
    print_bare(pr, e, false);
    print_text(pr, ")");
}

static void print_level(struct printer *pr, const struct ast_expr *e, enum level min,
                        bool narrow)
{
    enum level level = expr_level(e);
    bool wide = level <= LEVEL_IS || level == LEVEL_LIKE || level == LEVEL_AT ||
                level == LEVEL_COLLATE;

    if (level < min || (narrow && wide) || (pr->how == AST_PRINT_PARENS && is_operator(e)))
        print_parens(pr, e);
    else
        print_bare(pr, e, narrow);
}

void print_expr(struct printer *pr, const struct ast_expr *e)
{
    print_level(pr, e, LEVEL_ANY, false);
}

void print_narrow(struct printer *pr, const struct ast_expr *e)
{
    print_level(pr, e, LEVEL_ANY, true);
}

void print_exprs(struct printer *pr, struct ast_exprs list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_expr(pr, list.items[i]);
    }
}

/* ---- operators ---- */

static void print_operator(struct printer *pr, uint8_t op, const struct ast_name *symbol)
{
    if (!symbol) {
        print_text(pr, ast_op_text((enum ast_op)op));
    } else if (symbol->count == 1) {
        print_text(pr, symbol->parts[0].text);
    } else {
        print_text(pr, "OPERATOR(");
        print_name(pr, symbol);
        print_text(pr, ")");
    }
}

static void print_binary(struct printer *pr, const struct ast_expr *e, bool narrow)
{
    enum level level = expr_level(e);
    enum level left = level + (level == LEVEL_COMPARE), right = level + 1;
    const struct ast_expr *l = e->binary.left;

    if (e->op == OP_POWR || (e->op == OP_POW && l->kind == AST_BINARY && l->op == OP_POWR))
        left = level + 1;
    if (e->op == OP_POWR)
        right = level;
    print_level(pr, l, left, narrow);
    print_text(pr, " ");
    print_operator(pr, e->op, e->binary.symbol);
    print_text(pr, " ");
    print_level(pr, e->binary.right, right, narrow);
}

static void print_unary(struct printer *pr, const struct ast_expr *e, bool narrow)
{
    print_operator(pr, e->op, e->binary.symbol);
    print_text(pr, " ");
    print_level(pr, e->binary.right,
                expr_level(e) == LEVEL_SIGN ? LEVEL_SIGN : LEVEL_OTHER + 1, narrow);
}

static void print_logic(struct printer *pr, const struct ast_expr *e, const char *word)
{
    for (uint32_t i = 0; i < e->list.count; i++) {
        if (i)
            print_text(pr, word);
        print_level(pr, e->list.items[i], expr_level(e) + 1, false);
    }
}

static void print_is(struct printer *pr, const struct ast_expr *e)
{
    static const char *const tests[] = {"NULL", "TRUE", "FALSE", "UNKNOWN"};
    const struct ast_expr *arg = e->test.arg;

    print_level(pr, arg, arg->kind == AST_IS ? LEVEL_IS : LEVEL_IS + 1, false);
    print_text(pr, e->test.negated ? " IS NOT " : " IS ");
    print_text(pr, tests[e->test.is]);
}

static void print_like(struct printer *pr, const struct ast_expr *e)
{
    static const char *const words[] = {" LIKE ", " ILIKE ", " SIMILAR TO "};

    print_level(pr, e->like.arg, LEVEL_LIKE + 1, false);
    if (e->like.negated)
        print_text(pr, " NOT");
    print_text(pr, words[e->like.form]);
    print_level(pr, e->like.pattern, LEVEL_LIKE + 1, false);
    if (e->like.escape) {
        print_text(pr, " ESCAPE ");
        print_level(pr, e->like.escape, LEVEL_LIKE + 1, false);
    }
}

static void print_between(struct printer *pr, const struct ast_expr *e)
{
    print_level(pr, e->between.arg, LEVEL_LIKE + 1, false);
    print_text(pr, e->between.negated ? " NOT BETWEEN " : " BETWEEN ");
    if (e->between.symmetric)
        print_text(pr, "SYMMETRIC ");
    print_narrow(pr, e->between.low);
    print_text(pr, " AND ");
    print_level(pr, e->between.high, LEVEL_LIKE + 1, false);
}

static void print_subquery(struct printer *pr, const struct ast_query *query)
{
    print_text(pr, "(");
    print_query(pr, query);
    print_text(pr, ")");
}

static void print_in(struct printer *pr, const struct ast_expr *e)
{
    print_level(pr, e->in.arg, LEVEL_LIKE + 1, false);
    print_text(pr, e->in.negated ? " NOT IN " : " IN ");
    if (e->in.query) {
        print_subquery(pr, e->in.query);
    } else {
        print_text(pr, "(");
        print_exprs(pr, e->in.list);
        print_text(pr, ")");
    }
}

static void print_quantified(struct printer *pr, const struct ast_expr *e, bool narrow)
{
    print_level(pr, e->quantified.left, expr_level(e) + 1, narrow);
    print_text(pr, " ");
    print_operator(pr, e->op, e->quantified.symbol);
    print_text(pr, e->kind == AST_ANY ? " ANY " : " ALL ");
    if (e->quantified.query) {
        print_subquery(pr, e->quantified.query);
    } else {
        print_text(pr, "(");
        print_expr(pr, e->quantified.array);
        print_text(pr, ")");
    }
}

/* ---- operands ---- */

static void print_case(struct printer *pr, const struct ast_expr *e)
{
    print_text(pr, "CASE");
    if (e->cases->arg) {
        print_text(pr, " ");
        print_expr(pr, e->cases->arg);
    }
    for (uint32_t i = 0; i < e->cases->whens.count; i++) {
        print_text(pr, " WHEN ");
        print_expr(pr, e->cases->whens.items[i]);
        print_text(pr, " THEN ");
        print_expr(pr, e->cases->thens.items[i]);
    }
    if (e->cases->otherwise) {
        print_text(pr, " ELSE ");
        print_expr(pr, e->cases->otherwise);
    }
    print_text(pr, " END");
}

static void print_bound(struct printer *pr, char kind, bool following,
                        const struct ast_expr *distance)
{
    if (kind == 'c') {
        print_text(pr, "CURRENT ROW");
        return;
    }
    if (kind == 'u')
        print_text(pr, "UNBOUNDED");
    else
        print_expr(pr, distance);
    print_text(pr, following ? " FOLLOWING" : " PRECEDING");
}

static void print_window(struct printer *pr, const struct ast_window *w)
{
    const char *gap = "";

    if (w->bare) {
        print_ident(pr, &w->base);
        return;
    }
    print_text(pr, "(");
    if (w->base.text) {
        print_ident(pr, &w->base);
        gap = " ";
    }
    if (w->partition_by.count) {
        print_text(pr, gap);
        print_text(pr, "PARTITION BY ");
        print_exprs(pr, w->partition_by);
        gap = " ";
    }
    if (w->order_by.count) {
        print_text(pr, gap);
        print_text(pr, "ORDER BY ");
        print_sorts(pr, w->order_by);
        gap = " ";
    }
    if (w->frame) {
        print_text(pr, gap);
        print_text(pr, w->frame);
        print_text(pr, w->to.kind ? " BETWEEN " : " ");
        print_bound(pr, w->from.kind, w->from.following, w->from.distance);
        if (w->to.kind) {
            print_text(pr, " AND ");
            print_bound(pr, w->to.kind, w->to.following, w->to.distance);
        }
        if (w->exclude) {
            print_text(pr, " EXCLUDE ");
            print_text(pr, w->exclude);
        }
    }
    print_text(pr, ")");
}

/* Whether the call must be written with its own syntax, because its name is a word that
 * takes no plain argument list. */
static bool is_word_call(const struct ast_call *call, const char *name)
{
    return call->name.count == 1 && !call->name.parts[0].quoted && call->args.count == 2 &&
           strcmp(call->name.parts[0].text, name) == 0;
}

static void print_args(struct printer *pr, const struct ast_call *call)
{
    if (call->star)
        print_text(pr, "*");
    if (call->distinct)
        print_text(pr, "DISTINCT ");
    for (uint32_t i = 0; i < call->args.count; i++) {
        if (i)
            print_text(pr, ", ");
        if (call->variadic && i + 1 == call->args.count)
            print_text(pr, "VARIADIC ");
        if (call->arg_names && call->arg_names[i].text) {
            print_ident(pr, &call->arg_names[i]);
            print_text(pr, " => ");
        }
        print_expr(pr, call->args.items[i]);
    }
    if (call->order_by.count) {
        print_text(pr, " ORDER BY ");
        print_sorts(pr, call->order_by);
    }
}

static void print_call(struct printer *pr, const struct ast_call *call)
{
    print_name(pr, &call->name);
    print_text(pr, "(");
    if (is_word_call(call, "extract")) {
        print_expr(pr, call->args.items[0]);
        print_text(pr, " FROM ");
        print_expr(pr, call->args.items[1]);
    } else if (is_word_call(call, "position")) {
        print_narrow(pr, call->args.items[1]);
        print_text(pr, " IN ");
        print_narrow(pr, call->args.items[0]);
    } else {
        print_args(pr, call);
    }
    print_text(pr, ")");
    if (call->within_group.count) {
        print_text(pr, " WITHIN GROUP (ORDER BY ");
        print_sorts(pr, call->within_group);
        print_text(pr, ")");
    }
    if (call->filter) {
        print_text(pr, " FILTER (WHERE ");
        print_expr(pr, call->filter);
        print_text(pr, ")");
    }
    if (call->over) {
        print_text(pr, " OVER ");
        print_window(pr, call->over);
    }
}

static void print_subscript(struct printer *pr, const struct ast_expr *e)
{
    const struct ast_expr *arg = e->subscript.arg;

    if (arg->kind == AST_COLUMN || arg->kind == AST_PARAM || arg->kind == AST_SUBSCRIPT)
        print_expr(pr, arg);
    else
        print_parens(pr, arg);
    print_text(pr, "[");
    if (e->subscript.low)
        print_expr(pr, e->subscript.low);
    if (e->subscript.slice)
        print_text(pr, " : ");
    if (e->subscript.high)
        print_expr(pr, e->subscript.high);
    print_text(pr, "]");
}

static void print_bare(struct printer *pr, const struct ast_expr *e, bool narrow)
{
    switch ((enum ast_expr_kind)e->kind) {
    case AST_NULL:
        print_text(pr, "NULL");
        break;
    case AST_BOOL:
        print_text(pr, e->truth ? "TRUE" : "FALSE");
        break;
    case AST_NUMBER:
        if (e->number.negative)
            print_text(pr, "-");
        print_text(pr, e->number.text);
        break;
    case AST_STRING:
        print_string(pr, e->string.text, e->string.bytes);
        break;
    case AST_BITS:
        buf_add_char(pr->out, e->string.form);
        print_string(pr, e->string.text, e->string.bytes);
        break;
    case AST_DEFAULT:
        print_text(pr, "DEFAULT");
        break;
    case AST_PARAM:
        if (e->param.name.text)
            buf_printf(pr->out, "$%s", e->param.name.text);
        else
            buf_printf(pr->out, "$%u", e->param.number);
        break;
    case AST_COLUMN:
        print_name(pr, &e->name);
        break;
    case AST_STAR:
        print_name(pr, &e->name);
        print_text(pr, e->name.count ? ".*" : "*");
        break;
    case AST_UNARY:
        print_unary(pr, e, narrow);
        break;
    case AST_BINARY:
        print_binary(pr, e, narrow);
        break;
    case AST_AND:
        print_logic(pr, e, " AND ");
        break;
    case AST_OR:
        print_logic(pr, e, " OR ");
        break;
    case AST_NOT:
        print_text(pr, "NOT ");
        print_level(pr, e->arg, LEVEL_NOT, false);
        break;
    case AST_IS:
        print_is(pr, e);
        break;
    case AST_DISTINCT_FROM:
        print_level(pr, e->test.arg, LEVEL_IS + 1, narrow);
        print_text(pr, e->test.negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ");
        print_level(pr, e->test.other, LEVEL_IS + 1, narrow);
        break;
    case AST_LIKE:
        print_like(pr, e);
        break;
    case AST_BETWEEN:
        print_between(pr, e);
        break;
    case AST_IN_LIST:
    case AST_IN_QUERY:
        print_in(pr, e);
        break;
    case AST_ANY:
    case AST_ALL:
        print_quantified(pr, e, narrow);
        break;
    case AST_EXISTS:
        print_text(pr, "EXISTS ");
        print_subquery(pr, e->query);
        break;
    case AST_SUBQUERY:
        print_subquery(pr, e->query);
        break;
    case AST_ARRAY_QUERY:
        print_text(pr, "ARRAY");
        print_subquery(pr, e->query);
        break;
    case AST_ARRAY:
        print_text(pr, "ARRAY[");
        print_exprs(pr, e->list);
        print_text(pr, "]");
        break;
    case AST_ROW:
        print_text(pr, "ROW(");
        print_exprs(pr, e->list);
        print_text(pr, ")");
        break;
    case AST_CASE:
        print_case(pr, e);
        break;
    case AST_CAST:
        print_text(pr, e->cast.try ? "TRY_CAST(" : "CAST(");
        print_expr(pr, e->cast.arg);
        print_text(pr, " AS ");
        print_type(pr, e->cast.type);
        print_text(pr, ")");
        break;
    case AST_CALL:
        print_call(pr, e->call);
        break;
    case AST_SQL_VALUE:
        print_text(pr, ast_sql_value_text((enum ast_sql_value)e->sql_value.value));
        if (e->sql_value.precision >= 0)
            buf_printf(pr->out, "(%d)", (int)e->sql_value.precision);
        break;
    case AST_COLLATE:
        print_level(pr, e->collate.arg, LEVEL_COLLATE, false);
        print_text(pr, " COLLATE ");
        print_name(pr, &e->collate.name);
        break;
    case AST_AT_TIME_ZONE:
        print_level(pr, e->binary.left, LEVEL_AT, false);
        print_text(pr, " AT TIME ZONE ");
        print_level(pr, e->binary.right, LEVEL_AT + 1, false);
        break;
    case AST_SUBSCRIPT:
        print_subscript(pr, e);
        break;
    case AST_FIELD:
        print_parens(pr, e->field.arg);
        print_text(pr, ".");
        if (e->field.name.text)
            print_ident(pr, &e->field.name);
        else
            print_text(pr, "*");
        break;
    }
}

/* ---- queries ---- */

void print_sort_tail(struct printer *pr, const struct ast_sort *sort)
{
    if (sort->descending)
        print_text(pr, " DESC");
    if (sort->nulls == AST_NULLS_FIRST)
        print_text(pr, " NULLS FIRST");
    else if (sort->nulls == AST_NULLS_LAST)
        print_text(pr, " NULLS LAST");
}

void print_sorts(struct printer *pr, struct ast_sorts list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_expr(pr, list.items[i].expr);
        print_sort_tail(pr, &list.items[i]);
    }
}

void print_items(struct printer *pr, struct ast_items list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_expr(pr, list.items[i].expr);
        if (list.items[i].alias.text) {
            print_text(pr, " AS ");
            print_ident(pr, &list.items[i].alias);
        }
    }
}

static void print_from(struct printer *pr, const struct ast_from *from);

static void print_join(struct printer *pr, const struct ast_from *from)
{
    static const char *const words[] = {"", "LEFT ", "RIGHT ", "FULL ", "CROSS "};
    const struct ast_from *right = from->sides.right;

    print_from(pr, from->sides.left);
    print_text(pr, from->natural ? " NATURAL " : " ");
    print_text(pr, words[from->join]);
    print_text(pr, "JOIN ");
    if (right->kind == AST_FROM_JOIN)
        print_text(pr, "(");
    print_from(pr, right);
    if (right->kind == AST_FROM_JOIN)
        print_text(pr, ")");
    if (from->sides.on) {
        print_text(pr, " ON ");
        print_expr(pr, from->sides.on);
    } else if (from->sides.using.count) {
        print_text(pr, " USING");
        print_columns(pr, from->sides.using);
        if (from->alias.text) {
            print_text(pr, " AS ");
            print_ident(pr, &from->alias);
        }
    }
}

static void print_from_alias(struct printer *pr, const struct ast_from *from)
{
    uint32_t defs = from->kind == AST_FROM_FUNCTION ? from->function.def_count : 0;

    if (from->alias.text || defs)
        print_text(pr, " AS ");
    if (from->alias.text)
        print_ident(pr, &from->alias);
    print_columns(pr, from->columns);
    for (uint32_t i = 0; i < defs; i++) {
        print_text(pr, i ? ", " : "(");
        print_ident(pr, &from->function.defs[i].name);
        print_text(pr, " ");
        print_type(pr, from->function.defs[i].type);
    }
    if (defs)
        print_text(pr, ")");
}

static void print_from(struct printer *pr, const struct ast_from *from)
{
    if (from->lateral)
        print_text(pr, "LATERAL ");
    switch ((enum ast_from_kind)from->kind) {
    case AST_FROM_TABLE:
        if (from->only)
            print_text(pr, "ONLY ");
        print_name(pr, &from->name);
        break;
    case AST_FROM_FILE:
        print_string(pr, from->file.text, from->file.bytes);
        break;
    case AST_FROM_QUERY:
        print_subquery(pr, from->query);
        break;
    case AST_FROM_FUNCTION:
        print_expr(pr, from->function.call);
        if (from->ordinality)
            print_text(pr, " WITH ORDINALITY");
        break;
    case AST_FROM_JOIN:
        print_join(pr, from);
        return;
    }
    print_from_alias(pr, from);
}

void print_froms(struct printer *pr, struct ast_froms list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            print_text(pr, ", ");
        print_from(pr, list.items[i]);
    }
}

static void print_group(struct printer *pr, const struct ast_group *group)
{
    switch ((enum ast_group_kind)group->kind) {
    case AST_GROUP_EXPR:
        if (group->expr->kind == AST_ROW && group->expr->list.count > 1) {
            print_text(pr, "(");
            print_exprs(pr, group->expr->list);
            print_text(pr, ")");
        } else {
            print_expr(pr, group->expr);
        }
        break;
    case AST_GROUP_EMPTY:
        print_text(pr, "()");
        break;
    case AST_GROUP_ROLLUP:
    case AST_GROUP_CUBE:
        print_text(pr, group->kind == AST_GROUP_ROLLUP ? "ROLLUP (" : "CUBE (");
        print_exprs(pr, group->list);
        print_text(pr, ")");
        break;
    case AST_GROUP_SETS:
        print_text(pr, "GROUPING SETS (");
        for (uint32_t i = 0; i < group->set_count; i++) {
            if (i)
                print_text(pr, ", ");
            print_group(pr, &group->sets[i]);
        }
        print_text(pr, ")");
        break;
    }
}

static void print_select(struct printer *pr, const struct ast_select *s)
{
    print_text(pr, s->distinct ? "SELECT DISTINCT" : "SELECT");
    if (s->distinct_on.count) {
        print_text(pr, " ON (");
        print_exprs(pr, s->distinct_on);
        print_text(pr, ")");
    }
    if (s->items.count)
        print_text(pr, " ");
    print_items(pr, s->items);
    if (s->from.count) {
        print_text(pr, " FROM ");
        print_froms(pr, s->from);
    }
    if (s->where) {
        print_text(pr, " WHERE ");
        print_expr(pr, s->where);
    }
    if (s->grouped) {
        print_text(pr, s->group_all        ? " GROUP BY ALL"
                       : s->group_distinct ? " GROUP BY DISTINCT "
                                           : " GROUP BY ");
        for (uint32_t i = 0; i < s->group_count; i++) {
            if (i)
                print_text(pr, ", ");
            print_group(pr, &s->group_by[i]);
        }
    }
    if (s->having) {
        print_text(pr, " HAVING ");
        print_expr(pr, s->having);
    }
    for (uint32_t i = 0; i < s->window_count; i++) {
        print_text(pr, i ? ", " : " WINDOW ");
        print_ident(pr, &s->windows[i]->name);
        print_text(pr, " AS ");
        print_window(pr, s->windows[i]);
    }
    if (s->qualify) {
        print_text(pr, " QUALIFY ");
        print_expr(pr, s->qualify);
    }
}

void print_with(struct printer *pr, const struct ast_with *with)
{
    if (!with)
        return;
    print_text(pr, with->recursive ? "WITH RECURSIVE " : "WITH ");
    for (uint32_t i = 0; i < with->count; i++) {
        const struct ast_cte *cte = &with->items[i];
        if (i)
            print_text(pr, ", ");
        print_ident(pr, &cte->name);
        print_columns(pr, cte->columns);
        print_text(pr, " AS ");
        if (cte->materialize)
            print_text(pr, cte->materialize == AST_CTE_MATERIALIZED ? "MATERIALIZED "
                                                                    : "NOT MATERIALIZED ");
        print_subquery(pr, cte->query);
    }
    print_text(pr, " ");
}

static int setop_level(const struct ast_query *q)
{
    if (q->kind != AST_QUERY_SETOP)
        return 3;
    return q->setop == AST_INTERSECT ? 2 : 1;
}

static void print_operand(struct printer *pr, const struct ast_query *q, int min)
{
    bool tail = q->with || q->order_by.count || q->limit || q->offset || q->lock_count;

    if (tail || setop_level(q) < min ||
        (pr->how == AST_PRINT_PARENS && q->kind == AST_QUERY_SETOP))
        print_subquery(pr, q);
    else
        print_query(pr, q);
}

static void print_body(struct printer *pr, const struct ast_query *q)
{
    static const char *const words[] = {" UNION ", " INTERSECT ", " EXCEPT "};

    switch ((enum ast_query_kind)q->kind) {
    case AST_QUERY_SELECT:
        print_select(pr, q->select);
        break;
    case AST_QUERY_VALUES:
        print_text(pr, "VALUES ");
        for (uint32_t i = 0; i < q->row_count; i++) {
            print_text(pr, i ? ", (" : "(");
            print_exprs(pr, q->rows[i]);
            print_text(pr, ")");
        }
        break;
    case AST_QUERY_SETOP:
        print_operand(pr, q->left, setop_level(q));
        print_text(pr, words[q->setop]);
        if (q->all)
            print_text(pr, "ALL ");
        print_operand(pr, q->right, setop_level(q) + 1);
        break;
    }
}

static void print_lock(struct printer *pr, const struct ast_lock *lock)
{
    print_text(pr, " FOR ");
    print_text(pr, lock->strength);
    for (uint32_t i = 0; i < lock->table_count; i++) {
        print_text(pr, i ? ", " : " OF ");
        print_name(pr, &lock->tables[i]);
    }
    if (lock->wait) {
        print_text(pr, " ");
        print_text(pr, lock->wait);
    }
}

void print_query(struct printer *pr, const struct ast_query *q)
{
    print_with(pr, q->with);
    print_body(pr, q);
    if (q->order_by.count) {
        print_text(pr, " ORDER BY ");
        print_sorts(pr, q->order_by);
    }
    if (q->limit && q->with_ties) {
        print_text(pr, " FETCH FIRST ");
        print_parens(pr, q->limit);
        print_text(pr, " ROWS WITH TIES");
    } else if (q->limit) {
        print_text(pr, " LIMIT ");
        print_expr(pr, q->limit);
    }
    if (q->offset) {
        print_text(pr, " OFFSET ");
        print_expr(pr, q->offset);
    }
    for (uint32_t i = 0; i < q->lock_count; i++)
        print_lock(pr, &q->locks[i]);
}

/* ---- the entries ---- */

kdk_status ast_print_query(const struct ast_query *query, enum ast_print how,
                           struct buf *out, struct err *err)
{
    struct printer pr = {out, how};

    print_query(&pr, query);
    return buf_status(out, err);
}

kdk_status ast_print_expr(const struct ast_expr *expr, enum ast_print how, struct buf *out,
                          struct err *err)
{
    struct printer pr = {out, how};

    print_expr(&pr, expr);
    return buf_status(out, err);
}

kdk_status ast_print_type(const struct ast_type *type, struct buf *out, struct err *err)
{
    struct printer pr = {out, AST_PRINT_PLAIN};

    print_type(&pr, type);
    return buf_status(out, err);
}

kdk_status ast_print_name(const struct ast_name *name, struct buf *out, struct err *err)
{
    struct printer pr = {out, AST_PRINT_PLAIN};

    print_name(&pr, name);
    return buf_status(out, err);
}

kdk_status ast_print_ident(const char *text, size_t bytes, struct buf *out)
{
    bool plain = bytes > 0 && !(text[0] >= '0' && text[0] <= '9');

    for (size_t i = 0; i < bytes; i++)
        plain &= (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
                 text[i] == '_';
    if (plain && keyword_info[keyword_find(text, bytes)].category <= KEYWORD_UNRESERVED)
        return buf_add(out, text, bytes);
    print_quoted(out, text, bytes, '"');
    return buf_status(out, NULL);
}

kdk_status ast_print_string(const char *text, size_t bytes, struct buf *out)
{
    print_quoted(out, text, bytes, '\'');
    return buf_status(out, NULL);
}
