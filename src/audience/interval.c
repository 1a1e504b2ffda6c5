#include "audience/interval.h"

#include "base/err.h"

#include <math.h>

/* The normal distribution's quantile of 0.975. */
#define Z 1.959963984540054

/* Half the chi-squared quantile of 0.05 with 2 x degrees of freedom: of a Poisson variable with
 * this mean, `x` or more are seen once in twenty times. Below so few matches Wilson's bound is
 * above it, and covers too little (L. D. Brown, T. T. Cai, A. DasGupta 2001; decision 0201). */
static const double few_least[] = {0, 0.051293294387550533, 0.35536151062882, 0.81769144641446};
#define FEW 3u

/* Bounds of the share, both in [0, 1]. */
typedef struct share {
    double least, most;
} share;

/* More than what rounding may have done to a share. */
#define SLACK 4e-15

static share wilson(double n, double p)
{
    double z2 = Z * Z;
    double middle = p + z2 / (2 * n);
    double half = Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    return (share){(middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)};
}

static share share_of(uint64_t total, uint64_t read, uint64_t matched)
{
    double n = (double)read, whole = (double)total;
    uint64_t others = read - matched;
    share out = wilson(n * (whole - 1) / (whole - n), (double)matched / n);
    if (matched > 0 && matched <= FEW)
        out.least = fmin(out.least, few_least[matched] / n);
    if (others > 0 && others <= FEW)
        out.most = fmax(out.most, 1 - few_least[others] / n);
    return out;
}

/* Rounded to the nearest whole number, halves up; exact for any product. */
static uint64_t scaled(uint64_t total, uint64_t read, uint64_t matched)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)total * matched + read / 2) / read);
}

static uint64_t standard_error(uint64_t total, uint64_t read, uint64_t matched)
{
    double n = (double)read, whole = (double)total, p = (double)matched / n;
    return (uint64_t)llround(whole * sqrt(p * (1 - p) / n * (1 - n / whole)));
}

static uint64_t clamped(double value, uint64_t low, uint64_t high)
{
    if (!(value > (double)low))
        return low;
    return value < (double)high ? (uint64_t)value : high;
}

mu_interval mu_interval_of(uint64_t total, uint64_t read, uint64_t matched)
{
    MU_ASSERT(matched <= read && read <= total);
    if (read == total)
        return (mu_interval){matched, 0, matched, matched};
    if (read == 0)
        return (mu_interval){0, 0, 0, total};
    share bounds = share_of(total, read, matched);
    /* What was seen is there, and what was seen not to match is not. */
    uint64_t low = matched, high = total - (read - matched);
    return (mu_interval){
        .estimated = scaled(total, read, matched),
        .standard_error = standard_error(total, read, matched),
        .least =
            matched == 0 ? 0 : clamped(floor((bounds.least - SLACK) * (double)total), low, high),
        .most = matched == read ? high
                                : clamped(ceil((bounds.most + SLACK) * (double)total), low, high)};
}
