/* join.c - joins: hash and nested loop, of every kind, over one way of making pairs.
 *
 * The right side is built into a rowset (its keys first, then the columns that are wanted), for hash joins with a directory above: a slot holds the address of the first row
 * of a chain in 48 bits and, in the upper 16, a small Bloom filter of the hashes in the chain, so that most misses touch one word. The left side streams: for a
 * batch of it, pairs (left row, right row) are made up to a batch at a time; what is left of the conditions is evaluated on them, and
 * the kind of join decides what becomes of pairs, matched and unmatched rows.
 *
 * A key that is NULL matches nothing (unless the key is null-safe): such right rows are not built, but for FULL, which must show them.
 *
 * MARK  The mark of a left row is true if some pair's conditions are true, else NULL if some pair's are NULL, else false. Keys of a hash join decide which pairs there are; with a single key and no
 *       conditions the key itself is the comparison: a NULL on either side, against a non-empty other side, is a NULL.
 */
#include "exec/exec_int.h"

#include <stdatomic.h>

struct join {
    struct xop op;
    struct xsink build;
    struct exec *exec;
    struct xop *right;
    bool hash;
    bool left_out;  /* left columns are in the output */
    uint32_t key_count;
    /* Right rows */
    struct rowlayout layout;
    uint32_t field_count;      /* keys, then columns */
    uint32_t *field_slots;     /* slots of right for fields past the keys */
    struct rowset set;
    struct rowset sets[WORKERS_MAX];
    uint64_t *directory;
    uint64_t mask;
    _Atomic uint32_t null_keys; /* some right row had a NULL key and was left out */
    _Atomic uint64_t seen;      /* right rows, left out ones too */
    /* Pairs: left columns then right fields, as conditions and output see them */
    struct xschema pair;
    uint32_t *pair_left;  /* slot of the left batch for each pair slot, or UINT32_MAX */
    uint32_t *pair_field; /* field of the right row */
    struct expr *condition; /* MARK: all conditions, and-ed, three-valued; NULL: none */
    /* Build, for each worker */
    struct eval **build_keys[WORKERS_MAX];
    struct vec *scratch[WORKERS_MAX];
    const struct vec **columns[WORKERS_MAX];
};

struct join_local {
    struct batch *in; /* the left batch in work, or NULL */
    struct eval **keys;
    struct vec *key_vecs; /* flat, full width */
    uint64_t *hashes;
    struct eval_conds *conds;
    struct eval *condition;
    struct batch pairs;
    struct vec *pair_room;
    struct batch result; /* left columns + NULLs, or + mark */
    struct vec mark;
    /* The pairs still to be made */
    uint16_t *active;
    uint8_t **chain;
    uint32_t active_count;
    uint32_t loop_k;          /* nested loop: which selected left row */
    struct rowset_at loop_at; /* and where in the right rows */
    uint8_t **loop_rows;
    uint32_t loop_count, loop_next;
    bool pairs_done;
    uint64_t *matched, *unknown; /* of the left batch */
    uint16_t *places;
    uint8_t **rows;
    uint16_t *sel;
    /* FULL: unmatched right rows */
    bool draining;
    struct rowset_at drain_at;
    bool ended;
};

#define POINTER_MASK 0xffffffffffffull

static uint64_t tag_of(uint64_t hash)
{
    return 1ull << (48 + (hash >> 60));
}

/* -------------------------------------------------------------------- build ---- */

