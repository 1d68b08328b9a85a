/* entries.c - one cursor over the kinds of places where index entries below memory are.
 *
 * In a sequence the cursor stands on a fence, in `at`, and on a row of its strip. To find a
 * place is to find the last fence before it, then the row by bisection: by the first column
 * as it lies in the strip where that is a whole number, by keys for what is left.
 */
#include "table/entries.h"

#include "base/mem.h"
#include "table/load.h"

/* ----------------------------------------------------------------- a strip ---- */

void strip_keys_close(struct strip_keys *keys)
{
    for (uint32_t k = 0; k < keys->count; k++)
        strip_unpin(keys->data[k]);
    strip_entry_unref(keys->entry);
    keys->count = 0;
    keys->entry = NULL;
}

kdk_status strip_keys_open(struct strip_keys *keys, struct generation *generation,
                           struct index *index, struct strip_entry *entry,
                           enum strip_use use, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = index->table;
    static_assert(COUNT_OF(keys->data) == COUNT_OF(index->def.columns),
                  "one for each column of a key");
    strip_keys_close(keys);
    keys->index = index;
    keys->entry = strip_entry_ref(entry);
    keys->layout = table_stored_layout(table, strip_columns(entry));
    for (uint32_t k = 0; keys->layout && k < index->def.column_count; k++) {
        const uint32_t c = index->def.columns[k];
        const struct strip_data *data = NULL;
        struct dict *dict;
        if (c < keys->layout->count && strip_entry_column(entry, c)) {
            TRY(strip_dict(table, generation, entry, c, keys->layout->fields[c].type, &dict,
                           err));
            TRY(strip_column(table->store->disk->strips, entry, c,
                             keys->layout->fields[c].type, dict, use, &data, err));
        }
        if (!data)
            break;
        keys->data[keys->count++] = data;
    }
    if (keys->count < index->def.column_count)
        TRY(err_set(err, KDK_CORRUPT,
                    "strip %u of file %llu lacks a column of index %u, which it is to be "
                    "in the order of",
                    entry->strip, (unsigned long long)entry->file, index->def.id));
out:
    if (status != KDK_OK)
        strip_keys_close(keys);
    return status;
}

kdk_status strip_keys_at(const struct strip_keys *keys, uint32_t position, struct buf *out,
                         bool *has_null, struct err *err)
{
    const struct tindex *def = &keys->index->def;
    uint8_t id[8];
    buf_clear(out);
    *has_null = false;
    for (uint32_t k = 0; k < keys->count; k++) {
        const struct datum value = strip_value(keys->data[k], position);
        *has_null |= value.null;
        if (key_add(out, keys->layout->fields[def->columns[k]].type, &value,
                    def->descending[k], def->nulls_first[k]) != KDK_OK)
            return err_nomem(err);
    }
    put_be64(id, strip_entry_id(keys->entry, position));
    buf_add(out, id, sizeof id);
    return buf_status(out, err);
}

/* Rows lo .. hi have `v` in the first column, which ascends and has no NULLs. */
#define NARROW(TYPE)                                                                       \
    {                                                                                      \
        const TYPE *at = data->data;                                                       \
        uint32_t a = 0, b = data->rows;                                                    \
        while (a < b) {                                                                    \
            const uint32_t mid = (a + b) / 2;                                              \
            if (at[mid] < v)                                                               \
                a = mid + 1;                                                               \
            else                                                                           \
                b = mid;                                                                   \
        }                                                                                  \
        *lo = a;                                                                           \
        b = data->rows;                                                                    \
        while (a < b) {                                                                    \
            const uint32_t mid = (a + b) / 2;                                              \
            if (at[mid] <= v)                                                              \
                a = mid + 1;                                                               \
            else                                                                           \
                b = mid;                                                                   \
        }                                                                                  \
        *hi = a;                                                                           \
        return;                                                                            \
    }

