/* bind_dml.c - INSERT, UPDATE, DELETE. */
#include "sql/bind_int.h"

/* Why PostgreSQL would refuse to write to the view, too; NULL when it would not, or when
 * the text does not tell. */
static kdk_status never_writable(struct binder *b, const struct ctable *view,
                                 const char **why)
{
    kdk_status status = KDK_OK;
    struct ast_list list;
    struct err ignored = {0};
    *why = NULL;
    status = sql_parse(view->view_sql, strlen(view->view_sql), b->arena, &list, &ignored);
    if (status == KDK_NOMEM)
        return err_nomem(b->err);
    if (status != KDK_OK || list.count != 1 || list.items[0]->kind != AST_STMT_QUERY)
        return KDK_OK;
    const struct ast_query *q = list.items[0]->query;
    if (q->with)
        *why = "containing WITH";
    else if (q->kind == AST_QUERY_SETOP)
        *why = "containing UNION, INTERSECT, or EXCEPT";
    else if (q->limit || q->offset)
        *why = "containing LIMIT or OFFSET";
    else if (q->kind == AST_QUERY_VALUES)
        *why = "that do not select from a single table or view";
    else if (q->select->distinct)
        *why = "containing DISTINCT";
    else if (q->select->grouped)
        *why = "containing GROUP BY";
    else if (q->select->having)
        *why = "containing HAVING";
    else if (q->select->from.count != 1 || q->select->from.items[0]->kind != AST_FROM_TABLE)
        *why = "that do not select from a single table or view";
    for (uint32_t i = 0; !*why && i < q->select->items.count; i++)
        if (call_is_aggregate(q->select->items.items[i].expr))
            *why = "that return aggregate functions";
    return KDK_OK;
}

kdk_status bind_writable(struct binder *b, const struct ctable *table, const char *verb,
                         uint32_t at)
{
    kdk_status status = KDK_OK;
    if (table->kind == COBJ_VIEW) {
        const char *why;
        TRY(never_writable(b, table, &why));
        if (why) {
            status = err_set(b->err, KDK_NOT_IN_STATE, "cannot %s view \"%s\"", verb,
                             table->name);
            err_detail(b->err, "Views %s are not automatically updatable.", why);
            err_at(b->err, bind_at(b, at));
            goto out;
        }
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                "cannot %s view \"%s\": views cannot be written to", verb, table->name);
    }
    if (table->system)
        FAIL_AT(bind_at(b, at), KDK_PRIVILEGE,
                "permission denied: \"%s\" is a system catalog", table->name);
out:
    return status;
}

static kdk_status new_dml(struct binder *b, const struct ctable *table,
                          struct rel_dml **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = table->column_count;
    struct rel_dml *dml = NEW(struct rel_dml);
    TRY_NEW(dml);
    TRY_NEW(dml->fresh = ARRAY(colid, (size_t)n + 1));
    TRY_NEW(dml->old = ARRAY(colid, (size_t)n + 1));
    TRY_NEW(dml->set = ARRAY(struct expr *, (size_t)n + 1));
    TRY_NEW(dml->set_columns = ARRAY(uint32_t, (size_t)n + 1));
    for (uint32_t i = 0; i < n; i++)
        if (!(dml->fresh[i] = bind_colid(b)))
            TRY(err_nomem(b->err));
    *out = dml;
out:
    return status;
}

/* Relation of the row as it is after the change. */
static kdk_status fresh_rel(struct binder *b, const struct scope *scope,
                            const struct ctable *table, const char *alias,
                            const struct rel_dml *dml, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = table->column_count;
    struct scope_rel *rel = NEW(struct scope_rel);
    TRY_NEW(rel);
    TRY_NEW(rel->cols = ARRAY(struct scope_col, (size_t)n + 1));
    rel->alias = alias ? alias : table->name;
    rel->schema = alias ? NULL : table->schema;
    rel->table = table;
    rel->count = n;
    for (uint32_t i = 0; i < n; i++) {
        rel->cols[i] = (struct scope_col){.name = table->columns[i].name,
                                          .id = dml->fresh[i],
                                          .type = table->columns[i].type,
                                          .not_null = table->columns[i].not_null};
        b->cols[dml->fresh[i]] = (struct colinfo){.relation = rel->alias,
                                                  .name = rel->cols[i].name,
                                                  .scope = scope->id,
                                                  .used = b->cols[dml->fresh[i]].used};
    }
    *out = rel;
out:
    return status;
}

