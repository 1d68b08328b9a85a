/* group.c - what finds equal rows: GROUP BY, aggregates, DISTINCT, UNION, INTERSECT,
 * EXCEPT.
 *
 * The extra bytes of a group's row are the aggregate states. Each worker fills a table of
 * its own; at the end they become one: the rows stay where they are, and are linked into
 * one directory by all workers, each in its part of it.
 */
#include "exec/agg.h"
#include "exec/exec_int.h"
#include "exec/groups.h"

#include <stdatomic.h>

#include "catalog/fn.h"

#define ROW_DEAD 1ull /* In place of a link: the row's group is another row's. */

/* ---------------------------------------------------------------- aggregate ---- */

/* One aggregate call. */
struct call {
    const struct relagg *rel;
    struct agg agg;
    size_t offset; /* of its state in the row */
    /* ORDER BY inside the call: rows are kept until the end. */
    struct rowlayout order_layout;
    struct rowset ordered;
    struct rowkey *order_keys;
};

struct aggregate {
    struct xop op; /* the source of the result */
    struct xsink sink;
    struct exec *exec;
    struct xop *input;
    uint32_t key_count, call_count;
    struct expr **keys;
    struct call *calls;
    struct rowlayout layout;
    struct groups groups;
    bool merged;   /* groups holds somebody's */
    bool relinked; /* ... and others', so that there may be dead rows */
    struct aggregate_local *locals[WORKERS_MAX];
    uint32_t *key_fields;
    uint32_t *call_of; /* call for each output slot, or UINT32_MAX: key_of */
    uint32_t *key_of;
    struct latch latch;
    struct rowset_at at;
};

/* Groups by small numbers: when every key of a batch is a dictionary's code or a byte, and
 * there are few combinations of them, a table of all combinations takes the place of
 * hashing. A slot is NULL until its group is found the other way. */
enum { CODE_KEYS_MAX = 4, CODE_SLOTS_MAX = 1 << 14, SHARES_MAX = 8 };
struct code_map {
    uint8_t **slots; /* CODE_SLOTS_MAX, or NULL: not needed yet */
    /* As long as there are at most SHARES_MAX groups, a batch is dealt out to them: their
     * sums then run over one state each. */
    uint8_t *share_of; /* by slot: its group's number */
    uint8_t *groups[SHARES_MAX];
    uint32_t group_count; /* above SHARES_MAX: too many */
    struct code_key {
        uint64_t dict; /* 0: bytes */
        uint32_t room; /* NULL is 0, others start from 1 */
    } keys[CODE_KEYS_MAX];
};

struct aggregate_local {
    struct groups groups;
    struct code_map codes;
    uint32_t share_count;          /* of the batch at hand; 0: it is not dealt out */
    struct sel shares[SHARES_MAX]; /* by group number of `codes` */
    uint16_t *share_rows;
    struct eval **keys;
    struct vec **key_vecs;
    struct eval ***args; /* by call */
    struct eval **filters;
    struct eval ***order;
    struct groups *seen; /* DISTINCT: (group, arguments) */
    struct rowlayout *seen_layouts;
    struct vec group_ids;
    struct batch narrowed;
    struct vec *order_scratch;
};

static kdk_status aggregate_local_new(struct aggregate *agg, struct xworker *worker,
                                      struct aggregate_local **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena *arena = &worker->arena;
    struct eval_source source = xschema_source(&agg->input->schema);
    struct eval_env *env = &worker->exec->env.eval;
    struct aggregate_local *l;

    TRY_MEM(l = ARENA_NEW(arena, struct aggregate_local));
    *out = l; /* Freed with the sink whatever happens below. */
    TRY(groups_init(&l->groups, &agg->layout, agg->key_count, arena, err));
    TRY_MEM(l->keys = ARENA_ARRAY(arena, struct eval *, agg->key_count + 1));
    TRY_MEM(l->key_vecs = ARENA_ARRAY(arena, struct vec *, agg->key_count + 1));
    for (uint32_t i = 0; i < agg->key_count; i++)
        TRY(eval_new(agg->keys[i], &source, env, arena, &l->keys[i], err));
    TRY_MEM(l->args = ARENA_ARRAY(arena, struct eval **, agg->call_count + 1));
    TRY_MEM(l->filters = ARENA_ARRAY(arena, struct eval *, agg->call_count + 1));
    TRY_MEM(l->order = ARENA_ARRAY(arena, struct eval **, agg->call_count + 1));
    TRY_MEM(l->seen = ARENA_ARRAY(arena, struct groups, agg->call_count + 1));
    TRY_MEM(l->seen_layouts = ARENA_ARRAY(arena, struct rowlayout, agg->call_count + 1));
    for (uint32_t i = 0; i < agg->call_count; i++) {
        const struct relagg *call = agg->calls[i].rel;
        TRY_MEM(l->args[i] = ARENA_ARRAY(arena, struct eval *, call->arg_count + 1));
        for (uint32_t a = 0; a < call->arg_count; a++)
            TRY(eval_new(call->args[a], &source, env, arena, &l->args[i][a], err));
        if (call->filter)
            TRY(eval_new(call->filter, &source, env, arena, &l->filters[i], err));
        TRY_MEM(l->order[i] = ARENA_ARRAY(arena, struct eval *, call->order_count + 1));
        for (uint32_t o = 0; o < call->order_count; o++)
            TRY(eval_new(call->order[o].expr, &source, env, arena, &l->order[i][o], err));
        if (call->distinct) {
            struct ltype types[AGG_ARGS_MAX + 1] = {LTYPE(BIGINT)};
            for (uint32_t a = 0; a < call->arg_count; a++)
                types[a + 1] = call->args[a]->type;
            TRY(rowlayout_init(&l->seen_layouts[i], types, call->arg_count + 1, 0, arena,
                               err));
            l->seen_layouts[i].memory = &agg->exec->memory;
            TRY(groups_init(&l->seen[i], &l->seen_layouts[i], call->arg_count + 1, arena,
                            err));
        }
    }
    TRY(vec_init(&l->group_ids, LTYPE(BIGINT), arena, err));
    TRY(batch_shell(&l->narrowed, 0, arena, err));
out:
    return status;
}

