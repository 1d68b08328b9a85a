/* join.c - joins: hash and nested loop, of every kind, over one way of making pairs.
 *
 * The right side is built into a rowset (its keys first, then the columns that are wanted),
 * for hash joins with a directory above: a slot holds the address of the first row of a
 * chain in 48 bits and, in the upper 16, a small Bloom filter of the hashes in the chain,
 * so that most misses touch one word. The left side streams: for a batch of it, pairs (left
 * row, right row) are made up to a batch at a time; what is left of the conditions is
 * evaluated on them, and the kind of join decides what becomes of pairs, matched and
 * unmatched rows.
 *
 * A key that is NULL matches nothing (unless the key is null-safe): such right rows are not
 * built, but for FULL, which must show them.
 *
 * Built left  A SEMI or ANTI join may build its left side instead: then the right side
 *             streams and leaves a flag on the left rows that it
 *       matches, and the join is the source of those with, or without it. Below, "built"
 *       and "streamed" are the sides as they are used.
 *
 * MARK  The mark of a left row is true if some pair's conditions are true, else NULL if
 *       some pair's are NULL, else false. Keys of a hash join decide which pairs there are;
 *       with a single key and no conditions the key itself is the comparison: a NULL on
 *       either side, against a non-empty other side, is a NULL.
 */
#include "exec/exec_int.h"

#include <stdatomic.h>

#include "exec/keyfilter.h"

struct join {
    struct xop op;
    struct xsink build;
    struct exec *exec;
    struct xop *built, *streamed;
    bool hash;
    bool flags; /* built left */
    uint32_t key_count;
    struct expr **built_keys, **streamed_keys;
    struct keyfilter *filters; /* by key, for those that `filtered` names; NULL: none */
    bool *filtered;
    /* Built rows */
    struct rowlayout layout;
    uint32_t field_count;  /* keys, then columns */
    uint32_t *field_slots; /* slots of `built` for fields past the keys */
    struct rowset set;
    struct rowset sets[WORKERS_MAX];
    uint64_t *directory;
    uint64_t mask;
    _Atomic uint32_t null_keys; /* some built row had a NULL key and was left out */
    _Atomic uint64_t seen;      /* built rows, left out ones too */
    /* Pairs: streamed columns then built fields, as conditions and output see them */
    struct xschema pair;
    uint32_t *pair_left;  /* slot of the streamed batch for each pair slot, or UINT32_MAX */
    uint32_t *pair_field; /* field of the built row */
    struct expr *condition; /* MARK: all conditions, and-ed, three-valued; NULL: none */
    /* Build, for each worker */
    struct eval **build_keys[WORKERS_MAX];
    struct vec *scratch[WORKERS_MAX];
    const struct vec **columns[WORKERS_MAX];
    /* Built left */
    struct xsink flagging;
    struct join_local *flaggers[WORKERS_MAX];
    uint32_t *out_fields; /* by slot of the output */
    struct latch latch;   /* over `at` */
    struct rowset_at at;
};

