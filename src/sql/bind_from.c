/* bind_from.c - FROM: tables, views, CTEs, files, functions, subqueries, joins. */
#include "sql/bind_int.h"

enum { VIEW_DEPTH_MAX = 64 };

static kdk_status bind_from(struct binder *b, struct scope *scope,
                            const struct ast_from *ast, const struct ns *left,
                            struct rel **rel, struct ns *ns) KDK_MUST_CHECK;

/* ---- relations ---- */

/* A relation of a query's columns, under an alias. */
static kdk_status query_rel(struct binder *b, struct scope *scope, const struct query *q,
                            const char *alias, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    struct scope_rel *rel = NEW(struct scope_rel);
    TRY_NEW(rel);
    rel->alias = alias;
    rel->count = q->count;
    TRY_NEW(rel->cols = ARRAY(struct scope_col, (size_t)q->count + 1));
    for (uint32_t i = 0; i < q->count; i++) {
        const struct query_col *col = &q->cols[i];
        rel->cols[i] = (struct scope_col){.name = col->name ? col->name : "?column?",
                                          .id = col->id,
                                          .type = col->type,
                                          .not_null = col->not_null};
        struct colinfo *info = &b->cols[col->id];
        info->relation = alias;
        info->name = rel->cols[i].name;
        info->scope = scope->id;
        info->rel = rel;
    }
    *out = rel;
out:
    return status;
}

kdk_status bind_scan(struct binder *b, struct scope *scope, const struct ctable *table,
                     const char *alias, bool row_id, uint32_t at, struct rel **rel,
                     struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    const uint32_t n = table->column_count;
    struct rel *scan = rel_new(b, REL_SCAN, NULL, NULL, at);
    struct scope_rel *r = NEW(struct scope_rel);
    TRY_NEW(scan);
    TRY_NEW(r);
    scan->table = table;
    scan->alias = alias ? alias : table->name;
    TRY_NEW(scan->cols = ARRAY(struct relcol, (size_t)n + 1));
    r->alias = scan->alias;
    r->schema = alias ? NULL : table->schema;
    r->table = table;
    r->count = n;
    TRY_NEW(r->cols = ARRAY(struct scope_col, (size_t)n + 1));
    for (uint32_t i = 0; i < n; i++) {
        const struct ccolumn *col = &table->columns[i];
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        b->cols[id] = (struct colinfo){.relation = scan->alias,
                                       .name = col->name,
                                       .scope = scope->id,
                                       .column = i,
                                       .table = table,
                                       .rel = r};
        scan->cols[i] = (struct relcol){.id = id,
                                        .type = col->type,
                                        .name = col->name,
                                        .not_null = col->not_null,
                                        .column = i};
        r->cols[i] = (struct scope_col){
            .name = col->name, .id = id, .type = col->type, .not_null = col->not_null};
    }
    scan->col_count = n;
    if (row_id) {
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        b->cols[id].used = true;
        scan->cols[n] = (struct relcol){.id = id,
                                        .type = LTYPE(BIGINT),
                                        .name = "rowid",
                                        .not_null = true,
                                        .column = ROWID_COLUMN};
        scan->col_count++;
    }
    *rel = scan;
    *out = r;
out:
    return status;
}

/* t(a, b): new names for the first columns. */
static kdk_status rename_columns(struct binder *b, const struct ast_from *ast,
                                 struct scope_rel *rel)
{
    kdk_status status = KDK_OK;
    if (ast->columns.count > rel->count)
        FAIL_AT(bind_at(b, ast->at), KDK_INVALID_COLUMN_REFERENCE,
                "table \"%s\" has %u columns available but %u columns specified",
                rel->alias ? rel->alias : "unnamed", rel->count, ast->columns.count);
    for (uint32_t i = 0; i < ast->columns.count; i++) {
        rel->cols[i].name = ast->columns.items[i].text;
        if (rel->cols[i].id)
            b->cols[rel->cols[i].id].name = rel->cols[i].name;
    }
out:
    return status;
}

/* ---- views ---- */

static kdk_status bind_view(struct binder *b, const struct ctable *view, uint32_t at,
                            struct query *out)
{
    kdk_status status = KDK_OK;
    struct ast_list list;
    struct cte *ctes = b->ctes, *cte_now = b->cte_now;
    const bool stored = b->stored, note = b->note_names;
    const uint32_t view_at = b->view_at;

