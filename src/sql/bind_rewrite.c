/* bind_rewrite.c - views go on meaning what they meant when something that they name gets
 * another name.
 *
 * PostgreSQL stores trees that name tables and columns by number; here a view is text. So a
 * change of a name changes the text of the views that mention the table: where FROM has it,
 * it gets the names that it had as aliases, `public.t AS t(a, b)`, and everything else in
 * the text stays as it is: USING, NATURAL, names that outputs get from columns. The new
 * text is bound against the catalog as it will be, and refused unless it makes the same
 * columns.
 *
 * Rejected  Renaming each mention: `select x.a from (select a from t) x`, USING (a) and
 *           whatever else derives a name from a column would each need its own cure.
 */
#include "catalog/catver.h"
#include "sql/bind_int.h"

struct rewriting {
    struct binder *b;
    const struct view_change *change;
    struct view_texts *out;
};

static struct ast_ident quoted(const char *text)
{
    return (struct ast_ident){.text = text, .bytes = (uint32_t)strlen(text), .quoted = 1};
}

static bool concerns(const struct view_change *change, const struct ctable *table)
{
    return change->kind == VIEW_SCHEMA_RENAMED ? strcmp(table->schema, change->from) == 0
                                               : table->id == change->table->id;
}

/* Changes one item of FROM; *changed says whether there was anything to do. */
static kdk_status rewrite_from(struct binder *b, const struct view_change *change,
                               const struct ctable *table, struct ast_from *from,
                               bool *changed)
{
    kdk_status status = KDK_OK;
    struct ast_ident *parts, *columns;
    const uint32_t given = from->columns.count;

    switch (change->kind) {
    case VIEW_SCHEMA_RENAMED:
    case VIEW_TABLE_RENAMED:
        TRY_NEW(parts = ARRAY(struct ast_ident, 2));
        parts[0] = quoted(change->kind == VIEW_SCHEMA_RENAMED ? change->to : table->schema);
        parts[1] = quoted(change->kind == VIEW_TABLE_RENAMED ? change->to : table->name);
        from->name.parts = parts;
        from->name.count = 2;
        if (!from->alias.text)
            from->alias = quoted(table->name);
        *changed = true;
        break;
    case VIEW_COLUMN_RENAMED:
        if (change->position < given) /* It has another name there already. */
            break;
        TRY_NEW(columns = ARRAY(struct ast_ident, (size_t)change->position + 1));
        for (uint32_t i = 0; i <= change->position; i++)
            columns[i] =
                i < given ? from->columns.items[i] : quoted(table->columns[i].name);
        from->columns.items = columns;
        from->columns.count = change->position + 1;
        if (!from->alias.text)
            from->alias = quoted(table->name);
        *changed = true;
        break;
    case VIEW_COLUMN_DROPPED:
        if (change->position >= given)
            break;
        TRY_NEW(columns = ARRAY(struct ast_ident, given));
        for (uint32_t i = 0, n = 0; i < given; i++)
            if (i != change->position)
                columns[n++] = from->columns.items[i];
        from->columns.items = columns;
        from->columns.count = given - 1;
        *changed = true;
        break;
    }
out:
    return status;
}

/* The catalog as it will be: the views' new texts must make the columns that the old ones
 * make. */
