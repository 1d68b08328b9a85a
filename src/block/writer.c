/* writer.c - rows become strips, strips files.
 *
 * Rows are gathered column by column at full width until the strip is full; then its
 * strings get their codes, its zone maps are made, and it goes to the Arrow writer as one
 * batch over the gathered memory. Whether a string column is stored as codes is a property
 * of the file, as the schema stands at its beginning:
 *
 *   - the first strip decides: not if the dictionary is full, or if more than an eighth of
 *     its rows (and more than 16) have values that are new to it, which is what keeps free
 *     text from filling dictionaries;
 *   - a later strip that cannot keep to codes ends the file;
 *   - if at the end the dictionary's part that is embedded turns out larger than a tenth of
 *     the file, the file is written once more with the column plain, under another number,
 *     and the first is removed. This happens to small files only, since a dictionary is
 *     limited and files grow.
 */
#include "block/block_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { NEW_ENTRIES_MIN = 16, NEW_ENTRIES_SHARE = 8, DICT_FILE_SHARE = 10 };

/* A column of the strip that is being gathered. */
struct gather {
    struct block_column column; /* Name owned. */
    enum strip_form form;       /* Plain. */
    uint8_t *data;              /* Values; bits; or offsets, one more than rows. */
    uint64_t *validity;         /* Always kept; `nulls` tells whether it matters. */
    uint32_t nulls;
    struct buf text;
    int32_t *codes; /* Columns with a dictionary. */
    bool want_codes;
};

/* What a strip's column is written from. */
struct source {
    enum strip_form form;
    const uint64_t *validity; /* NULL: no NULLs */
    uint32_t nulls;
    const void *data;
    const char *text;
    size_t text_bytes;
};

/* The file that is being written. */
struct making {
    struct os_file *file; /* NULL: none. */
    uint64_t number, at;  /* `at`: bytes written. */
    char path[BLOCK_PATH_BYTES];
    struct arrow_schema *schema;
    struct arrow_writer *arrow;
    struct strip_entry **entries;
    uint32_t entry_count;
    enum strip_form *forms;           /* Of each column. */
    uint32_t *dict_entries;           /* Codes of each column are below. */
    struct arrow_array **dict_arrays; /* What the last batch had. */
};

struct block_writer {
    struct block_writer_options options; /* `columns` NULL: see `columns` below. */
    char *dir;
    struct gather *columns;
    uint32_t rows, rows_max;
    uint64_t bytes, fixed_bytes; /* Gathered so far; of a row without text. */
    uint64_t *row_bytes;         /* Of the batch that is being added. */
    struct strip_draft draft;
    uint64_t *ids; /* Of the rows gathered. */
    uint64_t last_id;
    uint32_t *place; /* struct strip_order */
    uint8_t *moving; /* Room for a column. */
    struct source *sources;
    struct making making;
    bool failed;
};

/* -------------------------------------------------------------------- files ---- */

static void making_deinit(struct block_writer *w, struct making *m, bool remove)
{
    if (m->dict_arrays)
        for (uint32_t i = 0; i < w->options.column_count; i++)
            arrow_array_unref(m->dict_arrays[i]);
    for (uint32_t i = 0; i < m->entry_count; i++)
        strip_entry_unref(m->entries[i]);
    mem_free(m->entries);
    mem_free(m->forms);
    mem_free(m->dict_entries);
    mem_free(m->dict_arrays);
    arrow_writer_free(m->arrow);
    arrow_schema_free(m->schema);
    os_close(m->file);
    /* Best effort: whatever stays is a file that nothing refers to, which opening the
     * database removes. */
    if (remove && m->path[0])
        (void)!os_remove(w->options.os, m->path, NULL);
    memset(m, 0, sizeof *m);
}

static kdk_status sink_write(void *context, const void *from, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    struct making *m = context;

    TRY(os_write(m->file, m->at, from, bytes, err));
    m->at += bytes;
out:
    return status;
}

/* Begins a file whose columns have these forms. */
static kdk_status making_begin(struct block_writer *w, struct making *m,
                               const enum strip_form *forms, struct err *err)
{
    static const struct arrow_writer_options arrow_options = {.file = true,
                                                              .dictionaries_last = true};
    kdk_status status = KDK_OK;
    uint32_t n = w->options.column_count;
    struct arrow_sink sink = {sink_write, m};

    memset(m, 0, sizeof *m);
    TRY_MEM(m->forms = MEM_ARRAY(enum strip_form, n + 1));
    TRY_MEM(m->dict_entries = MEM_ARRAY(uint32_t, n + 1));
    TRY_MEM(m->dict_arrays = MEM_ARRAY(struct arrow_array *, n + 1));
    TRY_MEM(m->entries = MEM_ARRAY(struct strip_entry *, w->options.file_strips));
    memcpy(m->forms, forms, n * sizeof *forms);
    TRY(arrow_schema_new(ARROW_STRUCT, "", &m->schema, err));
    for (uint32_t i = 0; i < n; i++) {
        struct arrow_schema *field;
        TRY(block_field(&w->columns[i].column, forms[i], &field, err));
        TRY(arrow_schema_add(m->schema, field, err));
    }
    TRY(w->options.next_file(w->options.context, &m->number, err));
    TRY(block_path(w->dir, m->number, m->path, sizeof m->path, err));
    TRY(os_open(w->options.os, m->path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &m->file, err));
    TRY(arrow_writer_open(&sink, m->schema, &arrow_options, &m->arrow, err));
out:
    return status;
}

/* ----------------------------------------------------------- arrays for Arrow ---- */