    b->view_at = bind_at(b, at);
    b->stored = true;
    b->note_names = false;
    b->ctes = b->cte_now = NULL;
    b->view_depth++;
    if (b->view_depth > VIEW_DEPTH_MAX)
        FAIL_AT(b->view_at, KDK_TOO_COMPLEX, "views are nested more than %d deep",
                VIEW_DEPTH_MAX);
    status = sql_parse(view->view_sql, strlen(view->view_sql), b->arena, &list, b->err);
    if (status != KDK_OK) {
        if (b->err)
            b->err->position = 0; /* It is one in the view's text. */
        err_at(b->err, b->view_at);
        goto out;
    }
    if (list.count != 1 || list.items[0]->kind != AST_STMT_QUERY)
        FAIL_AT(b->view_at, KDK_CORRUPT, "the stored text of view \"%s\" is not a query",
                view->name);
    TRY(bind_query(b, list.items[0]->query, NULL, false, out));
    if (out->count != view->column_count)
        FAIL_AT(b->view_at, KDK_NOT_READY,
                "view \"%s\" has %u columns but its query makes %u", view->name,
                view->column_count, out->count);
    for (uint32_t i = 0; i < out->count; i++)
        out->cols[i].name = view->columns[i].name;
out:
    if (status != KDK_OK && status != KDK_NOMEM)
        err_while(b->err, "expanding view \"%s\"", view->name);
    b->view_depth--;
    b->ctes = ctes;
    b->cte_now = cte_now;
    b->stored = stored;
    b->view_at = view_at;
    b->note_names = note;
    return status;
}

/* ---- kinds ---- */

static kdk_status from_table(struct binder *b, struct scope *scope,
                             const struct ast_from *ast, struct rel **rel,
                             struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    const char *alias = ast->alias.text;
    const struct ctable *table;
    struct query q = {0};
    bool found = false;

    if (ast->name.count == 1)
        TRY(bind_cte(b, ast->name.parts[0].text, ast->at, &found, &q));
    if (found) {
        *rel = q.rel;
        return query_rel(b, scope, &q, alias ? alias : ast->name.parts[0].text, out);
    }
    TRY(bind_table_name(b, &ast->name, &table));
    if (table->kind == COBJ_VIEW) {
        TRY(bind_view(b, table, ast->at, &q));
        *rel = q.rel;
        TRY(query_rel(b, scope, &q, alias ? alias : table->name, out));
        if (!alias)
            (*out)->schema = table->schema;
    } else {
        TRY(bind_scan(b, scope, table, alias, false, ast->at, rel, out));
    }
    if (b->note_names) {
        struct table_note *note = NEW(struct table_note);
        TRY_NEW(note);
        *note = (struct table_note){.from = (struct ast_from *)(uintptr_t)ast,
                                    .table = table,
                                    .scan = table->kind == COBJ_VIEW ? NULL : *rel,
                                    .next = b->tables};
        b->tables = note;
    }
out:
    return status;
}

/* "data/flights.csv" is flights. */
static const char *file_alias(struct binder *b, const char *path)
{
    const char *start = strrchr(path, '/');
    start = start ? start + 1 : path;
    const char *end = strchr(start, '.');
    size_t bytes = end && end > start ? (size_t)(end - start) : strlen(start);
    return arena_strndup(b->arena, start, MIN(bytes, (size_t)IDENTIFIER_BYTES_MAX));
}

static kdk_status from_file(struct binder *b, struct scope *scope,
                            const struct ast_from *ast, struct rel **rel,
                            struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    struct bind_file file = {0};
    struct query q = {0};

    if (!b->env->file)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED,
                "reading files in FROM is not supported here");
    TRY_AT(bind_at(b, ast->at),
           b->env->file(b->env->context, ast->file.text, NULL, b->arena, &file, b->err));
    struct rel *r = rel_new(b, REL_FILE, NULL, NULL, ast->at);
    TRY_NEW(r);
    r->path = ast->file.text;
    r->file = file.file;
    r->col_count = q.count = file.column_count;
    TRY_NEW(r->alias = ast->alias.text ? ast->alias.text : file_alias(b, ast->file.text));
    TRY_NEW(r->cols = ARRAY(struct relcol, (size_t)q.count + 1));
    TRY_NEW(q.cols = ARRAY(struct query_col, (size_t)q.count + 1));
    for (uint32_t i = 0; i < q.count; i++) {
        const struct ccolumn *col = &file.columns[i];
        colid id = bind_colid(b);
        if (!id)
            TRY(err_nomem(b->err));
        r->cols[i] = (struct relcol){.id = id,
                                     .type = col->type,
                                     .name = col->name,
                                     .not_null = col->not_null,
                                     .column = i};
        q.cols[i] = (struct query_col){id, col->type, col->name, col->not_null};
    }
    *rel = q.rel = r;
    TRY(query_rel(b, scope, &q, r->alias, out));
