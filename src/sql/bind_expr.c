/* bind_expr.c - expressions. */
#include "sql/bind_int.h"

#include <stdio.h>

/* ---- rows ---- */

static bool is_row(const struct ast_expr *ast)
{
    return ast->kind == AST_ROW;
}

/* One column of a row, or the expression itself. */
static uint32_t row_width(const struct ast_expr *ast)
{
    return is_row(ast) ? ast->list.count : 1;
}
static const struct ast_expr *row_item(const struct ast_expr *ast, uint32_t i)
{
    return is_row(ast) ? ast->list.items[i] : ast;
}

/* An argument that the tree needs more than once: a copy, or its text bound again when it
 * holds subqueries, whose columns must be new. */
static kdk_status again(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                        const struct expr *first, struct expr **out)
{
    kdk_status status = KDK_OK;
    if (expr_has_subquery(first)) {
        b->repeating++;
        status = bind_expr(b, scope, ast, out);
        b->repeating--;
        return status;
    }
    TRY(bind_repeat(b, expr_size(first), ast->at));
    TRY_NEW(*out = expr_copy(b, first));
out:
    return status;
}

/* One side of a comparison of rows: a row, or the columns of a subquery. */
struct row_side {
    const struct ast_expr *ast;
    const struct query *query;
};

static kdk_status side_item(struct binder *b, struct scope *scope,
                            const struct row_side *side, uint32_t i, uint32_t at,
                            struct expr **out)
{
    kdk_status status = KDK_OK;
    if (side->query)
        TRY_NEW(*out =
                    expr_column(b, side->query->cols[i].id, side->query->cols[i].type, at));
    else
        TRY(bind_expr(b, scope, row_item(side->ast, i), out));
out:
    return status;
}

static kdk_status side_item_again(struct binder *b, struct scope *scope,
                                  const struct row_side *side, uint32_t i, uint32_t at,
                                  const struct expr *first, struct expr **out)
{
    return side->query ? side_item(b, scope, side, i, at, out)
                       : again(b, scope, row_item(side->ast, i), first, out);
}

/* left op right, of n columns each. */
static kdk_status compare_sides(struct binder *b, struct scope *scope, enum ast_op op,
                                const struct row_side *left, const struct row_side *right,
                                uint32_t n, uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr **parts = NULL;
    const char *text = ast_op_text(op);
    bool ordered = op == OP_LT || op == OP_LE || op == OP_GT || op == OP_GE;

    if (!ordered && op != OP_EQ && op != OP_NE)
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                "could not determine interpretation of row comparison operator %s", text);
    TRY_NEW(parts = ARRAY(struct expr *, n));
    if (!ordered) {
        for (uint32_t i = 0; i < n; i++) {
            struct expr *l, *r;
            TRY(side_item(b, scope, left, i, at, &l));
            TRY(side_item(b, scope, right, i, at, &r));
            TRY(bind_compare(b, text, l, r, at, &parts[i]));
        }
        TRY_NEW(*out = expr_and(b, op == OP_EQ ? EX_AND : EX_OR, parts, n, at));
        goto out;
    }
    /* a0 < b0 OR (a0 = b0 AND (a1 < b1 OR ...)), from the last column inwards. */
    struct expr *tail = NULL;
    for (uint32_t k = n; k-- > 0;) {
        struct expr *l, *r, *less;
        const char *strict = op == OP_LT || op == OP_LE ? "<" : ">";
        TRY(side_item(b, scope, left, k, at, &l));
        TRY(side_item(b, scope, right, k, at, &r));
        if (k + 1 < n && (l->is_volatile || r->is_volatile))
            FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                    "ordering rows of volatile expressions is not supported");
        TRY(bind_compare(b, k + 1 == n ? text : strict, l, r, at, &less));
        if (tail) {
            struct expr *equal, **and_args = ARRAY(struct expr *, 2),
                                **or_args = ARRAY(struct expr *, 2);
            TRY_NEW(and_args);
            TRY_NEW(or_args);
            struct expr *l2, *r2;
            TRY(side_item_again(b, scope, left, k, at, l, &l2));
            TRY(side_item_again(b, scope, right, k, at, r, &r2));
            TRY(bind_compare(b, "=", l2, r2, at, &equal));
            and_args[0] = equal;
            and_args[1] = tail;
            or_args[0] = less;
            TRY_NEW(or_args[1] = expr_and(b, EX_AND, and_args, 2, at));
            TRY_NEW(less = expr_and(b, EX_OR, or_args, 2, at));
        }
        tail = less;
    }
    *out = tail;
out:
    return status;
}

static kdk_status open_subquery(struct binder *b, struct scope *scope,
                                const struct ast_expr *ast, const struct ast_query *query,
                                struct query *out);

static kdk_status subquery_width(struct binder *b, const struct query *q, uint32_t n,
                                 uint32_t at)
{
    kdk_status status = KDK_OK;
    if (q->count != n)
        FAIL_AT(bind_at(b, at), KDK_SYNTAX,
                q->count > n ? "subquery has too many columns"
                             : "subquery has too few columns");
out:
    return status;
}

/* row op (query), row op ANY (query), row op ALL (query): the comparison becomes the
 * query's only column. */
