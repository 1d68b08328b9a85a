/* eval_scalar.c - the interpreter: one expression on one row, and constant folding with
 * it. */
#include "exec/eval_int.h"

/* Arguments of a call that fit the stack. */
enum { FEW_ARGS = 8 };

bool eval_data_error(kdk_status status)
{
    return status != KDK_OK && strncmp(status_sqlstate(status), "22", 2) == 0;
}

static kdk_status apply_call(const struct expr *e, const struct datum *args,
                             const struct eval_env *env, struct arena *arena,
                             struct datum *out, struct err *err)
{
    const struct fn *fn = &fn_table[e->fn];
    struct fn_call call = {
        .expr = e, .arena = arena, .env = env, .err = err, .status = KDK_OK};

    if (fn->strict)
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (args[i].null) {
                *out = DATUM_NULL;
                return KDK_OK;
            }
    if (!fn_bodies[e->fn])
        return err_set(err, KDK_INTERNAL, "aggregate %s outside of an aggregation",
                       fn->name);
    struct datum result;
    memset(&result, 0, sizeof result);
    if (!fn_bodies[e->fn](&call, args, &result)) {
        err_at(err, e->offset);
        return call.status;
    }
    *out = result;
    return KDK_OK;
}

static kdk_status apply_cast(const struct expr *e, const struct datum *arg,
                             struct arena *arena, struct datum *out, struct err *err)
{
    kdk_status status = eval_cast(e->args[0]->type, e->type, cast_context_of(e), arg, arena,
                                  out, e->cast_try ? NULL : err);
    if (e->cast_try && eval_data_error(status)) {
        *out = DATUM_NULL;
        return KDK_OK;
    }
    if (status != KDK_OK)
        err_at(err, e->offset);
    return status;
}

static enum truth apply_in(const struct expr *e, const struct datum *args)
{
    enum truth found = TRUTH_FALSE;
    if (args[0].null)
        return e->arg_count > 1 ? TRUTH_NULL : TRUTH_FALSE;
    for (uint32_t i = 1; i < e->arg_count; i++) {
        if (args[i].null)
            found = TRUTH_NULL;
        else if (value_compare(e->args[0]->type, &args[0], e->args[i]->type, &args[i]) == 0)
            return TRUTH_TRUE;
    }
    return found;
}

kdk_status eval_apply(const struct expr *e, const struct datum *args,
                      const struct eval_env *env, struct arena *arena, struct datum *out,
                      struct err *err)
{
    switch (e->kind) {
    case EX_CALL:
        return apply_call(e, args, env, arena, out, err);
    case EX_CAST:
        return apply_cast(e, args, arena, out, err);
    case EX_NOT:
        *out = args[0].null ? DATUM_NULL : (struct datum){.i = !args[0].i};
        return KDK_OK;
    case EX_IS_NULL:
        *out = (struct datum){.i = args[0].null};
        return KDK_OK;
    case EX_IS_NOT_NULL:
        *out = (struct datum){.i = !args[0].null};
        return KDK_OK;
    case EX_IS_TRUE:
        *out = (struct datum){.i = !args[0].null && args[0].i};
        return KDK_OK;
    case EX_IS_DISTINCT: {
        bool distinct = args[0].null || args[1].null
                            ? args[0].null != args[1].null
                            : value_compare(e->args[0]->type, &args[0], e->args[1]->type,
                                            &args[1]) != 0;
        *out = (struct datum){.i = distinct};
        return KDK_OK;
    }
    case EX_IN:
        *out = truth_datum(apply_in(e, args));
        return KDK_OK;
    case EX_CONST:
    case EX_COLUMN:
    case EX_PARAM:
    case EX_AND:
    case EX_OR:
    case EX_CASE:
    case EX_COALESCE:
    case EX_SUBQUERY:
        break;
    }
    return err_set(err, KDK_INTERNAL, "expression kind %d is not applied to values",
                   (int)e->kind);
}

