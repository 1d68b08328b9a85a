/* zone.c - zone maps and distinct sketches: how they are made, and what they prove.
 *
 * Bounds of strings are cut to ZONE_TEXT_BYTES. A cut minimum is still a lower bound, since
 * a prefix sorts first; a cut maximum is not an upper bound, so it is marked and compared
 * with as many bytes of the other side. NaN is kept out of the bounds and has a flag.
 * Bounds compare -0 and 0 as equal, so whichever of them was met first will do.
 *
 * Sources  Flajolet et al., HyperLogLog, AOFA 2007; 64 registers of 5 bits, linear counting
 *          below 2.5 times as many.
 */
#include "block/block_int.h"

#include <math.h>

/* ---------------------------------------------------------------- sketches ---- */

void sketch_add(struct sketch *sketch, uint64_t hash)
{
    /* The last bit set bounds the count of zeroes. */
    uint64_t rest = hash << 6 | 1ull << 5;
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);

    if (rank > 31)
        rank = 31; /* Five bits on disk. */
    if (sketch->rank[hash >> 58] < rank)
        sketch->rank[hash >> 58] = rank;
}
void sketch_merge(struct sketch *into, const struct sketch *from)
{
    for (uint32_t i = 0; i < 64; i++)
        into->rank[i] = MAX(into->rank[i], from->rank[i]);
}
uint64_t sketch_estimate(const struct sketch *sketch)
{
    double sum = 0, estimate;
    uint32_t empty = 0;

    for (uint32_t i = 0; i < 64; i++) {
        sum += ldexp(1, -sketch->rank[i]);
        empty += sketch->rank[i] == 0;
    }
    if (empty == 64)
        return 0;
    estimate = 0.709 * 64 * 64 / sum;
    if (estimate <= 2.5 * 64 && empty)
        estimate = 64 * log(64.0 / empty);
    return (uint64_t)(estimate + 0.5);
}

/* ------------------------------------------------------------------ making ---- */

static bool row_valid(const struct zone_source *source, uint32_t row)
{
    return !source->validity || bit_get(source->validity, row);
}

static void zone_bits(const struct zone_source *source, struct zone *zone,
                      struct sketch *sketch)
{
    bool seen[2] = {false, false};

    for (uint32_t i = 0; i < source->rows; i++)
        if (row_valid(source, i))
            seen[bit_get(source->data, i)] = true;
    zone->known = seen[0] || seen[1];
    zone->min.w = !seen[0];
    zone->max.w = seen[1];
    for (int i = 0; i < 2; i++) {
        struct datum d = {.i = i};
        if (seen[i])
            sketch_add(sketch, datum_hash(source->type, &d));
    }
}

static void zone_floats(const struct zone_source *source, struct zone *zone)
{
    const float *f = source->data;
    const double *d = source->data;

    for (uint32_t i = 0; i < source->rows; i++) {
        if (!row_valid(source, i))
            continue;
        double value = source->form == STRIP_F32 ? (double)f[i] : d[i];
        if (value != value) {
            zone->nan = true;
        } else if (!zone->known) {
            zone->known = true;
            zone->min.f = zone->max.f = value;
        } else {
            if (value < zone->min.f)
                zone->min.f = value;
            if (value > zone->max.f)
                zone->max.f = value;
        }
    }
}

static void zone_text_add(struct zone *zone, struct sketch *sketch, const struct str *value)
{
    sketch_add(sketch, str_hash(value));
    if (!zone->known) {
        zone->known = true;
        zone->min.s = zone->max.s = *value;
        return;
    }
    if (str_compare(value, &zone->min.s) < 0)
        zone->min.s = *value;
    if (str_compare(value, &zone->max.s) > 0)
        zone->max.s = *value;
}
static void zone_text(const struct zone_source *source, struct zone *zone,
                      struct sketch *sketch)
{
    const uint32_t *offsets = source->data;

    for (uint32_t i = 0; i < source->rows; i++) {
        if (!row_valid(source, i))
            continue;
        struct str value = str_of(source->text + offsets[i], offsets[i + 1] - offsets[i]);
        zone_text_add(zone, sketch, &value);
    }
}
static void zone_codes(const struct zone_source *source, struct zone *zone,
                       struct sketch *sketch)
{
    uint64_t seen[(DICT_ENTRIES_MAX + 63) / 64] = {0};
    const int32_t *codes = source->data;

    for (uint32_t i = 0; i < source->rows; i++)
        if (row_valid(source, i))
            bit_set(seen, (size_t)codes[i]);
    for (size_t word = 0; word < COUNT_OF(seen); word++)
        for (uint64_t left = seen[word]; left; left &= left - 1) {
            struct str value = dict_value(
                source->dict, (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left));
            zone_text_add(zone, sketch, &value);
        }
}

static struct str cut(struct str s)
{
    return s.len > ZONE_TEXT_BYTES ? str_of(s.data, ZONE_TEXT_BYTES) : s;
}

