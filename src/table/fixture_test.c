/* fixture_test.c - see table_test.h. */
#include "table/table_test.h"

#include "base/mem.h"
#include "check.h"
#include "table/table_int.h"

static uint64_t blocks_before;

void fixture_open(struct fixture *f)
{
    fixture_open_at(f, NULL);
}

void fixture_open_at(struct fixture *f, const char *dir)
{
    struct mem_stats stats;
    mem_stats(&stats);
    blocks_before = stats.blocks;
    memset(f, 0, sizeof *f);
    f->columns[0] =
        (struct tcolumn){.type = LTYPE(BIGINT), .not_null = true, .missing = DATUM_NULL};
    f->columns[1] = (struct tcolumn){.type = LTYPE(BIGINT), .missing = DATUM_NULL};
    f->columns[2] = (struct tcolumn){.type = LTYPE(TEXT), .missing = DATUM_NULL};
    CHECK_EQ(store_open(&(struct store_options){.os = os_here(),
                                                .dir = dir,
                                                .create = true,
                                                .log_segment_bytes = 1u << 16},
                        &f->store, NULL, &f->err),
             KDK_OK);
    CHECK_EQ(store_recovered(f->store, &f->err), KDK_OK);
    f->man = store_txnman(f->store);
    struct txn *txn = begin(f);
    const struct tindex def = {.id = 1, .unique = true, .column_count = 1, .columns = {0}};
    CHECK_EQ(table_create(txn, f->store, 1, f->columns, 3, &f->table, &f->err), KDK_OK);
    CHECK_EQ(table_index_create(txn, f->table, &def, &f->err), KDK_OK);
    commit(f, txn);
}

void fixture_close(struct fixture *f)
{
    struct mem_stats stats;
    CHECK_EQ(txnman_active(f->man), 0);
    CHECK_EQ(store_close(f->store, false, &f->err), KDK_OK);
    arena_deinit(&f->arena);
    mem_stats(&stats);
    CHECK_EQ(stats.blocks, blocks_before);
}

struct txn *begin(struct fixture *f)
{
    struct txn *txn = NULL;
    CHECK_EQ(txn_begin(f->man, TXN_SNAPSHOT, false, &txn, &f->err), KDK_OK);
    txn_statement_begin(txn);
    return txn;
}

void statement(struct txn *txn)
{
    txn_statement_begin(txn);
}

void commit(struct fixture *f, struct txn *txn)
{
    if (!CHECK_EQ(txn_commit(txn, &f->err), KDK_OK))
        CHECK_STR(f->err.message, "");
}

static void row_values(struct datum *row, int64_t id, int64_t n, const char *s)
{
    memset(row, 0, 3 * sizeof *row);
    row[0].i = id;
    row[1].i = n;
    if (s)
        row[2].s = str_of(s, strlen(s));
    else
        row[2] = DATUM_NULL;
}

rowid insert(struct fixture *f, struct txn *txn, int64_t id, int64_t n, const char *s)
{
    struct datum row[3];
    rowid out = 0;
    row_values(row, id, n, s);
    CHECK_EQ(table_insert(txn, f->table, row, &out, &f->err), KDK_OK);
    return out;
}

kdk_status update(struct fixture *f, struct txn *txn, rowid row, int64_t id, int64_t n,
                  const char *s)
{
    struct datum values[3];
    row_values(values, id, n, s);
    return table_update(txn, f->table, row, (uint32_t[]){0, 1, 2}, values, 3, &f->changed,
                        &f->err);
}

kdk_status erase(struct fixture *f, struct txn *txn, rowid row)
{
    return table_delete(txn, f->table, row, &f->changed, &f->err);
}

void check_row(struct fixture *f, struct txn *txn, rowid row, int64_t id, int64_t n,
               const char *s)
{
    struct datum out[3];
    bool found;
    CHECK_EQ(table_get(txn, f->table, row, (uint32_t[]){0, 1, 2}, 3, out, &found, &f->arena,
                       &f->err),
             KDK_OK);
    if (!CHECK(found))
        return;
    CHECK_EQ(out[0].i, id);
    CHECK_EQ(out[1].i, n);
    if (CHECK_EQ(out[2].s.len, strlen(s)))
        CHECK_MEM(str_data(&out[2].s), s, strlen(s));
}

void check_gone(struct fixture *f, struct txn *txn, rowid row)
{
    bool found;
    CHECK_EQ(table_get(txn, f->table, row, NULL, 0, NULL, &found, &f->arena, &f->err),
             KDK_OK);
    CHECK(!found);
}

static void check_report(void *context, const char *line)
{
    (void)context;
    CHECK_STR(line, "");
}