static kdk_status build_consume(struct xsink *sink, struct xworker *worker, struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    const struct rel *rel = join->op.rel;
    uint32_t w = worker->index;
    uint64_t hashes[BATCH_ROWS];
    uint16_t kept[BATCH_ROWS];
    struct sel sel = batch->sel;

    if (!join->scratch[w]) {
        struct eval_source source = xschema_source(&join->right->schema);
        rowset_init(&join->sets[w], &join->layout);
        TRY_MEM(join->build_keys[w] = ARENA_ARRAY(&worker->arena, struct eval *, join->key_count + 1));
        for (uint32_t i = 0; i < join->key_count; i++)
            TRY(eval_new(rel->phys.right_keys[i], &source, &join->exec->env.eval, &worker->arena, &join->build_keys[w][i], err));
        TRY_MEM(join->columns[w] = ARENA_ARRAY(&worker->arena, const struct vec *, join->field_count + 1));
        TRY(rowset_scratch(&join->layout, &worker->arena, &join->scratch[w], err));
    }
    for (uint32_t i = 0; i < join->key_count; i++) {
        struct vec *v;
        TRY(eval_run(join->build_keys[w][i], batch, &v, err));
        join->columns[w][i] = v;
    }
    for (uint32_t i = join->key_count; i < join->field_count; i++)
        join->columns[w][i] = &batch->columns[join->field_slots[i]];
    atomic_fetch_add_explicit(&join->seen, sel.count, memory_order_relaxed);
    for (uint32_t i = 0; i < join->key_count; i++) {
        const struct vec *v = join->columns[w][i];
        if (!v->validity || (rel->phys.null_safe && rel->phys.null_safe[i]) || rel->join == JOIN_FULL)
            continue;
        uint32_t n = 0;
        for (uint32_t k = 0; k < sel.count; k++) {
            uint32_t row = SEL_ROW(&sel, k);
            kept[n] = (uint16_t)row;
            n += vec_valid(v, row);
        }
        if (n < sel.count)
            atomic_store_explicit(&join->null_keys, 1, memory_order_relaxed);
        sel = (struct sel){kept, n};
    }
    if (!sel.count)
        goto out;
    for (uint32_t i = 0; i < join->key_count; i++)
        vec_hash(join->columns[w][i], &sel, i > 0, hashes);
    TRY(rowset_append(&join->sets[w], join->columns[w], &sel, batch->count, join->key_count ? hashes : NULL,
                      join->scratch[w], NULL, err));
out:
    return status;
}

static kdk_status build_combine(struct xsink *sink, struct xworker *worker, struct err *err)
{
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    (void)err;
    if (join->scratch[worker->index])
        rowset_move(&join->set, &join->sets[worker->index]);
    return KDK_OK;
}

static kdk_status build_finalize(struct xsink *sink, struct xworker *worker, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    uint8_t *rows[256];
    struct rowset_at at = {0};
    uint64_t slots = 64;
    uint32_t n;
    (void)worker;

    if (!join->hash)
        goto out;
    while (slots < join->set.row_count * 2)
        slots *= 2;
    TRY_MEM(join->directory = mem_zalloc(size_mul(slots, sizeof *join->directory)));
    join->mask = slots - 1;
    while ((n = rowset_next(&join->set, &at, rows, COUNT_OF(rows))))
        for (uint32_t i = 0; i < n; i++) {
            uint64_t hash = row_hash(rows[i]);
            uint64_t *slot = &join->directory[hash & join->mask];
            put_u64(rows[i] + ROW_LINK, *slot & POINTER_MASK);
            *slot = (*slot & ~POINTER_MASK) | tag_of(hash) | (uint64_t)(uintptr_t)rows[i];
        }
out:
    return status;
}

static void build_free(struct xsink *sink)
{
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    for (uint32_t w = 0; w < WORKERS_MAX; w++)
        if (join->scratch[w])
            rowset_deinit(&join->sets[w]);
    rowset_deinit(&join->set);
    mem_free(join->directory);
}

/* -------------------------------------------------------------------- pairs ---- */

