#include "exec/rowpage.h"

#include "base/mem.h"

static uint32_t field_bytes(struct ltype type)
{
    enum vwidth width = ltype_width(type);
    return width == W_BIT ? 1 : vwidth_bytes(width);
}

kdk_status rowlayout_init(struct rowlayout *layout, const struct ltype *types,
                          uint32_t column_count, uint32_t extra_bytes, struct arena *arena,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t at;

    memset(layout, 0, sizeof *layout);
    TRY_MEM(layout->types = ARENA_ARRAY(arena, struct ltype, column_count + 1));
    TRY_MEM(layout->offsets = ARENA_ARRAY(arena, uint32_t, column_count + 1));
    layout->column_count = column_count;
    if (column_count)
        memcpy(layout->types, types, column_count * sizeof *types);
    layout->null_offset = 16;
    at = 16 + (column_count + 7) / 8;
    /* Widest first, so that nothing but the null bits needs padding. */
    for (uint32_t bytes = 16; bytes; bytes /= 2) {
        at = (uint32_t)align_up(at, bytes);
        for (uint32_t c = 0; c < column_count; c++)
            if (field_bytes(types[c]) == bytes) {
                layout->offsets[c] = at;
                at += bytes;
            }
    }
    at = (uint32_t)align_up(at, 16);
    layout->extra_offset = at;
    layout->row_bytes = (uint32_t)align_up(at + extra_bytes, 16);
    if (layout->row_bytes > ROWPAGE_BYTES / 2)
        status = err_set(err, KDK_LIMIT,
                         "rows of %u bytes are too wide to be sorted, joined or grouped",
                         layout->row_bytes);
out:
    return status;
}

void rowset_init(struct rowset *set, const struct rowlayout *layout)
{
    memset(set, 0, sizeof *set);
    set->layout = layout;
}

void rowmemory_init(struct rowmemory *memory, struct broker *broker)
{
    memset(memory, 0, sizeof *memory);
    latch_init(&memory->latch, OS_RANK_NONE);
    memory->broker = broker;
}

void rowmemory_deinit(struct rowmemory *memory)
{
    ASSERT(memory->used == 0);
    broker_grant_deinit(&memory->grant);
}

/* The grant grows in steps, so that the broker is not asked for every page. */
#define MEMORY_STEP KDK_PICK(4u << 20, 64u << 10)

static kdk_status memory_take(struct rowmemory *memory, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!memory || !memory->broker)
        return KDK_OK;
    latch_acquire(&memory->latch);
    if (!memory->granted) {
        TRY(broker_grant_init(memory->broker, &memory->grant, "statement", BROKER_OPERATOR,
                              false, 0, 0, err));
        memory->granted = true;
    }
    if (memory->used + bytes > broker_granted(&memory->grant))
        TRY(broker_resize(&memory->grant, memory->used + bytes + MEMORY_STEP, err));
    memory->used += bytes;
out:
    latch_release(&memory->latch);
    return status;
}

static void memory_give(struct rowmemory *memory, size_t bytes)
{
    if (!memory || !memory->broker || !bytes)
        return;
    latch_acquire(&memory->latch);
    memory->used -= bytes;
    if (broker_granted(&memory->grant) > memory->used + 2 * MEMORY_STEP)
        /* Giving back does not fail. */
        (void)broker_try_resize(&memory->grant, memory->used + MEMORY_STEP);
    latch_release(&memory->latch);
}

void rowset_deinit(struct rowset *set)
{
    struct rowpage *next;
    for (struct rowpage *page = set->first; page; page = next) {
        next = page->next;
        mem_free(page);
    }
    if (set->layout)
        memory_give(set->layout->memory, set->bytes);
    rowset_init(set, set->layout);
}

void rowset_move(struct rowset *to, struct rowset *from)
{
    ASSERT(to->layout->row_bytes == from->layout->row_bytes);
    if (from->first) {
        if (to->last)
            to->last->next = from->first;
        else
            to->first = from->first;
        to->last = from->last;
        to->row_count += from->row_count;
        to->bytes += from->bytes;
    }
    rowset_init(from, from->layout);
}

kdk_status rowset_scratch(const struct rowlayout *layout, struct arena *arena,
                          struct vec **out, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_MEM(*out = ARENA_ARRAY(arena, struct vec, layout->column_count + 1));
    for (uint32_t c = 0; c < layout->column_count; c++)
        TRY(vec_init(&(*out)[c], layout->types[c], arena, err));
out:
    return status;
}

