/* bind_type.c - types: names, literals, and every conversion that the binder writes into
 * the tree. */
#include "base/utf8.h"
#include "sql/bind_int.h"

/* ---- type names ---- */

static const struct {
    const char *name;
    uint8_t id;
} type_names[] = {
    {"int2", LT_SMALLINT},   {"int4", LT_INTEGER},
    {"int8", LT_BIGINT},     {"tinyint", LT_TINYINT},
    {"int1", LT_TINYINT},    {"numeric", LT_NUMERIC},
    {"float4", LT_REAL},     {"float8", LT_DOUBLE},
    {"double", LT_DOUBLE},   {"bool", LT_BOOLEAN},
    {"text", LT_TEXT},       {"string", LT_TEXT},
    {"varchar", LT_TEXT},    {"bpchar", LT_TEXT},
    {"bytea", LT_BYTEA},     {"blob", LT_BYTEA},
    {"date", LT_DATE},       {"timestamp", LT_TIMESTAMP},
    {"time", LT_TIME},       {"timestamptz", LT_TIMESTAMPTZ},
    {"uuid", LT_UUID},       {"interval", LT_INTERVAL},
    {"json", LT_JSON},       {"timetz", LT_COUNT},
    {"jsonb", LT_COUNT},     {"bit", LT_COUNT},
    {"varbit", LT_COUNT},    {"xml", LT_COUNT},
    {"money", LT_COUNT},     {"serial", LT_COUNT},
    {"bigserial", LT_COUNT}, {"smallserial", LT_COUNT},
    {"oid", LT_COUNT},       {"name", LT_COUNT},
    {"inet", LT_COUNT},      {"point", LT_COUNT},
};
enum { CHARACTERS_MAX = 10485760 }; /* PostgreSQL's limit of varchar(n). */

static kdk_status modifiers(const struct ast_type *ast, int64_t *values, uint32_t max,
                            uint32_t *count, struct err *err)
{
    *count = 0;
    if (!ast->modifiers)
        return KDK_OK;
    for (uint32_t i = 0; i < ast->modifiers->count; i++) {
        const struct ast_expr *e = ast->modifiers->items[i];
        if (e->kind != AST_NUMBER || !e->number.fits) {
            kdk_status status = err_set(
                err, KDK_SYNTAX, "type modifiers must be simple constants or identifiers");
            err_at(err, e->at);
            return status;
        }
        if (i < max)
            values[i] = e->number.value;
    }
    *count = ast->modifiers->count;
    return KDK_OK;
}

