/* eval_test.h - expressions for tests, from a prefix notation, typed by the rules of
 * catalog/fn.h.
 *
 *   42  -7  1.5  true  false  null  'text'  'text'::type      literals: integer or bigint, numeric, boolean, untyped, typed
 *   #3                                                         column 3
 *   (name x ...)                                               function or operator; also
 *                                                              and or not isnull isnotnull
 *                                                              istrue distinct case
 *                                                              coalesce in
 *   (cast x type)  (try x type)                                conversions
 */
#ifndef KDK_EXEC_EVAL_TEST_H
#define KDK_EXEC_EVAL_TEST_H

#include <stdlib.h>

#include "base/buf.h"
#include "exec/eval.h"

struct reader {
    const char *at;
    struct arena *arena;
    struct err *err;
    const struct ltype *columns; /* types of #0, #1, ... */
    kdk_status status;
};

static inline struct expr *read_fail(struct reader *r, kdk_status status)
{
    if (r->status == KDK_OK)
        r->status = status;
    return NULL;
}

static inline struct expr *node_of(struct reader *r, enum expr_kind kind, struct ltype type,
                                   uint32_t arg_count)
{
    struct expr *e = ARENA_NEW(r->arena, struct expr);
    e->kind = kind;
    e->type = type;
    e->arg_count = arg_count;
    e->args = ARENA_ARRAY(r->arena, struct expr *, arg_count + 1);
    return e;
}

static inline void read_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n')
        r->at++;
}

static inline struct ltype read_type(struct reader *r)
{
    static const struct {
        const char *name;
        struct ltype type;
    } types[] = {
        {"bool", {.id = LT_BOOLEAN}},
        {"int1", {.id = LT_TINYINT}},
        {"int2", {.id = LT_SMALLINT}},
        {"int4", {.id = LT_INTEGER}},
        {"int8", {.id = LT_BIGINT}},
        {"numeric", {.id = LT_NUMERIC}},
        {"float4", {.id = LT_REAL}},
        {"float8", {.id = LT_DOUBLE}},
        {"text", {.id = LT_TEXT}},
        {"varchar", {.id = LT_TEXT}},
        {"char", {.id = LT_TEXT, .fixed = 1}},
        {"bytea", {.id = LT_BYTEA}},
        {"date", {.id = LT_DATE}},
        {"timestamp", {.id = LT_TIMESTAMP}},
    };
    struct ltype t = LTYPE(UNKNOWN);
    read_space(r);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t n = strlen(types[i].name);
        if (strncmp(r->at, types[i].name, n) == 0 &&
            !strchr("0123456789abcdefghijklmnopqrstuvwxyz", r->at[n] ? r->at[n] : '.')) {
            t = types[i].type;
            r->at += n;
            break;
        }
    }
    if (*r->at == '(') {
        char *end;
        unsigned long first = strtoul(r->at + 1, &end, 10), second = 0;
        if (*end == ',')
            second = strtoul(end + 1, &end, 10);
        r->at = end + 1;
        if (t.id == LT_NUMERIC) {
            t.precision = (uint8_t)first;
            t.scale = (uint8_t)second;
        } else {
            t.length = (uint32_t)first;
        }
    }
    return t;
}

static inline struct expr *convert_to(struct reader *r, struct expr *e, struct ltype to,
                                      bool explicit_cast)
{
    if (!e)
        return NULL;
    if (e->type.id == LT_UNKNOWN && e->kind == EX_CONST) {
        struct expr *c = node_of(
            r, EX_CONST, cast_type(e->type, to, e->value.null ? NULL : &e->value.s), 0);
        c->value = DATUM_NULL;
        if (!e->value.null) {
            kdk_status status = eval_cast(LTYPE(TEXT), c->type,
                                          explicit_cast ? CAST_EXPLICIT : CAST_ASSIGNMENT,
                                          &e->value, r->arena, &c->value, r->err);
            if (status != KDK_OK)
                return read_fail(r, status);
        }
        return c;
    }
    to = cast_type(e->type, to, NULL);
    if (ltype_equal(e->type, to))
        return e;
    struct expr *c = node_of(r, EX_CAST, to, 1);
    c->args[0] = e;
    c->cast_explicit = explicit_cast;
    c->can_fail = e->can_fail || cast_can_fail(e->type, to);
    c->is_volatile = e->is_volatile;
    return c;
}