/* The greatest code of the selected rows. */
static uint32_t code_max(const int32_t *codes, const struct sel *sel)
{
    int32_t max = 0;
    for (uint32_t k = 0; k < sel->count; k++)
        max = MAX(max, codes[SEL_ROW(sel, k)]);
    return (uint32_t)max;
}

/* The rows of each group by themselves, in their order. */
static void deal_out(struct aggregate_local *l, const uint32_t *slots,
                     const struct sel *sel)
{
    uint32_t ends[SHARES_MAX] = {0}, from = 0;

    l->share_count = l->codes.group_count;
    for (uint32_t k = 0; k < sel->count; k++)
        ends[l->codes.share_of[slots[k]]]++;
    for (uint32_t i = 0; i < l->share_count; i++) {
        l->shares[i] = (struct sel){l->share_rows + from, ends[i]};
        from += ends[i];
        ends[i] = from - ends[i];
    }
    for (uint32_t k = 0; k < sel->count; k++)
        l->share_rows[ends[l->codes.share_of[slots[k]]]++] = (uint16_t)SEL_ROW(sel, k);
}

/* As groups_find(), if the keys are of that kind; *done tells. */
static kdk_status codes_find(struct aggregate *agg, struct aggregate_local *l,
                             struct xworker *worker, const struct sel *sel, uint32_t count,
                             uint8_t **found, bool *done, struct err *err)
{
    kdk_status status = KDK_OK;
    struct code_map *map = &l->codes;
    struct code_key now[CODE_KEYS_MAX];
    uint32_t at[BATCH_ROWS], slots = 1, missing = 0;
    uint16_t places[BATCH_ROWS], list[BATCH_ROWS];
    uint8_t *rows[BATCH_ROWS];
    bool changed = !map->slots;

    *done = false;
    if (agg->key_count > CODE_KEYS_MAX)
        goto out;
    for (uint32_t i = 0; i < agg->key_count; i++) {
        const struct vec *v = l->key_vecs[i];
        struct code_key *had = &map->keys[i];
        if (v->form == VF_DICT && v->dict_id) {
            uint32_t need = code_max(v->data, sel) + 2;
            now[i] = (struct code_key){
                v->dict_id, had->dict == v->dict_id ? MAX(need, had->room) : need};
        } else if (v->form == VF_FLAT && v->width == W_8) {
            now[i] = (struct code_key){0, UINT8_MAX + 2};
        } else {
            goto out;
        }
        if (now[i].room > CODE_SLOTS_MAX / slots)
            goto out;
        slots *= now[i].room;
        changed |= now[i].dict != had->dict || now[i].room != had->room;
    }
    if (!map->slots) {
        TRY_MEM(l->share_rows = ARENA_ARRAY(&worker->arena, uint16_t, BATCH_ROWS));
        TRY_MEM(map->share_of = ARENA_ARRAY(&worker->arena, uint8_t, CODE_SLOTS_MAX));
        TRY_MEM(map->slots = ARENA_ARRAY(&worker->arena, uint8_t *, CODE_SLOTS_MAX));
    }
    if (changed) {
        memcpy(map->keys, now, agg->key_count * sizeof *now);
        memset(map->slots, 0, slots * sizeof *map->slots);
        map->group_count = 0;
    }
    memset(at, 0, sel->count * sizeof *at);
    for (uint32_t i = 0; i < agg->key_count; i++) {
        const struct vec *v = l->key_vecs[i];
        const int32_t *codes = v->form == VF_DICT ? v->data : NULL;
        const int8_t *bytes = v->data;
        const uint32_t room = now[i].room;
        if (codes && !v->validity)
            for (uint32_t k = 0; k < sel->count; k++)
                at[k] = at[k] * room + (uint32_t)codes[SEL_ROW(sel, k)] + 1;
        else
            for (uint32_t k = 0; k < sel->count; k++) {
                uint32_t row = SEL_ROW(sel, k),
                         code = codes ? (uint32_t)codes[row]
                                      : (uint32_t)(bytes[row] - INT8_MIN);
                at[k] = at[k] * room + (vec_valid(v, row) ? code + 1 : 0);
            }
    }
    for (uint32_t k = 0; k < sel->count; k++) {
        found[k] = map->slots[at[k]];
        list[missing] = (uint16_t)k;
        missing += !found[k];
    }
    if (missing) {
        for (uint32_t i = 0; i < missing; i++)
            places[i] = (uint16_t)SEL_ROW(sel, list[i]);
        TRY(groups_find(&l->groups, l->key_vecs, &(struct sel){places, missing}, count,
                        rows, NULL, err));
        for (uint32_t i = 0; i < missing; i++) {
            uint32_t slot = at[list[i]];
            found[list[i]] = rows[i];
            if (map->slots[slot])
                continue;
            map->slots[slot] = rows[i];
            map->share_of[slot] = (uint8_t)MIN(map->group_count, SHARES_MAX);
            if (map->group_count < SHARES_MAX)
                map->groups[map->group_count] = rows[i];
            map->group_count = MIN(map->group_count + 1, SHARES_MAX + 1u);
        }
    }
    if (map->group_count <= SHARES_MAX)
        deal_out(l, at, sel);
    *done = true;
out:
    return status;
}

