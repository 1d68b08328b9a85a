/* block_test.c - what is written is read back: all types, NULLs, gaps, widths,
 * dictionaries; entries; zone maps. */
#include "block/block_test.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "block/block_int.h"
#include "check.h"

TEST(block, rows_of_all_types_come_back)
{
    static const enum arrow_codec codecs[] = {ARROW_CODEC_LZ4_FRAME, ARROW_CODEC_ZSTD,
                                              ARROW_CODEC_NONE};

    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fix f;
        struct err err = {0};
        fix_init(&f, seed);
        f.small = seed % 2;
        f.codec = codecs[seed % 3];
        f.strip_rows = seed < 4 ? KDK_PICK(500, 20) : 0;
        f.file_strips = seed < 4 ? 3 : 0;
        fix_rows(&f, KDK_PICK(5000, 400), seed % 3 ? 60 : 0, seed % 4 ? 50 : 0);
        CHECK_EQ(fix_write(&f, 0, f.row_count, seed > 2, &err), KDK_OK);
        CHECK_STR(err.message, "");
        CHECK(f.entry_count > 0);
        CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
        CHECK_STR(err.message, "");
        CHECK_EQ(fix_check(&f), 0);
        fix_deinit(&f);
    }
}

TEST(block, strips_take_rows_in_the_order_that_is_asked_for)
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct fix f;
        struct err err = {0};
        fix_init(&f, seed);
        f.reorder = true;
        f.small = seed % 2;
        f.strip_rows = KDK_PICK(900, 50);
        fix_rows(&f, KDK_PICK(6000, 500), seed % 3 ? 20 : 0, 60);
        if (!CHECK_EQ(fix_write(&f, 0, f.row_count, seed > 3, &err), KDK_OK))
            CHECK_STR(err.message, "");
        CHECK_EQ(f.arranged, f.row_count);
        CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
        CHECK_EQ(fix_check(&f), 0);
        fix_deinit(&f);
    }
}

TEST(block, full_strips_and_files_close)
{
    struct fix f;
    struct err err = {0};

    fix_init(&f, 5);
    f.small = true;
    f.column_count = 3;
    fix_rows(&f, STRIP_ROWS * (FILE_STRIPS + 1) + 1, 0, 0);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(f.file_count, 2);
    if (CHECK_EQ(f.entry_count, FILE_STRIPS + 2)) {
        for (uint32_t i = 0; i <= FILE_STRIPS; i++)
            CHECK_EQ(f.entries[i]->rows, STRIP_ROWS);
        CHECK_EQ(f.entries[FILE_STRIPS + 1]->rows, 1);
        CHECK_EQ(f.entries[FILE_STRIPS]->strip, 0);
        CHECK_EQ(f.entries[0]->newest, 4711);
    }
    CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
    f.column_count = 18;
    fix_deinit(&f);
}

/* A strip closes at STRIP_BYTES_MAX, but has a row however long it is. */
TEST(block, long_values_close_strips)
{
    struct fix f;
    struct err err = {0};
    size_t sizes[] = {STRIP_BYTES_MAX * 3, 10, STRIP_BYTES_MAX / 2, STRIP_BYTES_MAX / 2,
                      STRIP_BYTES_MAX / 3, 5};
    uint32_t want[] = {1, 2, 3};
    char *text = mem_alloc(STRIP_BYTES_MAX * 3);

    for (size_t i = 0; i < STRIP_BYTES_MAX * 3; i++)
        text[i] = (char)('a' + hash_u64(i) % 26);
    fix_init(&f, 3);
    f.columns[0] = f.columns[11];
    struct dict *dict = f.columns[12].dict, *other = f.columns[15].dict;
    f.column_count = 1;
    fix_rows(&f, COUNT_OF(sizes), 0, 0);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        f.rows[i].s = str_of(text, sizes[i]);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    if (CHECK_EQ(f.entry_count, COUNT_OF(want)))
        for (uint32_t i = 0; i < COUNT_OF(want); i++)
            CHECK_EQ(f.entries[i]->rows, want[i]);
    CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
    CHECK_EQ(fix_check(&f), 0);
    fix_deinit(&f);
    dict_free(dict);
    dict_free(other);
    mem_free(text);
}

