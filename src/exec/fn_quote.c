/* fn_quote.c - SQL's own spelling of values and names: quote_literal(), quote_ident(),
 * format(); and counting NULLs. */
#include "base/buf.h"
#include "base/utf8.h"
#include "exec/fn_body.h"
#include "sql/keywords.h"

static void add_literal(struct buf *buf, const char *s, size_t bytes)
{
    bool slash = memchr(s, '\\', bytes) != NULL;
    buf_add_str(buf, slash ? "E'" : "'");
    for (size_t i = 0; i < bytes; i++) {
        if (s[i] == '\'' || s[i] == '\\')
            buf_add_char(buf, s[i]);
        buf_add_char(buf, s[i]);
    }
    buf_add_char(buf, '\'');
}

static void add_ident(struct buf *buf, const char *s, size_t bytes)
{
    bool plain = bytes && (s[0] == '_' || (s[0] >= 'a' && s[0] <= 'z'));
    for (size_t i = 0; i < bytes; i++)
        plain &=
            s[i] == '_' || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
    if (plain) {
        enum keyword word = keyword_find(s, bytes);
        plain = word == KW_0 || keyword_info[word].category == KEYWORD_UNRESERVED;
    }
    if (plain) {
        buf_add(buf, s, bytes);
        return;
    }
    buf_add_char(buf, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (s[i] == '"')
            buf_add_char(buf, '"');
        buf_add_char(buf, s[i]);
    }
    buf_add_char(buf, '"');
}

static bool give(struct fn_call *call, struct buf *buf, bool ok, struct datum *out)
{
    if (ok)
        ok = buf->nomem ? fn_fail_nomem(call)
                        : fn_text_copy(call, buf->data ? buf->data : "", buf->len, out);
    buf_deinit(buf);
    return ok;
}

/* Argument i as text, appended. */
static bool add_text(struct fn_call *call, const struct datum *args, uint32_t i,
                     struct buf *buf)
{
    kdk_status status = datum_print(fn_arg_type(call, i), &args[i], buf);
    if (status == KDK_OK || status == KDK_NOMEM) /* NOMEM sticks to the buffer. */
        return true;
    return fn_fail(call, status, "type %s is not supported",
                   ltype_id_name(fn_arg_type(call, i).id));
}

static bool quote(struct fn_call *call, const struct datum *args, struct datum *out)
{
    struct buf buf = {0};
    struct datum text;
    call->status = eval_cast(fn_arg_type(call, 0), LTYPE(TEXT), CAST_EXPLICIT, &args[0],
                             call->arena, &text, call->err);
    if (call->status != KDK_OK)
        return false;
    add_literal(&buf, str_data(&text.s), text.s.len);
    return give(call, &buf, true, out);
}
FN_BODY(QUOTE_LITERAL)
{
    return quote(call, args, out);
}
FN_BODY(QUOTE_LITERAL_ANY)
{
    return quote(call, args, out);
}
FN_BODY(QUOTE_NULLABLE)
{
    return args[0].null ? fn_text_copy(call, "NULL", 4, out) : quote(call, args, out);
}
FN_BODY(QUOTE_NULLABLE_ANY)
{
    return args[0].null ? fn_text_copy(call, "NULL", 4, out) : quote(call, args, out);
}
FN_BODY(QUOTE_IDENT)
{
    struct buf buf = {0};
    add_ident(&buf, str_data(&args[0].s), args[0].s.len);
    return give(call, &buf, true, out);
}

/* ----------------------------------------------------------------- format ---- */

struct directive {
    uint32_t argument; /* 0: the next one */
    bool left;
    bool width_given, width_argument;
    uint32_t width_position; /* 0: the next one */
    int64_t width;
    char type;
};

static bool number(const char **s, const char *end, int64_t *out)
{
    bool any = false;
    for (*out = 0; *s < end && **s >= '0' && **s <= '9'; (*s)++, any = true)
        *out = MIN(*out * 10 + (**s - '0'), (int64_t)INT32_MAX + 1);
    return any;
}

static bool unterminated(struct fn_call *call)
{
    fn_fail(call, KDK_BAD_PARAMETER, "unterminated format() type specifier");
    err_hint(call->err, "For a single \"%%\" use \"%%%%\".");
    return false;
}

