/* lexer.h - SQL text to tokens; private to the front end.
 *
 * lexer.re finds where a token ends, lexer.c does what a regular expression cannot (nested
 * comments, quotes, operators' odd rules) and gives the meaning of a token's text. Tokens
 * are offsets: nothing is allocated until a literal's text is asked for, so that splitting
 * a script costs no memory.
 *
 * The zone is where PL-Grizzly will come in: inside braces double quotes mean text. Only
 * SQL_ZONE_SQL exists now, and a brace in it is a LEX_BRACE error.
 */
#ifndef KDK_SQL_LEXER_H
#define KDK_SQL_LEXER_H

#include "base/arena.h"
#include "base/base.h"
#include "sql/ast.h"
#include "sql/keywords.h"

enum sql_zone { SQL_ZONE_SQL };

/* Punctuation of one byte is its own kind: ( ) [ ] , ; . : ? */
enum token_kind {
    TOK_END = 0,
    TOK_WORD = 256, /* Unquoted; `word` is the keyword it is, or KW_0. */
    TOK_QUOTED,     /* "x" or `x`; form 'u' for U&"x" */
    TOK_STRING,     /* form: 0, 'e', 'u', '$' */
    TOK_BITS,       /* form: 'b', 'x' */
    TOK_WHOLE,      /* form: 0, 'x', 'o', 'b' */
    TOK_DECIMAL,
    TOK_EXPONENT,
    TOK_PARAM,  /* $1 */
    TOK_NAMED,  /* $name */
    TOK_OP,     /* op */
    TOK_CAST,   /* :: */
    TOK_ASSIGN, /* := */
    TOK_NAMES,  /* => */
    TOK_DOTS,   /* .. */
    TOK_ERROR,  /* form: enum lex_error */
};

/* X(NAME, STATUS, MESSAGE, OPEN): OPEN is what the text ends inside of, for sql_split(); 0
 * when more text would not help. */
#define LEX_ERROR_LIST(X)                                                                  \
    X(STRING, SYNTAX, "unterminated quoted string", '\'')                                  \
    X(QUOTED, SYNTAX, "unterminated quoted identifier", '"')                               \
    X(BACKTICK, SYNTAX, "unterminated quoted identifier", '`')                             \
    X(DOLLAR, SYNTAX, "unterminated dollar-quoted string", '$')                            \
    X(COMMENT, SYNTAX, "unterminated /* comment", '*')                                     \
    X(BITS, SYNTAX, "unterminated bit string literal", '\'')                               \
    X(EMPTY_NAME, SYNTAX, "zero-length delimited identifier", 0)                           \
    X(NUMBER, SYNTAX, "trailing junk after numeric literal", 0)                            \
    X(RADIX, SYNTAX, "invalid integer literal", 0)                                         \
    X(PARAM, SYNTAX, "trailing junk after parameter", 0)                                   \
    X(NUL, BAD_ENCODING, "invalid byte sequence for encoding \"UTF8\": 0x00", 0)           \
    X(BRACE, UNSUPPORTED, "interpolation is not supported yet", 0)                         \
    X(CHARACTER, SYNTAX, "syntax error", 0)

enum lex_error {
#define LEX_ERROR_ENUM(NAME, STATUS, MESSAGE, OPEN) LEX_##NAME,
    LEX_ERROR_LIST(LEX_ERROR_ENUM)
#undef LEX_ERROR_ENUM
        LEX_ERROR_COUNT
};

struct token {
    uint16_t kind; /* enum token_kind or a byte */
    uint16_t word; /* enum keyword */
    uint8_t op;    /* enum ast_op */
    uint8_t form;
    uint32_t at, end; /* Its bytes in the text. */
};

struct lexer {
    const char *text; /* Borrowed. */
    size_t bytes;     /* At most SQL_BYTES_MAX, so that offsets fit 31 bits. */
    size_t at;        /* The next byte to look at. */
    enum sql_zone zone;
};

void lexer_init(struct lexer *lexer, const char *text, size_t bytes, enum sql_zone zone);
/* The next token. After TOK_END it stays there; an error's token ends where lexing
 * stopped. */
void lexer_next(struct lexer *lexer, struct token *token);

/* Sets err for a TOK_ERROR token. */
kdk_status lexer_error(const struct lexer *lexer, const struct token *token,
                       struct err *err);
char lex_error_open(enum lex_error error);

/* The meaning of a QUOTED, WORD or NAMED token as a name: folded, unescaped, cut to
 * IDENTIFIER_BYTES_MAX. `escape` is the character of U&, normally a backslash. */
kdk_status lexer_ident(const struct lexer *lexer, const struct token *token, char escape,
                       struct arena *arena, struct ast_ident *out, struct err *err);
/* The meaning of a STRING or BITS token. */
kdk_status lexer_string(const struct lexer *lexer, const struct token *token, char escape,
                        struct arena *arena, const char **text, uint32_t *bytes,
                        struct err *err);
/* The digits of a number, in decimal, without '_'. OUT_OF_RANGE for 0x.. beyond 128
 * bits. */
kdk_status lexer_number(const struct lexer *lexer, const struct token *token,
                        struct arena *arena, const char **text, uint32_t *bytes,
                        struct err *err);

/* lexer.re */
void lexer_scan(struct lexer *lexer, struct token *token);
/* lexer.c, called by lexer.re with `at` behind what was recognised. Each sets the token's
 * kind. */
/* kind TOK_END: skipped, go on */
void lex_blank_comment(struct lexer *lexer, struct token *token);
void lex_string(struct lexer *lexer, struct token *token, uint8_t form);
void lex_dollar(struct lexer *lexer, struct token *token);
void lex_quoted(struct lexer *lexer, struct token *token, char quote, uint8_t form);
void lex_operator(struct lexer *lexer, struct token *token);
void lex_word(struct lexer *lexer, struct token *token);

#endif
