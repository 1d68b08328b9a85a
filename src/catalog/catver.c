/* catver.c - see catver.h. */
#include "catalog/catver.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

/* One table or view, immutable once it is in a version. */
struct entry {
    atomic_uint refs;
    struct arena arena; /* Of everything below. */
    struct ctable table;
};

struct named_index {
    const struct cindex *index;
    const char *schema;
};

struct catver {
    atomic_uint refs;
    uint64_t number;
    uint32_t schema_count;
    char **schemas; /* Sorted; each its own block. */
    uint32_t count;
    struct entry **by_name; /* (schema, name) */
    struct entry **by_id;
    uint32_t index_count;
    struct named_index *indexes; /* (schema, name) */
};

struct catver_builder {
    uint32_t schema_count, schema_cap;
    char **schemas;
    uint32_t count, cap;
    struct entry **entries; /* In no order. */
};

/* ---- entries ---- */

static void entry_unref(struct entry *e)
{
    /* Release: what this holder read is read before the last one frees; acquire pairs with
     * it. */
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_deinit(&e->arena);
    mem_free(e);
}

static struct entry *entry_ref(struct entry *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

static kdk_status copy_text(struct arena *arena, const char *text, const char **out,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    *out = NULL;
    if (text)
        TRY_MEM(*out = arena_strdup(arena, text));
out:
    return status;
}

static kdk_status copy_index(struct entry *e, const struct cindex *from,
                             struct cindex **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cindex *index;
    size_t n = from->column_count;
    TRY_MEM(index = arena_dup(&e->arena, from, sizeof *from));
    index->table = &e->table;
    TRY(copy_text(&e->arena, from->name, &index->name, err));
    TRY_MEM(index->columns =
                arena_dup(&e->arena, from->columns, n * sizeof *from->columns));
    TRY_MEM(index->descending =
                arena_dup(&e->arena, from->descending, n * sizeof *from->descending));
    TRY_MEM(index->nulls_first =
                arena_dup(&e->arena, from->nulls_first, n * sizeof *from->nulls_first));
    *out = index;
out:
    return status;
}

static kdk_status entry_new(const struct ctable *from, const char *schema,
                            struct entry **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry *e = MEM_NEW(struct entry);
    TRY_MEM(e);
    atomic_init(&e->refs, 1);
    arena_init(&e->arena);
    struct arena *arena = &e->arena;
    struct ctable *t = &e->table;
    *t = *from;
    TRY(copy_text(arena, schema, &t->schema, err));
    TRY(copy_text(arena, from->name, &t->name, err));
    TRY(copy_text(arena, from->view_sql, &t->view_sql, err));
    TRY_MEM(t->columns =
                ARENA_ARRAY(arena, struct ccolumn, (size_t)from->column_count + 1));
    for (uint32_t i = 0; i < from->column_count; i++) {
        t->columns[i] = from->columns[i];
        TRY(copy_text(arena, from->columns[i].name, &t->columns[i].name, err));
        TRY(copy_text(arena, from->columns[i].default_sql, &t->columns[i].default_sql,
                      err));
    }
    TRY_MEM(t->indexes =
                ARENA_ARRAY(arena, struct cindex *, (size_t)from->index_count + 1));
    uint32_t n = 0;
    for (int primary = 1; primary >= 0; primary--) /* The primary key first. */
        for (uint32_t i = 0; i < from->index_count; i++)
            if (from->indexes[i]->primary == (primary != 0))
                TRY(copy_index(e, from->indexes[i], &t->indexes[n++], err));
    TRY_MEM(t->checks = ARENA_ARRAY(arena, struct ccheck, (size_t)from->check_count + 1));
    for (uint32_t i = 0; i < from->check_count; i++) {
        TRY(copy_text(arena, from->checks[i].name, &t->checks[i].name, err));
        TRY(copy_text(arena, from->checks[i].sql, &t->checks[i].sql, err));
    }
    *out = e;
    e = NULL;
out:
    entry_unref(e);
    return status;
}

/* ---- the builder ---- */

void catver_builder_free(struct catver_builder *b)
{
    if (!b)
        return;
    for (uint32_t i = 0; i < b->schema_count; i++)
        mem_free(b->schemas[i]);
    mem_free(b->schemas);
    for (uint32_t i = 0; i < b->count; i++)
        entry_unref(b->entries[i]);
    mem_free(b->entries);
    mem_free(b);
}

/* Room for `want` pointers: `old` itself when it has that. NULL: out of memory, and `old`
 * is as it was. */
static void *grown(void *old, uint32_t *cap, uint32_t want)
{
    if (want <= *cap)
        return old;
    uint32_t new_cap = MAX(want, *cap * 2);
    void *more = mem_realloc(old, size_mul(new_cap, sizeof(void *)));
    if (more)
        *cap = new_cap;
    return more;
}

static kdk_status add_schema(struct catver_builder *b, const char *name, struct err *err)
{
    kdk_status status = KDK_OK;
    char **schemas = grown(b->schemas, &b->schema_cap, b->schema_count + 1);
    TRY_MEM(schemas);
    b->schemas = schemas;
    TRY_MEM(b->schemas[b->schema_count] = mem_strdup(name));
    b->schema_count++;
out:
    return status;
}

kdk_status catver_builder_new(const struct catver *from, struct catver_builder **out,
                              struct err *err)
{
    static const char *const schemas[] = {"information_schema", "pg_catalog", "public"};
    kdk_status status = KDK_OK;
    struct catver_builder *b = MEM_NEW(struct catver_builder);
    TRY_MEM(b);
    for (uint32_t i = 0; i < (from ? from->schema_count : COUNT_OF(schemas)); i++)
        TRY(add_schema(b, from ? from->schemas[i] : schemas[i], err));
    if (from) {
        TRY_MEM(b->entries = grown(NULL, &b->cap, from->count + 1));
        for (uint32_t i = 0; i < from->count; i++)
            b->entries[b->count++] = entry_ref(from->by_name[i]);
    }
    *out = b;
    b = NULL;
out:
    catver_builder_free(b);
    return status;
}

static uint32_t find_schema(const struct catver_builder *b, const char *name)
{
    for (uint32_t i = 0; i < b->schema_count; i++)
        if (strcmp(b->schemas[i], name) == 0)
            return i;
    return UINT32_MAX;
}

/* Has another table this name, or an index of one? */
static bool name_taken(const struct catver_builder *b, const struct ctable *self,
                       const char *name)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct ctable *t = &b->entries[i]->table;
        if (t->id == self->id || strcmp(t->schema, self->schema) != 0)
            continue;
        if (strcmp(t->name, name) == 0)
            return true;
        for (uint32_t k = 0; k < t->index_count; k++)
            if (strcmp(t->indexes[k]->name, name) == 0)
                return true;
    }
    return false;
}

