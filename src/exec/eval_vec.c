/* eval_vec.c - running compiled expressions over batches.
 *
 * A node's result is right for the rows of the selection it was given, at their own row
 * numbers; elsewhere it is readable, no more. When any node meets an error, its message
 * does not matter: the scalar interpreter goes over the selected rows in order, and words
 * the first one (E1). So nodes are free to work one after the other over all rows.
 */
#include <stdatomic.h>

#include "exec/eval_node.h"
#include "exec/fn_num.h"

static kdk_status run(struct eval *ev, struct node *n, const struct sel *sel,
                      struct vec **out);

/* ------------------------------------------------------------------- text pool ---- */

enum { POOL_CHUNK_BYTES = KDK_PICK(32 << 10, 64) };

static void pool_open(struct pool *pool, struct pool_chunk *chunk)
{
    pool->current = chunk;
    pool->arena = (struct arena){.next = chunk->data, .end = chunk->data + chunk->bytes};
}

static kdk_status pool_grow(struct eval *ev, size_t least)
{
    struct pool *pool = &ev->pool;
    struct pool_chunk *chunk = pool->current ? pool->current->next : pool->first;
    while (chunk && chunk->bytes < least)
        chunk = chunk->next;
    if (!chunk) {
        size_t bytes = align_up(MAX(least, (size_t)POOL_CHUNK_BYTES), ARENA_ALIGN);
        chunk = arena_alloc_aligned(ev->arena, size_add(sizeof *chunk, bytes), 16);
        if (!chunk)
            return err_nomem(ev->err);
        chunk->next = NULL;
        chunk->bytes = bytes;
        struct pool_chunk **last = &pool->first;
        while (*last)
            last = &(*last)->next;
        *last = chunk;
    }
    pool_open(pool, chunk);
    return KDK_OK;
}

/* Starts over: what the last run made is gone. */
static kdk_status pool_restart(struct eval *ev)
{
    arena_deinit(&ev->pool.arena);
    ev->pool.current = NULL;
    return pool_grow(ev, 1);
}

/* After a body ran: if it went to the heap, its result moves to a chunk and the heap is let
 * go, since nobody will ever free a program. */
static kdk_status pool_settle(struct eval *ev, struct ltype type, struct datum *value)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    if (KDK_LIKELY(!ev->pool.arena.head))
        return KDK_OK;
    struct arena heap = ev->pool.arena;
    ev->pool.arena = (struct arena){0};
    if (!value->null && ltype_is_string(type) && value->s.len > STR_INLINE) {
        status = pool_grow(ev, align_up(value->s.len, ARENA_ALIGN));
        if (status == KDK_OK) {
            struct str copy;
            if (!str_copy(&ev->pool.arena, value->s, &copy))
                status = err_nomem(err);
            else
                value->s = copy;
        }
    } else {
        status = pool_grow(ev, 1); /* The current chunk may be full of results: leave it. */
    }
    arena_deinit(&heap);
    return status;
}

/* -------------------------------------------------------------------- booleans ---- */

static void sel_bits(const struct sel *sel, uint32_t count, uint64_t *bits)
{
    if (sel->rows) {
        kernel_rows_to_bits(sel->rows, sel->count, count, bits);
    } else {
        memset(bits, 0, bits_words(count) * 8);
        bits_fill(bits, sel->count);
    }
}

/* Which selected rows of a boolean vector are true, which are not NULL. */
static void truth_bits(const struct vec *v, const struct sel *sel, uint32_t count,
                       uint64_t *is_true, uint64_t *valid)
{
    uint64_t in[BATCH_WORDS];
    size_t words = bits_words(count);
    sel_bits(sel, count, in);
    if (v->form == VF_CONSTANT) {
        bool ok = vec_valid(v, 0), set = ok && bit_get(v->data, 0);
        for (size_t w = 0; w < words; w++) {
            valid[w] = ok ? in[w] : 0;
            is_true[w] = set ? in[w] : 0;
        }
        return;
    }
    if (v->form == VF_DICT) {
        memset(valid, 0, words * 8);
        memset(is_true, 0, words * 8);
        for (uint32_t k = 0; k < sel->count; k++) {
            uint32_t row = SEL_ROW(sel, k);
            struct datum d = vec_get(v, row);
            bit_put(valid, row, !d.null);
            bit_put(is_true, row, !d.null && d.i);
        }
        return;
    }
    const uint64_t *data = v->data;
    for (size_t w = 0; w < words; w++) {
        valid[w] = v->validity ? v->validity[w] & in[w] : in[w];
        is_true[w] = data[w] & valid[w];
    }
}

/* The node's boolean result. Rows outside of `valid` are NULL, or not selected. */
static void give_bits(struct eval *ev, struct node *n, const struct sel *sel,
                      const uint64_t *is_true, const uint64_t *valid, struct vec **out)
{
    size_t words = bits_words(ev->count);
    uint64_t in[BATCH_WORDS], missing = 0;
    n->reg.form = VF_FLAT;
    n->reg.width = W_BIT;
    n->reg.data = n->reg.room;
    n->reg.validity = NULL;
    memcpy(n->reg.data, is_true, words * 8);
    if (valid) {
        sel_bits(sel, ev->count, in);
        for (size_t w = 0; w < words; w++)
            missing |= in[w] & ~valid[w];
        if (missing) {
            n->reg.validity = n->reg.room_validity;
            memcpy(n->reg.validity, valid, words * 8);
        }
    }
    *out = &n->reg;
}

/* Rows of `bits` as a selection in the node's list. */
static struct sel list_rows(struct eval *ev, struct node *n, const uint64_t *bits)
{
    uint32_t count = kernel_bits_to_rows(bits, ev->count, n->rows);
    return (struct sel){n->rows, count};
}

static kdk_status run_junction(struct eval *ev, struct node *n, const struct sel *sel,
                               struct vec **out)
{
    kdk_status status = KDK_OK;
    bool is_and = n->op == N_AND;
    size_t words = bits_words(ev->count);
    uint64_t all_true[BATCH_WORDS], all_false[BATCH_WORDS], open[BATCH_WORDS],
        t[BATCH_WORDS], valid[BATCH_WORDS];

