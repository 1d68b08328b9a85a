/* rel_check.c - is a relational tree sound? Walks it whole and reports the first thing that
 * is not. */
#include "sql/bind.h"

/* A set of column ids. */
struct colset {
    uint64_t *bits;
};

struct check {
    struct arena *arena;
    struct err *err;
    uint32_t words;
    colid end;           /* Ids are below it. */
    struct ltype *types; /* By id; of those that are made. */
    struct colset made;  /* Anywhere so far (R1). */
};

#define BAD(...)                                                                           \
    do {                                                                                   \
        status = err_set(c->err, KDK_INTERNAL, __VA_ARGS__);                               \
        goto out;                                                                          \
    } while (0)
#define TRY_NEW(P)                                                                         \
    do {                                                                                   \
        if ((P) == NULL) {                                                                 \
            status = err_nomem(c->err);                                                    \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

static bool has(const struct colset *set, colid id)
{
    return set->bits[id / 64] >> (id % 64) & 1;
}
static void put(struct colset *set, colid id)
{
    set->bits[id / 64] |= (uint64_t)1 << (id % 64);
}
static kdk_status set_new(struct check *c, const struct colset *a, const struct colset *b,
                          struct colset *out)
{
    kdk_status status = KDK_OK;
    TRY_NEW(out->bits = ARENA_ARRAY(c->arena, uint64_t, c->words));
    for (uint32_t i = 0; i < c->words; i++)
        out->bits[i] = (a ? a->bits[i] : 0) | (b ? b->bits[i] : 0);
out:
    return status;
}

static kdk_status make(struct check *c, colid id, struct ltype type, struct colset *out)
{
    kdk_status status = KDK_OK;
    if (id == 0 || id >= c->end)
        BAD("column id %u is out of range", id);
    if (has(&c->made, id))
        BAD("column #%u is made twice", id);
    if (type.id == LT_UNKNOWN)
        BAD("column #%u has no type", id);
    put(&c->made, id);
    c->types[id] = type;
    put(out, id);
out:
    return status;
}

static kdk_status check_rel(struct check *c, const struct rel *rel,
                            const struct colset *outer, struct colset *out);

static kdk_status check_expr(struct check *c, const struct expr *e,
                             const struct colset *seen)
{
    kdk_status status = KDK_OK;
    struct colset inner;
    TRY_NEW(e);
    if (e->type.id == LT_UNKNOWN)
        BAD("an expression of kind %d has no type", (int)e->kind);
    if (e->kind == EX_COLUMN) {
        if (e->column == 0 || e->column >= c->end || !has(seen, e->column))
            BAD("column #%u is named where it is not made", e->column);
        if (!rel_same_type(e->type, c->types[e->column]))
            BAD("column #%u is named with another type than it is made with", e->column);
    }
    for (uint32_t i = 0; i < e->arg_count; i++) {
        TRY(check_expr(c, e->args[i], seen));
        if ((e->args[i]->can_fail && !e->can_fail) ||
            (e->args[i]->is_volatile && !e->is_volatile))
            BAD("flags of an argument are not those of its expression (kind %d)",
                (int)e->kind);
    }
    switch (e->kind) {
    case EX_AND:
    case EX_OR:
    case EX_NOT:
    case EX_IS_TRUE:
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (e->args[i]->type.id != LT_BOOLEAN)
                BAD("an operand of AND, OR, NOT is not boolean");
        break;
    case EX_IN:
    case EX_IS_DISTINCT:
    case EX_COALESCE:
        for (uint32_t i = 1; i < e->arg_count; i++)
            if (!rel_same_type(e->args[i]->type, e->args[0]->type))
                BAD("arguments of kind %d differ in type", (int)e->kind);
        break;
    case EX_CASE:
        for (uint32_t i = 0; i < e->arg_count; i++) {
            bool when = i % 2 == 0 && i + 1 < e->arg_count;
            if (when ? e->args[i]->type.id != LT_BOOLEAN
                     : !rel_same_type(e->args[i]->type, e->type))
                BAD("branches of CASE differ in type");
        }
        break;
    case EX_CALL: {
        const struct fn *fn = &fn_table[e->fn];
        if (fn->kind != FN_SCALAR)
            BAD("the aggregate %s is called as a function", fn->name);
        for (uint32_t i = 0; i < e->arg_count; i++) {
            uint8_t want = fn->args[MIN(i, (uint32_t)fn->arg_count - 1)];
            if (want != FN_ANY && want != e->args[i]->type.id)
                BAD("argument %u of %s has the wrong type", i + 1, fn->name);
        }
        if (fn_comparison_kind(e->fn) != CMP_NONE &&
            e->args[0]->type.fixed != e->args[1]->type.fixed)
            BAD("the sides of %s differ in type", fn->name);
        break;
    }
    case EX_SUBQUERY:
        TRY(check_rel(c, e->sub.rel, seen, &inner));
        for (uint32_t i = 0; i < (e->sub.kind == SQ_SCALAR ? 1 : e->arg_count); i++)
            if (!has(&inner, e->sub.columns[i]))
                BAD("the subquery does not make its column #%u", e->sub.columns[i]);
        if (e->sub.kind == SQ_SCALAR &&
            !rel_same_type(e->type, c->types[e->sub.columns[0]]))
            BAD("the subquery's column has another type");
        break;
    case EX_CONST:
    case EX_COLUMN:
    case EX_PARAM:
    case EX_CAST:
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
        break;
    }
out:
    return status;
}

static kdk_status check_list(struct check *c, struct expr *const *list, uint32_t count,
                             const struct colset *seen)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < count; i++)
        TRY(check_expr(c, list[i], seen));
out:
    return status;
}

