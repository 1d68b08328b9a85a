/* sort.c - ORDER BY: keeps the rows with their keys, orders them once, gives them out in
 * order.
 *
 * With a limit, a worker that holds much more than the limit sorts what it has and keeps
 * the first rows only, so that top-N needs little memory. */
#include "exec/exec_int.h"

#include <stdatomic.h>

struct sort {
    struct xsink sink;
    struct rowset_source *source;
    struct exec *exec;
    struct xop *input;
    const struct rel *rel;
    struct rowlayout layout; /* keys, then the columns that are wanted */
    uint32_t field_count;
    uint32_t *field_slots;
    struct rowkey *keys;
    struct rowset set;
    uint8_t **order;
    uint64_t order_count;
    bool limit_known;
    uint64_t keep; /* rows needed at most */
    struct sort_local {
        bool made;
        struct rowset set;
        struct eval **keys;
        const struct vec **columns;
        struct vec *scratch;
    } locals[WORKERS_MAX];
    struct latch latch;
};

/* Keeps the first `keep` rows of a set. */
static kdk_status cut(struct sort *sort, struct rowset *set, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rowset kept;
    struct arena arena;
    uint8_t **order, *copy;
    uint64_t count;

    arena_init(&arena);
    rowset_init(&kept, set->layout);
    TRY(rowset_sort(set, sort->keys, sort->rel->key_count, &arena, &order, &count, err));
    for (uint64_t i = 0; i < MIN(count, sort->keep); i++)
        TRY(rowset_copy_row(&kept, order[i], &copy, err));
    rowset_deinit(set);
    rowset_move(set, &kept);
out:
    rowset_deinit(&kept);
    arena_deinit(&arena);
    return status;
}

static kdk_status sort_consume(struct xsink *sink, struct xworker *worker,
                               struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sort *sort = (struct sort *)sink;
    struct sort_local *l = &sort->locals[worker->index];
    const struct rel *rel = sort->rel;

    if (!l->made) {
        struct eval_source source = xschema_source(&sort->input->schema);
        latch_acquire(&sort->latch);
        if (!sort->limit_known) {
            uint64_t limit, offset;
            status = limit_values(sort->exec, rel, NULL, &limit, &offset, err);
            sort->keep = limit > UINT64_MAX - offset ? UINT64_MAX : limit + offset;
            sort->limit_known = status == KDK_OK;
        }
        latch_release(&sort->latch);
        TRY(status);
        rowset_init(&l->set, &sort->layout);
        l->made = true;
        TRY_MEM(l->keys = ARENA_ARRAY(&worker->arena, struct eval *, rel->key_count + 1));
        for (uint32_t i = 0; i < rel->key_count; i++)
            TRY(eval_new(rel->keys[i].expr, &source, &sort->exec->env.eval, &worker->arena,
                         &l->keys[i], err));
        TRY_MEM(l->columns =
                    ARENA_ARRAY(&worker->arena, const struct vec *, sort->field_count + 1));
        TRY(rowset_scratch(&sort->layout, &worker->arena, &l->scratch, err));
    }
    for (uint32_t i = 0; i < rel->key_count; i++) {
        struct vec *v;
        TRY(eval_run(l->keys[i], batch, &v, err));
        l->columns[i] = v;
    }
    for (uint32_t i = rel->key_count; i < sort->field_count; i++)
        l->columns[i] = &batch->columns[sort->field_slots[i]];
    TRY(rowset_append(&l->set, l->columns, &batch->sel, batch->count, NULL, l->scratch,
                      NULL, err));
    if (sort->keep < UINT64_MAX / 8 && l->set.row_count > 4 * sort->keep + 4 * BATCH_ROWS)
        TRY(cut(sort, &l->set, err));
out:
    return status;
}

static kdk_status sort_combine(struct xsink *sink, struct xworker *worker, struct err *err)
{
    struct sort *sort = (struct sort *)sink;
    (void)err;
    if (sort->locals[worker->index].made)
        rowset_move(&sort->set, &sort->locals[worker->index].set);
    return KDK_OK;
}

