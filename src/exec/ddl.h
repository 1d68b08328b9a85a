/* ddl.h - carries out statements that change the schema: resolved by the binder (struct
 * bound_ddl), done here in storage and catalog.
 *
 * Everything happens in the caller's transaction: rolling it back undoes it. Existing rows
 * are checked where a new constraint asks for it.
 */
#ifndef KDK_EXEC_DDL_H
#define KDK_EXEC_DDL_H

#include "catalog/store.h"
#include "exec/exec.h"
#include "plan/plan.h"
#include "sql/bind.h"

struct ddl_env {
    struct catalog_session *session;
    const struct exec_env *exec;
    const struct bind_env *bind; /* For DEFAULT and CHECK texts. */
    const struct plan_env *plan; /* For CREATE TABLE AS. */
};

/* *affected: rows of CREATE TABLE AS. 23502, 23505, 23514 when existing rows break a new
 * constraint; 40001 when others write to the table. */
kdk_status ddl_run(const struct ddl_env *env, struct bound_stmt *stmt, uint64_t *affected,
                   struct err *err) KDK_MUST_CHECK;

#endif