static void borrowed_release(struct arrow_buffer *buffer)
{
    mem_free(buffer);
}
static kdk_status borrow(const void *data, size_t bytes, struct arrow_buffer **out,
                         struct err *err)
{
    if (bytes == 0) {
        *out = arrow_buffer_ref(arrow_buffer_zeroes());
        return KDK_OK;
    }
    return arrow_buffer_wrap((void *)(uintptr_t)data, bytes, borrowed_release, NULL, out,
                             err);
}

/* Bytes of the values buffer as Arrow has them. */
static size_t values_bytes(enum strip_form form, uint32_t rows)
{
    if (form == STRIP_BOOL)
        return ((size_t)rows + 7) / 8;
    return form == STRIP_TEXT ? ((size_t)rows + 1) * 4
                              : (size_t)rows * block_form_bytes(form);
}

static kdk_status source_array(const struct source *source, uint32_t rows,
                               struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;

    TRY(arrow_array_new(rows, source->nulls, block_form_buffers(source->form), 0, &array,
                        err));
    if (source->nulls)
        TRY(borrow(source->validity, ((size_t)rows + 7) / 8, &array->buffers[0], err));
    TRY(borrow(source->data, values_bytes(source->form, rows), &array->buffers[1], err));
    if (source->form == STRIP_TEXT)
        TRY(borrow(source->text, source->text_bytes, &array->buffers[2], err));
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}

/* The first entries of a dictionary, copied. */
static kdk_status dict_array(const struct dict *dict, uint32_t entries,
                             struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *array = NULL;
    size_t bytes = 0;

    for (uint32_t i = 0; i < entries; i++)
        bytes += dict_value(dict, i).len;
    TRY(arrow_array_new(entries, 0, 3, 0, &array, err));
    TRY(arrow_buffer_new(((size_t)entries + 1) * 4, &array->buffers[1], err));
    TRY(arrow_buffer_new(bytes, &array->buffers[2], err));
    bytes = 0;
    for (uint32_t i = 0; i < entries; i++) {
        struct str value = dict_value(dict, i);
        put_u32(array->buffers[1]->data + i * 4u, (uint32_t)bytes);
        if (value.len)
            memcpy(array->buffers[2]->data + bytes, str_data(&value), value.len);
        bytes += value.len;
    }
    put_u32(array->buffers[1]->data + entries * 4u, (uint32_t)bytes);
    *out = array;
    array = NULL;
out:
    arrow_array_unref(array);
    return status;
}

/* ------------------------------------------------------------------- strips ---- */

static kdk_status strip_batch(struct block_writer *w, struct making *m,
                              const struct source *sources, uint32_t rows,
                              struct arrow_array **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *batch = NULL;

    TRY(arrow_array_new(rows, 0, 1, w->options.column_count, &batch, err));
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        TRY(source_array(&sources[i], rows, &batch->children[i], err));
        if (sources[i].form != STRIP_CODE)
            continue;
        uint32_t need = m->dict_entries[i];
        const int32_t *codes = sources[i].data;
        for (uint32_t row = 0; row < rows; row++)
            need = MAX(need, (uint32_t)codes[row] +
                                 (!sources[i].nulls || bit_get(sources[i].validity, row)));
        if (need > m->dict_entries[i] || !m->dict_arrays[i]) {
            struct arrow_array *values;
            TRY(dict_array(w->columns[i].column.dict, need, &values, err));
            arrow_array_unref(m->dict_arrays[i]);
            m->dict_arrays[i] = values;
            m->dict_entries[i] = need;
        }
        batch->children[i]->dictionary = arrow_array_ref(m->dict_arrays[i]);
    }
    *out = batch;
    batch = NULL;
out:
    arrow_array_unref(batch);
    return status;
}

static void buffer_place(struct strip_buffer *b, const struct arrow_stored *stored)
{
    *b = (struct strip_buffer){0};
    if (!stored->stored_bytes)
        return;
    b->offset = stored->offset;
    b->stored_bytes = stored->stored_bytes;
    b->decoded_bytes = stored->decoded_bytes;
    b->crc = stored->crc;
    b->codec = (uint8_t)stored->codec;
    b->prefix_bytes = (uint8_t)stored->prefix_bytes;
}

/* Writes a strip; `draft` has ids, zone maps and sketches, and gets the places. */
static kdk_status strip_write(struct block_writer *w, struct making *m,
                              const struct source *sources, struct strip_draft *draft,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_array *batch = NULL;
    struct arrow_batch_layout layout = {0};
    struct arrow_batch_options options = {.codec = w->options.codec,
                                          .level = w->options.level};

    TRY(strip_batch(w, m, sources, draft->head.rows, &batch, err));
    TRY(arrow_writer_batch(m->arrow, batch, &options, &layout, err));
    draft->head.file = m->number;
    draft->head.strip = m->entry_count;
    draft->head.newest = w->options.newest;
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        draft->columns[i].form = (uint8_t)sources[i].form;
        draft->columns[i].dict_entries =
            sources[i].form == STRIP_CODE ? m->dict_entries[i] : 0;
    }
    for (size_t i = 0; i < layout.buffer_count; i++)
        buffer_place(
            &draft->columns[layout.buffers[i].column].buffers[layout.buffers[i].slot],
            &layout.buffers[i]);
    TRY(strip_entry_new(draft, &m->entries[m->entry_count], err));
    m->entry_count++;
out:
    arrow_batch_layout_deinit(&layout);
    arrow_array_unref(batch);
    return status;
}

/* ------------------------------------------------------------------- footer ---- */

static kdk_status metadata_add(struct arrow_metadata *metadata, const char *key,
                               const struct buf *value, struct err *err)
{
    return arrow_metadata_add(metadata, key, strlen(key), value->data ? value->data : "",
                              value->len, err);
}
static kdk_status metadata_number(struct arrow_metadata *metadata, const char *key,
                                  uint64_t value, struct err *err)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, value);
    return arrow_metadata_add(metadata, key, strlen(key), text, strlen(text), err);
}

