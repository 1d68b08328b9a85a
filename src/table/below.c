/* below.c - rows below memory: how they are encoded, found, walked, and brought back into
 * memory.
 *
 * A record of the row tree: kind (enum below_kind); for FULL a varint, the number of
 * columns, and so many values; for PATCH the number of columns of the row's layout, how
 * many values, and before each by how much its column's number is greater than the one
 * before (the first: than -1). A value is a tag and its bytes: 0 NULL; 1 a double (8
 * bytes); 2 a string (varint, bytes); 16 + n a whole number of n bytes, little-endian,
 * signed. So nothing but the record is needed to walk it, and a column that was added later
 * is simply missing.
 */
#include "table/load.h"

#include "base/mem.h"

enum { CODE_NULL = 0, CODE_FLOAT = 1, CODE_STR = 2, CODE_INT = 16 };

/* ----------------------------------------------------------------- encoding ---- */

kdk_status rowcode_delete(struct buf *out, struct err *err)
{
    buf_clear(out);
    buf_add_u8(out, BELOW_DELETE);
    return buf_status(out, err);
}

static void value_add(struct buf *out, const struct field *field, const struct datum *value)
{
    if (value->null) {
        buf_add_u8(out, CODE_NULL);
    } else if (field->kind == FIELD_STR) {
        buf_add_u8(out, CODE_STR);
        buf_add_varint(out, value->s.len);
        buf_add(out, str_data(&value->s), value->s.len);
    } else if (field->kind == FIELD_F32 || field->kind == FIELD_F64) {
        uint64_t bits;
        memcpy(&bits, &value->f, 8);
        buf_add_u8(out, CODE_FLOAT);
        buf_add_u64(out, bits);
    } else {
        const int128 v = field->type.id == LT_NUMERIC ? value->w : value->i;
        uint32_t n = 0;
        while (n < 16 && (n ? v >> (8 * n - 1) != (v < 0 ? -1 : 0) : v != 0))
            n++;
        buf_add_u8(out, (uint8_t)(CODE_INT + n));
        buf_add(out, &v, n);
    }
}

kdk_status rowcode_full(const struct image *image, struct buf *out, struct err *err)
{
    const struct layout *layout = image->layout;
    buf_clear(out);
    buf_add_u8(out, BELOW_FULL);
    buf_add_varint(out, layout->count);
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct datum value = field_get(&layout->fields[c], c, image->words);
        value_add(out, &layout->fields[c], &value);
    }
    return buf_status(out, err);
}

kdk_status rowcode_patch(const struct image *image, const struct image *older,
                         struct buf *out, struct err *err)
{
    const struct layout *layout = image->layout;
    const struct image *from[TABLE_COLUMNS_MAX];
    uint32_t n = 0, last = 0;
    for (uint32_t c = 0; c < layout->count; c++) {
        from[c] = NULL;
        if (layout->fields[c].kind == FIELD_NONE)
            continue;
        if (!image_absent(image, c))
            from[c] = image;
        else if (older && c < older->layout->count && !image_absent(older, c))
            from[c] = older;
        n += from[c] != NULL;
    }
    buf_clear(out);
    buf_add_u8(out, BELOW_PATCH);
    buf_add_varint(out, layout->count);
    buf_add_varint(out, n);
    for (uint32_t c = 0; c < layout->count; c++) {
        if (!from[c])
            continue;
        const struct field *field = &from[c]->layout->fields[c];
        const struct datum value = field_get(field, c, from[c]->words);
        buf_add_varint(out, c + 1 - last);
        last = c + 1;
        value_add(out, field, &value);
    }
    return buf_status(out, err);
}

const struct layout *table_stored_layout(struct table *table, uint32_t columns)
{
    /* The oldest that has them all: who reads an older version may ask for a column that
     * was dropped since. */
    struct layout_list *list = atomic_load_explicit(&table->layouts, memory_order_acquire);
    for (uint32_t i = 0; i < list->cap; i++) {
        const struct layout *layout =
            atomic_load_explicit(&list->layouts[i], memory_order_acquire);
        if (!layout)
            break;
        if (layout->count >= columns &&
            !atomic_load_explicit(&layout->undone, memory_order_acquire))
            return layout;
    }
    return NULL;
}

