/* Which inner loops a machine can run. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#if SW_X86
#include <cpuid.h>

enum { YMM = 0x06, ZMM = 0xE6 }; /* registers that the operating system keeps, as bits of XCR0 */

/* Whether the processor has all of these bits in leaves 1 and 7 of CPUID, and the system keeps the registers. */
static int has(unsigned leaf1_ecx, unsigned leaf7_ebx, unsigned leaf7_ecx, unsigned registers) {
    const unsigned xgetbv = 1u << 27;
    unsigned eax, ebx, ecx, edx, kept, high;
    leaf1_ecx |= xgetbv;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & leaf1_ecx) != leaf1_ecx) return 0;
    __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if ((kept & registers) != registers) return 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & leaf7_ebx) == leaf7_ebx &&
           (ecx & leaf7_ecx) == leaf7_ecx;
}

enum { FMA = 1 << 12, AVX = 1 << 28, AVX2 = 1 << 5, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30, VNNI = 1 << 11 };

static int has_avx2(void) { return has(FMA | AVX, AVX2, 0, YMM); }
static int has_avx512(void) { return has(FMA | AVX, AVX2 | F | DQ | BW | 1u << 31, VNNI, ZMM); } /* bit 31: VL */
#endif

#if SW_ARM64 && defined(__linux__)
#include <sys/auxv.h>
static int has_dotprod(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }
#elif SW_ARM64
static int has_dotprod(void) { /* every Apple processor of 64 bits that runs macOS has it */
#if defined(__APPLE__)
    return 1;
#else
    return 0;
#endif
}
#endif

static int always(void) { return 1; }

typedef struct set {
    const sw_kernels *kernels;
    int (*runs)(void);
} set;

static const set SETS[] = { /* the best first */
#if SW_X86
    {&sw_kernels_avx512, has_avx512},
    {&sw_kernels_avx2, has_avx2},
#endif
#if SW_ARM64
    {&sw_kernels_dotprod, has_dotprod},
    {&sw_kernels_neon, always},
#endif
#if SW_WASM
    {&sw_kernels_wasm, always},
#endif
    {&sw_kernels_scalar, always},
};

const sw_kernels *sw_kernels_here(void) {
    const set *best = SETS;
    while (!best->runs()) best++;
    return best->kernels;
}

const sw_kernels *sw_kernels_named(const char *name) {
    for (size_t index = 0; index < sizeof SETS / sizeof *SETS; index++)
        if (!strcmp(SETS[index].kernels->name, name)) return SETS[index].runs() ? SETS[index].kernels : NULL;
    return NULL;
}

const char *sw_instructions(void) { return sw_kernels_here()->name; }

float sw_level_step(float largest, float most, size_t inputs, float *inverse) {
    const float room = 2147480000.0f, next_to_nothing = 1e-30f; /* less than 2^31, since this is rounded */
    float levels = fminf(most, floorf(room / (127.0f * (float)(inputs ? inputs : 1))));
    *inverse = largest > next_to_nothing ? levels / largest : 0;
    return largest > next_to_nothing ? largest / levels : 0;
}
