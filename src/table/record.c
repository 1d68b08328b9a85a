/* record.c - layouts, fields, and versions of records.
 *
 * Reading a record takes no latch. The reader loads header, meta and undo, then the words,
 * then the three again, all with acquire. If a word came from a writer that was at work,
 * that writer's lock bit is in the header, or its newer state, by the time of the second
 * load (T1), so the two loads differ, unless the header went back to the same value: then
 * `restores` in meta differs. A writer that changes its own version again leaves the header
 * as it was, but links a new undo first. So equal loads mean that words and undo belong to
 * each other; from there on the reader works on its copy, and undo records do not change.
 */
#include "table/table_int.h"

#include "base/mem.h"

/* ------------------------------------------------------------------ layouts ---- */

static enum field_kind kind_of(struct ltype type, uint32_t *bytes)
{
    static const uint8_t sizes[] = {0, 1, 2, 4, 8, 16, 4, 8, 16};
    enum field_kind kind;
    switch (ltype_width(type)) {
    case W_BIT:
    case W_8:
        kind = FIELD_I8;
        break;
    case W_16:
        kind = FIELD_I16;
        break;
    case W_32:
        kind = FIELD_I32;
        break;
    case W_64:
        kind = FIELD_I64;
        break;
    case W_128:
        kind = FIELD_I128;
        if (type.id == LT_NUMERIC && type.precision && type.precision <= 18)
            kind = type.precision <= 9 ? FIELD_I32 : FIELD_I64;
        break;
    case W_F32:
        kind = FIELD_F32;
        break;
    case W_F64:
        kind = FIELD_F64;
        break;
    case W_STR:
        kind = FIELD_STR;
        break;
    }
    *bytes = sizes[kind];
    return kind;
}

kdk_status layout_new(const struct tcolumn *columns, uint32_t count, struct layout **out,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct layout *layout = NULL;
    if (count > TABLE_COLUMNS_MAX)
        TRY(err_set(err, KDK_TOO_MANY_COLUMNS, "tables can have at most %u columns",
                    (unsigned)TABLE_COLUMNS_MAX));
    TRY_MEM(layout = mem_zalloc(
                size_add(sizeof *layout, size_mul(count, sizeof(struct field)))));
    layout->count = count;
    layout->null_words = (count + 63) / 64;
    uint32_t end = layout->null_words * 8;
    for (uint32_t c = 0; c < count; c++) {
        struct field *field = &layout->fields[c];
        uint32_t bytes;
        field->type = columns[c].type;
        if (!ltype_supported(columns[c].type))
            TRY(err_set(err, KDK_UNSUPPORTED, "type %s is not supported yet",
                        ltype_id_name(columns[c].type.id)));
        field->not_null = columns[c].not_null && !columns[c].dropped;
        field->dropped = columns[c].dropped;
        field->kind = (uint8_t)kind_of(columns[c].type, &bytes);
        if (columns[c].dropped) {
            field->kind = FIELD_NONE;
            field->missing = DATUM_NULL;
        } else if (!datum_copy(&layout->arena, field->type, columns[c].missing,
                               &field->missing)) {
            TRY(err_nomem(err));
        }
        layout->strings += field->kind == FIELD_STR;
    }
    /* Wide fields first, so that none straddles a word it could lie in. */
    for (uint32_t size = 16; size; size /= 2)
        for (uint32_t c = 0; c < count; c++) {
            uint32_t bytes;
            kind_of(columns[c].type, &bytes);
            if (bytes != size || layout->fields[c].kind == FIELD_NONE)
                continue;
            layout->fields[c].offset = end;
            end += size;
        }
    layout->words = MAX((end + 7) / 8, 1);
    *out = layout;
    layout = NULL;
out:
    layout_free(layout);
    return status;
}

void layout_free(struct layout *layout)
{
    if (!layout)
        return;
    arena_deinit(&layout->arena);
    mem_free(layout);
}

/* ------------------------------------------------------------------- fields ---- */