static kdk_status footer_make(struct block_writer *w, struct making *m,
                              struct arrow_metadata *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf text = {0};
    char key[64];
    size_t next = 0;

    TRY(metadata_number(out, BLOCK_KEY "format", BLOCK_FORMAT, err));
    TRY(metadata_number(out, BLOCK_KEY "table", w->options.table, err));
    TRY(metadata_number(out, BLOCK_KEY "file", m->number, err));
    TRY(metadata_number(out, BLOCK_KEY "strips", m->entry_count, err));
    for (uint32_t i = 0; i < m->entry_count; i++) {
        buf_clear(&text);
        TRY(strip_entry_print(m->entries[i], &text, err));
        snprintf(key, sizeof key, BLOCK_KEY "strip.%" PRIu32, i);
        TRY(metadata_add(out, key, &text, err));
    }
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        if (m->forms[i] != STRIP_CODE)
            continue;
        struct block_dictionary place = {.entries = m->dict_entries[i]};
        struct coder c = {.mode = CODER_WRITE_TEXT, .out = &text};
        TRY_ASSERT(next < arrow_writer_dictionary_count(m->arrow));
        const struct arrow_batch_layout *layout = arrow_writer_dictionary(m->arrow, next++);
        for (size_t k = 0; k < layout->buffer_count; k++)
            buffer_place(&place.buffers[layout->buffers[k].slot], &layout->buffers[k]);
        buf_clear(&text);
        code_dictionary(&c, &place);
        TRY(buf_status(&text, err));
        snprintf(key, sizeof key, BLOCK_KEY "dictionary.%" PRIu32,
                 w->columns[i].column.number);
        TRY(metadata_add(out, key, &text, err));
    }
    TRY(metadata_number(out, BLOCK_KEY "crc", block_metadata_crc(m->schema, out), err));
out:
    buf_deinit(&text);
    return status;
}

/* Writes dictionaries and footer, and makes all durable. */
static kdk_status making_finish(struct block_writer *w, struct making *m, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arrow_metadata metadata = {0};
    struct arrow_batch_options options = {.codec = w->options.codec,
                                          .level = w->options.level};

    TRY(arrow_writer_dictionaries(m->arrow, &options, err));
    TRY(footer_make(w, m, &metadata, err));
    TRY(arrow_writer_finish(m->arrow, &options, &metadata, err));
    TRY(os_sync(m->file, err));
    os_close(m->file);
    m->file = NULL;
    TRY(os_sync_dir(w->options.os, w->dir, err));
out:
    arrow_metadata_deinit(&metadata);
    return status;
}

/* ------------------------------------------------------ writing a file anew ---- */

/* Which code columns carry too much dictionary; true if any. */
static bool forms_too_dear(const struct block_writer *w, const struct making *m,
                           enum strip_form *forms)
{
    bool any = false;

    for (uint32_t i = 0; i < w->options.column_count; i++) {
        forms[i] = m->forms[i];
        if (forms[i] != STRIP_CODE || !m->dict_arrays[i])
            continue;
        uint64_t bytes =
            (uint64_t)m->dict_entries[i] * 4 + m->dict_arrays[i]->buffers[2]->bytes;
        if (bytes > m->at / DICT_FILE_SHARE && m->dict_entries[i] > NEW_ENTRIES_MIN) {
            forms[i] = STRIP_TEXT;
            any = true;
        }
    }
    return any;
}

/* Codes to offsets and text. */
static kdk_status source_plain(const struct strip_data *data, struct source *source,
                               uint32_t **offsets, struct buf *text, struct err *err)
{
    kdk_status status = KDK_OK;
    const int32_t *codes = data->data;

    TRY_MEM(*offsets = mem_alloc(((size_t)data->rows + 1) * 4));
    for (uint32_t i = 0; i < data->rows; i++) {
        (*offsets)[i] = (uint32_t)text->len;
        if (data->validity && !bit_get(data->validity, i))
            continue;
        struct str value = dict_value(data->dict, (uint32_t)codes[i]);
        buf_add(text, str_data(&value), value.len);
    }
    (*offsets)[data->rows] = (uint32_t)text->len;
    TRY(buf_status(text, err));
    source->data = *offsets;
    source->text = text->data;
    source->text_bytes = text->len;
out:
    return status;
}

static kdk_status strip_rewrite(struct block_writer *w, const struct making *from,
                                const struct strip_entry *entry, struct making *to,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t n = w->options.column_count;
    struct strip_data **data = NULL;
    struct source *sources = NULL;
    uint32_t **offsets = NULL;
    struct buf *texts = NULL;
    struct decode_counts counts = {0};
    struct strip_draft draft = {.head.rows = entry->rows,
                                .head.first = entry->first,
                                .head.last = entry->last,
                                .head.run_count = entry->run_count,
                                .head.column_count = n};

    TRY_MEM(data = MEM_ARRAY(struct strip_data *, n + 1));
    TRY_MEM(sources = MEM_ARRAY(struct source, n + 1));
    TRY_MEM(offsets = MEM_ARRAY(uint32_t *, n + 1));
    TRY_MEM(texts = MEM_ARRAY(struct buf, n + 1));
    TRY_MEM(draft.columns = mem_dup(entry->columns, (n + !n) * sizeof *draft.columns));
    TRY_MEM(draft.runs = mem_dup(entry->runs, entry->run_count * sizeof *draft.runs));
    for (uint32_t i = 0; i < n; i++) {
        TRY(strip_decode(from->file, entry, &entry->columns[i], w->columns[i].column.type,
                         w->columns[i].column.dict, false, &data[i], &counts, err));
        sources[i] = (struct source){
            .form = to->forms[i],
            .validity = data[i]->validity,
            .nulls = entry->columns[i].zone.null_count,
            .data = data[i]->data,
            .text = data[i]->text,
            .text_bytes = (size_t)entry->columns[i].buffers[2].decoded_bytes};
        if (to->forms[i] == STRIP_TEXT && data[i]->codes)
            TRY(source_plain(data[i], &sources[i], &offsets[i], &texts[i], err));
        memset(draft.columns[i].buffers, 0, sizeof draft.columns[i].buffers);
    }
    TRY(strip_write(w, to, sources, &draft, err));
out:
    for (uint32_t i = 0; i < n; i++) {
        if (data)
            strip_unpin(data[i]);
        if (offsets)
            mem_free(offsets[i]);
        if (texts)
            buf_deinit(&texts[i]);
    }
    mem_free(data);
    mem_free(sources);
    mem_free(offsets);
    mem_free(texts);
    strip_draft_deinit(&draft);
    return status;
}