TEST(block, row_ids_and_positions_with_gaps)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct fix f;
        struct err err = {0};
        fix_init(&f, seed);
        f.column_count = 1;
        fix_rows(&f, KDK_PICK(700, 150), (uint32_t)seed * 13, 0);
        if (seed == 7) /* Far apart: more than 32 bits end a strip. */
            f.ids[f.row_count - 1] += 1ull << 33;
        CHECK_EQ(fix_write(&f, 0, f.row_count, true, &err), KDK_OK);
        uint32_t model = 0;
        for (uint32_t e = 0; e < f.entry_count; e++) {
            const struct strip_entry *entry = f.entries[e];
            uint64_t ids[STRIP_ROWS];
            uint32_t next = 0, wrong = 0, position;
            strip_entry_ids(entry, 0, entry->rows, ids);
            CHECK_MEM(ids, f.ids + model, entry->rows * 8);
            if (entry->rows > 5) {
                strip_entry_ids(entry, 3, entry->rows - 4, ids);
                CHECK_MEM(ids, f.ids + model + 3, (entry->rows - 4) * 8);
            }
            CHECK_EQ(entry->first, f.ids[model]);
            CHECK_EQ(entry->last, f.ids[model + entry->rows - 1]);
            for (uint64_t id = entry->first; id <= entry->last; id++) {
                bool there = f.ids[model + next] == id;
                wrong += strip_entry_lower(entry, id) != next;
                wrong += strip_entry_position(entry, id, &position) != there ||
                         (there && position != next);
                next += there;
            }
            CHECK_EQ(wrong, 0);
            CHECK_EQ(strip_entry_lower(entry, 0), 0);
            CHECK_EQ(strip_entry_lower(entry, entry->last + 1), entry->rows);
            CHECK(!strip_entry_position(entry, entry->last + 1, &position));
            CHECK(!strip_entry_position(entry, entry->first - 1, &position));
            model += entry->rows;
        }
        CHECK_EQ(model, f.row_count);
        f.column_count = 18;
        fix_deinit(&f);
    }
}

/* Both encodings of an entry, and every way to damage the compact one. */
TEST(block, entries_come_back_from_both_encodings)
{
    struct fix f;
    struct err err = {0};
    uint32_t accepted = 0, tried = 0;

    fix_init(&f, 9);
    fix_rows(&f, KDK_PICK(1500, 200), 90, 30);
    CHECK_EQ(fix_write(&f, 0, f.row_count, true, &err), KDK_OK);
    for (uint32_t e = 0; e < f.entry_count; e++) {
        struct strip_entry *again = NULL;
        struct buf buf = {0};
        CHECK_EQ(strip_entry_print(f.entries[e], &buf, &err), KDK_OK);
        CHECK_EQ(strip_entry_parse(buf.data, buf.len, &again, &err), KDK_OK);
        CHECK(again && strip_entry_equal(again, f.entries[e]));
        strip_entry_unref(again);
        again = NULL;
        buf_clear(&buf);
        CHECK_EQ(strip_entry_encode(f.entries[e], &buf, &err), KDK_OK);
        CHECK_EQ(strip_entry_decode(buf.data, buf.len, &again, &err), KDK_OK);
        CHECK(again && strip_entry_equal(again, f.entries[e]));
        if (again)
            CHECK_EQ(again->memory_bytes, f.entries[e]->memory_bytes);
        strip_entry_unref(again);
        for (size_t cut = 0; e == 0 && cut < buf.len; cut++) {
            again = NULL;
            CHECK_EQ(strip_entry_decode(buf.data, cut, &again, &err), KDK_CORRUPT);
        }
        for (size_t at = 0; e == 0 && at < buf.len; at++)
            for (int bit = 0; bit < 8; bit++) { /* Refused, or an entry that can be used. */
                again = NULL;
                buf.data[at] ^= (char)(1 << bit);
                kdk_status status = strip_entry_decode(buf.data, buf.len, &again, &err);
                CHECK(status == KDK_OK || status == KDK_CORRUPT ||
                      status == KDK_UNSUPPORTED);
                tried++;
                accepted += status == KDK_OK;
                for (uint32_t i = 0; again && i < again->rows; i++) {
                    uint32_t position;
                    if (!strip_entry_position(again, strip_entry_id(again, i), &position) ||
                        position != i)
                        CHECK(false);
                }
                strip_entry_unref(again);
                buf.data[at] ^= (char)(1 << bit);
            }
        buf_deinit(&buf);
    }
    CHECK(accepted < tried);
    fix_deinit(&f);
}

