/* stress_test.c - many threads on one table: under the thread sanitizer with real threads,
 * and by seed in the simulator.
 *
 * Accounts exchange amounts, so each snapshot has the same sum; each row's text repeats its
 * amount, so that a torn row shows; keys move and extra rows come and go under keys that
 * collide. Readers compare the scan with the index, both ways, at one snapshot. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "os/sim.h"
#include "table/table_int.h"
#include "table/table_test.h"

enum { ACCOUNTS = 40, TOTAL = ACCOUNTS * 100, THREADS_MAX = 17, ROWS = 4000 };

struct stress {
    struct fixture f;
    uint32_t writers, readers, rounds;
    bool ddl;
    _Atomic uint32_t running;
    _Atomic uint64_t commits, conflicts, duplicates, reads, pours;
    const char *dir; /* On disk, with checkpoints. */
};
struct worker {
    struct stress *s;
    uint64_t random;
};

static uint64_t draw(struct worker *w, uint64_t below)
{
    return hash_u64(w->random += 0x9e3779b97f4a7c15ull) % below;
}

static void text_of(char text[64], int64_t n)
{
    snprintf(text, 64, n % 3 ? "the amount of this row is %lld" : "%lld", (long long)n);
}

static kdk_status find(struct worker *w, struct txn *txn, int64_t id, rowid *row,
                       struct datum *n, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf key = {0};
    struct arena arena = {0};
    rowid ids[4];
    uint32_t count;
    bool found;
    struct datum out[3];
    *row = 0;
    TRY(key_add(&key, LTYPE(BIGINT), &(struct datum){.i = id}, false, false));
    TRY(index_point(txn, w->s->f.table, 1, key.data, key.len, ids, 4, &count, err));
    for (uint32_t k = 0; k < count && k < 4; k++) {
        char text[64];
        TRY(table_get(txn, w->s->f.table, ids[k], (uint32_t[]){0, 1, 2}, 3, out, &found,
                      &arena, err));
        CHECK(found);
        text_of(text, out[1].i);
        CHECK_EQ(out[0].i, id);
        CHECK_EQ(out[2].s.len, strlen(text));
        CHECK_MEM(str_data(&out[2].s), text, strlen(text));
        *row = ids[k];
        *n = out[1];
    }
out:
    buf_deinit(&key);
    arena_deinit(&arena);
    return status;
}

static kdk_status add(struct worker *w, struct txn *txn, rowid row, int64_t n,
                      struct err *err)
{
    char text[64];
    bool changed;
    text_of(text, n);
    struct datum values[2] = {{.i = n}, {.s = str_of(text, strlen(text))}};
    kdk_status status =
        table_update(txn, w->s->f.table, row, (uint32_t[]){1, 2}, values, 2, &changed, err);
    if (status == KDK_OK)
        CHECK(changed);
    return status;
}

static kdk_status write_once(struct worker *w, struct txn *txn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = w->s->f.table;
    int64_t a = (int64_t)draw(w, ACCOUNTS), b = (int64_t)draw(w, ACCOUNTS - 1),
            extra = 1000 + (int64_t)draw(w, 20);
    rowid from, to;
    struct datum n, m;
    bool changed;
    if (b >= a)
        b++;
    txn_statement_begin(txn);
    TRY(find(w, txn, a, &from, &n, err));
    TRY(find(w, txn, b, &to, &m, err));
    CHECK(from && to);
    os_yield();
    switch (draw(w, 4)) {
    case 0: /* Keys change places, in one statement. */
        TRY(table_update(txn, table, from, (uint32_t[]){0}, &(struct datum){.i = b}, 1,
                         &changed, err));
        os_yield();
        TRY(table_update(txn, table, to, (uint32_t[]){0}, &(struct datum){.i = a}, 1,
                         &changed, err));
        break;
    case 1: { /* An extra row comes or goes. */
        TRY(find(w, txn, extra, &to, &m, err));
        if (to) {
            TRY(table_delete(txn, table, to, &changed, err));
            break;
        }
        /* Further columns may have been added: as many as the definer ever makes. */
        struct datum row[6] = {{.i = extra}, {.i = 0},   {.s = str_of("0", 1)},
                               DATUM_NULL,   DATUM_NULL, DATUM_NULL};
        TRY(table_insert(txn, table, row, NULL, err));
        break;
    }
    default:
        TRY(add(w, txn, from, n.i - 1, err));
        os_yield();
        txn_statement_begin(txn);
        TRY(add(w, txn, to, m.i + 1, err));
        break;
    }
    TRY(table_statement_end(txn, err));
    os_yield();
    if (draw(w, 8) == 0)
        status = KDK_INTERRUPTED; /* Changed its mind. */
out:
    return status;
}

