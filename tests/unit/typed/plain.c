/* Values of C, and what they look like. */
#include <complex.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uchar.h>
#include <wchar.h>

typedef void (*say_function)(const char *variable, const char *json);
void expect(say_function say);

char v_char = 'x', v_quote = '"', v_nul = 0, v_high = (char)0xe4;
signed char v_schar = -5;
unsigned char v_uchar = 200;
short v_short = -1234;
unsigned short v_ushort = 65535;
int v_int = -42;
unsigned v_unsigned = 4000000000u;
long v_long = LONG_MIN;
unsigned long long v_ull = ULLONG_MAX;
__int128 v_i128 = -((__int128)1 << 100);
unsigned __int128 v_u128 = ~(unsigned __int128)0;
_Bool v_true = 1, v_false = 0;
float v_float = 0.1f, v_float_whole = 8;
double v_double = 0.1, v_double_big = 1e300, v_double_third = 1.0 / 3;
long double v_ldouble = 0.1L, v_ldouble_huge = 1e4000L;
double v_nan, v_inf, v_minus_inf;
double _Complex v_complex = 1.5 + 2.5 * I;
float _Complex v_fcomplex = 1.25f - 3.0f * I;
enum color { RED, GREEN = 5, BLUE = -1 };
enum color v_color = GREEN, v_color_negative = BLUE, v_color_odd = (enum color)77;
enum flags { READ = 1, WRITE = 2, EXECUTE = 4, ALL = 7 };
enum flags v_flags = READ | EXECUTE, v_flags_all = ALL, v_flags_more = READ | 0x40;
const char *v_string = "hello \"w\\orld\"\n\t\x01\x7f";
const char *v_latin = "caf\xe9 na\xc3\xafve";
const char *v_null_string = NULL;
const char *v_bad_string = (const char *)8;
const char *v_empty = "";
char v_buffer[8] = "abc";
char v_full[3] = {'a', 'b', 'c'};
char v_names[2][6] = {"one", "two"};
const wchar_t *v_wide = L"w\x00e4\x4e2d";
wchar_t v_wide_array[4] = L"ab";
const char16_t *v_u16 = u"\x00e9\xd83d\xde00";
const char32_t *v_u32 = U"\x1f600";
char16_t v_c16 = u'\x00e9';
void *v_void, *v_pointer = &v_int;
int *v_int_pointer = &v_int;
int (*v_function)(const char *) = puts;
int v_array[3] = {1, 2, 3};
int v_matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
int v_zero_array[0];
uint8_t v_bytes[3] = {1, 2, 255};
struct point {
    int x, y;
};
struct point v_point = {3, -4};
const volatile struct point v_const_point = {5, 6};
struct point v_points[2] = {{1, 2}, {3, 4}};
struct point *v_point_pointer = &v_point;
struct bits {
    unsigned a : 3;
    int b : 5;
    unsigned long long c : 40;
    _Bool d : 1;
    enum color e : 4;
    int : 7;
    unsigned f : 9;
};
struct bits v_bits = {5, -9, 0x8123456789, 1, GREEN, 300};
struct __attribute__((packed)) packed {
    char a;
    int b;
    unsigned c : 5, d : 30;
    short e;
};
struct packed v_packed = {'p', 1 << 20, 17, 0x3abcdef1, -7};
union either {
    int i;
    unsigned char bytes[4];
};
union either v_union = {0x01020304};
struct outer {
    int before;
    struct {
        int in_struct;
        union {
            int in_union;
            float as_float;
        };
    };
    struct point nested[2];
    struct outer *next;
    char name[5];
    int (*call)(void);
} v_outer;
struct flexible {
    int count;
    int items[];
};
struct flexible v_flexible = {1};
struct empty {
} v_struct_empty;
typedef int vector __attribute__((vector_size(16)));
vector v_vector = {1, 2, 3, 4};
typedef struct point point_t;
typedef const point_t *point_reference;
point_t v_typedef = {7, 8};
point_reference v_typedef_pointer;
struct self {
    struct self *self;
    int value;
} v_self;
struct unknown;
struct unknown *v_unknown;
int32_t v_i32 = 7;
size_t v_size = 99;

