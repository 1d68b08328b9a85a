/* bind_call.c - functions, operators, aggregates.
 *
 * An aggregate belongs to the innermost SELECT that one of its columns comes from (the one
 * around it when it has none): there it becomes a relagg, and what is left in its place is
 * a mention of the column that the aggregation makes.
 */
#include "sql/bind_int.h"

enum { CALL_ARGS_MAX = 100 }; /* PostgreSQL's FUNC_MAX_ARGS. */

static bool named_aggregate(const char *name)
{
    const uint32_t *ids;
    uint32_t count;
    fn_by_name(name, &ids, &count);
    return count > 0 && fn_table[ids[0]].kind == FN_AGGREGATE;
}

bool call_is_aggregate(const struct ast_expr *ast)
{
    return ast->kind == AST_CALL && named_aggregate(ast_last(&ast->call->name)->text);
}

/* CHAR(n) means its padding to few: these see it. */
static bool sees_padding(uint32_t fn)
{
    return fn == FN_LIKE || fn == FN_LIKE_ESCAPE || fn == FN_ILIKE ||
           fn == FN_ILIKE_ESCAPE || fn == FN_NOT_LIKE || fn == FN_NOT_ILIKE ||
           fn == FN_OCTET_LENGTH;
}

/* A CHAR(n) as a text of n characters. */
kdk_status bind_padded(struct binder *b, struct expr **e)
{
    kdk_status status = KDK_OK;
    struct expr *args[2] = {*e, NULL};
    if ((*e)->type.id != LT_TEXT || !(*e)->type.fixed || !(*e)->type.length)
        return KDK_OK;
    TRY_NEW(args[1] =
                expr_const(b, LTYPE(INTEGER), (struct datum){.i = (*e)->type.length}, 0));
    args[1]->offset = (*e)->offset;
    TRY(bind_function(b, "rpad", false, args, 2, 0, e));
    (*e)->offset = args[0]->offset;
out:
    return status;
}

/* Finds the entry, converts the arguments, and says what comes out. */
static kdk_status resolve(struct binder *b, const char *name, bool is_operator,
                          struct expr **args, uint32_t count, uint32_t at, uint32_t *id,
                          struct ltype *result)
{
    kdk_status status = KDK_OK;
    struct ltype *types = ARRAY(struct ltype, (size_t)count * 2 + 1),
                 *cast_to = types + count;
    bool literal = false;
    TRY_NEW(types);

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < count; i++) {
            types[i] = args[i]->type;
            literal |= types[i].id == LT_UNKNOWN;
        }
        TRY_AT(bind_at(b, at),
               fn_resolve(name, is_operator, types, count, id, cast_to, b->err));
        const bool compares = fn_comparison_kind(*id) != CMP_NONE;
        if (sees_padding(*id))
            TRY(bind_padded(b, &args[0]));
        for (uint32_t i = 0; i < count; i++) {
            /* A whole constant has fewer digits than its type: products stay within 38 for
             * longer. Not where all arguments are to have one type. */
            if (!compares && fn_table[*id].result_rule != FN_RET_COMMON &&
                cast_to[i].id == LT_NUMERIC && args[i]->kind == EX_CONST &&
                ltype_is_integer(args[i]->type))
                cast_to[i] = LTYPE(NUMERIC);
            TRY(coerce(b, &args[i], cast_to[i], CAST_IMPLICIT));
        }
        /* A literal that became NUMERIC has a scale only now, and comparisons want one
         * scale on both sides. */
        if (!literal || !compares || args[0]->type.id != LT_NUMERIC)
            break;
    }

    const struct datum *constants[FN_ARGS_MAX] = {NULL};
    for (uint32_t i = 0; i < count; i++) {
        types[i] = args[i]->type;
        if (i < FN_ARGS_MAX)
            constants[i] = args[i]->kind == EX_CONST ? &args[i]->value : NULL;
    }
    *result =
        fn_result(*id, types, count,
                  fn_result_digits(*id, constants, MIN(count, (uint32_t)FN_ARGS_MAX)));
out:
    return status;
}

