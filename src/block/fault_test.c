/* fault_test.c - what goes wrong: flipped bytes, failing calls, failing allocations, power
 * cuts, full disks. */
#include "block/block_test.h"

#include <stdio.h>

#include "base/mem.h"
#include "block/block_int.h"
#include "check.h"

/* A small file with something of everything: codes, text, NULLs, gaps. */
static void small_init(struct fix *f, uint64_t seed, uint32_t rows)
{
    fix_init(f, seed);
    f->small = true;
    f->strip_rows = 24;
    fix_rows(f, rows, 40, 40);
}

static void count_line(void *context, const char *line)
{
    uint64_t *named = context;
    if (strstr(line, ".arrow") && strstr(line, "offset"))
        (*named)++;
}

/* Whatever else the file says, what is read is what was written, or an error. */
static void read_flipped(struct fix *f, uint64_t *refused)
{
    struct err err = {0};
    struct block_cache *cache = NULL;
    uint32_t model = 0, wrong = 0;

    CHECK_EQ(fix_cache(f, 0, &cache, &err), KDK_OK);
    for (uint32_t e = 0; e < f->entry_count; e++) {
        for (uint32_t c = 0; c < f->column_count; c++) {
            const struct strip_data *data = NULL;
            kdk_status status =
                strip_column(cache, f->entries[e], f->columns[c].number, f->columns[c].type,
                             f->columns[c].dict, STRIP_SCAN, &data, &err);
            if (status != KDK_OK) {
                (*refused)++;
                wrong += status != KDK_CORRUPT || !strstr(err.message, ".arrow") ||
                         !strstr(err.message, "offset");
                err_clear(&err);
                continue;
            }
            for (uint32_t r = 0; r < data->rows; r++) {
                struct datum d = strip_value(data, r);
                wrong += !fix_same(f->columns[c].type, &d,
                                   &f->rows[(size_t)(model + r) * f->column_count + c]);
            }
            strip_unpin(data);
        }
        model += f->entries[e]->rows;
    }
    CHECK_EQ(wrong, 0);
    block_cache_free(cache);
}

/* Each byte of a file: flipped, a reader with the directory gets the right rows or an error
 * that names file and offset; the check reports it, or what an outsider reads is
 * unchanged. */
