#include "sql/ast.h"

const char *ast_op_text(enum ast_op op)
{
    static const char *const texts[OP_COUNT] = {
#define OP_TEXT(NAME, TEXT, LEVEL) TEXT,
        AST_OP_LIST(OP_TEXT)
#undef OP_TEXT
    };
    return texts[op];
}

const char *ast_sql_value_text(enum ast_sql_value value)
{
    static const char *const texts[] = {
#define SQL_VALUE_TEXT(NAME, TEXT) TEXT,
        AST_SQL_VALUE_LIST(SQL_VALUE_TEXT)
#undef SQL_VALUE_TEXT
    };
    return texts[value];
}

const char *ast_object_text(enum ast_object object)
{
    switch (object) {
    case AST_OBJECT_TABLE:
        return "TABLE";
    case AST_OBJECT_VIEW:
        return "VIEW";
    case AST_OBJECT_INDEX:
        return "INDEX";
    case AST_OBJECT_SCHEMA:
        return "SCHEMA";
    }
    return "";
}