static kdk_status check_conds(struct check *c, const struct rel *rel,
                              const struct colset *seen)
{
    kdk_status status = KDK_OK;
    TRY(check_list(c, rel->conds, rel->cond_count, seen));
    for (uint32_t i = 0; i < rel->cond_count; i++)
        if (rel->conds[i]->type.id != LT_BOOLEAN)
            BAD("a condition is not boolean");
out:
    return status;
}

static kdk_status check_keys(struct check *c, const struct relkey *keys, uint32_t count,
                             const struct colset *seen)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < count; i++)
        TRY(check_expr(c, keys[i].expr, seen));
out:
    return status;
}

static kdk_status make_cols(struct check *c, const struct relcol *cols, uint32_t count,
                            struct colset *out)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < count; i++) {
        if (cols[i].expr && !rel_same_type(cols[i].expr->type, cols[i].type))
            BAD("column #%u has another type than its expression", cols[i].id);
        TRY(make(c, cols[i].id, cols[i].type, out));
    }
out:
    return status;
}

static kdk_status check_dml(struct check *c, const struct rel *rel,
                            const struct colset *seen, struct colset *out)
{
    kdk_status status = KDK_OK;
    const struct rel_dml *dml = rel->dml;
    struct colset fresh, all;
    for (uint32_t i = 0; i < dml->set_count; i++) {
        TRY(check_expr(c, dml->set[i], seen));
        if (!rel_same_type(dml->set[i]->type,
                           rel->table->columns[dml->set_columns[i]].type))
            BAD("column \"%s\" is set to another type",
                rel->table->columns[dml->set_columns[i]].name);
    }
    if (dml->rowid && !has(seen, dml->rowid))
        BAD("the row id #%u is not made", dml->rowid);
    TRY(set_new(c, NULL, NULL, &fresh));
    for (uint32_t i = 0; i < rel->table->column_count; i++) {
        bool set = false;
        for (uint32_t k = 0; k < dml->set_count; k++)
            set |= dml->set_columns[k] == i;
        if (dml->old[i] && !has(seen, dml->old[i]))
            BAD("the old value #%u is not made", dml->old[i]);
        if (dml->fresh[i] && !set && !dml->old[i])
            BAD("the fresh column #%u comes from nowhere", dml->fresh[i]);
        if (dml->fresh[i])
            TRY(make(c, dml->fresh[i], rel->table->columns[i].type, &fresh));
    }
    TRY(check_list(c, dml->checks, dml->check_count, &fresh));
    TRY(set_new(c, seen, &fresh, &all));
    for (uint32_t i = 0; i < dml->returning_count; i++)
        TRY(check_expr(c, dml->returning[i].expr, &all));
    TRY(make_cols(c, dml->returning, dml->returning_count, out));
out:
    return status;
}

static kdk_status check_setop(struct check *c, const struct rel *rel,
                              const struct colset *left, const struct colset *right,
                              struct colset *out)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++) {
        if (!has(left, rel->left[i]) || !has(right, rel->right[i]))
            BAD("an input of a set operation does not make its column %u", i);
        if (!rel_same_type(c->types[rel->left[i]], rel->cols[i].type) ||
            !rel_same_type(c->types[rel->right[i]], rel->cols[i].type))
            BAD("column %u of a set operation differs in type", i);
    }
    TRY(make_cols(c, rel->cols, rel->col_count, out));
out:
    return status;
}

static kdk_status check_aggs(struct check *c, const struct rel *rel,
                             const struct colset *seen, struct colset *out)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->agg_count; i++) {
        const struct relagg *agg = &rel->aggs[i];
        TRY(check_list(c, agg->args, agg->arg_count, seen));
        TRY(check_keys(c, agg->order, agg->order_count, seen));
        if (agg->filter)
            TRY(check_expr(c, agg->filter, seen));
        if (fn_table[agg->fn].kind != FN_AGGREGATE)
            BAD("the function %s stands as an aggregate", fn_table[agg->fn].name);
        TRY(make(c, agg->id, agg->type, out));
    }
out:
    return status;
}

