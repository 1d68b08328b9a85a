/* entry.c - directory entries of strips: their two encodings, and row ids against
 * positions.
 *
 * One function, code_entry(), names the fields in order; the coder makes of it the compact
 * form (LEB128 numbers, for the meta tree), the text in the footer of a file ("label=value
 * " for each field, numbers in decimal, bytes in hexadecimal), and both decoders.
 *
 * Row ids are runs. They are stored as pairs (ids skipped, ids there), or as a bitmap over
 * the whole range where that is shorter; text always has the pairs.
 */
#include "block/block_int.h"

/* ------------------------------------------------------------------ coder ---- */

static void token_write(struct coder *c, const char *label, const char *value)
{
    buf_add_str(c->out, label);
    buf_add_char(c->out, '=');
    buf_add_str(c->out, value);
    buf_add_char(c->out, ' ');
}
/* The value of the token that must come next; *bytes is 0 if it does not. */
static const char *token_read(struct coder *c, const char *label, size_t *bytes)
{
    size_t label_bytes = strlen(label);
    const char *at = (const char *)c->in.at, *end = (const char *)c->in.end, *value;

    *bytes = 0;
    if (c->bad || (size_t)(end - at) <= label_bytes ||
        memcmp(at, label, label_bytes) != 0 || at[label_bytes] != '=') {
        c->bad = true;
        return NULL;
    }
    value = at + label_bytes + 1;
    at = memchr(value, ' ', (size_t)(end - value));
    if (!at) {
        c->bad = true;
        return NULL;
    }
    *bytes = (size_t)(at - value);
    c->in.at = (const uint8_t *)at + 1;
    return value;
}

/* Decimal: 40 bytes hold any 128-bit number and its sign. */
static const char *decimal(char *into, int128 value)
{
    uint128 left = value < 0 ? 0 - (uint128)value : (uint128)value;
    char *at = into + 47;

    *at = 0;
    do {
        *--at = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left);
    if (value < 0)
        *--at = '-';
    return at;
}
static int128 decimal_read(struct coder *c, const char *text, size_t bytes)
{
    bool negative = bytes > 0 && text[0] == '-';
    uint128 value = 0;

    if (bytes == (size_t)negative || bytes > 40)
        c->bad = true;
    for (size_t i = negative; i < bytes && !c->bad; i++) {
        if (text[i] < '0' || text[i] > '9' || value > ((uint128)1 << 127) / 10)
            c->bad = true;
        value = value * 10 + (uint8_t)(text[i] - '0');
    }
    if (value > ((uint128)1 << 127) - !negative)
        c->bad = true;
    return c->bad ? 0 : (int128)(negative ? 0 - value : value);
}