/* AND stops at the first false, OR at the first true. */
static kdk_status eval_junction(const struct expr *e, const struct eval_row *row,
                                const struct eval_env *env, struct arena *arena,
                                struct datum *out, struct err *err)
{
    kdk_status status = KDK_OK;
    enum truth stop = e->kind == EX_AND ? TRUTH_FALSE : TRUTH_TRUE;
    enum truth result = e->kind == EX_AND ? TRUTH_TRUE : TRUTH_FALSE;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        struct datum v;
        TRY(eval_scalar(e->args[i], row, env, arena, &v, err));
        if (truth_of(&v) == stop) {
            result = stop;
            break;
        }
        if (v.null)
            result = TRUTH_NULL;
    }
    *out = truth_datum(result);
out:
    return status;
}

kdk_status eval_scalar(const struct expr *e, const struct eval_row *row,
                       const struct eval_env *env, struct arena *arena, struct datum *out,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    switch (e->kind) {
    case EX_CONST:
        *out = e->value;
        return KDK_OK;
    case EX_COLUMN:
        if (!row || !row->column)
            return err_set(err, KDK_INTERNAL, "a column where there is no row");
        *out = row->column(row->context, e->column);
        return KDK_OK;
    case EX_PARAM:
        if (!env || e->param >= env->param_count)
            return err_set(err, KDK_UNDEFINED_PARAMETER, "there is no parameter $%u",
                           e->param + 1);
        *out = env->params[e->param];
        return KDK_OK;
    case EX_AND:
    case EX_OR:
        return eval_junction(e, row, env, arena, out, err);
    case EX_CASE:
        for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
            struct datum when;
            TRY(eval_scalar(e->args[i], row, env, arena, &when, err));
            if (!when.null && when.i)
                return eval_scalar(e->args[i + 1], row, env, arena, out, err);
        }
        return eval_scalar(e->args[e->arg_count - 1], row, env, arena, out, err);
    case EX_COALESCE:
        for (uint32_t i = 0; i < e->arg_count; i++) {
            TRY(eval_scalar(e->args[i], row, env, arena, out, err));
            if (!out->null)
                return KDK_OK;
        }
        *out = DATUM_NULL;
        return KDK_OK;
    case EX_CALL:
    case EX_CAST:
    case EX_NOT:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
    case EX_IS_DISTINCT:
    case EX_IN: {
        struct datum few[FEW_ARGS], *args = few;
        if (e->arg_count > FEW_ARGS)
            TRY_MEM(args = arena_alloc(arena, size_mul(e->arg_count, sizeof *args)));
        for (uint32_t i = 0; i < e->arg_count; i++)
            TRY(eval_scalar(e->args[i], row, env, arena, &args[i], err));
        TRY(eval_apply(e, args, env, arena, out, err));
        break;
    }
    case EX_SUBQUERY:
        return err_set(err, KDK_UNSUPPORTED, "a subquery is not supported here");
    }
out:
    return status;
}

/* ----------------------------------------------------------------- folding ---- */

static struct expr *constant(const struct expr *like, struct datum value,
                             struct arena *arena)
{
    struct expr *c = ARENA_NEW(arena, struct expr);
    if (c) {
        c->kind = EX_CONST;
        c->type = like->type;
        c->offset = like->offset;
        c->value = value;
    }
    return c;
}

static bool is_constant(const struct expr *e)
{
    return e->kind == EX_CONST;
}

static bool all_constant(const struct expr *e)
{
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (!is_constant(e->args[i]))
            return false;
    return true;
}

/* Flags of a node whose arguments may have become constants. */
static void update_flags(struct expr *e)
{
    bool can_fail = false, is_volatile = false;
    if (e->kind == EX_SUBQUERY)
        return;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        can_fail |= e->args[i]->can_fail;
        is_volatile |= e->args[i]->is_volatile;
    }
    if (e->kind == EX_CALL) {
        struct ltype types[FN_ARGS_MAX];
        const struct datum *constants[FN_ARGS_MAX];
        is_volatile |= fn_table[e->fn].volatility == FN_VOLATILE;
        if (e->arg_count <= FN_ARGS_MAX) {
            for (uint32_t i = 0; i < e->arg_count; i++) {
                types[i] = e->args[i]->type;
                constants[i] = is_constant(e->args[i]) ? &e->args[i]->value : NULL;
            }
            can_fail |= fn_call_can_fail(e->fn, types, constants, e->arg_count);
        } else {
            can_fail |= fn_table[e->fn].can_fail;
        }
    }
    if (e->kind == EX_CAST)
        can_fail |= !e->cast_try && cast_can_fail(e->args[0]->type, e->type);
    e->can_fail = can_fail;
    e->is_volatile = is_volatile;
}