static kdk_status compare_row_query(struct binder *b, struct scope *scope, enum ast_op op,
                                    const struct ast_expr *left, const struct ast_expr *ast,
                                    const struct ast_query *query, enum subquery_kind kind,
                                    struct expr **out)
{
    kdk_status status = KDK_OK;
    struct query q;
    const struct row_side sides[2] = {{.ast = left}, {.query = &q}};
    struct expr *cond, *e;
    TRY(open_subquery(b, scope, ast, query, &q));
    TRY(subquery_width(b, &q, row_width(left), ast->at));
    if (q.count == 0)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "cannot compare rows of zero length");
    TRY(compare_sides(b, scope, op, &sides[0], &sides[1], q.count, ast->at, &cond));
    struct rel *p = rel_new(b, REL_PROJECT, q.rel, NULL, ast->at);
    colid id = bind_colid(b);
    TRY_NEW(p);
    if (!id)
        TRY(err_nomem(b->err));
    p->col_count = 1;
    TRY_NEW(p->cols = NEW(struct relcol));
    p->cols[0] =
        (struct relcol){.id = id, .type = LTYPE(BOOLEAN), .name = "compared", .expr = cond};
    TRY_NEW(
        e = expr_new(b, EX_SUBQUERY, LTYPE(BOOLEAN), ast->at, kind == SQ_SCALAR ? 0 : 1));
    e->sub.kind = kind;
    e->sub.rel = p;
    TRY_NEW(e->sub.columns = NEW(colid));
    e->sub.columns[0] = id;
    if (kind != SQ_SCALAR) { /* true = ANY, or ALL, of the comparisons. */
        TRY_NEW(e->args[0] = expr_bool(b, true, ast->at));
        TRY_NEW(e->sub.ops = NEW(uint32_t));
        e->sub.ops[0] = fn_comparison_of(CMP_EQ, LTYPE(BOOLEAN));
    }
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status compare_rows(struct binder *b, struct scope *scope, enum ast_op op,
                               const struct ast_expr *left, const struct ast_expr *right,
                               uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct row_side sides[2] = {{.ast = left}, {.ast = right}};

    if (is_row(left) && right->kind == AST_SUBQUERY)
        return compare_row_query(b, scope, op, left, right, right->query, SQ_SCALAR, out);
    if (!is_row(left) || !is_row(right)) {
        if (left->kind == AST_SUBQUERY) {
            /* (select 1, 2) = (1, 2): PostgreSQL has rows at the left alone. */
            struct expr *ignored;
            TRY(bind_expr(b, scope, left, &ignored));
        }
        FAIL_AT(bind_at(b, at), KDK_UNDEFINED_FUNCTION,
                "operator does not exist: a row %s a single value", ast_op_text(op));
    }
    if (row_width(left) != row_width(right))
        FAIL_AT(bind_at(b, at), KDK_SYNTAX, "unequal number of entries in row expressions");
    if (row_width(left) == 0)
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED, "cannot compare rows of zero length");
    TRY(compare_sides(b, scope, op, &sides[0], &sides[1], row_width(left), at, out));
out:
    return status;
}

/* ---- comparisons ---- */

kdk_status bind_compare(struct binder *b, const char *op, struct expr *left,
                        struct expr *right, uint32_t at, struct expr **out)
{
    struct expr *args[2] = {left, right};
    return bind_function(b, op, true, args, 2, at, out);
}

kdk_status bind_is_null_safe(struct binder *b, struct expr *left, struct expr *right,
                             uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *equal, *e;
    TRY(bind_compare(b, "=", left, right, at, &equal)); /* Its arguments have one type. */
    TRY_NEW(e = expr_new(b, EX_IS_DISTINCT, LTYPE(BOOLEAN), at, 2));
    e->args[0] = equal->args[0];
    e->args[1] = equal->args[1];
    expr_flags(e);
    *out = e;
out:
    return status;
}

/* v op ..., for a v that is to be computed once though the tree mentions it several times:
 * the mentions name a column of a one-row VALUES, in a scalar subquery. `make` builds the
 * expression over the column. */
struct once {
    kdk_status (*make)(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                       struct expr *value, const struct once *once, struct expr **out);
    const struct ast_expr *arg;
};

static kdk_status bind_once(struct binder *b, struct scope *scope,
                            const struct ast_expr *ast, const struct once *once,
                            struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *value;
    TRY(bind_expr(b, scope, once->arg, &value));
    if (ast->kind == AST_CASE) /* CASE 'a' WHEN ...: a text, whatever it meets. */
        TRY(coerce_unknown(b, &value));
    if (!value->is_volatile)
        return once->make(b, scope, ast, value, once, out);

    TRY(coerce_unknown(b, &value));
    struct rel *values = rel_new(b, REL_VALUES, NULL, NULL, ast->at);
    TRY_NEW(values);
    struct rel *project = rel_new(b, REL_PROJECT, values, NULL, ast->at);
    TRY_NEW(project);
    colid id = bind_colid(b), result = bind_colid(b);
    if (!id || !result)
        TRY(err_nomem(b->err));
    values->row_count = values->col_count = 1;
    TRY_NEW(values->cols = NEW(struct relcol));
    TRY_NEW(values->rows = NEW(struct expr **));
    TRY_NEW(values->rows[0] = NEW(struct expr *));
    values->cols[0] = (struct relcol){.id = id, .type = value->type, .name = "value"};
    values->rows[0][0] = value;
    struct expr *mention = expr_column(b, id, value->type, once->arg->at), *made;
    TRY_NEW(mention);
    TRY(once->make(b, scope, ast, mention, once, &made));
    project->col_count = 1;
    TRY_NEW(project->cols = NEW(struct relcol));
    project->cols[0] =
        (struct relcol){.id = result, .type = made->type, .name = "value", .expr = made};
    struct expr *sub = expr_new(b, EX_SUBQUERY, made->type, ast->at, 0);
    TRY_NEW(sub);
    sub->sub.kind = SQ_SCALAR;
    sub->sub.rel = project;
    TRY_NEW(sub->sub.columns = NEW(colid));
    sub->sub.columns[0] = result;
    expr_flags(sub);
    *out = sub;
out:
    return status;
}

/* The same value for one more mention. */
static kdk_status mention(struct binder *b, struct scope *scope, struct expr *value,
                          const struct once *once, bool first, struct expr **out)
{
    if (first) {
        *out = value;
        return KDK_OK;
    }
    return again(b, scope, once->arg, value, out);
}

