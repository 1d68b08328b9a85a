/* checkpoint.c - pouring what is recent into a new generation.
 *
 * A checkpoint is a reader: it takes a snapshot, S, and pins the newest generation, S0. For
 * each record in memory whose version at S is newer than S0, the row goes to the row tree,
 * and the keys that it has at S and had at S0 make the changes of the indexes: so they
 * follow from rows alone, and entries are exact (D4). Trees are changed by copying; nobody
 * waits. Then pages and map are synced, then the manifest slot that holds the older
 * generation, and with that the new one exists. What only the generations before the other
 * slot's named is freed, the log before that slot's position too, and memory gives up what
 * all generations in use have.
 *
 * Order and D6: the log's position is taken first; then all that has its place in the log
 * is waited for; then the snapshot is taken. Failure: before the manifest is touched
 * nothing has happened. If writing it fails, nobody knows which generation a reopening will
 * find; this store pours no more, and what either needs stays.
 */
#include "table/checkpoint.h"
#include "table/load.h"

#include <stdlib.h>

#include "base/mem.h"

/* ------------------------------------------------------------- meta changes ---- */

kdk_status meta_put(struct pouring *pouring, uint32_t table, enum meta_tag tag,
                    uint64_t number, const struct buf *value, struct err *err)
{
    kdk_status status = KDK_OK;
    if (pouring->meta_count == pouring->meta_cap) {
        const size_t cap = MAX(pouring->meta_cap * 2, 64u);
        struct meta_change *meta = mem_realloc(pouring->meta, size_mul(cap, sizeof *meta));
        TRY_MEM(meta);
        pouring->meta = meta;
        pouring->meta_cap = cap;
    }
    struct meta_change *change = &pouring->meta[pouring->meta_count];
    meta_key(change->key, table, tag, number);
    change->order = (uint32_t)pouring->meta_count;
    change->erase = !value;
    change->bytes = value ? (uint32_t)value->len : 0;
    TRY_MEM(change->value =
                arena_dup(&pouring->arena, value && value->len ? value->data : "",
                          MAX(change->bytes, 1u)));
    pouring->meta_count++;
out:
    return status;
}

static int meta_compare(const void *a, const void *b)
{
    const struct meta_change *one = a, *two = b;
    const int c = memcmp(one->key, two->key, META_KEY_BYTES);
    return c ? c : one->order < two->order ? -1 : 1;
}

static kdk_status meta_next(void *context, struct btree_change *out, bool *more,
                            struct err *err)
{
    struct pouring *pouring = context;
    (void)err;
    /* Of several changes of one key the last counts. */
    while (pouring->meta_at + 1 < pouring->meta_count &&
           memcmp(pouring->meta[pouring->meta_at].key,
                  pouring->meta[pouring->meta_at + 1].key, META_KEY_BYTES) == 0)
        pouring->meta_at++;
    *more = pouring->meta_at < pouring->meta_count;
    if (!*more)
        return KDK_OK;
    const struct meta_change *change = &pouring->meta[pouring->meta_at++];
    *out = (struct btree_change){change->key, META_KEY_BYTES, change->erase, change->value,
                                 change->bytes};
    return KDK_OK;
}

/* -------------------------------------------------------------------- deltas ---- */

static kdk_status delta_add(struct delta *delta, const struct buf *key, rowid id,
                            bool erase, struct err *err)
{
    kdk_status status = KDK_OK;
    if (delta->count == delta->cap) {
        const size_t cap = MAX(delta->cap * 2, 64u);
        struct delta_item *items = mem_realloc(delta->items, size_mul(cap, sizeof *items));
        TRY_MEM(items);
        delta->items = items;
        delta->cap = cap;
    }
    const uint32_t bytes = (uint32_t)key->len + 8;
    uint8_t *copy;
    TRY_MEM(copy = arena_alloc(&delta->arena, bytes));
    if (key->len)
        memcpy(copy, key->data, key->len);
    put_be64(copy + key->len, id);
    delta->items[delta->count++] = (struct delta_item){copy, bytes, erase};
out:
    return status;
}

static int delta_compare(const void *a, const void *b)
{
    const struct delta_item *one = a, *two = b;
    return btree_compare(one->key, one->bytes, two->key, two->bytes);
}

static void delta_deinit(struct delta *delta)
{
    arena_deinit(&delta->arena);
    mem_free(delta->items);
}

/* -------------------------------------------------------------------- a table ---- */

