/* check.c - block files that speak for themselves: the footer alone, and a walk over
 * everything. */
#include "block/block_int.h"

#include <inttypes.h>
#include <stdio.h>

/* ------------------------------------------------------------------- footer ---- */

static kdk_status bad_footer(const char *path, uint64_t bytes, const char *what,
                             struct err *err)
{
    err_set(err, KDK_CORRUPT, "block file \"%s\" is damaged at offset %" PRIu64, path,
            bytes);
    err_detail(err, "Footer: %s.", what);
    return KDK_CORRUPT;
}

void block_info_deinit(struct block_info *info)
{
    for (uint32_t i = 0; info->columns && i < info->column_count; i++)
        mem_free(info->columns[i].name);
    for (uint32_t i = 0; info->strips && i < info->strip_count; i++)
        strip_entry_unref(info->strips[i]);
    mem_free(info->columns);
    mem_free(info->strips);
    *info = (struct block_info){0};
}

static bool metadata_number(const struct arrow_metadata *metadata, const char *key,
                            uint64_t max, uint64_t *out)
{
    return block_number_parse(arrow_metadata_get(metadata, key, NULL), max, out);
}

static kdk_status columns_read(const char *path, uint64_t bytes,
                               const struct arrow_schema *schema, struct block_info *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_schema *want = NULL;
    uint64_t number;

    TRY_MEM(out->columns =
                mem_zalloc(size_mul(schema->child_count + 1, sizeof *out->columns)));
    out->column_count = (uint32_t)schema->child_count;
    for (uint32_t i = 0; i < out->column_count; i++) {
        const struct arrow_schema *field = schema->children[i];
        if (!metadata_number(&field->metadata, BLOCK_KEY "column", UINT32_MAX, &number) ||
            !block_type_parse(arrow_metadata_get(&field->metadata, BLOCK_KEY "type", NULL),
                              &out->columns[i].type) ||
            (i > 0 && number <= out->columns[i - 1].number)) {
            status =
                bad_footer(path, bytes, "a field has no sound column number or type", err);
            goto out;
        }
        out->columns[i].number = (uint32_t)number;
        out->columns[i].dictionary = field->dictionary != NULL;
        TRY_MEM(out->columns[i].name = mem_strdup(field->name));
        /* The Arrow type follows from the column's. */
        struct block_column column = {out->columns[i].number, out->columns[i].type,
                                      field->name, NULL};
        enum strip_form form;
        if (!block_form(column.type, &form) || (field->dictionary && form != STRIP_TEXT))
            form = STRIP_FORM_COUNT;
        else if (field->dictionary)
            form = STRIP_CODE;
        if (form != STRIP_FORM_COUNT)
            TRY(block_field(&column, form, &want, err));
        if (!want || !arrow_schema_same_type(want, field)) {
            status =
                bad_footer(path, bytes, "a field's Arrow type is not its column's", err);
            goto out;
        }
        arrow_schema_free(want);
        want = NULL;
    }
out:
    arrow_schema_free(want);
    return status;
}

