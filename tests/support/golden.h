/* golden.h -- tests as text: cases and what came out of them, in one file that people review.
 *
 * A file in tests/golden/ is made of lines:
 *   # a comment, kept as it is
 *   @name value       an instruction for the test
 *   > a case
 *   anything else     what the case before it gave
 *
 * With MUSTER_GOLDEN_UPDATE=1 the file is rewritten with what came out now; the diff is the review.
 */
#ifndef MU_TEST_GOLDEN_H
#define MU_TEST_GOLDEN_H

#include "base/buf.h"

/* Runs one case (`is_instruction` false) and adds its result to `out`, whole lines; or takes an
 * instruction, the text after '@'. */
typedef void mu_golden_body(void *context, bool is_instruction, mu_str text, mu_buf *out);

/* Runs the file tests/golden/NAME; a difference fails the test and shows the first one. Returns the
 * number of cases. */
size_t mu_golden_run(const char *name, mu_golden_body *body, void *context);

#endif
