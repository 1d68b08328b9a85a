/* bind_query.c - SELECT, VALUES, set operations, ORDER BY, LIMIT, WITH.
 *
 * A block becomes, from below: FROM, filter (WHERE), aggregation, filter (HAVING),
 * projection, DISTINCT, sort, limit. The projection makes the result's columns and, behind
 * them, what ORDER BY needs besides.
 */
#include "sql/bind_int.h"

/* ---- items ---- */

static kdk_status target_add(struct binder *b, struct targets *t, struct expr *expr,
                             const char *name, const struct ast_expr *ast)
{
    kdk_status status = KDK_OK;
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 8;
        struct target *items = ARRAY(struct target, cap);
        TRY_NEW(items);
        if (t->count)
            memcpy(items, t->items, t->count * sizeof *items);
        t->items = items;
        t->cap = cap;
    }
    t->items[t->count++] = (struct target){expr, name, ast};
out:
    return status;
}

/* `*` as columns in a syntax tree, for a view's stored text. */
static kdk_status note_column(struct binder *b, const struct ns *ns,
                              const struct scope_col *col, struct ast_items *items,
                              uint32_t cap)
{
    kdk_status status = KDK_OK;
    const char *alias = NULL;
    for (uint32_t i = 0; i < ns->rel_count; i++)
        if (ns->rels[i]->count && col >= ns->rels[i]->cols &&
            col < ns->rels[i]->cols + ns->rels[i]->count)
            alias = ns->rels[i]->alias;
    ASSERT(items->count < cap);
    (void)cap;
    struct ast_expr *e = NEW(struct ast_expr);
    struct ast_ident *parts = ARRAY(struct ast_ident, 2);
    TRY_NEW(e);
    TRY_NEW(parts);
    uint32_t n = 0;
    if (alias)
        parts[n++] = (struct ast_ident){
            .text = alias, .bytes = (uint32_t)strlen(alias), .quoted = 1};
    parts[n++] = (struct ast_ident){
        .text = col->name, .bytes = (uint32_t)strlen(col->name), .quoted = 1};
    e->kind = AST_COLUMN;
    e->name.parts = parts;
    e->name.count = n;
    items->items[items->count++] = (struct ast_item){.expr = e};
out:
    return status;
}

kdk_status bind_items(struct binder *b, struct scope *scope, const struct ast_items *items,
                      enum clause clause, struct targets *out)
{
    kdk_status status = KDK_OK;
    enum clause before = scope->clause;
    scope->clause = clause;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < items->count; i++) {
        const struct ast_item *item = &items->items[i];
        struct expr *e;
        if (item->expr->kind == AST_STAR) {
            struct scope *where = scope;
            if (item->expr->name.count) {
                struct scope_rel *rel;
                TRY(scope_find_rel(b, scope, &item->expr->name, item->expr->name.count,
                                   item->expr->at, &where, &rel));
                for (uint32_t k = 0; k < rel->count; k++) {
                    TRY(scope_mention(b, where, &rel->cols[k], item->expr->at, &e));
                    TRY(target_add(b, out, e, rel->cols[k].name, NULL));
                }
            } else {
                if (scope->ns.rel_count == 0)
                    FAIL_AT(bind_at(b, item->expr->at), KDK_SYNTAX,
                            "SELECT * with no tables specified is not valid");
                for (uint32_t k = 0; k < scope->ns.count; k++) {
                    TRY(scope_mention(b, scope, scope->ns.cols[k], item->expr->at, &e));
                    TRY(target_add(b, out, e, scope->ns.cols[k]->name, NULL));
                }
            }
        } else {
            TRY(bind_expr(b, scope, item->expr, &e));
            TRY(target_add(b, out, e, item_name(b, item), item->expr));
        }
        if (out->count > TABLE_COLUMNS_MAX + 64u)
            FAIL_AT(bind_at(b, item->expr->at), KDK_TOO_MANY_COLUMNS,
                    "target lists can have at most %d entries", TABLE_COLUMNS_MAX + 64);
    }
out:
    scope->clause = before;
    return status;
}

static kdk_status note_stars(struct binder *b, const struct scope *scope,
                             struct ast_select *select, uint32_t target_count)
{
    kdk_status status = KDK_OK;
    bool any = false;
    for (uint32_t i = 0; i < select->items.count; i++)
        any |= select->items.items[i].expr->kind == AST_STAR;
    for (const struct star_note *n = b->stars; n; n = n->next)
        if (n->select == select)
            return KDK_OK; /* A CTE that is bound at each mention. */
    if (!any)
        return KDK_OK;
    struct star_note *note = NEW(struct star_note);
    TRY_NEW(note);
    note->select = select;
    TRY_NEW(note->items.items = ARRAY(struct ast_item, (size_t)target_count + 1));
    for (uint32_t i = 0; i < select->items.count; i++) {
        const struct ast_item *item = &select->items.items[i];
        if (item->expr->kind != AST_STAR) {
            note->items.items[note->items.count++] = *item;
            continue;
        }
        struct scope *where = (struct scope *)(uintptr_t)scope;
        struct scope_rel *rel = NULL;
        if (item->expr->name.count)
            TRY(scope_find_rel(b, where, &item->expr->name, item->expr->name.count,
                               item->expr->at, &where, &rel));
        for (uint32_t k = 0; k < (rel ? rel->count : scope->ns.count); k++)
            TRY(note_column(b, &where->ns, rel ? &rel->cols[k] : scope->ns.cols[k],
                            &note->items, target_count));
    }
    note->next = b->stars;
    b->stars = note;
out:
    return status;
}

