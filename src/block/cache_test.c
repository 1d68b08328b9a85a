/* cache_test.c - what the cache keeps, what it reads, and several threads at it. */
#include "block/block_test.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "task/broker.h"

static kdk_status column(struct fix *f, struct block_cache *cache, uint32_t strip,
                         uint32_t c, enum strip_use use, const struct strip_data **out)
{
    struct err err = {0};

    return strip_column(cache, f->entries[strip], f->columns[c].number, f->columns[c].type,
                        f->columns[c].dict, use, out, &err);
}
static void touch(struct fix *f, struct block_cache *cache, uint32_t strip, uint32_t c,
                  enum strip_use use)
{
    const struct strip_data *data = NULL;

    CHECK_EQ(column(f, cache, strip, c, use, &data), KDK_OK);
    strip_unpin(data);
}

TEST(block_cache, a_point_read_decodes_one_set_of_buffers_a_column)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    struct block_stats a, b;

    fix_init(&f, 90);
    f.strip_rows = 64;
    fix_rows(&f, 64 * 8, 20, 20);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(fix_cache(&f, 64 << 20, &cache, &err), KDK_OK);
    for (uint32_t c = 0; c < f.column_count; c++) {
        bool text = f.columns[c].type.id == LT_TEXT || f.columns[c].type.id == LT_BYTEA;
        const struct strip_column *stored =
            strip_entry_column(f.entries[3], f.columns[c].number);
        uint64_t bytes = 0;
        for (int i = 0; i < 3; i++)
            bytes += stored->buffers[i].stored_bytes + 64;
        block_cache_stats(cache, &a);
        touch(&f, cache, 3, c, STRIP_POINT);
        block_cache_stats(cache, &b);
        CHECK_EQ(b.columns_decoded - a.columns_decoded, 1);
        CHECK(b.buffers_decoded - a.buffers_decoded <= (text ? 3u : 2u));
        CHECK(b.bytes_read - a.bytes_read <= bytes);
        CHECK_EQ(b.admitted - a.admitted, 1);
        touch(&f, cache, 3, c, STRIP_POINT);
        block_cache_stats(cache, &a);
        CHECK_EQ(a.columns_decoded, b.columns_decoded);
        CHECK_EQ(a.hits, b.hits + 1);
    }
    CHECK_EQ(b.files_opened, 1);
    block_cache_free(cache);
    fix_deinit(&f);
}

TEST(block_cache, scans_are_kept_from_the_second_use)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    struct block_stats s;

    fix_init(&f, 91);
    f.strip_rows = 64;
    f.codec = ARROW_CODEC_NONE;
    fix_rows(&f, 64 * 40, 0, 0);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(fix_cache(&f, 20000, &cache, &err), KDK_OK); /* Some 20 columns of strips. */
    touch(&f, cache, 0, 4, STRIP_SCAN);
    block_cache_stats(cache, &s);
    CHECK_EQ(s.bytes, 0);
    touch(&f, cache, 0, 4, STRIP_SCAN);
    block_cache_stats(cache, &s);
    CHECK_EQ(s.admitted, 1);
    /* Points make a working set; a scan of everything leaves it alone. */
    for (int round = 0; round < 3; round++)
        for (uint32_t strip = 0; strip < 8; strip++)
            touch(&f, cache, strip, 5, STRIP_POINT);
    for (uint32_t strip = 0; strip < f.entry_count; strip++)
        for (uint32_t c = 6; c < 10; c++)
            touch(&f, cache, strip, c, STRIP_SCAN);
    block_cache_stats(cache, &s);
    uint64_t decoded = s.columns_decoded;
    for (uint32_t strip = 0; strip < 8; strip++)
        touch(&f, cache, strip, 5, STRIP_POINT);
    block_cache_stats(cache, &s);
    CHECK_EQ(s.columns_decoded, decoded);
    /* Never more than was allowed, also when all is pinned. */
    const struct strip_data *pins[40 * 4] = {0};
    uint32_t n = 0;
    for (uint32_t strip = 0; strip < MIN(f.entry_count, 40u); strip++)
        for (uint32_t c = 5; c < 9; c++)
            CHECK_EQ(column(&f, cache, strip, c, STRIP_POINT, &pins[n++]), KDK_OK);
    block_cache_stats(cache, &s);
    CHECK(s.bytes <= 20000);
    CHECK(s.bytes > 10000);
    block_cache_forget(cache, f.entries[0]->file); /* What is pinned stays valid. */
    for (uint32_t i = 0; i < n; i++) {
        struct datum d = strip_value(pins[i], 0);
        CHECK(fix_same(pins[i]->type, &d,
                       &f.rows[(size_t)(i / 4) * 64 * f.column_count + 5 + i % 4]));
        strip_unpin(pins[i]);
    }
    CHECK(block_cache_shrink(cache, UINT64_MAX) > 0 || f.file_count == 1);
    block_cache_stats(cache, &s);
    CHECK_EQ(s.bytes, 0);
    block_cache_free(cache);
    fix_deinit(&f);
}

