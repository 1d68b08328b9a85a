/* scan.c - scans: groups handed out to readers, copied into vectors.
 *
 * A group without a writer, all of whose versions the snapshot sees, is copied column by
 * column without a test per row, and the copy counts if the group's state word is the same
 * afterwards (T3). Otherwise each record is copied and taken back to its version.
 *
 * Below memory, a unit is a strip with the ids from its first row to its last, or a range
 * of ids of one group that no strip has. First come the rows of the range that memory or
 * the row tree has, merged by id, memory's word counting (D1); they hide the strip's rows
 * of the same id. Then the strip's other rows, in batches that point into the cache, all of
 * which the snapshot sees.
 */
#include "table/load.h"

#include "base/mem.h"

struct table_scan {
    struct txn *txn;
    struct table *table;
    const uint32_t *columns;
    uint32_t count;
    uint64_t groups; /* That existed when it was opened; or how many units. */
    _Atomic uint64_t next;
    struct disk *disk; /* NULL: nothing is below memory. */
    struct gtable *gtable;
    struct scan_unit *units;
};
struct scan_unit {
    rowid first, end;
    struct strip_entry *strip;
    bool pruned; /* No row of the strip itself can match. */
};

struct scan_reader {
    struct table_scan *scan;
    struct image image;
    const struct record **records; /* GROUP_ROWS */
    rowid *ids;
    /* Below memory. */
    const struct scan_unit *unit; /* At hand, or NULL. */
    rowid at;                     /* Ids before were looked at in memory and row tree. */
    uint32_t from;                /* Rows of the strip before were given out. */
    struct btree_cursor cursor;
    bool positioned;
    struct buf text; /* Records of the row tree. */
    size_t *texts;   /* Where they begin, */
    rowid *tree_ids; /* and whose they are. GROUP_ROWS. */
    uint64_t hidden[(STRIP_ROWS + 63) / 64];
    bool any_hidden;
    const struct strip_data **data; /* By column of the scan; of the unit. */
    /* Rows of the batch of which memory has not all columns. */
    bool lacking;
    struct patched {
        rowid id;
        uint32_t row, text; /* In the batch; its record of the row tree, or UINT32_MAX. */
        const struct layout *layout;
        size_t absent; /* Its bitmap, from here on in `absent`. */
    } * patches;       /* GROUP_ROWS */
    uint32_t patch_count;
    struct buf absent;
    struct image base;
};

static bool prune_keeps(struct table *table, const struct strip_entry *entry,
                        const struct scan_prune *prune)
{
    static const enum zone_op ops[] = {[SCAN_EQ] = ZONE_EQ,
                                       [SCAN_LT] = ZONE_LT,
                                       [SCAN_LE] = ZONE_LE,
                                       [SCAN_GT] = ZONE_GT,
                                       [SCAN_GE] = ZONE_GE,
                                       [SCAN_IS_NULL] = ZONE_IS_NULL,
                                       [SCAN_NOT_NULL] = ZONE_NOT_NULL};
    const struct layout *layout = table_newest(table);
    return prune->column >= layout->count ||
           zone_may_match(entry, prune->column, layout->fields[prune->column].type,
                          ops[prune->op], &prune->value);
}

/* Cuts [from, to) at the borders of groups. Counts only if `units` is NULL. */
static uint64_t units_cut(struct scan_unit *units, uint64_t n, rowid from, rowid to)
{
    while (from < to) {
        const rowid end = MIN(to, (from / GROUP_ROWS + 1) * GROUP_ROWS);
        if (units)
            units[n] = (struct scan_unit){.first = from, .end = end};
        n++;
        from = end;
    }
    return n;
}

static uint64_t units_make(const struct table_scan *scan, struct scan_unit *units,
                           const struct directory *directory,
                           const struct scan_prune *prunes, uint32_t prune_count, rowid end)
{
    uint64_t n = 0;
    rowid at = 0;
    for (uint32_t i = 0; i < directory->count; i++) {
        struct strip_entry *entry = directory->entries[i];
        n = units_cut(units, n, at, entry->first);
        if (units) {
            units[n] = (struct scan_unit){entry->first, entry->last + 1, entry, false};
            for (uint32_t k = 0; k < prune_count; k++)
                units[n].pruned |= !prune_keeps(scan->table, entry, &prunes[k]);
        }
        n++;
        at = entry->last + 1;
    }
    return units_cut(units, n, at, end);
}