static kdk_status file_end(struct block_writer *w, struct err *err)
{
    kdk_status status = KDK_OK;
    struct making *m = &w->making, again = {0};
    enum strip_form *forms = NULL;

    if (!m->file)
        return KDK_OK;
    TRY_MEM(forms = MEM_ARRAY(enum strip_form, w->options.column_count + 1));
    if (forms_too_dear(w, m, forms)) {
        TRY(making_begin(w, &again, forms, err));
        for (uint32_t i = 0; i < m->entry_count; i++)
            TRY(strip_rewrite(w, m, m->entries[i], &again, err));
        TRY(making_finish(w, &again, err));
        making_deinit(w, m, true);
    } else {
        TRY(making_finish(w, m, err));
        again = *m;
        memset(m, 0, sizeof *m);
    }
    TRY(w->options.done(w->options.context, again.number, again.at, again.entries,
                        again.entry_count, err));
    making_deinit(w, &again, false);
out:
    making_deinit(w, &again, true); /* Empty when all went well. */
    mem_free(forms);
    return status;
}

/* ------------------------------------------------------------ ending a strip ---- */

/* Gives a string column its codes, if its dictionary can take it: sets want_codes. */
static kdk_status gather_encode(struct block_writer *w, struct gather *g, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint32_t *offsets = (const void *)g->data;
    const char *text = g->text.data ? g->text.data : "";
    uint32_t missing;

    g->want_codes = false;
    if (dict_full(g->column.dict))
        return KDK_OK;
    dict_find_many(g->column.dict, offsets, text, g->nulls ? g->validity : NULL, w->rows,
                   g->codes, &missing);
    /* Rows, not values: a new value that occurs often looks like many. So count again when
     * the first look says no. */
    if (missing > MAX((uint32_t)NEW_ENTRIES_MIN, w->rows / NEW_ENTRIES_SHARE)) {
        struct sketch sketch = {0};
        for (uint32_t i = 0; i < w->rows; i++)
            if (g->codes[i] < 0) {
                struct str value = str_of(text + offsets[i], offsets[i + 1] - offsets[i]);
                sketch_add(&sketch, str_hash(&value));
            }
        if (sketch_estimate(&sketch) >
            MAX((uint32_t)NEW_ENTRIES_MIN, w->rows / NEW_ENTRIES_SHARE))
            return KDK_OK;
    }
    for (uint32_t i = 0; i < w->rows; i++) {
        if (g->codes[i] >= 0)
            continue;
        TRY(dict_add(g->column.dict, str_of(text + offsets[i], offsets[i + 1] - offsets[i]),
                     &g->codes[i], err));
        if (g->codes[i] < 0) /* Full. */
            return KDK_OK;
    }
    g->want_codes = true;
out:
    return status;
}

/* ---- the order of a strip's rows ---- */

static void bits_order(uint64_t *bits, const uint32_t *place, uint32_t rows, uint64_t *room)
{
    memcpy(room, bits, bits_words(rows) * sizeof *room);
    for (uint32_t i = 0; i < rows; i++)
        bit_put(bits, i, bit_get(room, place[i]));
}

static kdk_status text_order(struct block_writer *w, struct gather *g, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t *offsets = (void *)g->data, *before = (void *)w->moving;
    struct buf text = {0};
    const char *from = g->text.data ? g->text.data : "";
    memcpy(before, offsets, (w->rows + 1) * sizeof *before);
    if (g->text.len && buf_reserve(&text, g->text.len) != KDK_OK)
        return err_nomem(err);
    for (uint32_t i = 0; i < w->rows; i++) {
        const uint32_t row = w->place[i];
        buf_add(&text, from + before[row], before[row + 1] - before[row]);
        offsets[i + 1] = (uint32_t)text.len;
    }
    TRY(buf_status(&text, err));
    buf_deinit(&g->text);
    g->text = text;
    text = (struct buf){0};
out:
    buf_deinit(&text);
    return status;
}

static kdk_status rows_order(struct block_writer *w, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        struct gather *g = &w->columns[i];
        const uint32_t bytes = block_form_bytes(g->form);
        bits_order(g->validity, w->place, w->rows, (uint64_t *)(void *)w->moving);
        if (g->form == STRIP_TEXT) {
            TRY(text_order(w, g, err));
        } else if (g->form == STRIP_BOOL) {
            bits_order((uint64_t *)(void *)g->data, w->place, w->rows,
                       (uint64_t *)(void *)w->moving);
        } else {
            memcpy(w->moving, g->data, (size_t)w->rows * bytes);
            for (uint32_t k = 0; k < w->rows; k++)
                memcpy(g->data + (size_t)k * bytes, w->moving + (size_t)w->place[k] * bytes,
                       bytes);
        }
    }