/* Adds what the stored row lacks: columns that the layout has and it has not. */
static void image_fill(struct image *image, uint32_t from)
{
    for (uint32_t c = from; c < image->layout->count; c++) {
        const struct field *field = &image->layout->fields[c];
        field_put(field, c, image->words, &field->missing,
                  field->kind == FIELD_STR && !field->missing.null
                      ? str_data(&field->missing.s)
                      : NULL);
    }
}

static kdk_status image_begin(struct table *table, struct image *image, uint32_t columns,
                              struct err *err)
{
    const struct layout *layout = table_stored_layout(table, columns);
    if (!layout)
        return err_set(err, KDK_CORRUPT, "a row of table %u has %u columns", table->id,
                       columns);
    image->header = 1; /* Every snapshot sees it (D1). */
    image->meta = META(layout->number, 0, 0);
    image->undo = NULL;
    return image_room(image, layout, err);
}

static void image_put(struct image *image, uint32_t c, struct datum value)
{
    const struct field *field = &image->layout->fields[c];
    if (field->kind == FIELD_NONE)
        value.null = true;
    field_put(field, c, image->words, &value,
              field->kind == FIELD_STR && !value.null && value.s.len > STR_INLINE
                  ? value.s.data
                  : NULL);
}

static void value_read(struct cursor *in, struct image *image, uint32_t c)
{
    const uint8_t tag = cursor_u8(in);
    const struct field *field = &image->layout->fields[c];
    struct datum value = {0};
    if (tag == CODE_NULL) {
        value.null = true;
    } else if (tag == CODE_STR) {
        const uint64_t len = cursor_varint(in);
        const uint8_t *text = cursor_bytes(in, len);
        if (!text || len > VALUE_BYTES_MAX ||
            (field->kind != FIELD_STR && field->kind != FIELD_NONE))
            in->bad = true;
        else
            value.s = str_of((const char *)text, len);
    } else if (tag == CODE_FLOAT) {
        const uint64_t bits = cursor_u64(in);
        memcpy(&value.f, &bits, 8);
        if (field->kind < FIELD_F32 && field->kind != FIELD_NONE)
            in->bad = true;
        if (field->kind == FIELD_STR)
            in->bad = true;
    } else if (tag >= CODE_INT && tag <= CODE_INT + 16) {
        const uint32_t size = tag - CODE_INT;
        const uint8_t *at = cursor_bytes(in, size);
        int128 v = 0;
        if (at && size) {
            memcpy(&v, at, size);
            if (size < 16 && at[size - 1] & 0x80)
                v |= (int128)((uint128)-1 << (8 * size));
        }
        if (field->kind > FIELD_I128)
            in->bad = true;
        if (field->type.id == LT_NUMERIC)
            value.w = v;
        else
            value.i = (int64_t)v;
    } else {
        in->bad = true;
    }
    if (!in->bad)
        image_put(image, c, value);
}

enum below_kind rowcode_kind(const uint8_t *bytes, size_t count)
{
    return count ? (enum below_kind)bytes[0] : BELOW_DELETE;
}

kdk_status rowcode_read(struct table *table, const uint8_t *bytes, size_t count,
                        struct image *image, bool *live, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cursor in = cursor_of(bytes, count);
    const uint8_t kind = cursor_u8(&in);
    *live = kind != BELOW_DELETE;
    if (!*live)
        return KDK_OK;
    const uint64_t n = cursor_varint(&in);
    TRY(image_begin(table, image, (uint32_t)MIN(n, UINT32_MAX), err));
    image_fill(image, (uint32_t)n);
    if (kind == BELOW_FULL) {
        for (uint32_t c = 0; c < n && !in.bad; c++)
            value_read(&in, image, c);
    } else if (kind == BELOW_PATCH) {
        uint64_t *absent = image->words + image->layout->words, c = 0;
        image->meta = META(image->layout->number, RECORD_PATCH, 0);
        for (uint32_t k = 0; k < n; k++)
            if (image->layout->fields[k].kind != FIELD_NONE)
                bit_set(absent, k);
        for (uint64_t left = cursor_varint(&in); left && !in.bad; left--) {
            const uint64_t more = cursor_varint(&in);
            if (!more || more > n - c) {
                in.bad = true;
                break;
            }
            c += more;
            value_read(&in, image, (uint32_t)(c - 1));
            bit_clear(absent, (uint32_t)(c - 1));
        }
    } else {
        in.bad = true;
    }
    if (in.bad || cursor_left(&in))
        TRY(err_set(err, KDK_CORRUPT, "a stored row of table %u cannot be read",
                    table->id));
out:
    return status;
}