/* What the transaction's generation has for the scan. */
static kdk_status scan_below(struct table_scan *scan, const struct scan_prune *prunes,
                             uint32_t prune_count, rowid end, struct arena *arena,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    static const struct directory none;
    struct directory *directory = NULL;
    bool own = false;
    struct generation *generation = txn_generation(scan->txn);
    if (!generation)
        return KDK_OK;
    struct disk *disk = scan->table->store->disk;
    TRY(generation_table(disk, generation, scan->table->id, &scan->gtable, err));
    TRY(table_directory(scan->txn, scan->table, scan->gtable, &directory, &own, err));
    if (!directory && !scan->gtable->rows.height)
        goto out;
    const struct directory *strips = directory ? directory : &none;
    scan->disk = disk;
    scan->groups = units_make(scan, NULL, strips, prunes, prune_count, end);
    TRY_MEM(scan->units = ARENA_ARRAY(arena, struct scan_unit, MAX(scan->groups, 1)));
    units_make(scan, scan->units, strips, prunes, prune_count, end);
out:
    if (own)
        mem_free(directory);
    return status;
}

kdk_status table_scan_open(struct txn *txn, struct table *table, const uint32_t *columns,
                           uint32_t count, const struct scan_prune *prunes,
                           uint32_t prune_count, struct arena *arena,
                           struct table_scan **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan;
    TRY_MEM(scan = ARENA_NEW(arena, struct table_scan));
    TRY_MEM(scan->columns = arena_dup(arena, columns, MAX(count, 1) * sizeof *columns));
    scan->txn = txn;
    scan->table = table;
    scan->count = count;
    uint64_t next_id = atomic_load_explicit(&table->next_id, memory_order_acquire);
    scan->groups = (next_id + GROUP_ROWS - 1) / GROUP_ROWS;
    TRY(scan_below(scan, prunes, prune_count, next_id, arena, err));
    *out = scan;
out:
    return status;
}

void table_scan_close(struct table_scan *scan)
{
    (void)scan; /* Lies in the arena and holds nothing. */
}

uint32_t table_scan_units(const struct table_scan *scan)
{
    uint64_t next = atomic_load_explicit(&scan->next, memory_order_relaxed);
    return next < scan->groups ? (uint32_t)MIN(scan->groups - next, UINT32_MAX) : 0;
}

kdk_status scan_reader_new(struct table_scan *scan, struct arena *arena,
                           struct scan_reader **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan_reader *reader;
    TRY_MEM(reader = ARENA_NEW(arena, struct scan_reader));
    TRY_MEM(reader->records = ARENA_ARRAY(arena, const struct record *, GROUP_ROWS));
    TRY_MEM(reader->ids = ARENA_ARRAY(arena, rowid, GROUP_ROWS));
    reader->scan = scan;
    if (scan->disk) {
        TRY_MEM(reader->texts = ARENA_ARRAY(arena, size_t, GROUP_ROWS + 1));
        TRY_MEM(reader->tree_ids = ARENA_ARRAY(arena, rowid, GROUP_ROWS));
        TRY_MEM(reader->patches = ARENA_ARRAY(arena, struct patched, GROUP_ROWS));
        TRY_MEM(reader->data =
                    ARENA_ARRAY(arena, const struct strip_data *, MAX(scan->count, 1)));
    }
    image_init(&reader->image);
    image_init(&reader->base);
    *out = reader;
out:
    return status;
}

static void unit_release(struct scan_reader *reader)
{
    for (uint32_t k = 0; reader->data && k < reader->scan->count; k++) {
        strip_unpin(reader->data[k]);
        reader->data[k] = NULL;
    }
    reader->unit = NULL;
}

void scan_reader_free(struct scan_reader *reader)
{
    if (!reader)
        return;
    unit_release(reader);
    if (reader->positioned)
        btree_cursor_deinit(&reader->cursor);
    buf_deinit(&reader->text);
    buf_deinit(&reader->absent);
    image_deinit(&reader->image);
    image_deinit(&reader->base);
}

/* ------------------------------------------------------------ settled groups ---- */