static kdk_status check_texts(struct binder *b, const struct view_change *change,
                              const struct view_texts *texts)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;
    const struct catver *after = NULL;
    struct bind_env env = *b->env;
    struct err err = {0};

    TRY(catver_builder_new(b->env->catver, &builder, b->err));
    if (change->kind == VIEW_SCHEMA_RENAMED)
        TRY(catver_rename_schema(builder, change->from, change->to, b->err));
    else
        TRY(catver_put_table(builder, change->after, b->err));
    for (const struct view_text *text = texts->first; text; text = text->next) {
        struct ctable view = *text->view;
        view.view_sql = text->sql;
        if (change->kind == VIEW_SCHEMA_RENAMED && strcmp(view.schema, change->from) == 0)
            view.schema = change->to;
        TRY(catver_put_table(builder, &view, b->err));
    }
    TRY(catver_build(builder, catver_number(b->env->catver) + 1, &after, b->err));
    env.catver = after;
    for (const struct view_text *text = texts->first; text; text = text->next) {
        struct binder inner;
        struct ast_list list;
        struct query q;
        bool same;
        TRY(binder_init(&inner, &env, NULL, b->arena, &err));
        inner.stored = true;
        status = sql_parse(text->sql, strlen(text->sql), b->arena, &list, &err);
        if (status == KDK_OK)
            status = bind_query(&inner, list.items[0]->query, NULL, false, &q);
        if (status == KDK_NOMEM) {
            status = err_nomem(b->err);
            goto out;
        }
        same = status == KDK_OK && q.count == text->was.count;
        status = KDK_OK;
        for (uint32_t i = 0; same && i < q.count; i++)
            same = ltype_equal(q.cols[i].type, text->was.cols[i].type) &&
                   strcmp(q.cols[i].name, text->was.cols[i].name) == 0;
        if (!same)
            FAIL_AT(change->at, KDK_UNSUPPORTED,
                    "cannot rename \"%s\" because the text of view \"%s\" cannot be "
                    "changed accordingly",
                    change->from, text->view->name);
    }
out:
    catver_unref(after);
    catver_builder_free(builder);
    return status;
}

static kdk_status rewrite_view(void *context, const struct ctable *view, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rewriting *r = context;
    struct binder *b = r->b, inner;
    struct ast_list list;
    struct query q;
    struct buf text = {0};
    struct err ignored = {0};
    bool changed = false;

    if (view->kind != COBJ_VIEW || view->system)
        return KDK_OK;
    TRY(binder_init(&inner, b->env, NULL, b->arena, &ignored));
    inner.note_names = true;
    inner.stored = true;
    status = sql_parse(view->view_sql, strlen(view->view_sql), b->arena, &list, &ignored);
    if (status == KDK_OK && list.count == 1 && list.items[0]->kind == AST_STMT_QUERY)
        status = bind_query(&inner, list.items[0]->query, NULL, false, &q);
    if (status == KDK_NOMEM) {
        status = err_nomem(err);
        goto out;
    }
    if (status != KDK_OK) { /* A view that does not bind names nothing. */
        status = KDK_OK;
        goto out;
    }
    for (const struct table_note *n = inner.tables; n; n = n->next) {
        bool again = false; /* A CTE that is bound at each mention has several notes. */
        for (const struct table_note *other = inner.tables; other != n; other = other->next)
            again |= other->from == n->from;
        if (!again && concerns(r->change, n->table))
            TRY(rewrite_from(b, r->change, n->table, n->from, &changed));
    }
    if (!changed)
        goto out;
    /* public.t.a is t.a, now that t is an alias. */
    for (const struct name_note *n = inner.names; n; n = n->next) {
        n->name->parts++;
        n->name->count--;
    }
    status = ast_print_query(list.items[0]->query, AST_PRINT_PLAIN, &text, b->err);
    if (status != KDK_OK)
        goto out;
    struct view_text *made = NEW(struct view_text);
    TRY_NEW(made);
    made->view = view;
    TRY_NEW(made->sql = arena_strndup(b->arena, text.data, text.len));
    made->was = q;
    *r->out->end = made;
    r->out->end = &made->next;
out:
    buf_deinit(&text);
    return status;
}

kdk_status bind_rewrite_views(struct binder *b, const struct view_change *change,
                              struct view_texts *out)
{
    kdk_status status = KDK_OK;
    struct rewriting r = {b, change, out};
    out->first = NULL;
    out->end = &out->first;
    TRY(catver_each(b->env->catver, rewrite_view, &r, b->err));
    if (out->first && change->kind != VIEW_COLUMN_DROPPED)
        TRY(check_texts(b, change, out));
out:
    return status;
}
