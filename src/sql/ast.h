/* ast.h - what SQL text means grammatically, before any name is looked up.
 *
 * The parser makes these nodes, the binder reads them, the printer turns them back into
 * text. All of a statement's nodes live in the arena given to sql_parse() and are freed
 * with it; nothing is changed after the parse, so a tree may be read by several threads.
 *
 * Conventions
 *   at        0-based byte offset into the text given to sql_parse(): where a caret
 *             belongs. For an infix operator that is the operator, else the first byte of
 *             the construct.
 *   lists     an array and a count; an absent list is {NULL, 0}. An absent child is NULL.
 *   names     folded to lower case unless quoted; `quoted` tells which. Never longer than
 *             IDENTIFIER_BYTES_MAX (longer ones are cut at a character boundary, as
 *             PostgreSQL does).
 *   height    levels of the tree below and with a node; the parser keeps it at
 *             SQL_DEPTH_MAX or less (54001), so everybody may walk a tree by recursion.
 *   forms     what is mere spelling is gone: `==` is EQ, `!=` is NE, `x::t` is CAST,
 *             INTEGER is int4, TRIM(x) is btrim(x), SUBSTRING(x FROM a FOR b) is
 *             substring(x, a, b), `FROM t` has the item `*`, TABLE t is SELECT * FROM t,
 *             head clauses stand in no order, BEGIN is START TRANSACTION.
 */
#ifndef KDK_SQL_AST_H
#define KDK_SQL_AST_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"

/* ---- names and types ---- */

struct ast_ident {
    /* NUL-terminated, folded unless quoted; NULL when there is no name. */
    const char *text;
    uint32_t bytes;
    uint32_t at : 31;
    uint32_t quoted : 1;
};

struct ast_idents {
    struct ast_ident *items;
    uint32_t count;
};

/* `name`, `schema.name`, `database.schema.name`: first part first. At least one part, at
 * most three (columns: four). */
struct ast_name {
    struct ast_ident *parts;
    uint32_t count;
    uint32_t at;
};
static inline const struct ast_ident *ast_last(const struct ast_name *name)
{
    return &name->parts[name->count - 1];
}

/* A type as written. Keyword types have PostgreSQL's internal name, unquoted: int2 int4
 * int8 float4 float8 numeric bool varchar bpchar (with modifier 1 when CHAR has none) bit
 * varbit time timetz timestamp timestamptz interval. FLOAT(n) is float4 or float8.
 * Everything else is the name as written. */
struct ast_type {
    struct ast_name name;
    struct ast_exprs *modifiers; /* (p, s); NULL when there are no parentheses. */
    const char *fields;          /* INTERVAL's "day to second" and so on; NULL for none. */
    uint32_t at;
    uint8_t array_dims; /* 0: no array. Bounds are read and dropped, as in PostgreSQL. */
    bool setof;
};

struct ast_exprs {
    struct ast_expr **items;
    uint32_t count;
};

/* ---- expressions ---- */