/* `outer` is what may be named from outside; `out` what the operator hands on. */
static kdk_status check_rel(struct check *c, const struct rel *rel,
                            const struct colset *outer, struct colset *out)
{
    kdk_status status = KDK_OK;
    struct colset in[2] = {{NULL}, {NULL}}, inputs, seen, around;

    for (uint32_t i = 0; i < rel->cte_count; i++) {
        const struct relcte *cte = rel->ctes[i];
        TRY(check_rel(c, cte->rel, outer, &inputs));
        for (uint32_t k = 0; k < cte->column_count; k++)
            if (!has(&inputs, cte->columns[k].id))
                BAD("the CTE \"%s\" does not make its column #%u", cte->name,
                    cte->columns[k].id);
    }
    for (int i = 0; i < 2; i++) {
        if (!rel->in[i]) {
            TRY(set_new(c, NULL, NULL, &in[i]));
            continue;
        }
        around = *outer;
        if (i == 1 && rel->kind == REL_JOIN && rel->lateral)
            TRY(set_new(c, outer, &in[0], &around));
        TRY(check_rel(c, rel->in[i], &around, &in[i]));
    }
    TRY(set_new(c, &in[0], &in[1], &inputs));
    TRY(set_new(c, &inputs, outer, &seen));
    TRY(set_new(c, NULL, NULL, out));

    for (uint32_t i = 0; i < rel->col_count; i++)
        if (rel->cols[i].expr)
            TRY(check_expr(c, rel->cols[i].expr, &seen));
    TRY(check_conds(c, rel, &seen));
    TRY(check_keys(c, rel->keys, rel->key_count, &seen));
    struct colset counted;
    TRY(set_new(c, outer, rel->kind == REL_LIMIT ? &in[1] : NULL, &counted));
    if (rel->limit)
        TRY(check_expr(c, rel->limit, &counted));
    if (rel->count_offset)
        TRY(check_expr(c, rel->count_offset, &counted));
    switch (rel->kind) {
    case REL_SCAN:
    case REL_FILE:
    case REL_PROJECT:
        TRY(make_cols(c, rel->cols, rel->col_count, out));
        break;
    case REL_CTE_REF:
        if (rel->col_count != rel->cte->column_count)
            BAD("a mention of \"%s\" has another number of columns", rel->cte->name);
        TRY(make_cols(c, rel->cols, rel->col_count, out));
        break;
    case REL_SERIES:
        TRY(check_list(c, rel->rows[0], 3, &seen));
        *out = inputs;
        TRY(make_cols(c, rel->cols, rel->col_count, out));
        break;
    case REL_VALUES:
        for (uint32_t r = 0; r < rel->row_count; r++) {
            TRY(check_list(c, rel->rows[r], rel->col_count, outer));
            for (uint32_t i = 0; i < rel->col_count; i++)
                if (!rel_same_type(rel->rows[r][i]->type, rel->cols[i].type))
                    BAD("rows of VALUES differ in type");
        }
        TRY(make_cols(c, rel->cols, rel->col_count, out));
        break;
    case REL_AGG:
        TRY(check_aggs(c, rel, &seen, out));
        TRY(make_cols(c, rel->cols, rel->col_count, out));
        break;
    case REL_SETOP:
        TRY(check_setop(c, rel, &in[0], &in[1], out));
        break;
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        TRY(check_dml(c, rel, &seen, out));
        break;
    case REL_JOIN:
        *out = rel->join == JOIN_SEMI || rel->join == JOIN_ANTI || rel->join == JOIN_MARK
                   ? in[0]
                   : inputs;
        if (rel->join == JOIN_MARK)
            TRY(make(c, rel->mark, LTYPE(BOOLEAN), out));
        break;
    case REL_LIMIT:
        *out = in[0];
        break;
    case REL_FILTER:
    case REL_DISTINCT:
    case REL_SORT:
    case REL_CTE:
    case REL_COPY_TO:
        *out = inputs;
        break;
    }
out:
    return status;
}

kdk_status bound_check(const struct bound_stmt *stmt, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct check check = {.arena = arena,
                          .err = err,
                          .words = stmt->colid_next / 64 + 1,
                          .end = stmt->colid_next},
                 *c = &check;
    struct colset none, out;
    if (!stmt->root)
        return KDK_OK;
    TRY_NEW(check.types = ARENA_ARRAY(arena, struct ltype, stmt->colid_next + 1));
    TRY(set_new(c, NULL, NULL, &check.made));
    TRY(set_new(c, NULL, NULL, &none));
    TRY(check_rel(c, stmt->root, &none, &out));
    for (uint32_t i = 0; i < stmt->column_count; i++) {
        if (!has(&out, stmt->columns[i].id))
            BAD("the result's column #%u is not made", stmt->columns[i].id);
        if (!rel_same_type(stmt->columns[i].type, c->types[stmt->columns[i].id]))
            BAD("the result's column #%u has another type", stmt->columns[i].id);
    }
out:
    return status;
}
