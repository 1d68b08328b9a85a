/* resequence.c - see resequence.h. Memory: for each index the fences of the table's strips,
 * and the keys of the rows of one strip. */
#include "table/resequence.h"

#include <stdlib.h>

#include "base/mem.h"

/* A strip that is in a sequence, or may come to be. */
struct member {
    /* Of a new strip, with a reference, once it is written; of a rewritten one; else
     * NULL. */
    struct strip_entry *entry;
    /* (key, row id); NULL: not in order. Of one that stays, `last` is read when it is asked
     * for. */
    uint8_t *first, *last;
    uint32_t first_bytes, last_bytes;
    rowid first_id;
    bool fresh, taken;
};
struct candidate_key {
    uint32_t at, bytes;
};
struct resequence_index {
    struct index *index; /* NULL: dropped, and nobody's any more. */
    const struct gindex *old;
    struct buf text; /* Keys with row ids, of rows that no strip has yet. */
    struct candidate_key *keys;
    struct member *members; /* New ones, by row id. */
    uint32_t count, cap, written;
};
struct resequence {
    struct pouring *pouring;
    struct table *table;
    struct arena arena;
    struct resequence_index *indexes;
    uint32_t index_count;
    uint32_t staged;
    struct strip_entry **replaced; /* By row id. */
    uint32_t replaced_count, replaced_cap;
};
#define STAGED_MAX (STRIP_ROWS + BATCH_ROWS)

kdk_status resequence_new(struct pouring *pouring, struct table *table, struct gtable *old,
                          struct resequence **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct resequence *r;
    TRY_MEM(r = MEM_NEW(struct resequence));
    r->pouring = pouring;
    r->table = table;
    arena_init(&r->arena);
    *out = r;
    TRY_MEM(r->indexes =
                ARENA_ARRAY(&r->arena, struct resequence_index, MAX(old->index_count, 1)));
    r->index_count = old->index_count;
    txn_enter(pouring->txn->man);
    for (uint32_t i = 0; i < old->index_count; i++) {
        r->indexes[i].old = &old->indexes[i];
        r->indexes[i].index = index_find(table, old->indexes[i].id);
    }
    txn_leave(pouring->txn->man);
    for (uint32_t i = 0; i < old->index_count; i++)
        TRY_MEM(r->indexes[i].keys =
                    ARENA_ARRAY(&r->arena, struct candidate_key, STAGED_MAX));
out:
    return status;
}

void resequence_free(struct resequence *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->index_count; i++) {
        for (uint32_t k = 0; k < r->indexes[i].count; k++)
            strip_entry_unref(r->indexes[i].members[k].entry);
        mem_free(r->indexes[i].members);
        buf_deinit(&r->indexes[i].text);
    }
    for (uint32_t i = 0; i < r->replaced_count; i++)
        strip_entry_unref(r->replaced[i]);
    mem_free(r->replaced);
    arena_deinit(&r->arena);
    mem_free(r);
}

kdk_status resequence_row(struct resequence *r, const struct image *image, rowid id,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf key = {0};
    uint8_t number[8];
    bool has_null;
    TRY_ASSERT(r->staged < STAGED_MAX);
    put_be64(number, id);
    for (uint32_t i = 0; i < r->index_count; i++) {
        struct resequence_index *one = &r->indexes[i];
        if (!one->index)
            continue;
        TRY(index_key(one->index, image, &key, &has_null, err));
        one->keys[r->staged] =
            (struct candidate_key){(uint32_t)one->text.len, (uint32_t)key.len + 8};
        buf_add(&one->text, key.data, key.len);
        buf_add(&one->text, number, sizeof number);
        TRY(buf_status(&one->text, err));
    }
    r->staged++;
out:
    buf_deinit(&key);
    return status;
}

static kdk_status member_add(struct resequence_index *one, struct member **out,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    if (one->count == one->cap) {
        const uint32_t cap = MAX(one->cap * 2, 16u);
        struct member *members = mem_realloc(one->members, size_mul(cap, sizeof *members));
        TRY_MEM(members);
        one->members = members;
        one->cap = cap;
    }
    *out = &one->members[one->count++];
    **out = (struct member){.fresh = true};
out:
    return status;
}

static const uint8_t *staged_key(const struct resequence_index *one, uint32_t k)
{
    return (const uint8_t *)one->text.data + one->keys[k].at;
}