/* X(NAME): kind AST_NAME; the comment names the member of the union. */
#define AST_EXPR_LIST(X)                                                                   \
    X(NULL)          /* - */                                                               \
    X(BOOL)          /* truth */                                                           \
    X(NUMBER)        /* number */                                                          \
    X(STRING)        /* string; an untyped literal, "unknown" to the binder */             \
    X(BITS)          /* string: the digits of B'..' (form 'b') or X'..' (form 'x') */      \
    X(DEFAULT)       /* -; the binder allows it in VALUES of an INSERT and in SET only */  \
    X(PARAM)         /* param */                                                           \
    X(COLUMN)        /* name: column, table.column, schema.table.column */                 \
    X(STAR)          /* name: the qualifier, count 0 for a bare `*` */                     \
    X(UNARY)         /* binary: op, right (left NULL) */                                   \
    X(BINARY)        /* binary; comparison, arithmetic, ||, and every named operator */    \
    X(AND)           /* list: two or more */                                               \
    X(OR)            /* list: two or more */                                               \
    X(NOT)           /* arg */                                                             \
    X(IS)            /* test: `is`, negated */                                             \
    X(DISTINCT_FROM) /* test: arg IS [NOT] DISTINCT FROM other */                          \
    X(LIKE)          /* like */                                                            \
    X(BETWEEN)       /* between */                                                         \
    X(IN_LIST)       /* in: arg, list (one or more) */                                     \
    X(IN_QUERY)      /* in: arg, query */                                                  \
    X(ANY)           /* quantified: left op ANY|SOME (query or array) */                   \
    X(ALL)           /* quantified */                                                      \
    X(EXISTS)        /* query */                                                           \
    X(SUBQUERY)      /* query: scalar (or a row, beside a row) */                          \
    X(ARRAY_QUERY)   /* query: ARRAY(SELECT ..) */                                         \
    X(ARRAY)         /* list: ARRAY[..]; a nested [..] is ARRAY too */                     \
    X(ROW)           /* list: (a, b) or ROW(..), then any count */                         \
    X(CASE)          /* cases */                                                           \
    X(CAST)          /* cast */                                                            \
    X(CALL)          /* call */                                                            \
    X(SQL_VALUE) /* sql_value: CURRENT_DATE and its like, written without parentheses */   \
    X(COLLATE)   /* collate */                                                             \
    X(AT_TIME_ZONE) /* binary: left AT TIME ZONE right */                                  \
    X(SUBSCRIPT)    /* subscript */                                                        \
    X(FIELD)        /* field: (x).name, or (x).* when name.text is NULL */

enum ast_expr_kind {
#define AST_EXPR_ENUM(NAME) AST_##NAME,
    AST_EXPR_LIST(AST_EXPR_ENUM)
#undef AST_EXPR_ENUM
};

/* X(NAME, TEXT, LEVEL): OP_NAME, its usual spelling, and its level of precedence
 * (parse_int.h). OTHER is any operator that is not listed; its spelling is in `symbol`. */
#define AST_OP_LIST(X)                                                                     \
    X(EQ, "=", COMPARE)                                                                    \
    X(NE, "<>", COMPARE)                                                                   \
    X(LT, "<", COMPARE)                                                                    \
    X(LE, "<=", COMPARE)                                                                   \
    X(GT, ">", COMPARE)                                                                    \
    X(GE, ">=", COMPARE)                                                                   \
    X(ADD, "+", ADD)                                                                       \
    X(SUB, "-", ADD)                                                                       \
    X(MUL, "*", MUL)                                                                       \
    X(DIV, "/", MUL)                                                                       \
    X(MOD, "%", MUL)                                                                       \
    X(INTDIV, "//", MUL)                                                                   \
    X(POW, "^", POW)   /* left, as in PostgreSQL */                                        \
    X(POWR, "**", POW) /* the same function, right */                                      \
    X(CONCAT, "||", OTHER)                                                                 \
    X(MATCH, "~", OTHER) /* regular expressions */                                         \
    X(IMATCH, "~*", OTHER)                                                                 \
    X(NMATCH, "!~", OTHER)                                                                 \
    X(NIMATCH, "!~*", OTHER)                                                               \
    X(ARROW, "->", OTHER) /* JSON */                                                       \
    X(ARROW_TEXT, "->>", OTHER)                                                            \
    X(OTHER, "", OTHER)

enum ast_op {
#define AST_OP_ENUM(NAME, TEXT, LEVEL) OP_##NAME,
    AST_OP_LIST(AST_OP_ENUM)
#undef AST_OP_ENUM
        OP_COUNT
};
const char *ast_op_text(enum ast_op op);

enum ast_is { AST_IS_NULL, AST_IS_TRUE, AST_IS_FALSE, AST_IS_UNKNOWN };
enum ast_like { AST_LIKE_LIKE, AST_LIKE_ILIKE, AST_LIKE_SIMILAR };

/* NAME is the SQL spelling in lower case. */
#define AST_SQL_VALUE_LIST(X)                                                              \
    X(CURRENT_DATE, "current_date")                                                        \
    X(CURRENT_TIME, "current_time")                                                        \
    X(CURRENT_TIMESTAMP, "current_timestamp")                                              \
    X(LOCALTIME, "localtime")                                                              \
    X(LOCALTIMESTAMP, "localtimestamp")                                                    \
    X(CURRENT_CATALOG, "current_catalog")                                                  \
    X(CURRENT_ROLE, "current_role")                                                        \
    X(CURRENT_SCHEMA, "current_schema")                                                    \
    X(CURRENT_USER, "current_user")                                                        \
    X(SESSION_USER, "session_user")                                                        \
    X(USER, "user")
