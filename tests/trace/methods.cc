/* Methods, templates, namespaces, constructors and destructors, virtual calls, references, lambdas. */
/* options: --file *methods.cc */
#include "say.h"

#include <string>
#include <vector>

namespace shop {
class cart {
public:
    CALLED explicit cart(int size) : size(size) {
        EXPECT("call shop::cart::cart size=%d this=\"%p\"", size, (void *)this);
        EXPECT("return shop::cart::cart");
    }
    CALLED ~cart() {
        EXPECT("call shop::cart::~cart this=\"%p\"", (void *)this);
        EXPECT("return shop::cart::~cart");
    }
    CALLED int add(int count) {
        EXPECT("call shop::cart::add this=\"%p\" count=%d", (void *)this, count);
        size += count;
        EXPECT("return shop::cart::add %d", size);
        return size;
    }
    static CALLED int none(int x) {
        EXPECT("call shop::cart::none x=%d", x);
        EXPECT("return shop::cart::none %d", -x);
        return -x;
    }

private:
    int size;
};

template <typename T> CALLED T larger(T a, T b) {
    EXPECT("call shop::larger<%s> a=%d b=%d", sizeof(T) == 4 ? "int" : "long", (int)a, (int)b);
    T result = a > b ? a : b;
    EXPECT("return shop::larger<%s> %d", sizeof(T) == 4 ? "int" : "long", (int)result);
    return result;
}
} // namespace shop

struct shape {
    virtual ~shape() = default;
    virtual double area(double scale) const = 0;
};
struct square : shape {
    double side = 3;
    CALLED double area(double scale) const override {
        EXPECT("call square::area this=\"%p\" scale=%g", (const void *)this, scale);
        EXPECT("return square::area %g", side * side * scale);
        return side * side * scale;
    }
};
struct circle : shape {
    CALLED double area(double scale) const override {
        EXPECT("call circle::area scale=%g", scale);
        EXPECT("return circle::area %g", 3 * scale);
        return 3 * scale;
    }
};

struct point {
    int x, y;
};
struct owned { // not trivial: passed and returned in memory
    int value;
    explicit owned(int v) : value(v) {
    }
    owned(const owned &other) : value(other.value) {
    }
    ~owned() {
        KEEP(value);
    }
};

CALLED int references(int &number, const point &p, point &&q) {
    EXPECT("call references number=%d p={\"x\":%d,\"y\":%d} q={\"x\":%d,\"y\":%d}", number, p.x, p.y, q.x, q.y);
    number++;
    EXPECT("return references %d", number);
    return number;
}
CALLED int &element(std::vector<int> &v, unsigned index) {
    EXPECT("call element v=[%d,%d,%d] index=%u", v[0], v[1], v[2], index);
    EXPECT("return element %d", v[index]);
    return v[index];
}
CALLED std::string joined(const std::string &a, std::string b) {
    EXPECT("call joined a=\"%s\" b=\"%s\"", a.c_str(), b.c_str());
    std::string result = a + b;
    EXPECT("return joined \"%s\"", result.c_str());
    return result;
}
CALLED owned own(owned o, int k) {
    EXPECT("call own o={\"value\":%d} k=%d", o.value, k);
    EXPECT("return own {\"value\":%d}", o.value + k);
    return owned(o.value + k);
}
CALLED int overloaded(int x) {
    EXPECT("call overloaded x=%d", x);
    EXPECT("return overloaded 1");
    return 1;
}
CALLED int overloaded(const char *x) {
    EXPECT("call overloaded x=\"%s\"", x);
    EXPECT("return overloaded 2");
    return 2;
}
template <typename F> CALLED int apply(F function, int x) {
    return function(x);
}

int main() {
    EXPECT("call main");
    {
        shop::cart cart(2);
        cart.add(5);
        shop::cart::none(9);
    }
    shop::larger(3, 4);
    shop::larger(30L, 4L);
    square s;
    circle c;
    shape *shapes[] = {&s, &c};
    for (shape *each : shapes)
        each->area(0.5);
    int number = 41;
    references(number, point{1, 2}, point{3, 4});
    std::vector<int> v = {7, 8, 9};
    element(v, 1) = 80;
    element(v, 1);
    joined("short", "er");
    joined("a text that is too long for the object itself", "!");
    own(owned(5), 6);
    overloaded(1);
    overloaded("one");
    int base = 10;
    apply([base](int x) { return base * x; }, 3);
    EXPECT("return main 0");
    return 0;
}
