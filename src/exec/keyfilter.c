#include "exec/keyfilter.h"

#include <stdatomic.h>

/* Operators that a filter goes through at most: joins that make a column equal to several
 * others could make many ways of a few. */
enum { STEPS_MAX = 2000 };
/* More keys than this: a filter would be larger than the caches, and seldom drop much. */
#define KEYS_MAX (4ull << 20)
/* An exact bitmap is taken up to so many bits for each key, or so many in all. */
enum {
    EXACT_BITS_PER_KEY = 128,
    EXACT_BITS_SMALL = 1 << 20,
    EXACT_BITS_MAX = 1 << 26,
    BLOOM_BITS_PER_KEY = 16
};

static bool held_as_integer(struct ltype type)
{
    return ltype_is_integer(type) || type.id == LT_NUMERIC || type.id == LT_DATE ||
           type.id == LT_TIMESTAMP;
}

bool keyfilter_possible(struct ltype type)
{
    return held_as_integer(type) || ltype_is_float(type) || ltype_is_string(type);
}

/* -------------------------------------------------------------------- where ---- */

static kdk_status use_add(struct exec *exec, const struct rel *rel, colid id,
                          struct keyfilter *filter, bool *used, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < rel->col_count; i++) {
        const struct ltype type = rel->cols[i].type;
        struct keyfilter_use *use;
        if (rel->cols[i].id != id || rel->cols[i].column == ROWID_COLUMN ||
            type.id != filter->type.id || type.scale != filter->type.scale ||
            type.fixed != filter->type.fixed)
            continue;
        for (use = exec->filters; use && (use->filter != filter || use->column != id);
             use = use->next) {
        }
        if (use) /* By another way. */
            continue;
        TRY_MEM(use = ARENA_NEW(&exec->arena, struct keyfilter_use));
        use->filter = filter;
        use->scan = rel;
        use->column = id;
        use->next = exec->filters;
        exec->filters = use;
        *used = true;
    }
out:
    return status;
}

/* The other side's columns that a join's keys make equal to this one. */
static kdk_status push_equals(struct exec *exec, const struct rel *join, uint32_t side,
                              colid id, struct keyfilter *filter, bool *used,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct expr *const *own = side ? join->phys.right_keys : join->phys.left_keys;
    struct expr *const *other = side ? join->phys.left_keys : join->phys.right_keys;
    for (uint32_t i = 0; i < join->phys.equi_count; i++)
        if (own[i]->kind == EX_COLUMN && own[i]->column == id &&
            other[i]->kind == EX_COLUMN)
            TRY(keyfilter_push(exec, join->in[1 - side], other[i]->column, filter, used,
                               err));
out:
    return status;
}

kdk_status keyfilter_push(struct exec *exec, const struct rel *rel, colid id,
                          struct keyfilter *filter, bool *used, struct err *err)
{
    kdk_status status = KDK_OK;
    if (filter->steps++ > STEPS_MAX)
        return KDK_OK;
    switch (rel->kind) {
    case REL_SCAN:
        if (!rel->phys.index)
            TRY(use_add(exec, rel, id, filter, used, err));
        break;
    case REL_PROJECT:
    case REL_AGG: /* A group is there whole or not at all. */
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == id && rel->cols[i].expr->kind == EX_COLUMN)
                TRY(keyfilter_push(exec, rel->in[0], rel->cols[i].expr->column, filter,
                                   used, err));
        break;
    case REL_FILTER:
    case REL_CTE:
        TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
        break;
    case REL_SORT:
        if (!rel->limit && !rel->count_offset)
            TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
        break;
    case REL_DISTINCT:
        if (!rel->key_count)
            TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
        break;
    case REL_SETOP:
        for (uint32_t i = 0; i < rel->col_count; i++)
            if (rel->cols[i].id == id) {
                TRY(keyfilter_push(exec, rel->in[0], rel->left[i], filter, used, err));
                TRY(keyfilter_push(exec, rel->in[1], rel->right[i], filter, used, err));
            }
        break;
    case REL_JOIN:
        switch (rel->join) {
        case JOIN_INNER:
            TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
            TRY(keyfilter_push(exec, rel->in[1], id, filter, used, err));
            TRY(push_equals(exec, rel, 0, id, filter, used, err));
            TRY(push_equals(exec, rel, 1, id, filter, used, err));
            break;
        case JOIN_LEFT:
        case JOIN_SINGLE:
        case JOIN_SEMI:
        case JOIN_ANTI:
            /* Right rows that match left rows which are dropped decide nothing. */
            TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
            TRY(push_equals(exec, rel, 0, id, filter, used, err));
            break;
        case JOIN_MARK: /* But a mark asks what else there is. */
            TRY(keyfilter_push(exec, rel->in[0], id, filter, used, err));
            break;
        case JOIN_FULL:
        case JOIN_RIGHT:
            break;
        }
        break;
    case REL_LIMIT:
    case REL_FILE:
    case REL_SERIES:
    case REL_VALUES:
    case REL_CTE_REF:
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
    case REL_COPY_TO:
        break;
    }