static inline uint64_t word_at(const struct record *record, uint32_t word)
{
    return atomic_load_explicit(&record->words[word], memory_order_acquire);
}

#define GATHER(T, TO)                                                                      \
    for (uint32_t i = 0; i < n; i++)                                                       \
    ((TO *)v->data)[i] = (TO)(T)(word_at(records[i], word) >> shift)

/* One column of `n` records of one layout, in the width of its field. */
static void gather(struct vec *v, const struct field *field, uint32_t column,
                   const struct record *const *records, uint32_t n)
{
    const uint32_t word = field->offset / 8, shift = field->offset % 8 * 8;
    switch ((enum field_kind)field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_I8:
        if (field->type.id == LT_BOOLEAN) {
            vec_reset(v, W_BIT);
            memset(v->data, 0, bits_words(BATCH_ROWS) * 8);
            for (uint32_t i = 0; i < n; i++)
                bit_put(v->data, i, word_at(records[i], word) >> shift & 1);
        } else {
            vec_reset(v, W_8);
            GATHER(uint8_t, uint8_t);
        }
        break;
    case FIELD_I16:
        vec_reset(v, W_16);
        GATHER(uint16_t, uint16_t);
        break;
    case FIELD_I32:
    case FIELD_F32:
        vec_reset(v, field->kind == FIELD_F32 ? W_F32 : W_32);
        GATHER(uint32_t, uint32_t);
        break;
    case FIELD_I64:
    case FIELD_F64:
        vec_reset(v, field->kind == FIELD_F64 ? W_F64 : W_64);
        GATHER(uint64_t, uint64_t);
        break;
    case FIELD_I128:
    case FIELD_STR:
        vec_reset(v, field->kind == FIELD_STR ? W_STR : W_128);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t pair[2] = {word_at(records[i], word), word_at(records[i], word + 1)};
            memcpy((uint8_t *)v->data + (size_t)i * 16, pair, 16);
        }
        break;
    }
    const uint32_t null_word = column / 64, null_bit = column % 64;
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= word_at(records[i], null_word) >> null_bit & 1;
    if (!any)
        return;
    vec_validity_on(v, n);
    for (uint32_t i = 0; i < n; i++)
        if (word_at(records[i], null_word) >> null_bit & 1)
            vec_set_null(v, i, n);
}

static void fill(struct vec *v, const struct datum *value, uint32_t n)
{
    vec_reset(v, ltype_width(v->type));
    for (uint32_t i = 0; i < n; i++)
        if (value->null)
            vec_set_null(v, i, n);
        else
            vec_put(v, i, value, n);
}

/* Copies a settled group; *ok false: it is not settled, or did not stay so, or has several
 * layouts. */
static bool copy_settled(struct scan_reader *reader, struct group *group,
                         struct batch *batch)
{
    struct table_scan *scan = reader->scan;
    uint64_t state = atomic_load_explicit(&group->state, memory_order_acquire);
    if ((uint32_t)state ||
        atomic_load_explicit(&group->youngest, memory_order_acquire) > scan->txn->snapshot)
        return false;
    uint32_t n = 0, number = UINT32_MAX;
    for (uint32_t s = 0; s < COUNT_OF(group->sub); s++) {
        struct subpage *sub = atomic_load_explicit(&group->sub[s], memory_order_acquire);
        if (!sub)
            continue;
        for (uint32_t i = 0; i < SUBPAGE_ROWS; i++) {
            const struct record *record = slot_record(&sub->slots[i]);
            if (!record)
                continue;
            uint64_t meta = atomic_load_explicit(&record->meta, memory_order_acquire);
            if (META_FLAGS(meta) & RECORD_PATCH)
                return false;
            if (META_FLAGS(meta) & RECORD_DELETED)
                continue;
            if (n && META_LAYOUT(meta) != number)
                return false;
            number = META_LAYOUT(meta);
            reader->records[n] = record;
            reader->ids[n++] = group->first + s * SUBPAGE_ROWS + i;
        }
    }
    const struct layout *layout = n ? table_layout(scan->table, number) : NULL;
    for (uint32_t k = 0; n && k < scan->count; k++) {
        struct vec *v = &batch->columns[k];
        const uint32_t c = scan->columns[k];
        if (c == SCAN_ROWID) {
            vec_reset(v, W_64);
            memcpy(v->data, reader->ids, n * sizeof(rowid));
        } else if (c < layout->count && layout->fields[c].kind != FIELD_NONE) {
            gather(v, &layout->fields[c], c, reader->records, n);
        } else {
            const struct layout *newest = table_newest(scan->table);
            const struct datum value = c >= layout->count && c < newest->count
                                           ? newest->fields[c].missing
                                           : DATUM_NULL;
            fill(v, &value, n);
        }
    }
    batch_all(batch, n);
    return atomic_load_explicit(&group->state, memory_order_acquire) == state;
}