enum ast_sql_value {
#define AST_SQL_VALUE_ENUM(NAME, TEXT) AST_VALUE_##NAME,
    AST_SQL_VALUE_LIST(AST_SQL_VALUE_ENUM)
#undef AST_SQL_VALUE_ENUM
};
const char *ast_sql_value_text(enum ast_sql_value value);

/* How a number was written; the binder gives the type: WHOLE is int4, int8 or numeric by
 * its size, the others are numeric, as in PostgreSQL. */
enum ast_number { AST_NUMBER_WHOLE, AST_NUMBER_DECIMAL, AST_NUMBER_EXPONENT };

struct ast_expr {
    uint8_t kind; /* enum ast_expr_kind */
    uint8_t op;   /* UNARY, BINARY, ANY, ALL: enum ast_op. */
    uint16_t height;
    uint32_t at;
    union {
        bool truth;
        struct {
            /* NUL-terminated, unsigned, decimal, without '_': "1", ".5", "1e-3". */
            const char *text;
            int64_t value; /* With the sign, if `fits`. */
            uint32_t bytes;
            uint8_t form; /* enum ast_number */
            /* `- 5` is folded into the literal, so that -9223372036854775808 is an int8. */
            bool negative;
            bool fits; /* A WHOLE that an int64_t holds. */
        } number;
        struct {
            const char *text; /* Decoded, NUL-terminated; holds no NUL. */
            uint32_t bytes;
            char form; /* BITS: 'b' or 'x'. */
        } string;
        struct {
            struct ast_ident name; /* $name; text NULL for $1. */
            uint32_t number;       /* From 1; 0 for a named one. */
        } param;
        struct ast_name name;
        struct {
            struct ast_expr *left, *right;
            /* OTHER, or a schema in OPERATOR(schema.op); else NULL. */
            const struct ast_name *symbol;
        } binary;
        struct ast_exprs list;
        struct ast_expr *arg;
        struct {
            struct ast_expr *arg, *other;
            uint8_t is; /* enum ast_is */
            bool negated;
        } test;
        struct {
            struct ast_expr *arg, *pattern, *escape; /* escape: may be NULL. */
            uint8_t form;                            /* enum ast_like */
            bool negated;
        } like;
        struct {
            struct ast_expr *arg, *low, *high;
            bool negated, symmetric;
        } between;
        struct {
            struct ast_expr *arg;
            struct ast_exprs list;
            struct ast_query *query;
            bool negated;
        } in;
        struct {
            struct ast_expr *left;
            struct ast_query *query; /* One of query and array is set. */
            struct ast_expr *array;
            const struct ast_name *symbol;
        } quantified;
        struct ast_query *query;
        struct {
            struct ast_expr *arg; /* CASE arg WHEN ..; NULL in the searched form. */
            struct ast_exprs whens, thens; /* As many of each, one or more. */
            struct ast_expr *otherwise;    /* NULL: no ELSE. */
        } * cases;
        struct {
            struct ast_expr *arg;
            struct ast_type *type;
            bool try;     /* TRY_CAST: NULL instead of an error. */
            bool literal; /* arg is a STRING: DATE '..', '..'::date, CAST('..' AS date). */
        } cast;
        struct ast_call *call;
        struct {
            uint8_t value;     /* enum ast_sql_value */
            int32_t precision; /* -1: none */
        } sql_value;
        struct {
            struct ast_expr *arg;
            struct ast_name name;
        } collate;
        struct {
            struct ast_expr *arg;
            /* x[high], x[low:high]; a slice may lack either. */
            struct ast_expr *low, *high;
            bool slice;
        } subscript;
        struct {
            struct ast_expr *arg;
            struct ast_ident name;
        } field;
    };
};