out:
    return status;
}

/* Bits from..from+count, which are cleared. */
static void bits_cut(uint64_t *bits, uint32_t from, uint32_t count, uint64_t *out)
{
    memset(out, 0, bits_words(count) * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        bit_put(out, i, bit_get(bits, from + i));
        bit_put(bits, from + i, false);
    }
}

/* What a strip leaves of the rows gathered: bits that it would show, while it is
 * written. */
struct rest {
    uint32_t rows;
    uint64_t *bits; /* Validity, and values of BOOLEAN, of each column in turn. */
    uint32_t *nulls;
};
static kdk_status rest_save(struct block_writer *w, uint32_t take, struct rest *rest,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    const uint32_t n = w->options.column_count;
    rest->rows = w->rows - take;
    w->rows = take;
    if (!rest->rows)
        return KDK_OK;
    const size_t words = bits_words(rest->rows);
    TRY_MEM(rest->bits = MEM_ARRAY(uint64_t, 2 * words * n + 1));
    TRY_MEM(rest->nulls = MEM_ARRAY(uint32_t, n + 1));
    for (uint32_t i = 0; i < n; i++) {
        struct gather *g = &w->columns[i];
        uint64_t *bits = rest->bits + 2 * words * i;
        bits_cut(g->validity, take, rest->rows, bits);
        for (uint32_t k = 0; k < rest->rows; k++)
            rest->nulls[i] += !bit_get(bits, k);
        g->nulls -= rest->nulls[i];
        if (g->form == STRIP_BOOL)
            bits_cut((uint64_t *)(void *)g->data, take, rest->rows, bits + words);
    }
out:
    return status;
}

/* The strip is written: what it left comes first now. */
static void rest_restore(struct block_writer *w, const struct rest *rest)
{
    const uint32_t take = w->rows, rows = rest->rows;
    const size_t words = bits_words(rows);
    w->rows = rows;
    w->bytes = rows * w->fixed_bytes;
    memmove(w->ids, w->ids + take, rows * sizeof *w->ids);
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        struct gather *g = &w->columns[i];
        const uint32_t bytes = block_form_bytes(g->form);
        g->nulls = rows ? rest->nulls[i] : 0;
        if (rows)
            memcpy(g->validity, rest->bits + 2 * words * i, words * sizeof *g->validity);
        if (g->form == STRIP_TEXT) {
            uint32_t *offsets = (void *)g->data;
            const uint32_t cut = rows ? offsets[take] : (uint32_t)g->text.len;
            for (uint32_t k = 0; k <= rows && rows; k++)
                offsets[k] = offsets[take + k] - cut;
            if (g->text.len > cut)
                memmove(g->text.data, g->text.data + cut, g->text.len - cut);
            g->text.len -= cut;
            w->bytes += g->text.len;
        } else if (g->form == STRIP_BOOL) {
            if (rows)
                memcpy(g->data, rest->bits + 2 * words * i + words,
                       words * sizeof(uint64_t));
        } else if (rows) {
            memmove(g->data, g->data + (size_t)take * bytes, (size_t)rows * bytes);
        }
    }
}

static kdk_status order_ask(struct block_writer *w, bool final, uint32_t *take,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_order order = {
        .rows = w->rows, .final = final, .take = w->rows, .place = w->place};
    TRY(w->options.strip(w->options.context, &order, err));
    TRY_ASSERT(order.take > 0 && order.take <= w->rows &&
               (!final || order.take == w->rows));
    if (order.moved)
        TRY(rows_order(w, err));
    *take = order.take;
out:
    return status;
}

/* `final`: it gets all rows there are. */
static kdk_status strip_end(struct block_writer *w, bool final, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t n = w->options.column_count;
    struct making *m = &w->making;
    enum strip_form *forms = NULL;
    struct rest rest = {0};
    uint32_t take = w->rows;
    bool fits = true;

    if (w->rows == 0)
        return KDK_OK;
    if (w->options.strip)
        TRY(order_ask(w, final, &take, err));
    TRY(rest_save(w, take, &rest, err));
    for (uint32_t i = 0; i < w->rows; i++)
        TRY(strip_draft_id(&w->draft, w->ids[i], err));
    TRY_MEM(forms = MEM_ARRAY(enum strip_form, n + 1));
    for (uint32_t i = 0; i < n; i++) {
        struct gather *g = &w->columns[i];
        forms[i] = g->form;
        if (!g->column.dict)
            continue;
        if (m->file && m->forms[i] != STRIP_CODE)
            continue; /* The file holds it plain. */
        TRY(gather_encode(w, g, err));
        if (g->want_codes)
            forms[i] = STRIP_CODE;
        fits &= !m->file || g->want_codes;
    }
    if (m->file && (!fits || m->entry_count == w->options.file_strips ||
                    m->at + w->bytes > FILE_BYTES_MAX)) {
        for (uint32_t i = 0; i < n; i++) {
            /* Columns that had to be plain may have a new start. */
            struct gather *g = &w->columns[i];
            if (!g->column.dict || m->forms[i] == STRIP_CODE)
                continue;
            TRY(gather_encode(w, g, err));
            if (g->want_codes)
                forms[i] = STRIP_CODE;
        }
        TRY(file_end(w, err));
    }
    if (!m->file)
        TRY(making_begin(w, m, forms, err));
    if (!w->draft.columns)
        TRY_MEM(w->draft.columns = MEM_ARRAY(struct strip_column, n + 1));
    w->draft.head.column_count = n;
    for (uint32_t i = 0; i < n; i++) {
        struct gather *g = &w->columns[i];
        struct source *s = &w->sources[i];
        struct strip_column *c = &w->draft.columns[i];
        *s = (struct source){
            .form = m->forms[i],
            .validity = g->nulls ? g->validity : NULL,
            .nulls = g->nulls,
            .data = m->forms[i] == STRIP_CODE ? (const void *)g->codes : g->data,
            .text = g->text.data ? g->text.data : "",
            .text_bytes = g->form == STRIP_TEXT
                              ? ((const uint32_t *)(const void *)g->data)[w->rows]
                              : 0};
        struct zone_source z = {.type = g->column.type,
                                .form = s->form,
                                .rows = w->rows,
                                .validity = s->validity,
                                .data = s->data,
                                .text = s->text,
                                .dict = g->column.dict};
        memset(c, 0, sizeof *c);
        c->number = g->column.number;
        zone_build(&z, &c->zone, &c->sketch);
    }
    TRY(strip_write(w, m, w->sources, &w->draft, err));
    w->draft.head = (struct strip_entry){0};
    rest_restore(w, &rest);
out:
    mem_free(rest.bits);
    mem_free(rest.nulls);
    mem_free(forms);
    return status;
}