static void check_memtree(struct fixture *f)
{
    struct index_set *set = atomic_load(&f->table->indexes);
    for (uint32_t i = 0; i < set->count; i++)
        if (set_index(set, i))
            CHECK_STR(memtree_check(set_index(set, i)->tree), "");
}

void check_store(struct fixture *f)
{
    uint64_t problems = 0;
    CHECK_EQ(store_check(f->store, check_report, NULL, &problems, &f->err), KDK_OK);
    CHECK_EQ(problems, 0);
    check_memtree(f);
}

static void key_of(struct buf *key, int64_t id)
{
    CHECK_EQ(key_add(key, LTYPE(BIGINT), &(struct datum){.i = id}, false, false), KDK_OK);
}

rowid point(struct fixture *f, struct txn *txn, int64_t id)
{
    struct buf key = {0};
    rowid ids[8], out = 0;
    uint32_t count = 0;
    key_of(&key, id);
    f->matches = 0;
    CHECK_EQ(index_point(txn, f->table, 1, key.data, key.len, ids, 8, &count, &f->err),
             KDK_OK);
    for (uint32_t k = 0; k < count && k < 8; k++) {
        struct datum value;
        bool found;
        CHECK_EQ(table_get(txn, f->table, ids[k], (uint32_t[]){0}, 1, &value, &found,
                           &f->arena, &f->err),
                 KDK_OK);
        if (!CHECK(found)) /* Lookups are exact. */
            continue;
        CHECK_EQ(value.i, id);
        out = ids[k];
        f->walked[f->matches++] = out;
    }
    buf_deinit(&key);
    return out;
}

uint32_t range(struct fixture *f, struct txn *txn, int64_t lo, int64_t hi, bool backwards)
{
    struct buf lower = {0}, upper = {0};
    struct index_cursor *cursor = NULL;
    uint32_t n = 0;
    key_of(&lower, lo);
    key_of(&upper, hi);
    if (!CHECK_EQ(index_open(txn, f->table, 1, lo == INT64_MIN ? NULL : lower.data,
                             lower.len, hi == INT64_MAX ? NULL : upper.data, upper.len,
                             backwards, &f->arena, &cursor, &f->err),
                  KDK_OK))
        return 0;
    for (;;) {
        rowid id;
        const uint8_t *key;
        size_t bytes;
        struct datum value;
        bool found;
        if (!CHECK_EQ(index_next(cursor, &id, &key, &bytes, &f->err), KDK_OK) || !id)
            break;
        CHECK_EQ(table_get(txn, f->table, id, (uint32_t[]){0}, 1, &value, &found, &f->arena,
                           &f->err),
                 KDK_OK);
        if (!CHECK(found)) /* Lookups are exact. */
            continue;
        struct buf want = {0};
        key_of(&want, value.i);
        if (CHECK_EQ(bytes, want.len))
            CHECK_MEM(key, want.data, bytes);
        buf_deinit(&want);
        CHECK(value.i >= lo && value.i <= hi);
        if (n < COUNT_OF(f->walked))
            f->walked[n++] = id;
    }
    index_close(cursor);
    buf_deinit(&lower);
    buf_deinit(&upper);
    return n;
}

struct dump {
    struct fixture *f;
    struct buf *out;
};

static void dump_row(void *context, rowid id, struct record *record)
{
    struct dump *d = context;
    struct image image;
    image_init(&image);
    CHECK_EQ(record_copy(d->f->table, record, &image, &d->f->err), KDK_OK);
    buf_printf(d->out, "%llu: %llx flags %x", (unsigned long long)id,
               (unsigned long long)image.header, META_FLAGS(image.meta) & ~RECORD_KEYED);
    for (uint32_t c = 0; c < 3; c++) {
        struct datum v = image_get(d->f->table, &image, c);
        if (v.null)
            buf_printf(d->out, " null");
        else if (c == 2)
            buf_printf(d->out, " '%.*s'", (int)v.s.len, str_data(&v.s));
        else
            buf_printf(d->out, " %lld", (long long)v.i);
    }
    buf_printf(d->out, "\n");
    image_deinit(&image);
}

void dump(struct fixture *f, struct buf *out)
{
    struct dump d = {f, out};
    const struct memtree_item *items[500];
    txn_enter(f->man);
    rowmap_each(f->table, dump_row, &d);
    struct memtree_probe probe = {(const uint8_t *)"", 0, false, 0, 0};
    uint32_t n =
        memtree_scan(index_find(f->table, 1)->tree, &probe, false, items, COUNT_OF(items));
    for (uint32_t i = 0; i < n; i++)
        buf_printf(out, "%02x%02x -> %llu at %llx\n", items[i]->key[items[i]->bytes - 2],
                   items[i]->key[items[i]->bytes - 1], (unsigned long long)items[i]->id,
                   (unsigned long long)atomic_load(&entry_of(items[i])->stamp));
    txn_leave(f->man);
}