    /* AND: true while all are true, false once one is false. OR: the mirror image. */
    sel_bits(sel, ev->count, open); /* Rows that are not decided. */
    for (size_t w = 0; w < words; w++) {
        all_true[w] = is_and ? open[w] : 0;
        all_false[w] = is_and ? 0 : open[w];
    }
    for (uint32_t i = 0; i < n->arg_count; i++) {
        struct vec *v;
        struct sel now = *sel;
        if (i > 0) {
            uint32_t left = kernel_bits_count(open, ev->count);
            if (left == 0)
                break;
            if (left < sel->count && (n->args[i]->can_fail || n->args[i]->e->is_volatile ||
                                      left * 8 < sel->count))
                now = list_rows(ev, n, open);
        }
        TRY(run(ev, n->args[i], &now, &v));
        truth_bits(v, &now, ev->count, t, valid);
        for (size_t w = 0; w < words; w++) {
            uint64_t f = valid[w] & ~t[w];
            if (is_and) {
                all_true[w] &= t[w];
                all_false[w] |= f;
                open[w] &= ~f;
            } else {
                all_true[w] |= t[w];
                all_false[w] &= f;
                open[w] &= ~t[w];
            }
        }
    }
    for (size_t w = 0; w < words; w++)
        valid[w] = all_true[w] | all_false[w];
    give_bits(ev, n, sel, all_true, valid, out);
out:
    return status;
}

static kdk_status run_truth_test(struct eval *ev, struct node *n, const struct sel *sel,
                                 struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    size_t words = bits_words(ev->count);
    uint64_t t[BATCH_WORDS], valid[BATCH_WORDS];
    TRY(run(ev, n->args[0], sel, &v));
    truth_bits(v, sel, ev->count, t, valid);
    if (n->op == N_NOT)
        for (size_t w = 0; w < words; w++)
            t[w] = valid[w] & ~t[w];
    give_bits(ev, n, sel, t, n->op == N_NOT ? valid : NULL, out);
out:
    return status;
}

static kdk_status run_null_test(struct eval *ev, struct node *n, const struct sel *sel,
                                struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    uint64_t in[BATCH_WORDS], t[BATCH_WORDS];
    TRY(run(ev, n->args[0], sel, &v));
    sel_bits(sel, ev->count, in);
    for (size_t w = 0; w < bits_words(ev->count); w++) {
        uint64_t valid = !v->validity             ? UINT64_MAX
                         : v->form == VF_CONSTANT ? (vec_valid(v, 0) ? UINT64_MAX : 0)
                                                  : v->validity[w];
        t[w] = in[w] & (n->op == N_IS_NULL ? ~valid : valid);
    }
    give_bits(ev, n, sel, t, NULL, out);
out:
    return status;
}

/* -------------------------------------------------------------------- operands ---- */

/* An argument as an array of one width. */
struct operand {
    const void *data; /* by row, or one value when constant */
    const uint64_t *validity;
    bool constant;
    bool null; /* A constant NULL. */
};

static bool is_integer_width(enum vwidth w)
{
    return w >= W_8 && w <= W_128;
}

static kdk_status need_tmp(struct eval *ev, struct node *n, uint32_t i, struct ltype type)
{
    kdk_status status = KDK_OK;
    if (!n->has_tmp[i]) {
        TRY(vec_init(&n->tmp[i], type, ev->arena, ev->err));
        n->has_tmp[i] = true;
    }
out:
    return status;
}

static void put_integer(void *at, enum vwidth width, int128 v)
{
    switch (width) {
    case W_8:
        *(int8_t *)at = (int8_t)v;
        break;
    case W_16:
        *(int16_t *)at = (int16_t)v;
        break;
    case W_32:
        *(int32_t *)at = (int32_t)v;
        break;
    case W_64:
        *(int64_t *)at = (int64_t)v;
        break;
    case W_128:
        *(int128 *)at = v;
        break;
    case W_BIT:
    case W_F32:
    case W_F64:
    case W_STR:
        break;
    }
}

static int128 get_integer(const struct vec *v)
{
    struct datum d = vec_get(v, 0);
    return d.null ? 0 : v->type.id == LT_NUMERIC ? d.w : d.i;
}

/* The widest integer type's room: temporaries hold any width. */
static struct ltype tmp_type(const struct vec *v, enum vwidth width)
{
    return is_integer_width(width) ? LTYPE_NUM(NUM_DIGITS_MAX, 0) : v->type;
}

static kdk_status narrow_rows(struct eval *ev, const struct vec *v, enum vwidth width,
                              const struct sel *sel, struct vec *into)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    vec_reset(into, width);
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        struct datum d = vec_get(v, row);
        int128 value = d.null ? 0 : v->type.id == LT_NUMERIC ? d.w : d.i;
        TRY_ASSERT(vwidth_for(value, value) <= width);
        put_integer((uint8_t *)into->data + (size_t)row * vwidth_bytes(width), width,
                    value);
    }
out:
    return status;
}

/* `v`, which is argument i of n, at `width`. With may_be_constant one value may stand for
 * all. A value that does not fit although an interval says so is a broken promise of
 * whoever gave the bounds. */
static kdk_status operand(struct eval *ev, struct node *n, uint32_t i, struct vec *v,
                          enum vwidth width, const struct sel *sel, bool may_be_constant,
                          struct operand *o)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    memset(o, 0, sizeof *o);
    if (v->form == VF_CONSTANT && !vec_valid(v, 0)) {
        o->null = true;
        goto out;
    }
    if (v->form == VF_CONSTANT && may_be_constant) {
        o->constant = true;
        o->data = v->data;
        if (is_integer_width(width) && v->width != (uint8_t)width) {
            put_integer(&n->small[i], width, get_integer(v));
            o->data = &n->small[i];
        }
        goto out;
    }
    if (v->form != VF_FLAT) {
        TRY(need_tmp(ev, n, i, tmp_type(v, width)));
        if (v->width > (uint8_t)width) {
            /* A flat copy cannot narrow: rare enough to go row by row. */
            TRY(narrow_rows(ev, v, width, sel, &n->tmp[i]));
            o->validity = v->form == VF_CONSTANT ? NULL : v->validity;
            o->data = n->tmp[i].data;
            goto out;
        }
        vec_flatten(v, sel, ev->count,
                    is_integer_width(width) ? width : (enum vwidth)v->width, &n->tmp[i]);
        if (v->form == VF_CONSTANT)
            n->tmp[i].validity = NULL;
        v = &n->tmp[i];
    }
    o->validity = v->validity;
    o->data = v->data;
    if (v->width != (uint8_t)width) {
        uint64_t failed[BATCH_WORDS] = {0};
        kernel_cast_fn cast = kernels()->cast[v->width][width];
        TRY_ASSERT(cast != NULL);
        TRY(need_tmp(ev, n, i, tmp_type(v, width)));
        TRY_ASSERT(v != &n->tmp[i]);
        cast(v->data, n->tmp[i].room, sel->rows, sel->count,
             v->width > (uint8_t)width ? failed : NULL);
        if (v->width > (uint8_t)width)
            TRY_ASSERT(kernel_first_failed(failed, v->validity, ev->count) == UINT32_MAX);
        o->data = n->tmp[i].room;
    }
