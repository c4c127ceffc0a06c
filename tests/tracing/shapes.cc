// Templates, virtual functions and exceptions.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

template <typename T> struct Box : Shape {
    T width, height;
    Box(T w, T h) : width(w), height(h) {
    }
    double area() const override {
        if (width < 0)
            throw std::range_error("negative width");
        return static_cast<double>(width * height);
    }
};

template <typename T, typename F>
__attribute__((noinline)) double total(const std::vector<T> &all, F measure) {
    double sum = 0;
    for (const auto &one : all)
        sum += measure(*one);
    return sum;
}

__attribute__((noinline)) double careful(const Shape &shape) {
    try {
        return shape.area();
    } catch (const std::exception &problem) {
        std::printf("caught %s\n", problem.what());
        return -1;
    }
}

int main() {
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Box<int>>(2, 3));
    shapes.push_back(std::make_unique<Box<double>>(1.5, 2.0));
    shapes.push_back(std::make_unique<Box<int>>(-1, 3));
    std::printf("total %g\n", total(shapes, careful));
}