static kdk_status join_local(struct xop *op, struct xworker *worker, void **local, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)op;
    struct arena *arena = &worker->arena;
    const struct rel *rel = op->rel;
    struct eval_source left = xschema_source(&op->child->schema), pair = xschema_source(&join->pair);
    struct eval_env *env = &worker->exec->env.eval;
    struct join_local *l;

    TRY_MEM(l = ARENA_NEW(arena, struct join_local));
    TRY_MEM(l->keys = ARENA_ARRAY(arena, struct eval *, join->key_count + 1));
    TRY_MEM(l->key_vecs = ARENA_ARRAY(arena, struct vec, join->key_count + 1));
    for (uint32_t i = 0; i < join->key_count; i++) {
        TRY(eval_new(rel->phys.left_keys[i], &left, env, arena, &l->keys[i], err));
        TRY(vec_init(&l->key_vecs[i], rel->phys.left_keys[i]->type, arena, err));
    }
    if (rel->join == JOIN_MARK) {
        if (join->condition)
            TRY(eval_new(join->condition, &pair, env, arena, &l->condition, err));
        TRY(vec_init(&l->mark, LTYPE(BOOLEAN), arena, err));
    } else if (rel->cond_count) {
        TRY(eval_conds_new(rel->conds, rel->cond_count, &pair, env, arena, &l->conds, err));
    }
    TRY(batch_shell(&l->pairs, join->pair.count, arena, err));
    TRY_MEM(l->pair_room = ARENA_ARRAY(arena, struct vec, join->pair.count + 1));
    for (uint32_t i = 0; i < join->pair.count; i++)
        TRY(vec_init(&l->pair_room[i], join->pair.types[i], arena, err));
    TRY(batch_shell(&l->result, op->schema.count, arena, err));
    TRY_MEM(l->hashes = ARENA_ARRAY(arena, uint64_t, BATCH_ROWS));
    TRY_MEM(l->active = ARENA_ARRAY(arena, uint16_t, BATCH_ROWS));
    TRY_MEM(l->chain = ARENA_ARRAY(arena, uint8_t *, BATCH_ROWS));
    TRY_MEM(l->loop_rows = ARENA_ARRAY(arena, uint8_t *, BATCH_ROWS));
    TRY_MEM(l->matched = ARENA_ARRAY(arena, uint64_t, bits_words(BATCH_ROWS)));
    TRY_MEM(l->unknown = ARENA_ARRAY(arena, uint64_t, bits_words(BATCH_ROWS)));
    TRY_MEM(l->places = ARENA_ARRAY(arena, uint16_t, BATCH_ROWS * 2));
    TRY_MEM(l->rows = ARENA_ARRAY(arena, uint8_t *, BATCH_ROWS * 2));
    TRY_MEM(l->sel = ARENA_ARRAY(arena, uint16_t, BATCH_ROWS));
    *local = l;
out:
    return status;
}

/* Begins a new left batch: hashes its keys and finds the chains. */
static kdk_status pairs_start(struct join *join, struct join_local *l, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = join->op.rel;
    struct batch *in = l->in;

    memset(l->matched, 0, bits_words(BATCH_ROWS) * 8);
    memset(l->unknown, 0, bits_words(BATCH_ROWS) * 8);
    l->active_count = 0;
    l->pairs_done = false;
    l->loop_k = 0;
    l->loop_at = (struct rowset_at){0};
    l->loop_count = l->loop_next = 0;
    /* Without right rows nothing is compared, and a key that could fail does not. */
    if (!join->hash || !join->set.row_count)
        goto out;
    for (uint32_t i = 0; i < join->key_count; i++) {
        struct vec *v;
        TRY(eval_run(l->keys[i], in, &v, err));
        vec_hash(v, &in->sel, i > 0, l->hashes);
        vec_flatten(v, &in->sel, in->count, ltype_width(l->key_vecs[i].type), &l->key_vecs[i]);
    }
    for (uint32_t k = 0; k < in->sel.count; k++) {
        uint32_t row = SEL_ROW(&in->sel, k);
        uint64_t hash = l->hashes[k], slot = join->directory[hash & join->mask];
        bool null = false;
        for (uint32_t i = 0; i < join->key_count; i++)
            null |= !vec_valid(&l->key_vecs[i], row) && !(rel->phys.null_safe && rel->phys.null_safe[i]);
        if (null) {
            if (!join->condition)
                bit_set(l->unknown, row); /* MARK by its key alone. Where conditions decide, a NULL key has no pairs. */
            continue;
        }
        if (!(slot & tag_of(hash)))
            continue;
        l->active[l->active_count] = (uint16_t)row;
        l->chain[l->active_count++] = (uint8_t *)(uintptr_t)(slot & POINTER_MASK);
    }
out:
    return status;
}

