/* parse.h - SQL text to statements.
 *
 * The one entry of the front end: text in, syntax trees (ast.h) out. No catalog, no state,
 * no waiting; any thread, as long as the arena is its own.
 */
#ifndef KDK_SQL_PARSE_H
#define KDK_SQL_PARSE_H

#include "sql/ast.h"

/* Parses statements parted by semicolons; empty ones are left out.
 *
 * text        UTF-8, `bytes` long, no NUL needed at the end; not kept: the trees hold
 *             copies.
 * arena       Owns the trees. On failure it holds garbage that the caller frees with it.
 * statements  The trees, in order; offsets in them count from `text`. Untouched on failure.
 * Errors      42601 syntax, with a position (err->position); 0A000 what the grammar knows
 *             and does not support; 54001 nested too deeply; 54000 over SQL_BYTES_MAX;
 *             22021 not UTF-8; 22025 and its like for bad escapes; NOMEM.
 */
KDK_MUST_CHECK kdk_status sql_parse(const char *text, size_t bytes, struct arena *arena,
                                    struct ast_list *statements, struct err *err);

/* One expression, or one type, that is the whole text: for stored defaults and checks, and
 * for tests. */
KDK_MUST_CHECK kdk_status sql_parse_expr(const char *text, size_t bytes,
                                         struct arena *arena, struct ast_expr **expr,
                                         struct err *err);
KDK_MUST_CHECK kdk_status sql_parse_type(const char *text, size_t bytes,
                                         struct arena *arena, struct ast_type **type,
                                         struct err *err);

enum sql_split {
    SQL_SPLIT_EMPTY,      /* Only blanks and comments are left. */
    SQL_SPLIT_STATEMENT,  /* A statement and its semicolon. */
    SQL_SPLIT_INCOMPLETE, /* A statement without a semicolon: more text may follow. */
    SQL_SPLIT_OPEN,       /* The text ends inside a string, a quoted name or a comment. */
};
struct sql_extent {
    size_t start;    /* First byte of the first token. */
    size_t end;      /* One past the semicolon; for the others, the end of the text. */
    char open;       /* OPEN: what is open: ' " ` $ or * (a comment). 0 otherwise. */
    uint32_t parens; /* Parentheses open at the end: for a prompt. */
};

/* Finds the first statement of `text` from byte `from` on: for the shell's lines and for
 * running a script piece by piece. Semicolons alone are skipped. Looks at tokens only;
 * allocates nothing, never fails. Parse [start, end) and add `start` to an error's position
 * to name the place in the whole text. */
enum sql_split sql_split(const char *text, size_t bytes, size_t from,
                         struct sql_extent *out);

#endif