static void narrow(const struct strip_keys *keys, const void *key, size_t bytes,
                   uint32_t *lo, uint32_t *hi)
{
    const struct tindex *def = &keys->index->def;
    const struct strip_data *data = keys->data[0];
    const struct ltype type = keys->layout->fields[def->columns[0]].type;
    struct cursor in = cursor_of(key, bytes);
    struct datum value;
    *lo = 0;
    *hi = keys->entry->rows;
    const enum vwidth full = ltype_width(type), width = (enum vwidth)data->width;
    if (data->validity || data->codes || def->descending[0] || type.id == LT_NUMERIC ||
        full < W_8 || full > W_64 || width < W_8 || width > W_64)
        return;
    if (key_read(&in, type, false, def->nulls_first[0], NULL, &value, NULL) != KDK_OK ||
        value.null)
        return; /* Less than a whole column, or no value: by keys. */
    const int64_t v = value.i;
    if (width == W_8)
        NARROW(int8_t)
    if (width == W_16)
        NARROW(int16_t)
    if (width == W_32)
        NARROW(int32_t)
    NARROW(int64_t)
}

/* The first row at or behind the key; `rows` if there is none. */
static kdk_status strip_keys_seek(const struct strip_keys *keys, const void *key,
                                  size_t bytes, struct buf *room, uint32_t *out,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t lo, hi;
    bool has_null;
    narrow(keys, key, bytes, &lo, &hi);
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        TRY(strip_keys_at(keys, mid, room, &has_null, err));
        if (btree_compare(room->data, room->len, key, bytes) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = lo;
out:
    return status;
}

/* ------------------------------------------------------------------ a cursor ---- */

void entries_init(struct entry_cursor *cursor, const struct index_source *source)
{
    memset(cursor, 0, sizeof *cursor);
    cursor->source = source;
    btree_cursor_init(&cursor->at, source->file, source->root);
}

void entries_deinit(struct entry_cursor *cursor)
{
    btree_cursor_deinit(&cursor->at);
    strip_keys_close(&cursor->strip);
    buf_deinit(&cursor->room);
    cursor->valid = false;
}

/* What a tree's cursor is on. */
static kdk_status tree_entry(struct entry_cursor *cursor, struct err *err)
{
    cursor->valid = cursor->at.valid;
    cursor->key = cursor->at.key;
    cursor->key_bytes = cursor->at.key_bytes;
    cursor->has_null = cursor->valid && cursor->at.value_bytes != 0;
    if (cursor->valid && cursor->key_bytes < 8)
        return err_set(err, KDK_CORRUPT, "an entry of index %u has %u bytes",
                       cursor->source->index->def.id, (unsigned)cursor->key_bytes);
    return KDK_OK;
}

/* The strip of the fence that `at` is on. */
static kdk_status fence_open(struct entry_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct index_source *source = cursor->source;
    struct table *table = source->index->table;
    struct disk *disk = table->store->disk;
    struct strip_entry *entry = NULL;
    struct gtable *gtable;
    uint32_t position = 0;
    rowid first = 0;
    if (cursor->at.key_bytes >= 8)
        first = get_be64(cursor->at.key + cursor->at.key_bytes - 8);
    if (cursor->strip.entry && cursor->strip.entry->first == first)
        return KDK_OK;
    if (source->load) {
        entry = strip_entry_ref(load_find(source->load, first, &position));
    } else {
        TRY(generation_table(disk, source->generation, table->id, &gtable, err));
        TRY(strip_locate(disk, source->generation, gtable, first, &entry, &position, err));
    }
    if (!entry || position)
        TRY(err_set(err, KDK_CORRUPT,
                    "index %u of table %u names a strip that begins with row %llu, which "
                    "does not exist",
                    source->index->def.id, table->id, (unsigned long long)first));
    TRY(strip_keys_open(&cursor->strip, source->generation, source->index, entry,
                        STRIP_POINT, err));
out:
    strip_entry_unref(entry);
    return status;
}

static kdk_status fence_entry(struct entry_cursor *cursor, bool *counts, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct btree_root *gone = cursor->source->gone;
    bool found = false;
    TRY(strip_keys_at(&cursor->strip, cursor->position, &cursor->room, &cursor->has_null,
                      err));
    cursor->key = (const uint8_t *)cursor->room.data;
    cursor->key_bytes = (uint32_t)cursor->room.len;
    if (gone && gone->height && !cursor->raw)
        TRY(btree_get(cursor->source->file, gone, cursor->key, cursor->key_bytes, NULL,
                      &found, err));
    *counts = !found;
    cursor->valid = true;
out:
    return status;
}

/* From `position` on, or back, to a row that counts. */
static kdk_status fence_settle(struct entry_cursor *cursor, bool backwards, struct err *err)
{
    kdk_status status = KDK_OK;
    bool counts = false;
    cursor->valid = false;
    while (cursor->at.valid && !counts) {
        TRY(fence_open(cursor, err));
        if (backwards && cursor->position == UINT32_MAX)
            cursor->position = cursor->strip.entry->rows - 1;
        if (cursor->position < cursor->strip.entry->rows) {
            TRY(fence_entry(cursor, &counts, err));
            if (counts)
                break;
            if (backwards && cursor->position) {
                cursor->position--;
                continue;
            }
            if (!backwards) {
                cursor->position++;
                continue;
            }
        }
        TRY(backwards ? btree_cursor_prev(&cursor->at, err)
                      : btree_cursor_next(&cursor->at, err));
        cursor->position = backwards ? UINT32_MAX : 0;
    }
    cursor->valid = counts;
out:
    if (status != KDK_OK)
        cursor->valid = false;
    return status;
}

kdk_status entries_seek(struct entry_cursor *cursor, const void *key, size_t bytes,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(btree_cursor_seek(&cursor->at, key, bytes, err));
    if (!cursor->source->fences)
        return tree_entry(cursor, err);
    /* The strip before may have it, unless the fence itself is what is sought. */
    cursor->position = 0;
    if (!cursor->at.valid ||
        btree_compare(cursor->at.key, cursor->at.key_bytes, key, bytes) != 0) {
        TRY(btree_cursor_prev(&cursor->at, err));
        if (cursor->at.valid) {
            TRY(fence_open(cursor, err));
            TRY(strip_keys_seek(&cursor->strip, key, bytes, &cursor->room,
                                &cursor->position, err));
        } else {
            TRY(btree_cursor_first(&cursor->at, err));
        }
    }
    TRY(fence_settle(cursor, false, err));
out:
    return status;
}

kdk_status entries_first(struct entry_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(btree_cursor_first(&cursor->at, err));
    if (!cursor->source->fences)
        return tree_entry(cursor, err);
    cursor->position = 0;
    TRY(fence_settle(cursor, false, err));
out:
    return status;
}

kdk_status entries_last(struct entry_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(btree_cursor_last(&cursor->at, err));
    if (!cursor->source->fences)
        return tree_entry(cursor, err);
    cursor->position = UINT32_MAX;
    TRY(fence_settle(cursor, true, err));
out:
    return status;
}

kdk_status entries_next(struct entry_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!cursor->source->fences) {
        TRY(btree_cursor_next(&cursor->at, err));
        return tree_entry(cursor, err);
    }
    if (cursor->valid)
        cursor->position++;
    else if (!cursor->at.valid && !cursor->at.after)
        return entries_first(cursor, err);
    TRY(fence_settle(cursor, false, err));
out:
    return status;
}