static void writer(void *context)
{
    struct worker *w = context;
    struct txnman *man = w->s->f.man;
    for (uint32_t k = 0; k < w->s->rounds; k++) {
        struct err err = {0};
        struct txn *txn;
        if (!CHECK_EQ(txn_begin(man, TXN_SNAPSHOT, false, &txn, &err), KDK_OK))
            break;
        kdk_status status = write_once(w, txn, &err);
        if (status == KDK_OK) {
            CHECK_EQ(txn_commit(txn, &err), KDK_OK);
            atomic_fetch_add(&w->s->commits, 1);
            continue;
        }
        struct txn_conflict conflict = txn->conflict;
        txn_rollback(txn);
        if (status == KDK_SERIALIZATION) {
            atomic_fetch_add(&w->s->conflicts, 1);
            CHECK(txnman_wait(man, conflict, OS_FOREVER));
        } else if (status == KDK_UNIQUE) {
            atomic_fetch_add(&w->s->duplicates, 1);
        } else {
            CHECK_EQ(status, KDK_INTERRUPTED);
        }
    }
    atomic_fetch_sub(&w->s->running, 1);
}

struct seen {
    int64_t id;
    rowid row;
};

static int by_id(const void *x, const void *y)
{
    const struct seen *a = x, *b = y;
    return a->id < b->id ? -1 : a->id > b->id;
}

static uint32_t read_scan(struct worker *w, struct txn *txn, struct seen *seen,
                          struct arena *arena, struct err *err)
{
    const struct ltype types[] = {LTYPE(BIGINT), LTYPE(TEXT), LTYPE(BIGINT), LTYPE(BIGINT)};
    struct batch batch;
    struct table_scan *scan;
    struct scan_reader *reader;
    uint32_t n = 0;
    int64_t sum = 0;
    CHECK_EQ(batch_init(&batch, types, 4, arena, err), KDK_OK);
    CHECK_EQ(table_scan_open(txn, w->s->f.table, (uint32_t[]){1, 2, SCAN_ROWID, 0}, 4, NULL,
                             0, arena, &scan, err),
             KDK_OK);
    CHECK_EQ(scan_reader_new(scan, arena, &reader, err), KDK_OK);
    for (bool more = true;;) {
        if (!CHECK_EQ(scan_reader_next(reader, &batch, &more, err), KDK_OK) || !more)
            break;
        os_yield();
        for (uint32_t i = 0; i < batch.sel.count && n < ROWS; i++) {
            const uint32_t k = SEL_ROW(&batch.sel, i);
            char text[64];
            struct datum amount = vec_get(&batch.columns[0], k),
                         s = vec_get(&batch.columns[1], k);
            text_of(text, amount.i);
            if (s.s.len != strlen(text) || memcmp(str_data(&s.s), text, strlen(text)) != 0)
                CHECK_STR(str_data(&s.s), text);
            sum += amount.i;
            seen[n].row = (rowid)vec_get(&batch.columns[2], k).i;
            seen[n++].id = vec_get(&batch.columns[3], k).i;
        }
    }
    scan_reader_free(reader);
    table_scan_close(scan);
    CHECK_EQ(sum, TOTAL);
    return n;
}