out:
    return status;
}

/* A kernel over all rows beats one over a list while the list is long. It may run over rows
 * that nobody asked for where that cannot be noticed: the arguments are flat numbers, which
 * are readable everywhere, and need no narrowing. Bits that it makes there are to be
 * masked. */
static const struct sel *whole_batch(const struct eval *ev, const struct sel *sel,
                                     const struct vec *a, const struct vec *b,
                                     enum vwidth width, struct sel *all)
{
    if (!sel->rows || sel->count * 2 < ev->count || width > W_64)
        return sel;
    if ((a->form != VF_FLAT && a->form != VF_CONSTANT) ||
        (b->form != VF_FLAT && b->form != VF_CONSTANT) || a->width > (uint8_t)width ||
        b->width > (uint8_t)width)
        return sel;
    *all = (struct sel){NULL, ev->count};
    return all;
}

static void mask_bits(const struct eval *ev, uint64_t *bits, const struct sel *sel)
{
    uint64_t in[BATCH_WORDS];
    sel_bits(sel, ev->count, in);
    kernel_bits_and(bits, bits, in, ev->count);
}

/* All rows NULL. */
static kdk_status give_null(struct eval *ev, struct node *n, const struct sel *sel,
                            struct vec **out)
{
    (void)sel;
    vec_reset(&n->reg, ltype_width(n->type));
    n->reg.validity = n->reg.room_validity;
    memset(n->reg.validity, 0, bits_words(ev->count) * 8);
    memset(n->reg.data, 0,
           n->reg.width == W_BIT ? BATCH_ROWS / 8
                                 : BATCH_ROWS * vwidth_bytes((enum vwidth)n->reg.width));
    *out = &n->reg;
    return KDK_OK;
}

/* The result is valid where both are. */
static void give_validity(struct eval *ev, struct node *n, const uint64_t *a,
                          const uint64_t *b)
{
    n->reg.validity = NULL;
    if (!a && !b)
        return;
    n->reg.validity = n->reg.room_validity;
    if (a && b)
        kernel_bits_and(n->reg.validity, a, b, ev->count);
    else
        memcpy(n->reg.validity, a ? a : b, bits_words(ev->count) * 8);
}

static void reset_reg(struct node *n, enum vwidth width)
{
    ASSERT(vwidth_bytes(width) <= vwidth_bytes(ltype_width(n->type)));
    n->reg.form = VF_FLAT;
    n->reg.width = (uint8_t)width;
    n->reg.owned = true;
    n->reg.data = n->reg.room;
    n->reg.validity = NULL;
}

/* An error of the data, to be worded by the interpreter. */
static kdk_status failed_row(struct eval *ev)
{
    return err_set(ev->err, KDK_OUT_OF_RANGE, "value out of range");
}

static kdk_status run_arith(struct eval *ev, struct node *n, const struct sel *sel,
                            struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *va, *vb;
    struct operand a, b;
    enum vwidth width = (enum vwidth)n->width;
    uint64_t failed[BATCH_WORDS] = {0};

    TRY(run(ev, n->args[0], sel, &va));
    TRY(run(ev, n->args[1], sel, &vb));
    struct sel all;
    const struct sel *rows = whole_batch(ev, sel, va, vb, width, &all);
    TRY(operand(ev, n, 0, va, width, rows, vb->form != VF_CONSTANT, &a));
    TRY(operand(ev, n, 1, vb, width, rows, true, &b));
    if (a.null || b.null)
        return give_null(ev, n, sel, out);
    reset_reg(n, width);
    give_validity(ev, n, a.validity, b.validity);
    enum kernel_form form = a.constant ? KF_CV : b.constant ? KF_VC : KF_VV;
    kernels()->arith[n->kernel][width][form](a.data, b.data, n->reg.data, rows->rows,
                                             rows->count, n->checked ? failed : NULL);
    if (n->checked && rows != sel)
        mask_bits(ev, failed, sel);
    if (n->checked && kernel_first_failed(failed, n->reg.validity, ev->count) != UINT32_MAX)
        return failed_row(ev);
    *out = &n->reg;
out:
    return status;
}

static kdk_status run_scale(struct eval *ev, struct node *n, const struct sel *sel,
                            struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    struct operand a;
    enum vwidth width = (enum vwidth)n->width;

    TRY(run(ev, n->args[0], sel, &v));
    TRY(operand(ev, n, 0, v, width, sel, false, &a));
    if (a.null)
        return give_null(ev, n, sel, out);
    put_integer(&n->small[1], width, n->factor);
    reset_reg(n, width);
    give_validity(ev, n, a.validity, NULL);
    kernels()->arith[KA_MUL][width][KF_VC](a.data, &n->small[1], n->reg.data, sel->rows,
                                           sel->count, NULL);
    *out = &n->reg;
out:
    return status;
}

/* The same data as another type. */
static void give_alias(struct node *n, const struct vec *v, struct vec **out)
{
    n->alias = *v;
    n->alias.type = n->type;
    n->alias.owned = false;
    *out = &n->alias;
}

static kdk_status run_alias(struct eval *ev, struct node *n, const struct sel *sel,
                            struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    TRY(run(ev, n->args[0], sel, &v));
    give_alias(n, v, out);
out:
    return status;
}

static kdk_status run_convert(struct eval *ev, struct node *n, const struct sel *sel,
                              struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    struct operand a;
    enum vwidth width = (enum vwidth)n->width;
    uint64_t failed[BATCH_WORDS] = {0};

    TRY(run(ev, n->args[0], sel, &v));
    if (is_integer_width(width) && v->width <= (uint8_t)width) {
        /* Narrow enough already. */
        give_alias(n, v, out);
        goto out;
    }
    TRY(operand(ev, n, 0, v, (enum vwidth)v->width, sel, false, &a));
    if (a.null)
        return give_null(ev, n, sel, out);
    reset_reg(n, width);
    give_validity(ev, n, a.validity, NULL);
    kernels()->cast[v->width][width](a.data, n->reg.data, sel->rows, sel->count,
                                     n->checked ? failed : NULL);
    if (n->checked && kernel_first_failed(failed, n->reg.validity, ev->count) != UINT32_MAX)
        return failed_row(ev);
    *out = &n->reg;
out:
    return status;
}