enum ast_nulls { AST_NULLS_DEFAULT, AST_NULLS_FIRST, AST_NULLS_LAST };
/* ORDER BY item, and element of an index. */
struct ast_sort {
    struct ast_expr *expr;
    /* enum ast_nulls; default is LAST for ascending, FIRST for descending. */
    uint8_t nulls;
    bool descending;
};
struct ast_sorts {
    struct ast_sort *items;
    uint32_t count;
};

struct ast_window {
    struct ast_ident name; /* In the WINDOW clause; else text NULL. */
    struct ast_ident base; /* OVER w, or OVER (w ..); else text NULL. */
    bool bare;             /* OVER w, without parentheses. */
    struct ast_exprs partition_by;
    struct ast_sorts order_by;
    const char *frame; /* NULL or "rows", "range", "groups". */
    /* Bounds: 'u' unbounded, 'c' current row, 'n' the expression. */
    struct {
        char kind;
        bool following;
        struct ast_expr *distance;
    } from, to;          /* to.kind 0: no BETWEEN. */
    const char *exclude; /* NULL or "current row", "group", "ties", "no others". */
    uint32_t at;
};

/* A function call. These have lost their own syntax: extract('year', x), substring(x, from,
 * for), substring(x, pattern, escape), overlay(x, new, from, for), position(text, part),
 * btrim, ltrim, rtrim. coalesce, nullif, greatest, least, grouping, rollup and cube are
 * calls too. */
struct ast_call {
    struct ast_name name;
    struct ast_exprs args;
    /* NULL: none is named; else args.count of them, text NULL for an unnamed. */
    struct ast_ident *arg_names;
    struct ast_sorts order_by;
    struct ast_sorts within_group;
    struct ast_expr *filter;
    struct ast_window *over;
    bool star;     /* count(*) */
    bool distinct; /* f(DISTINCT ..) */
    bool variadic; /* The last argument is VARIADIC. */
};

/* ---- queries ---- */

struct ast_item {
    struct ast_expr *expr;  /* STAR for `*` and `t.*`. */
    struct ast_ident alias; /* text NULL: none. */
};
struct ast_items {
    struct ast_item *items;
    uint32_t count;
};

enum ast_from_kind {
    AST_FROM_TABLE,    /* name */
    AST_FROM_FILE,     /* file: 'flights.csv' */
    AST_FROM_QUERY,    /* query (VALUES too) */
    AST_FROM_FUNCTION, /* call, an AST_CALL or AST_SQL_VALUE */
    AST_FROM_JOIN,     /* join */
};
enum ast_join {
    AST_JOIN_INNER,
    AST_JOIN_LEFT,
    AST_JOIN_RIGHT,
    AST_JOIN_FULL,
    AST_JOIN_CROSS
};

struct ast_column_def {
    struct ast_ident name;
    struct ast_type *type;
};

struct ast_from {
    uint8_t kind; /* enum ast_from_kind */
    uint8_t join; /* enum ast_join */
    uint16_t height;
    uint32_t at;
    struct ast_ident alias;    /* text NULL: none. */
    struct ast_idents columns; /* t(a, b) */
    bool lateral, only, ordinality, natural;
    union {
        struct ast_name name;
        struct {
            const char *text;
            uint32_t bytes;
        } file;
        struct ast_query *query;
        struct {
            struct ast_expr *call;
            struct ast_column_def *defs; /* AS t(a int, b text): typed column aliases. */
            uint32_t def_count;
        } function;
        struct {
            struct ast_from *left, *right;
            struct ast_expr *on; /* NULL with USING, NATURAL, CROSS. */
            /* With an alias for the merged columns in `alias` of this node. */
            struct ast_idents using;
        } sides;
    };
};
struct ast_froms {
    struct ast_from **items;
    uint32_t count;
};

enum ast_group_kind {
    AST_GROUP_EXPR,   /* expr; a whole number is a position */
    AST_GROUP_EMPTY,  /* () */
    AST_GROUP_ROLLUP, /* list */
    AST_GROUP_CUBE,   /* list */
    AST_GROUP_SETS,   /* sets */
};
struct ast_group {
    uint8_t kind;
    uint32_t at;
    struct ast_expr *expr;
    struct ast_exprs list;
    struct ast_group *sets;
    uint32_t set_count;
};