/* --------------------------------------------------------------- gathering ---- */

/* Appends rows k..k+count of the selection. */
static kdk_status gather_text(struct gather *g, const struct vec *v, const struct sel *sel,
                              uint32_t k, uint32_t count, uint32_t at, struct err *err)
{
    uint32_t *offsets = (void *)g->data;
    const struct str *views = v->form == VF_DICT ? v->values->data : v->data;
    const int32_t *codes = v->form == VF_DICT ? v->data : NULL;

    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = SEL_ROW(sel, k + i);
        if (vec_valid(v, row)) {
            const struct str *s = &views[codes                    ? (uint32_t)codes[row]
                                         : v->form == VF_CONSTANT ? 0
                                                                  : row];
            buf_add(&g->text, str_data(s), s->len);
        }
        offsets[at + i + 1] = (uint32_t)g->text.len;
    }
    return buf_status(&g->text, err);
}

/* Integers of one width into those of another that is not narrower. */
#define GATHER_LOOP(TO, FROM)                                                              \
    for (uint32_t i = 0; i < count; i++)                                                   \
        ((TO *)out)[i] = ((const FROM *)in)[SEL_ROW(sel, k + i)];                          \
    return true;
#define GATHER_FROM(TO)                                                                    \
    switch (from) {                                                                        \
    case W_8:                                                                              \
        GATHER_LOOP(TO, int8_t)                                                            \
    case W_16:                                                                             \
        if (sizeof(TO) < 2)                                                                \
            return false;                                                                  \
        GATHER_LOOP(TO, int16_t)                                                           \
    case W_32:                                                                             \
        if (sizeof(TO) < 4)                                                                \
            return false;                                                                  \
        GATHER_LOOP(TO, int32_t)                                                           \
    case W_64:                                                                             \
        if (sizeof(TO) < 8)                                                                \
            return false;                                                                  \
        GATHER_LOOP(TO, int64_t)                                                           \
    case W_128:                                                                            \
        if (sizeof(TO) < 16)                                                               \
            return false;                                                                  \
        GATHER_LOOP(TO, int128)                                                            \
    case W_BIT:                                                                            \
    case W_F32:                                                                            \
    case W_F64:                                                                            \
    case W_STR:                                                                            \
        return false;                                                                      \
    }                                                                                      \
    return false;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion" /* The widths are tested before the loops. */
static bool gather_i8(int8_t *out, enum vwidth from, const void *in, const struct sel *sel,
                      uint32_t k, uint32_t count)
{
    GATHER_FROM(int8_t)
}
static bool gather_i16(int16_t *out, enum vwidth from, const void *in,
                       const struct sel *sel, uint32_t k, uint32_t count)
{
    GATHER_FROM(int16_t)
}
static bool gather_i32(int32_t *out, enum vwidth from, const void *in,
                       const struct sel *sel, uint32_t k, uint32_t count)
{
    GATHER_FROM(int32_t)
}
static bool gather_i64(int64_t *out, enum vwidth from, const void *in,
                       const struct sel *sel, uint32_t k, uint32_t count)
{
    GATHER_FROM(int64_t)
}
static bool gather_i128(int128 *out, enum vwidth from, const void *in,
                        const struct sel *sel, uint32_t k, uint32_t count)
{
    GATHER_FROM(int128)
}
#pragma GCC diagnostic pop

/* False: not numbers, or not of a width that always fits. */
static bool gather_numbers(struct gather *g, const struct vec *v, const struct sel *sel,
                           uint32_t k, uint32_t count, uint32_t at)
{
    enum vwidth from = (enum vwidth)v->width;

    switch (g->form) {
    case STRIP_I8:
        return gather_i8((int8_t *)g->data + at, from, v->data, sel, k, count);
    case STRIP_I16:
        return gather_i16((int16_t *)(void *)g->data + at, from, v->data, sel, k, count);
    case STRIP_I32:
        return gather_i32((int32_t *)(void *)g->data + at, from, v->data, sel, k, count);
    case STRIP_I64:
        return gather_i64((int64_t *)(void *)g->data + at, from, v->data, sel, k, count);
    case STRIP_I128:
        return gather_i128((int128 *)(void *)g->data + at, from, v->data, sel, k, count);
    case STRIP_F32:
        for (uint32_t i = 0; from == W_F32 && i < count; i++)
            ((float *)(void *)g->data)[at + i] =
                ((const float *)v->data)[SEL_ROW(sel, k + i)];
        return from == W_F32;
    case STRIP_F64:
        for (uint32_t i = 0; from == W_F64 && i < count; i++)
            ((double *)(void *)g->data)[at + i] =
                ((const double *)v->data)[SEL_ROW(sel, k + i)];
        return from == W_F64;
    case STRIP_BOOL:
    case STRIP_TEXT:
    case STRIP_CODE:
    case STRIP_FORM_COUNT:
        break;
    }
    return false;
}

