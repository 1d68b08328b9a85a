/* strip.c - from stored buffers to a decoded column, and from that to vectors and values.
 *
 * Each buffer is verified against its checksum before it is decoded. Integers are narrowed
 * to the width that the zone map proves; that every value fits is checked on the way, so a
 * zone map that is wrong is damage, not a wrong answer.
 */
#include "block/block_int.h"

#include <stdio.h>

/* ------------------------------------------------------------------ buffers ---- */

static kdk_status damaged(const struct os_file *file, uint64_t offset, const char *what,
                          const char *why, struct err *err)
{
    err_set(err, KDK_CORRUPT, "block file \"%s\" is damaged at offset %llu",
            os_file_path(file), (unsigned long long)offset);
    err_detail(err, "%s: %s.", what, why);
    return KDK_CORRUPT;
}

static kdk_status buffer_decode(struct os_file *file, const struct strip_buffer *b,
                                const uint8_t *stored, void *into, const char *what,
                                struct err *err)
{
    kdk_status status = KDK_OK;

    if (crc32c(0, stored, (size_t)b->stored_bytes) != b->crc)
        return damaged(file, b->offset, what, "the checksum is wrong", err);
    if (b->prefix_bytes &&
        get_u64(stored) != (b->codec == ARROW_CODEC_NONE ? UINT64_MAX : b->decoded_bytes))
        return damaged(file, b->offset, what, "its length is not what the directory says",
                       err);
    status = arrow_decode((enum arrow_codec)b->codec, stored + b->prefix_bytes,
                          (size_t)(b->stored_bytes - b->prefix_bytes), into,
                          (size_t)b->decoded_bytes, err);
    if (status == KDK_CORRUPT)
        return damaged(file, b->offset, what, "it cannot be decoded", err);
    return status;
}

kdk_status block_buffers_read(struct os_file *file, const struct strip_buffer *b,
                              uint32_t count, void *const *into, const char *what,
                              struct decode_counts *counts, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *stored = NULL;
    uint64_t from = UINT64_MAX, end = 0, sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (!b[i].stored_bytes)
            continue;
        from = MIN(from, b[i].offset);
        end = MAX(end, b[i].offset + b[i].stored_bytes);
        sum += b[i].stored_bytes;
    }
    if (sum == 0)
        goto out;
    /* A writer puts them side by side; then one read gets them all. */
    if (end - from > sum + 4096) {
        status = damaged(file, from, what, "its buffers lie apart", err);
        goto out;
    }
    TRY_MEM(stored = mem_alloc((size_t)(end - from)));
    TRY(os_read_exact(file, from, stored, (size_t)(end - from), err));
    counts->bytes_read += end - from;
    for (uint32_t i = 0; i < count; i++) {
        if (!b[i].stored_bytes)
            continue;
        TRY(buffer_decode(file, &b[i], stored + (b[i].offset - from), into[i], what, err));
        counts->buffers++;
        counts->bytes_decoded += b[i].decoded_bytes;
    }
out:
    mem_free(stored);
    return status;
}

/* ------------------------------------------------------------------ columns ---- */

static const char *check_offsets(const uint32_t *offsets, uint32_t rows,
                                 uint64_t text_bytes)
{
    bool descends = offsets[0] != 0;

    for (uint32_t i = 0; i < rows; i++)
        descends |= offsets[i + 1] < offsets[i];
    if (descends)
        return "text offsets descend";
    return offsets[rows] == text_bytes ? NULL : "text offsets do not end with the text";
}
static const char *check_codes(int32_t *codes, const uint64_t *validity, uint32_t rows,
                               uint32_t entries, uint32_t known)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < rows; i++)
        most = MAX(most, (uint32_t)codes[i]); /* NULL rows have code 0. */
    if (entries > known)
        return "its dictionary has fewer entries than it uses";
    if (most >= entries && (most > 0 || !validity))
        return "a code is not in the dictionary";
    return NULL;
}

