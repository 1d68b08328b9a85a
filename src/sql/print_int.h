/* print_int.h - what the printer's two files share. Failures stick in the buffer; the
 * entries look at the end. */
#ifndef KDK_SQL_PRINT_INT_H
#define KDK_SQL_PRINT_INT_H

#include "sql/ast.h"

struct printer {
    struct buf *out;
    enum ast_print how;
};

void print_text(struct printer *pr, const char *text);
void print_ident(struct printer *pr, const struct ast_ident *ident);
void print_name(struct printer *pr, const struct ast_name *name);
void print_idents(struct printer *pr, struct ast_idents list);  /* a, b */
void print_columns(struct printer *pr, struct ast_idents list); /* " (a, b)", or nothing */
void print_string(struct printer *pr, const char *text, size_t bytes);
void print_type(struct printer *pr, const struct ast_type *type);
void print_expr(struct printer *pr, const struct ast_expr *expr);
void print_narrow(struct printer *pr, const struct ast_expr *expr);
void print_exprs(struct printer *pr, struct ast_exprs list);
void print_sort_tail(struct printer *pr, const struct ast_sort *sort);
void print_sorts(struct printer *pr, struct ast_sorts list);
void print_items(struct printer *pr, struct ast_items list);
void print_froms(struct printer *pr, struct ast_froms list);
/* with a blank behind; NULL: nothing */
void print_with(struct printer *pr, const struct ast_with *with);
void print_query(struct printer *pr, const struct ast_query *query);

#endif