static kdk_status run_decimal_to_double(struct eval *ev, struct node *n,
                                        const struct sel *sel, struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    struct operand a;
    int scale = n->args[0]->type.scale;
    TRY(run(ev, n->args[0], sel, &v));
    enum vwidth width = v->width <= W_64 ? W_64 : W_128;
    TRY(operand(ev, n, 0, v, width, sel, false, &a));
    if (a.null)
        return give_null(ev, n, sel, out);
    reset_reg(n, W_F64);
    give_validity(ev, n, a.validity, NULL);
    double *z = n->reg.data;
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        z[row] = num_to_double(width == W_64 ? ((const int64_t *)a.data)[row]
                                             : ((const int128 *)a.data)[row],
                               scale);
    }
    *out = &n->reg;
out:
    return status;
}

/* ------------------------------------------------------------------ dictionaries ---- */

/* Makes room for codes below `count`. */
static kdk_status memo_grow(struct eval *ev, struct node *n, uint32_t count)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    struct memo *m = n->memo, fresh;
    if (count <= m->cap)
        goto out;
    memset(&fresh, 0, sizeof fresh);
    fresh.dict_id = m->dict_id;
    fresh.cap = (uint32_t)align_up(MAX(count, 2 * m->cap), 64);
    size_t words = bits_words(fresh.cap), old_words = bits_words(m->cap);
    TRY_MEM(fresh.known = ARENA_ARRAY(ev->arena, uint64_t, words));
    TRY_MEM(fresh.is_true = ARENA_ARRAY(ev->arena, uint64_t, words));
    TRY_MEM(fresh.is_null = ARENA_ARRAY(ev->arena, uint64_t, words));
    if (n->type.id != LT_BOOLEAN)
        TRY_MEM(fresh.values = arena_alloc_aligned(
                    ev->arena, size_mul(fresh.cap, sizeof *fresh.values), 16));
    if (old_words) {
        memcpy(fresh.known, m->known, old_words * 8);
        memcpy(fresh.is_true, m->is_true, old_words * 8);
        memcpy(fresh.is_null, m->is_null, old_words * 8);
        if (fresh.values)
            memcpy(fresh.values, m->values, m->cap * sizeof *fresh.values);
    }
    *m = fresh;
out:
    return status;
}

/* The node's scalar meaning for one value of its argument number `which`, the others being
 * constant. */
static kdk_status apply_one(struct eval *ev, struct node *n, uint32_t which,
                            const struct datum *value, struct datum *out)
{
    kdk_status status = KDK_OK;
    struct datum args[FN_ARGS_MAX];
    const struct expr *e = n->e;

    if (n->op == N_LIKE || n->op == N_IN) { /* Compiled: their constants are not nodes. */
        if (n->op == N_LIKE) {
            enum like_result r = like_run(n->like, &value->s);
            if (r == LIKE_BAD)
                return failed_row(ev);
            *out = (struct datum){.i = r == LIKE_YES};
            return KDK_OK;
        }
        for (uint32_t i = 0; i < n->list->count; i++)
            if (value_compare(n->args[0]->type, value, n->args[0]->type,
                              &n->list->values[i]) == 0) {
                *out = (struct datum){.i = 1};
                return KDK_OK;
            }
        *out = n->list->has_null ? DATUM_NULL : (struct datum){.i = 0};
        return KDK_OK;
    }
    for (uint32_t i = 0; i < n->arg_count; i++)
        args[i] = i == which ? *value : vec_get(&n->args[i]->reg, 0);
    TRY(eval_apply(e, args, ev->env, &ev->pool.arena, out, ev->err));
    TRY(pool_settle(ev, n->type, out));
out:
    return status;
}

/* Works out the node once for each code that occurs. *done is false when there is nothing
 * to gain. */
static kdk_status run_by_code(struct eval *ev, struct node *n, uint32_t which,
                              const struct vec *v, const struct sel *sel, struct vec **out)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    const int32_t *codes = v->data;
    int32_t most = 0;

    if (!n->memo)
        TRY_MEM(n->memo = ARENA_NEW(ev->arena, struct memo));
    struct memo *m = n->memo;
    for (uint32_t k = 0; k < sel->count; k++)
        most = MAX(most, codes[SEL_ROW(sel, k)]);
    if (m->cap && (v->dict_id == 0 || v->dict_id != m->dict_id))
        memset(m->known, 0, bits_words(m->cap) * 8);
    m->dict_id = v->dict_id;
    TRY(memo_grow(ev, n, (uint32_t)most + 1));

    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k), code = (uint32_t)codes[row];
        if (KDK_LIKELY(bit_get(m->known, code)) || !vec_valid(v, row))
            continue;
        struct datum value = vec_get(v, row), result;
        TRY(apply_one(ev, n, which, &value, &result));
        bit_put(m->is_true, code, !result.null && n->type.id == LT_BOOLEAN && result.i);
        bit_put(m->is_null, code, result.null);
        if (m->values) {
            if (v->dict_id != 0) { /* It outlives the batch. */
                if (!datum_copy(ev->arena, n->type, result, &m->values[code]))
                    TRY(err_nomem(err));
            } else {
                m->values[code] = result;
            }
        }
        bit_set(m->known, code);
    }

    if (n->type.id == LT_BOOLEAN) {
        uint64_t t[BATCH_WORDS], null[BATCH_WORDS], valid[BATCH_WORDS];
        kernel_codes_match(codes, m->is_true, sel->rows, sel->count, ev->count, t);
        kernel_codes_match(codes, m->is_null, sel->rows, sel->count, ev->count, null);
        sel_bits(sel, ev->count, valid);
        for (size_t w = 0; w < bits_words(ev->count); w++) {
            valid[w] &= ~null[w] & (v->validity ? v->validity[w] : UINT64_MAX);
            t[w] &= valid[w];
        }
        give_bits(ev, n, sel, t, valid, out);
        goto out;
    }
    vec_reset(&n->reg, ltype_width(n->type));
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k), code = (uint32_t)codes[row];
        if (!vec_valid(v, row) || bit_get(m->is_null, code))
            vec_set_null(&n->reg, row, ev->count);
        else
            vec_put(&n->reg, row, &m->values[code], ev->count);
    }
    *out = &n->reg;
out:
    return status;
}

/* The one argument that is a dictionary while all others are constants, or UINT32_MAX. NULL
 * must give NULL. */