/* One at a time: any form, and values whose width says more than they need. */
static kdk_status gather_values(struct gather *g, const struct vec *v,
                                const struct sel *sel, uint32_t k, uint32_t count,
                                uint32_t at, struct err *err)
{
    kdk_status status = KDK_OK;
    bool numeric = g->column.type.id == LT_NUMERIC;

    for (uint32_t i = 0; i < count; i++) {
        struct datum d = vec_get(v, SEL_ROW(sel, k + i));
        uint32_t row = at + i;
        int128 w = d.null ? 0 : numeric ? d.w : ltype_is_float(g->column.type) ? 0 : d.i;
        double f = d.null || !ltype_is_float(g->column.type) ? 0 : d.f;
        switch (g->form) {
        case STRIP_BOOL:
            bit_put((uint64_t *)(void *)g->data, row, w != 0);
            break;
        case STRIP_I8:
            TRY_ASSERT(w == (int8_t)w);
            ((int8_t *)g->data)[row] = (int8_t)w;
            break;
        case STRIP_I16:
            TRY_ASSERT(w == (int16_t)w);
            ((int16_t *)(void *)g->data)[row] = (int16_t)w;
            break;
        case STRIP_I32:
            TRY_ASSERT(w == (int32_t)w);
            ((int32_t *)(void *)g->data)[row] = (int32_t)w;
            break;
        case STRIP_I64:
            TRY_ASSERT(w == (int64_t)w);
            ((int64_t *)(void *)g->data)[row] = (int64_t)w;
            break;
        case STRIP_I128:
            ((int128 *)(void *)g->data)[row] = w;
            break;
        case STRIP_F32:
            ((float *)(void *)g->data)[row] = (float)f;
            break;
        case STRIP_F64:
            ((double *)(void *)g->data)[row] = f;
            break;
        case STRIP_TEXT:
        case STRIP_CODE:
        case STRIP_FORM_COUNT:
            TRY_ASSERT(false);
        }
    }
out:
    return status;
}

/* Values under NULLs are zero at rest (V1): they compress, and narrow. */
static void zero_null(struct gather *g, uint32_t row)
{
    uint32_t bytes = block_form_bytes(g->form);

    if (g->form != STRIP_BOOL)
        memset(g->data + (size_t)row * bytes, 0, bytes);
}

static kdk_status gather_rows(struct gather *g, const struct vec *v, const struct sel *sel,
                              uint32_t k, uint32_t count, uint32_t at, struct err *err)
{
    kdk_status status = KDK_OK;
    bool text = g->form == STRIP_TEXT;

    if (at % 64 == 0) /* Words not begun yet may hold an older strip's bits. */
        g->validity[at / 64] = 0;
    if (v->validity) {
        for (uint32_t i = 0; i < count; i++) {
            bool valid = vec_valid(v, SEL_ROW(sel, k + i));
            if ((at + i) % 64 == 0)
                g->validity[(at + i) / 64] = 0;
            bit_put(g->validity, at + i, valid);
            g->nulls += !valid;
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            if ((at + i) % 64 == 0)
                g->validity[(at + i) / 64] = 0;
            bit_set(g->validity, at + i);
        }
    }
    if (text) {
        TRY(gather_text(g, v, sel, k, count, at, err));
        goto out;
    }
    if (g->form == STRIP_BOOL)
        for (uint32_t i = 0; i < count; i++)
            if ((at + i) % 64 == 0)
                ((uint64_t *)(void *)g->data)[(at + i) / 64] = 0;
    if (v->form == VF_FLAT && gather_numbers(g, v, sel, k, count, at)) {
        for (uint32_t i = 0; v->validity && i < count; i++)
            if (!bit_get(g->validity, at + i))
                zero_null(g, at + i);
    } else {
        TRY(gather_values(g, v, sel, k, count, at, err));
    }
out:
    return status;
}

/* Bytes of the selected rows, text included. */
static void measure(struct block_writer *w, const struct batch *batch)
{
    for (uint32_t k = 0; k < batch->sel.count; k++)
        w->row_bytes[k] = w->fixed_bytes;
    for (uint32_t i = 0; i < w->options.column_count; i++) {
        const struct vec *v = &batch->columns[i];
        if (w->columns[i].form != STRIP_TEXT)
            continue;
        const struct str *views = v->form == VF_DICT ? v->values->data : v->data;
        const int32_t *codes = v->form == VF_DICT ? v->data : NULL;
        for (uint32_t k = 0; k < batch->sel.count; k++) {
            uint32_t row = SEL_ROW(&batch->sel, k);
            if (vec_valid(v, row))
                w->row_bytes[k] += views[codes                    ? (uint32_t)codes[row]
                                         : v->form == VF_CONSTANT ? 0
                                                                  : row]
                                       .len;
        }
    }
}