/* The rows of a table that changed, as they are walked. */
struct table_feed {
    struct pouring *pouring;
    struct table *table;
    struct gtable *old; /* exists: the generation has it. */
    uint64_t since;     /* S0, or 0 if the generation does not have the table. */
    rowid next, end, reserved;
    struct index **indexes; /* Of S. */
    struct delta *deltas;   /* Of those that the generation has; made new: built later. */
    bool *fresh;
    uint32_t index_count;
    bool loads; /* Some are poured, too. */
    struct image now, before;
    struct buf value, key_now, key_before;
    struct arena arena;
    uint8_t key[8];
    int64_t count;
};

static kdk_status feed_keys(struct table_feed *feed, rowid id, bool live, bool had,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    bool has_null;
    for (uint32_t i = 0; i < feed->index_count; i++) {
        if (feed->fresh[i])
            continue;
        if (live)
            TRY(index_key(feed->indexes[i], &feed->now, &feed->key_now, &has_null, err));
        if (had)
            TRY(index_key(feed->indexes[i], &feed->before, &feed->key_before, &has_null,
                          err));
        if (live && had &&
            btree_compare(feed->key_now.data, feed->key_now.len, feed->key_before.data,
                          feed->key_before.len) == 0)
            continue;
        if (had)
            TRY(delta_add(&feed->deltas[i], &feed->key_before, id, true, err));
        if (live)
            TRY(delta_add(&feed->deltas[i], &feed->key_now, id, false, err));
    }
out:
    return status;
}

/* What a patch has not is as it was. */
static kdk_status feed_complete(struct table_feed *feed, rowid id, bool live, bool had,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    if (!live || !(META_FLAGS(feed->now.meta) & RECORD_PATCH))
        return KDK_OK;
    if (!had)
        TRY(patch_without_row(feed->table, id, err));
    for (uint32_t c = 0; c < feed->now.layout->count; c++)
        if (image_absent(&feed->now, c)) {
            const struct datum value = image_get(feed->table, &feed->before, c);
            image_patch(&feed->now, &c, &value, 1);
        }
out:
    return status;
}

/* The keys of indexes of which a patch has the columns: those of before are read, and no
 * other column is. */
static kdk_status feed_patch_keys(struct table_feed *feed, rowid id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct datum values[COUNT_OF(((struct tindex *)NULL)->columns)];
    bool has_null, found;
    for (uint32_t i = 0; i < feed->index_count; i++) {
        const struct index *index = feed->indexes[i];
        const struct tindex *def = &index->def;
        if (feed->fresh[i] || image_key_absent(&feed->now, def))
            continue;
        TRY(index_key(feed->indexes[i], &feed->now, &feed->key_now, &has_null, err));
        TRY(below_columns(feed->pouring->txn, feed->table, id, def->columns,
                          def->column_count, values, &found, &feed->arena, err));
        if (!found)
            TRY(patch_without_row(feed->table, id, err));
        TRY(index_values_key(feed->indexes[i], feed->now.layout, values, &feed->key_before,
                             err));
        if (btree_compare(feed->key_now.data, feed->key_now.len, feed->key_before.data,
                          feed->key_before.len) == 0)
            continue;
        TRY(delta_add(&feed->deltas[i], &feed->key_before, id, true, err));
        TRY(delta_add(&feed->deltas[i], &feed->key_now, id, false, err));
    }
out:
    return status;
}

/* A patch of a row in a strip stays one. *done false: it must be whole. */
static kdk_status feed_patch(struct table_feed *feed, rowid id, bool *done, struct err *err)
{
    kdk_status status = KDK_OK;
    bool can, had;
    TRY(below_patch(feed->pouring->txn, feed->table, id, &can, &had, &feed->before,
                    &feed->arena, err));
    *done = can;
    if (!can)
        goto out;
    TRY(feed_patch_keys(feed, id, err));
    TRY(rowcode_patch(&feed->now, had ? &feed->before : NULL, &feed->value, err));
out:
    return status;
}