/* Hands the rows of one batch to one call. */
static kdk_status call_update(struct aggregate *agg, struct aggregate_local *l,
                              struct xworker *worker, uint32_t c, struct batch *batch,
                              uint8_t **rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct call *call = &agg->calls[c];
    struct vec *args[AGG_ARGS_MAX + 1] = {NULL};
    struct batch narrowed = *batch;
    uint8_t *group_of[BATCH_ROWS]; /* by row number */
    uint8_t *kept[BATCH_ROWS];
    uint8_t **groups = rows;

    if (call->rel->filter || call->rel->distinct) {
        for (uint32_t k = 0; k < batch->sel.count; k++)
            group_of[SEL_ROW(&batch->sel, k)] = rows[k];
        narrowed.sel_room = l->narrowed.sel_room;
        if (call->rel->filter)
            TRY(eval_filter(l->filters[c], &narrowed, err));
        if (!narrowed.sel.count)
            goto out;
    }
    for (uint32_t a = 0; a < call->rel->arg_count; a++)
        TRY(eval_run(l->args[c][a], &narrowed, &args[a], err));
    if (call->rel->distinct) {
        struct vec *keys[AGG_ARGS_MAX + 1];
        bool fresh[BATCH_ROWS];
        uint32_t n = 0;
        vec_reset(&l->group_ids, W_64);
        for (uint32_t k = 0; k < narrowed.sel.count; k++) {
            uint32_t row = SEL_ROW(&narrowed.sel, k);
            ((int64_t *)l->group_ids.data)[row] = (int64_t)(uintptr_t)group_of[row];
        }
        keys[0] = &l->group_ids;
        for (uint32_t a = 0; a < call->rel->arg_count; a++)
            keys[a + 1] = args[a];
        TRY(groups_find(&l->seen[c], keys, &narrowed.sel, narrowed.count, kept, fresh,
                        err));
        for (uint32_t k = 0; k < narrowed.sel.count; k++) {
            uint16_t row = (uint16_t)SEL_ROW(&narrowed.sel, k);
            narrowed.sel_room[n] = row;
            n += fresh[k];
        }
        narrowed.sel = (struct sel){narrowed.sel_room, n};
        if (!n)
            goto out;
    }
    if (groups == rows && (call->rel->filter || call->rel->distinct)) {
        for (uint32_t k = 0; k < narrowed.sel.count; k++)
            kept[k] = group_of[SEL_ROW(&narrowed.sel, k)];
        groups = kept;
    }
    if (call->rel->order_count) {
        const struct vec *fields[AGG_ARGS_MAX + 1 + 32];
        uint32_t n = 0;
        vec_reset(&l->group_ids, W_64);
        for (uint32_t k = 0; k < narrowed.sel.count; k++)
            ((int64_t *)l->group_ids.data)[SEL_ROW(&narrowed.sel, k)] =
                (int64_t)(uintptr_t)groups[k];
        fields[n++] = &l->group_ids;
        for (uint32_t a = 0; a < call->rel->arg_count; a++)
            fields[n++] = args[a];
        for (uint32_t o = 0; o < call->rel->order_count; o++) {
            struct vec *v;
            TRY(eval_run(l->order[c][o], &narrowed, &v, err));
            fields[n++] = v;
        }
        if (!l->order_scratch)
            TRY_MEM(l->order_scratch =
                        ARENA_ARRAY(&worker->arena, struct vec, agg->call_count * 64));
        struct vec *scratch = l->order_scratch + (size_t)c * 64;
        for (uint32_t i = 0; i < n && !scratch[i].room; i++)
            TRY(vec_init(&scratch[i], call->order_layout.types[i], &worker->arena, err));
        TRY(rowset_append(&call->ordered, fields, &narrowed.sel, narrowed.count, NULL,
                          scratch, NULL, err));
        goto out;
    }
    if (!agg->key_count) {
        TRY(agg_update(&call->agg, groups[0] + call->offset, args, &narrowed.sel,
                       &worker->arena, err));
    } else if (l->share_count && groups == rows) {
        for (uint32_t i = 0; i < l->share_count; i++)
            if (l->shares[i].count)
                TRY(agg_update(&call->agg, l->codes.groups[i] + call->offset, args,
                               &l->shares[i], &worker->arena, err));
    } else {
        TRY(agg_update_groups(&call->agg, (void *const *)groups, call->offset, args,
                              &narrowed.sel, &worker->arena, err));
    }
out:
    return status;
}

