/* fixture_test.c - see block_test.h. */
#include "block/block_test.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"

uint64_t fix_random(struct fix *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005ull + 1442695040888963407ull;
    return hash_u64(f->random) % below;
}

void fix_init(struct fix *f, uint64_t seed)
{
    static const struct {
        const char *name;
        struct ltype type;
        bool dict;
    } kinds[] = {
        {"bool", {.id = LT_BOOLEAN}, false},
        {"tiny", {.id = LT_TINYINT}, false},
        {"small", {.id = LT_SMALLINT}, false},
        {"int", {.id = LT_INTEGER}, false},
        {"big", {.id = LT_BIGINT}, false},
        {"num9", {.id = LT_NUMERIC, .precision = 9, .scale = 2}, false},
        {"num18", {.id = LT_NUMERIC, .precision = 18, .scale = 4}, false},
        {"num38", {.id = LT_NUMERIC, .precision = 38, .scale = 0}, false},
        {"num", {.id = LT_NUMERIC}, false},
        {"real", {.id = LT_REAL}, false},
        {"double", {.id = LT_DOUBLE}, false},
        {"text", {.id = LT_TEXT}, false},
        {"coded", {.id = LT_TEXT, .length = 40}, true},
        {"char", {.id = LT_TEXT, .fixed = 1, .length = 10}, false},
        {"bytea", {.id = LT_BYTEA}, false},
        {"coded bytea", {.id = LT_BYTEA}, true},
        {"date", {.id = LT_DATE}, false},
        {"timestamp", {.id = LT_TIMESTAMP}, false},
    };
    struct err err = {0};
    struct sim_options options = {.seed = seed, .quiet = true};

    memset(f, 0, sizeof *f);
    f->random = seed;
    f->next_file = 1;
    f->codec = ARROW_CODEC_LZ4_FRAME;
    CHECK_EQ(sim_new(&options, &f->sim, &err), KDK_OK);
    f->os = sim_os(f->sim);
    CHECK_EQ(os_mkdir(f->os, "/b", &err), KDK_OK);
    arena_init(&f->arena);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct block_column *c = &f->columns[f->column_count++];
        *c = (struct block_column){(uint32_t)i * 3, kinds[i].type, kinds[i].name, NULL};
        if (kinds[i].dict)
            CHECK_EQ(dict_new(i + 1, kinds[i].type, &c->dict, &err), KDK_OK);
    }
}

void fix_forget(struct fix *f)
{
    for (uint32_t i = 0; i < f->entry_count; i++)
        strip_entry_unref(f->entries[i]);
    mem_free(f->entries);
    f->entries = NULL;
    f->entry_count = 0;
    f->file_count = 0;
}

void fix_deinit(struct fix *f)
{
    fix_forget(f);
    for (uint32_t i = 0; i < f->column_count; i++)
        dict_free(f->columns[i].dict);
    mem_free(f->ids);
    mem_free(f->rows);
    arena_deinit(&f->arena);
    sim_free(f->sim);
}

static int128 random_integer(struct fix *f, uint32_t bits)
{
    uint64_t kind = fix_random(f, 8);
    uint128 wide = (uint128)fix_random(f, UINT64_MAX) << 64 | fix_random(f, UINT64_MAX);
    int128 most = (int128)(((uint128)1 << (bits - 1)) - 1);

    if (f->small)
        return (int128)fix_random(f, 190) - 70;
    if (kind == 0)
        return most;
    if (kind == 1)
        return -most - 1;
    return (int128)(wide << (128 - bits)) >> (128 - bits);
}
static int128 power10(uint32_t digits)
{
    int128 p = 1;
    while (digits--)
        p *= 10;
    return p;
}

static struct datum random_value(struct fix *f, const struct block_column *c)
{
    static const double odd[] = {0.0, -0.0, 1e300, -1e-300, 1.5, -2.25};
    struct datum d;
    struct ltype type = c->type;