static kdk_status bind_returning(struct binder *b, struct scope *scope,
                                 const struct ast_items *items, struct rel_dml *dml,
                                 struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct targets t;
    if (!items->count)
        return KDK_OK;
    TRY(bind_items(b, scope, items, CLAUSE_RETURNING, &t));
    dml->returning_count = out->column_count = t.count;
    TRY_NEW(dml->returning = ARRAY(struct relcol, (size_t)t.count + 1));
    TRY_NEW(out->columns = ARRAY(struct relcol, (size_t)t.count + 1));
    for (uint32_t i = 0; i < t.count; i++) {
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        TRY(coerce_unknown(b, &t.items[i].expr));
        dml->returning[i] = (struct relcol){.id = id,
                                            .type = t.items[i].expr->type,
                                            .name = t.items[i].name,
                                            .expr = t.items[i].expr};
        out->columns[i] = dml->returning[i];
        out->columns[i].expr = NULL;
    }
out:
    return status;
}

/* Fresh columns that nobody asks for have no id; of the old ones the same. */
static void drop_unused(struct binder *b, const struct ctable *table, struct rel_dml *dml,
                        bool deleting)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (dml->old[i]) {
            bool set = false;
            for (uint32_t k = 0; k < dml->set_count; k++)
                set |= dml->set_columns[k] == i;
            /* A fresh value that did not change is the old one. */
            bool needed = b->cols[dml->fresh[i]].used && (deleting || !set);
            if (!needed && !b->cols[dml->old[i]].used)
                dml->old[i] = 0;
        }
        if (!b->cols[dml->fresh[i]].used)
            dml->fresh[i] = 0;
    }
}

/* Scans make only what is used. */
static void prune_scan(const struct binder *b, struct rel *scan, const struct rel_dml *dml)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < scan->col_count; i++) {
        const struct relcol *col = &scan->cols[i];
        bool keep = b->cols[col->id].used ||
                    (col->column != ROWID_COLUMN && dml->old[col->column] == col->id);
        if (keep)
            scan->cols[n++] = *col;
    }
    scan->col_count = n;
}

/* ---- INSERT ---- */

struct insert {
    const struct ctable *table;
    const struct ast_insert *ast;
    uint32_t count;    /* Columns that are given. */
    uint32_t *columns; /* Their positions in the table. */
};

static kdk_status insert_columns(struct binder *b, struct insert *in)
{
    kdk_status status = KDK_OK;
    const struct ast_idents *list = &in->ast->columns;
    const struct ctable *table = in->table;
    in->count = list->count ? list->count : table->column_count;
    TRY_NEW(in->columns = ARRAY(uint32_t, (size_t)in->count + 1));
    for (uint32_t i = 0; i < in->count; i++) {
        if (!list->count) {
            in->columns[i] = i;
            continue;
        }
        const struct ast_ident *name = &list->items[i];
        in->columns[i] = table_column(table, name->text);
        if (in->columns[i] == UINT32_MAX)
            FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_COLUMN,
                    "column \"%s\" of relation \"%s\" does not exist", name->text,
                    table->name);
        for (uint32_t k = 0; k < i; k++)
            if (in->columns[k] == in->columns[i])
                FAIL_AT(bind_at(b, name->at), KDK_DUPLICATE_COLUMN,
                        "column \"%s\" specified more than once", name->text);
    }
out:
    return status;
}

/* `given` expressions for the listed columns: too many is an error, too few too when the
 * columns were listed. */
static kdk_status insert_width(struct binder *b, struct insert *in, uint32_t given,
                               uint32_t extra_at)
{
    kdk_status status = KDK_OK;
    if (given > in->count)
        FAIL_AT(bind_at(b, extra_at), KDK_SYNTAX,
                "INSERT has more expressions than target columns");
    if (given < in->count && in->ast->columns.count)
        FAIL_AT(bind_at(b, in->ast->columns.items[given].at), KDK_SYNTAX,
                "INSERT has more target columns than expressions");
    in->count = given;
out:
    return status;
}