static kdk_status feed_next(void *context, struct btree_change *out, bool *more,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_feed *feed = context;
    struct txn *txn = feed->pouring->txn;
    struct disk *disk = feed->pouring->disk;
    *more = false;
    while (feed->next < feed->end) {
        bool live = false, had = false, in_strip = false;
        txn_enter(txn->man);
        const rowid id =
            rowmap_next(feed->table, feed->next, MIN(feed->end, feed->next + GROUP_ROWS));
        struct record *record = id < feed->end ? rowmap_get(feed->table, id) : NULL;
        if (record)
            status = record_copy(feed->table, record, &feed->now, err);
        if (record && status == KDK_OK)
            status = image_resolve(txn, feed->table, &feed->now, &live, err);
        txn_leave(txn->man);
        TRY(status);
        feed->next = record ? id + 1 : MAX(id, feed->next);
        if (!record || (feed->old->exists && feed->now.header <= feed->since))
            continue;
        arena_reset(&feed->arena);
        bool patched = false;
        put_be64(feed->key, id);
        if (live && META_FLAGS(feed->now.meta) & RECORD_PATCH) {
            if (feed->now.header == loads_header(feed->table, id))
                continue; /* It came from a load, and is as it was. */
            TRY(feed_patch(feed, id, &patched, err));
        }
        if (patched) {
            *out = (struct btree_change){feed->key, 8, false, feed->value.data,
                                         (uint32_t)feed->value.len};
            *more = true;
            return KDK_OK;
        }
        if (feed->loads || (feed->old->exists && id < feed->old->next_id))
            TRY(below_get(disk, txn_generation(txn), txn->snapshot, feed->table, id,
                          &feed->before, &had, &in_strip, &feed->arena, err));
        if (live && had && feed->now.header == feed->before.header)
            continue; /* It came from a load, and is as it was. */
        TRY(feed_complete(feed, id, live, had, err));
        TRY(feed_keys(feed, id, live, had, err));
        feed->count += (int64_t)live - (int64_t)had;
        if (!live && !had)
            continue;
        *out = (struct btree_change){.key = feed->key, .key_bytes = 8};
        if (live) {
            TRY(rowcode_full(&feed->now, &feed->value, err));
        } else if (in_strip) {
            TRY(rowcode_delete(&feed->value, err));
        } else {
            out->erase = true;
            *more = true;
            return KDK_OK;
        }
        if (feed->value.len > VALUE_BYTES_MAX)
            TRY(err_set(err, KDK_LIMIT, "a row can have at most %u bytes",
                        VALUE_BYTES_MAX));
        out->value = feed->value.data;
        out->value_bytes = (uint32_t)feed->value.len;
        *more = true;
        return KDK_OK;
    }
out:
    return status;
}

/* The indexes that the snapshot has. They stay as long as it lives. */
static kdk_status feed_indexes(struct table_feed *feed, struct err *err)
{
    kdk_status status = KDK_OK;
    struct txn *txn = feed->pouring->txn;
    txn_enter(txn->man);
    struct index_set *set =
        atomic_load_explicit(&feed->table->indexes, memory_order_acquire);
    feed->indexes = MEM_ARRAY(struct index *, MAX(set->count, 1));
    for (uint32_t i = 0; feed->indexes && i < set->count; i++) {
        struct index *index = set_index(set, i);
        if (index && index_alive_at(index, txn->snapshot))
            feed->indexes[feed->index_count++] = index;
    }
    txn_leave(txn->man);
    TRY_MEM(feed->indexes);
    TRY_MEM(feed->deltas = MEM_ARRAY(struct delta, MAX(feed->index_count, 1)));
    TRY_MEM(feed->fresh = MEM_ARRAY(bool, MAX(feed->index_count, 1)));
    for (uint32_t i = 0; i < feed->index_count; i++)
        feed->fresh[i] = !gtable_index(feed->old, feed->indexes[i]->def.id) &&
                         (feed->old->exists ||
                          !loads_have_index(txn, feed->table, feed->indexes[i]->def.id));
out:
    return status;
}

/* All entries of a new index, from the rows. */
static kdk_status index_collect(struct table_feed *feed, uint32_t i, struct err *err)
{
    kdk_status status = KDK_OK;
    struct row_walk walk;
    bool has_null;
    rowid id;
    TRY(row_walk_open(&walk, feed->pouring->txn, feed->table, false, err));
    for (;;) {
        TRY(row_walk_next(&walk, &id, err));
        if (!id)
            break;
        TRY(index_key(feed->indexes[i], &walk.image, &feed->key_now, &has_null, err));
        TRY(delta_add(&feed->deltas[i], &feed->key_now, id, false, err));
    }
out:
    row_walk_close(&walk);
    return status;
}

void bounds_take(struct table *table, struct gtable *into)
{
    const struct layout *layout = table_newest(table);
    for (uint32_t c = 0; c < into->column_count && c < layout->count; c++) {
        const struct bounds *bounds = layout->fields[c].bounds;
        if (!bounds)
            continue;
        into->bounds[c].lo = atomic_load_explicit(&bounds->lo, memory_order_acquire);
        into->bounds[c].hi = atomic_load_explicit(&bounds->hi, memory_order_acquire);
        into->bounds[c].known =
            !atomic_load_explicit(&bounds->unknown, memory_order_acquire);
    }
}

static bool table_changed(struct table *table, struct gtable *old, uint64_t since,
                          const struct table_feed *feed)
{
    if (!old->exists ||
        atomic_load_explicit(&table->youngest, memory_order_acquire) > since)
        return true;
    if (old->index_count != feed->index_count || old->next_id < feed->reserved ||
        table_dicts_pending(table))
        return true;
    for (uint32_t i = 0; i < feed->index_count; i++)
        if (feed->fresh[i])
            return true;
    return false;
}