/* Makes up to BATCH_ROWS pairs that agree in the keys, in l->places and l->rows; 0 when there are no more. */
static uint32_t pairs_next(struct join *join, struct join_local *l, bool first_match_only)
{
    const struct rel *rel = join->op.rel;
    uint32_t n = 0;

    if (!join->hash) {
        while (n < BATCH_ROWS && l->loop_k < l->in->sel.count) {
            if (l->loop_next == l->loop_count) {
                l->loop_count = rowset_next(&join->set, &l->loop_at, l->loop_rows, BATCH_ROWS);
                l->loop_next = 0;
                if (!l->loop_count) {
                    l->loop_at = (struct rowset_at){0};
                    l->loop_k++;
                    continue;
                }
            }
            uint32_t row = SEL_ROW(&l->in->sel, l->loop_k);
            if (first_match_only && bit_get(l->matched, row)) {
                l->loop_at = (struct rowset_at){0};
                l->loop_count = l->loop_next = 0;
                l->loop_k++;
                continue;
            }
            uint32_t take = MIN((uint32_t)BATCH_ROWS - n, l->loop_count - l->loop_next);
            for (uint32_t i = 0; i < take; i++) {
                l->places[n] = (uint16_t)row;
                l->rows[n++] = l->loop_rows[l->loop_next++];
            }
        }
        return n;
    }
    while (l->active_count && n + l->active_count <= BATCH_ROWS * 2 && n < BATCH_ROWS) {
        uint32_t fresh = 0, left = 0;
        /* Rows whose pairs would not fit wait for the next call. */
        uint32_t round = MIN(l->active_count, (uint32_t)BATCH_ROWS - n);
        for (uint32_t i = 0; i < round; i++) {
            l->places[n + fresh] = l->active[i];
            l->rows[n + fresh++] = l->chain[i];
        }
        for (uint32_t i = 0; i < l->active_count; i++) {
            uint8_t *next = i < round ? (uint8_t *)(uintptr_t)get_u64(l->chain[i] + ROW_LINK) : l->chain[i];
            if (!next || (first_match_only && bit_get(l->matched, l->active[i])))
                continue;
            l->active[left] = l->active[i];
            l->chain[left++] = next;
        }
        l->active_count = left;
        for (uint32_t i = 0; i < join->key_count && fresh; i++)
            fresh = rows_match(&join->layout, i, &l->key_vecs[i], rel->phys.null_safe && rel->phys.null_safe[i],
                               l->places + n, l->rows + n, fresh);
        n += fresh;
    }
    return n;
}

/* The pairs as a batch. */
static kdk_status pairs_batch(struct join *join, struct join_local *l, uint32_t n, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sel places = {l->places, n};
    for (uint32_t i = 0; i < join->pair.count; i++) {
        struct vec *out = &l->pairs.columns[i];
        *out = l->pair_room[i];
        if (join->pair_left[i] != UINT32_MAX) {
            struct vec *in = &l->in->columns[join->pair_left[i]];
            if (in->form == VF_LAZY)
                TRY(in->load(in, &l->in->sel, l->in->count, err));
            vec_reset(out, ltype_width(out->type));
            vec_gather(in, &places, out);
        } else {
            rows_gather(&join->layout, join->pair_field[i], l->rows, n, out);
        }
    }
    batch_all(&l->pairs, n);
out:
    return status;
}

/* All left rows (that are set in `keep`, or all selected if NULL) with the right columns NULL, or with the mark. */
static void left_rows(struct join *join, struct join_local *l, const uint64_t *keep, bool kept)
{
    struct batch *out = &l->result;
    uint32_t n = 0;
    for (uint32_t k = 0; k < l->in->sel.count; k++) {
        uint32_t row = SEL_ROW(&l->in->sel, k);
        l->sel[n] = (uint16_t)row;
        n += !keep || bit_get(keep, row) == kept;
    }
    for (uint32_t i = 0; i < join->op.schema.count; i++) {
        struct vec *v = &out->columns[i];
        uint32_t slot;
        if (join->op.schema.ids[i] == join->op.rel->mark && join->op.rel->join == JOIN_MARK) {
            *v = l->mark;
        } else if (xschema_find(&join->op.child->schema, join->op.schema.ids[i], &slot)) {
            *v = l->in->columns[slot];
        } else {
            for (uint32_t p = 0; p < join->pair.count; p++)
                if (join->pair.ids[p] == join->op.schema.ids[i])
                    *v = l->pair_room[p];
            vec_reset(v, ltype_width(v->type));
            memset(v->data, 0, v->width == W_BIT ? bits_words(BATCH_ROWS) * 8 : (size_t)vwidth_bytes(v->width) * l->in->count);
            vec_validity_on(v, l->in->count);
            memset(v->validity, 0, bits_words(l->in->count) * 8);
        }
        v->owned = false;
    }
    out->count = l->in->count;
    out->sel = (struct sel){l->sel, n};
}