/* ------------------------------------------------------------ the row tree ---- */

static kdk_status row_key_check(const struct btree_cursor *cursor, struct err *err)
{
    if (cursor->valid && cursor->key_bytes != 8)
        return err_set(err, KDK_CORRUPT, "a key of a row tree has %u bytes",
                       (unsigned)cursor->key_bytes);
    return KDK_OK;
}

kdk_status rows_seek(struct btree_cursor *cursor, rowid id, struct err *err)
{
    uint8_t key[8];
    put_be64(key, id);
    const kdk_status status = btree_cursor_seek(cursor, key, sizeof key, err);
    return status == KDK_OK ? row_key_check(cursor, err) : status;
}

kdk_status rows_next(struct btree_cursor *cursor, struct err *err)
{
    const kdk_status status = btree_cursor_next(cursor, err);
    return status == KDK_OK ? row_key_check(cursor, err) : status;
}

/* ------------------------------------------------------------------- strips ---- */

struct strip_entry *directory_find(const struct directory *directory, rowid id,
                                   uint32_t *at)
{
    uint32_t lo = 0, hi = directory ? directory->count : 0;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (directory->entries[mid]->last < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (at)
        *at = lo;
    return directory && lo < directory->count && directory->entries[lo]->first <= id
               ? directory->entries[lo]
               : NULL;
}

uint32_t strip_columns(const struct strip_entry *entry)
{
    return entry->column_count ? entry->columns[entry->column_count - 1].number + 1 : 0;
}

/* The base row at a position. Strings: in `arena` if given, else in the pinned data. */
static kdk_status strip_image(struct disk *disk, struct generation *generation,
                              struct table *table, struct strip_entry *entry,
                              uint32_t position, const struct strip_data **data,
                              struct image *image, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint32_t n = strip_columns(entry);
    TRY(image_begin(table, image, n, err));
    image_fill(image, 0);
    for (uint32_t k = 0; k < entry->column_count; k++) {
        const uint32_t c = entry->columns[k].number;
        const struct field *field = &image->layout->fields[c];
        const struct strip_data *one = data ? data[k] : NULL;
        if (field->kind == FIELD_NONE)
            continue;
        if (!one) {
            struct dict *dict;
            TRY(strip_dict(table, generation, entry, c, field->type, &dict, err));
            TRY(strip_column(disk->strips, entry, c, field->type, dict,
                             data ? STRIP_SCAN : STRIP_POINT, &one, err));
        }
        if (data)
            data[k] = one;
        struct datum value = strip_value(one, position);
        const bool ok = data || field->kind != FIELD_STR ||
                        datum_copy(arena, field->type, value, &value);
        if (ok)
            image_put(image, c, value);
        if (!data)
            strip_unpin(one);
        if (!ok)
            TRY(err_nomem(err));
    }
out:
    return status;
}

/* ------------------------------------------------------------- single reads ---- */

/* So many entries are read one by one before the whole directory is. */
#define SINGLE_LOOKUPS KDK_PICK(16u, 2u)

kdk_status strip_locate(struct disk *disk, struct generation *generation,
                        struct gtable *gtable, rowid id, struct strip_entry **out,
                        uint32_t *position, struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    struct strip_entry *entry = NULL;
    *out = NULL;
    if (!gtable->strips)
        return KDK_OK;
    struct directory *directory =
        atomic_load_explicit(&gtable->directory, memory_order_acquire);
    /* To read all costs as much as so many single lookups, more or less. */
    if (!directory && atomic_fetch_add_explicit(&gtable->lookups, 1, memory_order_relaxed) >
                          SINGLE_LOOKUPS + gtable->strips)
        TRY(gtable_directory(disk, generation, gtable, &directory, err));
    if (directory) {
        entry = strip_entry_ref(directory_find(directory, id, NULL));
    } else {
        /* One entry is enough: the last whose first row is not behind `id`. */
        uint8_t key[META_KEY_BYTES];
        const uint8_t *value;
        btree_cursor_init(&cursor, disk->file, &generation->manifest.meta);
        meta_key(key, gtable->id, META_STRIP, id);
        TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
        if (!cursor.valid || btree_compare(cursor.key, cursor.key_bytes, key, sizeof key))
            TRY(btree_cursor_prev(&cursor, err));
        if (cursor.valid && cursor.key_bytes == META_KEY_BYTES &&
            memcmp(cursor.key, key, 5) == 0) {
            TRY(btree_cursor_value(&cursor, &value, err));
            TRY(strip_entry_decode(value, cursor.value_bytes, &entry, err));
        }
    }
    if (entry && strip_entry_position(entry, id, position)) {
        *out = entry;
        entry = NULL;
    }
out:
    strip_entry_unref(entry);
    btree_cursor_deinit(&cursor);
    return status;
}

/* Where the row is that a reader finds below memory. */
struct place {
    struct gtable *gtable;
    struct buf value;    /* The row tree's record, */
    bool in_tree, patch; /* if there is one; a PATCH. */
    /* The strip that has a base row, hidden or not; NULL: none. Looked for if there is no
     * record or a PATCH, or on demand. */
    struct strip_entry *entry;
    uint32_t position;
};

static void place_deinit(struct place *place)
{
    strip_entry_unref(place->entry);
    buf_deinit(&place->value);
}

static kdk_status place_find(struct disk *disk, struct generation *generation,
                             uint64_t snapshot, struct table *table, rowid id,
                             bool strip_too, struct place *place, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t key[8];
    memset(place, 0, sizeof *place);
    TRY(generation_table(disk, generation, table->id, &place->gtable, err));
    if (!place->gtable)
        goto out;
    put_be64(key, id);
    if (place->gtable->rows.height)
        TRY(btree_get(disk->file, &place->gtable->rows, key, 8, &place->value,
                      &place->in_tree, err));
    place->patch = place->in_tree && rowcode_kind((const uint8_t *)place->value.data,
                                                  place->value.len) == BELOW_PATCH;
    if (place->in_tree && !place->patch && !strip_too)
        goto out;
    TRY(strip_locate(disk, generation, place->gtable, id, &place->entry, &place->position,
                     err));
    if (!place->in_tree && !place->entry)
        place->entry = loads_locate(
            table, (struct load_reader){generation->manifest.timestamp, snapshot}, id,
            &place->position);
out:
    return status;
}

/* The record of the row tree as an image whose strings lie in `arena`. */
static kdk_status place_tree_image(const struct place *place, struct table *table,
                                   struct image *image, bool *live, struct arena *arena,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *bytes = arena_dup(arena, place->value.data ? place->value.data : "",
                               MAX(place->value.len, 1));
    TRY_MEM(bytes);
    TRY(rowcode_read(table, bytes, place->value.len, image, live, err));
out:
    return status;
}

/* A column of a base row; a string in `arena`. */
static kdk_status strip_datum(struct disk *disk, struct generation *generation,
                              struct table *table, const struct layout *layout,
                              struct strip_entry *entry, uint32_t position, uint32_t c,
                              struct datum *out, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *newest = table_newest(table);
    const struct field *field = c < layout->count   ? &layout->fields[c]
                                : c < newest->count ? &newest->fields[c]
                                                    : NULL;
    const struct strip_data *one = NULL;
    struct dict *dict;
    *out = DATUM_NULL;
    if (!field)
        goto out;
    /* Also of a column that is dropped by now, for who still sees it. */
    *out = field->missing;
    if (field->kind == FIELD_NONE || !strip_entry_column(entry, c))
        goto out;
    TRY(strip_dict(table, generation, entry, c, field->type, &dict, err));
    TRY(strip_column(disk->strips, entry, c, field->type, dict, STRIP_POINT, &one, err));
    if (!datum_copy(arena, field->type, strip_value(one, position), out))
        TRY(err_nomem(err));
out:
    strip_unpin(one);
    return status;
}

/* The columns that a PATCH lacks, from the strip. */
static kdk_status place_complete(struct disk *disk, struct generation *generation,
                                 struct table *table, rowid id, const struct place *place,
                                 struct image *image, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout =
        place->entry ? table_stored_layout(table, strip_columns(place->entry)) : NULL;
    if (!layout)
        TRY(patch_without_row(table, id, err));
    for (uint32_t c = 0; c < image->layout->count; c++) {
        struct datum value;
        if (!image_absent(image, c))
            continue;
        TRY(strip_datum(disk, generation, table, layout, place->entry, place->position, c,
                        &value, arena, err));
        image_patch(image, &c, &value, 1);
    }
    image->meta = META(image->layout->number, 0, 0);
out:
    return status;
}

kdk_status below_get(struct disk *disk, struct generation *generation, uint64_t snapshot,
                     struct table *table, rowid id, struct image *image, bool *found,
                     bool *in_strip, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct place place;
    *found = false;
    TRY(place_find(disk, generation, snapshot, table, id, in_strip != NULL, &place, err));
    if (in_strip)
        *in_strip = place.entry != NULL;
    if (place.in_tree) {
        TRY(place_tree_image(&place, table, image, found, arena, err));
        if (place.patch)
            TRY(place_complete(disk, generation, table, id, &place, image, arena, err));
    } else if (place.entry) {
        TRY(strip_image(disk, generation, table, place.entry, place.position, NULL, image,
                        arena, err));
        image->header = loads_header(table, id);
        *found = true;
    }
out:
    place_deinit(&place);
    return status;
}

kdk_status below_patch(struct txn *txn, struct table *table, rowid id, bool *can, bool *had,
                       struct image *patch, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct place place;
    bool live;
    TRY(place_find(table->store->disk, txn_generation(txn), txn->snapshot, table, id, false,
                   &place, err));
    *had = place.patch;
    *can = place.entry && (!place.in_tree || place.patch);
    if (place.patch)
        TRY(place_tree_image(&place, table, patch, &live, arena, err));
out:
    place_deinit(&place);
    return status;
}

kdk_status below_columns(struct txn *txn, struct table *table, rowid id,
                         const uint32_t *columns, uint32_t count, struct datum *out,
                         bool *found, struct arena *arena, struct err *err)
{
    return below_columns_at(txn_generation(txn), txn->snapshot, table, id, columns, count,
                            out, found, arena, err);
}

kdk_status below_columns_at(struct generation *generation, uint64_t snapshot,
                            struct table *table, rowid id, const uint32_t *columns,
                            uint32_t count, struct datum *out, bool *found,
                            struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = table->store->disk;
    struct place place;
    struct image image;
    *found = false;
    image_init(&image);
    TRY(place_find(disk, generation, snapshot, table, id, false, &place, err));
    if (place.in_tree)
        TRY(place_tree_image(&place, table, &image, found, arena, err));
    const struct layout *layout =
        place.entry ? table_stored_layout(table, strip_columns(place.entry)) : NULL;
    if (place.entry && !layout)
        TRY(err_set(err, KDK_CORRUPT, "a row of table %u has %u columns", table->id,
                    strip_columns(place.entry)));
    *found |= place.entry != NULL;
    for (uint32_t k = 0; *found && k < count; k++) {
        if (columns[k] == SCAN_ROWID)
            out[k] = (struct datum){.i = (int64_t)id};
        else if (place.in_tree && !image_absent(&image, columns[k]))
            out[k] = image_get(table, &image, columns[k]);
        else if (!layout)
            TRY(patch_without_row(table, id, err));
        else
            TRY(strip_datum(disk, generation, table, layout, place.entry, place.position,
                            columns[k], &out[k], arena, err));
    }
out:
    image_deinit(&image);
    place_deinit(&place);
    return status;
}

/* -------------------------------------------------------------------- patches ---- */

kdk_status patch_without_row(struct table *table, rowid id, struct err *err)
{
    err_set(err, KDK_CORRUPT, "a row was changed that is nowhere");
    err_detail(err, "Table %u, row %llu.", table->id, (unsigned long long)id);
    return KDK_CORRUPT;
}

void image_patch(struct image *image, const uint32_t *columns, const struct datum *values,
                 uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t c = columns[k];
        if (c == SCAN_ROWID || !image_absent(image, c))
            continue;
        const struct field *field = &image->layout->fields[c];
        field_put(field, c, image->words, &values[k],
                  field->kind == FIELD_STR && !values[k].null &&
                          values[k].s.len > STR_INLINE
                      ? values[k].s.data
                      : NULL);
        bit_clear(image->words + image->layout->words, c);
    }
}