static kdk_status footer_read(const char *path, const struct arrow_file *file,
                              uint64_t number, uint64_t bytes, struct block_info *out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    const struct arrow_metadata *metadata = arrow_file_metadata(file);
    uint64_t format, strips, crc;
    char key[64];

    out->bytes = bytes;
    if (!metadata_number(metadata, BLOCK_KEY "format", UINT32_MAX, &format))
        return bad_footer(path, bytes, "it is an Arrow file, but no block file", err);
    if (format != BLOCK_FORMAT)
        return err_set(err, KDK_UNSUPPORTED, "block file \"%s\" has format %" PRIu64, path,
                       format);
    if (!metadata_number(metadata, BLOCK_KEY "crc", UINT32_MAX, &crc) ||
        crc != block_metadata_crc(arrow_file_schema(file), metadata))
        return bad_footer(path, bytes, "the checksum of the metadata is wrong", err);
    if (!metadata_number(metadata, BLOCK_KEY "table", UINT64_MAX / 16, &out->table) ||
        !metadata_number(metadata, BLOCK_KEY "file", UINT64_MAX / 16, &out->file) ||
        !metadata_number(metadata, BLOCK_KEY "strips", FILE_STRIPS, &strips) ||
        strips != arrow_file_batch_count(file))
        return bad_footer(path, bytes, "a number is missing or wrong", err);
    if (out->file != number)
        return bad_footer(path, bytes, "it belongs to another file", err);
    TRY(columns_read(path, bytes, arrow_file_schema(file), out, err));
    TRY_MEM(out->strips = MEM_ARRAY(struct strip_entry *, strips + 1));
    for (uint32_t i = 0; i < strips; i++) {
        size_t length = 0;
        snprintf(key, sizeof key, BLOCK_KEY "strip.%" PRIu32, i);
        const char *text = arrow_metadata_get(metadata, key, &length);
        TRY(text ? strip_entry_parse(text, length, &out->strips[i], err)
                 : bad_footer(path, bytes, "the entry of a strip is missing", err));
        out->strip_count = i + 1;
        const struct strip_entry *entry = out->strips[i];
        bool same = entry->file == number && entry->strip == i &&
                    entry->column_count == out->column_count;
        for (uint32_t k = 0; same && k < out->column_count; k++)
            same = entry->columns[k].number == out->columns[k].number &&
                   block_form_fits((enum strip_form)entry->columns[k].form,
                                   out->columns[k].type) &&
                   (entry->columns[k].form == STRIP_CODE) == out->columns[k].dictionary;
        if (!same || (i > 0 && entry->first <= out->strips[i - 1]->last)) {
            status =
                bad_footer(path, bytes, "the entry of a strip contradicts the file", err);
            goto out;
        }
    }
out:
    return status;
}

/* An open block file and what reads it. */
struct opened {
    char path[BLOCK_PATH_BYTES];
    struct os_file *file;
    struct arrow_source source;
    struct arrow_file *arrow;
};
static void opened_close(struct opened *o)
{
    arrow_file_close(o->arrow);
    os_close(o->file);
}
static kdk_status opened_open(struct os *os, const char *dir, uint64_t number,
                              struct opened *o, struct err *err)
{
    kdk_status status = KDK_OK;

    TRY(block_path(dir, number, o->path, sizeof o->path, err));
    TRY(os_open(os, o->path, OS_READ, &o->file, err));
    TRY(arrow_source_of_file(o->file, &o->source, err));
out:
    return status;
}

kdk_status block_file_scan(struct os *os, const char *dir, uint64_t number,
                           struct block_info *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct opened o = {0};
    struct block_info info = {0};

    TRY(opened_open(os, dir, number, &o, err));
    TRY(arrow_file_open(&o.source, &o.arrow, err));
    TRY(footer_read(o.path, o.arrow, number, o.source.bytes, &info, err));
    *out = info;
    info = (struct block_info){0};
out:
    block_info_deinit(&info);
    opened_close(&o);
    return status;
}

/* --------------------------------------------------------------------- walk ---- */

struct walk {
    struct opened *o;
    const struct block_info *info;
    void (*report)(void *context, const char *line);
    void *context;
    uint64_t problems;
};

static void problem(struct walk *walk, uint64_t offset, const char *format, ...)
    KDK_PRINTF(3, 4);
static void problem(struct walk *walk, uint64_t offset, const char *format, ...)
{
    char line[1024];
    int length = snprintf(line, sizeof line, "block file \"%s\", offset %" PRIu64 ": ",
                          walk->o->path, offset);
    va_list args;

    if (length < 0 || (size_t)length >= sizeof line)
        length = 0;
    va_start(args, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, args);
    va_end(args);
    walk->problems++;
    if (walk->report)
        walk->report(walk->context, line);
}

/* Damage is reported and the walk goes on; anything else ends it. */
static kdk_status survive(struct walk *walk, uint64_t offset, kdk_status status,
                          struct err *err)
{
    if (status != KDK_CORRUPT && status != KDK_UNSUPPORTED)
        return status;
    problem(walk, offset, "%s %s", err->message, err->detail);
    err_clear(err);
    return KDK_OK;
}

