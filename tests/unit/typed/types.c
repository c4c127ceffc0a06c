/* Types of C: what the compiler itself says of them. */
#include <stddef.h>
#include <stdio.h>

typedef void (*say_function)(const char *variable, const char *text);
void expect(say_function say);

struct plain {
    char first;
    int second;
    short third[3];
    double fourth;
};
struct bits {
    unsigned low : 3, middle : 7;
    int negative : 5;
    unsigned long wide : 40;
};
union both {
    int number;
    char bytes[12];
};
struct inside {
    struct {
        int a, b;
    };
    union {
        long c;
        char d;
    };
    struct plain *next;
};
struct flexible {
    int count;
    long items[];
};
struct hidden;
struct aligned {
    char small;
    int large __attribute__((aligned(32)));
};
typedef const struct plain *plain_pointer;

struct plain v_plain;
struct bits v_bits;
union both v_both;
struct inside v_inside;
struct flexible v_flexible;
struct aligned v_aligned;
struct hidden *v_hidden;
plain_pointer v_pointer;
const volatile int v_qualified = 1;
const int *const v_constant = 0;
int v_matrix[2][3];
char v_empty[0];
int *(*v_function)(const char *, int (*)[4]);
int (*v_table[5])(void);
__int128 v_large;
long double v_extended;
_Bool v_truth;

#define SIZE(variable)                                                                                       \
    do {                                                                                                     \
        snprintf(text, sizeof(text), "%zu/%zu", sizeof(variable), __alignof__(variable));                    \
        say("size " #variable, text);                                                                        \
    } while (0)
#define MEMBER(variable, type, member)                                                                       \
    do {                                                                                                     \
        snprintf(text, sizeof(text), "%zu", offsetof(type, member));                                         \
        say("member " #variable " " #member, text);                                                          \
    } while (0)

void expect(say_function say) {
    char text[64];
    SIZE(v_plain);
    SIZE(v_bits);
    SIZE(v_both);
    SIZE(v_inside);
    SIZE(v_flexible);
    SIZE(v_aligned);
    SIZE(v_hidden);
    SIZE(v_pointer);
    SIZE(v_qualified);
    SIZE(v_matrix);
    SIZE(v_function);
    SIZE(v_table);
    SIZE(v_large);
    SIZE(v_extended);
    SIZE(v_truth);
    MEMBER(v_plain, struct plain, first);
    MEMBER(v_plain, struct plain, second);
    MEMBER(v_plain, struct plain, third);
    MEMBER(v_plain, struct plain, fourth);
    MEMBER(v_both, union both, bytes);
    MEMBER(v_inside, struct inside, next);
    MEMBER(v_aligned, struct aligned, large);
    say("name v_plain", "struct plain");
    say("name v_pointer", "plain_pointer");
    say("name v_matrix", "int [2][3]");
    say("name v_constant", "const int *const");
    say("name v_function", "int *(*)(const char *, int (*)[4])");
    say("name v_table", "int (*[5])(void)");
    say("name v_hidden", "struct hidden *");
    say("bits v_bits low", "0+3");
    say("bits v_bits middle", "3+7");
    say("bits v_bits negative", "10+5");
    say("bits v_bits wide", "15+40");
}
