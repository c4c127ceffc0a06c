/* Which way conditions go. `line` is the line of the condition that follows. */
#include "say.h"

CALLED int chain(int x) {
    int line = __LINE__ + 1;
    if (x < 0) {
        BRANCH("if", 1);
        return -1;
    }
    BRANCH("if", 0);
    line = __LINE__ + 1;
    if (x == 0) {
        BRANCH("if", 1);
        x = 10;
    } else if (BRANCH("else", 1), line = __LINE__, x < 100) {
        BRANCH("if", 1);
        x = 20;
    } else {
        BRANCH("else", 1);
        x = 30;
    }
    return x;
}

CALLED int conditions(int a, int b) {
    int result = 0, line = __LINE__ + 1;
    if (a && b) {
        BRANCH("if", 1);
        result += 1;
    } else {
        BRANCH("else", 1);
        result += 2;
    }
    line = __LINE__ + 1;
    if (a || b) {
        BRANCH("if", 1);
        result += 10;
    } else {
        BRANCH("else", 1);
        result += 20;
    }
    line = __LINE__ + 1;
    if ((a && !b) || (!a && b)) {
        BRANCH("if", 1);
        result += 100;
    } else {
        BRANCH("else", 1);
        result += 200;
    }
    line = __LINE__ + 1;
    if (!a) {
        BRANCH("if", 1);
        result += 1000;
    }
    if (a)
        EXPECT("branch %d if false", line);
    return result;
}

CALLED int loops(int n) {
    int total = 0, line = __LINE__ + 1;
    for (int i = 0; i < n; i++) {
        BRANCH("loop", 1);
        int outer = line;
        line = __LINE__ + 1;
        for (int k = 0; k < i; k++) {
            BRANCH("loop", 1);
            total += k;
        }
        BRANCH("loop", 0);
        line = outer;
    }
    BRANCH("loop", 0);
    return total;
}

CALLED int whiles(int n) {
    int count = 0, line = __LINE__ + 1;
    while (n > 0 && count < 3) {
        BRANCH("loop", 1);
        count++;
        n--;
    }
    BRANCH("loop", 0);
    line = __LINE__ + 1;
    while (n > 5 || count > 1) {
        BRANCH("loop", 1);
        n -= 2;
        count--;
    }
    BRANCH("loop", 0);
    return count + n;
}

CALLED int do_while(int n) {
    int count = 0;
    do {
        count++;
        n /= 2;
        EXPECT("branch %d loop %s", __LINE__ + 1, BOOL(n));
    } while (n);
    return count;
}

CALLED int breaks(int n) {
    int found = -1, line = __LINE__ + 1;
    for (int i = 0; i < 10; i++) {
        BRANCH("loop", 1);
        EXPECT("branch %d if %s", __LINE__ + 1, BOOL(i % 2));
        if (i % 2)
            continue;
        EXPECT("branch %d if %s", __LINE__ + 1, BOOL(i > n));
        if (i > n) {
            found = i;
            break;
        }
    }
    return found;
}

CALLED int table(int x) {
    EXPECT("branch %d switch true", __LINE__ + 1);
    switch (x) {
    case 0:
        return 11;
    case 1:
        return 7;
    case 2:
        x += 9;
        break;
    case 3:
        x *= 17;
        break;
    case 4:
        return 3;
    case 5:
        x -= 100;
        break;
    case 6:
        return x * x + 5;
    default:
        return -1;
    }
    return x;
}

CALLED int comparisons(int x) {
    EXPECT("branch %d switch true", __LINE__ + 1);
    switch (x) {
    case 1000:
        x = 1;
        break;
    case -5000:
        x = 2;
        break;
    case 77:
        x = 3;
        break;
    default:
        x = 4;
    }
    return x;
}

CALLED int with_goto(int n) {
    int total = 0;
again:
    total += n;
    n--;
    EXPECT("branch %d loop %s", __LINE__ + 1, BOOL(n > 0));
    if (n > 0)
        goto again;
    return total;
}

CALLED int one_line(int x) {
    int result = 0;
    EXPECT("branch %d if %s", __LINE__ + 1, BOOL(x > 3));
    if (x > 3) result = 1;
    EXPECT("branch %d if %s", __LINE__ + 1, BOOL(x > 5));
    if (x > 5) return 100;
    EXPECT("branch %d if %s", __LINE__ + 1, BOOL(x > 1 && x != 4));
    if (x > 1 && x != 4) result += 2;
    EXPECT("branch %d %s true", __LINE__ + 1, x > 2 ? "if" : "else");
    if (x > 2) result *= 2; else result += 3;
    return result;
}

CALLED int one_line_loop(int n) {
    int total = 0;
    for (int i = 0; i < n; i++)
        EXPECT("branch %d loop true", __LINE__ + 2);
    EXPECT("branch %d loop false", __LINE__ + 1);
    for (int i = 0; i < n; i++) total += i;
    return total;
}

CALLED const char *ternary(int x) {
    const char *word = x > 2 ? "large" : "small";
    EXPECT("return ternary \"%s\"", word);
    return word;
}

int main(void) {
    chain(-1);
    chain(0);
    chain(50);
    chain(500);
    for (int i = 0; i < 4; i++)
        conditions(i & 1, i >> 1);
    loops(3);
    whiles(2);
    whiles(9);
    do_while(5);
    do_while(0);
    breaks(3);
    for (int i = -1; i < 8; i++)
        table(i);
    comparisons(1000);
    comparisons(-5000);
    comparisons(77);
    comparisons(0);
    with_goto(3);
    for (int i = 0; i < 8; i++)
        one_line(i);
    one_line_loop(3);
    one_line_loop(0);
    ternary(1);
    ternary(3);
    return 0;
}
