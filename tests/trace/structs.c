/* Structs, unions, bitfields and arrays: as locals, by value, and as results. */
#include "say.h"

#include <string.h>

struct pair {
    int a, b;
};
struct floats {
    float x, y;
};
struct mixed {
    double d;
    int i;
};
struct big {
    long v[5];
    char name[8];
};
struct bits {
    unsigned one : 1;
    int three : 3;
    unsigned twelve : 12;
    unsigned long rest : 40;
};
union either {
    int i;
    float f;
};
struct nested {
    struct pair pair[2];
    struct {
        int hidden;
    };
    union either either;
    const char *text;
    struct nested *next;
};
struct one {
    char c;
};

CALLED struct pair pairs(struct pair p, struct floats f, struct mixed m) {
    EXPECT("call pairs p={\"a\":%d,\"b\":%d} f={\"x\":%.9g,\"y\":%.9g} m={\"d\":%.17g,\"i\":%d}", p.a, p.b, f.x, f.y,
           m.d, m.i);
    struct pair result = {p.b, p.a + m.i};
    EXPECT("return pairs {\"a\":%d,\"b\":%d}", result.a, result.b);
    return result;
}

CALLED struct floats two_floats(float x) {
    EXPECT("call two_floats x=%.9g", x);
    struct floats result = {x, x * 2};
    EXPECT("return two_floats {\"x\":%.9g,\"y\":%.9g}", result.x, result.y);
    return result;
}

CALLED struct mixed mixture(int i) {
    EXPECT("call mixture i=%d", i);
    struct mixed result = {i / 2.0, i};
    EXPECT("return mixture {\"d\":%.17g,\"i\":%d}", result.d, result.i);
    return result;
}

CALLED struct big large(struct big b, int k) {
    EXPECT("call large b={\"v\":[%ld,%ld,%ld,%ld,%ld],\"name\":\"%s\"} k=%d", b.v[0], b.v[1], b.v[2], b.v[3], b.v[4],
           b.name, k);
    b.v[2] = k;
    strcpy(b.name, "out");
    EXPECT("return large {\"v\":[%ld,%ld,%ld,%ld,%ld],\"name\":\"%s\"}", b.v[0], b.v[1], b.v[2], b.v[3], b.v[4],
           b.name);
    return b;
}

CALLED struct one small(struct one o) {
    EXPECT("call small o={\"c\":\"%c\"}", o.c);
    o.c++;
    EXPECT("return small {\"c\":\"%c\"}", o.c);
    return o;
}

CALLED int bitfields(struct bits b) {
    EXPECT("call bitfields b={\"one\":%u,\"three\":%d,\"twelve\":%u,\"rest\":%lu}", b.one, b.three, b.twelve,
           (unsigned long)b.rest);
    EXPECT("return bitfields %d", b.three);
    return b.three;
}

CALLED int nesting(struct nested *n, struct nested v) {
    EXPECT("call nesting n=\"%p\" v={\"pair\":[{\"a\":%d,\"b\":%d},{\"a\":%d,\"b\":%d}],\"hidden\":%d,"
           "\"either\":{\"i\":%d,\"f\":%.9g},\"text\":\"%s\",\"next\":\"%p\"}",
           (void *)n, v.pair[0].a, v.pair[0].b, v.pair[1].a, v.pair[1].b, v.hidden, v.either.i, v.either.f, v.text,
           (void *)v.next);
    EXPECT("return nesting %d", n->hidden);
    return n->hidden;
}

CALLED int arrays(void) {
    EXPECT("call arrays");
    int grid[2][3] = {{1, 2, 3}, {4, 5, 6}};
    EXPECT("assign arrays.grid [[%d,%d,%d],[%d,%d,%d]]", grid[0][0], grid[0][1], grid[0][2], grid[1][0], grid[1][1],
           grid[1][2]);
    grid[1][0] = 40;
    EXPECT("assign arrays.grid [[%d,%d,%d],[%d,%d,%d]]", grid[0][0], grid[0][1], grid[0][2], grid[1][0], grid[1][1],
           grid[1][2]);
    int *p = &grid[0][0];
    KEEP(p);
    char letters[6] = "abc";
    EXPECT("assign arrays.letters \"%s\"", letters);
    union either either = {.f = 1.5f};
    EXPECT("assign arrays.either {\"i\":%d,\"f\":%.9g}", either.i, either.f);
    EXPECT("return arrays %d", p[3] + letters[0]);
    return p[3] + letters[0];
}

int main(void) {
    struct big b = {{1, -2, 3, -4, 5}, "in"};
    struct bits bits = {1, -3, 4000, 1ul << 39};
    struct nested n = {{{1, 2}, {3, 4}}, {99}, {.f = 2.0f}, "text", NULL};
    n.next = &n;
    pairs((struct pair){1, -2}, (struct floats){1.5f, -2.5f}, (struct mixed){0.1, 3});
    two_floats(0.3f);
    mixture(7);
    large(b, 11);
    small((struct one){'m'});
    bitfields(bits);
    nesting(&n, n);
    arrays();
    return 0;
}