/* -------------------------------------------------------------- other groups ---- */

/* Validity was switched on for a whole group: bits past `n` become zero. */
static void validity_cut(struct vec *v, uint32_t n)
{
    if (!v->validity)
        return;
    for (uint32_t w = n / 64; w < bits_words(GROUP_ROWS); w++)
        v->validity[w] &= w == n / 64 ? (1ull << n % 64) - 1 : 0;
}

/* The row of reader->image. */
static void row_put(struct scan_reader *reader, rowid id, struct batch *batch, uint32_t row)
{
    const struct table_scan *scan = reader->scan;
    for (uint32_t k = 0; k < scan->count; k++) {
        if (scan->columns[k] != SCAN_ROWID &&
            image_absent(&reader->image, scan->columns[k])) {
            reader->lacking = true; /* patch_put() */
            continue;
        }
        struct datum value = scan->columns[k] == SCAN_ROWID
                                 ? (struct datum){.i = (int64_t)id}
                                 : image_get(scan->table, &reader->image, scan->columns[k]);
        if (value.null)
            vec_set_null(&batch->columns[k], row, GROUP_ROWS);
        else
            vec_put(&batch->columns[k], row, &value, GROUP_ROWS);
    }
}

static kdk_status copy_rows(struct scan_reader *reader, struct group *group,
                            struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    uint32_t n = 0;
    for (uint32_t k = 0; k < scan->count; k++)
        vec_reset(&batch->columns[k], ltype_width(batch->columns[k].type));
    for (uint32_t i = 0; i < GROUP_ROWS; i++) {
        bool found;
        const struct record *record = slot_record(group_slot(group, i));
        if (!record)
            continue;
        TRY(record_copy(scan->table, record, &reader->image, err));
        TRY(image_resolve(scan->txn, scan->table, &reader->image, &found, err));
        if (!found)
            continue;
        reader->lacking = false;
        row_put(reader, group->first + i, batch, n++);
        if (reader->lacking)
            TRY(patch_without_row(scan->table, group->first + i, err));
    }
    for (uint32_t k = 0; k < scan->count; k++)
        validity_cut(&batch->columns[k], n);
    batch_all(batch, n);
out:
    return status;
}

/* ------------------------------------------------------------- below memory ---- */

/* Records of the row tree with ids in [first, end), copied. */
static kdk_status tree_rows(struct scan_reader *reader, rowid first, rowid end,
                            uint32_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    struct btree_cursor *cursor = &reader->cursor;
    *count = 0;
    buf_clear(&reader->text);
    if (!scan->gtable->rows.height)
        return KDK_OK;
    if (!reader->positioned) {
        btree_cursor_init(cursor, scan->disk->file, &scan->gtable->rows);
        reader->positioned = true;
    }
    if (!cursor->valid || get_be64(cursor->key) != first) {
        TRY(rows_seek(cursor, first, err));
    }
    while (cursor->valid && get_be64(cursor->key) < end) {
        const uint8_t *value;
        reader->tree_ids[*count] = get_be64(cursor->key);
        reader->texts[(*count)++] = reader->text.len;
        TRY(btree_cursor_value(cursor, &value, err));
        buf_add(&reader->text, value, cursor->value_bytes);
        TRY(rows_next(cursor, err));
    }
    TRY(buf_status(&reader->text, err));
    reader->texts[*count] = reader->text.len;
out:
    return status;
}

static void hide(struct scan_reader *reader, rowid id)
{
    uint32_t position;
    if (!reader->unit->strip || !strip_entry_position(reader->unit->strip, id, &position))
        return;
    bit_set(reader->hidden, position);
    reader->any_hidden = true;
}

/* A column of the scan in the unit's strip; reader->data[k] stays NULL if the strip does
 * not have it. */