struct join_local {
    struct batch *in; /* the streamed batch in work, or NULL */
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

static kdk_status build_consume(struct xsink *sink, struct xworker *worker,
                                struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    const struct rel *rel = join->op.rel;
    uint32_t w = worker->index;
    uint64_t hashes[BATCH_ROWS];
    uint16_t kept[BATCH_ROWS];
    struct sel sel = batch->sel;

    if (!join->scratch[w]) {
        struct eval_source source = xschema_source(&join->built->schema);
        rowset_init(&join->sets[w], &join->layout);
        TRY_MEM(join->build_keys[w] =
                    ARENA_ARRAY(&worker->arena, struct eval *, join->key_count + 1));
        for (uint32_t i = 0; i < join->key_count; i++)
            TRY(eval_new(join->built_keys[i], &source, &join->exec->env.eval,
                         &worker->arena, &join->build_keys[w][i], err));
        TRY_MEM(join->columns[w] =
                    ARENA_ARRAY(&worker->arena, const struct vec *, join->field_count + 1));
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
        if (!v->validity || (rel->phys.null_safe && rel->phys.null_safe[i]) ||
            rel->join == JOIN_FULL || (join->flags && rel->join == JOIN_ANTI))
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
    TRY(rowset_append(&join->sets[w], join->columns[w], &sel, batch->count,
                      join->key_count ? hashes : NULL, join->scratch[w], NULL, err));
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

/* Links the rows whose slot is in this part of the directory. */
static kdk_status build_link_part(void *context, struct xworker *worker, uint32_t part,
                                  uint32_t parts, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = context;
    struct rowset_at at = {0};
    const uint64_t slots = join->mask + 1, from = slots / parts * part,
                   end = part + 1 == parts ? slots : from + slots / parts;
    uint8_t *rows[256];
    uint32_t n;

    while ((n = rowset_next(&join->set, &at, rows, COUNT_OF(rows)))) {
        uint32_t own = 0;
        TRY(exec_interrupted(worker->exec, err));
        for (uint32_t i = 0; i < n; i++) {
            uint64_t slot = row_hash(rows[i]) & join->mask;
            __builtin_prefetch(&join->directory[slot], 1);
            rows[own] = rows[i];
            own += slot >= from && slot < end;
        }
        for (uint32_t i = 0; i < own; i++) {
            uint64_t hash = row_hash(rows[i]);
            uint64_t *slot = &join->directory[hash & join->mask];
            put_u64(rows[i] + ROW_LINK, *slot & POINTER_MASK);
            *slot = (*slot & ~POINTER_MASK) | tag_of(hash) | (uint64_t)(uintptr_t)rows[i];
        }
    }
out:
    return status;
}

static kdk_status build_finalize(struct xsink *sink, struct xworker *worker,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, build));
    uint64_t slots = 64, rows = join->set.row_count;

    if (!join->hash)
        goto out;
    for (uint32_t i = 0; join->filters && i < join->key_count; i++)
        if (join->filtered[i])
            TRY(keyfilter_make(&join->filters[i], &join->set, i, &worker->arena, err));
    while (slots < rows * 2)
        slots *= 2;
    TRY_MEM(join->directory = mem_zalloc(size_mul(slots, sizeof *join->directory)));
    join->mask = slots - 1;
    TRY(exec_parallel(join->exec, rows < PARALLEL_ROWS_MIN ? 1 : join->exec->worker_count,
                      build_link_part, join, err));
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
    for (uint32_t i = 0; join->filters && i < join->key_count; i++)
        keyfilter_deinit(&join->filters[i]);
}

/* -------------------------------------------------------------------- pairs ---- */

static kdk_status join_local(struct xop *op, struct xworker *worker, void **local,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)op;
    struct arena *arena = &worker->arena;
    const struct rel *rel = op->rel;
    struct eval_source streamed = xschema_source(&join->streamed->schema),
                       pair = xschema_source(&join->pair);
    struct eval_env *env = &worker->exec->env.eval;
    struct join_local *l;