/* One block: SELECT .. FROM .. WHERE ... */
struct ast_select {
    bool distinct; /* DISTINCT, or DISTINCT ON when distinct_on has items. */
    /* GROUP BY ALL: group by every item without an aggregate. */
    bool group_all;
    bool group_distinct; /* GROUP BY DISTINCT .. */
    bool grouped;        /* There is a GROUP BY. */
    struct ast_exprs distinct_on;
    struct ast_items items; /* May be empty, as in PostgreSQL. */
    struct ast_froms from;  /* Comma list; empty without FROM. */
    struct ast_expr *where;
    struct ast_group *group_by;
    uint32_t group_count;
    struct ast_expr *having;
    struct ast_window **windows; /* WINDOW w AS (..): names set. */
    uint32_t window_count;
    struct ast_expr *qualify;
};

enum ast_materialize { AST_CTE_DEFAULT, AST_CTE_MATERIALIZED, AST_CTE_NOT_MATERIALIZED };
struct ast_cte {
    struct ast_ident name;
    struct ast_idents columns;
    struct ast_query *query;
    uint8_t materialize; /* enum ast_materialize */
};
struct ast_with {
    struct ast_cte *items;
    uint32_t count;
    bool recursive;
    uint32_t at;
};

struct ast_lock {
    const char *strength; /* "update", "no key update", "share", "key share" */
    const char *wait;     /* NULL, "nowait", "skip locked" */
    struct ast_name *tables;
    uint32_t table_count;
    uint32_t at;
};

enum ast_query_kind { AST_QUERY_SELECT, AST_QUERY_VALUES, AST_QUERY_SETOP };
enum ast_setop { AST_UNION, AST_INTERSECT, AST_EXCEPT };

struct ast_query {
    uint8_t kind;  /* enum ast_query_kind */
    uint8_t setop; /* enum ast_setop */
    bool all;      /* UNION ALL */
    bool with_ties;
    uint16_t height;
    uint32_t at;
    struct ast_with *with;
    union {
        struct ast_select *select;
        struct {
            /* VALUES; all of one length unless the text is wrong: the binder checks. */
            struct ast_exprs *rows;
            uint32_t row_count;
        };
        struct {
            struct ast_query *left, *right;
        };
    };
    struct ast_sorts order_by;
    struct ast_expr *limit; /* NULL for none and for ALL. */
    struct ast_expr *offset;
    struct ast_lock *locks;
    uint32_t lock_count;
};

/* ---- statements ---- */

#define AST_STMT_LIST(X)                                                                   \
    X(QUERY, query)                                                                        \
    X(INSERT, insert)                                                                      \
    X(UPDATE, update)                                                                      \
    X(DELETE, delete)                                                                      \
    X(TRUNCATE, truncate)                                                                  \
    X(CREATE_TABLE, create_table)                                                          \
    X(CREATE_VIEW, create_view)                                                            \
    X(CREATE_INDEX, create_index)                                                          \
    X(CREATE_SCHEMA, create_schema)                                                        \
    X(DROP, drop)                                                                          \
    X(ALTER, alter)                                                                        \
    X(REINDEX, reindex)                                                                    \
    X(TRANSACTION, transaction)                                                            \
    X(EXPLAIN, explain)                                                                    \
    X(PREPARE, prepare)                                                                    \
    X(EXECUTE, execute)                                                                    \
    X(DEALLOCATE, deallocate)                                                              \
    X(SET, set)                                                                            \
    X(SHOW, show)                                                                          \
    X(COPY, copy)                                                                          \
    X(CHECKPOINT, checkpoint)                                                              \
    X(ANALYZE, analyze)                                                                    \
    X(VACUUM, vacuum)

enum ast_stmt_kind {
#define AST_STMT_ENUM(NAME, MEMBER) AST_STMT_##NAME,
    AST_STMT_LIST(AST_STMT_ENUM)
#undef AST_STMT_ENUM
        AST_STMT_COUNT
};

/* The target of INSERT, UPDATE, DELETE. */
struct ast_target {
    struct ast_name name;
    struct ast_ident alias; /* text NULL: none. */
    bool only;
};