out:
    return status;
}

/* ------------------------------------------------------------------- making ---- */

static uint64_t bloom_bits(uint64_t hash)
{
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63);
}
static uint64_t bloom_word(const struct keyfilter *filter, uint64_t hash)
{
    return hash >> 24 & filter->mask;
}

/* An integer as int64; false if it does not fit. */
static bool as_int64(struct ltype type, const uint8_t *at, int64_t *out)
{
    switch (ltype_width(type)) {
    case W_8:
        *out = (int8_t)*at;
        return true;
    case W_16:
        *out = (int16_t)get_u16(at);
        return true;
    case W_32:
        *out = (int32_t)get_u32(at);
        return true;
    case W_64:
        *out = get_i64(at);
        return true;
    case W_128: {
        int128 wide;
        memcpy(&wide, at, sizeof wide);
        *out = (int64_t)wide;
        return wide == *out;
    }
    case W_BIT:
    case W_F32:
    case W_F64:
    case W_STR:
        return false;
    }
    return false;
}

/* The range; *keys: how many are not NULL. */
static void range_make(struct keyfilter *filter, const struct rowset *set, uint32_t field,
                       uint64_t *keys)
{
    const struct rowlayout *layout = set->layout;
    struct rowset_at at = {0};
    uint8_t *rows[256];
    uint32_t n;

    *keys = 0;
    filter->ranged = held_as_integer(filter->type);
    filter->lo = INT64_MAX;
    filter->hi = INT64_MIN;
    while ((n = rowset_next(set, &at, rows, COUNT_OF(rows))))
        for (uint32_t i = 0; i < n; i++) {
            int64_t v;
            if (row_is_null(layout, rows[i], field)) {
                filter->nulls |= filter->null_safe;
                continue;
            }
            (*keys)++;
            if (!filter->ranged)
                continue;
            filter->ranged = as_int64(filter->type, rows[i] + layout->offsets[field], &v);
            filter->lo = MIN(filter->lo, v);
            filter->hi = MAX(filter->hi, v);
        }
    filter->some = *keys > 0;
    filter->ranged &= filter->some;
}

