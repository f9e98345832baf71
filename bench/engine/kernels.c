/* How near the inner loops come to this machine's limits, in one run: products of one row against reading as many
 * bytes, products of many rows against a loop of fused multiply-adds alone. Medians of rounds in which everything takes turns.
 *
 *     cc -O3 -march=native -Inative bench/engine/kernels.c native/kernels*.c native/memory.c -lm -o kernels
 *     ./kernels [rounds]
 *
 * Time is that of this thread alone, but others on the machine still take its cache and its memory: the ratios to the
 * limits hold only where nothing else runs.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"
#include "memory.h"

enum { MOST_ROUNDS = 101, MOST_SETS = 6, MOST_ROWS = 64, MOST_TASKS = 400 };
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
    sw_precision precision = int8 ? SW_INT8 : SW_FP32;
    return (sw_linear){outputs, inputs, precision, int8 ? NULL : weights, int8 ? levels : NULL, bias, bias};
}

static void run(task *all, size_t count, size_t rounds) {
    for (size_t round = 0; round < rounds; round++)
        for (size_t index = 0; index < count; index++) all[index].seconds[round] = measure(&all[index]);
    for (size_t index = 0; index < count; index++) {
        task *of = &all[index];
        qsort(of->seconds, rounds, sizeof(double), rising);
        const task *limit = &all[of->limit];
        double speed = of->work / of->seconds[rounds / 2], most = limit->work / limit->seconds[rounds / 2];
        printf("%-40s %9.1f %s", of->name, speed, of->bytes ? "GB/s" : "Gflop/s");
        if (of->kernels) printf("  %3.0f%% of the limit", 100 * speed / most);
        printf("\n");
    }
}

static const size_t SIZES[][2] = {{40, 512}, {1024, 256}, {2048, 512}, {6000, 512}}, MANY[] = {2, 5, 16, 64};
static task tasks[MOST_TASKS];
static size_t task_count;

/* A product of so many rows: of one against reading as many bytes, of more against multiplying and adding. */
static void add_product(const sw_kernels *kernels, const sw_linear *map, size_t rows, size_t reading) {
    task *made = &tasks[task_count++];
    size_t bytes = map->outputs * map->inputs * (map->precision == SW_INT8 ? 1 : sizeof(float));
    *made = (task){.work = 1e-9 * (double)bytes, .bytes = bytes, .rows = rows, .kernels = kernels, .map = *map,
                   .limit = reading};
    if (rows > 1) {
        made->work = 2e-9 * (double)(map->outputs * map->inputs * rows);
        made->bytes = made->limit = 0;
    }
    snprintf(made->name, sizeof made->name, "%s %s %zux%zu, rows: %zu", kernels->name,
             map->precision == SW_INT8 ? "int8" : "fp32", map->outputs, map->inputs, rows);
}

static void add_size(const sw_linear *map) {
    size_t reading = task_count++;
    int int8 = map->precision == SW_INT8;
    tasks[reading] = (task){.bytes = map->outputs * map->inputs * (int8 ? 1 : sizeof(float)), .map = *map};
    tasks[reading].work = 1e-9 * (double)tasks[reading].bytes;
    tasks[reading].map.bias = int8 ? (const float *)map->levels : map->weights;
    snprintf(tasks[reading].name, sizeof tasks[reading].name, "read %zu kB", tasks[reading].bytes / 1000);
    for (size_t set = 0; set < MOST_SETS; set++) {
        const sw_kernels *kernels = sw_kernels_named(NAMES[set]);
        if (!kernels) continue;
        add_product(kernels, map, 1, reading);
        for (size_t index = 0; index < sizeof MANY / sizeof *MANY && set; index++)
            add_product(kernels, map, MANY[index], reading);
    }
}

int main(int argc, char **argv) {
    sw_arena arena = {NULL};
    size_t rounds = argc > 1 ? (size_t)atoi(argv[1]) : 5;
    in = SW_TAKE(&arena, float, MOST_ROWS * 512);
    out = SW_TAKE(&arena, float, MOST_ROWS * 6000);
    if (!in || !out || rounds < 1 || rounds > MOST_ROUNDS) return 1;
    for (size_t at = 0; at < MOST_ROWS * 512; at++) in[at] = (float)(at % 17) - 8;
    task *peak = &tasks[task_count++];
    snprintf(peak->name, sizeof peak->name, "multiply and add");
    peak->work = 2e-9 * 12 * 1000 * LANES;
    for (int int8 = 0; int8 < 2; int8++)
        for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; size++) {
            sw_linear map = map_of(&arena, SIZES[size][0], SIZES[size][1], int8);
            add_size(&map);
        }
    run(tasks, task_count, rounds);
    sw_release(&arena);
    return 0;
}