/* SET a = e: one column. SET (a, b) = (e, f): `columns` has several, source is a ROW or a
 * SUBQUERY or any other expression. DEFAULT is AST_DEFAULT. */
struct ast_assign {
    struct ast_idents columns;
    struct ast_expr *source;
    bool row; /* Written with parentheses around the columns. */
};
struct ast_assigns {
    struct ast_assign *items;
    uint32_t count;
};

struct ast_conflict {
    /* ON CONFLICT (a, b); order and NULLS are not allowed by the binder. */
    struct ast_sorts keys;
    struct ast_expr *keys_where;
    struct ast_ident constraint; /* ON CONFLICT ON CONSTRAINT c; text NULL: none. */
    bool update;                 /* DO UPDATE, else DO NOTHING. */
    struct ast_assigns set;
    struct ast_expr *where;
    uint32_t at;
};

struct ast_insert {
    struct ast_with *with;
    struct ast_target target;
    struct ast_idents columns;
    struct ast_query *source;      /* NULL: DEFAULT VALUES. */
    const char *overriding;        /* NULL, "system", "user". */
    struct ast_conflict *conflict; /* NULL: none. */
    struct ast_items returning;
};
struct ast_update {
    struct ast_with *with;
    struct ast_target target;
    struct ast_assigns set;
    struct ast_froms from;
    struct ast_expr *where;
    struct ast_items returning;
};
struct ast_delete {
    struct ast_with *with;
    struct ast_target target;
    struct ast_froms using;
    struct ast_expr *where;
    struct ast_items returning;
};
struct ast_truncate {
    struct ast_name *names;
    uint32_t count;
    bool only, cascade, restart_identity;
};

/* k = v in WITH (..), COPY, EXPLAIN, SET. */
struct ast_option {
    struct ast_ident name; /* Lower case; may hold a dot. */
    /* Literals; a bare word is a STRING. Empty for a flag alone. */
    struct ast_exprs values;
    bool star; /* FORCE_QUOTE *: values is empty. */
    bool list; /* Written in parentheses: (a, b). */
};
struct ast_options {
    struct ast_option *items;
    uint32_t count;
};

enum ast_constraint_kind {
    AST_CON_NOT_NULL,    /* column */
    AST_CON_NULL,        /* column; says nothing */
    AST_CON_DEFAULT,     /* column: expr */
    AST_CON_PRIMARY_KEY, /* columns (table) */
    AST_CON_UNIQUE,      /* columns (table) */
    AST_CON_CHECK,       /* expr */
    AST_CON_REFERENCES,  /* columns (table), parent, parent_columns */
    AST_CON_GENERATED,   /* expr, stored; or identity */
};
struct ast_constraint {
    uint8_t kind; /* enum ast_constraint_kind */
    uint32_t at;
    struct ast_ident name; /* CONSTRAINT name; text NULL: none. */
    struct ast_idents columns;
    struct ast_expr *expr;
    struct ast_name parent;
    struct ast_idents parent_columns;
    const char *match; /* NULL, "full", "partial", "simple". */
    /* NULL, "no action", "restrict", "cascade", "set null", "set default". */
    const char *on_delete, *on_update;
    struct ast_idents include;
    struct ast_options with;
    bool nulls_not_distinct;
    bool deferrable, initially_deferred, not_valid, no_inherit;
    bool always, identity; /* GENERATED ALWAYS, AS IDENTITY. */
};
struct ast_constraints {
    struct ast_constraint **items;
    uint32_t count;
};

struct ast_column {
    struct ast_ident name;
    struct ast_type *type;
    struct ast_name collation; /* count 0: none. */
    struct ast_constraints constraints;
};