/* VALUES: each expression is converted to its column's type by itself. */
static kdk_status insert_values(struct binder *b, struct insert *in,
                                const struct ast_query *q, struct rel **out)
{
    kdk_status status = KDK_OK;
    struct scope scope;
    struct rel *rel = rel_new(b, REL_VALUES, NULL, NULL, q->at);
    const uint32_t width = q->rows[0].count;
    TRY_NEW(rel);
    scope_init(b, &scope, NULL);
    scope.clause = CLAUSE_VALUES;
    for (uint32_t r = 0; r < q->row_count; r++)
        if (q->rows[r].count != width)
            FAIL_AT(bind_at(b, q->rows[r].count ? q->rows[r].items[0]->at : q->at),
                    KDK_SYNTAX, "VALUES lists must all be the same length");
    TRY(insert_width(b, in, width,
                     width > in->count ? q->rows[0].items[in->count]->at : q->at));
    rel->row_count = q->row_count;
    rel->col_count = width;
    TRY_NEW(rel->rows = ARRAY(struct expr **, q->row_count));
    TRY_NEW(rel->cols = ARRAY(struct relcol, (size_t)width + 1));
    for (uint32_t i = 0; i < width; i++) {
        const struct ccolumn *col = &in->table->columns[in->columns[i]];
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        rel->cols[i] = (struct relcol){.id = id, .type = col->type, .name = col->name};
    }
    for (uint32_t r = 0; r < q->row_count; r++) {
        TRY_NEW(rel->rows[r] = ARRAY(struct expr *, (size_t)width + 1));
        for (uint32_t i = 0; i < width; i++) {
            const struct ast_expr *ast = q->rows[r].items[i];
            const struct ccolumn *col = &in->table->columns[in->columns[i]];
            struct expr **e = &rel->rows[r][i];
            if (ast->kind == AST_DEFAULT) {
                TRY(bind_default(b, in->table, in->columns[i], ast->at, e));
                continue;
            }
            TRY(bind_expr(b, &scope, ast, e));
            TRY(coerce_assign(b, e, col->type, col->name, "expression"));
        }
    }
    *out = rel;
out:
    return status;
}

kdk_status bind_insert(struct binder *b, const struct ast_insert *ast,
                       struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct insert in = {.ast = ast};
    struct rel_dml *dml;
    struct rel *source, *rel;
    struct cte *before;
    struct scope scope;
    struct scope_rel *fresh;
    struct expr **given = NULL;

    if (ast->conflict)
        FAIL_AT(bind_at(b, ast->conflict->at), KDK_UNSUPPORTED,
                "ON CONFLICT is not supported");
    if (ast->overriding)
        FAIL_AT(bind_at(b, ast->target.name.at), KDK_UNSUPPORTED,
                "OVERRIDING is not supported");
    TRY(bind_with(b, ast->with, NULL, &before));
    TRY(bind_table_name(b, &ast->target.name, &in.table));
    TRY(bind_writable(b, in.table, "insert into", ast->target.name.at));
    TRY(insert_columns(b, &in));
    const struct ctable *table = in.table;
    TRY_NEW(given = ARRAY(struct expr *, (size_t)table->column_count + 1));

    const struct ast_query *q = ast->source;
    if (!q) {
        TRY_NEW(source = rel_new(b, REL_VALUES, NULL, NULL, ast->target.name.at));
        source->row_count = 1;
        TRY_NEW(source->rows = NEW(struct expr **));
    } else if (q->kind == AST_QUERY_VALUES && !q->with && !q->order_by.count && !q->limit &&
               !q->offset && !q->lock_count) {
        TRY(insert_values(b, &in, q, &source));
        for (uint32_t i = 0; i < in.count; i++)
            TRY_NEW(given[in.columns[i]] =
                        expr_column(b, source->cols[i].id, source->cols[i].type,
                                    q->rows[0].items[i]->at));
    } else {
        struct query made;
        TRY(bind_query(b, q, NULL, true, &made));
        TRY(insert_width(b, &in, made.count,
                         q->kind == AST_QUERY_SELECT && in.count < q->select->items.count
                             ? q->select->items.items[in.count].expr->at
                             : q->at));
        for (uint32_t i = 0; i < in.count; i++) {
            const struct ccolumn *col = &table->columns[in.columns[i]];
            uint32_t at = q->kind == AST_QUERY_SELECT && i < q->select->items.count
                              ? q->select->items.items[i].expr->at
                              : q->at;
            struct relcol *maker = b->cols[made.cols[i].id].maker;
            if (made.cols[i].type.id == LT_UNKNOWN && maker) {
                TRY(coerce_assign(b, &maker->expr, col->type, col->name, "expression"));
                maker->type = made.cols[i].type = maker->expr->type;
            }
            struct expr *e = expr_column(b, made.cols[i].id, made.cols[i].type, at);
            TRY_NEW(e);
            TRY(coerce_assign(b, &e, col->type, col->name, "expression"));
            given[in.columns[i]] = e;
        }
        source = made.rel;
    }

    TRY(new_dml(b, table, &dml));
    dml->set_count = table->column_count;
    for (uint32_t i = 0; i < table->column_count; i++) {
        dml->set_columns[i] = i;
        dml->set[i] = given[i];
        if (!dml->set[i])
            TRY(bind_default(b, table, i, ast->target.name.at, &dml->set[i]));
    }
    scope_init(b, &scope, NULL);
    TRY(fresh_rel(b, &scope, table, ast->target.alias.text, dml, &fresh));
    TRY(ns_add_rel(b, &scope.ns, fresh, ast->target.name.at));
    TRY(bind_checks(b, table, dml, NULL));
    TRY(bind_returning(b, &scope, &ast->returning, dml, out));
    drop_unused(b, table, dml, false);

    TRY_NEW(rel = rel_new(b, REL_INSERT, source, NULL, ast->target.name.at));
    rel->table = table;
    rel->alias = table->name;
    rel->dml = dml;
    TRY(bind_with_end(b, before, &rel, ast->target.name.at));
    out->root = rel;
out:
    return status;
}

