/* bind_drop.c - DROP, and which views stand on what: found by binding their text, since
 * nothing else records it. */
#include "sql/bind_int.h"

/* ---- what stands on what ---- */

struct dependants {
    struct binder *b;
    const struct ctable *table;
    int64_t position;
    struct view_list *list;
};

static kdk_status add_view(struct binder *b, struct view_list *list,
                           const struct ctable *view)
{
    kdk_status status = KDK_OK;
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? list->cap * 2 : 8;
        const struct ctable **views = ARRAY(const struct ctable *, cap);
        TRY_NEW(views);
        if (list->count)
            memcpy(views, list->views, list->count * sizeof *views);
        list->views = views;
        list->cap = cap;
    }
    list->views[list->count++] = view;
out:
    return status;
}

static kdk_status look_at_view(void *context, const struct ctable *view, struct err *err)
{
    kdk_status status = KDK_OK;
    struct dependants *d = context;
    struct binder inner;
    struct ast_list list;
    struct query q;
    struct err ignored = {0};
    bool depends = false;

    if (view->kind != COBJ_VIEW || view == d->table)
        return KDK_OK;
    for (uint32_t i = 0; i < d->list->count; i++)
        if (d->list->views[i] == view)
            return KDK_OK;
    TRY(binder_init(&inner, d->b->env, NULL, d->b->arena, &ignored));
    inner.note_names = true;
    inner.stored = true;
    status =
        sql_parse(view->view_sql, strlen(view->view_sql), d->b->arena, &list, &ignored);
    if (status == KDK_OK && list.count == 1 && list.items[0]->kind == AST_STMT_QUERY)
        status = bind_query(&inner, list.items[0]->query, NULL, false, &q);
    if (status == KDK_NOMEM) {
        status = err_nomem(err);
        goto out;
    }
    status = KDK_OK; /* A view that does not bind depends on nothing. */
    for (const struct table_note *n = inner.tables; n; n = n->next) {
        if (n->table != d->table)
            continue;
        if (d->position < 0)
            depends = true;
        for (uint32_t i = 0; n->scan && d->position >= 0 && i < n->scan->col_count; i++)
            depends |= n->scan->cols[i].column == (uint32_t)d->position &&
                       inner.cols[n->scan->cols[i].id].used;
    }
    if (depends) {
        TRY(bind_dependants(d->b, view, -1, d->list)); /* Those on it come first. */
        TRY(add_view(d->b, d->list, view));
    }
out:
    return status;
}

kdk_status bind_dependants(struct binder *b, const struct ctable *table, int64_t position,
                           struct view_list *list)
{
    struct dependants d = {b, table, position, list};
    return catver_each(b->env->catver, look_at_view, &d, b->err);
}

kdk_status bind_refuse_dependants(struct binder *b, const char *verb, const char *what,
                                  const struct ctable *view, uint32_t at)
{
    kdk_status status =
        err_set(b->err, KDK_DEPENDENT_OBJECTS,
                "cannot %s %s because other objects depend on it", verb, what);
    err_detail(b->err, "view %s depends on %s", view->name, what);
    err_hint(b->err, "Use DROP ... CASCADE to drop the dependent objects too.");
    err_at(b->err, bind_at(b, at));
    return status;
}

/* ---- DROP ---- */

static kdk_status missing(struct binder *b, const struct ast_drop *ast,
                          const struct ast_name *name, const char *kind)
{
    kdk_status status = KDK_OK;
    const char *text = bind_name_text(b, name);
    kdk_status code = ast->object == AST_OBJECT_SCHEMA  ? KDK_UNDEFINED_SCHEMA
                      : ast->object == AST_OBJECT_INDEX ? KDK_UNDEFINED_OBJECT
                                                        : KDK_UNDEFINED_TABLE;
    if (!ast->if_exists)
        FAIL_AT(bind_at(b, name->at), code, "%s \"%s\" does not exist", kind, text);
    bind_notice(b, "00000", "%s \"%s\" does not exist, skipping", kind, text);
out:
    return status;
}