out:
    return status;
}

/* The scope in which a LATERAL item is bound: it sees what stands to its left. */
static void lateral_scope(const struct scope *scope, const struct ns *left,
                          struct scope *out)
{
    *out = *scope;
    out->ns = *left;
    out->clause = CLAUSE_FROM_FUNCTION;
    out->referenced = false;
}

static kdk_status from_function(struct binder *b, struct scope *scope,
                                const struct ast_from *ast, const struct ns *left,
                                struct rel **rel, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    const struct ast_expr *call = ast->function.call;
    struct query q = {.count = 1};
    struct scope inner;
    struct expr **args;
    struct rel *r;
    const char *name = call->kind == AST_CALL
                           ? ast_last(&call->call->name)->text
                           : ast_sql_value_text((enum ast_sql_value)call->sql_value.value);

    if (ast->ordinality)
        FAIL_AT(bind_at(b, ast->at), KDK_UNSUPPORTED, "WITH ORDINALITY is not supported");
    if (ast->function.def_count)
        FAIL_AT(
            bind_at(b, ast->at), KDK_SYNTAX,
            "a column definition list is only allowed for functions returning \"record\"");
    lateral_scope(scope, left, &inner);
    if (call->kind == AST_CALL && strcmp(name, "generate_series") == 0) {
        const struct ast_exprs *list = &call->call->args;
        struct ltype type;
        if (list->count < 2 || list->count > 3)
            FAIL_AT(bind_at(b, call->at), KDK_UNDEFINED_FUNCTION,
                    "function generate_series with %u arguments does not exist",
                    list->count);
        TRY_NEW(args = ARRAY(struct expr *, 3));
        for (uint32_t i = 0; i < list->count; i++)
            TRY(bind_expr(b, &inner, list->items[i], &args[i]));
        for (uint32_t i = 0; i < list->count; i++)
            if (args[i]->type.id == LT_UNKNOWN)
                TRY(coerce(b, &args[i], LTYPE(INTEGER), CAST_IMPLICIT));
        TRY(coerce_common(b, args, list->count, "generate_series", &type));
        if (!ltype_is_integer(type)) {
            char text[64];
            FAIL_AT(bind_at(b, call->at), KDK_UNSUPPORTED,
                    "generate_series of %s is not supported",
                    ltype_name(type, text, sizeof text));
        }
        if (type.id != LT_BIGINT)
            type = LTYPE(INTEGER);
        if (list->count < 3)
            TRY_NEW(args[2] =
                        expr_const(b, LTYPE(INTEGER), (struct datum){.i = 1}, call->at));
        for (uint32_t i = 0; i < 3; i++)
            TRY(coerce(b, &args[i], type, CAST_IMPLICIT));
        TRY_NEW(r = rel_new(b, REL_SERIES, NULL, NULL, ast->at));
    } else {
        TRY_NEW(args = NEW(struct expr *));
        TRY(bind_expr(b, &inner, call, &args[0]));
        TRY(coerce_unknown(b, &args[0]));
        TRY_NEW(r = rel_new(b, REL_VALUES, NULL, NULL, ast->at));
    }
    r->row_count = 1;
    scope->referenced |= inner.referenced;
    TRY_NEW(r->rows = NEW(struct expr **));
    r->rows[0] = args;
    r->col_count = 1;
    TRY_NEW(r->cols = NEW(struct relcol));
    TRY_NEW(q.cols = NEW(struct query_col));
    colid id = bind_colid(b);
    if (!id)
        TRY(err_nomem(b->err));
    const char *alias = ast->alias.text ? ast->alias.text : name;
    r->cols[0] = (struct relcol){.id = id, .type = args[0]->type, .name = alias};
    q.cols[0] = (struct query_col){id, args[0]->type, alias, false};
    q.rel = *rel = r;
    TRY(query_rel(b, scope, &q, alias, out));
out:
    return status;
}

