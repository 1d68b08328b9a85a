#include "sql/lexer.h"

#include <stdio.h>

#include "base/utf8.h"

void lexer_init(struct lexer *lexer, const char *text, size_t bytes, enum sql_zone zone)
{
    *lexer = (struct lexer){.text = text, .bytes = bytes, .zone = zone};
}

void lexer_next(struct lexer *lexer, struct token *token)
{
    *token = (struct token){0};
    lexer_scan(lexer, token);
    token->end = (uint32_t)lexer->at;
    if (token->kind == TOK_END)
        token->at = token->end;
}

static const struct lex_error_info {
    kdk_status status;
    const char *message;
    char open;
} lex_error_info[LEX_ERROR_COUNT] = {
#define LEX_ERROR_INFO(NAME, STATUS, MESSAGE, OPEN) {KDK_##STATUS, MESSAGE, OPEN},
    LEX_ERROR_LIST(LEX_ERROR_INFO)
#undef LEX_ERROR_INFO
};

char lex_error_open(enum lex_error error)
{
    return lex_error_info[error].open;
}

kdk_status lexer_error(const struct lexer *lexer, const struct token *token,
                       struct err *err)
{
    const struct lex_error_info *info = &lex_error_info[token->form];
    kdk_status status;

    if (token->form == LEX_NUL || token->form == LEX_BRACE)
        status = err_set(err, info->status, "%s", info->message);
    else
        status = err_set(err, info->status, "%s at or near \"%.*s\"", info->message,
                         (int)MIN(token->end - token->at, 200u), lexer->text + token->at);
    if (token->form == LEX_BRACE)
        err_hint(err, "Write a brace that is meant as text in single quotes.");
    err_at(err, token->at);
    return status;
}

static void lex_fail(struct lexer *lexer, struct token *token, enum lex_error error)
{
    token->kind = TOK_ERROR;
    token->form = (uint8_t)error;
    if (lex_error_info[error].open)
        lexer->at = lexer->bytes;
}

/* ---- tokens that a regular expression cannot end ---- */

/* Behind an opening slash-star: comments nest. */
void lex_blank_comment(struct lexer *lexer, struct token *token)
{
    const char *text = lexer->text;
    size_t at = lexer->at, depth = 1;

    while (at + 1 < lexer->bytes) {
        if (text[at] == '*' && text[at + 1] == '/') {
            at += 2;
            if (--depth == 0) {
                lexer->at = at;
                token->kind = TOK_END;
                return;
            }
        } else if (text[at] == '/' && text[at + 1] == '*') {
            at += 2;
            depth++;
        } else {
            at++;
        }
    }
    lex_fail(lexer, token, LEX_COMMENT);
}

/* Behind a closing quote: where the next piece of the literal begins (behind its quote), or
 * 0. Pieces are joined if a line end lies between them. */
static size_t next_piece(const char *text, size_t bytes, size_t at)
{
    bool line_end = false;

    while (at < bytes) {
        char c = text[at];
        if (c == '\n' || c == '\r') {
            line_end = true;
            at++;
        } else if (c == ' ' || c == '\t' || c == '\f' || c == '\v') {
            at++;
        } else if (c == '-' && at + 1 < bytes && text[at + 1] == '-') {
            while (at < bytes && text[at] != '\n' && text[at] != '\r')
                at++;
        } else {
            return line_end && c == '\'' ? at + 1 : 0;
        }
    }
    return 0;
}

/* From behind the opening quote to behind the closing one; 0 if there is none. `''` does
 * not close, nor does `\'` if backslashes count. */
static size_t quote_end(const char *text, size_t bytes, size_t at, char quote,
                        bool backslash)
{
    while (at < bytes) {
        if (text[at] == quote) {
            if (at + 1 < bytes && text[at + 1] == quote)
                at += 2;
            else
                return at + 1;
        } else if (backslash && text[at] == '\\') {
            at += 2;
        } else {
            at++;
        }
    }
    return 0;
}

void lex_string(struct lexer *lexer, struct token *token, uint8_t form)
{
    size_t at = lexer->at, end;
    bool bits = form == 'b' || form == 'x';

    do {
        end = quote_end(lexer->text, lexer->bytes, at, '\'', form == 'e');
        if (end == 0) {
            lex_fail(lexer, token, bits ? LEX_BITS : LEX_STRING);
            return;
        }
        at = next_piece(lexer->text, lexer->bytes, end);
    } while (at);
    lexer->at = end;
    token->kind = bits ? TOK_BITS : TOK_STRING;
    token->form = form;
}