/* Changes of one tree of an index: from memory's rows, and entries of loads. */
struct entry_feed {
    struct delta *delta;
    struct entry_cursor *cursors;
    uint32_t count, last; /* Which cursor gave the last one; UINT32_MAX: none. */
};

static kdk_status entry_feed_next(void *context, struct btree_change *out, bool *more,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_feed *feed = context;
    struct delta *delta = feed->delta;
    if (feed->last != UINT32_MAX)
        TRY(entries_next(&feed->cursors[feed->last], err));
    for (;;) {
        const struct delta_item *item =
            delta->at < delta->count ? &delta->items[delta->at] : NULL;
        struct entry_cursor *least = NULL;
        feed->last = UINT32_MAX;
        for (uint32_t i = 0; i < feed->count; i++) {
            struct entry_cursor *one = &feed->cursors[i];
            if (one->valid && (!least || btree_compare(one->key, one->key_bytes, least->key,
                                                       least->key_bytes) < 0)) {
                least = one;
                feed->last = i;
            }
        }
        const int order =
            !item    ? 1
            : !least ? -1
                     : btree_compare(item->key, item->bytes, least->key, least->key_bytes);
        *more = item || least;
        if (!*more)
            goto out;
        if (order <= 0)
            delta->at++;
        if (order > 0) {
            *out = (struct btree_change){least->key, least->key_bytes, false, "", 0};
            goto out;
        }
        /* A row of a load whose key changed since: its entry goes before it came. */
        if (order == 0)
            TRY(entries_next(least, err));
        feed->last = UINT32_MAX;
        if (order == 0 && item->erase)
            continue;
        *out = (struct btree_change){item->key, item->bytes, item->erase, "", 0};
        goto out;
    }
out:
    return status;
}

/* An index in the making. */
struct index_pour {
    struct pouring *pouring;
    struct index_sources sources;
    struct index_source *fences; /* Sources of fences as trees of those. */
    /* Which sources are sequences that the new generation has. */
    bool *sequence;
    struct entry_cursor *cursors; /* Over the others, */
    struct entry_cursor *probes;  /* over those, */
    struct entry_cursor *joining; /* and over fences that come to the generation's. */
    uint32_t cursor_count, probe_count, joining_count;
    struct delta tree, gone;
};

static void index_pour_deinit(struct index_pour *p)
{
    for (uint32_t i = 0; i < p->cursor_count; i++)
        entries_deinit(&p->cursors[i]);
    for (uint32_t i = 0; i < p->probe_count; i++)
        entries_deinit(&p->probes[i]);
    for (uint32_t i = 0; i < p->joining_count; i++)
        entries_deinit(&p->joining[i]);
    mem_free(p->cursors);
    mem_free(p->probes);
    mem_free(p->joining);
    mem_free(p->fences);
    mem_free(p->sequence);
    mem_free(p->tree.items);
    mem_free(p->gone.items);
    index_sources_close(&p->sources);
}

/* Whether a load's strips have a place between those of the sequence so far: together, or
 * not at all. */
static kdk_status sequence_fits(struct index_pour *p, const struct index_source *load,
                                bool *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor cursor;
    struct buf first = {0};
    entries_init(&cursor, load);
    TRY(entries_first(&cursor, err));
    buf_add(&first, cursor.key, cursor.key_bytes);
    TRY(buf_status(&first, err));
    TRY(entries_last(&cursor, err));
    *out = cursor.valid;
    for (uint32_t i = 0; i < p->probe_count && *out; i++)
        TRY(entries_gap(p->probes[i].source, first.data, first.len, cursor.key,
                        cursor.key_bytes, out, err));
out:
    entries_deinit(&cursor);
    buf_deinit(&first);
    return status;
}

static kdk_status index_pour_sources(struct index_pour *p, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint32_t room = MAX(p->sources.count, 1);
    TRY_MEM(p->cursors = MEM_ARRAY(struct entry_cursor, room));
    TRY_MEM(p->probes = MEM_ARRAY(struct entry_cursor, room));
    TRY_MEM(p->joining = MEM_ARRAY(struct entry_cursor, room));
    TRY_MEM(p->fences = MEM_ARRAY(struct index_source, room));
    TRY_MEM(p->sequence = MEM_ARRAY(bool, room));
    for (uint32_t i = 0; i < p->sources.count; i++) {
        const struct index_source *source = &p->sources.all[i];
        if (source->fences) {
            p->sequence[i] = !source->load;
            if (source->load)
                TRY(sequence_fits(p, source, &p->sequence[i], err));
        }
        if (p->sequence[i]) {
            struct entry_cursor *probe = &p->probes[p->probe_count++];
            entries_init(probe, source);
            probe->raw = true;
        }
        if (!source->load)
            continue; /* The generation's own stay where they are. */
        p->fences[i] = *source;
        p->fences[i].fences = false;
        struct entry_cursor *cursor = p->sequence[i] ? &p->joining[p->joining_count++]
                                                     : &p->cursors[p->cursor_count++];
        entries_init(cursor, p->sequence[i] ? &p->fences[i] : source);
        TRY(entries_first(cursor, err));
    }
out:
    return status;
}