/* ---- ORDER BY, GROUP BY, DISTINCT ON: names, positions, expressions ---- */

static bool bare_name(const struct ast_expr *ast)
{
    return ast->kind == AST_COLUMN && ast->name.count == 1;
}

/* What a whole number or an output's name means, or UINT32_MAX when it is neither. */
static kdk_status find_output(struct binder *b, const struct ast_expr *ast,
                              const struct targets *t, uint32_t visible, const char *clause,
                              bool names, uint32_t *out)
{
    kdk_status status = KDK_OK;
    *out = UINT32_MAX;
    if (ast->kind == AST_NUMBER && ast->number.form == AST_NUMBER_WHOLE) {
        if (!ast->number.fits || ast->number.value < 1 || ast->number.value > visible)
            FAIL_AT(bind_at(b, ast->at), KDK_INVALID_COLUMN_REFERENCE,
                    "%s position %s%s is not in select list", clause,
                    ast->number.negative ? "-" : "", ast->number.text);
        *out = (uint32_t)ast->number.value - 1;
    } else if (ast->kind == AST_NUMBER || ast->kind == AST_STRING ||
               ast->kind == AST_BITS || ast->kind == AST_NULL || ast->kind == AST_BOOL) {
        if (ast->kind == AST_NULL || ast->kind == AST_BOOL)
            return KDK_OK;
        FAIL_AT(bind_at(b, ast->at), KDK_SYNTAX, "non-integer constant in %s", clause);
    } else if (names && bare_name(ast)) {
        for (uint32_t i = 0; i < visible; i++) {
            if (!t->items[i].name || strcmp(t->items[i].name, ast->name.parts[0].text) != 0)
                continue;
            if (*out != UINT32_MAX && !expr_equal(t->items[*out].expr, t->items[i].expr))
                FAIL_AT(bind_at(b, ast->at), KDK_AMBIGUOUS_COLUMN, "%s \"%s\" is ambiguous",
                        clause, ast->name.parts[0].text);
            if (*out == UINT32_MAX)
                *out = i;
        }
    }
out:
    return status;
}

/* The target that says the same as an expression with subqueries: expr_equal() tells any
 * two of those apart. */
static kdk_status find_same_text(struct binder *b, const struct ast_expr *ast,
                                 const struct expr *e, const struct targets *t,
                                 uint32_t *out)
{
    kdk_status status = KDK_OK;
    const char *text = NULL, *other;
    *out = UINT32_MAX;
    for (uint32_t i = 0; i < t->count && *out == UINT32_MAX; i++) {
        if (!t->items[i].ast || !expr_has_subquery(t->items[i].expr) ||
            !ltype_equal(t->items[i].expr->type, e->type))
            continue;
        if (!text)
            TRY(bind_expr_text(b, ast, &text));
        TRY(bind_expr_text(b, t->items[i].ast, &other));
        if (strcmp(text, other) == 0)
            *out = i;
    }
out:
    return status;
}

/* The target that a sort or DISTINCT ON expression is; a new one behind the visible ones if
 * need be. */
static kdk_status find_target(struct binder *b, struct scope *scope,
                              const struct ast_expr *ast, struct targets *t,
                              uint32_t visible, enum clause clause, uint32_t *out)
{
    kdk_status status = KDK_OK;
    enum clause before = scope->clause;
    struct expr *e;
    TRY(find_output(b, ast, t, visible, clause_text(clause), true, out));
    if (*out != UINT32_MAX)
        return KDK_OK;
    scope->clause = clause;
    TRY(bind_expr(b, scope, ast, &e));
    TRY(coerce_unknown(b, &e));
    for (uint32_t i = 0; i < t->count; i++)
        if (expr_equal(t->items[i].expr, e)) {
            *out = i;
            goto out;
        }
    if (expr_has_subquery(e))
        TRY(find_same_text(b, ast, e, t, out));
    if (*out != UINT32_MAX)
        goto out;
    TRY(target_add(b, t, e, NULL, ast));
    *out = t->count - 1;
out:
    scope->clause = before;
    return status;
}

static void sort_flags(const struct ast_sort *sort, struct relkey *key)
{
    key->descending = sort->descending;
    key->nulls_first = sort->nulls == AST_NULLS_DEFAULT ? sort->descending
                                                        : sort->nulls == AST_NULLS_FIRST;
}

struct agg_search {
    const struct scope *scope;
    const struct binder *b;
    bool found;
};
static kdk_status find_agg(struct walk *walk, struct expr **e, bool *deeper)
{
    struct agg_search *s = walk->context;
    (void)deeper;
    if ((*e)->kind == EX_COLUMN && s->b->cols[(*e)->column].aggregate &&
        s->b->cols[(*e)->column].scope == s->scope->id)
        s->found = true;
    return KDK_OK;
}
static kdk_status has_agg(struct binder *b, const struct scope *scope, struct expr *e,
                          bool *out)
{
    struct agg_search search = {scope, b, false};
    struct walk walk = {.each = find_agg, .context = &search};
    kdk_status status = walk_expr(&walk, &e);
    *out = search.found;
    return status;
}