kdk_status catver_put_table(struct catver_builder *b, const struct ctable *table,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry *e = NULL;
    const char *taken = name_taken(b, table, table->name) ? table->name : NULL;

    if (find_schema(b, table->schema) == UINT32_MAX) {
        status = err_set(err, KDK_UNDEFINED_SCHEMA, "schema \"%s\" does not exist",
                         table->schema);
        goto out;
    }
    for (uint32_t i = 0; i < table->index_count && !taken; i++) {
        const char *name = table->indexes[i]->name;
        bool twice = strcmp(name, table->name) == 0;
        for (uint32_t k = 0; k < i; k++)
            twice |= strcmp(name, table->indexes[k]->name) == 0;
        if (twice || name_taken(b, table, name))
            taken = name;
    }
    if (taken) {
        status = err_set(err, KDK_DUPLICATE_TABLE, "relation \"%s\" already exists", taken);
        goto out;
    }
    TRY(entry_new(table, table->schema, &e, err));
    for (uint32_t i = 0; i < b->count; i++)
        if (b->entries[i]->table.id == table->id) {
            entry_unref(b->entries[i]);
            b->entries[i] = e;
            e = NULL;
            goto out;
        }
    struct entry **entries = grown(b->entries, &b->cap, b->count + 1);
    TRY_MEM(entries);
    b->entries = entries;
    b->entries[b->count++] = e;
    e = NULL;
out:
    entry_unref(e);
    return status;
}

kdk_status catver_drop_table(struct catver_builder *b, uint32_t id, struct err *err)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->entries[i]->table.id == id) {
            entry_unref(b->entries[i]);
            b->entries[i] = b->entries[--b->count];
            return KDK_OK;
        }
    return err_set(err, KDK_UNDEFINED_TABLE, "table %u does not exist", id);
}