static kdk_status aggregate_consume(struct xsink *sink, struct xworker *worker,
                                    struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct aggregate *agg =
        (struct aggregate *)((char *)sink - offsetof(struct aggregate, sink));
    uint8_t *rows[BATCH_ROWS];
    struct aggregate_local *l;

    if (!agg->locals[worker->index])
        TRY(aggregate_local_new(agg, worker, &agg->locals[worker->index], err));
    l = agg->locals[worker->index];
    for (uint32_t i = 0; i < agg->key_count; i++)
        TRY(eval_run(l->keys[i], batch, &l->key_vecs[i], err));
    l->share_count = 0;
    if (agg->key_count) {
        bool done;
        TRY(codes_find(agg, l, worker, &batch->sel, batch->count, rows, &done, err));
        if (!done)
            TRY(groups_find(&l->groups, l->key_vecs, &batch->sel, batch->count, rows, NULL,
                            err));
    } else {
        uint16_t first = (uint16_t)SEL_ROW(&batch->sel, 0);
        struct sel one = {&first, 1};
        TRY(groups_find(&l->groups, l->key_vecs, &one, batch->count, rows, NULL, err));
        for (uint32_t k = 1; k < batch->sel.count; k++)
            rows[k] = rows[0];
    }
    for (uint32_t c = 0; c < agg->call_count; c++)
        TRY(call_update(agg, l, worker, c, batch, rows, err));
out:
    return status;
}

static kdk_status aggregate_combine(struct xsink *sink, struct xworker *worker,
                                    struct err *err)
{
    (void)sink;
    (void)worker;
    (void)err;
    return KDK_OK;
}

/* One part of all groups: those whose slot of the directory is in this part of it. Rows of
 * other parts are passed by; of theirs, only the hash is looked at. */
static kdk_status aggregate_merge_part(void *context, struct xworker *worker, uint32_t part,
                                       uint32_t parts, struct err *err)
{
    kdk_status status = KDK_OK;
    struct aggregate *agg = context;
    struct groups *g = &agg->groups;
    struct rowset_at at = {0};
    const uint64_t slots = g->mask + 1, from = slots / parts * part,
                   end = part + 1 == parts ? slots : from + slots / parts;
    uint8_t *rows[256];
    uint32_t n;

    while ((n = rowset_next(&g->set, &at, rows, COUNT_OF(rows)))) {
        uint32_t own = 0;
        TRY(exec_interrupted(worker->exec, err));
        for (uint32_t i = 0; i < n; i++) {
            uint64_t slot = row_hash(rows[i]) & g->mask;
            __builtin_prefetch(&g->directory[slot]);
            rows[own] = rows[i];
            own += slot >= from && slot < end;
        }
        for (uint32_t i = 0; i < own; i++) {
            uint8_t *peer = groups_peer(g, rows[i]);
            if (!peer) {
                groups_link(g, rows[i]);
                continue;
            }
            for (uint32_t c = 0; c < agg->call_count; c++)
                TRY(agg_combine(&agg->calls[c].agg, peer + agg->calls[c].offset,
                                rows[i] + agg->calls[c].offset, &worker->arena, err));
            put_u64(rows[i] + ROW_LINK, ROW_DEAD);
        }
    }
out:
    return status;
}

/* The workers' groups become one table: their rows stay where they are, and are linked
 * anew; of two with one key one takes the other's states, which is dead from then on. */
static kdk_status aggregate_merge(struct aggregate *agg, struct err *err)
{
    kdk_status status = KDK_OK;
    struct groups *g = &agg->groups;
    uint64_t rows = 0, slots = 64, *directory;

    for (uint32_t w = 0; w < agg->exec->worker_count; w++) {
        struct aggregate_local *l = agg->locals[w];
        if (!l || !l->groups.layout)
            continue;
        rows += l->groups.set.row_count;
        if (!agg->merged) {
            *g = l->groups;
            memset(&l->groups, 0, sizeof l->groups);
            agg->merged = true;
        } else {
            rowset_move(&g->set, &l->groups.set);
            agg->relinked = true;
        }
    }
    if (!agg->relinked)
        goto out;
    while (slots < rows)
        slots *= 2;
    TRY_MEM(directory = mem_zalloc(size_mul(slots, sizeof *directory)));
    mem_free(g->directory);
    g->directory = directory;
    g->mask = slots - 1;
    TRY(exec_parallel(agg->exec, rows < PARALLEL_ROWS_MIN ? 1 : agg->exec->worker_count,
                      aggregate_merge_part, agg, err));
out:
    return status;
}

static kdk_status aggregate_finalize(struct xsink *sink, struct xworker *worker,
                                     struct err *err)
{
    kdk_status status = KDK_OK;
    struct aggregate *agg =
        (struct aggregate *)((char *)sink - offsetof(struct aggregate, sink));

