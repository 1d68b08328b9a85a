/* bind_name.c - what a column of the result is called when the statement does not say. */
#include "sql/bind_int.h"

/* PostgreSQL's FigureColname: *strength 0 nothing, 1 a guess, 2 a name. */
static const char *figure_name(struct binder *b, const struct ast_expr *ast, int *strength)
{
    int inner = 0;
    const char *name = NULL;
    *strength = 2;
    switch ((enum ast_expr_kind)ast->kind) {
    case AST_COLUMN:
        return ast_last(&ast->name)->text;
    case AST_CALL:
        return ast_last(&ast->call->name)->text;
    case AST_FIELD:
        if (ast->field.name.text)
            return ast->field.name.text;
        break;
    case AST_COLLATE:
        return figure_name(b, ast->collate.arg, strength);
    case AST_CAST:
        name = figure_name(b, ast->cast.arg, &inner);
        *strength = inner > 1 ? inner : 1;
        return inner > 1 ? name : ast_last(&ast->cast.type->name)->text;
    case AST_CASE:
        if (ast->cases->otherwise)
            name = figure_name(b, ast->cases->otherwise, &inner);
        *strength = inner > 1 ? inner : 1;
        return inner > 1 ? name : "case";
    case AST_SQL_VALUE:
        return ast_sql_value_text((enum ast_sql_value)ast->sql_value.value);
    case AST_EXISTS:
        return "exists";
    case AST_BOOL:
        *strength = 1;
        return "bool";
    case AST_SUBQUERY:
        if (ast->query->kind == AST_QUERY_SELECT && ast->query->select->items.count)
            return item_name(b, &ast->query->select->items.items[0]);
        break;
    case AST_AT_TIME_ZONE:
        return "timezone";
    case AST_ARRAY:
    case AST_ARRAY_QUERY:
        return "array";
    case AST_ROW:
        return "row";
    case AST_SUBSCRIPT:
        return figure_name(b, ast->subscript.arg, strength);
    case AST_NULL:
    case AST_NUMBER:
    case AST_STRING:
    case AST_BITS:
    case AST_DEFAULT:
    case AST_PARAM:
    case AST_STAR:
    case AST_UNARY:
    case AST_BINARY:
    case AST_AND:
    case AST_OR:
    case AST_NOT:
    case AST_IS:
    case AST_DISTINCT_FROM:
    case AST_LIKE:
    case AST_BETWEEN:
    case AST_IN_LIST:
    case AST_IN_QUERY:
    case AST_ANY:
    case AST_ALL:
        break;
    }
    *strength = 0;
    return "?column?";
}

const char *item_name(struct binder *b, const struct ast_item *item)
{
    int strength;
    return item->alias.text ? item->alias.text : figure_name(b, item->expr, &strength);
}