/* A new strip, without keys if its rows are not in order. */
static kdk_status strip_judge(struct resequence *r, struct resequence_index *one,
                              uint32_t rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct member *member;
    const uint32_t left = r->staged - rows;
    bool ordered = true;
    for (uint32_t k = 1; k < rows && ordered; k++)
        ordered = btree_compare(staged_key(one, k - 1), one->keys[k - 1].bytes,
                                staged_key(one, k), one->keys[k].bytes) < 0;
    TRY(member_add(one, &member, err));
    if (ordered) {
        member->first_bytes = one->keys[0].bytes;
        member->last_bytes = one->keys[rows - 1].bytes;
        TRY_MEM(member->first =
                    arena_dup(&r->arena, staged_key(one, 0), member->first_bytes));
        TRY_MEM(member->last =
                    arena_dup(&r->arena, staged_key(one, rows - 1), member->last_bytes));
    }
    const uint32_t cut = left ? one->keys[rows].at : (uint32_t)one->text.len;
    memmove(one->text.data, one->text.data + cut, one->text.len - cut);
    one->text.len -= cut;
    for (uint32_t k = 0; k < left; k++) {
        one->keys[k] = one->keys[rows + k];
        one->keys[k].at -= cut;
    }
out:
    return status;
}

kdk_status resequence_strip(struct resequence *r, uint32_t rows, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_ASSERT(rows && rows <= r->staged);
    for (uint32_t i = 0; i < r->index_count; i++)
        if (r->indexes[i].index)
            TRY(strip_judge(r, &r->indexes[i], rows, err));
    r->staged -= rows;
out:
    return status;
}

kdk_status resequence_written(struct resequence *r, struct strip_entry *const *entries,
                              uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < r->index_count; i++) {
        struct resequence_index *one = &r->indexes[i];
        for (uint32_t k = 0; one->index && k < count; k++) {
            TRY_ASSERT(one->written < one->count);
            struct member *member = &one->members[one->written++];
            member->entry = strip_entry_ref(entries[k]);
            member->first_id = entries[k]->first;
        }
    }
out:
    return status;
}

kdk_status resequence_replaced(struct resequence *r, struct strip_entry *entry,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    if (r->replaced_count == r->replaced_cap) {
        const uint32_t cap = MAX(r->replaced_cap * 2, 16u);
        struct strip_entry **replaced =
            mem_realloc(r->replaced, size_mul(cap, sizeof *replaced));
        TRY_MEM(replaced);
        r->replaced = replaced;
        r->replaced_cap = cap;
    }
    r->replaced[r->replaced_count++] = strip_entry_ref(entry);
out:
    return status;
}