static kdk_status bind_group_list(struct binder *b, struct scope *scope,
                                  const struct ast_select *ast, struct targets *t,
                                  uint32_t visible, struct grouping *g)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < ast->group_count; i++) {
        const struct ast_group *group = &ast->group_by[i];
        struct expr *e;
        uint32_t index = UINT32_MAX, found = 0;
        if (group->kind == AST_GROUP_EMPTY)
            continue;
        if (group->kind != AST_GROUP_EXPR)
            FAIL_AT(bind_at(b, group->at), KDK_UNSUPPORTED, "%s is not supported",
                    group->kind == AST_GROUP_ROLLUP ? "ROLLUP"
                    : group->kind == AST_GROUP_CUBE ? "CUBE"
                                                    : "GROUPING SETS");
        /* A column of FROM comes before an output's name, other than in ORDER BY. */
        if (bare_name(group->expr))
            ns_find(&scope->ns, group->expr->name.parts[0].text, &found);
        TRY(find_output(b, group->expr, t, visible, "GROUP BY", found == 0, &index));
        if (index != UINT32_MAX) {
            e = t->items[index].expr;
            bool agg;
            TRY(has_agg(b, scope, e, &agg));
            if (agg)
                FAIL_AT(bind_at(b, group->at), KDK_GROUPING,
                        "aggregate functions are not allowed in GROUP BY");
            TRY(coerce_unknown(b, &e));
            if (!expr_has_subquery(e) && !e->is_volatile)
                TRY_NEW(e = expr_copy(b, e));
        } else {
            if (group->expr->kind == AST_ROW) { /* GROUP BY (a, b) */
                for (uint32_t k = 0; k < group->expr->list.count; k++) {
                    enum clause was = scope->clause;
                    scope->clause = CLAUSE_GROUP_BY;
                    status = bind_expr(b, scope, group->expr->list.items[k], &e);
                    scope->clause = was;
                    if (status != KDK_OK)
                        goto out;
                    TRY(coerce_unknown(b, &e));
                    TRY(group_add(g, e));
                }
                continue;
            }
            enum clause was = scope->clause;
            scope->clause = CLAUSE_GROUP_BY;
            status = bind_expr(b, scope, group->expr, &e);
            scope->clause = was;
            if (status != KDK_OK)
                goto out;
            TRY(coerce_unknown(b, &e));
            /* SELECT f(random()) ... GROUP BY f(random()): one value, as in PostgreSQL. */
            for (uint32_t k = 0; k < visible; k++)
                if (e->is_volatile && expr_equal(t->items[k].expr, e))
                    e = t->items[k].expr;
            if (expr_has_subquery(e)) {
                TRY(find_same_text(b, group->expr, e, t, &index));
                if (index != UINT32_MAX)
                    e = t->items[index].expr;
            }
        }
        TRY(group_add(g, e));
    }
out:
    return status;
}

/* ---- SELECT ---- */

static kdk_status project(struct binder *b, struct rel **rel, const struct targets *t,
                          uint32_t visible, uint32_t at, struct query *out)
{
    kdk_status status = KDK_OK;
    struct rel *p = rel_new(b, REL_PROJECT, *rel, NULL, at);
    TRY_NEW(p);
    p->col_count = t->count;
    TRY_NEW(p->cols = ARRAY(struct relcol, (size_t)t->count + 1));
    out->count = visible;
    TRY_NEW(out->cols = ARRAY(struct query_col, (size_t)visible + 1));
    for (uint32_t i = 0; i < t->count; i++) {
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        const struct target *target = &t->items[i];
        p->cols[i] = (struct relcol){.id = id,
                                     .type = target->expr->type,
                                     .name = target->name ? target->name : "order",
                                     .expr = target->expr};
        p->cols[i].not_null = target->expr->kind == EX_CONST && !target->expr->value.null;
        b->cols[id].name = target->name;
        b->cols[id].maker = &p->cols[i];
        if (i < visible)
            out->cols[i] = (struct query_col){id, target->expr->type, target->name,
                                              p->cols[i].not_null};
    }
    *rel = p;
out:
    return status;
}

static kdk_status bind_aggregation(struct binder *b, struct scope *scope,
                                   const struct ast_select *ast, struct targets *t,
                                   uint32_t visible, struct expr **having,
                                   struct grouping *g, struct rel **rel)
{
    kdk_status status = KDK_OK;
    if (ast->group_all)
        for (uint32_t i = 0; i < visible; i++) {
            bool agg;
            TRY(has_agg(b, scope, t->items[i].expr, &agg));
            if (agg)
                continue;
            struct expr *e = t->items[i].expr;
            if (!expr_has_subquery(e) && !e->is_volatile)
                TRY_NEW(e = expr_copy(b, e));
            TRY(group_add(g, e));
        }
    g->agg->in[0] = *rel;
    for (uint32_t i = 0; i < t->count; i++)
        TRY(group_rewrite(g, &t->items[i].expr));
    if (*having)
        TRY(group_rewrite(g, having));
    g->agg->agg_count = scope->agg_count;
    g->agg->aggs = scope->aggs;
    *rel = g->agg;
    if (*having)
        TRY_NEW(*rel = rel_filter(b, *rel, *having, ast->having->at));
out:
    return status;
}

static kdk_status bind_select(struct binder *b, const struct ast_query *q,
                              struct scope *outer, bool keep_unknown, struct query *out)
{
    kdk_status status = KDK_OK;
    struct ast_select *ast = q->select;
    struct scope *scope = NEW(struct scope);
    struct targets t;
    struct rel *rel;
    struct expr *where = NULL, *having = NULL;
    struct grouping g = {.b = b, .scope = scope};
    uint32_t *sorted = NULL, *firsts = NULL;

    TRY_NEW(scope);
    scope_init(b, scope, outer);
    scope->select = true;
    if (ast->window_count || ast->qualify)
        FAIL_AT(bind_at(b, q->at), KDK_UNSUPPORTED, "window functions are not supported");
    if (ast->group_distinct)
        FAIL_AT(bind_at(b, q->at), KDK_UNSUPPORTED, "GROUP BY DISTINCT is not supported");