static kdk_status from_query(struct binder *b, struct scope *scope,
                             const struct ast_from *ast, const struct ns *left,
                             struct rel **rel, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    struct query q;
    struct scope inner;
    if (ast->lateral) {
        lateral_scope(scope, left, &inner);
        TRY(bind_query(b, ast->query, &inner, false, &q));
        scope->referenced |= inner.referenced;
    } else {
        TRY(bind_query(b, ast->query, scope->outer, false, &q));
    }
    *rel = q.rel;
    TRY(query_rel(b, scope, &q, ast->alias.text, out));
out:
    return status;
}

/* ---- joins ---- */

struct lateral_search {
    colid first, end;
    bool found;
};
static kdk_status find_lateral(struct walk *walk, struct expr **e, bool *deeper)
{
    struct lateral_search *s = walk->context;
    s->found |=
        (*e)->kind == EX_COLUMN && (*e)->column >= s->first && (*e)->column < s->end;
    *deeper = !s->found;
    return KDK_OK;
}

/* Does the tree name a column with an id in [first, end)? */
static kdk_status names_columns(struct rel *rel, colid first, colid end, bool *out)
{
    struct lateral_search search = {first, end, false};
    struct walk walk = {.each = find_lateral, .context = &search};
    kdk_status status = walk_rel(&walk, rel);
    *out = search.found;
    return status;
}

/* A column that USING merges. */
static kdk_status merge_column(struct binder *b, struct scope *scope,
                               const struct ast_from *ast, const char *name, uint32_t at,
                               const struct ns *left, const struct ns *right,
                               struct scope_col *out, struct expr **cond)
{
    kdk_status status = KDK_OK;
    uint32_t count;
    struct expr *pair[2], *l, *r;
    struct ltype type;
    const struct scope_col *lc = ns_find(left, name, &count);
    if (count > 1)
        FAIL_AT(bind_at(b, at), KDK_AMBIGUOUS_COLUMN,
                "common column name \"%s\" appears more than once in left table", name);
    if (!lc)
        FAIL_AT(bind_at(b, at), KDK_UNDEFINED_COLUMN,
                "column \"%s\" specified in USING clause does not exist in left table",
                name);
    const struct scope_col *rc = ns_find(right, name, &count);
    if (count > 1)
        FAIL_AT(bind_at(b, at), KDK_AMBIGUOUS_COLUMN,
                "common column name \"%s\" appears more than once in right table", name);
    if (!rc)
        FAIL_AT(bind_at(b, at), KDK_UNDEFINED_COLUMN,
                "column \"%s\" specified in USING clause does not exist in right table",
                name);
    TRY(scope_mention(b, scope, lc, at, &l));
    TRY(scope_mention(b, scope, rc, at, &r));
    TRY(bind_compare(b, "=", l, r, at, cond));

    TRY(scope_mention(b, scope, lc, at, &pair[0]));
    TRY(scope_mention(b, scope, rc, at, &pair[1]));
    TRY(coerce_common(b, pair, 2, "JOIN/USING", &type));
    struct expr *merged = pair[ast->join == AST_JOIN_RIGHT];
    const struct scope_col *whole = ast->join == AST_JOIN_RIGHT ? rc : lc;
    if (ast->join == AST_JOIN_FULL) {
        TRY_NEW(merged = expr_new(b, EX_COALESCE, type, at, 2));
        merged->args[0] = pair[0];
        merged->args[1] = pair[1];
        expr_flags(merged);
    }
    *out = (struct scope_col){.name = name, .type = type};
    if (merged->kind == EX_COLUMN && !whole->merged)
        out->id = merged->column;
    else
        out->merged = merged;
out:
    return status;
}