static void read_once(struct worker *w, struct txn *txn, struct err *err)
{
    struct arena arena = {0};
    struct seen *seen = mem_alloc(ROWS * sizeof *seen);
    struct index_cursor *cursor;
    bool backwards = draw(w, 2), found;
    rowid id;
    txn_statement_begin(txn);
    uint32_t n = read_scan(w, txn, seen, &arena, err), k = 0;
    CHECK(n >= ACCOUNTS);
    qsort(seen, n, sizeof *seen, by_id);
    CHECK_EQ(index_open(txn, w->s->f.table, 1, NULL, 0, NULL, 0, backwards, &arena, &cursor,
                        err),
             KDK_OK);
    for (;;) {
        if (!CHECK_EQ(index_next(cursor, &id, NULL, NULL, err), KDK_OK) || !id)
            break;
        if (draw(w, 8) == 0)
            os_yield();
        CHECK_EQ(table_get(txn, w->s->f.table, id, NULL, 0, NULL, &found, &arena, err),
                 KDK_OK);
        CHECK(found);
        if (CHECK(k < n)) {
            CHECK_EQ(id, seen[backwards ? n - 1 - k : k].row);
            k++;
        }
    }
    CHECK_EQ(k, n);
    index_close(cursor);
    /* Again the same. */
    struct seen *again = mem_alloc(ROWS * sizeof *again);
    CHECK_EQ(read_scan(w, txn, again, &arena, err), n);
    mem_free(again);
    mem_free(seen);
    arena_deinit(&arena);
    atomic_fetch_add(&w->s->reads, 1);
}

static void reader(void *context)
{
    struct worker *w = context;
    for (bool last = false; !last;) {
        struct err err = {0};
        struct txn *txn;
        last = atomic_load(&w->s->running) == 0;
        if (!CHECK_EQ(txn_begin(w->s->f.man, TXN_SNAPSHOT, true, &txn, &err), KDK_OK))
            break;
        read_once(w, txn, &err);
        CHECK_EQ(txn_commit(txn, &err), KDK_OK);
        os_yield();
    }
}

/* An index on the amounts comes and goes, a column is added at times. */
static void definer(void *context)
{
    struct worker *w = context;
    struct table *table = w->s->f.table;
    struct tindex def = {.id = 2, .column_count = 1, .columns = {1}};
    bool there = false;
    uint32_t columns = 4;
    struct tcolumn wide[6];
    for (uint32_t c = 0; c < 6; c++)
        wide[c] =
            c < 3
                ? w->s->f.columns[c]
                : (struct tcolumn){.type = LTYPE(TEXT),
                                   .missing = {.s = str_of("a default that is long", 22)}};
    uint64_t seen = 0;
    while (atomic_load(&w->s->running)) {
        struct err err = {0};
        struct txn *txn;
        /* Now and then: every writer must start over after each change. */
        if (atomic_load(&w->s->commits) < seen + 10) {
            os_yield();
            continue;
        }
        seen = atomic_load(&w->s->commits);
        if (!CHECK_EQ(txn_begin(w->s->f.man, TXN_SNAPSHOT, false, &txn, &err), KDK_OK))
            break;
        txn_statement_begin(txn);
        bool alter = columns <= 6 && draw(w, 4) == 0;
        kdk_status status = alter   ? table_alter(txn, table, wide, columns, &err)
                            : there ? table_index_drop(txn, table, def.id, &err)
                                    : table_index_create(txn, table, &def, &err);
        if (status == KDK_OK && CHECK_EQ(txn_commit(txn, &err), KDK_OK)) {
            if (!alter) {
                def.id += there; /* Ids are not used twice. */
                there = !there;
            } else {
                columns++;
            }
            os_yield();
            continue;
        }
        CHECK_EQ(status, KDK_SERIALIZATION);
        struct txn_conflict conflict = txn->conflict;
        txn_rollback(txn);
        txnman_wait(w->s->f.man, conflict, 1000000);
        os_yield();
    }
}

/* Pours and freezes while all others work. */
static void pourer(void *context)
{
    struct worker *w = context;
    struct err err = {0};
    for (uint32_t i = 0; atomic_load(&w->s->running); i++) {
        if (!CHECK_EQ(store_checkpoint(w->s->f.store, i % 3 == 2,
                                       i % 3 == 2 ? w->s->f.table : NULL, &err),
                      KDK_OK))
            CHECK_STR(err.message, "");
        atomic_fetch_add(&w->s->pours, 1);
        os_yield();
    }
}

