/* lexer.re - where SQL's tokens end. Everything that needs memory of more than a state (nesting, quotes that
 * match, PostgreSQL's rule for the end of an operator) is one call into lexer.c. Input is read through the four
 * macros, with a zero byte past the end, so the text needs no terminator and no byte outside it is read. */
#include "sql/lexer.h"

void lexer_scan(struct lexer *lexer, struct token *token)
{
    const char *text = lexer->text;
    const size_t bytes = lexer->bytes;
    size_t at = lexer->at, marker = at;

#define YYCTYPE     unsigned char
#define YYPEEK()    (at < bytes ? (unsigned char)text[at] : 0)
#define YYSKIP()    (at++)
#define YYBACKUP()  (marker = at)
#define YYRESTORE() (at = marker)
#define DONE(KIND, FORM)                                                                       \
    do {                                                                                       \
        token->kind = (KIND);                                                                  \
        token->form = (FORM);                                                                  \
        lexer->at = at;                                                                        \
        return;                                                                                \
    } while (0)
#define CALL(F, ...)                                                                           \
    do {                                                                                       \
        lexer->at = at;                                                                        \
        F(lexer, token, ##__VA_ARGS__);                                                        \
        return;                                                                                \
    } while (0)

again:
    token->at = (uint32_t)at;
    /*!re2c
    re2c:api = custom;
    re2c:yyfill:enable = 0;

    blank   = [ \t\n\r\f\v];
    first   = [A-Za-z_\x80-\xff];
    word    = first [A-Za-z0-9_\x80-\xff]*;
    digits  = [0-9] ("_"? [0-9])*;
    decimal = digits "." digits? | "." digits;
    real    = (digits | decimal) [eE] [+-]? digits;
    hex     = "0" [xX] ("_"? [0-9a-fA-F])+;
    octal   = "0" [oO] ("_"? [0-7])+;
    binary  = "0" [bB] ("_"? [01])+;
    opchar  = [-+*/<>=~!@#%^&|];

    blank+              { goto again; }
    "--" [^\n\r\x00]*   { goto again; }
    "/*"                { lexer->at = at;
                          lex_blank_comment(lexer, token);
                          if (token->kind == TOK_ERROR)
                              return;
                          at = lexer->at;
                          goto again; }

    word                { CALL(lex_word); }
    "'"                 { CALL(lex_string, 0); }
    [nN] "'"            { CALL(lex_string, 0); }
    [eE] "'"            { CALL(lex_string, 'e'); }
    [uU] "&'"           { CALL(lex_string, 'u'); }
    [bB] "'"            { CALL(lex_string, 'b'); }
    [xX] "'"            { CALL(lex_string, 'x'); }
    "$" word? "$"       { CALL(lex_dollar); }
    "\""                { CALL(lex_quoted, '"', 0); }
    [uU] "&\""          { CALL(lex_quoted, '"', 'u'); }
    "`"                 { CALL(lex_quoted, '`', 0); }

    digits              { DONE(TOK_WHOLE, 0); }
    digits ".."         { at -= 2; DONE(TOK_WHOLE, 0); }
    hex                 { DONE(TOK_WHOLE, 'x'); }
    octal               { DONE(TOK_WHOLE, 'o'); }
    binary              { DONE(TOK_WHOLE, 'b'); }
    decimal             { DONE(TOK_DECIMAL, 0); }
    real                { DONE(TOK_EXPONENT, 0); }
    "0" [xXoObB]        { DONE(TOK_ERROR, LEX_RADIX); }
    (hex | octal | binary | digits | decimal | real) first
                        { DONE(TOK_ERROR, LEX_NUMBER); }
    "$" [0-9]+          { DONE(TOK_PARAM, 0); }
    "$" [0-9]+ first    { DONE(TOK_ERROR, LEX_PARAM); }
    "$" word            { DONE(TOK_NAMED, 0); }

    "::"                { DONE(TOK_CAST, 0); }
    ":="                { DONE(TOK_ASSIGN, 0); }
    ".."                { DONE(TOK_DOTS, 0); }
    [()[\],;.:?]        { DONE((unsigned char)text[at - 1], 0); }
    opchar+             { CALL(lex_operator); }
    [{}]                { DONE(TOK_ERROR, LEX_BRACE); }

    "\x00"              { if (at > bytes) { at = bytes; DONE(TOK_END, 0); }
                          DONE(TOK_ERROR, LEX_NUL); }
    *                   { DONE(TOK_ERROR, LEX_CHARACTER); }
    */
}