/* ---- UPDATE and DELETE ---- */

/* The target and what FROM or USING adds: in scope, and as a tree. */
static kdk_status bind_target(struct binder *b, struct scope *scope,
                              const struct ast_target *target, const struct ctable *table,
                              const struct ast_froms *from, struct rel **scan,
                              struct rel **rel, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    TRY(bind_scan(b, scope, table, target->alias.text, true, target->name.at, scan, out));
    *rel = *scan;
    if (from->count) {
        struct ns joined;
        struct rel *others, *join;
        TRY(bind_from_list(b, scope, from, &others));
        struct ns own = {0};
        TRY(ns_add_rel(b, &own, *out, target->name.at));
        TRY(ns_join(b, &own, &scope->ns, &joined, target->name.at));
        scope->ns = joined;
        TRY_NEW(join = rel_new(b, REL_JOIN, *scan, others, from->items[0]->at));
        join->join = JOIN_INNER;
        *rel = join;
    } else {
        TRY(ns_add_rel(b, &scope->ns, *out, target->name.at));
    }
out:
    return status;
}

/* Each target row once, whatever the join says. */
static kdk_status once_each(struct binder *b, struct rel **rel, colid rowid, uint32_t at)
{
    kdk_status status = KDK_OK;
    struct rel *distinct = rel_new(b, REL_DISTINCT, *rel, NULL, at);
    TRY_NEW(distinct);
    TRY_NEW(distinct->keys = NEW(struct relkey));
    TRY_NEW(distinct->keys[0].expr = expr_column(b, rowid, LTYPE(BIGINT), at));
    distinct->key_count = 1;
    *rel = distinct;
out:
    return status;
}

/* RETURNING of UPDATE and DELETE: the target's names mean the fresh values, the others
 * stay. */
static kdk_status return_scope(struct binder *b, const struct scope *scope,
                               const struct scope_rel *target, struct scope_rel *fresh,
                               struct scope *out, uint32_t at)
{
    kdk_status status = KDK_OK;
    struct ns others = {0};
    *out = *scope;
    memset(&out->ns, 0, sizeof out->ns);
    TRY(ns_add_rel(b, &out->ns, fresh, at));
    TRY_NEW(others.rels = ARRAY(struct scope_rel *, (size_t)scope->ns.rel_count + 1));
    TRY_NEW(others.cols = ARRAY(struct scope_col *, (size_t)scope->ns.count + 1));
    for (uint32_t i = 0; i < scope->ns.rel_count; i++)
        if (scope->ns.rels[i] != target)
            others.rels[others.rel_count++] = scope->ns.rels[i];
    for (uint32_t i = 0; i < scope->ns.count; i++)
        if (scope->ns.cols[i] < target->cols ||
            scope->ns.cols[i] >= target->cols + target->count)
            others.cols[others.count++] = scope->ns.cols[i];
    TRY(ns_join(b, &out->ns, &others, &out->ns, at));
out:
    return status;
}