static kdk_status make_between(struct binder *b, struct scope *scope,
                               const struct ast_expr *ast, struct expr *value,
                               const struct once *once, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *second, *low, *high;
    struct expr **range = ARRAY(struct expr *, 2);
    TRY_NEW(range);
    TRY(bind_expr(b, scope, ast->between.low, &low));
    TRY(bind_expr(b, scope, ast->between.high, &high));
    TRY(mention(b, scope, value, once, false, &second));
    if (ast->between.symmetric && (low->is_volatile || high->is_volatile))
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED,
                "BETWEEN SYMMETRIC with volatile bounds is not supported");
    TRY(bind_compare(b, ">=", value, low, ast->at, &range[0]));
    TRY(bind_compare(b, "<=", second, high, ast->at, &range[1]));
    struct expr *e = expr_and(b, EX_AND, range, 2, ast->at);
    TRY_NEW(e);
    if (ast->between.symmetric) {
        struct expr *third, *fourth, *low2, *high2, **other = ARRAY(struct expr *, 2),
                                                    **both = ARRAY(struct expr *, 2);
        TRY_NEW(other);
        TRY_NEW(both);
        TRY(mention(b, scope, value, once, false, &third));
        TRY(mention(b, scope, value, once, false, &fourth));
        TRY(again(b, scope, ast->between.low, low, &low2));
        TRY(again(b, scope, ast->between.high, high, &high2));
        TRY(bind_compare(b, ">=", third, high2, ast->at, &other[0]));
        TRY(bind_compare(b, "<=", fourth, low2, ast->at, &other[1]));
        both[0] = e;
        TRY_NEW(both[1] = expr_and(b, EX_AND, other, 2, ast->at));
        TRY_NEW(e = expr_and(b, EX_OR, both, 2, ast->at));
    }
    if (ast->between.negated)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

static kdk_status make_case(struct binder *b, struct scope *scope,
                            const struct ast_expr *ast, struct expr *value,
                            const struct once *once, struct expr **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = ast->cases->whens.count;
    struct expr **results = ARRAY(struct expr *, (size_t)n + 1);
    struct expr *e = expr_new(b, EX_CASE, LTYPE(UNKNOWN), ast->at, 2 * n + 1);
    struct ltype type;
    TRY_NEW(results);
    TRY_NEW(e);
    for (uint32_t i = 0; i < n; i++) {
        struct expr *when;
        TRY(bind_expr(b, scope, ast->cases->whens.items[i], &when));
        if (value) {
            struct expr *v;
            TRY(mention(b, scope, value, once, i == 0, &v));
            TRY(bind_compare(b, "=", v, when, ast->cases->whens.items[i]->at, &when));
        } else {
            TRY(coerce_boolean(b, &when, "CASE/WHEN"));
        }
        e->args[2 * i] = when;
        TRY(bind_expr(b, scope, ast->cases->thens.items[i], &results[i]));
    }
    if (ast->cases->otherwise)
        TRY(bind_expr(b, scope, ast->cases->otherwise, &results[n]));
    else
        TRY_NEW(results[n] = expr_const(b, LTYPE(UNKNOWN), DATUM_NULL, ast->at));
    /* PostgreSQL looks at ELSE first. */
    struct expr *last = results[n];
    memmove(results + 1, results, n * sizeof *results);
    results[0] = last;
    TRY(coerce_common(b, results, n + 1, "CASE", &type));
    for (uint32_t i = 0; i < n; i++)
        e->args[2 * i + 1] = results[i + 1];
    e->args[2 * n] = results[0];
    e->type = type;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status make_nullif(struct binder *b, struct scope *scope,
                              const struct ast_expr *ast, struct expr *value,
                              const struct once *once, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *other, *equal, *second;
    struct expr *e = expr_new(b, EX_CASE, LTYPE(UNKNOWN), ast->at, 3);
    TRY_NEW(e);
    TRY(bind_expr(b, scope, ast->call->args.items[1], &other));
    TRY(mention(b, scope, value, once, false, &second));
    TRY(bind_compare(b, "=", value, other, ast->at, &equal));
    /* The first argument takes the type in which it was compared, as in PostgreSQL. */
    const struct ltype own = second->type, compared = equal->args[0]->type;
    const bool met = (ltype_is_integer(own) && ltype_is_integer(compared)) ||
                     (ltype_is_float(own) && ltype_is_float(compared)) || own.id == LT_DATE;
    /* These PostgreSQL compares as they are. */
    if (!met && (own.id != compared.id || own.fixed != compared.fixed))
        TRY(coerce(b, &second,
                   compared.id == LT_NUMERIC && second->type.id != LT_UNKNOWN
                       ? LTYPE(NUMERIC)
                       : compared,
                   CAST_IMPLICIT));
    e->args[0] = equal;
    TRY_NEW(e->args[1] = expr_const(b, second->type, DATUM_NULL, ast->at));
    e->args[2] = second;
    e->type = second->type;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status bind_nullif(struct binder *b, struct scope *scope,
                              const struct ast_expr *ast, struct expr **out)
{
    struct once once = {make_nullif, ast->call->args.items[0]};
    return bind_once(b, scope, ast, &once, out);
}

static bool mentions_column(const struct expr *e)
{
    bool found = e->kind == EX_COLUMN || e->kind == EX_SUBQUERY;
    for (uint32_t i = 0; i < e->arg_count && !found; i++)
        found = mentions_column(e->args[i]);
    return found;
}

/* Are all of one type already, literals apart? */
static bool of_one_type(const struct ltype *types, uint32_t n)
{
    const struct ltype *known = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (types[i].id == LT_UNKNOWN)
            continue;
        if (known && (known->id != types[i].id || known->fixed != types[i].fixed))
            return false;
        known = &types[i];
    }
    return true;
}

/* list[0] IN (list[1], ...): the values have one type together, and list[0] is compared
 * with that. */
static kdk_status in_array(struct binder *b, struct expr **list, uint32_t count,
                           uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct ltype common, *types = ARRAY(struct ltype, count);
    struct expr *e;
    TRY_NEW(types);
    for (uint32_t i = 0; i < count; i++)
        types[i] = list[i]->type;
    if (!of_one_type(types, count)) {
        const struct ltype *pair = types;
        struct ltype compared[2];
        uint32_t fn;
        TRY(common_type(b, types, count, "IN", at, &common));
        types[1] = common;
        TRY_AT(bind_at(b, at), fn_resolve("=", true, pair, 2, &fn, compared, b->err));
        if (compared[0].id != common.id) { /* A whole number meets reals as a double. */
            for (uint32_t i = 1; i < count; i++) {
                TRY(coerce(b, &list[i], common, CAST_IMPLICIT));
                TRY(coerce(b, &list[i], compared[0], CAST_IMPLICIT));
            }
            TRY(coerce(b, &list[0], compared[0], CAST_IMPLICIT));
        }
    }
    TRY(coerce_common(b, list, count, "IN", &common));
    TRY_NEW(e = expr_new(b, EX_IN, LTYPE(BOOLEAN), at, 0));
    e->args = list;
    e->arg_count = count;
    expr_flags(e);
    *out = e;
out:
    return status;
}

/* list[0] IN (list[1], ...) as PostgreSQL takes it when types differ: values without
 * columns together, the others one by one. */
static kdk_status in_parts(struct binder *b, struct scope *scope,
                           const struct ast_expr *ast, struct expr **list, uint32_t count,
                           struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr **parts = ARRAY(struct expr *, count),
                **together = ARRAY(struct expr *, count), *left;
    struct ltype *types = ARRAY(struct ltype, count), common;
    uint32_t n = 0, k = 1;
    TRY_NEW(parts);
    TRY_NEW(together);
    TRY_NEW(types);
    types[0] = list[0]->type;
    for (uint32_t i = 1; i < count; i++)
        if (!mentions_column(list[i])) {
            types[k] = list[i]->type;
            together[k++] = list[i];
        }
    if (k < 3 || type_common(types, k, "IN", &common, NULL) != KDK_OK)
        k = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (k && !mentions_column(list[i]))
            continue;
        if (n == 0)
            left = list[0];
        else
            TRY(again(b, scope, ast->in.arg, list[0], &left));
        TRY(bind_compare(b, "=", left, list[i], ast->at, &parts[n++]));
    }
    if (k) {
        if (n == 0)
            together[0] = list[0];
        else
            TRY(again(b, scope, ast->in.arg, list[0], &together[0]));
        TRY(in_array(b, together, k, ast->at, &parts[n++]));
    }
    if (n == 1)
        *out = parts[0];
    else
        TRY_NEW(*out = expr_and(b, EX_OR, parts, n, ast->at));
out:
    return status;
}