kdk_status catver_put_schema(struct catver_builder *b, const char *name, struct err *err)
{
    if (find_schema(b, name) != UINT32_MAX)
        return err_set(err, KDK_DUPLICATE_SCHEMA, "schema \"%s\" already exists", name);
    return add_schema(b, name, err);
}

kdk_status catver_drop_schema(struct catver_builder *b, const char *name, struct err *err)
{
    uint32_t at = find_schema(b, name);
    if (at == UINT32_MAX)
        return err_set(err, KDK_UNDEFINED_SCHEMA, "schema \"%s\" does not exist", name);
    for (uint32_t i = 0; i < b->count; i++)
        if (strcmp(b->entries[i]->table.schema, name) == 0)
            return err_set(err, KDK_DEPENDENT_OBJECTS,
                           "cannot drop schema %s because other objects depend on it",
                           name);
    mem_free(b->schemas[at]);
    b->schemas[at] = b->schemas[--b->schema_count];
    return KDK_OK;
}

kdk_status catver_rename_schema(struct catver_builder *b, const char *from, const char *to,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry **moved = NULL;
    char *name = NULL;
    uint32_t at = find_schema(b, from);

    if (at == UINT32_MAX)
        return err_set(err, KDK_UNDEFINED_SCHEMA, "schema \"%s\" does not exist", from);
    if (find_schema(b, to) != UINT32_MAX)
        return err_set(err, KDK_DUPLICATE_SCHEMA, "schema \"%s\" already exists", to);
    /* Prepare: copies of the tables; publish: they take the places of the old ones. */
    TRY_MEM(name = mem_strdup(to));
    TRY_MEM(moved = MEM_ARRAY(struct entry *, (size_t)b->count + 1));
    for (uint32_t i = 0; i < b->count; i++)
        if (strcmp(b->entries[i]->table.schema, from) == 0)
            TRY(entry_new(&b->entries[i]->table, to, &moved[i], err));
    for (uint32_t i = 0; i < b->count; i++)
        if (moved[i]) {
            entry_unref(b->entries[i]);
            b->entries[i] = moved[i];
            moved[i] = NULL;
        }
    mem_free(b->schemas[at]);
    b->schemas[at] = name;
    name = NULL;
out:
    for (uint32_t i = 0; moved && i < b->count; i++)
        entry_unref(moved[i]);
    mem_free(moved);
    mem_free(name);
    return status;
}

/* ---- versions ---- */

static int compare_names(const char *schema_a, const char *a, const char *schema_b,
                         const char *b)
{
    int c = strcmp(schema_a, schema_b);
    return c ? c : strcmp(a, b);
}
static int compare_by_name(const void *a, const void *b)
{
    const struct ctable *x = &(*(struct entry *const *)a)->table,
                        *y = &(*(struct entry *const *)b)->table;
    return compare_names(x->schema, x->name, y->schema, y->name);
}
static int compare_by_id(const void *a, const void *b)
{
    uint32_t x = (*(struct entry *const *)a)->table.id,
             y = (*(struct entry *const *)b)->table.id;
    return (x > y) - (x < y);
}
static int compare_indexes(const void *a, const void *b)
{
    const struct named_index *x = a, *y = b;
    return compare_names(x->schema, x->index->name, y->schema, y->index->name);
}
static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void version_free(struct catver *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < v->schema_count; i++)
        mem_free(v->schemas[i]);
    mem_free(v->schemas);
    for (uint32_t i = 0; i < v->count; i++)
        entry_unref(v->by_name[i]);
    mem_free(v->by_name);
    mem_free(v->by_id);
    mem_free(v->indexes);
    mem_free(v);
}