kdk_status bind_function(struct binder *b, const char *name, bool is_operator,
                         struct expr **args, uint32_t count, uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct ltype type;
    uint32_t id;
    struct expr *e;
    TRY_NEW(e = expr_new(b, EX_CALL, LTYPE(UNKNOWN), at, count));
    if (count)
        memcpy(e->args, args, count * sizeof *args);
    TRY(resolve(b, name, is_operator, e->args, count, at, &id, &type));
    e->fn = id;
    e->type = type;
    expr_flags(e);
    *out = e;
out:
    return status;
}

/* ---- aggregates ---- */

struct owner_search {
    struct binder *b;
    struct scope *innermost, *owner;
    const struct expr *nested; /* An aggregate among the arguments. */
};

static uint32_t levels_up(const struct scope *from, uint32_t id)
{
    uint32_t n = 0;
    for (; from; from = from->outer, n++)
        if (from->id == id)
            return n;
    return UINT32_MAX;
}

static kdk_status find_owner(struct walk *walk, struct expr **e, bool *deeper)
{
    struct owner_search *search = walk->context;
    if ((*e)->kind != EX_COLUMN)
        return KDK_OK;
    (void)deeper;
    const struct colinfo *col = &search->b->cols[(*e)->column];
    uint32_t level = levels_up(search->innermost, col->scope);
    if (col->scope == 0 || level == UINT32_MAX)
        return KDK_OK; /* Made inside of the arguments, by a subquery. */
    if (!search->owner || level < levels_up(search->innermost, search->owner->id)) {
        struct scope *s = search->innermost;
        while (s->id != col->scope)
            s = s->outer;
        search->owner = s;
    }
    return KDK_OK;
}

static kdk_status find_nested(struct walk *walk, struct expr **e, bool *deeper)
{
    struct owner_search *search = walk->context;
    (void)deeper;
    if ((*e)->kind == EX_COLUMN && search->b->cols[(*e)->column].aggregate &&
        search->b->cols[(*e)->column].scope == search->owner->id)
        search->nested = *e;
    return KDK_OK;
}

static kdk_status walk_agg(struct walk *walk, struct relagg *agg)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < agg->arg_count; i++)
        TRY(walk_expr(walk, &agg->args[i]));
    for (uint32_t i = 0; i < agg->order_count; i++)
        TRY(walk_expr(walk, &agg->order[i].expr));
    if (agg->filter)
        TRY(walk_expr(walk, &agg->filter));
out:
    return status;
}

static bool same_agg(const struct relagg *a, const struct relagg *b)
{
    if (a->fn != b->fn || a->distinct != b->distinct || a->arg_count != b->arg_count ||
        a->order_count != b->order_count || !a->filter != !b->filter ||
        (a->filter && (a->filter->is_volatile || !expr_equal(a->filter, b->filter))))
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (a->args[i]->is_volatile || !expr_equal(a->args[i], b->args[i]))
            return false;
    for (uint32_t i = 0; i < a->order_count; i++)
        if (a->order[i].descending != b->order[i].descending ||
            a->order[i].nulls_first != b->order[i].nulls_first ||
            !expr_equal(a->order[i].expr, b->order[i].expr))
            return false;
    return true;
}

static kdk_status agg_allowed(struct binder *b, const struct scope *owner, uint32_t at)
{
    kdk_status status = KDK_OK;
    switch (owner->clause) {
    case CLAUSE_SELECT:
    case CLAUSE_HAVING:
    case CLAUSE_ORDER_BY:
    case CLAUSE_DISTINCT_ON:
        if (owner->select)
            return KDK_OK;
        break;
    case CLAUSE_ON:
        FAIL_AT(at, KDK_GROUPING, "aggregate functions are not allowed in JOIN conditions");
    case CLAUSE_FROM_FUNCTION:
    case CLAUSE_NONE:
    case CLAUSE_WHERE:
    case CLAUSE_GROUP_BY:
    case CLAUSE_LIMIT:
    case CLAUSE_OFFSET:
    case CLAUSE_VALUES:
    case CLAUSE_INSERT:
    case CLAUSE_UPDATE:
    case CLAUSE_RETURNING:
    case CLAUSE_FILTER:
    case CLAUSE_DEFAULT:
    case CLAUSE_CHECK:
    case CLAUSE_USING:
    case CLAUSE_COPY_WHERE:
    case CLAUSE_EXECUTE:
        break;
    }
    FAIL_AT(at, KDK_GROUPING, "aggregate functions are not allowed in %s",
            clause_text(owner->clause));
out:
    return status;
}