/* A page with room for one more row and `heap` bytes of its strings; the bytes are taken:
 * they start at heap_start. */
static kdk_status page_for(struct rowset *set, size_t heap, struct rowpage **out,
                           struct err *err)
{
    struct rowpage *page = set->last;
    uint32_t row_bytes = set->layout->row_bytes;
    size_t need = size_add(row_bytes, heap);

    if (page) {
        size_t used = offsetof(struct rowpage, rows) + (size_t)page->row_count * row_bytes;
        if (page->heap_start >= used && page->heap_start - used >= need &&
            used + row_bytes <= ROWPAGE_BYTES) {
            page->heap_start -= (uint32_t)heap;
            *out = page;
            return KDK_OK;
        }
    }
    size_t bytes =
        MAX((size_t)ROWPAGE_BYTES, size_add(offsetof(struct rowpage, rows), need));
    if (bytes > UINT32_MAX)
        return err_set(err, KDK_LIMIT, "row too large");
    kdk_status status = memory_take(set->layout->memory, bytes, err);
    if (status != KDK_OK)
        return status;
    page = mem_alloc_aligned(ROWPAGE_BYTES, bytes);
    if (!page) {
        memory_give(set->layout->memory, bytes);
        return err_nomem(err);
    }
    page->next = NULL;
    page->row_count = 0;
    page->heap_start = (uint32_t)(bytes - heap);
    page->bytes = bytes;
    if (set->last)
        set->last->next = page;
    else
        set->first = page;
    set->last = page;
    set->bytes += bytes;
    *out = page;
    return KDK_OK;
}

static struct rowpage *page_of(const uint8_t *row)
{
    return (struct rowpage *)((uintptr_t)row & ~(uintptr_t)(ROWPAGE_BYTES - 1));
}

kdk_status rowset_append(struct rowset *set, const struct vec *const *columns,
                         const struct sel *sel, uint32_t count, const uint64_t *hashes,
                         struct vec *scratch, uint8_t **rows, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rowlayout *layout = set->layout;
    uint32_t row_bytes = layout->row_bytes;
    uint8_t *local[BATCH_ROWS];
    uint32_t heap_at[BATCH_ROWS]; /* Where the row's next string goes. */
    const struct vec *flat[64];
    const struct vec **cols = flat;
    const struct vec **many = NULL;
    uint32_t strings[64], string_count = 0;

    if (!rows)
        rows = local;
    if (layout->column_count > COUNT_OF(flat)) {
        TRY_MEM(many = mem_alloc(layout->column_count * sizeof *many));
        cols = many;
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const struct vec *v = columns[c];
        if (v->form != VF_FLAT || v->width != ltype_width(layout->types[c])) {
            vec_flatten(v, sel, count, ltype_width(layout->types[c]), &scratch[c]);
            v = &scratch[c];
        }
        cols[c] = v;
        if (v->width == W_STR && string_count < COUNT_OF(strings))
            strings[string_count++] = c;
    }
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t at = SEL_ROW(sel, k);
        size_t heap = 0;
        if (string_count < COUNT_OF(strings)) {
            for (uint32_t s = 0; s < string_count; s++) {
                uint32_t len = ((const struct str *)cols[strings[s]]->data)[at].len;
                heap += len > STR_INLINE ? len : 0;
            }
        } else {
            for (uint32_t c = 0; c < layout->column_count; c++)
                if (cols[c]->width == W_STR) {
                    uint32_t len = ((const struct str *)cols[c]->data)[at].len;
                    heap += len > STR_INLINE ? len : 0;
                }
        }
        struct rowpage *page;
        TRY(page_for(set, heap, &page, err));
        uint8_t *row = page->rows + (size_t)page->row_count++ * row_bytes;
        memset(row, 0, row_bytes);
        put_u64(row + ROW_HASH, hashes ? hashes[k] : 0);
        rows[k] = row;
        heap_at[k] = page->heap_start;
        set->row_count++;
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const struct vec *v = cols[c];
        uint32_t offset = layout->offsets[c];
#define STORE(T)                                                                           \
    for (uint32_t k = 0; k < sel->count; k++)                                              \
        memcpy(rows[k] + offset, (const T *)v->data + SEL_ROW(sel, k), sizeof(T));         \
    break
        switch ((enum vwidth)v->width) {
        case W_BIT:
            for (uint32_t k = 0; k < sel->count; k++)
                rows[k][offset] = bit_get(v->data, SEL_ROW(sel, k));
            break;
        case W_8:
            STORE(uint8_t);
        case W_16:
            STORE(uint16_t);
        case W_32:
        case W_F32:
            STORE(uint32_t);
        case W_64:
        case W_F64:
            STORE(uint64_t);
        case W_128:
            STORE(int128);
        case W_STR:
            for (uint32_t k = 0; k < sel->count; k++) {
                struct str s = ((const struct str *)v->data)[SEL_ROW(sel, k)];
                if (s.len > STR_INLINE) {
                    uint64_t place = heap_at[k];
                    memcpy((uint8_t *)page_of(rows[k]) + place, s.data, s.len);
                    heap_at[k] += s.len;
                    memcpy(s.rest, &place, sizeof place);
                }
                memcpy(rows[k] + offset, &s, sizeof s);
            }
            break;
        }
#undef STORE
        if (v->validity)
            for (uint32_t k = 0; k < sel->count; k++)
                if (!bit_get(v->validity, SEL_ROW(sel, k)))
                    rows[k][layout->null_offset + c / 8] |= (uint8_t)(1u << (c % 8));
    }
