/* Locals: counters, static ones, shadowed ones, arrays of variable length. */
#include "say.h"

#include <string.h>

CALLED int counting(int n) {
    int total = 0;
    EXPECT("assign counting.total 0");
    for (int i = 1; i <= n; i++) {
        EXPECT("assign counting.i %d", i);
        total += i;
        EXPECT("assign counting.total %d", total);
    }
#ifndef __clang__ /* its line table has no statement between i++ and the end of the loop */
    EXPECT("assign counting.i %d", n + 1);
#endif
    return total;
}

CALLED int kept(void) {
    static int calls = 10;
    calls++;
    EXPECT("assign kept.calls %d", calls);
    return calls;
}

CALLED int shadows(int x) {
    int result = 0;
    EXPECT("call shadows x=%d", x);
    {
        int x = 100;
        EXPECT("assign shadows.x %d", x);
        {
            long x = 1000;
            EXPECT("assign shadows.x %ld", x);
            x++;
            EXPECT("assign shadows.x %ld", x);
            result += (int)x;
        }
        x++;
        EXPECT("assign shadows.x %d", x);
        result += x;
    }
    x--;
    EXPECT("assign shadows.x %d", x);
    return result + x;
}

CALLED int parameters(int a, const char *text) {
    EXPECT("call parameters a=%d text=\"%s\"", a, text);
    a *= 2;
    EXPECT("assign parameters.a %d", a);
    text++;
    EXPECT("assign parameters.text \"%s\"", text);
    return a + *text;
}

CALLED void set(int *where, int value) {
    EXPECT("call set value=%d", value);
    *where = value;
    EXPECT("return set");
}

CALLED int by_pointer(void) {
    int target = 1;
    EXPECT("assign by_pointer.target 1");
    set(&target, 50);
    EXPECT("assign by_pointer.target %d", target);
    target += 5;
    EXPECT("assign by_pointer.target %d", target);
    return target;
}

CALLED int nested_calls(int depth) {
    int mine = depth * 10;
    EXPECT("assign nested_calls.mine %d", mine);
    if (depth)
        mine += nested_calls(depth - 1);
    else
        mine++;
    EXPECT("assign nested_calls.mine %d", mine);
    return mine;
}

CALLED int variable_length(int n) {
    EXPECT("call variable_length n=%d", n);
    int values[n];
    memset(values, 0x5a, sizeof(values)); /* what is on the stack is another thing in each run */
    for (int i = 0; i < n; i++)
        values[i] = i * i;
    int result = values[n - 1];
    EXPECT("assign variable_length.result %d", result);
    EXPECT("return variable_length %d", result);
    return result;
}

CALLED int by_length(int n, const short *from) {
    short values[n];
    long table[2][n];
    memcpy(values, from, sizeof(values));
    EXPECT("assign by_length.values [%d, %d, %d]", values[0], values[1], values[2]);
    values[1] = (short)(n * 100);
    EXPECT("assign by_length.values [%d, %d, %d]", values[0], values[1], values[2]);
    memset(table, n, sizeof(table));
    EXPECT("assign by_length.table [[%ld, %ld, %ld], [%ld, %ld, %ld]]", table[0][0], table[0][1], table[0][2],
           table[1][0], table[1][1], table[1][2]);
    table[1][2] = 4;
    EXPECT("assign by_length.table [[%ld, %ld, %ld], [%ld, %ld, %ld]]", table[0][0], table[0][1], table[0][2],
           table[1][0], table[1][1], table[1][2]);
    for (int i = 2; i < 4; i++) {
        char text[i];
        snprintf(text, sizeof(text), "%d", i * 7);
        EXPECT("assign by_length.text \"%s\"", text);
        values[0] += text[0];
        EXPECT("assign by_length.values [%d, %d, %d]", values[0], values[1], values[2]);
    }
    return values[0] + (int)table[0][0];
}

CALLED int unions(void) {
    double ratio = 0.25;
    EXPECT("assign unions.ratio %.17g", ratio);
    for (unsigned char k = 0; k < 2; k++) {
        ratio *= 3;
        EXPECT("assign unions.ratio %.17g", ratio);
    }
    return (int)ratio;
}

int main(void) {
    counting(3);
    kept();
    kept();
    shadows(7);
    parameters(21, "abc");
    by_pointer();
    nested_calls(2);
    variable_length(4);
    by_length(3, (const short[]){-7, 8, 9});
    unions();
    return 0;
}