static uint32_t dictionary_argument(const struct node *n, struct vec *const *vecs)
{
    uint32_t which = UINT32_MAX;
    bool call = n->e->kind == EX_CALL;
    if (n->e->is_volatile || n->arg_count > FN_ARGS_MAX)
        return which;
    if (call ? !fn_table[n->e->fn].strict || fn_table[n->e->fn].volatility != FN_IMMUTABLE
             : n->e->kind != EX_IN && n->e->kind != EX_CAST)
        return which;
    for (uint32_t i = 0; i < n->arg_count; i++) {
        if (n->op == N_COMPARE && n->args[i]->type.scale != n->e->args[i]->type.scale)
            return UINT32_MAX; /* Rescaled: not what the expression says any more. */
        if (n->args[i]->op == N_CONST)
            continue;
        if (vecs[i]->form != VF_DICT || which != UINT32_MAX)
            return UINT32_MAX;
        which = i;
    }
    /* x IN (..., NULL) may be true: only x itself makes it NULL. */
    return n->e->kind == EX_IN && which != 0 ? UINT32_MAX : which;
}

/* ------------------------------------------------------------------- comparisons ---- */

static kdk_status run_compare(struct eval *ev, struct node *n, const struct sel *sel,
                              struct vec **out)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    struct vec *v[2];
    struct operand a, b;
    uint64_t bits[BATCH_WORDS], valid[BATCH_WORDS];
    enum kernel_cmp op = (enum kernel_cmp)n->kernel;

    TRY(run(ev, n->args[0], sel, &v[0]));
    TRY(run(ev, n->args[1], sel, &v[1]));
    uint32_t which = dictionary_argument(n, v);
    if (which != UINT32_MAX)
        return run_by_code(ev, n, which, v[which], sel, out);
    if (v[0]->form == VF_DICT && v[1]->form == VF_DICT && v[0]->dict_id != 0 &&
        v[0]->dict_id == v[1]->dict_id && (op == KC_EQ || op == KC_NE)) {
        kernels()->cmp_vv[op][W_32](v[0]->data, v[1]->data, sel->rows, sel->count,
                                    ev->count, bits);
        a = (struct operand){.validity = v[0]->validity};
        b = (struct operand){.validity = v[1]->validity};
    } else {
        enum vwidth width = (enum vwidth)MAX(v[0]->width, v[1]->width);
        TRY_ASSERT(is_integer_width(width) || v[0]->width == v[1]->width);
        /* A constant takes the width of the column if its value fits: it need not be
         * widened for it. */
        if (is_integer_width(width)) {
            for (int i = 0; i < 2; i++)
                if (v[i]->form == VF_CONSTANT && v[!i]->form != VF_CONSTANT &&
                    vec_valid(v[i], 0)) {
                    int128 value = get_integer(v[i]);
                    width = MAX((enum vwidth)v[!i]->width, vwidth_for(value, value));
                }
        }
        struct sel all;
        const struct sel *rows = whole_batch(ev, sel, v[0], v[1], width, &all);
        TRY(operand(ev, n, 0, v[0], width, rows, v[1]->form != VF_CONSTANT, &a));
        TRY(operand(ev, n, 1, v[1], width, rows, true, &b));
        if (a.null || b.null)
            return give_null(ev, n, sel, out);
        if (a.constant)
            kernels()->cmp_vc[kernel_cmp_flip(op)][width](b.data, a.data, rows->rows,
                                                          rows->count, ev->count, bits);
        else if (b.constant)
            kernels()->cmp_vc[op][width](a.data, b.data, rows->rows, rows->count, ev->count,
                                         bits);
        else
            kernels()->cmp_vv[op][width](a.data, b.data, rows->rows, rows->count, ev->count,
                                         bits);
        if (rows != sel)
            mask_bits(ev, bits, sel);
    }
    if (!a.validity && !b.validity) {
        give_bits(ev, n, sel, bits, NULL, out);
        goto out;
    }
    sel_bits(sel, ev->count, valid);
    for (size_t w = 0; w < bits_words(ev->count); w++) {
        valid[w] &= (a.validity ? a.validity[w] : UINT64_MAX) &
                    (b.validity ? b.validity[w] : UINT64_MAX);
        bits[w] &= valid[w];
    }
    give_bits(ev, n, sel, bits, valid, out);
out:
    return status;
}

static bool in_sorted(struct ltype type, const struct in_list *list, const struct datum *v)
{
    uint32_t lo = 0, hi = list->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = value_compare(type, v, type, &list->values[mid]);
        if (c == 0)
            return true;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return false;
}

static kdk_status run_in(struct eval *ev, struct node *n, const struct sel *sel,
                         struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    uint64_t t[BATCH_WORDS] = {0}, valid[BATCH_WORDS] = {0};
    TRY(run(ev, n->args[0], sel, &v));
    if (dictionary_argument(n, &v) == 0)
        return run_by_code(ev, n, 0, v, sel, out);
    if (v->form == VF_FLAT && n->list->count <= 8 && v->width == W_STR) {
        uint64_t one[BATCH_WORDS];
        for (uint32_t i = 0; i < n->list->count; i++) {
            kernels()->cmp_vc[KC_EQ][W_STR](v->data, &n->list->values[i].s, sel->rows,
                                            sel->count, ev->count, one);
            kernel_bits_or(t, t, one, ev->count);
        }
    } else if (v->form == VF_FLAT && n->list->count <= 8 &&
               is_integer_width((enum vwidth)v->width)) {
        /* A few comparisons. Values that the width cannot hold are not there. */
        enum vwidth width = (enum vwidth)v->width;
        uint64_t one[BATCH_WORDS];
        for (uint32_t i = 0; i < n->list->count; i++) {
            int128 value =
                v->type.id == LT_NUMERIC ? n->list->values[i].w : n->list->values[i].i;
            if (vwidth_for(value, value) > width)
                continue;
            put_integer(&n->small[0], width, value);
            kernels()->cmp_vc[KC_EQ][width](v->data, &n->small[0], sel->rows, sel->count,
                                            ev->count, one);
            kernel_bits_or(t, t, one, ev->count);
        }
    } else {
        for (uint32_t k = 0; k < sel->count; k++) {
            uint32_t row = SEL_ROW(sel, k);
            struct datum d = vec_get(v, row);
            if (!d.null && in_sorted(v->type, n->list, &d))
                bit_set(t, row);
        }
    }
    sel_bits(sel, ev->count, valid);
    for (size_t w = 0; w < bits_words(ev->count); w++) {
        uint64_t there = !v->validity             ? UINT64_MAX
                         : v->form == VF_CONSTANT ? (vec_valid(v, 0) ? UINT64_MAX : 0)
                                                  : v->validity[w];
        t[w] &= there;
        valid[w] &= there & (n->list->has_null ? t[w] : UINT64_MAX);
    }
    give_bits(ev, n, sel, t, valid, out);
out:
    return status;
}