    TRY(bind_from_list(b, scope, &ast->from, &rel));
    TRY(bind_items(b, scope, &ast->items, CLAUSE_SELECT, &t));
    if (b->note_names)
        TRY(note_stars(b, scope, ast, t.count));
    const uint32_t visible = t.count;
    const bool plain = !q->order_by.count && !ast->distinct && !ast->grouped;
    if (!keep_unknown || !plain)
        for (uint32_t i = 0; i < visible; i++)
            TRY(coerce_unknown(b, &t.items[i].expr));
    if (ast->where)
        TRY(bind_condition(b, scope, ast->where, CLAUSE_WHERE, &where));
    if (where)
        TRY_NEW(rel = rel_filter(b, rel, where, ast->where->at));
    if (ast->having)
        TRY(bind_condition(b, scope, ast->having, CLAUSE_HAVING, &having));

    TRY_NEW(g.agg = rel_new(b, REL_AGG, NULL, NULL, q->at));
    TRY_NEW(sorted = ARRAY(uint32_t, (size_t)q->order_by.count + 1));
    TRY_NEW(firsts = ARRAY(uint32_t, (size_t)ast->distinct_on.count + 1));
    for (uint32_t i = 0; i < q->order_by.count; i++)
        TRY(find_target(b, scope, q->order_by.items[i].expr, &t, visible, CLAUSE_ORDER_BY,
                        &sorted[i]));
    TRY(bind_group_list(b, scope, ast, &t, visible, &g));
    for (uint32_t i = 0; i < ast->distinct_on.count; i++)
        TRY(find_target(b, scope, ast->distinct_on.items[i], &t, visible,
                        CLAUSE_DISTINCT_ON, &firsts[i]));
    if (ast->distinct && !ast->distinct_on.count)
        for (uint32_t i = 0; i < q->order_by.count; i++)
            if (sorted[i] >= visible)
                FAIL_AT(
                    bind_at(b, q->order_by.items[i].expr->at), KDK_INVALID_COLUMN_REFERENCE,
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
    for (uint32_t i = 0; i < ast->distinct_on.count && i < q->order_by.count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < ast->distinct_on.count; k++)
            found |= firsts[k] == sorted[i];
        if (!found)
            FAIL_AT(
                bind_at(b, ast->distinct_on.items[0]->at), KDK_INVALID_COLUMN_REFERENCE,
                "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
    }

    if (ast->grouped || scope->agg_count || having)
        TRY(bind_aggregation(b, scope, ast, &t, visible, &having, &g, &rel));
    TRY(project(b, &rel, &t, visible, q->at, out));
    const struct relcol *made = rel->cols;

    if (ast->distinct && !ast->distinct_on.count)
        TRY_NEW(rel = rel_new(b, REL_DISTINCT, rel, NULL, q->at));
    if (q->order_by.count) {
        TRY_NEW(rel = rel_new(b, REL_SORT, rel, NULL, q->order_by.items[0].expr->at));
        TRY_NEW(rel->keys = ARRAY(struct relkey, q->order_by.count));
        for (uint32_t i = 0; i < q->order_by.count; i++) {
            const struct relcol *col = &made[sorted[i]];
            struct relkey *key = &rel->keys[rel->key_count++];
            TRY_NEW(key->expr =
                        expr_column(b, col->id, col->type, q->order_by.items[i].expr->at));
            sort_flags(&q->order_by.items[i], key);
        }
    }
    if (ast->distinct_on.count) {
        TRY_NEW(rel = rel_new(b, REL_DISTINCT, rel, NULL, ast->distinct_on.items[0]->at));
        TRY_NEW(rel->keys = ARRAY(struct relkey, ast->distinct_on.count));
        for (uint32_t i = 0; i < ast->distinct_on.count; i++) {
            const struct relcol *col = &made[firsts[i]];
            TRY_NEW(rel->keys[rel->key_count++].expr =
                        expr_column(b, col->id, col->type, ast->distinct_on.items[i]->at));
        }
    }
    out->rel = rel;
    out->scope = scope;
out:
    return status;
}

/* ---- VALUES ---- */

static kdk_status bind_values(struct binder *b, const struct ast_query *q,
                              struct scope *outer, struct query *out)
{
    kdk_status status = KDK_OK;
    const uint32_t rows = q->row_count, width = q->rows[0].count;
    struct scope scope;
    struct rel *rel = rel_new(b, REL_VALUES, NULL, NULL, q->at);
    TRY_NEW(rel);
    scope_init(b, &scope, outer);
    scope.clause = CLAUSE_VALUES;
    scope.select = true;
    rel->row_count = rows;
    rel->col_count = width;
    TRY_NEW(rel->rows = ARRAY(struct expr **, rows));
    TRY_NEW(rel->cols = ARRAY(struct relcol, (size_t)width + 1));
    out->count = width;
    TRY_NEW(out->cols = ARRAY(struct query_col, (size_t)width + 1));
    for (uint32_t r = 0; r < rows; r++) {
        if (q->rows[r].count != width)
            FAIL_AT(bind_at(b, q->rows[r].count ? q->rows[r].items[0]->at : q->at),
                    KDK_SYNTAX, "VALUES lists must all be the same length");
        TRY_NEW(rel->rows[r] = ARRAY(struct expr *, (size_t)width + 1));
        for (uint32_t i = 0; i < width; i++)
            TRY(bind_expr(b, &scope, q->rows[r].items[i], &rel->rows[r][i]));
    }
    struct expr **column = ARRAY(struct expr *, rows);
    TRY_NEW(column);
    for (uint32_t i = 0; i < width; i++) {
        struct ltype type;
        for (uint32_t r = 0; r < rows; r++)
            column[r] = rel->rows[r][i];
        TRY(coerce_common(b, column, rows, "VALUES", &type));
        for (uint32_t r = 0; r < rows; r++)
            rel->rows[r][i] = column[r];
        colid id = bind_colid(b);
        const char *name = arena_printf(b->arena, "column%u", i + 1);
        TRY_NEW(name);
        if (!id)
            TRY(err_nomem(b->err));
        b->cols[id].name = name;
        rel->cols[i] = (struct relcol){.id = id, .type = type, .name = name};
        out->cols[i] = (struct query_col){id, type, name, false};
    }
    out->rel = rel;
out:
    return status;
}

/* ---- set operations ---- */

kdk_status query_retype(struct binder *b, struct query *q, uint32_t index,
                        struct ltype type)
{
    kdk_status status = KDK_OK;
    struct query_col *col = &q->cols[index];
    struct relcol *maker = b->cols[col->id].maker;
    struct err *err = b->err;
    TRY_ASSERT(col->type.id == LT_UNKNOWN);
    TRY_ASSERT(maker && maker->expr);
    TRY(coerce(b, &maker->expr, type, CAST_IMPLICIT));
    maker->type = col->type = maker->expr->type;
out:
    return status;
}

static const char *setop_text(enum ast_setop op)
{
    return op == AST_UNION ? "UNION" : op == AST_INTERSECT ? "INTERSECT" : "EXCEPT";
}

/* The input's columns, converted: `ids` are where they are then. */
static kdk_status convert_side(struct binder *b, struct query *side,
                               const struct ltype *types, colid *ids, uint32_t at)
{
    kdk_status status = KDK_OK;
    struct expr **exprs = ARRAY(struct expr *, (size_t)side->count + 1);
    bool any = false;
    TRY_NEW(exprs);
    for (uint32_t i = 0; i < side->count; i++) {
        TRY_NEW(exprs[i] = expr_column(b, side->cols[i].id, side->cols[i].type, at));
        TRY(coerce(b, &exprs[i], types[i], CAST_IMPLICIT));
        any |= exprs[i]->kind != EX_COLUMN;
        ids[i] = side->cols[i].id;
    }
    if (!any)
        return KDK_OK;
    struct rel *p = rel_new(b, REL_PROJECT, side->rel, NULL, at);
    TRY_NEW(p);
    TRY_NEW(p->cols = ARRAY(struct relcol, (size_t)side->count + 1));
    p->col_count = side->count;
    for (uint32_t i = 0; i < side->count; i++) {
        if (!(ids[i] = bind_colid(b)))
            TRY(err_nomem(b->err));
        p->cols[i] = (struct relcol){.id = ids[i],
                                     .type = exprs[i]->type,
                                     .name = side->cols[i].name,
                                     .not_null = side->cols[i].not_null,
                                     .expr = exprs[i]};
    }
    side->rel = p;
out:
    return status;
}

static kdk_status bind_setop(struct binder *b, const struct ast_query *q,
                             struct scope *outer, struct query *out)
{
    kdk_status status = KDK_OK;
    struct query left, right;
    const char *what = setop_text((enum ast_setop)q->setop);