static kdk_status agg_add(struct binder *b, struct scope *owner, const struct relagg *agg,
                          colid *out)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < owner->agg_count; i++)
        if (same_agg(&owner->aggs[i], agg)) {
            *out = owner->aggs[i].id;
            return KDK_OK;
        }
    if (owner->agg_count == owner->agg_cap) {
        uint32_t cap = owner->agg_cap ? owner->agg_cap * 2 : 4;
        struct relagg *aggs = ARRAY(struct relagg, cap);
        TRY_NEW(aggs);
        if (owner->agg_count)
            memcpy(aggs, owner->aggs, owner->agg_count * sizeof *aggs);
        owner->aggs = aggs;
        owner->agg_cap = cap;
    }
    colid id = bind_colid(b);
    if (!id)
        TRY(err_nomem(b->err));
    b->cols[id].scope = owner->id;
    b->cols[id].aggregate = true;
    b->cols[id].name = fn_table[agg->fn].name;
    owner->aggs[owner->agg_count] = *agg;
    owner->aggs[owner->agg_count++].id = id;
    *out = id;
out:
    return status;
}

static kdk_status bind_aggregate(struct binder *b, struct scope *scope,
                                 const struct ast_expr *ast, const char *name,
                                 struct expr **args, struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ast_call *call = ast->call;
    const uint32_t count = call->args.count, at = bind_at(b, ast->at);
    struct relagg agg = {
        .distinct = call->distinct, .args = args, .arg_count = count, .offset = at};
    enum clause before = scope->clause;

    if (!call->star && count == 0)
        FAIL_AT(at, KDK_WRONG_OBJECT_TYPE,
                "%s(*) must be used to call a parameterless aggregate function", name);
    if (call->within_group.count)
        FAIL_AT(at, KDK_UNSUPPORTED, "WITHIN GROUP is not supported");
    TRY(resolve(b, name, false, args, count, ast->at, &agg.fn, &agg.type));
    if (call->order_by.count) {
        agg.order_count = call->order_by.count;
        TRY_NEW(agg.order = ARRAY(struct relkey, agg.order_count));
        for (uint32_t i = 0; i < agg.order_count; i++) {
            const struct ast_sort *sort = &call->order_by.items[i];
            struct relkey *key = &agg.order[i];
            TRY(bind_expr(b, scope, sort->expr, &key->expr));
            TRY(coerce_unknown(b, &key->expr));
            key->descending = sort->descending;
            key->nulls_first = sort->nulls == AST_NULLS_DEFAULT
                                   ? sort->descending
                                   : sort->nulls == AST_NULLS_FIRST;
            bool among = false;
            for (uint32_t k = 0; k < count; k++)
                among |= expr_equal(args[k], key->expr);
            if (agg.distinct && !among)
                FAIL_AT(key->expr->offset, KDK_INVALID_COLUMN_REFERENCE,
                        "in an aggregate with DISTINCT, ORDER BY expressions must appear "
                        "in argument list");
        }
    }
    if (call->filter) {
        status = bind_condition(b, scope, call->filter, CLAUSE_FILTER, &agg.filter);
        scope->clause = before;
        if (status != KDK_OK)
            goto out;
    }

    struct owner_search search = {.b = b, .innermost = scope};
    struct walk walk = {.each = find_owner, .context = &search};
    TRY(walk_agg(&walk, &agg));
    for (struct scope *s = scope; s && !search.owner; s = s->outer)
        search.owner = s;
    walk.each = find_nested;
    TRY(walk_agg(&walk, &agg));
    if (search.nested)
        FAIL_AT(search.nested->offset, KDK_GROUPING,
                "aggregate function calls cannot be nested");
    TRY(agg_allowed(b, search.owner, at));

    colid id;
    TRY(agg_add(b, search.owner, &agg, &id));
    TRY_NEW(*out = expr_column(b, id, agg.type, ast->at));
out:
    return status;
}