void code_i128(struct coder *c, const char *label, int128 *value)
{
    char room[48];
    const char *text;
    size_t bytes;
    uint128 zigzag;

    switch (c->mode) {
    case CODER_WRITE:
        zigzag = ((uint128)*value << 1) ^ (uint128)(*value >> 127);
        for (; zigzag >= 0x80; zigzag >>= 7)
            buf_add_u8(c->out, (uint8_t)(zigzag | 0x80));
        buf_add_u8(c->out, (uint8_t)zigzag);
        break;
    case CODER_WRITE_TEXT:
        token_write(c, label, decimal(room, *value));
        break;
    case CODER_READ:
        zigzag = 0;
        *value = 0;
        for (unsigned shift = 0;; shift += 7) {
            uint8_t byte = cursor_u8(&c->in);
            if (c->in.bad || shift > 126 || (shift == 126 && byte > 3)) {
                c->bad = true;
                return;
            }
            zigzag |= (uint128)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
        *value = (int128)(zigzag >> 1) ^ -(int128)(zigzag & 1);
        break;
    case CODER_READ_TEXT:
        text = token_read(c, label, &bytes);
        *value = text ? decimal_read(c, text, bytes) : 0;
        break;
    }
}

void code_u64(struct coder *c, const char *label, uint64_t *value)
{
    int128 wide = *value;

    switch (c->mode) {
    case CODER_WRITE:
        buf_add_varint(c->out, *value);
        break;
    case CODER_READ:
        *value = cursor_varint(&c->in);
        c->bad |= c->in.bad;
        break;
    case CODER_WRITE_TEXT:
        code_i128(c, label, &wide);
        break;
    case CODER_READ_TEXT:
        code_i128(c, label, &wide);
        if (wide < 0 || wide > UINT64_MAX)
            c->bad = true;
        *value = c->bad ? 0 : (uint64_t)wide;
        break;
    }
}
static void code_u32(struct coder *c, const char *label, uint32_t *value)
{
    uint64_t wide = *value;

    code_u64(c, label, &wide);
    if (wide > UINT32_MAX)
        c->bad = true;
    *value = c->bad ? 0 : (uint32_t)wide;
}
static void code_u8(struct coder *c, const char *label, uint8_t *value)
{
    uint64_t wide = *value;

    code_u64(c, label, &wide);
    if (wide > UINT8_MAX)
        c->bad = true;
    *value = c->bad ? 0 : (uint8_t)wide;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
void code_bytes(struct coder *c, const char *label, uint8_t *bytes, uint32_t *count,
                uint32_t max)
{
    const uint8_t *in;
    const char *text;
    size_t got;
    uint64_t length = *count;

    switch (c->mode) {
    case CODER_WRITE:
        buf_add_varint(c->out, length);
        buf_add(c->out, bytes, *count);
        break;
    case CODER_WRITE_TEXT:
        buf_printf(c->out, "%s=", label);
        for (uint32_t i = 0; i < *count; i++)
            buf_printf(c->out, "%02x", bytes[i]);
        buf_add_char(c->out, ' ');
        break;
    case CODER_READ:
        length = cursor_varint(&c->in);
        *count = 0;
        if (c->in.bad || length > max || !(in = cursor_bytes(&c->in, (size_t)length))) {
            c->bad = true;
            return;
        }
        *count = (uint32_t)length;
        if (length)
            memcpy(bytes, in, (size_t)length);
        break;
    case CODER_READ_TEXT:
        text = token_read(c, label, &got);
        *count = 0;
        if (!text || got % 2 || got / 2 > max) {
            c->bad = true;
            return;
        }
        for (size_t i = 0; i < got; i += 2) {
            int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
            if (high < 0 || low < 0) {
                c->bad = true;
                return;
            }
            bytes[i / 2] = (uint8_t)(high << 4 | low);
        }
        *count = (uint32_t)(got / 2);
        break;
    }
}

/* ----------------------------------------------------------------- drafts ---- */

void strip_draft_deinit(struct strip_draft *draft)
{
    mem_free(draft->runs);
    mem_free(draft->columns);
    *draft = (struct strip_draft){0};
}

/* Room for one more run. */
static kdk_status run_room(struct strip_draft *draft, struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_run *more;
    uint32_t cap = draft->run_cap ? draft->run_cap * 2 : 4;

    if (draft->head.run_count < draft->run_cap)
        return KDK_OK;
    TRY_MEM(more = mem_realloc(draft->runs, size_mul(cap, sizeof *more)));
    draft->runs = more;
    draft->run_cap = cap;
out:
    return status;
}

kdk_status strip_draft_id(struct strip_draft *draft, uint64_t id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_entry *head = &draft->head;

    if (head->rows == 0)
        head->first = id;
    TRY_ASSERT(head->rows == 0 || id > head->last);
    TRY_ASSERT(id - head->first <= UINT32_MAX);
    if (head->rows == 0 || id != head->last + 1) {
        TRY(run_room(draft, err));
        draft->runs[head->run_count++] =
            (struct strip_run){(uint32_t)(id - head->first), head->rows};
    }
    head->last = id;
    head->rows++;
out:
    return status;
}

static size_t zone_text_bytes(const struct strip_column *column)
{
    if ((column->form != STRIP_TEXT && column->form != STRIP_CODE) || !column->zone.known)
        return 0;
    return (column->zone.min.s.len > STR_INLINE ? column->zone.min.s.len : 0) +
           (column->zone.max.s.len > STR_INLINE ? column->zone.max.s.len : 0);
}
static void text_move(struct str *s, char **room)
{
    if (s->len <= STR_INLINE)
        return;
    memcpy(*room, s->data, s->len);
    s->data = *room;
    *room += s->len;
}

kdk_status strip_entry_new(const struct strip_draft *draft, struct strip_entry **out,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    const struct strip_entry *head = &draft->head;
    size_t head_bytes = align_up(sizeof(struct strip_entry), 16);
    size_t columns_bytes = head->column_count * sizeof(struct strip_column);
    size_t runs_bytes = align_up(head->run_count * sizeof(struct strip_run), 16),
           text_bytes = 0;
    struct strip_entry *entry;
    struct strip_column *columns;
    char *room;

    for (uint32_t i = 0; i < head->column_count; i++)
        text_bytes += zone_text_bytes(&draft->columns[i]);
    TRY_MEM(entry = mem_alloc(head_bytes + columns_bytes + runs_bytes + text_bytes));
    memcpy(entry, head, sizeof *entry);
    entry->memory_bytes = head_bytes + columns_bytes + runs_bytes + text_bytes;
    atomic_init(&entry->refs, 1);
    columns = (void *)((char *)entry + head_bytes);
    if (columns_bytes)
        memcpy(columns, draft->columns, columns_bytes);
    entry->columns = columns;
    room = (char *)columns + columns_bytes;
    if (runs_bytes)
        memcpy(room, draft->runs, head->run_count * sizeof(struct strip_run));
    entry->runs = (void *)room;
    room += runs_bytes;
    for (uint32_t i = 0; i < head->column_count; i++)
        if (zone_text_bytes(&columns[i])) {
            text_move(&columns[i].zone.min.s, &room);
            text_move(&columns[i].zone.max.s, &room);
        }
    *out = entry;
out:
    return status;
}

struct strip_entry *strip_entry_ref(struct strip_entry *entry)
{
    if (entry)
        atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    return entry;
}
void strip_entry_unref(struct strip_entry *entry)
{
    if (entry && atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1)
        mem_free(entry);
}

/* ----------------------------------------------------------------- fields ---- */

static uint32_t run_length(const struct strip_entry *head, const struct strip_run *runs,
                           uint32_t i)
{
    uint32_t end = i + 1 < head->run_count ? runs[i + 1].position : head->rows;
    return end - runs[i].position;
}

/* Whether a bitmap over the range is shorter than the pairs. */
static bool bitmap_pays(const struct strip_entry *head)
{
    return (head->last - head->first) / 8 + 1 < (uint64_t)head->run_count * 2;
}

static kdk_status code_bitmap(struct coder *c, struct strip_draft *draft, struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_entry *head = &draft->head;
    size_t span = (size_t)(head->last - head->first) + 1, bytes = (span + 7) / 8;
    const uint8_t *in;

    if (!coder_reads(c)) {
        uint8_t *bits = buf_extend(c->out, bytes);
        TRY_MEM(bits);
        memset(bits, 0, bytes);
        for (uint32_t i = 0; i < head->run_count; i++)
            for (uint32_t k = 0; k < run_length(head, draft->runs, i); k++) {
                uint32_t at = draft->runs[i].offset + k;
                bits[at / 8] |= (uint8_t)(1 << at % 8);
            }
        return KDK_OK;
    }
    in = cursor_bytes(&c->in, bytes);
    c->bad |= !in;
    uint32_t rows = 0;
    bool was = false;
    for (size_t at = 0; in && at < span; at++) {
        bool is = in[at / 8] >> (at % 8) & 1;
        if (is && !was) {
            TRY(run_room(draft, err));
            draft->runs[head->run_count++] = (struct strip_run){(uint32_t)at, rows};
        }
        rows += is;
        was = is;
    }
    /* The first and last ids are there by definition. */
    c->bad |= rows != head->rows || !was || !draft->runs || draft->runs[0].offset != 0;
out:
    return status;
}

static kdk_status code_ids(struct coder *c, struct strip_draft *draft, struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_entry *head = &draft->head;
    uint64_t span = head->last - head->first;
    uint8_t bitmap = c->mode == CODER_WRITE && bitmap_pays(head);
    uint32_t runs = head->run_count, position = 0;
    uint64_t offset = 0;

    code_u64(c, "first", &head->first);
    code_u64(c, "span", &span);
    if (coder_reads(c)) {
        c->bad |= span > UINT32_MAX || head->first > UINT64_MAX - span || head->rows == 0 ||
                  head->rows > span + 1 || head->rows > STRIP_ROWS;
        head->last = head->first + span;
    }
    code_u8(c, "bitmap", &bitmap);
    if (c->bad || bitmap > 1) {
        c->bad = true;
        return KDK_OK;
    }
    if (bitmap)
        return code_bitmap(c, draft, err);
    code_u32(c, "runs", &runs);
    c->bad |= runs == 0 || runs > head->rows;
    for (uint32_t i = 0; i < runs && !c->bad; i++) {
        uint32_t skipped = 0, length = 0;
        if (!coder_reads(c)) {
            skipped = (uint32_t)(draft->runs[i].offset - offset);
            length = run_length(head, draft->runs, i);
        }
        code_u32(c, "skip", &skipped);
        code_u32(c, "take", &length);
        offset += skipped;
        if (coder_reads(c)) {
            c->bad |= length == 0 || length > head->rows - position ||
                      (i == 0 ? skipped != 0 : skipped == 0) || offset + length > span + 1;
            if (c->bad)
                break;
            TRY(run_room(draft, err));
            draft->runs[head->run_count++] = (struct strip_run){(uint32_t)offset, position};
        }
        offset += length;
        position += length;
    }
    if (coder_reads(c))
        c->bad |= position != head->rows || offset != span + 1;
out:
    return status;
}

static void code_buffer(struct coder *c, struct strip_buffer *b, uint64_t *next)
{
    uint64_t crc = b->crc, skip = b->offset - *next;

    code_u64(c, "stored", &b->stored_bytes);
    if (b->stored_bytes == 0 || c->bad)
        return;
    /* Buffers follow one another at multiples of 64: all but the first skip nothing. Text
     * names the place. */
    if (c->mode == CODER_WRITE || c->mode == CODER_READ) {
        code_u64(c, "at", &skip);
        b->offset = *next + skip;
    } else {
        code_u64(c, "at", &b->offset);
    }
    code_u64(c, "bytes", &b->decoded_bytes);
    code_u8(c, "codec", &b->codec);
    code_u8(c, "prefix", &b->prefix_bytes);
    code_u64(c, "crc", &crc);
    if (coder_reads(c)) {
        c->bad |= crc > UINT32_MAX || b->codec > ARROW_CODEC_ZSTD ||
                  (b->prefix_bytes != 0 && b->prefix_bytes != 8) || b->offset > INT64_MAX ||
                  b->stored_bytes > INT64_MAX - b->offset ||
                  b->stored_bytes <= b->prefix_bytes || b->decoded_bytes > INT64_MAX ||
                  (b->codec == ARROW_CODEC_NONE &&
                   b->stored_bytes - b->prefix_bytes != b->decoded_bytes);
        b->crc = c->bad ? 0 : (uint32_t)crc;
    }
    *next = c->bad ? 0 : align_up((size_t)(b->offset + b->stored_bytes), 64);
}

void code_dictionary(struct coder *c, struct block_dictionary *dictionary)
{
    uint64_t next = 0;

    code_u64(c, "entries", &dictionary->entries);
    for (uint32_t i = 0; i < 3 && !c->bad; i++)
        code_buffer(c, &dictionary->buffers[i], &next);
}

/* Bounds. Text that is read lies in `room` until the entry is made. */
static kdk_status code_bound(struct coder *c, const char *label, enum strip_form form,
                             struct datum *d, struct arena *room, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t bytes[ZONE_TEXT_BYTES];
    uint32_t count = 0;
    uint64_t bits = 0;
    int128 w = 0;

    switch (form) {
    case STRIP_BOOL:
    case STRIP_I8:
    case STRIP_I16:
    case STRIP_I32:
    case STRIP_I64:
    case STRIP_I128:
        w = d->w;
        code_i128(c, label, &w);
        if (form != STRIP_I128)
            c->bad |= w != (int64_t)w;
        d->w = w;
        break;
    case STRIP_F32:
    case STRIP_F64:
        memcpy(&bits, &d->f, 8);
        code_u64(c, label, &bits);
        memcpy(&d->f, &bits, 8);
        c->bad |= d->f != d->f;
        break;
    case STRIP_TEXT:
    case STRIP_CODE:
        if (!coder_reads(c)) {
            count = d->s.len;
            memcpy(bytes, str_data(&d->s), count);
        }
        code_bytes(c, label, bytes, &count, ZONE_TEXT_BYTES);
        if (coder_reads(c)) {
            struct str copy;
            if (!str_copy(room, str_of((const char *)bytes, count), &copy)) {
                status = err_nomem(err);
                goto out;
            }
            d->s = copy;
        }
        break;
    case STRIP_FORM_COUNT:
        c->bad = true;
        break;
    }
out:
    return status;
}

static void code_sketch(struct coder *c, struct sketch *sketch)
{
    uint8_t packed[8 + 40] = {0};
    uint32_t count = 0, bit = 64;

    if (!coder_reads(c)) {
        for (uint32_t i = 0; i < 64; i++) {
            if (!sketch->rank[i])
                continue;
            packed[i / 8] |= (uint8_t)(1 << i % 8);
            for (uint32_t k = 0; k < 5; k++, bit++)
                packed[bit / 8] |= (uint8_t)((sketch->rank[i] >> k & 1) << bit % 8);
        }
        count = bit == 64 ? 0 : (bit + 7) / 8;
    }
    code_bytes(c, "sketch", packed, &count, sizeof packed);
    if (!coder_reads(c))
        return;
    memset(sketch, 0, sizeof *sketch);
    for (uint32_t i = 0; i < 64 && count; i++) {
        if (!(packed[i / 8] >> i % 8 & 1))
            continue;
        for (uint32_t k = 0; k < 5; k++, bit++)
            if (packed[bit / 8] >> bit % 8 & 1)
                sketch->rank[i] |= (uint8_t)(1 << k);
    }
    c->bad |= count != (bit == 64 ? 0 : (bit + 7) / 8);
}

static kdk_status code_column(struct coder *c, struct strip_column *column, uint32_t rows,
                              uint64_t *next, struct arena *room, struct err *err)
{
    kdk_status status = KDK_OK;
    struct zone *zone = &column->zone;
    uint8_t flags = (uint8_t)(zone->known | zone->nan << 1 | zone->max_cut << 2);

    code_u32(c, "column", &column->number);
    code_u8(c, "form", &column->form);
    c->bad |= column->form >= STRIP_FORM_COUNT;
    if (c->bad)
        goto out;
    enum strip_form form = (enum strip_form)column->form;
    if (form == STRIP_CODE)
        code_u32(c, "entries", &column->dict_entries);
    for (uint32_t i = 0; i < block_form_buffers(form); i++)
        code_buffer(c, &column->buffers[i], next);
    code_u32(c, "nulls", &zone->null_count);
    code_u8(c, "bounds", &flags);
    c->bad |= zone->null_count > rows || flags > 7;
    if (c->bad)
        goto out;
    zone->known = flags & 1;
    zone->nan = flags >> 1 & 1;
    zone->max_cut = flags >> 2 & 1;
    if (zone->known) {
        TRY(code_bound(c, "min", form, &zone->min, room, err));
        TRY(code_bound(c, "max", form, &zone->max, room, err));
    }
    code_sketch(c, &column->sketch);
    if (coder_reads(c)) { /* Lengths that follow from the form. */
        uint64_t bytes = block_form_bytes(form),
                 want = form == STRIP_BOOL ? (rows + 7) / 8 : bytes * rows;
        if (form == STRIP_TEXT)
            want = ((uint64_t)rows + 1) * 4;
        c->bad |= column->buffers[1].stored_bytes == 0 ||
                  column->buffers[1].decoded_bytes != want;
        c->bad |= (column->buffers[0].stored_bytes != 0) != (zone->null_count != 0);
        if (column->buffers[0].stored_bytes)
            c->bad |= column->buffers[0].decoded_bytes != (rows + 7) / 8;
        c->bad |= column->buffers[2].decoded_bytes >
                  (uint64_t)VALUE_BYTES_MAX + 2 * STRIP_BYTES_MAX;
        c->bad |= column->dict_entries > DICT_ENTRIES_MAX;
    }
out:
    return status;
}

static kdk_status code_entry(struct coder *c, struct strip_draft *draft, struct arena *room,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct strip_entry *head = &draft->head;
    uint64_t version = BLOCK_FORMAT, next = 0;
    uint32_t columns = head->column_count;

    code_u64(c, "format", &version);
    if (coder_reads(c) && !c->bad && version != BLOCK_FORMAT) {
        status = err_set(err, KDK_UNSUPPORTED, "the entry of a strip has format %llu",
                         (unsigned long long)version);
        goto out;
    }
    code_u64(c, "file", &head->file);
    code_u32(c, "strip", &head->strip);
    code_u32(c, "rows", &head->rows);
    code_u64(c, "newest", &head->newest);
    TRY(code_ids(c, draft, err));
    code_u32(c, "columns", &columns);
    c->bad |= columns > TABLE_COLUMNS_MAX;
    if (c->bad)
        goto out;
    if (coder_reads(c)) {
        TRY_MEM(draft->columns = MEM_ARRAY(struct strip_column, columns + 1));
        head->column_count = columns;
    }
    for (uint32_t i = 0; i < columns && !c->bad; i++) {
        TRY(code_column(c, &draft->columns[i], head->rows, &next, room, err));
        c->bad |= i > 0 && draft->columns[i].number <= draft->columns[i - 1].number;
    }
out:
    return status;
}

static kdk_status entry_write(const struct strip_entry *entry, enum coder_mode mode,
                              struct buf *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct coder c = {.mode = mode, .out = out};
    struct strip_draft draft = {0};

    /* The coder takes what it may write to; writing, it does not. */
    memcpy(&draft.head, entry, sizeof *entry);
    draft.runs = (struct strip_run *)(uintptr_t)entry->runs;
    draft.columns = (struct strip_column *)(uintptr_t)entry->columns;
    TRY(code_entry(&c, &draft, NULL, err));
    TRY_ASSERT(!c.bad);
    TRY(buf_status(out, err));
out:
    return status;
}
static kdk_status entry_read(const void *bytes, size_t count, enum coder_mode mode,
                             struct strip_entry **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct coder c = {.mode = mode, .in = cursor_of(bytes, count)};
    struct strip_draft draft = {0};
    struct arena room;

    arena_init(&room);
    TRY(code_entry(&c, &draft, &room, err));
    if (c.bad || c.in.at != c.in.end) {
        status = err_set(err, KDK_CORRUPT, "the directory entry of a strip is damaged");
        err_detail(err, "%zu bytes; file %llu, strip %u as far as it says.", count,
                   (unsigned long long)draft.head.file, draft.head.strip);
        goto out;
    }
    TRY(strip_entry_new(&draft, out, err));
out:
    strip_draft_deinit(&draft);
    arena_deinit(&room);
    return status;
}

kdk_status strip_entry_encode(const struct strip_entry *entry, struct buf *out,
                              struct err *err)
{
    return entry_write(entry, CODER_WRITE, out, err);
}
kdk_status strip_entry_print(const struct strip_entry *entry, struct buf *out,
                             struct err *err)
{
    return entry_write(entry, CODER_WRITE_TEXT, out, err);
}
kdk_status strip_entry_decode(const void *bytes, size_t count, struct strip_entry **out,
                              struct err *err)
{
    return entry_read(bytes, count, CODER_READ, out, err);
}
kdk_status strip_entry_parse(const char *text, size_t count, struct strip_entry **out,
                             struct err *err)
{
    return entry_read(text, count, CODER_READ_TEXT, out, err);
}

bool strip_entry_equal(const struct strip_entry *a, const struct strip_entry *b)
{
    struct buf x = {0}, y = {0};
    bool equal = strip_entry_encode(a, &x, NULL) == KDK_OK &&
                 strip_entry_encode(b, &y, NULL) == KDK_OK && x.len == y.len &&
                 memcmp(x.data, y.data, x.len) == 0;

    buf_deinit(&x);
    buf_deinit(&y);
    return equal;
}

/* ------------------------------------------------------- columns, row ids ---- */

const struct strip_column *strip_entry_column(const struct strip_entry *entry,
                                              uint32_t number)
{
    uint32_t low = 0, high = entry->column_count;

    /* Numbers are mostly 0, 1, 2, ... */
    if (number < high && entry->columns[number].number == number)
        return &entry->columns[number];
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (entry->columns[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < entry->column_count && entry->columns[low].number == number
               ? &entry->columns[low]
               : NULL;
}

/* The last run that begins at or before an offset. */
static uint32_t run_of(const struct strip_entry *entry, uint32_t offset)
{
    uint32_t low = 0, high = entry->run_count;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (entry->runs[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t strip_entry_lower(const struct strip_entry *entry, uint64_t id)
{
    if (id <= entry->first)
        return 0;
    if (id > entry->last)
        return entry->rows;
    uint32_t offset = (uint32_t)(id - entry->first), run = run_of(entry, offset);
    uint32_t into = offset - entry->runs[run].offset,
             length = run_length(entry, entry->runs, run);
    /* Past the run: the next one's first row. */
    return entry->runs[run].position + MIN(into, length);
}
bool strip_entry_position(const struct strip_entry *entry, uint64_t id, uint32_t *position)
{
    uint32_t at = strip_entry_lower(entry, id);

    *position = at;
    return at < entry->rows && strip_entry_id(entry, at) == id;
}
/* The run that holds a position. */
static uint32_t run_at(const struct strip_entry *entry, uint32_t position)
{
    uint32_t low = 0, high = entry->run_count;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (entry->runs[middle].position <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}
uint64_t strip_entry_id(const struct strip_entry *entry, uint32_t position)
{
    const struct strip_run *run = &entry->runs[run_at(entry, position)];

    ASSERT(position < entry->rows);
    return entry->first + run->offset + (position - run->position);
}
void strip_entry_ids(const struct strip_entry *entry, uint32_t from, uint32_t count,
                     uint64_t *ids)
{
    uint32_t run = run_at(entry, from), end = from + count;

    ASSERT(end <= entry->rows);
    while (from < end) {
        const struct strip_run *r = &entry->runs[run];
        uint32_t stop = MIN(end, r->position + run_length(entry, entry->runs, run));
        uint64_t id = entry->first + r->offset + (from - r->position);
        for (; from < stop; from++)
            *ids++ = id++;
        run++;
    }
}
