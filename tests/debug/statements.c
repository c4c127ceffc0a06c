/* A little of everything that a statement can be, without waiting for anybody. */
#include <stdio.h>

static int depth;

static int fibonacci(int n) {
    int result;
    depth++; /* begins */
    if (n < 2)
        result = n;
    else
        result = fibonacci(n - 1) + fibonacci(n - 2);
    depth--;
    return result;
}

static int classify(int n) {
    switch (n % 3) {
    case 0:
        return 'a';
    case 1:
        return 'b';
    default:
        return 'c';
    }
}

int main(void) {
    char text[8];
    double half = 1; /* first */
    int sum = 0;
    for (int i = 0; i < 4; i++) {
        text[i] = (char)classify(i);
        sum += fibonacci(i);
        half = half / 2 + sum;
    }
    text[4] = 0;
    for (char *at = text; *at; at++)
        sum++;
    sum *= 2; /* last */
    printf("%s %d %g\n", text, sum, half);
    return sum == 16 ? 0 : 1;
}