static kdk_status bind_in_list(struct binder *b, struct scope *scope,
                               const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = ast->in.list.count;
    struct expr *e = NULL;
    struct expr **list = ARRAY(struct expr *, (size_t)n + 1);
    TRY_NEW(list);

    if (is_row(ast->in.arg)) {
        for (uint32_t i = 0; i < n; i++) {
            b->repeating += i > 0;
            status = compare_rows(b, scope, OP_EQ, ast->in.arg, ast->in.list.items[i],
                                  ast->at, &list[i]);
            b->repeating -= i > 0;
            if (status != KDK_OK)
                goto out;
        }
        TRY_NEW(e = expr_and(b, EX_OR, list, n, ast->at));
    } else {
        struct ltype *types = ARRAY(struct ltype, (size_t)n + 1);
        TRY_NEW(types);
        TRY(bind_expr(b, scope, ast->in.arg, &list[0]));
        types[0] = list[0]->type;
        for (uint32_t i = 0; i < n; i++) {
            if (is_row(ast->in.list.items[i]))
                FAIL_AT(bind_at(b, ast->in.list.items[i]->at), KDK_UNDEFINED_FUNCTION,
                        "operator does not exist: a single value = a row");
            TRY(bind_expr(b, scope, ast->in.list.items[i], &list[i + 1]));
            types[i + 1] = list[i + 1]->type;
        }
        if (n == 1)
            TRY(bind_compare(b, "=", list[0], list[1], ast->at, &e));
        else if (of_one_type(types, n + 1))
            TRY(in_array(b, list, n + 1, ast->at, &e));
        else
            TRY(in_parts(b, scope, ast, list, n + 1, &e));
    }
    if (ast->in.negated)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

/* ---- subqueries ---- */

static kdk_status open_subquery(struct binder *b, struct scope *scope,
                                const struct ast_expr *ast, const struct ast_query *query,
                                struct query *out)
{
    kdk_status status = KDK_OK;
    if (scope->no_subqueries)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "cannot use subquery in %s",
                scope->clause == CLAUSE_DEFAULT      ? "DEFAULT expression"
                : scope->clause == CLAUSE_CHECK      ? "check constraint"
                : scope->clause == CLAUSE_COPY_WHERE ? "COPY FROM WHERE condition"
                : scope->clause == CLAUSE_EXECUTE    ? "EXECUTE parameter"
                                                     : "transform expression");
    TRY(bind_query(b, query, scope, false, out));
out:
    return status;
}