/* ---- what it looks like ---- */

static char text[4096];
#define SAY(variable, ...) (snprintf(text, sizeof(text), __VA_ARGS__), say(variable, text))

static void numbers(say_function say) {
    SAY("v_char", "\"%c\"", v_char);
    SAY("v_quote", "\"\\%c\"", v_quote);
    SAY("v_nul", "\"\\u%04x\"", v_nul);
    SAY("v_high", "\"\\u%04x\"", (unsigned char)v_high);
    SAY("v_schar", "%d", v_schar);
    SAY("v_uchar", "%d", v_uchar);
    SAY("v_short", "%d", v_short);
    SAY("v_ushort", "%d", v_ushort);
    SAY("v_int", "%d", v_int);
    SAY("v_unsigned", "%u", v_unsigned);
    SAY("v_long", "%ld", v_long);
    SAY("v_ull", "%llu", v_ull);
    SAY("v_i128", "-1267650600228229401496703205376");
    SAY("v_u128", "340282366920938463463374607431768211455");
    SAY("v_true", "%s", v_true ? "true" : "false");
    SAY("v_false", "%s", v_false ? "true" : "false");
    SAY("v_float", "%g", v_float);
    SAY("v_float_whole", "%.1f", v_float_whole);
    SAY("v_double", "%g", v_double);
    SAY("v_double_big", "%g", v_double_big);
    SAY("v_double_third", "%.16g", v_double_third);
    SAY("v_ldouble", "%Lg", v_ldouble);
    SAY("v_ldouble_huge", "%Lg", v_ldouble_huge);
    SAY("v_nan", "\"nan\"");
    SAY("v_inf", "\"inf\"");
    SAY("v_minus_inf", "\"-inf\"");
    SAY("v_complex", "{\"real\": %.1f, \"imag\": %.1f}", creal(v_complex), cimag(v_complex));
    SAY("v_fcomplex", "{\"real\": %.2f, \"imag\": %.1f}", crealf(v_fcomplex), cimagf(v_fcomplex));
    SAY("v_color", "\"GREEN\"");
    SAY("v_color_negative", "\"BLUE\"");
    SAY("v_color_odd", "%d", (int)v_color_odd);
    SAY("v_flags", "\"READ | EXECUTE\"");
    SAY("v_flags_all", "\"ALL\"");
    SAY("v_flags_more", "\"READ | 0x40\"");
    SAY("v_i32", "%d", v_i32);
    SAY("v_size", "%zu", v_size);
    SAY("v_c16", "\"\xc3\xa9\"");
}

static void strings(say_function say) {
    SAY("v_string", "\"hello \\\"w\\\\orld\\\"\\n\\t\\u0001\x7f\"");
    SAY("v_latin", "\"caf\\u00e9 na\xc3\xafve\"");
    SAY("v_null_string", "null");
    SAY("v_bad_string", "\"<unreadable>\"");
    SAY("v_empty", "\"%s\"", v_empty);
    SAY("v_buffer", "\"%s\"", v_buffer);
    SAY("v_full", "\"%.3s\"", v_full);
    SAY("v_names", "[\"%s\", \"%s\"]", v_names[0], v_names[1]);
    SAY("v_wide", "\"w\xc3\xa4\xe4\xb8\xad\"");
    SAY("v_wide_array", "\"%ls\"", v_wide_array);
    SAY("v_u16", "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    SAY("v_u32", "\"\xf0\x9f\x98\x80\"");
}