static kdk_status join_using(struct binder *b, struct scope *scope,
                             const struct ast_from *ast, const struct ns *left,
                             const struct ns *right, const char *const *names,
                             const uint32_t *places, uint32_t n, struct ns *ns,
                             struct rel *rel)
{
    kdk_status status = KDK_OK;
    struct scope_col *merged = ARRAY(struct scope_col, (size_t)n + 1);
    struct scope_col **cols = ARRAY(struct scope_col *, (size_t)ns->count + n + 1);
    uint32_t count = 0;
    TRY_NEW(merged);
    TRY_NEW(cols);
    TRY_NEW(rel->conds = ARRAY(struct expr *, (size_t)n + 1));
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(names[k], names[i]) == 0)
                FAIL_AT(bind_at(b, places[i]), KDK_DUPLICATE_COLUMN,
                        "column name \"%s\" appears more than once in USING clause",
                        names[i]);
        TRY(merge_column(b, scope, ast, names[i], places[i], left, right, &merged[i],
                         &rel->conds[rel->cond_count]));
        rel->cond_count++;
        cols[count++] = &merged[i];
    }
    for (uint32_t i = 0; i < ns->count; i++) {
        bool gone = false;
        for (uint32_t k = 0; k < n; k++)
            gone |= strcmp(ns->cols[i]->name, names[k]) == 0;
        if (!gone)
            cols[count++] = ns->cols[i];
    }
    ns->cols = cols;
    ns->count = count;
out:
    return status;
}

/* Relations from `first` on stay in sight by name only, so that an error can say that they
 * are out of reach. */
static kdk_status hide_rels(struct binder *b, struct ns *ns, uint32_t first)
{
    kdk_status status = KDK_OK;
    struct scope_rel **rels = ARRAY(struct scope_rel *, (size_t)ns->rel_count + 1);
    TRY_NEW(rels);
    for (uint32_t i = 0; i < ns->rel_count; i++) {
        rels[i] = ns->rels[i];
        if (i < first)
            continue;
        TRY_NEW(rels[i] = arena_dup(b->arena, ns->rels[i], sizeof **rels));
        rels[i]->hidden = true;
    }
    ns->rels = rels;
out:
    return status;
}

static kdk_status from_join(struct binder *b, struct scope *scope,
                            const struct ast_from *ast, const struct ns *outside,
                            struct rel **out, struct ns *ns)
{
    kdk_status status = KDK_OK;
    struct rel *left, *right, *rel;
    struct ns lns, rns, seen;
    const bool lateral = ast->join == AST_JOIN_INNER || ast->join == AST_JOIN_LEFT ||
                         ast->join == AST_JOIN_CROSS;
    const colid first = b->next;
    bool referenced = scope->referenced; /* Kept for whoever stands around this join. */
    colid end;

    TRY(bind_from(b, scope, ast->sides.left, outside, &left, &lns));
    end = b->next;
    TRY(ns_join(b, outside, &lns, &seen, ast->sides.left->at));
    if (!lateral) {
        TRY(hide_rels(b, &seen, outside->rel_count));
        seen.count = outside->count;
    }
    referenced |= scope->referenced;
    scope->referenced = false;
    TRY(bind_from(b, scope, ast->sides.right, &seen, &right, &rns));
    TRY_NEW(rel = rel_new(b, REL_JOIN, left, right, ast->at));
    if (scope->referenced)
        TRY(names_columns(right, first, end, &rel->lateral));
    scope->referenced |= referenced;
    TRY(ns_join(b, &lns, &rns, ns, ast->sides.right->at));

    rel->join = JOIN_INNER;
    if (ast->join == AST_JOIN_LEFT || ast->join == AST_JOIN_RIGHT)
        rel->join = JOIN_LEFT;
    else if (ast->join == AST_JOIN_FULL)
        rel->join = JOIN_FULL;
    if (ast->join == AST_JOIN_RIGHT) {
        rel->in[0] = right;
        rel->in[1] = left;
    }
    if (ast->sides.on) {
        struct scope on = *scope;
        struct expr *cond;
        struct ns siblings = *outside;
        TRY(hide_rels(b, &siblings, 0));
        siblings.count = 0;
        TRY(ns_join(b, ns, &siblings, &on.ns, ast->at));
        TRY(bind_condition(b, &on, ast->sides.on, CLAUSE_ON, &cond));
        TRY(cond_split(b, cond, &rel->cond_count, &rel->conds));
    } else if (ast->natural || ast->sides.using.count) {
        uint32_t max = ast->natural ? lns.count : ast->sides.using.count, n = 0;
        const char **names = ARRAY(const char *, (size_t)max + 1);
        uint32_t *places = ARRAY(uint32_t, (size_t)max + 1);
        TRY_NEW(names);
        TRY_NEW(places);
        for (uint32_t i = 0; i < max; i++) {
            uint32_t count;
            places[n] = ast->natural ? ast->at : ast->sides.using.items[i].at;
            names[n] = ast->natural ? lns.cols[i]->name : ast->sides.using.items[i].text;
            if (ast->natural) {
                if (!ns_find(&rns, names[n], &count))
                    continue;
            }
            n++;
        }
        TRY(join_using(b, scope, ast, &lns, &rns, names, places, n, ns, rel));
    }
    *out = rel;
out:
    return status;
}