kdk_status entries_prev(struct entry_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!cursor->source->fences) {
        TRY(btree_cursor_prev(&cursor->at, err));
        return tree_entry(cursor, err);
    }
    /* Behind all: `at` is, too. */
    if (!cursor->at.valid || !cursor->position) {
        TRY(btree_cursor_prev(&cursor->at, err));
        cursor->position = UINT32_MAX;
    } else {
        cursor->position--;
    }
    TRY(fence_settle(cursor, true, err));
out:
    return status;
}

kdk_status entries_have(const struct index_source *source, const void *key, size_t bytes,
                        bool *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor cursor;
    entries_init(&cursor, source);
    cursor.raw = true;
    TRY(entries_seek(&cursor, key, bytes, err));
    *out = cursor.valid && btree_compare(cursor.key, cursor.key_bytes, key, bytes) == 0;
out:
    entries_deinit(&cursor);
    return status;
}

kdk_status entries_gap(const struct index_source *source, const void *first,
                       size_t first_bytes, const void *last, size_t last_bytes, bool *out,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor cursor;
    entries_init(&cursor, source);
    cursor.raw = true;
    TRY(entries_seek(&cursor, first, first_bytes, err));
    /* What comes next is behind it all, and not in the middle of a strip. */
    *out = !cursor.valid ||
           (cursor.position == 0 &&
            btree_compare(cursor.key, cursor.key_bytes, last, last_bytes) > 0);
out:
    entries_deinit(&cursor);
    return status;
}