static void stress_main(void *context)
{
    struct stress *s = context;
    struct worker workers[THREADS_MAX + 2] = {0};
    struct os_thread *threads[THREADS_MAX + 2];
    uint32_t count = s->writers + s->readers + s->ddl + (s->dir != NULL);
    uint64_t seed = workers[0].random = s->f.walked[0];
    fixture_open_at(&s->f, s->dir);
    struct txn *txn = begin(&s->f);
    for (int64_t i = 0; i < ACCOUNTS; i++) {
        char text[64];
        text_of(text, 100);
        insert(&s->f, txn, i, 100, text);
    }
    commit(&s->f, txn);
    atomic_store(&s->running, s->writers);
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = (struct worker){s, seed * 1000 + i};
        CHECK_EQ(os_thread_new(os_here(), "stress",
                               i < s->writers                           ? writer
                               : i < s->writers + s->readers            ? reader
                               : s->ddl && i == s->writers + s->readers ? definer
                                                                        : pourer,
                               &workers[i], &threads[i], &s->f.err),
                 KDK_OK);
    }
    for (uint32_t i = 0; i < count; i++)
        os_thread_join(threads[i]);
    check_store(&s->f);
    for (int k = 0; k < 3; k++)
        txnman_reclaim(s->f.man);
    if (!s->dir) /* What left memory waits for the next commit. */
        CHECK_EQ(txnman_reclaim(s->f.man), 0);
    fixture_close(&s->f);
}

/* One wide row whose columns are always equal, changed and rolled back as fast as can be: a
 * reader that took words of two states shows it. */
enum { WIDE = 200 }; /* More words than are copied to the stack. */
struct wide {
    struct stress *s;
    struct table *table;
    uint32_t numbers[WIDE];
    _Atomic uint32_t running;
};

static void wide_writer(void *context)
{
    struct wide *w = context;
    struct datum values[WIDE] = {0};
    for (uint32_t i = 0; i < w->s->rounds; i++) {
        struct txn *txn = begin(&w->s->f);
        struct err err = {0};
        bool changed;
        for (uint32_t command = 0; command < 2; command++) {
            for (uint32_t c = 0; c < WIDE; c++)
                values[c].i = (int64_t)i * 2 + command;
            CHECK_EQ(
                table_update(txn, w->table, 1, w->numbers, values, WIDE, &changed, &err),
                KDK_OK);
            statement(txn);
        }
        if (i % 2)
            txn_rollback(txn);
        else
            CHECK_EQ(txn_commit(txn, &err), KDK_OK);
    }
    atomic_store(&w->running, 0);
}

static void wide_reader(void *context)
{
    struct wide *w = context;
    struct err err = {0};
    struct arena arena = {0};
    struct ltype types[WIDE];
    struct batch batch;
    struct datum out[WIDE];
    for (uint32_t c = 0; c < WIDE; c++)
        types[c] = LTYPE(BIGINT);
    CHECK_EQ(batch_init(&batch, types, WIDE, &arena, &err), KDK_OK);
    struct arena_mark mark = arena_mark(&arena);
    for (uint32_t torn = 0; atomic_load(&w->running) && !torn;) {
        struct txn *txn = NULL;
        bool found, more;
        CHECK_EQ(txn_begin(w->s->f.man, TXN_SNAPSHOT, true, &txn, &err), KDK_OK);
        txn_statement_begin(txn);
        CHECK_EQ(table_get(txn, w->table, 1, w->numbers, WIDE, out, &found, &arena, &err),
                 KDK_OK);
        for (uint32_t c = 1; c < WIDE; c++)
            torn += out[c].i != out[0].i;
        struct table_scan *scan;
        struct scan_reader *reader;
        CHECK_EQ(
            table_scan_open(txn, w->table, w->numbers, WIDE, NULL, 0, &arena, &scan, &err),
            KDK_OK);
        CHECK_EQ(scan_reader_new(scan, &arena, &reader, &err), KDK_OK);
        CHECK_EQ(scan_reader_next(reader, &batch, &more, &err), KDK_OK);
        if (CHECK_EQ(batch.count, 1))
            for (uint32_t c = 0; c < WIDE; c++)
                torn += vec_get(&batch.columns[c], 0).i != out[0].i;
        CHECK_EQ(torn, 0);
        scan_reader_free(reader);
        table_scan_close(scan);
        arena_rewind(&arena, mark);
        CHECK_EQ(txn_commit(txn, &err), KDK_OK);
    }
    arena_deinit(&arena);
}