    memset(&d, 0, sizeof d);
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        d.i = (int64_t)fix_random(f, 2);
        break;
    case LT_TINYINT:
        d.i = (int64_t)random_integer(f, 8);
        break;
    case LT_SMALLINT:
        d.i = (int64_t)random_integer(f, 16);
        break;
    case LT_INTEGER:
    case LT_DATE:
        d.i = (int64_t)random_integer(f, 32);
        break;
    case LT_BIGINT:
    case LT_TIMESTAMP:
        d.i = (int64_t)random_integer(f, 64);
        break;
    case LT_NUMERIC:
        d.w = random_integer(f, 120) % power10(type.precision ? type.precision : 38);
        break;
    case LT_REAL:
    case LT_DOUBLE:
        d.f = f->small || fix_random(f, 3) ? (double)fix_random(f, 1000) / 8 - 60
                                           : odd[fix_random(f, COUNT_OF(odd))];
        if (!f->small && fix_random(f, 50) == 0)
            d.f = __builtin_nan("");
        if (type.id == LT_REAL)
            d.f = (double)(float)d.f;
        break;
    case LT_TEXT:
    case LT_BYTEA: {
        char text[80];
        size_t length;
        if (c->dict || f->small)
            length = (size_t)snprintf(text, sizeof text, "value %d of a few, not so short",
                                      (int)fix_random(f, KDK_PICK(40, 12)));
        else
            length = (size_t)snprintf(
                text, sizeof text, "%.*s\xc3\xa9%llx", (int)fix_random(f, 40),
                "the beginning that many of them have in common",
                (unsigned long long)fix_random(f, UINT64_MAX) >> fix_random(f, 64));
        if (fix_random(f, 20) == 0)
            length = 0;
        if (type.fixed)
            length = MIN(length, 10u);
        if (type.fixed && length == 10) /* No half characters. */
            while (length && (text[length - 1] & 0x80))
                length--;
        while (type.fixed && length && text[length - 1] == ' ')
            length--;
        d.s = str_of(arena_dup(&f->arena, text, length + 1), length);
        break;
    }
    case LT_UNKNOWN:
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        CHECK(false);
    }
    return d;
}

void fix_rows(struct fix *f, uint32_t count, uint32_t gaps, uint32_t nulls)
{
    uint64_t id = f->row_count ? f->ids[f->row_count - 1] + 1 : 1 + fix_random(f, 100);

    f->ids = mem_realloc(f->ids, (f->row_count + count + 1) * sizeof *f->ids);
    f->rows = mem_realloc(f->rows,
                          (f->row_count + count + 1) * f->column_count * sizeof *f->rows);
    for (uint32_t i = 0; i < count; i++) {
        f->ids[f->row_count] = id;
        id += 1 + (fix_random(f, 256) < gaps ? 1 + fix_random(f, 5) : 0);
        for (uint32_t c = 0; c < f->column_count; c++)
            f->rows[(size_t)f->row_count * f->column_count + c] =
                fix_random(f, 256) < nulls ? DATUM_NULL : random_value(f, &f->columns[c]);
        f->row_count++;
    }
}

static kdk_status next_file(void *context, uint64_t *number, struct err *err)
{
    (void)err;
    *number = ((struct fix *)context)->next_file++;
    return KDK_OK;
}
static kdk_status done(void *context, uint64_t number, uint64_t bytes,
                       struct strip_entry *const *entries, uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct fix *f = context;
    struct strip_entry **more;

    CHECK(bytes > 0);
    TRY_MEM(more = mem_realloc(f->entries, (f->entry_count + count) * sizeof *more));
    f->entries = more;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(entries[i]->file, number);
        f->entries[f->entry_count++] = strip_entry_ref(entries[i]);
    }
    f->file_count++;
out:
    return status;
}

/* Fits the rows of a batch into a dictionary vector of at most three values; false if they
 * are not that few. */
static bool as_dictionary(struct fix *f, struct vec *v, uint32_t count, struct arena *arena)
{
    struct vec *values = arena_alloc_aligned(arena, sizeof *values, 16);
    int32_t *codes = arena_alloc_aligned(arena, BATCH_ROWS * sizeof *codes, 64);
    uint32_t used = 0;

    (void)f;
    CHECK_EQ(vec_init(values, v->type, arena, NULL), KDK_OK);
    struct str *views = values->data;
    for (uint32_t i = 0; i < count; i++) {
        codes[i] = 0;
        if (!vec_valid(v, i))
            continue;
        struct datum d = vec_get(v, i);
        uint32_t k = 0;
        while (k < used && !str_equal(&views[k], &d.s))
            k++;
        if (k == used)
            views[used++] = d.s;
        codes[i] = (int32_t)k;
    }
    v->form = VF_DICT;
    v->data = codes;
    v->values = values;
    return true;
}