/* Hashes of a flat column, some hundred rows at a time. */
static void sketch_numbers(const struct zone_source *source, struct sketch *sketch)
{
    enum { STEP = 64 };
    uint64_t hashes[STEP];
    uint32_t bytes = block_form_bytes(source->form);
    struct vec v = {.type = source->type,
                    .width = (uint8_t)block_form_width(source->form),
                    .form = VF_FLAT};

    for (uint32_t from = 0; from < source->rows; from += STEP) {
        uint32_t count = MIN((uint32_t)STEP, source->rows - from);
        struct sel sel = {.count = count};
        v.data = (uint8_t *)(uintptr_t)source->data + (size_t)from * bytes;
        vec_hash(&v, &sel, false, hashes);
        for (uint32_t i = 0; i < count; i++)
            if (row_valid(source, from + i))
                sketch_add(sketch, hashes[i]);
    }
}

void zone_build(const struct zone_source *source, struct zone *zone, struct sketch *sketch)
{
    memset(zone, 0, sizeof *zone);
    memset(sketch, 0, sizeof *sketch);
    if (source->validity)
        zone->null_count =
            source->rows - (uint32_t)bits_count(source->validity, source->rows);
    switch (source->form) {
    case STRIP_BOOL:
        zone_bits(source, zone, sketch);
        break;
    case STRIP_I8:
    case STRIP_I16:
    case STRIP_I32:
    case STRIP_I64:
    case STRIP_I128:
        zone->known =
            strip_bounds(block_form_width(source->form), source->data, source->validity,
                         source->rows, &zone->min.w, &zone->max.w);
        sketch_numbers(source, sketch);
        break;
    case STRIP_F32:
    case STRIP_F64:
        zone_floats(source, zone);
        sketch_numbers(source, sketch);
        break;
    case STRIP_TEXT:
    case STRIP_CODE:
        if (source->form == STRIP_TEXT)
            zone_text(source, zone, sketch);
        else
            zone_codes(source, zone, sketch);
        if (zone->known) {
            zone->max_cut = zone->max.s.len > ZONE_TEXT_BYTES;
            zone->min.s = cut(zone->min.s);
            zone->max.s = cut(zone->max.s);
        }
        break;
    case STRIP_FORM_COUNT:
        break;
    }
}

/* ----------------------------------------------------------------- proving ---- */

/* The bounds against a value: `low` is the sign of min - value, `high` that of max - value,
 * where 0 for a cut maximum means that the value begins as it does, so that there may be
 * greater, equal and smaller ones. */
static void compare(const struct zone *zone, struct ltype type, const struct datum *value,
                    int *low, int *high)
{
    if (ltype_is_string(type)) {
        struct str s = value->s;
        *low = str_compare(&zone->min.s, &s);
        if (zone->max_cut && s.len > zone->max.s.len)
            s = str_of(str_data(&value->s), zone->max.s.len);
        *high = str_compare(&zone->max.s, &s);
        /* A shorter value that the cut maximum begins with is below it; the comparison says
         * so. */
    } else {
        *low = datum_compare(type, &zone->min, value);
        *high = datum_compare(type, &zone->max, value);
    }
}

bool zone_may_match_zone(const struct zone *zone, uint32_t rows, struct ltype type,
                         enum zone_op op, const struct datum *value)
{
    int low, high;

    if (op == ZONE_IS_NULL)
        return zone->null_count > 0;
    if (op == ZONE_NOT_NULL)
        return zone->null_count < rows;
    if (value->null || zone->null_count >= rows)
        return false;
    /* Nothing is known, though something is there: cannot be, but proves nothing. */
    if (!zone->known && !zone->nan)
        return true;
    if (ltype_is_float(type) && value->f != value->f) {
        switch (op) {
        case ZONE_EQ:
        case ZONE_GE:
            return zone->nan;
        case ZONE_NE:
        case ZONE_LT:
            return zone->known;
        case ZONE_LE:
            return true;
        case ZONE_GT:
            return false;
        case ZONE_IS_NULL:
        case ZONE_NOT_NULL:
            break;
        }
        return true;
    }
    if (!zone->known) /* All NaN. */
        return op == ZONE_NE || op == ZONE_GT || op == ZONE_GE;
    compare(zone, type, value, &low, &high);
    switch (op) {
    case ZONE_EQ:
        return low <= 0 && high >= 0;
    case ZONE_NE:
        return low != 0 || high != 0 || zone->nan || zone->max_cut;
    case ZONE_LT:
        return low < 0;
    case ZONE_LE:
        return low <= 0;
    case ZONE_GT:
        return high > 0 || zone->nan || (high == 0 && zone->max_cut);
    case ZONE_GE:
        return high >= 0 || zone->nan;
    case ZONE_IS_NULL:
    case ZONE_NOT_NULL:
        break;
    }
    return true;
}

bool zone_may_match(const struct strip_entry *entry, uint32_t column, struct ltype type,
                    enum zone_op op, const struct datum *value)
{
    const struct strip_column *c = strip_entry_column(entry, column);

    return !c || zone_may_match_zone(&c->zone, entry->rows, type, op, value);
}

bool strip_entry_bounds(const struct strip_entry *entry, uint32_t column, struct ltype type,
                        int128 *lo, int128 *hi)
{
    const struct strip_column *c = strip_entry_column(entry, column);

    if (!c || !c->zone.known || c->form > STRIP_I128)
        return false;
    *lo = type.id == LT_NUMERIC ? c->zone.min.w : c->zone.min.i;
    *hi = type.id == LT_NUMERIC ? c->zone.max.w : c->zone.max.i;
    return true;
}