static kdk_status sort_finalize(struct xsink *sink, struct xworker *worker, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sort *sort = (struct sort *)sink;
    uint64_t limit, offset;

    (void)worker;
    TRY(limit_values(sort->exec, sort->rel, NULL, &limit, &offset, err));
    TRY(rowset_sort(&sort->set, sort->keys, sort->rel->key_count, &sort->exec->arena,
                    &sort->order, &sort->order_count, err));
    offset = MIN(offset, sort->order_count);
    sort->order += offset;
    sort->order_count = MIN(sort->order_count - offset, limit);
out:
    return status;
}

static void sort_free(struct xsink *sink)
{
    struct sort *sort = (struct sort *)sink;
    for (uint32_t w = 0; w < WORKERS_MAX; w++)
        if (sort->locals[w].made)
            rowset_deinit(&sort->locals[w].set);
    rowset_deinit(&sort->set);
}

kdk_status compile_sort(struct exec *exec, struct rel *rel, const uint64_t *needed,
                        struct xop **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sort *sort;
    struct ltype *types;
    uint64_t *below;
    uint32_t *fields;

    TRY_MEM(sort = ARENA_NEW(&exec->arena, struct sort));
    sort->exec = exec;
    sort->rel = rel;
    latch_init(&sort->latch, OS_RANK_NONE);
    TRY_MEM(below = colids_new(exec, needed));
    for (uint32_t i = 0; i < rel->key_count; i++)
        expr_columns(rel->keys[i].expr, below);
    exec->serial_now = false;
    TRY(compile(exec, rel->in[0], below, &sort->input, err));
    bool serial = exec->serial_now;
    uint32_t room = rel->key_count + sort->input->schema.count + 1;
    TRY_MEM(types = ARENA_ARRAY(&exec->arena, struct ltype, room));
    TRY_MEM(sort->field_slots = ARENA_ARRAY(&exec->arena, uint32_t, room));
    TRY_MEM(sort->keys = ARENA_ARRAY(&exec->arena, struct rowkey, room));
    TRY_MEM(fields = ARENA_ARRAY(&exec->arena, uint32_t, room));
    for (uint32_t i = 0; i < rel->key_count; i++) {
        types[i] = rel->keys[i].expr->type;
        sort->keys[i] =
            (struct rowkey){i, rel->keys[i].descending, rel->keys[i].nulls_first};
    }
    sort->field_count = rel->key_count;
    TRY(rowset_source_new(exec, rel, &sort->set, fields, &sort->source, err));
    TRY(xschema_init(&sort->source->op.schema, exec, sort->input->schema.count, err));
    for (uint32_t i = 0; i < sort->input->schema.count; i++)
        if (bit_get(needed, sort->input->schema.ids[i])) {
            fields[sort->source->op.schema.count] = sort->field_count;
            xschema_add(&sort->source->op.schema, sort->input->schema.ids[i],
                        sort->input->schema.types[i]);
            sort->field_slots[sort->field_count] = i;
            types[sort->field_count++] = sort->input->schema.types[i];
        }
    TRY(rowlayout_init(&sort->layout, types, sort->field_count, 0, &exec->arena, err));
    sort->layout.memory = &exec->memory;
    rowset_init(&sort->set, &sort->layout);
    sort->source->order = (uint8_t *const *const *)&sort->order;
    sort->source->order_count = &sort->order_count;
    sort->sink = (struct xsink){.consume = sort_consume,
                                .combine = sort_combine,
                                .finalize = sort_finalize,
                                .free = sort_free};
    sort->sink.op = &sort->source->op;
    xsink_register(exec, &sort->sink);
    TRY(pipeline_add(exec, sort->input, &sort->sink, serial, err));
    exec->serial_now = true; /* The order is worth something only to one reader. */
    *out = &sort->source->op;
out:
    return status;
}