out:
    mem_free(many);
    return status;
}

kdk_status rowset_copy_row(struct rowset *set, const uint8_t *row, uint8_t **out,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rowlayout *layout = set->layout;
    const struct rowpage *from = page_of(row);
    struct rowpage *page;
    size_t heap = 0;

    for (uint32_t c = 0; c < layout->column_count; c++)
        if (ltype_width(layout->types[c]) == W_STR) {
            uint32_t len = get_u32(row + layout->offsets[c]);
            heap += len > STR_INLINE ? len : 0;
        }
    TRY(page_for(set, heap, &page, err));
    uint8_t *copy = page->rows + (size_t)page->row_count++ * layout->row_bytes;
    uint32_t to = page->heap_start;
    memcpy(copy, row, layout->row_bytes);
    put_u64(copy + ROW_LINK, 0);
    for (uint32_t c = 0; c < layout->column_count && heap; c++)
        if (ltype_width(layout->types[c]) == W_STR) {
            uint32_t len = get_u32(row + layout->offsets[c]);
            if (len > STR_INLINE) {
                uint64_t place = get_u64(row + layout->offsets[c] + 8);
                memcpy((uint8_t *)page + to, (const uint8_t *)from + place, len);
                put_u64(copy + layout->offsets[c] + 8, to);
                to += len;
            }
        }
    set->row_count++;
    *out = copy;
out:
    return status;
}

uint32_t rowset_next(const struct rowset *set, struct rowset_at *at, uint8_t **rows,
                     uint32_t max)
{
    uint32_t n = 0;
    if (!at->started) {
        at->started = true;
        at->page = set->first;
        at->row = 0;
    }
    while (at->page && n < max) {
        if (at->row == at->page->row_count) {
            at->page = at->page->next;
            at->row = 0;
            continue;
        }
        rows[n++] = (uint8_t *)(uintptr_t)(at->page->rows +
                                           (size_t)at->row++ * set->layout->row_bytes);
    }
    return n;
}

static struct str row_str(const uint8_t *row, uint32_t offset)
{
    struct str s;
    memcpy(&s, row + offset, sizeof s);
    if (s.len > STR_INLINE) {
        uint64_t place;
        memcpy(&place, s.rest, sizeof place);
        s.data = (const char *)page_of(row) + place;
    }
    return s;
}

void rows_gather(const struct rowlayout *layout, uint32_t column, uint8_t *const *rows,
                 uint32_t n, struct vec *out)
{
    uint32_t offset = layout->offsets[column];
    vec_reset(out, ltype_width(layout->types[column]));
    for (uint32_t k = 0; k < n; k++)
        if (!rows[k] || row_is_null(layout, rows[k], column)) {
            vec_validity_on(out, n);
            bit_clear(out->validity, k);
        }
#define LOAD(T)                                                                            \
    for (uint32_t k = 0; k < n; k++) {                                                     \
        T v = 0;                                                                           \
        if (rows[k])                                                                       \
            memcpy(&v, rows[k] + offset, sizeof v);                                        \
        ((T *)out->data)[k] = v;                                                           \
    }                                                                                      \
    break
    switch ((enum vwidth)out->width) {
    case W_BIT:
        for (uint32_t k = 0; k < n; k++)
            bit_put(out->data, k, rows[k] && rows[k][offset]);
        break;
    case W_8:
        LOAD(uint8_t);
    case W_16:
        LOAD(uint16_t);
    case W_32:
    case W_F32:
        LOAD(uint32_t);
    case W_64:
    case W_F64:
        LOAD(uint64_t);
    case W_128:
        LOAD(int128);
    case W_STR:
        for (uint32_t k = 0; k < n; k++)
            ((struct str *)out->data)[k] =
                rows[k] ? row_str(rows[k], offset) : str_of("", 0);
        break;
    }
#undef LOAD
}

