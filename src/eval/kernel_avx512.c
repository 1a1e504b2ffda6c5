/* kernel_avx512.c -- the kernels for AVX-512 (F, BW, VL, DQ) with BMI2 and POPCNT. */
#define KERNEL_SET  kernels_avx512
#define KERNEL_NAME "avx512"
#include "eval/kernel_template.inc"