kdk_status keyfilter_make(struct keyfilter *filter, const struct rowset *set,
                          uint32_t field, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rowlayout *layout = set->layout;
    struct rowset_at at = {0};
    uint8_t *rows[BATCH_ROWS];
    uint32_t n;
    uint64_t keys, span;

    if (set->row_count > KEYS_MAX)
        goto out;
    range_make(filter, set, field, &keys);
    filter->made = true;
    if (!filter->some)
        goto out;
    span = (uint64_t)filter->hi - (uint64_t)filter->lo;
    filter->exact = filter->ranged && span < EXACT_BITS_MAX &&
                    span < MAX(EXACT_BITS_SMALL, keys * EXACT_BITS_PER_KEY);
    if (filter->exact) {
        filter->made = false; /* Until its bits are there. */
        TRY_MEM(filter->bits = mem_zalloc(bits_words(span + 2) * sizeof *filter->bits));
        while ((n = rowset_next(set, &at, rows, COUNT_OF(rows))))
            for (uint32_t i = 0; i < n; i++) {
                int64_t v;
                if (!row_is_null(layout, rows[i], field) &&
                    as_int64(filter->type, rows[i] + layout->offsets[field], &v))
                    bit_set(filter->bits, (uint64_t)v - (uint64_t)filter->lo);
            }
    } else {
        struct vec v;
        uint64_t *hashes, words = 8;
        filter->made = false;
        while (words * 64 < keys * BLOOM_BITS_PER_KEY)
            words *= 2;
        filter->mask = words - 1;
        TRY_MEM(filter->bits = mem_zalloc(words * sizeof *filter->bits));
        TRY_MEM(hashes = ARENA_ARRAY(arena, uint64_t, BATCH_ROWS));
        TRY(vec_init(&v, filter->type, arena, err));
        while ((n = rowset_next(set, &at, rows, COUNT_OF(rows)))) {
            struct sel all = {NULL, n};
            rows_gather(layout, field, rows, n, &v);
            vec_hash(&v, &all, false, hashes);
            for (uint32_t i = 0; i < n; i++)
                if (vec_valid(&v, i))
                    filter->bits[bloom_word(filter, hashes[i])] |= bloom_bits(hashes[i]);
        }
    }
    filter->made = true;
out:
    return status;
}

void keyfilter_deinit(struct keyfilter *filter)
{
    mem_free(filter->bits);
    filter->bits = NULL;
}

/* -------------------------------------------------------------------- using ---- */

/* What is outside the range looks at the bit after the last. */
#define EXACT_LOOP(T)                                                                      \
    for (uint32_t k = 0; k < sel->count; k++) {                                            \
        uint32_t row = SEL_ROW(sel, k);                                                    \
        uint64_t at = (uint64_t)(int64_t)((const T *)v->data)[row] - (uint64_t)filter->lo; \
        rows[n] = (uint16_t)row;                                                           \
        n += bit_get(filter->bits, MIN(at, end));                                          \
    }                                                                                      \
    break

static uint32_t exact_narrow(const struct keyfilter *filter, const struct vec *v,
                             const struct sel *sel, uint16_t *rows)
{
    const uint64_t end = (uint64_t)filter->hi - (uint64_t)filter->lo + 1;
    uint32_t n = 0;
    switch ((enum vwidth)v->width) {
    case W_8:
        EXACT_LOOP(int8_t);
    case W_16:
        EXACT_LOOP(int16_t);
    case W_32:
        EXACT_LOOP(int32_t);
    case W_64:
        EXACT_LOOP(int64_t);
    case W_128:
    case W_BIT:
    case W_F32:
    case W_F64:
    case W_STR:
        break;
    }
    return n;
}

uint32_t keyfilter_narrow(const struct keyfilter *filter, const struct vec *v,
                          const struct sel *sel, uint16_t *rows, uint64_t *hashes)
{
    uint32_t n = 0;
    bool constant = v->form == VF_CONSTANT, plain = v->form == VF_FLAT && !v->validity;

    ASSERT(filter->made);
    if (filter->some && filter->exact && plain && v->width <= W_64 && v->width >= W_8)
        return exact_narrow(filter, v, sel, rows);
    if (filter->some && !filter->exact)
        vec_hash(v, sel, false, hashes);
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        bool pass = false;
        if (!vec_valid(v, row)) {
            pass = filter->nulls;
        } else if (filter->some && filter->exact) {
            struct datum d = vec_get(v, constant ? 0 : row);
            int128 value = filter->type.id == LT_NUMERIC ? d.w : d.i;
            pass = value >= filter->lo && value <= filter->hi &&
                   bit_get(filter->bits, (uint64_t)(int64_t)value - (uint64_t)filter->lo);
        } else if (filter->some) {
            uint64_t bits = bloom_bits(hashes[k]);
            pass = (filter->bits[bloom_word(filter, hashes[k])] & bits) == bits;
        }
        rows[n] = (uint16_t)row;
        n += pass;
    }
    return n;
}
