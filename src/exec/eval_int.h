/* eval_int.h - what the files of eval share. Private to exec. */
#ifndef KDK_EXEC_EVAL_INT_H
#define KDK_EXEC_EVAL_INT_H

#include "exec/eval.h"
#include "exec/fn_body.h"

/* Three-valued truth. */
enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_NULL };
static inline enum truth truth_of(const struct datum *v)
{
    return v->null ? TRUTH_NULL : v->i ? TRUTH_TRUE : TRUTH_FALSE;
}
static inline struct datum truth_datum(enum truth t)
{
    return t == TRUTH_NULL ? DATUM_NULL : (struct datum){.i = t == TRUTH_TRUE};
}

/* Which cast an EX_CAST is. */
static inline enum cast_context cast_context_of(const struct expr *e)
{
    return e->cast_explicit || e->type.id != LT_TEXT ? CAST_EXPLICIT : CAST_ASSIGNMENT;
}

/* Applies one node to the values of its arguments: EX_CALL, EX_CAST, EX_NOT, EX_IS_*,
 * EX_IN; a NULL argument of a strict function included. The lazy ones (AND, OR, CASE,
 * COALESCE) are the evaluators' own. */
kdk_status eval_apply(const struct expr *e, const struct datum *args,
                      const struct eval_env *env, struct arena *arena, struct datum *out,
                      struct err *err) KDK_MUST_CHECK;
/* Is this an error of the data, which TRY_CAST turns into NULL? */
bool eval_data_error(kdk_status status);

#endif
