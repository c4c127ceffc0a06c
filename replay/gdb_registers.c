#include "replay/gdb_registers.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

enum place {
    PLACE_GENERAL, /* at offset in struct user_regs_struct */
    PLACE_XSTATE,  /* at offset in the XSAVE area */
    PLACE_TAG,     /* the x87 tag word, which is kept abridged there */
};

enum feature { CORE, SSE, LINUX, SEGMENTS, AVX, AVX512, FEATURE_COUNT };

static const struct {
    const char *name, *types;
} features[FEATURE_COUNT] = {
    [CORE] =
        {"core",
         "<flags id=\"i386_eflags\" size=\"4\">"
         "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
         "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
         "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
         "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
         "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
         "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"ID\" start=\"21\" end=\"21\"/></flags>"},
    [SSE] =
        {"sse",
         "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
         "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
         "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
         "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
         "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
         "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
         "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
         "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
         "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/>"
         "<field name=\"DE\" start=\"1\" end=\"1\"/><field name=\"ZE\" start=\"2\" end=\"2\"/>"
         "<field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
         "<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/>"
         "<field name=\"IM\" start=\"7\" end=\"7\"/><field name=\"DM\" start=\"8\" end=\"8\"/>"
         "<field name=\"ZM\" start=\"9\" end=\"9\"/><field name=\"OM\" start=\"10\" end=\"10\"/>"
         "<field name=\"UM\" start=\"11\" end=\"11\"/><field name=\"PM\" start=\"12\" end=\"12\"/>"
         "<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>"},
    [LINUX] = {"linux", ""},
    [SEGMENTS] = {"segments", ""},
    [AVX] = {"avx", ""},
    [AVX512] = {"avx512",
                "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
                "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
                "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
                "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
                "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
                "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
                "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
                "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
                "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
                "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
                "<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>"},
};

/* A family of registers: its name with %d for the number, from `first` on. */
struct family {
    enum feature feature;
    const char *name, *type;
    unsigned first, count;
    unsigned size; /* bytes, as gdb sees it */
    enum place place;
    unsigned component; /* of the XSAVE area; 0 and 1 are always there, at fixed places */
    unsigned offset;    /* in user_regs_struct, or in the component */
    unsigned stride;
    unsigned stored; /* bytes there */
};

#define REGS(field) (unsigned)offsetof(struct user_regs_struct, field)
#define GENERAL(feature, name, type, size)                                                                   \
    { feature, #name, type, 0, 1, size, PLACE_GENERAL, 0, REGS(name), 0, size }
#define X87(name, offset, stored)                                                                            \
    { CORE, name, "int", 0, 1, 4, PLACE_XSTATE, 0, offset, 0, stored }

static const struct family families[] = {
    GENERAL(CORE, rax, "int64", 8),
    GENERAL(CORE, rbx, "int64", 8),
    GENERAL(CORE, rcx, "int64", 8),
    GENERAL(CORE, rdx, "int64", 8),
    GENERAL(CORE, rsi, "int64", 8),
    GENERAL(CORE, rdi, "int64", 8),
    GENERAL(CORE, rbp, "data_ptr", 8),
    GENERAL(CORE, rsp, "data_ptr", 8),
    GENERAL(CORE, r8, "int64", 8),
    GENERAL(CORE, r9, "int64", 8),
    GENERAL(CORE, r10, "int64", 8),
    GENERAL(CORE, r11, "int64", 8),
    GENERAL(CORE, r12, "int64", 8),
    GENERAL(CORE, r13, "int64", 8),
    GENERAL(CORE, r14, "int64", 8),
    GENERAL(CORE, r15, "int64", 8),
    GENERAL(CORE, rip, "code_ptr", 8),
    GENERAL(CORE, eflags, "i386_eflags", 4),
    GENERAL(CORE, cs, "int32", 4),
    GENERAL(CORE, ss, "int32", 4),
    GENERAL(CORE, ds, "int32", 4),
    GENERAL(CORE, es, "int32", 4),
    GENERAL(CORE, fs, "int32", 4),
    GENERAL(CORE, gs, "int32", 4),
    {CORE, "st%d", "i387_ext", 0, 8, 10, PLACE_XSTATE, 0, 32, 16, 10},
    X87("fctrl", 0, 2),
    X87("fstat", 2, 2),
    {CORE, "ftag", "int", 0, 1, 4, PLACE_TAG, 0, 4, 0, 1},
    X87("fiseg", 12, 2),
    X87("fioff", 8, 4),
    X87("foseg", 20, 2),
    X87("fooff", 16, 4),
    X87("fop", 6, 2),
    {SSE, "xmm%d", "vec128", 0, 16, 16, PLACE_XSTATE, 1, 160, 16, 16},
    {SSE, "mxcsr", "i386_mxcsr", 0, 1, 4, PLACE_XSTATE, 1, 24, 0, 4},
    GENERAL(LINUX, orig_rax, "int", 8),
    GENERAL(SEGMENTS, fs_base, "int", 8),
    GENERAL(SEGMENTS, gs_base, "int", 8),
    {AVX, "ymm%dh", "uint128", 0, 16, 16, PLACE_XSTATE, 2, 0, 16, 16},
    {AVX512, "xmm%d", "vec128", 16, 16, 16, PLACE_XSTATE, 7, 0, 64, 16},
    {AVX512, "ymm%dh", "uint128", 16, 16, 16, PLACE_XSTATE, 7, 16, 64, 16},
    {AVX512, "k%d", "uint64", 0, 8, 8, PLACE_XSTATE, 5, 0, 8, 8},
    {AVX512, "zmm%dh", "v2ui128", 0, 16, 32, PLACE_XSTATE, 6, 0, 32, 32},
    {AVX512, "zmm%dh", "v2ui128", 16, 16, 32, PLACE_XSTATE, 7, 32, 64, 32},
};
#define FAMILY_COUNT (sizeof(families) / sizeof(families[0]))

/* ---- the XSAVE area ---- */

/* Where a component begins; 0: this processor has none. Those below 2 are addressed from the area's
 * beginning. */
static unsigned component_start(unsigned component) {
    unsigned eax, ebx, ecx, edx;
    if (component < 2)
        return 0;
    if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) || !(eax >> component & 1))
        return 0;
    return __get_cpuid_count(0xd, component, &eax, &ebx, &ecx, &edx) ? ebx : 0;
}