/* Settles which of the n pairs hold; the selection of l->pairs names them. */
static kdk_status pairs_decide(struct join *join, struct join_local *l, uint32_t n, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = join->op.rel;

    TRY(pairs_batch(join, l, n, err));
    if (rel->join == JOIN_MARK) {
        struct vec *v;
        if (!l->condition) {
            for (uint32_t i = 0; i < n; i++)
                bit_set(l->matched, l->places[i]);
            goto out;
        }
        TRY(eval_run(l->condition, &l->pairs, &v, err));
        for (uint32_t i = 0; i < n; i++) {
            if (!vec_valid(v, i))
                bit_set(l->unknown, l->places[i]);
            else if (vec_get(v, i).i)
                bit_set(l->matched, l->places[i]);
        }
        goto out;
    }
    if (l->conds)
        TRY(eval_conds_filter(l->conds, &l->pairs, err));
    for (uint32_t k = 0; k < l->pairs.sel.count; k++) {
        uint32_t i = SEL_ROW(&l->pairs.sel, k);
        if (rel->join == JOIN_SINGLE && bit_get(l->matched, l->places[i]))
            TRY(err_set(err, KDK_CARDINALITY, "more than one row returned by a subquery used as an expression"));
        bit_set(l->matched, l->places[i]);
        if (rel->join == JOIN_FULL)
            l->rows[i][join->layout.extra_offset] = 1;
    }
out:
    return status;
}

/* The mark of every left row, once all pairs are seen. */
static void marks_make(struct join *join, struct join_local *l)
{
    bool by_key = join->hash && !join->condition;
    bool null_keys = atomic_load_explicit(&join->null_keys, memory_order_relaxed);
    bool empty = atomic_load_explicit(&join->seen, memory_order_relaxed) == 0;

    vec_reset(&l->mark, W_BIT);
    memcpy(l->mark.data, l->matched, bits_words(BATCH_ROWS) * 8);
    for (uint32_t k = 0; k < l->in->sel.count; k++) {
        uint32_t row = SEL_ROW(&l->in->sel, k);
        bool unknown = bit_get(l->unknown, row);
        if (bit_get(l->matched, row))
            continue;
        if (by_key ? !empty && (unknown || null_keys) : unknown && join->condition) {
            vec_validity_on(&l->mark, l->in->count);
            bit_clear(l->mark.validity, row);
        }
    }
}

/* Output columns of the pairs batch. */
static void pairs_project(struct join *join, struct join_local *l)
{
    for (uint32_t i = 0; i < join->op.schema.count; i++)
        for (uint32_t p = 0; p < join->pair.count; p++)
            if (join->pair.ids[p] == join->op.schema.ids[i]) {
                l->result.columns[i] = l->pairs.columns[p];
                l->result.columns[i].owned = false;
            }
    l->result.count = l->pairs.count;
    l->result.sel = l->pairs.sel;
}