/* struct strip_order: the model's rows change places with those of the strip. */
static kdk_status arrange(void *context, struct strip_order *order, struct err *err)
{
    struct fix *f = context;
    const size_t n = f->column_count;
    struct datum *rows = f->rows + f->arranged * n;
    (void)err;
    order->moved = fix_random(f, 3) != 0;
    for (uint32_t i = 0; i < order->rows; i++)
        order->place[i] = i;
    for (uint32_t i = order->rows - 1; i > 0 && order->moved; i--) {
        const uint32_t k = (uint32_t)fix_random(f, i + 1), place = order->place[i];
        order->place[i] = order->place[k];
        order->place[k] = place;
        for (size_t c = 0; c < n; c++) {
            const struct datum d = rows[i * n + c];
            rows[i * n + c] = rows[k * n + c];
            rows[k * n + c] = d;
        }
    }
    if (!order->final)
        order->take -= (uint32_t)fix_random(f, order->rows);
    f->arranged += order->take;
    return KDK_OK;
}

kdk_status fix_write(struct fix *f, uint32_t from, uint32_t to, bool mixed, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_writer *w = NULL;
    struct block_writer_options options = {.os = f->os,
                                           .dir = "/b",
                                           .table = 77,
                                           .newest = 4711,
                                           .codec = f->codec,
                                           .columns = f->columns,
                                           .column_count = f->column_count,
                                           .strip_rows = f->strip_rows,
                                           .file_strips = f->file_strips,
                                           .next_file = next_file,
                                           .strip = f->reorder ? arrange : NULL,
                                           .done = done,
                                           .context = f};
    struct arena arena;
    struct ltype types[FIX_COLUMNS_MAX];

    arena_init(&arena);
    f->arranged = from;
    for (uint32_t i = 0; i < f->column_count; i++)
        types[i] = f->columns[i].type;
    TRY(block_writer_new(&options, &w, err));
    while (from < to) {
        struct batch batch;
        uint64_t ids[BATCH_ROWS];
        arena_reset(&arena);
        TRY(batch_init(&batch, types, f->column_count, &arena, err));
        uint32_t count =
                     mixed ? 1 + (uint32_t)fix_random(f, BATCH_ROWS) : (uint32_t)BATCH_ROWS,
                 rows = 0, taken = 0;
        /* Rows that do not count lie between those that do. */
        for (; rows < count && from + taken < to; rows++) {
            bool counts = !mixed || fix_random(f, 4);
            uint32_t model = from + taken;
            for (uint32_t c = 0; c < f->column_count; c++) {
                struct datum d = f->rows[(size_t)model * f->column_count + c];
                vec_put(&batch.columns[c], rows, &d, rows + 1);
            }
            if (counts) {
                batch.sel_room[taken] = (uint16_t)rows;
                ids[taken++] = f->ids[model];
            }
        }
        /* vec_put() switches validity on for the rows so far. */
        for (uint32_t c = 0; c < f->column_count; c++)
            for (uint32_t k = 0; batch.columns[c].validity && k < taken; k++)
                bit_put(batch.columns[c].validity, mixed ? batch.sel_room[k] : k,
                        !f->rows[(size_t)(from + k) * f->column_count + c].null);
        batch.count = rows;
        batch.sel = (struct sel){mixed ? batch.sel_room : NULL, taken};
        for (uint32_t c = 0; mixed && c < f->column_count; c++)
            if (ltype_is_string(types[c]) && fix_random(f, 2))
                (void)as_dictionary(f, &batch.columns[c], rows, &arena);
        TRY(block_writer_add(w, ids, &batch, err));
        from += taken;
        if (mixed && fix_random(f, 30) == 0)
            TRY(block_writer_end_strip(w, err));
        if (mixed && fix_random(f, 100) == 0)
            TRY(block_writer_end_file(w, err));
    }
    TRY(block_writer_end_file(w, err));
out:
    block_writer_free(w);
    arena_deinit(&arena);
    return status;
}