/* However the keys fall into the table of those met: a scan that comes again finds its
 * columns kept. */
TEST(block_cache, a_scan_is_kept_whole_the_second_time)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    struct block_stats s;
    uint64_t columns = 0;

    fix_init(&f, 92);
    f.strip_rows = 64;
    f.codec = ARROW_CODEC_NONE;
    fix_rows(&f, 64 * 60, 0, 0);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(fix_cache(&f, 64 << 20, &cache, &err), KDK_OK);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t strip = 0; strip < f.entry_count; strip++)
            for (uint32_t c = 0; c < f.column_count; c++, columns += round)
                touch(&f, cache, strip, c, STRIP_SCAN);
    block_cache_stats(cache, &s);
    CHECK_EQ(s.admitted, columns);
    block_cache_free(cache);
    fix_deinit(&f);
}

TEST(block_cache, the_broker_is_charged_and_gets_it_back)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    struct broker broker;
    struct broker_grant grant = {0};
    struct broker_stats b;
    struct block_stats s;

    fix_init(&f, 92);
    f.strip_rows = 64;
    fix_rows(&f, 64 * 20, 0, 0);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    broker_init(&broker, 60000);
    struct block_cache_options options = {
        .os = f.os, .dir = "/b", .broker = &broker, .bytes_max = 1 << 20};
    CHECK_EQ(block_cache_new(&options, &cache, &err), KDK_OK);
    for (uint32_t strip = 0; strip < 20; strip++)
        for (uint32_t c = 0; c < f.column_count; c++) {
            touch(&f, cache, strip, c, STRIP_POINT);
            broker_stats(&broker, &b);
            block_cache_stats(cache, &s);
            CHECK_EQ(b.by_use[BROKER_CACHE], s.bytes);
        }
    CHECK(s.bytes > 50000 && s.bytes <= 60000);
    CHECK(s.evicted > 0);
    /* An operator wants it. */
    CHECK_EQ(broker_grant_init(&broker, &grant, "sort", BROKER_OPERATOR, true, 50000, 50000,
                               &err),
             KDK_OK);
    block_cache_stats(cache, &s);
    CHECK(s.bytes <= 10000);
    for (uint32_t c = 0; c < f.column_count; c++)
        touch(&f, cache, 0, c, STRIP_POINT);
    broker_grant_deinit(&grant);
    block_cache_free(cache);
    broker_stats(&broker, &b);
    CHECK_EQ(b.used, 0);
    broker_deinit(&broker);
    fix_deinit(&f);
}

/* -------------------------------------------------------------- threads ---- */

enum { THREADS = 4 };
struct reader {
    struct fix *f;
    struct block_cache *cache;
    uint64_t random;
    uint64_t wrong;
    uint32_t rounds;
};
static void read_some(void *context)
{
    struct reader *r = context;
    struct fix *f = r->f;

    for (uint32_t i = 0; i < r->rounds; i++) {
        const struct strip_data *data = NULL;
        r->random = hash_u64(r->random + 1);
        uint32_t strip = (uint32_t)(r->random % f->entry_count),
                 c = (uint32_t)(r->random >> 20) % f->column_count;
        if (r->random >> 60 == 0)
            block_cache_forget(r->cache, f->entries[strip]->file);
        if (r->random >> 60 == 1)
            (void)block_cache_shrink(r->cache, 5000);
        if (column(f, r->cache, strip, c, i % 2 ? STRIP_SCAN : STRIP_POINT, &data) !=
            KDK_OK) {
            r->wrong++;
            continue;
        }
        uint32_t row = (uint32_t)(r->random >> 32) % data->rows, model = row;
        for (uint32_t e = 0; e < strip; e++)
            model += f->entries[e]->rows;
        struct datum d = strip_value(data, row);
        r->wrong +=
            !fix_same(data->type, &d, &f->rows[(size_t)model * f->column_count + c]);
        strip_unpin(data);
    }
}
static void add_some(void *context)
{
    struct reader *r = context;
    struct err err = {0};
    char text[40];
    int32_t code;

    for (uint32_t i = 0; i < r->rounds; i++) {
        int n =
            snprintf(text, sizeof text, "another entry, %u", i % (DICT_ENTRIES_MAX / 2));
        r->wrong += dict_add(r->f->columns[12].dict, str_of(text, (size_t)n), &code,
                             &err) != KDK_OK;
        if (code >= 0) {
            struct str s = dict_value(r->f->columns[12].dict, (uint32_t)code),
                       want = str_of(text, (size_t)n);
            r->wrong += !str_equal(&s, &want);
        }
    }
}