static inline struct expr *read_expr(struct reader *r);

static inline struct expr *read_literal(struct reader *r)
{
    struct expr *e;
    if (*r->at == '#') {
        char *end;
        unsigned long column = strtoul(r->at + 1, &end, 10);
        r->at = end;
        e = node_of(r, EX_COLUMN, r->columns[column], 0);
        e->column = (colid)column + 1;
        return e;
    }
    if (*r->at == '\'') {
        const char *start = ++r->at;
        while (*r->at != '\'')
            r->at++;
        e = node_of(r, EX_CONST, LTYPE(UNKNOWN), 0);
        e->value = (struct datum){.s = str_of(start, (size_t)(r->at - start))};
        r->at++;
        if (strncmp(r->at, "::", 2) == 0) {
            r->at += 2;
            e = convert_to(r, e, read_type(r), true);
        }
        return e;
    }
    const char *start = r->at;
    while (*r->at && *r->at != ' ' && *r->at != ')' && *r->at != ':')
        r->at++;
    size_t n = (size_t)(r->at - start);
    if (strncmp(start, "null", n) == 0) {
        e = node_of(r, EX_CONST, LTYPE(UNKNOWN), 0);
        e->value = DATUM_NULL;
        if (strncmp(r->at, "::", 2) == 0) {
            r->at += 2;
            e = convert_to(r, e, read_type(r), true);
        }
        return e;
    }
    if (strncmp(start, "true", n) == 0 || strncmp(start, "false", n) == 0) {
        e = node_of(r, EX_CONST, LTYPE(BOOLEAN), 0);
        e->value = (struct datum){.i = *start == 't'};
        return e;
    }
    struct str text = str_of(start, n);
    e = node_of(r, EX_CONST, LTYPE(UNKNOWN), 0);
    e->value = (struct datum){.s = text};
    if (memchr(start, '.', n) || memchr(start, 'e', n))
        return convert_to(r, e, LTYPE(NUMERIC), true);
    long long v = strtoll(start, NULL, 10);
    return convert_to(r, e, v == (int32_t)v ? LTYPE(INTEGER) : LTYPE(BIGINT), true);
}

/* All arguments from `first` on, every `step`th and the last, to their common type. */
static inline void unify(struct reader *r, struct expr *e, const char *what, uint32_t first,
                         uint32_t step)
{
    struct ltype types[64], common;
    uint32_t n = 0;
    for (uint32_t i = first; i < e->arg_count; i += step)
        types[n++] = e->args[i]->type;
    if (step == 2)
        types[n++] = e->args[e->arg_count - 1]->type;
    kdk_status status = type_common(types, n, what, &common, r->err);
    if (status != KDK_OK) {
        read_fail(r, status);
        return;
    }
    for (uint32_t i = first; i < e->arg_count; i += step)
        e->args[i] = convert_to(r, e->args[i], common, false);
    if (step == 2)
        e->args[e->arg_count - 1] = convert_to(r, e->args[e->arg_count - 1], common, false);
    e->type = common;
}

static inline struct expr *read_call(struct reader *r, const char *name, struct expr **args,
                                     uint32_t count)
{
    struct ltype types[64], cast_to[64];
    const struct datum *constants[64];
    uint32_t id;
    for (uint32_t i = 0; i < count; i++)
        types[i] = args[i]->type;
    bool is_operator = !((*name >= 'a' && *name <= 'z') || *name == '_');
    kdk_status status = fn_resolve(name, is_operator, types, count, &id, cast_to, r->err);
    if (status != KDK_OK)
        return read_fail(r, status);
    struct expr *e = node_of(r, EX_CALL, LTYPE(UNKNOWN), count);
    e->fn = id;
    for (uint32_t i = 0; i < count; i++) {
        e->args[i] = convert_to(r, args[i], cast_to[i], false);
        if (!e->args[i])
            return NULL;
        types[i] = e->args[i]->type;
        constants[i] = e->args[i]->kind == EX_CONST ? &e->args[i]->value : NULL;
        e->can_fail |= e->args[i]->can_fail;
        e->is_volatile |= e->args[i]->is_volatile;
    }
    e->type = fn_result(id, types, count,
                        fn_result_digits(id, constants, MIN(count, (uint32_t)FN_ARGS_MAX)));
    e->can_fail |=
        fn_call_can_fail(id, types, constants, MIN(count, (uint32_t)FN_ARGS_MAX));
    e->is_volatile |= fn_table[id].volatility == FN_VOLATILE;
    return e;
}

