/* model_test.c - several interleaved transactions against a model of snapshot isolation.
 *
 * The model keeps, for each row, all versions in order, each with its transaction, command
 * and commit timestamp, and says by the definition what a statement sees and what must be
 * refused. After each step a random transaction reads in every way there is. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "table/table_int.h"
#include "table/table_test.h"

enum { ROWS_MAX = 400, VERSIONS_MAX = 64, TXNS = 5, KEYS = 14, MODEL_BATCH = BATCH_ROWS };

struct version {
    uint64_t txn;       /* Of the model, unique. */
    uint64_t timestamp; /* 0: in flight. */
    uint32_t command;
    bool deleted;
    int64_t id, n;
    uint32_t text;
};
struct row {
    uint32_t count;
    struct version v[VERSIONS_MAX];
};
struct actor {
    struct txn *txn;
    uint64_t number; /* In the model. */
    uint64_t snapshot;
    uint32_t command;
    bool wrote;
};
struct model {
    struct fixture f;
    struct row rows[ROWS_MAX]; /* By row id. */
    uint32_t next_row;
    uint64_t next_txn;
    uint64_t published;
    struct actor actors[TXNS];
    uint64_t random;
    uint64_t conflicts, duplicates, commits;
    const char *trouble;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    return hash_u64(m->random += 0x9e3779b97f4a7c15ull) % below;
}

static const char *const texts[] = {"", "short", "exactly12byt", "thirteen byte",
                                    "a much longer text that lies in a block of its own"};

/* ------------------------------------------------------------------ the model ---- */

static const struct version *model_sees(const struct row *row, const struct actor *a)
{
    for (uint32_t k = row->count; k-- > 0;) {
        const struct version *v = &row->v[k];
        if (v->txn == a->number ? v->command < a->command
                                : v->timestamp && v->timestamp <= a->snapshot)
            return v->deleted ? NULL : v;
    }
    return NULL;
}

static const struct version *newest(const struct row *row)
{
    return row->count ? &row->v[row->count - 1] : NULL;
}

/* What a write to the row must give; *skip: nothing happens. */
static kdk_status model_judge(const struct row *row, const struct actor *a, bool *skip)
{
    const struct version *v = newest(row);
    *skip = true;
    if (!v)
        return KDK_OK;
    if (v->txn != a->number && (!v->timestamp || v->timestamp > a->snapshot))
        return KDK_SERIALIZATION;
    *skip = v->deleted || (v->txn == a->number && v->command == a->command);
    return KDK_OK;
}

static void model_write(struct row *row, const struct actor *a, bool deleted, int64_t id,
                        int64_t n, uint32_t text)
{
    ASSERT(row->count < VERSIONS_MAX);
    row->v[row->count++] = (struct version){a->number, 0, a->command, deleted, id, n, text};
}

enum { OK_BIT = 1, UNIQUE_BIT = 2, CONFLICT_BIT = 4 };

/* Which outcomes of the unique check are right. */
static uint64_t model_unique(const struct model *m, const struct actor *a)
{
    uint64_t allowed = 0;
    for (uint32_t r = 1; r < m->next_row; r++) {
        const struct version *mine = newest(&m->rows[r]);
        if (!mine || mine->txn != a->number || mine->command != a->command || mine->deleted)
            continue;
        const struct version *was = m->rows[r].count > 1 ? mine - 1 : NULL;
        if (was && !was->deleted && was->id == mine->id)
            continue; /* The key did not change. */
        for (uint32_t q = 1; q < m->next_row; q++) {
            const struct version *v = newest(&m->rows[q]);
            if (q == r || !v)
                continue;
            bool now = !v->deleted && v->id == mine->id, before = false;
            if (v->txn == a->number || v->timestamp) {
                if (now)
                    allowed |= UNIQUE_BIT;
                continue;
            }
            for (uint32_t k = m->rows[q].count; k-- > 0;)
                if (m->rows[q].v[k].txn != v->txn) {
                    before = !m->rows[q].v[k].deleted && m->rows[q].v[k].id == mine->id;
                    break;
                }
            if (now && before)
                allowed |= UNIQUE_BIT;
            else if (now || before)
                allowed |= CONFLICT_BIT;
        }
    }
    return allowed ? allowed : OK_BIT;
}