/* On the machine's threads, so that the thread sanitizer sees it: readers of one cache,
 * while the dictionary grows. */
TEST(block_cache, threads_share_it)
{
    struct fix f;
    struct err err = {0};
    struct block_cache *cache = NULL;
    struct reader readers[THREADS + 2];
    struct os_thread *threads[THREADS + 2] = {0};
    char dir[] = "/tmp/kodiak_block_test_XXXXXXXX";
    struct broker broker;
    struct os *sim;

    for (size_t i = sizeof dir - 9; i < sizeof dir - 1; i++) {
        uint8_t c;
        os_random(os_real(), &c, 1);
        dir[i] = (char)('a' + c % 26);
    }
    fix_init(&f, 93);
    f.strip_rows = 32;
    f.file_strips = 2;
    fix_rows(&f, 32 * 16, 20, 20);
    CHECK_EQ(fix_write(&f, 0, f.row_count, false, &err), KDK_OK);
    CHECK_EQ(os_mkdir(os_real(), dir, &err), KDK_OK);
    for (uint64_t number = 1; number < f.next_file; number++) {
        /* From the simulator to the machine. */
        char path[64];
        struct os_file *file = NULL;
        size_t bytes;
        enum os_kind kind;
        CHECK_EQ(block_path("/b", number, path, sizeof path, &err), KDK_OK);
        CHECK_EQ(os_kind(f.os, path, &kind, &err), KDK_OK);
        if (kind != OS_FILE)
            continue;
        uint8_t *data = fix_load(&f, number, &bytes);
        CHECK_EQ(block_path(dir, number, path, sizeof path, &err), KDK_OK);
        CHECK_EQ(os_open(os_real(), path, OS_WRITE | OS_CREATE, &file, &err), KDK_OK);
        CHECK_EQ(os_write(file, 0, data, bytes, &err), KDK_OK);
        os_close(file);
        mem_free(data);
    }
    sim = f.os;
    f.os = os_real();
    broker_init(&broker, 100000);
    struct block_cache_options options = {
        .os = f.os, .dir = dir, .broker = &broker, .bytes_max = 50000, .files_max = 3};
    CHECK_EQ(block_cache_new(&options, &cache, &err), KDK_OK);
    for (uint32_t i = 0; i < THREADS + 2; i++) {
        readers[i] = (struct reader){.f = &f, .cache = cache, .random = i, .rounds = 3000};
        CHECK_EQ(os_thread_new(os_real(), "reader", i < THREADS ? read_some : add_some,
                               &readers[i], &threads[i], &err),
                 KDK_OK);
    }
    for (uint32_t i = 0; i < 200; i++)
        block_cache_set_bytes_max(cache, i % 2 ? 50000 : 5000);
    for (uint32_t i = 0; i < THREADS + 2; i++) {
        os_thread_join(threads[i]);
        CHECK_EQ(readers[i].wrong, 0);
    }
    block_cache_free(cache);
    broker_deinit(&broker);
    for (uint64_t number = 1; number < f.next_file; number++) {
        char path[64];
        CHECK_EQ(block_path(dir, number, path, sizeof path, &err), KDK_OK);
        CHECK_EQ(os_remove(os_real(), path, &err), KDK_OK);
    }
    CHECK_EQ(os_remove_dir(os_real(), dir, &err), KDK_OK);
    f.os = sim;
    fix_deinit(&f);
}