kdk_status image_complete(struct txn *txn, struct table *table, rowid id,
                          struct image *image, const uint32_t *columns, uint32_t count,
                          struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t *absent, n = 0;
    struct datum *values;
    bool found;
    if (!(META_FLAGS(image->meta) & RECORD_PATCH))
        return KDK_OK;
    TRY_MEM(absent = ARENA_ARRAY(arena, uint32_t, MAX(count, 1)));
    for (uint32_t k = 0; k < count; k++)
        if (columns[k] != SCAN_ROWID && image_absent(image, columns[k]))
            absent[n++] = columns[k];
    if (!n)
        goto out;
    TRY_MEM(values = ARENA_ARRAY(arena, struct datum, n));
    TRY(below_columns(txn, table, id, absent, n, values, &found, arena, err));
    if (!found)
        TRY(patch_without_row(table, id, err));
    image_patch(image, absent, values, n);
out:
    return status;
}

struct record *record_absent(const struct layout *layout, uint64_t header)
{
    struct record *record =
        mem_zalloc(sizeof *record + (size_t)(layout->words + layout->null_words) * 8);
    if (!record)
        return NULL;
    atomic_init(&record->header, header);
    atomic_init(&record->meta, META(layout->number, RECORD_PATCH, 0));
    for (uint32_t w = 0; w < layout->null_words; w++) {
        uint64_t bits = 0;
        for (uint32_t c = w * 64; c < layout->count && c < w * 64 + 64; c++)
            bits |= (uint64_t)(layout->fields[c].kind != FIELD_NONE) << (c % 64);
        atomic_init(&record->words[layout->words + w], bits);
    }
    return record;
}