/* AND, OR: constants decide or vanish. CASE: arms that cannot be reached vanish. COALESCE:
 * likewise. True: *expr is something else now. */
static void simplify(struct expr **expr)
{
    struct expr *e = *expr;
    uint32_t kept = 0;
    switch (e->kind) {
    case EX_AND:
    case EX_OR: {
        int64_t decides = e->kind == EX_OR;
        for (uint32_t i = 0; i < e->arg_count; i++) {
            struct expr *a = e->args[i];
            if (is_constant(a) && !a->value.null && a->value.i == decides) {
                *expr = a;
                return;
            }
            if (!is_constant(a) || a->value.null || e->arg_count == 1)
                e->args[kept++] = a;
            else if (i + 1 == e->arg_count && kept == 0)
                e->args[kept++] = a; /* All of them are neutral. */
        }
        e->arg_count = kept;
        if (kept == 1)
            *expr = e->args[0];
        return;
    }
    case EX_CASE:
        for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
            struct expr *when = e->args[i], *then = e->args[i + 1];
            if (!is_constant(when)) {
                e->args[kept++] = when;
                e->args[kept++] = then;
            } else if (!when->value.null && when->value.i) {
                e->args[kept++] = then;
                e->arg_count = kept;
                break;
            }
        }
        if (kept % 2 == 0) {
            e->args[kept++] = e->args[e->arg_count - 1];
            e->arg_count = kept;
        }
        if (kept == 1 && ltype_equal(e->args[0]->type, e->type))
            *expr = e->args[0];
        return;
    case EX_COALESCE:
        for (uint32_t i = 0; i < e->arg_count; i++) {
            struct expr *a = e->args[i];
            if (is_constant(a) && a->value.null && i + 1 < e->arg_count)
                continue;
            e->args[kept++] = a;
            if (is_constant(a) && !a->value.null)
                break;
        }
        e->arg_count = kept;
        if (kept == 1 && ltype_equal(e->args[0]->type, e->type))
            *expr = e->args[0];
        return;
    case EX_CONST:
    case EX_COLUMN:
    case EX_PARAM:
    case EX_CALL:
    case EX_CAST:
    case EX_NOT:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
    case EX_IS_DISTINCT:
    case EX_IN:
    case EX_SUBQUERY:
        return;
    }
}

kdk_status eval_fold(struct expr **expr, const struct eval_env *env, struct arena *arena,
                     struct err *err)
{
    kdk_status status = KDK_OK;
    struct expr *e = *expr;

    for (uint32_t i = 0; i < e->arg_count; i++)
        TRY(eval_fold(&e->args[i], env, arena, err));
    if (e->kind == EX_CONST || e->kind == EX_COLUMN || e->kind == EX_PARAM ||
        e->kind == EX_SUBQUERY)
        goto out;
    update_flags(e);
    simplify(expr);
    if (*expr != e)
        goto out;
    if (e->kind == EX_CALL && fn_table[e->fn].kind == FN_SCALAR && fn_table[e->fn].strict)
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (is_constant(e->args[i]) && e->args[i]->value.null) {
                /* NULL whatever the others are; they are not evaluated, as in
                 * PostgreSQL. */
                TRY_MEM(*expr = constant(e, DATUM_NULL, arena));
                goto out;
            }
    if (!all_constant(e))
        goto out;
    if (e->kind == EX_CALL &&
        (fn_table[e->fn].volatility != FN_IMMUTABLE || fn_table[e->fn].kind != FN_SCALAR))
        goto out;

    struct datum value, copy;
    kdk_status done = eval_scalar(e, NULL, env, arena, &value, NULL);
    if (done == KDK_NOMEM)
        TRY(err_nomem(err));
    if (done == KDK_OK) {
        if (!datum_copy(arena, e->type, value, &copy))
            TRY(err_nomem(err));
        TRY_MEM(*expr = constant(e, copy, arena));
    }
out:
    return status;
}