kdk_status catver_build(struct catver_builder *b, uint64_t number,
                        const struct catver **out, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t index_count = 0;
    struct catver *v = MEM_NEW(struct catver);
    TRY_MEM(v);
    atomic_init(&v->refs, 1);
    v->number = number;
    TRY_MEM(v->schemas = MEM_ARRAY(char *, (size_t)b->schema_count + 1));
    for (uint32_t i = 0; i < b->schema_count; i++) {
        TRY_MEM(v->schemas[i] = mem_strdup(b->schemas[i]));
        v->schema_count++;
    }
    for (uint32_t i = 0; i < b->count; i++)
        index_count += b->entries[i]->table.index_count;
    TRY_MEM(v->by_name = MEM_ARRAY(struct entry *, (size_t)b->count + 1));
    TRY_MEM(v->by_id = MEM_ARRAY(struct entry *, (size_t)b->count + 1));
    TRY_MEM(v->indexes = MEM_ARRAY(struct named_index, (size_t)index_count + 1));
    for (uint32_t i = 0; i < b->count; i++) {
        const struct ctable *t = &b->entries[i]->table;
        v->by_name[i] = v->by_id[i] = entry_ref(b->entries[i]);
        v->count++;
        for (uint32_t k = 0; k < t->index_count; k++)
            v->indexes[v->index_count++] = (struct named_index){t->indexes[k], t->schema};
    }
    qsort(v->schemas, v->schema_count, sizeof *v->schemas, compare_strings);
    qsort(v->by_name, v->count, sizeof *v->by_name, compare_by_name);
    qsort(v->by_id, v->count, sizeof *v->by_id, compare_by_id);
    qsort(v->indexes, v->index_count, sizeof *v->indexes, compare_indexes);
    *out = v;
    v = NULL;
out:
    version_free(v);
    return status;
}

/* ---- reading ---- */

static const struct ctable *find_table(const struct catver *v, const char *schema,
                                       const char *name)
{
    uint32_t lo = 0, hi = v->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        const struct ctable *t = &v->by_name[mid]->table;
        int c = compare_names(t->schema, t->name, schema, name);
        if (c == 0)
            return t;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static const struct cindex *find_index(const struct catver *v, const char *schema,
                                       const char *name)
{
    uint32_t lo = 0, hi = v->index_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = compare_names(v->indexes[mid].schema, v->indexes[mid].index->name, schema,
                              name);
        if (c == 0)
            return v->indexes[mid].index;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static const char *const path[] = {"public", "pg_catalog", "information_schema"};

const struct ctable *catver_table(const struct catver *v, const char *schema,
                                  const char *name)
{
    const struct ctable *found = NULL;
    if (schema)
        return find_table(v, schema, name);
    for (size_t i = 0; i < COUNT_OF(path) && !found; i++)
        found = find_table(v, path[i], name);
    return found;
}

const struct cindex *catver_index(const struct catver *v, const char *schema,
                                  const char *name)
{
    const struct cindex *found = NULL;
    if (schema)
        return find_index(v, schema, name);
    for (size_t i = 0; i < COUNT_OF(path) && !found; i++)
        found = find_index(v, path[i], name);
    return found;
}

const struct ctable *catver_table_by_id(const struct catver *v, uint32_t id)
{
    uint32_t lo = 0, hi = v->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        uint32_t have = v->by_id[mid]->table.id;
        if (have == id)
            return &v->by_id[mid]->table;
        if (have < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool catver_schema_exists(const struct catver *v, const char *schema)
{
    for (uint32_t i = 0; i < v->schema_count; i++)
        if (strcmp(v->schemas[i], schema) == 0)
            return true;
    return false;
}

const char *catver_schema_at(const struct catver *v, uint32_t index)
{
    return index < v->schema_count ? v->schemas[index] : NULL;
}

kdk_status catver_each(const struct catver *v,
                       kdk_status (*each)(void *context, const struct ctable *table,
                                          struct err *err),
                       void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < v->count; i++)
        TRY(each(context, &v->by_name[i]->table, err));
out:
    return status;
}

uint64_t catver_number(const struct catver *v)
{
    return v->number;
}

/* Counts may change in a version that is constant otherwise. */
static struct catver *counted(const struct catver *v)
{
    return (struct catver *)(uintptr_t)v;
}

void catver_ref(const struct catver *v)
{
    atomic_fetch_add_explicit(&counted(v)->refs, 1, memory_order_relaxed);
}

void catver_unref(const struct catver *v)
{
    /* As in entry_unref(). */
    if (v && atomic_fetch_sub_explicit(&counted(v)->refs, 1, memory_order_acq_rel) == 1)
        version_free(counted(v));
}