/* Which of the changes are of entries that strips have: what begins to be is gone no
 * longer, what ends is gone. */
static kdk_status index_pour_split(struct index_pour *p, const struct delta *delta,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_MEM(p->tree.items = MEM_ARRAY(struct delta_item, MAX(delta->count, 1)));
    TRY_MEM(p->gone.items = MEM_ARRAY(struct delta_item, MAX(delta->count, 1)));
    for (size_t k = 0; k < delta->count; k++) {
        const struct delta_item *item = &delta->items[k];
        bool have = false;
        for (uint32_t i = 0; i < p->probe_count && !have; i++) {
            struct entry_cursor *probe = &p->probes[i];
            TRY(entries_seek(probe, item->key, item->bytes, err));
            have = probe->valid &&
                   btree_compare(probe->key, probe->key_bytes, item->key, item->bytes) == 0;
        }
        if (have)
            p->gone.items[p->gone.count++] =
                (struct delta_item){item->key, item->bytes, !item->erase};
        else
            p->tree.items[p->tree.count++] = *item;
    }
out:
    return status;
}

/* `index` NULL: it was collected whole, loads and all. */
static kdk_status entries_pour(struct pouring *pouring, struct index *index,
                               struct delta *delta, const struct gindex *old,
                               struct gindex *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_pour p = {.pouring = pouring};
    if (index)
        TRY(index_sources_open(pouring->txn, index, false, &p.sources, err));
    TRY(index_pour_sources(&p, err));
    TRY(index_pour_split(&p, delta, err));
    struct entry_feed entries = {&p.tree, p.cursors, p.cursor_count, UINT32_MAX};
    TRY(btree_apply(pouring->sink, &old->root,
                    &(struct btree_feed){entry_feed_next, &entries}, &out->root, err));
    struct entry_feed gone = {.delta = &p.gone, .last = UINT32_MAX};
    TRY(btree_apply(pouring->sink, &old->gone, &(struct btree_feed){entry_feed_next, &gone},
                    &out->gone, err));
    struct delta none = {0};
    struct entry_feed fences = {&none, p.joining, p.joining_count, UINT32_MAX};
    TRY(btree_apply(pouring->sink, &old->fences,
                    &(struct btree_feed){entry_feed_next, &fences}, &out->fences, err));
out:
    index_pour_deinit(&p);
    return status;
}

kdk_status gindex_drop(struct pouring *pouring, const struct gindex *index, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(btree_drop(pouring->sink, &index->root, err));
    TRY(btree_drop(pouring->sink, &index->fences, err));
    TRY(btree_drop(pouring->sink, &index->gone, err));
out:
    return status;
}