struct ast_create_table {
    struct ast_name name;
    bool replace, temp, unlogged, if_not_exists, with_no_data;
    struct ast_column *columns;
    uint32_t column_count;
    struct ast_constraints constraints; /* Of the table. */
    struct ast_options with;
    const char *on_commit;      /* NULL, "preserve rows", "delete rows", "drop". */
    struct ast_idents as_names; /* CREATE TABLE t (a, b) AS */
    struct ast_query *as;       /* NULL: no AS. */
};
struct ast_create_view {
    struct ast_name name;
    bool replace, temp, recursive, if_not_exists;
    struct ast_idents columns;
    struct ast_options with;
    struct ast_query *query;
    const char *check_option; /* NULL, "local", "cascaded". */
};
struct ast_create_index {
    struct ast_ident name; /* text NULL: to be made up. */
    struct ast_name table;
    struct ast_ident method; /* text NULL: the usual. */
    bool unique, concurrently, if_not_exists, only, nulls_not_distinct;
    /* A bare column is an AST_COLUMN. COLLATE stands in the expression. */
    struct ast_sorts keys;
    struct ast_idents include;
    struct ast_options with;
    struct ast_expr *where;
};
struct ast_create_schema {
    struct ast_ident name;  /* text NULL: CREATE SCHEMA AUTHORIZATION owner. */
    struct ast_ident owner; /* text NULL: none. */
    bool if_not_exists;
};

enum ast_object { AST_OBJECT_TABLE, AST_OBJECT_VIEW, AST_OBJECT_INDEX, AST_OBJECT_SCHEMA };
const char *ast_object_text(enum ast_object object); /* "TABLE" */

struct ast_drop {
    uint8_t object; /* enum ast_object */
    bool if_exists, cascade, concurrently;
    struct ast_name *names;
    uint32_t count;
};

enum ast_alter_kind {
    AST_ALTER_RENAME,            /* to */
    AST_ALTER_SET_SCHEMA,        /* to */
    AST_ALTER_RENAME_COLUMN,     /* column, to */
    AST_ALTER_RENAME_CONSTRAINT, /* column (the constraint), to */
    AST_ALTER_ADD_COLUMN,        /* add, if_not_exists */
    AST_ALTER_DROP_COLUMN,       /* column, if_exists, cascade */
    AST_ALTER_ADD_CONSTRAINT,    /* constraint */
    AST_ALTER_DROP_CONSTRAINT,   /* column (the constraint), if_exists, cascade */
    AST_ALTER_SET_DEFAULT,       /* column, expr */
    AST_ALTER_DROP_DEFAULT,      /* column */
    AST_ALTER_SET_NOT_NULL,      /* column */
    AST_ALTER_DROP_NOT_NULL,     /* column */
    AST_ALTER_TYPE,              /* column, type, collation, expr (USING) */
};
struct ast_alter_action {
    uint8_t kind; /* enum ast_alter_kind */
    bool if_exists, if_not_exists, cascade;
    uint32_t at;
    struct ast_ident column;
    struct ast_ident to;
    struct ast_column *add;
    struct ast_constraint *constraint;
    struct ast_expr *expr;
    struct ast_type *type;
    struct ast_name collation;
};
struct ast_alter {
    /* enum ast_object; views, indexes and schemas: RENAME (and SET SCHEMA) only. */
    uint8_t object;
    bool if_exists, only;
    struct ast_name name;
    struct ast_alter_action *actions;
    uint32_t count;
};

struct ast_reindex {
    const char *object; /* "index", "table", "schema", "database", "system" */
    bool concurrently;
    struct ast_name name; /* count 0: none (database, system). */
};

enum ast_transaction_kind {
    AST_TXN_BEGIN,
    AST_TXN_COMMIT,
    AST_TXN_ROLLBACK,
    AST_TXN_SAVEPOINT,
    AST_TXN_RELEASE,
    AST_TXN_ROLLBACK_TO,
    AST_TXN_SET,         /* SET TRANSACTION modes */
    AST_TXN_SET_SESSION, /* SET SESSION CHARACTERISTICS AS TRANSACTION modes */
};
enum ast_isolation {
    AST_ISOLATION_DEFAULT,
    AST_ISOLATION_READ_UNCOMMITTED,
    AST_ISOLATION_READ_COMMITTED,
    AST_ISOLATION_REPEATABLE_READ,
    AST_ISOLATION_SERIALIZABLE,
};
struct ast_transaction {
    uint8_t kind;      /* enum ast_transaction_kind */
    uint8_t isolation; /* enum ast_isolation */
    int8_t read_only;  /* -1: not said, 0: READ WRITE, 1: READ ONLY. */
    int8_t deferrable; /* -1, 0, 1 */
    bool chain;        /* COMMIT AND CHAIN */
    struct ast_ident savepoint;
};

