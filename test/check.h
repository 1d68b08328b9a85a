/* check.h - the unit tests' checks and their registration.
 *
 * A test is `TEST(suite, behaviour) { ... }` in a *_test.c file; it registers itself, and
 * cmocka runs it. A failed check prints where and what, marks the test and goes on: it
 * never jumps, so it may be called from a coroutine's stack or another thread, and no
 * sanitizer report is hidden. Where going on makes no sense, write `if (!CHECK(x))
 * return;`.
 *
 * Command line of every test program: [PATTERN...] runs the tests whose suite.name contains
 * one of them, --list prints the names.
 */
#ifndef KDK_TEST_CHECK_H
#define KDK_TEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct check_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct check_test *next;
};

void check_register(struct check_test *test);
bool check_true(bool ok, const char *what, const char *file, int line);
bool check_eq(long long got, long long want, const char *what, const char *file, int line);
bool check_str(const char *got, const char *want, const char *what, const char *file,
               int line);
bool check_mem(const void *got, const void *want, size_t bytes, const char *what,
               const char *file, int line);

#define TEST(SUITE, NAME)                                                                  \
    static void test_##SUITE##_##NAME(void);                                               \
    __attribute__((constructor)) static void register_##SUITE##_##NAME(void)               \
    {                                                                                      \
        static struct check_test test = {#SUITE, #NAME, test_##SUITE##_##NAME, NULL};      \
        check_register(&test);                                                             \
    }                                                                                      \
    static void test_##SUITE##_##NAME(void)

/* Each check yields whether it held. */
#define CHECK(COND) check_true((COND), #COND, __FILE__, __LINE__)
#define CHECK_EQ(GOT, WANT)                                                                \
    check_eq((long long)(GOT), (long long)(WANT), #GOT, __FILE__, __LINE__)
#define CHECK_STR(GOT, WANT) check_str((GOT), (WANT), #GOT, __FILE__, __LINE__)
#define CHECK_MEM(GOT, WANT, BYTES)                                                        \
    check_mem((GOT), (WANT), (BYTES), #GOT, __FILE__, __LINE__)

#endif
