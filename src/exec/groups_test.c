/* Tests of groups.h: equal keys have one row, others have others, whatever order, runs and
 * forms they come in. */
#include "exec/groups.h"

#include <stdio.h>

#include "base/mem.h"
#include "check.h"

static uint64_t state = 88172645463325252ull;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static const struct ltype types[] = {{.id = LT_INTEGER}, {.id = LT_TEXT}};

enum { KEYS = 700 };

/* Keys by number; both columns have NULLs, and number n differs from all others. */
static void key_of(uint32_t n, struct datum *number, struct datum *text, char room[64])
{
    *number = n % 7 == 3 ? DATUM_NULL : (struct datum){.i = n % 5};
    snprintf(room, 64, n % 2 ? "%u" : "%u, and then some more", n);
    *text = n == 10 || n == 11 || n == 14 ? DATUM_NULL
                                          : (struct datum){.s = str_of(room, strlen(room))};
}

TEST(groups, equal_keys_share_a_row_in_whatever_runs_they_come)
{
    struct arena arena = {0};
    struct err err = {0};
    struct rowlayout layout;
    struct groups g;
    struct batch batch;
    uint8_t *row_of[KEYS] = {NULL};
    uint32_t known = 0;

    CHECK_EQ(rowlayout_init(&layout, types, COUNT_OF(types), 8, &arena, &err), KDK_OK);
    CHECK_EQ(groups_init(&g, &layout, COUNT_OF(types), &arena, &err), KDK_OK);
    CHECK_EQ(batch_init(&batch, types, COUNT_OF(types), &arena, &err), KDK_OK);
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t numbers[BATCH_ROWS], number = 0, n = 0, limit = round < 3 ? 3 : KEYS;
        uint16_t picked[BATCH_ROWS];
        uint8_t *found[BATCH_ROWS];
        bool fresh[BATCH_ROWS];
        static char rooms[BATCH_ROWS][64];
        struct vec *keys[] = {&batch.columns[0], &batch.columns[1]};
        vec_reset(keys[0], W_32);
        vec_reset(keys[1], W_STR);
        for (uint32_t r = 0; r < BATCH_ROWS; r++) {
            struct datum d[2];
            /* Runs of one key, a key again and again, and all mixed. */
            if (round % 3 == 0 || draw() % 6 == 0)
                number = round % 3 == 2 && draw() % 2 ? 5 : (uint32_t)(draw() % limit);
            numbers[r] = number;
            key_of(number, &d[0], &d[1], rooms[r]);
            for (uint32_t c = 0; c < 2; c++)
                if (d[c].null)
                    vec_set_null(keys[c], r, BATCH_ROWS);
                else
                    vec_put(keys[c], r, &d[c], BATCH_ROWS);
            picked[n] = (uint16_t)r;
            n += draw() % 4 != 0;
        }
        struct sel sel = {picked, n};
        CHECK_EQ(groups_find(&g, keys, &sel, BATCH_ROWS, found, fresh, &err), KDK_OK);
        for (uint32_t k = 0; k < n; k++) {
            struct datum want[2];
            char room[64];
            uint32_t key = numbers[picked[k]];
            CHECK_EQ(fresh[k], row_of[key] == NULL);
            if (!row_of[key]) {
                for (uint32_t i = 0; i < KEYS; i++)
                    CHECK(row_of[i] != found[k]);
                row_of[key] = found[k];
                known++;
            }
            CHECK(found[k] == row_of[key]);
            key_of(key, &want[0], &want[1], room);
            for (uint32_t c = 0; c < 2; c++) {
                struct datum got = row_get(&layout, found[k], c);
                CHECK_EQ(got.null, want[c].null);
                CHECK(got.null || datum_compare(types[c], &got, &want[c]) == 0);
            }
        }
        CHECK_EQ(g.set.row_count, known);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        if (row_of[i])
            CHECK(groups_peer(&g, row_of[i]) == row_of[i]);
    groups_deinit(&g);
    arena_deinit(&arena);
}