static void pointers(say_function say) {
    SAY("v_void", "null");
    SAY("v_pointer", "\"%p\"", v_pointer);
    SAY("v_int_pointer", "\"%p\"", (void *)v_int_pointer);
    void *address;
    memcpy(&address, &v_function, sizeof(address));
    SAY("v_function", "\"%p\"", address);
    SAY("v_point_pointer", "\"%p\"", (void *)v_point_pointer);
    SAY("v_unknown", "null");
    SAY("v_typedef_pointer", "\"%p\"", (const void *)v_typedef_pointer);
}

static void aggregates(say_function say) {
    SAY("v_array", "[%d, %d, %d]", v_array[0], v_array[1], v_array[2]);
    SAY("v_matrix", "[[%d, %d, %d], [%d, %d, %d]]", v_matrix[0][0], v_matrix[0][1], v_matrix[0][2], v_matrix[1][0],
        v_matrix[1][1], v_matrix[1][2]);
    SAY("v_zero_array", "[]");
    SAY("v_bytes", "[%d, %d, %d]", v_bytes[0], v_bytes[1], v_bytes[2]);
    SAY("v_point", "{\"x\": %d, \"y\": %d}", v_point.x, v_point.y);
    SAY("v_const_point", "{\"x\": %d, \"y\": %d}", v_const_point.x, v_const_point.y);
    SAY("v_points", "[{\"x\": %d, \"y\": %d}, {\"x\": %d, \"y\": %d}]", v_points[0].x, v_points[0].y, v_points[1].x,
        v_points[1].y);
    SAY("v_bits", "{\"a\": %u, \"b\": %d, \"c\": %llu, \"d\": %s, \"e\": \"GREEN\", \"f\": %u}", v_bits.a, v_bits.b,
        (unsigned long long)v_bits.c, v_bits.d ? "true" : "false", v_bits.f);
    SAY("v_packed", "{\"a\": \"%c\", \"b\": %d, \"c\": %u, \"d\": %u, \"e\": %d}", v_packed.a, v_packed.b, v_packed.c,
        v_packed.d, v_packed.e);
    SAY("v_union", "{\"i\": %d, \"bytes\": [%d, %d, %d, %d]}", v_union.i, v_union.bytes[0], v_union.bytes[1],
        v_union.bytes[2], v_union.bytes[3]);
    SAY("v_outer",
        "{\"before\": %d, \"in_struct\": %d, \"in_union\": %d, \"as_float\": %.1f, \"nested\": [{\"x\": %d, \"y\": %d}, "
        "{\"x\": %d, \"y\": %d}], \"next\": \"%p\", \"name\": \"%s\", \"call\": null}",
        v_outer.before, v_outer.in_struct, v_outer.in_union, (double)v_outer.as_float, v_outer.nested[0].x,
        v_outer.nested[0].y, v_outer.nested[1].x, v_outer.nested[1].y, (void *)v_outer.next, v_outer.name);
    SAY("v_flexible", "{\"count\": %d, \"items\": \"<unknown size>\"}", v_flexible.count);
    SAY("v_struct_empty", "{}");
    SAY("v_vector", "[%d, %d, %d, %d]", v_vector[0], v_vector[1], v_vector[2], v_vector[3]);
    SAY("v_typedef", "{\"x\": %d, \"y\": %d}", v_typedef.x, v_typedef.y);
    SAY("v_self", "{\"self\": \"%p\", \"value\": %d}", (void *)v_self.self, v_self.value);
}

void expect(say_function say) {
    v_nan = __builtin_nan("");
    v_inf = __builtin_inf();
    v_minus_inf = -v_inf;
    v_outer = (struct outer){.before = 1, .in_struct = 2, .nested = {{1, 2}, {3, 4}}, .next = &v_outer, .name = "abcd"};
    v_outer.as_float = 0.5f;
    v_typedef_pointer = &v_typedef;
    v_self.self = &v_self;
    v_self.value = 9;
    numbers(say);
    strings(say);
    pointers(say);
    aggregates(say);
}
