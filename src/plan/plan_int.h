/* plan_int.h - what the passes of plan share. Passes run in the order of the files below;
 * each takes and returns whole trees. */
#ifndef KDK_PLAN_PLAN_INT_H
#define KDK_PLAN_PLAN_INT_H

#include "plan/plan.h"

struct plan {
    struct bound_stmt *stmt;
    const struct plan_env *env;
    struct arena *arena;
    uint32_t depth;
};

/* A set of colids; grows as the statement gets new ones. */
struct colset {
    uint64_t *words;
    uint32_t count; /* words */
};

/* A list of expressions in the arena. */
struct exprs {
    struct expr **list;
    uint32_t count, room;
};

/* ---- tree.c: sets, walks, construction ---- */
bool colset_has(const struct colset *set, colid id);
kdk_status colset_add(struct plan *plan, struct colset *set, colid id, struct err *err);
/* subqueries' free columns too */
kdk_status colset_add_expr(struct plan *plan, struct colset *set, const struct expr *expr,
                           struct err *err);
bool colset_meets(const struct colset *a, const struct colset *b);
bool colset_covers(const struct colset *all, const struct colset *part);
/* All columns that the tree makes, at any depth of it; and those that it hands on at its
 * top. */
kdk_status plan_rel_made(struct plan *plan, const struct rel *rel, struct colset *set,
                         struct err *err);
kdk_status plan_rel_visible(struct plan *plan, const struct rel *rel, struct colset *set,
                            struct err *err);
/* Columns that the tree names but does not make. */
kdk_status plan_rel_free(struct plan *plan, const struct rel *rel, struct colset *set,
                         struct err *err);
kdk_status plan_expr_used(struct plan *plan, const struct expr *expr, struct colset *set,
                          struct err *err);

/* Calls `each` for every expression slot of this operator (not of those below), and of CTEs
 * none. */
typedef kdk_status (*expr_slot_fn)(void *context, struct expr **slot, struct err *err);
kdk_status plan_rel_each_expr(struct rel *rel, expr_slot_fn each, void *context,
                              struct err *err);
/* ... of all operators of the tree, subqueries' too. */
kdk_status plan_rel_each_expr_deep(struct plan *plan, struct rel *rel, expr_slot_fn each,
                                   void *context, struct err *err);

kdk_status exprs_add(struct plan *plan, struct exprs *list, struct expr *expr,
                     struct err *err);
/* Splits ANDs. */
kdk_status exprs_add_split(struct plan *plan, struct exprs *list, struct expr *expr,
                           struct err *err);

/* NULL: no memory */
struct rel *plan_rel_new(struct plan *plan, enum rel_kind kind, struct rel *left,
                         struct rel *right);
struct expr *plan_expr_new(struct plan *plan, enum expr_kind kind, struct ltype type,
                           uint32_t arg_count);
struct expr *plan_expr_column(struct plan *plan, colid id, struct ltype type);
/* of one type */
struct expr *plan_expr_compare(struct plan *plan, enum fn_comparison kind, struct expr *a,
                               struct expr *b);
/* count 1: itself */
struct expr *plan_expr_and(struct plan *plan, struct expr **list, uint32_t count);
/* deep; subqueries are shared: do not copy those */
struct expr *plan_expr_copy(struct plan *plan, const struct expr *expr);
bool plan_expr_equal(const struct expr *a, const struct expr *b);
bool plan_expr_has_subquery(const struct expr *expr);
bool plan_expr_is_true(const struct expr *expr); /* the constant true */
/* can_fail and is_volatile from its arguments and itself */
void plan_expr_flags(struct expr *expr);
colid plan_colid_new(struct plan *plan);
/* A filter above, or the same tree for no conditions. */
kdk_status plan_rel_filter(struct plan *plan, struct rel *in, const struct exprs *conds,
                           struct rel **out, struct err *err);

/* Replaces column `from[i]` by to[i] in an expression (in place). */
struct colmap {
    colid *from, *to;
    uint32_t count, room;
};
kdk_status colmap_add(struct plan *plan, struct colmap *map, colid from, colid to,
                      struct err *err);
colid colmap_get(const struct colmap *map, colid id); /* or id itself */
void plan_expr_rename(struct expr *expr, const struct colmap *map);
kdk_status plan_rel_rename_free(struct plan *plan, struct rel *rel,
                                const struct colmap *map, struct err *err);

/* ---- unnest.c ---- */
kdk_status plan_unnest(struct plan *plan, struct rel **rel, struct err *err);
/* ---- values.c ---- */
kdk_status plan_values_to_projects(struct plan *plan, struct rel **slot, struct err *err);
/* ---- push.c ---- */
kdk_status plan_push(struct plan *plan, struct rel **rel, struct err *err);
/* ---- order.c ---- */
kdk_status plan_order(struct plan *plan, struct rel **rel, struct err *err);
double plan_rows(struct plan *plan, struct rel *rel); /* estimate, kept in rel->phys.rows */
double plan_selectivity(struct plan *plan, const struct expr *cond, struct rel *rel);
/* ---- access.c ---- */
kdk_status plan_access(struct plan *plan, struct rel **rel, struct err *err);

#endif