kdk_status sql_bind_type(const struct ast_type *ast, struct ltype *out, struct err *err)
{
    kdk_status status = KDK_OK;
    const char *name = ast_last(&ast->name)->text;
    int64_t mod[2] = {0, 0};
    uint32_t count = 0;
    uint8_t id = LT_UNKNOWN;
    struct ltype type = {0};

    if (ast->name.count == 1 ||
        (ast->name.count == 2 && strcmp(ast->name.parts[0].text, "pg_catalog") == 0))
        for (size_t i = 0; i < COUNT_OF(type_names); i++)
            if (strcmp(type_names[i].name, name) == 0)
                id = type_names[i].id;
    if (id == LT_UNKNOWN) {
        status = err_set(err, KDK_UNDEFINED_OBJECT, "type \"%s\" does not exist", name);
        goto out;
    }
    type.id = id;
    if (id == LT_COUNT || !ltype_supported(type)) {
        status = err_set(err, KDK_UNSUPPORTED, "type \"%s\" is not supported", name);
        goto out;
    }
    if (ast->array_dims || ast->setof) {
        status =
            err_set(err, KDK_UNSUPPORTED,
                    ast->setof ? "SETOF is not supported" : "arrays are not supported");
        goto out;
    }
    TRY(modifiers(ast, mod, 2, &count, err));
    if (id == LT_NUMERIC && count) {
        if (count > 2) {
            status = err_set(err, KDK_BAD_PARAMETER, "invalid NUMERIC type modifier");
        } else if (mod[0] < 1 || mod[0] > 1000) {
            status = err_set(err, KDK_BAD_PARAMETER,
                             "NUMERIC precision %lld must be between 1 and 1000",
                             (long long)mod[0]);
        } else if (mod[1] < -1000 || mod[1] > 1000) {
            status = err_set(err, KDK_BAD_PARAMETER,
                             "NUMERIC scale %lld must be between -1000 and 1000",
                             (long long)mod[1]);
        } else if (mod[0] > 38) {
            status = err_set(err, KDK_UNSUPPORTED,
                             "NUMERIC with more than 38 digits is not supported");
        } else if (mod[1] < 0 || mod[1] > 38) {
            status = err_set(err, KDK_UNSUPPORTED,
                             "NUMERIC scale %lld is not supported: it may be from 0 to 38",
                             (long long)mod[1]);
        } else {
            type.precision = (uint8_t)mod[0];
            type.scale = (uint8_t)mod[1];
        }
    } else if (strcmp(name, "varchar") == 0 || strcmp(name, "bpchar") == 0) {
        bool fixed = name[0] == 'b';
        if (count > 1)
            status = err_set(err, KDK_BAD_PARAMETER, "invalid type modifier");
        else if (count && mod[0] < 1)
            status =
                err_set(err, KDK_BAD_PARAMETER, "length for type %s must be at least 1",
                        fixed ? "char" : "varchar");
        else if (count && mod[0] > CHARACTERS_MAX)
            status = err_set(err, KDK_BAD_PARAMETER, "length for type %s cannot exceed %d",
                             fixed ? "char" : "varchar", CHARACTERS_MAX);
        type.fixed = fixed;
        type.length = count ? (uint32_t)mod[0] : 0;
    } else if (id == LT_TIMESTAMP && count) {
        if (count > 1 || mod[0] < 0)
            status = err_set(err, KDK_BAD_PARAMETER,
                             "TIMESTAMP(%lld) precision must not be negative",
                             (long long)mod[0]);
        else if (mod[0] < 6)
            type.precision = (uint8_t)(mod[0] + 1);
    } else if (count && id != LT_NUMERIC) {
        status =
            err_set(err, KDK_SYNTAX, "type modifier is not allowed for type \"%s\"", name);
    }
    if (status == KDK_OK)
        *out = type;
out:
    if (status != KDK_OK)
        err_at(err, ast->at);
    return status;
}

bool type_comparable(struct ltype t)
{
    return t.id >= LT_BOOLEAN && t.id <= LT_TIMESTAMP;
}

/* ---- literals ---- */

static uint8_t digits(int128 v)
{
    uint8_t n = 1;
    for (uint128 u = v < 0 ? -(uint128)v : (uint128)v; u >= 10; u /= 10)
        n++;
    return n;
}

/* The modifiers that hold a decimal literal exactly: false when 38 digits do not. */
static bool decimal_modifiers(const char *text, uint32_t bytes, struct ltype *out)
{
    int64_t whole = 0, fraction = 0, exponent = 0;
    bool point = false, nonzero = false;
    uint32_t i = 0;
    for (; i < bytes && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        if (point) {
            fraction++;
        } else if (nonzero || text[i] != '0') {
            whole++;
            nonzero = true;
        }
    }
    if (i < bytes) {
        bool minus = text[++i] == '-';
        i += text[i] == '-' || text[i] == '+';
        for (; i < bytes; i++) {
            exponent = exponent * 10 + (text[i] - '0');
            if (exponent > 1000)
                return false;
        }
        if (minus)
            exponent = -exponent;
        whole = MAX(whole + exponent, 0);
        fraction = MAX(fraction - exponent, 0);
    }
    if (whole + fraction > 38)
        return false;
    *out = LTYPE_NUM((uint8_t)MAX(whole + fraction, 1), (uint8_t)fraction);
    return true;
}