/* What follows a %: [n$][-][width | * | *n$] type. */
static bool directive(struct fn_call *call, const char **at, const char *end,
                      struct directive *d)
{
    const char *s = *at, *start = s;
    int64_t n;
    memset(d, 0, sizeof *d);
    if (number(&s, end, &n) && s < end && *s == '$') {
        if (n > INT32_MAX)
            return fn_fail(call, KDK_OUT_OF_RANGE, "number is out of range");
        if (n == 0)
            return fn_fail(
                call, KDK_BAD_PARAMETER,
                "format specifies argument 0, but arguments are numbered from 1");
        d->argument = (uint32_t)n;
        s++;
    } else {
        s = start;
    }
    for (; s < end && *s == '-'; s++)
        d->left = true;
    if (s < end && *s == '*') {
        s++;
        d->width_given = d->width_argument = true;
        start = s;
        if (number(&s, end, &n)) {
            if (s == end)
                return unterminated(call);
            if (*s != '$')
                return fn_fail(call, KDK_BAD_PARAMETER,
                               "width argument position must be ended by \"$\"");
            if (n == 0)
                return fn_fail(
                    call, KDK_BAD_PARAMETER,
                    "format specifies argument 0, but arguments are numbered from 1");
            d->width_position = (uint32_t)MIN(n, (int64_t)INT32_MAX);
            s++;
        } else {
            s = start;
        }
    } else if (number(&s, end, &n)) {
        if (n > INT32_MAX)
            return fn_fail(call, KDK_OUT_OF_RANGE, "number is out of range");
        d->width_given = true;
        d->width = n;
    }
    if (s == end)
        return unterminated(call);
    d->type = *s++;
    if (d->type != 's' && d->type != 'I' && d->type != 'L') {
        size_t bytes = MIN(utf8_length((unsigned char)d->type), (size_t)(end - s) + 1);
        fn_fail(call, KDK_BAD_PARAMETER, "unrecognized format() type specifier \"%.*s\"",
                (int)bytes, s - 1);
        err_hint(call->err, "For a single \"%%\" use \"%%%%\".");
        return false;
    }
    *at = s;
    return true;
}

static bool pick(struct fn_call *call, uint32_t wanted, uint32_t *next, uint32_t *out)
{
    *out = wanted ? wanted : *next;
    if (*out >= call->expr->arg_count)
        return fn_fail(call, KDK_BAD_PARAMETER, "too few arguments for format()");
    *next = *out + 1;
    return true;
}

static bool format(struct fn_call *call, const struct datum *args, struct buf *buf)
{
    const char *s = str_data(&args[0].s), *end = s + args[0].s.len;
    uint32_t next = 1, which;
    while (s < end) {
        struct directive d;
        struct buf text = {0}, made = {0};
        bool ok = true;
        if (*s != '%') {
            buf_add_char(buf, *s++);
            continue;
        }
        if (++s == end)
            return unterminated(call);
        if (*s == '%') {
            buf_add_char(buf, *s++);
            continue;
        }
        if (!directive(call, &s, end, &d))
            return false;
        if (d.width_argument) {
            if (!pick(call, d.width_position, &next, &which))
                return false;
            struct ltype type = fn_arg_type(call, which);
            if (!args[which].null) {
                struct datum width;
                /* What is not goes through its text. */
                const bool whole = type.id == LT_SMALLINT || type.id == LT_INTEGER;
                call->status = KDK_OK;
                if (!whole)
                    call->status = eval_cast(type, LTYPE(TEXT), CAST_EXPLICIT, &args[which],
                                             call->arena, &width, call->err);
                if (call->status == KDK_OK)
                    call->status = eval_cast(whole ? type : LTYPE(TEXT), LTYPE(INTEGER),
                                             CAST_EXPLICIT, whole ? &args[which] : &width,
                                             call->arena, &width, call->err);
                if (call->status != KDK_OK)
                    return false;
                d.width = width.i;
            }
            d.left |= d.width < 0;
            d.width = d.width < 0 ? -d.width : d.width;
        }
        if (!pick(call, d.argument, &next, &which))
            return false;
        if (args[which].null) {
            if (d.type == 'I')
                return fn_fail(call, KDK_NULL_NOT_ALLOWED,
                               "null values cannot be formatted as an SQL identifier");
            if (d.type == 'L')
                buf_add_str(&made, "NULL");
        } else {
            ok = add_text(call, args, which, &text);
            const char *data = text.data ? text.data : "";
            if (d.type == 'L')
                add_literal(&made, data, text.len);
            else if (d.type == 'I')
                add_ident(&made, data, text.len);
            else
                buf_add(&made, data, text.len);
        }
        int64_t have = (int64_t)utf8_count(made.data ? made.data : "", made.len);
        if (ok && d.width > VALUE_BYTES_MAX)
            ok = fn_fail(call, KDK_LIMIT, "requested length too large");
        for (int64_t i = have; ok && !d.left && i < d.width; i++)
            buf_add_char(buf, ' ');
        buf_add(buf, made.data, made.len);
        for (int64_t i = have; ok && d.left && i < d.width; i++)
            buf_add_char(buf, ' ');
        buf->nomem |= text.nomem | made.nomem;
        buf_deinit(&text);
        buf_deinit(&made);
        if (!ok)
            return false;
    }
    return true;
}

static bool format_any(struct fn_call *call, const struct datum *args, struct datum *out)
{
    struct buf buf = {0};
    if (args[0].null) {
        *out = DATUM_NULL;
        return true;
    }
    bool ok = format(call, args, &buf);
    return give(call, &buf, ok, out);
}
FN_BODY(FORMAT_1)
{
    return format_any(call, args, out);
}
FN_BODY(FORMAT)
{
    return format_any(call, args, out);
}

/* ------------------------------------------------------------------ NULLs ---- */

static int64_t nulls(const struct fn_call *call, const struct datum *args)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < call->expr->arg_count; i++)
        n += args[i].null;
    return n;
}
FN_BODY(NUM_NULLS)
{
    out->i = nulls(call, args);
    return true;
}
FN_BODY(NUM_NONNULLS)
{
    out->i = (int64_t)call->expr->arg_count - nulls(call, args);
    return true;
}