/* ------------------------------------------------------------------- sources ---- */

static kdk_status source_add(struct index_sources *sources, const struct index_source *one,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    if (sources->count == sources->cap) {
        const uint32_t cap = sources->cap * 2;
        const bool first = sources->all == sources->room;
        struct index_source *all =
            mem_realloc(first ? NULL : sources->all, size_mul(cap, sizeof *all));
        TRY_MEM(all);
        if (first)
            memcpy(all, sources->room, sizeof sources->room);
        sources->all = all;
        sources->cap = cap;
    }
    sources->all[sources->count++] = *one;
out:
    return status;
}

kdk_status index_sources_open(struct txn *txn, struct index *index, bool newest,
                              struct index_sources *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = index->table;
    struct gtable *gtable = NULL;
    const struct load_reader reader = load_reader_of(txn);
    struct index_source one = {.index = index, .generation = txn_generation(txn)};
    out->all = out->room;
    out->count = 0;
    out->cap = INDEX_SOURCES_ROOM;
    if (!one.generation)
        return KDK_OK;
    struct disk *disk = table->store->disk;
    TRY(generation_table(disk, one.generation, table->id, &gtable, err));
    const struct gindex *below = gtable_index(gtable, index->def.id);
    one.file = disk->file;
    if (below && below->root.height) {
        one.root = &below->root;
        TRY(source_add(out, &one, err));
    }
    if (below && below->fences.height) {
        one.root = &below->fences;
        one.gone = &below->gone;
        one.fences = true;
        TRY(source_add(out, &one, err));
        one.gone = NULL;
    }
    if (!table_loads(table))
        goto out;
    txn_enter(txn->man);
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count && status == KDK_OK; i++) {
        one.load = set_load(set, i);
        if (!one.load ||
            (newest ? atomic_load_explicit(&one.load->stamp, memory_order_acquire) <=
                          reader.since
                    : !load_counts(one.load, reader)))
            continue;
        for (uint32_t k = 0; k < one.load->run_count; k++) {
            const struct load_run *run = &one.load->runs[k];
            if (run->index != index->def.id || !run->run || !run_root(run->run)->height)
                continue;
            one.file = run_file(run->run);
            one.root = run_root(run->run);
            one.fences = run->fences;
            status = source_add(out, &one, err);
            if (status == KDK_OK)
                load_ref(one.load);
        }
    }
    txn_leave(txn->man);
out:
    if (status != KDK_OK)
        index_sources_close(out);
    return status;
}

void index_sources_close(struct index_sources *sources)
{
    for (uint32_t i = 0; i < sources->count; i++)
        load_unref(sources->all[i].load);
    if (sources->all != sources->room)
        mem_free(sources->all);
    sources->all = sources->room;
    sources->count = 0;
}