static kdk_status pour_table(struct pouring *pouring, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_feed feed = {.pouring = pouring, .table = table, .next = 1};
    struct gtable made = {.id = table->id, .exists = true};
    struct buf value = {0};
    struct disk *disk = pouring->disk;
    image_init(&feed.now);
    image_init(&feed.before);
    TRY(generation_table(disk, txn_generation(pouring->txn), table->id, &feed.old, err));
    feed.since = feed.old->exists ? txn_generation(pouring->txn)->manifest.timestamp : 0;
    feed.end = atomic_load_explicit(&table->next_id, memory_order_acquire);
    feed.loads = loads_to_pour(pouring->txn, table);
    /* What the log says of ids given out may be gone with it. */
    feed.reserved =
        MAX(feed.end, atomic_load_explicit(&table->ids_reserved, memory_order_acquire) + 1);
    TRY(feed_indexes(&feed, err));
    if (!table_changed(table, feed.old, feed.since, &feed))
        goto out;
    const struct btree_feed rows = {feed_next, &feed};
    TRY(btree_apply(pouring->sink, &feed.old->rows, &rows, &made.rows, err));
    made.next_id = MAX(feed.old->next_id, feed.reserved);
    made.count = (uint64_t)((int64_t)feed.old->count + feed.count);
    made.strips = feed.old->strips;
    TRY(pour_loads(pouring, table, &made, err));
    made.index_count = feed.index_count;
    TRY_MEM(made.indexes = MEM_ARRAY(struct gindex, MAX(feed.index_count, 1)));
    for (uint32_t i = 0; i < feed.index_count; i++) {
        struct delta *delta = &feed.deltas[i];
        const struct gindex *had = gtable_index(feed.old, feed.indexes[i]->def.id);
        static const struct gindex none;
        made.indexes[i].id = feed.indexes[i]->def.id;
        if (feed.fresh[i])
            TRY(index_collect(&feed, i, err));
        if (delta->count)
            qsort(delta->items, delta->count, sizeof *delta->items, delta_compare);
        TRY(entries_pour(pouring, feed.fresh[i] ? NULL : feed.indexes[i], delta,
                         had ? had : &none, &made.indexes[i], err));
    }
    for (uint32_t i = 0; i < feed.old->index_count; i++)
        if (!gtable_index(&made, feed.old->indexes[i].id))
            TRY(gindex_drop(pouring, &feed.old->indexes[i], err));
    made.column_count = table_newest(table)->count;
    TRY_MEM(made.bounds = MEM_ARRAY(struct gbounds, MAX(made.column_count, 1)));
    bounds_take(table, &made);
    TRY(gtable_encode(&made, &value, err));
    TRY(meta_put(pouring, table->id, META_TABLE, 0, &value, err));
    pouring->changed = true;
out:
    for (uint32_t i = 0; i < feed.index_count && feed.deltas; i++)
        delta_deinit(&feed.deltas[i]);
    mem_free(feed.indexes);
    mem_free(feed.deltas);
    mem_free(feed.fresh);
    mem_free(made.indexes);
    mem_free(made.bounds);
    image_deinit(&feed.now);
    image_deinit(&feed.before);
    buf_deinit(&feed.value);
    buf_deinit(&feed.key_now);
    buf_deinit(&feed.key_before);
    buf_deinit(&value);
    arena_deinit(&feed.arena);
    return status;
}

/* ------------------------------------------------------------ dropped tables ---- */

static kdk_status drop_table(struct pouring *pouring, uint32_t id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = pouring->disk;
    struct generation *generation = txn_generation(pouring->txn);
    struct gtable *old;
    struct directory *directory;
    TRY(generation_table(disk, generation, id, &old, err));
    TRY(gtable_directory(disk, generation, old, &directory, err));
    TRY(btree_drop(pouring->sink, &old->rows, err));
    for (uint32_t i = 0; i < old->index_count; i++)
        TRY(gindex_drop(pouring, &old->indexes[i], err));
    for (uint32_t i = 0; directory && i < directory->count; i++) {
        TRY(meta_put(pouring, id, META_STRIP, directory->entries[i]->first, NULL, err));
        if (i == 0 || directory->entries[i]->file != directory->entries[i - 1]->file)
            TRY(pouring_dead(pouring, directory->entries[i]->file, err));
    }
    TRY(dicts_drop(pouring, id, err));
    TRY(meta_put(pouring, id, META_TABLE, 0, NULL, err));
    pouring->changed = true;
out:
    return status;
}

/* Every table that the generation has: those that the store does not have any more go. */
static kdk_status drop_missing(struct pouring *pouring, struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    uint8_t key[META_KEY_BYTES];
    btree_cursor_init(&cursor, pouring->disk->file,
                      &txn_generation(pouring->txn)->manifest.meta);
    meta_key(key, 1, 0, 0);
    for (;;) {
        TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
        if (!cursor.valid)
            break;
        const uint32_t id = __builtin_bswap32(get_u32(cursor.key));
        bool there = false;
        for (uint32_t i = 0; i < pouring->table_count; i++)
            there |= pouring->tables[i]->id == id;
        if (!there)
            TRY(drop_table(pouring, id, err));
        if (id == UINT32_MAX)
            break;
        meta_key(key, id + 1, 0, 0);
    }
out:
    btree_cursor_deinit(&cursor);
    return status;
}

/* --------------------------------------------------------------------- files ---- */

kdk_status pouring_dead(struct pouring *pouring, uint64_t file, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = pouring->disk;
    struct buf value = {0};
    if (disk->dead_count == disk->dead_cap) {
        const uint32_t cap = MAX(disk->dead_cap * 2, 16u);
        struct dead_file *dead = mem_realloc(disk->dead, size_mul(cap, sizeof *dead));
        TRY_MEM(dead);
        disk->dead = dead;
        disk->dead_cap = cap;
    }
    buf_add_u64(&value, pouring->manifest.sequence);
    TRY(buf_status(&value, err));
    TRY(meta_put(pouring, 0, META_DEAD, file, &value, err));
    disk->dead[disk->dead_count++] = (struct dead_file){file, pouring->manifest.sequence};
out:
    buf_deinit(&value);
    return status;
}