static kdk_status run_like(struct eval *ev, struct node *n, const struct sel *sel,
                           struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    struct operand a;
    uint64_t t[BATCH_WORDS] = {0}, valid[BATCH_WORDS];
    TRY(run(ev, n->args[0], sel, &v));
    if (v->form == VF_DICT)
        return run_by_code(ev, n, 0, v, sel, out);
    TRY(operand(ev, n, 0, v, W_STR, sel, false, &a));
    if (a.null)
        return give_null(ev, n, sel, out);
    const struct str *s = a.data;
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        if (a.validity && !bit_get(a.validity, row))
            continue;
        enum like_result r = like_run(n->like, &s[row]);
        if (r == LIKE_BAD)
            return failed_row(ev);
        t[row / 64] |= (uint64_t)(r == LIKE_YES) << row % 64;
    }
    if (a.validity) {
        sel_bits(sel, ev->count, valid);
        kernel_bits_and(valid, valid, a.validity, ev->count);
    }
    give_bits(ev, n, sel, t, a.validity ? valid : NULL, out);
out:
    return status;
}

/* Days of a table from day to field: 30 years fit, and 80 KB. */
enum { EXTRACT_TABLE_DAYS = 20000 };

static kdk_status run_extract(struct eval *ev, struct node *n, const struct sel *sel,
                              struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *v;
    struct operand a;
    TRY(run(ev, n->args[0], sel, &v));
    TRY(operand(ev, n, 0, v, W_32, sel, false, &a));
    if (a.null)
        return give_null(ev, n, sel, out);
    reset_reg(n, W_32);
    give_validity(ev, n, a.validity, NULL);
    const int32_t *days = a.data;
    int32_t *z = n->reg.data;
    int64_t first = (int64_t)n->args[0]->lo, span = (int64_t)n->args[0]->hi - first + 1;
    if (!n->table && span <= EXTRACT_TABLE_DAYS) {
        struct err *err = ev->err;
        TRY_MEM(n->table = ARENA_ARRAY(ev->arena, int32_t, (size_t)span));
        for (int64_t i = 0; i < span; i++)
            n->table[i] = (int32_t)(fn_date_field(n->field, first + i, 0) / 1000000);
    }
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        uint64_t at = (uint64_t)(days[row] - first);
        if (n->table && at < (uint64_t)span) /* Below a NULL there may be any day. */
            z[row] = n->table[at];
        else if (!a.validity || bit_get(a.validity, row))
            z[row] = (int32_t)(fn_date_field(n->field, days[row], 0) / 1000000);
        else
            z[row] = 0;
    }
    *out = &n->reg;
out:
    return status;
}

/* Integer division: args[0] / or % args[1]. */
#define DIVIDE_ROWS(T, LEAST)                                                              \
    do {                                                                                   \
        const T *x = a.data, *y = b.data;                                                  \
        T *z = n->reg.data;                                                                \
        for (uint32_t k = 0; k < sel->count; k++) {                                        \
            uint32_t row = SEL_ROW(sel, k);                                                \
            T d = y[b.constant ? 0 : row], v = x[row];                                     \
            if (KDK_UNLIKELY(d == 0 || (d == -1 && v == (LEAST)))) {                       \
                bool valid = !n->reg.validity || bit_get(n->reg.validity, row);            \
                if (valid && (d == 0 || !n->remainder))                                    \
                    return failed_row(ev);                                                 \
                z[row] = 0;                                                                \
            } else {                                                                       \
                z[row] = (T)(n->remainder ? v % d : v / d);                                \
            }                                                                              \
        }                                                                                  \
    } while (0)

static kdk_status run_divide(struct eval *ev, struct node *n, const struct sel *sel,
                             struct vec **out)
{
    kdk_status status = KDK_OK;
    struct vec *va, *vb;
    struct operand a, b;
    enum vwidth width = (enum vwidth)n->width;
    TRY(run(ev, n->args[0], sel, &va));
    TRY(run(ev, n->args[1], sel, &vb));
    TRY(operand(ev, n, 0, va, width, sel, false, &a));
    TRY(operand(ev, n, 1, vb, width, sel, true, &b));
    if (a.null || b.null)
        return give_null(ev, n, sel, out);
    reset_reg(n, width);
    give_validity(ev, n, a.validity, b.validity);
    if (width == W_32)
        DIVIDE_ROWS(int32_t, INT32_MIN);
    else
        DIVIDE_ROWS(int64_t, INT64_MIN);
    *out = &n->reg;
out:
    return status;
}

/* ------------------------------------------------------------------ CASE, COALESCE ---- */

#define COPY_ROWS(T)                                                                       \
    do {                                                                                   \
        const T *x = from;                                                                 \
        T *z = into->data;                                                                 \
        if (constant)                                                                      \
            for (uint32_t k = 0; k < sel->count; k++)                                      \
                z[SEL_ROW(sel, k)] = x[0];                                                 \
        else                                                                               \
            for (uint32_t k = 0; k < sel->count; k++)                                      \
                z[SEL_ROW(sel, k)] = x[SEL_ROW(sel, k)];                                   \
    } while (0)

/* The selected rows of `v` into the node's register. */
static kdk_status copy_rows(struct eval *ev, struct node *n, struct vec *v,
                            const struct sel *sel)
{
    kdk_status status = KDK_OK;
    struct vec *into = &n->reg;
    enum vwidth width = (enum vwidth)into->width;
    struct operand o;

    if (width == W_BIT) {
        for (uint32_t k = 0; k < sel->count; k++) {
            struct datum d = vec_get(v, SEL_ROW(sel, k));
            vec_put(into, SEL_ROW(sel, k), &d, ev->count);
        }
        goto out;
    }
    TRY(operand(ev, n, 0, v, width, sel, true, &o));
    if (o.null) {
        for (uint32_t k = 0; k < sel->count; k++)
            vec_set_null(into, SEL_ROW(sel, k), ev->count);
        goto out;
    }
    const void *from = o.data;
    bool constant = o.constant;
    switch (width) {
    case W_8:
        COPY_ROWS(int8_t);
        break;
    case W_16:
        COPY_ROWS(int16_t);
        break;
    case W_32:
    case W_F32:
        COPY_ROWS(int32_t);
        break;
    case W_64:
    case W_F64:
        COPY_ROWS(int64_t);
        break;
    case W_128:
        COPY_ROWS(int128);
        break;
    case W_STR:
        COPY_ROWS(struct str);
        break;
    case W_BIT:
        break;
    }
    if (o.validity)
        for (uint32_t k = 0; k < sel->count; k++)
            if (!bit_get(o.validity, SEL_ROW(sel, k)))
                vec_set_null(into, SEL_ROW(sel, k), ev->count);
out:
    return status;
}