/* ------------------------------------------------------ back into memory ---- */

static void record_discard(struct table *table, struct record *record)
{
    if (!record)
        return;
    record_free_strings(table, record);
    mem_free(record);
}

/* A record with strings of its own. */
static kdk_status record_of(struct table *table, const struct image *image,
                            struct record **out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout = image->layout;
    struct record *record;
    TRY_MEM(record = mem_zalloc(sizeof *record + (size_t)layout->words * 8));
    atomic_init(&record->header, image->header);
    atomic_init(&record->meta, image->meta);
    for (uint32_t w = 0; w < layout->words; w++) {
        atomic_init(&record->words[w], image->words[w]);
    }
    /* Until they are copied, long strings are none of the record's. */
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct field *field = &layout->fields[c];
        if (field->kind != FIELD_STR)
            continue;
        atomic_init(&record->words[field->offset / 8], 0);
        atomic_init(&record->words[field->offset / 8 + 1], 0);
    }
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct field *field = &layout->fields[c];
        if (field->kind != FIELD_STR)
            continue;
        const struct datum value = field_get(field, c, image->words);
        uint64_t words[2] = {0};
        struct str s = value.s;
        if (value.null)
            continue;
        if (s.len > STR_INLINE) {
            char *copy = mem_dup(str_data(&s), s.len);
            if (!copy) {
                record_discard(table, record);
                TRY(err_nomem(err));
            }
            s = str_of(copy, s.len);
        }
        memcpy(words, &s, 16);
        atomic_init(&record->words[field->offset / 8], words[0]);
        atomic_init(&record->words[field->offset / 8 + 1], words[1]);
    }
    *out = record;