void files_release(struct disk *disk, uint64_t oldest)
{
    char path[4096];
    for (uint32_t i = 0; i < disk->dead_count; i++) {
        struct dead_file *dead = &disk->dead[i];
        if (dead->generation > oldest || dead->generation == 0)
            continue;
        if (!(dead->file & RUN_BIT))
            block_cache_forget(disk->strips, dead->file);
        if (disk_file_path(disk, dead->file, path, sizeof path, NULL) != KDK_OK ||
            os_remove(disk->os, path, NULL) != KDK_OK)
            /* It stays on the list, and the next checkpoint tries again. */
            continue;
        dead->generation = 0; /* The next checkpoint takes it off the list. */
    }
}

/* ----------------------------------------------------------------- the whole ---- */

kdk_status pouring_begin(struct disk *disk, struct pouring *pouring, struct err *err)
{
    kdk_status status = KDK_OK;
    memset(pouring, 0, sizeof *pouring);
    pouring->disk = disk;
    pouring->dead_before = disk->dead_count;
    if (disk->read_only)
        TRY(err_set(err, KDK_READ_ONLY, "the database was opened read-only"));
    if (disk->failed)
        TRY(err_set(
            err, KDK_READ_ONLY,
            "an earlier checkpoint could not write its manifest; reopen the database"));
    TRY(txn_begin(disk->store->man, TXN_SNAPSHOT, true, &pouring->txn, err));
    txn_statement_begin(pouring->txn);
    const struct manifest *old = &txn_generation(pouring->txn)->manifest;
    pouring->manifest = *old;
    pouring->manifest.sequence = old->sequence + 1;
    TRY(pour_begin(disk->pages, pouring->manifest.sequence, &pouring->pour, err));
    pouring->sink = pour_sink(pouring->pour);
out:
    return status;
}

kdk_status pouring_end(struct pouring *pouring, kdk_status status, struct err *err)
{
    struct disk *disk = pouring->disk;
    struct store *store = disk->store;
    struct generation *generation = NULL;
    uint64_t number;
    const struct manifest *old =
        pouring->txn ? &txn_generation(pouring->txn)->manifest : NULL;
    if (status != KDK_OK)
        goto out;
    for (uint32_t i = 0; i < pouring->dead_before; i++)
        if (disk->dead[i].generation == 0)
            TRY(meta_put(pouring, 0, META_DEAD, disk->dead[i].file, NULL, err));
    if (pouring->meta_count)
        qsort(pouring->meta, pouring->meta_count, sizeof *pouring->meta, meta_compare);
    const struct btree_feed feed = {meta_next, pouring};
    TRY(btree_apply(pouring->sink, &old->meta, &feed, &pouring->manifest.meta, err));
    TRY(pour_finish(pouring->pour, &pouring->manifest.map, err));
    pouring->manifest.next_file =
        atomic_load_explicit(&disk->next_file, memory_order_acquire);
    pouring->manifest.next_id = atomic_load_explicit(&store->next_id, memory_order_acquire);
    TRY_MEM(generation = generation_new(&pouring->manifest));
    bool touched;
    status = manifest_write(disk->slots, &pouring->manifest, &touched, err);
    if (status != KDK_OK && !touched)
        goto out;
    if (status != KDK_OK) {
        pour_abandon(pouring->pour);
        pouring->pour = NULL;
        pouring->kept = true; /* The files it names, too. */
        disk->failed = true;
        goto out;
    }
    pour_commit(pouring->pour);
    pouring->pour = NULL;
    pouring->kept = true;
    disk->older_slot = old->sequence;
    disk->older_lsn = old->log_lsn;
    generation_install(disk, generation);
    generation = NULL;

    /* Those that were taken off the list. */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < disk->dead_count; i++)
        if (disk->dead[i].generation)
            disk->dead[kept++] = disk->dead[i];
    disk->dead_count = kept;
out:
    pour_abort(pouring->pour);
    generation_free(generation);
    if (!pouring->kept) {
        disk->dead_count = MIN(disk->dead_count, pouring->dead_before);
        char path[4096];
        for (uint32_t i = 0; i < pouring->file_count; i++)
            if (block_path(disk->blocks, pouring->files[i], path, sizeof path, NULL) !=
                    KDK_OK ||
                os_remove(disk->os, path, NULL) != KDK_OK)
                continue; /* What is left is removed at the next open. */
    }
    txn_rollback(pouring->txn);
    while (pouring->table_count) {
        struct table *table = pouring->tables[--pouring->table_count];
        table_dicts_stored(table, status == KDK_OK);
        table_unref(table);
    }
    mem_free(pouring->tables);
    mem_free(pouring->meta);
    mem_free(pouring->files);
    arena_deinit(&pouring->arena);
    if (status == KDK_OK) {
        disk_floor(disk, &number);
        const uint64_t oldest = disk->older_slot ? MIN(disk->older_slot, number) : number;
        pagestore_release(disk->pages, oldest);
        files_release(disk, oldest);
    }
    return status;
}