/* A dictionary that grows from file to file: each file embeds a prefix of it. */
TEST(block, dictionaries_of_files_are_prefixes)
{
    struct fix f;
    struct err err = {0};
    uint32_t before = 0;

    fix_init(&f, 21);
    f.small = true;
    struct dict *dict = f.columns[12].dict;
    for (uint32_t file = 0; file < 4; file++) {
        uint32_t from = f.row_count;
        fix_rows(&f, KDK_PICK(3000, 200), 0, 10);
        for (uint32_t r = from; r < f.row_count; r++) {
            char text[32];
            int n = snprintf(text, sizeof text, "entry %u",
                             (uint32_t)fix_random(&f, file * 3 + 3));
            f.rows[(size_t)r * f.column_count + 12] = (struct datum){
                .s = str_of(arena_dup(&f.arena, text, sizeof text), (size_t)n)};
        }
        CHECK_EQ(fix_write(&f, from, f.row_count, false, &err), KDK_OK);
        CHECK(dict_count(dict) > before);
        before = dict_count(dict);
    }
    CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
    CHECK_EQ(fix_check(&f), 0);
    for (uint32_t e = 0; e < f.entry_count; e++)
        CHECK_EQ(f.entries[e]->columns[12].form, STRIP_CODE);
    CHECK_EQ(f.entries[f.entry_count - 1]->columns[12].dict_entries, before);
    for (uint64_t number = 1; number < f.next_file; number++) {
        size_t bytes;
        uint8_t *data = fix_load(&f, number, &bytes);
        struct arrow_memory memory = {data, bytes, 0};
        struct arrow_source source = arrow_source_of_memory(&memory, "x");
        struct arrow_file *file = NULL;
        struct arrow_array *values = NULL;
        CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
        const struct arrow_schema *field = arrow_file_schema(file)->children[12];
        CHECK(field->dictionary && field->type == ARROW_INT32);
        CHECK_EQ(arrow_file_dictionary(file, field, &values, &err), KDK_OK);
        for (int64_t i = 0; i < values->length; i++) {
            size_t length;
            const uint8_t *text = arrow_bytes(field->dictionary, values, i, &length);
            struct str s = str_of((const char *)text, length);
            CHECK_EQ(dict_find(dict, s), i);
        }
        arrow_array_unref(values);
        arrow_file_close(file);
        mem_free(data);
    }
    fix_deinit(&f);
}

/* Too many entries, too much that is new, and a dictionary that is a large part of its
 * file: all are written plain. */
TEST(block, columns_turn_plain)
{
    struct fix f;
    struct err err = {0};

    fix_init(&f, 22);
    f.small = true;
    uint32_t rows = KDK_PICK(2000, 60), n = f.column_count;
    fix_rows(&f, rows, 0, 0);
    for (uint32_t r = 0; r < rows; r++) { /* Every value another. */
        char text[32];
        int length = snprintf(text, sizeof text, "a new one %u", r);
        f.rows[(size_t)r * n + 12].s =
            str_of(arena_dup(&f.arena, text, sizeof text), (size_t)length);
    }
    CHECK_EQ(fix_write(&f, 0, rows, false, &err), KDK_OK);
    CHECK_EQ(f.entries[0]->columns[12].form, STRIP_TEXT);
    CHECK_EQ(dict_count(f.columns[12].dict), 0);
    CHECK_EQ(fix_compare(&f, NULL, 0, rows, &err), KDK_OK);

    /* 60 entries of 200 bytes among 700 rows of little else: more than a tenth. The first
     * attempt is removed. */
    uint64_t first = f.next_file;
    fix_forget(&f);
    f.columns[0] = f.columns[12];
    f.columns[0].number = 0;
    struct dict *dict = f.columns[12].dict, *other = f.columns[15].dict;
    f.column_count = 1;
    f.row_count = 0;
    fix_rows(&f, KDK_PICK(700, 0), 0, 0);
    for (uint32_t r = 0; r < f.row_count; r++) {
        char text[256];
        for (size_t i = 0; i < 200; i++)
            text[i] = (char)('A' + hash_u64((r % 60) * 1000 + i) % 50);
        f.rows[r].s = str_of(arena_dup(&f.arena, text, 200), 200);
    }
    if (f.row_count) {
        CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
        CHECK_EQ(f.next_file, first + 2);
        CHECK_EQ(f.entries[0]->file, first + 1);
        CHECK_EQ(f.entries[0]->columns[0].form, STRIP_TEXT);
        CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
        CHECK_EQ(fix_check(&f), 0);
        char path[64];
        enum os_kind kind;
        CHECK_EQ(block_path("/b", first, path, sizeof path, &err), KDK_OK);
        CHECK_EQ(os_kind(f.os, path, &kind, &err), KDK_OK);
        CHECK_EQ(kind, OS_MISSING);
    }

    /* A full dictionary: files that began with codes end, the rest is plain. */
    fix_forget(&f);
    f.row_count = 0;
    f.strip_rows = KDK_PICK(4096, 32);
    f.file_strips = 60;
    uint32_t fresh = KDK_PICK(300, 3);
    fix_rows(&f, f.strip_rows * (DICT_ENTRIES_MAX / fresh + 3), 0, 0);
    for (uint32_t r = 0; r < f.row_count; r++) {
        char text[32];
        int length = snprintf(text, sizeof text, "%u %u", r / f.strip_rows, r % fresh);
        f.rows[r].s = str_of(arena_dup(&f.arena, text, sizeof text), (size_t)length);
    }
    dict_free(dict);
    CHECK_EQ(dict_new(5, f.columns[0].type, &dict, &err), KDK_OK);
    f.columns[0].dict = dict;
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK(dict_full(dict));
    CHECK_EQ(dict_count(dict), DICT_ENTRIES_MAX);
    CHECK_EQ(f.entries[f.entry_count - 1]->columns[0].form, STRIP_TEXT);
    CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
    CHECK_EQ(fix_check(&f), 0);
    fix_deinit(&f); /* Frees columns[0].dict, which is `dict`. */
    dict_free(other);
}