/* Behind `$tag$`. */
void lex_dollar(struct lexer *lexer, struct token *token)
{
    const char *tag = lexer->text + token->at;
    size_t tag_bytes = lexer->at - token->at;
    const char *from = lexer->text + lexer->at, *limit = lexer->text + lexer->bytes;

    while ((size_t)(limit - from) >= tag_bytes) {
        const char *dollar = memchr(from, '$', (size_t)(limit - from));
        if (!dollar || (size_t)(limit - dollar) < tag_bytes)
            break;
        if (memcmp(dollar, tag, tag_bytes) == 0) {
            lexer->at = (size_t)(dollar - lexer->text) + tag_bytes;
            token->kind = TOK_STRING;
            token->form = '$';
            return;
        }
        from = dollar + 1;
    }
    lex_fail(lexer, token, LEX_DOLLAR);
}

void lex_quoted(struct lexer *lexer, struct token *token, char quote, uint8_t form)
{
    size_t start = lexer->at;
    size_t end = quote_end(lexer->text, lexer->bytes, start, quote, false);

    if (end == 0) {
        lex_fail(lexer, token, quote == '"' ? LEX_QUOTED : LEX_BACKTICK);
        return;
    }
    lexer->at = end;
    if (end == start + 1) {
        lex_fail(lexer, token, LEX_EMPTY_NAME);
        return;
    }
    token->kind = TOK_QUOTED;
    token->form = form;
}

void lex_word(struct lexer *lexer, struct token *token)
{
    token->kind = TOK_WORD;
    token->word = (uint16_t)keyword_find(lexer->text + token->at, lexer->at - token->at);
}

static bool operator_find(const char *text, size_t bytes, uint8_t *op)
{
    static const struct {
        const char *text;
        uint8_t op;
    } operators[] = {
#define OPERATOR(NAME, TEXT, LEVEL) {TEXT, OP_##NAME},
        AST_OP_LIST(OPERATOR)
#undef OPERATOR
            {"==", OP_EQ},
        {"!=", OP_NE},
    };
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        if (strlen(operators[i].text) == bytes &&
            memcmp(operators[i].text, text, bytes) == 0) {
            *op = operators[i].op;
            return true;
        }
    return false;
}

/* Behind a run of operator characters: how much of it is one operator. PostgreSQL's rule:
 * it ends before a comment, and a + or - at its end belongs to what follows, unless one of
 * ~ ! @ # % ^ & | is in it. Here an operator that we know wins over one that we do not, so
 * that 'a'||-1 works too. */
void lex_operator(struct lexer *lexer, struct token *token)
{
    const char *text = lexer->text + token->at;
    size_t bytes = lexer->at - token->at, whole;
    bool special = false;

    if (bytes >= 2 && text[0] == '/' && text[1] == '*') {
        lexer->at = token->at + 2;
        lex_blank_comment(lexer, token);
        if (token->kind != TOK_ERROR)
            lexer_scan(lexer, token);
        return;
    }
    for (size_t i = 0; i + 1 < bytes; i++)
        if ((text[i] == '-' && text[i + 1] == '-') ||
            (text[i] == '/' && text[i + 1] == '*')) {
            bytes = i;
            break;
        }
    whole = bytes;
    for (size_t i = 0; i < bytes; i++)
        special |= strchr("~!@#%^&|", text[i]) != NULL;
    while (bytes > 1 && (text[bytes - 1] == '+' || text[bytes - 1] == '-') &&
           !operator_find(text, bytes, &token->op))
        bytes--;
    if (special && !operator_find(text, bytes, &token->op))
        bytes = whole;

    lexer->at = token->at + bytes;
    if (bytes == 2 && text[0] == '=' && text[1] == '>') {
        token->kind = TOK_NAMES;
        return;
    }
    token->kind = TOK_OP;
    if (!operator_find(text, bytes, &token->op))
        token->op = OP_OTHER;
}

/* ---- what a token means ---- */