TEST(block_fault, every_flipped_byte_is_seen_or_does_not_matter)
{
    for (int codec = 0; codec < 2; codec++) {
        struct fix f;
        struct err err = {0};
        small_init(&f, 70, 40);
        /* Fewer columns make a smaller file: one of each form. */
        struct block_column all[FIX_COLUMNS_MAX];
        uint32_t keep[] = {0, 4, 6, 9, 11, 12, 17}, count = f.column_count;
        memcpy(all, f.columns, sizeof all);
        mem_free(f.ids);
        mem_free(f.rows);
        f.ids = NULL;
        f.rows = NULL;
        f.row_count = 0;
        for (uint32_t i = 0; i < COUNT_OF(keep); i++)
            f.columns[i] = all[keep[i]];
        f.column_count = COUNT_OF(keep);
        f.codec = codec ? ARROW_CODEC_LZ4_FRAME : ARROW_CODEC_NONE;
        fix_rows(&f, 40, 40, 40);
        CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
        uint64_t number = f.entries[0]->file, problems = 0, refused = 0, seen = 0,
                 unseen = 0, named = 0;
        size_t bytes, now;
        uint8_t *before = fix_load(&f, number, &bytes);
        struct arrow_memory memory = {before, bytes, 0};
        struct arrow_source source = arrow_source_of_memory(&memory, "before");
        struct arrow_file *file = NULL;
        CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
        char path[64];
        CHECK_EQ(block_path("/b", number, path, sizeof path, &err), KDK_OK);
        read_flipped(&f, &refused);
        CHECK_EQ(refused, 0);
        for (size_t at = 0; at < bytes; at++) {
            uint8_t mask = (uint8_t)(1 << (at % 8));
            CHECK_EQ(sim_flip(f.sim, path, at, mask, &err), KDK_OK);
            read_flipped(&f, &refused);
            uint64_t lines = 0;
            CHECK_EQ(block_check(f.os, "/b", number, f.entries, f.entry_count, count_line,
                                 &lines, &problems, &err),
                     KDK_OK);
            named += lines;
            seen += problems > 0;
            unseen += problems == 0;
            if (problems) {
                CHECK_EQ(lines, problems);
            } else {
                /* Nothing seen: then it reads as before. */
                uint8_t *after = fix_load(&f, number, &now);
                struct arrow_memory flipped = {after, now, 0};
                struct arrow_source other = arrow_source_of_memory(&flipped, "after");
                struct arrow_file *again = NULL;
                CHECK_EQ(arrow_file_open(&other, &again, &err), KDK_OK);
                CHECK(arrow_schema_same_type(arrow_file_schema(file),
                                             arrow_file_schema(again)));
                for (size_t i = 0; i < arrow_file_batch_count(file); i++) {
                    struct arrow_array *a = NULL, *b = NULL;
                    CHECK_EQ(arrow_file_read(file, i, NULL, 0, &a, NULL, &err), KDK_OK);
                    CHECK_EQ(arrow_file_read(again, i, NULL, 0, &b, NULL, &err), KDK_OK);
                    if (!CHECK(a && b &&
                               arrow_array_equal(arrow_file_schema(file), a, b, NULL)))
                        fprintf(stderr, "  flipped at %zu\n", at);
                    arrow_array_unref(a);
                    arrow_array_unref(b);
                }
                struct block_info info = {0};
                CHECK_EQ(block_file_scan(f.os, "/b", number, &info, &err), KDK_OK);
                for (uint32_t i = 0; i < info.strip_count; i++)
                    CHECK(strip_entry_equal(info.strips[i], f.entries[i]));
                block_info_deinit(&info);
                arrow_file_close(again);
                mem_free(after);
            }
            CHECK_EQ(sim_flip(f.sim, path, at, mask, &err), KDK_OK);
        }
        CHECK(refused > 0);
        CHECK(seen > unseen);
        arrow_file_close(file);
        mem_free(before);
        memcpy(f.columns, all, sizeof all);
        f.column_count = count;
        fix_deinit(&f);
    }
}

TEST(block_fault, every_failing_call_is_reported)
{
    struct fix f;
    struct err err = {0};
    uint64_t n, failed = 0;

    small_init(&f, 71, 60);
    for (n = 1;; n++) {
        uint64_t before = sim_calls_all(f.sim);
        sim_fail_at(f.sim, before + n, false, n % 2 ? KDK_IO : KDK_FULL);
        err_clear(&err);
        kdk_status status = fix_write(&f, 0, f.row_count, false, &err);
        uint64_t used = sim_calls_all(f.sim) - before;
        sim_fail_at(f.sim, 0, false, KDK_IO);
        if (used < n) {
            CHECK_EQ(status, KDK_OK);
            break;
        }
        /* Removing what is no longer needed may fail silently; whatever else did not work
         * is an error. */
        if (status == KDK_OK) {
            CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
        } else {
            failed++;
            CHECK_EQ(status, n % 2 ? KDK_IO : KDK_FULL);
            CHECK_EQ(f.entry_count, 0);
        }
        fix_forget(&f);
    }
    CHECK(failed > 10);
    CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);

    /* Reading: the same. */
    for (n = 1, failed = 0;; n++) {
        uint64_t before = sim_calls_all(f.sim);
        const struct strip_data *data = NULL;
        struct block_cache *cache = NULL;
        CHECK_EQ(fix_cache(&f, 1 << 20, &cache, &err), KDK_OK);
        sim_fail_at(f.sim, before + n, false, KDK_IO);
        kdk_status status = strip_column(cache, f.entries[0], 3, f.columns[1].type, NULL,
                                         STRIP_POINT, &data, &err);
        uint64_t used = sim_calls_all(f.sim) - before;
        sim_fail_at(f.sim, 0, false, KDK_IO);
        CHECK_EQ(status, used < n ? KDK_OK : KDK_IO);
        strip_unpin(data);
        if (status != KDK_OK) { /* It can be tried again. */
            CHECK_EQ(strip_column(cache, f.entries[0], 3, f.columns[1].type, NULL,
                                  STRIP_POINT, &data, &err),
                     KDK_OK);
            strip_unpin(data);
        }
        block_cache_free(cache);
        failed += status != KDK_OK;
        if (used < n)
            break;
    }
    CHECK(failed >= 2);
    fix_deinit(&f);
}