TEST(block, dictionaries_find_add_import)
{
    struct dict *d = NULL, *copy = NULL;
    struct err err = {0};
    int32_t code;
    char text[32];

    CHECK_EQ(dict_new(3, LTYPE(TEXT), &d, &err), KDK_OK);
    CHECK_EQ(dict_new(4, LTYPE(TEXT), &copy, &err), KDK_OK);
    const struct str *first = dict_values(d)->data;
    CHECK_EQ(first[0].len, 0);
    for (uint32_t i = 0; i < DICT_ENTRIES_MAX; i++) {
        int n = snprintf(text, sizeof text, "%u, not quite short", i * 7);
        CHECK_EQ(dict_find(d, str_of(text, (size_t)n)), -1);
        CHECK_EQ(dict_add(d, str_of(text, (size_t)n), &code, &err), KDK_OK);
        CHECK_EQ(code, i);
        CHECK_EQ(dict_add(d, str_of(text, (size_t)n), &code, &err), KDK_OK);
        CHECK_EQ(code, i);
    }
    CHECK(!dict_full(d));
    CHECK_EQ(dict_add(d, str_of("one more", 8), &code, &err), KDK_OK);
    CHECK_EQ(code, -1);
    CHECK(dict_full(d));
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(dict_import(copy, i, dict_value(d, i), &err), KDK_OK);
    CHECK_EQ(dict_import(copy, 5, dict_value(d, 5), &err), KDK_OK); /* Again. */
    CHECK_EQ(dict_import(copy, 5, dict_value(d, 6), &err), KDK_CORRUPT);
    CHECK_EQ(dict_import(copy, 16, dict_value(d, 6), &err), KDK_CORRUPT);
    CHECK_EQ(dict_import(copy, 18, str_of("x", 1), &err), KDK_CORRUPT);
    CHECK_EQ(dict_count(copy), 16);
    CHECK(dict_bytes(d) >= dict_bytes(copy));
    dict_free(d);
    dict_free(copy);
}