out:
    return status;
}

kdk_status row_load(struct txn *txn, struct table *table, rowid id, bool *found,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct store *store = table->store;
    struct arena arena = {0};
    struct record *record = NULL;
    struct group *group;
    _Atomic uintptr_t *slot;
    struct place place = {0};
    struct image image;
    struct generation *oldest = NULL;
    uint64_t header = 1;
    bool again = true;
    *found = false;
    image_init(&image);
    if (!txn_generation(txn))
        goto out;
    /* All generations in use have the row, as it is (D1), but a younger one may lack
     * columns that were dropped: their readers, who meet this record, too, still ask for
     * them. */
    oldest = generation_pin_oldest(store->disk);
    TRY(place_find(store->disk, oldest, txn->snapshot, table, id, false, &place, err));
    if (place.entry &&
        table_stored_layout(table, strip_columns(place.entry)) == table_newest(table)) {
        /* Its columns stay where they are, in strip and PATCH. */
        header = loads_header(table, id);
        TRY_MEM(record = record_absent(table_newest(table), header));
        *found = true;
    } else {
        TRY(below_get(store->disk, oldest, txn->snapshot, table, id, &image, found, NULL,
                      &arena, err));
        if (!*found)
            goto out;
        TRY(record_of(table, &image, &record, err));
        header = image.header;
    }
    while (status == KDK_OK && again) {
        uintptr_t had = 0;
        again = false;
        txn_enter(store->man);
        status = rowmap_slot(table, id, &group, &slot, err);
        if (status == KDK_OK) {
            /* A row of a load is not for every reader: the group says so before the slot
             * does (T3). */
            group_enter(group);
            if (header > 1)
                group_raise(group, header);
            if (atomic_compare_exchange_strong_explicit(slot, &had, (uintptr_t)record,
                                                        memory_order_acq_rel,
                                                        memory_order_acquire))
                record = NULL;
            else
                again = had == 1; /* Its sub-page goes; else somebody was faster. */
            group_leave(group);
        }
        txn_leave(store->man);
        if (again)
            os_spin();
    }
out:
    if (oldest)
        generation_unpin(store->disk, oldest);
    place_deinit(&place);
    record_discard(table, record);
    image_deinit(&image);
    arena_deinit(&arena);
    return status;
}