/* Nothing is given out that a power cut can take away, and what is given out survives. */
TEST(block_fault, entries_are_given_out_when_they_are_durable)
{
    for (uint64_t n = 1; n < 60; n++) {
        struct fix f;
        struct err err = {0};
        small_init(&f, 80 + n, 70);
        f.file_strips = 1;
        CHECK_EQ(os_sync_dir(f.os, "/", &err), KDK_OK);
        sim_cut_at(f.sim, sim_calls_mutating(f.sim) + n);
        (void)!fix_write(&f, 0, f.row_count, false, &err);
        sim_cut_at(f.sim, 0);
        sim_reboot(f.sim);
        err_clear(&err);
        uint32_t rows = 0;
        for (uint32_t e = 0; e < f.entry_count; e++)
            rows += f.entries[e]->rows;
        CHECK_EQ(fix_compare(&f, NULL, 0, rows, &err), KDK_OK);
        CHECK_EQ(fix_check(&f), 0);
        fix_deinit(&f);
    }
}

TEST(block_fault, every_failing_allocation_is_survived)
{
    struct fix f;
    struct err err = {0};
    uint64_t n, refused = 0;
    struct mem_stats before, after;
    struct dict *dict = NULL;

    small_init(&f, 72, 50);
    struct dict *first = f.columns[12].dict;
    for (n = 0;; n += 1 + n / 64) {
        CHECK_EQ(dict_new(99, f.columns[12].type, &dict, &err), KDK_OK);
        f.columns[12].dict = dict;
        mem_fail_after(n, false);
        kdk_status status = fix_write(&f, 0, f.row_count, false, &err);
        bool hit = mem_fail_never() > 0;
        if (status != KDK_OK)
            CHECK_EQ(status, KDK_NOMEM);
        refused += status != KDK_OK;
        err_clear(&err);
        if (status == KDK_OK)
            CHECK_EQ(fix_compare(&f, NULL, 0, f.row_count, &err), KDK_OK);
        if (status == KDK_OK && !hit)
            break;
        fix_forget(&f);
        dict_free(dict);
    }
    CHECK(refused > 20);
    for (n = 0, refused = 0;; n++) {
        mem_stats(&before);
        mem_fail_after(n, false);
        kdk_status status = fix_compare(&f, NULL, 0, f.row_count, &err);
        bool hit = mem_fail_never() > 0;
        mem_stats(&after);
        CHECK_EQ(after.blocks, before.blocks);
        refused += status != KDK_OK;
        err_clear(&err);
        if (!hit)
            break;
        CHECK(status == KDK_NOMEM || status == KDK_OK);
    }
    CHECK(refused > 5);
    for (n = 0, refused = 0;; n++) {
        uint64_t problems = 0;
        struct block_info info = {0};
        mem_stats(&before);
        mem_fail_after(n, false);
        kdk_status status = block_file_scan(f.os, "/b", f.entries[0]->file, &info, &err);
        if (status == KDK_OK)
            status = block_check(f.os, "/b", f.entries[0]->file, NULL, 0, NULL, NULL,
                                 &problems, &err);
        bool hit = mem_fail_never() > 0;
        block_info_deinit(&info);
        mem_stats(&after);
        CHECK_EQ(after.blocks, before.blocks);
        CHECK_EQ(problems, 0);
        refused += status != KDK_OK;
        err_clear(&err);
        if (!hit)
            break;
        CHECK(status == KDK_NOMEM || status == KDK_OK);
    }
    CHECK(refused > 20);
    dict_free(first);
    fix_deinit(&f);
}