static void model_end(struct model *m, struct actor *a, bool committed)
{
    if (committed && a->wrote)
        m->published++;
    for (uint32_t r = 1; r < m->next_row; r++) {
        struct row *row = &m->rows[r];
        while (!committed && row->count && newest(row)->txn == a->number)
            row->count--;
        for (uint32_t k = 0; k < row->count; k++)
            if (row->v[k].txn == a->number)
                row->v[k].timestamp = m->published;
    }
    a->txn = NULL;
}

/* ------------------------------------------------------------------- checking ---- */

#define EXPECT(COND)                                                                       \
    do {                                                                                   \
        if (!(COND) && !m->trouble)                                                        \
            m->trouble = #COND;                                                            \
    } while (0)

static bool same(const struct datum *got, const struct version *v)
{
    const char *text = texts[v->text % COUNT_OF(texts)];
    return !got[0].null && got[0].i == v->id &&
           (v->n == 0 ? got[1].null : !got[1].null && got[1].i == v->n) && !got[2].null &&
           got[2].s.len == strlen(text) &&
           memcmp(str_data(&got[2].s), text, strlen(text)) == 0;
}

static void check_get(struct model *m, struct actor *a, rowid r)
{
    struct datum got[3];
    bool found;
    const struct version *want = model_sees(&m->rows[r], a);
    EXPECT(table_get(a->txn, m->f.table, r, (uint32_t[]){0, 1, 2}, 3, got, &found,
                     &m->f.arena, &m->f.err) == KDK_OK);
    EXPECT(found == (want != NULL));
    if (found && want)
        EXPECT(same(got, want));
}

static void check_point(struct model *m, struct actor *a, int64_t id)
{
    uint32_t matches = 0, others = 0;
    point(&m->f, a->txn, id);
    for (uint32_t r = 1; r < m->next_row; r++) {
        const struct version *v = model_sees(&m->rows[r], a);
        if (!v || v->id != id)
            continue;
        EXPECT(matches < m->f.matches && m->f.walked[matches] == r);
        matches++;
        others += v->txn != a->number;
    }
    EXPECT(matches == m->f.matches);
    /* A snapshot has a key once. Beside it the transaction may have placed the key itself,
     * after others gave it up. */
    EXPECT(others <= 1 && matches <= others + 1);
}

static int by_key(const void *x, const void *y)
{
    const int64_t *a = x, *b = y;
    int key = a[0] < b[0] ? -1 : a[0] > b[0];
    return key ? key : a[1] < b[1] ? -1 : 1;
}

static void check_range(struct model *m, struct actor *a, int64_t lo, int64_t hi,
                        bool backwards)
{
    int64_t want[ROWS_MAX][2];
    uint32_t n = 0;
    for (uint32_t r = 1; r < m->next_row; r++) {
        const struct version *v = model_sees(&m->rows[r], a);
        if (v && v->id >= lo && v->id <= hi) {
            want[n][0] = v->id;
            want[n++][1] = r;
        }
    }
    qsort(want, n, sizeof want[0], by_key);
    EXPECT(range(&m->f, a->txn, lo, hi, backwards) == n);
    for (uint32_t k = 0; k < n; k++)
        EXPECT((int64_t)m->f.walked[k] == want[backwards ? n - 1 - k : k][1]);
}