static bool has_feature(enum feature feature) {
    if (feature == AVX)
        return component_start(2) != 0;
    return feature != AVX512 || (component_start(5) && component_start(6) && component_start(7));
}

static size_t place_of(const struct family *family, size_t index) {
    return component_start(family->component) + family->offset + family->stride * index;
}

/* The family of a register, and which of it. */
static const struct family *find(size_t number, size_t *ret_index) {
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        const struct family *family = &families[i];
        if (!has_feature(family->feature))
            continue;
        if (number < family->count) {
            *ret_index = number;
            return family;
        }
        number -= family->count;
    }
    return NULL;
}

size_t gdb_register_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (has_feature(families[i].feature))
            count += families[i].count;
    return count;
}

size_t gdb_register_size(size_t number) {
    size_t index;
    const struct family *family = find(number, &index);
    return family ? family->size : 0;
}

/* ---- the description ---- */

static void put_text(struct buffer *xml, const char *text) {
    buffer_put(xml, text, strlen(text));
}

static void describe_family(const struct family *family, struct buffer *xml) {
    for (unsigned i = 0; i < family->count; i++) {
        char name[16], text[160];
        /* the format is one of the table's */
        const char *percent = strchr(family->name, '%');
        if (percent)
            snprintf(name, sizeof(name), "%.*s%u%s", (int)(percent - family->name), family->name,
                     family->first + i, percent + 2);
        else
            snprintf(name, sizeof(name), "%s", family->name);
        snprintf(text, sizeof(text), "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", name, family->size * 8,
                 family->type);
        put_text(xml, text);
    }
}

void gdb_register_describe(struct buffer *xml) {
    put_text(xml, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
                  "<architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi>");
    for (enum feature feature = 0; feature < FEATURE_COUNT; feature++) {
        if (!has_feature(feature))
            continue;
        put_text(xml, "<feature name=\"org.gnu.gdb.i386.");
        put_text(xml, features[feature].name);
        put_text(xml, "\">");
        put_text(xml, features[feature].types);
        for (size_t i = 0; i < FAMILY_COUNT; i++)
            if (families[i].feature == feature)
                describe_family(&families[i], xml);
        put_text(xml, "</feature>");
    }
    put_text(xml, "</target>");
}

/* ---- values ---- */

/* What the full tag word says of a register that holds this: valid, zero, special. */
static unsigned tag_of(const uint8_t value[10]) {
    unsigned exponent = (value[8] | (unsigned)value[9] << 8) & 0x7fff;
    uint64_t mantissa;
    memcpy(&mantissa, value, sizeof(mantissa));
    if (!exponent && !mantissa)
        return 1;
    return exponent && exponent != 0x7fff && mantissa >> 63 ? 0 : 2;
}

/* Intel SDM volume 1, 10.5.1.1: the abridged tag has a bit for each physical register that is in use. */
static unsigned full_tag(const uint8_t *xstate) {
    unsigned top = (xstate[3] >> 3) & 7, tag = 0;
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *value = xstate + 32 + 16 * (size_t)((i - top) & 7);
        tag |= (xstate[4] >> i & 1 ? tag_of(value) : 3) << (2 * i);
    }
    return tag;
}

size_t gdb_register_get(size_t number, const struct user_regs_struct *regs, const uint8_t *xstate,
                        size_t xstate_size, uint8_t ret[GDB_REGISTER_MOST]) {
    size_t index;
    const struct family *family = find(number, &index);
    if (!family)
        return 0;
    memset(ret, 0, GDB_REGISTER_MOST);
    size_t place = place_of(family, index);
    if (family->place == PLACE_GENERAL) {
        memcpy(ret, (const uint8_t *)regs + place, family->size);
    } else if (xstate_size >= 576 && place + family->stored <= xstate_size) {
        unsigned tag = full_tag(xstate);
        if (family->place == PLACE_TAG)
            memcpy(ret, &tag, sizeof(tag));
        else
            memcpy(ret, xstate + place, family->stored);
    }
    return family->size;
}

bool gdb_register_set(size_t number, const uint8_t *bytes, struct user_regs_struct *regs, uint8_t *xstate,
                      size_t xstate_size) {
    size_t index;
    const struct family *family = find(number, &index);
    if (!family)
        return false;
    size_t place = place_of(family, index);
    if (family->place == PLACE_GENERAL) {
        memcpy((uint8_t *)regs + place, bytes, family->size);
        return true;
    }
    if (xstate_size < 576 || place + family->stored > xstate_size)
        return false;
    if (family->place == PLACE_TAG) {
        xstate[4] = 0;
        for (unsigned i = 0; i < 8; i++)
            if ((((unsigned)bytes[0] | (unsigned)bytes[1] << 8) >> (2 * i) & 3) != 3)
                xstate[4] = (uint8_t)(xstate[4] | 1u << i);
    } else {
        memcpy(xstate + place, bytes, family->stored);
    }
    xstate[512] = (uint8_t)(xstate[512] | 1u << family->component); /* XSTATE_BV: it is in use */
    return true;
}