    TRY(aggregate_merge(agg, err));
    if (!agg->merged) {
        TRY(groups_init(&agg->groups, &agg->layout, agg->key_count, &worker->arena, err));
        agg->merged = true;
        if (!agg->key_count) { /* Without GROUP BY there is one row, whatever comes in. */
            struct sel one = {NULL, 1};
            uint8_t *row;
            TRY(groups_find(&agg->groups, NULL, &one, 1, &row, NULL, err));
        }
    }
    for (uint32_t c = 0; c < agg->call_count; c++) {
        struct call *call = &agg->calls[c];
        uint8_t **order;
        uint64_t count;
        if (!call->rel->order_count)
            continue;
        TRY(rowset_sort(&call->ordered, call->order_keys, call->rel->order_count,
                        &worker->arena, &order, &count, err));
        for (uint64_t i = 0; i < count; i++) {
            struct datum args[AGG_ARGS_MAX];
            uint8_t *group =
                (uint8_t *)(uintptr_t)row_get(&call->order_layout, order[i], 0).i;
            for (uint32_t a = 0; a < call->rel->arg_count; a++)
                args[a] = row_get(&call->order_layout, order[i], a + 1);
            TRY(agg_update_row(&call->agg, group + call->offset, args, &worker->arena,
                               err));
        }
    }
out:
    return status;
}

static void aggregate_sink_free(struct xsink *sink)
{
    struct aggregate *agg =
        (struct aggregate *)((char *)sink - offsetof(struct aggregate, sink));
    for (uint32_t w = 0; w < WORKERS_MAX; w++)
        if (agg->locals[w]) {
            groups_deinit(&agg->locals[w]->groups);
            for (uint32_t c = 0; c < agg->call_count && agg->locals[w]->seen; c++)
                groups_deinit(&agg->locals[w]->seen[c]);
        }
    for (uint32_t c = 0; c < agg->call_count; c++)
        if (agg->calls[c].ordered.layout)
            rowset_deinit(&agg->calls[c].ordered);
    groups_deinit(&agg->groups);
}

static kdk_status aggregate_source_local(struct xop *op, struct xworker *worker,
                                         void **local, struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch *batch;
    TRY_MEM(batch = ARENA_NEW(&worker->arena, struct batch));
    TRY(batch_init(batch, op->schema.types, op->schema.count, &worker->arena, err));
    *local = batch;
out:
    return status;
}

static kdk_status aggregate_next(struct xop *op, struct xworker *worker, void *local,
                                 struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct aggregate *agg = (struct aggregate *)op;
    struct batch *batch = local;
    uint8_t *rows[BATCH_ROWS];
    uint32_t n, live = 0;
    (void)worker;

    do {
        latch_acquire(&agg->latch);
        n = rowset_next(&agg->groups.set, &agg->at, rows, BATCH_ROWS);
        latch_release(&agg->latch);
        for (uint32_t i = 0; i < n && agg->relinked; i++) {
            rows[live] = rows[i];
            live += get_u64(rows[i] + ROW_LINK) != ROW_DEAD;
        }
    } while (agg->relinked && n && !live);
    n = agg->relinked ? live : n;
    if (!n)
        goto out;
    for (uint32_t i = 0; i < op->schema.count; i++) {
        struct vec *v = &batch->columns[i];
        if (agg->call_of[i] == UINT32_MAX) {
            rows_gather(&agg->layout, agg->key_of[i], rows, n, v);
            continue;
        }
        const struct call *call = &agg->calls[agg->call_of[i]];
        vec_reset(v, ltype_width(v->type));
        for (uint32_t k = 0; k < n; k++) {
            struct datum d;
            status = agg_finish(&call->agg, rows[k] + call->offset, &d, err);
            if (status != KDK_OK) {
                err_at(err, call->rel->offset);
                goto out;
            }
            if (d.null)
                vec_set_null(v, k, n);
            else
                vec_put(v, k, &d, n);
        }
    }
    batch_all(batch, n);
    *out = batch;
out:
    return status;
}

static const struct xop_ops aggregate_ops = {
    .name = "HashAggregate", .local_new = aggregate_source_local, .next = aggregate_next};

