/* catver_test.c - versions: sharing, names, counts, and what happens without memory. */
#include "check.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "catalog/catver.h"

static struct ccolumn columns[] = {
    {.name = "a", .type = {.id = LT_INTEGER}, .id = 0, .not_null = true},
    {.name = "b", .type = {.id = LT_TEXT}, .id = 1, .default_sql = "'x'"}};
static uint32_t positions[] = {0, 1};
static bool flags[] = {false, true};

static struct cindex make_index(uint32_t id, const char *name, bool primary)
{
    return (struct cindex){.id = id,
                           .name = name,
                           .unique = primary,
                           .primary = primary,
                           .constraint = primary,
                           .column_count = 2,
                           .columns = positions,
                           .descending = flags,
                           .nulls_first = flags};
}
static struct ctable make_table(uint32_t id, const char *schema, const char *name,
                                struct cindex **indexes, uint32_t index_count)
{
    return (struct ctable){.id = id,
                           .kind = COBJ_TABLE,
                           .schema = schema,
                           .name = name,
                           .column_count = 2,
                           .columns = columns,
                           .indexes = indexes,
                           .index_count = index_count};
}

static kdk_status collect_names(void *context, const struct ctable *table, struct err *err)
{
    (void)err;
    struct buf *names = context;
    return buf_printf(names, "%s.%s ", table->schema, table->name);
}

/* Everything that a builder does, once. Leaves nothing behind, whatever fails. */
static kdk_status scenario(bool check, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *b = NULL;
    const struct catver *one = NULL, *two = NULL;
    struct buf names = {0};
    struct cindex plain = make_index(10, "t_b", false),
                  primary = make_index(11, "t_pkey", true);
    struct cindex *indexes[] = {&plain, &primary};
    struct ctable t = make_table(1, "public", "t", indexes, 2),
                  u = make_table(2, "public", "u", NULL, 0),
                  s = make_table(3, "s", "t", NULL, 0);

    TRY(catver_builder_new(NULL, &b, err));
    TRY(catver_put_schema(b, "s", err));
    TRY(catver_put_table(b, &t, err));
    TRY(catver_put_table(b, &u, err));
    TRY(catver_put_table(b, &s, err));
    TRY(catver_build(b, 7, &one, err));
    catver_builder_free(b);
    b = NULL;

    TRY(catver_builder_new(one, &b, err));
    t.name = "renamed";
    TRY(catver_put_table(b, &t, err));
    TRY(catver_drop_table(b, 2, err));
    TRY(catver_rename_schema(b, "s", "r", err));
    TRY(catver_build(b, 8, &two, err));
    if (check) {
        const struct ctable *old = catver_table(one, NULL, "t"),
                            *now = catver_table(two, "public", "renamed");
        CHECK(old && old->id == 1 && old->index_count == 2 && old->indexes[0]->primary);
        CHECK(old && old->indexes[0]->table == old);
        CHECK(now && now->id == 1 && now == catver_table_by_id(two, 1));
        CHECK(catver_table(two, NULL, "t") == NULL);
        CHECK(catver_table(one, "public", "u") != NULL);
        CHECK(catver_table_by_id(two, 2) == NULL);
        CHECK(catver_table(two, "r", "t") && !catver_table(two, "s", "t"));
        CHECK(catver_schema_exists(one, "s") && !catver_schema_exists(two, "s"));
        CHECK(catver_index(two, NULL, "t_pkey") && catver_index(two, "public", "t_b") &&
              !catver_index(two, "r", "t_b"));
        CHECK_EQ(catver_number(one), 7);
        CHECK_EQ(catver_number(two), 8);
        CHECK_STR(catver_schema_at(two, 3), "r");
        CHECK(catver_schema_at(two, 4) == NULL);
        TRY(catver_each(two, collect_names, &names, err));
        CHECK_STR(names.data, "public.renamed r.t ");
        CHECK_STR(now->columns[1].default_sql, "'x'");
        /* What did not change is shared. */
        struct ctable more = make_table(9, "public", "more", NULL, 0);
        const struct catver *three = NULL;
        TRY(catver_put_table(b, &more, err));
        TRY(catver_build(b, 9, &three, err));
        CHECK(catver_table(three, "r", "t") == catver_table(two, "r", "t"));
        catver_unref(two); /* The third keeps what it shares. */
        two = NULL;
        CHECK_STR(catver_table(three, "r", "t")->name, "t");
        catver_unref(three);
    }
out:
    buf_deinit(&names);
    catver_builder_free(b);
    catver_unref(one);
    catver_unref(two);
    return status;
}

TEST(catver, versions)
{
    struct err err = {0};
    struct mem_stats before, after;
    mem_stats(&before);
    CHECK_EQ(scenario(true, &err), KDK_OK);
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

TEST(catver, refuses)
{
    struct err err = {0};
    struct catver_builder *b = NULL;
    struct cindex index = make_index(10, "u", false);
    struct cindex *indexes[] = {&index};
    struct ctable t = make_table(1, "public", "t", NULL, 0),
                  u = make_table(2, "public", "u", NULL, 0),
                  x = make_table(3, "public", "x", indexes, 1);
    if (!CHECK_EQ(catver_builder_new(NULL, &b, &err), KDK_OK))
        return;
    CHECK_EQ(catver_put_table(b, &t, &err), KDK_OK);
    CHECK_EQ(catver_put_table(b, &u, &err), KDK_OK);
    u.name = "t";
    CHECK_EQ(catver_put_table(b, &u, &err), KDK_DUPLICATE_TABLE);
    /* Its index is called as a table. */
    CHECK_EQ(catver_put_table(b, &x, &err), KDK_DUPLICATE_TABLE);
    CHECK_STR(err.message, "relation \"u\" already exists");
    u.schema = "nosuch";
    CHECK_EQ(catver_put_table(b, &u, &err), KDK_UNDEFINED_SCHEMA);
    CHECK_EQ(catver_drop_table(b, 77, &err), KDK_UNDEFINED_TABLE);
    CHECK_EQ(catver_put_schema(b, "public", &err), KDK_DUPLICATE_SCHEMA);
    CHECK_EQ(catver_drop_schema(b, "public", &err), KDK_DEPENDENT_OBJECTS);
    CHECK_EQ(catver_drop_schema(b, "nosuch", &err), KDK_UNDEFINED_SCHEMA);
    CHECK_EQ(catver_rename_schema(b, "nosuch", "y", &err), KDK_UNDEFINED_SCHEMA);
    CHECK_EQ(catver_rename_schema(b, "public", "pg_catalog", &err), KDK_DUPLICATE_SCHEMA);
    catver_builder_free(b);
}

TEST(catver, runs_out_of_memory_cleanly)
{
    struct mem_stats before, after;
    kdk_status status = KDK_NOMEM;
    uint64_t skip = 0;
    mem_stats(&before);
    for (; status == KDK_NOMEM && skip < 10000; skip++) {
        struct err err = {0};
        mem_fail_after(skip, false);
        status = scenario(false, &err);
        (void)mem_fail_never();
        mem_stats(&after);
        CHECK_EQ(after.blocks, before.blocks);
    }
    CHECK(skip > 20);
    CHECK_EQ(status, KDK_OK);
}