/* ---- calls ---- */

/* substring(text, text [, text]) takes a regular expression, also where the literals are
 * untyped. */
static bool is_pattern(struct expr *const *args, uint32_t count)
{
    if (count < 2 || count > 3 || args[0]->type.id == LT_BYTEA)
        return false;
    for (uint32_t i = 1; i < count; i++)
        if (args[i]->type.id != LT_TEXT && args[i]->type.id != LT_UNKNOWN)
            return false;
    return !(args[1]->kind == EX_CONST && args[1]->value.null);
}

kdk_status bind_call(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                     struct expr **out)
{
    kdk_status status = KDK_OK;
    const struct ast_call *call = ast->call;
    const char *name = ast_last(&call->name)->text;
    const uint32_t at = bind_at(b, ast->at), count = call->args.count;
    bool aggregate = named_aggregate(name);

    if (call->name.count > 2 ||
        (call->name.count == 2 && strcmp(call->name.parts[0].text, "pg_catalog") != 0)) {
        if (call->name.count == 2 &&
            !catver_schema_exists(b->env->catver, call->name.parts[0].text))
            FAIL_AT(at, KDK_UNDEFINED_SCHEMA, "schema \"%s\" does not exist",
                    call->name.parts[0].text);
        FAIL_AT(at, KDK_UNDEFINED_FUNCTION, "function %s does not exist",
                bind_name_text(b, &call->name));
    }
    if (call->over)
        FAIL_AT(at, KDK_UNSUPPORTED, "window functions are not supported");
    if (strcmp(name, "grouping") == 0)
        FAIL_AT(at, KDK_UNSUPPORTED, "GROUPING is not supported");
    if (call->arg_names || call->variadic)
        FAIL_AT(at, KDK_UNSUPPORTED,
                call->variadic ? "VARIADIC arguments are not supported"
                               : "named arguments are not supported");
    if (strcmp(name, "generate_series") == 0 || strcmp(name, "unnest") == 0)
        FAIL_AT(at, KDK_UNSUPPORTED, "set-returning functions are supported in FROM only");
    if (count > CALL_ARGS_MAX)
        FAIL_AT(at, KDK_TOO_MANY_ARGUMENTS,
                "cannot pass more than %d arguments to a function", CALL_ARGS_MAX);
    if (!aggregate) {
        const char *what = call->star                 ? "(*)"
                           : call->distinct           ? "DISTINCT"
                           : call->within_group.count ? "WITHIN GROUP"
                           : call->order_by.count     ? "ORDER BY"
                           : call->filter             ? "FILTER"
                                                      : NULL;
        if (call->star)
            FAIL_AT(at, KDK_WRONG_OBJECT_TYPE,
                    "%s(*) specified, but %s is not an aggregate function", name, name);
        if (what)
            FAIL_AT(at, KDK_WRONG_OBJECT_TYPE,
                    "%s specified, but %s is not an aggregate function", what, name);
    }

    struct expr **args = ARRAY(struct expr *, (size_t)count + 1);
    TRY_NEW(args);
    for (uint32_t i = 0; i < count; i++)
        TRY(bind_expr(b, scope, call->args.items[i], &args[i]));
    if ((strcmp(name, "get_bit") == 0 || strcmp(name, "set_bit") == 0) && count > 1 &&
        args[0]->type.id == LT_UNKNOWN)
        /* That is what such a literal is, there. */
        FAIL_AT(at, KDK_UNSUPPORTED, "bit strings are not supported");
    if (strcmp(name, "substring") == 0 && is_pattern(args, count))
        FAIL_AT(at, KDK_UNSUPPORTED, "regular expressions are not supported");
    if (aggregate)
        return bind_aggregate(b, scope, ast, name, args, out);
    TRY(bind_function(b, name, false, args, count, ast->at, out));
out:
    return status;
}