/* a JOIN b USING (x) AS j: j.x is a name for what is merged, and a and b stay what they
 * are. */
static kdk_status alias_merged(struct binder *b, const struct ast_from *ast, struct ns *ns)
{
    kdk_status status = KDK_OK;
    struct scope_rel *rel = NEW(struct scope_rel);
    struct ns named = {0}, all;
    TRY_NEW(rel);
    rel->alias = ast->alias.text;
    rel->count = ast->sides.using.count;
    TRY_NEW(rel->cols = ARRAY(struct scope_col, (size_t)rel->count + 1));
    for (uint32_t i = 0; i < rel->count; i++)
        rel->cols[i] = *ns->cols[i];
    TRY(ns_add_rel(b, &named, rel, ast->at));
    named.count = 0; /* Only by its name. */
    TRY(ns_join(b, ns, &named, &all, ast->at));
    *ns = all;
out:
    return status;
}

static kdk_status from_kind(struct binder *b, struct scope *scope,
                            const struct ast_from *ast, const struct ns *left,
                            struct rel **rel, struct ns *ns)
{
    kdk_status status = KDK_OK;
    struct scope_rel *r = NULL;
    memset(ns, 0, sizeof *ns);
    switch ((enum ast_from_kind)ast->kind) {
    case AST_FROM_TABLE:
        TRY(from_table(b, scope, ast, rel, &r));
        break;
    case AST_FROM_FILE:
        TRY(from_file(b, scope, ast, rel, &r));
        break;
    case AST_FROM_QUERY:
        TRY(from_query(b, scope, ast, left, rel, &r));
        break;
    case AST_FROM_FUNCTION:
        TRY(from_function(b, scope, ast, left, rel, &r));
        break;
    case AST_FROM_JOIN:
        TRY(from_join(b, scope, ast, left, rel, ns));
        if (ast->alias.text)
            TRY(alias_merged(b, ast, ns));
        goto out;
    }
    TRY(rename_columns(b, ast, r));
    TRY(ns_add_rel(b, ns, r, ast->at));
out:
    return status;
}

static kdk_status bind_from(struct binder *b, struct scope *scope,
                            const struct ast_from *ast, const struct ns *left,
                            struct rel **rel, struct ns *ns)
{
    kdk_status status = bind_enter(b, ast->at);
    if (status != KDK_OK)
        return status;
    status = from_kind(b, scope, ast, left, rel, ns);
    bind_leave(b);
    return status;
}

kdk_status bind_from_list(struct binder *b, struct scope *scope,
                          const struct ast_froms *from, struct rel **out)
{
    kdk_status status = KDK_OK;
    struct rel *all = NULL;
    const colid first = b->next;

    if (from->count == 0) { /* One row without columns. */
        TRY_NEW(all = rel_new(b, REL_VALUES, NULL, NULL, 0));
        all->row_count = 1;
        TRY_NEW(all->rows = NEW(struct expr **));
    }
    for (uint32_t i = 0; i < from->count; i++) {
        struct rel *rel;
        struct ns ns, joined;
        const colid end = b->next;
        scope->referenced = false;
        TRY(bind_from(b, scope, from->items[i], &scope->ns, &rel, &ns));
        TRY(ns_join(b, &scope->ns, &ns, &joined, from->items[i]->at));
        if (all) {
            struct rel *join = rel_new(b, REL_JOIN, all, rel, from->items[i]->at);
            TRY_NEW(join);
            join->join = JOIN_INNER;
            if (scope->referenced)
                TRY(names_columns(rel, first, end, &join->lateral));
            rel = join;
        }
        all = rel;
        scope->ns = joined;
    }
    *out = all;
out:
    return status;
}