kdk_status bind_index_maybe(struct binder *b, const struct ast_name *name,
                            const struct cindex **out)
{
    kdk_status status = KDK_OK;
    if (name->count > 2)
        FAIL_AT(bind_at(b, name->at), KDK_UNSUPPORTED,
                "cross-database references are not implemented: \"%s\"",
                bind_name_text(b, name));
    *out = NULL;
    if (name->count == 2) {
        *out = catver_index(b->env->catver, name->parts[0].text, ast_last(name)->text);
        return KDK_OK;
    }
    for (uint32_t i = 0; i < (b->env->search_path ? b->env->search_path_count : 0) && !*out;
         i++)
        *out = catver_index(b->env->catver, b->env->search_path[i], name->parts[0].text);
    if (!b->env->search_path)
        *out = catver_index(b->env->catver, NULL, name->parts[0].text);
out:
    return status;
}

static bool listed(const struct view_list *list, const struct ctable *table)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->views[i] == table)
            return true;
    return false;
}

static kdk_status drop_index(struct binder *b, const struct ast_drop *ast,
                             const struct ast_name *name, struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    const struct cindex *index;
    const struct ctable *table = NULL;
    TRY(bind_index_maybe(b, name, &index));
    if (!index) {
        TRY(bind_table_maybe(b, name, &table));
        if (table)
            FAIL_AT(bind_at(b, name->at), KDK_WRONG_OBJECT_TYPE, "\"%s\" is not an index",
                    table->name);
        return missing(b, ast, name, "index");
    }
    if (index->constraint) {
        status =
            err_set(b->err, KDK_DEPENDENT_OBJECTS,
                    "cannot drop index %s because constraint %s on table %s requires it",
                    index->name, index->name, index->table->name);
        err_hint(b->err, "You can drop constraint %s on table %s instead.", index->name,
                 index->table->name);
        err_at(b->err, bind_at(b, name->at));
        goto out;
    }
    TRY(bind_writable(b, index->table, "drop an index of", name->at));
    for (uint32_t i = 0; i < ddl->dropped_index_count; i++)
        if (ddl->dropped_indexes[i] == index)
            return KDK_OK;
    ddl->dropped_indexes[ddl->dropped_index_count++] = index;
out:
    return status;
}

struct schema_tables {
    struct binder *b;
    const char *schema;
    struct view_list *list;
};
static kdk_status add_if_in_schema(void *context, const struct ctable *table,
                                   struct err *err)
{
    struct schema_tables *s = context;
    (void)err;
    return strcmp(table->schema, s->schema) == 0 ? add_view(s->b, s->list, table) : KDK_OK;
}

static kdk_status drop_schema(struct binder *b, const struct ast_drop *ast,
                              const struct ast_name *name, struct bound_ddl *ddl,
                              struct view_list *roots)
{
    kdk_status status = KDK_OK;
    const char *schema = ast_last(name)->text;
    if (!catver_schema_exists(b->env->catver, schema))
        return missing(b, ast, name, "schema");
    if (strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0)
        FAIL_AT(bind_at(b, name->at), KDK_DEPENDENT_OBJECTS,
                "cannot drop schema %s because it is required by the database system",
                schema);
    struct schema_tables search = {b, schema, roots};
    uint32_t before = roots->count;
    TRY(catver_each(b->env->catver, add_if_in_schema, &search, b->err));
    if (roots->count > before && !ast->cascade) {
        status =
            err_set(b->err, KDK_DEPENDENT_OBJECTS,
                    "cannot drop schema %s because other objects depend on it", schema);
        err_detail(b->err, "%s %s depends on schema %s",
                   roots->views[before]->kind == COBJ_VIEW ? "view" : "table",
                   roots->views[before]->name, schema);
        err_hint(b->err, "Use DROP ... CASCADE to drop the dependent objects too.");
        err_at(b->err, bind_at(b, name->at));
        goto out;
    }
    ddl->schemas[ddl->schema_count++] = schema;
out:
    return status;
}