kdk_status strip_fits(const struct strip_entry *entry, const struct strip_column *column,
                      struct ltype type, const struct dict *dict, struct err *err)
{
    if (block_form_fits((enum strip_form)column->form, type) &&
        (column->form != STRIP_CODE || dict))
        return KDK_OK;
    err_set(err, KDK_CORRUPT,
            "strip %u of block file %llu holds column %u in a form that does not fit",
            entry->strip, (unsigned long long)entry->file, column->number);
    err_detail(err, "Form %u, type %s%s.", column->form, ltype_id_name(type.id),
               dict ? "" : ", no dictionary");
    return KDK_CORRUPT;
}

kdk_status strip_decode(struct os_file *file, const struct strip_entry *entry,
                        const struct strip_column *column, struct ltype type,
                        struct dict *dict, bool narrow, struct strip_data **out,
                        struct decode_counts *counts, struct err *err)
{
    kdk_status status = KDK_OK;
    enum strip_form form = (enum strip_form)column->form;
    enum vwidth stored_width = block_form_width(form), width = stored_width;
    const struct zone *zone = &column->zone;
    uint32_t rows = entry->rows;
    struct strip_data *data = NULL;
    void *wide = NULL;
    const char *why = NULL;
    char what[64];

    TRY(strip_fits(entry, column, type, dict, err));
    bool integer = form >= STRIP_I8 && form <= STRIP_I128;
    if (integer && narrow)
        width = zone->known ? MIN(vwidth_for(zone->min.w, zone->max.w), stored_width) : W_8;

    /* One block of memory for all; SIMD may read somewhat past the end of an array. */
    size_t validity_bytes =
        column->buffers[0].stored_bytes ? align_up(bits_words(rows) * 8, 64) : 0;
    size_t text_bytes =
        form == STRIP_TEXT ? align_up((size_t)column->buffers[2].decoded_bytes, 64) : 0;
    size_t value_bytes = form == STRIP_TEXT   ? ((size_t)rows + 1) * 4
                         : form == STRIP_BOOL ? bits_words(rows) * 8
                         : form == STRIP_CODE ? (size_t)rows * 4
                                              : (size_t)rows * vwidth_bytes(width);
    size_t head_bytes = align_up(sizeof *data, 64), total;
    total = size_add(size_add(head_bytes, validity_bytes),
                     size_add(align_up(value_bytes, 64), size_add(text_bytes, 64)));
    TRY_MEM(data = mem_alloc_aligned(64, total));
    memset(data, 0, head_bytes + validity_bytes);
    atomic_init(&data->pins, 1);
    atomic_init(&data->visited, false);
    data->file = entry->file;
    data->strip = entry->strip;
    data->column = column->number;
    data->type = type;
    data->width = (uint8_t)width;
    data->rows = rows;
    data->codes = form == STRIP_CODE;
    data->dict = data->codes ? dict : NULL;
    data->bytes = total;
    data->validity = validity_bytes ? (void *)((char *)data + head_bytes) : NULL;
    data->data = (char *)data + head_bytes + validity_bytes;
    data->text = (char *)data->data + align_up(value_bytes, 64);
    memset((char *)data->data + value_bytes, 0,
           total - head_bytes - validity_bytes - value_bytes);
    if (form == STRIP_BOOL)
        memset(data->data, 0, value_bytes);
    if (width != stored_width)
        TRY_MEM(wide = mem_alloc_aligned(64, (size_t)rows * vwidth_bytes(stored_width)));

    void *into[3] = {data->validity, wide ? wide : data->data,
                     (void *)(uintptr_t)data->text};
    snprintf(what, sizeof what, "Strip %u, column %u", entry->strip, column->number);
    TRY(block_buffers_read(file, column->buffers, block_form_buffers(form), into, what,
                           counts, err));
    /* Bits past the end are zero in memory, whatever the file has. */
    if (rows % 64 && data->validity)
        data->validity[rows / 64] &= (1ull << rows % 64) - 1;
    if (rows % 64 && form == STRIP_BOOL)
        ((uint64_t *)data->data)[rows / 64] &= (1ull << rows % 64) - 1;
    if (wide && !narrow_copy(width, data->data, stored_width, wide, rows))
        why = "a value is outside its zone map";
    else if (form == STRIP_TEXT)
        why = check_offsets(data->data, rows, column->buffers[2].decoded_bytes);
    else if (form == STRIP_CODE)
        why = check_codes(data->data, data->validity, rows, column->dict_entries,
                          dict_count(dict));
    if (!why && data->validity &&
        rows - bits_count(data->validity, rows) != zone->null_count)
        why = "the number of NULLs is wrong";
    if (why) {
        status = damaged(file, column->buffers[1].offset, what, why, err);
        goto out;
    }
    *out = data;
    data = NULL;
out:
    mem_free(wide);
    strip_data_free(data);
    return status;
}