static kdk_status run_case(struct eval *ev, struct node *n, const struct sel *sel,
                           struct vec **out)
{
    kdk_status status = KDK_OK;
    uint64_t open[BATCH_WORDS], t[BATCH_WORDS], valid[BATCH_WORDS];
    size_t words = bits_words(ev->count);
    struct vec *v;

    vec_reset(&n->reg, (enum vwidth)n->width);
    sel_bits(sel, ev->count, open);
    for (uint32_t i = 0; i < n->arg_count; i += 2) {
        struct sel now = list_rows(ev, n, open);
        if (now.count == 0)
            break;
        if (i + 1 == n->arg_count) { /* ELSE */
            TRY(run(ev, n->args[i], &now, &v));
            TRY(copy_rows(ev, n, v, &now));
            break;
        }
        TRY(run(ev, n->args[i], now.count == sel->count ? sel : &now, &v));
        truth_bits(v, &now, ev->count, t, valid);
        for (size_t w = 0; w < words; w++)
            open[w] &= ~t[w];
        now = list_rows(ev, n, t);
        if (now.count == 0)
            continue;
        TRY(run(ev, n->args[i + 1], &now, &v));
        TRY(copy_rows(ev, n, v, &now));
    }
    *out = &n->reg;
out:
    return status;
}

static kdk_status run_coalesce(struct eval *ev, struct node *n, const struct sel *sel,
                               struct vec **out)
{
    kdk_status status = KDK_OK;
    uint64_t open[BATCH_WORDS];
    struct vec *v;

    vec_reset(&n->reg, (enum vwidth)n->width);
    sel_bits(sel, ev->count, open);
    for (uint32_t i = 0; i < n->arg_count; i++) {
        struct sel now = list_rows(ev, n, open);
        if (now.count == 0)
            break;
        TRY(run(ev, n->args[i], now.count == sel->count ? sel : &now, &v));
        uint64_t have[BATCH_WORDS] = {0};
        for (uint32_t k = 0; k < now.count; k++)
            if (vec_valid(v, now.rows[k]))
                bit_set(have, now.rows[k]);
        for (size_t w = 0; w < bits_words(ev->count); w++)
            open[w] &= ~have[w];
        now = list_rows(ev, n, have);
        TRY(copy_rows(ev, n, v, &now));
    }
    struct sel rest = list_rows(ev, n, open);
    for (uint32_t k = 0; k < rest.count; k++)
        vec_set_null(&n->reg, rest.rows[k], ev->count);
    *out = &n->reg;
out:
    return status;
}

/* ------------------------------------------------------------------ everything else ---- */

/* vec_get(), with the common forms at hand. */
static inline void fetch(const struct vec *v, uint32_t row, struct datum *out)
{
    if (v->form == VF_FLAT && (!v->validity || bit_get(v->validity, row))) {
        out->null = false;
        if (v->width == W_STR) {
            out->s = ((const struct str *)v->data)[row];
            return;
        }
        if (v->width == W_32 && v->type.id != LT_NUMERIC) {
            out->i = ((const int32_t *)v->data)[row];
            return;
        }
        if (v->width == W_F64) {
            out->f = ((const double *)v->data)[row];
            return;
        }
    }
    *out = vec_get(v, row);
}

static kdk_status run_generic(struct eval *ev, struct node *n, const struct sel *sel,
                              struct vec **out)
{
    kdk_status status = KDK_OK;
    struct err *err = ev->err;
    struct vec *few_vecs[FN_ARGS_MAX], **vecs = few_vecs;
    struct datum few[FN_ARGS_MAX], *args = few;

    if (n->arg_count > FN_ARGS_MAX) {
        TRY_MEM(vecs = arena_alloc(ev->arena, size_mul(n->arg_count, sizeof *vecs)));
        TRY_MEM(args = arena_alloc_aligned(ev->arena, size_mul(n->arg_count, sizeof *args),
                                           16));
    }
    for (uint32_t i = 0; i < n->arg_count; i++)
        TRY(run(ev, n->args[i], sel, &vecs[i]));
    uint32_t which = dictionary_argument(n, vecs);
    if (which != UINT32_MAX)
        return run_by_code(ev, n, which, vecs[which], sel, out);

    vec_reset(&n->reg, ltype_width(n->type));
    const struct fn *fn = n->e->kind == EX_CALL ? &fn_table[n->e->fn] : NULL;
    struct fn_call call = {.expr = n->e,
                           .arena = &ev->pool.arena,
                           .env = ev->env,
                           .err = err,
                           .status = KDK_OK};
    for (uint32_t i = 0; i < n->arg_count; i++)
        if (vecs[i]->form == VF_CONSTANT)
            args[i] = vec_get(vecs[i], 0);
    for (uint32_t k = 0; k < sel->count; k++) {
        uint32_t row = SEL_ROW(sel, k);
        struct datum result;
        bool null = false;
        for (uint32_t i = 0; i < n->arg_count; i++) {
            if (vecs[i]->form != VF_CONSTANT)
                fetch(vecs[i], row, &args[i]);
            null |= args[i].null;
        }
        if (!fn) {
            TRY(eval_apply(n->e, args, ev->env, &ev->pool.arena, &result, err));
        } else if (null && fn->strict) {
            vec_set_null(&n->reg, row, ev->count);
            continue;
        } else {
            memset(&result, 0, sizeof result);
            if (!fn_bodies[n->e->fn](&call, args, &result)) {
                err_at(err, n->e->offset);
                return call.status;
            }
        }
        if (KDK_UNLIKELY(ev->pool.arena.head))
            TRY(pool_settle(ev, n->type, &result));
        if (n->reg.width == W_STR && !result.null && !n->reg.validity)
            ((struct str *)n->reg.data)[row] = result.s;
        else
            vec_put(&n->reg, row, &result, ev->count);
    }
    *out = &n->reg;
out:
    return status;
}