kdk_status bind_number(struct binder *b, const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct datum value = {0};
    struct ltype type = LTYPE(INTEGER);
    uint32_t at = bind_at(b, ast->at);

    if (ast->number.form == AST_NUMBER_WHOLE && ast->number.fits) {
        if (ast->number.value < INT32_MIN || ast->number.value > INT32_MAX)
            type = LTYPE(BIGINT);
        value.i = ast->number.value;
    } else {
        bool fits = decimal_modifiers(ast->number.text, ast->number.bytes, &type);
        if (!fits && ast->number.form == AST_NUMBER_EXPONENT)
            type = LTYPE(DOUBLE); /* 1e100 is wanted as a float wherever it is written. */
        else if (!fits)
            FAIL_AT(at, KDK_OUT_OF_RANGE,
                    "numeric literal \"%.60s\" needs more than 38 digits",
                    ast->number.text);
        TRY_AT(at, datum_parse(type, ast->number.text, ast->number.bytes, b->arena, &value,
                               b->err));
        if (ast->number.negative && type.id == LT_DOUBLE)
            value.f = -value.f;
        else if (ast->number.negative)
            value.w = -value.w;
    }
    TRY_NEW(*out = expr_const(b, type, value, ast->at));
out:
    return status;
}

/* An untyped literal takes a type. */
static kdk_status convert_literal(struct binder *b, struct expr **e, struct ltype target,
                                  enum cast_context context)
{
    kdk_status status = KDK_OK;
    struct expr *x = *e;
    struct datum value = DATUM_NULL;
    struct ltype type =
        cast_type(LTYPE(UNKNOWN), target, x->value.null ? NULL : &x->value.s);

    if (!x->value.null) {
        const char *text = str_data(&x->value.s);
        size_t bytes = x->value.s.len;
        /* An explicit cast cuts. */
        if (type.id == LT_TEXT && type.length && context == CAST_EXPLICIT)
            bytes = utf8_offset(text, bytes, type.length);
        /* Short strings lie in the node. */
        char *copy = arena_strndup(b->arena, text, bytes);
        TRY_NEW(copy);
        TRY_AT(x->offset, datum_parse(type, copy, bytes, b->arena, &value, b->err));
        struct ltype own;
        size_t from = strspn(copy, " \t\n\r\f\v+-"),
               to = from + strcspn(copy + from, " \t\n\r\f\v");
        /* Digits nobody gave up. */
        if (target.id == LT_NUMERIC && !target.precision && type.scale == 38 &&
            !decimal_modifiers(copy + from, (uint32_t)(to - from), &own))
            FAIL_AT(x->offset, KDK_OUT_OF_RANGE,
                    "numeric literal \"%.60s\" needs more than 38 digits", copy);
    }
    struct expr *c = expr_const(b, type, value, 0);
    TRY_NEW(c);
    c->offset = x->offset;
    *e = c;
out:
    return status;
}

static kdk_status convert_param(struct binder *b, struct expr *x, struct ltype target)
{
    kdk_status status = KDK_OK;
    struct ltype *known = &b->params[x->param];
    if (known->id == LT_UNKNOWN)
        *known = cast_type(LTYPE(UNKNOWN), target, NULL);
    else if (known->id != target.id) {
        char have[64], want[64];
        status = err_set(b->err, KDK_AMBIGUOUS_PARAMETER,
                         "inconsistent types deduced for parameter $%u", x->param + 1);
        err_detail(b->err, "%s versus %s", ltype_name(*known, have, sizeof have),
                   ltype_name(target, want, sizeof want));
        err_at(b->err, x->offset);
        goto out;
    }
    x->type = *known;
    if (known->id == LT_TEXT) /* Its length is what it is given. */
        known->length = x->type.length = 0;
    if (known->id == LT_TIMESTAMP) /* And its digits. */
        known->precision = x->type.precision = 0;
out:
    return status;
}

/* ---- conversions ---- */

/* Whole numbers and decimals that become wider are converted here: plain constants serve
 * plan better than casts of them. */