/* No pruning may lose a row: each predicate against each row of each strip. */
TEST(block, zone_maps_lose_no_row)
{
    uint64_t pruned = 0, tests = 0;

    for (uint64_t seed = 30; seed < 34; seed++) {
        struct fix f;
        struct err err = {0};
        fix_init(&f, seed);
        f.small = seed % 2;
        f.strip_rows = 8;
        fix_rows(&f, 150, 0, seed % 3 ? 40 : 0);
        CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
        for (uint32_t c = 0; c < f.column_count; c++) {
            struct ltype type = f.columns[c].type;
            uint32_t model = 0, wrong = 0;
            for (uint32_t e = 0; e < f.entry_count; e++) {
                const struct strip_entry *entry = f.entries[e];
                for (uint32_t q = 0; q < 60; q++) {
                    struct datum value =
                        f.rows[(size_t)fix_random(&f, f.row_count) * f.column_count + c];
                    if (ltype_is_float(type) && q == 0)
                        value = (struct datum){.f = __builtin_nan("")};
                    if (ltype_is_string(type) && !value.null && value.s.len > 3 &&
                        q % 3 == 0)
                        /* Cuts characters, which does not matter. */
                        value.s = str_of(str_data(&value.s), value.s.len - 2);
                    for (enum zone_op op = ZONE_EQ; op <= ZONE_NOT_NULL; op++) {
                        bool may = zone_may_match(entry, f.columns[c].number, type, op,
                                                  &value),
                             does = false;
                        for (uint32_t r = 0; r < entry->rows; r++) {
                            const struct datum *d =
                                &f.rows[(size_t)(model + r) * f.column_count + c];
                            int cmp =
                                d->null || value.null ? 0 : datum_compare(type, d, &value);
                            bool known = !d->null && !value.null;
                            does |= (op == ZONE_EQ && known && cmp == 0) ||
                                    (op == ZONE_NE && known && cmp != 0) ||
                                    (op == ZONE_LT && known && cmp < 0) ||
                                    (op == ZONE_LE && known && cmp <= 0) ||
                                    (op == ZONE_GT && known && cmp > 0) ||
                                    (op == ZONE_GE && known && cmp >= 0) ||
                                    (op == ZONE_IS_NULL && d->null) ||
                                    (op == ZONE_NOT_NULL && !d->null);
                        }
                        wrong += does && !may;
                        pruned += !may;
                        tests++;
                    }
                }
                model += entry->rows;
            }
            if (!CHECK_EQ(wrong, 0))
                fprintf(stderr, "  column %s\n", f.columns[c].name);
        }
        fix_deinit(&f);
    }
    CHECK(pruned > tests / 50); /* It does prune. */
}

TEST(block, zone_maps_of_odd_values)
{
    struct zone z = {.known = true};
    struct datum v = {.f = 0.0}, nan = {.f = __builtin_nan("")};
    struct ltype d = LTYPE(DOUBLE), t = LTYPE(TEXT);

    z.min.f = z.max.f = -0.0;
    CHECK(zone_may_match_zone(&z, 5, d, ZONE_EQ, &v));
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_GT, &v));
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_GT, &nan));
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_EQ, &nan));
    CHECK(zone_may_match_zone(&z, 5, d, ZONE_LT, &nan));
    z.nan = true;
    v.f = 1e308;
    CHECK(zone_may_match_zone(&z, 5, d, ZONE_GT, &v)); /* NaN is greater. */
    CHECK(zone_may_match_zone(&z, 5, d, ZONE_EQ, &nan));
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_GT, &nan));
    z.known = false;
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_LT, &v));
    z.null_count = 5;
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_GT, &v));
    CHECK(!zone_may_match_zone(&z, 5, d, ZONE_NOT_NULL, NULL));

    static const char longer[] = "abcdefghijklmnopqrstuvwxyz";
    z = (struct zone){.known = true, .max_cut = true};
    z.min.s = str_of("a", 1);
    z.max.s = str_of(longer, ZONE_TEXT_BYTES);
    v.s = str_of(longer, 26);
    CHECK(zone_may_match_zone(&z, 5, t, ZONE_EQ, &v));
    CHECK(zone_may_match_zone(&z, 5, t, ZONE_GT, &v));
    v.s = str_of("abd", 3);
    CHECK(!zone_may_match_zone(&z, 5, t, ZONE_GE, &v));
    CHECK(!zone_may_match_zone(&z, 5, t, ZONE_EQ, &DATUM_NULL));
}

TEST(block, sketches_estimate)
{
    struct sketch a = {0}, b = {0};

    CHECK_EQ(sketch_estimate(&a), 0);
    for (uint64_t i = 0; i < 5; i++)
        sketch_add(&a, hash_u64(i + 1));
    CHECK(sketch_estimate(&a) >= 4 && sketch_estimate(&a) <= 6);
    for (uint64_t i = 0; i < 100000; i++)
        sketch_add(i % 2 ? &a : &b, hash_u64(i + 1));
    sketch_merge(&a, &b);
    CHECK(sketch_estimate(&a) > 60000 && sketch_estimate(&a) < 150000);
}

