/* kernel_avx2.c -- the kernels for AVX2 with BMI2 and POPCNT. */
#define KERNEL_SET  kernels_avx2
#define KERNEL_NAME "avx2"
#include "eval/kernel_template.inc"