/* Of groups (expressions over the input) and calls, for GROUP BY and for DISTINCT. */
static kdk_status aggregate_compile(struct exec *exec, struct rel *rel,
                                    struct relcol *groups, uint32_t group_count,
                                    struct relagg *calls, uint32_t call_count,
                                    const uint64_t *needed, struct xop *input, bool serial,
                                    struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct aggregate *agg;
    struct ltype *types;
    uint32_t state = 0;

    TRY_MEM(agg = ARENA_NEW(&exec->arena, struct aggregate));
    agg->exec = exec;
    agg->input = input;
    latch_init(&agg->latch, OS_RANK_LEAF);
    agg->key_count = group_count;
    TRY_MEM(agg->keys = ARENA_ARRAY(&exec->arena, struct expr *, group_count + 1));
    TRY_MEM(types = ARENA_ARRAY(&exec->arena, struct ltype, group_count + 1));
    for (uint32_t i = 0; i < group_count; i++) {
        agg->keys[i] = groups[i].expr;
        types[i] = groups[i].type;
    }
    TRY_MEM(agg->calls = ARENA_ARRAY(&exec->arena, struct call, call_count + 1));
    for (uint32_t i = 0; i < call_count; i++) {
        struct call *call = &agg->calls[agg->call_count];
        struct ltype args[AGG_ARGS_MAX] = {{0}};
        if (calls[i].arg_count > AGG_ARGS_MAX || calls[i].order_count > 32)
            TRY(err_set(err, KDK_TOO_MANY_ARGUMENTS,
                        "too many arguments or sort keys in an aggregate call"));
        call->rel = &calls[i];
        for (uint32_t a = 0; a < calls[i].arg_count; a++)
            args[a] = calls[i].args[a]->type;
        TRY(agg_init(&call->agg, calls[i].fn, args, calls[i].arg_count, calls[i].type,
                     err));
        call->offset = state;
        state += (uint32_t)align_up(call->agg.state_bytes, AGG_STATE_ALIGN);
        if (calls[i].order_count) {
            struct ltype fields[AGG_ARGS_MAX + 1 + 32];
            uint32_t n = 0;
            fields[n++] = LTYPE(BIGINT);
            for (uint32_t a = 0; a < calls[i].arg_count; a++)
                fields[n++] = args[a];
            TRY_MEM(call->order_keys =
                        ARENA_ARRAY(&exec->arena, struct rowkey, calls[i].order_count));
            for (uint32_t o = 0; o < calls[i].order_count; o++) {
                call->order_keys[o] = (struct rowkey){n, calls[i].order[o].descending,
                                                      calls[i].order[o].nulls_first};
                fields[n++] = calls[i].order[o].expr->type;
            }
            TRY(rowlayout_init(&call->order_layout, fields, n, 0, &exec->arena, err));
            call->order_layout.memory = &exec->memory;
            rowset_init(&call->ordered, &call->order_layout);
        }
        serial |= calls[i].distinct || calls[i].order_count;
        agg->call_count++;
    }
    TRY(rowlayout_init(&agg->layout, types, group_count, state, &exec->arena, err));
    agg->layout.memory = &exec->memory;
    for (uint32_t i = 0; i < agg->call_count; i++)
        agg->calls[i].offset += agg->layout.extra_offset;
    agg->sink = (struct xsink){.consume = aggregate_consume,
                               .combine = aggregate_combine,
                               .finalize = aggregate_finalize,
                               .free = aggregate_sink_free};
    agg->sink.op = &agg->op;
    xsink_register(exec, &agg->sink);
    TRY(pipeline_add(exec, input, &agg->sink, serial, err));

    TRY(xschema_init(&agg->op.schema, exec, group_count + call_count, err));
    TRY_MEM(agg->call_of =
                ARENA_ARRAY(&exec->arena, uint32_t, group_count + call_count + 1));
    TRY_MEM(agg->key_of =
                ARENA_ARRAY(&exec->arena, uint32_t, group_count + call_count + 1));
    for (uint32_t i = 0; i < group_count; i++)
        if (bit_get(needed, groups[i].id)) {
            agg->call_of[agg->op.schema.count] = UINT32_MAX;
            agg->key_of[agg->op.schema.count] = i;
            xschema_add(&agg->op.schema, groups[i].id, groups[i].type);
        }
    for (uint32_t i = 0; i < agg->call_count; i++) {
        agg->call_of[agg->op.schema.count] = i;
        xschema_add(&agg->op.schema, agg->calls[i].rel->id, agg->calls[i].rel->type);
    }
    xop_register(exec, &agg->op, &aggregate_ops, rel, NULL);
    *out = &agg->op;
out:
    return status;
}

kdk_status compile_agg(struct exec *exec, struct rel *rel, const uint64_t *needed,
                       struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct xop *input;
    uint64_t *below;
    bool outer = exec->serial_now, serial;

    TRY_MEM(below = colids_new(exec, NULL));
    for (uint32_t i = 0; i < rel->col_count; i++)
        expr_columns(rel->cols[i].expr, below);
    for (uint32_t i = 0; i < rel->agg_count; i++) {
        exprs_columns(rel->aggs[i].args, rel->aggs[i].arg_count, below);
        expr_columns(rel->aggs[i].filter, below);
        for (uint32_t o = 0; o < rel->aggs[i].order_count; o++)
            expr_columns(rel->aggs[i].order[o].expr, below);
    }
    exec->serial_now = false;
    TRY(compile(exec, rel->in[0], below, &input, err));
    serial = exec->serial_now;
    exec->serial_now = outer;
    TRY(aggregate_compile(exec, rel, rel->cols, rel->col_count, rel->aggs, rel->agg_count,
                          needed, input, serial, out, err));
out:
    return status;
}

/* ----------------------------------------------------------------- distinct ---- */

/* DISTINCT ON: passes the first row of each key, in input order; or, with a limit, some of
 * each: then each group counts its rows. */
struct first_local {
    uint64_t limit, offset;
    bool counted;
    struct groups groups;
    struct rowlayout layout;
    struct eval **keys;
    struct vec **vecs;
};

static kdk_status first_local_new(struct xop *op, struct xworker *worker, void **local,
                                  struct err *err)
{
    kdk_status status = KDK_OK;
    const struct rel *rel = op->rel;
    struct eval_source source = xschema_source(&op->child->schema);
    struct first_local *l;
    struct ltype *types;

    TRY_MEM(l = ARENA_NEW(&worker->arena, struct first_local));
    *local = l;
    TRY_MEM(l->keys = ARENA_ARRAY(&worker->arena, struct eval *, rel->key_count));
    TRY_MEM(l->vecs = ARENA_ARRAY(&worker->arena, struct vec *, rel->key_count));
    TRY_MEM(types = ARENA_ARRAY(&worker->arena, struct ltype, rel->key_count));
    for (uint32_t i = 0; i < rel->key_count; i++) {
        TRY(eval_new(rel->keys[i].expr, &source, &worker->exec->env.eval, &worker->arena,
                     &l->keys[i], err));
        types[i] = rel->keys[i].expr->type;
    }
    l->counted = rel->limit || rel->count_offset;
    if (l->counted)
        TRY(limit_values(worker->exec, rel, NULL, &l->limit, &l->offset, err));
    TRY(rowlayout_init(&l->layout, types, rel->key_count, l->counted ? 8 : 0,
                       &worker->arena, err));
    l->layout.memory = &worker->exec->memory;
    TRY(groups_init(&l->groups, &l->layout, rel->key_count, &worker->arena, err));
out:
    return status;
}