/* Narrow in memory as far as the bounds prove, and the full range at full width. */
TEST(block, strips_are_narrowed)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    const struct strip_data *data = NULL;

    for (uint32_t wide = 0; wide < 2; wide++) {
        fix_init(&f, 40 + wide);
        f.small = !wide;
        fix_rows(&f, 60, 0, 0);
        CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
        CHECK_EQ(fix_cache(&f, 1 << 20, &cache, &err), KDK_OK);
        for (uint32_t c = 1; c <= 8; c++) {
            int128 lo = 0, hi = 0;
            CHECK_EQ(strip_column(cache, f.entries[0], c * 3, f.columns[c].type, NULL,
                                  STRIP_SCAN, &data, &err),
                     KDK_OK);
            CHECK(strip_entry_bounds(f.entries[0], c * 3, f.columns[c].type, &lo, &hi));
            CHECK_EQ(data->width, vwidth_for(lo, hi));
            if (!wide)
                CHECK(data->width <= W_16);
            strip_unpin(data);
        }
        /* An integer column that has become a wider one since. */
        CHECK_EQ(strip_column(cache, f.entries[0], 9, LTYPE(BIGINT), NULL, STRIP_SCAN,
                              &data, &err),
                 KDK_OK);
        struct datum got = strip_value(data, 3);
        CHECK_EQ(got.i, f.rows[3 * f.column_count + 3].i);
        strip_unpin(data);
        CHECK_EQ(strip_column(cache, f.entries[0], 9, LTYPE(TEXT), NULL, STRIP_SCAN, &data,
                              &err),
                 KDK_CORRUPT);
        /* A column that came later. */
        CHECK_EQ(strip_column(cache, f.entries[0], 1, LTYPE(TEXT), NULL, STRIP_SCAN, &data,
                              &err),
                 KDK_OK);
        CHECK(data == NULL);
        CHECK(zone_may_match(f.entries[0], 1, LTYPE(TEXT), ZONE_IS_NULL, &DATUM_NULL));
        block_cache_free(cache);
        fix_deinit(&f);
    }
}

TEST(block, a_file_alone_gives_its_entries)
{
    struct fix f;
    struct err err = {0};

    fix_init(&f, 50);
    f.strip_rows = 40;
    fix_rows(&f, 130, 80, 40);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    uint32_t seen = 0;
    for (uint64_t number = 1; number < f.next_file; number++) {
        struct block_info info = {0};
        kdk_status status = block_file_scan(f.os, "/b", number, &info, &err);
        if (status == KDK_UNDEFINED_FILE) /* Written anew. */
            continue;
        CHECK_EQ(status, KDK_OK);
        CHECK_EQ(info.table, 77);
        CHECK_EQ(info.column_count, f.column_count);
        for (uint32_t c = 0; c < info.column_count; c++) {
            CHECK_EQ(info.columns[c].number, f.columns[c].number);
            CHECK_STR(info.columns[c].name, f.columns[c].name);
            CHECK(ltype_equal(info.columns[c].type, f.columns[c].type));
        }
        for (uint32_t s = 0; s < info.strip_count; s++, seen++)
            CHECK(strip_entry_equal(info.strips[s], f.entries[seen]));
        block_info_deinit(&info);
    }
    CHECK_EQ(seen, f.entry_count);
    fix_deinit(&f);
}

/* Text views of the selected rows only; rows that are not selected are readable. */
TEST(block, views_are_made_for_selected_rows)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    const struct strip_data *data = NULL;
    struct arena arena;
    struct vec v;
    uint16_t rows[] = {1, 5, 30};
    struct sel sel = {rows, 3};

    fix_init(&f, 60);
    fix_rows(&f, 60, 0, 0);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(fix_cache(&f, 1 << 20, &cache, &err), KDK_OK);
    arena_init(&arena);
    CHECK_EQ(vec_init(&v, f.columns[11].type, &arena, &err), KDK_OK);
    CHECK_EQ(strip_column(cache, f.entries[0], 33, f.columns[11].type, NULL, STRIP_POINT,
                          &data, &err),
             KDK_OK);
    strip_vec(data, 0, 50, NULL, &v);
    strip_vec(data, 4, 40, &sel, &v);
    for (uint32_t i = 0, k = 0; i < 40; i++) {
        struct datum d = vec_get(&v, i);
        if (k < 3 && rows[k] == i) {
            CHECK(fix_same(v.type, &d, &f.rows[(size_t)(4 + i) * f.column_count + 11]));
            k++;
        } else {
            CHECK_EQ(d.s.len, 0);
        }
    }
    strip_unpin(data);
    arena_deinit(&arena);
    block_cache_free(cache);
    fix_deinit(&f);
}