static kdk_status run(struct eval *ev, struct node *n, const struct sel *sel,
                      struct vec **out)
{
    switch (n->op) {
    case N_CONST:
        *out = &n->reg;
        return KDK_OK;
    case N_COLUMN: {
        struct vec *v = &ev->batch->columns[n->slot];
        *out = v;
        /* With all rows of the batch: another node may ask for others than this one. */
        return v->form == VF_LAZY ? v->load(v, &ev->batch->sel, ev->count, ev->err)
                                  : KDK_OK;
    }
    case N_ALIAS:
        return run_alias(ev, n, sel, out);
    case N_SCALE:
        return run_scale(ev, n, sel, out);
    case N_ARITH:
        return run_arith(ev, n, sel, out);
    case N_COMPARE:
        return run_compare(ev, n, sel, out);
    case N_CONVERT:
        return run_convert(ev, n, sel, out);
    case N_DECIMAL_TO_DOUBLE:
        return run_decimal_to_double(ev, n, sel, out);
    case N_AND:
    case N_OR:
        return run_junction(ev, n, sel, out);
    case N_NOT:
    case N_IS_TRUE:
        return run_truth_test(ev, n, sel, out);
    case N_IS_NULL:
    case N_IS_NOT_NULL:
        return run_null_test(ev, n, sel, out);
    case N_CASE:
        return run_case(ev, n, sel, out);
    case N_COALESCE:
        return run_coalesce(ev, n, sel, out);
    case N_IN:
        return run_in(ev, n, sel, out);
    case N_LIKE:
        return run_like(ev, n, sel, out);
    case N_EXTRACT:
        return run_extract(ev, n, sel, out);
    case N_DIVIDE:
        return run_divide(ev, n, sel, out);
    case N_GENERIC:
        return run_generic(ev, n, sel, out);
    }
    return KDK_INTERNAL;
}

/* ------------------------------------------------------------------------- public ---- */

kdk_status eval_new(const struct expr *expr, const struct eval_source *source,
                    const struct eval_env *env, struct arena *arena, struct eval **out,
                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval *ev = ARENA_NEW(arena, struct eval);
    TRY_MEM(ev);
    ev->expr = expr;
    ev->env = env;
    ev->arena = arena;
    TRY(eval_compile(ev, expr, source, &ev->root, err));
    *out = ev;
out:
    return status;
}

struct row_of_batch {
    struct eval *ev;
    uint32_t row;
};
static struct datum column_of_row(void *context, colid id)
{
    struct row_of_batch *at = context;
    for (uint32_t i = 0; i < at->ev->column_count; i++)
        if (at->ev->columns[i].id == id)
            return vec_get(&at->ev->batch->columns[at->ev->columns[i].slot], at->row);
    return DATUM_NULL;
}

/* Finds the lowest row that fails, and its message. */
static kdk_status word_error(struct eval *ev, kdk_status found)
{
    kdk_status status = KDK_OK;
    struct batch *b = ev->batch;
    struct arena scratch = {0};
    struct err first = {0};

    if (ev->expr->is_volatile)
        return found;
    if (ev->err)
        first = *ev->err;
    for (uint32_t i = 0; i < ev->column_count; i++) {
        struct vec *v = &b->columns[ev->columns[i].slot];
        if (v->form == VF_LAZY)
            TRY(v->load(v, &b->sel, ev->count, ev->err));
    }
    for (uint32_t k = 0; k < b->sel.count && status == KDK_OK; k++) {
        struct row_of_batch at = {ev, SEL_ROW(&b->sel, k)};
        struct eval_row row = {column_of_row, &at};
        struct datum ignored;
        if (ev->err)
            err_clear(ev->err);
        arena_reset(&scratch);
        status = eval_scalar(ev->expr, &row, ev->env, &scratch, &ignored, ev->err);
    }
    if (status == KDK_OK) {
        /* The vector body saw what the scalar one does not: report what it said. */
        status = found;
        if (ev->err)
            *ev->err = first;
    }
out:
    arena_deinit(&scratch);
    return status;
}

kdk_status eval_run(struct eval *ev, struct batch *batch, struct vec **out, struct err *err)
{
    kdk_status status = KDK_OK;
    ev->batch = batch;
    ev->count = batch->count;
    ev->err = err;
    if (ev->env && ev->env->cancel &&
        atomic_load_explicit(ev->env->cancel, memory_order_relaxed))
        return err_set(err, KDK_INTERRUPTED, "canceling statement due to user request");
    TRY(pool_restart(ev));
    status = run(ev, ev->root, &batch->sel, out);
    if (eval_data_error(status) || status == KDK_LIMIT || status == KDK_UNSUPPORTED)
        status = word_error(ev, status);
out:
    if (ev->pool.arena.head) /* A body failed half way. */
        arena_deinit(&ev->pool.arena);
    return status;
}

kdk_status eval_filter(struct eval *ev, struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t t[BATCH_WORDS], valid[BATCH_WORDS];
    struct vec *v;
    if (batch->sel.count == 0)
        goto out;
    TRY(eval_run(ev, batch, &v, err));
    truth_bits(v, &batch->sel, batch->count, t, valid);
    batch_keep(batch, t);
out:
    return status;
}

struct eval_conds {
    uint32_t count;
    struct eval **evals;
};

/* How many conditions there are when ANDs are taken apart. */
static uint32_t count_conds(const struct expr *e)
{
    uint32_t n = 0;
    if (e->kind != EX_AND)
        return 1;
    for (uint32_t i = 0; i < e->arg_count; i++)
        n += count_conds(e->args[i]);
    return n;
}

static void list_conds(const struct expr *e, const struct expr **list, uint32_t *n)
{
    if (e->kind != EX_AND) {
        list[(*n)++] = e;
        return;
    }
    for (uint32_t i = 0; i < e->arg_count; i++)
        list_conds(e->args[i], list, n);
}

/* Those that cannot fail first, the cheaper the earlier; then those that can, as they were
 * written. */
static bool goes_before(const struct eval *a, const struct eval *b)
{
    bool a_last = a->root->can_fail || a->expr->is_volatile,
         b_last = b->root->can_fail || b->expr->is_volatile;
    if (a_last || b_last)
        return !a_last && b_last;
    return a->root->cost < b->root->cost;
}

kdk_status eval_conds_new(struct expr *const *conds, uint32_t count,
                          const struct eval_source *source, const struct eval_env *env,
                          struct arena *arena, struct eval_conds **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct eval_conds *c = ARENA_NEW(arena, struct eval_conds);
    const struct expr **list;
    uint32_t total = 0, n = 0;

    TRY_MEM(c);
    for (uint32_t i = 0; i < count; i++)
        total += count_conds(conds[i]);
    TRY_MEM(list = ARENA_ARRAY(arena, const struct expr *, total + 1));
    TRY_MEM(c->evals = ARENA_ARRAY(arena, struct eval *, total + 1));
    for (uint32_t i = 0; i < count; i++)
        list_conds(conds[i], list, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct eval *ev;
        TRY(eval_new(list[i], source, env, arena, &ev, err));
        uint32_t at = c->count++;
        for (; at > 0 && goes_before(ev, c->evals[at - 1]); at--)
            c->evals[at] = c->evals[at - 1];
        c->evals[at] = ev;
    }
    *out = c;
out:
    return status;
}

kdk_status eval_conds_filter(struct eval_conds *conds, struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < conds->count && batch->sel.count > 0; i++)
        TRY(eval_filter(conds->evals[i], batch, err));
out:
    return status;
}