/* -------------------------------------------------------------------- walks ---- */

kdk_status row_walk_open(struct row_walk *walk, struct txn *txn, struct table *table,
                         bool below_only, struct err *err)
{
    kdk_status status = KDK_OK;
    memset(walk, 0, sizeof *walk);
    image_init(&walk->image);
    walk->txn = txn;
    walk->table = table;
    walk->generation = txn_generation(txn);
    walk->below_only = below_only;
    walk->next = 1;
    walk->end = atomic_load_explicit(&table->next_id, memory_order_acquire);
    walk->data_strip = UINT32_MAX;
    if (!walk->generation)
        return KDK_OK;
    struct disk *disk = table->store->disk;
    TRY(generation_table(disk, walk->generation, table->id, &walk->gtable, err));
    if (!walk->gtable->exists)
        walk->gtable = NULL;
    if (!below_only)
        TRY(table_directory(txn, table, walk->gtable, &walk->directory,
                            &walk->own_directory, err));
    else if (walk->gtable)
        TRY(gtable_directory(disk, walk->generation, walk->gtable, &walk->directory, err));
    if (!walk->gtable)
        goto out;
    btree_cursor_init(&walk->cursor, disk->file, &walk->gtable->rows);
    walk->positioned = true;
    if (walk->gtable->rows.height)
        TRY(rows_seek(&walk->cursor, 0, err));
out:
    return status;
}

static void walk_unpin(struct row_walk *walk)
{
    for (uint32_t k = 0; k < walk->data_count; k++)
        strip_unpin(walk->data[k]);
    mem_free(walk->data);
    walk->data = NULL;
    walk->data_count = 0;
    walk->data_strip = UINT32_MAX;
}

void row_walk_close(struct row_walk *walk)
{
    walk_unpin(walk);
    if (walk->own_directory)
        mem_free(walk->directory);
    if (walk->positioned)
        btree_cursor_deinit(&walk->cursor);
    buf_deinit(&walk->text);
    arena_deinit(&walk->arena);
    image_deinit(&walk->image);
}

/* The next id that the generation has something for, at or after walk->next; `end` if none.
 * *tree: it is in the row tree. */