/* FULL, at the end: right rows that nothing matched. */
static void drain(struct join *join, struct join_local *l)
{
    uint8_t *rows[BATCH_ROWS];
    uint32_t n, kept = 0;

    l->result.sel.count = 0;
    while (!kept && (n = rowset_next(&join->set, &l->drain_at, rows, BATCH_ROWS)))
        for (uint32_t i = 0; i < n; i++) {
            l->rows[kept] = rows[i];
            kept += !rows[i][join->layout.extra_offset];
        }
    if (!kept)
        return;
    for (uint32_t p = 0; p < join->pair.count; p++) {
        struct vec *v = &l->pairs.columns[p];
        *v = l->pair_room[p];
        if (join->pair_left[p] == UINT32_MAX) {
            rows_gather(&join->layout, join->pair_field[p], l->rows, kept, v);
        } else {
            vec_reset(v, ltype_width(v->type));
            memset(v->data, 0, v->width == W_BIT ? bits_words(BATCH_ROWS) * 8 : (size_t)vwidth_bytes(v->width) * kept);
            vec_validity_on(v, kept);
            memset(v->validity, 0, bits_words(kept) * 8);
        }
    }
    batch_all(&l->pairs, kept);
    pairs_project(join, l);
}

static kdk_status join_next(struct xop *op, struct xworker *worker, void *local, struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)op;
    struct join_local *l = local;
    enum join_kind kind = op->rel->join;
    bool first_only = kind == JOIN_SEMI || kind == JOIN_ANTI || kind == JOIN_MARK;

    for (;;) {
        if (l->draining) {
            drain(join, l);
            if (l->result.sel.count)
                *out = &l->result;
            goto out;
        }
        if (!l->in) {
            if (l->ended)
                goto out;
            TRY(xop_next(op->child, worker, &l->in, err));
            if (!l->in) {
                l->ended = true;
                l->draining = kind == JOIN_FULL;
                continue;
            }
            TRY(pairs_start(join, l, err));
        }
        while (!l->pairs_done) {
            uint32_t n;
            TRY(exec_interrupted(worker->exec, err));
            n = pairs_next(join, l, first_only);
            if (!n) {
                l->pairs_done = true;
                break;
            }
            TRY(pairs_decide(join, l, n, err));
            if (!first_only && l->pairs.sel.count) {
                pairs_project(join, l);
                *out = &l->result;
                goto out;
            }
        }
        switch (kind) {
        case JOIN_INNER:
            l->in = NULL;
            continue;
        case JOIN_LEFT:
        case JOIN_FULL:
        case JOIN_SINGLE:
        case JOIN_ANTI:
            left_rows(join, l, l->matched, false);
            break;
        case JOIN_SEMI:
            left_rows(join, l, l->matched, true);
            break;
        case JOIN_MARK:
            marks_make(join, l);
            left_rows(join, l, NULL, true);
            break;
        case JOIN_RIGHT:
            TRY(err_set(err, KDK_INTERNAL, "right joins are planned as left joins"));
        }
        l->in = NULL;
        if (l->result.sel.count) {
            *out = &l->result;
            goto out;
        }
    }
out:
    return status;
}

static const struct xop_ops hash_join_ops = {.name = "Hash Join", .local_new = join_local, .next = join_next};
static const struct xop_ops loop_join_ops = {.name = "Nested Loop", .local_new = join_local, .next = join_next};

/* ------------------------------------------------------------------ compile ---- */

