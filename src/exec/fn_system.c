/* fn_system.c - what a session and its types are. */
#include "exec/fn_body.h"

/* The setting of that name; NULL when nobody set one. */
static bool setting(struct fn_call *call, const char *name, struct datum *out)
{
    const char *value =
        call->env->setting ? call->env->setting(call->env->context, name) : NULL;
    if (!value) {
        *out = DATUM_NULL;
        return true;
    }
    return fn_text_copy(call, value, strlen(value), out);
}

FN_BODY(VERSION)
{
    static const char text[] = "KodiakDB " KDK_VERSION;
    return fn_text_copy(call, text, sizeof text - 1, out);
}
FN_BODY(CURRENT_SCHEMA)
{
    return setting(call, "current_schema", out);
}
FN_BODY(CURRENT_DATABASE)
{
    return setting(call, "current_database", out);
}
FN_BODY(CURRENT_USER)
{
    return setting(call, "current_user", out);
}

/* Without modifiers, as PostgreSQL's regtype prints. */
FN_BODY(TYPEOF)
{
    struct ltype type = fn_arg_type(call, 0);
    char name[64];
    ltype_name(type, name, sizeof name);
    char *modifiers = strchr(name, '('), *rest = modifiers ? strchr(modifiers, ')') : NULL;
    if (rest) /* timestamp(3) without time zone */
        memmove(modifiers, rest + 1, strlen(rest + 1) + 1);
    return fn_text_copy(call, name, strlen(name), out);
}