kdk_status fix_cache(struct fix *f, uint64_t bytes, struct block_cache **out,
                     struct err *err)
{
    struct block_cache_options options = {
        .os = f->os, .dir = "/b", .bytes_max = bytes, .files_max = 3};

    return block_cache_new(&options, out, err);
}

bool fix_same(struct ltype type, const struct datum *a, const struct datum *b)
{
    if (a->null || b->null)
        return a->null == b->null;
    if (ltype_is_float(type)) /* -0 stays -0. */
        return memcmp(&a->f, &b->f, 8) == 0 || (a->f != a->f && b->f != b->f);
    return datum_compare(type, a, b) == 0;
}

kdk_status fix_compare(struct fix *f, struct block_cache *cache, uint32_t from, uint32_t to,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_cache *own = NULL;
    const struct strip_data *data = NULL;
    struct arena arena;
    uint32_t model = from;

    arena_init(&arena);
    if (!cache) {
        TRY(fix_cache(f, 64 << 20, &own, err));
        cache = own;
    }
    for (uint32_t e = 0; e < f->entry_count; e++) {
        const struct strip_entry *entry = f->entries[e];
        uint32_t wrong = 0;
        if (!CHECK(model + entry->rows <= to))
            break;
        for (uint32_t i = 0; i < entry->rows; i++)
            wrong += strip_entry_id(entry, i) != f->ids[model + i];
        CHECK_EQ(wrong, 0);
        for (uint32_t c = 0; c < f->column_count; c++) {
            struct ltype type = f->columns[c].type;
            struct vec v;
            const struct datum *want = &f->rows[(size_t)model * f->column_count + c];
            wrong = 0;
            TRY(strip_column(cache, entry, f->columns[c].number, type, f->columns[c].dict,
                             e % 2 ? STRIP_SCAN : STRIP_POINT, &data, err));
            arena_reset(&arena);
            TRY(vec_init(&v, type, &arena, err));
            for (uint32_t at = 0; at < entry->rows;) {
                uint32_t count = MIN((uint32_t)BATCH_ROWS, entry->rows - at),
                         few = 1 + (uint32_t)fix_random(f, 100);
                if (e % 3 == 1)
                    count = MIN(count, few);
                vec_reset(&v, ltype_width(type));
                strip_vec(data, at, count, NULL, &v);
                for (uint32_t i = 0; i < count; i++) {
                    const struct datum *w = &want[(size_t)(at + i) * f->column_count];
                    struct datum got = vec_valid(&v, i) ? vec_get(&v, i) : DATUM_NULL,
                                 one = strip_value(data, at + i);
                    wrong += !(fix_same(type, &got, w) && fix_same(type, &one, w));
                }
                at += count;
            }
            if (!CHECK_EQ(wrong, 0))
                fprintf(stderr, "  in strip %u, column %s\n", e, f->columns[c].name);
            strip_unpin(data);
            data = NULL;
        }
        model += entry->rows;
    }
    CHECK_EQ(model, to);
out:
    strip_unpin(data);
    block_cache_free(own);
    arena_deinit(&arena);
    return status;
}

static void print_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "  %s\n", line);
}
uint64_t fix_check(struct fix *f)
{
    uint64_t problems = 0, all = 0;
    struct err err = {0};

    for (uint32_t i = 0; i < f->entry_count;) {
        uint32_t n = 1;
        while (i + n < f->entry_count && f->entries[i + n]->file == f->entries[i]->file)
            n++;
        CHECK_EQ(block_check(f->os, "/b", f->entries[i]->file, f->entries + i, n,
                             print_line, NULL, &problems, &err),
                 KDK_OK);
        all += problems;
        i += n;
    }
    return all;
}

uint8_t *fix_load(struct fix *f, uint64_t number, size_t *bytes)
{
    char path[64];
    struct os_file *file = NULL;
    struct err err = {0};
    uint64_t size;

    CHECK_EQ(block_path("/b", number, path, sizeof path, &err), KDK_OK);
    CHECK_EQ(os_open(f->os, path, OS_READ, &file, &err), KDK_OK);
    CHECK_EQ(os_size(file, &size, &err), KDK_OK);
    uint8_t *data = mem_alloc((size_t)size);
    CHECK_EQ(os_read_exact(file, 0, data, (size_t)size, &err), KDK_OK);
    os_close(file);
    *bytes = (size_t)size;
    return data;
}