kdk_status compile_join(struct exec *exec, struct rel *rel, const uint64_t *needed, struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join;
    struct xop *left;
    uint64_t *left_needed, *right_needed, *pair_needed;
    struct ltype *types;
    bool outer = exec->serial_now, right_serial;
    uint32_t n;

    TRY_ASSERT(rel->join != JOIN_RIGHT);
    TRY_MEM(join = ARENA_NEW(&exec->arena, struct join));
    join->exec = exec;
    join->hash = rel->phys.method == JM_HASH && rel->phys.equi_count > 0;
    join->key_count = join->hash ? rel->phys.equi_count : 0;
    for (uint32_t i = 0; i < join->key_count; i++)
        TRY_ASSERT(ltype_width(rel->phys.left_keys[i]->type) == ltype_width(rel->phys.right_keys[i]->type) &&
                   rel->phys.left_keys[i]->type.scale == rel->phys.right_keys[i]->type.scale);
    /* Which columns pairs need: those of the conditions, and what is wanted above. */
    TRY_MEM(pair_needed = colids_new(exec, needed));
    exprs_columns(rel->conds, rel->cond_count, pair_needed);
    TRY_MEM(left_needed = colids_new(exec, pair_needed));
    TRY_MEM(right_needed = colids_new(exec, pair_needed));
    exprs_columns(rel->phys.left_keys, join->key_count, left_needed);
    exprs_columns(rel->phys.right_keys, join->key_count, right_needed);

    exec->serial_now = false;
    TRY(compile(exec, rel->in[1], right_needed, &join->right, err));
    right_serial = exec->serial_now;
    exec->serial_now = outer;
    TRY_MEM(join->field_slots = ARENA_ARRAY(&exec->arena, uint32_t, join->key_count + join->right->schema.count + 1));
    TRY_MEM(types = ARENA_ARRAY(&exec->arena, struct ltype, join->key_count + join->right->schema.count + 1));
    for (uint32_t i = 0; i < join->key_count; i++)
        types[i] = rel->phys.right_keys[i]->type;
    n = join->key_count;
    for (uint32_t i = 0; i < join->right->schema.count; i++)
        if (bit_get(pair_needed, join->right->schema.ids[i])) {
            join->field_slots[n] = i;
            types[n++] = join->right->schema.types[i];
        }
    join->field_count = n;
    TRY(rowlayout_init(&join->layout, types, n, rel->join == JOIN_FULL ? 1 : 0, &exec->arena, err));
    join->layout.memory = &exec->memory;
    rowset_init(&join->set, &join->layout);
    join->build = (struct xsink){.consume = build_consume, .combine = build_combine, .finalize = build_finalize,
                                 .free = build_free};
    join->build.op = &join->op;
    xsink_register(exec, &join->build);
    TRY(pipeline_add(exec, join->right, &join->build, right_serial, err));

    TRY(compile(exec, rel->in[0], left_needed, &left, err));
    TRY(xschema_init(&join->pair, exec, left->schema.count + join->right->schema.count, err));
    TRY_MEM(join->pair_left = ARENA_ARRAY(&exec->arena, uint32_t, left->schema.count + join->right->schema.count + 1));
    TRY_MEM(join->pair_field = ARENA_ARRAY(&exec->arena, uint32_t, left->schema.count + join->right->schema.count + 1));
    for (uint32_t i = 0; i < left->schema.count; i++)
        if (bit_get(pair_needed, left->schema.ids[i])) {
            join->pair_left[join->pair.count] = i;
            xschema_add(&join->pair, left->schema.ids[i], left->schema.types[i]);
        }
    for (uint32_t f = join->key_count; f < join->field_count; f++) {
        join->pair_left[join->pair.count] = UINT32_MAX;
        join->pair_field[join->pair.count] = f;
        xschema_add(&join->pair, join->right->schema.ids[join->field_slots[f]], types[f]);
    }
    bool left_only = rel->join == JOIN_SEMI || rel->join == JOIN_ANTI || rel->join == JOIN_MARK;
    TRY(xschema_init(&join->op.schema, exec, join->pair.count + 1, err));
    for (uint32_t p = 0; p < join->pair.count; p++)
        if (bit_get(needed, join->pair.ids[p]) && !(left_only && join->pair_left[p] == UINT32_MAX))
            xschema_add(&join->op.schema, join->pair.ids[p], join->pair.types[p]);
    if (rel->join == JOIN_MARK) {
        xschema_add(&join->op.schema, rel->mark, LTYPE(BOOLEAN));
        if (rel->cond_count == 1) {
            join->condition = rel->conds[0];
        } else if (rel->cond_count) {
            TRY_MEM(join->condition = ARENA_NEW(&exec->arena, struct expr));
            *join->condition = (struct expr){.kind = EX_AND, .type = LTYPE(BOOLEAN), .arg_count = rel->cond_count,
                                             .args = rel->conds};
            for (uint32_t i = 0; i < rel->cond_count; i++)
                join->condition->can_fail |= rel->conds[i]->can_fail;
        }
    }
    if (rel->join == JOIN_FULL)
        exec->serial_now = true;
    xop_register(exec, &join->op, join->hash ? &hash_join_ops : &loop_join_ops, rel, left);
    *out = &join->op;
out:
    return status;
}