    TRY_MEM(l = ARENA_NEW(arena, struct join_local));
    TRY_MEM(l->keys = ARENA_ARRAY(arena, struct eval *, join->key_count + 1));
    TRY_MEM(l->key_vecs = ARENA_ARRAY(arena, struct vec, join->key_count + 1));
    for (uint32_t i = 0; i < join->key_count; i++) {
        TRY(eval_new(join->streamed_keys[i], &streamed, env, arena, &l->keys[i], err));
        TRY(vec_init(&l->key_vecs[i], join->streamed_keys[i]->type, arena, err));
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
        vec_flatten(v, &in->sel, in->count, ltype_width(l->key_vecs[i].type),
                    &l->key_vecs[i]);
    }
    for (uint32_t k = 0; k < in->sel.count; k++) {
        uint32_t row = SEL_ROW(&in->sel, k);
        uint64_t hash = l->hashes[k], slot = join->directory[hash & join->mask];
        bool null = false;
        for (uint32_t i = 0; i < join->key_count; i++)
            null |= !vec_valid(&l->key_vecs[i], row) &&
                    !(rel->phys.null_safe && rel->phys.null_safe[i]);
        if (null) {
            if (!join->condition)
                /* MARK by its key alone. Where conditions decide, a NULL key has no
                 * pairs. */
                bit_set(l->unknown, row);
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

/* Built left: whether a built row has had a match. */
static _Atomic uint8_t *flag_of(const struct join *join, uint8_t *row)
{
    return (_Atomic uint8_t *)(row + join->layout.extra_offset);
}
static bool flagged(const struct join *join, uint8_t *row)
{
    return atomic_load_explicit(flag_of(join, row), memory_order_relaxed);
}

/* Makes up to BATCH_ROWS pairs that agree in the keys, in l->places and l->rows; 0 when
 * there are no more. */
static uint32_t pairs_next(struct join *join, struct join_local *l, bool first_match_only)
{
    const struct rel *rel = join->op.rel;
    uint32_t n = 0;

    if (!join->hash) {
        while (n < BATCH_ROWS && l->loop_k < l->in->sel.count) {
            if (l->loop_next == l->loop_count) {
                l->loop_count =
                    rowset_next(&join->set, &l->loop_at, l->loop_rows, BATCH_ROWS);
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
            uint8_t *next = i < round
                                ? (uint8_t *)(uintptr_t)get_u64(l->chain[i] + ROW_LINK)
                                : l->chain[i];
            if (!next || (first_match_only && bit_get(l->matched, l->active[i])))
                continue;
            l->active[left] = l->active[i];
            l->chain[left++] = next;
        }
        l->active_count = left;
        for (uint32_t i = 0; i < join->key_count && fresh; i++)
            fresh = rows_match(&join->layout, i, &l->key_vecs[i],
                               rel->phys.null_safe && rel->phys.null_safe[i], l->places + n,
                               l->rows + n, fresh);
        if (join->flags) { /* One match is enough. */
            uint32_t open = 0;
            for (uint32_t i = n; i < n + fresh; i++) {
                l->places[n + open] = l->places[i];
                l->rows[n + open] = l->rows[i];
                open += !flagged(join, l->rows[i]);
            }
            fresh = open;
        }
        n += fresh;
    }
    return n;
}

/* The pairs as a batch. */
static kdk_status pairs_batch(struct join *join, struct join_local *l, uint32_t n,
                              struct err *err)
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

/* All left rows (that are set in `keep`, or all selected if NULL) with the right columns
 * NULL, or with the mark. */
static void left_rows(struct join *join, struct join_local *l, const uint64_t *keep,
                      bool kept)
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
        if (join->op.schema.ids[i] == join->op.rel->mark &&
            join->op.rel->join == JOIN_MARK) {
            *v = l->mark;
        } else if (xschema_find(&join->op.child->schema, join->op.schema.ids[i], &slot)) {
            *v = l->in->columns[slot];
        } else {
            for (uint32_t p = 0; p < join->pair.count; p++)
                if (join->pair.ids[p] == join->op.schema.ids[i])
                    *v = l->pair_room[p];
            vec_reset(v, ltype_width(v->type));
            memset(v->data, 0,
                   v->width == W_BIT ? bits_words(BATCH_ROWS) * 8
                                     : (size_t)vwidth_bytes(v->width) * l->in->count);
            vec_validity_on(v, l->in->count);
            memset(v->validity, 0, bits_words(l->in->count) * 8);
        }
        v->owned = false;
    }
    out->count = l->in->count;
    out->sel = (struct sel){l->sel, n};
}

/* Settles which of the n pairs hold; the selection of l->pairs names them. */
static kdk_status pairs_decide(struct join *join, struct join_local *l, uint32_t n,
                               struct err *err)
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
            TRY(err_set(err, KDK_CARDINALITY,
                        "more than one row returned by a subquery used as an expression"));
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
            memset(v->data, 0,
                   v->width == W_BIT ? bits_words(BATCH_ROWS) * 8
                                     : (size_t)vwidth_bytes(v->width) * kept);
            vec_validity_on(v, kept);
            memset(v->validity, 0, bits_words(kept) * 8);
        }
    }
    batch_all(&l->pairs, kept);
    pairs_project(join, l);
}