static inline struct expr *read_list(struct reader *r)
{
    static const struct {
        const char *name;
        enum expr_kind kind;
    } kinds[] = {{"and", EX_AND},
                 {"or", EX_OR},
                 {"not", EX_NOT},
                 {"isnull", EX_IS_NULL},
                 {"isnotnull", EX_IS_NOT_NULL},
                 {"istrue", EX_IS_TRUE},
                 {"distinct", EX_IS_DISTINCT},
                 {"case", EX_CASE},
                 {"coalesce", EX_COALESCE},
                 {"in", EX_IN}};
    char name[40];
    size_t n = 0;
    struct expr *args[64];
    uint32_t count = 0;

    r->at++;
    while (*r->at != ' ' && *r->at != ')' && n + 1 < sizeof name)
        name[n++] = *r->at++;
    name[n] = '\0';
    if (strcmp(name, "cast") == 0 || strcmp(name, "try") == 0) {
        struct expr *e = read_expr(r);
        struct ltype to = read_type(r);
        read_space(r);
        r->at++;
        if (!e)
            return NULL;
        if (!cast_allowed(e->type, to, CAST_EXPLICIT))
            return read_fail(r, KDK_CANNOT_COERCE);
        if (*name == 't' && e->type.id == LT_UNKNOWN)
            e->type = LTYPE(TEXT);
        struct expr *from = e;
        e = convert_to(r, e, to, true);
        if (e && e != from && e->kind == EX_CAST && *name == 't') {
            e->cast_try = true;
            e->can_fail = e->args[0]->can_fail;
        }
        return e;
    }
    for (;;) {
        read_space(r);
        if (*r->at == ')')
            break;
        if (!(args[count++] = read_expr(r)))
            return NULL;
    }
    r->at++;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        struct expr *e = node_of(r, kinds[i].kind, LTYPE(BOOLEAN), count);
        memcpy(e->args, args, count * sizeof *args);
        if (e->kind == EX_CASE)
            unify(r, e, "CASE", 1, 2);
        if (e->kind == EX_COALESCE)
            unify(r, e, "COALESCE", 0, 1);
        if (e->kind == EX_IN || e->kind == EX_IS_DISTINCT) {
            unify(r, e, "IN", 0, 1);
            e->type = LTYPE(BOOLEAN);
        }
        for (uint32_t k = 0; k < count; k++) {
            if (r->status != KDK_OK)
                return NULL;
            if (e->args[k]->type.id == LT_UNKNOWN)
                e->args[k] = convert_to(r, e->args[k], LTYPE(BOOLEAN), false);
            e->can_fail |= e->args[k]->can_fail;
            e->is_volatile |= e->args[k]->is_volatile;
        }
        return e;
    }
    return read_call(r, name, args, count);
}

static inline struct expr *read_expr(struct reader *r)
{
    read_space(r);
    return *r->at == '(' ? read_list(r) : read_literal(r);
}

/* NULL on a binder's error: then `status` is set. */
static inline struct expr *expr_of(const char *text, const struct ltype *columns,
                                   struct arena *arena, kdk_status *status, struct err *err)
{
    struct reader r = {
        .at = arena_strdup(arena, text), .arena = arena, .err = err, .columns = columns};
    struct expr *e = read_expr(&r);
    *status = r.status;
    return r.status == KDK_OK ? e : NULL;
}

/* The value as text, "NULL", or "!SQLSTATE message". */
static inline void outcome(kdk_status status, const struct err *err, struct ltype type,
                           const struct datum *value, struct buf *out)
{
    buf_clear(out);
    if (status != KDK_OK)
        buf_printf(out, "!%s %s", status_sqlstate(status), err->message);
    else if (value->null)
        buf_add_str(out, "NULL");
    else
        datum_print(type, value, out);
    if (out->len == 0)
        buf_add_str(out, "");
}

#endif