void strip_data_free(struct strip_data *data)
{
    mem_free(data);
}
void strip_unpin(const struct strip_data *data)
{
    struct strip_data *mine = (struct strip_data *)(uintptr_t)data;

    if (mine && atomic_fetch_sub_explicit(&mine->pins, 1, memory_order_acq_rel) == 1)
        strip_data_free(mine);
}

/* ------------------------------------------------------------------ vectors ---- */

/* Bits from..from+count of a strip's bitmap as a vector's: in place when they begin and end
 * where words do, or where the bitmap ends; else copied. */
static uint64_t *bits_view(const struct strip_data *data, uint64_t *bits, uint32_t from,
                           uint32_t count, uint64_t *room)
{
    if (from % 64 == 0 && (count % 64 == 0 || from + count == data->rows))
        return bits + from / 64;
    bits_copy(room, (const uint8_t *)bits, from, count);
    return room;
}

void strip_vec(const struct strip_data *data, uint32_t from, uint32_t count,
               const struct sel *sel, struct vec *out)
{
    ASSERT(count <= BATCH_ROWS);
    ASSERT(from + count <= data->rows);
    bool text = data->width == W_STR && !data->codes;
    /* What is not selected must be readable: empty views, unless all are made. */
    if (text && sel && sel->count < count)
        vec_reset(out, W_STR);
    out->owned = text;
    out->form = data->codes ? VF_DICT : VF_FLAT;
    out->width = data->width;
    out->load = NULL;
    out->lazy = NULL;
    out->values = NULL;
    out->dict_id = 0;
    out->validity = data->validity
                        ? bits_view(data, data->validity, from, count, out->room_validity)
                        : NULL;
    if (data->codes) {
        out->data = (int32_t *)data->data + from;
        out->values = dict_values(data->dict);
        out->dict_id = dict_id(data->dict);
    } else if (text) {
        struct str *views = out->room;
        const uint32_t *offsets = (const uint32_t *)data->data + from;
        struct sel all = {.count = count};
        out->data = views;
        if (!sel)
            sel = &all;
        for (uint32_t k = 0; k < sel->count; k++) {
            uint32_t row = SEL_ROW(sel, k);
            views[row] = str_of(data->text + offsets[row], offsets[row + 1] - offsets[row]);
        }
        /* The validity may be the strip's own, which is not the vector's to write. */
        out->owned = !out->validity || out->validity == out->room_validity;
    } else if (data->width == W_BIT) {
        out->data = bits_view(data, data->data, from, count, out->room);
    } else {
        out->data =
            (uint8_t *)data->data + (size_t)from * vwidth_bytes((enum vwidth)data->width);
    }
}

struct datum strip_value(const struct strip_data *data, uint32_t row)
{
    struct datum d = DATUM_NULL;
    struct vec v = {
        .type = data->type, .width = data->width, .form = VF_FLAT, .data = data->data};

    ASSERT(row < data->rows);
    if (data->validity && !bit_get(data->validity, row))
        return d;
    if (data->codes) {
        memset(&d, 0, sizeof d);
        d.s = dict_value(data->dict, (uint32_t)((const int32_t *)data->data)[row]);
        return d;
    }
    if (data->width == W_STR) {
        const uint32_t *offsets = data->data;
        memset(&d, 0, sizeof d);
        d.s = str_of(data->text + offsets[row], offsets[row + 1] - offsets[row]);
        return d;
    }
    return vec_get(&v, row);
}