static kdk_status join_next(struct xop *op, struct xworker *worker, void *local,
                            struct batch **out, struct err *err)
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

/* --------------------------------------------------------------- built left ---- */

static kdk_status flagging_consume(struct xsink *sink, struct xworker *worker,
                                   struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)((char *)sink - offsetof(struct join, flagging));
    struct join_local *l;
    void *made;
    uint32_t n;

    if (!join->flaggers[worker->index]) {
        TRY(join_local(&join->op, worker, &made, err));
        join->flaggers[worker->index] = made;
    }
    l = join->flaggers[worker->index];
    l->in = batch;
    TRY(pairs_start(join, l, err));
    while ((n = pairs_next(join, l, false))) {
        TRY(exec_interrupted(worker->exec, err));
        if (!l->conds) {
            for (uint32_t i = 0; i < n; i++)
                atomic_store_explicit(flag_of(join, l->rows[i]), 1, memory_order_relaxed);
            continue;
        }
        TRY(pairs_batch(join, l, n, err));
        TRY(eval_conds_filter(l->conds, &l->pairs, err));
        for (uint32_t k = 0; k < l->pairs.sel.count; k++)
            atomic_store_explicit(flag_of(join, l->rows[SEL_ROW(&l->pairs.sel, k)]), 1,
                                  memory_order_relaxed);
    }
out:
    return status;
}

static kdk_status flagging_end(struct xsink *sink, struct xworker *worker, struct err *err)
{
    (void)sink;
    (void)worker;
    (void)err;
    return KDK_OK;
}

static kdk_status flagged_local(struct xop *op, struct xworker *worker, void **local,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch *batch;
    TRY_MEM(batch = ARENA_NEW(&worker->arena, struct batch));
    TRY(batch_init(batch, op->schema.types, op->schema.count, &worker->arena, err));
    *local = batch;
out:
    return status;
}

static kdk_status flagged_next(struct xop *op, struct xworker *worker, void *local,
                               struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join = (struct join *)op;
    struct batch *batch = local;
    uint8_t *rows[BATCH_ROWS];
    uint32_t n, kept = 0;

    do {
        TRY(exec_interrupted(worker->exec, err));
        latch_acquire(&join->latch);
        n = rowset_next(&join->set, &join->at, rows, BATCH_ROWS);
        latch_release(&join->latch);
        for (uint32_t i = 0; i < n; i++) {
            rows[kept] = rows[i];
            kept += flagged(join, rows[i]) == (op->rel->join == JOIN_SEMI);
        }
    } while (n && !kept);
    if (!kept)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++)
        rows_gather(&join->layout, join->out_fields[i], rows, kept, &batch->columns[i]);
    batch_all(batch, kept);
    *out = batch;
out:
    return status;
}

static const struct xop_ops flagged_ops = {
    .name = "Hash Join", .local_new = flagged_local, .next = flagged_next};

static const struct xop_ops hash_join_ops = {
    .name = "Hash Join", .local_new = join_local, .next = join_next};
static const struct xop_ops loop_join_ops = {
    .name = "Nested Loop", .local_new = join_local, .next = join_next};

/* ------------------------------------------------------------------ compile ---- */

/* Filters of the keys for the scans of the streamed side, which is not compiled yet. */
static kdk_status pass_keys(struct join *join, const struct rel *streamed, struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = join->exec;
    const struct rel *rel = join->op.rel;

    TRY_MEM(join->filters = ARENA_ARRAY(&exec->arena, struct keyfilter, join->key_count));
    TRY_MEM(join->filtered = ARENA_ARRAY(&exec->arena, bool, join->key_count));
    for (uint32_t i = 0; i < join->key_count; i++) {
        const struct expr *key = join->streamed_keys[i];
        join->filters[i].type = join->built_keys[i]->type;
        join->filters[i].null_safe = rel->phys.null_safe && rel->phys.null_safe[i];
        if (key->kind == EX_COLUMN && keyfilter_possible(key->type))
            TRY(keyfilter_push(exec, streamed, key->column, &join->filters[i],
                               &join->filtered[i], err));
    }
out:
    return status;
}

