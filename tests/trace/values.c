/* Scalars, pointers and strings as arguments, locals and return values. */
#include "say.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum color { RED, GREEN = 5, BLUE };
enum flags { F_READ = 1, F_WRITE = 2, F_EXEC = 4 };

CALLED int integers(signed char c, unsigned char u, short s, int i, long l, unsigned long long m) {
    EXPECT("call integers c=%d u=%u s=%d i=%d l=%ld m=%llu", c, u, s, i, l, m);
    int result = c + u + s + i;
    EXPECT("assign integers.result %d", result);
    EXPECT("return integers %d", result);
    return result;
}

CALLED enum color others(enum color color, enum flags flags, bool yes, bool no, char letter) {
    EXPECT("call others color=\"%s\" flags=\"F_READ | F_EXEC\" yes=%s no=%s letter=\"%c\"",
           color == GREEN ? "GREEN" : "?", BOOL(yes), BOOL(no), letter);
    if (flags != (F_READ | F_EXEC))
        abort();
    enum color result = BLUE;
    KEEP(result);
    EXPECT("return others \"BLUE\"");
    return result;
}

CALLED double floats(float f, double d, long double l, float g) {
    EXPECT("call floats f=%.9g d=%.17g l=%.21Lg g=%.9g", f, d, l, g);
    double result = f + d + (double)l + g;
#ifndef __OPTIMIZE__ /* gcc 12 gives result the place of what l is converted to */
    EXPECT("assign floats.result %.17g", result);
#endif
    EXPECT("return floats %.17g", result);
    return result;
}

CALLED float single(float f) {
    EXPECT("call single f=%.9g", f);
    float result = f * 3;
    EXPECT("return single %.9g", result);
    return result;
}

CALLED long double extended(long double l) {
    EXPECT("call extended l=%.21Lg", l);
    long double result = l / 4;
    EXPECT("return extended %.21Lg", result);
    return result;
}

CALLED double strange(double nan, double infinite) {
    EXPECT("call strange nan=\"nan\" infinite=\"-inf\"");
    if (nan == nan || infinite > 0)
        abort();
    EXPECT("return strange \"inf\"");
    return -infinite;
}

CALLED bool truth(int x) {
    bool result = x > 2;
    EXPECT("call truth x=%d", x);
    EXPECT("return truth %s", BOOL(result));
    return result;
}

CALLED const char *strings(const char *text, char *nothing, const char *long_text, const int *number, void *any) {
    EXPECT("call strings text=\"%s\" nothing=null long_text=\"%.200s...\" number=\"%p\" any=\"%p\"", text, long_text,
           (const void *)number, any);
    const char *result = text + 1;
    if (nothing)
        abort();
    EXPECT("assign strings.result \"%s\"", result);
    EXPECT("return strings \"%s\"", result);
    return result;
}

CALLED char *bad(const char *text) {
    EXPECT("call bad text=\"<unreadable>\"");
    EXPECT("return bad \"a\\\"b\\\\\\u0001\\u00ff\"");
    static char odd[] = "a\"b\\\1\xff";
    return text ? odd : NULL;
}

CALLED __int128 large(__int128 x) {
    EXPECT("call large x=36893488147419103237");
    x = -x;
    EXPECT("return large -36893488147419103237");
    return x;
}

int main(void) {
    char long_text[301] = {0};
    int number = 7;
    memset(long_text, 'x', 300);
    long_text[300] = 0;
    integers(-1, 200, -3000, INT_MIN + 5000, LONG_MIN, ULLONG_MAX);
    integers(127, 0, 1, 2, -3, 4);
    others(GREEN, F_READ | F_EXEC, true, false, 'q');
    floats(1.1f, DBL_MAX / 4, 0.1L, FLT_MIN);
    floats(-0.5f, 1e-300, 1e300L, 3.0f);
    single(2.25f);
    extended(1e4000L);
    extended(3.0L);
    strange(NAN, -INFINITY);
    truth(2);
    truth(3);
    strings("word", NULL, long_text, &number, long_text);
    bad((const char *)16);
    large(((__int128)1 << 65) + 5);
    return 0;
}