/* The rewritten strip that may have the row, or NULL. */
static struct strip_entry *replaced_with(const struct resequence *r, rowid id)
{
    uint32_t lo = 0, hi = r->replaced_count;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (r->replaced[mid]->last < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->replaced_count && r->replaced[lo]->first <= id ? r->replaced[lo] : NULL;
}

static const struct member *member_with(const struct resequence_index *one, rowid id)
{
    uint32_t lo = 0, hi = one->count;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (one->members[mid].entry->last < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < one->count && one->members[lo].entry->first <= id ? &one->members[lo]
                                                                  : NULL;
}

/* ------------------------------------------------------------------ one index ---- */

/* The entries of strips, one after another, in the order of their fences. */
struct member_rows {
    struct member **list;
    uint32_t count, at;
    struct strip_keys keys; /* Of list[at - 1], */
    uint32_t position;      /* at this row. */
    struct buf key;
    bool valid;
};
/* An index in the making: what its three trees are fed with. */
struct remaking {
    struct resequence *r;
    struct resequence_index *one;
    struct index_source source; /* The sequence as it was. */
    struct member **all;        /* Strips that stay and new ones, by fence. */
    uint32_t all_count;
    struct member_rows fresh; /* New strips of the sequence. */
    struct member_rows stale; /* Strips of the old sequence that are rewritten. */
    struct member_rows *last; /* Which of the two gave the last change. */
    struct btree_cursor gone;
    /* Of `fresh` and `stale`: still to be fed as fences. */
    struct member **fence, **fence_end, **gap, **gap_end;
    bool started;
};

static int member_compare(const void *a, const void *b)
{
    const struct member *one = *(struct member *const *)a,
                        *two = *(struct member *const *)b;
    return btree_compare(one->first, one->first_bytes, two->first, two->first_bytes);
}

/* Strips of the old sequence, those that stay and those that do not, and new ones that are
 * in order. */
static kdk_status members_collect(struct remaking *m, struct err *err)
{
    kdk_status status = KDK_OK;
    struct resequence *r = m->r;
    struct resequence_index *one = m->one;
    struct btree_cursor fences;
    const uint64_t had = one->old->fences.count;
    btree_cursor_init(&fences, m->source.file, &one->old->fences);
    TRY_MEM(m->all = ARENA_ARRAY(&r->arena, struct member *, MAX(one->count + had, 1)));
    TRY_MEM(m->stale.list = ARENA_ARRAY(&r->arena, struct member *, MAX(had, 1)));
    TRY_MEM(m->fresh.list = ARENA_ARRAY(&r->arena, struct member *, MAX(one->count, 1)));
    for (uint32_t k = 0; k < one->count; k++)
        if (one->members[k].first)
            m->all[m->all_count++] = &one->members[k];
    TRY(btree_cursor_first(&fences, err));
    for (uint64_t k = 0; k < had && fences.valid; k++) {
        struct member *member;
        TRY_MEM(member = ARENA_NEW(&r->arena, struct member));
        member->first_bytes = fences.key_bytes;
        member->first_id =
            fences.key_bytes >= 8 ? get_be64(fences.key + fences.key_bytes - 8) : 0;
        TRY_MEM(member->first = arena_dup(&r->arena, fences.key, MAX(fences.key_bytes, 1)));
        member->entry = replaced_with(r, member->first_id);
        if (member->entry)
            m->stale.list[m->stale.count++] = member;
        else
            m->all[m->all_count++] = member;
        TRY(btree_cursor_next(&fences, err));
    }
    if (m->all_count)
        qsort(m->all, m->all_count, sizeof *m->all, member_compare);
out:
    btree_cursor_deinit(&fences);
    return status;
}

/* The last entry of a strip that stays. */
static kdk_status kept_last(struct remaking *m, struct member *kept, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor cursor;
    struct buf key = {0};
    bool has_null;
    entries_init(&cursor, &m->source);
    cursor.raw = true;
    TRY(entries_seek(&cursor, kept->first, kept->first_bytes, err));
    if (!cursor.valid || cursor.position || cursor.strip.entry->first != kept->first_id)
        TRY(err_set(err, KDK_CORRUPT,
                    "index %u has a fence that is not the first key of its strip",
                    m->source.index->def.id));
    TRY(strip_keys_at(&cursor.strip, cursor.strip.entry->rows - 1, &key, &has_null, err));
    kept->last_bytes = (uint32_t)key.len;
    TRY_MEM(kept->last = arena_dup(&m->r->arena, key.data, key.len));
out:
    entries_deinit(&cursor);
    buf_deinit(&key);
    return status;
}

/* By fence, each new strip is taken that begins behind the last one taken, and ends before
 * the next one that stays. */
static kdk_status members_take(struct remaking *m, struct err *err)
{
    kdk_status status = KDK_OK;
    struct member *last = NULL;
    uint32_t next = 0; /* The first that stays, from i on. */
    for (uint32_t i = 0; i < m->all_count; i++) {
        struct member *member = m->all[i];
        if (member->fresh) {
            if (last && !last->last)
                TRY(kept_last(m, last, err));
            if (last && btree_compare(last->last, last->last_bytes, member->first,
                                      member->first_bytes) >= 0)
                continue;
            for (next = MAX(next, i); next < m->all_count && m->all[next]->fresh;)
                next++;
            if (next < m->all_count &&
                btree_compare(member->last, member->last_bytes, m->all[next]->first,
                              m->all[next]->first_bytes) >= 0)
                continue;
            member->taken = true;
            m->fresh.list[m->fresh.count++] = member;
        }
        last = member;
    }
out:
    return status;
}

/* Fences: those of rewritten strips go, those of new ones come. */
static kdk_status fence_next(void *context, struct btree_change *out, bool *more,
                             struct err *err)
{
    struct remaking *m = context;
    (void)err;
    const struct member *in = m->fence < m->fence_end ? *m->fence : NULL,
                        *from = m->gap < m->gap_end ? *m->gap : NULL;
    *more = in || from;
    if (!*more)
        return KDK_OK;
    const int order =
        !in     ? 1
        : !from ? -1
                : btree_compare(in->first, in->first_bytes, from->first, from->first_bytes);
    m->fence += order <= 0;
    m->gap += order >= 0;
    const struct member *one = order <= 0 ? in : from;
    *out = (struct btree_change){one->first, one->first_bytes, order > 0, "", 0};
    return KDK_OK;
}

/* Gone: what is so of rewritten strips is so no longer. */
static kdk_status gone_next(void *context, struct btree_change *out, bool *more,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct remaking *m = context;
    TRY(m->started ? btree_cursor_next(&m->gone, err) : btree_cursor_first(&m->gone, err));
    m->started = true;
    while (m->gone.valid &&
           !(m->gone.key_bytes >= 8 &&
             replaced_with(m->r, get_be64(m->gone.key + m->gone.key_bytes - 8))))
        TRY(btree_cursor_next(&m->gone, err));
    *more = m->gone.valid;
    if (*more)
        *out = (struct btree_change){m->gone.key, m->gone.key_bytes, true, NULL, 0};
out:
    return status;
}

static kdk_status member_rows_next(struct remaking *m, struct member_rows *rows,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    bool has_null;
    rows->position += rows->valid;
    rows->valid = false;
    while (!rows->keys.entry || rows->position == rows->keys.entry->rows) {
        strip_keys_close(&rows->keys);
        if (rows->at == rows->count)
            goto out;
        TRY(strip_keys_open(&rows->keys, m->source.generation, m->one->index,
                            rows->list[rows->at++]->entry, STRIP_SCAN, err));
        rows->position = 0;
    }
    TRY(strip_keys_at(&rows->keys, rows->position, &rows->key, &has_null, err));
    rows->valid = true;
out:
    return status;
}

/* The next row of a rewritten strip that holds still, and that no strip of the new sequence
 * has. */
static kdk_status stale_next(struct remaking *m, struct err *err)
{
    kdk_status status = KDK_OK;
    bool passed = true;
    while (passed) {
        TRY(member_rows_next(m, &m->stale, err));
        if (!m->stale.valid)
            goto out;
        const struct member *member = member_with(
            m->one, get_be64((const uint8_t *)m->stale.key.data + m->stale.key.len - 8));
        passed = member && member->taken;
        if (!passed)
            TRY(btree_get(m->source.file, &m->one->old->gone, m->stale.key.data,
                          m->stale.key.len, NULL, &passed, err));
    }
out:
    return status;
}

/* Entries: rows of new strips of the sequence leave the tree, and those that are in none
 * any more come to it. */
static kdk_status entry_next(void *context, struct btree_change *out, bool *more,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct remaking *m = context;
    if (m->last != &m->stale)
        TRY(member_rows_next(m, &m->fresh, err));
    if (m->last != &m->fresh)
        TRY(stale_next(m, err));
    *more = m->fresh.valid || m->stale.valid;
    if (!*more)
        goto out;
    const int order = !m->fresh.valid ? 1
                      : !m->stale.valid
                          ? -1
                          : btree_compare(m->fresh.key.data, m->fresh.key.len,
                                          m->stale.key.data, m->stale.key.len);
    m->last = order < 0 ? &m->fresh : &m->stale;
    *out = (struct btree_change){m->last->key.data, (uint32_t)m->last->key.len, order < 0,
                                 "", 0};
out:
    return status;
}

static kdk_status index_remake(struct resequence *r, struct resequence_index *one,
                               struct gindex *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct page_sink *sink = r->pouring->sink;
    struct page_file *file = r->pouring->disk->file;
    struct remaking m = {.r = r,
                         .one = one,
                         .source = {.file = file,
                                    .root = &one->old->fences,
                                    .fences = true,
                                    .gone = &one->old->gone,
                                    .generation = txn_generation(r->pouring->txn),
                                    .index = one->index}};
    *out = *one->old;
    btree_cursor_init(&m.gone, file, &one->old->gone);
    TRY_ASSERT(one->written == one->count);
    TRY(members_collect(&m, err));
    TRY(members_take(&m, err));
    m.fence = m.fresh.list;
    m.fence_end = m.fence + m.fresh.count;
    m.gap = m.stale.list;
    m.gap_end = m.gap + m.stale.count;
    TRY(btree_apply(sink, &one->old->fences, &(struct btree_feed){fence_next, &m},
                    &out->fences, err));
    TRY(btree_apply(sink, &one->old->gone, &(struct btree_feed){gone_next, &m}, &out->gone,
                    err));
    TRY(btree_apply(sink, &one->old->root, &(struct btree_feed){entry_next, &m}, &out->root,
                    err));
out:
    btree_cursor_deinit(&m.gone);
    strip_keys_close(&m.fresh.keys);
    strip_keys_close(&m.stale.keys);
    buf_deinit(&m.fresh.key);
    buf_deinit(&m.stale.key);
    return status;
}

kdk_status resequence_apply(struct resequence *r, struct gindex *out, uint32_t *count,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    *count = 0;
    TRY_ASSERT(r->staged == 0);
    for (uint32_t i = 0; i < r->index_count; i++) {
        struct resequence_index *one = &r->indexes[i];
        if (!one->index) /* Dropped, and no reader has it. */
            TRY(gindex_drop(r->pouring, one->old, err));
        else
            TRY(index_remake(r, one, &out[(*count)++], err));
    }
out:
    return status;
}