/* left op ANY (query), left op ALL (query), left IN (query). */
static kdk_status bind_quantified(struct binder *b, struct scope *scope,
                                  const struct ast_expr *ast, const struct ast_expr *left,
                                  const char *op, bool all, const struct ast_query *query,
                                  struct expr **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = row_width(left);
    struct expr *e;
    struct query q;
    uint32_t casts = 0;
    bool negate = false;

    if (all && strcmp(op, "<>") == 0) {
        /* Said as NOT ANY(=): plan makes anti joins of that. */
        op = "=";
        all = false;
        negate = true;
    }
    if (is_row(left) && (all || strcmp(op, "=") != 0)) /* IN has =. */
        return compare_row_query(b, scope, (enum ast_op)ast->op, left, ast, query,
                                 all ? SQ_ALL : SQ_ANY, out);
    TRY_NEW(e = expr_new(b, EX_SUBQUERY, LTYPE(BOOLEAN), ast->at, n));
    for (uint32_t i = 0; i < n; i++)
        TRY(bind_expr(b, scope, row_item(left, i), &e->args[i]));
    TRY(open_subquery(b, scope, ast, query, &q));
    TRY(subquery_width(b, &q, n, ast->at));
    e->sub.kind = all ? SQ_ALL : SQ_ANY;
    e->sub.rel = q.rel;
    TRY_NEW(e->sub.ops = ARRAY(uint32_t, n));
    TRY_NEW(e->sub.columns = ARRAY(colid, n));
    struct expr **right = ARRAY(struct expr *, n);
    TRY_NEW(right);
    for (uint32_t i = 0; i < n; i++) {
        struct expr *call;
        TRY_NEW(right[i] = expr_column(b, q.cols[i].id, q.cols[i].type, ast->at));
        TRY(bind_compare(b, op, e->args[i], right[i], ast->at, &call));
        if (call->kind != EX_CALL || call->type.id != LT_BOOLEAN || call->arg_count != 2)
            FAIL_AT(bind_at(b, ast->at), KDK_WRONG_OBJECT_TYPE,
                    "op ANY/ALL (subquery) requires operator to yield boolean");
        e->sub.ops[i] = call->fn;
        e->args[i] = call->args[0];
        right[i] = call->args[1];
        casts += right[i]->kind != EX_COLUMN;
        e->sub.columns[i] = q.cols[i].id;
    }
    if (casts) { /* The subquery's columns in the types that the comparison wants. */
        struct rel *p = rel_new(b, REL_PROJECT, q.rel, NULL, ast->at);
        TRY_NEW(p);
        p->col_count = n;
        TRY_NEW(p->cols = ARRAY(struct relcol, n));
        for (uint32_t i = 0; i < n; i++) {
            colid id = bind_colid(b);
            if (!id)
                TRY(err_nomem(b->err));
            p->cols[i] = (struct relcol){.id = id,
                                         .type = right[i]->type,
                                         .name = q.cols[i].name,
                                         .not_null = q.cols[i].not_null,
                                         .expr = right[i]};
            e->sub.columns[i] = id;
        }
        e->sub.rel = p;
    }
    expr_flags(e);
    if (negate)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

static kdk_status bind_scalar_subquery(struct binder *b, struct scope *scope,
                                       const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct query q;
    struct expr *e;
    TRY(open_subquery(b, scope, ast, ast->query, &q));
    if (q.count != 1)
        FAIL_AT(bind_at(b, ast->at), KDK_SYNTAX, "subquery must return only one column");
    TRY_NEW(e = expr_new(b, EX_SUBQUERY, q.cols[0].type, ast->at, 0));
    e->sub.kind = SQ_SCALAR;
    e->sub.rel = q.rel;
    TRY_NEW(e->sub.columns = NEW(colid));
    e->sub.columns[0] = q.cols[0].id;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status bind_exists(struct binder *b, struct scope *scope,
                              const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct query q;
    struct expr *e;
    TRY(open_subquery(b, scope, ast, ast->query, &q));
    TRY_NEW(e = expr_new(b, EX_SUBQUERY, LTYPE(BOOLEAN), ast->at, 0));
    e->sub.kind = SQ_EXISTS;
    e->sub.rel = q.rel;
    expr_flags(e);
    *out = e;
out:
    return status;
}

/* ---- the rest, kind by kind ---- */

static kdk_status bind_logic(struct binder *b, struct scope *scope,
                             const struct ast_expr *ast, enum expr_kind kind,
                             struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr **args = ARRAY(struct expr *, ast->list.count);
    TRY_NEW(args);
    for (uint32_t i = 0; i < ast->list.count; i++) {
        TRY(bind_expr(b, scope, ast->list.items[i], &args[i]));
        TRY(coerce_boolean(b, &args[i], kind == EX_AND ? "AND" : "OR"));
    }
    TRY_NEW(*out = expr_and(b, kind, args, ast->list.count, ast->at));
out:
    return status;
}

static const char *const is_texts[2][4] = {
    {"IS NULL", "IS TRUE", "IS FALSE", "IS UNKNOWN"},
    {"IS NOT NULL", "IS NOT TRUE", "IS NOT FALSE", "IS NOT UNKNOWN"}};

static kdk_status null_test(struct binder *b, struct expr *arg, bool negated, uint32_t at,
                            struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *e;
    /* `$1 IS NULL OR a = $1`: the other mention says the type; see patch_params(). */
    if (arg->kind != EX_PARAM)
        TRY(coerce_unknown(b, &arg));
    TRY_NEW(e = expr_new(b, negated ? EX_IS_NOT_NULL : EX_IS_NULL, LTYPE(BOOLEAN), at, 1));
    e->args[0] = arg;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status bind_is(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                          struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *arg, *e;
    const bool negated = ast->test.negated;

    if (is_row(ast->test.arg) && ast->test.is == AST_IS_NULL) {
        uint32_t n = row_width(ast->test.arg);
        struct expr **parts = ARRAY(struct expr *, (size_t)n + 1);
        TRY_NEW(parts);
        for (uint32_t i = 0; i < n; i++) {
            TRY(bind_expr(b, scope, row_item(ast->test.arg, i), &arg));
            TRY(null_test(b, arg, negated, ast->at, &parts[i]));
        }
        if (n == 0)
            TRY_NEW(e = expr_bool(b, true, ast->at));
        else
            TRY_NEW(e = expr_and(b, EX_AND, parts, n, ast->at));
        *out = e;
        goto out;
    }
    TRY(bind_expr(b, scope, ast->test.arg, &arg));
    if (ast->test.is == AST_IS_NULL)
        return null_test(b, arg, negated, ast->at, out);
    TRY(coerce_boolean(b, &arg, is_texts[negated][ast->test.is]));
    if (ast->test.is == AST_IS_UNKNOWN)
        return null_test(b, arg, negated, ast->at, out);
    if (ast->test.is == AST_IS_FALSE)
        TRY_NEW(arg = expr_not(b, arg));
    TRY_NEW(e = expr_new(b, EX_IS_TRUE, LTYPE(BOOLEAN), ast->at, 1));
    e->args[0] = arg;
    expr_flags(e);
    if (negated)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

static kdk_status bind_distinct_from(struct binder *b, struct scope *scope,
                                     const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ast_expr *l = ast->test.arg, *r = ast->test.other;
    const uint32_t n = row_width(l);
    struct expr **parts = ARRAY(struct expr *, (size_t)n + 1), *e;
    TRY_NEW(parts);
    if (is_row(l) != is_row(r) || n != row_width(r) || n == 0)
        FAIL_AT(bind_at(b, ast->at), KDK_SYNTAX,
                "unequal number of entries in row expressions");
    for (uint32_t i = 0; i < n; i++) {
        struct expr *left, *right;
        TRY(bind_expr(b, scope, row_item(l, i), &left));
        TRY(bind_expr(b, scope, row_item(r, i), &right));
        TRY(bind_is_null_safe(b, left, right, ast->at, &parts[i]));
    }
    TRY_NEW(e = expr_and(b, EX_OR, parts, n, ast->at));
    if (ast->test.negated)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

static kdk_status bind_like(struct binder *b, struct scope *scope,
                            const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *args[3], *e;
    uint32_t n = 2;
    if (ast->like.form == AST_LIKE_SIMILAR)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "SIMILAR TO is not supported");
    TRY(bind_expr(b, scope, ast->like.arg, &args[0]));
    TRY(bind_expr(b, scope, ast->like.pattern, &args[1]));
    if (ast->like.escape) {
        TRY(bind_expr(b, scope, ast->like.escape, &args[2]));
        TRY(coerce_unknown(b, &args[2]));
        if (args[2]->type.id != LT_TEXT)
            FAIL_AT(args[2]->offset, KDK_TYPE_MISMATCH,
                    "argument of ESCAPE must be of type text");
        for (int i = 0; i < 2; i++)
            TRY(coerce_unknown(b, &args[i]));
        n = 3;
        struct expr *checked; /* With two arguments first, for its message. */
        TRY(bind_function(b, ast->like.form == AST_LIKE_ILIKE ? "~~*" : "~~", true, args, 2,
                          ast->at, &checked));
    }
    TRY(bind_function(b, ast->like.form == AST_LIKE_ILIKE ? "~~*" : "~~", true, args, n,
                      ast->at, &e));
    if (ast->like.negated)
        TRY_NEW(e = expr_not(b, e));
    *out = e;
out:
    return status;
}

static kdk_status operator_name(struct binder *b, const struct ast_expr *ast,
                                const struct ast_name *symbol, const char **out)
{
    kdk_status status = KDK_OK;
    if (symbol && symbol->count > 1 && strcmp(symbol->parts[0].text, "pg_catalog") != 0)
        FAIL_AT(bind_at(b, ast->at), KDK_UNDEFINED_FUNCTION, "operator does not exist: %s",
                bind_name_text(b, symbol));
    *out = symbol ? ast_last(symbol)->text : ast_op_text((enum ast_op)ast->op);
    if (ast->kind == AST_UNARY) /* ~ is a complement then. */
        return KDK_OK;
    switch ((enum ast_op)ast->op) {
    case OP_MATCH:
    case OP_IMATCH:
    case OP_NMATCH:
    case OP_NIMATCH:
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED,
                "regular expressions are not supported");
    case OP_ARROW:
    case OP_ARROW_TEXT:
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "JSON is not supported");
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
    case OP_INTDIV:
    case OP_POW:
    case OP_POWR:
    case OP_CONCAT:
    case OP_OTHER:
    case OP_COUNT:
        break;
    }
out:
    return status;
}

static kdk_status bind_binary(struct binder *b, struct scope *scope,
                              const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ast_expr *left = ast->binary.left, *right = ast->binary.right;
    struct expr *args[2];
    const char *name;

    TRY(operator_name(b, ast, ast->binary.symbol, &name));
    if (is_row(left) || is_row(right))
        return compare_rows(b, scope, (enum ast_op)ast->op, left, right, ast->at, out);
    TRY(bind_expr(b, scope, left, &args[0]));
    TRY(bind_expr(b, scope, right, &args[1]));
    TRY(bind_function(b, name, true, args, 2, ast->at, out));
out:
    return status;
}

static kdk_status bind_unary(struct binder *b, struct scope *scope,
                             const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *arg;
    const char *name;
    TRY(operator_name(b, ast, ast->binary.symbol, &name));
    TRY(bind_expr(b, scope, ast->binary.right, &arg));
    TRY(bind_function(b, name, true, &arg, 1, ast->at, out));
out:
    return status;
}

static kdk_status bind_cast(struct binder *b, struct scope *scope,
                            const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct ltype type;
    struct expr *arg;
    const struct ast_expr *inner = ast->cast.arg;

    TRY_AT(bind_at(b, ast->at), sql_bind_type(ast->cast.type, &type, b->err));
    if (inner->kind == AST_NUMBER && ltype_is_float(type)) {
        /* 1e300::float8: never a NUMERIC in between. */
        struct datum value;
        const char *text = inner->number.negative
                               ? arena_printf(b->arena, "-%s", inner->number.text)
                               : inner->number.text;
        TRY_NEW(text);
        TRY_AT(bind_at(b, inner->at),
               datum_parse(type, text, strlen(text), b->arena, &value, b->err));
        value.f += 0.0; /* There is no -0 among decimals. */
        TRY_NEW(*out = expr_const(b, type, value, inner->at));
        goto out;
    }
    TRY(bind_expr(b, scope, inner, &arg));
    if (arg->type.id == LT_UNKNOWN && arg->kind == EX_CONST && ast->cast.try) {
        /* TRY_CAST of a literal decides at run time, like any other. */
        TRY(coerce_unknown(b, &arg));
    }
    if (type.id == LT_BYTEA)
        TRY(bind_padded(b, &arg));
    if (!ast->cast.try) {
        TRY(coerce(b, &arg, type, CAST_EXPLICIT));
        *out = arg;
        goto out;
    }
    TRY(coerce_unknown(b, &arg));
    if (type.id == LT_NUMERIC)
        type = cast_type(arg->type, type, NULL);
    if (!cast_allowed(arg->type, type, CAST_EXPLICIT)) {
        char from[64], to[64];
        FAIL_AT(bind_at(b, ast->at), KDK_CANNOT_COERCE, "cannot cast type %s to %s",
                ltype_name(arg->type, from, sizeof from), ltype_name(type, to, sizeof to));
    }
    struct expr *e = expr_new(b, EX_CAST, type, ast->at, 1);
    TRY_NEW(e);
    e->args[0] = arg;
    e->cast_try = true;
    e->cast_explicit = true;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status bind_param(struct binder *b, const struct ast_expr *ast,
                             struct expr **out)
{
    kdk_status status = KDK_OK;
    uint32_t number = ast->param.number;
    if (number == 0)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "named parameters are not supported");
    if (b->stored)
        FAIL_AT(bind_at(b, ast->at), KDK_UNDEFINED_PARAMETER, "there is no parameter $%u",
                number);
    if (number > PARAMETERS_MAX)
        FAIL_AT(bind_at(b, ast->at), KDK_LIMIT,
                "parameter $%u: there may be at most %d parameters", number,
                PARAMETERS_MAX);
    if (number > b->param_cap) {
        uint32_t cap = MAX(number, b->param_cap * 2);
        struct ltype *types = ARRAY(struct ltype, cap);
        uint32_t *places = ARRAY(uint32_t, cap);
        TRY_NEW(types);
        TRY_NEW(places);
        if (b->param_count) {
            memcpy(types, b->params, b->param_count * sizeof *types);
            memcpy(places, b->param_at, b->param_count * sizeof *places);
        }
        b->params = types;
        b->param_at = places;
        b->param_cap = cap;
    }
    b->param_count = MAX(b->param_count, number);
    if (!b->param_at[number - 1])
        b->param_at[number - 1] = ast->at + 1;
    struct expr *e = expr_new(b, EX_PARAM, b->params[number - 1], ast->at, 0);
    TRY_NEW(e);
    e->param = number - 1;
    *out = e;
out:
    return status;
}

static kdk_status bind_sql_value(struct binder *b, const struct ast_expr *ast,
                                 struct expr **out)
{
    kdk_status status = KDK_OK;
    const char *name = NULL;
    switch ((enum ast_sql_value)ast->sql_value.value) {
    case AST_VALUE_CURRENT_DATE:
        name = "current_date";
        break;
    case AST_VALUE_CURRENT_TIMESTAMP:
        name = "current_timestamp";
        break;
    case AST_VALUE_LOCALTIMESTAMP:
        name = "localtimestamp";
        break;
    case AST_VALUE_CURRENT_TIME:
    case AST_VALUE_LOCALTIME:
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "type \"time\" is not supported");
    case AST_VALUE_CURRENT_CATALOG:
        name = "current_database";
        break;
    case AST_VALUE_CURRENT_SCHEMA:
        name = "current_schema";
        break;
    case AST_VALUE_CURRENT_ROLE:
    case AST_VALUE_CURRENT_USER:
    case AST_VALUE_SESSION_USER:
    case AST_VALUE_USER:
        name = "current_user";
        break;
    }
    TRY(bind_function(b, name, false, NULL, 0, ast->at, out));
    if (ast->sql_value.precision >= 0 && ast->sql_value.precision < 6)
        TRY(coerce(b, out,
                   (struct ltype){.id = LT_TIMESTAMP,
                                  .precision = (uint8_t)(ast->sql_value.precision + 1)},
                   CAST_EXPLICIT));
out:
    return status;
}

static kdk_status bind_collate(struct binder *b, struct scope *scope,
                               const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    char type[64];
    const char *name = ast_last(&ast->collate.name)->text;
    TRY(bind_expr(b, scope, ast->collate.arg, out));
    TRY(coerce_unknown(b, out));
    if ((*out)->type.id != LT_TEXT)
        FAIL_AT(bind_at(b, ast->at), KDK_TYPE_MISMATCH,
                "collations are not supported by type %s",
                ltype_name((*out)->type, type, sizeof type));
    if (strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 &&
        strcmp(name, "default") != 0 && strcmp(name, "ucs_basic") != 0)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED,
                "collation \"%s\" is not supported: text compares by bytes (\"C\")", name);
out:
    return status;
}