static kdk_status strip_data_of(struct scan_reader *reader, uint32_t k, struct ltype type,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    struct strip_entry *entry = reader->unit->strip;
    const uint32_t c = scan->columns[k];
    struct dict *dict;
    if (reader->data[k] || !strip_entry_column(entry, c))
        return KDK_OK;
    TRY(strip_dict(scan->table, txn_generation(scan->txn), entry, c, type, &dict, err));
    TRY(strip_column(scan->disk->strips, entry, c, type, dict, STRIP_SCAN, &reader->data[k],
                     err));
out:
    return status;
}

/* Inside a guard, so what is below is looked up later. */
static kdk_status patch_note(struct scan_reader *reader, rowid id, uint32_t row,
                             uint32_t text, struct err *err)
{
    const struct layout *layout = reader->image.layout;
    reader->patches[reader->patch_count++] =
        (struct patched){id, row, text, layout, reader->absent.len / 8};
    buf_add(&reader->absent, reader->image.words + layout->words, layout->null_words * 8u);
    return buf_status(&reader->absent, err);
}

/* The columns that memory lacks, from the row tree or the unit's strip. */
static kdk_status patch_put(struct scan_reader *reader, const struct patched *patch,
                            struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    const uint64_t *absent =
        (const uint64_t *)(const void *)reader->absent.data + patch->absent;
    const struct layout *newest = table_newest(scan->table);
    struct strip_entry *entry = reader->unit->strip;
    uint32_t position = 0;
    bool live = true;
    const bool in_tree = patch->text != UINT32_MAX;
    if (in_tree)
        TRY(rowcode_read(scan->table,
                         (const uint8_t *)reader->text.data + reader->texts[patch->text],
                         reader->texts[patch->text + 1] - reader->texts[patch->text],
                         &reader->base, &live, err));
    const bool in_strip = entry && strip_entry_position(entry, patch->id, &position);
    if (!live || (!in_tree && !in_strip))
        TRY(patch_without_row(scan->table, patch->id, err));
    for (uint32_t k = 0; k < scan->count; k++) {
        const uint32_t c = scan->columns[k];
        struct vec *v = &batch->columns[k];
        struct datum value;
        if (c == SCAN_ROWID || c >= patch->layout->count || !bit_get(absent, c))
            continue;
        if (in_tree && !image_absent(&reader->base, c)) {
            value = image_get(scan->table, &reader->base, c);
        } else {
            if (!in_strip)
                TRY(patch_without_row(scan->table, patch->id, err));
            TRY(strip_data_of(reader, k, v->type, err));
            value = reader->data[k]     ? strip_value(reader->data[k], position)
                    : c < newest->count ? newest->fields[c].missing
                                        : DATUM_NULL;
        }
        if (value.null)
            vec_set_null(v, patch->row, GROUP_ROWS);
        else
            vec_put(v, patch->row, &value, GROUP_ROWS);
    }
out:
    return status;
}

/* Rows of [first, end), at most a group's, from memory and row tree. */
static kdk_status range_rows(struct scan_reader *reader, rowid first, rowid end,
                             struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    uint32_t tree, t = 0, n = 0;
    bool live;
    reader->patch_count = 0;
    buf_clear(&reader->absent);
    TRY(tree_rows(reader, first, end, &tree, err));
    for (uint32_t k = 0; k < scan->count; k++)
        vec_reset(&batch->columns[k], ltype_width(batch->columns[k].type));
    txn_enter(scan->txn->man);
    for (rowid at = first; at < end; at++) {
        at = rowmap_next(scan->table, at, t < tree ? reader->tree_ids[t] + 1 : end);
        const bool in_tree = t < tree && at >= reader->tree_ids[t];
        if (in_tree)
            at = reader->tree_ids[t];
        if (at >= end)
            break;
        struct record *record = rowmap_get(scan->table, at);
        if (!record && !in_tree)
            continue;
        if (record) {
            status = record_copy(scan->table, record, &reader->image, err);
            if (status == KDK_OK)
                status = image_resolve(scan->txn, scan->table, &reader->image, &live, err);
        } else {
            status = rowcode_read(
                scan->table, (const uint8_t *)reader->text.data + reader->texts[t],
                reader->texts[t + 1] - reader->texts[t], &reader->image, &live, err);
        }
        if (status != KDK_OK)
            break;
        t += in_tree;
        hide(reader, at);
        if (!live)
            continue;
        reader->lacking = false;
        row_put(reader, at, batch, n);
        if (reader->lacking) {
            /* Of a PATCH alone the strip has what it lacks. */
            status = patch_note(reader, at, n, in_tree && record ? t - 1 : UINT32_MAX, err);
            if (status != KDK_OK)
                break;
        }
        n++;
    }
    txn_leave(scan->txn->man);
    TRY(status);
    for (uint32_t i = 0; i < reader->patch_count; i++)
        TRY(patch_put(reader, &reader->patches[i], batch, err));
    for (uint32_t k = 0; k < scan->count; k++)
        validity_cut(&batch->columns[k], n);
    batch_all(batch, n);
out:
    return status;
}