static bool fold(struct expr *x, struct ltype target, struct datum *value)
{
    static const int64_t lowest[] = {[LT_TINYINT] = INT8_MIN,
                                     [LT_SMALLINT] = INT16_MIN,
                                     [LT_INTEGER] = INT32_MIN,
                                     [LT_BIGINT] = INT64_MIN};
    int128 v;
    int scale = 0;

    if (x->kind != EX_CONST || !ltype_is_number(x->type) || ltype_is_float(x->type))
        return false;
    if (x->value.null) {
        *value = DATUM_NULL;
        return ltype_is_number(target);
    }
    *value = (struct datum){0};
    if (x->type.id == LT_NUMERIC) {
        v = x->value.w;
        scale = x->type.scale;
    } else {
        v = x->value.i;
    }
    if (target.id == LT_DOUBLE && x->type.id != LT_NUMERIC) {
        value->f = (double)x->value.i;
        return true;
    }
    if (ltype_is_integer(target)) {
        if (scale || v < lowest[target.id] || v > -(lowest[target.id] + 1))
            return false;
        value->i = (int64_t)v;
        return true;
    }
    if (target.id != LT_NUMERIC || target.scale < scale ||
        digits(v) + target.scale - scale > MIN(38, target.precision))
        return v == 0 && target.id == LT_NUMERIC && target.scale >= scale;
    for (; scale < target.scale; scale++)
        v *= 10;
    value->w = v;
    return true;
}

/* Does a value of the one type need nothing to be one of the other? */
static bool fits(struct ltype from, struct ltype to)
{
    if (!rel_same_type(from, to))
        return false;
    if (to.id == LT_NUMERIC)
        return from.precision <= to.precision;
    if (to.id == LT_TIMESTAMP)
        return to.precision == 0 || (from.precision != 0 && from.precision <= to.precision);
    if (to.id == LT_TEXT && to.fixed)
        return from.fixed && (from.length == to.length || to.length == 0);
    if (to.id == LT_TEXT)
        return to.length == 0 || (from.length != 0 && from.length <= to.length);
    return true;
}

struct ltype numeric_for(const struct expr *e)
{
    if (e->kind == EX_CONST && !e->value.null) {
        if (ltype_is_integer(e->type))
            return LTYPE_NUM(digits(e->value.i), 0);
        if (e->type.id == LT_UNKNOWN)
            return cast_type(e->type, LTYPE(NUMERIC), &e->value.s);
    }
    return cast_type(e->type, LTYPE(NUMERIC), NULL);
}

kdk_status coerce(struct binder *b, struct expr **e, struct ltype target,
                  enum cast_context context)
{
    kdk_status status = KDK_OK;
    struct expr *x = *e;
    struct datum value;

    if (x->type.id == LT_UNKNOWN && x->kind == EX_CONST)
        return convert_literal(b, e, target, context);
    if (x->type.id == LT_UNKNOWN && x->kind == EX_PARAM) {
        TRY(convert_param(b, x, target));
    } else if (x->type.id == LT_UNKNOWN) {
        x->type = LTYPE(TEXT);
    }
    if (target.id == LT_NUMERIC && !target.precision) {
        if (x->type.id == LT_NUMERIC)
            return KDK_OK;
        target = x->kind == EX_CONST && ltype_is_integer(x->type)
                     ? numeric_for(x)
                     : cast_type(x->type, target, NULL);
    }
    if (fits(x->type, target))
        return KDK_OK;
    if (!cast_allowed(x->type, target, context)) {
        char from[64], to[64];
        FAIL_AT(x->offset, KDK_CANNOT_COERCE, "cannot cast type %s to %s",
                ltype_name((struct ltype){.id = x->type.id, .fixed = x->type.fixed}, from,
                           sizeof from),
                ltype_name((struct ltype){.id = target.id, .fixed = target.fixed}, to,
                           sizeof to));
    }
    if (fold(x, target, &value)) {
        TRY_NEW(x = expr_const(b, target, value, 0));
        x->offset = (*e)->offset;
        *e = x;
        return KDK_OK;
    }
    struct expr *cast = expr_new(b, EX_CAST, target, 0, 1);
    TRY_NEW(cast);
    cast->offset = x->offset;
    cast->args[0] = x;
    cast->cast_explicit = context == CAST_EXPLICIT;
    expr_flags(cast);
    *e = cast;
out:
    return status;
}

