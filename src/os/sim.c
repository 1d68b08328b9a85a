/* sim.c - see sim.h. Until coroutines exist none of these can be reached. */
#include "os/sim.h"

#include "os/os_int.h"

struct os *sim_thread_os(struct sim_thread *thread)
{
    (void)thread;
    return os_real();
}
bool sim_wait(struct sim_thread *self, _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    (void)self;
    return real_wait(word, expected, timeout_ns);
}
void sim_wake(struct sim_thread *self, _Atomic uint32_t *word, uint32_t count)
{
    (void)self;
    real_wake(word, count);
}
void sim_yield(struct sim_thread *self)
{
    (void)self;
}
void sim_spin(struct sim_thread *self)
{
    (void)self;
}
void sim_sleep(struct sim_thread *self, uint64_t ns)
{
    (void)self;
    real_sleep(ns);
}
void sim_maybe_switch(struct sim_thread *self)
{
    (void)self;
}