static void check_layout(struct walk *walk, const struct strip_entry *entry,
                         const struct arrow_batch_layout *layout)
{
    uint32_t seen = 0;

    if (layout->length != entry->rows)
        problem(walk, layout->offset, "strip %u has %lld rows, not %u", entry->strip,
                (long long)layout->length, entry->rows);
    for (size_t i = 0; i < layout->buffer_count; i++) {
        const struct arrow_stored *stored = &layout->buffers[i];
        if (stored->column >= entry->column_count || stored->slot > 2)
            continue;
        const struct strip_buffer *b =
            &entry->columns[stored->column].buffers[stored->slot];
        seen++;
        if (stored->stored_bytes != b->stored_bytes ||
            (b->stored_bytes &&
             (stored->offset != b->offset || stored->decoded_bytes != b->decoded_bytes ||
              stored->codec != (enum arrow_codec)b->codec)))
            problem(walk, stored->offset,
                    "strip %u, column %u: message and directory differ on a buffer",
                    entry->strip, entry->columns[stored->column].number);
    }
    for (size_t i = 0; i < layout->node_count && i < entry->column_count; i++)
        if (layout->node_null_counts[i] != entry->columns[i].zone.null_count)
            problem(walk, layout->offset,
                    "strip %u, column %u: the number of NULLs is wrong", entry->strip,
                    entry->columns[i].number);
    uint32_t want = 0;
    for (uint32_t i = 0; i < entry->column_count; i++)
        want += block_form_buffers((enum strip_form)entry->columns[i].form);
    if (seen != want)
        problem(walk, layout->offset, "strip %u: the message has other columns",
                entry->strip);
}

/* The dictionary that the file embeds for a column, verified. */
static kdk_status dictionary_load(struct walk *walk, uint32_t at, struct dict **out,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    const struct block_info_column *column = &walk->info->columns[at];
    const struct arrow_schema *field = arrow_file_schema(walk->o->arrow)->children[at];
    struct block_dictionary place = {0};
    struct decode_counts counts = {0};
    struct arrow_array *values = NULL;
    struct dict *dict = NULL;
    uint32_t *offsets = NULL;
    char *text = NULL, key[64];
    size_t length = 0;

    snprintf(key, sizeof key, BLOCK_KEY "dictionary.%" PRIu32, column->number);
    const char *line =
        arrow_metadata_get(arrow_file_metadata(walk->o->arrow), key, &length);
    struct coder c = {.mode = CODER_READ_TEXT,
                      .in = cursor_of(line ? line : "", line ? length : 0)};
    code_dictionary(&c, &place);
    if (c.bad || place.entries > DICT_ENTRIES_MAX ||
        place.buffers[1].decoded_bytes != (place.entries + 1) * 4 ||
        place.buffers[0].stored_bytes || place.buffers[2].decoded_bytes > INT32_MAX) {
        status = bad_footer(walk->o->path, walk->o->source.bytes,
                            "a dictionary's line is wrong", err);
        goto out;
    }
    TRY_MEM(offsets = mem_alloc((size_t)place.buffers[1].decoded_bytes));
    TRY_MEM(text = mem_alloc((size_t)place.buffers[2].decoded_bytes + 1));
    void *into[3] = {NULL, offsets, text};
    TRY(block_buffers_read(walk->o->file, place.buffers, 3, into, "A dictionary", &counts,
                           err));
    TRY(arrow_file_dictionary(walk->o->arrow, field, &values, err));
    TRY(dict_new(1, column->type, &dict, err));
    if (values->length != (int64_t)place.entries) {
        status = bad_footer(walk->o->path, walk->o->source.bytes,
                            "a dictionary has another number of entries", err);
        goto out;
    }
    for (uint32_t i = 0; i < place.entries; i++) {
        size_t bytes;
        const uint8_t *value = arrow_bytes(field->dictionary, values, i, &bytes);
        TRY(dict_import(dict, i, str_of((const char *)value, bytes), err));
        if (bytes != offsets[i + 1] - offsets[i] ||
            (bytes && memcmp(text + offsets[i], value, bytes) != 0)) {
            status = bad_footer(walk->o->path, place.buffers[1].offset,
                                "a dictionary lies elsewhere", err);
            goto out;
        }
    }
    *out = dict;
    dict = NULL;
out:
    dict_free(dict);
    arrow_array_unref(values);
    mem_free(offsets);
    mem_free(text);
    return status;
}

static bool zone_true(const struct zone *said, const struct zone *is, struct ltype type)
{
    if (said->null_count != is->null_count || said->known != is->known ||
        said->nan != is->nan)
        return false;
    if (!is->known)
        return true;
    /* Both were cut alike, so cut bounds compare as they are. */
    return datum_compare(type, &said->min, &is->min) <= 0 &&
           datum_compare(type, &said->max, &is->max) >= 0 &&
           (said->max_cut || !is->max_cut);
}