static kdk_status bind_coalesce(struct binder *b, struct scope *scope,
                                const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ast_exprs *list = &ast->call->args;
    struct expr **args = ARRAY(struct expr *, list->count), *e;
    TRY_NEW(args);
    for (uint32_t i = 0; i < list->count; i++)
        TRY(bind_expr(b, scope, list->items[i], &args[i]));
    struct ltype type;
    TRY(coerce_common(b, args, list->count, "COALESCE", &type));
    if (list->count == 1) {
        *out = args[0];
        goto out;
    }
    TRY_NEW(e = expr_new(b, EX_COALESCE, type, ast->at, 0));
    e->args = args;
    e->arg_count = list->count;
    expr_flags(e);
    *out = e;
out:
    return status;
}

static kdk_status bind_special_call(struct binder *b, struct scope *scope,
                                    const struct ast_expr *ast, struct expr **out)
{
    const struct ast_call *call = ast->call;
    const char *name = ast_last(&call->name)->text;
    if (call->name.count == 1 && !call->name.parts[0].quoted && !call->star &&
        !call->distinct && !call->filter && !call->over && !call->order_by.count &&
        !call->arg_names) {
        if (call->args.count == 0 &&
            (strcmp(name, "coalesce") == 0 || strcmp(name, "greatest") == 0 ||
             strcmp(name, "least") == 0)) {
            kdk_status status =
                err_set(b->err, KDK_SYNTAX,
                        "syntax error at or near \")\": %s() needs an argument", name);
            err_at(b->err, bind_at(b, ast->at));
            return status;
        }
        if (strcmp(name, "coalesce") == 0)
            return bind_coalesce(b, scope, ast, out);
        if (strcmp(name, "nullif") == 0 && call->args.count == 2)
            return bind_nullif(b, scope, ast, out);
    }
    return bind_call(b, scope, ast, out);
}