struct datum field_get(const struct field *field, uint32_t column, const uint64_t *words)
{
    struct datum value = {0};
    const uint8_t *at = (const uint8_t *)words + field->offset;
    if (field->kind == FIELD_NONE || bit_get(words, column)) {
        value.null = true;
        return value;
    }
    int64_t i = 0;
    switch ((enum field_kind)field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_I8:
        i = (int8_t)*at;
        break;
    case FIELD_I16:
        i = (int16_t)get_u16(at);
        break;
    case FIELD_I32:
        i = (int32_t)get_u32(at);
        break;
    case FIELD_I64:
        i = get_i64(at);
        break;
    case FIELD_I128:
        memcpy(&value.w, at, 16);
        return value;
    case FIELD_F32: {
        float f;
        memcpy(&f, at, 4);
        value.f = (double)f;
        return value;
    }
    case FIELD_F64:
        memcpy(&value.f, at, 8);
        return value;
    case FIELD_STR:
        memcpy(&value.s, at, 16);
        return value;
    }
    if (field->type.id == LT_NUMERIC)
        value.w = i;
    else
        value.i = i;
    return value;
}

void field_put(const struct field *field, uint32_t column, uint64_t *words,
               const struct datum *value, const char *text)
{
    static const uint8_t sizes[] = {0, 1, 2, 4, 8, 16, 4, 8, 16};
    uint8_t *at = (uint8_t *)words + field->offset;
    bit_put(words, column, value->null);
    if (value->null) {
        if (field->kind != FIELD_NONE)
            memset(at, 0, sizes[field->kind]);
        return;
    }
    const int64_t i = field->type.id == LT_NUMERIC ? (int64_t)value->w : value->i;
    switch ((enum field_kind)field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_I8:
        *at = (uint8_t)i;
        break;
    case FIELD_I16:
        put_u16(at, (uint16_t)i);
        break;
    case FIELD_I32:
        put_u32(at, (uint32_t)i);
        break;
    case FIELD_I64:
        put_i64(at, i);
        break;
    case FIELD_I128:
        memcpy(at, &value->w, 16);
        break;
    case FIELD_F32: {
        float f = (float)value->f;
        memcpy(at, &f, 4);
        break;
    }
    case FIELD_F64:
        memcpy(at, &value->f, 8);
        break;
    case FIELD_STR: {
        struct str s = value->s.len > STR_INLINE ? str_of(text, value->s.len) : value->s;
        memcpy(at, &s, 16);
        break;
    }
    }
}