static void check_scan(struct model *m, struct actor *a)
{
    const struct ltype types[] = {LTYPE(BIGINT), LTYPE(BIGINT), LTYPE(TEXT), LTYPE(BIGINT)};
    const uint32_t columns[] = {0, 1, 2, SCAN_ROWID};
    struct arena arena = {0};
    struct batch batch;
    struct table_scan *scan;
    struct scan_reader *reader;
    bool more = true;
    uint32_t r = 1;
    EXPECT(batch_init(&batch, types, 4, &arena, &m->f.err) == KDK_OK);
    EXPECT(table_scan_open(a->txn, m->f.table, columns, 4, NULL, 0, &arena, &scan,
                           &m->f.err) == KDK_OK);
    EXPECT(scan_reader_new(scan, &arena, &reader, &m->f.err) == KDK_OK);
    while (!m->trouble) {
        EXPECT(scan_reader_next(reader, &batch, &more, &m->f.err) == KDK_OK);
        if (!more)
            break;
        for (uint32_t k = 0; k < batch.count; k++) {
            struct datum got[3] = {vec_get(&batch.columns[0], k),
                                   vec_get(&batch.columns[1], k),
                                   vec_get(&batch.columns[2], k)};
            struct datum id = vec_get(&batch.columns[3], k);
            while (r < m->next_row && !model_sees(&m->rows[r], a))
                r++;
            EXPECT(r < m->next_row && (uint64_t)id.i == r);
            if (m->trouble)
                break;
            EXPECT(same(got, model_sees(&m->rows[r], a)));
            r++;
        }
    }
    while (r < m->next_row && !model_sees(&m->rows[r], a))
        r++;
    EXPECT(r == m->next_row);
    scan_reader_free(reader);
    table_scan_close(scan);
    arena_deinit(&arena);
}

static void check_reads(struct model *m, struct actor *a)
{
    if (m->next_row > 1)
        check_get(m, a, 1 + draw(m, m->next_row - 1));
    check_point(m, a, 1 + (int64_t)draw(m, KEYS));
    int64_t lo = (int64_t)draw(m, KEYS);
    switch (draw(m, 4)) {
    case 0:
        check_range(m, a, lo, lo + (int64_t)draw(m, KEYS), draw(m, 2));
        break;
    case 1:
        check_range(m, a, INT64_MIN, INT64_MAX, draw(m, 2));
        break;
    case 2:
        check_scan(m, a);
        break;
    default:
        break;
    }
}

/* ---------------------------------------------------------------------- steps ---- */

static void actor_abort(struct model *m, struct actor *a)
{
    txn_rollback(a->txn);
    model_end(m, a, false);
}

static struct datum *row_of(struct datum *row, int64_t id, int64_t n, uint32_t text)
{
    memset(row, 0, 3 * sizeof *row);
    row[0].i = id;
    row[1].i = n;
    row[1].null = n == 0;
    row[2].s = str_of(texts[text % COUNT_OF(texts)], strlen(texts[text % COUNT_OF(texts)]));
    return row;
}