static kdk_status check_column(struct walk *walk, const struct strip_entry *entry,
                               uint32_t at, struct dict *dict, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct strip_column *column = &entry->columns[at];
    struct ltype type = walk->info->columns[at].type;
    struct strip_data *data = NULL;
    struct decode_counts counts = {0};
    struct zone zone;
    struct sketch sketch;

    if (column->form == STRIP_CODE && !dict)
        goto out; /* Reported already. */
    /* Narrowing tests the values against the zone map, too: done first for what it says. */
    TRY(strip_decode(walk->o->file, entry, column, type, dict, true, &data, &counts, err));
    strip_unpin(data);
    data = NULL;
    TRY(strip_decode(walk->o->file, entry, column, type, dict, false, &data, &counts, err));
    struct zone_source source = {.type = type,
                                 .form = (enum strip_form)column->form,
                                 .rows = entry->rows,
                                 .validity = data->validity,
                                 .data = data->data,
                                 .text = data->text,
                                 .dict = dict};
    zone_build(&source, &zone, &sketch);
    if (!zone_true(&column->zone, &zone, type))
        problem(walk, column->buffers[1].offset,
                "strip %u, column %u: the zone map is not true", entry->strip,
                column->number);
    if (memcmp(&sketch, &column->sketch, sizeof sketch) != 0)
        problem(walk, column->buffers[1].offset,
                "strip %u, column %u: the sketch is another's", entry->strip,
                column->number);
out:
    strip_unpin(data);
    return status;
}

static kdk_status check_strip(struct walk *walk, uint32_t at, struct dict *const *dicts,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    const struct strip_entry *entry = walk->info->strips[at];
    struct arrow_batch_layout layout = {0};
    struct arrow_array *batch = NULL;

    status = arrow_file_batch_layout(walk->o->arrow, at, &layout, err);
    if (status == KDK_OK)
        check_layout(walk, entry, &layout);
    TRY(survive(walk, 0, status, err));
    for (uint32_t i = 0; i < entry->column_count; i++)
        TRY(survive(walk, entry->columns[i].buffers[1].offset,
                    check_column(walk, entry, i, dicts[i], err), err));
    /* As outsiders read it. */
    TRY(survive(walk, layout.offset,
                arrow_file_read(walk->o->arrow, at, NULL, 0, &batch, NULL, err), err));
out:
    arrow_array_unref(batch);
    arrow_batch_layout_deinit(&layout);
    return status;
}

kdk_status block_check(struct os *os, const char *dir, uint64_t number,
                       struct strip_entry *const *entries, uint32_t entry_count,
                       void (*report)(void *context, const char *line), void *context,
                       uint64_t *problems, struct err *err)
{
    kdk_status status = KDK_OK;
    struct opened o = {0};
    struct block_info info = {0};
    struct walk walk = {.o = &o, .info = &info, .report = report, .context = context};
    struct dict **dicts = NULL;
    struct err own = {0}; /* Messages are needed for the report. */

    if (!err)
        err = &own;
    *problems = 0;
    TRY(opened_open(os, dir, number, &o, err));
    status = arrow_file_open(&o.source, &o.arrow, err);
    if (status == KDK_OK)
        status = footer_read(o.path, o.arrow, number, o.source.bytes, &info, err);
    TRY(survive(&walk, o.source.bytes, status, err));
    if (walk.problems)
        goto out;
    for (uint32_t i = 0; entries && i < MAX(entry_count, info.strip_count); i++)
        if (i >= entry_count || i >= info.strip_count ||
            !strip_entry_equal(entries[i], info.strips[i]))
            problem(&walk, o.source.bytes, "strip %u: the directory and the footer differ",
                    i);
    TRY_MEM(dicts = MEM_ARRAY(struct dict *, info.column_count + 1));
    for (uint32_t i = 0; i < info.column_count; i++)
        if (info.columns[i].dictionary)
            TRY(survive(&walk, o.source.bytes, dictionary_load(&walk, i, &dicts[i], err),
                        err));
    for (uint32_t i = 0; i < info.strip_count; i++)
        TRY(check_strip(&walk, i, dicts, err));
out:
    *problems = walk.problems;
    for (uint32_t i = 0; dicts && i < info.column_count; i++)
        dict_free(dicts[i]);
    mem_free(dicts);
    block_info_deinit(&info);
    opened_close(&o);
    return status;
}