static kdk_status fail_at(struct err *err, kdk_status status, size_t at,
                          const char *message)
{
    err_set(err, status, "%s", message);
    err_at(err, (uint32_t)at);
    return status;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Text being decoded: never longer than its source, so the room is known from the start. */
struct decoder {
    const struct lexer *lexer;
    char *out;
    size_t count;
    uint32_t high; /* The first half of a surrogate pair, or 0. */
    struct err *err;
};

static kdk_status decode_code(struct decoder *d, uint32_t code, size_t at)
{
    char utf8[4];
    size_t bytes;

    if (d->high) {
        if (code < 0xdc00 || code > 0xdfff)
            return fail_at(d->err, KDK_SYNTAX, at, "invalid Unicode surrogate pair");
        code = 0x10000 + ((d->high - 0xd800) << 10) + (code - 0xdc00);
        d->high = 0;
    } else if (code >= 0xd800 && code <= 0xdbff) {
        d->high = code;
        return KDK_OK;
    }
    bytes = code == 0 ? 0 : utf8_encode(code, utf8);
    if (bytes == 0)
        return fail_at(d->err, KDK_SYNTAX, at, "invalid Unicode escape value");
    memcpy(d->out + d->count, utf8, bytes);
    d->count += bytes;
    return KDK_OK;
}

/* `digits` hexadecimal digits from *at on, which lie before `end`. */
static kdk_status decode_hex(struct decoder *d, size_t *at, size_t end, unsigned digits)
{
    uint32_t code = 0;
    size_t start = *at;

    for (unsigned i = 0; i < digits; i++, ++*at) {
        int digit = *at < end ? hex_digit(d->lexer->text[*at]) : -1;
        if (digit < 0) {
            fail_at(d->err, KDK_BAD_ESCAPE, start, "invalid Unicode escape");
            err_hint(d->err,
                     "Unicode escapes must be \\uXXXX or \\UXXXXXXXX in E'' and \\XXXX or "
                     "\\+XXXXXX in U&''.");
            return KDK_BAD_ESCAPE;
        }
        code = code << 4 | (uint32_t)digit;
    }
    return decode_code(d, code, start);
}

/* Behind a backslash of an E'' literal. */
static kdk_status decode_backslash(struct decoder *d, size_t *at, size_t end)
{
    const char *text = d->lexer->text;
    char c = text[(*at)++];
    unsigned value = 0, digits = 0;

    switch (c) {
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        return decode_hex(d, at, end, 4);
    case 'U':
        return decode_hex(d, at, end, 8);
    case 'x':
        while (digits < 2 && *at < end && hex_digit(text[*at]) >= 0) {
            value = value << 4 | (unsigned)hex_digit(text[(*at)++]);
            digits++;
        }
        if (digits)
            c = (char)value;
        break;
    case '0' ... '7':
        value = (unsigned)(c - '0');
        while (digits < 2 && *at < end && text[*at] >= '0' && text[*at] <= '7') {
            value = value << 3 | (unsigned)(text[(*at)++] - '0');
            digits++;
        }
        c = (char)value;
        break;
    default:
        break;
    }
    d->out[d->count++] = c;
    return KDK_OK;
}

/* Behind the escape character of U&'' or U&"". */
static kdk_status decode_unicode(struct decoder *d, size_t *at, size_t end, char escape)
{
    const char *text = d->lexer->text;

    if (*at < end && text[*at] == escape) {
        ++*at;
        d->out[d->count++] = escape;
        return KDK_OK;
    }
    if (*at < end && text[*at] == '+') {
        ++*at;
        return decode_hex(d, at, end, 6);
    }
    return decode_hex(d, at, end, 4);
}

/* The bytes from `at` to `end`, between two quotes. */
static kdk_status decode_piece(struct decoder *d, size_t at, size_t end, char quote,
                               uint8_t form, char escape)
{
    kdk_status status = KDK_OK;
    struct err *err = d->err;
    const char *text = d->lexer->text;

    while (at < end) {
        char c = text[at++];
        bool escaped = form == 'e' ? c == '\\' : form == 'u' && c == escape;
        if (d->high && !escaped)
            TRY(fail_at(err, KDK_SYNTAX, at - 1, "invalid Unicode surrogate pair"));
        if (escaped && form == 'e')
            TRY(decode_backslash(d, &at, end));
        else if (escaped)
            TRY(decode_unicode(d, &at, end, escape));
        else
            d->out[d->count++] = c;
        if (c == quote)
            at++;
    }
    if (d->high)
        status = fail_at(err, KDK_SYNTAX, end, "invalid Unicode surrogate pair");
out:
    return status;
}

/* Escapes may have made what is no text. */
static kdk_status decode_check(const struct decoder *d, const struct token *token)
{
    size_t bad;
    const char *zero = memchr(d->out, 0, d->count);

    if (!zero && utf8_valid(d->out, d->count, &bad))
        return KDK_OK;
    err_set(d->err, KDK_BAD_ENCODING, "invalid byte sequence for encoding \"UTF8\": 0x%02x",
            zero ? 0 : (unsigned)(unsigned char)d->out[bad]);
    err_at(d->err, token->at);
    return KDK_BAD_ENCODING;
}

kdk_status lexer_string(const struct lexer *lexer, const struct token *token, char escape,
                        struct arena *arena, const char **text, uint32_t *bytes,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    struct decoder d = {.lexer = lexer, .err = err};
    size_t at = token->at, end;

    /* \u of six bytes gives three at most, \U of ten four, \x of four one: decoding never
     * grows. */
    TRY_MEM(d.out = arena_alloc(arena, (size_t)(token->end - token->at) + 1));
    if (token->form == '$') {
        size_t tag = 1;
        while (lexer->text[at + tag] != '$')
            tag++;
        tag++;
        d.count = token->end - token->at - 2 * tag;
        memcpy(d.out, lexer->text + at + tag, d.count);
    } else {
        while (lexer->text[at] != '\'')
            at++;
        at++;
        do {
            end = quote_end(lexer->text, token->end, at, '\'', token->form == 'e');
            TRY(decode_piece(&d, at, end - 1, '\'', token->form, escape));
            at = next_piece(lexer->text, token->end, end);
        } while (at);
    }
    TRY(decode_check(&d, token));
    d.out[d.count] = 0;
    if (token->kind == TOK_BITS)
        for (size_t i = 0; i < d.count; i++)
            if (token->form == 'b' ? d.out[i] != '0' && d.out[i] != '1'
                                   : hex_digit(d.out[i]) < 0) {
                size_t c = utf8_length((unsigned char)d.out[i]);
                status =
                    err_set(err, KDK_BAD_TEXT, "\"%.*s\" is not a valid %s digit", (int)c,
                            d.out + i, token->form == 'b' ? "binary" : "hexadecimal");
                err_at(err, token->at);
                goto out;
            }
    *text = d.out;
    *bytes = (uint32_t)d.count;
out:
    return status;
}

kdk_status lexer_ident(const struct lexer *lexer, const struct token *token, char escape,
                       struct arena *arena, struct ast_ident *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct decoder d = {.lexer = lexer, .err = err};
    size_t at = token->at, end = token->end;

    TRY_MEM(d.out = arena_alloc(arena, end - at + 1));
    if (token->kind == TOK_QUOTED) {
        if (token->form == 'u')
            at += 2;
        TRY(decode_piece(&d, at + 1, end - 1, lexer->text[at], token->form, escape));
        TRY(decode_check(&d, token));
    } else {
        if (token->kind == TOK_NAMED)
            at++;
        for (; at < end; at++) {
            char c = lexer->text[at];
            d.out[d.count++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
    }
    if (d.count > IDENTIFIER_BYTES_MAX) {
        d.count = IDENTIFIER_BYTES_MAX;
        while (((unsigned char)d.out[d.count] & 0xc0) == 0x80)
            d.count--;
    }
    d.out[d.count] = 0;
    *out = (struct ast_ident){.text = d.out,
                              .bytes = (uint32_t)d.count,
                              .at = token->at & 0x7fffffff,
                              .quoted = token->kind == TOK_QUOTED};
out:
    return status;
}

kdk_status lexer_number(const struct lexer *lexer, const struct token *token,
                        struct arena *arena, const char **text, uint32_t *bytes,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    size_t count = 0;
    char *out;

    TRY_MEM(out = arena_alloc(arena, MAX(token->end - token->at, 40u) + 1));
    if (token->form == 0) {
        for (size_t i = token->at; i < token->end; i++)
            if (lexer->text[i] != '_')
                out[count++] = lexer->text[i];
    } else {
        unsigned shift = token->form == 'x' ? 4 : token->form == 'o' ? 3 : 1;
        uint128 value = 0;
        char digits[40];
        size_t n = 0;
        for (size_t i = token->at + 2; i < token->end; i++) {
            if (lexer->text[i] == '_')
                continue;
            if (value >> (128 - shift)) {
                status = err_set(err, KDK_OUT_OF_RANGE, "integer literal is out of range");
                err_at(err, token->at);
                goto out;
            }
            value = value << shift | (unsigned)hex_digit(lexer->text[i]);
        }
        do {
            digits[n++] = (char)('0' + (int)(value % 10));
            value /= 10;
        } while (value);
        while (n)
            out[count++] = digits[--n];
    }
    out[count] = 0;
    *text = out;
    *bytes = (uint32_t)count;
out:
    return status;
}