static kdk_status below_next(struct row_walk *walk, rowid *id, bool *tree,
                             uint32_t *position, struct err *err)
{
    kdk_status status = KDK_OK;
    *id = walk->end;
    *tree = false;
    if (!walk->gtable && !walk->directory)
        return KDK_OK;
    while (walk->cursor.valid && get_be64(walk->cursor.key) < walk->next)
        TRY(rows_next(&walk->cursor, err));
    while (walk->directory && walk->strip < walk->directory->count &&
           walk->directory->entries[walk->strip]->last < walk->next)
        walk->strip++;
    if (walk->directory && walk->strip < walk->directory->count) {
        const struct strip_entry *entry = walk->directory->entries[walk->strip];
        *position = strip_entry_lower(entry, walk->next);
        *id = MIN(*id, strip_entry_id(entry, *position));
    }
    if (walk->cursor.valid && get_be64(walk->cursor.key) <= *id) {
        *id = get_be64(walk->cursor.key);
        *tree = true;
    }
out:
    return status;
}

static kdk_status walk_strip(struct row_walk *walk, uint32_t position, struct err *err)
{
    struct strip_entry *entry = walk->directory->entries[walk->strip];
    if (walk->data_strip != walk->strip) {
        walk_unpin(walk);
        walk->data = MEM_ARRAY(const struct strip_data *, MAX(entry->column_count, 1));
        if (!walk->data)
            return err_nomem(err);
        walk->data_count = entry->column_count;
        walk->data_strip = walk->strip;
    }
    return strip_image(walk->table->store->disk, walk->generation, walk->table, entry,
                       position, walk->data, &walk->image, NULL, err);
}

/* All columns of a patched row. */
static kdk_status walk_complete(struct row_walk *walk, rowid id, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout = walk->image.layout;
    uint32_t *columns;
    if (!(META_FLAGS(walk->image.meta) & RECORD_PATCH))
        return KDK_OK;
    arena_reset(&walk->arena);
    TRY_MEM(columns = ARENA_ARRAY(&walk->arena, uint32_t, layout->count));
    for (uint32_t c = 0; c < layout->count; c++)
        columns[c] = c;
    TRY(image_complete(walk->txn, walk->table, id, &walk->image, columns, layout->count,
                       &walk->arena, err));
out:
    return status;
}

kdk_status row_walk_next(struct row_walk *walk, rowid *out, struct err *err)
{
    kdk_status status = KDK_OK;
    *out = 0;
    while (walk->next < walk->end) {
        rowid below, id;
        bool tree, live = false;
        uint32_t position = 0;
        TRY(below_next(walk, &below, &tree, &position, err));
        id = MIN(below, walk->end);
        walk->hot = false;
        if (!walk->below_only) {
            /* What is in memory counts there, and only there. */
            txn_enter(walk->txn->man);
            const rowid hot = rowmap_next(walk->table, walk->next,
                                          below < walk->end ? below + 1 : walk->end);
            struct record *record =
                hot < walk->end && hot <= below ? rowmap_get(walk->table, hot) : NULL;
            if (record) {
                id = hot;
                walk->hot = true;
                status = record_copy(walk->table, record, &walk->image, err);
                if (status == KDK_OK)
                    status =
                        image_resolve(walk->txn, walk->table, &walk->image, &live, err);
            }
            txn_leave(walk->txn->man);
            TRY(status);
            if (!record && hot < id)
                continue; /* It was rolled back, or left memory: look again. */
        }
        if (id >= walk->end)
            break;
        walk->next = id + 1;
        if (!walk->hot && tree) {
            const uint8_t *value;
            TRY(btree_cursor_value(&walk->cursor, &value, err));
            buf_clear(&walk->text);
            buf_add(&walk->text, value, walk->cursor.value_bytes);
            TRY(buf_status(&walk->text, err));
            TRY(rowcode_read(walk->table, (const uint8_t *)walk->text.data, walk->text.len,
                             &walk->image, &live, err));
        } else if (!walk->hot) {
            TRY(walk_strip(walk, position, err));
            live = true;
        }
        if (live && (walk->hot || tree))
            TRY(walk_complete(walk, id, err));
        if (live) {
            *out = id;
            return KDK_OK;
        }
    }
    walk->next = walk->end;
out:
    return status;
}
