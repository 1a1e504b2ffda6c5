#include "app/app_int.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAW_INTERVAL_NS ((int64_t)100000000)
#define BAR_WIDTH        28

void mu_progress_begin(mu_progress *progress, const char *what, const char *unit)
{
    const char *terminal = getenv("TERM");
    *progress = (mu_progress){
        .is_on = isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0,
        .is_bytes = unit == NULL,
        .what = what,
        .unit = unit,
        .start_ns = mu_monotonic_ns(),
    };
    progress->drawn_ns = progress->start_ns;
    pthread_mutex_init(&progress->lock, NULL);
}

/* 1234567 -> "1.2 M" */
static void format_amount(double amount, char out[32])
{
    static const char *const suffixes[] = {"", " k", " M", " G", " T"};
    size_t step = 0;
    while (amount >= 1000 && step + 1 < MU_LENGTH(suffixes)) {
        amount /= 1000;
        step++;
    }
    snprintf(out, 32, amount < 10 && step > 0 ? "%.1f%s" : "%.0f%s", amount, suffixes[step]);
}

static void draw(const mu_progress *progress, uint64_t done, uint64_t all, double seconds)
{
    double share = all == 0 ? 0 : (double)done / (double)all;
    if (share > 1)
        share = 1;
    char bar[BAR_WIDTH + 1], rate[32];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    format_amount(seconds > 0 ? (double)done / seconds : 0, rate);
    fprintf(stderr, "\r%s [%s] %3.0f %%  %s%s/s", progress->what, bar, share * 100, rate,
            progress->is_bytes ? (strchr(rate, ' ') != NULL ? "B" : " B") : progress->unit);
    if (share > 0) {
        double left = seconds / share - seconds;
        fprintf(stderr, "  %d:%02d left", (int)(left / 60), (int)left % 60);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
}

void mu_progress_update(void *context, uint64_t done, uint64_t all)
{
    mu_progress *progress = context;
    if (!progress->is_on || pthread_mutex_trylock(&progress->lock) != 0)
        return;
    int64_t now_ns = mu_monotonic_ns();
    if (now_ns - progress->drawn_ns >= DRAW_INTERVAL_NS) {
        progress->drawn_ns = now_ns;
        draw(progress, done, all, (double)(now_ns - progress->start_ns) / 1e9);
    }
    pthread_mutex_unlock(&progress->lock);
}

void mu_progress_message(mu_progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&progress->lock);
    if (progress->is_on)
        fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    pthread_mutex_unlock(&progress->lock);
    va_end(args);
}

void mu_progress_end(mu_progress *progress)
{
    if (progress->is_on && progress->drawn_ns != progress->start_ns) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    pthread_mutex_destroy(&progress->lock);
}