TEST(stress, no_reader_sees_half_a_row)
{
    static struct stress s;
    static struct wide w;
    struct tcolumn columns[WIDE];
    struct datum values[WIDE] = {0};
    struct os_thread *threads[3];
    memset(&s, 0, sizeof s);
    s.rounds = KDK_PICK(20000, 4000);
    w.s = &s;
    fixture_open(&s.f);
    struct txn *txn = begin(&s.f);
    for (uint32_t c = 0; c < WIDE; c++) {
        columns[c] = (struct tcolumn){.type = LTYPE(BIGINT), .missing = DATUM_NULL};
        w.numbers[c] = c;
    }
    CHECK_EQ(table_create(txn, s.f.store, 2, columns, WIDE, &w.table, &s.f.err), KDK_OK);
    CHECK_EQ(table_insert(txn, w.table, values, NULL, &s.f.err), KDK_OK);
    commit(&s.f, txn);
    atomic_store(&w.running, 1);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(os_thread_new(os_here(), "wide", i ? wide_reader : wide_writer, &w,
                               &threads[i], &s.f.err),
                 KDK_OK);
    for (uint32_t i = 0; i < 3; i++)
        os_thread_join(threads[i]);
    fixture_close(&s.f);
}

TEST(stress, sixteen_writers_and_readers)
{
    static struct stress s;
    memset(&s, 0, sizeof s);
    s.writers = 10;
    s.readers = 6;
    s.ddl = true;
    s.rounds = 400;
    stress_main(&s);
    CHECK(atomic_load(&s.commits) > 100);
    CHECK(atomic_load(&s.reads) > 0);
}

TEST(stress, every_schedule_of_the_simulator)
{
    static struct stress s;
    uint64_t conflicts = 0, duplicates = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sim *sim = NULL;
        struct err err = {0};
        memset(&s, 0, sizeof s);
        s.writers = 4;
        s.readers = 2;
        s.ddl = seed % 2;
        s.rounds = 15;
        s.f.walked[0] = seed;
        if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = seed}, &sim, &err), KDK_OK))
            return;
        CHECK(sim_run(sim, stress_main, &s));
        sim_free(sim);
        conflicts += atomic_load(&s.conflicts);
        duplicates += atomic_load(&s.duplicates);
    }
    CHECK(conflicts > 0);
    CHECK(duplicates > 0);
}

static kdk_status remove_one(void *context, const char *name, struct err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    return os_remove(os_here(), path, err);
}

static void remove_database(const char *dir)
{
    static const char *const folders[] = {"/blocks", "/trees", "/wal", ""};
    struct err err = {0};
    for (uint32_t i = 0; i < COUNT_OF(folders); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s%s", dir, folders[i]);
        CHECK_EQ(os_list(os_here(), path, remove_one, path, &err), KDK_OK);
        CHECK_EQ(os_remove_dir(os_here(), path, &err), KDK_OK);
    }
}

/* The same with checkpoints and freezes all the time: what leaves memory is found below, by
 * everybody. */
TEST(stress, checkpoints_meanwhile)
{
    static struct stress s;
    char dir[64];
    uint64_t number;
    memset(&s, 0, sizeof s);
    os_random(os_here(), &number, sizeof number);
    snprintf(dir, sizeof dir, "/tmp/kodiak-stress-%llx", (unsigned long long)number);
    s.writers = 6;
    s.readers = 4;
    s.ddl = true;
    s.rounds = 150;
    s.dir = dir;
    stress_main(&s);
    CHECK(atomic_load(&s.commits) > 50);
    CHECK(atomic_load(&s.pours) > 0);
    remove_database(dir);
}

TEST(stress, checkpoints_in_every_schedule)
{
    static struct stress s;
    uint64_t pours = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sim *sim = NULL;
        struct err err = {0};
        memset(&s, 0, sizeof s);
        s.writers = 3;
        s.readers = 2;
        s.ddl = seed % 2;
        s.rounds = 12;
        s.dir = "/db";
        s.f.walked[0] = seed;
        if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = seed}, &sim, &err), KDK_OK))
            return;
        CHECK(sim_run(sim, stress_main, &s));
        sim_free(sim);
        pours += atomic_load(&s.pours);
    }
    CHECK(pours > 40);
}
