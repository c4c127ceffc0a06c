#include "replay/cpu_features.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX };
/* What the system has to save for it (Intel SDM volume 1, chapter 13: XCR0). */
enum { NOTHING = 0, AVX = 0x6, AVX512 = 0xe6, AMX = 0x60000, PKRU = 0x200 };

/* Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E. */
static const struct feature {
    const char *name;
    uint32_t leaf, subleaf;
    uint8_t reg, bit;
    uint32_t state;
} features[] = {
    /* clang-format off */
    {"sse3", 1, 0, ECX, 0, NOTHING}, {"pclmulqdq", 1, 0, ECX, 1, NOTHING}, {"ssse3", 1, 0, ECX, 9, NOTHING},
    {"fma", 1, 0, ECX, 12, AVX}, {"cx16", 1, 0, ECX, 13, NOTHING}, {"sse4_1", 1, 0, ECX, 19, NOTHING},
    {"sse4_2", 1, 0, ECX, 20, NOTHING}, {"movbe", 1, 0, ECX, 22, NOTHING}, {"popcnt", 1, 0, ECX, 23, NOTHING},
    {"aes", 1, 0, ECX, 25, NOTHING}, {"xsave", 1, 0, ECX, 27, NOTHING}, {"avx", 1, 0, ECX, 28, AVX},
    {"f16c", 1, 0, ECX, 29, AVX}, {"rdrand", 1, 0, ECX, 30, NOTHING},
    {"fsgsbase", 7, 0, EBX, 0, NOTHING}, {"bmi1", 7, 0, EBX, 3, NOTHING}, {"hle", 7, 0, EBX, 4, NOTHING},
    {"avx2", 7, 0, EBX, 5, AVX}, {"bmi2", 7, 0, EBX, 8, NOTHING}, {"rtm", 7, 0, EBX, 11, NOTHING},
    {"avx512f", 7, 0, EBX, 16, AVX512}, {"avx512dq", 7, 0, EBX, 17, AVX512}, {"rdseed", 7, 0, EBX, 18, NOTHING},
    {"adx", 7, 0, EBX, 19, NOTHING}, {"avx512ifma", 7, 0, EBX, 21, AVX512}, {"clflushopt", 7, 0, EBX, 23, NOTHING},
    {"clwb", 7, 0, EBX, 24, NOTHING}, {"avx512cd", 7, 0, EBX, 28, AVX512}, {"sha_ni", 7, 0, EBX, 29, NOTHING},
    {"avx512bw", 7, 0, EBX, 30, AVX512}, {"avx512vl", 7, 0, EBX, 31, AVX512},
    {"avx512vbmi", 7, 0, ECX, 1, AVX512}, {"pku", 7, 0, ECX, 4, PKRU}, {"avx512_vbmi2", 7, 0, ECX, 6, AVX512},
    {"gfni", 7, 0, ECX, 8, NOTHING}, {"vaes", 7, 0, ECX, 9, AVX}, {"vpclmulqdq", 7, 0, ECX, 10, AVX},
    {"avx512_vnni", 7, 0, ECX, 11, AVX512}, {"avx512_bitalg", 7, 0, ECX, 12, AVX512},
    {"avx512_vpopcntdq", 7, 0, ECX, 14, AVX512}, {"rdpid", 7, 0, ECX, 22, NOTHING},
    {"movdiri", 7, 0, ECX, 27, NOTHING}, {"movdir64b", 7, 0, ECX, 28, NOTHING},
    {"avx512_vp2intersect", 7, 0, EDX, 8, AVX512}, {"serialize", 7, 0, EDX, 14, NOTHING},
    {"amx_bf16", 7, 0, EDX, 22, AMX}, {"avx512_fp16", 7, 0, EDX, 23, AVX512}, {"amx_tile", 7, 0, EDX, 24, AMX},
    {"amx_int8", 7, 0, EDX, 25, AMX},
    {"sha512", 7, 1, EAX, 0, AVX}, {"avx_vnni", 7, 1, EAX, 4, AVX}, {"avx512_bf16", 7, 1, EAX, 5, AVX512},
    {"avx_ifma", 7, 1, EAX, 23, AVX}, {"avx_vnni_int8", 7, 1, EDX, 4, AVX},
    {"xsaveopt", 13, 1, EAX, 0, NOTHING}, {"xsavec", 13, 1, EAX, 1, NOTHING},
    {"lahf_lm", 0x80000001, 0, ECX, 0, NOTHING}, {"abm", 0x80000001, 0, ECX, 5, NOTHING},
    {"sse4a", 0x80000001, 0, ECX, 6, NOTHING}, {"3dnowprefetch", 0x80000001, 0, ECX, 8, NOTHING},
    {"xop", 0x80000001, 0, ECX, 11, AVX}, {"fma4", 0x80000001, 0, ECX, 16, AVX},
    {"tbm", 0x80000001, 0, ECX, 21, NOTHING}, {"rdtscp", 0x80000001, 0, EDX, 27, NOTHING},
    /* clang-format on */
};
#define FEATURES (sizeof(features) / sizeof(features[0]))

static uint64_t saved_state(void) {
    enum { OSXSAVE = 1 << 27 };
    uint32_t a, b, c = 0, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool is_here(const struct feature *feature) {
    uint32_t values[4] = {0};
    if (!__get_cpuid_count(feature->leaf, feature->subleaf, &values[EAX], &values[EBX], &values[ECX],
                           &values[EDX]))
        return false;
    return values[feature->reg] >> feature->bit & 1 && (saved_state() & feature->state) == feature->state;
}

char **cpu_features_here(void) {
    char **names = calloc(FEATURES + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; names && i < FEATURES; i++) {
        if (!is_here(&features[i]))
            continue;
        if (!(names[count] = strdup(features[i].name))) {
            while (count)
                free(names[--count]);
            free(names);
            return NULL;
        }
        count++;
    }
    return names;
}

static bool has(const char *name) {
    for (size_t i = 0; i < FEATURES; i++)
        if (!strcmp(features[i].name, name))
            return is_here(&features[i]);
    return false;
}

/* As many names as there is room for. */
static void add_name(char *list, size_t room, const char *name) {
    size_t used = strlen(list);
    if (used + strlen(name) + 3 <= room)
        strcat(strcat(list, used ? ", " : ""), name);
}

struct error *cpu_features_check(char *const *names, const char *what) {
    char missing[256] = "";
    const char *any = getenv("REEL_ANY_CPU");
    size_t count = 0;
    for (; names && *names; names++)
        if (!has(*names)) {
            add_name(missing, sizeof(missing), *names);
            count++;
        }
    if (!count || (any && !strcmp(any, "1")))
        return NULL;
    return error_hint(
        error_new(ERROR_UNSUPPORTED, "%s: it was recorded on a processor with %s, which this one lacks", what,
                  *missing ? missing : "features of unknown names"),
        "replay it on a machine that has that; with REEL_ANY_CPU=1 in the environment it is tried");
}
