/* number.h -- numbers from and to text, exactly and without regard to the locale. */
#ifndef MU_BASE_NUMBER_H
#define MU_BASE_NUMBER_H

#include "base/str.h"

/* Decimal digits with an optional sign, the whole of `text`; false when anything else is there or
 * the value does not fit 64 bits. */
bool mu_parse_integer(mu_str text, int64_t *out);

/* A JSON number (sign, digits, fraction, exponent), the whole of `text`, rounded to the nearest
 * double; false when malformed or not finite. */
bool mu_parse_double(mu_str text, double *out);

#define MU_NUMBER_MAX 32

/* The shortest decimal that reads back as the same double, always with a fraction or an exponent:
 * "1.0", "0.1", "1e+300" -> "1.0e300". Returns the length; `out` is not terminated.
 * `value` must be finite. */
size_t mu_format_double(double value, char out[MU_NUMBER_MAX]);

#endif