static kdk_status unsupported(struct binder *b, const struct ast_expr *ast,
                              const char *what)
{
    kdk_status status = err_set(b->err, KDK_UNSUPPORTED, "%s not supported", what);
    err_at(b->err, bind_at(b, ast->at));
    return status;
}

static kdk_status bind_kind(struct binder *b, struct scope *scope,
                            const struct ast_expr *ast, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *e = NULL;

    switch ((enum ast_expr_kind)ast->kind) {
    case AST_NULL:
        TRY_NEW(e = expr_const(b, LTYPE(UNKNOWN), DATUM_NULL, ast->at));
        break;
    case AST_BOOL:
        TRY_NEW(e = expr_bool(b, ast->truth, ast->at));
        break;
    case AST_NUMBER:
        return bind_number(b, ast, out);
    case AST_STRING:
        TRY_NEW(
            e = expr_const(b, LTYPE(UNKNOWN),
                           (struct datum){.s = str_of(ast->string.text, ast->string.bytes)},
                           ast->at));
        break;
    case AST_BITS:
        return unsupported(b, ast, "bit strings are");
    case AST_DEFAULT:
        FAIL_AT(bind_at(b, ast->at), KDK_SYNTAX, "DEFAULT is not allowed in this context");
    case AST_PARAM:
        return bind_param(b, ast, out);
    case AST_COLUMN:
        if (b->note_names && ast->name.count > 2) {
            struct name_note *note = NEW(struct name_note);
            TRY_NEW(note);
            *note = (struct name_note){(struct ast_name *)(uintptr_t)&ast->name, b->names};
            b->names = note;
        }
        return scope_column(b, scope, &ast->name, ast->at, out);
    case AST_STAR:
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED,
                "row expansion via \"*\" is not supported here");
    case AST_UNARY:
        return bind_unary(b, scope, ast, out);
    case AST_BINARY:
        return bind_binary(b, scope, ast, out);
    case AST_AND:
        return bind_logic(b, scope, ast, EX_AND, out);
    case AST_OR:
        return bind_logic(b, scope, ast, EX_OR, out);
    case AST_NOT:
        TRY(bind_expr(b, scope, ast->arg, &e));
        TRY(coerce_boolean(b, &e, "NOT"));
        TRY_NEW(e = expr_not(b, e));
        break;
    case AST_IS:
        return bind_is(b, scope, ast, out);
    case AST_DISTINCT_FROM:
        return bind_distinct_from(b, scope, ast, out);
    case AST_LIKE:
        return bind_like(b, scope, ast, out);
    case AST_BETWEEN: {
        struct once once = {make_between, ast->between.arg};
        return bind_once(b, scope, ast, &once, out);
    }
    case AST_IN_LIST:
        return bind_in_list(b, scope, ast, out);
    case AST_IN_QUERY:
        TRY(bind_quantified(b, scope, ast, ast->in.arg, "=", false, ast->in.query, &e));
        if (ast->in.negated)
            TRY_NEW(e = expr_not(b, e));
        break;
    case AST_ANY:
    case AST_ALL: {
        const char *name;
        if (!ast->quantified.query)
            return unsupported(b, ast, "arrays are");
        TRY(operator_name(b, ast, ast->quantified.symbol, &name));
        return bind_quantified(b, scope, ast, ast->quantified.left, name,
                               ast->kind == AST_ALL, ast->quantified.query, out);
    }
    case AST_EXISTS:
        return bind_exists(b, scope, ast, out);
    case AST_SUBQUERY:
        return bind_scalar_subquery(b, scope, ast, out);
    case AST_ARRAY_QUERY:
    case AST_ARRAY:
    case AST_SUBSCRIPT:
        return unsupported(b, ast, "arrays are");
    case AST_ROW:
        return unsupported(b, ast, "a row as a value is");
    case AST_CASE:
        if (ast->cases->arg) {
            struct once once = {make_case, ast->cases->arg};
            return bind_once(b, scope, ast, &once, out);
        }
        return make_case(b, scope, ast, NULL, NULL, out);
    case AST_CAST:
        return bind_cast(b, scope, ast, out);
    case AST_CALL:
        return bind_special_call(b, scope, ast, out);
    case AST_SQL_VALUE:
        return bind_sql_value(b, ast, out);
    case AST_COLLATE:
        return bind_collate(b, scope, ast, out);
    case AST_AT_TIME_ZONE:
        return unsupported(b, ast, "time zones are");
    case AST_FIELD:
        return unsupported(b, ast, "composite types are");
    }
    *out = e;
out:
    return status;
}

kdk_status bind_expr(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                     struct expr **out)
{
    kdk_status status = bind_enter(b, ast->at);
    if (status != KDK_OK)
        return status;
    status = bind_kind(b, scope, ast, out);
    bind_leave(b);
    return status;
}

kdk_status bind_condition(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                          enum clause clause, struct expr **out)
{
    kdk_status status = KDK_OK;
    enum clause before = scope->clause;
    scope->clause = clause;
    TRY(bind_expr(b, scope, ast, out));
    TRY(coerce_boolean(b, out, clause == CLAUSE_CHECK ? "CHECK" : clause_text(clause)));
out:
    scope->clause = before;
    return status;
}