static kdk_status set_column(struct binder *b, const struct ctable *table,
                             struct rel_dml *dml, bool *changed,
                             const struct ast_ident *name, uint32_t *position)
{
    kdk_status status = KDK_OK;
    uint32_t at = bind_at(b, name->at);
    *position = table_column(table, name->text);
    if (*position == UINT32_MAX)
        FAIL_AT(at, KDK_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist",
                name->text, table->name);
    if (changed[*position])
        FAIL_AT(at, KDK_SYNTAX, "multiple assignments to same column \"%s\"", name->text);
    changed[*position] = true;
    dml->set_columns[dml->set_count] = *position;
out:
    return status;
}

static kdk_status set_value(struct binder *b, struct scope *scope,
                            const struct ctable *table, struct rel_dml *dml,
                            uint32_t position, const struct ast_expr *source)
{
    kdk_status status = KDK_OK;
    struct expr **e = &dml->set[dml->set_count];
    const struct ccolumn *col = &table->columns[position];
    if (source->kind == AST_DEFAULT) {
        TRY(bind_default(b, table, position, source->at, e));
    } else {
        TRY(bind_expr(b, scope, source, e));
        TRY(coerce_assign(b, e, col->type, col->name, "expression"));
    }
    dml->set_count++;
out:
    return status;
}

/* SET (a, b) = (SELECT ...): the subquery's row is joined to the target's, NULLs when there
 * is none, 21000 for more than one. */
static kdk_status set_subquery(struct binder *b, struct scope *scope,
                               const struct ctable *table, struct rel_dml *dml,
                               bool *changed, const struct ast_assign *assign, colid first,
                               struct rel **rel)
{
    kdk_status status = KDK_OK;
    struct query q;
    struct rel *join;
    TRY(bind_query(b, assign->source->query, scope, false, &q));
    if (q.count != assign->columns.count)
        FAIL_AT(bind_at(b, assign->source->at), KDK_SYNTAX,
                "number of columns does not match number of values");
    for (uint32_t i = 0; i < q.count; i++) {
        uint32_t position;
        struct expr *e;
        TRY(set_column(b, table, dml, changed, &assign->columns.items[i], &position));
        TRY_NEW(e = expr_column(b, q.cols[i].id, q.cols[i].type, assign->source->at));
        TRY(coerce_assign(b, &e, table->columns[position].type,
                          table->columns[position].name, "expression"));
        dml->set[dml->set_count++] = e;
    }
    TRY_NEW(join = rel_new(b, REL_JOIN, *rel, q.rel, assign->source->at));
    join->join = JOIN_SINGLE;
    join->lateral = scope->referenced;
    (void)first;
    *rel = join;
out:
    return status;
}