static kdk_status first_next(struct xop *op, struct xworker *worker, void *local,
                             struct batch **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct first_local *l = local;
    struct batch *in;
    uint8_t *rows[BATCH_ROWS];
    bool fresh[BATCH_ROWS];

    for (;;) {
        uint32_t n = 0;
        TRY(xop_next(op->child, worker, &in, err));
        if (!in)
            goto out;
        for (uint32_t i = 0; i < op->rel->key_count; i++)
            TRY(eval_run(l->keys[i], in, &l->vecs[i], err));
        TRY(groups_find(&l->groups, l->vecs, &in->sel, in->count, rows, fresh, err));
        for (uint32_t k = 0; k < in->sel.count; k++) {
            uint16_t row = (uint16_t)SEL_ROW(&in->sel, k);
            bool take = fresh[k];
            if (l->counted) {
                uint8_t *counter = rows[k] + l->layout.extra_offset;
                uint64_t before = get_u64(counter);
                take = before >= l->offset && before - l->offset < l->limit;
                put_u64(counter, before + 1);
            }
            if (take)
                in->sel_room[n++] = row;
        }
        in->sel = (struct sel){in->sel_room, n};
        if (n)
            break;
    }
    *out = in;
out:
    return status;
}

static void first_local_free(void *local)
{
    groups_deinit(&((struct first_local *)local)->groups);
}

static const struct xop_ops first_ops = {.name = "Unique",
                                         .local_new = first_local_new,
                                         .next = first_next,
                                         .local_free = first_local_free};

/* Columns that a tree hands on, in order of colid: DISTINCT looks at all of them. */
kdk_status compile_distinct(struct exec *exec, struct rel *rel, const uint64_t *needed,
                            struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct xop *input;
    uint64_t *below;
    bool outer = exec->serial_now, serial;

    if (rel->key_count) {
        struct xop *op;
        TRY_MEM(below = colids_new(exec, needed));
        for (uint32_t i = 0; i < rel->key_count; i++)
            expr_columns(rel->keys[i].expr, below);
        TRY(compile(exec, rel->in[0], below, &input, err));
        TRY_MEM(op = ARENA_NEW(&exec->arena, struct xop));
        op->schema = input->schema;
        xop_register(exec, op, &first_ops, rel, input);
        exec->serial_now = true;
        *out = op;
        goto out;
    }
    /* All columns of the input count, wanted above or not. */
    TRY_MEM(below = colids_new(exec, NULL));
    memset(below, 0xff, bits_words(exec->colid_count) * sizeof *below);
    exec->serial_now = false;
    TRY(compile(exec, rel->in[0], below, &input, err));
    serial = exec->serial_now;
    exec->serial_now = outer;
    struct relcol *groups;
    TRY_MEM(groups = ARENA_ARRAY(&exec->arena, struct relcol, input->schema.count + 1));
    for (uint32_t i = 0; i < input->schema.count; i++) {
        struct expr *column;
        TRY_MEM(column = ARENA_NEW(&exec->arena, struct expr));
        *column = (struct expr){.kind = EX_COLUMN,
                                .type = input->schema.types[i],
                                .column = input->schema.ids[i]};
        groups[i] = (struct relcol){
            .id = input->schema.ids[i], .type = input->schema.types[i], .expr = column};
    }
    if (!input->schema.count) {
        /* SELECT DISTINCT of nothing: one row if there is any; a constant makes it a
         * key. */
        struct expr *one;
        TRY_MEM(one = ARENA_NEW(&exec->arena, struct expr));
        *one = (struct expr){.kind = EX_CONST, .type = LTYPE(BOOLEAN), .value = {.i = 1}};
        groups[0] = (struct relcol){
            .id = exec->colid_count - 1, .type = LTYPE(BOOLEAN), .expr = one};
    }
    TRY(aggregate_compile(exec, rel, groups, MAX(input->schema.count, 1u), NULL, 0, needed,
                          input, serial, out, err));
out:
    return status;
}

/* ----------------------------------------------------------- set operations ---- */

struct setop {
    struct xop op;
    struct xsink sinks[2];
    struct exec *exec;
    struct xop *inputs[2];
    struct rowlayout layout;
    struct groups groups;
    uint32_t *slots[2];
    uint32_t *fields;
    struct rowset_at at;
    uint8_t *again; /* a row to be given `left` more times */
    uint64_t left;
};