/* One statement that writes up to four rows. False: the transaction is over. */
static bool step_write(struct model *m, struct actor *a)
{
    for (uint64_t k = 1 + draw(m, 4); k-- > 0;) {
        int64_t id = 1 + (int64_t)draw(m, KEYS), n = (int64_t)draw(m, 5) * 1000;
        uint32_t text = (uint32_t)draw(m, 5);
        struct datum row[3];
        a->wrote = true;
        if (draw(m, 4) == 0 && m->next_row < ROWS_MAX) {
            rowid got = 0;
            EXPECT(table_insert(a->txn, m->f.table, row_of(row, id, n, text), &got,
                                &m->f.err) == KDK_OK);
            EXPECT(got == m->next_row);
            model_write(&m->rows[m->next_row++], a, false, id, n, text);
            continue;
        }
        if (m->next_row == 1)
            continue;
        uint32_t r = 1 + (uint32_t)draw(m, m->next_row - 1);
        if (m->rows[r].count + 1 >= VERSIONS_MAX)
            continue;
        bool skip, changed, erase_it = draw(m, 5) == 0, keep_key = draw(m, 2);
        kdk_status want = model_judge(&m->rows[r], a, &skip), got;
        const struct version was =
            want == KDK_OK && !skip ? *newest(&m->rows[r]) : (struct version){0};
        if (erase_it)
            got = table_delete(a->txn, m->f.table, r, &changed, &m->f.err);
        else if (keep_key)
            got = table_update(a->txn, m->f.table, r, (uint32_t[]){1, 2},
                               row_of(row, id, n, text) + 1, 2, &changed, &m->f.err);
        else
            got =
                table_update(a->txn, m->f.table, r, (uint32_t[]){2, 0, 1},
                             (struct datum[]){row_of(row, id, n, text)[2], row[0], row[1]},
                             3, &changed, &m->f.err);
        EXPECT(got == want);
        if (want != KDK_OK) {
            m->conflicts++;
            actor_abort(m, a);
            return false;
        }
        EXPECT(changed == !skip);
        if (!skip)
            model_write(&m->rows[r], a, erase_it, keep_key || erase_it ? was.id : id,
                        erase_it ? was.n : n, erase_it ? was.text : text);
    }
    if (draw(m, 3) == 0)
        check_reads(m, a);
    uint64_t allowed = model_unique(m, a);
    kdk_status got = table_statement_end(a->txn, &m->f.err);
    EXPECT(allowed & (got == KDK_OK              ? OK_BIT
                      : got == KDK_UNIQUE        ? UNIQUE_BIT
                      : got == KDK_SERIALIZATION ? CONFLICT_BIT
                                                 : 0));
    if (got != KDK_OK) {
        m->duplicates++;
        actor_abort(m, a);
        return false;
    }
    return true;
}

static void step(struct model *m)
{
    struct actor *a = &m->actors[draw(m, TXNS)];
    if (!a->txn) {
        EXPECT(txn_begin(m->f.man, TXN_SNAPSHOT, false, &a->txn, &m->f.err) == KDK_OK);
        *a = (struct actor){
            .txn = a->txn, .number = ++m->next_txn, .snapshot = m->published};
        txn_statement_begin(a->txn);
        a->command = 1;
        EXPECT(a->txn->snapshot == m->published);
        return;
    }
    txn_statement_begin(a->txn);
    a->command++;
    uint64_t what = draw(m, 20);
    if (what < 9) {
        step_write(m, a);
    } else if (what < 15) {
        check_reads(m, a);
    } else if (what < 18) {
        bool wrote = a->txn->parts != NULL;
        a->wrote = wrote;
        EXPECT(txn_commit(a->txn, &m->f.err) == KDK_OK);
        model_end(m, a, true);
        EXPECT(txnman_published(m->f.man) == m->published);
        m->commits++;
    } else if (what == 18) {
        actor_abort(m, a);
    } else {
        txnman_reclaim(m->f.man);
    }
}

static void run_model(uint64_t seed, uint32_t steps)
{
    struct model *m = mem_zalloc(sizeof *m);
    fixture_open(&m->f);
    m->random = seed * 0x2545f4914f6cdd1dull;
    m->next_row = 1;
    m->published = txnman_published(m->f.man);
    uint32_t k = 0;
    for (; k < steps && !m->trouble; k++) {
        step(m);
        arena_reset(&m->f.arena);
    }
    if (m->trouble) {
        CHECK_STR(m->trouble, "");
        CHECK_EQ(seed * 1000000 + k, 0); /* Which seed, which step. */
    }
    for (uint32_t i = 0; i < TXNS; i++)
        if (m->actors[i].txn)
            actor_abort(m, &m->actors[i]);
    if (!m->trouble)
        check_store(&m->f);
    CHECK(m->commits > 0 || steps < 100);
    fixture_close(&m->f);
    mem_free(m);
}

TEST(model, snapshot_isolation_is_what_the_model_says)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_model(seed, 1500);
}
