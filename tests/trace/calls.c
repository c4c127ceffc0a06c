/* Recursion, many and variable arguments, function pointers, early returns. */
#include "say.h"

#include <stdarg.h>

CALLED int factorial(int n) {
    EXPECT("call factorial n=%d", n);
    int result = n <= 1 ? 1 : n * factorial(n - 1);
    EXPECT("return factorial %d", result);
    return result;
}

CALLED int odd(unsigned n);
CALLED int even(unsigned n) {
    EXPECT("call even n=%u", n);
    int result = n == 0 ? 1 : odd(n - 1);
    EXPECT("return even %d", result);
    return result;
}
CALLED int odd(unsigned n) {
    EXPECT("call odd n=%u", n);
    int result = n == 0 ? 0 : even(n - 1);
    EXPECT("return odd %d", result);
    return result;
}

CALLED long many(int a, int b, int c, int d, int e, int f, int g, long h, double x, char i, const char *j) {
    EXPECT("call many a=%d b=%d c=%d d=%d e=%d f=%d g=%d h=%ld x=%.17g i=\"%c\" j=\"%s\"", a, b, c, d, e, f, g, h, x,
           i, j);
    long result = a + b + c + d + e + f + g + h;
    EXPECT("return many %ld", result);
    return result;
}

CALLED double nine(double a, double b, double c, double d, double e, double f, double g, double h, double i, float j) {
    EXPECT("call nine a=%g b=%g c=%g d=%g e=%g f=%g g=%g h=%g i=%g j=%g", a, b, c, d, e, f, g, h, i, j);
    EXPECT("return nine %.17g", h + i + j);
    return h + i + j;
}

CALLED int sum(int count, ...) {
    EXPECT("call sum count=%d", count);
    va_list list;
    int total = 0;
    va_start(list, count);
    for (int i = 0; i < count; i++)
        total += va_arg(list, int);
    va_end(list);
    EXPECT("return sum %d", total);
    return total;
}

static CALLED int twice(int x) {
    EXPECT("call twice x=%d", x);
    EXPECT("return twice %d", 2 * x);
    return 2 * x;
}
static CALLED int square(int x) {
    EXPECT("call square x=%d", x);
    EXPECT("return square %d", x * x);
    return x * x;
}
CALLED int apply(int (*function)(int), int x) {
    EXPECT("call apply function=\"%p\" x=%d", (void *)function, x);
    int result = function(x);
    EXPECT("return apply %d", result);
    return result;
}

CALLED int early(int x) {
    EXPECT("call early x=%d", x);
    if (x < 0) {
        EXPECT("return early -1");
        return -1;
    }
    if (x == 0) {
        EXPECT("return early 0");
        return 0;
    }
    EXPECT("return early %d", x + 100);
    return x + 100;
}

CALLED void nothing(void) {
    EXPECT("call nothing");
    EXPECT("return nothing");
}

int main(void) {
    EXPECT("call main");
    factorial(5);
    even(4);
    odd(3);
    many(1, 2, 3, 4, 5, 6, -7, 1l << 40, 0.5, '!', "last");
    nine(1, 2, 3, 4, 5, 6, 7, 8, 9.5, 10.25f);
    sum(3, 10, 20, 30);
    sum(0);
    apply(twice, 4);
    apply(square, -5);
    early(-5);
    early(0);
    early(5);
    nothing();
    EXPECT("return main 3");
    return 3;
}