static kdk_status drop_table(struct binder *b, const struct ast_drop *ast,
                             const struct ast_name *name, struct view_list *roots)
{
    kdk_status status = KDK_OK;
    const struct ctable *table;
    const bool view = ast->object == AST_OBJECT_VIEW;
    if (name->count == 2 && !catver_schema_exists(b->env->catver, name->parts[0].text)) {
        if (!ast->if_exists)
            FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_SCHEMA,
                    "schema \"%s\" does not exist", name->parts[0].text);
        bind_notice(b, "00000", "schema \"%s\" does not exist, skipping",
                    name->parts[0].text);
        return KDK_OK;
    }
    TRY(bind_table_maybe(b, name, &table));
    if (!table) {
        const struct cindex *index;
        TRY(bind_index_maybe(b, name, &index));
        if (index) {
            status = err_set(b->err, KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a %s",
                             index->name, view ? "view" : "table");
            err_hint(b->err, "Use DROP INDEX to remove an index.");
            err_at(b->err, bind_at(b, name->at));
            goto out;
        }
        return missing(b, ast, name, view ? "view" : "table");
    }
    if ((table->kind == COBJ_VIEW) != view) {
        status = err_set(b->err, KDK_WRONG_OBJECT_TYPE, "\"%s\" is not a %s", table->name,
                         view ? "view" : "table");
        err_hint(b->err, view ? "Use DROP TABLE to remove a table."
                              : "Use DROP VIEW to remove a view.");
        err_at(b->err, bind_at(b, name->at));
        goto out;
    }
    if (table->system)
        FAIL_AT(bind_at(b, name->at), KDK_PRIVILEGE,
                "permission denied: \"%s\" is a system catalog", table->name);
    if (!listed(roots, table))
        TRY(add_view(b, roots, table));
out:
    return status;
}

kdk_status bind_drop(struct binder *b, const struct ast_drop *ast, struct bound_ddl *ddl)
{
    kdk_status status = KDK_OK;
    struct view_list roots = {0}, all = {0};
    TRY_NEW(ddl->schemas = ARRAY(const char *, (size_t)ast->count + 1));
    TRY_NEW(ddl->dropped_indexes = ARRAY(const struct cindex *, (size_t)ast->count + 1));
    for (uint32_t i = 0; i < ast->count; i++) {
        const struct ast_name *name = &ast->names[i];
        if (ast->object == AST_OBJECT_SCHEMA)
            TRY(drop_schema(b, ast, name, ddl, &roots));
        else if (ast->object == AST_OBJECT_INDEX)
            TRY(drop_index(b, ast, name, ddl));
        else
            TRY(drop_table(b, ast, name, &roots));
    }
    for (uint32_t i = 0; i < roots.count; i++) {
        const struct ctable *table = roots.views[i];
        uint32_t before = all.count;
        TRY(bind_dependants(b, table, -1, &all));
        for (uint32_t k = before; k < all.count; k++)
            if (!ast->cascade && !listed(&roots, all.views[k])) {
                const char *what =
                    arena_printf(b->arena, "%s %s",
                                 table->kind == COBJ_VIEW ? "view" : "table", table->name);
                TRY_NEW(what);
                TRY(bind_refuse_dependants(b, "drop", what, all.views[k],
                                           ast->names[MIN(i, ast->count - 1)].at));
            }
        if (!listed(&all, table))
            TRY(add_view(b, &all, table));
    }
    ddl->table_count = all.count;
    ddl->tables = all.views;
    if (all.count || ddl->dropped_index_count || ddl->schema_count)
        ddl->kind = DDL_DROP;
out:
    return status;
}
