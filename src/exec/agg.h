/* agg.h - aggregate functions: states, how rows enter them, how they are combined and read.
 *
 * The aggregate operator keeps one state per group and call, anywhere it likes (a row page,
 * an array), and hands over rows either as a batch for one group, as a batch with one state
 * per row, or one by one. NULL arguments are skipped here, as the function list says;
 * DISTINCT, FILTER and ORDER BY are the operator's: it hands over only the rows that count,
 * in their order.
 *
 * Invariants
 *   G1  However rows are cut into calls, and states into combines, the answer is the same
 *       (floats: but for rounding; string_agg: in the order of updates and combines).
 *   G2  A zeroed state is a fresh one.
 *   G3  A state with `flat` set holds no pointer: it may be copied, written out and read
 *       back as bytes. Others point into the arena that the updates were given, which must
 *       live as long as the state.
 * Threads  A struct agg is immutable once made; a state belongs to one thread at a time.
 */
#ifndef KDK_EXEC_AGG_H
#define KDK_EXEC_AGG_H

#include "catalog/fn.h"
#include "vec/vec.h"

enum { AGG_STATE_ALIGN = 16, AGG_ARGS_MAX = 2 };

struct agg_body; /* Private: the functions behind an aggregate. */
struct agg {
    uint32_t fn; /* enum fn_id */
    uint32_t arg_count;
    struct ltype args[AGG_ARGS_MAX];
    struct ltype result;
    uint32_t state_bytes; /* A multiple of AGG_STATE_ALIGN. */
    bool flat;
    const struct agg_body *body;
};

/* `args` are the types of the bound arguments, `result` what fn_result() says for them.
 * KDK_INTERNAL when fn is no aggregate. */
kdk_status agg_init(struct agg *agg, uint32_t fn, const struct ltype *args,
                    uint32_t arg_count, struct ltype result,
                    struct err *err) KDK_MUST_CHECK;

/* Adds the selected rows of the argument vectors (any form but lazy) to one state. Errors:
 * 22003, NOMEM, 54000 (string_agg too long). */
kdk_status agg_update(const struct agg *agg, void *state, struct vec *const *args,
                      const struct sel *sel, struct arena *arena,
                      struct err *err) KDK_MUST_CHECK;
/* Adds the k-th selected row to the state at (char *)groups[k] + offset, for all k below
 * sel->count. */
kdk_status agg_update_groups(const struct agg *agg, void *const *groups, size_t offset,
                             struct vec *const *args, const struct sel *sel,
                             struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* Adds one row. */
kdk_status agg_update_row(const struct agg *agg, void *state, const struct datum *args,
                          struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* Adds what `from` has seen to `into`, after what `into` has seen. `from` stays valid;
 * `into` may point into from's arena unless `arena` is another one that is to own
 * everything: strings are copied to `arena`. */
kdk_status agg_combine(const struct agg *agg, void *into, const void *from,
                       struct arena *arena, struct err *err) KDK_MUST_CHECK;
/* The answer, of type agg->result. Strings point into the state's arena; the state stays as
 * it is. */
kdk_status agg_finish(const struct agg *agg, const void *state, struct datum *out,
                      struct err *err) KDK_MUST_CHECK;

#endif