kdk_status bind_update(struct binder *b, const struct ast_update *ast,
                       struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    const struct ctable *table;
    struct rel_dml *dml;
    struct rel *scan, *rel, *update;
    struct scope scope, returning;
    struct scope_rel *target, *fresh;
    struct cte *before;
    struct expr *where;
    bool *changed = NULL;

    TRY(bind_with(b, ast->with, NULL, &before));
    TRY(bind_table_name(b, &ast->target.name, &table));
    TRY(bind_writable(b, table, "update", ast->target.name.at));
    scope_init(b, &scope, NULL);
    scope.clause = CLAUSE_UPDATE;
    const colid first = b->next;
    TRY(bind_target(b, &scope, &ast->target, table, &ast->from, &scan, &rel, &target));
    if (ast->where) {
        TRY(bind_condition(b, &scope, ast->where, CLAUSE_WHERE, &where));
        TRY_NEW(rel = rel_filter(b, rel, where, ast->where->at));
    }
    TRY(new_dml(b, table, &dml));
    dml->rowid = scan->cols[scan->col_count - 1].id;
    for (uint32_t i = 0; i < table->column_count; i++)
        dml->old[i] = scan->cols[i].id;
    if (ast->from.count)
        TRY(once_each(b, &rel, dml->rowid, ast->target.name.at));

    TRY_NEW(changed = ARRAY(bool, (size_t)table->column_count + 1));
    for (uint32_t i = 0; i < ast->set.count; i++) {
        const struct ast_assign *assign = &ast->set.items[i];
        uint32_t position;
        if (!assign->row) {
            TRY(set_column(b, table, dml, changed, &assign->columns.items[0], &position));
            TRY(set_value(b, &scope, table, dml, position, assign->source));
            continue;
        }
        if (assign->source->kind == AST_SUBQUERY) {
            scope.referenced = false;
            TRY(set_subquery(b, &scope, table, dml, changed, assign, first, &rel));
            continue;
        }
        if (assign->source->kind != AST_ROW) {
            if (assign->columns.count != 1)
                FAIL_AT(bind_at(b, assign->source->at), KDK_UNSUPPORTED,
                        "source for a multiple-column UPDATE item must be a sub-SELECT or "
                        "ROW() expression");
            TRY(set_column(b, table, dml, changed, &assign->columns.items[0], &position));
            TRY(set_value(b, &scope, table, dml, position, assign->source));
            continue;
        }
        if (assign->source->list.count != assign->columns.count)
            FAIL_AT(bind_at(b, assign->source->at), KDK_SYNTAX,
                    "number of columns does not match number of values");
        for (uint32_t k = 0; k < assign->columns.count; k++) {
            TRY(set_column(b, table, dml, changed, &assign->columns.items[k], &position));
            TRY(set_value(b, &scope, table, dml, position, assign->source->list.items[k]));
        }
    }
    TRY(fresh_rel(b, &scope, table, ast->target.alias.text, dml, &fresh));
    TRY(bind_checks(b, table, dml, changed));
    TRY(return_scope(b, &scope, target, fresh, &returning, ast->target.name.at));
    TRY(bind_returning(b, &returning, &ast->returning, dml, out));
    drop_unused(b, table, dml, false);
    prune_scan(b, scan, dml);

    TRY_NEW(update = rel_new(b, REL_UPDATE, rel, NULL, ast->target.name.at));
    update->table = table;
    update->alias = scan->alias;
    update->dml = dml;
    TRY(bind_with_end(b, before, &update, ast->target.name.at));
    out->root = update;
out:
    return status;
}

kdk_status bind_delete(struct binder *b, const struct ast_delete *ast,
                       struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    const struct ctable *table;
    struct rel_dml *dml;
    struct rel *scan, *rel, *delete;
    struct scope scope, returning;
    struct scope_rel *target, *fresh;
    struct cte *before;
    struct expr *where;

    TRY(bind_with(b, ast->with, NULL, &before));
    TRY(bind_table_name(b, &ast->target.name, &table));
    TRY(bind_writable(b, table, "delete from", ast->target.name.at));
    scope_init(b, &scope, NULL);
    TRY(bind_target(b, &scope, &ast->target, table, &ast->using, &scan, &rel, &target));
    if (ast->where) {
        TRY(bind_condition(b, &scope, ast->where, CLAUSE_WHERE, &where));
        TRY_NEW(rel = rel_filter(b, rel, where, ast->where->at));
    }
    TRY(new_dml(b, table, &dml));
    dml->rowid = scan->cols[scan->col_count - 1].id;
    for (uint32_t i = 0; i < table->column_count; i++)
        dml->old[i] = scan->cols[i].id;
    if (ast->using.count)
        TRY(once_each(b, &rel, dml->rowid, ast->target.name.at));
    TRY(fresh_rel(b, &scope, table, ast->target.alias.text, dml, &fresh));
    TRY(return_scope(b, &scope, target, fresh, &returning, ast->target.name.at));
    TRY(bind_returning(b, &returning, &ast->returning, dml, out));
    drop_unused(b, table, dml, true);
    prune_scan(b, scan, dml);

    TRY_NEW(delete = rel_new(b, REL_DELETE, rel, NULL, ast->target.name.at));
    delete->table = table;
    delete->alias = scan->alias;
    delete->dml = dml;
    TRY(bind_with_end(b, before, &delete, ast->target.name.at));
    out->root = delete;
out:
    return status;
}