static kdk_status setop_take(struct setop *setop, uint32_t side, struct xworker *worker,
                             struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *rows[BATCH_ROWS];
    struct vec **keys;

    if (!setop->groups.layout)
        TRY(groups_init(&setop->groups, &setop->layout, setop->layout.column_count,
                        &worker->arena, err));
    struct arena_mark mark = arena_mark(&worker->arena);
    TRY_MEM(keys =
                ARENA_ARRAY(&worker->arena, struct vec *, setop->layout.column_count + 1));
    for (uint32_t i = 0; i < setop->layout.column_count; i++)
        keys[i] = &batch->columns[setop->slots[side][i]];
    TRY(groups_find(&setop->groups, keys, &batch->sel, batch->count, rows, NULL, err));
    for (uint32_t k = 0; k < batch->sel.count; k++) {
        uint8_t *counter = rows[k] + setop->layout.extra_offset + side * 8;
        put_u64(counter, get_u64(counter) + 1);
    }
    arena_rewind(&worker->arena, mark);
out:
    return status;
}

static kdk_status setop_consume_left(struct xsink *sink, struct xworker *worker,
                                     struct batch *batch, struct err *err)
{
    return setop_take((struct setop *)((char *)sink - offsetof(struct setop, sinks[0])), 0,
                      worker, batch, err);
}

static kdk_status setop_consume_right(struct xsink *sink, struct xworker *worker,
                                      struct batch *batch, struct err *err)
{
    return setop_take((struct setop *)((char *)sink - offsetof(struct setop, sinks[1])), 1,
                      worker, batch, err);
}

static kdk_status setop_done(struct xsink *sink, struct xworker *worker, struct err *err)
{
    (void)sink;
    (void)worker;
    (void)err;
    return KDK_OK;
}

static void setop_free(struct xop *op)
{
    groups_deinit(&((struct setop *)op)->groups);
}

/* How often a row comes out. */
static uint64_t setop_times(const struct rel *rel, uint64_t left, uint64_t right)
{
    switch (rel->setop) {
    case SETOP_UNION:
        return rel->all ? left + right : 1;
    case SETOP_INTERSECT:
        return rel->all ? MIN(left, right) : left && right;
    case SETOP_EXCEPT:
        return rel->all ? left - MIN(left, right) : left && !right;
    }
    return 0;
}

static kdk_status setop_next(struct xop *op, struct xworker *worker, void *local,
                             struct batch **out, struct err *err)
{
    struct setop *setop = (struct setop *)op;
    struct batch *batch = local;
    uint8_t *rows[BATCH_ROWS];
    uint32_t n = 0;
    (void)worker;
    (void)err;

    if (!setop->groups.layout)
        return KDK_OK;
    while (n < BATCH_ROWS) {
        if (!setop->left) {
            if (!rowset_next(&setop->groups.set, &setop->at, &setop->again, 1))
                break;
            setop->left =
                setop_times(op->rel, get_u64(setop->again + setop->layout.extra_offset),
                            get_u64(setop->again + setop->layout.extra_offset + 8));
            continue;
        }
        rows[n++] = setop->again;
        setop->left--;
    }
    if (!n)
        return KDK_OK;
    for (uint32_t i = 0; i < op->schema.count; i++)
        rows_gather(&setop->layout, setop->fields[i], rows, n, &batch->columns[i]);
    batch_all(batch, n);
    *out = batch;
    return KDK_OK;
}

static const struct xop_ops setop_ops = {.name = "HashSetOp",
                                         .local_new = aggregate_source_local,
                                         .next = setop_next,
                                         .free = setop_free};

kdk_status compile_setop(struct exec *exec, struct rel *rel, const uint64_t *needed,
                         struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct setop *setop;
    struct ltype *types;

    TRY_MEM(setop = ARENA_NEW(&exec->arena, struct setop));
    setop->exec = exec;
    TRY_MEM(types = ARENA_ARRAY(&exec->arena, struct ltype, rel->col_count + 1));
    for (uint32_t i = 0; i < rel->col_count; i++)
        types[i] = rel->cols[i].type;
    TRY(rowlayout_init(&setop->layout, types, rel->col_count, 16, &exec->arena, err));
    setop->layout.memory = &exec->memory;
    for (uint32_t side = 0; side < 2; side++) {
        const colid *from = side ? rel->right : rel->left;
        uint64_t *below;
        TRY_MEM(below = colids_new(exec, NULL));
        for (uint32_t i = 0; i < rel->col_count; i++)
            bit_set(below, from[i]);
        TRY(compile(exec, rel->in[side], below, &setop->inputs[side], err));
        TRY_MEM(setop->slots[side] =
                    ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
        for (uint32_t i = 0; i < rel->col_count; i++)
            TRY_ASSERT(xschema_find(&setop->inputs[side]->schema, from[i],
                                    &setop->slots[side][i]));
        setop->sinks[side] =
            (struct xsink){.consume = side ? setop_consume_right : setop_consume_left,
                           .combine = setop_done,
                           .finalize = setop_done,
                           .op = &setop->op};
        TRY(pipeline_add(exec, setop->inputs[side], &setop->sinks[side], true, err));
    }
    TRY(xschema_init(&setop->op.schema, exec, rel->col_count, err));
    TRY_MEM(setop->fields = ARENA_ARRAY(&exec->arena, uint32_t, rel->col_count + 1));
    for (uint32_t i = 0; i < rel->col_count; i++)
        if (bit_get(needed, rel->cols[i].id)) {
            setop->fields[setop->op.schema.count] = i;
            xschema_add(&setop->op.schema, rel->cols[i].id, rel->cols[i].type);
        }
    exec->serial_now = true;
    xop_register(exec, &setop->op, &setop_ops, rel, NULL);
    *out = &setop->op;
out:
    return status;
}
