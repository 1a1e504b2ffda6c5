/* runner_test.c -- a background thread is woken, sleeps, and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/runner.h"

#include <unistd.h>

typedef struct work {
    int n_left, n_done;
    uint32_t sleep_ms;
} work;

static uint32_t step(void *context, const bool *is_stopping)
{
    work *w = context;
    (void)is_stopping;
    if (__atomic_load_n(&w->n_left, __ATOMIC_ACQUIRE) == 0)
        return w->sleep_ms;
    __atomic_fetch_sub(&w->n_left, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&w->n_done, 1, __ATOMIC_RELEASE);
    return 0;
}

static void wait_for(work *w, int n)
{
    for (int i = 0; i < 2000 && __atomic_load_n(&w->n_done, __ATOMIC_ACQUIRE) < n; i++)
        usleep(5000);
    assert_int_equal(__atomic_load_n(&w->n_done, __ATOMIC_ACQUIRE), n);
}

static void it_works_until_there_is_nothing_left_and_again_when_woken(void **state)
{
    (void)state;
    work w = {.n_left = 3, .sleep_ms = MU_RUNNER_IDLE};
    mu_runner *runner;
    assert_int_equal(mu_runner_start("test", step, &w, &runner, NULL), MU_OK);
    wait_for(&w, 3);
    __atomic_store_n(&w.n_left, 1, __ATOMIC_RELEASE);
    mu_runner_wake(runner);
    wait_for(&w, 4);
    mu_runner_stop(runner);
    mu_runner_stop(NULL);
}

static void it_comes_back_by_itself_after_its_time(void **state)
{
    (void)state;
    work w = {.n_left = 0, .sleep_ms = 1};
    mu_runner *runner;
    assert_int_equal(mu_runner_start("test", step, &w, &runner, NULL), MU_OK);
    __atomic_store_n(&w.n_left, 2, __ATOMIC_RELEASE);
    wait_for(&w, 2);
    mu_runner_stop(runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_works_until_there_is_nothing_left_and_again_when_woken),
        cmocka_unit_test(it_comes_back_by_itself_after_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