/* Lowers or raises `bound`; what it was, or the value when nothing changed. */
static bool bound_move(_Atomic int64_t *bound, int64_t value, bool up)
{
    int64_t had = atomic_load_explicit(bound, memory_order_relaxed);
    while (up ? value > had : value < had)
        if (atomic_compare_exchange_weak_explicit(bound, &had, value, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static uint8_t bounds_width(const struct bounds *bounds)
{
    int64_t lo = atomic_load_explicit(&bounds->lo, memory_order_acquire);
    int64_t hi = atomic_load_explicit(&bounds->hi, memory_order_acquire);
    return lo > hi ? 0 : (uint8_t)(vwidth_for(lo, hi) + 1);
}

void bounds_widen(struct table *table, const struct field *field, const struct datum *value)
{
    struct bounds *bounds = field->bounds;
    if (!bounds || value->null || field->kind == FIELD_NONE)
        return;
    int64_t v = value->i;
    if (field->type.id == LT_NUMERIC) {
        v = (int64_t)value->w;
        if (v != value->w) {
            if (!atomic_exchange_explicit(&bounds->unknown, 1, memory_order_acq_rel))
                atomic_fetch_add_explicit(&table->epoch, 1, memory_order_acq_rel);
            return;
        }
    }
    if (v >= atomic_load_explicit(&bounds->lo, memory_order_relaxed) &&
        v <= atomic_load_explicit(&bounds->hi, memory_order_relaxed))
        return;
    uint8_t width = bounds_width(bounds);
    bool moved = bound_move(&bounds->lo, v, false);
    moved |= bound_move(&bounds->hi, v, true);
    if (moved && width != bounds_width(bounds))
        atomic_fetch_add_explicit(&table->epoch, 1, memory_order_acq_rel);
}

/* ------------------------------------------------------------------- images ---- */

void image_init(struct image *image)
{
    image->words = image->small;
    image->large = NULL;
    image->large_words = 0;
}

void image_deinit(struct image *image)
{
    mem_free(image->large);
    image->large = NULL;
    image->large_words = 0;
}

kdk_status record_copy(struct table *table, const struct record *record,
                       struct image *image, struct err *err)
{
    for (;; os_spin()) {
        uint64_t header = atomic_load_explicit(&record->header, memory_order_acquire);
        if (header & TXN_LOCKED)
            continue;
        uint64_t meta = atomic_load_explicit(&record->meta, memory_order_acquire);
        struct undo *undo = atomic_load_explicit(&record->undo, memory_order_acquire);
        const struct layout *layout = table_layout(table, META_LAYOUT(meta));
        const uint32_t words = meta_words(layout, meta);
        if (words > SMALL_WORDS && words > image->large_words) {
            uint64_t *large = mem_alloc(size_mul(words, 8));
            if (!large)
                return err_nomem(err);
            mem_free(image->large);
            image->large = large;
            image->large_words = words;
        }
        image->words = words > SMALL_WORDS ? image->large : image->small;
        for (uint32_t i = 0; i < words; i++)
            image->words[i] = atomic_load_explicit(&record->words[i], memory_order_acquire);
        if (atomic_load_explicit(&record->undo, memory_order_acquire) != undo ||
            atomic_load_explicit(&record->meta, memory_order_acquire) != meta ||
            atomic_load_explicit(&record->header, memory_order_acquire) != header)
            continue;
        image->header = header;
        image->meta = meta;
        image->undo = undo;
        image->layout = layout;
        return KDK_OK;
    }
}

/* One version back. *found false: there is none. */
static kdk_status image_step(struct table *table, struct image *image, bool *found,
                             struct err *err)
{
    const struct undo *undo = image->undo;
    /* Else it came into memory from a load: before that there was no such row. */
    *found = undo != NULL;
    if (!undo)
        return KDK_OK;
    switch ((enum undo_kind)undo->kind) {
    case UNDO_INSERT:
        *found = false;
        return KDK_OK;
    case UNDO_MOVED:
        /* The older record may live on (if the move was rolled back since): read as any
         * record. */
        return record_copy(table, undo->moved, image, err);
    case UNDO_UPDATE:
    case UNDO_DELETE:
        break;
    }
    for (uint32_t k = 0; k < undo->word_count; k++)
        image->words[undo->word[k]] = undo->old[k];
    image->header = undo->before;
    image->meta = undo->meta_before;
    image->undo = atomic_load_explicit(&undo->next, memory_order_acquire);
    return KDK_OK;
}

kdk_status image_resolve(struct txn *txn, struct table *table, struct image *image,
                         bool *found, struct err *err)
{
    *found = true;
    for (;;) {
        const uint64_t header = image->header;
        /* The undo of a visible version may be gone: it is looked at only for versions in
         * flight (T2). */
        bool own = header & TXN_UNCOMMITTED && TXN_VALUE(header) == txn->number;
        if (txn_sees(txn, header, own ? image->undo->command : 0))
            break;
        kdk_status status = image_step(table, image, found, err);
        if (status != KDK_OK || !*found)
            return status;
    }
    *found = !(META_FLAGS(image->meta) & RECORD_DELETED);
    return KDK_OK;
}

kdk_status image_before_txn(struct table *table, struct image *image, bool *found,
                            struct err *err)
{
    const uint64_t header = image->header;
    *found = true;
    while (image->header == header) {
        kdk_status status = image_step(table, image, found, err);
        if (status != KDK_OK || !*found)
            return status;
    }
    *found = !(META_FLAGS(image->meta) & RECORD_DELETED);
    return KDK_OK;
}

bool image_key_absent(const struct image *image, const struct tindex *def)
{
    for (uint32_t k = 0; k < def->column_count; k++)
        if (image_absent(image, def->columns[k]))
            return true;
    return false;
}

struct datum image_get(struct table *table, const struct image *image, uint32_t column)
{
    ASSERT(!image_absent(image, column));
    if (column < image->layout->count)
        return field_get(&image->layout->fields[column], column, image->words);
    const struct layout *newest = table_newest(table);
    return column < newest->count ? newest->fields[column].missing : DATUM_NULL;
}

void record_free_strings(struct table *table, struct record *record)
{
    uint64_t meta = atomic_load_explicit(&record->meta, memory_order_acquire);
    const struct layout *layout = table_layout(table, META_LAYOUT(meta));
    if (!layout->strings)
        return;
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct field *field = &layout->fields[c];
        if (field->kind != FIELD_STR)
            continue;
        uint64_t view[2];
        struct str s;
        view[0] =
            atomic_load_explicit(&record->words[field->offset / 8], memory_order_acquire);
        view[1] = atomic_load_explicit(&record->words[field->offset / 8 + 1],
                                       memory_order_acquire);
        memcpy(&s, view, 16);
        if (s.len > STR_INLINE)
            mem_free((char *)(uintptr_t)s.data);
    }
}