/* The tables that the snapshot has. */
kdk_status pouring_tables(struct pouring *pouring, struct err *err)
{
    struct store *store = pouring->disk->store;
    const uint64_t timestamp = pouring->txn->snapshot;
    uint32_t count = 0;
    latch_acquire(&store->latch);
    for (struct table *table = store->tables; table; table = table->next)
        count++;
    pouring->tables = MEM_ARRAY(struct table *, MAX(count, 1));
    for (struct table *table = pouring->tables ? store->tables : NULL; table;
         table = table->next)
        if (alive_at(atomic_load_explicit(&table->created, memory_order_acquire),
                     atomic_load_explicit(&table->dropped, memory_order_acquire),
                     timestamp)) {
            table_ref(table);
            pouring->tables[pouring->table_count++] = table;
        }
    latch_release(&store->latch);
    return pouring->tables ? KDK_OK : err_nomem(err);
}

static kdk_status pour_all(struct disk *disk, uint64_t lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pouring pouring;
    TRY(pouring_begin(disk, &pouring, err));
    pouring.manifest.timestamp = pouring.txn->snapshot;
    pouring.manifest.log_lsn = lsn;
    TRY(pouring_tables(&pouring, err));
    for (uint32_t i = 0; i < pouring.table_count; i++)
        TRY(pour_table(&pouring, pouring.tables[i], err));
    TRY(pour_loads_dropped(&pouring, err));
    if (disk->complete)
        TRY(drop_missing(&pouring, err));
out:
    status = pouring_end(&pouring, status, err);
    pour_loads_end(disk, status == KDK_OK);
    return status;
}

/* The manifest once more, so that both slots name the same. */
static kdk_status pour_again(struct disk *disk, struct err *err)
{
    struct pouring pouring;
    kdk_status status = pouring_begin(disk, &pouring, err);
    return pouring_end(&pouring, status, err);
}

static kdk_status evict(struct disk *disk, struct err *err)
{
    struct txn *txn;
    kdk_status status = txn_begin(disk->store->man, TXN_SNAPSHOT, true, &txn, err);
    if (status != KDK_OK)
        return status;
    txn_statement_begin(txn); /* Indexes that are dropped meanwhile stay. */
    store_evict(disk->store, disk_floor(disk, NULL));
    txn_rollback(txn);
    txnman_reclaim(disk->store->man);
    return KDK_OK;
}

void disk_acquire(struct disk *disk)
{
    uint32_t free = 0;
    while (!atomic_compare_exchange_strong_explicit(
        &disk->busy, &free, 1, memory_order_acq_rel, memory_order_relaxed)) {
        os_wait(&disk->busy, 1, OS_FOREVER);
        free = 0;
    }
}

bool disk_try(struct disk *disk)
{
    uint32_t free = 0;
    return atomic_compare_exchange_strong_explicit(
        &disk->busy, &free, 1, memory_order_acq_rel, memory_order_relaxed);
}

void disk_release(struct disk *disk)
{
    atomic_store_explicit(&disk->busy, 0, memory_order_release);
    os_wake(&disk->busy, UINT32_MAX);
}

kdk_status checkpoint_run(struct store *store, bool freeze, struct table *table,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = store->disk;
    const char *why = txnman_read_only(store->man);
    if (why)
        TRY(err_set(err, KDK_READ_ONLY, "the database is read-only: %s", why));
    const uint64_t lsn = wal_position(store->wal);
    /* Whatever comes of this, the next one is due after so much more. */
    atomic_store_explicit(&disk->since_lsn, lsn, memory_order_relaxed);
    atomic_store_explicit(&disk->due_now, false, memory_order_relaxed);
    TRY(wal_wait(store->wal, lsn, err));
    TRY(wal_vouch(store->wal, err));
    if (!txnman_settle(store->man))
        TRY(err_set(err, KDK_IO, "the log could not be written"));
    TRY(pour_all(disk, lsn, err));
    if (freeze) {
        TRY(store_freeze(store, table, err));
        TRY(pour_again(disk, err));
        TRY(pagestore_shrink(disk->pages, err));
    }
    TRY(wal_release_before(store->wal, disk->older_lsn, err));
    TRY(evict(disk, err));
out:
    if (status != KDK_OK)
        err_while(err, "checkpointing");
    return status;
}

kdk_status store_checkpoint(struct store *store, bool freeze, struct table *table,
                            struct err *err)
{
    if (!store->disk)
        return KDK_OK;
    disk_acquire(store->disk);
    kdk_status status = checkpoint_run(store, freeze, table, err);
    disk_release(store->disk);
    return status;
}