/* The built side: its rows' fields, and the pipeline that makes them. */
static kdk_status compile_built(struct join *join, struct rel *built,
                                const uint64_t *built_needed, const uint64_t *pair_needed,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = join->exec;
    struct ltype *types;
    bool outer = exec->serial_now, serial;
    uint32_t n = join->key_count;

    exec->serial_now = false;
    TRY(compile(exec, built, built_needed, &join->built, err));
    serial = exec->serial_now;
    exec->serial_now = outer;
    TRY_MEM(join->field_slots =
                ARENA_ARRAY(&exec->arena, uint32_t, n + join->built->schema.count + 1));
    TRY_MEM(types =
                ARENA_ARRAY(&exec->arena, struct ltype, n + join->built->schema.count + 1));
    for (uint32_t i = 0; i < n; i++)
        types[i] = join->built_keys[i]->type;
    for (uint32_t i = 0; i < join->built->schema.count; i++)
        if (bit_get(pair_needed, join->built->schema.ids[i])) {
            join->field_slots[n] = i;
            types[n++] = join->built->schema.types[i];
        }
    join->field_count = n;
    TRY(rowlayout_init(&join->layout, types, n,
                       join->op.rel->join == JOIN_FULL || join->flags ? 1 : 0, &exec->arena,
                       err));
    join->layout.memory = &exec->memory;
    rowset_init(&join->set, &join->layout);
    join->build = (struct xsink){.consume = build_consume,
                                 .combine = build_combine,
                                 .finalize = build_finalize,
                                 .free = build_free,
                                 .op = &join->op};
    xsink_register(exec, &join->build);
    TRY(pipeline_add(exec, join->built, &join->build, serial, err));
out:
    return status;
}

/* The streamed side, built left: a pipeline of its own, and what the operator hands on
 * afterwards. */
static kdk_status compile_flagging(struct join *join, const uint64_t *needed, bool serial,
                                   struct err *err)
{
    kdk_status status = KDK_OK;
    struct exec *exec = join->exec;

    latch_init(&join->latch, OS_RANK_LEAF);
    join->flagging = (struct xsink){.consume = flagging_consume,
                                    .combine = flagging_end,
                                    .finalize = flagging_end,
                                    .op = &join->op};
    xsink_register(exec, &join->flagging);
    TRY(pipeline_add(exec, join->streamed, &join->flagging, serial, err));
    TRY(xschema_init(&join->op.schema, exec, join->field_count, err));
    TRY_MEM(join->out_fields = ARENA_ARRAY(&exec->arena, uint32_t, join->field_count + 1));
    for (uint32_t f = join->key_count; f < join->field_count; f++) {
        colid id = join->built->schema.ids[join->field_slots[f]];
        if (!bit_get(needed, id))
            continue;
        join->out_fields[join->op.schema.count] = f;
        xschema_add(&join->op.schema, id, join->layout.types[f]);
    }
out:
    return status;
}