kdk_status coerce_unknown(struct binder *b, struct expr **e)
{
    return (*e)->type.id == LT_UNKNOWN ? coerce(b, e, LTYPE(TEXT), CAST_IMPLICIT) : KDK_OK;
}

kdk_status coerce_assign(struct binder *b, struct expr **e, struct ltype target,
                         const char *column, const char *kind)
{
    kdk_status status = KDK_OK;
    char from[64], to[64];
    if ((*e)->type.id != LT_UNKNOWN && !cast_allowed((*e)->type, target, CAST_ASSIGNMENT)) {
        struct ltype bare = (*e)->type;
        uint32_t at = (*e)->offset;
        bare.length = 0;
        bare.precision = bare.scale = 0;
        struct ltype plain = target;
        plain.length = 0;
        plain.precision = plain.scale = 0;
        if (plain.id == LT_TEXT && target.length && !target.fixed)
            memcpy(to, "character varying", sizeof "character varying");
        else
            ltype_name(plain, to, sizeof to);
        if (bare.id == LT_TEXT && (*e)->type.length && !bare.fixed)
            memcpy(from, "character varying", sizeof "character varying");
        else
            ltype_name(bare, from, sizeof from);
        status = err_set(b->err, KDK_TYPE_MISMATCH,
                         "column \"%s\" is of type %s but %s is of type %s", column, to,
                         kind, from);
        err_hint(b->err, "You will need to rewrite or cast the expression.");
        err_at(b->err, at);
        goto out;
    }
    TRY(coerce(b, e, target, CAST_ASSIGNMENT));
out:
    return status;
}

kdk_status coerce_boolean(struct binder *b, struct expr **e, const char *what)
{
    kdk_status status = KDK_OK;
    char name[64];
    if ((*e)->type.id == LT_UNKNOWN)
        TRY(coerce(b, e, LTYPE(BOOLEAN), CAST_IMPLICIT));
    if ((*e)->type.id != LT_BOOLEAN)
        FAIL_AT((*e)->offset, KDK_TYPE_MISMATCH,
                "argument of %s must be type boolean, not type %s", what,
                ltype_name((*e)->type, name, sizeof name));
out:
    return status;
}

kdk_status common_type(struct binder *b, const struct ltype *types, uint32_t count,
                       const char *what, uint32_t at, struct ltype *out)
{
    kdk_status status = KDK_OK;
    TRY_AT(at, type_common(types, count, what, out, b->err));
out:
    return status;
}

kdk_status coerce_common(struct binder *b, struct expr **list, uint32_t count,
                         const char *what, struct ltype *out)
{
    kdk_status status = KDK_OK;
    struct ltype *types = ARRAY(struct ltype, count);
    struct ltype common;
    TRY_NEW(types);
    for (uint32_t i = 0; i < count; i++)
        types[i] = list[i]->type;
    if (type_common(types, count, what, &common, NULL) != KDK_OK) {
        /* The expression that first does not fit is where the error points: those before it
         * have a common type, none that hold it have. */
        uint32_t fit = 1, fail = count;
        while (fail - fit > 1) {
            uint32_t n = fit + (fail - fit) / 2;
            *(type_common(types, n, what, &common, NULL) == KDK_OK ? &fit : &fail) = n;
        }
        TRY(common_type(b, types, fail, what, list[fail - 1]->offset, &common));
    }
    if (common.id == LT_NUMERIC) { /* Literals take part with the digits that they have. */
        for (uint32_t i = 0; i < count; i++)
            if (list[i]->kind == EX_CONST &&
                !(list[i]->value.null && types[i].id == LT_UNKNOWN))
                types[i] = numeric_for(list[i]);
        TRY(common_type(b, types, count, what, list[0]->offset, &common));
    }
    if (common.id == LT_UNKNOWN)
        common = LTYPE(TEXT);
    for (uint32_t i = 0; i < count; i++)
        TRY(coerce(b, &list[i], common, CAST_IMPLICIT));
    *out = common;
out:
    return status;
}