    TRY(bind_query(b, q->left, outer, true, &left));
    TRY(bind_query(b, q->right, outer, true, &right));
    if (left.count != right.count)
        FAIL_AT(bind_at(b, q->right->at), KDK_SYNTAX,
                "each %s query must have the same number of columns", what);
    const uint32_t n = left.count;
    struct rel *rel = rel_new(b, REL_SETOP, NULL, NULL, q->at);
    struct ltype *types = ARRAY(struct ltype, (size_t)n + 1);
    TRY_NEW(rel);
    TRY_NEW(types);
    for (uint32_t i = 0; i < n; i++) {
        struct ltype pair[2] = {left.cols[i].type, right.cols[i].type};
        TRY(common_type(b, pair, 2, what, bind_at(b, q->right->at), &types[i]));
        for (int side = 0; side < 2; side++) {
            struct query *s = side ? &right : &left;
            if (pair[side].id != LT_UNKNOWN)
                continue;
            /* As NUMERIC a literal keeps its own digits, and the common type makes room for
             * them. NULL has none. */
            const struct relcol *maker = b->cols[s->cols[i].id].maker;
            const bool null = maker && maker->expr && maker->expr->kind == EX_CONST &&
                              maker->expr->value.null;
            TRY(query_retype(
                b, s, i, types[i].id == LT_NUMERIC && !null ? LTYPE(NUMERIC) : types[i]));
            pair[side] = s->cols[i].type;
        }
        TRY(common_type(b, pair, 2, what, bind_at(b, q->right->at), &types[i]));
    }
    TRY_NEW(rel->left = ARRAY(colid, (size_t)n + 1));
    TRY_NEW(rel->right = ARRAY(colid, (size_t)n + 1));
    TRY(convert_side(b, &left, types, rel->left, q->left->at));
    TRY(convert_side(b, &right, types, rel->right, q->right->at));
    rel->in[0] = left.rel;
    rel->in[1] = right.rel;
    rel->setop = q->setop == AST_UNION       ? SETOP_UNION
                 : q->setop == AST_INTERSECT ? SETOP_INTERSECT
                                             : SETOP_EXCEPT;
    rel->all = q->all;
    rel->col_count = n;
    TRY_NEW(rel->cols = ARRAY(struct relcol, (size_t)n + 1));
    out->count = n;
    TRY_NEW(out->cols = ARRAY(struct query_col, (size_t)n + 1));
    for (uint32_t i = 0; i < n; i++) {
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        b->cols[id].name = left.cols[i].name;
        rel->cols[i] =
            (struct relcol){.id = id, .type = types[i], .name = left.cols[i].name};
        out->cols[i] = (struct query_col){id, types[i], left.cols[i].name, false};
    }
    out->rel = rel;
out:
    return status;
}

/* ORDER BY behind VALUES or a set operation. */
static kdk_status order_outputs(struct binder *b, const struct ast_query *q,
                                struct query *out)
{
    kdk_status status = KDK_OK;
    struct targets t = {0};
    if (!q->order_by.count)
        return KDK_OK;
    for (uint32_t i = 0; i < out->count; i++) {
        struct expr *e = expr_column(b, out->cols[i].id, out->cols[i].type, q->at);
        TRY_NEW(e);
        TRY(target_add(b, &t, e, out->cols[i].name, NULL));
    }
    struct rel *sort = rel_new(b, REL_SORT, out->rel, NULL, q->order_by.items[0].expr->at);
    TRY_NEW(sort);
    TRY_NEW(sort->keys = ARRAY(struct relkey, q->order_by.count));
    for (uint32_t i = 0; i < q->order_by.count; i++) {
        const struct ast_expr *ast = q->order_by.items[i].expr;
        uint32_t index;
        TRY(find_output(b, ast, &t, t.count, "ORDER BY", true, &index));
        if (index == UINT32_MAX && bare_name(ast))
            FAIL_AT(bind_at(b, ast->at), KDK_UNDEFINED_COLUMN,
                    "column \"%s\" does not exist", ast->name.parts[0].text);
        if (index == UINT32_MAX) {
            status = err_set(b->err, KDK_UNSUPPORTED,
                             "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
            err_detail(
                b->err,
                "Only result column names can be used, not expressions or functions.");
            err_hint(b->err, "Add the expression/function to every SELECT, or move the "
                             "UNION into a FROM clause.");
            err_at(b->err, bind_at(b, ast->at));
            goto out;
        }
        struct relkey *key = &sort->keys[sort->key_count++];
        TRY_NEW(key->expr =
                    expr_column(b, out->cols[index].id, out->cols[index].type, ast->at));
        sort_flags(&q->order_by.items[i], key);
    }
    out->rel = sort;
out:
    return status;
}

/* ---- LIMIT ---- */

struct own_search {
    const struct binder *b;
    const struct scope *scope;
    uint32_t at;
    bool found;
};
static kdk_status find_own(struct walk *walk, struct expr **e, bool *deeper)
{
    struct own_search *s = walk->context;
    (void)deeper;
    if ((*e)->kind == EX_COLUMN && s->b->cols[(*e)->column].scope == s->scope->id &&
        !s->found) {
        s->found = true;
        s->at = (*e)->offset;
    }
    return KDK_OK;
}

static kdk_status bind_count(struct binder *b, struct scope *outer, const struct query *q,
                             const struct ast_expr *ast, enum clause clause,
                             struct expr **out)
{
    kdk_status status = KDK_OK;
    struct scope scope;
    struct own_search search = {.b = b, .scope = q->scope};
    struct walk walk = {.each = find_own, .context = &search};
    char name[64];
    scope_init(b, &scope, q->scope ? q->scope : outer);
    scope.clause = clause;
    TRY(bind_expr(b, &scope, ast, out));
    if (q->scope)
        TRY(walk_expr(&walk, out));
    if (search.found)
        FAIL_AT(search.at, KDK_INVALID_COLUMN_REFERENCE,
                "argument of %s must not contain variables", clause_text(clause));
    if ((*out)->type.id != LT_UNKNOWN &&
        !cast_allowed((*out)->type, LTYPE(BIGINT), CAST_ASSIGNMENT))
        FAIL_AT((*out)->offset, KDK_TYPE_MISMATCH,
                "argument of %s must be type bigint, not type %s", clause_text(clause),
                ltype_name((*out)->type, name, sizeof name));
    TRY(coerce(b, out, LTYPE(BIGINT), CAST_ASSIGNMENT));
out:
    return status;
}

static kdk_status bind_limit(struct binder *b, const struct ast_query *q,
                             struct scope *outer, struct query *out)
{
    kdk_status status = KDK_OK;
    if (!q->limit && !q->offset)
        return KDK_OK;
    struct rel *rel =
        rel_new(b, REL_LIMIT, out->rel, NULL, q->limit ? q->limit->at : q->offset->at);
    TRY_NEW(rel);
    if (q->limit)
        TRY(bind_count(b, outer, out, q->limit, CLAUSE_LIMIT, &rel->limit));
    if (q->offset)
        TRY(bind_count(b, outer, out, q->offset, CLAUSE_OFFSET, &rel->count_offset));
    if (q->with_ties) {
        const struct rel *sort = out->rel;
        if (!q->order_by.count)
            FAIL_AT(bind_at(b, q->limit->at), KDK_SYNTAX,
                    "WITH TIES cannot be specified without ORDER BY clause");
        while (sort->kind == REL_DISTINCT) /* DISTINCT ON keeps the order. */
            sort = sort->in[0];
        struct err *err = b->err;
        TRY_ASSERT(sort->kind == REL_SORT);
        TRY_NEW(rel->keys = ARRAY(struct relkey, sort->key_count));
        for (uint32_t i = 0; i < sort->key_count; i++) {
            rel->keys[i] = sort->keys[i];
            TRY_NEW(rel->keys[i].expr = expr_copy(b, sort->keys[i].expr));
        }
        rel->key_count = sort->key_count;
    }
    out->rel = rel;
out:
    return status;
}

/* ---- WITH ---- */

struct cte_ref {
    struct rel *rel;
    const struct cte *from; /* The CTE in whose query it stands, or NULL. */
    struct cte_ref *next;
};
struct cte {
    struct cte *outer; /* The next one in sight. */
    const struct ast_cte *ast;
    struct scope *scope; /* What its query may name from outside. */
    bool pending;        /* Being bound, or to be bound later (WITH RECURSIVE). */
    bool alone;          /* Bound anew at each mention: correlated, or NOT MATERIALIZED. */
    bool taken;          /* ... and the first binding has gone somewhere. */
    struct query query;
    struct relcte *made;
    struct cte_ref *refs;
};

static kdk_status cte_columns(struct binder *b, const struct ast_cte *ast, struct query *q)
{
    kdk_status status = KDK_OK;
    if (ast->columns.count > q->count)
        FAIL_AT(bind_at(b, ast->columns.items[0].at), KDK_INVALID_COLUMN_REFERENCE,
                "WITH query \"%s\" has %u columns available but %u columns specified",
                ast->name.text, q->count, ast->columns.count);
    for (uint32_t i = 0; i < ast->columns.count; i++)
        q->cols[i].name = ast->columns.items[i].text;
out:
    return status;
}

struct outer_search {
    const struct binder *b;
    colid first;
    bool found, is_volatile;
};
static kdk_status find_outer(struct walk *walk, struct expr **e, bool *deeper)
{
    struct outer_search *s = walk->context;
    (void)deeper;
    s->found |= (*e)->kind == EX_COLUMN && (*e)->column < s->first;
    s->is_volatile |= (*e)->is_volatile;
    return KDK_OK;
}

static kdk_status bind_cte_query(struct binder *b, struct cte *cte, struct query *out)
{
    kdk_status status = KDK_OK;
    struct cte *around = b->cte_now;
    b->cte_now = cte;
    status = bind_query(b, cte->ast->query, cte->scope, false, out);
    b->cte_now = around;
    if (status != KDK_OK)
        goto out;
    TRY(cte_columns(b, cte->ast, out));
out:
    return status;
}

kdk_status bind_with(struct binder *b, const struct ast_with *with, struct scope *outer,
                     struct cte **before)
{
    kdk_status status = KDK_OK;
    *before = b->ctes;
    if (!with)
        return KDK_OK;
    struct cte *list = ARRAY(struct cte, with->count);
    TRY_NEW(list);
    for (uint32_t i = 0; i < with->count; i++) {
        list[i].ast = &with->items[i];
        list[i].scope = outer;
        list[i].pending = true;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(with->items[k].name.text, with->items[i].name.text) == 0)
                FAIL_AT(bind_at(b, with->items[i].name.at), KDK_DUPLICATE_ALIAS,
                        "WITH query name \"%s\" specified more than once",
                        with->items[i].name.text);
    }
    if (with->recursive) /* All are in sight of all. */
        for (uint32_t i = with->count; i-- > 0;) {
            list[i].outer = b->ctes;
            b->ctes = &list[i];
        }
    for (uint32_t i = 0; i < with->count; i++) {
        struct cte *cte = &list[i];
        struct outer_search search = {.b = b, .first = b->next};
        struct walk walk = {.each = find_outer, .context = &search};
        TRY(bind_cte_query(b, cte, &cte->query));
        TRY(walk_rel(&walk, cte->query.rel));
        cte->alone = search.found || cte->ast->materialize == AST_CTE_NOT_MATERIALIZED;
        if (search.is_volatile && !search.found)
            cte->alone = false;
        TRY_NEW(cte->made = NEW(struct relcte));
        cte->made->name = cte->ast->name.text;
        cte->made->rel = cte->query.rel;
        cte->made->column_count = cte->query.count;
        TRY_NEW(cte->made->columns = ARRAY(struct relcol, (size_t)cte->query.count + 1));
        for (uint32_t k = 0; k < cte->query.count; k++)
            cte->made->columns[k] = (struct relcol){.id = cte->query.cols[k].id,
                                                    .type = cte->query.cols[k].type,
                                                    .name = cte->query.cols[k].name};
        /* A volatile query runs once, whoever mentions it. */
        if (search.is_volatile)
            cte->made->ref_count = 1;
        cte->pending = false;
        if (!with->recursive) {
            cte->outer = b->ctes;
            b->ctes = cte;
        }
    }
out:
    return status;
}

static bool cte_inlined(const struct cte *cte)
{
    return cte->refs && !cte->refs->next && cte->ast->materialize != AST_CTE_MATERIALIZED &&
           !cte->made->ref_count;
}

kdk_status bind_with_end(struct binder *b, struct cte *before, struct rel **rel,
                         uint32_t at)
{
    kdk_status status = KDK_OK;
    uint32_t kept = 0, n = 0;
    for (struct cte *c = b->ctes; c != before; c = c->outer)
        n++;
    if (n == 0)
        return KDK_OK;
    struct cte **list = ARRAY(struct cte *, n); /* In the order of their definition. */
    TRY_NEW(list);
    for (struct cte *c = b->ctes; c != before; c = c->outer)
        list[--n] = c;
    for (struct cte *c = b->ctes; c != before; c = c->outer)
        n++;
    /* WITH RECURSIVE put them in the other way round. */
    if (n > 1 && list[0]->ast > list[n - 1]->ast)
        for (uint32_t i = 0; i < n / 2; i++) {
            struct cte *swap = list[i];
            list[i] = list[n - 1 - i];
            list[n - 1 - i] = swap;
        }
    b->ctes = before;

    /* Mentions inside of a query that nobody mentions do not count. */
    for (uint32_t i = n; i-- > 0;) {
        if (list[i]->refs || list[i]->taken)
            continue;
        for (uint32_t k = 0; k < i; k++)
            for (struct cte_ref **at_ref = &list[k]->refs; *at_ref;) {
                if ((*at_ref)->from == list[i])
                    *at_ref = (*at_ref)->next;
                else
                    at_ref = &(*at_ref)->next;
            }
    }
    struct relcte **ctes = ARRAY(struct relcte *, n);
    TRY_NEW(ctes);
    for (uint32_t i = 0; i < n; i++) {
        struct cte *cte = list[i];
        if (cte->alone || !cte->refs)
            continue;
        if (cte_inlined(cte)) {
            struct rel *ref = cte->refs->rel;
            ref->kind = REL_PROJECT;
            ref->cte = NULL;
            ref->in[0] = cte->made->rel;
            for (uint32_t k = 0; k < ref->col_count; k++) {
                TRY_NEW(ref->cols[k].expr = expr_column(b, cte->made->columns[k].id,
                                                        cte->made->columns[k].type, 0));
                ref->cols[k].expr->offset = ref->offset;
            }
            continue;
        }
        cte->made->ref_count = 0;
        for (const struct cte_ref *r = cte->refs; r; r = r->next)
            cte->made->ref_count++;
        ctes[kept++] = cte->made;
    }
    if (kept && *rel) {
        struct rel *r = rel_new(b, REL_CTE, *rel, NULL, at);
        TRY_NEW(r);
        r->ctes = ctes;
        r->cte_count = kept;
        *rel = r;
    }
out:
    return status;
}

kdk_status bind_cte(struct binder *b, const char *name, uint32_t at, bool *found,
                    struct query *out)
{
    kdk_status status = KDK_OK;
    struct cte *cte = b->ctes;
    *found = false;
    while (cte && strcmp(cte->ast->name.text, name) != 0)
        cte = cte->outer;
    if (!cte)
        return KDK_OK;
    *found = true;
    if (cte->pending)
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED, "WITH RECURSIVE is not supported");
    if (cte->alone) {
        if (!cte->taken) {
            /* Under ids of this place: whether a lateral item names what stands beside it
             * is told by the ids' order. */
            struct rel *project = rel_new(b, REL_PROJECT, cte->query.rel, NULL, at);
            cte->taken = true;
            TRY_NEW(project);
            project->col_count = cte->query.count;
            TRY_NEW(project->cols = ARRAY(struct relcol, (size_t)project->col_count + 1));
            *out = cte->query;
            TRY_NEW(out->cols = ARRAY(struct query_col, (size_t)project->col_count + 1));
            for (uint32_t i = 0; i < project->col_count; i++) {
                const struct query_col *from = &cte->query.cols[i];
                project->cols[i] = (struct relcol){
                    .id = bind_colid(b), .type = from->type, .name = from->name};
                if (!project->cols[i].id)
                    TRY(err_nomem(b->err));
                TRY_NEW(project->cols[i].expr = expr_column(b, from->id, from->type, 0));
                out->cols[i] = *from;
                out->cols[i].id = project->cols[i].id;
            }
            out->rel = project;
            goto out;
        }
        struct cte *saved = b->ctes;
        b->ctes = cte->outer;
        b->repeating++;
        status = bind_cte_query(b, cte, out);
        b->repeating--;
        b->ctes = saved;
        return status;
    }
    struct rel *ref = rel_new(b, REL_CTE_REF, NULL, NULL, at);
    struct cte_ref *note = NEW(struct cte_ref);
    TRY_NEW(ref);
    TRY_NEW(note);
    *note = (struct cte_ref){ref, b->cte_now, cte->refs};
    cte->refs = note;
    ref->cte = cte->made;
    ref->col_count = out->count = cte->query.count;
    TRY_NEW(ref->cols = ARRAY(struct relcol, (size_t)ref->col_count + 1));
    TRY_NEW(out->cols = ARRAY(struct query_col, (size_t)ref->col_count + 1));
    for (uint32_t i = 0; i < ref->col_count; i++) {
        const struct query_col *from = &cte->query.cols[i];
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        ref->cols[i] = (struct relcol){.id = id, .type = from->type, .name = from->name};
        out->cols[i] = (struct query_col){id, from->type, from->name, false};
    }
    out->rel = ref;
out:
    return status;
}