struct datum row_get(const struct rowlayout *layout, const uint8_t *row, uint32_t column)
{
    struct datum d = {.null = row_is_null(layout, row, column)};
    const uint8_t *at = row + layout->offsets[column];
    if (d.null)
        return d;
    switch (ltype_width(layout->types[column])) {
    case W_BIT:
        d.i = *at;
        break;
    case W_8:
        d.i = (int8_t)*at;
        break;
    case W_16:
        d.i = (int16_t)get_u16(at);
        break;
    case W_32:
        d.i = (int32_t)get_u32(at);
        break;
    case W_64:
        d.i = get_i64(at);
        break;
    case W_128:
        memcpy(&d.w, at, sizeof d.w);
        break;
    case W_F32: {
        float f;
        memcpy(&f, at, sizeof f);
        d.f = (double)f;
        break;
    }
    case W_F64:
        memcpy(&d.f, at, sizeof d.f);
        break;
    case W_STR:
        d.s = row_str(row, layout->offsets[column]);
        break;
    }
    return d;
}

uint32_t rows_match(const struct rowlayout *layout, uint32_t column, const struct vec *v,
                    bool null_safe, uint16_t *places, uint8_t **rows, uint32_t n)
{
    struct ltype type = layout->types[column];
    uint32_t offset = layout->offsets[column], kept = 0;
    ASSERT(v->form == VF_FLAT);
    ASSERT(v->width == ltype_width(type));
#define MATCH(EQUAL)                                                                       \
    for (uint32_t k = 0; k < n; k++) {                                                     \
        uint32_t at = places[k];                                                           \
        uint8_t *row = rows[k];                                                            \
        bool left = v->validity && !bit_get(v->validity, at);                              \
        bool right = row_is_null(layout, row, column);                                     \
        bool same = left || right ? null_safe && left && right : (EQUAL);                  \
        places[kept] = (uint16_t)at;                                                       \
        rows[kept] = row;                                                                  \
        kept += same;                                                                      \
    }                                                                                      \
    return kept
    switch (ltype_width(type)) {
    case W_BIT:
        MATCH(bit_get(v->data, at) == (row[offset] != 0));
    case W_8:
        MATCH(((const uint8_t *)v->data)[at] == row[offset]);
    case W_16:
        MATCH(((const uint16_t *)v->data)[at] == get_u16(row + offset));
    case W_32:
        MATCH(((const uint32_t *)v->data)[at] == get_u32(row + offset));
    case W_64:
        MATCH(((const uint64_t *)v->data)[at] == get_u64(row + offset));
    case W_128:
        MATCH(memcmp((const int128 *)v->data + at, row + offset, sizeof(int128)) == 0);
    case W_F32:
    case W_F64:
    case W_STR:
        if (type.fixed || ltype_is_float(type)) {
            /* CHAR(n) ignores trailing spaces, -0 equals 0, NaN equals NaN: by the type's
             * own rule. */
            MATCH(datum_compare(type, &(struct datum[]){vec_get(v, at)}[0],
                                &(struct datum[]){row_get(layout, row, column)}[0]) == 0);
        } else {
            MATCH(str_equal((const struct str *)v->data + at,
                            &(struct str[]){row_str(row, offset)}[0]));
        }
    }
#undef MATCH
    return kept;
}

bool rows_equal(const struct rowlayout *layout, const uint8_t *a, const uint8_t *b,
                uint32_t columns)
{
    for (uint32_t c = 0; c < columns; c++) {
        struct datum x = row_get(layout, a, c), y = row_get(layout, b, c);
        if (x.null != y.null || (!x.null && datum_compare(layout->types[c], &x, &y) != 0))
            return false;
    }
    return true;
}
