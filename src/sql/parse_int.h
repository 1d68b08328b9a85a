/* parse_int.h - what the parser's files share.
 *
 * One function per production, each leaving the parser behind what it read. A function that
 * can call itself, however indirectly, is bracketed by parse_enter() and parse_leave(),
 * which bound the stack; the height of a finished tree is bounded by parse_done() and its
 * like, because a long chain of left operands grows a tree without any recursion here.
 */
#ifndef KDK_SQL_PARSE_INT_H
#define KDK_SQL_PARSE_INT_H

#include "sql/lexer.h"
#include "sql/parse.h"

#define PARSE_AHEAD 4 /* Tokens that may be looked at; a power of two. */

struct parser {
    struct lexer lexer;
    struct token ahead[PARSE_AHEAD];
    unsigned first, count; /* Of the ring `ahead`. */
    uint32_t last_end;     /* Where the token before ended. */
    struct arena *arena;
    struct err *err;
    unsigned depth;
    uint32_t params;    /* The highest $n of this statement. */
    uint32_t questions; /* `?` seen in this statement. */
};

/* NULL is out of memory. Like TRY_MEM, for functions with a parser `p`. */
#define TRY_NEW(POINTER)                                                                   \
    do {                                                                                   \
        if (KDK_UNLIKELY((POINTER) == NULL)) {                                             \
            status = err_nomem(p->err);                                                    \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

#define NEW(T) ((T *)arena_zalloc(p->arena, sizeof(T)))

/* Room for one more item behind `count` items: capacity is the next power of two, from
 * 2. */
void *parse_room(struct arena *arena, void *items, uint32_t count, size_t item_bytes);
#define LIST_ADD(ITEMS, COUNT, VALUE)                                                      \
    do {                                                                                   \
        TRY_NEW((ITEMS) = parse_room(p->arena, (ITEMS), (COUNT), sizeof *(ITEMS)));        \
        (ITEMS)[(COUNT)++] = (VALUE);                                                      \
    } while (0)

/* ---- tokens (parse.c) ---- */

/* The token `skip` behind the current one; skip < PARSE_AHEAD. */
const struct token *parse_peek(struct parser *p, unsigned skip);
void parse_next(struct parser *p);

static inline const struct token *now(struct parser *p)
{
    return p->count ? &p->ahead[p->first] : parse_peek(p, 0);
}
static inline bool at_kind(struct parser *p, unsigned kind)
{
    return now(p)->kind == kind;
}
static inline bool at_word(struct parser *p, enum keyword word)
{
    return now(p)->word == word; /* Only a TOK_WORD has a word. */
}
static inline bool at_op(struct parser *p, enum ast_op op)
{
    return now(p)->kind == TOK_OP && now(p)->op == op;
}
static inline bool then_kind(struct parser *p, unsigned kind)
{
    return parse_peek(p, 1)->kind == kind;
}
static inline bool then_word(struct parser *p, enum keyword word)
{
    return parse_peek(p, 1)->word == word;
}
bool take_kind(struct parser *p, unsigned kind);
bool take_word(struct parser *p, enum keyword word);
/* Both or none. */
bool take_words(struct parser *p, enum keyword first, enum keyword second);
bool take_op(struct parser *p, enum ast_op op);
/* A word that is no keyword, such as an option's name. */
bool at_text(struct parser *p, const char *lower);
bool take_text(struct parser *p, const char *lower);
KDK_MUST_CHECK kdk_status need_kind(struct parser *p, unsigned kind);
KDK_MUST_CHECK kdk_status need_word(struct parser *p, enum keyword word);

/* 42601 at the current token, or the lexer's error. Never KDK_OK. */
kdk_status parse_syntax(struct parser *p);
kdk_status parse_fail(struct parser *p, kdk_status code, uint32_t at, const char *format,
                      ...) KDK_PRINTF(4, 5);
/* 0A000 `feature is not supported` at `at`. */
kdk_status parse_unsupported(struct parser *p, uint32_t at, const char *feature);

KDK_MUST_CHECK kdk_status parse_enter(struct parser *p);
static inline void parse_leave(struct parser *p)
{
    p->depth--;
}
/* "line 3, column 7" of an offset; both from 1, the column in characters. */
void parse_place(const struct parser *p, uint32_t at, uint32_t *line, uint32_t *column);

/* ---- names and types (name.c) ---- */

enum name_class {
    NAME_COLUMN, /* Columns, tables, aliases: no TYPE_FUNC, no RESERVED word. */
    NAME_TYPE,   /* Functions and types: no COL_NAME, no RESERVED word. */
    NAME_LABEL,  /* After AS, after a dot: any word. */
    NAME_BARE,   /* A label without AS. */
};
bool token_is_name(const struct token *token, enum name_class class);
KDK_MUST_CHECK kdk_status parse_ident(struct parser *p, enum name_class class,
                                      struct ast_ident *out);
/* name [. name]...: the first part of `class`, at most `parts_max` parts. */
KDK_MUST_CHECK kdk_status parse_name(struct parser *p, enum name_class class,
                                     uint32_t parts_max, struct ast_name *out);
KDK_MUST_CHECK kdk_status parse_table_name(struct parser *p, struct ast_name *out);
/* ( a, b ) */
KDK_MUST_CHECK kdk_status parse_name_list(struct parser *p, struct ast_idents *out);
KDK_MUST_CHECK kdk_status parse_type(struct parser *p, struct ast_type **out);
/* Whether a type's keyword followed by what makes it a literal's prefix stands here:
 * NUMERIC(3) '1'. */
bool at_type_literal(struct parser *p);
KDK_MUST_CHECK kdk_status parse_interval_fields(struct parser *p, struct ast_type *type);
KDK_MUST_CHECK kdk_status parse_string(struct parser *p, const char **text,
                                       uint32_t *bytes);
/* A whole number of at most `max`. */
KDK_MUST_CHECK kdk_status parse_whole(struct parser *p, int64_t max, int64_t *out);

/* ---- expressions (expr.c, primary.c) ---- */

/* How tightly operators hold, from loose to tight: PostgreSQL's table. */
enum level {
    LEVEL_ANY,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_IS,      /* IS, ISNULL, NOTNULL: not associative */
    LEVEL_COMPARE, /* < > = <= >= <>: not associative */
    LEVEL_LIKE,    /* BETWEEN IN LIKE ILIKE SIMILAR: not associative */
    LEVEL_OTHER,   /* every other operator */
    LEVEL_ADD,
    LEVEL_MUL,
    LEVEL_POW,
    LEVEL_AT,
    LEVEL_COLLATE,
    LEVEL_SIGN,
    LEVEL_POSTFIX, /* :: [ ] . */
};
extern const uint8_t parse_op_levels[OP_COUNT];

KDK_MUST_CHECK kdk_status parse_expr(struct parser *p, struct ast_expr **out);
/* PostgreSQL's b_expr: without AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL: where a keyword
 * ends it. */
KDK_MUST_CHECK kdk_status parse_narrow_expr(struct parser *p, struct ast_expr **out);
/* e, e, .. */
KDK_MUST_CHECK kdk_status parse_exprs(struct parser *p, struct ast_exprs *out);
/* expr.c: operators behind `left` that hold at least as tightly as `min`. */
KDK_MUST_CHECK kdk_status parse_operators(struct parser *p, struct ast_expr *left,
                                          enum level min, bool narrow,
                                          struct ast_expr **out);
KDK_MUST_CHECK kdk_status parse_level(struct parser *p, enum level min, bool narrow,
                                      struct ast_expr **out);
/* primary.c: one operand with its subscripts and fields. */
KDK_MUST_CHECK kdk_status parse_primary(struct parser *p, struct ast_expr **out);
/* Subscripts and fields behind an operand. */
KDK_MUST_CHECK kdk_status parse_operand_tail(struct parser *p, struct ast_expr **operand);
/* `( .. )`: a query, or a list of one or more expressions. */
KDK_MUST_CHECK kdk_status parse_parens(struct parser *p, struct ast_query **query,
                                       struct ast_exprs *list);
/* Behind a function's name, at its opening parenthesis. */
KDK_MUST_CHECK kdk_status parse_call(struct parser *p, const struct ast_name *name,
                                     struct ast_expr **out);
KDK_MUST_CHECK kdk_status parse_window(struct parser *p, struct ast_window **out);
/* after BY */
KDK_MUST_CHECK kdk_status parse_order_by(struct parser *p, struct ast_sorts *out);
KDK_MUST_CHECK kdk_status parse_sort_tail(struct parser *p, struct ast_sort *sort);
bool at_sql_value(struct parser *p);

struct ast_expr *parse_new(struct parser *p, enum ast_expr_kind kind, uint32_t at);
/* Measures a node whose children are done; 54001 if it is too high. */
KDK_MUST_CHECK kdk_status parse_done(struct parser *p, struct ast_expr *expr);
KDK_MUST_CHECK kdk_status parse_from_done(struct parser *p, struct ast_from *from);
KDK_MUST_CHECK kdk_status parse_query_done(struct parser *p, struct ast_query *query);
KDK_MUST_CHECK kdk_status parse_string_expr(struct parser *p, const char *text,
                                            struct ast_expr **out); /* A literal made up. */

/* ---- queries (query.c, from.c) ---- */

bool at_query(struct parser *p);      /* A word that begins a query. */
bool at_query_tail(struct parser *p); /* A word that goes on with a query in parentheses. */
KDK_MUST_CHECK kdk_status parse_query(struct parser *p, struct ast_query **out);
/* The same, with WITH already read. */
KDK_MUST_CHECK kdk_status parse_query_with(struct parser *p, struct ast_with *with,
                                           struct ast_query **out);
/* Set operations and tail behind `first`, a query in parentheses. */
KDK_MUST_CHECK kdk_status parse_query_rest(struct parser *p, struct ast_query *first,
                                           struct ast_query **out);
KDK_MUST_CHECK kdk_status parse_with(struct parser *p, struct ast_with **out);
KDK_MUST_CHECK kdk_status parse_items(struct parser *p, struct ast_items *out);
KDK_MUST_CHECK kdk_status parse_froms(struct parser *p, struct ast_froms *out);

/* ---- statements (stmt.c, ddl.c, util.c) ---- */

KDK_MUST_CHECK kdk_status parse_stmt(struct parser *p, struct ast_stmt **out);
/* DML: current token is INSERT, UPDATE or DELETE; `with` may be NULL. */
KDK_MUST_CHECK kdk_status parse_dml(struct parser *p, struct ast_with *with,
                                    struct ast_stmt *stmt);
KDK_MUST_CHECK kdk_status parse_truncate(struct parser *p, struct ast_stmt *stmt);
KDK_MUST_CHECK kdk_status parse_create(struct parser *p, struct ast_stmt *stmt);
KDK_MUST_CHECK kdk_status parse_drop(struct parser *p, struct ast_stmt *stmt);
KDK_MUST_CHECK kdk_status parse_alter(struct parser *p, struct ast_stmt *stmt);
/* Everything else; a syntax error if no statement begins so. */
KDK_MUST_CHECK kdk_status parse_utility(struct parser *p, struct ast_stmt *stmt);
/* ( k [=] v, .. ); `equals`: WITH (k = v), else COPY's and EXPLAIN's (k v). */
KDK_MUST_CHECK kdk_status parse_options(struct parser *p, bool equals,
                                        struct ast_options *out);
/* Adds one literal; a word is a STRING. */
KDK_MUST_CHECK kdk_status parse_option_value(struct parser *p, struct ast_exprs *values);
KDK_MUST_CHECK kdk_status parse_cascade(struct parser *p, bool *cascade);

#endif