/* ---- queries ---- */

kdk_status bind_query(struct binder *b, const struct ast_query *q, struct scope *outer,
                      bool keep_unknown, struct query *out)
{
    kdk_status status = KDK_OK;
    struct cte *before = b->ctes;
    bool entered = false;
    memset(out, 0, sizeof *out);
    TRY(bind_enter(b, q->at));
    entered = true;
    if (q->lock_count)
        FAIL_AT(bind_at(b, q->locks[0].at), KDK_UNSUPPORTED,
                "FOR UPDATE and FOR SHARE are not supported");
    TRY(bind_with(b, q->with, outer, &before));
    switch ((enum ast_query_kind)q->kind) {
    case AST_QUERY_SELECT:
        TRY(bind_select(b, q, outer, keep_unknown, out));
        break;
    case AST_QUERY_VALUES:
        TRY(bind_values(b, q, outer, out));
        TRY(order_outputs(b, q, out));
        break;
    case AST_QUERY_SETOP:
        TRY(bind_setop(b, q, outer, out));
        TRY(order_outputs(b, q, out));
        break;
    }
    TRY(bind_limit(b, q, outer, out));
    TRY(bind_with_end(b, before, &out->rel, q->at));
out:
    if (status != KDK_OK)
        b->ctes = before;
    if (entered)
        bind_leave(b);
    return status;
}
