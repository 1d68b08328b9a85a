#include "plan/plan.h"

#include "plan/plan_int.h"
#include "sql/bind.h"

static kdk_status fold_slot(void *context, struct expr **slot, struct err *err)
{
    struct plan *plan = context;
    return plan->env->fold(slot, plan->env->eval, plan->arena, err);
}

static void number(struct rel *rel, uint32_t *next)
{
    rel->phys.id = ++*next;
    for (uint32_t i = 0; i < rel->cte_count; i++)
        number(rel->ctes[i]->rel, next);
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            number(rel->in[i], next);
}

/* In the tiny build every plan is looked over after each pass. */
static kdk_status checked(const struct bound_stmt *stmt, const char *pass,
                          struct arena *arena, struct err *err)
{
    kdk_status status = KDK_TINY ? bound_check(stmt, arena, err) : KDK_OK;
    if (status != KDK_OK)
        err_while(err, "checking the plan after %s", pass);
    return status;
}

kdk_status plan_optimize(struct bound_stmt *stmt, const struct plan_env *env,
                         struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct plan plan = {.stmt = stmt, .env = env, .arena = arena};
    uint32_t next = 0;

    if (!stmt->root)
        return KDK_OK;
    if (env->optimize && env->fold)
        TRY(plan_rel_each_expr_deep(&plan, stmt->root, fold_slot, &plan, err));
    TRY(plan_unnest(&plan, &stmt->root, err));
    TRY(checked(stmt, "unnesting", arena, err));
    if (env->optimize) {
        TRY(plan_push(&plan, &stmt->root, err));
        TRY(checked(stmt, "pushing conditions down", arena, err));
        TRY(plan_order(&plan, &stmt->root, err));
        TRY(checked(stmt, "ordering joins", arena, err));
    }
    TRY(plan_access(&plan, &stmt->root, err));
    number(stmt->root, &next);
out:
    return status;
}