struct ast_explain {
    bool analyze, verbose;
    struct ast_options options; /* All but analyze and verbose, which are resolved. */
    struct ast_stmt *stmt;
};
struct ast_prepare {
    struct ast_ident name;
    struct ast_type **types;
    uint32_t type_count;
    struct ast_stmt *stmt;
};
struct ast_execute {
    struct ast_ident name;
    struct ast_exprs args;
};
struct ast_deallocate {
    struct ast_ident name; /* text NULL: ALL. */
};

/* SET name = values, SET name TO DEFAULT (reset), RESET name, RESET ALL (name.text NULL).
 * SET TIME ZONE x is timezone, SET NAMES x is client_encoding, SET ROLE x is role. */
struct ast_set {
    struct ast_ident name; /* Lower case; may hold dots. */
    struct ast_exprs
        values; /* Literals; bare words are STRING, ON and TRUE too; a time zone may be a CAST to
                                interval. Empty: reset. */
    bool local, reset;
};
struct ast_show {
    struct ast_ident name; /* text NULL: ALL. */
};

enum ast_copy_end { AST_COPY_FILE, AST_COPY_STDIO, AST_COPY_PROGRAM };
struct ast_copy {
    struct ast_name name; /* count 0 for a query. */
    struct ast_idents columns;
    struct ast_query *query; /* COPY (query) TO */
    bool to;                 /* TO, else FROM. */
    uint8_t end;             /* enum ast_copy_end */
    const char *file;        /* FILE, PROGRAM. */
    uint32_t file_at;
    struct ast_options
        options; /* The old syntax is turned into the new: format, delimiter, null, header, quote,
                                   escape, force_quote, force_not_null, force_null, encoding, freeze, binary. */
    struct ast_expr *where;
};

struct ast_checkpoint {
    bool freeze;
    struct ast_name name; /* count 0: everything. */
};
struct ast_analyze {
    bool verbose;
    struct ast_name name; /* count 0: everything. */
    struct ast_idents columns;
};
struct ast_vacuum {
    struct ast_options options; /* full, freeze, verbose, analyze, ... */
    struct ast_name name;
    struct ast_idents columns;
};

struct ast_stmt {
    enum ast_stmt_kind kind;
    uint32_t at, end;     /* Its bytes, without the semicolon and blanks around it. */
    uint32_t param_count; /* The highest $n. */
    union {
#define AST_STMT_MEMBER(NAME, MEMBER) struct ast_##MEMBER *MEMBER;
        AST_STMT_LIST(AST_STMT_MEMBER)
#undef AST_STMT_MEMBER
    };
};

struct ast_list {
    struct ast_stmt **items;
    uint32_t count;
};

/* ---- text again ---- */

enum ast_print {
    AST_PRINT_PLAIN,  /* Parentheses where they are needed. */
    AST_PRINT_PARENS, /* Around every operator: shows the tree, for tests. */
};
/* Append SQL text which parses back to the same tree (offsets apart). The text is on one
 * line unless a literal has a line end. NOMEM only. */
kdk_status ast_print_stmt(const struct ast_stmt *stmt, enum ast_print how, struct buf *out,
                          struct err *err);
kdk_status ast_print_query(const struct ast_query *query, enum ast_print how,
                           struct buf *out, struct err *err);
kdk_status ast_print_expr(const struct ast_expr *expr, enum ast_print how, struct buf *out,
                          struct err *err);
kdk_status ast_print_type(const struct ast_type *type, struct buf *out, struct err *err);
kdk_status ast_print_name(const struct ast_name *name, struct buf *out, struct err *err);
/* A name as an identifier: quoted when it must be. For error messages and generated SQL
 * too. */
kdk_status ast_print_ident(const char *text, size_t bytes, struct buf *out);
/* A text literal: quotes doubled, nothing else changed. */
kdk_status ast_print_string(const char *text, size_t bytes, struct buf *out);

#endif
