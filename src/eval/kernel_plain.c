/* kernel_plain.c -- the kernels for any 64-bit processor. */
#define KERNEL_SET  kernels_plain
#define KERNEL_NAME "plain"
#include "eval/kernel_template.inc"