/* The next rows of the strip that nothing hides. */
static kdk_status strip_rows(struct scan_reader *reader, struct batch *batch,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    struct strip_entry *entry = reader->unit->strip;
    const struct layout *layout = table_newest(scan->table);
    const uint32_t from = reader->from, n = MIN(entry->rows - from, BATCH_ROWS);
    reader->from += n;
    batch_all(batch, n);
    if (reader->any_hidden) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
            if (!bit_get(reader->hidden, from + i))
                batch->sel_room[kept++] = (uint16_t)i;
        if (kept < n)
            batch->sel = (struct sel){batch->sel_room, kept};
    }
    for (uint32_t k = 0; batch->sel.count && k < scan->count; k++) {
        struct vec *v = &batch->columns[k];
        const uint32_t c = scan->columns[k];
        if (c == SCAN_ROWID) {
            vec_reset(v, W_64);
            strip_entry_ids(entry, from, n, v->data);
            continue;
        }
        TRY(strip_data_of(reader, k, v->type, err));
        if (reader->data[k])
            strip_vec(reader->data[k], from, n, batch->sel.rows ? &batch->sel : NULL, v);
        else
            fill(v,
                 c < layout->count ? &layout->fields[c].missing
                                   : &(struct datum){.null = true},
                 n);
    }
out:
    return status;
}

static kdk_status below_next(struct scan_reader *reader, struct batch *batch, bool *more,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    for (;;) {
        if (!reader->unit) {
            const uint64_t u =
                atomic_fetch_add_explicit(&scan->next, 1, memory_order_relaxed);
            if (u >= scan->groups)
                return KDK_OK;
            reader->unit = &scan->units[u];
            reader->at = reader->unit->first;
            reader->from = 0;
            reader->any_hidden = false;
            memset(reader->hidden, 0, sizeof reader->hidden);
        }
        const struct scan_unit *unit = reader->unit;
        batch_all(batch, 0);
        if (reader->at < unit->end) {
            const rowid end = MIN(unit->end, (reader->at / GROUP_ROWS + 1) * GROUP_ROWS);
            TRY(range_rows(reader, reader->at, end, batch, err));
            reader->at = end;
        } else if (unit->strip && !unit->pruned && reader->from < unit->strip->rows) {
            TRY(strip_rows(reader, batch, err));
        } else {
            unit_release(reader);
            continue;
        }
        if (batch->sel.count) {
            *more = true;
            return KDK_OK;
        }
    }
out:
    return status;
}

kdk_status scan_reader_next(struct scan_reader *reader, struct batch *batch, bool *more,
                            struct err *err)
{
    struct table_scan *scan = reader->scan;
    *more = false;
    batch_unpin(batch);
    batch_all(batch, 0);
    if (scan->disk)
        return below_next(reader, batch, more, err);
    for (;;) {
        uint64_t g = atomic_fetch_add_explicit(&scan->next, 1, memory_order_relaxed);
        if (g >= scan->groups)
            return KDK_OK;
        kdk_status status = KDK_OK;
        txn_enter(scan->txn->man);
        struct group *group = rowmap_group(scan->table, g * GROUP_ROWS);
        if (group && !copy_settled(reader, group, batch))
            status = copy_rows(reader, group, batch, err);
        txn_leave(scan->txn->man);
        if (status != KDK_OK)
            return status;
        if (batch->count) {
            *more = true;
            return KDK_OK;
        }
    }
}