kdk_status compile_join(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct join *join;
    struct rel *built, *streamed;
    uint64_t *streamed_needed, *built_needed, *pair_needed;
    bool outer = exec->serial_now;

    TRY_ASSERT(rel->join != JOIN_RIGHT);
    TRY_MEM(join = ARENA_NEW(&exec->arena, struct join));
    join->exec = exec;
    join->op.rel = rel;
    join->hash = rel->phys.method == JM_HASH && rel->phys.equi_count > 0;
    join->flags = join->hash && rel->phys.build_left;
    TRY_ASSERT(!join->flags || rel->join == JOIN_SEMI || rel->join == JOIN_ANTI);
    join->key_count = join->hash ? rel->phys.equi_count : 0;
    built = rel->in[!join->flags];
    streamed = rel->in[join->flags];
    join->built_keys = join->flags ? rel->phys.left_keys : rel->phys.right_keys;
    join->streamed_keys = join->flags ? rel->phys.right_keys : rel->phys.left_keys;
    for (uint32_t i = 0; i < join->key_count; i++)
        TRY_ASSERT(ltype_width(rel->phys.left_keys[i]->type) ==
                       ltype_width(rel->phys.right_keys[i]->type) &&
                   rel->phys.left_keys[i]->type.scale ==
                       rel->phys.right_keys[i]->type.scale);
    /* Which columns pairs need: those of the conditions, and what is wanted above. */
    TRY_MEM(pair_needed = colids_new(exec, needed));
    exprs_columns(rel->conds, rel->cond_count, pair_needed);
    TRY_MEM(streamed_needed = colids_new(exec, pair_needed));
    TRY_MEM(built_needed = colids_new(exec, pair_needed));
    exprs_columns(join->streamed_keys, join->key_count, streamed_needed);
    exprs_columns(join->built_keys, join->key_count, built_needed);

    TRY(compile_built(join, built, built_needed, pair_needed, err));
    if (join->hash && rel->phys.pass_keys)
        TRY(pass_keys(join, streamed, err));
    if (join->flags)
        exec->serial_now = false;
    TRY(compile(exec, streamed, streamed_needed, &join->streamed, err));
    bool streamed_serial = exec->serial_now;
    if (join->flags)
        exec->serial_now = outer;
    TRY(xschema_init(&join->pair, exec,
                     join->streamed->schema.count + join->built->schema.count, err));
    TRY_MEM(join->pair_left =
                ARENA_ARRAY(&exec->arena, uint32_t,
                            join->streamed->schema.count + join->built->schema.count + 1));
    TRY_MEM(join->pair_field =
                ARENA_ARRAY(&exec->arena, uint32_t,
                            join->streamed->schema.count + join->built->schema.count + 1));
    for (uint32_t i = 0; i < join->streamed->schema.count; i++)
        if (bit_get(pair_needed, join->streamed->schema.ids[i])) {
            join->pair_left[join->pair.count] = i;
            xschema_add(&join->pair, join->streamed->schema.ids[i],
                        join->streamed->schema.types[i]);
        }
    for (uint32_t f = join->key_count; f < join->field_count; f++) {
        join->pair_left[join->pair.count] = UINT32_MAX;
        join->pair_field[join->pair.count] = f;
        xschema_add(&join->pair, join->built->schema.ids[join->field_slots[f]],
                    join->layout.types[f]);
    }
    if (join->flags) {
        TRY(compile_flagging(join, needed, streamed_serial, err));
        xop_register(exec, &join->op, &flagged_ops, rel, NULL);
        *out = &join->op;
        goto out;
    }
    bool left_only =
        rel->join == JOIN_SEMI || rel->join == JOIN_ANTI || rel->join == JOIN_MARK;
    TRY(xschema_init(&join->op.schema, exec, join->pair.count + 1, err));
    for (uint32_t p = 0; p < join->pair.count; p++)
        if (bit_get(needed, join->pair.ids[p]) &&
            !(left_only && join->pair_left[p] == UINT32_MAX))
            xschema_add(&join->op.schema, join->pair.ids[p], join->pair.types[p]);
    if (rel->join == JOIN_MARK) {
        xschema_add(&join->op.schema, rel->mark, LTYPE(BOOLEAN));
        if (rel->cond_count == 1) {
            join->condition = rel->conds[0];
        } else if (rel->cond_count) {
            TRY_MEM(join->condition = ARENA_NEW(&exec->arena, struct expr));
            *join->condition = (struct expr){.kind = EX_AND,
                                             .type = LTYPE(BOOLEAN),
                                             .arg_count = rel->cond_count,
                                             .args = rel->conds};
            for (uint32_t i = 0; i < rel->cond_count; i++)
                join->condition->can_fail |= rel->conds[i]->can_fail;
        }
    }
    if (rel->join == JOIN_FULL)
        exec->serial_now = true;
    xop_register(exec, &join->op, join->hash ? &hash_join_ops : &loop_join_ops, rel,
                 join->streamed);
    *out = &join->op;
out:
    return status;
}