kdk_status block_writer_add(struct block_writer *w, const uint64_t *ids,
                            const struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t k = 0, total = batch->sel.count;

    if (w->failed)
        return err_set(err, KDK_NOT_READY, "the writer of block files failed before");
    TRY_ASSERT(batch->column_count == w->options.column_count);
    TRY_ASSERT(total <= BATCH_ROWS);
    for (uint32_t i = 0; i < batch->column_count; i++)
        TRY_ASSERT(batch->columns[i].form != VF_LAZY);
    measure(w, batch);
    while (k < total) {
        uint32_t count = 0;
        uint64_t bytes = w->bytes, first = w->rows ? w->ids[0] : ids[k];
        while (k + count < total && w->rows + count < w->rows_max &&
               ids[k + count] - first <= UINT32_MAX &&
               (w->rows + count == 0 || bytes + w->row_bytes[k + count] <= STRIP_BYTES_MAX))
            bytes += w->row_bytes[k + count++];
        if (count == 0) {
            TRY(strip_end(w, false, err));
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            TRY_ASSERT(ids[k + i] > w->last_id);
            w->ids[w->rows + i] = ids[k + i];
            w->last_id = ids[k + i];
        }
        for (uint32_t i = 0; i < w->options.column_count; i++)
            TRY(gather_rows(&w->columns[i], &batch->columns[i], &batch->sel, k, count,
                            w->rows, err));
        w->rows += count;
        w->bytes = bytes;
        k += count;
        if (w->rows == w->rows_max)
            TRY(strip_end(w, false, err));
    }
out:
    w->failed |= status != KDK_OK;
    return status;
}

kdk_status block_writer_end_strip(struct block_writer *w, struct err *err)
{
    kdk_status status = KDK_OK;

    if (w->failed)
        return err_set(err, KDK_NOT_READY, "the writer of block files failed before");
    TRY(strip_end(w, true, err));
out:
    w->failed |= status != KDK_OK;
    return status;
}
kdk_status block_writer_end_file(struct block_writer *w, struct err *err)
{
    kdk_status status = KDK_OK;

    if (w->failed)
        return err_set(err, KDK_NOT_READY, "the writer of block files failed before");
    TRY(strip_end(w, true, err));
    TRY(file_end(w, err));
out:
    w->failed |= status != KDK_OK;
    return status;
}

/* ------------------------------------------------------------------ making ---- */

static kdk_status gather_init(struct block_writer *w, struct gather *g,
                              const struct block_column *column, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t rows = w->rows_max;

    TRY_MEM(g->validity = MEM_ARRAY(uint64_t, bits_words(rows) + 1));
    TRY_MEM(g->data =
                mem_zalloc(g->form == STRIP_TEXT   ? (rows + 1) * 4
                           : g->form == STRIP_BOOL ? (bits_words(rows) + 1) * 8
                                                   : rows * block_form_bytes(g->form)));
    if (column->dict)
        TRY_MEM(g->codes = MEM_ARRAY(int32_t, rows));
out:
    return status;
}

kdk_status block_writer_new(const struct block_writer_options *options,
                            struct block_writer **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_writer *w = NULL;
    uint32_t n = options->column_count, strip_rows;

    if (n > TABLE_COLUMNS_MAX)
        return err_set(err, KDK_TOO_MANY_COLUMNS, "a block file of %u columns", n);
    TRY_MEM(w = MEM_NEW(struct block_writer));
    w->options = *options;
    w->options.columns = NULL;
    w->options.dir = NULL;
    if (w->options.file_strips == 0 || w->options.file_strips > FILE_STRIPS)
        w->options.file_strips = FILE_STRIPS;
    strip_rows = options->strip_rows && options->strip_rows < STRIP_ROWS
                     ? options->strip_rows
                     : STRIP_ROWS;
    TRY_MEM(w->dir = mem_strdup(options->dir));
    TRY_MEM(w->columns = MEM_ARRAY(struct gather, n + 1));
    TRY_MEM(w->sources = MEM_ARRAY(struct source, n + 1));
    TRY_MEM(w->row_bytes = MEM_ARRAY(uint64_t, BATCH_ROWS));
    for (uint32_t i = 0; i < n; i++) {
        const struct block_column *column = &options->columns[i];
        struct gather *g = &w->columns[i];
        if (!block_form(column->type, &g->form)) {
            status =
                err_set(err, KDK_UNSUPPORTED, "type %s cannot be stored in block files",
                        ltype_id_name(column->type.id));
            goto out;
        }
        TRY_ASSERT(i == 0 || column->number > options->columns[i - 1].number);
        if (column->dict)
            TRY_ASSERT(g->form == STRIP_TEXT);
        g->column = *column;
        g->column.name = NULL;
        TRY_MEM(g->column.name = mem_strdup(column->name));
        w->fixed_bytes += g->form == STRIP_TEXT ? 4 : MAX(block_form_bytes(g->form), 1u);
    }
    w->rows_max =
        (uint32_t)MIN((uint64_t)strip_rows, STRIP_BYTES_MAX / MAX(w->fixed_bytes, 1u));
    w->rows_max = MAX(w->rows_max, 1u);
    TRY_MEM(w->ids = MEM_ARRAY(uint64_t, w->rows_max));
    if (options->strip) {
        TRY_MEM(w->place = MEM_ARRAY(uint32_t, w->rows_max));
        TRY_MEM(w->moving = mem_alloc((w->rows_max + 1) * sizeof(int128)));
    }
    for (uint32_t i = 0; i < n; i++)
        TRY(gather_init(w, &w->columns[i], &options->columns[i], err));
    *out = w;
    w = NULL;
out:
    block_writer_free(w);
    return status;
}

void block_writer_free(struct block_writer *w)
{
    if (!w)
        return;
    making_deinit(w, &w->making, true);
    for (uint32_t i = 0; w->columns && i < w->options.column_count; i++) {
        struct gather *g = &w->columns[i];
        mem_free((char *)(uintptr_t)g->column.name);
        mem_free(g->data);
        mem_free(g->validity);
        mem_free(g->codes);
        buf_deinit(&g->text);
    }
    mem_free(w->columns);
    mem_free(w->sources);
    mem_free(w->row_bytes);
    mem_free(w->ids);
    mem_free(w->place);
    mem_free(w->moving);
    mem_free(w->dir);
    strip_draft_deinit(&w->draft);
    mem_free(w);
}
