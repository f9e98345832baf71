/* How near the inner loops come to this machine's limits, in one run: products of one row against reading as many bytes,
 * products of many rows against a loop of fused multiply-adds alone. Medians of rounds in which everything takes turns.
 *
 *     cc -O3 -march=native -Inative bench/engine/kernels.c native/[!t]*.c native/t[er]*.c -lm -o build/kernels && build/kernels [rounds]
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"
#include "memory.h"

enum { MOST_ROUNDS = 101, MOST_SETS = 6, MOST_CASES = 64, FAST = 64 };
static const char *const NAMES[MOST_SETS] = {"scalar", "avx2", "avx512", "neon", "dotprod", "wasm"};
static const double LONG_ENOUGH = 5e-4; /* seconds of a measurement */

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float vec __attribute__((vector_size(4 * LANES)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* of this thread: others may be busy */
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct task { /* something that is measured; work is in GB or Gflop of one call */
    char name[100];
    double work, seconds[MOST_ROUNDS];
    const sw_kernels *kernels; /* NULL: a limit */
    sw_linear map;
    size_t rows, bytes, limit; /* rows 0: reading bytes */
} task;

static float *in, *out;
static volatile float sink;

static void read_bytes(const void *from, size_t bytes) {
    const vec *vectors = from;
    vec sums[8] = {{0}};
    for (size_t at = 0; at + 8 <= bytes / sizeof(vec); at += 8)
        for (int k = 0; k < 8; k++) sums[k] += vectors[at + k];
    for (int k = 1; k < 8; k++) sums[0] += sums[k];
    sink = sums[0][0];
}

static void multiply_and_add(void) { /* 1,000 times 12 vectors */
    vec sums[12], factor = (vec){0} + 0.999f, more = (vec){0} + 0.001f;
    for (int k = 0; k < 12; k++) sums[k] = (vec){0} + (float)k;
    for (int turn = 0; turn < 1000; turn++) {
        for (int k = 0; k < 12; k++) sums[k] = sums[k] * factor + more;
        for (int k = 0; k < 12; k++) __asm__ volatile("" : "+x"(sums[k])); /* stay apart, in registers */
    }
    for (int k = 1; k < 12; k++) sums[0] += sums[k];
    sink = sums[0][0];
}

static void once(const task *of) {
    if (of->kernels) of->kernels->linear(&of->map, in, of->map.inputs, out, of->map.outputs, of->rows, 0);
    else if (of->bytes) read_bytes(of->map.bias, of->bytes);
    else multiply_and_add();
}

static double measure(const task *of) {
    for (size_t calls = 1;; calls *= 2) {
        double begin = now();
        for (size_t call = 0; call < calls; call++) once(of);
        double taken = now() - begin;
        if (taken > LONG_ENOUGH) return taken / (double)calls;
    }
}

static int rising(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return a < b ? -1 : a > b;
}

static sw_linear map_of(sw_arena *arena, size_t outputs, size_t inputs, int int8) {
    size_t count = (outputs + SW_PANEL - 1) / SW_PANEL * SW_PANEL * ((inputs + 3) / 4 * 4);
    float *weights = SW_TAKE(arena, float, count), *bias = SW_TAKE(arena, float, outputs + SW_PANEL);
    int8_t *levels = SW_TAKE(arena, int8_t, count);
    if (!weights || !bias || !levels) exit(1);
    for (size_t at = 0; at < count; at++) {
        levels[at] = (int8_t)(at * 7 % 255 - 127);
        weights[at] = (float)levels[at] / 127;
    }
    return (sw_linear){outputs, inputs, int8 ? SW_INT8 : SW_FP32, int8 ? NULL : weights, int8 ? levels : NULL, bias, bias};
}

static void run(task *tasks, size_t count, size_t rounds) {
    for (size_t round = 0; round < rounds; round++)
        for (size_t index = 0; index < count; index++) tasks[index].seconds[round] = measure(&tasks[index]);
    for (size_t index = 0; index < count; index++) {
        task *of = &tasks[index];
        qsort(of->seconds, rounds, sizeof(double), rising);
        double speed = of->work / of->seconds[rounds / 2];
        printf("%-40s %9.1f %s", of->name, speed, of->bytes ? "GB/s" : "Gflop/s");
        if (of->kernels) printf("  %3.0f%% of the limit", 100 * speed / (tasks[of->limit].work / tasks[of->limit].seconds[rounds / 2]));
        printf("\n");
    }
}

int main(int argc, char **argv) {
    static const size_t sizes[][2] = {{40, 512}, {1024, 256}, {2048, 512}, {6000, 512}}, many[] = {2, 5, 16, 64};
    static task tasks[4 * MOST_SETS * 20];
    sw_arena arena = {NULL};
    size_t count = 0, rounds = argc > 1 ? (size_t)atoi(argv[1]) : 5;
    in = SW_TAKE(&arena, float, FAST * 512);
    out = SW_TAKE(&arena, float, FAST * 6000);
    if (!in || !out || rounds < 1 || rounds > MOST_ROUNDS) return 1;
    for (size_t at = 0; at < FAST * 512; at++) in[at] = (float)(at % 17) - 8;
    task *peak = &tasks[count++];
    snprintf(peak->name, sizeof peak->name, "multiply and add");
    peak->work = 2e-9 * 12 * 1000 * LANES;
    for (int int8 = 0; int8 < 2; int8++)
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
            size_t outputs = sizes[size][0], inputs = sizes[size][1], limit = count++;
            size_t bytes = outputs * inputs * (int8 ? 1 : 4);
            sw_linear map = map_of(&arena, outputs, inputs, int8);
            task *reading = &tasks[limit];
            snprintf(reading->name, sizeof reading->name, "read %zu kB", bytes / 1000);
            *reading = (task){.work = 1e-9 * (double)bytes, .bytes = bytes, .map = map};
            snprintf(reading->name, sizeof reading->name, "read %zu kB", bytes / 1000);
            reading->map.bias = int8 ? (const float *)map.levels : map.weights;
            for (size_t set = 0; set < MOST_SETS; set++) {
                const sw_kernels *kernels = sw_kernels_named(NAMES[set]);
                if (!kernels) continue;
                task *one = &tasks[count++];
                *one = (task){.work = 1e-9 * (double)bytes, .bytes = bytes, .rows = 1, .kernels = kernels, .map = map, .limit = limit};
                snprintf(one->name, sizeof one->name, "%s %s %zux%zu, 1 row", NAMES[set], int8 ? "int8" : "fp32", outputs, inputs);
                for (size_t index = 0; index < 4 && set; index++) {
                    task *more = &tasks[count++];
                    *more = (task){.work = 2e-9 * (double)(outputs * inputs * many[index]), .rows = many[index], .kernels = kernels, .map = map};
                    snprintf(more->name, sizeof more->name, "%s %s %zux%zu, %zu rows", NAMES[set], int8 ? "int8" : "fp32", outputs, inputs, many[index]);
                }
            }
        }
    run(tasks, count, rounds);
    sw_release(&arena);
    return 0;
}
